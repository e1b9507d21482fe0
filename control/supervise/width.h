/* width.h
 *
 * How many cells a script should have, by the CPU time that they use together.
 *
 *   CPUs used by n cells    more than 0.8 n, and the machine has idle ones     one more
 *                           less than 0.4 n for WIDTH_NARROW_S             one less
 *
 * Between the two it stays: what was enough for n is not too much for n + 1. Looked at once a
 * second. Pure.
 */
#ifndef HEARTH_WIDTH_H
#define HEARTH_WIDTH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WIDTH_FULL_PERCENT = 80, /* of a CPU for each cell of a script: one more */
    WIDTH_NARROW_S = 10,     /* of less than half of that: one less */
};

struct width {
    uint32_t calm_s; /* for so long there have been too many */
};

/* used: thousandths of a CPU. Returns 1, 0 or -1: cells that there should be more. */
int width_judge(struct width *, uint32_t cells, uint64_t used, bool has_idle, uint32_t cells_max);

#endif
