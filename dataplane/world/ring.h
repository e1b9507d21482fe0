/* ring.h
 *
 * Which node is home to a script: consistent hashing with weighted virtual nodes.
 *
 *        0                                                        2^64 - 1
 *        |--o----x---o--x-----o---x--x----o----x---o----x-----o---x--|  o, x: points of two members
 *                       ^ point of a script: home is the member of the first point at or after it,
 *                         successors are the next distinct members clockwise
 *
 *   bucket[hash >> shift] --> first point of that arc --> a step or two to the right one
 *
 * A member has weight * RING_VNODES / RING_WEIGHT_ONE virtual nodes (at least one) of
 * RING_VNODE_POINTS points each: XXH3_64 of the member's id and the point's number. So a point
 * depends on nothing but its member: adding or removing one moves only scripts to or from it. One
 * point each would not do: a share of 128 points is uneven by 1/sqrt(128) = 9 %, and the largest of
 * 300 shares is 1.27 of the mean; of 512 points it is 1.13, and below 1.25 in every cluster tried
 * (tests/unit/dataplane/world).
 *
 * The same members give the same table, byte for byte, on every node, whatever order they are given
 * in; `digest` says so in 64 bits. Points that fall together belong to the lower id.
 *
 * A table is one flat block of memory without pointers, built by ring_build and never written
 * again: it can lie in a hugepage memzone (control/world/ring_store.h keeps two) and be read
 * without a lock by any number of threads as long as the world that names it is theirs.
 *
 * Members are named by their index in the world's list, which is sorted by name. Bounded by
 * MEMBERS_MAX. Sources: Karger et al., "Consistent hashing and random trees" (1997); XXH3 by
 * Collet.
 */
#ifndef HEARTH_RING_H
#define HEARTH_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"

enum {
    RING_VNODES = 128, /* of a member of weight RING_WEIGHT_ONE */
    RING_VNODE_POINTS = 4,
    RING_WEIGHT_ONE = 100, /* weight 200: twice the share */
    RING_WEIGHT_MAX = 1000,
    RING_NODE_NONE = UINT16_MAX,
};

struct ring_member {
    uint64_t id;     /* XXH3_64 of the node's name */
    uint16_t node;   /* what lookups return: its index in the world's members, below MEMBERS_MAX */
    uint32_t weight; /* 0: a member without points */
};

struct ring; /* opaque, flat */

/* Bytes of a table of those members, for the memory of ring_build. */
size_t ring_bytes(const struct ring_member *, uint32_t count);
/* The most that any member list can need. */
size_t ring_bytes_max(void);

/* Pure. memory: 64-byte aligned, at least ring_bytes. count is 0 to MEMBERS_MAX; ids and nodes
 * differ. */
struct ring *ring_build(void *memory, const struct ring_member *, uint32_t count, uint64_t epoch);

/* The home of a script by the hash of its id; RING_NODE_NONE if no member has a point. O(1), no
 * allocation. */
uint16_t ring_home(const struct ring *, uint64_t script_hash);

/* Home first, then distinct successors clockwise: up to max of them; returns how many. */
uint32_t ring_successors(const struct ring *, uint64_t script_hash, uint16_t *nodes, uint32_t max);

uint64_t ring_epoch(const struct ring *);
/* Of the members' ids and weights; equal exactly when they are. The epoch is not in it. */
uint64_t ring_digest(const struct ring *);
uint32_t ring_points(const struct ring *);
/* Of one member; 0: it has none, or is none. */
uint32_t ring_points_of(const struct ring *, uint16_t node);
/* The share of the circle that a member owns, 0 to 1. */
double ring_share(const struct ring *, uint16_t node);

/* Where two rings differ: moved is called for every arc of the circle whose home changes, with the
 * arc's share. Its scripts are those that ring_home says so of. For looking, not for the packet
 * path: it walks all points. */
void ring_compare(const struct ring *before, const struct ring *after,
                  void (*moved)(void *arg, uint16_t from, uint16_t to, double share), void *arg);

#endif
