/* octets.h
 *
 * Big-endian fields in bounded bytes: one reader and one writer for everything that nodes send each
 * other.
 *
 *   struct octets_reader r = octets_reader(bytes, len);
 *   id = octets_get_u64(&r), flags = octets_get_u8(&r), octets_get_zero(&r, 3);
 *   if (!octets_end(&r)) ...                         too short, too long, or a byte that must be
 *                                                    zero is not
 *
 * `bad` sticks: after it every read gives zeros and every write does nothing, so it is tested once,
 * at the end. Views point into the caller's bytes. Header only, because it is on the packet path.
 */
#ifndef HEARTH_OCTETS_H
#define HEARTH_OCTETS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct octets_reader {
    const uint8_t *p, *end;
    bool bad;
};

static inline struct octets_reader octets_reader(const uint8_t *bytes, size_t len)
{
    return (struct octets_reader){.p = bytes, .end = bytes + len};
}

static inline size_t octets_left(const struct octets_reader *r)
{
    return (size_t)(r->end - r->p);
}

/* A view of the next len bytes; NULL: there are not so many. */
static inline const uint8_t *octets_get_view(struct octets_reader *r, size_t len)
{
    if (r->bad || octets_left(r) < len) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    r->p += len;
    return at;
}

/* Copies the next len bytes, or zeros. */
static inline void octets_get_copy(struct octets_reader *r, void *out, size_t len)
{
    const uint8_t *at = octets_get_view(r, len);

    if (at)
        memcpy(out, at, len);
    else
        memset(out, 0, len);
}

static inline uint8_t octets_get_u8(struct octets_reader *r)
{
    uint8_t v;
    octets_get_copy(r, &v, sizeof(v));
    return v;
}

static inline uint16_t octets_get_u16(struct octets_reader *r)
{
    uint16_t v;
    octets_get_copy(r, &v, sizeof(v));
    return be16toh(v);
}

static inline uint32_t octets_get_u32(struct octets_reader *r)
{
    uint32_t v;
    octets_get_copy(r, &v, sizeof(v));
    return be32toh(v);
}

static inline uint64_t octets_get_u64(struct octets_reader *r)
{
    uint64_t v;
    octets_get_copy(r, &v, sizeof(v));
    return be64toh(v);
}

/* The next len bytes must be zero: what they will mean one day, we could not honour. */
static inline void octets_get_zero(struct octets_reader *r, size_t len)
{
    const uint8_t *at = octets_get_view(r, len);

    for (size_t i = 0; at && i < len; i++)
        r->bad |= at[i] != 0;
}

/* True if all was well to the last byte, and there are no more. */
static inline bool octets_end(const struct octets_reader *r)
{
    return !r->bad && r->p == r->end;
}

struct octets_writer {
    uint8_t *start, *p, *end;
    bool bad;
};

static inline struct octets_writer octets_writer(uint8_t *out, size_t cap)
{
    return (struct octets_writer){.start = out, .p = out, .end = out + cap};
}

static inline void octets_put(struct octets_writer *w, const void *bytes, size_t len)
{
    if (w->bad || (size_t)(w->end - w->p) < len) {
        w->bad = true;
        return;
    }
    if (len > 0)
        memcpy(w->p, bytes, len);
    w->p += len;
}

static inline void octets_put_u8(struct octets_writer *w, uint8_t v)
{
    octets_put(w, &v, sizeof(v));
}

static inline void octets_put_u16(struct octets_writer *w, uint16_t v)
{
    v = htobe16(v);
    octets_put(w, &v, sizeof(v));
}

static inline void octets_put_u32(struct octets_writer *w, uint32_t v)
{
    v = htobe32(v);
    octets_put(w, &v, sizeof(v));
}

static inline void octets_put_u64(struct octets_writer *w, uint64_t v)
{
    v = htobe64(v);
    octets_put(w, &v, sizeof(v));
}

static inline void octets_put_zero(struct octets_writer *w, size_t len)
{
    for (size_t i = 0; i < len; i++)
        octets_put_u8(w, 0);
}

/* Bytes written, or 0 if they did not fit. */
static inline size_t octets_written(const struct octets_writer *w)
{
    return w->bad ? 0 : (size_t)(w->p - w->start);
}

#endif
