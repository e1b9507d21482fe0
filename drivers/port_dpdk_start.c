/* port_dpdk_start.c: what a device is asked for, its start, and its next start after a reset. */
#include "drivers/port_dpdk_impl.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "drivers/socket_set.h"

enum {
    DESCRIPTORS_DEFAULT = 1024,
    BUFFER_UNIT = 1024,
    BUFFER_BYTES_MIN = 2048,
};

const char port_dpdk_step_queues[] = "setting up its queues";

/* Each by itself: virtio has TCP's and UDP's, and not the IPv4 header's. */
static const struct {
    enum port_csum csum;
    uint64_t rx, tx;
} csum_offloads[] = {
    {PORT_CSUM_IP4, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
    {PORT_CSUM_TCP, RTE_ETH_RX_OFFLOAD_TCP_CKSUM, RTE_ETH_TX_OFFLOAD_TCP_CKSUM},
    {PORT_CSUM_UDP, RTE_ETH_RX_OFFLOAD_UDP_CKSUM, RTE_ETH_TX_OFFLOAD_UDP_CKSUM},
};

static void plan_csums(struct port_caps *caps, const struct rte_eth_dev_info *info)
{
    for (size_t i = 0; i < RTE_DIM(csum_offloads); i++) {
        if (info->rx_offload_capa & csum_offloads[i].rx)
            caps->rx_csum |= csum_offloads[i].csum;
        if (info->tx_offload_capa & csum_offloads[i].tx)
            caps->tx_csum |= csum_offloads[i].csum;
    }
    caps->has_rx_csum = caps->rx_csum == PORT_CSUM_ALL;
    caps->has_tx_csum = caps->tx_csum == PORT_CSUM_ALL;
}

/* What DPDK is to be asked for. */
static void ask_csums(const struct port_caps *caps, struct rte_eth_conf *conf)
{
    for (size_t i = 0; i < RTE_DIM(csum_offloads); i++) {
        if (caps->rx_csum & csum_offloads[i].csum)
            conf->rxmode.offloads |= csum_offloads[i].rx;
        if (caps->tx_csum & csum_offloads[i].csum)
            conf->txmode.offloads |= csum_offloads[i].tx;
    }
}

/* How many device queues, and whether the device itself keeps a flow on one core. */
void port_dpdk_plan(struct port_dpdk *p, const char *device, const char *iface)
{
    const struct rte_eth_dev_info *info = &p->info;
    bool is_pci =
        p->kind == KIND_OTHER && strncmp(device, "net_", 4) != 0 && strncmp(device, "eth_", 4) != 0;
    bool is_steered = false;

    switch (p->kind) {
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
    p->hand_over = p->lanes == 1 ? HAND_OVER_NONE : is_steered ? HAND_OVER_DETOURS : HAND_OVER_ALL;
    p->base.caps.has_rss = is_steered && p->lanes > 1;
    /* A vdev's offloads are software as well: ours is known to be right. */
    if (is_pci)
        plan_csums(&p->base.caps, info);
    p->base.caps.has_tso =
        is_pci && (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) &&
        (~p->base.caps.tx_csum & (PORT_CSUM_IP4 | PORT_CSUM_TCP)) == 0; /* of each piece */
    p->has_interrupts = p->is_pci = p->base.caps.has_link = is_pci;
}

/* As ethdev counts it: what of a frame is no IP packet. */
static uint32_t overhead_of(const struct rte_eth_dev_info *info)
{
    return info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu
               ? info->max_rx_pktlen - info->max_mtu
               : RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
}

bool port_dpdk_settle_mtu(struct port_dpdk *p, const char *iface, int iface_mtu, char *why,
                          size_t why_bytes)
{
    const struct rte_eth_dev_info *info = &p->info;
    const uint32_t overhead = overhead_of(info);
    const bool is_kernels = iface_mtu > 0; /* whose MTU is for the operator to set */
    uint32_t most = info->max_mtu ? info->max_mtu : UINT16_MAX;
    uint16_t device_mtu;

    if (is_kernels && p->mtu > iface_mtu) {
        snprintf(why, why_bytes, "port.mtu is %u, and %s has %d: ip link set %s mtu %u", p->mtu,
                 iface, iface_mtu, iface, p->mtu);
        return false;
    }
    if (info->max_rx_pktlen > overhead)
        most = RTE_MIN(most, info->max_rx_pktlen - overhead);
    if (!is_kernels && p->mtu && (p->mtu > most || p->mtu < info->min_mtu)) {
        snprintf(why, why_bytes, "port.mtu is %u, and this device takes %u to %u", p->mtu,
                 info->min_mtu, most);
        return false;
    }
    if (p->mtu)
        p->base.caps.mtu = p->mtu;
    else if (iface_mtu > 0)
        p->base.caps.mtu = (uint16_t)RTE_MIN(iface_mtu, UINT16_MAX);
    else if (rte_eth_dev_get_mtu(p->port_id, &device_mtu) == 0 && device_mtu > 0)
        p->base.caps.mtu = device_mtu;
    else
        p->base.caps.mtu = RTE_ETHER_MTU;
    p->base.frame_bytes_max = p->base.caps.mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
    if (is_kernels)
        p->mtu = 0;
    return true;
}

/* Cards count buffers in units, most in KB, and round down; some want room for the FCS and two VLAN
 * tags behind a frame of ours. Rejected: powers of two for the 82574 alone, 16 KB for 9,000 bytes.
 * */
uint32_t port_dpdk_room(const struct port_dpdk *p)
{
    uint32_t bytes = p->base.frame_bytes_max;
    if (p->kind != KIND_AF_XDP) /* whose buffers share 4 KB with what is said of them */
        bytes = RTE_ALIGN_CEIL(bytes + RTE_ETHER_CRC_LEN + RTE_VLAN_HLEN, (uint32_t)BUFFER_UNIT);
    return RTE_MAX(bytes, (uint32_t)BUFFER_BYTES_MIN);
}

/* A card that hashes by a key that all the world knows lets strangers aim at one core. Rejected: a
 * key that makes both directions alike (0x6d5a repeated): we receive one of them, and of its
 * 16 random bits there is nothing left to be random. */
static int configure(struct port_dpdk *p)
{
    const struct rte_eth_dev_info *info = &p->info;
    struct rte_eth_rss_conf *rss;
    struct rte_eth_conf conf = {
        .intr_conf.rxq = p->has_interrupts || p->kind == KIND_TAP,
    };

    ask_csums(&p->base.caps, &conf);
    conf.rxmode.mtu = p->mtu; /* 0: 1500, or less */
    if (port_dpdk_has_card_tso(p))
        conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
    rss = &conf.rx_adv_conf.rss_conf;
    if (p->vlan != 0)
        conf.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
    /* Hashed again, it is not to be trusted, but its cores read it side by side. */
    if (p->base.caps.has_rss || p->is_hashed_again) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        rss->rss_hf =
            info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    }
    if (rss->rss_hf == 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE; /* AF_XDP: the interface has its own RSS */
    } else if (info->hash_key_size > 0 && info->hash_key_size <= sizeof(p->rss_key)) {
        rss->rss_key = p->rss_key;
        rss->rss_key_len = info->hash_key_size;
    }
    return rte_eth_dev_configure(p->port_id, p->device_rx_queues, p->device_tx_queues, &conf);
}

static int setup_queues(struct port_dpdk *p)
{
    uint16_t rx_descriptors =
        (uint16_t)(p->rx_descriptors ? p->rx_descriptors : DESCRIPTORS_DEFAULT);
    uint16_t tx_descriptors =
        (uint16_t)(p->tx_descriptors ? p->tx_descriptors : DESCRIPTORS_DEFAULT);
    int socket = rte_eth_dev_socket_id(p->port_id);
    int err = rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &rx_descriptors, &tx_descriptors);

    p->base.caps.rx_descriptors = rx_descriptors;
    p->base.caps.tx_descriptors = tx_descriptors;

    for (uint16_t q = 0; err == 0 && q < p->device_rx_queues; q++) {
        struct socket_set before, now;
        socket_set_read(&before, AF_XDP);
        err = rte_eth_rx_queue_setup(p->port_id, q, rx_descriptors, (unsigned)socket, NULL,
                                     p->pools[q]);
        socket_set_read(&now, AF_XDP);
        socket_set_subtract(&now, &before);
        if (p->kind == KIND_AF_XDP && err == 0 && now.count == 1)
            port_dpdk_add_wait_fd(p, q, now.fds[0]);
    }
    for (uint16_t q = 0; err == 0 && q < p->device_tx_queues; q++)
        err = rte_eth_tx_queue_setup(p->port_id, q, tx_descriptors, (unsigned)socket, NULL);
    return err;
}

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

