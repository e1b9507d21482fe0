/* ES modules: imports, top-level await, JSON, dynamic import, code cache. */
#include "world.h"

struct library {
    const char *name;
    const char *text;
    struct v8c_global *module;
};

/* Resolves by name in a small library; compiles on first use. */
static struct v8c_module *find(struct v8c_isolate *isolate, struct v8c_module *referrer,
                               struct v8c_value *specifier, struct v8c_value *type, void *arg)
{
    char name[64];
    size_t len = v8c_string_write_utf8(isolate, specifier, name, sizeof name - 1);
    name[len] = 0;
    for (struct library *item = arg; item->name; item++) {
        if (strcmp(item->name, name) != 0)
            continue;
        if (item->module)
            return v8c_global_get_module(item->module);
        struct v8c_value *text = v8c_string_latin1(isolate, item->text, strlen(item->text));
        struct v8c_module *module;
        if (type) {
            struct v8c_value *names[] = {v8c_key(isolate, "default")};
            struct v8c_value *exports[] = {v8c_json_parse(isolate, text, NULL)};
            module = v8c_module_synthetic(isolate, name, 1, names, exports);
        } else {
            struct v8c_source source = {.name = item->name, .text = text};
            module = v8c_module_compile(isolate, &source, NULL);
        }
        if (module)
            item->module = v8c_global_new_module(isolate, module);
        return module;
    }
    v8c_throw_new(isolate, V8C_TYPE_ERROR, "no such module");
    return NULL;
}

static struct v8c_module *load(struct world *w, struct library *library)
{
    struct v8c_value *text = v8c_string_latin1(w->isolate, library->text, strlen(library->text));
    struct v8c_source source = {.name = library->name, .text = text};
    struct v8c_module *module = v8c_module_compile(w->isolate, &source, &w->error);
    if (module)
        library->module = v8c_global_new_module(w->isolate, module);
    if (!module || !v8c_module_instantiate(w->isolate, module, find, library, &w->error))
        return NULL;
    return module;
}

static struct v8c_value *export_of(struct world *w, struct v8c_module *module, const char *name)
{
    return v8c_get(w->isolate, v8c_module_namespace(module), v8c_key(w->isolate, name), &w->error);
}

static void imports_are_listed_resolved_and_run(void **state)
{
    struct library library[] = {
        {"main", "import { two } from 'lib';\nimport data from 'data.json' with { type: 'json' };\n"
                 "export const sum = two + data.n; export { two } from 'lib'; import 'main'"},
        {"lib", "import * as main from 'main'; export const two = 2"},
        {"data.json", "{\"n\": 40}"},
        {NULL},
    };
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_module *module = load(&w, library);
    assert_non_null(module);
    assert_int_equal(v8c_module_requests(w.isolate, module), 3);
    struct v8c_module_request request;
    v8c_module_request(w.isolate, module, 1, &request);
    world_assert_text(&w, request.specifier, "data.json");
    world_assert_text(&w, request.type, "json");
    assert_int_equal(request.line, 2);
    v8c_module_request(w.isolate, module, 0, &request);
    assert_null(request.type);
    assert_false(v8c_module_is_async(module));
    struct v8c_value *done = v8c_module_evaluate(w.isolate, module, &w.error);
    assert_int_equal(v8c_promise_state(done), V8C_FULFILLED);
    assert_int_equal(v8c_int_value(export_of(&w, module, "sum")), 42);
    assert_true(v8c_module_same(module, module));
    assert_false(v8c_module_same(module, v8c_global_get_module(library[1].module)));
    world_close(&w);
}

static void what_is_wrong_with_a_module_is_said(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    assert_null(load(&w, (struct library[]){{"bad", "export const ="}, {NULL}}));
    assert_non_null(strstr(w.error.text, "SyntaxError"));
    assert_string_equal(w.error.name, "bad");
    assert_null(load(&w, (struct library[]){{"m", "import 'nowhere'"}, {NULL}}));
    assert_non_null(strstr(w.error.text, "no such module"));
    assert_null(load(&w, (struct library[]){{"m", "import { x } from 'n'"}, {"n", "1"}, {NULL}}));
    assert_non_null(strstr(w.error.text, "does not provide an export named 'x'"));
    struct v8c_module *module =
        load(&w, (struct library[]){{"m", "\n\nthrow new Error('top')"}, {NULL}});
    struct v8c_value *done = v8c_module_evaluate(w.isolate, module, &w.error);
    assert_int_equal(v8c_promise_state(done), V8C_REJECTED);
    v8c_error_describe(w.isolate, v8c_promise_result(done), &w.error);
    assert_string_equal(w.error.text, "Uncaught Error: top");
    assert_non_null(strstr(w.error.stack, "m:3:7"));
    world_close(&w);
}

