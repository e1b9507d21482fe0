#include <stdio.h>
#include <string.h>

#include "runtime/head.h"
#include "runtime/worker/down.h"
#include "runtime/worker/fields.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/request.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/sub.h"
#include "runtime/worker/worker.h"

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
    slice_enter(&slice, w, s->parent);
    struct head_reader reader;
    uint16_t status = head_read_response(&reader, head, slot->bytes);
    struct v8c_value *argv[] = {v8c_number(i->v8, ref), v8c_int(i->v8, status),
                                fields_value(i->v8, &reader), v8c_bool(i->v8, !is_end)};
    assert(head_read_end(&reader));
    s->state = is_end ? SUB_HAS_REST : SUB_AWAITS_BODY;
    if (is_end)
        sub_close(w, s);
    else
        sub_count_waits(s);
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
            slice_condemn(w, JOB_ERROR_MEMORY_LIMIT);
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
    double ref = sub_ref(s);
    assert(s->state == SUB_AWAITS_BODY);
    sub_put_in(s, slot);
    lane_give_back(l, slot);
    if (s->in.is_ended) {
        s->state = SUB_HAS_REST;
        if (s->is_fed) {
            sub_stop_feeding(s);
            request_discard_in(r);
        }
    }
    if (s->answers) {
        sub_feed_answer(w, s);
        slice_clean_up(w);
        return;
    }
    bool reads = s->in_waits && (s->in.len || s->in.is_ended);
    bool writes = s->in.is_ended && s->out_waits;
    if (!reads && !writes)
        return;
    struct slice slice;
    slice_enter(&slice, w, r);
    if (writes) {
        s->out_waits = false;
        sub_count_waits(s);
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
    const char *sentence = sub_sentence((enum job_error)kind);
    s->state = SUB_HAS_REST;
    if (s->answers) {
        char text[128];
        snprintf(text, sizeof(text), "the response is another script's, and is cut off: %s",
                 sentence);
        request_fail(w, r, JOB_ERROR_EXCEPTION, text);
        slice_clean_up(w);
        return;
    }
    struct slice slice;
    slice_enter(&slice, w, r);
    sub_close(w, s);
    struct v8c_value *argv[] = {v8c_number(i->v8, ref),
                                v8c_string_latin1(i->v8, sentence, strlen(sentence))};
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
    slice_enter(&slice, w, s->parent);
    s->out_waits = false;
    sub_count_waits(s);
    tell_room(&slice, sub_ref(s));
    slice_exit(&slice);
}

void down_take_sub(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    uint32_t index = (uint32_t)slot->arg, generation = (uint32_t)(slot->arg >> 32);
    struct sub *s = slab_at(&l->subs, index);
    assert(s);
    if (s->generation != generation || !sub_is_hearthds(s)) { /* we cancelled it */
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

bool down_retry_sub(struct worker *w)
{
    struct sub *s = w->stalled_subs;
    bool has_room = sub_retry(w, s);
    if (has_room)
        go_on(w, s);
    return has_room;
}
