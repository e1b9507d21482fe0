/* test_record: records have the drawn layout, read back as they were written, and nothing else
 * reads (record.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/rpc/record.h"
#include "drivers/rng.h"

enum { CAP = RECORD_HEADER_BYTES + RECORD_BYTES_MAX };

static uint8_t blob[RECORD_BYTES_MAX];

static void fill(struct rng *r, void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)rng_next(r);
}

/* ---- one row per record: writes one with drawn fields; reads any and writes what it read ---- */

static size_t draw_call(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_call c = {
        .request_id = rng_next(r),
        .script = rng_next(r),
        .version = rng_next(r),
        .age_us = (uint32_t)rng_next(r),
        .flags = (uint8_t)rng_below(r, 8),
        .head = blob,
        .head_bytes = (uint32_t)(1 + rng_below(r, 300)),
    };

    fill(r, c.lazy, sizeof(c.lazy));
    fill(r, c.trace, sizeof(c.trace));
    return record_write_call(out, cap, &c);
}

static size_t again_call(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_call c;
    return record_read_call(&c, in, len) ? record_write_call(out, CAP, &c) : 0;
}

static size_t draw_accept(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_accept a = {(uint8_t)(1u << rng_below(r, 3)), (uint32_t)rng_next(r)};
    return record_write_accept(out, cap, &a);
}

static size_t again_accept(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_accept a;
    return record_read_accept(&a, in, len) ? record_write_accept(out, CAP, &a) : 0;
}

static size_t draw_bounce(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_bounce b = {.reason = (uint8_t)(1 + rng_below(r, BOUNCE_REASONS - 1))};

    fill(r, b.lazy, sizeof(b.lazy));
    return record_write_bounce(out, cap, &b);
}

static size_t again_bounce(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_bounce b;
    return record_read_bounce(&b, in, len) ? record_write_bounce(out, CAP, &b) : 0;
}

static size_t draw_head(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_head h = {(uint32_t)rng_next(r), blob, (uint32_t)(1 + rng_below(r, 300))};
    return record_write_head(out, cap, &h);
}

static size_t again_head(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_head h;
    return record_read_head(&h, in, len) ? record_write_head(out, CAP, &h) : 0;
}

static size_t draw_error(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_error e = {.error = (enum job_error)(1 + rng_below(r, JOB_ERROR_KINDS - 1)),
                             .end = {(uint32_t)rng_next(r), (uint32_t)rng_next(r)}};
    return record_write_error(out, cap, &e);
}

static size_t again_error(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_error e;
    return record_read_error(&e, in, len) ? record_write_error(out, CAP, &e) : 0;
}

static size_t draw_end(struct rng *r, uint8_t *out, size_t cap)
{
    return record_write_end(out, cap, &(struct record_end){(uint32_t)rng_next(r)});
}

static size_t again_end(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_end e;
    return record_read_end(&e, in, len) ? record_write_end(out, CAP, &e) : 0;
}

static size_t draw_state(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_state s = {(uint8_t)rng_below(r, NODE_STATES), (uint16_t)rng_next(r),
                             (uint32_t)rng_next(r)};
    s.is_leaving = s.state == NODE_SERVING && rng_below(r, 2);
    return record_write_state(out, cap, &s);
}

static size_t again_state(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_state s;
    return record_read_state(&s, in, len) ? record_write_state(out, CAP, &s) : 0;
}

static size_t draw_ring(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_ring ring = {rng_next(r), rng_next(r)};
    return record_write_ring(out, cap, &ring);
}

static size_t again_ring(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_ring ring;
    return record_read_ring(&ring, in, len) ? record_write_ring(out, CAP, &ring) : 0;
}

static size_t draw_warm(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_warm m = {rng_next(r), rng_next(r), rng_below(r, 2) == 1, rng_below(r, 2) == 1};
    return record_write_warm(out, cap, &m);
}

static size_t again_warm(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_warm m;
    return record_read_warm(&m, in, len) ? record_write_warm(out, CAP, &m) : 0;
}

static size_t draw_warmed(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_warmed m = {rng_next(r), (uint32_t)rng_next(r), rng_below(r, 2) == 1};
    return record_write_warmed(out, cap, &m);
}

static size_t again_warmed(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_warmed m;
    return record_read_warmed(&m, in, len) ? record_write_warmed(out, CAP, &m) : 0;
}

static size_t draw_release(struct rng *r, uint8_t *out, size_t cap)
{
    return record_write_release(out, cap, (enum record_release)(1 + rng_below(r, RELEASES - 1)));
}

