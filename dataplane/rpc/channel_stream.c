#include "dataplane/rpc/channel_stream_parts.h"

#include <assert.h>

#include "dataplane/base/mutant.h"
#include "dataplane/tcp/tcp_seq.h"

enum {
    INDEX_CONTROL = (1 << 24) - 1,
    INDEX_REFUSED = INDEX_CONTROL - 1,
    CREDIT_STEP = CHANNEL_STREAM_WINDOW / 4, /* consumed before the peer hears of it */
};

/* ---- their memory ---- */

size_t stream_pool_bytes(uint32_t streams)
{
    return sizeof(struct stream_pool) + streams * sizeof(struct stream);
}

struct stream_pool *stream_pool_init(void *memory, uint32_t streams)
{
    struct stream_pool *pool = memory;

    assert(streams < INDEX_REFUSED);
    *pool = (struct stream_pool){.count = streams, .free_count = streams};
    for (uint32_t i = streams; i-- > 0;) {
        pool->stream[i].all.next = pool->free;
        pool->free = &pool->stream[i].all;
    }
    return pool;
}

uint32_t stream_pool_free_count(const struct stream_pool *pool)
{
    return pool->free_count;
}

static void stream_init(struct channel *c, struct stream *s, uint64_t id)
{
    s->ready.next = NULL;
    s->channel = c;
    s->user = NULL;
    s->id = id;
    s->una = s->nxt = 0;
    s->limit = CHANNEL_STREAM_WINDOW;
    s->send_end = SEND_OPEN;
    s->end_acked = s->is_reset = s->is_stopped = false;
    s->reset_due = s->stop_due = s->credit_due = s->is_short = false;
    s->is_released = s->has_end = s->is_detached = false;
    s->end_at = s->high = 0;
    s->granted = CHANNEL_STREAM_WINDOW;
    s->lost.count = s->acked.count = 0;
    link_add(&c->all, &s->all);
}

/* The floors of a stream that begins. False: there are no chunks for them. */
static bool reserve(struct chunk_pool *chunks, struct stream *s, enum chunk_rank rank)
{
    s->tx = (struct byte_queue){0};
    tcp_rx_init(&s->rx, 0);
    s->rx.rank = CHUNK_BEGINS;
    if (!chunk_reserve(chunks, &s->tx.account, STREAM_FLOOR_CHUNKS, rank))
        return false;
    if (chunk_reserve(chunks, &s->rx.account, STREAM_FLOOR_CHUNKS, rank))
        return true;
    byte_queue_fini(&s->tx, chunks);
    return false;
}

static uint32_t slot_of(uint64_t id)
{
    return (uint32_t)id & (SLOTS - 1);
}

/* NULL: no stream is free, or no chunks of that rank. */
static struct stream *stream_new(struct channel *c, uint32_t slot, enum chunk_rank rank)
{
    struct stream_pool *pool = c->config.streams;

    if (pool->free == NULL)
        return NULL;

    struct stream *s = LINK_OWNER(pool->free, struct stream, all);

    if (!reserve(c->config.chunks, s, rank))
        return NULL;
    pool->free = s->all.next;
    pool->free_count--;
    c->streams++;
    stream_init(c, s, (uint64_t)c->slot[slot].generations << SLOT_BITS | slot);
    c->slot[slot].generations++;
    c->slot[slot].index = (uint32_t)(s - pool->stream) + 1;
    return s;
}

static void drop_bytes(struct channel *c, struct stream *s)
{
    byte_queue_fini(&s->tx, c->config.chunks);
    tcp_rx_fini(&s->rx, c->config.chunks);
    s->lost.count = s->acked.count = 0;
}

