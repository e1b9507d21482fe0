#include "dataplane/call/steer.h"

#include "dataplane/call/cells.h"
#include "dataplane/call/job_link.h"
#include "dataplane/core_state.h"
#include "dataplane/place/place.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/world.h"

/* The script's homes are the first of these (place.h). */
static uint32_t usable_successors(struct core *core, uint64_t script_hash,
                                  uint16_t node[PLACE_SUCCESSORS_MAX])
{
    const struct world_cluster *cluster = &core->world->cluster;
    uint32_t count = ring_successors(cluster->ring, script_hash, node, PLACE_SUCCESSORS_MAX);
    uint32_t usable = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_self = node[i] == cluster->self;
        if ((is_self ? cluster->own_state : peers_state(core->peers, node[i])) == NODE_SERVING)
            node[usable++] = node[i];
    }
    return usable;
}

uint16_t steer_home(struct core *core, uint64_t script_hash)
{
    const struct world_cluster *cluster = &core->world->cluster;
    uint16_t node[PLACE_SUCCESSORS_MAX];
    if (!core->peers || cluster->member_count <= 1)
        return cluster->self;
    const struct heat_script *heat = heat_find(core->heat, script_hash);
    if (heat && heat->is_hot)
        return cluster->self;
    return usable_successors(core, script_hash, node) ? node[0] : cluster->self;
}

void steer_warm_next_homes(struct core *core, uint64_t script_hash, uint64_t version, uint8_t width)
{
    uint16_t self = core->world->cluster.self, node[PLACE_SUCCESSORS_MAX];
    uint32_t count = core->peers ? usable_successors(core, script_hash, node) : 0;
    for (uint32_t i = width; i < count && i < 2u * width; i++) {
        if (node[i] != self)
            peers_warm(core->peers, node[i], script_hash, version, true, core->now_ns);
    }
}

/* The budget (warm_per_s) is for guesses, which anybody's ClientHello can cause. Rejected: one for
 * hot scripts too: a flood of guesses would use it up, and keep them from running here. They have
 * been asked for in earnest, often, and have a bound of their own: each is asked for at most once
 * per WARMTH_AGAIN_NS. */
bool steer_warm(struct core *core, uint64_t script_hash, uint64_t script_handle)
{
    const struct heat_script *heat = heat_find(core->heat, script_hash);
    bool is_demanded = heat && heat->is_hot;
    enum warmth_state state = cells_warmth(core, script_handle);

    if (world_holds(core->world, script_handle) || state == WARMTH_WARM ||
        (state == WARMTH_ASKED && !is_demanded))
        return false;
    if (!is_demanded && !token_bucket_take(&core->warm, core->now_ns)) {
        core->counters.warm_budget++;
        return false;
    }
    return cells_ask(core, script_handle, is_demanded);
}

uint16_t steer_load(const struct core *core, uint32_t *queue_us)
{
    uint64_t delay_ns;
    uint16_t load = cells_load(core, &delay_ns);

    if (queue_us)
        *queue_us = (uint32_t)(delay_ns / 1000);
    return load;
}

enum bounce_reason steer_shed(struct core *core, const struct job_link *link, uint64_t script_hash,
                              bool is_last)
{
    static const struct shed calm; /* of what has no cell yet */
    const struct heat_script *heat = heat_find(core->heat, script_hash);
    struct shed_query q = {.jobs = cells_jobs(core),
                           .jobs_max = core->config.jobs_max,
                           .script_jobs = heat ? heat->in_flight : 0,
                           .chunks_used_percent =
                               100 - chunk_shared(&core->chunks) * 100 / core->chunks.count};
    return is_last ? shed_refuses(link ? &link->full : &calm, &core->full_tune, &q)
                   : shed_refuses(link ? &link->shed : &calm, &core->shed_tune, &q);
}
