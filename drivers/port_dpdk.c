/* port_dpdk.c: finds a DPDK device, and makes what it needs of memory, rings and descriptors;
 * port_dpdk_start.c starts it, port_dpdk_watch.c looks after it, the packet path is
 * port_dpdk_io.c and port_dpdk_large.c. */
#include "drivers/port_dpdk.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "drivers/log_capture.h"
#include "drivers/pci_device.h"
#include "drivers/port_dpdk_impl.h"
#include "drivers/socket_set.h"

#define SYSFS "/sys"

enum {
    DEVICE_TEXT_BYTES = 512,
    ETHERNET_BYTES = ETH_HLEN + 4, /* with one VLAN tag */
    POOL_CACHE = 256,
    BUFFERS_DEFAULT = 8191,
    BUFFERS_IN_HAND = 2048,
    BUFFER_EXTRA = RTE_PKTMBUF_HEADROOM + sizeof(struct rte_mbuf) + RTE_CACHE_LINE_SIZE,
    XDP_TRIES = 10,
    XDP_BUFFERS_MIN = 8191, /* the PMD fills 2 x 2048 into its rings, 2048 more may be in flight */

    /* AF_PACKET rings: a frame has TPACKET2's headers (66 bytes) in front. */
    PACKET_FRAME_BYTES = 2048,
    PACKET_FRAME_EXTRA = 256,
    PACKET_BLOCK_BYTES = 1 << 20,
    PACKET_RING_BYTES = 16 << 20, /* of a queue, to receive; and the same to send */
};

struct failure {
    char *text;
    size_t bytes;
};

/* Always NULL, so that a caller can return it. */
static struct port *fail(struct failure f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (f.text && f.bytes > 0)
        vsnprintf(f.text, f.bytes, format, args);
    va_end(args);
    return NULL;
}

/* ---- the device string ---- */

static enum port_kind kind_of(const char *device)
{
    if (strncmp(device, "net_af_packet", 13) == 0 || strncmp(device, "eth_af_packet", 13) == 0)
        return KIND_AF_PACKET;
    if (strncmp(device, "net_af_xdp", 10) == 0)
        return KIND_AF_XDP;
    if (strncmp(device, "net_tap", 7) == 0)
        return KIND_TAP;
    return KIND_OTHER;
}

/* The value of key in "name,key=value,..."; empty if there is none. */
static void device_arg(const char *device, const char *key, char *value, size_t value_bytes)
{
    char wanted[32];
    int wanted_bytes = snprintf(wanted, sizeof(wanted), ",%s=", key);
    const char *at = strstr(device, wanted);

    value[0] = '\0';
    if (at) {
        at += wanted_bytes;
        snprintf(value, value_bytes, "%.*s", (int)strcspn(at, ","), at);
    }
}

static void add_arg(char device[DEVICE_TEXT_BYTES], const char *key, unsigned long value)
{
    char old[32];
    size_t at = strlen(device);
    device_arg(device, key, old, sizeof(old));
    if (old[0] == '\0' && at < DEVICE_TEXT_BYTES)
        snprintf(device + at, DEVICE_TEXT_BYTES - at, ",%s=%lu", key, value);
}

static unsigned long arg_number(const char *device, const char *key, unsigned long otherwise)
{
    char value[32];
    device_arg(device, key, value, sizeof(value));
    return value[0] ? strtoul(value, NULL, 10) : otherwise;
}

/* Fills in what the operator did not say. The PMD's own defaults (512 frames of 2048 bytes, one
 * queue pair) lose bursts and cannot carry jumbo frames. A receive ring holds what comes while the
 * core does something else: eight clients whose windows are open send 1,400 segments at once. */
static void complete_device(char device[DEVICE_TEXT_BYTES], enum port_kind kind, uint16_t lanes,
                            int mtu, const char *iface)
{
    if (kind == KIND_AF_PACKET) {
        unsigned long frame = PACKET_FRAME_BYTES, block = PACKET_BLOCK_BYTES;
        while (frame < (unsigned long)mtu + ETHERNET_BYTES + PACKET_FRAME_EXTRA)
            frame *= 2;
        frame = arg_number(device, "framesz", frame);
        unsigned long frames =
            arg_number(device, "framecnt", PACKET_RING_BYTES / RTE_MAX(frame, 1ul));
        while (block > frame && block > frames * frame) /* a ring is whole blocks */
            block /= 2;
        add_arg(device, "qpairs", lanes);
        add_arg(device, "blocksz", block);
        add_arg(device, "framesz", frame);
        add_arg(device, "framecnt", frames);
    }
    /* All queues of the interface, however few cores we have: what arrives on the others would go
     * to the kernel. */
    if (kind == KIND_AF_XDP)
        add_arg(device, "queue_count", port_dpdk_netdev_queues(iface));
}

