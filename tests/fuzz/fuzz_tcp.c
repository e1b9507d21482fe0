/* fuzz_tcp.c
 *
 * Arbitrary segments, calls and time into one connection.
 *
 *   input:  state  { action  operand... }*        the first byte picks the state that the
 *                                                 connection starts in
 *
 * Checked after every step: sequence numbers in their order, buffers within their limits, no chunk
 * lost, output that ends and that parses, deadlines that go away. Segments are either raw bytes
 * through the parser, or built close to what the connection expects, since random sequence numbers
 * would hardly ever get past the first check.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp/tcp.h"

#define MS_NS 1000000ull

enum { CHUNKS = 48, MSS = 1460, OUTPUTS_MAX = 600 };

static struct chunk memory[CHUNKS];
static const uint8_t local_ip[16] = {1}, remote_ip[16] = {2};
static uint8_t text[65536];

struct reader {
    const uint8_t *p, *end;
};

static uint32_t read_bytes(struct reader *r, uint32_t n)
{
    uint32_t v = 0;

    for (; n > 0; n--)
        v = v << 8 | (r->p < r->end ? *r->p++ : 0);
    return v;
}

struct world {
    struct tcp tcp;
    struct tcp_env env;
    struct chunk_pool pool;
    struct counters counters;
    uint64_t now;
};

static uint32_t rcv_nxt(const struct tcp *t)
{
    return t->rx.next + t->fin_received;
}

static void check(struct world *w)
{
    const struct tcp *t = &w->tcp;
    const struct tcp_loss *l = &t->loss;
    uint32_t chunks = 0;

    for (const struct chunk *c = t->rx.first; c != NULL; c = c->next)
        chunks++;
    for (const struct chunk *c = t->tx.head; c != NULL; c = c->next)
        chunks++;
    assert(w->pool.free_count + chunks == w->pool.count);
    assert(tcp_readable(t) <= TCP_RX_WINDOW_BYTES);
    assert(t->tx.bytes <= TCP_TX_BUFFER_BYTES);
    assert(t->rx.range_count <= TCP_OOO_RANGES_MAX);
    for (uint32_t i = 0; i < t->rx.range_count; i++) {
        assert((int32_t)(t->rx.range[i].start - t->rx.next) > 0);
        assert((int32_t)(t->rx.range[i].end - t->rx.range[i].start) > 0);
    }
    if (t->state == TCP_CLOSED) {
        assert(t->end != TCP_END_NONE && tcp_deadline(t) == UINT64_MAX);
        return;
    }
    assert((int32_t)(t->snd_nxt - t->snd_una) >= 0);
    assert(t->cc.cwnd >= TCP_MSS_MIN);
    assert(l->sacked_count <= TCP_OOO_RANGES_MAX);
    for (uint32_t i = 0; i < l->sacked_count; i++) {
        assert((int32_t)(l->sacked[i].end - l->sacked[i].start) > 0);
        assert((int32_t)(t->snd_nxt - l->sacked[i].end) >= 0);
        assert(i == 0 || (int32_t)(l->sacked[i].start - l->sacked[i - 1].end) > 0);
    }
    if (t->state >= TCP_ESTABLISHED && t->state != TCP_TIME_WAIT) {
        assert((int32_t)(t->snd_nxt - t->tx_seq) >= 0 || t->snd_nxt == t->tx_seq);
        assert((int32_t)(t->tx_seq + t->tx.bytes + t->fin_queued - t->snd_nxt) >= 0);
    }
}

static void drain(struct world *w)
{
    static uint8_t buf[10 * MSS];
    struct tcp_segment seg;
    uint16_t size;

    for (uint32_t i = 0;; i++) {
        bool wants = tcp_wants_output(&w->tcp, w->now);
        uint32_t due = tcp_segments_due(&w->tcp, w->now);
        size_t bytes = i % 2 ? tcp_output(&w->tcp, buf, 20 + MSS, w->now)
                             : tcp_output_large(&w->tcp, buf, sizeof(buf), &size, w->now);

        assert(wants == (bytes > 0) && wants == (due > 0));
        assert(i % 2 || size == 0 || (due > 1 && bytes > size));
        if (bytes == 0)
            break;
        assert(i < OUTPUTS_MAX);
        assert(tcp_segment_parse(&seg, buf, bytes));
        assert(seg.src_port == 443 && seg.dst_port == 50000);
    }
    /* With nothing left to send, something is waited for. */
    assert((tcp_state(&w->tcp) == TCP_CLOSED) == (tcp_deadline(&w->tcp) == UINT64_MAX));
}

