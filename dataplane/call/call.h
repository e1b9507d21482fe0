/* call.h
 *
 * One request on its way to an isolate, wherever that is: the only place that knows whether it runs
 * here or at another node.
 *
 *   a client's exchange (exchange.c) --+--> call: place(), keep --+--> a job of a cell here
 *   a peer's CALL       (serve.c)    --+                          |    (job_link.h)
 *   a script's binding  (sub.c)      --+                          +--> a stream to its home (rpc/)
 *                                                                      --BOUNCE--> a local job
 *
 *   PLACE   awaits a cell, or a home, to be up
 *   SENT    awaits ACCEPT or BOUNCE of the home; at most W body bytes have gone with the CALL
 *   REMOTE  awaits the home's answer
 *   LOCAL   awaits the cell's answer
 *   LINGER  is answered, or cancelled; awaits the end of the script's waitUntil (its sub-requests
 *           need the context)
 *
 * Kept bytes. The head, and body bytes up to W, are kept until they cannot be needed again: until
 * ACCEPT, and for idempotent requests (RFC 9110 9.2.2), and those that are here as a whole, whose
 * body fits until the response head. From these a bounced call, an idempotent one whose home or
 * cell died, or one that a spent cell has refused to begin, runs here; the two latter once. So:
 * wasted body bytes of a bounce <= W; no body byte comes back over the wire; each byte goes to
 * exactly one executing isolate, in order, once.
 *
 * To its origin a call looks like a job: body under credit upwards, head and data under credit
 * downwards. Origins name it by struct call_ref; a ref whose generation has passed is dead, and all
 * calls on it are refused.
 *
 * Memory of the answer (memory.h). A head, and body that was granted, come and cannot be refused:
 * so no call begins without chunks for the largest head, and there is no credit without chunks. The
 * origin has a queue in which head and body wait until they can be passed on; as long as the call
 * lives, the queue has a floor (chunk.h), and what waits in it and what may still come are never
 * more than the floor holds. Until the head is told the queue is the call's: in it a head gathers
 * that comes from home in pieces. A call runs here if there are chunks for a head and the first
 * credit of a job, else it waits for a short time or is refused; it goes to a home with those for a
 * head, since body that is not granted can wait in the stream.
 *
 * Thread: the core. Memory: a fixed table. Bounded by CALLS_DEFAULT.
 *
 * Rejected: forwarding as a special case of the exchange; clients, peers and scripts need the same:
 * place, keep, bounce, run again. A head that gathers in the stream that brings it: the stream's
 * floor is 2 chunks, so heads over 4 KB failed their call; the answer's queue is empty until then,
 * and set aside anyway.
 */
#ifndef HEARTH_CALL_H
#define HEARTH_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/chunk.h"
#include "dataplane/base/trace.h"
#include "dataplane/call/job_link.h"
#include "dataplane/rpc/capability.h"
#include "dataplane/rpc/channel.h"
#include "dataplane/rpc/record.h"

struct core;
struct call;
struct world_script;

struct call_ref {
    uint32_t index;
    uint32_t generation; /* 0: none */
};

/* Why a call failed: what a cell says (enum job_error), and what hearth adds. */
enum call_error {
    CALL_ERROR_NO_RUNTIME = JOB_ERROR_KINDS, /* none is up: 503 */
    CALL_ERROR_BUSY,    /* job table, ring, arena or call table full, or no chunks: 503 */
    CALL_ERROR_REFUSED, /* overloaded here, and at home or nowhere else to go: 503, Retry-After */
    CALL_ERROR_LOST,    /* the cell or the home died with it: 502 */
    CALL_ERROR_ACCOUNT, /* its account has as many requests under way here as it may: 429 */
    CALL_ERROR_KINDS,
};

/* The same as what a cell or a peer can be told. */
enum job_error call_job_error(uint32_t error);

/* Calls to the origin of a call. Views die with the call. After is_end and error the call is over
 * and its ref dead. */
struct call_events {
    void (*head)(void *core, uint32_t owner, const struct answer_head *);
    void (*data)(void *core, uint32_t owner, const struct answer_body *);
    void (*error)(void *core, uint32_t owner,
                  uint32_t error);              /* enum job_error or enum call_error */
    void (*credit)(void *core, uint32_t owner); /* more request body can be given */
};

