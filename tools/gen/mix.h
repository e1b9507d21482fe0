/* mix.h
 *
 * Which kinds of packets, and how many of each: "syn=3,hello=1,garbage=1". "garbage" stands for one
 * of each of its kinds; a kind without a number has 1.
 */
#ifndef HEARTH_GEN_MIX_H
#define HEARTH_GEN_MIX_H

#include "tools/gen/packet.h"

enum { MIX_WEIGHT_MAX = 100, MIX_SLOTS_MAX = 4096 };

struct mix {
    uint8_t slot[MIX_SLOTS_MAX]; /* one is drawn */
    uint32_t slots;
};

/* False: no such kind or number; error says which. An empty text is an empty mix. */
bool mix_parse(struct mix *, const char *text, char *error, size_t error_bytes);

static inline enum packet_kind mix_draw(const struct mix *m, struct rng *rng)
{
    return (enum packet_kind)m->slot[m->slots > 1 ? rng_below(rng, m->slots) : 0];
}

#endif
