#include "dataplane/call/job_link.h"

#include <string.h>
#include <unistd.h>

#include "dataplane/base/mutant.h"
#include "dataplane/call/job_link_parts.h"
#include "dataplane/world/world.h"

enum { FREE_NONE = UINT32_MAX };

void job_link_init(struct job_link *l, uint32_t index, const struct job_link_env *env)
{
    assert(env->jobs_max >= 1 && env->jobs_max <= JOB_JOBS_MAX);
    *l = (struct job_link){.env = env, .index = index, .wake_fd = -1, .jobs_max = env->jobs_max};
    shed_init(&l->shed);
    shed_init(&l->full);
}

static uint32_t take_job(struct job_link *l)
{
    uint32_t index = l->free_head;
    l->free_head = l->job[index].next_free;
    l->generation += l->generation == UINT32_MAX ? 2 : 1;
    l->live_jobs++;
    return index;
}

static void free_job(struct job_link *l, uint32_t index)
{
    struct runtime_job *j = &l->job[index];
    assert(j->is_live);
    *j = (struct runtime_job){.next_free = l->free_head};
    l->free_head = index;
    l->live_jobs--;
    l->env->events->touched(l->env->core, l->index);
}

static struct runtime_job *find(struct job_link *l, struct job_ref ref)
{
    if (ref.generation == 0 || ref.index >= l->jobs)
        return NULL;
    struct runtime_job *j = &l->job[ref.index];
    return j->is_live && (j->generation == ref.generation || MUTANT(GENERATION_IGNORED)) ? j : NULL;
}

/* Did the process end while it ran this job? If it was the turn of the script, but of no job, any
 * of the script's may be why. */
static bool is_suspect(const struct job_link *l, const struct runtime_job *j,
                       const struct job_blame *by)
{
    return j->script_handle == by->script &&
           (by->job == 0 ||
            by->job == job_name(l->env->lane, (uint32_t)(j - l->job), j->generation));
}

static enum job_error fault_of(const struct job_blame *by)
{
    return by->error == JOB_ERROR_NONE ? JOB_ERROR_LOST : by->error;
}

/* Tells the owners of suspects, or of all others, that their jobs are lost. */
static void lose_jobs(struct job_link *l, const struct job_blame *by, bool suspects)
{
    for (uint32_t i = 0; i < l->jobs; i++) {
        struct runtime_job *j = &l->job[i];
        if (!j->is_live || is_suspect(l, j, by) != suspects)
            continue;
        uint32_t owner = j->owner;
        free_job(l, i);
        l->env->counters->job_lost++;
        l->env->counters->job_suspect += suspects;
        if (!MUTANT(CRASH_UNTOLD))
            l->env->events->lost(l->env->core, owner,
                                 suspects && !MUTANT(SUSPECT_RERUN) ? fault_of(by)
                                                                    : JOB_ERROR_NONE);
    }
}

void job_link_cut(struct job_link *l, struct job_blame by)
{
    if (!l->region)
        return;
    l->region = NULL;
    l->wake_fd = -1;
    l->has_pushed = false;
    l->watched_ns = l->waited_ns = l->delay_ns = 0;
    shed_init(&l->shed);
    shed_init(&l->full);
    lose_jobs(l, &by, true);
}

void job_link_detach(struct job_link *l, struct job_blame by)
{
    job_link_cut(l, by);
    if (!l->job)
        return;
    runtime_subs_lose(l);
    lose_jobs(l, &by, false);
    l->jobs = l->subs = 0;
    l->job = NULL;
    l->sub = NULL;
}

size_t job_link_table_bytes(const struct job_geometry *g)
{
    return g->jobs * sizeof(struct runtime_job) + g->subs * sizeof(struct runtime_sub) +
           arena_lists_bytes(g->chunks);
}

