/* Snapshots: what survives, layering, several at once, and what is refused. */
#include "world.h"

enum { SLOT_HANDLER = 0, SLOT_LAST = V8C_SLOTS - 1 };

static void globals_and_natives_survive(void **state)
{
    struct world w;
    struct v8c_blob blob = world_snapshot(NULL, "globalThis.table = new Map([['k', {v: 1}]]);"
                                                "globalThis.get = k => table.get(k).v");
    for (int i = 0; i < 2; i++) { /* one blob, many isolates */
        world_open(&w, (struct v8c_isolate_params){.blob = &blob});
        assert_true(world_is_true(&w, "get('k') === 1"));
        world_close(&w);
    }
    v8c_blob_free(&blob);
}

static struct v8c_module *no_imports(struct v8c_isolate *isolate, struct v8c_module *referrer,
                                     struct v8c_value *specifier, struct v8c_value *type, void *arg)
{
    v8c_throw_new(isolate, V8C_TYPE_ERROR, "no imports");
    return NULL;
}

/* A module with a top-level await is run, and its default export put into a slot. */
static struct v8c_blob module_snapshot(const struct v8c_blob *base, const char *text)
{
    struct v8c_blob blob;
    struct v8c_error error = {0};
    struct v8c_isolate_params params = {.blob = base, .natives = world_natives};
    struct v8c_isolate *is = v8c_snapshot_new(&params, NULL);
    struct v8c_context *context = v8c_context_new(is);
    struct v8c_scope scope;
    v8c_scope_enter(&scope, is, context);
    v8c_set(is, v8c_global_this(is), v8c_key(is, "add"), v8c_function_new(is, NATIVE_ADD), &error);
    struct v8c_source source = {.name = "m", .text = v8c_string_latin1(is, text, strlen(text))};
    struct v8c_module *module = v8c_module_compile(is, &source, &error);
    assert_non_null(module);
    v8c_global_new_module(is, module); /* a global left over is no obstacle */
    assert_true(v8c_module_instantiate(is, module, no_imports, NULL, &error));
    struct v8c_value *done = v8c_module_evaluate(is, module, &error);
    v8c_microtasks_run(is, &error);
    assert_int_equal(v8c_promise_state(done), V8C_FULFILLED);
    v8c_slot_set(is, SLOT_HANDLER,
                 v8c_get(is, v8c_module_namespace(module), v8c_key(is, "default"), &error));
    v8c_slot_set(is, SLOT_LAST, v8c_key(is, "last"));
    assert_null(v8c_wrap_new(is, &blob, 1, NULL)); /* pointers do not survive: refused */
    v8c_scope_exit(&scope);
    assert_true(v8c_snapshot_take(is, context, true, &blob));
    return blob;
}

static void module_closures_and_slots_survive_on_a_base(void **state)
{
    struct v8c_blob base =
        world_snapshot(NULL, "globalThis.Response = class { constructor(b) { this.body = b } }; ");
    struct v8c_blob one = module_snapshot(
        &base, "let n = await 1; export default () => new Response('one ' + add(n++, 1))");
    struct v8c_blob two = module_snapshot(
        &base, "let n = 10; export default () => new Response('two ' + add(n++, 1))");
    const struct v8c_blob *blobs[] = {&one, &two};
    static const char *const answers[2][2] = {{"one 2", "one 3"}, {"two 11", "two 12"}};
    struct world w[2], on_base, bare;
    world_open(&on_base, (struct v8c_isolate_params){.blob = &base});
    world_open(&bare, (struct v8c_isolate_params){0});
    for (int i = 0; i < 2; i++) { /* all four side by side */
        world_open(&w[i], (struct v8c_isolate_params){.blob = blobs[i]});
        v8c_scope_exit(&w[i].scope);
    }
    assert_true(world_is_true(&bare, "typeof Response === 'undefined'"));
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 2; i++) {
            struct v8c_isolate *is = w[i].isolate;
            v8c_scope_enter(&w[i].scope, is, w[i].context);
            world_assert_text(&w[i], v8c_slot(is, SLOT_LAST), "last");
            assert_true(v8c_is(v8c_slot(is, 5), V8C_UNDEFINED));
            struct v8c_value *r =
                v8c_function_call(is, v8c_slot(is, SLOT_HANDLER), NULL, 0, NULL, &w[i].error);
            assert_non_null(r);
            world_assert_text(&w[i], v8c_get(is, r, v8c_key(is, "body"), &w[i].error),
                              answers[i][turn]);
            v8c_scope_exit(&w[i].scope);
        }
    }
    for (int i = 0; i < 2; i++)
        v8c_isolate_free(w[i].isolate);
    world_close(&bare);
    assert_true(world_is_true(&on_base, "new Response('b').body === 'b'"));
    world_close(&on_base);
    v8c_blob_free(&one);
    v8c_blob_free(&two);
    v8c_blob_free(&base);
}

