/* sandbox_filter.h
 *
 * The lists of system calls behind sandbox.h, as programs for the kernel. Stacked, the sternest
 * word about a call counts:
 *
 *   of the zygote         what it and the steps of a cell need
 *   a template's door     clone() waits for the listener's leave
 *   of a template         a cell's, the two forms of clone(), and its children's steps
 *   of a cell             compute, and what it was started with
 *
 * A cell's program is built once and installed by each cell with one system call. The one thing
 * that differs from cell to cell, its own process id, is an immediate that is known by its value
 * and replaced.
 *
 * Single thread.
 */
#ifndef HEARTH_WORKER_SANDBOX_FILTER_H
#define HEARTH_WORKER_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

enum {
    SANDBOX_INSTRUCTIONS_MAX = 512,
    SANDBOX_OWN_IDS = 2, /* instructions that compare with the own id */
};

enum sandbox_role { SANDBOX_CELL, SANDBOX_ZYGOTE, SANDBOX_TEMPLATE };

struct sandbox_program {
    uint16_t count;
    uint16_t own_id[SANDBOX_OWN_IDS]; /* their indexes; 0: there are none */
    struct sock_filter code[SANDBOX_INSTRUCTIONS_MAX];
};

/* 0 or -errno. */
int sandbox_program_build(struct sandbox_program *, enum sandbox_role);
/* For all threads of the process. There are no new privileges any more. 0 or -errno. */
int sandbox_program_install(struct sandbox_program *);

/* For all threads of the process: each clone() waits for leave, of it and of all that it forks.
 * Returns the descriptor by which that is given, or -errno. */
int sandbox_filter_door(void);

#endif
