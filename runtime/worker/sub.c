#include "runtime/worker/sub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"
#include "runtime/head.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/natives_call.h"
#include "runtime/worker/request.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/worker.h"

/* A ref: generation, lane, index. */
enum { REF_INDEX_BITS = 12, REF_LANE_BITS = 6, REF_LOW_BITS = REF_INDEX_BITS + REF_LANE_BITS };
static_assert(JOB_SUBS_MAX <= 1 << REF_INDEX_BITS, "a ref holds the index");
static_assert(JOB_LANES_MAX <= 1 << REF_LANE_BITS, "a ref holds the lane");
static_assert(32 + REF_LOW_BITS <= 53, "a ref is an exact double");

/* What the caller's promise is rejected with. */
static const char *const sentences[] = {
    [JOB_ERROR_NONE] = "the call failed",
    [JOB_ERROR_EXCEPTION] = "the called script threw an exception",
    [JOB_ERROR_NO_RESPONSE] = "the called script gave no response",
    [JOB_ERROR_LOAD] = "the called script does not load",
    [JOB_ERROR_CPU_LIMIT] = "the called script used more CPU time than its limit",
    [JOB_ERROR_MEMORY_LIMIT] = "the called script used more memory than its limit",
    [JOB_ERROR_WALL_LIMIT] = "the called script took longer than its wall clock limit",
    [JOB_ERROR_OUTPUT_LIMIT] = "the called script's response is over the size limit",
    [JOB_ERROR_OVERLOAD] = "the node has no room for the called script",
    [JOB_ERROR_NO_SCRIPT] = "there is no such script",
    [JOB_ERROR_REFUSED] = "every node that could run the called script is overloaded",
    [JOB_ERROR_LOST] = "the process or node that ran the called script is gone",
    [JOB_ERROR_DEPTH] = "16 scripts call each other already, as deep as calls may go",
    [JOB_ERROR_HELD] = "the called script has ended its process several times, and is held back",
    [JOB_ERROR_SUBREQUESTS] = "the request made as many calls as it may",
    [JOB_ERROR_NOT_RESPONSE] = "what the called script answered is not a Response",
};
static_assert(sizeof(sentences) / sizeof(*sentences) == JOB_ERROR_KINDS, "a sentence for each");
static_assert(CONTEXT_DEPTH_MAX == 16, "a sentence says so");

void sub_table_init(struct sub_table *t)
{
    *t = (struct sub_table){.subs = calloc(JOB_SUBS_MAX, sizeof(struct sub))};
    assert(t->subs);
}

double sub_ref(const struct sub *s)
{
    return (double)((uint64_t)s->generation << REF_LOW_BITS |
                    (uint64_t)s->lane->index << REF_INDEX_BITS | s->index);
}

struct sub *sub_find(struct worker *w, double ref)
{
    if (!(ref >= 1 && ref < 0x1p53))
        return NULL;
    uint64_t v = (uint64_t)ref;
    uint32_t lane = (uint32_t)(v >> REF_INDEX_BITS) & ((1u << REF_LANE_BITS) - 1);
    if (lane >= w->lane_count)
        return NULL;
    struct sub *s = &w->lanes[lane]->subs.subs[v & ((1u << REF_INDEX_BITS) - 1)];
    return s->state != SUB_FREE && s->generation == v >> REF_LOW_BITS ? s : NULL;
}

static struct job_slot message(const struct sub *s, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type,
                             .arg = (uint64_t)s->generation << 32 | s->index};
}

/* After anything that it depends on has changed. */
static void count_waits(struct sub *s)
{
    uint32_t waits = (s->state == SUB_AWAITS_REPLY) + s->in_waits + s->out_waits;
    s->parent->isolate->waits += waits - s->waits;
    s->waits = waits;
}

static bool is_hearthds(const struct sub *s)
{
    return s->state == SUB_AWAITS_REPLY || s->state == SUB_AWAITS_BODY;
}

/* ---- start and end ---- */

static struct sub *take_free(struct lane *l)
{
    struct sub_table *t = &l->subs;
    struct sub *s = t->free;
    if (s)
        t->free = s->next;
    else if (t->made < JOB_SUBS_MAX)
        s = &t->subs[t->made++];
    else
        return NULL;
    uint32_t generation = s->generation + 1;
    *s = (struct sub){.state = SUB_AWAITS_REPLY,
                      .index = (uint32_t)(s - t->subs),
                      .generation = generation ? generation : 1,
                      .lane = l,
                      .out_credit = JOB_CREDIT_INITIAL};
    return s;
}

