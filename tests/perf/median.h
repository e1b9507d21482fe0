/* median.h: of the figures of a measurement's rounds. Sorts them, so that the first and the last
 * are the least and the most. */
#ifndef HEARTH_PERF_MEDIAN_H
#define HEARTH_PERF_MEDIAN_H

#include <stddef.h>
#include <stdlib.h>

static inline int median_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static inline double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), median_order);
    return values[count / 2];
}

#endif
