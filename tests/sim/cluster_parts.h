/* cluster_parts.h
 *
 * struct sim in full, for the files that are its parts and for no one else:
 *
 *   cluster_run.c      the phases of a run
 *   cluster_weather.c  what a seed has in store: when it blows, on whom, and that it ends
 *   cluster_gusts.c    the kinds of it: each does one thing to the cluster
 *   cluster_killer.c   the one script that ends its cells, of runs that have nothing else
 *   cluster_clients.c  the clients' station, and the requests they make
 *   cluster_books.c    what is known of every request, and what must hold: at each start, at each
 *                      answer, at the end
 *   cluster_watch.c    what must hold at any time: in the nodes' tables, counters and recorders
 *
 *   START --settled--> FIRST_PASS --all warm--> LOAD --enough--> CLEAR_UP --all is healed-->
 *                      each script once         weather          no new weather
 *   LAST_PASS --> END
 *   each script once, and no excuse
 *
 * Excuses. A request may end badly only if something is wrong that can do that to it. Weather says
 * until when: trouble_ns[kind] is a time before which a request must have begun to be excused by
 * that kind. There are three:
 *
 *   LOST    something died, or could not be reached: 502 and cut answers of what may not run again,
 *           second runs of what may; what may is lost only if that happened to it twice
 *   LOAD    somebody had too much to do: bounces, 503
 *   PLACES  nodes do not agree who is home: it may run elsewhere
 */
#ifndef HEARTH_SIM_CLUSTER_PARTS_H
#define HEARTH_SIM_CLUSTER_PARTS_H

#include "control/supervise/hold.h"
#include "tests/sim/cluster_run.h"
#include "tests/sim/model_attacker.h"
#include "tests/sim/model_caller.h"
#include "tests/sim/model_cluster.h"

enum {
    CALLERS = 48,
    CALLERS_USUAL = 8, /* the others come in bursts */
    SCRIPTS = 40,
    KILLER = SCRIPTS - 1, /* in a run that is deadly */
    DEPLOYED = 8,         /* scripts that are deployed again */
    RECORDS = 16384,      /* requests that are remembered: the last ones */
    END_MS = 240 * 1000,  /* from the end of load */
    DETECT_MS = 1500,
    SETTLE_MS =
        15 * 1000, /* from the end of all weather until every node sees every other as it is */
    ECHO_MS = 500, /* what had piled up is worked off */
    RUNS_MAX = 3,  /* of one request: at home, again there, and where it entered */
};

#define MS 1000000ull

enum trouble { TROUBLE_LOST, TROUBLE_LOAD, TROUBLE_PLACES, TROUBLES };

/* Kinds of weather, and how many of a hundred seeds have them. */
#define WEATHER_KINDS(X)                                                                           \
    X(STALL, "cells stall", 25)                                                                    \
    X(CRASH, "nodes crash", 25)                                                                    \
    X(LEAVE, "nodes leave and join", 25)                                                           \
    X(CELL_CRASH, "cells crash", 15)                                                               \
    X(HANG, "cells hang", 15)                                                                      \
    X(SLOW_CELLS, "cells are slow", 15)                                                            \
    X(SLOW_NODE, "nodes are slow", 15)                                                             \
    X(PAUSE, "nodes stand still", 15)                                                              \
    X(PARTITION, "partitions", 15)                                                                 \
    X(ONE_WAY, "one-way cuts", 15)                                                                 \
    X(CHURN, "ring churn", 20)                                                                     \
    X(BURST, "bursts", 20)                                                                         \
    X(DEPLOY, "deploys", 25)                                                                       \
    X(STRIKE, "an attacker", 40)                                                                   \
    X(BAD_SINK, "bad capabilities", 40)                                                            \
    X(BAD_STREAM, "bad calls", 30)

enum weather_kind {
#define WEATHER_ENUM(name, text, percent) WEATHER_##name,
    WEATHER_KINDS(WEATHER_ENUM)
#undef WEATHER_ENUM
        WEATHERS
};

/* Some seeds tell of one thing at length, and of nothing else: what shows only if several things
 * that are rare elsewhere come together. */
