/* A cluster of whole cores on virtual time, by seed: clients enter anywhere, scripts have their
 * homes on the ring, and between the nodes lies a network that loses, delays, reorders, doubles and
 * corrupts.
 *
 *   caller 0..C -- net -- station N --+-- switch --+-- node 0: core, cells
 *                                     |            +-- node 1 ...
 *                     attacker: sees every datagram between nodes, replays, bends and invents
 *
 * Real: everything a dp core is made of, as it ships: TCP, HTTP/1, ring, placement, shedding,
 * calls, links to cells, channels with their keys, capabilities, job rings, arenas, the flight
 * recorder; and the choice of the cell that makes room. Modelled: the wires and the switch
 * (port_sim, sim_switch), each node's clock and the little of its control thread that moves it
 * through its states (model_cluster) and starts and ends its cells (model_cells), the cells
 * (model_runtime), clients (model_caller). Not here: TLS (sim_core), etcd, DPDK. One thread, and
 * one random stream: the seed decides everything.
 *
 * By seed, some of: cells that stall, are slow, hang until they are ended, crash, are replaced;
 * nodes with room for few of them, or without a zygote; nodes that crash and come back (some before
 * anybody has noticed), leave and join, are slow, stand still; partitions and one-way cuts; members
 * that get another weight, go and come, and lists of them that differ for a while; clocks that
 * agree in nothing; bursts; deploys that reach one node before the others; scripts that call each
 * other (and linger, and abandon what they called); an attacker; capabilities that are forged,
 * expired, revoked, or shown to another node than their owner's; calls that are none; tables and
 * memory that are much too small; thresholds so low that scripts are hot and widen. Checked, by
 * seed and at any time (cluster_parts.h says what excuses what):
 *
 *   - each request is answered exactly once, with the bytes it asked for; it reaches one cell,
 *     once, unless what ran it died or was not to be reached, and then only if it may run again;
 *     body bytes arrive in order, each once (model_runtime)
 *   - what came from another node, back from one, or runs again, is sent to no other node
 *   - it runs at its home, whichever node it enters, as long as nothing is wrong with the home
 *   - 503 only under overload, 502 only for what may not run again while something died or was not
 *     to be reached; so is a cut answer
 *   - whoever was let in is answered by what its script says, with heads of 0 to 32 KB either way,
 *     and also when others hold three quarters of the chunks; an answer never needs chunks that are
 *     not its own
 *   - however few chunks there are, that costs bounces, 503, and the second run of what dies;
 *     nobody waits for ever
 *   - body bytes wasted on a bounce are at most W
 *   - what becomes of links to cells (model_cells)
 *   - what a call is given of CPU time and time is no more than its caller has left (tree_book)
 *   - a death is known everywhere within a second and a half; a planned leave and join causes no
 *     cold start; a change of weights, and a silence of a third of a second, cost nobody an answer
 *   - a script that ends its cells (--killer) is held back by each node that lost three to it, and
 *     by its home for all: then no cell ends of it; no other script's request fails at any time;
 *     when the pause is over it answers again
 *   - when the weather is over, within 15 seconds every node sees every other as it is, and then
 *     each script answers 200 at its home
 *   - no datagram is taken twice, and none that no member sent; bad capabilities are refused and
 *     counted, each for its own reason
 *   - an answer says that its script was warm if and only if it did not wait for a start, wherever
 *     it ran
 *   - what a home tells of a request lies in the time it was under way, by the clock of the node
 *     where it entered
 *   - at the end everything is back (model_cluster), and every frame is accounted for
 *   - equal options give equal hashes, over every line of the story and every frame that a node
 *     sent (--twice)
 *
 * usage() says how it is called. A failure prints the command that repeats it.
 */
#include <malloc.h>
#include <string.h>
#include <time.h>

#include "drivers/aead.h"
#include "drivers/rng.h"
#include "tests/sim/cluster_run.h"
#include "tests/sim/model_cluster.h"

