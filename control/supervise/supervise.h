/* supervise.h
 *
 * The cells: forked, given a script, watched, ended. One cell runs one script.
 *
 *            fork          "ready"      a script        "loaded"
 *     FREE --------> FORKING ----> SPARE ---------> STARTING ----> WARM
 *       ^               | (a script may come before "ready")|        | makes room, spoiled, of an
 *       |               | too slow, hangs, breaks the       |        v old version, too many
 *       |               v contract, ends by itself          v     RETIRED
 *       +----------- ENDING <----------------------------------------+ no job any more
 *        all cores have let go, and the process is gone
 *
 *   core --START, LARGER, RELEASED--> [mail] --> table --ATTACH, RETIRE, DETACH--> [mail] --> core
 *
 * Spares are forked ahead, off the path of requests. A START that is demanded takes one, or a new
 * fork; what finds no room waits in a queue. Room (cells.max less the spares, and memory) is made
 * by the warm table (warm_pool.h): the least valuable cell without a job goes; for a guess only one
 * that nobody asked for within WARM_IDLE_NS. What an account with less than its part uses goes only
 * for another such account; one that has its part waits for its own. Cells that grow beyond the
 * budget: what is idle goes, then the largest of the account that has most, busy or not; a single
 * account may have more than the budget. An account with a ceiling makes room among its own
 * cells; where all of these have jobs for SUPERVISE_FULL_MS, the start is refused, and its
 * script held for a second. An account that has grown over its ceiling loses idle cells first,
 * then its largest.
 *
 * A link is one region of one cell, and its number is the same for all cores (cell_mail.h). The
 * first link of a cell has the cell's number; those above are the large ones. It ends in this
 * order: RETIRE, RELEASED by every core, the process is killed. If that ended by itself, DETACH
 * tells what it executed; cores do not run that again, and a script that ends its cells again and
 * again is held back (hold.h). Of what a cell says that it executed only its own script counts.
 *
 * A script whose start is dear (SUPERVISE_DEAR_US), and will be wanted again by its history, gets a
 * template (template.h): made in the background, worth its room as cells are (warm_pool.h), as old
 * as its zygote. Its next cells are forked there, and need no spare.
 *
 * A script has one cell, and more while its cells use most of a CPU each and the machine has idle
 * ones, up to cells.per_script.
 *
 * The zygote is renewed every cells.renew_s, so that not all cells share the addresses of one for
 * ever, and when there is doubt: it ended, does not answer, or a fork failed. The new one is READY
 * before the old one is closed, and cells live on.
 *
 * Times in which a cell waits for a CPU do not count (patience.h). What it says is hostile input
 * (start_report.h): a packet that does not parse is counted and dropped, and no more than
 * SUPERVISE_HEARD_BYTES_PER_LOOK are read between two looks, of an account's cells together no more
 * than SUPERVISE_HEARD_OF_ACCOUNT: who logs without an end keeps nobody else's cell from starting.
 * Control thread only.
 *
 * Rejected: a timer for each cell: the loop's list is short; one look every 50 ms goes over the
 * cells that something is awaited of, and every 250 ms over the counters of all. A queue of packets
 * for each cell: what it is told fits into its socket, or it does not read. RLIMIT_AS instead of a
 * look at its memory; V8 reserves address space that it counts.
 */
#ifndef HEARTH_SUPERVISE_H
#define HEARTH_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/base/loop.h"
#include "control/deploy/catalog.h"
#include "dataplane/base/limits.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/world.h"
#include "runtime/start.h"

enum {
    SUPERVISE_BACKOFF_FIRST_MS = 100,
    SUPERVISE_BACKOFF_MAX_MS = 30000,
    SUPERVISE_LOOK_MS = 50,
    SUPERVISE_PULSE_LOOKS = 5,       /* every so many looks the counters of the cores */
    SUPERVISE_SECOND_LOOKS = 20,     /* and the CPUs, and a ping to who is at work */
    SUPERVISE_HANG_MS = 5000,        /* without an answer and without computing: it hangs */
    SUPERVISE_SLACK_MB = 64,         /* of a cell beside what its script may have */
    SUPERVISE_FULL_MS = 500,         /* until a start is refused whose account has no room */
    SUPERVISE_MEMORY_US = 2000,      /* of a look go to how much memory cells have */
    SUPERVISE_FORKS_AT_ONCE = 32,    /* that the zygote has not answered */
    SUPERVISE_LOGS_PER_SECOND = 200, /* of one cell; more are dropped and counted */
    SUPERVISE_SHARE_MS = 20,         /* of CPU time: a cell joins its account's control group */
    SUPERVISE_BYTES_GUESS = 2 << 20, /* of a cell that was not looked at yet */
    SUPERVISE_OVER_PART = 32,        /* 1 / so much of the budget over it: a busy cell goes */
    SUPERVISE_TEMPLATES_MAX = 64,
    SUPERVISE_DEAR_US = 5000, /* CPU time of a start: from here on a template may be worth it */
    SUPERVISE_TEMPLATE_AGAIN_S = 60, /* that went by itself */
};

