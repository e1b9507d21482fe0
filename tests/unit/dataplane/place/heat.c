/* How busy a script is: rates, hysteresis, widths, and a table that forgets the right ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/place/heat.h"
#include "drivers/rng.h"

#define MS_NS 1000000ull
#define S_NS  1000000000ull

static const struct heat_tune tune = {.enter_rps_milli = 50000,
                                      .leave_rps_milli = 20000,
                                      .widen_rps_milli = 1000000,
                                      .narrow_rps_milli = 300000};
static struct heat heat;

typedef struct heat_script *ask(struct heat *, const struct heat_tune *, uint64_t, uint64_t);

static int set_up(void **state)
{
    heat_init(&heat);
    return 0;
}

/* Asks at that rate for seconds; *now advances. Returns how often hot or width changed. */
static uint32_t busy(ask *how, uint64_t script, double rps, double seconds, uint64_t *now,
                     struct rng *r)
{
    uint64_t end = *now + (uint64_t)(seconds * 1e9), mean = (uint64_t)(1e9 / rps);
    uint32_t changes = 0;
    const struct heat_script *s = heat_find(&heat, script);
    bool is_hot = s && s->is_hot;
    uint8_t width = s ? s->width : 1;

    while (*now < end) {
        *now += 1 + rng_below(r, 2 * mean);
        s = how(&heat, &tune, script, *now);
        assert_non_null(s);
        changes += (s->is_hot != is_hot) + (s->width != width);
        is_hot = s->is_hot;
        width = s->width;
    }
    return changes;
}

static void measures_the_rate(void **state)
{
    static const double rates[] = {0.5, 3, 50, 900, 30000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct rng r = {i};
        uint64_t now = S_NS;
        set_up(state);
        busy(heat_ask, 9, rates[i], 60, &now, &r);
        double milli = heat_rate_milli(heat_find(&heat, 9), now), want = 1000 * rates[i];
        assert_true(milli > want * (rates[i] < 10 ? 0.4 : 0.85));
        assert_true(milli < want * (rates[i] < 10 ? 2.0 : 1.15));
        assert_true(heat_rate_milli(heat_find(&heat, 9), now + HEAT_WIDTH_TAU_NS) < milli * 0.37);
        assert_true(heat_rate_milli(heat_find(&heat, 9), now + 100 * HEAT_WIDTH_TAU_NS) == 0);
    }
}

static void becomes_hot_and_cools_with_hysteresis(void **state)
{
    struct rng r = {1};
    uint64_t now = S_NS;
    assert_int_equal(busy(heat_ask, 9, 30, 100, &now, &r), 0); /* between the two, from below */
    assert_int_equal(busy(heat_ask, 9, 80, 60, &now, &r), 1);
    assert_true(heat_find(&heat, 9)->is_hot);
    assert_int_equal(busy(heat_ask, 9, 30, 100, &now, &r), 0); /* and from above */
    assert_true(heat_find(&heat, 9)->is_hot);
    assert_int_equal(busy(heat_ask, 9, 10, 60, &now, &r), 1);
    assert_false(heat_find(&heat, 9)->is_hot);
}

static void peers_never_make_it_hot(void **state)
{
    struct rng r = {1};
    uint64_t now = S_NS;
    busy(heat_ask_home, 9, 900, 60, &now, &r);
    assert_false(heat_ask(&heat, &tune, 9, now)->is_hot);
}

static void widens_by_what_comes_to_it_and_narrows_again(void **state)
{
    struct rng r = {1};
    uint64_t now = S_NS;
    busy(heat_ask_home, 9, 900, 60, &now, &r);
    assert_int_equal(heat_find(&heat, 9)->width, 1);
    busy(heat_ask_home, 9, 1200, 10, &now, &r);
    assert_int_equal(heat_find(&heat, 9)->width, 2);
    busy(heat_ask_home, 9, 600, 60, &now, &r);
    assert_int_equal(heat_find(&heat, 9)->width, 2);
    busy(heat_ask_home, 9, 1200, 60, &now, &r);
    assert_int_equal(heat_find(&heat, 9)->width, 4);
    busy(heat_ask_home, 9, 9000, 60, &now, &r);
    assert_int_equal(heat_find(&heat, 9)->width, 4);
    busy(heat_ask_home, 9, 20, 100, &now, &r);
    assert_int_equal(heat_find(&heat, 9)->width, 1);
}

/* Its next homes start it meanwhile. */
static void widens_only_after_it_has_said_so(void **state)
{
    struct rng r = {1};
    uint64_t now = S_NS, began = 0;
    for (int width = 1; width < 4; width *= 2) {
        do
            busy(heat_ask_home, 9, 3000, 0.001, &now, &r);
        while (heat_find(&heat, 9)->widening_ns == 0);
        began = heat_find(&heat, 9)->widening_ns;
        busy(heat_ask_home, 9, 3000, 0.4, &now, &r);
        assert_int_equal(heat_ask_home(&heat, &tune, 9, began + HEAT_WIDEN_NS - 1)->width, width);
        assert_int_equal(heat_find(&heat, 9)->widening_ns, began);
        now = began + HEAT_WIDEN_NS;
        assert_int_equal(heat_ask_home(&heat, &tune, 9, now)->width, 2 * width);
        assert_int_equal(heat_find(&heat, 9)->widening_ns, 0);
    }
}

