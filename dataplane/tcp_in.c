#include <assert.h>

#include "dataplane/tcp_internal.h"

/* The order of the checks, and the numbers in the comments, are those of RFC 9293 3.10.7. */

enum { TS_VALID_S = 24 * 24 * 3600 /* RFC 7323 5.5: an idle connection's ts_recent ages */ };

/* ---- answers ---- */

/* An ACK that a forger could provoke at will: few of them (RFC 5961 section 7; per connection, so
 * that no side channel joins two of them). */
static void challenge(struct tcp *t, uint64_t now)
{
    uint32_t ms = (uint32_t)(now / TCP_MS_NS);

    if (ms - t->challenge_ms < TCP_CHALLENGE_INTERVAL_MS)
        return;
    t->challenge_ms = ms;
    t->due |= TCP_DUE_ACK;
    t->env->counters->tcp_challenge_acks++;
}

/* The ACK of a segment that brings nothing (RFC 9293 3.10.7.4). An honest peer sends some in a row,
 * when it repeats what it did not hear the ACK of, and looks at SACK of each; who sends more gets
 * no more: two ends that are out of step would answer each other for ever, and forgers would be
 * heard. */
static void ack_old(struct tcp *t, uint64_t now)
{
    uint32_t ms = (uint32_t)(now / TCP_MS_NS);

    if (ms - t->old_ms >= TCP_CHALLENGE_INTERVAL_MS) {
        t->old_ms = ms;
        t->old_acks = 0;
    }
    if (t->old_acks >= TCP_OLD_ACKS_MAX) {
        t->env->counters->tcp_old_unanswered++;
        return;
    }
    t->old_acks++;
    t->due |= TCP_DUE_ACK;
}

/* <SEQ=SEG.ACK><CTL=RST>: the segment belongs to some other connection; ours goes on. */
static void refuse_ack(struct tcp *t, const struct tcp_segment *seg)
{
    t->env->counters->tcp_bad_ack++;
    t->reset_seq = seg->ack;
    t->reset_has_ack = false;
    t->due |= TCP_DUE_RST;
}

static void show_dsack(struct tcp *t, uint32_t start, uint32_t end)
{
    t->has_dsack = t->has_sack;
    t->dsack = (struct tcp_range){start, end};
}

/* ---- SYN-SENT (3.10.7.3) ---- */

static void take_fin(struct tcp *, uint64_t now);
static void take_text(struct tcp *, uint32_t seq, const struct tcp_segment *, uint64_t now);
static bool take_rtt(struct tcp *, const struct tcp_segment *, uint64_t now);

static void input_syn_sent(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    bool has_ack = (seg->flags & TCP_ACK) != 0;

    /* First, the ACK bit: snd_una is ISS, and snd_nxt is ISS + 1 once the SYN was sent. */
    if (has_ack && (t->snd_nxt == t->snd_una || seg->ack != t->snd_nxt)) {
        if (!(seg->flags & TCP_RST))
            refuse_ack(t, seg);
        return;
    }
    /* Second, the RST bit. */
    if (seg->flags & TCP_RST) {
        if (has_ack)
            tcp_end_with(t, TCP_END_RESET);
        return;
    }
    /* Fourth, the SYN bit. */
    if (!(seg->flags & TCP_SYN))
        return;
    tcp_adopt_options(t, seg, now);
    t->received_at = now;
    if (!has_ack) {
        /* Simultaneous open. Text that came with the SYN will come again. */
        tcp_set_state(t, TCP_SYN_RECEIVED, now);
        t->due = TCP_DUE_SYN;
        return;
    }
    t->snd_una = seg->ack;
    take_rtt(t, seg, now);
    tcp_loss_acked(t, seg->ack - 1);
    tcp_established(t, now);
    t->due = TCP_DUE_ACK;
    t->rcv_edge = t->rx.next + 65535; /* what our SYN said */

    /* Sixth to eighth: controls and text behind the SYN. */
    take_text(t, seg->seq + 1, seg, now);
    take_fin(t, now);
}

/* ---- first: sequence number and timestamp ---- */

