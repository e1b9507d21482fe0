/* test_arena: chunks are lent once, come back once, and a lying peer gains nothing
 * (runtime/arena.h). */
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

static struct arena_shared shared;
static struct arena_owner owner;
static struct arena_peer peer;
static struct rng random_numbers;

static uint32_t random_u32(void)
{
    return (uint32_t)rng_next(&random_numbers);
}

static int fresh(void **state)
{
    memset(&shared, 0, sizeof(shared));
    arena_owner_init(&owner, &shared);
    arena_peer_init(&peer, &shared);
    random_numbers.state = 1;
    return 0;
}

static void every_chunk_is_lent_once(void **state)
{
    static bool seen[ARENA_CHUNKS];
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < ARENA_CHUNKS; i++) {
        uint32_t chunk = arena_take(&owner);
        assert_true(chunk < ARENA_CHUNKS && !seen[chunk]);
        seen[chunk] = true;
    }
    assert_int_equal(arena_take(&owner), ARENA_NONE);
    assert_int_equal(arena_available(&owner, 1), 0);
}

static void what_the_owner_writes_the_peer_reads(void **state)
{
    uint32_t chunk = arena_take(&owner);
    memset(arena_bytes(&owner, chunk), 0x5a, ARENA_CHUNK_BYTES);
    const uint8_t *view = arena_view(&peer, chunk);
    assert_int_equal(view[0], 0x5a);
    assert_int_equal(view[ARENA_CHUNK_BYTES - 1], 0x5a);
    assert_null(arena_view(&peer, ARENA_CHUNKS));
    assert_null(arena_view(&peer, ARENA_NONE));
}

static void an_untaken_chunk_is_free_again(void **state)
{
    uint32_t chunk = arena_take(&owner);
    arena_untake(&owner, chunk);
    assert_int_equal(arena_available(&owner, 1), ARENA_CHUNKS);
    assert_int_equal(arena_take(&owner), chunk);
}

/* Random takes and returns against a model of who holds what. */
static void chunks_are_conserved(void **state)
{
    static uint32_t held[ARENA_CHUNKS];
    uint32_t count = 0;
    for (int step = 0; step < 300000; step++) {
        if (random_u32() % 2 && count < ARENA_CHUNKS) {
            uint32_t chunk = arena_take(&owner);
            assert_int_not_equal(chunk, ARENA_NONE);
            held[count++] = chunk;
        } else if (count) {
            uint32_t at = random_u32() % count;
            assert_true(arena_give_back(&peer, held[at]));
            held[at] = held[--count];
        }
    }
    assert_int_equal(arena_available(&owner, ARENA_CHUNKS), ARENA_CHUNKS - count);
    assert_false(owner.lied);
}

struct lie {
    const char *what;
    uint32_t chunk;
};

static void returning_what_is_not_lent_is_a_lie_and_lends_nothing_twice(void **state)
{
    static const struct lie lies[] = {{"a chunk that is free", 5},
                                      {"out of range", ARENA_CHUNKS},
                                      {"far out of range", ARENA_NONE}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        fresh(NULL);
        uint32_t lent = arena_take(&owner);
        assert_true(arena_give_back(&peer, lies[i].chunk));
        assert_int_equal(arena_available(&owner, ARENA_CHUNKS), ARENA_CHUNKS - 1);
        assert_true(owner.lied);
        (void)lent;
    }
}

static void returning_twice_is_a_lie(void **state)
{
    uint32_t chunk = arena_take(&owner);
    arena_give_back(&peer, chunk);
    arena_give_back(&peer, chunk);
    assert_int_equal(arena_available(&owner, ARENA_CHUNKS), ARENA_CHUNKS);
    assert_true(owner.lied);
}

static void an_impossible_returns_tail_is_a_lie(void **state)
{
    arena_take(&owner);
    atomic_store(&shared.returns_tail, ARENA_CHUNKS + 1);
    assert_int_equal(arena_available(&owner, ARENA_CHUNKS), ARENA_CHUNKS - 1);
    assert_true(owner.lied);
}

static void a_full_returns_ring_is_told_to_the_peer(void **state)
{
    for (uint32_t i = 0; i < ARENA_CHUNKS; i++)
        assert_true(arena_give_back(&peer, i));
    assert_false(arena_give_back(&peer, 0));
}

/* A peer that scribbles over everything shared: no chunk is ever held twice, no book leaves its
 * bounds. */
