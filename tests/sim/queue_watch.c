#include "tests/sim/queue_watch.h"

enum {
    FORGET_MS = 1000,      /* an empty ring for so long: no wait is remembered */
    CLOCKS_PART = 1000,    /* of a wait that clocks may differ in */
    SLACK_NS = 100 * 1000, /* and what rounding does */
};

static void end_wait(struct queue_watch *w)
{
    if (w->seen_ns - w->since_ns > w->worst_ns)
        w->worst_ns = w->seen_ns - w->since_ns;
    w->since_ns = 0;
    w->busy_ns = sim_now_ns; /* the core learns of it only now */
}

void queue_watch_check(struct queue_watch *w, const struct model_lane *lane,
                       const struct job_link *link)
{
    if (!lane || !link->region) {
        *w = (struct queue_watch){0};
        return;
    }
    uint32_t tail = atomic_load(&lane->down.ring->tail);
    if (w->since_ns && (int32_t)(lane->down.head - w->tail) >= 0)
        end_wait(w); /* what was there is read; what is there now is new */
    if (w->since_ns == 0 && tail != lane->down.head)
        w->since_ns = sim_now_ns;
    if (w->since_ns)
        w->busy_ns = sim_now_ns;
    else if (sim_now_ns - w->busy_ns > FORGET_MS * 1000000ull)
        w->worst_ns = 0;
    w->tail = tail;
    w->seen_ns = sim_now_ns;
    uint64_t wait_ns = w->since_ns ? sim_now_ns - w->since_ns : 0;
    if (wait_ns < w->worst_ns)
        wait_ns = w->worst_ns;
    /* What a cell without jobs had is looked at when it gets one. */
    CHECK(link->live_jobs == 0 || link->shed.delay_ns <= wait_ns + wait_ns / CLOCKS_PART + SLACK_NS,
          "a queueing delay of %lu us is reported, and nothing waited for more than %lu us",
          (unsigned long)link->shed.delay_ns / 1000, (unsigned long)wait_ns / 1000);
}
