/* seeds.h
 *
 * The command line of a simulation that is one function of a seed:
 *
 *   --seed N      one run, told in detail (repeats a failure)
 *   --seeds A B   runs [A, B), until ten have failed; every tenth twice, to compare the traces;
 *                 then the report
 */
#ifndef HEARTH_SIM_SEEDS_H
#define HEARTH_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

struct seeds {
    const char *usage;
    /* Returns the hash of all that happened. Sets *has_failed, and has said why, or leaves it. */
    uint64_t (*run)(void *arg, uint64_t seed, bool is_told, bool *has_failed);
    /* What happened in all of them. */
    void (*report)(void *arg);
    void *arg;
};

/* Returns the program's exit code: 1, a run failed; 2, the arguments are not understood. */
int seeds_main(const struct seeds *, int argc, char **argv);

#endif
