#include "runtime/worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/worker/lane.h"
#include "runtime/worker/start_socket.h"
#include "runtime/worker/sub.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t worker_read_clock(struct worker *w)
{
    w->now_ns = clock_ns(CLOCK_MONOTONIC);
    /* Whole milliseconds, as Date has them. It moves only here: between events. */
    w->clock_ms = (double)((w->now_ns + w->clock_offset_ns) / 1000000);
    return w->now_ns;
}

uint64_t worker_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void worker_executes(struct worker *w, const struct script *script, const struct request *r)
{
    struct job_executing *e = &((struct job_region_header *)w->region)->executing;
    uint64_t job = r ? job_name(r->lane->index, r->slot, r->generation) : 0;
    atomic_store_explicit(&e->job, job, memory_order_relaxed);
    atomic_store_explicit(&e->script, script ? script->handle : 0, memory_order_release);
}

void worker_publish(struct worker *w)
{
    for (uint32_t i = 0; i < w->lane_count; i++)
        lane_publish(w->lanes[i]);
}

/* ---- messages from hearthd ---- */

static void refuse(struct lane *l, const struct job_slot *start, enum job_error error)
{
    struct job_slot slot = {
        .type = JOB_ERROR, .job = start->job, .generation = start->generation, .arg = error};
    lane_send(l, &slot);
}

static struct script *script_of(struct worker *w, uint64_t handle)
{
    struct script *s = script_find(&w->scripts, (uint32_t)handle);
    if (!s) { /* its packet was sent before; it may not have been read yet */
        start_socket_read(w);
        s = script_find(&w->scripts, (uint32_t)handle);
    }
    return s;
}

static void tell_phases(struct lane *l, const struct job_slot *start, const struct cold_start *cold)
{
    struct job_slot span = {.type = JOB_SPAN, .job = start->job, .generation = start->generation};
    static_assert((int)JOB_PHASES <= (int)JOB_SLOT_CHUNKS, "a slot holds them");
    memcpy(span.chunk, cold->phase_us, sizeof(cold->phase_us));
    lane_send(l, &span);
}

static void take_start(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    struct script *s = script_of(w, slot->arg);
    struct request *r = s ? request_start(w, l, slot, &s->limits) : NULL;
    lane_give_back(l, slot);
    if (!r) {
        refuse(l, slot, s ? JOB_ERROR_OVERLOAD : JOB_ERROR_NO_SCRIPT);
        return;
    }
    enum job_error why = JOB_ERROR_NONE;
    struct cold_start cold;
    struct isolate *i = isolate_of(w, s, &cold, &why);
    r->cold_us = i && !cold.us && isolate_was_awaited(i, l) ? JOB_START_WARMING : cold.us;
    if (cold.us)
        tell_phases(l, slot, &cold);
    if (!i) {
        request_fail(w, r, why, NULL);
        return;
    }
    request_attach(r, i);

    struct slice slice;
    slice_enter(&slice, w, i, r);
    struct v8c_value *argv[] = {v8c_number(i->v8, request_ref(r)),
                                v8c_bool(i->v8, !r->in.is_ended)};
    slice_call(&slice, WEB_DISPATCH, 2, argv);
    slice_exit(&slice);
}

/* Moves on what passes without JavaScript into the response. */
static void relay(struct worker *w, struct request *r)
{
    struct isolate *i = r->isolate;
    if (r->relayed)
        sub_feed_answer(w, r->relayed);
    else
        request_relay(w, r);
    slice_clean_up(w, i);
}

static void take_body(struct worker *w, struct lane *l, struct request *r,
                      const struct job_slot *slot)
{
    bool is_awaited = request_input(r, slot);
    lane_give_back(l, slot);
    if (r->relays)
        relay(w, r);
    else if (r->feeds)
        sub_feed(w, r->feeds);
    if (!is_awaited)
        return;
    struct isolate *i = r->isolate;
    struct slice slice;
    slice_enter(&slice, w, i, r);
    request_set_in_waits(r, false);
    struct v8c_value *argv[] = {v8c_number(i->v8, request_ref(r)), v8c_undefined(i->v8)};
    if (r->in.len) {
        argv[1] = v8c_uint8_array_copy(i->v8, r->in.bytes, r->in.len);
        if (!argv[1]) { /* over its buffers' limit */
            isolate_condemn(i, JOB_ERROR_MEMORY_LIMIT);
            slice_exit(&slice);
            return;
        }
        request_took_in(r, r->in.len);
    }
    slice_call(&slice, WEB_ON_BODY, 2, argv);
    slice_exit(&slice);
}

static void tell_room(struct worker *w, struct request *r)
{
    struct isolate *i = r->isolate;
    struct slice slice;
    slice_enter(&slice, w, i, r);
    request_set_out_waits(r, false);
    struct v8c_value *ref = v8c_number(i->v8, request_ref(r));
    slice_call(&slice, WEB_ON_CREDIT, 1, &ref);
    slice_exit(&slice);
}

