/* sender.h
 *
 * Frames on their way out, and the count of each kind: `sent` went to the device, `lost` found it
 * full and was dropped before it, as by a card whose ring overflows.
 *
 *   sender_begin -> bytes -> sender_end, up to PORT_BURST of them; sender_flush sends them
 *
 * Single thread.
 */
#ifndef HEARTH_GEN_SENDER_H
#define HEARTH_GEN_SENDER_H

#include "drivers/port.h"
#include "tools/gen/packet.h"

struct sender {
    struct port *port;
    struct frame frame[PORT_BURST];
    uint8_t kind[PORT_BURST];
    uint16_t count;
    uint64_t full; /* what the port has counted as tx_full so far */
    uint64_t sent[PACKET_KINDS], lost[PACKET_KINDS], no_buffer;
};

/* Room for a frame; NULL, and counted: there is no buffer. */
uint8_t *sender_begin(struct sender *);
/* The frame that begin gave has so many bytes. */
void sender_end(struct sender *, enum packet_kind, uint32_t bytes, enum frame_tx_csum);
void sender_flush(struct sender *);

#endif
