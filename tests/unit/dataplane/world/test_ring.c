/* test_ring.c: who owns which script, over seeds. A failure prints the seed of its cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "dataplane/world/ring.h"
#include "drivers/rng.h"

enum { SCRIPTS = 20000, SEEDS = 20 };

/* ---- clusters ---- */

static uint64_t node_id(uint64_t seed, uint32_t number)
{
    char name[64];
    int bytes = snprintf(name, sizeof(name), "edge-%u.dc%llu", number, (unsigned long long)seed);

    return XXH3_64bits(name, (size_t)bytes);
}

static uint64_t script_hash(uint64_t seed, uint32_t number)
{
    char name[64];
    int bytes = snprintf(name, sizeof(name), "script-%llu-%u", (unsigned long long)seed, number);

    return XXH3_64bits(name, (size_t)bytes);
}

static void make_members(struct ring_member *m, uint32_t count, uint64_t seed)
{
    for (uint32_t i = 0; i < count; i++)
        m[i] = (struct ring_member){
            .id = node_id(seed, i), .node = (uint16_t)i, .weight = RING_WEIGHT_ONE};
}

/* Memory of exactly ring_bytes, so that a sanitizer sees a step beyond. */
static struct ring *build(const struct ring_member *m, uint32_t count, uint64_t epoch)
{
    size_t bytes = ring_bytes(m, count);
    void *memory = aligned_alloc(64, bytes);

    assert_non_null(memory);
    assert_true(bytes <= ring_bytes_max());
    memset(memory, 0xa5, bytes); /* what was there before must not show */
    return ring_build(memory, m, count, epoch);
}

/* ---- the naive ring: the words of the header, one by one ---- */

struct naive_point {
    uint64_t at, id;
    uint16_t node;
};

struct naive {
    struct naive_point *point;
    uint32_t count;
};

static int by_place(const void *a, const void *b)
{
    const struct naive_point *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static struct naive naive_build(const struct ring_member *m, uint32_t count)
{
    struct naive n = {.point = malloc(((size_t)count * 5120 + 1) * sizeof(struct naive_point))};

    assert_non_null(n.point);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t vnodes = (uint64_t)m[i].weight * RING_VNODES / RING_WEIGHT_ONE;

        if (m[i].weight && !vnodes)
            vnodes = 1;
        for (uint64_t k = 0; k < vnodes * RING_VNODE_POINTS; k++) {
            uint64_t key[2] = {m[i].id, k};

            n.point[n.count++] =
                (struct naive_point){XXH3_64bits(key, sizeof(key)) >> 16, m[i].id, m[i].node};
        }
    }
    qsort(n.point, n.count, sizeof(*n.point), by_place);
    return n;
}

static uint32_t naive_find(const struct naive *n, uint64_t hash)
{
    uint32_t low = 0, high = n->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (n->point[middle].at < hash >> 16)
            low = middle + 1;
        else
            high = middle;
    }
    return low == n->count ? 0 : low;
}

static uint32_t naive_successors(const struct naive *n, uint64_t hash, uint16_t *nodes,
                                 uint32_t max)
{
    uint32_t at = n->count ? naive_find(n, hash) : 0, found = 0;

    for (uint32_t i = 0; i < n->count && found < max; i++) {
        uint16_t node = n->point[(at + i) % n->count].node;
        bool is_known = false;

        for (uint32_t k = 0; k < found; k++)
            is_known |= nodes[k] == node;
        if (!is_known)
            nodes[found++] = node;
    }
    return found;
}

static void must_equal_naive(const struct ring *r, const struct ring_member *m, uint32_t count,
                             uint64_t seed)
{
    enum { LOOKUPS = 2000 };
    struct naive n = naive_build(m, count);
    struct rng random = {seed};

    assert_int_equal(ring_points(r), n.count);
    for (uint32_t i = 0; i < LOOKUPS + 2 + 2 * n.count; i++) {
        /* Anywhere; at both ends; and where it is decided: on a point and right behind it. */
        uint64_t hash = i < LOOKUPS       ? rng_next(&random)
                        : i < LOOKUPS + 2 ? (uint64_t)0 - (i - LOOKUPS)
                                          : (n.point[(i - LOOKUPS - 2) / 2].at + (i & 1)) << 16;
        uint16_t got[8], wanted[8];
        uint32_t got_count = ring_successors(r, hash, got, 8);
        uint32_t wanted_count = naive_successors(&n, hash, wanted, 8);

        if (ring_home(r, hash) != (n.count ? wanted[0] : RING_NODE_NONE) ||
            got_count != wanted_count || memcmp(got, wanted, got_count * sizeof(*got)))
            fail_msg("seed %llu, %u members, hash %016llx", (unsigned long long)seed, count,
                     (unsigned long long)hash);
    }
    free(n.point);
}

