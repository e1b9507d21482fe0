#include "runtime/worker/request.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"
#include "runtime/head.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/report.h"
#include "runtime/worker/script.h"
#include "runtime/worker/sub.h"
#include "runtime/worker/timer.h"
#include "runtime/worker/worker.h"

enum { REF_INDEX_BITS = 13 };
static_assert(REQUESTS_MAX <= 1 << REF_INDEX_BITS, "a ref holds the index");
static_assert(32 + REF_INDEX_BITS <= 53, "a ref is an exact double");

void request_pool_init(struct request_pool *p)
{
    *p = (struct request_pool){.requests = calloc(REQUESTS_MAX, sizeof(struct request))};
    assert(p->requests);
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
    struct request *r = &w->requests.requests[v & ((1u << REF_INDEX_BITS) - 1)];
    return r->state != REQUEST_FREE && r->serial == v >> REF_INDEX_BITS ? r : NULL;
}

/* Least of two limits, where 0 says nothing. */
static uint64_t least(uint64_t own, uint64_t told)
{
    return told && told < own ? told : own;
}

static void set_limits(struct request *r, const struct script_limits *own)
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
    r->cpu_limit_ns = least(own->cpu_ns, told.cpu_ms * 1000000ull);
    r->wall_limit_ns = least(own->wall_ns, told.wall_ms * 1000000ull);
    r->subrequest_limit = (uint32_t)least(own->subrequests, told.subrequests);
}

struct request *request_start(struct worker *w, struct lane *l, const struct job_slot *slot,
                              const struct script_limits *limits)
{
    struct request_pool *p = &w->requests;
    struct request *r = p->free;
    assert(slot->job < JOB_JOBS_MAX && slot->bytes <= JOB_HEAD_BYTES_MAX);
    if (r)
        p->free = r->next;
    else if (p->made < REQUESTS_MAX)
        r = &p->requests[p->made++];
    else
        return NULL;
    p->count++;

    uint32_t serial = r->serial + 1;
    memset(r, 0, offsetof(struct request, inline_head));
    r->serial = serial ? serial : 1;
    r->index = (uint32_t)(r - p->requests);
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
    set_limits(r, limits);
    l->by_slot[slot->job] = r;
    return r;
}

void request_attach(struct request *r, struct isolate *i)
{
    r->isolate = i;
    r->prev = NULL;
    r->next = i->requests;
    if (r->next)
        r->next->prev = r;
    i->requests = r;
    warm_pool_pin(&i->worker->pool, &i->warm);
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

static struct job_slot message(const struct request *r, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type, .job = r->slot, .generation = r->generation};
}

