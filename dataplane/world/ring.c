#include "dataplane/world/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The table, one block:
 *
 *   struct ring | struct slot[members] | bucket[buckets + 1] | point[points] | SCAN sentinels
 *               sorted by id           where each begins       sorted           the first again
 *
 * A point is the upper 48 bits of its hash and, in the lower 16, the node: one load finds both, and
 * a lookup touches two cache lines, the bucket's and the point's. 48 bits are the circle's
 * resolution: of tables of 300 members, one in 24,000 has two points that fall together, and the
 * lower id's comes first then.
 */
enum {
    NODE_BITS = 16,
    /* points compared at once, without a branch: a bucket has one at most on average, so more
     * are rare */
    SCAN = 4,
    DIGEST_VERSION = 1, /* grows when the same members give another table */
};

#define NODE_MASK (((uint64_t)1 << NODE_BITS) - 1)
#define CIRCLE    ((uint64_t)1 << (64 - NODE_BITS)) /* in units of a point's resolution */

struct slot {
    uint64_t id;
    uint64_t arc; /* what it owns of CIRCLE */
    uint32_t weight, points;
    uint16_t node, unused[3]; /* named, so that equal tables are equal bytes */
};

struct ring {
    _Alignas(64) uint32_t shift; /* a hash's bucket is what is left */
    uint32_t point_count;
    uint64_t bucket_at, point_at; /* offsets from here */
    uint64_t epoch, digest;
    uint32_t member_count;
};

/* ---- where things lie ---- */

static struct slot *slots_of(const struct ring *r)
{
    return (struct slot *)((char *)r + sizeof(*r));
}

static uint32_t *buckets_of(const struct ring *r)
{
    return (uint32_t *)((char *)r + r->bucket_at);
}

static uint64_t *points_of(const struct ring *r)
{
    return (uint64_t *)((char *)r + r->point_at);
}

static uint32_t points_of_weight(uint32_t weight)
{
    uint32_t points = weight * RING_VNODES / RING_WEIGHT_ONE * RING_VNODE_POINTS;

    assert(weight <= RING_WEIGHT_MAX);
    return weight && !points ? RING_VNODE_POINTS : points;
}

