#include "dataplane/exchange_parts.h"

#include <assert.h>
#include <string.h>

#include "dataplane/tls.h"

enum {
    HEADS_PER_RUN = 16, /* of requests that a client pipelines, before other connections' turn */
};

static_assert((int)EXCHANGE_START_ROOM_BYTES < (int)TCP_TX_BUFFER_BYTES, "a job can start");
static_assert((int)JOB_HEAD_BYTES_MAX <= (int)CORE_OUT_BYTES, "a message is put together there");
static_assert((int)JOB_HEAD_BYTES_MAX <= (int)CORE_SCRATCH_BYTES, "and read there");

/* The one writer of the state, and of the deadline that goes with it. */
void exchange_set_state(struct core *core, struct conn *c, enum exchange_state state)
{
    const struct world_limits *limits = &core->world->limits;
    struct exchange *x = &c->exchange;
    x->state = (uint8_t)state;
    switch (state) {
    case EXCHANGE_HEAD:
        conn_set_deadline(c, exchange_after_ms(core, x->in.bytes ? limits->head_timeout_ms
                                                                 : limits->idle_timeout_ms));
        break;
    case EXCHANGE_RUN: /* the runtime's wall-clock limit comes first; this is for one that never
                          speaks */
    case EXCHANGE_START:
    case EXCHANGE_RESPOND:
    case EXCHANGE_DISCARD:
        conn_set_deadline(c, exchange_after_ms(core, limits->stall_timeout_ms));
        break;
    }
}

void exchange_moved(struct core *core, struct conn *c)
{
    if (c->exchange.state != EXCHANGE_HEAD)
        conn_set_deadline(c, exchange_after_ms(core, core->world->limits.stall_timeout_ms));
}

void exchange_init(struct exchange *x)
{
    *x = (struct exchange){.state = EXCHANGE_HEAD};
}

void exchange_start(struct core *core, struct conn *c)
{
    exchange_set_state(core, c, EXCHANGE_HEAD);
}

bool exchange_is_idle(const struct exchange *x)
{
    return x->state == EXCHANGE_HEAD && x->in.bytes == 0;
}

void exchange_cancel_call(struct core *core, struct exchange *x)
{
    call_cancel(core, x->call);
    x->call = (struct call_ref){0};
}

void exchange_unreserve(struct conn *c)
{
    tcp_reserve(&c->tcp, 0, 0, CHUNK_MUST);
}

void exchange_fini(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    if (x->state == EXCHANGE_RUN || x->state == EXCHANGE_RESPOND)
        core->counters.http_client_gone++;
    exchange_cancel_call(core, x);
    exchange_unreserve(c);
    byte_queue_clear(&x->in, &core->chunks);
    byte_queue_clear(&x->head, &core->chunks);
    byte_queue_clear(&x->out, &core->chunks);
    x->state = EXCHANGE_HEAD;
}

bool exchange_queue(struct core *core, struct conn *c, struct byte_queue *q, const void *bytes,
                    size_t len)
{
    if (byte_queue_append(q, &core->chunks, bytes, len) == len)
        return true;
    conn_give_up(core, c);
    return false;
}

/* ---- plaintext in ---- */

size_t exchange_look(struct core *core, struct conn *c, size_t cap)
{
    struct byte_queue *in = &c->exchange.in;
    size_t len = in->bytes < cap ? in->bytes : cap;
    assert(cap <= sizeof(core->scratch));
    byte_queue_copy(in, 0, core->scratch, len);
    while (len < cap) {
        size_t part;
        if (!conn_read(core, c, core->scratch + len, cap - len, &part))
            break;
        len += part;
    }
    return len;
}

bool exchange_used(struct core *core, struct conn *c, size_t used, size_t len)
{
    struct byte_queue *in = &c->exchange.in;
    size_t old = in->bytes < len ? in->bytes : len; /* of scratch, what is in the queue already */
    size_t from = used > old ? used : old;
    byte_queue_consume(in, &core->chunks, (uint32_t)(used < old ? used : old));
    return from == len || exchange_queue(core, c, in, core->scratch + from, len - from);
}

