#include "dataplane/http/http1.h"

#include <string.h>

#include <arpa/inet.h>

#include "dataplane/base/host.h"
#include "dataplane/http/http1_chars.h"

/* Every decision is made from the bytes in front of it and in their order, so that a head that
 * drips in ends like one that comes whole. */
struct reader {
    const char *p, *end;
    struct http1_request *r;
    /* Seen so far. */
    bool has_host, has_length, is_chunked;
    bool is_close, is_keep_alive, is_upgrade, has_upgrade;
    struct head_view target, target_authority;
};

static enum http1_result bad(struct reader *in, uint16_t status, const char *error)
{
    in->r->error_status = status;
    in->r->error = error;
    return HTTP1_BAD;
}

static bool is_equal(struct head_view v, const char *lower, size_t len)
{
    if (v.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = v.p[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != lower[i])
            return false;
    }
    return true;
}

#define IS(view, literal) is_equal(view, literal, sizeof(literal) - 1)

static bool is_same(struct head_view a, struct head_view b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        char x = a.p[i], y = b.p[i];
        if (x != y && ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z'))
            return false;
    }
    return true;
}

/* ---- authority ---- */

static bool is_ipv6_literal(struct head_view v)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (v.len < 4 || v.len - 2 >= sizeof(text) || v.p[0] != '[' || v.p[v.len - 1] != ']')
        return false;
    memcpy(text, v.p + 1, v.len - 2);
    text[v.len - 2] = 0;
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* host [":" port]: into the request. */
static bool take_authority(struct http1_request *r, struct head_view v)
{
    char canonical[HOST_BYTES_MAX + 1];
    r->authority = r->host = v;
    r->port = 0;
    const char *from = v.p;
    if (v.len > 0 && v.p[0] == '[') {
        from = memchr(v.p, ']', v.len);
        if (!from)
            return false;
    }
    const char *colon = memchr(from, ':', v.len - (size_t)(from - v.p));
    if (colon) {
        const char *end = v.p + v.len;
        uint32_t port = 0;
        if (end - colon < 2 || end - colon > 6)
            return false;
        for (const char *p = colon + 1; p < end; p++) {
            if (*p < '0' || *p > '9')
                return false;
            port = port * 10 + (uint32_t)(*p - '0');
        }
        if (port == 0 || port > UINT16_MAX)
            return false;
        r->port = (uint16_t)port;
        r->host.len = (size_t)(colon - v.p);
    }
    if (from != v.p)
        return is_ipv6_literal(r->host);
    size_t len = host_canonical(canonical, r->host.p, r->host.len);
    r->host.len = len; /* without the trailing dot */
    /* To a URL parser "1.2.3" is 1.2.0.3: another host than the one that is routed. */
    struct in_addr address;
    return len > 0 &&
           (!host_is_numeric(canonical, len) || inet_pton(AF_INET, canonical, &address) == 1);
}

/* ---- request line ---- */

static enum http1_result read_empty_lines(struct reader *in)
{
    for (int lines = 0;; lines++, in->p += 2) {
        if (in->p == in->end)
            return HTTP1_MORE;
        if (*in->p == '\n')
            return bad(in, 400, "bare LF before the request line");
        if (*in->p != '\r')
            return HTTP1_OK;
        if (lines == HTTP1_EMPTY_LINES_MAX)
            return bad(in, 400, "too many empty lines before the request line");
        if (in->end - in->p < 2)
            return HTTP1_MORE;
        if (in->p[1] != '\n')
            return bad(in, 400, "bare CR before the request line");
    }
}

/* RFC 9110 9.1 lets a method be any token. All that exist are made of capitals, and what is not is
 * most often the rest of a body that its sender counted wrong: "12GET". */
static bool is_method(char c, bool is_first)
{
    return (c >= 'A' && c <= 'Z') || (c == '-' && !is_first);
}

