/* record.h
 *
 * What two nodes say to each other inside the streams of a channel: the frames of a call, and of
 * the control stream. One writer and one reader for each; layouts are bit-counted in record.c.
 *
 *   record:  u8 type | u24 length | length bytes          big-endian
 *
 *   a call's stream      ingress -> home   CALL  BODY*  BODY_END
 *                                          CANCEL is the stream's reset
 *                        home -> ingress   ACCEPT  HEAD  DATA*  DATA_END
 *                                          or BOUNCE, or ERROR at any point
 *   the control stream   both ways         STATE  RING  WARM  WARMED  HANDED  EVENT  NOTE  GOAWAY
 *                                          RELEASE  FIN
 *
 * Offsets of BODY and DATA, CREDIT and retransmission are the stream's (channel.h): its bytes are
 * in order, each exactly once, so a record carries none.
 *
 * A call's stream has ended behind its body when the client closes its half: that is said on the
 * control stream (FIN), once home has accepted.
 *
 * A byte that is called zero, a flag or a value of an enumeration that we do not know makes a
 * record bad: there is one version, and the channel's prologue says which.
 *
 * Everything that arrives is a peer's data: the peer is a member and authenticated, but may run
 * another version, or be compromised. RECORD_BAD ends the stream (a call's) or the channel (the
 * control stream's), and is counted.
 *
 * Pure: views into what was given, bytes into the caller's memory.
 *
 * Rejected: BODY and DATA with offsets of their own, and loss repaired frame by frame; that is a
 * second reassembly.
 */
#ifndef HEARTH_RECORD_H
#define HEARTH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/place/verdict.h"
#include "dataplane/rpc/capability.h"
#include "runtime/job.h"

enum record_type {
    RECORD_NONE = 0,
    RECORD_CALL,
    RECORD_BODY,
    RECORD_BODY_END, /* trailers are not carried: scripts cannot see them */
    RECORD_ACCEPT,
    RECORD_BOUNCE,
    RECORD_HEAD,
    RECORD_DATA,
    RECORD_DATA_END,
    RECORD_ERROR,
    RECORD_STATE,
    RECORD_RING,
    RECORD_WARM,
    RECORD_WARMED,
    RECORD_HANDED,
    RECORD_EVENT,
    RECORD_NOTE,
    RECORD_GOAWAY,
    RECORD_RELEASE,
    RECORD_FIN, /* the client of that call has closed its half, and still reads */
    RECORD_TYPES,
};

enum {
    RECORD_HEADER_BYTES = 4,
    RECORD_CALL_FIXED_BYTES = 24 + 4 + 4 + 2 * CAPABILITY_BYTES,     /* before the head */
    RECORD_BYTES_MAX = RECORD_CALL_FIXED_BYTES + JOB_HEAD_BYTES_MAX, /* content of any record */
    RECORD_BODY_BYTES_MAX = 16384,                                   /* of one BODY or DATA */
    RECORD_END_BYTES = 8,                                            /* content of DATA_END */
    RECORD_NOTE_BYTES_MAX = 16384,
    RECORD_EVENT_BYTES_MAX = 4096, /* payload of an EVENT */
};

struct record_header {
    uint8_t type; /* enum record_type */
    uint32_t bytes;
};

/* False: no such type, or of a length that its type cannot have. Fixed-size records must have their
 * size. */
bool record_read_header(struct record_header *, const uint8_t in[RECORD_HEADER_BYTES]);
void record_write_header(uint8_t out[RECORD_HEADER_BYTES], enum record_type, uint32_t bytes);

enum record_call_flag {
    RECORD_CALL_HAS_BODY = 1,
    RECORD_CALL_IDEMPOTENT = 2,
    RECORD_CALL_TRACED = 4, /* `trace` is one: send spans there */
};

struct record_call {
    uint64_t request_id, script, version; /* version: first 8 bytes of the artifact's SHA-256 */
    uint32_t age_us;                      /* how long ago the request began, when this was sent */
    uint8_t flags;                        /* enum record_call_flag */
    uint8_t lazy[CAPABILITY_BYTES];       /* runs it at its ingress instead */
    uint8_t trace[CAPABILITY_BYTES];
    const uint8_t *head; /* runtime/head.h, with the context stack */
    uint32_t head_bytes;
};

struct record_accept {
    uint8_t width; /* homes that this script wants now: 1, 2, 4 */
    /* 0: a cell is warm; else how long its start is expected to take, 1: unknown. */
    uint32_t warm_us;
};

