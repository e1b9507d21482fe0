/* test_worker_limits: scripts that misbehave get their own clear error, and a good one answers
 * meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static struct harness h;
enum { GOOD = 1, BAD = 2 };

static const char good[] = "export default { fetch() { return new Response('good'); } }";

static int start(void **state)
{
    harness_start(&h);
    harness_script(&h, GOOD, good, NULL);
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

static void good_still_answers(void)
{
    struct harness_job *j = harness_get(&h, GOOD, "/");
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->status, 200);
    assert_string_equal((char *)j->body, "good");
}

struct row {
    const char *what, *source, *limits, *log;
    enum job_error error;
};

static const struct row rows[] = {
    {"an endless loop in the handler", "export default { fetch() { for (;;); } }", NULL, "CPU time",
     JOB_ERROR_CPU_LIMIT},
    {"an endless loop after an await", "export default { async fetch() { await 1; for (;;); } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"endless microtasks", "export default { async fetch() { for (;;) await 1; } }", NULL,
     "CPU time", JOB_ERROR_CPU_LIMIT},
    {"an endless loop that catches everything",
     "export default { fetch() { for (;;) { try { for (;;); } catch {} finally { continue; } } } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"an endless regular expression",
     "export default { fetch() { return new Response(String(/^(a+)+$/.test('a'.repeat(50) + "
     "'b'))); } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"an endless loop in a timer",
     "export default { fetch() { return new Promise(() => setTimeout(() => { for (;;); }, 1)); } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"a loop of builtins only, which must not lose its check when it is optimised",
     "const all = []; export default { fetch() { for (;;) { all.length = 0; all.push(new "
     "Array(100).fill(1)); } } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"a loop that was optimised while it still had an end",
     "const all = []; function fill(n) { for (let i = 0; i < n; i++) { all.length = 0; "
     "all.push(new "
     "Array(100).fill(1)); } }"
     "export default { fetch() { for (let i = 0; i < 2e4; i++) fill(3); fill(Infinity); } }",
     "{\"cpu_ms\":1000}", "CPU time", JOB_ERROR_CPU_LIMIT},
    {"many small slices add up to the limit",
     "export default { async fetch() { for (;;) { await new Promise((done) => setTimeout(done, 0));"
     " for (let i = 0; i < 2e6; i++); } } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"keys without end, asynchronously",
     "export default { async fetch() { const all = []; for (;;) all.push(await "
     "crypto.subtle.importKey('raw', new Uint8Array(1e5), 'HKDF', false, ['deriveBits'])); } }",
     "{\"cpu_ms\":20000}", "too many keys", JOB_ERROR_EXCEPTION},
    {"objects without end",
     "export default { fetch() { const all = []; for (;;) all.push({ x: all.length }); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"memories of WebAssembly without end",
     "const all = []; export default { async fetch() { for (;;) { all.push(new "
     "WebAssembly.Memory({ initial: 100 })); await new Promise((done) => setTimeout(done, 0)); } } "
     "}",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"strings without end",
     "export default { fetch() { const all = []; for (let i = 0;; i++) all.push(('x' + "
     "i).padEnd(1e5, 'abc' + i)); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"buffers without end",
     "export default { fetch() { const all = []; for (;;) all.push(new Uint8Array(1e6)); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"buffers without end, asynchronously",
     "export default { async fetch() { const all = []; for (;;) { await 1; all.push(new "
     "Uint8Array(1e6)); } } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    /* V8 keeps an array of more than 2^25 elements as a table: a builtin fills it entry by entry,
     * for seconds of CPU time, and nobody can interrupt it. */
    {"one array larger than all memory",
     "export default { fetch() { return new Response(new Array(34e6).fill(0)); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"one array larger than all memory, in one piece",
     "export default { fetch() { return new Response(new Array(3e7).fill(0)); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"a map without end",
     "export default { fetch() { const m = new Map(); for (let i = 0;; i++) m.set(i, i); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    {"an array that doubles without end",
     "export default { fetch() { let a = [1]; for (;;) a = a.concat(a); } }",
     "{\"heap_bytes\":33554432,\"cpu_ms\":20000}", "memory", JOB_ERROR_MEMORY_LIMIT},
    /* In large pieces, which cost 65 ms of CPU: in small ones collections took 320 of the 400 ms
     * that a top level has, and on a busy machine, where all takes more, the CPU limit came
     * first. */
    {"memory without end at top level",
     "const all = []; for (;;) all.push(new Array(1e4).fill(all.length));\n"
     "export default { fetch() {} }",
     "{\"heap_bytes\":33554432}", NULL, JOB_ERROR_MEMORY_LIMIT},
    {"an endless top level", "for (;;);\nexport default { fetch() {} }", NULL, "CPU time",
     JOB_ERROR_LOAD},
    {"a throw at top level", "throw new RangeError('at the top');\nexport default { fetch() {} }",
     NULL, "RangeError: at the top", JOB_ERROR_LOAD},
    {"a syntax error", "export default {{", NULL, "main.mjs:1:", JOB_ERROR_LOAD},
    {"a missing import", "import x from './x.mjs';\nexport default { fetch() {} }", NULL,
     "No such module \"./x.mjs\"", JOB_ERROR_LOAD},
    {"no default export", "export const fetch = 1;", NULL, "no handler", JOB_ERROR_LOAD},
    {"a default export without fetch", "export default { scheduled() {} }", NULL, "no handler",
     JOB_ERROR_LOAD},
    {"a top level that waits for ever",
     "await new Promise(() => {});\nexport default { fetch() {} }", NULL, "top-level await",
     JOB_ERROR_LOAD},
    {"a timer at top level", "setTimeout(() => {}, 1);\nexport default { fetch() {} }", NULL,
     "top level", JOB_ERROR_LOAD},
    {"never answers", "export default { fetch() { return new Promise(() => {}); } }", NULL,
     "can never answer", JOB_ERROR_NO_RESPONSE},
    {"never answers, later",
     "export default { async fetch() { await new Promise((d) => setTimeout(d, 5)); await new "
     "Promise(() => {}); } }",
     NULL, "can never answer", JOB_ERROR_NO_RESPONSE},
    {"returns nothing", "export default { fetch() {} }", NULL, "undefined, which is not a Response",
     JOB_ERROR_NOT_RESPONSE},
    {"returns a promise of nothing", "export default { async fetch() {} }", NULL,
     "undefined, which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns nothing, later",
     "export default { async fetch() { await new Promise((d) => setTimeout(d, 5)); } }", NULL,
     "undefined, which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns a string", "export default { fetch() { return 'text'; } }", NULL,
     "'text', which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns a promise of a string", "export default { async fetch() { return 'text'; } }", NULL,
     "'text', which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns null", "export default { fetch() { return null; } }", NULL,
     "null, which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns what looks like one", "export default { fetch() { return { status: 200 }; } }", NULL,
     "{ status: 200 }, which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns its class", "export default { fetch() { return Response; } }", NULL,
     "which is not a Response", JOB_ERROR_NOT_RESPONSE},
    {"returns an error's response", "export default { fetch() { return Response.error(); } }", NULL,
     "Response.error(), which cannot be sent", JOB_ERROR_NOT_RESPONSE},
    {"other handlers may return what they like",
     "export default { fetch() { return new Response('x'); }, scheduled() { return 1; },"
     " async queue() { return 'x'; } }",
     NULL, NULL, JOB_ERROR_NONE},
    {"throws", "export default { fetch() { throw new TypeError('thrown'); } }", NULL,
     "TypeError: thrown", JOB_ERROR_EXCEPTION},
    {"rejects", "export default { async fetch() { await 1; throw new TypeError('rejected'); } }",
     NULL, "TypeError: rejected", JOB_ERROR_EXCEPTION},
    {"throws in a timer, and has nothing else to wait for",
     "export default { fetch() { return new Promise(() => setTimeout(() => { throw new "
     "Error('tick'); }, 1)); } }",
     NULL, "Error: tick", JOB_ERROR_NO_RESPONSE},
    {"throws in a timer, and goes on",
     "export default { async fetch() { setTimeout(() => { throw new Error('tick'); }, 1);"
     " await new Promise((done) => setTimeout(done, 2)); return new Response('on'); } }",
     NULL, "Error: tick", JOB_ERROR_NONE},
    {"has a handler of rejections that always makes another",
     "self.onunhandledrejection = (e) => Promise.reject(e.reason);"
     "export default { async fetch() { Promise.reject(1); return new Promise(() => {}); } }",
     NULL, "CPU time", JOB_ERROR_CPU_LIMIT},
    {"one timer more than its account may have",
     "export default { async fetch() { for (let i = 0; i < 7; i++) setTimeout(() => {}, 1e5); } }",
     "{\"timers\":6}",
     "RangeError: too many timers: all requests of this script may have 6 pending",
     JOB_ERROR_EXCEPTION},
    {"an interval is a timer",
     "export default { fetch() { setInterval(() => {}, 1e5); setInterval(() => {}, 1e5); } }",
     "{\"timers\":1}", "RangeError: too many timers", JOB_ERROR_EXCEPTION},
    {"a timer that is over, or was cleared, does not count",
     "export default { async fetch() { for (let i = 0; i < 50; i++) { "
     "clearTimeout(setTimeout(() => {}, 1e5)); await new Promise((d) => setTimeout(d)); } "
     "return new Response('x'); } }",
     "{\"timers\":1}", NULL, JOB_ERROR_NONE},
    {"more timers than a request may have",
     "export default { fetch() { for (;;) setTimeout(() => {}, 1e5); } }", NULL,
     "RangeError: too many timers: a request may have 10000 pending", JOB_ERROR_EXCEPTION},
    {"throws something that is no error", "export default { fetch() { throw null; } }", NULL,
     "null", JOB_ERROR_EXCEPTION},
    {"throws nothing", "export default { fetch() { throw undefined; } }", NULL, "undefined",
     JOB_ERROR_EXCEPTION},
    {"throws a Response", "export default { fetch() { throw new Response('x'); } }", NULL,
     "Response", JOB_ERROR_EXCEPTION},
    {"rejects with a string", "export default { async fetch() { throw 'a string'; } }", NULL,
     "a string", JOB_ERROR_EXCEPTION},
    {"rejects with nothing", "export default { fetch() { return Promise.reject(); } }", NULL,
     "undefined", JOB_ERROR_EXCEPTION},
    {"recursion without end", "export default { fetch() { const f = () => f() + 1; return f(); } }",
     NULL, "Maximum call stack", JOB_ERROR_EXCEPTION},
    {"answers with a used body",
     "export default { async fetch() { const r = new Response('x'); await r.text(); return r; } }",
     NULL, "used", JOB_ERROR_EXCEPTION},
    {"a head that is too large",
     "export default { fetch() { return new Response('', { headers: { x: 'y'.repeat(40000) } }); } "
     "}",
     NULL, "response head", JOB_ERROR_EXCEPTION},
    {"waits longer than its wall limit",
     "export default { fetch() { return new Promise((d) => setTimeout(d, 1e6)); } }",
     "{\"wall_ms\":300}", "wall clock", JOB_ERROR_WALL_LIMIT},
};