static void lay_table(struct job_link *l, const struct job_geometry *g, void *table)
{
    memset(table, 0, job_link_table_bytes(g));
    l->job = table;
    l->sub = (struct runtime_sub *)(l->job + g->jobs);
    l->jobs_max = g->jobs < l->env->jobs_max ? g->jobs : l->env->jobs_max;
    l->jobs = l->jobs_max;
    l->subs = g->subs;
    for (uint32_t i = 0; i < l->jobs; i++)
        l->job[i].next_free = i + 1 < l->jobs ? i + 1 : FREE_NONE;
    l->free_head = 0;
}

void job_link_attach(struct job_link *l, const struct job_link_end *end)
{
    const struct job_geometry *g = &end->geometry;
    struct job_region_header *header = end->region;
    struct job_lane lane;
    assert(!l->region && !l->job);
    job_region_lane(end->region, g, l->env->lane, &lane);
    l->region = end->region;
    l->wake_fd = end->wake_fd;
    l->condemned = end->condemned;
    l->runtime_asleep = &header->runtime_asleep;
    l->core_asleep = &header->core_asleep[l->env->lane];
    lay_table(l, g, end->table);
    job_producer_init(&l->down, lane.down, g->slots);
    job_consumer_init(&l->up, lane.up, g->slots);
    arena_owner_init(&l->arena_down, &lane.arena_down, l->sub + g->subs);
    arena_peer_init(&l->arena_up, &lane.arena_up);
}

void job_link_condemn(struct job_link *l)
{
    uint32_t none = 0; /* who came first knows the reason */
    if (!l->region)
        return;
    if (l->condemned)
        atomic_compare_exchange_strong(l->condemned, &none, 1);
    job_link_detach(l, job_region_blame(l->region));
}

/* A message that breaks the contract. */
static void condemn(struct job_link *l)
{
    l->env->counters->job_bad_message++;
    job_link_condemn(l);
}

/* ---- down ---- */

void runtime_push(struct job_link *l, const struct job_slot *slot)
{
    bool pushed = job_producer_push(&l->down, slot);
    assert(pushed); /* room was looked for first */
    if (!l->has_pushed)
        l->env->events->touched(l->env->core, l->index);
    l->has_pushed = true;
}

void runtime_fill(struct job_link *l, struct job_slot *slot, const uint8_t *bytes, size_t len)
{
    assert(len <= JOB_HEAD_BYTES_MAX);
    slot->bytes = (uint32_t)len;
    while (len > 0) {
        size_t part = len < ARENA_CHUNK_BYTES ? len : ARENA_CHUNK_BYTES;
        uint32_t chunk = arena_take(&l->arena_down);
        assert(chunk != ARENA_NONE);
        memcpy(arena_bytes(&l->arena_down, chunk), bytes, part);
        slot->chunk[slot->chunk_count++] = chunk;
        bytes += part;
        len -= part;
    }
}

enum job_start_result job_link_start(struct job_link *l, uint32_t owner, uint64_t script_handle,
                                     uint64_t request_id, const uint8_t *head, size_t head_bytes,
                                     uint8_t flags, uint64_t now_ns, struct job_ref *out)
{
    uint32_t chunks = arena_chunks_for(head_bytes);
    assert(head_bytes > 0 && head_bytes <= JOB_HEAD_BYTES_MAX);
    if (!l->region)
        return JOB_NO_RUNTIME;
    if (l->free_head == FREE_NONE)
        return JOB_TABLE_FULL;
    if (!runtime_has_slot(l) || arena_available(&l->arena_down) < chunks)
        return JOB_NO_ROOM;

    uint32_t index = take_job(l);
    struct runtime_job *j = &l->job[index];
    *j = (struct runtime_job){.generation = l->generation,
                              .owner = owner,
                              .script_handle = script_handle,
                              .send_credit = JOB_CREDIT_INITIAL,
                              .recv_credit = JOB_ANSWER_CREDIT_INITIAL,
                              .is_live = true,
                              .is_body_ended = flags & JOB_F_END};
    struct job_slot slot = {.type = JOB_START,
                            .flags = flags,
                            .job = index,
                            .generation = j->generation,
                            .arg = script_handle,
                            .arg2 = request_id};
    runtime_fill(l, &slot, head, head_bytes);
    runtime_push(l, &slot);
    l->env->counters->job_started++;
    if (l->watched_ns == 0) {
        l->watched_tail = l->down.tail;
        l->watched_ns = MUTANT(STALE_CLOCK) ? l->answered_ns + 1 : now_ns;
        l->waited_ns = 0;
    }
    *out = (struct job_ref){index, j->generation};
    return JOB_STARTED;
}

