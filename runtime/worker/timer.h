/* timer.h
 *
 * The timers of scripts: a binary heap by due time, equal times in order of creation.
 *
 * An id names a timer for as long as it lives and is never that of another one soon after. A timer
 * is in its request's list and goes with it. Times are nanoseconds of the monotonic clock.
 * Single thread. Bounded.
 */
#ifndef HEARTH_WORKER_TIMER_H
#define HEARTH_WORKER_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/worker/slab.h"

struct request;

enum { TIMERS_MAX = 32768, TIMERS_OF_REQUEST_MAX = 10000, TIMER_NONE = 0 };

/* Those of one request. */
struct timer_list {
    struct timer *first;
    uint32_t count;
};

struct timer {
    uint64_t due_ns;
    uint64_t order;
    uint64_t delay_ns;
    struct request *request;
    struct timer_list *list;
    struct timer *next, *prev; /* of the list; next also in the free list */
    uint32_t index;
    uint32_t generation;
    uint32_t heap_at; /* index + 1; 0: free */
    bool repeats;
};

struct timer_heap {
    struct slab timers;
    struct timer *free;
    struct timer **heap;
    uint32_t count, room;
    uint64_t orders;
};

void timer_heap_init(struct timer_heap *);
void timer_heap_fini(struct timer_heap *);

/* Id of a new timer of the request, whose list that is, or TIMER_NONE when there are too many. */
uint64_t timer_add(struct timer_heap *, struct timer_list *, struct request *, uint64_t now_ns,
                   uint64_t delay_ns, bool repeats);
/* NULL if no such timer is alive. */
struct timer *timer_find(struct timer_heap *, uint64_t id);
uint64_t timer_id(const struct timer *);
void timer_remove(struct timer_heap *, struct timer *);

/* When the first timer is due; UINT64_MAX if there is none. */
uint64_t timer_next_ns(const struct timer_heap *);
/* The first timer, if it is due. One that repeats is put back for its next time; any other stays
 * the caller's to remove. */
struct timer *timer_due(struct timer_heap *, uint64_t now_ns);

#endif
