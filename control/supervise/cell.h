/* cell.h
 *
 * One cell of the supervisor: its life, what it is told, what it says. Inside of supervise.
 *
 *   cell_life.c   forked, given a script, retired, killed, ended
 *   cell_link.c   its regions, as the cores see them
 *   cell_feed.c   to it: its regions, its script, pings
 *   cell_hear.c   from it: hostile input
 *
 * A spare or idle one costs hearthd this struct, four descriptors (start socket, pipe of words,
 * pidfd, eventfd), and 140 KB of address space for its region, of which it touches a page.
 *
 * Control thread only.
 */
#ifndef HEARTH_CELL_H
#define HEARTH_CELL_H

#include "control/supervise/cell_memory.h"
#include "control/supervise/child.h"
#include "control/supervise/forks.h"
#include "control/supervise/patience.h"
#include "control/supervise/region.h"
#include "control/supervise/script_cells.h"
#include "control/supervise/supervise.h"
#include "control/supervise/urgency.h"
#include "control/supervise/warm_pool.h"
#include "control/supervise/words.h"

struct template;

enum {
    CELL_MS = 1000 * 1000, /* in nanoseconds */
    /* Users of cells, one for each number: no other process has them, and none of them another
     * cell's. Above what systemd and useradd hand out, and what container managers take for theirs.
     * Above them those of templates, which their cells share. */
    CELL_UID_FIRST = 0x7f000000,
    TEMPLATE_UID_FIRST = CELL_UID_FIRST + CELLS_MAX,
};

/* A region as the cores see it. */
struct cell_link {
    struct region region;
    struct cell *cell; /* NULL: the number is free */
    uint64_t holders;  /* bit i: core i has heard ATTACH and not said RELEASED */
    uint32_t number, started;
    bool is_retired, is_detached;
};

struct cell {
    struct supervise *owner;
    uint32_t index;
    enum cell_state state;
    struct child child;
    int socket, wake_fd;
    struct loop_watch socket_watch;
    struct words words;
    struct cell_link *first, *large; /* large: NULL, or being brought up, or in use */
    struct fork fork;
    struct template *template; /* whose ids it has; NULL: its own */
    struct cell *next;         /* among the free or spare ones */
    struct cell *watch_next,
        **watch_link;  /* among those that are looked at; link NULL: it is not */
    uint64_t since_ns; /* of this state */
    uint64_t forked_ns;
    enum job_error fault; /* the limit of its script that is its end; NONE: another reason */
    struct patience boot; /* until "ready" */
    struct patience ping; /* from the one that is not answered yet */
    uint64_t ping_cpu_ns;
    uint32_t pings, pongs, large_ping; /* large_ping: the one sent behind the large region */
    const char *kill_reason;           /* NULL: it was not told to end */
    /* its script */
    struct script_cells *script; /* NULL: none */
    struct cell *next_of_script;
    struct warm_entry warm; /* while is_pooled */
    struct cell_memory memory;
    uint64_t bytes; /* that its account is charged with */
    struct urgency_watch urgency;
    bool computes;            /* that is what its urgency is */
    bool is_in_account;       /* it is, or soon will be, in the control group of its account */
    uint64_t cpu_ns, told_ns; /* told: its script */
    uint64_t closed_ns;       /* its end of the socket was; 0: no */
    uint64_t heard_look;      /* the look in which heard_bytes were heard */
    uint32_t heard_bytes, logs_in_second;
    uint64_t log_second;
    uint32_t live; /* jobs, at the last look at the counters */
    bool is_ready, is_pooled, is_muted;
    bool is_failed, is_spoiled; /* its script does not load; it said so itself */
    bool is_retired, is_faulty; /* it was told to end; it had to be killed */
    bool was_starting;
    bool is_awaited; /* whether a request waited for its start is still to be seen */
    bool has_run;    /* since its memory was looked at */
    bool large_is_up;
};

/* ---- cell_life.c ---- */

/* In zeroed memory. */
void cell_init(struct cell *, struct supervise *, uint32_t index);
/* It is FREE: asks the zygote, or the template of the script that it is to have. 0 or -errno, and
 * it is FREE still. */
int cell_fork(struct cell *, struct template *);
/* It is ready, or forked: if it is both and has no script, it is a spare. Either may come first. */
void cell_spare(struct cell *);
/* It has no script: it gets this one. */
void cell_assign(struct cell *, struct script_cells *);
/* It refuses what is started there, by its own word: it is retired, and replaced. */
void cell_spent(struct cell *);
/* Nothing new goes there; when the last job is over it is killed. */
void cell_retire(struct cell *, const char *why);
/* Its end is seen later. Does nothing if it is killed already. why: a constant. */
void cell_kill(struct cell *, const char *why);
/* Its memory, as its account is charged: from its script on until it is killed. */
void cell_charge(struct cell *, uint64_t bytes);
/* All cores may have let go: ends it, or frees it. */
void cell_released(struct cell *);
/* hearthd ends: waits for the end of one that was killed, and gives its region and descriptors up,
 * come what may. */
void cell_await_end(struct cell *, uint64_t deadline_ns);
void cell_set_state(struct cell *, enum cell_state);
/* Something is awaited of it, until cell_look says that nothing is. */
/* Takes in how many jobs it has; who has some, or starts, makes no room. */
void cell_pin(struct cell *);
void cell_watch(struct cell *);
void cell_unwatch(struct cell *);
/* Under way there, by the cores' counters. */
uint32_t cell_jobs(const struct cell *);
/* Every 50 ms while it is watched. False: there is nothing to look for. */
bool cell_look(struct cell *, uint64_t now_ns);
/* It has a script, and requests for it may go there. */
static inline bool cell_serves(const struct cell *c)
{
    return c->state == CELL_STARTING || c->state == CELL_WARM;
}

/* ---- cell_link.c ---- */

/* Of the cell's own number; the other ones are free large ones. 0 or -errno. */
int cell_link_open(struct cell_link *, struct cell *, const struct job_geometry *);
void cell_link_attach(struct cell_link *);
void cell_link_retire(struct cell_link *);
/* Its process is gone, or is as good as that. */
void cell_link_detach(struct cell_link *);
/* A core has let go. */
void cell_link_released(struct cell_link *, uint32_t core);
/* No core knows it. */
void cell_link_close(struct cell_link *);
struct cell_count cell_link_count(const struct cell_link *);
/* What the process says that it runs or ran in there, if that is its own script's, and what ended
 * it. */
struct job_blame cell_link_blame(const struct cell_link *);
/* A core has used a region up. */
void cell_enlarge(struct cell *);
/* It has mapped the large one. */
void cell_enlarged(struct cell *);

/* ---- cell_feed.c: false: it reads nothing, or its socket is broken ---- */

bool cell_tell_region(struct cell *, const struct cell_link *);
bool cell_tell_script(struct cell *, const struct script *);
/* Its template's: it may serve. */
bool cell_tell_leave(struct cell *, uint64_t handle);
bool cell_ping(struct cell *);

/* ---- cell_hear.c ---- */

/* Reads what has come, within its budget. */
void cell_hear(struct cell *);
/* A look begins: what waits beyond the former budget may be read. */
void cell_hear_again(struct cell *);

#endif
