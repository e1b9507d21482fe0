/* job.h
 *
 * The shared-memory contract between hearthd and one cell: what a region holds,
 * what a message looks like, and which messages exist. Ids, offsets and lengths only: no pointer
 * crosses.
 *
 *   region (memfd, sealed size, mapped by both)
 *   +--------+------------------------- lane 0 (dp core 0) ------------------------+-- lane 1 --+
 *   | header | ring down | ring up | returns down | up | pad | chunks down | up    |    ...     |
 *   +--------+-----------+---------+--------------+----+-----+-------------+-------+------------+
 *     down: produced by hearthd's dp core        up: produced by the cell
 *
 * How large the parts of a lane are its geometry says. Chunks lie on pages of their own, so that
 * those that were never used cost nothing. hearthd writes the geometry into the header; the process
 * reads it once, when it takes the region. hearthd keeps its own copy and hands it to every call:
 * what the region says of itself is the process's to change.
 *
 * A job is one request. hearthd names it by (lane, slot index, generation); a message whose
 * generation is not the slot's current one is late, and is dropped and counted, never an error.
 *
 * Life of a job:
 *   down: START  BODY*  (END on the last of them)  CREDIT*  FIN?  CANCEL?
 *   up:   HEAD   DATA*  (END on the last of them)  CREDIT*
 *         or ERROR at any point, which ends it
 *
 * A job may outlive its answer (waitUntil): its last HEAD or DATA then has JOB_F_LINGERS beside
 * JOB_F_END, or its ERROR has it, and JOB_DONE comes when the script is through with it. Until then
 * it can still make sub-requests.
 *
 * FIN: the client has closed its half, and may still read: request.signal aborts, and the job goes
 * on. Its body, if it has one, is whole or on its way.
 *
 * CANCEL: the client is gone. What the job still answers is dropped; it lives on until the script
 * is through with it, which JOB_DONE says (at once, without waitUntil), or what crossed the CANCEL:
 * an END or ERROR without JOB_F_LINGERS. So every job has just one last message. Rejected: a CANCEL
 * that frees the job at once: people leave pages all the time, and what was given to `waitUntil`
 * was lost with them. It costs a place in the job table until the runtime has read the CANCEL.
 *
 * A sub-request is a call that a script makes through a binding, or to the world (fetch). It is
 * named by the runtime: a slot of its own table (per lane, as large as that of jobs) and a
 * generation, together `sub` = generation << 32 | index. Its parent is a live job.
 *   up:   SUB    SUB_BODY*  (END on the last of them)  SUB_CREDIT*  SUB_CANCEL?
 *   down: REPLY  REPLY_DATA* (END on the last)         SUB_CREDIT*
 *         or REPLY_ERROR at any point, which ends it
 * It is over after END or REPLY_ERROR down, or SUB_CANCEL up; it may outlive its parent's answer
 * and client, not its parent's last message: then hearthd drops it without a word.
 *
 * Flow control: each direction starts with JOB_CREDIT_INITIAL body bytes, a job's answer with
 * JOB_ANSWER_CREDIT_INITIAL, and never has more than the granted number outstanding. A head does
 * not use credit: it is as large as JOB_HEAD_BYTES_MAX, and hearthd has set memory aside for it and
 * for the answer's first credit before the job starts.
 *
 * Trust: hearthd believes nothing that it reads here. It copies a slot before it looks at it,
 * checks every id against its own private books, and takes every breach of the contract as
 * JOB_RING_LIES, upon which the process is killed and replaced. The cell trusts hearthd.
 *
 * Sleeping: a consumer that is about to sleep sets its `asleep` flag, looks at its rings once more,
 * and waits on its eventfd; a producer that pushed and sees the flag clears it and writes the
 * eventfd.
 *
 * Byte order and alignment: host. Both ends are built together; JOB_REGION_VERSION guards the rest.
 *
 * Rejected: one large header for the whole contract. head.h (a head's encoding) and start.h (the
 * start socket) belong to it as arena.h does; each is one noun.
 */
