/* Strangers' texts on their way to a log or a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/base/clean.h"
#include "control/base/log.h"

#define BAD "\xef\xbf\xbd"

struct row {
    const char *what;
    enum clean how;
    const char *in, *out;
};

static const struct row rows[] = {
    {"plain text", CLEAN_LINE, "GET /a 200", "GET /a 200"},
    {"other scripts, and what is beyond 16 bits", CLEAN_LINE,
     "Gr\xc3\xbc\xc3\x9f\x65 \xe6\x97\xa5 \xf0\x9f\x98\x80",
     "Gr\xc3\xbc\xc3\x9f\x65 \xe6\x97\xa5 \xf0\x9f\x98\x80"},
    {"an escape sequence", CLEAN_LINE, "a\x1b[2Jb", "a" BAD "[2Jb"},
    {"backspaces over what stands there", CLEAN_TEXT, "bad\b\b\bgood", "bad" BAD BAD BAD "good"},
    {"DEL", CLEAN_LINE, "\x7f", BAD},
    {"C1: CSI in one character", CLEAN_LINE,
     "\xc2\x9b"
     "2J",
     BAD "2J"},
    {"C1, the last one", CLEAN_LINE, "\xc2\x9f\xc2\xa0", BAD "\xc2\xa0"},
    {"C1 as a bare byte", CLEAN_LINE,
     "\x9b"
     "2J",
     BAD "2J"},
    {"Arabic letter mark", CLEAN_LINE, "\xd8\x9c", BAD},
    {"marks: left to right, right to left", CLEAN_LINE, "\xe2\x80\x8e\xe2\x80\x8f", BAD BAD},
    {"embeddings and overrides", CLEAN_LINE,
     "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae", BAD BAD BAD BAD BAD},
    {"isolates", CLEAN_LINE, "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", BAD BAD BAD BAD},
    {"their neighbours stay", CLEAN_LINE,
     "\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
     "\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa"},
    {"bidi in a text of lines too", CLEAN_TEXT, "\xe2\x80\xae\n", BAD "\n"},
    {"a second line", CLEAN_LINE, "a\ndeploy script=x", "a deploy script=x"},
    {"a carriage return, a tab", CLEAN_LINE, "a\rb\tc", "a b c"},
    {"separators of lines and paragraphs", CLEAN_LINE,
     "a\xe2\x80\xa8"
     "b\xe2\x80\xa9"
     "c",
     "a b c"},
    {"lines and tabs that are structure", CLEAN_TEXT, "a\n\tb\r", "a\n\tb" BAD},
    {"a second field", CLEAN_FIELD, "a\" level=\"info", "a\\\" level=\\\"info"},
    {"a backslash that takes the end's escape away", CLEAN_FIELD, "a\\", "a\\\\"},
    {"quotes in a line that has none around it", CLEAN_LINE, "\"a\\", "\"a\\"},
    {"a byte that begins nothing", CLEAN_LINE,
     "a\xff\xfe"
     "b",
     "a" BAD BAD "b"},
    {"half a character at the end", CLEAN_LINE, "a\xe2\x80", "a" BAD BAD},
    {"half a character, then another", CLEAN_LINE,
     "\xe2\x80"
     "a",
     BAD BAD "a"},
    {"a slash in two bytes", CLEAN_LINE, "\xc0\xaf", BAD BAD},
    {"an escape in three bytes", CLEAN_LINE, "\xe0\x80\x9b", BAD BAD BAD},
    {"half of a pair", CLEAN_LINE, "\xed\xa0\x80", BAD BAD BAD},
    {"beyond Unicode", CLEAN_LINE, "\xf4\x90\x80\x80", BAD BAD BAD BAD},
    {"JSON escapes the rest itself", CLEAN_UTF8, "a\x1b\n\xe2\x80\xae\xff",
     "a\x1b\n\xe2\x80\xae" BAD},
};

static void each_text_is_made_fit_to_be_shown(void **state)
{
    char out[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t len = clean(out, sizeof(out), rows[i].in, strlen(rows[i].in), rows[i].how);

        if (strcmp(out, rows[i].out) || len != strlen(out))
            fail_msg("%s: got \"%s\"", rows[i].what, out);
    }
}

static void what_does_not_fit_is_cut_between_characters(void **state)
{
    char out[8];

    assert_int_equal(clean(out, 1, "abc", 3, CLEAN_LINE), 0);
    assert_string_equal(out, "");
    assert_int_equal(clean(out, 4, "abc", 3, CLEAN_LINE), 3);
    assert_int_equal(clean(out, 3, "\xff", 1, CLEAN_LINE), 0);
    assert_int_equal(clean(out, 4, "aa\"", 3, CLEAN_FIELD), 2);
    assert_string_equal(out, "aa");
    assert_int_equal(clean(out, 8, "a\0b", 3, CLEAN_LINE), 5);
    assert_string_equal(out, "a" BAD "b");
}

static void every_string_of_json_is_cleaned(void **state)
{
    json_t *j = json_pack("{s:s, s:[{s:s}, i]}", "a", "x\x1b", "b", "c", "y\n\xc2\x9b", 5);

    clean_json(j, CLEAN_LINE);
    assert_string_equal(json_string_value(json_object_get(j, "a")), "x" BAD);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(j, "b"), 0), "c")),
        "y " BAD);
    json_decref(j);
}

static void a_log_line_is_one_line_whatever_is_in_it(void **state)
{
    char line[256] = "";
    int ends[2], kept = dup(STDERR_FILENO);

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_line("script", "name=%s text=\"%s\"", "a\nb", "\x1b[2J\xe2\x80\xae\xff\xc2\x9b");
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    close(ends[0]);
    assert_string_equal(line, "script name=a b text=\"" BAD "[2J" BAD BAD BAD "\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_is_made_fit_to_be_shown),
        cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
        cmocka_unit_test(every_string_of_json_is_cleaned),
        cmocka_unit_test(a_log_line_is_one_line_whatever_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
