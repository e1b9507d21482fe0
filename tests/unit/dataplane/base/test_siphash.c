/* test_siphash: the published values, of both output sizes (siphash.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/siphash.h"

static uint8_t key[16], in[64];

/* Aumasson and Bernstein, appendix A, and the reference implementation's vectors: input 00 01 02
 * ... */
static void sixty_four_bits_are_the_published_ones(void **state)
{
    assert_true(siphash_64(key, in, 15) == 0xa129ca6149be45e5);
    assert_true(siphash_64(key, in, 0) == 0x726fdb47dd0e0e31);
    assert_true(siphash_64(key, in, 8) == 0x93f5f5799a932462);
}

/* The reference implementation's vectors, and what OpenSSL 3.0 gives. */
static const struct {
    const char *name;
    size_t len;
    const char *hex;
} row[] = {
    {"nothing", 0, "a3817f04ba25a8e66df67214c7550293"},
    {"one byte", 1, "da87c1d86b99af44347659119b22fc45"},
    {"a word but one byte", 7, "a1f1ebbed8dbc153c0b84aa61ff08239"},
    {"a word", 8, "3b62a9ba6258f5610f83e264f31497b4"},
    {"two words but one byte", 15, "5493e99933b0a8117e08ec0f97cfc3d9"},
    {"eight words but one byte", 63, "5150d1772f50834a503e069a973fbd7c"},
};

static void a_hundred_and_twenty_eight_bits_are_the_published_ones(void **state)
{
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        uint8_t out[16];
        char text[33];
        siphash_128(key, in, row[i].len, out);
        for (int b = 0; b < 16; b++)
            sprintf(text + 2 * b, "%02x", out[b]);
        if (strcmp(text, row[i].hex) != 0)
            fail_msg("%s: %s", row[i].name, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixty_four_bits_are_the_published_ones),
        cmocka_unit_test(a_hundred_and_twenty_eight_bits_are_the_published_ones),
    };

    for (uint8_t i = 0; i < sizeof(in); i++) {
        in[i] = i;
        if (i < sizeof(key))
            key[i] = i;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
