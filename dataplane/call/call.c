#include "dataplane/call/call.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/least.h"
#include "dataplane/base/mutant.h"
#include "dataplane/base/power.h"
#include "dataplane/base/slice.h"
#include "dataplane/call/call_state.h"
#include "dataplane/call/cells.h"
#include "dataplane/call/steer.h"
#include "dataplane/core_state.h"
#include "dataplane/place/place.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/world.h"
#include "runtime/context.h"

enum {
    /* For a cell, or chunks. Rejected: 503 at once; a cell starts in milliseconds, a zygote that
     * ended is back well under a second. */
    RUNTIME_WAIT_MS = 2000,
    /* Both without the CPU time of its script: a cell looks at its limits between two slices. */
    OVERDUE_MS = 5 * 1000, /* behind its wall limit, which the cell keeps by itself */
    LINGER_MS = 60 * 1000, /* behind the answer; the cell's own limit is half of it */
    RETRY_MS = 20,
};

#define MS 1000000ull

size_t calls_bytes(uint32_t count)
{
    return sizeof(struct calls) + count * (sizeof(struct call) + sizeof(struct budget_tree)) +
           power_of_two(count) * sizeof(struct age_list);
}

struct calls *calls_init(void *memory, uint32_t count,
                         void (*drop_subs)(struct core *, struct call *), uint64_t now_ns)
{
    struct calls *t = memory;
    struct budget_tree *trees = (struct budget_tree *)&t->call[count];
    t->drop_subs = drop_subs;
    t->count = count;
    t->live = t->uploads = 0;
    t->free = NULL;
    t->due = (struct age_list){0};
    timers_init(&t->later, now_ns);
    timers_init(&t->limits, now_ns);
    budget_trees_init(&t->trees, trees, count);
    t->for_cell = (struct age_list *)(trees + count);
    t->for_cell_mask = power_of_two(count) - 1;
    memset(t->for_cell, 0, power_of_two(count) * sizeof(*t->for_cell));
    for (uint32_t i = count; i-- > 0;) {
        t->call[i].index = i;
        t->call[i].generation = 1;
        t->call[i].next_free = t->free;
        t->free = &t->call[i];
    }
    return t;
}

uint32_t calls_live(const struct calls *t)
{
    return t->live;
}

struct call *call_at(struct core *core, uint32_t index)
{
    assert(index < core->calls->count && core->calls->call[index].state != CALL_FREE);
    return &core->calls->call[index];
}

/* ---- the table ---- */

struct call *call_find(struct core *core, struct call_ref ref)
{
    if (ref.generation == 0 || ref.index >= core->calls->count)
        return NULL;
    struct call *c = &core->calls->call[ref.index];
    bool is_live = c->state != CALL_FREE && c->state != CALL_LINGER && !c->is_over;
    return is_live && c->generation == ref.generation ? c : NULL;
}

static void uncount(struct core *core, struct call *c)
{
    if (c->is_counted && !MUTANT(IN_FLIGHT_LEAKED))
        heat_ended(core->heat, c->script_hash);
    c->is_counted = false;
}

void call_revoke_lazy(struct core *core, struct call *c)
{
    if (c->has_lazy)
        capability_revoke(&core->capabilities, c->lazy);
    c->has_lazy = false;
}

static void free_call(struct core *core, struct call *c)
{
    assert(!c->stream && c->state != CALL_FREE);
    call_end_answer(core, c);
    call_end_upload(core, c);
    core->calls->drop_subs(core, c);
    budget_end(&core->calls->trees, &c->budget);
    call_send_spans(core, c);
    uncount(core, c);
    call_uncount_at_once(c);
    call_revoke_lazy(core, c);
    call_stop_waiting(core, c);
    timer_cancel(&core->calls->limits, &c->limit);
    byte_queue_clear(&c->head, &core->chunks);
    byte_queue_clear(&c->kept, &core->chunks);
    byte_queue_clear(&c->context, &core->chunks);
    c->state = CALL_FREE;
    c->generation = c->generation + 1 ? c->generation + 1 : 1;
    c->next_free = core->calls->free;
    core->calls->free = c;
    core->calls->live--;
}

/* ---- how long it may take ---- */

static uint64_t overdue_ns(const struct call *c)
{
    uint32_t wall_ms =
        c->wall_told_ms && c->wall_told_ms < c->wall_ms ? c->wall_told_ms : c->wall_ms;
    return c->moved_ns + (wall_ms + (uint64_t)c->cpu_ms + OVERDUE_MS) * MS;
}

