/* SYN cookies, initial sequence numbers, SipHash. */
#include "fixture.h"

#include "dataplane/tcp/tcp_wire.h"

static void initial_sequence_numbers_grow_with_time_and_differ_by_flow(void **state)
{
    struct fixture f;

    fixture_init(&f, 1, 1);
    uint32_t a = tcp_isn(&f.env, local_ip, remote_ip, 443, 1000, f.now);

    assert_int_equal(tcp_isn(&f.env, local_ip, remote_ip, 443, 1000, f.now + 4000), a + 1);
    assert_int_not_equal(tcp_isn(&f.env, local_ip, remote_ip, 443, 1001, f.now), a);
    assert_int_not_equal(tcp_isn(&f.env, remote_ip, local_ip, 443, 1000, f.now), a);
    f.env.cookie_key[0] ^= 1;
    assert_int_not_equal(tcp_isn(&f.env, local_ip, remote_ip, 443, 1000, f.now), a);
    free(f.memory);
}

/* Sends a SYN, gets the cookie, makes the ACK that a client would. */
static struct tcp_segment cookie_ack(struct fixture *f, struct tcp_segment syn)
{
    size_t bytes =
        tcp_cookie_syn_ack(&f->env, local_ip, remote_ip, &syn, f->out, sizeof(f->out), f->now);

