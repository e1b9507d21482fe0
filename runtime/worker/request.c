#include "runtime/worker/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"
#include "runtime/head.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/script.h"
#include "runtime/worker/sub.h"
#include "runtime/worker/timer.h"
#include "runtime/worker/worker.h"

enum { REF_INDEX_BITS = 13 };
static_assert(REQUESTS_MAX <= 1 << REF_INDEX_BITS, "a ref holds the index");
static_assert(32 + REF_INDEX_BITS <= 53, "a ref is an exact double");

void requests_init(struct worker *w)
{
    slab_init(&w->requests, sizeof(struct request), REQUESTS_MAX);
}

double request_ref(const struct request *r)
{
    return (double)((uint64_t)r->serial << REF_INDEX_BITS | r->index);
}

struct request *request_find(struct worker *w, double ref)
{
    if (!(ref >= 1 && ref < 0x1p53))
        return NULL;
    uint64_t v = (uint64_t)ref;
    struct request *r = slab_at(&w->requests, v & ((1u << REF_INDEX_BITS) - 1));
    return r && r->state != REQUEST_FREE && r->serial == v >> REF_INDEX_BITS ? r : NULL;
}

/* Least of two limits, where 0 says nothing. */
static uint64_t least(uint64_t own, uint64_t told)
{
    return told && told < own ? told : own;
}

uint64_t request_cpu_ns(struct worker *w, const struct request *r)
{
    bool pays = w->meter.payer == request_ref(r);
    return r->cpu_ns + (pays ? meter_say(&w->meter) : 0);
}

/* Its method, and its limits. */
static void read_head(struct request *r, const struct script_limits *own)
{
    struct head_reader reader;
    struct head_request head = head_read_request(&reader, r->head, r->head_bytes);
    struct context_limits told = {0};
    assert(!reader.bad); /* hearthd wrote it */
    if (head.context.len) {
        struct context context;
        bool is_good = context_read(&context, (const uint8_t *)head.context.p, head.context.len);
        assert(is_good);
        (void)is_good;
        told = context_limits(&context);
    }
    /* memory_mb is not here: a heap has the limit it was made with. */
    r->cpu_limit_ns = least(own->cpu_ns, told.cpu_us * 1000);
    r->is_head = head.method.len == 4 && memcmp(head.method.p, "HEAD", 4) == 0;
    r->wall_limit_ns = least(own->wall_ns, told.wall_ms * 1000000ull);
    r->subrequest_limit = (uint32_t)least(own->subrequests, told.subrequests);
}

/* Its index, and a serial that makes its ref a new one; NULL: there are REQUESTS_MAX. */
static struct request *take_free(struct worker *w)
{
    struct request *r = w->free_requests;
    uint32_t index;
    if (r) {
        w->free_requests = r->next;
        index = r->index;
    } else if (!(r = slab_more(&w->requests, &index))) {
        return NULL;
    }
    w->request_count++;
    uint32_t serial = r->serial + 1;
    memset(r, 0, offsetof(struct request, inline_head));
    r->serial = serial ? serial : 1;
    r->index = index;
    return r;
}

static void attach(struct request *r, struct isolate *i)
{
    r->isolate = i;
    r->next = i->requests;
    if (r->next)
        r->next->prev = r;
    i->requests = r;
}

struct request *request_start(struct worker *w, struct lane *l, const struct job_slot *slot)
{
    assert(slot->job < l->jobs && slot->bytes <= JOB_HEAD_BYTES_MAX);
    struct request *r = take_free(w);
    if (!r)
        return NULL;
    r->state = REQUEST_AWAITS_HEAD;
    r->id = slot->arg2;
    r->lane = l;
    r->slot = slot->job;
    r->generation = slot->generation;
    r->moved_ns = w->now_ns;
    r->out_credit = JOB_ANSWER_CREDIT_INITIAL;
    r->in.is_ended = slot->flags & JOB_F_END;
    r->head = slot->bytes <= REQUEST_HEAD_INLINE ? r->inline_head : malloc(slot->bytes);
    assert(r->head);
    r->head_bytes = slot->bytes;
    lane_copy(l, slot, r->head);
    read_head(r, &w->script->limits);
    attach(r, w->isolate);
    l->by_slot[slot->job] = r;
    return r;
}

void request_set_in_waits(struct request *r, bool waits)
{
    r->isolate->waits += (uint32_t)waits - (uint32_t)r->in_waits;
    r->in_waits = waits;
}

