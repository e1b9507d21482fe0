/* test_worker_endings: calls from script to script that end before they are through, cancelled from
 * every side; and what outlives the answer that its request was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script_rig.h"

static struct harness h;
static bool is_small; /* the first region of each cell */

static const struct harness_binding to_test[] = {{"OTHER", HARNESS_TEST}, {0}};

static int start(void **state)
{
    harness_start(&h);
    if (is_small)
        h.geometry = &job_geometry_small;
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

/* ---- cancellation ---- */

static void an_abort_cancels_the_call(void **state)
{
    uint32_t s =
        rig_caller(&h, "export default { async fetch(r, env) { const c = new AbortController();"
                       " const step = new URL(r.url).pathname; r.text().then(() => c.abort());"
                       " try { const a = await env.OTHER.fetch('https://o/', { signal: c.signal });"
                       " if (step === '/read') await a.text();"
                       " if (step === '/answer') return a;"
                       " return new Response('?'); }"
                       " catch (e) { return new Response(e.name + (e === c.signal.reason)); } } }");
    uint32_t job = harness_open(&h, s, "POST", RIG_URL "wait", NULL, true),
             sub = harness_wait_sub(&h);
    harness_send(&h, job, NULL, 0, true);
    rig_expect(&h, job, "AbortErrortrue");
    rig_wait_cancel(&h, sub);

    job = harness_open(&h, s, "POST", RIG_URL "read", NULL, true);
    sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "some", 4, false);
    harness_send(&h, job, NULL, 0, true);
    rig_expect(&h, job, "AbortErrortrue");
    rig_wait_cancel(&h, sub);

    job = harness_open(&h, s, "POST", RIG_URL "answer", NULL, true);
    sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "some", 4, false);
    while (h.jobs[job].body_bytes < 4)
        harness_await(&h);
    harness_send(&h, job, NULL, 0, true);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_EXCEPTION);
    rig_wait_cancel(&h, sub);
    harness_close(&h, job);

    uint32_t timed = rig_caller(
        &h, "export default { async fetch(r, env) {"
            " try { await env.OTHER.fetch('https://o/', { signal: AbortSignal.timeout(10) }); }"
            " catch (e) { return new Response(e.name); } } }");
    job = rig_get(&h, timed);
    sub = harness_wait_sub(&h);
    rig_expect(&h, job, "TimeoutError");
    rig_wait_cancel(&h, sub);
    rig_expect_nothing_left(&h);
}

static void an_abort_after_the_end_does_nothing(void **state)
{
    uint32_t job = rig_get(
        &h, rig_caller(&h, "export default { async fetch(r, env) { const c = new AbortController();"
                           " const a = await env.OTHER.fetch('https://o/', { signal: c.signal });"
                           " const t = await a.text(); c.abort(); return new Response(t); } }"));
    uint32_t sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "all", 3, true);
    rig_expect(&h, job, "all");
    assert_false(h.subs[sub].is_cancelled);
}

static void cancelling_the_reply_body_cancels_the_call(void **state)
{
    uint32_t job = rig_get(
        &h,
        rig_caller(&h, "export default { async fetch(r, env) {"
                       " const a = await env.OTHER.fetch('https://o/');"
                       " const reader = a.body.getReader(); const { value } = await reader.read();"
                       " await reader.cancel(); return new Response(value); } }"));
    uint32_t sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "first", 5, false);
    rig_expect(&h, job, "first");
    rig_wait_cancel(&h, sub);
    harness_reply_data(&h, sub, "late", 4, true);
    rig_expect_nothing_left(&h);
}

