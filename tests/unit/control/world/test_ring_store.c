/* test_ring_store.c: two versions of the ring under cores that read them all the time.
 *
 *   control (this thread)   build -> swap the pointer -> retire the one before -> reclaim, at 1 kHz
 *   core 0, core 1          load the pointer once -> a batch of lookups -> quiescent state -> again
 *
 * Each generation of the ring has members of its own: a lookup that met another generation's bytes
 * gives a node or an order that this one never had.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_rcu_qsbr.h>

#include "control/world/ring_store.h"
#include "drivers/eal.h"
#include "drivers/rng.h"

enum {
    CORES = 2,
    GENERATIONS = 16, /* member sets, in turn */
    MEMBERS = 24,     /* of a generation: its nodes are GENERATION * MEMBERS and on */
    HASHES = 512,     /* whose homes are known beforehand */
    BATCH = 256,      /* lookups between two quiescent states */
    SWAPS = 1000,
    PERIOD_NS = 1000000,
    WAIT_NS = 50000,
};

#define LONGEST_NS 5000000000

static struct ring_store store;
static struct rte_rcu_qsbr *qsbr;

/* ---- generations ---- */

struct generation {
    struct ring_member member[MEMBERS];
    uint64_t digest;
    uint16_t home[HASHES];
};

static struct generation generations[GENERATIONS];

static uint64_t nth_hash(uint64_t i)
{
    return rng_mix(i * 0x9e3779b97f4a7c15u);
}

/* Weights differ too, so that tables differ in size: a zone is also replaced now and then. */
static void make_generation(uint32_t g)
{
    struct generation *it = &generations[g];
    size_t bytes;
    struct ring *r;

    for (uint32_t i = 0; i < MEMBERS; i++)
        it->member[i] = (struct ring_member){.id = nth_hash(1000 + g * MEMBERS + i),
                                             .node = (uint16_t)(g * MEMBERS + i),
                                             .weight = RING_WEIGHT_ONE + g};
    bytes = ring_bytes(it->member, MEMBERS);
    r = ring_build(aligned_alloc(64, bytes), it->member, MEMBERS, g);
    it->digest = ring_digest(r);
    for (uint32_t i = 0; i < HASHES; i++)
        it->home[i] = ring_home(r, nth_hash(i));
    free(r);
}

/* How many of these lookups are not what that generation says. */
static uint32_t count_torn(const struct ring *r, const struct generation *g, uint32_t from,
                           uint32_t count)
{
    uint32_t torn = ring_digest(r) != g->digest;

    for (uint32_t i = from; i < from + count; i++)
        torn += ring_home(r, nth_hash(i % HASHES)) != g->home[i % HASHES];
    return torn;
}

/* ---- cores ---- */

/* What a world is here. */
struct view {
    struct ring_part *part;
    const struct generation *generation;
    struct view *retired_next;
    uint64_t token;
};

static _Atomic(struct view *) current;
static atomic_bool is_over;
static struct {
    _Alignas(64) atomic_uint_fast64_t lookups;
    uint64_t torn, views;
} readers[CORES];

static int read_all_the_time(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, at = 0;
    uint64_t epoch_before = 0;

    rte_rcu_qsbr_thread_register(qsbr, me);
    rte_rcu_qsbr_thread_online(qsbr, me);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        struct view *v = atomic_load_explicit(&current, memory_order_acquire);

        readers[me].views += ring_epoch(v->part->ring) != epoch_before;
        epoch_before = ring_epoch(v->part->ring);
        readers[me].torn += count_torn(v->part->ring, v->generation, at, BATCH);
        readers[me].torn += ring_epoch(v->part->ring) != epoch_before;
        at += BATCH;
        atomic_fetch_add_explicit(&readers[me].lookups, BATCH, memory_order_relaxed);
        rte_rcu_qsbr_quiescent(qsbr, me);
        if (me > 0)
            sched_yield(); /* it may have to share its CPU with the control thread */
    }
    rte_rcu_qsbr_thread_offline(qsbr, me);
    rte_rcu_qsbr_thread_unregister(qsbr, me);
    return 0;
}

