/* What the windows of both ends let through: closed, small, short of memory. */
#include "fixture.h"

static uint8_t text[300000];

static void a_closed_window_is_probed_for_as_long_as_the_peer_answers(void **state)
{
    struct fixture f;
    uint32_t bytes;
    struct tcp_segment ack;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    tcp_write(&f.tcp, text, 3000);
    burst(&f, &bytes);
    ack = segment(f.irs + 1, f.iss + 1 + 3000, TCP_ACK);
    ack.window = 0;
    give(&f, ack);
    tcp_write(&f.tcp, text, 3000);
    assert_int_equal(burst(&f, &bytes), 0);
    for (uint32_t i = 0; i < 5 * TCP_DATA_RETRIES; i++) {
        assert_true(tcp_deadline(&f.tcp) > f.now);
        assert_true(tcp_deadline(&f.tcp) <= f.now + TCP_RTO_MAX_MS * MS_NS);
        f.now = tcp_deadline(&f.tcp);
        tcp_timeout(&f.tcp, f.now);
        assert_int_equal(burst(&f, &bytes), 1);
        assert_int_equal(f.seg.seq, f.iss + 3000);
        give(&f, ack);
    }
    ack.window = 100;
    give(&f, ack);
    assert_int_equal(burst(&f, &bytes), 3); /* 12800 bytes of window */
    assert_int_equal(bytes, 3000);
    fixture_fini(&f);
}

static void an_unanswered_probe_ends_the_connection(void **state)
{
    struct fixture f;
    uint32_t bytes, probes = 0;
    struct tcp_segment ack;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    ack = segment(f.irs + 1, f.iss + 1, TCP_ACK);
    ack.window = 0;
    give(&f, ack);
    tcp_write(&f.tcp, text, 3000);
    assert_int_equal(burst(&f, &bytes), 0);
    while (tcp_state(&f.tcp) != TCP_CLOSED) {
        f.now = tcp_deadline(&f.tcp);
        tcp_timeout(&f.tcp, f.now);
        probes += burst(&f, &bytes);
    }
    assert_int_equal(probes, TCP_DATA_RETRIES);
    assert_int_equal(tcp_end(&f.tcp), TCP_END_TIMEOUT);
    fixture_fini(&f);
}

static void silly_windows_are_not_filled(void **state)
{
    struct fixture f;
    uint32_t bytes;
    struct tcp_segment ack;
    struct tcp_segment syn = segment(0, 0, TCP_SYN);

    fixture_init(&f, 10, 20);
    syn.mss = MSS;
    established_with(&f, syn);
    ack = segment(f.irs + 1, f.iss + 1, TCP_ACK);
    ack.window = 200;
    give(&f, ack);
    tcp_write(&f.tcp, text, 3000);
    assert_int_equal(burst(&f, &bytes), 0);
    /* The override timer sends what fits. */
    f.now = tcp_deadline(&f.tcp);
    tcp_timeout(&f.tcp, f.now);
    assert_int_equal(burst(&f, &bytes), 1);
    assert_int_equal(bytes, 200);
    fixture_fini(&f);
}