#ifndef HEARTH_JOB_H
#define HEARTH_JOB_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/arena.h"

enum {
    JOB_REGION_VERSION = 10,
    JOB_LANES_MAX = 64,             /* dp cores that one region can serve */
    JOB_RING_SLOTS_MAX = 1024,      /* per direction and lane */
    JOB_SLOT_CHUNKS = 8,            /* chunks that one slot can name */
    JOB_HEAD_BYTES_MAX = 32768,     /* an encoded request or response head: one slot's chunks */
    JOB_CREDIT_INITIAL = 64 * 1024, /* body bytes that may be sent before any CREDIT */
    JOB_ANSWER_CREDIT_INITIAL = 32 * 1024, /* the same, of a job's answer */
    JOB_JOBS_MAX = 4096,                   /* concurrent jobs of one lane */
    JOB_SUBS_MAX = JOB_JOBS_MAX,           /* concurrent sub-requests of one lane */
    JOB_BINDINGS_MAX = 64,                 /* of one script */
    JOB_BINDING_WORLD = JOB_BINDINGS_MAX,  /* not a script, but whatever the URL names */
};

static_assert(JOB_HEAD_BYTES_MAX == ARENA_CHUNK_BYTES * JOB_SLOT_CHUNKS, "a head fits one slot");

/* How large a region's lanes are. */
struct job_geometry {
    uint32_t slots;  /* of a ring; a power of two, at least JOB_RING_SLOTS_MIN */
    uint32_t chunks; /* of an arena; a power of two, at least JOB_CREDIT_INITIAL's worth */
    uint32_t jobs;   /* concurrent jobs of one lane */
    uint32_t subs;   /* concurrent sub-requests of them all */
};

/* 143,360 bytes a lane: what almost every script does with. */
extern const struct job_geometry job_geometry_small;
/* 16.9 MB a lane. */
extern const struct job_geometry job_geometry_large;

enum {
    JOB_RING_SLOTS_MIN = 64,
    JOB_CHUNKS_MIN = JOB_CREDIT_INITIAL / ARENA_CHUNK_BYTES,
};

/* Within the bounds? */
bool job_geometry_is_sane(const struct job_geometry *);

enum job_type {
    JOB_NONE = 0,
    /* down */
    JOB_START,  /* job; arg = script handle; arg2 = request id; chunks: request head (head.h); END:
                   no body */
    JOB_BODY,   /* job; chunks: request body bytes, possibly none; END: the body is complete */
    JOB_FIN,    /* job; the client says nothing more, and still wants the answer */
    JOB_CANCEL, /* job; the client is gone: answer nothing more. JOB_DONE will follow */
    JOB_REPLY,  /* arg = sub; chunks: response head; END: no body */
    JOB_REPLY_DATA,  /* arg = sub; chunks: response body bytes, possibly none; END: complete */
    JOB_REPLY_ERROR, /* arg = sub; arg2 = enum job_error; the sub-request is over */
    /* up */
    /* job; what ends its answer, or the job, says in arg2 how many microseconds of CPU time the job
     * has used so far: HEAD with END, DATA with END, ERROR, DONE */
    JOB_HEAD,  /* job; arg = enum job_start; chunks: response head; END: no body */
    JOB_DATA,  /* job; chunks: response body bytes, possibly none; END: complete */
    JOB_ERROR, /* job; arg = enum job_error; the job is over, but for LINGERS */
    /* arg = script handle; arg2 = microseconds that its start took, 0 if it was ready already: in a
     * lane of a second region. */
    JOB_WARMED,
    JOB_DONE, /* job; the end of one that lingered or was cancelled */
    /* job; no chunks; chunk[i] = microseconds of phase i (enum job_phase) of the start that it
     * waited for; before its HEAD or ERROR. */
    JOB_SPAN,
    /* job = the parent; arg = sub; arg2 = CPU time of the parent so far, microseconds << 32 | index
     * of the binding, or JOB_BINDING_WORLD; chunks: request head (no context); END: no body. */
    JOB_SUB,
    JOB_SUB_BODY,   /* arg = sub; chunks: request body bytes, possibly none; END: complete */
    JOB_SUB_CANCEL, /* arg = sub; nobody waits for the reply any more */
    /* both; arg or arg2 = more body bytes that the receiver of this message may send */
    JOB_SUB_CREDIT, /* arg = sub; arg2 */
    JOB_CREDIT,     /* job; arg */
    JOB_TYPES,
};

