/* test_worker_calls: calls from script to script, env.NAME.fetch(): the test answers them, or
 * another script of the process does. Bodies both ways within credit, errors of each kind, limits.
 * How they end early: test_worker_endings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/context.h"
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

static bool is_view(struct head_view v, const char *text)
{
    return v.len == strlen(text) && memcmp(v.p, text, v.len) == 0;
}

static const char *sub_field(uint32_t sub, const char *name)
{
    static char value[4096];
    struct head_reader reader;
    struct head_field field;
    head_read_request(&reader, h.subs[sub].head, h.subs[sub].head_bytes);
    while (head_read_field(&reader, &field)) {
        if (!is_view(field.name, name))
            continue;
        snprintf(value, sizeof(value), "%.*s", (int)field.value.len, field.value.p);
        return value;
    }
    return "";
}

/* ---- heads ---- */

static void a_call_carries_method_url_and_fields(void **state)
{
    static const struct {
        const char *call, *method, *url, *field, *value;
    } rows[] = {
        {"fetch('https://other/a?b=c')", "GET", "https://other/a?b=c", "x", ""},
        {"fetch('https://other', { method: 'delete', headers: { X: 'y' } })", "DELETE",
         "https://other/", "x", "y"},
        {"fetch(r)", "GET", RIG_URL "path", "x-mine", "1"},
        {"fetch(new Request(r))", "GET", RIG_URL "path", "x-mine", "1"},
        {"fetch(new Request(r, { headers: { 'x-mine': '2' } }))", "GET", RIG_URL "path", "x-mine",
         "2"},
        {"fetch(new Request('http://h:8080/x', r))", "GET", "http://h:8080/x", "x-mine", "1"},
        {"fetch(new URL('https://other/u'), { headers: [['a', 'b'], ['a', 'c']] })", "GET",
         "https://other/u", "a", "b"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char source[512];
        snprintf(source, sizeof(source),
                 "export default { async fetch(r, env) { const a = await env.OTHER.%s;"
                 " return new Response(a.status + a.headers.get('x-told') + await a.text()); } }",
                 rows[i].call);
        uint32_t job =
            harness_open(&h, rig_caller(&h, source), "GET", RIG_URL "path", "x-mine: 1\n", false);
        uint32_t sub = harness_wait_sub(&h);
        struct head_request request = harness_sub_request(&h, sub);
        if (!is_view(request.method, rows[i].method) || !is_view(request.url, rows[i].url) ||
            strcmp(sub_field(sub, rows[i].field), rows[i].value))
            fail_msg("%s: %.*s %.*s %s", rows[i].call, (int)request.method.len, request.method.p,
                     (int)request.url.len, request.url.p, sub_field(sub, rows[i].field));
        assert_true(h.subs[sub].has_ended);
        assert_int_equal(h.subs[sub].binding, 0);
        harness_reply(&h, sub, 404, "x-told: t\n", false);
        rig_expect(&h, job, "404t");
    }
    rig_expect_nothing_left(&h);
}

static void a_binding_is_named_by_its_place(void **state)
{
    harness_caller(
        &h, ++h.handles,
        "export default { async fetch(r, env) { const a = await env.SECOND.fetch(r);"
        " return new Response(await a.text() + Object.keys(env) + env.FIRST); } }",
        RIG_LIMITS,
        (const struct harness_binding[]){{"FIRST", HARNESS_TEST}, {"SECOND", HARNESS_TEST}, {0}});
    uint32_t job = rig_get(&h, h.handles), sub = harness_wait_sub(&h);
    assert_int_equal(h.subs[sub].binding, 1);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "two ", 4, true);
    rig_expect(&h, job, "two FIRST,SECOND[object Fetcher]");
}

static void redirects_and_fields_come_as_they_are(void **state)
{
    uint32_t job = rig_get(
        &h,
        rig_caller(
            &h,
            "export default { async fetch(r, env) { const a = await env.OTHER.fetch('https://o/');"
            " let frozen; try { a.headers.set('x', 'y'); } catch (e) { frozen = e.name; }"
            " return Response.json([a.status, a.ok, a.headers.get('location'),"
            " a.headers.getSetCookie(), frozen, a.body]); } }"));
    uint32_t sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 302, "location: /x\nset-cookie: a=b\nset-cookie: c=d\n", false);
    rig_expect(&h, job, "[302,false,\"/x\",[\"a=b\",\"c=d\"],\"TypeError\",null]");
}

