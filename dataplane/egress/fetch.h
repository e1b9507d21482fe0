/* fetch.h
 *
 * One request of a script to the world: HTTP/1.1, one answer.
 *
 *   RESOLVE   awaits the addresses of the name
 *   CONNECT   awaits a connection: of the addresses that may be reached the first, and after
 *             EGRESS_RACE_MS beside it the next (RFC 8305); the one that opens first stays
 *   HEAD      the request goes out; awaits the answer's head
 *   BODY      awaits its body
 *
 * To its origin (sub.c) it looks like a call: body under credit upwards, head and data as far as
 * the answer's queue has room downwards. So back-pressure goes from the script to the server, whose
 * window closes, and the other way round.
 *
 * What goes out is not what the script wrote: of its head the fields of one connection are left
 * out, Host comes from the URL, framing from what hearthd counts. A body without a length goes in
 * chunks. What comes in is parsed strictly (http1_answer.h); 1xx heads are dropped.
 *
 * Sent again: once, on a new connection, if a kept one had gone before a byte of the answer came,
 * the method is idempotent (RFC 9110 9.2.2) and there is no body. Kept for the next request: when
 * answer and request are whole and both sides' heads allow it (pool.h).
 *
 * Memory of the answer: a floor of ANSWER_CHUNKS_LEAST in the origin's queue (memory.h), and some
 * more for a body while chunks abound; a head that is not whole gathers in shared chunks. Bounded
 * by EGRESS_FETCHES_MAX of a core, and per account. Times: egress_config. Thread: the core.
 */
#ifndef HEARTH_EGRESS_FETCH_H
#define HEARTH_EGRESS_FETCH_H

#include "dataplane/base/age.h"
#include "dataplane/base/chunk.h"
#include "dataplane/base/timer.h"
#include "dataplane/http/http1.h"
#include "runtime/job.h"

struct core;
struct egress_account;
struct name;
struct origin;
struct world_fetches;

struct fetch_ref {
    uint32_t index;
    uint32_t generation; /* 0: none */
};

/* To whoever asked. After is_end and error it is over and its ref dead. */
struct fetch_events {
    void (*head)(void *core, uint32_t owner, const uint8_t *head, size_t len, bool is_end);
    void (*data)(void *core, uint32_t owner, struct head_view body, bool is_end);
    void (*error)(void *core, uint32_t owner, enum job_error);
    void (*credit)(void *core, uint32_t owner); /* more request body can be given */
};

struct fetch_request {
    const struct fetch_events *events;
    uint32_t owner;
    uint64_t account;             /* whose limits: world_script.account */
    struct world_fetches *counts; /* of it; NULL: nobody counts */
    const uint8_t *head;          /* encoded (runtime/head.h), a stranger's; copied */
    size_t head_bytes;
    struct byte_queue *answer; /* the owner's, empty: what it cannot pass on yet */
    bool has_body;
};

enum fetch_state { FETCH_FREE = 0, FETCH_RESOLVE, FETCH_CONNECT, FETCH_HEAD, FETCH_BODY };

struct fetch {
    uint32_t index, generation;
    struct fetch *next_free;
    uint8_t state; /* enum fetch_state */
    const struct fetch_events *events;
    uint32_t owner;
    struct egress_account *account;
    struct world_fetches *counts;
    struct age_link waits; /* for its name */
    struct timer timer;
    uint64_t deadline_ns, race_ns;
    struct origin *origin;  /* that it speaks to, or the first of a race */
    struct origin *rival;   /* CONNECT: the other one of the race */
    struct byte_queue head; /* encoded; until the answer begins */
    struct byte_queue in;   /* bytes of the answer's head */
    struct byte_queue *answer;
    /* of the URL */
    char host[HOST_BYTES_MAX + 1];
    uint16_t port;
    bool is_secure, is_address;
    uint64_t server; /* pool.h */
    /* of the request */
    bool has_body, has_length, is_to_head, is_idempotent;
    bool is_sent; /* its head */
    bool body_ended, was_retried;
    uint64_t body_left; /* has_length: of what it said */
    /* addresses that may be reached */
    uint32_t address_count, address_next;
    uint8_t address[2 * EGRESS_ADDRESSES_MAX][16];
    enum job_error failure; /* of the last attempt to connect */
    /* of the answer */
    struct http1_body body;
    uint32_t in_seen; /* bytes of `in` that the parser has looked at */
    uint8_t interims;
    bool ends_with_connection, keep_alive;
};

/* False: refused at once, *error says why, and it is counted. Else events follow, never before it
 * returns. */
bool fetch_start(struct core *, const struct fetch_request *, struct fetch_ref *,
                 enum job_error *error);
/* Request body bytes that fetch_body takes now; if there are none, not even the end may be given,
 * and `credit` tells when to ask again. */
size_t fetch_body_room(struct core *, struct fetch_ref);
void fetch_body(struct core *, struct fetch_ref, const uint8_t *bytes, size_t len, bool is_end);
/* There is more room in the answer's queue. */
void fetch_credit(struct core *, struct fetch_ref);
void fetch_cancel(struct core *, struct fetch_ref);

/* ---- for the room ---- */

static inline struct fetch *fetch_of_wait(struct age_link *link)
{
    return (struct fetch *)((char *)link - offsetof(struct fetch, waits));
}

/* Of the name that it waits for; NULL: there are none, or nobody knows. */
void fetch_resolved(struct core *, struct fetch *, const struct name *);
void fetch_timeout(struct core *, struct fetch *);

#endif
