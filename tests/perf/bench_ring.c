/* bench_ring.c: ring_home with 300 nodes of 128 virtual nodes, while the control thread swaps the
 * ring 1,000 times a second.
 *
 *   core 0           load the current ring -> 64 lookups of random hashes -> quiescent state ->
 *                    again
 *   control thread   write the other version (300 nodes, 299 nodes, in turn) -> publish -> every
 *                    millisecond
 *
 * A table of that size takes 1.5 ms to build, and is built only when a member comes or goes. To
 * change it 1,000 times a second, the two tables are built beforehand and copied, every byte, into
 * the version that is free: the reading core's caches see the same.
 *
 * Peer: the C library's bsearch over the arcs of the same ring, on the same core, in turns. Two
 * lines:
 *   ring           lookups that do not wait for each other, as those of a burst
 *   ring_chained   every hash depends on the answer before: the whole latency of one lookup
 * The price of making a hash is in all figures. Figures are medians of the rounds.
 *
 *   bench_ring [ROUNDS]     one JSON object per line; how it went on stderr
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_memzone.h>
#include <rte_rcu_qsbr.h>
#include <xxhash.h>

#include "dataplane/world/ring.h"
#include "drivers/eal.h"
#include "tests/perf/median.h"

enum {
    NODES = 300,
    BATCH = 64,
    ROUND_NS = 100000000,
    ROUNDS_DEFAULT = 15,
    ROUNDS_MAX = 1000,
    PERIOD_NS = 1000000,
};

enum contestant { RING, BSEARCH, RING_CHAINED, BSEARCH_CHAINED, CONTESTANTS };

static const struct rte_memzone *version[2]; /* as control/world/ring_store.h has them */
static struct ring *prebuilt[2];
static size_t table_bytes;
static struct ring_member members[NODES];
static struct rte_rcu_qsbr *qsbr;
static _Atomic(const struct ring *) current;
static atomic_bool is_over;
static uint32_t rounds = ROUNDS_DEFAULT;
static double ns_per_lookup[CONTESTANTS][ROUNDS_MAX];
static volatile uint64_t sink;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- the peer: what one would write first ---- */

struct arc {
    uint64_t from, to; /* without from, with to */
    uint16_t node;
};

static struct arc *arcs;
static uint32_t arc_count;

static int by_end(const void *a, const void *b)
{
    const struct arc *x = a, *y = b;

    return x->to < y->to ? -1 : x->to > y->to;
}

static int is_in_arc(const void *key, const void *member)
{
    uint64_t hash = *(const uint64_t *)key;
    const struct arc *a = member;

    return hash > a->to ? 1 : hash <= a->from ? -1 : 0;
}

static void build_arcs(void)
{
    arcs = calloc((size_t)NODES * RING_VNODES * RING_VNODE_POINTS, sizeof(*arcs));
    for (uint32_t i = 0; arcs && i < NODES; i++) {
        for (uint64_t k = 0; k < RING_VNODES * RING_VNODE_POINTS; k++) {
            uint64_t key[2] = {members[i].id, k};

            /* The last hash of the arc: ring.c's points have 48 bits. */
            arcs[arc_count++] =
                (struct arc){.to = XXH3_64bits(key, sizeof(key)) | 0xffff, .node = members[i].node};
        }
    }
    qsort(arcs, arc_count, sizeof(*arcs), by_end);
    for (uint32_t i = 1; i < arc_count; i++)
        arcs[i].from = arcs[i - 1].to;
}

static uint16_t bsearch_home(uint64_t hash)
{
    const struct arc *a = bsearch(&hash, arcs, arc_count, sizeof(*arcs), is_in_arc);

    return a ? a->node : arcs[0].node;
}

/* ---- core 0 ---- */

/* Knuth's MMIX generator: the upper bits, which choose the bucket, are good. */
static inline uint64_t next(uint64_t x)
{
    return x * 6364136223846793005 + 1442695040888963407;
}

/* Once per contestant: what is constant is compiled away. */
static inline __attribute__((always_inline)) uint64_t run_batch(bool is_ring, bool is_chained,
                                                                uint64_t hash)
{
    const struct ring *r = atomic_load_explicit(&current, memory_order_acquire);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < BATCH; i++) {
        uint16_t home = is_ring ? ring_home(r, hash) : bsearch_home(hash);

        sum += home;
        hash = next(is_chained ? hash + home : hash);
    }
    sink = sum;
    rte_rcu_qsbr_quiescent(qsbr, 0);
    return hash;
}

static uint64_t run_batches(enum contestant who, uint32_t count, uint64_t hash)
{
    for (uint32_t i = 0; who == RING && i < count; i++)
        hash = run_batch(true, false, hash);
    for (uint32_t i = 0; who == BSEARCH && i < count; i++)
        hash = run_batch(false, false, hash);
    for (uint32_t i = 0; who == RING_CHAINED && i < count; i++)
        hash = run_batch(true, true, hash);
    for (uint32_t i = 0; who == BSEARCH_CHAINED && i < count; i++)
        hash = run_batch(false, true, hash);
    return hash;
}