static void a_scribbling_peer_makes_no_chunk_be_used_twice(void **state)
{
    static bool held[ARENA_CHUNKS];
    memset(held, 0, sizeof(held));
    for (int step = 0; step < 200000; step++) {
        switch (random_u32() % 4) {
        case 0:
            shared.returns[random_u32() % ARENA_CHUNKS] = random_u32() % (ARENA_CHUNKS + 8);
            break;
        case 1:
            atomic_store(&shared.returns_tail,
                         owner.returns_head + random_u32() % (2 * ARENA_CHUNKS));
            break;
        case 2:
            arena_available(&owner, 1 + random_u32() % ARENA_CHUNKS);
            for (uint32_t c = 0; c < ARENA_CHUNKS; c++)
                if (held[c] && !owner.is_lent[c])
                    held[c] =
                        false; /* it came back, by whatever claim: the peer hurts only itself */
            break;
        case 3: {
            uint32_t before_free = owner.free_count;
            uint32_t chunk = arena_take(&owner);
            (void)before_free;
            if (chunk == ARENA_NONE)
                break;
            assert_true(chunk < ARENA_CHUNKS);
            for (uint32_t i = 0; i < owner.free_count; i++)
                assert_int_not_equal(owner.free[i], chunk);
            held[chunk] = true;
            break;
        }
        }
        assert_true(owner.free_count <= ARENA_CHUNKS);
        if (step % 1000 == 0) {
            uint32_t lent = 0;
            for (uint32_t c = 0; c < ARENA_CHUNKS; c++)
                lent += owner.is_lent[c];
            assert_int_equal(lent + owner.free_count, ARENA_CHUNKS);
        }
    }
}

/* ---- two threads: the owner fills, a ring names, the peer checks and returns ---- */

enum { STRESS_CHUNKS = 500000 };
static struct job_ring_shared ring;

static void *check_and_return(void *arg)
{
    struct job_consumer consumer;
    struct job_slot slot;
    job_consumer_init(&consumer, &ring);
    uint64_t bad = 0;
    for (uint64_t i = 0; i < STRESS_CHUNKS;) {
        if (job_consumer_pop(&consumer, &slot) != JOB_RING_OK) {
            sched_yield();
            continue;
        }
        const uint8_t *view = arena_view(&peer, slot.chunk[0]);
        uint64_t first, last;
        memcpy(&first, view, 8);
        memcpy(&last, view + ARENA_CHUNK_BYTES - 8, 8);
        bad += first != i || last != ~i;
        bad += !arena_give_back(&peer, slot.chunk[0]);
        job_consumer_release(&consumer);
        i++;
    }
    return (void *)(uintptr_t)bad;
}

static void two_threads_never_share_a_chunk(void **state)
{
    struct job_producer producer;
    pthread_t thread;
    void *bad;
    memset(&ring, 0, sizeof(ring));
    job_producer_init(&producer, &ring);
    pthread_create(&thread, NULL, check_and_return, NULL);
    for (uint64_t i = 0; i < STRESS_CHUNKS; i++) {
        uint32_t chunk;
        uint64_t not = ~i;
        while ((chunk = arena_take(&owner)) == ARENA_NONE)
            sched_yield();
        memcpy(arena_bytes(&owner, chunk), &i, 8);
        memcpy(arena_bytes(&owner, chunk) + ARENA_CHUNK_BYTES - 8, &not, 8);
        struct job_slot slot = {.type = JOB_DATA, .chunk_count = 1, .chunk = {chunk}};
        while (!job_producer_push(&producer, &slot))
            sched_yield();
        job_producer_publish(&producer);
    }
    pthread_join(thread, &bad);
    assert_null(bad);
    assert_int_equal(arena_available(&owner, ARENA_CHUNKS), ARENA_CHUNKS);
    assert_false(owner.lied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_chunk_is_lent_once, fresh),
        cmocka_unit_test_setup(what_the_owner_writes_the_peer_reads, fresh),
        cmocka_unit_test_setup(an_untaken_chunk_is_free_again, fresh),
        cmocka_unit_test_setup(chunks_are_conserved, fresh),
        cmocka_unit_test_setup(returning_what_is_not_lent_is_a_lie_and_lends_nothing_twice, fresh),
        cmocka_unit_test_setup(returning_twice_is_a_lie, fresh),
        cmocka_unit_test_setup(an_impossible_returns_tail_is_a_lie, fresh),
        cmocka_unit_test_setup(a_full_returns_ring_is_told_to_the_peer, fresh),
        cmocka_unit_test_setup(a_scribbling_peer_makes_no_chunk_be_used_twice, fresh),
        cmocka_unit_test_setup(two_threads_never_share_a_chunk, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
