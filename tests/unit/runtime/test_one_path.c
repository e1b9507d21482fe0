/* The path on which routes are matched is the path that scripts see: dataplane/world/url_path.c
 * against the URL class of the runtime, which is ada's parser. Random targets; the first that
 * differs is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/world/url_path.h"
#include "script_rig.h"

enum { TARGETS = 20000, PIECES_MAX = 12, BATCH = 500 };

static struct harness h;
static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

/* What decides anything, often; else any byte that a request target may have. */
static size_t make_target(char *out)
{
    static const char *const pieces[] = {"/",    "/",   "/",   ".",   "..", "%2e", "%2E",
                                         "/../", "/./", "%2f", "%25", "%",  "a",   "b.c",
                                         "?",    "'",   "\"",  "{",   "\\"};
    size_t len = 0;
    uint32_t count = below(PIECES_MAX);
    out[len++] = below(16) ? '/' : '?';
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = below(sizeof(pieces) / sizeof(*pieces) + 4);
        if (n < sizeof(pieces) / sizeof(*pieces))
            len += (size_t)sprintf(out + len, "%s", pieces[n]);
        else
            out[len++] = (char)(0x21 + below(0x7f - 0x21));
        if (out[len - 1] == '#')
            len--;
    }
    return len;
}

static void routes_and_scripts_see_one_path(void **unused)
{
    static char targets[BATCH * 64], expected[BATCH * 256];
    uint32_t handle = rig_script(
        &h,
        "export default { async fetch(request) {"
        " const lines = (await request.text()).split('\\n').slice(0, -1);"
        " return new Response(lines.map((line) => { const url = new URL('https://h.test' + line);"
        " return `${url.pathname} ${url.href.slice(14)}\\n`; }).join('')); } };");
    for (int done = 0; done < TARGETS; done += BATCH) {
        size_t len = 0, expected_len = 0;
        for (int i = 0; i < BATCH; i++) {
            char out[512];
            size_t path_bytes, n = make_target(targets + len);
            size_t bytes = url_path_write(out, sizeof(out), targets + len, n, &path_bytes);
            expected_len += (size_t)sprintf(expected + expected_len, "%.*s %.*s\n", (int)path_bytes,
                                            out, (int)bytes, out);
            targets[len + n] = '\n';
            len += n + 1;
        }
        uint32_t job = rig_post(&h, handle);
        harness_send(&h, job, targets, len, true);
        struct harness_job *j = harness_wait(&h, job);
        assert_int_equal(j->error, JOB_ERROR_NONE);
        const char *seen = (const char *)j->body, *want = expected, *target = targets;
        for (int i = 0; i < BATCH; i++) {
            size_t n = strcspn(want, "\n");
            if (strncmp(seen, want, n + 1) != 0)
                fail_msg("target %.*s: routes see %.*s, scripts %.*s", (int)strcspn(target, "\n"),
                         target, (int)n, want, (int)strcspn(seen, "\n"), seen);
            want += n + 1;
            seen += n + 1;
            target += strcspn(target, "\n") + 1;
        }
        harness_close(&h, job);
    }
}

static int setup(void **unused)
{
    harness_start(&h);
    return 0;
}

static int teardown(void **unused)
{
    harness_stop(&h);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(routes_and_scripts_see_one_path)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
