/* worker.h
 *
 * The table on which all parts of a cell lie: its regions and lanes, its one isolate and script,
 * the requests, and what JavaScript runs now.
 *
 *   isolate   made before there is a script, and perhaps before the fork
 *   script    NULL until its packet has come; then for the cell's life
 *   regions   one, and a second, larger one for a script that got busy
 *
 * All of it belongs to one thread; the monitor (CPU limits) is the only other.
 */
#ifndef HEARTH_WORKER_H
#define HEARTH_WORKER_H

#include "runtime/job.h"
#include "runtime/libv8c/v8c.h"
#include "runtime/worker/engine.h"
#include "runtime/worker/footprint.h"
#include "runtime/worker/meter.h"
#include "runtime/worker/monitor.h"
#include "runtime/worker/report.h"
#include "runtime/worker/slab.h"
#include "runtime/worker/timer.h"

struct isolate;
struct lane;
struct request;
struct script;
struct slice;
struct sub;

enum {
    WORKER_REGIONS_MAX = 2,
    WORKER_LANES_MAX = WORKER_REGIONS_MAX * JOB_LANES_MAX,
};

struct worker {
    int start_fd, event_fd;
    struct v8c_blob base; /* the snapshot that the isolate starts from */
    struct footprint footprint;
    struct job_region_header *region[WORKER_REGIONS_MAX];
    uint32_t region_count;
    struct lane *lane[WORKER_LANES_MAX];
    uint32_t lane_count;

    struct isolate *isolate;
    uint64_t handle; /* of the script; 0: its packet has not come */
    struct script *script;
    enum job_error refusal; /* of every START: why the script cannot run */
    bool is_spoiled;        /* hearthd knows that a limit was broken */

    struct slab requests;
    struct request *free_requests;
    uint32_t request_count;
    struct request *stalled;
    struct sub *stalled_subs;
    struct timer_heap timers;
    struct monitor monitor;
    uint64_t json_secret; /* json_shape.h */
    struct report report;
    struct slice *slice; /* what runs now */
    struct meter meter;  /* of it */

    uint64_t now_ns;           /* monotonic, as of the last event */
    uint64_t clock_offset_ns;  /* now_ns + this: since 1970 */
    struct engine_clock clock; /* what scripts see; read by V8's clock hook */
    bool has_drawn;            /* JavaScript has, random numbers */
    bool is_orphaned;          /* hearthd is gone */
};

/* Now is when the cell begins: the clock shows the system's time from here on. */
void worker_start_clock(struct worker *);
/* Reads the monotonic clock into now_ns, and returns it. */
uint64_t worker_read_clock(struct worker *);
/* For the log. request_id 0: no request's. Places in it become those of the author's files
 * (stack_trace.h). */
void worker_log(struct worker *, uint64_t request_id, const char *level, const char *text,
                size_t len);
/* Tells hearthd, should this process end now, that it was running the script, and for which job of
 * which lane; lane NULL: for none. */
void worker_executes(struct worker *, const struct lane *, uint64_t job);
/* It runs nothing. */
void worker_rests(struct worker *);
/* Publishes every lane. */
void worker_publish(struct worker *);

#endif
