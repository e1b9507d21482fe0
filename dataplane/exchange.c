#include "dataplane/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dataplane/cert.h"
#include "dataplane/conn.h"
#include "dataplane/core_state.h"
#include "dataplane/host.h"
#include "dataplane/route.h"
#include "runtime/head.h"

enum {
    /* Room kept free beside granted credit: a response head, and framing. */
    RESPONSE_RESERVE_BYTES = 48 * 1024,
    START_ROOM_BYTES = JOB_CREDIT_INITIAL + RESPONSE_RESERVE_BYTES,
    CREDIT_STEP_BYTES = 16 * 1024,
    PIECE_BYTES_MAX =
        16 * 1024 - 64,     /* of body in one write: a TLS record with its chunk framing */
    RUNTIME_WAIT_MS = 2000, /* for a runtime process to come back */
    RUNTIME_RETRY_MS = 20,
    DISCARD_BYTES_MAX = 64 * 1024, /* an unread request body worth reading to keep the connection */
    ERROR_PAGE_BYTES_MAX = 512,
    REFUSAL_BYTES_MAX = 2048, /* an error page with its head */
};

static_assert((int)START_ROOM_BYTES < (int)TCP_TX_BUFFER_BYTES, "a job can start");
static_assert((int)JOB_HEAD_BYTES_MAX <= (int)CORE_OUT_BYTES, "a message is put together there");
static_assert((int)JOB_HEAD_BYTES_MAX <= (int)CORE_SCRATCH_BYTES, "and read there");

/* Answers that hearth gives itself. */
struct refusal {
    uint16_t status;
    const char *text;
};

static uint64_t after_ms(const struct core *core, uint32_t ms)
{
    return core->now_ns + (uint64_t)ms * 1000000;
}

static inline struct head_view view(const char *text)
{
    return (struct head_view){text, strlen(text)};
}

static bool view_is(struct head_view v, const char *text)
{
    return v.len == strlen(text) && strncasecmp(v.p, text, v.len) == 0;
}

static bool uses_tls(const struct conn *c)
{
    return c->is_tls;
}

/* The one writer of the state, and of the deadline that goes with it. */
static void set_state(struct core *core, struct conn *c, enum exchange_state state)
{
    const struct world_limits *limits = &core->world->limits;
    struct exchange *x = &c->exchange;
    x->state = (uint8_t)state;
    switch (state) {
    case EXCHANGE_HEAD:
        conn_set_deadline(
            c, after_ms(core, x->in.bytes ? limits->head_timeout_ms : limits->idle_timeout_ms));
        break;
    case EXCHANGE_RUN: /* the runtime's wall-clock limit comes first; this is for one that never
                          speaks */
    case EXCHANGE_START:
    case EXCHANGE_RESPOND:
    case EXCHANGE_DISCARD:
        conn_set_deadline(c, after_ms(core, limits->stall_timeout_ms));
        break;
    }
}

static void made_progress(struct core *core, struct conn *c)
{
    if (c->exchange.state != EXCHANGE_HEAD)
        conn_set_deadline(c, after_ms(core, core->world->limits.stall_timeout_ms));
}

void exchange_init(struct exchange *x)
{
    *x = (struct exchange){.state = EXCHANGE_HEAD};
}

void exchange_start(struct core *core, struct conn *c)
{
    set_state(core, c, EXCHANGE_HEAD);
}

bool exchange_is_idle(const struct exchange *x)
{
    return x->state == EXCHANGE_HEAD && x->in.bytes == 0;
}

static struct runtime_link *link_of(struct core *core, const struct exchange *x)
{
    return core->link[x->link];
}

static void cancel_job(struct core *core, struct exchange *x)
{
    if (x->job.generation == 0)
        return;
    runtime_link_cancel(link_of(core, x), x->job);
    x->job = (struct job_ref){0};
}

void exchange_fini(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    if (x->state == EXCHANGE_RUN || x->state == EXCHANGE_RESPOND)
        core->counters.http_client_gone++;
    cancel_job(core, x);
    byte_queue_clear(&x->in, &core->chunks);
    byte_queue_clear(&x->head, &core->chunks);
    byte_queue_clear(&x->out, &core->chunks);
    x->state = EXCHANGE_HEAD;
}

static bool queue_or_abort(struct core *core, struct conn *c, struct byte_queue *q,
                           const void *bytes, size_t len)
{
    if (byte_queue_append(q, &core->chunks, bytes, len) == len)
        return true;
    conn_give_up(core, c);
    return false;
}

/* ---- plaintext in ---- */

/* All plaintext at hand, up to cap bytes, into scratch: first what was left over, then the
 * stream's. */
