/* RFC 9293 3.10.7: what each segment does in each state. */
#include "fixture.h"

#define SYN TCP_SYN
#define ACK TCP_ACK
#define RST TCP_RST
#define FIN TCP_FIN

enum { NONE = 0 }; /* no reply */

/* Sequence numbers are relative: seq to RCV.NXT (in SYN_SENT: to an initial one of the peer's), ack
 * to SND.NXT; in the reply seq to SND.NXT, and ack to RCV.NXT, both as before the segment. */
struct row {
    const char *what;
    enum tcp_state state;
    uint8_t flags;
    int32_t seq, ack;
    uint32_t len;
    enum tcp_state after;
    enum tcp_end end;
    uint8_t reply;
    int32_t reply_seq, reply_ack;
};

static const struct row rows[] = {
    /* 3.10.7.3 */
    {"SYN_SENT: an ACK of nothing we sent is answered with RST", TCP_SYN_SENT, ACK, 0, 1, 0,
     TCP_SYN_SENT, TCP_END_NONE, RST, 1, 0},
    {"SYN_SENT: an ACK of less than the SYN is answered with RST", TCP_SYN_SENT, ACK, 0, -1, 0,
     TCP_SYN_SENT, TCP_END_NONE, RST, -1, 0},
    {"SYN_SENT: a SYN-ACK of something else is answered with RST", TCP_SYN_SENT, SYN | ACK, 0, 7, 0,
     TCP_SYN_SENT, TCP_END_NONE, RST, 7, 0},
    {"SYN_SENT: a RST with a wrong ACK is dropped", TCP_SYN_SENT, RST | ACK, 0, 1, 0, TCP_SYN_SENT,
     TCP_END_NONE, NONE, 0, 0},
    {"SYN_SENT: a RST without ACK is dropped", TCP_SYN_SENT, RST, 0, 0, 0, TCP_SYN_SENT,
     TCP_END_NONE, NONE, 0, 0},
    {"SYN_SENT: a RST that acknowledges the SYN refuses the connection", TCP_SYN_SENT, RST | ACK, 0,
     0, 0, TCP_CLOSED, TCP_END_RESET, NONE, 0, 0},
    {"SYN_SENT: a good ACK alone is dropped", TCP_SYN_SENT, ACK, 0, 0, 0, TCP_SYN_SENT,
     TCP_END_NONE, NONE, 0, 0},
    {"SYN_SENT: neither SYN nor RST is dropped", TCP_SYN_SENT, FIN, 0, 0, 0, TCP_SYN_SENT,
     TCP_END_NONE, NONE, 0, 0},
    {"SYN_SENT: a SYN-ACK establishes", TCP_SYN_SENT, SYN | ACK, 0, 0, 0, TCP_ESTABLISHED,
     TCP_END_NONE, ACK, 0, 1},
    {"SYN_SENT: a SYN-ACK with text establishes and takes it", TCP_SYN_SENT, SYN | ACK, 0, 0, 10,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 11},
    {"SYN_SENT: a SYN-ACK-FIN establishes and half-closes", TCP_SYN_SENT, SYN | ACK | FIN, 0, 0, 0,
     TCP_CLOSE_WAIT, TCP_END_NONE, ACK, 0, 2},
    {"SYN_SENT: a SYN opens simultaneously", TCP_SYN_SENT, SYN, 0, 0, 0, TCP_SYN_RECEIVED,
     TCP_END_NONE, SYN | ACK, -1, 1},

    /* 3.10.7.4 first: the sequence number */
    {"SYN_RECEIVED: the SYN again is answered with the SYN-ACK again", TCP_SYN_RECEIVED, SYN, -1, 0,
     0, TCP_SYN_RECEIVED, TCP_END_NONE, SYN | ACK, -1, 0},
    {"ESTABLISHED: a segment beyond the window is answered", TCP_ESTABLISHED, ACK, 70000, 0, 10,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: the first byte beyond the window is answered", TCP_ESTABLISHED, ACK, 65535, 0, 1,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: an old segment is answered", TCP_ESTABLISHED, ACK, -20, 0, 10, TCP_ESTABLISHED,
     TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: an old RST is dropped", TCP_ESTABLISHED, RST, -1, 0, 0, TCP_ESTABLISHED,
     TCP_END_NONE, NONE, 0, 0},
    {"ESTABLISHED: a RST beyond the window is dropped", TCP_ESTABLISHED, RST, 65535, 0, 0,
     TCP_ESTABLISHED, TCP_END_NONE, NONE, 0, 0},
    {"ESTABLISHED: a keepalive is answered", TCP_ESTABLISHED, ACK, -1, 0, 0, TCP_ESTABLISHED,
     TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: a keepalive with an old byte is answered", TCP_ESTABLISHED, ACK, -1, 0, 1,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: early text is answered at once", TCP_ESTABLISHED, ACK, 100, 0, 10,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: text that overlaps what came before is answered at once", TCP_ESTABLISHED, ACK,
     -5, 0, 10, TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 5},
    {"ESTABLISHED: text in order waits for a second segment", TCP_ESTABLISHED, ACK, 0, 0, 10,
     TCP_ESTABLISHED, TCP_END_NONE, NONE, 0, 0},
    {"TIME_WAIT: the FIN again is answered", TCP_TIME_WAIT, ACK | FIN, -1, 0, 0, TCP_TIME_WAIT,
     TCP_END_NONE, ACK, 0, 0},

    /* second: RST, RFC 5961 */
    {"SYN_RECEIVED: an exact RST ends", TCP_SYN_RECEIVED, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET,
     NONE, 0, 0},
    {"ESTABLISHED: an exact RST ends", TCP_ESTABLISHED, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET,
     NONE, 0, 0},
    {"ESTABLISHED: an exact RST-ACK ends", TCP_ESTABLISHED, RST | ACK, 0, 0, 0, TCP_CLOSED,
     TCP_END_RESET, NONE, 0, 0},
    {"ESTABLISHED: a RST elsewhere in the window is challenged", TCP_ESTABLISHED, RST, 1, 0, 0,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"FIN_WAIT_1: an exact RST ends", TCP_FIN_WAIT_1, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET, NONE,
     0, 0},
    {"FIN_WAIT_2: an exact RST ends", TCP_FIN_WAIT_2, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET, NONE,
     0, 0},
    {"CLOSE_WAIT: an exact RST ends", TCP_CLOSE_WAIT, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET, NONE,
     0, 0},
    {"CLOSING: an exact RST ends", TCP_CLOSING, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET, NONE, 0,
     0},
    {"LAST_ACK: an exact RST ends", TCP_LAST_ACK, RST, 0, 0, 0, TCP_CLOSED, TCP_END_RESET, NONE, 0,
     0},
    {"TIME_WAIT: an exact RST ends it in order", TCP_TIME_WAIT, RST, 0, 0, 0, TCP_CLOSED,
     TCP_END_CLOSED, NONE, 0, 0},

    /* fourth: SYN, RFC 5961 */
    {"SYN_RECEIVED: another SYN in the window goes back to LISTEN", TCP_SYN_RECEIVED, SYN, 5, 0, 0,
     TCP_CLOSED, TCP_END_RESET, NONE, 0, 0},
    {"ESTABLISHED: a SYN in the window is challenged", TCP_ESTABLISHED, SYN, 5, 0, 0,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: a SYN-ACK in the window is challenged", TCP_ESTABLISHED, SYN | ACK, 0, 0, 0,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: the SYN-ACK again (our ACK was lost) is answered", TCP_ESTABLISHED, SYN | ACK,
     -1, 0, 0, TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"FIN_WAIT_2: a SYN in the window is challenged", TCP_FIN_WAIT_2, SYN, 5, 0, 0, TCP_FIN_WAIT_2,
     TCP_END_NONE, ACK, 0, 0},
    {"TIME_WAIT: a SYN that may not reopen is challenged", TCP_TIME_WAIT, SYN, 0, 0, 0,
     TCP_TIME_WAIT, TCP_END_NONE, ACK, 0, 0},

    /* fifth: ACK */
    {"SYN_RECEIVED: without ACK nothing happens", TCP_SYN_RECEIVED, FIN, 0, 0, 0, TCP_SYN_RECEIVED,
     TCP_END_NONE, NONE, 0, 0},
    {"SYN_RECEIVED: an ACK of something else is answered with RST", TCP_SYN_RECEIVED, ACK, 0, 1, 0,
     TCP_SYN_RECEIVED, TCP_END_NONE, RST, 1, 0},
    {"SYN_RECEIVED: an old ACK is answered with RST", TCP_SYN_RECEIVED, ACK, 0, -1, 0,
     TCP_SYN_RECEIVED, TCP_END_NONE, RST, -1, 0},
    {"SYN_RECEIVED: the ACK of the SYN establishes", TCP_SYN_RECEIVED, ACK, 0, 0, 0,
     TCP_ESTABLISHED, TCP_END_NONE, NONE, 0, 0},
    {"SYN_RECEIVED: the ACK of the SYN with a FIN half-closes", TCP_SYN_RECEIVED, ACK | FIN, 0, 0,
     0, TCP_CLOSE_WAIT, TCP_END_NONE, ACK, 0, 1},
    {"ESTABLISHED: without ACK text is dropped", TCP_ESTABLISHED, 0, 0, 0, 10, TCP_ESTABLISHED,
     TCP_END_NONE, NONE, 0, 0},
    {"ESTABLISHED: an ACK of what was never sent is challenged", TCP_ESTABLISHED, ACK, 0, 1, 10,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: an ACK older than any window is challenged", TCP_ESTABLISHED, ACK, 0, -65536, 0,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"ESTABLISHED: a duplicate ACK does nothing", TCP_ESTABLISHED, ACK, 0, 0, 0, TCP_ESTABLISHED,
     TCP_END_NONE, NONE, 0, 0},
    {"FIN_WAIT_1: the ACK of the FIN", TCP_FIN_WAIT_1, ACK, 0, 0, 0, TCP_FIN_WAIT_2, TCP_END_NONE,
     NONE, 0, 0},
    {"FIN_WAIT_1: an ACK of less than the FIN", TCP_FIN_WAIT_1, ACK, 0, -1, 0, TCP_FIN_WAIT_1,
     TCP_END_NONE, NONE, 0, 0},
    {"CLOSING: the ACK of the FIN", TCP_CLOSING, ACK, 0, 0, 0, TCP_TIME_WAIT, TCP_END_NONE, NONE, 0,
     0},
    {"CLOSING: an ACK of less than the FIN", TCP_CLOSING, ACK, 0, -1, 0, TCP_CLOSING, TCP_END_NONE,
     NONE, 0, 0},
    {"LAST_ACK: the ACK of the FIN", TCP_LAST_ACK, ACK, 0, 0, 0, TCP_CLOSED, TCP_END_CLOSED, NONE,
     0, 0},
    {"LAST_ACK: an ACK of less than the FIN", TCP_LAST_ACK, ACK, 0, -1, 0, TCP_LAST_ACK,
     TCP_END_NONE, NONE, 0, 0},

    /* seventh and eighth: text and FIN */
    {"ESTABLISHED: FIN", TCP_ESTABLISHED, ACK | FIN, 0, 0, 0, TCP_CLOSE_WAIT, TCP_END_NONE, ACK, 0,
     1},
    {"ESTABLISHED: text and FIN", TCP_ESTABLISHED, ACK | FIN, 0, 0, 10, TCP_CLOSE_WAIT,
     TCP_END_NONE, ACK, 0, 11},
    {"ESTABLISHED: a FIN before its text waits", TCP_ESTABLISHED, ACK | FIN, 10, 0, 10,
     TCP_ESTABLISHED, TCP_END_NONE, ACK, 0, 0},
    {"FIN_WAIT_1: a FIN that does not acknowledge ours", TCP_FIN_WAIT_1, ACK | FIN, 0, -1, 0,
     TCP_CLOSING, TCP_END_NONE, ACK, 0, 1},
    {"FIN_WAIT_1: a FIN that acknowledges ours", TCP_FIN_WAIT_1, ACK | FIN, 0, 0, 0, TCP_TIME_WAIT,
     TCP_END_NONE, ACK, 0, 1},
    {"FIN_WAIT_2: a FIN", TCP_FIN_WAIT_2, ACK | FIN, 0, 0, 0, TCP_TIME_WAIT, TCP_END_NONE, ACK, 0,
     1},
    {"FIN_WAIT_2: text is taken, it is a half-close", TCP_FIN_WAIT_2, ACK, 0, 0, 3000,
     TCP_FIN_WAIT_2, TCP_END_NONE, NONE, 0, 0},
    {"CLOSE_WAIT: text after the FIN is ignored", TCP_CLOSE_WAIT, ACK, 0, 0, 10, TCP_CLOSE_WAIT,
     TCP_END_NONE, NONE, 0, 0},
    {"CLOSE_WAIT: the FIN again is answered", TCP_CLOSE_WAIT, ACK | FIN, -1, 0, 0, TCP_CLOSE_WAIT,
     TCP_END_NONE, ACK, 0, 0},
};

