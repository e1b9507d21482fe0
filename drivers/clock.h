/* clock.h
 *
 * Time for the core loop: nanoseconds since an arbitrary start, monotonic, from the TSC; or a
 * number that a simulation sets. Only the loop reads it; everything below is told `now`.
 *
 * Units: nanoseconds. Thread: one clock per core, or shared read-only.
 */
#ifndef HEARTH_CLOCK_H
#define HEARTH_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t tsc_start;
    uint64_t ns_per_tick_q32; /* nanoseconds per tick, 32.32 fixed point; 0: virtual */
    uint64_t virtual_ns;
};

/* Calibrated by DPDK (rte_get_tsc_hz), so eal_start comes first. */
void clock_init_tsc(struct clock *);
void clock_init_virtual(struct clock *, uint64_t start_ns);

uint64_t clock_now_ns(const struct clock *);
/* One reading for two uses: ticks of the TSC, 0 of a virtual clock; and what clock_now_ns would
 * have said at them. */
uint64_t clock_ticks(const struct clock *);
uint64_t clock_at_ns(const struct clock *, uint64_t ticks);
/* Of the TSC, rounded; 0: a virtual clock, which has none. */
uint32_t clock_ticks_per_us(const struct clock *);
/* Nanoseconds since 1970, for dates that people read and for nothing else; a virtual clock's year
 * is 1970. */
uint64_t clock_wall_ns(const struct clock *);

/* Virtual clocks only; never backwards. */
void clock_set_ns(struct clock *, uint64_t now_ns);

#endif
