/* The request's half of an exchange: its head, checked and encoded for the runtime, and its
 * body. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/host.h"
#include "dataplane/conn/exchange_parts.h"
#include "dataplane/http/reserved.h"
#include "dataplane/tls/cert.h"
#include "dataplane/world/route.h"
#include "dataplane/world/url_path.h"
#include "dataplane/world/world.h"
#include "runtime/context.h"
#include "runtime/idna.h"

enum { PEEK_BYTES = 4096 };

static bool is_connection_named(struct head_view list, struct head_view name)
{
    struct head_view option;
    while (http1_list_next(&list, &option)) {
        if (option.len == name.len && strncasecmp(option.p, name.p, name.len) == 0)
            return true;
    }
    return false;
}

/* ---- request heads ---- */

static bool is_forwarded(const struct http1_request *r, struct head_view name)
{
    if (reserved_field(name.p, name.len) || view_is(name, "expect"))
        return false;
    if (http1_is_hop_field(name))
        return view_is(name, "content-length");
    for (uint32_t i = 0; i < r->field_count; i++) {
        if (view_is(r->field[i].name, "connection") && is_connection_named(r->field[i].value, name))
            return false;
    }
    return true;
}

static void write_lower_field(struct head_writer *w, struct head_field f)
{
    uint8_t *at = w->p;
    head_write_field(w, f.name, f.value);
    if (w->bad)
        return;
    at += sizeof(uint16_t);
    for (size_t i = 0; i < f.name.len; i++)
        at[i] = (uint8_t)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i]);
}

/* The context stack of a client's request: one frame. It goes on with the client's trace, if that
 * brought one. */
static void make_context(const struct exchange *x, const struct world_script *script,
                         const struct http1_request *r, struct context *context)
{
    uint64_t id = x->request_id;
    uint8_t span_id[8];
    *context = (struct context){.count = 0};
    memcpy(span_id, &id, sizeof(span_id));
    struct context_frame *frame = context_push(context, script->id_hash, span_id);
    frame->owner = script->owner;
    request_ids_trace(&x->conn->core->request_ids, id, frame->trace_id);
    frame->trace_flags = x->is_traced;
    for (uint32_t i = 0; i < r->field_count; i++) {
        if (view_is(r->field[i].name, "traceparent"))
            context_take_traceparent(frame, r->field[i].value.p, r->field[i].value.len);
    }
}

/* What is asked for, as routes and the script see it: one serialised URL. */
struct target {
    char url[sizeof("https://") + HOST_BYTES_MAX + sizeof(":65535") + HTTP_TARGET_BYTES_MAX];
    size_t bytes, host_bytes, path_bytes;
    const char *host, *path; /* in it */
};

static void put(struct target *t, const char *text, size_t len)
{
    assert(len <= sizeof(t->url) - t->bytes);
    memcpy(t->url + t->bytes, text, len);
    t->bytes += len;
}

/* The path has its own limit; the rest always fits. False: it is over it. Without a host,
 * host_bytes is 0. */
static bool write_target(struct target *t, const struct conn *c, const struct http1_request *r)
{
    char host[HOST_BYTES_MAX + 1], port[8];
    t->bytes = 0;
    put(t, c->is_tls ? "https://" : "http://", c->is_tls ? 8 : 7);
    t->host = t->url + t->bytes;
    t->host_bytes = host_canonical(host, r->host.p, r->host.len);
    put(t, host, t->host_bytes);
    if (r->port != 0 && r->port != (c->is_tls ? 443 : 80))
        put(t, port, (size_t)snprintf(port, sizeof(port), ":%u", r->port));
    t->path = t->url + t->bytes;
    size_t bytes = url_path_write(t->url + t->bytes, HTTP_TARGET_BYTES_MAX, r->path.p, r->path.len,
                                  &t->path_bytes);
    t->bytes += bytes;
    return bytes > 0;
}

