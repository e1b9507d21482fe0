/* Waiting for next hops whose MAC is not known: who goes on when, and how often anything is
 * tried meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/hop.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/net.h"
#include "dataplane/net/net_wire.h"
#include "fixture.h"
#include "port_memory.h"

enum { WAITERS = 2000, PATIENCE_MS = NEIGHBOUR_QUERIES_MAX * NEIGHBOUR_QUERY_INTERVAL_MS };

static const uint64_t ms_ns = 1000000;

static struct port_memory port;
static struct counters counters;
static struct tx tx;
static struct net net;
static struct neighbours *neighbours;
static struct hops hops;
static struct age_link waiter[WAITERS];
static uint64_t queries;

static int setup(void **state)
{
    struct net_config config;

    config_make(&config, 1);
    config.address[0].prefix_len = 112; /* 10.0.0.1/16 */
    neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    assert_non_null(neighbours);
    neighbours_init(neighbours, 1);
    memset(&counters, 0, sizeof(counters));
    memset(&hops, 0, sizeof(hops));
    memset(waiter, 0, sizeof(waiter));
    port_memory_init(&port, config.mac);
    tx_init(&tx, &port.port, 0, &counters);
    net_init(&net, &config, neighbours, &counters, &tx);
    queries = 0;
    return 0;
}

static int teardown(void **state)
{
    tx_fini(&tx);
    free(neighbours);
    return 0;
}

static struct net_route route_to(uint32_t host, bool is_far)
{
    const uint8_t near[4] = {10, 0, (uint8_t)(1 + host / 200), (uint8_t)(1 + host % 200)};
    const uint8_t far[4] = {8, 8, (uint8_t)(host / 200), (uint8_t)(host % 200)};
    struct net_route r = {0};

    memcpy(r.src, net.config.address[0].ip, 16);
    ip_from_ip4(r.dst, is_far ? far : near);
    return r;
}

static void drop_sent(void)
{
    tx_flush(&tx);
    queries += port.sent_count;
    port_memory_clear(&port);
}

/* One has something to say. True: it was sent. */
static bool say(uint32_t host, bool is_far, uint64_t now_ns, bool *waits)
{
    struct net_route route = route_to(host, is_far);
    size_t room;
    uint8_t *p = net_begin(&net, &route, 6, &room, now_ns);

    if (p) {
        memset(p, 0, 20);
        net_end(&net, 20);
        age_remove(&waiter[host]);
    } else {
        *waits = hops_wait(&hops, &net, &waiter[host], now_ns);
    }
    drop_sent();
    return p != NULL;
}

static void learn(const uint8_t ip[16], uint64_t now_ns)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

    assert_int_equal(neighbour_learn(neighbours, ip, mac, NEIGHBOUR_ADD, now_ns),
                     NEIGHBOUR_LEARNED);
}

static void who_waits_goes_on_when_the_answer_comes(void **state)
{
    struct net_route route = route_to(7, false);
    bool waits, is_lost;

    assert_false(say(7, false, 0, &waits));
    assert_true(waits);
    assert_null(hops_next(&hops, &net, ms_ns, &is_lost));
    assert_true(hops_next_ns(&hops, ms_ns) <= 11 * ms_ns); /* another core may learn it */
    learn(route.dst, 2 * ms_ns);
    assert_ptr_equal(hops_next(&hops, &net, 2 * ms_ns, &is_lost), &waiter[7]);
    assert_false(is_lost);
    assert_null(hops_next(&hops, &net, 2 * ms_ns, &is_lost));
    assert_true(say(7, false, 2 * ms_ns, &waits));
    assert_int_equal(hops.count, 0);
    assert_int_equal(hops_next_ns(&hops, 3 * ms_ns), UINT64_MAX);
}

static void all_that_wait_for_one_hop_go_on_in_order_of_age(void **state)
{
    bool waits, is_lost;

    for (uint32_t i = 0; i < WAITERS; i++) {
        assert_false(say(i, true, 0, &waits));
        assert_true(waits);
    }
    assert_int_equal(queries, 1); /* for the gateway */
    learn(net.config.gateway4, ms_ns);
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_ptr_equal(hops_next(&hops, &net, ms_ns, &is_lost), &waiter[i]);
    assert_null(hops_next(&hops, &net, ms_ns, &is_lost));
}

static void silence_is_told_to_each_waiter_once(void **state)
{
    bool waits, is_lost;
    uint32_t lost = 0;

    for (uint32_t i = 0; i < 10; i++)
        say(i, false, 0, &waits);
    for (uint64_t now_ms = 0; now_ms < 2 * PATIENCE_MS; now_ms++) {
        while (hops_next(&hops, &net, now_ms * ms_ns, &is_lost)) {
            assert_true(is_lost && now_ms >= PATIENCE_MS);
            lost++;
        }
    }
    assert_int_equal(lost, 10);
    assert_int_equal(hops.count, 0);
}

/* The storm: each of 2,000 hosts that are not there wants an answer, and none of the waiters
 * does anything by itself. */
