/* port_dpdk.c: finds, configures and starts a DPDK device; the packet path is port_dpdk_io.c. */
#include "drivers/port_dpdk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_random.h>

#include "drivers/log_capture.h"
#include "drivers/port_dpdk_impl.h"

enum {
    DEVICE_TEXT_BYTES = 512,
    SOCKETS_MAX = 1024,
    MTU_DEFAULT = 1500,
    ETHERNET_BYTES = ETH_HLEN + 4, /* with one VLAN tag */
    POOL_CACHE = 256,
    BUFFERS_DEFAULT = 8191, /* a power of two less one packs best */
    DESCRIPTORS_DEFAULT = 1024,
    XDP_TRIES = 10,
    XDP_BUFFERS_MIN = 8191, /* the PMD fills 2 x 2048 into its rings, 2048 more may be in flight */

    /* AF_PACKET rings: a frame has TPACKET2's headers (66 bytes) in front. */
    PACKET_FRAME_BYTES = 2048,
    PACKET_FRAME_EXTRA = 256,
    PACKET_BLOCK_BYTES = 1 << 20,
    PACKET_RING_BYTES = 16 << 20, /* of a queue, to receive; and the same to send */
};

enum kind { KIND_OTHER, KIND_AF_PACKET, KIND_AF_XDP, KIND_TAP };

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

/* ---- sockets that a PMD opened: 22.11's af_packet and af_xdp offer no rx interrupts, but theirs
 * can be polled ---- */

struct socket_set {
    int fds[SOCKETS_MAX];
    int count;
};

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Every open socket of that domain, ascending: the order in which they were opened, when none was
 * closed between. */
static void sockets_open(struct socket_set *s, int domain)
{
    s->count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return; /* no /proc: no waiting, only polling */
    for (struct dirent *e; (e = readdir(dir)) && s->count < SOCKETS_MAX;) {
        int fd = atoi(e->d_name), d;
        socklen_t bytes = sizeof(d);
        if (e->d_name[0] != '.' && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &d, &bytes) == 0 &&
            d == domain)
            s->fds[s->count++] = fd;
    }
    closedir(dir);
    qsort(s->fds, (size_t)s->count, sizeof(s->fds[0]), compare_int);
}

/* Leaves in `now` only what is not in `before`. */
static void sockets_subtract(struct socket_set *now, const struct socket_set *before)
{
    int n = 0;
    for (int i = 0; i < now->count; i++)
        if (!bsearch(&now->fds[i], before->fds, (size_t)before->count, sizeof(before->fds[0]),
                     compare_int))
            now->fds[n++] = now->fds[i];
    now->count = n;
}

static void add_wait_fd(struct port_dpdk *p, uint16_t device_queue, int fd)
{
    struct lane *l = &p->lane[device_queue % p->lanes];
    if (l->device_fd_count < PORT_WAIT_FDS_MAX - 1) /* one stays free for the eventfd */
        l->device_fds[l->device_fd_count++] = fd;
}

/* ---- the device string ---- */

static enum kind kind_of(const char *device)
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
static void complete_device(char device[DEVICE_TEXT_BYTES], enum kind kind, uint16_t lanes, int mtu,
                            const char *iface)
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

static uint64_t rx_csum_offloads(const struct rte_eth_dev_info *info)
{
    uint64_t want =
        RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    return (info->rx_offload_capa & want) == want ? want : 0;
}

static uint64_t tx_csum_offloads(const struct rte_eth_dev_info *info)
{
    uint64_t want =
        RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    return (info->tx_offload_capa & want) == want ? want : 0;
}

