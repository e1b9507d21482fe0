#include "runtime/worker/meter.h"

#include <time.h>

enum { LONG_SLICE_NS = 1000000 };

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void meter_mark(struct meter *m)
{
    m->cpu_seen_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void meter_start(struct meter *m, double payer, uint64_t now_ns)
{
    m->payer = payer;
    m->started_ns = now_ns;
    m->said_ns = m->cpu_ns = m->spared_ns = 0;
}

void meter_spare(struct meter *m, uint64_t cpu_ns)
{
    m->spared_ns += cpu_ns;
}

static uint64_t used_ns(struct meter *m, uint64_t now_ns)
{
    uint64_t wall_ns = now_ns - m->started_ns;
    if (wall_ns < LONG_SLICE_NS)
        return wall_ns;
    m->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t since_ns = m->cpu_ns - m->cpu_seen_ns;
    return since_ns < wall_ns ? since_ns : wall_ns;
}

static uint64_t spent_ns(struct meter *m, uint64_t now_ns)
{
    uint64_t ns = used_ns(m, now_ns);
    return ns > m->spared_ns ? ns - m->spared_ns : 0;
}

uint64_t meter_say(struct meter *m)
{
    m->said_ns = spent_ns(m, clock_ns(CLOCK_MONOTONIC));
    return m->said_ns;
}

uint64_t meter_take(struct meter *m, uint64_t now_ns, uint64_t *unsaid_ns)
{
    uint64_t cpu_ns = spent_ns(m, now_ns);
    *unsaid_ns = cpu_ns > m->said_ns ? cpu_ns - m->said_ns : 0;
    if (m->cpu_ns)
        m->cpu_seen_ns = m->cpu_ns;
    meter_start(m, m->payer, now_ns);
    return cpu_ns;
}

void meter_stop(struct meter *m)
{
    m->payer = 0;
}
