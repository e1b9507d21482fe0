/* test_worker: what a cell does with a well-behaved script: streams, credit, cancellation,
 * waitUntil, modules, logs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script_rig.h"

static struct harness h;
static bool is_small; /* the first region of each cell */

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

static void a_request_is_answered(void **state)
{
    uint32_t s = rig_script(
        &h, "export default { fetch(r, env) { return new Response(r.method + ' ' + r.url,"
            " { status: 418, headers: { 'X-A': 'b', 'set-cookie': 'c=d' } }); } }");
    struct harness_job *j = harness_get(&h, s, "/x?y");
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->status, 418);
    assert_string_equal((char *)j->body, "GET https://test.example/x?y");
    assert_string_equal(harness_field(j, "x-a"), "b");
    assert_string_equal(harness_field(j, "set-cookie"), "c=d");
    assert_string_equal(harness_field(j, "content-type"), "text/plain;charset=UTF-8");
    assert_string_equal(harness_field(j, "content-length"), "28");
}

static void a_known_body_has_its_true_length(void **state)
{
    uint32_t s = rig_script(
        &h, "export default { fetch(r) { if (r.url.endsWith('/none')) return new Response(null, { "
            "status: 204 });"
            " return new Response('h\\u00e4\\u20ac', { headers: { 'content-length': '3' } }); } }");
    struct harness_job *j = harness_get(&h, s, "/");
    assert_string_equal(harness_field(j, "content-length"), "6");
    assert_string_equal((char *)j->body, "h\xc3\xa4\xe2\x82\xac");
    j = harness_get(&h, s, "/none");
    assert_int_equal(j->status, 204);
    assert_int_equal(j->body_bytes, 0);
    assert_string_equal(harness_field(j, "content-length"), "");
}

/* 20 MB in one string, one buffer, many chunks: all pass the credit check of the harness. */
static void large_bodies_go_down_within_credit(void **state)
{
    static const char *const makers[] = {
        "new Uint8Array(N).map((_, i) => Math.imul(i, 2654435761) >>> 24)",
        "new ReadableStream({ at: 0, pull(c) { const n = Math.min(100000, N - this.at); if (!n) "
        "return c.close();"
        " const b = new Uint8Array(n); for (let i = 0; i < n; i++) b[i] = Math.imul(this.at + i, "
        "2654435761) >>> 24;"
        " this.at += n; c.enqueue(b); } })",
    };
    for (size_t m = 0; m < 2; m++) {
        char source[1024];
        snprintf(source, sizeof(source),
                 "const N = %d; export default { fetch() { return new Response(%s); } }", 20 * MB,
                 makers[m]);
        struct harness_job *j = harness_get(&h, rig_script(&h, source), "/");
        assert_int_equal(j->error, JOB_ERROR_NONE);
        assert_int_equal(j->body_bytes, 20 * MB);
        rig_expect_pattern(j->body, j->body_bytes);
    }
    struct harness_job *j = harness_get(
        &h,
        rig_script(&h,
                   "export default { fetch() { return new Response('\\u00e4'.repeat(5e6)); } }"),
        "/");
    assert_int_equal(j->body_bytes, 10000000);
    for (size_t i = 0; i < j->body_bytes; i += 2)
        assert_true(j->body[i] == 0xc3 && j->body[i + 1] == 0xa4);
}

static void large_bodies_go_up_and_are_read_every_way(void **state)
{
    static const char *const readers[] = {
        "(await r.bytes())",
        "new Uint8Array(await r.arrayBuffer())",
        "(await (async () => { const all = new Uint8Array(N); let at = 0; for await (const p of "
        "r.body) {"
        " all.set(p, at); at += p.length; } return all; })())",
    };
    for (size_t m = 0; m < sizeof(readers) / sizeof(*readers); m++) {
        char source[1024];
        snprintf(source, sizeof(source),
                 "const N = %d; export default { async fetch(r) { const b = %s; let bad = 0;"
                 " for (let i = 0; i < N; i++) bad += b[i] !== Math.imul(i, 2654435761) >>> 24;"
                 " return new Response(b.length + ' ' + bad); } }",
                 20 * MB, readers[m]);
        uint32_t job =
            harness_open(&h, rig_script(&h, source), "POST", "https://test.example/", NULL, true);
        rig_send_pattern(&h, job, 20 * MB);
        struct harness_job *j = harness_wait(&h, job);
        assert_int_equal(j->error, JOB_ERROR_NONE);
        assert_string_equal((char *)j->body, "20971520 0");
        harness_close(&h, job);
    }
}

