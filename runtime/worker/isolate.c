#include "runtime/worker/isolate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/start.h"
#include "runtime/worker/script.h"
#include "runtime/worker/stack_trace.h"
#include "runtime/worker/worker.h"

/* ---- V8's hooks ---- */

static size_t on_heap_limit(struct v8c_isolate *v8, size_t current, size_t initial)
{
    struct isolate *i = v8c_isolate_data(v8);
    const struct script *s = i->worker->script;
    size_t most = s ? s->limits.heap_bytes : ISOLATE_HEAP_FLOOR;
    struct v8c_heap_stats stats;
    v8c_isolate_heap_stats(v8, &stats);
    if (current < most && stats.committed_bytes < most)
        return most; /* it was the floor only */
    /* Asked again: a builtin that cannot be interrupted wants one large piece, an array of up to 1
     * GiB while it copies the former. It gets it for a moment; the alternative is that V8 ends the
     * process. */
    size_t margin = i->heap_is_full ? ISOLATE_ARRAY_MARGIN : ISOLATE_HEAP_MARGIN;
    i->heap_is_full = true;
    v8c_isolate_terminate(v8);
    /* Or it has its piece already, and the heap stands far above its limit: V8 would end the
     * process for the next page. */
    return (stats.committed_bytes > current ? stats.committed_bytes : current) + margin;
}

static void on_collection(struct v8c_isolate *v8, bool begins)
{
    struct isolate *i = v8c_isolate_data(v8);
    monitor_collects(&i->worker->monitor, begins);
}

static void on_optimization(struct v8c_isolate *v8, bool begins)
{
    struct isolate *i = v8c_isolate_data(v8);
    meter_spare(&i->worker->meter, monitor_optimizes(&i->worker->monitor, begins));
}

static void add_rejection(struct isolate *i, struct v8c_value *promise, bool is_late)
{
    if (i->rejection_count < ISOLATE_REJECTIONS_MAX)
        i->rejections[i->rejection_count++] =
            (struct isolate_rejection){v8c_global_new(i->v8, promise), is_late};
}

static void remove_rejection(struct isolate *i, size_t n)
{
    v8c_global_free(i->rejections[n].promise);
    i->rejection_count--;
    memmove(&i->rejections[n], &i->rejections[n + 1],
            (i->rejection_count - n) * sizeof(*i->rejections));
}

static bool find_and_remove(struct isolate *i, struct v8c_value *promise)
{
    for (size_t n = 0; n < i->rejection_count; n++) {
        if (!v8c_same(v8c_global_get(i->rejections[n].promise), promise))
            continue;
        remove_rejection(i, n);
        return true;
    }
    return false;
}

static void on_rejection(struct v8c_isolate *v8, enum v8c_rejection what, struct v8c_value *promise,
                         struct v8c_value *reason)
{
    struct isolate *i = v8c_isolate_data(v8);
    (void)reason;
    if (what == V8C_REJECTED_UNHANDLED) {
        add_rejection(i, promise, false);
        return;
    }
    if (!find_and_remove(i, promise))
        add_rejection(i, promise, true);
}

void isolate_told_rejection(struct isolate *i, struct v8c_value *promise)
{
    find_and_remove(i, promise);
}

void isolate_take_rejection(struct isolate *i, struct v8c_value *argv[3])
{
    const struct isolate_rejection first = i->rejections[0];
    argv[0] = v8c_global_get(first.promise);
    argv[1] = v8c_promise_result(argv[0]);
    argv[2] = v8c_bool(i->v8, first.is_late);
    remove_rejection(i, 0);
}

void isolate_log_rejections(struct isolate *i, uint64_t request_id)
{
    while (i->rejection_count > 0) {
        struct v8c_value *argv[3];
        struct v8c_error error;
        bool is_late = i->rejections[0].is_late;
        isolate_take_rejection(i, argv);
        if (is_late)
            continue;
        v8c_error_describe(i->v8, argv[1], &error);
        char text[sizeof(error.stack) + 64];
        int len = snprintf(text, sizeof(text), "unhandled rejection: %s",
                           error.stack[0] ? error.stack : error.text);
        worker_log(i->worker, request_id, "error", text, (size_t)len);
    }
}

/* ---- start ---- */

static struct v8c_value *on_import(struct v8c_isolate *v8, struct v8c_value *referrer_name,
                                   struct v8c_value *specifier)
{
    struct isolate *i = v8c_isolate_data(v8);
    return module_import(&i->modules, referrer_name, specifier);
}

