/* tcp.h
 *
 * One TCP connection, sans-I/O: segments and time in, segments and the next deadline out. The owner
 * (conn.h) has the addresses, the flow table entry and the timer.
 *
 *      tcp_input(segment, now) --> [ rcv: reassembly -> in-order bytes ] --> tcp_peek / tcp_consume
 *      tcp_output(buf, now)    <-- [ snd: retained until acknowledged  ] <-- tcp_write / tcp_finish
 *      tcp_deadline()          --> when to call tcp_timeout(now)
 *
 * After each of tcp_input, tcp_write, tcp_finish, tcp_close, tcp_abort, tcp_consume and tcp_timeout
 * the owner calls tcp_output (or tcp_output_large) until it returns 0 (or tcp_wants_output says
 * so), then reads tcp_deadline.
 *
 * Memory: struct tcp itself plus chunks of the core's pool: received bytes at most
 * TCP_RX_WINDOW_BYTES (the advertised window is the free space, or what there are chunks for, and
 * never taken back), to send at most TCP_TX_BUFFER_BYTES. Both take shared chunks of the rank
 * `waits` (chunk.h) beside the floors that tcp_reserve gives them.
 *
 * Counters: all of COUNTERS_TCP are counted here, the owner counts none of them.
 *
 * Units: bytes, nanoseconds; sequence numbers host order. Single thread.
 *
 * Sources: RFC 9293; 7323 (window scale, timestamps, PAWS); 2018, 2883, 6675 (SACK); 6298 (RTO);
 * 5681, 6582 (NewReno); 6928 (initial window); 9438 (CUBIC); 5961 (challenge ACK); 6191 (TIME_WAIT
 * reuse); 1122 4.2 (delayed ACK, silly windows).
 *
 * Not here: ECN is not negotiated, urgent data is plain data, Nagle is off (owners write in large
 * pieces).
 *
 * The files: tcp.c (open, close, the stream), tcp_timer.c, tcp_in.c, tcp_out.c; tcp_rx
 * (reassembly), tcp_loss (scoreboard, RTO), tcp_cc (congestion control), tcp_segment.c (header and
 * options), tcp_cookie.c (SYN cookies, initial sequence numbers).
 */
#ifndef HEARTH_TCP_H
#define HEARTH_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/chunk.h"
#include "dataplane/base/counters.h"
#include "dataplane/base/limits.h"

enum tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

enum { TCP_HEADER_BYTES = 20, TCP_HEADER_BYTES_MAX = 60, TCP_SACK_BLOCKS_MAX = 4 };

/* A received segment: host order, views into the frame. */
struct tcp_segment {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t window; /* not scaled */
    uint8_t flags;
    uint8_t ecn; /* of the IP header */
    /* options */
    bool has_ts, has_sack_permitted;
    int8_t wscale; /* -1: none */
    uint8_t sack_count;
    uint16_t mss; /* 0: none */
    uint32_t ts_val, ts_ecr;
    struct {
        uint32_t start, end;
    } sack[TCP_SACK_BLOCKS_MAX];
    const uint8_t *payload;
    uint32_t payload_bytes;
};

/* False: header or options malformed. */
bool tcp_segment_parse(struct tcp_segment *, const uint8_t *l4, size_t bytes);

enum tcp_state { /* named as in RFC 9293 3.3.2 */
                 TCP_CLOSED = 0,
                 TCP_SYN_SENT,
                 TCP_SYN_RECEIVED,
                 TCP_ESTABLISHED,
                 TCP_FIN_WAIT_1,
                 TCP_FIN_WAIT_2,
                 TCP_CLOSE_WAIT,
                 TCP_CLOSING,
                 TCP_LAST_ACK,
                 TCP_TIME_WAIT,
};

enum tcp_end { /* why a connection is TCP_CLOSED */
               TCP_END_NONE = 0,
               TCP_END_CLOSED,  /* both sides finished */
               TCP_END_RESET,   /* by the peer */
               TCP_END_ABORTED, /* by us */
               TCP_END_TIMEOUT,
};

