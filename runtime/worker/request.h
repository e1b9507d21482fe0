/* request.h
 *
 * One job of job.h as the runtime sees it, from START to the last thing that its script does for
 * it.
 *
 *   start --> AWAITS_HEAD --respond--> AWAITS_BODY --end--> AWAITS_PROMISES --last waitUntil-->
 * over |                        |
 *                  +---- fail, cancel ------+--> over
 *
 * hearthd's part of the job ends with the last DATA or the ERROR; from then on its slot in the lane
 * may be used again, while the request may live on for waitUntil.
 *
 * JavaScript names a request by its ref: index and serial, so that a ref of a request that is over
 * finds nothing.
 *
 * Flow control: `out_credit` is what hearthd granted; what a script wants to send beyond it stays
 * in JavaScript. Incoming bytes are copied out of the arena at once and wait in `in`, never more
 * than was granted.
 */
#ifndef HEARTH_WORKER_REQUEST_H
#define HEARTH_WORKER_REQUEST_H

#include "runtime/job.h"

struct isolate;
struct lane;
struct timer;
struct worker;

enum {
    REQUESTS_MAX = 8192,         /* of one process */
    REQUEST_HEAD_INLINE = 1024,  /* larger heads are allocated */
    REQUEST_CREDIT_STEP = 16384, /* credit is given back in portions of this */
};
#define REQUEST_OUTPUT_BYTES_MAX (4ull << 30)
#define REQUEST_PROMISES_NS_MAX  30000000000ull /* waitUntil after the response */

enum request_state {
    REQUEST_FREE = 0,
    REQUEST_AWAITS_HEAD,     /* the handler's answer */
    REQUEST_AWAITS_BODY,     /* the rest of the response body */
    REQUEST_AWAITS_PROMISES, /* answered; waitUntil */
};

struct request {
    enum request_state state;
    uint32_t index, serial;
    uint64_t id; /* hearthd's, for people */

    struct lane *lane; /* NULL once hearthd's part is over */
    uint32_t slot, generation;

    struct isolate *isolate;
    struct request *next, *prev; /* of the isolate; next also in the free list */
    struct request *next_stalled;

    uint64_t moved_ns; /* the start, or the last time the client gave or took body bytes */
    uint64_t answered_ns;
    uint64_t cpu_ns;
    uint32_t cold_us;
    uint32_t holds; /* waitUntil promises pending */

    struct timer *timers;
    uint32_t timer_count;

    uint8_t *head; /* inline_head, or allocated */
    size_t head_bytes;

    uint8_t *in; /* body bytes that wait for a read */
    size_t in_bytes, in_cap;
    uint32_t in_owed; /* credit to give back */
    bool in_ended, in_waits, in_discarded;

    uint64_t out_credit, out_total;
    uint8_t *out_head; /* a response head that found no room */
    size_t out_head_bytes;
    bool out_waits;   /* JavaScript waits for onCredit */
    bool out_streams; /* JavaScript keeps something for the ref */
    bool out_ended;   /* with out_head: nothing follows */
    bool relays;      /* the request's body is the response's: it passes without JavaScript */
    bool is_stalled;  /* on worker's list: room in the lane is awaited, not credit */

    uint8_t inline_head[REQUEST_HEAD_INLINE];
};

struct request_pool {
    struct request *requests; /* REQUESTS_MAX of them */
    struct request *free;
    uint32_t made, count;
};

void request_pool_init(struct request_pool *);

/* Takes a START: copies the head, fills the lane's table. NULL when there are REQUESTS_MAX. The
 * chunks stay the caller's to give back. */
struct request *request_start(struct worker *, struct lane *, const struct job_slot *);
void request_attach(struct request *, struct isolate *);

double request_ref(const struct request *);
/* NULL if it is over. */
struct request *request_find(struct worker *, double ref);

/* ---- down ---- */

/* Body bytes came. True: a read waits for them (request_take_in). */
bool request_input(struct request *, const struct job_slot *);
/* So many of the waiting bytes were used. */
void request_took_in(struct request *, size_t bytes);
void request_discard_in(struct request *);

/* ---- up ---- */

/* Sends the response head (encoded, head.h), now or when there is room. is_end: no body. */
void request_send_head(struct worker *, struct request *, const uint8_t *head, size_t len,
                       bool is_end);
/* Sends as much of the body as credit and room allow; returns how much. is_end counts if all was
 * sent. */
size_t request_send_body(struct worker *, struct request *, const uint8_t *bytes, size_t len,
                         bool is_end);
/* From now on what comes in goes out, as credit and room allow; called again whenever either changed. */
void request_relay(struct worker *, struct request *);
/* The body is complete. */
void request_end_body(struct worker *, struct request *);
/* Ends the job with an error. text, if any, goes to the log. */
void request_fail(struct worker *, struct request *, enum job_error, const char *text);
/* Ends it without an answer: the client is gone. */
void request_cancel(struct worker *, struct request *);

/* One more, one less waitUntil promise. */
void request_hold(struct request *);
void request_release(struct worker *, struct request *);

/* Room was awaited, and the request is off the stalled list: sends a head that waits. True if
 * JavaScript is to be told (onCredit); false with the head still waiting, or nothing to tell. */
bool request_retry(struct worker *, struct request *);

/* Sets what the isolate's count of possible events depends on. */
void request_set_in_waits(struct request *, bool);
void request_set_out_waits(struct request *, bool);

#endif
