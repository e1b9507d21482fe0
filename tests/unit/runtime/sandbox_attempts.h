/* sandbox_attempts.h: what neither a cell nor a zygote may do, one function each. */
#ifndef HEARTH_TEST_SANDBOX_ATTEMPTS_H
#define HEARTH_TEST_SANDBOX_ATTEMPTS_H

#include <stdbool.h>

enum { SHARED_BYTES = 16 * 4096 };

/* What hearthd and the process have in common, as it was before the sandbox: a region, a core's
 * eventfd, its own, a socket. */
extern struct shared {
    int region, bell, other_bell, pair[2];
    void *map;
} shared;

struct attempt {
    const char *what;
    /* Fails with EPERM, as it should, if it is not deadly. */
    long (*attempt)(void);
    bool is_deadly;
};

/* End with {0}. */
extern const struct attempt attempts[], zygote_attempts[];

/* By the parent of the processes that try. False: the machine has no room. */
bool attempts_init(void);

#endif
