#include "runtime/worker/slice.h"

#include <string.h>

#include "runtime/worker/isolate.h"
#include "runtime/worker/request.h"
#include "runtime/worker/script.h"
#include "runtime/worker/worker.h"

enum { LONG_SLICE_NS = 1000000, PUBLISH_AFTER_NS = 100000 };

struct request *slice_request(const struct slice *s)
{
    return s->ref ? request_find(s->worker, s->ref) : NULL;
}

struct request *slice_actor(const struct slice *s)
{
    struct v8c_value *ref = v8c_continuation(s->v8);
    if (!v8c_is(ref, V8C_NUMBER)) /* begun at the script's top level */
        return slice_request(s);
    struct request *r = request_find(s->worker, v8c_number_value(ref));
    return r && r->isolate == s->isolate ? r : NULL;
}

void slice_enter(struct slice *s, struct worker *w, struct isolate *i, struct request *r)
{
    worker_read_clock(w);
    s->worker = w;
    s->isolate = i;
    s->v8 = i->v8;
    s->ref = r ? request_ref(r) : 0;
    s->started_ns = w->now_ns;
    s->is_terminated = false;
    w->slice = s;

    uint64_t budget_ns = SLICE_CLEANUP_CPU_MS * 1000000ull;
    if (r)
        budget_ns = r->cpu_ns < r->cpu_limit_ns ? r->cpu_limit_ns - r->cpu_ns : 0;
    v8c_scope_enter(&s->scope, i->v8, i->context);
    v8c_continuation_set(i->v8, r ? v8c_number(i->v8, s->ref) : v8c_undefined(i->v8));
    worker_executes(w, i->script, r);
    monitor_enter(&w->monitor, i->v8, budget_ns);
}

static bool out_of_buffers(const struct v8c_error *error)
{
    return strstr(error->text, "Array buffer allocation failed") != NULL;
}

/* What a call that failed means for the slice. */
static void failed(struct slice *s, const struct v8c_error *error)
{
    if (error->kind == V8C_TERMINATED) {
        s->is_terminated = true;
        return;
    }
    struct request *r = slice_request(s);
    const char *text = error->stack[0] ? error->stack : error->text;
    if (out_of_buffers(error)) {
        isolate_condemn(s->isolate, JOB_ERROR_MEMORY_LIMIT);
    } else if (r && r->state != REQUEST_AWAITS_PROMISES) {
        request_fail(s->worker, r, JOB_ERROR_EXCEPTION, text);
    } else {
        report_log(s->worker, s->isolate->script->handle, r ? r->id : 0, "error", text,
                   strlen(text));
    }
}

void slice_call(struct slice *s, enum web_entry entry, size_t argc, struct v8c_value *const argv[])
{
    struct v8c_error error;
    if (s->is_terminated || s->isolate->is_condemned)
        return;
    if (!v8c_function_call(s->v8, v8c_slot(s->v8, entry), NULL, argc, argv, &error))
        failed(s, &error);
}

static void run_microtasks(struct slice *s)
{
    struct v8c_error error;
    if (!s->is_terminated && !s->isolate->is_condemned && !v8c_microtasks_run(s->v8, &error))
        s->is_terminated = true;
}

static void run_forgets(struct slice *s)
{
    struct isolate *i = s->isolate;
    for (size_t n = 0; n < i->forget_count; n++) { /* the calls may add more */
        struct v8c_value *argument = v8c_number(s->v8, i->forgets[n].argument);
        slice_call(s, i->forgets[n].entry, 1, &argument);
    }
    if (i->forget_count)
        run_microtasks(s);
    i->forget_count = 0;
}

/* CPU time of the slice: the wall time if that is short, the thread's clock if it was long enough
 * to be sure that reading it costs nothing in comparison. */
