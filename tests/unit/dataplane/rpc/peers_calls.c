/* Where a core sends a request, and what it takes for a reason not to. */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "dataplane/call/call.h"
#include "dataplane/call/serve.h"
#include "dataplane/rpc/peers.h"
#include "runtime/head.h"
#include "tests/sim/hog.h"

static struct byte_queue answer;
static uint32_t answers, errors, last_error;

static void on_head(void *core, uint32_t owner, const struct answer_head *head)
{
    answers++;
}

static void on_data(void *core, uint32_t owner, const struct answer_body *body)
{
}

static void on_error(void *core, uint32_t owner, uint32_t error)
{
    errors++;
    last_error = error;
}

static void on_credit(void *core, uint32_t owner)
{
}

static const struct call_events events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};

static uint32_t script_of(const struct rig *r, uint32_t home)
{
    uint32_t script = 0;
    while (cluster_home(&r->c, script) != home)
        script++;
    return script;
}

static void want_of_chunks_is_no_dead_home(void **state)
{
    struct rig *r = rig_start(2, 2);
    struct core *core = core_of(r, 0);
    uint32_t script = script_of(r, 1), error = 0;
    struct byte_queue head = rig_make_head(core, script, "POST");
    struct call_ref ref;
    struct hog hog = {0};
    hog_take(&hog, &core->chunks, 0);
    core->now_ns = clock_now_ns(core->config.clock);
    struct call_request request = {.events = &events,
                                   .script = &core->world->scripts[script],
                                   .request_id = core_next_request_id(core),
                                   .head = &head,
                                   .answer = &answer,
                                   .started_ns = core->now_ns};
    answers = errors = 0;
    assert_true(call_start(core, &request, &ref, &error)); /* it waits */
    assert_int_equal(call_home(core, ref), 1);
    assert_int_equal(core->counters.call_no_chunks, 1);
    rig_run(r, 100);
    assert_int_equal(core->counters.place_here, 0);
    assert_int_equal(core->counters.place_home, 0);
    hog_give(&hog, &core->chunks);
    rig_run(r, 300);
    assert_int_equal(core->counters.place_here, 0);
    assert_int_equal(core->counters.place_home, 1);
    assert_int_equal(core->counters.call_no_chunks, 1);
    assert_int_equal(answers + errors, 1);
    assert_int_equal(calls_live(core->calls), 0);
    rig_free(r);
}

static void a_request_that_finds_no_chunks_in_time_is_refused(void **state)
{
    struct rig *r = rig_start(2, 2);
    struct core *core = core_of(r, 0);
    uint32_t script = script_of(r, 1), error = 0;
    struct byte_queue head = rig_make_head(core, script, "POST");
    struct call_ref ref;
    struct hog hog = {0};
    hog_take(&hog, &core->chunks, 0);
    core->now_ns = clock_now_ns(core->config.clock);
    struct call_request request = {.events = &events,
                                   .script = &core->world->scripts[script],
                                   .request_id = core_next_request_id(core),
                                   .head = &head,
                                   .answer = &answer,
                                   .started_ns = core->now_ns};
    answers = errors = 0;
    assert_true(call_start(core, &request, &ref, &error));
    rig_run(r, 3000);
    assert_int_equal(errors, 1);
    assert_int_equal(calls_live(core->calls), 0);
    assert_int_equal(peers_state(core->peers, 1), NODE_SERVING);
    hog_give(&hog, &core->chunks);
    rig_free(r);
}

/* A call of that script from node 0, whose body (if it has one) never comes. */
static void ask(struct rig *r, uint32_t script, bool has_body, bool is_idempotent)
{
    struct core *core = core_of(r, 0);
    struct byte_queue head = rig_make_head(core, script, "POST");
    struct call_ref ref;
    uint32_t error = 0;
    core->now_ns = clock_now_ns(core->config.clock);
    struct call_request request = {.events = &events,
                                   .script = &core->world->scripts[script],
                                   .request_id = core_next_request_id(core),
                                   .head = &head,
                                   .answer = &answer,
                                   .has_body = has_body,
                                   .is_idempotent = is_idempotent,
                                   .started_ns = core->now_ns};
    answers = errors = last_error = 0;
    assert_true(call_start(core, &request, &ref, &error));
    rig_run(r, 300);
    assert_int_equal(calls_live(core->calls), 0);
}

/* Handed back it would run where it entered, and end a process there. */
static void a_script_that_home_holds_back_is_refused_and_runs_nowhere(void **state)
{
    struct rig *r = rig_start(2, 2);
    struct core *entry = core_of(r, 0), *home = core_of(r, 1);
    struct cluster_node *n = &r->c.node[1];
    uint32_t script = script_of(r, 1), other = script + 1;
    while (cluster_home(&r->c, other) != 1)
        other++;
    n->world.held[0] = n->scripts[script].handle;
    n->world.held_count = 1;
    rig_publish(r, 1);
    rig_run(r, 2);
    for (uint32_t i = 0; i < 4; i++) {
        ask(r, script, i & 1, i & 2);
        assert_int_equal(answers, 0);
        assert_int_equal(errors, 1);
        assert_int_equal(last_error, JOB_ERROR_HELD);
        assert_int_equal(home->counters.job_held, i + 1);
        assert_int_equal(served_live(home->served), 0);
    }
    assert_int_equal(home->counters.serve_accepted, 0);
    assert_int_equal(home->counters.serve_bounced, 0);
    assert_int_equal(entry->counters.place_home, 4);
    assert_int_equal(entry->counters.place_here, 0);
    ask(r, other, false, false); /* of the same process */
    assert_int_equal(answers, 1);
    n->world.held_count = 0;
    rig_publish(r, 1);
    rig_run(r, 2);
    ask(r, script, false, false);
    assert_int_equal(answers, 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(want_of_chunks_is_no_dead_home),
        cmocka_unit_test(a_request_that_finds_no_chunks_in_time_is_refused),
        cmocka_unit_test(a_script_that_home_holds_back_is_refused_and_runs_nowhere),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