static void run(const struct row *r, uint32_t iss, uint32_t irs)
{
    static uint8_t text[4000];
    struct fixture f;

    fixture_init(&f, iss, irs);
    reach(&f, r->state);

    bool is_fin_sent = r->state == TCP_FIN_WAIT_1 || r->state == TCP_FIN_WAIT_2 ||
                       r->state == TCP_CLOSING || r->state == TCP_LAST_ACK ||
                       r->state == TCP_TIME_WAIT;
    bool is_fin_seen = r->state == TCP_CLOSE_WAIT || r->state == TCP_CLOSING ||
                       r->state == TCP_LAST_ACK || r->state == TCP_TIME_WAIT;
    uint32_t snd = iss + 1 + is_fin_sent;
    uint32_t rcv = irs + (r->state == TCP_SYN_SENT ? 0 : 1) + is_fin_seen;
    struct tcp_segment s = segment(rcv + (uint32_t)r->seq, snd + (uint32_t)r->ack, r->flags);

    s.payload = text;
    s.payload_bytes = r->len;
    give(&f, s);

    bool is_answered = take(&f);
    bool is_good = tcp_state(&f.tcp) == r->after && tcp_end(&f.tcp) == r->end &&
                   is_answered == (r->reply != NONE);

    if (is_answered && is_good) {
        is_good = (f.seg.flags & ~TCP_PSH) == r->reply &&
                  f.seg.seq == snd + (uint32_t)r->reply_seq &&
                  (!(r->reply & ACK) || f.seg.ack == rcv + (uint32_t)r->reply_ack);
    }
    if (!is_good)
        fail_msg("%s (iss %u): state %d end %d reply %#x seq %d ack %d", r->what, iss,
                 tcp_state(&f.tcp), tcp_end(&f.tcp), is_answered ? f.seg.flags : 0,
                 (int)(f.seg.seq - snd), (int)(f.seg.ack - rcv));
    assert_false(take(&f));
    fixture_fini(&f);
}