static size_t gather(struct core *core, struct conn *c, size_t cap)
{
    struct byte_queue *in = &c->exchange.in;
    size_t len = in->bytes;
    assert(len <= sizeof(core->scratch));
    byte_queue_copy(in, 0, core->scratch, len);
    byte_queue_clear(in, &core->chunks);
    while (len < cap) {
        size_t part;
        if (!conn_read(core, c, core->scratch + len, cap - len, &part))
            break;
        len += part;
    }
    return len;
}

static bool keep_rest(struct core *core, struct conn *c, const uint8_t *bytes, size_t len)
{
    return len == 0 || queue_or_abort(core, c, &c->exchange.in, bytes, len);
}

/* ---- answers ---- */

static void count_status(struct core *core, uint16_t status)
{
    if (status < 300)
        core->counters.http_2xx++;
    else if (status < 400)
        core->counters.http_3xx++;
    else if (status < 500)
        core->counters.http_4xx++;
    else
        core->counters.http_5xx++;
}

/* A message under construction in core->out. */
struct message {
    char *p, *end;
    bool bad;
};

static struct message message_start(struct core *core)
{
    return (struct message){.p = (char *)core->out, .end = (char *)core->out + sizeof(core->out)};
}

static void put(struct message *m, const void *bytes, size_t len)
{
    if ((size_t)(m->end - m->p) < len) {
        m->bad = true;
        return;
    }
    memcpy(m->p, bytes, len);
    m->p += len;
}

static void put_head(struct core *core, struct message *m, const struct http1_response *r)
{
    size_t n = http1_response_start(m->p, (size_t)(m->end - m->p), r, core_date(core));
    m->bad |= n == 0;
    m->p += n;
}

static void put_field(struct message *m, struct head_view name, struct head_view value)
{
    size_t n = http1_response_field(m->p, (size_t)(m->end - m->p), name, value);
    m->bad |= n == 0;
    m->p += n;
}

static size_t message_bytes(const struct core *core, const struct message *m)
{
    return (size_t)(m->p - (const char *)core->out);
}

static struct head_view format_id(uint64_t id, char out[17])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++)
        out[i] = digits[(id >> (60 - 4 * i)) & 15];
    out[16] = 0;
    return (struct head_view){out, 16};
}

static void put_debug_fields(struct core *core, struct message *m, const struct exchange *x,
                             bool is_cold, bool is_of_script)
{
    char id[17];
    put_field(m, view("x-hearth-request-id"), format_id(x->request_id, id));
    if (!core->world->debug_headers)
        return;
    put_field(m, view("x-hearth-node"), view(core->world->node));
    if (!is_of_script)
        return;
    put_field(m, view("x-hearth-home"), view(core->world->node));
    put_field(m, view("x-hearth-path"), view("here"));
    put_field(m, view("x-hearth-start"), view(is_cold ? "cold" : "warm"));
}

/* The request is answered in full. */
static void finish(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    x->job = (struct job_ref){0};
    byte_queue_clear(&x->head, &core->chunks);
    if (!x->keep_alive) {
        x->state =
            EXCHANGE_HEAD; /* answered: the client is not "gone" when the connection closes */
        conn_close(core, c, false);
        return;
    }
    set_state(core, c, x->has_body ? EXCHANGE_DISCARD : EXCHANGE_HEAD);
    conn_mark(core, c);
}

/* The connection survives an early answer only if little of the request body is still to come. */
static bool can_discard_body(const struct exchange *x)
{
    return !x->has_body || (x->body.kind == HTTP1_BODY_LENGTH && x->body.left <= DISCARD_BYTES_MAX);
}

static bool keeps_alive(const struct core *core, const struct exchange *x)
{
    /* Without "100 Continue" the client may or may not send its body: who knows where the next
     * request begins (RFC 9110 10.1.1). */
    return x->keep_alive && !core->is_stopping && !x->expects_continue && can_discard_body(x);
}

