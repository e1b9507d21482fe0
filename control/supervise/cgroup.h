/* cgroup.h
 *
 * The kernel's control groups of hearthd and its cells: who shares the CPU with whom, and how much
 * memory an account has in all.
 *
 *   TOP/hearthd            hearthd and all its threads                cpu  CGROUP_HEARTHD_WEIGHT
 *   TOP/cells/.spare       the zygote, spares, and young cells        cpu  CGROUP_SPARE_WEIGHT
 *   TOP/cells/ACCOUNT      those of one account that have computed    cpu  100: all accounts alike
 *                                            memory: its cells_memory_mb; pids
 *
 *   v2     if hearthd's own group was delegated (Delegate= of a unit; the root of a container) and
 *          nobody else is in it
 *   v1     in each hierarchy that it can write to
 *   none   the kernel's scheduler and the looks at each cell are all there is; `why` says why
 *
 * TOP is hearth-PID in the group that hearthd was started in.
 *
 * cgroup_open is for who may make directories there, before privileges go; it gives them to the
 * user who hearthd becomes. From cgroup_start on a thread of its own does what may take long: the
 * first process that is moved after a while waits for a grace period of the kernel's RCU (10 to 40
 * ms), and a limit below what is in use for memory to be given back. Until then a cell is among the
 * spares; it is moved when it has used SUPERVISE_SHARE_MS of a CPU: the kernel holds all forks up
 * while it moves a process.
 *
 * A pid in the queue is looked at once more before it is moved: it is hearthd's child still, or
 * nothing happens. (That it became another child's meanwhile, all pids would have to be used up
 * within the milliseconds between.)
 *
 * Never fatal: what does not work is counted, with its last reason. Control thread, but for the one
 * inside. Source: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/; systemd's
 * CGROUP_DELEGATION.md.
 *
 * Rejected: a group for each cell: 1,000 idle ones are walked through at each balance, and the
 * account is who shares. Moving a cell on the way of its start: 10 to 40 ms of a start's 2. Moving
 * each cell: where 100 start in a second the median start took 62 to 69 ms, and 18 without.
 * CLONE_INTO_CGROUP: a spare is forked before it has an account.
 */
#ifndef HEARTH_CGROUP_H
#define HEARTH_CGROUP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/base/limits.h"

enum {
    CGROUP_HEARTHD_WEIGHT = 1000, /* of a CPU that cells want too, who have 100 together */
    CGROUP_SPARE_WEIGHT = 1000,   /* of those: where starts are, of all accounts */
    CGROUP_QUEUE_MAX = 2 * CELLS_MAX,
};

#define CGROUP_SPARE ".spare" /* no account's name */

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };
enum cgroup_controller { CGROUP_CPU, CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CONTROLLERS };

/* What the thread is to do. */
struct cgroup_order {
    char group[ACCOUNT_NAME_BYTES_MAX + 1];
    pid_t pid;             /* to be moved there; 0: a limit */
    uint64_t memory_bytes; /* 0: none */
};

struct cgroup {
    enum cgroup_kind kind;
    char why[160];               /* of NONE */
    int top[CGROUP_CONTROLLERS]; /* directories; -1: not there. Of v2 the first is all */
    char path[4096];             /* of the first: for people */
    char name[24];               /* the last part of it */
    bool has[CGROUP_CONTROLLERS];
    uid_t uid;
    gid_t gid;
    uint32_t pids_max;
    /* the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t bell;
    struct cgroup_order *queue; /* NULL: there is no thread */
    uint32_t head, count;
    bool is_ending;
    _Atomic uint64_t moved, failed;
    _Atomic int last_error; /* errno of the last failure */
};

/* proc: "/proc/self". cells_max: for the number of threads that a group may have. uid, gid: who
 * hearthd becomes; its own: nobody else. Moves hearthd. */
void cgroup_open(struct cgroup *, const char *proc, uint32_t cells_max, uid_t, gid_t);
/* 0 or -errno: then nothing is moved any more. */
int cgroup_start(struct cgroup *);
/* Its processes have ended. Moves hearthd back, and takes the groups away. Of zeroed memory too. */
void cgroup_close(struct cgroup *);

/* Is there, from now on. */
void cgroup_add(struct cgroup *, const char *account);
/* No cell of it lives. */
void cgroup_remove(struct cgroup *, const char *account);
/* 0: no limit. Soon. */
void cgroup_limit(struct cgroup *, const char *account, uint64_t memory_bytes);
/* Soon. CGROUP_SPARE is a group as well. */
void cgroup_move(struct cgroup *, const char *account, pid_t);

/* "v2", "v1", "none" */
const char *cgroup_kind_name(enum cgroup_kind);
extern const char *const cgroup_controller_name[CGROUP_CONTROLLERS];
/* Which of them this machine shares its CPUs by, whether hearthd could use it or not. */
enum cgroup_kind cgroup_mounted(const char *proc);

#endif
