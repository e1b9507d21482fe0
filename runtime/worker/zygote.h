/* zygote.h
 *
 * hearth-zygote: the process that cells are forked from. runtime/zygote.h has its protocol.
 *
 *   V8 up -> isolate made -> zygote_warm -> zygote_learn -> zygote_run: sealed, READY, then for
 *   each FORK
 *
 *     zygote   clone -----------------------------------------> FORKED
 *     cell       |-> footprint_take, descriptors -> sandbox_become -> cell.h: region, monitor, seal
 *     template   |-> descriptors -> sandbox_become -> template.h: seal, script; then for each FORK
 *     its cell       clone |-> descriptors -> sandbox_follow -> cell.h
 *
 * Everything that all cells need is done once, before; what a cell changes of it the kernel copies
 * for it then, a page at a time. So the zygote is as far as a process without a script can be, and
 * a cell touches as little of it as it can.
 *
 * Nothing that should differ between cells is in it: Math.random and performance begin anew
 * (WEB_RENEW), crypto asks the kernel. The same in all cells of one zygote, for V8 can not change
 * them: addresses, hash seeds, the stack's canary. A new zygote has others.
 *
 * Thread: one. A fork copies the thread that calls it only.
 *
 * Rejected: fork(). It can not make the cell hearthd's child (CLONE_PARENT), and what it does
 * besides is for others: it runs the handlers of pthread_atfork(), which are jemalloc's, and takes
 * the locks of stdio and malloc, lest another thread holds one. There is no other thread. It sets
 * the id that the C library keeps for the thread; the kernel does it here (CLONE_CHILD_SETTID), for
 * recursive mutexes and pthread_getaffinity_np() look at it. It registers the list of robust
 * mutexes, of which there are none.
 *
 * Rejected: to collect the heap before the fork. A full collection drops bytecode, and every cell
 * compiles it again: 0.73 MB of its own after the first answer instead of 0.40 (it is less only
 * after 1,000 of larger ones: 3.4 instead of 4.1).
 *
 * Rejected: to warm by 32 requests. They make the bytecode (0.49 MB instead of 0.51 without any);
 * 1,200 also the machine code of what every request runs: 0.40 MB, and 1.15 instead of 1.66 after
 * 1,000 requests. The zygote is ready 50 ms later.
 */
#ifndef HEARTH_WORKER_ZYGOTE_H
#define HEARTH_WORKER_ZYGOTE_H

#include <stdbool.h>

struct worker;

struct zygote_options {
    bool may_be_weaker;      /* else there is no zygote without namespaces and an empty root */
    bool limits_speculation; /* sandbox_limit_speculation */
};

/* Answers requests of a script of its own in the worker's isolate, through rings and web platform,
 * and takes the script out again. In a worker that has an isolate and no region. */
void zygote_warm(struct worker *);
/* Has a child be a cell from its start socket to its first answer, for the worker's footprint.
 * NULL, or why there is none. */
const char *zygote_learn(struct worker *);

/* Serves START_FD until its other end is closed: 0; or -errno and *what. In a cell it does not
 * return. */
int zygote_run(struct worker *, const struct zygote_options *, const char **what);

#endif
