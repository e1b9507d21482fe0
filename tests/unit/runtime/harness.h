/* harness.h
 *
 * Plays hearthd for cells, over real regions and start sockets: what tests and measurements of the
 * worker are made of. One core, so one lane in each region. Every message is checked as hearthd
 * would check it: a breach of the contract aborts the test.
 *
 *   harness_start -> harness_script -> harness_get ...         (one request, start to end)
 *                    (a cell for it)-> harness_open, harness_send, harness_wait ...
 *                                                              (many at once, streams)
 *   -> harness_stop
 *
 * A cell is replaced as hearthd does it: when its script is sent again, and when it says that it
 * serves no more; what it has begun ends there. So that not too many processes live, those without
 * jobs end when they were used least recently, and start again when they are asked for.
 *
 * What a script's binding calls is another script, and then the harness passes everything on as
 * hearthd would, or the test itself: harness_wait_sub, harness_reply, ...
 *
 * Single thread.
 */
#ifndef HEARTH_TEST_HARNESS_H
#define HEARTH_TEST_HARNESS_H

#include <sys/types.h>

#include "runtime/head.h"
#include "runtime/job.h"
#include "runtime/start.h"
#include "template_rig.h"
#include "zygote_rig.h"

enum {
    HARNESS_LINES_MAX = 4096,
    HARNESS_SCRIPTS_MAX = 1024,
    HARNESS_CELLS_MAX = 256,
    HARNESS_CELLS_WARM = 24,  /* as many live, unless more are in use; h->cells_warm */
    HARNESS_BINDINGS_MAX = 4, /* of one script */
    HARNESS_TEST = 0,         /* a binding's target: the test answers */
    /* How long nothing may come: CPU time of the cells, for a busy machine must fail no test; and
     * time, for one that sleeps. */
    HARNESS_SILENCE_CPU_MS = 60 * 1000,
    HARNESS_SILENCE_MS = 300 * 1000,
};

/* A region of a cell. */
struct harness_link {
    struct harness_cell *cell;
    struct job_region_header *region;
    size_t region_bytes;
    struct job_geometry geometry;
    struct job_producer down;
    struct job_consumer up;
    struct arena_owner arena;
    void *arena_lists;
    struct arena_peer arena_up;
    uint32_t job_at[JOB_JOBS_MAX]; /* harness_job, + 1, by the index that the cell knows; 0: free */
    uint32_t sub_at[JOB_SUBS_MAX]; /* the same of harness_sub, which may be over; 0: never used */
    uint32_t next_slot;
};

struct harness_cell {
    bool is_copy; /* of a template */
    pid_t pid;
    int start_fd, runtime_fd;
    uint32_t handle;
    struct harness_link *link[2]; /* new jobs go to the last */
    uint32_t link_count;
    uint32_t jobs; /* that live, or linger */
    uint64_t used; /* the last time, in starts of jobs */
    bool is_ready, is_retired;
    bool is_loaded; /* or is known not to load: */
    char load_error[START_LOG_TEXT_BYTES_MAX + 1];
    uint64_t load_us;
};

struct harness_script {
    uint32_t handle;
    char *packet;
    int sources_fd;
    uint32_t targets[HARNESS_BINDINGS_MAX];
};

struct harness_job {
    bool is_open, is_done;
    struct harness_link *link;
    uint32_t slot; /* the index that the cell knows */
    uint32_t generation;
    enum job_error error; /* when done: JOB_ERROR_NONE or why not */
    bool has_head;
    uint16_t status;
    uint64_t cold_us, cpu_us; /* as its answer's end says */
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
    bool lingers;    /* done, and JOB_DONE follows, or has come since */
    uint32_t caller; /* index + 1 of the sub-request that it serves; 0: a client's */
    bool has_span;
    uint32_t phase_us[JOB_PHASES];
};

