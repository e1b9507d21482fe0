#include "tests/sim/model_runtime.h"

#include <string.h>
#include <sys/mman.h>

static void *map_region(void)
{
    void *region =
        mmap(NULL, job_region_bytes(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(region != MAP_FAILED, "no memory for a region");
    return region;
}

void model_runtime_unmap(struct model_runtime *m)
{
    if (m->old_region)
        munmap(m->old_region, job_region_bytes(1));
    m->old_region = NULL;
}

static void attach(struct model_runtime *m)
{
    if (!m->region)
        m->region = map_region();
    struct job_lane_shared *lane = job_region_lane(m->region, 0);
    job_region_format(m->region, 1);
    job_consumer_init(&m->down, &lane->down);
    job_producer_init(&m->up, &lane->up);
    arena_owner_init(&m->arena_up, &lane->arena_up);
    arena_peer_init(&m->arena_down, &lane->arena_down);
    memset(m->isolate, 0, sizeof(m->isolate));
    m->owed = 0;
    atomic_store(&m->condemned, 0);
    if (!m->is_announced)
        m->world->life++;
    m->is_announced = false;
    m->world->region = m->region;
    m->is_up = true;
}

void model_runtime_start(struct model_runtime *m, struct world_runtime *world, bool is_troubled)
{
    *m = (struct model_runtime){.world = world, .death_ns = UINT64_MAX, .lie_ns = UINT64_MAX};
    *world = (struct world_runtime){.wake_fd = -1, .condemned = &m->condemned};
    m->is_troubled = is_troubled;
    if (is_troubled && chance(60))
        m->death_ns = sim_now_ns + below(3000) * 1000000ull;
    if (is_troubled && chance(60))
        m->lie_ns = sim_now_ns + below(3000) * 1000000ull;
    attach(m);
}

void model_runtime_free(struct model_runtime *m)
{
    model_runtime_unmap(m);
    if (m->region)
        munmap(m->region, job_region_bytes(1));
    m->region = NULL;
    free(m->reply_head);
    m->reply_head = NULL;
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

/* One of its jobs, or none, is on the CPU at its end. */
static void name_suspect(struct model_runtime *m)
{
    const struct model_job *j = NULL;
    uint32_t live = 0;
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        bool may_be = m->job[i].is_live && (!m->dies_of || m->job[i].handle == m->dies_of);
        if (may_be && below(++live) == 0)
            j = &m->job[i];
    }
    m->world->ended_life = m->world->life;
    m->world->ended_by = (struct job_blame){0};
    if (!j || (!m->dies_of && chance(30)))
        return;
    m->world->ended_by =
        (struct job_blame){.script = j->handle, .job = job_name(0, j->index, j->generation)};
    m->suspects++;
    if (m->suspected)
        m->suspected(m->arg, m, j->id, j->depth);
}

static void die(struct model_runtime *m)
{
    TRACE("the runtime dies");
    m->deaths++;
    name_suspect(m);
    m->is_up = m->is_fragile = false;
    memset(m->job, 0, sizeof(m->job)); /* nobody runs them, whoever looks before it is back */
    m->jobs_end = 0;
    m->world->region = NULL;
    model_runtime_unmap(m);
    m->old_region = m->region;
    m->region = NULL;
    uint32_t away_ms = !m->dies_of && chance(20) ? 4000 : 300; /* supervise.h */
    m->back_at_ns = sim_now_ns + 1000000 + below(away_ms) * 1000000ull;
    m->dies_of = 0;
    m->stalled_until_ns = m->slow_ns = m->read_ns = 0;
    m->death_ns =
        m->is_troubled && chance(50) ? m->back_at_ns + below(1000) * 1000000ull : UINT64_MAX;
    /* A world may show the next life before it is up. */
    m->is_announced = chance(50);
    m->world->life += m->is_announced;
}

static struct model_job *find(struct model_runtime *m, const struct job_slot *s)
{
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        struct model_job *j = &m->job[i];
        if (j->is_live && j->index == s->job && j->generation == s->generation)
            return j;
    }
    return NULL;
}

static struct job_slot slot_of(const struct model_job *j, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type, .job = j->index, .generation = j->generation};
}

