/* port_pair.h
 *
 * Two ports as one, for the same addresses: by failover or by lacp.
 *
 *      dp core q            queue q of the pair is queue q of both members
 *          |
 *      port_pair            rx from both; tx to the active one, or (lacp) to both
 *       |      |
 *    first   second         ports of their own, each with its own MAC address
 *       |      |
 *   one or two switches     failover: one broadcast domain; lacp: one aggregate of ports
 *
 * Mode failover (active-backup). Frames leave by the active member. The pair's MAC is that one's. A
 * switch-over changes it and lets epoch grow, so that the data plane announces its addresses there
 * (gratuitous ARP, unsolicited NA), and again a second later. Who has not heard of it still sends
 * to the other member: while that has a link, those frames come in, their destination rewritten to
 * the pair's MAC, so a switch-over from a member that works loses nothing that is on its way. What
 * comes to all, or to others, is taken from the active member only: the standby's are copies,
 * dropped and counted (rx_standby). Frames to the standby's MAC that the active one hears are taken
 * while the standby has no link: a switch that has lost its port floods them.
 *
 * Which one is active: the one that is, as long as it has a link; else the other, if that has one,
 * at once. The first takes over again when it has had its link for failback_ns without a break (0:
 * never), so a link that comes and goes costs a switch-over per failback_ns at most.
 *
 * Mode lacp: the switch takes both for one link (lacp.h, IEEE 802.1AX), and both send: which one, a
 * hash of the flow's addresses and ports says. The first one's MAC is that of both: the second must
 * hear it as well (port_dpdk_hear). As long as there is no partner, the active member is used
 * alone, chosen as above. One that loses its link, or is not heard for 3 s, is left out at once.
 *
 * A flow must meet the same core on both members (port_dpdk_agree). Their buffers must be
 * interchangeable, as mbufs are: a frame that was made for one may be sent by the other.
 *
 * Threads: rx, tx and the like are of the queue's core; port_pair_look of control; the members' own
 * looks come before it. Owns the members.
 *
 * Rejected: DPDK 22.11's net_bonding. It has no rx interrupts, so cores would never sleep. Over
 * AF_PACKET it does not work: it sees no link go, and as it can join neither a group nor all of
 * them there, LACP hears nothing (tried, over two veth pairs: never in sync, and both used all the
 * same). It does not start a VF anew whose PF was reset. Rejected for failover: one MAC for both. A
 * VF may take another only if its PF trusts it, and the kernel has the MACs of its interfaces.
 */
#ifndef HEARTH_PORT_PAIR_H
#define HEARTH_PORT_PAIR_H

#include "drivers/port.h"

enum { PORT_PAIR_MEMBERS = 2 };

enum port_pair_mode { PORT_PAIR_FAILOVER, PORT_PAIR_LACP };

struct port_pair_config {
    enum port_pair_mode mode;
    uint64_t failback_ns;
    uint64_t flow_key; /* lacp: random */
};

/* What port_pair_look has found. */
enum port_pair_news {
    PORT_PAIR_NO_NEWS,
    PORT_PAIR_SWITCHED,    /* failover: the active one's link was lost */
    PORT_PAIR_FAILED_BACK, /* the first has been up for long enough */
    PORT_PAIR_CHANGED,     /* lacp: others send than before */
    PORT_PAIR_LOST,        /* none has a link */
    PORT_PAIR_FOUND,       /* there is a link again */
};

/* NULL: no memory; the members are still the caller's. They have the same number of queues. The MTU
 * is the smaller one, what one of them cannot do itself the pair cannot. */
struct port *port_pair_create(struct port *first, struct port *second,
                              const struct port_pair_config *);

/* Chooses the active member by the members' link. After each round of port_dpdk_look. */
enum port_pair_news port_pair_look(struct port *, uint64_t now_ns);

bool port_pair_is_active(const struct port *, uint32_t member); /* frames leave by it */
uint64_t port_pair_switches(const struct port *);

/* lacp: what is known of a member's partner. */
struct port_pair_partner {
    bool is_heard;
    /* "no link", "asks", "no partner", "another partner" than the other member's, "in sync",
     * "collecting", "distributing" */
    const char *state;
    uint8_t system[6];
    uint16_t key;
    uint64_t received, sent, bad; /* frames of LACP */
};
struct port_pair_partner port_pair_partner(const struct port *, uint32_t member);

#endif
