/* test_request_id: ids do not repeat, and none tells of another (request_id.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/request_id.h"
#include "drivers/rng.h"

enum { CORES = 3, COUNT = 20000 };

static const uint64_t secret[2] = {0x0123456789abcdef, 0xfedcba9876543210};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void ids_of_all_cores_differ(void **state)
{
    static uint64_t id[CORES * COUNT];

    for (uint32_t c = 0; c < CORES; c++) {
        struct request_ids r;

        request_ids_init(&r, secret, c, CORES);
        for (uint32_t i = 0; i < COUNT; i++)
            id[c * COUNT + i] = request_ids_next(&r);
    }
    qsort(id, CORES * COUNT, sizeof(id[0]), by_value);
    for (uint32_t i = 1; i < CORES * COUNT; i++)
        assert_true(id[i] != id[i - 1]);
}

/* z ^ z >> by, undone. */
static uint64_t unshift(uint64_t z, int by)
{
    uint64_t out = z;

    for (int i = by; i < 64; i += by)
        out = z ^ (out >> by);
    return out;
}

/* The inverse of an odd number modulo 2^64, by Newton. */
static uint64_t inverse(uint64_t n)
{
    uint64_t x = n;

    for (int i = 0; i < 6; i++)
        x *= 2 - n * x;
    return x;
}

static uint64_t unmix(uint64_t z)
{
    z = unshift(z, 31) * inverse(0x94d049bb133111ebu);
    z = unshift(z, 27) * inverse(0xbf58476d1ce4e5b9u);
    return unshift(z, 30);
}

/* The attack that a fixed mix does not withstand: undo it, take the next number, mix again. */
static void one_id_does_not_tell_the_next(void **state)
{
    struct request_ids r;

    request_ids_init(&r, secret, 0, 1);
    assert_true(unmix(rng_mix(0x1234)) == 0x1234);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t seen = request_ids_next(&r), next = request_ids_next(&r);

        assert_true(rng_mix(unmix(seen) + 0x9e3779b97f4a7c15u) != next);
        assert_true(seen + 1 != next);
    }
}

static void neighbours_differ_in_half_of_their_bits(void **state)
{
    struct request_ids r;
    uint64_t before, flips = 0;

    request_ids_init(&r, secret, 0, 1);
    before = request_ids_next(&r);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t id = request_ids_next(&r);

        flips += (uint64_t)__builtin_popcountll(id ^ before);
        before = id;
    }
    assert_in_range(flips, COUNT * 31ull, COUNT * 33ull);
}

static void another_start_has_other_ids(void **state)
{
    const uint64_t other[2] = {secret[0], secret[1] ^ 1};
    struct request_ids a, b;
    uint32_t equal = 0;

    request_ids_init(&a, secret, 0, 1);
    request_ids_init(&b, other, 0, 1);
    for (uint32_t i = 0; i < COUNT; i++)
        equal += request_ids_next(&a) == request_ids_next(&b);
    assert_int_equal(equal, 0);
}

/* A script may send its trace id anywhere. */
static void a_trace_id_has_neither_the_secret_nor_the_id(void **state)
{
    struct request_ids r;
    uint8_t trace[REQUEST_ID_TRACE_BYTES];
    uint64_t id, word[2];

    request_ids_init(&r, secret, 0, 1);
    id = request_ids_next(&r);
    request_ids_trace(&r, id, trace);
    memcpy(word, trace, sizeof(word));
    for (int i = 0; i < 2; i++)
        assert_true(word[i] != id && word[i] != secret[0] && word[i] != secret[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_all_cores_differ),
        cmocka_unit_test(one_id_does_not_tell_the_next),
        cmocka_unit_test(neighbours_differ_in_half_of_their_bits),
        cmocka_unit_test(another_start_has_other_ids),
        cmocka_unit_test(a_trace_id_has_neither_the_secret_nor_the_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
