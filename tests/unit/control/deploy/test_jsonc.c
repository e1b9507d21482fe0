/* JSON with comments and trailing commas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/deploy/jsonc.h"

static void comments_and_trailing_commas_are_no_json(void **state)
{
    static const struct {
        const char *what, *text, *json; /* NULL: refused */
    } rows[] = {
        {"plain JSON", "{\"a\":[1,2]}", "{\"a\":[1,2]}"},
        {"a line comment", "{ // x\n\"a\":1}", "{\"a\":1}"},
        {"a line comment at the end", "{\"a\":1} // x", "{\"a\":1}"},
        {"a block comment", "{/* x\n * y */\"a\":1}", "{\"a\":1}"},
        {"an empty block comment", "{/**/\"a\":1}", "{\"a\":1}"},
        {"a slash and star are not a whole comment", "{/*/\"a\":1}", NULL},
        {"a comma before a brace", "{\"a\":1,}", "{\"a\":1}"},
        {"a comma before a bracket", "{\"a\":[1,2, ]}", "{\"a\":[1,2]}"},
        {"a comma, a comment, a brace", "{\"a\":1, // x\n /* y */ }", "{\"a\":1}"},
        {"two commas are one too many", "{\"a\":[1,,]}", NULL},
        {"comments inside strings stay", "{\"a\":\"// x /* y */ ,]\"}",
         "{\"a\":\"// x /* y */ ,]\"}"},
        {"a quote escaped in a string", "{\"a\":\"\\\",}\"}", "{\"a\":\"\\\",}\"}"},
        {"a backslash at the end of a string", "{\"a\":\"\\\\\",}", "{\"a\":\"\\\\\"}"},
        {"a string that does not end", "{\"a\":\"", NULL},
        {"a string that ends in a backslash", "{\"a\":\"\\", NULL},
        {"a comment that does not end", "{\"a\":1} /*", "{\"a\":1}"},
        {"a key given twice", "{\"a\":1,\"a\":2}", NULL},
        {"a lone slash", "{/\"a\":1}", NULL},
        {"nothing", "", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[256] = "";
        json_t *j = jsonc_parse(rows[i].text, strlen(rows[i].text), error, sizeof(error));
        char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

        if (!text != !rows[i].json || (text && strcmp(text, rows[i].json)))
            fail_msg("%s: %s %s", rows[i].what, text ? text : "refused:", error);
        free(text);
        json_decref(j);
    }
}

static void an_error_keeps_its_line(void **state)
{
    const char *text = "{\n  // comment\n  \"a\": 1,\n  \"b\" 2\n}";
    char error[256];

    assert_null(jsonc_parse(text, strlen(text), error, sizeof(error)));
    assert_int_equal(strncmp(error, "line 4 ", 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_and_trailing_commas_are_no_json),
        cmocka_unit_test(an_error_keeps_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