/* An answer of hearth's own to the current request, which is over with it. */
static void refuse(struct core *core, struct conn *c, struct refusal r)
{
    struct exchange *x = &c->exchange;
    char page[ERROR_PAGE_BYTES_MAX], id[17];
    cancel_job(core, x);
    format_id(x->request_id, id);
    int page_bytes = snprintf(page, sizeof(page), "%u %s\n%s\nrequest id: %s\n", r.status,
                              http1_reason(r.status), r.text, id);
    assert(page_bytes > 0 && (size_t)page_bytes < sizeof(page));
    x->keep_alive = keeps_alive(core, x);
    x->expects_continue = false;
    struct message m = message_start(core);
    put_head(core, &m,
             &(struct http1_response){.status = r.status,
                                      .framing = HTTP1_FRAME_LENGTH,
                                      .length = (uint64_t)page_bytes,
                                      .keep_alive = x->keep_alive,
                                      .minor = x->minor});
    put_field(&m, view("content-type"), view("text/plain;charset=UTF-8"));
    put_field(&m, view("cache-control"), view("no-store"));
    if (r.status == 503)
        put_field(&m, view("retry-after"), view("1"));
    if (r.status == 405)
        put_field(&m, view("allow"), view("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    put_debug_fields(core, &m, x, false, false);
    put(&m, "\r\n", 2);
    if (!x->is_head)
        put(&m, page, (size_t)page_bytes);
    assert(!m.bad);
    count_status(core, r.status);
    if (message_bytes(core, &m) > conn_write_room(c)) {
        conn_abort(core, c); /* a peer that pipelines and does not read */
        return;
    }
    if (conn_write(core, c, core->out, message_bytes(core, &m)))
        finish(core, c);
}

static bool is_connection_named(struct head_view list, struct head_view name)
{
    const char *p = list.p, *end = list.p + list.len;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        while (p < stop && (*p == ' ' || *p == '\t'))
            p++;
        const char *last = stop;
        while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if ((size_t)(last - p) == name.len && strncasecmp(p, name.p, name.len) == 0)
            return true;
        p = stop + 1;
    }
    return false;
}

/* ---- request heads ---- */

/* Fields that hearth sets for the script: a client cannot claim them. */
static bool is_reserved_field(struct head_view name)
{
    return view_is(name, "x-real-ip") || view_is(name, "x-forwarded-proto") ||
           view_is(name, "x-hearth-request-id");
}

static bool is_forwarded(const struct http1_request *r, struct head_view name)
{
    if (is_reserved_field(name) || view_is(name, "expect"))
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

/* Encodes the request for the runtime into core->out; 0: too large. */
static size_t encode_head(struct core *core, struct conn *c, const struct http1_request *r)
{
    struct head_view scheme = uses_tls(c) ? view("https://") : view("http://");
    char url[HTTP_TARGET_BYTES_MAX + HOST_BYTES_MAX + 32];
    size_t url_bytes = scheme.len + r->authority.len + r->path.len;
    if (url_bytes > sizeof(url))
        return 0;
    memcpy(url, scheme.p, scheme.len);
    memcpy(url + scheme.len, r->authority.p, r->authority.len);
    memcpy(url + scheme.len + r->authority.len, r->path.p, r->path.len);
    struct head_writer w;
    head_write_request(&w, core->out, JOB_HEAD_BYTES_MAX, r->method,
                       (struct head_view){url, url_bytes});
    for (uint32_t i = 0; i < r->field_count; i++) {
        if (is_forwarded(r, r->field[i].name))
            write_lower_field(&w, r->field[i]);
    }
    char ip[46], id[17];
    net_format_ip(c->key.remote, ip);
    head_write_field(&w, view("x-real-ip"), view(ip));
    head_write_field(&w, view("x-forwarded-proto"), view(uses_tls(c) ? "https" : "http"));
    head_write_field(&w, view("x-hearth-request-id"), format_id(c->exchange.request_id, id));
    return head_write_end(&w);
}

/* Does the certificate that this connection was opened with cover the host? (RFC 9110 7.4) */
static bool is_directed_here(struct core *core, const struct conn *c, const char *host,
                             size_t host_bytes)
{
    if (!uses_tls(c))
        return true;
    const struct certs *certs = core->world->certs;
    const struct tls_context *mine =
        certs_find(certs, c->sni.host_bytes ? c->sni.host : NULL, c->sni.host_bytes);
    return mine && certs_covers(certs, mine, host, host_bytes);
}

/* What the request line and fields alone can refuse; NULL text: go on, *script is set. */
static struct refusal check_request(struct core *core, struct conn *c,
                                    const struct http1_request *r,
                                    const struct world_script **script)
{
    struct counters *count = &core->counters;
    char host[HOST_BYTES_MAX + 1];
    if (view_is(r->method, "CONNECT") || view_is(r->method, "TRACE")) {
        count->http_unsupported++;
        return (struct refusal){405, "hearth speaks neither CONNECT nor TRACE"};
    }
    if (r->path.len == 1 && r->path.p[0] == '*') {
        count->http_unsupported++;
        return (struct refusal){501, "OPTIONS * is not supported"};
    }
    uint64_t body_max = core->world->limits.request_body_bytes_max;
    if (body_max && r->body == HTTP1_BODY_LENGTH && r->content_length > body_max) {
        count->http_body_too_large++;
        return (struct refusal){413, "the request body is over this node's limit"};
    }
    size_t host_bytes = host_canonical(host, r->host.p, r->host.len);
    if (host_bytes == 0) {
        count->http_bad++;
        return (struct refusal){400, "the request names no valid host"};
    }
    if (!is_directed_here(core, c, host, host_bytes)) {
        count->http_misdirected++;
        return (struct refusal){421,
                                "this connection's certificate does not cover the requested host"};
    }
    const char *query = memchr(r->path.p, '?', r->path.len);
    size_t path_bytes = query ? (size_t)(query - r->path.p) : r->path.len;
    uint32_t index = routes_find(core->world->routes, core->config.index, host, host_bytes,
                                 r->path.p, path_bytes);
    if (index == ROUTE_NONE) {
        count->http_no_route++;
        return (struct refusal){404, "no script answers this host and path"};
    }
    *script = &core->world->scripts[index];
    return (struct refusal){0, NULL};
}

static void take_request(struct core *core, struct conn *c, const struct http1_request *r)
{
    struct exchange *x = &c->exchange;
    x->request_id = core_next_request_id(core);
    x->minor = r->minor;
    x->keep_alive = r->keep_alive;
    x->is_head = r->is_head;
    x->is_idempotent = r->is_idempotent;
    x->has_body = r->body != HTTP1_BODY_NONE;
    x->body_end_due = false;
    x->is_ended = false;
    x->was_rerun = false;
    x->framing = HTTP1_FRAME_NONE;
    x->runtime_wait_until_ns = 0;
    x->expects_continue = r->expects_continue && x->has_body;
    x->body_bytes = 0;
    http1_body_init(&x->body, r);
}

/* True: go on pumping. */
static bool on_request(struct core *core, struct conn *c, const struct http1_request *r)
{
    struct exchange *x = &c->exchange;
    const struct world_script *script = NULL;
    take_request(core, c, r);
    struct refusal no = check_request(core, c, r, &script);
    if (no.text) {
        refuse(core, c, no);
        return c->state == CONN_OPEN;
    }
    core->counters.http_requests++;
    size_t bytes = encode_head(core, c, r);
    if (bytes == 0) {
        core->counters.http_head_too_large++;
        refuse(core, c, (struct refusal){431, "the request head is too large"});
        return c->state == CONN_OPEN;
    }
    x->script_handle = script->handle;
    x->script_hash = script->id_hash;
    if (!queue_or_abort(core, c, &x->head, core->out, bytes))
        return false;
    set_state(core, c, EXCHANGE_START);
    return true;
}

static void refuse_malformed(struct core *core, struct conn *c, const struct http1_request *r)
{
    struct exchange *x = &c->exchange;
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
    x->request_id = core_next_request_id(core);
    x->keep_alive = false;
    x->has_body = false;
    x->is_head = false;
    x->minor = 1;
    refuse(core, c, (struct refusal){r->error_status, r->error});
}

static bool pump_head(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    /* A client that pipelines must read earlier answers before it is refused anything more. */
    if (conn_write_room(c) < REFUSAL_BYTES_MAX)
        return false;
    size_t len = gather(core, c, sizeof(core->scratch));
    if (c->state != CONN_OPEN)
        return false;
    enum http1_result result = HTTP1_MORE;
    struct http1_request *r = &core->request;
    bool is_first = x->seen == 0;
    if (len > x->seen)
        result = http1_request_parse(r, (const char *)core->scratch, len, x->seen);
    if (result == HTTP1_BAD) {
        refuse_malformed(core, c, r);
        return false;
    }
    if (result == HTTP1_OK) {
        x->seen = 0;
        /* The views point into scratch, which nothing touches until the head is encoded. */
        if (!keep_rest(core, c, core->scratch + r->head_bytes, len - r->head_bytes))
            return false;
        return on_request(core, c, r);
    }
    x->seen = (uint32_t)len;
    if (!keep_rest(core, c, core->scratch, len))
        return false;
    if (conn_read_ended(c) || (len == 0 && core->is_stopping)) {
        if (len > 0)
            core->counters.http_bad++;
        conn_close(core, c, false);
    } else if (len > 0 && is_first) {
        set_state(core, c,
                  EXCHANGE_HEAD); /* from its first byte on the head has a deadline of its own */
    }
    return false;
}

/* ---- the job ---- */

static struct refusal refusal_of_start(struct core *core, enum job_start_result result)
{
    switch (result) {
    case JOB_TABLE_FULL:
        core->counters.job_table_full++;
        return (struct refusal){503, "this node has too many requests under way"};
    case JOB_NO_ROOM:
        core->counters.job_no_chunks++;
        return (struct refusal){503, "this node is busy"};
    case JOB_NO_RUNTIME:
    case JOB_STARTED:
        break;
    }
    core->counters.job_no_runtime++;
    return (struct refusal){503, "no runtime process is up"};
}

static bool pump_start(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    if (conn_write_room(c) < START_ROOM_BYTES)
        return false; /* the client must read earlier answers first */
    struct runtime_link *link = core_link_of(core, x->script_hash);
    size_t bytes = x->head.bytes;
    byte_queue_copy(&x->head, 0, core->out, bytes);
    enum job_start_result result =
        link ? runtime_link_start(link, c->index, x->script_handle, x->request_id, core->out, bytes,
                                  x->has_body, &x->job)
             : JOB_NO_RUNTIME;
    if (result == JOB_NO_RUNTIME) {
        /* A process that died is back within a second: waiting beats refusing. */
        if (x->runtime_wait_until_ns == 0)
            x->runtime_wait_until_ns = after_ms(core, RUNTIME_WAIT_MS);
        if (core->now_ns < x->runtime_wait_until_ns) {
            conn_set_deadline(c, after_ms(core, RUNTIME_RETRY_MS));
            return false;
        }
    }
    if (result != JOB_STARTED) {
        refuse(core, c, refusal_of_start(core, result));
        return c->state == CONN_OPEN;
    }
    x->link = (uint8_t)core_link_index(core, link);
    /* Only a request that may safely run again is kept for that (RFC 9110 9.2.2). */
    if (!x->is_idempotent || x->has_body)
        byte_queue_clear(&x->head, &core->chunks);
    if (x->expects_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        x->expects_continue = false;
        if (!conn_write(core, c, go_on, sizeof(go_on) - 1))
            return false;
    }
    set_state(core, c, EXCHANGE_RUN);
    return true;
}

/* Ends an answer that will never be whole. */
static void cut(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    x->state = EXCHANGE_HEAD; /* the client is not "gone" */
    cancel_job(core, x);
    if (x->framing == HTTP1_FRAME_CLOSE && !uses_tls(c))
        conn_abort(core, c); /* a FIN would say that this was all */
    else
        conn_close(core, c, true);
}

static void refuse_bad_body(struct core *core, struct conn *c, struct refusal r)
{
    struct exchange *x = &c->exchange;
    x->keep_alive = false;
    if (x->state == EXCHANGE_RUN) {
        refuse(core, c, r);
        return;
    }
    cut(core, c);
}

/* Decodes up to room body bytes into core->out, together: a client that sends chunks of one byte
 * must not turn each of them into a message. Returns how many; *eaten: of the bytes given. */
static size_t decode_body(struct core *core, struct exchange *x, size_t len, size_t room,
                          size_t *eaten, enum http1_result *result)
{
    size_t decoded = 0;
    *eaten = 0;
    *result = HTTP1_MORE;
    while (*result == HTTP1_MORE && *eaten < len && decoded < room) {
        struct head_view payload;
        size_t n, part = len - *eaten < room - decoded ? len - *eaten : room - decoded;
        *result = http1_body_input(&x->body, core->scratch + *eaten, part, &n, &payload);
        memcpy(core->out + decoded, payload.p, payload.len);
        decoded += payload.len;
        *eaten += n;
    }
    return decoded;
}

/* Request body from the stream to the runtime, as far as its credit goes. */
static void pump_request_body(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    struct runtime_link *link = link_of(core, x);
    bool ended;
    if (runtime_link_is_short(link))
        conn_retry(c);
    if (x->body_end_due) {
        runtime_link_body(link, x->job, NULL, 0, true, &ended);
        x->body_end_due = !ended;
        return;
    }
    while (x->has_body && c->state == CONN_OPEN) {
        size_t room = runtime_link_body_room(link, x->job);
        if (room == 0)
            return;
        size_t len = gather(core, c, room);
        if (c->state != CONN_OPEN)
            return;
        size_t at;
        enum http1_result result;
        uint64_t body_max = core->world->limits.request_body_bytes_max;
        size_t decoded = decode_body(core, x, len, room, &at, &result);
        x->body_bytes += decoded;
        if (result != HTTP1_BAD && (decoded > 0 || result == HTTP1_OK)) {
            size_t taken =
                runtime_link_body(link, x->job, core->out, decoded, result == HTTP1_OK, &ended);
            assert(taken == decoded); /* one message, and room says that it fits */
        }
        if (result == HTTP1_OK) {
            x->has_body = false;
            x->body_end_due = !ended;
            if (!ended)
                conn_retry(c);
        }
        if (!keep_rest(core, c, core->scratch + at, len - at))
            return;
        if (result == HTTP1_BAD) {
            core->counters.http_bad++;
            refuse_bad_body(core, c, (struct refusal){400, "the request body is malformed"});
            return;
        }
        if (body_max && x->body_bytes > body_max) {
            core->counters.http_body_too_large++;
            refuse_bad_body(core, c,
                            (struct refusal){413, "the request body is over this node's limit"});
            return;
        }
        if (at > 0)
            made_progress(core, c);
        if (x->has_body && at == 0) {
            if (conn_read_ended(c)) {
                core->counters.http_bad++;
                refuse_bad_body(core, c, (struct refusal){400, "the request body ended early"});
            }
            return;
        }
    }
}

/* Lets the runtime send as much as the connection has room for beyond what is already granted or
 * waits. */
static void grant_credit(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    if (x->job.generation == 0)
        return;
    size_t promised =
        RESPONSE_RESERVE_BYTES + x->out.bytes + runtime_link_outstanding(link_of(core, x), x->job);
    size_t room = conn_write_room(c);
    if (room >= promised + CREDIT_STEP_BYTES &&
        !runtime_link_credit(link_of(core, x), x->job, (uint32_t)(room - promised)))
        conn_retry(c);
}

/* One piece of response body in its framing. False: no connection any more. */
static bool write_piece(struct core *core, struct conn *c, const void *bytes, size_t len)
{
    struct exchange *x = &c->exchange;
    if (x->framing != HTTP1_FRAME_CHUNKED)
        return conn_write(core, c, bytes, len);
    char head[16];
    size_t head_bytes = http1_chunk_start(head, sizeof(head), len);
    uint8_t piece[PIECE_BYTES_MAX + 32];
    assert(len <= PIECE_BYTES_MAX);
    memcpy(piece, head, head_bytes);
    memcpy(piece + head_bytes, bytes, len);
    memcpy(piece + head_bytes + len, HTTP1_CHUNK_END, 2);
    return conn_write(core, c, piece, head_bytes + len + 2);
}

/* The end of the answer, once everything before it is written. */
static void end_response(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    if (x->framing == HTTP1_FRAME_LENGTH && x->response_left > 0) {
        core->counters.job_bad_length++; /* the script promised more than it sent */
        cut(core, c);
        return;
    }
    if (x->framing == HTTP1_FRAME_CHUNKED && !x->is_head &&
        !conn_write(core, c, HTTP1_LAST_CHUNK, sizeof(HTTP1_LAST_CHUNK) - 1))
        return;
    finish(core, c);
}

/* Writes waiting payload while there is room. */
static void pump_response(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    uint8_t piece[PIECE_BYTES_MAX];
    while (x->out.bytes > 0) {
        size_t room = conn_write_room(c);
        size_t len = x->out.bytes < sizeof(piece) ? x->out.bytes : sizeof(piece);
        if (room < len + 64)
            break;
        byte_queue_copy(&x->out, 0, piece, len);
        byte_queue_consume(&x->out, &core->chunks, (uint32_t)len);
        made_progress(core, c);
        if (!write_piece(core, c, piece, len))
            return;
    }
    if (x->is_ended && x->out.bytes == 0 && conn_write_room(c) >= 64)
        end_response(core, c);
    else
        grant_credit(core, c);
}

/* Reads and drops the rest of a request body after an early answer. */
static bool pump_discard(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    size_t len = gather(core, c, sizeof(core->scratch));
    size_t at = 0;
    enum http1_result result = HTTP1_MORE;
    while (c->state == CONN_OPEN && result == HTTP1_MORE && at < len) {
        struct head_view payload;
        size_t eaten;
        result = http1_body_input(&x->body, core->scratch + at, len - at, &eaten, &payload);
        at += eaten;
    }
    if (c->state != CONN_OPEN || !keep_rest(core, c, core->scratch + at, len - at))
        return false;
    if (result == HTTP1_OK) {
        x->has_body = false;
        set_state(core, c, EXCHANGE_HEAD);
        return true;
    }
    if (result == HTTP1_BAD || conn_read_ended(c))
        conn_close(core, c, false);
    return false;
}

void exchange_pump(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    bool goes_on = true;
    while (goes_on && c->state == CONN_OPEN) {
        switch ((enum exchange_state)x->state) {
        case EXCHANGE_HEAD:
            goes_on = pump_head(core, c);
            break;
        case EXCHANGE_START:
            goes_on = pump_start(core, c);
            break;
        case EXCHANGE_RUN:
            pump_request_body(core, c);
            goes_on = false;
            break;
        case EXCHANGE_RESPOND:
            if (x->job.generation)
                pump_request_body(core, c);
            if (c->state == CONN_OPEN && x->state == EXCHANGE_RESPOND)
                pump_response(core, c);
            goes_on = c->state == CONN_OPEN && x->state != EXCHANGE_RESPOND;
            break;
        case EXCHANGE_DISCARD:
            goes_on = pump_discard(core, c);
            break;
        }
    }
}

void exchange_timeout(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    switch ((enum exchange_state)x->state) {
    case EXCHANGE_HEAD:
        if (x->in.bytes == 0) {
            core->counters.conn_timeout_idle++;
            conn_close(core, c, false);
            return;
        }
        core->counters.conn_timeout_head++;
        x->keep_alive = false;
        x->has_body = false;
        x->is_head = false;
        x->minor = 1;
        x->request_id = core_next_request_id(core);
        refuse(core, c, (struct refusal){408, "the request head took too long"});
        return;
    case EXCHANGE_RUN:
        core->counters.conn_timeout_stall++;
        x->keep_alive = false;
        if (x->has_body)
            refuse(core, c, (struct refusal){408, "the request body took too long"});
        else
            refuse(core, c, (struct refusal){504, "the script did not answer in time"});
        return;
    case EXCHANGE_START:
        if (core->now_ns < x->runtime_wait_until_ns) {
            /* The pump that follows tries again; what else it may find to wait for has an end too. */
            conn_set_deadline(c, x->runtime_wait_until_ns +
                                     (uint64_t)core->world->limits.stall_timeout_ms * 1000000);
            return;
        }
        core->counters.conn_timeout_stall++;
        conn_abort(core, c);
        return;
    case EXCHANGE_RESPOND:
    case EXCHANGE_DISCARD:
        core->counters.conn_timeout_stall++;
        conn_abort(core, c);
        return;
    }
}

/* ---- events of the job ---- */

static struct conn *owner_of(struct core *core, uint32_t owner)
{
    struct conn *c = &core->conns[owner];
    assert(c->state == CONN_OPEN &&
           c->exchange.job.generation != 0); /* a conn that goes cancels its job */
    return c;
}

/* A runtime's head is text of a stranger: what could break the message's framing is left out or
 * refused. */
static bool read_response_head(const uint8_t *head, size_t head_bytes, uint16_t *status,
                               bool *has_length, uint64_t *length)
{
    struct head_reader r;
    struct head_field f;
    *status = head_read_response(&r, head, head_bytes);
    *has_length = false;
    while (head_read_field(&r, &f)) {
        if (!view_is(f.name, "content-length"))
            continue;
        uint64_t n = 0;
        if (*has_length || f.value.len == 0 || f.value.len > 18)
            return false;
        for (size_t i = 0; i < f.value.len; i++) {
            if (f.value.p[i] < '0' || f.value.p[i] > '9')
                return false;
            n = n * 10 + (uint64_t)(f.value.p[i] - '0');
        }
        *has_length = true;
        *length = n;
    }
    return head_read_end(&r) && *status >= 200 && *status <= 599;
}

static void choose_framing(struct exchange *x, uint16_t status, bool has_length, uint64_t length,
                           bool is_end, uint64_t body_bytes)
{
    x->response_left = 0;
    if (status == 204 || status == 304) {
        x->framing = HTTP1_FRAME_NONE;
    } else if (has_length || is_end) {
        x->framing = HTTP1_FRAME_LENGTH;
        x->response_left = has_length ? length : body_bytes;
    } else if (x->minor == 0) {
        x->framing = HTTP1_FRAME_CLOSE;
        x->keep_alive = false;
    } else {
        x->framing = HTTP1_FRAME_CHUNKED;
    }
}

static size_t total(const struct head_view *body, uint32_t views)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < views; i++)
        bytes += body[i].len;
    return bytes;
}

