#include "dataplane/base/least.h"
#include "dataplane/conn/exchange_parts.h"

#include <assert.h>
#include <string.h>

#include "dataplane/tls/tls.h"
#include "dataplane/world/world.h"

enum {
    HEADS_PER_RUN = 16, /* of requests that a client pipelines, before other connections' turn */
};

static_assert((int)EXCHANGE_START_ROOM_BYTES < (int)TCP_TX_BUFFER_BYTES, "a job can start");
static_assert((int)JOB_HEAD_BYTES_MAX <= (int)CORE_OUT_BYTES, "a message is put together there");
static_assert((int)JOB_HEAD_BYTES_MAX <= (int)CORE_SCRATCH_BYTES, "and read there");

/* ---- deadlines ---- */

static void set_deadline(struct exchange *x)
{
    uint64_t slow_ns = min_u64(pace_deadline_ns(&x->gives), pace_deadline_ns(&x->takes));
    conn_set_deadline(x->conn, min_u64(x->stall_ns, slow_ns));
}

static void moved(struct core *core, struct pace *p, uint32_t bytes)
{
    const struct world_limits *limits = &core->world->limits;
    if (bytes > 0 && limits->min_rate > 0)
        pace_moved(p, bytes, limits->min_rate, limits->stall_timeout_ms * 1000000ull, core->now_ns);
}

/* Whose turn it is, now that all has moved that can. */
static void watch_pace(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    bool has_rate = core->world->limits.min_rate > 0;
    uint32_t acked = tcp_acked_count(&c->tcp);
    moved(core, &x->takes, acked - x->acked_seen);
    x->acked_seen = acked;
    pace_turn(&x->gives, has_rate && x->is_asked && x->state != EXCHANGE_HEAD, core->now_ns);
    pace_turn(&x->takes, has_rate && x->state == EXCHANGE_RESPOND && tcp_unacked(&c->tcp) > 0,
              core->now_ns);
    set_deadline(x);
}

/* The one writer of the state, and of the deadline that goes with it. */
void exchange_set_state(struct exchange *x, enum exchange_state state)
{
    struct core *core = x->conn->core;
    const struct world_limits *limits = &core->world->limits;
    uint32_t ms = limits->stall_timeout_ms;
    x->state = (uint8_t)state;
    if (state == EXCHANGE_HEAD) {
        ms = x->seen ? limits->head_timeout_ms : limits->idle_timeout_ms;
        x->is_asked = false;
        pace_init(&x->gives, HTTP_MIN_RATE_GRACE_MS * 1000000ull);
        pace_init(&x->takes, HTTP_MIN_RATE_GRACE_MS * 1000000ull);
    }
    /* RUN: the runtime's wall-clock limit comes first; this is for one that never speaks. */
    x->stall_ns = exchange_after_ms(core, ms);
    set_deadline(x);
}

void exchange_moved(struct exchange *x)
{
    struct core *core = x->conn->core;
    if (x->state == EXCHANGE_HEAD)
        return;
    x->stall_ns = exchange_after_ms(core, core->world->limits.stall_timeout_ms);
    set_deadline(x);
}

void exchange_got(struct exchange *x, size_t bytes)
{
    moved(x->conn->core, &x->gives, (uint32_t)bytes);
    exchange_moved(x);
}

/* ---- life ---- */

static void init(void *state)
{
    struct exchange *x = state;
    *x = (struct exchange){.conn = x->conn, .state = EXCHANGE_HEAD};
}

static void start(void *state)
{
    exchange_set_state(state, EXCHANGE_HEAD);
}

static bool is_fresh(const void *state)
{
    const struct exchange *x = state;
    return x->request_id == 0;
}

static bool is_idle(const void *state)
{
    const struct exchange *x = state;
    return x->state == EXCHANGE_HEAD && x->seen == 0 && x->head_waits_ns == 0;
}

static uint32_t chunks(const void *state)
{
    const struct exchange *x = state;
    return chunk_kept(&x->in.account) + chunk_kept(&x->head.account) + chunk_kept(&x->out.account);
}

void exchange_cancel_call(struct exchange *x)
{
    call_cancel(x->conn->core, x->call);
    x->call = (struct call_ref){0};
}

void exchange_unreserve(struct exchange *x)
{
    tcp_reserve(&x->conn->tcp, 0, 0, CHUNK_MUST);
}

