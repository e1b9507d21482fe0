/* patience.h
 *
 * How long a process has made somebody wait by its own doing: the time since then, less the time
 * that it was ready to run and had no CPU. On a busy machine a process that is starved says as
 * little as one that hangs; only the second is to be replaced.
 *
 *   wanted no CPU (sleeps, blocked, stopped) or had one    counts
 *   ready, but others had it                               does not
 *   waits inside the kernel, and no signal ends it ("D")   counts when it is over
 *
 * The last is a fork of the zygote that waits for a lock which all cells share (of the files that
 * they map): with a thousand of them and a machine short of CPU some took seconds, and the zygote
 * that was killed for it was not even gone sooner.
 *
 * Of its first thread, which runs the loop that others wait for. Nanoseconds of CLOCK_MONOTONIC.
 * Any thread; nothing to free. Source: Documentation/scheduler/sched-stats, /proc/PID/schedstat.
 *
 * Rejected: longer timeouts; on a machine that is too busy, a replacement starts with another
 * second of work.
 */
#ifndef HEARTH_PATIENCE_H
#define HEARTH_PATIENCE_H

#include <stdint.h>

#include "control/supervise/procfs.h"

struct patience {
    uint64_t since_ns; /* 0: nobody waits */
    struct procfs_turns then;
};

struct patience patience_begin(int pid, uint64_t now_ns);
uint64_t patience_spent_ns(const struct patience *, int pid, uint64_t now_ns);

#endif
