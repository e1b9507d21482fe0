#include "control/supervise/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/supervise/region_guard.h"
#include "runtime/job.h"

static void region_destroy(struct part *part)
{
    struct region *r = (struct region *)part;

    if (r->map) {
        region_guard_remove(r->map);
        munmap(r->map, r->bytes);
    }
    if (r->memfd >= 0)
        close(r->memfd);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    free(r);
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
    close(r->memfd);
    r->memfd = -1;
    return false;
}

static bool is_guarded(struct region *r)
{
    if (region_guard_add(r->map, r->bytes, &r->condemned))
        return true;
    errno = ENFILE;
    return false;
}

struct region *region_create(uint32_t lanes)
{
    struct region *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    part_init(&r->part, region_destroy);
    r->memfd = -1;
    r->bytes = job_region_bytes(lanes);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->has_huge = map_region(r, MFD_HUGETLB | MFD_HUGE_2MB);
    if (r->wake_fd < 0 || (!r->has_huge && !map_region(r, 0)) ||
        fcntl(r->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) || !is_guarded(r)) {
        int saved = errno;

        region_destroy(&r->part);
        errno = saved;
        return NULL;
    }
    job_region_format(r->map, lanes);
    return r;
}

int region_seal(struct region *r)
{
    return fcntl(r->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) ? -errno : 0;
}
