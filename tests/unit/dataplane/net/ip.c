/* Prefixes of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "dataplane/net/ip.h"

/* Of all lengths, with each of the 128 bits turned: inside the prefix it matters, behind it not. */
static void a_bit_matters_inside_the_prefix_and_nowhere_else(void **state)
{
    const uint8_t prefix[16] = {0xfd, 0x77, 0x5a, 0xa5, 1, 2, 3, 4, 0xff, 0, 0x80, 1, 10, 77, 0, 1};

    for (int len = 0; len <= 128; len++) {
        assert_true(ip_in_prefix(prefix, prefix, (uint8_t)len));
        for (int bit = 0; bit < 128; bit++) {
            uint8_t ip[16];

            memcpy(ip, prefix, 16);
            ip[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            if (ip_in_prefix(ip, prefix, (uint8_t)len) != (bit >= len))
                fail_msg("/%d, bit %d", len, bit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bit_matters_inside_the_prefix_and_nowhere_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
