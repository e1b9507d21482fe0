/* What is known to be warm, and what asking ahead was worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/place/warmth.h"
#include "drivers/rng.h"

#define US_NS 1000ull
#define S_NS  1000000000ull

static struct counters counters;
static struct warmth warmth;

static int set_up(void **state)
{
    memset(&counters, 0, sizeof(counters));
    warmth_init(&warmth, &counters);
    return 0;
}

static void check(uint64_t useful, uint64_t late, uint64_t wasted, uint64_t hidden_us)
{
    assert_int_equal(counters.warm_useful, useful);
    assert_int_equal(counters.warm_late, late);
    assert_int_equal(counters.warm_wasted, wasted);
    assert_int_equal(counters.warm_hidden_us, hidden_us);
}

static void is_asked_for_once(void **state)
{
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_UNKNOWN);
    assert_true(warmth_ask(&warmth, 5, 0));
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_ASKED);
    assert_int_equal(warmth.asked, 1);
    assert_false(warmth_ask(&warmth, 5, 1));
    warmth_warmed(&warmth, 5, 700, 2);
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_WARM);
    assert_int_equal(warmth.asked, 0);
    assert_false(warmth_ask(&warmth, 5, 3));
}

/* It cannot be made, or others need its room: either way the next request would ask again, and the
 * one after it. */
static void is_not_asked_for_again_at_once(void **state)
{
    assert_true(warmth_ask(&warmth, 5, 10 * S_NS));
    warmth_evicted(&warmth, 5);
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_UNKNOWN);
    assert_int_equal(warmth.asked, 0);
    assert_false(warmth_ask(&warmth, 5, 10 * S_NS + WARMTH_AGAIN_NS - 1));
    assert_true(warmth_ask(&warmth, 5, 10 * S_NS + WARMTH_AGAIN_NS));
    warmth_warmed(&warmth, 5, 700, 20 * S_NS);
    warmth_started(&warmth, 5, 60 * S_NS);
    warmth_evicted(&warmth, 5);
    assert_false(warmth_ask(&warmth, 5, 60 * S_NS + WARMTH_AGAIN_NS - 1));
    warmth_started(&warmth, 5, 61 * S_NS); /* a request that has to run here does not ask */
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_ASKED);
}

static void warm_in_time_is_useful_once(void **state)
{
    warmth_ask(&warmth, 5, 1 * S_NS);
    warmth_warmed(&warmth, 5, 700, 1 * S_NS + 700 * US_NS);
    warmth_started(&warmth, 5, 2 * S_NS);
    warmth_started(&warmth, 5, 3 * S_NS);
    warmth_evicted(&warmth, 5);
    warmth_sweep(&warmth, WARMTH_SLOTS, 100 * S_NS);
    check(1, 0, 0, 700);
}

static void a_start_before_it_is_warm_is_late(void **state)
{
    warmth_ask(&warmth, 5, 1 * S_NS);
    warmth_started(&warmth, 5, 1 * S_NS + 300 * US_NS);
    warmth_warmed(&warmth, 5, 700, 1 * S_NS + 700 * US_NS);
    warmth_started(&warmth, 5, 2 * S_NS);
    check(0, 1, 0, 300);
}

static void evicted_before_a_start_is_wasted(void **state)
{
    warmth_ask(&warmth, 5, 0);
    warmth_warmed(&warmth, 5, 700, 1);
    warmth_evicted(&warmth, 5);
    warmth_ask(&warmth, 6, 0); /* as the process says when it cannot have it */
    warmth_evicted(&warmth, 6);
    warmth_evicted(&warmth, 7);
    check(0, 0, 2, 0);
    assert_int_equal(warmth.asked, 0);
}

