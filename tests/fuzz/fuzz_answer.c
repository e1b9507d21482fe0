/* Any bytes as what a server of the world answers: head after head, and the body of the last one,
 * come out the same whole or in pieces. The first byte chooses the size of a piece, and whether a
 * HEAD was asked. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/http/http1_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    enum http1_result head, body;
    uint64_t hash, body_bytes;
    uint16_t status;
    size_t head_bytes;
};

static void note(struct story *s, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}

static void check_fields(struct story *s, const struct http1_answer *a, const char *bytes)
{
    for (uint16_t i = 0; i < a->field_count; i++) {
        const struct head_field *f = &a->field[i];
        assert(f->name.len > 0 && f->name.p > bytes && f->value.p >= f->name.p + f->name.len);
        assert(f->value.p + f->value.len <= bytes + a->head_bytes);
        assert(!memchr(f->value.p, '\r', f->value.len) && !memchr(f->value.p, '\n', f->value.len));
        note(s, f->name.p, f->name.len);
        note(s, f->value.p, f->value.len);
        note(s, &(bool){http1_answer_is_hop(a, f->name)}, 1);
    }
}

static struct story run(const uint8_t *data, size_t size, size_t piece, bool is_to_head)
{
    static struct http1_answer a;
    struct story s = {0};
    size_t at = 0;
    do {
        size_t have = 0, seen = 0;
        s.head = HTTP1_MORE;
        while (s.head == HTTP1_MORE && have < size - at) {
            have += size - at - have < piece ? size - at - have : piece;
            s.head = http1_answer_parse(&a, (const char *)data + at, have, seen, is_to_head);
            seen = have;
        }
        if (s.head != HTTP1_OK)
            return s;
        s.status = a.status;
        s.head_bytes = a.head_bytes;
        check_fields(&s, &a, (const char *)data + at);
        at += a.head_bytes;
    } while (a.is_interim && at < size);
    struct http1_body body;
    http1_body_init_answer(&body, &a);
    s.body = HTTP1_MORE;
    while (s.body == HTTP1_MORE && at < size && !a.ends_with_connection) {
        size_t n = size - at < piece ? size - at : piece, eaten;
        struct head_view payload;
        s.body = http1_body_input(&body, data + at, n, &eaten, &payload);
        note(&s, payload.p, payload.len);
        s.body_bytes += payload.len;
        assert(eaten <= n && (eaten > 0 || s.body != HTTP1_MORE));
        at += eaten;
    }
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t piece = data[0] >> 1;
    struct story whole = run(data + 1, size - 1, size, data[0] & 1),
                 pieces = run(data + 1, size - 1, piece ? piece : 1, data[0] & 1);
    /* How far a body got that is bad depends on the pieces no more than its bytes do. */
    assert(whole.head == pieces.head && whole.status == pieces.status);
    assert(whole.head_bytes == pieces.head_bytes && whole.body == pieces.body);
    assert(whole.hash == pieces.hash && whole.body_bytes == pieces.body_bytes);
    return 0;
}