/* ---- lookups ---- */

static void lookup_equals_a_naive_walk_of_the_circle(void **state)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 5, 8, 33};

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct ring_member m[33];
        uint32_t count = counts[seed % (sizeof(counts) / sizeof(counts[0]))];
        struct ring *r;

        make_members(m, count, seed);
        for (uint32_t i = 0; i < count; i++)
            m[i].weight = (uint32_t)((seed + i) * 37 % 251);
        r = build(m, count, seed);
        must_equal_naive(r, m, count, seed);
        free(r);
    }
}

static void a_ring_without_points_has_no_home(void **state)
{
    struct ring_member m[2] = {{.id = 1, .node = 0, .weight = 0}, {.id = 2, .node = 1}};
    uint16_t nodes[2];

    for (uint32_t count = 0; count <= 2; count += 2) {
        struct ring *r = build(m, count, 9);

        for (uint32_t i = 0; i <= 64; i++) {
            uint64_t hash = i < 64 ? (uint64_t)1 << i : UINT64_MAX;

            assert_int_equal(ring_home(r, hash), RING_NODE_NONE);
            assert_int_equal(ring_successors(r, hash, nodes, 2), 0);
        }
        assert_int_equal(ring_points(r), 0);
        assert_int_equal(ring_epoch(r), 9);
        assert_true(ring_share(r, 0) == 0);
        free(r);
    }
}

static void one_member_is_home_to_everything(void **state)
{
    struct ring_member m = {.id = 77, .node = 5, .weight = 1};
    struct ring *r = build(&m, 1, 1);
    struct rng random = {1};
    uint16_t nodes[4];

    assert_int_equal(ring_points(r), RING_VNODE_POINTS); /* one virtual node at least */
    assert_int_equal(ring_points_of(r, 5), RING_VNODE_POINTS);
    assert_true(ring_share(r, 5) == 1);
    assert_true(ring_share(r, 4) == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t hash = rng_next(&random);

        assert_int_equal(ring_home(r, hash), 5);
        assert_int_equal(ring_successors(r, hash, nodes, 4), 1);
        assert_int_equal(nodes[0], 5);
    }
    assert_int_equal(ring_home(r, 0), 5);
    assert_int_equal(ring_home(r, UINT64_MAX), 5);
    free(r);
}

static void members_of_weight_0_are_nobodys_home(void **state)
{
    struct ring_member m[4];
    struct ring *r;

    make_members(m, 4, 3);
    m[2].weight = 0;
    r = build(m, 4, 1);
    for (uint32_t i = 0; i < SCRIPTS; i++) {
        uint16_t nodes[4];

        assert_int_equal(ring_successors(r, script_hash(3, i), nodes, 4), 3);
        for (uint32_t k = 0; k < 3; k++)
            assert_int_not_equal(nodes[k], 2);
    }
    free(r);
}

static void the_largest_cluster_fits(void **state)
{
    struct ring_member *m = calloc(MEMBERS_MAX, sizeof(*m));
    uint16_t nodes[MEMBERS_MAX];
    bool is_seen[MEMBERS_MAX] = {false};
    double sum = 0;
    struct ring *r;

    make_members(m, MEMBERS_MAX, 1);
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        m[i].weight = RING_WEIGHT_MAX;
    assert_int_equal(ring_bytes(m, MEMBERS_MAX), ring_bytes_max());
    r = build(m, MEMBERS_MAX, 1);
    assert_int_equal(ring_successors(r, 12345, nodes, MEMBERS_MAX), MEMBERS_MAX);
    for (uint32_t i = 0; i < MEMBERS_MAX; i++) {
        assert_false(is_seen[nodes[i]]);
        is_seen[nodes[i]] = true;
        sum += ring_share(r, (uint16_t)i);
    }
    assert_true(sum > 0.999999 && sum < 1.000001);
    free(r);
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        m[i].weight = RING_WEIGHT_ONE;
    r = build(m, MEMBERS_MAX, 1);
    must_equal_naive(r, m, MEMBERS_MAX, 1);
    free(r);
    free(m);
}