uint64_t job_link_look(struct job_link *l, uint64_t now_ns)
{
    if (!l->region || (l->watched_ns == 0 && l->delay_ns == 0))
        return 0;
    /* The consumer's index is the runtime's word: a lie makes only this process look better or
     * worse. */
    uint32_t head = atomic_load_explicit(&l->down.ring->head, memory_order_relaxed);
    if (l->watched_ns == 0) {
        bool is_empty = head == l->down.tail;
        if (is_empty && now_ns - l->answered_ns >= LINK_DELAY_MEMORY_NS)
            l->delay_ns = 0;
        return l->delay_ns;
    }
    if ((int32_t)(head - l->watched_tail) >= 0) {
        l->delay_ns = l->waited_ns;
        l->answered_ns = now_ns;
        l->watched_ns = 0;
        return l->delay_ns;
    }
    l->waited_ns = now_ns - l->watched_ns;
    return l->waited_ns > l->delay_ns ? l->waited_ns : l->delay_ns;
}

static size_t room_of(struct job_link *l, const struct runtime_job *j)
{
    if (j->is_body_ended || !runtime_has_slot(l))
        return 0;
    size_t arena = (size_t)arena_available(&l->arena_down) * ARENA_CHUNK_BYTES;
    return j->send_credit < arena ? j->send_credit : arena;
}

size_t job_link_body_room(struct job_link *l, struct job_ref ref)
{
    struct runtime_job *j = find(l, ref);
    size_t room = j ? room_of(l, j) : 0;
    return room < JOB_HEAD_BYTES_MAX ? room : JOB_HEAD_BYTES_MAX;
}

size_t job_link_body(struct job_link *l, struct job_ref ref, const uint8_t *bytes, size_t len,
                     bool is_end, bool *ended)
{
    struct runtime_job *j = find(l, ref);
    size_t taken = 0;
    *ended = false;
    if (!j || j->is_body_ended || !l->region)
        return 0;
    for (;;) {
        size_t room = room_of(l, j);
        size_t part = len - taken < JOB_HEAD_BYTES_MAX ? len - taken : JOB_HEAD_BYTES_MAX;
        if (part > room)
            part = room;
        bool is_last = is_end && taken + part == len;
        if (part == 0 && (!is_last || !runtime_has_slot(l)))
            return taken;
        struct job_slot slot = {.type = JOB_BODY,
                                .flags = is_last ? JOB_F_END : 0,
                                .job = ref.index,
                                .generation = ref.generation};
        runtime_fill(l, &slot, part ? bytes + taken : NULL, part);
        runtime_push(l, &slot);
        taken += part;
        j->send_credit -= MUTANT(BODY_CREDIT_UNCOUNTED) ? 0 : (uint32_t)part;
        j->is_body_ended = *ended = is_last;
        if (is_last || taken == len)
            return taken;
    }
}

bool job_link_credit(struct job_link *l, struct job_ref ref, uint32_t bytes)
{
    struct runtime_job *j = find(l, ref);
    if (!j || bytes == 0)
        return true;
    if (!l->region || job_producer_free(&l->down, 1) == 0)
        return false;
    runtime_push(
        l, &(struct job_slot){
               .type = JOB_CREDIT, .job = ref.index, .generation = ref.generation, .arg = bytes});
    j->recv_credit += bytes;
    return true;
}

bool job_link_is_short(struct job_link *l)
{
    return l->region && (!runtime_has_slot(l) || arena_available(&l->arena_down) == 0);
}

uint32_t job_link_outstanding(const struct job_link *l, struct job_ref ref)
{
    const struct runtime_job *j = find((struct job_link *)l, ref);
    return j ? j->recv_credit : 0;
}