/* How many device queues, and whether the device itself keeps a flow on one core. */
static void plan_queues(struct port_dpdk *p, enum kind kind, const char *iface, const char *device,
                        const struct rte_eth_dev_info *info)
{
    bool is_pci =
        kind == KIND_OTHER && strncmp(device, "net_", 4) != 0 && strncmp(device, "eth_", 4) != 0;
    bool is_steered = false;

    switch (kind) {
    case KIND_AF_PACKET:
        /* Every core reads, and hashes again. Rejected: PACKET_FANOUT's own spread; it hashes well,
         * but the PMD asks for ROLLOVER too: under load a flow moves to another socket, and a core
         * that does not know the connection would reset it. */
        p->device_rx_queues = p->device_tx_queues = info->max_rx_queues;
        break;
    case KIND_AF_XDP:
        p->device_rx_queues = p->device_tx_queues = info->max_rx_queues;
        is_steered = port_dpdk_netdev_is_physical(iface) && p->device_rx_queues >= p->lanes;
        break;
    default:
        p->device_rx_queues = is_pci ? RTE_MIN(p->lanes, info->max_rx_queues) : 1;
        p->device_tx_queues = is_pci ? RTE_MIN(p->lanes, info->max_tx_queues) : 1;
        is_steered = is_pci && p->device_rx_queues == p->lanes && info->flow_type_rss_offloads != 0;
    }
    p->hand_over = p->lanes > 1 && !is_steered ? HAND_OVER_ALL : HAND_OVER_NONE;
    p->base.caps.has_rss = is_steered && p->lanes > 1;
    /* A vdev's offloads are software as well: ours is known to be right. */
    p->base.caps.has_rx_csum = is_pci && rx_csum_offloads(info);
    p->base.caps.has_tx_csum = is_pci && tx_csum_offloads(info);
    p->base.caps.has_tso = is_pci && (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO);
    p->has_interrupts = is_pci;
}

static int configure(struct port_dpdk *p, const struct rte_eth_dev_info *info, bool use_interrupts)
{
    struct rte_eth_conf conf = {
        .rxmode.offloads = p->base.caps.has_rx_csum ? rx_csum_offloads(info) : 0,
        .txmode.offloads = p->base.caps.has_tx_csum ? tx_csum_offloads(info) : 0,
        .intr_conf.rxq = use_interrupts,
    };
    if (p->base.caps.has_rss) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    }
    if (conf.rx_adv_conf.rss_conf.rss_hf == 0)
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE; /* AF_XDP: the interface has its own RSS */
    return rte_eth_dev_configure(p->port_id, p->device_rx_queues, p->device_tx_queues, &conf);
}

static int setup_queues(struct port_dpdk *p, enum kind kind, const struct port_dpdk_config *c)
{
    uint16_t rx_descriptors =
        (uint16_t)(c->rx_descriptors ? c->rx_descriptors : DESCRIPTORS_DEFAULT);
    uint16_t tx_descriptors =
        (uint16_t)(c->tx_descriptors ? c->tx_descriptors : DESCRIPTORS_DEFAULT);
    int socket = rte_eth_dev_socket_id(p->port_id);
    int err = rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &rx_descriptors, &tx_descriptors);

    for (uint16_t q = 0; err == 0 && q < p->device_rx_queues; q++) {
        struct socket_set before, now;
        sockets_open(&before, AF_XDP);
        err = rte_eth_rx_queue_setup(p->port_id, q, rx_descriptors, (unsigned)socket, NULL,
                                     p->pools[q]);
        sockets_open(&now, AF_XDP);
        sockets_subtract(&now, &before);
        if (kind == KIND_AF_XDP && err == 0 && now.count == 1)
            add_wait_fd(p, q, now.fds[0]);
    }
    for (uint16_t q = 0; err == 0 && q < p->device_tx_queues; q++)
        err = rte_eth_tx_queue_setup(p->port_id, q, tx_descriptors, (unsigned)socket, NULL);
    return err;
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

/* Rx interrupts, or the tap PMD's descriptors, where the sockets trick does not apply. */
static void find_interrupts(struct port_dpdk *p, enum kind kind)
{
    if (kind == KIND_AF_PACKET || kind == KIND_AF_XDP)
        return;
    for (uint16_t q = 0; q < p->device_rx_queues; q++) {
        if (p->has_interrupts) {
            if (rte_eth_dev_rx_intr_enable(p->port_id, q) != 0) {
                p->has_interrupts = false;
                return;
            }
            rte_eth_dev_rx_intr_disable(p->port_id, q);
        }
        int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->port_id, q);
        if (fd >= 0)
            add_wait_fd(p, q, fd);
    }
}

/* True if every lane that reads a device can wait for all of its queues. */
static bool can_wait(const struct port_dpdk *p)
{
    for (uint16_t q = 0; q < p->lanes; q++) {
        int queues = 0;
        for (uint16_t d = q; d < p->device_rx_queues; d += p->lanes)
            queues++;
        if (p->lane[q].device_fd_count < queues)
            return false;
    }
    return true;
}