/* The client has closed its half: the script goes on, and is told if it has asked. */
static void take_fin(struct worker *w, struct request *r)
{
    r->has_fin = true;
    if (!r->signal_waits)
        return;
    struct slice slice;
    slice_enter(&slice, w, r->isolate, r);
    request_set_signal_waits(r, false);
    struct v8c_value *argument = v8c_number(r->isolate->v8, request_ref(r));
    slice_call(&slice, WEB_FIN, 1, &argument);
    slice_exit(&slice);
}

/* The client is gone. What the script does for it ends, but for what it gave to waitUntil. */
static void take_cancel(struct worker *w, struct request *r)
{
    struct isolate *i = r->isolate;
    double ref = request_ref(r);
    bool has_ears = request_has_ears(r);
    request_leave(w, r);
    if (has_ears) {
        struct slice slice;
        slice_enter(&slice, w, i, r);
        struct v8c_value *argument = v8c_number(i->v8, ref);
        slice_call(&slice, WEB_LEFT, 1, &argument);
        slice_exit(&slice);
    }
    if (!request_find(w, ref))
        return; /* and perhaps its isolate is gone with it */
    request_review(w, r);
    slice_clean_up(w, i);
}

static void take_warm(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    struct script *s = script_of(w, slot->arg);
    enum job_error why;
    struct cold_start cold = {0};
    bool is_warm = s && isolate_warm(w, s, slot->flags & JOB_F_DEMANDED, &cold, &why);
    struct job_slot told = {
        .type = is_warm ? JOB_WARMED : JOB_EVICTED, .arg = slot->arg, .arg2 = cold.us};
    lane_send(l, &told);
}

static void take_evict(struct worker *w, const struct job_slot *slot)
{
    struct script *s = script_find(&w->scripts, (uint32_t)slot->arg);
    if (!s || !s->isolate)
        return;
    s->stats.evicted++;
    if (s->isolate->warm.pins)
        s->isolate->is_unwanted = true;
    else
        isolate_free(s->isolate);
}

static void take(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    switch (slot->type) {
    case JOB_START:
        take_start(w, l, slot);
        return;
    case JOB_WARM:
        take_warm(w, l, slot);
        return;
    case JOB_EVICT:
        take_evict(w, slot);
        return;
    case JOB_STOP:
        w->is_stopping = true;
        return;
    case JOB_REPLY:
    case JOB_REPLY_DATA:
    case JOB_REPLY_ERROR:
    case JOB_SUB_CREDIT:
        sub_take(w, l, slot);
        return;
    }
    assert(slot->job < JOB_JOBS_MAX);
    struct request *r = l->by_slot[slot->job];
    bool is_late = !r || r->generation != slot->generation;
    switch (slot->type) {
    case JOB_BODY:
        if (is_late)
            lane_give_back(l, slot);
        else {
            r->moved_ns = w->now_ns;
            take_body(w, l, r, slot);
        }
        break;
    case JOB_CREDIT:
        if (is_late)
            break;
        r->out_credit += slot->arg;
        r->moved_ns = w->now_ns;
        if (r->is_stalled)
            break;
        if (r->relays || r->relayed)
            relay(w, r);
        else if (r->out_waits)
            tell_room(w, r);
        break;
    case JOB_FIN:
        if (!is_late)
            take_fin(w, r);
        break;
    case JOB_CANCEL:
        if (!is_late)
            take_cancel(w, r);
        break;
    default:
        assert(!"hearthd sent a message that does not exist");
    }
}

static bool serve_lane(struct worker *w, struct lane *l)
{
    struct job_slot slot;
    unsigned n = 0;
    while (n < WORKER_BURST && job_consumer_pop(&l->down, &slot) == JOB_RING_OK) {
        /* Before its handler runs: hearthd takes the time until then for the delay of its queue. */
        job_consumer_release(&l->down);
        l->taken++;
        take(w, l, &slot);
        n++;
    }
    if (n)
        lane_publish(l);
    return n > 0;
}

/* ---- time ---- */

static bool run_timers(struct worker *w)
{
    uint32_t left =
        w->timers.count; /* those that a callback adds have to wait for the next round */
    struct timer *t;
    bool ran = false;
    while (left-- > 0 && (t = timer_due(&w->timers, w->now_ns))) {
        struct request *r = t->request;
        struct isolate *i = r->isolate;
        double id = (double)timer_id(&w->timers, t);
        struct slice slice;
        slice_enter(&slice, w, i, r);
        if (!t->repeats) {
            timer_remove(&w->timers, t);
            i->waits--;
        }
        struct v8c_value *argument = v8c_number(i->v8, id);
        slice_call(&slice, WEB_ON_TIMER, 1, &argument);
        slice_exit(&slice);
        ran = true;
    }
    return ran;
}

static void sweep_isolate(struct worker *w, struct isolate *i)
{
    for (struct request *r = i->requests, *next; r; r = next) {
        next = r->next;
        if (r->state == REQUEST_AWAITS_PROMISES) {
            if (w->now_ns - r->answered_ns >= REQUEST_PROMISES_NS_MAX)
                request_abandon(w, r);
        } else if (w->now_ns - r->moved_ns >= r->wall_limit_ns) {
            request_fail(w, r, JOB_ERROR_WALL_LIMIT,
                         "the request took longer than its wall clock limit");
        }
    }
}

