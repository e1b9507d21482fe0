/* least.h
 *
 * The smaller of two numbers; of two times the earlier, for UINT64_MAX is never.
 */
#ifndef HEARTH_LEAST_H
#define HEARTH_LEAST_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