static size_t again_release(const uint8_t *in, size_t len, uint8_t *out)
{
    enum record_release what;
    return record_read_release(&what, in, len) ? record_write_release(out, CAP, what) : 0;
}

static size_t draw_fin(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_fin f = {rng_next(r)};
    return record_write_fin(out, cap, &f);
}

static size_t again_fin(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_fin f;
    return record_read_fin(&f, in, len) ? record_write_fin(out, CAP, &f) : 0;
}

static size_t draw_event(struct rng *r, uint8_t *out, size_t cap)
{
    struct record_event e = {.payload = blob, .payload_bytes = (uint32_t)(1 + rng_below(r, 300))};

    fill(r, e.sink, sizeof(e.sink));
    return record_write_event(out, cap, &e);
}

static size_t again_event(const uint8_t *in, size_t len, uint8_t *out)
{
    struct record_event e;
    return record_read_event(&e, in, len) ? record_write_event(out, CAP, &e) : 0;
}

static const struct codec {
    const char *name;
    enum record_type type;
    size_t (*draw)(struct rng *, uint8_t *out, size_t cap);
    size_t (*again)(const uint8_t *in, size_t len, uint8_t *out);
    size_t least; /* its last field may be shorter or longer, from here on; 0: it has one length */
} codecs[] = {
    {"CALL", RECORD_CALL, draw_call, again_call, RECORD_CALL_FIXED_BYTES + 1},
    {"ACCEPT", RECORD_ACCEPT, draw_accept, again_accept, 0},
    {"BOUNCE", RECORD_BOUNCE, draw_bounce, again_bounce, 0},
    {"HEAD", RECORD_HEAD, draw_head, again_head, 4 + 1},
    {"ERROR", RECORD_ERROR, draw_error, again_error, 0},
    {"STATE", RECORD_STATE, draw_state, again_state, 0},
    {"RING", RECORD_RING, draw_ring, again_ring, 0},
    {"WARM", RECORD_WARM, draw_warm, again_warm, 0},
    {"WARMED", RECORD_WARMED, draw_warmed, again_warmed, 0},
    {"EVENT", RECORD_EVENT, draw_event, again_event, CAPABILITY_BYTES + 1},
    {"RELEASE", RECORD_RELEASE, draw_release, again_release, 0},
    {"FIN", RECORD_FIN, draw_fin, again_fin, 0},
    {"DATA_END", RECORD_DATA_END, draw_end, again_end, 0},
};
enum { CODECS = sizeof(codecs) / sizeof(codecs[0]) };

static void what_is_written_reads_back(void **state)
{
    static uint8_t first[CAP], second[CAP];
    struct rng r = {1};

    for (int round = 0; round < 500; round++)
        for (size_t i = 0; i < CODECS; i++) {
            const struct codec *k = &codecs[i];
            struct record_header h;
            size_t len = k->draw(&r, first, sizeof(first));
            assert_true(len > 0);
            assert_true(record_read_header(&h, first));
            assert_int_equal(h.type, k->type);
            assert_int_equal(h.bytes, len - RECORD_HEADER_BYTES);
            assert_int_equal(k->again(first + RECORD_HEADER_BYTES, h.bytes, second), len);
            assert_memory_equal(first, second, len);
        }
}

static void a_record_of_another_length_is_refused(void **state)
{
    static uint8_t in[CAP + 8], out[CAP];
    struct rng r = {2};

    for (size_t i = 0; i < CODECS; i++) {
        const struct codec *k = &codecs[i];
        size_t len = k->draw(&r, in, CAP) - RECORD_HEADER_BYTES;
        for (size_t other = 0; other < len + 8; other++) {
            bool may = other == len || (k->least > 0 && other >= k->least);
            assert_int_equal(k->again(in + RECORD_HEADER_BYTES, other, out) > 0, may);
        }
    }
}

/* Every change of a byte either gives another record that reads, or is refused; flags, enumerations
 * and zeros allow few. */
static const struct {
    const char *name;
    size_t codec;  /* index in codecs[] */
    size_t at;     /* byte of the content */
    int low, high; /* allowed */
} range[] = {
    {"CALL: three flags exist", 0, 24, 0, 7},
    {"CALL: zeros", 0, 25, 0, 0},
    {"CALL: zeros", 0, 27, 0, 0},
    {"ACCEPT: a width is 1, 2 or 4", 1, 0, 1, 4},
    {"ACCEPT: zeros", 1, 3, 0, 0},
    {"BOUNCE: a reason exists", 2, 0, 1, BOUNCE_REASONS - 1},
    {"BOUNCE: zeros", 2, 1, 0, 0},
    {"ERROR: a kind exists", 4, 0, 1, JOB_ERROR_KINDS - 1},
    {"ERROR: zeros", 4, 2, 0, 0},
    {"STATE: a state exists", 5, 0, 0, NODE_STATES - 1},
    {"WARM: a truth value", 7, 16, 0, 1},
    {"WARM: zeros", 7, 19, 0, 0},
    {"WARMED: a truth value", 8, 12, 0, 1},
    {"WARMED: zeros", 8, 15, 0, 0},
    {"RELEASE: a question or an answer", 10, 0, 1, RELEASES - 1},
    {"RELEASE: zeros", 10, 2, 0, 0},
};

