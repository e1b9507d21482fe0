#include "runtime/worker/down.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/request.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/start_socket.h"
#include "runtime/worker/sub.h"
#include "runtime/worker/worker.h"

static void refuse(struct lane *l, const struct job_slot *start, enum job_error error)
{
    struct job_slot slot = {
        .type = JOB_ERROR, .job = start->job, .generation = start->generation, .arg = error};
    lane_send(l, &slot);
}

/* What the start of the script cost this job, which was taken from the lane last: the first one
 * that waited for it is told the whole of it. */
static uint32_t cost_of_start(struct worker *w, struct lane *l, const struct job_slot *start)
{
    struct cold_start *cold = &w->isolate->cold;
    struct job_slot span = {.type = JOB_SPAN, .job = start->job, .generation = start->generation};
    static_assert((int)JOB_PHASES <= (int)JOB_SLOT_CHUNKS, "a slot holds them");
    uint32_t us = cold->us;
    if (l->taken > l->awaited_to && !(start->flags & JOB_F_WAITED))
        return JOB_START_WARM;
    if (!us)
        return JOB_START_WARMING;
    memcpy(span.chunk, cold->phase_us, sizeof(cold->phase_us));
    lane_send(l, &span);
    cold->us = 0;
    return us;
}

/* Its packet may not have been read yet. Without it there is nothing to do. */
static void await_script(struct worker *w)
{
    struct pollfd fd = {.fd = w->start_fd, .events = POLLIN};

    start_socket_read(w);
    while (!w->handle && !w->is_orphaned) {
        poll(&fd, 1, -1);
        start_socket_read(w);
    }
}

static void take_start(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    if (!w->handle)
        await_script(w);
    enum job_error error = slot->arg == w->handle ? w->refusal : JOB_ERROR_NO_SCRIPT;
    struct request *r = error == JOB_ERROR_NONE ? request_start(w, l, slot) : NULL;
    lane_give_back(l, slot);
    uint32_t cold_us = error == JOB_ERROR_NO_SCRIPT ? 0 : cost_of_start(w, l, slot);
    if (!r) {
        refuse(l, slot, error == JOB_ERROR_NONE ? JOB_ERROR_OVERLOAD : error);
        return;
    }
    r->cold_us = cold_us;
    struct slice slice;
    slice_enter(&slice, w, r);
    struct v8c_value *argv[] = {v8c_number(slice.v8, request_ref(r)),
                                v8c_bool(slice.v8, !r->in.is_ended)};
    slice_call(&slice, WEB_DISPATCH, 2, argv);
    slice_exit(&slice);
}

/* Moves on what passes without JavaScript into the response. */
static void relay(struct worker *w, struct request *r)
{
    if (r->relayed)
        sub_feed_answer(w, r->relayed);
    else
        request_relay(w, r);
    slice_clean_up(w);
}

/* More of the same body is here already: one call of JavaScript takes both. */
static bool is_more_behind(struct lane *l, const struct job_slot *slot)
{
    const struct job_slot *next = job_consumer_peek(&l->down);
    return next && next->type == JOB_BODY && next->job == slot->job &&
           next->generation == slot->generation;
}

static void take_body(struct worker *w, struct lane *l, struct request *r,
                      const struct job_slot *slot)
{
    bool is_awaited = request_input(r, slot);
    lane_give_back(l, slot);
    if (r->relays)
        relay(w, r);
    else if (r->feeds)
        sub_feed(w, r->feeds);
    if (!is_awaited || is_more_behind(l, slot))
        return;
    struct slice slice;
    slice_enter(&slice, w, r);
    request_set_in_waits(r, false);
    struct v8c_value *argv[] = {v8c_number(slice.v8, request_ref(r)), v8c_undefined(slice.v8)};
    if (r->in.len) {
        argv[1] = v8c_uint8_array_copy(slice.v8, r->in.bytes, r->in.len);
        if (!argv[1]) { /* over its buffers' limit */
            slice_condemn(w, JOB_ERROR_MEMORY_LIMIT);
            slice_exit(&slice);
            return;
        }
        request_took_in(r, r->in.len);
    }
    slice_call(&slice, WEB_ON_BODY, 2, argv);
    slice_exit(&slice);
}