static void limit_local(struct core *core, struct call *c)
{
    c->moved_ns = core->now_ns;
    timer_set(&core->calls->limits, &c->limit, overdue_ns(c));
}

static void limit_linger(struct core *core, struct call *c)
{
    timer_set(&core->calls->limits, &c->limit,
              core->now_ns + (LINGER_MS + (uint64_t)c->cpu_ms) * MS);
}

/* ---- to a cell here ---- */

enum started { STARTED, WAITS, FAILED };

/* What is missing may be back soon, and waiting beats refusing. A peer can do better: it has
 * others; but for a cell it waits, since it would have to start one as well. */
static bool may_wait(struct core *core, struct call *c, bool is_cell)
{
    if (c->wait_until_ns == 0)
        c->wait_until_ns = core->now_ns + RUNTIME_WAIT_MS * MS;
    if (core->now_ns >= c->wait_until_ns || (c->is_forwarded && !is_cell))
        return false;
    c->state = CALL_PLACE;
    call_wait(core, c, core->now_ns + RETRY_MS * MS);
    return true;
}

static enum started start_local(struct core *core, struct call *c, uint32_t *error)
{
    struct calls *t = core->calls;
    struct job_link *link = cells_pick(core, c->script_handle);
    size_t bytes = c->head.bytes;
    if (!call_reserve(core, c, ANSWER_CHUNKS)) {
        core->counters.call_no_chunks += c->wait_until_ns == 0;
        *error = CALL_ERROR_BUSY;
        return may_wait(core, c, false) ? WAITS : FAILED;
    }
    byte_queue_copy(&c->head, 0, t->head, bytes);
    uint8_t flags = (c->has_body ? 0 : JOB_F_END) | (c->no_cell_ns ? JOB_F_WAITED : 0);
    enum job_start_result result =
        link ? job_link_start(link, c->index, c->script_handle, c->request_id, t->head, bytes,
                              flags, core->now_ns, &c->job)
             : JOB_NO_RUNTIME;
    switch (result) {
    case JOB_STARTED:
        break;
    case JOB_NO_RUNTIME:
        cells_need(core, c->script_handle);
        if (c->no_cell_ns == 0)
            c->no_cell_ns = core->now_ns;
        if (may_wait(core, c, core->world->can_start_cells)) {
            call_wait_for_cell(core, c);
            return WAITS;
        }
        core->counters.job_no_cell++;
        *error = CALL_ERROR_NO_RUNTIME;
        return FAILED;
    case JOB_TABLE_FULL: /* of a small region: a larger one is on its way */
        cells_outgrown(core, link);
        *error = CALL_ERROR_BUSY;
        if (link->jobs_max < core->config.jobs_max && may_wait(core, c, false)) {
            call_wait_for_cell(core, c);
            return WAITS;
        }
        core->counters.job_table_full++;
        return FAILED;
    case JOB_NO_ROOM: /* a process that is busy for a moment reads no ring */
        cells_outgrown(core, link);
        core->counters.job_no_chunks += c->wait_until_ns == 0;
        *error = CALL_ERROR_BUSY;
        if (!may_wait(core, c, false))
            return FAILED;
        call_wait_for_cell(core, c);
        return WAITS;
    }
    c->state = CALL_LOCAL;
    c->link = link->index;
    limit_local(core, c);
    cells_started(core, link);
    budget_runs(&c->budget);
    c->credit_due = 0;
    c->wait_until_ns = 0;
    core->counters.place_here++;
    heat_started(core->heat, c->script_hash, core->now_ns);
    c->is_counted = true;
    if (c->no_cell_ns)
        call_trace(core, c, TRACE_CELL, 0, (core->now_ns - c->no_cell_ns) / 1000);
    c->no_cell_ns = 0;
    call_trace(core, c, TRACE_START, (uint16_t)c->link, link->live_jobs);
    call_review_kept(core, c);
    if (call_is_replaying(c) || c->body_complete)
        call_feed(core, c);
    call_tell_fin(core, c);
    return STARTED;
}

/* ---- where ---- */