static void segments_do_what_the_rfc_says(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        run(&rows[i], 1000, 5000);
}

static void and_do_so_around_the_end_of_the_sequence_space(void **state)
{
    static const uint32_t at[] = {0xffffffff, 0xfffffffe, 0xfffffffd,
                                  0x7fffffff, 0x80000000, 0xfffffff0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t j = 0; j < sizeof(at) / sizeof(at[0]); j++) {
            run(&rows[i], at[j], 0x7ffffff8);
            run(&rows[i], 3, at[j]);
        }
    }
}

static void challenges_are_few(void **state)
{
    struct fixture f;
    uint32_t answers = 0;

    fixture_init(&f, 1, 1);
    reach(&f, TCP_ESTABLISHED);
    for (int i = 0; i < 1000; i++) {
        give(&f, segment(f.irs + 9, f.iss + 1, TCP_RST));
        answers += take(&f);
        f.now += MS_NS;
    }
    assert_int_equal(answers, 1000 / TCP_CHALLENGE_INTERVAL_MS);
    assert_int_equal(f.counters.tcp_challenge_acks, answers);
    fixture_fini(&f);
}

/* Each kind of segment that brings nothing, a hundred times within a tenth of a second. */
static void acks_to_old_segments_are_few(void **state)
{
    static const struct {
        const char *what;
        int32_t seq; /* less what is next */
        uint32_t len;
    } kinds[] = {
        {"old data", -100, 50},
        {"data just before what is next", -1, 1},
        {"a keepalive", -1, 0},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct fixture f;
        uint32_t answers = 0;

        fixture_init(&f, 1, 1);
        reach(&f, TCP_ESTABLISHED);
        for (int k = 0; k < 200; k++) {
            struct tcp_segment s = segment(f.irs + 1 + (uint32_t)kinds[i].seq, f.iss + 1, TCP_ACK);
            s.payload = (const uint8_t *)"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
            s.payload_bytes = kinds[i].len;
            give(&f, s);
            answers += take(&f);
            f.now += MS_NS / 2;
        }
        if (answers != TCP_OLD_ACKS_MAX)
            fail_msg("%s: %u answers", kinds[i].what, answers);
        assert_int_equal(f.counters.tcp_old_unanswered, 200 - answers);
        f.now += TCP_CHALLENGE_INTERVAL_MS * MS_NS; /* a peer that is in earnest is heard again */
        give(&f, segment(f.irs, f.iss + 1, TCP_ACK));
        assert_true(take(&f));
        fixture_fini(&f);
    }
}

