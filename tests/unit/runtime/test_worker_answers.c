/* Answers that contradict themselves, answers without a body, and fields without end. */
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
    "const chunk = (n) => new Uint8Array(n).fill(120);"

/* What the client gets, if there was a head, and what the author is told. */
static void a_body_is_held_to_its_content_length(void **state)
{
    static const struct {
        const char *what, *handler;
        bool has_head;
        size_t bytes;
        const char *told; /* NULL: all is well */
    } rows[] = {
        {"one chunk that is too long",
         "return new Response(new ReadableStream({ start(c) { c.enqueue(chunk(5000)); c.close(); } "
         "}),"
         " { headers: { 'content-length': '70' } });",
         false, 0, "longer than its Content-Length, 70"},
        {"chunks that are too long",
         "let n = 0; return new Response(new ReadableStream({ async pull(c) { await sleep(5);"
         " c.enqueue(chunk(10)); if (++n == 4) c.close(); } }), { headers: { 'content-length': "
         "'25' } });",
         true, 25, "longer than its Content-Length, 25"},
        {"chunks whose end is too long by whole chunks",
         "let n = 0; return new Response(new ReadableStream({ async pull(c) { await sleep(5);"
         " c.enqueue(chunk(10)); if (++n == 4) c.close(); } }), { headers: { 'content-length': "
         "'30' } });",
         true, 30, "longer than its Content-Length, 30"},
        {"chunks that are too few",
         "let n = 0; return new Response(new ReadableStream({ async pull(c) { await sleep(5);"
         " c.enqueue(chunk(10)); if (++n == 4) c.close(); } }), { headers: { 'content-length': "
         "'41' } });",
         true, 40, "shorter than its Content-Length, 41"},
        {"one chunk that is too short",
         "return new Response(new ReadableStream({ start(c) { c.enqueue(chunk(50)); c.close(); } "
         "}),"
         " { headers: { 'content-length': '71' } });",
         true, 50, "shorter than its Content-Length, 71"},
        {"a stream without bytes",
         "return new Response(new ReadableStream({ start(c) { c.close(); } }),"
         " { headers: { 'content-length': '72' } });",
         false, 0, "shorter than its Content-Length, 72"},
        {"no body", "return new Response(null, { headers: { 'content-length': '73' } });", false, 0,
         "shorter than its Content-Length, 73"},
        {"no number",
         "return new Response(new ReadableStream(), { headers: { 'content-length': 'x' } });",
         false, 0, "Content-Length is no length"},
        {"two numbers",
         "return new Response(new ReadableStream(), { headers: [['content-length', '1'],"
         " ['content-length', '1']] });",
         false, 0, "Content-Length is no length"},
        {"beyond the first credit",
         "let n = 0; return new Response(new ReadableStream({ pull(c) { c.enqueue(chunk(30000));"
         " if (++n == 9) c.close(); } }), { headers: { 'content-length': '200000' } });",
         true, 200000, "longer than its Content-Length, 200000"},
        {"an echo that is too long: its bytes come behind the head",
         "return new Response(r.body, { headers: { 'content-length': '3' } });", true, 3,
         "longer than its Content-Length, 3"},
        {"right, in chunks",
         "let n = 0; return new Response(new ReadableStream({ async pull(c) { await sleep(5);"
         " c.enqueue(chunk(10)); if (++n == 4) c.close(); } }), { headers: { 'content-length': "
         "'40' } });",
         true, 40, NULL},
        {"right, in an echo",
         "return new Response(r.body, { headers: { 'content-length': '8' } });", true, 8, NULL},
        {"right, without a body",
         "return new Response(null, { headers: { 'content-length': '0' } });", true, 0, NULL},
        {"a text, whose length is known better",
         "return new Response('text', { headers: { 'content-length': '99' } });", true, 4, NULL},
        {"304, which speaks of another answer",
         "return new Response(null, { status: 304, headers: { 'content-length': '99' } });", true,
         0, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char source[768];
        snprintf(source, sizeof(source), PRELUDE "export default { async fetch(r) { %s } }",
                 rows[i].handler);
        uint32_t job = rig_post(&h, rig_script(&h, source));
        harness_send(&h, job, "the body", 8, true);
        struct harness_job *j = harness_wait(&h, job);
        if (j->has_head != rows[i].has_head || j->body_bytes != rows[i].bytes ||
            (j->error == JOB_ERROR_NONE) != !rows[i].told)
            fail_msg("%s: head %d, %zu bytes, error %d", rows[i].what, j->has_head, j->body_bytes,
                     j->error);
        if (rows[i].told && !harness_logged(&h, "error", rows[i].told))
            fail_msg("%s: nobody is told", rows[i].what);
        harness_close(&h, job);
    }
}

/* The bytes of a large body are given back as soon as they are sent: those that only the answer
 * has. / */
static void what_has_been_sent_is_taken_from_the_answer_alone(void **state)
{
    uint32_t s = rig_script(
        &h,
        "const bytes = new Uint8Array(1 << 20).fill(7), blob = new Blob([bytes]), kept = {};"
        "export default { async fetch(r) { const what = r.url.slice(r.url.lastIndexOf('/') + 1);"
        " const sum = (b) => b.length + ' ' + b.reduce((n, x) => n + x, 0);"
        " if (what === 'given') return kept.answer = new Response(bytes);"
        " if (what === 'cloned') return kept.clone = (kept.answer = new Response(bytes)).clone(),"
        " kept.answer;"
        " if (what === 'blob') return new Response(blob);"
        " let text = sum(bytes) + ' ' + sum(await blob.bytes());"
        " if (kept.clone) text += ' ' + sum(await kept.clone.bytes()); kept.clone = null;"
        " const { bodyUsed, body } = kept.answer;"
        " return new Response(text + ' ' + bodyUsed + ' ' + body.locked); } }");
    static const char *const sent[] = {"given", "cloned", "blob"};
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        char url[64];
        snprintf(url, sizeof(url), RIG_URL "%s", sent[i]);
        uint32_t job = harness_open(&h, s, "GET", url, NULL, false);
        struct harness_job *j = harness_wait(&h, job);
        assert_int_equal(j->error, JOB_ERROR_NONE);
        assert_int_equal(j->body_bytes, 1 << 20);
        for (size_t at = 0; at < j->body_bytes; at++)
            assert_int_equal(j->body[at], 7);
        harness_close(&h, job);
        rig_expect(&h, harness_open(&h, s, "GET", RIG_URL "look", NULL, false),
                   i == 1 ? "1048576 7340032 1048576 7340032 1048576 7340032 true true"
                          : "1048576 7340032 1048576 7340032 true true");
    }
}

