#include "runtime/job.h"

#include <errno.h>
#include <string.h>

static const uint32_t mask = JOB_RING_SLOTS - 1;
static_assert((JOB_RING_SLOTS & (JOB_RING_SLOTS - 1)) == 0, "a power of two");

void job_producer_init(struct job_producer *p, struct job_ring_shared *ring)
{
    *p = (struct job_producer){.ring = ring};
}

void job_consumer_init(struct job_consumer *c, struct job_ring_shared *ring)
{
    *c = (struct job_consumer){.ring = ring};
}

uint32_t job_producer_free(struct job_producer *p, uint32_t wanted)
{
    uint32_t used = p->tail - p->head_seen;
    if (JOB_RING_SLOTS - used < wanted) {
        uint32_t head = atomic_load_explicit(&p->ring->head, memory_order_acquire);
        if (p->tail - head > JOB_RING_SLOTS) {
            p->lied = true;
            return 0;
        }
        p->head_seen = head;
        used = p->tail - head;
    }
    return JOB_RING_SLOTS - used;
}

bool job_producer_push(struct job_producer *p, const struct job_slot *slot)
{
    if (job_producer_free(p, 1) == 0)
        return false;
    p->ring->slot[p->tail++ & mask] = *slot;
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
        if (tail - c->head > JOB_RING_SLOTS)
            return JOB_RING_LIES;
        if (tail == c->head)
            return JOB_RING_EMPTY;
        c->tail_seen = tail;
    }
    memcpy(out, &c->ring->slot[c->head++ & mask], sizeof(*out));
    return JOB_RING_OK;
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
enum { HEADER_BYTES = 8192, HUGE_PAGE_BYTES = 2 << 20 };
static_assert(sizeof(struct job_region_header) <= HEADER_BYTES, "header room");
static_assert(sizeof(struct job_lane_shared) % 64 == 0, "lanes stay aligned");

size_t job_region_bytes(uint32_t lanes)
{
    size_t bytes = HEADER_BYTES + (size_t)lanes * sizeof(struct job_lane_shared);
    return (bytes + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
}

struct job_lane_shared *job_region_lane(void *region, uint32_t lane)
{
    return (struct job_lane_shared *)((uint8_t *)region + HEADER_BYTES) + lane;
}

void job_region_format(void *region, uint32_t lanes)
{
    assert(lanes >= 1 && lanes <= JOB_LANES_MAX);
    struct job_region_header *h = region;
    h->magic = JOB_REGION_MAGIC;
    h->version = JOB_REGION_VERSION;
    h->lanes = lanes;
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
        h->lanes < 1 || h->lanes > JOB_LANES_MAX || bytes < job_region_bytes(h->lanes))
        return -EPROTO;
    return 0;
}
