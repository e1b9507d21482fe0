/* Which scripts are held back, and for how long: in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/supervise/hold.h"

#define S 1000000000ull

static bool is_held(const struct hold_table *t, uint64_t script, uint64_t now_ns)
{
    uint64_t held[HOLD_SCRIPTS_MAX];
    uint32_t count = hold_list(t, now_ns, held, NULL);

    for (uint32_t i = 0; i < count; i++)
        if (held[i] == script)
            return true;
    return false;
}

static void the_third_end_in_a_row_holds_a_script_back(void **state)
{
    static const struct {
        const char *what;
        uint64_t end_s[6]; /* 0: no more */
        uint64_t held_s;   /* behind the last of them; 0: not */
    } rows[] = {
        {"one end", {100}, 0},
        {"two", {100, 101}, 0},
        {"three within a minute of each other", {100, 159, 218}, 10},
        {"the second one long ago", {100, 161, 162}, 0},
        {"a fourth behind the hold", {100, 101, 102, 113}, 20},
        {"a fifth", {100, 101, 102, 113, 134}, 40},
        {"long after a hold: anew", {100, 101, 102, 200, 201}, 0},
        {"while it is held: what ran already", {100, 101, 102, 103}, 20},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hold_table t = {0};
        uint64_t last = 0;
        for (uint32_t n = 0; n < 6 && rows[i].end_s[n]; n++)
            hold_ended(&t, 7, last = rows[i].end_s[n] * S);
        uint64_t until = last + rows[i].held_s * S;
        if (is_held(&t, 7, last) != (rows[i].held_s > 0) || is_held(&t, 7, until) ||
            (rows[i].held_s && (!is_held(&t, 7, until - 1) || hold_next_ns(&t, last) != until)))
            fail_msg("%s", rows[i].what);
    }
}

static void a_hold_has_a_longest(void **state)
{
    struct hold_table t = {0};
    uint64_t now = 100 * S;
    for (int i = 0; i < 40; i++)
        now = hold_ended(&t, 7, now)->until_ns > now ? t.hold[0].until_ns : now + S;
    assert_true(is_held(&t, 7, now - 1));
    hold_ended(&t, 7, now);
    assert_int_equal(hold_next_ns(&t, now) - now, HOLD_MAX_S * S);
}

static void the_one_heard_of_least_recently_is_forgotten(void **state)
{
    struct hold_table t = {0};
    for (int i = 0; i < HOLD_ENDS; i++)
        hold_ended(&t, 1, (100 + (uint64_t)i) * S);
    for (uint64_t script = 2; script <= HOLD_SCRIPTS_MAX; script++)
        hold_ended(&t, script, 103 * S);
    assert_true(is_held(&t, 1, 104 * S));
    hold_ended(&t, 999, 104 * S);
    assert_false(is_held(&t, 1, 104 * S));
    assert_int_equal(hold_next_ns(&t, 104 * S), UINT64_MAX);
}

static void one_without_memory_is_held_for_a_moment_and_displaces_no_killer(void **state)
{
    struct hold_table table = {0}, *t = &table;
    uint64_t script[HOLD_SCRIPTS_MAX], full = 0;
    const uint64_t now_ns = 3600 * 1000000000ull, ms = 1000000;

    assert_true(hold_full(t, 7, now_ns));
    assert_false(hold_full(t, 7, now_ns + 1)); /* it is already */
    assert_int_equal(hold_list(t, now_ns, script, &full), 1);
    assert_int_equal(full, 1);
    assert_int_equal(hold_next_ns(t, now_ns), now_ns + HOLD_FULL_MS * ms);
    assert_false(hold_has(t, 7, now_ns + HOLD_FULL_MS * ms));
    /* Its ends are counted as ever. */
    hold_ended(t, 8, now_ns);
    hold_ended(t, 8, now_ns);
    assert_true(hold_full(t, 8, now_ns));
    assert_int_equal(hold_ended(t, 8, now_ns + 1)->ends, 3);
    assert_int_equal(hold_list(t, now_ns + 2 * HOLD_FULL_MS * ms, script, &full), 1);
    assert_int_equal(full, 0);
    /* A table full of those that end their cells. */
    for (uint64_t i = 0; i < HOLD_SCRIPTS_MAX; i++)
        hold_ended(t, 100 + i, now_ns + i);
    assert_false(hold_full(t, 9, now_ns + HOLD_SCRIPTS_MAX));
    assert_true(hold_full(t, 9, now_ns + (HOLD_WINDOW_S + 1) * 1000 * ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_without_memory_is_held_for_a_moment_and_displaces_no_killer),
        cmocka_unit_test(the_third_end_in_a_row_holds_a_script_back),
        cmocka_unit_test(a_hold_has_a_longest),
        cmocka_unit_test(the_one_heard_of_least_recently_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
