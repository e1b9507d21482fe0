/* How many cells a script has, second by second (control/supervise/width.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "control/supervise/width.h"

static void it_widens_while_cells_are_full_and_cpus_idle(void **state)
{
    static const struct {
        const char *what;
        uint32_t cells;
        uint64_t used;
        bool has_idle;
        int more;
    } rows[] = {
        {"none runs", 0, 0, true, 0},
        {"one that is idle stays", 1, 0, true, 0},
        {"one with most of a CPU", 1, 801, true, 1},
        {"one just below", 1, 800, true, 0},
        {"no CPU is idle", 1, 1000, false, 0},
        {"two with most of two", 2, 1601, true, 1},
        {"two with most of one", 2, 1000, true, 0},
        {"as many as there may be", 3, 3000, true, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct width w = {0};

        if (width_judge(&w, rows[i].cells, rows[i].used, rows[i].has_idle, 3) != rows[i].more)
            fail_msg("%s", rows[i].what);
    }
}

static void it_narrows_after_calm_that_nothing_interrupts(void **state)
{
    struct width w = {0};

    for (int s = 1; s < WIDTH_NARROW_S; s++)
        assert_int_equal(width_judge(&w, 2, 799, true, 4), 0);
    assert_int_equal(width_judge(&w, 2, 800, true, 4), 0);
    for (int s = 1; s < WIDTH_NARROW_S; s++)
        assert_int_equal(width_judge(&w, 2, 799, true, 4), 0);
    assert_int_equal(width_judge(&w, 2, 799, true, 4), -1);
    assert_int_equal(width_judge(&w, 2, 799, true, 4), 0);
}

static void the_last_one_stays(void **state)
{
    struct width w = {0};

    for (int s = 0; s < 3 * WIDTH_NARROW_S; s++)
        assert_int_equal(width_judge(&w, 1, 0, true, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_widens_while_cells_are_full_and_cpus_idle),
        cmocka_unit_test(it_narrows_after_calm_that_nothing_interrupts),
        cmocka_unit_test(the_last_one_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
