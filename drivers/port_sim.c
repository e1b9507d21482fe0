#include "drivers/port_sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/csum.h"
#include "drivers/gso.h"
#include "drivers/rng.h"

enum {
    ETHERNET_BYTES = 18,
    WIRE_OVERHEAD_BYTES = 24 /* preamble, checksum, gap */,
    HEAP_START = 64,
    LARGE_BYTES = 65000,
};

struct buffer {
    struct buffer *next_free;
    uint64_t arrives_at_ns;
    uint64_t number; /* breaks ties: frames of the same nanosecond arrive in the order sent */
    uint32_t len;
    bool is_large;
    uint8_t bytes[];
};

/* A binary heap of frames by arrival. */
struct direction {
    struct port_sim_faults faults;
    struct port_sim_counts counts;
    struct rng rng;
    uint64_t line_free_at_ns;
    uint64_t next_number;
    struct buffer **heap;
    uint32_t heap_count, heap_room;
};

struct end {
    struct port base;
    struct port_sim_wire *wire;
    int index;
    bool is_open;
    struct port_stats stats;
};

struct port_sim_wire {
    const struct clock *clock;
    uint32_t frame_bytes_max;
    struct buffer *free, *free_large;
    struct direction direction[2]; /* by the end that sends */
    struct end end[2];
};

static bool arrives_before(const struct buffer *a, const struct buffer *b)
{
    return a->arrives_at_ns != b->arrives_at_ns ? a->arrives_at_ns < b->arrives_at_ns
                                                : a->number < b->number;
}

static bool heap_push(struct direction *d, struct buffer *b)
{
    if (d->heap_count == d->heap_room) {
        uint32_t room = d->heap_room ? d->heap_room * 2 : HEAP_START;
        struct buffer **heap = realloc(d->heap, room * sizeof(*heap));
        if (!heap)
            return false;
        d->heap = heap;
        d->heap_room = room;
    }
    uint32_t at = d->heap_count++;
    while (at > 0 && arrives_before(b, d->heap[(at - 1) / 2])) {
        d->heap[at] = d->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    d->heap[at] = b;
    return true;
}

static struct buffer *heap_pop(struct direction *d)
{
    struct buffer *first = d->heap[0], *last = d->heap[--d->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= d->heap_count)
            break;
        if (child + 1 < d->heap_count && arrives_before(d->heap[child + 1], d->heap[child]))
            child++;
        if (!arrives_before(d->heap[child], last))
            break;
        d->heap[at] = d->heap[child];
        at = child;
    }
    if (d->heap_count > 0)
        d->heap[at] = last;
    return first;
}

static struct buffer *buffer_get(struct port_sim_wire *w)
{
    struct buffer *b = w->free;
    if (b)
        w->free = b->next_free;
    else
        b = malloc(sizeof(*b) + w->frame_bytes_max);
    if (b)
        b->is_large = false;
    return b;
}

static struct buffer *buffer_get_large(struct port_sim_wire *w)
{
    struct buffer *b = w->free_large;
    if (b)
        w->free_large = b->next_free;
    else
        b = malloc(sizeof(*b) + LARGE_BYTES);
    if (b)
        b->is_large = true;
    return b;
}

static void buffer_put(struct port_sim_wire *w, struct buffer *b)
{
    struct buffer **free = b->is_large ? &w->free_large : &w->free;
    b->next_free = *free;
    *free = b;
}

/* When the last bit has left: frames queue up behind each other on a line with a rate. */
static uint64_t departure(struct direction *d, uint64_t now, uint32_t len)
{
    if (d->faults.rate_bps == 0)
        return now;
    uint64_t start = d->line_free_at_ns > now ? d->line_free_at_ns : now;
    uint64_t bits = (uint64_t)(len + WIRE_OVERHEAD_BYTES) * 8;
    d->line_free_at_ns = start + bits * 1000000000 / d->faults.rate_bps;
    return d->line_free_at_ns;
}

