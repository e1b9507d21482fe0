/* conn_parts.h
 *
 * What the files of a connection share, and nobody else includes: conn.c (states, the stream under
 * the exchange, the run), conn_life.c (birth, death), conn_rest.c (who gives way), conn_packet.c
 * (TCP packets, the listener), conn_hello.c (server name and handshake).
 *
 *   packet --> conn_packet.c --> conn_new --> conn.c: conn_run --> conn_hello.c --> exchange
 *                                                |
 *                                                +--> conn_settle, conn_free
 */
#ifndef HEARTH_CONN_PARTS_H
#define HEARTH_CONN_PARTS_H

#include <assert.h>
#include <string.h>

#include "dataplane/base/slice.h"
#include "dataplane/conn/conn.h"
#include "dataplane/core_state.h"
#include "dataplane/tls/tls.h"

static inline uint64_t conn_after_ms(const struct core *core, uint32_t ms)
{
    return core->now_ns + (uint64_t)ms * 1000000;
}

static inline bool conn_is_ip4(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

/* ---- conn.c ---- */

/* The one writer of the state, and of the deadline that goes with it. */
void conn_set_state(struct conn *, enum conn_state);
/* The FIN, behind what TLS still holds. */
void conn_finish_stream(struct conn *);
/* What TCP wants to send. False: there is no buffer, or the next hop is not known (yet). */
bool conn_send(struct conn *);
/* TLS over the TCP stream; the argument is the connection. */
extern const struct tls_io conn_tls_io;

/* ---- conn_life.c ---- */

/* Everything of a new connection but its TCP, which the caller opens. NULL: all are busy, or, if
 * *is_over_share, all of a source that may have no more. */
struct conn *conn_new(struct core *, const struct flow_key *, bool *is_over_share);
void conn_free(struct conn *);
/* Ends what stands above TCP. */
void conn_release_upper(struct conn *);
void conn_half_open_end(struct conn *);

/* ---- conn_rest.c ---- */

/* After a run: it is at rest, or busy. How long it has been at rest already stays. */
void conn_settle(struct conn *);
/* Something came for it to work on: until it has run it is busy. */
void conn_disturb(struct conn *);
/* Ends the connection that has to give way, and returns it, free; NULL: all are busy. */
struct conn *conn_evict(struct core *);
/* These sources hold what they may: one of theirs gives way. False: all are busy. */
bool conn_evict_own(struct core *, struct source *const[SOURCE_LEVELS]);

/* ---- conn_hello.c: each is true if there is more to do in the next state, and now ---- */

bool conn_run_hello(struct conn *);
/* Unless it is its turn: waits for it, if there is anything to do. */
bool conn_run_handshake(struct conn *);
/* Its time is up. */
void conn_cancel_hello(struct conn *);

#endif