/* Of everything that comes by, for a device without a list of groups. */
static int hear_all(struct port_dpdk *p)
{
    /* A tap with an address of our own needs more than its groups. */
    bool has_all = p->kind == KIND_AF_PACKET ? join_all(p)
                   : p->kind != KIND_TAP     ? rte_eth_allmulticast_enable(p->port_id) == 0
                                             : false;
    if (has_all)
        return 0;
    p->is_promiscuous = rte_eth_promiscuous_enable(p->port_id) == 0;
    return p->is_promiscuous ? 0 : -ENOTSUP;
}

/* Rejected: all multicast first. A VF that its PF does not trust is told yes, and hears nothing. */
static int hear_groups(struct port_dpdk *p)
{
    if (p->group_count > 0 &&
        rte_eth_dev_set_mc_addr_list(p->port_id, p->group, p->group_count) == 0)
        return 0;
    return p->group_count > 0 ? hear_all(p) : 0;
}

int port_dpdk_join(struct port *port, const uint8_t (*mac)[6], uint32_t count)
{
    struct port_dpdk *p = (struct port_dpdk *)port;

    if (!p->is_pci)
        return 0; /* hears all of them since its start */
    if (count > PORT_GROUPS_MAX)
        return -ENOSPC;
    for (uint32_t i = 0; i < count; i++)
        memcpy(p->group[i].addr_bytes, mac[i], sizeof(p->group[i].addr_bytes));
    p->group_count = count;
    return hear_groups(p);
}