static enum http1_result read_method(struct reader *in)
{
    const char *start = in->p;
    while (in->p < in->end && is_method(*in->p, in->p == start)) {
        if (in->p++ - start == HTTP1_METHOD_BYTES_MAX)
            return bad(in, 501, "method too long");
    }
    in->r->method = (struct head_view){start, (size_t)(in->p - start)};
    if (in->p == in->end)
        return HTTP1_MORE;
    if (in->r->method.len == 0 || *in->p != ' ')
        return bad(in, 400, "malformed method");
    in->p++;
    return HTTP1_OK;
}

static enum http1_result read_target(struct reader *in)
{
    const char *start = in->p;
    in->p = http1_scan_target(in->p, in->end);
    in->target = (struct head_view){start, (size_t)(in->p - start)};
    if (in->target.len > HTTP_TARGET_BYTES_MAX)
        return bad(in, 414, "request target too long");
    if (in->p == in->end)
        return HTTP1_MORE;
    if (in->target.len == 0)
        return bad(in, 400, "no request target");
    if (*in->p == '\r' || *in->p == '\n')
        return bad(in, 400, "no HTTP version");
    if (*in->p != ' ')
        return bad(in, 400, "forbidden byte in the request target");
    in->p++;
    return HTTP1_OK;
}

static enum http1_result read_version(struct reader *in)
{
    static const char pattern[] = "HTTP/0.0\r\n"; /* 0: any digit */
    enum { LEN = sizeof(pattern) - 1 };
    if (in->end - in->p >= LEN && memcmp(in->p, "HTTP/1.1\r\n", LEN) == 0) {
        in->r->minor = 1;
        in->p += LEN;
        return HTTP1_OK;
    }
    for (int i = 0; i < LEN; i++) {
        if (in->p + i == in->end)
            return HTTP1_MORE;
        char c = in->p[i];
        if (pattern[i] == '0' ? c < '0' || c > '9' : c != pattern[i])
            return bad(in, 400, "malformed HTTP version");
    }
    if (in->p[5] != '1')
        return bad(in, 505, "HTTP version not spoken");
    in->r->minor = in->p[7] > '0'; /* a later minor version is read as ours (RFC 9110 6.2) */
    in->p += LEN;
    return HTTP1_OK;
}

static enum http1_result take_absolute(struct reader *in, size_t scheme_bytes)
{
    struct http1_request *r = in->r;
    const char *end = in->target.p + in->target.len, *start = in->target.p + scheme_bytes,
               *p = start;
    while (p < end && *p != '/' && *p != '?')
        p++;
    in->target_authority = (struct head_view){start, (size_t)(p - start)};
    if (!take_authority(r, in->target_authority))
        return bad(in, 400, "malformed authority in the request target");
    r->path = p < end ? (struct head_view){p, (size_t)(end - p)} : (struct head_view){"/", 1};
    r->scheme_given = true;
    r->scheme_is_https = scheme_bytes == sizeof("https://") - 1;
    return HTTP1_OK;
}

/* The four forms of RFC 9112 3.2. */
static enum http1_result take_target(struct reader *in)
{
    struct http1_request *r = in->r;
    struct head_view t = in->target;
    struct head_view m = r->method;
    if (m.len == 7 && memcmp(m.p, "CONNECT", 7) == 0) {
        in->target_authority = t;
        if (!take_authority(r, t) || r->port == 0)
            return bad(in, 400, "CONNECT without host and port");
        r->path = (struct head_view){"", 0};
        return HTTP1_OK;
    }
    if (t.p[0] == '/') {
        r->path = t;
        return HTTP1_OK;
    }
    if (t.len == 1 && t.p[0] == '*') {
        if (m.len != 7 || memcmp(m.p, "OPTIONS", 7) != 0)
            return bad(in, 400, "asterisk-form without OPTIONS");
        r->path = t;
        return HTTP1_OK;
    }
    if (t.len >= 7 && IS(((struct head_view){t.p, 7}), "http://"))
        return take_absolute(in, 7);
    if (t.len >= 8 && IS(((struct head_view){t.p, 8}), "https://"))
        return take_absolute(in, 8);
    return bad(in, 400, "request target of no known form");
}

/* ---- fields ---- */

