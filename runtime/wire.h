/* wire.h
 *
 * Big-endian fields in bounded bytes: one reader and one writer for everything that nodes send each other.
 *
 *   struct wire_reader r = wire_reader(bytes, len);
 *   id = wire_u64(&r), flags = wire_u8(&r), wire_zero(&r, 3);
 *   if (!wire_end(&r)) ...                         too short, too long, or a byte that must be zero is not
 *
 * `bad` sticks: after it every read gives zeros and every write does nothing, so it is tested once, at the end. Views point into the
 * caller's bytes. Header only, because it is on the packet path.
 */
#ifndef HEARTH_WIRE_H
#define HEARTH_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
    const uint8_t *p, *end;
    bool bad;
};

static inline struct wire_reader wire_reader(const uint8_t *bytes, size_t len)
{
    return (struct wire_reader){.p = bytes, .end = bytes + len};
}

static inline size_t wire_left(const struct wire_reader *r)
{
    return (size_t)(r->end - r->p);
}

/* A view of the next len bytes; NULL: there are not so many. */
static inline const uint8_t *wire_view(struct wire_reader *r, size_t len)
{
    if (r->bad || wire_left(r) < len) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    r->p += len;
    return at;
}

/* Copies the next len bytes, or zeros. */
static inline void wire_copy(struct wire_reader *r, void *out, size_t len)
{
    const uint8_t *at = wire_view(r, len);

    if (at)
        memcpy(out, at, len);
    else
        memset(out, 0, len);
}

static inline uint8_t wire_u8(struct wire_reader *r)
{
    uint8_t v;
    wire_copy(r, &v, sizeof(v));
    return v;
}

static inline uint16_t wire_u16(struct wire_reader *r)
{
    uint16_t v;
    wire_copy(r, &v, sizeof(v));
    return be16toh(v);
}

static inline uint32_t wire_u32(struct wire_reader *r)
{
    uint32_t v;
    wire_copy(r, &v, sizeof(v));
    return be32toh(v);
}

static inline uint64_t wire_u64(struct wire_reader *r)
{
    uint64_t v;
    wire_copy(r, &v, sizeof(v));
    return be64toh(v);
}

/* The next len bytes must be zero: what they will mean one day, we could not honour. */
static inline void wire_zero(struct wire_reader *r, size_t len)
{
    const uint8_t *at = wire_view(r, len);

    for (size_t i = 0; at && i < len; i++)
        r->bad |= at[i] != 0;
}

/* True if all was well to the last byte, and there are no more. */
static inline bool wire_end(const struct wire_reader *r)
{
    return !r->bad && r->p == r->end;
}

struct wire_writer {
    uint8_t *start, *p, *end;
    bool bad;
};

static inline struct wire_writer wire_writer(uint8_t *out, size_t cap)
{
    return (struct wire_writer){.start = out, .p = out, .end = out + cap};
}

static inline void wire_put(struct wire_writer *w, const void *bytes, size_t len)
{
    if (w->bad || (size_t)(w->end - w->p) < len) {
        w->bad = true;
        return;
    }
    if (len > 0)
        memcpy(w->p, bytes, len);
    w->p += len;
}

static inline void wire_put_u8(struct wire_writer *w, uint8_t v)
{
    wire_put(w, &v, sizeof(v));
}

static inline void wire_put_u16(struct wire_writer *w, uint16_t v)
{
    v = htobe16(v);
    wire_put(w, &v, sizeof(v));
}

static inline void wire_put_u32(struct wire_writer *w, uint32_t v)
{
    v = htobe32(v);
    wire_put(w, &v, sizeof(v));
}

static inline void wire_put_u64(struct wire_writer *w, uint64_t v)
{
    v = htobe64(v);
    wire_put(w, &v, sizeof(v));
}

static inline void wire_put_zero(struct wire_writer *w, size_t len)
{
    for (size_t i = 0; i < len; i++)
        wire_put_u8(w, 0);
}

/* Bytes written, or 0 if they did not fit. */
static inline size_t wire_written(const struct wire_writer *w)
{
    return w->bad ? 0 : (size_t)(w->p - w->start);
}

#endif
