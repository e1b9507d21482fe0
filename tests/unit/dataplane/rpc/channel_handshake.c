/* How channels open, stay open, and end; and what strangers can do about it: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "channel_rig.h"

#define MS_NS 1000000ull

static void is_open(struct rig *r, bool a, bool b)
{
    assert_int_equal(channel_state(r->end[0].channel) == CHANNEL_OPEN, a);
    assert_int_equal(channel_state(r->end[1].channel) == CHANNEL_OPEN, b);
}

/* The next datagram of an end, lost or kept. */
static size_t take(struct rig_end *e, uint8_t *out, enum datagram_kind kind)
{
    size_t len = rig_output(e, out);
    uint32_t index;

    assert_true(len > 0);
    assert_int_equal(datagram_peek(out, len, &index), kind);
    return len;
}

static void a_lost_init_is_sent_again_with_backoff(void **state)
{
    static const uint64_t expected_ms[] = {50, 100, 200, 400, 800, 1000, 1000};
    struct rig r;
    uint8_t first[CHANNEL_DATAGRAM_MAX], again[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 1);
    channel_connect(r.end[0].channel, r.now);

    size_t len = take(&r.end[0], first, DATAGRAM_INIT);

    for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++) {
        assert_int_equal(channel_deadline(r.end[0].channel), r.now + expected_ms[i] * MS_NS);
        r.now = channel_deadline(r.end[0].channel);
        assert_int_equal(take(&r.end[0], again, DATAGRAM_INIT), len);
        assert_memory_equal(first, again, len);
    }
    rig_input(&r.end[1], again, len);
    rig_settle(&r);
    is_open(&r, true, true);
    rig_fini(&r);
}

static void a_lost_response_is_repeated_for_the_same_init(void **state)
{
    struct rig r;
    uint8_t init[CHANNEL_DATAGRAM_MAX], response[CHANNEL_DATAGRAM_MAX], again[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 2);
    channel_connect(r.end[0].channel, r.now);

    size_t init_len = take(&r.end[0], init, DATAGRAM_INIT);

    rig_input(&r.end[1], init, init_len);

    size_t len = take(&r.end[1], response, DATAGRAM_RESPONSE);

    rig_input(&r.end[1], init, init_len);
    assert_int_equal(take(&r.end[1], again, DATAGRAM_RESPONSE), len);
    assert_memory_equal(response, again, len);
    /* The first copy may still arrive, and serves as well. */
    assert_int_equal(rig_input(&r.end[0], response, len), CHANNEL_TAKEN);
    assert_int_equal(rig_input(&r.end[0], again, len), CHANNEL_REFUSED_NO_SESSION);
    rig_settle(&r);
    is_open(&r, true, true);
    rig_fini(&r);
}

static void two_inits_that_cross_give_one_session(void **state)
{
    struct rig r;
    uint8_t init[2][CHANNEL_DATAGRAM_MAX];
    size_t len[2];

    rig_init(&r, 3);
    for (int i = 0; i < 2; i++) {
        channel_connect(r.end[i].channel, r.now);
        len[i] = take(&r.end[i], init[i], DATAGRAM_INIT);
    }
    for (int i = 0; i < 2; i++)
        rig_input(&r.end[1 - i], init[i], len[i]);
    rig_advance(&r, 3000 * MS_NS);
    is_open(&r, true, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(r.end[i].ups, 1);
        assert_int_equal(r.end[i].downs, 0);
    }
    rig_fini(&r);
}

/* The end whose init wins has answered the other's before it made its own, and hears a copy of
 * that: as after a one-way cut. */
