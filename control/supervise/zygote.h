/* zygote.h
 *
 * The process that cells are forked from, as hearthd has it: started, asked, closed.
 * Contract with it: runtime/zygote.h.
 *
 *            zygote_start            READY               zygote_close
 *     DOWN ---------------> BOOTING -------> UP ------------------------> ENDING --> DOWN
 *       ^                      | 5 s          | broken, or ended by itself    its socket ends; what
 *       +----------------------+--------------+                               stays is killed
 *
 * When and whether another one is started is for the owner to say; on_change tells it of UP and
 * DOWN. A FORK has one answer, in order: those that are open when it ends have none.
 *
 * Control thread only.
 */
#ifndef HEARTH_CONTROL_ZYGOTE_H
#define HEARTH_CONTROL_ZYGOTE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/base/loop.h"
#include "control/supervise/child.h"
#include "control/supervise/patience.h"
#include "control/supervise/words.h"
#include "runtime/zygote.h"

enum zygote_state { ZYGOTE_DOWN, ZYGOTE_BOOTING, ZYGOTE_UP, ZYGOTE_ENDING };

struct zygote;

struct zygote_config {
    const char *node_exe, *blob;
    char *preload; /* "LD_PRELOAD=..." */
    bool may_be_weaker, limits_speculation;
    bool has_cpus;
    cpu_set_t cpus; /* its cells inherit them */
    struct loop *loop;
    uint64_t *words_dropped;
    /* It is UP or DOWN now. */
    void (*on_change)(void *arg, struct zygote *);
    /* Answer of the oldest open FORK: a pid, not yet looked at, or -errno. */
    void (*on_forked)(void *arg, struct zygote *, int32_t pid);
    void *arg;
};

struct zygote {
    const struct zygote_config *config;
    enum zygote_state state;
    struct child child;
    bool has_ids; /* it was started as root: its cells get users of their own */
    int socket;   /* -1: none */
    struct loop_watch socket_watch;
    struct words words;
    struct loop_timer timer; /* of what is awaited: READY, an answer, its end */
    struct patience wait;
    uint32_t asked; /* FORKs without an answer */
    uint64_t started_ns, up_ns;
    const char *kill_reason;
    char v8[START_V8_BYTES_MAX + 1], last_exit[64];
};

/* In zeroed memory. config stays the caller's. */
void zygote_init(struct zygote *, const struct zygote_config *);
/* It is DOWN. 0 or -errno, and it is DOWN still; last_exit says why. */
int zygote_start(struct zygote *);
/* It is UP. Borrows the descriptors. False: not now, or never; nothing was asked. */
bool zygote_fork(struct zygote *, uint32_t uid, enum zygote_child, int socket, int words);
/* A FORK into that socket. Borrows the descriptors. False: it does not go in. */
bool zygote_order(int socket, uint32_t uid, enum zygote_child, const int fds[ZYGOTE_FORK_FDS]);
/* No more is asked of it: it ends by itself, or is killed. why: a constant, for the log. Nothing
 * happens if it is DOWN or ENDING. */
void zygote_close(struct zygote *, const char *why);
/* The same, at once. */
void zygote_kill(struct zygote *, const char *why);
/* hearthd ends: waits for its end and gives its descriptors up, come what may. */
void zygote_await_end(struct zygote *, uint64_t deadline_ns);

#endif
