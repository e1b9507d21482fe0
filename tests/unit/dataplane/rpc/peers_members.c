/* Who is there: joining, silence, lists of members that change. */
#include "dataplane/call/steer.h"
#include "dataplane/rpc/peers.h"
#include "tests/unit/dataplane/rpc/peers_rig.h"

static void a_node_alone_serves_at_once(void **state)
{
    struct rig *r = rig_start(1, 1);
    rig_run(r, 10);
    assert_int_equal(cluster_state(&r->c, 0), NODE_SERVING);
    rig_free(r);
}

static void a_node_whose_peers_are_all_down_waits_only_for_a_first_try(void **state)
{
    struct rig *r = rig_start(4, 1);
    rig_run(r, 800);
    assert_int_equal(cluster_state(&r->c, 0), NODE_JOINING);
    rig_run(r, 300);
    assert_int_equal(cluster_state(&r->c, 0), NODE_SERVING);
    rig_free(r);
}

static void a_peer_that_never_hands_over_is_not_waited_for_for_ever(void **state)
{
    struct rig *r = rig_start(2, 2);
    cluster_kill(&r->c, 1);
    rig_run(r, 1500);
    rig_warm(r, 0);
    /* Its window of WARMs is full: there is nothing to say HANDED behind. */
    cluster_start(&r->c, 1);
    rig_delay_starts(r, 1);
    rig_run(r, PEERS_JOIN_MS - 200);
    assert_int_equal(cluster_state(&r->c, 1), NODE_JOINING);
    rig_run(r, 400);
    assert_int_equal(cluster_state(&r->c, 1), NODE_SERVING);
    rig_free(r);
}

static void silence_is_noticed_within_a_second(void **state)
{
    struct rig *r = rig_start(3, 3);
    sim_switch_cut(r->c.net, 1, true);
    rig_run(r, 500);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    rig_run(r, 500);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DOWN);
    assert_int_equal(peers_state(peers_of(r, 1), 0), NODE_DOWN);
    assert_null(peers_channel(peers_of(r, 0), 1, 7));
    assert_int_equal(peers_state(peers_of(r, 0), 2), NODE_SERVING);

    sim_switch_cut(r->c.net, 1, false);
    rig_run(r, 1500);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    assert_non_null(peers_channel(peers_of(r, 0), 1, 7));
    rig_free(r);
}

static void an_orderly_end_is_noticed_at_once(void **state)
{
    struct rig *r = rig_start(3, 3);
    cluster_stop(&r->c, 1);
    rig_run(r, 5);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DOWN);
    assert_int_equal(peers_state(peers_of(r, 2), 1), NODE_DOWN);
    assert_int_equal(CLUSTER_COUNT(&r->c, rpc_bad_frame), 0);
    rig_free(r);
}

static void a_node_that_is_back_at_once_is_known_anew(void **state)
{
    struct rig *r = rig_start(3, 3);
    cluster_kill(&r->c, 1);
    cluster_start(&r->c, 1);
    rig_run(r, 500); /* less than silence takes */
    assert_int_equal(cluster_state(&r->c, 1), NODE_SERVING);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    rig_free(r);
}

/* Its scripts, and those of a home that drains meanwhile: for these it is the next one. */
static void a_node_that_joins_gets_the_scripts_of_a_home_that_is_away(void **state)
{
    struct rig *r = rig_start(3, 3);
    uint16_t home[2];
    uint32_t script = 0;
    while (ring_successors(r->c.plan[0]->ring, r->c.scripts[script].id_hash, home, 2) != 2 ||
           home[0] != 1 || home[1] != 2)
        script++;
    struct core *core = core_of(r, 1);
    steer_warm(core, r->c.scripts[script].id_hash, r->c.scripts[script].handle);
    rig_run(r, 100);
    cluster_drain(&r->c, 2);
    rig_run(r, 200);
    assert_int_equal(cluster_state(&r->c, 2), NODE_DRAINING);
    cluster_drain(&r->c, 1);
    rig_run(r, 200);
    assert_int_equal(cluster_state(&r->c, 1), NODE_DRAINING);
    cluster_undrain(&r->c, 2);
    rig_run(r, 200);
    assert_int_equal(cluster_state(&r->c, 2), NODE_SERVING);
    assert_true(rig_is_warm(r, 2, script));
    rig_free(r);
}

