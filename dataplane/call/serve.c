#include "dataplane/call/serve.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/least.h"
#include "dataplane/base/mutant.h"
#include "dataplane/call/call.h"
#include "dataplane/call/cells.h"
#include "dataplane/call/serve_context.h"
#include "dataplane/call/steer.h"
#include "dataplane/core_state.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/rpc/record.h"
#include "runtime/context.h"

enum {
    SILENT_MS = 1000,   /* an open stream without a CALL loses its place to others after that */
    FRAMING_BYTES = 64, /* of records beside their payload */
};

/* What is awaited. */
enum serve_state {
    SERVE_FREE = 0,
    SERVE_CALL,   /* the CALL record */
    SERVE_RUN,    /* the answer's head */
    SERVE_ANSWER, /* the rest of it */
};

struct served {
    uint32_t index;
    struct served *next_free;
    uint8_t state; /* enum serve_state */
    bool body_complete, is_ended;
    uint8_t error;         /* enum job_error: what an answer that is_ended ends with; 0: DATA_END */
    struct record_end end; /* the same */
    uint64_t opened_ns;
    struct channel *channel;
    struct stream *stream;
    struct call_ref call;
    uint32_t body_left;    /* of the current BODY record */
    uint32_t head_left;    /* first bytes of out that are a HEAD record; body follows */
    struct byte_queue out; /* what waits for room in the stream (memory.h) */
};

struct served_table {
    struct served *free;
    uint32_t count, live;
    uint64_t reclaimed_ns; /* when the full table was looked through for silent streams */
    uint8_t record[RECORD_BYTES_MAX];
    uint8_t out[RECORD_HEADER_BYTES + RECORD_BYTES_MAX];
    struct served served[];
};

size_t served_bytes(uint32_t count)
{
    return sizeof(struct served_table) + count * sizeof(struct served);
}

struct served_table *served_init(void *memory, uint32_t count)
{
    struct served_table *t = memory;
    t->count = count;
    t->live = 0;
    t->free = NULL;
    for (uint32_t i = count; i-- > 0;) {
        t->served[i] = (struct served){.index = i, .next_free = t->free};
        t->free = &t->served[i];
    }
    return t;
}

uint32_t served_live(const struct served_table *t)
{
    return t->live;
}

static void free_served(struct core *core, struct served *s)
{
    struct served_table *t = core->served;
    if (!MUTANT(ANSWER_LEAKS))
        byte_queue_fini(&s->out, &core->chunks);
    *s = (struct served){.index = s->index, .next_free = t->free};
    t->free = s;
    t->live--;
}

/* Everything is said. */
static void end_stream(struct core *core, struct served *s)
{
    stream_end(s->channel, s->stream);
    stream_release(s->channel, s->stream);
    peers_mark(core->peers, s->channel);
    free_served(core, s);
}

static void give_up(struct core *core, struct served *s, enum stream_reset why)
{
    call_cancel(core, s->call);
    stream_reset(s->channel, s->stream, why);
    peers_mark(core->peers, s->channel);
    free_served(core, s);
}

/* False: there was no room for so little; the stream is given up. */
static bool say(struct core *core, struct served *s, size_t bytes)
{
    struct served_table *t = core->served;
    if (bytes == 0 || stream_write(s->channel, s->stream, t->out, bytes) != bytes) {
        give_up(core, s, STREAM_BROKEN);
        return false;
    }
    peers_mark(core->peers, s->channel);
    return true;
}

static void bounce(struct core *core, struct served *s, const struct record_call *call,
                   enum bounce_reason why)
{
    struct record_bounce bounce = {.reason = why};
    memcpy(bounce.lazy, call->lazy, sizeof(bounce.lazy));
    core->counters.serve_bounced++;
    if (MUTANT(BOUNCE_LOST))
        return;
    if (say(core, s, record_write_bounce(core->served->out, sizeof(core->served->out), &bounce)))
        end_stream(core, s);
}

