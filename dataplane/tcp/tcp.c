#include "dataplane/tcp/tcp.h"

#include <assert.h>
#include <string.h>

#include "dataplane/tcp/tcp_internal.h"

enum { RTO_INITIAL_US = 1000000 /* RFC 6298 2.1 */ };

/* ---- open ---- */

static void open_at(struct tcp *t, struct tcp_env *env, uint16_t local_port, uint16_t remote_port,
                    uint32_t iss, uint64_t now)
{
    /* Everything but the lists, whose counts say how much of them is valid. */
    memset(t, 0, offsetof(struct tcp, loss));
    t->env = env;
    t->local_port = local_port;
    t->remote_port = remote_port;
    t->received_at = t->sent_at = now;
    t->timer_at = now + RTO_INITIAL_US * 1000ull; /* even if the SYN cannot be sent */
    t->ack_at = UINT64_MAX;
    t->snd_una = t->snd_nxt = iss;
    t->tx_seq = iss + 1;
    t->mss = env->mss_max < TCP_MSS_DEFAULT ? env->mss_max : TCP_MSS_DEFAULT;
    t->rto_us = RTO_INITIAL_US;
    t->ts_offset = tcp_ts_offset(env);
    t->challenge_ms = (uint32_t)(now / TCP_MS_NS) - TCP_CHALLENGE_INTERVAL_MS;
    tcp_loss_init(t, iss);
    tcp_rx_init(&t->rx, 0);
    tcp_cc_init(&t->cc, env->cc, t->mss);
}

void tcp_adopt_options(struct tcp *t, const struct tcp_segment *syn, uint64_t now)
{
    uint16_t mss = syn->mss != 0 ? syn->mss : TCP_MSS_DEFAULT;

    if (mss < TCP_MSS_MIN)
        mss = TCP_MSS_MIN;
    t->mss = mss < t->env->mss_max ? mss : t->env->mss_max;
    t->has_sack = syn->has_sack_permitted;
    t->has_wscale = syn->wscale >= 0;
    t->snd_wscale = t->has_wscale ? (uint8_t)syn->wscale : 0;
    t->rcv_wscale = t->has_wscale ? TCP_RX_WSCALE : 0;
    t->has_ts = syn->has_ts;
    t->ts_recent = syn->ts_val;
    t->ts_recent_s = (uint32_t)(now / 1000000000);
    tcp_rx_init(&t->rx, syn->seq + 1);
    t->rcv_edge = t->last_ack_sent = t->rx.next;
    t->snd_wnd = t->snd_wnd_max = syn->window;
    t->snd_wl1 = syn->seq;
    t->snd_wl2 = syn->ack;
    tcp_cc_init(&t->cc, t->env->cc, t->mss);
}

void tcp_open_passive(struct tcp *t, struct tcp_env *env, uint16_t local_port, uint16_t remote_port,
                      const struct tcp_segment *syn, uint32_t iss, uint64_t now)
{
    open_at(t, env, local_port, remote_port, iss, now);
    tcp_adopt_options(t, syn, now);
    t->is_passive = true;
    t->state = TCP_SYN_RECEIVED;
    t->due = TCP_DUE_SYN;
}

void tcp_open_active(struct tcp *t, struct tcp_env *env, uint16_t local_port, uint16_t remote_port,
                     uint32_t iss, uint64_t now)
{
    open_at(t, env, local_port, remote_port, iss, now);
    t->state = TCP_SYN_SENT;
    t->due = TCP_DUE_SYN;
}

void tcp_established(struct tcp *t, uint64_t now)
{
    /* RFC 6298 5.7 and 6928 2: a handshake that had to be repeated tells of a slow or lossy path.
     */
    if (t->retries > 0 && t->srtt_us == 0)
        t->rto_us = 3 * RTO_INITIAL_US;
    if (t->retries > 1)
        t->cc.cwnd = t->mss;
    t->retries = t->backoff = 0;
    t->timer_at = UINT64_MAX;
    if (t->is_passive)
        t->env->counters->tcp_accepted++;
    tcp_set_state(t, t->fin_queued ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED, now);
}

/* ---- state ---- */