static void fini(void *state)
{
    struct exchange *x = state;
    struct core *core = x->conn->core;
    if (x->state == EXCHANGE_RUN || x->state == EXCHANGE_RESPOND)
        core->counters.http_client_gone++;
    exchange_cancel_call(x);
    exchange_unreserve(x);
    byte_queue_clear(&x->in, &core->chunks);
    byte_queue_clear(&x->head, &core->chunks);
    byte_queue_clear(&x->out, &core->chunks);
    x->state = EXCHANGE_HEAD;
}

bool exchange_queue(struct exchange *x, struct byte_queue *q, const void *bytes, size_t len)
{
    struct conn *c = x->conn;
    if (byte_queue_append(q, &c->core->chunks, bytes, len) == len)
        return true;
    conn_give_up(c);
    return false;
}

/* ---- plaintext in ---- */

size_t exchange_look(struct exchange *x, size_t cap)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    struct byte_queue *in = &x->in;
    size_t len = in->bytes < cap ? in->bytes : cap;
    assert(cap <= sizeof(core->scratch));
    byte_queue_copy(in, 0, core->scratch, len);
    if (len < cap)
        len += conn_peek(c, core->scratch + len, cap - len);
    return len;
}

void exchange_used(struct exchange *x, size_t used)
{
    struct conn *c = x->conn;
    struct byte_queue *in = &x->in;
    size_t old = in->bytes < used ? in->bytes : used;
    byte_queue_consume(in, &c->core->chunks, (uint32_t)old);
    if (used > old)
        conn_skip(c, used - old);
}

size_t exchange_keep(struct exchange *x, size_t len)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    struct byte_queue *in = &x->in;
    size_t old = in->bytes;
    bool is_first = in->account.held < CHUNK_FIRST;
    size_t room = byte_queue_room(in, &core->chunks, is_first ? CHUNK_COMES : CHUNK_BEGINS);
    /* Heads that do not come to an end must leave calls something to begin with. */
    size_t left = is_first ? 0 : (size_t)(core->chunks.count / CHUNKS_HEADS_PART) * CHUNK_ROOM;
    room = room > left ? room - left : 0;
    size_t bytes = len - old < room ? len - old : room;
    byte_queue_append(in, &core->chunks, core->scratch + old, bytes);
    if (bytes > 0)
        conn_skip(c, bytes);
    return bytes;
}

/* ---- the call ---- */

/* Is any of the body still to come? Of one in chunks nobody knows. */
static bool is_upload(const struct exchange *x)
{
    bool is_here = x->body.kind == HTTP1_BODY_LENGTH && x->body.left <= conn_pending(x->conn);
    return x->has_body && !is_here;
}

/* Floors for a call that is about to begin, if its client may have more. */
static bool reserve(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    uint32_t rx = x->has_body ? CONN_RX_CHUNKS : 0;
    return sources_may(&core->sources, c->source, SOURCE_CHUNKS) &&
           call_has_memory(core, is_upload(x)) &&
           tcp_reserve(&c->tcp, rx, CONN_TX_CHUNKS, CHUNK_MUST);
}

/* START, and there are no chunks. True: go on pumping. */
static bool wait_for_chunks(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    if (core->now_ns - x->started_ns < HTTP_CHUNKS_WAIT_MS * 1000000ull) {
        conn_retry(c);
        return false;
    }
    if (sources_may(&core->sources, c->source, SOURCE_CHUNKS))
        core->counters.call_no_chunks++;
    else
        core->counters.call_source_limit++;
    exchange_refuse(x, exchange_refusal_of(core, CALL_ERROR_BUSY));
    return c->state == CONN_OPEN;
}

static bool pump_start(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    uint32_t error;
    bool is_held = c->tls && tls_is_holding(c->tls);
    if (is_held || TCP_TX_BUFFER_BYTES - c->tcp.tx.bytes < EXCHANGE_START_ROOM_BYTES)
        return false; /* the client must read earlier answers first */
    if (!reserve(x))
        return wait_for_chunks(x);
    const struct world_script *script = world_script(core->world, x->script_hash);
    struct call_request request = {.events = &exchange_events,
                                   .subrequests = UINT32_MAX,
                                   .owner = c->index,
                                   .script = script,
                                   .request_id = x->request_id,
                                   .head = &x->head,
                                   .answer = &x->out,
                                   .has_body = x->has_body,
                                   .is_idempotent = x->is_idempotent,
                                   .is_upload = is_upload(x),
                                   .is_traced = x->is_traced,
                                   .started_ns = x->started_ns};
    if (!script) { /* deleted while the request waited */
        core->counters.http_no_route++;
        exchange_refuse(x, (struct refusal){404, "no script answers this host and path"});
        return c->state == CONN_OPEN;
    }
    if (!call_start(core, &request, &x->call, &error)) {
        exchange_refuse(x, exchange_refusal_of(core, error));
        return c->state == CONN_OPEN;
    }
    if (x->expects_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        x->expects_continue = false;
        if (!conn_write(c, go_on, sizeof(go_on) - 1))
            return false;
    }
    exchange_set_state(x, EXCHANGE_RUN);
    return true;
}