static void a_bad_script_gets_its_own_error(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = &rows[i];
        uint32_t handle = BAD + (uint32_t)i;
        harness_script(&h, handle, row->source, row->limits);
        uint32_t job = harness_open(&h, handle, "GET", "https://test.example/", NULL, false);
        harness_poll(&h, 1);
        good_still_answers();
        struct harness_job *j = harness_wait(&h, job);
        if (j->error != row->error)
            fail_msg("%s: error %d, expected %d; last log: %s", row->what, j->error, row->error,
                     h.line_count ? h.lines[h.line_count - 1].text : "");
        if (row->log)
            harness_wait_log(&h, "error", row->log);
        for (size_t n = 0; n < h.line_count; n++)
            free(h.lines[n].text);
        h.line_count = 0;
        harness_close(&h, job);
        good_still_answers();
    }
}

static void an_error_names_the_request(void **state)
{
    harness_script(&h, 500, "export default { fetch() { throw new Error('named'); } }", NULL);
    uint32_t job = harness_open(&h, 500, "GET", "https://test.example/", NULL, false);
    char id[20];
    snprintf(id, sizeof(id), "%016lx", (unsigned long)h.jobs[job].request_id);
    harness_wait(&h, job);
    harness_wait_log(&h, "error", "Error: named");
    assert_string_equal(h.lines[h.line_count - 1].request, id);
    assert_int_equal(h.lines[h.line_count - 1].handle, 500);
    harness_close(&h, job);
}

