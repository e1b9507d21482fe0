/* region.h
 *
 * One life of a runtime process as memory: the shared region and the eventfd that wakes the
 * process. A part of every world that names it. Contract: runtime/job.h.
 *
 * Its pages are not the process's to take away: neither may change its size from the beginning, and
 * as soon as the process has mapped it, nobody may punch a hole in it, by a descriptor or by
 * MADV_REMOVE, or map it for writing once more. Behind that stands region_guard.h.
 */
#ifndef HEARTH_REGION_H
#define HEARTH_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/world/part.h"

struct region {
    struct part part;
    void *map;
    size_t bytes;
    int memfd, wake_fd;
    bool has_huge;
    _Atomic uint32_t condemned; /* 1: by a dp core; REGION_LOST: by the guard */
};

/* Formatted for that many lanes, size sealed, on hugepages if there are enough, guarded. NULL with
 * errno. */
struct region *region_create(uint32_t lanes);
/* Both ends have mapped it, and no script has run yet. 0 or -errno. */
int region_seal(struct region *);

#endif