static bool paws_accepts(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    if (!t->has_ts || (seg->flags & TCP_RST))
        return true;
    if (!seg->has_ts) {
        /* RFC 7323 3.2: once negotiated, every segment carries it. */
        t->env->counters->tcp_paws++;
        return false;
    }
    if (!seq_lt(seg->ts_val, t->ts_recent) ||
        (uint32_t)(now / 1000000000) - t->ts_recent_s > TS_VALID_S)
        return true;
    t->env->counters->tcp_paws++;
    /* ACKs that overtook each other are no sign of an old connection: no answer. */
    if (seg->payload_bytes > 0 || (seg->flags & (TCP_SYN | TCP_FIN)))
        challenge(t, now);
    return false;
}

static bool seq_acceptable(const struct tcp *t, const struct tcp_segment *seg, uint32_t len)
{
    uint32_t next = tcp_rcv_nxt(t);

    /* Also with a window of zero: its ACK, RST and FIN count (3.10.7.4), its text is cut off later.
     */
    if (seg->seq == next)
        return true;
    if (!seq_lt(next, t->rcv_edge))
        return false;
    if (seq_le(next, seg->seq) && seq_lt(seg->seq, t->rcv_edge))
        return true;

    uint32_t last = seg->seq + len - 1;

    return len > 0 && seq_le(next, last) && seq_lt(last, t->rcv_edge);
}

static void take_ts(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    if (!t->has_ts || !seg->has_ts || seq_lt(seg->ts_val, t->ts_recent))
        return;
    t->ts_recent = seg->ts_val;
    t->ts_recent_s = (uint32_t)(now / 1000000000);
}

static void refuse_seq(struct tcp *t, const struct tcp_segment *seg, uint32_t len, uint64_t now)
{
    uint32_t next = tcp_rcv_nxt(t);

    if (seg->flags & TCP_RST) {
        t->env->counters->tcp_bad_seq++;
        return;
    }
    if (len > 0 && seq_le(seg->seq + len, next)) {
        t->env->counters->tcp_duplicate++;
        if (seg->payload_bytes > 0)
            show_dsack(t, seg->seq, seg->seq + seg->payload_bytes);
        /* The last of all that came, again: its ACK was lost, or late. With the time of what came
         * first the peer would take its own timeout for a round trip, and wait for a multiple of it
         * from then on. Only the last one: whatever lies further back is easier to guess. */
        if (seg->seq + len == next)
            take_ts(t, seg, now);
        ack_old(t, now);
        /* The peer did not hear our SYN-ACK. */
        if (t->state == TCP_SYN_RECEIVED && (seg->flags & TCP_SYN))
            t->due |= TCP_DUE_SYN;
        /* 3.10.7.4, eighth: the peer did not hear the ACK of its FIN. */
        if (t->state == TCP_TIME_WAIT && (seg->flags & TCP_FIN))
            tcp_set_state(t, TCP_TIME_WAIT, now);
        return;
    }
    t->env->counters->tcp_bad_seq++;
    if (len > 0 && !seq_lt(next, t->rcv_edge))
        ack_old(t, now); /* a probe of our closed window */
    else if (len == 0 && seg->seq == next - 1)
        ack_old(t, now); /* keepalive */
    else
        challenge(t, now);
}

/* ---- fifth: the ACK ---- */

/* False: the ACK tells nothing of a round trip. */
static bool take_rtt(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    if (t->is_timed) {
        if (seq_lt(seg->ack, t->timed_seq))
            return false;
        t->is_timed = false;
        tcp_rtt_sample(t, (now - t->timed_at) / 1000);
        return true;
    }
    /* Nothing could be timed because bytes were sent twice; the echo tells which of them was
     * acknowledged. Not if it is older than the last timeout: a peer that had the bytes, and whose
     * ACKs were lost, answers what comes again with the time of what came first (RFC 7323 4.3: it
     * lies outside the window). That would take our own wait for a round trip, and the next wait is
     * a multiple of it. */
    uint32_t ms = tcp_ts_clock(t->ts_offset, now) - seg->ts_ecr;
    uint64_t waited_ms = now / TCP_MS_NS - t->timed_out_at / TCP_MS_NS;

    if (!t->has_ts || !seg->has_ts || seg->ts_ecr == 0 || ms >= TCP_RTO_MAX_MS || ms > waited_ms)
        return false;
    tcp_rtt_sample(t, ms > 0 ? ms * 1000ull : 500);
    return true;
}

