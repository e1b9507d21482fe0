/* region_guard.h
 *
 * The second wall around a region: whatever takes its pages away from under hearthd, an access to
 * it is no end of hearthd. The first are the seals (region.h) and seccomp (sandbox.h).
 *
 *   access -> page is gone -> SIGBUS -> is the address in a region of the table?
 *                                         yes: zeroed memory of our own takes the place of all of
 *                                              it, *condemned = REGION_LOST, the access is repeated
 *                                         no:  the end, as ever, with the address in the core dump
 *
 * The interrupted access reads zeros, as hostile as anything else in a region: the checks that are
 * there do the rest, and the supervisor, which looks at `condemned`, kills the process. All of the
 * region is replaced: with one mmap hearthd shares nothing with that process any more, and there
 * is no second fault. A broken memory module (BUS_MCEERR_AR) under a region goes the same way.
 *
 * Threads: added and removed by the control thread, as long as nobody can touch the region; the
 * handler runs in any thread that touches it, and takes no lock. System calls that are given such
 * an address fail with EFAULT instead; none is.
 *
 * A signal's handler has no argument: this table is the process's, and the one global of its kind.
 * It has a place for each link, and the handler looks at all of them: a fault is rare, and adding a
 * region is not.
 *
 * Rejected: a jump out of the access (sigsetjmp around all of job_link): it would cost each
 * poll, and leave books half written. The faulting page alone: on hugepages two megabytes of the
 * others would fault in turn. A DPDK heap that grows installs a handler of its own for that
 * moment; hearthd's does not grow once it serves.
 */
#ifndef HEARTH_REGION_GUARD_H
#define HEARTH_REGION_GUARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REGION_LOST = 2, /* *condemned: its pages were taken away */
};

/* Before the first region. 0 or -errno. */
int region_guard_start(void);
/* place: of the caller's choice, below CELL_LINKS_MAX, and free. map and bytes: whole pages of
 * whatever size it is made of. */
void region_guard_add(uint32_t place, void *map, size_t bytes, _Atomic uint32_t *condemned);
/* Before it is unmapped. One that was not added is none. */
void region_guard_remove(uint32_t place);

#endif
