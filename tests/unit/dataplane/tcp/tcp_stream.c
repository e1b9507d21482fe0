/* Data, windows, losses and deadlines of one connection, segment by segment. */
#include "fixture.h"

static uint8_t text[300000];

static void ack_to(struct fixture *f, uint32_t bytes)
{
    give(f, segment(f->irs + 1, f->iss + 1 + bytes, TCP_ACK));
}

static void sack(struct fixture *f, uint32_t ack, uint32_t start, uint32_t end)
{
    struct tcp_segment s = segment(f->irs + 1, f->iss + 1 + ack, TCP_ACK);

    s.sack_count = 1;
    s.sack[0].start = f->iss + 1 + start;
    s.sack[0].end = f->iss + 1 + end;
    give(f, s);
}

static void a_syn_offers_all_options(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    tcp_open_active(&f.tcp, &f.env, LOCAL_PORT, REMOTE_PORT, f.iss, f.now);
    assert_true(take(&f));
    assert_int_equal(f.seg.flags, TCP_SYN);
    assert_int_equal(f.seg.mss, MSS);
    assert_true(f.seg.has_ts && f.seg.has_sack_permitted);
    assert_int_equal(f.seg.wscale, 3);
    assert_int_equal(f.seg.payload_bytes, 0);
    assert_int_equal(f.seg.window, 65535);
    fixture_fini(&f);
}

static void the_initial_window_is_ten_segments(void **state)
{
    struct fixture f;
    uint32_t bytes;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    assert_int_equal(tcp_write(&f.tcp, text, 100000), 100000);
    assert_int_equal(burst(&f, &bytes), 10);
    assert_int_equal(bytes, 10 * MSS);
    /* Slow start: two for each one acknowledged. */
    ack_to(&f, 2 * MSS);
    assert_int_equal(burst(&f, &bytes), 4);
    fixture_fini(&f);
}

static void a_lost_segment_is_sent_again_after_three_sacks(void **state)
{
    struct fixture f;
    uint32_t bytes;

    fixture_init(&f, 0xffffff00, 20);
    open_with_options(&f);
    tcp_write(&f.tcp, text, 10 * MSS);
    assert_int_equal(burst(&f, &bytes), 10);
    sack(&f, 0, MSS, 2 * MSS);
    assert_int_equal(burst(&f, &bytes), 0);
    sack(&f, 0, MSS, 3 * MSS);
    assert_int_equal(burst(&f, &bytes), 0);
    sack(&f, 0, MSS, 4 * MSS);
    assert_true(take(&f));
    assert_int_equal(f.seg.seq, f.iss + 1);
    assert_int_equal(f.seg.payload_bytes, MSS);
    assert_int_equal(f.counters.tcp_fast_recoveries, 1);
    /* Nothing that was SACKed is sent again. */
    while (take(&f))
        assert_true((int32_t)(f.seg.seq - (f.iss + 1 + 4 * MSS)) >= 0);
    ack_to(&f, 10 * MSS);
    assert_int_equal(tcp_unacked(&f.tcp), 0);
    assert_int_equal(f.counters.tcp_rto, 0);
    fixture_fini(&f);
}

static void without_sack_three_duplicate_acks_do(void **state)
{
    struct fixture f;
    uint32_t bytes;
    struct tcp_segment syn = segment(0, 0, TCP_SYN);

    fixture_init(&f, 10, 20);
    syn.mss = MSS;
    established_with(&f, syn);
    tcp_write(&f.tcp, text, 10 * MSS);
    assert_int_equal(burst(&f, &bytes), 10);
    for (int i = 0; i < 2; i++) {
        ack_to(&f, 0);
        assert_int_equal(burst(&f, &bytes), 0);
    }
    ack_to(&f, 0);
    assert_int_equal(burst(&f, &bytes), 1);
    assert_int_equal(f.seg.seq, f.iss + 1);
    /* A partial ACK shows the next hole (RFC 6582). */
    ack_to(&f, 3 * MSS);
    assert_true(take(&f));
    assert_int_equal(f.seg.seq, f.iss + 1 + 3 * MSS);
    ack_to(&f, 10 * MSS);
    assert_int_equal(tcp_deadline(&f.tcp), f.now + TCP_KEEPALIVE_S * 1000 * MS_NS);
    fixture_fini(&f);
}

