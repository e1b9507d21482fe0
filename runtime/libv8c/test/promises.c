/* Promises, microtasks, rejections. */
#include "world.h"

static int unhandled, handled;

static void on_rejection(struct v8c_isolate *isolate, enum v8c_rejection what,
                         struct v8c_value *promise, struct v8c_value *reason)
{
    struct v8c_error error;
    if (what == V8C_REJECTED_HANDLED) {
        handled++;
        return;
    }
    unhandled++;
    assert_int_equal(v8c_promise_state(promise), V8C_REJECTED);
    v8c_error_describe(isolate, reason, &error);
    assert_string_equal(error.text, "Uncaught Error: lost");
}

static void promises_are_settled_from_c(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *good = v8c_promise_new(is, &w.error), *bad = v8c_promise_new(is, &w.error);
    world_define(&w, "good", good);
    world_define(&w, "bad", bad);
    world_run(&w, "let seen = []; good.then(v => seen.push(v)); bad.catch(e => seen.push(e))");
    assert_int_equal(v8c_promise_state(good), V8C_PENDING);
    assert_true(v8c_promise_resolve(is, good, v8c_int(is, 1)));
    assert_true(v8c_promise_reject(is, bad, v8c_int(is, 2)));
    v8c_promise_resolve(is, good, v8c_int(is, 9)); /* too late */
    assert_int_equal(v8c_promise_state(good), V8C_FULFILLED);
    assert_int_equal(v8c_int_value(v8c_promise_result(bad)), 2);
    assert_true(world_is_true(&w, "seen.length === 0")); /* nothing runs before the checkpoint */
    assert_true(v8c_microtasks_run(is, &w.error));
    assert_true(world_is_true(&w, "seen.join() === '1,2'"));
    world_close(&w);
}

static void then_calls_natives(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *fn = v8c_function_new(is, NATIVE_IS_NEW);
    assert_non_null(v8c_promise_then(is, world_run(&w, "Promise.resolve(1)"), fn, NULL, &w.error));
    assert_int_equal(w.called, 0);
    assert_true(v8c_microtasks_run(is, NULL));
    assert_int_equal(w.called, 1);
    w.called = 0;
    struct v8c_value *other = world_run(&w, "() => { throw 'not this one' }");
    v8c_promise_then(is, world_run(&w, "Promise.reject(1)"), other, fn, &w.error);
    v8c_microtask_queue(is, world_run(&w, "globalThis.n = 0; () => { n++ }"));
    assert_true(v8c_microtasks_run(is, &w.error));
    assert_int_equal(w.called, 1);
    assert_true(world_is_true(&w, "n === 1"));
    world_close(&w);
}

static void rejections_are_reported(void **state)
{
    struct world w;
    unhandled = handled = 0;
    world_open(&w, (struct v8c_isolate_params){.on_rejection = on_rejection});
    world_run(&w, "globalThis.p = Promise.reject(new Error('lost'))");
    assert_int_equal(unhandled, 1);
    world_run(&w, "p.catch(() => {})");
    assert_int_equal(handled, 1);
    world_run(&w, "Promise.resolve().then(() => { throw new Error('lost') }); 0");
    v8c_microtasks_run(w.isolate, &w.error);
    assert_int_equal(unhandled, 2);
    struct v8c_value *quiet = v8c_promise_new(w.isolate, &w.error);
    v8c_promise_mark_handled(quiet);
    v8c_promise_reject(w.isolate, quiet, v8c_null(w.isolate));
    assert_int_equal(unhandled, 2);
    world_close(&w);
}

static void a_throwing_microtask_does_not_stop_the_rest(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    v8c_microtask_queue(w.isolate, world_run(&w, "globalThis.n = 0; () => { throw 1 }"));
    v8c_microtask_queue(w.isolate, world_run(&w, "() => { n = 2 }"));
    assert_true(v8c_microtasks_run(w.isolate, &w.error));
    assert_true(world_is_true(&w, "n === 2"));
    world_close(&w);
}

static void a_value_follows_continuations(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    assert_true(v8c_is(v8c_continuation(is), V8C_UNDEFINED));
    world_define(&w, "follows", v8c_function_new(is, NATIVE_FOLLOWS));
    world_run(&w, "let release, seen = []; const gate = new Promise(r => release = r)");
    v8c_continuation_set(is, v8c_int(is, 1));
    world_run(
        &w,
        "(async () => { await gate; seen.push(follows()); await null; seen.push(follows()); })();"
        "gate.then(() => seen.push(follows()))");
    assert_true(v8c_microtasks_run(is, &w.error));
    v8c_continuation_set(is, v8c_int(is, 2));
    world_run(&w, "release(); gate.then(() => seen.push(follows()))");
    v8c_microtask_queue(is, world_run(&w, "() => seen.push(follows())"));
    assert_true(v8c_microtasks_run(is, &w.error));
    assert_true(world_is_true(&w, "seen.join() === '1,1,2,2,1'"));
    world_close(&w);
}

int promises_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promises_are_settled_from_c),
        cmocka_unit_test(then_calls_natives),
        cmocka_unit_test(rejections_are_reported),
        cmocka_unit_test(a_throwing_microtask_does_not_stop_the_rest),
        cmocka_unit_test(a_value_follows_continuations),
    };
    return cmocka_run_group_tests_name("promises", tests, NULL, NULL);
}
