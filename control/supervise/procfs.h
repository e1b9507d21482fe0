/* procfs.h
 *
 * What the kernel tells of another process. 0 if the process is gone. Any thread.
 */
#ifndef HEARTH_PROCFS_H
#define HEARTH_PROCFS_H

#include <stdbool.h>
#include <stdint.h>

/* Resident memory. Hugepages, and so a job region, do not count. */
uint64_t procfs_resident_bytes(int pid);
/* User and system time of all its threads. */
double procfs_cpu_seconds(int pid);

/* Of its first thread, since it began. */
struct procfs_turns {
    uint64_t ran_ns;
    uint64_t queued_ns; /* ready to run, without a CPU; a wait that goes on is not in it */
    bool is_ready;      /* now: it runs, or waits for a CPU */
};
/* All zero where the kernel does not count it (CONFIG_SCHED_INFO). */
struct procfs_turns procfs_turns(int pid);

#endif
