/* The dp core's side of the job border, with an honest runtime; a lying one: test_runtime_lies.c.
 * */
#include "tests/unit/dataplane/call/link_end.h"

static void answers_head_and_body_in_one_event(void **state)
{
    struct link_rig *r = rig_create(4);
    assert_int_equal(rig_start(r, 0, false), JOB_STARTED);
    struct job_slot start = end_receive(r);
    assert_int_equal(start.type, JOB_START);
    assert_int_equal(start.flags, JOB_F_END);
    assert_int_equal(start.arg, 77);
    assert_string_equal((const char *)arena_view(&r->arena_down, start.chunk[0]),
                        "an encoded head");
    end_send_head(r, &start, 0);
    struct job_slot data = end_reply_to(&start, JOB_DATA, JOB_F_END);
    end_fill(r, &data, "hello", 5);
    end_send(r, &data);
    assert_int_equal(job_link_poll(&r->link, 16), 2);
    assert_int_equal(r->owner[0].heads, 1);
    assert_int_equal(r->owner[0].datas, 0);
    assert_int_equal(r->owner[0].ends, 1);
    assert_memory_equal(r->owner[0].body, "hello", 5);
    assert_int_equal(r->link.live_jobs, 0);
    assert_int_equal(arena_available(&r->arena_up), r->geometry->chunks);
    rig_destroy(r);
}

static void streams_a_body_under_credit(void **state)
{
    struct link_rig *r = rig_create(4);
    static char block[JOB_HEAD_BYTES_MAX];
    rig_start(r, 0, false);
    struct job_slot start = end_receive(r);
    end_send_head(r, &start, 0);
    for (int i = 0; i < JOB_ANSWER_CREDIT_INITIAL / JOB_HEAD_BYTES_MAX; i++) {
        struct job_slot data = end_reply_to(&start, JOB_DATA, 0);
        end_fill(r, &data, block, sizeof(block));
        end_send(r, &data);
    }
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].body_bytes, JOB_ANSWER_CREDIT_INITIAL);
    assert_int_equal(job_link_outstanding(&r->link, r->owner[0].ref), 0);
    job_link_credit(&r->link, r->owner[0].ref, 10);
    struct job_slot credit = end_receive(r);
    assert_int_equal(credit.type, JOB_CREDIT);
    assert_int_equal(credit.arg, 10);
    struct job_slot data = end_reply_to(&start, JOB_DATA, JOB_F_END);
    end_fill(r, &data, block, 11); /* one more than granted */
    end_send(r, &data);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].losts, 1);
    assert_int_equal(r->counters.job_bad_message, 1);
    assert_int_equal(atomic_load(&r->condemned), 1);
    rig_destroy(r);
}

static void sends_a_request_body_under_credit(void **state)
{
    struct link_rig *r = rig_create(4);
    static uint8_t body[JOB_CREDIT_INITIAL + 100];
    bool ended;
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7);
    rig_start(r, 0, true);
    struct job_slot start = end_receive(r);
    assert_int_equal(start.flags, 0);
    struct job_ref ref = r->owner[0].ref;
    assert_int_equal(job_link_body(&r->link, ref, body, sizeof(body), true, &ended),
                     JOB_CREDIT_INITIAL);
    assert_false(ended);
    struct job_slot credit = end_reply_to(&start, JOB_CREDIT, 0);
    credit.arg = 4096;
    end_send(r, &credit);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].credits, 1);
    assert_int_equal(job_link_body(&r->link, ref, body + JOB_CREDIT_INITIAL, 100, true, &ended),
                     100);
    assert_true(ended);
    size_t at = 0;
    for (;;) {
        struct job_slot s = end_receive(r);
        if (s.type == JOB_NONE)
            break;
        assert_int_equal(s.type, JOB_BODY);
        size_t left = s.bytes;
        for (uint32_t i = 0; i < s.chunk_count; i++) {
            size_t part = left < ARENA_CHUNK_BYTES ? left : ARENA_CHUNK_BYTES;
            assert_memory_equal(arena_view(&r->arena_down, s.chunk[i]), body + at, part);
            at += part;
            left -= part;
        }
        assert_int_equal(!!(s.flags & JOB_F_END), at == sizeof(body));
    }
    assert_int_equal(at, sizeof(body));
    rig_destroy(r);
}

