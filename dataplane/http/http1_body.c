#include "dataplane/http/http1.h"

#include "dataplane/http/http1_chars.h"

/* Named by what is awaited. */
enum state {
    SIZE,      /* hex digits of a chunk's size */
    EXTENSION, /* bytes behind its ';' */
    SIZE_LF,
    DATA, /* content */
    DATA_CR,
    DATA_LF,
    TRAILER, /* a trailer line, or the empty line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    BROKEN,
};

enum { SIZE_DIGITS_MAX = 15 }; /* below 2^60 */

void http1_body_init(struct http1_body *b, const struct http1_request *r)
{
    *b = (struct http1_body){.kind = r->body};
    if (r->body == HTTP1_BODY_LENGTH) {
        b->state = DATA;
        b->left = r->content_length;
    } else {
        b->state = r->body == HTTP1_BODY_CHUNKED ? SIZE : DONE;
    }
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum state at_size(struct http1_body *b, uint8_t c)
{
    int digit = hex(c);
    if (digit >= 0) {
        if (b->line_bytes++ == SIZE_DIGITS_MAX)
            return BROKEN;
        b->left = b->left << 4 | (uint64_t)digit;
        return SIZE;
    }
    if (b->line_bytes == 0)
        return BROKEN;
    b->line_bytes = 0;
    return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : BROKEN;
}

static enum state at_extension(struct http1_body *b, uint8_t c)
{
    if (c == '\r')
        return SIZE_LF;
    bool is_text = http1_is_value(c) && c < 0x80;
    return is_text && ++b->line_bytes <= HTTP_CHUNK_EXT_BYTES_MAX ? EXTENSION : BROKEN;
}

/* One byte outside the content. */
static enum state step(struct http1_body *b, uint8_t c)
{
    switch ((enum state)b->state) {
    case SIZE:
        return at_size(b, c);
    case EXTENSION:
        return at_extension(b, c);
    case SIZE_LF:
        b->line_bytes = 0;
        return c != '\n' ? BROKEN : b->left > 0 ? DATA : TRAILER;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return c == '\n' ? SIZE : BROKEN;
    case TRAILER:
        return c == '\r' ? LAST_LF : http1_is_token(c) ? TRAILER_NAME : BROKEN;
    case TRAILER_NAME:
        return c == ':' ? TRAILER_VALUE : http1_is_token(c) ? TRAILER_NAME : BROKEN;
    case TRAILER_VALUE:
        return c == '\r' ? TRAILER_LF : http1_is_value(c) ? TRAILER_VALUE : BROKEN;
    case TRAILER_LF:
        return c == '\n' ? TRAILER : BROKEN;
    case LAST_LF:
        return c == '\n' ? DONE : BROKEN;
    default:
        return BROKEN;
    }
}

enum http1_result http1_body_input(struct http1_body *b, const uint8_t *bytes, size_t len,
                                   size_t *eaten, struct head_view *payload)
{
    const uint8_t *p = bytes, *end = bytes + len;
    *payload = (struct head_view){(const char *)bytes, 0};
    while (p < end && b->state != DONE && b->state != BROKEN) {
        if (b->state == DATA) {
            if (payload->len > 0)
                break; /* one view per call */
            size_t n = (size_t)(end - p) < b->left ? (size_t)(end - p) : (size_t)b->left;
            *payload = (struct head_view){(const char *)p, n};
            p += n;
            b->left -= n;
            if (b->left == 0)
                b->state = b->kind == HTTP1_BODY_CHUNKED ? DATA_CR : DONE;
            continue;
        }
        bool is_trailer = b->state >= TRAILER;
        b->state = (uint8_t)step(b, *p++);
        if (is_trailer && ++b->line_bytes > HTTP_HEAD_BYTES_MAX)
            b->state = BROKEN;
    }
    *eaten = (size_t)(p - bytes);
    return b->state == DONE ? HTTP1_OK : b->state == BROKEN ? HTTP1_BAD : HTTP1_MORE;
}
