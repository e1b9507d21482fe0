/* members.h
 *
 * Who belongs to the cluster, wherever that is written down: one interface, one file per source.
 *
 *   members_static.c   the list in hearth.yaml; changes with a reload
 *
 * A source keeps the list sorted by name, this node in it, and says on_change when it has become
 * another; whoever wants to know reads it again. What a source cannot reach for a while (a store of
 * leases) leaves the last list in force. Control thread only.
 */
#ifndef HEARTH_MEMBERS_H
#define HEARTH_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "dataplane/world/world.h"

struct members;

struct members_source {
    const char *name; /* "static": for status */
    /* The configuration was read again. 0, or -1 and a sentence: nothing changed. */
    int (*follow)(struct members *, const struct conf *, char *error, size_t error_bytes);
    void (*destroy)(struct members *);
};

struct members {
    const struct members_source *source;
    void (*on_change)(void *arg);
    void *arg;
    uint32_t count;              /* at least 1, at most MEMBERS_MAX */
    struct world_member *member; /* sorted by name; valid until on_change */
};

/* The configuration's own list; just this node if it has none. NULL: no memory. */
struct members *members_static_create(const struct conf *, void (*on_change)(void *), void *arg);

static inline int members_follow(struct members *m, const struct conf *conf, char *error,
                                 size_t error_bytes)
{
    return m->source->follow(m, conf, error, error_bytes);
}

/* NULL is nothing. */
static inline void members_destroy(struct members *m)
{
    if (m)
        m->source->destroy(m);
}

/* Index of the member of that name; MEMBERS_MAX: there is none. */
uint32_t members_find(const struct members *, const char *name);

#endif