static void limited_transmit_sends_new_data_on_the_first_duplicates(void **state)
{
    struct fixture f;
    uint32_t bytes;
    struct tcp_segment syn = segment(0, 0, TCP_SYN);

    fixture_init(&f, 10, 20);
    syn.mss = MSS;
    established_with(&f, syn);
    tcp_write(&f.tcp, text, 20 * MSS);
    assert_int_equal(burst(&f, &bytes), 10);
    ack_to(&f, 0);
    assert_int_equal(burst(&f, &bytes), 1);
    assert_int_equal(f.seg.seq, f.iss + 1 + 10 * MSS);
    fixture_fini(&f);
}

static void a_timeout_sends_the_first_segment_and_doubles(void **state)
{
    struct fixture f;
    uint32_t bytes;
    uint64_t wait = 0;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_write(&f.tcp, text, 5 * MSS);
    assert_int_equal(burst(&f, &bytes), 5);
    for (uint32_t i = 0; i < TCP_DATA_RETRIES; i++) {
        uint64_t deadline = tcp_deadline(&f.tcp);

        assert_true(deadline > f.now);
        if (wait > 0 && wait < TCP_RTO_MAX_MS * MS_NS / 2)
            assert_int_equal(deadline - f.now, 2 * wait);
        wait = deadline - f.now;
        f.now = deadline;
        tcp_timeout(&f.tcp, f.now);
        assert_int_equal(burst(&f, &bytes), 1);
        assert_int_equal(f.seg.seq, f.iss + 1);
    }
    f.now = tcp_deadline(&f.tcp);
    tcp_timeout(&f.tcp, f.now);
    assert_int_equal(tcp_end(&f.tcp), TCP_END_TIMEOUT);
    assert_true(tcp_is_done(&f.tcp));
    fixture_fini(&f);
}

static void the_syn_is_given_up_after_its_retries(void **state)
{
    struct fixture f;
    uint32_t syns = 1;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_SYN_SENT);
    while (tcp_state(&f.tcp) != TCP_CLOSED) {
        f.now = tcp_deadline(&f.tcp);
        tcp_timeout(&f.tcp, f.now);
        syns += take(&f);
    }
    assert_int_equal(syns, 1 + TCP_SYN_RETRIES);
    assert_int_equal(tcp_end(&f.tcp), TCP_END_TIMEOUT);
    fixture_fini(&f);
}

static void acks_come_for_every_second_segment_or_after_a_while(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    give_bytes(&f, f.irs + 1, f.iss + 1, text, MSS);
    assert_false(take(&f));
    assert_int_equal(tcp_deadline(&f.tcp), f.now + TCP_DELAYED_ACK_MS * MS_NS);
    give_bytes(&f, f.irs + 1 + MSS, f.iss + 1, text, MSS);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, f.irs + 1 + 2 * MSS);
    give_bytes(&f, f.irs + 1 + 2 * MSS, f.iss + 1, text, 10);
    assert_false(take(&f));
    f.now += TCP_DELAYED_ACK_MS * MS_NS;
    tcp_timeout(&f.tcp, f.now);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, f.irs + 1 + 2 * MSS + 10);
    /* A response carries it. */
    give_bytes(&f, f.irs + 1 + 2 * MSS + 10, f.iss + 1, text, 10);
    tcp_write(&f.tcp, text, 5);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, f.irs + 1 + 2 * MSS + 20);
    assert_int_equal(f.seg.flags, TCP_ACK | TCP_PSH);
    assert_false(take(&f));
    fixture_fini(&f);
}

