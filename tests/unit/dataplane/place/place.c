/* Placement: each rule as a row, and what holds for every query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/place/place.h"
#include "drivers/rng.h"

enum { SELF = 7, SEEDS = 20, QUERIES = 20000 };

/* Successors are nodes 1, 2, 3, ...; M is me. S serving, D draining, J joining, x down. */
struct row {
    const char *name;
    const char *states; /* of the successors, home first; lower case: that one is me */
    uint8_t width;
    const char *flags; /* f forwarded, b bounced, h hot, w warm, o overloaded */
    uint16_t load[PLACE_SUCCESSORS_MAX];
    uint32_t mean;
    enum place_where where;
    enum place_why why;
    uint16_t nodes; /* HOME: set of those that it may be */
    uint16_t home;
};

#define NODE(n) (1u << (n))

static const struct row rows[] = {
    {"a cold script goes home", "SSS", 1, "", {0}, 0, PLACE_HOME, PLACE_COLD, NODE(1), 1},
    {"a loaded home is home still", "SSS", 1, "", {999}, 300, PLACE_HOME, PLACE_COLD, NODE(1), 1},
    {"what is at home stays", "sSS", 1, "", {0}, 0, PLACE_HERE, PLACE_IS_HOME, 0, SELF},
    {"home refuses when overloaded",
     "sSS",
     1,
     "o",
     {0},
     0,
     PLACE_REFUSE,
     PLACE_OVERLOADED,
     0,
     SELF},
    {"a hot and warm script runs where it enters",
     "SSS",
     1,
     "hw",
     {0},
     0,
     PLACE_HERE,
     PLACE_HOT,
     0,
     1},
    {"a warm script that is not hot goes home",
     "SSS",
     1,
     "w",
     {0},
     0,
     PLACE_HOME,
     PLACE_COLD,
     NODE(1),
     1},
    {"a hot one goes home until it is warm",
     "SSS",
     1,
     "h",
     {0},
     0,
     PLACE_HOME,
     PLACE_WARMING,
     NODE(1),
     1},
    {"or to one of its homes",
     "SSSS",
     2,
     "h",
     {0},
     0,
     PLACE_HOME,
     PLACE_WARMING,
     NODE(1) | NODE(2),
     1},
    {"at home it need not be warm", "sSS", 1, "h", {0}, 0, PLACE_HERE, PLACE_IS_HOME, 0, SELF},
    {"a hot one is started here if nobody is usable",
     "xDJ",
     1,
     "h",
     {0},
     0,
     PLACE_HERE,
     PLACE_NO_HOME,
     0,
     SELF},
    {"an overloaded node starts no isolate for a hot one",
     "SSS",
     1,
     "ho",
     {0},
     0,
     PLACE_HOME,
     PLACE_OVERLOADED,
     NODE(1),
     1},
    {"a hot one goes home from an overloaded node",
     "SSS",
     1,
     "hwo",
     {0},
     0,
     PLACE_HOME,
     PLACE_OVERLOADED,
     NODE(1),
     1},
    {"a cold one goes home from an overloaded node",
     "SSS",
     1,
     "o",
     {0},
     0,
     PLACE_HOME,
     PLACE_COLD,
     NODE(1),
     1},
    {"a forwarded one is not forwarded again",
     "SSS",
     4,
     "f",
     {0},
     0,
     PLACE_HERE,
     PLACE_FORWARDED,
     0,
     1},
    {"a forwarded one is refused when overloaded",
     "SSS",
     4,
     "fo",
     {0},
     0,
     PLACE_REFUSE,
     PLACE_OVERLOADED,
     0,
     1},
    {"a bounced one runs here", "SSS", 4, "b", {0}, 0, PLACE_HERE, PLACE_BOUNCED, 0, 1},
    {"a bounced one is refused when overloaded",
     "SSS",
     4,
     "bo",
     {0},
     0,
     PLACE_REFUSE,
     PLACE_OVERLOADED,
     0,
     1},
    {"a home that is down is skipped", "xSS", 1, "", {0}, 0, PLACE_HOME, PLACE_COLD, NODE(2), 2},
    {"a home that drains is skipped", "DSS", 1, "", {0}, 0, PLACE_HOME, PLACE_COLD, NODE(2), 2},
    {"a home that joins is skipped", "JSS", 1, "", {0}, 0, PLACE_HOME, PLACE_COLD, NODE(2), 2},
    {"when home is down its successor is home",
     "xsS",
     1,
     "",
     {0},
     0,
     PLACE_HERE,
     PLACE_IS_HOME,
     0,
     SELF},
    {"I drain: my scripts go to the next",
     "dSS",
     1,
     "",
     {0},
     0,
     PLACE_HOME,
     PLACE_COLD,
     NODE(2),
     2},
    {"I join: my scripts go to the next", "jSS", 1, "", {0}, 0, PLACE_HOME, PLACE_COLD, NODE(2), 2},
    {"I drain: what is forwarded to me is served",
     "dSS",
     1,
     "f",
     {0},
     0,
     PLACE_HERE,
     PLACE_FORWARDED,
     0,
     2},
    {"nobody is usable: here", "xDJ", 1, "", {0}, 0, PLACE_HERE, PLACE_NO_HOME, 0, SELF},
    {"nobody is usable and I am overloaded",
     "xDJ",
     1,
     "o",
     {0},
     0,
     PLACE_REFUSE,
     PLACE_OVERLOADED,
     0,
     SELF},
    {"an empty ring: here", "", 1, "", {0}, 0, PLACE_HERE, PLACE_NO_HOME, 0, SELF},
    {"a widened one goes to one of its homes",
     "SSSS",
     2,
     "",
     {50, 50, 0, 0},
     50,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(2),
     1},
    {"of four homes each",
     "SSSSS",
     4,
     "",
     {9, 9, 9, 9},
     9,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(2) | NODE(3) | NODE(4),
     1},
    {"of idle homes each", "SSSS", 2, "", {0}, 0, PLACE_HOME, PLACE_WIDENED, NODE(1) | NODE(2), 1},
    {"a home over the bound is unwilling",
     "SSSS",
     2,
     "",
     {126, 74},
     100,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(2),
     1},
    {"a home at the bound is willing",
     "SSSS",
     2,
     "",
     {125, 75},
     100,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(2),
     1},
    {"in a busy cluster more is willing",
     "SSSS",
     2,
     "",
     {126, 74},
     200,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(2),
     1},
    {"homes busier than the cluster are measured by each other",
     "SSSS",
     2,
     "",
     {500, 510},
     20,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(2),
     1},
    {"a second home is home too", "SsSS", 2, "", {0, 900}, 100, PLACE_HERE, PLACE_IS_HOME, 0, 1},
    {"beyond the width I am no home",
     "SSsS",
     2,
     "",
     {0},
     0,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(2),
     1},
    {"widening skips who is down",
     "SxSS",
     2,
     "",
     {0},
     0,
     PLACE_HOME,
     PLACE_WIDENED,
     NODE(1) | NODE(3),
     1},
    {"an overloaded home sends to another",
     "sSSS",
     2,
     "o",
     {900, 100},
     300,
     PLACE_HOME,
     PLACE_OVERLOADED,
     NODE(2),
     SELF},
    {"but not to an unwilling one",
     "sSSS",
     2,
     "o",
     {900, 1200},
     300,
     PLACE_HOME,
     PLACE_OVERLOADED,
     NODE(2),
     SELF},
    {"an overloaded home refuses if the others are unwilling",
     "sSSS",
     2,
     "o",
     {900, 1600},
     300,
     PLACE_REFUSE,
     PLACE_OVERLOADED,
     0,
     SELF},
    {"one usable home of two wanted", "SxxD", 2, "", {0}, 0, PLACE_HOME, PLACE_COLD, NODE(1), 1},
};

