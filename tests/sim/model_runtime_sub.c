#include <stdlib.h>
#include <string.h>

#include "tests/sim/model_runtime_parts.h"
#include "tests/sim/spoofs.h"

/* ---- names ---- */

/* False: as many are under way as may be. */
static bool name_sub(struct model_runtime *m, struct model_job *j, bool is_side, uint64_t *name)
{
    struct model_lane *lane = j->lane;
    uint32_t most = lane->geometry.jobs < MODEL_JOBS ? lane->geometry.jobs : MODEL_JOBS;
    uint32_t i = 0;
    while (i < most && lane->sub[i].is_live)
        i++;
    if (i == most)
        return false;
    lane->sub[i] = (struct model_sub){.generation = lane->sub[i].generation + 1,
                                      .job = (uint32_t)(j - m->job),
                                      .is_live = true,
                                      .is_side = is_side};
    *name = (uint64_t)lane->sub[i].generation << 32 | i;
    return true;
}

static struct model_sub *find_sub(struct model_lane *lane, uint64_t name)
{
    struct model_sub *sub = &lane->sub[(uint32_t)name % MODEL_JOBS];
    return sub->is_live && sub->generation == name >> 32 ? sub : NULL;
}

/* The call of the tree book; what its cell says of it goes with it. */
static uint32_t begin_call(struct model_runtime *m, struct model_job *j, uint64_t name,
                           struct job_slot *s)
{
    uint32_t said_us = model_cpu_said(m, j), call = model_make_call(m, j, said_us);
    find_sub(j->lane, name)->call = call;
    s->arg2 = (uint64_t)said_us << 32;
    return call;
}

static void free_sub(struct model_lane *lane, uint64_t name)
{
    struct model_sub *sub = find_sub(lane, name);
    if (sub)
        sub->is_live = false;
}

void model_end_job(struct model_runtime *m, struct model_job *j)
{
    free_sub(j->lane, j->relay);
    free_sub(j->lane, j->side.name);
    free(j->reply_head);
    memset(j, 0, sizeof(*j));
    while (m->jobs_end > 0 && !m->job[m->jobs_end - 1].is_live)
        m->jobs_end--;
}

/* ---- relays ---- */

void model_start_relay(struct model_runtime *m, struct model_job *j,
                       const struct head_request *request)
{
    static uint8_t bytes[JOB_HEAD_BYTES_MAX];
    char url[128];
    struct head_writer w;
    struct job_slot s = model_slot(j, JOB_SUB);
    if (!model_has_slots(j->lane, 8) || arena_available(&j->lane->arena_up) < JOB_SLOT_CHUNKS ||
        !name_sub(m, j, false, &j->relay))
        return;
    uint32_t call = begin_call(m, j, j->relay, &s);
    snprintf(url, sizeof(url), "https://sim.test/%u/%u/%u/%u/%u", j->answer, j->id, j->bytes,
             j->depth + 1, call);
    head_write_request(&w, bytes, sizeof(bytes), (struct head_view){"", 0}, request->method,
                       (struct head_view){url, strlen(url)});
    if (j->id % 4 == 1)
        spoofs_write(&w);
    model_write_pad(&w, j->id, request_pad(j->id));
    model_put_head(j->lane, &s, bytes, head_write_end(&w));
    m->tally->relayed++;
    j->is_relay = true;
    j->sub_credit = j->reply_credit = JOB_CREDIT_INITIAL;
    j->sub_ended = j->has_all_input;
    s.flags = j->has_all_input ? JOB_F_END : 0;
    s.arg = j->relay;
    model_push(j->lane, &s);
}

/* What has come of the body goes on, as far as there is credit. */
static void relay_body(struct model_job *j)
{
    uint32_t n = j->received - j->sub_sent;
    uint32_t room = arena_available(&j->lane->arena_up) * ARENA_CHUNK_BYTES;
    n = n < j->sub_credit ? n : j->sub_credit;
    n = n < room ? n : room;
    n = n < JOB_HEAD_BYTES_MAX ? n : JOB_HEAD_BYTES_MAX;
    bool is_end = j->has_all_input && j->sub_sent + n == j->received;
    if (j->sub_ended || j->reply_ended || (n == 0 && !is_end))
        return;
    struct job_slot s = {
        .type = JOB_SUB_BODY, .flags = is_end ? JOB_F_END : 0, .arg = j->relay, .bytes = n};
    model_put_body(j->lane, &s, j->id, j->sub_sent);
    j->sub_sent += n;
    j->sub_credit -= n;
    j->sub_ended = is_end;
    model_push(j->lane, &s);
}