static void stall(struct worker *w, struct sub *s)
{
    struct sub **last = &w->stalled_subs;
    if (s->is_stalled)
        return;
    while (*last)
        last = &(*last)->next_stalled;
    s->is_stalled = true;
    s->next_stalled = NULL;
    *last = s;
}

static void send_head(struct sub *s, const uint8_t *head, size_t len)
{
    struct job_slot slot = message(s, JOB_SUB);
    slot.job = s->parent->slot;
    slot.generation = s->parent->generation;
    slot.arg2 = s->binding;
    slot.flags = s->out_ended ? JOB_F_END : 0;
    lane_send_bytes(s->lane, &slot, head, len);
}

struct sub *sub_open(struct worker *w, struct request *parent, uint32_t binding,
                     const uint8_t *head, size_t head_bytes, bool has_body, const char **why)
{
    assert(head_bytes > 0 && head_bytes <= JOB_HEAD_BYTES_MAX);
    if (parent->subrequests >= parent->subrequest_limit) {
        *why = sentences[JOB_ERROR_SUBREQUESTS];
        return NULL;
    }
    struct sub *s = take_free(parent->lane);
    if (!s) {
        *why = "too many calls are under way";
        return NULL;
    }
    parent->subrequests++;
    s->parent = parent;
    s->binding = binding;
    s->out_ended = !has_body;
    s->next = parent->subs;
    if (s->next)
        s->next->prev = s;
    parent->subs = s;
    count_waits(s);
    if (lane_room(s->lane, arena_chunks_for(head_bytes))) {
        send_head(s, head, head_bytes);
        return s;
    }
    s->out_head = malloc(head_bytes);
    assert(s->out_head);
    memcpy(s->out_head, head, head_bytes);
    s->out_head_bytes = head_bytes;
    stall(w, s);
    return s;
}

/* The parent's body goes nowhere any more. */
static void stop_feeding(struct sub *s)
{
    struct request *r = s->parent;
    s->is_fed = false;
    r->feeds = NULL;
    request_set_in_waits(r, false);
}

void sub_close(struct worker *w, struct sub *s)
{
    struct request *r = s->parent;
    if (is_hearthds(s) && !s->out_head) {
        struct job_slot slot = message(s, JOB_SUB_CANCEL);
        lane_send(s->lane, &slot);
    }
    if (s->is_fed) {
        stop_feeding(s);
        request_discard_in(r);
    }
    if (s->answers)
        r->relayed = NULL;
    s->in_waits = s->out_waits = false;
    s->state = SUB_FREE;
    count_waits(s);
    if (s->is_stalled) {
        struct sub **at = &w->stalled_subs;
        while (*at != s)
            at = &(*at)->next_stalled;
        *at = s->next_stalled;
    }
    if (s->prev)
        s->prev->next = s->next;
    else
        r->subs = s->next;
    if (s->next)
        s->next->prev = s->prev;
    intake_fini(&s->in);
    free(s->out_head);
    s->out_head = NULL;
    s->next = s->lane->subs.free;
    s->lane->subs.free = s;
}

/* ---- the request's body ---- */

/* JavaScript is told later, or feeding goes on by itself. */
static void wait_to_send(struct sub *s)
{
    s->out_waits = !s->is_fed;
    count_waits(s);
}

size_t sub_send_body(struct worker *w, struct sub *s, const uint8_t *bytes, size_t len, bool is_end)
{
    size_t sent = 0;
    assert(is_hearthds(s) && !s->out_ended);
    while (!s->out_head && (sent < len || (is_end && !s->out_ended))) {
        size_t n = len - sent;
        if (n > s->out_credit)
            n = s->out_credit;
        if (n > JOB_HEAD_BYTES_MAX)
            n = JOB_HEAD_BYTES_MAX;
        if (n == 0 && sent < len)
            break; /* no credit: SUB_CREDIT will tell */
        if (!lane_room(s->lane, arena_chunks_for(n))) {
            stall(w, s);
            break;
        }
        struct job_slot slot = message(s, JOB_SUB_BODY);
        s->out_ended = is_end && sent + n == len;
        slot.flags = s->out_ended ? JOB_F_END : 0;
        lane_send_bytes(s->lane, &slot, bytes + sent, n);
        sent += n;
        s->out_credit -= n;
    }
    if (sent < len || (is_end && !s->out_ended))
        wait_to_send(s);
    return sent;
}

