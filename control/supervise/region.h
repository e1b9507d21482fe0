/* region.h
 *
 * The shared memory of a cell: jobs between it and the cores. Contract: runtime/job.h.
 *
 * Its pages are not the cell's to take away: neither may change its size from the beginning, and as
 * soon as the cell has mapped it, nobody may punch a hole in it, by a descriptor or by MADV_REMOVE,
 * or map it for writing once more. Behind that stands region_guard.h.
 *
 * A small one lies in pages of 4 KiB, of which an idle cell touches few; a large one on hugepages
 * if there are enough. Its descriptor is closed when it is sealed: thousands of them would be a
 * part of hearthd's limit. Control thread only; cores may use the map while they know the link.
 */
#ifndef HEARTH_REGION_H
#define HEARTH_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/job.h"

struct region {
    void *map; /* NULL: none */
    size_t bytes;
    struct job_geometry geometry;
    int memfd; /* -1: sealed */
    bool has_huge;
    uint32_t guard;              /* its place there: the link's number */
    _Atomic uint32_t *condemned; /* 1: by a dp core; REGION_LOST: by the guard */
};

/* Formatted for that many lanes, size sealed, guarded. *condemned stays the caller's. 0 or -errno,
 * and there is none. */
int region_open(struct region *, uint32_t lanes, const struct job_geometry *, uint32_t guard,
                _Atomic uint32_t *condemned);
/* Both ends have mapped it, and no script has run yet. 0 or -errno: not sealed. The descriptor is
 * closed in any case. */
int region_seal(struct region *);
/* No core looks at it any more. Nothing happens if there is none. */
void region_close(struct region *);

#endif