static void the_answer_of_another_script_can_be_the_answer(void **state)
{
    static const char *const sources[] = {
        "export default { fetch: (r, env) => env.OTHER.fetch(r) }",
        "export default { async fetch(r, env) { const a = await env.OTHER.fetch(r);"
        " return new Response(a.body, a); } }",
        "export default { async fetch(r, env) { const a = await env.OTHER.fetch(r);"
        " return new Response(a.body.pipeThrough(new TransformStream()), a); } }",
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t job = rig_get(&h, rig_caller(&h, sources[i])), sub = harness_wait_sub(&h);
        harness_reply(&h, sub, 203, "x-a: b\ncontent-length: 9\n", true);
        harness_reply_data(&h, sub, "some", 4, false);
        while (h.jobs[job].body_bytes < 4)
            harness_await(&h);
        harness_reply_data(&h, sub, " more", 5, true);
        struct harness_job *j = harness_wait(&h, job);
        assert_int_equal(j->status, 203);
        assert_string_equal(harness_field(j, "x-a"), "b");
        assert_string_equal(harness_field(j, "content-length"), "9");
        rig_expect(&h, job, "some more");
    }
    rig_expect_nothing_left(&h);
}

/* ---- bodies ---- */

/* What the script sends is what the test gets: strings, bytes, streams, and the request's own
 * body. */
static void request_bodies_arrive_within_credit(void **state)
{
    /* clang-format off */
    static const char *const bodies[] = {
        "r.body",
        "r",
        "await r.bytes()",
        "r.body.pipeThrough(new TransformStream())",
        "new ReadableStream({ start: async (c) => {"
        " for await (const p of r.body) c.enqueue(p); c.close(); } })",
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        char source[512];
        const char *init = i == 1 ? "%s" : "'https://o/', { method: 'PUT', body: %s }";
        char argument[256];
        snprintf(argument, sizeof(argument), init, bodies[i]);
        snprintf(source, sizeof(source),
                 "export default { async fetch(r, env) { return env.OTHER.fetch(%s); } }",
                 argument);
        uint32_t job = rig_post(&h, rig_caller(&h, source));
        if (i == 2) /* before the call is made */
            rig_send_pattern(&h, job, 10 * MB);
        uint32_t sub = harness_wait_sub(&h);
        if (i != 2)
            rig_send_pattern(&h, job, 10 * MB);
        rig_wait_sub_body(&h, sub);
        assert_int_equal(h.subs[sub].body_bytes, 10 * MB);
        rig_expect_pattern(h.subs[sub].body, 10 * MB);
        assert_string_equal(sub_field(sub, "content-length"), i == 2 ? "10485760" : "");
        harness_reply(&h, sub, 204, NULL, false);
        rig_expect(&h, job, "");
    }
    uint32_t job =
        rig_get(&h, rig_caller(&h, "export default { async fetch(r, env) { return env.OTHER.fetch("
                                   "'https://o/', { method: 'POST', body: 'h\\u00e4' }); } }"));
    uint32_t sub = harness_wait_sub(&h);
    rig_wait_sub_body(&h, sub);
    assert_string_equal((char *)h.subs[sub].body, "h\xc3\xa4");
    assert_string_equal(sub_field(sub, "content-length"), "3");
    assert_string_equal(sub_field(sub, "content-type"), "text/plain;charset=UTF-8");
    harness_reply(&h, sub, 200, NULL, false);
    rig_expect(&h, job, "");
    rig_expect_nothing_left(&h);
}

