/* When the service manager is told that the node works, and when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/daemon/watchdog.h"

static void the_interval_is_what_the_environment_asks_of_this_process(void **state)
{
    static const struct {
        const char *what, *usec, *pid;
        uint64_t ns;
    } rows[] = {
        {"30 s, a look each 7.5", "30000000", "7", 7500000000},
        {"nobody said which process", "4000", NULL, 1000000},
        {"no watchdog", NULL, NULL, 0},
        {"another process's", "30000000", "8", 0},
        {"no time at all", "0", "7", 0},
        {"no number", "soon", "7", 0},
        {"half a number", "30s", "7", 0},
        {"nothing", "", "7", 0},
        {"more than there is", "99999999999999999999", "7", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (watchdog_interval_ns(rows[i].usec, rows[i].pid, 7) != rows[i].ns)
            fail_msg("%s", rows[i].what);
}

static void a_core_that_has_not_moved_is_named_until_it_does(void **state)
{
    struct watchdog w = {0};

    assert_int_equal(watchdog_look(&w, (uint64_t[]){0, 0, 5}, 3), 3); /* the first look */
    assert_int_equal(watchdog_look(&w, (uint64_t[]){1, 0, 6}, 3), 1);
    assert_int_equal(watchdog_look(&w, (uint64_t[]){2, 0, 6}, 3), 1); /* the first of two */
    assert_int_equal(watchdog_look(&w, (uint64_t[]){3, 1, 7}, 3), 3);
    assert_int_equal(watchdog_look(&w, (uint64_t[]){UINT64_MAX, 2, 8}, 3), 3);
    assert_int_equal(watchdog_look(&w, (uint64_t[]){UINT64_MAX, 3, 9}, 3), 3); /* has returned */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_is_what_the_environment_asks_of_this_process),
        cmocka_unit_test(a_core_that_has_not_moved_is_named_until_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
