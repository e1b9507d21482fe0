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

/* Lane 0 of a region; its downward arena. The tests run with each geometry. */
static void *region;
static const struct job_geometry *geometry;
static uint32_t chunks;
static struct job_lane lane;
static struct arena_shared *shared;
static uint16_t lists[ARENA_CHUNKS_MAX * 3 / 2];
static struct arena_owner owner;
static struct arena_peer peer;
static struct rng random_numbers;

static uint32_t random_u32(void)
{
    return (uint32_t)rng_next(&random_numbers);
}

static int fresh(void **state)
{
    geometry = *state;
    chunks = geometry->chunks;
    region = aligned_alloc(4096, job_region_bytes(1, geometry));
    memset(region, 0, job_region_bytes(1, geometry));
    job_region_lane(region, geometry, 0, &lane);
    shared = lane.arena_down.shared;
    assert_true(arena_lists_bytes(chunks) <= sizeof(lists));
    arena_owner_init(&owner, &lane.arena_down, lists);
    arena_peer_init(&peer, &lane.arena_down);
    random_numbers.state = 1;
    return 0;
}

static int done(void **state)
{
    free(region);
    return 0;
}

static void every_chunk_is_lent_once(void **state)
{
    static bool seen[ARENA_CHUNKS_MAX];
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < chunks; i++) {
        uint32_t chunk = arena_take(&owner);
        assert_true(chunk < chunks && !seen[chunk]);
        seen[chunk] = true;
    }
    assert_int_equal(arena_take(&owner), ARENA_NONE);
    assert_int_equal(arena_available(&owner), 0);
}

static void what_the_owner_writes_the_peer_reads(void **state)
{
    uint32_t chunk = arena_take(&owner);
    memset(arena_bytes(&owner, chunk), 0x5a, ARENA_CHUNK_BYTES);
    const uint8_t *view = arena_view(&peer, chunk);
    assert_int_equal(view[0], 0x5a);
    assert_int_equal(view[ARENA_CHUNK_BYTES - 1], 0x5a);
    assert_null(arena_view(&peer, chunks));
    assert_null(arena_view(&peer, ARENA_NONE));
}

static void an_untaken_chunk_is_free_again(void **state)
{
    uint32_t chunk = arena_take(&owner);
    arena_untake(&owner, chunk);
    assert_int_equal(arena_available(&owner), chunks);
    assert_int_equal(arena_take(&owner), chunk);
}

/* Random takes and returns against a model of who holds what. */
static void chunks_are_conserved(void **state)
{
    static uint32_t held[ARENA_CHUNKS_MAX];
    uint32_t count = 0;
    for (int step = 0; step < 300000; step++) {
        if (random_u32() % 2 && count < chunks) {
            uint32_t chunk = arena_take(&owner);
            assert_int_not_equal(chunk, ARENA_NONE);
            held[count++] = chunk;
        } else if (count) {
            uint32_t at = random_u32() % count;
            assert_true(arena_give_back(&peer, held[at]));
            held[at] = held[--count];
        }
    }
    assert_int_equal(arena_available(&owner), chunks - count);
    assert_false(owner.lied);
}

/* Pages that were never touched cost nothing: an arena that is little used must stay small. */
static void a_drained_arena_is_not_walked_through(void **state)
{
    static bool touched[ARENA_CHUNKS_MAX];
    uint32_t count = 0;
    memset(touched, 0, sizeof(touched));
    for (int send = 0; send < 1000; send++) {
        uint32_t sent[2];
        assert_true(arena_available(&owner) >= 2);
        for (int i = 0; i < 2; i++) {
            sent[i] = arena_take(&owner);
            count += !touched[sent[i]];
            touched[sent[i]] = true;
        }
        for (int i = 0; i < 2; i++)
            assert_true(arena_give_back(&peer, sent[i]));
    }
    assert_int_equal(count, 2);
}

struct lie {
    const char *what;
    uint32_t chunk;
};

