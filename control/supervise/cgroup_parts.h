/* cgroup_parts.h
 *
 * What the files of cgroup have of each other: cgroup.c the groups, cgroup_thread.c who does what
 * may take long.
 */
#ifndef HEARTH_CGROUP_PARTS_H
#define HEARTH_CGROUP_PARTS_H

#include "control/supervise/cgroup.h"

/* ---- cgroup.c: 0 or -errno. Any thread ---- */

int cgroup_write(int dir, const char *path, const char *text);
int cgroup_put(struct cgroup *, const char *account, pid_t);
int cgroup_set_memory(struct cgroup *, const char *account, uint64_t bytes);

/* ---- cgroup_thread.c ---- */

void cgroup_failed(struct cgroup *, int error);
/* Waits for what it has begun. */
void cgroup_stop(struct cgroup *);

#endif
