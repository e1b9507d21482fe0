/* The port's devices: opened, looked after from time to time, and what has become of them said. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "drivers/eal.h"
#include "drivers/lacp.h"
#include "drivers/pci_device.h"
#include "drivers/port_dpdk.h"
#include "drivers/port_pair.h"

enum { PF_LOOK_MS = 250 };

/* A VF whose PF is not up would get an address that nobody knows. */
static bool is_waiting(const char *device, char pf[PCI_NAME_BYTES])
{
    char address[PCI_ADDRESS_BYTES];

    return pci_device_address(device, address) && pci_device_pf_is_down("/sys", address, pf);
}

/* Until one of the devices can be opened. -EINTR: a signal came. */
static int await_pf(const struct hearthd *h, const char *const *device, uint32_t count)
{
    struct pollfd stop = {.fd = h->signal_fd, .events = POLLIN};
    char pf[PCI_NAME_BYTES];

    for (bool is_told = false;; is_told = true) {
        for (uint32_t i = 0; i < count; i++) {
            if (!is_waiting(device[i], pf))
                return 0;
            if (!is_told)
                log_line("start", "advice=\"port.device %s waits for its PF: ip link set %s up\"",
                         device[i], pf);
        }
        if (poll(&stop, 1, PF_LOOK_MS) > 0)
            return -EINTR;
    }
}

static void open_member(struct hearthd *h, struct port_dpdk_config *config, uint32_t i)
{
    char pf[PCI_NAME_BYTES], *why = h->member_error[i];

    if (is_waiting(config->device, pf))
        snprintf(why, sizeof(h->member_error[i]), "%.64s: its PF is down: ip link set %.32s up",
                 config->device, pf);
    else
        h->member[i] = port_dpdk_create(config, why, sizeof(h->member_error[i]));
}

/* Two devices, of which one may be missing: a node whose card has died does serve when it is
 * started again. */
static int open_pair(struct hearthd *h, struct port_dpdk_config *config, const char *const *device,
                     char *error, size_t error_bytes)
{
    /* Which core a flow has, and which device: not to be guessed. */
    struct {
        struct port_dpdk_keys core;
        uint64_t device;
    } key;
    ssize_t n = getrandom(&key, sizeof(key), 0);

    assert(n == sizeof(key)); /* 256 bytes and fewer come whole */
    config->keys = &key.core;
    for (uint32_t i = 0; i < CONF_DEVICES_MAX; i++) {
        config->device = device[i];
        config->index = (uint8_t)i;
        open_member(h, config, i);
        if (!h->member[i])
            log_line("start", "advice=\"port.devices: without %s: %s\"", device[i],
                     h->member_error[i]);
    }
    if (!h->member[0] && !h->member[1]) {
        snprintf(error, error_bytes, "port.devices: neither can be had: %s; %s", h->member_error[0],
                 h->member_error[1]);
        return -1;
    }
    if (h->member[0] && h->member[1]) {
        const struct port_pair_config pair = {
            .mode = h->conf->port.mode == CONF_PORT_LACP ? PORT_PAIR_LACP : PORT_PAIR_FAILOVER,
            .failback_ns = h->conf->port.failback_s * 1000000000ull,
            .flow_key = key.device,
        };
        port_dpdk_agree(h->member[0], h->member[1]);
        h->port = port_pair_create(h->member[0], h->member[1], &pair);
        h->is_pair = h->port != NULL;
    } else {
        h->port = h->member[0] ? h->member[0] : h->member[1];
    }
    if (!h->port)
        snprintf(error, error_bytes, "port.devices: no memory");
    return h->port ? 0 : -1;
}

int hearthd_port_open(struct hearthd *h, const struct port_dpdk_config *common, char *error,
                      size_t error_bytes)
{
    struct port_dpdk_config config = *common;
    const char *device[CONF_DEVICES_MAX];
    uint32_t count = conf_devices(&h->conf->port, device);

    if (await_pf(h, device, count)) {
        snprintf(error, error_bytes, "port.device %s: told to stop before its PF was up",
                 device[0]);
        return -1;
    }
    if (count > 1)
        return open_pair(h, &config, device, error, error_bytes);
    config.device = device[0];
    h->port = h->member[0] = port_dpdk_create(&config, error, error_bytes);
    return h->port ? 0 : -1;
}

int hearthd_port_join(struct hearthd *h)
{
    uint8_t group[NET_GROUPS_MAX + 1][6];
    uint32_t count = net_groups(&h->net, group);
    const bool has_lacp = h->is_pair && h->conf->port.mode == CONF_PORT_LACP;
    int rc = 0;

    if (has_lacp)
        memcpy(group[count++], lacp_group, sizeof(lacp_group));
    for (uint32_t i = 0; i < CONF_DEVICES_MAX && rc == 0; i++) {
        if (h->member[i])
            rc = port_dpdk_join(h->member[i], group, count);
        if (has_lacp && rc == 0)
            rc = port_dpdk_hear(h->member[i], h->port->caps.mac);
    }
    return rc;
}

