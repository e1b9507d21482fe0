#include "tools/gen/sender.h"

uint8_t *sender_begin(struct sender *s)
{
    if (s->count == PORT_BURST)
        sender_flush(s);
    struct frame *f = &s->frame[s->count];
    if (port_tx_alloc(s->port, 0, f))
        return f->bytes;
    s->no_buffer++;
    return NULL;
}

void sender_end(struct sender *s, enum packet_kind kind, uint32_t bytes, enum frame_tx_csum csum)
{
    struct frame *f = &s->frame[s->count];
    f->len = bytes;
    f->tx_csum = (uint8_t)csum;
    f->l3_offset = PACKET_L3;
    f->l4_offset = PACKET_L4;
    s->kind[s->count++] = (uint8_t)kind;
}

/* What a port does not take are the last of a burst. */
void sender_flush(struct sender *s)
{
    struct port_stats stats;
    if (s->count == 0)
        return;
    port_tx(s->port, 0, s->frame, s->count);
    port_stats(s->port, 0, &stats);
    uint64_t taken = s->count - (stats.tx_full - s->full);
    s->full = stats.tx_full;
    for (uint16_t i = 0; i < s->count; i++)
        (i < taken ? s->sent : s->lost)[s->kind[i]]++;
    s->count = 0;
}