static void late_messages_are_counted_not_punished(void **state)
{
    struct link_rig *r = rig_create(4);
    rig_start(r, 0, false);
    struct job_slot start = end_receive(r);
    job_link_abandon(&r->link, r->owner[0].ref);
    r->owner[0].is_live = false;
    rig_start(r, 1, false); /* the same job index, another generation */
    end_send_head(r, &start, JOB_F_END);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->counters.job_late, 1);
    assert_int_equal(r->counters.job_bad_message, 0);
    assert_int_equal(r->owner[1].heads, 0);
    assert_int_equal(arena_available(&r->arena_up), r->geometry->chunks);
    rig_destroy(r);
}

static void refuses_when_the_table_is_full_and_recovers(void **state)
{
    struct link_rig *r = rig_create(2);
    assert_int_equal(rig_start(r, 0, false), JOB_STARTED);
    assert_int_equal(rig_start(r, 1, false), JOB_STARTED);
    assert_int_equal(rig_start(r, 2, false), JOB_TABLE_FULL);
    struct job_slot start = end_receive(r);
    struct job_slot error = end_reply_to(&start, JOB_ERROR, 0);
    error.arg = JOB_ERROR_CPU_LIMIT;
    end_send(r, &error);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].error, JOB_ERROR_CPU_LIMIT);
    assert_int_equal(rig_start(r, 2, false), JOB_STARTED);
    rig_detach(r);
    assert_int_equal(r->owner[1].losts + r->owner[2].losts, 2);
    assert_int_equal(rig_start(r, 3, false), JOB_NO_RUNTIME);
    rig_attach(r);
    assert_int_equal(rig_start(r, 3, false), JOB_STARTED);
    rig_destroy(r);
}