struct call_request {
    const struct call_events *events;
    uint32_t owner;
    const struct world_script *script;
    uint64_t request_id;
    struct byte_queue
        *head; /* encoded (runtime/head.h), with its context stack; taken over: empty afterwards */
    struct byte_queue *answer; /* the origin's, empty: what cannot be passed on yet */
    bool has_body, is_idempotent;
    bool is_forwarded; /* came from a peer: runs here or is refused */
    bool is_upload;    /* a client's, whose body is not all here: it may take its time */
    bool is_traced;
    const uint8_t *sink; /* a capability: where spans go besides our own recorder; NULL: nowhere */
    uint64_t span;       /* names this call in the trace; 0: the client's own */
    uint64_t started_ns; /* of the whole request, by our clock: what ages and spans count from */
    struct call *parent; /* whose script makes it; NULL: nobody's here */
    /* That it may make, with all below it (budget.h), if that is less than its script's limit. */
    uint32_t subrequests;
    uint32_t cpu_us, wall_ms; /* the same, but for 0: nothing said */
};

enum call_path { CALL_HERE = 0, CALL_FORWARDED, CALL_BOUNCED };

/* The script may not run now: *error says why, and it is counted. */
bool call_is_held(struct core *, uint64_t handle, uint32_t *error);
/* Places and starts it. True: events will follow, and *ref names it (even if it ends before this
 * returns: then ref is dead). False: it was refused at once, *error says why; the head is the
 * caller's still. */
bool call_start(struct core *, const struct call_request *, struct call_ref *ref, uint32_t *error);
/* Are there chunks for a call that runs here? Without, call_start would refuse it; an origin that
 * can wait asks first. */
bool call_has_memory(const struct core *, bool is_upload);
/* And for the head of such a call, while it waits? */
bool call_has_head_memory(const struct core *);

/* Request body bytes that call_body is sure to take now; if there are none, `credit` tells when to
 * ask again. */
size_t call_body_room(struct core *, struct call_ref);
/* Exactly as many as call_body_room allows or fewer. is_end: these are the last (may be with
 * none). */
void call_body(struct core *, struct call_ref, const uint8_t *bytes, size_t len, bool is_end);
/* Body was passed on, or there is more room for it: lets as much more come as the queue's floor
 * holds. room: bytes that the way on from the queue takes now; if that is more than the floor, and
 * chunks abound, the floor is raised. */
void call_credit(struct core *, struct call_ref, size_t room);
/* The origin has closed its half, and still waits for the answer: whoever runs the call is told,
 * now or when it starts, and again where it runs again. Its body is whole, or on its way here.
 * True: that is news. */
bool call_fin(struct core *, struct call_ref);
/* The origin is gone: the job or stream is cancelled, the ref dead. A job lives on for its
 * waitUntil, here or at its home. */
void call_cancel(struct core *, struct call_ref);

/* For debug headers: names of nodes by their index in the world. */
enum call_path call_path(struct core *, struct call_ref);
uint16_t call_home(struct core *, struct call_ref);
/* Of a peer's call, while its last event is told: what it has spent (budget.h). */
struct record_end call_spent(struct core *, struct call_ref);

/* ---- the core's part ---- */

struct calls;
size_t calls_bytes(uint32_t count);
/* drop_subs: a call is over, and so are the calls that its script has made. */
struct calls *calls_init(void *memory, uint32_t count,
                         void (*drop_subs)(struct core *, struct call *), uint64_t now_ns);
uint32_t calls_live(const struct calls *);

/* A cell of that script is there that was not: what waits for one looks in calls_run. */
void calls_look_again(struct core *, uint64_t script);
/* What is due: retries, deadlines; a slice per iteration. */
uint32_t calls_run(struct core *);
uint64_t calls_next_ns(const struct calls *);
/* The core ends: nobody waits for what lingers. */
void calls_end(struct core *);

/* From peers.c: streams that calls opened (stream_user is the call), and a channel that went
 * down. */
void call_readable(void *core, struct stream *);
void call_writable(void *core, struct stream *);
void call_reset(void *core, struct stream *, enum stream_reset);
void calls_channel_down(struct core *, struct channel *);

extern const struct job_link_events call_job_events;

#endif
