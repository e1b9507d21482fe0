/* port_dpdk_impl.h
 *
 * Shared by port_dpdk.c (what a device needs of us), port_dpdk_start.c, port_dpdk_watch.c,
 * port_dpdk_io.c (the packet path), port_dpdk_large.c and port_dpdk_ladder.c; nobody else includes
 * it.
 *
 *   device queue d is read by lane d % lanes          lane q is dp core q's side of the port
 *   lane q sends on device queue q, or, where there are too few, on a shared one behind a lock
 *
 * Where the device's steering cannot be trusted to keep a flow on one core (HAND_OVER_ALL), the
 * lane that reads a frame hashes it and puts it into the inbox of the lane it belongs to. Where it
 * can be (HAND_OVER_DETOURS), it does so with RPC datagrams that no rule of the device has brought
 * to their queue, copies ICMP errors that a connection wants to know of to all other lanes, for
 * whose it is it cannot say, and keeps the rest.
 */
#ifndef HEARTH_PORT_DPDK_IMPL_H
#define HEARTH_PORT_DPDK_IMPL_H

#include <net/if.h>
#include <stdatomic.h>

#include <rte_common.h>
#include <rte_ethdev.h>
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
    PORT_DPDK_FDS_MAX = PORT_WAIT_FDS_MAX / 2, /* one is the eventfd */

    /* Copies of ICMP errors that a lane may make: under 2 % of its core. A stranger who sends more
     * of them makes each one less likely to be told. */
    PORT_DPDK_COPIES_PER_S = 100000,
    PORT_DPDK_COPIES_BURST = 1024,

    /* So many sleeps of at least so long, ended by no interrupt though frames had come. */
    PORT_DPDK_SLEEP_JUDGED_MS = 10,
    PORT_DPDK_SILENCES_MAX = 3,
};

enum port_kind { KIND_OTHER, KIND_AF_PACKET, KIND_AF_XDP, KIND_TAP };

enum hand_over { HAND_OVER_NONE = 0, HAND_OVER_DETOURS, HAND_OVER_ALL };

struct lane {
    /* Written only by the lane's own core. */
    uint16_t rx_first, rx_step, rx_end; /* device queues: first, first + step, ... below end */
    uint16_t tx_queue;
    bool is_interrupt_armed;
    rte_spinlock_t *tx_lock; /* NULL: the device queue is ours alone */
    struct rte_mempool *pool;
    struct rte_ring *inbox; /* NULL: HAND_OVER_NONE */
    uint64_t copies_paid;   /* in ticks of the TSC: until when what was copied is paid for */
    int large_fd;           /* a packet socket that sends large frames; -1: none */
    int wake_fd;            /* eventfd for the inbox or a device's leftovers; -1: neither */
    int device_fds[PORT_DPDK_FDS_MAX];
    int device_fd_count;
    struct port_stats stats;

    _Atomic uint32_t paused; /* the pause that this lane has seen (struct port_dpdk) */

    /* Interrupts that were slept for and did not come, in a row; too many, and the lane does not
     * sleep any more. */
    uint64_t armed_at; /* in ticks of the TSC */
    uint32_t silences;
    _Atomic bool is_deaf;

    /* Written by others too: see port.h, "To sleep". */
    _Atomic uint32_t may_sleep __rte_cache_aligned;
} __rte_cache_aligned;
static_assert(offsetof(struct lane, may_sleep) % RTE_CACHE_LINE_SIZE == 0 &&
                  sizeof(struct lane) == offsetof(struct lane, may_sleep) + RTE_CACHE_LINE_SIZE,
              "the word that others write has a line of its own");

enum watch_state {
    WATCH_RUNNING,
    WATCH_PAUSING, /* awaited: that all lanes have seen the pause, or the time of the next try */
    WATCH_GONE,
};

/* Of the control thread, but for what is atomic: DPDK's interrupt thread sets it. */
struct watch {
    enum watch_state state;
    bool is_vf;
    bool was_up;   /* the link, since the last start */
    bool was_lost; /* and down later, or never up for a while */
    bool is_told_deaf;
    uint64_t up_since_ns;   /* the link; 0: it is not */
    uint64_t started_ns;    /* 0: look at the clock */
    uint64_t not_before_ns; /* of the next restart */
    _Atomic bool wants_reset, wants_release;
};