void tcp_set_state(struct tcp *t, enum tcp_state state, uint64_t now)
{
    /* Both sides have finished; the owner may give up what is left of TIME_WAIT. */
    t->env->counters->tcp_closed += state == TCP_TIME_WAIT && t->state != TCP_TIME_WAIT;
    t->state = state;
    if (state == TCP_TIME_WAIT) {
        byte_queue_clear(&t->tx, t->env->pool);
        t->timer_at = now + TCP_TIME_WAIT_MS * TCP_MS_NS;
    } else if (state == TCP_FIN_WAIT_2 && t->is_orphan) {
        t->timer_at = now + TCP_FIN_WAIT_2_MS * TCP_MS_NS;
    }
}

void tcp_end_with(struct tcp *t, enum tcp_end end)
{
    struct counters *c = t->env->counters;

    if (t->state == TCP_CLOSED)
        return;
    c->tcp_closed += end == TCP_END_CLOSED && t->state != TCP_TIME_WAIT;
    c->tcp_reset_in += end == TCP_END_RESET;
    c->tcp_timed_out += end == TCP_END_TIMEOUT;
    t->state = TCP_CLOSED;
    t->end = (uint8_t)end;
    t->due = 0;
    t->timer_at = t->ack_at = UINT64_MAX;
    byte_queue_clear(&t->tx, t->env->pool);
}

void tcp_end_with_reset(struct tcp *t)
{
    tcp_end_with(t, TCP_END_ABORTED);
    t->env->counters->tcp_reset_out++;
    t->reset_seq = t->snd_nxt;
    t->reset_has_ack = true;
    t->due = TCP_DUE_RST;
}

enum tcp_state tcp_state(const struct tcp *t)
{
    return t->state;
}

enum tcp_end tcp_end(const struct tcp *t)
{
    return t->end;
}

bool tcp_is_done(const struct tcp *t)
{
    return t->state == TCP_CLOSED && t->due == 0;
}

void tcp_fini(struct tcp *t)
{
    byte_queue_fini(&t->tx, t->env->pool);
    tcp_rx_fini(&t->rx, t->env->pool);
    t->state = TCP_CLOSED;
    t->due = 0;
}

bool tcp_reserve(struct tcp *t, uint32_t rx_chunks, uint32_t tx_chunks, enum chunk_rank rank)
{
    struct chunk_pool *pool = t->env->pool;
    uint32_t rx_was = t->rx.account.floor;

    if (!chunk_reserve(pool, &t->rx.account, rx_chunks, rank))
        return false;
    if (chunk_reserve(pool, &t->tx.account, tx_chunks, rank))
        return true;
    chunk_reserve(pool, &t->rx.account, rx_was, CHUNK_MUST);
    return false;
}

