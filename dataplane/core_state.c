#include "dataplane/core_state.h"

#include <time.h>

#include "drivers/clock.h"

uint64_t core_next_request_id(struct core *core)
{
    return request_ids_next(&core->request_ids);
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
