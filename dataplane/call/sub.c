#include "dataplane/call/sub.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/memory.h"
#include "dataplane/base/mutant.h"
#include "dataplane/base/slice.h"
#include "dataplane/call/call_state.h"
#include "dataplane/call/cells.h"
#include "dataplane/core_state.h"
#include "dataplane/egress/fetch.h"
#include "dataplane/http/http1.h"
#include "dataplane/http/reserved.h"
#include "dataplane/world/world.h"
#include "runtime/context.h"
#include "runtime/head.h"

enum { RETRY_NS = 1000 * 1000 };

struct sub {
    uint32_t index, next_free;
    uint32_t parent;      /* its call */
    uint32_t next, prev;  /* of the parent's */
    struct age_link wait; /* for room, until try_at_ns */
    uint64_t try_at_ns;
    uint32_t link, slot;    /* the runtime's name for it */
    struct call_ref call;   /* what it is: a call, */
    struct fetch_ref fetch; /* or a request to the world; neither: it is answered */
    bool is_live, is_replied, in_ended, is_ended;
    uint8_t error;       /* enum job_error that found no room yet; 0: none */
    uint32_t credit_due; /* of the sub's body: to be given back */
    uint32_t head_bytes; /* the first of out: the reply's head, until it has gone */
    struct byte_queue in, out;
};

struct subs {
    uint32_t count, live, first_free;
    struct age_list waiting; /* all for as long, so the oldest is the next */
    uint8_t piece[JOB_HEAD_BYTES_MAX];
    struct sub sub[];
};

size_t subs_bytes(uint32_t count)
{
    return sizeof(struct subs) + count * sizeof(struct sub);
}

struct subs *subs_init(void *memory, uint32_t count)
{
    struct subs *t = memory;
    t->count = count;
    t->live = 0;
    t->waiting = (struct age_list){0};
    t->first_free = SUB_NONE;
    for (uint32_t i = count; i-- > 0;) {
        t->sub[i] = (struct sub){.index = i, .next_free = t->first_free};
        t->first_free = i;
    }
    return t;
}

uint32_t subs_live(const struct subs *t)
{
    return t->live;
}

static struct sub *sub_at(struct core *core, uint32_t index)
{
    assert(index < core->subs->count && core->subs->sub[index].is_live);
    return &core->subs->sub[index];
}

static struct job_link *link_of(struct core *core, const struct sub *s)
{
    return cells_at(core, s->link);
}

/* ---- what it is: a call, or a request to the world ---- */

static bool is_answered(const struct sub *s)
{
    return s->call.generation == 0 && s->fetch.generation == 0;
}

static void be_answered(struct sub *s)
{
    s->call = (struct call_ref){0};
    s->fetch = (struct fetch_ref){0};
}

static void cancel(struct core *core, struct sub *s)
{
    call_cancel(core, s->call);
    fetch_cancel(core, s->fetch);
    be_answered(s);
}

static void give_credit(struct core *core, struct sub *s)
{
    call_credit(core, s->call, 0);
    fetch_credit(core, s->fetch);
}

static size_t body_room(struct core *core, const struct sub *s)
{
    return s->fetch.generation ? fetch_body_room(core, s->fetch) : call_body_room(core, s->call);
}

static void give_body(struct core *core, struct sub *s, const uint8_t *bytes, size_t len,
                      bool is_end)
{
    if (s->fetch.generation)
        fetch_body(core, s->fetch, bytes, len, is_end);
    else
        call_body(core, s->call, bytes, len, is_end);
}

/* Rings and arenas do not say when there is room again. */
static void retry(struct core *core, struct sub *s)
{
    if (age_is_in(&s->wait))
        return;
    s->try_at_ns = core->now_ns + RETRY_NS;
    age_add(&core->subs->waiting, &s->wait);
}