static void echo(uint32_t s);

/* The body passes without JavaScript: its CPU limit does not matter. */
static void a_body_echoes_while_it_comes(void **state)
{
    harness_script(&h, ++h.handles, "export default { fetch(r) { return new Response(r.body); } }",
                   "{\"cpu_ms\":20}");
    echo(h.handles);
}

static void a_body_echoes_through_a_stream(void **state)
{
    echo(rig_script(&h, "export default { fetch(r) { return new Response(r.body.pipeThrough(new "
                        "TransformStream())); } }"));
}

static void echo(uint32_t s)
{
    uint32_t job = harness_open(&h, s, "POST", "https://test.example/", NULL, true);
    harness_send(&h, job, "first", 5, false);
    while (h.jobs[job].body_bytes < 5)
        harness_await(&h);
    assert_false(h.jobs[job].is_done);
    harness_send(&h, job, " second", 7, true);
    assert_string_equal((char *)harness_wait(&h, job)->body, "first second");
    harness_close(&h, job);

    job = harness_open(&h, s, "POST", "https://test.example/", NULL, true);
    rig_send_pattern(&h, job, 20 * MB);
    struct harness_job *j = harness_wait(&h, job);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->body_bytes, 20 * MB);
    rig_expect_pattern(j->body, j->body_bytes);
    harness_close(&h, job);
}

static void a_relayed_body_can_be_cancelled_and_can_end_empty(void **state)
{
    uint32_t s = rig_script(
        &h, "export default { fetch(r) { return new Response(r.body, { status: 201 }); } }");
    uint32_t job = harness_open(&h, s, "POST", "https://test.example/", NULL, true);
    harness_send(&h, job, "some", 4, false);
    while (h.jobs[job].body_bytes < 4)
        harness_await(&h);
    harness_cancel(&h, job);

    job = harness_open(&h, s, "POST", "https://test.example/", NULL, true);
    while (!h.jobs[job].has_head)
        harness_await(&h);
    harness_send(&h, job, NULL, 0, true);
    struct harness_job *j = harness_wait(&h, job);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->status, 201);
    assert_int_equal(j->body_bytes, 0);
    harness_close(&h, job);
}

static void credit_is_given_only_for_what_was_read(void **state)
{
    uint32_t s =
        rig_script(&h, "export default { async fetch(r) { const reader = r.body.getReader();"
                       " await new Promise((d) => setTimeout(d, 100)); let n = 0;"
                       " for (;;) { const { done, value } = await reader.read(); if (done) break; "
                       "n += value.length; }"
                       " return new Response(String(n)); } }");
    uint32_t job = harness_open(&h, s, "POST", "https://test.example/", NULL, true);
    static const uint8_t bytes[JOB_CREDIT_INITIAL];
    harness_send(&h, job, bytes, sizeof(bytes), false);
    harness_get(&h, rig_script(&h, "export default { fetch() { return new Response(''); } }"), "/");
    assert_int_equal(h.jobs[job].may_send, 0); /* nobody has read yet */
    harness_send(&h, job, bytes, 1000, true);  /* waits for credit */
    assert_string_equal((char *)harness_wait(&h, job)->body, "66536");
    harness_close(&h, job);
}