static void push(struct model_runtime *m, const struct job_slot *s)
{
    CHECK(job_producer_push(&m->up, s), "the up ring is full");
    job_producer_publish(&m->up);
}

/* A head, in chunks. False: there are not so many. */
static bool put_head(struct model_runtime *m, struct job_slot *s, const uint8_t *bytes, size_t len)
{
    uint32_t chunks = (uint32_t)(len + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES;
    CHECK(len > 0 && chunks <= JOB_SLOT_CHUNKS, "a head of %zu bytes", len);
    if (arena_available(&m->arena_up, chunks) < chunks)
        return false;
    s->bytes = (uint32_t)len;
    for (size_t at = 0; at < len; at += ARENA_CHUNK_BYTES) {
        uint32_t chunk = arena_take(&m->arena_up);
        memcpy(arena_bytes(&m->arena_up, chunk), bytes + at,
               len - at < ARENA_CHUNK_BYTES ? len - at : ARENA_CHUNK_BYTES);
        s->chunk[s->chunk_count++] = chunk;
    }
    return true;
}

static void take_head(const struct model_runtime *m, const struct job_slot *s, uint8_t *out)
{
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        uint32_t at = i * ARENA_CHUNK_BYTES;
        memcpy(out + at, arena_view(&m->arena_down, s->chunk[i]),
               s->bytes - at < ARENA_CHUNK_BYTES ? s->bytes - at : ARENA_CHUNK_BYTES);
    }
}

static void write_pad(struct head_writer *w, uint32_t id, uint32_t len)
{
    static char pad[PAD_BYTES_MAX];
    if (len == 0)
        return;
    pad_fill(pad, id, len);
    head_write_field(w, (struct head_view){"x-pad", 5}, (struct head_view){pad, len});
}

/* The next s->bytes bytes of a body, in chunks. */
static void put_body(struct model_runtime *m, struct job_slot *s, uint32_t id, uint32_t from)
{
    for (uint32_t at = 0; at < s->bytes; at += ARENA_CHUNK_BYTES) {
        uint32_t part = s->bytes - at < ARENA_CHUNK_BYTES ? s->bytes - at : ARENA_CHUNK_BYTES;
        s->chunk[s->chunk_count++] = arena_take(&m->arena_up);
        body_fill(arena_bytes(&m->arena_up, s->chunk[s->chunk_count - 1]), id, from + at, part);
    }
}

static void check_body(const struct model_runtime *m, const struct job_slot *s, uint32_t id,
                       uint32_t from, const char *what)
{
    for (uint32_t at = 0; at < s->bytes; at += ARENA_CHUNK_BYTES) {
        uint32_t part = s->bytes - at < ARENA_CHUNK_BYTES ? s->bytes - at : ARENA_CHUNK_BYTES;
        uint32_t same = body_compare(arena_view(&m->arena_down, s->chunk[at / ARENA_CHUNK_BYTES]),
                                     id, from + at, part);
        CHECK(same == part, "%s byte %u of %u", what, from + at + same, id);
    }
}

static bool has_isolate(const struct model_runtime *m, uint64_t handle)
{
    const struct model_isolate *i = m->isolate;
    while (i < m->isolate + MODEL_ISOLATES && i->handle && i->handle != handle)
        i++;
    return i < m->isolate + MODEL_ISOLATES && i->handle == handle;
}

/* That script's, made if there is none. */
static struct model_isolate *isolate_of(struct model_runtime *m, uint64_t handle)
{
    struct model_isolate *i = m->isolate;
    while (i->handle != handle && i->handle) {
        i++;
        CHECK(i < m->isolate + MODEL_ISOLATES, "more scripts than the model has isolates");
    }
    if (i->handle)
        return i;
    *i = (struct model_isolate){.handle = handle, .took_us = m->make_us / 2 + below(m->make_us)};
    i->ready_ns = sim_now_ns + i->took_us * 1000ull;
    return i;
}