static void acked(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    uint32_t una_before = t->snd_una;
    uint32_t flight = t->snd_nxt - una_before;
    uint32_t data = seg->ack - t->tx_seq;

    if (data > t->tx.bytes)
        data = t->tx.bytes; /* the rest is the FIN */
    byte_queue_consume(&t->tx, t->env->pool, data);
    t->tx_seq += data;
    t->snd_una = seg->ack;
    t->retries = 0;
    if (!take_rtt(t, seg, now))
        tcp_rto_keep(t);
    t->backoff = 0;
    tcp_loss_acked(t, una_before);
    if (t->loss.mode != TCP_RECOVERY_FAST) {
        /* cwnd held the sender back if the flight filled it but for a segment; in slow start half
         * is enough, since it doubles (RFC 7661 4.1). */
        bool is_limited =
            t->cc.cwnd < t->cc.ssthresh ? flight >= t->cc.cwnd / 2 : flight + t->mss >= t->cc.cwnd;

        tcp_cc_acked(&t->cc, seg->ack - una_before, t->mss, t->srtt_us, is_limited, now);
    }
    t->timer_at = t->snd_una == t->snd_nxt ? UINT64_MAX : now + tcp_rto_ns(t);
}

static bool is_duplicate_ack(const struct tcp *t, const struct tcp_segment *seg)
{
    /* RFC 5681 section 2. */
    return seg->ack == t->snd_una && t->snd_una != t->snd_nxt && seg->payload_bytes == 0 &&
           (seg->flags & (TCP_SYN | TCP_FIN)) == 0 &&
           (uint32_t)seg->window << t->snd_wscale == t->snd_wnd;
}

/* What acknowledges more is newer, whatever its own number: one that comes again has an old one.
 * With the older window behind its ACK we would send more than the peer ever had room for. */
static void take_window(struct tcp *t, const struct tcp_segment *seg, bool is_newer)
{
    if (!is_newer && !seq_lt(t->snd_wl1, seg->seq) &&
        !(t->snd_wl1 == seg->seq && seq_le(t->snd_wl2, seg->ack)))
        return;
    t->snd_wnd = (uint32_t)seg->window << t->snd_wscale;
    t->snd_wl1 = seq_max(t->snd_wl1, seg->seq);
    t->snd_wl2 = seg->ack;
    if (t->snd_wnd > t->snd_wnd_max)
        t->snd_wnd_max = t->snd_wnd;
}

/* False: the segment must not be looked at further. */
static bool take_ack(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    /* RFC 5961 5.2: neither of data never sent nor older than any window could be. */
    if (seq_lt(t->snd_nxt, seg->ack) || seq_lt(seg->ack, t->snd_una - t->snd_wnd_max)) {
        t->env->counters->tcp_bad_ack++;
        challenge(t, now);
        return false;
    }

    bool is_duplicate = is_duplicate_ack(t, seg), is_newer = seq_lt(t->snd_una, seg->ack);

    if (is_newer)
        acked(t, seg, now);
    if (seq_le(t->snd_una, seg->ack))
        take_window(t, seg, is_newer);
    if (t->has_sack) {
        if ((seg->sack_count > 0 && tcp_loss_sacked(t, seg)) || t->loss.sacked_count > 0)
            tcp_loss_detect(t);
    } else if (is_duplicate) {
        tcp_loss_duplicate(t);
        tcp_loss_detect(t);
    }
    /* Signs of life: nothing is waited for, or a window stays closed. */
    if (t->snd_una == t->snd_nxt || t->snd_wnd == 0)
        t->retries = 0;
    return true;
}

