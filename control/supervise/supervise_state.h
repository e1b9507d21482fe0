/* supervise_state.h
 *
 * The table on which all parts of the supervisor lie. Inside of supervise.
 *
 *   supervise.c        its life, and what others ask
 *   supervise_room.c   who gets a cell: spares, wishes, forks, room
 *   supervise_look.c   what is looked at: who hangs, who was asked for, memory, CPUs
 *   templates.h        which scripts have a template
 */
#ifndef HEARTH_SUPERVISE_STATE_H
#define HEARTH_SUPERVISE_STATE_H

#include "control/supervise/account_cells.h"
#include "control/supervise/cell.h"
#include "control/supervise/forks.h"
#include "control/supervise/hold.h"
#include "control/supervise/start_report.h"
#include "control/supervise/supervise.h"
#include "control/supervise/template.h"
#include "control/supervise/zygote.h"

struct supervise {
    struct supervise_config config;
    uint16_t cpus[64];
    char *node_exe, *program, *blob, *preload;
    bool has_tables, is_stopping, was_ready;
    bool wants_zygote; /* another one, or one at all */
    struct loop_watch mail_watch;
    struct loop_timer look_timer, hold_timer, zygote_timer, renew_timer, refill_timer;
    /* The one that is asked, and the one that comes or goes. */
    struct zygote_config zygote_config;
    struct zygote zygote[2];
    uint32_t current; /* index of the one that is asked */
    struct forks forks[2];
    uint32_t restarts, zygote_backoff_ms, fork_backoff_ms;
    uint64_t fork_after_ns, fork_failed_ns; /* after: none before that */

    struct cell *cell; /* cells_max */
    struct template template[SUPERVISE_TEMPLATES_MAX];
    uint64_t template_attacks;
    struct cell_link *link;      /* supervise_links */
    _Atomic uint32_t *condemned; /* of each link */
    int32_t *pid;                /* of each cell; 0: none */
    struct cell *free, *spare;   /* chains */
    struct cell *watched;
    uint32_t count[CELL_STATES], larges;
    struct account_table accounts;
    struct script_table scripts;
    struct warm_pool pool;
    struct script_queue wanted; /* that wait for a cell, because it is demanded */

    struct hold_table holds;
    uint64_t looks, idle_ns, seconds_ns;
    uint32_t next_memory; /* the cell at which the next look at memory begins */
    uint32_t memory_left; /* cells to come to until each was looked at, if it has run */
    bool is_memory_exact;
    uint8_t packet[START_PACKET_BYTES_MAX];
    struct start_report report;
    char last_exit[64];
    uint64_t started, ended, spares_ended, evicted, bad_packets, logs_dropped, regions_lost;
    uint64_t accounts_refused, accounts_evicted, accounts_killed;
};

/* ---- supervise.c ---- */

void supervise_changed(struct supervise *);
/* A cell ended while it ran its script, which is held back if it goes on. */
void supervise_blame(struct supervise *, struct script_cells *, const char *how);
/* A child of hearthd's that it knows. */
bool supervise_has_pid(const struct supervise *, int32_t pid);
/* Its account has no memory for one more cell. */
void supervise_refuse(struct supervise *, struct script_cells *);
/* A start has come to its end. */
void supervise_tell_loaded(struct supervise *, const struct script_cells *, const char *error);

/* ---- supervise_room.c ---- */

/* Asks the zygote for whom that fork is part of. False: not now. */
bool supervise_ask(struct supervise *, struct fork *, uint32_t uid, enum zygote_child, int socket,
                   int words);
/* What waits may have a cell now, and spares are filled up. */
void supervise_serve(struct supervise *);
/* It is to have one more cell, as soon as that can be. */
void supervise_want(struct supervise *, struct script_cells *);
/* What waits for room of its account: one of each may have found it, or has waited for too long. */
void supervise_serve_accounts(struct supervise *, uint64_t now_ns);
/* Of a guess: now or never. */
void supervise_guess(struct supervise *, struct script_cells *);
void supervise_on_forked(void *supervise, struct zygote *, int32_t pid);
void supervise_on_zygote(void *supervise, struct zygote *);
/* Another one is to take its place. */
void supervise_renew(struct supervise *, const char *why);
/* The fork of a cell came to nothing: the next ones wait. */
void supervise_fork_failed(struct supervise *, bool is_zygotes_doing);
/* Cells and templates go until the others fit into the budget. */
void supervise_fit(struct supervise *);
/* The same until so many bytes more would fit; only what was not used for idle_ns goes. */
bool supervise_make_bytes(struct supervise *, uint64_t bytes, uint64_t idle_ns);

/* ---- supervise_look.c ---- */

/* So much memory of a process's own is more than its script may have and what is beside it. */
bool supervise_is_bloated(const struct supervise *, uint64_t bytes);

void supervise_look(void *supervise);

#endif
