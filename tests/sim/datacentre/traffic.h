/* traffic.h
 *
 * The requests of a data centre over a day: which script, when, at which server, how many. Made
 * from a seed, the same whatever is done with them: variants of placement are compared on equal
 * traffic.
 *
 *   script i of S    share of all requests  ~ (i + 1)^-exponent
 *   burst            what one client sends at once over one connection (a page load): a geometric
 *                    number of requests, TRAFFIC_BURST_MEAN on average; STICKY_PERCENT of the
 *                    bursts come over the connection of the script's last one: same server, no
 *                    handshake
 *   day              (1 + DAY_SWING cos(2 pi (t - peak) / day)); peaks in the afternoon for most
 *                    scripts, anywhere for those with users all over the world
 *   kind             STEADY: bursts are a Poisson process.  ON_OFF: the same, switched on for ten
 *                                                           minutes of a hundred, with six times
 *                    the rate then.  TIMER: a machine calls every few minutes or hours, to within a
 *                                    fiftieth.
 *   bulk             scripts of which every server sees bulk_rps even at night: they are told per
 *                    slot of TRAFFIC_SLOT_NS as a number of requests at every server, not one by
 *                    one
 *
 * A script also has what it costs: bytes of memory when warm, time to start, CPU time of a request;
 * log-normal, see traffic.c. Some scripts are published in the course of the day: nobody can have
 * them warm before.
 *
 * Sources: power law and figures of scale as in Cloudflare, "Eliminating Cold Starts 2: shard and
 * conquer" (2025); timers and on-off callers as in Shahrad et al., "Serverless in the wild" (2020),
 * whose trace has 45 % of its functions called at most once an hour and many by timers.
 *
 * Units: nanoseconds from midnight of day 0, requests per second. Memory: one block, made at start.
 * Single thread.
 */
#ifndef HEARTH_SIM_TRAFFIC_H
#define HEARTH_SIM_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/rng.h"

#define TRAFFIC_SECOND_NS (1000000000ull)
#define TRAFFIC_HOUR_NS   (3600 * TRAFFIC_SECOND_NS)
#define TRAFFIC_DAY_NS    (24 * TRAFFIC_HOUR_NS)
#define TRAFFIC_SLOT_NS   (10 * TRAFFIC_SECOND_NS)
#define TRAFFIC_TICK_NS   (10000000ull) /* bursts are told to within this */

enum { TRAFFIC_SCRIPTS_MAX = 1 << 20, TRAFFIC_WHEEL = 1 << 16, TRAFFIC_BURST_MEAN = 4 };

enum traffic_kind { TRAFFIC_STEADY, TRAFFIC_ON_OFF, TRAFFIC_TIMER };

struct traffic_config {
    uint64_t seed;
    uint32_t servers, scripts;
    double requests_per_s; /* of the data centre, over the day */
    double exponent;
    double bulk_rps; /* at every server, at the quietest time */
    /* What a start takes without code, and for each MB of it; a warm script without code. */
    uint32_t start_us, compile_us_per_mb;
    double cell_mb;
    uint64_t start_ns, end_ns; /* bursts before start_ns are not told */
    /* A crowd: from flash_ns on, for flash_for_ns, that script has flash_factor times its requests.
     * It is STEADY: a crowd is people. */
    uint32_t flash_script;
    uint64_t flash_ns, flash_for_ns;
    double flash_factor; /* 0: none */
};

struct traffic_script {
    double rps;  /* of the data centre, over the day */
    double rate; /* bursts per second now */
    double phase;
    uint64_t due_ns, switch_ns; /* the next burst; ON_OFF: the next switch */
    uint64_t published_ns;      /* 0: before the day */
    uint32_t next;              /* in the wheel's bucket */
    uint32_t start_us, cpu_us;
    uint32_t bytes;
    uint16_t server; /* of the last burst */
    uint8_t kind;    /* enum traffic_kind */
    bool is_on, is_bulk;
    struct rng rng;
};

struct traffic_burst {
    uint64_t at_ns;
    uint32_t script;
    uint16_t server;
    uint16_t requests;
    bool has_handshake;
    uint32_t rtt_us; /* of the client: from ClientHello to the first request */
};

struct traffic {
    struct traffic_config config;
    uint64_t now_ns;
    struct traffic_script *script; /* by rank, the most asked first */
    uint32_t *wheel;               /* index + 1 of the first script due in a tick */
    uint32_t bulk_count;           /* the first so many scripts */
    double sum;                    /* of the shares */
};

void traffic_init(struct traffic *, const struct traffic_config *);
void traffic_fini(struct traffic *);

/* The next burst before until_ns, at most config.end_ns. False: there is none; traffic.now_ns is
 * until_ns. */
bool traffic_next(struct traffic *, uint64_t until_ns, struct traffic_burst *);
/* Requests of a bulk script in the slot that begins now, all servers together. */
uint64_t traffic_bulk(struct traffic *, uint32_t script);
/* Requests per second of a script, at that time of day, kinds apart. */
double traffic_rps(const struct traffic *, uint32_t script, uint64_t at_ns);

#endif