/* What all connections of a core share. */
struct tcp_env {
    struct chunk_pool *pool;
    struct counters *counters;
    uint16_t mss_max;       /* largest payload + options that the path's MTU allows */
    uint16_t mss_spare;     /* so much less is the peer told: its way here may be narrower */
    uint8_t cc;             /* enum tcp_cc_kind; 0: CUBIC */
    uint8_t cookie_key[16]; /* for SYN cookies, initial sequence numbers (RFC 6528) and the offset
                               of timestamps */
    bool cookies_last;      /* bench mode: a cookie does not grow old, so that it can be replayed */
};

struct tcp; /* complete below */

#include "dataplane/tcp/tcp_state.h"

/* Answers a SYN that the listener accepted: SYN_RECEIVED, a SYN-ACK is due. iss: tcp_isn(). The
 * memory may hold anything. */
void tcp_open_passive(struct tcp *, struct tcp_env *, uint16_t local_port, uint16_t remote_port,
                      const struct tcp_segment *syn, uint32_t iss, uint64_t now_ns);
/* Connects: SYN_SENT, a SYN is due. */
void tcp_open_active(struct tcp *, struct tcp_env *, uint16_t local_port, uint16_t remote_port,
                     uint32_t iss, uint64_t now_ns);
/* Initial sequence number (RFC 6528): a keyed hash of the 4-tuple plus a clock. */
uint32_t tcp_isn(const struct tcp_env *, const uint8_t local[16], const uint8_t remote[16],
                 uint16_t local_port, uint16_t remote_port, uint64_t now_ns);

/* Takes one segment of this connection; payload is copied. State changes show in the queries below.
 */
void tcp_input(struct tcp *, const struct tcp_segment *, uint64_t now_ns);

/* Writes the next segment that may be sent now (TCP header, options, payload; checksum zero) to
 * buf; returns its bytes, 0: nothing to send. cap: the room in one packet. */
size_t tcp_output(struct tcp *, uint8_t *buf, size_t cap, uint64_t now_ns);
/* True if tcp_output would return a segment: so that no packet is started in vain. */
bool tcp_wants_output(const struct tcp *, uint64_t now_ns);

/* The same for who cuts segments later (drivers/gso.h): how many may go now, one behind the other.
 * More than one are new data, with no loss to be repaired. */
uint32_t tcp_segments_due(const struct tcp *, uint64_t now_ns);
/* Writes as many of them as cap, the room in a large packet, holds, behind one header: *gso_size is
 * the payload of each but the last; 0: it is one segment, as tcp_output writes it. */
size_t tcp_output_large(struct tcp *, uint8_t *buf, size_t cap, uint16_t *gso_size,
                        uint64_t now_ns);

uint64_t tcp_deadline(const struct tcp *); /* UINT64_MAX: none */
void tcp_timeout(struct tcp *, uint64_t now_ns);

/* ---- the stream ---- */
size_t tcp_readable(const struct tcp *); /* in-order bytes not consumed */
const uint8_t *tcp_peek(struct tcp *, uint32_t offset,
                        size_t *len); /* contiguous view at offset; *len 0: no more */
void tcp_consume(struct tcp *, uint32_t bytes);
/* Want of chunks keeps the window shut, or made it refuse text: tcp_feed is to be called when
 * others have given some back, from time to time. */
bool tcp_is_starved(const struct tcp *);
/* The peer's text in order was not taken for want of chunks: it has more to say. */
bool tcp_is_refusing(const struct tcp *);
/* Tells the peer of a window that chunks have opened since, before it would ask. */
void tcp_feed(struct tcp *);
/* An ACK that waits for company goes now: a client whose answer is not whole may have a server
 * that waits for it with the rest (Nagle's algorithm against RFC 1122 4.2.3.2). */
void tcp_ack_now(struct tcp *);
bool tcp_peer_finished(const struct tcp *); /* FIN received and all bytes before it are in order */