/* Body bytes from the runtime: written at once when nothing waits before them and there is room,
 * else queued. */
static bool take_body(struct core *core, struct conn *c, const struct head_view *body,
                      uint32_t views)
{
    struct exchange *x = &c->exchange;
    size_t bytes = total(body, views);
    if (x->is_head || x->framing == HTTP1_FRAME_NONE) {
        x->response_left = 0;
        return true;
    }
    if (x->framing == HTTP1_FRAME_LENGTH) {
        if (bytes > x->response_left) {
            core->counters.job_bad_length++;
            cut(core, c);
            return false;
        }
        x->response_left -= bytes;
    }
    for (uint32_t i = 0; i < views; i++) {
        if (!queue_or_abort(core, c, &x->out, body[i].p, body[i].len))
            return false;
    }
    return true;
}

static void on_head(void *arg, uint32_t owner, const uint8_t *head, size_t head_bytes,
                    uint64_t cold_us, const struct head_view *body, uint32_t views, bool is_end)
{
    struct core *core = arg;
    struct conn *c = owner_of(core, owner);
    struct exchange *x = &c->exchange;
    uint16_t status;
    bool has_length;
    uint64_t length = 0;
    if (is_end)
        x->job = (struct job_ref){0};
    byte_queue_clear(&x->head, &core->chunks);
    if (!read_response_head(head, head_bytes, &status, &has_length, &length)) {
        core->counters.job_bad_head++;
        refuse(core, c, (struct refusal){502, "the script's answer has a malformed head"});
        return;
    }
    choose_framing(x, status, has_length, length, is_end, total(body, views));
    /* An answer that comes before the request body has ended leaves the rest of it to be read and
     * dropped. */
    if (is_end && !can_discard_body(x))
        x->keep_alive = false;
    if (core->is_stopping)
        x->keep_alive = false;

    struct message m = message_start(core);
    put_head(core, &m,
             &(struct http1_response){.status = status,
                                      .framing = (enum http1_framing)x->framing,
                                      .length = x->response_left,
                                      .keep_alive = x->keep_alive,
                                      .minor = x->minor});
    struct head_reader r;
    struct head_field f;
    head_read_response(&r, head, head_bytes);
    while (head_read_field(&r, &f)) {
        if (!http1_is_hop_field(f.name))
            put_field(&m, f.name, f.value);
    }
    put_debug_fields(core, &m, x, cold_us > 0, true);
    put(&m, "\r\n", 2);
    if (m.bad) {
        core->counters.job_bad_head++;
        refuse(core, c, (struct refusal){502, "the script's answer has a malformed head"});
        return;
    }
    count_status(core, status);
    x->is_ended = is_end;
    set_state(core, c, EXCHANGE_RESPOND);

    /* The common answer leaves in one piece: head and body in one TLS record. */
    bool is_whole =
        is_end && x->framing == HTTP1_FRAME_LENGTH && x->response_left == total(body, views);
    if (is_whole && !x->is_head) {
        for (uint32_t i = 0; i < views; i++)
            put(&m, body[i].p, body[i].len);
        assert(!m.bad);
        x->response_left = 0;
        views = 0;
    }
    if (message_bytes(core, &m) > conn_write_room(c)) {
        conn_give_up(core,
                     c); /* START waited for the room: the chunks, or the client, are gone since */
        return;
    }
    if (!conn_write(core, c, core->out, message_bytes(core, &m)) ||
        !take_body(core, c, body, views))
        return;
    if (x->is_head)
        x->response_left = 0;
    pump_response(core, c);
    conn_mark(core, c);
}

