/* How far apart two words are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/base/spelling.h"

static void a_slip_of_the_finger_is_one_letter(void **state)
{
    static const struct {
        const char *what, *a, *b;
        unsigned distance;
    } rows[] = {
        {"nothing and nothing", "", "", 0},
        {"the same", "listen", "listen", 0},
        {"one left out", "listn", "listen", 1},
        {"one too many", "listeen", "listen", 1},
        {"one wrong", "lisden", "listen", 1},
        {"two swapped are two wrong", "lisetn", "listen", 2},
        {"one at the front", "isten", "listen", 1},
        {"nothing alike", "abc", "xyz", 3},
        {"all of it missing", "", "node", 4},
        {"the textbook's", "kitten", "sitting", 3},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (spelling_distance(rows[i].a, rows[i].b) != rows[i].distance ||
            spelling_distance(rows[i].b, rows[i].a) != rows[i].distance)
            fail_msg("%s", rows[i].what);
    }
}

static void what_is_too_long_is_like_nothing(void **state)
{
    char longest[SPELLING_LETTERS_MAX + 1] = {0}, longer[SPELLING_LETTERS_MAX + 2] = {0};

    memset(longest, 'x', SPELLING_LETTERS_MAX);
    memset(longer, 'x', SPELLING_LETTERS_MAX + 1);
    assert_int_equal(spelling_distance(longest, longest), 0);
    assert_int_equal(spelling_distance(longest, ""), SPELLING_LETTERS_MAX);
    assert_true(spelling_distance(longest, longer) == UINT_MAX);
    assert_true(spelling_distance(longer, longest) == UINT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_finger_is_one_letter),
        cmocka_unit_test(what_is_too_long_is_like_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
