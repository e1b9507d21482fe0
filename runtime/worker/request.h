/* request.h
 *
 * One job of job.h as the cell sees it, from START to the last thing that its script does for
 * it.
 *
 *   start -> AWAITS_HEAD --respond--> AWAITS_BODY --end--> AWAITS_PROMISES --last waitUntil--> over
 *                 |                        |               ^      |
 *                 +------------------------+-- fail, leave-+      +-- limits --> over
 *
 * The job ends with the last DATA, the ERROR, or its client's CANCEL. If waitUntil holds it then,
 * it lingers (JOB_F_LINGERS) until JOB_DONE, and may make sub-requests meanwhile. Those that still
 * run when it is over are cancelled. What broke a limit does not linger.
 *
 * A body whose length the script has promised is held to it: what fits goes out, the author is
 * told, and the job fails. For that its head waits until the slice ends or the first bytes come: so
 * long, the failure can still be an answer of its own.
 *
 * JavaScript names a request by its ref: index and serial, so that a ref of a request that is over
 * finds nothing.
 *
 * Flow control: `out_credit` is what hearthd granted; what a script wants to send beyond it stays
 * in JavaScript. Incoming bytes wait in an intake. Either body may pass without JavaScript (feeds,
 * relays, relayed).
 *
 * Its limits are the least of the script's own and of what its context says (context.h).
 *
 * Single thread. Bounded by REQUESTS_MAX.
 *
 * Rejected: a wall limit from the start of the request; it counts from the last body byte that
 * moved, since slow uploads and long streams are no fault of the script. An exception that ends
 * waitUntil too: authors report errors there. A head that is sent at once whatever it promises; the
 * wait costs no time that anybody could measure.
 */
#ifndef HEARTH_WORKER_REQUEST_H
#define HEARTH_WORKER_REQUEST_H

#include "runtime/job.h"
#include "runtime/worker/intake.h"
#include "runtime/worker/timer.h"

struct isolate;
struct lane;
struct sub;
struct worker;

enum {
    REQUESTS_MAX = 8192,        /* of one cell */
    REQUEST_HEAD_INLINE = 1024, /* larger heads are allocated */
};
#define REQUEST_OUTPUT_BYTES_MAX (4ull << 30)
#define REQUEST_PROMISES_NS_MAX  30000000000ull /* waitUntil after the response */

enum request_state {
    REQUEST_FREE = 0,
    REQUEST_AWAITS_HEAD,     /* the handler's answer */
    REQUEST_AWAITS_BODY,     /* the rest of the response body */
    REQUEST_AWAITS_PROMISES, /* answered, failed, or left by its client; waitUntil */
};

struct request {
    enum request_state state;
    uint32_t index, serial;
    uint64_t id; /* hearthd's, for people */

    struct lane *lane;
    uint32_t slot, generation; /* of the job */

    struct isolate *isolate;
    struct request *next, *prev; /* of the isolate; next also in the free list */
    struct request *next_stalled;

    uint64_t moved_ns; /* the start, or the last time the client gave or took body bytes */
    uint64_t answered_ns;
    uint64_t cpu_ns;
    uint64_t cpu_limit_ns, wall_limit_ns;
    uint32_t subrequests, subrequest_limit;
    uint32_t cold_us;
    uint32_t holds;  /* waitUntil promises pending */
    bool is_head;    /* HEAD: the answer has no body */
    bool is_gone;    /* the client has left */
    bool has_fin;    /* it has closed its half, and waits for the answer */
    bool is_watched; /* JavaScript keeps a signal for the ref: aborted by both */
    bool signal_waits;

    struct sub *subs;
    uint32_t sub_count;

    struct timer_list timers;

    uint8_t *head; /* inline_head, or allocated */
    size_t head_bytes;

    struct intake in;  /* the request's body */
    bool in_waits;     /* JavaScript waits for it, or it passes without */
    bool relays;       /* it is the response's: it passes without JavaScript */
    struct sub *feeds; /* it is that sub-request's: it passes without JavaScript */

