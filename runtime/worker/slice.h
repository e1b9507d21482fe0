/* slice.h
 *
 * One stretch of JavaScript: the only way into the isolate while the cell serves.
 *
 *   slice_enter -> slice_call ... -> slice_exit: microtasks, clean-up calls, limits, and is anybody
 * stuck?
 *
 * The CPU time between enter and exit is charged to the request that the slice is for, and the
 * monitor ends the slice when that request's budget is used up. A slice for no request (clean-up)
 * has a small budget of its own.
 *
 * A request that passes its CPU limit is answered with an error and the isolate goes on: V8 unwinds
 * a termination like an exception that nothing catches, so the heap is sound, and the other
 * requests of the script should not pay for one. What the termination cut off in the middle is the
 * script's own state, and no `finally` has run: so hearthd is told that the cell is spoiled, and
 * replaces it while it serves. If even the clean-up afterwards has to be stopped, if the strike hit
 * what runs for nobody, or if memory is the limit, the isolate is condemned: all requests end, and
 * there are no others.
 *
 * After slice_exit the request may be gone.
 *
 * Single thread.
 *
 * Rejected: condemning the isolate at each CPU limit. Ending the process with the isolate: what it
 * has just said in its rings would be lost with it, and hearthd would run again the very requests
 * that broke the limit. Timers, calls and log lines of whichever
 * request's event runs: one that awaits another's shared promise had its call cancelled with that
 * other. They belong to the request that began them (slice_actor), by V8's continuation data.
 */
#ifndef HEARTH_WORKER_SLICE_H
#define HEARTH_WORKER_SLICE_H

#include "runtime/job.h"
#include "runtime/libv8c/v8c.h"
#include "runtime/worker/web.h"

struct request;
struct worker;

enum { SLICE_CLEANUP_CPU_MS = 10 };

struct slice {
    struct worker *worker;
    struct v8c_isolate *v8;
    double ref; /* of the request; 0: none */
    struct v8c_scope scope;
    bool is_terminated;
};

/* request may be NULL. */
void slice_enter(struct slice *, struct worker *, struct request *);
/* An exception ends the slice's request. */
void slice_call(struct slice *, enum web_entry, size_t argc, struct v8c_value *const argv[]);
void slice_exit(struct slice *);

/* Requests were ended outside of slices: what JavaScript keeps for them goes in one of its own, if
 * there is anything. */
void slice_clean_up(struct worker *);
/* A limit was broken that leaves nothing to go on with: answers all requests with that error, and
 * says so to hearthd. */
void slice_condemn(struct worker *, enum job_error);

/* The request that the slice is for, and that pays for it; or NULL. */
struct request *slice_request(const struct slice *);
/* The request on whose behalf the JavaScript that runs now was begun, or NULL if that is over. It
 * is another than the slice's when what one request awaited was settled by another one: its timers,
 * calls and log lines are its own still. */
struct request *slice_actor(const struct slice *);

#endif
