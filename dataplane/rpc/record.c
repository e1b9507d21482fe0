#include "dataplane/rpc/record.h"

#include <assert.h>
#include <string.h>

#include "runtime/octets.h"

/* The layouts, after the header:
 *
 *   CALL     request id u64 | script u64 | version u64 | flags u8 | zero u24 | age us u32
 *            | lazy 56 | trace 56 | head
 *   BODY     bytes                                    DATA the same
 *   ACCEPT   width u8 | zero u24 | warm us u32
 *   BOUNCE   reason u8 | zero u24 | lazy 56
 *   HEAD     cold us u32 | head
 *   DATA_END spent sub-requests u32 | spent CPU us u32
 *   ERROR    error u8 | zero u24 | as DATA_END
 *   STATE    state u8 | leaving u8 | load u16 | queue us u32
 *   RING     epoch u64 | digest u64
 *   WARM     script u64 | version u64 | handover u8 | demanded u8 | zero u16
 *   WARMED   script u64 | took us u32 | warm u8 | zero u24
 *   EVENT    sink 56 | payload
 *   RELEASE  what u8 | zero u24
 *   FIN      stream u64
 *   NOTE     bytes
 *   BODY_END, HANDED, GOAWAY: nothing
 */
enum {
    ACCEPT_BYTES = 8,
    BOUNCE_BYTES = 4 + CAPABILITY_BYTES,
    HEAD_FIXED_BYTES = 4,
    ERROR_BYTES = 4 + RECORD_END_BYTES,
    STATE_BYTES = 8,
    RING_BYTES = 16,
    WARM_BYTES = 20,
    WARMED_BYTES = 16,
    RELEASE_BYTES = 4,
    FIN_BYTES = 8,
    CALL_FLAGS = RECORD_CALL_HAS_BODY | RECORD_CALL_IDEMPOTENT | RECORD_CALL_TRACED,
};

static_assert(RECORD_CALL_FIXED_BYTES == 8 + 8 + 8 + 1 + 3 + 4 + 2 * CAPABILITY_BYTES, "CALL");
static_assert(ACCEPT_BYTES == 1 + 3 + 4, "ACCEPT");
static_assert(STATE_BYTES == 1 + 1 + 2 + 4, "STATE");
static_assert(WARM_BYTES == 8 + 8 + 1 + 1 + 2, "WARM");
static_assert(WARMED_BYTES == 8 + 4 + 1 + 3, "WARMED");
static_assert(RECORD_BYTES_MAX < 1 << 24, "a length has 24 bits");

/* What a record's content may be long. */
static const struct {
    uint32_t least, most;
} size_of[RECORD_TYPES] = {
    [RECORD_CALL] = {RECORD_CALL_FIXED_BYTES + 1, RECORD_CALL_FIXED_BYTES + JOB_HEAD_BYTES_MAX},
    [RECORD_BODY] = {0, RECORD_BODY_BYTES_MAX},
    [RECORD_BODY_END] = {0, 0},
    [RECORD_ACCEPT] = {ACCEPT_BYTES, ACCEPT_BYTES},
    [RECORD_BOUNCE] = {BOUNCE_BYTES, BOUNCE_BYTES},
    [RECORD_HEAD] = {HEAD_FIXED_BYTES + 1, HEAD_FIXED_BYTES + JOB_HEAD_BYTES_MAX},
    [RECORD_DATA] = {0, RECORD_BODY_BYTES_MAX},
    [RECORD_DATA_END] = {RECORD_END_BYTES, RECORD_END_BYTES},
    [RECORD_ERROR] = {ERROR_BYTES, ERROR_BYTES},
    [RECORD_STATE] = {STATE_BYTES, STATE_BYTES},
    [RECORD_RING] = {RING_BYTES, RING_BYTES},
    [RECORD_WARM] = {WARM_BYTES, WARM_BYTES},
    [RECORD_WARMED] = {WARMED_BYTES, WARMED_BYTES},
    [RECORD_HANDED] = {0, 0},
    [RECORD_EVENT] = {CAPABILITY_BYTES + 1, CAPABILITY_BYTES + RECORD_EVENT_BYTES_MAX},
    [RECORD_NOTE] = {0, RECORD_NOTE_BYTES_MAX},
    [RECORD_GOAWAY] = {0, 0},
    [RECORD_RELEASE] = {RELEASE_BYTES, RELEASE_BYTES},
    [RECORD_FIN] = {FIN_BYTES, FIN_BYTES},
};

