/* worker.h
 *
 * hearth-runtime: one event loop that serves every dp core's lane of one region.
 *
 *   rings down -> requests -> slices of JavaScript -> rings up          start socket <-> scripts,
 * logs, statistics timers  ----^
 *
 * All of it is one thread; the monitor (CPU limits) and V8's helpers are the only others.
 */
#ifndef HEARTH_WORKER_H
#define HEARTH_WORKER_H

#include "runtime/worker/isolate.h"
#include "runtime/worker/monitor.h"
#include "runtime/worker/report.h"
#include "runtime/worker/request.h"
#include "runtime/worker/script.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/timer.h"

struct lane;

enum {
    WORKER_BURST = 64,           /* slots of one lane before the next lane's turn */
    WORKER_SWEEP_NS = 250000000, /* wall limits are looked at this often */
    WORKER_STATS_NS = 1000000000,
    WORKER_SOCKET_NS = 2000000, /* the start socket is read at least this often under load */
    WORKER_STALL_NS =
        500000, /* how soon a full ring or arena is tried again: nobody wakes us for it */
};

struct worker {
    int start_fd, event_fd;
    void *region;
    size_t region_bytes;
    uint32_t lane_count;
    struct lane *lanes[JOB_LANES_MAX];
    struct v8c_blob base; /* the snapshot that every isolate starts from */

    struct script_table scripts;
    struct warm_pool pool; /* of isolates */
    struct isolate *spare; /* ready for a script, or NULL */
    size_t code_bytes;     /* compiled code kept for cold starts */
    struct request_pool requests;
    struct request *stalled;
    struct sub *stalled_subs;
    struct timer_heap timers;
    struct monitor monitor;
    uint64_t json_secret; /* json_shape.h */
    struct report report;
    struct slice *slice; /* what runs now */

    uint64_t now_ns;          /* monotonic, as of the last event */
    uint64_t clock_offset_ns; /* now_ns + this: since 1970 */
    double clock_ms;          /* what scripts see; read by V8's clock hook */
    uint64_t cpu_seen_ns;     /* the thread's CPU clock, last time somebody looked */
    uint64_t swept_ns, socket_ns;
    bool is_stopping, is_orphaned;
};

/* Reads the monotonic clock into now_ns, and returns it. */
uint64_t worker_read_clock(struct worker *);
uint64_t worker_cpu_ns(void);
/* Tells hearthd, should this process end now, whose code it was running. script NULL: nobody's; r
 * NULL: for no request. */
void worker_executes(struct worker *, const struct script *script, const struct request *r);
/* Publishes every lane. */
void worker_publish(struct worker *);

/* Until JOB_STOP and the last request, or until hearthd is gone. */
void worker_run(struct worker *);

#endif
