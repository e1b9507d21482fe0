/* test_job: the rings, the sleep protocol and the region (runtime/job.h), alone, with a lying peer,
 * and with two threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/rng.h"
#include "runtime/job.h"

/* Room for the largest ring; the tests run with each geometry's. */
static _Alignas(64)
    uint8_t memory[sizeof(struct job_ring_shared) + JOB_RING_SLOTS_MAX * sizeof(struct job_slot)];
static struct job_ring_shared *const ring = (struct job_ring_shared *)memory;
static uint32_t slots;
static struct job_producer producer;
static struct job_consumer consumer;

static struct rng random_numbers;

static uint32_t random_u32(void)
{
    return (uint32_t)rng_next(&random_numbers);
}

static int fresh(void **state)
{
    memset(memory, 0, sizeof(memory));
    slots = ((const struct job_geometry *)*state)->slots;
    job_producer_init(&producer, ring, slots);
    job_consumer_init(&consumer, ring, slots);
    random_numbers.state = 1;
    return 0;
}

static bool push(uint64_t arg)
{
    return job_producer_push(&producer, &(struct job_slot){.type = JOB_CREDIT, .arg = arg});
}

static void a_slot_is_seen_after_publish_only(void **state)
{
    struct job_slot slot;
    assert_true(push(7));
    assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_EMPTY);
    assert_false(job_consumer_pending(&consumer));
    job_producer_publish(&producer);
    assert_true(job_consumer_pending(&consumer));
    assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_OK);
    assert_int_equal(slot.arg, 7);
    assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_EMPTY);
}

static void a_look_leaves_the_slot_where_it_is(void **state)
{
    struct job_slot slot;
    assert_true(push(7));
    assert_null(job_consumer_peek(&consumer));
    assert_true(push(8));
    job_producer_publish(&producer);
    for (uint64_t arg = 7; arg <= 8; arg++) {
        assert_int_equal(job_consumer_peek(&consumer)->arg, arg);
        assert_int_equal(job_consumer_peek(&consumer)->arg, arg);
        assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_OK);
        assert_int_equal(slot.arg, arg);
    }
    assert_null(job_consumer_peek(&consumer));
}

static void a_full_ring_refuses_and_has_room_after_release(void **state)
{
    struct job_slot slot;
    for (uint32_t i = 0; i < slots; i++)
        assert_true(push(i));
    assert_false(push(0));
    job_producer_publish(&producer);
    assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_OK);
    assert_false(push(0)); /* popped, not given back */
    job_consumer_release(&consumer);
    assert_true(push(0));
    assert_false(push(0));
}

/* Against a model: a queue in plain memory. The counters start just below their wrap. */
static void any_sequence_of_calls_behaves_like_a_queue(void **state)
{
    static uint64_t model[JOB_RING_SLOTS_MAX * 2];
    uint32_t start = UINT32_MAX - 5000;
    atomic_store(&ring->tail, start);
    atomic_store(&ring->head, start);
    producer.tail = producer.head_seen = start;
    consumer.head = consumer.tail_seen = start;
    uint64_t pushed = 0, published = 0, popped = 0, released = 0;
    for (int step = 0; step < 300000; step++) {
        struct job_slot slot;
        switch (random_u32() % 8) {
        default: {
            bool fits = pushed - released < slots;
            assert_int_equal(push(pushed), fits);
            if (fits) {
                model[pushed % (JOB_RING_SLOTS_MAX * 2)] = pushed;
                pushed++;
            }
            break;
        }
        case 3:
            job_producer_publish(&producer);
            published = pushed;
            break;
        case 4:
        case 5:
        case 6:
            if (popped == published) {
                assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_EMPTY);
            } else {
                assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_OK);
                assert_int_equal(slot.arg, model[popped++ % (JOB_RING_SLOTS_MAX * 2)]);
            }
            break;
        case 7:
            job_consumer_release(&consumer);
            released = popped;
            assert_int_equal(job_producer_free(&producer, slots), slots - (pushed - released));
            break;
        }
    }
    assert_true(pushed > 10000);
}

static void an_impossible_tail_is_a_lie(void **state)
{
    struct job_slot slot;
    const uint32_t lies[] = {slots + 1, UINT32_MAX, 0x80000000u};
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        atomic_store(&ring->tail, lies[i]);
        assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_LIES);
    }
}

static void an_impossible_head_counts_as_full(void **state)
{
    for (uint32_t i = 0; i < slots; i++)
        assert_true(push(i));
    atomic_store(&ring->head, slots + 1); /* more than was ever sent */
    assert_int_equal(job_producer_free(&producer, 1), 0);
    assert_false(push(0));
    atomic_store(&ring->head, UINT32_MAX);
    assert_int_equal(job_producer_free(&producer, 1), 0);
}