static enum http1_result take_host(struct reader *in, struct head_view v)
{
    if (in->has_host)
        return bad(in, 400, "more than one Host");
    in->has_host = true;
    if (in->target_authority.p && !is_same(in->target_authority, v))
        return bad(in, 400, "Host differs from the request target");
    if (!take_authority(in->r, v))
        return bad(in, 400, "malformed Host");
    return HTTP1_OK;
}

static enum http1_result take_length(struct reader *in, struct head_view v)
{
    uint64_t n = 0;
    if (in->has_length)
        return bad(in, 400, "more than one Content-Length");
    if (in->is_chunked)
        return bad(in, 400, "Content-Length with Transfer-Encoding");
    in->has_length = true;
    /* 18 digits do not overflow; a leading zero is octal to some. */
    if (v.len == 0 || v.len > 18 || (v.len > 1 && v.p[0] == '0'))
        return bad(in, 400, "malformed Content-Length");
    for (size_t i = 0; i < v.len; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return bad(in, 400, "malformed Content-Length");
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    in->r->content_length = n;
    return HTTP1_OK;
}

static enum http1_result take_coding(struct reader *in, struct head_view v)
{
    if (in->is_chunked)
        return bad(in, 400, "more than one Transfer-Encoding");
    if (in->has_length)
        return bad(in, 400, "Content-Length with Transfer-Encoding");
    if (in->r->minor == 0)
        return bad(in, 400, "Transfer-Encoding in HTTP/1.0");
    if (!IS(v, "chunked")) {
        /* RFC 9112 6.1, 6.3: framed by chunks but coded otherwise too, or not framed at all. */
        enum { TAIL = sizeof("chunked") - 1 };
        bool is_framed = v.len > TAIL + 1 &&
                         (v.p[v.len - TAIL - 1] == ' ' || v.p[v.len - TAIL - 1] == ',') &&
                         IS(((struct head_view){v.p + v.len - TAIL, TAIL}), "chunked");
        return bad(in, is_framed ? 501 : 400, "Transfer-Encoding other than chunked");
    }
    in->is_chunked = true;
    return HTTP1_OK;
}

bool http1_list_next(struct head_view *list, struct head_view *item)
{
    const char *p = list->p, *end = p + list->len;
    if (list->len == 0)
        return false;
    const char *comma = memchr(p, ',', list->len);
    const char *last = comma ? comma : end;
    *list = comma ? (struct head_view){comma + 1, (size_t)(end - comma - 1)}
                  : (struct head_view){end, 0};
    while (p < last && (*p == ' ' || *p == '\t'))
        p++;
    while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    *item = (struct head_view){p, (size_t)(last - p)};
    return true;
}

static void take_connection(struct reader *in, struct head_view list)
{
    struct head_view option;
    while (http1_list_next(&list, &option)) {
        in->is_close |= IS(option, "close");
        in->is_keep_alive |= IS(option, "keep-alive");
        in->is_upgrade |= IS(option, "upgrade");
    }
}

/* Fields that the message itself depends on. */
static enum http1_result take_field(struct reader *in, struct head_view name, struct head_view v)
{
    switch (name.len) {
    case 4:
        return IS(name, "host") ? take_host(in, v) : HTTP1_OK;
    case 6:
        if (!IS(name, "expect"))
            return HTTP1_OK;
        if (!IS(v, "100-continue"))
            return bad(in, 417, "expectation that is not known");
        in->r->expects_continue = true;
        return HTTP1_OK;
    case 7:
        in->has_upgrade |= IS(name, "upgrade") && v.len > 0;
        return HTTP1_OK;
    case 10:
        if (IS(name, "connection"))
            take_connection(in, v);
        return HTTP1_OK;
    case 14:
        return IS(name, "content-length") ? take_length(in, v) : HTTP1_OK;
    case 17:
        return IS(name, "transfer-encoding") ? take_coding(in, v) : HTTP1_OK;
    default:
        return HTTP1_OK;
    }
}

/* One field line; in->p is at its first byte. */
static enum http1_result read_field(struct reader *in)
{
    struct http1_request *r = in->r;
    const char *end = in->end, *name = in->p;
    if (r->field_count == HTTP_FIELDS_MAX)
        return bad(in, 431, "too many fields");
    const char *p = http1_scan_token(name, end);
    if (p == end)
        return HTTP1_MORE;
    if (p == name)
        return bad(in, 400, *p == ' ' || *p == '\t' ? "folded field line" : "malformed field name");
    if (*p != ':')
        return bad(in, 400,
                   *p == ' ' || *p == '\t' ? "white space in a field name"
                                           : "malformed field name");
    size_t name_bytes = (size_t)(p++ - name);

    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *value = p;
    p = http1_scan_value(p, end);
    if (p == end || (*p == '\r' && p + 1 == end))
        return HTTP1_MORE;
    if (*p != '\r' || p[1] != '\n')
        return bad(in, 400,
                   *p == '\n'   ? "bare LF in a field"
                   : *p == '\r' ? "bare CR in a field"
                                : "control byte in a field");
    in->p = p + 2;
    while (p > value && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    struct head_field *f = &r->field[r->field_count++];
    f->name = (struct head_view){name, name_bytes};
    f->value = (struct head_view){value, (size_t)(p - value)};
    return take_field(in, f->name, f->value);
}

static enum http1_result read_fields(struct reader *in)
{
    for (;;) {
        if (in->p == in->end)
            return HTTP1_MORE;
        if (*in->p == '\r') {
            if (in->end - in->p < 2)
                return HTTP1_MORE;
            if (in->p[1] != '\n')
                return bad(in, 400, "bare CR in a field");
            in->p += 2;
            return HTTP1_OK;
        }
        enum http1_result result = read_field(in);
        if (result != HTTP1_OK)
            return result;
    }
}

/* ---- the whole ---- */

static bool is_named(struct head_view method, const char *name)
{
    return method.len == strlen(name) && memcmp(method.p, name, method.len) == 0;
}

bool http1_is_idempotent(struct head_view method)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_named(method, names[i]))
            return true;
    }
    return false;
}