bool job_link_fin(struct job_link *l, struct job_ref ref)
{
    struct runtime_job *j = find(l, ref);
    if (!j || j->lingers || j->is_cancelled)
        return true;
    if (!l->region || job_producer_free(&l->down, 1) == 0)
        return false;
    runtime_push(
        l, &(struct job_slot){.type = JOB_FIN, .job = ref.index, .generation = ref.generation});
    return true;
}

bool job_link_cancel(struct job_link *l, struct job_ref ref)
{
    struct runtime_job *j = find(l, ref);
    if (!j || j->lingers || j->is_cancel_told)
        return true;
    j->is_cancelled = j->is_body_ended = true;
    if (l->region && job_producer_free(&l->down, 1) == 0)
        return false;
    j->is_cancel_told = true;
    if (l->region && !MUTANT(CANCEL_UNSAID))
        runtime_push(l, &(struct job_slot){
                            .type = JOB_CANCEL, .job = ref.index, .generation = ref.generation});
    if (MUTANT(CANCEL_FORGETS))
        free_job(l, ref.index);
    return true;
}

void job_link_abandon(struct job_link *l, struct job_ref ref)
{
    if (find(l, ref))
        free_job(l, ref.index);
}

bool job_link_lingers(const struct job_link *l, struct job_ref ref)
{
    const struct runtime_job *j = find((struct job_link *)l, ref);
    return j && j->lingers;
}

/* ---- up ---- */

bool runtime_views_of(struct job_link *l, const struct job_slot *s, struct body_views *out)
{
    out->count = 0;
    if (s->chunk_count > JOB_SLOT_CHUNKS || s->chunk_count != arena_chunks_for(s->bytes))
        return false;
    uint32_t left = s->bytes;
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        const uint8_t *bytes = arena_view(&l->arena_up, s->chunk[i]);
        if (!bytes)
            return false;
        uint32_t part = left < ARENA_CHUNK_BYTES ? left : ARENA_CHUNK_BYTES;
        out->view[out->count++] = (struct head_view){(const char *)bytes, part};
        left -= part;
    }
    return true;
}

static bool give_back(struct job_link *l, const struct job_slot *s)
{
    if (s->chunk_count > JOB_SLOT_CHUNKS)
        return false; /* of a late message nobody has looked at it */
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        if (!arena_give_back(&l->arena_up, s->chunk[i]))
            return false;
    }
    return true;
}

/* Is this a DATA that takes no more than its credit? Takes the credit. */
static bool take_credit(struct runtime_job *j, const struct job_slot *s)
{
    if (!j->has_head || j->lingers || s->bytes > j->recv_credit)
        return false;
    j->recv_credit -= s->bytes;
    return true;
}

/* The answer is complete, or failed; the job itself may have more to do. */
static void end_answer(struct job_link *l, uint32_t index, uint8_t flags, uint64_t cpu_us)
{
    struct runtime_job *j = &l->job[index];
    bool is_cancelled = j->is_cancelled;
    uint32_t owner = j->owner;
    l->env->events->ran(l->env->core, owner, cpu_us);
    if (flags & JOB_F_LINGERS) {
        j->lingers = true;
        return;
    }
    free_job(l, index);
    if (is_cancelled)
        l->env->events->done(l->env->core, owner);
}

static bool on_data(struct job_link *l, struct runtime_job *j, const struct job_slot *s)
{
    struct body_views body;
    if (!runtime_views_of(l, s, &body) || !take_credit(j, s))
        return false;
    uint32_t owner = j->owner;
    bool is_end = s->flags & JOB_F_END, is_wanted = !j->is_cancelled;
    if (is_end)
        end_answer(l, s->job, s->flags, s->arg2);
    if (is_wanted)
        l->env->events->data(l->env->core, owner,
                             &(struct answer_body){body.view, body.count, is_end});
    return true;
}

