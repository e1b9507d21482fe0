#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/chunk.h"

enum { POOL_CHUNKS = 8 };

struct fixture {
    struct chunk_pool pool;
    struct byte_queue queue;
    struct chunk chunk[POOL_CHUNKS];
    uint8_t pattern[POOL_CHUNKS * CHUNK_ROOM + 100];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    chunk_pool_init(&f->pool, f->chunk, POOL_CHUNKS);
    for (size_t i = 0; i < sizeof(f->pattern); i++)
        f->pattern[i] = (uint8_t)(i * 7 + i / 251);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void pool_gives_each_chunk_once_and_then_none(void **state)
{
    struct fixture *f = *state;
    struct chunk_account account = {0};
    struct chunk *taken[POOL_CHUNKS];

    for (int i = 0; i < POOL_CHUNKS; i++) {
        taken[i] = chunk_take(&f->pool, &account, CHUNK_MUST);
        assert_non_null(taken[i]);
        assert_null(taken[i]->next);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(taken[i], taken[j]);
    }
    assert_null(chunk_take(&f->pool, &account, CHUNK_MUST));
    assert_int_equal(f->pool.free_count, 0);
    for (int i = 0; i < POOL_CHUNKS; i++)
        chunk_give(&f->pool, &account, taken[i]);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS);
    assert_int_equal(account.held, 0);
    assert_non_null(chunk_take(&f->pool, &account, CHUNK_MUST));
}

/* A pool of many megabytes costs what is used of it. */
static void what_was_never_taken_is_not_touched(void **state)
{
    struct fixture *f = *state;
    static const struct chunk zero;
    struct chunk_account account = {0};
    struct chunk *first = chunk_take(&f->pool, &account, CHUNK_MUST);

    chunk_give(&f->pool, &account, first);
    assert_ptr_equal(chunk_take(&f->pool, &account, CHUNK_MUST), first);
    for (int i = 0; i < POOL_CHUNKS; i++)
        assert_memory_equal(&f->chunk[i], &zero, sizeof(zero));
    assert_ptr_not_equal(chunk_take(&f->pool, &account, CHUNK_MUST), first);
}

/* Takes all that a rank gets; how many. The account keeps them. */
static uint32_t take_all(struct chunk_pool *pool, struct chunk_account *a, enum chunk_rank rank)
{
    uint32_t count = 0, room = chunk_room(pool, a, rank);

    while (chunk_take(pool, a, rank) != NULL)
        count++;
    assert_int_equal(count, room);
    return count;
}

static void each_rank_leaves_its_part_to_those_that_can_wait_less(void **state)
{
    static const struct {
        const char *name;
        enum chunk_rank rank;
        uint32_t left;
    } row[] = {{"spares: half", CHUNK_SPARES, 32},
               {"waits: a quarter", CHUNK_WAITS, 16},
               {"begins: an eighth", CHUNK_BEGINS, 8},
               {"comes: a sixteenth", CHUNK_COMES, 4},
               {"must: nothing", CHUNK_MUST, 0}};
    static struct chunk memory[64];
    struct chunk_pool pool;
    struct chunk_account account = {0};

    chunk_pool_init(&pool, memory, 64);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        take_all(&pool, &account, row[i].rank);
        if (pool.free_count != row[i].left)
            fail_msg("%s: %u are left", row[i].name, pool.free_count);
    }
}

static void a_floor_is_there_whatever_others_take(void **state)
{
    struct fixture *f = *state;
    struct chunk_account mine = {0}, other = {0};
    struct chunk *chunk;

    assert_true(chunk_reserve(&f->pool, &mine, 3, CHUNK_MUST));
    assert_int_equal(f->pool.owed, 3);
    assert_int_equal(take_all(&f->pool, &other, CHUNK_MUST), POOL_CHUNKS - 3);
    for (int i = 0; i < 3; i++)
        assert_non_null(chunk = chunk_take(&f->pool, &mine, CHUNK_SPARES));
    assert_null(chunk_take(&f->pool, &mine, CHUNK_MUST));
    /* What it gives back below its floor is its own again; what others give is everybody's. */
    chunk_give(&f->pool, &mine, chunk);
    assert_int_equal(chunk_shared(&f->pool), 0);
    assert_null(chunk_take(&f->pool, &other, CHUNK_MUST));
    assert_non_null(chunk_take(&f->pool, &mine, CHUNK_SPARES));
}

static void floors_are_never_more_than_there_is(void **state)
{
    struct fixture *f = *state;
    struct chunk_account a = {0}, b = {0};

    assert_true(chunk_reserve(&f->pool, &a, 5, CHUNK_MUST));
    assert_false(chunk_reserve(&f->pool, &b, 4, CHUNK_MUST));
    assert_false(chunk_reserve(&f->pool, &b, 3, CHUNK_BEGINS)); /* leaves an eighth */
    assert_int_equal(b.floor, 0);
    assert_true(chunk_reserve(&f->pool, &b, 3, CHUNK_MUST));
    assert_int_equal(chunk_shared(&f->pool), 0);
    assert_true(chunk_reserve(&f->pool, &a, 2, CHUNK_MUST)); /* lower: always */
    assert_true(chunk_reserve(&f->pool, &b, 6, CHUNK_MUST));
    assert_int_equal(chunk_shared(&f->pool), 0);
}

static void a_higher_floor_counts_what_is_held_already(void **state)
{
    struct fixture *f = *state;
    struct chunk_account a = {0};

    assert_int_equal(take_all(&f->pool, &a, CHUNK_MUST), POOL_CHUNKS);
    assert_true(chunk_reserve(&f->pool, &a, POOL_CHUNKS, CHUNK_MUST));
    assert_int_equal(f->pool.owed, 0);
    assert_false(chunk_reserve(&f->pool, &a, POOL_CHUNKS + 1, CHUNK_MUST));
}