/* ---- balance ---- */

/* Of the node that has most. */
static uint32_t most_scripts(const struct ring *r, uint64_t seed, uint32_t scripts,
                             uint32_t members)
{
    uint32_t *count = calloc(members, sizeof(*count)), most = 0;

    for (uint32_t i = 0; i < scripts; i++)
        count[ring_home(r, script_hash(seed, i))]++;
    for (uint32_t i = 0; i < members; i++)
        if (count[i] > most)
            most = count[i];
    free(count);
    return most;
}

/* 2,000 scripts a node: their own dice add sqrt(1/2000) = 2.2 % of spread. */
static void no_node_has_more_than_5_quarters_of_its_share(void **state)
{
    static const struct {
        uint32_t members, clusters;
    } rows[] = {{2, 100}, {3, 100}, {4, 100}, {8, 100}, {30, 60}, {100, 20}, {300, 10}, {512, 5}};

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        uint32_t members = rows[row].members;
        double worst_share = 0, worst_scripts = 0, sum = 0;

        for (uint64_t seed = 0; seed < rows[row].clusters; seed++) {
            struct ring_member m[MEMBERS_MAX];
            uint32_t scripts = members * 2000;
            double largest = 0;
            struct ring *r;

            make_members(m, members, seed);
            r = build(m, members, seed);
            for (uint32_t i = 0; i < members; i++)
                if (ring_share(r, (uint16_t)i) * members > largest)
                    largest = ring_share(r, (uint16_t)i) * members;
            sum += largest;
            if (largest > worst_share)
                worst_share = largest;
            if (seed < 5) {
                double ratio = (double)most_scripts(r, seed, scripts, members) * members / scripts;

                if (ratio > worst_scripts)
                    worst_scripts = ratio;
            }
            free(r);
            if (largest > 1.25 || worst_scripts > 1.25)
                fail_msg("%u members, seed %llu: share %.3f, scripts %.3f of the mean", members,
                         (unsigned long long)seed, largest, worst_scripts);
        }
        printf(
            "%3u members: largest share %.3f of the mean on average, at worst %.3f; scripts %.3f\n",
            members, sum / rows[row].clusters, worst_share, worst_scripts);
    }
}

static void share_is_what_scripts_see(void **state)
{
    struct ring_member m[5];
    uint32_t count[5] = {0}, scripts = 200000;
    double sum = 0;
    struct ring *r;

    make_members(m, 5, 11);
    r = build(m, 5, 1);
    for (uint32_t i = 0; i < scripts; i++)
        count[ring_home(r, script_hash(11, i))]++;
    for (uint16_t i = 0; i < 5; i++) {
        double off = ring_share(r, i) - (double)count[i] / scripts;

        assert_true(off < 0.005 && off > -0.005); /* 5 sigma: 0.0045 */
        sum += ring_share(r, i);
    }
    assert_true(sum > 1 - 1e-9 && sum < 1 + 1e-9);
    free(r);
}

static void weight_is_proportional(void **state)
{
    static const uint32_t weights[] = {50, 100, 200, 400};

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct ring_member m[40];
        double share[4] = {0};
        struct ring *r;

        make_members(m, 40, seed);
        for (uint32_t i = 0; i < 40; i++)
            m[i].weight = weights[i % 4];
        r = build(m, 40, seed);
        for (uint16_t i = 0; i < 40; i++)
            share[i % 4] += ring_share(r, i);
        for (uint32_t k = 0; k < 4; k++) {
            /* Ten members of weight 50 have 2560 points: 2 % of spread, and 5 of these. */
            double ratio = share[k] * 750 / weights[k];

            if (ratio < 0.9 || ratio > 1.1)
                fail_msg("seed %llu: weight %u has %.3f of its share", (unsigned long long)seed,
                         weights[k], ratio);
        }
        free(r);
    }
}

