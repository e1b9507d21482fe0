/* arena.h
 *
 * A pool of fixed chunks in shared memory. One end owns it: only the owner takes chunks and fills
 * them; the other end reads them and gives them back through a ring of ids.
 *
 *     owner: take -> fill -> name it in a job_slot            peer: view -> read -> give_back
 *        ^                                                                        |
 *        +----------------------- returns ring (ids, SPSC) <----------------------+
 *
 * The owner's free list and the record of what is lent are private memory of the owner, so a peer
 * that lies about returns can make no chunk be used twice: a returned id that is out of range or
 * not lent is ARENA_LIES.
 *
 * What comes back is taken first again (last in, first out), and the owner looks for it each time
 * it asks what is free: an arena that is little used stays in a few pages, however much has passed
 * through it.
 *
 * Single thread per end. Never allocates: the owner's lists are memory that the caller gives.
 *
 * Rejected: returns as messages in the job rings. In a ring of their own they never wait behind a
 * full job ring, and a job slot stays one cache line.
 */
#ifndef HEARTH_ARENA_H
#define HEARTH_ARENA_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARENA_CHUNK_BYTES = 4096,
    ARENA_CHUNKS_MAX = 2048, /* per direction and lane: 8 MiB */
    ARENA_NONE = UINT32_MAX,
};

/* The returns ring, as it lies in the region. */
struct arena_shared {
    _Alignas(64) _Atomic uint32_t returns_tail; /* written by the peer */
    _Alignas(64) _Atomic uint32_t returns_head; /* written by the owner */
    _Alignas(64) uint32_t returns[];            /* as many as chunks */
};
static_assert(offsetof(struct arena_shared, returns_head) == 64 &&
                  offsetof(struct arena_shared, returns) == 128,
              "a line for each writer");

/* Where an arena lies. */
struct arena {
    struct arena_shared *shared;
    uint8_t *bytes;  /* of chunk 0 */
    uint32_t chunks; /* a power of two, at most ARENA_CHUNKS_MAX */
};

struct arena_owner {
    struct arena arena;
    uint32_t free_count;
    uint32_t returns_head;
    bool lied;      /* the peer returned an id it did not hold, sticky */
    uint16_t *free; /* ids, the next one last */
    uint8_t *is_lent;
};

struct arena_peer {
    struct arena arena;
    uint32_t returns_tail;
};

/* How many chunks so many bytes take. */
static inline uint32_t arena_chunks_for(size_t bytes)
{
    return (uint32_t)((bytes + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES);
}

/* Bytes of an owner's lists. */
size_t arena_lists_bytes(uint32_t chunks);
/* lists: that much memory, aligned for uint16_t; the owner's from here on. */
void arena_owner_init(struct arena_owner *, const struct arena *, void *lists);
void arena_peer_init(struct arena_peer *, const struct arena *);

/* Chunks that can be taken now, with those that just came back. */
uint32_t arena_available(struct arena_owner *);

/* A chunk to fill, or ARENA_NONE. It counts as lent from here on; arena_untake is for one never
 * sent. Looks for returns only when none is free: ask arena_available first. */
uint32_t arena_take(struct arena_owner *);
void arena_untake(struct arena_owner *, uint32_t chunk);
uint8_t *arena_bytes(struct arena_owner *, uint32_t chunk);

/* NULL if the id is out of range. The bytes may change under a hostile owner: copy what must be
 * stable. */
const uint8_t *arena_view(const struct arena_peer *, uint32_t chunk);

/* Gives a chunk back. The returns ring holds every chunk of the arena, so an honest owner's is
 * never full; false: it was, the owner lies. */
bool arena_give_back(struct arena_peer *, uint32_t chunk);

#endif
