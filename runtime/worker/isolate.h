/* isolate.h
 *
 * The cell's V8 heap: first with the web platform only, then with the script whose top level it has
 * run.
 *
 *   isolate_prepare --(fork)--> isolate_load -> serves -> condemned (broke a limit)
 *
 * It is made before its script is known, so its limit is a floor: when the heap comes near it, the
 * limit is raised to the script's own; that of its buffers is set with the script. Beyond that the
 * isolate is condemned: its requests are answered with an error, and the cell is of no more use
 * (slice.h).
 *
 * Single thread.
 *
 * Rejected: the script's limit from the start. It would have to be known before the fork, or the
 * heap made after it, which costs a cell 1.4 ms and 2 MB.
 */
#ifndef HEARTH_WORKER_ISOLATE_H
#define HEARTH_WORKER_ISOLATE_H

#include "runtime/job.h"
#include "runtime/libv8c/v8c.h"
#include "runtime/worker/key.h"
#include "runtime/worker/module.h"
#include "runtime/worker/web.h"

struct request;
struct worker;

#define ISOLATE_ARRAY_MARGIN ((size_t)2 << 30) /* beyond that, for one array */

enum {
    ISOLATE_REJECTIONS_MAX = 64, /* watched at a time; more are not reported */
    ISOLATE_STARTUP_CPU_MS = 400,
    ISOLATE_HEAP_FLOOR = 16 << 20, /* the limit without a script */
    /* Three semi-spaces of 4 MB; they begin at 1 MB and grow while what they hold survives. From
     * the floor V8 would make them 1 MB for good: rendering a page of components took 148 us so,
     * 115 with 4 MB, 112 with 8. */
    ISOLATE_YOUNG_MAX = 12 << 20,
    ISOLATE_HEAP_MARGIN = 32 << 20, /* beyond the limit, to unwind in */
    ISOLATE_PUMP_SLICES = 256,      /* how often V8's housekeeping runs while it works */
};

struct isolate_forget {
    enum web_entry entry;
    double argument;
};

/* How long the start of the script took, and its parts (job.h). */
struct cold_start {
    uint64_t began_ns;
    uint32_t us; /* 0: it has not been told to a job yet, or was */
    uint32_t phase_us[JOB_PHASES];
};

/* A promise that nobody listens to yet; or is_late: somebody does, after it was told otherwise. */
struct isolate_rejection {
    struct v8c_global *promise;
    bool is_late;
};

struct isolate {
    struct worker *worker;
    struct v8c_isolate *v8;
    struct v8c_context *context;

    struct request *requests;
    uint32_t waits; /* timers, reads and writes that an event will end; none: nobody can be answered
                       any more */

    uint64_t unsaid_cpu_ns; /* used behind the last word about a request, for it */
    uint32_t slices_to_pump;
    bool heap_is_full;
    bool is_condemned;

    struct key_room key_room; /* of crypto.subtle */
    struct module_set modules;
    char *load_error; /* why the script does not load, as the log has it; NULL: it does */
    struct cold_start cold;
    struct isolate_rejection rejections[ISOLATE_REJECTIONS_MAX];
    size_t rejection_count;

    struct isolate_forget *forgets; /* calls to make when the slice ends */
    size_t forget_count, forget_cap;
};

/* Makes the worker's, with the natives that the snapshot knows. */
void isolate_prepare(struct worker *, const struct v8c_native_entry *natives);

/* Runs the top level of the worker's script. JOB_ERROR_NONE, or what each of its requests gets:
 * isolate->load_error says why, and so does the log. */
enum job_error isolate_load(struct worker *);

/* A copy of it will be made, or begins: what the web platform has drawn and begun is forgotten. */
void isolate_renew(struct isolate *);
/* It is the copy of one that has run the script's top level: its start begins, and is over. */
void isolate_copy_begins(struct isolate *);
void isolate_copy_ends(struct isolate *);

/* Takes the script out again, when nothing of it is under way: as if there had been none. What it
 * had is garbage; what the web platform has drawn and begun for it is forgotten. */
void isolate_unload(struct isolate *);

/* Calls the entry when the current slice ends (or the next one). */
void isolate_forget_later(struct isolate *, enum web_entry, double argument);

/* When the microtasks have run: the oldest of the rejections that nobody came to listen to, as
 * WEB_ON_REJECTION takes it. There is one. */
void isolate_take_rejection(struct isolate *, struct v8c_value *argv[3]);
/* It was told: whoever began to listen meanwhile is not late. */
void isolate_told_rejection(struct isolate *, struct v8c_value *promise);
/* Logs them all, where no JavaScript can run any more. For the request of that id, 0: none. */
void isolate_log_rejections(struct isolate *, uint64_t request_id);

#endif
