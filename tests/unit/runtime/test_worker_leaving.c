/* What a script may still do when its client has left, at any time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script_rig.h"

static struct harness h;
static bool is_small; /* the first region of each cell */

#define PRELUDE                                                                                    \
    "const sleep = (ms) => new Promise((r) => setTimeout(r, ms));"                                 \
    "const bytes = (pull) => new Response(new ReadableStream({ pull, cancel(why) {"                \
    " console.log(`cancelled: ${why}`); } }));"

/* Where a request is when its client leaves: the handler behind ctx.waitUntil, what the test sends
 * and awaits first, and what else the script is told. */
static const struct phase {
    const char *what, *handler;
    bool is_post;
    size_t body_bytes; /* of the answer, until it leaves */
    const char *told;
} phases[] = {
    {"before the head", "await new Promise(() => {});", false, 0, NULL},
    {"before the head, and it answers later", "await sleep(10); return new Response('late');",
     false, 0, NULL},
    {"before the head, and a stream answers later", "await sleep(10); return bytes(() => {});",
     false, 0, "cancelled: TypeError: nobody reads the body"},
    {"before the head, and it throws later", "await sleep(10); throw new Error('late');", false, 0,
     "Error: late"},
    {"in a read of the body",
     "try { await r.text(); } catch (e) { console.log(e.message); throw e; }", true, 0,
     "the client is gone"},
    {"before a read of the body",
     "await sleep(10); try { await r.text(); } catch (e) { console.log(e.message); throw e; }",
     true, 0, "the client is gone"},
    {"in a long text", "return new Response('x'.repeat(1e6));", false, JOB_ANSWER_CREDIT_INITIAL,
     NULL},
    {"in a stream that waits",
     "let n = 0; return bytes((c) => { if (n++) return new Promise(() => {});"
     " c.enqueue(new Uint8Array(10)); });",
     false, 10, "cancelled: TypeError: the client is gone"},
    {"in a stream that is held up", "return bytes((c) => c.enqueue(new Uint8Array(50000)));", false,
     JOB_ANSWER_CREDIT_INITIAL, "cancelled: TypeError: the client is gone"},
    {"in a stream of promised length",
     "const a = bytes((c) => c.enqueue(new Uint8Array(50000)));"
     " return new Response(a.body, { headers: { 'content-length': '9000000' } });",
     false, JOB_ANSWER_CREDIT_INITIAL, "cancelled: TypeError: the client is gone"},
    {"in an echo", "return new Response(r.body);", true, 1, NULL},
};

static void work_given_to_wait_until_goes_on(void **state)
{
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        const struct phase *p = &phases[i];
        char source[1024], done[32], aborted[32];
        snprintf(done, sizeof(done), "done in phase %zu", i);
        snprintf(aborted, sizeof(aborted), "aborted in phase %zu", i);
        snprintf(source, sizeof(source),
                 PRELUDE "export default { async fetch(r, env, ctx) {"
                         " ctx.waitUntil(sleep(100).then(() => console.log('%s')));"
                         " r.signal.addEventListener('abort', () => console.log('%s'));"
                         " %s } }",
                 done, aborted, p->handler);
        uint32_t s = rig_script(&h, source);
        uint32_t job = p->is_post ? rig_post(&h, s) : rig_get(&h, s);
        h.jobs[job].holds_credit = true;
        if (p->is_post)
            harness_send(&h, job, "x", 1, false);
        while (h.jobs[job].body_bytes < p->body_bytes)
            harness_await(&h);
        harness_cancel(&h, job);
        harness_wait_log(&h, "log", aborted);
        if (p->told)
            harness_wait_log(&h, NULL, p->told);
        harness_wait_log(&h, "log", done);
        rig_wait_linger(&h, 0);
        if (harness_logged(&h, "error", "unhandled"))
            fail_msg("%s: an unhandled rejection", p->what);
    }
    rig_expect_nothing_left(&h);
}

static void without_promises_it_is_over(void **state)
{
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        const struct phase *p = &phases[i];
        char source[1024], done[32];
        snprintf(done, sizeof(done), "never in phase %zu", i);
        snprintf(source, sizeof(source),
                 PRELUDE "export default { async fetch(r, env, ctx) {"
                         " sleep(300).then(() => console.log('%s')); %s } }",
                 done, p->handler);
        uint32_t s = rig_script(&h, source);
        uint32_t job = p->is_post ? rig_post(&h, s) : rig_get(&h, s);
        h.jobs[job].holds_credit = true;
        if (p->is_post)
            harness_send(&h, job, "x", 1, false);
        while (h.jobs[job].body_bytes < p->body_bytes)
            harness_await(&h);
        harness_cancel(&h, job);
        rig_wait_linger(&h, 0);
    }
    /* A timer that is as long, in a request that lives: theirs would have been before it. */
    rig_expect(
        &h,
        rig_get(&h, rig_script(&h, PRELUDE "export default { async fetch() { await sleep(600);"
                                           " return new Response('later'); } }")),
        "later");
    assert_false(harness_logged(&h, NULL, "never in phase"));
    rig_expect_nothing_left(&h);
}

