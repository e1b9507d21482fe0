/* What nodes say to each other on the control streams. */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "dataplane/base/note.h"
#include "dataplane/call/steer.h"
#include "dataplane/place/place.h"
#include "dataplane/rpc/channel.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/rpc/record.h"

static void a_home_is_asked_to_warm_a_script_once_a_second(void **state)
{
    struct rig *r = rig_start(2, 2);
    uint64_t hash = r->c.scripts[3].id_hash, version = r->c.scripts[3].version_bits;
    assert_true(peers_warm(peers_of(r, 0), 1, hash, version, false, sim_now_ns));
    assert_false(peers_warm(peers_of(r, 0), 1, hash, version, false, sim_now_ns));
    rig_run(r, 20);
    assert_non_null(rig_cell(r, 1, 3));
    assert_int_equal(core_of(r, 1)->counters.warm_sent, 1);
    rig_run(r, 900);
    assert_false(peers_warm(peers_of(r, 0), 1, hash, version, false, sim_now_ns));
    rig_run(r, 100);
    assert_true(peers_warm(peers_of(r, 0), 1, hash, version, false, sim_now_ns));
    rig_run(r, 20);
    assert_int_equal(core_of(r, 1)->counters.warm_sent, 1); /* it is warm */
    rig_free(r);
}

/* The budget is for guesses, and so is the memory of what was asked for. */
static void what_is_demanded_is_warmed_though_guesses_have_used_the_budget_up(void **state)
{
    struct rig *r = rig_start(2, 2);
    struct core *home = core_of(r, 1);
    uint64_t hash = r->c.scripts[3].id_hash, version = r->c.scripts[3].version_bits;
    token_bucket_init(&home->warm, 1, 1, home->now_ns);
    assert_true(token_bucket_take(&home->warm, home->now_ns));
    assert_true(peers_warm(peers_of(r, 0), 1, hash, version, false, sim_now_ns));
    rig_run(r, 20);
    assert_int_equal(home->counters.warm_budget, 1);
    assert_null(rig_cell(r, 1, 3));
    assert_true(peers_warm(peers_of(r, 0), 1, hash, version, true, sim_now_ns));
    assert_false(peers_warm(peers_of(r, 0), 1, hash, version, true, sim_now_ns));
    rig_run(r, 20);
    assert_non_null(rig_cell(r, 1, 3));
    assert_int_equal(home->counters.warm_demanded, 1);
    assert_int_equal(home->counters.warm_budget, 1);
    rig_free(r);
}

static void a_version_that_home_does_not_have_is_not_warmed(void **state)
{
    struct rig *r = rig_start(2, 2);
    assert_true(peers_warm(peers_of(r, 0), 1, r->c.scripts[3].id_hash, 77777, false, sim_now_ns));
    assert_true(peers_warm(peers_of(r, 0), 1, 12345, 0, false, sim_now_ns));
    rig_run(r, 20);
    assert_int_equal(core_of(r, 1)->counters.warm_sent, 0);
    assert_int_equal(core_of(r, 1)->counters.rpc_bad_frame, 0);
    rig_free(r);
}

static void nobody_is_asked_who_is_not_there(void **state)
{
    struct rig *r = rig_start(2, 1);
    rig_run(r, 500);
    assert_false(peers_warm(peers_of(r, 0), 1, r->c.scripts[3].id_hash, 3, false, sim_now_ns));
    assert_false(peers_warm(peers_of(r, 0), 0, r->c.scripts[3].id_hash, 3, false, sim_now_ns));
    assert_false(peers_note(peers_of(r, 0), 1, (const uint8_t *)"x", 1));
    assert_int_equal(core_of(r, 0)->counters.note_dropped, 1);
    uint8_t sink[CAPABILITY_BYTES] = {0};
    assert_false(peers_event(peers_of(r, 0), sink, sink, 17));
    assert_int_equal(core_of(r, 0)->counters.event_lost, 1);
    rig_free(r);
}

/* A call of a call came back to where the request had entered. */
static void an_event_for_ourselves_is_not_lost(void **state)
{
    struct rig *r = rig_start(2, 2);
    struct core *core = core_of(r, 0);
    uint8_t sink[CAPABILITY_BYTES];
    assert_true(capability_issue(&core->capabilities, CAPABILITY_TRACE_SINK, 7, UINT64_MAX, sink));
    assert_true(peers_event(core->peers, sink, sink, 17));
    assert_int_equal(core->counters.event_lost, 0);
    rig_free(r);
}

