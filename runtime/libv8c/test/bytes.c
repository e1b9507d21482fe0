/* ArrayBuffers, views, stores. */
#include "world.h"

struct lent {
    char data[128];
    int freed;
};

static void give_back(void *data, size_t len, void *arg)
{
    struct lent *lent = arg;
    assert_ptr_equal(data, lent->data);
    assert_int_equal(len, sizeof lent->data);
    lent->freed++;
}

static void give_back_nothing(void *data, size_t len, void *arg)
{
    assert_int_equal(len, 0);
    ++*(int *)arg;
}

static void external_bytes_are_seen_and_given_back_once(void **state)
{
    struct lent collected = {.data = "abc"}, kept = {.data = "xyz"};
    int empty = 0;
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_scope inner;
    v8c_scope_enter(&inner, is, w.context);
    struct v8c_value *array =
        v8c_uint8_array_external(is, collected.data, sizeof collected.data, give_back, &collected);
    world_define(&w, "a", array);
    assert_true(world_is_true(&w, "a[1] === 98 && a.length === 128 && a instanceof Uint8Array"));
    world_run(&w, "a[0] = 65");
    assert_int_equal(collected.data[0], 'A'); /* no copy */
    assert_ptr_equal(v8c_bytes_of(array).data, collected.data);
    world_run(&w, "a = null");
    world_define(&w, "k",
                 v8c_array_buffer_external(is, kept.data, sizeof kept.data, give_back, &kept));
    v8c_uint8_array_external(is, NULL, 0, give_back_nothing, &empty);
    assert_int_equal(empty, 1);
    v8c_scope_exit(&inner);
    assert_int_equal(collected.freed, 0);
    world_collect(&w);
    assert_int_equal(collected.freed, 1);
    assert_int_equal(kept.freed, 0);
    world_close(&w);
    assert_int_equal(collected.freed, 1);
    assert_int_equal(kept.freed, 1);
}

static void bytes_of_any_view(void **state)
{
    static const struct {
        const char *script;
        size_t len;
        uint8_t first;
    } rows[] = {
        {"new Uint8Array([7, 8])", 2, 7},                                  /* on the heap */
        {"new Uint8Array([1, 2, 3, 4]).subarray(2)", 2, 3},                /* offset */
        {"new DataView(new Uint8Array(300).fill(9).buffer, 100)", 200, 9}, /* off the heap */
        {"new Uint16Array([0x0102])", 2, 2},                               /* little endian */
        {"new Uint8Array([5]).buffer", 1, 5},
        {"{ let s = new SharedArrayBuffer(2); new Uint8Array(s)[0] = 6; s }", 2, 6},
        {"'no bytes'", 0, 0},
        {"({})", 0, 0},
        {"new ArrayBuffer(0)", 0, 0},
        {"{ let b = new ArrayBuffer(9); b.transfer(); b }", 0, 0}, /* detached */
        {"{ let b = new Uint8Array(9); b.buffer.transfer(); b }", 0, 0},
    };
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct v8c_bytes bytes = v8c_bytes_of(world_run(&w, rows[i].script));
        if (bytes.len != rows[i].len || (bytes.len && bytes.data[0] != rows[i].first) ||
            (!bytes.len && bytes.data))
            fail_msg("wrong bytes of %s", rows[i].script);
    }
    struct v8c_value *copy = v8c_uint8_array_copy(w.isolate, "copy", 4);
    assert_memory_equal(v8c_bytes_of(copy).data, "copy", 4);
    size_t offset = 0;
    struct v8c_value *buffer =
        v8c_view_buffer(w.isolate, world_run(&w, "new Uint8Array(9).subarray(3)"), &offset);
    assert_int_equal(offset, 3);
    assert_int_equal(v8c_bytes_of(buffer).len, 9);
    assert_int_equal(v8c_bytes_of(v8c_uint8_array_new(w.isolate, buffer, 1, 2)).len, 2);
    world_close(&w);
}

static void a_store_outlives_buffer_and_isolate(void **state)
{
    struct world from, to;
    world_open(&from, (struct v8c_isolate_params){0});
    struct v8c_value *buffer = world_run(&from, "globalThis.b = new Uint8Array([1, 2, 3]).buffer");
    struct v8c_store *store = v8c_store_of(buffer);
    assert_true(v8c_array_buffer_detach(from.isolate, buffer));
    assert_true(world_is_true(&from, "b.byteLength === 0 && b.detached"));
    world_close(&from);
    assert_int_equal(v8c_store_bytes(store).len, 3);

    world_open(&to, (struct v8c_isolate_params){0});
    world_define(&to, "b", v8c_array_buffer_from_store(to.isolate, store));
    v8c_store_free(store);
    assert_true(world_is_true(&to, "new Uint8Array(b).join() === '1,2,3'"));
    world_close(&to);
}