void model_feed_relay(struct model_job *j)
{
    relay_body(j);
    uint32_t grant = below(JOB_CREDIT_INITIAL - j->reply_credit + 1);
    if (j->reply_ended || (grant == 0 && j->reply_credit > 0))
        return;
    grant = grant ? grant : 1;
    j->reply_credit += grant;
    model_push(j->lane, &(struct job_slot){.type = JOB_SUB_CREDIT, .arg = j->relay, .arg2 = grant});
}

static void on_relay_error(struct model_runtime *m, struct model_job *j, enum job_error error)
{
    TRACE("relay of %u: error %u", j->id, error);
    /* Behind an answer's head it is a callee that was cut: of a client who has left, and whose RST
     * was lost. */
    bool is_cut =
        error == JOB_ERROR_WALL_LIMIT && j->reply_head_bytes > 0 && sim_now_ns >= j->wall_ns;
    bool is_over = !is_cut && (error == JOB_ERROR_SUBREQUESTS || error == JOB_ERROR_CPU_LIMIT ||
                               error == JOB_ERROR_WALL_LIMIT);
    if (is_over) { /* that was one too many: it answers by itself */
        CHECK(j->reply_head_bytes == 0, "a call that has an answer is over its budget");
        m->tally->over_budget += error == JOB_ERROR_SUBREQUESTS;
        m->tally->cpu_refused += error == JOB_ERROR_CPU_LIMIT;
        m->tally->wall_refused += error == JOB_ERROR_WALL_LIMIT;
        j->is_relay = false;
        return;
    }
    j->reply_error = error;
    j->reply_ended = true;
}

static void on_relay_reply(struct model_runtime *m, struct model_job *j, const struct job_slot *s)
{
    CHECK(!j->reply_ended, "a reply after its end");
    j->reply_ended = s->flags & JOB_F_END;
    switch (s->type) {
    case JOB_REPLY:
        CHECK(j->reply_head_bytes == 0 && s->bytes > 0, "reply head");
        j->reply_head = malloc(JOB_HEAD_BYTES_MAX);
        model_take_head(j->lane, s, j->reply_head);
        j->reply_head_bytes = s->bytes;
        j->replied_by = model_read_run(j->reply_head, s->bytes);
        break;
    case JOB_REPLY_DATA:
        CHECK(j->reply_head_bytes > 0 && s->bytes <= j->reply_credit,
              "more reply than credit, or no head");
        j->reply_credit -= s->bytes;
        model_check_body(j->lane, s, j->id, j->reply_received, "reply");
        j->reply_received += s->bytes;
        break;
    case JOB_REPLY_ERROR:
        on_relay_error(m, j, (enum job_error)s->arg2);
        break;
    case JOB_SUB_CREDIT:
        j->sub_credit += (uint32_t)s->arg2;
        break;
    }
}

/* ---- sub-requests on the side ---- */

static void start_side(struct model_runtime *m, struct model_job *j)
{
    uint8_t bytes[512];
    char url[128];
    struct head_writer w;
    struct job_slot s = model_slot(j, JOB_SUB);
    j->wants_side = false;
    if (!model_has_slots(j->lane, 8) || arena_available(&j->lane->arena_up) == 0 ||
        !name_sub(m, j, true, &j->side.name))
        return;
    uint32_t call = begin_call(m, j, j->side.name, &s);
    snprintf(url, sizeof(url), "https://sim.test/%u/%u/%u/%u/%u", (unsigned)ANSWER_GENERATE, j->id,
             chance(30) ? below(200000) : below(2000), MODEL_SIDE, call);
    j->side.has_body = chance(40);
    head_write_request(&w, bytes, sizeof(bytes), (struct head_view){"", 0},
                       j->side.has_body ? (struct head_view){"POST", 4}
                                        : (struct head_view){"GET", 3},
                       (struct head_view){url, strlen(url)});
    spoofs_write(&w);
    j->side.was_made = j->side.is_live = true;
    j->side.credit = j->side.reply_credit = JOB_CREDIT_INITIAL;
    m->tally->sides++;
    s.flags = j->side.has_body ? 0 : JOB_F_END;
    s.arg = j->side.name;
    model_put_head(j->lane, &s, bytes, head_write_end(&w));
    model_push(j->lane, &s);
}

