/* bench_classify.c: what it costs to know what a client's first frame is for.
 *
 * The stages are those of first_frame.h. Two cases:
 *
 *   warm   one burst of frames again and again: one host, one flow, everything in the first cache
 *   cold   HOSTS frames, each of a flow and for a host of its own, in random order: buffers, flows
 *          and routes are several times what caches hold
 *
 * The price of looking at the clock between stages is in all figures. A round's figure is that
 * of its median burst, so that what else runs on the machine is not in it; the figure is the median
 * of the rounds.
 *
 *   bench_classify HELLOS [ROUNDS]     one JSON object per line; how it went on stderr
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <rte_memzone.h>

#include "drivers/eal.h"
#include "drivers/rng.h"
#include "tests/perf/first_frame.h"
#include "tests/perf/median.h"

enum {
    HOSTS = FIRST_FRAME_HOSTS_MAX,
    BURSTS = HOSTS / PORT_BURST, /* of a round */
    ROUNDS_DEFAULT = 15,
    ROUNDS_MAX = 1000,
    MEMORY_MB = 192,
    WARM_GOAL_NS = 100,
    COLD_GOAL_NS = 250,
};

static const char *const stage_name[STAGES] = {"csum", "net", "flow", "hello", "route", "ring"};

static struct first_frames frames;
static uint32_t rounds = ROUNDS_DEFAULT;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What comes before has happened, so that a stage pays for its own misses. */
static inline uint64_t ticks(void)
{
    _mm_lfence();
    return __rdtsc();
}

/* at[]: when each stage began, and when the last one was over. */
static void classify(struct burst *b, uint64_t at[STAGES + 1])
{
    first_frame_begin(b);
    for (int i = 0; i < STAGES; i++) {
        at[i] = ticks();
        first_frame_run(b, (enum stage)i);
    }
    at[STAGES] = ticks();
}

static void *take(const char *name, size_t bytes)
{
    const struct rte_memzone *zone = rte_memzone_reserve_aligned(name, bytes, SOCKET_ID_ANY, 0, 64);

    return zone ? zone->addr : NULL;
}

static bool build(const char *directory)
{
    struct eal_config c = {.name = "bench-classify", .core_count = 1, .memory_mb = MEMORY_MB};
    struct eal_report report;

    c.control_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    if (eal_start(&c, &report, NULL, 0) || !first_frame_build(&frames, directory, HOSTS, take))
        return false;
    fprintf(stderr, "classify: %u hosts and flows, hugepages %s\n", HOSTS,
            report.has_huge ? "yes" : "no");
    return true;
}

/* ---- the cases ---- */

static struct burst burst;

struct figures {
    double stage[STAGES + 1][ROUNDS_MAX]; /* ns per frame; the last is all of it */
    double burst[STAGES + 1][BURSTS];     /* of this round */
};

static double ns_per_tick;

static void keep_burst(struct figures *f, uint32_t n, const uint64_t at[STAGES + 1])
{
    for (int i = 0; i < STAGES; i++)
        f->burst[i][n] = (double)(at[i + 1] - at[i]) * ns_per_tick / PORT_BURST;
    f->burst[STAGES][n] = (double)(at[STAGES] - at[0]) * ns_per_tick / PORT_BURST;
}

static void keep_round(struct figures *f, uint32_t round)
{
    for (int i = 0; i <= STAGES; i++)
        f->stage[i][round] = median(f->burst[i], BURSTS);
}

static void run_warm(struct figures *f, uint32_t round, const uint32_t order[PORT_BURST])
{
    uint64_t at[STAGES + 1];

    first_frame_burst(&burst, order);
    classify(&burst, at);
    first_frame_check(&burst, order);
    for (uint32_t i = 0; i < BURSTS; i++) {
        classify(&burst, at);
        keep_burst(f, i, at);
    }
    keep_round(f, round);
}

static void run_cold(struct figures *f, uint32_t round, const uint32_t order[HOSTS])
{
    uint64_t at[STAGES + 1];

    for (uint32_t i = 0; i < BURSTS; i++) {
        first_frame_burst(&burst, &order[i * PORT_BURST]);
        classify(&burst, at);
        keep_burst(f, i, at);
        if (round == 0)
            first_frame_check(&burst, &order[i * PORT_BURST]);
    }
    keep_round(f, round);
}

static void print_line(const char *name, double value, const char *peer, double peer_value)
{
    printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"ns/frame\", \"peer\": \"%s\", "
           "\"peer_value\": %.1f, \"ratio\": %.3f, \"n\": %u}\n",
           name, value, peer, peer_value, value / peer_value, rounds);
}

static void print_case(const char *name, struct figures *f, double goal)
{
    double *all = f->stage[STAGES], total = median(all, rounds);
    char line[64];

    snprintf(line, sizeof(line), "classify, %s", name);
    print_line(line, total, "goal", goal);
    fprintf(stderr, "classify, %s: %.1f to %.1f ns\n", name, all[0], all[rounds - 1]);
    for (int i = 0; i < STAGES; i++) {
        snprintf(line, sizeof(line), "classify, %s: %s", name, stage_name[i]);
        print_line(line, median(f->stage[i], rounds), "all of it", total);
    }
}

static void print_warm(void)
{
    static struct figures f;
    uint32_t order[PORT_BURST];

    for (uint32_t i = 0; i < PORT_BURST; i++)
        order[i] = HOSTS + i % frames.mix;
    for (uint32_t round = 0; round < rounds; round++)
        run_warm(&f, round, order);
    print_case("warm", &f, WARM_GOAL_NS);
    /* One client's frames alone: they differ by what their keys cost. */
    for (uint32_t s = 0; s < frames.shapes; s++) {
        uint32_t bytes;
        const char *name = first_frame_shape(s, &bytes);

        for (uint32_t i = 0; i < PORT_BURST; i++)
            order[i] = HOSTS + s;
        for (uint32_t round = 0; round < rounds; round++)
            run_warm(&f, round, order);
        fprintf(stderr, "classify, warm: %-16s %4u bytes, %6.1f ns, of it hello %6.1f\n", name,
                bytes, median(f.stage[STAGES], rounds), median(f.stage[HELLO], rounds));
    }
}

static void print_cold(void)
{
    static struct figures f;
    static uint32_t order[HOSTS];
    struct rng random = {1};

    for (uint32_t i = 0; i < HOSTS; i++)
        order[i] = i;
    for (uint32_t i = HOSTS - 1; i > 0; i--) {
        uint32_t k = (uint32_t)rng_below(&random, i + 1), was = order[i];

        order[i] = order[k];
        order[k] = was;
    }
    for (uint32_t round = 0; round < rounds; round++)
        run_cold(&f, round, order);
    print_case("cold", &f, COLD_GOAL_NS);
}

static int measure(void *arg)
{
    uint64_t ns = now_ns(), tick = ticks();

    while (now_ns() - ns < 50000000)
        ;
    ns = now_ns() - ns;
    ns_per_tick = (double)ns / (double)(ticks() - tick);
    print_warm();
    print_cold();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2)
        rounds = (uint32_t)strtoul(argv[2], NULL, 10);
    if (argc < 2 || !rounds || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_classify HELLOS [ROUNDS], at most %u\n", ROUNDS_MAX);
        return 2;
    }
    if (!build(argv[1])) {
        fprintf(stderr, "classify: no memory, or no ClientHello in %s\n", argv[1]);
        return 1;
    }
    eal_launch(0, measure, NULL);
    eal_wait(0);
    eal_stop();
    return 0;
}
