/* What a connection does because time has passed: retransmission (RFC 6298), the persist timer
 * (RFC 9293 3.8.6.1), keep-alive, and the ends of states. */
#include "dataplane/base/least.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_internal.h"

static bool may_have_data(const struct tcp *t)
{
    return tcp_is_synchronized(t) && t->state != TCP_TIME_WAIT;
}

/* Something waits to be sent, nothing is in flight: only the peer's window can hold it back (RFC
 * 9293 3.8.6.1). Both quiet deadlines are derived rather than set, because any segment moves them.
 */
static uint64_t persist_at(const struct tcp *t)
{
    if (!may_have_data(t) || t->snd_una != t->snd_nxt || tcp_tx_end(t) == t->snd_nxt)
        return UINT64_MAX;
    if ((t->due & TCP_DUE_PROBE) || tcp_may_send_new(t))
        return UINT64_MAX;
    uint64_t wait = tcp_rto_ns(t);

    /* What fits a small window is held back for so long at most (RFC 9293 3.8.6.2.1). */
    if (t->snd_wnd > 0 && wait > TCP_OVERRIDE_MS * TCP_MS_NS)
        wait = TCP_OVERRIDE_MS * TCP_MS_NS;
    return (t->sent_at > t->received_at ? t->sent_at : t->received_at) + wait;
}

static uint64_t keepalive_at(const struct tcp *t)
{
    if (!may_have_data(t) || tcp_tx_end(t) != t->snd_una || (t->due & TCP_DUE_PROBE))
        return UINT64_MAX;
    if (t->retries == 0)
        return t->received_at + TCP_KEEPALIVE_S * 1000 * TCP_MS_NS;
    return t->sent_at + TCP_KEEPALIVE_INTERVAL_S * 1000 * TCP_MS_NS;
}

uint64_t tcp_deadline(const struct tcp *t)
{
    return min_u64(min_u64(t->timer_at, t->ack_at), min_u64(persist_at(t), keepalive_at(t)));
}

/* Counts a timeout. False: it was the last one. */
static bool may_retry(struct tcp *t, uint32_t limit)
{
    if (t->retries >= limit) {
        tcp_end_with(t, TCP_END_TIMEOUT);
        return false;
    }
    t->retries++;
    t->backoff += t->backoff < UINT8_MAX;
    return true;
}

static void retransmission_timeout(struct tcp *t, uint64_t now)
{
    bool is_handshake = !tcp_is_synchronized(t);

    t->timer_at = UINT64_MAX;
    t->timed_out_at = now;
    t->env->counters->tcp_rto++;
    if (!is_handshake)
        tcp_loss_timed_out(t);
    if (!may_retry(t, is_handshake ? TCP_SYN_RETRIES : TCP_DATA_RETRIES))
        return;
    if (is_handshake) {
        t->due |= TCP_DUE_SYN;
        t->is_timed = false;
    }
    t->timer_at = now + tcp_rto_ns(t);
}

static void timer_expired(struct tcp *t, uint64_t now)
{
    if (t->state == TCP_TIME_WAIT)
        tcp_end_with(t, TCP_END_CLOSED);
    else if (t->state == TCP_FIN_WAIT_2)
        tcp_end_with(t, TCP_END_TIMEOUT);
    else
        retransmission_timeout(t, now);
}

static void persist_expired(struct tcp *t)
{
    /* A peer may close its window for as long as it answers, but not to a connection without an
     * owner. */
    if (t->is_orphan && t->backoff >= TCP_DATA_RETRIES) {
        tcp_end_with_reset(t);
        return;
    }
    if (may_retry(t, TCP_DATA_RETRIES))
        t->due |= t->snd_wnd > 0 ? TCP_DUE_PUSH : TCP_DUE_PROBE;
}

static void keepalive_expired(struct tcp *t)
{
    if (may_retry(t, TCP_KEEPALIVE_PROBES))
        t->due |= TCP_DUE_PROBE;
}

void tcp_ack_now(struct tcp *t)
{
    if (t->ack_at == UINT64_MAX)
        return;
    t->ack_at = UINT64_MAX;
    t->due |= TCP_DUE_ACK;
}

void tcp_timeout(struct tcp *t, uint64_t now)
{
    if (t->ack_at <= now) {
        t->ack_at = UINT64_MAX;
        t->due |= TCP_DUE_ACK;
    }
    if (t->timer_at <= now)
        timer_expired(t, now);
    if (persist_at(t) <= now)
        persist_expired(t);
    if (keepalive_at(t) <= now)
        keepalive_expired(t);
}
