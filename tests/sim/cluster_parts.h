/* cluster_parts.h
 *
 * struct sim in full, for the files that are its parts and for no one else:
 *
 *   cluster_run.c      the phases of a run, from settled to idle
 *   cluster_weather.c  what a seed has in store: faults of the wire, and events while it runs
 *   cluster_clients.c  the clients' station, and the requests they make
 *   cluster_books.c    what is known of every request, and what must hold: at each start, at each answer, at the end
 */
#ifndef HEARTH_SIM_CLUSTER_PARTS_H
#define HEARTH_SIM_CLUSTER_PARTS_H

#include "tests/sim/cluster_run.h"
#include "tests/sim/model_attacker.h"
#include "tests/sim/model_caller.h"
#include "tests/sim/model_cluster.h"

#include "tests/sim/model_cluster.h"

enum {
    CALLERS = 8,
    SCRIPTS = 40,
    REQUESTS_MAX = 20000,
    END_MS = 240 * 1000,
    DETECT_MS = 1500,
    OVERLOAD_ECHO_MS = 500, /* what had piled up is worked off */
};

struct record { /* of a request */
    uint32_t entry, entry_lives, script, starts[MODEL_DEPTH], colds;
    bool may_run_again; /* as far as its method goes */
    bool is_kept;       /* and its whole body is, until it is answered: so it will */
    bool is_answered;
    uint64_t opened_ns, handle; /* handle: the version of the script at the entry then */
};

enum phase { PHASE_START, PHASE_FIRST_PASS, PHASE_LOAD, PHASE_END };

struct sim {
    struct cluster cluster;
    uint32_t nodes;
    /* the clients' station */
    struct net net;
    struct tx tx;
    struct counters counters;
    struct neighbours *neighbours;
    struct chunk_pool chunks;
    void *chunk_memory;
    struct tcp_env env;
    struct callers callers;
    struct caller caller[CALLERS];
    char host[CALLERS][16];
    struct record *record;
    uint32_t requests, quota, first_pass, next_id;
    uint32_t ends[5], by_status[6], bounced, forwarded;
    enum phase phase;
    /* what this seed has in store */
    bool has_overload, has_kill, has_leave, has_attacker, has_capabilities, has_bad_calls,
        has_deploys;
    bool is_small, is_short; /* tables; chunks */
    bool is_corrupt;         /* frames between nodes arrive bent at times */
    uint64_t overload_ns, event_ns, killed_ns, load_ns, quiet_ns;
    uint32_t victim, step, deploys;
    bool is_stopping;
    uint32_t rpc_loss; /* of datagrams between nodes, per mille, beside what the wires lose */
    uint32_t cold_at_load;
    struct attacker attacker;
    uint64_t datagrams, attack_ns; /* datagrams: between nodes, as the switch saw them */
};

static inline bool sim_is_disturbed(const struct sim *s)
{
    return s->has_overload || s->has_kill || s->has_leave || s->has_deploys || s->is_small ||
           s->is_short;
}

/* The runtime process that a script has on every node (core_link_of). */
static inline uint32_t sim_runtime_of(const struct sim *s, uint32_t script)
{
    return (uint32_t)(s->cluster.scripts[script].id_hash >> 32) % CLUSTER_RUNTIMES;
}

/* ---- cluster_weather.c ---- */

/* Draws the seed's faults; the cluster's configuration with them. */
struct cluster_config weather_draw(struct sim *, uint32_t nodes);
void weather_load_begins(struct sim *);
void weather_run(struct sim *);
/* What was begun has ended, and every node knows. */
bool weather_is_over(const struct sim *);
/* Is the switch to forward it? */
bool weather_on_frame(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to);

/* ---- cluster_clients.c ---- */

void clients_start(struct sim *, struct port_sim_faults);
void clients_end(struct sim *);
void clients_work(struct sim *);
void clients_open_some(struct sim *);
bool clients_are_quiet(const struct sim *);
uint64_t clients_next_ns(const struct sim *);

/* ---- cluster_books.c ---- */

void books_on_started(void *arg, struct model_runtime *, uint32_t id, uint32_t depth,
                      uint64_t handle, bool is_cold);
void books_on_done(void *arg, struct caller *, enum caller_end);
uint32_t books_cold_starts(const struct sim *);
/* All nodes are off. */
void books_check(struct sim *);
void books_report(const struct sim *, struct cluster_report *);

#endif
