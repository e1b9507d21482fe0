#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_parts.h"

static struct job_slot sub_slot(const struct harness *h, enum job_type type, uint32_t sub)
{
    return (struct job_slot){.type = (uint8_t)type,
                             .arg = (uint64_t)h->subs[sub].generation << 32 | h->subs[sub].index};
}

/* It is over for hearthd; what the test wants to look at stays. */
static void end_sub(struct harness *h, uint32_t sub)
{
    struct harness_sub *s = &h->subs[sub];
    assert(s->is_open);
    s->is_open = false;
    h->open_subs--;
    if (s->callee && h->jobs[s->callee - 1].generation == s->callee_generation) {
        struct harness_job *j = &h->jobs[s->callee - 1];
        j->caller = 0;
        if (j->is_done)
            harness_close(h, s->callee - 1);
        else
            harness_cancel(h, s->callee - 1);
    }
    s->callee = 0;
}

/* Their parent is over. */
void harness_drop_subs(struct harness *h, uint32_t job, uint32_t generation)
{
    for (uint32_t i = 0; i < JOB_SUBS_MAX && h->open_subs; i++)
        if (h->subs[i].is_open && h->subs[i].job == job && h->subs[i].job_generation == generation)
            end_sub(h, i);
}

void harness_forget_subs(struct harness *h, struct harness_link *l)
{
    for (uint32_t i = 0; i < JOB_SUBS_MAX; i++) {
        if (h->subs[i].link != l)
            continue;
        h->open_subs -= h->subs[i].is_open;
        free(h->subs[i].head);
        free(h->subs[i].body);
        h->subs[i] = (struct harness_sub){0};
    }
}

/* ---- up ---- */

/* The payload of a received slot, in chunks of ours. */
static void copy_on(struct harness *h, struct harness_link *to_link, struct job_slot *to,
                    struct harness_link *from_link, const struct job_slot *from)
{
    uint8_t bytes[JOB_HEAD_BYTES_MAX];
    harness_copy_bytes(from_link, from, bytes);
    harness_fill(h, to_link, to, bytes, from->bytes);
}

static uint8_t *bytes_of(struct harness_link *l, const struct job_slot *slot)
{
    uint8_t *bytes = malloc(slot->bytes + 1);
    harness_copy_bytes(l, slot, bytes);
    bytes[slot->bytes] = '\0';
    return bytes;
}

/* Passes a message of a callee on to its caller, with its bytes. */
void harness_pass_up(struct harness *h, struct harness_job *j, const struct job_slot *slot)
{
    static const uint8_t types[JOB_TYPES] = {[JOB_HEAD] = JOB_REPLY,
                                             [JOB_DATA] = JOB_REPLY_DATA,
                                             [JOB_ERROR] = JOB_REPLY_ERROR,
                                             [JOB_CREDIT] = JOB_SUB_CREDIT};
    uint32_t sub = j->caller - 1;
    struct job_slot to = sub_slot(h, types[slot->type], sub);
    assert(types[slot->type]);
    to.flags = slot->flags & JOB_F_END;
    to.arg2 = slot->arg; /* an error's kind, a credit's bytes */
    if (to.type == JOB_SUB_CREDIT)
        h->subs[sub].may_receive += slot->arg;
    if (to.type == JOB_REPLY_DATA)
        h->subs[sub].may_send -= slot->bytes;
    struct harness_link *l = h->subs[sub].link;
    copy_on(h, l, &to, j->link, slot);
    harness_push(h, l, &to);
    if (to.type == JOB_REPLY_ERROR || (to.flags & JOB_F_END))
        end_sub(h, sub);
}

/* And the other way. */
static void pass_down(struct harness *h, struct harness_sub *s, const struct job_slot *slot)
{
    struct job_slot to =
        harness_slot_of(h, slot->type == JOB_SUB_BODY ? JOB_BODY : JOB_CREDIT, s->callee - 1);
    if (h->jobs[s->callee - 1].is_done)
        return;
    to.flags = slot->flags;
    to.arg = slot->arg2;
    if (to.type == JOB_CREDIT)
        h->jobs[s->callee - 1].may_receive += slot->arg2;
    else
        h->jobs[s->callee - 1].may_send -= slot->bytes;
    struct harness_link *l = h->jobs[s->callee - 1].link;
    copy_on(h, l, &to, s->link, slot);
    harness_push(h, l, &to);
}