/* ---- what moves ---- */

/* That member is in before and not in after, or has less weight there: scripts leave it, and no
 * other. Returns how many. */
static uint32_t moved_from(const struct ring *before, const struct ring *after, uint16_t node,
                           uint64_t seed)
{
    uint32_t moved = 0;

    for (uint32_t i = 0; i < SCRIPTS; i++) {
        uint64_t hash = script_hash(seed, i);
        uint16_t was = ring_home(before, hash), is = ring_home(after, hash);

        if (was == is)
            continue;
        if (was != node)
            fail_msg("seed %llu: script %u moved from %u to %u, but %u changed",
                     (unsigned long long)seed, i, was, is, node);
        moved++;
    }
    return moved;
}

static void removal_moves_only_the_scripts_of_the_removed(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t count = 2 + (uint32_t)seed % 9, gone = (uint32_t)(seed * 7) % count;
        struct ring_member m[11], fewer[11];
        struct ring *before, *after;
        uint32_t left = 0, owned = 0;

        make_members(m, count, seed);
        for (uint32_t i = 0; i < count; i++)
            if (i != gone)
                fewer[left++] = m[i];
        before = build(m, count, 1);
        after = build(fewer, left, 2);
        for (uint32_t i = 0; i < SCRIPTS; i++)
            owned += ring_home(before, script_hash(seed, i)) == gone;
        assert_true(owned > 0);
        assert_int_equal(moved_from(before, after, (uint16_t)gone, seed), owned);
        free(before);
        free(after);
    }
}

/* The other way round: what an addition moves, it moves to the new one, and about 1/N of all. */
static void addition_moves_scripts_only_to_the_added(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t count = 2 + (uint32_t)seed % 30;
        struct ring_member m[33];
        struct ring *before, *after;
        uint32_t moved;

        make_members(m, count + 1, seed);
        before = build(m, count, 1);
        after = build(m, count + 1, 2);
        moved = moved_from(after, before, (uint16_t)count, seed);
        assert_true((double)moved * (count + 1) / SCRIPTS > 0.75);
        assert_true((double)moved * (count + 1) / SCRIPTS < 1.25);
        free(before);
        free(after);
    }
}

static void less_weight_moves_scripts_only_away(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct ring_member m[6];
        struct ring *before, *after;

        make_members(m, 6, seed);
        before = build(m, 6, 1);
        m[seed % 6].weight = (uint32_t)(seed * 5) % RING_WEIGHT_ONE;
        after = build(m, 6, 2);
        assert_true(moved_from(before, after, (uint16_t)(seed % 6), seed) > 0);
        free(before);
        free(after);
    }
}

static void the_first_successor_is_home_when_home_is_gone(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct ring_member m[7], fewer[6];
        uint32_t gone = (uint32_t)seed % 7, left = 0;
        struct ring *before, *after;

        make_members(m, 7, seed);
        for (uint32_t i = 0; i < 7; i++)
            if (i != gone)
                fewer[left++] = m[i];
        before = build(m, 7, 1);
        after = build(fewer, left, 2);
        for (uint32_t i = 0; i < SCRIPTS; i++) {
            uint64_t hash = script_hash(seed, i);
            uint16_t nodes[2];

            assert_int_equal(ring_successors(before, hash, nodes, 2), 2);
            if (nodes[0] == gone)
                assert_int_equal(ring_home(after, hash), nodes[1]);
        }
        free(before);
        free(after);
    }
}

/* ---- comparing ---- */

struct differences {
    double from[12], to[12], sum;
};

static void add_difference(void *arg, uint16_t from, uint16_t to, double share)
{
    struct differences *d = arg;

    assert_int_not_equal(from, to);
    assert_true(share > 0);
    d->sum += share;
    if (from != RING_NODE_NONE)
        d->from[from] += share;
    if (to != RING_NODE_NONE)
        d->to[to] += share;
}

static bool is_close(double x, double y)
{
    return x - y < 1e-9 && y - x < 1e-9;
}