/* Whatever the peer writes into the shared words, our books stay within the ring. */
static void random_words_never_break_the_books(void **state)
{
    struct job_slot slot;
    for (int step = 0; step < 200000; step++) {
        if (random_u32() % 4 == 0)
            atomic_store(&ring->tail, random_u32() % 3 ? consumer.head + random_u32() % (2 * slots)
                                                       : random_u32());
        if (random_u32() % 4 == 0)
            atomic_store(&ring->head, random_u32() % 3 ? producer.tail - random_u32() % (2 * slots)
                                                       : random_u32());
        uint32_t room = job_producer_free(&producer, 1 + random_u32() % slots);
        assert_true(room <= slots);
        push(step);
        job_consumer_pop(&consumer, &slot);
        assert_true(producer.tail - producer.head_seen <= slots);
        assert_true(consumer.tail_seen - consumer.head <= slots);
    }
}

static void a_popped_slot_is_a_copy(void **state)
{
    struct job_slot slot;
    push(1);
    job_producer_publish(&producer);
    job_consumer_pop(&consumer, &slot);
    ring->slot[0].arg = 2;
    assert_int_equal(slot.arg, 1);
}

static void only_a_sleeper_is_woken_and_only_once(void **state)
{
    struct job_sleeper sleeper = {0};
    assert_false(job_sleeper_take(&sleeper));
    atomic_store(&sleeper.asleep, 1);
    assert_true(job_sleeper_take(&sleeper));
    assert_false(job_sleeper_take(&sleeper));
}

static void a_region_is_checked(void **state)
{
    const struct job_geometry *g = *state;
    size_t bytes = job_region_bytes(2, g), page = job_region_page_bytes(g);
    assert_int_equal(bytes % page, 0);
    uint8_t *region = aligned_alloc(4096, bytes);
    assert_non_null(region);
    memset(region, 0, bytes);
    assert_true(job_region_check(region, bytes) < 0);
    job_region_format(region, 2, g);
    assert_int_equal(job_region_check(region, bytes), 0);
    assert_true(job_region_check(region, bytes - page) < 0);
    struct job_region_header *header = (struct job_region_header *)region;
    header->lanes = JOB_LANES_MAX + 1;
    assert_true(job_region_check(region, bytes) < 0);
    header->lanes = 2;
    header->version++;
    assert_true(job_region_check(region, bytes) < 0);
    free(region);
}

static void the_parts_of_a_region_do_not_overlap(void **state)
{
    const struct job_geometry *g = *state;
    size_t bytes = job_region_bytes(2, g);
    uint8_t *region = aligned_alloc(4096, bytes), *end = region + sizeof(struct job_region_header);
    for (uint32_t i = 0; i < 2; i++) {
        struct job_lane lane;
        job_region_lane(region, g, i, &lane);
        size_t ring_bytes = sizeof(struct job_ring_shared) + g->slots * sizeof(struct job_slot);
        size_t returns_bytes = sizeof(struct arena_shared) + g->chunks * sizeof(uint32_t);
        size_t arena_bytes = g->chunks * (size_t)ARENA_CHUNK_BYTES;
        const struct {
            void *at;
            size_t bytes, alignment;
        } parts[] = {
            {lane.down, ring_bytes, 64},
            {lane.up, ring_bytes, 64},
            {lane.arena_down.shared, returns_bytes, 64},
            {lane.arena_up.shared, returns_bytes, 64},
            {lane.arena_down.bytes, arena_bytes, 4096},
            {lane.arena_up.bytes, arena_bytes, 4096},
        };
        for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++) {
            assert_true((uint8_t *)parts[p].at >= end);
            assert_int_equal((uintptr_t)parts[p].at % parts[p].alignment, 0);
            end = (uint8_t *)parts[p].at + parts[p].bytes;
        }
    }
    assert_true(end <= region + bytes);
    free(region);
}

static void regions_are_as_large_as_said(void **state)
{
    assert_int_equal(job_region_bytes(1, &job_geometry_small), 8192 + 143360);
    assert_int_equal(job_region_page_bytes(&job_geometry_small), 4096);
    assert_int_equal(job_region_bytes(1, &job_geometry_large), 9 * (2 << 20));
    assert_int_equal(job_region_page_bytes(&job_geometry_large), 2 << 20);
}