static struct place_query query_of(const struct row *r)
{
    struct place_query q = {
        .self = SELF,
        .width = r->width,
        .is_forwarded = strchr(r->flags, 'f') != NULL,
        .is_bounced = strchr(r->flags, 'b') != NULL,
        .is_hot = strchr(r->flags, 'h') != NULL,
        .is_warm = strchr(r->flags, 'w') != NULL,
        .is_overloaded = strchr(r->flags, 'o') != NULL,
        .mean_load = r->mean,
        .bound_percent = 25,
        .count = (uint32_t)strlen(r->states),
    };
    for (uint32_t i = 0; i < q.count; i++) {
        char c = r->states[i];
        bool is_me = c == 's' || c == 'd' || c == 'j';
        q.successor[i] = (struct place_node){
            .node = (uint16_t)(is_me ? SELF : i + 1),
            .state = c == 'S' || c == 's'   ? NODE_SERVING
                     : c == 'D' || c == 'd' ? NODE_DRAINING
                     : c == 'J' || c == 'j' ? NODE_JOINING
                                            : NODE_DOWN,
            .load = r->load[i],
        };
    }
    return q;
}

static void follows_the_rules(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct place_query q = query_of(r);
        uint32_t seen = 0;
        for (q.pick = 0; q.pick < 200; q.pick++) {
            struct place_verdict v = place(&q);
            if (v.where != r->where || v.why != r->why || v.home != r->home)
                fail_msg("%s: where %u, why %s, home %u", r->name, v.where, place_why_name(v.why),
                         v.home);
            if (v.where == PLACE_HOME)
                seen |= NODE(v.node);
            else
                assert_int_equal(v.node, RING_NODE_NONE);
        }
        if (seen != r->nodes)
            fail_msg("%s: nodes %x, not %x", r->name, seen, r->nodes);
    }
}