struct port_dpdk {
    struct port base;
    uint16_t port_id;
    uint16_t lanes;
    uint16_t device_rx_queues, device_tx_queues;
    enum hand_over hand_over;
    enum port_kind kind;
    struct rte_eth_dev_info info;            /* of the device as it was attached */
    uint32_t rx_descriptors, tx_descriptors; /* as configured; 0: default */
    uint16_t mtu;                            /* that the device is told; 0: nothing */
    uint8_t families;                        /* whose RPC datagrams get rules */
    uint16_t vlan;                           /* that its filter lets in; 0: none */
    uint8_t rss_key[PORT_RSS_KEY_BYTES];
    struct rte_ether_addr group[PORT_GROUPS_MAX]; /* a PCI device's; others hear all */
    uint32_t group_count;
    bool is_pci;
    bool has_interrupts;  /* rte_eth_dev_rx_intr_enable says that it works */
    bool is_af_packet;    /* the kernel keeps the count of what its ring lost */
    bool is_promiscuous;  /* switched on by us */
    bool is_hashed_again; /* by us, whatever its RSS says: port_dpdk_agree */
    char iface[IFNAMSIZ]; /* of AF_PACKET and AF_XDP, whose PMDs know no link; else empty */
    int link_fd;          /* to ask the kernel for it: later hearthd may open no socket; or -1 */
    struct spread spread;
    struct flow_rules rules;
    uint64_t packet_drops; /* AF_PACKET: what PACKET_STATISTICS said so far (it resets when read) */
    struct rte_mempool
        *pools[PORT_QUEUES_MAX]; /* one per device queue, and per lane where there are more lanes */
    uint16_t pool_count;
    struct rte_mempool *large_pool; /* NULL: no large frames */
    rte_spinlock_t tx_locks[PORT_QUEUES_MAX];
    struct watch watch;
    struct lane lane[PORT_QUEUES_MAX];

    /* Odd: lanes stay away from the device. Grows, so that a lane's answer is to this pause. */
    _Atomic uint32_t pause __rte_cache_aligned;
};

extern const struct port_ops port_dpdk_ops;

/* port_dpdk.c: unwinds whatever has been set up; of that, the device. */
void port_dpdk_destroy(struct port_dpdk *);
void port_dpdk_close_device(struct port_dpdk *);

/* port_dpdk_start.c: how many queues; start, and start again while all lanes are paused. 0 or
 * -errno, and the step that failed. */
void port_dpdk_plan(struct port_dpdk *, const char *device, const char *iface);
/* The configured MTU, or the device's own, iface_mtu (0: it is no kernel's interface), as its
 * caps'. False, and why not: the device does not take it. */
bool port_dpdk_settle_mtu(struct port_dpdk *, const char *iface, int iface_mtu, char *why,
                          size_t why_bytes);
/* Bytes of an mbuf's data, so that a frame fits into one whatever unit the card counts in. */
uint32_t port_dpdk_room(const struct port_dpdk *);
int port_dpdk_start(struct port_dpdk *, const char **step);
int port_dpdk_restart(struct port_dpdk *, bool is_reset, const char **step);
extern const char port_dpdk_step_queues[];
/* Rx interrupts, or the tap PMD's descriptors, for lanes to sleep on; and whether all can. */
void port_dpdk_find_interrupts(struct port_dpdk *);
void port_dpdk_add_wait_fd(struct port_dpdk *, uint16_t device_queue, int fd);

/* port_dpdk_large.c: for a device that is attached, before it starts; 0 or -errno. */
int port_dpdk_open_large(struct port_dpdk *, const char *iface);
void port_dpdk_close_large(struct port_dpdk *);
static inline bool port_dpdk_has_card_tso(const struct port_dpdk *p)
{
    return p->is_pci && p->base.caps.has_tso;
}

/* Tells the card to cut it. False: it would not; its mbuf is for port_dpdk_send_large. */
bool port_dpdk_ask_tso(const struct port_dpdk *, const struct lane *, struct frame *);
/* Gives it to the kernel, or cuts it; and gives its buffer back. */
void port_dpdk_send_large(struct port_dpdk *, struct lane *, struct frame *);

/* port_dpdk_watch.c: from the start on, hears the device's events. 0 or -errno. */
int port_dpdk_watch(struct port_dpdk *);
void port_dpdk_unwatch(struct port_dpdk *);

/* port_dpdk_ladder.c */
uint16_t port_dpdk_netdev_queues(const char *iface); /* rx queues, at least 1 */
uint16_t
port_dpdk_netdev_channels(const char *iface); /* queue pairs that AF_XDP can bind to, at least 1 */
bool port_dpdk_netdev_is_physical(const char *iface);
int port_dpdk_netdev_mtu(const char *iface);
/* It is up, and has a carrier; by a socket of any kind. */
bool port_dpdk_netdev_is_running(int fd, const char *iface);

#endif
