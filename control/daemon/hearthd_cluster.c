/* This node among the others: its members and ring, and what it says of itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "dataplane/rpc/peers.h"

enum {
    MS = 1000 * 1000,
    REACH_MS = 1000, /* cores have found slots for the members of a new world, or have not */
    STATE_SPREAD_MS = 2 * PEERS_STATE_MS, /* until every node has heard of a new state */
};

/* ---- members ---- */

static void on_members(void *arg)
{
    struct hearthd *h = arg;

    if (h->has_publisher && !h->is_reloading)
        hearthd_change(h);
}

bool hearthd_has_others(const struct hearthd *h)
{
    return h->keys.is_set && h->members->count > 1;
}

int hearthd_cluster_start(struct hearthd *h, char *error, size_t error_bytes)
{
    h->tune = h->conf->tune;
    ring_store_init(&h->rings);
    if (cluster_keys_read(&h->keys, h->conf, error, error_bytes))
        return -1;
    h->members = members_static_create(h->conf, on_members, h);
    if (!h->members) {
        snprintf(error, error_bytes, "no memory for the members");
        return -1;
    }
    if (!cluster_check(h->members, h->conf->node, &h->keys, error, error_bytes))
        return -1;
    h->cluster = cluster_part_build(h->members, h->conf->node, &h->keys, &h->rings, 1);
    if (!h->cluster) {
        snprintf(error, error_bytes, "the ring: %s", strerror(errno));
        return -1;
    }
    h->ring_epoch = 1;
    node_life_init(&h->life, hearthd_has_others(h), loop_now_ns());
    return 0;
}

/* No core runs any more, no world is left. */
void hearthd_cluster_stop(struct hearthd *h)
{
    if (h->has_loop) {
        loop_timer_cancel(&h->loop, &h->life_timer);
        loop_timer_cancel(&h->loop, &h->leave_timer);
        loop_timer_cancel(&h->loop, &h->reach_timer);
    }
    if (h->cluster)
        part_release(&h->cluster->part);
    h->cluster = NULL;
    if (h->has_eal)
        ring_store_fini(&h->rings);
    members_destroy(h->members);
    h->members = NULL;
    cluster_keys_wipe(&h->keys);
}

bool hearthd_cluster_follow(struct hearthd *h)
{
    char error[512];
    struct cluster_part *next;

    if (cluster_part_has(h->cluster, h->members))
        return true;
    if (!cluster_check(h->members, h->conf->node, &h->keys, error, sizeof(error))) {
        log_line("members", "not taken up: %s", error);
        return true;
    }
    next = cluster_part_build(h->members, h->conf->node, &h->keys, &h->rings, h->ring_epoch + 1);
    if (!next) {
        /* Cores still read both versions: publishing goes on when the older one is free. */
        if (errno == EBUSY)
            return false;
        log_line("members", "not taken up: %s", strerror(errno));
        return true;
    }
    h->ring_epoch++;
    part_release(&h->cluster->part);
    h->cluster = next;
    log_line("members", "count=%u ring_epoch=%llu digest=%016llx", h->members->count,
             (unsigned long long)h->ring_epoch, (unsigned long long)ring_digest(next->ring->ring));
    return true;
}

/* ---- the life of the node ---- */

static uint64_t handed_over(const struct hearthd *h)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < h->core_count; i++)
        sum += core_counters(h->core[i].core)->handover_sent;
    return sum - h->handed_before;
}

static struct node_progress progress(const struct hearthd *h)
{
    struct node_progress p = {
        .has_others = hearthd_has_others(h),
        .can_serve = h->has_been_ready && supervise_can_serve(h->supervise),
        .is_done = true,
    };

    for (uint32_t i = 0; i < h->core_count && p.has_others; i++) {
        struct peers_handover handover;

        peers_handover(core_peers(h->core[i].core), &handover);
        p.is_done &= handover.is_done && handover.epoch >= h->phase_epoch;
    }
    return p;
}

static void leave(void *arg)
{
    struct hearthd *h = arg;
    uint64_t waited_ms = (loop_now_ns() - h->life.since_ns) / MS;

    hearthd_stop_cores(h,
                       h->conf->drain_ms > waited_ms ? h->conf->drain_ms - (uint32_t)waited_ms : 0);
}