/* What its script's start cost a job: more than these are the microseconds of it, told to the first
 * job that waited for it. It is a word of the cell's about itself, for eyes and counters. Rejected:
 * warm is what is there when the job's turn comes: one that waited 2.4 ms for its isolate was
 * called warm. The cell knows it exactly: when the start ends it notes how far each ring is filled,
 * and what waited for the ring itself says so (JOB_F_WAITED). */
enum job_start {
    JOB_START_WARM = 0,    /* it had started when the request came */
    JOB_START_WARMING = 1, /* the job waited for it, and was not the first to */
};

/* Of a cold start, in the order of JOB_SPAN's chunk[]. */
enum job_phase {
    JOB_PHASE_COMPILE,   /* modules parsed and linked */
    JOB_PHASE_TOP_LEVEL, /* and run */
    JOB_PHASES,
};

enum job_flag {
    JOB_F_END = 1,     /* the last message of this body */
    JOB_F_LINGERS = 2, /* with END or of ERROR, up: JOB_DONE will follow */
    JOB_F_WAITED = 4,  /* of START: there was no cell when the request came */
};

/* What a JOB_ERROR says. Each has its own status, counter and sentence for the client. */
enum job_error {
    JOB_ERROR_NONE = 0,
    JOB_ERROR_EXCEPTION,   /* uncaught exception or rejection: 500 */
    JOB_ERROR_NO_RESPONSE, /* the handler can never answer, for nothing is pending: 500 */
    JOB_ERROR_LOAD,      /* script does not parse, throws at top level, or exports no fetch: 500 */
    JOB_ERROR_CPU_LIMIT, /* 503 */
    JOB_ERROR_MEMORY_LIMIT, /* 503 */
    JOB_ERROR_WALL_LIMIT,   /* 504 */
    JOB_ERROR_OUTPUT_LIMIT, /* 502 */
    JOB_ERROR_OVERLOAD,     /* too many jobs: 503 */
    JOB_ERROR_NO_SCRIPT,    /* unknown script handle: 503, a deploy is under way */
    JOB_ERROR_REFUSED,     /* hearthd, for a sub-request: overloaded everywhere it could run: 503 */
    JOB_ERROR_LOST,        /* hearthd: the process or node that ran it died: 502 */
    JOB_ERROR_DEPTH,       /* hearthd: CONTEXT_DEPTH_MAX scripts call each other already: 508 */
    JOB_ERROR_SUBREQUESTS, /* more sub-requests than the script's limit: its call fails */
    JOB_ERROR_HELD,        /* hearthd: the script ends its processes, and may not run now: 503 */
    JOB_ERROR_NOT_RESPONSE,   /* the handler answered with something that is not a Response: 500 */
    JOB_ERROR_FORBIDDEN,      /* hearthd, for a sub-request: the other account does not allow it */
    JOB_ERROR_ACCOUNT_MEMORY, /* hearthd: the account's cells have all the memory they may: 503 */
    /* hearthd, for a fetch() to the world */
    JOB_ERROR_WORLD_OFF,       /* this node lets none out */
    JOB_ERROR_WORLD_URL,       /* not a URL that can be fetched */
    JOB_ERROR_WORLD_PORT,      /* a port that no request may go to */
    JOB_ERROR_WORLD_FORBIDDEN, /* no address of it may be reached */
    JOB_ERROR_WORLD_BUSY,      /* too many are under way */
    JOB_ERROR_WORLD_NAME,      /* the name has no address */
    JOB_ERROR_WORLD_CONNECT,   /* no connection, or it was lost */
    JOB_ERROR_WORLD_TLS,
    JOB_ERROR_WORLD_ANSWER,  /* it breaks HTTP/1.1, or was cut */
    JOB_ERROR_WORLD_TIMEOUT, /* of the connection, the head or the body */
    JOB_ERROR_WORLD_BODY,    /* the request's is not as long as it said */
    JOB_ERROR_KINDS,
    /* Of a START: nothing of it has begun, and nothing else will begin here (start.h, spoiled).
     * hearthd starts nothing more there, and this one elsewhere, once; no caller is told that. */
    JOB_ERROR_SPENT = 255,
};