enum {
    STATUS_S = 10,
    SEEDS_FOR_ALL = 150, /* what is rare must have happened in so many */
    FOREVER_NODES_MIN = 2,
    FOREVER_NODES_MAX = 8,
    FOREVER_TIME_S = 30,
    WORDS_MAX = 12, /* of a line in a file of seeds */
};

const char sim_name[] = "tools/sim cluster";

struct arguments {
    struct cluster_options options;
    uint64_t count;
    bool has_seed, is_forever, is_twice;
    const char *file;
};

static void usage(FILE *out)
{
    fprintf(
        out,
        "usage: tools/sim cluster [--seed S] [--nodes N] [--time SECONDS] [--count N] [--seeds "
        "FILE]\n"
        "                         [--chunks N] [--planned] [--killer] [--forever] [--twice] "
        "[--trace]\n\n"
        "Runs a cluster of whole cores on virtual time. Everything that happens is decided by "
        "the seed.\n\n"
        "  --seed S        the first seed; without: 1, or with --forever the time of day\n"
        "  --count N       so many seeds, one after the other; without: 1\n"
        "  --nodes N       1 to %d nodes; without: the seed says, 2 to 5\n"
        "  --time SECONDS  virtual seconds of load; without: a few, until some hundred "
        "requests were made\n"
        "  --chunks N      each core has only so many chunks, and every seed bursts of requests: "
        "400 is little\n"
        "  --planned       nodes leave and join, and nothing else is wrong: no cold start\n"
        "  --killer        one script ends its cells, and nothing else is wrong: it is held "
        "back, and costs others nothing\n"
        "  --seeds FILE    the seeds in the file: one a line with its options, # for comments\n"
        "  --forever       seeds until one fails, of %u to %u nodes and up to %u virtual seconds "
        "unless\n"
        "                  said otherwise; a line every %d seconds says how far it is\n"
        "  --twice         runs each seed twice and compares the hashes of what happened\n"
        "  --trace         prints the story\n",
        CLUSTER_NODES_MAX, FOREVER_NODES_MIN, FOREVER_NODES_MAX, FOREVER_TIME_S, STATUS_S);
}

/* ---- running ---- */

/* How the run's options are said again. */
static void tell_arguments(const struct cluster_options *o)
{
    static char text[96];
    int at = o->nodes ? snprintf(text, sizeof(text), " --nodes %u", o->nodes) : 0;
    if (o->chunks)
        at += snprintf(text + at, sizeof(text) - (size_t)at, " --chunks %u", o->chunks);
    if (o->time_ns)
        at += snprintf(text + at, sizeof(text) - (size_t)at, " --time %lu",
                       (unsigned long)(o->time_ns / 1000000000));
    if (o->is_planned || o->is_deadly)
        snprintf(text + at, sizeof(text) - (size_t)at, o->is_planned ? " --planned" : " --killer");
    sim_arguments = text;
}

static void run_seed(const struct arguments *a, uint64_t seed, struct cluster_report *total)
{
    struct cluster_options options = a->options;
    struct cluster_report before = *total;
    options.seed = seed;
    tell_arguments(&options);
    cluster_run(&options, total);
    if (!a->is_forever)
        printf("seed %lu: hash %016lx, %lu requests in %lu virtual ms\n", (unsigned long)seed,
               (unsigned long)total->hash, (unsigned long)(total->requests - before.requests),
               (unsigned long)(total->virtual_ms - before.virtual_ms));
    if (!a->is_twice)
        return;
    struct cluster_report again = {0};
    cluster_run(&options, &again);
    CHECK(again.hash == total->hash, "the second run has the hash %016lx, the first %016lx",
          (unsigned long)again.hash, (unsigned long)total->hash);
}

