#include "tests/sim/model_caller.h"

#include <assert.h>
#include <string.h>

static void write_request(struct caller *c)
{
    const struct caller_request *request = &c->request;
    if (request->is_mute)
        return;
    c->out_bytes = (uint32_t)snprintf(c->text->out, sizeof(c->text->out),
                                      "%s /%u/%u/%u HTTP/1.1\r\nHost: %s\r\n%s", request->method,
                                      (unsigned)request->answer, request->id, request->bytes,
                                      request->host, request->keeps ? "" : "Connection: close\r\n");
    if (strcmp(request->method, "GET") != 0)
        c->out_bytes +=
            (uint32_t)snprintf(c->text->out + c->out_bytes, sizeof(c->text->out) - c->out_bytes,
                               "Content-Length: %u\r\n", request->body_bytes);
    if (request->half_closes)
        c->out_bytes += (uint32_t)snprintf(c->text->out + c->out_bytes,
                                           sizeof(c->text->out) - c->out_bytes, "x-waits: fin\r\n");
    uint32_t pad = request_pad(request->id);
    if (pad > 0) {
        c->out_bytes += (uint32_t)snprintf(c->text->out + c->out_bytes,
                                           sizeof(c->text->out) - c->out_bytes, "x-pad: ");
        pad_fill(c->text->out + c->out_bytes, request->id, pad);
        c->out_bytes += pad;
        c->out_bytes += (uint32_t)snprintf(c->text->out + c->out_bytes,
                                           sizeof(c->text->out) - c->out_bytes, "\r\n");
    }
    c->out_bytes += (uint32_t)snprintf(c->text->out + c->out_bytes,
                                       sizeof(c->text->out) - c->out_bytes, "\r\n");
}

void caller_open(struct callers *s, struct caller *c, const struct caller_request *request)
{
    assert(!c->is_open);
    uint32_t index = c->index;
    *c = (struct caller){.index = index,
                         .request = *request,
                         .is_open = true,
                         .is_first = true,
                         .text = malloc(sizeof(struct caller_text))};
    c->text->head[0] = 0;
    c->opened_ns = c->heard_ns = sim_now_ns;
    c->port = ++s->last_port;
    if (s->last_port == 65000)
        s->last_port = 10000;
    write_request(c);
    tcp_open_active(&c->tcp, &s->station->env, c->port,
                    request->server_port ? request->server_port : 80, (uint32_t)rng(), sim_now_ns);
}

void caller_again(struct callers *s, struct caller *c, const struct caller_request *request)
{
    assert(c->is_open && c->is_idle);
    struct caller old = *c;
    *c = (struct caller){.index = old.index,
                         .request = *request,
                         .is_open = true,
                         .tcp = old.tcp, /* holds no pointer to itself */
                         .port = old.port,
                         .text = old.text,
                         .opened_ns = old.opened_ns,
                         .heard_ns = sim_now_ns};
    c->text->head[0] = 0;
    write_request(c);
}

void caller_free(struct caller *c)
{
    if (c->is_open)
        tcp_fini(&c->tcp);
    c->is_open = false;
    free(c->text);
    c->text = NULL;
}

