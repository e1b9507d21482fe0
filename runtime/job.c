#include "runtime/job.h"

#include <errno.h>
#include <string.h>

const struct job_geometry job_geometry_small = {.slots = 64, .chunks = 16, .jobs = 64, .subs = 256};
const struct job_geometry job_geometry_large = {.slots = JOB_RING_SLOTS_MAX,
                                                .chunks = ARENA_CHUNKS_MAX,
                                                .jobs = JOB_JOBS_MAX,
                                                .subs = JOB_SUBS_MAX};

static bool is_power_within(uint32_t n, uint32_t least, uint32_t most)
{
    return n >= least && n <= most && (n & (n - 1)) == 0;
}

bool job_geometry_is_sane(const struct job_geometry *g)
{
    return is_power_within(g->slots, JOB_RING_SLOTS_MIN, JOB_RING_SLOTS_MAX) &&
           is_power_within(g->chunks, JOB_CHUNKS_MIN, ARENA_CHUNKS_MAX) && g->jobs >= 1 &&
           g->jobs <= JOB_JOBS_MAX && g->subs >= 1 && g->subs <= JOB_SUBS_MAX;
}

void job_producer_init(struct job_producer *p, struct job_ring_shared *ring, uint32_t slots)
{
    *p = (struct job_producer){.ring = ring, .slots = slots};
}

void job_consumer_init(struct job_consumer *c, struct job_ring_shared *ring, uint32_t slots)
{
    *c = (struct job_consumer){.ring = ring, .slots = slots};
}

uint32_t job_producer_free(struct job_producer *p, uint32_t wanted)
{
    uint32_t used = p->tail - p->head_seen;
    if (p->slots - used < wanted) {
        uint32_t head = atomic_load_explicit(&p->ring->head, memory_order_acquire);
        if (p->tail - head > p->slots) {
            p->lied = true;
            return 0;
        }
        p->head_seen = head;
        used = p->tail - head;
    }
    return p->slots - used;
}

bool job_producer_push(struct job_producer *p, const struct job_slot *slot)
{
    if (job_producer_free(p, 1) == 0)
        return false;
    p->ring->slot[p->tail++ & (p->slots - 1)] = *slot;
    return true;
}

void job_producer_publish(struct job_producer *p)
{
    atomic_store_explicit(&p->ring->tail, p->tail, memory_order_release);
}

enum job_ring_result job_consumer_pop(struct job_consumer *c, struct job_slot *out)
{
    if (c->head == c->tail_seen) {
        uint32_t tail = atomic_load_explicit(&c->ring->tail, memory_order_acquire);
        if (tail - c->head > c->slots)
            return JOB_RING_LIES;
        if (tail == c->head)
            return JOB_RING_EMPTY;
        c->tail_seen = tail;
    }
    memcpy(out, &c->ring->slot[c->head++ & (c->slots - 1)], sizeof(*out));
    return JOB_RING_OK;
}

const struct job_slot *job_consumer_peek(struct job_consumer *c)
{
    if (c->head == c->tail_seen)
        c->tail_seen = atomic_load_explicit(&c->ring->tail, memory_order_acquire);
    return c->head == c->tail_seen ? NULL : &c->ring->slot[c->head & (c->slots - 1)];
}

uint32_t job_consumer_waiting(const struct job_consumer *c)
{
    return atomic_load_explicit(&c->ring->tail, memory_order_acquire) - c->head;
}

bool job_consumer_pending(struct job_consumer *c)
{
    return atomic_load_explicit(&c->ring->tail, memory_order_seq_cst) != c->head;
}

void job_consumer_release(struct job_consumer *c)
{
    atomic_store_explicit(&c->ring->head, c->head, memory_order_release);
}

bool job_sleeper_take(struct job_sleeper *s)
{
    /* Orders the producer's publish before the look at the flag; the sleeper does flag, fence,
     * look. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&s->asleep, memory_order_relaxed))
        return false;
    return atomic_exchange_explicit(&s->asleep, 0, memory_order_acq_rel) != 0;
}

/* The header has a page multiple of its own so that lanes start aligned. */
enum { HEADER_BYTES = 8192, PAGE_BYTES = 4096, HUGE_PAGE_BYTES = 2 << 20 };
static_assert(sizeof(struct job_region_header) <= HEADER_BYTES, "header room");
static_assert(ARENA_CHUNK_BYTES % PAGE_BYTES == 0, "chunks stay on their pages");

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) & ~(to - 1);
}

static size_t ring_bytes(const struct job_geometry *g)
{
    return sizeof(struct job_ring_shared) + g->slots * sizeof(struct job_slot);
}

static size_t returns_bytes(const struct job_geometry *g)
{
    return round_up(sizeof(struct arena_shared) + g->chunks * sizeof(uint32_t), 64);
}

static size_t chunks_at(const struct job_geometry *g)
{
    return round_up(2 * ring_bytes(g) + 2 * returns_bytes(g), PAGE_BYTES);
}

static size_t lane_bytes(const struct job_geometry *g)
{
    return chunks_at(g) + 2 * (size_t)g->chunks * ARENA_CHUNK_BYTES;
}

size_t job_region_page_bytes(const struct job_geometry *g)
{
    return lane_bytes(g) < HUGE_PAGE_BYTES ? PAGE_BYTES : HUGE_PAGE_BYTES;
}

size_t job_region_bytes(uint32_t lanes, const struct job_geometry *g)
{
    return round_up(HEADER_BYTES + lanes * lane_bytes(g), job_region_page_bytes(g));
}

void job_region_lane(void *region, const struct job_geometry *g, uint32_t lane,
                     struct job_lane *out)
{
    uint8_t *at = (uint8_t *)region + HEADER_BYTES + lane * lane_bytes(g);
    uint8_t *returns = at + 2 * ring_bytes(g), *chunks = at + chunks_at(g);
    size_t arena_bytes = (size_t)g->chunks * ARENA_CHUNK_BYTES;
    *out = (struct job_lane){
        .down = (struct job_ring_shared *)at,
        .up = (struct job_ring_shared *)(at + ring_bytes(g)),
        .arena_down = {(struct arena_shared *)returns, chunks, g->chunks},
        .arena_up = {(struct arena_shared *)(returns + returns_bytes(g)), chunks + arena_bytes,
                     g->chunks},
    };
}

void job_region_format(void *region, uint32_t lanes, const struct job_geometry *g)
{
    assert(lanes >= 1 && lanes <= JOB_LANES_MAX && job_geometry_is_sane(g));
    struct job_region_header *h = region;
    h->magic = JOB_REGION_MAGIC;
    h->version = JOB_REGION_VERSION;
    h->lanes = lanes;
    h->geometry = *g;
}

struct job_blame job_region_blame(const void *region)
{
    const struct job_region_header *header = region;
    return (struct job_blame){
        .script = atomic_load_explicit(&header->executing.script, memory_order_acquire),
        .job = atomic_load_explicit(&header->executing.job, memory_order_relaxed),
    };
}

int job_region_check(const void *region, size_t bytes)
{
    const struct job_region_header *h = region;
    if (bytes < HEADER_BYTES || h->magic != JOB_REGION_MAGIC || h->version != JOB_REGION_VERSION ||
        h->lanes < 1 || h->lanes > JOB_LANES_MAX || !job_geometry_is_sane(&h->geometry) ||
        bytes < job_region_bytes(h->lanes, &h->geometry))
        return -EPROTO;
    return 0;
}
