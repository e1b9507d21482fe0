/* mappings.c: two calls of the C library as this process wants them. There is no header: whoever
 * calls madvise() or mmap64() calls these, V8 too, for a preloaded object comes before the C
 * library in the order of lookup (v8c_host.h).
 *
 *   madvise   MADV_DONTFORK is ignored. V8 gives it for its code (18 times), and a cell without it
 *             ends by a segmentation fault at its first JavaScript.
 *   mmap64    an address that is only a hint is ignored. V8 asks for each of its pages of 256 KB
 *             somewhere in 47 bits, and each such place costs every cell 8 to 12 KB of page tables:
 *             0.43 MB a cell, instead of 0.18 when they lie side by side. Where all of them lie is
 *             as random as the kernel makes it.
 *
 * Left alone: mmap(), which jemalloc calls, and which means its hints.
 *
 * Rejected: V8's page allocator, which libv8c wraps (pages.cc): its hints are chosen below it. */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REPLACES(name) __asm__(name) __attribute__((visibility("default"), used))

int mappings_madvise(void *at, size_t bytes, int advice) REPLACES("madvise");
void *mappings_mmap(void *at, size_t bytes, int protection, int flags, int fd, int64_t offset)
    REPLACES("mmap64");

int mappings_madvise(void *at, size_t bytes, int advice)
{
    if (advice == MADV_DONTFORK)
        return 0;
    return (int)syscall(SYS_madvise, at, bytes, advice);
}

void *mappings_mmap(void *at, size_t bytes, int protection, int flags, int fd, int64_t offset)
{
    if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
        at = NULL;
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}
