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

static uint8_t text[CHANNEL_STREAM_BUFFER];

static void a_writer_gets_as_far_as_its_reader_lets_it(void **state)
{
    struct rig r;

    rig_init(&r, 3);
    rig_open(&r);

    struct channel *a = r.end[0].channel, *b = r.end[1].channel;
    struct stream *s = channel_open_stream(a, NULL);
    uint64_t written = 0, consumed = 0;

    assert_int_equal(stream_room(a, s), CHANNEL_STREAM_BUFFER);
    for (int i = 0; i < 40; i++) {
        written += stream_write(a, s, text, sizeof(text));
        assert_true(stream_room(a, s) == 0);
        rig_advance(&r, 5000000);
        assert_true(written <= consumed + CHANNEL_STREAM_WINDOW + CHANNEL_STREAM_BUFFER);
        assert_int_equal(stream_available(r.end[1].last), CHANNEL_STREAM_WINDOW);
        consumed += CHANNEL_STREAM_WINDOW;
        stream_consume(b, r.end[1].last, CHANNEL_STREAM_WINDOW);
        rig_advance(&r, 5000000);
    }
    assert_true(r.end[0].writable >= 30);
    assert_true(written >= 40 * CHANNEL_STREAM_WINDOW);
    rig_fini(&r);
}

static void a_stop_ends_what_nobody_reads(void **state)
{
    struct rig r;

    rig_init(&r, 4);
    rig_open(&r);

    struct channel *a = r.end[0].channel, *b = r.end[1].channel;
    struct stream *s = channel_open_stream(a, NULL);

    stream_write(a, s, text, sizeof(text));
    rig_settle(&r);
    stream_write(b, r.end[1].last, "no", 2);
    stream_end(b, r.end[1].last);
    stream_release(b, r.end[1].last);
    rig_advance(&r, 5000000);
    assert_int_equal(r.end[0].resets, 0);
    assert_true(stream_is_stopped(s));
    assert_int_equal(stream_room(a, s), CHANNEL_STREAM_BUFFER);
    assert_int_equal(stream_write(a, s, text, 1000), 1000);
    assert_int_equal(stream_available(s), 2);
    assert_true(rig_is_clean(&r.end[1]));
    stream_end(a, s);
    stream_release(a, s);
    rig_advance(&r, 5000000);
    assert_true(rig_is_clean(&r.end[0]));
    rig_fini(&r);
}

static void a_reset_takes_both_directions(void **state)
{
    struct rig r;

    for (int by = 0; by < 2; by++) {
        rig_init(&r, 5);
        rig_open(&r);

        struct stream *s = channel_open_stream(r.end[0].channel, NULL);

        stream_write(r.end[0].channel, s, text, 5000);
        rig_settle(&r);
        stream_reset(r.end[by].channel, by == 0 ? s : r.end[1].last, STREAM_BROKEN);
        rig_advance(&r, 5000000);
        assert_int_equal(r.end[1 - by].resets, 1);
        assert_int_equal(r.end[1 - by].code, STREAM_BROKEN);
        assert_int_equal(r.end[by].resets, 0);
        assert_true(rig_is_clean(&r.end[0]) && rig_is_clean(&r.end[1]));
        rig_fini(&r);
    }
}

static void a_stream_released_before_its_end_is_cancelled(void **state)
{
    struct rig r;

    rig_init(&r, 6);
    rig_open(&r);

    struct stream *s = channel_open_stream(r.end[0].channel, NULL);

    stream_write(r.end[0].channel, s, text, 100);
    stream_release(r.end[0].channel, s);
    rig_advance(&r, 5000000);
    assert_int_equal(r.end[1].opened, r.end[1].resets);
    assert_true(rig_is_clean(&r.end[0]) && rig_is_clean(&r.end[1]));
    rig_fini(&r);
}

static void drop_at_once(struct rig_end *e, struct stream *s)
{
    stream_end(e->channel, s);
    stream_release(e->channel, s);
}

static void ids_are_used_again_and_again(void **state)
{
    struct rig r;

    rig_init(&r, 7);
    r.end[1].on_opened = drop_at_once;
    rig_open(&r);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < SLOTS_OWN - 1; i++) {
            struct stream *s = channel_open_stream(r.end[0].channel, NULL);

            assert_non_null(s);
            stream_end(r.end[0].channel, s);
            stream_release(r.end[0].channel, s);
        }
        assert_null(channel_open_stream(r.end[0].channel, NULL));
        rig_advance(&r, 5000000);
    }
    assert_int_equal(r.end[1].opened, 8 * (SLOTS_OWN - 1));
    assert_true(rig_is_clean(&r.end[0]) && rig_is_clean(&r.end[1]));
    rig_fini(&r);
}

