/* port.h
 *
 * Where frames come from and go to. One interface over DPDK devices (port_dpdk), two of them as one
 * (port_pair) and an in-memory wire (port_sim); what a device lacks is done in software behind it,
 * so the data plane has one code path.
 *
 *     dp core 0      dp core 1          queue q belongs to dp core q, and to no other thread
 *        | q0           | q1
 *   +----v--------------v----+    where the device keeps a flow on one queue (RSS), it does;
 *   |         port           |    otherwise the cores that read it hand frames over to
 *   +-----------|------------+    each other by a hash of addresses and ports
 *             device
 *
 * A frame is a view: bytes of one Ethernet frame in a buffer that `handle` owns. Received frames
 * belong to the caller until port_free; frames to send come from port_tx_alloc and go back with
 * port_tx.
 *
 * Checksums. Received: the port has verified the IPv4 header and TCP/UDP checksum (hardware or
 * software) and says so in rx_csum. To send: the data plane leaves both checksums zero, fills
 * l3_offset, l4_offset and tx_csum, and the port computes them.
 *
 * Large frames. Where the device cuts TCP into segments (TSO), or a kernel below it does, the port
 * takes frames of up to large_bytes_max bytes, from port_tx_alloc_large: one header, with the
 * lengths of the whole, and the payload of as many segments of gso_size bytes (gso.h). Counted as
 * what leaves.
 *
 * To sleep: port_wait_fds(), then ppoll() on what it gave, for POLLIN and with the next timeout.
 * port_wait_fds says "I may sleep" to the cores (or the device) that could have frames for this
 * queue; what had come before it makes the descriptors readable at once, so no frame is slept over.
 * A core that shares out frames writes an eventfd only to a queue that said so, once per sleep.
 * Readable means that port_rx has something, or, rarely, that it had. There is nothing to read from
 * the descriptors and nothing to undo; call port_wait_fds again before the next sleep.
 *
 * A device may be stopped and started again while cores run (its PF was reset): its queues then
 * look empty, what is sent meanwhile is dropped (tx_full), and epoch grows.
 *
 * Errors: setup returns 0 or -errno after one log line. In the loop nothing fails; losses are
 * counted in struct port_stats.
 */
#ifndef HEARTH_PORT_H
#define HEARTH_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PORT_QUEUES_MAX = 64,
    PORT_BURST = 32,
    PORT_WAIT_FDS_MAX =
        19, /* two devices (port_pair.h), each with 8 queues and an eventfd; LACP's */
};

enum frame_rx_csum {
    /* Nothing to verify: not IP, a fragment, neither TCP nor UDP, UDP over IPv4 without a checksum,
     * or lengths that contradict each other: the data plane refuses those by name. */
    FRAME_CSUM_NONE = 0,
    FRAME_CSUM_GOOD,
    FRAME_CSUM_BAD_IP,
    FRAME_CSUM_BAD_L4,
};

enum frame_tx_csum {
    FRAME_TX_NONE = 0, /* send as it is */
    FRAME_TX_IP,       /* IPv4 header checksum only */
    FRAME_TX_TCP,      /* IPv4 header checksum if IPv4, and TCP's */
    FRAME_TX_UDP,
};

struct frame {
    uint8_t *bytes;
    uint32_t len;
    uint8_t rx_csum;    /* enum frame_rx_csum */
    uint8_t tx_csum;    /* enum frame_tx_csum */
    uint16_t gso_size;  /* to send, FRAME_TX_TCP: payload of each segment; 0: it is one frame */
    uint16_t l3_offset; /* to send: where the IP header starts */
    uint16_t l4_offset; /* to send: where the TCP or UDP header starts */
    void *handle;       /* the port's: an mbuf, or port_sim's buffer */
};

/* Of the process, for as long as the port is open: its driver still changes the kernel's interface,
 * or gives it back as it was. */
enum port_needs {
    PORT_NEEDS_NET_ADMIN = 1, /* and sockets of the kernel's network */
    PORT_NEEDS_NET_RAW = 2,
    PORT_NEEDS_BPF = 4,
};

/* Checksums that the device makes or judges; the others are made in software. */
enum port_csum { PORT_CSUM_IP4 = 1, PORT_CSUM_TCP = 2, PORT_CSUM_UDP = 4, PORT_CSUM_ALL = 7 };

