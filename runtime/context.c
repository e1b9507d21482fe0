#include "runtime/context.h"

#include <assert.h>
#include <string.h>

#include "runtime/octets.h"

enum { VERSION = 3, GRANTED_AT = 4 };

static_assert(CONTEXT_FRAME_BYTES == 8 + 8           /* script, owner */
                                         + 4 * 4 + 4 /* limits, features */
                                         + 4         /* trust, flags, tail count, zero */
                                         + 8 * CONTEXT_TAILS_MAX + 8 /* tails, outbound */
                                         + 16 + 8,                   /* trace id, span id */
              "the wire form of a frame");
static_assert(sizeof(struct context_frame) == CONTEXT_FRAME_BYTES, "no padding to carry");

static void write_frame(struct octets_writer *w, const struct context_frame *f)
{
    assert(f->trust <= CONTEXT_TRUSTED && f->tail_count <= CONTEXT_TAILS_MAX);
    octets_put_u64(w, f->script);
    octets_put_u64(w, f->owner);
    octets_put_u32(w, f->cpu_ms);
    octets_put_u32(w, f->memory_mb);
    octets_put_u32(w, f->subrequests);
    octets_put_u32(w, f->wall_ms);
    octets_put_u32(w, f->features);
    octets_put_u8(w, f->trust);
    octets_put_u8(w, f->trace_flags);
    octets_put_u8(w, f->tail_count);
    octets_put_zero(w, 1);
    for (uint8_t i = 0; i < CONTEXT_TAILS_MAX; i++)
        octets_put_u64(w, i < f->tail_count ? f->tail[i] : 0);
    octets_put_u64(w, f->outbound);
    octets_put(w, f->trace_id, sizeof(f->trace_id));
    octets_put(w, f->span_id, sizeof(f->span_id));
}

size_t context_write(const struct context *c, uint8_t *out)
{
    struct octets_writer w = octets_writer(out, CONTEXT_BYTES_MAX);

    assert(c->count > 0 && c->count <= CONTEXT_DEPTH_MAX);
    octets_put_u8(&w, VERSION);
    octets_put_u8(&w, (uint8_t)c->count);
    octets_put_zero(&w, 2);
    octets_put_u32(&w, c->granted);
    octets_put_u32(&w, c->cpu_us);
    octets_put_u32(&w, c->wall_ms);
    for (uint32_t i = 0; i < c->count; i++)
        write_frame(&w, &c->frame[i]);
    return octets_written(&w);
}

void context_grant(uint8_t *bytes, uint32_t granted)
{
    struct octets_writer w = octets_writer(bytes + GRANTED_AT, sizeof(granted));

    assert(bytes[0] == VERSION);
    octets_put_u32(&w, granted);
}

static void read_frame(struct octets_reader *r, struct context_frame *f)
{
    f->script = octets_get_u64(r);
    f->owner = octets_get_u64(r);
    f->cpu_ms = octets_get_u32(r);
    f->memory_mb = octets_get_u32(r);
    f->subrequests = octets_get_u32(r);
    f->wall_ms = octets_get_u32(r);
    f->features = octets_get_u32(r);
    f->trust = octets_get_u8(r);
    f->trace_flags = octets_get_u8(r);
    f->tail_count = octets_get_u8(r);
    f->zero = octets_get_u8(r);
    r->bad |= f->trust > CONTEXT_TRUSTED || f->tail_count > CONTEXT_TAILS_MAX || f->zero != 0;
    for (uint8_t i = 0; i < CONTEXT_TAILS_MAX; i++) {
        f->tail[i] = octets_get_u64(r);
        r->bad |= i >= f->tail_count && f->tail[i] != 0;
    }
    f->outbound = octets_get_u64(r);
    octets_get_copy(r, f->trace_id, sizeof(f->trace_id));
    octets_get_copy(r, f->span_id, sizeof(f->span_id));
}