void isolate_prepare(struct worker *w, const struct v8c_native_entry *natives)
{
    struct isolate *i = calloc(1, sizeof(*i));
    assert(i);
    i->worker = w;
    i->slices_to_pump = 1;
    const struct v8c_isolate_params params = {
        .blob = &w->base,
        .natives = natives,
        .heap_bytes_max = ISOLATE_HEAP_FLOOR,
        .young_bytes_max = ISOLATE_YOUNG_MAX,
        .buffer_bytes_max = ISOLATE_HEAP_FLOOR,
        .on_heap_limit = on_heap_limit,
        .on_collection = on_collection,
        .on_optimization = on_optimization,
        .on_rejection = on_rejection,
        .on_import = on_import,
        .data = i,
    };
    i->v8 = v8c_isolate_new(&params, NULL);
    assert(i->v8); /* the snapshot was checked at start */
    i->context = v8c_context_new(i->v8);
    assert(i->context);

    w->isolate = i;
}

/* For the log, and for hearthd. */
static void log_load_failure(struct isolate *i, const char *text, size_t len)
{
    char mapped[START_LOG_TEXT_BYTES_MAX + 4];
    len = stack_trace_map(i->worker->script, text, len, mapped, sizeof(mapped));
    report_log(&i->worker->report, i->worker->now_ns, 0, "error", mapped, len);
    i->load_error = strndup(mapped, len);
    assert(i->load_error);
}

static void log_load_error(struct isolate *i, const struct v8c_error *error)
{
    char text[sizeof(error->stack) + sizeof(error->text)];
    int len;
    if (error->kind == V8C_TERMINATED)
        len = snprintf(text, sizeof(text), "the script's top level used more than %s",
                       i->heap_is_full ? "its memory" : "its CPU time");
    else if (error->stack[0] && strstr(error->stack, "\n    at "))
        len = snprintf(text, sizeof(text), "%s", error->stack);
    else if (error->name[0]) /* a syntax error: nothing ran */
        len = snprintf(text, sizeof(text), "%s:%d:%d: %s", error->name, error->line, error->column,
                       error->text);
    else
        len = snprintf(text, sizeof(text), "%s", error->text);
    log_load_failure(i, text, (size_t)len);
}

static struct v8c_value *bindings_of(struct isolate *i)
{
    const struct script *s = i->worker->script;
    struct v8c_value *names[JOB_BINDINGS_MAX];
    for (uint32_t n = 0; n < s->binding_count; n++)
        names[n] = v8c_string_latin1(i->v8, s->bindings[n], strlen(s->bindings[n]));
    return v8c_array_new(i->v8, names, s->binding_count);
}

/* What the top level may use of the script's vars and bindings. NULL: error says why not. */
static struct v8c_value *prepare(struct isolate *i, struct v8c_error *error)
{
    const struct script *s = i->worker->script;
    struct v8c_value *vars =
        v8c_json_parse(i->v8, v8c_string_utf8(i->v8, s->vars, strlen(s->vars)), error);
    if (!vars)
        return NULL;
    struct v8c_value *is_global = v8c_bool(i->v8, s->modules[s->main].kind == MODULE_SCRIPT);
    return v8c_function_call(i->v8, v8c_slot(i->v8, WEB_PREPARE), NULL, 3,
                             (struct v8c_value *[]){vars, bindings_of(i), is_global}, error);
}

/* Runs the script's top level. Its default export, undefined of a service worker, or NULL. */
static struct v8c_value *run_top_level(struct isolate *i, uint64_t *compiled_ns,
                                       struct v8c_error *error)
{
    const struct script *s = i->worker->script;
    if (s->modules[s->main].kind == MODULE_SCRIPT)
        return module_run_script(&i->modules, error) ? v8c_undefined(i->v8) : NULL;
    struct v8c_module *main_module = module_compile_main(&i->modules, error);
    *compiled_ns = worker_read_clock(i->worker);
    struct v8c_value *namespace =
        main_module ? module_run_main(&i->modules, main_module, error) : NULL;
    return namespace ? v8c_get(i->v8, namespace, v8c_key(i->v8, "default"), error) : NULL;
}

/* Runs the script's top level and hands its default export to runtime/web. */
static bool load(struct isolate *i, uint64_t *compiled_ns)
{
    struct v8c_error error = {0};
    struct v8c_value *exported = NULL, *has_fetch = NULL;
    if (prepare(i, &error))
        exported = run_top_level(i, compiled_ns, &error);
    if (exported)
        has_fetch = v8c_function_call(i->v8, v8c_slot(i->v8, WEB_LOAD), NULL, 1, &exported, &error);
    if (!has_fetch) {
        log_load_error(i, &error);
        return false;
    }
    if (!v8c_bool_value(i->v8, has_fetch)) {
        static const char text[] =
            "the script has no handler: its main module must `export default { fetch }`";
        log_load_failure(i, text, sizeof(text) - 1);
        return false;
    }
    return true;
}