static void top_level_await_waits(void **state)
{
    struct library library[] = {{"main", "export let x = 1; x = await gate"}, {NULL}};
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_value *gate = v8c_promise_new(w.isolate, &w.error);
    world_define(&w, "gate", gate);
    struct v8c_module *module = load(&w, library);
    assert_true(v8c_module_is_async(module));
    struct v8c_value *done = v8c_module_evaluate(w.isolate, module, &w.error);
    v8c_microtasks_run(w.isolate, &w.error);
    assert_int_equal(v8c_promise_state(done), V8C_PENDING);
    v8c_promise_resolve(w.isolate, gate, v8c_int(w.isolate, 7));
    v8c_microtasks_run(w.isolate, &w.error);
    assert_int_equal(v8c_promise_state(done), V8C_FULFILLED);
    assert_int_equal(v8c_int_value(export_of(&w, module, "x")), 7);
    world_close(&w);
}

static struct v8c_value *import_hook(struct v8c_isolate *isolate, struct v8c_value *referrer,
                                     struct v8c_value *specifier)
{
    struct v8c_value *promise = v8c_promise_new(isolate, NULL);
    struct v8c_value *both[] = {referrer, specifier};
    v8c_promise_resolve(isolate, promise, v8c_array_new(isolate, both, 2));
    return promise;
}

static void import_meta_hook(struct v8c_isolate *isolate, struct v8c_module *module,
                             struct v8c_value *meta)
{
    v8c_set(isolate, meta, v8c_key(isolate, "url"), v8c_key(isolate, "hearth:main"), NULL);
}

static void dynamic_import_and_meta_go_to_hooks(void **state)
{
    struct library library[] = {
        {"main", "export const [from, what] = await import('late');"
                 "export const url = import.meta.url"},
        {NULL},
    };
    struct world w;
    world_open(&w, (struct v8c_isolate_params){.on_import = import_hook,
                                               .on_import_meta = import_meta_hook});
    struct v8c_module *module = load(&w, library);
    v8c_module_evaluate(w.isolate, module, &w.error);
    v8c_microtasks_run(w.isolate, &w.error);
    world_assert_text(&w, export_of(&w, module, "from"), "main");
    world_assert_text(&w, export_of(&w, module, "what"), "late");
    world_assert_text(&w, export_of(&w, module, "url"), "hearth:main");
    world_close(&w);
    world_open(&w, (struct v8c_isolate_params){0}); /* no hook: a rejection */
    struct v8c_value *promise = world_run(&w, "import('x')");
    v8c_microtasks_run(w.isolate, &w.error);
    assert_int_equal(v8c_promise_state(promise), V8C_REJECTED);
    world_close(&w);
}

static bool compile_with(struct v8c_source *source, const char *text, struct v8c_blob *cache)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    source->text = v8c_string_latin1(w.isolate, text, strlen(text));
    struct v8c_module *module = v8c_module_compile(w.isolate, source, &w.error);
    bool ok = module && v8c_module_instantiate(w.isolate, module, find, NULL, &w.error);
    struct v8c_value *done = ok ? v8c_module_evaluate(w.isolate, module, &w.error) : NULL;
    ok = ok && done && v8c_int_value(export_of(&w, module, "x")) == 5;
    if (ok && cache)
        ok = v8c_module_cache(w.isolate, module, cache);
    world_close(&w);
    return ok;
}

static void code_cache_is_taken_or_rejected(void **state)
{
    static const char text[] = "const f = () => 5; export const x = f()";
    struct v8c_blob cache;
    struct v8c_source cold = {.name = "m", .is_eager = true};
    assert_true(compile_with(&cold, text, &cache));
    assert_true(cache.len > 0);

    struct v8c_source warm = {.name = "m", .cache = cache.data, .cache_bytes = cache.len};
    assert_true(compile_with(&warm, text, NULL));
    assert_false(warm.cache_was_rejected);
    /* another source of another length */
    assert_true(compile_with(&warm, "const f = () => 5; export  const x = f()", NULL));
    assert_true(warm.cache_was_rejected);
    cache.data[8] ^= 1;
    assert_true(compile_with(&warm, text, NULL));
    assert_true(warm.cache_was_rejected);
    warm.cache_bytes = 3;
    assert_true(compile_with(&warm, text, NULL));
    assert_true(warm.cache_was_rejected);
    v8c_blob_free(&cache);
    assert_null(cache.data);
    assert_int_not_equal(v8c_cache_tag(), 0);
}

int modules_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_are_listed_resolved_and_run),
        cmocka_unit_test(what_is_wrong_with_a_module_is_said),
        cmocka_unit_test(top_level_await_waits),
        cmocka_unit_test(dynamic_import_and_meta_go_to_hooks),
        cmocka_unit_test(code_cache_is_taken_or_rejected),
    };
    return cmocka_run_group_tests_name("modules", tests, NULL, NULL);
}