/* The reader is slower than the id's next use: it keeps what it has. */
static void an_id_may_be_used_again_before_its_old_bytes_were_read(void **state)
{
    struct rig r;
    uint8_t got[64];

    rig_init(&r, 8);
    rig_open(&r);

    struct channel *a = r.end[0].channel, *b = r.end[1].channel;
    struct stream *s = channel_open_stream(a, NULL);
    uint64_t slot = stream_id(s) % SLOTS;

    stream_write(a, s, "old", 3);
    stream_end(a, s);
    rig_settle(&r);

    struct stream *old = r.end[1].last;

    stream_end(b, old);
    rig_advance(&r, 5000000);
    stream_release(a, s);
    r.end[1].on_opened = drop_at_once;
    do {
        s = channel_open_stream(a, NULL);
        stream_end(a, s);
        stream_release(a, s);
        rig_settle(&r);
        slot = stream_id(r.end[1].last) % SLOTS == slot ? SLOTS : slot;
    } while (slot != SLOTS);
    rig_advance(&r, 5000000);
    assert_int_equal(read_all(b, old, got, sizeof(got)), 3);
    assert_memory_equal(got, "old", 3);
    assert_true(stream_is_ended(old) && stream_is_delivered(old));
    stream_release(b, old);
    rig_advance(&r, 5000000);
    assert_true(rig_is_clean(&r.end[0]) && rig_is_clean(&r.end[1]));
    rig_fini(&r);
}

static void without_memory_for_it_a_stream_is_refused(void **state)
{
    struct rig r;
    uint32_t opened = 0;

    rig_init(&r, 9);
    /* A pool of 4 at the second end. */
    channel_fini(r.end[1].channel);
    r.end[1].config.streams = stream_pool_init(r.end[1].stream_memory, 4);
    channel_init(r.end[1].channel, &r.end[1].config, r.now);
    rig_open(&r);
    for (; opened < 20; opened++) {
        struct stream *s = channel_open_stream(r.end[0].channel, NULL);

        stream_write(r.end[0].channel, s, text, 100);
    }
    rig_advance(&r, 50000000);
    assert_int_equal(r.end[1].opened, 4);
    assert_int_equal(r.end[0].resets, 16);
    assert_int_equal(r.end[0].code, STREAM_REFUSED);
    assert_int_equal(r.end[0].downs, 0);
    r.end[1].config.streams = NULL;
    channel_fini(r.end[0].channel);
    channel_fini(r.end[1].channel);
    channel_init(r.end[0].channel, &r.end[0].config, r.now);
    r.end[1].config.streams = stream_pool_init(r.end[1].stream_memory, RIG_STREAMS);
    channel_init(r.end[1].channel, &r.end[1].config, r.now);
    rig_fini(&r);
}

/* Somebody else takes what an end has, but for the floors. */
static void take_chunks(struct rig_end *e, struct chunk_account *others, struct chunk **taken)
{
    struct chunk *chunk;

    while ((chunk = chunk_take(&e->chunks, others, CHUNK_MUST)) != NULL) {
        chunk->next = *taken;
        *taken = chunk;
    }
}

static void give_chunks(struct rig_end *e, struct chunk_account *others, struct chunk *taken)
{
    while (taken != NULL) {
        struct chunk *chunk = taken;

        taken = chunk->next;
        chunk_give(&e->chunks, others, chunk);
    }
}

static void a_stream_goes_on_when_others_have_all_chunks(void **state)
{
    struct rig r;
    struct chunk_account others[2] = {{0}};
    struct chunk *taken[2] = {NULL};
    uint32_t moved = 0;

    rig_init(&r, 12);
    rig_open(&r);

    struct channel *a = r.end[0].channel, *b = r.end[1].channel;
    struct stream *s = channel_open_stream(a, NULL);

    stream_write(a, s, text, 1);
    rig_advance(&r, 5000000);
    for (int i = 0; i < 2; i++)
        take_chunks(&r.end[i], &others[i], &taken[i]);
    assert_null(channel_open_stream(a, NULL));
    for (int i = 0; i < 100; i++) {
        assert_true(stream_room(a, s) >= CHUNK_ROOM);
        moved += (uint32_t)stream_write(a, s, text, 4000);
        rig_advance(&r, 5000000);
        stream_consume(b, r.end[1].last, (uint32_t)stream_available(r.end[1].last));
    }
    assert_true(moved >= 200000);
    stream_end(a, s);
    stream_end(b, r.end[1].last);
    rig_advance(&r, 5000000);
    stream_consume(b, r.end[1].last, (uint32_t)stream_available(r.end[1].last));
    assert_true(stream_is_ended(r.end[1].last));
    stream_release(a, s);
    stream_release(b, r.end[1].last);
    rig_advance(&r, 5000000);
    for (int i = 0; i < 2; i++)
        give_chunks(&r.end[i], &others[i], taken[i]);
    assert_true(rig_is_clean(&r.end[0]) && rig_is_clean(&r.end[1]));
    rig_fini(&r);
}

