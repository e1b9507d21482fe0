/* queue_watch.h
 *
 * How long what a core sends to a model of a cell really waits, and that the core does not
 * believe in more: an idle home has no queueing delay and no load, whatever its core did before.
 *
 *   core_iterate --> queue_watch_check --> model_runtime_work
 *   (pushes)         (who waits since when)  (reads)
 *
 * Exact to a step of the simulation, which is when anything can happen. Time is sim_now_ns.
 */
#ifndef HEARTH_SIM_QUEUE_WATCH_H
#define HEARTH_SIM_QUEUE_WATCH_H

#include "dataplane/call/job_link.h"
#include "tests/sim/model_runtime.h"

struct queue_watch {
    uint64_t since_ns; /* the oldest message in the ring; 0: it was empty */
    uint64_t busy_ns;  /* when one was last known of */
    uint64_t seen_ns;  /* the last check */
    uint64_t worst_ns; /* the longest wait, until the ring has been empty for a while */
    uint32_t tail;     /* of the ring, at the last check */
};

/* lane: NULL if its cell is dead. */
void queue_watch_check(struct queue_watch *, const struct model_lane *, const struct job_link *);

#endif
