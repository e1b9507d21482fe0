/* job_link.h
 *
 * The dp core's side of one cell: its lane of the shared region, its job table, and the
 * check of every message that comes up. What arrives here is hostile input (runtime/job.h says
 * why).
 *
 *   call.c --start/body/cancel/credit--> [ job table ] --down ring--> runtime
 *   sub.c  --reply/credit--------------> [ sub table ]
 *          <------ struct job_link_events ------- [ checks ] <--up ring------- runtime
 *
 * When a process dies, hearthd learns what it was executing (job_blame). That job is a
 * suspect: whoever runs it again may lose the next process. It is told which limit it broke, if
 * that is what ended the process. Suspects are told first, so that what waits for them knows before
 * its own end.
 *
 * A breach (impossible ring word, foreign chunk, message out of order, more bytes than credit) ends
 * the link: all its jobs get `lost`, *condemned is set, and the control thread replaces the
 * process. A message for a job that is over is late: counted, ignored.
 *
 * Queueing delay. The runtime takes a START out of the ring when its handler begins. One START at
 * a time is watched: until the consumer's index passes it, each look notes its age, and the age at
 * the last look at which it still lay there is the answer. What happens between two looks is not
 * known and is not held against the runtime: a core that slept meanwhile had nothing else to do.
 * job_link_look returns the last answer, or the age of the START that is watched if that is
 * more; 0 when nothing has waited for LINK_DELAY_MEMORY_NS: else one slow moment would count as
 * overload for ever, and what is refused for it never brings a better answer.
 *
 * Time is a parameter; the *_ns fields are when something happened, none of them is a clock.
 *
 * Of a link without live jobs nothing but late messages and JOB_WARMED comes up, so the core polls,
 * and announces its sleep to, those that have some or that start (cells.h).
 *
 * Ownership: jobs are named by struct job_ref; a ref whose generation has passed is dead and all
 * calls on it are refused, also when the link leads elsewhere meanwhile. Thread: the core. Memory:
 * a small struct for each link, and a table as large as the region's geometry from attach to the
 * end of detach; both are the core's.
 *
 * Rejected: as the queueing delay, a time stamp from the runtime: this needs no message, and a
 * runtime that lies harms itself only. The time from the push to the look that finds the START
 * gone: a core that sleeps until the answer comes took a handler that awaits for 50 ms for a queue
 * of 50 ms, and handed calls back; who waits longer than the gaps between requests is seen at the
 * next one.
 */
#ifndef HEARTH_JOB_LINK_H
#define HEARTH_JOB_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/counters.h"
#include "dataplane/place/shed.h"
#include "runtime/head.h"
#include "runtime/job.h"

#define LINK_DELAY_MEMORY_NS (20ull * 1000000)

struct job_ref {
    uint32_t index;
    uint32_t generation; /* 0: none */
};

/* No sub-request: an owner that is none. */
enum { SUB_NONE = UINT32_MAX };

/* Of an answer's body; the views die with the event that shows them. */
struct answer_body {
    const struct head_view *view;
    uint32_t views;
    bool is_end; /* the answer is whole */
};

/* An answer's head, and what came of its body in the same breath. */
struct answer_head {
    const uint8_t *bytes;
    size_t len;
    uint64_t cold_us; /* enum job_start, and beyond */
    struct answer_body body;
};

/* Calls to the owner of a job. Views die with the call. After end, error and lost the job is over
 * and its ref dead. */
struct job_link_events {
    void (*head)(void *core, uint32_t owner, const struct answer_head *);
    void (*data)(void *core, uint32_t owner, const struct answer_body *);
    void (*error)(void *core, uint32_t owner, enum job_error);
    void (*credit)(void *core, uint32_t owner); /* more request body can be sent */
    /* The runtime is gone. suspected_of: it died while it ran this job, of this limit that the job
     * broke, or with JOB_ERROR_LOST of whatever; JOB_ERROR_NONE: it did not. */
    void (*lost)(void *core, uint32_t owner, enum job_error suspected_of);
    /* So much CPU time has the job used in all: its word, about itself. Before what it calls, and
     * before the event that is its end. */
    void (*ran)(void *core, uint32_t owner, uint64_t cpu_us);
    void (*done)(void *core, uint32_t owner); /* the end of a job that lingered or was cancelled */
    void (*span)(void *core, uint32_t owner,
                 const uint32_t phase_us[JOB_PHASES]); /* of its cold start */
    /* Of the link itself: it takes no START any more, as it has said of one. Before the error of
     * that one, JOB_ERROR_SPENT. */
    void (*spent)(void *core, uint32_t link);
    /* The same: its script is ready; us: what that took, 0: it was already. Neither
     * attaches nor detaches it. */
    void (*warmed)(void *core, uint32_t link, uint64_t script, uint32_t us);
    /* The same: it has something to publish, or a job less. Neither polls, attaches nor
     * detaches. */
    void (*touched)(void *core, uint32_t link);
};