void sub_take_request_body(struct worker *w, struct sub *s)
{
    struct request *r = s->parent;
    assert(!r->feeds && !r->relays && !s->out_ended);
    s->is_fed = true;
    r->feeds = s;
    request_set_in_waits(r, true); /* it is not stuck */
    sub_feed(w, s);
}

void sub_feed(struct worker *w, struct sub *s)
{
    struct request *r = s->parent;
    if (r->in.len == 0 && !r->in.is_ended)
        return;
    size_t sent = sub_send_body(w, s, r->in.bytes, r->in.len, r->in.is_ended);
    request_took_in(r, sent);
    if (s->out_ended)
        stop_feeding(s);
}

/* ---- the reply's body ---- */

static void give_credit(struct sub *s, uint32_t bytes)
{
    if (bytes == 0)
        return;
    struct job_slot credit = message(s, JOB_SUB_CREDIT);
    credit.arg2 = bytes;
    lane_send(s->lane, &credit);
}

void sub_set_in_waits(struct sub *s, bool waits)
{
    s->in_waits = waits;
    count_waits(s);
}

void sub_took_in(struct worker *w, struct sub *s, size_t bytes)
{
    give_credit(s, intake_took(&s->in, bytes));
    if (s->state == SUB_HAS_REST && s->in.len == 0)
        sub_close(w, s);
}

void sub_answer(struct worker *w, struct sub *s)
{
    struct request *r = s->parent;
    assert(!r->relays && !r->relayed && s->state != SUB_AWAITS_REPLY);
    s->answers = true;
    r->relayed = s;
    sub_set_in_waits(s, true); /* it is not stuck */
    sub_feed_answer(w, s);
}

void sub_feed_answer(struct worker *w, struct sub *s)
{
    struct request *r = s->parent;
    double ref = request_ref(r);
    if (r->out_head && !r->has_length)
        return; /* it is on the stalled list already */
    if (s->in.len == 0) {
        if (s->in.is_ended)
            request_end_body(w, r);
        return;
    }
    size_t sent = request_send_body(w, r, s->in.bytes, s->in.len, s->in.is_ended);
    if (request_find(w, ref) && r->state == REQUEST_AWAITS_BODY)
        give_credit(s, intake_took(&s->in, sent));
}

/* ---- down ---- */

/* JavaScript may write again, or will learn that it is in vain. */
static void tell_room(struct slice *slice, double ref)
{
    struct v8c_value *argument = v8c_number(slice->v8, ref);
    slice_call(slice, WEB_ON_SUB_CREDIT, 1, &argument);
}

static void take_reply(struct worker *w, struct lane *l, struct sub *s, const struct job_slot *slot)
{
    static uint8_t head[JOB_HEAD_BYTES_MAX];
    struct isolate *i = s->parent->isolate;
    double ref = sub_ref(s);
    bool is_end = slot->flags & JOB_F_END;
    assert(s->state == SUB_AWAITS_REPLY && slot->bytes > 0 && slot->bytes <= sizeof(head));
    lane_copy(l, slot, head);
    lane_give_back(l, slot);

    struct slice slice;
    slice_enter(&slice, w, i, s->parent);
    struct head_reader reader;
    uint16_t status = head_read_response(&reader, head, slot->bytes);
    struct v8c_value *argv[] = {v8c_number(i->v8, ref), v8c_int(i->v8, status),
                                natives_fields(i->v8, &reader), v8c_bool(i->v8, !is_end)};
    assert(head_read_end(&reader));
    s->state = is_end ? SUB_HAS_REST : SUB_AWAITS_BODY;
    if (is_end)
        sub_close(w, s);
    else
        count_waits(s);
    slice_call(&slice, WEB_ON_REPLY, 4, argv);
    slice_exit(&slice);
}

/* Gives JavaScript the bytes that it waits for, or the end. */
static void read_in(struct worker *w, struct sub *s, struct slice *slice)
{
    struct isolate *i = s->parent->isolate;
    struct v8c_value *argv[] = {v8c_number(i->v8, sub_ref(s)), v8c_undefined(i->v8)};
    sub_set_in_waits(s, false);
    if (s->in.len) {
        argv[1] = v8c_uint8_array_copy(i->v8, s->in.bytes, s->in.len);
        if (!argv[1]) { /* over its buffers' limit */
            isolate_condemn(i, JOB_ERROR_MEMORY_LIMIT);
            return;
        }
    }
    sub_took_in(w, s, s->in.len);
    slice_call(slice, WEB_ON_REPLY_BODY, 2, argv);
}

