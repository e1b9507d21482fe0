/* cluster.h
 *
 * The cluster as the cores see it: members, ring, and what this node proves itself with; a part of
 * every world.
 *
 *   members ----\
 *   node.key ----+--> cluster_part --> world.cluster
 *   secret -----/     (ring built here)
 *
 * The ring changes only with the list of members: a node that is down, joins or drains keeps its
 * points, and placement looks at states instead. Control thread only.
 */
#ifndef HEARTH_CLUSTER_H
#define HEARTH_CLUSTER_H

#include "control/config/conf.h"
#include "control/world/members.h"
#include "control/world/part.h"
#include "control/world/ring_store.h"
#include "dataplane/rpc/noise.h"
#include "dataplane/world/world.h"

/* Read once, at start, and kept to the end: handshakes point to the identity. */
struct cluster_keys {
    bool is_set; /* false: a node alone, no RPC */
    struct noise_identity identity;
    uint8_t secret[32];
};

struct cluster_part {
    struct part part;
    uint16_t self, member_count;
    struct world_member *member;
    struct ring_part *ring;
    const struct cluster_keys *keys; /* the caller's */
};

/* 0, or -1 and a sentence. */
int cluster_keys_read(struct cluster_keys *, const struct conf *, char *error, size_t error_bytes);
void cluster_keys_wipe(struct cluster_keys *);

/* Can this node be a member of that list with these keys? If not, why: it is not in it, its key
 * is another there, or two names have one hash. */
bool cluster_check(const struct members *, const char *node, const struct cluster_keys *,
                   char *error, size_t error_bytes);

/* Room for channels that one core of this node needs: one to each core of each other member, and
 * some for members to come. At 144 KiB each they are most of what a cluster costs. */
uint32_t cluster_channels(const struct members *);

/* The list has passed cluster_check. NULL and errno: EBUSY, ENOMEM (ring_store.h). */
struct cluster_part *cluster_part_build(const struct members *, const char *node,
                                        const struct cluster_keys *, struct ring_store *,
                                        uint64_t ring_epoch);

/* Is the list the one that the part was built of? */
bool cluster_part_has(const struct cluster_part *, const struct members *);

/* Name of the member of that index, as a note or an event gives it; "?" if there is none. */
const char *cluster_name(const struct cluster_part *, uint32_t node);

#endif
