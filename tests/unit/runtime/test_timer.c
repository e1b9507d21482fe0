/* test_timer: the heap of script timers (runtime/worker/timer.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/worker/request.h"
#include "runtime/worker/timer.h"

static struct timer_heap heap;
static struct request request;
enum { MS = 1000000 };

static int fresh(void **state)
{
    timer_heap_init(&heap);
    memset(&request, 0, sizeof(request));
    return 0;
}

static int gone(void **state)
{
    timer_heap_fini(&heap);
    return 0;
}

static uint64_t fire(uint64_t now_ns)
{
    struct timer *t = timer_due(&heap, now_ns);
    if (!t)
        return 0;
    uint64_t id = timer_id(t);
    if (!t->repeats)
        timer_remove(&heap, t);
    return id;
}

static void timers_fire_by_time_then_by_age(void **state)
{
    uint64_t late = timer_add(&heap, &request.timers, &request, 0, 20 * MS, false);
    uint64_t first = timer_add(&heap, &request.timers, &request, 0, 10 * MS, false);
    uint64_t second = timer_add(&heap, &request.timers, &request, 0, 10 * MS, false);
    assert_int_equal(timer_next_ns(&heap), 10 * MS);
    assert_int_equal(fire(10 * MS - 1), 0);
    assert_int_equal(fire(10 * MS), first);
    assert_int_equal(fire(10 * MS), second);
    assert_int_equal(fire(10 * MS), 0);
    assert_int_equal(fire(UINT64_MAX), late);
    assert_int_equal(timer_next_ns(&heap), UINT64_MAX);
    assert_int_equal(request.timers.count, 0);
    assert_null(request.timers.first);
}

static void a_repeating_timer_comes_again_at_least_a_millisecond_later(void **state)
{
    uint64_t id = timer_add(&heap, &request.timers, &request, 0, 0, true);
    assert_int_equal(fire(0), id);
    assert_int_equal(fire(0), 0);
    assert_int_equal(timer_next_ns(&heap), MS);
    assert_int_equal(fire(MS), id);
}

static void an_id_dies_with_its_timer(void **state)
{
    uint64_t id = timer_add(&heap, &request.timers, &request, 0, 1, false);
    timer_remove(&heap, timer_find(&heap, id));
    assert_null(timer_find(&heap, id));
    uint64_t next = timer_add(&heap, &request.timers, &request, 0, 1, false);
    assert_int_not_equal(id, next);
    assert_null(timer_find(&heap, id));
    assert_non_null(timer_find(&heap, next));
    assert_null(timer_find(&heap, 0));
    assert_null(timer_find(&heap, UINT64_MAX));
}

static void one_request_has_a_limited_number(void **state)
{
    for (int i = 0; i < TIMERS_OF_REQUEST_MAX; i++)
        assert_int_not_equal(timer_add(&heap, &request.timers, &request, 0, 1, false), TIMER_NONE);
    assert_int_equal(timer_add(&heap, &request.timers, &request, 0, 1, false), TIMER_NONE);
}

/* Random adds and removals: what fires is always the smallest due time that is left. */
static void any_sequence_fires_in_order(void **state)
{
    static uint64_t due[4000], ids[4000];
    uint64_t seed = 7;
    uint32_t count = 0;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t roll = (uint32_t)(seed >> 33);
        if (roll % 3 && count < 4000) {
            due[count] = roll % 1000;
            ids[count] = timer_add(&heap, &request.timers, &request, 0, due[count], false);
            count++;
        } else if (count && roll % 2) {
            uint32_t at = roll / 8 % count;
            timer_remove(&heap, timer_find(&heap, ids[at]));
            count--;
            due[at] = due[count];
            ids[at] = ids[count];
        } else if (count) {
            uint32_t least = 0, at = 0;
            for (uint32_t i = 1; i < count; i++)
                if (due[i] < due[least])
                    least = i;
            assert_int_equal(timer_next_ns(&heap), due[least]);
            uint64_t id = fire(UINT64_MAX);
            while (ids[at] != id)
                at++;
            assert_int_equal(due[at], due[least]);
            count--;
            due[at] = due[count];
            ids[at] = ids[count];
        }
    }
    assert_int_equal(heap.count, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_by_time_then_by_age, fresh, gone),
        cmocka_unit_test_setup_teardown(a_repeating_timer_comes_again_at_least_a_millisecond_later,
                                        fresh, gone),
        cmocka_unit_test_setup_teardown(an_id_dies_with_its_timer, fresh, gone),
        cmocka_unit_test_setup_teardown(one_request_has_a_limited_number, fresh, gone),
        cmocka_unit_test_setup_teardown(any_sequence_fires_in_order, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
