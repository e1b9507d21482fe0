#include "dataplane/net/tx.h"

#include <assert.h>

#include "drivers/gso.h"

void tx_init(struct tx *tx, struct port *port, uint16_t queue, struct counters *counters)
{
    *tx = (struct tx){.port = port, .queue = queue, .counters = counters};
}

enum { ORDINARY, LARGE };

/* What an abandoned build left behind must not ride along with the next one. */
static struct frame *start(struct tx *tx, uint8_t kind)
{
    struct frame *f = &tx->next[kind];

    tx->has_next[kind] = true;
    tx->built = kind;
    f->len = 0;
    f->tx_csum = FRAME_TX_NONE;
    f->gso_size = 0;
    f->l3_offset = 0;
    f->l4_offset = 0;
    return f;
}

struct frame *tx_next(struct tx *tx)
{
    if (!tx->has_next[ORDINARY] && !port_tx_alloc(tx->port, tx->queue, &tx->next[ORDINARY])) {
        tx->counters->tx_no_buffer++;
        return NULL;
    }
    return start(tx, ORDINARY);
}

struct frame *tx_next_large(struct tx *tx)
{
    if (!tx->has_next[LARGE] && !port_tx_alloc_large(tx->port, tx->queue, &tx->next[LARGE]))
        return NULL;
    return start(tx, LARGE);
}

void tx_commit(struct tx *tx)
{
    const struct frame *f = &tx->next[tx->built];

    assert(tx->has_next[tx->built]);
    assert(f->len > 0);
    assert(f->len <= (f->gso_size ? tx->port->large_bytes_max : tx->port->frame_bytes_max));

    tx->has_next[tx->built] = false;
    tx->frame[tx->count++] = *f;
    tx->counters->tx_frames += gso_count(f);
    if (tx->count == PORT_BURST || f->gso_size)
        tx_flush(tx);
}

void tx_flush(struct tx *tx)
{
    uint16_t count = tx->count;

    if (count == 0)
        return;
    tx->count = 0;
    port_tx(tx->port, tx->queue, tx->frame, count);
}

void tx_fini(struct tx *tx)
{
    tx_flush(tx);
    for (int kind = ORDINARY; kind <= LARGE; kind++) {
        if (tx->has_next[kind])
            port_free(tx->port, tx->queue, &tx->next[kind], 1);
        tx->has_next[kind] = false;
    }
}