bool caller_field(const struct caller *c, const char *name, char *value, size_t cap)
{
    char line[64];
    snprintf(line, sizeof(line), "\r\n%s:", name);
    const char *at = strcasestr(c->text->head, line);
    if (!at)
        return false;
    at += strlen(line);
    at += strspn(at, " ");
    snprintf(value, cap, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

/* ---- the answer ---- */

enum { SIZE, DATA, AFTER, LAST }; /* chunk_state: what is awaited */

/* As many of these as are body bytes in a row; returns how many. */
static size_t take_body(struct caller *c, const uint8_t *bytes, size_t len)
{
    len = len < c->left ? len : c->left;
    if (c->status == 200)
        CHECK(c->body_at + len <= c->request.bytes &&
                  body_compare(bytes, c->request.id, c->body_at, (uint32_t)len) == len,
              "answer %u of caller %u, behind byte %u", c->request.id, c->index, c->body_at);
    c->body_at += (uint32_t)len;
    c->left -= len;
    if (c->left == 0 && c->is_chunked)
        c->chunk_state = AFTER;
    c->is_whole = c->left == 0 && !c->is_chunked;
    return len;
}

static void take_chunked_byte(struct caller *c, uint8_t byte)
{
    CHECK(c->line_bytes < sizeof(c->line) - 1, "a chunk line without end");
    c->line[c->line_bytes++] = (char)byte;
    if (byte != '\n')
        return;
    c->line[c->line_bytes] = 0;
    c->line_bytes = 0;
    if (c->chunk_state == SIZE) {
        c->left = strtoull(c->line, NULL, 16);
        c->chunk_state = c->left ? DATA : LAST;
        return;
    }
    CHECK(strcmp(c->line, "\r\n") == 0, "chunk framing %s", c->line);
    c->is_whole = c->chunk_state == LAST;
    c->chunk_state = SIZE;
}

static void take_head_byte(struct caller *c, uint8_t byte)
{
    CHECK(c->head_bytes < sizeof(c->text->head) - 1, "a head without end");
    c->text->head[c->head_bytes++] = (char)byte;
    c->text->head[c->head_bytes] = 0;
    if (c->head_bytes < 4 || memcmp(c->text->head + c->head_bytes - 4, "\r\n\r\n", 4) != 0)
        return;
    CHECK(sscanf(c->text->head, "HTTP/1.1 %d ", &c->status) == 1, "status line %s", c->text->head);
    char length[32];
    bool has_length = caller_field(c, "content-length", length, sizeof(length));
    c->is_chunked = caller_field(c, "transfer-encoding", c->line, sizeof(c->line));
    CHECK(has_length != c->is_chunked || c->status == 204, "framing: %s", c->text->head);
    c->left = has_length ? strtoull(length, NULL, 10) : 0;
    static char pad[PAD_BYTES_MAX + 1];
    if (!caller_field(c, "x-pad", pad, sizeof(pad)))
        pad[0] = 0;
    CHECK(c->status != 200 || pad_is(pad, strlen(pad), c->request.id, answer_pad(c->request.id)),
          "answer %u of caller %u: padding of %zu bytes, not %u", c->request.id, c->index,
          strlen(pad), answer_pad(c->request.id));
    c->in_body = true;
    c->is_whole = !c->is_chunked && c->left == 0;
}

/* Returns how many bytes it took: at least one. */
static size_t take_some(struct caller *c, const uint8_t *bytes, size_t len)
{
    CHECK(!c->is_whole, "bytes behind the answer %u of caller %u", c->request.id, c->index);
    if (c->in_body && (!c->is_chunked || c->chunk_state == DATA))
        return take_body(c, bytes, len);
    if (c->in_body)
        take_chunked_byte(c, *bytes);
    else
        take_head_byte(c, *bytes);
    return 1;
}

static void read_some(struct caller *c)
{
    size_t len, most = c->request.crawls ? 1 + below(4000) : SIZE_MAX;
    const uint8_t *bytes;
    while (most > 0 && (bytes = tcp_peek(&c->tcp, 0, &len), len > 0)) {
        len = len < most ? len : most;
        most -= len;
        for (size_t at = 0; at < len;)
            at += take_some(c, bytes + at, len - at);
        tcp_consume(&c->tcp, (uint32_t)len);
        c->heard_ns = sim_now_ns;
    }
}

/* ---- the request ---- */

static void write_some(struct caller *c)
{
    uint8_t part[4096];
    uint32_t all = c->out_bytes + c->request.body_bytes;
    uint32_t most = c->request.crawls ? 1 + below(8000) : UINT32_MAX;
    while (c->out_at < c->out_bytes) {
        size_t n = tcp_write(&c->tcp, c->text->out + c->out_at, c->out_bytes - c->out_at);
        if (n == 0)
            return;
        c->out_at += (uint32_t)n;
    }
    while (c->out_at < all && most > 0 && !c->request.withholds) {
        uint32_t at = c->out_at - c->out_bytes, len = all - c->out_at;
        len = len < sizeof(part) ? len : (uint32_t)sizeof(part);
        len = len < most ? len : most;
        body_fill(part, c->request.id, at, len);
        size_t n = tcp_write(&c->tcp, part, len);
        if (n == 0)
            return;
        c->heard_ns = sim_now_ns;
        c->out_at += (uint32_t)n;
        most -= (uint32_t)n;
    }
}

static void send_due(struct callers *s, struct caller *c)
{
    const struct caller_request *r = &c->request;
    station_send_from(s->station, &c->tcp, r->from_ip ? r->from_ip : station_ip(s->station),
                      r->server_ip);
}

static void end(struct callers *s, struct caller *c, enum caller_end how)
{
    if (how != CALLER_ANSWERED) {
        tcp_abort(&c->tcp);
        send_due(s, c);
    }
    tcp_fini(&c->tcp);
    c->is_open = false;
    s->done(s->arg, c, how);
    caller_free(c);
}

void caller_work(struct callers *s, struct caller *c)
{
    if (!c->is_open)
        return;
    if (tcp_deadline(&c->tcp) <= sim_now_ns)
        tcp_timeout(&c->tcp, sim_now_ns);
    if (sim_now_ns >= c->request.leave_ns) {
        end(s, c, CALLER_LEFT);
        return;
    }
    if (sim_now_ns >= c->pause_ns) {
        if (!c->has_finished)
            write_some(c);
        read_some(c);
        if (c->request.crawls)
            c->pause_ns = sim_now_ns + below(3000) * 1000ull;
    }
    bool is_said = c->request.half_closes && c->out_at == c->out_bytes + c->request.body_bytes;
    if ((c->is_whole || is_said) && !c->has_finished && !c->request.keeps) {
        tcp_finish(&c->tcp);
        c->has_finished = true;
    }
    send_due(s, c);
    enum tcp_state state = tcp_state(&c->tcp);
    if (!c->request.is_mute && !c->is_idle && c->out_at == c->out_bytes + c->request.body_bytes &&
        state != TCP_CLOSED && tcp_unacked(&c->tcp) == 0)
        c->is_taken = true;
    bool is_over = tcp_is_done(&c->tcp) || state == TCP_TIME_WAIT ||
                   (tcp_peer_finished(&c->tcp) && tcp_readable(&c->tcp) == 0);
    if (is_over && tcp_readable(&c->tcp) > 0) {
        read_some(c);
        is_over = tcp_readable(&c->tcp) == 0;
    }
    /* With the whole answer here, and our end of it said, how the connection goes down is TCP's
     * business (sim_core). */
    if (c->is_whole && c->request.keeps && !c->is_idle) {
        c->is_idle = true;
        s->done(s->arg, c, CALLER_ANSWERED);
    } else if (c->is_idle || c->request.is_mute) {
        if (is_over)
            end(s, c, CALLER_CLOSED);
    } else if (c->is_whole && (is_over || c->has_finished)) {
        end(s, c, CALLER_ANSWERED);
    } else if (is_over) {
        end(s, c, c->in_body ? CALLER_CUT : CALLER_LOST);
    } else if (sim_now_ns - c->heard_ns >= s->patience_ns) {
        end(s, c, CALLER_STUCK);
    }
}

uint64_t caller_next_ns(const struct callers *s, const struct caller *c)
{
    if (!c->is_open)
        return UINT64_MAX;
    uint64_t next = tcp_deadline(&c->tcp);
    bool is_patient = c->is_idle || c->request.is_mute;
    uint64_t impatient = is_patient ? UINT64_MAX : c->heard_ns + s->patience_ns;
    if (c->pause_ns > sim_now_ns && c->pause_ns < next)
        next = c->pause_ns;
    if (c->request.leave_ns < next)
        next = c->request.leave_ns;
    return impatient < next ? impatient : next;
}