/* A sub-request of a script; the test's own if nothing is its callee. */
struct harness_sub {
    bool is_open;      /* until it is over for hearthd */
    bool is_cancelled; /* by the runtime */
    bool is_taken;     /* harness_wait_sub gave it out */
    struct harness_link *link;
    uint32_t index;          /* that the cell knows */
    uint64_t callers_cpu_us; /* when it was made */
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
    struct zygote_rig zygote;
    struct template_rig *template; /* of one script, whose cells are forked there; NULL: none */
    int core_fd;
    const struct job_geometry *geometry; /* of a cell's first region; a second one is large */
    struct harness_cell *cells[HARNESS_CELLS_MAX];
    uint32_t cell_count, cells_warm;
    bool holds_scripts; /* a cell is told its script by harness_tell_script only */
    bool has_waited;    /* what is opened was there before the cell was (JOB_F_WAITED) */
    struct harness_script scripts[HARNESS_SCRIPTS_MAX];
    uint32_t script_count;
    uint32_t all_to; /* a script whose cell gets every START, whatever it asks for; 0: none */
    uint32_t next_job, next_sub, generations;
    uint64_t next_request_id;
    struct harness_job jobs[JOB_JOBS_MAX];
    uint32_t lingering[JOB_JOBS_MAX]; /* generation of the job that lingers there */
    uint32_t lingering_count;
    struct harness_sub subs[JOB_SUBS_MAX];
    uint32_t open_subs;
    bool holds_sub_credit; /* of new ones */
    uint32_t handles;      /* of scripts that script_rig.h sent: 1 to this */
    uint64_t starts, dones, messages, sub_starts, sub_cancels;
    uint32_t warmed; /* messages seen */
    uint64_t warmed_us;
    struct {
        char level[8], request[20], *text;
        uint32_t handle;
    } lines[HARNESS_LINES_MAX];
    size_t line_count;
    uint32_t spoiled, spent; /* cells that said so; those of them that serve no more */
    char spoiled_why[128];   /* the last one */
    uint32_t pongs;
};

struct harness_module {
    const char *name, *text;
    size_t len; /* 0: strlen */
};

/* From now on cells of the script that was sent are forked from a template, until
 * harness_drop_template. */
struct template_rig *harness_template(struct harness *, uint32_t handle);
void harness_drop_template(struct harness *);

/* From a file that is there; name is kept. The text is malloc'ed. */
struct harness_module harness_read_module(const char *directory, const char *name);

/* The regions are large; h->geometry may be changed behind it. */
void harness_start(struct harness *);
/* hearthd is gone: each cell must end with 0. */
void harness_stop(struct harness *);

struct harness_binding {
    const char *name;
    uint32_t target; /* a handle, or HARNESS_TEST */
};

/* Starts a cell for a script of one module main.mjs. limits: JSON object or NULL. */
void harness_script(struct harness *, uint32_t handle, const char *source, const char *limits);
/* To its cell, which holds_scripts has kept from it. */
void harness_tell_script(struct harness *, uint32_t handle);
/* The same with service bindings; the list ends with {0}. */
void harness_caller(struct harness *, uint32_t handle, const char *source, const char *limits,
                    const struct harness_binding *);
/* Several modules; vars, limits and bindings may be NULL. */
void harness_bundle(struct harness *, uint32_t handle, const struct harness_module *, size_t count,
                    const char *vars, const char *limits, const struct harness_binding *);
/* The cell that runs it now, started if there is none. */
struct harness_cell *harness_cell(struct harness *, uint32_t handle);
/* Waits for its word whether the script loads: "" if so, else why not. */
const char *harness_loaded(struct harness *, uint32_t handle);
/* What comes for the script goes to another cell, which is started then; its cell ends when what
 * it has is over. */
void harness_retire(struct harness *, uint32_t handle);
/* Gives its cell a second region: jobs start there from now on. */
void harness_enlarge(struct harness *, uint32_t handle);
/* Until all chunks of all cells are home. */
void harness_wait_chunks(struct harness *);

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
void harness_ping(struct harness *, uint32_t handle);
/* Handles what has come; waits up to timeout_ms for something. */
void harness_poll(struct harness *, int timeout_ms);
/* The same until something has come. Silence beyond the limits above fails the test. */
void harness_await(struct harness *);
/* Until the job is done. */
struct harness_job *harness_wait(struct harness *, uint32_t job);
/* Frees the job's buffers; its index may be used again. */
void harness_close(struct harness *, uint32_t job);

/* ---- sub-requests that the test answers ---- */

/* The next one that was made, which may be cancelled already. */
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
