/* Streams over a perfect wire: what is written arrives, and what is over leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "channel_rig.h"

static size_t read_all(struct channel *c, struct stream *s, uint8_t *out, size_t cap)
{
    size_t got = 0, len;
    const uint8_t *view;

    while (got < cap && (view = stream_peek(s, (uint32_t)got, &len)) != NULL && len > 0) {
        assert_true(len <= cap - got);
        memcpy(out + got, view, len);
        got += len;
    }
    stream_consume(c, s, (uint32_t)got);
    return got;
}

static void a_call_and_its_answer_leave_nothing_behind(void **state)
{
    struct rig r;
    uint8_t got[64];

    rig_init(&r, 1);
    rig_open(&r);

    struct channel *a = r.end[0].channel, *b = r.end[1].channel;
    struct stream *s = channel_open_stream(a, &r);

    assert_int_equal(stream_write(a, s, "question", 8), 8);
    stream_end(a, s);
    rig_settle(&r);
    assert_int_equal(r.end[1].opened, 1);

    struct stream *t = r.end[1].last;

    assert_int_equal(stream_id(s), stream_id(t));
    assert_int_equal(read_all(b, t, got, sizeof(got)), 8);
    assert_memory_equal(got, "question", 8);
    assert_true(stream_is_ended(t));
    assert_int_equal(stream_write(b, t, "answer", 6), 6);
    stream_end(b, t);
    stream_release(b, t);
    rig_settle(&r);

    assert_int_equal(read_all(a, s, got, sizeof(got)), 6);
    assert_memory_equal(got, "answer", 6);
    assert_true(stream_is_ended(s));
    assert_true(stream_is_delivered(s));
    stream_release(a, s);
    rig_advance(&r, 10000000);
    for (int i = 0; i < 2; i++) {
        assert_true(rig_is_clean(&r.end[i]));
        assert_int_equal(r.end[i].resets, 0);
        assert_int_equal(r.end[i].downs, 0);
    }
    rig_fini(&r);
}

static void the_control_stream_is_there_on_both_sides(void **state)
{
    struct rig r;
    uint8_t got[64];

    rig_init(&r, 2);
    assert_null(channel_control(r.end[0].channel));
    rig_open(&r);
    for (int i = 0; i < 2; i++) {
        struct channel *c = r.end[i].channel, *peer = r.end[1 - i].channel;

        assert_int_equal(stream_id(channel_control(c)), CHANNEL_CONTROL);
        assert_int_equal(stream_write(c, channel_control(c), "hello", 5), 5);
        rig_settle(&r);
        assert_int_equal(read_all(peer, channel_control(peer), got, sizeof(got)), 5);
    }
    assert_int_equal(r.end[0].opened + r.end[1].opened, 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_and_its_answer_leave_nothing_behind),
        cmocka_unit_test(the_control_stream_is_there_on_both_sides),
    };

    assert(aead_init() == 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    aead_fini();
    return failed;
}