/* A killed memif server leaves its socket file, at which the next one would fail. It is stale if
 * nobody answers. */
static void remove_stale_socket(const char *device)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char role[16], is_abstract[8];

    device_arg(device, "role", role, sizeof(role));
    device_arg(device, "socket-abstract", is_abstract, sizeof(is_abstract));
    device_arg(device, "socket", at.sun_path, sizeof(at.sun_path));
    bool is_server = strcmp(role, "server") == 0 || strcmp(role, "master") == 0;
    if (!is_server || strcmp(is_abstract, "no") != 0 || at.sun_path[0] != '/')
        return;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 && errno == ECONNREFUSED)
        unlink(at.sun_path);
    close(fd);
}

/* ---- setup ---- */

static struct rte_mempool *make_pool(struct port_dpdk *p, uint32_t buffers, uint32_t room)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    int socket = rte_eth_dev_socket_id(p->port_id);

    snprintf(name, sizeof(name), "port%u_%u", p->port_id, p->pool_count);
    /* Cores that share a CPU, or hand frames to each other, use a pool together: ring_mt_rts does
     * not spin on a thread that lost its CPU in the middle of an operation. */
    struct rte_mempool *pool = rte_pktmbuf_pool_create_by_ops(
        name, buffers, POOL_CACHE, 0, (uint16_t)(room + RTE_PKTMBUF_HEADROOM),
        socket < 0 ? SOCKET_ID_ANY : socket, "ring_mt_rts");
    if (pool)
        p->pools[p->pool_count++] = pool;
    return pool;
}

