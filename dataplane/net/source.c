#include "dataplane/net/source.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/mutant.h"
#include "dataplane/net/ip.h"

enum {
    OVER_LOOKS = 16, /* sources over their share that are asked for a connection at rest */
};
static const uint32_t prefix_bytes[SOURCE_LEVELS] = {8, 7};

static uint32_t buckets_for(uint32_t conns_max)
{
    uint32_t buckets = 16;

    while (buckets < conns_max)
        buckets *= 2;
    return buckets;
}

size_t sources_bytes(uint32_t conns_max)
{
    return SOURCE_LEVELS *
           (conns_max * sizeof(struct source) + buckets_for(conns_max) * sizeof(struct source *));
}

void sources_init(struct sources *s, void *memory, uint32_t conns_max,
                  const uint32_t max[SOURCE_KINDS], uint64_t seed)
{
    struct source *source = memory;
    uint32_t count = SOURCE_LEVELS * conns_max, buckets = buckets_for(conns_max);
    struct source **bucket = (struct source **)(source + count);

    memset(memory, 0, sources_bytes(conns_max));
    *s = (struct sources){.mask = buckets - 1, .seed = seed, .share_percent = 100};
    memcpy(s->max, max, sizeof(s->max));
    for (uint32_t level = 0; level < SOURCE_LEVELS; level++)
        s->bucket[level] = bucket + level * buckets;
    for (uint32_t i = count; i-- > 0; s->free = &source[i])
        source[i].next = s->free;
}

/* Where a source is, or the end of the bucket where it would be. NULL: the family has no such
 * level. */
static struct source **place_of(const struct sources *s, const uint8_t ip[16], uint32_t level,
                                uint8_t prefix[16])
{
    bool is_ip4 = ip_is_ip4(ip);

    if (is_ip4 && level > 0)
        return NULL;
    memset(prefix, 0, 16);
    memcpy(prefix, ip, is_ip4 ? 16 : prefix_bytes[level]);

    struct source **at = &s->bucket[level][XXH3_64bits_withSeed(prefix, 16, s->seed) & s->mask];

    while (*at && memcmp((*at)->prefix, prefix, 16) != 0)
        at = &(*at)->next;
    return at;
}

void sources_find(const struct sources *s, const uint8_t ip[16], struct source *of[SOURCE_LEVELS])
{
    uint8_t prefix[16];

    for (uint32_t level = 0; level < SOURCE_LEVELS; level++) {
        struct source **at = place_of(s, ip, level, prefix);

        of[level] = at ? *at : NULL;
    }
}

void sources_join(struct sources *s, const uint8_t ip[16], struct source *of[SOURCE_LEVELS])
{
    uint8_t prefix[16];

    for (uint32_t level = 0; level < SOURCE_LEVELS; level++) {
        struct source **at = place_of(s, ip, level, prefix);

        if (at && !*at) {
            assert(s->free);
            *at = s->free;
            s->free = (*at)->next;
            **at = (struct source){0};
            memcpy((*at)->prefix, prefix, 16);
        }
        of[level] = at ? *at : NULL;
    }
    sources_hold(s, of, SOURCE_CONNS, 1);
}

void sources_leave(struct sources *s, struct source *const of[SOURCE_LEVELS])
{
    uint8_t prefix[16];

    sources_hold(s, of, SOURCE_CONNS, -1);
    for (uint32_t level = 0; level < SOURCE_LEVELS; level++) {
        struct source *source = of[level];

        if (!source || source->held[SOURCE_CONNS] > 0)
            continue;
        for (uint32_t kind = 0; kind < SOURCE_KINDS; kind++)
            assert(source->held[kind] == 0);

        struct source **at = place_of(s, source->prefix, level, prefix);

        assert(*at == source);
        *at = source->next;
        source->next = s->free;
        s->free = source;
    }
}

static uint32_t share_of(const struct sources *s, enum source_kind kind, uint32_t level)
{
    uint32_t percent = s->share_percent * (level + 1);
    uint64_t share = (uint64_t)s->max[kind] * (percent < 100 ? percent : 100) / 100;

    return share > 0 ? (uint32_t)share : 1;
}

static void note_over(struct sources *s, struct source *source, uint32_t level)
{
    bool is_over = source->held[SOURCE_CONNS] > share_of(s, SOURCE_CONNS, level);

    if (is_over && !age_is_in(&source->over))
        age_add(&s->over[level], &source->over);
    else if (!is_over)
        age_remove(&source->over);
}

void sources_hold(struct sources *s, struct source *const of[SOURCE_LEVELS], enum source_kind kind,
                  int32_t more)
{
    assert(more >= 0 || s->used[kind] >= (uint32_t)-more);
    s->used[kind] += (uint32_t)more;
    for (uint32_t level = 0; level < SOURCE_LEVELS; level++) {
        if (!of[level])
            continue;
        of[level]->held[kind] += (uint32_t)more;
        if (kind == SOURCE_CONNS)
            note_over(s, of[level], level);
    }
}

static bool is_scarce(const struct sources *s, enum source_kind kind)
{
    return !MUTANT(SHARES_IGNORED) && s->max[kind] > 0 && s->share_percent < 100 &&
           s->used[kind] > s->max[kind] / 2;
}

bool sources_may(const struct sources *s, struct source *const of[SOURCE_LEVELS],
                 enum source_kind kind)
{
    if (!is_scarce(s, kind))
        return true;
    for (uint32_t level = 0; level < SOURCE_LEVELS; level++)
        if (of[level] && of[level]->held[kind] >= share_of(s, kind, level))
            return false;
    return true;
}

struct age_link *sources_own_oldest(const struct sources *s, struct source *const of[SOURCE_LEVELS],
                                    uint32_t *level)
{
    for (*level = 0; *level < SOURCE_LEVELS; ++*level)
        if (of[*level] && of[*level]->held[SOURCE_CONNS] >= share_of(s, SOURCE_CONNS, *level))
            return of[*level]->resting.oldest;
    return NULL;
}

static const struct source *source_of_over(const struct age_link *link)
{
    return (const struct source *)((const char *)link - offsetof(struct source, over));
}

/* The share may have grown since it was found over it. */
static bool can_give(const struct sources *s, const struct source *source, uint32_t level)
{
    return !MUTANT(SHARES_IGNORED) && source->resting.oldest &&
           source->held[SOURCE_CONNS] > share_of(s, SOURCE_CONNS, level);
}

struct age_link *sources_over_oldest(const struct sources *s, uint32_t *level)
{
    for (*level = 0; *level < SOURCE_LEVELS; ++*level) {
        const struct age_link *link = s->over[*level].oldest;

        for (uint32_t looks = 0; link && looks < OVER_LOOKS; looks++, link = link->newer)
            if (can_give(s, source_of_over(link), *level))
                return source_of_over(link)->resting.oldest;
    }
    return NULL;
}
