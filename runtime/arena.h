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
 * Single thread per end. Never allocates after init.
 *
 * Rejected: returns as messages in the job rings. In a ring of their own they never wait behind a
 * full job ring, and a job slot stays one cache line.
 */
#ifndef HEARTH_ARENA_H
#define HEARTH_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARENA_CHUNK_BYTES = 4096,
    ARENA_CHUNKS = 2048, /* per direction and lane: 8 MiB; a power of two */
    ARENA_NONE = UINT32_MAX,
};

struct arena_shared {
    _Alignas(64) _Atomic uint32_t returns_tail; /* written by the peer */
    _Alignas(64) _Atomic uint32_t returns_head; /* written by the owner */
    _Alignas(64) uint32_t returns[ARENA_CHUNKS];
    _Alignas(64) uint8_t chunk[ARENA_CHUNKS][ARENA_CHUNK_BYTES];
};

struct arena_owner {
    struct arena_shared *shared;
    uint32_t free_count;
    uint32_t returns_head;
    bool lied; /* the peer returned an id it did not hold, sticky */
    uint32_t free[ARENA_CHUNKS];
    uint8_t is_lent[ARENA_CHUNKS];
};

struct arena_peer {
    struct arena_shared *shared;
    uint32_t returns_tail;
};

/* How many chunks so many bytes take. */
static inline uint32_t arena_chunks_for(size_t bytes)
{
    return (uint32_t)((bytes + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES);
}

void arena_owner_init(struct arena_owner *, struct arena_shared *);
void arena_peer_init(struct arena_peer *, struct arena_shared *);

/* Chunks that can be taken now; collects returns when fewer than `wanted` are free. */
uint32_t arena_available(struct arena_owner *, uint32_t wanted);

/* A chunk to fill, or ARENA_NONE. It counts as lent from here on; arena_untake is for one never
 * sent. */
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