static void what_ran_at_the_end_is_suspect(void **state)
{
    static const struct {
        const char *what;
        uint64_t script;
        uint32_t
            job; /* 1 to 3: the first to the third; 4: a fourth, of long ago; 0: no job's turn */
        bool is_suspect[3];
    } rows[] = {
        {"the first job", 77, 1, {true, false, false}},
        {"the third job", 77, 3, {false, false, true}},
        {"another script's", 88, 2, {false, true, false}},
        {"a script, but no job of it", 77, 0, {true, false, true}},
        {"a job that is over", 77, 4, {false, false, false}},
        {"a job, but not its script", 88, 1, {false, false, false}},
        {"nothing", 0, 0, {false, false, false}},
        {"a script that has no job here", 99, 0, {false, false, false}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct link_rig *r = rig_create(4);
        rig_start_script(r, 0, 77, false);
        rig_start_script(r, 1, 88, false);
        rig_start_script(r, 2, 77, true);
        uint32_t n = rows[i].job;
        struct job_ref ref = n >= 1 && n <= 3 ? r->owner[n - 1].ref : (struct job_ref){0, 99};
        job_link_detach(&r->link,
                        (struct job_blame){.script = rows[i].script,
                                           .job = n ? job_name(0, ref.index, ref.generation) : 0});
        uint32_t suspects = 0;
        for (int owner = 0; owner < 3; owner++) {
            if (r->owner[owner].losts != 1 ||
                (r->owner[owner].suspected_of != JOB_ERROR_NONE) != rows[i].is_suspect[owner])
                fail_msg("%s: job %d", rows[i].what, owner + 1);
            suspects += rows[i].is_suspect[owner];
        }
        assert_int_equal(r->counters.job_suspect, suspects);
        rig_destroy(r);
    }
}

static void a_suspect_is_told_the_limit_that_ended_its_process(void **state)
{
    static const struct {
        enum job_error error, told;
    } rows[] = {{JOB_ERROR_NONE, JOB_ERROR_LOST},
                {JOB_ERROR_CPU_LIMIT, JOB_ERROR_CPU_LIMIT},
                {JOB_ERROR_MEMORY_LIMIT, JOB_ERROR_MEMORY_LIMIT}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct link_rig *r = rig_create(4);
        rig_start_script(r, 0, 77, false);
        rig_start_script(r, 1, 77, false);
        struct job_ref ref = r->owner[1].ref;
        job_link_detach(&r->link, (struct job_blame){.script = 77,
                                                     .job = job_name(0, ref.index, ref.generation),
                                                     .error = rows[i].error});
        assert_int_equal(r->owner[0].suspected_of, JOB_ERROR_NONE);
        assert_int_equal(r->owner[1].suspected_of, rows[i].told);
        rig_destroy(r);
    }
}

static void a_refusal_is_told_of_the_link_and_ends_the_job(void **state)
{
    struct link_rig *r = rig_create(4);
    rig_start(r, 0, true);
    struct job_slot start = end_receive(r), s = end_reply_to(&start, JOB_ERROR, JOB_F_LINGERS);
    s.arg = JOB_ERROR_SPENT;
    end_send(r, &s);
    job_link_poll(&r->link, 16);
    assert_int_equal(r->spents, 1);
    assert_int_equal(r->owner[0].error, JOB_ERROR_SPENT);
    assert_false(r->owner[0].lingers); /* nothing of it has begun */
    assert_int_equal(r->link.live_jobs, 0);
    rig_destroy(r);
}

static void a_link_that_is_condemned_loses_its_jobs_once(void **state)
{
    struct link_rig *r = rig_create(4);
    rig_start(r, 0, false);
    job_link_condemn(&r->link);
    job_link_condemn(&r->link);
    assert_int_equal(r->owner[0].losts, 1);
    assert_int_equal(atomic_load(&r->condemned), 1);
    assert_int_equal(r->counters.job_bad_message, 0);
    rig_destroy(r);
}

static void a_process_that_lies_is_asked_for_its_suspect_at_once(void **state)
{
    struct link_rig *r = rig_create(4);
    struct job_region_header *header = r->region;
    rig_start_script(r, 0, 77, false);
    rig_start_script(r, 1, 88, false);
    atomic_store(&header->executing.script, 88);
    end_send(r, &(struct job_slot){.type = JOB_TYPES});
    job_link_poll(&r->link, 16);
    assert_int_equal(r->counters.job_bad_message, 1);
    assert_true(r->owner[0].losts == 1 && !r->owner[0].suspected_of);
    assert_true(r->owner[1].losts == 1 && r->owner[1].suspected_of);
    rig_destroy(r);
}

static void keeps_a_ring_reserve_for_control(void **state)
{
    struct link_rig *r = rig_create(JOB_JOBS_MAX);
    int started = 0;
    while (rig_start(r, 0, false) == JOB_STARTED)
        started++;
    assert_true(started > (int)r->geometry->slots / 2 && started < (int)r->geometry->slots);
    struct job_ref ref = {.index = 0, .generation = r->link.job[0].generation};
    job_link_cancel(&r->link, ref);
    int messages = 0;
    struct job_slot last = {0}, s;
    while ((s = end_receive(r)).type != JOB_NONE) {
        last = s;
        messages++;
    }
    assert_int_equal(messages, started + 1);
    assert_int_equal(last.type, JOB_CANCEL);
    rig_destroy(r);
}

static void tells_that_a_client_closed_its_half(void **state)
{
    struct link_rig *r = rig_create(JOB_JOBS_MAX);
    rig_start(r, 0, false);
    struct job_slot start = end_receive(r);
    struct job_ref ref = r->owner[0].ref;
    assert_true(job_link_fin(&r->link, ref));
    struct job_slot fin = end_receive(r);
    assert_int_equal(fin.type, JOB_FIN);
    assert_true(fin.job == start.job && fin.generation == start.generation);
    while (job_link_credit(&r->link, ref, 1))
        ;
    assert_false(job_link_fin(&r->link, ref)); /* the ring is full */
    assert_int_equal(end_receive(r).type, JOB_CREDIT);
    job_consumer_release(&r->down);
    assert_true(job_link_fin(&r->link, ref));
    assert_false(job_link_cancel(&r->link, ref)); /* full again */
    assert_int_equal(end_receive(r).type, JOB_CREDIT);
    job_consumer_release(&r->down);
    rig_cancel(r, 0);
    assert_true(job_link_cancel(&r->link, ref)); /* it is told once */
    while (end_receive(r).type != JOB_NONE)
        ;
    assert_true(job_link_fin(&r->link, ref)); /* nobody waits for it */
    assert_int_equal(end_receive(r).type, JOB_NONE);
    rig_destroy(r);
}

static void tells_that_its_script_is_warm(void **state)
{
    struct link_rig *r = rig_create(4);
    end_send(r, &(struct job_slot){.type = JOB_WARMED, .arg = 5, .arg2 = 1ull << 40});
    job_link_poll(&r->link, 16);
    assert_true(r->warmeds == 1 && r->warmed_script == 5 && r->warmed_us == UINT32_MAX);
    rig_destroy(r);
}

/* What became of it is not to be seen through the table that another link has now. */
static void a_link_that_broke_the_contract_is_down_and_touches_nothing(void **state)
{
    struct link_rig *r = rig_create(4);
    bool ended;
    rig_start(r, 0, true);
    struct job_ref old = r->owner[0].ref;
    end_send(r, &(struct job_slot){.type = JOB_TYPES});
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].losts, 1);
    memset(r->table, 0xff, job_link_table_bytes(r->geometry));
    memset(r->region, 0xff, r->region_bytes);
    assert_int_equal(rig_start(r, 1, false), JOB_NO_RUNTIME);
    assert_int_equal(job_link_body_room(&r->link, old), 0);
    assert_int_equal(job_link_body(&r->link, old, NULL, 0, true, &ended), 0);
    assert_true(job_link_credit(&r->link, old, 1)); /* nobody is owed any */
    job_link_flush(&r->link);
    rig_detach(r);
    assert_int_equal(r->owner[0].losts, 1);
    for (size_t i = 0; i < r->region_bytes; i++)
        assert_int_equal(((uint8_t *)r->region)[i], 0xff);
    rig_destroy(r);
}

