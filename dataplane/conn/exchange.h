/* exchange.h
 *
 * The HTTP/1.1 server side of one connection: one request at a time, its call, its answer.
 * Pipelined requests wait in the stream, as body does that the call has no room for: only a head
 * that is not whole yet is taken in. Bodies flow through in both directions under credit: nothing
 * holds a whole body.
 *
 *            awaits                                           deadline
 *   HEAD     a request head                                   idle, or head once a byte came
 *   START    room to answer, before the job may start
 *   RUN      the response head; request body flows            stall
 *   RESPOND  the rest of the answer                           stall
 *   DISCARD  the rest of the request body: answered early,    stall
 *            without having said close, so that the
 *            connection can be kept
 *
 * A client that closes its half behind a whole request is answered; the script's signal aborts.
 *
 * A client that is to give body, or to take what was sent, must keep a pace (pace.h, min_rate):
 * else 408, or the end.
 *
 * What the client is told and the connection has no room for waits in `out`, in order: the head, as
 * text, and payload behind it. While a call runs, `out` has chunks of its own (memory.h), and so
 * has the connection, both ways: it does not depend on other clients. START waits for these; after
 * a while the client is told 503.
 *
 * Thread: the core. Never allocates.
 *
 * Rejected: copying up to 64 KB of what a client sends ahead into chunks: they were of the rank
 * that takes all, and starved others. A closed half (FIN, close_notify) as leaving, as nginx and
 * node take it, or no abort before a reset: RFC 8446 6.1 and RFC 9112 allow to half-close, and
 * nothing but sent bytes tells the two apart, but a script that streams events must not go on for
 * nobody until it sends some. Go's net/http does as we do. An RST at once behind an answer that is
 * cut and that only the connection's end delimits: it overtook what was said before, in 2 of 400
 * seeds of sim_core up to 4.7 KB of it (conn_cut).
 */
#ifndef HEARTH_EXCHANGE_H
#define HEARTH_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/chunk.h"
#include "dataplane/base/pace.h"
#include "dataplane/call/call.h"
#include "dataplane/http/http1.h"

struct conn;
struct conn_app;

enum exchange_state {
    EXCHANGE_HEAD = 0,
    EXCHANGE_START,
    EXCHANGE_RUN,
    EXCHANGE_RESPOND,
    EXCHANGE_DISCARD,
};

struct exchange {
    struct conn *conn;
    struct byte_queue in;   /* a request head's first bytes, until it is whole */
    struct byte_queue head; /* the encoded request head: until the call starts */
    struct byte_queue out;  /* what waits for room: head_left bytes of a head, then payload */
    struct http1_body body; /* of the request */
    struct call_ref call;
    uint64_t request_id; /* 0: none yet */
    uint64_t script_hash;
    uint64_t started_ns;
    uint64_t response_left; /* LENGTH framing: bytes still to come */
    uint64_t body_bytes;    /* of the request, so far */
    uint32_t seen; /* bytes of a head that the parser looked at: `in`, and the stream's next */
    uint64_t head_waits_ns;   /* since when a head, or more of it, finds no chunks; 0: it does */
    uint32_t head_left;       /* of out: text of a head, or of a refusal */
    uint64_t stall_ns;        /* the state's deadline; c->deadline_ns is that, or a slow pace's */
    struct pace gives, takes; /* the client: request body, and the answer */
    uint32_t acked_seen;      /* tcp_acked_count */
    uint8_t state;            /* enum exchange_state */
    uint8_t minor;
    uint16_t status; /* of the answer */
    uint8_t framing; /* enum http1_framing */
    bool is_head, is_idempotent, keep_alive;
    bool has_body;  /* request body is not wholly decoded yet */
    bool is_ended;  /* the whole answer has arrived */
    bool is_broken; /* never to be whole: the connection ends behind what there is of it */
    bool is_traced;
    bool expects_continue;
    bool is_asked; /* for request body: all that was there is read, and there is room for more */
};

/* How a connection speaks HTTP/1.1; its state is a struct exchange, of which only `conn` is set. */
extern const struct conn_app exchange_app;

#endif
