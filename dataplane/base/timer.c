#include "dataplane/base/timer.h"

#include <assert.h>
#include <string.h>

enum { TICK_NS = 1000000, SLOT_BITS = 8, SLOT_MASK = TIMER_SLOTS - 1 };

static_assert(TIMER_SLOTS == 1 << SLOT_BITS, "a level is one byte of the tick");

/* A slot of level n holds the timers of 256^n ticks; when the tick enters it, they move down
 * (cascade). Level 0 is exact. */

void timers_init(struct timers *w, uint64_t now)
{
    memset(w, 0, sizeof(*w));
    w->tick = now / TICK_NS;
}

static void occupied_set(struct timers *w, uint32_t level, uint32_t slot)
{
    w->occupied[level][slot / 64] |= 1ull << (slot % 64);
}

static void occupied_clear(struct timers *w, uint32_t level, uint32_t slot)
{
    w->occupied[level][slot / 64] &= ~(1ull << (slot % 64));
}

/* Slots from `from` around to the first occupied one; TIMER_SLOTS: the level is empty. */
static uint32_t distance(const struct timers *w, uint32_t level, uint32_t from)
{
    uint32_t word = from / 64;
    uint64_t bits = w->occupied[level][word] & (UINT64_MAX << (from % 64));

    for (uint32_t i = 0; i <= TIMER_SLOTS / 64; i++) {
        if (bits != 0)
            return (word * 64 + (uint32_t)__builtin_ctzll(bits) - from) & SLOT_MASK;
        word = (word + 1) % (TIMER_SLOTS / 64);
        bits = w->occupied[level][word];
    }
    return TIMER_SLOTS;
}

/* Never before tick_min, which is the current tick or the one after. */
static void place(struct timers *w, struct timer *timer, uint64_t tick_min)
{
    uint64_t tick = timer->deadline_ns / TICK_NS + (timer->deadline_ns % TICK_NS != 0);
    uint32_t level = 0;

    if (tick < tick_min)
        tick = tick_min;
    if (tick - w->tick > UINT32_MAX)
        tick = w->tick + UINT32_MAX; /* placed again when the wheel has come around */
    while ((tick - w->tick) >> SLOT_BITS * (level + 1) != 0)
        level++;

    uint32_t slot = tick >> SLOT_BITS * level & SLOT_MASK;
    struct timer **head = &w->slot[level][slot];

    timer->next = *head;
    if (timer->next != NULL)
        timer->next->prev = &timer->next;
    timer->prev = head;
    *head = timer;
    occupied_set(w, level, slot);
}

void timer_cancel(struct timers *w, struct timer *timer)
{
    struct timer **first = &w->slot[0][0];

    if (timer->prev == NULL)
        return;
    *timer->prev = timer->next;
    if (timer->next != NULL)
        timer->next->prev = timer->prev;
    else if (timer->prev >= first && timer->prev < first + TIMER_LEVELS * TIMER_SLOTS &&
             *timer->prev == NULL)
        occupied_clear(w, (uint32_t)(timer->prev - first) / TIMER_SLOTS,
                       (uint32_t)(timer->prev - first) % TIMER_SLOTS);
    timer->prev = NULL;
}

void timer_set(struct timers *w, struct timer *timer, uint64_t deadline)
{
    /* The usual case on the packet path: the deadline did not move. */
    if (timer->prev != NULL && timer->deadline_ns == deadline)
        return;
    timer_cancel(w, timer);
    timer->deadline_ns = deadline;
    if (deadline != UINT64_MAX)
        place(w, timer, w->tick + 1);
}

static void cascade(struct timers *w, uint32_t level)
{
    uint32_t slot = w->tick >> SLOT_BITS * level & SLOT_MASK;
    struct timer *timer = w->slot[level][slot];

    if (slot == 0 && level + 1 < TIMER_LEVELS)
        cascade(w, level + 1);
    timer = w->slot[level][slot];
    w->slot[level][slot] = NULL;
    occupied_clear(w, level, slot);
    while (timer != NULL) {
        struct timer *next = timer->next;

        place(w, timer, w->tick);
        timer = next;
    }
}

/* To the next tick that has timers or moves a level, at most to limit. */
static void advance(struct timers *w, uint64_t limit)
{
    uint64_t from = w->tick + 1;
    uint32_t ahead = distance(w, 0, from & SLOT_MASK);
    uint64_t boundary = (from + SLOT_MASK) & ~(uint64_t)SLOT_MASK;
    uint64_t to = ahead < TIMER_SLOTS ? from + ahead : boundary;

    if (to > boundary)
        to = boundary;
    if (to > limit)
        to = limit;
    w->tick = to;
    if ((to & SLOT_MASK) == 0)
        cascade(w, 1);
}

struct timer *timers_expired(struct timers *w, uint64_t now)
{
    uint64_t now_tick = now / TICK_NS;

    for (;;) {
        struct timer *timer = w->slot[0][w->tick & SLOT_MASK];

        if (timer != NULL) {
            timer_cancel(w, timer);
            return timer;
        }
        if (w->tick >= now_tick)
            return NULL;
        advance(w, now_tick);
    }
}

uint64_t timers_next_ns(const struct timers *w)
{
    uint64_t next = UINT64_MAX;

    /* Above level 0 the current slot was moved down already: what lies there is a full turn away.
     */
    for (uint32_t level = 0; level < TIMER_LEVELS; level++) {
        uint64_t from = (w->tick >> SLOT_BITS * level) + (level > 0);
        uint32_t ahead = distance(w, level, from & SLOT_MASK);
        uint64_t at = (from + ahead) << SLOT_BITS * level;

        if (ahead < TIMER_SLOTS && at < next)
            next = at;
    }
    return next == UINT64_MAX ? next : next * TICK_NS;
}
