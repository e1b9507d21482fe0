/* port_dpdk.h
 *
 * A port over a DPDK ethdev, from PCI functions down to any Linux interface. `device` is a DPDK
 * device string:
 *   "0000:03:02.0" or "03:02.0"          PCI VF or PF. A VF whose PF does not answer would start
 *                                        with an address that DPDK draws, to which nothing ever
 *                                        comes: wait until it is up (pci_device.h)
 *   "net_af_xdp0,iface=eth1"             AF_XDP
 *   "net_af_packet0,iface=eth1"          AF_PACKET
 *   "net_tap0,iface=tap1"  "net_memif0,role=client,socket=/run/x.sock"  "net_ring0" "net_null0"
 *   "auto:eth1"                          the best rung that works for that kernel interface
 * The MAC is the device's (a tap's is the kernel's, so ours differs in two bits), and so is the MTU
 * unless another is asked for: of a kernel's interface at most what that has, of other devices what
 * their driver takes. A frame lies in one buffer; where a driver cuts it nonetheless (82574:
 * buffers of 2^n bytes) it is put together. What the string does not say of qpairs, framesz,
 * blocksz, framecnt (AF_PACKET) and queue_count (AF_XDP) is filled in. AF_PACKET takes 32 MiB of
 * the kernel's memory for each queue: rings of 16 MiB both ways.
 *
 * RPC datagrams reach their queue by rte_flow where the device spreads by RSS and takes the rules;
 * else the core that reads one hands it over. VLAN-tagged ones match a rule only where the NIC
 * strips the tag first.
 *
 * net_memif: the server's port comes first. DPDK 22.11's client is turned away by a server that is
 * not ready, and tries only once.
 *
 * Large frames (port.h): on PCI where the card has TSO; on AF_PACKET the kernel cuts them, or its
 * card.
 *
 * Kernel interfaces: their link is the carrier that the kernel sees. Switch off what merges frames
 * that come (ethtool -K IFACE gro off), and on the far end of a veth what leaves them unfinished
 * (tx off gso off tso off), or rx_truncated and FRAME_CSUM_BAD_L4 will grow.
 *
 * Rejected: AF_PACKET rings of 2 MiB, 1,024 frames. With these 24 clients that upload 1 MB each had
 * 6,000 to 28,000 segments out of order, now 5 to 57; p99 0.5 to 1.4 s, now 0.4 to 0.6.
 */
#ifndef HEARTH_PORT_DPDK_H
#define HEARTH_PORT_DPDK_H

#include "drivers/flow_rules.h"
#include "drivers/port.h"

enum { PORT_RSS_KEY_BYTES = 64 }; /* the longest that is known is 52 */

struct port_dpdk_keys {
    uint64_t spread;
    uint8_t rss[PORT_RSS_KEY_BYTES];
};

struct port_dpdk_config {
    const char *device;
    uint16_t queues;                         /* = dp cores */
    uint32_t rx_descriptors, tx_descriptors; /* as near as the device can; 0: default */
    uint32_t buffers;  /* mbufs of about 2.4 KB (MTU 1500) per queue; 0: 8191, or what descriptors
                          want */
    uint16_t mtu;      /* 0: the device's */
    uint8_t families;  /* enum flow_families: of RPC; 0: both */
    uint16_t rpc_port; /* UDP to rpc_port + q goes to queue q; 0: none */
    uint16_t own_first, own_each; /* TCP and UDP to own_first + q * own_each on, own_each ports:
                                     to queue q (spread.h); 0: none */
    uint16_t listen[2];           /* but for these */
    bool has_ipip; /* packets of balancers go where the packets in them belong (spread.h) */
    uint16_t gue_port;
    uint16_t vlan; /* whose frames the device lets in, tags and all; 0: untagged ones */
    /* One of two devices of a port (port_pair.h): what both spread flows by. NULL: drawn. */
    const struct port_dpdk_keys *keys;
    uint8_t index; /* of several devices: which; "auto:" makes names of it */
};

/* NULL and a sentence in error, or a started port. Destroyed by port_close. Needs eal_start.
 * port_stats is for one thread (control); what the device itself lost is told with queue 0. */
struct port *port_dpdk_create(const struct port_dpdk_config *, char *error, size_t error_bytes);

/* Two devices of the same keys, before cores use them: a flow must come to the same core by both.
 * Cards of one driver that hash and map alike do so by themselves; else flows are hashed again in
 * software, by both, and caps.has_rss says so. */
void port_dpdk_agree(struct port *, struct port *);

enum { PORT_GROUPS_MAX = 32 };

/* The MACs of the multicast groups to hear beside our own, instead of those before; again after a
 * change of our own address. 0 or -errno: the device can do it in no way. Thread: control. */
int port_dpdk_join(struct port *, const uint8_t (*mac)[6], uint32_t count);

/* Frames to that MAC as well as to its own: it is another device's of this port. 0 or -errno: the
 * device can do it in no way. Thread: control. */
int port_dpdk_hear(struct port *, const uint8_t mac[6]);

/* What the device counts itself (ethtool -S), by its driver's names; those that are not zero,
 * and none of a device with more than PORT_XSTATS_MAX. Thread: control. */
enum { PORT_XSTATS_MAX = 512 };
void port_dpdk_xstats(struct port *, void (*visit)(void *arg, const char *name, uint64_t value),
                      void *arg);

/* Does EAL have to look at the PCI bus for it? Needs no EAL. */
bool port_dpdk_wants_pci(const char *device);

/* What port_dpdk_look has found. */
enum port_news {
    PORT_NO_NEWS,
    PORT_LINK_DOWN,
    PORT_LINK_UP,
    PORT_RESTARTED,      /* after the PF of a VF, or the device itself, was reset */
    PORT_RESTART_FAILED, /* tried again: see error */
    PORT_SILENT,         /* interrupts do not come though they are said to: cores poll */
    PORT_RELEASED,       /* the kernel wanted the device back, and has it: nothing comes any more */
};

/* Looks after the device: link, resets, removal. To be called every PORT_LOOK_MS while the cores
 * run; link and epoch of struct port follow. What wants the device for itself begins with a pause
 * of all lanes, whose cores it wakes, and is done by a later look, when all have seen it. One piece
 * of news at a time. Thread: control. error: a sentence, or empty. */
enum { PORT_LOOK_MS = 100 };
enum port_news port_dpdk_look(struct port *, uint64_t now_ns, char *error, size_t error_bytes);

/* For `hearthctl doctor`: one line per rung of the ladder for that kernel interface, best first:
 * possible or why not. Returns the number of rungs written. Judges from /sys, touches nothing,
 * needs no EAL. */
struct port_rung {
    char name[32];
    bool is_possible;
    char reason[160];
};
int port_dpdk_ladder(const char *iface, struct port_rung *, int max);

#endif