/* Out of the lists and the table. */
static void unlink_stream(struct channel *c, struct stream *s)
{
    uint32_t slot = slot_of(s->id);

    if (s->ready.next != NULL)
        link_remove(&s->ready);
    link_remove(&s->all);
    if (s == &c->control)
        return;
    c->streams--;
    if (s->is_detached)
        return;
    c->slot[slot].index = 0;
    if ((slot & 1) == c->parity) {
        c->own_free[(c->own_free_first + c->own_free_count) % SLOTS_OWN] = (uint16_t)slot;
        c->own_free_count++;
    }
}

static void give_back(struct channel *c, struct stream *s)
{
    struct stream_pool *pool = c->config.streams;

    s->channel = NULL;
    if (s == &c->control)
        return;
    s->all.next = pool->free;
    pool->free = &s->all;
    pool->free_count++;
}

void stream_free(struct channel *c, struct stream *s)
{
    unlink_stream(c, s);
    drop_bytes(c, s);
    give_back(c, s);
}

void streams_init(struct channel *c)
{
    memset(c->slot, 0, sizeof(c->slot));
    link_init(&c->ready);
    link_init(&c->all);
    c->streams = c->refused_count = 0;
    c->is_starved = false;
    c->parity = c->config.own_id < c->config.peer_id ? 0 : 1;
    c->own_free_first = c->own_free_count = 0;
    for (uint32_t slot = c->parity == 0 ? 2 : 1; slot < SLOTS; slot += 2)
        c->own_free[c->own_free_count++] = (uint16_t)slot;

    c->slot[0].generations = 1;
    c->slot[0].index = INDEX_CONTROL;
    /* Without floors it works as well: calls do not wait for what is said here. */
    reserve(c->config.chunks, &c->control, CHUNK_MUST);
    stream_init(c, &c->control, CHANNEL_CONTROL);
}

void streams_fini(struct channel *c)
{
    while (!link_is_empty(&c->all))
        stream_free(c, LINK_OWNER(c->all.next, struct stream, all));
}

/* ---- by id ---- */

static struct stream *stream_in(struct channel *c, uint32_t slot)
{
    uint32_t index = c->slot[slot].index;

    if (index == 0 || index == INDEX_REFUSED)
        return NULL;
    return index == INDEX_CONTROL ? &c->control : &c->config.streams->stream[index - 1];
}

enum found stream_find(struct channel *c, uint64_t id, struct stream **s)
{
    uint32_t slot = slot_of(id);
    uint64_t generation = id >> SLOT_BITS, known = c->slot[slot].generations;

    if (generation + 1 == known) {
        *s = stream_in(c, slot);
        if (*s != NULL)
            return FOUND_OPEN;
        return c->slot[slot].index == INDEX_REFUSED ? FOUND_REFUSED : FOUND_OVER;
    }
    if (generation < known)
        return FOUND_OVER;
    /* The peer opens in its own slots, each time with the next generation. */
    if (slot == 0 || (slot & 1) == c->parity || generation > known)
        return FOUND_BAD;
    return FOUND_NEW;
}

/* The peer uses the slot again, so it has all that was sent in it, and sent all. False: that cannot
 * be. */
static bool let_go(struct channel *c, struct stream *s)
{
    if (!s->is_reset && !(is_received(s) && s->send_end != SEND_OPEN && s->nxt == write_end(s)))
        return false;
    if (s->is_released) {
        stream_free(c, s);
        return true;
    }
    c->slot[slot_of(s->id)].index = 0;
    s->is_detached = true;
    s->send_end = SEND_DONE;
    s->una = s->nxt;
    s->lost.count = s->acked.count = 0;
    byte_queue_fini(&s->tx, c->config.chunks);
    s->stop_due = s->credit_due = false;
    stream_update_ready(c, s, false);
    return true;
}

/* There is no struct for it. The peer gets a RESET, and no acknowledgement of what it sent: so it
 * sends again until a RESET arrives, and nothing is to be remembered here but the slot's mark. */
