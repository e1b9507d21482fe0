/* harness.h
 *
 * Plays hearthd for one hearth-runtime process, over the real region and start socket: what tests
 * and measurements of the worker are made of. One lane unless said otherwise. Every message is
 * checked as hearthd would check it: a breach of the contract aborts the test.
 *
 *   harness_start -> harness_script -> harness_get ...         (one request, start to end)
 *                                   -> harness_open, harness_send, harness_wait ...
 *                                                              (many at once, streams)
 *   -> harness_stop
 *
 * What a script's binding calls is another script of the same process, and then the harness passes
 * everything on as hearthd would, or the test itself: harness_wait_sub, harness_reply, ...
 *
 * Single thread.
 */
#ifndef HEARTH_TEST_HARNESS_H
#define HEARTH_TEST_HARNESS_H

#include <sys/types.h>

#include "runtime/head.h"
#include "runtime/job.h"
#include "runtime/start.h"

enum {
    HARNESS_LINES_MAX = 4096,
    HARNESS_HANDLES_MAX = 256,
    HARNESS_BINDINGS_MAX = 4, /* of one script */
    HARNESS_TEST = 0,         /* a binding's target: the test answers */
    /* How long nothing may come: CPU time of the process, for a busy machine must fail no test; and
     * time, for one that sleeps. */
    HARNESS_SILENCE_CPU_MS = 60 * 1000,
    HARNESS_SILENCE_MS = 300 * 1000,
};

struct harness_job {
    bool is_open, is_done;
    uint32_t generation;
    enum job_error error; /* when done: JOB_ERROR_NONE or why not */
    bool has_head;
    uint16_t status;
    uint64_t cold_us;
    uint8_t *head;
    size_t head_bytes;
    uint8_t *body; /* NUL-terminated */
    size_t body_bytes, body_cap;
    bool keeps_body;      /* false: bytes are counted and dropped */
    bool holds_credit;    /* true: no credit is given back by itself */
    uint64_t may_send;    /* credit for the request body */
    uint64_t may_receive; /* credit that the runtime has */
    uint64_t request_id;
    uint32_t handle, depth;
    bool lingers;    /* done, and JOB_DONE will follow */
    uint32_t caller; /* index + 1 of the sub-request that it serves; 0: a client's */
    bool has_span;
    uint32_t phase_us[JOB_PHASES];
};

/* A sub-request of a script; the test's own if nothing is its callee. */
struct harness_sub {
    bool is_open;      /* until it is over for hearthd */
    bool is_cancelled; /* by the runtime */
    bool is_taken;     /* harness_wait_sub gave it out */
    uint32_t generation, job, job_generation, binding;
    uint32_t callee; /* index + 1 of the job that serves it */
    uint32_t callee_generation;
    uint8_t *head;
    size_t head_bytes;
    uint8_t *body; /* NUL-terminated */
    size_t body_bytes, body_cap;
    bool has_ended;       /* the request body is complete */
    bool holds_credit;    /* true: no credit is given back by itself */
    uint64_t may_send;    /* credit for the reply's body */
    uint64_t may_receive; /* credit that the runtime has */
};

struct harness {
    pid_t pid;
    int start_fd, runtime_fd, core_fd;
    void *region;
    size_t region_bytes;
    struct job_producer down;
    struct job_consumer up;
    struct arena_owner arena;
    struct arena_peer arena_up;
    uint32_t next_job, generations;
    uint64_t next_request_id;
    struct harness_job jobs[JOB_JOBS_MAX];
    uint32_t lingering[JOB_JOBS_MAX]; /* generation of the job that lingers there */
    uint32_t lingering_count;
    struct harness_sub subs[JOB_SUBS_MAX];
    uint32_t open_subs;
    bool holds_sub_credit; /* of new ones */
    uint32_t handles;      /* of scripts that script_rig.h sent: 1 to this */
    const char *name;      /* of the scripts to come; NULL: each has its own */
    uint32_t targets[HARNESS_HANDLES_MAX][HARNESS_BINDINGS_MAX];
    uint64_t starts, dones, messages, sub_starts, sub_cancels;
    uint32_t warmed, evicted; /* messages seen */
    uint64_t warmed_us;
    struct {
        char level[8], request[20], *text;
        uint32_t handle;
    } lines[HARNESS_LINES_MAX];
    size_t line_count;
    uint32_t loaded_count, loaded_handle; /* the last "loaded" */
    char loaded_error[START_LOG_TEXT_BYTES_MAX + 1];
    bool is_ready;
    char stats[8192]; /* the last statistics packet */
    uint32_t stats_count;
};

