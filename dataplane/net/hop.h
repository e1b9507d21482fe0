/* hop.h
 *
 * Next hops whose MAC is not known yet, and who on this core waits for them. Nobody tries again by
 * himself: a MAC that comes is the event, and one table looks for it.
 *
 *   net_begin: unresolved -> hops_wait -> hop [ ip | since ] oldest waiter -> ... -> newest
 *                                          |
 *      ASKED --a MAC has come------------> KNOWN --each waiter, once--> forgotten
 *        +-----silence for HOP_PATIENCE--> LOST  --each waiter, once--> forgotten
 *
 * A look at all hops costs a lookup each: when a neighbour was learned (neighbours_learned), and
 * each NEIGHBOUR_QUERY_INTERVAL_MS, when the next query is due.
 *
 * HOPS_MAX of them; the last two are for the gateways, so that strays on the link keep nobody else
 * waiting. Beyond, packets are dropped, and their senders count it.
 *
 * A frame that is not to be had (no buffer) is waited for in the same way: HOPS_BUFFER_WAITERS of
 * those try again each HOPS_BUFFER_MS.
 *
 * Waiters are embedded in their owners. Units: nanoseconds. Single thread. Never allocates.
 * Sources: RFC 1122 2.3.2.2 (a packet should wait for its address), RFC 4861 7.2.2 and 7.2.3
 * (after so many queries it is dropped).
 *
 * Rejected: each connection tries again every 2 ms: 2,000 SYNs from addresses of the link that
 * nobody has were 660,000 tries a second for 12 s, now one for each SYN. For a SYN-ACK whose next
 * hop is LOST after 2 s, five retransmissions, 63 s: its half-open connection ends, and the SYN
 * will come again if anybody is there.
 */
#ifndef HEARTH_HOP_H
#define HEARTH_HOP_H

#include "dataplane/base/age.h"
#include "dataplane/base/limits.h"

struct net;

enum hop_state { HOP_FREE = 0, HOP_ASKED, HOP_KNOWN, HOP_LOST };

struct hop {
    struct age_list waiters;
    uint8_t ip[16];
    uint64_t since_ns;
    uint8_t state; /* enum hop_state */
};

struct hops {
    struct hop hop[HOPS_MAX];
    uint32_t count;   /* of hops that are not free */
    uint32_t end;     /* behind the last that may not be */
    uint32_t told;    /* of these, KNOWN or LOST */
    uint64_t look_ns; /* the next one */
    uint64_t learned; /* neighbours_learned at the last one */
    struct age_list unbuffered;
    uint64_t buffer_ns;    /* when they may try again */
    uint32_t buffer_turns; /* of that time, left */
};

/* After net_begin has returned NULL: the waiter stands in the queue for what was missing there,
 * or stays where it stands in it. False: it cannot (no room, or no route): what it has to send
 * is dropped. */
bool hops_wait(struct hops *, const struct net *, struct age_link *waiter, uint64_t now_ns);

/* The next waiter that is done waiting, taken off its queue; NULL: none now. Call until NULL, or
 * as often as there is time. *is_lost: nobody answers there. */
struct age_link *hops_next(struct hops *, struct net *, uint64_t now_ns, bool *is_lost);

/* When hops_next may have one, or UINT64_MAX. What another core learns is seen HOPS_LOOK_MS
 * later. */
uint64_t hops_next_ns(const struct hops *, uint64_t now_ns);

#endif