static enum frame_fate refuse(struct channel *c, uint64_t id)
{
    c->config.counters->rpc_no_memory++;
    for (uint32_t i = 0; i < c->refused_count; i++) {
        if (c->refused[i] == id)
            return FRAME_REFUSED;
    }
    if (c->refused_count < REFUSED_MAX)
        c->refused[c->refused_count++] = id;
    c->is_ack_due = true;
    return FRAME_REFUSED;
}

/* Opens a stream of the peer's. The event may end it again, or the channel. */
static enum frame_fate open_by_peer(struct channel *c, uint64_t id, struct stream **out)
{
    uint32_t slot = slot_of(id);
    struct stream *old = stream_in(c, slot);

    if (old != NULL && !let_go(c, old))
        return FRAME_BAD;

    struct stream *s = stream_new(c, slot, CHUNK_MUST);

    if (s == NULL) {
        c->slot[slot].generations++;
        c->slot[slot].index = INDEX_REFUSED;
        return refuse(c, id);
    }
    c->config.events->opened(c->config.arg, c, s);
    if (c->state != CHANNEL_OPEN)
        return FRAME_GONE;
    *out = stream_in(c, slot);
    return FRAME_TAKEN;
}

/* *s NULL with TAKEN: the stream is over, the frame is late. */
static enum frame_fate stream_for(struct channel *c, uint64_t id, struct stream **s)
{
    *s = NULL;
    switch (stream_find(c, id, s)) {
    case FOUND_BAD:
        return FRAME_BAD;
    case FOUND_NEW:
        return open_by_peer(c, id, s);
    case FOUND_REFUSED:
        return refuse(c, id);
    default:
        return FRAME_TAKEN;
    }
}

void stream_settle(struct channel *c, struct stream *s)
{
    if (s->is_released && !s->is_reset && s->send_end == SEND_DONE && is_received(s))
        stream_free(c, s);
    else
        stream_update_ready(c, s, false);
}

/* ---- what arrives ---- */

/* Room up to there, whatever else takes chunks. False: there are none of that rank. */
static bool reserve_up_to(struct channel *c, struct stream *s, uint32_t end, enum chunk_rank rank)
{
    uint32_t span = tcp_rx_span(&s->rx, end);

    return span <= s->rx.account.floor ||
           chunk_reserve(c->config.chunks, &s->rx.account, span, rank);
}

/* False: not all of it found room. */
static bool store(struct channel *c, struct stream *s, const struct frame_stream *f)
{
    struct chunk_pool *pool = c->config.chunks;
    uint32_t skip = seq_lt(f->offset, s->rx.next) ? s->rx.next - f->offset : 0;

    if (skip >= f->bytes)
        return true;

    uint32_t at = f->offset + skip, bytes = f->bytes - skip;
    /* For want of chunks tcp_rx takes early ones back, which TCP may do; but these bytes were
     * acknowledged for good. So early ones come in only if what is missing before them is sure to
     * find room too. */
    bool has_room = at == s->rx.next || reserve_up_to(c, s, at + bytes, CHUNK_WAITS);

    if (has_room && tcp_rx_put(&s->rx, pool, at, f->data + skip, bytes) == bytes)
        return true;
    c->config.counters->rpc_no_memory++;
    return false;
}

enum frame_fate stream_take_bytes(struct channel *c, const struct frame_stream *f)
{
    struct stream *s;
    enum frame_fate fate = stream_for(c, f->id, &s);
    uint32_t end = f->offset + f->bytes;

    if (fate != FRAME_TAKEN || s == NULL || s->is_reset)
        return fate;
    if (f->bytes == 0 && !f->is_end)
        return FRAME_BAD;
    if (s->is_released) {
        s->has_end |= f->is_end;
        stream_settle(c, s);
        return FRAME_TAKEN;
    }

    /* Both, for an end alone may lie beyond half the circle. */
    if (seq_lt(s->granted, f->offset) || seq_lt(s->granted, end) || (f->is_end && s == &c->control))
        return FRAME_BAD;
    if (s->has_end ? seq_lt(s->end_at, end) || (f->is_end && end != s->end_at)
                   : f->is_end && seq_lt(end, s->high))
        return FRAME_BAD;
    s->high = seq_max(s->high, end);