static void a_queue_holds_with_its_floor_what_it_says(void **state)
{
    struct fixture *f = *state;
    struct chunk_account other = {0};
    struct byte_queue *q = &f->queue;

    assert_int_equal(byte_queue_own_bytes(q), 0);
    assert_true(chunk_reserve(&f->pool, &q->account, byte_queue_chunks(5000), CHUNK_MUST));
    assert_true(byte_queue_own_bytes(q) >= 5000);
    take_all(&f->pool, &other, CHUNK_MUST);

    /* Wherever in a chunk they begin. */
    uint32_t own = byte_queue_own_bytes(q);

    for (int i = 0; i < 3 * CHUNK_ROOM; i++) {
        assert_int_equal(byte_queue_append(q, &f->pool, f->pattern, own - q->bytes),
                         own - q->bytes);
        assert_int_equal(q->bytes, own);
        byte_queue_consume(q, &f->pool, 1);
    }
    byte_queue_fini(q, &f->pool);
    assert_int_equal(f->pool.owed, 0);
}

static void append_stops_when_the_pool_is_empty(void **state)
{
    struct fixture *f = *state;
    size_t room = POOL_CHUNKS * (size_t)CHUNK_ROOM;

    assert_int_equal(byte_queue_append(&f->queue, &f->pool, f->pattern, room + 100), room);
    assert_int_equal(f->queue.bytes, room);
    assert_int_equal(byte_queue_append(&f->queue, &f->pool, f->pattern, 1), 0);
    byte_queue_consume(&f->queue, &f->pool, CHUNK_ROOM);
    assert_int_equal(byte_queue_append(&f->queue, &f->pool, f->pattern, 1), 1);
}

static void an_empty_queue_holds_no_chunk(void **state)
{
    struct fixture *f = *state;

    byte_queue_append(&f->queue, &f->pool, f->pattern, 10);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS - 1);
    byte_queue_consume(&f->queue, &f->pool, 10);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS);
    byte_queue_append(&f->queue, &f->pool, f->pattern, CHUNK_ROOM);
    byte_queue_consume(&f->queue, &f->pool, CHUNK_ROOM);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS);
}

static void clear_gives_everything_back(void **state)
{
    struct fixture *f = *state;

    byte_queue_append(&f->queue, &f->pool, f->pattern, 3 * CHUNK_ROOM + 5);
    byte_queue_consume(&f->queue, &f->pool, 17);
    byte_queue_clear(&f->queue, &f->pool);
    assert_int_equal(f->queue.bytes, 0);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS);
    byte_queue_clear(&f->queue, &f->pool);
}

static void peek_past_the_end_is_empty(void **state)
{
    struct fixture *f = *state;
    size_t len = 99;

    byte_queue_peek(&f->queue, 0, &len);
    assert_int_equal(len, 0);
    byte_queue_append(&f->queue, &f->pool, f->pattern, 10);
    len = 99;
    byte_queue_peek(&f->queue, 10, &len);
    assert_int_equal(len, 0);
    byte_queue_peek(&f->queue, UINT32_MAX, &len);
    assert_int_equal(len, 0);
}

/* Against the simplest model there is: the stream's bytes are a function of their position. */
static void random_operations_agree_with_a_flat_buffer(void **state)
{
    struct fixture *f = *state;
    uint64_t random = 88172645463325252u;
    size_t written = 0, consumed = 0; /* positions in an endless stream */

    for (int step = 0; step < 200000; step++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;

        size_t n = (random >> 8) % 5000;
        size_t held = written - consumed;

        assert_int_equal(f->queue.bytes, held);
        switch (random % 4) {
        case 0: {
            uint8_t bytes[5000];

            for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)((written + i) * 131 >> 3);
            written += byte_queue_append(&f->queue, &f->pool, bytes, n);
            break;
        }
        case 1:
            n = held == 0 ? 0 : n % (held + 1);
            byte_queue_consume(&f->queue, &f->pool, (uint32_t)n);
            consumed += n;
            break;
        case 2: {
            size_t len, offset = held == 0 ? 0 : n % held;
            const uint8_t *view = byte_queue_peek(&f->queue, (uint32_t)offset, &len);

            assert_true(len <= held - offset);
            assert_true(held == 0 || len > 0);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(view[i], (uint8_t)((consumed + offset + i) * 131 >> 3));
            break;
        }
        default: {
            uint8_t bytes[5000];
            size_t offset = held == 0 ? 0 : (random >> 32) % held;
            size_t len = held - offset < n ? held - offset : n;

            byte_queue_copy(&f->queue, (uint32_t)offset, bytes, len);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(bytes[i], (uint8_t)((consumed + offset + i) * 131 >> 3));
            break;
        }
        }
    }
    byte_queue_clear(&f->queue, &f->pool);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pool_gives_each_chunk_once_and_then_none, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_never_taken_is_not_touched, setup, teardown),
        cmocka_unit_test(each_rank_leaves_its_part_to_those_that_can_wait_less),
        cmocka_unit_test_setup_teardown(a_floor_is_there_whatever_others_take, setup, teardown),
        cmocka_unit_test_setup_teardown(floors_are_never_more_than_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_higher_floor_counts_what_is_held_already, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_queue_holds_with_its_floor_what_it_says, setup, teardown),
        cmocka_unit_test_setup_teardown(append_stops_when_the_pool_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_queue_holds_no_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(clear_gives_everything_back, setup, teardown),
        cmocka_unit_test_setup_teardown(peek_past_the_end_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(random_operations_agree_with_a_flat_buffer, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
