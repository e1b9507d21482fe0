/* Several segments behind one header: what they are cut into is what single segments would be. */
#include "fixture.h"

enum { LARGE_ROOM = 64000, SEGMENTS = 400 };

static uint8_t text[300000], large[LARGE_ROOM];

/* What was sent: where each segment begins, its payload and its end. */
struct sent {
    uint32_t count;
    struct {
        uint32_t seq, bytes;
        bool is_fin;
    } segment[SEGMENTS];
};

static void note(struct sent *s, uint32_t seq, uint32_t bytes, bool is_fin)
{
    assert_true(s->count < SEGMENTS);
    s->segment[s->count].seq = seq;
    s->segment[s->count].bytes = bytes;
    s->segment[s->count++].is_fin = is_fin;
}

static void send_singly(struct fixture *f, struct sent *s)
{
    while (take(f))
        note(s, f->seg.seq, f->seg.payload_bytes, (f->seg.flags & TCP_FIN) != 0);
}

/* Returns how many headers there were. */
static uint32_t send_large(struct fixture *f, size_t room, struct sent *s)
{
    struct tcp_segment seg;
    uint32_t due, headers = 0;

    for (; (due = tcp_segments_due(&f->tcp, f->now)) > 0; headers++) {
        uint16_t size;
        size_t bytes = tcp_output_large(&f->tcp, large, room, &size, f->now);
        uint32_t at = 0;
        assert_true(bytes > 0 && bytes <= room);
        assert_true(tcp_segment_parse(&seg, large, bytes));
        assert_true((size > 0) == (due > 1));
        for (; size > 0 && seg.payload_bytes - at > size; at += size) {
            note(s, seg.seq + at, size, false);
            assert_memory_equal(seg.payload + at, text + (seg.seq + at - f->iss - 1), size);
        }
        note(s, seg.seq + at, seg.payload_bytes - at, (seg.flags & TCP_FIN) != 0);
    }
    assert_false(tcp_wants_output(&f->tcp, f->now));
    return headers;
}

static void segments_behind_one_header_are_those_that_go_singly(void **state)
{
    static const struct {
        const char *what;
        uint32_t bytes, cwnd;
        uint16_t window; /* in 128 bytes */
        bool has_fin, has_ts;
        size_t room;
        uint32_t headers;
    } rows[] = {
        {"all there is", 20000, 1 << 20, 65535, false, false, LARGE_ROOM, 1},
        {"all there is, and the FIN", 20000, 1 << 20, 65535, true, false, LARGE_ROOM, 1},
        {"whole segments and the FIN", 3 * MSS, 1 << 20, 65535, true, false, LARGE_ROOM, 1},
        {"with timestamps", 20000, 1 << 20, 65535, true, true, LARGE_ROOM, 1},
        {"more than the room", 150000, 1 << 20, 65535, true, false, LARGE_ROOM, 3},
        {"a little room", 20000, 1 << 20, 65535, false, false, 5000, 5},
        {"what cwnd lets through", 100000, 20000, 65535, false, false, LARGE_ROOM, 1},
        {"the initial window", 100000, 0, 65535, false, false, LARGE_ROOM, 1},
        {"what the peer's window lets through", 100000, 1 << 20, 200, false, false, LARGE_ROOM, 1},
        {"one segment", MSS, 1 << 20, 65535, false, false, LARGE_ROOM, 1},
        {"less than one", 100, 1 << 20, 65535, true, false, LARGE_ROOM, 1},
        {"the FIN alone", 0, 1 << 20, 65535, true, false, LARGE_ROOM, 1},
    };

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct sent sent[2];
        uint32_t headers = 0;
        memset(sent, 0, sizeof(sent));
        for (int is_large = 0; is_large < 2; is_large++) {
            struct fixture f;
            struct tcp_segment syn = segment(0, 0, TCP_SYN), ack;
            fixture_init(&f, 0xffffd000, 20); /* around the end of the sequence space */
            syn.mss = MSS;
            syn.wscale = 7;
            syn.has_sack_permitted = true;
            syn.has_ts = rows[i].has_ts;
            established_with(&f, syn);
            ack = segment(f.irs + 1, f.iss + 1, TCP_ACK);
            ack.window = rows[i].window;
            ack.has_ts = rows[i].has_ts;
            give(&f, ack);
            if (rows[i].cwnd > 0)
                f.tcp.cc.cwnd = rows[i].cwnd;
            tcp_write(&f.tcp, text, rows[i].bytes);
            if (rows[i].has_fin)
                tcp_finish(&f.tcp);
            if (is_large)
                headers = send_large(&f, rows[i].room, &sent[1]);
            else
                send_singly(&f, &sent[0]);
            fixture_fini(&f);
        }
        if (memcmp(&sent[0], &sent[1], sizeof(sent[0])) != 0)
            fail_msg("%s: %u and %u segments, or others", rows[i].what, sent[0].count,
                     sent[1].count);
        if (headers != rows[i].headers)
            fail_msg("%s: %u headers", rows[i].what, headers);
    }
}

static void what_was_lost_is_sent_again_singly(void **state)
{
    struct fixture f;
    static struct sent first, again;
    struct tcp_segment ack;

    fixture_init(&f, 10, 20);
    open_with_options(&f);
    give(&f, segment(f.irs + 1, f.iss + 1, TCP_ACK));
    memset(&first, 0, sizeof(first));
    memset(&again, 0, sizeof(again));
    tcp_write(&f.tcp, text, 10 * MSS);
    assert_int_equal(send_large(&f, LARGE_ROOM, &first), 1);
    assert_int_equal(first.count, 10);

    /* The second and the third are lost. */
    ack = segment(f.irs + 1, f.iss + 1 + MSS, TCP_ACK);
    ack.sack_count = 1;
    ack.sack[0].start = f.iss + 1 + 3 * MSS;
    ack.sack[0].end = f.iss + 1 + 10 * MSS;
    give(&f, ack);
    assert_int_equal(tcp_segments_due(&f.tcp, f.now), 1);
    assert_int_equal(send_large(&f, LARGE_ROOM, &again), 2);
    assert_int_equal(again.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(again.segment[i].seq, f.iss + 1 + (i + 1) * MSS);
        assert_int_equal(again.segment[i].bytes, MSS);
    }
    assert_int_equal(f.counters.tcp_retransmits, 2);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_behind_one_header_are_those_that_go_singly),
        cmocka_unit_test(what_was_lost_is_sent_again_singly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
