/* The answer's half of an exchange: what hearth says itself, and what a script says, in HTTP's
 * framing. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/conn/exchange_parts.h"
#include "dataplane/http/reserved.h"
#include "dataplane/tls/tls.h"
#include "dataplane/world/world.h"

enum {
    PIECE_HEAD_BYTES = 6,   /* "3ff8" CR LF: of a chunk as large as a piece */
    PIECE_BYTES_MIN = 1024, /* when chunks are short */
    /* Of body in one write: with its chunk framing, a TLS record. */
    PIECE_BYTES_MAX = TLS_RECORD_BYTES - PIECE_HEAD_BYTES - (sizeof(HTTP1_CHUNK_END) - 1),
    ERROR_PAGE_BYTES_MAX = 512,
    DISCARD_BYTES_MAX = 64 * 1024, /* an unread request body worth reading to keep the connection */
};

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

struct head_view exchange_format_id(uint64_t id, char out[17])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++)
        out[i] = digits[(id >> (60 - 4 * i)) & 15];
    out[16] = 0;
    return (struct head_view){out, 16};
}

/* Warm: the cell was ready when the request came to it. */
static const char *start_name(uint64_t cold_us)
{
    return cold_us == JOB_START_WARM ? "warm" : cold_us == JOB_START_WARMING ? "warming" : "cold";
}

static void put_debug_fields(struct core *core, struct message *m, const struct exchange *x,
                             uint64_t cold_us, bool is_of_script)
{
    char id[17];
    put_field(m, view("x-hearth-request-id"), exchange_format_id(x->request_id, id));
    if (!core->world->debug_headers)
        return;
    put_field(m, view("x-hearth-node"), view(core->world->node));
    if (!is_of_script)
        return;
    static const char *const paths[] = {
        [CALL_HERE] = "here", [CALL_FORWARDED] = "forwarded", [CALL_BOUNCED] = "bounced"};
    put_field(m, view("x-hearth-home"),
              view(core->world->cluster.member[call_home(core, x->call)].name));
    put_field(m, view("x-hearth-path"), view(paths[call_path(core, x->call)]));
    put_field(m, view("x-hearth-start"), view(start_name(cold_us)));
}

/* The request is answered in full. */
static void finish(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    exchange_trace(x, TRACE_END, x->status, 0);
    x->call = (struct call_ref){0};
    exchange_unreserve(x);
    byte_queue_clear(&x->head, &core->chunks);
    if (!x->keep_alive) {
        x->state =
            EXCHANGE_HEAD; /* answered: the client is not "gone" when the connection closes */
        conn_close(c, false);
        return;
    }
    exchange_set_state(x, x->has_body ? EXCHANGE_DISCARD : EXCHANGE_HEAD);
    conn_mark(c);
}

/* Of an early answer: is little enough of the request body still to come that reading it costs less
 * than a new connection? */
bool exchange_can_discard(const struct exchange *x)
{
    return !x->has_body || (x->body.kind == HTTP1_BODY_LENGTH && x->body.left <= DISCARD_BYTES_MAX);
}

/* Asked when an answer's head is written, for that has to say it if the connection ends behind the
 * answer (RFC 9112 9.6). is_all: the script is through with the request's body; else it may be
 * reading it, and whatever it leaves is discarded. */
static bool keeps_alive(const struct exchange *x, bool is_all)
{
    /* Without "100 Continue" the client may or may not send its body: who knows where the next
     * request begins (RFC 9110 10.1.1). */
    return x->keep_alive && !x->conn->core->is_stopping && !x->expects_continue &&
           (!is_all || exchange_can_discard(x));
}

static void clear_out(struct exchange *x)
{
    byte_queue_clear(&x->out, &x->conn->core->chunks);
    x->head_left = 0;
}

/* A head, or all of a short answer: at once if nothing waits before it and there is room, else
 * queued. False: no connection any more. */