static void early_bytes_are_sacked_the_newest_first_and_duplicates_too(void **state)
{
    struct fixture f;
    uint32_t rcv;

    fixture_init(&f, 10, 0xfffffff0);
    open_with_options(&f);
    rcv = f.irs + 1;
    give_bytes(&f, rcv + 100, f.iss + 1, text, 10);
    assert_true(take(&f));
    give_bytes(&f, rcv + 200, f.iss + 1, text, 10);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, rcv);
    assert_int_equal(f.seg.sack_count, 2);
    assert_int_equal(f.seg.sack[0].start, rcv + 200);
    assert_int_equal(f.seg.sack[0].end, rcv + 210);
    assert_int_equal(f.seg.sack[1].start, rcv + 100);
    /* D-SACK (RFC 2883 4): the duplicate, then the block that holds it. */
    give_bytes(&f, rcv + 200, f.iss + 1, text, 10);
    assert_true(take(&f));
    assert_int_equal(f.seg.sack_count, 3);
    assert_int_equal(f.seg.sack[0].start, rcv + 200);
    assert_int_equal(f.seg.sack[0].end, rcv + 210);
    assert_int_equal(f.seg.sack[1].start, rcv + 200);
    give_bytes(&f, rcv, f.iss + 1, text, 100);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, rcv + 110);
    assert_int_equal(f.seg.sack_count, 1);
    give_bytes(&f, rcv, f.iss + 1, text, 100);
    assert_true(take(&f));
    assert_int_equal(f.seg.sack_count, 2);
    assert_int_equal(f.seg.sack[0].start, rcv);
    assert_int_equal(f.seg.sack[0].end, rcv + 100);
    fixture_fini(&f);
}

static void old_timestamps_and_missing_ones_are_dropped(void **state)
{
    struct fixture f;
    struct tcp_segment s = segment(0, 0, TCP_SYN);

    fixture_init(&f, 10, 20);
    s.has_ts = true;
    s.ts_val = 0xfffffff0;
    established_with(&f, s);
    s = segment(f.irs + 1, f.iss + 1, TCP_ACK);
    s.payload = text;
    s.payload_bytes = 10;
    s.has_ts = true;
    s.ts_val = 0xffffffef;
    give(&f, s);
    assert_int_equal(tcp_readable(&f.tcp), 0);
    assert_int_equal(f.counters.tcp_paws, 1);
    s.has_ts = false;
    give(&f, s);
    assert_int_equal(tcp_readable(&f.tcp), 0);
    s.has_ts = true;
    s.ts_val = 3; /* the clock came around */
    give(&f, s);
    assert_int_equal(tcp_readable(&f.tcp), 10);
    /* After 24 days of silence any timestamp is as good as another. */
    take_all(&f);
    f.now += 25ull * 24 * 3600 * 1000 * MS_NS;
    s.seq += 10;
    s.ts_val = 0xf0000000;
    give(&f, s);
    assert_int_equal(tcp_readable(&f.tcp), 20);
    fixture_fini(&f);
}

static void a_half_close_lets_the_other_half_go_on(void **state)
{
    struct fixture f;
    uint32_t bytes;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_write(&f.tcp, text, 100);
    tcp_finish(&f.tcp);
    assert_int_equal(tcp_write(&f.tcp, text, 1), 0);
    assert_int_equal(burst(&f, &bytes), 1); /* the FIN rides on the data */
    assert_int_equal(f.seg.flags, TCP_ACK | TCP_PSH | TCP_FIN);
    ack_to(&f, 101);
    assert_int_equal(tcp_state(&f.tcp), TCP_FIN_WAIT_2);
    give_bytes(&f, f.irs + 1, f.iss + 102, text, 1000);
    assert_int_equal(tcp_readable(&f.tcp), 1000);
    assert_false(tcp_peer_finished(&f.tcp));
    give(&f, segment(f.irs + 1001, f.iss + 102, TCP_ACK | TCP_FIN));
    assert_true(tcp_peer_finished(&f.tcp));
    assert_int_equal(tcp_readable(&f.tcp), 1000);
    assert_int_equal(tcp_state(&f.tcp), TCP_TIME_WAIT);
    take_all(&f);
    f.now = tcp_deadline(&f.tcp);
    tcp_timeout(&f.tcp, f.now);
    assert_int_equal(tcp_end(&f.tcp), TCP_END_CLOSED);
    fixture_fini(&f);
}

static void the_peers_half_close_lets_us_go_on(void **state)
{
    struct fixture f;
    uint32_t bytes;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_CLOSE_WAIT);
    assert_true(tcp_peer_finished(&f.tcp));
    assert_int_equal(tcp_write(&f.tcp, text, 5000), 5000);
    assert_int_equal(burst(&f, &bytes), 4);
    give(&f, segment(f.irs + 2, f.iss + 5001, TCP_ACK));
    assert_int_equal(tcp_unacked(&f.tcp), 0);
    tcp_finish(&f.tcp);
    assert_int_equal(burst(&f, &bytes), 1);
    assert_int_equal(f.seg.flags, TCP_ACK | TCP_FIN);
    give(&f, segment(f.irs + 2, f.iss + 5002, TCP_ACK));
    assert_int_equal(tcp_end(&f.tcp), TCP_END_CLOSED);
    fixture_fini(&f);
}