static enum http1_result finish(struct reader *in)
{
    struct http1_request *r = in->r;
    if (!in->has_host && r->minor == 1)
        return bad(in, 400, "no Host");
    if (in->is_chunked)
        r->body = HTTP1_BODY_CHUNKED;
    else if (r->content_length > 0)
        r->body = HTTP1_BODY_LENGTH;
    /* RFC 9110 10.1.1: of no use without a body, unknown to HTTP/1.0. */
    r->expects_continue = r->expects_continue && r->minor == 1 && r->body != HTTP1_BODY_NONE;
    r->keep_alive = !in->is_close && (r->minor == 1 || in->is_keep_alive);
    r->wants_upgrade = in->is_upgrade && in->has_upgrade && r->minor == 1;
    r->is_idempotent = http1_is_idempotent(r->method);
    r->is_head = is_named(r->method, "HEAD");
    return HTTP1_OK;
}

static enum http1_result read_head(struct reader *in)
{
    enum http1_result result;
    if ((result = read_empty_lines(in)) != HTTP1_OK || (result = read_method(in)) != HTTP1_OK ||
        (result = read_target(in)) != HTTP1_OK || (result = read_version(in)) != HTTP1_OK ||
        (result = take_target(in)) != HTTP1_OK || (result = read_fields(in)) != HTTP1_OK)
        return result;
    return finish(in);
}

enum http1_result http1_request_parse(struct http1_request *r, const char *bytes, size_t len,
                                      size_t seen)
{
    bool is_full = len >= HTTP_HEAD_BYTES_MAX;
    if (seen > 0 && !is_full && !memchr(bytes + seen, '\n', len - seen))
        return HTTP1_MORE;
    /* Not the fields: they are 3 KB, and field_count says which are set. */
    memset(r, 0, offsetof(struct http1_request, field));
    struct reader in = {.p = bytes, .end = bytes + (is_full ? HTTP_HEAD_BYTES_MAX : len), .r = r};
    enum http1_result result = read_head(&in);
    if (result == HTTP1_MORE && is_full)
        return bad(&in, 431, "request head too large");
    r->head_bytes = (size_t)(in.p - bytes);
    return result;
}