static struct sub *take_sub(struct core *core, struct call *parent)
{
    struct subs *t = core->subs;
    if (t->first_free == SUB_NONE)
        return NULL;
    struct sub *s = &t->sub[t->first_free];
    t->first_free = s->next_free;
    t->live++;
    *s = (struct sub){.index = s->index,
                      .is_live = true,
                      .parent = parent->index,
                      .next = parent->first_sub,
                      .prev = SUB_NONE};
    if (s->next != SUB_NONE)
        t->sub[s->next].prev = s->index;
    parent->first_sub = s->index;
    return s;
}

static void free_sub(struct core *core, struct sub *s)
{
    struct subs *t = core->subs;
    age_remove(&s->wait);
    byte_queue_fini(&s->in, &core->chunks);
    byte_queue_fini(&s->out, &core->chunks);
    if (s->next != SUB_NONE)
        t->sub[s->next].prev = s->prev;
    if (s->prev != SUB_NONE)
        t->sub[s->prev].next = s->next;
    else
        call_at(core, s->parent)->first_sub = s->next;
    *s = (struct sub){.index = s->index, .next_free = t->first_free};
    t->first_free = s->index;
    t->live--;
}

void subs_drop(struct core *core, struct call *parent)
{
    while (parent->first_sub != SUB_NONE) {
        struct sub *s = sub_at(core, parent->first_sub);
        job_link_forget_sub(link_of(core, s), s->slot);
        if (!MUTANT(SUB_RUNS_ON))
            cancel(core, s);
        free_sub(core, s);
    }
}

/* ---- the reply ---- */

/* Waiting reply bytes while there is room. s may be gone afterwards. */
static void write_reply(struct core *core, struct sub *s)
{
    struct subs *t = core->subs;
    struct job_link *link = link_of(core, s);
    if (s->error) {
        if (job_link_reply_error(link, s->slot, (enum job_error)s->error))
            free_sub(core, s);
        else
            retry(core, s);
        return;
    }
    if (s->head_bytes > 0) {
        uint32_t bytes = s->head_bytes;
        bool is_end = s->is_ended && s->out.bytes == bytes;
        byte_queue_copy(&s->out, 0, t->piece, bytes);
        if (!job_link_reply(link, s->slot, t->piece, bytes, is_end)) {
            retry(core, s);
            return;
        }
        byte_queue_consume(&s->out, &core->chunks, bytes);
        s->head_bytes = 0;
        if (is_end) {
            free_sub(core, s);
            return;
        }
    }
    while (s->is_replied && (s->out.bytes > 0 || s->is_ended)) {
        size_t room = job_link_reply_room(link, s->slot),
               len = s->out.bytes < room ? s->out.bytes : room;
        bool is_last = s->is_ended && len == s->out.bytes;
        if (len > 0)
            byte_queue_copy(&s->out, 0, t->piece, len);
        if ((len == 0 && !is_last) || !job_link_reply_data(link, s->slot, t->piece, len, is_last)) {
            if (job_link_reply_credit(link, s->slot) > 0 || is_last)
                retry(core, s);           /* not the script's credit: the region's room */
            fetch_credit(core, s->fetch); /* there is room behind what waits */
            return;
        }
        byte_queue_consume(&s->out, &core->chunks, (uint32_t)len);
        if (is_last) {
            free_sub(core, s);
            return;
        }
    }
    give_credit(core, s);
}

static void refuse(struct core *core, struct sub *s, enum job_error error)
{
    be_answered(s);
    s->error = (uint8_t)error;
    byte_queue_fini(&s->in, &core->chunks);
    byte_queue_fini(&s->out, &core->chunks);
    write_reply(core, s);
}

/* Its floor holds all that is granted (memory.h). */
static void queue(struct core *core, struct byte_queue *q, const void *bytes, size_t len)
{
    size_t taken = byte_queue_append(q, &core->chunks, bytes, len);
    assert(taken == len);
}

static void take_body(struct core *core, struct sub *s, const struct answer_body *body)
{
    for (uint32_t i = 0; i < body->views; i++)
        queue(core, &s->out, body->view[i].p, body->view[i].len);
    s->is_ended = body->is_end;
    write_reply(core, s);
}