/* ---- the answer ---- */

static struct served *owner_of(struct core *core, uint32_t owner)
{
    struct served *s = &core->served->served[owner];
    assert(s->state == SERVE_RUN || s->state == SERVE_ANSWER);
    return s;
}

/* The HEAD record as it is. False: there is more of it, or the stream was given up. */
static bool write_head(struct core *core, struct served *s)
{
    struct served_table *t = core->served;
    while (s->head_left > 0) {
        size_t room = stream_room(s->channel, s->stream), len = s->head_left;
        if (len > room)
            len = room;
        if (len == 0)
            return false;
        byte_queue_copy(&s->out, 0, t->out, len);
        byte_queue_consume(&s->out, &core->chunks, (uint32_t)len);
        s->head_left -= (uint32_t)len;
        if (!say(core, s, len))
            return false;
    }
    return true;
}

/* Once everything before it is written. */
static void write_end(struct core *core, struct served *s)
{
    struct served_table *t = core->served;
    struct record_error error = {.error = (enum job_error)s->error, .end = s->end};
    size_t bytes = s->error ? record_write_error(t->out, sizeof(t->out), &error)
                            : record_write_end(t->out, sizeof(t->out), &s->end);
    if (stream_room(s->channel, s->stream) >= bytes && say(core, s, bytes))
        end_stream(core, s);
}

/* What waits, while there is room: the head, body as DATA records; then the end, or credit for
 * more. */
static void write_answer(struct core *core, struct served *s)
{
    struct served_table *t = core->served;
    if (!write_head(core, s))
        return;
    while (s->out.bytes > 0) {
        size_t room = stream_room(s->channel, s->stream), len = s->out.bytes;
        if (room <= FRAMING_BYTES)
            break;
        room -= FRAMING_BYTES;
        if (len > RECORD_BODY_BYTES_MAX)
            len = RECORD_BODY_BYTES_MAX;
        if (len > room)
            len = room;
        record_write_header(t->out, RECORD_DATA, (uint32_t)len);
        byte_queue_copy(&s->out, 0, t->out + RECORD_HEADER_BYTES, len);
        byte_queue_consume(&s->out, &core->chunks, (uint32_t)len);
        if (!say(core, s, RECORD_HEADER_BYTES + len))
            return;
    }
    if (s->is_ended) {
        if (s->out.bytes == 0)
            write_end(core, s);
        return;
    }
    size_t room = stream_room(s->channel, s->stream);
    call_credit(core, s->call, room > FRAMING_BYTES ? room - FRAMING_BYTES : 0);
}

/* Its floor holds all that the call lets come. */
static void queue(struct core *core, struct served *s, const void *bytes, size_t len)
{
    size_t taken = byte_queue_append(&s->out, &core->chunks, bytes, len);
    assert(taken == len);
}

static void take_body(struct core *core, struct served *s, const struct answer_body *body)
{
    for (uint32_t i = 0; i < body->views; i++)
        queue(core, s, body->view[i].p, body->view[i].len);
    s->is_ended = body->is_end;
    write_answer(core, s);
}

/* Its call's last event is told. */
static void end_call(struct core *core, struct served *s)
{
    if (s->call.generation != 0)
        s->end = call_spent(core, s->call);
    s->call = (struct call_ref){0};
}

static void on_head(void *arg, uint32_t owner, const struct answer_head *head)
{
    struct core *core = arg;
    struct served *s = owner_of(core, owner);
    struct served_table *t = core->served;
    struct record_head record = {.cold_us = (uint32_t)min_u64(head->cold_us, UINT32_MAX),
                                 .head = head->bytes,
                                 .head_bytes = (uint32_t)head->len};
    if (head->body.is_end)
        end_call(core, s);
    s->state = SERVE_ANSWER;
    s->head_left = (uint32_t)record_write_head(t->out, sizeof(t->out), &record);
    queue(core, s, t->out, s->head_left);
    take_body(core, s, &head->body);
}