static void call(struct harness *h, uint32_t sub, uint32_t target, uint32_t depth)
{
    struct harness_sub *s = &h->subs[sub];
    if (depth == 16) {
        harness_reply_error(h, sub, JOB_ERROR_DEPTH);
        return;
    }
    if (harness_is_full(h, target)) {
        harness_reply_error(h, sub, JOB_ERROR_REFUSED);
        return;
    }
    uint32_t job = harness_start_job(h, target, s->head, s->head_bytes, !s->has_ended);
    h->jobs[job].caller = sub + 1;
    h->jobs[job].depth = depth;
    s->callee = job + 1;
    s->callee_generation = h->jobs[job].generation;
}

/* A place for the one that the cell names: the former's of that index, where the test may look for
 * it again. */
static uint32_t place_of(struct harness *h, const struct harness_link *l, uint32_t index)
{
    if (l->sub_at[index])
        return l->sub_at[index] - 1;
    while (h->subs[h->next_sub].link)
        h->next_sub = (h->next_sub + 1) % JOB_SUBS_MAX;
    return h->next_sub;
}

static void take_sub_start(struct harness *h, struct harness_link *l, uint32_t index,
                           uint32_t generation, const struct job_slot *slot)
{
    assert(slot->job < JOB_JOBS_MAX);
    uint32_t job = l->job_at[slot->job] - 1;
    if (!l->job_at[slot->job])
        return; /* the client has gone meanwhile */
    uint32_t sub = place_of(h, l, index);
    struct harness_sub *s = &h->subs[sub];
    struct harness_job *j = &h->jobs[job];
    bool is_parents = j->is_open && j->generation == slot->generation;
    bool lingers = h->lingering[job] == slot->generation;
    if (!is_parents && !lingers)
        return; /* the client has gone meanwhile */
    if (is_parents && j->is_done && !lingers) {
        fprintf(stderr, "a sub-request of a job that is over\n");
        abort();
    }
    /* The world is whatever the first binding leads to. */
    uint32_t binding = (uint32_t)slot->arg2 == JOB_BINDING_WORLD ? 0 : (uint32_t)slot->arg2;
    assert(!s->is_open && generation != s->generation && binding < HARNESS_BINDINGS_MAX);
    free(s->head);
    free(s->body);
    *s = (struct harness_sub){.is_open = true,
                              .link = l,
                              .index = index,
                              .generation = generation,
                              .job = job,
                              .job_generation = slot->generation,
                              .binding = binding,
                              .callers_cpu_us = slot->arg2 >> 32,
                              .has_ended = slot->flags & JOB_F_END,
                              .holds_credit = h->holds_sub_credit,
                              .may_send = JOB_CREDIT_INITIAL,
                              .may_receive = JOB_CREDIT_INITIAL,
                              .head = bytes_of(l, slot),
                              .head_bytes = slot->bytes};
    struct head_reader reader;
    struct head_field field;
    struct head_request request = head_read_request(&reader, s->head, s->head_bytes);
    while (head_read_field(&reader, &field))
        ;
    assert(head_read_end(&reader) && request.context.len == 0 && request.url.len > 0);
    l->sub_at[index] = sub + 1;
    h->open_subs++;
    h->sub_starts++;
    /* A closed job that lingers has lost its handle: the test answers. */
    const struct harness_script *script = is_parents ? harness_script_of(h, j->handle) : NULL;
    uint32_t target = script ? script->targets[s->binding] : 0;
    if (target)
        call(h, sub, target, is_parents ? j->depth + 1 : 1);
}

static void take_sub_body(struct harness *h, struct harness_link *l, uint32_t sub,
                          const struct job_slot *slot)
{
    struct harness_sub *s = &h->subs[sub];
    assert(!s->has_ended && slot->bytes <= s->may_receive);
    s->may_receive -= slot->bytes;
    s->has_ended = slot->flags & JOB_F_END;
    if (s->callee) {
        pass_down(h, s, slot);
        return;
    }
    if (s->body_bytes + slot->bytes + 1 > s->body_cap) {
        s->body_cap = (s->body_bytes + slot->bytes + 1) * 2;
        s->body = realloc(s->body, s->body_cap);
    }
    uint8_t *bytes = bytes_of(l, slot);
    memcpy(s->body + s->body_bytes, bytes, slot->bytes + 1);
    s->body_bytes += slot->bytes;
    free(bytes);
    if (!s->holds_credit && slot->bytes && !s->has_ended)
        harness_sub_credit(h, sub, slot->bytes);
}

