/* A call at another node: the stream to its home, and the answers that come back on it. */
#include <assert.h>
#include <string.h>

#include "dataplane/base/mutant.h"
#include "dataplane/call/call_state.h"
#include "dataplane/call/trace_sink.h"
#include "dataplane/core_state.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/world.h"

enum {
    LAZY_LIFE_MS = 60 * 1000,
    VIEWS_MAX = 16, /* of body in one event */
    FRAMING_BYTES = 2 * RECORD_HEADER_BYTES,
};

/* ---- there ---- */

static uint8_t flags_of(const struct call *c)
{
    return (uint8_t)((c->has_body ? RECORD_CALL_HAS_BODY : 0) |
                     (c->is_idempotent ? RECORD_CALL_IDEMPOTENT : 0));
}

/* The CALL record, in the table's buffer. 0: the capability table is full. */
static size_t make_call(struct core *core, struct call *c)
{
    struct calls *t = core->calls;
    uint64_t object = (uint64_t)c->generation << 32 | c->index;
    struct record_call call = {.request_id = c->request_id,
                               .script = c->script_hash,
                               .version = c->script_version,
                               .age_us = (uint32_t)((core->now_ns - c->started_ns) / 1000),
                               .flags = flags_of(c),
                               .head = t->head,
                               .head_bytes = c->head.bytes};
    if (!capability_issue(&core->capabilities, CAPABILITY_LAZY_WORKER, object,
                          core->now_ns / 1000000 + LAZY_LIFE_MS, c->lazy))
        return 0;
    c->has_lazy = true;
    memcpy(call.lazy, c->lazy, sizeof(call.lazy));
    bool has_sink = c->has_sink;
    if (has_sink)
        memcpy(call.trace, c->sink, sizeof(call.trace));
    else if (c->is_traced)
        has_sink = trace_sink_make(core, c->request_id, c->started_ns, call.trace);
    if (has_sink)
        call.flags |= RECORD_CALL_TRACED;
    byte_queue_copy(&c->head, 0, t->head, c->head.bytes);
    call_grant(c, t->head);
    return record_write_call(t->record, sizeof(t->record), &call);
}

enum call_sent call_send(struct core *core, struct call *c, uint16_t node)
{
    struct channel *channel = core->peers ? peers_channel(core->peers, node, c->script_hash) : NULL;
    struct stream *stream;
    if (!channel)
        return CALL_NO_WAY;
    bool is_ample = chunk_reserve(&core->chunks, &c->answer->account, ANSWER_CHUNKS, CHUNK_SPARES);
    if (!is_ample && !call_reserve(core, c, ANSWER_CHUNKS_LEAST))
        return CALL_NO_MEMORY;
    stream = channel_open_stream(channel, c);
    if (!stream)
        return CALL_NO_WAY;
    size_t bytes = make_call(core, c);
    bool has_memory = bytes > 0 && stream_set_aside(channel, stream, bytes);
    if (!has_memory) {
        call_revoke_lazy(core, c);
        budget_return(&c->budget, (struct budget_sum){0});
        stream_reset(channel, stream, STREAM_CANCELLED);
        peers_mark(core->peers, channel);
        return bytes > 0 ? CALL_NO_MEMORY : CALL_NO_WAY;
    }
    size_t written = stream_write(channel, stream, core->calls->record, bytes);
    assert(written == bytes);
    if (!c->has_body)
        stream_end(channel, stream);
    peers_mark(core->peers, channel);
    c->channel = channel;
    c->stream = stream;
    c->node = node;
    c->state = CALL_SENT;
    c->wait_until_ns = 0;
    budget_runs(&c->budget);
    c->path = CALL_FORWARDED;
    c->recv_credit = call_first_credit(c);
    c->head_left = c->data_left = 0;
    c->sent_bytes = 0;
    core->counters.place_home++;
    call_trace(core, c, TRACE_FORWARD, node, 0);
    return CALL_GONE;
}

