#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/world/url_path.h"

static const struct {
    const char *what, *target, *path, *query;
} rows[] = {
    {"a plain path", "/a/b.c", "/a/b.c", ""},
    {"the root", "/", "/", ""},
    {"nothing: an absolute target without a path", "", "/", ""},
    {"a query without a path", "?x=1", "/", "?x=1"},
    {"an empty query", "/a?", "/a", "?"},
    {"one dot", "/./a", "/a", ""},
    {"one dot at the end", "/a/.", "/a/", ""},
    {"two dots", "/public/../admin/x", "/admin/x", ""},
    {"two dots at the end", "/a/b/..", "/a/", ""},
    {"two dots alone", "/..", "/", ""},
    {"more dots than segments", "/../../a", "/a", ""},
    {"dots in escapes", "/public/%2e%2e/admin/x", "/admin/x", ""},
    {"dots in capital escapes", "/public/%2E%2E/admin/x", "/admin/x", ""},
    {"a dot, and one in an escape", "/public/.%2e/x", "/x", ""},
    {"one in an escape, and a dot", "/public/%2e./x", "/x", ""},
    {"one dot in an escape", "/public/%2E/x", "/public/x", ""},
    {"an escaped dot with text is no dot segment", "/a/%2e%2ex", "/a/%2e%2ex", ""},
    {"three dots are a name", "/a/.../b", "/a/.../b", ""},
    {"three dots in escapes are a name", "/a/%2e%2e%2e/b", "/a/%2e%2e%2e/b", ""},
    {"a name that begins with a dot", "/.well-known/x", "/.well-known/x", ""},
    {"an escaped slash is none", "/a/..%2fb", "/a/..%2fb", ""},
    {"a twice escaped dot is none", "/a/%252e%252e/b", "/a/%252e%252e/b", ""},
    {"empty segments stay", "//a//b/", "//a//b/", ""},
    {"two dots take an empty segment", "/public//../../admin/secret", "/admin/secret", ""},
    {"two dots behind the root's empty segment", "//..", "/", ""},
    {"a backslash parts segments", "/a\\..\\b", "/b", ""},
    {"bytes that no path holds", "/a\"b<c>d^e`f{g}h", "/a%22b%3Cc%3Ed%5Ee%60f%7Bg%7Dh", ""},
    {"bytes that a path holds", "/a!$&'()*+,;=:@[]|~", "/a!$&'()*+,;=:@[]|~", ""},
    {"an escape that is none", "/a%zz%", "/a%zz%", ""},
    {"escapes are not decoded, and keep their case", "/%61%c3%A4", "/%61%c3%A4", ""},
    {"bytes that are not ASCII", "/\xc3\xa4", "/%C3%A4", ""},
    {"dots in the query", "/a?b=/../c", "/a", "?b=/../c"},
    {"bytes that no query holds", "/?a=\"<>'", "/", "?a=%22%3C%3E%27"},
    {"bytes that a query holds", "/?a={b}|^`?/\\%", "/", "?a={b}|^`?/\\%"},
    {"dots before a query", "/a/..?b", "/", "?b"},
};

static void a_target_is_written_as_a_url_parser_reads_it(void **state)
{
    char out[256], again[256];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t path_bytes, len = strlen(rows[i].target);
        size_t bytes = url_path_write(out, sizeof(out), rows[i].target, len, &path_bytes);
        if (path_bytes != strlen(rows[i].path) || memcmp(out, rows[i].path, path_bytes) != 0 ||
            bytes != path_bytes + strlen(rows[i].query) ||
            memcmp(out + path_bytes, rows[i].query, bytes - path_bytes) != 0)
            fail_msg("%s: \"%.*s\" of %zu", rows[i].what, (int)bytes, out, path_bytes);
        size_t same = url_path_write(again, sizeof(again), out, bytes, &path_bytes);
        if (same != bytes || memcmp(again, out, bytes) != 0)
            fail_msg("%s: twice gives \"%.*s\"", rows[i].what, (int)same, again);
    }
}

static void what_does_not_fit_is_not_written(void **state)
{
    char out[16];
    size_t path_bytes;
    assert_int_equal(url_path_write(out, 7, "/\"a\"", 4, &path_bytes), 0);
    assert_int_equal(url_path_write(out, 8, "/\"a\"", 4, &path_bytes), 8);
    assert_memory_equal(out, "/%22a%22", 8);
    assert_int_equal(url_path_write(out, 3, "/a?b", 4, &path_bytes), 0);
    assert_int_equal(url_path_write(out, 0, "", 0, &path_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_written_as_a_url_parser_reads_it),
        cmocka_unit_test(what_does_not_fit_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