static void without_credit_nothing_is_sent(void **state)
{
    uint32_t s = rig_script(
        &h, "export default { fetch() { return new Response(new Uint8Array(200000)); } }");
    uint32_t quick = rig_script(&h, "export default { fetch() { return new Response('q'); } }");
    uint32_t job = harness_open(&h, s, "GET", "https://test.example/", NULL, false);
    h.jobs[job].holds_credit = true;
    while (h.jobs[job].body_bytes < JOB_ANSWER_CREDIT_INITIAL)
        harness_await(&h);
    harness_get(&h, quick, "/");
    assert_int_equal(h.jobs[job].body_bytes, JOB_ANSWER_CREDIT_INITIAL);
    harness_credit(&h, job, 1); /* every byte counts */
    while (h.jobs[job].body_bytes < JOB_ANSWER_CREDIT_INITIAL + 1)
        harness_await(&h);
    harness_credit(&h, job, 1000000);
    assert_int_equal(harness_wait(&h, job)->body_bytes, 200000);
    harness_close(&h, job);
}

static void an_unread_body_does_not_stop_the_answer(void **state)
{
    uint32_t s = rig_script(&h, "export default { fetch() { return new Response('early'); } }");
    uint32_t job = harness_open(&h, s, "POST", "https://test.example/", NULL, true);
    struct harness_job *j = harness_wait(&h, job);
    assert_string_equal((char *)j->body, "early");
    harness_close(&h, job);
}

static void cancelling_midway_tells_the_stream_and_frees_the_job(void **state)
{
    uint32_t s = rig_script(
        &h,
        "let cancelled = 0; export default { fetch(r) {"
        " if (r.url.endsWith('/count')) return new Response(String(cancelled));"
        " return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(50000)); },"
        " cancel() { cancelled++; } })); } }");
    uint32_t job = harness_open(&h, s, "GET", "https://test.example/", NULL, false);
    while (h.jobs[job].body_bytes < 100000)
        harness_await(&h);
    harness_cancel(&h, job);
    assert_string_equal((char *)harness_get(&h, s, "/count")->body, "1");

    uint32_t reads = rig_script(
        &h, "let ended; export default { async fetch(r) {"
            " if (r.url.endsWith('/how')) return new Response(ended);"
            " try { await r.text(); } catch (e) { ended = e.message; } return new Response(); } }");
    job = harness_open(&h, reads, "POST", "https://test.example/", NULL, true);
    harness_send(&h, job, "x", 1, false);
    harness_cancel(&h, job);
    assert_string_equal((char *)harness_get(&h, reads, "/how")->body, "the client is gone");
}

static void what_no_text_may_have_is_cleaned_from_a_log_line(void **state)
{
    uint32_t s = rig_script(&h, "export default { fetch() { console.log('zero\\0byte');"
                                "console.log('half\\ud800'); return new Response('ok'); } };");
    rig_expect(&h, rig_get(&h, s), "ok");
    harness_wait_log(&h, "log", "zero byte");
    harness_wait_log(&h, "log", "half\xef\xbf\xbd");
}

static void wait_until_goes_on_after_the_answer(void **state)
{
    uint32_t s =
        rig_script(&h, "let done = 0; export default { fetch(r, env, ctx) {"
                       " if (r.url.endsWith('/count')) return new Response(String(done));"
                       " ctx.waitUntil(new Promise((d) => setTimeout(d, 30)).then(() => { done++; "
                       "console.log('later'); }));"
                       " ctx.waitUntil(Promise.reject(new Error('in vain')));"
                       " return new Response('now ' + done); } }");
    assert_string_equal((char *)harness_get(&h, s, "/")->body, "now 0");
    harness_wait_log(&h, "log", "later");
    harness_wait_log(&h, "error", "in vain");
    assert_string_equal((char *)harness_get(&h, s, "/count")->body, "1");
}

static void a_timer_ends_with_its_request(void **state)
{
    uint32_t s = rig_script(&h, "let ticks = 0; export default { fetch(r) {"
                                " if (r.url.endsWith('/count')) return new Response(String(ticks));"
                                " setInterval(() => ticks++, 1); return new Response('x'); } }");
    uint32_t sleeper = rig_script(
        &h, "export default { async fetch() { await new Promise((d) => setTimeout(d, 50));"
            " return new Response(); } }");
    harness_get(&h, s, "/");
    harness_get(&h, sleeper, "/");
    assert_string_equal((char *)harness_get(&h, s, "/count")->body, "0");
}

