/* Any bytes as requests on a connection: head after head and body after body must come out the
 * same, whole or in pieces. The first byte chooses the size of a piece. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/http/http1.h"
#include "dataplane/world/url_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a connection makes of its bytes, as one hash and its last outcomes. */
struct story {
    uint64_t hash, requests, body_bytes;
    uint16_t status;
    const char *error;
};

static void note(struct story *s, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}

/* What routes match: written twice it is the same, within its bytes, with nothing in it that a
 * parser reads otherwise. */
static void check_path(struct head_view target)
{
    static char once[3 * HTTP_TARGET_BYTES_MAX + 1], twice[sizeof(once)];
    size_t path_bytes, again_bytes;
    if (target.len > 0 && target.p[0] != '/' && target.p[0] != '?')
        return; /* "*" */
    size_t bytes = url_path_write(once, sizeof(once), target.p, target.len, &path_bytes);
    assert(bytes > 0 && path_bytes <= bytes && once[0] == '/');
    assert(path_bytes == bytes || once[path_bytes] == '?');
    size_t same = url_path_write(twice, sizeof(twice), once, bytes, &again_bytes);
    assert(same == bytes && again_bytes == path_bytes && memcmp(once, twice, bytes) == 0);
    for (size_t at = 0; at < path_bytes; at++) {
        size_t end = at + 1;
        while (end < path_bytes && once[end] != '/')
            end++;
        size_t segment = end - at - 1;
        assert(once[at] != '/' || segment == 0 || segment > 2 || once[at + 1] != '.' ||
               (segment == 2 && once[at + 2] != '.'));
    }
    for (size_t cap = 0; cap < bytes; cap += 1 + bytes / 7)
        assert(url_path_write(twice, cap, target.p, target.len, &again_bytes) == 0);
}

/* False: the bytes ran out, or the body is bad. */
static bool read_body(struct story *s, const struct http1_request *r, const uint8_t *data,
                      size_t size, size_t *at, size_t piece)
{
    struct http1_body body;
    http1_body_init(&body, r);
    for (;;) {
        size_t left = size - *at, n = left < piece ? left : piece, eaten;
        struct head_view payload;
        enum http1_result result = http1_body_input(&body, data + *at, n, &eaten, &payload);
        assert(eaten <= n && payload.len <= eaten);
        assert(result != HTTP1_MORE || eaten > 0 || n == 0);
        note(s, payload.p, payload.len);
        s->body_bytes += payload.len;
        *at += eaten;
        if (result == HTTP1_BAD)
            s->status = 400;
        if (result != HTTP1_MORE)
            return result == HTTP1_OK;
        if (*at == size)
            return false;
    }
}

static struct story read_all(const uint8_t *data, size_t size, size_t piece)
{
    static struct http1_request r;
    struct story s = {0};
    size_t at = 0;
    for (;;) {
        const char *start = (const char *)data + at;
        size_t seen = 0, len = 0;
        enum http1_result result = HTTP1_MORE;
        while (result == HTTP1_MORE && len < size - at) {
            len = size - at - len < piece ? size - at : len + piece;
            result = http1_request_parse(&r, start, len, seen);
            seen = len;
        }
        if (result == HTTP1_BAD) {
            assert(r.error && r.error_status >= 400);
            s.status = r.error_status;
            s.error = r.error;
        }
        if (result != HTTP1_OK)
            return s;
        assert(r.head_bytes <= len && r.host.len <= r.authority.len &&
               r.field_count <= HTTP_FIELDS_MAX);
        s.requests++;
        check_path(r.path);
        for (size_t i = 0; i < r.method.len; i++)
            assert((r.method.p[i] >= 'A' && r.method.p[i] <= 'Z') ||
                   (i > 0 && r.method.p[i] == '-'));
        note(&s, r.path.p, r.path.len);
        note(&s, r.host.p, r.host.len);
        for (uint16_t i = 0; i < r.field_count; i++) {
            note(&s, r.field[i].name.p, r.field[i].name.len);
            note(&s, r.field[i].value.p, r.field[i].value.len);
            assert(!memchr(r.field[i].value.p, '\n', r.field[i].value.len));
        }
        at += r.head_bytes;
        if (!read_body(&s, &r, data, size, &at, piece))
            return s;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1 + data[0] % 64;
    /* A copy of its exact size: a vector load over its end is seen. A line end behind it: a head
     * that drips in is judged when a line of it ends. */
    uint8_t *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    copy[size - 1] = '\n';
    struct story whole = read_all(copy, size, SIZE_MAX / 2), split = read_all(copy, size, piece);
    assert(whole.hash == split.hash && whole.requests == split.requests &&
           whole.body_bytes == split.body_bytes);
    assert(whole.status == split.status && whole.error == split.error);
    free(copy);
    return 0;
}
