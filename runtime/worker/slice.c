#include "runtime/worker/slice.h"

#include <string.h>

#include "runtime/worker/frame.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/request.h"
#include "runtime/worker/script.h"
#include "runtime/worker/worker.h"

enum { PUBLISH_AFTER_NS = 100000 };

struct request *slice_request(const struct slice *s)
{
    return s->ref ? request_find(s->worker, s->ref) : NULL;
}

struct request *slice_actor(const struct slice *s)
{
    double ref = frame_ref(s->v8);
    if (ref == 0) /* begun at the script's top level */
        return slice_request(s);
    return request_find(s->worker, ref);
}

void slice_enter(struct slice *s, struct worker *w, struct request *r)
{
    struct isolate *i = w->isolate;
    worker_read_clock(w);
    s->worker = w;
    s->v8 = i->v8;
    s->ref = r ? request_ref(r) : 0;
    meter_start(&w->meter, s->ref, w->now_ns);
    s->is_terminated = false;
    w->slice = s;

    uint64_t budget_ns = SLICE_CLEANUP_CPU_MS * 1000000ull;
    if (r)
        budget_ns = r->cpu_ns < r->cpu_limit_ns ? r->cpu_limit_ns - r->cpu_ns : 0;
    v8c_scope_enter(&s->scope, i->v8, i->context);
    frame_begin(i->v8, s->ref);
    if (r)
        worker_executes(w, r->lane, job_name(r->lane->index, r->slot, r->generation));
    else
        worker_executes(w, NULL, 0);
    monitor_enter(&w->monitor, i->v8, budget_ns);
}

static void spoil(struct worker *w, const char *why, bool serves)
{
    w->is_spoiled = true;
    report_spoiled(&w->report, why, serves);
}

void slice_condemn(struct worker *w, enum job_error error)
{
    const char *why = error == JOB_ERROR_MEMORY_LIMIT
                          ? "the script used more memory than its limit"
                          : "the script used more CPU time than its limit";
    if (w->isolate->is_condemned)
        return;
    w->isolate->is_condemned = true;
    w->refusal = JOB_ERROR_SPENT;
    requests_fail(w, error, why);
    spoil(w, why, false); /* before the errors are published: what follows them goes elsewhere */
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
        slice_condemn(s->worker, JOB_ERROR_MEMORY_LIMIT);
    } else if (r && r->state != REQUEST_AWAITS_PROMISES) {
        request_fail(s->worker, r, JOB_ERROR_EXCEPTION, text);
    } else {
        worker_log(s->worker, r ? r->id : 0, "error", text, strlen(text));
    }
}

void slice_call(struct slice *s, enum web_entry entry, size_t argc, struct v8c_value *const argv[])
{
    struct v8c_error error;
    if (s->is_terminated || s->worker->isolate->is_condemned)
        return;
    if (!v8c_function_call(s->v8, v8c_slot(s->v8, entry), NULL, argc, argv, &error))
        failed(s, &error);
}

static void run_microtasks(struct slice *s)
{
    struct v8c_error error;
    if (!s->is_terminated && !s->worker->isolate->is_condemned &&
        !v8c_microtasks_run(s->v8, &error))
        s->is_terminated = true;
}

/* V8's own tasks, with the monitor at work: the callbacks of a FinalizationRegistry are among them,
 * and these are the script's. Behind one that was struck another task would begin anew. */
static void run_tasks(struct slice *s)
{
    while (!s->is_terminated && !monitor_has_struck(&s->worker->monitor) && v8c_pump(s->v8))
        run_microtasks(s);
}

static void run_forgets(struct slice *s)
{
    struct isolate *i = s->worker->isolate;
    for (size_t n = 0; n < i->forget_count; n++) { /* the calls may add more */
        struct v8c_value *argument = v8c_number(s->v8, i->forgets[n].argument);
        slice_call(s, i->forgets[n].entry, 1, &argument);
    }
    if (i->forget_count)
        run_microtasks(s);
    i->forget_count = 0;
}

/* What the slice has used until now goes to its request. If that is over already, so much of it as
 * nobody was told. */
static uint64_t charge(struct slice *s)
{
    struct worker *w = s->worker;
    uint64_t unsaid_ns, cpu_ns = meter_take(&w->meter, worker_read_clock(w), &unsaid_ns);
    struct request *r = slice_request(s);
    if (r)
        r->cpu_ns += cpu_ns;
    else if (s->ref)
        w->isolate->unsaid_cpu_ns += unsaid_ns;
    return cpu_ns;
}

/* Around what runs for nobody's sake. Who is stopped in it loses the isolate. */
static void begin_clean_up(struct slice *s)
{
    monitor_enter(&s->worker->monitor, s->v8, SLICE_CLEANUP_CPU_MS * 1000000ull);
}

