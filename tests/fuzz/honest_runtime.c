#include "honest_runtime.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/head.h"

void honest_runtime_start(struct honest_runtime *r, const struct job_geometry *g)
{
    struct job_lane lane;
    *r = (struct honest_runtime){.geometry = *g};
    r->region = mmap(NULL, job_region_bytes(1, g), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(r->region != MAP_FAILED);
    job_region_format(r->region, 1, g);
    job_region_lane(r->region, g, 0, &lane);
    job_consumer_init(&r->down, lane.down, g->slots);
    job_producer_init(&r->up, lane.up, g->slots);
    arena_owner_init(&r->arena_up, &lane.arena_up, r->arena_lists);
    arena_peer_init(&r->arena_down, &lane.arena_down);
}

void honest_runtime_end(struct honest_runtime *r)
{
    munmap(r->region, job_region_bytes(1, &r->geometry));
    r->region = NULL;
}

static void push(struct honest_runtime *r, const struct job_slot *s)
{
    bool ok = job_producer_push(&r->up, s);
    assert(ok);
    job_producer_publish(&r->up);
}

static void fill(struct honest_runtime *r, struct job_slot *s, const uint8_t *bytes, size_t len)
{
    s->bytes = (uint32_t)len;
    for (size_t at = 0; at < len; at += ARENA_CHUNK_BYTES) {
        size_t part = len - at < ARENA_CHUNK_BYTES ? len - at : ARENA_CHUNK_BYTES;
        uint32_t chunk = arena_take(&r->arena_up);
        assert(chunk != ARENA_NONE);
        memcpy(arena_bytes(&r->arena_up, chunk), bytes + at, part);
        s->chunk[s->chunk_count++] = chunk;
    }
}

static struct job *job_of(struct honest_runtime *r, const struct job_slot *s)
{
    struct job *j = &r->job[s->job % HONEST_JOBS];
    return j->is_live && j->generation == s->generation ? j : NULL;
}

void honest_runtime_read(struct honest_runtime *r)
{
    struct job_slot s;
    while (job_consumer_pop(&r->down, &s) == JOB_RING_OK) {
        struct job *j = job_of(r, &s);
        struct nested *n = &r->nested[(uint32_t)s.arg % HONEST_SUBS];
        bool is_nested = n->is_live && s.arg == ((uint64_t)n->generation << 32 | (n - r->nested));
        switch (s.type) {
        case JOB_START:
            r->job[s.job] = (struct job){.is_live = true,
                                         .has_input = s.flags & JOB_F_END,
                                         .index = s.job,
                                         .generation = s.generation,
                                         .credit = JOB_ANSWER_CREDIT_INITIAL};
            break;
        case JOB_BODY:
            assert(!j || !j->has_input);
            if (j) {
                j->has_input = s.flags & JOB_F_END;
                j->taken += s.bytes;
            }
            break;
        case JOB_CREDIT:
            if (j)
                j->credit += (uint32_t)s.arg;
            break;
        case JOB_FIN:
            assert(!j || !j->has_fin);
            if (j)
                j->has_fin = true;
            break;
        case JOB_CANCEL:
            if (j)
                j->lingers = true; /* what it says next is DONE */
            break;
        case JOB_REPLY:
        case JOB_REPLY_DATA:
        case JOB_REPLY_ERROR:
            if (!is_nested)
                break;
            assert(s.type != JOB_REPLY_DATA || s.bytes <= n->reply_credit);
            if (s.type == JOB_REPLY_DATA)
                n->reply_credit -= s.bytes;
            if (s.flags & JOB_F_END || s.type == JOB_REPLY_ERROR)
                n->is_live = false;
            break;
        case JOB_SUB_CREDIT:
            if (is_nested)
                n->credit += (uint32_t)s.arg2;
            break;
        }
        for (uint32_t i = 0; i < s.chunk_count; i++) {
            bool ok = arena_give_back(&r->arena_down, s.chunk[i]);
            assert(ok);
        }
    }
    job_consumer_release(&r->down);
}

static void answer(struct honest_runtime *r, struct job *j, uint32_t what, struct input *in)
{
    static const uint8_t zero[JOB_HEAD_BYTES_MAX];
    uint8_t head[64];
    struct head_writer w;
    struct job_slot s = {.job = j->index, .generation = j->generation};
    bool is_end = what & 16;
    if (j->lingers) {
        s.type = JOB_DONE;
        j->is_live = false;
        push(r, &s);
        return;
    }
    s.type = j->has_head ? JOB_DATA : JOB_HEAD;
    if (what & 32) {
        s.type = JOB_ERROR;
        s.arg = 1 + input_take(in, 1) % (JOB_ERROR_REFUSED - 1);
        j->is_live = false;
        push(r, &s);
        return;
    }
    if (s.type == JOB_HEAD) {
        head_write_response(&w, head, sizeof(head), 200);
        fill(r, &s, head, head_write_end(&w));
    } else {
        uint32_t bytes = input_take(in, 2) % JOB_HEAD_BYTES_MAX;
        bytes = bytes < j->credit ? bytes : j->credit;
        j->credit -= bytes;
        fill(r, &s, zero, bytes);
    }
    j->has_head = true;
    if (is_end) {
        j->lingers = what & 64;
        j->is_live = j->lingers;
        s.flags = JOB_F_END | (j->lingers ? JOB_F_LINGERS : 0);
    }
    push(r, &s);
}

static void call_another(struct honest_runtime *r, struct job *j, struct nested *n, uint32_t what)
{
    uint8_t head[128];
    struct head_writer w;
    struct job_slot s = {.type = JOB_SUB, .job = j->index, .generation = j->generation};
    *n = (struct nested){.is_live = true,
                         .generation = n->generation + 1,
                         .has_ended = what & 16,
                         .credit = JOB_CREDIT_INITIAL,
                         .reply_credit = JOB_CREDIT_INITIAL,
                         .job = j->index};
    head_write_request(&w, head, sizeof(head), (struct head_view){"", 0},
                       what & 32 ? (struct head_view){"GET", 3} : (struct head_view){"POST", 4},
                       (struct head_view){"https://b/", 10});
    fill(r, &s, head, head_write_end(&w));
    s.flags = n->has_ended ? JOB_F_END : 0;
    s.arg = (uint64_t)n->generation << 32 | (uint64_t)(n - r->nested);
    push(r, &s);
}

static void use_nested(struct honest_runtime *r, struct nested *n, uint32_t what, struct input *in)
{
    static const uint8_t zero[JOB_HEAD_BYTES_MAX];
    struct job_slot s = {.arg = (uint64_t)n->generation << 32 | (uint64_t)(n - r->nested)};
    switch (what >> 4 & 3) {
    case 0:
    case 1:
        if (n->has_ended)
            return;
        s.type = JOB_SUB_BODY;
        uint32_t bytes = input_take(in, 2) % JOB_HEAD_BYTES_MAX;
        bytes = bytes < n->credit ? bytes : n->credit;
        n->credit -= bytes;
        fill(r, &s, zero, bytes);
        n->has_ended = what & 64;
        s.flags = n->has_ended ? JOB_F_END : 0;
        break;
    case 2:
        s.type = JOB_SUB_CREDIT;
        s.arg2 = input_take(in, 2);
        n->reply_credit += (uint32_t)s.arg2;
        break;
    case 3:
        s.type = JOB_SUB_CANCEL;
        n->is_live = false;
        break;
    }
    push(r, &s);
}

static struct job *any_job(struct honest_runtime *r, uint32_t n)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < HONEST_JOBS; i++)
        live += r->job[i].is_live;
    n = live ? n % live : 0;
    for (uint32_t i = 0; i < HONEST_JOBS; i++) {
        if (r->job[i].is_live && n-- == 0)
            return &r->job[i];
    }
    return &r->job[0];
}