static void an_init_answered_before_is_not_answered_again_beside_ones_own(void **state)
{
    struct rig r;
    uint8_t theirs[CHANNEL_DATAGRAM_MAX], ours[CHANNEL_DATAGRAM_MAX], lost[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 5);
    assert_true(r.end[0].config.own_id < r.end[1].config.own_id);
    channel_connect(r.end[1].channel, r.now);

    size_t their_len = take(&r.end[1], theirs, DATAGRAM_INIT);

    rig_input(&r.end[0], theirs, their_len);
    take(&r.end[0], lost, DATAGRAM_RESPONSE);
    channel_connect(r.end[0].channel, r.now);
    r.now = channel_deadline(r.end[0].channel);

    size_t our_len = take(&r.end[0], ours, DATAGRAM_INIT);

    rig_input(&r.end[0], theirs, their_len);
    rig_input(&r.end[1], ours, our_len);
    rig_advance(&r, 3000 * MS_NS);
    is_open(&r, true, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(r.end[i].ups, 1);
        assert_int_equal(r.end[i].downs, 0);
    }
    rig_fini(&r);
}

static void a_response_proves_nothing_to_its_sender(void **state)
{
    struct rig r;
    uint8_t bytes[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 4);
    channel_connect(r.end[0].channel, r.now);
    rig_input(&r.end[1], bytes, take(&r.end[0], bytes, DATAGRAM_INIT));

    size_t len = take(&r.end[1], bytes, DATAGRAM_RESPONSE);

    is_open(&r, false, false);
    rig_input(&r.end[0], bytes, len);
    is_open(&r, true, false);
    len = take(&r.end[0], bytes, DATAGRAM_DATA);
    rig_input(&r.end[1], bytes, len);
    is_open(&r, true, true);
    rig_fini(&r);
}

static void a_replayed_init_takes_nothing_down(void **state)
{
    struct rig r;
    uint8_t old[CHANNEL_DATAGRAM_MAX], init[CHANNEL_DATAGRAM_MAX], bytes[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 5);
    /* An init of an earlier life, and the one that opened this session. */
    channel_connect(r.end[0].channel, r.now);
    size_t old_len = take(&r.end[0], old, DATAGRAM_INIT);

    rig_restart(&r.end[0]);
    channel_connect(r.end[0].channel, r.now);
    size_t init_len = take(&r.end[0], init, DATAGRAM_INIT);

    rig_input(&r.end[1], init, init_len);
    rig_settle(&r);
    is_open(&r, true, true);

    rig_input(&r.end[1], init, init_len);
    assert_false(channel_has_output(r.end[1].channel, r.now));
    for (int i = 0; i < 10; i++) {
        rig_input(&r.end[1], old, old_len);
        size_t len = take(&r.end[1], bytes, DATAGRAM_RESPONSE);

        assert_int_equal(rig_input(&r.end[0], bytes, len), CHANNEL_REFUSED_NO_SESSION);
        rig_advance(&r, 700 * MS_NS);
    }
    is_open(&r, true, true);
    assert_int_equal(r.end[0].downs + r.end[1].downs, 0);
    rig_fini(&r);
}

static void a_peer_that_starts_anew_ends_the_old_session(void **state)
{
    struct rig r;
    uint8_t bytes[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 6);
    rig_open(&r);
    assert_non_null(channel_open_stream(r.end[1].channel, NULL));
    /* A packet of the old session, on its way for long. */
    stream_write(r.end[1].channel, channel_control(r.end[1].channel), "x", 1);
    size_t len = take(&r.end[1], bytes, DATAGRAM_DATA);

    rig_restart(&r.end[0]);
    assert_int_equal(rig_input(&r.end[0], bytes, len), CHANNEL_REFUSED_NO_SESSION);
    rig_open(&r);
    assert_int_equal(r.end[1].downs, 1);
    assert_int_equal(r.end[1].why, CHANNEL_RESTARTED);
    assert_int_equal(r.end[1].ups, 2);
    assert_int_equal(rig_input(&r.end[0], bytes, len), CHANNEL_REFUSED_NO_SESSION);
    assert_int_equal(stream_available(channel_control(r.end[0].channel)), 0);
    rig_fini(&r);
}

