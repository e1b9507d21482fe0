#include "drivers/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct failure {
    char *text;
    size_t bytes;
};

/* Returns -errno of the call that failed. */
__attribute__((format(printf, 2, 3))) static int fail(struct failure f, const char *format, ...)
{
    int error = errno;
    size_t used;
    va_list args;

    va_start(args, format);
    vsnprintf(f.text, f.bytes, format, args);
    va_end(args);
    used = strlen(f.text);
    snprintf(f.text + used, f.bytes - used, ": %s", strerror(error));
    return error ? -error : -EIO;
}

static struct ifreq request(const char *name)
{
    struct ifreq r = {0};

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    return r;
}

static int attach(struct tap *t, const char *name, struct failure f)
{
    struct ifreq r = request(name);

    t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return fail(f, "/dev/net/tun");
    r.ifr_flags = IFF_TAP | IFF_NO_PI;
    return ioctl(t->fd, TUNSETIFF, &r) ? fail(f, "making the interface %s", name) : 0;
}

/* A kernel without IPv6 has no such file. */
static bool set_sysctl(const char *family, const char *name, const char *key, char value)
{
    char path[128];
    bool is_set;
    int fd;

    snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, key);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    is_set = write(fd, &value, 1) == 1;
    close(fd);
    return is_set;
}

static bool has_ip6(const struct tap_config *c)
{
    for (uint32_t i = 0; i < c->address_count; i++)
        if (c->address[i].is_ip6)
            return true;
    return false;
}

/* Before it is up: without IPv6 there are no solicitations, with it no address but those that are
 * known here. Neighbours are told of a new MAC. */
static int set_behaviour(const struct tap_config *c, struct failure f)
{
    if (!set_sysctl("ipv4", c->name, "arp_notify", '1'))
        return fail(f, "net.ipv4.conf.%s.arp_notify", c->name);
    if (!set_sysctl("ipv6", c->name, "disable_ipv6", has_ip6(c) ? '0' : '1'))
        return fail(f, "net.ipv6.conf.%s.disable_ipv6", c->name);
    if (has_ip6(c) && (!set_sysctl("ipv6", c->name, "accept_ra", '0') ||
                       !set_sysctl("ipv6", c->name, "ndisc_notify", '1')))
        return fail(f, "net.ipv6.conf.%s", c->name);
    return 0;
}

static int set_link(int control, const struct tap_config *c, struct failure f)
{
    struct ifreq r = request(c->name);

    r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(r.ifr_hwaddr.sa_data, c->mac, sizeof(c->mac));
    if (ioctl(control, SIOCSIFHWADDR, &r))
        return fail(f, "the MAC address of %s", c->name);
    r = request(c->name);
    r.ifr_mtu = c->mtu;
    if (ioctl(control, SIOCSIFMTU, &r))
        return fail(f, "the MTU of %s", c->name);
    return 0;
}

static int set_up(int control, const char *name, struct failure f)
{
    struct ifreq r = request(name);

    if (ioctl(control, SIOCGIFFLAGS, &r))
        return fail(f, "the flags of %s", name);
    r.ifr_flags |= IFF_UP;
    return ioctl(control, SIOCSIFFLAGS, &r) ? fail(f, "bringing %s up", name) : 0;
}

struct add_address {
    struct nlmsghdr header;
    struct ifaddrmsg address;
    uint8_t attributes[2 * RTA_SPACE(16)];
};

static void add_attribute(struct add_address *m, uint16_t type, const void *value, uint16_t bytes)
{
    struct rtattr *a = (struct rtattr *)((uint8_t *)m + NLMSG_ALIGN(m->header.nlmsg_len));

    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(bytes);
    memcpy(RTA_DATA(a), value, bytes);
    m->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->header.nlmsg_len) + RTA_SPACE(bytes));
}

/* 0 or an errno, as the kernel acknowledges. */
static int netlink_ask(int fd, const struct nlmsghdr *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t rest[512];
    } answer;
    ssize_t n;

    if (send(fd, request, request->nlmsg_len, 0) < 0)
        return errno;
    n = recv(fd, &answer, sizeof(answer), 0);
    if (n < 0)
        return errno;
    if ((size_t)n < sizeof(answer.header) + sizeof(answer.error) ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        return EPROTO;
    return -answer.error.error;
}

static int add_addresses(int netlink, uint32_t index, const struct tap_config *c, struct failure f)
{
    for (uint32_t i = 0; i < c->address_count; i++) {
        const struct tap_address *a = &c->address[i];
        const uint16_t bytes = a->is_ip6 ? 16 : 4;
        char text[INET6_ADDRSTRLEN];
        struct add_address m = {
            .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(m.address)),
                       .nlmsg_type = RTM_NEWADDR,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
            /* At once: a daemon that starts behind us wants to bind to it. */
            .address = {.ifa_family = a->is_ip6 ? AF_INET6 : AF_INET,
                        .ifa_prefixlen = a->prefix_len,
                        .ifa_flags = a->is_ip6 ? IFA_F_NODAD : 0,
                        .ifa_index = index},
        };

        add_attribute(&m, IFA_LOCAL, a->ip, bytes);
        add_attribute(&m, IFA_ADDRESS, a->ip, bytes);
        errno = netlink_ask(netlink, &m.header);
        if (errno)
            return fail(f, "giving %s the address %s", c->name,
                        inet_ntop(a->is_ip6 ? AF_INET6 : AF_INET, a->ip, text, sizeof(text)));
    }
    return 0;
}

static int set_up_all(int control, int netlink, const struct tap_config *c, struct failure f)
{
    struct ifreq r = request(c->name);
    int rc;

    if (control < 0 || netlink < 0)
        return fail(f, "a socket for %s", c->name);
    if (ioctl(control, SIOCGIFINDEX, &r))
        return fail(f, "finding %s", c->name);
    rc = set_behaviour(c, f);
    if (!rc)
        rc = set_link(control, c, f);
    if (!rc)
        rc = set_up(control, c->name, f);
    return rc ? rc : add_addresses(netlink, (uint32_t)r.ifr_ifindex, c, f);
}

int tap_open(struct tap *t, const struct tap_config *c, char *error, size_t error_bytes)
{
    struct failure f = {error, error_bytes};
    int rc = attach(t, c->name, f);

    if (!rc) {
        int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        rc = set_up_all(control, netlink, c, f);
        if (control >= 0)
            close(control);
        if (netlink >= 0)
            close(netlink);
    }
    if (rc)
        tap_close(t);
    return rc;
}

void tap_close(struct tap *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

bool tap_write(const struct tap *t, const void *head, size_t head_bytes, const void *rest,
               size_t rest_bytes)
{
    const struct iovec parts[2] = {{(void *)(uintptr_t)head, head_bytes},
                                   {(void *)(uintptr_t)rest, rest_bytes}};

    return writev(t->fd, parts, 2) == (ssize_t)(head_bytes + rest_bytes);
}

size_t tap_read(const struct tap *t, void *bytes, size_t room)
{
    ssize_t n = read(t->fd, bytes, room);

    return n > 0 ? (size_t)n : 0;
}

bool tap_set_mac(const struct tap *t, const uint8_t mac[6])
{
    struct ifreq r = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

    memcpy(r.ifr_hwaddr.sa_data, mac, 6);
    return ioctl(t->fd, SIOCSIFHWADDR, &r) == 0;
}

bool tap_set_carrier(const struct tap *t, bool is_up)
{
    int carrier = is_up;

    return ioctl(t->fd, TUNSETCARRIER, &carrier) == 0;
}