static void on_warm(struct model_runtime *m, uint64_t handle)
{
    if (m->make_us == 0) {
        push(m, &(struct job_slot){.type = JOB_WARMED, .arg = handle});
        return;
    }
    struct model_isolate *i = isolate_of(m, handle);
    m->owed += !i->is_owed;
    i->is_owed = true;
}

static void tell_warmed(struct model_runtime *m)
{
    for (uint32_t k = 0; m->owed > 0 && k < MODEL_ISOLATES && m->isolate[k].handle; k++) {
        struct model_isolate *i = &m->isolate[k];
        if (!i->is_owed || sim_now_ns < i->ready_ns || job_producer_free(&m->up, 8) < 8)
            continue;
        i->is_owed = false;
        m->owed--;
        push(m, &(struct job_slot){.type = JOB_WARMED, .arg = i->handle, .arg2 = i->took_us});
    }
}

/* Waits for its isolate. */
static void find_isolate(struct model_runtime *m, struct model_job *j, uint64_t handle)
{
    uint64_t before_ns = sim_now_ns;
    bool was_there = has_isolate(m, handle);
    struct model_isolate *i = isolate_of(m, handle);
    if (i->ready_ns <= before_ns)
        return;
    m->cold++;
    j->cold_us = was_there ? JOB_START_WARMING : (i->ready_ns - before_ns) / 1000 + 2;
    j->next_ns = i->ready_ns + below(100) * 1000ull;
}

/* ---- relays ---- */

static uint64_t sub_of(const struct model_runtime *m, const struct model_job *j)
{
    uint32_t place = (uint32_t)(j - m->job);
    return (uint64_t)m->sub_generation[place] << 32 | place;
}

static struct model_job *find_sub(struct model_runtime *m, uint64_t sub)
{
    struct model_job *j = &m->job[(uint32_t)sub % MODEL_JOBS];
    return j->is_live && j->is_relay && sub_of(m, j) == sub ? j : NULL;
}

static void start_relay(struct model_runtime *m, struct model_job *j,
                        const struct head_request *request)
{
    static uint8_t bytes[JOB_HEAD_BYTES_MAX];
    char url[128];
    struct head_writer w;
    if (job_producer_free(&m->up, 8) < 8)
        return;
    snprintf(url, sizeof(url), "https://sim.test/%u/%u/%u/%u", j->answer, j->id, j->bytes,
             j->depth + 1);
    head_write_request(&w, bytes, sizeof(bytes), (struct head_view){"", 0}, request->method,
                       (struct head_view){url, strlen(url)});
    write_pad(&w, j->id, request_pad(j->id));
    struct job_slot s = slot_of(j, JOB_SUB);
    if (!put_head(m, &s, bytes, head_write_end(&w)))
        return;
    m->sub_generation[j - m->job]++;
    m->relayed++;
    j->is_relay = true;
    j->sub_credit = j->reply_credit = JOB_CREDIT_INITIAL;
    j->sub_ended = j->has_all_input;
    s.flags = j->has_all_input ? JOB_F_END : 0;
    s.arg = sub_of(m, j);
    push(m, &s);
}