/* As many buckets as points at least, so that a bucket holds one or less on average. */
static uint32_t bucket_bits(uint32_t points)
{
    uint32_t bits = 1;

    while (((uint32_t)1 << bits) < points)
        bits++;
    return bits;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t lay_out(struct ring *r, uint32_t members, uint32_t points)
{
    uint32_t bits = bucket_bits(points);

    r->shift = 64 - bits;
    r->member_count = members;
    r->point_count = points;
    r->bucket_at = round_up(sizeof(*r) + members * sizeof(struct slot));
    r->point_at = r->bucket_at + round_up((((size_t)1 << bits) + 2) * sizeof(uint32_t));
    return round_up(r->point_at + ((size_t)points + SCAN) * sizeof(uint64_t));
}

size_t ring_bytes(const struct ring_member *member, uint32_t count)
{
    struct ring r;
    uint32_t points = 0;

    assert(count <= MEMBERS_MAX);
    for (uint32_t i = 0; i < count; i++)
        points += points_of_weight(member[i].weight);
    return lay_out(&r, count, points);
}

size_t ring_bytes_max(void)
{
    struct ring r;

    return lay_out(&r, MEMBERS_MAX, MEMBERS_MAX * points_of_weight(RING_WEIGHT_MAX));
}

/* ---- build ---- */

static int by_id(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static void fill_slots(struct ring *r, const struct ring_member *member)
{
    struct slot *slot = slots_of(r);

    for (uint32_t i = 0; i < r->member_count; i++) {
        assert(member[i].node < MEMBERS_MAX);
        slot[i] = (struct slot){.id = member[i].id,
                                .weight = member[i].weight,
                                .points = points_of_weight(member[i].weight),
                                .node = member[i].node};
    }
    qsort(slot, r->member_count, sizeof(*slot), by_id);
    for (uint32_t i = 1; i < r->member_count; i++)
        assert(slot[i - 1].id < slot[i].id);
}

static uint64_t point_hash(uint64_t id, uint32_t number)
{
    uint64_t key[2] = {id, number};

    return XXH3_64bits(key, sizeof(key));
}

/* Hashes are uniform, so counting by bucket sorts all but a few. They are computed twice rather
 * than kept: this needs no memory but the table's. */
static void place_points(struct ring *r)
{
    const struct slot *slot = slots_of(r);
    uint32_t *bucket = buckets_of(r), buckets = (uint32_t)1 << (64 - r->shift);
    uint64_t *point = points_of(r);

    for (uint32_t m = 0; m < r->member_count; m++)
        for (uint32_t i = 0; i < slot[m].points; i++)
            bucket[(point_hash(slot[m].id, i) >> r->shift) + 2]++;
    for (uint32_t b = 2; b <= buckets; b++)
        bucket[b] += bucket[b - 1];
    /* Now bucket b + 1 says where b begins, and moves on to where it ends. */
    for (uint32_t m = 0; m < r->member_count; m++) {
        for (uint32_t i = 0; i < slot[m].points; i++) {
            uint64_t hash = point_hash(slot[m].id, i);

            point[bucket[(hash >> r->shift) + 1]++] = (hash & ~NODE_MASK) | slot[m].node;
        }
    }
}

/* Within buckets. Stable: of points that fall together, the lower id's comes first. */
static void sort_points(struct ring *r)
{
    uint64_t *point = points_of(r);

    for (uint32_t i = 1; i < r->point_count; i++) {
        uint64_t p = point[i];
        uint32_t k = i;

        for (; k > 0 && point[k - 1] >> NODE_BITS > p >> NODE_BITS; k--)
            point[k] = point[k - 1];
        point[k] = p;
    }
}

static void close_circle(struct ring *r)
{
    uint64_t *point = points_of(r);
    uint64_t first = r->point_count ? point[0] & NODE_MASK : RING_NODE_NONE;

    for (uint32_t i = 0; i < SCAN; i++)
        point[r->point_count + i] = ~NODE_MASK | first;
}

static void measure_arcs(struct ring *r)
{
    const uint64_t *point = points_of(r);
    uint64_t arc[MEMBERS_MAX] = {0};
    struct slot *slot = slots_of(r);
    uint64_t before = 0;

    if (!r->point_count)
        return;
    for (uint32_t i = 0; i < r->point_count; i++) {
        arc[point[i] & NODE_MASK] += (point[i] >> NODE_BITS) - before;
        before = point[i] >> NODE_BITS;
    }
    arc[point[0] & NODE_MASK] += CIRCLE - before;
    for (uint32_t i = 0; i < r->member_count; i++)
        slot[i].arc = arc[slot[i].node];
}

static uint64_t digest_of(const struct ring *r)
{
    const struct slot *slot = slots_of(r);
    uint64_t digest = XXH3_64bits_withSeed(&r->member_count, sizeof(r->member_count),
                                           (uint64_t)DIGEST_VERSION << 32 | RING_VNODE_POINTS);

    for (uint32_t i = 0; i < r->member_count; i++) {
        uint64_t key[2] = {slot[i].id, slot[i].weight};

        digest = XXH3_64bits_withSeed(key, sizeof(key), digest);
    }
    return digest;
}

struct ring *ring_build(void *memory, const struct ring_member *member, uint32_t count,
                        uint64_t epoch)
{
    struct ring *r = memory;
    uint32_t points = 0;
    size_t bytes;

    assert(count <= MEMBERS_MAX && (uintptr_t)memory % 64 == 0);
    for (uint32_t i = 0; i < count; i++)
        points += points_of_weight(member[i].weight);
    bytes = lay_out(&(struct ring){0}, count, points);
    memset(r, 0, bytes);
    lay_out(r, count, points);
    r->epoch = epoch;
    fill_slots(r, member);
    place_points(r);
    sort_points(r);
    close_circle(r);
    measure_arcs(r);
    r->digest = digest_of(r);
    return r;
}

/* ---- look up ---- */

/* The first point at or after the hash; one past the last means the first. */
static inline const uint64_t *find(const struct ring *r, uint64_t hash)
{
    const uint64_t *p = points_of(r) + buckets_of(r)[hash >> r->shift];
    uint64_t from = hash & ~NODE_MASK;

    /* The sentinels are at or after every hash, so this ends. */
    for (;;) {
        uint32_t before = (p[0] < from) + (p[1] < from) + (p[2] < from) + (p[3] < from);

        p += before;
        if (__builtin_expect(before < SCAN, 1))
            return p;
    }
}

uint16_t ring_home(const struct ring *r, uint64_t script_hash)
{
    return (uint16_t)(*find(r, script_hash) & NODE_MASK);
}

uint32_t ring_successors(const struct ring *r, uint64_t script_hash, uint16_t *nodes, uint32_t max)
{
    const uint64_t *point = points_of(r);
    uint64_t seen[MEMBERS_MAX / 64] = {0};
    uint32_t at = (uint32_t)(find(r, script_hash) - point), found = 0;

    for (uint32_t i = 0; i < r->point_count && found < max; i++, at++) {
        uint16_t node;

        if (at >= r->point_count)
            at = 0;
        node = (uint16_t)(point[at] & NODE_MASK);
        if (seen[node / 64] >> node % 64 & 1)
            continue;
        seen[node / 64] |= (uint64_t)1 << node % 64;
        nodes[found++] = node;
    }
    return found;
}

/* ---- about the table ---- */

uint64_t ring_epoch(const struct ring *r)
{
    return r->epoch;
}

uint64_t ring_digest(const struct ring *r)
{
    return r->digest;
}

uint32_t ring_points(const struct ring *r)
{
    return r->point_count;
}

static const struct slot *slot_of(const struct ring *r, uint16_t node)
{
    for (uint32_t i = 0; i < r->member_count; i++)
        if (slots_of(r)[i].node == node)
            return &slots_of(r)[i];
    return NULL;
}

uint32_t ring_points_of(const struct ring *r, uint16_t node)
{
    const struct slot *s = slot_of(r, node);

    return s ? s->points : 0;
}

double ring_share(const struct ring *r, uint16_t node)
{
    const struct slot *s = slot_of(r, node);

    return s ? (double)s->arc / (double)CIRCLE : 0;
}

/* Between two neighbouring points of either ring nothing changes in either. */
void ring_compare(const struct ring *before, const struct ring *after,
                  void (*moved)(void *arg, uint16_t from, uint16_t to, double share), void *arg)
{
    const uint64_t *x = points_of(before), *y = points_of(after);
    uint64_t at = 0; /* where the next arc begins, in units of CIRCLE */

    while (at < CIRCLE) {
        uint64_t end = (*x >> NODE_BITS) < (*y >> NODE_BITS) ? *x >> NODE_BITS : *y >> NODE_BITS;
        uint16_t from = (uint16_t)(*x & NODE_MASK), to = (uint16_t)(*y & NODE_MASK);

        if (from != to)
            moved(arg, from, to, (double)(end + 1 - at) / (double)CIRCLE);
        at = end + 1;
        /* The sentinels are the last of the circle, so neither walk goes beyond its own. */
        while (at < CIRCLE && *x >> NODE_BITS < at)
            x++;
        while (at < CIRCLE && *y >> NODE_BITS < at)
            y++;
    }
}
