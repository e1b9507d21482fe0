/* sweep.h
 *
 * Many data centres side by side: each configuration runs in a process of its own, as many at a
 * time as there are CPUs. What comes back does not depend on how many.
 */
#ifndef HEARTH_SIM_SWEEP_H
#define HEARTH_SIM_SWEEP_H

#include "tests/sim/datacentre/centre.h"

struct sweep_run {
    struct centre_config config;
    struct centre_counts counts; /* the result */
};

/* done: NULL, or called with each run, in their order, as soon as it and those before it have
 * ended. 0, or -1: a process could not be made, or ended before its time; stderr says why. */
int sweep(struct sweep_run *, uint32_t count, void (*done)(const struct sweep_run *));

/* The share of requests that met a warm isolate. */
double sweep_warm(const struct centre_counts *);

struct sweep_memory {
    size_t bytes;
    bool is_enough;
};

/* The smallest bytes_max, to within a twentieth, at which the configuration has at least that share
 * warm; or the most that was tried (eight times the configuration's) and is not enough. Runs
 * `count` searches side by side: result[i] of config[i]. 0, or -1 as sweep. */
int sweep_memory(const struct centre_config *, uint32_t count, double warm,
                 struct sweep_memory *result);

#endif
