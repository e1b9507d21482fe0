/* origin.h
 *
 * A connection to a server of the world: TCP by our own stack, and TLS over it.
 *
 *   CONNECT     awaits the server's SYN-ACK
 *   HANDSHAKE   awaits the end of the TLS handshake
 *   OPEN        its owner reads and writes
 *   CLOSING     nobody's any more; awaits the server's end, TIME_WAIT included
 *
 * It knows no HTTP: a request (fetch.h), the pool (pool.h) or a question to a DNS server
 * (resolver.h) owns it, and is told by a table of events. Where to, the owner has judged
 * (address.h); nothing else is asserted here.
 *
 * Bounded by EGRESS_CONNS_MAX of a core. When all are taken the oldest in TIME_WAIT goes, then the
 * oldest that is kept without a request. An event marks a connection dirty; egress_run does the
 * work once per iteration. A next hop that is not known yet is tried again each
 * ORIGIN_HOP_RETRY_MS, by as many as there can be connections (rejected: hop.h's waiting list,
 * whose waiters are clients' connections: here it is the gateway, which is known but for the first
 * second).
 *
 * Thread: the core.
 */
#ifndef HEARTH_EGRESS_ORIGIN_H
#define HEARTH_EGRESS_ORIGIN_H

#include "dataplane/base/age.h"
#include "dataplane/base/timer.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/tcp.h"

struct core;
struct egress_account;
struct origin;
struct tls_context;
struct tls_resumption;
struct tls_session;

enum { ORIGIN_HOP_RETRY_MS = 10, ORIGIN_CLOSING_MS = 5000 };

enum origin_state {
    ORIGIN_FREE = 0,
    ORIGIN_CONNECT,
    ORIGIN_HANDSHAKE,
    ORIGIN_OPEN,
    ORIGIN_CLOSING
};

enum origin_end {
    ORIGIN_END_CONNECT, /* refused, unreachable or silent */
    ORIGIN_END_TLS,     /* the handshake failed, or the session broke */
    ORIGIN_END_LOST,    /* reset or timed out when it was open */
};

/* To its owner. It must not open or free other connections' slots beneath a running event but by
 * the functions here. */
struct origin_events {
    /* TCP is there. It is OPEN, unless the owner calls origin_secure now. */
    void (*connected)(struct core *, uint32_t owner, struct origin *);
    /* OPEN: something came, or there is room. */
    void (*pump)(struct core *, uint32_t owner, struct origin *);
    /* It is over; no other event follows. */
    void (*ended)(struct core *, uint32_t owner, struct origin *, enum origin_end);
};

struct origin {
    const struct origin_events *events; /* NULL: nobody's */
    uint32_t owner, index;
    uint8_t state; /* enum origin_state */
    bool is_dirty;
    bool was_kept;      /* it has served a request before */
    bool is_read_ended; /* close_notify was read */
    bool is_broken;     /* TLS: the rest is not to be had */
    struct tcp tcp;
    struct flow_key key;
    struct tls_session *tls; /* NULL: plain */
    struct timer timer;
    uint64_t deadline_ns; /* CLOSING: given up then */
    uint64_t retry_ns;    /* the next hop was not known */
    struct origin *next_free, *next_dirty;
    struct age_link resting;        /* in TIME_WAIT, or kept (pool.h) */
    struct egress_account *account; /* pool.h: whose it is, */
    uint64_t server;                /* and whom it leads to */
    uint64_t kept_until_ns;
};

/* Connects. NULL: all are busy, no port is free, no chunks, or no address of ours is of that
 * family. */
struct origin *origin_open(struct core *, const uint8_t ip[16], uint16_t port,
                           const struct origin_events *, uint32_t owner);
/* In `connected`: TLS with the server of that name. False: no memory. */
bool origin_secure(struct core *, struct origin *, struct tls_context *, const char *name,
                   bool is_address, const struct tls_resumption *);
/* Another owner, of an OPEN one. */
void origin_give(struct origin *, const struct origin_events *, uint32_t owner);

/* Bytes in: *len > 0 and true, or none now. */
bool origin_read(struct core *, struct origin *, void *buf, size_t cap, size_t *len);
/* More is awaited, and nothing is to be said: the server hears at once that what came has come. */
void origin_await_more(struct origin *);
/* All that the server sent was read, and it said that this was all. */
bool origin_read_ended(const struct origin *);
/* The stream broke off: an end that is none. */
bool origin_is_cut(const struct origin *);
/* Bytes that origin_write takes now. */
size_t origin_write_room(const struct origin *);
/* False: it broke; `ended` follows. */
bool origin_write(struct core *, struct origin *, const void *bytes, size_t len);

/* To be run in this or the next iteration. */
void origin_mark(struct core *, struct origin *);
/* The owner lets go; in order, or at once by RST. No event follows. */
void origin_close(struct core *, struct origin *);
void origin_abort(struct core *, struct origin *);

/* ---- for egress.c ---- */

void origin_run(struct core *, struct origin *);
void origin_timeout(struct core *, struct origin *);
/* At the core's end. */
void origin_drop(struct core *, struct origin *);

#endif
