/* region.h
 *
 * One life of a runtime process as memory: the shared region and the eventfd that wakes the
 * process. A part of every world that names it. Contract: runtime/job.h.
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
    _Atomic uint32_t condemned; /* set by a dp core */
};

/* Formatted for that many lanes, size sealed, on hugepages if there are enough. NULL with errno. */
struct region *region_create(uint32_t lanes);

#endif