static void on_head(void *arg, uint32_t owner, const struct answer_head *head)
{
    struct core *core = arg;
    struct sub *s = sub_at(core, owner);
    struct head_reader r;
    struct head_field f;
    if (head->body.is_end)
        be_answered(s);
    s->is_replied = true;
    head_read_response(&r, head->bytes, head->len);
    while (head_read_field(&r, &f))
        ;
    if (!head_read_end(&r)) { /* another runtime's word: it does not reach this one unread */
        core->counters.job_bad_head++;
        cancel(core, s);
        refuse(core, s, JOB_ERROR_EXCEPTION);
        return;
    }
    queue(core, &s->out, head->bytes, head->len);
    s->head_bytes = (uint32_t)head->len;
    take_body(core, s, &head->body);
}

static void on_data(void *arg, uint32_t owner, const struct answer_body *body)
{
    struct core *core = arg;
    struct sub *s = sub_at(core, owner);
    if (body->is_end)
        be_answered(s);
    take_body(core, s, body);
}

static const struct call_events sub_events;

/* What was called died, perhaps of itself, or broke a limit: whoever waits for it would call it
 * again, and is not run again either. */
static void mark_callers(struct core *core, const struct sub *s)
{
    for (;;) {
        struct call *parent = call_at(core, s->parent);
        parent->has_suspect = true;
        if (parent->events != &sub_events)
            return;
        s = sub_at(core, parent->owner);
    }
}

static void on_error(void *arg, uint32_t owner, uint32_t error)
{
    struct core *core = arg;
    struct sub *s = sub_at(core, owner);
    enum job_error told = call_job_error(error);
    if (told == JOB_ERROR_LOST || told == JOB_ERROR_CPU_LIMIT || told == JOB_ERROR_MEMORY_LIMIT)
        mark_callers(core, s);
    refuse(core, s, told);
}

/* ---- the request's body ---- */

static void give_back_credit(struct core *core, struct sub *s)
{
    if (s->credit_due == 0)
        return;
    if (job_link_sub_credit(link_of(core, s), s->slot, s->credit_due))
        s->credit_due = 0;
    else
        retry(core, s);
}

static void write_body(struct core *core, struct sub *s)
{
    struct subs *t = core->subs;
    while (s->in.bytes > 0) {
        size_t room = body_room(core, s), len = s->in.bytes < room ? s->in.bytes : room;
        if (len == 0)
            break;
        if (len > sizeof(t->piece))
            len = sizeof(t->piece);
        byte_queue_copy(&s->in, 0, t->piece, len);
        byte_queue_consume(&s->in, &core->chunks, (uint32_t)len);
        s->credit_due += (uint32_t)len;
        give_body(core, s, t->piece, len, s->in_ended && s->in.bytes == 0);
        if (is_answered(s))
            return;
    }
    if (s->in_ended && s->in.bytes == 0)
        byte_queue_fini(&s->in, &core->chunks);
    give_back_credit(core, s);
}

static void on_credit(void *arg, uint32_t owner)
{
    struct core *core = arg;
    write_body(core, sub_at(core, owner));
}

static const struct call_events sub_events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};

/* ---- a request to the world ---- */

static void on_world_head(void *arg, uint32_t owner, const uint8_t *head, size_t len, bool is_end)
{
    on_head(arg, owner,
            &(struct answer_head){.bytes = head, .len = len, .body = {.is_end = is_end}});
}

static void on_world_data(void *arg, uint32_t owner, struct head_view body, bool is_end)
{
    on_data(arg, owner,
            &(struct answer_body){.view = &body, .views = body.len > 0, .is_end = is_end});
}

static void on_world_error(void *arg, uint32_t owner, enum job_error error)
{
    struct core *core = arg;
    refuse(core, sub_at(core, owner), error);
}

/* The end alone too waits for room: the request's head goes first. */
static void on_world_credit(void *arg, uint32_t owner)
{
    struct core *core = arg;
    struct sub *s = sub_at(core, owner);
    if (s->in_ended && s->in.bytes == 0) {
        if (body_room(core, s) > 0)
            give_body(core, s, NULL, 0, true);
        return;
    }
    write_body(core, s);
}

