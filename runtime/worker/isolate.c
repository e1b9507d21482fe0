#include "runtime/worker/isolate.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/lane.h"
#include "runtime/worker/module.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/worker.h"

/* ---- V8's hooks ---- */

static size_t on_heap_limit(struct v8c_isolate *v8, size_t current, size_t initial)
{
    struct isolate *i = v8c_isolate_data(v8);
    struct v8c_heap_stats stats;
    /* Asked again: a builtin that cannot be interrupted wants one large piece, an array of up to 1
     * GiB while it copies the former. It gets it for a moment; the alternative is that V8 ends the
     * process. */
    size_t margin = i->heap_is_full ? ISOLATE_ARRAY_MARGIN : ISOLATE_HEAP_MARGIN;
    i->heap_is_full = true;
    v8c_isolate_terminate(v8);
    /* Or it has its piece already, and the heap stands far above its limit: V8 would end the
     * process for the next page. */
    v8c_isolate_heap_stats(v8, &stats);
    return (stats.committed_bytes > current ? stats.committed_bytes : current) + margin;
}

static void on_collection(struct v8c_isolate *v8, bool begins)
{
    struct isolate *i = v8c_isolate_data(v8);
    monitor_collects(&i->worker->monitor, begins);
}

static void on_rejection(struct v8c_isolate *v8, enum v8c_rejection what, struct v8c_value *promise,
                         struct v8c_value *reason)
{
    struct isolate *i = v8c_isolate_data(v8);
    if (what == V8C_REJECTED_UNHANDLED) {
        if (i->rejection_count < ISOLATE_REJECTIONS_MAX)
            i->rejections[i->rejection_count++] = v8c_global_new(v8, promise);
        return;
    }
    for (size_t n = 0; n < i->rejection_count; n++) {
        if (!v8c_same(v8c_global_get(i->rejections[n]), promise))
            continue;
        v8c_global_free(i->rejections[n]);
        i->rejections[n] = i->rejections[--i->rejection_count];
        return;
    }
}

void isolate_report_rejections(struct isolate *i, const struct request *r)
{
    for (size_t n = 0; n < i->rejection_count; n++) {
        struct v8c_error error;
        v8c_error_describe(i->v8, v8c_promise_result(v8c_global_get(i->rejections[n])), &error);
        char text[sizeof(error.stack) + 64];
        int len = snprintf(text, sizeof(text), "unhandled rejection: %s",
                           error.stack[0] ? error.stack : error.text);
        report_log(i->worker, i->script->handle, r ? r->id : 0, "error", text, (size_t)len);
        v8c_global_free(i->rejections[n]);
    }
    i->rejection_count = 0;
}

static size_t heap_bytes(const struct isolate *i)
{
    struct v8c_heap_stats stats;
    v8c_isolate_heap_stats(i->v8, &stats);
    return stats.committed_bytes + stats.malloced_bytes + stats.external_bytes;
}

/* ---- start ---- */

/* For the log, and for whoever asks later why it does not load. */
static void log_load_failure(struct isolate *i, const char *text, size_t len)
{
    report_log(i->worker, i->script->handle, 0, "error", text, len);
    free(i->script->load_error);
    i->script->load_error = strndup(text, len);
    assert(i->script->load_error);
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
    struct v8c_value *names[JOB_BINDINGS_MAX];
    for (uint32_t n = 0; n < i->script->binding_count; n++)
        names[n] = v8c_string_latin1(i->v8, i->script->bindings[n], strlen(i->script->bindings[n]));
    return v8c_array_new(i->v8, names, i->script->binding_count);
}