static void a_signal_says_that_the_client_left_and_may_begin_work(void **state)
{
    uint32_t s = rig_script(
        &h, PRELUDE
        "export default { async fetch(r, env, ctx) { const copy = new Request(r), clone = "
        "r.clone();"
        " const own = new Request(r, { signal: null });"
        " copy.signal.onabort = () => { const { name, message } = r.signal.reason;"
        " console.log(`${name}: ${message}, ${r.signal === copy.signal}, ${clone.signal.aborted},"
        " ${own.signal.aborted}`);"
        " ctx.waitUntil(sleep(20).then(() => console.log('begun by the abort'))); };"
        " await new Promise((r) => setTimeout(r, 1e6)); } }");
    uint32_t job = rig_get(&h, s);
    rig_expect(&h, rig_get(&h, rig_script(&h, "export default { fetch: () => new Response('x') }")),
               "x");
    harness_cancel(&h, job);
    harness_wait_log(&h, "log", "AbortError: the client is gone, true, true, false");
    harness_wait_log(&h, "log", "begun by the abort");
    rig_wait_linger(&h, 0);
}

/* What a script does when its client closes its half; aborted(r) settles with the abort. */
static const struct {
    const char *what, *handler;
    bool is_post;
    size_t body_bytes; /* of the answer, before it does */
    enum job_error error;
    const char *answer;
} halves[] = {
    {"nothing else is under way", "return new Response(await aborted(r));", false, 0, 0,
     "abort AbortError"},
    {"it asks behind it",
     "const body = await r.text(); return new Response(`${body} ${r.signal.aborted}"
     " ${r.signal.reason.name}`);",
     true, 0, 0, "x true AbortError"},
    {"it never asked", "await sleep(50); return new Response('on');", false, 0, 0, "on"},
    {"in a stream",
     "return new Response(new ReadableStream({ async start(c) { c.enqueue(text('begun '));"
     " c.enqueue(text(await aborted(r))); c.close(); } }));",
     false, 6, 0, "begun abort AbortError"},
    {"in a stream that waits for nothing else",
     "let c; aborted(r).then(() => c.close()); return new Response(new ReadableStream({ start(e) { "
     "c = e;"
     " c.enqueue(text('begun')); } }));",
     false, 5, 0, "begun"},
    {"a copy of the request", "return new Response(await aborted(new Request(r)));", false, 0, 0,
     "abort AbortError"},
    {"it throws", "await aborted(r); throw new Error('aborted');", false, 0, JOB_ERROR_EXCEPTION,
     ""},
    {"it can never answer", "await aborted(r); return new Promise(() => {});", false, 0,
     JOB_ERROR_NO_RESPONSE, ""},
};

static void a_signal_says_that_the_client_closed_its_half_and_the_answer_goes_out(void **state)
{
    for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++) {
        char source[1024];
        snprintf(source, sizeof(source),
                 PRELUDE "const text = (t) => new TextEncoder().encode(t);"
                         "const aborted = (r) => new Promise((ok) => { r.signal.onabort = (e) =>"
                         " ok(`${e.type} ${r.signal.reason.name}`); });"
                         "export default { async fetch(r, env, ctx) { %s } }",
                 halves[i].handler);
        uint32_t s = rig_script(&h, source);
        uint32_t job = halves[i].is_post ? rig_post(&h, s) : rig_get(&h, s);
        while (h.jobs[job].body_bytes < halves[i].body_bytes)
            harness_await(&h);
        harness_fin(&h, job);
        if (halves[i].is_post) /* what was on its way */
            harness_send(&h, job, "x", 1, true);
        struct harness_job *j = harness_wait(&h, job);
        const char *body = j->body ? (const char *)j->body : "";
        if (j->error != halves[i].error || strcmp(body, halves[i].answer) != 0)
            fail_msg("%s: error %d, %s", halves[i].what, j->error, body);
        harness_close(&h, job);
        rig_wait_linger(&h, 0);
    }
    rig_expect_nothing_left(&h);
}