static void the_fin_is_sent_again_until_it_is_acknowledged(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_FIN_WAIT_1);
    for (int i = 0; i < 3; i++) {
        f.now = tcp_deadline(&f.tcp);
        tcp_timeout(&f.tcp, f.now);
        assert_true(take(&f));
        assert_int_equal(f.seg.flags, TCP_ACK | TCP_FIN);
        assert_int_equal(f.seg.seq, f.iss + 1);
        assert_false(take(&f));
    }
    fixture_fini(&f);
}

static void a_finish_before_the_handshake_waits_for_it(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_SYN_SENT);
    tcp_write(&f.tcp, text, 10);
    tcp_finish(&f.tcp);
    assert_false(take(&f));
    give(&f, segment(f.irs, f.iss + 1, TCP_SYN | TCP_ACK));
    assert_int_equal(tcp_state(&f.tcp), TCP_FIN_WAIT_1);
    assert_true(take(&f));
    assert_int_equal(f.seg.payload_bytes, 10);
    assert_true(f.seg.flags & TCP_FIN);
    fixture_fini(&f);
}

static void after_close_more_text_is_reset(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_close(&f.tcp, f.now);
    take_all(&f);
    ack_to(&f, 1);
    assert_int_equal(tcp_state(&f.tcp), TCP_FIN_WAIT_2);
    give_bytes(&f, f.irs + 1, f.iss + 2, text, 10);
    assert_int_equal(tcp_end(&f.tcp), TCP_END_ABORTED);
    assert_true(take(&f));
    assert_int_equal(f.seg.flags, TCP_RST | TCP_ACK);
    assert_int_equal(f.seg.seq, f.iss + 2);
    fixture_fini(&f);
}

static void close_with_unread_text_is_a_reset(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    give_bytes(&f, f.irs + 1, f.iss + 1, text, 10);
    tcp_close(&f.tcp, f.now);
    assert_true(take(&f));
    assert_int_equal(f.seg.flags, TCP_RST | TCP_ACK);
    fixture_fini(&f);
}

static void after_close_the_peers_fin_is_not_awaited_for_ever(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_close(&f.tcp, f.now);
    take_all(&f);
    ack_to(&f, 1);
    assert_int_equal(tcp_deadline(&f.tcp), f.now + TCP_FIN_WAIT_2_MS * MS_NS);
    f.now = tcp_deadline(&f.tcp);
    tcp_timeout(&f.tcp, f.now);
    assert_true(tcp_is_done(&f.tcp));
    fixture_fini(&f);
}

static void silence_is_probed_and_then_ended(void **state)
{
    struct fixture f;
    uint32_t probes = 0;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    f.now = tcp_deadline(&f.tcp);
    tcp_timeout(&f.tcp, f.now);
    assert_true(take(&f));
    assert_int_equal(f.seg.seq, f.iss);
    ack_to(&f, 0);
    assert_int_equal(tcp_deadline(&f.tcp), f.now + TCP_KEEPALIVE_S * 1000 * MS_NS);
    while (tcp_state(&f.tcp) != TCP_CLOSED) {
        f.now = tcp_deadline(&f.tcp);
        tcp_timeout(&f.tcp, f.now);
        probes += take(&f);
    }
    assert_int_equal(probes, TCP_KEEPALIVE_PROBES);
    assert_int_equal(tcp_end(&f.tcp), TCP_END_TIMEOUT);
    fixture_fini(&f);
}