static void tell_room(struct worker *w, struct request *r)
{
    struct slice slice;
    slice_enter(&slice, w, r);
    request_set_out_waits(r, false);
    struct v8c_value *ref = v8c_number(slice.v8, request_ref(r));
    slice_call(&slice, WEB_ON_CREDIT, 1, &ref);
    slice_exit(&slice);
}

/* The client has closed its half: the script goes on, and is told if it has asked. */
static void take_fin(struct worker *w, struct request *r)
{
    r->has_fin = true;
    if (!r->signal_waits)
        return;
    struct slice slice;
    slice_enter(&slice, w, r);
    request_set_signal_waits(r, false);
    struct v8c_value *argument = v8c_number(slice.v8, request_ref(r));
    slice_call(&slice, WEB_FIN, 1, &argument);
    slice_exit(&slice);
}

/* The client is gone. What the script does for it ends, but for what it gave to waitUntil. */
static void take_cancel(struct worker *w, struct request *r)
{
    double ref = request_ref(r);
    bool has_ears = request_has_ears(r);
    request_leave(w, r);
    if (has_ears) {
        struct slice slice;
        slice_enter(&slice, w, r);
        struct v8c_value *argument = v8c_number(slice.v8, ref);
        slice_call(&slice, WEB_LEFT, 1, &argument);
        slice_exit(&slice);
    }
    if (!request_find(w, ref))
        return;
    request_review(w, r);
    slice_clean_up(w);
}

void down_take(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    switch (slot->type) {
    case JOB_START:
        take_start(w, l, slot);
        return;
    case JOB_REPLY:
    case JOB_REPLY_DATA:
    case JOB_REPLY_ERROR:
    case JOB_SUB_CREDIT:
        down_take_sub(w, l, slot);
        return;
    }
    assert(slot->job < l->jobs);
    struct request *r = l->by_slot[slot->job];
    bool is_late = !r || r->generation != slot->generation;
    switch (slot->type) {
    case JOB_BODY:
        if (is_late)
            lane_give_back(l, slot);
        else {
            r->moved_ns = w->now_ns;
            take_body(w, l, r, slot);
        }
        break;
    case JOB_CREDIT:
        if (is_late)
            break;
        r->out_credit += slot->arg;
        r->moved_ns = w->now_ns;
        if (r->is_stalled)
            break;
        if (r->relays || r->relayed)
            relay(w, r);
        else if (r->out_waits)
            tell_room(w, r);
        break;
    case JOB_FIN:
        if (!is_late)
            take_fin(w, r);
        break;
    case JOB_CANCEL:
        if (!is_late)
            take_cancel(w, r);
        break;
    default:
        assert(!"hearthd sent a message that does not exist");
    }
}

bool down_retry(struct worker *w)
{
    struct request **last = &w->stalled, *r = w->stalled;
    double ref = request_ref(r);
    w->stalled = r->next_stalled;
    r->is_stalled = false;
    bool is_told = request_retry(w, r);
    if (!request_find(w, ref)) { /* the head was all that it waited for */
        slice_clean_up(w);
        return true;
    }
    if ((r->relays || r->relayed) && !r->out_head) {
        request_set_out_waits(r, false); /* nobody but the relay */
        relay(w, r);
        return !request_find(w, ref) || !r->is_stalled;
    }
    if (is_told) {
        tell_room(w, r);
        return true;
    }
    if (!r->out_head && !r->out_waits)
        return true;
    while (*last)
        last = &(*last)->next_stalled;
    r->is_stalled = true;
    r->next_stalled = NULL;
    *last = r;
    return false;
}