static void a_warm_script_is_handed_to_the_home_that_joins(void **state)
{
    struct rig *r = rig_start(2, 2);
    uint32_t handed = 0;
    cluster_kill(&r->c, 1);
    rig_run(r, 1500);
    rig_warm(r, 0);
    for (uint32_t i = 0; i < 20; i++)
        handed += cluster_home(&r->c, i) == 1;
    assert_in_range(handed, 1, 19);
    cluster_start(&r->c, 1);
    rig_run(r, 500);
    assert_int_equal(cluster_state(&r->c, 1), NODE_SERVING);
    assert_int_equal(core_of(r, 0)->counters.handover_sent, handed);
    assert_int_equal(core_of(r, 1)->counters.handover_taken, handed);
    for (uint32_t i = 0; i < 20; i++) {
        if (cluster_home(&r->c, i) == 1)
            assert_true(rig_is_warm(r, 1, i));
        else
            assert_null(rig_cell(r, 1, i));
    }
    rig_free(r);
}

static void a_node_that_leaves_hands_all_that_is_warm_to_the_next_home(void **state)
{
    struct rig *r = rig_start(3, 3);
    rig_warm(r, 1);
    cluster_drain(&r->c, 1);
    rig_run(r, 1);
    assert_int_equal(cluster_state(&r->c, 1), NODE_SERVING); /* not before they are warm there */
    rig_run(r, 100);
    assert_int_equal(cluster_state(&r->c, 1), NODE_DRAINING);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DRAINING);
    for (uint32_t i = 0; i < 20; i++) {
        uint16_t node[3];
        uint32_t count = ring_successors(r->c.plan[0]->ring, r->c.scripts[i].id_hash, node, 3);
        assert_int_equal(count, 3);
        assert_non_null(rig_cell(r, node[0] == 1 ? node[1] : node[0], i));
    }
    cluster_undrain(&r->c, 1);
    rig_run(r, 5);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    rig_free(r);
}

/* The first of the script's successors that is neither. */
static uint32_t home_without(struct rig *r, uint32_t script, uint32_t a, uint32_t b)
{
    uint16_t node[CLUSTER_NODES_MAX];
    uint32_t count = ring_successors(r->c.plan[0]->ring, r->c.scripts[script].id_hash, node,
                                     CLUSTER_NODES_MAX),
             i = 0;
    while (node[i] == a || node[i] == b)
        i++;
    assert_true(i < count);
    return node[i];
}

/* Each may be the other's next home, and neither has it for long. */
static void two_nodes_that_leave_at_once_hand_to_who_stays(void **state)
{
    static const uint32_t apart_us[] = {0, 30, 100, 500, 2000, 4000};
    for (uint32_t row = 0; row < sizeof(apart_us) / sizeof(apart_us[0]); row++) {
        struct rig *r = rig_start(5, 5);
        rig_warm(r, 1);
        cluster_drain(&r->c, 1);
        uint64_t at_ns = sim_now_ns + apart_us[row] * 1000ull;
        while (sim_now_ns < at_ns) {
            cluster_work(&r->c);
            cluster_advance(&r->c, at_ns);
        }
        cluster_drain(&r->c, 2);
        rig_run(r, 100);
        assert_int_equal(cluster_state(&r->c, 1), NODE_DRAINING);
        assert_int_equal(cluster_state(&r->c, 2), NODE_DRAINING);
        for (uint32_t i = 0; i < 20; i++) {
            if (!rig_cell(r, home_without(r, i, 1, 2), i))
                fail_msg("%u us apart: script %u is cold", apart_us[row], i);
        }
        rig_free(r);
    }
}

/* The one that comes stands before the next home of some, and is asked by nobody else: while the
 * other serves, these are not its own. */
static void a_node_that_leaves_hands_to_one_that_joins(void **state)
{
    static const int32_t ahead_us[] = {-3000, -500, -100, 0, 100, 500, 1000, 3000};
    for (uint32_t row = 0; row < sizeof(ahead_us) / sizeof(ahead_us[0]); row++) {
        struct rig *r = rig_start(5, 5);
        cluster_drain(&r->c, 2);
        rig_run(r, 50);
        rig_warm(r, 1);
        uint32_t first_us = ahead_us[row] < 0 ? (uint32_t)-ahead_us[row] : (uint32_t)ahead_us[row];
        if (ahead_us[row] < 0)
            cluster_drain(&r->c, 1);
        else
            cluster_undrain(&r->c, 2);
        uint64_t at_ns = sim_now_ns + first_us * 1000ull;
        while (sim_now_ns < at_ns) {
            cluster_work(&r->c);
            cluster_advance(&r->c, at_ns);
        }
        if (ahead_us[row] < 0)
            cluster_undrain(&r->c, 2);
        else
            cluster_drain(&r->c, 1);
        rig_run(r, 100);
        assert_int_equal(cluster_state(&r->c, 1), NODE_DRAINING);
        assert_int_equal(cluster_state(&r->c, 2), NODE_SERVING);
        for (uint32_t i = 0; i < 20; i++) {
            if (!rig_cell(r, home_without(r, i, 1, 1), i))
                fail_msg("%d us ahead: script %u is cold", ahead_us[row], i);
        }
        rig_free(r);
    }
}

