/* source.h
 *
 * How much of a core each source of clients holds, and whether that is more than its share.
 *
 *   address --keyed hash--> level 0: its /32 (IPv4) or /64   [ held: connections, ... | at rest ]
 *                           level 1: its /56 (IPv6 only)     [ the same ]
 *
 * A share matters only while a thing is scarce: more than half of it in use. Then no source is
 * given more once it holds share_percent of all (a /56 twice that), and of connections it must give
 * up one of its own for each new one.
 *
 * A source is there as long as it has a connection, so there are never more of them than
 * connections, and two that hash alike are still told apart.
 *
 * Single thread (the core). Never allocates after init.
 * Sources: a threshold on what is scarce, and none while it is not: Choudhury and Hahne, "Dynamic
 * queue length thresholds for shared-memory packet switches" (1998). /64 is a link (RFC 4291
 * 2.5.4), /56 what a site is commonly given (RFC 6177).
 *
 * Rejected: chunks for whoever comes first: 1,500 requests whose bodies came byte by byte had all
 * of them, and 1 of 60 guests was answered, now 60 (nginx: 60). A fixed limit for each address; a
 * proxy or a carrier's NAT may have all of what nobody else wants. Hashed slots without keys: they
 * take the same memory, and with 256 of them 2 of 60 seeds of the simulation turned a guest away
 * for another's deeds.
 */
#ifndef HEARTH_SOURCE_H
#define HEARTH_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/age.h"
#include "dataplane/base/limits.h"

enum source_kind {
    SOURCE_CONNS,
    SOURCE_HALF_OPEN,
    SOURCE_HANDSHAKES, /* that wait for their turn at the keys */
    SOURCE_CHUNKS,
    SOURCE_KINDS
};

enum { SOURCE_LEVELS = 2 };

struct source {
    struct source *next; /* of its bucket, or free */
    uint8_t prefix[16];  /* the rest is zero */
    uint32_t held[SOURCE_KINDS];
    struct age_list resting; /* connections of it that may be ended, longest at rest first */
    struct age_link over;    /* of those with more connections than their share */
};

struct sources {
    struct source **bucket[SOURCE_LEVELS];
    struct source *free;
    uint32_t mask;
    uint64_t seed;
    uint32_t share_percent; /* 100: no limit */
    uint32_t used[SOURCE_KINDS], max[SOURCE_KINDS];
    struct age_list over[SOURCE_LEVELS];
};

/* Memory for the sources of so many connections. */
size_t sources_bytes(uint32_t conns_max);
/* max: how much of each kind there is, 0: a kind without shares. seed: secret. */
void sources_init(struct sources *, void *memory, uint32_t conns_max,
                  const uint32_t max[SOURCE_KINDS], uint64_t seed);

/* The sources that an address belongs to; NULL: has no connection, or no such level. */
void sources_find(const struct sources *, const uint8_t ip[16], struct source *of[SOURCE_LEVELS]);
/* The same for a connection that it gets with this: it holds one more. At most conns_max times. */
void sources_join(struct sources *, const uint8_t ip[16], struct source *of[SOURCE_LEVELS]);
/* The connection is over, and all else that it held was given back. */
void sources_leave(struct sources *, struct source *const of[SOURCE_LEVELS]);
/* Of a connection that has joined: they hold so many more of it, less if negative. */
void sources_hold(struct sources *, struct source *const of[SOURCE_LEVELS], enum source_kind,
                  int32_t more);
/* May they hold one more? */
bool sources_may(const struct sources *, struct source *const of[SOURCE_LEVELS], enum source_kind);

/* Of sources that may not have one more connection: the link in `resting` of the one that has
 * rested longest. NULL: all are busy. */
struct age_link *sources_own_oldest(const struct sources *, struct source *const of[SOURCE_LEVELS],
                                    uint32_t *level);
/* The same of any source that holds more connections than its share. */
struct age_link *sources_over_oldest(const struct sources *, uint32_t *level);
/* How many do. */
static inline uint32_t sources_over_count(const struct sources *s)
{
    return s->over[0].count + s->over[1].count;
}

#endif