static void reply_bodies_are_read_every_way(void **state)
{
    static const char *const readers[] = {
        "await a.bytes()",
        "new Uint8Array(await a.arrayBuffer())",
        "await (async () => { const all = new Uint8Array(N); let at = 0; for await (const p of "
        "a.body) {"
        " all.set(p, at); at += p.length; } return all; })()",
    };
    static uint8_t bytes[10 * MB];
    rig_make_pattern(bytes, 0, sizeof(bytes));
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        char source[1024];
        snprintf(source, sizeof(source),
                 "const N = %d; export default { async fetch(r, env) {"
                 " const a = await env.OTHER.fetch(r); const b = %s; let bad = 0;"
                 " for (let i = 0; i < N; i++) bad += b[i] !== Math.imul(i, 2654435761) >>> 24;"
                 " return new Response(b.length + ' ' + bad); } }",
                 10 * MB, readers[i]);
        uint32_t job = rig_get(&h, rig_caller(&h, source)), sub = harness_wait_sub(&h);
        harness_reply(&h, sub, 200, NULL, true);
        harness_reply_data(&h, sub, bytes, sizeof(bytes), true);
        rig_expect(&h, job, "10485760 0");
    }
    rig_expect_nothing_left(&h);
}

static void nothing_is_sent_without_credit_and_none_is_given_without_a_read(void **state)
{
    static const uint8_t bytes[JOB_CREDIT_INITIAL];
    uint32_t idle = rig_script(&h, "export default { fetch() { return new Response('idle'); } }");
    uint32_t s =
        rig_caller(&h, "export default { async fetch(r, env) {"
                       " const a = await env.OTHER.fetch('https://o/', { method: 'POST', body: "
                       "new Uint8Array(200000) });"
                       " await new Promise((d) => setTimeout(d, 100));"
                       " return new Response(String((await a.bytes()).length)); } }");
    h.holds_sub_credit = true;
    uint32_t job = rig_get(&h, s), sub = harness_wait_sub(&h);
    h.holds_sub_credit = false;
    while (h.subs[sub].body_bytes < JOB_CREDIT_INITIAL)
        harness_await(&h);
    rig_expect(&h, rig_get(&h, idle), "idle");
    assert_int_equal(h.subs[sub].body_bytes, JOB_CREDIT_INITIAL);
    harness_sub_credit(&h, sub, 1); /* every byte counts */
    while (h.subs[sub].body_bytes < JOB_CREDIT_INITIAL + 1)
        harness_await(&h);
    harness_sub_credit(&h, sub, 1000000);
    rig_wait_sub_body(&h, sub);
    assert_int_equal(h.subs[sub].body_bytes, 200000);

    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, bytes, sizeof(bytes), false);
    rig_expect(&h, rig_get(&h, idle), "idle");
    assert_int_equal(h.subs[sub].may_send, 0); /* nobody has read yet */
    harness_reply_data(&h, sub, bytes, 1000, true);
    rig_expect(&h, job, "66536");
}

/* The client takes nothing: the other script's answer waits where it is made. */
static void a_slow_client_holds_the_called_script_back(void **state)
{
    enum { HELD = JOB_CREDIT_INITIAL + JOB_ANSWER_CREDIT_INITIAL };
    static const uint8_t bytes[HELD];
    uint32_t job =
        rig_get(&h, rig_caller(&h, "export default { fetch: (r, env) => env.OTHER.fetch(r) }"));
    h.jobs[job].holds_credit = true;
    uint32_t sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, bytes, HELD, false);
    while (h.jobs[job].body_bytes < JOB_ANSWER_CREDIT_INITIAL)
        harness_await(&h);
    rig_expect(
        &h,
        rig_get(&h, rig_script(&h, "export default { fetch() { return new Response('idle'); } }")),
        "idle");
    assert_int_equal(h.jobs[job].body_bytes, JOB_ANSWER_CREDIT_INITIAL);
    assert_int_equal(h.subs[sub].may_send, 0);
    h.jobs[job].holds_credit = false;
    harness_credit(&h, job, JOB_CREDIT_INITIAL);
    harness_reply_data(&h, sub, bytes, JOB_CREDIT_INITIAL, true);
    assert_int_equal(harness_wait(&h, job)->body_bytes, HELD + JOB_CREDIT_INITIAL);
    harness_close(&h, job);
    rig_expect_nothing_left(&h);
}

