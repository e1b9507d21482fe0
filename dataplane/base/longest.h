/* longest.h
 *
 * The longest of many times, ever and lately: of the current window and of the one before, so that
 * a number is seen for LONGEST_WINDOW_NS at least, and for twice that at most.
 *
 * Units: nanoseconds. Single thread, never allocates. All zero: nothing yet.
 */
#ifndef HEARTH_LONGEST_H
#define HEARTH_LONGEST_H

#include <stdint.h>

#define LONGEST_WINDOW_NS (5ull * 1000000000)

struct longest {
    uint64_t ever_ns, window_ns, before_ns;
    uint64_t since_ns; /* when the window began */
};

static inline uint64_t longest_lately_ns(const struct longest *l)
{
    return l->window_ns > l->before_ns ? l->window_ns : l->before_ns;
}

/* 0 only moves the window on. */
static inline void longest_note(struct longest *l, uint64_t took_ns, uint64_t now_ns)
{
    if (now_ns - l->since_ns >= LONGEST_WINDOW_NS) {
        l->before_ns = now_ns - l->since_ns < 2 * LONGEST_WINDOW_NS ? l->window_ns : 0;
        l->window_ns = 0;
        l->since_ns = now_ns;
    }
    if (took_ns > l->window_ns)
        l->window_ns = took_ns;
    if (took_ns > l->ever_ns)
        l->ever_ns = took_ns;
}

#endif