void request_set_out_waits(struct request *r, bool waits)
{
    r->isolate->waits += (uint32_t)waits - (uint32_t)r->out_waits;
    r->out_waits = waits;
}

void request_set_signal_waits(struct request *r, bool waits)
{
    r->isolate->waits += (uint32_t)waits - (uint32_t)r->signal_waits;
    r->signal_waits = waits;
}

static struct job_slot message(const struct request *r, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type, .job = r->slot, .generation = r->generation};
}

bool request_has_ears(const struct request *r)
{
    return r->in_waits || r->out_streams || r->is_watched;
}

static void forget(struct worker *w, struct request *r)
{
    struct isolate *i = r->isolate;
    if (request_has_ears(r))
        isolate_forget_later(i, WEB_FORGET, request_ref(r));
    request_set_in_waits(r, false);
    request_set_out_waits(r, false);
    request_set_signal_waits(r, false);
    while (r->timers.first) {
        isolate_forget_later(i, WEB_FORGET_TIMER, (double)timer_id(r->timers.first));
        timer_remove(&w->timers, r->timers.first);
        i->waits--;
    }
    while (r->subs) {
        if (!r->subs->answers)
            isolate_forget_later(i, WEB_FORGET_CALL, sub_ref(r->subs));
        sub_close(w, r->subs);
    }
    if (r->prev)
        r->prev->next = r->next;
    else
        i->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
}

static void over(struct worker *w, struct request *r)
{
    r->in.is_ended = true; /* no credit any more */
    forget(w, r);
    if (r->is_stalled) {
        struct request **at = &w->stalled;
        while (*at != r)
            at = &(*at)->next_stalled;
        *at = r->next_stalled;
    }
    assert(r->lane->by_slot[r->slot] == r);
    r->lane->by_slot[r->slot] = NULL;
    if (r->head != r->inline_head)
        free(r->head);
    intake_fini(&r->in);
    free(r->out_head);
    r->state = REQUEST_FREE;
    r->next = w->free_requests;
    w->free_requests = r;
    w->request_count--;
}

/* All that it has used so far, and what the isolate has used for requests that were over already:
 * who answers and computes on is charged with the next answer. */
static uint64_t last_cpu_us(struct worker *w, struct request *r)
{
    uint64_t cpu_ns = request_cpu_ns(w, r);
    if (r->isolate) {
        cpu_ns += r->isolate->unsaid_cpu_ns;
        r->isolate->unsaid_cpu_ns = 0;
    }
    return cpu_ns / 1000;
}

/* Its last message. Its sub-requests are not to outlive it, so they are cancelled first. */
static void say_last(struct worker *w, struct request *r, enum job_type type, enum job_error error)
{
    struct job_slot slot = message(r, type);
    struct lane *l = r->lane;
    slot.arg = error;
    slot.arg2 = last_cpu_us(w, r);
    over(w, r);
    lane_send(l, &slot);
}

/* One that lingered is through. */
static void done(struct worker *w, struct request *r)
{
    say_last(w, r, JOB_DONE, JOB_ERROR_NONE);
}

/* It is the last message of the response. */
static void mark_end(struct worker *w, struct request *r, struct job_slot *slot)
{
    slot->flags = r->holds ? JOB_F_END | JOB_F_LINGERS : JOB_F_END;
    slot->arg2 = r->holds ? request_cpu_ns(w, r) / 1000 : last_cpu_us(w, r);
}

/* Nothing goes out and nothing comes in any more. */
static void linger(struct worker *w, struct request *r)
{
    r->state = REQUEST_AWAITS_PROMISES;
    r->answered_ns = w->now_ns;
    if (r->relayed)
        sub_close(w, r->relayed);
    free(r->out_head);
    r->out_head = NULL;
    request_set_out_waits(r, false);
    request_set_signal_waits(r, false);
    bool is_cut = intake_cut(&r->in);
    if (is_cut && r->feeds) { /* its body will never be whole */
        isolate_forget_later(r->isolate, WEB_FORGET_CALL, sub_ref(r->feeds));
        sub_close(w, r->feeds);
    }
    if (r->relays || (is_cut && r->in_waits)) {
        if (!r->relays && !r->is_gone) /* else WEB_LEFT tells it */
            isolate_forget_later(r->isolate, WEB_FORGET, request_ref(r));
        r->relays = false;
        request_set_in_waits(r, false);
    }
}

