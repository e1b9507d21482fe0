/* rng.h
 *
 * Small, fast, repeatable random numbers for simulations and hash keys. Never for secrets.
 * Source: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
 */
#ifndef HEARTH_RNG_H
#define HEARTH_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

/* A bijection of 64 bits in which every input bit reaches every output bit. */
static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return rng_mix(r->state);
}

/* Uniform in 0..limit-1 (limit > 0); the bias of at most limit / 2^64 is far below what a
 * simulation can see. */
static inline uint64_t rng_below(struct rng *r, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)rng_next(r) * limit) >> 64);
}

/* True with that probability. Always draws once, so that one knob does not shift the draws of the
 * others. */
static inline bool rng_chance(struct rng *r, double probability)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53 < probability;
}

#endif
