/* Calls that run here: what refuses them, how long they may take, and who waits for a cell. */
#include "cells_rig.h"

#include "dataplane/call/call_state.h"
#include "dataplane/place/heat.h"

enum {
    CALLS = 64,
    CHUNKS = 1024,
    WALL_MS = 2000,
    CPU_MS = 100,
    OVERDUE_MS = WALL_MS + CPU_MS + 5000, /* docs/scripts.md */
    LINGER_MS = 60 * 1000 + CPU_MS,
};

struct origin {
    struct call_ref call;
    struct byte_queue answer;
    uint32_t errors, error, heads;
};

static struct origin origin[CALLS];

static void on_head(void *core, uint32_t owner, const struct answer_head *head)
{
    origin[owner].heads++;
}

static void on_data(void *core, uint32_t owner, const struct answer_body *body)
{
}

static void on_error(void *core, uint32_t owner, uint32_t error)
{
    origin[owner].errors++;
    origin[owner].error = error;
}

static void on_credit(void *core, uint32_t owner)
{
}

static const struct call_events call_events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};

static void drop_subs(struct core *core, struct call *c)
{
}

static void *chunks;

static int setup(void **state)
{
    rig_start(8, 2, &call_job_events, calls_look_again);
    struct core *core = rig->core;
    memset(origin, 0, sizeof(origin));
    chunks = take(CHUNKS * sizeof(struct chunk));
    chunk_pool_init(&core->chunks, chunks, CHUNKS);
    core->heat = take(sizeof(*core->heat));
    heat_init(core->heat);
    rig->world.tune = world_tune_default;
    core->calls = calls_init(take(calls_bytes(CALLS)), CALLS, drop_subs, core->now_ns);
    return 0;
}

static int teardown(void **state)
{
    free(rig->core->calls);
    free(rig->core->heat);
    free(chunks);
    return rig_end(state);
}

/* ---- what happens ---- */

static void pass(uint64_t ns)
{
    iterate(ns);
    calls_run(rig->core);
    cells_flush(rig->core);
}

static struct call *call_of(uint32_t owner)
{
    return call_at(rig->core, origin[owner].call.index);
}

/* parent: NULL: a client's. */
static void call_by(struct call *parent, uint32_t owner, uint64_t script, bool is_idempotent,
                    bool has_body)
{
    const struct world_script s = {
        .handle = script, .id_hash = script, .cpu_ms = CPU_MS, .wall_ms = WALL_MS};
    struct byte_queue head = {0};
    uint32_t error;
    assert_int_equal(byte_queue_append(&head, &rig->core->chunks, "\0\0head", 6), 6);
    assert_true(call_start(rig->core,
                           &(struct call_request){.events = &call_events,
                                                  .owner = owner,
                                                  .script = &s,
                                                  .request_id = owner + 1,
                                                  .head = &head,
                                                  .answer = &origin[owner].answer,
                                                  .has_body = has_body,
                                                  .is_idempotent = is_idempotent,
                                                  .started_ns = rig->core->now_ns,
                                                  .parent = parent,
                                                  .span = parent != NULL,
                                                  .cpu_us = CPU_MS * 1000,
                                                  .subrequests = 10},
                           &origin[owner].call, &error));
    pass(0);
}

static void request_of(uint32_t owner, uint64_t script, bool is_idempotent, bool has_body)
{
    call_by(NULL, owner, script, is_idempotent, has_body);
}

static void get(uint32_t owner, uint64_t script)
{
    request_of(owner, script, true, false);
}

static struct job_slot word(uint32_t owner, enum job_type type, uint64_t arg)
{
    struct job_ref ref = call_of(owner)->job;
    return (struct job_slot){
        .type = (uint8_t)type, .job = ref.index, .generation = ref.generation, .arg = arg};
}

static void warm(uint32_t link, uint64_t script)
{
    attach(link, script, &job_geometry_small);
    say_loaded(link, script);
    pass(0);
}

static void refuse(uint32_t owner)
{
    struct job_slot s = word(owner, JOB_ERROR, JOB_ERROR_SPENT);
    say(call_of(owner)->link, &s);
    pass(0);
}

/* The wishes are read, and forgotten. */
static void hear_all(void)
{
    struct cell_wish wish;
    while (hear(&wish))
        ;
}

static void expect_running(uint32_t owner, uint32_t link)
{
    assert_int_equal(call_of(owner)->state, CALL_LOCAL);
    assert_int_equal(call_of(owner)->link, link);
}

static void expect_over(uint32_t owner, uint32_t error)
{
    assert_int_equal(origin[owner].errors, 1);
    assert_int_equal(origin[owner].error, error);
}

/* ---- refused by a spent cell ---- */

static void what_a_spent_cell_refuses_runs_in_the_next_one(void **state)
{
    warm(0, SCRIPT);
    get(0, SCRIPT);
    request_of(1, SCRIPT, false, false);
    refuse(0);
    refuse(1);
    assert_int_equal(call_of(0)->state, CALL_PLACE);
    pass(100 * MS); /* as for any cold start */
    warm(1, SCRIPT);
    expect_running(0, 1);
    expect_running(1, 1); /* of any method: nothing of it has begun */
    assert_int_equal(rig->core->counters.job_refused, 2);
    assert_int_equal(origin[0].errors + origin[1].errors, 0);
}

static void what_is_refused_twice_is_told_so(void **state)
{
    warm(0, SCRIPT);
    warm(1, SCRIPT);
    get(0, SCRIPT);
    uint32_t first = call_of(0)->link;
    refuse(0);
    expect_running(0, 1 - first);
    refuse(0);
    expect_over(0, JOB_ERROR_OVERLOAD);
    hear_all();
    assert_int_equal(calls_live(rig->core->calls), 0);
}

