#include "control/world/ring_store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_memzone.h>

enum { ZONE_STEP = 64 << 10 }; /* a member more should not mean another zone */

void ring_store_init(struct ring_store *s)
{
    *s = (struct ring_store){0};
}

void ring_store_fini(struct ring_store *s)
{
    for (uint32_t i = 0; i < RING_VERSIONS; i++) {
        assert(!s->version[i].part.part.holds);
        if (s->version[i].zone)
            rte_memzone_free(s->version[i].zone);
        s->version[i].zone = NULL;
    }
}

/* Without a holder a version is free: there is nothing else to do. */
static void let_go(struct part *part)
{
    ((struct ring_part *)part)->ring = NULL;
}

static struct ring_version *free_version(struct ring_store *s)
{
    for (uint32_t i = 0; i < RING_VERSIONS; i++)
        if (!s->version[i].part.part.holds)
            return &s->version[i];
    return NULL;
}

bool ring_store_has_room(const struct ring_store *s)
{
    return free_version((struct ring_store *)s) != NULL;
}

/* The zone that is too small goes first: the two may not fit side by side. */
static bool make_room(struct ring_version *v, uint32_t index, size_t bytes)
{
    char name[RTE_MEMZONE_NAMESIZE];

    if (v->zone && v->zone->len >= bytes)
        return true;
    if (v->zone)
        rte_memzone_free(v->zone);
    snprintf(name, sizeof(name), "hearth_ring_%u", index);
    v->zone = rte_memzone_reserve_aligned(name, (bytes + ZONE_STEP - 1) / ZONE_STEP * ZONE_STEP,
                                          SOCKET_ID_ANY, 0, RTE_CACHE_LINE_SIZE);
    return v->zone != NULL;
}

struct ring_part *ring_store_build(struct ring_store *s, const struct ring_member *member,
                                   uint32_t count, uint64_t epoch)
{
    struct ring_version *v = free_version(s);

    if (!v) {
        errno = EBUSY;
        return NULL;
    }
    if (!make_room(v, (uint32_t)(v - s->version), ring_bytes(member, count))) {
        errno = rte_errno ? rte_errno : ENOMEM;
        return NULL;
    }
    part_init(&v->part.part, let_go);
    v->part.ring = ring_build(v->zone->addr, member, count, epoch);
    return &v->part;
}
