/* link_rig.h
 *
 * A runtime_link and, in the same process, the other end of its region: the test plays the runtime
 * process and may lie. An owner model checks what the link promises: events only for jobs that are
 * live, a head before data, nothing after an end.
 */
#ifndef HEARTH_TEST_LINK_RIG_H
#define HEARTH_TEST_LINK_RIG_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/call/runtime_link.h"
#include "dataplane/call/sub.h"
#include "dataplane/world/world.h"

enum { RIG_OWNERS = 8, RIG_SUBS = 8, RIG_NOW_NS = 1000000 };

struct rig_owner {
    struct job_ref ref;
    bool is_live, has_head, lingers, is_cancelled;
    int dones, spans;
    int heads, datas, ends, errors, losts, credits;
    bool is_suspect;
    size_t body_bytes, head_bytes;
    uint64_t cold_us;
    enum job_error error;
    char body[256];
};

struct rig_sub {
    bool is_live, is_replied, has_ended;
    uint32_t slot, owner, binding;
    size_t head_bytes, body_bytes;
    int cancels, credits;
};

struct link_rig {
    struct runtime_link link;
    uint64_t now_ns; /* when rig_start starts */
    struct counters counters;
    void *region;
    size_t region_bytes;
    _Atomic uint32_t condemned;
    struct world_runtime runtime;
    struct rig_owner owner[RIG_OWNERS];
    struct rig_sub sub[RIG_SUBS];
    /* the runtime's end */
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    struct arena_peer arena_down;
};

static struct rig_owner *rig_live(struct link_rig *r, uint32_t owner)
{
    assert(owner < RIG_OWNERS && r->owner[owner].is_live);
    return &r->owner[owner];
}

static void rig_body(struct rig_owner *o, const struct answer_body *body)
{
    for (uint32_t i = 0; i < body->views; i++) {
        /* Every byte must be readable. */
        volatile unsigned sum = 0;
        for (size_t at = 0; at < body->view[i].len; at++)
            sum += (unsigned char)body->view[i].p[at];
        size_t room =
            sizeof(o->body) - (o->body_bytes < sizeof(o->body) ? o->body_bytes : sizeof(o->body));
        memcpy(o->body + sizeof(o->body) - room, body->view[i].p,
               body->view[i].len < room ? body->view[i].len : room);
        o->body_bytes += body->view[i].len;
    }
}

/* The answer is complete; a job that lingers is still the owner's. */
static void rig_answered(struct link_rig *r, struct rig_owner *o)
{
    o->ends++;
    o->lingers = runtime_link_lingers(&r->link, o->ref);
    if (!o->lingers) {
        o->is_live = false;
        o->ref = (struct job_ref){0};
    }
}

static void rig_end(struct rig_owner *o)
{
    o->is_live = false;
    o->ref = (struct job_ref){0};
}

static void rig_on_head(void *arg, uint32_t owner, const struct answer_head *head)
{
    struct rig_owner *o = rig_live(arg, owner);
    assert(!o->has_head && !o->lingers && !o->is_cancelled && head->len > 0 &&
           head->len <= JOB_HEAD_BYTES_MAX);
    volatile unsigned sum = 0;
    for (size_t i = 0; i < head->len; i++)
        sum += head->bytes[i];
    o->has_head = true;
    o->heads++;
    o->head_bytes = head->len;
    o->cold_us = head->cold_us;
    rig_body(o, &head->body);
    if (head->body.is_end)
        rig_answered(arg, o);
}

static void rig_on_data(void *arg, uint32_t owner, const struct answer_body *body)
{
    struct rig_owner *o = rig_live(arg, owner);
    assert(o->has_head && !o->lingers && !o->is_cancelled);
    o->datas++;
    rig_body(o, body);
    if (body->is_end)
        rig_answered(arg, o);
}

static void rig_on_error(void *arg, uint32_t owner, enum job_error error)
{
    struct rig_owner *o = rig_live(arg, owner);
    assert(error > JOB_ERROR_NONE && error < JOB_ERROR_KINDS);
    bool was_lingering = o->lingers;
    assert(!o->is_cancelled);
    o->errors++;
    o->error = error;
    o->lingers = !was_lingering && runtime_link_lingers(&((struct link_rig *)arg)->link, o->ref);
    if (!o->lingers)
        rig_end(o);
}

static void rig_on_credit(void *arg, uint32_t owner)
{
    struct rig_owner *o = rig_live(arg, owner);
    assert(!o->is_cancelled);
    o->credits++;
}

static void rig_on_lost(void *arg, uint32_t owner, bool is_suspect)
{
    struct rig_owner *o = rig_live(arg, owner);
    o->losts++;
    o->is_suspect = is_suspect;
    rig_end(o);
}

static void rig_on_done(void *arg, uint32_t owner)
{
    struct rig_owner *o = rig_live(arg, owner);
    assert(o->lingers || o->is_cancelled);
    o->dones++;
    rig_end(o);
}

static void rig_on_span(void *arg, uint32_t owner, const uint32_t phase_us[JOB_PHASES])
{
    rig_live(arg, owner)->spans++;
}

static struct rig_sub *rig_live_sub(void *arg, uint32_t sub)
{
    struct link_rig *r = arg;
    assert(sub < RIG_SUBS && r->sub[sub].is_live);
    return &r->sub[sub];
}

