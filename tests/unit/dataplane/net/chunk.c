#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/chunk.h"

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
    struct chunk *taken[POOL_CHUNKS];

    for (int i = 0; i < POOL_CHUNKS; i++) {
        taken[i] = chunk_take(&f->pool);
        assert_non_null(taken[i]);
        assert_null(taken[i]->next);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(taken[i], taken[j]);
    }
    assert_null(chunk_take(&f->pool));
    assert_int_equal(f->pool.free_count, 0);
    for (int i = 0; i < POOL_CHUNKS; i++)
        chunk_give(&f->pool, taken[i]);
    assert_int_equal(f->pool.free_count, POOL_CHUNKS);
    assert_non_null(chunk_take(&f->pool));
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
        cmocka_unit_test_setup_teardown(append_stops_when_the_pool_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_queue_holds_no_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(clear_gives_everything_back, setup, teardown),
        cmocka_unit_test_setup_teardown(peek_past_the_end_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(random_operations_agree_with_a_flat_buffer, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