    uint32_t before = s->rx.next;
    bool is_news = f->is_end && !s->has_end;

    if (f->is_end) {
        s->has_end = true;
        s->end_at = end;
        s->credit_due = false;
    }

    if (!store(c, s, f))
        fate = FRAME_REFUSED;
    stream_update_ready(c, s, false);
    if (s->rx.next != before || (is_news && s->rx.next == end)) {
        c->config.events->readable(c->config.arg, c, s);
        if (c->state != CHANNEL_OPEN)
            return FRAME_GONE;
    }
    return fate;
}

enum frame_fate stream_take_credit(struct channel *c, uint64_t id, uint32_t offset)
{
    struct stream *s;
    enum frame_fate fate = stream_for(c, id, &s);

    if (fate != FRAME_TAKEN || s == NULL)
        return fate;
    s->limit = seq_max(s->limit, offset);
    stream_update_ready(c, s, false);
    return FRAME_TAKEN;
}

enum frame_fate stream_take_reset(struct channel *c, uint64_t id, uint8_t code)
{
    uint32_t slot = slot_of(id);
    struct stream *s = NULL;

    if (slot == 0 || code < STREAM_CANCELLED || code > STREAM_BROKEN)
        return FRAME_BAD;
    switch (stream_find(c, id, &s)) {
    case FOUND_BAD:
        return FRAME_BAD;
    case FOUND_NEW:
        /* It came before anything else of that stream, which is late now. */
        s = stream_in(c, slot);
        if (s != NULL && !let_go(c, s))
            return FRAME_BAD;
        c->slot[slot].generations++;
        c->slot[slot].index = 0;
        return FRAME_TAKEN;
    case FOUND_REFUSED:
        c->slot[slot].index = 0;
        return FRAME_TAKEN;
    case FOUND_OVER:
        return FRAME_TAKEN;
    case FOUND_OPEN:
        break;
    }

    unlink_stream(c, s);
    drop_bytes(c, s);
    if (!s->is_released)
        c->config.events->reset(c->config.arg, c, s, code);
    if (!MUTANT(RESET_LEAKS))
        give_back(c, s);
    return c->state == CHANNEL_OPEN ? FRAME_TAKEN : FRAME_GONE;
}

enum frame_fate stream_take_stop(struct channel *c, uint64_t id)
{
    struct stream *s;

    if (slot_of(id) == 0)
        return FRAME_BAD;

    enum frame_fate fate = stream_for(c, id, &s);

    if (fate != FRAME_TAKEN || s == NULL || s->is_reset || s->is_stopped)
        return fate;

    bool is_writer = !s->is_released && s->send_end == SEND_OPEN;

    /* The end is where sending stopped. If it was sent before, it was there. */
    s->is_stopped = true;
    s->una = s->nxt;
    s->lost.count = s->acked.count = 0;
    byte_queue_fini(&s->tx, c->config.chunks);
    if (s->send_end == SEND_OPEN)
        s->send_end = SEND_END_DUE;
    if (s->end_acked)
        s->send_end = SEND_DONE;

    s->is_short = false;
    stream_settle(c, s);
    if (is_writer)
        c->config.events->writable(c->config.arg, c, s);
    return c->state == CHANNEL_OPEN ? FRAME_TAKEN : FRAME_GONE;
}

/* ---- for the owner ---- */

/* The last quarter of the pool is for streams that peers open. Rejected: first come, first served;
 * two nodes that had used their pools up for their own waited for each other for ever. */
struct stream *channel_open_stream(struct channel *c, void *user)
{
    const struct stream_pool *pool = c->config.streams;