static void tell(struct rig *r, uint32_t from, uint32_t to, const struct record_warm *warm)
{
    uint8_t out[64];
    struct channel *c = peers_channel(peers_of(r, from), (uint16_t)to, 0);
    size_t len = record_write_warm(out, sizeof(out), warm);
    assert_int_equal(stream_write(c, channel_control(c), out, len), len);
    peers_mark(peers_of(r, from), c);
}

/* What a member may say in good faith, but not for ever. */
static void a_member_demands_so_much_and_no_more(void **state)
{
    enum { OVER = 50 };
    struct rig *r = rig_start(2, 2);
    struct record_warm warm = {.script = r->c.scripts[3].id_hash,
                               .version = r->c.scripts[3].version_bits,
                               .is_demanded = true};
    for (uint32_t i = 0; i < PEERS_DEMANDS_BURST + OVER; i++)
        tell(r, 0, 1, &warm);
    rig_run(r, 10);
    assert_in_range(core_of(r, 1)->counters.warm_budget, OVER - 5, OVER);
    assert_int_equal(core_of(r, 1)->counters.warm_demanded, 1);
    assert_int_equal(core_of(r, 1)->counters.rpc_bad_frame, 0);
    rig_free(r);
}

static void what_a_node_will_never_be_home_of_is_not_handed_to_it(void **state)
{
    struct rig *r = rig_start(14, 14);
    uint32_t strangers = 0;
    for (uint32_t i = 0; i < 20; i++) {
        uint16_t node[PLACE_SUCCESSORS_MAX];
        bool is_one = false;
        uint32_t count = ring_successors(r->c.plan[0]->ring, r->c.scripts[i].id_hash, node,
                                         PLACE_SUCCESSORS_MAX);
        for (uint32_t k = 0; k < count; k++)
            is_one |= node[k] == 1;
        if (is_one)
            continue;
        struct record_warm warm = {.script = r->c.scripts[i].id_hash,
                                   .version = r->c.scripts[i].version_bits,
                                   .is_handover = true};
        tell(r, 0, 1, &warm);
        strangers++;
    }
    assert_true(strangers > 0);
    rig_run(r, 20);
    assert_int_equal(core_of(r, 1)->counters.warm_sent, 0);
    assert_int_equal(core_of(r, 1)->counters.handover_taken, 0);
    assert_int_equal(core_of(r, 1)->counters.rpc_bad_frame, 0);
    rig_free(r);
}

static void rings_that_differ_are_seen_and_counted(void **state)
{
    struct rig *r = rig_start(3, 3);
    struct peer_view view;
    peers_view(peers_of(r, 0), 1, &view);
    assert_false(view.ring_differs);
    rig_give_list(r, 1, 2);
    rig_publish(r, 1);
    rig_run(r, 5);
    assert_int_equal(core_of(r, 0)->counters.rpc_ring_differs, 1);
    peers_view(peers_of(r, 0), 1, &view);
    assert_true(view.ring_differs);
    peers_view(peers_of(r, 1), 0, &view);
    assert_true(view.ring_differs);
    rig_free(r);
}

static void a_note_reaches_the_control_threads_it_is_for(void **state)
{
    static struct notes notes[3];
    struct rig *r = rig_make(3, 0);
    uint8_t long_note[NOTE_BYTES_MAX];
    memset(long_note, 'x', sizeof(long_note));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(notes_init(&notes[i]), 0);
    r->c.config.notes = notes;
    rig_up(r, 3);
    assert_true(note_put(&notes[0].out, 2, "to two", 6));
    assert_true(note_put(&notes[0].out, NOTE_TO_ALL, long_note, sizeof(long_note)));
    rig_run(r, 20);
    const struct note *n = note_peek(&notes[2].in);
    assert_non_null(n);
    assert_int_equal(n->node, 0);
    assert_int_equal(n->bytes, 6);
    assert_memory_equal(n->body, "to two", 6);
    note_done(&notes[2].in);
    for (uint32_t i = 1; i < 3; i++) {
        n = note_peek(&notes[i].in);
        assert_non_null(n);
        assert_int_equal(n->bytes, sizeof(long_note));
        assert_memory_equal(n->body, long_note, sizeof(long_note));
        note_done(&notes[i].in);
        assert_null(note_peek(&notes[i].in));
    }
    assert_null(note_peek(&notes[0].in));
    rig_free(r);
    for (uint32_t i = 0; i < 3; i++)
        notes_fini(&notes[i]);
}

