#include "runtime/worker/cell.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/worker/allocator.h"
#include "runtime/worker/down.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/natives_crypto.h"
#include "runtime/worker/request.h"
#include "runtime/worker/sandbox.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/start_socket.h"
#include "runtime/worker/worker.h"

enum {
    BURST = 64,           /* slots of one lane before the next lane's turn */
    SWEEP_NS = 250000000, /* wall limits are looked at this often */
    SOCKET_NS = 2000000,  /* the start socket is read at least this often under load */
    TIDY_NS = 20000000,   /* without anything to do, until memory is given back */
    STALL_NS = 500000,    /* how soon a full ring or arena is tried again: nobody wakes us for it */
};

struct cell {
    struct worker *worker;
    uint64_t swept_ns, socket_ns;
    bool is_tidy; /* nothing was done since memory was given back */
};

static bool serve_lane(struct worker *w, struct lane *l)
{
    struct job_slot slot;
    unsigned n = 0;
    while (n < BURST && job_consumer_pop(&l->down, &slot) == JOB_RING_OK) {
        /* Before its handler runs: hearthd takes the time until then for the delay of its queue. */
        job_consumer_release(&l->down);
        l->taken++;
        down_take(w, l, &slot);
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
        double id = (double)timer_id(t);
        struct slice slice;
        slice_enter(&slice, w, r);
        if (!t->repeats) {
            timer_remove(&w->timers, t);
            r->isolate->waits--;
        }
        struct v8c_value *argument = v8c_number(slice.v8, id);
        slice_call(&slice, WEB_ON_TIMER, 1, &argument);
        slice_exit(&slice);
        ran = true;
    }
    return ran;
}

static void end_the_late(struct worker *w)
{
    for (struct request *r = w->isolate->requests, *next; r; r = next) {
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

/* Wall limits, and V8's housekeeping. */
static void sweep(struct cell *c)
{
    struct worker *w = c->worker;
    c->swept_ns = w->now_ns;
    if (w->request_count == 0)
        return;
    end_the_late(w);
    w->isolate->slices_to_pump = 1;
    struct slice slice;
    slice_enter(&slice, w, NULL);
    slice_exit(&slice);
}

/* ---- sleep ---- */

static bool anything_pending(struct worker *w)
{
    for (uint32_t i = 0; i < w->lane_count; i++)
        if (job_consumer_pending(&w->lane[i]->down))
            return true;
    return false;
}

static bool anything_stalled(const struct worker *w)
{
    for (uint32_t i = 0; i < w->lane_count; i++)
        if (w->lane[i]->overflow_count)
            return true;
    return w->stalled || w->stalled_subs;
}

/* UINT64_MAX: until somebody knocks, as always when no request lives. */
static uint64_t sleep_ns(const struct cell *c)
{
    const struct worker *w = c->worker;
    uint64_t until = timer_next_ns(&w->timers);
    if (w->request_count && c->swept_ns + SWEEP_NS < until)
        until = c->swept_ns + SWEEP_NS;
    if (anything_stalled(w) && w->now_ns + STALL_NS < until)
        until = w->now_ns + STALL_NS;
    if (until == UINT64_MAX)
        return UINT64_MAX;
    return until > w->now_ns ? until - w->now_ns : 0;
}

static void set_asleep(struct worker *w, uint32_t asleep)
{
    for (uint32_t i = 0; i < w->region_count; i++)
        atomic_store(&w->region[i]->runtime_asleep.asleep, asleep);
}

/* Until somebody knocks. The first TIDY_NS with nothing to do end in giving memory back. */
static void sleep_until_event(struct cell *c)
{
    struct worker *w = c->worker;
    struct pollfd fds[] = {{.fd = w->event_fd, .events = POLLIN},
                           {.fd = w->start_fd, .events = POLLIN}};
    uint64_t ns = sleep_ns(c);
    bool is_idle = ns == UINT64_MAX;
    if (ns == 0)
        return;
    if (is_idle && !c->is_tidy)
        ns = TIDY_NS;

    set_asleep(w, 1);
    if (!anything_pending(w)) {
        struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000ull),
                                   .tv_nsec = (long)(ns % 1000000000ull)};
        if (ppoll(fds, 2, ns == UINT64_MAX ? NULL : &timeout, NULL) == 0 && is_idle) {
            allocator_tidy();
            c->is_tidy = true;
        }
    }
    set_asleep(w, 0);

    uint64_t count;
    if (fds[0].revents & POLLIN) {
        ssize_t n = read(w->event_fd, &count, sizeof(count));
        (void)n;
    }
    if (fds[1].revents)
        c->socket_ns = 0; /* read it now */
}

/* ---- life ---- */

void cell_prepare(struct worker *w, const struct v8c_native_entry *natives)
{
    requests_init(w);
    timer_heap_init(&w->timers);
    natives_crypto_start(w);
    isolate_prepare(w, natives);
}

int cell_begin(struct worker *w, const char **what)
{
    int error = start_socket_region(w);
    *what = "region";
    if (error)
        return error;
    dup2(w->event_fd, SANDBOX_BELL_FD);
    close(w->event_fd);
    w->event_fd = SANDBOX_BELL_FD;
    *what = "getrandom";
    if (getrandom(&w->json_secret, sizeof(w->json_secret), 0) != sizeof(w->json_secret))
        return -EIO;
    *what = "monitor";
    return monitor_start(&w->monitor);
}

static bool work(struct cell *c)
{
    struct worker *w = c->worker;
    bool worked = false;
    /* Before the lanes: a script that has just been started answers who waits for it before a core
     * is rung to hear that it has. */
    if (w->now_ns - c->socket_ns >= SOCKET_NS) {
        start_socket_read(w);
        c->socket_ns = w->now_ns;
    }
    for (uint32_t i = 0; i < w->lane_count; i++)
        worked |= serve_lane(w, w->lane[i]);
    worked |= run_timers(w);
    worked |= w->stalled && down_retry(w);
    worked |= w->stalled_subs && down_retry_sub(w);
    if (w->now_ns - c->swept_ns >= SWEEP_NS)
        sweep(c);
    return worked;
}

void cell_serve(struct worker *w)
{
    struct cell c = {.worker = w};
    worker_start_clock(w);
    report_init(&w->report, w->start_fd, w->now_ns);
    report_ready(&w->report);
    while (!w->is_orphaned) {
        worker_read_clock(w);
        meter_mark(&w->meter);
        bool worked = work(&c);
        worker_publish(w);
        if (worked)
            c.is_tidy = false;
        else
            sleep_until_event(&c);
    }
}