void harness_take_sub(struct harness *h, struct harness_link *l, const struct job_slot *slot)
{
    uint32_t index = (uint32_t)slot->arg, generation = (uint32_t)(slot->arg >> 32);
    assert(index < JOB_SUBS_MAX && generation);
    if (slot->type == JOB_SUB) {
        take_sub_start(h, l, index, generation, slot);
        return;
    }
    uint32_t sub = l->sub_at[index] - 1;
    if (!l->sub_at[index] || !h->subs[sub].is_open || h->subs[sub].generation != generation)
        return;
    struct harness_sub *s = &h->subs[sub];
    switch (slot->type) {
    case JOB_SUB_BODY:
        take_sub_body(h, l, sub, slot);
        break;
    case JOB_SUB_CREDIT:
        s->may_send += slot->arg2;
        assert(slot->arg2 > 0 && s->may_send <= JOB_CREDIT_INITIAL);
        if (s->callee)
            pass_down(h, s, slot);
        break;
    default:
        s->is_cancelled = true;
        h->sub_cancels++;
        end_sub(h, sub);
    }
}

/* ---- what the test answers ---- */

uint32_t harness_wait_sub(struct harness *h)
{
    for (;;) {
        for (uint32_t i = 0; i < JOB_SUBS_MAX; i++) {
            const struct harness_sub *s = &h->subs[i];
            if ((!s->is_open && !s->is_cancelled) || s->is_taken || s->callee)
                continue;
            h->subs[i].is_taken = true;
            return i;
        }
        harness_await(h);
    }
}

struct head_request harness_sub_request(const struct harness *h, uint32_t sub)
{
    struct head_reader reader;
    return head_read_request(&reader, h->subs[sub].head, h->subs[sub].head_bytes);
}

void harness_reply(struct harness *h, uint32_t sub, uint16_t status, const char *fields,
                   bool has_body)
{
    uint8_t head[JOB_HEAD_BYTES_MAX];
    struct head_writer w;
    if (!h->subs[sub].is_open)
        return;
    head_write_response(&w, head, sizeof(head), status);
    harness_write_fields(&w, fields);
    size_t len = head_write_end(&w);
    struct job_slot slot = sub_slot(h, JOB_REPLY, sub);
    slot.flags = has_body ? 0 : JOB_F_END;
    harness_fill(h, h->subs[sub].link, &slot, head, len);
    harness_push(h, h->subs[sub].link, &slot);
    if (!has_body && h->subs[sub].is_open)
        end_sub(h, sub);
}

void harness_reply_data(struct harness *h, uint32_t sub, const void *bytes, size_t len, bool is_end)
{
    struct harness_sub *s = &h->subs[sub];
    const uint8_t *p = bytes;
    do {
        while (len > 0 && s->may_send == 0 && s->is_open)
            harness_await(h);
        if (!s->is_open)
            return;
        size_t n = len < s->may_send ? len : s->may_send;
        if (n > JOB_HEAD_BYTES_MAX)
            n = JOB_HEAD_BYTES_MAX;
        struct job_slot slot = sub_slot(h, JOB_REPLY_DATA, sub);
        slot.flags = is_end && n == len ? JOB_F_END : 0;
        s->may_send -= n;
        harness_fill(h, s->link, &slot, p, n);
        p += n;
        len -= n;
        harness_push(h, s->link, &slot);
    } while (len > 0);
    if (is_end && s->is_open)
        end_sub(h, sub);
}

void harness_reply_error(struct harness *h, uint32_t sub, enum job_error error)
{
    struct job_slot slot = sub_slot(h, JOB_REPLY_ERROR, sub);
    slot.arg2 = error;
    if (!h->subs[sub].is_open)
        return;
    harness_push(h, h->subs[sub].link, &slot);
    if (h->subs[sub].is_open)
        end_sub(h, sub);
}

void harness_sub_credit(struct harness *h, uint32_t sub, uint64_t bytes)
{
    struct job_slot slot = sub_slot(h, JOB_SUB_CREDIT, sub);
    slot.arg2 = bytes;
    h->subs[sub].may_receive += bytes;
    harness_push(h, h->subs[sub].link, &slot);
}