static void a_client_that_goes_takes_the_calls_with_it(void **state)
{
    uint32_t s =
        rig_caller(&h, "const told = []; export default { async fetch(r, env) {"
                       " if (r.url.endsWith('/told')) return new Response(told.splice(0).join());"
                       " try { const a = await env.OTHER.fetch('https://o/');"
                       " if (r.url.endsWith('/answer')) return a;"
                       " await a.text(); } catch (e) { told.push(e.message); } } }");
    static const char gone[] = "env.OTHER.fetch: the request that made this call is over";
    for (unsigned after = 0; after < 3; after++) { /* nothing, the head, in a relay */
        uint32_t job =
            harness_open(&h, s, "GET", after == 2 ? RIG_URL "answer" : RIG_URL, NULL, false);
        uint32_t sub = harness_wait_sub(&h);
        if (after) {
            harness_reply(&h, sub, 200, NULL, true);
            harness_reply_data(&h, sub, "some", 4, false);
        }
        while (after == 2 && h.jobs[job].body_bytes < 4)
            harness_await(&h);
        harness_cancel(&h, job);
        rig_expect(&h, harness_open(&h, s, "GET", RIG_URL "told", NULL, false),
                   after < 2 ? gone : "");
        assert_false(h.subs[sub].is_open);
    }
    rig_expect_nothing_left(&h);
}

static void an_error_or_answer_of_the_caller_cancels_what_it_still_waits_for(void **state)
{
    static const struct {
        const char *what, *rest, *limits;
        enum job_error error;
    } rows[] = {
        {"an exception", "throw new Error('x');", NULL, JOB_ERROR_EXCEPTION},
        {"an answer", "return new Response('x');", NULL, JOB_ERROR_NONE},
        {"an endless loop", "await 1; for (;;);", NULL, JOB_ERROR_CPU_LIMIT},
        {"its wall limit", "await p;", "{\"wall_ms\":300}", JOB_ERROR_WALL_LIMIT},
        {"its memory limit", "const all = []; for (;;) all.push(new Array(1000).fill(1));",
         "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", JOB_ERROR_MEMORY_LIMIT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char source[512];
        snprintf(source, sizeof(source),
                 "export default { async fetch(r, env) { const p = env.OTHER.fetch('https://o/');"
                 " p.catch(() => {}); await r.text(); %s } }",
                 rows[i].rest);
        harness_caller(&h, ++h.handles, source, rows[i].limits, to_test);
        uint32_t job = rig_post(&h, h.handles), sub = harness_wait_sub(&h);
        harness_send(&h, job, NULL, 0, true);
        assert_int_equal(harness_wait(&h, job)->error, rows[i].error);
        assert_false(h.subs[sub].is_open);
        harness_close(&h, job);
    }
    rig_expect_nothing_left(&h);
}

static void late_messages_about_a_call_are_dropped(void **state)
{
    uint32_t s = rig_caller(
        &h, "export default { async fetch(r, env) { const c = new AbortController();"
            " const p = env.OTHER.fetch('https://o/', { signal: c.signal }); r.text().then(() => "
            "c.abort());"
            " await p.catch(() => {}); return (await env.OTHER.fetch('https://p/')); } }");
    uint32_t job = rig_post(&h, s), sub = harness_wait_sub(&h);
    uint32_t old = h.subs[sub].generation;
    harness_send(&h, job, NULL, 0, true);
    /* The second call has the first one's place, and a new generation. */
    while (!h.subs[sub].is_open || h.subs[sub].generation == old)
        harness_await(&h);
    uint32_t now = h.subs[sub].generation;
    h.subs[sub].generation = old;
    harness_reply(&h, sub, 500, NULL, true);
    harness_reply_data(&h, sub, "stale", 5, false);
    harness_sub_credit(&h, sub, 1000);
    h.subs[sub].generation = now;
    h.subs[sub].may_send = h.subs[sub].may_receive = JOB_CREDIT_INITIAL;
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "fresh", 5, true);
    rig_expect(&h, job, "fresh");
    rig_expect_nothing_left(&h);
}

/* ---- what outlives its answer ---- */

