/* procfs.h
 *
 * What the kernel tells of another process. 0 if the process is gone. Any thread.
 */
#ifndef HEARTH_PROCFS_H
#define HEARTH_PROCFS_H

#include <stdint.h>

/* Resident memory. Hugepages, and so a job region, do not count. */
uint64_t procfs_resident_bytes(int pid);
/* User and system time of all its threads. */
double procfs_cpu_seconds(int pid);

#endif
