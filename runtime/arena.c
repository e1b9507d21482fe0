#include "runtime/arena.h"

#include <assert.h>

static_assert((ARENA_CHUNKS & (ARENA_CHUNKS - 1)) == 0, "a power of two");

void arena_owner_init(struct arena_owner *a, struct arena_shared *shared)
{
    a->shared = shared;
    a->returns_head = 0;
    a->lied = false;
    a->free_count = ARENA_CHUNKS;
    for (uint32_t i = 0; i < ARENA_CHUNKS; i++) {
        a->free[i] = ARENA_CHUNKS - 1 - i; /* low ids first: they stay in cache */
        a->is_lent[i] = 0;
    }
}

void arena_peer_init(struct arena_peer *a, struct arena_shared *shared)
{
    *a = (struct arena_peer){.shared = shared};
}

static void collect_returns(struct arena_owner *a)
{
    uint32_t tail = atomic_load_explicit(&a->shared->returns_tail, memory_order_acquire);
    if (tail - a->returns_head > ARENA_CHUNKS) {
        a->lied = true;
        return;
    }
    for (; a->returns_head != tail; a->returns_head++) {
        uint32_t chunk =
            *(volatile uint32_t *)&a->shared->returns[a->returns_head & (ARENA_CHUNKS - 1)];
        if (chunk >= ARENA_CHUNKS || !a->is_lent[chunk]) {
            a->lied = true;
            continue;
        }
        a->is_lent[chunk] = 0;
        a->free[a->free_count++] = chunk;
    }
    atomic_store_explicit(&a->shared->returns_head, a->returns_head, memory_order_release);
}

uint32_t arena_available(struct arena_owner *a, uint32_t wanted)
{
    if (a->free_count < wanted)
        collect_returns(a);
    return a->free_count;
}

uint32_t arena_take(struct arena_owner *a)
{
    if (arena_available(a, 1) == 0)
        return ARENA_NONE;
    uint32_t chunk = a->free[--a->free_count];
    a->is_lent[chunk] = 1;
    return chunk;
}

void arena_untake(struct arena_owner *a, uint32_t chunk)
{
    assert(chunk < ARENA_CHUNKS && a->is_lent[chunk]);
    a->is_lent[chunk] = 0;
    a->free[a->free_count++] = chunk;
}

uint8_t *arena_bytes(struct arena_owner *a, uint32_t chunk)
{
    assert(chunk < ARENA_CHUNKS && a->is_lent[chunk]);
    return a->shared->chunk[chunk];
}

const uint8_t *arena_view(const struct arena_peer *a, uint32_t chunk)
{
    return chunk < ARENA_CHUNKS ? a->shared->chunk[chunk] : NULL;
}

bool arena_give_back(struct arena_peer *a, uint32_t chunk)
{
    uint32_t head = atomic_load_explicit(&a->shared->returns_head, memory_order_acquire);
    if (a->returns_tail - head >= ARENA_CHUNKS)
        return false;
    a->shared->returns[a->returns_tail++ & (ARENA_CHUNKS - 1)] = chunk;
    atomic_store_explicit(&a->shared->returns_tail, a->returns_tail, memory_order_release);
    return true;
}
