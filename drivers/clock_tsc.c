/* clock_tsc.c: the real clock. Apart from clock.c so that simulations need no DPDK. */
#include "drivers/clock.h"

#include <assert.h>
#include <x86intrin.h>

#include <rte_cycles.h>

void clock_init_tsc(struct clock *c)
{
    uint64_t hz = rte_get_tsc_hz();
    assert(hz != 0); /* zero means that eal_start has not run */
    *c = (struct clock){
        .tsc_start = __rdtsc(),
        .ns_per_tick_q32 = (uint64_t)(((unsigned __int128)1000000000 << 32) / hz),
    };
}