/* What an acknowledged FIN means. False: the connection is over. */
static bool take_ack_of_fin(struct tcp *t, uint64_t now)
{
    bool is_fin_acked = t->fin_queued && t->snd_una == tcp_tx_end(t);

    if (!is_fin_acked)
        return true;
    switch (t->state) {
    case TCP_FIN_WAIT_1:
        tcp_set_state(t, TCP_FIN_WAIT_2, now);
        return true;
    case TCP_CLOSING:
        tcp_set_state(t, TCP_TIME_WAIT, now);
        return true;
    case TCP_LAST_ACK:
        tcp_end_with(t, TCP_END_CLOSED);
        return false;
    default:
        return true;
    }
}

/* All that was said before a cut is heard. False: the connection is over. */
static bool take_ack_of_cut(struct tcp *t)
{
    if (!t->is_cut || t->tx.bytes > 0)
        return true;
    tcp_end_with_reset(t);
    return false;
}

static bool input_ack(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    if (t->state == TCP_SYN_RECEIVED) {
        if (t->snd_nxt == t->snd_una || seg->ack != t->snd_nxt) {
            refuse_ack(t, seg);
            return false;
        }
        t->snd_una = seg->ack;
        take_rtt(t, seg, now);
        tcp_loss_acked(t, seg->ack - 1);
        tcp_established(t, now);
        t->due &= ~TCP_DUE_SYN;
        t->snd_wnd = (uint32_t)seg->window << t->snd_wscale;
        t->snd_wnd_max = t->snd_wnd;
        t->snd_wl1 = seg->seq;
        t->snd_wl2 = seg->ack;
        return true;
    }
    return take_ack(t, seg, now) && take_ack_of_cut(t) && take_ack_of_fin(t, now);
}

/* ---- seventh: the text ---- */

static void ack_now_or_soon(struct tcp *t, bool is_urgent, uint64_t now)
{
    /* RFC 9293 3.8.6.3: at least every second full segment, at once when the order was broken. */
    if (is_urgent || t->rx.next - t->last_ack_sent >= 2u * t->rcv_mss)
        t->due |= TCP_DUE_ACK;
    else if (t->ack_at == UINT64_MAX)
        t->ack_at = now + TCP_DELAYED_ACK_MS * TCP_MS_NS;
}

/* Takes the payload, which begins at seq, and remembers where a FIN behind it is. */
static void take_text(struct tcp *t, uint32_t seq, const struct tcp_segment *seg, uint64_t now)
{
    struct counters *c = t->env->counters;
    const uint8_t *bytes = seg->payload;
    uint32_t len = seg->payload_bytes;
    uint32_t fin_at = seq + len;
    bool has_fin = (seg->flags & TCP_FIN) != 0;

    if (t->fin_received)
        return;
    if (len > t->rcv_mss)
        t->rcv_mss = (uint16_t)(len < 65535 ? len : 65535);

    /* On the left, what came before; on the right, what the window or the FIN cuts off. */
    if (len > 0 && seq_lt(seq, t->rx.next)) {
        uint32_t old = t->rx.next - seq < len ? t->rx.next - seq : len;

        show_dsack(t, seq, seq + old);
        t->due |= TCP_DUE_ACK;
        c->tcp_duplicate += old == len;
        seq += old;
        bytes += old;
        len -= old;
    }
    uint32_t limit = t->fin_known ? seq_min(t->rcv_fin, t->rcv_edge) : t->rcv_edge;

    if (len > 0 && seq_lt(limit, seq + len)) {
        len = seq_lt(seq, limit) ? limit - seq : 0;
        t->is_refusing |= t->is_tight; /* a probe: there is something to be said */
        t->due |= TCP_DUE_ACK;
    }
    if (len > 0 && t->is_orphan) {
        tcp_end_with_reset(t); /* nobody will read it */
        return;
    }
    if (len > 0) {
        bool is_early = seq != t->rx.next;
        bool was_broken = t->rx.range_count > 0;

        if (is_early && tcp_rx_has(&t->rx, seq, len)) {
            c->tcp_duplicate++;
            show_dsack(t, seq, seq + len);
        } else if (tcp_rx_put(&t->rx, t->env->pool, seq, bytes, len) < len) {
            c->tcp_no_memory++;
            t->is_refusing |= !is_early;
            t->due |= TCP_DUE_ACK;
        } else {
            t->is_refusing &= is_early;
            c->tcp_out_of_order += is_early;
        }
        ack_now_or_soon(t, is_early || was_broken, now);
    }
    if (has_fin && !t->fin_known && seq_le(t->rx.next, fin_at) && seq_le(fin_at, t->rcv_edge)) {
        t->fin_known = true;
        t->rcv_fin = fin_at;
    }
}

