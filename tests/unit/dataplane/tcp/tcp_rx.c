/* Reassembly against a model: a flat array with a mark for each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tcp/tcp_rx.h"

enum { STREAM = 200000, WINDOW = 60000, CHUNKS_ENOUGH = 64 };

static uint64_t rng_state;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((rng_state >> 33) % below);
}

static uint8_t stream[STREAM];

/* Sends the stream in random pieces and orders, consumes at random; the pool may be too small for
 * the window. */
static void run(uint64_t seed, uint32_t base, uint32_t chunks)
{
    static uint8_t has[STREAM];
    struct chunk_pool pool;
    void *memory = malloc(chunks * sizeof(struct chunk));
    struct tcp_rx rx;
    uint32_t start = 0, next = 0, idle = 0;

    rng_state = seed;
    memset(has, 0, sizeof(has));
    chunk_pool_init(&pool, memory, chunks);
    tcp_rx_init(&rx, base);

    while (start < STREAM) {
        uint32_t limit = start + WINDOW < STREAM ? start + WINDOW : STREAM;
        uint32_t at = rng(3) == 0 && limit > next ? next + rng(limit - next) : next;
        uint32_t len = 1 + rng(rng(2) == 0 ? 50 : 5000);

        len = len < limit - at ? len : limit - at;
        if (len > 0) {
            bool was_known = true;

            for (uint32_t i = at; i < at + len; i++)
                was_known &= has[i];
            if (at > next && chunks == CHUNKS_ENOUGH) /* else it may have forgotten */
                assert_int_equal(tcp_rx_has(&rx, base + at, len), was_known);

            size_t taken = tcp_rx_put(&rx, &pool, base + at, stream + at, len);

            assert_true(taken <= len);
            memset(has + at, 1, taken);
            if (taken < len)
                idle++;
        }
        next = rx.next - base;
        for (uint32_t i = start; i < next; i++)
            assert_true(has[i]);
        for (uint32_t i = 0; i < rx.range_count; i++) {
            /* Ranges lie apart from each other and from the stream, and say what is there. */
            assert_true((int32_t)(rx.range[i].start - rx.next) > 0);
            assert_true((int32_t)(rx.range[i].end - rx.range[i].start) > 0);
            for (uint32_t j = rx.range[i].start - base; j < rx.range[i].end - base; j++)
                assert_true(has[j]);
            for (uint32_t j = 0; j < i; j++)
                assert_true((int32_t)(rx.range[i].start - rx.range[j].end) > 0 ||
                            (int32_t)(rx.range[j].start - rx.range[i].end) > 0);
        }
        if (next > start && rng(2) == 0) {
            uint32_t offset = rng(next - start);
            size_t len_seen;
            const uint8_t *view = tcp_rx_peek(&rx, offset, &len_seen);

            assert_true(len_seen > 0 && len_seen <= next - start - offset);
            assert_memory_equal(view, stream + start + offset, len_seen);
            uint32_t bytes = 1 + rng(next - start);

            tcp_rx_consume(&rx, &pool, bytes);
            start += bytes;
            assert_int_equal(rx.start - base, start);
        }
        if (start == next && rx.range_count == 0)
            assert_int_equal(pool.free_count, pool.count); /* idle: no memory */
        assert_true(idle < 1000000);
    }
    tcp_rx_clear(&rx, &pool);
    assert_int_equal(pool.free_count, pool.count);
    free(memory);
}

static void bytes_come_out_in_order_whatever_order_they_came_in(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        run(seed, (uint32_t)(seed * 0x10000001), CHUNKS_ENOUGH);
}

static void also_around_the_end_of_the_sequence_space(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        run(seed, 0u - (uint32_t)(seed * 9973), CHUNKS_ENOUGH);
}

static void also_when_memory_is_short(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        run(seed, 77, 4 + (uint32_t)seed % 8);
}

static void ranges_are_bounded(void **state)
{
    struct chunk_pool pool;
    void *memory = malloc(200 * sizeof(struct chunk));
    struct tcp_rx rx;

    chunk_pool_init(&pool, memory, 200);
    tcp_rx_init(&rx, 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(tcp_rx_put(&rx, &pool, 10 + 20 * i, stream, 10),
                         i < TCP_OOO_RANGES_MAX ? 10 : 0);
    assert_int_equal(rx.range_count, TCP_OOO_RANGES_MAX);
    /* The most recent is the first, as SACK blocks must be. */
    assert_int_equal(rx.range[0].start, 10 + 20 * (TCP_OOO_RANGES_MAX - 1));
    /* A range that grows is no new one. */
    assert_int_equal(tcp_rx_put(&rx, &pool, 20, stream, 10), 10);
    assert_int_equal(rx.range_count, TCP_OOO_RANGES_MAX - 1);
    assert_int_equal(rx.range[0].start, 10);
    assert_int_equal(rx.range[0].end, 40);
    tcp_rx_clear(&rx, &pool);
    free(memory);
}

static void one_early_byte_costs_one_chunk(void **state)
{
    struct chunk_pool pool;
    void *memory = malloc(200 * sizeof(struct chunk));
    struct tcp_rx rx;

    chunk_pool_init(&pool, memory, 200);
    tcp_rx_init(&rx, 0);
    assert_int_equal(tcp_rx_put(&rx, &pool, 200000, stream, 1), 1);
    assert_int_equal(pool.free_count, 199);
    tcp_rx_clear(&rx, &pool);
    free(memory);
}

static void bytes_in_order_take_the_memory_of_early_ones(void **state)
{
    struct chunk_pool pool;
    void *memory = malloc(8 * sizeof(struct chunk));
    struct tcp_rx rx;

    chunk_pool_init(&pool, memory, 8);
    tcp_rx_init(&rx, 0);
    /* Early bytes leave the last quarter alone ... */
    assert_true(tcp_rx_put(&rx, &pool, 20000, stream, 40000) < 40000);
    assert_int_equal(pool.free_count, 2);
    /* ... and more than that is taken back from them. */
    assert_int_equal(tcp_rx_put(&rx, &pool, 0, stream, 10000), 10000);
    assert_int_equal(rx.next, 10000);
    assert_int_equal(rx.range_count, 1);
    tcp_rx_clear(&rx, &pool);
    assert_int_equal(pool.free_count, 8);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_in_order_whatever_order_they_came_in),
        cmocka_unit_test(also_around_the_end_of_the_sequence_space),
        cmocka_unit_test(also_when_memory_is_short),
        cmocka_unit_test(ranges_are_bounded),
        cmocka_unit_test(one_early_byte_costs_one_chunk),
        cmocka_unit_test(bytes_in_order_take_the_memory_of_early_ones),
    };

    for (uint32_t i = 0; i < STREAM; i++)
        stream[i] = (uint8_t)(i * 2654435761u >> 24);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
