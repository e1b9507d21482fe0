#include "control/supervise/warm_pool.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { ROOM_AT_FIRST = 64 };

/* By the data centre simulation (tests/sim/datacentre) under want of memory: without the floor,
 * starts that are quick are worth next to nothing, and there are a quarter more cold starts for a
 * sixth less waiting. The other two hardly matter: an hour saves 3 to 4 % beside ten minutes or a
 * day. */
const struct warm_weights warm_weights_default = {
    .memory_s = 3600,
    .prior_s = 10,
    .floor_us = 20000,
};

static float seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    assert(to_ns >= from_ns);
    return (float)(int64_t)(to_ns - from_ns) * 1e-9f; /* signed: one instruction */
}

/* ---- a script's history ---- */

void warm_history_ask(struct warm_history *h, const struct warm_weights *w, uint64_t now_ns)
{
    if (h->arrivals > 0) {
        if (now_ns - h->asked_ns < WARM_BURST_NS)
            return;
        /* Time fades as arrivals do, so that their quotient is the rate of the last memory_s: the
         * sum of seconds that each fade since they passed, which no silence takes beyond
         * memory_s. */
        float kept = expf(-seconds_between(h->asked_ns, now_ns) / w->memory_s);
        h->arrivals *= kept;
        h->seconds = h->seconds * kept + w->memory_s * (1 - kept);
    }
    h->arrivals += 1;
    h->asked_ns = now_ns;
}

void warm_history_started(struct warm_history *h, uint32_t took_us)
{
    /* A quarter is new: one start on a busy machine is no measure of the script. */
    uint64_t smoothed = h->reload_us ? (3ull * h->reload_us + took_us + 2) / 4 : took_us;
    h->reload_us = smoothed ? (uint32_t)smoothed : 1;
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

static void set_worth(const struct warm_pool *p, struct warm_item *it)
{
    const struct warm_entry *e = it->entry;
    it->worth =
        ((float)e->history->reload_us + p->weights->floor_us) / (float)(e->bytes ? e->bytes : 1);
}

static void set_used(struct warm_item *it, uint64_t now_ns)
{
    const struct warm_history *h = it->entry->history;
    it->used_ns = now_ns;
    it->arrivals = h->arrivals;
    /* What is warm without having been asked for has been silent for longer than it is here. */
    it->seconds = h->seconds + (h->arrivals > 0 ? seconds_between(h->asked_ns, now_ns) : 0);
}

void warm_pool_add(struct warm_pool *p, struct warm_entry *e, struct warm_history *history,
                   size_t bytes, uint64_t now_ns)
{
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : ROOM_AT_FIRST;
        p->item = realloc(p->item, p->room * sizeof(*p->item));
        assert(p->item);
    }
    *e = (struct warm_entry){.place = p->count, .bytes = bytes, .history = history};
    struct warm_item *it = &p->item[p->count++];
    *it = (struct warm_item){.entry = e};
    p->bytes += bytes;
    set_used(it, now_ns);
    set_worth(p, it);
}

void warm_pool_give(struct warm_pool *p, struct warm_entry *e, struct warm_owner *owner)
{
    assert(!e->owner);
    e->owner = owner;
    item_of(p, e)->owner = owner;
    owner->bytes += e->bytes;
    p->owners += owner->entries++ == 0;
}

void warm_pool_remove(struct warm_pool *p, struct warm_entry *e)
{
    struct warm_item *it = item_of(p, e);
    assert(e->pins == 0);
    p->bytes -= e->bytes;
    if (e->owner) {
        e->owner->bytes -= e->bytes;
        p->owners -= --e->owner->entries == 0;
    }
    *it = p->item[--p->count];
    it->entry->place = e->place;
}

void warm_pool_use(struct warm_pool *p, struct warm_entry *e, uint64_t now_ns)
{
    set_used(item_of(p, e), now_ns);
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
    if (e->owner)
        e->owner->bytes += bytes - e->bytes;
    e->bytes = bytes;
    set_worth(p, item_of(p, e));
}

uint64_t warm_pool_used_ns(const struct warm_pool *p, const struct warm_entry *e)
{
    return item_of(p, e)->used_ns;
}

struct warm_entry *warm_pool_victim(const struct warm_pool *p, uint64_t idle_ns, uint64_t now_ns)
{
    return warm_pool_victim_of(p, NULL, idle_ns, now_ns);
}

bool warm_pool_is_below(const struct warm_pool *p, const struct warm_owner *owner)
{
    return owner->bytes * p->owners < p->bytes;
}

static bool is_kept(const struct warm_pool *p, const struct warm_item *it, uint64_t now_ns)
{
    return it->owner && now_ns - it->used_ns < WARM_KEPT_NS && warm_pool_is_below(p, it->owner);
}

bool warm_pool_keeps(const struct warm_pool *p, const struct warm_entry *e, uint64_t now_ns)
{
    return is_kept(p, item_of(p, e), now_ns);
}

struct warm_entry *warm_pool_victim_of(const struct warm_pool *p, const struct warm_owner *owner,
                                       uint64_t idle_ns, uint64_t now_ns)
{
    const struct warm_item *victim = NULL;
    const float prior_s = p->weights->prior_s;
    float least = INFINITY;
    bool is_least_kept = true;
    for (uint32_t n = 0; n < p->count; n++) {
        const struct warm_item *it = &p->item[n];
        if (it->is_pinned || now_ns - it->used_ns < idle_ns)
            continue;
        if (owner && it->owner != owner)
            continue;
        bool kept = !owner && is_kept(p, it, now_ns);
        if (kept && !is_least_kept)
            continue;
        float observed_s = it->seconds + seconds_between(it->used_ns, now_ns) + prior_s;
        float value = (it->arrivals + 1) * it->worth / observed_s;
        if ((is_least_kept && !kept) || value < least ||
            (value == least && it->used_ns < victim->used_ns)) {
            victim = it;
            least = value;
            is_least_kept = kept;
        }
    }
    return victim ? victim->entry : NULL;
}