static void the_others_of_a_script_survive_one_that_loops(void **state)
{
    harness_script(
        &h, 501,
        "let n = 0; export default { async fetch(r) { if (r.url.endsWith('/loop')) for (;;);"
        " await new Promise((d) => setTimeout(d, 150)); return new Response('waited ' + ++n); } }",
        NULL);
    uint32_t waits = harness_open(&h, 501, "GET", "https://test.example/", NULL, false);
    uint32_t loops = harness_open(&h, 501, "GET", "https://test.example/loop", NULL, false);
    assert_int_equal(harness_wait(&h, loops)->error, JOB_ERROR_CPU_LIMIT);
    struct harness_job *j = harness_wait(&h, waits);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_string_equal((char *)j->body, "waited 1");
    /* The same isolate: its state is there. */
    j = harness_get(&h, 501, "/");
    assert_string_equal((char *)j->body, "waited 2");
    harness_close(&h, waits);
    harness_close(&h, loops);
}

static void a_script_over_its_memory_is_condemned_and_another_cell_starts(void **state)
{
    harness_script(&h, 502,
                   "const all = []; export default { async fetch(r) { if (r.url.endsWith('/eat')) "
                   "for (;;) all.push({});"
                   " if (r.url.endsWith('/wait')) await new Promise((d) => setTimeout(d, 1e6));"
                   " return new Response('n ' + all.length); } }",
                   "{\"heap_bytes\":33554432,\"cpu_ms\":20000}");
    uint32_t waits = harness_open(&h, 502, "GET", "https://test.example/wait", NULL, false);
    uint32_t eats = harness_open(&h, 502, "GET", "https://test.example/eat", NULL, false);
    assert_int_equal(harness_wait(&h, eats)->error, JOB_ERROR_MEMORY_LIMIT);
    assert_int_equal(harness_wait(&h, waits)->error, JOB_ERROR_MEMORY_LIMIT);
    struct harness_job *j = harness_get(&h, 502, "/");
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_string_equal((char *)j->body, "n 0");
    harness_close(&h, waits);
    harness_close(&h, eats);
}