void call_drop_stream(struct core *core, struct call *c, enum stream_reset why)
{
    if (!c->stream)
        return;
    stream_reset(c->channel, c->stream, why);
    peers_mark(core->peers, c->channel);
    c->stream = NULL;
    c->channel = NULL;
}

size_t call_remote_room(struct core *core, struct call *c)
{
    size_t room = stream_room(c->channel, c->stream);
    room = room > FRAMING_BYTES ? room - FRAMING_BYTES : 0;
    if (room > RECORD_BODY_BYTES_MAX)
        room = RECORD_BODY_BYTES_MAX;
    if (c->state == CALL_SENT && !MUTANT(WINDOW_EXCEEDED)) {
        uint64_t optimistic = core->world->tune.optimistic_bytes;
        uint64_t left = c->sent_bytes < optimistic ? optimistic - c->sent_bytes : 0;
        if (left < room)
            room = left;
    }
    return room;
}

static void write_record(struct call *c, enum record_type type, const uint8_t *bytes, size_t len)
{
    uint8_t header[RECORD_HEADER_BYTES];
    record_write_header(header, type, (uint32_t)len);
    size_t written = stream_write(c->channel, c->stream, header, sizeof(header));
    written += len ? stream_write(c->channel, c->stream, bytes, len) : 0;
    assert(written == sizeof(header) + len); /* room was looked for */
}

bool call_write_body(struct core *core, struct call *c, const uint8_t *bytes, size_t len,
                     bool is_end)
{
    peers_mark(core->peers, c->channel);
    if (len > 0)
        write_record(c, RECORD_BODY, bytes, len);
    c->sent_bytes += len;
    if (!is_end)
        return true;
    if (stream_room(c->channel, c->stream) < RECORD_HEADER_BYTES)
        return false;
    write_record(c, RECORD_BODY_END, NULL, 0);
    stream_end(c->channel, c->stream);
    return true;
}

/* ---- and back ---- */

/* The header at offset. False: not there yet, *is_bad: or none. */
static bool look_header(struct stream *s, uint32_t offset, struct record_header *h, bool *is_bad)
{
    uint8_t bytes[RECORD_HEADER_BYTES];
    *is_bad = false;
    if (stream_available(s) < offset + sizeof(bytes))
        return false;
    stream_copy(s, offset, bytes, sizeof(bytes));
    *is_bad = !record_read_header(h, bytes);
    return !*is_bad;
}

struct views {
    struct head_view view[VIEWS_MAX];
    uint32_t count;
    size_t bytes;
};

/* Up to len bytes from offset, which have come. */
static void gather(struct stream *s, uint32_t offset, size_t len, struct views *v)
{
    v->count = 0;
    v->bytes = 0;
    while (v->bytes < len && v->count < VIEWS_MAX) {
        size_t part;
        const uint8_t *at = stream_peek(s, offset + (uint32_t)v->bytes, &part);
        assert(at && part > 0);
        if (part > len - v->bytes)
            part = len - v->bytes;
        v->view[v->count++] = (struct head_view){(const char *)at, part};
        v->bytes += part;
    }
}

/* Is a DATA_END all that is left from offset on? */
static bool ends_at(struct stream *s, uint32_t offset, struct record_end *end)
{
    struct record_header h;
    bool is_bad;
    uint8_t bytes[RECORD_END_BYTES];
    if (!look_header(s, offset, &h, &is_bad) || h.type != RECORD_DATA_END ||
        stream_available(s) < offset + RECORD_HEADER_BYTES + sizeof(bytes))
        return false;
    stream_copy(s, offset + RECORD_HEADER_BYTES, bytes, sizeof(bytes));
    return record_read_end(end, bytes, sizeof(bytes));
}

static void take_spent(struct call *c, const struct record_end *end)
{
    budget_return(&c->budget, (struct budget_sum){end->spent_subrequests, end->spent_cpu_us});
}