bool tcp_may_reuse(const struct tcp *t, const struct tcp_segment *syn)
{
    if (t->state != TCP_TIME_WAIT || (syn->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return false;
    if (t->has_ts && syn->has_ts && syn->ts_val != t->ts_recent)
        return seq_lt(t->ts_recent, syn->ts_val);
    return seq_lt(tcp_rcv_nxt(t), syn->seq);
}

/* ---- close ---- */

void tcp_finish(struct tcp *t)
{
    if (t->fin_queued || t->is_cut || t->state == TCP_CLOSED)
        return;
    t->fin_queued = true;
    if (t->state == TCP_ESTABLISHED)
        tcp_set_state(t, TCP_FIN_WAIT_1, 0);
    else if (t->state == TCP_CLOSE_WAIT)
        tcp_set_state(t, TCP_LAST_ACK, 0);
    /* While the SYN is not acknowledged the FIN waits: tcp_established. */
}

void tcp_close(struct tcp *t, uint64_t now)
{
    if (t->state == TCP_CLOSED || t->is_orphan)
        return;
    if (t->state == TCP_SYN_SENT) {
        tcp_end_with(t, TCP_END_ABORTED);
        return;
    }
    if (t->rx.start != t->rx.next) {
        tcp_end_with_reset(t);
        return;
    }
    t->is_orphan = true;
    tcp_finish(t);
    if (t->state == TCP_FIN_WAIT_2)
        tcp_set_state(t, TCP_FIN_WAIT_2, now);
}

void tcp_abort(struct tcp *t)
{
    /* RFC 9293 3.10.5: nothing is owed to a peer that never answered or that has finished too. */
    switch (t->state) {
    case TCP_CLOSED:
        return;
    case TCP_SYN_SENT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        tcp_end_with(t, TCP_END_ABORTED);
        return;
    default:
        tcp_end_with_reset(t);
    }
}

void tcp_cut(struct tcp *t)
{
    if (t->tx.bytes == 0 || t->fin_queued || !tcp_is_synchronized(t))
        tcp_abort(t);
    else
        t->is_cut = true; /* the rest is the last ACK's */
}

/* ---- the stream ---- */

size_t tcp_readable(const struct tcp *t)
{
    return t->rx.next - t->rx.start;
}

const uint8_t *tcp_peek(struct tcp *t, uint32_t offset, size_t *len)
{
    return tcp_rx_peek(&t->rx, offset, len);
}

uint32_t tcp_rcv_edge_free(const struct tcp *t, uint32_t limit)
{
    uint32_t edge = t->rx.start + limit, room = tcp_rx_room(&t->rx, t->env->pool);

    return seq_lt(t->rx.next + room, edge) ? t->rx.next + room : edge;
}

/* The peer need not hear of every byte of room (RFC 9293 3.8.6.2.2). */
static void tell_of_room(struct tcp *t, int32_t enough)
{
    int32_t opened = (int32_t)(tcp_rcv_edge_free(t, tcp_window_max(t)) - t->rcv_edge);

    if (opened >= enough && !t->fin_received && tcp_is_synchronized(t))
        t->due |= TCP_DUE_ACK;
}

void tcp_consume(struct tcp *t, uint32_t bytes)
{
    tcp_rx_consume(&t->rx, t->env->pool, bytes);
    tell_of_room(t, 2 * t->mss < TCP_RX_WINDOW_BYTES / 2 ? 2 * t->mss : TCP_RX_WINDOW_BYTES / 2);
}

bool tcp_is_starved(const struct tcp *t)
{
    return (t->is_tight || t->is_refusing) && !t->fin_received && tcp_is_synchronized(t);
}

bool tcp_is_refusing(const struct tcp *t)
{
    return t->is_refusing;
}

void tcp_feed(struct tcp *t)
{
    if (t->is_tight)
        tell_of_room(t, (int32_t)tcp_window_step(t));
}

bool tcp_peer_finished(const struct tcp *t)
{
    return t->fin_received;
}

/* The first bytes are worth more than more of what is on its way already. */
static size_t memory_for(const struct tcp *t)
{
    const struct chunk_pool *pool = t->env->pool;
    size_t memory = byte_queue_room(&t->tx, pool, CHUNK_WAITS);

    if (t->tx.account.held >= CHUNK_FIRST)
        return memory;

    size_t first = byte_queue_room(&t->tx, pool, CHUNK_MUST);
    size_t most = (size_t)(CHUNK_FIRST - t->tx.account.held) * CHUNK_ROOM;

    if (first > most)
        first = most;
    return first > memory ? first : memory;
}

size_t tcp_writable(const struct tcp *t)
{
    if (t->state == TCP_CLOSED || t->fin_queued || t->is_cut || t->tx.bytes >= TCP_TX_BUFFER_BYTES)
        return 0;

    size_t room = TCP_TX_BUFFER_BYTES - t->tx.bytes;
    size_t memory = memory_for(t);

    return room < memory ? room : memory;
}

size_t tcp_write(struct tcp *t, const void *bytes, size_t len)
{
    size_t room = tcp_writable(t);

    return byte_queue_append(&t->tx, t->env->pool, bytes, len < room ? len : room);
}

size_t tcp_unacked(const struct tcp *t)
{
    return t->tx.bytes;
}

uint32_t tcp_acked_count(const struct tcp *t)
{
    return t->snd_una;
}

void tcp_path_mtu(struct tcp *t, uint32_t seq, uint16_t mss)
{
    if (!seq_le(t->snd_una, seq) || !seq_lt(seq, t->snd_nxt))
        return; /* forged, or too late to matter */
    if (mss < TCP_PATH_MSS_MIN)
        mss = TCP_PATH_MSS_MIN;
    if (mss >= t->mss)
        return;
    t->mss = mss;
    if (tcp_is_synchronized(t) && t->snd_una != t->snd_nxt)
        tcp_loss_resend(t);
}