static bool fits(uint32_t type, size_t bytes)
{
    return type > RECORD_NONE && type < RECORD_TYPES && bytes >= size_of[type].least &&
           bytes <= size_of[type].most;
}

bool record_read_header(struct record_header *h, const uint8_t in[RECORD_HEADER_BYTES])
{
    h->type = in[0];
    h->bytes = (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
    return fits(h->type, h->bytes);
}

void record_write_header(uint8_t out[RECORD_HEADER_BYTES], enum record_type type, uint32_t bytes)
{
    assert(fits(type, bytes));
    out[0] = (uint8_t)type;
    out[1] = (uint8_t)(bytes >> 16);
    out[2] = (uint8_t)(bytes >> 8);
    out[3] = (uint8_t)bytes;
}

/* ---- writers ---- */

static struct octets_writer start(uint8_t *out, size_t cap, enum record_type type, size_t bytes)
{
    struct octets_writer w = octets_writer(out, cap);
    uint8_t header[RECORD_HEADER_BYTES];

    record_write_header(header, type, (uint32_t)bytes);
    octets_put(&w, header, sizeof(header));
    return w;
}

/* The header's length and what was written are the same, or the layout above is wrong. */
static size_t finish(const struct octets_writer *w, size_t bytes)
{
    size_t written = octets_written(w);

    assert(written == 0 || written == RECORD_HEADER_BYTES + bytes);
    return written;
}

size_t record_write_call(uint8_t *out, size_t cap, const struct record_call *c)
{
    size_t bytes = RECORD_CALL_FIXED_BYTES + (size_t)c->head_bytes;
    struct octets_writer w = start(out, cap, RECORD_CALL, bytes);

    assert((c->flags & ~CALL_FLAGS) == 0);
    octets_put_u64(&w, c->request_id);
    octets_put_u64(&w, c->script);
    octets_put_u64(&w, c->version);
    octets_put_u8(&w, c->flags);
    octets_put_zero(&w, 3);
    octets_put_u32(&w, c->age_us);
    octets_put(&w, c->lazy, sizeof(c->lazy));
    octets_put(&w, c->trace, sizeof(c->trace));
    octets_put(&w, c->head, c->head_bytes);
    return finish(&w, bytes);
}

static bool is_width(uint8_t width)
{
    return width == 1 || width == 2 || width == 4;
}

size_t record_write_accept(uint8_t *out, size_t cap, const struct record_accept *a)
{
    struct octets_writer w = start(out, cap, RECORD_ACCEPT, ACCEPT_BYTES);

    assert(is_width(a->width));
    octets_put_u8(&w, a->width);
    octets_put_zero(&w, 3);
    octets_put_u32(&w, a->warm_us);
    return finish(&w, ACCEPT_BYTES);
}

size_t record_write_bounce(uint8_t *out, size_t cap, const struct record_bounce *b)
{
    struct octets_writer w = start(out, cap, RECORD_BOUNCE, BOUNCE_BYTES);

    assert(b->reason > 0 && b->reason < BOUNCE_REASONS);
    octets_put_u8(&w, b->reason);
    octets_put_zero(&w, 3);
    octets_put(&w, b->lazy, sizeof(b->lazy));
    return finish(&w, BOUNCE_BYTES);
}

size_t record_write_head(uint8_t *out, size_t cap, const struct record_head *h)
{
    size_t bytes = HEAD_FIXED_BYTES + (size_t)h->head_bytes;
    struct octets_writer w = start(out, cap, RECORD_HEAD, bytes);

    octets_put_u32(&w, h->cold_us);
    octets_put(&w, h->head, h->head_bytes);
    return finish(&w, bytes);
}

static void put_end(struct octets_writer *w, const struct record_end *e)
{
    octets_put_u32(w, e->spent_subrequests);
    octets_put_u32(w, e->spent_cpu_us);
}

size_t record_write_end(uint8_t *out, size_t cap, const struct record_end *e)
{
    struct octets_writer w = start(out, cap, RECORD_DATA_END, RECORD_END_BYTES);

    put_end(&w, e);
    return finish(&w, RECORD_END_BYTES);
}

size_t record_write_error(uint8_t *out, size_t cap, const struct record_error *e)
{
    struct octets_writer w = start(out, cap, RECORD_ERROR, ERROR_BYTES);

    assert(e->error > JOB_ERROR_NONE && e->error < JOB_ERROR_KINDS);
    octets_put_u8(&w, (uint8_t)e->error);
    octets_put_zero(&w, 3);
    put_end(&w, &e->end);
    return finish(&w, ERROR_BYTES);
}

size_t record_write_state(uint8_t *out, size_t cap, const struct record_state *s)
{
    struct octets_writer w = start(out, cap, RECORD_STATE, STATE_BYTES);

    assert(s->state < NODE_STATES && (!s->is_leaving || s->state == NODE_SERVING));
    octets_put_u8(&w, s->state);
    octets_put_u8(&w, s->is_leaving);
    octets_put_u16(&w, s->load);
    octets_put_u32(&w, s->queue_us);
    return finish(&w, STATE_BYTES);
}

size_t record_write_ring(uint8_t *out, size_t cap, const struct record_ring *r)
{
    struct octets_writer w = start(out, cap, RECORD_RING, RING_BYTES);

    octets_put_u64(&w, r->epoch);
    octets_put_u64(&w, r->digest);
    return finish(&w, RING_BYTES);
}

size_t record_write_warm(uint8_t *out, size_t cap, const struct record_warm *m)
{
    struct octets_writer w = start(out, cap, RECORD_WARM, WARM_BYTES);

    octets_put_u64(&w, m->script);
    octets_put_u64(&w, m->version);
    octets_put_u8(&w, m->is_handover);
    octets_put_u8(&w, m->is_demanded);
    octets_put_zero(&w, 2);
    return finish(&w, WARM_BYTES);
}

size_t record_write_warmed(uint8_t *out, size_t cap, const struct record_warmed *m)
{
    struct octets_writer w = start(out, cap, RECORD_WARMED, WARMED_BYTES);

    octets_put_u64(&w, m->script);
    octets_put_u32(&w, m->took_us);
    octets_put_u8(&w, m->is_warm);
    octets_put_zero(&w, 3);
    return finish(&w, WARMED_BYTES);
}

size_t record_write_release(uint8_t *out, size_t cap, enum record_release what)
{
    struct octets_writer w = start(out, cap, RECORD_RELEASE, RELEASE_BYTES);

    assert(what > 0 && what < RELEASES);
    octets_put_u8(&w, (uint8_t)what);
    octets_put_zero(&w, 3);
    return finish(&w, RELEASE_BYTES);
}

size_t record_write_fin(uint8_t *out, size_t cap, const struct record_fin *f)
{
    struct octets_writer w = start(out, cap, RECORD_FIN, FIN_BYTES);

    octets_put_u64(&w, f->stream);
    return finish(&w, FIN_BYTES);
}

size_t record_write_event(uint8_t *out, size_t cap, const struct record_event *e)
{
    size_t bytes = CAPABILITY_BYTES + (size_t)e->payload_bytes;
    struct octets_writer w = start(out, cap, RECORD_EVENT, bytes);

    octets_put(&w, e->sink, sizeof(e->sink));
    octets_put(&w, e->payload, e->payload_bytes);
    return finish(&w, bytes);
}

size_t record_write_empty(uint8_t *out, size_t cap, enum record_type type)
{
    struct octets_writer w = start(out, cap, type, 0);

    assert(size_of[type].most == 0);
    return finish(&w, 0);
}

/* ---- readers ---- */

/* A length that the type cannot have is as bad as a field. */
static struct octets_reader content(enum record_type type, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = octets_reader(bytes, len);

    r.bad = !fits(type, len);
    return r;
}

static bool read_bool(struct octets_reader *r)
{
    uint8_t v = octets_get_u8(r);

    r->bad |= v > 1;
    return v == 1;
}

bool record_read_call(struct record_call *c, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_CALL, bytes, len);

    c->request_id = octets_get_u64(&r);
    c->script = octets_get_u64(&r);
    c->version = octets_get_u64(&r);
    c->flags = octets_get_u8(&r);
    octets_get_zero(&r, 3);
    c->age_us = octets_get_u32(&r);
    octets_get_copy(&r, c->lazy, sizeof(c->lazy));
    octets_get_copy(&r, c->trace, sizeof(c->trace));
    c->head_bytes = (uint32_t)octets_left(&r);
    c->head = octets_get_view(&r, c->head_bytes);
    return octets_end(&r) && (c->flags & ~CALL_FLAGS) == 0;
}