static void the_window_shows_free_space_and_never_shrinks(void **state)
{
    struct fixture f;
    uint32_t sent = 0, edge = 0;

    fixture_init(&f, 10, 0xffff0000);
    open_with_options(&f);
    give_bytes(&f, f.irs + 1, f.iss + 1, text, MSS);
    sent = MSS;
    tcp_consume(&f.tcp, MSS);
    for (uint32_t i = 0; i < 1000; i++) {
        f.now = tcp_deadline(&f.tcp) < f.now + 40 * MS_NS ? tcp_deadline(&f.tcp) : f.now;
        tcp_timeout(&f.tcp, f.now);
        while (take(&f)) {
            uint32_t shown = f.seg.ack + ((uint32_t)f.seg.window << 3) - (f.irs + 1);

            assert_true(shown + 7 >= edge); /* RFC 7323 2.4: rounding */
            edge = shown > edge ? shown : edge;
        }
        if (sent + 997 > edge)
            break;
        give_bytes(&f, f.irs + 1 + sent, f.iss + 1, text, 997);
        sent += 997;
    }
    assert_true(edge <= MSS + TCP_RX_WINDOW_BYTES && edge > TCP_RX_WINDOW_BYTES - 1000);
    assert_int_equal(tcp_readable(&f.tcp), sent - MSS);
    /* What does not fit is not taken, and is answered. */
    give_bytes(&f, f.irs + 1 + sent, f.iss + 1, text, 2000);
    assert_true(tcp_readable(&f.tcp) <= TCP_RX_WINDOW_BYTES);
    assert_true(take(&f));
    /* Room opens: told once it is worth it. */
    tcp_consume(&f.tcp, MSS);
    assert_false(take(&f));
    tcp_consume(&f.tcp, 2 * MSS);
    assert_true(take(&f));
    assert_true(f.seg.window > 0);
    fixture_fini(&f);
}

static void an_exhausted_pool_drops_text_that_then_comes_again(void **state)
{
    struct fixture f;
    struct chunk *held = NULL, *chunk;
    struct chunk_account others = {0};

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    while ((chunk = chunk_take(&f.pool, &others, CHUNK_MUST)) != NULL) {
        chunk->next = held;
        held = chunk;
    }
    give_bytes(&f, f.irs + 1, f.iss + 1, text, 100);
    assert_int_equal(f.counters.tcp_no_memory, 1);
    assert_int_equal(tcp_readable(&f.tcp), 0);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, f.irs + 1);
    assert_int_equal(tcp_write(&f.tcp, text, 10), 0);
    while (held != NULL) {
        chunk = held;
        held = held->next;
        chunk_give(&f.pool, &others, chunk);
    }
    give_bytes(&f, f.irs + 1, f.iss + 1, text, 100);
    assert_int_equal(tcp_readable(&f.tcp), 100);
    fixture_fini(&f);
}

/* All chunks but so many. */
static struct chunk *take_all_but(struct fixture *f, struct chunk_account *others, uint32_t left)
{
    struct chunk *held = NULL, *chunk;

    while (f->pool.free_count > left && (chunk = chunk_take(&f->pool, others, CHUNK_MUST))) {
        chunk->next = held;
        held = chunk;
    }
    return held;
}

/* Sends as much as the window shows, in segments of at most an MSS. Returns how much that was. */
static uint32_t fill_window(struct fixture *f, uint32_t at, uint32_t window)
{
    for (uint32_t sent = 0, n; sent < window; sent += n) {
        n = window - sent < 1000 ? window - sent : 1000;
        give_bytes(f, f->irs + 1 + at + sent, f->iss + 1, text, n);
    }
    return window;
}

static void give_back(struct fixture *f, struct chunk_account *others, struct chunk *held)
{
    while (held != NULL) {
        struct chunk *chunk = held;

        held = held->next;
        chunk_give(&f->pool, others, chunk);
    }
}

