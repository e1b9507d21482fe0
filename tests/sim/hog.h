/* hog.h
 *
 * Somebody who holds most of a core's chunks and gives none back: clients that do not read, without
 * the clients.
 */
#ifndef HEARTH_SIM_HOG_H
#define HEARTH_SIM_HOG_H

#include "dataplane/base/chunk.h"

struct hog {
    struct chunk_account account;
    struct chunk *chunks;
};

/* Leaves so many of a hundred chunks free, and those that are promised to others. */
static inline void hog_take(struct hog *h, struct chunk_pool *pool, uint32_t free_percent)
{
    while (pool->free_count > pool->count * free_percent / 100) {
        struct chunk *chunk = chunk_take(pool, &h->account, CHUNK_MUST);
        if (!chunk)
            return;
        chunk->next = h->chunks;
        h->chunks = chunk;
    }
}

static inline void hog_give(struct hog *h, struct chunk_pool *pool)
{
    while (h->chunks) {
        struct chunk *chunk = h->chunks;
        h->chunks = chunk->next;
        chunk_give(pool, &h->account, chunk);
    }
}

#endif