static void carry(struct port_sim_wire *w, struct direction *d, struct buffer *b, uint64_t at)
{
    b->arrives_at_ns = at;
    b->number = d->next_number++;
    if (d->heap_count >= PORT_SIM_IN_FLIGHT_MAX || !heap_push(d, b)) {
        d->counts.overflow++;
        buffer_put(w, b);
    }
}

static void transmit(struct port_sim_wire *w, int from, struct buffer *b)
{
    struct direction *d = &w->direction[from];
    uint64_t left = departure(d, clock_now_ns(w->clock), b->len) + d->faults.delay_ns;
    bool is_lost = rng_chance(&d->rng, d->faults.loss);
    bool is_doubled = rng_chance(&d->rng, d->faults.duplicate);
    bool is_corrupted = rng_chance(&d->rng, d->faults.corrupt);
    uint64_t bit = rng_below(&d->rng, (uint64_t)b->len * 8);
    uint64_t jitter = rng_below(&d->rng, d->faults.jitter_ns + 1);
    uint64_t second_jitter = rng_below(&d->rng, d->faults.jitter_ns + 1);

    d->counts.sent++;
    if (is_lost || !w->end[!from].is_open) {
        d->counts.lost++;
        buffer_put(w, b);
        return;
    }
    struct buffer *copy = is_doubled ? buffer_get(w) : NULL;
    if (copy) {
        d->counts.duplicated++;
        copy->len = b->len;
        memcpy(copy->bytes, b->bytes, b->len);
    }
    if (is_corrupted) {
        d->counts.corrupted++;
        b->bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    carry(w, d, b, left + jitter);
    if (copy)
        carry(w, d, copy, left + second_jitter);
}

static struct end *self(struct port *p)
{
    return (struct end *)p; /* base is the first member */
}

static uint16_t sim_rx(struct port *p, uint16_t queue, struct frame *frames, uint16_t count)
{
    struct end *e = self(p);
    struct direction *d = &e->wire->direction[!e->index];
    uint64_t now = clock_now_ns(e->wire->clock);
    uint16_t n = 0;

    while (n < count && d->heap_count > 0 && d->heap[0]->arrives_at_ns <= now) {
        struct buffer *b = heap_pop(d);
        d->counts.arrived++;
        e->stats.rx_frames++;
        e->stats.rx_bytes += b->len;
        frames[n++] = (struct frame){
            .bytes = b->bytes,
            .len = b->len,
            .rx_csum = (uint8_t)csum_verify(b->bytes, b->len),
            .handle = b,
        };
    }
    return n;
}

static void sim_free(struct port *p, uint16_t queue, struct frame *frames, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++)
        buffer_put(self(p)->wire, frames[i].handle);
}

static bool sim_tx_alloc(struct port *p, uint16_t queue, struct frame *f)
{
    struct buffer *b = buffer_get(self(p)->wire);
    if (!b)
        return false;
    *f = (struct frame){.bytes = b->bytes, .handle = b};
    return true;
}

static bool sim_tx_alloc_large(struct port *p, uint16_t queue, struct frame *f)
{
    struct buffer *b = buffer_get_large(self(p)->wire);
    if (!b)
        return false;
    *f = (struct frame){.bytes = b->bytes, .handle = b};
    return true;
}

static void send_one(struct end *e, struct frame *f)
{
    struct buffer *b = f->handle;
    assert(f->len > 0 && f->len <= e->base.frame_bytes_max);
    csum_fill(f);
    b->len = f->len;
    e->stats.tx_frames++;
    e->stats.tx_bytes += f->len;
    transmit(e->wire, e->index, b);
}

/* Into buffers of the wire's size. */
static void send_large(struct end *e, struct frame *large)
{
    uint32_t count = gso_count(large);
    assert(large->len <= LARGE_BYTES && (large->gso_size == 0 || count > 1));
    e->stats.tx_large += large->gso_size > 0;
    for (uint32_t i = 0; i < count; i++) {
        struct frame f;
        if (!sim_tx_alloc(&e->base, 0, &f)) {
            e->stats.tx_full++;
            continue;
        }
        if (large->gso_size) {
            gso_segment(large, i, &f);
        } else {
            memcpy(f.bytes, large->bytes, large->len);
            f.len = large->len;
            f.tx_csum = large->tx_csum;
            f.l3_offset = large->l3_offset;
            f.l4_offset = large->l4_offset;
        }
        send_one(e, &f);
    }
    buffer_put(e->wire, large->handle);
}

