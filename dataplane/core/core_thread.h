/* core_thread.h
 *
 * A dp core as a DPDK lcore: the loop around core_iterate, and what it does when there is nothing
 * to do.
 *
 *   idle: spin a little, then sleep until a frame, a cell, the control thread or a timer wants
 *         the core
 *
 * While it sleeps the core is offline for the world's quiescent-state tracking, so a publisher
 * never waits for it.
 *
 * Rejected: fixed short sleeps. In `ppoll` on the port's own sockets and one eventfd, which the
 * cells and the control thread write, an idle core uses no CPU and wakes without delay; DPDK
 * 22.11's af_packet and af_xdp have no rx interrupts, but their sockets can be polled. Spinning
 * where the CPU is one of `cells.cpus`: what the core waits for cannot run meanwhile, one
 * connection (wrk -c1, median, two rounds) 98 and 95 us against 92 and 92.
 */
#ifndef HEARTH_CORE_THREAD_H
#define HEARTH_CORE_THREAD_H

#include "dataplane/core/core.h"

/* Hugepages where there are any (rte_malloc). */
extern const struct core_memory core_memory_huge;

/* lcore function: returns 0 after core_stop and its drain. A world must have been published. */
int core_run(void *core);

#endif
