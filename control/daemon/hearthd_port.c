/* Looks after the port's device from time to time, and says what has become of it. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "drivers/eal.h"
#include "drivers/pci_device.h"
#include "drivers/port_dpdk.h"

enum { PF_LOOK_MS = 250 };

int hearthd_port_await_pf(struct hearthd *h)
{
    const char *device = h->conf->port.device;
    struct pollfd stop = {.fd = h->signal_fd, .events = POLLIN};
    char address[PCI_ADDRESS_BYTES], pf[PCI_NAME_BYTES];

    if (!pci_device_address(device, address))
        return 0;
    for (bool is_told = false; pci_device_pf_is_down("/sys", address, pf); is_told = true) {
        if (!is_told)
            log_line("start", "advice=\"port.device %s waits for its PF: ip link set %s up\"",
                     device, pf);
        if (poll(&stop, 1, PF_LOOK_MS) > 0)
            return -EINTR;
    }
    return 0;
}

int hearthd_port_join(struct hearthd *h)
{
    uint8_t group[NET_GROUPS_MAX][6];

    return port_dpdk_join(h->port, group, net_groups(&h->net, group));
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

/* A VF has the address that its PF gives it, which need not be the one that it had. */
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

static void look(void *arg)
{
    struct hearthd *h = arg;
    const char *device = h->port->caps.name;
    const struct port_link *link = &h->port->link;
    char error[512];
    struct log_quoted why;

    switch (port_dpdk_look(h->port, loop_now_ns(), error, sizeof(error))) {
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
        follow_mac(h);
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
                 "until it is started again with a device",
                 device);
    }
    hearthd_tap_follow_link(h);
    loop_timer_set(&h->loop, &h->port_timer, PORT_LOOK_MS * 1000000ull, look, h);
}

void hearthd_port_watch(struct hearthd *h)
{
    look(h);
}
