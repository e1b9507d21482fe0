/* The knobs by name, and keys as text and as files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/config/key.h"
#include "control/config/tune.h"

static char error[512];

static void every_default_is_in_its_range_and_without_conflict(void **state)
{
    for (size_t i = 0; i < TUNE_KEYS; i++) {
        uint32_t value = tune_get(&world_tune_default, &tune_keys[i]);

        if (value < tune_keys[i].min || value > tune_keys[i].max)
            fail_msg("%s: %u", tune_keys[i].name, value);
    }
    assert_null(tune_conflict(&world_tune_default, error, sizeof(error)));
}

static void every_key_has_a_field_of_its_own(void **state)
{
    for (size_t i = 0; i < TUNE_KEYS; i++) {
        struct world_tune t = {0};
        uint32_t *word = (uint32_t *)&t;
        uint32_t set = 0;

        tune_set(&t, &tune_keys[i], 1);
        for (size_t k = 0; k < TUNE_KEYS; k++)
            set += word[k];
        assert_int_equal(set, 1);
        assert_int_equal(tune_get(&t, &tune_keys[i]), 1);
        assert_ptr_equal(tune_find(tune_keys[i].name), &tune_keys[i]);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(tune_keys[i].offset, tune_keys[k].offset);
    }
}

static void assignments_are_taken_or_explained(void **state)
{
    static const struct {
        const char *what, *text, *said; /* said NULL: taken */
    } rows[] = {
        {"a number", "widen_rps=7", NULL},
        {"the least", "warm_per_s=0", NULL},
        {"the most", "optimistic_bytes=65536", NULL},
        {"one more", "optimistic_bytes=65537",
         "optimistic_bytes: 65537 is out of range (0 to 65536)"},
        {"one less", "widen_rps=0", "widen_rps: 0 is out of range (1 to 10000000)"},
        {"more than a word holds", "widen_rps=99999999999999999999",
         "widen_rps: 99999999999999999999 is out of range (1 to 10000000)"},
        {"a sign", "widen_rps=-1", "widen_rps: \"-1\" is not a whole number"},
        {"a unit", "widen_rps=5k", "widen_rps: \"5k\" is not a whole number"},
        {"nothing", "widen_rps=", "widen_rps: \"\" is not a whole number"},
        {"no value", "widen_rps", "\"widen_rps\" is not KEY=VALUE"},
        {"no key", "=1", "there is no key \"\"; hearthctl tune lists them"},
        {"a stranger", "colour=1", "there is no key \"colour\"; hearthctl tune lists them"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world_tune t = world_tune_default;
        int rc = tune_assign(&t, rows[i].text, error, sizeof(error));

        if (rc != (rows[i].said ? -1 : 0))
            fail_msg("%s: %d", rows[i].what, rc);
        if (rows[i].said && strcmp(error, rows[i].said))
            fail_msg("%s: %s", rows[i].what, error);
        if (rows[i].said)
            assert_memory_equal(&t, &world_tune_default, sizeof(t));
    }
}

/* ---- keys ---- */

static void any_key_reads_back(void **state)
{
    uint8_t key[KEY_BYTES], back[KEY_BYTES];
    char text[KEY_TEXT_CHARS + 1];

    for (uint32_t seed = 1; seed <= 200; seed++) {
        for (uint32_t i = 0, x = seed; i < KEY_BYTES; i++, x = x * 1664525 + 1013904223)
            key[i] = (uint8_t)(x >> 24);
        key_format(text, key);
        assert_int_equal(strlen(text), KEY_TEXT_CHARS);
        assert_true(key_parse(back, text));
        assert_memory_equal(key, back, KEY_BYTES);
    }
}

static void only_the_one_spelling_of_a_key_is_taken(void **state)
{
    static const struct {
        const char *what, *text;
        bool is_good;
    } rows[] = {
        {"zeros", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", true},
        {"ones", "//////////////////////////////////////////8=", true},
        {"bits that no byte has", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", false},
        {"31 bytes", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", false},
        {"33 bytes", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false},
        {"a character less", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false},
        {"the other alphabet", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_=", false},
        {"a space", "AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA=", false},
        {"padding inside", "AAAAAAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAAAAAAAAA=", false},
        {"nothing", "", false},
    };
    uint8_t key[KEY_BYTES];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (key_parse(key, rows[i].text) != rows[i].is_good)
            fail_msg("%s", rows[i].what);
}

static void a_key_file_is_private_and_never_overwritten(void **state)
{
    const uint8_t key[KEY_BYTES] = {1, 2, 3}, other[KEY_BYTES] = {9};
    uint8_t back[KEY_BYTES];
    char dir[] = "/tmp/hearth-test-key-XXXXXX", path[64];
    struct stat st;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/k", dir);
    assert_int_equal(key_file_read(path, back, error, sizeof(error)), -1);
    assert_int_equal(key_file_create(path, key, error, sizeof(error)), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(key_file_create(path, other, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "is there already"));
    assert_int_equal(key_file_read(path, back, error, sizeof(error)), 0);
    assert_memory_equal(key, back, KEY_BYTES);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(key_file_read(path, back, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "has mode 0640"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(key_file_read(path, back, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "is not the base64"));
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_in_its_range_and_without_conflict),
        cmocka_unit_test(every_key_has_a_field_of_its_own),
        cmocka_unit_test(assignments_are_taken_or_explained),
        cmocka_unit_test(any_key_reads_back),
        cmocka_unit_test(only_the_one_spelling_of_a_key_is_taken),
        cmocka_unit_test(a_key_file_is_private_and_never_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