static void on_data(void *arg, uint32_t owner, const struct answer_body *body)
{
    struct core *core = arg;
    struct served *s = owner_of(core, owner);
    if (body->is_end)
        end_call(core, s);
    take_body(core, s, body);
}

static void on_error(void *arg, uint32_t owner, uint32_t error)
{
    struct core *core = arg;
    struct served *s = owner_of(core, owner);
    end_call(core, s);
    s->state = SERVE_ANSWER;
    s->error = (uint8_t)call_job_error(error);
    s->is_ended = true;
    write_answer(core, s);
}

static void read_body(struct core *core, struct served *s);

static void on_credit(void *arg, uint32_t owner)
{
    struct core *core = arg;
    read_body(core, owner_of(core, owner));
}

static const struct call_events serve_events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};

/* ---- the call ---- */

/* A peer's head goes to a runtime as it is: it must be one, to the last byte, and name the caller
 * that its context has, once. */
static bool is_good_head(const struct record_call *call, struct context *context)
{
    static const char name[] = "x-hearth-caller";
    struct head_view caller = {0};
    struct head_reader r;
    struct head_field f;
    uint32_t callers = 0;
    struct head_request q = head_read_request(&r, call->head, call->head_bytes);
    while (head_read_field(&r, &f)) {
        if (f.name.len != sizeof(name) - 1 || strncasecmp(f.name.p, name, f.name.len) != 0)
            continue;
        caller = f.value;
        callers++;
    }
    return head_read_end(&r) && callers <= 1 &&
           context_read(context, (const uint8_t *)q.context.p, q.context.len) &&
           serve_caller(context, callers > 0 ? &caller : NULL);
}

static uint64_t span_of(const struct context *context)
{
    uint64_t span;
    memcpy(&span, context->frame[context->count - 1].span_id, sizeof(span));
    return context->count == 1 ? 0 : span;
}

/* Of a script that would end its process elsewhere too: this is the answer. */
static void accept_and_fail(struct core *core, struct served *s, uint32_t error)
{
    struct record_accept accept = {.width = 1};
    s->state = SERVE_RUN;
    if (say(core, s, record_write_accept(core->served->out, sizeof(core->served->out), &accept)))
        on_error(core, s->index, error);
}

