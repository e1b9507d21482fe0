#include "runtime/worker/worker.h"

#include <time.h>

#include "runtime/start.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/stack_trace.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void worker_start_clock(struct worker *w)
{
    w->clock_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    worker_read_clock(w);
}

uint64_t worker_read_clock(struct worker *w)
{
    w->now_ns = clock_ns(CLOCK_MONOTONIC);
    /* Whole milliseconds, as Date has them. It moves only here: between events. */
    w->clock.ms = (double)((w->now_ns + w->clock_offset_ns) / 1000000);
    return w->now_ns;
}

void worker_log(struct worker *w, uint64_t request_id, const char *level, const char *text,
                size_t len)
{
    char mapped[START_LOG_TEXT_BYTES_MAX + 4];
    len = stack_trace_map(w->script, text, len, mapped, sizeof(mapped));
    report_log(&w->report, w->now_ns, request_id, level, mapped, len);
}

/* In each region, for it names jobs of its own: while a job of one has its turn, none of another's
 * is to blame. */
static void tell_executing(struct worker *w, uint64_t script, const struct lane *l, uint64_t job)
{
    for (uint32_t i = 0; i < w->region_count; i++) {
        struct job_executing *e = &w->region[i]->executing;
        bool is_concerned = !l || l->region == w->region[i];
        atomic_store_explicit(&e->job, is_concerned ? job : 0, memory_order_relaxed);
        atomic_store_explicit(&e->script, is_concerned ? script : 0, memory_order_release);
    }
}

void worker_executes(struct worker *w, const struct lane *l, uint64_t job)
{
    tell_executing(w, w->handle, l, job);
}

void worker_rests(struct worker *w)
{
    tell_executing(w, 0, NULL, 0);
}

void worker_publish(struct worker *w)
{
    for (uint32_t i = 0; i < w->lane_count; i++)
        lane_publish(w->lane[i]);
}
