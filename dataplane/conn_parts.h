/* conn_parts.h
 *
 * What the files of a connection share, and nobody else includes: conn.c (states, the stream under
 * the exchange, the run), conn_life.c (birth, TIME_WAIT, death), conn_packet.c (TCP packets, the
 * listener), conn_hello.c (server name and handshake).
 *
 *   packet --> conn_packet.c --> conn_new --> conn.c: conn_run --> conn_hello.c --> exchange
 *                                                |
 *                                                +--> conn_waiting_add, conn_free
 */
#ifndef HEARTH_CONN_PARTS_H
#define HEARTH_CONN_PARTS_H

#include <assert.h>
#include <string.h>

#include "dataplane/conn.h"
#include "dataplane/core_state.h"
#include "dataplane/slice.h"
#include "dataplane/tls.h"

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
void conn_set_state(struct core *, struct conn *, enum conn_state);
/* TLS over the TCP stream; the argument is the connection. */
extern const struct tls_io conn_tls_io;

/* ---- conn_life.c ---- */

/* Everything of a new connection but its TCP, which the caller opens. NULL: all are in use. */
struct conn *conn_new(struct core *, const struct flow_key *);
void conn_free(struct core *, struct conn *);
/* Ends what stands above TCP. */
void conn_release_upper(struct core *, struct conn *);
void conn_half_open_end(struct core *, struct conn *);
/* TIME_WAIT: kept in order of age, so that the oldest gives way when connections run out. */
bool conn_is_waiting(const struct conn *);
void conn_waiting_add(struct core *, struct conn *);

/* ---- conn_hello.c: each is true if there is more to do in the next state ---- */

bool conn_run_hello(struct core *, struct conn *);
/* Unless it is its turn: waits for it, if there is anything to do. */
bool conn_run_handshake(struct core *, struct conn *);

#endif
