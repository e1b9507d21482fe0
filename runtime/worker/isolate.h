/* isolate.h
 *
 * A warm script: one V8 heap that has run the script's top level.
 *
 *   cold start -> warm, in the pool -> evicted (idle, memory wanted) | condemned (broke a limit)
 *
 * One spare heap without a script is made ahead of time when the process is idle: a cold start then
 * costs the script's own compilation and top level only (0.1 ms instead of 1 to 2 ms).
 *
 * Pinned while it has requests, running or held by waitUntil: as often as it has. The sum of what
 * V8 says the heaps take is kept under the process's budget by evicting the least valuable idle
 * ones (warm_pool.h); one that passes its own limit is condemned: its requests are answered with an
 * error and the heap is freed.
 *
 * Single thread.
 *
 * Rejected: no spare. It also keeps a heap alive when the last script's goes: else V8 would rebuild
 * the read-only one that all share, 697 us for an isolate instead of 458.
 */
#ifndef HEARTH_WORKER_ISOLATE_H
#define HEARTH_WORKER_ISOLATE_H

#include "runtime/job.h"
#include "runtime/libv8c/v8c.h"
#include "runtime/worker/warm_pool.h"
#include "runtime/worker/web.h"

struct lane;
struct request;
struct script;
struct worker;

struct script_module;

#define ISOLATE_ARRAY_MARGIN ((size_t)2 << 30) /* beyond that, for one array */

enum {
    ISOLATE_REJECTIONS_MAX = 64, /* watched at a time; more are not reported */
    ISOLATE_STARTUP_CPU_MS = 400,
    ISOLATE_BYTES_GUESS = 2 << 20,  /* of one that does not exist yet */
    ISOLATE_MEASURE_SLICES = 256,   /* how often the heap is measured while it works */
    ISOLATE_HEAP_MARGIN = 32 << 20, /* beyond the limit, to unwind in */
};

struct isolate_forget {
    enum web_entry entry;
    double argument;
};

/* A module of the script that was compiled in this isolate. */
struct isolate_module {
    struct script_module *source;
    struct v8c_global *module;
};

struct isolate {
    struct worker *worker;
    struct script *script;
    struct v8c_isolate *v8;
    struct v8c_context *context;

    struct warm_entry warm; /* in the pool; pinned once by each request */
    struct request *requests;
    uint32_t waits; /* timers, reads and writes that an event will end; none: nobody can be answered
                       any more */

    uint32_t slices_to_measure;
    uint64_t ready_at[JOB_LANES_MAX]; /* lane.taken and what waited, when it had started */
    bool heap_is_full;
    bool is_unwanted; /* hearthd asked for its eviction while it was busy */
    bool is_condemned;
    enum job_error condemned_why;

    struct isolate_module *modules; /* room for all of the script's */
    size_t module_count;
    struct v8c_global *rejections[ISOLATE_REJECTIONS_MAX]; /* promises that nobody listens to yet */
    size_t rejection_count;

    struct isolate_forget *forgets; /* calls to make when the slice ends */
    size_t forget_count, forget_cap;
};

/* How long a cold start took, and its parts (job.h). */
struct cold_start {
    uint32_t us; /* 0: it was warm */
    uint32_t phase_us[JOB_PHASES];
};

/* The script's isolate, warm or started now, for a request: it counts as used. NULL: it could not,
 * *why says which error its request gets, and the log has the reason. */
struct isolate *isolate_of(struct worker *, struct script *, struct cold_start *,
                           enum job_error *why);

/* The slot that was taken from the lane last had come before the isolate had started: it waited for
 * that. */
bool isolate_was_awaited(const struct isolate *, const struct lane *);

/* The same for nobody's request yet (JOB_WARM), which is no use of the script. A guess may not push
 * out what is in use: in a full pool it takes the place only of what nobody asked for during
 * WARM_IDLE_NS. What is demanded takes it from the least recently used. */
struct isolate *isolate_warm(struct worker *, struct script *, bool is_demanded,
                             struct cold_start *, enum job_error *why);

/* Finds out whether the script loads: starts it if it is cold. It stays warm if it is to be kept
 * and that takes nobody's place. False: it does not, s->load_error says why. */
bool isolate_try(struct worker *, struct script *s, bool keeps, struct cold_start *);

/* Makes the spare if there is none and memory for it. True if it took the time to. */
bool isolate_refill_spare(struct worker *);

/* Calls the entry when the current slice of the isolate ends (or the next one). */
void isolate_forget_later(struct isolate *, enum web_entry, double argument);

/* Logs the rejections that nobody came to listen to, when the microtasks have run. */
void isolate_report_rejections(struct isolate *, const struct request *);

/* Takes V8's figures into the pool's sum. Of one in the pool. */
void isolate_measure(struct isolate *);

/* Answers all its requests with that error; it is freed by isolate_free, outside of its slice. */
void isolate_condemn(struct isolate *, enum job_error);
/* Outside of slices. Tells every lane that the script is cold now. */
void isolate_free(struct isolate *);
/* Frees idle ones that nobody asked for during idle_ns, the least valuable first, until `wanted`
 * bytes fit in the budget. False: they do not fit. */
bool isolate_make_room(struct worker *, size_t wanted, uint64_t idle_ns);

/* The n-th of the pool, in no order: an end moves the last one to its place. */
struct isolate *isolate_at(const struct worker *, uint32_t n);
/* The one of a script of that name that was used last, or NULL: several versions may be warm. */
struct isolate *isolate_named(const struct worker *, const char *name);

#endif
