/* port_dpdk_ladder.c: what is possible for a kernel interface, judged from /sys without touching
 * it. Needs no EAL. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/pci_device.h"
#include "drivers/port_dpdk_impl.h"

enum {
    /* A frame, its headroom (256), an mbuf and its headers must fit a 4 KiB page of AF_XDP's
       memory. */
    XDP_MTU_MAX = 3300,
};

static bool path_of(char path[PATH_MAX], const char *format, const char *iface)
{
    if (iface[0] == '\0' || strchr(iface, '/') || strlen(iface) >= IFNAMSIZ)
        return false;
    snprintf(path, PATH_MAX, format, iface);
    return true;
}

/* The last part of where a symbolic link points to. */
static bool link_name(const char *path, char *name, size_t name_bytes)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    snprintf(name, name_bytes, "%s", basename(target));
    return true;
}

static int count_entries(const char *path, const char *prefix)
{
    int count = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && strncmp(e->d_name, prefix, strlen(prefix)) == 0)
            count++;
    closedir(dir);
    return count;
}

uint16_t port_dpdk_netdev_queues(const char *iface)
{
    char path[PATH_MAX];
    int count = path_of(path, "/sys/class/net/%s/queues", iface) ? count_entries(path, "rx-") : 0;
    return (uint16_t)(count > 0 ? count : 1);
}

/* False: there is no such interface, or its driver does not know. */
static bool ask_ethtool(const char *iface, void *question)
{
    struct ifreq request = {.ifr_data = question};
    if (strlen(iface) >= sizeof(request.ifr_name))
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
    bool is_answered = ioctl(fd, SIOCETHTOOL, &request) == 0;
    close(fd);
    return is_answered;
}

uint16_t port_dpdk_netdev_channels(const char *iface)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    bool is_known = ask_ethtool(iface, &channels) && channels.combined_count > 0;
    return is_known ? (uint16_t)channels.combined_count : 1;
}

bool port_dpdk_netdev_is_physical(const char *iface)
{
    char path[PATH_MAX];
    return path_of(path, "/sys/class/net/%s/device", iface) && access(path, F_OK) == 0;
}

int port_dpdk_netdev_mtu(const char *iface)
{
    struct ifreq request = {0};
    if (strlen(iface) >= sizeof(request.ifr_name))
        return -EINVAL;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
    int err = ioctl(fd, SIOCGIFMTU, &request) == 0 ? 0 : -errno;
    close(fd);
    return err ? err : request.ifr_mtu;
}

bool port_dpdk_netdev_is_running(int fd, const char *iface)
{
    struct ifreq request = {0};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
    return ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
           (~request.ifr_flags & (IFF_UP | IFF_RUNNING)) == 0;
}

static struct port_rung rung(const char *name, bool is_possible, const char *format, ...)
{
    struct port_rung r = {.is_possible = is_possible};
    va_list args;
    va_start(args, format);
    snprintf(r.name, sizeof(r.name), "%s", name);
    vsnprintf(r.reason, sizeof(r.reason), format, args);
    va_end(args);
    return r;
}

static struct port_rung judge_pci(const char *iface)
{
    char path[PATH_MAX], driver[64] = "", address[64] = "", subsystem[64] = "";

    if (!port_dpdk_netdev_is_physical(iface))
        return rung("pci", false, "%s is virtual: no device behind it", iface);
    path_of(path, "/sys/class/net/%s/device/subsystem", iface);
    link_name(path, subsystem, sizeof(subsystem));
    if (strcmp(subsystem, "pci") != 0)
        return rung("pci", false, "%s sits on the %s bus, not on PCI", iface, subsystem);
    path_of(path, "/sys/class/net/%s/device", iface);
    link_name(path, address, sizeof(address));
    path_of(path, "/sys/class/net/%s/device/driver", iface);
    link_name(path, driver, sizeof(driver));

