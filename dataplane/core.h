/* core.h
 *
 * One dp core: everything it owns, and the iteration that drives it. Share nothing: no lock, no
 * blocking call, no allocation after core_create except wolfSSL's own.
 *
 *   while running:
 *       quiescent                              old worlds can go
 *       now                                    the only clock read of the iteration
 *       world = current                        links follow the world's runtimes
 *       runtime links: how long work waits     what follows is placed by it
 *       handshakes that have their turn        isolates that their hellos asked for start meanwhile
 *       rx bursts  -> net_input -> flow -> conn_segment          marks connections dirty
 *       runtime links -> call events -> exchanges, served calls  marks connections dirty
 *       timers     -> conn_timeout                               marks connections dirty
 *       calls and sub-requests that waited
 *       dirty connections: conn_run (pump, then segments out)
 *       peers: channels' timers, datagrams out
 *       tx_flush, runtime_link_flush           one doorbell each
 *       nothing done? spin, then sleep until a frame, a runtime, the control thread or a timer
 *
 * Each kind of work has a slice (slice.h): strangers and scripts decide how much there is, so what
 * there is no time for waits for the next iteration, and an iteration is bounded by their sum. The
 * longest ones are in the gauges.
 *
 * Thread: core_run is the lcore's function; core_stop and the readers may be called by the control
 * thread.
 */
#ifndef HEARTH_CORE_H
#define HEARTH_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/chunk.h"
#include "dataplane/counters.h"
#include "dataplane/flow.h"
#include "dataplane/net.h"
#include "dataplane/tcp.h"
#include "dataplane/timer.h"
#include "dataplane/tx.h"
#include "dataplane/world.h"
#include "drivers/clock.h"

/* Where a core's memory comes from, at core_create only. */
struct core_memory {
    void *(*take)(size_t bytes, int numa_node); /* NULL: none; numa_node -1: any */
    void (*give)(void *);
};

struct notes;

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
    bool shares_cpu; /* with a runtime process, which does not run while the core spins */
    uint32_t conns_max, chunks;
    uint32_t runtimes_max, jobs_max; /* runtime processes, and jobs under way in each of them */
    uint16_t rpc_port;               /* UDP, of this core: the node's port + index; 0: no cluster */
    uint32_t calls, served, streams,
        channels;        /* sizes of the tables; 0: the defaults of limits.h */
    struct notes *notes; /* of core 0, else NULL */
    int numa_node;       /* -1: any */
    uint64_t secret[4];  /* random: keys of the flow table, cookies and request ids */
    /* For keys: secret-grade, in a simulation seeded. */
    void (*random)(void *arg, void *out, size_t bytes);
    void *random_arg;
};

struct core;

/* NULL and a sentence. */
struct core *core_create(const struct core_config *, char *error, size_t error_bytes);
void core_destroy(struct core *);

/* One iteration at the clock's time; returns how much there was to do. */
uint32_t core_iterate(struct core *);
/* When it next has something to do on its own (never later than that), or UINT64_MAX. */
uint64_t core_next_ns(const struct core *);

/* Accept nothing new, finish what runs, at the latest after drain_ms. Any thread. */
void core_stop(struct core *, uint32_t drain_ms);
/* True after core_stop, when the drain is over; then core_end resets what is left. */
bool core_is_drained(struct core *);
void core_end(struct core *);

const struct counters *core_counters(const struct core *);
/* eventfd that wakes the core: for the runtimes and the control thread. */
int core_wake_fd(const struct core *);

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
};
void core_gauges(const struct core *, struct core_gauges *);

/* What the control thread reads of a core while it runs. */
struct peers;
struct trace;
const struct peers *core_peers(const struct core *); /* NULL: no cluster */
const struct trace *core_trace(const struct core *);

/* Bytes that one core of this shape allocates, for limits_print. */
size_t core_bytes(uint32_t conns_max, uint32_t chunks, uint32_t runtimes);
size_t
core_cluster_bytes(uint32_t channels); /* and what a cluster adds, otherwise at the default sizes */

#endif
