/* power.h
 *
 * The size of a table whose places are found by a mask. Pure.
 */
#ifndef HEARTH_POWER_H
#define HEARTH_POWER_H

#include <stdint.h>

/* The least power of two that is not less; of at most 1 << 31. */
static inline uint32_t power_of_two(uint32_t least)
{
    uint32_t n = 1;

    while (n < least)
        n *= 2;
    return n;
}

#endif
