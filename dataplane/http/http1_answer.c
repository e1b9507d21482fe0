#include "dataplane/http/http1_answer.h"

#include <string.h>
#include <strings.h>

#include "dataplane/http/http1_chars.h"

enum { STATUS_LINE_LEAST = 12, LENGTH_DIGITS_MAX = 18 };

/* Seen so far. */
struct reader {
    const char *p, *end;
    struct http1_answer *a;
    bool is_chunked, is_close, is_keep_alive;
};

static enum http1_result bad(struct http1_answer *a, const char *error)
{
    a->error = error;
    return HTTP1_BAD;
}

static bool is(struct head_view v, const char *word)
{
    return v.len == strlen(word) && strncasecmp(v.p, word, v.len) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.x SP status [SP reason] CR LF */
static enum http1_result read_status(struct reader *in)
{
    struct http1_answer *a = in->a;
    const char *p = in->p;
    if (in->end - p < STATUS_LINE_LEAST || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) ||
        p[8] != ' ' || !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]))
        return bad(a, "malformed status line");
    a->minor = p[7] > '0';
    a->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    if (a->status < 100 || a->status > 599)
        return bad(a, "no such class of status");
    in->p = p + STATUS_LINE_LEAST;
    if (*in->p == ' ')
        in->p = http1_scan_value(in->p, in->end);
    if (in->end - in->p < 2 || in->p[0] != '\r' || in->p[1] != '\n')
        return bad(a, "malformed status line");
    in->p += 2;
    return HTTP1_OK;
}

static struct head_view trim(struct head_view v)
{
    while (v.len > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
        v.p++, v.len--;
    while (v.len > 0 && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
        v.len--;
    return v;
}

static enum http1_result take_length(struct http1_answer *a, struct head_view v)
{
    if (a->has_length)
        return bad(a, "two Content-Length");
    if (v.len == 0 || v.len > LENGTH_DIGITS_MAX)
        return bad(a, "malformed Content-Length");
    for (size_t i = 0; i < v.len; i++) {
        if (!is_digit(v.p[i]))
            return bad(a, "malformed Content-Length");
        a->content_length = a->content_length * 10 + (uint64_t)(v.p[i] - '0');
    }
    a->has_length = true;
    return HTTP1_OK;
}

static enum http1_result take_field(struct reader *in, const struct head_field *f)
{
    struct head_view list = f->value, item;
    if (is(f->name, "content-length"))
        return take_length(in->a, f->value);
    if (is(f->name, "transfer-encoding")) {
        if (in->is_chunked || !is(f->value, "chunked"))
            return bad(in->a, "a transfer coding other than chunked");
        in->is_chunked = true;
    } else if (is(f->name, "connection")) {
        while (http1_list_next(&list, &item)) {
            in->is_close |= is(item, "close");
            in->is_keep_alive |= is(item, "keep-alive");
        }
    }
    return HTTP1_OK;
}

static enum http1_result read_field(struct reader *in)
{
    struct http1_answer *a = in->a;
    struct head_field *f = &a->field[a->field_count];
    const char *name = in->p, *colon = http1_scan_token(name, in->end);
    if (colon == in->end || colon == name || *colon != ':')
        return bad(a, "malformed header field");
    if (a->field_count == HTTP_FIELDS_MAX)
        return bad(a, "too many header fields");
    in->p = http1_scan_value(colon + 1, in->end);
    if (in->end - in->p < 2 || in->p[0] != '\r' || in->p[1] != '\n')
        return bad(a, "forbidden byte in a header field");
    f->name = (struct head_view){name, (size_t)(colon - name)};
    f->value = trim((struct head_view){colon + 1, (size_t)(in->p - colon - 1)});
    a->field_count++;
    in->p += 2;
    return take_field(in, f);
}

/* RFC 9112 6.3. */
static enum http1_result decide(struct reader *in, bool is_to_head)
{
    struct http1_answer *a = in->a;
    if (in->is_chunked && (a->has_length || a->minor == 0))
        return bad(a, "Transfer-Encoding beside Content-Length, or in HTTP/1.0");
    a->is_interim = a->status < 200;
    a->keep_alive = !in->is_close && (a->minor > 0 || in->is_keep_alive);
    if (a->is_interim || a->status == 204 || a->status == 304 || is_to_head)
        return HTTP1_OK;
    if (in->is_chunked) {
        a->body = HTTP1_BODY_CHUNKED;
    } else if (a->has_length) {
        a->body = a->content_length > 0 ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE;
    } else {
        a->ends_with_connection = true;
        a->keep_alive = false;
    }
    return HTTP1_OK;
}

enum http1_result http1_answer_parse(struct http1_answer *a, const char *bytes, size_t len,
                                     size_t seen, bool is_to_head)
{
    size_t from = seen > 3 ? seen - 3 : 0,
           most = len < HTTP_HEAD_BYTES_MAX ? len : HTTP_HEAD_BYTES_MAX;
    const char *last = most > from ? memmem(bytes + from, most - from, "\r\n\r\n", 4) : NULL;
    memset(a, 0, offsetof(struct http1_answer, field));
    if (!last)
        return len < HTTP_HEAD_BYTES_MAX ? HTTP1_MORE : bad(a, "the head is too large");
    struct reader in = {.p = bytes, .end = last + 2, .a = a};
    enum http1_result result = read_status(&in);
    while (result == HTTP1_OK && in.p < in.end)
        result = read_field(&in);
    if (result == HTTP1_OK)
        result = decide(&in, is_to_head);
    a->head_bytes = (size_t)(last + 4 - bytes);
    return result;
}

bool http1_answer_is_hop(const struct http1_answer *a, struct head_view name)
{
    static const char *const hop[] = {"connection", "keep-alive",        "proxy-connection", "te",
                                      "trailer",    "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++)
        if (is(name, hop[i]))
            return true;
    for (uint16_t i = 0; i < a->field_count; i++) {
        struct head_view list = a->field[i].value, item;
        if (!is(a->field[i].name, "connection"))
            continue;
        while (http1_list_next(&list, &item))
            if (item.len == name.len && strncasecmp(item.p, name.p, name.len) == 0)
                return true;
    }
    return false;
}

void http1_body_init_answer(struct http1_body *b, const struct http1_answer *a)
{
    const struct http1_request like = {.body = a->body, .content_length = a->content_length};
    http1_body_init(b, &like);
}