static void give(struct world *w, const struct tcp_segment *s)
{
    tcp_input(&w->tcp, s, w->now);
}

static void give_plain(struct world *w, uint32_t seq, uint32_t ack, uint8_t flags)
{
    struct tcp_segment s = {.seq = seq, .ack = ack, .flags = flags, .window = 60000, .wscale = -1};

    s.has_ts = w->tcp.has_ts;
    s.ts_val = w->tcp.ts_recent;
    give(w, &s);
    drain(w);
}

/* Any of the states, by the ways that lead there. */
static void start(struct world *w, struct reader *r)
{
    uint32_t how = read_bytes(r, 1), iss = read_bytes(r, 1) * 0x01010101u;
    struct tcp_segment syn = {.seq = 0u - read_bytes(r, 1), .flags = TCP_SYN, .window = 60000};

    syn.mss = how & 0x80 ? 100 : MSS;
    syn.wscale = how & 0x40 ? 7 : -1;
    syn.has_sack_permitted = !(how & 0x20);
    syn.has_ts = !(how & 0x10);
    syn.src_port = 50000;
    syn.dst_port = 443;
    how %= 10;
    if (how == 0) {
        tcp_open_active(&w->tcp, &w->env, 443, 50000, iss, w->now);
        drain(w);
        return;
    }
    tcp_open_passive(&w->tcp, &w->env, 443, 50000, &syn, iss, w->now);
    drain(w);
    if (how == 1)
        return;
    give_plain(w, syn.seq + 1, iss + 1, TCP_ACK);
    if (how == 3 || how == 6 || how == 7)
        give_plain(w, syn.seq + 1, iss + 1, TCP_ACK | TCP_FIN); /* CLOSE_WAIT */
    if (how >= 4)
        tcp_finish(&w->tcp); /* FIN_WAIT_1, LAST_ACK */
    drain(w);
    if (how == 5 || how == 8)
        give_plain(w, syn.seq + 1, iss + 2, TCP_ACK); /* FIN_WAIT_2 */
    if (how == 8)
        give_plain(w, syn.seq + 1, iss + 2, TCP_ACK | TCP_FIN); /* TIME_WAIT */
    if (how == 9)
        give_plain(w, syn.seq + 1, iss + 1, TCP_ACK | TCP_FIN); /* CLOSING */
}

static int32_t small(struct reader *r)
{
    return (int8_t)read_bytes(r, 1) * (int32_t)(1 + read_bytes(r, 1));
}

/* A segment near what is expected. */
static void near_segment(struct world *w, struct reader *r)
{
    struct tcp *t = &w->tcp;
    uint32_t what = read_bytes(r, 1);
    struct tcp_segment s = {
        .src_port = 50000,
        .dst_port = 443,
        .seq = rcv_nxt(t),
        .ack = t->snd_nxt,
        .flags = TCP_ACK,
        .window = (uint16_t)read_bytes(r, 2),
        .wscale = -1,
        .payload = text,
    };

    if (what & 0x01)
        s.seq += (uint32_t)small(r);
    if (what & 0x02)
        s.ack += (uint32_t)small(r);
    if (what & 0x04)
        s.flags = (uint8_t)read_bytes(r, 1);
    if (what & 0x08)
        s.payload_bytes = read_bytes(r, 1) * (1 + read_bytes(r, 1)) % sizeof(text);
    s.has_ts = t->has_ts != ((what & 0x10) != 0);
    s.ts_val = t->ts_recent;
    if (what & 0x20) {
        s.ts_val += (uint32_t)small(r);
        s.ts_ecr = read_bytes(r, 4);
    }
    if (what & 0x40) {
        s.sack_count = (uint8_t)(1 + read_bytes(r, 1) % TCP_SACK_BLOCKS_MAX);
        for (uint32_t i = 0; i < s.sack_count; i++) {
            s.sack[i].start = t->snd_una + (uint32_t)small(r);
            s.sack[i].end = s.sack[i].start + (uint32_t)small(r);
        }
    }
    if (s.flags & TCP_SYN) {
        s.mss = (uint16_t)read_bytes(r, 2);
        s.wscale = (int8_t)(read_bytes(r, 1) % 16) - 1;
        s.has_sack_permitted = s.mss & 1;
    }
    if ((s.flags & TCP_SYN) && tcp_may_reuse(t, &s)) {
        tcp_fini(t);
        tcp_open_passive(t, &w->env, 443, 50000, &s, read_bytes(r, 4), w->now);
        return;
    }
    give(w, &s);
}