static const struct fetch_events world_events = {.head = on_world_head,
                                                 .data = on_world_data,
                                                 .error = on_world_error,
                                                 .credit = on_world_credit};

/* Its time is the parent's: it goes when that one goes. */
static enum job_error start_world(struct core *core, struct sub *s, struct call *parent,
                                  const uint8_t *head, size_t head_bytes, bool has_body)
{
    const struct world_script *caller = world_script(core->world, parent->script_hash);
    enum job_error error;
    if (!caller)
        return JOB_ERROR_NO_SCRIPT;
    if (!budget_charge(&parent->budget))
        return JOB_ERROR_SUBREQUESTS;
    if (has_body && !chunk_reserve(&core->chunks, &s->in.account, SUB_BODY_CHUNKS, CHUNK_WAITS)) {
        core->counters.call_no_chunks++;
        return JOB_ERROR_WORLD_BUSY;
    }
    s->in_ended = !has_body;
    const struct fetch_request request = {.events = &world_events,
                                          .owner = s->index,
                                          .account = caller->account,
                                          .counts = caller->fetches,
                                          .head = head,
                                          .head_bytes = head_bytes,
                                          .answer = &s->out,
                                          .has_body = has_body};
    return fetch_start(core, &request, &s->fetch, &error) ? JOB_ERROR_NONE : error;
}

/* ---- messages of the runtime ---- */

/* What hearth knows of a sub-request. */
struct sub_words {
    const struct context *context;
    const struct call_client_words *client;
    uint64_t request_id;
    const char *caller; /* its name */
};

/* The callee's stack: the caller's, and a frame for the callee under the limits of the binding. */
static enum job_error make_context(struct core *core, struct call *parent,
                                   const struct world_binding *binding,
                                   const struct world_script *callee, struct context *context,
                                   struct call_client_words *words)
{
    uint64_t span = core_next_request_id(core);
    uint8_t span_id[8];
    if (!call_read_context(parent, context, words))
        return JOB_ERROR_NO_SCRIPT;
    memcpy(span_id, &span, sizeof(span_id));
    const struct world_script *caller = world_script(core->world, parent->script_hash);
    struct context_frame *frame = context_push(context, callee->id_hash, span_id);
    if (!frame)
        return JOB_ERROR_DEPTH;
    frame->owner = callee->owner;
    frame->trust = caller && world_trusts(caller, callee) ? CONTEXT_TRUSTED : CONTEXT_UNTRUSTED;
    frame->cpu_ms = binding->cpu_ms;
    frame->memory_mb = binding->memory_mb;
    frame->subrequests = binding->subrequests;
    frame->wall_ms = binding->wall_ms;
    return call_allow(core, parent, binding, context);
}

static struct head_view view(const char *text)
{
    return (struct head_view){text, strlen(text)};
}

static bool is_named(const struct head_field *f, const char *name)
{
    return f->name.len == strlen(name) && strncasecmp(f->name.p, name, f->name.len) == 0;
}

/* What the callee learns of the request is hearth's word. Who the client is it is told only if the
 * caller passes that on, whatever value the caller gives to it. */
static void write_reserved(struct head_writer *w, const struct sub_words *words,
                           const bool passes_on[CALL_CLIENT_FIELDS])
{
    char traceparent[CONTEXT_TRACEPARENT_BYTES], id[17];
    context_traceparent(words->context, traceparent);
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)words->request_id);
    head_write_field(w, view("traceparent"), (struct head_view){traceparent, sizeof(traceparent)});
    head_write_field(w, view("x-hearth-request-id"), view(id));
    head_write_field(w, view("x-hearth-caller"), view(words->caller));
    for (int i = 0; i < CALL_CLIENT_FIELDS; i++) {
        if (passes_on[i] && words->client->value[i].len > 0)
            head_write_field(w, view(call_client_field(i)), words->client->value[i]);
    }
}

/* The script's head with the callee's stack and hearth's own fields, in core->out. 0: not a head,
 * or too large. */