/* The script's handlers hear of them, and may cause more. */
static void tell_rejections(struct isolate *i)
{
    struct v8c_error error;
    struct v8c_value *argv[3];
    while (i->rejection_count > 0) {
        isolate_take_rejection(i, argv);
        if (!v8c_function_call(i->v8, v8c_slot(i->v8, WEB_ON_REJECTION), NULL, 3, argv, &error) ||
            !v8c_microtasks_run(i->v8, &error))
            return;
        isolate_told_rejection(i, argv[0]);
    }
}

static enum job_error load_within_limits(struct isolate *i, uint64_t *compiled_ns)
{
    struct worker *w = i->worker;
    struct v8c_scope scope;
    worker_executes(w, NULL, 0);
    v8c_scope_enter(&scope, i->v8, i->context);
    monitor_enter(&w->monitor, i->v8, ISOLATE_STARTUP_CPU_MS * 1000000ull);
    bool is_loaded = load(i, compiled_ns);
    if (is_loaded) /* else they are the error that the log has already */
        tell_rejections(i);
    bool was_struck = monitor_exit(&w->monitor);
    if (was_struck || i->heap_is_full) {
        v8c_isolate_resume(i->v8);
        if (is_loaded) /* it ended before it could be stopped */
            log_load_error(i, &(struct v8c_error){.kind = V8C_TERMINATED});
        is_loaded = false;
    }
    if (is_loaded)
        isolate_log_rejections(i, 0);
    v8c_scope_exit(&scope);
    worker_rests(w);
    return is_loaded ? JOB_ERROR_NONE : i->heap_is_full ? JOB_ERROR_MEMORY_LIMIT : JOB_ERROR_LOAD;
}

static uint32_t us_between(uint64_t from_ns, uint64_t to_ns)
{
    return (uint32_t)((to_ns - from_ns) / 1000);
}

static void start_begins(struct isolate *i)
{
    i->cold = (struct cold_start){.began_ns = worker_read_clock(i->worker)};
}

static void start_ends(struct isolate *i, uint64_t ended_ns)
{
    i->cold.us = us_between(i->cold.began_ns, ended_ns);
    if (i->cold.us <= JOB_START_WARMING)
        i->cold.us = JOB_START_WARMING + 1;
}

enum job_error isolate_load(struct worker *w)
{
    struct isolate *i = w->isolate;
    start_begins(i);
    uint64_t compiled_ns = w->now_ns;
    module_set_init(&i->modules, i->v8, w->script);
    v8c_isolate_limit_buffers(i->v8, w->script->limits.heap_bytes);
    enum job_error error = load_within_limits(i, &compiled_ns);
    uint64_t ended_ns = worker_read_clock(w);
    start_ends(i, ended_ns);
    i->cold.phase_us[JOB_PHASE_COMPILE] = us_between(i->cold.began_ns, compiled_ns);
    i->cold.phase_us[JOB_PHASE_TOP_LEVEL] = us_between(compiled_ns, ended_ns);
    return error;
}

void isolate_copy_begins(struct isolate *i)
{
    start_begins(i);
}

void isolate_copy_ends(struct isolate *i)
{
    start_ends(i, worker_read_clock(i->worker));
}

void isolate_renew(struct isolate *i)
{
    struct v8c_scope scope;
    struct v8c_error error;
    v8c_scope_enter(&scope, i->v8, i->context);
    struct v8c_value *done =
        v8c_function_call(i->v8, v8c_slot(i->v8, WEB_RENEW), NULL, 0, NULL, &error);
    assert(done);
    (void)done;
    v8c_scope_exit(&scope);
}

void isolate_unload(struct isolate *i)
{
    struct v8c_scope scope;
    struct v8c_error error;
    assert(!i->requests && i->waits == 0);
    v8c_scope_enter(&scope, i->v8, i->context);
    struct v8c_value *none = v8c_undefined(i->v8);
    struct v8c_value *done =
        v8c_function_call(i->v8, v8c_slot(i->v8, WEB_PREPARE), NULL, 1, &none, &error);
    assert(done);
    done = v8c_function_call(i->v8, v8c_slot(i->v8, WEB_LOAD), NULL, 1, &none, &error);
    assert(done);
    v8c_continuation_set(i->v8, none);
    module_set_fini(&i->modules);
    v8c_scope_exit(&scope);
    isolate_renew(i);
    i->cold = (struct cold_start){0};
    i->unsaid_cpu_ns = 0;
    i->slices_to_pump = 1;
}

void isolate_forget_later(struct isolate *i, enum web_entry entry, double argument)
{
    if (i->forget_count == i->forget_cap) {
        i->forget_cap = i->forget_cap ? i->forget_cap * 2 : 16;
        i->forgets = realloc(i->forgets, i->forget_cap * sizeof(*i->forgets));
        assert(i->forgets);
    }
    i->forgets[i->forget_count++] = (struct isolate_forget){entry, argument};
}
