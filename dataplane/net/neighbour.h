/* neighbour.h
 *
 * Who has which MAC on our link: one table for the node, read by every core for each packet sent,
 * written by whichever core hears ARP or neighbour discovery.
 *
 *   hash(ip) --> set [ seq | way | way | ... ]    a set has its own sequence lock; nobody waits:
 *                set [ seq | way | way | ... ]    who finds it busy goes without, and the packet's
 *                 ...                             own retransmission tries again
 *
 * Life of an entry:
 *
 *   asked --learn--> known --NEIGHBOUR_STALE_S--> stale: still used, asked again --learn--> known
 *     ^                                             |
 *     +---- NEIGHBOUR_QUERIES_MAX unanswered -------+
 *
 *   A query each NEIGHBOUR_QUERY_INTERVAL_MS; after NEIGHBOUR_QUERIES_MAX at doubling intervals.
 *
 * A full set gives up, in this order: an entry without a MAC, then the one unused for longest. What
 * was merely heard, not needed by us, displaces no neighbour used within NEIGHBOUR_STALE_S.
 *
 * Addresses are 16 bytes as in net.h. Units: nanoseconds; cores' clocks may differ by a little.
 * Memory is the caller's, aligned to 64 bytes. Never allocates.
 * Sources: RFC 826, RFC 1122 2.3.2, RFC 4861 7; sequence locks after Boehm, "Can seqlocks get along
 * with programming language memory models?" (2012).
 *
 * Rejected: a lock per entry instead of per set (128 sets of 8): two cores could add one address
 * twice. STALE at once for what a solicitation tells, as RFC 4861 says: known for
 * NEIGHBOUR_STALE_S, a new client costs one query less.
 */
#ifndef HEARTH_NEIGHBOUR_H
#define HEARTH_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct neighbours;

size_t neighbours_bytes(void);
/* memory: neighbours_bytes() of it. seed: secret, so that a peer cannot choose which addresses
 * collide. */
void neighbours_init(struct neighbours *, uint64_t seed);
/* How often a MAC became known that was not, on any core: whoever waits for one looks again
 * when it has changed. */
uint64_t neighbours_learned(const struct neighbours *);
/* The seed, for other keyed hashes that the node's cores must agree on. */
uint64_t neighbours_seed(const struct neighbours *);

/* The MAC to send to. False: not known (yet). *ask: a query is due now; whoever gets true must send
 * it. */
bool neighbour_find(struct neighbours *, const uint8_t ip[16], uint64_t now_ns, uint8_t mac[6],
                    bool *ask);

enum neighbour_learn {
    NEIGHBOUR_MERGE,   /* only if we have an entry: RFC 826's merge */
    NEIGHBOUR_CONFIRM, /* as MERGE, but never changes a known MAC: an advertisement without Override
                        */
    NEIGHBOUR_ADD,     /* make one if there is room */
};

enum neighbour_learned {
    NEIGHBOUR_LEARNED,
    NEIGHBOUR_UNKNOWN, /* no entry to merge with, or another MAC to confirm */
    NEIGHBOUR_FULL,    /* no room to add, or another core is writing this set */
};

/* ip has this MAC. The caller has checked that both are sane and on our link. */
enum neighbour_learned neighbour_learn(struct neighbours *, const uint8_t ip[16],
                                       const uint8_t mac[6], enum neighbour_learn, uint64_t now_ns);

#endif
