/* process.h
 *
 * One runtime process of the supervisor: its life, what it is told, what it says. Inside of
 * supervise.
 *
 *   process_life.c   started, killed, ended, started again
 *   process_feed.c   to it: its region, scripts, what to forget, pings
 *   process_hear.c   from it: hostile input
 *   process_words.c  from it, on its standard output and error: as hostile, for people to read
 *
 * Control thread only.
 */
#ifndef HEARTH_PROCESS_H
#define HEARTH_PROCESS_H

#include "control/supervise/hold.h"
#include "control/supervise/patience.h"
#include "control/supervise/region.h"
#include "control/supervise/region_guard.h"
#include "control/supervise/start_report.h"
#include "control/supervise/supervise.h"
#include "runtime/start.h"

enum {
    PROCESS_MS = 1000 * 1000, /* in nanoseconds */
};

struct process {
    struct supervise *owner;
    uint32_t index;
    enum supervise_state state;
    pid_t pid;
    uint64_t life;
    uint32_t restarts;
    uint64_t since_ns, started_ns;
    uint32_t backoff_ms;
    int pidfd, socket, words_fd;
    struct region *region;
    struct loop_watch pid_watch, socket_watch, words_watch;
    struct loop_timer boot_timer, feed_timer, respawn_timer, kill_timer;
    struct patience boot, feed;
    uint32_t strikes; /* times that it was to be killed */
    bool is_struck;   /* the signal reached it */
    const char *kill_reason;
    /* what it has been told */
    bool knows_region, is_blocked;
    uint64_t told;       /* the highest handle */
    uint64_t taken;      /* and what of it, by its own word, it has read; at most told */
    uint64_t untaken_ns; /* taken < told: since when */
    uint64_t *forgets;
    uint32_t forget_count, forget_room;
    /* what it said */
    char v8[32], last_exit[64];
    uint64_t ended_life;       /* the life before */
    struct job_blame ended_by; /* and what it executed at its end */
    uint64_t isolates, memory_bytes, bad_packets, logs_dropped, regions_lost;
    struct script_row
        *row; /* what it last said of the script of that slot; of another handle: nothing yet */
    uint32_t rows;
    uint32_t heard_bytes; /* since the last look */
    bool is_unheard;      /* it said too much: until the next look nobody listens */
    struct patience ping; /* from the ping that is not answered yet */
    double ping_cpu_s;    /* CPU time of the process then */
    uint64_t log_second;
    uint32_t logs_in_second;
    char words[SUPERVISE_WORDS_LINE_BYTES]; /* a line that has no end yet */
    uint32_t words_used, words_bytes;       /* bytes: since the last look */
    uint64_t words_second;
    uint32_t words_in_second;
};

struct supervise {
    struct supervise_config config;
    uint16_t cpus[64];
    char *node_exe, *program, *blob, *preload;
    uint64_t lives;
    bool is_stopping;
    struct loop_timer look_timer, hold_timer;
    struct hold_table holds;
    uint32_t looks;
    uint8_t packet[START_PACKET_BYTES_MAX];
    struct start_report report;
    struct process process[RUNTIMES_MAX];
};

/* ---- process_life.c ---- */

/* Starts it now; what fails is tried again with backoff. arg: the process. */
void process_respawn(void *arg);
/* Its end is seen later. Does nothing if it is down, or killed already. why: a constant. */
void process_kill(struct process *, const char *why);
/* hearthd ends: waits for the end of one that was killed, and gives its region and descriptors up,
 * come what may. */
void process_await_end(struct process *, uint64_t deadline_ns);
void process_set_state(struct process *, enum supervise_state);
/* Awaits what it has to say, if that is to be heard now, and room for what it is to be told. */
void process_watch_socket(struct process *);
/* Sets the timer again for what is left of its time to do something. False: nothing is. */
bool process_is_given_time(struct process *, const struct patience *, uint32_t ms,
                           struct loop_timer *);

/* ---- process_feed.c ---- */

/* Tells it what it should know and does not, as far as its socket takes it. */
void process_feed(struct process *);
void process_ping(struct process *);
/* False: not now. */
bool process_try(struct process *, uint64_t handle, bool keeps);
/* The first script that it has not been told; NULL: none. */
const struct script *process_next_script(const struct process *);

/* ---- process_hear.c ---- */

/* Reads what has come, within its budget. */
void process_hear(struct process *);
/* A look begins: what waits beyond the former budget may be read. */
void process_hear_again(struct process *);

/* ---- process_words.c ---- */

/* Takes the reading end of its pipe over and watches it. 0 or -errno. */
int process_words_open(struct process *, int fd);
/* It has ended: the rest goes to the log. */
void process_words_close(struct process *);
/* A look begins. */
void process_words_again(struct process *);

#endif
