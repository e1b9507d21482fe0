/* test_host.c: host_canonical against its rules, one byte at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/host.h"
#include "drivers/rng.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_good_label(const char *label, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_word(label[i]) && label[i] != '-')
            return false;
    return len >= 1 && len <= 63 && label[0] != '-' && label[len - 1] != '-';
}

/* Bytes of the canonical form, 0: none. */
static size_t expected(const char *name, size_t len)
{
    size_t label = 0;

    if (len > 0 && name[len - 1] == '.')
        len--;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && name[i] != '.')
            continue;
        if (!is_good_label(name + label, i - label))
            return 0;
        label = i + 1;
    }
    return len <= HOST_BYTES_MAX ? len : 0;
}

/* The name's memory ends with it, so that a sanitizer sees what is read behind. */
static void assert_as_expected(const char *name, size_t len)
{
    char *exact = malloc(len + !len), *out = malloc(HOST_BYTES_MAX + 1);
    size_t want = expected(name, len);

    memcpy(exact, name, len);
    assert_int_equal(host_canonical(out, exact, len), want);
    for (size_t i = 0; i < want; i++)
        assert_int_equal(out[i], name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    if (want > 0)
        assert_int_equal(out[want], 0);
    free(exact);
    free(out);
}

static void every_byte_at_every_place(void **state)
{
    char name[80];

    for (size_t len = 1; len < sizeof(name); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(name, 'x', sizeof(name));
            if (len > 50)
                name[len / 2] = '.';
            for (int c = 0; c < 256; c++) {
                name[at] = (char)c;
                assert_as_expected(name, len);
            }
        }
    }
}

static void random_names_of_all_lengths(void **state)
{
    static const char some[] = "abcxyzABCXYZ0129__xxxxxxxxxxxxxxxxxxxxxxx--...@";
    struct rng random = {1};
    char name[300];
    size_t good = 0;

    for (int i = 0; i < 300000; i++) {
        size_t len = rng_below(&random, i % 2 ? 40 : sizeof(name));
        size_t choice = i % 3 ? sizeof(some) - 8 : sizeof(some) - 1;

        for (size_t k = 0; k < len; k++)
            name[k] = some[rng_below(&random, choice)];
        for (size_t k = 20; i % 3 && k < len; k += 20 + rng_below(&random, 45))
            name[k] = '.';
        assert_as_expected(name, len);
        good += expected(name, len) > 0;
    }
    assert_true(good > 50000);
}

static void a_name_may_become_canonical_in_place(void **state)
{
    char name[HOST_BYTES_MAX + 1] = "Shop.A-Long-Label.Example.COM.";

    assert_int_equal(host_canonical(name, name, strlen(name)), 29);
    assert_string_equal(name, "shop.a-long-label.example.com");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(random_names_of_all_lengths),
        cmocka_unit_test(a_name_may_become_canonical_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
