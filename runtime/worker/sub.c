#include "runtime/worker/sub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/request.h"
#include "runtime/worker/worker.h"

/* A ref: generation, lane, index. */
enum { REF_INDEX_BITS = 12, REF_LANE_BITS = 7, REF_LOW_BITS = REF_INDEX_BITS + REF_LANE_BITS };
static_assert(JOB_SUBS_MAX <= 1 << REF_INDEX_BITS, "a ref holds the index");
static_assert(WORKER_LANES_MAX <= 1 << REF_LANE_BITS, "a ref holds the lane");
static_assert(32 + REF_LOW_BITS <= 53, "a ref is an exact double");

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
    [JOB_ERROR_ACCOUNT_MEMORY] = "the called script's account has no memory for it",
    [JOB_ERROR_FORBIDDEN] = "the called script is another account's, and does not list this one in "
                            "its allow_callers",
    [JOB_ERROR_WORLD_OFF] = "this node lets no requests out",
    [JOB_ERROR_WORLD_URL] = "the URL is not one that can be fetched",
    [JOB_ERROR_WORLD_PORT] = "no request may go to that port",
    [JOB_ERROR_WORLD_FORBIDDEN] = "scripts may not reach that address",
    [JOB_ERROR_WORLD_BUSY] = "too many requests to the world are under way",
    [JOB_ERROR_WORLD_NAME] = "the name has no address",
    [JOB_ERROR_WORLD_CONNECT] = "there is no connection to the server, or it was lost",
    [JOB_ERROR_WORLD_TLS] = "the server's certificate is not for that name or not trusted, or its "
                            "TLS is not ours",
    [JOB_ERROR_WORLD_ANSWER] = "the server's answer is not HTTP/1.1, or was cut off",
    [JOB_ERROR_WORLD_TIMEOUT] = "the server took too long",
    [JOB_ERROR_WORLD_BODY] = "the request's body is not as long as its content-length says",
};
static_assert(sizeof(sentences) / sizeof(*sentences) == JOB_ERROR_KINDS, "a sentence for each");
static_assert(CONTEXT_DEPTH_MAX == 16, "a sentence says so");

const char *sub_sentence(enum job_error error)
{
    return sentences[error];
}

void subs_init(struct lane *l)
{
    slab_init(&l->subs, sizeof(struct sub), l->subs_max);
}

double sub_ref(const struct sub *s)
{
    return (double)((uint64_t)s->generation << REF_LOW_BITS |
                    (uint64_t)s->lane->place << REF_INDEX_BITS | s->index);
}

struct sub *sub_find(struct worker *w, double ref)
{
    if (!(ref >= 1 && ref < 0x1p53))
        return NULL;
    uint64_t v = (uint64_t)ref;
    uint32_t lane = (uint32_t)(v >> REF_INDEX_BITS) & ((1u << REF_LANE_BITS) - 1);
    if (lane >= w->lane_count)
        return NULL;
    struct sub *s = slab_at(&w->lane[lane]->subs, v & ((1u << REF_INDEX_BITS) - 1));
    return s && s->state != SUB_FREE && s->generation == v >> REF_LOW_BITS ? s : NULL;
}

static struct job_slot message(const struct sub *s, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type,
                             .arg = (uint64_t)s->generation << 32 | s->index};
}

void sub_count_waits(struct sub *s)
{
    uint32_t waits = (s->state == SUB_AWAITS_REPLY) + s->in_waits + s->out_waits;
    s->parent->isolate->waits += waits - s->waits;
    s->waits = waits;
}

bool sub_is_hearthds(const struct sub *s)
{
    return s->state == SUB_AWAITS_REPLY || s->state == SUB_AWAITS_BODY;
}

/* ---- start and end ---- */

static struct sub *take_free(struct lane *l)
{
    struct sub *s = l->free_subs;
    uint32_t index;
    if (s) {
        l->free_subs = s->next;
        index = s->index;
    } else if (!(s = slab_more(&l->subs, &index))) {
        return NULL;
    }
    uint32_t generation = s->generation + 1;
    *s = (struct sub){.state = SUB_AWAITS_REPLY,
                      .index = index,
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

static void send_head(struct worker *w, struct sub *s, const uint8_t *head, size_t len)
{
    struct job_slot slot = message(s, JOB_SUB);
    slot.job = s->parent->slot;
    slot.generation = s->parent->generation;
    uint64_t cpu_us = request_cpu_ns(w, s->parent) / 1000;
    slot.arg2 = (cpu_us < UINT32_MAX ? cpu_us : UINT32_MAX) << 32 | s->binding;
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
    sub_count_waits(s);
    if (lane_room(s->lane, arena_chunks_for(head_bytes))) {
        send_head(w, s, head, head_bytes);
        return s;
    }
    s->out_head = malloc(head_bytes);
    assert(s->out_head);
    memcpy(s->out_head, head, head_bytes);
    s->out_head_bytes = head_bytes;
    stall(w, s);
    return s;
}

void sub_stop_feeding(struct sub *s)
{
    struct request *r = s->parent;
    s->is_fed = false;
    r->feeds = NULL;
    request_set_in_waits(r, false);
}

void sub_close(struct worker *w, struct sub *s)
{
    struct request *r = s->parent;
    if (sub_is_hearthds(s) && !s->out_head) {
        struct job_slot slot = message(s, JOB_SUB_CANCEL);
        lane_send(s->lane, &slot);
    }
    if (s->is_fed) {
        sub_stop_feeding(s);
        request_discard_in(r);
    }
    if (s->answers)
        r->relayed = NULL;
    s->in_waits = s->out_waits = false;
    s->state = SUB_FREE;
    sub_count_waits(s);
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
    s->next = s->lane->free_subs;
    s->lane->free_subs = s;
}

/* ---- the request's body ---- */

/* JavaScript is told later, or feeding goes on by itself. */
static void wait_to_send(struct sub *s)
{
    s->out_waits = !s->is_fed;
    sub_count_waits(s);
}

size_t sub_send_body(struct worker *w, struct sub *s, const uint8_t *bytes, size_t len, bool is_end)
{
    size_t sent = 0;
    assert(sub_is_hearthds(s) && !s->out_ended);
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
        sub_stop_feeding(s);
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
    sub_count_waits(s);
}

void sub_put_in(struct sub *s, const struct job_slot *slot)
{
    uint8_t *to = intake_room(&s->in, slot->bytes);
    if (to)
        lane_copy(s->lane, slot, to);
    give_credit(s, intake_put(&s->in, slot->bytes, slot->flags & JOB_F_END));
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

bool sub_retry(struct worker *w, struct sub *s)
{
    uint32_t chunks = s->out_head ? arena_chunks_for(s->out_head_bytes) : 1;
    assert(w->stalled_subs == s);
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
        send_head(w, s, s->out_head, s->out_head_bytes);
        free(s->out_head);
        s->out_head = NULL;
    }
    return true;
}
