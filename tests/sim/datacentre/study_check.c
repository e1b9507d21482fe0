/* A small data centre, and whether what is said of the large one holds for it: for tools/check. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/datacentre/report.h"
#include "tests/sim/datacentre/study.h"

enum { SERVERS = 60, SCRIPTS = 5000, REQUESTS_PER_SERVER = 1000 };

static void check(int *failures, bool holds, const char *what)
{
    printf("%s - %s\n", holds ? "ok" : "not ok", what);
    *failures += !holds;
}

int study_check(struct options *o)
{
    struct options small = *o;
    struct sweep_run run[VARIANTS + 1];
    struct centre_config none;
    struct sweep_memory memory[2];
    int failures = 0;
    small.config.traffic.servers = SERVERS;
    small.config.traffic.scripts = SCRIPTS;
    small.config.traffic.requests_per_s = SERVERS * REQUESTS_PER_SERVER;
    small.config.bytes_max = 2000000000;
    options_set_hours(&small.config, 0.5);
    none = small.config;
    if (sweep_memory(&none, 1, 0.999, memory) < 0)
        return 1;
    small.config.bytes_max = memory->bytes;
    check(&failures, memory->is_enough,
          "some memory makes a data centre without sharding 99.9 % warm");
    small.config.has_churn = true;
    for (int i = 0; i <= VARIANTS; i++) {
        run[i] = (struct sweep_run){.config = small.config};
        run[i].config.variant = &variants[i < VARIANTS ? i : VARIANT_BEST];
    }
    if (sweep(run, VARIANTS + 1, NULL) < 0)
        return 1;
    report_head(stdout);
    for (int i = 0; i < VARIANTS; i++)
        report_row(stdout, &run[i]);
    const struct centre_counts *a = &run[VARIANT_NONE].counts, *b = &run[VARIANT_PAPER].counts,
                               *best = &run[VARIANT_BEST].counts;
    check(&failures, sweep_warm(a) > 0.9985 && sweep_warm(a) < 0.9995,
          "without sharding it is about 99.9 % warm");
    check(&failures, sweep_warm(b) >= 0.9999, "shard and conquer is 99.99 % warm");
    check(&failures, (double)b->forwarded <= 0.04 * (double)b->requests,
          "at most 4 % are forwarded");
    check(&failures, b->evictions * 10 <= a->evictions, "evictions are a tenth at most");
    check(&failures, sweep_warm(best) >= 0.99999, "all that hearth has is 99.999 % warm");
    check(&failures, memcmp(best, &run[VARIANTS].counts, sizeof(*best)) == 0,
          "the same seed gives the same counts");
    for (int i = 0; i < VARIANTS; i++) {
        if (run[i].counts.requests != a->requests)
            check(&failures, false, "every variant gets the same requests");
    }
    struct centre_config search[2] = {small.config, small.config};
    search[0].variant = &variants[VARIANT_PAPER];
    search[1].variant = &variants[VARIANT_BEST];
    if (sweep_memory(search, 2, 0.9999, memory) < 0)
        return 1;
    printf("memory for 99.99 %%: %.0f MB, with all that hearth has %.0f MB; without sharding 99.9 "
           "%% takes %.0f MB\n",
           (double)memory[0].bytes / 1e6, (double)memory[1].bytes / 1e6,
           (double)small.config.bytes_max / 1e6);
    check(&failures,
          memory[0].is_enough && memory[1].is_enough && memory[1].bytes < memory[0].bytes,
          "all that hearth has needs less memory for 99.99 %");
    double bound = 1 + small.config.tune.bound_percent / 100.0;
    struct study_crowd crowd = study_flash_one(&small, VARIANT_BEST, 1500);
    check(&failures, crowd.most_hot == SERVERS, "a crowd makes its script hot everywhere");
    check(&failures, crowd.worst <= bound, "a crowd leaves no server above (1 + e) x the mean");
    return failures > 0;
}