enum theme {
    THEME_NONE = 0,
    THEME_LOSS,     /* much is lost between nodes, and bodies are large */
    THEME_SUSPECTS, /* cells end often, and clients leave before they are answered */
    THEME_MISUSE,   /* capabilities that are none, and no channel is lost */
    THEMES
};

/* What a node is in the middle of. One thing at a time. */
enum front {
    FRONT_NONE = 0,
    FRONT_CRASHED,
    FRONT_DRAINS,
    FRONT_DRAINED,
    FRONT_ENDS,
    FRONT_JOINS,
    FRONT_SLOW
};

struct node_front {
    uint8_t doing;        /* enum front */
    bool is_ending;       /* DRAINED: it ends, rather than coming back */
    bool was_seen;        /* CRASHED: its death was looked for */
    uint64_t until_ns;    /* when the next thing happens to it; DRAINS: it changes its mind */
    uint64_t since_ns;    /* it is at it, or is calm */
    uint64_t adopt_ns;    /* gets the newest plan then; UINT64_MAX: has it */
    uint64_t slow_run_ns; /* cells of it are slow until then */
    uint8_t group;        /* of the partition */
};

struct weather {
    bool has[WEATHERS];
    uint64_t next_ns[WEATHERS];
    struct node_front node[CLUSTER_NODES_MAX];
    uint64_t partition_until_ns, cut_until_ns, burst_until_ns; /* 0: none */
    uint32_t cut_from, cut_to;
    uint32_t burst_script;             /* SCRIPTS: any */
    bool is_small, is_short, is_eager; /* tables; chunks; scripts are soon hot or wide */
    bool is_full;                      /* others hold three quarters of the chunks: no excuse */
    bool is_tight;                     /* a node has room for fewer cells than it is home of */
    enum theme theme;
    uint32_t rpc_loss; /* of datagrams between nodes, per mille, beside what the wires lose */
    uint32_t deploys, crashes, leaves, partitions, cuts;
};

enum { BUDGET_AMPLE = 100000 }; /* of sub-requests: no call stays where it is for want of them */

struct record { /* of a request */
    uint32_t id, entry, entry_lives, script, starts[MODEL_DEPTH];
    uint32_t subs;            /* that were made in it */
    uint32_t sides;           /* of these, on the side */
    uint32_t at[MODEL_DEPTH]; /* the node where each depth started last */
    bool has_body;
    bool may_run_again; /* as far as its method goes */
    bool is_kept;       /* and its whole body is, until it is answered: so it will */
    bool is_answered;
    bool ran_warm, ran_waiting; /* in a cell that was ready, or that it waited for */
    bool has_killed;            /* a cell, while that depth of it ran: */
    uint32_t killed_depth;
    uint32_t refused;           /* by cells that were spent */
    uint64_t opened_ns, handle; /* handle: the version of the script at the entry then */
};

enum phase {
    PHASE_START,
    PHASE_FIRST_PASS,
    PHASE_LOAD,
    PHASE_CLEAR_UP,
    PHASE_LAST_PASS,
    PHASE_END
};

struct killer {
    struct hold_table holds[CLUSTER_NODES_MAX];
    uint64_t next_ns[CLUSTER_NODES_MAX]; /* when one of these is over; UINT64_MAX: none is held */
    uint32_t ends[CLUSTER_NODES_MAX];    /* cells that it ended */
    uint64_t hit_ns; /* whoever asked for it before may have been hit by its last end */
    uint32_t helds;
};

struct watch { /* of a node: what its counters said last, and how it saw the others */
    uint64_t bounced, wasted_bytes;
    uint8_t state[CLUSTER_NODES_MAX];
};