/* ---- control ---- */

static struct view *oldest_retired;

static bool reclaim(void)
{
    struct view *v;

    while ((v = oldest_retired) && rte_rcu_qsbr_check(qsbr, v->token, false) == 1) {
        oldest_retired = v->retired_next;
        part_release(&v->part->part);
        free(v);
    }
    return oldest_retired != NULL;
}

static void publish(struct ring_part *part, const struct generation *g)
{
    struct view *v = calloc(1, sizeof(*v)), *before, **tail = &oldest_retired;

    assert_non_null(v);
    v->part = part;
    v->generation = g;
    before = atomic_exchange_explicit(&current, v, memory_order_acq_rel);
    if (!before)
        return;
    before->token = rte_rcu_qsbr_start(qsbr);
    while (*tail)
        tail = &(*tail)->retired_next;
    *tail = before;
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A new table every millisecond; when a core has not let go of the version before, as soon as it
 * has. */
static void swap_versions(uint32_t swaps)
{
    uint64_t started = now_ns(), due = started;
    uint32_t waits = 0, i;

    /* On a busy machine a core may lose its CPU for long: then it is fewer swaps. */
    for (i = 1; i <= swaps && due < started + LONGEST_NS; i++) {
        const struct generation *g = &generations[i % GENERATIONS];
        struct ring_part *part;

        due = due + PERIOD_NS > now_ns() ? due + PERIOD_NS : now_ns();
        sleep_until(due);
        reclaim();
        while (!(part = ring_store_build(&store, g->member, MEMBERS, i))) {
            assert_int_equal(errno, EBUSY);
            waits++;
            sleep_until(now_ns() + WAIT_NS);
            reclaim();
        }
        publish(part, g);
    }
    printf("%u swaps in %.2f s, %u waits for a core\n", i - 1, (double)(now_ns() - started) / 1e9,
           waits);
}

/* ---- tests ---- */

static void no_lookup_sees_two_versions(void **state)
{
    atomic_store(&is_over, false);
    publish(ring_store_build(&store, generations[0].member, MEMBERS, 0), &generations[0]);
    for (uint32_t i = 0; i < CORES; i++)
        assert_int_equal(eal_launch(i, read_all_the_time, (void *)(uintptr_t)i), 0);
    swap_versions(SWAPS);
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < CORES; i++)
        assert_int_equal(eal_wait(i), 0);
    for (uint32_t i = 0; i < CORES; i++) {
        printf("core %u: %llu lookups in %llu versions, %llu torn\n", i,
               (unsigned long long)readers[i].lookups, (unsigned long long)readers[i].views,
               (unsigned long long)readers[i].torn);
        assert_int_equal(readers[i].torn, 0);
        assert_true(readers[i].views > 1); /* or nothing was shown */
    }
    assert_false(reclaim()); /* no core is online: all retired are freed */
    part_release(&current->part->part);
    free(current);
    atomic_store(&current, NULL);
}

/* The check above is worth what it finds: a table of two generations, half and half. */
static void the_check_finds_a_torn_table(void **state)
{
    const struct generation *a = &generations[1], *b = &generations[2];
    struct ring_member other[MEMBERS];
    size_t bytes;
    uint8_t *x, *y;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        other[i] = b->member[i];
        other[i].weight = a->member[i].weight; /* the same shape */
    }
    bytes = ring_bytes(a->member, MEMBERS);
    assert_int_equal(ring_bytes(other, MEMBERS), bytes);
    x = aligned_alloc(64, bytes);
    y = aligned_alloc(64, bytes);
    ring_build(x, a->member, MEMBERS, 1);
    ring_build(y, other, MEMBERS, 1);
    assert_int_equal(count_torn((struct ring *)x, a, 0, HASHES), 0);
    memcpy(x + bytes - bytes / 8, y + bytes - bytes / 8, bytes / 8); /* the last points */
    assert_true(count_torn((struct ring *)x, a, 0, HASHES) > HASHES / 16);
    assert_true(count_torn((struct ring *)y, a, 0, HASHES) > HASHES / 2);
    free(x);
    free(y);
}