/* What has come of the body goes on, as far as there is credit. */
static void relay_body(struct model_runtime *m, struct model_job *j)
{
    uint32_t n = j->received - j->sub_sent;
    n = n < j->sub_credit ? n : j->sub_credit;
    n = n < JOB_HEAD_BYTES_MAX ? n : JOB_HEAD_BYTES_MAX;
    uint32_t chunks = (n + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES;
    bool is_end = j->has_all_input && j->sub_sent + n == j->received;
    if (j->sub_ended || j->reply_ended || (n == 0 && !is_end) ||
        arena_available(&m->arena_up, chunks) < chunks)
        return;
    struct job_slot s = {
        .type = JOB_SUB_BODY, .flags = is_end ? JOB_F_END : 0, .arg = sub_of(m, j), .bytes = n};
    put_body(m, &s, j->id, j->sub_sent);
    j->sub_sent += n;
    j->sub_credit -= n;
    j->sub_ended = is_end;
    push(m, &s);
}

static void on_reply(struct model_runtime *m, struct model_job *j, const struct job_slot *s)
{
    CHECK(!j->reply_ended, "a reply after its end");
    j->reply_ended = s->flags & JOB_F_END;
    switch (s->type) {
    case JOB_REPLY:
        CHECK(j->reply_head_bytes == 0 && s->bytes > 0, "reply head");
        if (!m->reply_head)
            m->reply_head = malloc(sizeof(m->reply_head[0]) * MODEL_JOBS);
        take_head(m, s, m->reply_head[j - m->job]);
        j->reply_head_bytes = s->bytes;
        break;
    case JOB_REPLY_DATA:
        CHECK(j->reply_head_bytes > 0 && s->bytes <= j->reply_credit,
              "more reply than credit, or no head");
        j->reply_credit -= s->bytes;
        check_body(m, s, j->id, j->reply_received, "reply");
        j->reply_received += s->bytes;
        break;
    case JOB_REPLY_ERROR:
        TRACE("relay of %u: error %u", j->id, (unsigned)s->arg2);
        if (s->arg2 == JOB_ERROR_SUBREQUESTS) { /* that was one too many: it answers by itself */
            CHECK(j->reply_head_bytes == 0, "a call that has an answer is over its budget");
            m->over_budget++;
            j->is_relay = false;
            break;
        }
        j->reply_error = (enum job_error)s->arg2;
        j->reply_ended = true;
        break;
    case JOB_SUB_CREDIT:
        j->sub_credit += (uint32_t)s->arg2;
        break;
    }
}

/* ---- sub-requests on the side ---- */

static uint64_t side_of(const struct model_runtime *m, const struct model_job *j)
{
    return (uint64_t)j->side.generation << 32 | (uint32_t)(MODEL_JOBS + (j - m->job));
}

static void start_side(struct model_runtime *m, struct model_job *j)
{
    uint8_t bytes[512];
    char url[128];
    struct head_writer w;
    j->wants_side = false;
    if (job_producer_free(&m->up, 8) < 8 || arena_available(&m->arena_up, 1) == 0)
        return;
    snprintf(url, sizeof(url), "https://sim.test/%u/%u/%u/%u", (unsigned)ANSWER_GENERATE, j->id,
             chance(30) ? below(200000) : below(2000), MODEL_SIDE);
    j->side.has_body = chance(40);
    head_write_request(&w, bytes, sizeof(bytes), (struct head_view){"", 0},
                       j->side.has_body ? (struct head_view){"POST", 4}
                                        : (struct head_view){"GET", 3},
                       (struct head_view){url, strlen(url)});
    j->side.generation = ++m->side_generation;
    j->side.is_live = true;
    j->side.credit = j->side.reply_credit = JOB_CREDIT_INITIAL;
    m->sides++;
    struct job_slot s = slot_of(j, JOB_SUB);
    s.flags = j->side.has_body ? 0 : JOB_F_END;
    s.arg = side_of(m, j);
    s.bytes = (uint32_t)head_write_end(&w);
    s.chunk_count = 1;
    s.chunk[0] = arena_take(&m->arena_up);
    memcpy(arena_bytes(&m->arena_up, s.chunk[0]), bytes, s.bytes);
    push(m, &s);
}

static void on_side_reply(struct model_runtime *m, const struct job_slot *s)
{
    struct model_job *j = &m->job[((uint32_t)s->arg - MODEL_JOBS) % MODEL_JOBS];
    if (!j->is_live || !j->side.is_live || side_of(m, j) != s->arg)
        return;
    switch (s->type) {
    case JOB_REPLY:
        CHECK(!j->side.has_head, "two heads for one sub-request");
        j->side.has_head = true;
        break;
    case JOB_REPLY_DATA:
        CHECK(j->side.has_head && s->bytes <= j->side.reply_credit, "more reply than credit");
        j->side.reply_credit -= s->bytes;
        check_body(m, s, j->id, j->side.received, "side reply");
        j->side.received += s->bytes;
        break;
    case JOB_SUB_CREDIT:
        j->side.credit += (uint32_t)s->arg2;
        return;
    }
    if (s->type == JOB_REPLY_ERROR || s->flags & JOB_F_END)
        j->side.is_live = false;
}

/* A piece of a body that never ends, some credit, or no more patience. */
static void work_on_side(struct model_runtime *m, struct model_job *j)
{
    if (j->wants_side && chance(20))
        start_side(m, j);
    if (!j->side.is_live)
        return;
    if (chance(5)) {
        m->abandoned++;
        j->side.is_live = false;
        push(m, &(struct job_slot){.type = JOB_SUB_CANCEL, .arg = side_of(m, j)});
        return;
    }
    uint32_t grant = below(JOB_CREDIT_INITIAL - j->side.reply_credit + 1);
    if (grant > 0) {
        j->side.reply_credit += grant;
        push(m, &(struct job_slot){.type = JOB_SUB_CREDIT, .arg = side_of(m, j), .arg2 = grant});
    }
    uint32_t n = j->side.credit < ARENA_CHUNK_BYTES ? j->side.credit : ARENA_CHUNK_BYTES;
    if (!j->side.has_body || n == 0 || arena_available(&m->arena_up, 1) == 0)
        return;
    struct job_slot s = {.type = JOB_SUB_BODY, .arg = side_of(m, j), .bytes = n};
    put_body(m, &s, j->id, j->side.sent);
    j->side.sent += n;
    j->side.credit -= n;
    push(m, &s);
}

static void linger(struct model_runtime *m, struct model_job *j)
{
    m->lingered++;
    j->lingers = true;
    j->wants_side |= j->side.generation == 0 && chance(50);
    j->done_ns = sim_now_ns + below(40) * 1000000ull;
}

/* JOB_F_LINGERS if the job lives on behind its answer or error. */
static uint8_t may_linger(struct model_runtime *m, struct model_job *j)
{
    j->is_live = m->relays && chance(10);
    if (!j->is_live)
        return 0;
    linger(m, j);
    return JOB_F_LINGERS;
}

/* The client has left: it is through with that at once, or goes on for a while. */
static void on_cancel(struct model_runtime *m, struct model_job *j)
{
    bool goes_on = m->relays && chance(30);
    j->is_cancelled = true;
    if (j->lingers)
        return; /* its answer crossed the message */
    linger(m, j);
    j->wants_side &= goes_on;
    if (!goes_on)
        j->done_ns = sim_now_ns;
    j->next_ns = sim_now_ns;
}

static void work_on_lingering(struct model_runtime *m, struct model_job *j)
{
    work_on_side(m, j);
    if (sim_now_ns < j->done_ns)
        return;
    struct job_slot s = slot_of(j, chance(80) ? JOB_DONE : JOB_ERROR);
    s.arg = s.type == JOB_ERROR ? JOB_ERROR_WALL_LIMIT : 0;
    j->is_live = false;
    push(m, &s);
}

/* Who has all bytes of an answer may close its half before the script says that these are all. */
static void on_fin(struct model_job *j)
{
    CHECK(!j->has_fin && !j->is_cancelled && (j->waits_for_fin || j->sent == j->bytes),
          "a FIN for %u.%u, behind %u bytes", j->id, j->depth, j->sent);
    j->has_fin = true;
}

static void on_start(struct model_runtime *m, const struct job_slot *s)
{
    uint8_t head[JOB_HEAD_BYTES_MAX];
    struct model_job *j = NULL;
    for (uint32_t i = 0; i < MODEL_JOBS && !j; i++)
        j = m->job[i].is_live ? NULL : &m->job[i];
    CHECK(j, "more jobs than clients");
    if (m->jobs_end < (uint32_t)(j - m->job) + 1)
        m->jobs_end = (uint32_t)(j - m->job) + 1;
    CHECK(s->arg >= m->handle_min, "script %lu was forgotten", (unsigned long)s->arg);
    take_head(m, s, head);
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
    char url[256];
    snprintf(url, sizeof(url), "%.*s", (int)request.url.len, request.url.p);
    *j = (struct model_job){.is_live = true,
                            .index = s->job,
                            .generation = s->generation,
                            .handle = s->arg,
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
    CHECK(path && sscanf(path, "/%u/%u/%u/%u", &j->answer, &j->id, &j->bytes, &j->depth) >= 3,
          "url %s", url);
    CHECK(j->answer < ANSWERS, "url %s", url);
    uint32_t padded = j->depth == MODEL_SIDE ? 0 : request_pad(j->id);
    CHECK(pad_is(pad.p, pad.len, j->id, padded), "request %u.%u: padding of %zu bytes, not %u",
          j->id, j->depth, pad.len, padded);
    if (m->relays && j->depth + 1 < MODEL_DEPTH && chance(30))
        start_relay(m, j, &request);
    j->wants_side = m->relays && j->depth < MODEL_DEPTH && chance(15);
    j->cold_us = below(2) * below(5000);
    if (m->make_us) {
        j->cold_us = 0;
        find_isolate(m, j, s->arg);
    }
    if (m->is_fragile && chance(50) && sim_now_ns + 3000000 < m->death_ns)
        m->death_ns = sim_now_ns + below(3000) * 1000ull;
    /* What it says once more of an earlier job in the same place is late, and nobody's. */
    if (s->generation > 1 && chance(3) && job_producer_free(&m->up, 8) >= 8) {
        struct job_slot late = slot_of(j, JOB_ERROR);
        late.generation--;
        late.arg = JOB_ERROR_EXCEPTION;
        push(m, &late);
    }
    if (m->started)
        m->started(m->arg, m, j->id, j->depth, s->arg, j->cold_us > 0);
}

static void on_body(struct model_runtime *m, struct model_job *j, const struct job_slot *s)
{
    CHECK(s->bytes <= j->recv_credit, "more body than credit");
    CHECK(!j->has_all_input, "body after its end");
    j->recv_credit -= s->bytes;
    check_body(m, s, j->id, j->received, "request body");
    j->received += s->bytes;
    if (s->flags & JOB_F_END) {
        CHECK(j->received == j->bytes, "a body of %u bytes, not %u", j->received, j->bytes);
        j->has_all_input = true;
    }
}

void model_runtime_read(struct model_runtime *m)
{
    struct job_slot s;
    while (m->is_up && job_consumer_pop(&m->down, &s) == JOB_RING_OK) {
        struct model_job *j = find(m, &s);
        if (s.type == JOB_START)
            on_start(m, &s);
        else if (j && s.type == JOB_BODY)
            on_body(m, j, &s);
        else if (j && s.type == JOB_CREDIT)
            j->send_credit += (uint32_t)s.arg;
        else if (j && s.type == JOB_FIN)
            on_fin(j);
        else if (j && s.type == JOB_CANCEL)
            on_cancel(m, j);
        else if (s.type == JOB_WARM)
            on_warm(m, s.arg);
        else if (s.type == JOB_REPLY || s.type == JOB_REPLY_DATA || s.type == JOB_REPLY_ERROR ||
                 s.type == JOB_SUB_CREDIT) {
            if ((uint32_t)s.arg >= MODEL_JOBS)
                on_side_reply(m, &s);
            else if ((j = find_sub(m, s.arg)))
                on_reply(m, j, &s);
        }
        for (uint32_t i = 0; i < s.chunk_count; i++)
            CHECK(arena_give_back(&m->arena_down, s.chunk[i]), "the returns ring is full");
    }
    if (m->is_up)
        job_consumer_release(&m->down);
}

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
    struct job_slot s = slot_of(j, JOB_HEAD);
    bool is_end = !j->is_relay && is_bodiless(j) && chance(70);
    head_write_response(&w, bytes, sizeof(bytes), j->answer == ANSWER_EMPTY ? 204 : 200);
    head_write_field(&w, (struct head_view){"x-id", 4}, (struct head_view){"sim", 3});
    if (j->answer == ANSWER_BAD_HEAD)
        head_write_field(&w, (struct head_view){"x-split", 7}, (struct head_view){"a\r\nb: c", 7});
    snprintf(length, sizeof(length), "%u", promised(j));
    if (j->with_length || j->answer == ANSWER_SHORT || j->answer == ANSWER_LONG)
        head_write_field(&w, (struct head_view){"content-length", 14},
                         (struct head_view){length, strlen(length)});
    write_pad(&w, j->id, answer_pad(j->id));
    bool has_room = j->is_relay ? put_head(m, &s, m->reply_head[j - m->job], j->reply_head_bytes)
                                : put_head(m, &s, bytes, head_write_end(&w));
    if (!has_room)
        return;
    s.flags = is_end ? JOB_F_END | may_linger(m, j) : 0;
    s.arg = j->cold_us;
    push(m, &s);
    j->has_head = true;
}

static void send_error(struct model_runtime *m, struct model_job *j)
{
    struct job_slot s = slot_of(j, JOB_ERROR);
    bool is_trouble = j->reply_error == JOB_ERROR_REFUSED || j->reply_error == JOB_ERROR_LOST ||
                      j->reply_error == JOB_ERROR_OVERLOAD;
    s.arg = is_trouble ? JOB_ERROR_OVERLOAD : JOB_ERROR_EXCEPTION;
    s.flags = may_linger(m, j);
    push(m, &s);
    if (m->failed && j->has_head)
        m->failed(m->arg, j->id, j->depth, j->sent);
}

static void send_data(struct model_runtime *m, struct model_job *j)
{
    struct job_slot s = slot_of(j, JOB_DATA);
    uint32_t all = is_bodiless(j) ? 0 : j->bytes;
    uint32_t can = (j->answer == ANSWER_ECHO && all ? j->received : all) - j->sent;
    uint32_t n = can < j->send_credit ? can : j->send_credit;
    uint32_t most = chance(20) ? 1 + below(50) : JOB_HEAD_BYTES_MAX;
    n = n < most ? n : most;
    uint32_t chunks = (n + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES;
    bool is_end = j->sent + n == all && (j->answer != ANSWER_ECHO || j->has_all_input);
    if (j->is_relay) {
        n = j->reply_received - j->sent;
        n = n < j->send_credit ? n : j->send_credit;
        n = n < most ? n : most;
        chunks = (n + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES;
        is_end = j->reply_ended && j->sent + n == j->reply_received;
    }
    if ((n == 0 && !is_end) || arena_available(&m->arena_up, chunks) < chunks)
        return;
    if (!j->is_relay && j->answer == ANSWER_LATE_ERROR && (is_end || chance(20))) {
        send_error(m, j);
        return;
    }
    s.bytes = n;
    put_body(m, &s, j->id, j->sent);
    s.flags = is_end ? JOB_F_END | may_linger(m, j) : 0;
    j->sent += n;
    j->send_credit -= n;
    push(m, &s);
}

/* Half of those that wait do so behind their head. */
static bool holds_back(const struct model_job *j)
{
    bool is_ahead = !j->has_head && j->id % 2 && !is_bodiless(j);
    return j->waits_for_fin && !j->has_fin && !is_ahead;
}

static void work_on_relay(struct model_runtime *m, struct model_job *j)
{
    relay_body(m, j);
    uint32_t grant = below(JOB_CREDIT_INITIAL - j->reply_credit + 1);
    if (!j->reply_ended && (grant > 0 || j->reply_credit == 0)) {
        grant = grant ? grant : 1;
        j->reply_credit += grant;
        push(m, &(struct job_slot){.type = JOB_SUB_CREDIT, .arg = sub_of(m, j), .arg2 = grant});
    }
    if (holds_back(j))
        return;
    if (j->reply_head_bytes > 0 && !j->has_head)
        send_head(m, j);
    else if (j->reply_error)
        send_error(m, j);
    if (!j->is_live || j->lingers || !j->has_head || j->reply_error)
        return;
    if (!holds_back(j) && !chance(30))
        send_data(m, j);
}

static void work_on(struct model_runtime *m, struct model_job *j)
{
    j->next_ns = sim_now_ns + below(800) * 1000ull;
    if (j->lingers) {
        work_on_lingering(m, j);
        return;
    }
    work_on_side(m, j);
    /* What was consumed is granted again, in steps of any size. */
    uint32_t grant = below(JOB_CREDIT_INITIAL - j->recv_credit + 1);
    if (j->recv_credit == 0 && grant == 0)
        grant = 1;
    if (j->is_thrifty && j->recv_credit > JOB_CREDIT_INITIAL / 2)
        grant = 0;
    if (grant > 0 && !j->has_all_input) {
        struct job_slot s = slot_of(j, JOB_CREDIT);
        s.arg = grant;
        j->recv_credit += grant;
        push(m, &s);
    }
    if (j->is_relay) {
        work_on_relay(m, j);
        return;
    }
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

/* One breach of the contract. */
static void lie(struct model_runtime *m)
{
    struct job_slot s = {.type = JOB_TYPES};
    struct model_job *j = &m->job[below(4)];
    struct job_lane_shared *lane = job_region_lane(m->region, 0);
    TRACE("the runtime lies");
    m->lies++;
    m->lie_ns = UINT64_MAX;
    switch (below(5)) {
    case 0:
        break;
    case 1:
        s = slot_of(j, JOB_DATA);
        s.job += MODEL_JOBS;
        break;
    case 2:
        s = slot_of(j, JOB_CREDIT);
        s.generation = 0;
        break;
    case 3:
        s = slot_of(j, JOB_HEAD);
        s.generation += 1000; /* late, and yet naming more chunks than there are */
        s.chunk_count = UINT8_MAX;
        break;
    case 4:
        atomic_store(&lane->up.tail, m->up.tail + 5 * JOB_RING_SLOTS);
        return;
    }
    push(m, &s);
}

bool model_runtime_work(struct model_runtime *m)
{
    if (!m->is_up) {
        if (sim_now_ns < m->back_at_ns)
            return false;
        TRACE("the runtime is back");
        attach(m);
        return true;
    }
    if (atomic_load(&m->condemned) || sim_now_ns >= m->death_ns) {
        die(m);
        return true;
    }
    if (sim_now_ns < m->stalled_until_ns || sim_now_ns < m->read_ns)
        return false;
    if (m->slow_ns)
        m->read_ns = sim_now_ns + m->slow_ns / 2 + below((uint32_t)m->slow_ns);
    /* A process of its own: what it says may cross what it has not read yet. */
    if (!chance(20))
        model_runtime_read(m);
    tell_warmed(m);
    if (sim_now_ns >= m->lie_ns) {
        lie(m);
        return false;
    }
    while (m->jobs_end > 0 && !m->job[m->jobs_end - 1].is_live)
        m->jobs_end--;
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        struct model_job *j = &m->job[i];
        if (j->is_live && sim_now_ns >= j->next_ns && job_producer_free(&m->up, 16) >= 16)
            work_on(m, j);
    }
    if (!m->make_us && chance(1) && job_producer_free(&m->up, 8) >= 8)
        push(m, &(struct job_slot){.type = chance(50) ? JOB_EVICTED : JOB_WARMED, .arg = 7});
    return false;
}

uint64_t model_runtime_next_ns(const struct model_runtime *m)
{
    if (!m->is_up)
        return m->back_at_ns;
    uint64_t next = m->death_ns < m->lie_ns ? m->death_ns : m->lie_ns;
    if (sim_now_ns < m->stalled_until_ns)
        return m->stalled_until_ns < next ? m->stalled_until_ns : next;
    if (m->slow_ns) /* what there is waits for the next look */
        return m->read_ns < next ? m->read_ns : next;
    for (uint32_t i = 0; m->owed > 0 && i < MODEL_ISOLATES && m->isolate[i].handle; i++) {
        if (m->isolate[i].is_owed && m->isolate[i].ready_ns < next)
            next = m->isolate[i].ready_ns;
    }
    for (uint32_t i = 0; i < m->jobs_end; i++) {
        if (m->job[i].is_live && m->job[i].next_ns < next)
            next = m->job[i].next_ns;
    }
    return next;
}