/* Who closes its half behind a whole request may be gone, or wait for the answer: as in Go's
 * net/http, the script learns of it by its signal, and what it answers is sent. */
static void hear_fin(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    if (c->state == CONN_OPEN && x->call.generation && !x->has_body && conn_sees_end(c))
        core->counters.http_half_closed += call_fin(core, x->call);
}

static void move(struct exchange *x)
{
    struct conn *c = x->conn;
    bool goes_on = true;
    uint32_t heads = 0;
    while (goes_on && c->state == CONN_OPEN) {
        if (x->state == EXCHANGE_HEAD && ++heads > HEADS_PER_RUN) {
            conn_mark(c); /* what is pipelined beyond them waits for the others */
            return;
        }
        switch ((enum exchange_state)x->state) {
        case EXCHANGE_HEAD:
            goes_on = exchange_read_head(x);
            break;
        case EXCHANGE_START:
            goes_on = pump_start(x);
            break;
        case EXCHANGE_RUN:
            exchange_read_body(x);
            hear_fin(x);
            goes_on = false;
            break;
        case EXCHANGE_RESPOND:
            x->is_asked = false; /* what is left behind the answer is read once that is out */
            if (x->call.generation)
                exchange_read_body(x);
            hear_fin(x);
            if (c->state == CONN_OPEN && x->state == EXCHANGE_RESPOND)
                exchange_write_answer(x);
            goes_on = c->state == CONN_OPEN && x->state != EXCHANGE_RESPOND;
            break;
        case EXCHANGE_DISCARD:
            goes_on = exchange_discard(x);
            break;
        }
    }
}

static void pump(void *state)
{
    struct exchange *x = state;
    move(x);
    if (x->conn->state == CONN_OPEN)
        watch_pace(x);
}

static void on_head_timeout(struct exchange *x)
{
    struct conn *c = x->conn;
    struct core *core = c->core;
    if (is_idle(x)) {
        core->counters.conn_timeout_idle++;
        conn_close(c, false);
        return;
    }
    if (x->head_waits_ns != 0) { /* our fault */
        exchange_refuse_short(x);
        return;
    }
    core->counters.conn_timeout_head++;
    exchange_refuse_unread(x, (struct refusal){408, "the request head took too long"});
}

/* Counts whose fault it is. */
static struct refusal timeout_of(const struct exchange *x)
{
    struct core *core = x->conn->core;
    if (pace_deadline_ns(&x->gives) <= core->now_ns) {
        core->counters.http_slow_body++;
        return (struct refusal){408, "the request body comes too slowly"};
    }
    if (pace_deadline_ns(&x->takes) <= core->now_ns) {
        core->counters.http_slow_reader++;
        return (struct refusal){0, NULL}; /* it is being answered */
    }
    core->counters.conn_timeout_stall++;
    if (x->is_asked)
        return (struct refusal){408, "the request body took too long"};
    return (struct refusal){504, "the script did not answer in time"};
}

static void on_timeout(void *state)
{
    struct exchange *x = state;
    struct conn *c = x->conn;
    struct core *core = c->core;
    if (x->state == EXCHANGE_HEAD) {
        on_head_timeout(x);
        return;
    }
    pump(x); /* what has come counts */
    if (c->state != CONN_OPEN || c->deadline_ns > core->now_ns)
        return;
    struct refusal r = timeout_of(x);
    if (x->state != EXCHANGE_RUN) {
        conn_abort(c);
        return;
    }
    x->keep_alive = false;
    exchange_refuse(x, r);
}

const struct conn_app exchange_app = {.init = init,
                                      .start = start,
                                      .pump = pump,
                                      .timeout = on_timeout,
                                      .fini = fini,
                                      .is_fresh = is_fresh,
                                      .is_idle = is_idle,
                                      .chunks = chunks};