struct harness_module {
    const char *name, *text;
    size_t len; /* 0: strlen */
};

/* From a file that is there; name is kept. The text is malloc'ed. */
struct harness_module harness_read_module(const char *directory, const char *name);

/* Starts a process with that memory budget and waits for its "ready". */
void harness_start(struct harness *, uint64_t memory_bytes);
/* JOB_STOP; the process must end with 0. */
void harness_stop(struct harness *);

struct harness_binding {
    const char *name;
    uint32_t target; /* a handle, or HARNESS_TEST */
};

/* Sends a script of one module main.mjs. limits: JSON object or NULL. */
void harness_script(struct harness *, uint32_t handle, const char *source, const char *limits);
/* The same with service bindings; the list ends with {0}. */
void harness_caller(struct harness *, uint32_t handle, const char *source, const char *limits,
                    const struct harness_binding *);
/* Several modules; vars, limits and bindings may be NULL. */
void harness_bundle(struct harness *, uint32_t handle, const struct harness_module *, size_t count,
                    const char *vars, const char *limits, const struct harness_binding *);
void harness_forget(struct harness *, uint32_t handle);
/* Asks whether it loads; "" if so, else why not; valid until the next one. */
const char *harness_try(struct harness *, uint32_t handle, bool keeps);

/* Starts a job. fields: "name: value\n..." or NULL. Returns its index. */
uint32_t harness_open(struct harness *, uint32_t handle, const char *method, const char *url,
                      const char *fields, bool has_body);
/* The same with a context stack (context.h, encoded). */
uint32_t harness_open_in(struct harness *, struct head_view context, uint32_t handle,
                         const char *method, const char *url, const char *fields, bool has_body);
/* Sends body bytes, waiting for credit. */
void harness_send(struct harness *, uint32_t job, const void *bytes, size_t len, bool is_end);
/* The client leaves; the job's index may be used again when it lingers no more. Of one that is not
 * done. */
void harness_cancel(struct harness *, uint32_t job);
/* The client closes its half. */
void harness_fin(struct harness *, uint32_t job);
void harness_credit(struct harness *, uint32_t job, uint64_t bytes);
void harness_control(struct harness *, enum job_type, uint32_t handle);
/* A WARM that is no guess. */
void harness_demand(struct harness *, uint32_t handle);
/* Handles what has come; waits up to timeout_ms for something. */
void harness_poll(struct harness *, int timeout_ms);
/* The same until something has come. Silence beyond the limits above fails the test. */
void harness_await(struct harness *);
/* Until the job is done. */
struct harness_job *harness_wait(struct harness *, uint32_t job);
/* Frees the job's buffers; its index may be used again. */
void harness_close(struct harness *, uint32_t job);

/* ---- sub-requests that the test answers ---- */

/* The next one that was made. */
uint32_t harness_wait_sub(struct harness *);
struct head_request harness_sub_request(const struct harness *, uint32_t sub);
void harness_reply(struct harness *, uint32_t sub, uint16_t status, const char *fields,
                   bool has_body);
/* Waits for credit. */
void harness_reply_data(struct harness *, uint32_t sub, const void *bytes, size_t len, bool is_end);
void harness_reply_error(struct harness *, uint32_t sub, enum job_error);
void harness_sub_credit(struct harness *, uint32_t sub, uint64_t bytes);

/* One GET, to its end; valid until the next call. */
struct harness_job *harness_get(struct harness *, uint32_t handle, const char *path);
/* A response field's value ("" if there is none); valid until the next call. */
const char *harness_field(const struct harness_job *, const char *name);
/* Is there a log line with that level (or NULL) that holds the text? */
bool harness_logged(const struct harness *, const char *level, const char *text);
/* Until there is. */
void harness_wait_log(struct harness *, const char *level, const char *text);

#endif
