/* How deep a client's JSON may be, how many names it may have, and what is not counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/worker/json_shape.h"

/* A piece, repeated, and another, repeated as often, between two others. A # in the first is its
 * number. */
static const struct {
    const char *what, *before, *open, *close, *after;
    uint32_t times;
    enum json_shape shape;
} rows[] = {
    {"nothing", "", "", "", "", 0, JSON_FINE},
    {"arrays as deep as may be", "", "[", "]", "", JSON_DEPTH_MAX, JSON_FINE},
    {"one more", "", "[", "]", "", JSON_DEPTH_MAX + 1, JSON_TOO_DEEP},
    {"objects", "", "{\"a\":", "}", "", JSON_DEPTH_MAX + 1, JSON_TOO_DEEP},
    {"both by turns", "", "[{\"a\":", "}]", "", JSON_DEPTH_MAX / 2, JSON_FINE},
    {"both by turns, one more", "", "[{\"a\":", "}]", "", JSON_DEPTH_MAX / 2 + 1, JSON_TOO_DEEP},
    {"never closed", "", "[", "", "", JSON_DEPTH_MAX + 1, JSON_TOO_DEEP},
    {"one beside the other", "[", "[],", "[{}],", "1]", 100000, JSON_FINE},
    {"in a string", "[\"", "[{", "", "\"]", 100000, JSON_FINE},
    {"in a string behind an escaped quote", "[\"\\\"", "[", "", "\"]", 100000, JSON_FINE},
    {"behind a string that ends with a backslash", "[\"\\\\\",", "[", "]", "]", JSON_DEPTH_MAX,
     JSON_TOO_DEEP},
    {"an escape at the end", "", "\"\\", "", "", 1, JSON_FINE},
    {"closed more often than opened", "", "]", "[", "", 20000, JSON_TOO_DEEP},
    {"closed before it was opened", "", "]", "}", "[]", 20000, JSON_FINE},
    {"as many names as may be", "{", "\"#\":1,", "", "}", JSON_NAMES_MAX, JSON_FINE},
    {"one more", "{", "\"#\":1,", "", "}", JSON_NAMES_MAX + 1, JSON_TOO_MANY_NAMES},
    {"one more in a byte order mark's company", "\xef\xbb\xbf{", "\"#\" : 1,", "", "}",
     JSON_NAMES_MAX + 1, JSON_TOO_MANY_NAMES},
    {"of as many objects", "[", "{\"#\":1},", "", "0]", JSON_NAMES_MAX + 1, JSON_TOO_MANY_NAMES},
    {"the same ones again", "[", "{\"a\":1,\"b\":2},", "", "0]", JSON_NAMES_MAX, JSON_FINE},
    {"long ones that differ at their end", "{", "\"a name that is longer than a word is #\":1,", "",
     "}", JSON_NAMES_MAX + 1, JSON_TOO_MANY_NAMES},
    {"values are none", "[", "\"#\",", "", "0]", JSON_NAMES_MAX + 1, JSON_FINE},
    {"nor is what looks like one in a string", "[\"", "'#':1,", "", "\"]", JSON_NAMES_MAX + 1,
     JSON_FINE},
};

static char *put_numbered(char *p, const char *piece, uint32_t n)
{
    for (; *piece; piece++)
        p += *piece == '#' ? sprintf(p, "%x", n) : (*p = *piece, 1);
    return p;
}

static void what_nests_is_counted(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t ends = strlen(rows[i].before) + strlen(rows[i].after);
        size_t turn = strlen(rows[i].open) + strlen(rows[i].close) + 8;
        char *text = malloc(ends + rows[i].times * turn + 1), *p = text;
        p = stpcpy(p, rows[i].before);
        for (uint32_t n = 0; n < rows[i].times; n++)
            p = put_numbered(p, rows[i].open, n);
        for (uint32_t n = 0; n < rows[i].times; n++)
            p = stpcpy(p, rows[i].close);
        p = stpcpy(p, rows[i].after);
        for (uint64_t secret = 1; secret < 3; secret++) {
            if (json_shape((const uint8_t *)text, (size_t)(p - text),
                           secret * 0x9e3779b97f4a7c15) != rows[i].shape)
                fail_msg("%s", rows[i].what);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_nests_is_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
