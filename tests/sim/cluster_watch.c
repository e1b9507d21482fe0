#include <string.h>

#include "dataplane/call/call_state.h"
#include "dataplane/call/steer.h"
#include "dataplane/rpc/peers.h"
#include "tests/sim/cluster_parts.h"
#include "tests/sim/cpu_cost.h"

enum {
    TABLES_EVERY = 16, /* iterations: a call is under way for longer than that */
};

/* Per bounce, so that one that wastes too much cannot hide behind those that waste nothing. */
static void watch_waste(struct sim *s, uint32_t node)
{
    const struct counters *now = &s->cluster.node[node].core->counters;
    struct watch *was = &s->watch[node];
    if (now->call_bounced < was->bounced) /* another life */
        was->bounced = was->wasted_bytes = 0;
    uint64_t bounces = now->call_bounced - was->bounced;
    uint64_t wasted = now->call_wasted_bytes - was->wasted_bytes;
    CHECK(wasted <= bounces * s->cluster.config.tune.optimistic_bytes,
          "node %u: %lu bytes wasted on %lu bounces", node, (unsigned long)wasted,
          (unsigned long)bounces);
    was->bounced = now->call_bounced;
    was->wasted_bytes = now->call_wasted_bytes;
}

/* What floors promise is there. */
static void watch_chunks(const struct sim *s, uint32_t node)
{
    const struct chunk_pool *pool = &s->cluster.node[node].core->chunks;
    CHECK(pool->owed <= pool->free_count, "node %u owes %u chunks, and has %u", node, pool->owed,
          pool->free_count);
}

/* For the story. */
static void watch_states(struct sim *s, uint32_t node)
{
    const struct cluster_node *n = &s->cluster.node[node];
    for (uint32_t k = 0; n->core->world && k < s->nodes; k++) {
        uint16_t place = n->core->world->cluster.member == n->plan->member ? n->plan->place[k]
                                                                           : CLUSTER_NO_MEMBER;
        if (k == node || place == CLUSTER_NO_MEMBER || n->core->world_epoch != n->world.epoch)
            continue;
        uint8_t state = (uint8_t)peers_state(n->core->peers, place);
        if (state != s->watch[node].state[k])
            TRACE("node %u sees node %u in state %u", node, k, state);
        s->watch[node].state[k] = state;
    }
}

/* An answer lives in chunks that are its own: nobody else's need can make it lose a byte. */
static void watch_answer(uint32_t node, const struct call *c)
{
    if (!c->answer)
        return;
    const struct chunk_account *a = &c->answer->account;
    CHECK(a->held <= a->floor, "node %u: an answer holds %u chunks, and %u are its own", node,
          a->held, a->floor);
}

/* What came from another node, or back from one, or runs for the second time, is at no other
 * node. */
static void watch_calls(struct sim *s, uint32_t node)
{
    const struct calls *t = s->cluster.node[node].core->calls;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < t->count && seen < t->live; i++) {
        const struct call *c = &t->call[i];
        if (c->state == CALL_FREE)
            continue;
        seen++;
        watch_answer(node, c);
        CHECK(!call_is_remote(c) || !(c->is_forwarded || c->is_bounced || c->was_rerun),
              "node %u: a call that was %s is sent to node %u of its list", node,
              c->is_forwarded ? "forwarded"
              : c->is_bounced ? "bounced"
                              : "lost",
              c->node);
    }
    CHECK(seen == t->live, "node %u: %u calls, and %u are counted", node, seen, t->live);
}

void watch_run(struct sim *s)
{
    bool looks = ++s->iterations % TABLES_EVERY == 0;
    for (uint32_t i = 0; i < s->nodes; i++) {
        if (!cluster_is_up(&s->cluster, i))
            continue;
        cpu_cost_check(s->cluster.node[i].core, s->cluster.node[i].took_ns);
        watch_waste(s, i);
        watch_chunks(s, i);
        watch_states(s, i);
        if (looks)
            watch_calls(s, i);
    }
}

void watch_idle(const struct sim *s)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct cluster_node *n = &s->cluster.node[i];
        if (!n->core)
            continue;
        uint32_t queue_us;
        uint16_t load = steer_load(n->core, &queue_us);
        CHECK(load == 0 && queue_us == 0, "node %u is idle: load %u, %u us", i, load, queue_us);
        for (uint32_t k = 0; k < s->nodes; k++) {
            uint16_t place = n->plan->place[k];
            if (k == i || place == CLUSTER_NO_MEMBER)
                continue;
            load = peers_load(n->core->peers, place);
            CHECK(load == 0, "node %u believes that node %u has load %u", i, k, load);
        }
    }
}

/* ---- spans ---- */

struct span_check {
    struct sim *s;
    const struct record *record;
    uint16_t self;
    uint64_t from_ns, to_ns; /* by the clock of the node where it entered */
};

static void on_event(void *arg, const struct trace_event *e)
{
    struct span_check *c = arg;
    if (e->node == c->self)
        return;
    c->s->spans++;
    CHECK(e->at_ns >= c->from_ns && e->at_ns <= c->to_ns,
          "request %u at node %u: its home says %s at %lu us, and it was there from %lu to %lu us",
          c->record->id, c->record->entry, trace_kind_name(e->kind), (unsigned long)e->at_ns / 1000,
          (unsigned long)c->from_ns / 1000, (unsigned long)c->to_ns / 1000);
}

void watch_spans(struct sim *s, const struct record *r, const char *request_id)
{
    const struct cluster_node *n = &s->cluster.node[r->entry];
    struct span_check check = {.s = s,
                               .record = r,
                               .self = n->world.cluster.self,
                               .from_ns = cluster_clock_ns(&s->cluster, r->entry, r->opened_ns),
                               .to_ns = cluster_clock_ns(&s->cluster, r->entry, sim_now_ns)};
    trace_read(n->core->trace, strtoull(request_id, NULL, 16), on_event, &check);
}
