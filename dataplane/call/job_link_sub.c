/* Sub-requests of a cell: replies go down, calls and their bodies come up. */
#include <string.h>

#include "dataplane/call/job_link_parts.h"

/* ---- down: replies ---- */

static struct runtime_sub *live_sub(struct job_link *l, uint32_t index)
{
    assert(index < l->subs && l->sub[index].generation);
    return &l->sub[index];
}

static uint64_t sub_name(const struct job_link *l, uint32_t index)
{
    return (uint64_t)l->sub[index].generation << 32 | index;
}

bool job_link_reply(struct job_link *l, uint32_t index, const uint8_t *head, size_t head_bytes,
                    bool is_end)
{
    struct runtime_sub *sub = live_sub(l, index);
    uint32_t chunks = arena_chunks_for(head_bytes);
    if (!runtime_has_slot(l) || arena_available(&l->arena_down) < chunks)
        return false;
    struct job_slot slot = {
        .type = JOB_REPLY, .flags = is_end ? JOB_F_END : 0, .arg = sub_name(l, index)};
    runtime_fill(l, &slot, head, head_bytes);
    runtime_push(l, &slot);
    sub->has_head = true;
    if (is_end)
        sub->generation = 0;
    return true;
}

size_t job_link_reply_room(struct job_link *l, uint32_t index)
{
    struct runtime_sub *sub = live_sub(l, index);
    if (!runtime_has_slot(l))
        return 0;
    size_t room = (size_t)arena_available(&l->arena_down) * ARENA_CHUNK_BYTES;
    if (sub->send_credit < room)
        room = sub->send_credit;
    return room < JOB_HEAD_BYTES_MAX ? room : JOB_HEAD_BYTES_MAX;
}

bool job_link_reply_data(struct job_link *l, uint32_t index, const uint8_t *bytes, size_t len,
                         bool is_end)
{
    struct runtime_sub *sub = live_sub(l, index);
    assert(sub->has_head && len <= sub->send_credit);
    if (!runtime_has_slot(l))
        return false;
    struct job_slot slot = {
        .type = JOB_REPLY_DATA, .flags = is_end ? JOB_F_END : 0, .arg = sub_name(l, index)};
    runtime_fill(l, &slot, bytes, len);
    runtime_push(l, &slot);
    sub->send_credit -= (uint32_t)len;
    if (is_end)
        sub->generation = 0;
    return true;
}

bool job_link_reply_error(struct job_link *l, uint32_t index, enum job_error error)
{
    struct runtime_sub *sub = live_sub(l, index);
    if (!l->region || job_producer_free(&l->down, 1) == 0)
        return false;
    runtime_push(
        l, &(struct job_slot){.type = JOB_REPLY_ERROR, .arg = sub_name(l, index), .arg2 = error});
    sub->generation = 0;
    return true;
}

bool job_link_sub_credit(struct job_link *l, uint32_t index, uint32_t bytes)
{
    struct runtime_sub *sub = live_sub(l, index);
    if (sub->is_body_ended)
        return true;
    if (!runtime_has_slot(l))
        return false;
    runtime_push(
        l, &(struct job_slot){.type = JOB_SUB_CREDIT, .arg = sub_name(l, index), .arg2 = bytes});
    sub->recv_credit += bytes;
    return true;
}

uint32_t job_link_reply_credit(const struct job_link *l, uint32_t index)
{
    return l->sub[index].send_credit;
}

void job_link_forget_sub(struct job_link *l, uint32_t index)
{
    assert(index < l->subs);
    l->sub[index].generation = 0;
}

/* ---- up: what scripts call ---- */

bool runtime_on_sub(struct job_link *l, struct runtime_job *j, const struct job_slot *s)
{
    uint32_t index = (uint32_t)s->arg, generation = (uint32_t)(s->arg >> 32);
    uint32_t binding = (uint32_t)s->arg2;
    struct body_views head;
    if (index >= l->subs || generation == 0 || l->sub[index].generation != 0 ||
        binding > JOB_BINDING_WORLD || !runtime_views_of(l, s, &head) || head.count == 0)
        return false;
    size_t head_bytes = 0;
    for (uint32_t i = 0; i < head.count; i++) {
        memcpy(l->env->head_copy + head_bytes, head.view[i].p, head.view[i].len);
        head_bytes += head.view[i].len;
    }
    bool has_body = !(s->flags & JOB_F_END);
    l->sub[index] = (struct runtime_sub){.generation = generation,
                                         .send_credit = JOB_CREDIT_INITIAL,
                                         .recv_credit = JOB_CREDIT_INITIAL,
                                         .is_body_ended = !has_body};
    l->env->events->ran(l->env->core, j->owner, s->arg2 >> 32);
    uint32_t owner = l->env->sub_events->started(l->env->core, j->owner, l->index, index, binding,
                                                 l->env->head_copy, head_bytes, has_body);
    if (l->region && l->sub[index].generation == generation) {
        l->sub[index].owner = owner;
        if (owner == SUB_NONE)
            l->sub[index].generation =
                0; /* not even a refusal found room: the script's own time limit ends it */
    }
    return true;
}

bool runtime_on_sub_message(struct job_link *l, const struct job_slot *s)
{
    uint32_t index = (uint32_t)s->arg, generation = (uint32_t)(s->arg >> 32);
    struct body_views body;
    if (index >= l->subs || generation == 0)
        return false;
    struct runtime_sub *sub = &l->sub[index];
    if (sub->generation != generation) {
        l->env->counters->job_late++;
        return true;
    }
    switch (s->type) {
    case JOB_SUB_BODY:
        if (sub->is_body_ended || !runtime_views_of(l, s, &body) || s->bytes > sub->recv_credit)
            return false;
        sub->recv_credit -= s->bytes;
        sub->is_body_ended = s->flags & JOB_F_END;
        l->env->sub_events->body(l->env->core, sub->owner, body.view, body.count,
                                 sub->is_body_ended);
        return true;
    case JOB_SUB_CREDIT:
        if (s->arg2 > RUNTIME_CREDIT_MAX || sub->send_credit + s->arg2 > RUNTIME_CREDIT_MAX)
            return false;
        sub->send_credit += (uint32_t)s->arg2;
        l->env->sub_events->credit(l->env->core, sub->owner);
        return true;
    default:
        sub->generation = 0;
        l->env->sub_events->cancelled(l->env->core, sub->owner);
        return true;
    }
}

void runtime_subs_lose(struct job_link *l)
{
    for (uint32_t i = 0; i < l->subs; i++) {
        struct runtime_sub *sub = &l->sub[i];
        if (sub->generation == 0)
            continue;
        sub->generation = 0;
        l->env->sub_events->cancelled(l->env->core, sub->owner);
    }
}