static void a_value_that_does_not_exist_is_refused(void **state)
{
    static uint8_t in[CAP], out[CAP];
    struct rng r = {3};

    for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
        const struct codec *k = &codecs[range[i].codec];
        size_t len = k->draw(&r, in, sizeof(in)) - RECORD_HEADER_BYTES;
        for (int v = 0; v < 256; v++) {
            bool may = v >= range[i].low && v <= range[i].high;
            if (k->type == RECORD_ACCEPT && range[i].at == 0)
                may = may && v != 3;
            in[RECORD_HEADER_BYTES + range[i].at] = (uint8_t)v;
            if ((k->again(in + RECORD_HEADER_BYTES, len, out) > 0) != may)
                fail_msg("%s: %d", range[i].name, v);
        }
    }
}

static void only_a_node_that_serves_says_that_it_leaves(void **state)
{
    uint8_t out[64];
    struct record_state s = {.state = NODE_SERVING, .is_leaving = true}, read;
    size_t len = record_write_state(out, sizeof(out), &s) - RECORD_HEADER_BYTES;
    uint8_t *content = out + RECORD_HEADER_BYTES;

    assert_true(record_read_state(&read, content, len));
    assert_true(read.is_leaving);
    for (uint32_t v = 0; v < 256; v++) {
        for (uint8_t of = 0; of < NODE_STATES; of++) {
            content[0] = of;
            content[1] = (uint8_t)v;
            bool may = v == 0 || (v == 1 && of == NODE_SERVING);
            assert_int_equal(record_read_state(&read, content, len), may);
        }
    }
}

static void a_buffer_one_byte_short_gives_nothing(void **state)
{
    static uint8_t out[CAP];

    for (size_t i = 0; i < CODECS; i++) {
        struct rng r = {4}, same = {4};
        size_t len = codecs[i].draw(&r, out, sizeof(out));
        for (size_t cap = 0; cap < len; cap++) {
            struct rng one = same;
            assert_int_equal(codecs[i].draw(&one, out, cap), 0);
        }
        assert_int_equal(codecs[i].draw(&same, out, len), len);
    }
    for (size_t cap = 0; cap < RECORD_HEADER_BYTES; cap++)
        assert_int_equal(record_write_empty(out, cap, RECORD_GOAWAY), 0);
    assert_int_equal(record_write_empty(out, RECORD_HEADER_BYTES, RECORD_GOAWAY), 4);
}

static const struct {
    const char *name;
    enum record_type type;
    uint32_t least, most;
} length[] = {
    {"a call has a head", RECORD_CALL, 145, 144 + 32768},
    {"a body has a limit", RECORD_BODY, 0, 16384},
    {"the end of a body is empty", RECORD_BODY_END, 0, 0},
    {"ACCEPT has one size", RECORD_ACCEPT, 8, 8},
    {"BOUNCE has one size", RECORD_BOUNCE, 60, 60},
    {"an answer has a head", RECORD_HEAD, 5, 4 + 32768},
    {"data has a limit", RECORD_DATA, 0, 16384},
    {"the end of data has one size", RECORD_DATA_END, 8, 8},
    {"ERROR has one size", RECORD_ERROR, 12, 12},
    {"STATE has one size", RECORD_STATE, 8, 8},
    {"RING has one size", RECORD_RING, 16, 16},
    {"WARM has one size", RECORD_WARM, 20, 20},
    {"WARMED has one size", RECORD_WARMED, 16, 16},
    {"HANDED is empty", RECORD_HANDED, 0, 0},
    {"an event has a payload", RECORD_EVENT, 57, 56 + 4096},
    {"a note has a limit", RECORD_NOTE, 0, 16384},
    {"GOAWAY is empty", RECORD_GOAWAY, 0, 0},
    {"RELEASE has one size", RECORD_RELEASE, 4, 4},
    {"FIN has one size", RECORD_FIN, 8, 8},
};

