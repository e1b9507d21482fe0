#include <assert.h>

#include "dataplane/tcp/tcp_internal.h"

/* What the next segment is: decided without side effects, so that tcp_wants_output can ask too. */
struct plan {
    uint32_t seq;
    uint32_t bytes; /* of payload */
    uint8_t flags;  /* but for ACK and PSH */
    bool is_rescue;
};

enum { TS_BYTES = 12 };

static uint32_t sack_blocks(const struct tcp *t)
{
    uint32_t blocks_max = t->has_ts ? 3 : 4;
    uint32_t blocks = t->rx.range_count + t->has_dsack;

    if (!t->has_sack)
        return 0;
    return blocks < blocks_max ? blocks : blocks_max;
}

static uint32_t options_bytes(const struct tcp *t)
{
    uint32_t blocks = sack_blocks(t);

    return (t->has_ts ? TS_BYTES : 0) + (blocks > 0 ? 4 + 8 * blocks : 0);
}

static uint32_t payload_max(const struct tcp *t)
{
    return t->mss - options_bytes(t);
}

/* [start, end) of what was sent before, as much as one segment carries. */
static void plan_again(const struct tcp *t, struct tcp_range r, struct plan *p)
{
    uint32_t data_end = seq_min(r.end, tcp_data_end(t));
    uint32_t bytes_max = payload_max(t);

    p->seq = r.start;
    p->bytes = seq_lt(r.start, data_end) ? data_end - r.start : 0;
    if (p->bytes > bytes_max)
        p->bytes = bytes_max;
    /* Sequence space behind the data is the FIN. */
    if (seq_lt(p->seq + p->bytes, r.end) && p->seq + p->bytes == tcp_data_end(t))
        p->flags = TCP_FIN;
}

/* RFC 6675 rule 1 of NextSeg, or all that a timeout declared lost. */
static bool plan_lost(const struct tcp *t, uint32_t pipe, struct plan *p)
{
    struct tcp_range hole;

    if (t->loss.mode == TCP_RECOVERY_NONE || !tcp_loss_next(t, &hole))
        return false;
    if (!t->loss.is_forced && pipe > 0 && pipe + t->mss > t->cc.cwnd)
        return false;
    plan_again(t, hole, p);
    return true;
}

/* New data, and the FIN behind it. Sends a full segment, or all there is, or half of the largest
 * window (RFC 9293 3.8.6.2.1); Nagle's rule does not apply: owners write in large pieces. */
static bool plan_new(const struct tcp *t, uint32_t pipe, struct plan *p)
{
    uint32_t queued = tcp_tx_end(t) - t->snd_nxt;
    int32_t window = (int32_t)(t->snd_una + t->snd_wnd - t->snd_nxt);

    if (queued == 0 || window <= 0)
        return false;

    uint32_t data = queued - t->fin_queued; /* the FIN was not sent: it is the last */
    uint32_t bytes_max = payload_max(t);
    uint32_t bytes = data < bytes_max ? data : bytes_max;

    if (bytes > (uint32_t)window) {
        bytes = (uint32_t)window;
        if (bytes < t->snd_wnd_max / 2 && !(t->due & TCP_DUE_PUSH))
            return false;
    }
    if (pipe > 0 && pipe + bytes > t->cc.cwnd)
        return false;
    p->seq = t->snd_nxt;
    p->bytes = bytes;
    if (t->fin_queued && bytes == data && bytes < (uint32_t)window)
        p->flags = TCP_FIN;
    return bytes > 0 || p->flags != 0;
}

bool tcp_may_send_new(const struct tcp *t)
{
    struct plan p = {0};

    return plan_new(t, tcp_loss_pipe(t), &p);
}

static bool plan_doubtful(const struct tcp *t, uint32_t pipe, struct plan *p)
{
    struct tcp_range hole;

    if (t->loss.mode != TCP_RECOVERY_FAST || pipe + t->mss > t->cc.cwnd ||
        !tcp_loss_next_doubtful(t, &hole, &p->is_rescue))
        return false;
    plan_again(t, hole, p);
    return true;
}

