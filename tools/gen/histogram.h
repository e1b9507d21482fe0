/* histogram.h
 *
 * Times from 1 ns to 18 minutes, each kept to 1/16 of itself: a power of two and four bits more.
 * Source: the log-linear buckets of Tene's HdrHistogram.
 */
#ifndef HEARTH_GEN_HISTOGRAM_H
#define HEARTH_GEN_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 16, HISTOGRAM_BUCKETS = 37 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t count, max_ns;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    uint32_t shift = ns < HISTOGRAM_STEPS ? 0 : 59 - (uint32_t)__builtin_clzll(ns);
    uint64_t at = shift * HISTOGRAM_STEPS + (ns >> shift);

    h->count++;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->bucket[at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1]++;
}

/* The least time of the bucket in which that part of all lies, 0 to 1. */
static inline uint64_t histogram_at(const struct histogram *h, double part)
{
    uint64_t left = (uint64_t)((double)h->count * part);

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (left < h->bucket[i]) {
            uint32_t shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;
            return (uint64_t)(i - shift * HISTOGRAM_STEPS) << shift;
        }
        left -= h->bucket[i];
    }
    return h->max_ns;
}

#endif