static void simultaneous_open_establishes_both(void **state)
{
    struct fixture a;

    fixture_init(&a, 100, 300);
    reach(&a, TCP_SYN_SENT);
    give(&a, segment(a.irs, 0, TCP_SYN));
    assert_true(take(&a));
    assert_int_equal(a.seg.flags, TCP_SYN | TCP_ACK);
    give(&a, segment(a.irs, a.iss + 1, TCP_SYN | TCP_ACK));
    assert_int_equal(tcp_state(&a.tcp), TCP_ESTABLISHED);
    assert_true(take(&a));
    assert_int_equal(a.seg.flags, TCP_ACK);
    fixture_fini(&a);
}

static void abort_tells_the_peer_where_it_matters(void **state)
{
    static const struct {
        const char *what;
        enum tcp_state state;
        bool is_told;
    } table[] = {
        {"the peer never answered", TCP_SYN_SENT, false},
        {"half-open", TCP_SYN_RECEIVED, true},
        {"established", TCP_ESTABLISHED, true},
        {"our half closed", TCP_FIN_WAIT_1, true},
        {"our half closed and known", TCP_FIN_WAIT_2, true},
        {"the peer's half closed", TCP_CLOSE_WAIT, true},
        {"both closing", TCP_CLOSING, false},
        {"both closed but for an ACK", TCP_LAST_ACK, false},
        {"over", TCP_TIME_WAIT, false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct fixture f;

        fixture_init(&f, 100, 300);
        reach(&f, table[i].state);
        tcp_abort(&f.tcp);
        assert_int_equal(tcp_is_done(&f.tcp), !table[i].is_told);
        assert_int_equal(take(&f), table[i].is_told);
        if (table[i].is_told)
            assert_int_equal(f.seg.flags, TCP_RST | TCP_ACK);
        assert_true(tcp_is_done(&f.tcp));
        assert_int_equal(tcp_end(&f.tcp), TCP_END_ABORTED);
        assert_int_equal(tcp_deadline(&f.tcp), UINT64_MAX);
        fixture_fini(&f);
    }
}

static uint8_t text[100 * MSS];

/* Acknowledges all that is sent, until nothing is. Returns the bytes; the last segment is in f. */
static uint32_t take_and_ack(struct fixture *f)
{
    uint32_t bytes = 0;

    while (take(f) && !(f->seg.flags & TCP_RST)) {
        assert_int_equal(f->seg.flags & TCP_FIN, 0);
        assert_int_equal(f->seg.seq, f->iss + 1 + bytes);
        bytes += f->seg.payload_bytes;
        f->now += MS_NS;
        give(f, segment(f->irs + 1, f->iss + 1 + bytes, TCP_ACK));
    }
    return bytes;
}

static void a_cut_waits_until_what_was_said_is_heard(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_ESTABLISHED);
    assert_int_equal(tcp_write(&f.tcp, text, sizeof(text)), sizeof(text));
    tcp_cut(&f.tcp);
    assert_int_equal(tcp_writable(&f.tcp), 0);
    tcp_finish(&f.tcp); /* would say that this was all */
    assert_int_equal(take_and_ack(&f), sizeof(text));
    assert_int_equal(f.seg.flags, TCP_RST | TCP_ACK);
    assert_int_equal(f.seg.seq, f.iss + 1 + sizeof(text));
    assert_int_equal(tcp_end(&f.tcp), TCP_END_ABORTED);
    assert_true(tcp_is_done(&f.tcp));
    fixture_fini(&f);
}