static bool say(struct exchange *x, const struct message *m)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    size_t bytes = message_bytes(core, m);
    if (x->out.bytes == 0 && bytes <= conn_write_room(c))
        return conn_write(c, core->out, bytes);
    assert(x->out.bytes == x->head_left); /* no payload before a head */
    x->head_left += (uint32_t)bytes;
    return exchange_queue(x, &x->out, core->out, bytes);
}

/* An answer of hearth's own to the current request, which is over with it. */
void exchange_refuse(struct exchange *x, struct refusal r)
{
    struct core *core = x->conn->core;
    char page[ERROR_PAGE_BYTES_MAX], id[17];
    exchange_format_id(x->request_id, id);
    int page_bytes = snprintf(page, sizeof(page), "%u %s\n%s\nrequest id: %s\n", r.status,
                              http1_reason(r.status), r.text, id);
    bool has_page = r.status != 204;
    assert(page_bytes > 0 && (size_t)page_bytes < sizeof(page));
    x->keep_alive = keeps_alive(x, true);
    x->expects_continue = false;
    struct message m = message_start(core);
    put_head(core, &m,
             &(struct http1_response){.status = r.status,
                                      .framing = has_page ? HTTP1_FRAME_LENGTH : HTTP1_FRAME_NONE,
                                      .length = (uint64_t)page_bytes,
                                      .keep_alive = x->keep_alive,
                                      .minor = x->minor});
    if (has_page)
        put_field(&m, view("content-type"), view("text/plain;charset=UTF-8"));
    put_field(&m, view("cache-control"), view("no-store"));
    if (r.status == 503)
        put_field(&m, view("retry-after"), view("1"));
    if (r.status == 405 || r.status == 204)
        put_field(&m, view("allow"), view("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    put_debug_fields(core, &m, x, JOB_START_WARM, false);
    put(&m, "\r\n", 2);
    if (has_page && !x->is_head)
        put(&m, page, (size_t)page_bytes);
    assert(!m.bad);
    count_status(core, r.status);
    x->status = r.status;
    /* In the memory of the answer that it stands for, which the call gives back when it is
     * cancelled. */
    clear_out(x);
    if (!say(x, &m))
        return;
    exchange_cancel_call(x);
    x->framing = HTTP1_FRAME_LENGTH;
    x->response_left = 0;
    x->is_ended = true;
    if (x->out.bytes == 0)
        finish(x);
    else
        exchange_set_state(x, EXCHANGE_RESPOND);
}

/* Ends an answer that will never be whole. */
void exchange_cut(struct exchange *x)
{
    struct conn *c = x->conn;
    x->state = EXCHANGE_HEAD; /* the client is not "gone" */
    exchange_cancel_call(x);
    if (x->framing == HTTP1_FRAME_CLOSE && !c->is_tls)
        conn_cut(c); /* a FIN would say that this was all */
    else
        conn_close(c, true);
}

static void grant_credit(struct exchange *x)
{
    struct conn *c = x->conn;
    size_t room = conn_write_room(c);
    call_credit(c->core, x->call,
                room > EXCHANGE_FRAMING_BYTES ? room - EXCHANGE_FRAMING_BYTES : 0);
}

/* Of a piece of the body, what there is room for now. A small piece is worth writing only if
 * nothing on its way will make more room. */
static size_t fits(const struct exchange *x, size_t len)
{
    struct conn *c = x->conn;
    size_t room = conn_write_room(c);
    if (room >= len + 64)
        return len;
    bool is_short = tcp_unacked(&c->tcp) < PIECE_BYTES_MAX;
    return is_short && room >= PIECE_BYTES_MIN + 64 ? room - 64 : 0;
}

/* What one write takes, with room for a chunk's framing around it. */
struct piece {
    uint8_t head[PIECE_HEAD_BYTES], bytes[PIECE_BYTES_MAX], end[sizeof(HTTP1_CHUNK_END) - 1];
};
static_assert(sizeof(struct piece) == TLS_RECORD_BYTES, "a piece is a record");

/* One piece of response body in its framing. False: no connection any more. */
static bool write_piece(struct exchange *x, struct piece *p, size_t len)
{
    struct conn *c = x->conn;
    if (x->framing != HTTP1_FRAME_CHUNKED)
        return conn_write(c, p->bytes, len);
    char head[PIECE_HEAD_BYTES];
    size_t head_bytes = http1_chunk_start(head, sizeof(head), len);
    uint8_t *start = p->bytes - head_bytes;
    assert(head_bytes > 0 && len <= PIECE_BYTES_MAX);
    memcpy(start, head, head_bytes);
    memcpy(p->bytes + len, HTTP1_CHUNK_END, sizeof(p->end));
    return conn_write(c, start, head_bytes + len + sizeof(p->end));
}

/* The end of the answer, once everything before it is written. */
static void end_response(struct exchange *x)
{
    struct conn *c = x->conn;
    if (x->framing == HTTP1_FRAME_LENGTH && x->response_left > 0) {
        c->core->counters.job_bad_length++; /* the script promised more than it sent */
        exchange_cut(x);
        return;
    }
    if (x->framing == HTTP1_FRAME_CHUNKED && !x->is_head &&
        !conn_write(c, HTTP1_LAST_CHUNK, sizeof(HTTP1_LAST_CHUNK) - 1))
        return;
    finish(x);
}

/* The first of what waits, as far as there is room: text of the head as it is, or payload in its
 * framing. False: no room, or no connection any more. */
static bool write_some(struct exchange *x)
{
    struct conn *c = x->conn;
    struct piece piece;
    bool is_head = x->head_left > 0;
    size_t waits = is_head ? x->head_left : x->out.bytes;
    size_t len = fits(x, waits < PIECE_BYTES_MAX ? waits : PIECE_BYTES_MAX);
    if (len == 0)
        return false;
    byte_queue_copy(&x->out, 0, piece.bytes, len);
    byte_queue_consume(&x->out, &c->core->chunks, (uint32_t)len);
    exchange_moved(x);
    if (!is_head)
        return write_piece(x, &piece, len);
    x->head_left -= (uint32_t)len;
    return conn_write(c, piece.bytes, len);
}

void exchange_write_answer(struct exchange *x)
{
    struct conn *c = x->conn;
    while (x->out.bytes > 0) {
        if (!write_some(x))
            break;
    }
    if (c->state != CONN_OPEN)
        return;
    if (x->is_broken && x->out.bytes == 0)
        exchange_cut(x);
    else if (x->is_ended && x->out.bytes == 0 && conn_write_room(c) >= 64)
        end_response(x);
    else
        grant_credit(x);
}

/* ---- events of the call ---- */

static struct exchange *owner_of(struct core *core, uint32_t owner)
{
    struct exchange *x = &core->exchanges[owner];
    /* a conn that goes cancels its call */
    assert(x->conn->state == CONN_OPEN && x->call.generation != 0);
    return x;
}

/* What a head says of its answer. */
struct answer_shape {
    uint64_t length;
    uint16_t status;
    bool has_length;
};

/* A runtime's head is text of a stranger: what could break the message's framing is left out or
 * refused. */
static bool read_response_head(const struct answer_head *head, struct answer_shape *shape)
{
    struct head_reader r;
    struct head_field f;
    *shape = (struct answer_shape){.status = head_read_response(&r, head->bytes, head->len)};
    while (head_read_field(&r, &f)) {
        if (!view_is(f.name, "content-length"))
            continue;
        uint64_t n = 0;
        if (shape->has_length || f.value.len == 0 || f.value.len > 18)
            return false;
        for (size_t i = 0; i < f.value.len; i++) {
            if (f.value.p[i] < '0' || f.value.p[i] > '9')
                return false;
            n = n * 10 + (uint64_t)(f.value.p[i] - '0');
        }
        shape->has_length = true;
        shape->length = n;
    }
    return head_read_end(&r) && shape->status >= 200 && shape->status <= 599;
}

static size_t body_bytes(const struct answer_body *body)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < body->views; i++)
        bytes += body->view[i].len;
    return bytes;
}

