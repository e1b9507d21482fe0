#include "control/supervise/cell_memory.h"

#include <unistd.h>

#include "control/supervise/procfs.h"

void cell_memory_begin(struct cell_memory *m, int pid)
{
    *m = (struct cell_memory){
        .resident_bytes = procfs_resident_bytes(pid),
        .faults = procfs_faults(pid),
    };
}

static uint64_t pages(uint64_t count)
{
    return count * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* 0: it is gone. */
static uint64_t bound_bytes(const struct cell_memory *m, int pid, uint64_t faults)
{
    const uint64_t now_bytes = procfs_resident_bytes(pid);
    const uint64_t grown = now_bytes > m->resident_bytes ? now_bytes - m->resident_bytes : 0;
    const uint64_t touched = pages(faults - m->faults);
    uint64_t copied = touched > grown ? touched - grown : 0;

    if (!now_bytes)
        return 0;
    if (copied > m->resident_bytes)
        copied = m->resident_bytes;
    return grown + copied;
}

static uint64_t walk(struct cell_memory *m, int pid, uint64_t faults)
{
    uint64_t bytes;

    m->is_exact = procfs_private_bytes(pid, &bytes);
    if (!m->is_exact)
        bytes = bound_bytes(m, pid, faults);
    return bytes ? bytes + procfs_page_table_bytes(pid) : 0;
}

uint64_t cell_memory_bytes(struct cell_memory *m, int pid)
{
    const uint64_t faults = procfs_faults(pid); /* 0: it is gone, and more than few are missing */

    if (m->bytes && faults - m->bytes_faults < CELL_MEMORY_FEW_FAULTS &&
        m->kept < CELL_MEMORY_KEPT_MAX) {
        m->kept++;
        return m->bytes + pages(faults - m->bytes_faults);
    }
    m->kept = 0;
    m->bytes_faults = faults;
    m->bytes = walk(m, pid, faults);
    return m->bytes;
}