/* The last event is told: the stream goes with the call. */
static void end_remote(struct core *core, struct call *c, uint32_t consumed)
{
    stream_consume(c->channel, c->stream, consumed);
    stream_release(c->channel, c->stream);
    peers_mark(core->peers, c->channel);
    c->stream = NULL;
    c->channel = NULL;
    call_finish(core, c, false);
}

/* Home does not keep to the protocol. */
static void broken(struct core *core, struct call *c)
{
    core->counters.rpc_bad_frame++;
    call_drop_stream(core, c, STREAM_BROKEN);
    call_lost(core, c, JOB_ERROR_NONE);
}

static void on_accept(struct core *core, struct call *c, const uint8_t *bytes, size_t len)
{
    struct record_accept accept;
    if (c->state != CALL_SENT || !record_read_accept(&accept, bytes, len)) {
        broken(core, c);
        return;
    }
    c->state = CALL_REMOTE;
    if (MUTANT(KEPT_SENT_TWICE))
        c->fed = 0;
    core->counters.call_accepted++;
    call_revoke_lazy(core, c);
    heat_set_width(core->heat, c->script_hash, accept.width, core->now_ns);
    call_trace(core, c, TRACE_ACCEPT, accept.width, c->sent_bytes);
    call_review_kept(core, c);
    call_tell_fin(core, c);
    call_on_room(core, c);
}

/* Home hands it back. c is placed anew: here, or it is refused. */
static void bounced(struct core *core, struct call *c, uint8_t reason)
{
    core->counters.call_bounced++;
    core->counters.call_wasted_bytes += c->sent_bytes;
    call_trace(core, c, TRACE_BOUNCE, reason, c->sent_bytes);
    call_drop_stream(core, c, STREAM_CANCELLED);
    budget_return(&c->budget, (struct budget_sum){0});
    c->is_bounced = true;
    c->path = CALL_BOUNCED;
    call_run_here(core, c);
}

static void on_bounce(struct core *core, struct call *c, const uint8_t *bytes, size_t len)
{
    struct record_bounce bounce;
    uint64_t object = 0;
    if (c->state != CALL_SENT || !record_read_bounce(&bounce, bytes, len)) {
        broken(core, c);
        return;
    }
    /* Not even another call's own: it would be spent for nothing. */
    if (!c->has_lazy || memcmp(bounce.lazy, c->lazy, sizeof(c->lazy)) != 0) {
        core->counters.capability_forged++;
        broken(core, c);
        return;
    }
    enum capability_result result = capability_redeem(
        &core->capabilities, bounce.lazy, CAPABILITY_LAZY_WORKER, core->now_ns / 1000000, &object);
    capability_count(core, result);
    if (result != CAPABILITY_OK || object != ((uint64_t)c->generation << 32 | c->index)) {
        broken(core, c);
        return;
    }
    c->has_lazy = false; /* spent */
    bounced(core, c, bounce.reason);
}

/* The response head, of which the whole record is in t->record and out of the stream; with it the
 * whole body if it is there already. False: the call is over, or waits for more. */
