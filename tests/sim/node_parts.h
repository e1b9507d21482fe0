/* node_parts.h
 *
 * struct node in full, for the files that are its parts and for no one else:
 *
 *   node_run.c      the node, its phases and its time
 *   node_weather.c  what befalls cells, zygote, cores and the control thread
 *   node_mail.c     what cores and control thread tell each other, as it passes
 *   node_books.c    what is known of every request, and what must hold
 *
 *   START --spares are up--> LOAD --> CLEAR_UP --all is there again--> LAST_PASS --> END
 *                            weather                                   each script, by each core
 *
 * Excuses. 503: somebody waits for a cell that cannot be had soon, or there is too much to do:
 * excused is a request that began before load_ns. 502 and a cut answer: a cell of the script ended
 * since the request began, and it may not run again.
 */
#ifndef HEARTH_SIM_NODE_PARTS_H
#define HEARTH_SIM_NODE_PARTS_H

#include "control/deploy/catalog.h"
#include "control/supervise/supervise_state.h"
#include "dataplane/core_state.h"
#include "tests/sim/model_caller.h"
#include "tests/sim/model_host.h"
#include "tests/sim/node_run.h"
#include "tests/sim/sim_switch.h"

enum {
    NODE_CORES = MODEL_CORES,
    NODE_SCRIPTS = 12,
    NODE_CALLERS = 96,
    NODE_USUAL = 16, /* the others come in bursts */
    NODE_CELLS = 24,
    NODE_LARGES = 3,
    NODE_LINKS = NODE_CELLS + NODE_LARGES,
    NODE_RECORDS = 16384,
    NODE_HANDLES = 256,
    NODE_FULL_MS = 2600, /* a call waits for a cell for 2 s (call.c), and its answer on its way */
};

#define MS 1000000ull

#define NODE_WEATHER(X)                                                                            \
    X(DEATH, "cells die", 35)                                                                      \
    X(STARTING, "cells die while they start", 15)                                                  \
    X(SPOILED, "cells are spoiled", 25)                                                            \
    X(SPENT, "cells are of no more use", 20)                                                       \
    X(HANG, "cells hang", 15)                                                                      \
    X(LIE, "cells lie", 15)                                                                        \
    X(STUBBORN, "cells outlive their signal", 20)                                                  \
    X(ZYGOTE, "the zygote ends", 25)                                                               \
    X(RENEW, "the zygote is renewed", 25)                                                          \
    X(FORKS, "forks fail", 20)                                                                     \
    X(CROWD, "a crowd for all scripts", 30)                                                        \
    X(BUSY, "a crowd for one script", 35)                                                          \
    X(CORE, "cores stand still", 30)                                                               \
    X(CONTROL, "the control thread stands still", 25)                                              \
    X(MEMORY, "memory is short", 20)                                                               \
    X(DEPLOY, "deploys", 30)                                                                       \
    X(KILLER, "one script ends its cells", 15)

enum node_weather_kind {
#define NODE_WEATHER_ENUM(name, text, percent) NODE_##name,
    NODE_WEATHER(NODE_WEATHER_ENUM)
#undef NODE_WEATHER_ENUM
        NODE_WEATHERS
};

struct node_script {
    struct script *current, *trial, *old; /* old: until no core routes to it */
    bool is_tried, is_bad;                /* the trial has its verdict */
    uint64_t old_epoch, tried_ns;
    uint32_t deaths; /* of its cells, of all versions, as cores were told */
    uint64_t demanded_ns;
    uint32_t demanded_by;
};

struct node_record {
    uint32_t id, script, core, starts, deaths; /* deaths: of its script's cells before */
    bool is_post, is_answered, is_refused;
    bool is_suspect, has_killed; /* killed: and its core must know */
    uint64_t opened_ns;
};

struct node_link { /* as the mail shows it */
    uint64_t retired_ns, released_ns, outgrown_ns;
    bool is_detached;
    uint32_t outgrown_by;
};

enum node_phase { NODE_START, NODE_LOAD, NODE_CLEAR_UP, NODE_LAST_PASS, NODE_END };

struct node {
    struct clock clock;
    struct sim_switch *net;
    struct station station;
    struct callers callers;
    struct caller caller[NODE_CALLERS];
    char host[NODE_CALLERS][16];
    uint64_t opens_ns[NODE_CALLERS];
    struct node_record *record;
    uint32_t next_id, pass;

    uint32_t cores;
    struct core *core[NODE_CORES];
    struct port *port[NODE_CORES];
    struct neighbours *neighbours[NODE_CORES];
    struct cell_mail *mail[NODE_CORES];
    uint8_t ip[NODE_CORES][16];
    uint64_t core_ns[NODE_CORES], control_ns; /* it does nothing before */

    struct loop loop;
    int mail_fd, null_fd;
    struct catalog catalog;
    struct supervise *supervise;
    struct supervise_config config;
    struct node_script script[NODE_SCRIPTS];
    uint8_t script_of[NODE_HANDLES]; /* of every version there was, by its handle */
    struct node_link link[NODE_LINKS];

    struct world world;
    struct world_shared shared;
    struct world_script scripts[NODE_SCRIPTS];
    struct world_member member;
    uint32_t script_index[4 * NODE_SCRIPTS];
    bool has_changed; /* the supervisor says so */

    enum node_phase phase;
    uint64_t phase_ns, load_until_ns, load_ns;
    bool has[NODE_WEATHERS];
    uint64_t next_ns[NODE_WEATHERS];
    uint64_t burst_until_ns;
    uint32_t burst_script;
    bool is_tight;
    struct node_report seen;
};

/* The run's, for the functions that have no argument for it. */
extern struct node *the_node;

/* A request that begins before is excused if it is refused. */
static inline void node_excuse(struct node *n, uint64_t until_ns)
{
    n->load_ns = n->load_ns < until_ns ? until_ns : n->load_ns;
}

/* ---- node_weather.c ---- */
void node_weather_draw(struct node *);
void node_weather_begin(struct node *);
void node_weather_run(struct node *);
uint64_t node_weather_next_ns(const struct node *);
/* Nothing is left of it. */
void node_weather_end(struct node *);
void node_deploys_run(struct node *);
/* A version of that script; the caller has one hold. */
struct script *node_new_version(struct node *, uint32_t script);

/* ---- node_mail.c ---- */
/* The control thread has told of links: their ends too. */
void node_mail_check(struct node *);

/* ---- node_books.c ---- */
struct node_record *node_find(struct node *, uint32_t id);
void node_on_started(void *arg, struct model_runtime *, uint32_t id, uint32_t depth,
                     uint64_t handle, bool is_cold);
void node_on_suspected(void *arg, struct model_runtime *, uint32_t id, uint32_t depth);
/* Cores lose what they have in a cell of that script. */
void node_on_lost(void *arg, uint64_t handle);
void node_on_done(void *arg, struct caller *, enum caller_end);
/* All is over, and has been for seconds. */
void node_check_end(struct node *);

#endif
