/* Values, strings, objects, arrays, JSON. */
#include "world.h"

static void type_of_each_value(void **state)
{
    static const struct {
        const char *script;
        enum v8c_type yes;
        enum v8c_type no;
    } rows[] = {
        {"undefined", V8C_UNDEFINED, V8C_NULL},
        {"null", V8C_NULL, V8C_OBJECT},
        {"true", V8C_BOOL, V8C_NUMBER},
        {"1.5", V8C_NUMBER, V8C_INT32},
        {"-7", V8C_INT32, V8C_BIGINT},
        {"7n", V8C_BIGINT, V8C_NUMBER},
        {"'s'", V8C_STRING, V8C_OBJECT},
        {"Symbol()", V8C_SYMBOL, V8C_STRING},
        {"({})", V8C_OBJECT, V8C_FUNCTION},
        {"(function () {})", V8C_FUNCTION, V8C_ARRAY},
        {"[]", V8C_ARRAY, V8C_FUNCTION},
        {"new ArrayBuffer(1)", V8C_ARRAY_BUFFER, V8C_VIEW},
        {"new SharedArrayBuffer(1)", V8C_SHARED_ARRAY_BUFFER, V8C_ARRAY_BUFFER},
        {"new DataView(new ArrayBuffer(1))", V8C_VIEW, V8C_UINT8_ARRAY},
        {"new Uint8Array(1)", V8C_UINT8_ARRAY, V8C_ARRAY_BUFFER},
        {"Promise.resolve()", V8C_PROMISE, V8C_ERROR},
        {"new TypeError('x')", V8C_ERROR, V8C_PROMISE},
        {"new Date()", V8C_DATE, V8C_NUMBER},
        {"new Map()", V8C_MAP, V8C_SET},
        {"new Set()", V8C_SET, V8C_MAP},
        {"/x/", V8C_REGEXP, V8C_WRAPPED},
        {"new Proxy({}, {})", V8C_PROXY, V8C_WRAPPED},
    };
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct v8c_value *value = world_run(&w, rows[i].script);
        if (!v8c_is(value, rows[i].yes) || v8c_is(value, rows[i].no))
            fail_msg("wrong type of %s", rows[i].script);
    }
    world_close(&w);
}

static void numbers_go_in_and_come_out(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    assert_int_equal(v8c_int_value(v8c_int(is, -5)), -5);
    assert_true(v8c_number_value(v8c_number(is, 0.25)) == 0.25);
    assert_true(v8c_number_value(v8c_null(is)) != 0); /* NaN */
    assert_int_equal(v8c_int_value(v8c_number(is, 4294967295.0)), -1);
    assert_int_equal(v8c_int_value(v8c_number(is, -1.9)), -1);
    assert_int_equal(v8c_int_value(v8c_number(is, 1e300 * 1e300)), 0);
    bool lossless = false;
    assert_true(v8c_bigint_value(v8c_bigint_u64(is, UINT64_MAX), &lossless) == UINT64_MAX);
    assert_true(lossless);
    assert_true(v8c_bigint_value(world_run(&w, "(1n << 64n) + 3n"), &lossless) == 3);
    assert_false(lossless);
    assert_true(v8c_bool_value(is, v8c_bool(is, true)));
    assert_false(v8c_bool_value(is, world_run(&w, "''")));
    double d = 0;
    assert_true(v8c_to_number(is, world_run(&w, "'0x10'"), &d, &w.error));
    assert_true(d == 16);
    assert_false(v8c_to_number(is, world_run(&w, "1n"), &d, &w.error));
    assert_int_equal(w.error.kind, V8C_EXCEPTION);
    assert_true(v8c_same(v8c_int(is, 3), v8c_number(is, 3)));
    assert_false(v8c_same(v8c_int(is, 3), world_run(&w, "'3'")));
    world_close(&w);
}

