/* Natives, calls, exceptions, wrapped pointers. */
#include "world.h"

static void natives_get_arguments_and_return(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    assert_int_equal(v8c_native_index(is, "add"), NATIVE_ADD);
    assert_int_equal(v8c_native_index(is, "nobody"), -1);
    world_define(&w, "add", v8c_function_new(is, NATIVE_ADD));
    assert_true(world_is_true(&w, "add(1, 2) === 3 && add.name === 'add' && isNaN(add())"));
    world_define(&w, "data", v8c_function_new_with(is, NATIVE_DATA, world_run(&w, "'secret'")));
    assert_true(world_is_true(&w, "data() === 'secret'"));
    world_define(&w, "none", v8c_function_new(is, NATIVE_DATA));
    assert_true(world_is_true(&w, "none() === undefined"));
    world_define(&w, "isNew", v8c_function_new(is, NATIVE_IS_NEW));
    world_run(&w, "isNew()");
    assert_int_equal(w.called, 1);
    world_run(&w, "new isNew()");
    assert_int_equal(w.called, 2);
    world_close(&w);
}

static void c_calls_javascript(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *argv[] = {v8c_int(is, 20), v8c_int(is, 22)};
    struct v8c_value *fn = world_run(&w, "(function (a, b) { return this.x + a + b })");
    struct v8c_value *self = world_run(&w, "({x: 100})");
    assert_int_equal(v8c_int_value(v8c_function_call(is, fn, self, 2, argv, &w.error)), 142);
    fn = world_run(&w, "(function () { 'use strict'; return this === undefined })");
    assert_true(v8c_bool_value(is, v8c_function_call(is, fn, NULL, 0, NULL, &w.error)));
    fn = world_run(&w, "(class Point { constructor(x) { this.x = x } })");
    struct v8c_value *point = v8c_function_construct(is, fn, 1, argv, &w.error);
    assert_int_equal(v8c_int_value(v8c_get(is, point, v8c_key(is, "x"), &w.error)), 20);
    world_close(&w);
}

static void a_native_learns_who_called_whom(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    world_define(&w, "where", v8c_function_new(w.isolate, NATIVE_WHERE));
    assert_true(world_is_true(&w, "where('library:') === 'test.js:1'"));
    assert_true(world_is_true(&w, "\n\nwhere('x') === 'test.js:3'"));
    assert_true(world_is_true(&w, "where('test.') === 'nowhere'"));
    assert_non_null(
        v8c_run(w.isolate, "library:a", "globalThis.ask = () =>\n\n where('library:')", &w.error));
    assert_true(world_is_true(&w, "\nask() === 'test.js:2'"));
    world_close(&w);
}

static void an_exception_says_what_where_and_how(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    world_throws(&w, "function inner() {\n  null.x\n}\ninner()");
    assert_int_equal(w.error.kind, V8C_EXCEPTION);
    assert_string_equal(w.error.name, "test.js");
    assert_int_equal(w.error.line, 2);
    assert_int_equal(w.error.column, 8);
    assert_non_null(strstr(w.error.text, "Uncaught TypeError: Cannot read properties of null"));
    assert_non_null(strstr(w.error.stack, "at inner (test.js:2:8)"));
    assert_true(v8c_is(w.error.exception, V8C_ERROR));
    world_throws(&w, "let let = 1");
    assert_non_null(strstr(w.error.text, "SyntaxError"));
    assert_int_equal(w.error.line, 1);
    world_throws(&w, "throw 'x'.repeat(100000)");
    assert_int_equal(strlen(w.error.text), V8C_ERROR_TEXT_MAX - 1);
    assert_string_equal(w.error.stack, "");
    world_throws(&w, "throw {get stack() { throw 1 }, get message() { throw 2 }}");
    assert_int_equal(w.error.kind, V8C_EXCEPTION);
    v8c_error_describe(w.isolate, world_run(&w, "new Error('reason')"), &w.error);
    assert_string_equal(w.error.text, "Uncaught Error: reason");
    assert_non_null(strstr(w.error.stack, "test.js:1"));
    world_close(&w);
}

