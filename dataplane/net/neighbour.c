#include "dataplane/net/neighbour.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/limits.h"

enum {
    WAYS = 8,
    SETS = NEIGHBOURS_MAX / WAYS,
    READ_TRIES =
        4, /* a writer holds a set for tens of nanoseconds, or is preempted: then waiting is vain */
    BACKOFF_SHIFT_MAX = 7 /* 250 ms << 7: a dead neighbour is asked for twice a minute */
};
static_assert((SETS & (SETS - 1)) == 0 && SETS * WAYS == NEIGHBOURS_MAX, "whole sets");

static const uint64_t ms_ns = 1000000;
static const uint64_t second_ns = 1000000000;
static const uint64_t has_mac = 1ull << 63; /* of entry.mac */

/* All words are atomics read and written relaxed, inside the set's sequence lock: no data race, no
 * torn MAC. */
struct entry {
    _Atomic uint64_t ip[2];          /* all zero: free */
    _Atomic uint64_t mac;            /* has_mac | 48 bits; 0: not known */
    _Atomic uint64_t fresh_until_ns; /* stale from then on */
    _Atomic uint64_t query_next_ns;  /* not before */
    _Atomic uint64_t query_count;    /* since the last confirmation */
    _Atomic uint64_t used_ns; /* by us, to about a second; written outside the lock: only a hint */
};

struct set {
    _Alignas(64) _Atomic uint32_t seq; /* odd: being written */
    struct entry way[WAYS];
};

struct neighbours {
    uint64_t seed;
    _Alignas(64) _Atomic uint64_t learned;
    struct set set[SETS];
};

struct key {
    uint64_t ip[2];
};