static void choose_framing(struct exchange *x, const struct answer_head *head,
                           const struct answer_shape *shape)
{
    size_t bytes = body_bytes(&head->body);
    x->response_left = 0;
    /* The length that the body would have is not known before it is made, and is not made for a
     * HEAD (RFC 9110 9.3.2). */
    bool is_unmade = x->is_head && !shape->has_length && bytes == 0;
    if (shape->status == 204 || shape->status == 304 || is_unmade) {
        x->framing = HTTP1_FRAME_NONE;
    } else if (shape->has_length || head->body.is_end) {
        x->framing = HTTP1_FRAME_LENGTH;
        x->response_left = shape->has_length ? shape->length : bytes;
    } else if (x->minor == 0) {
        x->framing = HTTP1_FRAME_CLOSE;
        x->keep_alive = false;
    } else {
        x->framing = HTTP1_FRAME_CHUNKED;
    }
}

/* Where the next bytes of a body are, of which left are still to be taken. */
struct body_cursor {
    const struct head_view *view;
    size_t at, left;
};

static struct head_view next_part(const struct body_cursor *b, size_t most)
{
    size_t len = b->view->len - b->at;
    len = len < b->left ? len : b->left;
    return (struct head_view){b->view->p + b->at, len < most ? len : most};
}

