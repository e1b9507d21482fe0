#include "dataplane/world/world.h"

const struct world_tune world_tune_default = {
    .hot_enter_rpm = HOT_ENTER_RPM_DEFAULT,
    .hot_leave_rpm = HOT_LEAVE_RPM_DEFAULT,
    .widen_rps = WIDEN_RPS_DEFAULT,
    .narrow_rps = NARROW_RPS_DEFAULT,
    .bound_percent = BOUND_PERCENT_DEFAULT,
    .shed_target_us = SHED_TARGET_US_DEFAULT,
    .shed_interval_ms = SHED_INTERVAL_MS_DEFAULT,
    .shed_jobs_percent = SHED_JOBS_PERCENT_DEFAULT,
    .shed_chunks_percent = SHED_CHUNKS_PERCENT_DEFAULT,
    .shed_share_percent = SHED_SHARE_PERCENT_DEFAULT,
    .warm_per_s = WARM_PER_SECOND,
    .source_share_percent = SOURCE_SHARE_PERCENT_DEFAULT,
    .optimistic_bytes = OPTIMISTIC_BYTES_DEFAULT,
    .trace_one_in = TRACE_ONE_IN_DEFAULT,
};
