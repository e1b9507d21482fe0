/* clock.c: the part that needs no DPDK; see clock.h. */
#include "drivers/clock.h"

#include <assert.h>
#include <time.h>
#include <x86intrin.h>

void clock_init_virtual(struct clock *c, uint64_t start_ns)
{
    *c = (struct clock){.virtual_ns = start_ns};
}

uint64_t clock_ticks(const struct clock *c)
{
    return c->ns_per_tick_q32 == 0 ? 0 : __rdtsc();
}

uint64_t clock_at_ns(const struct clock *c, uint64_t ticks)
{
    if (c->ns_per_tick_q32 == 0)
        return c->virtual_ns;
    /* 128 bits: a 64-bit product would wrap after four seconds. */
    return (uint64_t)(((unsigned __int128)(ticks - c->tsc_start) * c->ns_per_tick_q32) >> 32);
}

uint64_t clock_now_ns(const struct clock *c)
{
    return clock_at_ns(c, clock_ticks(c));
}

uint32_t clock_ticks_per_us(const struct clock *c)
{
    if (c->ns_per_tick_q32 == 0)
        return 0;
    return (uint32_t)(((1000ull << 32) + c->ns_per_tick_q32 / 2) / c->ns_per_tick_q32);
}

uint64_t clock_wall_ns(const struct clock *c)
{
    struct timespec t;
    if (c->ns_per_tick_q32 == 0)
        return c->virtual_ns;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void clock_set_ns(struct clock *c, uint64_t now_ns)
{
    assert(c->ns_per_tick_q32 == 0);
    assert(now_ns >= c->virtual_ns);
    c->virtual_ns = now_ns;
}