    /* These PMDs work beside the kernel's driver; all others need the device for themselves. */
    if (strcmp(driver, "mlx5_core") == 0 || strcmp(driver, "mlx4_core") == 0)
        return rung("pci", true, "%s", address);
    if (count_entries("/sys/kernel/iommu_groups", "") == 0)
        return rung("pci", false,
                    "%s (%s) needs vfio-pci, which needs an IOMMU: switch VT-d/AMD-Vi on in the "
                    "firmware, intel_iommu=on at boot",
                    address, driver);
    if (access("/sys/bus/pci/drivers/vfio-pci", F_OK) != 0)
        return rung("pci", false, "%s (%s) needs vfio-pci: modprobe vfio-pci", address, driver);
    return rung(
        "pci", false,
        "%s is held by %s: make a VF, bind it to vfio-pci, and give its PCI address as port",
        address, driver);
}

static struct port_rung judge_af_xdp(const char *iface)
{
    int mtu = port_dpdk_netdev_mtu(iface);
    uint16_t queues = port_dpdk_netdev_queues(iface);
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0 && (errno == EPERM || errno == EACCES))
        return rung("net_af_xdp", false, "needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF");
    if (fd < 0)
        return rung("net_af_xdp", false, "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS): %s",
                    strerror(errno));
    close(fd);
    if (mtu > XDP_MTU_MAX)
        return rung("net_af_xdp", false, "the MTU %d is above %d: ip link set %s mtu 1500", mtu,
                    XDP_MTU_MAX, iface);
    if (queues > PORT_QUEUES_MAX)
        return rung("net_af_xdp", false, "%u queues are above %d: ethtool -L %s combined %d",
                    queues, PORT_QUEUES_MAX, iface, PORT_QUEUES_MAX);
    if (queues > port_dpdk_netdev_channels(iface))
        return rung("net_af_xdp", false,
                    "%u rx queues, of which AF_XDP can serve %u: ethtool -L %s rx 1 tx 1", queues,
                    port_dpdk_netdev_channels(iface), iface);
    return rung("net_af_xdp", true, "%u queue%s", queues, queues == 1 ? "" : "s");
}

/* Merged frames are above the MTU, and dropped. */
static bool merges_frames(const char *iface)
{
    struct ethtool_value gro = {.cmd = ETHTOOL_GGRO};
    return ask_ethtool(iface, &gro) && gro.data != 0;
}

static struct port_rung judge_af_packet(const char *iface)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rung("net_af_packet", false,
                    errno == EPERM ? "needs CAP_NET_RAW" : "this kernel has no AF_PACKET");
    close(fd);
    if (merges_frames(iface))
        return rung("net_af_packet", true,
                    "copies every frame; first: ethtool -K %s gro off lro off", iface);
    return rung("net_af_packet", true, "copies every frame");
}

static struct port_rung judge_tap(const char *iface)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return rung("net_tap", false,
                    errno == ENOENT ? "no /dev/net/tun: modprobe tun" : "/dev/net/tun: %s",
                    strerror(errno));
    close(fd);
    return rung("net_tap", true,
                "not tried: redirects frames of %s if the kernel has tc flower and mirred", iface);
}

int port_dpdk_ladder(const char *iface, struct port_rung *rungs, int max)
{
    int n = 0, mtu = port_dpdk_netdev_mtu(iface);
    if (mtu < 0) {
        if (n < max)
            rungs[n++] = rung("none", false, "there is no interface '%.32s' here", iface);
        return n;
    }
    struct port_rung all[] = {judge_pci(iface), judge_af_xdp(iface), judge_af_packet(iface),
                              judge_tap(iface)};
    for (; n < max && n < (int)RTE_DIM(all); n++)
        rungs[n] = all[n];
    return n;
}

bool port_dpdk_wants_pci(const char *device)
{
    char address[PCI_ADDRESS_BYTES];
    return pci_device_address(device, address) ||
           (strncmp(device, "auto:", 5) == 0 && judge_pci(device + 5).is_possible);
}