static void a_version_is_used_again_only_when_nobody_holds_it(void **state)
{
    struct ring_part *a = ring_store_build(&store, generations[0].member, MEMBERS, 1), *b, *c;
    const struct ring *first = a->ring;

    assert_true(ring_store_has_room(&store));
    b = ring_store_build(&store, generations[1].member, MEMBERS, 2);
    assert_non_null(b);
    assert_ptr_not_equal(a->ring, b->ring);
    assert_false(ring_store_has_room(&store));
    errno = 0;
    assert_null(ring_store_build(&store, generations[2].member, MEMBERS, 3));
    assert_int_equal(errno, EBUSY);
    assert_int_equal(count_torn(a->ring, &generations[0], 0, HASHES), 0);
    assert_int_equal(count_torn(b->ring, &generations[1], 0, HASHES), 0);

    part_hold(&a->part); /* a second world */
    part_release(&a->part);
    assert_false(ring_store_has_room(&store));
    part_release(&a->part);
    c = ring_store_build(&store, generations[0].member, MEMBERS, 3);
    assert_non_null(c);
    assert_ptr_equal(c->ring, first);
    assert_int_equal(ring_epoch(c->ring), 3);
    assert_int_equal(count_torn(b->ring, &generations[1], 0, HASHES), 0);
    part_release(&b->part);
    part_release(&c->part);
}

static void a_version_grows_with_its_members(void **state)
{
    struct ring_member *m = calloc(MEMBERS_MAX, sizeof(*m));

    for (uint32_t count = 1; count <= MEMBERS_MAX; count *= 2) {
        struct ring_part *part;

        for (uint32_t i = 0; i < count; i++)
            m[i] = (struct ring_member){nth_hash(i), (uint16_t)i, RING_WEIGHT_ONE};
        part = ring_store_build(&store, m, count, count);
        assert_non_null(part);
        assert_int_equal(ring_points(part->ring), count * RING_VNODES * RING_VNODE_POINTS);
        assert_true(ring_home(part->ring, nth_hash(count)) < count);
        part_release(&part->part);
    }
    free(m);
}

static void without_memory_the_ring_in_use_stays(void **state)
{
    struct ring_part *a = ring_store_build(&store, generations[0].member, MEMBERS, 1), *b;
    struct ring_member *m = calloc(MEMBERS_MAX, sizeof(*m));

    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        m[i] = (struct ring_member){nth_hash(i), (uint16_t)i, RING_WEIGHT_MAX};
    errno = 0;
    assert_null(ring_store_build(&store, m, MEMBERS_MAX, 2)); /* 38 MB: more than there are */
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(count_torn(a->ring, &generations[0], 0, HASHES), 0);
    b = ring_store_build(&store, generations[1].member, MEMBERS, 3); /* and it can be tried again */
    assert_non_null(b);
    part_release(&a->part);
    part_release(&b->part);
    free(m);
}

static int start(void **state)
{
    struct eal_config c = {
        .name = "test-ring", .core_count = CORES, .memory_mb = 32, .huge = EAL_HUGE_OFF};
    struct eal_report report;
    size_t bytes = (rte_rcu_qsbr_get_memsize(CORES) + 63) / 64 * 64;

    c.core_cpu[1] = c.control_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    if (eal_start(&c, &report, NULL, 0))
        return -1;
    qsbr = aligned_alloc(64, bytes);
    if (!qsbr || rte_rcu_qsbr_init(qsbr, CORES))
        return -1;
    ring_store_init(&store);
    for (uint32_t g = 0; g < GENERATIONS; g++)
        make_generation(g);
    return 0;
}

static int stop(void **state)
{
    ring_store_fini(&store);
    free(qsbr);
    eal_stop();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_finds_a_torn_table),
        cmocka_unit_test(a_version_is_used_again_only_when_nobody_holds_it),
        cmocka_unit_test(a_version_grows_with_its_members),
        cmocka_unit_test(without_memory_the_ring_in_use_stays),
        cmocka_unit_test(no_lookup_sees_two_versions),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
