#include "control/supervise/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/supervise/region_guard.h"

static void close_memfd(struct region *r)
{
    if (r->memfd >= 0)
        close(r->memfd);
    r->memfd = -1;
}

/* Hugepages are reserved by mmap, so only it says whether there are enough. */
static bool map_region(struct region *r, unsigned flags)
{
    r->memfd = memfd_create("hearth-region", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (r->memfd < 0)
        return false;
    if (!ftruncate(r->memfd, (off_t)r->bytes)) {
        r->map = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, 0);
        if (r->map != MAP_FAILED)
            return true;
    }
    r->map = NULL;
    close_memfd(r);
    return false;
}

int region_open(struct region *r, uint32_t lanes, const struct job_geometry *geometry,
                uint32_t guard, _Atomic uint32_t *condemned)
{
    const bool wants_huge = job_region_page_bytes(geometry) > 4096;

    *r = (struct region){.memfd = -1,
                         .geometry = *geometry,
                         .bytes = job_region_bytes(lanes, geometry),
                         .guard = guard,
                         .condemned = condemned};
    r->has_huge = wants_huge && map_region(r, MFD_HUGETLB | MFD_HUGE_2MB);
    if ((!r->has_huge && !map_region(r, 0)) ||
        fcntl(r->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
        int rc = -errno;

        region_close(r);
        return rc;
    }
    atomic_store(condemned, 0);
    region_guard_add(guard, r->map, r->bytes, condemned);
    job_region_format(r->map, lanes, geometry);
    return 0;
}

int region_seal(struct region *r)
{
    int rc = fcntl(r->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) ? -errno : 0;

    close_memfd(r);
    return rc;
}

void region_close(struct region *r)
{
    if (r->map) {
        region_guard_remove(r->guard);
        munmap(r->map, r->bytes);
    }
    r->map = NULL;
    close_memfd(r);
}