static void ask_ring(struct core *core, const struct call *c, struct place_query *q)
{
    const struct world_cluster *cluster = &core->world->cluster;
    uint16_t node[PLACE_SUCCESSORS_MAX];
    if (cluster->member_count <= 1 || !core->peers)
        return;
    uint16_t own_load = steer_load(core, NULL);
    q->count = ring_successors(cluster->ring, c->script_hash, node, PLACE_SUCCESSORS_MAX);
    for (uint32_t i = 0; i < q->count; i++) {
        bool is_self = node[i] == cluster->self;
        q->successor[i] = (struct place_node){
            .node = node[i],
            .state = is_self ? cluster->own_state : (uint8_t)peers_state(core->peers, node[i]),
            .load = is_self ? own_load : peers_load(core->peers, node[i])};
    }
    q->mean_load = peers_mean_load(core->peers, own_load);
}

/* PLACE: decides, and starts it there. */
static enum started place_call(struct core *core, struct call *c, bool is_first, uint32_t *error)
{
    struct place_query q = {.is_forwarded = c->is_forwarded,
                            .is_bounced = (c->is_bounced || c->was_rerun) && !MUTANT(BOUNCED_AGAIN),
                            .bound_percent = core->world->tune.bound_percent,
                            .pick = c->request_id,
                            .width = 1};
    struct heat_script *heat;
    if (!is_first)
        heat = heat_find(core->heat, c->script_hash);
    else if (c->is_forwarded)
        heat = heat_ask_home(core->heat, &core->heat_tune, c->script_hash, core->now_ns);
    else
        heat = heat_ask(core->heat, &core->heat_tune, c->script_hash, core->now_ns);
    if (heat) {
        core->counters.place_widened += is_first && heat->has_widened;
        q.is_hot = heat->is_hot;
        q.width = heat_width(heat, core->now_ns);
        if (heat->widening_ns) { /* often, but peers_warm does it once */
            heat->load_ns = cells_load_ns(core, c->script_handle);
            steer_warm_next_homes(core, c->script_hash, c->script_version, heat->width);
        }
    }
    struct job_link *link = cells_pick(core, c->script_handle);
    q.is_warm = cells_warmth(core, c->script_handle) == WARMTH_WARM;
    q.is_overloaded = steer_shed(core, link, c->script_hash, false) != 0;
    /* What came from a peer, or back, goes nowhere else. */
    bool may_go = (is_first || c->wants_home || MUTANT(BOUNCED_AGAIN)) && !c->is_forwarded &&
                  budget_may_travel(&c->budget, (enum budget_reach)c->reach);
    c->wants_home = false;
    q.self = core->world->cluster.self;
    if (may_go)
        ask_ring(core, c, &q);
    for (;;) {
        struct place_verdict v = place(&q);
        if (may_go)
            c->home = v.home;
        /* Nobody else would: then it takes more to refuse it. A peer has its own way out. */
        if (v.where == PLACE_REFUSE && !c->is_forwarded &&
            steer_shed(core, link, c->script_hash, true) == 0)
            v.where = PLACE_HERE;
        call_trace(core, c, TRACE_PLACED, (uint16_t)(v.why | v.where << 8), v.home);
        core->counters.place_warming += v.why == PLACE_WARMING;
        if (v.why == PLACE_WARMING && steer_warm(core, c->script_hash, c->script_handle))
            call_trace(core, c, TRACE_WARM_LOCAL, q.self, c->script_hash);
        if (v.where == PLACE_HERE) {
            if (v.why == PLACE_HOT)
                core->counters.place_hot++;
            return start_local(core, c, error);
        }
        if (v.where == PLACE_REFUSE) {
            core->counters.place_refused++;
            *error = CALL_ERROR_REFUSED;
            return FAILED;
        }
        switch (call_send(core, c, v.node)) {
        case CALL_GONE:
            return STARTED;
        case CALL_NO_MEMORY: /* that is ours to wait for: the node is as good as ever */
            core->counters.call_no_chunks += c->wait_until_ns == 0;
            c->wants_home = true;
            *error = CALL_ERROR_BUSY;
            return may_wait(core, c, false) ? WAITS : FAILED;
        case CALL_NO_WAY:
            break;
        }
        /* No way there now: as good as down. Each round has one node less. */
        for (uint32_t i = 0; i < q.count; i++) {
            if (q.successor[i].node == v.node)
                q.successor[i].state = NODE_DOWN;
        }
    }
}

