/* model_runtime.h
 *
 * A cell as a dp core sees it: the other end of its regions. It runs one script; it answers late,
 * in pieces, under its own credit, checks every request body byte, and at times it dies, hangs, or
 * breaks the contract.
 *
 *   who starts and ends it --> [ lane 0: first region  ] <--rings--> the link of a core
 *                              [ lane 1: a larger one,  ]
 *                              [ or another core's ...  ]
 *
 * It loads its script for make_us from its start on, and says so on each of its lanes; what comes
 * before waits in it. A stalled one takes nothing out of its rings, so that work waits; a slow one
 * looks into them now and then. One that hangs stalls until it dies.
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
 * A relay that hearthd refuses because its request has no sub-request, CPU time or time left
 * answers by itself.
 *
 * With a book (tree_book.h) each job uses CPU time, most of them little, some all that they may,
 * and says so; some cells say nothing of it, or too much, or less than before. Some calls on the
 * side sit until their wall limit is over.
 *
 * Some are spent after a number of jobs: they end what they have, and refuse what comes.
 *
 * When it dies, it may be executing one of its jobs: `blame` of that lane says which, and that one
 * may not start again.
 *
 * Regions are the owner's: model_cells' own, with one core each, or those of the real supervisor
 * (model_host.h), with a lane for each core.
 */
#ifndef HEARTH_SIM_MODEL_RUNTIME_H
#define HEARTH_SIM_MODEL_RUNTIME_H

#include "runtime/head.h"
#include "runtime/job.h"
#include "tests/sim/sim.h"
#include "tests/sim/tree_book.h"

enum {
    MODEL_CORES = 4,
    MODEL_LANES = 2 * MODEL_CORES, /* of a first region, and of a larger one */
    MODEL_JOBS = 128,              /* of all lanes */
    MODEL_DEPTH = 4,
    MODEL_SIDE = 9,
    MODEL_CRASH_MS = 300,
};

/* One that is under way, by its index. */
struct model_sub {
    uint32_t generation;
    uint32_t job;  /* its parent's place in model_runtime.job */
    uint32_t call; /* in the tree book; 0: there is none */
    bool is_live, is_side;
};

struct model_lane {
    void *region;  /* NULL: none */
    uint32_t core; /* whose lane of it */
    int bell;      /* that core's */
    bool is_larger;
    struct job_geometry geometry;
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    struct arena_peer arena_down;
    void *arena_lists;
    bool is_told;           /* that the script is loaded */
    bool is_closed;         /* it was retired: */
    uint32_t closed_tail;   /* no START comes behind that place of the ring */
    struct job_blame blame; /* of one that died */
    struct model_sub sub[MODEL_JOBS];
};

/* Relays and those on the side: the calls that a job makes. */
struct model_job {
    bool is_live, has_all_input, has_head, is_head_request, with_length;
    bool is_thrifty; /* grants credit only when half of it is used up */
    struct model_lane *lane;
    uint32_t index, generation;
    uint32_t answer, id, bytes; /* what the path asked for */
    uint32_t received, sent, send_credit, recv_credit;
    uint64_t cold_us;
    uint64_t next_ns;
    uint32_t run;              /* in the tree book; 0: there is none */
    uint32_t cpu_us, wants_us; /* it has used so much of the CPU, and will use so much */
    uint64_t wall_ns;          /* when its wall limit is over, unless a byte moves */
    bool sits;                 /* and is not answered before */
    bool is_relay, sub_ended, reply_ended;
    uint64_t relay; /* its sub-request's name */
    uint32_t depth, sub_sent, sub_credit, reply_received, reply_credit;
    enum job_error reply_error;
    uint32_t replied_by; /* the run that made the reply; 0: not known */
    uint8_t *reply_head; /* NULL: none yet */
    uint32_t reply_head_bytes;
    bool wants_side, lingers;
    bool is_cancelled;           /* and lingers */
    bool waits_for_fin, has_fin; /* to go on: its client closes its half */
    uint64_t done_ns;            /* of one that lingers */
    struct {
        bool was_made, is_live, has_body, has_head;
        uint64_t name;
        uint32_t sent, credit, received, reply_credit;
        uint32_t replied_by;
    } side;
};