static uint32_t rig_on_sub(void *arg, uint32_t owner, uint32_t link, uint32_t slot,
                           uint32_t binding, const uint8_t *head, size_t head_bytes, bool has_body)
{
    struct link_rig *r = arg;
    rig_live(arg, owner);
    assert(link == 3 && slot < JOB_SUBS_MAX && binding < JOB_BINDINGS_MAX && head_bytes > 0);
    for (uint32_t i = 0; i < RIG_SUBS; i++) {
        if (r->sub[i].is_live)
            continue;
        r->sub[i] = (struct rig_sub){.is_live = true,
                                     .slot = slot,
                                     .owner = owner,
                                     .binding = binding,
                                     .head_bytes = head_bytes,
                                     .has_ended = !has_body};
        return i;
    }
    runtime_link_reply_error(&r->link, slot, JOB_ERROR_REFUSED);
    return SUB_NONE;
}

static void rig_on_sub_body(void *arg, uint32_t sub, const struct head_view *body, uint32_t views,
                            bool is_end)
{
    struct rig_sub *s = rig_live_sub(arg, sub);
    assert(!s->has_ended);
    for (uint32_t i = 0; i < views; i++)
        s->body_bytes += body[i].len;
    s->has_ended = is_end;
}

static void rig_on_sub_cancel(void *arg, uint32_t sub)
{
    struct rig_sub *s = rig_live_sub(arg, sub);
    s->cancels++;
    s->is_live = false;
}

static void rig_on_sub_credit(void *arg, uint32_t sub)
{
    rig_live_sub(arg, sub)->credits++;
}

static const struct runtime_sub_events rig_sub_events = {.started = rig_on_sub,
                                                         .body = rig_on_sub_body,
                                                         .cancelled = rig_on_sub_cancel,
                                                         .credit = rig_on_sub_credit};
static const struct runtime_link_events rig_events = {.done = rig_on_done,
                                                      .span = rig_on_span,
                                                      .head = rig_on_head,
                                                      .data = rig_on_data,
                                                      .error = rig_on_error,
                                                      .credit = rig_on_credit,
                                                      .lost = rig_on_lost};

/* A new life of the runtime: fresh region, fresh ends. */
static void rig_attach(struct link_rig *r)
{
    struct job_lane_shared *lane = job_region_lane(r->region, 0);
    memset(r->region, 0, sizeof(struct job_region_header));
    memset(lane, 0, offsetof(struct job_lane_shared, arena_down));
    memset(&lane->arena_down, 0,
           offsetof(struct arena_shared, chunk)); /* not the chunks: 8 MiB each */
    memset(&lane->arena_up, 0, offsetof(struct arena_shared, chunk));
    job_region_format(r->region, 1);
    job_consumer_init(&r->down, &lane->down);
    job_producer_init(&r->up, &lane->up);
    arena_owner_init(&r->arena_up, &lane->arena_up);
    arena_peer_init(&r->arena_down, &lane->arena_down);
    r->runtime.region = r->region;
    r->runtime.life++;
    atomic_store(&r->condemned, 0);
    runtime_link_follow(&r->link, &r->runtime);
}

static inline void rig_detach(struct link_rig *r)
{
    r->runtime.region = NULL;
    r->runtime.life++;
    runtime_link_follow(&r->link, &r->runtime);
}

static struct link_rig *rig_create(uint32_t jobs_max)
{
    struct link_rig *r = calloc(1, sizeof(*r));
    r->now_ns = RIG_NOW_NS;
    r->region_bytes = job_region_bytes(1);
    r->region = aligned_alloc(4096, r->region_bytes);
    memset(r->region, 0, r->region_bytes);
    r->runtime.wake_fd = eventfd(0, EFD_NONBLOCK);
    r->runtime.condemned = &r->condemned;
    runtime_link_init(&r->link, 3, 0, jobs_max, &r->counters, r, &rig_events, &rig_sub_events);
    rig_attach(r);
    return r;
}

static void rig_destroy(struct link_rig *r)
{
    close(r->runtime.wake_fd);
    free(r->region);
    free(r);
}

/* The client leaves. It is live until `done`. */
static inline void rig_cancel(struct link_rig *r, uint32_t owner)
{
    struct rig_owner *o = rig_live(r, owner);
    if (!o->lingers)
        o->is_cancelled = true;
    runtime_link_cancel(&r->link, o->ref);
}

static enum job_start_result rig_start_script(struct link_rig *r, uint32_t owner, uint64_t handle,
                                              bool has_body)
{
    static const uint8_t head[] = "an encoded head";
    struct rig_owner *o = &r->owner[owner];
    enum job_start_result result = runtime_link_start(&r->link, owner, handle, 1000 + owner, head,
                                                      sizeof(head), has_body, r->now_ns, &o->ref);
    if (result == JOB_STARTED) {
        struct job_ref ref = o->ref;
        *o = (struct rig_owner){.is_live = true, .ref = ref};
    }
    return result;
}

static enum job_start_result rig_start(struct link_rig *r, uint32_t owner, bool has_body)
{
    return rig_start_script(r, owner, 77, has_body);
}

#endif