/* Once for a request, however it goes on. */
static void who_closes_its_half_and_leaves_aborts_the_signal_once(void **state)
{
    uint32_t s = rig_script(
        &h, PRELUDE "let n = 0; export default { async fetch(r, env, ctx) {"
                    " r.signal.addEventListener('abort', () => console.log(`abort number ${++n}`));"
                    " await sleep(1e6); } }");
    uint32_t job = rig_get(&h, s);
    rig_expect(&h, rig_get(&h, rig_script(&h, "export default { fetch: () => new Response('x') }")),
               "x");
    harness_fin(&h, job);
    harness_wait_log(&h, "log", "abort number 1");
    harness_cancel(&h, job);
    rig_wait_linger(&h, 0);
    assert_false(harness_logged(&h, "log", "abort number 2"));
}

static void a_signal_is_not_aborted_by_an_end(void **state)
{
    uint32_t s = rig_script(
        &h, PRELUDE "let last; export default { async fetch(r, env, ctx) {"
                    " if (r.url.endsWith('/last')) return new Response(String(last.aborted));"
                    " if (r.url.endsWith('/late')) { ctx.waitUntil(sleep(10).then(() => { last = "
                    "r.signal; })); return new Response(); }"
                    " last = r.signal; return new Response(); } }");
    static const char *const paths[] = {"", "late"};
    for (int i = 0; i < 2; i++) {
        char url[64];
        snprintf(url, sizeof(url), RIG_URL "%s", paths[i]);
        rig_expect(&h, harness_open(&h, s, "GET", url, NULL, false), "");
        rig_wait_linger(&h, 0);
        rig_expect(&h, harness_open(&h, s, "GET", RIG_URL "last", NULL, false), "false");
    }
}

static void a_signal_that_is_asked_for_too_late_is_aborted(void **state)
{
    uint32_t s =
        rig_caller(&h, "export default { async fetch(r, env, ctx) {"
                       " ctx.waitUntil(env.OTHER.fetch('https://o/').then(() =>"
                       " console.log(`late: ${r.signal.aborted} ${r.signal.reason.name}`)));"
                       " await new Promise(() => {}); } }");
    uint32_t job = rig_get(&h, s), call = harness_wait_sub(&h);
    harness_cancel(&h, job);
    harness_reply(&h, call, 200, NULL, false);
    harness_wait_log(&h, "log", "late: true AbortError");
    rig_wait_linger(&h, 0);
}

static void calls_go_on_and_answers_of_others_are_cancelled(void **state)
{
    uint32_t s = rig_caller(
        &h, "export default { async fetch(r, env, ctx) {"
            " ctx.waitUntil(env.OTHER.fetch('https://o/work').then((a) => a.text()).then((t) => "
            "console.log('heard ' + t)));"
            " return env.OTHER.fetch('https://o/answer'); } }");
    uint32_t job = rig_get(&h, s), work = harness_wait_sub(&h), answer = harness_wait_sub(&h);
    harness_reply(&h, answer, 200, NULL, true);
    harness_reply_data(&h, answer, "some", 4, false);
    while (h.jobs[job].body_bytes < 4)
        harness_await(&h);
    harness_cancel(&h, job);
    rig_wait_cancel(&h, answer);
    assert_true(h.subs[work].is_open);
    harness_reply(&h, work, 200, NULL, true);
    harness_reply_data(&h, work, "it", 2, true);
    harness_wait_log(&h, "log", "heard it");
    rig_wait_linger(&h, 0);
    rig_expect_nothing_left(&h);
}

/* A body that has not wholly come when the request is answered or left is no whole body for those
 * who read on. */
static void half_a_body_is_not_taken_for_all_of_it(void **state)
{
    static const char *const readers[] = {
        "r.text()",
        "r.body.getReader().read().then(() => r.body.cancel())",
        "(async () => { for await (const part of r.body); })()",
    };
    for (unsigned leaves = 0; leaves < 2; leaves++) {
        for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
            char source[512], told[64];
            snprintf(told, sizeof(told), "reader %zu of %u:", i, leaves);
            snprintf(source, sizeof(source),
                     PRELUDE "export default { async fetch(r, env, ctx) {"
                             " ctx.waitUntil(sleep(20).then(() => %s).then(() => 'all', (e) => "
                             "e.message).then((t) => console.log('%s ' + t)));"
                             " %s } }",
                     readers[i], told,
                     leaves ? "await new Promise(() => {})" : "return new Response()");
            uint32_t job = rig_post(&h, rig_script(&h, source));
            harness_send(&h, job, "half", 4, false);
            if (leaves)
                harness_cancel(&h, job);
            else
                rig_expect(&h, job, "");
            harness_wait_log(&h, "log", told);
            rig_wait_linger(&h, 0);
            if (i != 1)
                assert_false(harness_logged(&h, "log", strcat(told, " all")));
        }
    }
    uint32_t s = rig_caller(
        &h,
        "export default { fetch(r, env, ctx) { ctx.waitUntil(env.OTHER.fetch(r).then(() => "
        "console.log('fed'), (e) => console.log(e.message))); return new Response('early'); } }");
    uint32_t job = rig_post(&h, s);
    harness_send(&h, job, "half", 4, false);
    uint64_t cancels = h.sub_cancels;
    rig_expect(&h, job, "early");
    harness_wait_log(&h, "log", "env.OTHER.fetch: the request that made this call is over");
    assert_int_equal(h.sub_cancels, cancels + 1);
    rig_wait_linger(&h, 0);
    rig_expect_nothing_left(&h);
}