static uint64_t get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void put(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Another core's clock may be a little ahead of ours. */
static uint64_t age_ns(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

static struct key key_of(const uint8_t ip[16])
{
    struct key key;

    memcpy(key.ip, ip, sizeof(key.ip));
    assert((key.ip[0] | key.ip[1]) != 0);
    return key;
}

static struct set *set_of(struct neighbours *n, const struct key *key)
{
    return &n->set[XXH3_64bits_withSeed(key->ip, sizeof(key->ip), n->seed) & (SETS - 1)];
}

static struct entry *find(struct set *set, const struct key *key)
{
    /* The second half first: IPv4 addresses and the hosts of an IPv6 prefix differ there. */
    for (int i = 0; i < WAYS; i++)
        if (get(&set->way[i].ip[1]) == key->ip[1] && get(&set->way[i].ip[0]) == key->ip[0])
            return &set->way[i];
    return NULL;
}

static bool try_lock(struct set *set)
{
    uint32_t seq = atomic_load_explicit(&set->seq, memory_order_relaxed);

    if (seq & 1)
        return false;
    if (!atomic_compare_exchange_strong_explicit(&set->seq, &seq, seq + 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    atomic_thread_fence(memory_order_release); /* the odd number before any change */
    return true;
}

static void unlock(struct set *set)
{
    uint32_t seq = atomic_load_explicit(&set->seq, memory_order_relaxed);

    atomic_store_explicit(&set->seq, seq + 1, memory_order_release);
}

/* An entry for the key in a locked set. unused_ns: displaces a known neighbour only if unused for
 * that long. */
static struct entry *add(struct set *set, const struct key *key, uint64_t unused_ns,
                         uint64_t now_ns)
{
    struct entry *victim = NULL;
    bool victim_known = true;
    uint64_t victim_age = 0;

    for (int i = 0; i < WAYS; i++) {
        struct entry *e = &set->way[i];
        bool is_free = (get(&e->ip[0]) | get(&e->ip[1])) == 0;
        bool known = get(&e->mac) != 0;
        uint64_t age = age_ns(get(&e->used_ns), now_ns);

        if (is_free) {
            victim = e;
            break;
        }
        if (known && age < unused_ns)
            continue;
        if (victim == NULL || known < victim_known || (known == victim_known && age > victim_age)) {
            victim = e;
            victim_known = known;
            victim_age = age;
        }
    }
    if (victim == NULL)
        return NULL;
    put(&victim->ip[0], key->ip[0]);
    put(&victim->ip[1], key->ip[1]);
    put(&victim->mac, 0);
    put(&victim->fresh_until_ns, 0);
    put(&victim->query_next_ns, 0);
    put(&victim->query_count, 0);
    put(&victim->used_ns, now_ns);
    return victim;
}

size_t neighbours_bytes(void)
{
    return sizeof(struct neighbours);
}

void neighbours_init(struct neighbours *n, uint64_t seed)
{
    assert((uintptr_t)n % _Alignof(struct neighbours) == 0);

    memset(n, 0, sizeof(*n));
    n->seed = seed;
}

uint64_t neighbours_learned(const struct neighbours *n)
{
    return get(&n->learned);
}

uint64_t neighbours_seed(const struct neighbours *n)
{
    return n->seed;
}

/* True if this core is to send a query now: one core wins, the pace is the table's. */
static bool claim_query(struct set *set, const struct key *key, uint64_t now_ns)
{
    bool ask = false;

    if (!try_lock(set))
        return false;

    struct entry *e = find(set, key);

    if (e == NULL)
        e = add(set, key, 0, now_ns);
    if (e != NULL && now_ns >= get(&e->query_next_ns)) {
        uint64_t count = get(&e->query_count) + 1;
        uint64_t shift = count > NEIGHBOUR_QUERIES_MAX ? count - NEIGHBOUR_QUERIES_MAX : 0;

        if (shift > BACKOFF_SHIFT_MAX)
            shift = BACKOFF_SHIFT_MAX;
        /* The queries had their time and nobody answered: what we knew is no longer true. */
        if (count > NEIGHBOUR_QUERIES_MAX)
            put(&e->mac, 0);
        put(&e->query_count, count);
        put(&e->query_next_ns, now_ns + (NEIGHBOUR_QUERY_INTERVAL_MS * ms_ns << shift));
        ask = true;
    }
    unlock(set);
    return ask;
}

bool neighbour_find(struct neighbours *n, const uint8_t ip[16], uint64_t now_ns, uint8_t mac[6],
                    bool *ask)
{
    struct key key = key_of(ip);
    struct set *set = set_of(n, &key);
    uint64_t word = 0, fresh_until_ns = 0, query_next_ns = 0, used_ns = 0;
    struct entry *e = NULL;
    bool is_whole = false;

    *ask = false;
    for (int i = 0; i < READ_TRIES && !is_whole; i++) {
        uint32_t seq = atomic_load_explicit(&set->seq, memory_order_acquire);

        e = find(set, &key);
        if (e != NULL) {
            word = get(&e->mac);
            fresh_until_ns = get(&e->fresh_until_ns);
            query_next_ns = get(&e->query_next_ns);
            used_ns = get(&e->used_ns);
        }
        atomic_thread_fence(memory_order_acquire);
        is_whole = (seq & 1) == 0 && seq == atomic_load_explicit(&set->seq, memory_order_relaxed);
    }
    if (!is_whole)
        return false;

    bool known = e != NULL && word != 0;
    bool fresh = known && now_ns < fresh_until_ns;

    /* Not each time: the line is shared, and a second is exact enough to choose whom to forget. */
    if (e != NULL && age_ns(used_ns, now_ns) >= second_ns)
        put(&e->used_ns, now_ns);
    if (!fresh && (e == NULL || now_ns >= query_next_ns))
        *ask = claim_query(set, &key, now_ns);
    if (known)
        memcpy(mac, &word, 6);
    return known;
}

enum neighbour_learned neighbour_learn(struct neighbours *n, const uint8_t ip[16],
                                       const uint8_t mac[6], enum neighbour_learn how,
                                       uint64_t now_ns)
{
    struct key key = key_of(ip);
    struct set *set = set_of(n, &key);
    enum neighbour_learned result = NEIGHBOUR_LEARNED;
    uint64_t word = 0;
    bool is_news = false;

    memcpy(&word, mac, 6);
    word |= has_mac;

    if (!try_lock(set))
        return NEIGHBOUR_FULL;

    struct entry *e = find(set, &key);

    if (e == NULL) {
        if (how == NEIGHBOUR_ADD)
            e = add(set, &key, NEIGHBOUR_STALE_S * second_ns, now_ns);
        if (e == NULL)
            result = how == NEIGHBOUR_ADD ? NEIGHBOUR_FULL : NEIGHBOUR_UNKNOWN;
    } else if (how == NEIGHBOUR_CONFIRM && get(&e->mac) != 0 && get(&e->mac) != word) {
        /* RFC 4861 7.2.5: without Override a different address only makes the entry stale. */
        put(&e->fresh_until_ns, 0);
        e = NULL;
        result = NEIGHBOUR_UNKNOWN;
    }
    if (e != NULL) {
        is_news = get(&e->mac) == 0;
        put(&e->mac, word);
        put(&e->fresh_until_ns, now_ns + NEIGHBOUR_STALE_S * second_ns);
        put(&e->query_next_ns, 0);
        put(&e->query_count, 0);
    }
    unlock(set);
    if (is_news)
        atomic_fetch_add_explicit(&n->learned, 1, memory_order_relaxed);
    return result;
}