static void take_part(struct body_cursor *b, size_t len)
{
    b->left -= len;
    b->at += len;
    if (b->at == b->view->len) {
        b->view++;
        b->at = 0;
    }
}

/* Whole pieces of what waits and what has come, without a stay in the queue. What is less waits for
 * more of this iteration, so that records are full. False: no connection any more. */
static bool write_whole_pieces(struct exchange *x, struct body_cursor *b)
{
    struct piece piece;
    while (x->head_left == 0 && x->out.bytes < PIECE_BYTES_MAX &&
           x->out.bytes + b->left >= PIECE_BYTES_MAX &&
           fits(x, PIECE_BYTES_MAX) == PIECE_BYTES_MAX) {
        size_t len = x->out.bytes;
        byte_queue_copy(&x->out, 0, piece.bytes, len);
        byte_queue_clear(&x->out, &x->conn->core->chunks);
        while (len < PIECE_BYTES_MAX) {
            struct head_view part = next_part(b, PIECE_BYTES_MAX - len);
            memcpy(piece.bytes + len, part.p, part.len);
            take_part(b, part.len);
            len += part.len;
        }
        exchange_moved(x);
        if (!write_piece(x, &piece, len))
            return false;
    }
    return true;
}

/* Body bytes from the runtime, written or queued. What is over the promised length is no part of
 * the answer, but what fits it goes out before the connection ends. False: no connection any more.
 */
static bool take_body(struct exchange *x, const struct answer_body *body)
{
    size_t left = body_bytes(body);
    if (x->is_head || x->framing == HTTP1_FRAME_NONE) {
        x->response_left = 0;
        return true;
    }
    if (x->framing == HTTP1_FRAME_LENGTH) {
        if (left > x->response_left) {
            x->conn->core->counters.job_bad_length++;
            left = x->response_left;
            x->is_broken = true;
        }
        x->response_left -= left;
    }
    struct body_cursor b = {.view = body->view, .left = left};
    if (!write_whole_pieces(x, &b))
        return false;
    while (b.left > 0) {
        struct head_view part = next_part(&b, b.left);
        if (!exchange_queue(x, &x->out, part.p, part.len))
            return false;
        take_part(&b, part.len);
    }
    return true;
}