static void a_promised_head_leaves_before_its_body_is_made(void **state)
{
    uint32_t s = rig_script(
        &h,
        PRELUDE "export default { fetch(r) { let n = 0; return new Response(new ReadableStream({"
                " async pull(c) { await new Promise((go) => setTimeout(go, n++ ? 0 : 1e6)); } }),"
                " { headers: { 'content-length': '70' } }); } }");
    uint32_t job = rig_get(&h, s);
    while (!h.jobs[job].has_head)
        harness_await(&h);
    harness_cancel(&h, job);
    rig_wait_linger(&h, 0);
}

static void a_head_request_makes_no_body(void **state)
{
    uint32_t s =
        rig_script(&h, "let made = 0, cancelled = 0; export default { fetch(r) {"
                       " if (r.url.endsWith('/count')) return new Response(`${made} ${cancelled}`);"
                       " if (r.url.endsWith('/text')) return new Response('text');"
                       " if (r.url.endsWith('/null')) return new Response(null, { headers: { "
                       "'content-length': '9' } });"
                       " return new Response(new ReadableStream({ pull(c) { made++; c.enqueue(new "
                       "Uint8Array(9)); },"
                       " cancel() { cancelled++; } }, { highWaterMark: 0 })); } }");
    static const struct {
        const char *path, *length;
    } rows[] = {{"stream", ""}, {"text", "4"}, {"null", "9"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char url[64];
        snprintf(url, sizeof(url), RIG_URL "%s", rows[i].path);
        uint32_t job = harness_open(&h, s, "HEAD", url, NULL, false);
        struct harness_job *j = harness_wait(&h, job);
        assert_int_equal(j->error, JOB_ERROR_NONE);
        assert_int_equal(j->body_bytes, 0);
        assert_string_equal(harness_field(j, "content-length"), rows[i].length);
        harness_close(&h, job);
    }
    rig_expect(&h, harness_open(&h, s, "GET", RIG_URL "count", NULL, false), "0 1");
}

static void fields_are_limited_and_the_limit_is_named(void **state)
{
    static const struct {
        const char *fields, *told;
    } rows[] = {
        {"Array.from({ length: 1000 }, (_, i) => ['a' + i, 'b'])", NULL},
        {"Array.from({ length: 1100 }, (_, i) => ['a' + i, 'b'])", "more than 1024 header fields"},
        {"[['a', 'x'.repeat(33000)]]", "larger than 32 KB"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char source[256];
        snprintf(source, sizeof(source),
                 "export default { fetch: () => new Response(null, { headers: %s }) }",
                 rows[i].fields);
        uint32_t job = rig_get(&h, rig_script(&h, source));
        struct harness_job *j = harness_wait(&h, job);
        assert_int_equal(j->error, rows[i].told ? JOB_ERROR_EXCEPTION : JOB_ERROR_NONE);
        assert_true(!rows[i].told || harness_logged(&h, "error", rows[i].told));
        if (!rows[i].told)
            assert_string_equal(harness_field(j, "a999"), "b");
        harness_close(&h, job);
    }
}

/* However a thing that is thrown, rejected, logged or answered resists, the request ends as an
 * exception with a line, and other requests with it are answered. */
static void what_cannot_be_described_is_an_exception_all_the_same(void **state)
{
    static const char evil[] =
        "const boom = () => { throw new Error('hook'); };"
        "const traps = new Proxy({}, { get: (_, name) => name === 'then' ? undefined : boom });"
        "const things = [() => new Proxy({}, traps), () => new Proxy(function () {}, traps),"
        " () => new Proxy(new Error('x'), { get: boom }), () => Object.create(null),"
        " () => Object.assign(Object.create(null), { toString: boom }), () => Symbol('s'), () => "
        "undefined,"
        " () => { const e = new TypeError('x'); Object.defineProperty(e, 'stack', { get: boom }); "
        "return e; },"
        " () => { const e = new TypeError('x'); for (const k of ['stack', 'name', 'message', "
        "'cause',"
        " 'constructor', Symbol.toStringTag]) Object.defineProperty(e, k, { get: boom, enumerable: "
        "true });"
        " return e; },"
        " () => { const e = new Error('x'); Object.setPrototypeOf(e, new Proxy(Error.prototype, "
        "traps)); return e; },"
        " () => { const e = new Error('x'); e.cause = new Proxy({}, traps); e.stack = 7; return e; "
        "},"
        " () => ({ [Symbol.toPrimitive]: boom, get a() { boom(); } }),"
        " () => { const m = new Map([[1, 2]]); m[Symbol.iterator] = boom; return m; },"
        " () => { const a = [1]; a[Symbol.iterator] = boom; return a; },"
        " () => { const d = new Date(); d.getTime = boom; return d; }];"
        "export default { async fetch(r) { const [, how, n] = new URL(r.url).pathname.split('/');"
        " const make = things[n]; if (!make) return new Response('no more', { status: 404 });"
        " if (how === 'throw') throw make();"
        " if (how === 'sync') return Promise.reject(make());"
        " if (how === 'answer') return make();"
        " if (how === 'rejection') { Promise.reject(make()); return new Response('ok'); }"
        " for (const say of Object.values(console)) { try { say(make(), make()); } catch {} }"
        " for (const f of ['%s', '%d', '%i', '%f', '%j', '%o', '%O', '%c'])"
        " console.log(f, make());"
        " return new Response('ok'); } }";
    static const struct {
        const char *how;
        enum job_error error;
    } rows[] = {
        {"throw", JOB_ERROR_EXCEPTION},     {"sync", JOB_ERROR_EXCEPTION},
        {"answer", JOB_ERROR_NOT_RESPONSE}, {"rejection", JOB_ERROR_NONE},
        {"console", JOB_ERROR_NONE},
    };
    uint32_t s = rig_script(&h, evil);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int n = 0, status = 0; status != 404; n++) {
            char url[96];
            snprintf(url, sizeof(url), RIG_URL "%s/%d", rows[i].how, n);
            size_t lines = h.line_count;
            uint32_t job = harness_open(&h, s, "GET", url, NULL, false);
            struct harness_job *j = harness_wait(&h, job);
            status = j->status;
            enum job_error expected = status == 404 ? JOB_ERROR_NONE : rows[i].error;
            /* A proxy whose "then" throws rejects what is answered. */
            bool is_fine = j->error == expected ||
                           (expected == JOB_ERROR_NOT_RESPONSE && j->error == JOB_ERROR_EXCEPTION);
            if (!is_fine || (status != 404 && h.line_count == lines))
                fail_msg("%s of thing %d: error %d, %zu lines", rows[i].how, n, j->error,
                         h.line_count - lines);
            harness_close(&h, job);
        }
    }
    assert_true(harness_logged(&h, "error", "TypeError: x, whose stack cannot be read"));
    assert_false(harness_logged(&h, NULL, "can never answer"));
}