/* A peer that hears nothing for a second says it again; the time between is no round trip. */
static void what_comes_again_is_acknowledged_with_its_own_time(void **state)
{
    struct fixture f;
    struct tcp_segment syn = segment(20, 0, TCP_SYN), s;

    fixture_init(&f, 10, 20);
    syn.mss = MSS;
    syn.has_ts = true;
    syn.ts_val = 1000;
    open_passive(&f, syn);
    assert_int_equal(f.seg.ts_ecr, 1000);
    syn.ts_val = 2000; /* the SYN-ACK was lost, or the node stood still */
    give(&f, syn);
    assert_true(take(&f));
    assert_int_equal(f.seg.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(f.seg.ts_ecr, 2000);

    s = segment(f.irs + 1, f.iss + 1, TCP_ACK);
    s.has_ts = true;
    s.ts_val = 2010;
    s.payload = text;
    s.payload_bytes = 500;
    give(&f, s);
    f.now += TCP_DELAYED_ACK_MS * MS_NS;
    tcp_timeout(&f.tcp, f.now);
    assert_true(take(&f));
    assert_int_equal(f.seg.ts_ecr, 2010);
    s.ts_val = 3010; /* the ACK was lost */
    give(&f, s);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, f.irs + 501);
    assert_int_equal(f.seg.ts_ecr, 3010);
    s.ts_val = 4010; /* not the last of what came */
    s.payload_bytes = 400;
    give(&f, s);
    take_all(&f);
    assert_int_equal(f.seg.ts_ecr, 3010);
    fixture_fini(&f);
}

static void a_smaller_path_sends_again_in_smaller_segments(void **state)
{
    struct fixture f;
    uint32_t bytes;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_write(&f.tcp, text, 4 * MSS);
    burst(&f, &bytes);
    tcp_path_mtu(&f.tcp, f.iss + 1 + 9 * MSS, 1200); /* of nothing in flight: forged */
    assert_false(take(&f));
    tcp_path_mtu(&f.tcp, f.iss + 1, 1200);
    assert_true(take(&f));
    assert_int_equal(f.seg.seq, f.iss + 1);
    assert_int_equal(f.seg.payload_bytes, 1200);
    tcp_path_mtu(&f.tcp, f.iss + 1, 10);
    take_all(&f);
    assert_int_equal(f.tcp.mss, TCP_PATH_MSS_MIN);
    fixture_fini(&f);
}

static void forged_sacks_are_not_believed(void **state)
{
    struct fixture f;
    uint32_t bytes;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_write(&f.tcp, text, 5 * MSS);
    burst(&f, &bytes);
    sack(&f, 0, 0, 5 * MSS);       /* what would have to be acknowledged */
    sack(&f, 0, MSS, 50 * MSS);    /* what was never sent */
    sack(&f, 0, 3 * MSS, 2 * MSS); /* backwards */
    sack(&f, 0, 2 * MSS, 2 * MSS); /* empty */
    assert_int_equal(f.tcp.loss.sacked_count, 0);
    assert_false(take(&f));
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_offers_all_options),
        cmocka_unit_test(the_initial_window_is_ten_segments),
        cmocka_unit_test(a_lost_segment_is_sent_again_after_three_sacks),
        cmocka_unit_test(without_sack_three_duplicate_acks_do),
        cmocka_unit_test(limited_transmit_sends_new_data_on_the_first_duplicates),
        cmocka_unit_test(a_timeout_sends_the_first_segment_and_doubles),
        cmocka_unit_test(the_syn_is_given_up_after_its_retries),
        cmocka_unit_test(acks_come_for_every_second_segment_or_after_a_while),
        cmocka_unit_test(early_bytes_are_sacked_the_newest_first_and_duplicates_too),
        cmocka_unit_test(old_timestamps_and_missing_ones_are_dropped),
        cmocka_unit_test(a_half_close_lets_the_other_half_go_on),
        cmocka_unit_test(the_peers_half_close_lets_us_go_on),
        cmocka_unit_test(the_fin_is_sent_again_until_it_is_acknowledged),
        cmocka_unit_test(a_finish_before_the_handshake_waits_for_it),
        cmocka_unit_test(after_close_more_text_is_reset),
        cmocka_unit_test(close_with_unread_text_is_a_reset),
        cmocka_unit_test(after_close_the_peers_fin_is_not_awaited_for_ever),
        cmocka_unit_test(silence_is_probed_and_then_ended),
        cmocka_unit_test(what_comes_again_is_acknowledged_with_its_own_time),
        cmocka_unit_test(a_smaller_path_sends_again_in_smaller_segments),
        cmocka_unit_test(forged_sacks_are_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
