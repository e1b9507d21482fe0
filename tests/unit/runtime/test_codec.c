/* The codecs of runtime/worker/codec.h, by the libraries that the cell has: so this is a program
 * hosted by V8's executable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/libv8c/v8c_host.h"
#include "runtime/worker/codec.h"

enum { TEXT_BYTES = 300000, PACKED_MAX = 400000, PIECE = 7919 };

static uint8_t text[TEXT_BYTES], packed[2 * PACKED_MAX], out[2 * TEXT_BYTES];

/* Memory that counts, and ends after some pieces. */
struct budget {
    size_t used, most;
    unsigned pieces_left;
};

static bool take(void *owner, size_t bytes)
{
    struct budget *b = owner;
    if (b->pieces_left == 0)
        return false;
    b->pieces_left--;
    b->used += bytes;
    if (b->used > b->most)
        b->most = b->used;
    return true;
}

static void give(void *owner, size_t bytes)
{
    struct budget *b = owner;
    assert_true(bytes <= b->used);
    b->used -= bytes;
}

struct result {
    enum codec_result result;
    size_t consumed, made;
};

/* All of in, in pieces of step bytes, into out, in pieces of room bytes. */
static struct result run(struct budget *budget, enum codec_format format, enum codec_way way,
                         const uint8_t *in, size_t len, size_t step, size_t room, uint8_t *to,
                         size_t cap)
{
    const struct codec_memory memory = {take, give, budget};
    struct result r = {CODEC_MEMORY, 0, 0};
    struct codec *codec = codec_new(format, way, &memory);
    if (!codec) {
        assert_int_equal(budget->used, 0);
        return r;
    }
    do {
        size_t n = len - r.consumed < step ? len - r.consumed : step;
        size_t space = cap - r.made < room ? cap - r.made : room;
        struct codec_io io = {in + r.consumed, n, to + r.made, space, r.consumed + n == len};
        r.result = codec_run(codec, &io);
        r.consumed += n - io.in_bytes;
        r.made += space - io.out_bytes;
        assert_true(r.made < cap);
        if (r.result == CODEC_MORE)
            assert_true(io.in_bytes == 0 && r.consumed < len);
    } while (r.result == CODEC_MORE || r.result == CODEC_FULL);
    codec_free(codec);
    assert_int_equal(budget->used, 0);
    return r;
}

static struct budget plenty(void)
{
    return (struct budget){.pieces_left = 1000000};
}

static struct result run_all(enum codec_format format, enum codec_way way, const uint8_t *in,
                             size_t len, uint8_t *to, size_t cap)
{
    struct budget budget = plenty();
    return run(&budget, format, way, in, len, PIECE, PIECE, to, cap);
}

static size_t pack(enum codec_format format, uint8_t *to)
{
    struct result r = run_all(format, CODEC_COMPRESS, text, TEXT_BYTES, to, PACKED_MAX);
    assert_int_equal(r.result, CODEC_END);
    assert_int_equal(r.consumed, TEXT_BYTES);
    return r.made;
}

static void any_pieces_give_the_same(void **state)
{
    static const size_t pieces[] = {1, 2, 100, 65536, SIZE_MAX};
    for (int f = 0; f < CODEC_FORMATS; f++) {
        size_t len = pack((enum codec_format)f, packed);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
            for (size_t j = 0; j < sizeof(pieces) / sizeof(*pieces); j++) {
                struct budget budget = plenty();
                struct result r = run(&budget, (enum codec_format)f, CODEC_DECOMPRESS, packed, len,
                                      pieces[i], pieces[j], out, sizeof(out));
                assert_int_equal(r.result, CODEC_END);
                assert_int_equal(r.consumed, len);
                assert_int_equal(r.made, TEXT_BYTES);
                assert_memory_equal(out, text, TEXT_BYTES);
            }
    }
}

