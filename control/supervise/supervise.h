/* supervise.h
 *
 * The runtime processes: start, watch, feed with scripts, replace.
 *
 *                spawn           "ready"                    exit, hang, or condemned
 *     DOWN ----------> BOOTING ----------> UP -------------------------------+
 *      ^                  | 5 s, exit                                        |
 *      +------------------+--------------------------------------------------+
 *        again at once after a life of 10 s or more, or if a script ended it; else 100 ms,
 *        doubling to 30 s (the first death is free)
 *
 * What is to be killed and is not gone after SUPERVISE_KILL_MS (the kernel holds it, or signals to
 * it are not permitted) is told to end by the end of its socket, and killed again and again. Its
 * place stays empty meanwhile: another beside it would have its memory twice.
 *
 * Each life has its own region (memfd, hugepages if there are any, sealed size), eventfd and start
 * socket (runtime/start.h). The region is a part: it is unmapped when the last world that names it
 * is gone.
 *
 * Scripts reach a runtime in the order of their handles as fast as its socket takes them; one that
 * stops reading for 5 s is replaced. Behind them goes a ping; its answer says that they have been
 * taken: what is warm there in an older version is warm in the new one. A core that saw the
 * contract broken sets the life's condemned word; it is looked at every 50 ms, and the process's
 * resident memory every 200 ms. A process that neither answers a ping within 5 s nor uses the CPU
 * meanwhile hangs, and is replaced; one that computes has limits of its own inside. In all these
 * times what it waits for a CPU does not count (patience.h).
 *
 * A process that ends has said what it was executing (runtime/job.h). Cores do not run that again,
 * and a script that ends its processes again and again is held back (hold.h).
 *
 * What a runtime says is hostile input (start_report.h): a packet that does not parse is counted
 * and dropped, one row is kept for each live script, and no more than
 * SUPERVISE_HEARD_BYTES_PER_LOOK are read between two looks. Control thread only.
 *
 * Rejected: RLIMIT_DATA or RLIMIT_AS instead of a look at the resident memory
 * (SUPERVISE_MEMORY_SLACK_MB over the budget: killed); V8 reserves address space that these count,
 * and does not start under them. A queue of scripts for each runtime: nothing is unbounded. A plain
 * timeout for a ping: a script may compute for longer than any sensible one, up to its own limit,
 * which the process enforces itself.
 */
#ifndef HEARTH_SUPERVISE_H
#define HEARTH_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/base/loop.h"
#include "control/deploy/catalog.h"
#include "control/supervise/start_report.h"
#include "control/world/part.h"
#include "dataplane/base/limits.h"
#include "dataplane/world/world.h"

enum {
    SUPERVISE_READY_MS = 5000,
    SUPERVISE_FEED_MS = 5000,
    SUPERVISE_TAKE_MS = 1000, /* to start new versions of warm scripts; the world waits no longer */
    SUPERVISE_EXIT_MS = 500,  /* from the end of its socket to its own end */
    SUPERVISE_STABLE_MS = 10000,
    SUPERVISE_BLAMED_MS =
        1000, /* a script ended it: after a life of that length the next begins at once */
    SUPERVISE_BACKOFF_FIRST_MS = 100,
    SUPERVISE_BACKOFF_MAX_MS = 30000,
    SUPERVISE_LOOK_MS = 50,
    SUPERVISE_PING_LOOKS = 20,  /* every so many looks a ping, unless one is out */
    SUPERVISE_HANG_MS = 5000,   /* without an answer and without computing: it hangs */
    SUPERVISE_MEMORY_LOOKS = 4, /* every so many looks at the resident memory too */
    SUPERVISE_MEMORY_SLACK_MB =
        3072, /* over the budget: V8's own 2 GiB of slack at a heap limit, and 1 */
    SUPERVISE_LOGS_PER_SECOND = 200, /* of one runtime; more are dropped and counted */
};

/* ENDING: killed, and its end awaited; no world routes to it any more. */
enum supervise_state { SUPERVISE_DOWN, SUPERVISE_BOOTING, SUPERVISE_UP, SUPERVISE_ENDING };

struct supervise_log {
    uint32_t runtime;
    const char *script, *version; /* "" if the script is gone */
    const char *request, *level, *text;
};

struct supervise_config {
    uint32_t count; /* at most RUNTIMES_MAX */
    const uint16_t *cpus;
    uint32_t cpus_count; /* 0: anywhere */
    uint64_t memory_bytes;
    uint32_t hang_ms; /* 0: the default */
    /* Resident memory over memory_bytes and this: killed. 0: the default. */
    uint64_t memory_slack_bytes;
    const char *node_exe, *program, *blob;
    uint32_t cpu_ms, wall_ms, heap_mb; /* of scripts that do not say */
    uint32_t subrequests;
    uint32_t lanes; /* dp cores */
    int core_wake_fd[64];
    struct loop *loop;
    struct catalog *catalog;
    /* A runtime came up or went down, or has been told everything: the world may need to follow. */
    void (*on_change)(void *arg);
    void (*on_log)(void *arg, const struct supervise_log *);
    /* A runtime has started the script of that handle (of one that was not told to it nothing is
     * said). error: NULL, or why it does not load; valid until the call returns. */
    void (*on_loaded)(void *arg, uint64_t handle, const char *error);
    void *arg;
};

struct supervise_status {
    enum supervise_state state;
    int pid;
    uint64_t life;
    uint32_t restarts;
    uint64_t since_ns; /* of this state, loop_now_ns */
    bool has_huge;     /* the region lies in hugepages */
    char v8[32];
    char last_exit[64]; /* "" if none yet */
    uint64_t isolates, memory_bytes;
    uint64_t bad_packets, logs_dropped;
    uint64_t regions_lost; /* lives that ended because pages of the region were gone */
};

struct supervise;

/* NULL and a sentence. The configuration is copied; starts nothing. */
struct supervise *supervise_create(const struct supervise_config *, char *error,
                                   size_t error_bytes);
/* Starts all processes; what fails is tried again with backoff. */
void supervise_start(struct supervise *);
/* Kills what still runs and waits for it, SUPERVISE_STOP_MS at most, whatever it is; gives the
 * regions up. */
void supervise_destroy(struct supervise *);

/* New scripts are in the catalog. */
void supervise_tell(struct supervise *);
/* Asks runtime i to start a script and to say whether it loads (on_loaded), now or never. False: it
 * is not up, has not been told of the script yet, or takes no more now. */
bool supervise_try(struct supervise *, uint32_t i, uint64_t handle, bool keeps);
/* No world routes to it any more. */
void supervise_forget(struct supervise *, uint64_t handle);
/* Has every runtime that is up been told all scripts up to this handle, and said that it has
 * taken them (or had SUPERVISE_TAKE_MS to)? */
bool supervise_is_told(const struct supervise *, uint64_t handle);

uint32_t supervise_count(const struct supervise *);
uint32_t supervise_up_count(const struct supervise *);
/* How the cores see runtime i; *region is its part (NULL: down), of which the caller takes a hold
 * if it keeps it. */
struct world_runtime supervise_runtime(const struct supervise *, uint32_t i, struct part **region);
/* The scripts that may not run now (hold.h): their handles. on_change tells when that is over for
 * one. */
uint32_t supervise_held(const struct supervise *, uint64_t handle[WORLD_HELD_MAX]);
void supervise_status(const struct supervise *, uint32_t i, struct supervise_status *);
/* What runtime i last said of a live script; NULL: nothing in this life. Valid until the loop goes
 * on. */
const struct script_row *supervise_script(const struct supervise *, uint32_t i,
                                          const struct script *);

#endif
