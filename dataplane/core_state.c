#include "dataplane/core_state.h"

#include <time.h>

#include "drivers/clock.h"
#include "drivers/rng.h"

/* A bijection of the counter, of which each core has its own numbers, so the ids of a node never
 * repeat. */
uint64_t core_next_request_id(struct core *core)
{
    uint64_t number = ++core->request_count * core->config.cores + core->config.index;
    return rng_mix(core->request_seed + number * 0x9e3779b97f4a7c15u);
}

const char *core_date(struct core *core)
{
    if (core->now_ns >= core->date_until_ns) {
        uint64_t wall_ns = clock_wall_ns(core->config.clock);
        http1_date(core->date, (time_t)(wall_ns / 1000000000));
        core->date_until_ns = core->now_ns + 1000000000 - wall_ns % 1000000000;
    }
    return core->date;
}
