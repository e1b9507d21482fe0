/* urgency.h
 *
 * How soon a thread that wakes up has a CPU which others compute on, and which cells may wait.
 *
 *                       nice   slice
 *   hearthd's threads   -10    0.1 ms     a packet waits for nobody's script
 *   its control thread  -10      3 ms     nor for a deploy
 *   a cell                0    0.1 ms     it answers and sleeps
 *   one that computes    10    100 ms     it has used 1 ms of CPU time, on average, before it slept
 *
 * The scheduler takes of those that are owed time whoever's slice ends first (EEVDF). So what
 * computes for long gets long slices: with short ones, eight that compute are owed a slice each
 * while they wait for a tick of 4 ms, and come before one that has just woken. Nice is what kernels
 * before 6.12 know, whose slices are all alike.
 *
 * A cell is judged by what the kernel counted of it, not by its own word: CPU time, and how often
 * its first thread went to sleep. The script keeps the verdict: another cell of it begins with it.
 *
 * Any thread. Source: sched(7), sched_setattr(2); Documentation/scheduler/sched-eevdf.rst.
 *
 * Rejected: SCHED_BATCH and SCHED_IDLE: they have no slice of their own, and beside eight hogs of
 * SCHED_IDLE a woken thread waited 0.8 ms still. The cell's own monitor: what has taken the cell
 * over would not demote itself, and its filter would have to let a call through that takes a
 * pointer. A real-time class for hearthd: a flood of packets would take the CPU from everyone.
 */
#ifndef HEARTH_URGENCY_H
#define HEARTH_URGENCY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { URGENCY_TURN_US = 1000 /* of CPU time before it sleeps: it computes */ };

enum urgency { URGENCY_HEARTHD, URGENCY_CONTROL, URGENCY_CELL, URGENCY_COMPUTES };

/* thread: 0: the calling one, and what it makes later. To go back to a lower nice wants
 * CAP_SYS_NICE, or RLIMIT_NICE; without, the slice changes alone. 0 or -errno. A system call only.
 */
int urgency_set(pid_t thread, enum urgency);

/* Of a process, as far as it has been judged. Zero: since its beginning. */
struct urgency_watch {
    uint64_t cpu_ns, sleeps;
};

/* True: there is a verdict, *computes. It takes 1 ms of its CPU time to find one. */
bool urgency_judge(struct urgency_watch *, uint64_t cpu_ns, uint64_t sleeps, bool *computes);

#endif