static void calls_in_wait_until_work_after_the_answer(void **state)
{
    uint32_t s = rig_caller(
        &h, "export default { fetch(r, env, ctx) { ctx.waitUntil((async () => {"
            " await new Promise((d) => setTimeout(d, 20));"
            " const a = await env.OTHER.fetch('https://o/', { method: 'POST', body: 'after' });"
            " console.log('heard ' + await a.text()); })()); return new Response('now'); } }");
    uint32_t job = rig_get(&h, s);
    struct harness_job *j = harness_wait(&h, job);
    assert_string_equal((char *)j->body, "now");
    assert_true(j->lingers);
    assert_int_equal(h.lingering_count, 1);
    uint32_t sub = harness_wait_sub(&h);
    rig_wait_sub_body(&h, sub);
    assert_string_equal((char *)h.subs[sub].body, "after");
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "it", 2, true);
    harness_wait_log(&h, "log", "heard it");
    rig_wait_linger(&h, 0);
    harness_close(&h, job);
    rig_expect_nothing_left(&h);
}

static void a_job_lingers_only_while_promises_hold_it(void **state)
{
    uint32_t plain = rig_script(&h, "export default { fetch() { return new Response('x'); } }");
    uint32_t settled = rig_script(
        &h, "export default { fetch(r, e, ctx) { ctx.waitUntil(1); return new Response('x'); } }");
    uint32_t never =
        rig_script(&h, "export default { fetch(r, e, ctx) { ctx.waitUntil(new Promise(() => "
                       "{})); return new Response('x'); } }");
    uint32_t throws = rig_script(
        &h,
        "export default { fetch(r, e, ctx) { ctx.waitUntil(new Promise((d) => setTimeout(() => {"
        " d(); throw new Error('late'); }, 5))); return new Response('x'); } }");
    uint32_t spins = rig_script(
        &h,
        "export default { fetch(r, e, ctx) { ctx.waitUntil(new Promise((d) => setTimeout(() => {"
        " for (;;); }, 5))); return new Response('x'); } }");
    harness_script(
        &h, spins,
        "export default { fetch(r, e, ctx) { ctx.waitUntil(new Promise((d) => setTimeout(() => {"
        " for (;;); }, 5))); return new Response('x'); } }",
        NULL);
    const uint32_t handles_of[] = {plain, settled, never, throws, spins};
    for (size_t i = 0; i < sizeof(handles_of) / sizeof(*handles_of); i++) {
        struct harness_job *j = harness_get(&h, handles_of[i], "/");
        assert_int_equal(j->error, JOB_ERROR_NONE);
        if (i == 0)
            assert_false(j->lingers);
        rig_wait_linger(&h, 0);
    }
}

static void a_called_script_may_linger_too(void **state)
{
    uint32_t inner = rig_script(
        &h,
        "export default { fetch(r, e, ctx) { ctx.waitUntil(new Promise((d) => setTimeout(() => {"
        " console.log('inner is through'); d(); }, 20))); return new Response('inner'); } }");
    rig_expect(
        &h,
        rig_get(&h, rig_caller_of(&h, inner,
                                  "export default { fetch: (r, env) => env.OTHER.fetch(r) }")),
        "inner");
    harness_wait_log(&h, "log", "inner is through");
    rig_wait_linger(&h, 0);
    rig_expect_nothing_left(&h);
}

int main(int argc, char **argv)
{
    is_small = argc > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_abort_cancels_the_call),
        cmocka_unit_test(an_abort_after_the_end_does_nothing),
        cmocka_unit_test(cancelling_the_reply_body_cancels_the_call),
        cmocka_unit_test(a_client_that_goes_takes_the_calls_with_it),
        cmocka_unit_test(an_error_or_answer_of_the_caller_cancels_what_it_still_waits_for),
        cmocka_unit_test(late_messages_about_a_call_are_dropped),
        cmocka_unit_test(calls_in_wait_until_work_after_the_answer),
        cmocka_unit_test(a_job_lingers_only_while_promises_hold_it),
        cmocka_unit_test(a_called_script_may_linger_too),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