static void ten_megabytes_echo_through_two_scripts(void **state)
{
    static const char *const echoes[] = {
        "export default { fetch(r) { return new Response(r.body); } }",
        "export default { fetch(r) { return new Response(r.body.pipeThrough(new "
        "TransformStream())); } }",
    };
    static const char *const callers[] = {
        "export default { fetch: (r, env) => env.OTHER.fetch(r) }",
        "export default { async fetch(r, env) { const a = await env.OTHER.fetch('https://o/',"
        " { method: 'POST', body: r.body.pipeThrough(new TransformStream()) });"
        " return new Response(a.body.pipeThrough(new TransformStream())); } }",
    };
    for (size_t e = 0; e < 2; e++) {
        for (size_t c = 0; c < 2; c++) {
            uint32_t inner = rig_caller_of(&h, rig_script(&h, echoes[e]), callers[c]);
            uint32_t job = rig_post(&h, rig_caller_of(&h, inner, callers[0]));
            rig_send_pattern(&h, job, 10 * MB);
            struct harness_job *j = harness_wait(&h, job);
            assert_int_equal(j->error, JOB_ERROR_NONE);
            assert_int_equal(j->body_bytes, 10 * MB);
            rig_expect_pattern(j->body, 10 * MB);
            harness_close(&h, job);
        }
    }
    rig_expect_nothing_left(&h);
}

/* The reply may be complete while the request body is not. */
static void an_early_reply_ends_the_upload(void **state)
{
    /* clang-format off */
    static const char *const bodies[] = {
        "r.body",
        "r.body.pipeThrough(new TransformStream())",
        "new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(50000)),"
        " cancel() { cancelled++; } })",
    };
    /* clang-format on */
    for (size_t i = 0; i < 3; i++) {
        char source[512];
        snprintf(source, sizeof(source),
                 "let cancelled = 0; export default { async fetch(r, env) {"
                 " const a = await env.OTHER.fetch('https://o/', { method: 'POST', body: %s });"
                 " const t = await a.text(); await new Promise((d) => setTimeout(d, 1));"
                 " return new Response(t + cancelled); } }",
                 bodies[i]);
        uint32_t job = rig_post(&h, rig_caller(&h, source));
        harness_send(&h, job, "x", 1, false);
        uint32_t sub = harness_wait_sub(&h);
        harness_reply(&h, sub, 200, NULL, true);
        harness_reply_data(&h, sub, "early ", 6, true);
        if (i < 2) /* the rest of the request body is dropped, with credit for it */
            rig_send_pattern(&h, job, 300000);
        rig_expect(&h, job, i < 2 ? "early 0" : "early 1");
    }
    rig_expect_nothing_left(&h);
}

/* ---- errors ---- */

static void each_error_is_a_rejection_with_a_sentence(void **state)
{
    static const struct {
        enum job_error error;
        const char *says;
    } rows[] = {
        {JOB_ERROR_EXCEPTION, "the called script threw an exception"},
        {JOB_ERROR_NO_RESPONSE, "the called script gave no response"},
        {JOB_ERROR_LOAD, "the called script does not load"},
        {JOB_ERROR_CPU_LIMIT, "the called script used more CPU time than its limit"},
        {JOB_ERROR_MEMORY_LIMIT, "the called script used more memory than its limit"},
        {JOB_ERROR_WALL_LIMIT, "the called script took longer than its wall clock limit"},
        {JOB_ERROR_OUTPUT_LIMIT, "the called script's response is over the size limit"},
        {JOB_ERROR_OVERLOAD, "the node has no room for the called script"},
        {JOB_ERROR_NO_SCRIPT, "there is no such script"},
        {JOB_ERROR_REFUSED, "every node that could run the called script is overloaded"},
        {JOB_ERROR_LOST, "the process or node that ran the called script is gone"},
        {JOB_ERROR_DEPTH, "16 scripts call each other already, as deep as calls may go"},
        {JOB_ERROR_NOT_RESPONSE, "what the called script answered is not a Response"},
        {JOB_ERROR_FORBIDDEN, "the called script is another account's, and does not list this one "
                              "in its allow_callers"},
    };
    uint32_t s =
        rig_caller(&h, "export default { async fetch(r, env) {"
                       " try { return new Response(await (await env.OTHER.fetch(r)).text()); }"
                       " catch (e) { return new Response(e.name + ': ' + e.message); } } }");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (unsigned after = 0; after < 3; after++) { /* nothing, the head, some of the body */
            char expected[192];
            uint32_t job = rig_get(&h, s), sub = harness_wait_sub(&h);
            if (after > 0)
                harness_reply(&h, sub, 200, NULL, true);
            if (after > 1)
                harness_reply_data(&h, sub, "some", 4, false);
            harness_reply_error(&h, sub, rows[i].error);
            snprintf(expected, sizeof(expected), "Error: env.OTHER.fetch: %s", rows[i].says);
            rig_expect(&h, job, expected);
        }
    }
    rig_expect_nothing_left(&h);
}

