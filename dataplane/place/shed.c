#include "dataplane/place/shed.h"

static const uint64_t us_ns = 1000;

enum { LOAD_FULL = 1000 };

void shed_init(struct shed *s)
{
    *s = (struct shed){0};
}

void shed_observe(struct shed *s, const struct shed_tune *t, uint64_t delay_ns, uint64_t now_ns)
{
    uint64_t interval_ns = t->interval_us * us_ns;
    bool is_gap = now_ns - s->heard_ns > interval_ns;

    s->delay_ns = delay_ns;
    s->heard_ns = now_ns;
    if (delay_ns <= t->target_us * us_ns) {
        if (s->is_overloaded)
            s->calm_until_ns = now_ns + interval_ns / 2;
        s->is_overloaded = false;
        s->above_since_ns = 0;
        return;
    }
    if (s->is_overloaded || now_ns < s->calm_until_ns)
        return;
    /* Two slow starts far apart are no standing queue. */
    if (s->above_since_ns == 0 || is_gap)
        s->above_since_ns = now_ns ? now_ns : 1;
    s->is_overloaded = now_ns >= s->above_since_ns + interval_ns;
}

static uint64_t jobs_percent(const struct shed_tune *t)
{
    return t->jobs_percent < 100 ? t->jobs_percent : 100;
}

enum bounce_reason shed_refuses(const struct shed *s, const struct shed_tune *t,
                                const struct shed_query *q)
{
    bool is_tight = s->is_overloaded || q->jobs > q->jobs_max / 2;

    /* Alone it takes nothing from anybody. */
    bool has_neighbours = q->script_jobs < q->jobs;

    if (is_tight && has_neighbours &&
        100ull * q->script_jobs > (uint64_t)t->share_percent * q->jobs)
        return BOUNCE_SHARE;
    if (s->is_overloaded || 100ull * q->jobs >= jobs_percent(t) * q->jobs_max ||
        q->chunks_used_percent > t->chunks_percent)
        return BOUNCE_OVERLOAD;
    return (enum bounce_reason)0;
}

uint16_t shed_load(const struct shed *s, const struct shed_tune *t, uint32_t jobs,
                   uint32_t jobs_max)
{
    uint64_t room = jobs_percent(t) * jobs_max; /* hundredths of jobs */
    uint64_t by_jobs = room ? 100ull * LOAD_FULL * jobs / room : SHED_LOAD_MAX;
    uint64_t target_ns = t->target_us * us_ns;
    uint64_t delay_ns = s->delay_ns < target_ns * 8 ? s->delay_ns : target_ns * 8;
    uint64_t by_delay = target_ns ? delay_ns * LOAD_FULL / target_ns : s->delay_ns ? LOAD_FULL : 0;
    uint64_t load = by_jobs > by_delay ? by_jobs : by_delay;

    if (s->is_overloaded && load < LOAD_FULL)
        load = LOAD_FULL;
    return (uint16_t)(load < SHED_LOAD_MAX ? load : SHED_LOAD_MAX);
}
