/* Who is slow, and who is only kept waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/pace.h"

#define S 1000000000ull

enum { RATE = 256 };

/* Moves `bytes` every `every_ns` from its first turn on, until it is too slow or `until_ns` is
 * over. Returns when it was. */
static uint64_t run(uint32_t bytes, uint64_t every_ns, uint64_t until_ns)
{
    struct pace p;
    uint64_t now = S;

    pace_init(&p, 10 * S);
    pace_turn(&p, true, now);
    while (now < S + until_ns) {
        if (pace_deadline_ns(&p) < now + every_ns)
            return pace_deadline_ns(&p) - S;
        now += every_ns;
        pace_moved(&p, bytes, RATE, 30 * S, now);
    }
    return UINT64_MAX;
}

static void the_rate_decides(void **state)
{
    static const struct {
        const char *what;
        uint32_t bytes;
        uint64_t every_ns;
        uint64_t until_ns, slow_ns; /* earliest and latest; 0 and 0: never */
    } rows[] = {
        {"silence: the budget that it begins with", 0, S, 10 * S, 10 * S},
        {"one byte in 29 seconds buys nothing", 1, 29 * S, 10 * S, 10 * S},
        {"one byte a second buys 4 ms each", 1, S, 10 * S, 11 * S},
        {"half of the rate: twice the time", RATE / 2, S, 18 * S, 21 * S},
        {"the rate itself", RATE, S, 0, 0},
        {"in pieces of ten seconds", 10 * RATE, 10 * S, 0, 0},
        {"a thousand times the rate", 1000 * RATE, S, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t slow_ns = run(rows[i].bytes, rows[i].every_ns, 1000 * S);
        bool is_right = rows[i].slow_ns == 0
                            ? slow_ns == UINT64_MAX
                            : rows[i].until_ns <= slow_ns && slow_ns <= rows[i].slow_ns;

        if (!is_right)
            fail_msg("%s: slow at %.3f s", rows[i].what, (double)slow_ns / S);
    }
}

static void who_was_fast_may_pause(void **state)
{
    struct pace p;

    pace_init(&p, 10 * S);
    pace_turn(&p, true, S);
    pace_moved(&p, 1000000, RATE, 30 * S, S);
    assert_int_equal(pace_deadline_ns(&p), 31 * S);
    /* But what was earned beyond that is gone. */
    pace_turn(&p, true, 21 * S);
    assert_int_equal(pace_deadline_ns(&p), 31 * S);
}

/* Time is spent before it is earned. */
static void a_byte_after_a_silence_buys_its_own_time_only(void **state)
{
    struct pace p;

    pace_init(&p, 10 * S);
    pace_turn(&p, true, S);
    pace_moved(&p, 1000000, RATE, 30 * S, S);
    pace_moved(&p, RATE, RATE, 30 * S, 30 * S);
    assert_int_equal(pace_deadline_ns(&p), 32 * S);
}

static void waiting_for_others_costs_nothing(void **state)
{
    struct pace p;

    pace_init(&p, 10 * S);
    pace_turn(&p, true, S);
    pace_turn(&p, false, 5 * S);
    assert_int_equal(pace_deadline_ns(&p), UINT64_MAX);
    pace_turn(&p, false, 500 * S);
    pace_turn(&p, true, 1000 * S);
    assert_int_equal(pace_deadline_ns(&p), 1006 * S);
}

static void a_budget_runs_out_once(void **state)
{
    struct pace p;

    pace_init(&p, 10 * S);
    pace_turn(&p, true, S);
    pace_turn(&p, true, 100 * S);
    assert_int_equal(pace_deadline_ns(&p), 100 * S);
    pace_moved(&p, RATE, RATE, 30 * S, 100 * S);
    assert_int_equal(pace_deadline_ns(&p), 101 * S);
    pace_moved(&p, UINT32_MAX, 1, 30 * S, 100 * S);
    assert_int_equal(pace_deadline_ns(&p), 130 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_decides),
        cmocka_unit_test(who_was_fast_may_pause),
        cmocka_unit_test(a_byte_after_a_silence_buys_its_own_time_only),
        cmocka_unit_test(waiting_for_others_costs_nothing),
        cmocka_unit_test(a_budget_runs_out_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
