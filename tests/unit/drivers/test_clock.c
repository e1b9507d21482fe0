/* test_clock.c: the virtual clock, and the real one against the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "drivers/clock.h"
#include "drivers/eal.h"

static void a_virtual_clock_stands_until_it_is_set(void **state)
{
    struct clock c;
    clock_init_virtual(&c, 42);
    assert_int_equal(clock_now_ns(&c), 42);
    assert_int_equal(clock_now_ns(&c), 42);
    clock_set_ns(&c, 42);
    clock_set_ns(&c, 1000000000000000000);
    assert_int_equal(clock_ticks_per_us(&c), 0);
    assert_int_equal(clock_now_ns(&c), 1000000000000000000);
}

static uint64_t kernel_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void the_real_clock_keeps_the_kernels_pace(void **state)
{
    struct clock c;
    clock_init_tsc(&c);
    /* Bracketed: ours is read between two readings of the kernel's, at both ends of 50 ms of busy
     * waiting. */
    uint64_t k0 = kernel_ns(), o0 = clock_now_ns(&c), k1 = kernel_ns(), last = o0;
    while (kernel_ns() - k1 < 50000000) {
        uint64_t now = clock_now_ns(&c);
        assert_true(now >= last);
        last = now;
    }
    uint64_t k2 = kernel_ns(), o1 = clock_now_ns(&c), k3 = kernel_ns();
    /* DPDK rounds the frequency to 10 MHz. */
    uint64_t shortest = k2 - k1, longest = k3 - k0, slack = longest / 200;
    assert_in_range(o1 - o0, shortest - slack, longest + slack);
    uint64_t ticks = (uint64_t)(((unsigned __int128)1000000000 << 32) / c.ns_per_tick_q32);
    assert_in_range(clock_ticks_per_us(&c), ticks / 1000000, ticks / 1000000 + 1);
}

/* A product of 64 bits would wrap within seconds; years must not. */
static void the_real_clock_does_not_wrap(void **state)
{
    struct clock c;
    clock_init_tsc(&c);
    uint64_t year_ticks =
        (uint64_t)(365.0 * 86400 * 1e9 * 4294967296.0 / (double)c.ns_per_tick_q32);
    c.tsc_start -= 10 * year_ticks;
    double years = (double)clock_now_ns(&c) / (365.0 * 86400 * 1e9);
    assert_true(years > 9.99 && years < 10.01);
}

static int start(void **state)
{
    struct eal_config c = {.name = "test-clock", .memory_mb = 64, .huge = EAL_HUGE_OFF};
    struct eal_report report;
    return eal_start(&c, &report, NULL, 0);
}

static int stop(void **state)
{
    eal_stop();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_virtual_clock_stands_until_it_is_set),
        cmocka_unit_test(the_real_clock_keeps_the_kernels_pace),
        cmocka_unit_test(the_real_clock_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