static void strays_cost_what_they_sent_and_no_more(void **state)
{
    bool waits, is_lost;
    uint32_t waiting = 0, dropped = 0, looks = 0;

    for (uint32_t i = 0; i < WAITERS; i++) {
        assert_false(say(i, false, 0, &waits));
        waiting += waits;
        dropped += !waits;
    }
    assert_int_equal(waiting, HOPS_MAX - 2); /* the gateways' places stay free */
    assert_int_equal(counters.net_unresolved, WAITERS);
    for (uint64_t now_ns = 0; now_ns < 12000 * ms_ns; now_ns = hops_next_ns(&hops, now_ns)) {
        while (hops_next(&hops, &net, now_ns, &is_lost))
            waiting--;
        looks++;
        drop_sent();
    }
    assert_int_equal(waiting, 0);
    assert_int_equal(counters.net_unresolved, WAITERS);
    assert_true(queries <= WAITERS + NEIGHBOUR_QUERIES_MAX * HOPS_MAX);
    assert_true(looks <= PATIENCE_MS / HOPS_LOOK_MS + 10);
    assert_false(say(0, true, 12000 * ms_ns, &waits));
    assert_true(waits);
}

static void a_gateway_is_waited_for_among_strays(void **state)
{
    bool waits;

    for (uint32_t i = 0; i < WAITERS - 1; i++)
        say(i, false, 0, &waits);
    say(WAITERS - 2, false, 0, &waits);
    assert_false(waits);
    say(WAITERS - 1, true, 0, &waits);
    assert_true(waits);
}

static void who_leaves_is_not_called(void **state)
{
    struct net_route route = route_to(1, false);
    bool waits, is_lost;

    say(0, true, 0, &waits);
    say(1, false, 0, &waits);
    age_remove(&waiter[0]);
    age_remove(&waiter[1]);
    learn(route.dst, ms_ns);
    assert_null(hops_next(&hops, &net, ms_ns, &is_lost));
    assert_int_equal(hops.count, 0);
}

/* The entry was displaced before its waiters came to their turn. */
static void a_hop_that_is_forgotten_again_is_waited_for_again(void **state)
{
    struct net_route route = route_to(0, false);
    bool waits, is_lost;
    uint32_t turns = 0;

    say(0, false, 0, &waits);
    learn(route.dst, ms_ns);
    assert_non_null(hops_next(&hops, &net, ms_ns, &is_lost));
    neighbours_init(neighbours, 1);
    say(0, false, ms_ns, &waits);
    assert_true(waits);
    for (uint64_t now_ms = 1; now_ms < 100; now_ms++)
        turns += hops_next(&hops, &net, now_ms * ms_ns, &is_lost) != NULL;
    assert_int_equal(turns, 0);
}

/* Whoever was told that nobody answers may ask again at once: that is another wait, not another
 * turn. */
static void who_asks_again_is_not_told_at_once(void **state)
{
    bool waits, is_lost;
    uint32_t turns = 0;

    for (uint32_t i = 0; i < WAITERS; i++)
        say(i, true, 0, &waits);
    for (uint64_t now_ms = 0; now_ms < 3 * PATIENCE_MS; now_ms++) {
        struct age_link *one;
        while ((one = hops_next(&hops, &net, now_ms * ms_ns, &is_lost))) {
            turns++;
            say((uint32_t)(one - waiter), true, now_ms * ms_ns, &waits);
            assert_true(waits && turns <= 3 * WAITERS);
        }
    }
    assert_int_equal(turns, 2 * WAITERS);
    assert_int_equal(hops.count, 1);
}

static void without_a_route_nobody_waits(void **state)
{
    bool waits = true;

    memset(net.config.gateway4, 0, 16);
    say(0, true, 0, &waits);
    assert_false(waits);
}

static void want_of_buffers_is_tried_by_a_few_at_a_time(void **state)
{
    bool waits, is_lost;
    uint32_t tries = 0;

    learn(net.config.gateway4, 0);
    port.buffers_limit = 0;
    for (uint32_t i = 0; i < WAITERS; i++) {
        say(i, true, 0, &waits);
        assert_true(waits);
    }
    for (uint64_t now_ms = 0; now_ms < 1000; now_ms++) {
        struct age_link *one;
        while ((one = hops_next(&hops, &net, now_ms * ms_ns, &is_lost))) {
            tries++;
            say((uint32_t)(one - waiter), true, now_ms * ms_ns, &waits);
            assert_true(tries < 100000);
        }
    }
    assert_in_range(tries, 1, 1000 / HOPS_BUFFER_MS * HOPS_BUFFER_WAITERS);
    assert_int_equal(hops.unbuffered.count, WAITERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(who_waits_goes_on_when_the_answer_comes),
        TEST(all_that_wait_for_one_hop_go_on_in_order_of_age),
        TEST(silence_is_told_to_each_waiter_once),
        TEST(strays_cost_what_they_sent_and_no_more),
        TEST(a_gateway_is_waited_for_among_strays),
        TEST(who_leaves_is_not_called),
        TEST(a_hop_that_is_forgotten_again_is_waited_for_again),
        TEST(who_asks_again_is_not_told_at_once),
        TEST(without_a_route_nobody_waits),
        TEST(want_of_buffers_is_tried_by_a_few_at_a_time),
    };

    return cmocka_run_group_tests_name("hop", tests, NULL, NULL);
}