void hearthd_port_advise(const struct hearthd *h)
{
    const int node = h->port->caps.numa_node;

    for (uint32_t i = 0; i < h->conf->cores_count && node >= 0; i++)
        if (eal_core_node(i) != node)
            log_line("start",
                     "advice=\"CPU %u is on NUMA node %d, and the card on %d: each frame crosses; "
                     "cores: on node %d would not\"",
                     h->conf->cores[i], eal_core_node(i), node, node);
}

/* A VF has the address that its PF gives it, which need not be the one that it had; a pair that of
 * its active device. */
static void follow_mac(struct hearthd *h)
{
    const uint8_t *mac = h->port->caps.mac;

    if (!memcmp(h->net.mac, mac, sizeof(h->net.mac)))
        return;
    memcpy(h->net.mac, mac, sizeof(h->net.mac));
    log_line("port", "mac=%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    if (hearthd_port_join(h))
        log_line("port", "multicast=no");
    hearthd_tap_follow_mac(h);
}

static void look_at_member(struct port *member)
{
    const char *device = member->caps.name;
    const struct port_link *link = &member->link;
    char error[512];
    struct log_quoted why;

    switch (port_dpdk_look(member, loop_now_ns(), error, sizeof(error))) {
    case PORT_NO_NEWS:
        break;
    case PORT_LINK_UP:
        log_line("port", "device=\"%s\" link=up mbps=%u", device, link->speed_mbps);
        break;
    case PORT_LINK_DOWN:
        log_line("port", "device=\"%s\" link=down", device);
        break;
    case PORT_RESTARTED:
        log_line("port", "device=\"%s\" restarted=%llu", device,
                 (unsigned long long)link->restarts);
        break;
    case PORT_RESTART_FAILED:
        log_line("port", "device=\"%s\" restart=failed why=\"%s\"", device, log_quote(&why, error));
        break;
    case PORT_SILENT:
        log_line("port",
                 "device=\"%s\" interrupts=silent: its driver offers them, and none came; the "
                 "cores look for frames 5,000 times a second",
                 device);
        break;
    case PORT_RELEASED:
        log_line("port",
                 "device=\"%s\" released: the kernel wanted it back; this node is not reached "
                 "through it until it is started again with a device",
                 device);
    }
}

/* The devices by which frames leave. */
static void log_active(const struct hearthd *h, const char *why)
{
    const bool both = port_pair_is_active(h->port, 0) && port_pair_is_active(h->port, 1);
    const uint32_t active = port_pair_is_active(h->port, 0) ? 0 : 1;

    log_line("port", "active=\"%s%s%s\" why=%s switches=%llu", h->member[active]->caps.name,
             both ? " + " : "", both ? h->member[1]->caps.name : "", why,
             (unsigned long long)port_pair_switches(h->port));
}

/* What a member has come to; not what is on the way there. */
static void log_lacp(struct hearthd *h, uint32_t i)
{
    const struct port_pair_partner p = port_pair_partner(h->port, i);
    const bool is_end = !strcmp(p.state, "distributing") || strstr(p.state, "partner");

    if (!is_end || p.state == h->lacp_state[i])
        return;
    h->lacp_state[i] = p.state;
    if (!p.is_heard)
        log_line("port", "device=\"%s\" lacp=\"%s\": the switch does not speak it at this port",
                 h->member[i]->caps.name, p.state);
    else
        log_line("port", "device=\"%s\" lacp=\"%s\" partner=%02x:%02x:%02x:%02x:%02x:%02x key=%u",
                 h->member[i]->caps.name, p.state, p.system[0], p.system[1], p.system[2],
                 p.system[3], p.system[4], p.system[5], p.key);
}

static void look_at_pair(struct hearthd *h)
{
    switch (port_pair_look(h->port, loop_now_ns())) {
    case PORT_PAIR_NO_NEWS:
    case PORT_PAIR_FOUND:
        break;
    case PORT_PAIR_SWITCHED:
        log_active(h, "link-lost");
        break;
    case PORT_PAIR_FAILED_BACK:
        log_active(h, "failback");
        break;
    case PORT_PAIR_CHANGED:
        log_active(h, "lacp");
        break;
    case PORT_PAIR_LOST:
        log_line("port", "active=none: neither device has a link");
    }
    for (uint32_t i = 0; i < CONF_DEVICES_MAX && h->conf->port.mode == CONF_PORT_LACP; i++)
        log_lacp(h, i);
}

static void look(void *arg)
{
    struct hearthd *h = arg;

    for (uint32_t i = 0; i < CONF_DEVICES_MAX; i++)
        if (h->member[i])
            look_at_member(h->member[i]);
    if (h->is_pair)
        look_at_pair(h);
    follow_mac(h);
    hearthd_tap_follow_link(h);
    loop_timer_set(&h->loop, &h->port_timer, PORT_LOOK_MS * 1000000ull, look, h);
}

void hearthd_port_watch(struct hearthd *h)
{
    look(h);
}
