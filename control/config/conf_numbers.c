#include "control/config/conf_numbers.h"

#include "control/config/tune.h"
#include "control/deploy/bundle.h"
#include "runtime/job.h"

/* But those of `tune`, which has a table of its own. */
static const struct conf_number numbers[] = {
#define ROW(block, key, field, value, min, max)                                                    \
    {                                                                                              \
        block, key, offsetof(struct conf, field), sizeof(((struct conf *)0)->field), value, min,   \
            max                                                                                    \
    }
#define TOP(key, value, min, max)       ROW("", #key, key, value, min, max)
#define IN(block, key, value, min, max) ROW(#block, #key, block.key, value, min, max)
    /* Rejected: at once. Behind a port that has come up a switch may first look for loops, 30 s
     * (IEEE 802.1D), in which it forwards nothing. */
    IN(port, failback_s, 60, 0, 3600),
    IN(port, vlan, 0, 0, 4094),
    IN(port, rx_descriptors, 1024, 64, PORT_DESCRIPTORS_MAX),
    IN(port, tx_descriptors, 1024, 64, PORT_DESCRIPTORS_MAX),
    IN(exception, rate, EXCEPTION_RATE_DEFAULT, 1, 1000000),
    IN(decapsulate, gue_port, 6080, 1, 65535),
    TOP(control_cpu, 0, 0, CONF_CPU_MAX),
    TOP(memory_mb, 512, 64, 65536),
    IN(listen, https, 443, 0, 65535),
    IN(listen, http, 0, 0, 65535),
    IN(cells, max, 1024, 2, CELLS_MAX),
    IN(cells, spares, 4, 0, 256),
    IN(cells, larges, 32, 0, CELL_LARGES_MAX),
    IN(cells, per_script, 0, 0, 256),
    IN(cells, renew_s, 3600, 10, 604800),
    /* Rejected: 2,750, what no sharding needs for 99.9 % warm. 300 servers with 25,000 scripts are
     * 99.99 % warm with 351 MB at each (`tools/sim datacentre --memory-for`): this is three times
     * that. */
    IN(cells, memory_mb, 1024, 64, 1048576),
    IN(limits, cpu_ms, CPU_MS_DEFAULT, 1, 300000),
    IN(limits, wall_ms, WALL_MS_DEFAULT, 10, 3600000),
    IN(limits, heap_mb, 128, 16, 4096),
    IN(limits, subrequests, SUBREQUESTS_DEFAULT, 1, BUNDLE_SUBREQUESTS_MAX),
    IN(limits, conns, CORE_CONNS_DEFAULT, 16, 1 << 20),
    IN(limits, chunks, CORE_CHUNKS_DEFAULT, 1024, 1 << 22),
    IN(limits, jobs, 1024, 1, JOB_JOBS_MAX),
    IN(limits, calls, CALLS_DEFAULT, 16, 1 << 18),
    IN(limits, served, SERVED_DEFAULT, 1, 1 << 18),
    IN(limits, streams, STREAMS_DEFAULT, 64, 1 << 19),
    IN(limits, hello_timeout_ms, HELLO_TIMEOUT_MS, 100, 600000),
    IN(limits, head_timeout_ms, HTTP_HEAD_TIMEOUT_MS, 100, 600000),
    IN(limits, idle_timeout_ms, HTTP_IDLE_TIMEOUT_MS, 100, 3600000),
    IN(limits, stall_timeout_ms, HTTP_BODY_STALL_MS, 100, 3600000),
    IN(limits, min_rate, HTTP_MIN_RATE_DEFAULT, 0, 1 << 24),
    IN(limits, request_body_mb, 0, 0, 1 << 20),
    IN(egress, fetches, EGRESS_ACCOUNT_FETCHES_DEFAULT, 1, EGRESS_FETCHES_MAX),
    IN(egress, kept, EGRESS_ACCOUNT_KEPT_DEFAULT, 0, EGRESS_CONNS_MAX),
    IN(egress, connect_ms, EGRESS_CONNECT_MS_DEFAULT, 100, 120000),
    IN(egress, answer_ms, EGRESS_ANSWER_MS_DEFAULT, 100, 600000),
    IN(egress, stall_ms, EGRESS_STALL_MS_DEFAULT, 100, 600000),
    IN(egress, keep_ms, EGRESS_KEEP_MS_DEFAULT, 100, 600000),
    TOP(drain_ms, 10000, 0, 600000),
#undef IN
#undef TOP
#undef ROW
};

enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

bool conf_number_at(uint32_t index, struct conf_number *out)
{
    const struct tune_key *k;

    if (index < NUMBERS) {
        *out = numbers[index];
        return true;
    }
    if (index - NUMBERS >= TUNE_KEYS)
        return false;
    k = &tune_keys[index - NUMBERS];
    *out = (struct conf_number){.block = "tune",
                                .key = k->name,
                                .offset = offsetof(struct conf, tune) + k->offset,
                                .bytes = sizeof(uint32_t),
                                .value = tune_get(&world_tune_default, k),
                                .min = k->min,
                                .max = k->max};
    return true;
}
