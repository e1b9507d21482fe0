#include "tests/sim/model_runtime.h"

#include <string.h>
#include <sys/eventfd.h>

#include "tests/sim/model_runtime_parts.h"
#include "tests/sim/spoofs.h"

enum { COMPUTES_MS = 150 };

/* ---- lanes ---- */

void model_runtime_open(struct model_runtime *m, uint32_t lane, void *region, uint32_t core,
                        int bell, const struct job_geometry *g)
{
    struct model_lane *l = &m->lane[lane];
    struct job_lane shared;
    *l = (struct model_lane){.region = region,
                             .core = core,
                             .bell = bell,
                             .is_larger = g->jobs > job_geometry_small.jobs,
                             .geometry = *g};
    l->arena_lists = malloc(arena_lists_bytes(g->chunks));
    CHECK(l->arena_lists, "no memory for a region");
    job_region_lane(l->region, g, core, &shared);
    job_consumer_init(&l->down, shared.down, g->slots);
    job_producer_init(&l->up, shared.up, g->slots);
    arena_owner_init(&l->arena_up, &shared.arena_up, l->arena_lists);
    arena_peer_init(&l->arena_down, &shared.arena_down);
}

void model_runtime_close(struct model_runtime *m, uint32_t lane)
{
    struct model_lane *l = &m->lane[lane];
    if (!l->region)
        return;
    free(l->arena_lists);
    l->region = NULL;
}

/* ---- its life ---- */

void model_runtime_start(struct model_runtime *m, const struct model_manner *manner,
                         struct model_tally *tally, uint64_t handle)
{
    m->manner = manner;
    m->tally = tally;
    m->handle = handle;
    m->is_up = true;
    m->death_ns = m->lie_ns = UINT64_MAX;
    if (manner->is_troubled && chance(40))
        m->death_ns = sim_now_ns + below(3000) * 1000000ull;
    if (manner->is_troubled && chance(40))
        m->lie_ns = sim_now_ns + below(3000) * 1000000ull;
    if (manner->refused && chance(15))
        m->starts_left = 1 + below(30);
    if (manner->book && chance(20))
        m->words = (uint8_t)(1 + below(MODEL_FICKLE));
    m->took_us = manner->make_us / 2 + below(manner->make_us);
    m->ready_ns = sim_now_ns + m->took_us * 1000ull;
}

static void forget_jobs(struct model_runtime *m)
{
    for (uint32_t i = 0; i < MODEL_JOBS; i++)
        free(m->job[i].reply_head);
    memset(m->job, 0, sizeof(m->job));
    m->jobs_end = 0;
}

void model_runtime_free(struct model_runtime *m)
{
    for (uint32_t k = 0; k < MODEL_LANES; k++)
        model_runtime_close(m, k);
    forget_jobs(m);
}

void model_runtime_crash(struct model_runtime *m)
{
    m->is_fragile = true;
    m->death_ns = sim_now_ns + MODEL_CRASH_MS * 1000000ull;
}

void model_runtime_hang(struct model_runtime *m, uint64_t until_ns)
{
    m->stalled_until_ns = m->death_ns = until_ns;
}

bool model_runtime_is_ready(const struct model_runtime *m)
{
    return sim_now_ns >= m->ready_ns;
}

uint32_t model_runtime_jobs(const struct model_runtime *m, uint32_t lane)
{
    uint32_t jobs = 0;
    for (uint32_t i = 0; i < m->jobs_end; i++)
        jobs += m->job[i].is_live && m->job[i].lane == &m->lane[lane];
    return jobs;
}

static const struct model_job *any_job(const struct model_runtime *m)
{
    const struct model_job *j = NULL;
    uint32_t live = 0;
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        if (m->job[i].is_live && below(++live) == 0)
            j = &m->job[i];
    }
    return j;
}

