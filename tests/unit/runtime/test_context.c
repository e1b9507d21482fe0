/* test_context: a context stack reads back as it was written, limits only shrink, and nothing
 * malformed passes (runtime/context.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/rng.h"
#include "runtime/context.h"

static void draw_frame(struct rng *r, struct context_frame *f)
{
    memset(f, 0, sizeof(*f));
    f->script = rng_next(r);
    f->owner = rng_next(r);
    f->cpu_ms = (uint32_t)rng_next(r);
    f->memory_mb = (uint32_t)rng_next(r);
    f->subrequests = (uint32_t)rng_next(r);
    f->wall_ms = (uint32_t)rng_next(r);
    f->features = (uint32_t)rng_next(r);
    f->trust = (uint8_t)rng_below(r, 2);
    f->trace_flags = (uint8_t)rng_next(r);
    f->tail_count = (uint8_t)rng_below(r, CONTEXT_TAILS_MAX + 1);
    for (uint8_t i = 0; i < f->tail_count; i++)
        f->tail[i] = rng_next(r);
    f->outbound = rng_next(r);
    for (int i = 0; i < 16; i++)
        f->trace_id[i] = (uint8_t)rng_next(r);
    for (int i = 0; i < 8; i++)
        f->span_id[i] = (uint8_t)rng_next(r);
}

static void draw(struct rng *r, struct context *c, uint32_t count)
{
    memset(c, 0, sizeof(*c));
    c->count = count;
    c->granted = (uint32_t)rng_next(r);
    c->cpu_us = (uint32_t)rng_next(r);
    c->wall_ms = (uint32_t)rng_next(r);
    for (uint32_t i = 0; i < count; i++)
        draw_frame(r, &c->frame[i]);
}

static void a_stack_of_every_depth_reads_back(void **state)
{
    struct rng r = {1};

    for (int round = 0; round < 50; round++)
        for (uint32_t depth = 1; depth <= CONTEXT_DEPTH_MAX; depth++) {
            struct context c, again;
            uint8_t bytes[CONTEXT_BYTES_MAX];
            draw(&r, &c, depth);
            size_t len = context_write(&c, bytes);
            assert_int_equal(len, CONTEXT_HEADER_BYTES + depth * CONTEXT_FRAME_BYTES);
            memset(&again, 0, sizeof(again));
            assert_true(context_read(&again, bytes, len));
            assert_memory_equal(&again, &c, sizeof(c));
        }
}

static void the_layout_is_as_drawn(void **state)
{
    struct context c = {.count = 1,
                        .granted = 14,
                        .cpu_us = 15,
                        .wall_ms = 16,
                        .frame = {{.script = 1,
                                   .owner = 2,
                                   .cpu_ms = 3,
                                   .memory_mb = 4,
                                   .subrequests = 5,
                                   .wall_ms = 6,
                                   .features = 7,
                                   .trust = 1,
                                   .trace_flags = 8,
                                   .tail_count = 2,
                                   .tail = {9, 10},
                                   .outbound = 11,
                                   .trace_id = {12},
                                   .span_id = {13}}}};
    uint8_t bytes[CONTEXT_BYTES_MAX];
    static const uint8_t expected[] = {
        3,  1, 0, 0,  0, 0, 0, 14,                         /* version, count, zero, granted */
        0,  0, 0, 15, 0, 0, 0, 16,                         /* CPU time, time */
        0,  0, 0, 0,  0, 0, 0, 1,  0, 0, 0, 0, 0, 0, 0, 2, /* script, owner */
        0,  0, 0, 3,  0, 0, 0, 4,  0, 0, 0, 5, 0, 0, 0, 6, /* limits */
        0,  0, 0, 7,  1, 8, 2, 0,                          /* features, trust, flags, tails, zero */
        0,  0, 0, 0,  0, 0, 0, 9,  0, 0, 0, 0, 0, 0, 0, 10,
        0,  0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, /* tails */
        0,  0, 0, 0,  0, 0, 0, 11,                         /* outbound */
        12, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, /* trace id */
        13, 0, 0, 0,  0, 0, 0, 0,                          /* span id */
    };

    assert_int_equal(context_write(&c, bytes), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void a_stack_of_another_length_is_refused(void **state)
{
    struct rng r = {2};
    struct context c, again;
    uint8_t bytes[CONTEXT_BYTES_MAX + CONTEXT_FRAME_BYTES] = {0};

    for (uint32_t depth = 1; depth <= CONTEXT_DEPTH_MAX; depth += 5) {
        draw(&r, &c, depth);
        size_t len = context_write(&c, bytes);
        for (size_t other = 0; other <= sizeof(bytes); other++)
            assert_int_equal(context_read(&again, bytes, other), other == len);
    }
}

static void what_is_granted_is_written_into_a_stack_that_is_there(void **state)
{
    struct rng r = {5};
    struct context c, again = {0};
    uint8_t bytes[CONTEXT_BYTES_MAX];

    draw(&r, &c, 3);
    size_t len = context_write(&c, bytes);
    context_grant(bytes, 0x01020304);
    assert_true(context_read(&again, bytes, len));
    assert_int_equal(again.granted, 0x01020304);
    c.granted = again.granted;
    assert_memory_equal(&again, &c, sizeof(c));
}

static void a_byte_that_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at; /* of a stack of two frames without tails, the second starts at 120 */
        int low, high;
    } row[] = {
        {"one version exists", 0, 3, 3},
        {"the count is that of the frames", 1, 2, 2},
        {"zero", 2, 0, 0},
        {"zero", 3, 0, 0},
        {"any number may be granted", 4, 0, 255},
        {"any CPU time may be left", 8, 0, 255},
        {"any time may be left", 12, 0, 255},
        {"trust is known", 120 + 36, 0, 1},
        {"trace flags are the sender's", 120 + 37, 0, 255},
        {"tails that are counted are there, others zero", 120 + 38, 0, 4},
        {"zero in a frame", 120 + 39, 0, 0},
        {"an uncounted tail is zero", 120 + 40, 0, 0},
        {"an uncounted tail is zero", 120 + 71, 0, 0},
    };
    struct rng r = {3};
    struct context c, again;

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        uint8_t bytes[CONTEXT_BYTES_MAX];
        draw(&r, &c, 2);
        memset(c.frame[1].tail, 0, sizeof(c.frame[1].tail));
        c.frame[1].tail_count = 0;
        size_t len = context_write(&c, bytes);
        for (int v = 0; v < 256; v++) {
            bytes[row[i].at] = (uint8_t)v;
            if (context_read(&again, bytes, len) != (v >= row[i].low && v <= row[i].high))
                fail_msg("%s: %d", row[i].name, v);
        }
    }
}

