/* core_config.h
 *
 * What a dp core is given at its start, and what it shows of itself: plain data, which core.h takes
 * and gives.
 */
#ifndef HEARTH_CORE_CONFIG_H
#define HEARTH_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell_mail;
struct clock;
struct egress_config;
struct neighbours;
struct net_config;
struct notes;
struct port;
struct tap;
struct world_shared;

/* Where a core's memory comes from, at core_create only. */
struct core_memory {
    void *(*take)(size_t bytes, int numa_node); /* NULL: none; numa_node -1: any */
    void (*give)(void *);
};

struct core_config {
    uint32_t index, cores;
    struct port *port;
    uint16_t queue;
    const struct net_config *net;
    struct neighbours *neighbours;
    struct world_shared *world;
    const struct clock *clock;
    struct core_memory memory;
    uint16_t tls_port, plain_port; /* 0: off */
    bool idle_adaptive;
    bool shares_cpu; /* with cells, which do not run while the core spins */
    uint32_t conns_max, chunks;
    struct cell_mail *mail;    /* between this core and the control thread */
    uint32_t larges, jobs_max; /* cells with large regions, and jobs under way in all cells */
    uint16_t rpc_port;         /* UDP, of this core: the node's port + index; 0: no cluster */
    uint32_t calls, served, streams,
        channels;                       /* sizes of the tables; 0: the defaults of limits.h */
    struct notes *notes;                /* of core 0, else NULL */
    const struct tap *tap;              /* the host's, of all cores; NULL: none */
    uint32_t tap_rate;                  /* frames a second that this core gives it: core_tap.h */
    const struct egress_config *egress; /* the way out (egress.h); NULL: there is none */
    int numa_node;                      /* -1: any */
    uint64_t secret[4];           /* random: keys of the flow table, cookies and request ids */
    const uint8_t *cookie_secret; /* 16 bytes, for core_create: bench mode; NULL: a random one */
    /* For keys: secret-grade, in a simulation seeded. */
    void (*random)(void *arg, void *out, size_t bytes);
    void *random_arg;
};

struct core_gauges {
    uint32_t conns, jobs;
    /* Of the connections: kept without a request, before their first one, at their end; all others
     * are busy (enum conn_rest). */
    uint32_t conns_idle, conns_fresh, conns_ending;
    uint32_t sources_over;        /* sources of clients with more connections than their share */
    uint32_t chunks_free, chunks; /* free: and promised to nobody */
    uint64_t busy_ns, idle_ns;    /* idle: asleep or found nothing to do */
    /* The longest iteration since the start, and of the last five to ten seconds. Time on the wall:
     * what peers and clients wait for, whoever had the CPU. */
    uint64_t longest_ns, longest_lately_ns;
    uint64_t iterations;
};

#endif
