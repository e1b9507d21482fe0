/* Whether a script loads, asked by hearthd before anybody is routed to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script_rig.h"

static struct harness h;

static void start_process(uint64_t memory_bytes)
{
    memset(&h, 0, sizeof(h));
    harness_start(&h, memory_bytes);
}

static int stop_process(void **state)
{
    harness_stop(&h);
    return 0;
}

static const char good[] = "export default { fetch() { return new Response('good'); } };";

static const struct {
    const char *what, *source;
    const char *says; /* the answer has it; NULL: it loads */
} rows[] = {
    {"a good one", good, NULL},
    {"one that logs and leaves a rejection alone",
     "console.log('up'); Promise.reject(new Error('alone')); export default { fetch() {} };", NULL},
    {"one that awaits at its top level",
     "await new Promise((r) => queueMicrotask(r)); export default { fetch() {} };", NULL},
    {"a syntax error", "export default { fetch() { return new Response(\"v2\" } };",
     "main.mjs:1:48: Uncaught SyntaxError"},
    {"a throw at the top level", "throw new Error(\"at top\"); export default { fetch() {} };",
     "Error: at top"},
    {"no default export", "export const x = 1;", "no handler"},
    {"a module that is missing", "import y from \"./missing.js\"; export default { fetch() {} };",
     "No such module \"./missing.js\", imported from \"main.mjs\""},
    {"a top level that never ends", "for(;;); export default { fetch() {} };", "its CPU time"},
    {"a misspelt handler", "export default { fetsh() {} };", "no handler"},
    {"a top level that takes all memory",
     "const all = []; for (;;) all.push(new Array(1000).fill(all.length)); export default {};",
     "the script's top level used more than"},
    {"a top level that waits for ever", "await new Promise(() => {}); export default {};",
     "never finishes"},
    {"an error of 100,000 characters", "throw new Error('x'.repeat(100000));", "Error: xxx"},
};

static void a_try_says_what_is_in_the_log(void **state)
{
    start_process(512u << 20);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *said;

        harness_script(&h, i + 1, rows[i].source, NULL);
        said = harness_try(&h, i + 1, true);
        if (rows[i].says ? !strstr(said, rows[i].says) : *said)
            fail_msg("%s: \"%s\"", rows[i].what, said);
        if (rows[i].says && !harness_logged(&h, "error", said))
            fail_msg("%s: not in the log", rows[i].what);
    }
    /* The process is as good as before, and what it said of a script it says again, without a
     * second start. */
    size_t lines = h.line_count;
    assert_non_null(strstr(harness_try(&h, 5, true), "Error: at top"));
    assert_int_equal(h.line_count, lines);
    assert_string_equal((char *)harness_get(&h, 1, "/")->body, "good");
    assert_int_equal(harness_get(&h, 1, "/")->cold_us, 0); /* the try has warmed it */
}

static void away_from_home_a_try_leaves_nothing_warm(void **state)
{
    start_process(512u << 20);
    harness_script(&h, 1, good, NULL);
    assert_string_equal(harness_try(&h, 1, false), "");
    assert_true(harness_get(&h, 1, "/")->cold_us > 0);
    assert_string_equal(harness_try(&h, 1, false), ""); /* but what was warm stays */
    assert_int_equal(harness_get(&h, 1, "/")->cold_us, 0);
}

static void a_script_that_never_came_does_not_load(void **state)
{
    start_process(512u << 20);
    assert_string_not_equal(harness_try(&h, 77, true), "");
}

static void the_new_version_of_a_warm_script_is_told_of_without_being_asked(void **state)
{
    start_process(512u << 20);
    h.name = "same";
    harness_script(&h, 1, good, NULL);
    assert_string_equal((char *)harness_get(&h, 1, "/")->body, "good");
    assert_int_equal(h.loaded_count, 0);
    harness_script(&h, 2, "export default { fetsh() {} };", NULL);
    while (h.loaded_count < 1)
        harness_await(&h);
    assert_int_equal(h.loaded_handle, 2);
    assert_non_null(strstr(h.loaded_error, "no handler"));
    harness_script(&h, 3, good, NULL);
    while (h.loaded_count < 2)
        harness_await(&h);
    assert_int_equal(h.loaded_handle, 3);
    assert_string_equal(h.loaded_error, "");
}

static void where_there_is_no_memory_a_try_takes_nobodys_place(void **state)
{
    start_process(
        5 << 19); /* 2.5 MiB: one isolate, and not the 2 MiB that another is taken to need */
    harness_script(&h, 1, good, NULL);
    assert_string_equal((char *)harness_get(&h, 1, "/")->body, "good");
    harness_script(&h, 2, "export default { fetsh() {} };", NULL);
    harness_script(&h, 3, good, NULL);
    assert_non_null(strstr(harness_try(&h, 2, true), "no handler"));
    assert_string_equal(harness_try(&h, 3, true), "");
    assert_int_equal(harness_get(&h, 1, "/")->cold_us, 0);
    assert_true(harness_get(&h, 3, "/")->cold_us > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, stop_process)
    const struct CMUnitTest tests[] = {
        TEST(a_try_says_what_is_in_the_log),
        TEST(away_from_home_a_try_leaves_nothing_warm),
        TEST(a_script_that_never_came_does_not_load),
        TEST(the_new_version_of_a_warm_script_is_told_of_without_being_asked),
        TEST(where_there_is_no_memory_a_try_takes_nobodys_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
