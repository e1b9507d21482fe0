/* port_dpdk_impl.h
 *
 * Shared by port_dpdk.c (setup), port_dpdk_io.c (the packet path) and port_dpdk_ladder.c; nobody
 * else includes it.
 *
 *   device queue d is read by lane d % lanes          lane q is dp core q's side of the port
 *   lane q sends on device queue q, or, where there are too few, on a shared one behind a lock
 *
 * Where the device's steering cannot be trusted to keep a flow on one core (HAND_OVER_ALL), the
 * lane that reads a frame hashes it and puts it into the inbox of the lane it belongs to. Where it
 * can be, but takes no rules for RPC ports (HAND_OVER_RPC), it does so with RPC datagrams and keeps
 * the rest.
 */
#ifndef HEARTH_PORT_DPDK_IMPL_H
#define HEARTH_PORT_DPDK_IMPL_H

#include <stdatomic.h>

#include <rte_common.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "drivers/flow_rules.h"
#include "drivers/port_dpdk.h"
#include "drivers/spread.h"

enum {
    PORT_DPDK_INBOX = 2048,  /* frames on their way between two cores */
    PORT_DPDK_TX_TRIES = 32, /* bursts offered to a full device before a frame is dropped */
    PORT_DPDK_BURSTS = 8,    /* read in one port_rx while none is for the reader */
};

enum hand_over { HAND_OVER_NONE = 0, HAND_OVER_RPC, HAND_OVER_ALL };

struct lane {
    /* Written only by the lane's own core. */
    uint16_t rx_first, rx_step, rx_end; /* device queues: first, first + step, ... below end */
    uint16_t tx_queue;
    bool is_interrupt_armed;
    rte_spinlock_t *tx_lock; /* NULL: the device queue is ours alone */
    struct rte_mempool *pool;
    struct rte_ring *inbox; /* NULL: HAND_OVER_NONE */
    int wake_fd;            /* eventfd for the inbox or a device's leftovers; -1: neither */
    int device_fds[PORT_WAIT_FDS_MAX];
    int device_fd_count;
    struct port_stats stats;

    /* Written by others too: see port.h, "To sleep". */
    _Atomic uint32_t may_sleep __rte_cache_aligned;
} __rte_cache_aligned;

struct port_dpdk {
    struct port base;
    uint16_t port_id;
    uint16_t lanes;
    uint16_t device_rx_queues, device_tx_queues;
    enum hand_over hand_over;
    bool has_interrupts; /* rte_eth_dev_rx_intr_enable works */
    bool is_af_packet;   /* the kernel keeps the count of what its ring lost */
    bool is_promiscuous; /* switched on by us */
    struct spread spread;
    struct flow_rules rules;
    uint64_t packet_drops; /* AF_PACKET: what PACKET_STATISTICS said so far (it resets when read) */
    struct rte_mempool
        *pools[PORT_QUEUES_MAX]; /* one per device queue, and per lane where there are more lanes */
    uint16_t pool_count;
    rte_spinlock_t tx_locks[PORT_QUEUES_MAX];
    struct lane lane[PORT_QUEUES_MAX];
};

extern const struct port_ops port_dpdk_ops;

/* port_dpdk.c: unwinds whatever has been set up. */
void port_dpdk_destroy(struct port_dpdk *);

/* port_dpdk_ladder.c */
uint16_t port_dpdk_netdev_queues(const char *iface); /* rx queues, at least 1 */
uint16_t
port_dpdk_netdev_channels(const char *iface); /* queue pairs that AF_XDP can bind to, at least 1 */
bool port_dpdk_netdev_is_physical(const char *iface);
int port_dpdk_netdev_mtu(const char *iface);

#endif