/* They work once for each function that is hot, whichever request comes then: Turbofan takes some
 * 160 ms for this one. */
static void no_request_pays_for_the_optimizing_compilers(void **state)
{
    static char source[32 << 10];
    size_t n = 0;
    for (int i = 0; i < 8; i++)
        n += (size_t)snprintf(source + n, sizeof(source) - n,
                              "function g%d(o, x) { return { v: o.v + x, k%d: x }; }\n", i, i);
    n += (size_t)snprintf(source + n, sizeof(source) - n,
                          "const a = new Int32Array(64);\nfunction f() { let o = { v: 0 };\n");
    for (int i = 0; i < 400; i++)
        n +=
            (size_t)snprintf(source + n, sizeof(source) - n, "o = g%d(o, a[%d]);\n", i % 8, i % 64);
    n += (size_t)snprintf(source + n, sizeof(source) - n,
                          "return o.v; }\nexport default { fetch() { let v = 0;"
                          " for (let i = 0; i < 100; i++) v += f(); return new Response(v); } }");
    assert_true(n < sizeof(source));
    harness_script(&h, 503, source, "{\"cpu_ms\":80}");
    for (int i = 0; i < 300; i++)
        assert_int_equal(harness_get(&h, 503, "/")->error, JOB_ERROR_NONE);
}

/* Scripts that replace what the platform's own JavaScript uses: they may get any error, the process
 * lives. */