static void what_ends_too_early_is_bad(void **state)
{
    for (int f = 0; f < CODEC_FORMATS; f++) {
        size_t len = pack((enum codec_format)f, packed);
        const size_t cuts[] = {0, 1, 3, len / 2, len - 1};
        for (int way = CODEC_DECOMPRESS; way < CODEC_WAYS; way++)
            for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++)
                assert_int_equal(run_all((enum codec_format)f, (enum codec_way)way, packed, cuts[i],
                                         out, sizeof(out))
                                     .result,
                                 CODEC_BAD);
    }
}

/* Two streams, one behind the other: a strict codec leaves the second, a lenient one of gzip or
 * zstd reads both. */
static void members_follow_one_another_if_it_is_lenient(void **state)
{
    for (int f = 0; f < CODEC_FORMATS; f++) {
        size_t len = pack((enum codec_format)f, packed);
        memcpy(packed + len, packed, len);
        struct result strict =
            run_all((enum codec_format)f, CODEC_DECOMPRESS, packed, 2 * len, out, sizeof(out));
        assert_int_equal(strict.result, CODEC_END);
        assert_int_equal(strict.consumed, len);
        struct budget budget = plenty();
        uint8_t *both = malloc(3 * TEXT_BYTES);
        struct result r = run(&budget, (enum codec_format)f, CODEC_DECOMPRESS_LENIENT, packed,
                              2 * len, 1 + (size_t)f * 100, PIECE, both, 3 * TEXT_BYTES);
        bool has_members = f == CODEC_GZIP || f == CODEC_ZSTD;
        assert_int_equal(r.result, CODEC_END);
        assert_int_equal(r.consumed, has_members ? 2 * len : len);
        assert_int_equal(r.made, has_members ? 2 * TEXT_BYTES : TEXT_BYTES);
        assert_memory_equal(both, text, TEXT_BYTES);
        if (has_members) {
            assert_memory_equal(both + TEXT_BYTES, text, TEXT_BYTES);
            assert_int_equal(run(&budget, (enum codec_format)f, CODEC_DECOMPRESS_LENIENT, packed,
                                 2 * len - 1, PIECE, PIECE, both, 3 * TEXT_BYTES)
                                 .result,
                             CODEC_BAD);
        }
        free(both);
    }
}

/* Whichever piece of memory is refused: it is said, and all is given back. */
static void memory_may_end_at_any_time(void **state)
{
    for (int f = 0; f < CODEC_FORMATS; f++) {
        size_t len = pack((enum codec_format)f, packed);
        for (int way = 0; way < CODEC_WAYS; way++) {
            bool compresses = way == CODEC_COMPRESS;
            struct result r = {CODEC_MEMORY};
            for (unsigned pieces = 0; r.result == CODEC_MEMORY; pieces++) {
                struct budget budget = {.pieces_left = pieces};
                r = run(&budget, (enum codec_format)f, (enum codec_way)way,
                        compresses ? text : packed, compresses ? TEXT_BYTES : len, PIECE, PIECE,
                        out, sizeof(out));
                assert_in_range(pieces, 0, 1000);
                if (r.result == CODEC_END)
                    printf("format %d way %d: %u pieces, %zu bytes at most\n", f, way, pieces,
                           budget.most);
            }
            assert_int_equal(r.result, CODEC_END);
        }
    }
}

static int setup(void **state)
{
    uint32_t x = 1;
    for (size_t i = 0; i < TEXT_BYTES; i++) { /* halves that pack well and badly */
        x = x * 1664525 + 1013904223;
        text[i] = i % 20000 < 10000 ? (uint8_t)("some text, "[i % 11]) : (uint8_t)(x >> 24);
    }
    return 0;
}

int v8c_main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces_give_the_same),
        cmocka_unit_test(what_ends_too_early_is_bad),
        cmocka_unit_test(members_follow_one_another_if_it_is_lenient),
        cmocka_unit_test(memory_may_end_at_any_time),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