static void returning_what_is_not_lent_is_a_lie_and_lends_nothing_twice(void **state)
{
    const struct lie lies[] = {
        {"a chunk that is free", 5}, {"out of range", chunks}, {"far out of range", ARENA_NONE}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        free(region);
        fresh(state);
        uint32_t lent = arena_take(&owner);
        assert_true(arena_give_back(&peer, lies[i].chunk));
        assert_int_equal(arena_available(&owner), chunks - 1);
        assert_true(owner.lied);
        (void)lent;
    }
}

static void returning_twice_is_a_lie(void **state)
{
    uint32_t chunk = arena_take(&owner);
    arena_give_back(&peer, chunk);
    arena_give_back(&peer, chunk);
    assert_int_equal(arena_available(&owner), chunks);
    assert_true(owner.lied);
}

static void an_impossible_returns_tail_is_a_lie(void **state)
{
    arena_take(&owner);
    atomic_store(&shared->returns_tail, chunks + 1);
    assert_int_equal(arena_available(&owner), chunks - 1);
    assert_true(owner.lied);
}

static void a_full_returns_ring_is_told_to_the_peer(void **state)
{
    for (uint32_t i = 0; i < chunks; i++)
        assert_true(arena_give_back(&peer, i));
    assert_false(arena_give_back(&peer, 0));
}

/* A peer that scribbles over everything shared: no chunk is ever held twice, no book leaves its
 * bounds. */
static void a_scribbling_peer_makes_no_chunk_be_used_twice(void **state)
{
    static bool held[ARENA_CHUNKS_MAX];
    memset(held, 0, sizeof(held));
    for (int step = 0; step < 200000; step++) {
        switch (random_u32() % 4) {
        case 0:
            shared->returns[random_u32() % chunks] = random_u32() % (chunks + 8);
            break;
        case 1:
            atomic_store(&shared->returns_tail, owner.returns_head + random_u32() % (2 * chunks));
            break;
        case 2:
            arena_available(&owner);
            for (uint32_t c = 0; c < chunks; c++)
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
            assert_true(chunk < chunks);
            for (uint32_t i = 0; i < owner.free_count; i++)
                assert_int_not_equal(owner.free[i], chunk);
            held[chunk] = true;
            break;
        }
        }
        assert_true(owner.free_count <= chunks);
        if (step % 1000 == 0) {
            uint32_t lent = 0;
            for (uint32_t c = 0; c < chunks; c++)
                lent += owner.is_lent[c];
            assert_int_equal(lent + owner.free_count, chunks);
        }
    }
}

/* ---- two threads: the owner fills, a ring names, the peer checks and returns ---- */

enum { STRESS_CHUNKS = 500000 };

static void *check_and_return(void *arg)
{
    struct job_consumer consumer;
    struct job_slot slot;
    job_consumer_init(&consumer, lane.down, geometry->slots);
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
    job_producer_init(&producer, lane.down, geometry->slots);
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
    assert_int_equal(arena_available(&owner), chunks);
    assert_false(owner.lied);
}

/* Each test with each geometry. */
static const struct job_geometry *const geometries[] = {&job_geometry_small, &job_geometry_large};
#define EACH(test) cmocka_unit_test_prestate_setup_teardown(test, fresh, done, given)

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof(geometries) / sizeof(*geometries); i++) {
        void *given = (void *)geometries[i];
        const struct CMUnitTest tests[] = {
            EACH(every_chunk_is_lent_once),
            EACH(what_the_owner_writes_the_peer_reads),
            EACH(an_untaken_chunk_is_free_again),
            EACH(chunks_are_conserved),
            EACH(a_drained_arena_is_not_walked_through),
            EACH(returning_what_is_not_lent_is_a_lie_and_lends_nothing_twice),
            EACH(returning_twice_is_a_lie),
            EACH(an_impossible_returns_tail_is_a_lie),
            EACH(a_full_returns_ring_is_told_to_the_peer),
            EACH(a_scribbling_peer_makes_no_chunk_be_used_twice),
            EACH(two_threads_never_share_a_chunk),
        };
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
