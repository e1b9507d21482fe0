/* test_worker_chaos [SEED [STEPS [small]]]: random requests, bodies, calls between scripts,
 * cancellations, larger regions, replacements and ends of cells, all at once. Whatever happens,
 * each job ends once, every call too, all chunks come home, and the cells end with 0.
 * A failure prints the seed that repeats it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static struct harness h;
static uint64_t seed = 20261120;
static unsigned steps = 6000;
static bool is_small; /* the first region of each cell */

static uint32_t roll(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 20) % n);
}

static const char *const sources[] = {
    "export default { fetch() { return new Response('hello'); } }",
    "export default { fetch(r) { return new Response(r.body); } }",
    "export default { async fetch(r) { return new Response(await r.bytes()); } }",
    "export default { fetch(r) { return new Response(r.body?.pipeThrough(new TransformStream())); "
    "} }",
    "export default { async fetch(r, e, ctx) { ctx.waitUntil(new Promise((d) => setTimeout(d, "
    "20)));"
    " await new Promise((d) => setTimeout(d, 5)); return new Response(new Uint8Array(150000)); } }",
    "export default { fetch() { return new Response(new ReadableStream({ n: 5, pull(c) {"
    " if (!this.n--) return c.close(); c.enqueue(new Uint8Array(40000)); } })); } }",
    "export default { async fetch() { await 1; throw new Error('x'); } }",
    "export default { fetch() { return new Promise(() => {}); } }",
    "export default { fetch() { for (;;); } }",
    "throw new Error('top');",
    "export default { async fetch(r) { const s = r.body?.getReader(); await s?.read(); await "
    "s?.cancel();"
    " setInterval(() => {}, 1); return new Response('c'.repeat(100000)); } }",
    "const all = []; export default { fetch() { for (;;) all.push(new Array(100).fill(1)); } }",
    /* from here on callers: A is any script, LEAF one that calls nobody, TEST the test */
    "export default { fetch: (r, env) => env.A.fetch(r) }",
    "export default { async fetch(r, env) { const a = await env.A.fetch('https://o/', { method: "
    "'POST',"
    " body: r.body?.pipeThrough(new TransformStream()) ?? 'x'.repeat(100000) }); return new "
    "Response(await a.bytes()); } }",
    "export default { async fetch(r, env) { const signal = AbortSignal.timeout(3);"
    " try { return await env.A.fetch('https://o/', { signal }); } catch { return new "
    "Response('aborted'); } } }",
    "export default { async fetch(r, env, ctx) { "
    "ctx.waitUntil(env.LEAF.fetch('https://o/').then((a) => a.body?.cancel()));"
    " await Promise.allSettled(Array.from({ length: 5 }, () => env.LEAF.fetch('https://o/', { "
    "method: 'PUT',"
    " body: new Uint8Array(30000) }))); ctx.waitUntil(env.TEST.fetch('https://o/')); return new "
    "Response('all'); } }",
    "export default { async fetch(r, env) { const a = await env.TEST.fetch(r); return new "
    "Response(a.body, a); } }",
    "export default { async fetch(r, env) { const a = await env.TEST.fetch(r); const reader = "
    "a.body?.getReader();"
    " await reader?.read(); if (r.url.length % 2) await reader?.cancel(); return new "
    "Response('some'); } }",
};
enum {
    KINDS = sizeof(sources) / sizeof(*sources),
    LEAVES = 12,
    OPEN_MAX = 200,
    ANSWERS_MAX = 400,
};

static uint32_t open_jobs[OPEN_MAX];
static bool sends[OPEN_MAX];
static uint32_t open_count;

static void forget_job(uint32_t at)
{
    open_jobs[at] = open_jobs[--open_count];
    sends[at] = sends[open_count];
}

/* The dear ones (endless loops and memory) come rarely. */
static uint32_t any_kind(void)
{
    uint32_t kind = roll(KINDS);
    return (kind == 8 || kind == 11) && roll(20) ? 0 : kind;
}

static void give_script(uint32_t kind)
{
    static const char limits[] = "{\"cpu_ms\":20,\"heap_bytes\":33554432,\"wall_ms\":5000}";
    const struct harness_binding bindings[] = {
        {"A", 1 + any_kind()}, {"LEAF", 1 + roll(8)}, {"TEST", HARNESS_TEST}, {0}};
    if (kind < LEAVES)
        harness_script(&h, 1 + kind, sources[kind], limits);
    else
        harness_caller(&h, 1 + kind, sources[kind], limits, bindings);
}

/* Calls that the test answers. */
static struct {
    uint32_t sub, generation;
    bool has_replied;
} answers[ANSWERS_MAX];
static uint32_t answer_count;

