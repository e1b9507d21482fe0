/* model_cluster.h
 *
 * A data centre of whole cores on one simulated switch, and the little of a control thread that
 * moves a node through its states and starts its cells (model_cells.h).
 *
 *                  +------------------ switch (sim_switch.h) ------------------+
 *   station 0..N-1 | node 0            node 1            node 2     ...        | station N: whoever
 *                  | core              core              core                  | the simulation
 *                  | cell, cell, ...   cell, cell, ...   cell, cell, ...       | puts there
 *
 *   OFF --start--> JOINING --peers_handover--> SERVING --drain--> (leaving) --peers_handover-->
 *    ^             DRAINING --undrain--> JOINING
 *    +----- kill (the core is gone between two instructions) or stop (it ends in order)
 *
 * All nodes have the same scripts (but not always the same version of them), and one core each.
 * Every script is named "sK" and answers at the host "sK.test". A killed node loses its cells with
 * it.
 *
 * Time. The wires, the cells and whoever looks on live by sim_now_ns. A node lives by its own
 * clock: with `skewed` each start of it begins at another number, from zero to months, and runs up
 * to 500 ppm fast or slow, so that no two clocks agree in anything.
 *
 * Members. A plan is one version of the list of members with their weights, and the ring of it.
 * Each node has the plan that it was given last (cluster_adopt): not all have the same one at a
 * time. A node that is in no plan any more keeps its last one.
 */
#ifndef HEARTH_SIM_MODEL_CLUSTER_H
#define HEARTH_SIM_MODEL_CLUSTER_H

#include "dataplane/core_state.h"
#include "dataplane/rpc/noise.h"
#include "dataplane/world/ring.h"
#include "drivers/clock.h"
#include "tests/sim/hog.h"
#include "tests/sim/model_cells.h"
#include "tests/sim/sim_switch.h"

enum {
    CLUSTER_NODES_MAX = 16,
    CLUSTER_PORT = 7400,
    CLUSTER_PLANS_MAX = 256,
    CLUSTER_NO_MEMBER = UINT16_MAX,
};

struct notes;

struct cluster_config {
    uint32_t nodes, scripts;
    uint32_t chunks; /* of each core */
    bool is_full;    /* three quarters of them are held by others, for ever */
    uint32_t calls, served, streams, channels; /* sizes of its tables; 0: plenty */
    uint32_t subrequests;                      /* that a request may make; 0: the default */
    bool relays;      /* scripts call each other: binding 0 of K is script (7 K + 3) mod scripts */
    uint32_t make_us; /* to load a script, about */
    uint32_t cpu_ms, wall_ms; /* limits of all scripts */
    struct tree_book *book;
    uint32_t room;       /* for cells of each node */
    struct notes *notes; /* of each node; NULL: none */
    uint16_t mtu;
    struct world_tune tune;
    struct port_sim_faults faults; /* of each wire, both ways */
    double corrupt;
    bool skewed; /* clocks */
    void (*suspected)(void *arg, struct model_runtime *, uint32_t id, uint32_t depth);
    void (*refused)(void *arg, uint32_t id, uint32_t depth);
    void (*started)(void *arg, struct model_runtime *, uint32_t id, uint32_t depth, uint64_t handle,
                    bool is_cold);
    void (*full)(void *arg, uint64_t script); /* a demanded start found no room at some node */
    void *arg;
};

struct cluster_plan {
    uint16_t count;
    uint16_t place[CLUSTER_NODES_MAX];  /* of a node in member[]; CLUSTER_NO_MEMBER */
    uint32_t weight[CLUSTER_NODES_MAX]; /* by node */
    struct world_member member[CLUSTER_NODES_MAX];
    void *ring_memory;
    const struct ring *ring;
};