/* The call is over, or not wanted any more, before the answer is whole: no more comes than what is
 * there. */
static void break_off(struct exchange *x)
{
    exchange_cancel_call(x);
    x->is_broken = true;
    exchange_write_answer(x);
}

/* More of the answer has come. What is queued is written when the connection runs, behind what else
 * comes in this iteration. */
static void take_on(struct exchange *x)
{
    if (x->is_broken)
        break_off(x);
    else if (x->is_ended || x->out.bytes == 0)
        exchange_write_answer(x);
    conn_mark(x->conn);
}

static void refuse_bad_head(struct exchange *x)
{
    x->conn->core->counters.job_bad_head++;
    exchange_refuse(x, (struct refusal){502, "the script's answer has a malformed head"});
}

/* The head as the client gets it, in its framing; bad if it does not fit. */
static struct message write_head(struct exchange *x, const struct answer_head *head,
                                 uint16_t status)
{
    struct core *core = x->conn->core;
    struct message m = message_start(core);
    put_head(core, &m,
             &(struct http1_response){.status = status,
                                      .framing = (enum http1_framing)x->framing,
                                      .length = x->response_left,
                                      .keep_alive = x->keep_alive,
                                      .minor = x->minor});
    struct head_reader r;
    struct head_field f;
    head_read_response(&r, head->bytes, head->len);
    while (head_read_field(&r, &f)) {
        if (!http1_is_hop_field(f.name) && !reserved_answer_field(f.name.p, f.name.len))
            put_field(&m, f.name, f.value);
    }
    put_debug_fields(core, &m, x, head->cold_us, true);
    put(&m, "\r\n", 2);
    return m;
}

/* The common answer leaves in one piece, head and body in one TLS record. False: this one cannot.
 * */
static bool add_whole_body(struct exchange *x, struct message *m, const struct answer_body *body)
{
    size_t bytes = body_bytes(body);
    bool is_whole = body->is_end && !x->is_head && x->framing == HTTP1_FRAME_LENGTH &&
                    x->out.bytes == 0 && x->response_left == bytes &&
                    message_bytes(x->conn->core, m) + bytes <= conn_write_room(x->conn);
    if (!is_whole)
        return false;
    for (uint32_t i = 0; i < body->views; i++)
        put(m, body->view[i].p, body->view[i].len);
    assert(!m->bad);
    x->response_left = 0;
    return true;
}

static void on_head(void *arg, uint32_t owner, const struct answer_head *head)
{
    struct core *core = arg;
    struct exchange *x = owner_of(core, owner);
    struct answer_shape shape;
    if (!read_response_head(head, &shape)) {
        refuse_bad_head(x);
        return;
    }
    bool is_end = head->body.is_end;
    choose_framing(x, head, &shape);
    bool is_bare = x->is_head || x->framing == HTTP1_FRAME_NONE; /* the head is all of it */
    x->keep_alive = keeps_alive(x, is_end || is_bare);
    struct message m = write_head(x, head, shape.status);
    if (is_end)
        x->call = (struct call_ref){0};
    if (m.bad) {
        refuse_bad_head(x);
        return;
    }
    assert(message_bytes(core, &m) <= ANSWER_HEAD_BYTES_MAX);
    count_status(core, shape.status);
    x->status = shape.status;
    exchange_trace(x, TRACE_FIRST_BYTE, 0, 0);
    x->is_ended = is_end;
    exchange_set_state(x, EXCHANGE_RESPOND);
    bool has_body = add_whole_body(x, &m, &head->body);
    if (!say(x, &m) || (!has_body && !take_body(x, &head->body)))
        return;
    if (is_bare) { /* whatever the script still makes */
        exchange_cancel_call(x);
        x->is_ended = true;
    }
    take_on(x);
}

