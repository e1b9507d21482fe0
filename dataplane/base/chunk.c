#include "dataplane/base/chunk.h"
#include "dataplane/base/least.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct chunk) == CHUNK_BYTES, "a chunk is exactly its limit");

void chunk_pool_init(struct chunk_pool *pool, void *memory, uint32_t count)
{
    *pool = (struct chunk_pool){.fresh = memory, .free_count = count, .count = count};
}

static struct chunk *next_free(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->free;

    if (!chunk)
        return pool->fresh++;
    pool->free = chunk->next;
    return chunk;
}

struct chunk *chunk_take(struct chunk_pool *pool, struct chunk_account *a, enum chunk_rank rank)
{
    if (a->held < a->floor)
        pool->owed--;
    else if (chunk_shared(pool) <= pool->count >> rank)
        return NULL;
    assert(pool->free_count > 0);

    struct chunk *chunk = next_free(pool);

    a->held++;
    pool->free_count--;
    chunk->next = NULL;
    return chunk;
}

void chunk_give(struct chunk_pool *pool, struct chunk_account *a, struct chunk *chunk)
{
    assert(pool->free_count < pool->count && a->held > 0);

    a->held--;
    if (a->held < a->floor)
        pool->owed++;

    /* Last in, first out: the next one taken is still in the cache. */
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_count++;
}

/* Invariant of a queue: head is NULL exactly when bytes is 0, so that an idle queue holds no chunk.
 */

size_t byte_queue_room(const struct byte_queue *q, const struct chunk_pool *pool,
                       enum chunk_rank rank)
{
    size_t room = (size_t)chunk_room(pool, &q->account, rank) * CHUNK_ROOM;

    return q->head != NULL ? room + CHUNK_ROOM - q->tail_bytes : room;
}

size_t byte_queue_append(struct byte_queue *q, struct chunk_pool *pool, const void *bytes,
                         size_t len)
{
    const uint8_t *p = bytes;
    size_t left = len;

    assert(len <= UINT32_MAX - q->bytes);

    while (left > 0) {
        if (q->head == NULL || q->tail_bytes == CHUNK_ROOM) {
            struct chunk *chunk = chunk_take(pool, &q->account, CHUNK_MUST);

            if (chunk == NULL)
                break;
            if (q->head == NULL) {
                q->head = chunk;
                q->head_offset = 0;
            } else {
                q->tail->next = chunk;
            }
            q->tail = chunk;
            q->tail_bytes = 0;
        }

        size_t n = min_size(left, CHUNK_ROOM - q->tail_bytes);

        memcpy(q->tail->bytes + q->tail_bytes, p, n);
        q->tail_bytes += (uint32_t)n;
        q->bytes += (uint32_t)n;
        p += n;
        left -= n;
    }
    return len - left;
}

/* Live bytes of a chunk of this queue start here ... */
static uint32_t chunk_start(const struct byte_queue *q, const struct chunk *chunk)
{
    return chunk == q->head ? q->head_offset : 0;
}

/* ... and end here. */
static uint32_t chunk_end(const struct byte_queue *q, const struct chunk *chunk)
{
    return chunk == q->tail ? q->tail_bytes : CHUNK_ROOM;
}

const uint8_t *byte_queue_peek(struct byte_queue *q, uint32_t offset, size_t *len)
{
    if (offset >= q->bytes) {
        *len = 0;
        return NULL;
    }
    if (q->seen == NULL || q->seen_at > offset) {
        q->seen = q->head;
        q->seen_at = 0;
    }
    for (;;) {
        uint32_t live = chunk_end(q, q->seen) - chunk_start(q, q->seen);

        if (offset - q->seen_at < live)
            break;
        q->seen_at += live;
        q->seen = q->seen->next;
    }

    uint32_t start = chunk_start(q, q->seen) + (offset - q->seen_at);

    *len = chunk_end(q, q->seen) - start;
    return q->seen->bytes + start;
}

void byte_queue_copy(struct byte_queue *q, uint32_t offset, void *out, size_t len)
{
    uint8_t *p = out;

    assert(offset <= q->bytes && len <= q->bytes - offset);

    while (len > 0) {
        size_t n;
        const uint8_t *view = byte_queue_peek(q, offset, &n);

        n = min_size(n, len);
        memcpy(p, view, n);
        p += n;
        offset += (uint32_t)n;
        len -= n;
    }
}

void byte_queue_consume(struct byte_queue *q, struct chunk_pool *pool, uint32_t bytes)
{
    assert(bytes <= q->bytes);

    q->bytes -= bytes;
    q->seen_at = q->seen_at > bytes ? q->seen_at - bytes : 0;
    while (q->head != NULL) {
        uint32_t live = chunk_end(q, q->head) - q->head_offset;

        if (bytes < live) {
            q->head_offset += bytes;
            return;
        }

        struct chunk *done = q->head;

        bytes -= live;
        q->head = done->next;
        q->head_offset = 0;
        if (q->seen == done)
            q->seen = NULL;
        chunk_give(pool, &q->account, done);
    }
    assert(bytes == 0 && q->bytes == 0 && q->account.held == 0);
    *q = (struct byte_queue){.account = q->account};
}

void byte_queue_clear(struct byte_queue *q, struct chunk_pool *pool)
{
    byte_queue_consume(q, pool, q->bytes);
}

void byte_queue_fini(struct byte_queue *q, struct chunk_pool *pool)
{
    if (q->bytes > 0)
        byte_queue_clear(q, pool);
    chunk_reserve(pool, &q->account, 0, CHUNK_MUST);
}