static bool on_head(struct core *core, struct call *c, uint32_t record_bytes)
{
    struct calls *t = core->calls;
    struct record_head head;
    struct record_header next;
    struct record_end end;
    struct views body = {.count = 0};
    bool is_bad, is_end = false;
    uint32_t used = 0;
    if (!record_read_head(&head, t->record, record_bytes)) {
        broken(core, c);
        return false;
    }
    c->has_head = true;
    /* The largest head had its place; this one leaves the rest of it to the body. */
    c->recv_credit += JOB_HEAD_BYTES_MAX - head.head_bytes;
    if (ends_at(c->stream, 0, &end)) {
        is_end = true;
        used = RECORD_HEADER_BYTES + RECORD_END_BYTES;
    } else if (look_header(c->stream, 0, &next, &is_bad) && next.type == RECORD_DATA &&
               next.bytes <= c->recv_credit &&
               stream_available(c->stream) >= RECORD_HEADER_BYTES + next.bytes &&
               ends_at(c->stream, RECORD_HEADER_BYTES + next.bytes, &end)) {
        gather(c->stream, RECORD_HEADER_BYTES, next.bytes, &body);
        is_end = body.bytes == next.bytes;
        if (is_end)
            used = 2 * RECORD_HEADER_BYTES + next.bytes + RECORD_END_BYTES;
        else
            body.count = 0;
    }
    struct head_reader r;
    if (is_end)
        take_spent(c, &end);
    c->is_over = is_end;
    call_trace(core, c, TRACE_HEAD, head_read_response(&r, head.head, head.head_bytes),
               head.cold_us);
    call_review_kept(core, c);
    struct call_ref ref = {c->index, c->generation};
    c->events->head(core, c->owner,
                    &(struct answer_head){.bytes = head.head,
                                          .len = head.head_bytes,
                                          .cold_us = head.cold_us,
                                          .body = {body.view, body.count, is_end}});
    if (c->generation != ref.generation)
        return false; /* the origin had enough */
    if (is_end) {
        end_remote(core, c, used);
        return false;
    }
    return true;
}

/* Some of the HEAD record, into the answer's queue: a head is larger than what a stream is sure to
 * hold. False: the call is over, or waits for more. */
static bool gather_head(struct core *core, struct call *c)
{
    uint8_t *record = core->calls->record;
    struct views part;
    size_t len = stream_available(c->stream);
    if (len == 0) {
        if (stream_is_complete(c->stream))
            broken(core, c);
        return false;
    }
    gather(c->stream, 0, len < c->head_left ? len : c->head_left, &part);
    for (uint32_t i = 0; i < part.count; i++) {
        size_t taken =
            byte_queue_append(c->answer, &core->chunks, part.view[i].p, part.view[i].len);
        assert(taken == part.view[i].len); /* its floor */
    }
    stream_consume(c->channel, c->stream, (uint32_t)part.bytes);
    peers_mark(core->peers, c->channel);
    c->head_left -= (uint32_t)part.bytes;
    if (c->head_left > 0)
        return true;
    uint32_t record_bytes = c->answer->bytes;
    byte_queue_copy(c->answer, 0, record, record_bytes);
    byte_queue_clear(c->answer, &core->chunks);
    return on_head(core, c, record_bytes);
}

/* Some of the current DATA record. False: the call is over, or waits for more. */
static bool on_data(struct core *core, struct call *c)
{
    size_t len = stream_available(c->stream);
    if (len == 0 && stream_is_complete(c->stream)) {
        broken(core, c);
        return false;
    }
    if (len > c->data_left)
        len = c->data_left;
    if (len > c->recv_credit)
        len = c->recv_credit;
    if (len == 0) {
        if (stream_is_ended(c->stream))
            broken(core, c);
        return false;
    }
    struct views body;
    gather(c->stream, 0, len, &body);
    struct record_end end;
    bool is_end = body.bytes == c->data_left && ends_at(c->stream, (uint32_t)body.bytes, &end);
    if (is_end)
        take_spent(c, &end);
    uint32_t generation = c->generation;
    c->data_left -= (uint32_t)body.bytes;
    c->recv_credit -= (uint32_t)body.bytes;
    c->is_over = is_end;
    c->events->data(core, c->owner, &(struct answer_body){body.view, body.count, is_end});
    if (c->generation != generation)
        return false;
    if (is_end) {
        end_remote(core, c, (uint32_t)body.bytes + RECORD_HEADER_BYTES + RECORD_END_BYTES);
        return false;
    }
    stream_consume(c->channel, c->stream, (uint32_t)body.bytes);
    peers_mark(core->peers, c->channel);
    return true;
}

static void on_end(struct core *core, struct call *c, const uint8_t *bytes, size_t len)
{
    struct record_end end;
    if (!c->has_head || !record_read_end(&end, bytes, len)) {
        broken(core, c);
        return;
    }
    take_spent(c, &end);
    uint32_t generation = c->generation;
    c->is_over = true;
    c->events->data(core, c->owner, &(struct answer_body){.is_end = true});
    assert(c->generation == generation);
    end_remote(core, c, 0);
}