static size_t make_head(struct core *core, const struct sub_words *words, const uint8_t *head,
                        size_t head_bytes, struct head_view *method)
{
    uint8_t stack[CONTEXT_BYTES_MAX];
    bool passes_on[CALL_CLIENT_FIELDS] = {false};
    struct head_reader r;
    struct head_writer w;
    struct head_field f;
    struct head_request q = head_read_request(&r, head, head_bytes);
    size_t stack_bytes = context_write(words->context, stack);
    if (r.bad || q.method.len == 0 || q.url.len == 0)
        return 0;
    head_write_request(&w, core->out, JOB_HEAD_BYTES_MAX,
                       (struct head_view){(const char *)stack, stack_bytes}, q.method, q.url);
    while (head_read_field(&r, &f)) {
        if (!reserved_field(f.name.p, f.name.len))
            head_write_field(&w, f.name, f.value);
        for (int i = 0; i < CALL_CLIENT_FIELDS; i++)
            passes_on[i] |= is_named(&f, call_client_field(i));
    }
    write_reserved(&w, words, passes_on);
    *method = q.method;
    return head_read_end(&r) ? head_write_end(&w) : 0;
}

static const struct world_binding *binding_of(struct core *core, const struct call *parent,
                                              uint32_t index)
{
    const struct world_script *caller = world_script(core->world, parent->script_hash);
    /* After a deploy the same bindings still mean the same; others might not. */
    if (!caller || index >= caller->binding_count ||
        call_bindings_digest(caller) != parent->bindings_digest || parent->context.bytes == 0)
        return NULL;
    return &caller->bindings[index];
}

/* The script that its fetch() goes to, which itself asks the world. 0: there is none. */
static uint64_t outbound_of(struct core *core, const struct call *parent)
{
    const struct world_script *caller = world_script(core->world, parent->script_hash);
    return caller && caller->outbound != caller->id_hash ? caller->outbound : 0;
}

static enum job_error start(struct core *core, struct sub *s, struct call *parent,
                            const struct world_binding *binding, const uint8_t *head,
                            size_t head_bytes, bool has_body)
{
    const struct world_script *callee = binding ? world_script(core->world, binding->script) : NULL;
    struct context context;
    struct call_client_words client;
    struct byte_queue queue = {0};
    struct head_view method;
    uint64_t span;
    uint32_t error;
    if (!callee)
        return JOB_ERROR_NO_SCRIPT;
    const struct world_script *caller = world_script(core->world, parent->script_hash);
    if (!world_may_call(caller, callee))
        return JOB_ERROR_FORBIDDEN;
    enum job_error no = make_context(core, parent, binding, callee, &context, &client);
    if (no != JOB_ERROR_NONE)
        return no;
    if (!budget_charge(&parent->budget))
        return JOB_ERROR_SUBREQUESTS;
    const struct sub_words words = {&context, &client, parent->request_id, caller->name};
    size_t bytes = make_head(core, &words, head, head_bytes, &method);
    if (bytes == 0)
        return JOB_ERROR_EXCEPTION;
    /* The script has its first credit already. */
    if (has_body && !chunk_reserve(&core->chunks, &s->in.account, SUB_BODY_CHUNKS, CHUNK_COMES)) {
        core->counters.call_no_chunks++;
        return JOB_ERROR_REFUSED;
    }
    if (byte_queue_append(&queue, &core->chunks, core->out, bytes) != bytes) {
        byte_queue_clear(&queue, &core->chunks);
        return JOB_ERROR_REFUSED;
    }
    memcpy(&span, context.frame[context.count - 1].span_id, sizeof(span));
    call_trace(core, parent, TRACE_SUB, (uint16_t)context.count, callee->id_hash);
    struct call_request request = {.events = &sub_events,
                                   .owner = s->index,
                                   .script = callee,
                                   .request_id = parent->request_id,
                                   .head = &queue,
                                   .answer = &s->out,
                                   .has_body = has_body,
                                   .is_idempotent = http1_is_idempotent(method),
                                   .is_traced = parent->is_traced,
                                   .sink = parent->has_sink ? parent->sink : NULL,
                                   .span = span,
                                   .started_ns = parent->started_ns,
                                   .parent = parent,
                                   .cpu_us = context.cpu_us,
                                   .subrequests =
                                       binding->subrequests ? binding->subrequests : UINT32_MAX};
    s->in_ended = !has_body;
    if (call_start(core, &request, &s->call, &error))
        return JOB_ERROR_NONE;
    byte_queue_clear(&queue, &core->chunks);
    return call_job_error(error);
}

