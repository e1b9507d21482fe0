/* context.h
 *
 * The context stack of a call: who called whom to get here, and under which limits. It travels with
 * every call, between nodes and to the runtime, and bounds chains and cycles of bindings. With it
 * goes what the call may still spend of its request's budget (dataplane/call/budget.h).
 *
 *   frame 0: the script that the client asked for | frame 1: the script that it called | ...
 *   at most CONTEXT_DEPTH_MAX
 *
 *   wire:  u8 version (3) | u8 count | u16 zero | u32 granted | u32 cpu_us | u32 wall_ms |
 *          count x frame of CONTEXT_FRAME_BYTES, big-endian, in the order of the struct
 *
 * A limit override of 0 says nothing; the effective limit is the least of all frames' that say
 * something, so that a callee can never do more than its caller allowed.
 *
 * cpu_us, wall_ms: the most that this call may use of them, since its request has no more left; 0:
 * nothing said. They are limits like those of a frame, and not in one: a frame's are its binding's,
 * which nodes hold against what they know of the caller.
 *
 * granted: between nodes, how many sub-requests this call may still make, with all that it calls in
 * turn (dataplane/call/budget.h, which keeps the books); 0: none. It is not a limit of a frame:
 * what the callee does not use of it goes back with the end of its answer. In what a runtime gets
 * it says nothing: hearthd counts, and the script is told when a call is one too many.
 *
 * trace_id and flags are W3C Trace Context's (traceparent); span_id is this frame's own, its parent
 * is the frame below.
 *
 * Pure. Source: W3C Trace Context, level 1.
 */
#ifndef HEARTH_CONTEXT_H
#define HEARTH_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONTEXT_DEPTH_MAX = 16,
    CONTEXT_TAILS_MAX = 4,
    CONTEXT_FRAME_BYTES = 104,
    CONTEXT_HEADER_BYTES = 16,
    CONTEXT_BYTES_MAX = CONTEXT_HEADER_BYTES + CONTEXT_DEPTH_MAX * CONTEXT_FRAME_BYTES,
};

enum context_trust {
    CONTEXT_UNTRUSTED = 0,
    CONTEXT_TRUSTED = 1 /* caller and callee have one owner */
};

struct context_frame {
    uint64_t script; /* hash of its id */
    uint64_t owner;  /* hash of the account that deployed it; 0: none said */
    uint32_t cpu_ms, memory_mb, subrequests, wall_ms;
    uint32_t features; /* flags of the script's compatibility settings */
    uint8_t trust;     /* enum context_trust: of the caller in this callee */
    uint8_t trace_flags;
    uint8_t tail_count;
    uint8_t zero;
    uint64_t tail[CONTEXT_TAILS_MAX]; /* hashes of scripts that get its logs */
    uint64_t outbound; /* hash of the script that its fetch() goes through; 0: none */
    uint8_t trace_id[16];
    uint8_t span_id[8];
};

struct context {
    uint32_t count;
    uint32_t granted;
    uint32_t cpu_us, wall_ms;
    struct context_frame frame[CONTEXT_DEPTH_MAX];
};

/* Bytes written, at most CONTEXT_BYTES_MAX; out has room for them. There is at least one frame. */
size_t context_write(const struct context *, uint8_t *out);
/* Into one that is written. */
void context_grant(uint8_t *bytes, uint32_t granted);
/* False: malformed (length, version, zeros, depth 0 or too deep, trust, tails). *out is then
 * undefined. */
bool context_read(struct context *out, const uint8_t *bytes, size_t len);

/* Appends a frame that inherits the trace (id, flags) of the one below. NULL: the stack is full.
 * The caller fills in the rest. */
struct context_frame *context_push(struct context *, uint64_t script, const uint8_t span_id[8]);

/* The effective limits: the least that any frame says, or what the request has left; 0: nobody says
 * anything. */
struct context_limits {
    uint64_t cpu_us;
    uint32_t memory_mb, subrequests, wall_ms;
};
struct context_limits context_limits(const struct context *);

enum { CONTEXT_TRACEPARENT_BYTES = 55 };
/* "00-<32 hex>-<16 hex>-<2 hex>", without a terminator: the trace of the top frame. */
void context_traceparent(const struct context *, char out[CONTEXT_TRACEPARENT_BYTES]);
/* Takes trace id and flags from a client's header into the frame. False: malformed, nothing
 * taken. */
bool context_take_traceparent(struct context_frame *, const char *text, size_t len);

#endif
