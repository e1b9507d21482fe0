#include "runtime/arena.h"

#include <assert.h>
#include <string.h>

size_t arena_lists_bytes(uint32_t chunks)
{
    return chunks * (sizeof(uint16_t) + sizeof(uint8_t));
}

void arena_owner_init(struct arena_owner *a, const struct arena *arena, void *lists)
{
    uint32_t chunks = arena->chunks;
    assert(chunks >= 1 && chunks <= ARENA_CHUNKS_MAX && (chunks & (chunks - 1)) == 0);
    *a = (struct arena_owner){.arena = *arena,
                              .free_count = chunks,
                              .free = lists,
                              .is_lent = (uint8_t *)lists + chunks * sizeof(uint16_t)};
    for (uint32_t i = 0; i < chunks; i++)
        a->free[i] = (uint16_t)(chunks - 1 - i);
    memset(a->is_lent, 0, chunks);
}

void arena_peer_init(struct arena_peer *a, const struct arena *arena)
{
    *a = (struct arena_peer){.arena = *arena};
}

static void collect_returns(struct arena_owner *a)
{
    struct arena_shared *shared = a->arena.shared;
    uint32_t chunks = a->arena.chunks;
    uint32_t tail = atomic_load_explicit(&shared->returns_tail, memory_order_acquire);
    if (tail == a->returns_head)
        return;
    if (tail - a->returns_head > chunks) {
        a->lied = true;
        return;
    }
    for (; a->returns_head != tail; a->returns_head++) {
        uint32_t chunk = *(volatile uint32_t *)&shared->returns[a->returns_head & (chunks - 1)];
        if (chunk >= chunks || !a->is_lent[chunk]) {
            a->lied = true;
            continue;
        }
        a->is_lent[chunk] = 0;
        a->free[a->free_count++] = (uint16_t)chunk;
    }
    atomic_store_explicit(&shared->returns_head, a->returns_head, memory_order_release);
}

uint32_t arena_available(struct arena_owner *a)
{
    collect_returns(a);
    return a->free_count;
}

uint32_t arena_take(struct arena_owner *a)
{
    if (a->free_count == 0 && arena_available(a) == 0)
        return ARENA_NONE;
    uint32_t chunk = a->free[--a->free_count];
    a->is_lent[chunk] = 1;
    return chunk;
}

void arena_untake(struct arena_owner *a, uint32_t chunk)
{
    assert(chunk < a->arena.chunks && a->is_lent[chunk]);
    a->is_lent[chunk] = 0;
    a->free[a->free_count++] = (uint16_t)chunk;
}

uint8_t *arena_bytes(struct arena_owner *a, uint32_t chunk)
{
    assert(chunk < a->arena.chunks && a->is_lent[chunk]);
    return a->arena.bytes + (size_t)chunk * ARENA_CHUNK_BYTES;
}

const uint8_t *arena_view(const struct arena_peer *a, uint32_t chunk)
{
    return chunk < a->arena.chunks ? a->arena.bytes + (size_t)chunk * ARENA_CHUNK_BYTES : NULL;
}

bool arena_give_back(struct arena_peer *a, uint32_t chunk)
{
    struct arena_shared *shared = a->arena.shared;
    uint32_t head = atomic_load_explicit(&shared->returns_head, memory_order_acquire);
    if (a->returns_tail - head >= a->arena.chunks)
        return false;
    shared->returns[a->returns_tail++ & (a->arena.chunks - 1)] = chunk;
    atomic_store_explicit(&shared->returns_tail, a->returns_tail, memory_order_release);
    return true;
}
