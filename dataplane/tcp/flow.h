/* flow.h
 *
 * From a packet's addresses and ports to the connection: a bounded open-addressing hash table,
 * keyed so that a peer cannot choose collisions. Single thread (the core).
 *
 * Source: linear probing with backward-shift deletion (Knuth 6.4 R); hash XXH3_64 with a secret
 * seed.
 */
#ifndef HEARTH_FLOW_H
#define HEARTH_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_key {
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port;
    uint32_t zero;
};

struct flow_entry {
    struct flow_key key;
    uint32_t value;
};

/* The hashes lie apart from the entries: a stranger's packet, which belongs to no flow, reads four
 * bytes of 128 KiB (16,384 flows) and not a line of 1.5 MiB, which a flood misses every time. */
struct flow_table {
    uint32_t *hash; /* of the entry beside it; 0: empty */
    struct flow_entry *entry;
    uint32_t mask;
    uint32_t count, count_max;
    uint64_t seed;
};

/* Memory for count_max flows at a load of at most 1/2. */
size_t flow_table_bytes(uint32_t count_max);
void flow_table_init(struct flow_table *, void *memory, uint32_t count_max, uint64_t seed);
/* The key's hash, for flow_find; the flow's cache lines are on their way from now on. */
uint32_t flow_expect(const struct flow_table *, const struct flow_key *);
/* value of the flow, or UINT32_MAX. */
uint32_t flow_find(const struct flow_table *, const struct flow_key *, uint32_t hash);
/* False: full. The key must not be in the table. */
bool flow_add(struct flow_table *, const struct flow_key *, uint32_t value);
/* False: it was not there. */
bool flow_remove(struct flow_table *, const struct flow_key *);

#endif