static void a_head_tells_that_its_script_is_warm(void **state)
{
    static const struct {
        const char *what;
        uint64_t start, us;
    } rows[] = {
        {"it was there", JOB_START_WARM, 0},
        {"another job's start", JOB_START_WARMING, 0},
        {"its own start", 700, 700},
        {"a start of no sane length", UINT64_MAX, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct link_rig *r = rig_create(4);
        rig_start(r, 0, false);
        struct job_slot start = end_receive(r), head = end_reply_to(&start, JOB_HEAD, JOB_F_END);
        head.arg = rows[i].start;
        end_fill(r, &head, "head", 4);
        end_send(r, &head);
        job_link_poll(&r->link, 16);
        if (r->warmeds != 1 || r->warmed_script != 77 || r->warmed_us != rows[i].us)
            fail_msg("%s", rows[i].what);
        rig_destroy(r);
    }
}

static void a_small_link_takes_at_most_9_kb(void **state)
{
    size_t table = job_link_table_bytes(&job_geometry_small);
    assert_in_range(sizeof(struct job_link) + table, 1, 9 * 1024);
}

/* Today's jobs are not tomorrow's, though the table is another one. */
static void a_ref_of_an_earlier_end_stays_dead(void **state)
{
    struct link_rig *r = rig_create_of(4, &job_geometry_small);
    rig_start(r, 0, true);
    struct job_ref old = r->owner[0].ref;
    job_link_detach(&r->link, (struct job_blame){0});
    assert_int_equal(r->owner[0].losts, 1);
    assert_int_equal(job_link_body_room(&r->link, old), 0);
    struct job_link_end end = {.region = r->region,
                               .geometry = *r->geometry,
                               .wake_fd = r->wake_fd,
                               .condemned = &r->condemned,
                               .table = r->table};
    job_link_attach(&r->link, &end);
    rig_start(r, 1, true);
    assert_int_equal(r->owner[1].ref.index, old.index);
    assert_int_equal(job_link_body_room(&r->link, old), 0);
    job_link_cancel(&r->link, old);
    assert_int_equal(r->link.live_jobs, 1);
    rig_destroy(r);
}

/* ---- sub-requests, lingering jobs, spans ---- */

enum { SUB_5 = 5 };

static const uint64_t sub_name = 9ull << 32 | SUB_5;

static void send_sub(struct link_rig *r, uint8_t flags)
{
    struct job_ref ref = r->owner[0].ref;
    uint32_t chunk = arena_take(&r->arena_up);
    end_send(r, &(struct job_slot){.type = JOB_SUB,
                                   .flags = flags,
                                   .job = ref.index,
                                   .generation = ref.generation,
                                   .arg = sub_name,
                                   .arg2 = 2500ull << 32 | 1,
                                   .chunk_count = 1,
                                   .bytes = 10,
                                   .chunk = {chunk}});
    job_link_poll(&r->link, 16);
}

static void a_sub_request_is_answered_under_its_credit(void **state)
{
    struct link_rig *r = rig_create(4);
    rig_start(r, 0, false);
    end_receive(r);
    send_sub(r, 0);
    struct rig_sub *s = &r->sub[0];
    assert_true(s->is_live && s->slot == SUB_5 && s->binding == 1 && s->head_bytes == 10);
    uint32_t chunk = arena_take(&r->arena_up);
    end_send(r, &(struct job_slot){.type = JOB_SUB_BODY,
                                   .flags = JOB_F_END,
                                   .arg = sub_name,
                                   .chunk_count = 1,
                                   .bytes = 7,
                                   .chunk = {chunk}});
    job_link_poll(&r->link, 16);
    assert_true(s->has_ended && s->body_bytes == 7);
    assert_true(job_link_reply(&r->link, SUB_5, (const uint8_t *)"head", 4, false));
    assert_int_equal(job_link_reply_room(&r->link, SUB_5), JOB_HEAD_BYTES_MAX);
    assert_true(job_link_reply_data(&r->link, SUB_5, (const uint8_t *)"data", 4, true));
    struct job_slot m = end_receive(r);
    assert_true(m.type == JOB_REPLY && m.arg == sub_name && m.bytes == 4 && !(m.flags & JOB_F_END));
    m = end_receive(r);
    assert_true(m.type == JOB_REPLY_DATA && m.arg == sub_name && (m.flags & JOB_F_END));
    /* It is over: what still comes is late. */
    end_send(r, &(struct job_slot){.type = JOB_SUB_CREDIT, .arg = sub_name, .arg2 = 5});
    job_link_poll(&r->link, 16);
    assert_int_equal(r->counters.job_late, 1);
    assert_int_equal(atomic_load(&r->condemned), 0);
    rig_destroy(r);
}

static void a_sub_request_that_breaks_the_contract_condemns(void **state)
{
    static const struct {
        const char *what;
        struct job_slot slot;
    } rows[] = {
        {"a name that is taken", {.type = JOB_SUB, .arg = sub_name, .chunk_count = 1, .bytes = 1}},
        {"a body over its credit",
         {.type = JOB_SUB_BODY, .arg = sub_name, .chunk_count = 8, .bytes = 8 * ARENA_CHUNK_BYTES}},
        {"credit beyond all memory", {.type = JOB_SUB_CREDIT, .arg = sub_name, .arg2 = 1ull << 40}},
        {"an index beyond the table", {.type = JOB_SUB_CANCEL, .arg = 9ull << 32 | JOB_SUBS_MAX}},
        {"no generation", {.type = JOB_SUB_CANCEL, .arg = SUB_5}},
        {"a binding beyond all tables",
         {.type = JOB_SUB,
          .arg = 9ull << 32 | 6,
          .arg2 = JOB_BINDING_WORLD + 1,
          .chunk_count = 1,
          .bytes = 1}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct link_rig *r = rig_create(4);
        rig_start(r, 0, false);
        send_sub(r, 0);
        struct job_slot s = rows[i].slot;
        s.job = r->owner[0].ref.index;
        s.generation = r->owner[0].ref.generation;
        int times = s.type == JOB_SUB_BODY ? 3 : 1; /* 96 KiB at a credit of 64 */
        for (int k = 0; k < times; k++) {
            for (uint32_t c = 0; c < s.chunk_count; c++)
                s.chunk[c] = arena_take(&r->arena_up);
            end_send(r, &s);
        }
        job_link_poll(&r->link, 16);
        if (!atomic_load(&r->condemned))
            fail_msg("%s: let pass", rows[i].what);
        assert_int_equal(r->sub[0].cancels, 1); /* its owner was told */
        rig_destroy(r);
    }
}

/* What a runtime may say of a job whose client has left, until one of it is the last. */
static void a_cancelled_job_has_one_last_message(void **state)
{
    static const struct {
        const char *what;
        enum job_type type[3];
        uint8_t flags[3];
        bool is_fine;
    } rows[] = {
        {"it is through at once", {JOB_DONE}, {0}, true},
        {"its head crossed the cancel", {JOB_HEAD, JOB_DONE}, {0}, true},
        {"its whole answer crossed it", {JOB_HEAD}, {JOB_F_END}, true},
        {"head and data crossed it", {JOB_HEAD, JOB_DATA}, {0, JOB_F_END}, true},
        {"it lingered already", {JOB_HEAD, JOB_DONE}, {JOB_F_END | JOB_F_LINGERS}, true},
        {"its error crossed it", {JOB_ERROR}, {0}, true},
        {"its error crossed it, and it lingers", {JOB_ERROR, JOB_DONE}, {JOB_F_LINGERS}, true},
        {"it fails behind its answer", {JOB_HEAD, JOB_ERROR}, {JOB_F_END | JOB_F_LINGERS}, true},
        {"credit crossed it", {JOB_CREDIT, JOB_DONE}, {0}, true},
        {"its last message twice", {JOB_DONE, JOB_DONE}, {0}, true}, /* the second is late */
        {"data without a head", {JOB_DATA}, {0}, false},
        {"two heads", {JOB_HEAD, JOB_HEAD}, {0}, false},
        {"data behind the end", {JOB_HEAD, JOB_DATA}, {JOB_F_END | JOB_F_LINGERS}, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct link_rig *r = rig_create(4);
        rig_start(r, 0, true);
        struct job_slot start = end_receive(r);
        rig_cancel(r, 0);
        assert_int_equal(end_receive(r).type, JOB_CANCEL);
        assert_int_equal(r->link.live_jobs, 1);
        assert_int_equal(job_link_body_room(&r->link, r->owner[0].ref), 0);
        for (int k = 0; k < 3 && rows[i].type[k]; k++) {
            struct job_slot s = end_reply_to(&start, rows[i].type[k], rows[i].flags[k]);
            s.arg = s.type == JOB_ERROR ? JOB_ERROR_EXCEPTION : 1;
            if (s.type == JOB_HEAD)
                end_send_head(r, &start, rows[i].flags[k]);
            else
                end_send(r, &s);
            job_link_poll(&r->link, 16);
        }
        bool is_fine = r->owner[0].dones == 1 && !atomic_load(&r->condemned);
        if (is_fine != rows[i].is_fine || r->link.live_jobs != 0)
            fail_msg("%s: %u jobs, %d dones", rows[i].what, r->link.live_jobs, r->owner[0].dones);
        rig_destroy(r);
    }
}

static void a_job_that_fails_may_linger(void **state)
{
    struct link_rig *r = rig_create(4);
    rig_start(r, 0, false);
    struct job_slot start = end_receive(r), error = end_reply_to(&start, JOB_ERROR, JOB_F_LINGERS);
    error.arg = JOB_ERROR_NOT_RESPONSE;
    end_send(r, &error);
    job_link_poll(&r->link, 16);
    assert_true(r->owner[0].errors == 1 && r->owner[0].lingers && r->link.live_jobs == 1);
    struct job_slot done = end_reply_to(&start, JOB_DONE, 0);
    end_send(r, &done);
    job_link_poll(&r->link, 16);
    assert_true(r->owner[0].dones == 1 && r->link.live_jobs == 0);
    assert_int_equal(atomic_load(&r->condemned), 0);
    rig_destroy(r);
}

/* With its calls, the end of its answer, and its own: whoever waits for it or not. What such a word
 * is worth is the budget's business. */
static void a_job_says_what_cpu_time_it_has_used(void **state)
{
    static const struct {
        const char *what;
        enum job_type type;
        uint8_t flags;
        bool has_head, is_cancelled, is_said;
    } row[] = {
        {"its whole answer is a head", JOB_HEAD, JOB_F_END, false, false, true},
        {"a head whose body is to come", JOB_HEAD, 0, false, false, false},
        {"the last of its body", JOB_DATA, JOB_F_END, true, false, true},
        {"the last but for waitUntil", JOB_DATA, JOB_F_END | JOB_F_LINGERS, true, false, true},
        {"some of its body", JOB_DATA, 0, true, false, false},
        {"an error", JOB_ERROR, 0, false, false, true},
        {"an error behind which it lingers", JOB_ERROR, JOB_F_LINGERS, true, false, true},
        {"its end for a client that has left", JOB_DONE, 0, false, true, true},
        {"an answer that nobody wants", JOB_HEAD, JOB_F_END, false, true, true},
    };
    static const uint64_t said_us[] = {1500, 0, UINT64_MAX};
    for (size_t i = 0; i < 3 * sizeof(row) / sizeof(row[0]); i++) {
        struct link_rig *r = rig_create(4);
        uint64_t us = said_us[i % 3];
        rig_start(r, 0, false);
        struct job_slot start = end_receive(r);
        r->owner[0].cpu_us = 7;
        if (row[i / 3].has_head)
            end_send_head(r, &start, 0);
        if (row[i / 3].is_cancelled)
            rig_cancel(r, 0);
        struct job_slot s = end_reply_to(&start, row[i / 3].type, row[i / 3].flags);
        s.arg = s.type == JOB_ERROR ? JOB_ERROR_EXCEPTION : 0;
        s.arg2 = us;
        if (s.type == JOB_HEAD)
            end_fill(r, &s, "head", 4);
        end_send(r, &s);
        job_link_poll(&r->link, 16);
        if (r->owner[0].cpu_us != (row[i / 3].is_said ? us : 7) || atomic_load(&r->condemned))
            fail_msg("%s: %lu us", row[i / 3].what, (unsigned long)r->owner[0].cpu_us);
        rig_destroy(r);
    }
}

static void a_job_lingers_behind_its_answer(void **state)
{
    struct link_rig *r = rig_create(4);
    rig_start(r, 0, false);
    struct job_ref ref = r->owner[0].ref;
    uint32_t chunk = arena_take(&r->arena_up);
    end_send(r, &(struct job_slot){.type = JOB_SPAN,
                                   .job = ref.index,
                                   .generation = ref.generation,
                                   .chunk = {1, 2, 3}});
    end_send(r, &(struct job_slot){.type = JOB_HEAD,
                                   .flags = JOB_F_END | JOB_F_LINGERS,
                                   .job = ref.index,
                                   .generation = ref.generation,
                                   .chunk_count = 1,
                                   .bytes = 4,
                                   .chunk = {chunk}});
    job_link_poll(&r->link, 16);
    assert_true(r->owner[0].ends == 1 && r->owner[0].spans == 1 && r->owner[0].lingers);
    send_sub(r, JOB_F_END);
    assert_true(r->sub[0].is_live && r->owner[0].cpu_us == 2500);
    job_link_forget_sub(&r->link, SUB_5);
    r->sub[0].is_live = false;
    end_send(r,
             &(struct job_slot){.type = JOB_DONE, .job = ref.index, .generation = ref.generation});
    job_link_poll(&r->link, 16);
    assert_int_equal(r->owner[0].dones, 1);
    assert_int_equal(r->link.live_jobs, 0);
    assert_int_equal(atomic_load(&r->condemned), 0);
    rig_destroy(r);
}

/* ---- queueing delay ---- */

enum { US = 1000, MS = 1000 * 1000 };

static uint64_t look_at(struct link_rig *r, uint64_t now_ns)
{
    r->now_ns = now_ns;
    return job_link_look(&r->link, now_ns);
}

static void take_all(struct link_rig *r)
{
    end_receive(r);
    job_consumer_release(&r->down);
}

static void measures_how_long_a_start_waits(void **state)
{
    struct link_rig *r = rig_create(4);
    look_at(r, 1 * MS);
    rig_start(r, 0, false);
    job_link_flush(&r->link);
    assert_int_equal(look_at(r, 1 * MS + 700 * US), 700 * US); /* it still waits */
    take_all(r);
    assert_int_equal(look_at(r, 1 * MS + 900 * US), 700 * US);
    rig_destroy(r);
}

static void a_start_after_a_sleep_has_waited_only_since_then(void **state)
{
    struct link_rig *r = rig_create(4);
    job_link_poll(&r->link, 16);
    look_at(r, 1 * MS);
    r->now_ns = 100 * MS; /* the core slept until a frame came */
    rig_start(r, 0, false);
    job_link_flush(&r->link);
    assert_int_equal(look_at(r, 100 * MS + 10 * US), 10 * US);
    rig_destroy(r);
}

static void what_the_runtime_took_while_the_core_slept_did_not_wait(void **state)
{
    struct link_rig *r = rig_create(4);
    look_at(r, 1 * MS);
    rig_start(r, 0, false);
    job_link_flush(&r->link);
    take_all(r); /* at once; its handler awaits something for 80 ms */
    assert_int_equal(look_at(r, 81 * MS), 0);
    rig_destroy(r);
}

static void a_queue_that_has_been_empty_for_a_while_has_no_delay(void **state)
{
    struct link_rig *r = rig_create(4);
    look_at(r, 1 * MS);
    rig_start(r, 0, false);
    rig_start(r, 1, false);
    job_link_flush(&r->link);
    assert_int_equal(look_at(r, 700 * MS), 699 * MS);
    end_receive(r);
    assert_int_equal(look_at(r, 701 * MS), 699 * MS);
    assert_int_equal(look_at(r, 801 * MS), 699 * MS); /* the other START waits still */
    end_receive(r);
    assert_int_equal(look_at(r, 801 * MS + 100 * US), 0);
    rig_destroy(r);
}

static void wakes_the_process_only_when_it_sleeps(void **state)
{
    struct link_rig *r = rig_create(4);
    struct job_region_header *h = r->region;
    uint64_t n;
    rig_start(r, 0, false);
    job_link_flush(&r->link);
    assert_int_equal(read(r->wake_fd, &n, sizeof(n)), -1);
    atomic_store(&h->runtime_asleep.asleep, 1);
    rig_start(r, 1, false);
    rig_start(r, 2, false);
    job_link_flush(&r->link);
    assert_int_equal(read(r->wake_fd, &n, sizeof(n)), sizeof(n));
    assert_int_equal(n, 1);
    assert_int_equal(atomic_load(&h->runtime_asleep.asleep), 0);
    rig_destroy(r);
}

static void what_a_message_has_room_for_is_taken_whole(void **state)
{
    struct link_rig *r = rig_create(4);
    static uint8_t body[JOB_HEAD_BYTES_MAX];
    bool ended;
    rig_start(r, 0, true);
    for (size_t room; (room = job_link_body_room(&r->link, r->owner[0].ref)) > 0;) {
        size_t len = room < 100 ? room : 100;
        assert_true(room <= JOB_HEAD_BYTES_MAX);
        assert_int_equal(job_link_body(&r->link, r->owner[0].ref, body, len, false, &ended), len);
    }
    rig_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_head_and_body_in_one_event),
        cmocka_unit_test(streams_a_body_under_credit),
        cmocka_unit_test(sends_a_request_body_under_credit),
        cmocka_unit_test(late_messages_are_counted_not_punished),
        cmocka_unit_test(refuses_when_the_table_is_full_and_recovers),
        cmocka_unit_test(what_ran_at_the_end_is_suspect),
        cmocka_unit_test(a_suspect_is_told_the_limit_that_ended_its_process),
        cmocka_unit_test(a_refusal_is_told_of_the_link_and_ends_the_job),
        cmocka_unit_test(a_link_that_is_condemned_loses_its_jobs_once),
        cmocka_unit_test(a_process_that_lies_is_asked_for_its_suspect_at_once),
        cmocka_unit_test(keeps_a_ring_reserve_for_control),
        cmocka_unit_test(tells_that_a_client_closed_its_half),
        cmocka_unit_test(tells_that_its_script_is_warm),
        cmocka_unit_test(a_link_that_broke_the_contract_is_down_and_touches_nothing),
        cmocka_unit_test(a_head_tells_that_its_script_is_warm),
        cmocka_unit_test(a_small_link_takes_at_most_9_kb),
        cmocka_unit_test(a_ref_of_an_earlier_end_stays_dead),
        cmocka_unit_test(a_sub_request_is_answered_under_its_credit),
        cmocka_unit_test(a_sub_request_that_breaks_the_contract_condemns),
        cmocka_unit_test(a_cancelled_job_has_one_last_message),
        cmocka_unit_test(a_job_that_fails_may_linger),
        cmocka_unit_test(a_job_says_what_cpu_time_it_has_used),
        cmocka_unit_test(a_job_lingers_behind_its_answer),
        cmocka_unit_test(measures_how_long_a_start_waits),
        cmocka_unit_test(a_start_after_a_sleep_has_waited_only_since_then),
        cmocka_unit_test(what_the_runtime_took_while_the_core_slept_did_not_wait),
        cmocka_unit_test(a_queue_that_has_been_empty_for_a_while_has_no_delay),
        cmocka_unit_test(wakes_the_process_only_when_it_sleeps),
        cmocka_unit_test(what_a_message_has_room_for_is_taken_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