static uint32_t on_started(void *arg, uint32_t owner, uint32_t link, uint32_t slot,
                           uint32_t binding, const uint8_t *head, size_t head_bytes, bool has_body)
{
    struct core *core = arg;
    struct call *parent = call_at(core, owner);
    struct sub *s = take_sub(core, parent);
    if (!s) {
        core->counters.sub_refused++;
        job_link_reply_error(cells_at(core, link), slot, JOB_ERROR_REFUSED);
        return SUB_NONE;
    }
    s->link = link;
    s->slot = slot;
    const struct world_binding out = {.script = outbound_of(core, parent)};
    bool is_world = binding == JOB_BINDING_WORLD && !out.script; /* which counts its own */
    const struct world_binding *bound =
        binding == JOB_BINDING_WORLD ? &out : binding_of(core, parent, binding);
    enum job_error error = is_world ? start_world(core, s, parent, head, head_bytes, has_body)
                                    : start(core, s, parent, bound, head, head_bytes, has_body);
    if (error == JOB_ERROR_NONE) {
        core->counters.sub_started += !is_world;
        return s->index;
    }
    if (error == JOB_ERROR_DEPTH)
        core->counters.sub_depth++;
    else if (error == JOB_ERROR_SUBREQUESTS)
        core->counters.sub_budget++;
    else if (error == JOB_ERROR_FORBIDDEN)
        core->counters.sub_forbidden++;
    else if (error == JOB_ERROR_CPU_LIMIT)
        core->counters.sub_cpu++;
    else if (error == JOB_ERROR_WALL_LIMIT)
        core->counters.sub_wall++;
    else
        core->counters.sub_refused += !is_world;
    uint32_t index = s->index;
    refuse(core, s, error);
    return core->subs->sub[index].is_live ? index : SUB_NONE;
}

static void on_body(void *arg, uint32_t owner, const struct head_view *body, uint32_t views,
                    bool is_end)
{
    struct core *core = arg;
    struct sub *s = sub_at(core, owner);
    if (s->error || is_answered(s))
        return; /* answered already */
    for (uint32_t i = 0; i < views; i++)
        queue(core, &s->in, body[i].p, body[i].len);
    s->in_ended = is_end;
    if (is_end && s->in.bytes == 0)
        s->fetch.generation ? on_world_credit(core, owner)
                            : call_body(core, s->call, NULL, 0, true);
    else
        write_body(core, s);
}

static void on_cancelled(void *arg, uint32_t owner)
{
    struct core *core = arg;
    struct sub *s = sub_at(core, owner);
    cancel(core, s);
    free_sub(core, s);
}

static void on_reply_credit(void *arg, uint32_t owner)
{
    struct core *core = arg;
    write_reply(core, sub_at(core, owner));
}

/* ---- the core's part ---- */

static struct sub *sub_of_wait(struct age_link *link)
{
    return (struct sub *)((char *)link - offsetof(struct sub, wait));
}

uint32_t subs_run(struct core *core)
{
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
    uint32_t count = 0;
    while (subs_next_ns(core->subs) <= core->now_ns && slice_take(&slice)) {
        struct sub *s = sub_of_wait(core->subs->waiting.oldest);
        uint32_t index = s->index;
        age_remove(&s->wait);
        give_back_credit(core, s);
        if (core->subs->sub[index].is_live)
            write_reply(core, s);
        count++;
    }
    return count;
}

uint64_t subs_next_ns(const struct subs *t)
{
    return t->waiting.count > 0 ? sub_of_wait(t->waiting.oldest)->try_at_ns : UINT64_MAX;
}

const struct runtime_sub_events sub_job_events = {
    .started = on_started, .body = on_body, .cancelled = on_cancelled, .credit = on_reply_credit};
