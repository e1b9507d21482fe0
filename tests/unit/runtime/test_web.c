/* test_web FILE.mjs [DIRECTORY]: runs one suite of tests/web, or of that directory, inside
 * hearth-runtime; each of its lines is a test here. WEB_IDL is what idl.mjs compares with: a file
 * that is generated, idl_table.mjs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static struct harness h;
static const char *suite, *directory = WEB_TESTS;

static void every_line_of_the_suite_is_ok(void **state)
{
    const struct harness_module modules[] = {
        harness_read_module(directory, suite), harness_read_module(WEB_TESTS, "assert.mjs"),
        harness_read_module(WEB_TESTS, "equal.mjs"), harness_read_module(WEB_IDL, "idl_table.mjs")};
    const unsigned count = strcmp(suite, "idl.mjs") == 0 ? 4 : 3;
    harness_start(&h);
    const struct harness_binding to_itself[] = {{"SELF", 1}, {0}};
    bool calls = strcmp(suite, "calls.mjs") == 0;
    harness_bundle(&h, 1, modules, count, "{\"NAME\":\"value\",\"LIST\":[1,2]}",
                   "{\"cpu_ms\":5000}", calls ? to_itself : NULL);
    uint32_t job = harness_open(
        &h, 1, "POST", "https://test.example/path?a=1",
        "host: test.example\nx-two: one\nx-two: two\ncontent-type: text/plain\n", true);
    harness_send(&h, job, "the body", 8, true);
    struct harness_job *j = harness_wait(&h, job);
    if (j->error)
        for (size_t i = 0; i < h.line_count; i++)
            fprintf(stderr, "%s: %s\n", h.lines[i].level, h.lines[i].text);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->status, 200);
    unsigned passed = 0, failed = 0;
    for (char *line = strtok((char *)j->body, "\n"); line; line = strtok(NULL, "\n")) {
        bool ok = strncmp(line, "ok - ", 5) == 0;
        passed += ok;
        failed += strncmp(line, "not ok", 6) == 0; /* other lines belong to the one before */
        if (!ok)
            fprintf(stderr, "%s\n", line);
    }
    fprintf(stderr, "%s: %u passed, %u failed\n", suite, passed, failed);
    assert_true(passed > 0);
    assert_int_equal(failed, 0);
    harness_stop(&h);
}

int main(int argc, char **argv)
{
    suite = argv[1];
    if (argc > 2)
        directory = argv[2];
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_line_of_the_suite_is_ok)};
    return cmocka_run_group_tests_name(suite, tests, NULL, NULL);
}
