/* warm_pool.h
 *
 * Which cells stay warm: the entries of one node under its memory budget, and which one goes when
 * room is wanted.
 *
 *   value = chance of being asked for soon  x  what a reload costs  /  bytes
 *           (arrivals + 1)                     reload_us + floor
 *           -------------------------
 *           seconds + idle + prior                   the least valuable idle one goes
 *
 * The chance is a rate: arrivals seen over the time they were seen in, where the time since the
 * last one counts too, so that a script that has fallen silent loses value by the hour. Both fade
 * with the time constant `memory_s`. Within WARM_BURST_NS of an arrival no other one is counted: a
 * page load says once that somebody came, and a steady stream says so once a second.
 *
 * An owner that has less than its part of all bytes keeps what was used within WARM_KEPT_NS, as
 * long as anything else can go: whoever asks for many scripts, and dear ones, has his own go.
 *
 * The history is the script's, not the cell's: it outlives an eviction, and so a script that comes
 * back is known. No sources of time, randomness or memory but the array of entries, which
 * grows and never shrinks: a simulation can run this file as it is.
 *
 * Units: nanoseconds of any one clock that never runs backwards, bytes. Single thread. Never fails.
 * Sources: greedy-dual eviction by cost and size (Cao and Irani, "Cost-aware WWW proxy caching",
 * 1997; Cherkasova 1998, with frequency); keep-alive by each function's own history (Shahrad et
 * al., "Serverless in the wild", 2020).
 *
 * Rejected: value alone: many scripts of one account that are dear to load, and asked for by
 * turns, are worth more than the busiest one of another. As few cold starts as possible: what
 * value saves is waiting. With 500 MB at each of 300 servers with 25,000 scripts, a million
 * requests wait 2.7 s in all for starts, 3.8 s by last use, though 8 % more of them wait. One
 * counted arrival in each burst of requests: a stream without a pause would be one burst for ever,
 * and the busiest script the least valuable. The whole start as the cost of a reload, instead of
 * compilation and top level: whether a spare cell was at hand (1 to 2 ms) says nothing about the
 * script. A history that begins anew with each version: a deploy would make the most popular
 * script the first victim. The place of one that was used within WARM_IDLE_NS for a start that
 * nobody demands: a guess must not push out what is in use; what is hot, or about to have its home
 * here, is no guess.
 */
#ifndef HEARTH_WARM_POOL_H
#define HEARTH_WARM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WARM_BURST_NS (1000000000ull)
#define WARM_KEPT_NS  (10000000000ull)
#define WARM_IDLE_NS                                                                               \
    (60000000000ull) /* nobody asked for it: a start that nobody waits for may have its place */

/* All above 0. */
struct warm_weights {
    float memory_s; /* time constant of a history */
    float prior_s;  /* before a history begins, as if one arrival had come in them */
    float floor_us; /* of a reload: evicting and starting cost something whatever the script */
};

extern const struct warm_weights warm_weights_default;

/* Of a script. All zero: never asked for. */
struct warm_history {
    uint64_t asked_ns;  /* the last arrival that was counted */
    float arrivals;     /* until then, it included; 0: none yet */
    float seconds;      /* until then, since the first: never more than memory_s */
    uint32_t reload_us; /* of its starts, smoothed; 0: not known */
};

/* Whose entries are: an account. All zero at first; outlives its entries. */
struct warm_owner {
    size_t bytes;
    uint32_t entries;
};

/* Part of whatever is warm. */
struct warm_entry {
    uint32_t place; /* in the pool's array */
    uint32_t pins;  /* above 0: in use, never a victim */
    size_t bytes;
    struct warm_history *history;
    struct warm_owner *owner; /* NULL: nobody's */
};

/* What the search for a victim reads, side by side: the history as of used_ns. */
struct warm_item {
    struct warm_entry *entry;
    uint64_t used_ns;
    float arrivals, seconds;
    float worth; /* of a reload, for each byte */
    bool is_pinned;
    const struct warm_owner *owner;
};

struct warm_pool {
    const struct warm_weights *weights;
    struct warm_item *item;
    uint32_t count, room;
    uint32_t owners; /* that have an entry */
    size_t bytes, bytes_max;
};

/* A request for it came, warm or cold. */
void warm_history_ask(struct warm_history *, const struct warm_weights *, uint64_t now_ns);
/* A start of it took that long. */
void warm_history_started(struct warm_history *, uint32_t took_us);

/* weights: stay the caller's. bytes_max may be changed at any time. */
void warm_pool_init(struct warm_pool *, const struct warm_weights *, size_t bytes_max);
/* All entries have been removed. */
void warm_pool_fini(struct warm_pool *);

/* The entry's former content does not matter; it has no pins, and counts as used now. It and its
 * history stay where they are until it is removed. */
void warm_pool_add(struct warm_pool *, struct warm_entry *, struct warm_history *, size_t bytes,
                   uint64_t now_ns);
/* It is that owner's; once, behind warm_pool_add. */
void warm_pool_give(struct warm_pool *, struct warm_entry *, struct warm_owner *);
void warm_pool_remove(struct warm_pool *, struct warm_entry *);
/* A request for it: call it behind warm_history_ask. */
void warm_pool_use(struct warm_pool *, struct warm_entry *, uint64_t now_ns);
void warm_pool_pin(struct warm_pool *, struct warm_entry *);
void warm_pool_unpin(struct warm_pool *, struct warm_entry *);
void warm_pool_resize(struct warm_pool *, struct warm_entry *, size_t bytes);
uint64_t warm_pool_used_ns(const struct warm_pool *, const struct warm_entry *);

static inline bool warm_pool_fits(const struct warm_pool *p, size_t wanted)
{
    return p->bytes + wanted <= p->bytes_max;
}

/* The least valuable of those that are not pinned and were not used for idle_ns; of equals the one
 * longer unused. NULL: there is none. It stays in the pool: the caller ends it and removes it.
 * Looks at all entries: starts are rare and cost far more. */
struct warm_entry *warm_pool_victim(const struct warm_pool *, uint64_t idle_ns, uint64_t now_ns);
/* The same, of that owner's. */
struct warm_entry *warm_pool_victim_of(const struct warm_pool *, const struct warm_owner *,
                                       uint64_t idle_ns, uint64_t now_ns);
/* Less than its part of what all owners have: it would be one more with nothing. */
bool warm_pool_is_below(const struct warm_pool *, const struct warm_owner *);
/* Its owner has less than its part, and used it within WARM_KEPT_NS: a victim where nothing else
 * can be one, and then nobody's who has his part. */
bool warm_pool_keeps(const struct warm_pool *, const struct warm_entry *, uint64_t now_ns);

#endif
