/* tcp_loss.h
 *
 * The sender's scoreboard and clock: which outstanding bytes arrived, which are lost, what is in
 * the network (pipe), and how long to wait. RFC 6675 in terms of ranges:
 *
 *      una ... [sacked] ... lost_edge ..... [sacked] ... [sacked] ..... nxt
 *      holes here are lost ^           holes here are in the network
 *
 * Without SACK the same scoreboard holds no ranges: each duplicate ACK counts as one segment that
 * left the network, and only the first segment counts as lost (RFC 6582).
 */
#ifndef HEARTH_TCP_LOSS_H
#define HEARTH_TCP_LOSS_H

#include "dataplane/tcp/tcp.h"

void tcp_loss_init(struct tcp *, uint32_t iss);

/* The SACK blocks of an acceptable ACK. True: they told something new. */
bool tcp_loss_sacked(struct tcp *, const struct tcp_segment *);
/* snd_una moved to where it is from una_before. */
void tcp_loss_acked(struct tcp *, uint32_t una_before);
/* A duplicate ACK of a peer without SACK. */
void tcp_loss_duplicate(struct tcp *);
/* Judges the scoreboard; may enter recovery. */
void tcp_loss_detect(struct tcp *);
/* The retransmission timer expired: all in flight counts as lost. */
void tcp_loss_timed_out(struct tcp *);
/* All in flight must be sent again, through no fault of the network's load: the path's MTU fell. */
void tcp_loss_resend(struct tcp *);

/* Bytes in the network (RFC 6675 section 4). */
uint32_t tcp_loss_pipe(const struct tcp *);
/* The first lost bytes that were not sent again. */
bool tcp_loss_next(const struct tcp *, struct tcp_range *);
/* Rule 3 and 4 of NextSeg: bytes sent again on suspicion, when there is nothing better to send. */
bool tcp_loss_next_doubtful(const struct tcp *, struct tcp_range *, bool *is_rescue);

/* ---- the clock (RFC 6298) ---- */
void tcp_rtt_sample(struct tcp *, uint64_t rtt_us);
/* Something was acknowledged, and nothing measured: what the timeouts have doubled is the RTO until
 * something is (RFC 6298 5.7, Karn). */
void tcp_rto_keep(struct tcp *);
/* What to wait now, doubled by each timeout without progress. */
uint64_t tcp_rto_ns(const struct tcp *);

#endif