static void what_was_lost_before_a_cut_comes_again(void **state)
{
    struct fixture f;

    fixture_init(&f, 10, 20);
    reach(&f, TCP_ESTABLISHED);
    tcp_write(&f.tcp, text, 1000);
    assert_true(take(&f));
    tcp_cut(&f.tcp);
    assert_false(take(&f));
    give(&f, segment(f.irs + 1, f.iss + 1, TCP_ACK | TCP_FIN)); /* it has said all */
    take_all(&f);
    f.now = tcp_deadline(&f.tcp);
    tcp_timeout(&f.tcp, f.now);
    assert_true(take(&f));
    assert_int_equal(f.seg.payload_bytes, 1000);
    give(&f, segment(f.irs + 2, f.iss + 1001, TCP_ACK));
    assert_true(take(&f));
    assert_int_equal(f.seg.flags, TCP_RST | TCP_ACK);
    fixture_fini(&f);
}

static void a_cut_is_at_once_where_nothing_is_unsaid_or_the_owner_gives_up(void **state)
{
    struct fixture f;

    for (int has_text = 0; has_text < 2; has_text++) {
        fixture_init(&f, 10, 20);
        reach(&f, TCP_ESTABLISHED);
        if (has_text)
            tcp_write(&f.tcp, text, 1000);
        tcp_cut(&f.tcp);
        if (has_text) {
            assert_true(take(&f));
            assert_false(take(&f));
            tcp_abort(&f.tcp);
        }
        assert_true(take(&f));
        assert_int_equal(f.seg.flags, TCP_RST | TCP_ACK);
        assert_true(tcp_is_done(&f.tcp));
        fixture_fini(&f);
    }
}