static void raw_segment(struct world *w, struct reader *r)
{
    uint32_t len = read_bytes(r, 1);
    uint8_t *copy;
    struct tcp_segment s;
    uint8_t buf[TCP_HEADER_BYTES_MAX];

    if (len > (size_t)(r->end - r->p))
        len = (uint32_t)(r->end - r->p);
    copy = malloc(len + 1); /* the sanitizer sees a step over its end */
    memcpy(copy, r->p, len);
    r->p += len;
    if (tcp_segment_parse(&s, copy, len)) {
        struct tcp other;

        assert(s.payload + s.payload_bytes == copy + len);
        assert(s.sack_count <= TCP_SACK_BLOCKS_MAX && s.wscale <= 14);
        tcp_reset_for(&s, buf, sizeof(buf));
        tcp_cookie_syn_ack(&w->env, local_ip, remote_ip, &s, buf, sizeof(buf), w->now);
        if (tcp_cookie_open(&other, &w->env, local_ip, remote_ip, &s, w->now))
            tcp_fini(&other);
        give(w, &s);
    }
    free(copy);
}

static void step(struct world *w, struct reader *r)
{
    struct tcp *t = &w->tcp;
    size_t len;

    switch (read_bytes(r, 1) % 12) {
    case 0:
        raw_segment(w, r);
        break;
    case 1:
        tcp_write(t, text, read_bytes(r, 2));
        break;
    case 2: {
        uint32_t bytes = read_bytes(r, 2);

        tcp_consume(t, bytes < tcp_readable(t) ? bytes : (uint32_t)tcp_readable(t));
        break;
    }
    case 3:
        w->now += read_bytes(r, 2) * MS_NS;
        if (tcp_deadline(t) <= w->now)
            tcp_timeout(t, w->now);
        break;
    case 4:
        if (tcp_deadline(t) != UINT64_MAX) {
            w->now = tcp_deadline(t) > w->now ? tcp_deadline(t) : w->now;
            tcp_timeout(t, w->now);
            drain(w);
            assert(tcp_deadline(t) > w->now);
        }
        break;
    case 5:
        tcp_finish(t);
        break;
    case 6:
        if (read_bytes(r, 1) < 32)
            tcp_close(t, w->now);
        break;
    case 7:
        if (read_bytes(r, 1) < 16)
            tcp_abort(t);
        break;
    case 8:
        tcp_path_mtu(t, t->snd_una + read_bytes(r, 1), (uint16_t)read_bytes(r, 2));
        break;
    case 9:
        tcp_peek(t, read_bytes(r, 2), &len);
        break;
    default:
        near_segment(w, r);
    }
    check(w);
    if (read_bytes(r, 1) & 3)
        drain(w);
    check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct world *w = &world;
    struct reader r = {data, data + size};

    if (size < 4)
        return 0;
    memset(w, 0, sizeof(*w));
    chunk_pool_init(&w->pool, memory, CHUNKS);
    w->env = (struct tcp_env){.pool = &w->pool, .counters = &w->counters, .mss_max = MSS};
    w->now = 5000000 * MS_NS;
    w->env.cc = data[size - 1] & 1;
    start(w, &r);
    check(w);
    while (r.p < r.end)
        step(w, &r);
    tcp_fini(&w->tcp);
    assert(w->pool.free_count == w->pool.count);
    return 0;
}