struct cluster_node {
    struct cluster *cluster;
    uint32_t index;
    uint8_t mac[6];
    uint8_t ip[16];
    struct noise_identity identity;
    struct port *port;
    struct clock clock;
    uint64_t clock_start_ns, started_ns; /* the clock showed the first at the second */
    int64_t clock_ppb;
    uint64_t pause_ns;      /* between two iterations; 0: a busy loop */
    uint64_t iterates_ns;   /* the next one, if it pauses */
    uint64_t took_ns;       /* the last one, if work costs time (cpu_cost.h): */
    uint64_t busy_until_ns; /* with it until then */
    const struct cluster_plan *plan;
    struct core *core; /* NULL: off */
    struct hog hog;
    struct neighbours *neighbours;
    struct model_cells cells;
    struct world world;
    struct world_shared shared;
    struct world_script *scripts;
    uint64_t state_since_ns;
    uint32_t lives;
    struct counters past; /* of the lives before */
    struct model_tally past_tally;
};

struct cluster {
    struct cluster_config config;
    struct clock clock;
    struct sim_switch *net;
    struct cluster_node node[CLUSTER_NODES_MAX];
    struct world_member member[CLUSTER_NODES_MAX];
    struct world_script *scripts; /* the newest versions */
    struct world_binding *bindings;
    uint32_t *script_index, script_index_mask;
    struct routes *routes;
    uint32_t plan_count;
    struct cluster_plan *plan[CLUSTER_PLANS_MAX]; /* the first: everybody, with one share each */
    uint8_t secret[32];
};

/* All nodes are off. sim_now_ns is the clock's from here on. */
void cluster_init(struct cluster *, const struct cluster_config *);
void cluster_fini(struct cluster *);

void cluster_start(struct cluster *, uint32_t node);
void cluster_kill(struct cluster *, uint32_t node);
/* Ends it in order, and checks that it has everything back: chunks, streams, calls, jobs,
 * connections. */
void cluster_stop(struct cluster *, uint32_t node);
void cluster_drain(struct cluster *, uint32_t node);
void cluster_undrain(struct cluster *, uint32_t node);

/* Makes a plan of those weights by node: 0 has no points, CLUSTER_NO_MEMBER is none. NULL: too many
 * plans. Nobody has it yet. */
const struct cluster_plan *cluster_make_plan(struct cluster *, const uint32_t *weight);
const struct cluster_plan *cluster_newest(const struct cluster *);
/* The node gets the newest plan, unless it is not in it. */
void cluster_adopt(struct cluster *, uint32_t node);
/* Is it in the newest plan? */
bool cluster_is_member(const struct cluster *, uint32_t node);
/* Which node its list has at that place. */
uint32_t cluster_node_at(const struct cluster *, const struct cluster_plan *, uint16_t place);

/* What that node's clock shows now, or shows then, which may be a time before it started. */
uint64_t cluster_clock_ns(const struct cluster *, uint32_t node, uint64_t at_ns);
/* Its core iterates only so often; 0: as ever. at_ns: not before. */
void cluster_pause(struct cluster *, uint32_t node, uint64_t pause_ns, uint64_t at_ns);

/* A new version of the script on that node; if another has a newer one, that one. */
void cluster_deploy(struct cluster *, uint32_t node, uint32_t script);

bool cluster_is_up(const struct cluster *, uint32_t node);
enum node_state cluster_state(const struct cluster *, uint32_t node);
/* Every member has the newest plan, and all that are up see every other one as what it says of
 * itself, or down if it does not have them in its list. */
bool cluster_is_settled(const struct cluster *);
/* The home of a script when every member of the newest plan serves. */
uint32_t cluster_home(const struct cluster *, uint32_t script);
/* A counter of all lives of all nodes, by its offset in struct counters. */
uint64_t cluster_count(const struct cluster *, size_t offset);
#define CLUSTER_COUNT(c, name) cluster_count(c, offsetof(struct counters, name))

/* One iteration of everything but the clock. Checks that no frame is unaccounted for. */
void cluster_work(struct cluster *);
uint64_t cluster_next_ns(const struct cluster *);
/* Moves all clocks on to that time. */
void cluster_set_time(struct cluster *, uint64_t now_ns);
/* Moves time on: by about a tick, further if nothing is due before. due_ns: of what the caller has
 * running. */
void cluster_advance(struct cluster *, uint64_t due_ns);

#endif
