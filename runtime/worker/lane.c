#include "runtime/worker/lane.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lane *lane_create(struct job_region_header *region, uint32_t index, uint32_t place,
                         int core_fd)
{
    const struct job_geometry g = region->geometry;
    struct job_lane shared;
    size_t by_slot_bytes = g.jobs * sizeof(struct request *);
    uint8_t *memory = calloc(1, sizeof(struct lane) + by_slot_bytes + arena_lists_bytes(g.chunks));
    assert(memory);
    struct lane *l = (struct lane *)memory;
    uint8_t *by_slot = memory + sizeof(*l);
    job_region_lane(region, &g, index, &shared);
    l->index = index;
    l->place = place;
    l->core_fd = core_fd;
    l->region = region;
    l->core_asleep = &region->core_asleep[index];
    l->jobs = g.jobs;
    l->subs_max = g.subs;
    l->by_slot = (struct request **)by_slot;
    job_consumer_init(&l->down, shared.down, g.slots);
    job_producer_init(&l->up, shared.up, g.slots);
    arena_owner_init(&l->out, &shared.arena_up, by_slot + by_slot_bytes);
    arena_peer_init(&l->in, &shared.arena_down);
    return l;
}

void lane_free(struct lane *l)
{
    slab_fini(&l->subs);
    free(l->overflow);
    free(l);
}

static void drain_overflow(struct lane *l)
{
    size_t sent = 0;
    while (sent < l->overflow_count && job_producer_push(&l->up, &l->overflow[sent]))
        sent++;
    if (sent == 0)
        return;
    l->overflow_count -= sent;
    memmove(l->overflow, l->overflow + sent, l->overflow_count * sizeof(*l->overflow));
    l->is_dirty = true;
}

void lane_send(struct lane *l, const struct job_slot *slot)
{
    l->is_dirty = true;
    if (l->overflow_count == 0 && job_producer_push(&l->up, slot))
        return;
    if (l->overflow_count == l->overflow_cap) {
        /* At most an ERROR and a CREDIT per job and per sub-request, and WARMED. */
        l->overflow_cap = l->overflow_cap ? l->overflow_cap * 2 : 64;
        l->overflow = realloc(l->overflow, l->overflow_cap * sizeof(*l->overflow));
        assert(l->overflow);
    }
    l->overflow[l->overflow_count++] = *slot;
}

bool lane_room(struct lane *l, uint32_t chunks)
{
    if (l->overflow_count)
        drain_overflow(l);
    return l->overflow_count == 0 && job_producer_free(&l->up, 1) > 0 &&
           arena_available(&l->out) >= chunks;
}

void lane_send_bytes(struct lane *l, struct job_slot *slot, const uint8_t *bytes, size_t len)
{
    assert(len <= JOB_HEAD_BYTES_MAX);
    slot->bytes = (uint32_t)len;
    slot->chunk_count = 0;
    for (size_t at = 0; at < len; at += ARENA_CHUNK_BYTES) {
        uint32_t chunk = arena_take(&l->out);
        assert(chunk != ARENA_NONE);
        size_t n = len - at < ARENA_CHUNK_BYTES ? len - at : ARENA_CHUNK_BYTES;
        memcpy(arena_bytes(&l->out, chunk), bytes + at, n);
        slot->chunk[slot->chunk_count++] = chunk;
    }
    lane_send(l, slot);
}

void lane_copy(const struct lane *l, const struct job_slot *slot, uint8_t *to)
{
    size_t left = slot->bytes;
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        const uint8_t *from = arena_view(&l->in, slot->chunk[i]);
        size_t n = left < ARENA_CHUNK_BYTES ? left : ARENA_CHUNK_BYTES;
        assert(from);
        memcpy(to, from, n);
        to += n;
        left -= n;
    }
    assert(left == 0);
}

void lane_give_back(struct lane *l, const struct job_slot *slot)
{
    for (uint32_t i = 0; i < slot->chunk_count; i++) {
        bool fits = arena_give_back(&l->in, slot->chunk[i]);
        assert(fits);
        (void)fits;
    }
}

void lane_show(struct lane *l)
{
    job_producer_publish(&l->up);
}

void lane_publish(struct lane *l)
{
    if (l->overflow_count)
        drain_overflow(l);
    if (!l->is_dirty)
        return;
    l->is_dirty = false;
    job_producer_publish(&l->up);
    if (job_sleeper_take(l->core_asleep)) {
        const uint64_t one = 1;
        ssize_t n = write(l->core_fd, &one, sizeof(one));
        (void)n; /* a full counter wakes as well */
    }
}
