/* rng.h
 *
 * Numbers that look random and are a seed's: what a run sends can be sent again. Not for secrets.
 * Source: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (xorshift64*);
 * its start, for seeds that are near each other, is splitmix64.
 */
#ifndef HEARTH_GEN_RNG_H
#define HEARTH_GEN_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state; /* never 0 */
};

static inline uint64_t rng_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static inline void rng_init(struct rng *r, uint64_t seed)
{
    r->state = rng_mix(seed) | 1;
}

static inline uint64_t rng_next(struct rng *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1d;
}

/* 0 to below - 1, without a division. */
static inline uint32_t rng_below(struct rng *r, uint32_t below)
{
    return (uint32_t)((rng_next(r) >> 32) * below >> 32);
}

static inline void rng_fill(struct rng *r, uint8_t *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(rng_next(r) >> 56);
}

#endif
