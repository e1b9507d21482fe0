/* port_memory.h
 *
 * A port for tests: what is sent is kept in order and looked at, or carried to another port's
 * receive side. Bounded, no time, no faults (drivers/port_sim has those). Counts buffers, so that a
 * test can show that none is lost.
 */
#ifndef HEARTH_PORT_MEMORY_H
#define HEARTH_PORT_MEMORY_H

#include "drivers/port.h"

enum { PORT_MEMORY_FRAMES = 256, PORT_MEMORY_FRAME_BYTES = 1518 };

struct port_memory {
    struct port port;       /* first: ops cast back */
    uint32_t buffers_out;   /* given out and not come back */
    uint32_t buffers_limit; /* tx_alloc says no above this many */
    uint32_t sent_count;
    struct port_memory_sent {
        uint8_t bytes[PORT_MEMORY_FRAME_BYTES];
        uint32_t len;
        uint8_t tx_csum;
        uint16_t l3_offset, l4_offset;
    } sent[PORT_MEMORY_FRAMES]; /* beyond that many: not kept, still counted as come back */
};

void port_memory_init(struct port_memory *, const uint8_t mac[6]);
/* Forgets what was sent. */
void port_memory_clear(struct port_memory *);

#endif
