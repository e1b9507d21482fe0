/* call_state.h
 *
 * struct call and its table in full, for call.c (the table, placing, local jobs), call_remote.c
 * (homes), call_answer.c (memory and credit of answers), call_context.c (who called
 * whom, and what they may still spend) and sub.c, and for no one else.
 */
#ifndef HEARTH_CALL_STATE_H
#define HEARTH_CALL_STATE_H

#include "dataplane/base/age.h"
#include "dataplane/base/memory.h"
#include "dataplane/base/trace.h"
#include "dataplane/call/budget.h"
#include "dataplane/call/call.h"
#include "dataplane/rpc/record.h"

enum call_state { CALL_FREE = 0, CALL_PLACE, CALL_SENT, CALL_REMOTE, CALL_LOCAL, CALL_LINGER };

struct call {
    uint32_t index, generation;
    struct call *next_free;
    struct age_link wait; /* to be looked at again */
    const struct call_events *events;
    uint32_t owner;
    uint8_t state; /* enum call_state */
    uint8_t path;  /* enum call_path */
    uint8_t width_seen;
    uint8_t link;     /* LOCAL, LINGER: the runtime */
    uint16_t home;    /* by our view when it was placed */
    uint16_t node;    /* SENT, REMOTE: where it is */
    bool is_over;     /* its last event is being told */
    bool has_suspect; /* what it called ended its process, and would end the next one */
    bool has_body, is_idempotent, is_forwarded, is_traced, is_bounced, was_rerun;
    bool has_head; /* of the answer */
    bool keeps;    /* body bytes are kept as they pass */
    bool body_complete, end_told;
    bool has_fin, fin_told; /* the origin has closed its half; where it runs that is known */
    bool is_counted;        /* in heat.h's jobs in flight */
    bool is_upload;         /* counted in calls.uploads */
    bool has_lazy, has_sink;
    bool reads;      /* an answer from home may have more to deliver: calls_run looks */
    bool wants_home; /* PLACE: it had no chunks to go there, and waits for some */
    bool is_leaf;    /* its script has no bindings */
    bool lives_on;   /* its last event is being told, and it will linger */
    uint64_t script_hash, script_handle, script_version, bindings_digest;
    uint64_t request_id, span, started_ns;
    struct byte_queue head;    /* encoded; until it cannot be needed again */
    struct byte_queue kept;    /* body bytes; fed of them have gone to where it runs now */
    struct byte_queue context; /* the encoded stack, if the script has bindings */
    struct byte_queue *answer; /* the origin's; NULL: it is over */
    uint32_t fed;
    uint64_t body_total,
        sent_bytes; /* of the body: given by the origin; sent to a home that has not accepted */
    uint64_t wait_until_ns; /* PLACE: for a runtime process; 0: not waiting yet */
    uint64_t try_at_ns;     /* it waits: when to look again */
    struct job_ref job;
    struct channel *channel;
    struct stream *stream;
    uint32_t recv_credit; /* of an answer from home */
    uint32_t head_left;   /* of its HEAD record, whose first bytes are in the answer's queue */
    uint32_t data_left;   /* of its current DATA record */
    uint32_t credit_due;  /* of an answer from here: granted, and not told to the runtime yet */
    uint32_t first_sub;   /* sub.c's list */
    uint8_t lazy[CAPABILITY_BYTES], sink[CAPABILITY_BYTES];
    struct trace_span spans; /* for a sink elsewhere */
    struct budget budget;
};

struct calls {
    void (*drop_subs)(struct core *, struct call *); /* what it called goes with it */
    struct call *free;
    struct budget_trees trees;
    struct age_list waiting;
    uint32_t count, live;
    uint32_t uploads; /* of clients: their body has not all come */
    uint64_t next_ns; /* none of those that wait is due before */
    uint8_t head[JOB_HEAD_BYTES_MAX];
    uint8_t record[RECORD_HEADER_BYTES + RECORD_BYTES_MAX];
    uint8_t piece[RECORD_BODY_BYTES_MAX];
    struct call call[];
};

/* Ours, and the sink's if it is elsewhere. */
void call_trace(struct core *, struct call *, enum trace_kind, uint16_t code, uint64_t value);
struct call *call_at(struct core *, uint32_t index);
/* NULL: the ref is dead, or its last event is being told. */
struct call *call_find(struct core *, struct call_ref);

/* ---- call_context.c ---- */

/* What of its bindings must not have changed under a running script. */
uint64_t call_bindings_digest(const struct world_script *);
/* What it runs, and whom that may call. False: no chunk. */
bool call_take_script(struct core *, struct call *, const struct world_script *);
/* Its part in the budget of its request. */
void call_take_budget(struct core *, struct call *, const struct call_request *);
/* Its head goes to another node: writes the grant into the stack at its front. */
void call_grant(struct call *, uint8_t *head);

/* ---- call_answer.c ---- */

#define CALL_SHORT_NS (1000ull * 1000) /* a ring or arena that was full is looked at again */

/* The body is there, or nobody waits for it any more. */
void call_end_upload(struct core *, struct call *);
/* The floor of the answer's queue, at least. False: there are no chunks for it. */
bool call_reserve(struct core *, struct call *, uint32_t chunks);
/* Body of an answer from home that can be taken before its head is known: the queue holds the
 * largest of them. */
uint32_t call_first_credit(const struct call *);
/* A head that did not come whole. */
void call_drop_head(struct core *, struct call *);
/* No more of the answer will come: the floor goes. */
void call_end_answer(struct core *, struct call *);
/* The origin's FIN goes to where it runs, or as soon as there is room. */
void call_tell_fin(struct core *, struct call *);
/* Credit that found no room in the ring goes as soon as there is some. */
void call_grant_due(struct core *, struct call *);

/* ---- between call.c and call_remote.c ---- */

static inline bool call_is_remote(const struct call *c)
{
    return c->state == CALL_SENT || c->state == CALL_REMOTE;
}

/* To be looked at by calls_run at that time. */
void call_wait(struct core *, struct call *, uint64_t at_ns);
void call_revoke_lazy(struct core *, struct call *);
void call_review_kept(struct core *, struct call *);
/* There is room for body where it runs: feeds it, and tells the origin. */
void call_on_room(struct core *, struct call *);
/* Ends it with an error. */
void call_fail(struct core *, struct call *, uint32_t error);
/* Its last event has been told. */
void call_finish(struct core *, struct call *, bool lingers);
/* Where it ran is gone: runs it again if that is safe, else fails it. is_suspect: it may be why. */
void call_lost(struct core *, struct call *, bool is_suspect);
/* Back from a home: here, or not at all. */
void call_run_here(struct core *, struct call *);

enum call_sent {
    CALL_GONE,      /* it is on its way */
    CALL_NO_WAY,    /* no open channel, no stream: as good as down */
    CALL_NO_MEMORY, /* no chunks here for the CALL or its answer: nothing to do with the node */
};

/* Opens a stream to that node and sends the CALL; if it cannot, nothing happened. */
enum call_sent call_send(struct core *, struct call *, uint16_t node);
/* Body bytes that call_write_body takes now. */
size_t call_remote_room(struct core *, struct call *);
/* False: the end found no room. */
bool call_write_body(struct core *, struct call *, const uint8_t *bytes, size_t len, bool is_end);
void call_drop_stream(struct core *, struct call *, enum stream_reset);
/* Delivers what has come as far as there is credit. */
void call_read(struct core *, struct call *);

#endif
