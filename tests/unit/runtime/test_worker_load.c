/* Whether a script loads: what its cell says of itself, before anybody is routed to it and
 * after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script_rig.h"

static struct harness h;

static int start(void **state)
{
    harness_start(&h);
    return 0;
}

static int stop(void **state)
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
    {"a listener instead", "addEventListener('fetch', (e) => e.respondWith(new Response()));",
     NULL},
    {"a listener of what never comes", "addEventListener('scheduled', () => {});", "no handler"},
    {"an entrypoint class",
     "import { WorkerEntrypoint } from 'cloudflare:workers'; export default class extends "
     "WorkerEntrypoint { fetch() {} };",
     NULL},
    {"a misspelt handler", "export default { fetsh() {} };", "no handler"},
    {"a top level that takes all memory",
     "const all = []; for (;;) all.push(new Array(1000).fill(all.length)); export default {};",
     "the script's top level used more than"},
    {"a top level that waits for ever", "await new Promise(() => {}); export default {};",
     "never finishes"},
    {"an error of 100,000 characters", "throw new Error('x'.repeat(100000));", "Error: xxx"},
};

static void a_cell_says_what_is_in_the_log(void **state)
{
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        harness_script(&h, i + 1, rows[i].source, NULL);
        const char *said = harness_loaded(&h, i + 1);
        if (rows[i].says ? !strstr(said, rows[i].says) : *said)
            fail_msg("%s: \"%s\"", rows[i].what, said);
        if (rows[i].says && !harness_logged(&h, "error", said))
            fail_msg("%s: not in the log", rows[i].what);
        assert_true(harness_cell(&h, i + 1)->load_us > 0);
    }
}

/* It stays as it is: another start would be no better. */
static void what_does_not_load_is_an_error_for_each_request(void **state)
{
    harness_script(&h, 100, "throw new Error('at top');", NULL);
    harness_loaded(&h, 100);
    size_t lines = h.line_count;
    uint32_t warmed = h.warmed;
    for (int i = 0; i < 3; i++)
        assert_int_equal(harness_get(&h, 100, "/")->error, JOB_ERROR_LOAD);
    assert_int_equal(h.line_count, lines);
    assert_int_equal(h.warmed, warmed);
}

static void a_packet_that_makes_no_script_does_not_load(void **state)
{
    static const struct harness_module modules[] = {{"../outside.js", good}};
    harness_bundle(&h, 101, modules, 1, NULL, NULL, NULL);
    assert_string_equal(harness_loaded(&h, 101),
                        "script packet refused: a module has a bad name or size");
    assert_int_equal(harness_get(&h, 101, "/")->error, JOB_ERROR_LOAD);
}

static void what_loads_is_warm_on_the_lane_before_anybody_asks(void **state)
{
    uint32_t warmed = h.warmed;
    harness_script(&h, 102, good, NULL);
    while (h.warmed == warmed)
        harness_await(&h);
    assert_string_equal(harness_loaded(&h, 102), "");
    assert_int_equal(h.warmed_us, harness_cell(&h, 102)->load_us);
    struct harness_job *j = harness_get(&h, 102, "/");
    assert_string_equal((char *)j->body, "good");
    assert_int_equal(j->cold_us, JOB_START_WARM);
    assert_false(j->has_span);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_says_what_is_in_the_log),
        cmocka_unit_test(what_does_not_load_is_an_error_for_each_request),
        cmocka_unit_test(a_packet_that_makes_no_script_does_not_load),
        cmocka_unit_test(what_loads_is_warm_on_the_lane_before_anybody_asks),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