/* One of its jobs, or none, is on the CPU at its end. */
static void name_suspect(struct model_runtime *m)
{
    const struct model_job *j = any_job(m);
    if (!j || (!m->dies_busy && chance(30)))
        return;
    j->lane->blame = (struct job_blame){.script = m->handle,
                                        .job = job_name(j->lane->core, j->index, j->generation)};
    struct job_executing *executing = &((struct job_region_header *)j->lane->region)->executing;
    atomic_store(&executing->script, j->lane->blame.script);
    atomic_store(&executing->job, j->lane->blame.job);
    m->tally->suspects++;
    if (m->manner->suspected)
        m->manner->suspected(m->manner->arg, m, j->id, j->depth);
}

static void die(struct model_runtime *m)
{
    TRACE("a cell of %lu dies", (unsigned long)m->handle);
    m->tally->deaths++;
    m->tally->unheard += m->has_lied && !atomic_load(&m->condemned);
    name_suspect(m);
    m->is_up = false;
    for (uint32_t i = 0; m->manner->book && i < m->jobs_end; i++)
        tree_book_died(m->manner->book, m->job[i].run);
    forget_jobs(m); /* nobody runs them, whoever looks */
}

/* ---- messages ---- */

static struct model_job *find(struct model_runtime *m, const struct model_lane *lane,
                              const struct job_slot *s)
{
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        struct model_job *j = &m->job[i];
        if (j->is_live && j->lane == lane && j->index == s->job && j->generation == s->generation)
            return j;
    }
    return NULL;
}

struct job_slot model_slot(const struct model_job *j, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type, .job = j->index, .generation = j->generation};
}

void model_push(struct model_lane *l, const struct job_slot *s)
{
    CHECK(job_producer_push(&l->up, s), "the up ring is full");
    job_producer_publish(&l->up);
    if (job_sleeper_take(&((struct job_region_header *)l->region)->core_asleep[l->core]))
        eventfd_write(l->bell, 1);
}

bool model_has_slots(struct model_lane *l, uint32_t slots)
{
    return job_producer_free(&l->up, slots) >= slots;
}

bool model_put_head(struct model_lane *l, struct job_slot *s, const uint8_t *bytes, size_t len)
{
    uint32_t chunks = arena_chunks_for(len);
    CHECK(len > 0 && chunks <= JOB_SLOT_CHUNKS, "a head of %zu bytes", len);
    if (arena_available(&l->arena_up) < chunks)
        return false;
    s->bytes = (uint32_t)len;
    for (size_t at = 0; at < len; at += ARENA_CHUNK_BYTES) {
        uint32_t chunk = arena_take(&l->arena_up);
        memcpy(arena_bytes(&l->arena_up, chunk), bytes + at,
               len - at < ARENA_CHUNK_BYTES ? len - at : ARENA_CHUNK_BYTES);
        s->chunk[s->chunk_count++] = chunk;
    }
    return true;
}

void model_take_head(const struct model_lane *l, const struct job_slot *s, uint8_t *out)
{
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        uint32_t at = i * ARENA_CHUNK_BYTES;
        memcpy(out + at, arena_view(&l->arena_down, s->chunk[i]),
               s->bytes - at < ARENA_CHUNK_BYTES ? s->bytes - at : ARENA_CHUNK_BYTES);
    }
}

void model_write_pad(struct head_writer *w, uint32_t id, uint32_t len)
{
    static char pad[PAD_BYTES_MAX];
    if (len == 0)
        return;
    pad_fill(pad, id, len);
    head_write_field(w, (struct head_view){"x-pad", 5}, (struct head_view){pad, len});
}

void model_put_body(struct model_lane *l, struct job_slot *s, uint32_t id, uint32_t from)
{
    for (uint32_t at = 0; at < s->bytes; at += ARENA_CHUNK_BYTES) {
        uint32_t part = s->bytes - at < ARENA_CHUNK_BYTES ? s->bytes - at : ARENA_CHUNK_BYTES;
        s->chunk[s->chunk_count++] = arena_take(&l->arena_up);
        body_fill(arena_bytes(&l->arena_up, s->chunk[s->chunk_count - 1]), id, from + at, part);
    }
}