static void depths_that_cannot_be_are_refused(void **state)
{
    uint8_t bytes[CONTEXT_HEADER_BYTES + 255 * CONTEXT_FRAME_BYTES] = {3};
    struct context c;

    for (uint32_t count = 0; count < 256; count++) {
        bytes[1] = (uint8_t)count;
        assert_int_equal(
            context_read(&c, bytes, CONTEXT_HEADER_BYTES + count * CONTEXT_FRAME_BYTES),
            count >= 1 && count <= CONTEXT_DEPTH_MAX);
    }
}

static void a_frame_inherits_the_trace_and_nothing_else(void **state)
{
    struct rng r = {4};
    struct context c = {0};

    struct context_frame *bottom = context_push(&c, 7, (const uint8_t *)"spanspan");
    assert_int_equal(c.count, 1);
    assert_int_equal(bottom->script, 7);
    assert_memory_equal(bottom->span_id, "spanspan", 8);
    draw_frame(&r, bottom);

    struct context_frame *top = context_push(&c, 8, (const uint8_t *)"SPANSPAN");
    struct context_frame expected = {.script = 8, .trace_flags = bottom->trace_flags};
    memcpy(expected.trace_id, bottom->trace_id, 16);
    memcpy(expected.span_id, "SPANSPAN", 8);
    assert_int_equal(c.count, 2);
    assert_memory_equal(top, &expected, sizeof(expected));
}

static void the_stack_is_full_at_its_depth(void **state)
{
    struct context c = {0};

    for (uint32_t i = 0; i < CONTEXT_DEPTH_MAX; i++)
        assert_ptr_equal(context_push(&c, i, (const uint8_t[8]){1}), &c.frame[i]);
    assert_null(context_push(&c, 16, (const uint8_t[8]){1}));
    assert_int_equal(c.count, CONTEXT_DEPTH_MAX);
}

static void limits_are_the_least_that_anybody_says(void **state)
{
    static const struct {
        const char *name;
        uint32_t said[3], effective;
    } row[] = {
        {"nobody says anything", {0, 0, 0}, 0},  {"the caller alone", {5, 0, 0}, 5},
        {"the callee alone", {0, 0, 7}, 7},      {"the callee says less", {5, 0, 3}, 3},
        {"the callee wants more", {5, 0, 9}, 5}, {"one in the middle", {5, 2, 9}, 2},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct context c = {.count = 3};
        for (int f = 0; f < 3; f++) {
            c.frame[f].cpu_ms = row[i].said[f];
            c.frame[f].memory_mb = row[i].said[(f + 1) % 3] * 2;
            c.frame[f].subrequests = row[i].said[(f + 2) % 3] * 3;
            c.frame[f].wall_ms = row[i].said[f] * 4;
        }
        c.frame[3].cpu_ms = 1; /* above the top: not there */
        struct context_limits l = context_limits(&c);
        uint32_t e = row[i].effective;
        if (l.cpu_us != 1000 * e || l.memory_mb != 2 * e || l.subrequests != 3 * e ||
            l.wall_ms != 4 * e)
            fail_msg("%s", row[i].name);
    }
}

