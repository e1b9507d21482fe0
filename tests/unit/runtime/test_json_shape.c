/* How deep a client's JSON may be, what it may cost, and what is not counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/worker/json_shape.h"

enum {
    SHAPES = JSON_NS_MAX / (JSON_NS_SHAPE + JSON_NS_CONTAINER),
    WIDE = JSON_NS_MAX / (JSON_NS_WIDE + JSON_NS_NEW),
    CONTAINERS = JSON_NS_MAX / JSON_NS_CONTAINER,
    STRINGS = JSON_NS_MAX / JSON_NS_NEW,
};

/* A piece, repeated, and another, repeated as often, between two others. A # in the first is its
 * number, % and ^ are the high and the low half of it. */
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
    /* New shapes: {"0":1}, {"1":1}, ... */
    {"objects of a name each", "[", "{\"#\":1},", "", "0]", SHAPES * 9 / 10, JSON_FINE},
    {"too many", "[", "{\"#\":1},", "", "0]", SHAPES * 11 / 10, JSON_TOO_COSTLY},
    {"with blanks and a byte order mark", "\xef\xbb\xbf[", "{ \"#\" : 1 } ,", "", "0]",
     SHAPES * 12 / 10, JSON_TOO_COSTLY},
    {"long names that differ at their end", "[", "{\"a name longer than a word is #\":1},", "",
     "0]", SHAPES * 15 / 10, JSON_TOO_COSTLY},
    {"pairs of few names, each pair once", "[", "{\"%\":1,\"x^\":1},", "", "0]", SHAPES * 11 / 10,
     JSON_TOO_COSTLY},
    {"the same ones in another order", "[", "{\"a\":1,\"b\":1},{\"b\":1,\"a\":1},", "", "0]",
     SHAPES, JSON_FINE},
    {"names of empty objects' neighbours", "[", "{\"a\":{},\"b\":[{}]},", "", "0]", SHAPES,
     JSON_FINE},
    /* A hash table. */
    {"many names of one object", "{", "\"#\":1,", "", "\"\":0}", WIDE * 9 / 10, JSON_FINE},
    {"too many of them", "{", "\"#\":1,", "", "\"\":0}", WIDE * 11 / 10, JSON_TOO_COSTLY},
    {"the same name again and again", "{", "\"a\":1,", "", "\"\":0}", WIDE * 11 / 10, JSON_FINE},
    {"behind objects in it", "{", "\"#\":{\"a\":[]},", "", "\"\":0}", WIDE, JSON_TOO_COSTLY},
    /* Values. */
    {"rows", "[", "{\"id\":#,\"name\":\"user#\",\"tags\":[\"a\",\"b\"]},", "", "0]", 500000,
     JSON_FINE},
    {"places", "[", "[12.345#,67.890#],", "", "0]", 1000000, JSON_FINE},
    {"empty objects", "[", "{},", "", "0]", CONTAINERS * 8 / 10, JSON_FINE},
    {"too many of them", "[", "{},", "", "0]", CONTAINERS * 11 / 10, JSON_TOO_COSTLY},
    {"empty arrays", "[", "[],", "", "0]", CONTAINERS * 11 / 10, JSON_TOO_COSTLY},
    {"short strings", "[", "\"#\",", "", "0]", STRINGS * 8 / 10, JSON_FINE},
    {"too many of them", "[", "\"#\",", "", "0]", STRINGS * 12 / 10, JSON_TOO_COSTLY},
    {"the same ones", "[", "\"abc\",", "", "0]", STRINGS * 2, JSON_FINE},
    {"long ones", "[", "\"a longer string #\",", "", "0]", STRINGS * 2, JSON_FINE},
    {"numbers", "[", "#,", "", "0]", STRINGS * 2, JSON_FINE},
    {"what looks like names in a string", "[\"", "'#':1,{}", "", "\"]", STRINGS, JSON_FINE},
};

static char *put_numbered(char *p, const char *piece, uint32_t n)
{
    for (; *piece; piece++) {
        if (*piece == '#')
            p += sprintf(p, "%x", n);
        else if (*piece == '%' || *piece == '^')
            p += sprintf(p, "%x", *piece == '%' ? n / 512 : n % 512);
        else
            *p++ = *piece;
    }
    return p;
}

static void what_nests_is_counted(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t ends = strlen(rows[i].before) + strlen(rows[i].after);
        size_t turn = strlen(rows[i].open) + strlen(rows[i].close) + 24;
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