/* Encodes the request for the runtime into core->out; 0: too large. */
static size_t encode_head(struct exchange *x, const struct http1_request *r,
                          const struct world_script *script, const struct target *t)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    struct context context;
    uint8_t stack[CONTEXT_BYTES_MAX];
    char traceparent[CONTEXT_TRACEPARENT_BYTES];
    make_context(x, script, r, &context);
    size_t stack_bytes = context_write(&context, stack);
    context_traceparent(&context, traceparent);
    struct head_writer w;
    head_write_request(&w, core->out, JOB_HEAD_BYTES_MAX,
                       (struct head_view){(const char *)stack, stack_bytes}, r->method,
                       (struct head_view){t->url, t->bytes});
    for (uint32_t i = 0; i < r->field_count; i++) {
        if (is_forwarded(r, r->field[i].name))
            write_lower_field(&w, r->field[i]);
    }
    char ip[46], id[17];
    net_format_ip(c->key.remote, ip);
    head_write_field(&w, view("x-real-ip"), view(ip));
    head_write_field(&w, view("x-forwarded-proto"), view(c->is_tls ? "https" : "http"));
    head_write_field(&w, view("traceparent"), (struct head_view){traceparent, sizeof(traceparent)});
    head_write_field(&w, view("x-hearth-request-id"), exchange_format_id(x->request_id, id));
    return head_write_end(&w);
}

/* Does the certificate that this connection was opened with cover the host? (RFC 9110 7.4) */
static bool is_directed_here(const struct conn *c, const char *host, size_t host_bytes)
{
    if (!c->is_tls)
        return true;
    const struct certs *certs = c->core->world->certs;
    const struct tls_context *mine = certs_find(
        certs, c->guard.hello.host_bytes ? c->guard.hello.host : NULL, c->guard.hello.host_bytes);
    return mine && certs_covers(certs, mine, host, host_bytes);
}

/* What the request line and fields alone can refuse; NULL text: go on, *script is set. */
static struct refusal check_request(struct exchange *x, const struct http1_request *r,
                                    struct target *t, const struct world_script **script)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    struct counters *count = &core->counters;
    if (view_is(r->method, "CONNECT") || view_is(r->method, "TRACE")) {
        count->http_unsupported++;
        return (struct refusal){405, "hearth speaks neither CONNECT nor TRACE"};
    }
    if (r->path.len == 1 && r->path.p[0] == '*')
        return (struct refusal){204, "what the server as a whole can do"};
    uint64_t body_max = core->world->limits.request_body_bytes_max;
    if (body_max && r->body == HTTP1_BODY_LENGTH && r->content_length > body_max) {
        count->http_body_too_large++;
        return (struct refusal){413, "the request body is over this node's limit"};
    }
    if (!write_target(t, c, r)) {
        count->http_head_too_large++;
        return (struct refusal){414, "the request target is too long as a URL has it"};
    }
    if (t->host_bytes == 0) {
        count->http_bad++;
        return (struct refusal){400, "the request names no valid host"};
    }
    if (!idna_is_domain(t->host, t->host_bytes)) { /* the script could not even parse its URL */
        count->http_bad_host++;
        return (struct refusal){400, "the host has an xn-- label that stands for nothing"};
    }
    if (!is_directed_here(c, t->host, t->host_bytes)) {
        count->http_misdirected++;
        return (struct refusal){421,
                                "this connection's certificate does not cover the requested host"};
    }
    uint32_t index = routes_find(core->world->routes, core->config.index, t->host, t->host_bytes,
                                 t->path, t->path_bytes, &count->route_slow);
    if (index == ROUTE_NONE) {
        count->http_no_route++;
        return (struct refusal){404, "no script answers this host and path"};
    }
    *script = &core->world->scripts[index];
    return (struct refusal){0, NULL};
}

static void take_request(struct exchange *x, const struct http1_request *r)
{
    struct core *core = x->conn->core;
    x->request_id = core_next_request_id(core);
    x->minor = r->minor;
    x->keep_alive = r->keep_alive;
    x->is_head = r->is_head;
    x->is_idempotent = r->is_idempotent;
    x->has_body = r->body != HTTP1_BODY_NONE;
    x->is_ended = x->is_broken = false;
    x->started_ns = core->now_ns;
    uint32_t one_in = core->world->tune.trace_one_in;
    x->is_traced = one_in > 0 && core->request_ids.count % one_in == 0;
    x->framing = HTTP1_FRAME_NONE;
    x->expects_continue = r->expects_continue && x->has_body;
    x->body_bytes = 0;
    http1_body_init(&x->body, r);
}