void model_check_body(const struct model_lane *l, const struct job_slot *s, uint32_t id,
                      uint32_t from, const char *what)
{
    for (uint32_t at = 0; at < s->bytes; at += ARENA_CHUNK_BYTES) {
        uint32_t part = s->bytes - at < ARENA_CHUNK_BYTES ? s->bytes - at : ARENA_CHUNK_BYTES;
        uint32_t same = body_compare(arena_view(&l->arena_down, s->chunk[at / ARENA_CHUNK_BYTES]),
                                     id, from + at, part);
        CHECK(same == part, "%s byte %u of %u", what, from + at + same, id);
    }
}

/* ---- down ---- */

/* Who has all bytes of an answer may close its half before the script says that these are all. */
static void on_fin(struct model_job *j)
{
    CHECK(!j->has_fin && !j->is_cancelled && (j->waits_for_fin || j->sent == j->bytes),
          "a FIN for %u.%u, behind %u bytes", j->id, j->depth, j->sent);
    j->has_fin = true;
}

/* It waits until the script is loaded. */
static void wait_for_script(struct model_runtime *m, struct model_job *j)
{
    if (model_runtime_is_ready(m))
        return;
    m->tally->cold++;
    j->cold_us = m->is_waited_for ? JOB_START_WARMING : (m->ready_ns - sim_now_ns) / 1000 + 2;
    j->next_ns = m->ready_ns + below(100) * 1000ull;
    m->is_waited_for = true;
}

/* What it says once more of an earlier job in the same place is late, and nobody's. */
static void say_late(struct model_lane *lane, const struct model_job *j)
{
    struct job_slot late = model_slot(j, JOB_ERROR);
    if (j->generation == 1 || !chance(3) || !model_has_slots(lane, 8))
        return;
    late.generation--;
    late.arg = JOB_ERROR_EXCEPTION;
    model_push(lane, &late);
}

/* Nothing of it has begun. */
static void refuse_start(struct model_runtime *m, struct model_lane *lane, const struct job_slot *s)
{
    struct job_slot no = {
        .type = JOB_ERROR, .job = s->job, .generation = s->generation, .arg = JOB_ERROR_SPENT};
    uint8_t head[JOB_HEAD_BYTES_MAX];
    struct head_reader r;
    char url[256];
    uint32_t id, depth = 0;
    model_take_head(lane, s, head);
    struct head_request request = head_read_request(&r, head, s->bytes);
    snprintf(url, sizeof(url), "%.*s", (int)request.url.len, request.url.p);
    CHECK(sscanf(url, "%*[^:]://%*[^/]/%*u/%u/%*u/%u", &id, &depth) >= 1, "url %s", url);
    TRACE("a cell of %lu refuses %u.%u", (unsigned long)m->handle, id, depth);
    m->tally->refused++;
    if (m->manner->refused)
        m->manner->refused(m->manner->arg, id, depth);
    model_push(lane, &no);
}

