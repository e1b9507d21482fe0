/* exchange_parts.h
 *
 * What the files of an exchange share, and nobody else includes: exchange.c (states, the pump, the
 * call's start), exchange_request.c (what the client says), exchange_answer.c (what it is told).
 *
 *            exchange_read_head, _read_body, _discard                     call_*
 *   client -------------------------------------> exchange.c: the state <------> wherever it runs
 *          <-------------------------------------
 *            exchange_write_answer, _refuse, _cut
 */
#ifndef HEARTH_EXCHANGE_PARTS_H
#define HEARTH_EXCHANGE_PARTS_H

#include <string.h>
#include <strings.h>

#include "dataplane/base/memory.h"
#include "dataplane/conn/conn.h"
#include "dataplane/conn/exchange.h"
#include "dataplane/core_state.h"

enum {
    /* Of what the client has been told before, it must have read all but so much before more is
     * begun. */
    EXCHANGE_START_ROOM_BYTES = 112 * 1024,
    EXCHANGE_FRAMING_BYTES = 16 * 1024, /* of the connection's room, not granted as credit */
    EXCHANGE_REFUSAL_BYTES_MAX = 2048,  /* an error page with its head */
};

/* An answer that hearth gives itself; text NULL: none. */
struct refusal {
    uint16_t status; /* 204: to OPTIONS *, without a page */
    const char *text;
};

static inline struct head_view view(const char *text)
{
    return (struct head_view){text, strlen(text)};
}

static inline bool view_is(struct head_view v, const char *text)
{
    return v.len == strlen(text) && strncasecmp(v.p, text, v.len) == 0;
}

static inline uint64_t exchange_after_ms(const struct core *core, uint32_t ms)
{
    return core->now_ns + (uint64_t)ms * 1000000;
}

/* To the flight recorder, if this request is recorded. */
static inline void exchange_trace(const struct exchange *x, enum trace_kind kind, uint16_t code,
                                  uint64_t value)
{
    struct core *core = x->conn->core;
    if (x->is_traced)
        trace_write(core->trace, x->request_id, 0, kind, code, value, core->now_ns);
}

/* ---- exchange.c ---- */

/* The one writer of the state, and of the deadline that goes with it. */
void exchange_set_state(struct exchange *, enum exchange_state);
/* Bytes of a body moved: the stall deadline starts again. */
void exchange_moved(struct exchange *);
/* So many came from the client. */
void exchange_got(struct exchange *, size_t bytes);
void exchange_cancel_call(struct exchange *);
/* The call is over: so are the connection's floors. */
void exchange_unreserve(struct exchange *);
/* False: the connection was given up for want of chunks. */
bool exchange_queue(struct exchange *, struct byte_queue *, const void *bytes, size_t len);
/* Up to cap bytes of plaintext, in core->scratch: of a head that is not whole, then the stream's,
 * which stay there. */
size_t exchange_look(struct exchange *, size_t cap);
/* The first of the bytes that exchange_look has just shown are done with. */
void exchange_used(struct exchange *, size_t used);
/* Of the len bytes that exchange_look has just shown, those of the stream are taken in, as far as
 * there are chunks. Returns how many. */
size_t exchange_keep(struct exchange *, size_t len);

/* ---- exchange_request.c: each is true if the pump should go on ---- */

bool exchange_read_head(struct exchange *);
/* Answers a head that was not read to its end; the connection ends. */
void exchange_refuse_unread(struct exchange *, struct refusal);
/* The same, for want of chunks. */
void exchange_refuse_short(struct exchange *);
void exchange_read_body(struct exchange *);
/* Reads and drops the rest of a request body after an early answer. */
bool exchange_discard(struct exchange *);

/* ---- exchange_answer.c ---- */

/* An answer of hearth's own to the current request, which is over with it. */
void exchange_refuse(struct exchange *, struct refusal);
/* What a call's failure says to the client; counts it. */
struct refusal exchange_refusal_of(struct core *, uint32_t error);
extern const struct call_events exchange_events;
/* Ends the connection so that the client sees that its answer is not whole. */
void exchange_cut(struct exchange *);
/* Writes waiting payload while there is room, and lets as much more come as there is room left. */
void exchange_write_answer(struct exchange *);
/* Of an early answer: is little enough of the request body still to come that reading it costs less
 * than a new connection? */
bool exchange_can_discard(const struct exchange *);
struct head_view exchange_format_id(uint64_t id, char out[17]);

#endif
