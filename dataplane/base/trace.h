/* trace.h
 *
 * The flight recorder: what happened to each request, as fixed-size events in a ring per core that
 * always runs.
 *
 *   core: trace_write --> [ ring of TRACE_EVENTS, ] <-- trace_read: the control thread,
 *                         [ oldest overwritten    ]                 without a lock
 *   another node's core --EVENT{trace sink}--> trace_take: its events, on this node's clock
 *
 * `hearthctl why REQUEST-ID` is trace_read over all cores, sorted by time. The reader copies an
 * event and then looks whether its place was overwritten meanwhile (sequence number before and
 * after): it never sees half an event.
 *
 * What another node saw travels as offsets from the request's start. How long ago that was travels
 * with the call (its age) and grows by half the shortest round trip on the way: good to a few
 * microseconds, and no clock needs to agree with another. The shortest that a
 * new channel has seen may be long, if a node stood still meanwhile: nothing is told later than the
 * word of it came.
 *
 * Wire (payload of an EVENT record), big-endian:
 *   u64 request id | u64 span | u8 count | count x { u8 kind | u8 zero | u16 code | u32 at_us |
 *                                                    u64 value }
 *
 * Units: nanoseconds of the core's clock. Thread: one writer (the core), any readers. Memory: the
 * caller's, 1.5 MiB; zeroed by trace_init.
 *
 * Rejected: sampling (`tune trace_one_in` is 1 by itself); `why` must know the request that
 * somebody asks about. Synchronised clocks: half a round trip is good enough, with no clock to
 * trust.
 */
#ifndef HEARTH_TRACE_H
#define HEARTH_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_EVENTS = 32768,
    TRACE_REMOTE_EVENTS_MAX = 24,
    TRACE_WIRE_BYTES_MAX = 8 + 8 + 1 + TRACE_REMOTE_EVENTS_MAX * 16,
    TRACE_CORE_UNKNOWN = UINT8_MAX, /* of another node's events */
};

/* X(name, "what `code` and `value` are") */
#define TRACE_KINDS(X)                                                                             \
    X(SYN, "first segment of the connection")                                                      \
    X(HELLO, "server name known; value: script hash or 0")                                         \
    X(WARM_LOCAL, "cell asked for here; value: script hash")                                       \
    X(WARM_REMOTE, "cell asked for at home; code: node; value: script hash")                       \
    X(HANDSHAKE, "TLS handshake done; code: 1 resumed")                                            \
    X(REQUEST, "request head complete; value: script hash")                                        \
    X(PLACED, "code: enum place_why | where << 8; value: home node")                               \
    X(FORWARD, "call sent; code: node; value: bytes of body sent with it")                         \
    X(RECEIVED, "call arrived at its home; code: ingress node")                                    \
    X(ACCEPT, "code: width")                                                                       \
    X(BOUNCE, "code: enum bounce_reason; value: body bytes wasted")                                \
    X(START, "given to a cell; code: its link; value: jobs in flight there")                       \
    X(QUEUE, "taken up by the cell; value: nanoseconds in its queue")                              \
    X(CELL, "cold start: it waited for a cell; value: microseconds")                               \
    X(COMPILE, "cold start: modules compiled; value: microseconds")                                \
    X(TOP_LEVEL, "cold start: top level run; value: microseconds")                                 \
    X(HEAD, "response head from the script; code: status; value: enum job_start")                  \
    X(FIRST_BYTE, "first byte of the answer given to the connection")                              \
    X(SPENT, "CPU time of a call, with all that it called; value: microseconds")                   \
    X(END, "answer complete; code: status; value: body bytes")                                     \
    X(ERROR, "code: enum job_error or status; value: 0")                                           \
    X(RERUN, "run again; code: attempt")                                                           \
    X(SUB, "a script called another; code: depth; value: script hash")                             \
    X(CANCEL, "the client left")                                                                   \
    X(FIN, "the client closed its half, and waits for the answer")

enum trace_kind {
    TRACE_NONE = 0,
#define TRACE_ENUM(name, text) TRACE_##name,
    TRACE_KINDS(TRACE_ENUM)
#undef TRACE_ENUM
        TRACE_KIND_COUNT,
};

struct trace_event {
    uint64_t request;
    uint64_t span; /* which call of it: 0 the client's own, else the frame's span id */
    uint64_t at_ns;
    uint64_t value;
    uint16_t node; /* index of the member where it happened */
    uint16_t code;
    uint8_t kind; /* enum trace_kind */
    uint8_t core;
};

struct trace {
    uint16_t node;
    uint8_t core;
    _Atomic uint64_t next; /* number of the next event; its place is next % TRACE_EVENTS */
    struct {
        _Atomic uint64_t number; /* of the event that lies here, + 1; 0 while it is written */
        struct trace_event event;
    } place[TRACE_EVENTS];
};

void trace_init(struct trace *, uint16_t node, uint8_t core);
void trace_write(struct trace *, uint64_t request, uint64_t span, enum trace_kind, uint16_t code,
                 uint64_t value, uint64_t at_ns);

/* Calls visit for every event of the request that is still there, oldest first. Any thread. Returns
 * how many. */
typedef void (*trace_visit)(void *arg, const struct trace_event *);
uint32_t trace_read(const struct trace *, uint64_t request, trace_visit, void *arg);

/* ---- what a home sends to the sink ---- */

struct trace_span { /* collects what happens to one call here */
    uint64_t request, span, started_ns;
    uint8_t count;
    struct {
        uint8_t kind;
        uint16_t code;
        uint32_t at_us;
        uint64_t value;
    } event[TRACE_REMOTE_EVENTS_MAX];
};
void trace_span_init(struct trace_span *, uint64_t request, uint64_t span, uint64_t now_ns);
/* When it is full, the last event is replaced, so that the end of the story is always told. */
void trace_span_add(struct trace_span *, enum trace_kind, uint16_t code, uint64_t value,
                    uint64_t now_ns);
/* Bytes written; 0: nothing happened, there is nothing to send. */
size_t trace_span_write(const struct trace_span *, uint8_t out[TRACE_WIRE_BYTES_MAX]);
/* Takes another node's events into the ring. base_ns: when the request began, by our clock. now_ns:
 * no event is later. False: malformed, or of another request than the sink was made for; then
 * nothing is taken. */
bool trace_take(struct trace *, uint16_t node, uint64_t request, uint64_t base_ns, uint64_t now_ns,
                const uint8_t *payload, size_t len);

/* "SYN"; "?" for what is none. */
const char *trace_kind_name(enum trace_kind);

#endif