static void print_total(const struct cluster_report *t)
{
    printf(
        "%lu answers, %lu with 5xx, %lu cut; %lu forwarded, %lu bounced (%lu bounces), %lu run "
        "again, %lu held back, %lu handed over; %lu hot, %lu sent home while warming, %lu widened, "
        "%lu warmed on demand; %lu datagrams, %lu lost, %lu injected, %lu refused; %lu bad "
        "capabilities, %lu false contexts; %lu spans; of trees' CPU time %lu bounds, %lu of them "
        "by "
        "silence, %lu calls refused; of their time %lu bounds, %lu calls refused, %lu sat it out; "
        "%lu "
        "cells, %lu died, %lu evicted, %lu grown, "
        "%lu without room, %lu jobs refused by spent ones; %lu crashes, %lu leaves, %lu "
        "partitions, "
        "%lu cuts, %lu new "
        "rings; %lu virtual seconds\n",
        t->answered, t->failed, t->cut, t->forwarded, t->bounced, t->bounces, t->rerun, t->held,
        t->handed, t->hot, t->warming, t->widened, t->demanded, t->datagrams, t->lost_packets,
        t->injected, t->refused_datagrams, t->capabilities, t->lies, t->spans, t->costs,
        t->silences, t->cpu_refused, t->waits, t->wall_refused, t->sat, t->cells, t->deaths,
        t->evicted, t->grown, t->fulls, t->spent, t->crashes, t->leaves, t->partitions, t->cuts,
        t->plans, t->virtual_ms / 1000);
}

/* What no seed has seen is not tested. False: many seeds of all shapes, and one of these never
 * happened. */
static bool has_seen_all(const struct arguments *a, const struct cluster_report *t, uint64_t count)
{
    const struct {
        const char *what;
        uint64_t times;
    } rows[] = {
        {"was bounced", t->bounces},
        {"was run again", t->rerun},
        {"was handed over", t->handed},
        {"was hot", t->hot},
        {"widened", t->widened},
        {"was warmed on demand", t->demanded},
        {"was lost", t->lost_packets},
        {"was injected", t->injected},
        {"crashed", t->crashes},
        {"left", t->leaves},
        {"was partitioned", t->partitions},
        {"was cut off", t->cuts},
        {"was a lie", t->lies},
        {"was evicted", t->evicted},
        {"got a larger region", t->grown},
        {"found no room", t->fulls},
        {"died", t->deaths},
        {"was refused by a spent cell", t->spent},
        {"cost a tree CPU time", t->costs},
        {"cost it some without a word", t->silences},
        {"was refused for want of CPU time", t->cpu_refused},
        {"found less time than its caller began with", t->waits},
        {"sat until its wall limit", t->sat},
    };
    bool is_seen = true;
    if (count < SEEDS_FOR_ALL || a->options.nodes || a->options.time_ns || a->options.is_planned ||
        a->options.is_deadly)
        return true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].times > 0)
            continue;
        fprintf(stderr, "%lu seeds, in which nothing ever %s\n", (unsigned long)count,
                rows[i].what);
        is_seen = false;
    }
    return is_seen;
}

/* A seed has its size by its number: half of them as they are, the others larger and longer. */
static void run_sized(const struct arguments *a, uint64_t seed, struct cluster_report *total)
{
    struct arguments sized = *a;
    uint64_t shape = rng_mix(seed);
    if (!a->options.nodes && shape % 2 == 0)
        sized.options.nodes =
            FOREVER_NODES_MIN + (shape >> 8) % (FOREVER_NODES_MAX - FOREVER_NODES_MIN + 1);
    if (!a->options.time_ns && shape % 4 == 0)
        sized.options.time_ns = (1 + (shape >> 32) % FOREVER_TIME_S) * 1000000000ull;
    run_seed(&sized, seed, total);
}

static void run_forever(const struct arguments *a)
{
    struct cluster_report total = {0};
    time_t started = time(NULL), told = started;
    uint64_t seed = a->has_seed ? a->options.seed : (uint64_t)started;
    for (uint64_t count = 1;; count++) {
        run_sized(a, seed++, &total);
        if (time(NULL) - told < STATUS_S)
            continue;
        told = time(NULL);
        printf("%lu seeds, up to %lu, in %lu s: ", (unsigned long)count, (unsigned long)(seed - 1),
               (unsigned long)(told - started));
        print_total(&total);
        fflush(stdout);
    }
}

/* ---- what was asked for ---- */