static void read_identity(struct port_dpdk *p, enum kind kind, const char *device, int mtu)
{
    struct port_caps *caps = &p->base.caps;
    struct rte_ether_addr mac;
    uint16_t device_mtu;

    /* The driver's name and its first argument say which device it is; the others are how we drive
     * it. */
    size_t first = strcspn(device, ",");
    size_t name = device[first] ? first + 1 + strcspn(device + first + 1, ",") : first;
    snprintf(caps->name, sizeof(caps->name), "%.*s", (int)name, device);
    caps->queues = p->lanes;
    caps->numa_node = rte_eth_dev_socket_id(p->port_id);
    if (mtu <= 0 && rte_eth_dev_get_mtu(p->port_id, &device_mtu) == 0)
        mtu = device_mtu;
    caps->mtu = (uint16_t)(mtu > 0 ? mtu : MTU_DEFAULT);
    p->base.frame_bytes_max = caps->mtu + ETHERNET_BYTES;

    if (rte_eth_macaddr_get(p->port_id, &mac) == 0)
        memcpy(caps->mac, mac.addr_bytes, sizeof(caps->mac));
    /* A tap's address is the kernel's end; ours must differ, as on the two ends of a cable. */
    char remote[32];
    device_arg(device, "remote", remote, sizeof(remote));
    if (kind == KIND_TAP && remote[0] == '\0') {
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

void port_dpdk_destroy(struct port_dpdk *p)
{
    struct rte_eth_dev_info info;
    if (rte_eth_dev_is_valid_port(p->port_id)) {
        bool is_known = rte_eth_dev_info_get(p->port_id, &info) == 0;
        if (p->is_promiscuous)
            rte_eth_promiscuous_disable(p->port_id);
        flow_rules_destroy(&p->rules);
        rte_eth_dev_stop(p->port_id);
        rte_eth_dev_close(p->port_id);
        if (is_known && info.device)
            rte_dev_remove(info.device);
    }
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

static const char step_queues[] = "setting up its queues";

/* Promiscuous as long as the socket is open. Rejected: the PMD's way, a flag of the interface,
 * which stays on it after a crash, and which only CAP_NET_ADMIN takes away again. */
static bool join_all(struct port_dpdk *p)
{
    struct sockaddr_ll at = {0};
    socklen_t bytes = sizeof(at);
    struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
    int fd = p->lane[0].device_fd_count ? p->lane[0].device_fds[0] : -1;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &bytes) != 0)
        return false;
    all.mr_ifindex = at.sll_ifindex;
    return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0;
}

static uint8_t needs_of(const struct port_dpdk *p, enum kind kind)
{
    if (kind == KIND_AF_XDP) /* at the end its program leaves the interface */
        return PORT_NEEDS_NET_ADMIN | PORT_NEEDS_BPF;
    if (kind == KIND_TAP) /* at the end it goes down, with what redirected frames to it */
        return PORT_NEEDS_NET_ADMIN;
    if (strncmp(p->base.caps.driver, "mlx", 3) == 0) /* the kernel has the card as well */
        return PORT_NEEDS_NET_ADMIN | PORT_NEEDS_NET_RAW;
    /* The interface's flag must go again. */
    return kind == KIND_AF_PACKET && p->is_promiscuous ? PORT_NEEDS_NET_ADMIN : 0;
}

/* Everything between attach and a running device. Returns 0 or -errno and the step that failed. */
static int bring_up(struct port_dpdk *p, enum kind kind, const char *device, const char *iface,
                    int mtu, const struct port_dpdk_config *c, const char **step)
{
    struct rte_eth_dev_info info;

    *step = "asking for its abilities";
    int err = rte_eth_dev_info_get(p->port_id, &info);
    if (err)
        return err;
    snprintf(p->base.caps.driver, sizeof(p->base.caps.driver), "%s", info.driver_name);
    plan_queues(p, kind, iface, device, &info);
    *step = "counting its queues";
    if (p->device_rx_queues == 0 || p->device_rx_queues > PORT_QUEUES_MAX)
        return -ERANGE;

    *step = "making its buffers";
    read_identity(p, kind, device, mtu);
    uint32_t buffers = c->buffers ? c->buffers : BUFFERS_DEFAULT;
    uint32_t room = RTE_MAX(p->base.frame_bytes_max, (uint32_t)PACKET_FRAME_BYTES);
    if (kind == KIND_AF_XDP)
        buffers = RTE_MAX(buffers, (uint32_t)XDP_BUFFERS_MIN);
    if (kind == KIND_AF_PACKET)
        room = (uint32_t)arg_number(device, "framesz", PACKET_FRAME_BYTES);
    for (uint16_t i = 0; i < RTE_MAX(p->lanes, p->device_rx_queues); i++)
        if (!make_pool(p, buffers, room))
            return -rte_errno;

    *step = "configuring it";
    err = configure(p, &info, p->has_interrupts || kind == KIND_TAP);
    if (err)
        return err;
    *step = step_queues;
    err = setup_queues(p, kind, c);
    if (err)
        return err;
    *step = "starting it";
    err = rte_eth_dev_start(p->port_id);
    if (err && p->has_interrupts) {
        p->has_interrupts = false; /* some PMDs cannot start with too few vectors */
        err = configure(p, &info, false);
        if (err == 0)
            err = setup_queues(p, kind, c);
        if (err == 0)
            err = rte_eth_dev_start(p->port_id);
    }
    if (err)
        return err;
    if (p->base.caps.has_rss && p->spread.rpc_port != 0) {
        p->base.caps.has_rpc_rules =
            flow_rules_create(&p->rules, p->port_id, p->spread.rpc_port, p->lanes) == 0;
        if (!p->base.caps.has_rpc_rules)
            p->hand_over = HAND_OVER_RPC;
    }

    /* Neighbour discovery needs its multicast groups; a tap with our own address needs all. */
    bool has_all = kind == KIND_AF_PACKET ? join_all(p)
                   : kind != KIND_TAP     ? rte_eth_allmulticast_enable(p->port_id) == 0
                                          : false;
    if (!has_all)
        p->is_promiscuous = rte_eth_promiscuous_enable(p->port_id) == 0;
    p->base.caps.needs = needs_of(p, kind);
    *step = "making its queues between cores";
    err = setup_lanes(p);
    if (err)
        return err;
    find_interrupts(p, kind);
    p->base.caps.has_rx_wait = can_wait(p);
    return 0;
}

/* was_setting_up: it was the device's queues that failed. */
static struct port *try_device(const char *given, const struct port_dpdk_config *c,
                               bool *was_setting_up, struct failure failure)
{
    char device[DEVICE_TEXT_BYTES], iface[64], pmd_says[256];
    struct log_capture capture;
    const char *step = "attaching it";
    enum kind kind = kind_of(given);

    *was_setting_up = false;
    if (snprintf(device, sizeof(device), "%s", given) >= (int)sizeof(device))
        return fail(failure, "the device string is too long");
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
    p->is_af_packet = kind == KIND_AF_PACKET;
    p->spread = (struct spread){.key = rte_rand(), .queues = p->lanes, .rpc_port = c->rpc_port};
    p->port_id = RTE_MAX_ETHPORTS;
    for (uint16_t q = 0; q < p->lanes; q++)
        p->lane[q].wake_fd = -1;

    log_capture_begin(&capture);
    sockets_open(&before, AF_PACKET);
    int err = attach(device);
    sockets_open(&now, AF_PACKET);
    sockets_subtract(&now, &before);
    if (err >= 0) {
        p->port_id = (uint16_t)err;
        for (int i = 0; kind == KIND_AF_PACKET && i < now.count && i < PORT_QUEUES_MAX; i++)
            add_wait_fd(p, (uint16_t)i, now.fds[i]);
        if (kind == KIND_TAP) /* made just now */
            mtu = port_dpdk_netdev_mtu(iface);
        err = bring_up(p, kind, device, iface, mtu, c, &step);
    }
    log_capture_end(&capture, pmd_says, sizeof(pmd_says));
    if (err < 0) {
        *was_setting_up = strcmp(step, step_queues) == 0;
        port_dpdk_destroy(p);
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
                snprintf(device, sizeof(device), "net_tap0,iface=hearth0,remote=%s", iface);
            else
                snprintf(device, sizeof(device), "%s0,iface=%s", rungs[i].name, iface);
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