static void a_header_names_a_type_and_a_length_that_it_can_have(void **state)
{
    for (unsigned type = 0; type < 256; type++) {
        uint32_t least = 1, most = 0; /* nothing, but for what the table says */
        for (size_t i = 0; i < sizeof(length) / sizeof(length[0]); i++)
            if ((unsigned)length[i].type == type) {
                least = length[i].least;
                most = length[i].most;
            }
        for (uint32_t bytes = 0; bytes < 1 << 16; bytes++) {
            struct record_header h;
            uint8_t in[] = {(uint8_t)type, 0, (uint8_t)(bytes >> 8), (uint8_t)bytes};
            if (record_read_header(&h, in) != (bytes >= least && bytes <= most))
                fail_msg("type %u, %u bytes", type, bytes);
        }
        struct record_header h;
        assert_false(record_read_header(&h, (uint8_t[]){(uint8_t)type, 1, 0, 0}));
        assert_false(record_read_header(&h, (uint8_t[]){(uint8_t)type, 255, 255, 255}));
    }
}

/* The layout, byte for byte: what another version of hearth reads. */
static void assert_bytes(const uint8_t *got, size_t len, const char *hex)
{
    char text[1024] = "";

    assert_true(2 * len < sizeof(text));
    for (size_t i = 0; i < len; i++)
        sprintf(text + 2 * i, "%02x", got[i]);
    assert_string_equal(text, hex);
}

static void layouts_are_as_drawn(void **state)
{
    uint8_t out[512];
    struct record_call c = {.request_id = 0x0102030405060708,
                            .script = 0x1112131415161718,
                            .version = 0x2122232425262728,
                            .age_us = 3,
                            .flags = RECORD_CALL_HAS_BODY | RECORD_CALL_TRACED,
                            .head = (const uint8_t *)"xyz",
                            .head_bytes = 3};

    size_t len = record_write_call(out, sizeof(out), &c);
    assert_int_equal(len, 4 + 144 + 3);
    assert_bytes(out, 36,
                 "01000093"
                 "010203040506070811121314151617182122232425262728"
                 "05000000"
                 "00000003");
    assert_bytes(out + len - 3, 3, "78797a");

    len = record_write_accept(out, sizeof(out), &(struct record_accept){2, 0x01020304});
    assert_bytes(out, len, "040000080200000001020304");
    len = record_write_bounce(out, sizeof(out), &(struct record_bounce){.reason = BOUNCE_DRAINING});
    assert_bytes(out, 8, "0500003c05000000");
    len = record_write_head(out, sizeof(out), &(struct record_head){7, c.head, 3});
    assert_bytes(out, len, "060000070000000778797a");
    len = record_write_end(out, sizeof(out), &(struct record_end){5, 6});
    assert_bytes(out, len, "080000080000000500000006");
    len = record_write_error(out, sizeof(out), &(struct record_error){JOB_ERROR_LOST, {5, 6}});
    assert_bytes(out, len, "0900000c0b0000000000000500000006");
    len = record_write_state(out, sizeof(out), &(struct record_state){NODE_SERVING, 0x0102, 3});
    assert_bytes(out, len, "0a0000080200010200000003");
    len = record_write_ring(out, sizeof(out), &(struct record_ring){1, 2});
    assert_bytes(out, len, "0b00001000000000000000010000000000000002");
    len = record_write_warm(out, sizeof(out), &(struct record_warm){1, 2, true});
    assert_bytes(out, len, "0c0000140000000000000001000000000000000201000000");
    len = record_write_warm(out, sizeof(out), &(struct record_warm){1, 2, false, true});
    assert_bytes(out, len, "0c0000140000000000000001000000000000000200010000");
    len = record_write_warmed(out, sizeof(out), &(struct record_warmed){1, 2, true});
    assert_bytes(out, len, "0d00001000000000000000010000000201000000");
    len = record_write_empty(out, sizeof(out), RECORD_HANDED);
    assert_bytes(out, len, "0e000000");
    len = record_write_event(out, sizeof(out), &(struct record_event){{1}, c.head, 3});
    assert_int_equal(len, 4 + 56 + 3);
    assert_bytes(out, 6, "0f00003b0100");
    assert_bytes(out + len - 3, 3, "78797a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_as_drawn),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_record_of_another_length_is_refused),
        cmocka_unit_test(a_value_that_does_not_exist_is_refused),
        cmocka_unit_test(only_a_node_that_serves_says_that_it_leaves),
        cmocka_unit_test(a_buffer_one_byte_short_gives_nothing),
        cmocka_unit_test(a_header_names_a_type_and_a_length_that_it_can_have),
    };
    struct rng r = {9};

    fill(&r, blob, sizeof(blob));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
