#include "tests/sim/sim.h"

#include <string.h>

uint64_t sim_seed, sim_now_ns;
bool sim_trace;
const char *sim_arguments = "";
static uint64_t rng_state;

void sim_seed_with(uint64_t seed)
{
    sim_seed = seed;
    rng_state = seed * 0x2545f4914f6cdd1du + 1;
}

uint64_t rng(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t below(uint32_t n)
{
    return n ? (uint32_t)(rng() % n) : 0;
}

bool chance(uint32_t percent)
{
    return below(100) < percent;
}

void sim_random(void *arg, void *out, size_t bytes)
{
    uint8_t *at = out;
    while (bytes > 0) {
        uint64_t word = rng();
        size_t part = bytes < sizeof(word) ? bytes : sizeof(word);
        memcpy(at, &word, part);
        at += part;
        bytes -= part;
    }
}
