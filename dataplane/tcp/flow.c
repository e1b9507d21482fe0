#include "dataplane/tcp/flow.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static_assert(sizeof(struct flow_key) == 40, "no padding is hashed or compared");

static uint32_t slots(uint32_t count_max)
{
    uint32_t n = 4;

    assert(count_max > 0 && count_max <= UINT32_MAX / 4);
    while (n < 2 * count_max)
        n *= 2;
    return n;
}

size_t flow_table_bytes(uint32_t count_max)
{
    return slots(count_max) * (sizeof(uint32_t) + sizeof(struct flow_entry));
}

void flow_table_init(struct flow_table *table, void *memory, uint32_t count_max, uint64_t seed)
{
    memset(memory, 0, flow_table_bytes(count_max));
    *table = (struct flow_table){
        .hash = memory,
        .entry = (struct flow_entry *)((uint32_t *)memory + slots(count_max)),
        .mask = slots(count_max) - 1,
        .count_max = count_max,
        .seed = seed,
    };
}

static uint32_t hash(const struct flow_table *table, const struct flow_key *key)
{
    uint32_t h = (uint32_t)XXH3_64bits_withSeed(key, sizeof(*key), table->seed);

    return h != 0 ? h : 1; /* 0 marks an empty slot */
}

/* Where the key is, or the empty slot where it would be. */
static uint32_t find(const struct flow_table *table, const struct flow_key *key, uint32_t h)
{
    uint32_t i = h & table->mask;

    while (table->hash[i] != 0 &&
           (table->hash[i] != h || memcmp(&table->entry[i].key, key, sizeof(*key)) != 0))
        i = (i + 1) & table->mask;
    return i;
}

uint32_t flow_expect(const struct flow_table *table, const struct flow_key *key)
{
    uint32_t h = hash(table, key);
    const struct flow_entry *e = &table->entry[h & table->mask];

    __builtin_prefetch(&table->hash[h & table->mask]);
    /* Half of the entries lie in two lines. */
    __builtin_prefetch(e);
    __builtin_prefetch((const char *)(e + 1) - 1);
    return h;
}

uint32_t flow_find(const struct flow_table *table, const struct flow_key *key, uint32_t h)
{
    uint32_t i = find(table, key, h);

    return table->hash[i] != 0 ? table->entry[i].value : UINT32_MAX;
}

bool flow_add(struct flow_table *table, const struct flow_key *key, uint32_t value)
{
    uint32_t h = hash(table, key);

    if (table->count == table->count_max)
        return false;

    uint32_t i = find(table, key, h);

    assert(table->hash[i] == 0);
    table->hash[i] = h;
    table->entry[i] = (struct flow_entry){.key = *key, .value = value};
    table->count++;
    return true;
}

bool flow_remove(struct flow_table *table, const struct flow_key *key)
{
    uint32_t hole = find(table, key, hash(table, key));

    if (table->hash[hole] == 0)
        return false;

    /* Each entry behind moves into the hole unless that would put it in front of its home slot. */
    for (uint32_t i = (hole + 1) & table->mask; table->hash[i] != 0; i = (i + 1) & table->mask) {
        uint32_t home = table->hash[i] & table->mask;

        if (((i - home) & table->mask) < ((i - hole) & table->mask))
            continue;
        table->hash[hole] = table->hash[i];
        table->entry[hole] = table->entry[i];
        hole = i;
    }
    table->hash[hole] = 0;
    table->count--;
    return true;
}
