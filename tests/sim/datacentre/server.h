/* server.h
 *
 * One server of the data centre: the product's heat, warm pool and shed, on virtual time, with a
 * fluid in place of its CPUs.
 *
 *   requests --CPU time--> backlog --capacity--> done
 *                          delay = backlog / capacity: what shed.h judges, and part of the load
 *                          that the others know, a second old
 *
 *   cells: at most one for each script, in a warm pool of `bytes_max`. Without values the least
 *   recently used goes (the order that the cells themselves are linked in), with them
 *   warm_pool_victim decides.
 *
 * Every start has a cause, told from what became of the cell that this server had before.
 *
 * Units: nanoseconds, bytes, microseconds of CPU time. Single thread.
 */
#ifndef HEARTH_SIM_SERVER_H
#define HEARTH_SIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "control/supervise/warm_pool.h"
#include "dataplane/place/heat.h"
#include "dataplane/place/shed.h"

/* What this server's cell of a script is, or what became of it. */
enum past {
    PAST_NEVER, /* there was none yet */
    PAST_WARM,  /* it is */
    PAST_EVICTED,
    PAST_DEPLOYED, /* it ran an older version */
    PAST_CHURN,    /* the server has restarted since, or was not its home */
    PASTS,
};

enum cause { CAUSE_FIRST, CAUSE_DEPLOY, CAUSE_CAPACITY, CAUSE_CHURN, CAUSE_WIDENING, CAUSES };
extern const char *const cause_name[CAUSES];

struct server_cell {
    struct warm_entry entry;
    uint32_t script;
    uint32_t older, newer; /* index + 1 of neighbours by last use; older: of the free list too */
    uint64_t ready_ns;     /* before, it is being started */
};

/* What every server has for each script. */
struct server_script {
    struct warm_history history;
    uint32_t cell; /* index + 1; 0: none */
    uint8_t past;  /* enum past */
};

struct server {
    struct heat *heat;
    struct warm_pool pool;
    struct shed shed;
    struct server_cell *cell;
    uint32_t cells_max, used, free; /* free: index + 1 */
    uint32_t oldest, newest;
    struct server_script *script; /* by script */
    uint8_t state;                /* enum node_state, as the others see it */
    bool is_up;
    uint64_t due_ns;                           /* the next step of its restart */
    double demand_us, capacity_us, backlog_us; /* demand and capacity: of a second */
    double work_us;                            /* CPU time used since it was taken */
    double bulk_us,
        bulk_refused; /* bulk demand of a second; the share of requests that it hands back */
    uint32_t load;    /* per mille, as the others know it */
    uint64_t evictions;
};

/* bytes_least: no cell has less. */
void server_init(struct server *, uint32_t scripts, const struct warm_weights *, size_t bytes_max,
                 size_t bytes_least, double capacity_us);
void server_fini(struct server *);

/* Its cell of the script, or NULL. */
struct server_cell *server_find(const struct server *, uint32_t script);
/* A request for it: the cell counts as used. */
void server_use(struct server *, struct server_cell *, uint64_t now_ns);
/* Makes room and starts one. idle_ns: only what was not used for so long may go. NULL: no room. */
struct server_cell *server_start(struct server *, uint32_t script, uint32_t bytes,
                                 uint32_t start_us, bool by_value, uint64_t idle_ns,
                                 uint64_t now_ns);
void server_drop(struct server *, struct server_cell *, enum past);
/* Everything is cold. */
void server_restart(struct server *);

/* A second has passed. */
void server_tick(struct server *, const struct shed_tune *, uint64_t now_ns);
bool server_is_overloaded(const struct server *, const struct shed_tune *);

#endif
