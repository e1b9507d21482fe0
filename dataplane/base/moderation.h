/* moderation.h
 *
 * When frames of bulk transfers are to gather before they wake a core that sleeps: what a card's
 * interrupt moderation does, for ports whose device has none (AF_PACKET: each 16 KB that a client
 * writes is a wake-up, a record, a wake-up of the cell).
 *
 *   heard: large frames, 16 times in a row   -> the next sleep lasts CORE_MODERATION_US, unless a
 *                                               cell or the control thread rings, or a timer is due
 *   nothing heard in such a sleep, or others -> any frame wakes the core again
 *
 * "Large" is what a body is made of: acknowledgements of what we send, requests and handshakes
 * never begin it. Nor does a body's slow start: 16 times a few segments are its first hundreds of
 * kilobytes. Meanwhile others' frames wait as long.
 *
 * Single thread. Units: bytes, nanoseconds.
 *
 * Rejected: ACKs that wait (RFC 9293 3.8.6.3: every second segment): with one for 64 KB the client
 * kept its pace, and the core woke more often than before, for less. Cells that do not ring
 * meanwhile either: credit that comes late shuts the window, and a client whose window was shut
 * sends within our ACK, on our CPU (3,396 to 3,640 us for 1 MB against 2,939 to 3,004, on a busy
 * machine). A receive window of 4 MB beside it made no difference beyond the noise.
 */
#ifndef HEARTH_MODERATION_H
#define HEARTH_MODERATION_H

#include <stdint.h>

#include "dataplane/base/limits.h"

enum {
    MODERATION_FRAME_BYTES = 1000, /* a large frame, on average */
    MODERATION_BYTES = 8192,       /* and so much between two sleeps */
    MODERATION_ROW = 16,
};

/* Zero: nothing was heard yet. */
struct moderation {
    uint32_t frames, bytes; /* since the last sleep */
    uint32_t row;           /* sleeps before which there was enough, in a row */
    uint64_t until_ns;      /* frames gather until then */
};

static inline void moderation_hear(struct moderation *m, uint32_t frames, uint32_t bytes)
{
    m->frames += frames;
    m->bytes += bytes;
}

/* Before a sleep: until when frames may gather; 0: they must wake the core. */
static inline uint64_t moderation_until_ns(struct moderation *m, uint64_t now_ns)
{
    if (m->frames > 0) {
        uint32_t frame_bytes = m->bytes / m->frames;
        if (m->bytes < MODERATION_BYTES || frame_bytes < MODERATION_FRAME_BYTES)
            m->row = 0;
        else if (m->row < MODERATION_ROW)
            m->row++;
        m->until_ns = now_ns + CORE_MODERATION_US * 1000ull;
        m->frames = m->bytes = 0;
    } else if (now_ns >= m->until_ns) {
        m->row = 0;
    }
    return m->row == MODERATION_ROW && now_ns < m->until_ns ? m->until_ns : 0;
}

#endif