bool context_read(struct context *out, const uint8_t *bytes, size_t len)
{
    struct octets_reader r = octets_reader(bytes, len);
    uint8_t version = octets_get_u8(&r);

    out->count = octets_get_u8(&r);
    octets_get_zero(&r, 2);
    out->granted = octets_get_u32(&r);
    out->cpu_us = octets_get_u32(&r);
    out->wall_ms = octets_get_u32(&r);
    if (r.bad || version != VERSION || out->count == 0 || out->count > CONTEXT_DEPTH_MAX)
        return false;
    for (uint32_t i = 0; i < out->count; i++)
        read_frame(&r, &out->frame[i]);
    return octets_end(&r);
}

struct context_frame *context_push(struct context *c, uint64_t script, const uint8_t span_id[8])
{
    assert(c->count <= CONTEXT_DEPTH_MAX);
    if (c->count == CONTEXT_DEPTH_MAX)
        return NULL;

    struct context_frame *f = &c->frame[c->count];

    *f = (struct context_frame){.script = script};
    memcpy(f->span_id, span_id, sizeof(f->span_id));
    if (c->count > 0) {
        f->trace_flags = f[-1].trace_flags;
        memcpy(f->trace_id, f[-1].trace_id, sizeof(f->trace_id));
    }
    c->count++;
    return f;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

struct context_limits context_limits(const struct context *c)
{
    struct context_limits l = {.cpu_us = c->cpu_us, .wall_ms = c->wall_ms};

    for (uint32_t i = 0; i < c->count; i++) {
        l.cpu_us = least(l.cpu_us, c->frame[i].cpu_ms * 1000ull);
        l.memory_mb = (uint32_t)least(l.memory_mb, c->frame[i].memory_mb);
        l.subrequests = (uint32_t)least(l.subrequests, c->frame[i].subrequests);
        l.wall_ms = (uint32_t)least(l.wall_ms, c->frame[i].wall_ms);
    }
    return l;
}

/* ---- traceparent: version "-" trace-id "-" parent-id "-" flags, lower case hex (3.2) ---- */

enum { TRACE_FLAG_SAMPLED = 1 };

static char *put_hex(char *p, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *p++ = digits[bytes[i] >> 4];
        *p++ = digits[bytes[i] & 15];
    }
    return p;
}

void context_traceparent(const struct context *c, char out[CONTEXT_TRACEPARENT_BYTES])
{
    static const uint8_t version = 0;

    assert(c->count > 0);
    const struct context_frame *f = &c->frame[c->count - 1];
    char *p = put_hex(out, &version, 1);

    *p++ = '-';
    p = put_hex(p, f->trace_id, sizeof(f->trace_id));
    *p++ = '-';
    p = put_hex(p, f->span_id, sizeof(f->span_id));
    *p++ = '-';
    p = put_hex(p, &f->trace_flags, 1);
    assert(p == out + CONTEXT_TRACEPARENT_BYTES);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads len bytes of hex, then a dash unless it is the last field. */
static void take_hex(struct octets_reader *r, uint8_t *out, size_t len, bool is_last)
{
    const uint8_t *text = octets_get_view(r, 2 * len);

    for (size_t i = 0; text && i < len; i++) {
        int high = digit((char)text[2 * i]), low = digit((char)text[2 * i + 1]);
        if (high < 0 || low < 0) {
            r->bad = true;
            return;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    if (!is_last && octets_get_u8(r) != '-')
        r->bad = true;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;

    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

bool context_take_traceparent(struct context_frame *f, const char *text, size_t len)
{
    struct octets_reader r = octets_reader((const uint8_t *)text, len);
    uint8_t version = 0, trace_id[16], parent_id[8], flags = 0;

    take_hex(&r, &version, 1, false);
    take_hex(&r, trace_id, sizeof(trace_id), false);
    take_hex(&r, parent_id, sizeof(parent_id), false);
    take_hex(&r, &flags, 1, true);
    if (r.bad || version == 0xff || is_zero(trace_id, sizeof(trace_id)) ||
        is_zero(parent_id, sizeof(parent_id)))
        return false;
    /* A later version may have more behind a dash; what it means, we need not know. */
    if (r.p != r.end && (version == 0 || *r.p != '-'))
        return false;
    memcpy(f->trace_id, trace_id, sizeof(f->trace_id));
    f->trace_flags = flags & TRACE_FLAG_SAMPLED; /* the other bits are reserved: not passed on */
    return true;
}
