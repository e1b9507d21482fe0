/* node_run.h: the seam between the simulation of one whole node and the programs that run seeds of
 * it (sim_node.c). */
#ifndef HEARTH_SIM_NODE_RUN_H
#define HEARTH_SIM_NODE_RUN_H

#include <stdint.h>

/* What must have happened in many seeds: X(name, what nothing ever did). */
#define NODE_EVENTS(X)                                                                             \
    X(answers, "was answered")                                                                     \
    X(reruns, "was run again")                                                                     \
    X(refusals, "was refused")                                                                     \
    X(both_demand, "was demanded by two cores")                                                    \
    X(both_outgrow, "was outgrown on two cores")                                                   \
    X(one_is_busy, "was retired while one core was through with it and another was not")           \
    X(releases_apart, "was released by one core long before another")                              \
    X(late_detach, "was detached while a core stood still")                                        \
    X(evictions, "was evicted")                                                                    \
    X(deaths, "died")                                                                              \
    X(suspects, "was suspected")                                                                   \
    X(starting_deaths, "died while its script started")                                            \
    X(spoils, "was spoiled, and served on")                                                        \
    X(spents, "was of no more use")                                                                \
    X(hangs, "hung")                                                                               \
    X(stubborns, "outlived its signal")                                                            \
    X(lies, "broke the contract")                                                                  \
    X(larges, "got a larger region")                                                               \
    X(late_larges, "got it late")                                                                  \
    X(dry_spares, "was demanded while there was no spare")                                         \
    X(failed_forks, "failed to fork")                                                              \
    X(zygote_ends, "ended the zygote")                                                             \
    X(failed_zygotes, "failed to start a zygote")                                                  \
    X(renewals, "renewed the zygote")                                                              \
    X(holds, "was held back")                                                                      \
    X(deploys, "was deployed")                                                                     \
    X(widenings, "got a second cell")                                                              \
    X(memory_fits, "went for want of memory")

struct node_report {
    uint64_t hash; /* of the last run */
    uint64_t virtual_ms;
#define NODE_EVENT_FIELD(name, text) uint64_t name;
    NODE_EVENTS(NODE_EVENT_FIELD)
#undef NODE_EVENT_FIELD
};

/* Adds what happened to the report. */
void node_run(uint64_t seed, struct node_report *);

#endif