static void forget(struct worker *w, struct request *r)
{
    struct isolate *i = r->isolate;
    if (r->in_waits || r->out_streams)
        isolate_forget_later(i, WEB_FORGET, request_ref(r));
    request_set_in_waits(r, false);
    request_set_out_waits(r, false);
    while (r->timers) {
        isolate_forget_later(i, WEB_FORGET_TIMER, (double)timer_id(&w->timers, r->timers));
        timer_remove(&w->timers, r->timers);
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
    warm_pool_unpin(&w->pool, &i->warm);
}

static void over(struct worker *w, struct request *r)
{
    r->in.is_ended = true; /* no credit any more */
    if (r->isolate)
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
    r->next = w->requests.free;
    w->requests.free = r;
    w->requests.count--;
}

/* Its last message. Its sub-requests are not to outlive it, so they are cancelled first. */
static void say_last(struct worker *w, struct request *r, enum job_type type, enum job_error error)
{
    struct job_slot slot = message(r, type);
    struct lane *l = r->lane;
    slot.arg = error;
    over(w, r);
    lane_send(l, &slot);
}

/* One that lingered is through. */
static void done(struct worker *w, struct request *r)
{
    say_last(w, r, JOB_DONE, JOB_ERROR_NONE);
}

/* What the last message of the response says. */
static uint8_t end_flags(const struct request *r)
{
    return r->holds ? JOB_F_END | JOB_F_LINGERS : JOB_F_END;
}

/* The response is complete. */
static void answered(struct worker *w, struct request *r)
{
    r->answered_ns = w->now_ns;
    if (r->holds == 0) {
        over(w, r);
        return;
    }
    r->state = REQUEST_AWAITS_PROMISES;
    if (r->relayed)
        sub_close(w, r->relayed);
    /* Nothing more comes; a read that waits is told so by forget. */
    r->in.is_ended = r->in.is_unwanted = true;
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
    give_credit(r, intake_put(&r->in, r->lane, slot));
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

static uint32_t chunks_for(size_t bytes)
{
    return (uint32_t)((bytes + JOB_CHUNK_BYTES - 1) / JOB_CHUNK_BYTES);
}

void request_send_head(struct worker *w, struct request *r, const uint8_t *head, size_t len,
                       bool is_end)
{
    assert(r->state == REQUEST_AWAITS_HEAD);
    r->state = REQUEST_AWAITS_BODY;
    if (!lane_room(r->lane, chunks_for(len))) {
        r->out_head = malloc(len);
        assert(r->out_head);
        memcpy(r->out_head, head, len);
        r->out_head_bytes = len;
        r->out_ended = is_end;
        request_set_out_waits(r, true);
        request_stall(w, r);
        return;
    }
    struct job_slot slot = message(r, JOB_HEAD);
    slot.arg = r->cold_us;
    slot.flags = is_end ? end_flags(r) : 0;
    lane_send_bytes(r->lane, &slot, head, len);
    if (is_end)
        answered(w, r);
}

size_t request_send_body(struct worker *w, struct request *r, const uint8_t *bytes, size_t len,
                         bool is_end)
{
    size_t sent = 0;
    assert(r->state == REQUEST_AWAITS_BODY);
    if (r->out_head)
        return 0; /* it is on the stalled list already */
    do {
        size_t n = len - sent;
        if (n > r->out_credit)
            n = r->out_credit;
        if (n > JOB_HEAD_BYTES_MAX)
            n = JOB_HEAD_BYTES_MAX;
        if (n == 0 && sent < len)
            return sent; /* no credit: CREDIT will tell */
        if (!lane_room(r->lane, chunks_for(n))) {
            request_stall(w, r);
            return sent;
        }
        struct job_slot slot = message(r, JOB_DATA);
        slot.flags = is_end && sent + n == len ? end_flags(r) : 0;
        lane_send_bytes(r->lane, &slot, bytes + sent, n);
        sent += n;
        r->out_credit -= n;
        r->out_total += n;
    } while (sent < len);
    if (is_end)
        answered(w, r);
    else if (r->out_total > REQUEST_OUTPUT_BYTES_MAX)
        request_fail(w, r, JOB_ERROR_OUTPUT_LIMIT, "the response body is over the limit");
    return sent;
}

void request_end_body(struct worker *w, struct request *r)
{
    assert(r->state == REQUEST_AWAITS_BODY);
    if (r->out_head) {
        r->out_ended = true; /* the head will be all there is */
        return;
    }
    struct job_slot slot = message(r, JOB_DATA);
    slot.flags = end_flags(r);
    lane_send(r->lane, &slot);
    answered(w, r);
}

void request_relay(struct worker *w, struct request *r)
{
    double ref = request_ref(r);
    r->relays = true;
    request_set_in_waits(r, true); /* it is not stuck */
    if (r->out_head)
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
        report_log(w, r->isolate ? r->isolate->script->handle : 0, r->id, "error", text,
                   strlen(text));
    if (r->state == REQUEST_AWAITS_PROMISES)
        done(w, r); /* it has been answered */
    else
        say_last(w, r, JOB_ERROR, error);
}

void request_cancel(struct worker *w, struct request *r)
{
    over(w, r);
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
    if (--r->holds == 0 && r->state == REQUEST_AWAITS_PROMISES)
        done(w, r);
}

bool request_retry(struct worker *w, struct request *r)
{
    if (r->out_head) {
        if (!lane_room(r->lane, chunks_for(r->out_head_bytes)))
            return false;
        uint8_t *head = r->out_head;
        r->out_head = NULL;
        r->state = REQUEST_AWAITS_HEAD;
        bool is_end = r->out_ended;
        request_send_head(w, r, head, r->out_head_bytes, is_end);
        free(head);
        return !is_end && r->out_waits;
    }
    return r->out_waits && lane_room(r->lane, 1);
}