/* May a runtime say it? The others are hearthd's own words. They do not all come last: nodes tell
 * each other errors by number, and what is new comes behind what older nodes know. */
static inline bool job_error_is_runtimes(uint64_t error)
{
    return (error > JOB_ERROR_NONE && error < JOB_ERROR_REFUSED) ||
           error == JOB_ERROR_NOT_RESPONSE || error == JOB_ERROR_SPENT;
}

struct job_slot {
    uint8_t type;        /* enum job_type */
    uint8_t flags;       /* enum job_flag */
    uint8_t chunk_count; /* of chunk[] in use; all but the last one are full */
    uint8_t zero;
    uint32_t job;        /* slot index in the lane's job table */
    uint32_t generation; /* of that slot; never 0 */
    uint32_t bytes;      /* payload bytes in the chunks */
    uint64_t arg;
    uint64_t arg2;
    uint32_t chunk[JOB_SLOT_CHUNKS];
};
static_assert(sizeof(struct job_slot) == 64, "one cache line");

/* One direction's ring as it lies in the region. head and tail count up without wrapping to the
 * mask. */
struct job_ring_shared {
    _Alignas(64) _Atomic uint32_t tail; /* written by the producer */
    _Alignas(64) _Atomic uint32_t head; /* written by the consumer */
    _Alignas(64) struct job_slot slot[];
};
/* Two processes, on two CPUs: a line that both write would go to and fro with each slot. */
static_assert(offsetof(struct job_ring_shared, head) == 64 &&
                  offsetof(struct job_ring_shared, slot) == 128,
              "a line for each writer");

/* Whose code the process runs now: compiling, top level, a handler, a collection on its behalf.
 * hearthd reads it when the process is dead, to tell what may have killed it from what was beside
 * it: that job is never run again. A process that lies here only decides which of its own jobs are
 * run again, each once. Rejected: running it again (one GET ended two processes); running none of
 * the process's jobs again, or none of that script's. */
struct job_executing {
    _Alignas(64) _Atomic uint64_t script; /* handle; 0: nobody's */
    _Atomic uint64_t job;                 /* job_name of the one whose turn it is; 0: no job's */
};

/* The plain words of it. */
struct job_blame {
    uint64_t script, job;
    enum job_error error; /* hearthd's: what the job is told; NONE: that its process died */
};

/* Never 0. */
static inline uint64_t job_name(uint32_t lane, uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | lane << 16 | index;
}

/* A wake flag has its own line: it is read after every push. */
struct job_sleeper {
    _Alignas(64) _Atomic uint32_t asleep;
};
static_assert(sizeof(struct job_sleeper) == 64, "and those of two cores are not neighbours");

/* ---- rings: one producer, one consumer; each end keeps its own book and reads only the other's
 * word ---- */

struct job_producer {
    struct job_ring_shared *ring;
    uint32_t slots;
    uint32_t tail;      /* ours, authoritative */
    uint32_t head_seen; /* the consumer's, last time we looked */
    bool lied;          /* the consumer's word was impossible, sticky */
};

