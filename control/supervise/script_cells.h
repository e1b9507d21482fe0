/* script_cells.h
 *
 * What the supervisor knows of one live script: its cells, how often it is asked for, and what it
 * has cost.
 *
 *   catalog's slot --> struct script_cells --> cell -> cell -> ...
 *
 * Made when somebody first wants the script; stays, for its history, until the script is gone and
 * its last cell too. A new version begins with the history of the one before. Counters are of this
 * version, since hearthd began.
 *
 * Control thread only.
 */
#ifndef HEARTH_SCRIPT_CELLS_H
#define HEARTH_SCRIPT_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/deploy/catalog.h"
#include "control/supervise/warm_pool.h"
#include "control/supervise/width.h"

struct account_cells;
struct account_table;
struct cell;
struct template;

struct script_cells {
    uint64_t handle;
    uint32_t slot;
    struct account_cells *account;
    bool computes;      /* for long at a time (urgency.h) */
    bool is_gone;       /* the catalog has forgotten it */
    struct cell *first; /* all that have it, RETIRED and ENDING ones too */
    struct warm_history history;
    struct script_queue *queue; /* in which it waits for a cell; NULL: it does not */
    struct script_cells *next_wanted;
    uint64_t wanted_ns;
    bool is_awaited;         /* a core said so, requests wait or will come */
    bool is_tried, keeps;    /* the next start is a trial's; its cell stays */
    uint64_t renewed_ns;     /* when a cell of it was last replaced */
    uint64_t rests_until_ns; /* its cells are spent too fast: gets none before; 0: no */
    uint64_t cold, ahead, requests, evicted, ended, cpu_ns;
    uint64_t judged_cpu_ns; /* cpu_ns at the last look at the CPUs */
    struct width width;
    /* its template */
    struct template *template; /* NULL: none */
    uint32_t load_us;          /* CPU time of the last start that had to run the top level */
    uint32_t loads;            /* how many these were */
    uint64_t copies;           /* starts from the template */
    uint64_t template_after_ns;
    char no_template[128]; /* why there can be none; "": nothing is known */
};

/* Those that wait for a cell, in order. */
struct script_queue {
    struct script_cells *first, **last; /* last NULL: it was never used */
};

struct script_table {
    struct script_cells **by_slot;
    uint32_t room;
    struct account_table *accounts; /* stays the caller's */
};

/* NULL: nobody ever wanted it. */
struct script_cells *script_table_find(const struct script_table *, const struct script *);
/* The same, made if it is not there. NULL: no memory. */
struct script_cells *script_table_take(struct script_table *, const struct script *);
/* It is gone, and has no cell. */
void script_table_drop(struct script_table *, struct script_cells *);
/* Frees all. */
void script_table_fini(struct script_table *);

/* It is in none. */
void script_queue_put(struct script_queue *, struct script_cells *);
/* Out of the one that it is in, if any. */
void script_queue_take(struct script_cells *);

void script_cells_add(struct script_cells *, struct cell *);
void script_cells_remove(struct script_cells *, struct cell *);
/* It rests; what is asked for meanwhile is asked for again. False: it does not, or no more. */
bool script_cells_rests(struct script_cells *, uint64_t now_ns);
/* Those that requests may go to. */
uint32_t script_cells_serving(const struct script_cells *);

#endif