int port_dpdk_hear(struct port *port, const uint8_t mac[6])
{
    struct port_dpdk *p = (struct port_dpdk *)port;
    struct rte_ether_addr other;

    memcpy(other.addr_bytes, mac, sizeof(other.addr_bytes));
    /* Others hear all since their start. */
    if (!p->is_pci || rte_eth_dev_mac_addr_add(p->port_id, &other, 0) == 0)
        return 0;
    p->is_promiscuous = rte_eth_promiscuous_enable(p->port_id) == 0;
    return p->is_promiscuous ? 0 : -ENOTSUP;
}

/* What a device forgets when it is stopped. */
static int set_filters(struct port_dpdk *p, const char **step)
{
    *step = "letting its VLAN in";
    int err = p->vlan ? rte_eth_dev_vlan_filter(p->port_id, p->vlan, 1) : 0;
    if (err && err != -ENOTSUP && err != -ENOSYS) /* without a filter all VLANs come in */
        return err;
    if (p->base.caps.has_rss && p->spread.rpc_port != 0)
        p->base.caps.has_rpc_rules = flow_rules_create(&p->rules, p->port_id, p->spread.rpc_port,
                                                       p->lanes, p->families) == 0;
    *step = "joining its multicast groups";
    if (p->is_pci)
        return hear_groups(p);
    hear_all(p); /* as well as it can */
    return 0;
}

static int configure_and_start(struct port_dpdk *p, const char **step)
{
    *step = "configuring it";
    int err = configure(p);
    if (err)
        return err;
    *step = port_dpdk_step_queues;
    err = setup_queues(p);
    if (err)
        return err;
    *step = "starting it";
    return rte_eth_dev_start(p->port_id);
}

int port_dpdk_start(struct port_dpdk *p, const char **step)
{
    int err = configure_and_start(p, step);
    if (err && p->has_interrupts) {
        p->has_interrupts = false; /* some PMDs cannot start with too few vectors */
        err = configure_and_start(p, step);
    }
    return err ? err : set_filters(p, step);
}

/* ---- two of them ---- */