static void what_is_expected_finds_room(void **state)
{
    static const struct {
        const char *name;
        bool is_expected_in_time; /* before others take the chunks */
    } row[] = {{"expected: all of it comes", true}, {"too late: it is refused", false}};

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct rig r;
        struct chunk_account others = {0};
        struct chunk *taken = NULL;

        rig_init(&r, 13);
        rig_open(&r);

        struct channel *a = r.end[0].channel, *b = r.end[1].channel;
        struct stream *s = channel_open_stream(a, NULL);

        stream_write(a, s, text, 8);
        rig_advance(&r, 5000000);
        if (row[i].is_expected_in_time)
            assert_true(stream_expect(b, r.end[1].last, 30000));
        take_chunks(&r.end[1], &others, &taken);
        if (!row[i].is_expected_in_time)
            assert_false(stream_expect(b, r.end[1].last, 30000));
        stream_write(a, s, text, 29992);
        rig_advance(&r, 500000000);
        if ((stream_available(r.end[1].last) == 30000) != row[i].is_expected_in_time)
            fail_msg("%s: %zu", row[i].name, stream_available(r.end[1].last));
        give_chunks(&r.end[1], &others, taken);
        rig_fini(&r);
    }
}

/* End 1 opens odd slots. It has opened stream 1 and sent 10 bytes of it; end 0 opened stream 2. */
static void a_peer_that_lies_is_found_out(void **state)
{
    enum { ONE = 1, TWO = 2 };
    static const struct {
        const char *what;
        bool is_lie;
        uint8_t frames[64];
        size_t len;
    } rows[] = {
        {"padding", false, {FRAME_PAD, 99, 99}, 3},
        {"a ping", false, {FRAME_PING}, 1},
        {"an unknown frame", true, {7}, 1},
        {"a frame cut off", true, {FRAME_CREDIT, 0, 0}, 3},
        {"bytes cut off", true, {0x10, 0, 5, 0, 0, 0, 0, 0, ONE, 'a'}, 10},
        {"bytes again", false, {0x10, 0, 1, 0, 0, 0, 0, 0, ONE, 'x'}, 10},
        {"bytes of the stream we opened", false, {0x10, 0, 1, 0, 0, 0, 0, 0, TWO, 'x'}, 10},
        {"bytes of a stream we did not open", true, {0x10, 0, 1, 0, 0, 0, 0, 0, 4, 'x'}, 10},
        {"a new stream", false, {0x10, 0, 1, 0, 0, 0, 0, 0, 3, 'x'}, 10},
        {"an id used again too early", true, {0x10, 0, 1, 0, 0, 0, 0, 0x10, ONE, 'x'}, 10},
        {"an id that skips a generation", true, {0x10, 0, 1, 0, 0, 0, 0, 0x10, 3, 'x'}, 10},
        {"no bytes and no end", true, {0x10, 0, 0, 0, 0, 0, 0, 0, ONE}, 9},
        {"the window's last byte",
         false,
         {0x12, 0, 1, 0, 0, 0, 0, 0, ONE, 0, 1, 0xff, 0xff, 'x'},
         14},
        {"a byte beyond the window", true, {0x12, 0, 1, 0, 0, 0, 0, 0, ONE, 0, 2, 0, 0, 'x'}, 14},
        {"an end", false, {0x13, 0, 0, 0, 0, 0, 0, 0, ONE, 0, 0, 0, 10}, 13},
        {"an end before bytes that came", true, {0x13, 0, 0, 0, 0, 0, 0, 0, ONE, 0, 0, 0, 9}, 13},
        {"two ends",
         true,
         {0x13, 0, 0, 0, 0, 0, 0, 0, ONE, 0, 0, 0, 10, 0x13, 0, 0, 0, 0, 0, 0, 0, ONE, 0, 0, 0, 11},
         26},
        {"bytes behind the end",
         true,
         {0x13, 0, 0, 0, 0, 0, 0, 0,   ONE, 0, 0, 0,  10, 0x12,
          0,    1, 0, 0, 0, 0, 0, ONE, 0,   0, 0, 10, 'x'},
         27},
        {"the end of the control stream", true, {0x11, 0, 0, 0, 0, 0, 0, 0, 0}, 9},
        {"a reset of the control stream", true, {FRAME_RESET, 0, 0, 0, 0, 0, 0, 1}, 8},
        {"a stop of the control stream", true, {FRAME_STOP, 0, 0, 0, 0, 0, 0}, 7},
        {"a second life of the control stream", true, {0x10, 0, 1, 0, 0, 0, 0, 0x10, 0, 'x'}, 10},
        {"a reset without a reason", true, {FRAME_RESET, 0, 0, 0, 0, 0, ONE, 0}, 8},
        {"a reset", false, {FRAME_RESET, 0, 0, 0, 0, 0, ONE, 1}, 8},
        {"a stop of a new stream", false, {FRAME_STOP, 0, 0, 0, 0, 0, 3}, 7},
        {"credit for a stream we did not open",
         true,
         {FRAME_CREDIT, 0, 0, 0, 0, 0, 8, 0, 9, 0, 0},
         11},
        {"an acknowledgement of what was not sent",
         true,
         {FRAME_ACK, 0, 0, 0, 0, 0, 1, 0, 0, 0},
         10},
        {"two acknowledgements",
         true,
         {FRAME_ACK, 0, 0, 0, 0, 0, 0, 1, 0, 0, FRAME_ACK, 0, 0, 0, 0, 0, 0, 1, 0, 0},
         20},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig r;
        bool wants_ack;

        rig_init(&r, 10);
        rig_open(&r);

        struct stream *one = channel_open_stream(r.end[1].channel, NULL);
        struct stream *two = channel_open_stream(r.end[0].channel, NULL);

        assert_int_equal(stream_id(one), ONE);
        assert_int_equal(stream_id(two), TWO);
        stream_write(r.end[1].channel, one, "0123456789", 10);
        rig_settle(&r);
        channel_take_frames(r.end[0].channel, rows[i].frames, rows[i].len, &wants_ack, r.now);
        if ((r.end[0].downs == 1) != rows[i].is_lie)
            fail_msg("%s", rows[i].what);
        assert_int_equal(r.end[0].counters.rpc_bad_frame, rows[i].is_lie);
        if (rows[i].is_lie) {
            assert_int_equal(r.end[0].why, CHANNEL_MISBEHAVED);
            assert_true(rig_is_clean(&r.end[0]));
        }
        rig_fini(&r);
    }
}