static void tell_warmed(struct job_link *l, uint64_t script, uint64_t us)
{
    l->env->events->warmed(l->env->core, l->index, script,
                           us < UINT32_MAX ? (uint32_t)us : UINT32_MAX);
}

/* next: the slot after the head if it is DATA|END of the same job, else NULL. */
static bool on_head(struct job_link *l, struct runtime_job *j, const struct job_slot *s,
                    const struct job_slot *next)
{
    struct body_views head, body = {.count = 0};
    if (j->has_head || !runtime_views_of(l, s, &head) || head.count == 0)
        return false;
    j->has_head = true;
    if (next && (!runtime_views_of(l, next, &body) || !take_credit(j, next)))
        return false;
    size_t head_bytes = 0;
    for (uint32_t i = 0; i < head.count; i++) {
        memcpy(l->env->head_copy + head_bytes, head.view[i].p, head.view[i].len);
        head_bytes += head.view[i].len;
    }
    uint32_t owner = j->owner;
    bool is_end = next || (s->flags & JOB_F_END), is_wanted = !j->is_cancelled;
    tell_warmed(l, j->script_handle, s->arg > JOB_START_WARMING ? s->arg : 0);
    l->env->counters->job_cold += s->arg > JOB_START_WARMING;
    l->env->counters->job_warming += s->arg == JOB_START_WARMING;
    l->env->counters->job_warm += s->arg == JOB_START_WARM;
    if (is_end)
        end_answer(l, s->job, next ? next->flags : s->flags, next ? next->arg2 : s->arg2);
    if (is_wanted)
        l->env->events->head(l->env->core, owner,
                             &(struct answer_head){.bytes = l->env->head_copy,
                                                   .len = head_bytes,
                                                   .cold_us = s->arg,
                                                   .body = {body.view, body.count, is_end}});
    return true;
}

static bool on_error(struct job_link *l, struct runtime_job *j, const struct job_slot *s)
{
    bool is_refusal = s->arg == JOB_ERROR_SPENT;
    if (!job_error_is_runtimes(s->arg) || (is_refusal && (j->has_head || j->lingers)))
        return false;
    uint32_t owner = j->owner;
    bool is_wanted = !j->is_cancelled;
    if (is_refusal)
        l->env->events->spent(l->env->core, l->index);
    /* Of one that lingers, or has not begun, this is the end, whatever its flags say. */
    end_answer(l, s->job, j->lingers || is_refusal ? 0 : s->flags, s->arg2);
    if (is_wanted)
        l->env->events->error(l->env->core, owner, (enum job_error)s->arg);
    return true;
}

static bool on_credit(struct job_link *l, struct runtime_job *j, const struct job_slot *s)
{
    if (s->arg > RUNTIME_CREDIT_MAX || j->send_credit + s->arg > RUNTIME_CREDIT_MAX)
        return false;
    j->send_credit += (uint32_t)s->arg;
    if (!j->is_cancelled)
        l->env->events->credit(l->env->core, j->owner);
    return true;
}

static bool on_done(struct job_link *l, struct runtime_job *j, const struct job_slot *s)
{
    if (!j->lingers && !j->is_cancelled)
        return false;
    uint32_t owner = j->owner;
    l->env->events->ran(l->env->core, owner, s->arg2);
    free_job(l, s->job);
    l->env->events->done(l->env->core, owner);
    return true;
}

static bool on_span(struct job_link *l, struct runtime_job *j, const struct job_slot *s)
{
    if (s->chunk_count != 0)
        return false;
    l->env->events->span(l->env->core, j->owner, s->chunk);
    return true;
}

static bool is_about_a_job(uint8_t type)
{
    return type == JOB_HEAD || type == JOB_DATA || type == JOB_ERROR || type == JOB_CREDIT ||
           type == JOB_DONE || type == JOB_SPAN || type == JOB_SUB;
}

static bool is_whole_body_of(const struct job_slot *head, const struct job_slot *next)
{
    return next->type == JOB_DATA && (next->flags & JOB_F_END) && next->job == head->job &&
           next->generation == head->generation;
}

