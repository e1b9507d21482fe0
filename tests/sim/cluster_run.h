/* cluster_run.h
 *
 * One seed of the cluster simulation, from the first node's start to the last one's end: the seam between the simulation
 * and the programs that run it.
 *
 *   options --> cluster_run --> report (what happened)       or, if an invariant is broken: the reason on stderr, and exit(1)
 *
 * Everything is decided by the options: equal ones give the same run, frame by frame. The AEAD engine must be ready (aead_init).
 * Not reentrant: the seed's random stream and the time are the process's (sim.h). A run that fails leaves its memory to the exit.
 */
#ifndef HEARTH_SIM_CLUSTER_RUN_H
#define HEARTH_SIM_CLUSTER_RUN_H

#include <stdint.h>

struct cluster_options {
    uint64_t seed;
    uint32_t nodes; /* 0: the seed says; at most CLUSTER_NODES_MAX */
};

/* Over all seeds: runs that never bounced, or lost nothing, prove nothing. */
struct cluster_report {
    uint64_t answered, failed, cut, forwarded, bounced, bounces, rerun, handed, lost_packets,
        datagrams, injected, refused_datagrams, capabilities;
};

/* Adds what happened to the report. */
void cluster_run(const struct cluster_options *, struct cluster_report *);

#endif