static void a_comparison_accounts_for_every_share(void **state)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t count = 2 + (uint32_t)seed % 9, changed = (uint32_t)seed % count;
        struct ring_member m[12];
        struct differences d = {.sum = 0};
        struct ring *before, *after;

        make_members(m, count, seed);
        before = build(m, count, 1);
        m[changed].weight = seed % 3 ? 300 : 0;
        m[(changed + 1) % count].weight = 40;
        after = build(m, count, 2);
        ring_compare(before, after, add_difference, &d);
        assert_true(d.sum > 0);
        for (uint16_t i = 0; i < count; i++)
            if (!is_close(ring_share(before, i) - d.from[i] + d.to[i], ring_share(after, i)))
                fail_msg("seed %llu: node %u", (unsigned long long)seed, i);
        free(before);
        free(after);
    }
}

static void equal_rings_do_not_differ(void **state)
{
    struct ring_member m[5];
    struct differences d = {.sum = 0};
    struct ring *a;

    make_members(m, 5, 1);
    for (uint32_t count = 0; count <= 5; count++) {
        a = build(m, count, count);
        ring_compare(a, a, add_difference, &d);
        assert_true(d.sum == 0);
        free(a);
    }
}

static void the_first_member_takes_the_whole_circle(void **state)
{
    struct ring_member m;
    struct differences d = {.sum = 0};
    struct ring *before = build(NULL, 0, 1), *after;

    make_members(&m, 1, 1);
    after = build(&m, 1, 2);
    ring_compare(before, after, add_difference, &d);
    assert_true(is_close(d.sum, 1) && is_close(d.to[0], 1));
    ring_compare(after, before, add_difference, &d);
    assert_true(is_close(d.sum, 2) && is_close(d.from[0], 1));
    free(before);
    free(after);
}

/* ---- the same table everywhere ---- */

static void shuffle(struct ring_member *m, uint32_t count, struct rng *random)
{
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t k = (uint32_t)(rng_next(random) % (i + 1));
        struct ring_member swap = m[i];

        m[i] = m[k];
        m[k] = swap;
    }
}

static void any_order_gives_the_same_bytes(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint32_t count = 2 + (uint32_t)seed * 3;
        struct ring_member m[64];
        struct rng random = {seed};
        struct ring *a, *b;

        make_members(m, count, seed);
        m[seed % count].weight = 250;
        a = build(m, count, 5);
        for (uint32_t i = 0; i < 3; i++) {
            shuffle(m, count, &random);
            b = build(m, count, 5);
            assert_memory_equal(a, b, ring_bytes(m, count));
            assert_int_equal(ring_digest(a), ring_digest(b));
            free(b);
        }
        free(a);
    }
}

static void a_table_can_be_moved(void **state)
{
    struct ring_member m[9];
    struct ring *r, *moved;

    make_members(m, 9, 21);
    r = build(m, 9, 1);
    moved = aligned_alloc(64, ring_bytes(m, 9));
    memcpy(moved, r, ring_bytes(m, 9));
    memset(r, 0xff, ring_bytes(m, 9));
    free(r);
    must_equal_naive(moved, m, 9, 21);
    free(moved);
}

/* Found by search: in 48 bits, point 331 of 36720 is point 486 of 32177, and point 45 of 40859 is
 * point 481 of 604. */
static void points_that_fall_together_belong_to_the_lower_id(void **state)
{
    static const struct {
        uint64_t low, high, at;
    } rows[] = {{32177, 36720, 0x0584f780273c}, {604, 40859, 0xb433864e68e3}};

    for (uint32_t i = 0; i < 4; i++) {
        uint64_t low = rows[i / 2].low, high = rows[i / 2].high, hash = rows[i / 2].at << 16;
        bool is_low_first = i % 2;
        struct ring_member m[2] = {{.id = is_low_first ? low : high, .node = 0, .weight = 100},
                                   {.id = is_low_first ? high : low, .node = 1, .weight = 100}};
        struct ring *r = build(m, 2, 1);
        uint16_t nodes[2];

        must_equal_naive(r, m, 2, i);
        assert_int_equal(ring_successors(r, hash, nodes, 2), 2);
        assert_int_equal(nodes[0], is_low_first ? 0 : 1);
        assert_int_equal(ring_home(r, hash), nodes[0]);
        free(r);
    }
}

