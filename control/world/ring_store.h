/* ring_store.h
 *
 * The memory of the ring: two versions in DPDK memzones (hugepages where there are any), so that
 * one can be built while cores read the other.
 *
 *   members --ring_store_build--> ring_part --held by--> world --published--> cores
 *        version 0 [ in use by worlds ]                     |
 *        version 1 [ free: the next one ]  <----------------+ released when the last world that
 *                                                             names it is freed (publisher.h)
 *
 * A version is free again when its part has no holder. Worlds are freed after every core has passed
 * a quiescent state, so no core can be reading what is overwritten.
 *
 * A zone grows when a table does not fit; it never shrinks. Bounded: 2 * ring_bytes_max().
 * Control thread only; after eal_start, and fini before eal_stop. One store per process.
 */
#ifndef HEARTH_RING_STORE_H
#define HEARTH_RING_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/world/part.h"
#include "dataplane/world/ring.h"

enum { RING_VERSIONS = 2 };

struct rte_memzone;

struct ring_part {
    struct part part; /* the maker's hold is the caller's: part_release when it has another */
    const struct ring *ring;
};

struct ring_version {
    struct ring_part part;
    const struct rte_memzone *zone; /* NULL: no table was built here yet */
};

struct ring_store {
    struct ring_version version[RING_VERSIONS];
};

/* Takes no memory yet. The store must not move: parts lie in it. */
void ring_store_init(struct ring_store *);
/* Gives the zones back. No part may be held any more. */
void ring_store_fini(struct ring_store *);

/* A table in the version that is free, as ring_build makes it. NULL and errno: EBUSY, worlds
 * still name both versions (call again when publisher_reclaim has freed one); ENOMEM, no memory
 * for a zone. Either leaves what is in use as it is. */
struct ring_part *ring_store_build(struct ring_store *, const struct ring_member *, uint32_t count,
                                   uint64_t epoch);

/* Would ring_store_build find a free version? */
bool ring_store_has_room(const struct ring_store *);

#endif
