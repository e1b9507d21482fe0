/* honest_runtime.h
 *
 * The far end of a job region of one lane, driven by a fuzz target's input: it says anything that
 * job.h allows, in any order, and nothing else. So whoever condemns it is wrong.
 *
 *   core --down--> honest_runtime_read: jobs, bodies, credit, replies; every chunk goes back
 *        <--up---- honest_runtime_step: a head, data, an error, a nested call or more of it, credit
 *
 * What it must not break is asserted on the way: credit of both sides, one end to a body. It owns
 * the region; single thread.
 */
#ifndef HEARTH_FUZZ_HONEST_RUNTIME_H
#define HEARTH_FUZZ_HONEST_RUNTIME_H

#include "input.h"
#include "runtime/job.h"

enum { HONEST_JOBS = 24, HONEST_SUBS = 8 };

struct job {
    bool is_live, has_input, has_fin, has_head, lingers;
    uint32_t index, generation, credit, taken;
};

struct nested {
    bool is_live, has_ended;
    uint32_t generation, credit, reply_credit, job;
};

struct honest_runtime {
    void *region;
    struct job_geometry geometry;
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    uint16_t arena_lists[ARENA_CHUNKS_MAX * 3 / 2];
    struct arena_peer arena_down;
    struct job job[HONEST_JOBS];
    struct nested nested[HONEST_SUBS];
};

/* With a new region. */
void honest_runtime_start(struct honest_runtime *, const struct job_geometry *);
/* Its region is unmapped. */
void honest_runtime_end(struct honest_runtime *);
void honest_runtime_say_loaded(struct honest_runtime *, uint64_t script);
/* All that has come. */
void honest_runtime_read(struct honest_runtime *);
/* What the input wants next. */
void honest_runtime_step(struct honest_runtime *, struct input *);

#endif
