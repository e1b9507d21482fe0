/* chunk.h
 *
 * A core's stream memory: a pool of fixed chunks, and a FIFO of bytes made of them.
 *
 *   queue   [ consumed |======|==========|====      ]    append copies in at the tail, peek gives
 *              head ^   chunk    chunk       ^ tail      views at any offset, consume frees
 *
 * Floors. Bytes pass through many queues of two nodes, and a queue that is full drains only when
 * the next one has room. If all of them took from one pool as they came, those in front would fill
 * it, the ones behind them would get nothing, and nodes would wait for each other for ever. So each
 * queue on the way of a call that was admitted has a floor: so many chunks are its own, whatever
 * others hold. A call then depends on nobody but whoever takes its bytes at the end.
 *
 *   free chunks   [ owed: floors less what their queues hold | shared                             ]
 *                                                       must | comes | begins | waits | spares
 *
 *   owed     only the queue whose floor it is takes them: a take within the floor never fails
 *   shared   first come, first served, but each rank leaves some to those that can wait less:
 *            `waits` takes while more than a quarter is shared, `must` takes all of it
 *
 * A floor is granted as long as there are shared chunks for it (chunk_reserve), so owed <=
 * free_count at all times. A call for which there are none is not begun: its client waits, or is
 * told 503; a peer gets it back.
 *
 * Bounded by the pool; a queue's owner bounds the queue. Single thread (the core). Never allocates
 * after init. An empty queue holds no chunk.
 *
 * Source: a minimum for each queue and a shared rest is how shared-memory switches divide theirs
 * (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998);
 * buffers of one's own at each hop against store-and-forward deadlock: Merlin and Schweitzer,
 * "Deadlock avoidance in store-and-forward networks" (1980).
 */
#ifndef HEARTH_CHUNK_H
#define HEARTH_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/base/mutant.h"

struct chunk {
    struct chunk *next;
    uint8_t bytes[CHUNK_BYTES - sizeof(struct chunk *)];
};

enum { CHUNK_ROOM = CHUNK_BYTES - sizeof(struct chunk *) };

struct chunk_pool {
    struct chunk *free;  /* those that were given back */
    struct chunk *fresh; /* it, and those behind it: never taken, and not touched until they are */
    uint32_t free_count; /* of both */
    uint32_t count;
    uint32_t owed; /* of the free ones: promised by floors */
};

/* What one holder has, and what is its own. Zero: nothing. */
struct chunk_account {
    uint32_t held, floor;
};

/* How badly shared chunks are wanted: count >> rank of them are left to others. */
enum chunk_rank {
    CHUNK_SPARES = 1, /* higher floors, for speed */
    CHUNK_WAITS = 2,  /* bytes that can stay where they are; a script's calls beyond a chain */
    CHUNK_BEGINS = 3, /* floors of a call that begins; bytes of a peer, in order */
    CHUNK_COMES = 4,  /* floors of a chain of a script's calls; the first bytes of a client */
    CHUNK_MUST = 31,  /* what cannot be refused any more; heads; the first bytes to a client */
};

enum { CHUNK_FIRST = 2 }; /* "first bytes": a segment, wherever in a chunk it begins */

/* memory: count * sizeof(struct chunk) bytes, the caller's. */
void chunk_pool_init(struct chunk_pool *, void *memory, uint32_t count);
/* NULL: there is none for that rank, and the floor is used up. Contents undefined, next NULL. */
struct chunk *chunk_take(struct chunk_pool *, struct chunk_account *, enum chunk_rank);
void chunk_give(struct chunk_pool *, struct chunk_account *, struct chunk *);
/* Chunks that are free and nobody's. */
static inline uint32_t chunk_shared(const struct chunk_pool *pool)
{
    return MUTANT(FLOORS_IGNORED) ? pool->free_count : pool->free_count - pool->owed;
}

/* Of a floor, what the account does not hold yet. */
static inline uint32_t chunk_owed(const struct chunk_account *a, uint32_t floor)
{
    return floor > a->held ? floor - a->held : 0;
}

/* Chunks that nobody else can have: held, or its own and not held yet. */
static inline uint32_t chunk_kept(const struct chunk_account *a)
{
    return a->held > a->floor ? a->held : a->floor;
}

/* Sets the floor. False: there are no shared chunks of that rank for a higher one, nothing changed;
 * a lower one is always true. */
static inline bool chunk_reserve(struct chunk_pool *pool, struct chunk_account *a, uint32_t floor,
                                 enum chunk_rank rank)
{
    uint32_t was = chunk_owed(a, a->floor), owed = chunk_owed(a, floor);

    if (owed > was && chunk_shared(pool) < (uint64_t)(owed - was) + (pool->count >> rank))
        return false;
    pool->owed = pool->owed - was + owed;
    a->floor = floor;
    return true;
}

/* Chunks that the account can take now. */
static inline uint32_t chunk_room(const struct chunk_pool *pool, const struct chunk_account *a,
                                  enum chunk_rank rank)
{
    uint32_t own = chunk_owed(a, a->floor);
    uint32_t shared = chunk_shared(pool), left = pool->count >> rank;

    return own + (shared > left ? shared - left : 0);
}

struct byte_queue {
    struct chunk *head, *tail;
    uint32_t head_offset; /* consumed bytes of the head chunk */
    uint32_t tail_bytes;  /* used bytes of the tail chunk */
    uint32_t bytes;       /* between the two */
    /* Where the last peek ended, so that walking forward is O(1); NULL: none. */
    struct chunk *seen;
    uint32_t seen_at; /* offset from the queue's start of seen's first live byte */
    struct chunk_account account;
};

/* Chunks with which a queue is sure to hold so many bytes, wherever in a chunk they begin. */
static inline uint32_t byte_queue_chunks(uint32_t bytes)
{
    return bytes / CHUNK_ROOM + 2;
}

/* Bytes that a queue is sure to hold with its floor alone. */
static inline uint32_t byte_queue_own_bytes(const struct byte_queue *q)
{
    return q->account.floor < 2 ? 0 : (q->account.floor - 1) * CHUNK_ROOM - 1;
}

/* Bytes that byte_queue_append with that rank takes now. */
size_t byte_queue_room(const struct byte_queue *, const struct chunk_pool *, enum chunk_rank);
/* Copies up to len bytes in; returns how many: less only when there are no more chunks, with
 * CHUNK_MUST at all. */
size_t byte_queue_append(struct byte_queue *, struct chunk_pool *, const void *bytes, size_t len);
/* A view of the bytes at offset: *len is what lies contiguous there, 0 at the end. */
const uint8_t *byte_queue_peek(struct byte_queue *, uint32_t offset, size_t *len);
/* Copies len bytes out from offset; they must exist. */
void byte_queue_copy(struct byte_queue *, uint32_t offset, void *out, size_t len);
void byte_queue_consume(struct byte_queue *, struct chunk_pool *, uint32_t bytes);
/* The floor stays. */
void byte_queue_clear(struct byte_queue *, struct chunk_pool *);
/* The floor goes too: before the memory of the queue is used for something else. */
void byte_queue_fini(struct byte_queue *, struct chunk_pool *);

#endif