enum cell_state {
    CELL_FREE,
    CELL_FORKING,
    CELL_SPARE,
    CELL_STARTING,
    CELL_WARM,
    CELL_RETIRED,
    CELL_ENDING,
    CELL_STATES,
};

struct cgroup;

struct supervise_log {
    uint32_t cell;
    const char *script, *version; /* "" if the script is gone */
    const char *request, *level, *text;
};

struct supervise_config {
    uint32_t cells_max, spares, larges, per_script;
    const uint16_t *cpus;
    uint32_t cpus_count;   /* 0: anywhere */
    uint64_t memory_bytes; /* of all cells with a script */
    uint32_t renew_s;
    bool may_be_weaker;      /* a cell without namespaces or an empty root is better than none */
    bool limits_speculation; /* sandbox.h of the runtime: its price is there */
    uint32_t hang_ms;        /* 0: the default */
    uint64_t slack_bytes;    /* 0: the default */
    const char *node_exe, *program, *blob;
    uint32_t cpu_ms, wall_ms, heap_mb; /* of scripts that do not say */
    uint32_t subrequests;
    uint32_t lanes; /* dp cores */
    int core_wake_fd[64];
    struct cell_mail *mail[64]; /* of each core; stays the caller's. Links: supervise_links */
    int mail_fd;                /* eventfd that the cores ring */
    struct loop *loop;
    struct cgroup *cgroup; /* opened; NULL: none */
    struct catalog *catalog;
    /* It became able to serve or is no more, or other scripts are held: the world may follow. */
    void (*on_change)(void *arg);
    void (*on_log)(void *arg, const struct supervise_log *);
    /* A cell has started the script of that handle. error: NULL, or why it does not load, or how
     * the cell ended meanwhile; valid until the call returns. */
    void (*on_loaded)(void *arg, uint64_t handle, const char *error);
    void *arg;
};

struct supervise_status {
    int zygote_pid; /* 0: none is up */
    double zygote_age_s;
    uint32_t zygote_restarts; /* that were not asked for */
    char v8[START_V8_BYTES_MAX + 1];
    char last_exit[64]; /* of a cell that was not told to end, or the zygote; "" if none yet */
    uint32_t cells[CELL_STATES], larges;
    uint64_t memory_bytes;            /* of those with a script */
    bool is_memory_exact;             /* else an upper bound (cell_memory.h) */
    uint64_t started, ended, evicted; /* cells with a script */
    uint64_t spares_ended;            /* before they had one */
    uint64_t bad_packets, logs_dropped;
    uint64_t regions_lost; /* cells that ended because pages of a region were gone */
    uint32_t templates;    /* frozen */
    uint64_t template_bytes;
    uint64_t template_attacks; /* that forked unasked */
    /* for want of their account's memory: starts refused; cells evicted and killed, these also
     * where it has most of what is over the budget */
    uint64_t accounts_refused, accounts_evicted, accounts_killed;
};

/* What is known of one live script. */
struct supervise_script {
    uint32_t cells;  /* STARTING and WARM */
    uint64_t cold;   /* starts that a request waited for */
    uint64_t ahead;  /* other starts */
    uint64_t copies; /* of both, from its template */
    uint64_t requests, evicted, ended, cpu_us, memory_bytes;
    int template_pid; /* 0: there is none */
    uint64_t template_bytes;
    const char *no_template; /* why it can have none; "": it can, as far as is known */
    bool is_held;
    uint32_t pid_count;
    int pid[16]; /* of the first of them */
};

struct supervise;

/* The numbers that mails are made for. */
uint32_t supervise_links(uint32_t cells_max, uint32_t larges);
/* NULL and a sentence. The configuration is copied; starts nothing. */
struct supervise *supervise_create(const struct supervise_config *, char *error,
                                   size_t error_bytes);
/* Starts the zygote; what fails is tried again with backoff. */
void supervise_start(struct supervise *);
/* Kills what still runs and waits for it, SUPERVISE_STOP_MS at most, whatever it is; no core runs
 * any more. */
void supervise_destroy(struct supervise *);

/* Starts a script in a cell of its own, now or as soon as there is one, and tells how that ends
 * (on_loaded). keeps: the cell stays; else only if an older version has one. */
void supervise_try(struct supervise *, const struct script *, bool keeps);
/* That script is gone: no world routes to it any more. */
void supervise_forget(struct supervise *, uint64_t handle);

/* The zygote is up. */
bool supervise_can_serve(const struct supervise *);
/* And the spares have been, once. */
bool supervise_is_ready(const struct supervise *);
/* The scripts that may not run now (hold.h): their handles; full: bit i, for want of its account's
 * memory. on_change tells when that is over for one. */
uint32_t supervise_held(const struct supervise *, uint64_t handle[WORLD_HELD_MAX], uint64_t *full);
void supervise_status(const struct supervise *, struct supervise_status *);
void supervise_script(const struct supervise *, const struct script *, struct supervise_script *);

#endif
