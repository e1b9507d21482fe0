/* tcp_internal.h
 *
 * What tcp.c, tcp_timer.c, tcp_in.c and tcp_out.c share; nobody else includes it.
 */
#ifndef HEARTH_TCP_INTERNAL_H
#define HEARTH_TCP_INTERNAL_H

#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_loss.h"
#include "dataplane/tcp/tcp_seq.h"
#include "dataplane/tcp/tcp_wire.h"

#define TCP_MS_NS 1000000ull

static inline uint32_t tcp_rcv_nxt(const struct tcp *t)
{
    return t->rx.next + t->fin_received;
}

/* After the last byte queued, and after the FIN behind it. */
static inline uint32_t tcp_data_end(const struct tcp *t)
{
    return t->tx_seq + t->tx.bytes;
}

static inline uint32_t tcp_tx_end(const struct tcp *t)
{
    return tcp_data_end(t) + t->fin_queued;
}

static inline bool tcp_is_synchronized(const struct tcp *t)
{
    return t->state >= TCP_ESTABLISHED;
}

/* The right edge of the window that free space and free chunks allow; at most `limit` bytes. */
uint32_t tcp_rcv_edge_free(const struct tcp *, uint32_t limit);
/* The largest window that the peer can be shown. */
static inline uint32_t tcp_window_max(const struct tcp *t)
{
    uint32_t limit = 65535u << t->rcv_wscale;

    return limit < TCP_RX_WINDOW_BYTES ? limit : TCP_RX_WINDOW_BYTES;
}

/* The window opens by so much or more (RFC 9293 3.8.6.2.2): where few chunks are left that is less
 * than a large segment. */
static inline uint32_t tcp_window_step(const struct tcp *t)
{
    return t->mss < CHUNK_ROOM / 2 ? t->mss : CHUNK_ROOM / 2;
}

/* New data, a FIN, or a part of them may be sent now. */
bool tcp_may_send_new(const struct tcp *);

void tcp_set_state(struct tcp *, enum tcp_state, uint64_t now_ns);
/* CLOSED, with what is owed to the peer forgotten. */
void tcp_end_with(struct tcp *, enum tcp_end);
/* CLOSED, with an RST at this sequence number to tell the peer. */
void tcp_end_with_reset(struct tcp *);

/* Options of a SYN or SYN-ACK that both sides now hold to. */
void tcp_adopt_options(struct tcp *, const struct tcp_segment *syn, uint64_t now_ns);
/* The handshake is over. */
void tcp_established(struct tcp *, uint64_t now_ns);

#endif
