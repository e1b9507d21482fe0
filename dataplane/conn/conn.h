/* conn.h
 *
 * One client connection: TCP and its timer, the guard of its handshake, TLS, and the HTTP exchange
 * on top.
 *
 *            segment                      plaintext
 *   core ---> [ tcp ] ---> hello? -> [ tls ] ---> [ exchange ] ---> runtime
 *        <---                                <---              <---
 *
 *   HELLO      awaits the ClientHello (TLS port only); nothing is consumed yet
 *   HANDSHAKE  awaits the end of the TLS handshake, which goes on by turns (handshakes.h)
 *   OPEN       awaits what the application says: requests and answers (exchange.h)
 *   CLOSING    all is said; awaits the peer's end as long as it takes what is still on its way,
 *              discards what it still sends
 *
 * A full table locks nobody out: a new connection takes the place of one at rest (conn_rest.c),
 * first of a source that holds more than its share (source.h).
 *
 * Events mark a connection dirty; conn_run does the work once per iteration. Connections live in a
 * fixed array; an index is their name. Thread: the core.
 */
#ifndef HEARTH_CONN_H
#define HEARTH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/age.h"
#include "dataplane/base/timer.h"
#include "dataplane/net/net.h"
#include "dataplane/net/source.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/guard.h"

struct core;
struct tls_session;

enum conn_state { CONN_FREE = 0, CONN_HELLO, CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING };

/* What is spoken over open connections. Its state for each of them is a struct of its own,
 * which the core sets aside beside the connection. HTTP/1.1: exchange.h. */
struct conn_app {
    void (*init)(void *state);  /* of a new connection */
    void (*start)(void *state); /* it is open: its deadline is the application's from here on */
    void (*pump)(void *state);  /* moves everything that can move */
    void (*timeout)(void *state);
    void (*fini)(void *state); /* it is going: memory is given back; nothing the second time */
    bool (*is_fresh)(const void *state);   /* nothing was asked yet */
    bool (*is_idle)(const void *state);    /* nothing is under way: it may be closed */
    uint32_t (*chunks)(const void *state); /* that it holds */
};

struct conn {
    struct core *core;
    const struct conn_app *app;
    void *app_state;
    struct tcp tcp;
    struct timer timer;
    struct age_link hop_wait;  /* for its next hop, with something to say (hop.h) */
    struct age_link starving;  /* in the core's queue for what others must give back */
    struct age_link turn_wait; /* for a turn of its handshake (handshakes.h) */
    struct age_link rest;      /* in the core's list of `resting` */
    struct source *source[SOURCE_LEVELS];
    struct age_link source_rest[SOURCE_LEVELS]; /* in the lists of its sources */
    struct flow_key key;
    struct conn *next_free;
    struct conn *next_dirty;
    struct tls_session *tls; /* NULL: plain */
    uint64_t deadline_ns;    /* the state's own; UINT64_MAX: none */
    uint32_t index;
    uint32_t chunks; /* that its sources are charged with */
    uint8_t state;   /* enum conn_state; written by set_state only */
    uint8_t resting; /* enum conn_rest (core_state.h); written by conn_rest.c only */
    bool is_dirty;
    bool is_tls;
    bool is_read_ended;   /* close_notify was read */
    bool is_turn_charged; /* as one that waits for its first turn */
    bool is_half_open;    /* counted in the core's half-open connections */
    bool is_starved;      /* conn_retry */
    bool has_turn;        /* of its handshake, now */
    uint64_t syn_ns, hello_ns,
        handshake_ns;     /* for the trace of its first request; syn_ns 0: told */
    uint64_t script_hash; /* that the hello asked for; 0: none */
    uint16_t warmed_at;   /* and where a cell was asked for */
    uint32_t unsaid; /* CLOSING: bytes that the peer had not acknowledged when last looked at */
    struct guard guard;
};

/* A TCP packet on its way to its connection: of a burst, all are expected before the first one is
 * taken, so that their flows come from memory side by side. */
struct conn_arrival {
    struct net_packet packet;
    struct flow_key key;
    uint32_t hash;
};

/* Fills in what depends on the packet. */
void conn_expect(const struct core *, struct conn_arrival *);
/* Takes the packet: to its connection, to the listener, or refused. Counts its disposition. */
void conn_packet(struct core *, const struct conn_arrival *);

/* A router says that our packets are too big; believed only about a segment in flight. */
void conn_path_mtu(struct core *, const struct net_pmtu *);

/* Work on a dirty connection: pump the layers, send what is due, arm the timer, free it when done.
 */
void conn_run(struct conn *);
void conn_timeout(struct conn *);
/* Handshakes that have their turn in this iteration. Returns how many. */
uint32_t conns_run_handshakes(struct core *);
/* The scripts of the hellos of this run get their cells. */
void conns_warm_scripts(struct core *);
/* Those that waited for a next hop, and now know what became of it. Returns how many. */
uint32_t conns_run_hops(struct core *);
/* The turn of some that wait for what others must give back, and when the next one is. */
uint32_t conns_run_starving(struct core *);
uint64_t conns_starving_next_ns(const struct core *);
/* At the core's end: resets the peer and frees. */
void conn_drop(struct conn *);
void conn_mark(struct conn *);

/* ---- for the application ---- */

/* The connection's own story, into the trace of its first request, if that is recorded. */
void conn_trace(struct conn *, uint64_t request_id);

/* Plaintext in: *len > 0 and true, or false when there is none now. */
bool conn_read(struct conn *, void *buf, size_t cap, size_t *len);
/* Copies up to cap bytes of it out, and leaves them where they are; of TLS at most the rest of one
 * record. Returns how many. */
size_t conn_peek(struct conn *, void *buf, size_t cap);
/* Drops the first bytes of what conn_peek has just shown. */
void conn_skip(struct conn *, size_t bytes);
/* Bytes that are here and not read: payload, and what TLS has around it. */
size_t conn_pending(const struct conn *);
/* The peer will send no more, and all it sent was read. */
bool conn_read_ended(const struct conn *);
/* The same, of what is next in the stream: what lies before it, a request that was sent ahead,
 * hides it. Reads nothing; may close the connection, if TLS is broken there. */
bool conn_sees_end(struct conn *);
/* Plaintext that conn_write is sure to take now. */
size_t conn_write_room(const struct conn *);
/* False: the connection was given up (out of stream memory). */
bool conn_write(struct conn *, const void *bytes, size_t len);
/* Chunks that this connection keeps from others: what it holds, and its floors (memory.h). */
uint32_t conn_chunks(const struct conn *);
/* Ends the connection after what is written. truncated: the answer is cut short, so say no
 * close_notify. */
void conn_close(struct conn *, bool truncated);
/* The same with an RST at the end, where a FIN would say that this was all. Nothing that is written
 * is lost to it, but to a client that does not take it (CLOSING). Plain connections only. */
void conn_cut(struct conn *);
/* At once, whatever is on its way. */
void conn_abort(struct conn *);
/* Aborts for want of memory; counted so unless the peer has just reset it anyway. */
void conn_give_up(struct conn *);
void conn_set_deadline(struct conn *, uint64_t deadline_ns);
/* What is waited for is the core's or the cell's to give (chunks, ring slots), and no event will
 * tell when it is there: it runs again soon, in turn with the others. */
void conn_retry(struct conn *);

#endif