static void a_post_whose_body_is_not_all_there_is_not_kept(void **state)
{
    warm(0, SCRIPT);
    request_of(0, SCRIPT, false, true);
    refuse(0);
    expect_over(0, JOB_ERROR_OVERLOAD);
}

static void where_no_other_cell_comes_the_client_is_told(void **state)
{
    warm(0, SCRIPT);
    get(0, SCRIPT);
    refuse(0);
    for (int i = 0; i < 21; i++)
        pass(100 * MS);
    expect_over(0, CALL_ERROR_NO_RUNTIME);
}

/* ---- memory ---- */

static void a_fan_out_leaves_memory_to_the_requests_of_others(void **state)
{
    struct core *core = rig->core;
    warm(0, SCRIPT);
    get(0, SCRIPT);
    for (uint32_t i = 1; i < CALLS / 2; i++)
        call_by(call_of(0), i, SCRIPT, true, false);
    assert_true(core->counters.call_no_chunks > 0);
    assert_in_range(chunk_shared(&core->chunks), CHUNKS >> CHUNK_WAITS, CHUNKS);
    assert_true(call_has_memory(core, false));
}

static void a_chain_of_calls_goes_before_requests(void **state)
{
    struct core *core = rig->core;
    struct origin other = {0};
    warm(0, SCRIPT);
    get(0, SCRIPT);
    /* Others have what they may. */
    assert_true(chunk_reserve(&core->chunks, &other.answer.account,
                              chunk_shared(&core->chunks) - (CHUNKS >> CHUNK_BEGINS), CHUNK_MUST));
    assert_false(call_has_memory(core, false));
    call_by(call_of(0), 1, SCRIPT, true, false);
    assert_int_equal(core->counters.call_no_chunks, 0);
    assert_true(call_of(1)->answer->account.floor > 0);
    byte_queue_fini(&other.answer, &core->chunks);
}

/* ---- time ---- */

static void what_its_cell_does_not_end_in_time_is_cut(void **state)
{
    warm(0, SCRIPT);
    get(0, SCRIPT);
    pass((OVERDUE_MS - 2) * MS);
    assert_int_equal(origin[0].errors, 0);
    pass(4 * MS);
    expect_over(0, JOB_ERROR_WALL_LIMIT);
    assert_int_equal(rig->core->counters.job_overdue, 1);
    assert_int_equal(calls_live(rig->core->calls), 1); /* it was asked to end */
    assert_int_equal(atomic_load(&rig->end[0].condemned), 0);
    struct job_slot done = word(0, JOB_DONE, 0);
    say(0, &done);
    pass(MS);
    assert_int_equal(calls_live(rig->core->calls), 0);
}

static void a_cell_that_does_not_even_hear_of_that_is_condemned(void **state)
{
    warm(0, SCRIPT);
    get(0, SCRIPT);
    pass((OVERDUE_MS + 2) * MS);
    pass((LINGER_MS - 1000) * MS);
    get(1, SCRIPT);
    assert_int_equal(atomic_load(&rig->end[0].condemned), 0);
    pass(1100 * MS);
    assert_int_equal(atomic_load(&rig->end[0].condemned), 1);
    assert_int_equal(rig->core->counters.job_linger_limit, 1);
    assert_int_equal(call_of(1)->state, CALL_PLACE); /* it waits for another one */
    assert_int_equal(origin[1].errors, 0);
}

static void what_moves_has_time(void **state)
{
    warm(0, SCRIPT);
    request_of(0, SCRIPT, false, true);
    for (int i = 0; i < 10; i++) {
        pass((OVERDUE_MS - 1000) * MS);
        read_all(0);
        call_body(rig->core, origin[0].call, (const uint8_t *)"b", 1, false);
    }
    assert_int_equal(origin[0].errors, 0);
    pass((OVERDUE_MS + 2) * MS);
    expect_over(0, JOB_ERROR_WALL_LIMIT);
}

/* ---- who waits for a cell ---- */

static void a_cell_wakes_those_who_wait_for_its_script_and_no_others(void **state)
{
    enum { SAME_BUCKET = SCRIPT + CALLS };
    get(0, SCRIPT);
    get(1, OTHER);
    get(2, SAME_BUCKET);
    get(3, SCRIPT);
    attach(0, SCRIPT, &job_geometry_small);
    assert_int_equal(rig->core->calls->due.count, 2);
    pass(0);
    expect_running(0, 0);
    expect_running(3, 0);
    assert_int_equal(call_of(1)->state, CALL_PLACE);
    assert_int_equal(call_of(2)->state, CALL_PLACE);
    attach(1, SAME_BUCKET, &job_geometry_small);
    pass(0);
    expect_running(2, 1);
    call_cancel(rig->core, origin[1].call);
    attach(2, OTHER, &job_geometry_small);
    assert_int_equal(rig->core->calls->due.count, 0);
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(what_a_spent_cell_refuses_runs_in_the_next_one),
        CALL_TEST(what_is_refused_twice_is_told_so),
        CALL_TEST(a_post_whose_body_is_not_all_there_is_not_kept),
        CALL_TEST(where_no_other_cell_comes_the_client_is_told),
        CALL_TEST(a_fan_out_leaves_memory_to_the_requests_of_others),
        CALL_TEST(a_chain_of_calls_goes_before_requests),
        CALL_TEST(what_its_cell_does_not_end_in_time_is_cut),
        CALL_TEST(a_cell_that_does_not_even_hear_of_that_is_condemned),
        CALL_TEST(what_moves_has_time),
        CALL_TEST(a_cell_wakes_those_who_wait_for_its_script_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
