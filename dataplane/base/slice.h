/* slice.h
 *
 * How much of one kind of work an iteration does: so long, and so many pieces, and at least one.
 * The rest waits for the next iteration, behind which everything else had its turn.
 *
 *   struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
 *   while (there is work && slice_take(&slice))
 *       one piece
 *
 * The clock is read between two pieces, so a slice is over its time by one piece at most. The count
 * is for pieces that cost next to nothing, and for simulations, whose clock stands still.
 */
#ifndef HEARTH_SLICE_H
#define HEARTH_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/base/mutant.h"
#include "drivers/clock.h"

struct slice {
    const struct clock *clock;
    uint64_t until_ns; /* 0: not begun */
    uint32_t left;
};

static inline struct slice slice_of(const struct clock *clock, uint32_t pieces)
{
    return (struct slice){.clock = clock, .left = pieces};
}

/* True: one piece more. */
static inline bool slice_take(struct slice *s)
{
    if (MUTANT(UNBOUNDED_ITERATION))
        return true;
    if (s->left == 0)
        return false;
    uint64_t now_ns = clock_now_ns(s->clock);
    if (s->until_ns == 0)
        s->until_ns = now_ns + CORE_SLICE_US * 1000ull;
    else if (now_ns >= s->until_ns)
        return false;
    s->left--;
    return true;
}

#endif
