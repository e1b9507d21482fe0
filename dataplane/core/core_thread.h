/* core_thread.h
 *
 * A dp core as a DPDK lcore: the loop around core_iterate, and what it does when there is nothing to do.
 *
 *   idle: spin a little, then sleep until a frame, a runtime, the control thread or a timer wants the core
 *
 * While it sleeps the core is offline for the world's quiescent-state tracking, so a publisher never waits for it.
 */
#ifndef HEARTH_CORE_THREAD_H
#define HEARTH_CORE_THREAD_H

#include "dataplane/core/core.h"

/* Hugepages where there are any (rte_malloc). */
extern const struct core_memory core_memory_huge;

/* lcore function: returns 0 after core_stop and its drain. A world must have been published. */
int core_run(void *core);

#endif