/* Accepts and starts it, or hands it back: decided on the CALL alone. */
static void on_call(struct core *core, struct served *s, const struct record_call *call)
{
    struct context context;
    enum serve_context word = is_good_head(call, &context)
                                  ? serve_context(core->world, &context, call->script)
                                  : SERVE_CONTEXT_BAD;
    if (word == SERVE_CONTEXT_BAD) {
        core->counters.serve_bad++;
        give_up(core, s, STREAM_BROKEN);
        return;
    }
    if (word == SERVE_CONTEXT_FALSE && !MUTANT(WORD_UNCHECKED)) {
        core->counters.serve_false++;
        bounce(core, s, call, BOUNCE_NO_SCRIPT);
        return;
    }
    if (core->is_stopping) {
        bounce(core, s, call, BOUNCE_DRAINING);
        return;
    }
    const struct world_script *script = world_script(core->world, call->script);
    if (!script || (script->version_bits != call->version && !MUTANT(VERSION_IGNORED))) {
        bounce(core, s, call, BOUNCE_NO_SCRIPT);
        return;
    }
    /* Before any reason to hand it back, where it would end a process. */
    uint32_t held;
    if (!MUTANT(HELD_BOUNCED) && call_is_held(core, script->handle, &held)) {
        accept_and_fail(core, s, held);
        return;
    }
    struct job_link *link = cells_pick(core, script->handle);
    enum bounce_reason why = link || core->world->can_start_cells
                                 ? steer_shed(core, link, script->id_hash, false)
                                 : BOUNCE_NO_RUNTIME;
    struct byte_queue head = {0};
    if (why == 0 &&
        byte_queue_append(&head, &core->chunks, call->head, call->head_bytes) != call->head_bytes)
        why = BOUNCE_OVERLOAD;
    if (why != 0) {
        byte_queue_clear(&head, &core->chunks);
        bounce(core, s, call, why);
        return;
    }
    bool is_traced = call->flags & RECORD_CALL_TRACED;
    uint64_t age_ns =
        call->age_us * 1000ull +
        peers_rtt_min_us(core->peers, peers_node_of(core->peers, s->channel)) * 500ull;
    struct call_request request = {.events = &serve_events,
                                   .owner = s->index,
                                   .script = script,
                                   .request_id = call->request_id,
                                   .head = &head,
                                   .answer = &s->out,
                                   .has_body = call->flags & RECORD_CALL_HAS_BODY,
                                   .is_idempotent = call->flags & RECORD_CALL_IDEMPOTENT,
                                   .is_forwarded = !MUTANT(HOP_LIMIT_IGNORED),
                                   .is_traced = is_traced,
                                   .sink = is_traced ? call->trace : NULL,
                                   .span = span_of(&context),
                                   .subrequests = context.granted,
                                   .cpu_us = context.cpu_us,
                                   .wall_ms = context.wall_ms,
                                   .started_ns = age_ns < core->now_ns ? core->now_ns - age_ns : 0};
    bool was_warm = cells_warmth(core, script->handle) == WARMTH_WARM;
    uint32_t error;
    s->state = SERVE_RUN;
    s->body_complete = !request.has_body;
    if (!call_start(core, &request, &s->call, &error)) {
        byte_queue_clear(&head, &core->chunks);
        bounce(core, s, call, error == CALL_ERROR_NO_RUNTIME ? BOUNCE_NO_RUNTIME : BOUNCE_OVERLOAD);
        return;
    }
    core->counters.serve_accepted++;
    struct heat_script *heat = heat_find(core->heat, script->id_hash);
    struct record_accept accept = {.width = heat ? heat->width : 1, .warm_us = was_warm ? 0 : 1};
    if (MUTANT(ACCEPT_LOST) ||
        say(core, s, record_write_accept(core->served->out, sizeof(core->served->out), &accept)))
        read_body(core, s);
}

static void bad(struct core *core, struct served *s)
{
    core->counters.serve_bad++;
    give_up(core, s, STREAM_BROKEN);
}

static bool read_header(struct core *core, struct served *s, struct record_header *h)
{
    uint8_t bytes[RECORD_HEADER_BYTES];
    if (stream_available(s->stream) < sizeof(bytes)) {
        if (stream_is_complete(s->stream)) /* in the middle of what it had to say */
            bad(core, s);
        return false;
    }
    stream_copy(s->stream, 0, bytes, sizeof(bytes));
    if (!record_read_header(h, bytes)) {
        bad(core, s);
        return false;
    }
    return true;
}

static void read_call(struct core *core, struct served *s)
{
    struct record_header h;
    struct record_call call;
    struct served_table *t = core->served;
    if (!read_header(core, s, &h))
        return;
    if (h.type != RECORD_CALL) {
        bad(core, s);
        return;
    }
    if (stream_available(s->stream) < RECORD_HEADER_BYTES + h.bytes) {
        if (stream_is_complete(s->stream)) {
            bad(core, s);
        } else if (!stream_expect(s->channel, s->stream, RECORD_HEADER_BYTES + h.bytes)) {
            core->counters.serve_bounced++; /* no room even to read it */
            give_up(core, s, STREAM_REFUSED);
        }
        return;
    }
    stream_consume(s->channel, s->stream, RECORD_HEADER_BYTES);
    stream_copy(s->stream, 0, t->record, h.bytes);
    stream_consume(s->channel, s->stream, h.bytes);
    core->counters.serve_calls++;
    if (record_read_call(&call, t->record, h.bytes))
        on_call(core, s, &call);
    else
        bad(core, s);
}