static void an_exception_leaves_promises_alone_and_a_limit_does_not(void **state)
{
    static const struct {
        const char *rest;
        enum job_error error;
        bool goes_on;
    } rows[] = {
        {"throw new Error('x');", JOB_ERROR_EXCEPTION, true},
        {"await sleep(1); throw new Error('x');", JOB_ERROR_EXCEPTION, true},
        {"return 'no response';", JOB_ERROR_NOT_RESPONSE, true},
        {"return new Response('x', { headers: { a: 'x'.repeat(40000) } });", JOB_ERROR_EXCEPTION,
         true},
        {"for (;;);", JOB_ERROR_CPU_LIMIT, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char source[512], done[32];
        snprintf(done, sizeof(done), "behind error %zu", i);
        snprintf(source, sizeof(source),
                 PRELUDE "export default { async fetch(r, env, ctx) {"
                         " ctx.waitUntil(sleep(50).then(() => console.log('%s'))); %s } }",
                 done, rows[i].rest);
        harness_script(&h, ++h.handles, source, "{\"cpu_ms\":200}");
        uint32_t job = rig_get(&h, h.handles);
        assert_int_equal(harness_wait(&h, job)->error, rows[i].error);
        assert_int_equal(h.jobs[job].lingers, rows[i].goes_on);
        if (rows[i].goes_on)
            harness_wait_log(&h, "log", done);
        rig_wait_linger(&h, 0);
        assert_int_equal(harness_logged(&h, "log", done), rows[i].goes_on);
        harness_close(&h, job);
    }
}

static void its_limits_hold_behind_the_client(void **state)
{
    static const char *const rests[] = {
        "sleep(5).then(() => { for (;;); })",
        "new Promise(() => {})",
        "sleep(5).then(() => { const all = []; for (;;) all.push(new Array(1000).fill(1)); })",
    };
    for (size_t i = 0; i < sizeof(rests) / sizeof(*rests); i++) {
        char source[512];
        snprintf(source, sizeof(source),
                 PRELUDE "export default { async fetch(r, env, ctx) {"
                         " if (r.url.endsWith('/alive')) return new Response('alive');"
                         " ctx.waitUntil(%s); await new Promise(() => {}); } }",
                 rests[i]);
        harness_script(&h, ++h.handles, source, "{\"cpu_ms\":100,\"heap_bytes\":33554432}");
        uint32_t job = rig_get(&h, h.handles);
        if (i == 1) /* nothing is under way: it would not wait for its client to leave */
            assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_NO_RESPONSE);
        else
            harness_cancel(&h, job);
        rig_wait_linger(&h, 0);
        rig_expect(&h, harness_open(&h, h.handles, "GET", RIG_URL "alive", NULL, false), "alive");
    }
}

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

int main(int argc, char **argv)
{
    is_small = argc > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_given_to_wait_until_goes_on),
        cmocka_unit_test(without_promises_it_is_over),
        cmocka_unit_test(a_signal_says_that_the_client_left_and_may_begin_work),
        cmocka_unit_test(a_signal_says_that_the_client_closed_its_half_and_the_answer_goes_out),
        cmocka_unit_test(who_closes_its_half_and_leaves_aborts_the_signal_once),
        cmocka_unit_test(a_signal_is_not_aborted_by_an_end),
        cmocka_unit_test(a_signal_that_is_asked_for_too_late_is_aborted),
        cmocka_unit_test(calls_go_on_and_answers_of_others_are_cancelled),
        cmocka_unit_test(half_a_body_is_not_taken_for_all_of_it),
        cmocka_unit_test(an_exception_leaves_promises_alone_and_a_limit_does_not),
        cmocka_unit_test(its_limits_hold_behind_the_client),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