/* The node is DRAINING: the clients hear of it with the world that says so. */
static void answer_draining(struct hearthd *h)
{
    uint64_t handed = handed_over(h);

    for (uint32_t i = 0; i < h->draining_count; i++) {
        struct ctl_client *client = h->ctl ? ctl_find(h->ctl, h->draining_client[i]) : NULL;

        if (client)
            hearthd_reply_when_published(h, client,
                                         json_pack("{s:b, s:s, s:s, s:I}", "ok", 1, "node",
                                                   h->conf->node, "state", "draining", "handed",
                                                   (json_int_t)handed));
    }
    h->draining_count = 0;
    if (h->is_draining)
        loop_timer_set(&h->loop, &h->leave_timer, (uint64_t)STATE_SPREAD_MS * MS, leave, h);
}

/* Something has to say the new phase: a world. */
static void phase_changed(struct hearthd *h)
{
    if (h->life.phase == NODE_PHASE_DRAINING)
        log_line("node", "state=draining handed=%llu", (unsigned long long)handed_over(h));
    else
        log_line("node", "state=%s", node_phase_name(h->life.phase));
    h->phase_epoch = h->epoch + 1;
    h->is_dirty = true;
    if (h->life.phase == NODE_PHASE_DRAINING)
        answer_draining(h);
    hearthd_publish(h);
}

static void look(void *arg)
{
    struct hearthd *h = arg;
    struct node_progress p = progress(h);

    if (node_life_look(&h->life, &p, loop_now_ns()))
        phase_changed(h);
    if (node_life_awaits(&h->life))
        loop_timer_set(&h->loop, &h->life_timer, (uint64_t)NODE_LIFE_LOOK_MS * MS, look, h);
}

uint32_t hearthd_unreached(const struct hearthd *h)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < h->core_count; i++) {
        const struct peers *peers = core_peers(h->core[i].core);

        sum += peers ? peers_unreached(peers) : 0;
    }
    return sum;
}

/* Members that cores have no channel left for are down to them: nobody shall have to guess why. */
static void look_at_reach(void *arg)
{
    struct hearthd *h = arg;
    uint32_t unreached = hearthd_unreached(h);

    if (unreached > 0 && unreached != h->unreached)
        log_line("members",
                 "unreached=%u channels=%u: every channel of a core is in use; a restart "
                 "makes as many as this list needs",
                 unreached, h->channels);
    else if (unreached == 0 && h->unreached > 0)
        log_line("members", "unreached=0");
    h->unreached = unreached;
    if (unreached > 0)
        loop_timer_set(&h->loop, &h->reach_timer, (uint64_t)REACH_MS * MS, look_at_reach, h);
}

void hearthd_cluster_look(struct hearthd *h)
{
    if (hearthd_has_others(h) && !h->reach_timer.deadline_ns)
        loop_timer_set(&h->loop, &h->reach_timer, (uint64_t)REACH_MS * MS, look_at_reach, h);
    if (node_life_awaits(&h->life) && !h->life_timer.deadline_ns)
        loop_timer_set(&h->loop, &h->life_timer, 0, look, h);
}

void hearthd_drain(struct hearthd *h, struct ctl_client *client, uint32_t handover_ms)
{
    if (client && h->draining_count == CTL_CLIENTS_MAX) {
        ctl_refuse(client, "it is being drained, and enough wait for the end already");
        return;
    }
    if (client)
        h->draining_client[h->draining_count++] = ctl_client_id(client);
    if (h->life.phase == NODE_PHASE_DRAINING) {
        answer_draining(h);
        return;
    }
    if (h->life.phase != NODE_PHASE_LEAVING)
        h->handed_before += handed_over(h);
    if (node_life_drain(&h->life, handover_ms < PEERS_HANDOVER_MS ? handover_ms : PEERS_HANDOVER_MS,
                        loop_now_ns()))
        phase_changed(h);
}

void hearthd_undrain(struct hearthd *h, struct ctl_client *client)
{
    for (uint32_t i = 0; i < h->draining_count; i++) {
        struct ctl_client *other = ctl_find(h->ctl, h->draining_client[i]);

        if (other)
            ctl_refuse(other, "undrained meanwhile");
    }
    h->draining_count = 0;
    if (node_life_undrain(&h->life, loop_now_ns()))
        phase_changed(h);
    ctl_reply(client, json_pack("{s:b, s:s, s:s}", "ok", 1, "node", h->conf->node, "state",
                                node_phase_name(h->life.phase)));
}