static void unused_for_long_is_wasted_once_and_stays_warm(void **state)
{
    warmth_ask(&warmth, 5, 1 * S_NS);
    warmth_warmed(&warmth, 5, 700, 1 * S_NS);
    warmth_sweep(&warmth, WARMTH_SLOTS, 1 * S_NS + WARMTH_WASTE_NS - 1);
    check(0, 0, 0, 0);
    warmth_sweep(&warmth, WARMTH_SLOTS, 1 * S_NS + WARMTH_WASTE_NS);
    warmth_sweep(&warmth, WARMTH_SLOTS, 2 * S_NS + WARMTH_WASTE_NS);
    check(0, 0, 1, 0);
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_WARM);
    warmth_started(&warmth, 5, 40 * S_NS);
    warmth_evicted(&warmth, 5);
    check(0, 0, 1, 0);
}

static void an_ask_without_an_answer_is_given_up(void **state)
{
    warmth_ask(&warmth, 5, 1 * S_NS);
    warmth_sweep(&warmth, WARMTH_SLOTS, 1 * S_NS + WARMTH_WASTE_NS);
    check(0, 0, 1, 0);
    assert_int_equal(warmth.asked, 0);
    assert_true(warmth_ask(&warmth, 5, 50 * S_NS));
}

static void warm_already_is_no_merit_and_no_waste(void **state)
{
    warmth_ask(&warmth, 5, 0);
    warmth_warmed(&warmth, 5, 0, 1);
    warmth_started(&warmth, 5, 2);
    warmth_ask(&warmth, 6, 0);
    warmth_warmed(&warmth, 6, 0, 1);
    warmth_evicted(&warmth, 6);
    warmth_warmed(&warmth, 7, 900, 1); /* somebody else asked */
    warmth_started(&warmth, 7, 2);
    check(0, 0, 0, 0);
}

static void a_start_makes_its_isolate_by_itself(void **state)
{
    warmth_started(&warmth, 5, 1 * S_NS);
    assert_false(warmth_ask(&warmth, 5, 1 * S_NS));
    warmth_warmed(&warmth, 5, 700, 1 * S_NS + 1);
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_WARM);
    warmth_started(&warmth, 5, 2 * S_NS);
    check(0, 0, 0, 0);
}

static void a_full_set_forgets_the_longest_unasked(void **state)
{
    uint64_t other = 2;
    warmth_ask(&warmth, 1, 1);
    while (warmth_of(&warmth, 1) != WARMTH_UNKNOWN)
        warmth_ask(&warmth, other++, 2);
    other--;
    assert_int_equal(warmth_of(&warmth, other), WARMTH_ASKED);
    warmth_evicted(&warmth, 1);
    assert_int_equal(warmth_of(&warmth, other), WARMTH_ASKED);
    check(0, 0, 0, 0);
}

/* Else what is hot would go home each time that another script of its set is asked for. */
static void what_is_started_all_the_time_is_not_forgotten(void **state)
{
    warmth_warmed(&warmth, 1, 700, 0);
    for (uint64_t other = 2; other < 20000; other++) {
        warmth_started(&warmth, 1, other * S_NS);
        warmth_ask(&warmth, other, other * S_NS + 1);
        assert_int_equal(warmth_of(&warmth, 1), WARMTH_WARM);
    }
}

static void dense_handles_do_not_collide_early(void **state)
{
    for (uint64_t handle = 1; handle <= 2000; handle++)
        warmth_ask(&warmth, handle, 0);
    assert_int_equal(warmth.asked, 2000);
}

static void what_requests_wait_for_is_asked_for_again_soon(void **state)
{
    assert_true(warmth_need(&warmth, 5, S_NS));
    assert_int_equal(warmth_of(&warmth, 5), WARMTH_ASKED);
    assert_false(warmth_need(&warmth, 5, S_NS + WARMTH_NEED_NS - 1));
    assert_true(warmth_need(&warmth, 5, S_NS + WARMTH_NEED_NS));
    assert_int_equal(warmth.asked, 1);
    warmth_warmed(&warmth, 5, 9, S_NS + WARMTH_NEED_NS);
    warmth_started(&warmth, 5, S_NS + WARMTH_NEED_NS);
    assert_int_equal(counters.warm_useful + counters.warm_late, 0); /* it was no guess */
}