/* Offsets are compared modulo 2^32: with a used-up window, far ahead may look like behind. */
static void bytes_half_the_circle_away_are_beyond_the_window(void **state)
{
    struct rig r;
    static uint8_t frame[FRAME_STREAM_BYTES + FRAME_STREAM_OFFSET_BYTES + 60000];
    bool wants_ack;

    rig_init(&r, 11);
    rig_open(&r);

    struct stream *s = channel_open_stream(r.end[0].channel, NULL);

    stream_write(r.end[0].channel, s, text, sizeof(text));
    rig_advance(&r, 5000000);
    assert_int_equal(stream_available(r.end[1].last), CHANNEL_STREAM_WINDOW);
    frame_write_stream(frame, stream_id(s), CHANNEL_STREAM_WINDOW + 0x7ffffff0u, 60000, false);
    channel_take_frames(r.end[1].channel, frame, sizeof(frame), &wants_ack, r.now);
    assert_int_equal(r.end[1].why, CHANNEL_MISBEHAVED);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_half_the_circle_away_are_beyond_the_window),
        cmocka_unit_test(a_call_and_its_answer_leave_nothing_behind),
        cmocka_unit_test(the_control_stream_is_there_on_both_sides),
        cmocka_unit_test(a_writer_gets_as_far_as_its_reader_lets_it),
        cmocka_unit_test(a_stop_ends_what_nobody_reads),
        cmocka_unit_test(a_reset_takes_both_directions),
        cmocka_unit_test(a_stream_released_before_its_end_is_cancelled),
        cmocka_unit_test(ids_are_used_again_and_again),
        cmocka_unit_test(an_id_may_be_used_again_before_its_old_bytes_were_read),
        cmocka_unit_test(without_memory_for_it_a_stream_is_refused),
        cmocka_unit_test(a_stream_goes_on_when_others_have_all_chunks),
        cmocka_unit_test(what_is_expected_finds_room),
        cmocka_unit_test(a_peer_that_lies_is_found_out),
    };

    assert(aead_init() == 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    aead_fini();
    return failed;
}