static int setup_lanes(struct port_dpdk *p)
{
    for (uint16_t q = 0; q < p->lanes; q++) {
        struct lane *l = &p->lane[q];
        l->rx_first = q;
        l->rx_step = p->lanes;
        l->rx_end = p->device_rx_queues;
        l->tx_queue = q % p->device_tx_queues;
        l->tx_lock = p->lanes > p->device_tx_queues ? &p->tx_locks[l->tx_queue] : NULL;
        l->pool = p->pools[q];
        if (p->hand_over || p->has_interrupts) {
            l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            if (l->wake_fd < 0)
                return -errno;
        }
        if (!p->hand_over)
            continue;

        char name[RTE_RING_NAMESIZE];
        snprintf(name, sizeof(name), "inbox%u_%u", p->port_id, q);
        l->inbox = rte_ring_create(name, PORT_DPDK_INBOX, SOCKET_ID_ANY,
                                   RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
        if (!l->inbox)
            return -ENOMEM;
    }
    return 0;
}

static void read_identity(struct port_dpdk *p, const char *device)
{
    struct port_caps *caps = &p->base.caps;
    struct rte_ether_addr mac;

    /* The driver's name and its first argument say which device it is; the others are how we drive
     * it. */
    size_t first = strcspn(device, ",");
    size_t name = device[first] ? first + 1 + strcspn(device + first + 1, ",") : first;
    snprintf(caps->name, sizeof(caps->name), "%.*s", (int)name, device);
    caps->queues = p->lanes;
    caps->numa_node = rte_eth_dev_socket_id(p->port_id);
    if (rte_eth_macaddr_get(p->port_id, &mac) == 0)
        memcpy(caps->mac, mac.addr_bytes, sizeof(caps->mac));
    /* A tap's address is the kernel's end; ours must differ, as on the two ends of a cable. */
    char remote[32];
    device_arg(device, "remote", remote, sizeof(remote));
    if (p->kind == KIND_TAP && remote[0] == '\0') {
        caps->mac[0] = (uint8_t)((caps->mac[0] | 2) & ~1);
        caps->mac[5] ^= 1;
    }
}

/* libxdp 1.3 leaves the sockets of a closed device open, and the interface's queue busy. */
static void close_left_sockets(const struct lane *l)
{
    for (int i = 0; i < l->device_fd_count; i++) {
        int domain;
        socklen_t bytes = sizeof(domain);
        if (getsockopt(l->device_fds[i], SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 &&
            domain == AF_XDP)
            close(l->device_fds[i]);
    }
}

void port_dpdk_close_device(struct port_dpdk *p)
{
    if (!rte_eth_dev_is_valid_port(p->port_id))
        return;
    if (p->is_promiscuous)
        rte_eth_promiscuous_disable(p->port_id);
    flow_rules_destroy(&p->rules);
    rte_eth_dev_stop(p->port_id);
    rte_eth_dev_close(p->port_id);
    if (p->info.device)
        rte_dev_remove(p->info.device);
    p->port_id = RTE_MAX_ETHPORTS;
}

void port_dpdk_destroy(struct port_dpdk *p)
{
    port_dpdk_unwatch(p);
    port_dpdk_close_device(p);
    for (uint16_t q = 0; q < p->lanes; q++) {
        close_left_sockets(&p->lane[q]);
        if (p->lane[q].wake_fd >= 0)
            close(p->lane[q].wake_fd);
        if (p->lane[q].inbox) {
            void *m;
            while (rte_ring_dequeue(p->lane[q].inbox, &m) == 0)
                rte_pktmbuf_free(m);
            rte_ring_free(p->lane[q].inbox);
        }
    }
    port_dpdk_close_large(p);
    if (p->link_fd >= 0)
        close(p->link_fd);
    for (uint16_t i = 0; i < p->pool_count; i++)
        rte_mempool_free(p->pools[i]);
    rte_free(p);
}

/* The ethdev port of that device, or -ENODEV. */
static int find_port(const char *device)
{
    struct rte_dev_iterator i;
    uint16_t port_id;
    RTE_ETH_FOREACH_MATCHING_DEV(port_id, device, &i)
    {
        rte_eth_iterator_cleanup(&i);
        return port_id;
    }
    return -ENODEV;
}

/* Attaches the device; its ethdev port or -errno. rte_dev_probe is content with a device that is
 * there already, but it would be another port's. */
static int attach(const char *device)
{
    if (find_port(device) >= 0)
        return -EEXIST;
    int err = rte_dev_probe(device);
    return err ? err : find_port(device);
}

static uint8_t needs_of(const struct port_dpdk *p)
{
    if (p->kind == KIND_AF_XDP) /* at the end its program leaves the interface */
        return PORT_NEEDS_NET_ADMIN | PORT_NEEDS_BPF;
    if (p->kind == KIND_TAP) /* at the end it goes down, with what redirected frames to it */
        return PORT_NEEDS_NET_ADMIN;
    if (strncmp(p->base.caps.driver, "mlx", 3) == 0) /* the kernel has the card as well */
        return PORT_NEEDS_NET_ADMIN | PORT_NEEDS_NET_RAW;
    /* The interface's flag must go again. */
    return p->kind == KIND_AF_PACKET && p->is_promiscuous ? PORT_NEEDS_NET_ADMIN : 0;
}

/* Each descriptor may hold one, and cores have some in hand. A power of two less one packs best. */
static uint32_t buffers_of(const struct port_dpdk *p, const struct port_dpdk_config *c)
{
    uint32_t wanted = rte_align32pow2(c->rx_descriptors + c->tx_descriptors + BUFFERS_IN_HAND) - 1;
    uint32_t buffers = c->buffers ? c->buffers : RTE_MAX(wanted, (uint32_t)BUFFERS_DEFAULT);

    return p->kind == KIND_AF_XDP ? RTE_MAX(buffers, (uint32_t)XDP_BUFFERS_MIN) : buffers;
}

/* Everything between attach and a running device. Returns 0 or -errno, and the step that failed or
 * a sentence. */
static int bring_up(struct port_dpdk *p, const char *device, const char *iface, int mtu,
                    const struct port_dpdk_config *c, const char **step, struct failure why)
{
    *step = "asking for its abilities";
    int err = rte_eth_dev_info_get(p->port_id, &p->info);
    if (err)
        return err;
    snprintf(p->base.caps.driver, sizeof(p->base.caps.driver), "%s", p->info.driver_name);
    port_dpdk_plan(p, device, iface);
    *step = "counting its queues";
    if (p->device_rx_queues == 0 || p->device_rx_queues > PORT_QUEUES_MAX)
        return -ERANGE;

    *step = "making its buffers";
    read_identity(p, device);
    if (!port_dpdk_settle_mtu(p, iface, mtu, why.text, why.bytes))
        return -ERANGE;
    uint32_t buffers = buffers_of(p, c), room = port_dpdk_room(p);
    uint16_t pools = RTE_MAX(p->lanes, p->device_rx_queues);
    if (p->kind == KIND_AF_PACKET)
        room = (uint32_t)arg_number(device, "framesz", PACKET_FRAME_BYTES);
    for (uint16_t i = 0; i < pools; i++)
        if (!make_pool(p, buffers, room)) {
            if (rte_errno == ENOMEM)
                snprintf(
                    why.text, why.bytes,
                    "its %u x %u buffers of %u bytes, some %u MB, do not fit: raise memory_mb, "
                    "or lower port.mtu or port.rx_descriptors",
                    pools, buffers, room,
                    (uint32_t)((uint64_t)pools * buffers * (room + BUFFER_EXTRA) >> 20));
            return -rte_errno;
        }

    err = port_dpdk_open_large(p, iface);
    if (err)
        return err;

    err = port_dpdk_start(p, step);
    if (err)
        return err;
    p->base.caps.needs = needs_of(p);
    *step = "making its queues between cores";
    err = setup_lanes(p);
    if (err)
        return err;
    port_dpdk_find_interrupts(p);
    return port_dpdk_watch(p);
}

static void random_fill(void *out, size_t bytes)
{
    ssize_t n = getrandom(out, bytes, 0); /* 256 bytes and fewer come whole */
    assert(n == (ssize_t)bytes);
}

/* A PCI function that DPDK can drive: user space has it, or the kernel's driver shares it. Of one
 * that nobody has DPDK says more. */
static bool is_ours(const char *pci, char held_by[PCI_NAME_BYTES])
{
    static const char *const drivers[] = {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core",
                                          "mlx4_core"};
    if (!pci_device_driver(SYSFS, pci, held_by))
        return true;
    for (size_t i = 0; i < RTE_DIM(drivers); i++)
        if (strcmp(held_by, drivers[i]) == 0)
            return true;
    return false;
}

/* was_setting_up: it was the device's queues that failed. */
static struct port *try_device(const char *given, const struct port_dpdk_config *c,
                               bool *was_setting_up, struct failure failure)
{
    char device[DEVICE_TEXT_BYTES], iface[64], pmd_says[256], why[256] = "";
    char pci[PCI_ADDRESS_BYTES], held_by[PCI_NAME_BYTES];
    struct log_capture capture;
    const char *step = "attaching it";
    enum port_kind kind = kind_of(given);

    *was_setting_up = false;
    if (snprintf(device, sizeof(device), "%s", given) >= (int)sizeof(device))
        return fail(failure, "the device string is too long");
    if (pci_device_address(given, pci)) {
        snprintf(device, sizeof(device), "%s%.256s", pci, given + strcspn(given, ","));
        if (!is_ours(pci, held_by))
            return fail(failure, "%s is held by the kernel's %s: bind it to vfio-pci%s", pci,
                        held_by, pci_device_is_vf(SYSFS, pci) ? ", as tools/vfs does" : "");
    }
    device_arg(device, "iface", iface, sizeof(iface));
    bool is_existing = kind == KIND_AF_PACKET || kind == KIND_AF_XDP;
    int mtu = iface[0] ? port_dpdk_netdev_mtu(iface) : 0;
    if (is_existing && mtu < 0)
        return fail(failure, "%s: there is no interface '%s' here", given, iface);
    uint16_t rx_queues = port_dpdk_netdev_queues(iface);
    if (kind == KIND_AF_XDP && rx_queues > port_dpdk_netdev_channels(iface))
        return fail(failure,
                    "%s: AF_XDP would not see %u of its %u queues: ethtool -L %s rx 1 tx 1", given,
                    rx_queues - port_dpdk_netdev_channels(iface), rx_queues, iface);
    if (strncmp(device, "net_memif", 9) == 0)
        remove_stale_socket(device);
    complete_device(device, kind, c->queues, mtu, iface);
    if (strlen(device) + 1 >= sizeof(device))
        return fail(failure, "the device string is too long");

    struct port_dpdk *p = rte_zmalloc("port_dpdk", sizeof(*p), RTE_CACHE_LINE_SIZE);
    struct socket_set before, now;
    if (!p)
        return fail(failure, "%s: no memory", given);
    p->base.ops = &port_dpdk_ops;
    p->lanes = c->queues;
    p->kind = kind;
    p->is_af_packet = kind == KIND_AF_PACKET;
    p->link_fd = is_existing ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (p->link_fd >= 0)
        snprintf(p->iface, sizeof(p->iface), "%.15s", iface);
    p->spread = (struct spread){.queues = p->lanes,
                                .rpc_port = c->rpc_port,
                                .own_first = c->own_first,
                                .own_each = c->own_each,
                                .listen = {c->listen[0], c->listen[1]},
                                .has_ipip = c->has_ipip,
                                .gue_port = c->gue_port};
    p->rx_descriptors = c->rx_descriptors;
    p->tx_descriptors = c->tx_descriptors;
    p->vlan = c->vlan;
    p->mtu = c->mtu;
    p->families = c->families ? c->families : FLOW_IP4 | FLOW_IP6;
    p->port_id = RTE_MAX_ETHPORTS;
    /* Not DPDK's rte_rand: who sees some of its numbers knows the next. */
    random_fill(&p->spread.key, sizeof(p->spread.key));
    random_fill(p->rss_key, sizeof(p->rss_key));
    if (c->keys) {
        p->spread.key = c->keys->spread;
        memcpy(p->rss_key, c->keys->rss, sizeof(p->rss_key));
    }
    for (uint16_t q = 0; q < p->lanes; q++)
        p->lane[q].wake_fd = p->lane[q].large_fd = -1;

    log_capture_begin(&capture);
    socket_set_read(&before, AF_PACKET);
    int err = attach(device);
    socket_set_read(&now, AF_PACKET);
    socket_set_subtract(&now, &before);
    if (err >= 0) {
        p->port_id = (uint16_t)err;
        for (int i = 0; kind == KIND_AF_PACKET && i < now.count && i < PORT_QUEUES_MAX; i++)
            port_dpdk_add_wait_fd(p, (uint16_t)i, now.fds[i]);
        if (kind == KIND_TAP) /* made just now */
            mtu = port_dpdk_netdev_mtu(iface);
        err = bring_up(p, device, iface, mtu, c, &step, (struct failure){why, sizeof(why)});
    }
    log_capture_end(&capture, pmd_says, sizeof(pmd_says));
    if (err < 0) {
        *was_setting_up = strcmp(step, port_dpdk_step_queues) == 0;
        port_dpdk_destroy(p);
        if (why[0])
            return fail(failure, "%s: %s", given, why);
        return fail(failure, "%s: %s failed: %s%s%s%s", given, step, rte_strerror(-err),
                    pmd_says[0] ? " (" : "", pmd_says, pmd_says[0] ? ")" : "");
    }
    return &p->base;
}

/* The kernel lets go of an AF_XDP queue a moment after its last socket was closed: a restarted node
 * may come too early, and all the PMD says is EINVAL. */
static struct port *create_one(const char *given, const struct port_dpdk_config *c,
                               struct failure failure)
{
    static const struct timespec pause = {.tv_nsec = 20000000};
    bool was_setting_up;
    struct port *port = try_device(given, c, &was_setting_up, failure);
    for (int i = 1; i < XDP_TRIES && !port && was_setting_up && kind_of(given) == KIND_AF_XDP;
         i++) {
        nanosleep(&pause, NULL);
        port = try_device(given, c, &was_setting_up, failure);
    }
    return port;
}

/* The rungs of the ladder, tried in turn. */
static struct port *create_auto(const char *iface, const struct port_dpdk_config *c,
                                struct failure failure)
{
    struct port_rung rungs[8];
    char device[DEVICE_TEXT_BYTES], reason[256] = "", reasons[768] = "";
    int count = port_dpdk_ladder(iface, rungs, RTE_DIM(rungs));

    for (int i = 0; i < count; i++) {
        struct port *port = NULL;
        snprintf(reason, sizeof(reason), "%s", rungs[i].reason);
        if (rungs[i].is_possible) {
            if (strcmp(rungs[i].name, "pci") == 0)
                snprintf(device, sizeof(device), "%s", rungs[i].reason);
            else if (strcmp(rungs[i].name, "net_tap") == 0)
                snprintf(device, sizeof(device), "net_tap%u,iface=hearth%u,remote=%s", c->index,
                         c->index, iface);
            else
                snprintf(device, sizeof(device), "%s%u,iface=%s", rungs[i].name, c->index, iface);
            port = create_one(device, c, (struct failure){reason, sizeof(reason)});
        }
        if (port)
            return port;
        size_t at = strlen(reasons);
        snprintf(reasons + at, sizeof(reasons) - at, "%s%s: %s", at ? "; " : "", rungs[i].name,
                 reason);
    }
    return fail(failure, "auto:%s: no rung of the ladder holds: %s", iface, reasons);
}

struct port *port_dpdk_create(const struct port_dpdk_config *c, char *error, size_t error_bytes)
{
    struct failure failure = {error, error_bytes};

    if (c->queues == 0 || c->queues > PORT_QUEUES_MAX)
        return fail(failure, "%u queues: 1 to %d are possible", c->queues, PORT_QUEUES_MAX);
    if (c->rpc_port != 0 && c->rpc_port + c->queues - 1 > UINT16_MAX)
        return fail(failure, "there are no %u UDP ports from %u on", c->queues, c->rpc_port);
    if (strncmp(c->device, "auto:", 5) == 0)
        return create_auto(c->device + 5, c, failure);
    return create_one(c->device, c, failure);
}