static void on_error(struct core *core, struct call *c, const uint8_t *bytes, size_t len)
{
    struct record_error error;
    if (c->state != CALL_REMOTE || !record_read_error(&error, bytes, len)) {
        broken(core, c);
        return;
    }
    take_spent(c, &error.end);
    call_drop_stream(core, c, STREAM_CANCELLED);
    call_fail(core, c, error.error);
}

/* One record. False: the call is over, or waits for more. */
static bool read_record(struct core *core, struct call *c)
{
    struct record_header h;
    bool is_bad;
    uint8_t small[128];
    if (c->head_left > 0)
        return gather_head(core, c);
    if (c->data_left > 0)
        return on_data(core, c);
    if (!look_header(c->stream, 0, &h, &is_bad)) {
        if (is_bad || stream_is_complete(c->stream))
            broken(core, c);
        return false;
    }
    if (h.type == RECORD_DATA) {
        if (!c->has_head) {
            broken(core, c);
            return false;
        }
        stream_consume(c->channel, c->stream, RECORD_HEADER_BYTES);
        c->data_left = h.bytes;
        return true;
    }
    if (h.type == RECORD_HEAD) {
        if (c->state != CALL_REMOTE || c->has_head) {
            broken(core, c);
            return false;
        }
        stream_consume(c->channel, c->stream, RECORD_HEADER_BYTES);
        c->head_left = h.bytes;
        return true;
    }
    if (h.bytes > sizeof(small)) {
        broken(core, c);
        return false;
    }
    if (stream_available(c->stream) < RECORD_HEADER_BYTES + h.bytes) { /* so few find room */
        if (stream_is_complete(c->stream))
            broken(core, c);
        return false;
    }
    stream_copy(c->stream, RECORD_HEADER_BYTES, small, h.bytes);
    stream_consume(c->channel, c->stream, RECORD_HEADER_BYTES + h.bytes);
    switch (h.type) {
    case RECORD_ACCEPT:
        on_accept(core, c, small, h.bytes);
        break;
    case RECORD_BOUNCE:
        on_bounce(core, c, small, h.bytes);
        break;
    case RECORD_ERROR:
        on_error(core, c, small, h.bytes);
        break;
    case RECORD_DATA_END:
        on_end(core, c, small, h.bytes);
        break;
    default:
        broken(core, c);
    }
    return true; /* the caller looks whether it is still there */
}

void call_read(struct core *core, struct call *c)
{
    uint32_t generation = c->generation;
    while (c->generation == generation && call_is_remote(c) && read_record(core, c))
        ;
}

/* ---- from peers.c ---- */

void call_readable(void *arg, struct stream *stream)
{
    struct core *core = arg;
    call_read(core, stream_user(stream));
}

void call_writable(void *arg, struct stream *stream)
{
    struct core *core = arg;
    call_on_room(core, stream_user(stream));
}

void call_reset(void *arg, struct stream *stream, enum stream_reset why)
{
    struct core *core = arg;
    struct call *c = stream_user(stream);
    bool is_refused = why == STREAM_REFUSED && c->state == CALL_SENT;
    c->stream = NULL;
    c->channel = NULL;
    /* Home had no place even to say why: it has looked at nothing. */
    if (is_refused)
        bounced(core, c, BOUNCE_OVERLOAD);
    else
        call_lost(core, c, JOB_ERROR_NONE);
}

void calls_channel_down(struct core *core, struct channel *channel)
{
    for (uint32_t i = 0; i < core->calls->count; i++) {
        struct call *c = &core->calls->call[i];
        if (!call_is_remote(c) || c->channel != channel || MUTANT(DOWN_UNTOLD))
            continue;
        c->stream = NULL;
        c->channel = NULL;
        core->counters.call_lost++;
        call_lost(core, c, JOB_ERROR_NONE);
    }
}
