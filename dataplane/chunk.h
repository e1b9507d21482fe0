/* chunk.h
 *
 * A core's stream memory: a pool of fixed chunks, and a FIFO of bytes made of them.
 *
 *   queue   [ consumed |======|==========|====      ]    append copies in at the tail, peek gives
 *              head ^   chunk    chunk       ^ tail      views at any offset, consume frees
 *
 * Bounded by the pool; a queue's owner bounds the queue. Single thread (the core). Never allocates
 * after init. An empty queue holds no chunk.
 */
#ifndef HEARTH_CHUNK_H
#define HEARTH_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/limits.h"

struct chunk {
    struct chunk *next;
    uint8_t bytes[CHUNK_BYTES - sizeof(struct chunk *)];
};

enum { CHUNK_ROOM = CHUNK_BYTES - sizeof(struct chunk *) };

struct chunk_pool {
    struct chunk *free;
    uint32_t free_count;
    uint32_t count;
};

/* memory: count * sizeof(struct chunk) bytes, the caller's. */
void chunk_pool_init(struct chunk_pool *, void *memory, uint32_t count);
struct chunk *chunk_take(struct chunk_pool *); /* NULL: exhausted; contents undefined, next NULL */
void chunk_give(struct chunk_pool *, struct chunk *);

struct byte_queue {
    struct chunk *head, *tail;
    uint32_t head_offset; /* consumed bytes of the head chunk */
    uint32_t tail_bytes;  /* used bytes of the tail chunk */
    uint32_t bytes;       /* between the two */
    /* Where the last peek ended, so that walking forward is O(1); NULL: none. */
    struct chunk *seen;
    uint32_t seen_at; /* offset from the queue's start of seen's first live byte */
};

/* Copies up to len bytes in; returns how many (less only when the pool is empty). */
size_t byte_queue_append(struct byte_queue *, struct chunk_pool *, const void *bytes, size_t len);
/* A view of the bytes at offset: *len is what lies contiguous there, 0 at the end. */
const uint8_t *byte_queue_peek(struct byte_queue *, uint32_t offset, size_t *len);
/* Copies len bytes out from offset; they must exist. */
void byte_queue_copy(struct byte_queue *, uint32_t offset, void *out, size_t len);
void byte_queue_consume(struct byte_queue *, struct chunk_pool *, uint32_t bytes);
void byte_queue_clear(struct byte_queue *, struct chunk_pool *);

#endif
