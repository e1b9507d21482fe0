#include "dataplane/egress/fetch_wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/host.h"
#include "dataplane/egress/egress_state.h"
#include "dataplane/http/http1_chars.h"
#include "runtime/head.h"

static bool is(struct head_view v, const char *word)
{
    return v.len == strlen(word) && strncasecmp(v.p, word, v.len) == 0;
}

struct url {
    bool is_secure;
    struct head_view authority, target; /* as the URL has them */
};

static bool take_port(struct head_view text, uint16_t *port)
{
    uint32_t n = 0;
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(text.p[i] - '0');
    }
    *port = (uint16_t)n;
    return n <= UINT16_MAX;
}

/* An address in its one spelling is kept as a name that is one; everything else is a host name, or
 * the URL is refused. */
static bool take_host(struct fetch *f, struct head_view host)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t ip4[4];
    if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
        if (host.len - 2 >= sizeof(text))
            return false;
        memcpy(text, host.p + 1, host.len - 2);
        text[host.len - 2] = 0;
        if (inet_pton(AF_INET6, text, f->address[0]) != 1)
            return false;
        strcpy(f->host, text);
        f->is_address = true;
        return true;
    }
    size_t len = host_canonical(f->host, host.p, host.len);
    if (len == 0)
        return false;
    if (!host_is_numeric(f->host, len))
        return true;
    if (inet_pton(AF_INET, f->host, ip4) != 1)
        return false;
    ip_from_ip4(f->address[0], ip4);
    f->is_address = true;
    return true;
}

static bool take_url(struct fetch *f, struct head_view v, struct url *url)
{
    const char *end = v.p + v.len, *p;
    if (v.len > 7 && memcmp(v.p, "http://", 7) == 0)
        p = v.p + 7;
    else if (v.len > 8 && memcmp(v.p, "https://", 8) == 0)
        p = v.p + 8;
    else
        return false;
    url->is_secure = f->is_secure = v.p[4] == 's';
    const char *slash = memchr(p, '/', (size_t)(end - p));
    if (!slash || http1_scan_target(slash, end) != end)
        return false;
    url->authority = (struct head_view){p, (size_t)(slash - p)};
    url->target = (struct head_view){slash, (size_t)(end - slash)};
    if (url->target.len > HTTP_TARGET_BYTES_MAX)
        return false;
    const char *bracket = memchr(p, ']', url->authority.len);
    const char *from = bracket ? bracket : p;
    const char *colon = memchr(from, ':', (size_t)(slash - from));
    struct head_view host = {p, (size_t)((colon ? colon : slash) - p)};
    f->port = f->is_secure ? 443 : 80;
    if (colon && !take_port((struct head_view){colon + 1, (size_t)(slash - colon - 1)}, &f->port))
        return false;
    return take_host(f, host);
}

/* Of the script's fields, what is not hearthd's to say. */
static bool is_ours(struct head_view name)
{
    static const char *const ours[] = {"host",
                                       "connection",
                                       "keep-alive",
                                       "proxy-connection",
                                       "upgrade",
                                       "transfer-encoding",
                                       "te",
                                       "trailer",
                                       "content-length",
                                       "expect",
                                       "proxy-authorization"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (is(name, ours[i]))
            return true;
    return name.len > 9 && strncasecmp(name.p, "x-hearth-", 9) == 0;
}

bool fetch_wire_take(struct fetch *f, const uint8_t *head, size_t len)
{
    struct url url;
    struct head_reader r;
    struct head_field field;
    struct head_request q = head_read_request(&r, head, len);
    if (r.bad || q.method.len == 0 || q.method.len > HTTP1_METHOD_BYTES_MAX ||
        !take_url(f, q.url, &url))
        return false;
    for (size_t i = 0; i < q.method.len; i++)
        if (!http1_is_token((uint8_t)q.method.p[i]))
            return false;
    if (is(q.method, "connect") || is(q.method, "trace") || is(q.method, "track"))
        return false;
    f->is_to_head = is(q.method, "head");
    f->is_idempotent = http1_is_idempotent(q.method);
    while (head_read_field(&r, &field)) {
        const char *end = field.name.p + field.name.len;
        if (field.name.len == 0 || http1_scan_token(field.name.p, end) != end ||
            http1_scan_value(field.value.p, field.value.p + field.value.len) !=
                field.value.p + field.value.len)
            return false;
        if (!f->has_body || !is(field.name, "content-length"))
            continue;
        if (f->has_length || field.value.len == 0 || field.value.len > 18)
            return false;
        for (size_t i = 0; i < field.value.len; i++) {
            if (field.value.p[i] < '0' || field.value.p[i] > '9')
                return false;
            f->body_left = f->body_left * 10 + (uint64_t)(field.value.p[i] - '0');
        }
        f->has_length = true;
    }
    return head_read_end(&r);
}

struct text {
    char *p, *end;
    bool bad;
};

static void put(struct text *t, const char *p, size_t len)
{
    if ((size_t)(t->end - t->p) < len) {
        t->bad = true;
        return;
    }
    memcpy(t->p, p, len);
    t->p += len;
}

static void put_view(struct text *t, struct head_view v)
{
    put(t, v.p, v.len);
}

static void put_word(struct text *t, const char *word)
{
    put(t, word, strlen(word));
}

size_t fetch_wire_head(struct core *core, struct fetch *f)
{
    struct text t = {.p = (char *)core->out, .end = (char *)core->out + sizeof(core->out)};
    struct head_reader r;
    struct head_field field;
    struct url url;
    char length[48];
    size_t bytes = f->head.bytes;
    assert(bytes <= sizeof(core->scratch));
    byte_queue_copy(&f->head, 0, core->scratch, (uint32_t)bytes);
    struct head_request q = head_read_request(&r, core->scratch, bytes);
    bool is_known = take_url(f, q.url, &url); /* it was read before: to the same end */
    assert(is_known);
    put_view(&t, q.method);
    put_word(&t, " ");
    put_view(&t, url.target);
    put_word(&t, " HTTP/1.1\r\nhost: ");
    put_view(&t, url.authority);
    put_word(&t, "\r\n");
    while (head_read_field(&r, &field)) {
        if (is_ours(field.name))
            continue;
        put_view(&t, field.name);
        put_word(&t, ": ");
        put_view(&t, field.value);
        put_word(&t, "\r\n");
    }
    if (f->has_body && !f->has_length) {
        put_word(&t, "transfer-encoding: chunked\r\n");
    } else if (f->has_body || is(q.method, "post") || is(q.method, "put") ||
               is(q.method, "patch")) {
        snprintf(length, sizeof(length), "content-length: %llu\r\n",
                 (unsigned long long)f->body_left);
        put_word(&t, length);
    }
    put_word(&t, "\r\n");
    return t.bad ? 0 : (size_t)(t.p - (char *)core->out);
}

size_t fetch_wire_body(struct core *core, const struct fetch *f, const uint8_t *bytes, size_t len,
                       bool is_end)
{
    struct text t = {.p = (char *)core->out, .end = (char *)core->out + sizeof(core->out)};
    if (!f->has_length && len > 0)
        t.p += http1_chunk_start(t.p, sizeof(core->out), len);
    put(&t, (const char *)bytes, len);
    if (!f->has_length && len > 0)
        put_word(&t, HTTP1_CHUNK_END);
    if (!f->has_length && is_end)
        put_word(&t, HTTP1_LAST_CHUNK);
    assert(!t.bad);
    return (size_t)(t.p - (char *)core->out);
}