bool record_read_accept(struct record_accept *a, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_ACCEPT, bytes, len);

    a->width = octets_get_u8(&r);
    octets_get_zero(&r, 3);
    a->warm_us = octets_get_u32(&r);
    return octets_end(&r) && is_width(a->width);
}

bool record_read_bounce(struct record_bounce *b, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_BOUNCE, bytes, len);

    b->reason = octets_get_u8(&r);
    octets_get_zero(&r, 3);
    octets_get_copy(&r, b->lazy, sizeof(b->lazy));
    return octets_end(&r) && b->reason > 0 && b->reason < BOUNCE_REASONS;
}

bool record_read_head(struct record_head *h, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_HEAD, bytes, len);

    h->cold_us = octets_get_u32(&r);
    h->head_bytes = (uint32_t)octets_left(&r);
    h->head = octets_get_view(&r, h->head_bytes);
    return octets_end(&r);
}

static void get_end(struct octets_reader *r, struct record_end *e)
{
    e->spent_subrequests = octets_get_u32(r);
    e->spent_cpu_us = octets_get_u32(r);
}

bool record_read_end(struct record_end *e, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_DATA_END, bytes, len);

    get_end(&r, e);
    return octets_end(&r);
}

bool record_read_error(struct record_error *e, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_ERROR, bytes, len);
    uint8_t kind = octets_get_u8(&r);

    octets_get_zero(&r, 3);
    e->error = (enum job_error)kind;
    get_end(&r, &e->end);
    return octets_end(&r) && kind > JOB_ERROR_NONE && kind < JOB_ERROR_KINDS;
}

