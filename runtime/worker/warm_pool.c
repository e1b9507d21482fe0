#include "runtime/worker/warm_pool.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { ITEMS_FIRST = 64, RELOAD_SMOOTH = 4 };

/* By the data centre simulation (tests/sim/datacentre), with 400 MB for the isolates that 1.2 GB would hold: the floor keeps quick starts from being
 * worth nothing, which saves a third of all cold starts beside least-recently-used and still half of the waiting; without it a fifth and 60 %. */
const struct warm_weights warm_weights_default = {
    .memory_s = 3600, .prior_s = 10, .floor_us = 20000};

static float seconds_of(uint64_t ns)
{
    return (float)((double)ns * 1e-9);
}

/* ---- a script's history ---- */

void warm_history_ask(struct warm_history *h, const struct warm_weights *w, uint64_t now_ns)
{
    assert(now_ns >= h->arrived_ns);
    uint64_t gap_ns = now_ns - h->arrived_ns;

    if (h->arrived_ns == 0) {
        *h = (struct warm_history){.arrived_ns = now_ns, .arrivals = 1, .reload_us = h->reload_us};
        return;
    }
    if (gap_ns < WARM_BURST_NS)
        return;
    h->arrived_ns = now_ns;
    float keep = expf(-seconds_of(gap_ns) / w->memory_s);
    h->arrivals = h->arrivals * keep + 1;
    h->seconds = h->seconds * keep + w->memory_s * (1 - keep);
}

void warm_history_started(struct warm_history *h, uint32_t took_us)
{
    int64_t change = (int64_t)took_us - h->reload_us;
    h->reload_us = h->reload_us ? (uint32_t)(h->reload_us + change / RELOAD_SMOOTH) : took_us;
}

/* ---- the pool ---- */

void warm_pool_init(struct warm_pool *p, const struct warm_weights *weights, size_t bytes_max)
{
    *p = (struct warm_pool){.weights = weights, .bytes_max = bytes_max};
}

void warm_pool_fini(struct warm_pool *p)
{
    assert(p->count == 0 && p->bytes == 0);
    free(p->item);
}

static struct warm_item *item_of(const struct warm_pool *p, const struct warm_entry *e)
{
    assert(e->place < p->count && p->item[e->place].entry == e);
    return &p->item[e->place];
}

static void weigh(const struct warm_pool *p, struct warm_item *item)
{
    const struct warm_history *h = item->entry->history;
    size_t bytes = item->entry->bytes ? item->entry->bytes : 1;
    item->arrivals = h->arrivals;
    item->seconds = h->seconds;
    item->worth = ((float)h->reload_us + p->weights->floor_us) / (float)bytes;
}

void warm_pool_add(struct warm_pool *p, struct warm_entry *e, struct warm_history *history,
                   size_t bytes, uint64_t now_ns)
{
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : ITEMS_FIRST;
        p->item = realloc(p->item, p->room * sizeof(*p->item));
        assert(p->item);
    }
    *e = (struct warm_entry){.place = p->count++, .bytes = bytes, .history = history};
    p->item[e->place] = (struct warm_item){.entry = e, .used_ns = now_ns};
    p->bytes += bytes;
    weigh(p, item_of(p, e));
}

void warm_pool_remove(struct warm_pool *p, struct warm_entry *e)
{
    struct warm_item *item = item_of(p, e), *last = &p->item[--p->count];
    p->bytes -= e->bytes;
    last->entry->place = e->place;
    *item = *last;
}

void warm_pool_use(struct warm_pool *p, struct warm_entry *e, uint64_t now_ns)
{
    struct warm_item *item = item_of(p, e);
    item->used_ns = now_ns;
    weigh(p, item);
}

void warm_pool_pin(struct warm_pool *p, struct warm_entry *e)
{
    e->pins++;
    item_of(p, e)->is_pinned = true;
}

void warm_pool_unpin(struct warm_pool *p, struct warm_entry *e)
{
    assert(e->pins > 0);
    e->pins--;
    item_of(p, e)->is_pinned = e->pins > 0;
}

void warm_pool_resize(struct warm_pool *p, struct warm_entry *e, size_t bytes)
{
    p->bytes += bytes - e->bytes;
    e->bytes = bytes;
    weigh(p, item_of(p, e));
}

uint64_t warm_pool_used_ns(const struct warm_pool *p, const struct warm_entry *e)
{
    return item_of(p, e)->used_ns;
}

struct warm_entry *warm_pool_victim(const struct warm_pool *p, uint64_t idle_ns, uint64_t now_ns)
{
    const struct warm_item *least = NULL;
    float least_value = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct warm_item *item = &p->item[i];
        uint64_t unused_ns = now_ns - item->used_ns;
        if (item->is_pinned || unused_ns < idle_ns)
            continue;
        float value = (item->arrivals + 1) * item->worth /
                      (item->seconds + seconds_of(unused_ns) + p->weights->prior_s);
        if (!least || value < least_value ||
            (value == least_value && item->used_ns < least->used_ns)) {
            least = item;
            least_value = value;
        }
    }
    return least ? least->entry : NULL;
}