static void strings_keep_their_units(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;

    struct v8c_value *latin1 = v8c_string_latin1(is, "caf\xe9", 4);
    assert_true(v8c_string_is_latin1(latin1));
    assert_int_equal(v8c_string_length(latin1), 4);
    assert_int_equal(v8c_string_utf8_length(is, latin1), 5);
    world_assert_text(&w, latin1, "caf\xc3\xa9");
    uint8_t bytes[8];
    assert_int_equal(v8c_string_write_latin1(is, latin1, bytes, sizeof bytes), 4);
    assert_memory_equal(bytes, "caf\xe9", 4);

    struct v8c_value *emoji = v8c_string_utf8(is, "a\xf0\x9f\x98\x80", 5);
    assert_false(v8c_string_is_latin1(emoji));
    assert_int_equal(v8c_string_length(emoji), 3);
    char cut[4];
    assert_int_equal(v8c_string_write_utf8(is, emoji, cut, sizeof cut), 1); /* not half of it */
    uint16_t units[3];
    assert_int_equal(v8c_string_write_utf16(is, emoji, units, 3), 3);
    assert_int_equal(units[1], 0xd83d);
    assert_true(v8c_same(emoji, v8c_string_utf16(is, units, 3)));

    world_assert_text(&w, v8c_string_utf16(is, units + 1, 1), "\xef\xbf\xbd"); /* lone surrogate */
    world_assert_text(&w, v8c_string_utf8(is, "\xff", 1), "\xef\xbf\xbd");
    assert_int_equal(v8c_string_length(v8c_string_utf8(is, "a\0b", 3)), 3);
    assert_null(v8c_string_latin1(is, "", SIZE_MAX));
    assert_ptr_not_equal(v8c_key(is, "k"), NULL);
    world_close(&w);
}

/* From 32 bytes or units on text is read by vectors, if it is well-formed. */
static void long_strings_are_as_short_ones(void **state)
{
    static const struct {
        const char *what, *piece, *tail;
        size_t units; /* of a piece */
        bool is_latin1;
    } rows[] = {
        {"ASCII", "a", "", 1, true},
        {"Latin-1", "a\xc3\xa9", "", 2, true},
        {"two bytes each", "a\xe2\x82\xac", "", 2, false},
        {"pairs", "a\xf0\x9f\x98\x80", "", 3, false},
        {"malformed at its end", "a\xc3\xa9", "\xc3", 2, false},
        {"malformed, of ASCII", "a", "\xff", 1, false},
    };
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
        char text[512] = "", out[512], expected[512];
        enum { PIECES = 40 };
        for (int i = 0; i < PIECES; i++)
            strcat(text, rows[r].piece);
        strcpy(expected, text);
        strcat(expected, rows[r].tail[0] ? "\xef\xbf\xbd" : "");
        strcat(text, rows[r].tail);
        assert_int_equal(v8c_is_utf8(text, strlen(text)), !rows[r].tail[0]);
        struct v8c_value *value = v8c_string_utf8(w.isolate, text, strlen(text));
        size_t len = strlen(expected), units;
        assert_int_equal(v8c_string_length(value), PIECES * rows[r].units + !!rows[r].tail[0]);
        assert_int_equal(v8c_string_is_latin1(value), rows[r].is_latin1);
        assert_int_equal(v8c_string_utf8_length(w.isolate, value), len);
        assert_int_equal(v8c_string_write_utf8(w.isolate, value, out, sizeof(out)), len);
        assert_memory_equal(out, expected, len);
        assert_int_equal(v8c_string_write_utf8(w.isolate, value, out, len), len);
        size_t some = v8c_string_write_utf8_part(w.isolate, value, out, len - 1, &units);
        assert_in_range(some, len - 4, len - 1); /* not a part of the last one */
        assert_memory_equal(out, expected, some);
        assert_in_range(units, v8c_string_length(value) - 2, v8c_string_length(value) - 1);
    }
    assert_true(v8c_is_utf8("", 0));
    world_close(&w);
}

static void count_free(void *arg)
{
    ++*(int *)arg;
}

static void external_string_is_freed_once(void **state)
{
    static const char text[] = "a string long enough to be worth it, living outside of the heap";
    int freed = 0;
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_scope inner;
    v8c_scope_enter(&inner, w.isolate, w.context);
    struct v8c_value *s = v8c_string_external(w.isolate, text, sizeof text - 1, count_free, &freed);
    world_assert_text(&w, s, text);
    v8c_scope_exit(&inner);
    assert_int_equal(freed, 0);
    world_collect(&w);
    assert_int_equal(freed, 1);
    v8c_string_external(w.isolate, text, sizeof text - 1, count_free, &freed);
    v8c_string_external(w.isolate, "", 0, count_free, &freed);
    assert_int_equal(freed, 2); /* the empty one */
    world_close(&w);
    assert_int_equal(freed, 3); /* with the isolate */
}