static void many_requests_share_the_isolate(void **state)
{
    enum { N = 500 };
    static uint32_t jobs[N];
    uint32_t s = rig_script(
        &h,
        "let open = 0, most = 0; export default { async fetch(r) { most = Math.max(most, ++open);"
        " await new Promise((d) => setTimeout(d, 50)); open--; return new Response(r.url.slice(21) "
        "+ ' ' + most); } }");
    for (uint32_t i = 0; i < N; i++) {
        char url[64];
        snprintf(url, sizeof(url), "https://test.example/%u", i);
        jobs[i] = harness_open(&h, s, "GET", url, NULL, false);
    }
    for (uint32_t i = 0; i < N; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "%u ", i);
        struct harness_job *j = harness_wait(&h, jobs[i]);
        assert_int_equal(j->error, JOB_ERROR_NONE);
        assert_int_equal(strncmp((char *)j->body, expected, strlen(expected)), 0);
        harness_close(&h, jobs[i]);
    }
}

static void modules_of_a_bundle_import_each_other(void **state)
{
    static const struct harness_module modules[] = {
        {"src/main.js",
         "import { a } from './lib/a.js'; import data from '../data.json'; import text from "
         "'./t.txt';"
         " import bare from 'bare.js';"
         " export default { async fetch(r, env) { const late = await import('./late.js');"
         " return Response.json([a, data.n, text, bare, late.default, env]); } }"},
        {"src/lib/a.js", "import { b } from '../../b.js'; export const a = 'a' + b;"},
        {"b.js", "export const b = await Promise.resolve('b');"},
        {"data.json", "{\"n\": 7}"},
        {"./src/t.txt", "t\xc3\xa4xt"},
        {"bare.js", "export default 'bare';"},
        {"src/late.js", "export default 'late';"},
    };
    harness_bundle(&h, ++h.handles, modules, sizeof(modules) / sizeof(*modules), "{\"K\":\"v\"}",
                   NULL, NULL);
    struct harness_job *j = harness_get(&h, h.handles, "/");
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_string_equal((char *)j->body,
                        "[\"ab\",7,\"t\xc3\xa4xt\",\"bare\",\"late\",{\"K\":\"v\"}]");
}

static void unhandled_rejections_are_logged_only_if_nobody_came(void **state)
{
    uint32_t s = rig_script(
        &h, "export default { async fetch() { const p = Promise.reject(new Error('handled late'));"
            " await null; p.catch(() => {}); Promise.reject(new Error('nobody')); return new "
            "Response(); } }");
    assert_int_equal(harness_get(&h, s, "/")->error, JOB_ERROR_NONE);
    harness_wait_log(&h, "error", "unhandled rejection: Error: nobody");
    assert_false(harness_logged(&h, NULL, "handled late"));
}

/* Larger than any buffer on the way, and not in ASCII: V8 has a copy of it, and no view. */
static void a_large_script_loads(void **state)
{
    static char source[400000];
    size_t len = 0;
    for (int i = 0; i < 2000; i++)
        len += (size_t)snprintf(
            source + len, sizeof(source) - len,
            "export function f%d(a) { const x = a * %d; return x + 'number %d'.length; }\n", i, i,
            i);
    snprintf(source + len, sizeof(source) - len,
             "export default { fetch() { return new Response('v\xc3\xa4l ' + f7(6)); } }");
    rig_expect(&h, rig_get(&h, rig_script(&h, source)), "v\xc3\xa4l 50");
}

/* Answers of several times the arena's size while nobody takes them: heads and bodies wait their
 * turn. */
static void answers_beyond_the_arena_wait_and_arrive(void **state)
{
    enum { SMALL = 1500, LARGE = 300 };
    static uint32_t jobs[SMALL];
    uint32_t small =
        rig_script(&h, "export default { fetch(r) { return new Response(r.url.slice(21)); } }");
    uint32_t large = rig_script(
        &h, "export default { fetch() { return new Response(new Uint8Array(60000)); } }");
    const struct {
        uint32_t handle, count;
    } kinds[] = {{small, SMALL}, {large, LARGE}};
    for (size_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < kinds[k].count; i++) {
            char url[64];
            snprintf(url, sizeof(url), "https://test.example/%u", i);
            jobs[i] = harness_open(&h, kinds[k].handle, "GET", url, NULL, false);
        }
        for (uint32_t i = 0; i < kinds[k].count; i++) {
            char expected[16];
            struct harness_job *j = harness_wait(&h, jobs[i]);
            assert_int_equal(j->error, JOB_ERROR_NONE);
            snprintf(expected, sizeof(expected), "%u", i);
            if (k == 0)
                assert_string_equal((char *)j->body, expected);
            else
                assert_int_equal(j->body_bytes, 60000);
            harness_close(&h, jobs[i]);
        }
    }
}