/* ---- eighth: the FIN, once all before it is here ---- */

static void take_fin(struct tcp *t, uint64_t now)
{
    if (!t->fin_known || t->fin_received || t->rx.next != t->rcv_fin || t->state == TCP_CLOSED)
        return;
    t->fin_received = true;
    t->due |= TCP_DUE_ACK;
    switch (t->state) {
    case TCP_ESTABLISHED:
        tcp_set_state(t, TCP_CLOSE_WAIT, now);
        break;
    case TCP_FIN_WAIT_1: /* with our FIN acknowledged it would be FIN_WAIT_2 by now */
        tcp_set_state(t, TCP_CLOSING, now);
        break;
    case TCP_FIN_WAIT_2:
        tcp_set_state(t, TCP_TIME_WAIT, now);
        break;
    default:
        assert(!"a FIN is taken once");
    }
}

/* ---- 3.10.7.4: all other states ---- */

/* Of a peer that has sent more than there is room for, and says everything from there on: its ACKs
 * count, as "special allowance should be made to accept valid ACKs" of a closed window, else both
 * ends repeat what the other has. Nothing further away, which is easier to guess. */
static bool is_ack_behind_window(const struct tcp *t, const struct tcp_segment *seg)
{
    return tcp_is_synchronized(t) && (seg->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK &&
           seq_le(t->rcv_edge, seg->seq) && seq_lt(seg->seq, t->rcv_edge + tcp_window_max(t));
}

static void input_other(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    bool has_syn = (seg->flags & TCP_SYN) != 0;
    uint32_t len = seg->payload_bytes + has_syn + ((seg->flags & TCP_FIN) != 0);
    uint32_t text = seg->seq;

    /* Figure 8: the SYN-ACK of a simultaneous open repeats the SYN in front of the window. */
    if (has_syn && (seg->flags & TCP_ACK) && t->state == TCP_SYN_RECEIVED && !t->is_passive &&
        seg->seq + 1 == t->rx.next) {
        has_syn = false;
        text++;
        t->due |= TCP_DUE_ACK;
    } else if (!paws_accepts(t, seg, now)) {
        return;
    } else if (!seq_acceptable(t, seg, len)) {
        if (!is_ack_behind_window(t, seg) || input_ack(t, seg, now))
            refuse_seq(t, seg, len, now);
        return;
    }
    /* RFC 7323 4.3: the timestamp of the segment that the last ACK is about. */
    if (seq_le(text, t->last_ack_sent))
        take_ts(t, seg, now);

    /* Second, the RST bit (RFC 5961 section 3). */
    if (seg->flags & TCP_RST) {
        if (seg->seq == tcp_rcv_nxt(t))
            tcp_end_with(t, t->state == TCP_TIME_WAIT ? TCP_END_CLOSED : TCP_END_RESET);
        else
            challenge(t, now);
        return;
    }
    /* Fourth, the SYN bit (RFC 5961 section 4). */
    if (has_syn) {
        if (t->state == TCP_SYN_RECEIVED && t->is_passive)
            tcp_end_with(t, TCP_END_RESET); /* back to LISTEN, which is the owner's */
        else
            challenge(t, now);
        return;
    }
    /* Fifth, the ACK. */
    if (!(seg->flags & TCP_ACK) || !input_ack(t, seg, now))
        return;
    t->received_at = now;
    /* Seventh and eighth. */
    take_text(t, text, seg, now);
    take_fin(t, now);
}

void tcp_input(struct tcp *t, const struct tcp_segment *seg, uint64_t now)
{
    if (t->state == TCP_CLOSED)
        return;
    if (t->state == TCP_SYN_SENT)
        input_syn_sent(t, seg, now);
    else
        input_other(t, seg, now);
}
