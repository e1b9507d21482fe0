/* Every knob of struct world_tune at its ends, through live cores: from the start, as a file gives
 * it, and changed while they run, as `hearthctl tune` does. What the tables of tune.h allow, a core
 * must take: an assertion that an operator can reach is a bug. A new knob is covered by itself. */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "control/config/tune.h"
#include "dataplane/call/call.h"
#include "dataplane/call/steer.h"
#include "dataplane/rpc/peers.h"
#include "runtime/head.h"

enum { NODES = 2 };

/* Other knobs move to one of their ends until this value is in no conflict with them. A value that
 * is in conflict with all of them is refused, by file and by `tune`: then the default stands. */
static struct world_tune with(const struct tune_key *key, uint32_t value)
{
    struct world_tune t = world_tune_default;
    char error[200];
    tune_set(&t, key, value);
    for (size_t i = 0; i < 2 * TUNE_KEYS && tune_conflict(&t, error, sizeof(error)); i++) {
        const struct tune_key *other = &tune_keys[i / 2];
        if (other == key)
            continue;
        uint32_t before = tune_get(&t, other);
        tune_set(&t, other, i % 2 ? other->max : other->min);
        if (tune_conflict(&t, error, sizeof(error)))
            tune_set(&t, other, before);
    }
    return tune_conflict(&t, error, sizeof(error)) ? world_tune_default : t;
}

/* ---- a request that a core places, and its answer ---- */

static struct byte_queue answer;

static void on_head(void *core, uint32_t owner, const struct answer_head *head)
{
}

static void on_data(void *core, uint32_t owner, const struct answer_body *body)
{
}

static void on_error(void *core, uint32_t owner, uint32_t error)
{
}

static void on_credit(void *core, uint32_t owner)
{
}

static const struct call_events events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};

static void ask(struct rig *r, struct core *core, uint32_t script)
{
    struct byte_queue head = rig_make_head(core, script, "GET");
    struct call_ref ref;
    uint32_t error;
    struct call_request request = {.events = &events,
                                   .script = &core->world->scripts[script],
                                   .request_id = core_next_request_id(core),
                                   .head = &head,
                                   .answer = &answer,
                                   .is_idempotent = true,
                                   .is_traced = true,
                                   .started_ns = core->now_ns};
    if (!call_start(core, &request, &ref, &error))
        byte_queue_clear(&head, &core->chunks);
    for (uint32_t ms = 0; ms < 5000 && calls_live(core->calls) > 0; ms++)
        rig_run(r, 1);
    assert_int_equal(calls_live(core->calls), 0);
}

static void use(struct rig *r)
{
    struct core *core = core_of(r, 0);
    for (uint32_t script = 0; script < 3; script++) {
        core->now_ns = clock_now_ns(core->config.clock); /* as if in an iteration of now */
        const struct world_script *s = &core->world->scripts[script];
        steer_warm(core, s->id_hash, s->handle);
        peers_warm(core->peers, 1, s->id_hash, s->version_bits, false, core->now_ns);
        ask(r, core, script);
    }
    steer_load(core, NULL);
    for (uint32_t node = 0; node < NODES; node++) /* what was asked is what a client asks */
        assert_int_equal(core_of(r, node)->counters.serve_bad, 0);
}

static void every_end_of_every_knob_runs(void **state)
{
    for (size_t i = 0; i < TUNE_KEYS; i++) {
        const struct tune_key *k = &tune_keys[i];
        const uint32_t values[] = {k->min, k->min + 1, k->max - 1, k->max};
        for (int n = 0; n < 4; n++) {
            struct rig *r = rig_make(NODES, 0);
            r->c.config.tune = with(k, values[n]);
            for (uint32_t node = 0; node < NODES; node++)
                cluster_start(&r->c, node);
            rig_settle(r);
            use(r);
            for (int m = 0; m < 4; m++) { /* from each to each */
                r->c.node[0].world.tune = with(k, values[(n + m) % 4]);
                rig_publish(r, 0);
                rig_run(r, 2);
                use(r);
            }
            rig_free(r);
        }
    }
}

static void warm_per_s_0_is_none_from_the_start_and_later(void **state)
{
    struct rig *r = rig_make(NODES, 0);
    r->c.config.tune.warm_per_s = 0;
    cluster_start(&r->c, 0);
    cluster_start(&r->c, 1);
    rig_settle(r);
    struct core *core = core_of(r, 0);
    const struct world_script *s = core->world->scripts;
    for (int i = 0; i < 2; i++) {
        assert_false(steer_warm(core, s->id_hash, s->handle));
        assert_int_equal(core->counters.warm_budget, i + 1);
        r->c.node[0].world.tune.warm_per_s = 1; /* and back */
        rig_publish(r, 0);
        rig_run(r, 2);
        r->c.node[0].world.tune.warm_per_s = 0;
        rig_publish(r, 0);
        rig_run(r, 2000);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_of_every_knob_runs),
        cmocka_unit_test(warm_per_s_0_is_none_from_the_start_and_later),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
