/* centre.h
 *
 * A data centre of servers under one day's traffic: the product's ring, placement, heat, shed and
 * warm pool decide; the wire, CPUs and JavaScript are figures.
 *
 *   traffic --burst--> entry server: heat, place() --HERE--> its pool
 *                                                  --HOME--> home: shed --takes it--> its pool
 *                                                                       --no--> back at the entry
 *
 * In the middle of the day: one server is lost (its death is known a second later), one in ten is
 * restarted as planned, one every four minutes, and scripts are deployed anew all day long.
 *
 * A request is *cold* when it waits for the start of its cell. The first request of a burst is
 * the one that starts it; those behind it on the same connection find it warm. Starts that nobody
 * waits for are counted apart.
 *
 * Figures that are not from the product's code, but measured on it or assumed: struct centre_config
 * and traffic.c. Units: nanoseconds, bytes. Single thread. Same configuration: same result, to the
 * last count.
 */
#ifndef HEARTH_SIM_CENTRE_H
#define HEARTH_SIM_CENTRE_H

#include <stddef.h>

#include "dataplane/place/place.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/world.h"
#include "tests/sim/datacentre/server.h"
#include "tests/sim/datacentre/traffic.h"
#include "tests/sim/datacentre/variant.h"

#define CENTRE_WARMUP_NS TRAFFIC_HOUR_NS
#define CENTRE_RESTART_NS                                                                          \
    (60 * TRAFFIC_SECOND_NS) /* a planned restart; an unplanned one takes ten times that */

enum { CENTRE_BINS = 144, CENTRE_LATENCY_BUCKETS = 64 };

struct centre_config {
    struct traffic_config traffic;
    const struct variant *variant;
    struct world_tune tune;
    struct heat_tune heat;
    struct warm_weights weights;
    size_t bytes_max;     /* of cells, of one server */
    double busy;          /* the share of its CPU time that the average server needs */
    uint32_t hop_us;      /* between two servers, both ways */
    uint32_t forward_us;  /* what forwarding takes of the two nodes' time (tools/bench forward) */
    uint32_t snapshot_us; /* to start from a heap snapshot: this, and */
    uint32_t snapshot_us_per_mb;
    double deploys; /* times what centre_events.c assumes */
    bool has_churn;
    uint64_t measure_ns; /* what was before is not counted */
};

struct centre_counts {
    uint64_t requests, cold, forwarded, bounced, refused, lost;
    uint64_t starts_by[CAUSES]; /* that a request waited for */
    uint64_t starts_hidden;     /* behind a handshake: warm when the request came */
    uint64_t starts_ahead;      /* at a new home, for a deploy, before the first turn as hot */
    uint64_t starts_in_vain;    /* ahead, but there was no room */
    uint64_t evictions, waited_us;
    uint64_t flash_cold, flash_ahead; /* of the crowd's script */
    double cells, bytes;              /* sums over servers and minutes */
    double load_ratio; /* sum over minutes: the busiest server over the average one */
    uint64_t servers_sampled, minutes;
    uint64_t forwards_timed;
    uint64_t forward_bucket[CENTRE_LATENCY_BUCKETS]; /* by quarter octaves of microseconds */
    uint64_t bin_requests[CENTRE_BINS], bin_cold[CENTRE_BINS];
};

struct centre {
    struct centre_config config;
    struct shed_tune shed;
    struct traffic traffic;
    struct server *server;
    struct ring *ring;
    uint16_t (*successor)[PLACE_SUCCESSORS_MAX]; /* by script */
    uint64_t *hash;                              /* by script */
    struct rng rng;
    uint64_t now_ns, pick;
    uint32_t mean_load;
    uint32_t restarts_begun;
    uint64_t loss_ns, next_restart_ns, restart_every_ns;
    double deploys_due;
    struct centre_counts count;
};

/* 2 MiB-aligned, zeroed, on large pages where there are any. Never NULL. */
void *centre_take(size_t bytes);

void centre_init(struct centre *, const struct centre_config *);
void centre_fini(struct centre *);
/* Until the end of the traffic. tick: NULL, or called every second; then load ratios and memory are
 * its business. */
void centre_run(struct centre *, void (*tick)(void *arg, struct centre *), void *arg);
/* CPU time used since it was asked last: the busiest server over the average one. */
double centre_take_load_ratio(struct centre *);

/* ---- between the files of centre ---- */

uint32_t centre_start_us(const struct centre *, uint32_t script);
/* A start that no request waits for. idle_ns: it takes no room from what was used since; 0: it is
 * in demand. */
void centre_start_ahead(struct centre *, uint16_t server, uint32_t script, uint64_t idle_ns);
/* The first usable of its successors; RING_NODE_NONE: none. except: not that one. */
uint16_t centre_home(const struct centre *, uint32_t script, uint16_t except);
void centre_fill(struct centre *); /* pools as they would be after days of such traffic */
void centre_burst(struct centre *, const struct traffic_burst *);
void centre_bulk(struct centre *);   /* the slot that begins now */
void centre_events(struct centre *); /* losses, restarts, deploys of this second */

#endif
