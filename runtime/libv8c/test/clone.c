/* Structured clone. */
#include "world.h"

/* From one isolate to another; the clone is the global `c` there. */
static void send(struct world *from, const char *script, struct world *to)
{
    struct v8c_blob bytes;
    assert_true(v8c_serialize(from->isolate, world_run(from, script), NULL, NULL, 0, NULL, &bytes,
                              &from->error));
    struct v8c_value *clone =
        v8c_deserialize(to->isolate, bytes.data, bytes.len, NULL, 0, NULL, &to->error);
    assert_non_null(clone);
    world_define(to, "c", clone);
    v8c_blob_free(&bytes);
}

static void values_are_cloned(void **state)
{
    static const struct {
        const char *script, *check;
    } rows[] = {
        {"1.5", "c === 1.5"},
        {"({a: [1, , 3], d: new Date(5)})", "c.a.length === 3 && !(1 in c.a) && +c.d === 5"},
        {"new Map([[{}, new Set([1n])]])", "[...c][0][1].has(1n)"},
        {"let o = {}; o.self = o; o", "c.self === c"},
        {"new Error('e')", "c instanceof Error && c.message === 'e'"},
        {"new Uint8Array([1, 2]).subarray(1)", "c instanceof Uint8Array && c[0] === 2"},
        {"/x/gi", "c.flags === 'gi'"},
    };
    struct world w;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_open(&w, (struct v8c_isolate_params){0});
        send(&w, rows[i].script, &w);
        if (!world_is_true(&w, rows[i].check))
            fail_msg("%s is not cloned", rows[i].script);
        world_close(&w);
    }
}

static void transferred_buffers_move(void **state)
{
    struct world w;
    struct v8c_blob bytes;
    struct v8c_store *store;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *buffer = world_run(&w, "globalThis.b = new Uint8Array([1, 2, 3]).buffer");
    assert_true(v8c_serialize(is, world_run(&w, "({b, again: b})"), &buffer, &store, 1, NULL,
                              &bytes, &w.error));
    assert_true(world_is_true(&w, "b.detached"));
    world_define(&w, "c", v8c_deserialize(is, bytes.data, bytes.len, &store, 1, NULL, &w.error));
    assert_true(world_is_true(&w, "c.b === c.again && new Uint8Array(c.b).join() === '1,2,3'"));
    v8c_store_free(store);
    v8c_blob_free(&bytes);
    /* a second time is an error, and so is a clone that fails: nothing moves */
    assert_false(v8c_serialize(is, buffer, &buffer, &store, 1, NULL, &bytes, &w.error));
    assert_non_null(strstr(w.error.text, "detached"));
    buffer = world_run(&w, "b = new ArrayBuffer(3)");
    assert_false(v8c_serialize(is, world_run(&w, "[b, () => 1]"), &buffer, &store, 1, NULL, &bytes,
                               &w.error));
    assert_true(world_is_true(&w, "b.byteLength === 3"));
    world_close(&w);
}

static void what_cannot_be_cloned_is_an_error(void **state)
{
    static const char *const rows[] = {
        "() => 1",
        "Symbol()",
        "new WeakMap()",
        "Promise.resolve()",
        "wrapped",
        "({get x() { throw new Error('x') }})",
        "new SharedArrayBuffer(8)",
    };
    int pointer;
    struct world w;
    struct v8c_blob bytes;
    world_open(&w, (struct v8c_isolate_params){0});
    world_define(&w, "wrapped", v8c_wrap_new(w.isolate, &pointer, 1, NULL));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (v8c_serialize(w.isolate, world_run(&w, rows[i]), NULL, NULL, 0, NULL, &bytes, &w.error))
            fail_msg("%s was cloned", rows[i]);
        assert_int_equal(w.error.kind, V8C_EXCEPTION);
        assert_null(bytes.data);
    }
    struct v8c_clone_hooks small = {.bytes_max = 1000};
    assert_false(v8c_serialize(w.isolate, world_run(&w, "'x'.repeat(2000)"), NULL, NULL, 0, &small,
                               &bytes, &w.error));
    assert_true(v8c_serialize(w.isolate, world_run(&w, "'x'.repeat(900)"), NULL, NULL, 0, &small,
                              &bytes, &w.error));
    for (size_t len = 0; len < bytes.len; len++) /* every cut is an error and no crash */
        assert_null(v8c_deserialize(w.isolate, bytes.data, len, NULL, 0, NULL, &w.error));
    v8c_blob_free(&bytes);
    world_close(&w);
}