static void on_data(void *arg, uint32_t owner, const struct answer_body *body)
{
    struct exchange *x = owner_of(arg, owner);
    assert(x->state == EXCHANGE_RESPOND);
    if (body->is_end)
        x->call = (struct call_ref){0};
    if (!take_body(x, body))
        return;
    x->is_ended = body->is_end;
    take_on(x);
}

struct refusal exchange_refusal_of(struct core *core, uint32_t error)
{
    struct counters *count = &core->counters;
    switch (error) {
    case JOB_ERROR_EXCEPTION:
        count->job_exception++;
        return (struct refusal){500, "the script threw an exception"};
    case JOB_ERROR_NO_RESPONSE:
        count->job_no_response++;
        return (struct refusal){500, "the script will never answer: nothing is pending"};
    case JOB_ERROR_NOT_RESPONSE:
        count->job_not_response++;
        return (struct refusal){500, "what the script's handler returned is not a Response"};
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
        return (struct refusal){503, "the script's process is overloaded"};
    case JOB_ERROR_NO_SCRIPT:
        count->job_no_script++;
        return (struct refusal){503, "the script is being deployed"};
    case JOB_ERROR_REFUSED:
    case CALL_ERROR_REFUSED: /* counted where it was decided */
        return (struct refusal){503, "the script's node is overloaded, and so is this one"};
    case CALL_ERROR_BUSY:
        return (struct refusal){503, "this node has too many requests under way"};
    case CALL_ERROR_NO_RUNTIME:
        return (struct refusal){503, "no process for the script could be started"};
    case JOB_ERROR_LOST:
    case CALL_ERROR_LOST:
        return (struct refusal){502, "the process or node that ran the script died"};
    case JOB_ERROR_DEPTH:
        return (struct refusal){508, "too many scripts call each other"};
    case JOB_ERROR_HELD: /* counted where it was decided */
        return (struct refusal){503,
                                "the script has ended its process several times, and is held back"};
    case JOB_ERROR_ACCOUNT_MEMORY: /* counted where it was decided */
        return (struct refusal){503, "the script's account has no memory for one more process"};
    case JOB_ERROR_WORLD_OFF: /* the same */
    case JOB_ERROR_WORLD_URL:
    case JOB_ERROR_WORLD_PORT:
    case JOB_ERROR_WORLD_FORBIDDEN:
    case JOB_ERROR_WORLD_BUSY:
    case JOB_ERROR_WORLD_NAME:
    case JOB_ERROR_WORLD_CONNECT:
    case JOB_ERROR_WORLD_TLS:
    case JOB_ERROR_WORLD_ANSWER:
    case JOB_ERROR_WORLD_TIMEOUT:
    case JOB_ERROR_WORLD_BODY:
        return (struct refusal){502, "the script's request to another server failed"};
    case JOB_ERROR_FORBIDDEN: /* a script is told, not a client; another node may say so */
        return (struct refusal){500, "the script called one that it may not call"};
    case CALL_ERROR_ACCOUNT: /* counted where it was decided */
        return (struct refusal){429,
                                "the script's account has as many requests under way as it may"};
    case JOB_ERROR_SUBREQUESTS:
        return (struct refusal){503, "the script made too many requests of its own"};
    }
    assert(!"an error that a call can end with");
    return (struct refusal){500, ""};
}

/* The call is over without a whole answer. */
static void fail(struct exchange *x, struct refusal r)
{
    x->call = (struct call_ref){0};
    if (x->state == EXCHANGE_RUN) {
        exchange_refuse(x, r);
        return;
    }
    /* The head is out: only a cut connection says that the rest will not come. */
    break_off(x);
}

static void on_error(void *arg, uint32_t owner, uint32_t error)
{
    struct core *core = arg;
    fail(owner_of(core, owner), exchange_refusal_of(core, error));
}

static void on_credit(void *arg, uint32_t owner)
{
    conn_mark(owner_of(arg, owner)->conn);
}

const struct call_events exchange_events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};
