/* test_wolfssl_cpu: what wolfCrypt believes of the CPU after the limit (wolfssl_cpu.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/wolfssl_cpu.h"

/* First in its process: that is when flags that nobody has asked for are still all set. */
static void what_the_cpu_has_not_stays_off(void **state)
{
    wolfssl_cpu_limit();
#ifdef HAVE_CPUID_INTEL
    word32 flags = cpuid_get_flags ? cpuid_get_flags() : 0;

    if (!cpuid_get_flags)
        return;
    assert_false(flags & CPUID_AVX2);
    assert_int_equal(!!(flags & CPUID_AVX1), !!__builtin_cpu_supports("avx"));
    assert_int_equal(!!(flags & CPUID_BMI2), !!__builtin_cpu_supports("bmi2"));
    assert_int_equal(flags & ~0xffffu, 0); /* none that wolfCrypt has no name for */
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_cpu_has_not_stays_off)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