void honest_runtime_say_loaded(struct honest_runtime *r, uint64_t script)
{
    push(r, &(struct job_slot){.type = JOB_WARMED, .arg = script, .arg2 = 1});
}

void honest_runtime_step(struct honest_runtime *r, struct input *in)
{
    uint32_t what = input_take(in, 1);
    struct job *j = any_job(r, input_take(in, 1));
    struct nested *n = &r->nested[what >> 2 & (HONEST_SUBS - 1)];
    if (what % 4 != 3)
        honest_runtime_read(r);
    if (job_producer_free(&r->up, 16) < 16 || arena_available(&r->arena_up) < JOB_SLOT_CHUNKS)
        return;
    if (n->is_live && (!r->job[n->job].is_live || what & 1)) {
        if (r->job[n->job].is_live)
            use_nested(r, n, what, in);
        else
            n->is_live = false; /* with its parent, without a word */
        return;
    }
    if (!j->is_live)
        return;
    if (what % 4 == 0) {
        answer(r, j, what, in);
    } else if (what % 4 == 1 && !n->is_live) {
        call_another(r, j, n, what);
    } else if (!j->has_input && j->taken > 0 && !j->lingers) {
        push(r, &(struct job_slot){.type = JOB_CREDIT,
                                   .job = j->index,
                                   .generation = j->generation,
                                   .arg = j->taken});
        j->taken = 0;
    }
}