static bool on_message(struct job_link *l, const struct job_slot *s, const struct job_slot *next)
{
    if (s->type == JOB_WARMED) {
        if (s->arg == 0)
            return false;
        tell_warmed(l, s->arg, s->arg2);
        return true;
    }
    if (s->type == JOB_SUB_BODY || s->type == JOB_SUB_CREDIT || s->type == JOB_SUB_CANCEL)
        return runtime_on_sub_message(l, s);
    if (!is_about_a_job(s->type) || s->job >= l->jobs || s->generation == 0)
        return false;
    struct runtime_job *j = find(l, (struct job_ref){s->job, s->generation});
    if (!j) {
        l->env->counters->job_late++;
        return true;
    }
    if (j->lingers && s->type != JOB_DONE && s->type != JOB_SUB) {
        if (s->type == JOB_CREDIT) /* for a body that nobody sends any more */
            return true;
        if (s->type != JOB_ERROR)
            return false;
    }
    switch (s->type) {
    case JOB_HEAD:
        return on_head(l, j, s, next);
    case JOB_DATA:
        return on_data(l, j, s);
    case JOB_ERROR:
        return on_error(l, j, s);
    case JOB_DONE:
        return on_done(l, j, s);
    case JOB_SPAN:
        return on_span(l, j, s);
    case JOB_SUB:
        return runtime_on_sub(l, j, s);
    default:
        return on_credit(l, j, s);
    }
}

bool job_link_pending(struct job_link *l)
{
    return l->region && job_consumer_pending(&l->up);
}

uint32_t job_link_poll(struct job_link *l, uint32_t max)
{
    uint32_t count = 0;
    struct job_slot slot, next;
    bool has_next = false;
    /* One more pop than max at most: the look-ahead is handled before we leave. */
    while (l->region && (count < max || has_next)) {
        if (has_next) {
            slot = next;
            has_next = false;
        } else {
            enum job_ring_result r = job_consumer_pop(&l->up, &slot);
            if (r == JOB_RING_EMPTY)
                break;
            if (r == JOB_RING_LIES) {
                condemn(l);
                break;
            }
        }
        count++;
        /* A head whose whole body follows at once is answered in one piece, with a Content-Length,
         * in one TLS record. Rejected: passing each head on before a look at the next slot. */
        bool is_pair = false;
        if (slot.type == JOB_HEAD && !(slot.flags & JOB_F_END)) {
            enum job_ring_result r = job_consumer_pop(&l->up, &next);
            if (r == JOB_RING_LIES) {
                condemn(l);
                break;
            }
            has_next = r == JOB_RING_OK;
            is_pair = has_next && is_whole_body_of(&slot, &next);
        }
        bool is_fine = on_message(l, &slot, is_pair ? &next : NULL);
        if (!l->region)
            break;
        if (is_fine && is_pair) {
            is_fine = give_back(l, &next);
            has_next = false;
            count++;
        }
        if (!is_fine || !give_back(l, &slot)) {
            condemn(l);
            break;
        }
    }
    if (l->region && count > 0)
        job_consumer_release(&l->up);
    if (l->region && (l->arena_down.lied || l->down.lied))
        condemn(l);
    return count;
}

bool job_link_flush(struct job_link *l)
{
    if (!l->region || !l->has_pushed)
        return false;
    l->has_pushed = false;
    job_producer_publish(&l->down);
    if (!job_sleeper_take(l->runtime_asleep))
        return false;
    ssize_t ignored = write(l->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored; /* full means that it is awake */
    return true;
}

bool job_link_sleep(struct job_link *l)
{
    if (!l->region)
        return false;
    atomic_store_explicit(&l->core_asleep->asleep, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    return job_consumer_pending(&l->up);
}

bool job_link_has_rung(const struct job_link *l)
{
    return l->region && !atomic_load_explicit(&l->core_asleep->asleep, memory_order_relaxed);
}

void job_link_woke(struct job_link *l)
{
    if (l->region)
        atomic_store_explicit(&l->core_asleep->asleep, 0, memory_order_relaxed);
}
