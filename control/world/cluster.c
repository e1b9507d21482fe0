#include "control/world/cluster.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/world/ring.h"

static void cluster_part_destroy(struct part *part)
{
    struct cluster_part *p = (struct cluster_part *)part;

    if (p->ring)
        part_release(&p->ring->part);
    free(p->member);
    free(p);
}

uint32_t cluster_channels(const struct members *members)
{
    enum { TO_COME = 64 };
    uint32_t count = TO_COME;

    for (uint32_t i = 0; i < members->count; i++)
        count += members->member[i].cores;
    return count < PEERS_CHANNELS_MAX ? count : PEERS_CHANNELS_MAX;
}

struct cluster_part *cluster_part_build(const struct members *members, const char *node,
                                        const struct cluster_keys *keys, struct ring_store *rings,
                                        uint64_t ring_epoch)
{
    struct ring_member in[MEMBERS_MAX];
    struct cluster_part *p = calloc(1, sizeof(*p));

    assert(members->count && members->count <= MEMBERS_MAX);
    errno = ENOMEM;
    if (!p)
        return NULL;
    part_init(&p->part, cluster_part_destroy);
    p->self = (uint16_t)members_find(members, node);
    p->member_count = (uint16_t)members->count;
    p->keys = keys;
    p->member = malloc(members->count * sizeof(*p->member));
    if (p->member) {
        memcpy(p->member, members->member, members->count * sizeof(*p->member));
        for (uint32_t i = 0; i < p->member_count; i++)
            in[i] = (struct ring_member){
                .id = p->member[i].id, .node = (uint16_t)i, .weight = p->member[i].weight};
        p->ring = ring_store_build(rings, in, p->member_count, ring_epoch);
    }
    if (!p->ring) {
        int reason = errno;

        part_release(&p->part);
        errno = reason;
        return NULL;
    }
    return p;
}

bool cluster_part_has(const struct cluster_part *p, const struct members *members)
{
    return p->member_count == members->count &&
           !memcmp(p->member, members->member, members->count * sizeof(*p->member));
}

const char *cluster_name(const struct cluster_part *p, uint32_t node)
{
    return node < p->member_count ? p->member[node].name : "?";
}
