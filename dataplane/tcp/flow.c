#include "dataplane/tcp/flow.h"

#include <assert.h>
#include <string.h>
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
    return slots(count_max) * sizeof(struct flow_entry);
}

void flow_table_init(struct flow_table *table, void *memory, uint32_t count_max, uint64_t seed)
{
    memset(memory, 0, flow_table_bytes(count_max));
    *table = (struct flow_table){
        .entry = memory,
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

    while (table->entry[i].hash != 0 &&
           (table->entry[i].hash != h || memcmp(&table->entry[i].key, key, sizeof(*key)) != 0))
        i = (i + 1) & table->mask;
    return i;
}

uint32_t flow_find(const struct flow_table *table, const struct flow_key *key)
{
    uint32_t i = find(table, key, hash(table, key));

    return table->entry[i].hash != 0 ? table->entry[i].value : UINT32_MAX;
}

bool flow_add(struct flow_table *table, const struct flow_key *key, uint32_t value)
{
    uint32_t h = hash(table, key);

    if (table->count == table->count_max)
        return false;

    struct flow_entry *e = &table->entry[find(table, key, h)];

    assert(e->hash == 0);
    *e = (struct flow_entry){.key = *key, .hash = h, .value = value};
    table->count++;
    return true;
}

bool flow_remove(struct flow_table *table, const struct flow_key *key)
{
    uint32_t hole = find(table, key, hash(table, key));

    if (table->entry[hole].hash == 0)
        return false;

    /* Each entry behind moves into the hole unless that would put it in front of its home slot. */
    for (uint32_t i = (hole + 1) & table->mask; table->entry[i].hash != 0;
         i = (i + 1) & table->mask) {
        uint32_t home = table->entry[i].hash & table->mask;

        if (((i - home) & table->mask) < ((i - hole) & table->mask))
            continue;
        table->entry[hole] = table->entry[i];
        hole = i;
    }
    table->entry[hole].hash = 0;
    table->count--;
    return true;
}
