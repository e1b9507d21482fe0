/* model_cells.h
 *
 * The cells of one node of one core, and the control thread's part in their lives.
 *
 *   core --START, LARGER--> hear --room, or a victim of the warm table--> forks: 0.2 to 3 ms
 *    ^ <--ATTACH------------------------------------------------------------- |
 *    |                       cell (model_runtime.h) <-------------------------+
 *    | <--RETIRE--   it is evicted, or of a version that is gone; or a larger region takes over
 *    | <--DETACH--   it has died: what it executed is said for each of its regions
 *    +--RELEASED---> the region is unmapped at once, its number is free; a cell ends with its last
 *
 * Which one goes is the product's own decision (warm_pool.h), fed by what the core counts of each
 * link. A guess only takes what is idle. What is held back, or was deployed over, gets no cell.
 * While the zygote is away none starts, and the world says so.
 *
 * Checked: RELEASED comes once for a link that was retired or detached, and no job of it is left;
 * a retired link gets no new job; what was demanded gets its cell in time, or there is no room;
 * what waits for a cell looks again when it comes; the core believes in no queueing delay that was
 * not there.
 *
 * Time is sim_now_ns.
 */
#ifndef HEARTH_SIM_MODEL_CELLS_H
#define HEARTH_SIM_MODEL_CELLS_H

#include "control/supervise/warm_pool.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/world.h"
#include "tests/sim/model_runtime.h"
#include "tests/sim/queue_watch.h"

enum {
    MODEL_CELLS = 96, /* at a time, those that end too */
    MODEL_LINKS = 128,
    MODEL_LARGES = 4,
    MODEL_SCRIPTS = 256, /* handles that are told apart */
};

struct core;

enum model_cell_state { MODEL_CELL_FREE = 0, MODEL_CELL_FORKS, MODEL_CELL_UP, MODEL_CELL_ENDS };

struct model_cell {
    uint8_t state;      /* enum model_cell_state */
    uint64_t at_ns;     /* FORKS: is there then */
    uint64_t larger_ns; /* gets a larger region then; 0: does not */
    struct warm_entry entry;
    struct model_script *script;
    struct model_runtime *runtime; /* NULL: not yet */
    uint32_t link[MODEL_LANES];    /* 1 + its number; 0: none */
};

struct model_script {
    uint64_t handle;
    struct warm_history history;
    uint64_t demanded_ns; /* and no cell yet; 0: not */
    uint64_t stalled_ns;  /* a cell of it is or was stalled until then */
};

enum model_link_state {
    MODEL_LINK_FREE = 0,
    MODEL_LINK_ATTACHED,
    MODEL_LINK_RETIRED,
    MODEL_LINK_DETACHED
};

struct model_link {
    uint8_t state;    /* enum model_link_state */
    bool is_followed; /* the core has read the last news of it */
    uint32_t lane;
    uint32_t started; /* as of the last look at its pulse */
    struct model_cell *cell;
    struct queue_watch queue;
};

struct model_cells {
    struct cell_mail *mail;
    struct world *world;
    struct model_manner manner;
    uint32_t owner;
    int bell; /* the core's; whoever makes that sets it */
    /* A start that was demanded found no room. */
    void (*full)(void *arg, uint64_t script);
    struct model_tally tally;
    struct warm_pool pool; /* one byte each */
    struct model_cell cell[MODEL_CELLS];
    struct model_link link[MODEL_LINKS];
    struct model_script script[MODEL_SCRIPTS];
    uint32_t cells_end, links_end; /* behind the last one in use */
    bool has_news;                 /* that the core has not read */
    bool is_deaf;                  /* did not listen this time */
    uint64_t slow_ns;              /* between two looks of a cell into its rings; 0: as ever */
    uint64_t away_until_ns;        /* the zygote; 0: it is there */
    uint64_t followed_epoch, swept_epoch;
};

/* room: cells at a time. The world is the caller's; whether cells can be started is set in it. */
void model_cells_init(struct model_cells *, struct world *, uint32_t room, uint32_t owner,
                      const struct model_manner *, void (*full)(void *arg, uint64_t script));
/* The core is gone. */
void model_cells_fini(struct model_cells *);
/* After each iteration of the core. */
void model_cells_check(struct model_cells *, const struct core *);
/* A job that the core has given up was cancelled: nobody would ever grant it what it waits for. */
void model_cells_check_jobs(struct model_cells *, struct core *);
/* Everything is over: nothing is left in the core's tables. */
void model_cells_check_end(struct model_cells *, const struct core *);
/* True: the world changed and must be published. */
bool model_cells_work(struct model_cells *);
uint64_t model_cells_next_ns(const struct model_cells *);
/* The next news wait for the core: it should iterate now. */
bool model_cells_have_news(const struct model_cells *);

/* The zygote ends; another one is there at that time. The world must be published. */
void model_cells_end_zygote(struct model_cells *, uint64_t until_ns);
/* One that is up, of those with jobs if there are any; NULL: none. */
struct model_runtime *model_cells_pick(const struct model_cells *);
/* It takes nothing new, and ends with its last job. */
void model_cells_end(struct model_cells *, const struct model_runtime *);
/* All that are up die at that time. */
void model_cells_end_all(struct model_cells *, uint64_t at_ns);
void model_cells_stall(struct model_cells *, struct model_runtime *, uint64_t until_ns);
/* All that are up, and those that come. */
void model_cells_slow(struct model_cells *, uint64_t slow_ns);
/* When the last stall of that script ends, or ended. */
uint64_t model_cells_stalled_ns(struct model_cells *, uint64_t script);
/* All that the core has sent is taken in. */
void model_cells_read(struct model_cells *);

#endif