static double run_round(enum contestant who, uint64_t *hash)
{
    uint64_t started = now_ns(), ended, lookups = 0;

    do {
        *hash = run_batches(who, 256, *hash);
        lookups += 256 * BATCH;
        ended = now_ns();
    } while (ended - started < ROUND_NS);
    return (double)(ended - started) / (double)lookups;
}

static int read_and_measure(void *arg)
{
    uint64_t hash = 1;

    rte_rcu_qsbr_thread_register(qsbr, 0);
    rte_rcu_qsbr_thread_online(qsbr, 0);
    for (int who = 0; who < CONTESTANTS; who++)
        run_round((enum contestant)who, &hash); /* warm up */
    for (uint32_t i = 0; i < rounds; i++)
        for (int who = 0; who < CONTESTANTS; who++)
            ns_per_lookup[who][i] = run_round((enum contestant)who, &hash);
    rte_rcu_qsbr_thread_offline(qsbr, 0);
    rte_rcu_qsbr_thread_unregister(qsbr, 0);
    atomic_store(&is_over, true);
    return 0;
}

/* ---- control ---- */

static void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* Returns how many swaps there were in a second. */
static double swap_until_over(void)
{
    uint64_t started = now_ns(), due = started, swaps = 0;

    for (; !atomic_load(&is_over); swaps++) {
        void *free_version = version[(swaps + 1) % 2]->addr;

        memcpy(free_version, prebuilt[(swaps + 1) % 2], table_bytes);
        due += PERIOD_NS;
        if (now_ns() < due)
            sleep_until(due);
        else
            due = now_ns();
        atomic_store_explicit(&current, free_version, memory_order_release);
        /* Until the core has let go of the one before, which is the next to be written. */
        rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
    }
    return (double)swaps * 1e9 / (double)(now_ns() - started);
}

/* ---- results ---- */

static void print_line(const char *name, enum contestant ours, enum contestant peer)
{
    double value = median(ns_per_lookup[ours], rounds),
           peer_value = median(ns_per_lookup[peer], rounds);

    printf("{\"name\": \"%s\", \"value\": %.2f, \"unit\": \"ns/lookup\", \"peer\": \"bsearch\", "
           "\"peer_value\": %.2f, \"ratio\": %.3f, \"n\": %u}\n",
           name, value, peer_value, value / peer_value, rounds);
    fprintf(stderr, "%s: %.2f to %.2f ns\n", name, ns_per_lookup[ours][0],
            ns_per_lookup[ours][rounds - 1]);
}

static bool start(void)
{
    struct eal_config c = {.name = "bench-ring", .core_count = 1, .memory_mb = 32};
    struct eal_report report;
    size_t bytes = (rte_rcu_qsbr_get_memsize(1) + 63) / 64 * 64;

    c.control_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    if (eal_start(&c, &report, NULL, 0))
        return false;
    fprintf(stderr, "ring: %u nodes, %u points, hugepages %s\n", NODES,
            NODES * RING_VNODES * RING_VNODE_POINTS, report.has_huge ? "yes" : "no");
    qsbr = aligned_alloc(64, bytes);
    if (!qsbr || rte_rcu_qsbr_init(qsbr, 1))
        return false;
    for (uint32_t i = 0; i < NODES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "n%u", i);
        members[i] =
            (struct ring_member){XXH3_64bits(name, strlen(name)), (uint16_t)i, RING_WEIGHT_ONE};
    }
    build_arcs();
    table_bytes = ring_bytes(members, NODES);
    for (uint32_t i = 0; i < 2; i++) {
        char name[RTE_MEMZONE_NAMESIZE];

        snprintf(name, sizeof(name), "bench_ring_%u", i);
        version[i] = rte_memzone_reserve_aligned(name, table_bytes, SOCKET_ID_ANY, 0, 64);
        prebuilt[i] = aligned_alloc(64, table_bytes);
        if (!version[i] || !prebuilt[i] || !arcs)
            return false;
        memset(prebuilt[i], 0, table_bytes);
        ring_build(prebuilt[i], members, NODES - i, i);
    }
    memcpy(version[0]->addr, prebuilt[0], table_bytes);
    atomic_store(&current, (const struct ring *)version[0]->addr);
    return true;
}

/* Two that disagree are not to be compared. */
static bool agree(void)
{
    uint64_t hash = 7;

    for (uint32_t i = 0; i < 1000000; i++, hash = next(hash))
        if (ring_home(current, hash) != bsearch_home(hash))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (uint32_t)strtoul(argv[1], NULL, 10);
    if (!rounds || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_ring [ROUNDS], at most %u\n", ROUNDS_MAX);
        return 2;
    }
    if (!start() || !agree()) {
        fprintf(stderr, "ring: no memory, or ring and bsearch disagree\n");
        return 1;
    }
    eal_launch(0, read_and_measure, NULL);
    fprintf(stderr, "ring: %.0f swaps/s\n", swap_until_over());
    eal_wait(0);
    print_line("ring", RING, BSEARCH);
    print_line("ring_chained", RING_CHAINED, BSEARCH_CHAINED);
    for (uint32_t i = 0; i < 2; i++) {
        rte_memzone_free(version[i]);
        free(prebuilt[i]);
    }
    eal_stop();
    free(arcs);
    free(qsbr);
    return 0;
}