static void a_geometry_has_bounds(void **state)
{
    static const struct {
        const char *what;
        struct job_geometry geometry;
        bool is_sane;
    } rows[] = {
        {"the least", {64, 16, 1, 256}, true},
        {"the most", {JOB_RING_SLOTS_MAX, ARENA_CHUNKS_MAX, JOB_JOBS_MAX, 256}, true},
        {"nothing", {0, 0, 0, 256}, false},
        {"slots that are no power of two", {96, 16, 64, 256}, false},
        {"too few slots", {32, 16, 64, 256}, false},
        {"too many slots", {2 * JOB_RING_SLOTS_MAX, 16, 64, 256}, false},
        {"chunks that are no power of two", {64, 24, 64, 256}, false},
        {"chunks for less than the first credit", {64, 8, 64, 256}, false},
        {"too many chunks", {64, 2 * ARENA_CHUNKS_MAX, 64, 256}, false},
        {"no job", {64, 16, 0, 256}, false},
        {"no sub-request", {64, 16, 64, 0}, false},
        {"too many sub-requests", {64, 16, 64, JOB_SUBS_MAX + 1}, false},
        {"too many jobs", {64, 16, JOB_JOBS_MAX + 1, 256}, false},
    };
    static _Alignas(64) struct job_region_header header;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        job_region_format(&header, 1, &job_geometry_small);
        header.geometry = rows[i].geometry;
        if (job_geometry_is_sane(&rows[i].geometry) != rows[i].is_sane ||
            (job_region_check(&header, SIZE_MAX) == 0) != rows[i].is_sane)
            fail_msg("%s", rows[i].what);
    }
}

/* ---- two threads: slots arrive once, in order, whole; nobody sleeps through a message ---- */

enum { STRESS_SLOTS = 2000000 };

static struct job_sleeper sleeper;
static _Atomic uint64_t wakes; /* stands for the eventfd */

static void *produce(void *arg)
{
    struct job_producer *p = arg;
    uint64_t seed = 1;
    for (uint64_t i = 0; i < STRESS_SLOTS;) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t burst = 1 + (uint32_t)(seed >> 58);
        for (; burst && i < STRESS_SLOTS; burst--, i++) {
            struct job_slot slot = {.type = JOB_DATA, .arg = i, .arg2 = ~i, .job = (uint32_t)i};
            while (!job_producer_push(p, &slot)) {
                job_producer_publish(p);
                sched_yield();
            }
        }
        job_producer_publish(p);
        if (job_sleeper_take(&sleeper))
            atomic_fetch_add(&wakes, 1);
    }
    return NULL;
}

static void two_threads_lose_nothing_and_never_sleep_too_long(void **state)
{
    pthread_t thread;
    struct job_slot slot;
    uint64_t expected = 0, slept = 0;
    atomic_store(&wakes, 0);
    pthread_create(&thread, NULL, produce, &producer);
    while (expected < STRESS_SLOTS) {
        enum job_ring_result got = job_consumer_pop(&consumer, &slot);
        if (got == JOB_RING_OK) {
            assert_int_equal(slot.arg, expected);
            assert_int_equal(slot.arg2, ~expected);
            assert_int_equal(slot.job, (uint32_t)expected);
            expected++;
            if (expected % 32 == 0)
                job_consumer_release(&consumer);
            continue;
        }
        assert_int_equal(got, JOB_RING_EMPTY);
        job_consumer_release(&consumer);
        atomic_store(&sleeper.asleep, 1);
        if (!job_consumer_pending(&consumer)) {
            uint64_t before = slept++;
            while (atomic_load(&wakes) ==
                   before) /* the producer must ring: it has something left to say */
                sched_yield();
        } else if (!atomic_exchange(&sleeper.asleep, 0)) {
            slept++; /* it rang in between */
            while (atomic_load(&wakes) < slept)
                sched_yield();
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_EMPTY);
}

/* Each test with each geometry. */
static const struct job_geometry *const geometries[] = {&job_geometry_small, &job_geometry_large};
#define EACH(test) cmocka_unit_test_prestate_setup_teardown(test, fresh, NULL, geometry)

int main(void)
{
    int failed = 0;
    const struct CMUnitTest once[] = {
        cmocka_unit_test(regions_are_as_large_as_said),
        cmocka_unit_test(a_geometry_has_bounds),
    };
    failed += cmocka_run_group_tests(once, NULL, NULL);
    for (size_t i = 0; i < sizeof(geometries) / sizeof(*geometries); i++) {
        void *geometry = (void *)geometries[i];
        const struct CMUnitTest tests[] = {
            EACH(a_slot_is_seen_after_publish_only),
            EACH(a_look_leaves_the_slot_where_it_is),
            EACH(a_full_ring_refuses_and_has_room_after_release),
            EACH(any_sequence_of_calls_behaves_like_a_queue),
            EACH(an_impossible_tail_is_a_lie),
            EACH(an_impossible_head_counts_as_full),
            EACH(random_words_never_break_the_books),
            EACH(a_popped_slot_is_a_copy),
            EACH(only_a_sleeper_is_woken_and_only_once),
            EACH(a_region_is_checked),
            EACH(the_parts_of_a_region_do_not_overlap),
            EACH(two_threads_lose_nothing_and_never_sleep_too_long),
        };
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