static void need_after_a_guess_leaves_the_verdict_on_it(void **state)
{
    assert_true(warmth_ask(&warmth, 5, S_NS));
    assert_true(warmth_need(&warmth, 5, S_NS + 1000));
    warmth_started(&warmth, 5, S_NS + 3000);
    assert_int_equal(counters.warm_late, 1);
    assert_int_equal(counters.warm_hidden_us, 3);
}

static void what_was_lost_may_be_asked_for_at_once(void **state)
{
    assert_true(warmth_ask(&warmth, 5, S_NS));
    warmth_warmed(&warmth, 5, 9, S_NS);
    warmth_lost(&warmth, 5);
    assert_int_equal(counters.warm_wasted, 1);
    assert_true(warmth_ask(&warmth, 5, S_NS + 1));
}

/* Every ask ends in at most one verdict, and `asked` is always the number of entries in ASKED. */
static void holds_its_properties(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng r = {seed};
        uint64_t now = 0, asks = 0;
        set_up(state);
        for (int i = 0; i < 20000; i++) {
            uint64_t handle = 1 + rng_below(&r, 300);
            now += rng_below(&r, S_NS);
            switch (rng_below(&r, 8)) {
            case 0:
            case 1:
                asks += warmth_ask(&warmth, handle, now);
                break;
            case 2:
                warmth_warmed(&warmth, handle, (uint32_t)rng_below(&r, 3), now);
                break;
            case 3:
                warmth_evicted(&warmth, handle);
                break;
            case 4:
                warmth_started(&warmth, handle, now);
                break;
            case 5:
                warmth_need(&warmth, handle, now);
                break;
            case 6:
                warmth_lost(&warmth, handle);
                break;
            default:
                warmth_sweep(&warmth, 64, now);
            }
        }
        uint32_t asked = 0;
        for (uint32_t i = 0; i < WARMTH_SLOTS; i++)
            asked += warmth.slot[i].state == WARMTH_ASKED;
        assert_int_equal(asked, warmth.asked);
        assert_true(counters.warm_useful + counters.warm_late + counters.warm_wasted <= asks);
        assert_true(counters.warm_useful > 0 && counters.warm_late > 0 && counters.warm_wasted > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(is_asked_for_once, set_up),
        cmocka_unit_test_setup(is_not_asked_for_again_at_once, set_up),
        cmocka_unit_test_setup(warm_in_time_is_useful_once, set_up),
        cmocka_unit_test_setup(a_start_before_it_is_warm_is_late, set_up),
        cmocka_unit_test_setup(evicted_before_a_start_is_wasted, set_up),
        cmocka_unit_test_setup(unused_for_long_is_wasted_once_and_stays_warm, set_up),
        cmocka_unit_test_setup(an_ask_without_an_answer_is_given_up, set_up),
        cmocka_unit_test_setup(warm_already_is_no_merit_and_no_waste, set_up),
        cmocka_unit_test_setup(a_start_makes_its_isolate_by_itself, set_up),
        cmocka_unit_test_setup(a_full_set_forgets_the_longest_unasked, set_up),
        cmocka_unit_test_setup(what_is_started_all_the_time_is_not_forgotten, set_up),
        cmocka_unit_test_setup(dense_handles_do_not_collide_early, set_up),
        cmocka_unit_test_setup(what_requests_wait_for_is_asked_for_again_soon, set_up),
        cmocka_unit_test_setup(need_after_a_guess_leaves_the_verdict_on_it, set_up),
        cmocka_unit_test_setup(what_was_lost_may_be_asked_for_at_once, set_up),
        cmocka_unit_test_setup(holds_its_properties, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
