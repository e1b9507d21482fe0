#include "runtime/worker/timer.h"

#include <assert.h>
#include <stdlib.h>

enum { ID_INDEX_BITS = 15 };
static_assert(TIMERS_MAX <= 1 << ID_INDEX_BITS, "an id holds the index");

void timer_heap_init(struct timer_heap *h)
{
    *h = (struct timer_heap){0};
    slab_init(&h->timers, sizeof(struct timer), TIMERS_MAX);
}

void timer_heap_fini(struct timer_heap *h)
{
    slab_fini(&h->timers);
    free(h->heap);
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(struct timer_heap *h, struct timer *t, uint32_t at)
{
    h->heap[at] = t;
    t->heap_at = at + 1;
}

static void settle(struct timer_heap *h, struct timer *t, uint32_t at)
{
    while (at > 0 && before(t, h->heap[(at - 1) / 2])) {
        put(h, h->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(h->heap[child + 1], h->heap[child]))
            child++;
        if (!before(h->heap[child], t))
            break;
        put(h, h->heap[child], at);
        at = child;
    }
    put(h, t, at);
}

uint64_t timer_id(const struct timer *t)
{
    return (uint64_t)t->generation << ID_INDEX_BITS | t->index;
}

/* As many places in the heap as there are timers. */
static struct timer *one_more(struct timer_heap *h)
{
    uint32_t index;
    struct timer *t = slab_more(&h->timers, &index);
    t->index = index;
    if (index == h->room) {
        h->room = h->room ? 2 * h->room : SLAB_BLOCK;
        h->heap = realloc(h->heap, h->room * sizeof(*h->heap));
        assert(h->heap);
    }
    return t;
}

uint64_t timer_add(struct timer_heap *h, struct timer_list *list, struct request *r,
                   uint64_t now_ns, uint64_t delay_ns, bool repeats)
{
    struct timer *t = h->free;
    if (h->count == TIMERS_MAX || list->count == TIMERS_OF_REQUEST_MAX)
        return TIMER_NONE;
    if (t)
        h->free = t->next;
    else
        t = one_more(h);
    t->generation++;
    t->due_ns = now_ns + delay_ns;
    t->delay_ns = delay_ns;
    t->order = h->orders++;
    t->repeats = repeats;
    t->request = r;
    t->list = list;
    t->prev = NULL;
    t->next = list->first;
    if (t->next)
        t->next->prev = t;
    list->first = t;
    list->count++;
    settle(h, t, h->count++);
    return timer_id(t);
}

struct timer *timer_find(struct timer_heap *h, uint64_t id)
{
    struct timer *t = slab_at(&h->timers, id & ((1u << ID_INDEX_BITS) - 1));
    return t && t->heap_at && t->generation == id >> ID_INDEX_BITS ? t : NULL;
}

void timer_remove(struct timer_heap *h, struct timer *t)
{
    uint32_t at = t->heap_at - 1;
    assert(t->heap_at && h->heap[at] == t);
    struct timer *last = h->heap[--h->count];
    if (last != t)
        settle(h, last, at);
    t->heap_at = 0;
    if (t->prev)
        t->prev->next = t->next;
    else
        t->list->first = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->list->count--;
    t->list = NULL;
    t->request = NULL;
    t->next = h->free;
    h->free = t;
}

uint64_t timer_next_ns(const struct timer_heap *h)
{
    return h->count ? h->heap[0]->due_ns : UINT64_MAX;
}

struct timer *timer_due(struct timer_heap *h, uint64_t now_ns)
{
    if (h->count == 0 || h->heap[0]->due_ns > now_ns)
        return NULL;
    struct timer *t = h->heap[0];
    if (t->repeats) {
        t->due_ns = now_ns + (t->delay_ns > 1000000 ? t->delay_ns : 1000000);
        t->order = h->orders++;
        settle(h, t, 0);
    }
    return t;
}