static void a_member_that_leaves_the_list_is_forgotten_and_the_others_stay(void **state)
{
    struct rig *r = rig_start(3, 3);
    struct channel *to_2 = peers_channel(peers_of(r, 0), 2, 7);
    uint64_t down = core_of(r, 0)->counters.rpc_down;
    rig_give_list(r, 0, 1);
    rig_publish(r, 0);
    rig_run(r, 1);
    /* What was index 2 is 1 now. */
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    assert_ptr_equal(peers_channel(peers_of(r, 0), 1, 7), to_2);
    assert_int_equal(peers_node_of(peers_of(r, 0), to_2), 1);
    assert_int_equal(core_of(r, 0)->counters.rpc_down, down + 1);

    rig_run(r, 2000);
    /* Its handshakes are a stranger's. */
    assert_true(core_of(r, 0)->counters.drop_rpc_auth > 0);
    assert_int_equal(peers_state(peers_of(r, 1), 0), NODE_DOWN);
    assert_int_equal(core_of(r, 0)->counters.rpc_down, down + 1);
    assert_ptr_equal(peers_channel(peers_of(r, 0), 1, 7), to_2);
    rig_free(r);
}

static void a_member_with_another_key_or_port_starts_anew(void **state)
{
    struct rig *r = rig_start(2, 2);
    for (uint32_t turn = 0; turn < 2; turn++) {
        struct world_member *list = rig_give_list(r, 0, CLUSTER_NODES_MAX);
        if (turn == 0)
            list[1].public_key[5] ^= 1;
        else
            list[1].port++;
        rig_publish(r, 0);
        rig_run(r, 1);
        assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DOWN);
        rig_run(r, 3000);
        assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_DOWN);

        list[1] = r->c.member[1];
        rig_publish(r, 0);
        rig_run(r, 1500);
        assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
        free(r->own_ring);
        r->own_ring = NULL;
        r->c.node[0].world.cluster.ring = r->c.plan[0]->ring;
    }
    rig_free(r);
}

static void a_channel_to_another_core_is_made_when_asked_for(void **state)
{
    struct rig *r = rig_start(2, 2);
    uint32_t used = peers_of(r, 0) ? 1 : 0;
    struct world_member *list = rig_give_list(r, 0, CLUSTER_NODES_MAX);
    list[1].cores = 2; /* the second is not there: nobody answers */
    rig_publish(r, 0);
    rig_run(r, 1500);
    struct channel *first = peers_channel(peers_of(r, 0), 1, 0);
    struct channel *second = peers_channel(peers_of(r, 0), 1, 1ull << 32);
    assert_non_null(first);
    assert_ptr_equal(second, first); /* meanwhile */
    assert_null(peers_channel_of(peers_of(r, 0), r->c.member[1].id, 1));
    assert_ptr_equal(peers_channel_of(peers_of(r, 0), r->c.member[1].id, 0), first);
    assert_null(peers_channel_of(peers_of(r, 0), r->c.member[1].id, 2));
    assert_null(peers_channel_of(peers_of(r, 0), r->c.member[0].id, 0));
    struct peer_view view;
    peers_view(peers_of(r, 0), 1, &view);
    assert_int_equal(view.channels, used);
    rig_run(r, 5000);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    rig_free(r);
}

/* Steps from one deadline to the next: what a core that sleeps in between would do. */
static void an_idle_cluster_sleeps(void **state)
{
    enum { NODES = 3, SECONDS = 10 };
    struct rig *r = rig_start(NODES, NODES);
    rig_run(r, 2000);
    uint64_t end_ns = sim_now_ns + SECONDS * 1000000000ull;
    uint32_t steps = 0;
    while (sim_now_ns < end_ns) {
        cluster_work(&r->c);
        uint64_t next_ns = cluster_next_ns(&r->c);
        cluster_set_time(&r->c, next_ns > sim_now_ns ? next_ns : sim_now_ns);
        steps++;
        assert_true(steps < NODES * SECONDS * 400);
    }
    print_message("%u wake-ups a second of %u idle nodes\n", steps / SECONDS, NODES);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_alone_serves_at_once),
        cmocka_unit_test(a_node_whose_peers_are_all_down_waits_only_for_a_first_try),
        cmocka_unit_test(a_peer_that_never_hands_over_is_not_waited_for_for_ever),
        cmocka_unit_test(silence_is_noticed_within_a_second),
        cmocka_unit_test(an_orderly_end_is_noticed_at_once),
        cmocka_unit_test(a_node_that_is_back_at_once_is_known_anew),
        cmocka_unit_test(a_node_that_joins_gets_the_scripts_of_a_home_that_is_away),
        cmocka_unit_test(a_member_that_leaves_the_list_is_forgotten_and_the_others_stay),
        cmocka_unit_test(a_member_with_another_key_or_port_starts_anew),
        cmocka_unit_test(a_channel_to_another_core_is_made_when_asked_for),
        cmocka_unit_test(an_idle_cluster_sleeps),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