bool record_read_state(struct record_state *s, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_STATE, bytes, len);

    s->state = octets_get_u8(&r);
    s->is_leaving = read_bool(&r);
    s->load = octets_get_u16(&r);
    s->queue_us = octets_get_u32(&r);
    return octets_end(&r) && s->state < NODE_STATES && (!s->is_leaving || s->state == NODE_SERVING);
}

bool record_read_ring(struct record_ring *ring, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_RING, bytes, len);

    ring->epoch = octets_get_u64(&r);
    ring->digest = octets_get_u64(&r);
    return octets_end(&r);
}

bool record_read_warm(struct record_warm *m, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_WARM, bytes, len);

    m->script = octets_get_u64(&r);
    m->version = octets_get_u64(&r);
    m->is_handover = read_bool(&r);
    m->is_demanded = read_bool(&r);
    octets_get_zero(&r, 2);
    return octets_end(&r);
}

bool record_read_warmed(struct record_warmed *m, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_WARMED, bytes, len);

    m->script = octets_get_u64(&r);
    m->took_us = octets_get_u32(&r);
    m->is_warm = read_bool(&r);
    octets_get_zero(&r, 3);
    return octets_end(&r);
}

bool record_read_release(enum record_release *what, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_RELEASE, bytes, len);
    uint8_t value = octets_get_u8(&r);

    octets_get_zero(&r, 3);
    *what = (enum record_release)value;
    return octets_end(&r) && value > 0 && value < RELEASES;
}

bool record_read_fin(struct record_fin *f, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_FIN, bytes, len);

    f->stream = octets_get_u64(&r);
    return octets_end(&r);
}

bool record_read_event(struct record_event *e, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = content(RECORD_EVENT, bytes, len);

    octets_get_copy(&r, e->sink, sizeof(e->sink));
    e->payload_bytes = (uint32_t)octets_left(&r);
    e->payload = octets_get_view(&r, e->payload_bytes);
    return octets_end(&r);
}