struct record_bounce {
    uint8_t reason; /* enum bounce_reason */
    uint8_t lazy[CAPABILITY_BYTES];
};

struct record_head {
    uint32_t cold_us;    /* enum job_start of job.h, and beyond */
    const uint8_t *head; /* runtime/head.h, a response */
    uint32_t head_bytes;
};

/* Of an answer, or of none: what will not be used any more of what the CALL's context granted is
 * not spent. CPU time: of the call, and of all that it called in turn. */
struct record_end {
    uint32_t spent_subrequests, spent_cpu_us;
};

struct record_error {
    enum job_error error;
    struct record_end end;
};

struct record_state {
    uint8_t state; /* enum node_state: what the sender wants to be taken for */
    uint16_t
        load; /* per mille of what it can take: jobs in flight, or queueing delay of its target */
    uint32_t queue_us; /* queueing delay of the sender's cells, the worst */
    bool is_leaving;   /* SERVING, but hands over what is warm: not for long */
};

struct record_ring {
    uint64_t epoch, digest;
};

struct record_warm {
    uint64_t script, version;
    bool is_handover; /* wants a WARMED, and is not limited by the budget */
    bool is_demanded; /* no guess: requests are about to follow. Nor is this */
};

struct record_warmed {
    uint64_t script;
    uint32_t took_us; /* 0: it was warm */
    bool is_warm;     /* false: it could not be */
};

/* May this channel end? Who asks opens no stream on it any more; who agrees does not either, and
 * has none. */
enum record_release { RELEASE_ASK = 1, RELEASE_YES, RELEASE_NO, RELEASES };

struct record_fin {
    uint64_t stream; /* the call's: one that the sender opened */
};

struct record_event {
    uint8_t sink[CAPABILITY_BYTES];
    const uint8_t *payload; /* trace.h */
    uint32_t payload_bytes;
};

/* Writers: header and content; return bytes written, or 0 if cap is too small. What is given must
 * be in range: ours to get right. */
size_t record_write_call(uint8_t *out, size_t cap, const struct record_call *);
size_t record_write_accept(uint8_t *out, size_t cap, const struct record_accept *);
size_t record_write_bounce(uint8_t *out, size_t cap, const struct record_bounce *);
size_t record_write_head(uint8_t *out, size_t cap, const struct record_head *);
size_t record_write_end(uint8_t *out, size_t cap, const struct record_end *);
size_t record_write_error(uint8_t *out, size_t cap, const struct record_error *);
size_t record_write_state(uint8_t *out, size_t cap, const struct record_state *);
size_t record_write_ring(uint8_t *out, size_t cap, const struct record_ring *);
size_t record_write_warm(uint8_t *out, size_t cap, const struct record_warm *);
size_t record_write_warmed(uint8_t *out, size_t cap, const struct record_warmed *);
size_t record_write_release(uint8_t *out, size_t cap, enum record_release);
size_t record_write_fin(uint8_t *out, size_t cap, const struct record_fin *);
size_t record_write_event(uint8_t *out, size_t cap, const struct record_event *);
/* BODY_END, HANDED, GOAWAY. */
size_t record_write_empty(uint8_t *out, size_t cap, enum record_type);

/* Readers: the content, whole. False: RECORD_BAD. Views point into the bytes. */
bool record_read_call(struct record_call *, const uint8_t *bytes, size_t len);
bool record_read_accept(struct record_accept *, const uint8_t *bytes, size_t len);
bool record_read_bounce(struct record_bounce *, const uint8_t *bytes, size_t len);
bool record_read_head(struct record_head *, const uint8_t *bytes, size_t len);
bool record_read_end(struct record_end *, const uint8_t *bytes, size_t len);
bool record_read_error(struct record_error *, const uint8_t *bytes, size_t len);
bool record_read_state(struct record_state *, const uint8_t *bytes, size_t len);
bool record_read_ring(struct record_ring *, const uint8_t *bytes, size_t len);
bool record_read_warm(struct record_warm *, const uint8_t *bytes, size_t len);
bool record_read_warmed(struct record_warmed *, const uint8_t *bytes, size_t len);
bool record_read_release(enum record_release *, const uint8_t *bytes, size_t len);
bool record_read_fin(struct record_fin *, const uint8_t *bytes, size_t len);
bool record_read_event(struct record_event *, const uint8_t *bytes, size_t len);

#endif
