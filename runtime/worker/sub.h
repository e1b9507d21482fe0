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
 * Bounded by as many of each lane as it has jobs. What runs JavaScript for one is in down_sub.c.
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

/* There are none, in a lane that has none yet. */
void subs_init(struct lane *);
/* What the caller's promise is rejected with. */
const char *sub_sentence(enum job_error);

/* Sends a SUB, now or when there is room. head: encoded (head.h). NULL, and *why, a constant
 * sentence, if it may not. */
struct sub *sub_open(struct worker *, struct request *parent, uint32_t binding, const uint8_t *head,
                     size_t head_bytes, bool has_body, const char **why);
/* Ends it, wherever it stands. */
void sub_close(struct worker *, struct sub *);

double sub_ref(const struct sub *);
/* NULL if it is over. */
struct sub *sub_find(struct worker *, double ref);

/* hearthd's part of it is not over. */
bool sub_is_hearthds(const struct sub *);
/* Tells the isolate what it waits for: after the state, in_waits or out_waits has changed. */
void sub_count_waits(struct sub *);
/* The first on the worker's list of those that wait for room: true, there is some, its head is out,
 * and what feeds it may go on. One at a time. */
bool sub_retry(struct worker *, struct sub *);

/* ---- the request's body ---- */

/* Sends as much as credit and room allow; returns how much. is_end counts if all was sent. If less
 * was sent, JavaScript is told when it may go on (onSubCredit), unless the body passes without
 * it. */
size_t sub_send_body(struct worker *, struct sub *, const uint8_t *bytes, size_t len, bool is_end);
/* From now on the parent's request body is the sub-request's. */
void sub_take_request_body(struct worker *, struct sub *);
/* More of it came, or it ended. */
void sub_feed(struct worker *, struct sub *);
/* The parent's body goes nowhere any more. */
void sub_stop_feeding(struct sub *);

/* ---- the reply's body ---- */

void sub_put_in(struct sub *, const struct job_slot *);
void sub_set_in_waits(struct sub *, bool);
/* So many of the waiting bytes were used. With the last of them it is over. */
void sub_took_in(struct worker *, struct sub *, size_t bytes);
/* From now on the reply's body is the parent's response body. May end the parent. */
void sub_answer(struct worker *, struct sub *);
/* Credit or room came for the response. May end the parent. */
void sub_feed_answer(struct worker *, struct sub *);

#endif