static void find_calls(void)
{
    for (uint32_t i = 0; i < JOB_SUBS_MAX && h.open_subs && answer_count < ANSWERS_MAX; i++) {
        struct harness_sub *s = &h.subs[i];
        if (!s->is_open || s->callee || s->is_taken)
            continue;
        s->is_taken = true;
        answers[answer_count].sub = i;
        answers[answer_count].generation = s->generation;
        answers[answer_count++].has_replied = false;
    }
}

static void answer_some(void)
{
    static const uint8_t bytes[30000];
    uint32_t at = roll(answer_count), sub = answers[at].sub;
    const struct harness_sub *s = &h.subs[sub];
    bool is_ours = s->is_open && s->generation == answers[at].generation;
    if (is_ours && roll(8) == 0) {
        harness_reply_error(&h, sub, 1 + roll(JOB_ERROR_KINDS - 1));
    } else if (is_ours && !answers[at].has_replied) {
        answers[at].has_replied = true;
        harness_reply(&h, sub, 200, "a: b\n", roll(4));
    } else if (is_ours && s->may_send > sizeof(bytes)) {
        harness_reply_data(&h, sub, bytes, roll(sizeof(bytes)), roll(3) == 0);
    } else if (is_ours && roll(2)) {
        harness_reply_data(&h, sub, NULL, 0, true);
    }
    if (!s->is_open || s->generation != answers[at].generation)
        answers[at] = answers[--answer_count];
}

static bool may_grow(uint32_t handle)
{
    return harness_cell(&h, handle)->link_count == 1;
}

static void step(void)
{
    static uint8_t bytes[40000];
    uint32_t at = open_count ? roll(open_count) : 0, kind;
    find_calls();
    if (answer_count && roll(3) == 0)
        answer_some();
    switch (roll(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (open_count == OPEN_MAX)
            break;
        sends[open_count] = roll(2);
        open_jobs[open_count] = harness_open(&h, 1 + any_kind(), sends[open_count] ? "POST" : "GET",
                                             "https://test.example/", "a: b\n", sends[open_count]);
        open_count++;
        break;
    case 4:
    case 5:
    case 6:
        if (open_count && sends[at] && h.jobs[open_jobs[at]].may_send > sizeof(bytes)) {
            sends[at] = roll(3);
            harness_send(&h, open_jobs[at], bytes, roll(sizeof(bytes)), !sends[at]);
        }
        break;
    case 7:
        if (open_count && !h.jobs[open_jobs[at]].is_done && roll(3) == 0) {
            harness_cancel(&h, open_jobs[at]);
            forget_job(at);
        }
        break;
    case 8:
        if (roll(10) == 0)
            harness_retire(&h, 1 + any_kind());
        else if (roll(40) == 0 && may_grow(kind = 1 + any_kind()))
            harness_enlarge(&h, kind);
        else if (roll(20) == 0)
            give_script(roll(KINDS));
        break;
    default:
        harness_poll(&h, (int)roll(2));
    }
    for (uint32_t i = 0; i < open_count; i++) {
        if (!h.jobs[open_jobs[i]].is_done)
            continue;
        harness_close(&h, open_jobs[i]);
        forget_job(i--);
    }
    for (; h.line_count > HARNESS_LINES_MAX / 2;)
        free(h.lines[--h.line_count].text);
}

static void every_job_ends_and_every_chunk_comes_home(void **state)
{
    printf("seed %lu, steps %u%s\n", (unsigned long)seed, steps, is_small ? ", small" : "");
    harness_start(&h);
    if (is_small)
        h.geometry = &job_geometry_small;
    for (uint32_t kind = 0; kind < KINDS; kind++)
        give_script(kind);
    for (unsigned i = 0; i < steps; i++)
        step();
    for (uint32_t i = 0; i < open_count; i++) {
        if (sends[i] && !h.jobs[open_jobs[i]].is_done)
            harness_send(&h, open_jobs[i], "end", 3, true);
        while (!h.jobs[open_jobs[i]].is_done) {
            find_calls();
            if (answer_count)
                answer_some();
            harness_poll(&h, 1);
        }
    }
    while (h.lingering_count || h.open_subs) {
        find_calls();
        if (answer_count)
            answer_some();
        harness_poll(&h, 1);
    }
    harness_wait_chunks(&h);
    struct harness_job *j = harness_get(&h, 1, "/");
    assert_string_equal((char *)j->body, "hello");
    printf("%lu jobs, %lu calls, %lu of them cancelled, %lu messages, %u spent cells\n",
           (unsigned long)h.starts, (unsigned long)h.sub_starts, (unsigned long)h.sub_cancels,
           (unsigned long)h.messages, h.spent);
    assert_true(h.sub_starts > steps / 20 && h.sub_cancels > 0);
    assert_true(h.starts > steps / 10);
    harness_stop(&h);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        steps = (unsigned)strtoul(argv[2], NULL, 10);
    is_small = argc > 3;
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_job_ends_and_every_chunk_comes_home)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
