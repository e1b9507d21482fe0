/* slab.h
 *
 * Things of one size that keep their place and their number for as long as the process lives: at
 * first none, then as many as were ever in use at once.
 *
 *   block[0] -> [ 0 .. 15 ]   block[1] -> [ 16 .. 31 ]   ...      made: how many have a number
 *
 * An idle cell has touched none of them. Who is free is the owner's business. Single thread.
 *
 * Rejected: one array of the most there can be, which the kernel fills page by page: jemalloc
 * clears what it gives out again, and 0.5 MB of each cell were its own for nothing.
 */
#ifndef HEARTH_WORKER_SLAB_H
#define HEARTH_WORKER_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { SLAB_BLOCK = 16 };

struct slab {
    size_t item_bytes;
    uint32_t made, max;
    uint8_t **block;
};

void slab_init(struct slab *, size_t item_bytes, uint32_t max);
void slab_fini(struct slab *);

/* One more, all zero, and its number; NULL: there are max. */
void *slab_more(struct slab *, uint32_t *index);
/* NULL: there is none of that number. */
void *slab_at(const struct slab *, uint64_t index);

#endif