static uint64_t spent_ns(struct worker *w, uint64_t started_ns)
{
    uint64_t wall_ns = worker_read_clock(w) - started_ns;
    if (wall_ns < LONG_SLICE_NS)
        return wall_ns;
    uint64_t cpu_ns = worker_cpu_ns();
    uint64_t since_ns = cpu_ns - w->cpu_seen_ns;
    w->cpu_seen_ns = cpu_ns;
    return since_ns < wall_ns ? since_ns : wall_ns;
}

/* The JavaScript was stopped from outside: who pays? */
static void punish(struct slice *s)
{
    struct request *r = slice_request(s);
    v8c_isolate_resume(s->v8);
    s->is_terminated = false;
    if (s->isolate->heap_is_full) {
        isolate_condemn(s->isolate, JOB_ERROR_MEMORY_LIMIT);
        return;
    }
    if (!r) { /* it had been answered, or none was running */
        isolate_condemn(s->isolate, JOB_ERROR_CPU_LIMIT);
        return;
    }
    request_fail(s->worker, r, JOB_ERROR_CPU_LIMIT,
                 "the request used more CPU time than its limit");
    monitor_enter(&s->worker->monitor, s->v8, SLICE_CLEANUP_CPU_MS * 1000000ull);
    run_microtasks(s);
    run_forgets(s);
    if (monitor_exit(&s->worker->monitor) || s->is_terminated) {
        v8c_isolate_resume(s->v8);
        isolate_condemn(s->isolate, JOB_ERROR_CPU_LIMIT);
    }
}

/* Nothing that could happen to the isolate is pending, and all its microtasks have run: whoever
 * still has no answer never gets one. */
static void end_the_stuck(struct slice *s)
{
    struct isolate *i = s->isolate;
    if (i->waits > 0)
        return;
    for (struct request *r = i->requests, *next; r; r = next) {
        next = r->next;
        if (r->state == REQUEST_AWAITS_PROMISES)
            request_abandon(s->worker, r); /* promises that never settle */
        else
            request_fail(
                s->worker, r, JOB_ERROR_NO_RESPONSE,
                "the handler can never answer: its promise is pending and nothing is under way");
    }
}

void slice_exit(struct slice *s)
{
    struct worker *w = s->worker;
    struct isolate *i = s->isolate;

    run_microtasks(s);
    if (slice_request(s))
        request_flush_head(w, slice_request(s));
    if (i->forget_count)
        run_forgets(s);
    if (i->rejection_count)
        isolate_report_rejections(i, s->ref ? slice_request(s) : NULL);
    if (i->requests && i->waits == 0 && !s->is_terminated && !i->is_condemned) {
        while (v8c_pump(s->v8)) /* before saying that nothing is under way */
            run_microtasks(s);
        if (!s->is_terminated) {
            end_the_stuck(s);
            run_forgets(s);
        }
    }
    bool was_struck = monitor_exit(&w->monitor);
    uint64_t cpu_ns = spent_ns(w, s->started_ns);
    struct request *r = slice_request(s);
    if (r)
        r->cpu_ns += cpu_ns;
    i->script->stats.cpu_ns += cpu_ns;
    if (was_struck || s->is_terminated)
        punish(s);
    if (--i->slices_to_measure == 0) {
        v8c_pump(s->v8);
        isolate_measure(i);
    }
    v8c_scope_exit(&s->scope);
    w->slice = NULL;
    worker_executes(w, NULL, NULL);
    bool is_unwanted = i->is_unwanted || i->script->is_forgotten;
    if (i->is_condemned || (is_unwanted && i->warm.pins == 0))
        isolate_free(i);
    if (cpu_ns > PUBLISH_AFTER_NS)
        worker_publish(w); /* the others' answers have waited for this one */
}

void slice_clean_up(struct worker *w, struct isolate *i)
{
    bool is_unwanted = i->is_unwanted || i->script->is_forgotten;
    if (i->forget_count == 0 && !(is_unwanted && i->warm.pins == 0))
        return;
    struct slice slice;
    slice_enter(&slice, w, i, NULL);
    slice_exit(&slice);
}
