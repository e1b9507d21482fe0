/* Termination, interrupts, heap limit, stack limit, eval, the clock. */
#include "world.h"

#include <pthread.h>
#include <semaphore.h>

static sem_t running;

static void tell_running(struct v8c_isolate *isolate, void *arg)
{
    sem_post(&running);
}

/* Waits until the isolate runs JavaScript (an interrupt is served), then stops it. */
static void *terminator(void *arg)
{
    struct v8c_isolate *isolate = arg;
    v8c_isolate_interrupt(isolate, tell_running, NULL);
    sem_wait(&running);
    v8c_isolate_terminate(isolate);
    return NULL;
}

static void endless_code_is_terminated_from_another_thread(void **state)
{
    static const char *const rows[] = {
        "while (true) {}",
        "/(x+x+)+y/.test('x'.repeat(60))",
        "try { while (true) {} } finally { while (true) {} }",
        "for (;;) { try { (() => { while (true) {} })() } catch {} }",
        "swallow(() => { while (true) {} }); while (true) {}",
        "callBack(() => { while (true) {} }); while (true) {}",
        "const forever = n => forever2(n + 1), forever2 = n => n < 100 ? forever(n) : 0;"
        "for (;;) forever(0)",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        pthread_t thread;
        world_open(&w, (struct v8c_isolate_params){0});
        world_define(&w, "swallow", v8c_function_new(w.isolate, NATIVE_SWALLOW));
        world_define(&w, "callBack", v8c_function_new(w.isolate, NATIVE_CALL_BACK));
        sem_init(&running, 0, 0);
        pthread_create(&thread, NULL, terminator, w.isolate);
        world_throws(&w, rows[i]);
        pthread_join(thread, NULL);
        assert_int_equal(w.error.kind, V8C_TERMINATED);
        assert_null(w.error.exception);
        v8c_isolate_resume(w.isolate);
        assert_true(world_is_true(&w, "1 + 1 === 2")); /* it lives on */
        world_close(&w);
    }
}

static void endless_microtasks_are_terminated(void **state)
{
    struct world w;
    pthread_t thread;
    world_open(&w, (struct v8c_isolate_params){0});
    world_run(&w, "const again = () => Promise.resolve().then(again); again(); 0");
    sem_init(&running, 0, 0);
    pthread_create(&thread, NULL, terminator, w.isolate);
    assert_false(v8c_microtasks_run(w.isolate, &w.error));
    pthread_join(thread, NULL);
    assert_int_equal(w.error.kind, V8C_TERMINATED);
    v8c_isolate_resume(w.isolate);
    assert_true(v8c_microtasks_run(w.isolate, &w.error)); /* the rest was dropped */
    assert_true(world_is_true(&w, "true"));
    world_close(&w);
}

static void termination_may_come_first_or_be_withdrawn(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    v8c_isolate_terminate(w.isolate);
    world_throws(&w, "for (let i = 0; i < 10; i++);");
    assert_int_equal(w.error.kind, V8C_TERMINATED);
    v8c_isolate_terminate(w.isolate);
    v8c_isolate_resume(w.isolate);
    assert_true(world_is_true(&w, "true"));
    world_define(&w, "terminate", v8c_function_new(w.isolate, NATIVE_TERMINATE));
    world_throws(&w, "try { terminate(); for (;;); } catch { }");
    assert_int_equal(w.error.kind, V8C_TERMINATED);
    world_close(&w);
}

static size_t on_heap_limit(struct v8c_isolate *isolate, size_t current, size_t initial)
{
    struct world *w = v8c_isolate_data(isolate);
    w->called++;
    v8c_isolate_terminate(isolate);
    return current + ((size_t)2 << 30); /* one object may take 1 GiB */
}

static void a_heap_that_grows_without_end_condemns_only_its_isolate(void **state)
{
    static const char *const rows[] = {
        "const keep = []; for (;;) keep.push({a: [1, 2, 3], s: 'x' + keep.length})",
        "let s = 'x'; const keep = []; for (;;) keep.push((s + "
        "keep.length).repeat(1000).split(''))",
        "const m = new Map(); for (let i = 0;; i++) m.set(i, [i])",
        "const keep = []; for (;;) keep.push(new Array(100000).fill(1.5))",
        "let o = {}; for (let i = 0;; i++) o['k' + i] = i",
        "new Array(2 ** 24).fill(0); for (;;);", /* a single object over the limit */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w, good;
        world_open(&good, (struct v8c_isolate_params){0});
        v8c_scope_exit(&good.scope);
        world_open(&w, (struct v8c_isolate_params){.heap_bytes_max = 32 << 20,
                                                   .on_heap_limit = on_heap_limit});
        struct v8c_heap_stats stats;
        v8c_isolate_heap_stats(w.isolate, &stats);
        assert_in_range(stats.limit_bytes, 32 << 20, 128 << 20);
        world_throws(&w, rows[i]);
        assert_int_equal(w.error.kind, V8C_TERMINATED);
        assert_true(w.called >= 1);
        world_close(&w);
        v8c_scope_enter(&good.scope, good.isolate, good.context);
        assert_true(world_is_true(&good, "[1, 2].length === 2"));
        world_close(&good);
    }
}

