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

static struct job_ring_shared ring;
static struct job_producer producer;
static struct job_consumer consumer;

static struct rng random_numbers;

static uint32_t random_u32(void)
{
    return (uint32_t)rng_next(&random_numbers);
}

static int fresh(void **state)
{
    memset(&ring, 0, sizeof(ring));
    job_producer_init(&producer, &ring);
    job_consumer_init(&consumer, &ring);
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

static void a_full_ring_refuses_and_has_room_after_release(void **state)
{
    struct job_slot slot;
    for (uint32_t i = 0; i < JOB_RING_SLOTS; i++)
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
    static uint64_t model[JOB_RING_SLOTS * 2];
    uint32_t start = UINT32_MAX - 5000;
    atomic_store(&ring.tail, start);
    atomic_store(&ring.head, start);
    producer.tail = producer.head_seen = start;
    consumer.head = consumer.tail_seen = start;
    uint64_t pushed = 0, published = 0, popped = 0, released = 0;
    for (int step = 0; step < 300000; step++) {
        struct job_slot slot;
        switch (random_u32() % 8) {
        default: {
            bool fits = pushed - released < JOB_RING_SLOTS;
            assert_int_equal(push(pushed), fits);
            if (fits) {
                model[pushed % (JOB_RING_SLOTS * 2)] = pushed;
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
                assert_int_equal(slot.arg, model[popped++ % (JOB_RING_SLOTS * 2)]);
            }
            break;
        case 7:
            job_consumer_release(&consumer);
            released = popped;
            assert_int_equal(job_producer_free(&producer, JOB_RING_SLOTS),
                             JOB_RING_SLOTS - (pushed - released));
            break;
        }
    }
    assert_true(pushed > 10000);
}

static void an_impossible_tail_is_a_lie(void **state)
{
    struct job_slot slot;
    const uint32_t lies[] = {JOB_RING_SLOTS + 1, UINT32_MAX, 0x80000000u};
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        atomic_store(&ring.tail, lies[i]);
        assert_int_equal(job_consumer_pop(&consumer, &slot), JOB_RING_LIES);
    }
}

static void an_impossible_head_counts_as_full(void **state)
{
    for (uint32_t i = 0; i < JOB_RING_SLOTS; i++)
        assert_true(push(i));
    atomic_store(&ring.head, JOB_RING_SLOTS + 1); /* more than was ever sent */
    assert_int_equal(job_producer_free(&producer, 1), 0);
    assert_false(push(0));
    atomic_store(&ring.head, UINT32_MAX);
    assert_int_equal(job_producer_free(&producer, 1), 0);
}

/* Whatever the peer writes into the shared words, our books stay within the ring. */
static void random_words_never_break_the_books(void **state)
{
    struct job_slot slot;
    for (int step = 0; step < 200000; step++) {
        if (random_u32() % 4 == 0)
            atomic_store(&ring.tail,
                         random_u32() % 3 ? consumer.head + random_u32() % 2048 : random_u32());
        if (random_u32() % 4 == 0)
            atomic_store(&ring.head,
                         random_u32() % 3 ? producer.tail - random_u32() % 2048 : random_u32());
        uint32_t room = job_producer_free(&producer, 1 + random_u32() % JOB_RING_SLOTS);
        assert_true(room <= JOB_RING_SLOTS);
        push(step);
        job_consumer_pop(&consumer, &slot);
        assert_true(producer.tail - producer.head_seen <= JOB_RING_SLOTS);
        assert_true(consumer.tail_seen - consumer.head <= JOB_RING_SLOTS);
    }
}

static void a_popped_slot_is_a_copy(void **state)
{
    struct job_slot slot;
    push(1);
    job_producer_publish(&producer);
    job_consumer_pop(&consumer, &slot);
    ring.slot[0].arg = 2;
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
    size_t bytes = job_region_bytes(2);
    assert_int_equal(bytes % (2 << 20), 0);
    uint8_t *region = calloc(1, bytes);
    assert_non_null(region);
    assert_true(job_region_check(region, bytes) < 0);
    job_region_format(region, 2);
    assert_int_equal(job_region_check(region, bytes), 0);
    assert_true(job_region_check(region, bytes - (2 << 20)) < 0);
    uint8_t *end = (uint8_t *)(job_region_lane(region, 1) + 1);
    assert_true(end <= region + bytes);
    assert_int_equal((uintptr_t)((uint8_t *)job_region_lane(region, 1) - region) % 64, 0);
    struct job_region_header *header = (struct job_region_header *)region;
    header->lanes = JOB_LANES_MAX + 1;
    assert_true(job_region_check(region, bytes) < 0);
    header->lanes = 2;
    header->version++;
    assert_true(job_region_check(region, bytes) < 0);
    free(region);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_slot_is_seen_after_publish_only, fresh),
        cmocka_unit_test_setup(a_full_ring_refuses_and_has_room_after_release, fresh),
        cmocka_unit_test_setup(any_sequence_of_calls_behaves_like_a_queue, fresh),
        cmocka_unit_test_setup(an_impossible_tail_is_a_lie, fresh),
        cmocka_unit_test_setup(an_impossible_head_counts_as_full, fresh),
        cmocka_unit_test_setup(random_words_never_break_the_books, fresh),
        cmocka_unit_test_setup(a_popped_slot_is_a_copy, fresh),
        cmocka_unit_test_setup(only_a_sleeper_is_woken_and_only_once, fresh),
        cmocka_unit_test_setup(a_region_is_checked, fresh),
        cmocka_unit_test_setup(two_threads_lose_nothing_and_never_sleep_too_long, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
