/* tcp_rx.h
 *
 * The receiving half of a stream: bytes are copied once, to their final place, in whatever order
 * they come.
 *
 *      chunks    [ base ....... )[ ........ )            [ ........ )     sorted by base, only
 * where bytes are bytes        start ======= next      == range ==     === range === (not consumed,
 * in order)  (early; at most TCP_OOO_RANGES_MAX)
 *
 * A chunk holds ROOM bytes of the stream from its base, a sequence number on a grid of that step.
 * Ranges are kept with the most recent first: that is the order in which SACK blocks are sent (RFC
 * 2018 section 4).
 *
 * Behind the first chunks early bytes take shared ones of the rank `waits` only (chunk.h), and
 * bytes in order may take an early chunk back (RFC 2018 section 8 lets a receiver forget): a core
 * short of memory still moves forward.
 * What it has room for it says in its window (tcp_rx_room): a threshold that moves with what is
 * free, as chunk.h's second source has it. What was promised is kept unless others were promised
 * the same chunks and came first.
 *
 * Units: bytes, sequence numbers. Single thread.
 */
#ifndef HEARTH_TCP_RX_H
#define HEARTH_TCP_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/chunk.h"
#include "dataplane/base/limits.h"

struct tcp_range { /* sequence numbers [start, end) */
    uint32_t start, end;
};

struct tcp_rx {
    struct chunk *first, *last;
    struct chunk *seen; /* where the last byte was put or looked at, so that going forward is O(1);
                           NULL: none */
    uint32_t grid;      /* a chunk's base at or before start */
    uint32_t start, next;
    struct chunk_account account;
    /* enum chunk_rank of bytes in order, behind the first ones: CHUNK_WAITS unless the owner
     * says otherwise */
    uint8_t rank;
    uint32_t range_count;
    struct tcp_range range[TCP_OOO_RANGES_MAX];
};

/* Holds nothing, and has no floor. */
void tcp_rx_init(struct tcp_rx *, uint32_t seq);
/* Chunks that hold the stream from what is not consumed up to end. */
uint32_t tcp_rx_span(const struct tcp_rx *, uint32_t end);

/* Copies what is not there yet (seq is not before next). Returns how many bytes were taken from the
 * front: fewer than len when memory or the range list is exhausted; what was not taken must come
 * again. */
size_t tcp_rx_put(struct tcp_rx *, struct chunk_pool *, uint32_t seq, const uint8_t *bytes,
                  size_t len);

/* Bytes that may come behind next: its floor, the first chunks, and a part of what there is to
 * spare. Chunks of early bytes are not counted. */
uint32_t tcp_rx_room(const struct tcp_rx *, const struct chunk_pool *);

/* Some range holds [seq, seq + len) already. */
bool tcp_rx_has(const struct tcp_rx *, uint32_t seq, size_t len);

const uint8_t *tcp_rx_peek(struct tcp_rx *, uint32_t offset, size_t *len);
void tcp_rx_consume(struct tcp_rx *, struct chunk_pool *, uint32_t bytes);
/* Floor and rank stay. */
void tcp_rx_clear(struct tcp_rx *, struct chunk_pool *);
/* The floor goes too. */
void tcp_rx_fini(struct tcp_rx *, struct chunk_pool *);

#endif