static void *recurse(void *arg)
{
    struct world *w = arg;
    v8c_scope_enter(&w->scope, w->isolate, w->context);
    w->called = world_is_true(w, "{ let depth = 0; const f = () => { depth++; f() };"
                                 "try { f(); false } catch (e) {"
                                 "  e instanceof RangeError && depth > 500 } }");
    v8c_scope_exit(&w->scope);
    return NULL;
}

static void deep_recursion_is_a_range_error_on_any_thread(void **state)
{
    static const size_t stacks[] = {512 << 10, 8 << 20};
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    v8c_scope_exit(&w.scope);
    for (size_t i = 0; i < 2; i++) { /* the isolate moves from thread to thread */
        pthread_t thread;
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, stacks[i]);
        w.called = 0;
        pthread_create(&thread, &attr, recurse, &w);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attr);
        assert_true(w.called);
    }
    recurse(&w);
    assert_true(w.called);
    v8c_isolate_free(w.isolate);
}

static void eval_is_off_unless_allowed(void **state)
{
    static const char *const rows[] = {"eval('1')", "new Function('1')", "(0, eval)('1')",
                                       "(async () => {}).constructor('1')"};
    struct world w;
    struct v8c_blob blob = world_snapshot(NULL, "1");
    for (int from_blob = 0; from_blob < 2; from_blob++) {
        world_open(&w, (struct v8c_isolate_params){.blob = from_blob ? &blob : NULL});
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            world_throws(&w, rows[i]);
            assert_non_null(strstr(w.error.text, "EvalError"));
        }
        world_throws(&w, "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))");
        assert_non_null(strstr(w.error.text, "CompileError"));
        world_close(&w);
        world_open(&w, (struct v8c_isolate_params){.blob = from_blob ? &blob : NULL,
                                                   .may_eval = true,
                                                   .may_compile_wasm = true});
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            world_run(&w, rows[i]);
        world_run(&w, "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))");
        world_close(&w);
    }
    v8c_blob_free(&blob);
}

static void the_host_compiles_wasm_and_sees_its_memory(void **state)
{
    /* (module (memory (export "m") 16 64)) */
    static const uint8_t bytes[] = {0, 97, 115, 109, 1, 0, 0, 0,   5, 4, 1,
                                    1, 16, 64,  7,   5, 1, 1, 109, 2, 0};
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    size_t before = v8c_isolate_foreign_bytes(w.isolate);
    struct v8c_value *module = v8c_wasm_compile(w.isolate, bytes, sizeof bytes, &w.error);
    assert_non_null(module);
    world_define(&w, "module", module);
    world_assert_text(&w, world_run(&w, "String(module)"), "[object WebAssembly.Module]");
    world_run(&w, "globalThis.i = new WebAssembly.Instance(module)");
    assert_in_range(v8c_isolate_foreign_bytes(w.isolate) - before, 1 << 20, 2 << 20);
    world_throws(&w, "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))");
    assert_null(v8c_wasm_compile(w.isolate, bytes, 7, &w.error));
    assert_non_null(strstr(w.error.text, "CompileError"));
    world_close(&w);
}

static void blocking_is_off_unless_allowed(void **state)
{
    static const char wait[] = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)";
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    world_throws(&w, wait);
    world_close(&w);
    world_open(&w, (struct v8c_isolate_params){.may_block = true});
    world_assert_text(&w, world_run(&w, wait), "timed-out");
    world_close(&w);
}

static void the_clock_is_ours_to_freeze(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    world_clock_ms = 1700000000123.0;
    assert_true(world_is_true(&w, "Date.now() === 1700000000123 && +new Date() === 1700000000123"));
    /* also when the code is compiled and time passes */
    assert_true(world_is_true(&w, "let same = true; const f = () => Date.now();"
                                  "for (let i = 0; i < 300000; i++)"
                                  "  if (f() !== 1700000000123) same = false;"
                                  "same"));
    world_clock_ms += 5;
    assert_true(world_is_true(&w, "Date.now() === 1700000000128"));
    world_clock_ms = 0;
    assert_true(world_is_true(&w, "Date.now() > 1700000000128"));
    world_close(&w);
}

int limits_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_code_is_terminated_from_another_thread),
        cmocka_unit_test(endless_microtasks_are_terminated),
        cmocka_unit_test(termination_may_come_first_or_be_withdrawn),
        cmocka_unit_test(a_heap_that_grows_without_end_condemns_only_its_isolate),
        cmocka_unit_test(deep_recursion_is_a_range_error_on_any_thread),
        cmocka_unit_test(eval_is_off_unless_allowed),
        cmocka_unit_test(the_host_compiles_wasm_and_sees_its_memory),
        cmocka_unit_test(blocking_is_off_unless_allowed),
        cmocka_unit_test(the_clock_is_ours_to_freeze),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
