/* Turns of TLS handshakes, and the slice that they have of an iteration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/slice.h"
#include "dataplane/tls/handshakes.h"

enum { US = 1000 };

static void turns_alternate_between_what_begins_and_what_has_begun(void **state)
{
    struct handshakes h = {0};
    struct age_link fresh[3] = {0}, begun[2] = {0};
    for (int i = 0; i < 3; i++)
        handshakes_add(&h, &fresh[i], false);
    for (int i = 0; i < 2; i++)
        handshakes_add(&h, &begun[i], true);
    struct age_link *const order[] = {&begun[0], &fresh[0], &begun[1], &fresh[1], &fresh[2]};
    for (int i = 0; i < 5; i++)
        assert_ptr_equal(handshakes_next(&h), order[i]);
    assert_false(handshakes_wait(&h));
    assert_null(handshakes_next(&h));
}

static void who_waits_does_not_wait_twice(void **state)
{
    struct handshakes h = {0};
    struct age_link link = {0};
    handshakes_add(&h, &link, false);
    handshakes_add(&h, &link, true);
    assert_ptr_equal(handshakes_next(&h), &link);
    assert_false(handshakes_wait(&h));
}

static void only_those_that_begin_are_limited(void **state)
{
    static struct age_link fresh[HANDSHAKES_WAITING_MAX], begun[HANDSHAKES_WAITING_MAX];
    struct handshakes h = {0};
    for (int i = 0; i < HANDSHAKES_WAITING_MAX; i++) {
        assert_false(handshakes_are_full(&h));
        handshakes_add(&h, &begun[i], true);
    }
    for (int i = 0; i < HANDSHAKES_WAITING_MAX; i++) {
        assert_false(handshakes_are_full(&h));
        handshakes_add(&h, &fresh[i], false);
    }
    assert_true(handshakes_are_full(&h));
    age_remove(&fresh[7]); /* its client has left */
    assert_false(handshakes_are_full(&h));
}

static void a_slice_ends_with_its_time(void **state)
{
    struct clock clock;
    clock_init_virtual(&clock, 5);
    struct slice s = slice_of(&clock, CORE_SLICE_UNITS);
    uint32_t pieces = 0;
    while (slice_take(&s)) {
        pieces++;
        clock_set_ns(&clock, clock_now_ns(&clock) + 300 * US);
    }
    assert_int_equal(pieces, 4);
}

static void a_slice_has_one_piece_however_long(void **state)
{
    struct clock clock;
    clock_init_virtual(&clock, 5);
    struct slice s = slice_of(&clock, CORE_SLICE_UNITS);
    clock_set_ns(&clock, 1000000 * US); /* others took long before it began */
    assert_true(slice_take(&s));
    clock_set_ns(&clock, 2000000 * US);
    assert_false(slice_take(&s));
}

static void a_slice_ends_with_its_pieces_where_time_stands_still(void **state)
{
    struct clock clock;
    clock_init_virtual(&clock, 0);
    struct slice s = slice_of(&clock, 3);
    uint32_t pieces = 0;
    while (slice_take(&s))
        pieces++;
    assert_int_equal(pieces, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_alternate_between_what_begins_and_what_has_begun),
        cmocka_unit_test(who_waits_does_not_wait_twice),
        cmocka_unit_test(only_those_that_begin_are_limited),
        cmocka_unit_test(a_slice_ends_with_its_time),
        cmocka_unit_test(a_slice_has_one_piece_however_long),
        cmocka_unit_test(a_slice_ends_with_its_pieces_where_time_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
