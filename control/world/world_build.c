#include "control/world/world_build.h"

#include <stdlib.h>
#include <string.h>

struct world_parts {
    struct certs_part *certs;
    struct scripts_part *scripts;
    struct cluster_part *cluster;
};

static struct world_limits limits_of(const struct conf_limits *l)
{
    return (struct world_limits){
        .hello_timeout_ms = l->hello_timeout_ms,
        .head_timeout_ms = l->head_timeout_ms,
        .idle_timeout_ms = l->idle_timeout_ms,
        .stall_timeout_ms = l->stall_timeout_ms,
        .min_rate = l->min_rate,
        .request_body_bytes_max = (uint64_t)l->request_body_mb << 20,
    };
}

struct world *world_build(const struct world_plan *plan)
{
    const struct cluster_part *cluster = plan->cluster;
    struct world *w = calloc(1, sizeof(*w));
    struct world_parts *parts = calloc(1, sizeof(*parts));

    if (!w || !parts) {
        free(w);
        free(parts);
        return NULL;
    }
    *parts = (struct world_parts){
        .certs = plan->certs, .scripts = plan->scripts, .cluster = plan->cluster};
    part_hold(&parts->certs->part);
    part_hold(&parts->scripts->part);
    part_hold(&parts->cluster->part);
    w->owner = parts;
    w->epoch = plan->epoch;
    memcpy(w->node, plan->conf->node, sizeof(w->node));
    w->debug_headers = plan->conf->debug_headers;
    w->limits = limits_of(&plan->conf->limits);
    w->tune = *plan->tune;
    w->cluster = (struct world_cluster){
        .self = cluster->self,
        .member_count = cluster->member_count,
        .own_state = plan->own_state,
        .is_leaving = plan->is_leaving,
        .member = cluster->member,
        .ring = cluster->ring->ring,
        .identity = cluster->keys->is_set ? &cluster->keys->identity : NULL,
        .secret = cluster->keys->secret,
    };
    w->certs = plan->certs->certs;
    w->routes = plan->scripts->routes;
    w->script_count = plan->scripts->script_count;
    w->scripts = plan->scripts->scripts;
    w->script_index = plan->scripts->index;
    w->script_index_mask = plan->scripts->index_mask;
    w->can_start_cells = plan->can_start_cells;
    w->held_count = plan->held_count;
    w->held_full = plan->held_full;
    memcpy(w->held, plan->held, plan->held_count * sizeof(w->held[0]));
    return w;
}

void world_free(struct world *w)
{
    struct world_parts *parts = w->owner;

    part_release(&parts->cluster->part);
    part_release(&parts->scripts->part);
    part_release(&parts->certs->part);
    free(parts);
    free(w);
}