/* Their heads found no room when the bodies were complete already. */
static void bodies_that_pass_by_themselves_wait_for_room_and_arrive(void **state)
{
    enum { COUNT = 1500 };
    static uint32_t jobs[COUNT];
    uint32_t echo = rig_script(
        &h, "export default { async fetch(r) { await new Promise((d) => setTimeout(d, 200));"
            " return new Response(r.body); } }");
    uint32_t caller = ++h.handles;
    harness_caller(&h, caller, "export default { fetch: (r, env) => env.ECHO.fetch(r) }",
                   "{\"cpu_ms\":10000}", (const struct harness_binding[]){{"ECHO", echo}, {0}});
    const uint32_t kinds[] = {echo, caller};
    for (size_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            jobs[i] = harness_open(&h, kinds[k], "POST", "https://test.example/", NULL, true);
            harness_send(&h, jobs[i], &i, sizeof(i), true);
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            struct harness_job *j = harness_wait(&h, jobs[i]);
            assert_int_equal(j->error, JOB_ERROR_NONE);
            assert_int_equal(j->body_bytes, sizeof(i));
            assert_memory_equal(j->body, &i, sizeof(i));
            harness_close(&h, jobs[i]);
        }
    }
}

static void a_new_version_replaces_the_old_one(void **state)
{
    uint32_t s = rig_script(
        &h, "export default { async fetch(r) { if (r.url.endsWith('/slow'))"
            " await new Promise((d) => setTimeout(d, 100)); return new Response('one'); } }");
    assert_string_equal((char *)harness_get(&h, s, "/")->body, "one");
    uint32_t slow = harness_open(&h, s, "GET", "https://test.example/slow", NULL, false);
    harness_script(&h, s, "export default { fetch() { return new Response('two'); } }", NULL);
    assert_string_equal((char *)harness_get(&h, s, "/")->body, "two");
    assert_string_equal((char *)harness_wait(&h, slow)->body, "one");
    harness_close(&h, slow);
}

int main(int argc, char **argv)
{
    is_small = argc > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(what_no_text_may_have_is_cleaned_from_a_log_line),
        cmocka_unit_test(a_known_body_has_its_true_length),
        cmocka_unit_test(large_bodies_go_down_within_credit),
        cmocka_unit_test(large_bodies_go_up_and_are_read_every_way),
        cmocka_unit_test(a_body_echoes_while_it_comes),
        cmocka_unit_test(a_body_echoes_through_a_stream),
        cmocka_unit_test(a_relayed_body_can_be_cancelled_and_can_end_empty),
        cmocka_unit_test(credit_is_given_only_for_what_was_read),
        cmocka_unit_test(without_credit_nothing_is_sent),
        cmocka_unit_test(an_unread_body_does_not_stop_the_answer),
        cmocka_unit_test(cancelling_midway_tells_the_stream_and_frees_the_job),
        cmocka_unit_test(wait_until_goes_on_after_the_answer),
        cmocka_unit_test(a_timer_ends_with_its_request),
        cmocka_unit_test(many_requests_share_the_isolate),
        cmocka_unit_test(modules_of_a_bundle_import_each_other),
        cmocka_unit_test(unhandled_rejections_are_logged_only_if_nobody_came),
        cmocka_unit_test(a_large_script_loads),
        cmocka_unit_test(answers_beyond_the_arena_wait_and_arrive),
        cmocka_unit_test(bodies_that_pass_by_themselves_wait_for_room_and_arrive),
        cmocka_unit_test(a_new_version_replaces_the_old_one),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