static void time_wait_may_be_reopened_by_a_newer_syn(void **state)
{
    static const struct {
        const char *what;
        bool has_ts;
        int32_t ts, seq; /* relative to what was last seen */
        uint8_t flags;
        bool may;
    } table[] = {
        {"newer timestamp, older sequence number", true, 1, -1000, SYN, true},
        {"older timestamp", true, -1, 1000, SYN, false},
        {"same timestamp, newer sequence number", true, 0, 1, SYN, true},
        {"same timestamp, same sequence number", true, 0, 0, SYN, false},
        {"no timestamp, newer sequence number", false, 0, 1, SYN, true},
        {"no timestamp, same sequence number", false, 0, 0, SYN, false},
        {"no SYN", true, 1, 1, ACK, false},
        {"SYN-ACK", true, 1, 1, SYN | ACK, false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct fixture f;
        struct tcp_segment syn = segment(0, 0, TCP_SYN), fin;

        fixture_init(&f, 100, 300);
        syn.has_ts = true;
        syn.ts_val = 7000;
        established_with(&f, syn);
        tcp_finish(&f.tcp);
        take_all(&f);
        fin = segment(f.irs + 1, f.iss + 2, ACK | FIN);
        fin.has_ts = true;
        fin.ts_val = 7000;
        give(&f, fin);
        take_all(&f);
        assert_int_equal(tcp_state(&f.tcp), TCP_TIME_WAIT);

        syn = segment(f.irs + 2 + (uint32_t)table[i].seq, 0, table[i].flags);
        syn.has_ts = table[i].has_ts;
        syn.ts_val = 7000 + (uint32_t)table[i].ts;
        if (tcp_may_reuse(&f.tcp, &syn) != table[i].may)
            fail_msg("%s", table[i].what);
        fixture_fini(&f);
    }
}

static void resets_answer_segments_of_nobody(void **state)
{
    static const struct {
        const char *what;
        uint8_t flags;
        uint32_t len;
        uint8_t reply;
        uint32_t seq, ack;
    } table[] = {
        {"a RST is never answered", RST, 0, NONE, 0, 0},
        {"nor a RST-ACK", RST | ACK, 0, NONE, 0, 0},
        {"a SYN", SYN, 0, RST | ACK, 0, 101},
        {"a SYN with text and FIN", SYN | FIN, 10, RST | ACK, 0, 112},
        {"an ACK", ACK, 10, RST, 200, 0},
        {"a SYN-ACK", SYN | ACK, 0, RST, 200, 0},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct tcp_segment s = segment(100, 200, table[i].flags), reply;
        uint8_t buf[TCP_HEADER_BYTES_MAX];

        s.payload_bytes = table[i].len;

        size_t bytes = tcp_reset_for(&s, buf, sizeof(buf));

        assert_int_equal(bytes > 0, table[i].reply != NONE);
        if (bytes == 0)
            continue;
        assert_true(tcp_segment_parse(&reply, buf, bytes));
        assert_int_equal(reply.flags, table[i].reply);
        assert_int_equal(reply.seq, table[i].seq);
        assert_int_equal(reply.ack, table[i].ack);
        assert_int_equal(reply.src_port, LOCAL_PORT);
        assert_int_equal(reply.dst_port, REMOTE_PORT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_do_what_the_rfc_says),
        cmocka_unit_test(and_do_so_around_the_end_of_the_sequence_space),
        cmocka_unit_test(challenges_are_few),
        cmocka_unit_test(acks_to_old_segments_are_few),
        cmocka_unit_test(simultaneous_open_establishes_both),
        cmocka_unit_test(abort_tells_the_peer_where_it_matters),
        cmocka_unit_test(a_cut_waits_until_what_was_said_is_heard),
        cmocka_unit_test(what_was_lost_before_a_cut_comes_again),
        cmocka_unit_test(a_cut_is_at_once_where_nothing_is_unsaid_or_the_owner_gives_up),
        cmocka_unit_test(time_wait_may_be_reopened_by_a_newer_syn),
        cmocka_unit_test(resets_answer_segments_of_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