static void an_uncaught_error_of_a_call_is_the_callers_exception(void **state)
{
    uint32_t s = rig_caller(&h, "export default { fetch: (r, env) => env.OTHER.fetch(r) }");
    uint32_t job = rig_get(&h, s), sub = harness_wait_sub(&h);
    harness_reply_error(&h, sub, JOB_ERROR_LOST);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_EXCEPTION);
    harness_wait_log(&h, "error", "ran the called script is gone");
    harness_close(&h, job);

    job = rig_get(&h, s); /* in the middle of a body that passes by itself */
    sub = harness_wait_sub(&h);
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "some", 4, false);
    while (h.jobs[job].body_bytes < 4)
        harness_await(&h);
    harness_reply_error(&h, sub, JOB_ERROR_EXCEPTION);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_EXCEPTION);
    harness_wait_log(&h, "error", "is cut off: the called script threw an exception");
    harness_close(&h, job);
    rig_expect_nothing_left(&h);
}

static void an_exception_in_the_called_script_rejects(void **state)
{
    uint32_t bad = rig_script(&h, "export default { fetch() { throw new Error('inner'); } }");
    uint32_t s =
        rig_caller_of(&h, bad,
                      "export default { async fetch(r, env) { try { await env.OTHER.fetch(r); }"
                      " catch (e) { return new Response(e.message); } } }");
    rig_expect(&h, rig_get(&h, s), "env.OTHER.fetch: the called script threw an exception");
}

static void a_cycle_ends_at_the_depth_limit(void **state)
{
    h.handles++;
    harness_caller(&h, h.handles,
                   "export default { async fetch(r, env) { const n = Number(r.url.slice(21));"
                   " try { return await env.SELF.fetch('https://test.example/' + (n + 1)); }"
                   " catch (e) { return new Response(n + ' ' + e.message); } } }",
                   RIG_LIMITS, (const struct harness_binding[]){{"SELF", h.handles}, {0}});
    rig_expect(&h, harness_open(&h, h.handles, "GET", RIG_URL "0", NULL, false),
               "15 env.SELF.fetch: 16 scripts call each other already, as deep as calls may go");
    rig_expect_nothing_left(&h);
}

