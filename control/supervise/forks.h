/* forks.h
 *
 * What a zygote or a template was asked to fork and has not answered: its answers come in the order
 * of the questions.
 *
 *   forks_ask -> asked -> ... --FORKED--> forks_answer -> on_forked(owner, pid or -errno)
 *
 * Control thread only.
 */
#ifndef HEARTH_CONTROL_FORKS_H
#define HEARTH_CONTROL_FORKS_H

#include <stdbool.h>
#include <stdint.h>

/* Part of whom it is to become. */
struct fork {
    struct fork *next;
    void (*on_forked)(void *owner, int32_t pid);
    void *owner;
    bool is_asked;
};

struct forks {
    struct fork *first, **last;
};

void forks_init(struct forks *);
void forks_ask(struct forks *, struct fork *);
/* To the oldest. False: nothing was asked. */
bool forks_answer(struct forks *, int32_t pid);
/* None of them will be answered. */
void forks_fail(struct forks *, int error);

#endif
