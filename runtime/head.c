#include "runtime/head.h"

#include <string.h>

static void put(struct head_writer *w, const void *bytes, size_t len)
{
    if (w->bad || (size_t)(w->end - w->p) < len) {
        w->bad = true;
        return;
    }
    memcpy(w->p, bytes, len);
    w->p += len;
}

static void put_u16(struct head_writer *w, size_t value)
{
    uint16_t v = (uint16_t)value;
    if (value > UINT16_MAX)
        w->bad = true;
    put(w, &v, sizeof(v));
}

static void put_view16(struct head_writer *w, struct head_view v)
{
    put_u16(w, v.len);
    put(w, v.p, v.len);
}

static void start(struct head_writer *w, uint8_t *buf, size_t cap)
{
    *w = (struct head_writer){.start = buf, .p = buf, .end = buf + cap};
}

static void start_fields(struct head_writer *w)
{
    w->count_at = w->p;
    put_u16(w, 0);
}

void head_write_request(struct head_writer *w, uint8_t *buf, size_t cap, struct head_view context,
                        struct head_view method, struct head_view url)
{
    start(w, buf, cap);
    put_view16(w, context);
    uint8_t method_bytes = (uint8_t)method.len;
    if (method.len > UINT8_MAX)
        w->bad = true;
    put(w, &method_bytes, 1);
    put(w, method.p, method.len);
    put_view16(w, url);
    start_fields(w);
}

void head_write_response(struct head_writer *w, uint8_t *buf, size_t cap, uint16_t status)
{
    start(w, buf, cap);
    put_u16(w, status);
    start_fields(w);
}

void head_write_field(struct head_writer *w, struct head_view name, struct head_view value)
{
    if (w->count == HEAD_FIELDS_MAX)
        w->bad = w->has_too_many = true;
    put_view16(w, name);
    put_view16(w, value);
    w->count++;
}

size_t head_write_end(struct head_writer *w)
{
    if (w->bad)
        return 0;
    memcpy(w->count_at, &w->count, sizeof(w->count));
    return (size_t)(w->p - w->start);
}

static const uint8_t *get(struct head_reader *r, size_t len)
{
    if (r->bad || (size_t)(r->end - r->p) < len) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    r->p += len;
    return at;
}

static uint16_t get_u16(struct head_reader *r)
{
    uint16_t v = 0;
    const uint8_t *at = get(r, sizeof(v));
    if (at)
        memcpy(&v, at, sizeof(v));
    return v;
}

static struct head_view get_view(struct head_reader *r, size_t len)
{
    const uint8_t *at = get(r, len);
    return at ? (struct head_view){(const char *)at, len} : (struct head_view){"", 0};
}

static void read_count(struct head_reader *r)
{
    r->fields_left = get_u16(r);
    if (r->fields_left > HEAD_FIELDS_MAX)
        r->bad = true;
}

struct head_request head_read_request(struct head_reader *r, const uint8_t *buf, size_t len)
{
    *r = (struct head_reader){.p = buf, .end = buf + len};
    struct head_request request;
    request.context = get_view(r, get_u16(r));
    const uint8_t *method_bytes = get(r, 1);
    request.method = get_view(r, method_bytes ? *method_bytes : 0);
    request.url = get_view(r, get_u16(r));
    read_count(r);
    return request;
}

size_t head_with_context(uint8_t *out, size_t cap, struct head_view context, const uint8_t *head,
                         size_t head_bytes)
{
    struct head_reader r = {.p = head, .end = head + head_bytes};
    struct head_writer w;
    get(&r, get_u16(&r));
    start(&w, out, cap);
    put_view16(&w, context);
    put(&w, r.p, (size_t)(r.end - r.p));
    return r.bad || w.bad ? 0 : (size_t)(w.p - w.start);
}

uint16_t head_read_response(struct head_reader *r, const uint8_t *buf, size_t len)
{
    *r = (struct head_reader){.p = buf, .end = buf + len};
    uint16_t status = get_u16(r);
    read_count(r);
    return status;
}

bool head_read_field(struct head_reader *r, struct head_field *out)
{
    if (r->bad || r->fields_left == 0)
        return false;
    out->name = get_view(r, get_u16(r));
    out->value = get_view(r, get_u16(r));
    r->fields_left--;
    return !r->bad;
}

bool head_read_end(const struct head_reader *r)
{
    return !r->bad && r->fields_left == 0 && r->p == r->end;
}