static void take_reply_data(struct worker *w, struct lane *l, struct sub *s,
                            const struct job_slot *slot)
{
    struct request *r = s->parent;
    struct isolate *i = r->isolate;
    double ref = sub_ref(s);
    assert(s->state == SUB_AWAITS_BODY);
    give_credit(s, intake_put(&s->in, l, slot));
    lane_give_back(l, slot);
    if (s->in.is_ended) {
        s->state = SUB_HAS_REST;
        if (s->is_fed) {
            stop_feeding(s);
            request_discard_in(r);
        }
    }
    if (s->answers) {
        sub_feed_answer(w, s);
        slice_clean_up(w, i);
        return;
    }
    bool reads = s->in_waits && (s->in.len || s->in.is_ended);
    bool writes = s->in.is_ended && s->out_waits;
    if (!reads && !writes)
        return;
    struct slice slice;
    slice_enter(&slice, w, i, r);
    if (writes) {
        s->out_waits = false;
        count_waits(s);
    }
    if (reads)
        read_in(w, s, &slice);
    if (writes)
        tell_room(&slice, ref);
    slice_exit(&slice);
}

static void take_reply_error(struct worker *w, struct sub *s, uint64_t kind)
{
    struct request *r = s->parent;
    struct isolate *i = r->isolate;
    double ref = sub_ref(s);
    assert(kind < JOB_ERROR_KINDS);
    s->state = SUB_HAS_REST;
    if (s->answers) {
        char text[128];
        snprintf(text, sizeof(text), "the response is another script's, and is cut off: %s",
                 sentences[kind]);
        request_fail(w, r, JOB_ERROR_EXCEPTION, text);
        slice_clean_up(w, i);
        return;
    }
    struct slice slice;
    slice_enter(&slice, w, i, r);
    sub_close(w, s);
    struct v8c_value *argv[] = {v8c_number(i->v8, ref),
                                v8c_string_latin1(i->v8, sentences[kind], strlen(sentences[kind]))};
    slice_call(&slice, WEB_ON_REPLY_ERROR, 2, argv);
    slice_exit(&slice);
}

/* Credit or room came. */
static void go_on(struct worker *w, struct sub *s)
{
    if (s->is_fed) {
        sub_feed(w, s);
        return;
    }
    if (!s->out_waits)
        return;
    struct slice slice;
    slice_enter(&slice, w, s->parent->isolate, s->parent);
    s->out_waits = false;
    count_waits(s);
    tell_room(&slice, sub_ref(s));
    slice_exit(&slice);
}

void sub_take(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    uint32_t index = (uint32_t)slot->arg, generation = (uint32_t)(slot->arg >> 32);
    assert(index < JOB_SUBS_MAX);
    struct sub *s = &l->subs.subs[index];
    if (s->generation != generation || !is_hearthds(s)) { /* we cancelled it */
        lane_give_back(l, slot);
        return;
    }
    switch (slot->type) {
    case JOB_REPLY:
        take_reply(w, l, s, slot);
        break;
    case JOB_REPLY_DATA:
        take_reply_data(w, l, s, slot);
        break;
    case JOB_REPLY_ERROR:
        take_reply_error(w, s, slot->arg2);
        break;
    default:
        s->out_credit += slot->arg2;
        if (!s->is_stalled)
            go_on(w, s);
    }
}

bool sub_retry_stalled(struct worker *w)
{
    struct sub *s = w->stalled_subs;
    uint32_t chunks = s->out_head ? arena_chunks_for(s->out_head_bytes) : 1;
    if (!lane_room(s->lane, chunks)) {
        if (s->next_stalled) { /* another lane may have room */
            w->stalled_subs = s->next_stalled;
            s->is_stalled = false;
            stall(w, s);
        }
        return false;
    }
    w->stalled_subs = s->next_stalled;
    s->is_stalled = false;
    if (s->out_head) {
        send_head(s, s->out_head, s->out_head_bytes);
        free(s->out_head);
        s->out_head = NULL;
    }
    go_on(w, s);
    return true;
}
