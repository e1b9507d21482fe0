/* head.h
 *
 * How a request or response head is written into a job's chunks, and the one reader and writer for
 * it.
 *
 *   request:  u16 context_bytes, context | u8 method_bytes, method | u16 url_bytes, url
 *             | u16 count, count x field
 *   response: u16 status | u16 count, count x field
 *   field:    u16 name_bytes, name | u16 value_bytes, value
 *
 * context: the call's context stack (context.h), opaque here; empty in what a runtime sends. It
 * comes first, so that a head can be given another without being read.
 *
 * Integers: little-endian, also between nodes. Names are lower case. A url is absolute
 * ("https://host/path?query"). At most JOB_HEAD_BYTES_MAX bytes and HEAD_FIELDS_MAX fields; views
 * point into the caller's buffer. hearthd reads a response head from its private copy only.
 */
#ifndef HEARTH_HEAD_H
#define HEARTH_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_FIELDS_MAX = 1024 };

struct head_view {
    const char *p;
    size_t len;
};

struct head_field {
    struct head_view name, value;
};

/* ---- writer: `bad` sticks when the buffer is full ---- */
struct head_writer {
    uint8_t *start, *p, *end;
    uint8_t *count_at;
    uint16_t count;
    bool bad;
    bool has_too_many; /* bad, for more than HEAD_FIELDS_MAX fields */
};

void head_write_request(struct head_writer *, uint8_t *buf, size_t cap, struct head_view context,
                        struct head_view method, struct head_view url);
void head_write_response(struct head_writer *, uint8_t *buf, size_t cap, uint16_t status);
void head_write_field(struct head_writer *, struct head_view name, struct head_view value);
/* Bytes written, or 0 if anything did not fit. */
size_t head_write_end(struct head_writer *);

/* ---- reader ---- */
struct head_reader {
    const uint8_t *p, *end;
    uint16_t fields_left;
    bool bad;
};

struct head_request {
    struct head_view context, method, url;
};

/* Reads everything before the fields. Test reader.bad, or head_read_end, before using anything. */
struct head_request head_read_request(struct head_reader *, const uint8_t *buf, size_t len);
uint16_t head_read_response(struct head_reader *, const uint8_t *buf, size_t len);
/* False when there are no more fields or the head is bad. */
bool head_read_field(struct head_reader *, struct head_field *out);
/* A request head with another context stack: copies it to out. Returns its bytes, 0 if cap is too
 * small or the head is bad. */
size_t head_with_context(uint8_t *out, size_t cap, struct head_view context, const uint8_t *head,
                         size_t head_bytes);
/* True if the head was well formed to its last byte. */
bool head_read_end(const struct head_reader *);

#endif