/* The response is complete. */
static void answered(struct worker *w, struct request *r)
{
    if (r->holds == 0)
        over(w, r);
    else
        linger(w, r);
}

/* ---- down ---- */

static void give_credit(struct request *r, uint32_t bytes)
{
    if (bytes == 0)
        return;
    struct job_slot credit = message(r, JOB_CREDIT);
    credit.arg = bytes;
    lane_send(r->lane, &credit);
}

bool request_input(struct request *r, const struct job_slot *slot)
{
    uint8_t *to = intake_room(&r->in, slot->bytes);
    if (to)
        lane_copy(r->lane, slot, to);
    give_credit(r, intake_put(&r->in, slot->bytes, slot->flags & JOB_F_END));
    return r->in_waits && !r->relays && !r->feeds && (r->in.len || r->in.is_ended);
}

void request_took_in(struct request *r, size_t bytes)
{
    give_credit(r, intake_took(&r->in, bytes));
}

void request_discard_in(struct request *r)
{
    give_credit(r, intake_discard(&r->in));
}

/* ---- up ---- */

void request_stall(struct worker *w, struct request *r)
{
    if (r->is_stalled)
        return;
    r->is_stalled = true;
    r->next_stalled = w->stalled;
    w->stalled = r;
}

static void keep_head(struct worker *w, struct request *r, const uint8_t *head, size_t len)
{
    r->out_head = malloc(len);
    assert(r->out_head);
    memcpy(r->out_head, head, len);
    r->out_head_bytes = len;
    request_stall(w, r);
}

void request_promise(struct worker *w, struct request *r, const uint8_t *head, size_t len,
                     uint64_t length)
{
    assert(r->state == REQUEST_AWAITS_HEAD);
    r->state = REQUEST_AWAITS_BODY;
    r->has_length = true;
    r->length = r->length_left = length;
    keep_head(w, r, head, len);
}

void request_send_head(struct worker *w, struct request *r, const uint8_t *head, size_t len,
                       bool is_end)
{
    assert(r->state == REQUEST_AWAITS_HEAD);
    r->state = REQUEST_AWAITS_BODY;
    if (!lane_room(r->lane, arena_chunks_for(len))) {
        keep_head(w, r, head, len);
        r->out_ended = is_end;
        request_set_out_waits(r, true);
        return;
    }
    struct job_slot slot = message(r, JOB_HEAD);
    slot.arg = r->cold_us;
    if (is_end)
        mark_end(w, r, &slot);
    lane_send_bytes(r->lane, &slot, head, len);
    if (is_end)
        answered(w, r);
}

/* A head that waits. False: there is no room for it still. */
static bool send_waiting_head(struct worker *w, struct request *r)
{
    uint8_t *head = r->out_head;
    if (!lane_room(r->lane, arena_chunks_for(r->out_head_bytes)))
        return false;
    r->out_head = NULL;
    r->state = REQUEST_AWAITS_HEAD;
    request_send_head(w, r, head, r->out_head_bytes, r->out_ended);
    free(head);
    return true;
}

void request_flush_head(struct worker *w, struct request *r)
{
    if (r->out_head && r->has_length)
        send_waiting_head(w, r);
}

static void break_promise(struct worker *w, struct request *r, const char *what)
{
    char text[96];
    snprintf(text, sizeof(text), "the response body is %s than its Content-Length, %llu", what,
             (unsigned long long)r->length);
    request_fail(w, r, JOB_ERROR_EXCEPTION, text);
}

/* Will the promised length be wrong, if these are the next bytes, or the last? */
static const char *is_promise_broken(const struct request *r, size_t len, bool is_end)
{
    if (!r->has_length)
        return NULL;
    return len > r->length_left ? "longer" : is_end && len < r->length_left ? "shorter" : NULL;
}