/* Wall limits, V8's housekeeping, the memory budget. */
static void sweep(struct worker *w)
{
    w->swept_ns = w->now_ns;
    for (uint32_t n = w->pool.count; n-- > 0;) { /* backwards: it may end */
        struct isolate *i = isolate_at(w, n);
        if (i->warm.pins == 0)
            continue;
        sweep_isolate(w, i);
        i->slices_to_measure = 1;
        struct slice slice;
        slice_enter(&slice, w, i, NULL);
        slice_exit(&slice);
    }
    isolate_make_room(w, 0, 0);
}

/* The first of those that wait for room in a ring or arena. One at a time: telling JavaScript may
 * end any of them. True if it got on. */
static bool retry_stalled(struct worker *w)
{
    struct request **last = &w->stalled, *r = w->stalled;
    double ref = request_ref(r);
    w->stalled = r->next_stalled;
    r->is_stalled = false;
    struct isolate *i = r->isolate;
    bool is_told = request_retry(w, r);
    if (!request_find(w, ref)) { /* the head was all that it waited for */
        slice_clean_up(w, i);
        return true;
    }
    if ((r->relays || r->relayed) && !r->out_head) {
        request_set_out_waits(r, false); /* nobody but the relay */
        relay(w, r);
        return !request_find(w, ref) || !r->is_stalled;
    }
    if (is_told) {
        tell_room(w, r);
        return true;
    }
    if (!r->out_head && !r->out_waits)
        return true;
    while (*last)
        last = &(*last)->next_stalled;
    r->is_stalled = true;
    r->next_stalled = NULL;
    *last = r;
    return false;
}

/* ---- sleep ---- */

static bool anything_pending(struct worker *w)
{
    for (uint32_t i = 0; i < w->lane_count; i++)
        if (job_consumer_pending(&w->lanes[i]->down))
            return true;
    return false;
}

static uint64_t sleep_ns(const struct worker *w)
{
    uint64_t until = timer_next_ns(&w->timers);
    if (w->requests.count && w->swept_ns + WORKER_SWEEP_NS < until)
        until = w->swept_ns + WORKER_SWEEP_NS;
    if ((w->stalled || w->stalled_subs) && w->now_ns + WORKER_STALL_NS < until)
        until = w->now_ns + WORKER_STALL_NS;
    for (uint32_t i = 0; i < w->lane_count; i++)
        if (w->lanes[i]->overflow_count && w->now_ns + WORKER_STALL_NS < until)
            until = w->now_ns + WORKER_STALL_NS;
    if (w->report.has_news && w->report.stats_ns + WORKER_STATS_NS < until)
        until = w->report.stats_ns + WORKER_STATS_NS;
    if (until == UINT64_MAX)
        return UINT64_MAX;
    return until > w->now_ns ? until - w->now_ns : 0;
}

static void sleep_until_event(struct worker *w)
{
    struct job_region_header *header = w->region;
    struct pollfd fds[] = {{.fd = w->event_fd, .events = POLLIN},
                           {.fd = w->start_fd, .events = POLLIN}};
    uint64_t ns = sleep_ns(w);
    if (ns == 0)
        return;

    monitor_loop_sleeps(&w->monitor);
    atomic_store(&header->runtime_asleep.asleep, 1);
    if (!anything_pending(w)) {
        struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000ull),
                                   .tv_nsec = (long)(ns % 1000000000ull)};
        ppoll(fds, 2, ns == UINT64_MAX ? NULL : &timeout, NULL);
    }
    atomic_store(&header->runtime_asleep.asleep, 0);
    monitor_loop_wakes(&w->monitor);

    uint64_t count;
    if (fds[0].revents & POLLIN) {
        ssize_t n = read(w->event_fd, &count, sizeof(count));
        (void)n;
    }
    if (fds[1].revents)
        w->socket_ns = 0; /* read it now */
}

void worker_run(struct worker *w)
{
    w->clock_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    worker_read_clock(w);
    report_ready(w);
    while (!w->is_orphaned && !(w->is_stopping && w->requests.count == 0)) {
        worker_read_clock(w);
        w->cpu_seen_ns = worker_cpu_ns();
        bool worked = false;
        for (uint32_t i = 0; i < w->lane_count; i++)
            worked |= serve_lane(w, w->lanes[i]);
        worked |= run_timers(w);
        worked |= w->stalled && retry_stalled(w);
        worked |= w->stalled_subs && sub_retry_stalled(w);
        if (w->now_ns - w->socket_ns >= WORKER_SOCKET_NS) {
            start_socket_read(w);
            w->socket_ns = w->now_ns;
        }
        if (w->now_ns - w->swept_ns >= WORKER_SWEEP_NS)
            sweep(w);
        if (w->report.has_news && w->now_ns - w->report.stats_ns >= WORKER_STATS_NS)
            report_stats(w);
        worker_publish(w);
        if (!worked && !isolate_refill_spare(w))
            sleep_until_event(w);
    }
    worker_publish(w);
}