/* True: go on pumping. */
static bool on_request(struct exchange *x, const struct http1_request *r)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    const struct world_script *script = NULL;
    struct target target;
    take_request(x, r);
    struct refusal no = check_request(x, r, &target, &script);
    if (no.text) {
        exchange_refuse(x, no);
        return c->state == CONN_OPEN;
    }
    core->counters.http_requests++;
    size_t bytes = encode_head(x, r, script, &target);
    if (bytes == 0) {
        core->counters.http_head_too_large++;
        exchange_refuse(x, (struct refusal){431, "the request head is too large"});
        return c->state == CONN_OPEN;
    }
    x->script_hash = script->id_hash;
    if (x->is_traced)
        conn_trace(c, x->request_id);
    exchange_trace(x, TRACE_REQUEST, 0, script->id_hash);
    if (byte_queue_append(&x->head, &core->chunks, core->out, bytes) != bytes) {
        byte_queue_clear(&x->head, &core->chunks);
        core->counters.call_no_chunks++;
        exchange_refuse(x, exchange_refusal_of(core, CALL_ERROR_BUSY));
        return c->state == CONN_OPEN;
    }
    exchange_set_state(x, EXCHANGE_START);
    return true;
}

/* There are no chunks for a head: it stays where it is, for a while. False: for long enough. */
static bool wait_for_chunks(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    if (x->head_waits_ns == 0)
        x->head_waits_ns = core->now_ns;
    conn_retry(c);
    return core->now_ns - x->head_waits_ns < HTTP_CHUNKS_WAIT_MS * 1000000ull;
}

/* An answer to a head that was not read to its end. */
void exchange_refuse_unread(struct exchange *x, struct refusal r)
{
    x->request_id = core_next_request_id(x->conn->core);
    x->keep_alive = false;
    x->has_body = false;
    x->is_head = false;
    x->minor = 1;
    exchange_refuse(x, r);
}

void exchange_refuse_short(struct exchange *x)
{
    struct core *core = x->conn->core;
    core->counters.call_no_chunks++;
    exchange_refuse_unread(x, exchange_refusal_of(core, CALL_ERROR_BUSY));
}

static void refuse_malformed(struct exchange *x, const struct http1_request *r)
{
    struct core *core = x->conn->core;
    switch (r->error_status) {
    case 414:
    case 431:
        core->counters.http_head_too_large++;
        break;
    case 501:
    case 505:
        core->counters.http_unsupported++;
        break;
    default:
        core->counters.http_bad++;
    }
    exchange_refuse_unread(x, (struct refusal){r->error_status, r->error});
}

/* What there is is no whole head. True: some of it was taken in, and there may be more. */
static bool on_part(struct exchange *x, size_t len)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    bool is_first = len > 0 && x->seen == 0;
    x->seen = (uint32_t)len;
    if (is_first) /* from its first byte on the head has a deadline of its own */
        exchange_set_state(x, EXCHANGE_HEAD);
    if (len > x->in.bytes) {
        if (exchange_keep(x, len) > 0) {
            x->head_waits_ns = 0;
            return true;
        }
        if (!wait_for_chunks(x))
            exchange_refuse_short(x);
    } else if (tcp_is_refusing(&c->tcp)) {
        if (!wait_for_chunks(x))
            exchange_refuse_short(x);
    } else if (conn_read_ended(c) || (len == 0 && core->is_stopping)) {
        if (len > 0)
            core->counters.http_bad++;
        conn_close(c, false);
    }
    return false;
}

bool exchange_read_head(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    /* A client that pipelines must read earlier answers before it is refused anything more. */
    if (conn_write_room(c) < EXCHANGE_REFUSAL_BYTES_MAX)
        return false;
    /* Of requests that wait in a row, no more than a common head is copied at a time. */
    size_t cap = x->seen == 0 ? PEEK_BYTES : HTTP_HEAD_BYTES_MAX;
    size_t len = exchange_look(x, cap);
    if (c->state != CONN_OPEN)
        return false;
    enum http1_result result = HTTP1_MORE;
    struct http1_request *r = &core->request;
    if (len > x->seen)
        result = http1_request_parse(r, (const char *)core->scratch, len, x->seen);
    switch (result) {
    case HTTP1_MORE:
        return on_part(x, len);
    case HTTP1_BAD:
        refuse_malformed(x, r);
        return false;
    case HTTP1_OK:
        break;
    }
    if (!call_has_head_memory(core) && wait_for_chunks(x))
        return false;
    x->seen = 0;
    x->head_waits_ns = 0;
    /* The views point into scratch, which nothing touches until the head is encoded. */
    exchange_used(x, r->head_bytes);
    return on_request(x, r);
}

static void refuse_bad_body(struct exchange *x, struct refusal r)
{
    x->keep_alive = false;
    if (x->state == EXCHANGE_RUN) {
        exchange_refuse(x, r);
        return;
    }
    exchange_cut(x);
}

/* Bytes of the body for the decoder, at most so many, in core->scratch. Of one whose length is
 * known nothing behind it can be read by mistake: they are taken at once. */