static bool plan_stream(const struct tcp *t, struct plan *p)
{
    /* Idle, or all sent: the usual answer, without looking at the scoreboard. */
    if (t->loss.mode == TCP_RECOVERY_NONE && tcp_tx_end(t) == t->snd_nxt)
        return false;
    if (t->state == TCP_TIME_WAIT)
        return false;

    uint32_t pipe = tcp_loss_pipe(t);

    return plan_lost(t, pipe, p) || plan_new(t, pipe, p) || plan_doubtful(t, pipe, p);
}

static bool plan_next(const struct tcp *t, struct plan *p)
{
    *p = (struct plan){0};
    if (t->due & TCP_DUE_RST) {
        p->seq = t->reset_seq;
        p->flags = TCP_RST;
        return true;
    }
    if (t->state == TCP_CLOSED)
        return false;
    if (t->due & TCP_DUE_SYN) {
        p->seq = t->tx_seq - 1;
        p->flags = TCP_SYN;
        return true;
    }
    p->seq = t->snd_nxt;
    if (!tcp_is_synchronized(t))
        return t->due != 0;
    if (plan_stream(t, p))
        return true;
    /* A sequence number that the peer has already taken makes it answer. */
    p->seq = t->due & TCP_DUE_PROBE ? t->snd_una - 1 : t->snd_nxt;
    return (t->due & (TCP_DUE_ACK | TCP_DUE_PROBE)) != 0;
}

bool tcp_wants_output(const struct tcp *t, uint64_t now)
{
    struct plan p;

    return plan_next(t, &p);
}

/* Bytes of window to show, at most so many. Its right edge moves by worthwhile steps only (RFC 9293
 * 3.8.6.2.2) and never back. */
static uint32_t window_bytes(struct tcp *t, uint32_t limit)
{
    uint32_t edge = tcp_rcv_edge_free(t, limit), step = tcp_window_step(t);

    if ((int32_t)(edge - t->rcv_edge) >= (int32_t)step)
        t->rcv_edge = edge;

    int32_t bytes = (int32_t)(t->rcv_edge - tcp_rcv_nxt(t));
    uint32_t shown = bytes > 0 ? (uint32_t)bytes : 0;

    /* Not for want of chunks if it is because the owner does not read. */
    t->is_tight = shown < step && edge != t->rx.start + limit;
    return shown;
}

/* The same, scaled. */
static uint16_t window(struct tcp *t)
{
    uint32_t shown = window_bytes(t, tcp_window_max(t)) >> t->rcv_wscale;

    return (uint16_t)(shown < 65535 ? shown : 65535);
}

static size_t write_reset(struct tcp *t, uint8_t *buf)
{
    struct tcp_header h = {
        .src_port = t->local_port,
        .dst_port = t->remote_port,
        .seq = t->reset_seq,
        .ack = t->reset_has_ack ? tcp_rcv_nxt(t) : 0,
        .flags = TCP_RST | (t->reset_has_ack ? TCP_ACK : 0),
    };

    t->due &= ~TCP_DUE_RST;
    return tcp_header_write(&h, buf, buf + TCP_HEADER_BYTES);
}

static size_t write_syn(struct tcp *t, uint8_t *buf, uint64_t now)
{
    bool is_answer = t->state == TCP_SYN_RECEIVED;
    struct tcp_offer offer = {
        .mss = (uint16_t)(t->env->mss_max - t->env->mss_spare),
        .wscale = !is_answer || t->has_wscale ? TCP_RX_WSCALE : -1,
        .has_sack_permitted = !is_answer || t->has_sack,
        .has_ts = !is_answer || t->has_ts,
        .ts_val = tcp_ts_clock(t->ts_offset, now),
        .ts_ecr = is_answer ? t->ts_recent : 0,
    };
    struct tcp_header h = {
        .src_port = t->local_port,
        .dst_port = t->remote_port,
        .seq = t->tx_seq - 1,
        .ack = is_answer ? tcp_rcv_nxt(t) : 0,
        .flags = TCP_SYN | (is_answer ? TCP_ACK : 0),
        .window = 65535, /* not scaled in a SYN; less than TCP_RX_WINDOW_BYTES */
    };

    if (is_answer) {
        h.window = (uint16_t)window_bytes(t, 65535);
        t->last_ack_sent = tcp_rcv_nxt(t);
    }
    if (t->snd_nxt == h.seq) {
        t->snd_nxt++;
        t->is_timed = true;
        t->timed_seq = t->snd_nxt;
        t->timed_at = now;
        t->timer_at = now + tcp_rto_ns(t);
    } else {
        t->env->counters->tcp_retransmits++;
    }
    t->due &= ~(TCP_DUE_SYN | TCP_DUE_ACK);
    t->sent_at = now;
    return tcp_header_write(&h, buf, tcp_offer_write(&offer, buf + TCP_HEADER_BYTES));
}