static void a_member_that_breaks_the_protocol_loses_its_channel_only(void **state)
{
    static const struct {
        const char *description;
        uint8_t bytes[32];
        uint32_t len;
    } row[] = {
        {"no such record", {99, 0, 0, 0}, 4},
        {"a record of a call", {RECORD_ACCEPT, 0, 0, 5, 1, 0, 0, 0, 0}, 9},
        {"a record that is longer than its type may be", {RECORD_NOTE, 0xff, 0xff, 0xff}, 4},
        {"a state that is none", {RECORD_STATE, 0, 0, 7, 200, 0, 0, 0, 0, 0, 0}, 11},
        {"a WARMED that nobody asked for", {RECORD_WARMED}, 0},
    };
    struct rig *r = rig_start(3, 3);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        uint8_t bytes[64];
        size_t len = row[i].len;
        memcpy(bytes, row[i].bytes, sizeof(row[i].bytes));
        if (len == 0)
            len = record_write_warmed(bytes, sizeof(bytes), &(struct record_warmed){.script = 1});
        uint64_t before = core_of(r, 0)->counters.rpc_bad_frame;
        uint64_t others = core_of(r, 2)->counters.rpc_down;
        struct channel *c = peers_channel(peers_of(r, 1), 0, 0);
        assert_non_null(c);
        assert_int_equal(stream_write(c, channel_control(c), bytes, len), len);
        peers_mark(peers_of(r, 1), c);
        rig_run(r, 2);
        if (core_of(r, 0)->counters.rpc_bad_frame != before + 1)
            fail_msg("%s: not refused", row[i].description);
        assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DOWN);
        assert_int_equal(peers_state(peers_of(r, 0), 2), NODE_SERVING);
        rig_run(r, 1500);
        assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
        assert_int_equal(core_of(r, 2)->counters.rpc_down, others);
    }
    rig_free(r);
}

static void more_of_a_handover_than_the_window_is_refused(void **state)
{
    struct rig *r = rig_start(2, 2);
    rig_delay_starts(r, 0);
    struct channel *c = peers_channel(peers_of(r, 1), 0, 0);
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t out[64];
        struct record_warm warm = {.script = r->c.scripts[i % 20].id_hash,
                                   .version = r->c.scripts[i % 20].version_bits,
                                   .is_handover = true};
        size_t len = record_write_warm(out, sizeof(out), &warm);
        assert_int_equal(stream_write(c, channel_control(c), out, len), len);
    }
    peers_mark(peers_of(r, 1), c);
    rig_run(r, 2);
    assert_int_equal(core_of(r, 0)->counters.rpc_bad_frame, 1);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DOWN);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_home_is_asked_to_warm_a_script_once_a_second),
        cmocka_unit_test(what_is_demanded_is_warmed_though_guesses_have_used_the_budget_up),
        cmocka_unit_test(a_version_that_home_does_not_have_is_not_warmed),
        cmocka_unit_test(nobody_is_asked_who_is_not_there),
        cmocka_unit_test(an_event_for_ourselves_is_not_lost),
        cmocka_unit_test(a_warm_script_is_handed_to_the_home_that_joins),
        cmocka_unit_test(a_node_that_leaves_hands_all_that_is_warm_to_the_next_home),
        cmocka_unit_test(two_nodes_that_leave_at_once_hand_to_who_stays),
        cmocka_unit_test(a_node_that_leaves_hands_to_one_that_joins),
        cmocka_unit_test(a_member_demands_so_much_and_no_more),
        cmocka_unit_test(what_a_node_will_never_be_home_of_is_not_handed_to_it),
        cmocka_unit_test(rings_that_differ_are_seen_and_counted),
        cmocka_unit_test(a_note_reaches_the_control_threads_it_is_for),
        cmocka_unit_test(a_member_that_breaks_the_protocol_loses_its_channel_only),
        cmocka_unit_test(more_of_a_handover_than_the_window_is_refused),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
