/* call_state.h
 *
 * struct call and its table in full, for call.c (the table, placing, local jobs, the end),
 * call_wait.c (what is to be looked at, and when), call_body.c (what comes in, and what is kept of
 * it), call_remote.c (homes), call_answer.c (memory and credit of answers), call_context.c (who
 * called whom, and what they may still spend), call_trace.c (what is told of it) and sub.c, and for
 * no one else.
 */
#ifndef HEARTH_CALL_STATE_H
#define HEARTH_CALL_STATE_H

#include "dataplane/base/age.h"
#include "dataplane/base/memory.h"
#include "dataplane/base/timer.h"
#include "dataplane/base/trace.h"
#include "dataplane/call/budget.h"
#include "dataplane/call/call.h"
#include "dataplane/call/cells.h"
#include "dataplane/rpc/record.h"
#include "runtime/context.h"
#include "runtime/head.h"

struct context;
struct world_binding;

enum call_state { CALL_FREE = 0, CALL_PLACE, CALL_SENT, CALL_REMOTE, CALL_LOCAL, CALL_LINGER };

struct call {
    uint32_t index, generation;
    struct call *next_free;
    struct age_link due;      /* to be looked at now */
    struct timer later;       /* to be looked at then */
    struct age_link for_cell; /* to be looked at when a cell of its script comes */
    struct timer limit;       /* LOCAL, LINGER: it must be over then */
    const struct call_events *events;
    uint32_t owner;
    uint8_t state; /* enum call_state */
    uint8_t path;  /* enum call_path */
    uint8_t width_seen;
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
    uint8_t reach;   /* enum budget_reach */
    bool lives_on;   /* its last event is being told, and it will linger */
    uint64_t script_hash, script_handle, script_version, bindings_digest;
    uint64_t request_id, span, started_ns;
    struct byte_queue head;    /* encoded; until it cannot be needed again */
    struct byte_queue kept;    /* body bytes; fed of them have gone to where it runs now */
    struct byte_queue context; /* if the script has bindings: the encoded stack, and call_client */
    struct byte_queue *answer; /* the origin's; NULL: it is over */
    uint32_t fed;
    uint16_t stack_bytes; /* of context: the rest is what hearth has said of the client */
    uint64_t body_total,
        sent_bytes; /* of the body: given by the origin; sent to a home that has not accepted */
    uint64_t wait_until_ns; /* PLACE: for a cell; 0: not waiting yet */
    uint64_t no_cell_ns;    /* when it found that there was no cell; 0: it did not */
    uint64_t moved_ns;      /* LOCAL: when it began, or a byte of a body moved */
    uint32_t wall_ms;       /* of its script */
    uint32_t wall_told_ms;  /* by its caller; 0: nothing */
    uint32_t cpu_ms;        /* of its script */
    uint32_t link;          /* LOCAL, LINGER: to its cell */
    struct job_ref job;
    struct channel *channel;
    struct stream *stream;
    uint32_t recv_credit;      /* of an answer from home */
    uint32_t head_left;        /* of its HEAD record, whose first bytes are in the answer's queue */
    uint32_t data_left;        /* of its current DATA record */
    uint32_t promised;         /* of its answer, at the last look: it may come, or waits here */
    uint32_t credit_due;       /* of an answer from here: granted, and not told to the cell yet */
    uint32_t first_sub;        /* sub.c's list */
    _Atomic uint32_t *at_once; /* of its account: where it is counted; NULL: nowhere */
    uint8_t lazy[CAPABILITY_BYTES], sink[CAPABILITY_BYTES];
    struct trace_span spans; /* for a sink elsewhere */
    struct budget budget;
};

struct calls {
    void (*drop_subs)(struct core *, struct call *); /* what it called goes with it */
    struct call *free;
    struct budget_trees trees;
    struct age_list due;
    struct timers later, limits;
    struct age_list *for_cell; /* by script: those that wait for a cell of it */
    uint32_t for_cell_mask;
    uint32_t count, live;
    uint32_t uploads; /* of clients: their body has not all come */
    uint8_t head[JOB_HEAD_BYTES_MAX];
    uint8_t record[RECORD_HEADER_BYTES + RECORD_BYTES_MAX];
    uint8_t piece[RECORD_BODY_BYTES_MAX];
    struct call call[];
};