static uint8_t *write_sack(const struct tcp *t, uint8_t *p, uint32_t blocks)
{
    *p++ = TCP_OPTION_NOP;
    *p++ = TCP_OPTION_NOP;
    *p++ = TCP_OPTION_SACK;
    *p++ = (uint8_t)(2 + 8 * blocks);
    if (t->has_dsack) {
        p = wire_put32(p, t->dsack.start);
        p = wire_put32(p, t->dsack.end);
        blocks--;
    }
    for (uint32_t i = 0; i < blocks; i++) {
        p = wire_put32(p, t->rx.range[i].start);
        p = wire_put32(p, t->rx.range[i].end);
    }
    return p;
}

static uint8_t *write_options(const struct tcp *t, uint8_t *p, uint64_t now)
{
    uint32_t blocks = sack_blocks(t);

    if (t->has_ts) {
        *p++ = TCP_OPTION_NOP;
        *p++ = TCP_OPTION_NOP;
        p = tcp_ts_write(p, tcp_ts_clock(t->ts_offset, now), t->ts_recent);
    }
    return blocks > 0 ? write_sack(t, p, blocks) : p;
}

/* Books a segment that occupies [seq, end). */
static void sent(struct tcp *t, const struct plan *p, uint32_t end, uint64_t now)
{
    struct tcp_loss *l = &t->loss;

    if (seq_lt(p->seq, t->snd_nxt)) {
        t->env->counters->tcp_retransmits++;
        t->is_timed = false; /* Karn */
        l->is_forced = false;
        if (p->is_rescue)
            l->is_rescued = true;
        else
            l->high_rxt = seq_max(l->high_rxt, end);
    } else {
        if (t->snd_una == t->snd_nxt)
            t->backoff = 0;
        if (!t->is_timed) {
            t->is_timed = true;
            t->timed_seq = end;
            t->timed_at = now;
        }
        t->snd_nxt = end;
    }
    if (t->timer_at == UINT64_MAX)
        t->timer_at = now + tcp_rto_ns(t);
}

size_t tcp_output(struct tcp *t, uint8_t *buf, size_t cap, uint64_t now)
{
    struct plan p;

    if (!plan_next(t, &p) || cap < TCP_HEADER_BYTES_MAX)
        return 0;
    if (p.flags & TCP_RST)
        return write_reset(t, buf);
    if (p.flags & TCP_SYN)
        return write_syn(t, buf, now);

    /* RFC 5681 4.1: after silence the ACK clock is gone. */
    if (p.bytes > 0 && t->snd_una == t->snd_nxt && now - t->sent_at > t->rto_us * 1000ull)
        tcp_cc_idle(&t->cc, t->mss);

    uint8_t *payload = write_options(t, buf + TCP_HEADER_BYTES, now);
    size_t room = cap - (size_t)(payload - buf);

    if (p.bytes > room) {
        p.bytes = (uint32_t)room;
        p.flags = 0;
    }

    uint32_t end = p.seq + p.bytes + (p.flags != 0);
    struct tcp_header h = {
        .src_port = t->local_port,
        .dst_port = t->remote_port,
        .seq = p.seq,
        .ack = tcp_rcv_nxt(t),
        .flags = TCP_ACK | p.flags,
        .window = window(t),
    };

    if (p.bytes > 0) {
        byte_queue_copy(&t->tx, p.seq - t->tx_seq, payload, p.bytes);
        if (p.seq + p.bytes == tcp_data_end(t))
            h.flags |= TCP_PSH;
    }
    tcp_header_write(&h, buf, payload);
    if (end != p.seq)
        sent(t, &p, end, now);

    t->last_ack_sent = h.ack;
    t->has_dsack = false;
    t->ack_at = UINT64_MAX;
    t->due = 0;
    t->sent_at = now;
    return (size_t)(payload - buf) + p.bytes;
}