    uint64_t out_credit, out_total;
    bool has_length; /* the head promised it: */
    uint64_t length, length_left;
    uint8_t *out_head; /* a response head that found no room */
    size_t out_head_bytes;
    bool out_waits;      /* JavaScript waits for onCredit */
    bool out_streams;    /* JavaScript keeps something for the ref */
    bool out_ended;      /* with out_head: nothing follows */
    struct sub *relayed; /* whose reply's body is the response's: it passes without JavaScript */
    bool is_stalled;     /* on worker's list: room in the lane is awaited, not credit */

    uint8_t inline_head[REQUEST_HEAD_INLINE];
};

/* There are none, in a worker that has none yet. */
void requests_init(struct worker *);

/* Takes a START: copies the head, fills the lane's table, works out its limits. NULL when there are
 * REQUESTS_MAX. The chunks stay the caller's to give back. */
struct request *request_start(struct worker *, struct lane *, const struct job_slot *);

double request_ref(const struct request *);
/* CPU time that it has used, with that of the slice which is under way. */
uint64_t request_cpu_ns(struct worker *, const struct request *);
/* NULL if it is over. */
struct request *request_find(struct worker *, double ref);

/* ---- down ---- */

/* Body bytes came. True: JavaScript waits for them. */
bool request_input(struct request *, const struct job_slot *);
/* So many of the waiting bytes were used. */
void request_took_in(struct request *, size_t bytes);
void request_discard_in(struct request *);

/* ---- up ---- */

/* Sends the response head (encoded, head.h), now or when there is room. is_end: no body. */
void request_send_head(struct worker *, struct request *, const uint8_t *head, size_t len,
                       bool is_end);
/* The same for a head that promises the length of the body that follows: when the slice ends, or
 * with the body's first bytes. */
void request_promise(struct worker *, struct request *, const uint8_t *head, size_t len,
                     uint64_t length);
/* The slice ends: what request_promise left goes. */
void request_flush_head(struct worker *, struct request *);
/* Sends as much of the body as credit and room allow; returns how much. is_end counts if all was
 * sent. The request may have failed then (length, limit). */
size_t request_send_body(struct worker *, struct request *, const uint8_t *bytes, size_t len,
                         bool is_end);
/* From now on what comes in goes out, as credit and room allow; called again whenever either
 * changed. */
void request_relay(struct worker *, struct request *);
/* The body is complete. */
void request_end_body(struct worker *, struct request *);
/* Ends the job with an error. text, if any, goes to the log. After an exception it may linger. */
void request_fail(struct worker *, struct request *, enum job_error, const char *text);
/* The client is gone: nothing goes out or comes in any more. What the script has for the ref must
 * be told (WEB_LEFT) if request_has_ears. */
void request_leave(struct worker *, struct request *);
bool request_has_ears(const struct request *);
/* The same for every request there is: what they share has broken a limit. */
void requests_fail(struct worker *, enum job_error, const char *text);
/* Ends one that lingers: its promises will not settle, or not in time. */
void request_abandon(struct worker *, struct request *);

/* One more, one less waitUntil promise. */
void request_hold(struct request *);
void request_release(struct worker *, struct request *);
/* Is it over, but for promises of which there are none? Then it is over. */
void request_review(struct worker *, struct request *);

/* Room was awaited, and the request is off the stalled list: sends a head that waits. True if
 * JavaScript is to be told (onCredit); false with the head still waiting, or nothing to tell. */
bool request_retry(struct worker *, struct request *);

/* Room in the lane is awaited, not credit. */
void request_stall(struct worker *, struct request *);
/* Sets what the isolate's count of possible events depends on. */
void request_set_in_waits(struct request *, bool);
void request_set_out_waits(struct request *, bool);
void request_set_signal_waits(struct request *, bool);

#endif