static void the_window_shows_what_there_are_chunks_for(void **state)
{
    static const struct {
        const char *what;
        uint32_t left; /* of CHUNKS */
        uint32_t least, most;
    } rows[] = {
        {"all are free", CHUNKS, 65535, 65535},
        {"a few to spare", CHUNKS / 4 + 8, 2 * 1500, 8 * CHUNK_ROOM},
        {"none to spare: the first bytes", CHUNKS / 4, 1500, CHUNK_FIRST * CHUNK_ROOM},
        {"not even for these", CHUNKS / 16, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f;
        struct chunk_account others = {0};
        struct tcp_segment syn = segment(0, 0, TCP_SYN);

        print_message("%s\n", rows[i].what);
        fixture_init(&f, 10, 20);

        struct chunk *held = take_all_but(&f, &others, rows[i].left);

        syn.mss = MSS;
        open_passive(&f, syn);
        assert_in_range(f.seg.window, rows[i].least, rows[i].most);

        uint32_t window = f.seg.window, half = window / 2;

        give(&f, segment(f.irs + 1, f.iss + 1, TCP_ACK));
        take_all(&f);
        fill_window(&f, half, window - half); /* in whatever order it comes */
        fill_window(&f, 0, half);
        assert_int_equal(tcp_readable(&f.tcp), window);
        assert_int_equal(f.counters.tcp_no_memory, 0);
        give_back(&f, &others, held);
        fixture_fini(&f);
    }
}

static void a_window_that_chunks_have_shut_opens_without_being_asked(void **state)
{
    struct fixture f;
    struct chunk_account others = {0};
    struct tcp_segment syn = segment(0, 0, TCP_SYN);

    fixture_init(&f, 10, 20);
    syn.mss = MSS;

    struct chunk *held = take_all_but(&f, &others, CHUNKS / 4);

    open_passive(&f, syn);
    uint32_t at = fill_window(&f, 0, f.seg.window);

    take_all(&f);
    assert_int_equal(tcp_state(&f.tcp), TCP_ESTABLISHED);
    assert_int_equal(f.seg.ack, f.irs + 1 + at);
    assert_int_equal(f.seg.window, 0);
    assert_true(tcp_is_starved(&f.tcp));
    assert_false(tcp_is_refusing(&f.tcp));

    give_bytes(&f, f.irs + 1 + at, f.iss + 1, text, 1); /* a probe */
    assert_true(tcp_is_refusing(&f.tcp));
    take_all(&f);
    assert_int_equal(f.seg.window, 0);
    tcp_feed(&f.tcp);
    assert_false(take(&f)); /* nothing has changed: no word of it */

    give_back(&f, &others, held);
    tcp_feed(&f.tcp);
    assert_true(take(&f));
    assert_int_equal(f.seg.ack, f.irs + 1 + at);
    assert_true(f.seg.window > 2 * MSS);
    give_bytes(&f, f.irs + 1 + at, f.iss + 1, text, 1000);
    assert_false(tcp_is_refusing(&f.tcp));
    assert_false(tcp_is_starved(&f.tcp));
    assert_int_equal(tcp_readable(&f.tcp), at + 1000);
    fixture_fini(&f);
}

static void with_floors_it_goes_on_when_others_have_the_pool(void **state)
{
    struct fixture f;
    struct chunk *held = NULL, *chunk;
    struct chunk_account others = {0};

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    assert_true(tcp_reserve(&f.tcp, 2, 1, CHUNK_BEGINS));
    assert_false(tcp_reserve(&f.tcp, 3, f.pool.count, CHUNK_BEGINS)); /* changes neither */
    while ((chunk = chunk_take(&f.pool, &others, CHUNK_MUST)) != NULL) {
        chunk->next = held;
        held = chunk;
    }
    for (uint32_t at = 0; at < 10000; at += 100) {
        give_bytes(&f, f.irs + 1 + at, f.iss + 1, text, 100);
        assert_int_equal(tcp_readable(&f.tcp), 100);
        tcp_consume(&f.tcp, 100);
    }
    assert_int_equal(tcp_writable(&f.tcp), CHUNK_ROOM);
    assert_int_equal(tcp_write(&f.tcp, text, 100), 100);
    assert_true(tcp_reserve(&f.tcp, 0, 0, CHUNK_MUST));
    while (held != NULL) {
        chunk = held;
        held = held->next;
        chunk_give(&f.pool, &others, chunk);
    }
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_window_is_probed_for_as_long_as_the_peer_answers),
        cmocka_unit_test(an_unanswered_probe_ends_the_connection),
        cmocka_unit_test(silly_windows_are_not_filled),
        cmocka_unit_test(the_window_shows_free_space_and_never_shrinks),
        cmocka_unit_test(an_exhausted_pool_drops_text_that_then_comes_again),
        cmocka_unit_test(the_window_shows_what_there_are_chunks_for),
        cmocka_unit_test(a_window_that_chunks_have_shut_opens_without_being_asked),
        cmocka_unit_test(with_floors_it_goes_on_when_others_have_the_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