static void silence_ends_it_in_time_and_a_quiet_peer_does_not(void **state)
{
    struct rig r;
    uint8_t bytes[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 7);
    rig_open(&r);
    rig_advance(&r, 60000 * MS_NS);
    is_open(&r, true, true);

    struct channel *a = r.end[0].channel;
    uint64_t since = r.now;

    while (channel_state(a) == CHANNEL_OPEN) {
        while (rig_output(&r.end[0], bytes) > 0)
            ;
        assert_true(channel_deadline(a) > r.now || r.now == since);
        r.now = channel_deadline(a);
        channel_timeout(a, r.now);
    }
    assert_int_equal(r.end[0].why, CHANNEL_SILENT);
    assert_true(r.now - since <= r.end[0].config.silence_ns);
    assert_true(r.now - since >= r.end[0].config.silence_ns / 2);
    rig_fini(&r);
}

static void a_closed_channel_says_good_bye(void **state)
{
    struct rig r;

    rig_init(&r, 8);
    rig_open(&r);
    channel_open_stream(r.end[0].channel, NULL);
    channel_close(r.end[0].channel, r.now);
    rig_settle(&r);
    is_open(&r, false, false);
    assert_int_equal(r.end[0].downs, 0);
    assert_int_equal(r.end[1].why, CHANNEL_DROPPED);
    assert_int_equal(channel_deadline(r.end[0].channel), UINT64_MAX);
    rig_open(&r);
    rig_fini(&r);
}

static void any_flipped_bit_is_refused_and_changes_nothing(void **state)
{
    struct rig r;
    uint8_t bytes[CHANNEL_DATAGRAM_MAX], bad[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 9);
    channel_connect(r.end[0].channel, r.now);
    for (int turn = 0; turn < 4; turn++) {
        struct rig_end *from = &r.end[turn % 2], *to = &r.end[1 - turn % 2];

        if (turn == 3)
            stream_write(from->channel, channel_control(from->channel), "x", 1);

        size_t len = rig_output(from, bytes);

        assert_true(len > 0);
        for (size_t bit = 0; bit < len * 8; bit += turn < 2 ? 5 : 1) {
            memcpy(bad, bytes, len);
            bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(rig_input(to, bad, len), CHANNEL_TAKEN);
        }
        for (size_t short_len = 0; short_len < len; short_len++)
            assert_int_not_equal(rig_input(to, bytes, short_len), CHANNEL_TAKEN);
        assert_false(channel_has_output(to->channel, r.now) && turn < 2);
        assert_int_equal(rig_input(to, bytes, len), CHANNEL_TAKEN);
    }
    is_open(&r, true, true);
    assert_int_equal(r.end[0].ups + r.end[1].ups, 2);
    rig_fini(&r);
}

static void a_datagram_is_taken_once(void **state)
{
    struct rig r;
    uint8_t bytes[CHANNEL_DATAGRAM_MAX];

    rig_init(&r, 10);
    rig_open(&r);
    for (int i = 0; i < 3000; i++) {
        stream_write(r.end[0].channel, channel_control(r.end[0].channel), "x", 1);

        size_t len = rig_output(&r.end[0], bytes);

        assert_int_equal(rig_input(&r.end[1], bytes, len), CHANNEL_TAKEN);
        assert_int_equal(rig_input(&r.end[1], bytes, len), CHANNEL_REFUSED_REPLAY);
        rig_settle(&r);
    }
    assert_int_equal(stream_available(channel_control(r.end[1].channel)), 3000);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_init_is_sent_again_with_backoff),
        cmocka_unit_test(a_lost_response_is_repeated_for_the_same_init),
        cmocka_unit_test(two_inits_that_cross_give_one_session),
        cmocka_unit_test(an_init_answered_before_is_not_answered_again_beside_ones_own),
        cmocka_unit_test(a_response_proves_nothing_to_its_sender),
        cmocka_unit_test(a_replayed_init_takes_nothing_down),
        cmocka_unit_test(a_peer_that_starts_anew_ends_the_old_session),
        cmocka_unit_test(silence_ends_it_in_time_and_a_quiet_peer_does_not),
        cmocka_unit_test(a_closed_channel_says_good_bye),
        cmocka_unit_test(any_flipped_bit_is_refused_and_changes_nothing),
        cmocka_unit_test(a_datagram_is_taken_once),
    };

    assert(aead_init() == 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    aead_fini();
    return failed;
}