static void what_the_request_has_left_is_a_limit_too(void **state)
{
    struct context c = {.count = 1, .cpu_us = 7500, .wall_ms = 20};
    c.frame[0] = (struct context_frame){.cpu_ms = 10, .wall_ms = 10};
    assert_int_equal(context_limits(&c).cpu_us, 7500);
    assert_int_equal(context_limits(&c).wall_ms, 10);
    c.frame[0] = (struct context_frame){.cpu_ms = 7};
    assert_int_equal(context_limits(&c).cpu_us, 7000);
    assert_int_equal(context_limits(&c).wall_ms, 20);
}

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void traceparents_are_taken_as_w3c_says(void **state)
{
    static const struct {
        const char *name, *text;
        bool is_taken;
        uint8_t flags;
    } row[] = {
        {"sampled", "00-" ID "-" SPAN "-01", true, 1},
        {"not sampled", "00-" ID "-" SPAN "-00", true, 0},
        {"reserved flags are dropped", "00-" ID "-" SPAN "-ff", true, 1},
        {"a later version", "01-" ID "-" SPAN "-01", true, 1},
        {"a later version with more", "cc-" ID "-" SPAN "-01-what", true, 1},
        {"a later version with more, but no dash", "cc-" ID "-" SPAN "-01.what", false, 0},
        {"version 0 with more", "00-" ID "-" SPAN "-01-what", false, 0},
        {"version 255", "ff-" ID "-" SPAN "-01", false, 0},
        {"no trace id", "00-00000000000000000000000000000000-" SPAN "-01", false, 0},
        {"no parent id", "00-" ID "-0000000000000000-01", false, 0},
        {"upper case", "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", false, 0},
        {"not hex", "00-" ID "-b7ad6b716920333g-01", false, 0},
        {"not hex in the flags", "00-" ID "-" SPAN "-0x", false, 0},
        {"another separator", "00_" ID "-" SPAN "-01", false, 0},
        {"another separator before the flags", "00-" ID "-" SPAN "_01", false, 0},
        {"nothing", "", false, 0},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct context_frame f = {.span_id = {1}, .trace_flags = 9}, before = f;
        bool is_taken = context_take_traceparent(&f, row[i].text, strlen(row[i].text));
        if (is_taken != row[i].is_taken || (is_taken && f.trace_flags != row[i].flags) ||
            (is_taken && f.trace_id[0] != 0x0a) || (is_taken && f.span_id[0] != 1) ||
            (!is_taken && memcmp(&f, &before, sizeof(f)) != 0))
            fail_msg("%s", row[i].name);
    }
    struct context_frame f = {0};
    for (size_t len = 0; len < CONTEXT_TRACEPARENT_BYTES; len++)
        assert_false(context_take_traceparent(&f, row[0].text, len));
}

static void a_traceparent_reads_back(void **state)
{
    struct rng r = {5};

    for (int round = 0; round < 100; round++) {
        struct context c;
        struct context_frame f = {0};
        char text[CONTEXT_TRACEPARENT_BYTES];
        draw(&r, &c, 3);
        c.frame[2].trace_flags &= 1;
        context_traceparent(&c, text);
        assert_true(context_take_traceparent(&f, text, sizeof(text)));
        assert_memory_equal(f.trace_id, c.frame[2].trace_id, 16);
        assert_int_equal(f.trace_flags, c.frame[2].trace_flags);
    }

    struct context c = {0};
    char text[CONTEXT_TRACEPARENT_BYTES];
    struct context_frame *f =
        context_push(&c, 1, (const uint8_t[8]){0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31});
    assert_true(context_take_traceparent(f, "00-" ID "-00f067aa0ba902b7-01", 55));
    context_traceparent(&c, text);
    assert_memory_equal(text, "00-" ID "-" SPAN "-01", sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_as_drawn),
        cmocka_unit_test(a_stack_of_every_depth_reads_back),
        cmocka_unit_test(a_stack_of_another_length_is_refused),
        cmocka_unit_test(what_is_granted_is_written_into_a_stack_that_is_there),
        cmocka_unit_test(a_byte_that_cannot_be_is_refused),
        cmocka_unit_test(depths_that_cannot_be_are_refused),
        cmocka_unit_test(a_frame_inherits_the_trace_and_nothing_else),
        cmocka_unit_test(the_stack_is_full_at_its_depth),
        cmocka_unit_test(limits_are_the_least_that_anybody_says),
        cmocka_unit_test(what_the_request_has_left_is_a_limit_too),
        cmocka_unit_test(traceparents_are_taken_as_w3c_says),
        cmocka_unit_test(a_traceparent_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