static void exceptions_cross_natives(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    world_define(&w, "throwFromC", v8c_function_new(is, NATIVE_THROW));
    world_define(&w, "callBack", v8c_function_new(is, NATIVE_CALL_BACK));
    world_define(&w, "swallow", v8c_function_new(is, NATIVE_SWALLOW));
    assert_true(world_is_true(&w, "try { throwFromC(); false } catch (e) {"
                                  "  e instanceof RangeError && e.message === 'from C' }"));
    assert_true(world_is_true(&w, "try { callBack(() => { throw 5 }); false }"
                                  "catch (e) { e === 5 }"));
    assert_true(world_is_true(&w, "callBack(() => 6) === 6"));
    assert_true(world_is_true(&w, "swallow(() => { throw 5 }) === 1"));
    assert_true(world_is_true(&w, "swallow(() => 5) === 0"));
    static const char *const names[] = {"Error", "TypeError", "RangeError", "SyntaxError",
                                        "ReferenceError"};
    for (unsigned i = V8C_PLAIN_ERROR; i <= V8C_REFERENCE_ERROR; i++) {
        struct v8c_value *e = v8c_exception_new(is, (enum v8c_exception_type)i, "m");
        world_assert_text(&w, v8c_get(is, e, v8c_key(is, "name"), &w.error), names[i]);
    }
    world_close(&w);
}

static void count_free(void *arg)
{
    ++*(int *)arg;
}

static void wrapped_pointers_are_freed_exactly_once(void **state)
{
    int collected = 0, kept = 0, cleared = 0;
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_scope inner;
    v8c_scope_enter(&inner, is, w.context);
    struct v8c_value *object = v8c_wrap_new(is, &collected, 1, count_free);
    assert_true(v8c_is(object, V8C_WRAPPED));
    assert_ptr_equal(v8c_wrap_pointer(object, 1), &collected);
    assert_null(v8c_wrap_pointer(object, 2));
    world_define(&w, "kept", v8c_wrap_new(is, &kept, 1, count_free));
    world_define(&w, "cleared", v8c_wrap_new(is, &cleared, 1, count_free));
    v8c_wrap_clear(world_run(&w, "cleared"));
    assert_null(v8c_wrap_pointer(world_run(&w, "cleared"), 1));
    v8c_scope_exit(&inner);
    world_collect(&w);
    assert_int_equal(collected, 1);
    assert_int_equal(kept, 0);
    world_close(&w);
    assert_int_equal(collected, 1);
    assert_int_equal(kept, 1);
    assert_int_equal(cleared, 0);
}

static void scripts_cannot_forge_a_wrapped_pointer(void **state)
{
    static const char *const rows[] = {
        "({})",
        "1",
        "'s'",
        "null",
        "new ArrayBuffer(8)",
        "new Uint8Array(8)",
        "Promise.resolve()",
        "Object.create(real)",
        "new Proxy(real, {})",
        "structuredClone",
        "[real]",
        "new (class extends Object {})",
        "new Map([[0, real]])",
        "/x/",
        "new Date()",
    };
    int pointer = 0;
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    world_define(&w, "real", v8c_wrap_new(w.isolate, &pointer, 1, NULL));
    world_run(&w, "globalThis.structuredClone = function () {}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (v8c_wrap_pointer(world_run(&w, rows[i]), 1))
            fail_msg("%s passes as a wrapped pointer", rows[i]);
    }
    world_close(&w);
}

static void globals_keep_and_weak_ones_let_go(void **state)
{
    int gone = 0;
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_scope inner;
    v8c_scope_enter(&inner, is, w.context);
    struct v8c_global *strong = v8c_global_new(is, world_run(&w, "({n: 1})"));
    struct v8c_global *weak = v8c_global_new(is, world_run(&w, "({n: 2})"));
    v8c_global_weaken(weak, count_free, &gone);
    v8c_scope_exit(&inner);
    world_collect(&w);
    assert_int_equal(gone, 1);
    assert_null(v8c_global_get(weak));
    struct v8c_value *kept = v8c_global_get(strong);
    assert_int_equal(v8c_int_value(v8c_get(is, kept, v8c_key(is, "n"), &w.error)), 1);
    v8c_global_free(weak);
    v8c_global_free(NULL);
    world_close(&w); /* frees strong */
}

int functions_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natives_get_arguments_and_return),
        cmocka_unit_test(c_calls_javascript),
        cmocka_unit_test(a_native_learns_who_called_whom),
        cmocka_unit_test(an_exception_says_what_where_and_how),
        cmocka_unit_test(exceptions_cross_natives),
        cmocka_unit_test(wrapped_pointers_are_freed_exactly_once),
        cmocka_unit_test(scripts_cannot_forge_a_wrapped_pointer),
        cmocka_unit_test(globals_keep_and_weak_ones_let_go),
    };
    return cmocka_run_group_tests_name("functions", tests, NULL, NULL);
}