struct job_consumer {
    struct job_ring_shared *ring;
    uint32_t slots;
    uint32_t head; /* ours, authoritative */
    uint32_t tail_seen;
};

enum job_ring_result {
    JOB_RING_EMPTY = 0,
    JOB_RING_OK,
    JOB_RING_LIES, /* the other end's word is impossible: give the region up */
};

/* slots: the geometry's. */
void job_producer_init(struct job_producer *, struct job_ring_shared *, uint32_t slots);
void job_consumer_init(struct job_consumer *, struct job_ring_shared *, uint32_t slots);

/* Free slots; looks at the shared word only when the private book says fewer than `wanted`. A
 * consumer word that is impossible counts as 0 free. */
uint32_t job_producer_free(struct job_producer *, uint32_t wanted);

/* Puts a copy of *slot into the ring, visible to the consumer after job_producer_publish. False:
 * full. */
bool job_producer_push(struct job_producer *, const struct job_slot *slot);

/* Makes all pushed slots visible. Cheap when there are none. */
void job_producer_publish(struct job_producer *);

/* Copies the next slot to *out: what is checked is what is used. */
enum job_ring_result job_consumer_pop(struct job_consumer *, struct job_slot *out);

/* The next slot, left where it is; NULL: there is none. For the cell, which trusts hearthd: hearthd
 * copies before it looks. */
const struct job_slot *job_consumer_peek(struct job_consumer *);

/* How many slots the producer has published that were not popped. More than the ring has: it lies.
 * */
uint32_t job_consumer_waiting(const struct job_consumer *);

/* True if the producer has published something that was not popped (used between flag and sleep).
 */
bool job_consumer_pending(struct job_consumer *);

/* Gives popped slots back to the producer; once per burst. */
void job_consumer_release(struct job_consumer *);

/* Producer's half of the sleep protocol: true if the consumer was asleep and must be woken by
 * eventfd. */
bool job_sleeper_take(struct job_sleeper *);

/* ---- region ---- */

/* Where the parts of one lane lie. */
struct job_lane {
    struct job_ring_shared *down, *up;
    struct arena arena_down, arena_up;
};

struct job_region_header {
    uint32_t magic; /* JOB_REGION_MAGIC */
    uint32_t version;
    uint32_t lanes;
    struct job_geometry geometry;
    struct job_executing executing;                /* written by the process */
    struct job_sleeper runtime_asleep;             /* one for the process */
    struct job_sleeper core_asleep[JOB_LANES_MAX]; /* one per dp core */
};

static_assert(offsetof(struct job_region_header, executing) % 64 == 0 &&
                  offsetof(struct job_region_header, runtime_asleep) % 64 == 0 &&
                  offsetof(struct job_region_header, runtime_asleep) >=
                      offsetof(struct job_region_header, executing) + 64,
              "what the process writes at each slice is on no line of a core's");

enum { JOB_REGION_MAGIC = 0x68726a31 };

/* The pages it should lie on: 2 MiB if a lane fills one, otherwise 4 KiB. */
size_t job_region_page_bytes(const struct job_geometry *);
/* Bytes of a region for that many lanes, in whole pages. */
size_t job_region_bytes(uint32_t lanes, const struct job_geometry *);
/* By computation alone: nothing of the region is read. */
void job_region_lane(void *region, const struct job_geometry *, uint32_t lane, struct job_lane *);

/* hearthd: writes a fresh header into zeroed memory. */
void job_region_format(void *region, uint32_t lanes, const struct job_geometry *);
/* hearthd: what the process says that it runs, or ran at its end. */
struct job_blame job_region_blame(const void *region);
/* runtime: 0, or -EPROTO if the region is not one of ours or too short. */
int job_region_check(const void *region, size_t bytes);

#endif