/* Nodes of two releases share a cluster: these values change only together with DIGEST_VERSION. */
static void the_table_is_the_one_of_every_release(void **state)
{
    struct ring_member m[3];
    uint64_t seen = 0;
    struct ring *r;

    make_members(m, 3, 1);
    r = build(m, 3, 1);
    for (uint32_t i = 0; i < 1000; i++)
        seen = seen * 3 + ring_home(r, script_hash(1, i));
    assert_true(ring_digest(r) == 0x892e247bf29f7254);
    assert_true(seen == 0x97df30a109a779cd);
    free(r);
}

struct change {
    const char *description;
    void (*apply)(struct ring_member *, uint32_t *count);
};

static void drop_last(struct ring_member *m, uint32_t *count)
{
    (*count)--;
}

static void change_id(struct ring_member *m, uint32_t *count)
{
    m[2].id ^= 1;
}

static void change_weight(struct ring_member *m, uint32_t *count)
{
    m[1].weight++; /* too little for another point: they still disagree about the list */
}

static void weight_to_0(struct ring_member *m, uint32_t *count)
{
    m[0].weight = 0;
}

static void swap_weights(struct ring_member *m, uint32_t *count)
{
    uint32_t first = m[0].weight;

    m[0].weight = m[3].weight;
    m[3].weight = first;
}

static void the_digest_differs_when_anything_differs(void **state)
{
    static const struct change changes[] = {
        {"a member less", drop_last},
        {"another id", change_id},
        {"another weight", change_weight},
        {"a member without points", weight_to_0},
        {"weights the other way", swap_weights},
    };

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
            struct ring_member m[4];
            uint32_t count = 4;
            struct ring *a, *b;

            make_members(m, 4, seed);
            m[3].weight = 150;
            a = build(m, 4, 1);
            changes[i].apply(m, &count);
            b = build(m, count, 1);
            if (ring_digest(a) == ring_digest(b))
                fail_msg("seed %llu: %s", (unsigned long long)seed, changes[i].description);
            free(a);
            free(b);
        }
    }
}

static void the_epoch_is_not_in_the_digest(void **state)
{
    struct ring_member m[2];
    struct ring *a, *b;

    make_members(m, 2, 1);
    a = build(m, 2, 1);
    b = build(m, 2, 2);
    assert_int_equal(ring_digest(a), ring_digest(b));
    assert_int_equal(ring_epoch(a), 1);
    assert_int_equal(ring_epoch(b), 2);
    free(a);
    free(b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookup_equals_a_naive_walk_of_the_circle),
        cmocka_unit_test(a_ring_without_points_has_no_home),
        cmocka_unit_test(one_member_is_home_to_everything),
        cmocka_unit_test(members_of_weight_0_are_nobodys_home),
        cmocka_unit_test(the_largest_cluster_fits),
        cmocka_unit_test(no_node_has_more_than_5_quarters_of_its_share),
        cmocka_unit_test(share_is_what_scripts_see),
        cmocka_unit_test(weight_is_proportional),
        cmocka_unit_test(removal_moves_only_the_scripts_of_the_removed),
        cmocka_unit_test(addition_moves_scripts_only_to_the_added),
        cmocka_unit_test(less_weight_moves_scripts_only_away),
        cmocka_unit_test(the_first_successor_is_home_when_home_is_gone),
        cmocka_unit_test(a_comparison_accounts_for_every_share),
        cmocka_unit_test(equal_rings_do_not_differ),
        cmocka_unit_test(the_first_member_takes_the_whole_circle),
        cmocka_unit_test(any_order_gives_the_same_bytes),
        cmocka_unit_test(a_table_can_be_moved),
        cmocka_unit_test(points_that_fall_together_belong_to_the_lower_id),
        cmocka_unit_test(the_table_is_the_one_of_every_release),
        cmocka_unit_test(the_digest_differs_when_anything_differs),
        cmocka_unit_test(the_epoch_is_not_in_the_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