/* What is long to start here is so there. */
static void what_loads_for_long_widens_later(void **state)
{
    static const struct {
        uint64_t load_ns, after_ns;
    } rows[] = {
        {100000000, HEAT_WIDEN_NS + 300000000},
        {HEAT_LOAD_NS_MAX, HEAT_WIDEN_NS + 3 * HEAT_LOAD_NS_MAX},
        {UINT64_MAX, HEAT_WIDEN_NS + 3 * HEAT_LOAD_NS_MAX},
    };
    struct rng r = {1};
    uint64_t now = S_NS;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t script = 20 + i;
        do
            busy(heat_ask_home, script, 3000, 0.001, &now, &r);
        while (heat_find(&heat, script)->widening_ns == 0);
        heat_find(&heat, script)->load_ns = rows[i].load_ns;
        uint64_t at_ns = heat_find(&heat, script)->widening_ns + rows[i].after_ns;
        while (now + 20000000 < at_ns)
            busy(heat_ask_home, script, 3000, 0.01, &now, &r);
        assert_int_equal(heat_ask_home(&heat, &tune, script, at_ns - 1)->width, 1);
        assert_int_equal(heat_ask_home(&heat, &tune, script, at_ns)->width, 2);
        now = at_ns;
    }
}

static void each_widening_is_told_once(void **state)
{
    static const struct {
        const char *what;
        double rps, seconds;
        uint32_t told;
    } rows[] = {
        {"not busy enough", 900, 60, 0},
        {"doubles", 1200, 10, 1},
        {"stays as it is", 600, 60, 0},
        {"doubles again", 3000, 10, 1},
        {"has as many homes as a script may", 9000, 60, 0},
        {"narrows, which is not told", 20, 100, 0},
    };
    struct rng r = {1};
    uint64_t now = S_NS;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t end = now + (uint64_t)(rows[i].seconds * 1e9);
        uint32_t told = 0;
        while (now < end) {
            now += 1 + rng_below(&r, (uint64_t)(2e9 / rows[i].rps));
            told += heat_ask_home(&heat, &tune, 9, now)->has_widened;
        }
        if (told != rows[i].told)
            fail_msg("%s: told %u times", rows[i].what, told);
    }
}

static void a_short_burst_does_not_widen(void **state)
{
    struct rng r = {1};
    uint64_t now = S_NS;
    do
        busy(heat_ask_home, 9, 3000, 0.001, &now, &r);
    while (heat_find(&heat, 9)->widening_ns == 0);
    now += 2 * S_NS;
    heat_ask_home(&heat, &tune, 9, now);
    assert_int_equal(heat_find(&heat, 9)->widening_ns, 0);
    assert_int_equal(heat_find(&heat, 9)->width, 1);
}

static void believes_the_widest_home_until_it_is_silent(void **state)
{
    heat_ask(&heat, &tune, 9, 1 * S_NS);
    heat_set_width(&heat, 9, 4, 2 * S_NS);
    heat_set_width(&heat, 9, 1, 3 * S_NS);
    assert_int_equal(heat_width(heat_find(&heat, 9), 3 * S_NS), 4);
    heat_set_width(&heat, 9, 2, 11 * S_NS);
    assert_int_equal(heat_width(heat_find(&heat, 9), 12 * S_NS - 1), 4);
    assert_int_equal(heat_width(heat_find(&heat, 9), 12 * S_NS), 1);
    heat_set_width(&heat, 9, 2, 13 * S_NS);
    assert_int_equal(heat_width(heat_find(&heat, 9), 13 * S_NS), 2);
    heat_set_width(&heat, 77, 4, 13 * S_NS); /* never asked for */
    assert_null(heat_find(&heat, 77));
}

static void takes_any_number_of_a_peer_for_a_width(void **state)
{
    static const uint8_t said[] = {0, 1, 2, 3, 4, 200}, means[] = {1, 1, 2, 2, 4, 4};
    for (size_t i = 0; i < sizeof(said); i++) {
        set_up(state);
        heat_ask(&heat, &tune, 9, 1);
        heat_set_width(&heat, 9, said[i], 1);
        assert_int_equal(heat_width(heat_find(&heat, 9), 2), means[i]);
    }
}