bool call_is_held(struct core *core, uint64_t handle, uint32_t *error)
{
    if (!world_holds(core->world, handle))
        return false;
    if (world_is_full(core->world, handle)) {
        core->counters.account_memory++;
        *error = JOB_ERROR_ACCOUNT_MEMORY;
    } else {
        core->counters.job_held++;
        *error = JOB_ERROR_HELD;
    }
    return true;
}

bool call_start(struct core *core, const struct call_request *r, struct call_ref *ref,
                uint32_t *error)
{
    struct calls *t = core->calls;
    struct call *c = t->free;
    *ref = (struct call_ref){0};
    if (call_is_held(core, r->script->handle, error))
        return false;
    if (!c) {
        core->counters.job_table_full++;
        *error = CALL_ERROR_BUSY;
        return false;
    }
    t->free = c->next_free;
    t->live++;
    uint32_t index = c->index, generation = c->generation;
    memset(c, 0, offsetof(struct call, lazy));
    c->index = index;
    c->generation = generation;
    c->state = CALL_PLACE;
    c->events = r->events;
    c->owner = r->owner;
    c->has_body = r->has_body;
    c->is_idempotent = r->is_idempotent || MUTANT(POST_RERUN);
    c->is_forwarded = r->is_forwarded;
    c->is_traced = r->is_traced;
    c->is_upload = r->is_upload;
    t->uploads += r->is_upload;
    c->keeps = true;
    c->body_complete = !r->has_body;
    c->first_sub = SUB_NONE;
    c->home = core->world->cluster.self;
    c->script_hash = r->script->id_hash;
    c->request_id = r->request_id;
    c->span = r->span;
    c->started_ns = r->started_ns;
    if (r->sink) {
        c->has_sink = true;
        memcpy(c->sink, r->sink, sizeof(c->sink));
        trace_span_init(&c->spans, c->request_id, c->span, c->started_ns);
    }
    c->answer = r->answer;
    c->head = *r->head;
    *r->head = (struct byte_queue){0};
    *error = CALL_ERROR_BUSY;
    call_take_budget(core, c, r);
    bool is_one_more = call_count_at_once(c, r);
    if (!is_one_more) {
        core->counters.account_full++;
        *error = CALL_ERROR_ACCOUNT;
    }
    if (!is_one_more || !call_take_script(core, c, r->script) ||
        place_call(core, c, true, error) == FAILED) {
        *r->head = c->head;
        c->head = (struct byte_queue){0};
        free_call(core, c);
        return false;
    }
    *ref = (struct call_ref){index, generation};
    return true;
}

/* ---- the end ---- */

static void fail(struct core *core, struct call *c, uint32_t error, bool lingers)
{
    c->is_over = true;
    c->lives_on = lingers;
    call_trace_end(core, c, error);
    c->events->error(core, c->owner, error);
    call_finish(core, c, lingers);
}

void call_fail(struct core *core, struct call *c, uint32_t error)
{
    fail(core, c, error, false);
}

/* Back from a home, or from a cell that died: here, or not at all. Not at once: this may be the
 * event of a link or a channel whose neighbours do not know the new world yet. */
void call_run_here(struct core *core, struct call *c)
{
    c->state = CALL_PLACE;
    timer_cancel(&core->calls->limits, &c->limit);
    if (!MUTANT(REPLAY_SKIPS))
        c->fed = 0;
    c->end_told = c->fin_told = false;
    call_wait(core, c, core->now_ns);
}

/* PLACE, again. A deploy may have come in between, and no cell runs any more what it was to
 * run. */
static void place_again(struct core *core, struct call *c)
{
    const struct world_script *script = world_script(core->world, c->script_hash);
    uint32_t error = CALL_ERROR_BUSY;
    enum started result = FAILED;
    if (!MUTANT(HOLD_IGNORED) &&
        call_is_held(core, script ? script->handle : c->script_handle, &error)) {
        call_fail(core, c, error);
        return;
    }
    if (!script || script->handle == c->script_handle || call_take_script(core, c, script))
        result = c->wait_until_ns && !c->wants_home ? start_local(core, c, &error)
                                                    : place_call(core, c, false, &error);
    if (result == FAILED)
        call_fail(core, c, error);
    else if (result == STARTED)
        call_on_room(core, c); /* the origin was told that there is none */
}

/* All of it is still here, and its client has heard nothing. */
static bool is_whole(const struct call *c)
{
    return (!c->has_head || MUTANT(RERUN_ANSWERED)) && !c->was_rerun && c->head.bytes > 0 &&
           c->keeps && c->body_total == c->kept.bytes;
}

