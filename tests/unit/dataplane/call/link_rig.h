/* link_rig.h
 *
 * A job_link and, in the same process, the other end of its region: the test plays the runtime
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

#include "dataplane/call/job_link.h"
#include "dataplane/call/sub.h"

enum { RIG_OWNERS = 8, RIG_SUBS = 8, RIG_NOW_NS = 1000000 };

struct rig_owner {
    struct job_ref ref;
    bool is_live, has_head, lingers, is_cancelled;
    int dones, spans;
    int heads, datas, ends, errors, losts, credits;
    enum job_error suspected_of;
    size_t body_bytes, head_bytes;
    uint64_t head_hash, body_hash;
    uint64_t cold_us, cpu_us;
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
    struct job_link link;
    struct job_link_env env;
    void *table;
    uint8_t head_copy[JOB_HEAD_BYTES_MAX];
    int warmeds, spents, toucheds;
    uint64_t warmed_script, warmed_us;
    uint64_t now_ns; /* when rig_start starts */
    struct counters counters;
    void *region;
    size_t region_bytes;
    const struct job_geometry *geometry;
    struct job_lane lane; /* lane 0 of it */
    _Atomic uint32_t condemned;
    int wake_fd;
    struct rig_owner owner[RIG_OWNERS];
    struct rig_sub sub[RIG_SUBS];
    /* the runtime's end */
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    uint16_t arena_lists[ARENA_CHUNKS_MAX * 3 / 2];
    struct arena_peer arena_down;
};

static struct rig_owner *rig_live(struct link_rig *r, uint32_t owner)
{
    assert(owner < RIG_OWNERS && r->owner[owner].is_live);
    return &r->owner[owner];
}

/* Of bytes in their order, of which `hash` were before (FNV-1a). It reads every one of them. */
static uint64_t rig_hash(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
    return hash;
}