size_t request_send_body(struct worker *w, struct request *r, const uint8_t *bytes, size_t len,
                         bool is_end)
{
    size_t sent = 0;
    const char *broken = is_promise_broken(r, len, is_end);
    assert(r->state == REQUEST_AWAITS_BODY);
    if (r->out_head && broken) { /* nothing is out: it can fail as a whole */
        break_promise(w, r, broken);
        return 0;
    }
    if (r->out_head && !send_waiting_head(w, r))
        return 0; /* it is on the stalled list already */
    if (broken) {
        is_end = false;
        if (len > r->length_left)
            len = (size_t)r->length_left;
    }
    do {
        size_t n = len - sent;
        if (n > r->out_credit)
            n = r->out_credit;
        if (n > JOB_HEAD_BYTES_MAX)
            n = JOB_HEAD_BYTES_MAX;
        if (n == 0 && sent < len)
            return sent; /* no credit: CREDIT will tell */
        if (!lane_room(r->lane, arena_chunks_for(n))) {
            request_stall(w, r);
            return sent;
        }
        struct job_slot slot = message(r, JOB_DATA);
        if (is_end && sent + n == len)
            mark_end(w, r, &slot);
        lane_send_bytes(r->lane, &slot, bytes + sent, n);
        sent += n;
        r->out_credit -= n;
        r->out_total += n;
        r->length_left -= r->has_length ? n : 0;
    } while (sent < len);
    if (broken)
        break_promise(w, r, broken);
    else if (is_end)
        answered(w, r);
    else if (r->out_total > REQUEST_OUTPUT_BYTES_MAX)
        request_fail(w, r, JOB_ERROR_OUTPUT_LIMIT, "the response body is over the limit");
    return sent;
}

void request_end_body(struct worker *w, struct request *r)
{
    assert(r->state == REQUEST_AWAITS_BODY);
    if (is_promise_broken(r, 0, true)) {
        break_promise(w, r, "shorter");
        return;
    }
    if (r->out_head) {
        r->out_ended = true; /* the head will be all there is */
        return;
    }
    struct job_slot slot = message(r, JOB_DATA);
    mark_end(w, r, &slot);
    lane_send(r->lane, &slot);
    answered(w, r);
}

void request_relay(struct worker *w, struct request *r)
{
    double ref = request_ref(r);
    r->relays = true;
    request_set_in_waits(r, true); /* it is not stuck */
    if (r->out_head && !r->has_length)
        return; /* it is on the stalled list already */
    if (r->in.len == 0) {
        if (r->in.is_ended)
            request_end_body(w, r);
        return;
    }
    size_t sent = request_send_body(w, r, r->in.bytes, r->in.len, r->in.is_ended);
    if (request_find(w, ref) && r->state == REQUEST_AWAITS_BODY)
        request_took_in(r, sent);
}

void request_fail(struct worker *w, struct request *r, enum job_error error, const char *text)
{
    if (text)
        worker_log(w, r->id, "error", text, strlen(text));
    bool may_linger = error == JOB_ERROR_EXCEPTION || error == JOB_ERROR_NO_RESPONSE ||
                      error == JOB_ERROR_NOT_RESPONSE;
    if (r->state == REQUEST_AWAITS_PROMISES) {
        done(w, r); /* it has been answered */
    } else if (r->holds == 0 || !may_linger) {
        say_last(w, r, JOB_ERROR, error);
    } else {
        struct job_slot slot = message(r, JOB_ERROR);
        slot.arg = error;
        slot.arg2 = request_cpu_ns(w, r) / 1000;
        slot.flags = JOB_F_LINGERS;
        lane_send(r->lane, &slot);
        linger(w, r);
    }
}

void requests_fail(struct worker *w, enum job_error error, const char *text)
{
    while (w->isolate->requests)
        request_fail(w, w->isolate->requests, error, text);
}

void request_leave(struct worker *w, struct request *r)
{
    r->is_gone = true;
    if (r->state != REQUEST_AWAITS_PROMISES) /* else its answer crossed the message */
        linger(w, r);
}

void request_abandon(struct worker *w, struct request *r)
{
    assert(r->state == REQUEST_AWAITS_PROMISES);
    done(w, r);
}

void request_hold(struct request *r)
{
    r->holds++;
}

void request_release(struct worker *w, struct request *r)
{
    assert(r->holds > 0);
    r->holds--;
    request_review(w, r);
}

void request_review(struct worker *w, struct request *r)
{
    if (r->holds == 0 && r->state == REQUEST_AWAITS_PROMISES)
        done(w, r);
}

bool request_retry(struct worker *w, struct request *r)
{
    if (r->out_head) {
        bool is_end = r->out_ended;
        return send_waiting_head(w, r) && !is_end && r->out_waits;
    }
    return r->out_waits && lane_room(r->lane, 1);
}