struct sim {
    struct cluster cluster;
    uint32_t nodes;
    bool is_planned; /* only leaves and joins are in store */
    bool is_deadly;  /* only the killer is */
    struct killer killer;
    struct station station; /* the clients' */
    struct callers callers;
    struct caller caller[CALLERS];
    char host[CALLERS][16];
    uint64_t opens_ns[CALLERS]; /* the next request, if it has none */
    struct record *record;      /* of request id: id % RECORDS */
    uint32_t requests, quota, pass, next_id;
    uint32_t ends[5], by_status[6], bounced, forwarded, cold, cold_at_load;
    enum phase phase;
    uint64_t time_ns, load_until_ns;              /* of load; 0: the quota says */
    uint64_t load_ns;                             /* when it began */
    uint64_t phase_ns, end_ns;                    /* since when; not later than */
    uint64_t trouble_ns[TROUBLES], lost_twice_ns; /* lost_twice: of the second last LOST */
    uint64_t suspected_ns;                        /* when a cell last died of what it executed */
    struct weather weather;
    struct attacker attacker;
    struct tree_book *book;
    uint64_t datagrams; /* between nodes, as the switch saw them */
    struct watch watch[CLUSTER_NODES_MAX];
    uint32_t iterations, spans;
    struct port_sim_faults faults; /* of every wire */
};

static inline bool sim_excuses(const struct sim *s, enum trouble kind, uint64_t opened_ns)
{
    return opened_ns < s->trouble_ns[kind];
}

/* ---- cluster_weather.c ---- */

/* Draws the seed's faults; the cluster's configuration with them. chunks: not 0: so few, and
 * bursts. */
struct cluster_config weather_draw(struct sim *, uint32_t nodes, const struct cluster_options *);
void weather_load_begins(struct sim *);
void weather_run(struct sim *);
/* Nothing is left of it but excuses, and every node knows. */
bool weather_is_over(const struct sim *);
/* When something happens next; UINT64_MAX: only what the cluster does itself. */
uint64_t weather_next_ns(const struct sim *);
void weather_trouble(struct sim *, enum trouble, uint64_t until_ns);
/* A bounce, or another home than the ring's, or a lost channel, may be for a reason in this
 * seed. */
bool weather_may_bounce(const struct sim *);
bool weather_may_lose_channels(const struct sim *);
/* Is the switch to forward it? */
bool weather_on_frame(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to);

/* ---- cluster_gusts.c ---- */

/* Does one thing of that kind, if there is somebody to do it to. Returns how long until the next
 * one, about. */
uint64_t gust(struct sim *, enum weather_kind);
/* What was begun goes on, or ends. */
void gusts_run(struct sim *);
uint64_t gusts_next_ns(const struct sim *);
bool gusts_are_over(const struct sim *);

/* ---- cluster_killer.c: does nothing in a run that is not deadly ---- */

void killer_init(struct sim *);
void killer_on_started(struct sim *, struct model_runtime *, uint32_t id, uint64_t handle);
void killer_on_suspected(struct sim *, const struct model_runtime *);
void killer_run(struct sim *);
uint64_t killer_next_ns(const struct sim *);
/* No node holds it back any more. */
bool killer_is_over(const struct sim *);
/* It is the killer's, and may have lost its cell. */
bool killer_has_hit(const struct sim *, const struct record *);
/* It is the killer's, and was held back somewhere when it was made or later. */
bool killer_is_refused(const struct sim *, const struct record *);
void killer_check(const struct sim *);

/* ---- cluster_clients.c ---- */

void clients_start(struct sim *);
void clients_end(struct sim *);
void clients_work(struct sim *);
void clients_open_some(struct sim *);
bool clients_are_quiet(const struct sim *);
uint64_t clients_next_ns(const struct sim *);

/* ---- cluster_books.c ---- */

/* NULL: so long ago that it was forgotten. */
struct record *books_find(const struct sim *, uint32_t id);
void books_on_started(void *arg, struct model_runtime *, uint32_t id, uint32_t depth,
                      uint64_t handle, bool is_cold);
void books_on_suspected(void *arg, struct model_runtime *, uint32_t id, uint32_t depth);
void books_on_refused(void *arg, uint32_t id, uint32_t depth);
void books_on_full(void *arg, uint64_t script);
void books_on_done(void *arg, struct caller *, enum caller_end);
/* All nodes are off. */
void books_check(struct sim *);
void books_report(const struct sim *, struct cluster_report *);

/* ---- cluster_watch.c ---- */

/* After each iteration. */
void watch_run(struct sim *);
/* All is over, and has been for seconds: nobody reports any load, and nobody believes in any. */
void watch_idle(const struct sim *);
/* Of an answer: what the recorder of the node where it entered says of other nodes happened while
 * the request was under way. */
void watch_spans(struct sim *, const struct record *, const char *request_id);

#endif