static void rig_body(struct rig_owner *o, const struct answer_body *body)
{
    for (uint32_t i = 0; i < body->views; i++) {
        o->body_hash = rig_hash(o->body_hash, body->view[i].p, body->view[i].len);
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
    o->lingers = job_link_lingers(&r->link, o->ref);
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
    o->head_hash = rig_hash(0, head->bytes, head->len);
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
    assert(job_error_is_runtimes(error));
    bool was_lingering = o->lingers;
    assert(!o->is_cancelled);
    o->errors++;
    o->error = error;
    o->lingers = !was_lingering && job_link_lingers(&((struct link_rig *)arg)->link, o->ref);
    if (!o->lingers)
        rig_end(o);
}

static void rig_on_credit(void *arg, uint32_t owner)
{
    struct rig_owner *o = rig_live(arg, owner);
    assert(!o->is_cancelled);
    o->credits++;
}

static void rig_on_lost(void *arg, uint32_t owner, enum job_error suspected_of)
{
    struct rig_owner *o = rig_live(arg, owner);
    o->losts++;
    o->suspected_of = suspected_of;
    rig_end(o);
}

static void rig_on_ran(void *arg, uint32_t owner, uint64_t cpu_us)
{
    rig_live(arg, owner)->cpu_us = cpu_us;
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
    assert(link == 3 && slot < r->geometry->subs && binding <= JOB_BINDING_WORLD && head_bytes > 0);
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
    job_link_reply_error(&r->link, slot, JOB_ERROR_REFUSED);
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

static void rig_on_warmed(void *arg, uint32_t link, uint64_t script, uint32_t us)
{
    struct link_rig *r = arg;
    r->warmeds++;
    r->warmed_script = script;
    r->warmed_us = us;
}

static void rig_on_touched(void *arg, uint32_t link)
{
    struct link_rig *r = arg;
    assert(link == 3);
    r->toucheds++;
}

static void rig_on_spent(void *arg, uint32_t link)
{
    ((struct link_rig *)arg)->spents++;
}

static const struct runtime_sub_events rig_sub_events = {.started = rig_on_sub,
                                                         .body = rig_on_sub_body,
                                                         .cancelled = rig_on_sub_cancel,
                                                         .credit = rig_on_sub_credit};
static const struct job_link_events rig_events = {.warmed = rig_on_warmed,
                                                  .touched = rig_on_touched,
                                                  .done = rig_on_done,
                                                  .span = rig_on_span,
                                                  .head = rig_on_head,
                                                  .data = rig_on_data,
                                                  .error = rig_on_error,
                                                  .credit = rig_on_credit,
                                                  .ran = rig_on_ran,
                                                  .lost = rig_on_lost,
                                                  .spent = rig_on_spent};

/* A new life of the runtime: fresh region, fresh ends. */
static void rig_attach(struct link_rig *r)
{
    job_region_lane(r->region, r->geometry, 0, &r->lane);
    /* Up to the chunks, which are 16 MiB. */
    memset(r->region, 0, (size_t)(r->lane.arena_down.bytes - (uint8_t *)r->region));
    job_region_format(r->region, 1, r->geometry);
    job_consumer_init(&r->down, r->lane.down, r->geometry->slots);
    job_producer_init(&r->up, r->lane.up, r->geometry->slots);
    arena_owner_init(&r->arena_up, &r->lane.arena_up, r->arena_lists);
    arena_peer_init(&r->arena_down, &r->lane.arena_down);
    atomic_store(&r->condemned, 0);
    job_link_detach(&r->link, (struct job_blame){0});
    job_link_attach(&r->link, &(struct job_link_end){.region = r->region,
                                                     .geometry = *r->geometry,
                                                     .wake_fd = r->wake_fd,
                                                     .condemned = &r->condemned,
                                                     .table = r->table});
}

static inline void rig_detach(struct link_rig *r)
{
    job_link_detach(&r->link, (struct job_blame){0});
}

static struct link_rig *rig_create_of(uint32_t jobs_max, const struct job_geometry *geometry)
{
    struct link_rig *r = calloc(1, sizeof(*r));
    r->now_ns = RIG_NOW_NS;
    r->geometry = geometry;
    r->region_bytes = job_region_bytes(1, geometry);
    r->region = aligned_alloc(4096, r->region_bytes);
    memset(r->region, 0, r->region_bytes);
    r->wake_fd = eventfd(0, EFD_NONBLOCK);
    r->env = (struct job_link_env){.core = r,
                                   .counters = &r->counters,
                                   .events = &rig_events,
                                   .sub_events = &rig_sub_events,
                                   .head_copy = r->head_copy,
                                   .lane = 0,
                                   .jobs_max = jobs_max};
    r->table = malloc(job_link_table_bytes(geometry));
    job_link_init(&r->link, 3, &r->env);
    rig_attach(r);
    return r;
}

static inline struct link_rig *rig_create(uint32_t jobs_max)
{
    return rig_create_of(jobs_max, &job_geometry_large);
}

static inline void rig_destroy(struct link_rig *r)
{
    close(r->wake_fd);
    free(r->region);
    free(r->table);
    free(r);
}

/* The client leaves. It is live until `done`. */
static inline void rig_cancel(struct link_rig *r, uint32_t owner)
{
    struct rig_owner *o = rig_live(r, owner);
    if (!o->lingers)
        o->is_cancelled = true;
    job_link_cancel(&r->link, o->ref);
}

static inline enum job_start_result rig_start_script(struct link_rig *r, uint32_t owner,
                                                     uint64_t handle, bool has_body)
{
    static const uint8_t head[] = "an encoded head";
    struct rig_owner *o = &r->owner[owner];
    enum job_start_result result =
        job_link_start(&r->link, owner, handle, 1000 + owner, head, sizeof(head),
                       has_body ? 0 : JOB_F_END, r->now_ns, &o->ref);
    if (result == JOB_STARTED) {
        struct job_ref ref = o->ref;
        *o = (struct rig_owner){.is_live = true, .ref = ref};
    }
    return result;
}

static inline enum job_start_result rig_start(struct link_rig *r, uint32_t owner, bool has_body)
{
    return rig_start_script(r, owner, 77, has_body);
}

#endif