static size_t look_at_body(struct exchange *x, size_t cap)
{
    struct conn *c = x->conn;
    const struct http1_body *body = &x->body;
    size_t len = 0, part;
    if (body->kind != HTTP1_BODY_LENGTH)
        return exchange_look(x, cap);
    if (body->left < cap)
        cap = (size_t)body->left;
    while (len < cap && conn_read(c, c->core->scratch + len, cap - len, &part))
        len += part;
    return len;
}

/* The decoder has eaten the first of what look_at_body gave. */
static void ate_body(struct exchange *x, size_t eaten)
{
    if (x->body.kind != HTTP1_BODY_LENGTH)
        exchange_used(x, eaten);
}

/* Decodes up to room body bytes, together: a client that sends chunks of one byte must not turn
 * each of them into a message. Those of one whose length is known stay where they are, others go
 * into core->out. *eaten: of the bytes given. */
static struct head_view decode_body(struct exchange *x, size_t len, size_t room, size_t *eaten,
                                    enum http1_result *result)
{
    struct core *core = x->conn->core;
    struct head_view payload;
    size_t decoded = 0;
    if (x->body.kind == HTTP1_BODY_LENGTH) {
        *result = http1_body_input(&x->body, core->scratch, len, eaten, &payload);
        return payload;
    }
    *eaten = 0;
    *result = HTTP1_MORE;
    while (*result == HTTP1_MORE && *eaten < len && decoded < room) {
        size_t n, part = len - *eaten < room - decoded ? len - *eaten : room - decoded;
        *result = http1_body_input(&x->body, core->scratch + *eaten, part, &n, &payload);
        memcpy(core->out + decoded, payload.p, payload.len);
        decoded += payload.len;
        *eaten += n;
    }
    return (struct head_view){(const char *)core->out, decoded};
}

/* Request body from the stream to where it runs, as far as there is room. */
void exchange_read_body(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    x->is_asked = false;
    while (x->has_body && c->state == CONN_OPEN) {
        size_t room = call_body_room(core, x->call);
        if (room == 0)
            return;
        size_t len = look_at_body(x, room);
        if (c->state != CONN_OPEN)
            return;
        size_t at;
        enum http1_result result;
        uint64_t body_max = core->world->limits.request_body_bytes_max;
        struct head_view decoded = decode_body(x, len, room, &at, &result);
        ate_body(x, at);
        x->body_bytes += decoded.len;
        if (result != HTTP1_BAD && (decoded.len > 0 || result == HTTP1_OK))
            call_body(core, x->call, (const uint8_t *)decoded.p, decoded.len, result == HTTP1_OK);
        if (result == HTTP1_OK)
            x->has_body = false;
        if (result == HTTP1_BAD) {
            core->counters.http_bad++;
            refuse_bad_body(x, (struct refusal){400, "the request body is malformed"});
            return;
        }
        if (body_max && x->body_bytes > body_max) {
            core->counters.http_body_too_large++;
            refuse_bad_body(x, (struct refusal){413, "the request body is over this node's limit"});
            return;
        }
        if (at > 0)
            exchange_got(x, at);
        x->is_asked = x->has_body && at == 0;
        if (x->has_body && at == 0) {
            if (conn_read_ended(c)) {
                core->counters.http_bad++;
                refuse_bad_body(x, (struct refusal){400, "the request body ended early"});
            }
            return;
        }
    }
}

/* Reads and drops the rest of a request body after an early answer. */
bool exchange_discard(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    size_t len = look_at_body(x, sizeof(core->scratch));
    size_t at = 0;
    enum http1_result result = HTTP1_MORE;
    while (c->state == CONN_OPEN && result == HTTP1_MORE && at < len) {
        struct head_view payload;
        size_t eaten;
        result = http1_body_input(&x->body, core->scratch + at, len - at, &eaten, &payload);
        x->body_bytes += payload.len;
        at += eaten;
    }
    if (c->state != CONN_OPEN)
        return false;
    ate_body(x, at);
    if (at > 0)
        exchange_got(x, at);
    x->is_asked = true;
    uint64_t body_max = core->world->limits.request_body_bytes_max;
    if (body_max && x->body_bytes > body_max) {
        core->counters.http_body_too_large++;
        result = HTTP1_BAD;
    }
    if (result == HTTP1_OK) {
        x->has_body = false;
        exchange_set_state(x, EXCHANGE_HEAD);
        return true;
    }
    if (result == HTTP1_BAD || conn_read_ended(c)) {
        conn_close(c, false);
        return false;
    }
    return at > 0; /* perhaps there is another record */
}
