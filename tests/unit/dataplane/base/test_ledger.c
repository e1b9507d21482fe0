#include "dataplane/base/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ledger l;
static uint64_t since;

static int start(void **state)
{
    ledger_init(&l, 1000);
    since = l.mark;
    return 0;
}

static uint64_t all_ticks(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < LEDGER_STAGE_COUNT; i++)
        sum += l.ticks[i];
    return sum;
}

static uint64_t all_pieces(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < LEDGER_STAGE_COUNT; i++)
        sum += l.pieces[i];
    return sum;
}

static void what_stages_find_is_theirs_and_nothing_is_lost(void **state)
{
    ledger_begin(&l);
    ledger_lap(&l, LEDGER_receive, 32);
    ledger_lap(&l, LEDGER_net, 32);
    uint64_t in = ledger_in(&l);
    ledger_out(&l, LEDGER_tls, in);
    ledger_lap(&l, LEDGER_conn, 3);
    assert_int_equal(l.pieces[LEDGER_look], 1);
    assert_int_equal(l.pieces[LEDGER_receive], 32);
    assert_int_equal(l.pieces[LEDGER_net], 32);
    assert_int_equal(l.pieces[LEDGER_tls], 1);
    assert_int_equal(l.pieces[LEDGER_conn], 3);
    assert_int_equal(all_ticks(), l.mark - since);
    assert_true(l.ticks[LEDGER_look] > 0 && l.ticks[LEDGER_tls] > 0 && l.ticks[LEDGER_conn] > 0);
}

static void a_stage_that_found_nothing_has_nothing(void **state)
{
    ledger_begin(&l);
    uint64_t mark = l.mark;
    ledger_lap(&l, LEDGER_receive, 0);
    assert_int_equal(l.mark, mark);
    ledger_lap(&l, LEDGER_timers, 2);
    assert_int_equal(l.ticks[LEDGER_receive], 0);
    assert_int_equal(l.pieces[LEDGER_receive], 0);
    assert_int_equal(all_ticks(), l.mark - since);
}

static void an_iteration_without_work_is_idle_all_of_it(void **state)
{
    ledger_begin(&l);
    ledger_lap(&l, LEDGER_receive, 0);
    ledger_rest(&l, LEDGER_idle, __rdtsc());
    ledger_rest(&l, LEDGER_sleep, __rdtsc());
    ledger_begin(&l);
    ledger_lap(&l, LEDGER_cells, 1);
    assert_int_equal(l.pieces[LEDGER_look], 1); /* of the second one */
    assert_int_equal(l.pieces[LEDGER_idle], 1);
    assert_int_equal(l.pieces[LEDGER_sleep], 1);
    assert_int_equal(all_pieces(), 4);
    assert_int_equal(all_ticks(), l.mark - since);
}

static void inner_work_of_a_stage_that_found_nothing_is_kept(void **state)
{
    ledger_begin(&l);
    uint64_t in = ledger_in(&l);
    ledger_out(&l, LEDGER_tls, in);
    ledger_lap(&l, LEDGER_cells, 0);
    ledger_lap(&l, LEDGER_conn, 1);
    assert_true(l.ticks[LEDGER_look] < l.mark - since);
    assert_true(l.ticks[LEDGER_conn] < l.mark - since);
    assert_int_equal(all_ticks(), l.mark - since);
}

static void without_a_clock_nothing_is_written(void **state)
{
    static const struct ledger untouched;
    ledger_init(&l, 0);
    ledger_begin(&l);
    ledger_lap(&l, LEDGER_receive, 5);
    ledger_out(&l, LEDGER_tls, ledger_in(&l));
    ledger_rest(&l, LEDGER_sleep, __rdtsc());
    assert_memory_equal(&l, &untouched, sizeof(l));
}

static void count_stage(void *arg, const char *name, const char *unit, const char *text,
                        uint64_t ticks, uint64_t pieces)
{
    assert_true(*name && *unit && *text);
    ++*(int *)arg;
}

static void every_stage_is_shown(void **state)
{
    int count = 0;
    ledger_each(&l, count_stage, &count);
    assert_int_equal(count, LEDGER_STAGE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_stages_find_is_theirs_and_nothing_is_lost, start),
        cmocka_unit_test_setup(a_stage_that_found_nothing_has_nothing, start),
        cmocka_unit_test_setup(an_iteration_without_work_is_idle_all_of_it, start),
        cmocka_unit_test_setup(inner_work_of_a_stage_that_found_nothing_is_kept, start),
        cmocka_unit_test_setup(without_a_clock_nothing_is_written, start),
        cmocka_unit_test_setup(every_stage_is_shown, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
