/* tx.h
 *
 * A core's outgoing burst: frames are built in place and leave together.
 *
 *   f = tx_next(tx); ... fill f->bytes, f->len ...; tx_commit(tx);    tx_flush(tx) once per
 * iteration
 *
 * Single thread. A frame that is not committed is given out again by the next tx_next; the pointer
 * is good until the next call of any of these. A full burst leaves by itself, and so does what
 * ends with a large frame: whoever cuts it finds it in the cache.
 */
#ifndef HEARTH_TX_H
#define HEARTH_TX_H

#include "dataplane/base/counters.h"
#include "drivers/port.h"

struct tx {
    struct port *port;
    struct counters *counters;
    uint16_t queue;
    uint16_t count; /* committed frames */
    struct frame frame[PORT_BURST];
    struct frame next[2]; /* an ordinary one and a large one */
    bool has_next[2];     /* allocated */
    uint8_t built;        /* which of them tx_commit means */
};

void tx_init(struct tx *, struct port *, uint16_t queue, struct counters *);
/* NULL: no buffer (counted tx_no_buffer). */
struct frame *tx_next(struct tx *);
/* A large one (port.h). NULL: there is none, which is not counted; an ordinary one will do. */
struct frame *tx_next_large(struct tx *);
/* What is being built is a large one. */
static inline bool tx_is_large(const struct tx *tx)
{
    return tx->built != 0;
}
void tx_commit(struct tx *);
void tx_flush(struct tx *);
void tx_fini(struct tx *);

#endif