/* ---- the call ---- */

/* Floors for a call that is about to begin. */
static bool reserve(struct core *core, struct conn *c)
{
    uint32_t rx = c->exchange.has_body ? CONN_RX_CHUNKS : 0;
    return call_has_memory(core) && tcp_reserve(&c->tcp, rx, CONN_TX_CHUNKS, CHUNK_MUST);
}

/* START, and there are no chunks. True: go on pumping. */
static bool wait_for_chunks(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    if (core->now_ns - x->started_ns < HTTP_CHUNKS_WAIT_MS * 1000000ull) {
        conn_retry(c);
        return false;
    }
    core->counters.call_no_chunks++;
    exchange_refuse(core, c, exchange_refusal_of(core, CALL_ERROR_BUSY));
    return c->state == CONN_OPEN;
}

static bool pump_start(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    uint32_t error;
    bool is_held = c->tls && tls_is_holding(c->tls);
    if (is_held || TCP_TX_BUFFER_BYTES - c->tcp.tx.bytes < EXCHANGE_START_ROOM_BYTES)
        return false; /* the client must read earlier answers first */
    if (!reserve(core, c))
        return wait_for_chunks(core, c);
    const struct world_script *script = world_script(core->world, x->script_hash);
    struct call_request request = {.events = &exchange_events,
                                   .owner = c->index,
                                   .script = script,
                                   .request_id = x->request_id,
                                   .head = &x->head,
                                   .answer = &x->out,
                                   .has_body = x->has_body,
                                   .is_idempotent = x->is_idempotent,
                                   .is_traced = x->is_traced,
                                   .started_ns = x->started_ns};
    if (!script) { /* deleted while the request waited */
        core->counters.http_no_route++;
        exchange_refuse(core, c, (struct refusal){404, "no script answers this host and path"});
        return c->state == CONN_OPEN;
    }
    if (!call_start(core, &request, &x->call, &error)) {
        exchange_refuse(core, c, exchange_refusal_of(core, error));
        return c->state == CONN_OPEN;
    }
    if (x->expects_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        x->expects_continue = false;
        if (!conn_write(core, c, go_on, sizeof(go_on) - 1))
            return false;
    }
    exchange_set_state(core, c, EXCHANGE_RUN);
    return true;
}

void exchange_pump(struct core *core, struct conn *c)
{
    struct exchange *x = &c->exchange;
    bool goes_on = true;
    uint32_t heads = 0;
    while (goes_on && c->state == CONN_OPEN) {
        if (x->state == EXCHANGE_HEAD && ++heads > HEADS_PER_RUN) {
            conn_mark(core, c); /* what is pipelined beyond them waits for the others */
            return;
        }
        switch ((enum exchange_state)x->state) {
        case EXCHANGE_HEAD:
            goes_on = exchange_read_head(core, c);
            break;
        case EXCHANGE_START:
            goes_on = pump_start(core, c);
            break;
        case EXCHANGE_RUN:
            exchange_read_body(core, c);
            goes_on = false;
            break;
        case EXCHANGE_RESPOND:
            if (x->call.generation)
                exchange_read_body(core, c);
            if (c->state == CONN_OPEN && x->state == EXCHANGE_RESPOND)
                exchange_write_answer(core, c);
            goes_on = c->state == CONN_OPEN && x->state != EXCHANGE_RESPOND;
            break;
        case EXCHANGE_DISCARD:
            goes_on = exchange_discard(core, c);
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
        exchange_refuse(core, c, (struct refusal){408, "the request head took too long"});
        return;
    case EXCHANGE_RUN:
        core->counters.conn_timeout_stall++;
        x->keep_alive = false;
        if (x->has_body)
            exchange_refuse(core, c, (struct refusal){408, "the request body took too long"});
        else
            exchange_refuse(core, c, (struct refusal){504, "the script did not answer in time"});
        return;
    case EXCHANGE_START:
    case EXCHANGE_RESPOND:
    case EXCHANGE_DISCARD:
        core->counters.conn_timeout_stall++;
        conn_abort(core, c);
        return;
    }
}