static void a_script_without_exports_may_listen(void **state)
{
    static const struct {
        const char *path, *body;
        enum job_error error;
    } rows[] = {
        {"promise", "promise", JOB_ERROR_NONE},  {"first", "first", JOB_ERROR_NONE},
        {"nobody", NULL, JOB_ERROR_EXCEPTION},   {"late", NULL, JOB_ERROR_EXCEPTION},
        {"rejected", NULL, JOB_ERROR_EXCEPTION}, {"nothing", NULL, JOB_ERROR_NOT_RESPONSE},
        {"twice", "twice", JOB_ERROR_NONE},      {"throws", "second", JOB_ERROR_NONE},
        {"waited", "waited", JOB_ERROR_NONE},
    };
    uint32_t s = rig_script(
        &h,
        "let waited = 'not yet'; const path = (e) => new URL(e.request.url).pathname.slice(1);"
        "addEventListener('fetch', (e) => { const p = path(e); const say = () => new Response(p);"
        " if (p === 'throws') throw new Error('of a listener');"
        " if (p === 'promise') e.respondWith(Promise.resolve().then(say));"
        " if (p === 'first' || p === 'twice') e.respondWith(say());"
        " if (p === 'twice') try { e.respondWith(say()); } catch (error) {"
        "  if (error.name !== 'InvalidStateError') e.respondWith(1); }"
        " if (p === 'late') setTimeout(() => e.respondWith(say()), 0);"
        " if (p === 'rejected') e.respondWith(Promise.reject(new Error('rejected')));"
        " if (p === 'nothing') e.respondWith(undefined);"
        " if (p === 'waited') { e.waitUntil(Promise.resolve().then(() => { waited = p; }));"
        "  e.respondWith(new Promise((done) => setTimeout(() => done(new Response(waited)), 1))); }"
        "});"
        "addEventListener('fetch', (e) => { if (['first', 'throws'].includes(path(e)))"
        " e.respondWith(new Response('second')); });");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char url[96];
        snprintf(url, sizeof(url), RIG_URL "%s", rows[i].path);
        uint32_t job = harness_open(&h, s, "GET", url, NULL, false);
        struct harness_job *j = harness_wait(&h, job);
        if (j->error != rows[i].error)
            fail_msg("%s: error %d", rows[i].path, j->error);
        if (rows[i].body)
            assert_string_equal((char *)j->body, rows[i].body);
        harness_close(&h, job);
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
        cmocka_unit_test(a_body_is_held_to_its_content_length),
        cmocka_unit_test(what_has_been_sent_is_taken_from_the_answer_alone),
        cmocka_unit_test(a_promised_head_leaves_before_its_body_is_made),
        cmocka_unit_test(a_head_request_makes_no_body),
        cmocka_unit_test(fields_are_limited_and_the_limit_is_named),
        cmocka_unit_test(what_cannot_be_described_is_an_exception_all_the_same),
        cmocka_unit_test(a_script_without_exports_may_listen),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