static int is_host(struct v8c_isolate *isolate, struct v8c_value *object, void *data)
{
    return v8c_has(isolate, object, v8c_key(isolate, "host"), NULL) == 1;
}

static int is_host_fails(struct v8c_isolate *isolate, struct v8c_value *object, void *data)
{
    v8c_throw_new(isolate, V8C_TYPE_ERROR, "is_host failed");
    return -1;
}

static bool write_host(struct v8c_isolate *isolate, struct v8c_writer *writer,
                       struct v8c_value *object, void *data)
{
    v8c_writer_u32(writer, 77);
    v8c_writer_bytes(writer, "host", 4);
    return v8c_writer_value(writer, v8c_get(isolate, object, v8c_key(isolate, "host"), NULL));
}

static struct v8c_value *read_host(struct v8c_isolate *isolate, struct v8c_reader *reader,
                                   void *data)
{
    uint32_t u = 0;
    const void *bytes;
    if (!v8c_reader_u32(reader, &u) || u != 77 || !v8c_reader_bytes(reader, 4, &bytes) ||
        memcmp(bytes, "host", 4) != 0) {
        v8c_throw_new(isolate, V8C_TYPE_ERROR, "not ours");
        return NULL;
    }
    struct v8c_value *inner = v8c_reader_value(reader);
    return inner ? v8c_array_new(isolate, &inner, 1) : NULL;
}

static struct v8c_value *clone_error(struct v8c_isolate *isolate, struct v8c_value *message,
                                     void *data)
{
    return v8c_exception_new(isolate, V8C_TYPE_ERROR, "made by the hook");
}

static void host_objects_go_through_hooks(void **state)
{
    struct v8c_clone_hooks hooks = {
        .is_host = is_host, .write = write_host, .read = read_host, .clone_error = clone_error};
    struct world w;
    struct v8c_blob bytes;
    world_open(&w, (struct v8c_isolate_params){0});
    assert_true(v8c_serialize(w.isolate, world_run(&w, "[new (class { host = 5 })(), {plain: 1}]"),
                              NULL, NULL, 0, &hooks, &bytes, &w.error));
    world_define(&w, "c",
                 v8c_deserialize(w.isolate, bytes.data, bytes.len, NULL, 0, &hooks, &w.error));
    assert_true(world_is_true(&w, "Array.isArray(c[0]) && c[0][0] === 5 && c[1].plain === 1"));
    v8c_blob_free(&bytes);
    assert_false(v8c_serialize(w.isolate, world_run(&w, "() => 1"), NULL, NULL, 0, &hooks, &bytes,
                               &w.error));
    assert_non_null(strstr(w.error.text, "made by the hook"));
    /* Asking may fail, too. */
    hooks.is_host = is_host_fails;
    assert_false(v8c_serialize(w.isolate, world_run(&w, "new (class {})()"), NULL, NULL, 0, &hooks,
                               &bytes, &w.error));
    assert_non_null(strstr(w.error.text, "is_host failed"));
    world_close(&w);
}

static void a_buffer_that_a_getter_detached_is_not_transferred(void **state)
{
    struct world w;
    struct v8c_blob bytes;
    struct v8c_store *store = NULL;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_value *buffer = world_run(&w, "globalThis.b = new ArrayBuffer(8)");
    struct v8c_value *value = world_run(&w, "({ get b() { b.transfer(); return 1 } })");
    assert_false(v8c_serialize(w.isolate, value, &buffer, &store, 1, NULL, &bytes, &w.error));
    assert_non_null(strstr(w.error.text, "detached"));
    assert_null(store);
    world_close(&w);
}

int clone_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_cloned),
        cmocka_unit_test(transferred_buffers_move),
        cmocka_unit_test(what_cannot_be_cloned_is_an_error),
        cmocka_unit_test(host_objects_go_through_hooks),
        cmocka_unit_test(a_buffer_that_a_getter_detached_is_not_transferred),
    };
    return cmocka_run_group_tests_name("clone", tests, NULL, NULL);
}
