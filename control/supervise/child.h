/* child.h
 *
 * A process that hearthd is the parent of, to be ended and waited for: the zygote, or a cell.
 *
 *   child_adopt --> runs --child_strike--> struck, again each SUPERVISE_KILL_MS --> has ended
 *
 * hearthd started it, or the zygote did in hearthd's name (CLONE_PARENT); of a pid that is not its
 * child's nothing is adopted. Its pid is its own until child_has_ended says true, for nobody else
 * takes its status.
 *
 * Nanoseconds of CLOCK_MONOTONIC. Control thread only.
 */
#ifndef HEARTH_CHILD_H
#define HEARTH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/base/loop.h"

enum {
    CHILD_READY_MS = 5000, /* from its start, or from a question, to its word */
    CHILD_EXIT_MS = 500,   /* from the end of its socket to its own end */
};

struct child {
    struct loop *loop;
    struct loop_watch watch;
    pid_t pid; /* 0: none */
    int pidfd;
    uint32_t strikes;
    bool is_struck; /* a signal reached it */
    int exit;       /* of one that has ended: its own word; -1: a signal ended it */
    uint64_t struck_ns;
};

/* on_end: it may have ended. 0 or -errno; -ECHILD: it is not ours. */
int child_adopt(struct child *, struct loop *, pid_t pid, void (*on_end)(void *, uint32_t),
                void *arg);
/* Kills it. True: the text, of at most `room` bytes, is news for the log. */
bool child_strike(struct child *, uint64_t now_ns, char *text, size_t room);
/* It was struck so long ago that it is to be struck again. */
bool child_withstands(const struct child *, uint64_t now_ns);
/* True: it has ended; how it did, and the CPU time that it used in all. */
bool child_has_ended(struct child *, char *how, size_t room, uint64_t *cpu_ns);
/* Waits for that until then. False: it goes on. */
bool child_await_end(struct child *, uint64_t deadline_ns, char *how, size_t room);
/* Gives it up, whether it has ended or not. */
void child_release(struct child *);

#endif
