/* pace.h
 *
 * Does a peer move its bytes fast enough, while it is its turn? A budget of time: it runs down in
 * the peer's turn, and each byte that moves earns 1 s / rate of it, up to a most. So a peer is slow
 * that has moved fewer than rate bytes a second, averaged over as long as it may be silent.
 *
 * What others keep it from moving is not its turn: a script that does not read, an answer that is
 * not there.
 *
 * Units: nanoseconds, bytes. Single thread. Never fails, never allocates.
 *
 * Rejected: the stall timeout alone; a byte in 29 s held a request's chunks for ever. Exchanges ask
 * for 256 bytes a second after 10 s (`limits.min_rate`).
 */
#ifndef HEARTH_PACE_H
#define HEARTH_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t budget_ns; /* as of turn_ns */
    uint64_t turn_ns;   /* its turn since then; 0: it is not */
};

/* It is nobody's turn; the peer has so much time before its first byte. */
void pace_init(struct pace *, uint64_t budget_ns);
/* Whose turn it is from now on. now_ns is not 0, and never runs backwards. */
void pace_turn(struct pace *, bool is_its_turn, uint64_t now_ns);
/* rate is at least 1. */
void pace_moved(struct pace *, uint32_t bytes, uint32_t rate, uint64_t budget_max_ns,
                uint64_t now_ns);
/* When it will have been too slow, if nothing moves; UINT64_MAX: it is not its turn. */
uint64_t pace_deadline_ns(const struct pace *);

#endif