static void sim_tx(struct port *p, uint16_t queue, struct frame *frames, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        const struct buffer *b = frames[i].handle;
        if (b->is_large)
            send_large(self(p), &frames[i]);
        else
            send_one(self(p), &frames[i]);
    }
}

static int sim_wait_fds(struct port *p, uint16_t queue, int *fds, int max)
{
    return 0; /* time is virtual: nothing to wait for */
}

static void sim_stats(struct port *p, uint16_t queue, struct port_stats *out)
{
    *out = self(p)->stats;
}

static void sim_close(struct port *p)
{
    struct end *e = self(p);
    struct direction *d = &e->wire->direction[!e->index];
    e->is_open = false;
    while (d->heap_count > 0) {
        d->counts.lost++;
        buffer_put(e->wire, heap_pop(d));
    }
}

static const struct port_ops sim_ops = {
    .rx = sim_rx,
    .free = sim_free,
    .tx_alloc = sim_tx_alloc,
    .tx_alloc_large = sim_tx_alloc_large,
    .tx = sim_tx,
    .wait_fds = sim_wait_fds,
    .stats = sim_stats,
    .close = sim_close,
};

struct port_sim_wire *port_sim_wire_create(const struct clock *clock, uint64_t seed, uint16_t mtu,
                                           struct port_sim_faults a_to_b,
                                           struct port_sim_faults b_to_a)
{
    struct port_sim_wire *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->clock = clock;
    w->frame_bytes_max = mtu + ETHERNET_BYTES;
    for (int i = 0; i < 2; i++) {
        w->direction[i].rng.state = rng_mix(seed + (uint64_t)i);
        w->end[i] = (struct end){
            .base =
                {.ops = &sim_ops,
                 .caps = {.name = "sim", .driver = "sim", .mtu = mtu, .queues = 1, .numa_node = -1},
                 .frame_bytes_max = w->frame_bytes_max},
            .wire = w,
            .index = i,
        };
        w->end[i].base.caps.has_tso = rng_mix(seed + 2 + (uint64_t)i) & 1;
        w->end[i].base.large_bytes_max = w->end[i].base.caps.has_tso ? LARGE_BYTES : 0;
    }
    port_sim_set_faults(w, a_to_b, b_to_a);
    return w;
}

struct port *port_sim_end(struct port_sim_wire *w, int end, const uint8_t mac[6])
{
    assert(end == 0 || end == 1);
    struct end *e = &w->end[end];
    memcpy(e->base.caps.mac, mac, sizeof(e->base.caps.mac));
    e->is_open = true;
    return &e->base;
}

uint64_t port_sim_next_ns(const struct port_sim_wire *w)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        const struct direction *d = &w->direction[i];
        if (d->heap_count > 0 && d->heap[0]->arrives_at_ns < next)
            next = d->heap[0]->arrives_at_ns;
    }
    return next;
}

void port_sim_set_faults(struct port_sim_wire *w, struct port_sim_faults a_to_b,
                         struct port_sim_faults b_to_a)
{
    w->direction[0].faults = a_to_b;
    w->direction[1].faults = b_to_a;
}

struct port_sim_counts port_sim_counts(const struct port_sim_wire *w, int from_end)
{
    struct port_sim_counts c = w->direction[from_end].counts;
    c.in_flight = w->direction[from_end].heap_count;
    return c;
}

static void free_list(struct buffer *b)
{
    while (b) {
        struct buffer *next = b->next_free;
        free(b);
        b = next;
    }
}

void port_sim_wire_destroy(struct port_sim_wire *w)
{
    for (int i = 0; i < 2; i++) {
        struct direction *d = &w->direction[i];
        while (d->heap_count > 0)
            buffer_put(w, heap_pop(d));
        free(d->heap);
    }
    free_list(w->free);
    free_list(w->free_large);
    free(w);
}