static void on_side_reply(struct model_job *j, const struct job_slot *s)
{
    static uint8_t head[JOB_HEAD_BYTES_MAX];
    switch (s->type) {
    case JOB_REPLY:
        CHECK(!j->side.has_head, "two heads for one sub-request");
        j->side.has_head = true;
        model_take_head(j->lane, s, head);
        j->side.replied_by = model_read_run(head, s->bytes);
        break;
    case JOB_REPLY_DATA:
        CHECK(j->side.has_head && s->bytes <= j->side.reply_credit, "more reply than credit");
        j->side.reply_credit -= s->bytes;
        model_check_body(j->lane, s, j->id, j->side.received, "side reply");
        j->side.received += s->bytes;
        break;
    case JOB_SUB_CREDIT:
        j->side.credit += (uint32_t)s->arg2;
        break;
    }
}

void model_on_reply(struct model_runtime *m, struct model_lane *lane, const struct job_slot *s)
{
    struct model_sub *sub = find_sub(lane, s->arg);
    if (!sub)
        return;
    struct model_job *j = &m->job[sub->job];
    bool is_over =
        s->type != JOB_SUB_CREDIT && (s->type == JOB_REPLY_ERROR || s->flags & JOB_F_END);
    if (sub->is_side)
        on_side_reply(j, s);
    else
        on_relay_reply(m, j, s);
    if (!is_over)
        return;
    sub->is_live = false;
    j->side.is_live &= !sub->is_side;
    model_heard(m, j, sub->call, sub->is_side ? j->side.replied_by : j->replied_by,
                s->type == JOB_REPLY_ERROR ? (enum job_error)s->arg2 : JOB_ERROR_NONE);
}

/* A piece of a body that never ends, some credit, or no more patience. */
void model_work_on_side(struct model_runtime *m, struct model_job *j)
{
    if (j->wants_side && chance(20))
        start_side(m, j);
    if (!j->side.is_live)
        return;
    if (chance(5)) {
        m->tally->abandoned++;
        j->side.is_live = false;
        free_sub(j->lane, j->side.name);
        model_push(j->lane, &(struct job_slot){.type = JOB_SUB_CANCEL, .arg = j->side.name});
        return;
    }
    uint32_t grant = below(JOB_CREDIT_INITIAL - j->side.reply_credit + 1);
    if (grant > 0) {
        j->side.reply_credit += grant;
        model_push(j->lane,
                   &(struct job_slot){.type = JOB_SUB_CREDIT, .arg = j->side.name, .arg2 = grant});
    }
    uint32_t n = j->side.credit < ARENA_CHUNK_BYTES ? j->side.credit : ARENA_CHUNK_BYTES;
    if (!j->side.has_body || n == 0 || arena_available(&j->lane->arena_up) == 0)
        return;
    struct job_slot s = {.type = JOB_SUB_BODY, .arg = j->side.name, .bytes = n};
    model_put_body(j->lane, &s, j->id, j->side.sent);
    j->side.sent += n;
    j->side.credit -= n;
    model_push(j->lane, &s);
}

/* ---- lingering ---- */

static void linger(struct model_runtime *m, struct model_job *j)
{
    m->tally->lingered++;
    j->lingers = true;
    j->wants_side |= !j->side.was_made && chance(50);
    j->done_ns = sim_now_ns + below(40) * 1000000ull;
}

uint8_t model_may_linger(struct model_runtime *m, struct model_job *j)
{
    if (!m->manner->relays || !chance(10)) {
        model_end_job(m, j);
        return 0;
    }
    linger(m, j);
    return JOB_F_LINGERS;
}

void model_on_cancel(struct model_runtime *m, struct model_job *j)
{
    bool goes_on = m->manner->relays && chance(30);
    j->is_cancelled = true;
    if (j->lingers)
        return; /* its answer crossed the message */
    linger(m, j);
    j->wants_side &= goes_on;
    if (!goes_on)
        j->done_ns = sim_now_ns;
    j->next_ns = sim_now_ns;
}

void model_work_on_lingering(struct model_runtime *m, struct model_job *j)
{
    model_work_on_side(m, j);
    if (sim_now_ns < j->done_ns)
        return;
    struct job_slot s = model_slot(j, chance(80) ? JOB_DONE : JOB_ERROR);
    s.arg = s.type == JOB_ERROR ? JOB_ERROR_WALL_LIMIT : 0;
    s.arg2 = model_cpu_answered(m, j);
    model_push(j->lane, &s);
    model_end_job(m, j);
}