static void what_is_no_call_is_refused_at_once(void **state)
{
    static const struct {
        const char *call, *says;
    } rows[] = {
        {"fetch('/relative')", "TypeError"},
        {"fetch()", "TypeError"},
        {"fetch('https://o/', { method: 'a b' })", "TypeError"},
        {"fetch('https://o/', { body: 'x' })", "TypeError"},
        {"fetch('https://o/', { headers: { a: 'x'.repeat(40000) } })", "Error"},
        {"fetch('https://o/', { headers: Array(1025).fill(['a', 'b']) })", "Error"},
        {"fetch('https://o/' + 'x'.repeat(70000))", "Error"},
        {"fetch('https://o/', { signal: AbortSignal.abort() })", "AbortError"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char source[512];
        snprintf(source, sizeof(source),
                 "export default { async fetch(r, env) { const p = env.OTHER.%s;"
                 " return new Response(await p.catch((e) => e.name)); } }",
                 rows[i].call);
        rig_expect(&h, rig_get(&h, rig_caller(&h, source)), rows[i].says);
    }
    uint32_t used =
        rig_caller(&h, "export default { async fetch(r, env) {"
                       " await r.text(); const p = env.OTHER.fetch('https://o/', { method: "
                       "'POST', body: r.body });"
                       " return new Response(await p.catch((e) => e.message)); } }");
    uint32_t job = rig_post(&h, used);
    harness_send(&h, job, "x", 1, true);
    rig_expect(&h, job, "the body stream is locked");
    rig_expect_nothing_left(&h);
}

/* ---- many, and limits ---- */

static void hundreds_of_calls_run_at_once(void **state)
{
    enum { N = 600 };
    static uint32_t subs[N];
    char expected[16];
    uint32_t s = rig_caller(
        &h,
        "export default { async fetch(r, env) { const all = await Promise.all(Array.from({ length: "
        "600 },"
        " async (_, i) => (await env.OTHER.fetch('https://o/' + i)).text()));"
        " return new Response(String(all.reduce((n, t, i) => n + (t === 'r' + i), 0))); } }");
    uint32_t job = rig_get(&h, s);
    for (uint32_t i = 0; i < N; i++)
        subs[i] = harness_wait_sub(&h);
    for (uint32_t i = 0; i < N; i++) { /* in another order */
        uint32_t sub = subs[(i * 7) % N];
        struct head_request request = harness_sub_request(&h, sub);
        char text[32];
        int n =
            snprintf(text, sizeof(text), "r%.*s", (int)request.url.len - 10, request.url.p + 10);
        harness_reply(&h, sub, 200, NULL, true);
        harness_reply_data(&h, sub, text, (size_t)n, true);
    }
    snprintf(expected, sizeof(expected), "%d", N);
    rig_expect(&h, job, expected);
    rig_expect_nothing_left(&h);
}

/* More than the ring and the arena hold: calls and their bodies wait for room. */
static void calls_beyond_the_ring_wait_and_arrive(void **state)
{
    enum { JOBS = 8, EACH = 250 };
    uint32_t echo = rig_script(
        &h, "export default { async fetch(r) { return new Response(await r.bytes()); } }");
    uint32_t s = rig_caller_of(
        &h, echo,
        "export default { async fetch(r, env) { const all = await Promise.all(Array.from({ length: "
        "250 },"
        " async (_, i) => (await (await env.OTHER.fetch('https://o/', { method: 'POST',"
        " body: new Uint8Array(20000).fill(i), headers: { pad: 'p'.repeat(5000) } })).bytes())));"
        " return new Response(String(all.reduce((n, b, i) => n + (b.length === 20000 &&"
        " b.every((v) => v === i)), 0))); } }");
    uint32_t jobs[JOBS];
    for (uint32_t i = 0; i < JOBS; i++)
        jobs[i] = rig_get(&h, s);
    for (uint32_t i = 0; i < JOBS; i++)
        rig_expect(&h, jobs[i], "250");
    rig_expect_nothing_left(&h);
}

static void a_request_may_make_so_many_calls_and_no_more(void **state)
{
    static const char source[] = "export default { async fetch(r, env) { let n = 0; for (;;) try {"
                                 " const a = await env.OTHER.fetch('https://o/'); n++; }"
                                 " catch (e) { return new Response(n + ' ' + e.message); } } }";
    uint32_t empty = rig_script(&h, "export default { fetch() { return new Response(); } }");
    const struct harness_binding to_empty[] = {{"OTHER", empty}, {0}};
    harness_caller(&h, ++h.handles, source, "{\"subrequests\":7,\"cpu_ms\":5000}", to_empty);
    rig_expect(&h, rig_get(&h, h.handles),
               "7 env.OTHER.fetch: the request made as many calls as it may");
    harness_caller(&h, ++h.handles, source, "{\"cpu_ms\":5000}", to_empty);
    rig_expect(&h, rig_get(&h, h.handles),
               "1000 env.OTHER.fetch: the request made as many calls as it may");
}

static struct head_view context_of(struct context_frame limits, const struct context_frame *second)
{
    static uint8_t bytes[CONTEXT_BYTES_MAX];
    struct context c = {.count = second ? 2 : 1, .frame = {limits}};
    if (second)
        c.frame[1] = *second;
    return (struct head_view){(const char *)bytes, context_write(&c, bytes)};
}

static void the_context_tightens_limits_and_never_widens_them(void **state)
{
    uint32_t empty = rig_script(&h, "export default { fetch() { return new Response(); } }");
    const struct harness_binding to_empty[] = {{"OTHER", empty}, {0}};
    static const char calls[] = "export default { async fetch(r, env) { let n = 0; for (;;) try {"
                                " await env.OTHER.fetch('https://o/'); n++; }"
                                " catch (e) { return new Response(String(n)); } } }";
    harness_caller(&h, ++h.handles, calls, "{\"subrequests\":9,\"cpu_ms\":5000}", to_empty);
    const struct context_frame five = {.subrequests = 5}, many = {.subrequests = 5000}, none = {0};
    rig_expect(&h,
               harness_open_in(&h, context_of(five, NULL), h.handles, "GET", RIG_URL, NULL, false),
               "5");
    rig_expect(&h,
               harness_open_in(&h, context_of(many, NULL), h.handles, "GET", RIG_URL, NULL, false),
               "9");
    rig_expect(&h,
               harness_open_in(&h, context_of(many, &five), h.handles, "GET", RIG_URL, NULL, false),
               "5");
    rig_expect(&h,
               harness_open_in(&h, context_of(none, NULL), h.handles, "GET", RIG_URL, NULL, false),
               "9");

    uint32_t spins = rig_script(&h, "export default { fetch(r) { for (;;); } }");
    harness_script(&h, spins, "export default { fetch(r) { for (;;); } }", "{\"cpu_ms\":60000}");
    uint32_t job = harness_open_in(&h, context_of((struct context_frame){.cpu_ms = 20}, NULL),
                                   spins, "GET", RIG_URL, NULL, false);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_CPU_LIMIT);
    harness_close(&h, job);

    uint32_t sleeps = rig_script(
        &h, "export default { async fetch() { await new Promise((d) => setTimeout(d, 15000)); } }");
    job = harness_open_in(&h, context_of((struct context_frame){.wall_ms = 100}, NULL), sleeps,
                          "GET", RIG_URL, NULL, false);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_WALL_LIMIT);
    harness_close(&h, job);
}

