/* What an ACK tells beside how far the peer is: its window, and how long a round trip takes. */
#include "fixture.h"

static uint8_t text[100000];

/* Established, with timestamps; the peer's window is 65535. */
static void open_with_ts(struct fixture *f)
{
    struct tcp_segment syn = segment(0, 0, TCP_SYN);

    fixture_init(f, 10, 20);
    syn.mss = MSS;
    syn.has_ts = true;
    syn.ts_val = 1000;
    established_with(f, syn);
}

/* Of so many bytes, with the time of what they answer. */
static void ack_with(struct fixture *f, uint32_t bytes, uint32_t ts_ecr)
{
    struct tcp_segment s = segment(f->irs + 1, f->iss + 1 + bytes, TCP_ACK);

    s.has_ts = true;
    s.ts_val = 1000;
    s.ts_ecr = ts_ecr;
    give(f, s);
}

static void time_out(struct fixture *f)
{
    f->now = tcp_deadline(&f->tcp);
    tcp_timeout(&f->tcp, f->now);
}

/* How long a segment that is sent now is waited for. */
static uint64_t timeout_of_next(struct fixture *f)
{
    tcp_write(&f->tcp, text, 100);
    assert_true(take(f));
    return tcp_deadline(&f->tcp) - f->now;
}

/* All of a round trip's ACKs were lost: who has the bytes already answers what comes again with the
 * time of what came first. */
static void the_wait_for_a_timeout_is_no_round_trip(void **state)
{
    struct fixture f;
    uint64_t wait = 0;
    uint32_t acked = 0;

    open_with_ts(&f);
    for (int i = 0; i < 8; i++) {
        tcp_write(&f.tcp, text, 2 * 1448);
        assert_true(take(&f));
        uint32_t first = f.seg.ts_val;
        take_all(&f);
        wait = tcp_deadline(&f.tcp) - f.now;
        time_out(&f);
        assert_true(take(&f));
        f.now += 10 * MS_NS;
        acked += 2 * 1448;
        ack_with(&f, acked, first);
        take_all(&f);

        /* A round trip that nothing disturbs tells the truth, and the waiting is over. */
        tcp_write(&f.tcp, text, 1448);
        assert_true(take(&f));
        f.now += 10 * MS_NS;
        acked += 1448;
        ack_with(&f, acked, f.seg.ts_val);
    }
    assert_true(wait <= TCP_RTO_MIN_MS * MS_NS);
    fixture_fini(&f);
}

/* RFC 6298 5.7: the doubling is for as long as nothing was measured. */
static void a_timeout_stays_doubled_until_something_is_measured(void **state)
{
    struct fixture f;
    uint32_t first;

    open_with_ts(&f);
    uint64_t wait = timeout_of_next(&f);
    first = f.seg.ts_val;
    time_out(&f);
    assert_true(take(&f));
    time_out(&f);
    assert_true(take(&f));
    f.now += 10 * MS_NS;
    ack_with(&f, 100, first); /* of which of the three? */
    assert_int_equal(timeout_of_next(&f), 4 * wait);
    f.now += 10 * MS_NS;
    ack_with(&f, 200, f.seg.ts_val);
    assert_true(timeout_of_next(&f) <= wait);
    fixture_fini(&f);
}

static void the_answer_to_what_came_again_is_a_round_trip(void **state)
{
    struct fixture f;

    open_with_ts(&f);
    uint64_t wait = timeout_of_next(&f);
    time_out(&f);
    assert_true(take(&f));
    f.now += 10 * MS_NS;
    ack_with(&f, 100, f.seg.ts_val);
    assert_true(timeout_of_next(&f) <= wait);
    fixture_fini(&f);
}

/* A segment that comes again has an old sequence number and the newest window: with the old one
 * behind the new ACK we would send more than the peer has ever had room for. */
static void the_window_of_a_newer_ack_counts_whatever_brings_it(void **state)
{
    struct fixture f;
    struct tcp_segment s;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_ESTABLISHED);
    tcp_write(&f.tcp, text, 4 * MSS);
    take_all(&f);
    s = segment(f.irs + 1 + 500, f.iss + 1, TCP_ACK); /* behind 500 bytes that are lost */
    s.window = 4 * MSS;
    give(&f, s);
    tcp_write(&f.tcp, text, 4 * MSS);
    take_all(&f);
    s = segment(f.irs + 1, f.iss + 1 + 4 * MSS, TCP_ACK);
    s.payload = text;
    s.payload_bytes = 500;
    s.window = 1000;
    give(&f, s);
    while (take(&f))
        assert_true(f.seg.seq + f.seg.payload_bytes - (f.iss + 1) <= 4 * MSS + 1000);
    fixture_fini(&f);
}

/* However long round trips seem to be: those of a peer that stood still were seconds. */
static void what_fits_a_small_window_waits_a_second_at_most(void **state)
{
    struct fixture f;
    struct tcp_segment s;

    open_with_ts(&f);
    tcp_write(&f.tcp, text, 1000);
    take_all(&f);
    f.now += 5000 * MS_NS;
    s = segment(f.irs + 1, f.iss + 1 + 1000, TCP_ACK);
    s.has_ts = true;
    s.ts_val = 1000;
    s.window = 200;
    give(&f, s);
    tcp_write(&f.tcp, text, 3000);
    assert_false(take(&f));
    assert_true(tcp_deadline(&f.tcp) <= f.now + 1000 * MS_NS);
    time_out(&f);
    assert_true(take(&f));
    assert_int_equal(f.seg.payload_bytes, 200);
    fixture_fini(&f);
}

/* A peer that has sent more than there is room for says its ACKs from behind the window (RFC 9293
 * 3.10.7.4: "special allowance should be made to accept valid ACKs"). */
static void an_ack_from_behind_the_window_counts(void **state)
{
    struct fixture f;
    uint32_t at = 0;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_ESTABLISHED);
    for (; at < TCP_RX_WINDOW_BYTES; at += 1000)
        give_bytes(&f, f.irs + 1 + at, f.iss + 1, text, 1000);
    take_all(&f);
    at = (uint32_t)tcp_readable(&f.tcp);
    tcp_write(&f.tcp, text, 1000);
    take_all(&f);
    give(&f, segment(f.irs + 1 + at + 2000, f.iss + 1 + 600, TCP_ACK));
    assert_int_equal(tcp_unacked(&f.tcp), 400);
    give_bytes(&f, f.irs + 1 + at + 2000, f.iss + 1 + 1000, text, 500);
    assert_int_equal(tcp_unacked(&f.tcp), 0);
    assert_int_equal(tcp_readable(&f.tcp), at); /* its text does not */
    assert_int_equal(tcp_state(&f.tcp), TCP_ESTABLISHED);
    take_all(&f);

    /* From further away it may be anybody's. */
    tcp_write(&f.tcp, text, 1000);
    take_all(&f);
    give(&f, segment(f.irs + 1 + at + 2 * TCP_RX_WINDOW_BYTES, f.iss + 1 + 2000, TCP_ACK));
    assert_int_equal(tcp_unacked(&f.tcp), 1000);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_for_a_timeout_is_no_round_trip),
        cmocka_unit_test(a_timeout_stays_doubled_until_something_is_measured),
        cmocka_unit_test(the_answer_to_what_came_again_is_a_round_trip),
        cmocka_unit_test(the_window_of_a_newer_ack_counts_whatever_brings_it),
        cmocka_unit_test(what_fits_a_small_window_waits_a_second_at_most),
        cmocka_unit_test(an_ack_from_behind_the_window_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
