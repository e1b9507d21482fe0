/* Who holds how much, and when that is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/net.h"
#include "dataplane/net/source.h"

enum { CONNS = 1000, SHARE = 250 };

static struct sources sources;
static void *memory;

static int setup(void **state)
{
    static const uint32_t max[SOURCE_KINDS] = {
        [SOURCE_CONNS] = CONNS, [SOURCE_HALF_OPEN] = 100, [SOURCE_CHUNKS] = 8000};

    memory = malloc(sources_bytes(CONNS));
    sources_init(&sources, memory, CONNS, max, 7);
    sources.share_percent = 25;
    return 0;
}

static int teardown(void **state)
{
    free(memory);
    return 0;
}

/* That many connections of an address, which stay. */
static void joins(const char *address, uint32_t count)
{
    struct net_address a;
    struct source *of[SOURCE_LEVELS];

    assert_true(net_parse_address(address, &a));
    while (count-- > 0)
        sources_join(&sources, a.ip, of);
}

struct client {
    struct source *of[SOURCE_LEVELS];
};

static struct client client(const char *address)
{
    struct net_address a;
    struct client c;

    assert_true(net_parse_address(address, &a));
    sources_find(&sources, a.ip, c.of);
    return c;
}

static bool may(const char *address, enum source_kind kind)
{
    return sources_may(&sources, client(address).of, kind);
}

static void leaves(const char *address, uint32_t count)
{
    while (count-- > 0)
        sources_leave(&sources, client(address).of);
}

static bool holds(const char *address, enum source_kind kind, int32_t more)
{
    struct client c = client(address);

    sources_hold(&sources, c.of, kind, more);
    return sources_may(&sources, c.of, kind);
}

static void what_is_plenty_has_no_shares(void **state)
{
    joins("192.0.2.1", CONNS / 2);
    assert_true(may("192.0.2.1", SOURCE_CONNS));
    joins("192.0.2.1", 1);
    assert_false(may("192.0.2.1", SOURCE_CONNS));
    assert_true(may("192.0.2.2", SOURCE_CONNS));
}

static void nobody_has_more_than_his_share_of_what_is_scarce(void **state)
{
    joins("192.0.2.1", SHARE);
    joins("192.0.2.2", SHARE);
    joins("198.51.100.1", SHARE - 1);
    assert_true(may("198.51.100.1", SOURCE_CONNS));
    joins("198.51.100.1", 1);
    assert_false(may("198.51.100.1", SOURCE_CONNS));
    leaves("198.51.100.1", 1);
    assert_true(may("198.51.100.1", SOURCE_CONNS));
}

static void a_link_has_one_share_and_a_site_two(void **state)
{
    joins("192.0.2.9", CONNS / 2 - SHARE + 1);
    /* Two hosts of one link, then another link of the same site, then another site. */
    joins("2001:db8:0:1::1", SHARE - 1);
    assert_true(may("2001:db8:0:1::2", SOURCE_CONNS));
    joins("2001:db8:0:1::2", 1);
    assert_false(may("2001:db8:0:1::3", SOURCE_CONNS));
    joins("2001:db8:0:2::1", SHARE - 1);
    assert_true(may("2001:db8:0:3::1", SOURCE_CONNS));
    joins("2001:db8:0:3::1", 1);
    assert_false(may("2001:db8:0:4::1", SOURCE_CONNS));
    assert_true(may("2001:db8:0:100::1", SOURCE_CONNS));
}

static void kinds_are_counted_apart_and_come_back(void **state)
{
    joins("192.0.2.1", 1);
    assert_false(holds("192.0.2.1", SOURCE_HALF_OPEN, 51));
    assert_true(may("192.0.2.1", SOURCE_CONNS));
    assert_false(holds("192.0.2.1", SOURCE_CHUNKS, 4001));
    assert_true(holds("192.0.2.1", SOURCE_CHUNKS, -4001));
    assert_true(holds("192.0.2.1", SOURCE_HALF_OPEN, -51));
    leaves("192.0.2.1", 1);
    for (uint32_t kind = 0; kind < SOURCE_KINDS; kind++)
        assert_int_equal(sources.used[kind], 0);
}

