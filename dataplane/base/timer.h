/* timer.h
 *
 * A core's timers: set, move and cancel in O(1); expiry in order of the tick. A hashed hierarchical
 * wheel (Varghese and Lauck 1987), tick 1 ms.
 *
 * A timer is embedded in its owner. Modules report deadlines; only the core arms timers. Never
 * early; late by at most a tick plus the loop's own delay. A deadline in the past expires with the
 * next tick, so that draining always ends. Units: nanoseconds. Single thread, no allocation.
 */
#ifndef HEARTH_TIMER_H
#define HEARTH_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    struct timer *next, **prev; /* prev NULL: not set */
    uint64_t deadline_ns;
};

enum { TIMER_LEVELS = 4, TIMER_SLOTS = 256 };

struct timers {
    uint64_t tick; /* all timers before it have expired; those of it are being handed out */
    struct timer *slot[TIMER_LEVELS][TIMER_SLOTS];
    uint64_t occupied[TIMER_LEVELS][TIMER_SLOTS / 64];
};

void timers_init(struct timers *, uint64_t now_ns);
/* Sets or moves. UINT64_MAX cancels. */
void timer_set(struct timers *, struct timer *, uint64_t deadline_ns);
void timer_cancel(struct timers *, struct timer *);

static inline bool timer_is_set(const struct timer *t)
{
    return t->prev != NULL;
}

/* Takes one expired timer off, or NULL. Call until NULL. */
struct timer *timers_expired(struct timers *, uint64_t now_ns);
/* A time at or before the next expiry (never later), or UINT64_MAX: how long the core may sleep. */
uint64_t timers_next_ns(const struct timers *);

#endif