static void end_clean_up(struct slice *s)
{
    if (!monitor_exit(&s->worker->monitor) && !s->is_terminated)
        return;
    v8c_isolate_resume(s->v8);
    s->is_terminated = false;
    slice_condemn(s->worker, JOB_ERROR_CPU_LIMIT);
}

/* What was struck may be a collection, of which some are tasks too: the script need not have done
 * anything. So it keeps its isolate; a callback that was stopped has cost it 10 ms. */
static void clean_up_tasks(struct slice *s)
{
    if (s->worker->isolate->is_condemned)
        return;
    begin_clean_up(s);
    run_tasks(s);
    if (s->is_terminated)
        end_clean_up(s);
    else if (monitor_exit(&s->worker->monitor))
        v8c_isolate_resume(s->v8);
}

/* The JavaScript was stopped from outside: who pays? */
static void punish(struct slice *s)
{
    struct request *r = slice_request(s);
    v8c_isolate_resume(s->v8);
    s->is_terminated = false;
    if (s->worker->isolate->heap_is_full) {
        slice_condemn(s->worker, JOB_ERROR_MEMORY_LIMIT);
        return;
    }
    if (!r) { /* it had been answered, or none was running */
        slice_condemn(s->worker, JOB_ERROR_CPU_LIMIT);
        return;
    }
    request_fail(s->worker, r, JOB_ERROR_CPU_LIMIT,
                 "the request used more CPU time than its limit");
    if (!s->worker->is_spoiled)
        spoil(s->worker, "a request used more CPU time than its limit", true);
    begin_clean_up(s);
    run_microtasks(s);
    run_forgets(s);
    end_clean_up(s);
}

/* Nothing that could happen to the isolate is pending, and all its microtasks have run: whoever
 * still has no answer never gets one. */
static void end_the_stuck(struct slice *s)
{
    struct isolate *i = s->worker->isolate;
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

/* The script's handlers hear of them, on behalf of the slice's request, and may cause more. */
static void report_rejections(struct slice *s)
{
    struct isolate *i = s->worker->isolate;
    while (i->rejection_count > 0 && !s->is_terminated && !i->is_condemned) {
        struct v8c_value *argv[3];
        isolate_take_rejection(i, argv);
        v8c_continuation_set(s->v8, s->ref ? v8c_number(s->v8, s->ref) : v8c_undefined(s->v8));
        slice_call(s, WEB_ON_REJECTION, 3, argv);
        run_microtasks(s);
        isolate_told_rejection(i, argv[0]);
    }
    const struct request *r = slice_request(s);
    isolate_log_rejections(i, r ? r->id : 0);
}

/* Memories of WebAssembly, as they began, have the script's bound together. What they grow by is
 * the cell's to hearthd. Garbage is given back first. */
static void bound_foreign_bytes(struct slice *s)
{
    const struct script *script = s->worker->script;
    size_t most = script ? script->limits.heap_bytes : SIZE_MAX;
    if (v8c_isolate_foreign_bytes(s->v8) <= most || s->worker->isolate->is_condemned)
        return;
    v8c_isolate_pressure(s->v8, V8C_PRESSURE_CRITICAL);
    v8c_isolate_pressure(s->v8, V8C_PRESSURE_NONE);
    if (v8c_isolate_foreign_bytes(s->v8) > most)
        slice_condemn(s->worker, JOB_ERROR_MEMORY_LIMIT);
}

void slice_exit(struct slice *s)
{
    struct worker *w = s->worker;
    struct isolate *i = s->worker->isolate;

    run_microtasks(s);
    if (slice_request(s))
        request_flush_head(w, slice_request(s));
    if (i->forget_count)
        run_forgets(s);
    if (i->rejection_count)
        report_rejections(s);
    if (i->requests && i->waits == 0 && !s->is_terminated && !i->is_condemned) {
        run_tasks(s); /* before saying that nothing is under way */
        if (!s->is_terminated) {
            end_the_stuck(s);
            run_forgets(s);
        }
    }
    bool was_struck = monitor_exit(&w->monitor);
    uint64_t cpu_ns = charge(s);
    if (was_struck || s->is_terminated)
        punish(s);
    bound_foreign_bytes(s);
    if (--i->slices_to_pump == 0) {
        clean_up_tasks(s);
        i->slices_to_pump = ISOLATE_PUMP_SLICES;
    }
    v8c_scope_exit(&s->scope);
    w->slice = NULL;
    meter_stop(&w->meter);
    worker_rests(w);
    if (cpu_ns > PUBLISH_AFTER_NS)
        worker_publish(w); /* the others' answers have waited for this one */
}

void slice_clean_up(struct worker *w)
{
    if (w->isolate->forget_count == 0 || w->isolate->is_condemned)
        return;
    struct slice slice;
    slice_enter(&slice, w, NULL);
    slice_exit(&slice);
}