struct call *call_at(struct core *, uint32_t index);
/* NULL: the ref is dead, or its last event is being told. */
struct call *call_find(struct core *, struct call_ref);

/* ---- call_trace.c ---- */

/* Ours, and the sink's if it is elsewhere. */
void call_trace(struct core *, struct call *, enum trace_kind, uint16_t code, uint64_t value);
/* Its answer has ended: what it has used with all that it called, and how. */
void call_trace_end(struct core *, struct call *, uint32_t error);
/* A process says how long the parts of a cold start took. */
void call_span(void *core, uint32_t owner, const uint32_t phase_us[JOB_PHASES]);
/* To the sink. */
void call_send_spans(struct core *, struct call *);

/* ---- call_context.c ---- */

/* What hearth says of the client in a request's head. */
enum call_client { CALL_CLIENT_IP, CALL_CLIENT_PROTO, CALL_CLIENT_FIELDS };

enum {
    CALL_CLIENT_BYTES_MAX = 63, /* of a value */
    CALL_CONTEXT_BYTES_MAX = CONTEXT_BYTES_MAX + CALL_CLIENT_FIELDS * (1 + CALL_CLIENT_BYTES_MAX),
};

struct call_client_words {
    struct head_view value[CALL_CLIENT_FIELDS]; /* in bytes; empty: not known */
    uint8_t bytes[CALL_CONTEXT_BYTES_MAX];
};

const char *call_client_field(enum call_client);
/* What was kept of its head. False: no stack. */
bool call_read_context(struct call *, struct context *, struct call_client_words *);

/* Where requests enter, their account may have so many under way. False: it has. */
bool call_count_at_once(struct call *, const struct call_request *);
void call_uncount_at_once(struct call *);
/* What of its bindings must not have changed under a running script. */
uint64_t call_bindings_digest(const struct world_script *);
/* What it runs, and whom that may call. False: no chunk. */
bool call_take_script(struct core *, struct call *, const struct world_script *);
/* Its part in the budget of its request. */
void call_take_budget(struct core *, struct call *, const struct call_request *);
/* What a call of its script's, through that binding, may use of the CPU time and the time that are
 * left: into the callee's context. */
enum job_error call_allow(struct core *, const struct call *parent, const struct world_binding *,
                          struct context *);
/* A process says what CPU time its job has used. */
void call_ran(void *core, uint32_t owner, uint64_t cpu_us);
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

/* ---- call_wait.c ---- */

/* To be looked at by calls_run at that time, or before. */
void call_wait(struct core *, struct call *, uint64_t at_ns);
/* At its next turn. */
void call_make_due(struct core *, struct call *);
/* Also when a cell of its script comes. */
void call_wait_for_cell(struct core *, struct call *);
void call_stop_waiting(struct core *, struct call *);

/* ---- call_body.c ---- */

/* What was kept has not all gone to where it runs now. */
static inline bool call_is_replaying(const struct call *c)
{
    return c->fed < c->kept.bytes;
}

/* Bytes that may be needed again are kept; the others go. */
void call_review_kept(struct core *, struct call *);
/* Kept bytes, and the end of the body, as far as there is room. */
void call_feed(struct core *, struct call *);
/* There is room for body where it runs: feeds it, and tells the origin. */
void call_on_room(struct core *, struct call *);

/* ---- between call.c and call_remote.c ---- */

/* Of its cell; while it is LOCAL or lingers. */
static inline struct job_link *call_link(struct core *core, const struct call *c)
{
    return cells_at(core, c->link);
}

static inline bool call_is_remote(const struct call *c)
{
    return c->state == CALL_SENT || c->state == CALL_REMOTE;
}

void call_revoke_lazy(struct core *, struct call *);
/* Ends it with an error. */
void call_fail(struct core *, struct call *, uint32_t error);
/* Its last event has been told. */
void call_finish(struct core *, struct call *, bool lingers);
/* Where it ran is gone: runs it again if that is safe, else fails it. suspected_of: it may be why,
 * and is told that (job_link_events.lost). */
void call_lost(struct core *, struct call *, enum job_error suspected_of);
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