static void forgets_the_longest_unasked_of_a_full_set(void **state)
{
    for (uint64_t i = 0; i < HEAT_WAYS; i++)
        heat_ask(&heat, &tune, 5 + i * HEAT_SETS, 10 + i);
    heat_ask(&heat, &tune, 5, 100);
    heat_ask(&heat, &tune, 5 + HEAT_WAYS * HEAT_SETS, 101);
    assert_non_null(heat_find(&heat, 5));
    assert_null(heat_find(&heat, 5 + 1 * HEAT_SETS));
    assert_non_null(heat_find(&heat, 5 + 2 * HEAT_SETS));
    assert_non_null(heat_find(&heat, 5 + HEAT_WAYS * HEAT_SETS));
}

static void keeps_what_is_in_flight(void **state)
{
    for (uint64_t i = 0; i < HEAT_WAYS; i++)
        heat_started(&heat, 5 + i * HEAT_SETS, 10 + i);
    assert_null(heat_ask(&heat, &tune, 5 + HEAT_WAYS * HEAT_SETS, 100));
    heat_started(&heat, 5 + HEAT_WAYS * HEAT_SETS, 100); /* not counted, and its end neither */
    heat_ended(&heat, 5 + HEAT_WAYS * HEAT_SETS);
    heat_ended(&heat, 5 + 3 * HEAT_SETS);
    assert_non_null(heat_ask(&heat, &tune, 5 + HEAT_WAYS * HEAT_SETS, 100));
    assert_null(heat_find(&heat, 5 + 3 * HEAT_SETS));
    heat_ended(&heat, 5 + HEAT_WAYS * HEAT_SETS);
    assert_int_equal(heat_find(&heat, 5 + HEAT_WAYS * HEAT_SETS)->in_flight, 0);
}

static void a_script_of_hash_zero_is_one_like_any_other(void **state)
{
    assert_non_null(heat_ask(&heat, &tune, 0, 1));
    assert_non_null(heat_find(&heat, 0));
}

/* In flight as in a model; whoever has jobs is found; thresholds the wrong way round change nothing
 * that must hold. */
static void holds_its_properties(void **state)
{
    enum { SCRIPTS = 40 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng r = {seed};
        struct heat_tune any = {(uint32_t)rng_below(&r, 50000), (uint32_t)rng_below(&r, 50000),
                                (uint32_t)rng_below(&r, 50000), (uint32_t)rng_below(&r, 50000)};
        uint32_t in_flight[SCRIPTS] = {0}, busy_ways = 0;
        uint64_t now = S_NS;
        set_up(state);
        for (int i = 0; i < 20000; i++) {
            uint32_t n = (uint32_t)rng_below(&r, SCRIPTS);
            uint64_t script = 3 + (uint64_t)n * HEAT_SETS; /* one set */
            now += rng_below(&r, 100 * MS_NS);
            switch (rng_below(&r, 5)) {
            case 0:
                assert_true(heat_ask(&heat, &any, script, now) != NULL || busy_ways == HEAT_WAYS);
                break;
            case 1:
                assert_true(heat_ask_home(&heat, &any, script, now) != NULL ||
                            busy_ways == HEAT_WAYS);
                break;
            case 2:
                heat_set_width(&heat, script, (uint8_t)rng_next(&r), now);
                break;
            case 3:
                if (in_flight[n] == 0 && busy_ways == HEAT_WAYS)
                    break;
                busy_ways += in_flight[n]++ == 0;
                heat_started(&heat, script, now);
                break;
            default:
                if (in_flight[n] == 0)
                    break;
                busy_ways -= --in_flight[n] == 0;
                heat_ended(&heat, script);
            }
            const struct heat_script *s = heat_find(&heat, script);
            assert_true(s != NULL || in_flight[n] == 0);
            if (!s)
                continue;
            uint8_t width = heat_width(s, now);
            assert_int_equal(s->in_flight, in_flight[n]);
            assert_true(width == 1 || width == 2 || width == 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(measures_the_rate, set_up),
        cmocka_unit_test_setup(becomes_hot_and_cools_with_hysteresis, set_up),
        cmocka_unit_test_setup(peers_never_make_it_hot, set_up),
        cmocka_unit_test_setup(widens_by_what_comes_to_it_and_narrows_again, set_up),
        cmocka_unit_test_setup(widens_only_after_it_has_said_so, set_up),
        cmocka_unit_test_setup(what_loads_for_long_widens_later, set_up),
        cmocka_unit_test_setup(each_widening_is_told_once, set_up),
        cmocka_unit_test_setup(a_short_burst_does_not_widen, set_up),
        cmocka_unit_test_setup(believes_the_widest_home_until_it_is_silent, set_up),
        cmocka_unit_test_setup(takes_any_number_of_a_peer_for_a_width, set_up),
        cmocka_unit_test_setup(forgets_the_longest_unasked_of_a_full_set, set_up),
        cmocka_unit_test_setup(keeps_what_is_in_flight, set_up),
        cmocka_unit_test_setup(a_script_of_hash_zero_is_one_like_any_other, set_up),
        cmocka_unit_test_setup(holds_its_properties, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