static void on_data(void *arg, uint32_t owner, const struct head_view *body, uint32_t views,
                    bool is_end)
{
    struct core *core = arg;
    struct conn *c = owner_of(core, owner);
    struct exchange *x = &c->exchange;
    assert(x->state == EXCHANGE_RESPOND);
    if (is_end) {
        x->job = (struct job_ref){0};
        if (!can_discard_body(x))
            x->keep_alive = false;
    }
    if (!take_body(core, c, body, views))
        return;
    x->is_ended = is_end;
    pump_response(core, c);
    conn_mark(core, c);
}

static struct refusal refusal_of_error(struct core *core, enum job_error error)
{
    struct counters *count = &core->counters;
    switch (error) {
    case JOB_ERROR_EXCEPTION:
        count->job_exception++;
        return (struct refusal){500, "the script threw an exception"};
    case JOB_ERROR_NO_RESPONSE:
        count->job_no_response++;
        return (struct refusal){500, "the script will never answer: nothing is pending"};
    case JOB_ERROR_LOAD:
        count->job_load++;
        return (struct refusal){500, "the script does not load"};
    case JOB_ERROR_CPU_LIMIT:
        count->job_cpu_limit++;
        return (struct refusal){503, "the script exceeded its CPU limit"};
    case JOB_ERROR_MEMORY_LIMIT:
        count->job_memory_limit++;
        return (struct refusal){503, "the script exceeded its memory limit"};
    case JOB_ERROR_WALL_LIMIT:
        count->job_wall_limit++;
        return (struct refusal){504, "the script exceeded its time limit"};
    case JOB_ERROR_OUTPUT_LIMIT:
        count->job_output_limit++;
        return (struct refusal){502, "the script exceeded its output limit"};
    case JOB_ERROR_OVERLOAD:
        count->job_overload++;
        return (struct refusal){503, "the runtime is overloaded"};
    case JOB_ERROR_NO_SCRIPT:
        count->job_no_script++;
        return (struct refusal){503, "the script is being deployed"};
    case JOB_ERROR_NONE:
    case JOB_ERROR_KINDS:
        break;
    }
    assert(!"runtime_link lets only known kinds pass");
    return (struct refusal){500, ""};
}