static void properties(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *key = v8c_key(is, "k"), *object = v8c_object_new(is);
    assert_int_equal(v8c_has(is, object, key, &w.error), 0);
    assert_true(v8c_is(v8c_get(is, object, key, &w.error), V8C_UNDEFINED));
    assert_true(v8c_set(is, object, key, v8c_int(is, 1), &w.error));
    assert_int_equal(v8c_has(is, object, key, &w.error), 1);
    assert_true(v8c_set_index(is, object, 7, v8c_int(is, 2), &w.error));
    assert_int_equal(v8c_int_value(v8c_get_index(is, object, 7, &w.error)), 2);
    struct v8c_value *keys = v8c_keys(is, object, &w.error);
    assert_int_equal(v8c_array_length(keys), 2);
    world_assert_text(&w, v8c_get_index(is, keys, 0, &w.error), "7");
    assert_true(v8c_delete(is, object, key, &w.error));
    assert_int_equal(v8c_has(is, object, key, &w.error), 0);

    struct v8c_value *names[] = {v8c_key(is, "a"), v8c_key(is, "b")};
    struct v8c_value *values[] = {v8c_int(is, 1), v8c_int(is, 2)};
    world_define(&w, "made", v8c_object_from(is, NULL, names, values, 2));
    assert_true(world_is_true(&w, "made.a === 1 && made.b === 2 && !('toString' in made)"));
    world_define(&w, "list", v8c_array_new(is, values, 2));
    assert_true(world_is_true(&w, "Array.isArray(list) && list.join() === '1,2'"));
    world_close(&w);
}

static void getters_run_and_their_exceptions_are_errors(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *key = v8c_key(is, "x");
    struct v8c_value *trap = world_run(&w, "({get x() { throw new Error('got') },"
                                           "  set x(v) { throw new Error('set') }})");
    assert_null(v8c_get(is, trap, key, &w.error));
    assert_string_equal(w.error.text, "Uncaught Error: got");
    assert_false(v8c_set(is, trap, key, key, &w.error));
    assert_string_equal(w.error.text, "Uncaught Error: set");
    assert_true(v8c_define(is, trap, key, v8c_int(is, 1), &w.error)); /* no setter runs */
    struct v8c_value *proxy = world_run(&w, "new Proxy({}, {has() { throw 'no' },"
                                            "ownKeys() { throw 1 }})");
    assert_int_equal(v8c_has(is, proxy, key, &w.error), -1);
    assert_null(v8c_keys(is, proxy, &w.error));
    assert_null(v8c_to_string(is, world_run(&w, "({toString() { throw null }})"), &w.error));
    assert_true(v8c_is(w.error.exception, V8C_NULL));
    world_close(&w);
}

static void json_both_ways(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_isolate *is = w.isolate;
    struct v8c_value *value = v8c_json_parse(is, world_run(&w, "'{\"a\":[1,null]}'"), &w.error);
    world_assert_text(&w, v8c_json_stringify(is, value, &w.error), "{\"a\":[1,null]}");
    assert_null(v8c_json_parse(is, world_run(&w, "'{'"), &w.error));
    assert_int_equal(w.error.kind, V8C_EXCEPTION);
    assert_null(v8c_json_stringify(is, world_run(&w, "let o = {}; o.o = o"), &w.error));
    world_close(&w);
}

int values_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_of_each_value),
        cmocka_unit_test(numbers_go_in_and_come_out),
        cmocka_unit_test(strings_keep_their_units),
        cmocka_unit_test(long_strings_are_as_short_ones),
        cmocka_unit_test(external_string_is_freed_once),
        cmocka_unit_test(properties),
        cmocka_unit_test(getters_run_and_their_exceptions_are_errors),
        cmocka_unit_test(json_both_ways),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