/* Sub-requests. `sub` is the runtime's name for it; sub_owner is what `started` returned for it,
 * SUB_NONE: refused there, and answered by job_link_reply_error already. */
struct runtime_sub_events {
    uint32_t (*started)(void *core, uint32_t owner, uint32_t link, uint32_t sub, uint32_t binding,
                        const uint8_t *head, size_t head_bytes, bool has_body);
    void (*body)(void *core, uint32_t sub_owner, const struct head_view *body, uint32_t body_views,
                 bool is_end);
    void (*cancelled)(void *core, uint32_t sub_owner);
    void (*credit)(void *core, uint32_t sub_owner); /* more of the reply's body can be sent */
};

struct runtime_job {
    uint32_t generation;
    uint32_t owner;
    uint64_t script_handle;
    uint32_t send_credit; /* request body bytes the runtime will take */
    uint32_t recv_credit; /* response body bytes it may still send */
    uint32_t next_free;
    bool is_live, has_head, is_body_ended;
    bool lingers;      /* answered; awaits DONE */
    bool is_cancelled; /* nobody wants the answer; awaits what ends the job */
    bool is_cancel_told;
};

struct runtime_sub {
    uint32_t generation;  /* 0: free */
    uint32_t owner;       /* sub.c's */
    uint32_t send_credit; /* reply bytes that the script will take */
    uint32_t recv_credit; /* body bytes that it may still send */
    bool has_head, is_body_ended;
};

/* What all links of a core share; they keep the pointer. */
struct job_link_env {
    void *core;
    struct counters *counters;
    const struct job_link_events *events;
    const struct runtime_sub_events *sub_events;
    uint8_t *head_copy; /* JOB_HEAD_BYTES_MAX: the head that an event shows */
    uint32_t lane;      /* of every region */
    uint32_t jobs_max;  /* of one link, if its geometry does not say less */
};

/* What a link leads to. */
struct job_link_end {
    void *region;
    struct job_geometry geometry;
    int wake_fd;
    _Atomic uint32_t *condemned; /* 0: set to 1 when the process breaks the contract */
    void *table;                 /* job_link_table_bytes, aligned for a uint64_t */
};

struct job_link {
    void *region; /* NULL: down */
    const struct job_link_env *env;
    int wake_fd;
    _Atomic uint32_t *condemned;
    bool has_pushed; /* since the last flush */
    struct job_sleeper *runtime_asleep, *core_asleep;
    struct job_producer down;
    struct job_consumer up;
    struct arena_peer arena_up;
    uint32_t index;
    uint32_t live_jobs;
    uint32_t jobs_max;
    uint32_t jobs, subs; /* of the table; 0: there is none */
    uint32_t free_head;
    uint32_t generation; /* the last job's: no table brings one back */
    struct shed shed;
    /* The same with SHED_FULL_TARGETS times the target: for work that nobody else can do. */
    struct shed full;
    uint32_t watched_tail; /* of the down ring, behind the START that is watched */
    uint64_t watched_ns;   /* when it was pushed; 0: none is */
    uint64_t waited_ns;    /* its age at the last look */
    uint64_t delay_ns;     /* the last answer */
    uint64_t answered_ns;  /* and when it was given */
    struct runtime_job *job;
    struct runtime_sub *sub;
    struct arena_owner arena_down;
};

void job_link_init(struct job_link *, uint32_t index, const struct job_link_env *);

size_t job_link_table_bytes(const struct job_geometry *);
/* Of one that is down. */
void job_link_attach(struct job_link *, const struct job_link_end *);
/* It leads nowhere any more, and who is suspected for that gets `lost`. Where several end at once
 * all are cut first: what waits for a suspect knows before its own end, in whichever cell it is. */
void job_link_cut(struct job_link *, struct job_blame by);
/* And all other jobs; by: what the process executed at its end. Then the table is the caller's
 * again. Nothing if it is down: one that broke the contract is so by itself. */