/* Runs the script's top level and hands its default export to runtime/web. */
static bool load(struct isolate *i, uint64_t *compiled_ns)
{
    struct v8c_error error = {0};
    struct v8c_module *main_module = module_compile_main(i, &error);
    *compiled_ns = worker_read_clock(i->worker);
    struct v8c_value *namespace = main_module ? module_run_main(i, main_module, &error) : NULL;
    struct v8c_value *exported =
        namespace ? v8c_get(i->v8, namespace, v8c_key(i->v8, "default"), &error) : NULL;
    struct v8c_value *vars = v8c_json_parse(
        i->v8, v8c_string_utf8(i->v8, i->script->vars, strlen(i->script->vars)), &error);
    struct v8c_value *has_fetch = NULL;
    if (exported && vars)
        has_fetch =
            v8c_function_call(i->v8, v8c_slot(i->v8, WEB_LOAD), NULL, 3,
                              (struct v8c_value *[]){exported, vars, bindings_of(i)}, &error);
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

static bool load_within_limits(struct isolate *i, uint64_t *compiled_ns, size_t *bytes,
                               enum job_error *why)
{
    struct worker *w = i->worker;
    struct v8c_scope scope;
    *why = JOB_ERROR_LOAD;
    worker_executes(w, i->script, NULL);
    v8c_scope_enter(&scope, i->v8, i->context);
    monitor_enter(&w->monitor, i->v8, ISOLATE_STARTUP_CPU_MS * 1000000ull);
    bool is_loaded = load(i, compiled_ns);
    bool was_struck = monitor_exit(&w->monitor);
    if (was_struck || i->heap_is_full) {
        v8c_isolate_resume(i->v8);
        *why = i->heap_is_full ? JOB_ERROR_MEMORY_LIMIT : JOB_ERROR_LOAD;
        is_loaded = false;
    }
    if (is_loaded) { /* else they are the error that the log has already */
        isolate_report_rejections(i, NULL);
        *bytes = heap_bytes(i);
    }
    v8c_scope_exit(&scope);
    worker_executes(w, NULL, NULL);
    return is_loaded;
}

static void dispose(struct isolate *i)
{
    for (size_t n = 0; n < i->module_count; n++)
        v8c_global_free(i->modules[n].module);
    for (size_t n = 0; n < i->rejection_count; n++)
        v8c_global_free(i->rejections[n]);
    v8c_context_free(i->context);
    v8c_isolate_free(i->v8);
    free(i->modules);
    free(i->forgets);
    free(i);
}

/* A heap as the snapshot has it, with no script yet. */
static struct isolate *prepare(struct worker *w, size_t heap_bytes)
{
    struct isolate *i = calloc(1, sizeof(*i));
    assert(i);
    i->worker = w;
    i->slices_to_measure = 1;
    const struct v8c_isolate_params params = {
        .blob = &w->base,
        .natives = natives,
        .heap_bytes_max = heap_bytes,
        .buffer_bytes_max = heap_bytes,
        .on_heap_limit = on_heap_limit,
        .on_collection = on_collection,
        .on_rejection = on_rejection,
        .on_import = module_import,
        .data = i,
    };
    i->v8 = v8c_isolate_new(&params, NULL);
    assert(i->v8); /* the snapshot was checked at start */
    i->context = v8c_context_new(i->v8);
    assert(i->context);

    /* Every context gets it anew; what compiles bytes is not offered to scripts yet. */
    struct v8c_scope scope;
    v8c_scope_enter(&scope, i->v8, i->context);
    v8c_delete(i->v8, v8c_global_this(i->v8), v8c_key(i->v8, "WebAssembly"), NULL);
    v8c_scope_exit(&scope);
    return i;
}

bool isolate_refill_spare(struct worker *w)
{
    if (w->spare || !warm_pool_fits(&w->pool, ISOLATE_BYTES_GUESS))
        return false;
    w->spare = prepare(w, script_limits_default.heap_bytes);
    return true;
}

static uint32_t us_between(uint64_t from_ns, uint64_t to_ns)
{
    return (uint32_t)((to_ns - from_ns) / 1000);
}

/* What is in the rings now has come while it was being started. */
static void note_ready(struct isolate *i)
{
    const struct worker *w = i->worker;
    for (uint32_t l = 0; l < w->lane_count; l++)
        i->ready_at[l] = w->lanes[l]->taken + job_consumer_waiting(&w->lanes[l]->down);
}

bool isolate_was_awaited(const struct isolate *i, const struct lane *l)
{
    return l->taken <= i->ready_at[l->index];
}

/* counts: one of the script's statistics. */
static struct isolate *start_cold(struct worker *w, struct script *s, struct cold_start *cold,
                                  uint64_t *counts, enum job_error *why)
{
    uint64_t started_ns = worker_read_clock(w), compiled_ns;
    size_t bytes = 0;
    struct isolate *i = w->spare;
    if (i && s->limits.heap_bytes == script_limits_default.heap_bytes)
        w->spare = NULL;
    else
        i = prepare(w, s->limits.heap_bytes);
    i->script = s;
    i->modules = calloc(s->module_count, sizeof(*i->modules));
    assert(i->modules);
    uint64_t prepared_ns = worker_read_clock(w);
    bool is_loaded = load_within_limits(i, &compiled_ns, &bytes, why);
    uint64_t ended_ns = worker_read_clock(w);
    cold->us = us_between(started_ns, ended_ns);
    if (cold->us <= JOB_START_WARMING)
        cold->us = JOB_START_WARMING + 1;
    cold->phase_us[JOB_PHASE_ISOLATE] = us_between(started_ns, prepared_ns);
    cold->phase_us[JOB_PHASE_COMPILE] = us_between(prepared_ns, compiled_ns);
    cold->phase_us[JOB_PHASE_TOP_LEVEL] = us_between(compiled_ns, ended_ns);
    if (!is_loaded) {
        dispose(i);
        return NULL;
    }
    free(s->load_error);
    s->load_error = NULL;
    s->isolate = i;
    note_ready(i);
    (*counts)++;
    /* The script's own part. Whether a spare was there says nothing about the script. */
    warm_history_started(&s->history, us_between(prepared_ns, ended_ns));
    warm_pool_add(&w->pool, &i->warm, &s->history, bytes, w->now_ns);
    return i;
}

struct isolate *isolate_of(struct worker *w, struct script *s, struct cold_start *cold,
                           enum job_error *why)
{
    struct isolate *i = s->isolate;
    report_news(w, s);
    *cold = (struct cold_start){0};
    warm_history_ask(&s->history, w->pool.weights, w->now_ns);
    if (i) {
        s->stats.warm++;
        warm_pool_use(&w->pool, &i->warm, w->now_ns);
        return i;
    }
    if (!isolate_make_room(w, ISOLATE_BYTES_GUESS, 0)) {
        *why = JOB_ERROR_OVERLOAD;
        return NULL;
    }
    return start_cold(w, s, cold, &s->stats.cold, why);
}

struct isolate *isolate_warm(struct worker *w, struct script *s, bool is_demanded,
                             struct cold_start *cold, enum job_error *why)
{
    *cold = (struct cold_start){0};
    if (s->isolate)
        return s->isolate;
    report_news(w, s);
    if (!isolate_make_room(w, ISOLATE_BYTES_GUESS, is_demanded ? 0 : WARM_IDLE_NS)) {
        *why = JOB_ERROR_OVERLOAD;
        return NULL;
    }
    return start_cold(w, s, cold, &s->stats.ahead, why);
}

bool isolate_try(struct worker *w, struct script *s, bool keeps, struct cold_start *cold)
{
    enum job_error why;
    keeps = s->isolate || (keeps && isolate_make_room(w, ISOLATE_BYTES_GUESS, WARM_IDLE_NS));
    *cold = (struct cold_start){0};
    if (!s->isolate) {
        report_news(w, s);
        start_cold(w, s, cold, &s->stats.ahead, &why);
    }
    if (!s->isolate)
        return false;
    if (!keeps)
        isolate_free(s->isolate);
    return true;
}

/* ---- life and end ---- */

void isolate_forget_later(struct isolate *i, enum web_entry entry, double argument)
{
    if (i->forget_count == i->forget_cap) {
        i->forget_cap = i->forget_cap ? i->forget_cap * 2 : 16;
        i->forgets = realloc(i->forgets, i->forget_cap * sizeof(*i->forgets));
        assert(i->forgets);
    }
    i->forgets[i->forget_count++] = (struct isolate_forget){entry, argument};
}

void isolate_measure(struct isolate *i)
{
    warm_pool_resize(&i->worker->pool, &i->warm, heap_bytes(i));
    i->slices_to_measure = ISOLATE_MEASURE_SLICES;
}

void isolate_condemn(struct isolate *i, enum job_error why)
{
    if (i->is_condemned)
        return;
    i->is_condemned = true;
    i->condemned_why = why;
    i->script->stats.condemned++;
    while (i->requests)
        request_fail(i->worker, i->requests, why,
                     why == JOB_ERROR_MEMORY_LIMIT
                         ? "the script used more memory than its limit"
                         : "the script used more CPU time than its limit");
}

void isolate_free(struct isolate *i)
{
    struct worker *w = i->worker;
    struct script *s = i->script;
    assert(i->warm.pins == 0 && w->slice == NULL);
    if (!i->is_condemned && !s->is_forgotten) {
        struct v8c_scope scope;
        v8c_scope_enter(&scope, i->v8, i->context);
        module_keep_code(i);
        v8c_scope_exit(&scope);
    }
    warm_pool_remove(&w->pool, &i->warm);
    dispose(i);

    struct job_slot evicted = {.type = JOB_EVICTED, .arg = s->handle};
    for (uint32_t l = 0; l < w->lane_count; l++)
        lane_send(w->lanes[l], &evicted);
    report_news(w, s);
    script_isolate_gone(s);
}

static struct isolate *isolate_of_entry(struct warm_entry *e)
{
    return (struct isolate *)((char *)e - offsetof(struct isolate, warm));
}

struct isolate *isolate_at(const struct worker *w, uint32_t n)
{
    assert(n < w->pool.count);
    return isolate_of_entry(w->pool.item[n].entry);
}

struct isolate *isolate_named(const struct worker *w, const char *name)
{
    struct isolate *last = NULL;
    for (uint32_t n = 0; n < w->pool.count; n++) {
        struct isolate *i = isolate_at(w, n);
        if (strcmp(i->script->name, name) == 0 &&
            (!last || w->pool.item[n].used_ns > warm_pool_used_ns(&w->pool, &last->warm)))
            last = i;
    }
    return last;
}

bool isolate_make_room(struct worker *w, size_t wanted, uint64_t idle_ns)
{
    struct warm_pool *p = &w->pool;
    struct warm_entry *e;
    while (!warm_pool_fits(p, wanted) && (e = warm_pool_victim(p, idle_ns, w->now_ns))) {
        struct isolate *i = isolate_of_entry(e);
        i->script->stats.evicted++;
        isolate_free(i);
    }
    /* One is always allowed: a budget below one isolate would serve nobody. */
    return warm_pool_fits(p, wanted) || p->count == 0;
}