size_t tcp_writable(const struct tcp *);                       /* room */
size_t tcp_write(struct tcp *, const void *bytes, size_t len); /* copies; returns how many */
size_t tcp_unacked(const struct tcp *);                        /* bytes queued or in flight */
/* A count of bytes that the peer has acknowledged, which wraps: for differences. */
uint32_t tcp_acked_count(const struct tcp *);
/* Floors (chunk.h) for what is received and for what is to be sent; 0 and 0: none. False: there are
 * no chunks for higher ones, nothing changed. */
bool tcp_reserve(struct tcp *, uint32_t rx_chunks, uint32_t tx_chunks, enum chunk_rank);
/* FIN after what is queued; the peer may go on sending (a half-close). */
void tcp_finish(struct tcp *);
/* tcp_finish by an owner who will not read any more: bytes that were not consumed, or that come
 * later, are answered with RST (RFC 9293 3.6.1), and the peer's FIN is awaited for at most
 * TCP_FIN_WAIT_2_MS. */
void tcp_close(struct tcp *, uint64_t now_ns);
/* RST is due; then CLOSED. */
void tcp_abort(struct tcp *);
/* The same, once the peer has acknowledged all that was written before: an end that a FIN would
 * make look like a whole. The owner says how long that may take, and aborts then. */
void tcp_cut(struct tcp *);

enum tcp_state tcp_state(const struct tcp *);
enum tcp_end tcp_end(const struct tcp *);
/* In TIME_WAIT: a new connection may take over the addresses (RFC 6191, 9293 3.6.1). The owner then
 * calls tcp_fini and tcp_open_passive. False: the SYN goes to tcp_input like any segment. */
bool tcp_may_reuse(const struct tcp *, const struct tcp_segment *syn);
/* Nothing is left to do: no segment due, state CLOSED. The owner then calls tcp_fini. (TIME_WAIT is
 * not done: the owner keeps it until its deadline, or gives it up when it needs the memory.) */
bool tcp_is_done(const struct tcp *);
void tcp_fini(struct tcp *); /* gives all chunks back; any state */

/* After packet-too-big about a segment of that sequence number, which must be in flight (RFC 5927
 * 7.2): RFC 8201, 1191; only ever lowers. */
void tcp_path_mtu(struct tcp *, uint32_t seq, uint16_t mss);

/* ---- segments of no connection ---- */

/* The RST that answers a segment nobody has (RFC 9293 3.10.7.1): bytes written, 0: it must not be
 * answered. */
size_t tcp_reset_for(const struct tcp_segment *, uint8_t *buf, size_t cap);

/* SYN cookies (RFC 4987; timestamps carry wscale, SACK and ECN): the SYN-ACK, stateless. */
size_t tcp_cookie_syn_ack(const struct tcp_env *, const uint8_t local[16], const uint8_t remote[16],
                          const struct tcp_segment *syn, uint8_t *buf, size_t cap, uint64_t now_ns);
/* True: the ACK carries a valid cookie and *tcp is ESTABLISHED with its options; the ACK's payload,
 * window and FIN are still to be given to tcp_input. False: *tcp is untouched (counted). */
bool tcp_cookie_open(struct tcp *, struct tcp_env *, const uint8_t local[16],
                     const uint8_t remote[16], const struct tcp_segment *ack, uint64_t now_ns);
/* Half-open, and the ACK is of another SYN-ACK than ours: one with a cookie, perhaps. */
bool tcp_is_unknown_ack(const struct tcp *, const struct tcp_segment *);
/* What tcp_cookie_open did not take, text or an ACK behind it, may have overtaken, or outlived, the
 * ACK and the text that begin such a connection. The cookie cannot be checked: only what comes
 * right behind the SYN tells its sequence number. An RST would end the connection, silence lets the
 * first text come again. */
bool tcp_cookie_may_follow(const struct tcp_env *, const struct tcp_segment *, uint64_t now_ns);

#endif