/* No clock of ours says how long that takes, but it is more than this. */
#define SPIN      "let x = 1; for (let i = 0; i < 3e7; i++) x = (x * 31 + i) | 0;"
#define SPIN_US   1000
#define CPU_AMPLE "{\"cpu_ms\":20000}"

static void a_call_and_an_answer_say_what_cpu_time_the_job_has_used(void **state)
{
    harness_caller(&h, ++h.handles,
                   "export default { async fetch(r, env) { " SPIN
                   " await env.OTHER.fetch('https://o/' + x);"
                   " for (let i = 0; i < 3e7; i++) x = (x * 31 + i) | 0;"
                   " return new Response(String(x)); } }",
                   CPU_AMPLE, (const struct harness_binding[]){{"OTHER", 0}, {0}});
    uint32_t job = rig_get(&h, h.handles), sub = harness_wait_sub(&h);
    uint64_t before_us = h.subs[sub].callers_cpu_us;
    assert_true(before_us > SPIN_US);
    harness_reply(&h, sub, 200, NULL, false);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_NONE);
    assert_true(h.jobs[job].cpu_us > before_us + SPIN_US);
    harness_close(&h, job);
}

static void who_answers_and_computes_on_is_charged_with_the_next_answer(void **state)
{
    harness_script(&h, ++h.handles,
                   "export default { fetch(r) { if (r.url.endsWith('/spin'))"
                   " setTimeout(() => {}), Promise.resolve().then(() => {}).then(() => {})"
                   ".then(() => {}).then(() => {}).then(() => {}).then(() => {}).then(() => {})"
                   ".then(() => {}).then(() => {}).then(() => {}).then(() => { " SPIN " });"
                   " return new Response('ok'); } }",
                   CPU_AMPLE);
    for (int i = 0; i < 3; i++) {
        harness_get(&h, h.handles, "/spin");
        assert_true(harness_get(&h, h.handles, "/")->cpu_us > SPIN_US);
    }
}

static void what_breaks_its_cpu_limit_says_that_it_has_used_it(void **state)
{
    harness_script(&h, ++h.handles, "export default { fetch() { for (;;); } }", "{\"cpu_ms\":20}");
    const struct harness_job *j = harness_get(&h, h.handles, "/");
    assert_int_equal(j->error, JOB_ERROR_CPU_LIMIT);
    assert_true(j->cpu_us >= 20000);
}

