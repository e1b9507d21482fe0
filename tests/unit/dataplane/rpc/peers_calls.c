/* Where a core sends a request, and what it takes for a reason not to. */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "dataplane/call.h"
#include "dataplane/rpc/peers.h"
#include "runtime/head.h"
#include "tests/sim/hog.h"

static struct byte_queue answer;
static uint32_t answers, errors;

static void on_head(void *core, uint32_t owner, const uint8_t *head, size_t head_bytes,
                    uint64_t cold_us, const struct head_view *body, uint32_t views, bool is_end)
{
    answers++;
}

static void on_data(void *core, uint32_t owner, const struct head_view *body, uint32_t views,
                    bool is_end)
{
}

static void on_error(void *core, uint32_t owner, uint32_t error)
{
    errors++;
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

static struct byte_queue make_head(struct core *core)
{
    static const char url[] = "https://s0.test/0/1/100";
    uint8_t bytes[512];
    struct head_writer w;
    struct byte_queue head = {0};
    head_write_request(&w, bytes, sizeof(bytes), (struct head_view){"", 0},
                       (struct head_view){"POST", 4}, (struct head_view){url, strlen(url)});
    size_t len = head_write_end(&w);
    assert_int_equal(byte_queue_append(&head, &core->chunks, bytes, len), len);
    return head;
}

static void want_of_chunks_is_no_dead_home(void **state)
{
    struct rig *r = rig_start(2, 2);
    struct core *core = core_of(r, 0);
    uint32_t script = script_of(r, 1), error = 0;
    struct byte_queue head = make_head(core);
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
    struct byte_queue head = make_head(core);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(want_of_chunks_is_no_dead_home),
        cmocka_unit_test(a_request_that_finds_no_chunks_in_time_is_refused),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