    if (pool->free_count <= pool->count / 4)
        return NULL;
    while (c->state == CHANNEL_OPEN && c->own_free_count > 0) {
        uint32_t slot = c->own_free[c->own_free_first % SLOTS_OWN];
        /* A slot whose generations are used up stays unused for the rest of the session. */
        bool is_used_up = c->slot[slot].generations >> GENERATION_BITS != 0;
        struct stream *s = is_used_up ? NULL : stream_new(c, slot, CHUNK_BEGINS);

        if (s == NULL && !is_used_up)
            return NULL;
        c->own_free_first = (c->own_free_first + 1) % SLOTS_OWN;
        c->own_free_count--;
        if (s != NULL) {
            s->user = user;
            return s;
        }
    }
    return NULL;
}

struct stream *channel_control(struct channel *c)
{
    return c->state == CHANNEL_OPEN ? &c->control : NULL;
}

struct stream *channel_peer_stream(struct channel *c, uint64_t id)
{
    struct stream *s = NULL;
    uint32_t slot = slot_of(id);

    if (c->state != CHANNEL_OPEN || slot == 0 || (slot & 1) == c->parity ||
        stream_find(c, id, &s) != FOUND_OPEN || s->is_released)
        return NULL;
    return s;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

void stream_set_user(struct stream *s, void *user)
{
    s->user = user;
}

uint64_t stream_id(const struct stream *s)
{
    return s->id;
}

const uint8_t *stream_peek(struct stream *s, uint32_t offset, size_t *len)
{
    return tcp_rx_peek(&s->rx, offset, len);
}

size_t stream_available(const struct stream *s)
{
    return s->rx.next - s->rx.start;
}

void stream_consume(struct channel *c, struct stream *s, uint32_t bytes)
{
    assert_owned(c, s);
    tcp_rx_consume(&s->rx, c->config.chunks, bytes);
    if (stream_is_ended(s))
        tcp_rx_fini(&s->rx, c->config.chunks);
    else if (s->rx.account.floor > STREAM_FLOOR_CHUNKS && s->rx.range_count == 0)
        chunk_reserve(c->config.chunks, &s->rx.account, STREAM_FLOOR_CHUNKS, CHUNK_MUST);
    if (c->state != CHANNEL_OPEN || s->has_end || s->is_detached ||
        s->rx.start + CHANNEL_STREAM_WINDOW - s->granted < CREDIT_STEP)
        return;
    s->credit_due = true;
    stream_update_ready(c, s, true);
}

bool stream_expect(struct channel *c, struct stream *s, uint32_t bytes)
{
    assert_owned(c, s);
    return c->state != CHANNEL_OPEN || reserve_up_to(c, s, s->rx.start + bytes, CHUNK_MUST);
}

bool stream_is_ended(const struct stream *s)
{
    return s->has_end && s->rx.start == s->end_at;
}

bool stream_is_complete(const struct stream *s)
{
    return s->has_end && s->rx.next == s->end_at;
}

void stream_release(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    assert(s != &c->control);
    if (s->send_end == SEND_OPEN) {
        stream_reset(c, s, STREAM_CANCELLED);
        return;
    }
    s->is_released = true;
    s->user = NULL;
    if (c->state != CHANNEL_OPEN)
        return; /* in `down`: all of them go right after it */
    if (s->is_detached) {
        stream_free(c, s);
        return;
    }
    s->stop_due = !s->has_end;
    s->credit_due = false;
    tcp_rx_fini(&s->rx, c->config.chunks);
    stream_settle(c, s);
}

void stream_reset(struct channel *c, struct stream *s, enum stream_reset code)
{
    assert_owned(c, s);
    assert(s != &c->control);
    s->is_released = true;
    s->user = NULL;
    if (c->state != CHANNEL_OPEN)
        return;
    if (s->is_detached) {
        stream_free(c, s);
        return;
    }
    drop_bytes(c, s);
    s->una = s->nxt;
    s->is_reset = s->reset_due = true;
    s->stop_due = s->credit_due = false;
    s->reset_code = (uint8_t)code;
    stream_update_ready(c, s, true);
}