static void a_script_that_replaces_intrinsics_hurts_only_itself(void **state)
{
    static const char *const scripts[] = {
        "globalThis.String = () => ({}); export default { fetch() { return new Response(new "
        "URLSearchParams('a=b')); } }",
        "globalThis.String = () => ({}); export default { fetch() { new TextEncoder().encode('x'); "
        "console.log('x'); } }",
        "Array.prototype[Symbol.iterator] = function* () { yield [{}, 1]; yield 5; };"
        "export default { fetch() { return new Response('x', { headers: { a: 'b' } }); } }",
        "Promise.prototype.then = function (a, b) { a(1); a(2); b(3); b(4); return this; };"
        "export default { async fetch(r, e, ctx) { ctx.waitUntil(1); ctx.waitUntil(2); return new "
        "Response('x'); } }",
        "Object.defineProperty(Response.prototype, 'status', { get: () => -5 });"
        "export default { fetch() { return new Response('x'); } }",
        "RegExp.prototype.test = () => true; RegExp.prototype.exec = () => [];"
        "export default { fetch() { return new Response('x', { headers: { 'a\\n\\0b': "
        "'c\\r\\n\\0d' } }); } }",
        "Array.prototype.join = Array.prototype.map = Array.prototype.slice = () => Symbol();"
        "export default { fetch() { console.log('a', {}); throw new Error('x'); } }",
        "Map.prototype.get = Map.prototype.set = Map.prototype.delete = () => 1;"
        "export default { async fetch(r) { setTimeout(() => {}, 1); clearTimeout(1); return new "
        "Response(r.body); } }",
        "export default { fetch() { structuredClone({}, { transfer: { [Symbol.iterator]: function* "
        "() { yield 1; } } }); } }",
        "export default { get fetch() { return new Proxy(() => {}, { apply() { throw { get stack() "
        "{ throw 1; } }; } }); } }",
        "export default { async fetch() { return new Proxy(new Response('x'), {}); } }",
        "export default { async fetch() { return { __proto__: Response.prototype }; } }",
        "Error.prepareStackTrace = () => { for (;;); }; export default { fetch() { throw new "
        "Error('x'); } }",
    };
    for (uint32_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        harness_script(&h, 600 + i, scripts[i], "{\"wall_ms\":500}");
        for (int round = 0; round < 3; round++) {
            uint32_t job =
                harness_open(&h, 600 + i, "POST", "https://test.example/", NULL, round > 0);
            if (round > 0)
                harness_send(&h, job, "body", 4, true);
            harness_wait(&h, job);
            harness_close(&h, job);
        }
        good_still_answers();
    }
}

/* It lasts as long as the limit, for another request that gets no byte is ended by it; but never so
 * long without a byte. */
static void a_slow_upload_is_not_ended_by_the_wall_limit(void **state)
{
    harness_script(
        &h, 505,
        "export default { async fetch(r) { return new Response((await r.text()).length); } }",
        "{\"wall_ms\":3000}");
    harness_script(&h, 506,
                   "export default { async fetch() { await new Promise((d) => setTimeout(d, 200)); "
                   "return new Response(); } }",
                   NULL);
    uint32_t slow = harness_open(&h, 505, "POST", "https://test.example/", NULL, true);
    uint32_t silent = harness_open(&h, 505, "POST", "https://test.example/", NULL, true);
    while (!h.jobs[silent].is_done) {
        harness_send(&h, slow, "x", 1, false);
        harness_get(&h, 506, "/");
    }
    assert_int_equal(h.jobs[silent].error, JOB_ERROR_WALL_LIMIT);
    harness_send(&h, slow, "x", 1, true);
    assert_int_equal(harness_wait(&h, slow)->error, JOB_ERROR_NONE);
    harness_close(&h, slow);
    harness_close(&h, silent);
}

/* What a client's JSON is like decides what its parse costs, and no parse ends the process. */
static void a_body_of_json_is_parsed_or_refused_and_the_process_lives(void **state)
{
    static const struct {
        const char *what, *open, *close, *after, *limits;
        uint32_t times;
        enum job_error error;
        const char *answer;
    } bodies[] = {
        {"20 MB of levels", "[", "]", "", "{\"cpu_ms\":20000}", 10000000, 0, "RangeError"},
        {"20 MB of rows", "[", "{\"id\":1,\"name\":\"user1\",\"tags\":[\"a\",\"b\"]},", "0]",
         "{\"cpu_ms\":20000,\"heap_bytes\":402653184}", 500000, 0, "object 500001"},
        {"the same, and the CPU limit is reached in the parse", "[",
         "{\"id\":1,\"name\":\"user1\",\"tags\":[\"a\",\"b\"]},", "0]",
         "{\"cpu_ms\":150,\"heap_bytes\":402653184}", 500000, JOB_ERROR_CPU_LIMIT, ""},
    };
    for (uint32_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        size_t close = strlen(bodies[i].close);
        bool is_deep = !bodies[i].after[0];
        uint32_t opens = is_deep ? bodies[i].times : 1;
        char *text = malloc(opens + bodies[i].times * close + 3), *p = text;
        for (uint32_t n = 0; n < opens; n++)
            *p++ = bodies[i].open[0];
        for (uint32_t n = 0; n < bodies[i].times; n++, p += close)
            memcpy(p, bodies[i].close, close);
        p = stpcpy(p, bodies[i].after);
        harness_script(&h, 700 + i,
                       "export default { async fetch(r) { try { const v = await r.json();"
                       " return new Response(`${typeof v} ${v.length}`); }"
                       " catch (e) { return new Response(e.name); } } }",
                       bodies[i].limits);
        uint32_t job = harness_open(&h, 700 + i, "POST", "https://test.example/", NULL, true);
        harness_send(&h, job, text, (size_t)(p - text), true);
        struct harness_job *j = harness_wait(&h, job);
        const char *answer = j->body ? (const char *)j->body : "";
        if (j->error != bodies[i].error || strcmp(answer, bodies[i].answer) != 0)
            fail_msg("%s: error %d, %s", bodies[i].what, j->error, answer);
        harness_close(&h, job);
        free(text);
        good_still_answers();
    }
}