static void run_again(struct core *core, struct call *c)
{
    core->calls->drop_subs(core, c);
    budget_again(&core->calls->trees, &c->budget, core->now_ns);
    c->was_rerun = true;
    c->wait_until_ns = 0;
    call_trace(core, c, TRACE_RERUN, 1, 0);
    call_run_here(core, c);
}

/* Nothing of it has begun there, so any request may run elsewhere. */
static void refused(struct core *core, struct call *c)
{
    core->counters.job_refused++;
    uncount(core, c);
    c->job = (struct job_ref){0};
    if (is_whole(c))
        run_again(core, c);
    else
        call_fail(core, c, JOB_ERROR_OVERLOAD);
}

/* Where it ran is gone. Only what may safely run twice does (RFC 9110 9.2.2): that allows to repeat
 * what a failure of communication ended, not what ended the process. */
void call_lost(struct core *core, struct call *c, enum job_error suspected_of)
{
    uncount(core, c);
    call_drop_head(core, c);
    c->job = (struct job_ref){0};
    if (c->state == CALL_LINGER) {
        free_call(core, c);
        return;
    }
    if (suspected_of || !c->is_idempotent || c->has_suspect || !is_whole(c)) {
        call_fail(core, c, suspected_of ? (uint32_t)suspected_of : CALL_ERROR_LOST);
        return;
    }
    core->counters.job_rerun++;
    run_again(core, c);
}

/* A cell whose ring is full hears of it as soon as there is room. */
static void tell_cancelled(struct core *core, struct call *c)
{
    if (!job_link_cancel(call_link(core, c), c->job))
        call_wait(core, c, core->now_ns + CALL_SHORT_NS);
}

void call_cancel(struct core *core, struct call_ref ref)
{
    struct call *c = call_find(core, ref);
    if (!c)
        return;
    call_trace(core, c, TRACE_CANCEL, 0, 0);
    bool is_local = c->state == CALL_LOCAL;
    if (is_local) /* what the script has given to waitUntil goes on */
        tell_cancelled(core, c);
    if (c->stream)
        core->counters.call_cancelled++;
    call_drop_stream(core, c, STREAM_CANCELLED);
    call_finish(core, c, is_local);
}

/* Its last event has been told. */
void call_finish(struct core *core, struct call *c, bool lingers)
{
    if (!lingers) {
        free_call(core, c);
        return;
    }
    c->state = CALL_LINGER;
    c->is_over = false;
    c->events = NULL;
    call_end_answer(core, c);
    call_end_upload(core, c);
    call_stop_waiting(core, c);
    byte_queue_clear(&c->head, &core->chunks);
    byte_queue_clear(&c->kept, &core->chunks);
    call_send_spans(core, c);
    c->has_sink = false;
    budget_lingers(&c->budget, LINGER_MS / 2 * MS, core->now_ns);
    limit_linger(core, c);
    tell_cancelled(core, c); /* if it is, and was not told; else its job lingers */
}

/* ---- answers from a cell here ---- */

static void on_head(void *arg, uint32_t owner, const struct answer_head *head)
{
    struct core *core = arg;
    struct call *c = call_at(core, owner);
    struct head_reader r;
    bool is_end = head->body.is_end;
    c->lives_on = is_end && job_link_lingers(call_link(core, c), c->job);
    c->has_head = true;
    c->is_over = is_end;
    if (c->is_bounced)
        core->counters.call_bounced_served++;
    call_trace(core, c, TRACE_HEAD, head_read_response(&r, head->bytes, head->len), head->cold_us);
    if (is_end)
        call_trace_end(core, c, JOB_ERROR_NONE);
    call_review_kept(core, c);
    c->events->head(core, c->owner, head);
    if (is_end)
        call_finish(core, c, c->lives_on);
}

static void on_data(void *arg, uint32_t owner, const struct answer_body *body)
{
    struct core *core = arg;
    struct call *c = call_at(core, owner);
    bool is_end = body->is_end;
    c->lives_on = is_end && job_link_lingers(call_link(core, c), c->job);
    c->is_over = is_end;
    if (is_end)
        call_trace_end(core, c, JOB_ERROR_NONE);
    c->events->data(core, c->owner, body);
    if (is_end)
        call_finish(core, c, c->lives_on);
}