static void randomness_is_not_frozen(void **state)
{
    struct v8c_blob blob = world_snapshot(NULL, "globalThis.before = Math.random()");
    double first[2], before[2];
    for (int i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, (struct v8c_isolate_params){.blob = &blob});
        first[i] = v8c_number_value(world_run(&w, "Math.random()"));
        before[i] = v8c_number_value(world_run(&w, "before"));
        world_close(&w);
    }
    assert_true(before[0] == before[1]);
    assert_true(first[0] != first[1]);
    v8c_blob_free(&blob);
}

static void native_other(struct v8c_call *call)
{
}

static void a_blob_that_does_not_fit_is_refused(void **state)
{
    struct v8c_blob blob = world_snapshot(NULL, "1");
    static const struct v8c_native_entry others[] = {{"other", native_other}, {0}};
    static const struct v8c_native_entry few[] = {{"add", native_other}, {0}};
    struct v8c_native_entry more[16] = {{0}};
    size_t count = 0;
    for (; world_natives[count].call; count++)
        more[count] = world_natives[count];
    more[count] = (struct v8c_native_entry){"more", native_other};

    assert_null(v8c_blob_check(&blob, world_natives));
    assert_null(v8c_blob_check(&blob, more));
    assert_string_equal(v8c_blob_check(&blob, few), "blob was made with more natives");
    more[0].name = "renamed";
    assert_string_equal(v8c_blob_check(&blob, more), "blob was made with other natives");
    assert_non_null(v8c_blob_check(&(struct v8c_blob){blob.data, 10}, world_natives));
    assert_non_null(v8c_blob_check(&(struct v8c_blob){blob.data + 1, blob.len - 1}, others));
    blob.data[30] ^= 1; /* the version */
    const char *why = NULL;
    assert_null(v8c_isolate_new(
        &(struct v8c_isolate_params){.blob = &blob, .natives = world_natives}, &why));
    assert_string_equal(why, "blob is of another V8 version");
    blob.data[0] ^= 1;
    assert_string_equal(v8c_blob_check(&blob, world_natives), "not a blob of libv8c");
    v8c_blob_free(&blob);
}

static void a_builder_may_be_given_up(void **state)
{
    struct v8c_isolate *builder = v8c_snapshot_new(&(struct v8c_isolate_params){0}, NULL);
    struct v8c_context *context = v8c_context_new(builder);
    struct v8c_scope scope;
    struct v8c_error error;
    v8c_scope_enter(&scope, builder, context);
    assert_null(v8c_run(builder, "m", "throw 1", &error));
    v8c_scope_exit(&scope);
    v8c_isolate_free(builder);
}

int snapshots_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globals_and_natives_survive),
        cmocka_unit_test(module_closures_and_slots_survive_on_a_base),
        cmocka_unit_test(randomness_is_not_frozen),
        cmocka_unit_test(a_blob_that_does_not_fit_is_refused),
        cmocka_unit_test(a_builder_may_be_given_up),
    };
    return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
