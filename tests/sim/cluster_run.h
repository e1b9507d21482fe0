/* cluster_run.h
 *
 * One seed of the cluster simulation, from the first node's start to the last one's end: the seam
 * between the simulation and the programs that run it.
 *
 *   options --> cluster_run --> report (what happened)
 *                               or, if an invariant is broken: the reason on stderr, and exit(1)
 *
 * Everything is decided by the options: equal ones give the same run, frame by frame, and so the
 * same hash. The AEAD engine must be ready (aead_init). Not reentrant: the seed's random stream and
 * the time are the process's (sim.h). A run that fails leaves its memory to the exit.
 */
#ifndef HEARTH_SIM_CLUSTER_RUN_H
#define HEARTH_SIM_CLUSTER_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct cluster_options {
    uint64_t seed;
    uint32_t nodes;   /* 0: the seed says, 2 to 5; at most CLUSTER_NODES_MAX */
    uint32_t chunks;  /* of each core, and bursts in every seed; 0: the seed says */
    uint64_t time_ns; /* of load; 0: until some hundred requests were made */
    bool is_planned;  /* nodes leave and join, and nothing else is wrong: no cold start */
    bool is_deadly;   /* one script ends its cells, and nothing else is wrong */
};

/* Over all seeds: runs that never bounced, or lost nothing, prove nothing. */
struct cluster_report {
    uint64_t hash; /* of the last run: every event of the story and every frame */
    uint64_t requests, answered, failed, cut, forwarded, bounced, bounces, rerun, handed;
    uint64_t lost_packets, datagrams, injected, refused_datagrams, capabilities, spans;
    uint64_t crashes, leaves, partitions, cuts, plans, virtual_ms;
    uint64_t hot, warming, widened, demanded;             /* of scripts that are in demand */
    uint64_t cells, evicted, grown, fulls, deaths, spent; /* model_tally */
    uint64_t held;                   /* requests for a script that is held back */
    uint64_t costs, silences, waits; /* bounds of CPU time and time that said something */
    uint64_t cpu_refused, wall_refused, sat;
    uint64_t lies; /* of a member, about contexts: handed back */
};

/* Adds what happened to the report. */
void cluster_run(const struct cluster_options *, struct cluster_report *);

#endif