static void on_error(void *arg, uint32_t owner, enum job_error error)
{
    struct core *core = arg;
    struct call *c = call_at(core, owner);
    if (c->state == CALL_LINGER) {
        free_call(core, c);
        return;
    }
    if (error == JOB_ERROR_SPENT)
        refused(core, c);
    else
        fail(core, c, error, job_link_lingers(call_link(core, c), c->job));
}

static void on_credit(void *arg, uint32_t owner)
{
    struct core *core = arg;
    struct call *c = call_at(core, owner);
    if (c->state == CALL_LOCAL)
        call_on_room(core, c);
}

static void on_lost(void *arg, uint32_t owner, enum job_error suspected_of)
{
    struct core *core = arg;
    call_lost(core, call_at(core, owner), suspected_of);
}

static void on_done(void *arg, uint32_t owner)
{
    struct core *core = arg;
    struct call *c = call_at(core, owner);
    assert(c->state == CALL_LINGER);
    free_call(core, c);
}

const struct job_link_events call_job_events = {.head = on_head,
                                                .data = on_data,
                                                .error = on_error,
                                                .credit = on_credit,
                                                .ran = call_ran,
                                                .lost = on_lost,
                                                .done = on_done,
                                                .span = call_span,
                                                .spent = cells_spent,
                                                .warmed = cells_warmed,
                                                .touched = cells_touched};

/* ---- the core's part ---- */

static void let_go(struct core *core, struct call *c)
{
    assert(c->state == CALL_LINGER);
    job_link_abandon(call_link(core, c), c->job);
    free_call(core, c);
}

void calls_end(struct core *core)
{
    struct calls *t = core->calls;
    bool is_again = true;
    while (is_again) { /* what its script has called is cancelled, and lingers then */
        is_again = false;
        for (uint32_t i = 0; i < t->count; i++) {
            if (t->call[i].state != CALL_LINGER)
                continue;
            let_go(core, &t->call[i]);
            is_again = true;
        }
    }
}

/* Its cell should have ended it by itself: a job that computes is stopped there, and one that waits
 * is found when the cell looks around. So it is cut, as if its client had left; the cell that does
 * not even hear of that does not keep to the contract. */
static void run_limit(struct core *core, struct call *c)
{
    struct job_link *link = call_link(core, c);
    if (c->state == CALL_LINGER) {
        core->counters.job_linger_limit++;
        let_go(core, c);
        job_link_condemn(link);
        return;
    }
    assert(c->state == CALL_LOCAL);
    if (core->now_ns < overdue_ns(c)) {
        timer_set(&core->calls->limits, &c->limit, overdue_ns(c));
        return;
    }
    core->counters.job_overdue++;
    tell_cancelled(core, c);
    fail(core, c, JOB_ERROR_WALL_LIMIT, true);
}

static void run_waiting(struct core *core, struct call *c)
{
    if (c->state == CALL_PLACE) {
        place_again(core, c);
        return;
    }
    if (c->state == CALL_LINGER) {
        tell_cancelled(core, c);
        return;
    }
    if (c->reads) {
        c->reads = false;
        struct call_ref ref = {c->index, c->generation};
        call_read(core, c);
        if (!call_find(core, ref))
            return;
    }
    call_grant_due(core, c);
    call_tell_fin(core, c);
    call_on_room(core, c);
}

uint32_t calls_run(struct core *core)
{
    struct calls *t = core->calls;
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
    struct timer *timer;
    uint32_t count = 0;

    while (slice_take(&slice) && (timer = timers_expired(&t->limits, core->now_ns))) {
        run_limit(core, (struct call *)((char *)timer - offsetof(struct call, limit)));
        count++;
    }
    while (slice_take(&slice) && (timer = timers_expired(&t->later, core->now_ns)))
        call_make_due(core, (struct call *)((char *)timer - offsetof(struct call, later)));
    /* A turn for each; what waits again does so behind those whose turn is to come. */
    for (uint32_t left = t->due.count; left > 0 && t->due.count > 0 && slice_take(&slice); left--) {
        struct call *c = (struct call *)((char *)t->due.oldest - offsetof(struct call, due));
        call_stop_waiting(core, c);
        run_waiting(core, c);
        count++;
    }
    return count;
}

uint64_t calls_next_ns(const struct calls *t)
{
    return t->due.count > 0 ? 0 : min_u64(timers_next_ns(&t->later), timers_next_ns(&t->limits));
}