static bool read_number(int argc, char **argv, int *i, uint64_t *out)
{
    char *end = NULL;
    if (*i + 1 < argc)
        *out = strtoull(argv[++*i], &end, 0);
    return end && *end == 0;
}

/* What makes a seed another run: of the command line, and of a line in a file. */
static bool read_shape(struct arguments *a, int argc, char **argv, int *i)
{
    uint64_t number = 0;
    if (strcmp(argv[*i], "--planned") == 0) {
        a->options.is_planned = true;
        return true;
    }
    if (strcmp(argv[*i], "--killer") == 0) {
        a->options.is_deadly = true;
        return true;
    }
    const char *name = argv[*i];
    if (!read_number(argc, argv, i, &number) || number < 1)
        return false;
    if (strcmp(name, "--time") == 0 && number <= UINT32_MAX)
        a->options.time_ns = number * 1000000000;
    else if (strcmp(name, "--chunks") == 0 && number <= UINT32_MAX)
        a->options.chunks = (uint32_t)number;
    else if (strcmp(name, "--nodes") == 0 && number <= CLUSTER_NODES_MAX)
        a->options.nodes = (uint32_t)number;
    else
        return false;
    return true;
}

static bool read_arguments(struct arguments *a, int argc, char **argv)
{
    uint64_t number = 0;
    *a = (struct arguments){.options = {.seed = 1}, .count = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            a->is_twice = true;
        } else if (strcmp(argv[i], "--forever") == 0) {
            a->is_forever = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            a->file = argv[++i];
        } else if (strcmp(argv[i], "--seed") == 0 && read_number(argc, argv, &i, &number)) {
            a->options.seed = number;
            a->has_seed = true;
        } else if (strcmp(argv[i], "--count") == 0 && read_number(argc, argv, &i, &number)) {
            a->count = number;
        } else if (!read_shape(a, argc, argv, &i)) {
            return false;
        }
    }
    return true;
}

/* "SEED [options of its shape] [# why it is here]". False: none. */
static bool run_line(const struct arguments *a, char *line, struct cluster_report *total)
{
    struct arguments of_line = *a;
    char *word[WORDS_MAX], *rest = NULL, *end;
    int words = 0;
    line[strcspn(line, "#\n")] = 0;
    for (char *w = strtok_r(line, " ", &rest); w && words < WORDS_MAX;
         w = strtok_r(NULL, " ", &rest))
        word[words++] = w;
    if (words == 0)
        return false;
    uint64_t seed = strtoull(word[0], &end, 0);
    CHECK(*end == 0, "%s is no seed", word[0]);
    for (int i = 1; i < words; i++)
        CHECK(read_shape(&of_line, words, word, &i), "seed %s: %s is no option", word[0], word[i]);
    run_seed(&of_line, seed, total);
    return true;
}

/* False: not to be read. */
static bool run_file(const struct arguments *a, struct cluster_report *total, uint64_t *count)
{
    char line[256];
    FILE *file = fopen(a->file, "r");
    if (!file)
        return false;
    while (fgets(line, sizeof(line), file))
        *count += run_line(a, line, total);
    fclose(file);
    return true;
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct cluster_report total = {0};
    uint64_t count = 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (!read_arguments(&a, argc, argv)) {
        usage(stderr);
        return 2;
    }
    if (aead_init() < 0) {
        fprintf(stderr, "sim_cluster: no AEAD engine\n");
        return 2;
    }
    /* The next seed's nodes lie where the last one's did: a third of the time was the kernel's, for
     * fresh pages. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    setvbuf(stdout, NULL, _IOLBF,
            0); /* an assertion of the product's ends the story where it happened */
    if (a.is_forever)
        run_forever(&a);
    if (a.file && !run_file(&a, &total, &count)) {
        fprintf(stderr, "sim_cluster: cannot read %s\n", a.file);
        return 2;
    }
    for (; !a.file && count < a.count; count++)
        run_seed(&a, a.options.seed + count, &total);
    aead_fini();
    print_total(&total);
    if (!has_seen_all(&a, &total, count))
        return 1;
    printf("%lu seeds, all invariants hold\n", (unsigned long)count);
    return 0;
}