struct model_runtime;

enum model_words { MODEL_HONEST = 0, MODEL_MODEST, MODEL_BOASTFUL, MODEL_FICKLE };

/* Of all cells of a node: what happened in them, over all their lives. */
struct model_tally {
    uint32_t deaths, suspects, lies, relayed, over_budget, sides, abandoned, lingered, cold;
    uint32_t cells, evicted, grown; /* model_cells': started, evicted, with a larger region */
    uint32_t fulls;                 /* demanded, and there was no room */
    uint32_t cpu_refused, wall_refused, sat;
    uint32_t refused; /* STARTs, by cells that are of no more use */
    uint32_t unheard; /* lies of cells that died before a core was seen to have read them */
};

/* How the cells of a node are, and whom they tell. */
struct model_manner {
    uint32_t make_us; /* to load a script, about; 0: no time, and what jobs say of it is random */
    bool relays;
    bool is_troubled;         /* dies and lies by itself */
    struct tree_book *book;   /* NULL: nobody counts CPU time */
    uint32_t cpu_ms, wall_ms; /* limits of all scripts; with a book */
    void (*started)(void *arg, struct model_runtime *, uint32_t id, uint32_t depth, uint64_t handle,
                    bool is_cold);
    /* It has failed behind its head, and so much of its body was said before. */
    void (*failed)(void *arg, uint32_t id, uint32_t depth, uint32_t said_bytes);
    /* It is spent, and has refused a job. NULL: none ever is. */
    void (*refused)(void *arg, uint32_t id, uint32_t depth);
    /* A job that it executed when it died. */
    void (*suspected)(void *arg, struct model_runtime *, uint32_t id, uint32_t depth);
    void *arg;
};

struct model_runtime {
    const struct model_manner *manner;
    struct model_tally *tally;
    uint32_t owner;  /* model_cells': which node's */
    uint64_t handle; /* of its script */
    _Atomic uint32_t condemned;
    bool is_up;
    bool is_fragile; /* one of the next jobs kills it */
    bool has_lied;   /* its core lets go when it reads that, and hears nothing more */
    bool dies_busy;  /* at its end it executes a job, if one is there */
    bool is_spent;   /* it is of no more use: each START is refused */
    uint8_t words;   /* enum model_words: what it says of its CPU time */
    uint64_t death_ns, lie_ns;
    uint64_t ready_ns;
    uint32_t took_us;
    uint32_t starts_left; /* until it is spent; 0: it is, or never will be by that */
    bool is_waited_for;   /* a job came before it was ready */
    uint64_t stalled_until_ns;
    uint64_t slow_ns, read_ns; /* slow: between two looks into its rings; when the next one is */
    struct model_lane lane[MODEL_LANES];
    struct model_job job[MODEL_JOBS];
    uint32_t jobs_end; /* behind the last place that may be live */
};

/* Of zeroed memory. It has no lane yet. */
void model_runtime_start(struct model_runtime *, const struct model_manner *, struct model_tally *,
                         uint64_t handle);
void model_runtime_free(struct model_runtime *);
/* A lane of a region, which is formatted, and stays the caller's. bell: rung when that core
 * sleeps, or does not look. */
void model_runtime_open(struct model_runtime *, uint32_t lane, void *region, uint32_t core,
                        int bell, const struct job_geometry *);
/* The core has released it, and no job is there, or the cell is dead. */
void model_runtime_close(struct model_runtime *, uint32_t lane);
/* Dies of one of the next jobs, or within MODEL_CRASH_MS. */
void model_runtime_crash(struct model_runtime *);
/* Takes nothing out of its rings any more, and dies at that time. */
void model_runtime_hang(struct model_runtime *, uint64_t until_ns);
/* False: it has just died. */
bool model_runtime_work(struct model_runtime *);
/* Takes in what the core has sent last. */
void model_runtime_read(struct model_runtime *);
bool model_runtime_is_ready(const struct model_runtime *);
/* Jobs of that lane. */
uint32_t model_runtime_jobs(const struct model_runtime *, uint32_t lane);
uint64_t model_runtime_next_ns(const struct model_runtime *);

#endif