    assert_true(bytes > 0);
    assert_true(tcp_segment_parse(&f->seg, f->out, bytes));
    assert_int_equal(f->seg.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(f->seg.ack, syn.seq + 1);

    struct tcp_segment ack = segment(syn.seq + 1, f->seg.seq + 1, TCP_ACK);

    ack.has_ts = f->seg.has_ts;
    ack.ts_val = syn.ts_val + 1;
    ack.ts_ecr = f->seg.ts_val;
    return ack;
}

static bool opens(struct fixture *f, const struct tcp_segment *ack)
{
    bool is_open = tcp_cookie_open(&f->tcp, &f->env, local_ip, remote_ip, ack, f->now);

    if (is_open) {
        assert_int_equal(tcp_state(&f->tcp), TCP_ESTABLISHED);
        tcp_fini(&f->tcp);
    }
    return is_open;
}

static void the_echoed_cookie_opens_with_the_options_of_the_syn(void **state)
{
    static const struct {
        const char *what;
        uint16_t mss;
        int8_t wscale;
        bool has_sack, has_ts;
        uint16_t mss_after;
        int8_t wscale_after;
    } rows[] = {
        {"nothing", 0, -1, false, false, 536, -1},
        {"MSS alone", 1460, -1, false, false, 1460, -1},
        {"an odd MSS is rounded down", 1450, -1, false, false, 1440, -1},
        {"a tiny MSS", 10, -1, false, false, 64, -1},
        {"an MSS over ours", 9000, -1, false, false, 1460, -1},
        {"without timestamps the rest is not agreed to", 1460, 7, true, false, 1460, -1},
        {"all", 1460, 7, true, true, 1460, 7},
        {"no SACK", 1440, 0, false, true, 1440, 0},
        {"largest scale", 1440, 14, true, true, 1440, 14},
        {"no scale", 1220, -1, true, true, 1220, -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (uint32_t t = 0; t < 70; t++) { /* whatever the clock's low bits */
            struct fixture f;
            struct tcp_segment syn = segment(0xfffffff0 + t, 0, TCP_SYN);

            fixture_init(&f, 0, 0);
            f.now += t * MS_NS;
            syn.mss = rows[i].mss;
            syn.wscale = rows[i].wscale;
            syn.has_sack_permitted = rows[i].has_sack;
            syn.has_ts = rows[i].has_ts;
            syn.ts_val = 4000000000u;

            struct tcp_segment ack = cookie_ack(&f, syn);

            assert_int_equal(f.seg.has_ts, rows[i].has_ts);
            assert_int_equal(f.seg.has_sack_permitted, rows[i].has_sack && rows[i].has_ts);
            assert_int_equal(f.seg.wscale >= 0, rows[i].wscale_after >= 0);
            ack.payload = (const uint8_t *)"hello";
            ack.payload_bytes = 5;
            if (!tcp_cookie_open(&f.tcp, &f.env, local_ip, remote_ip, &ack, f.now))
                fail_msg("%s", rows[i].what);
            assert_int_equal(f.tcp.mss, rows[i].mss_after);
            assert_int_equal(f.tcp.has_wscale, rows[i].wscale_after >= 0);
            if (rows[i].wscale_after >= 0)
                assert_int_equal(f.tcp.snd_wscale, rows[i].wscale_after);
            assert_int_equal(f.tcp.has_sack, rows[i].has_sack && rows[i].has_ts);

            /* It works as a connection; and its timestamps never step back behind the cookie's. */
            uint32_t cookie_ts = ack.ts_ecr;

            tcp_input(&f.tcp, &ack, f.now);
            assert_int_equal(tcp_readable(&f.tcp), 5);
            assert_int_equal(tcp_write(&f.tcp, "world", 5), 5);
            assert_true(take(&f));
            assert_int_equal(f.seg.payload_bytes, 5);
            assert_int_equal(f.seg.seq, ack.ack);
            assert_int_equal(f.seg.ack, ack.seq + 5);
            if (rows[i].has_ts)
                assert_true((int32_t)(f.seg.ts_val - cookie_ts) >= 0);
            fixture_fini(&f);
        }
    }
}

static void any_other_ack_is_refused(void **state)
{
    struct fixture f;
    struct tcp_segment syn = segment(77, 0, TCP_SYN);

    fixture_init(&f, 0, 0);

    struct tcp_segment good = cookie_ack(&f, syn), bad = good;

    assert_true(opens(&f, &good));
    for (int bit = 0; bit < 32; bit++) {
        bad = good;
        bad.ack ^= 1u << bit;
        assert_false(opens(&f, &bad));
        bad = good;
        bad.seq ^= 1u << bit;
        assert_false(opens(&f, &bad));
    }
    bad = good;
    bad.src_port++;
    assert_false(opens(&f, &bad));
    bad = good;
    bad.flags |= TCP_RST;
    assert_false(opens(&f, &bad));
    bad = good;
    bad.flags = 0;
    assert_false(opens(&f, &bad));
    assert_false(tcp_cookie_open(&f.tcp, &f.env, remote_ip, local_ip, &good, f.now));
    assert_true(f.counters.tcp_syn_cookies_bad > 64);
    free(f.memory);
}

/* The ACK and the first text were lost, or come later. */
static void text_behind_the_first_may_follow_a_cookie(void **state)
{
    struct fixture f;
    struct tcp_segment syn = segment(77, 0, TCP_SYN);

    fixture_init(&f, 0, 0);

    struct tcp_segment text = cookie_ack(&f, syn), other;

    text.seq += 1000;
    assert_false(opens(&f, &text));
    assert_true(
        tcp_cookie_may_follow(&f.env, &text, f.now)); /* an ACK, when a SYN-ACK came twice */
    text.payload = (const uint8_t *)"world";
    text.payload_bytes = 5;
    assert_false(opens(&f, &text));
    assert_true(tcp_cookie_may_follow(&f.env, &text, f.now));
    other = text;
    other.payload_bytes = 0;
    other.flags |= TCP_FIN;
    assert_true(tcp_cookie_may_follow(&f.env, &other, f.now));
    other.flags |= TCP_RST;
    assert_false(tcp_cookie_may_follow(&f.env, &other, f.now));
    f.now += 130000 * MS_NS; /* older than any cookie */
    assert_false(tcp_cookie_may_follow(&f.env, &text, f.now));
    free(f.memory);
}

static void a_cookie_lives_one_to_two_minutes(void **state)
{
    struct fixture f;
    struct tcp_segment syn = segment(77, 0, TCP_SYN);

    fixture_init(&f, 0, 0);

    struct tcp_segment ack = cookie_ack(&f, syn);

    f.now += 60000 * MS_NS;
    assert_true(opens(&f, &ack));
    f.now += 70000 * MS_NS;
    assert_false(opens(&f, &ack));
    f.now += 64ull * 32 * 1000 * MS_NS - 130000 * MS_NS; /* the five bits have come around */
    assert_false(opens(&f, &ack));
    free(f.memory);
}

static void a_cookie_of_bench_mode_lasts_and_no_other_does(void **state)
{
    struct fixture f;
    struct tcp_segment syn = segment(77, 0, TCP_SYN);

    fixture_init(&f, 0, 0);
    f.env.cookies_last = true;

    struct tcp_segment ack = cookie_ack(&f, syn);

    for (uint32_t hour = 0; hour < 100; hour++) {
        assert_true(opens(&f, &ack));
        f.now += 3600 * 1000 * MS_NS;
    }
    ack.seq++;
    assert_false(opens(&f, &ack));
    ack.seq--;
    f.env.cookies_last = false;
    assert_false(opens(&f, &ack));
    free(f.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_of_bench_mode_lasts_and_no_other_does),
        cmocka_unit_test(initial_sequence_numbers_grow_with_time_and_differ_by_flow),
        cmocka_unit_test(the_echoed_cookie_opens_with_the_options_of_the_syn),
        cmocka_unit_test(any_other_ack_is_refused),
        cmocka_unit_test(text_behind_the_first_may_follow_a_cookie),
        cmocka_unit_test(a_cookie_lives_one_to_two_minutes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
