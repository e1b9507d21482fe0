#include "world.h"

#include <time.h>

#include "v8c_host.h"

double world_clock_ms;

static double clock_ms(struct v8c_isolate *isolate, void *data)
{
    if (world_clock_ms != 0)
        return world_clock_ms;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void native_add(struct v8c_call *call)
{
    v8c_call_return_number(call, v8c_number_value(v8c_call_arg(call, 0)) +
                                     v8c_number_value(v8c_call_arg(call, 1)));
}

static void native_throw(struct v8c_call *call)
{
    v8c_throw_new(call->isolate, V8C_RANGE_ERROR, "from C");
}

static void native_data(struct v8c_call *call)
{
    v8c_call_return(call, v8c_call_data(call));
}

static void native_call_back(struct v8c_call *call)
{
    struct v8c_value *result =
        v8c_function_call(call->isolate, v8c_call_arg(call, 0), NULL, 0, NULL, NULL);
    if (result)
        v8c_call_return(call, result);
}

static void native_swallow(struct v8c_call *call)
{
    struct v8c_error error = {0};
    v8c_function_call(call->isolate, v8c_call_arg(call, 0), NULL, 0, NULL, &error);
    if (error.kind != V8C_TERMINATED)
        v8c_call_return_int(call, (int32_t)error.kind);
}

static void native_terminate(struct v8c_call *call)
{
    v8c_isolate_terminate(call->isolate);
}

static void native_is_new(struct v8c_call *call)
{
    struct world *world = v8c_isolate_data(call->isolate);
    world->called = v8c_call_is_construct(call) ? 2 : 1;
}

static void native_follows(struct v8c_call *call)
{
    v8c_call_return(call, v8c_continuation(call->isolate));
}

static void native_where(struct v8c_call *call)
{
    char besides[32], text[V8C_ERROR_NAME_MAX + 16] = "nowhere";
    struct v8c_error error;
    size_t len =
        v8c_string_write_utf8(call->isolate, v8c_call_arg(call, 0), besides, sizeof(besides) - 1);
    besides[len] = '\0';
    if (v8c_error_where(call->isolate, besides, &error))
        snprintf(text, sizeof(text), "%s:%d", error.name, error.line);
    v8c_call_return(call, v8c_string_utf8(call->isolate, text, strlen(text)));
}

const struct v8c_native_entry world_natives[] = {
    [NATIVE_ADD] = {"add", native_add},
    [NATIVE_THROW] = {"throwFromC", native_throw},
    [NATIVE_DATA] = {"data", native_data},
    [NATIVE_CALL_BACK] = {"callBack", native_call_back},
    [NATIVE_SWALLOW] = {"swallow", native_swallow},
    [NATIVE_TERMINATE] = {"terminate", native_terminate},
    [NATIVE_IS_NEW] = {"isNew", native_is_new},
    [NATIVE_FOLLOWS] = {"follows", native_follows},
    [NATIVE_WHERE] = {"where", native_where},
    {0},
};

void world_define(struct world *w, const char *name, struct v8c_value *value)
{
    assert_true(v8c_define(w->isolate, v8c_global_this(w->isolate), v8c_key(w->isolate, name),
                           value, &w->error));
}

void world_open(struct world *w, struct v8c_isolate_params params)
{
    const char *why = NULL;
    memset(w, 0, sizeof *w);
    params.natives = world_natives;
    params.data = w;
    w->isolate = v8c_isolate_new(&params, &why);
    if (!w->isolate)
        fail_msg("no isolate: %s", why);
    w->context = v8c_context_new(w->isolate);
    assert_non_null(w->context);
    v8c_scope_enter(&w->scope, w->isolate, w->context);
}

void world_close(struct world *w)
{
    v8c_scope_exit(&w->scope);
    v8c_isolate_free(w->isolate);
}

struct v8c_value *world_run(struct world *w, const char *script)
{
    struct v8c_value *result = v8c_run(w->isolate, "test.js", script, &w->error);
    if (!result)
        fail_msg("%s\n%s", w->error.text, w->error.stack);
    return result;
}

void world_throws(struct world *w, const char *script)
{
    assert_null(v8c_run(w->isolate, "test.js", script, &w->error));
}

bool world_is_true(struct world *w, const char *script)
{
    struct v8c_value *result = world_run(w, script);
    return v8c_is(result, V8C_BOOL) && v8c_bool_value(w->isolate, result);
}

void world_assert_text(struct world *w, struct v8c_value *string, const char *text)
{
    char buf[4096];
    assert_non_null(string);
    assert_true(v8c_is(string, V8C_STRING));
    size_t len = v8c_string_write_utf8(w->isolate, string, buf, sizeof buf - 1);
    buf[len] = 0;
    assert_string_equal(buf, text);
}

void world_collect(struct world *w)
{
    v8c_isolate_pressure(w->isolate, V8C_PRESSURE_CRITICAL);
    v8c_isolate_pressure(w->isolate, V8C_PRESSURE_NONE);
    v8c_pump(w->isolate);
}

struct v8c_blob world_snapshot(const struct v8c_blob *base, const char *script)
{
    struct v8c_blob blob;
    struct v8c_error error = {0};
    struct v8c_isolate_params params = {.blob = base, .natives = world_natives};
    struct v8c_isolate *builder = v8c_snapshot_new(&params, NULL);
    assert_non_null(builder);
    struct v8c_context *context = v8c_context_new(builder);
    struct v8c_scope scope;
    v8c_scope_enter(&scope, builder, context);
    if (!v8c_run(builder, "snapshot.js", script, &error))
        fail_msg("%s\n%s", error.text, error.stack);
    v8c_scope_exit(&scope);
    assert_true(v8c_snapshot_take(builder, context, true, &blob));
    return blob;
}

static const struct {
    const char *name;
    int (*run)(void);
} groups[] = {
    {"values", values_tests},       {"functions", functions_tests}, {"bytes", bytes_tests},
    {"promises", promises_tests},   {"modules", modules_tests},     {"clone", clone_tests},
    {"snapshots", snapshots_tests}, {"limits", limits_tests},       {"isolates", isolates_tests},
};

static void tell(bool is_memory, const char *where, const char *what, void *data)
{
    fprintf(stderr, "told: %s: %s: %s\n", is_memory ? "memory" : "check", where, what);
}

/* A process of its own, started by a test: runs out of memory with nobody to ask. */
static int die(void)
{
    struct world w;
    v8c_init(&(struct v8c_init_params){.fatal = tell});
    world_open(&w, (struct v8c_isolate_params){.heap_bytes_max = 16 << 20});
    world_run(&w, "const keep = []; for (;;) keep.push({a: [keep.length]})");
    return 0;
}

static void at_exit(void)
{
    fprintf(stderr, "at exit\n");
}

int v8c_main(int argc, char **argv)
{
    int failed = 0;
    if (argc > 1 && strcmp(argv[1], "die") == 0)
        return die();
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return atexit(at_exit) == 0 ? 42 : 1;
    v8c_init(&(struct v8c_init_params){
        .flags = "--single-threaded-gc", .threads = 1, .clock_ms = clock_ms});
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (argc < 2 || strcmp(argv[1], groups[i].name) == 0)
            failed += groups[i].run();
    }
    v8c_fini();
    return failed;
}
