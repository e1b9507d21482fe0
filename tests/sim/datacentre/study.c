#include "tests/sim/datacentre/study.h"

#include <string.h>

#include "tests/sim/datacentre/report.h"

/* Published: Cloudflare, "Eliminating Cold Starts 2: shard and conquer" (2025). */
static const double published_before = 0.999, published_after = 0.9999, published_forwarded = 0.04,
                    published_evictions = 0.1;
static const double search_hours = 2; /* for memory: the busiest ones */

/* The variants that are asked for. Returns how many. */
static uint32_t pick(const struct options *o, struct sweep_run *run)
{
    uint32_t n = 0;
    for (int i = 0; i < VARIANTS; i++) {
        const char *found = o->only ? strstr(o->only, variants[i].name) : variants[i].name;
        if (!found)
            continue;
        run[n] = (struct sweep_run){.config = o->config};
        run[n++].config.variant = &variants[i];
    }
    return n;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* The memory with which `none` is as warm as published, unless the command line gave one. */
static int calibrate(struct options *o)
{
    struct centre_config none = o->config;
    if (o->config.bytes_max > 0)
        return 0;
    none.variant = &variants[VARIANT_NONE];
    none.bytes_max = 6000000000;
    options_set_hours(&none, o->hours < search_hours ? o->hours : search_hours);
    if (sweep_memory(&none, 1, published_before, &o->config.bytes_max) < 0)
        return -1;
    if (o->config.bytes_max == 0) {
        fprintf(stderr, "sim_datacentre: no memory makes `none` %.5g %% warm: give it --memory\n",
                100 * published_before);
        return -1;
    }
    printf("memory: %.2f GB for isolates at each server, with which `none` is %.5g %% warm\n",
           (double)o->config.bytes_max / 1e9, 100 * published_before);
    o->memory_mb = (double)o->config.bytes_max / 1e6;
    return 0;
}

static int run_table(struct options *o, struct sweep_run *run, uint32_t n)
{
    if (sweep(run, n) < 0)
        return -1;
    report_head(stdout);
    for (uint32_t i = 0; i < n; i++)
        report_row(stdout, &run[i]);
    return o->out ? report_files(o->out, run, n) : 0;
}

int study_paper(struct options *o)
{
    struct sweep_run run[2];
    if (calibrate(o) < 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        run[i] = (struct sweep_run){.config = o->config};
        run[i].config.variant = &variants[i == 0 ? VARIANT_NONE : VARIANT_PAPER];
    }
    if (run_table(o, run, 2) < 0)
        return 1;
    const struct centre_counts *a = &run[0].counts, *b = &run[1].counts;
    printf("\n                              published    here\n"
           "warm, no sharding             %7.3f %%  %9.5f %%\n"
           "warm, shard and conquer       %7.3f %%  %9.5f %%\n"
           "forwarded                     %7.3f %%  %9.5f %%\n"
           "evictions, beside no sharding %7.3f    %9.5f\n\n",
           100 * published_before, 100 * sweep_warm(a), 100 * published_after, 100 * sweep_warm(b),
           100 * published_forwarded, 100 * ratio((double)b->forwarded, (double)b->requests),
           published_evictions, ratio((double)b->evictions, (double)a->evictions));
    options_print(stdout, o);
    report_legend(stdout);
    return 0;
}

static int print_memory(struct options *o, const struct sweep_run *run, uint32_t n)
{
    struct centre_config config[VARIANTS] = {0};
    size_t bytes[VARIANTS];
    for (uint32_t i = 0; i < n; i++) {
        config[i] = run[i].config;
        options_set_hours(&config[i], o->hours < search_hours ? o->hours : search_hours);
    }
    if (sweep_memory(config, n, published_after, bytes) < 0)
        return -1;
    printf("\nmemory at each server for %.5g %% warm (the busiest %g hours), and its share of the "
           "first:\n",
           100 * published_after, search_hours);
    for (uint32_t i = 0; i < n; i++) {
        if (bytes[i])
            printf("%-10s %9.0f MB %7.4f\n", config[i].variant->name, (double)bytes[i] / 1e6,
                   ratio((double)bytes[i], (double)bytes[0]));
        else
            printf("%-10s      more than %.0f MB\n", config[i].variant->name,
                   8e-6 * (double)config[i].bytes_max);
    }
    return o->out ? report_memory(o->out, run, bytes, n) : 0;
}

int study_memory(struct options *o)
{
    struct sweep_run run[VARIANTS];
    if (calibrate(o) < 0)
        return 1;
    uint32_t n = pick(o, run);
    return print_memory(o, run, n) < 0;
}

int study_table(struct options *o)
{
    struct sweep_run run[VARIANTS];
    if (calibrate(o) < 0)
        return 1;
    return run_table(o, run, pick(o, run)) < 0;
}

int study_best(struct options *o)
{
    struct sweep_run run[VARIANTS];
    if (calibrate(o) < 0)
        return 1;
    uint32_t n = pick(o, run);
    if (run_table(o, run, n) < 0 || print_memory(o, run, n) < 0)
        return 1;
    putchar('\n');
    options_print(stdout, o);
    report_legend(stdout);
    return 0;
}

/* ---- other worlds ---- */

struct world_of {
    const char *name;
    double exponent, rate, busy;
    uint32_t scripts;
};

int study_sensitivity(struct options *o)
{
    static const struct world_of worlds[] = {
        {"as it is", 0, 1, 0, 0},
        {"exponent 1.2", 1.2, 1, 0, 0},
        {"exponent 1.5", 1.5, 1, 0, 0},
        {"exponent 2.1", 2.1, 1, 0, 0},
        {"four times the scripts", 0, 1, 0, 100000},
        {"half the requests", 0, 0.5, 0, 0},
        {"a tenth of the requests", 0, 0.1, 0, 0},
        {"busy to 70 %", 0, 1, 0.7, 0},
    };
    static const int shown[] = {VARIANT_NONE, VARIANT_PAPER, VARIANT_BEST};
    for (size_t w = 0; w < sizeof(worlds) / sizeof(worlds[0]); w++) {
        struct options there = *o;
        struct traffic_config *t = &there.config.traffic;
        struct sweep_run run[3];
        t->exponent = worlds[w].exponent > 0 ? worlds[w].exponent : t->exponent;
        t->scripts = worlds[w].scripts > 0 ? worlds[w].scripts : t->scripts;
        t->requests_per_s *= worlds[w].rate;
        there.config.busy = worlds[w].busy > 0 ? worlds[w].busy : there.config.busy;
        there.out = NULL;
        there.hours = o->hours < search_hours ? o->hours : search_hours;
        options_set_hours(&there.config, there.hours);
        printf("\n%s: ", worlds[w].name);
        if (calibrate(&there) < 0)
            continue;
        for (int i = 0; i < 3; i++) {
            run[i] = (struct sweep_run){.config = there.config};
            run[i].config.variant = &variants[shown[i]];
        }
        if (run_table(&there, run, 3) < 0)
            return 1;
    }
    putchar('\n');
    options_print(stdout, o);
    report_legend(stdout);
    return 0;
}
