#include "dataplane/net/tx.h"

#include <assert.h>

void tx_init(struct tx *tx, struct port *port, uint16_t queue, struct counters *counters)
{
    *tx = (struct tx){.port = port, .queue = queue, .counters = counters};
}

struct frame *tx_next(struct tx *tx)
{
    struct frame *f = &tx->frame[tx->count];

    if (!tx->has_next) {
        if (!port_tx_alloc(tx->port, tx->queue, f)) {
            tx->counters->tx_no_buffer++;
            return NULL;
        }
        tx->has_next = true;
    }
    /* What an abandoned build left behind must not ride along with the next one. */
    f->len = 0;
    f->tx_csum = FRAME_TX_NONE;
    f->l3_offset = 0;
    f->l4_offset = 0;
    return f;
}

void tx_commit(struct tx *tx)
{
    assert(tx->has_next);
    assert(tx->frame[tx->count].len > 0);
    assert(tx->frame[tx->count].len <= tx->port->frame_bytes_max);

    tx->has_next = false;
    tx->count++;
    if (tx->count == PORT_BURST)
        tx_flush(tx);
}

void tx_flush(struct tx *tx)
{
    uint16_t count = tx->count;

    if (count == 0)
        return;
    tx->counters->tx_frames += count;
    port_tx(tx->port, tx->queue, tx->frame, count);
    if (tx->has_next)
        tx->frame[0] = tx->frame[count];
    tx->count = 0;
}

void tx_fini(struct tx *tx)
{
    tx_flush(tx);
    if (tx->has_next) {
        port_free(tx->port, tx->queue, &tx->frame[0], 1);
        tx->has_next = false;
    }
}
