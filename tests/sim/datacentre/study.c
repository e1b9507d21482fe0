#include "tests/sim/datacentre/study.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/datacentre/report.h"

/* Published: Cloudflare, "Eliminating Cold Starts 2: shard and conquer" (2025). */
static const double published_before = 0.999, published_after = 0.9999, published_forwarded = 0.04,
                    published_evictions = 0.1;
static const double search_hours = 1;
static const size_t calibrate_bytes =
    6000000000; /* where the search for what `none` needs begins */

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

/* The searches for memory look at the busiest hour only. */
static struct centre_config searched(const struct options *o, int variant, size_t bytes_max)
{
    struct centre_config c = o->config;
    c.variant = &variants[variant];
    c.bytes_max = bytes_max;
    options_set_hours(&c, o->hours < search_hours ? o->hours : search_hours);
    return c;
}

/* The memory with which `none` is as warm as published, unless the command line gave one. */
static int calibrate(struct options *o)
{
    struct centre_config none = searched(o, VARIANT_NONE, calibrate_bytes);
    struct sweep_memory memory;
    if (o->config.bytes_max > 0)
        return 0;
    if (sweep_memory(&none, 1, published_before, &memory) < 0)
        return -1;
    if (!memory.is_enough) {
        fprintf(stderr, "sim_datacentre: no memory makes `none` %.5g %% warm: give it --memory\n",
                100 * published_before);
        return -1;
    }
    o->config.bytes_max = memory.bytes;
    o->memory_mb = (double)memory.bytes / 1e6;
    printf("memory: %.2f GB for cells at each server, with which `none` is %.5g %% warm in the "
           "busiest hour\n",
           (double)memory.bytes / 1e9, 100 * published_before);
    return 0;
}

static void print_row(const struct sweep_run *r)
{
    report_row(stdout, r);
}

static int run_table(struct options *o, struct sweep_run *run, uint32_t n)
{
    report_head(stdout);
    if (sweep(run, n, print_row) < 0)
        return -1;
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
    struct sweep_memory memory[VARIANTS];
    for (uint32_t i = 0; i < n; i++)
        config[i] = searched(o, (int)(run[i].config.variant - variants), o->config.bytes_max);
    if (sweep_memory(config, n, published_after, memory) < 0)
        return -1;
    printf("\nmemory at each server for %.5g %% warm in the busiest hour, and its share of the "
           "first:\n",
           100 * published_after);
    for (uint32_t i = 0; i < n; i++)
        printf("%-10s %5s%8.0f MB %6s%.4f\n", config[i].variant->name,
               memory[i].is_enough ? "" : "over ", (double)memory[i].bytes / 1e6,
               i == 0 || memory->is_enough ? "" : "under ",
               ratio((double)memory[i].bytes, (double)memory->bytes));
    return o->out ? report_memory(o->out, run, memory, n) : 0;
}

int study_memory(struct options *o)
{
    struct sweep_run run[VARIANTS];
    if (calibrate(o) < 0)
        return 1;
    if (print_memory(o, run, pick(o, run)) < 0)
        return 1;
    putchar('\n');
    options_print(stdout, o);
    return 0;
}

int study_table(struct options *o)
{
    struct sweep_run run[VARIANTS];
    if (calibrate(o) < 0)
        return 1;
    if (run_table(o, run, pick(o, run)) < 0)
        return 1;
    putchar('\n');
    options_print(stdout, o);
    report_legend(stdout);
    return 0;
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

static const struct world_of {
    const char *option; /* NULL: as it is */
    double value;
} worlds[] = {
    {NULL, 0},        {"exponent", 1.2}, {"exponent", 1.5}, {"exponent", 2.1}, {"scripts", 100000},
    {"rate", 150000}, {"rate", 30000},   {"busy", 0.7},     {"deploys", 10},   {"seed", 2},
};

enum { WORLDS = sizeof(worlds) / sizeof(worlds[0]), SHOWN = 4 };
static const struct {
    int variant;
    double memory; /* times what `none` needs */
} shown[SHOWN] = {{VARIANT_NONE, 1}, {VARIANT_PAPER, 1}, {VARIANT_BEST, 1}, {VARIANT_BEST, 0.25}};

/* Where no memory makes `none` as warm as published, all have what the first world has. */
static int run_worlds(const struct options *world, struct sweep_run *run)
{
    struct centre_config none[WORLDS];
    struct sweep_memory memory[WORLDS];
    for (int w = 0; w < WORLDS; w++)
        none[w] = searched(&world[w], VARIANT_NONE, calibrate_bytes);
    if (sweep_memory(none, WORLDS, published_before, memory) < 0)
        return -1;
    for (int w = 0; w < WORLDS; w++) {
        double bytes = (double)(memory[w].is_enough ? memory[w].bytes : memory->bytes);
        for (int k = 0; k < SHOWN; k++)
            run[w * SHOWN + k].config =
                searched(&world[w], shown[k].variant, (size_t)(bytes * shown[k].memory));
    }
    return sweep(run, WORLDS * SHOWN, NULL);
}

static void print_world(const struct world_of *of, const struct sweep_run *run)
{
    const struct centre_counts *none = &run[0].counts, *paper = &run[1].counts,
                               *best = &run[2].counts, *quarter = &run[3].counts;
    char name[32] = "as it is";
    if (of->option)
        snprintf(name, sizeof(name), "%s %g", of->option, of->value);
    printf("%-16s %6.2f %9.4f %10.5f %6.2f %9.5f %11.6f %6.2f %11.6f\n", name,
           (double)run->config.bytes_max / 1e9, 100 * sweep_warm(none), 100 * sweep_warm(paper),
           100 * ratio((double)paper->forwarded, (double)paper->requests),
           ratio((double)paper->evictions, (double)none->evictions), 100 * sweep_warm(best),
           100 * ratio((double)best->forwarded, (double)best->requests), 100 * sweep_warm(quarter));
}

int study_sensitivity(struct options *o)
{
    struct options world[WORLDS];
    struct sweep_run *run = calloc(WORLDS * SHOWN, sizeof(*run));
    int status;
    assert(run);
    for (int w = 0; w < WORLDS; w++) {
        world[w] = *o;
        if (worlds[w].option)
            options_set(&world[w], worlds[w].option, worlds[w].value);
    }
    status = run_worlds(world, run) < 0;
    if (status == 0) {
        printf("Warm requests (%%) in the busiest hour. GB: for cells at each server. Evictions: "
               "beside no sharding. 1/4: with a quarter of the memory.\n"
               "%-16s %6s %9s %10s %6s %9s %11s %6s %11s\n",
               "", "GB", variants[VARIANT_NONE].name, variants[VARIANT_PAPER].name, "fwd%",
               "evictions", variants[VARIANT_BEST].name, "fwd%", "1/4");
        for (int w = 0; w < WORLDS; w++)
            print_world(&worlds[w], &run[w * SHOWN]);
        putchar('\n');
        options_print(stdout, o);
    }
    free(run);
    return status;
}