static bool read_hash(const struct port_dpdk *p, struct rte_eth_rss_conf *rss,
                      struct rte_eth_rss_reta_entry64 *map, uint16_t groups)
{
    for (uint16_t i = 0; i < groups; i++)
        map[i].mask = UINT64_MAX;
    return rte_eth_dev_rss_hash_conf_get(p->port_id, rss) == 0 &&
           rte_eth_dev_rss_reta_query(p->port_id, map, p->info.reta_size) == 0;
}

/* What is hashed, by which key, and which queue a hash has. */
static bool is_alike(const struct port_dpdk *a, const struct port_dpdk *b)
{
    struct rte_eth_rss_reta_entry64 map[2][RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
    uint8_t key[2][PORT_RSS_KEY_BYTES] = {0};
    struct rte_eth_rss_conf rss[2] = {{.rss_key = key[0], .rss_key_len = PORT_RSS_KEY_BYTES},
                                      {.rss_key = key[1], .rss_key_len = PORT_RSS_KEY_BYTES}};
    const uint16_t groups = a->info.reta_size / RTE_ETH_RETA_GROUP_SIZE;

    if (!a->base.caps.has_rss || !b->base.caps.has_rss ||
        strcmp(a->base.caps.driver, b->base.caps.driver) != 0 ||
        a->info.hash_key_size > PORT_RSS_KEY_BYTES || a->info.reta_size != b->info.reta_size ||
        a->info.reta_size % RTE_ETH_RETA_GROUP_SIZE != 0 || groups == 0 || groups > RTE_DIM(map[0]))
        return false;
    memset(map, 0, sizeof(map));
    return read_hash(a, &rss[0], map[0], groups) && read_hash(b, &rss[1], map[1], groups) &&
           rss[0].rss_hf == rss[1].rss_hf && memcmp(key[0], key[1], sizeof(key[0])) == 0 &&
           memcmp(map[0], map[1], sizeof(map[0])) == 0;
}

static void hash_again(struct port_dpdk *p)
{
    if (p->lanes == 1)
        return;
    flow_rules_destroy(&p->rules);
    p->is_hashed_again = p->base.caps.has_rss;
    p->base.caps.has_rss = p->base.caps.has_rpc_rules = false;
    p->hand_over = HAND_OVER_ALL; /* each lane has its inbox: some detours had been there anyway */
}

void port_dpdk_agree(struct port *a, struct port *b)
{
    struct port_dpdk *first = (struct port_dpdk *)a, *second = (struct port_dpdk *)b;

    if (is_alike(first, second))
        return;
    hash_again(first);
    hash_again(second);
}

int port_dpdk_restart(struct port_dpdk *p, bool is_reset, const char **step)
{
    *step = "resetting it";
    flow_rules_destroy(&p->rules);
    int err = rte_eth_dev_stop(p->port_id);
    if (is_reset && err == 0)
        err = rte_eth_dev_reset(p->port_id);
    if (err && err != -ENOTSUP) /* of some, stop and start is all the reset there is */
        return err;
    err = port_dpdk_start(p, step);
    if (err == 0 && p->is_pci) { /* other vectors, or none this time */
        for (uint16_t q = 0; q < p->lanes; q++)
            p->lane[q].device_fd_count = 0;
        port_dpdk_find_interrupts(p);
    }
    return err;
}

void port_dpdk_add_wait_fd(struct port_dpdk *p, uint16_t device_queue, int fd)
{
    struct lane *l = &p->lane[device_queue % p->lanes];
    if (l->device_fd_count < PORT_DPDK_FDS_MAX - 1) /* one stays free for the eventfd */
        l->device_fds[l->device_fd_count++] = fd;
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

/* Rx interrupts, or the tap PMD's descriptors, where the sockets trick does not apply. */
static void find_interrupts(struct port_dpdk *p)
{
    if (p->kind == KIND_AF_PACKET || p->kind == KIND_AF_XDP)
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
            port_dpdk_add_wait_fd(p, q, fd);
    }
}

void port_dpdk_find_interrupts(struct port_dpdk *p)
{
    find_interrupts(p);
    p->base.caps.has_rx_wait = can_wait(p);
}