struct port_caps {
    char name[64];   /* the DPDK device and its first argument, or "sim" */
    char driver[32]; /* e.g. "net_af_packet" */
    uint8_t mac[6];
    uint16_t mtu;    /* bytes of IP packet */
    uint16_t queues; /* queue pairs that the data plane sees */
    bool has_rss;    /* false: spread in software */
    /* RPC datagrams are steered by the device; false: in software, or there is one queue */
    bool has_rpc_rules;
    bool has_rx_csum, has_tx_csum; /* of checksums all; these are some: */
    uint8_t rx_csum, tx_csum;      /* enum port_csum */
    uint16_t rx_descriptors,
        tx_descriptors; /* of a queue, as the device has them; 0: it has none */
    bool has_tso;       /* large frames are cut below the port */
    bool has_link;      /* a cable or a PF is behind it: without a link nothing comes */
    bool has_rx_wait;   /* port_wait_fds yields something: the core can sleep until a frame comes */
    int numa_node;      /* -1: unknown */
    uint8_t needs;      /* enum port_needs; known when the port is open */
};

struct port_stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t rx_missed;    /* lost in the device for want of buffers */
    uint64_t rx_errors;    /* refused by the device: a bad FCS, length or the like */
    uint64_t rx_truncated; /* longer than the MTU allows: dropped */
    uint64_t spread_full;  /* software spread: the other core's ring was full */
    uint64_t errors_told;  /* device's spread: ICMP errors that were shown to every core */
    uint64_t errors_kept;  /* and those that were not, for there were too many */
    uint64_t rx_standby;   /* of a pair: the standby's copies of what is for all, or for others */
    uint64_t tx_full;      /* the device took no more: dropped */
    uint64_t tx_large;     /* large frames, and */
    uint64_t tx_cut;       /* of these, cut by the port, for what is below it would not */
};

struct port_link {
    bool is_up;
    uint32_t speed_mbps; /* 0: unknown, or there is no such thing */
    uint64_t downs, restarts, restarts_failed;
    bool is_silent;   /* interrupts were promised and do not come: cores poll */
    bool is_released; /* the kernel has taken the device back */
};

struct port;

struct port_ops {
    uint16_t (*rx)(struct port *, uint16_t queue, struct frame *, uint16_t count);
    void (*free)(struct port *, uint16_t queue, struct frame *, uint16_t count);
    bool (*tx_alloc)(struct port *, uint16_t queue, struct frame *);
    bool (*tx_alloc_large)(struct port *, uint16_t queue, struct frame *);
    void (*tx)(struct port *, uint16_t queue, struct frame *, uint16_t count);
    int (*wait_fds)(struct port *, uint16_t queue, int *fds, int max);
    void (*stats)(struct port *, uint16_t queue, struct port_stats *);
    void (*close)(struct port *);
};

struct port {
    const struct port_ops *ops;
    struct port_caps caps; /* mac may change, before epoch does */
    struct port_link link; /* control's */
    /* Grows when the device has started anew or the link has come up: whoever has said on the link
     * who he is says it again. */
    _Atomic uint32_t epoch;
    uint32_t
        frame_bytes_max; /* room of a frame from port_tx_alloc: MTU + Ethernet + one VLAN tag */
    uint32_t large_bytes_max; /* and from port_tx_alloc_large; 0: there are none */
};

/* Up to count received frames; their bytes stay valid until port_free. */
static inline uint16_t port_rx(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    return p->ops->rx(p, queue, f, count);
}

static inline void port_free(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    p->ops->free(p, queue, f, count);
}

/* An empty frame with frame_bytes_max bytes of room (len 0, tx_csum NONE). False: no buffer; try
 * later. */
static inline bool port_tx_alloc(struct port *p, uint16_t queue, struct frame *f)
{
    return p->ops->tx_alloc(p, queue, f);
}

/* The same with large_bytes_max bytes of room. False: no buffer now, or none ever: take an ordinary
 * one. With gso_size 0 it is sent as that would be. */
static inline bool port_tx_alloc_large(struct port *p, uint16_t queue, struct frame *f)
{
    return p->large_bytes_max > 0 && p->ops->tx_alloc_large(p, queue, f);
}

/* Sends all; consumes all. What the device does not take is dropped and counted as tx_full. */
static inline void port_tx(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    p->ops->tx(p, queue, f, count);
}

/* File descriptors that become readable when a frame waits for this queue; 0 if the device has
 * none. */
static inline int port_wait_fds(struct port *p, uint16_t queue, int *fds, int max)
{
    return p->ops->wait_fds(p, queue, fds, max);
}

static inline void port_stats(struct port *p, uint16_t queue, struct port_stats *out)
{
    p->ops->stats(p, queue, out);
}

/* Can frames come? What is no hardware is believed to be able to. */
static inline bool port_is_usable(const struct port *p)
{
    return !p->link.is_released && (p->link.is_up || !p->caps.has_link);
}

static inline uint32_t port_epoch(const struct port *p)
{
    return atomic_load_explicit(&p->epoch, memory_order_acquire);
}

static inline void port_close(struct port *p)
{
    p->ops->close(p);
}

#endif