/* Request body, as far as where it runs has room. What waits stays in the stream. */
static void read_body(struct core *core, struct served *s)
{
    while (!s->body_complete && s->call.generation != 0) {
        struct record_header h;
        if (s->body_left > 0) {
            size_t len, room = call_body_room(core, s->call);
            const uint8_t *bytes = stream_peek(s->stream, 0, &len);
            if (len == 0 && stream_is_complete(s->stream)) {
                bad(core, s);
                return;
            }
            if (!bytes || len == 0 || room == 0)
                return;
            if (len > s->body_left)
                len = s->body_left;
            if (len > room)
                len = room;
            call_body(core, s->call, bytes, len, false);
            s->body_left -= (uint32_t)len;
            stream_consume(s->channel, s->stream, (uint32_t)len);
            peers_mark(core->peers, s->channel);
            continue;
        }
        if (!read_header(core, s, &h))
            return;
        stream_consume(s->channel, s->stream, RECORD_HEADER_BYTES);
        if (h.type == RECORD_BODY) {
            s->body_left = h.bytes;
        } else if (h.type == RECORD_BODY_END) {
            s->body_complete = true;
            call_body(core, s->call, NULL, 0, true);
        } else {
            bad(core, s);
            return;
        }
    }
}

/* ---- from peers.c ---- */

/* A CALL comes with the first bytes of its stream. A member whose streams say nothing must not keep
 * all places for itself. */
static void reclaim_silent(struct core *core)
{
    struct served_table *t = core->served;
    if (core->now_ns - t->reclaimed_ns < SILENT_MS * 1000000ull)
        return;
    t->reclaimed_ns = core->now_ns;
    for (uint32_t i = 0; i < t->count; i++) {
        struct served *s = &t->served[i];
        if (s->state == SERVE_CALL && core->now_ns - s->opened_ns >= SILENT_MS * 1000000ull)
            bad(core, s);
    }
}

void serve_opened(void *arg, struct channel *channel, struct stream *stream)
{
    struct core *core = arg;
    struct served_table *t = core->served;
    if (!t->free)
        reclaim_silent(core);
    struct served *s = t->free;
    if (!s) {
        core->counters.serve_bounced++;
        stream_reset(channel, stream, STREAM_REFUSED);
        peers_mark(core->peers, channel);
        return;
    }
    t->free = s->next_free;
    t->live++;
    *s = (struct served){.index = s->index,
                         .state = SERVE_CALL,
                         .opened_ns = core->now_ns,
                         .channel = channel,
                         .stream = stream};
    stream_set_user(stream, s);
}

void serve_readable(void *arg, struct stream *stream)
{
    struct core *core = arg;
    struct served *s = stream_user(stream);
    if (s->state == SERVE_CALL)
        read_call(core, s);
    else
        read_body(core, s);
}

void serve_writable(void *arg, struct stream *stream)
{
    struct core *core = arg;
    struct served *s = stream_user(stream);
    if (s->state == SERVE_ANSWER)
        write_answer(core, s);
}

void serve_fin(void *arg, struct stream *stream)
{
    struct core *core = arg;
    const struct served *s = stream_user(stream);
    call_fin(core, s->call);
}

static void gone(struct core *core, struct served *s)
{
    core->counters.serve_cancelled++;
    if (!MUTANT(SERVED_RUNS_ON))
        call_cancel(core, s->call);
    free_served(core, s);
}

void serve_reset(void *arg, struct stream *stream, enum stream_reset why)
{
    struct core *core = arg;
    gone(core, stream_user(stream));
}

void serve_channel_down(struct core *core, struct channel *channel)
{
    for (uint32_t i = 0; i < core->served->count; i++) {
        struct served *s = &core->served->served[i];
        if (s->state != SERVE_FREE && s->channel == channel)
            gone(core, s);
    }
}