static void buffers_are_counted_and_limited(void **state)
{
    struct v8c_heap_stats stats;
    struct world w;
    world_open(&w, (struct v8c_isolate_params){.buffer_bytes_max = 1 << 20});
    world_run(&w, "globalThis.keep = [new ArrayBuffer(600000)]");
    v8c_isolate_heap_stats(w.isolate, &stats);
    assert_int_equal(stats.buffer_bytes, 600000);
    world_throws(&w, "keep.push(new ArrayBuffer(600000))");
    assert_non_null(strstr(w.error.text, "RangeError"));
    world_throws(&w, "new ArrayBuffer(2 ** 52)");
    /* garbage is collected before a buffer is refused */
    world_run(&w, "for (let i = 0; i < 100; i++) void new ArrayBuffer(400000)");
    assert_null(v8c_array_buffer_new(w.isolate, 1 << 30));
    world_close(&w);
}

static void the_limit_of_buffers_can_be_set_later(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){.buffer_bytes_max = 1 << 20});
    world_run(&w, "globalThis.keep = [new ArrayBuffer(600000)]");
    v8c_isolate_limit_buffers(w.isolate, 2 << 20);
    world_run(&w, "keep.push(new ArrayBuffer(1400000))");
    v8c_isolate_limit_buffers(w.isolate, 1000000);
    world_throws(&w, "new ArrayBuffer(8)");
    assert_true(world_is_true(&w, "keep[0].byteLength + keep[1].byteLength === 2000000"));
    world_close(&w);
}

static void what_may_grow_counts_in_full(void **state)
{
    static const struct {
        const char *what, *source;
        bool is_refused;
    } rows[] = {
        {"a resizable buffer over the limit", "new ArrayBuffer(8, {maxByteLength: 2 ** 21})", true},
        {"and one far over it", "new ArrayBuffer(8, {maxByteLength: 2 ** 33})", true},
        {"one within it", "new ArrayBuffer(8, {maxByteLength: 2 ** 18}).resize(2 ** 18)", false},
        {"several that pass it together",
         "[1, 2, 3, 4, 5].map(() => new ArrayBuffer(8, {maxByteLength: 2 ** 18}))", true},
        {"as many that are garbage",
         "for (let i = 0; i < 50; i++) void new ArrayBuffer(8, {maxByteLength: 2 ** 18})", false},
        {"beside a fixed one",
         "[new ArrayBuffer(2 ** 19), new ArrayBuffer(8, {maxByteLength: 2 ** 19 + 2 ** 16})]",
         true},
        {"a growable shared one", "new SharedArrayBuffer(8, {maxByteLength: 2 ** 21})", true},
        {"a fixed shared one", "new SharedArrayBuffer(2 ** 21)", true},
        {"a transfer that stays resizable",
         "{ let b = new ArrayBuffer(8, {maxByteLength: 2 ** 18}); for (let i = 0; i < 9; i++) b = "
         "b.transfer(2 ** 18); }",
         false},
        {"a transfer that grows over it", "new ArrayBuffer(8).transfer(2 ** 21)", true},
        {"a typed array by length", "new Float64Array(2 ** 18)", true},
        {"a copy", "new Uint8Array(2 ** 19 + 1).slice()", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct v8c_heap_stats stats;
        struct world w;
        world_open(&w, (struct v8c_isolate_params){.buffer_bytes_max = 1 << 20});
        bool is_refused = !v8c_run(w.isolate, "test.js", rows[i].source, &w.error);
        if (is_refused != rows[i].is_refused || (is_refused && !strstr(w.error.text, "RangeError")))
            fail_msg("%s: %s", rows[i].what, is_refused ? w.error.text : "was not refused");
        v8c_isolate_heap_stats(w.isolate, &stats);
        if (stats.buffer_bytes > 1 << 20)
            fail_msg("%s: %zu bytes", rows[i].what, stats.buffer_bytes);
        world_close(&w);
    }
}

int bytes_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(external_bytes_are_seen_and_given_back_once),
        cmocka_unit_test(bytes_of_any_view),
        cmocka_unit_test(a_store_outlives_buffer_and_isolate),
        cmocka_unit_test(buffers_are_counted_and_limited),
        cmocka_unit_test(the_limit_of_buffers_can_be_set_later),
        cmocka_unit_test(what_may_grow_counts_in_full),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