/* Waiting for a reply is something pending; waiting for nothing is not. */
static void a_caller_is_stuck_only_when_nothing_is_under_way(void **state)
{
    uint32_t s =
        rig_caller(&h, "export default { async fetch(r, env) { await env.OTHER.fetch('https://o/');"
                       " return new Promise(() => {}); } }");
    uint32_t job = rig_get(&h, s), sub = harness_wait_sub(&h);
    rig_expect(
        &h,
        rig_get(&h, rig_script(&h, "export default { fetch() { return new Response('idle'); } }")),
        "idle");
    assert_false(h.jobs[job].is_done);
    harness_reply(&h, sub, 200, NULL, false);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_NO_RESPONSE);
    harness_close(&h, job);
    rig_expect_nothing_left(&h);
}

/* B awaits what A called for, so B's next call is made while A's events are handled. A's end must
 * not end it. */
static void a_call_belongs_to_the_request_that_makes_it(void **state)
{
    uint32_t s =
        rig_caller(&h, "let shared; export default { async fetch(r, env) {"
                       " shared = shared ?? env.OTHER.fetch('https://shared/').then((a) => "
                       "a.status); await shared;"
                       " if (r.url.endsWith('a')) return new Response('a');"
                       " console.log('b goes on'); await new Promise((d) => setTimeout(d, 20));"
                       " return env.OTHER.fetch('https://own/'); } }");
    uint32_t a = harness_open(&h, s, "GET", RIG_URL "a", NULL, false);
    uint32_t b = harness_open(&h, s, "GET", RIG_URL "b", NULL, false);
    uint32_t shared = harness_wait_sub(&h);
    assert_int_equal(h.subs[shared].job, a);
    harness_reply(&h, shared, 200, NULL, false);
    rig_expect(&h, a, "a");
    uint32_t own = harness_wait_sub(&h);
    assert_int_equal(h.subs[own].job, b);
    harness_reply(&h, own, 200, NULL, true);
    harness_reply_data(&h, own, "b", 1, true);
    char id[20];
    snprintf(id, sizeof(id), "%016lx", (unsigned long)h.jobs[b].request_id);
    harness_wait_log(&h, "log", "b goes on");
    for (size_t i = 0; i < h.line_count; i++)
        if (strcmp(h.lines[i].text, "b goes on") == 0)
            assert_string_equal(h.lines[i].request, id);
    rig_expect(&h, b, "b");
    rig_expect_nothing_left(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_carries_method_url_and_fields),
        cmocka_unit_test(a_binding_is_named_by_its_place),
        cmocka_unit_test(redirects_and_fields_come_as_they_are),
        cmocka_unit_test(the_answer_of_another_script_can_be_the_answer),
        cmocka_unit_test(request_bodies_arrive_within_credit),
        cmocka_unit_test(reply_bodies_are_read_every_way),
        cmocka_unit_test(nothing_is_sent_without_credit_and_none_is_given_without_a_read),
        cmocka_unit_test(a_slow_client_holds_the_called_script_back),
        cmocka_unit_test(ten_megabytes_echo_through_two_scripts),
        cmocka_unit_test(an_early_reply_ends_the_upload),
        cmocka_unit_test(each_error_is_a_rejection_with_a_sentence),
        cmocka_unit_test(an_uncaught_error_of_a_call_is_the_callers_exception),
        cmocka_unit_test(an_exception_in_the_called_script_rejects),
        cmocka_unit_test(a_cycle_ends_at_the_depth_limit),
        cmocka_unit_test(what_is_no_call_is_refused_at_once),
        cmocka_unit_test(hundreds_of_calls_run_at_once),
        cmocka_unit_test(calls_beyond_the_ring_wait_and_arrive),
        cmocka_unit_test(a_request_may_make_so_many_calls_and_no_more),
        cmocka_unit_test(the_context_tightens_limits_and_never_widens_them),
        cmocka_unit_test(a_call_and_an_answer_say_what_cpu_time_the_job_has_used),
        cmocka_unit_test(who_answers_and_computes_on_is_charged_with_the_next_answer),
        cmocka_unit_test(what_breaks_its_cpu_limit_says_that_it_has_used_it),
        cmocka_unit_test(a_caller_is_stuck_only_when_nothing_is_under_way),
        cmocka_unit_test(a_call_belongs_to_the_request_that_makes_it),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