static void a_share_of_100_is_no_limit(void **state)
{
    sources.share_percent = 100;
    joins("192.0.2.1", CONNS);
    assert_true(may("192.0.2.1", SOURCE_CONNS));
    assert_int_equal(sources_over_count(&sources), 0);
}

static void a_kind_without_a_number_has_no_shares(void **state)
{
    joins("192.0.2.1", 1);
    assert_true(holds("192.0.2.1", SOURCE_HANDSHAKES, 100000));
}

/* As many as there are connections, each from elsewhere, over and over: none is lost, none is
 * taken for another. */
static void sources_come_and_go(void **state)
{
    char address[64];

    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CONNS; i++) {
            snprintf(address, sizeof(address), "2001:db8:%x:%x00::1", 16 * round + (i >> 8),
                     i & 255);
            joins(address, 1);
        }
        for (uint32_t i = 0; i < CONNS; i++) {
            snprintf(address, sizeof(address), "2001:db8:%x:%x00::2", 16 * round + (i >> 8),
                     i & 255);
            assert_int_equal(client(address).of[0]->held[SOURCE_CONNS], 1);
            assert_int_equal(client(address).of[1]->held[SOURCE_CONNS], 1);
            leaves(address, 1);
            assert_null(client(address).of[0]);
        }
    }
    assert_int_equal(sources.used[SOURCE_CONNS], 0);
}

static void who_is_over_is_listed_and_gives_its_oldest(void **state)
{
    struct age_link first = {0}, second = {0}, third = {0};
    uint32_t level;

    joins("192.0.2.2", SHARE);
    age_add(&client("192.0.2.2").of[0]->resting, &third);
    assert_null(sources_over_oldest(&sources, &level));
    joins("192.0.2.1", SHARE + 1);
    assert_int_equal(sources_over_count(&sources), 1);
    assert_null(sources_over_oldest(&sources, &level)); /* all busy */

    struct client greedy = client("192.0.2.1");

    age_add(&greedy.of[0]->resting, &first);
    age_add(&greedy.of[0]->resting, &second);
    assert_ptr_equal(sources_over_oldest(&sources, &level), &first);
    assert_ptr_equal(sources_own_oldest(&sources, greedy.of, &level), &first);
    age_remove(&first);
    assert_ptr_equal(sources_over_oldest(&sources, &level), &second);
    assert_int_equal(level, 0);
    leaves("192.0.2.1", 1);
    assert_int_equal(sources_over_count(&sources), 0);
    assert_null(sources_over_oldest(&sources, &level));
    age_remove(&second);
    age_remove(&third);
}

static void a_site_over_its_share_gives_from_any_link(void **state)
{
    struct age_link link = {0};
    uint32_t level;

    joins("2001:db8::1", SHARE);
    joins("2001:db8:0:1::1", SHARE);
    joins("2001:db8:0:2::1", 1);
    age_add(&client("2001:db8::1").of[1]->resting, &link);
    assert_ptr_equal(sources_over_oldest(&sources, &level), &link);
    assert_int_equal(level, 1);
    assert_ptr_equal(sources_own_oldest(&sources, client("2001:db8:0:9::1").of, &level), &link);
    age_remove(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_is_plenty_has_no_shares),
        TEST(nobody_has_more_than_his_share_of_what_is_scarce),
        TEST(a_link_has_one_share_and_a_site_two),
        TEST(kinds_are_counted_apart_and_come_back),
        TEST(a_share_of_100_is_no_limit),
        TEST(a_kind_without_a_number_has_no_shares),
        TEST(sources_come_and_go),
        TEST(who_is_over_is_listed_and_gives_its_oldest),
        TEST(a_site_over_its_share_gives_from_any_link),
    };

    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
