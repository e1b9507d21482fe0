/* model_runtime.h
 *
 * A runtime process as a dp core sees it: the other end of a region. It answers late, in pieces,
 * under its own credit, checks every request body byte, and at times it dies, stays away, boots, or
 * breaks the contract.
 *
 * With make_us it also has isolates: a script's first use, or a WARM, makes one, which takes that
 * long; a stalled one takes nothing out of its ring, so that work waits; a slow one looks into it
 * now and then. One that hangs stalls until it is replaced.
 *
 * With relays, some jobs answer with what a sub-request through binding 0 answers: the same path
 * one deeper, their own request body as its body. So one request may pass through up to MODEL_DEPTH
 * jobs, and the client must not see a difference. And some make a sub-request on the side (depth
 * MODEL_SIDE), with or without a body that never ends, which they may abandon; some linger behind
 * their answer or error, or when their client has left, and make theirs then.
 *
 * A request with the field x-waits is answered, or goes on behind its head, when its client has
 * closed its half; nobody else's job may hear that.
 *
 * A relay that hearthd refuses because its request has no sub-request left answers by itself.
 *
 * When it dies, it may be executing one of its jobs: the next world says which, and that one may
 * not start again.
 *
 * A process that died has another region in its next life; the old one is unmapped by
 * model_runtime_unmap, before the core's next iteration, as the real one may be.
 */
#ifndef HEARTH_SIM_MODEL_RUNTIME_H
#define HEARTH_SIM_MODEL_RUNTIME_H

#include "dataplane/world/world.h"
#include "runtime/head.h"
#include "runtime/job.h"
#include "tests/sim/sim.h"

enum {
    MODEL_JOBS = 128,
    MODEL_ISOLATES = 256,
    MODEL_DEPTH = 4,
    MODEL_SIDE = 9,
    MODEL_CRASH_MS = 300,
};

struct model_isolate {
    uint64_t handle; /* 0: free */
    uint64_t ready_ns;
    uint32_t took_us;
    bool is_owed; /* a WARM that is not answered yet */
};

struct model_job {
    bool is_live, has_all_input, has_head, is_head_request, with_length;
    bool is_thrifty; /* grants credit only when half of it is used up */
    uint32_t index, generation;
    uint64_t handle;
    uint32_t answer, id, bytes; /* what the path asked for */
    uint32_t received, sent, send_credit, recv_credit;
    uint64_t cold_us;
    uint64_t next_ns;
    /* Of a relay: its sub-request, named by the job's place and a generation. */
    bool is_relay, sub_ended, reply_ended;
    uint32_t depth, sub_sent, sub_credit, reply_received, reply_credit;
    enum job_error reply_error;
    uint32_t reply_head_bytes;
    bool wants_side, lingers;
    bool is_cancelled;           /* and lingers */
    bool waits_for_fin, has_fin; /* to go on: its client closes its half */
    uint64_t done_ns;            /* of one that lingers */
    struct {
        uint32_t generation; /* 0: none yet */
        bool is_live, has_body, has_head;
        uint32_t sent, credit, received, reply_credit;
    } side;
};

struct model_runtime {
    void *region;
    struct world_runtime *world; /* how the world shows it */
    _Atomic uint32_t condemned;
    bool is_up, is_announced, is_troubled;
    bool is_fragile; /* one of the next jobs kills it */
    uint64_t
        dies_of; /* at its next end it executes a job of that script, if one is there; 0: of any */
    uint64_t back_at_ns, death_ns, lie_ns;
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    struct arena_peer arena_down;
    struct model_job job[MODEL_JOBS];
    uint32_t jobs_end; /* behind the last place that may be live */
    uint32_t sub_generation[MODEL_JOBS];
    uint8_t (*reply_head)[JOB_HEAD_BYTES_MAX]; /* of each relay; NULL: none had one yet */
    uint32_t deaths, suspects, lies, relayed, over_budget, sides, abandoned, lingered;
    bool relays;
    uint32_t side_generation;
    uint64_t handle_min; /* what was deployed before is forgotten: no START may name it */
    void *old_region;
    /* What follows is set after model_runtime_start, if at all. */
    uint32_t make_us; /* 0: no isolates, and cold starts at random */
    uint64_t stalled_until_ns;
    uint64_t slow_ns, read_ns; /* slow: between two looks into its ring; when the next one is */
    void (*started)(void *arg, struct model_runtime *, uint32_t id, uint32_t depth, uint64_t handle,
                    bool is_cold);
    /* It has failed behind its head, and so much of its body was said before. */
    void (*failed)(void *arg, uint32_t id, uint32_t depth, uint32_t said_bytes);
    /* A job of the script that it executed when it died. */
    void (*suspected)(void *arg, struct model_runtime *, uint32_t id, uint32_t depth);
    void *arg;
    uint32_t cold; /* jobs that found no isolate */
    uint32_t owed; /* isolates with is_owed */
    struct model_isolate isolate[MODEL_ISOLATES];
};

void model_runtime_start(struct model_runtime *, struct world_runtime *, bool is_troubled);
void model_runtime_free(struct model_runtime *);
/* Dies of one of the next jobs, or within MODEL_CRASH_MS; back after a little. */
void model_runtime_crash(struct model_runtime *);
/* Takes nothing out of its ring any more, and is replaced at that time. */
void model_runtime_hang(struct model_runtime *, uint64_t until_ns);
/* True: the world changed and must be published. */
bool model_runtime_work(struct model_runtime *);
/* The core has left the iteration in which it could still use the region of an earlier life. */
void model_runtime_unmap(struct model_runtime *);
/* Takes in what the core has sent last. */
void model_runtime_read(struct model_runtime *);
uint64_t model_runtime_next_ns(const struct model_runtime *);

#endif