/* OpenSSL knows no V8: what takes long there looks for the strike itself, or is excused. */
static void a_strike_in_a_primitive_is_obeyed_and_the_process_lives(void **state)
{
    static const char *const does[] = {"pbkdf2", "rsa", "hash", "hmac", "gcm", "sign"};
    harness_script(
        &h, 720,
        "const { subtle } = crypto; let n = 0; const much = new Uint8Array(1e8);"
        "const does = {"
        " async pbkdf2() { const key = await subtle.importKey('raw', much.slice(0, 8), 'PBKDF2', "
        "false, ['deriveBits']); return subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: "
        "much.slice(0, 8), iterations: 4e9 }, key, 256); },"
        " rsa: () => subtle.generateKey({ name: 'RSA-PSS', modulusLength: 8192, publicExponent: "
        "new "
        "Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign']),"
        " hash: () => subtle.digest('SHA3-512', much),"
        " async hmac() { const key = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-512' }, "
        "true, ['sign']); return subtle.sign('HMAC', key, much); },"
        " async gcm() { const key = await subtle.generateKey({ name: 'AES-CBC', length: 256 }, "
        "true, "
        "['encrypt']); return subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, key, "
        "much)"
        "; },"
        " async sign() { const { privateKey } = await subtle.generateKey('Ed25519', true, "
        "['sign']);"
        " return subtle.sign('Ed25519', privateKey, much); },"
        "};"
        "export default { async fetch(r) { const what = new URL(r.url).pathname.slice(1);"
        " n++; for (; what;) await does[what](); return new Response('n ' + n); } }",
        "{\"cpu_ms\":80,\"heap_bytes\":402653184}");
    for (size_t i = 0; i < sizeof(does) / sizeof(*does); i++) {
        char url[64];
        snprintf(url, sizeof(url), "/%s", does[i]);
        struct harness_job *j = harness_get(&h, 720, url);
        if (j->error != JOB_ERROR_CPU_LIMIT)
            fail_msg("%s: error %d", does[i], j->error);
    }
    /* The same isolate: its state is there. */
    struct harness_job *j = harness_get(&h, 720, "/");
    assert_string_equal((char *)j->body, "n 7");
    good_still_answers();
}

/* Near the heap limit most of the time goes to collections of all that lives, here some 0.5 s each:
 * so a strike comes in the middle of one, and is obeyed behind it. */
static void a_strike_in_a_collection_is_obeyed_and_the_process_lives(void **state)
{
    harness_script(
        &h, 710,
        "const all = []; export default { fetch(r) {"
        " if (r.url.endsWith('/fill')) { for (let i = 0; i < 3e5; i++)"
        " all.push({ x: i, y: [i], z: { i } }); return new Response('more'); }"
        " for (let i = 0;; i = (i + 1) % all.length) all[i] = { x: i, y: [i], z: { i } };"
        " } }",
        "{\"cpu_ms\":2000,\"heap_bytes\":402653184}");
    for (int i = 0; i < 6; i++)
        assert_int_equal(harness_get(&h, 710, "/fill")->error, JOB_ERROR_NONE);
    for (int i = 0; i < 4; i++) {
        enum job_error error = harness_get(&h, 710, "/")->error;
        assert_true(error == JOB_ERROR_CPU_LIMIT || error == JOB_ERROR_MEMORY_LIMIT);
    }
    good_still_answers();
}

