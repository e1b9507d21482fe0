/* When a node may say that it serves, and when that it does not any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/daemon/node_life.h"
#include "dataplane/rpc/peers.h"

#define MS 1000000ull

/* One row is a life: a look every NODE_LIFE_LOOK_MS with the same report, until the phase
 * changes or the time is over. */
static void a_node_waits_for_what_it_needs(void **state)
{
    static const struct {
        const char *what;
        enum node_phase from;
        struct node_progress p; /* others, can serve, done */
        uint32_t for_ms;
        enum node_phase to;
        uint32_t at_least_ms, at_most_ms;
    } rows[] = {
        {"every core is done: at once",
         NODE_PHASE_JOINING,
         {true, true, true},
         10000,
         NODE_PHASE_SERVING,
         0,
         NODE_LIFE_LOOK_MS},
        {"a core is never done: the time runs out",
         NODE_PHASE_JOINING,
         {true, true, false},
         10000,
         NODE_PHASE_SERVING,
         PEERS_JOIN_MS,
         PEERS_JOIN_MS + NODE_LIFE_LOOK_MS},
        {"no cell can be started: it joins when one can",
         NODE_PHASE_JOINING,
         {true, false, true},
         3 * PEERS_JOIN_MS,
         NODE_PHASE_JOINING,
         0,
         0},
        {"everything is handed over: at once",
         NODE_PHASE_LEAVING,
         {true, true, true},
         10000,
         NODE_PHASE_DRAINING,
         0,
         NODE_LIFE_LOOK_MS},
        {"a new home does not answer: the time runs out",
         NODE_PHASE_LEAVING,
         {true, true, false},
         10000,
         NODE_PHASE_DRAINING,
         3000,
         3000 + NODE_LIFE_LOOK_MS},
        {"the others left the cluster meanwhile: nothing to wait for",
         NODE_PHASE_LEAVING,
         {false, true, false},
         10000,
         NODE_PHASE_DRAINING,
         0,
         NODE_LIFE_LOOK_MS},
        {"it serves: it goes on",
         NODE_PHASE_SERVING,
         {true, true, true},
         20000,
         NODE_PHASE_SERVING,
         0,
         0},
        {"it is drained: it stays so",
         NODE_PHASE_DRAINING,
         {true, true, true},
         20000,
         NODE_PHASE_DRAINING,
         0,
         0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct node_life l;
        uint64_t start = 1000 * MS, now;
        bool has_changed = false;

        node_life_init(&l, true, start);
        l.phase = rows[i].from;
        l.handover_ms = 3000;
        for (now = start; now <= start + rows[i].for_ms * MS; now += NODE_LIFE_LOOK_MS * MS) {
            has_changed = node_life_look(&l, &rows[i].p, now);
            if (has_changed)
                break;
        }
        if (l.phase != rows[i].to || has_changed != (rows[i].from != rows[i].to))
            fail_msg("%s: is %s", rows[i].what, node_phase_name(l.phase));
        if (has_changed &&
            (now - start < rows[i].at_least_ms * MS || now - start > rows[i].at_most_ms * MS))
            fail_msg("%s: after %u ms", rows[i].what, (unsigned)((now - start) / MS));
    }
}

static void a_node_alone_serves_from_the_start(void **state)
{
    struct node_life l;

    node_life_init(&l, false, 0);
    assert_int_equal(node_life_state(&l), NODE_SERVING);
    assert_false(node_life_awaits(&l));
}

static void it_says_serving_until_it_has_handed_over(void **state)
{
    static const struct {
        enum node_phase phase;
        enum node_state state;
        bool is_leaving;
    } rows[] = {
        {NODE_PHASE_JOINING, NODE_JOINING, false},
        {NODE_PHASE_SERVING, NODE_SERVING, false},
        {NODE_PHASE_LEAVING, NODE_SERVING, true},
        {NODE_PHASE_DRAINING, NODE_DRAINING, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct node_life l = {.phase = rows[i].phase};

        assert_int_equal(node_life_state(&l), rows[i].state);
        assert_int_equal(node_life_is_leaving(&l), rows[i].is_leaving);
    }
}

static void drain_and_undrain_go_where_the_drawing_says(void **state)
{
    static const struct {
        enum node_phase from, drained, undrained;
    } rows[] = {
        {NODE_PHASE_JOINING, NODE_PHASE_DRAINING, NODE_PHASE_JOINING},
        {NODE_PHASE_SERVING, NODE_PHASE_LEAVING, NODE_PHASE_SERVING},
        {NODE_PHASE_LEAVING, NODE_PHASE_LEAVING, NODE_PHASE_SERVING},
        {NODE_PHASE_DRAINING, NODE_PHASE_DRAINING, NODE_PHASE_JOINING},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct node_life l = {.phase = rows[i].from};

        assert_int_equal(node_life_drain(&l, 1000, 5), rows[i].drained != rows[i].from);
        assert_int_equal(l.phase, rows[i].drained);
        l.phase = rows[i].from;
        assert_int_equal(node_life_undrain(&l, 5), rows[i].undrained != rows[i].from);
        assert_int_equal(l.phase, rows[i].undrained);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_waits_for_what_it_needs),
        cmocka_unit_test(a_node_alone_serves_from_the_start),
        cmocka_unit_test(it_says_serving_until_it_has_handed_over),
        cmocka_unit_test(drain_and_undrain_go_where_the_drawing_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
