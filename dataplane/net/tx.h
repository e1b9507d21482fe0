/* tx.h
 *
 * A core's outgoing burst: frames are built in place and leave together.
 *
 *   f = tx_next(tx); ... fill f->bytes, f->len ...; tx_commit(tx);    tx_flush(tx) once per
 * iteration
 *
 * Single thread. A frame that is not committed is given out again by the next tx_next; the pointer
 * is good until the next call of any of these. A full burst leaves by itself.
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
    bool has_next;  /* frame[count] is allocated */
    struct frame frame[PORT_BURST];
};

void tx_init(struct tx *, struct port *, uint16_t queue, struct counters *);
/* NULL: no buffer (counted tx_no_buffer). */
struct frame *tx_next(struct tx *);
void tx_commit(struct tx *);
void tx_flush(struct tx *);
void tx_fini(struct tx *);

#endif
