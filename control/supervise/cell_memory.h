/* cell_memory.h
 *
 * How much memory a cell has that is not the zygote's, by the kernel's word.
 *
 *   smaps_rollup readable   private pages, and its page tables                       exact
 *   else                    what it grew by since its fork, and a page for each      an upper bound
 *                           further fault: at most those that it began with; and
 *                           its page tables
 *
 * A cell begins with all pages of the zygote, of which a write makes one of its own; that costs a
 * fault, and so does every new page. So one that had few faults since it was looked at has what it
 * had, and these pages, and nobody walks its page tables; what it gave back meanwhile is seen
 * CELL_MEMORY_KEPT_MAX looks later at the latest.
 *
 * Bytes. Reads a few files of /proc: some 200 us exactly, 30 us else. Control thread only.
 */
#ifndef HEARTH_CELL_MEMORY_H
#define HEARTH_CELL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CELL_MEMORY_FEW_FAULTS = 16,
    CELL_MEMORY_KEPT_MAX = 15, /* looks in a row that do without a walk */
};

struct cell_memory {
    uint64_t resident_bytes, faults; /* when it was young */
    uint64_t bytes, bytes_faults;    /* as of the last walk; 0: none yet */
    uint32_t kept;                   /* looks since then */
    bool is_exact;                   /* of what was looked at last */
};

/* Right behind its fork. */
void cell_memory_begin(struct cell_memory *, int pid);
/* 0: the process is gone. */
uint64_t cell_memory_bytes(struct cell_memory *, int pid);

#endif
