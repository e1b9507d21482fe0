/* model_host.h
 *
 * The machine on which control/supervise runs, on virtual time: its clock, its zygotes, its child
 * processes, and what the kernel tells of them. The supervisor is the real one, with its loop, its
 * sockets, its eventfds and its regions; what would be other processes is here.
 *
 *   supervise --zygote_fork--> zygote: an answer in 0.3 to 3 ms, in order
 *      |  ^                       +--> process: "ready"; a script: model_runtime on C lanes
 *      |  +--- start socket ----------- "loaded" "pong" "spoiled"
 *      +-child_strike--> it is gone soon, or not so soon; its pidfd tells
 *
 * It defines the functions of zygote.h, child.h and procfs.h, log_line, and clock_gettime. They
 * have no argument for whose they are, so there is one the_host.
 *
 * Checked here: a region goes when no core looks at it any more; a script's packet and a larger
 * region come once; what a process is asked for fits to what it is.
 */
#ifndef HEARTH_SIM_MODEL_HOST_H
#define HEARTH_SIM_MODEL_HOST_H

#include "control/supervise/supervise.h"
#include "tests/sim/model_runtime.h"

enum { HOST_PROCESSES = 96, HOST_FORKS = 64 };

struct core;
struct zygote;

struct host_process {
    int32_t pid;    /* 0: none */
    uint32_t index; /* of its cell */
    int socket, pidfd;
    bool has_ended, is_ready, has_script, is_told; /* told: "loaded" was said */
    uint64_t ready_ns;
    uint64_t dies_ns; /* struck, or of itself */
    uint64_t pong_ns; /* it answers pings then; UINT64_MAX: none waits */
    uint32_t pings;
    uint64_t slow_pong_ns; /* its answers take so long */
    bool dies_starting;
    uint64_t bytes, cpu_ns;
    struct model_runtime *runtime; /* NULL: it has no script */
};

struct host_fork { /* that the zygote has not answered */
    struct zygote *zygote;
    uint32_t uid;
    int socket;
    uint64_t at_ns;
};

/* What it may do to those who live on it, and how often it did. */
struct host_weather {
    uint64_t forks_fail_ns, zygotes_fail_ns; /* until then */
    uint32_t stubborn_percent;               /* of those that are struck die late */
    uint32_t starting_percent;               /* die while their script starts */
    uint64_t larger_late_ns;                 /* pings are answered so late at most */
    uint64_t bytes;                          /* of a cell, about */
    uint32_t fork_us;                        /* a fork takes so long at most */
    uint32_t failed_forks, failed_zygotes, stubborn, died_starting, late_larges;
};

struct host {
    struct supervise *supervise;
    uint32_t cores;
    struct core **core;
    struct model_manner manner;
    struct model_tally tally;
    void (*lied)(void *arg, uint64_t script); /* a cell that runs that */
    void *arg;
    struct host_weather weather;
    struct host_process process[HOST_PROCESSES];
    struct host_fork fork[HOST_FORKS];
    uint32_t forks;
    struct zygote *zygote[2]; /* that have a process; NULL: none */
    uint64_t zygote_ns[2];    /* BOOTING: up then; ENDING: gone then; UP: dies then */
    int32_t last_pid;
};

extern struct host the_host;

void host_init(uint32_t cores, struct core **core, const struct model_manner *);
void host_fini(void);
/* All that is due. */
void host_work(void);
uint64_t host_next_ns(void);
/* A process that runs a script, of those with jobs if there are any; NULL: none. */
struct host_process *host_pick(void);
void host_say(struct host_process *, const char *packet);
/* It ends at that time, whatever it does. */
void host_end(struct host_process *, uint64_t at_ns);
/* The zygote ends by itself; false: none is up. */
bool host_end_zygote(void);
/* Of that link: nothing new comes there. */
void host_retired(uint32_t link);

#endif