static void on_start(struct model_runtime *m, struct model_lane *lane, const struct job_slot *s)
{
    uint8_t head[JOB_HEAD_BYTES_MAX];
    struct model_job *j = NULL;
    if (m->is_spent) {
        refuse_start(m, lane, s);
        return;
    }
    for (uint32_t i = 0; i < MODEL_JOBS && !j; i++)
        j = m->job[i].is_live ? NULL : &m->job[i];
    CHECK(j, "more jobs than clients");
    if (m->jobs_end < (uint32_t)(j - m->job) + 1)
        m->jobs_end = (uint32_t)(j - m->job) + 1;
    m->is_spent = m->starts_left > 0 && --m->starts_left == 0;
    CHECK(s->arg == m->handle, "a job of script %lu for a cell of %lu", (unsigned long)s->arg,
          (unsigned long)m->handle);
    model_take_head(lane, s, head);
    struct head_reader r;
    struct head_request request = head_read_request(&r, head, s->bytes);
    struct head_field f;
    struct head_view pad = {"", 0};
    bool waits = false;
    while (head_read_field(&r, &f)) {
        CHECK(f.name.len != 6 || memcmp(f.name.p, "expect", 6) != 0, "Expect is not for scripts");
        if (f.name.len == 5 && memcmp(f.name.p, "x-pad", 5) == 0)
            pad = f.value;
        waits |= f.name.len == 7 && memcmp(f.name.p, "x-waits", 7) == 0;
    }
    CHECK(head_read_end(&r), "a malformed request head");
    spoofs_check(head, s->bytes);
    char url[256];
    snprintf(url, sizeof(url), "%.*s", (int)request.url.len, request.url.p);
    *j = (struct model_job){.is_live = true,
                            .lane = lane,
                            .index = s->job,
                            .generation = s->generation,
                            .send_credit = JOB_ANSWER_CREDIT_INITIAL,
                            .recv_credit = JOB_CREDIT_INITIAL,
                            .has_all_input = s->flags & JOB_F_END,
                            .is_head_request =
                                request.method.len == 4 && memcmp(request.method.p, "HEAD", 4) == 0,
                            .with_length = chance(50),
                            .waits_for_fin = waits,
                            .is_thrifty = chance(30),
                            .next_ns = sim_now_ns + below(3000) * 1000ull};
    const char *host = strstr(url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    uint32_t call = 0;
    CHECK(path &&
              sscanf(path, "/%u/%u/%u/%u/%u", &j->answer, &j->id, &j->bytes, &j->depth, &call) >= 3,
          "url %s", url);
    model_begin_run(m, j, call, &request);
    CHECK(j->answer < ANSWERS, "url %s", url);
    uint32_t padded = j->depth == MODEL_SIDE ? 0 : request_pad(j->id);
    CHECK(pad_is(pad.p, pad.len, j->id, padded), "request %u.%u: padding of %zu bytes, not %u",
          j->id, j->depth, pad.len, padded);
    if (m->manner->relays && j->depth + 1 < MODEL_DEPTH && chance(30))
        model_start_relay(m, j, &request);
    j->wants_side = m->manner->relays && j->depth < MODEL_DEPTH && chance(15);
    if (m->manner->book && j->wants_side && chance(25)) /* it computes first */
        j->next_ns = sim_now_ns + below(COMPUTES_MS) * 1000000ull;
    j->sits = m->manner->book && j->depth == MODEL_SIDE && j->has_all_input && chance(5);
    m->tally->sat += j->sits;
    if (m->manner->make_us)
        wait_for_script(m, j);
    else
        j->cold_us = below(2) * below(5000);
    if (m->is_fragile && chance(50) && sim_now_ns + 3000000 < m->death_ns)
        m->death_ns = sim_now_ns + below(3000) * 1000ull;
    say_late(lane, j);
    if (m->manner->started)
        m->manner->started(m->manner->arg, m, j->id, j->depth, s->arg, j->cold_us > 0);
}

static void on_body(struct model_job *j, const struct job_slot *s)
{
    CHECK(s->bytes <= j->recv_credit, "more body than credit");
    CHECK(!j->has_all_input, "body after its end");
    j->recv_credit -= s->bytes;
    model_check_body(j->lane, s, j->id, j->received, "request body");
    j->received += s->bytes;
    if (s->flags & JOB_F_END) {
        CHECK(j->received == j->bytes, "a body of %u bytes, not %u", j->received, j->bytes);
        j->has_all_input = true;
    }
}

static void on_message(struct model_runtime *m, struct model_lane *lane, const struct job_slot *s)
{
    struct model_job *j = find(m, lane, s);
    if (s->type == JOB_START)
        on_start(m, lane, s);
    else if (j && s->type == JOB_BODY)
        on_body(j, s);
    else if (j && s->type == JOB_CREDIT)
        j->send_credit += (uint32_t)s->arg;
    else if (j && s->type == JOB_FIN)
        on_fin(j);
    else if (j && s->type == JOB_CANCEL)
        model_on_cancel(m, j);
    else if (s->type == JOB_REPLY || s->type == JOB_REPLY_DATA || s->type == JOB_REPLY_ERROR ||
             s->type == JOB_SUB_CREDIT)
        model_on_reply(m, lane, s);
}

static void read_lane(struct model_runtime *m, struct model_lane *lane)
{
    struct job_slot s;
    while (job_consumer_pop(&lane->down, &s) == JOB_RING_OK) {
        CHECK(s.type != JOB_START || !lane->is_closed ||
                  (int32_t)(lane->down.head - lane->closed_tail) <= 0,
              "a job starts on a link that was retired, of script %lu", (unsigned long)m->handle);
        on_message(m, lane, &s);
        for (uint32_t i = 0; i < s.chunk_count; i++)
            CHECK(arena_give_back(&lane->arena_down, s.chunk[i]), "the returns ring is full");
    }
    job_consumer_release(&lane->down);
}

void model_runtime_read(struct model_runtime *m)
{
    for (uint32_t k = 0; m->is_up && k < MODEL_LANES; k++) {
        if (m->lane[k].region)
            read_lane(m, &m->lane[k]);
    }
}

/* ---- up ---- */

static uint32_t promised(const struct model_job *j)
{
    if (j->answer == ANSWER_SHORT)
        return j->bytes + 1 + j->id % 100;
    if (j->answer == ANSWER_LONG)
        return j->bytes - 1 - j->bytes / 3;
    return j->bytes;
}

static bool is_bodiless(const struct model_job *j)
{
    return j->answer == ANSWER_EMPTY || (j->is_head_request && j->id % 2);
}

static void send_head(struct model_runtime *m, struct model_job *j)
{
    static uint8_t bytes[JOB_HEAD_BYTES_MAX];
    char length[16];
    struct head_writer w;
    struct model_lane *lane = j->lane;
    struct job_slot s = model_slot(j, JOB_HEAD);
    bool is_end = !j->is_relay && is_bodiless(j) && chance(70);
    head_write_response(&w, bytes, sizeof(bytes), j->answer == ANSWER_EMPTY ? 204 : 200);
    model_write_run(&w, j->run);
    if (j->answer == ANSWER_BAD_HEAD)
        head_write_field(&w, (struct head_view){"x-split", 7}, (struct head_view){"a\r\nb: c", 7});
    snprintf(length, sizeof(length), "%u", promised(j));
    if (j->with_length || j->answer == ANSWER_SHORT || j->answer == ANSWER_LONG)
        head_write_field(&w, (struct head_view){"content-length", 14},
                         (struct head_view){length, strlen(length)});
    model_write_pad(&w, j->id, answer_pad(j->id));
    if (j->is_relay)
        model_replace_run(j->reply_head, j->reply_head_bytes, j->run);
    bool has_room = j->is_relay ? model_put_head(lane, &s, j->reply_head, j->reply_head_bytes)
                                : model_put_head(lane, &s, bytes, head_write_end(&w));
    if (!has_room)
        return;
    s.arg = j->cold_us;
    j->has_head = true;
    s.arg2 = is_end ? model_cpu_answered(m, j) : 0;
    s.flags = is_end ? JOB_F_END | model_may_linger(m, j) : 0;
    model_push(lane, &s);
}

static void send_error(struct model_runtime *m, struct model_job *j)
{
    struct model_lane *lane = j->lane;
    struct job_slot s = model_slot(j, JOB_ERROR);
    bool is_trouble = j->reply_error == JOB_ERROR_REFUSED || j->reply_error == JOB_ERROR_LOST ||
                      j->reply_error == JOB_ERROR_OVERLOAD;
    s.arg = is_trouble ? JOB_ERROR_OVERLOAD : JOB_ERROR_EXCEPTION;
    if (m->manner->failed && j->has_head)
        m->manner->failed(m->manner->arg, j->id, j->depth, j->sent);
    s.arg2 = model_cpu_answered(m, j);
    s.flags = model_may_linger(m, j);
    model_push(lane, &s);
}

/* How much of its answer there is to say by now; *all: it ends there. */
static uint32_t sayable(const struct model_job *j, bool *all)
{
    uint32_t whole = is_bodiless(j) ? 0 : j->bytes;
    if (j->is_relay) {
        *all = j->reply_ended;
        return j->reply_received;
    }
    *all = j->answer != ANSWER_ECHO || j->has_all_input;
    return j->answer == ANSWER_ECHO && whole ? j->received : whole;
}

static void send_data(struct model_runtime *m, struct model_job *j)
{
    struct model_lane *lane = j->lane;
    struct job_slot s = model_slot(j, JOB_DATA);
    bool is_end;
    uint32_t can = sayable(j, &is_end) - j->sent;
    uint32_t n = can < j->send_credit ? can : j->send_credit;
    uint32_t most = chance(20) ? 1 + below(50) : JOB_HEAD_BYTES_MAX;
    uint32_t room = arena_available(&lane->arena_up) * ARENA_CHUNK_BYTES;
    n = n < most ? n : most;
    n = n < room ? n : room;
    is_end &= n == can && (j->is_relay || is_bodiless(j) || j->sent + n == j->bytes);
    if (n == 0 && !is_end)
        return;
    if (!j->is_relay && j->answer == ANSWER_LATE_ERROR && (is_end || chance(20))) {
        send_error(m, j);
        return;
    }
    s.bytes = n;
    model_put_body(lane, &s, j->id, j->sent);
    j->sent += n;
    j->send_credit -= n;
    s.arg2 = is_end ? model_cpu_answered(m, j) : 0;
    s.flags = is_end ? JOB_F_END | model_may_linger(m, j) : 0;
    model_push(lane, &s);
}

/* Half of those that wait do so behind their head. */
static bool holds_back(const struct model_job *j)
{
    bool is_ahead = !j->has_head && j->id % 2 && !is_bodiless(j);
    return j->waits_for_fin && !j->has_fin && !is_ahead;
}

static void work_on_relay(struct model_runtime *m, struct model_job *j)
{
    model_feed_relay(j);
    if (holds_back(j))
        return;
    if (j->reply_head_bytes > 0 && !j->has_head) {
        send_head(m, j);
    } else if (j->reply_error) {
        send_error(m, j);
        return;
    }
    if (j->has_head && !j->reply_error && !holds_back(j) && !chance(30))
        send_data(m, j);
}

/* What was consumed is granted again, in steps of any size. */
static void grant(struct model_job *j)
{
    struct job_slot s = model_slot(j, JOB_CREDIT);
    s.arg = below(JOB_CREDIT_INITIAL - j->recv_credit + 1);
    if (j->recv_credit == 0 && s.arg == 0)
        s.arg = 1;
    if (j->is_thrifty && j->recv_credit > JOB_CREDIT_INITIAL / 2)
        s.arg = 0;
    if (s.arg == 0 || j->has_all_input)
        return;
    j->recv_credit += (uint32_t)s.arg;
    model_push(j->lane, &s);
}

static void answer(struct model_runtime *m, struct model_job *j)
{
    if (holds_back(j))
        return;
    if (j->answer == ANSWER_ERROR) {
        send_error(m, j);
        return;
    }
    if (j->answer != ANSWER_ECHO && !j->has_all_input && chance(70))
        return; /* mostly after the request body, at times before its end */
    if (!j->has_head)
        send_head(m, j);
    if (j->is_live && j->has_head && !j->lingers && !holds_back(j) && !chance(30))
        send_data(m, j);
}

/* It is not answered before its wall limit is over. */
static void sit(struct model_runtime *m, struct model_job *j)
{
    struct job_slot s = model_slot(j, JOB_ERROR);
    j->next_ns = j->wall_ns;
    if (sim_now_ns < j->wall_ns)
        return;
    s.arg = JOB_ERROR_WALL_LIMIT;
    s.arg2 = model_cpu_answered(m, j);
    model_push(j->lane, &s);
    model_end_job(m, j);
}

static void work_on(struct model_runtime *m, struct model_job *j)
{
    j->next_ns = sim_now_ns + below(800) * 1000ull;
    if (j->sits && !j->lingers) {
        sit(m, j);
        return;
    }
    if (j->lingers) {
        model_work_on_lingering(m, j);
        return;
    }
    model_work_on_side(m, j);
    grant(j);
    if (j->is_relay)
        work_on_relay(m, j);
    else
        answer(m, j);
}

/* One breach of the contract. */
static void lie(struct model_runtime *m, const struct model_job *j)
{
    struct job_slot s = {.type = JOB_TYPES};
    TRACE("a cell of %lu lies", (unsigned long)m->handle);
    m->tally->lies++;
    m->lie_ns = UINT64_MAX;
    m->has_lied = true;
    switch (below(5)) {
    case 0:
        break;
    case 1:
        s = model_slot(j, JOB_DATA);
        s.job = j->lane->geometry.jobs;
        break;
    case 2:
        s = model_slot(j, JOB_CREDIT);
        s.generation = 0;
        break;
    case 3:
        s = model_slot(j, JOB_HEAD);
        s.generation += 1000; /* late, and yet naming more chunks than there are */
        s.chunk_count = UINT8_MAX;
        break;
    case 4:
        atomic_store(&j->lane->up.ring->tail, j->lane->up.tail + 5 * j->lane->up.slots);
        return;
    }
    model_push(j->lane, &s);
}

/* On each lane, also one that was opened later. */
static void tell_loaded(struct model_runtime *m)
{
    for (uint32_t k = 0; k < MODEL_LANES && model_runtime_is_ready(m); k++) {
        struct model_lane *lane = &m->lane[k];
        if (!lane->region || lane->is_told || !model_has_slots(lane, 8))
            continue;
        lane->is_told = true;
        model_push(lane, &(struct job_slot){.type = JOB_WARMED,
                                            .arg = m->handle,
                                            .arg2 = lane->is_larger ? 0 : m->took_us});
    }
}

bool model_runtime_work(struct model_runtime *m)
{
    if (atomic_load(&m->condemned) || sim_now_ns >= m->death_ns) {
        die(m);
        return false;
    }
    if (sim_now_ns < m->stalled_until_ns || sim_now_ns < m->read_ns)
        return true;
    if (m->slow_ns)
        m->read_ns = sim_now_ns + m->slow_ns / 2 + below((uint32_t)m->slow_ns);
    /* A process of its own: what it says may cross what it has not read yet. */
    if (!chance(20))
        model_runtime_read(m);
    tell_loaded(m);
    if (sim_now_ns >= m->lie_ns && m->jobs_end > 0) { /* the core looks at no other cell */
        lie(m, any_job(m));
        return true;
    }
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        struct model_job *j = &m->job[i];
        if (j->is_live && sim_now_ns >= j->next_ns && model_has_slots(j->lane, 16))
            work_on(m, j);
    }
    return true;
}

static uint64_t tells_ns(const struct model_runtime *m)
{
    for (uint32_t k = 0; k < MODEL_LANES; k++) {
        if (m->lane[k].region && !m->lane[k].is_told)
            return m->ready_ns;
    }
    return UINT64_MAX;
}

uint64_t model_runtime_next_ns(const struct model_runtime *m)
{
    uint64_t next = m->death_ns;
    if (sim_now_ns < m->stalled_until_ns)
        return m->stalled_until_ns < next ? m->stalled_until_ns : next;
    if (m->slow_ns) /* what there is waits for the next look */
        return m->read_ns < next ? m->read_ns : next;
    if (tells_ns(m) < next)
        next = tells_ns(m);
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        if (m->job[i].is_live && m->job[i].next_ns < next)
            next = m->job[i].next_ns;
    }
    return next;
}