static void a_less_loaded_home_is_likelier(void **state)
{
    struct place_query q = query_of(
        &(struct row){.states = "SSSS", .flags = "", .width = 4, .load = {100, 100, 100, 60}});
    uint32_t drawn[5] = {0};

    for (q.pick = 0; q.pick < 100000; q.pick++)
        drawn[place(&q).node]++;
    for (int n = 1; n < 4; n++) {
        assert_in_range(drawn[n], 23500, 25000);
        assert_true(drawn[n] < drawn[4]);
    }
}

static struct place_query any_query(struct rng *r)
{
    struct place_query q = {
        .self = (uint16_t)rng_below(r, 10),
        .width = (uint8_t)(1u << rng_below(r, 3)),
        .is_forwarded = rng_chance(r, 0.2),
        .is_bounced = rng_chance(r, 0.2),
        .is_hot = rng_chance(r, 0.3),
        .is_warm = rng_chance(r, 0.5),
        .is_overloaded = rng_chance(r, 0.4),
        .mean_load = (uint32_t)rng_below(r, rng_chance(r, 0.1) ? UINT32_MAX : 2000),
        .bound_percent = (uint32_t)rng_below(r, rng_chance(r, 0.1) ? UINT32_MAX : 200),
        .pick = rng_next(r),
        .count = (uint32_t)rng_below(r, PLACE_SUCCESSORS_MAX + 1),
    };
    uint16_t first = (uint16_t)rng_below(r, 10);
    for (uint32_t i = 0; i < q.count; i++)
        q.successor[i] = (struct place_node){
            .node = (uint16_t)((first + i) % 10),
            .state = (uint8_t)rng_below(r, NODE_STATES),
            .load = (uint16_t)rng_below(r, rng_chance(r, 0.1) ? UINT16_MAX : 1500),
        };
    return q;
}

static const struct place_node *successor(const struct place_query *q, uint16_t node)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (q->successor[i].node == node)
            return &q->successor[i];
    return NULL;
}

static uint32_t usable_before(const struct place_query *q, uint16_t node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < q->count && q->successor[i].node != node; i++)
        count += q->successor[i].state == NODE_SERVING;
    return count;
}

static void holds_its_properties(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r = {seed};
        for (int i = 0; i < QUERIES; i++) {
            struct place_query q = any_query(&r), copy = q;
            struct place_verdict v = place(&q), again = place(&copy);
            const struct place_node *home = successor(&q, v.home);

            assert_memory_equal(&v, &again, sizeof(v));
            assert_in_range(v.where, PLACE_HERE, PLACE_REFUSE);
            assert_in_range(v.why, PLACE_WHY_NONE + 1, PLACE_WHYS - 1);
            if (v.where == PLACE_REFUSE)
                assert_true(q.is_overloaded);
            if (v.where == PLACE_HERE)
                assert_false(q.is_overloaded);
            if (v.why == PLACE_HOT)
                assert_true(v.where == PLACE_HERE && q.is_hot && q.is_warm);
            if (v.why == PLACE_WARMING)
                assert_true(v.where == PLACE_HOME && q.is_hot && !q.is_warm && !q.is_overloaded);
            if (q.is_forwarded || q.is_bounced)
                assert_int_not_equal(v.where, PLACE_HOME);
            if (home && home->state == NODE_SERVING)
                assert_int_equal(usable_before(&q, v.home), 0);
            else
                assert_int_equal(v.home, q.self);
            if (v.where != PLACE_HOME) {
                assert_int_equal(v.node, RING_NODE_NONE);
                continue;
            }
            assert_int_not_equal(v.node, q.self);
            assert_non_null(successor(&q, v.node));
            assert_int_equal(successor(&q, v.node)->state, NODE_SERVING);
            assert_true(usable_before(&q, v.node) < q.width);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_rules),
        cmocka_unit_test(a_less_loaded_home_is_likelier),
        cmocka_unit_test(holds_its_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