void job_link_detach(struct job_link *, struct job_blame by);

/* The process broke the contract: nothing of it is believed any more, its jobs are lost, and the
 * control thread is told to end it. Nothing if it is down. */
void job_link_condemn(struct job_link *);

enum job_start_result {
    JOB_STARTED,
    JOB_NO_RUNTIME,
    JOB_TABLE_FULL,
    JOB_NO_ROOM, /* ring or arena full */
};

/* Starts a job with an encoded request head (head.h). flags: JOB_F_END, JOB_F_WAITED. */
enum job_start_result job_link_start(struct job_link *, uint32_t owner, uint64_t script_handle,
                                     uint64_t request_id, const uint8_t *head, size_t head_bytes,
                                     uint8_t flags, uint64_t now_ns, struct job_ref *out);

/* Sends request body bytes: as many as credit, arena and ring allow; returns how many. is_end with
 * all bytes taken completes the body; *ended tells whether that was sent. */
size_t job_link_body(struct job_link *, struct job_ref, const uint8_t *bytes, size_t len,
                     bool is_end, bool *ended);

/* Body bytes that job_link_body is sure to take now in one call: at most one message's worth,
 * since every message costs a ring slot and its last chunk, however little is in it. */
size_t job_link_body_room(struct job_link *, struct job_ref);

/* Lets the runtime send that many more response bytes. False: the ring is full, and nothing will
 * tell when it is not any more. */
bool job_link_credit(struct job_link *, struct job_ref, uint32_t bytes);
/* The ring or the arena is used up: what waits for them must look again by itself. */
bool job_link_is_short(struct job_link *);
/* Response body bytes granted and not yet received. */
uint32_t job_link_outstanding(const struct job_link *, struct job_ref);

/* The client has closed its half; once for a job. False: the ring is full, and nothing will tell
 * when it is not any more. */
bool job_link_fin(struct job_link *, struct job_ref);
/* The client is gone: of a live job that does not linger. Of the events only sub, span, lost and
 * done follow. False: the ring is full, as for fin; to be called again. */
bool job_link_cancel(struct job_link *, struct job_ref);
/* The owner waits for `done` no more: the job is over, the ref dead, what still comes is late. */
void job_link_abandon(struct job_link *, struct job_ref);

/* Has the job's answer ended, and lives on until `done`? */
bool job_link_lingers(const struct job_link *, struct job_ref);

/* How long a START waits, as far as is known. First thing in an iteration: work is placed by it. */
uint64_t job_link_look(struct job_link *, uint64_t now_ns);

/* ---- sub-requests: sub is the runtime's index of a live one ---- */

/* False: no room in ring or arena now. */
bool job_link_reply(struct job_link *, uint32_t sub, const uint8_t *head, size_t head_bytes,
                    bool is_end);
/* Reply body bytes that job_link_reply_data is sure to take now in one call. */
size_t job_link_reply_room(struct job_link *, uint32_t sub);
/* Needs room for len bytes; false: is_end without bytes found no slot. The sub is over with
 * is_end. */
bool job_link_reply_data(struct job_link *, uint32_t sub, const uint8_t *bytes, size_t len,
                         bool is_end);
/* False: no slot now. The sub is over. */
bool job_link_reply_error(struct job_link *, uint32_t sub, enum job_error);
/* Lets the script send that many more bytes of the sub's body. False: no slot now. */
bool job_link_sub_credit(struct job_link *, uint32_t sub, uint32_t bytes);
/* The parent is over: what still comes for this sub is late. */
void job_link_forget_sub(struct job_link *, uint32_t sub);
/* Reply bytes that the script will still take. */
uint32_t job_link_reply_credit(const struct job_link *, uint32_t sub);

/* Has it rung since job_link_sleep? By its own word. */
bool job_link_has_rung(const struct job_link *);
/* Has it said something? */
bool job_link_pending(struct job_link *);
/* Handles up to max messages; returns how many. */
uint32_t job_link_poll(struct job_link *, uint32_t max);

/* Makes what was pushed visible and wakes the process if it sleeps: once per iteration. True: it
 * was woken. */
bool job_link_flush(struct job_link *);

/* Before the core sleeps: announce it, then look again. True: there is work, do not sleep. */
bool job_link_sleep(struct job_link *);
void job_link_woke(struct job_link *);

#endif