/* The job is over without a whole answer. */
static void fail(struct core *core, struct conn *c, struct refusal r)
{
    struct exchange *x = &c->exchange;
    x->job = (struct job_ref){0};
    if (x->state == EXCHANGE_RUN) {
        refuse(core, c, r);
        return;
    }
    /* The head is out: only a cut connection says that the rest will not come. */
    cut(core, c);
}

static void on_error(void *arg, uint32_t owner, enum job_error error)
{
    struct core *core = arg;
    fail(core, owner_of(core, owner), refusal_of_error(core, error));
}

static void on_credit(void *arg, uint32_t owner)
{
    struct core *core = arg;
    conn_mark(core, owner_of(core, owner));
}

static void on_lost(void *arg, uint32_t owner)
{
    struct core *core = arg;
    struct conn *c = owner_of(core, owner);
    struct exchange *x = &c->exchange;
    if (x->state == EXCHANGE_RUN && x->head.bytes > 0 && !x->was_rerun) {
        x->job = (struct job_ref){0};
        x->was_rerun = true;
        x->runtime_wait_until_ns = 0;
        core->counters.job_rerun++;
        set_state(core, c, EXCHANGE_START);
        conn_mark(core, c);
        return;
    }
    fail(core, c, (struct refusal){502, "the runtime process died"});
}

const struct runtime_link_events exchange_events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit, .lost = on_lost};
