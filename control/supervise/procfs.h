/* procfs.h
 *
 * What the kernel tells of other processes, and of the machine. 0 if the process is gone. Any
 * thread.
 */
#ifndef HEARTH_PROCFS_H
#define HEARTH_PROCFS_H

#include <stdbool.h>
#include <stdint.h>

/* Resident memory, shared or not. */
uint64_t procfs_resident_bytes(int pid);
/* Of which it alone has so much. False: that is not for hearthd to know (it takes CAP_SYS_PTRACE
 * for what is not dumpable), or the process is gone. Walks its page tables. */
bool procfs_private_bytes(int pid, uint64_t *bytes);
uint64_t procfs_page_table_bytes(int pid);
/* Pages that it was given since it began, without a look at a disk. */
uint64_t procfs_faults(int pid);
/* Its user. */
uint64_t procfs_uid(int pid);
/* How often its first thread has gone to sleep by itself. */
uint64_t procfs_sleeps(int pid);
/* User and system time of all its threads. */
uint64_t procfs_cpu_ns(int pid);

/* Of its first thread, since it began. */
struct procfs_turns {
    uint64_t ran_ns;
    uint64_t queued_ns; /* ready to run, without a CPU; a wait that goes on is not in it */
    bool is_held_up;    /* now: it runs, or waits for a CPU, or inside the kernel for it ("D") */
};
/* All zero where the kernel does not count it (CONFIG_SCHED_INFO). */
struct procfs_turns procfs_turns(int pid);

/* Calls fn for each process whose parent that is, which may end it. Reads all of /proc. */
void procfs_children(int parent, void (*fn)(void *arg, int pid), void *arg);

/* Idle time of these CPUs together since the machine began; no count: of all. */
uint64_t procfs_idle_ns(const uint16_t *cpus, uint32_t count);

#endif