/* The heap is made before its script is known; what a script may have is its own limit. */
static void heap_and_buffers_grow_to_the_scripts_own_limit(void **state)
{
    static const char small[] = "{\"heap_bytes\":33554432,\"cpu_ms\":20000}",
                      usual[] = "{\"cpu_ms\":20000}",
                      large[] = "{\"heap_bytes\":402653184,\"cpu_ms\":20000}";
    static const char arrays[] = "Array.from({ length: 8 }, () => new Array(16384).fill(i))",
                      buffers[] = "new Uint8Array(1 << 20)";
    static const struct {
        const char *what, *limits, *one_mb;
        uint32_t mb;
        enum job_error error;
    } cases[] = {
        {"the usual limit, most of it", usual, arrays, 90, JOB_ERROR_NONE},
        {"the usual limit, and more", usual, arrays, 140, JOB_ERROR_MEMORY_LIMIT},
        {"a small one, most of it", small, arrays, 20, JOB_ERROR_NONE},
        {"a small one, and more", small, arrays, 40, JOB_ERROR_MEMORY_LIMIT},
        {"a large one, most of it", large, arrays, 330, JOB_ERROR_NONE},
        {"a large one, and more", large, arrays, 420, JOB_ERROR_MEMORY_LIMIT},
        {"buffers, the usual limit, most of it", usual, buffers, 120, JOB_ERROR_NONE},
        {"buffers, the usual limit, and more", usual, buffers, 130, JOB_ERROR_MEMORY_LIMIT},
        {"buffers, a small limit, most of it", small, buffers, 30, JOB_ERROR_NONE},
        {"buffers, a small limit, and more", small, buffers, 40, JOB_ERROR_MEMORY_LIMIT},
        {"buffers, a large limit, most of it", large, buffers, 370, JOB_ERROR_NONE},
        {"buffers, a large limit, and more", large, buffers, 390, JOB_ERROR_MEMORY_LIMIT},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char source[512];
        snprintf(source, sizeof(source),
                 "const all = []; export default { fetch() { for (let i = 0; i < %u; i++)"
                 " all.push(%s); return new Response(String(all.length)); } }",
                 cases[i].mb, cases[i].one_mb);
        harness_script(&h, 720 + i, source, cases[i].limits);
        struct harness_job *j = harness_get(&h, 720 + i, "/");
        if (j->error != cases[i].error)
            fail_msg("%s: error %d", cases[i].what, j->error);
        harness_retire(&h, 720 + i);
    }
}

/* Its callbacks run when V8 likes, for nobody's sake, and are the script's all the same. */
static void finalizers_that_loop_are_stopped(void **state)
{
    harness_script(&h, BAD,
                   "const all = new FinalizationRegistry(() => { for (;;); });"
                   "export default { fetch() {"
                   "  for (let i = 0; i < 1000; i++) all.register(new Array(1000).fill(i), i);"
                   "  return new Response('told'); } }",
                   "{\"cpu_ms\":20000}");
    for (int i = 0; i < 100; i++) {
        harness_get(&h, BAD, "/");
        good_still_answers();
    }
}

static void log_lines_are_bounded(void **state)
{
    harness_script(
        &h, 504,
        "export default { fetch() { for (let i = 0; i < 3000; i++) console.log('line ' + i);"
        " console.log('x'.repeat(10000)); return new Response('ok'); } }",
        "{\"cpu_ms\":5000}");
    assert_int_equal(harness_get(&h, 504, "/")->error, JOB_ERROR_NONE);
    harness_wait_log(&h, "log", "line 10");
    while (!harness_logged(&h, "warn", "log lines were dropped"))
        harness_get(&h, 504, "/");
    for (size_t i = 0; i < h.line_count; i++)
        assert_true(strlen(h.lines[i].text) <= 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_script_gets_its_own_error),
        cmocka_unit_test(an_error_names_the_request),
        cmocka_unit_test(a_slow_upload_is_not_ended_by_the_wall_limit),
        cmocka_unit_test(the_others_of_a_script_survive_one_that_loops),
        cmocka_unit_test(a_script_over_its_memory_is_condemned_and_another_cell_starts),
        cmocka_unit_test(no_request_pays_for_the_optimizing_compilers),
        cmocka_unit_test(a_script_that_replaces_intrinsics_hurts_only_itself),
        cmocka_unit_test(a_body_of_json_is_parsed_or_refused_and_the_process_lives),
        cmocka_unit_test(a_strike_in_a_primitive_is_obeyed_and_the_process_lives),
        cmocka_unit_test(a_strike_in_a_collection_is_obeyed_and_the_process_lives),
        cmocka_unit_test(heap_and_buffers_grow_to_the_scripts_own_limit),
        cmocka_unit_test(finalizers_that_loop_are_stopped),
        cmocka_unit_test(log_lines_are_bounded),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
