/* sub.h
 *
 * A sub-request: a call that a script makes through a service binding, env.NAME.fetch(), as job.h
 * has it.
 *
 *   open --> AWAITS_REPLY --REPLY--> AWAITS_BODY --END--> HAS_REST --read--> over
 *                 +---------------------+-- REPLY_ERROR, cancel ------------> over
 *
 * It belongs to the request that made it and goes with it. JavaScript names it by its ref:
 * generation, lane and index, so that a ref of one that is over finds nothing.
 *
 * Bodies pass without JavaScript where nobody looks at them: the request's body into a sub-request
 * (sub_take_request_body), a reply's body into the response (sub_answer). Otherwise JavaScript
 * reads and writes, as credit and room allow.
 *
 * Single thread.
 * Bounded by JOB_SUBS_MAX of each lane.
 *
 * Rejected: bodies always through streams. So 10 MB through three scripts and back cost two
 * copies a hop and no garbage.
 */
#ifndef HEARTH_WORKER_SUB_H
#define HEARTH_WORKER_SUB_H

#include "runtime/job.h"
#include "runtime/worker/intake.h"

struct lane;
struct request;
struct worker;

enum sub_state {
    SUB_FREE = 0,
    SUB_AWAITS_REPLY, /* its head */
    SUB_AWAITS_BODY,  /* the rest of its body */
    SUB_HAS_REST,     /* hearthd's part is over; bytes wait for a read */
};

struct sub {
    enum sub_state state;
    uint32_t index, generation;
    uint32_t binding;
    struct lane *lane;
    struct request *parent;
    struct sub *next, *prev; /* of the parent; next also in the free list */
    struct sub *next_stalled;
    uint32_t waits; /* what it adds to its isolate's */

    struct intake in; /* the reply's body */
    bool in_waits;    /* JavaScript waits for it */
    bool answers;     /* it is the parent's response: it passes without JavaScript */

    uint64_t out_credit;
    uint8_t *out_head; /* a request head that found no room */
    size_t out_head_bytes;
    bool out_waits;  /* JavaScript waits to write */
    bool out_ended;  /* the request body is complete, or there was none */
    bool is_fed;     /* by the parent's request body, without JavaScript */
    bool is_stalled; /* on worker's list: room in the lane is awaited, not credit */
};

struct sub_table {
    struct sub *subs; /* JOB_SUBS_MAX of them */
    struct sub *free;
    uint32_t made;
};

void sub_table_init(struct sub_table *);

/* Sends a SUB, now or when there is room. head: encoded (head.h). NULL, and *why, a constant
 * sentence, if it may not. */
struct sub *sub_open(struct worker *, struct request *parent, uint32_t binding, const uint8_t *head,
                     size_t head_bytes, bool has_body, const char **why);
/* Ends it, wherever it stands. */
void sub_close(struct worker *, struct sub *);

double sub_ref(const struct sub *);
/* NULL if it is over. */
struct sub *sub_find(struct worker *, double ref);

/* A message about a sub-request came: REPLY, REPLY_DATA, REPLY_ERROR, SUB_CREDIT. Runs
 * JavaScript. */
void sub_take(struct worker *, struct lane *, const struct job_slot *);

/* ---- the request's body ---- */

/* Sends as much as credit and room allow; returns how much. is_end counts if all was sent. If less
 * was sent, JavaScript is told when it may go on (onSubCredit), unless the body passes without
 * it. */
size_t sub_send_body(struct worker *, struct sub *, const uint8_t *bytes, size_t len, bool is_end);
/* From now on the parent's request body is the sub-request's. */
void sub_take_request_body(struct worker *, struct sub *);
/* More of it came, or it ended. */
void sub_feed(struct worker *, struct sub *);

/* ---- the reply's body ---- */

void sub_set_in_waits(struct sub *, bool);
/* So many of the waiting bytes were used. With the last of them it is over. */
void sub_took_in(struct worker *, struct sub *, size_t bytes);
/* From now on the reply's body is the parent's response body. May end the parent. */
void sub_answer(struct worker *, struct sub *);
/* Credit or room came for the response. May end the parent. */
void sub_feed_answer(struct worker *, struct sub *);

/* The first of those that wait for room; one at a time. True if it got on. */
bool sub_retry_stalled(struct worker *);

#endif
