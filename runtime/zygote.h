/* zygote.h
 *
 * The contract between hearthd's control thread and hearth-zygote, the process that cells are
 * forked from: one SOCK_SEQPACKET socket pair, one struct a packet, descriptors by SCM_RIGHTS. The
 * zygote finds its end at START_FD (start.h).
 *
 *   hearthd                                     hearth-zygote: one thread, V8 up, an isolate with
 *                                               the web platform warmed; no secrets, no network
 *     | <-------- ZYGOTE_READY {v8} ---------------- |
 *     | --- ZYGOTE_FORK {uid, what} + 2 fds -------> |
 *     | <-------- ZYGOTE_FORKED {pid} -------------- |---- clone ----> cell or template: start.h
 *     | --- end of the socket ---------------------> |  exits; its cells live on
 *
 * The descriptors of FORK: the child's end of its start socket, and the writing end of the pipe
 * that becomes its standard output and error. Each FORK has one FORKED, in order.
 *
 * A cell is hearthd's child and not the zygote's (CLONE_PARENT): hearthd waits for it, learns how
 * it ended, and may replace the zygote without ending the cells.
 *
 * A cell is what a script's process is from its fork to its end: it maps a region, seals itself,
 * says "ready", and waits for a script (a spare). Nothing of a script is in the zygote.
 *
 * A template is a zygote of one script: it has run the script's top level, and then takes FORKs on
 * its start socket as the zygote does on its own, of cells with its own id (start.h).
 *
 * Rejected: JSON as on the start socket; both ends are built together and nothing in it is
 * optional. PID namespace: sandbox.h says why.
 */
#ifndef HEARTH_ZYGOTE_H
#define HEARTH_ZYGOTE_H

#include <sched.h>
#include <signal.h>
#include <stdint.h>

#include "runtime/start.h"

enum zygote_type { ZYGOTE_READY = 1, ZYGOTE_FORK, ZYGOTE_FORKED };
enum zygote_child { ZYGOTE_CELL, ZYGOTE_TEMPLATE };

enum {
    /* Of clone(): how a cell or template is forked, and how pthread_create() makes its monitor. */
    ZYGOTE_FORK_FLAGS = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
    ZYGOTE_THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                          CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
    ZYGOTE_FORK_FDS = 2,
    ZYGOTE_UID_SAME = 0, /* of FORK: who forks has one id only */
};

/* Both directions; what a type has no use for is zero. */
struct zygote_packet {
    uint32_t type;                   /* enum zygote_type */
    uint32_t uid;                    /* of FORK: the child's user and group */
    int32_t pid;                     /* of FORKED; negative: -errno, there is no child */
    uint32_t what;                   /* of FORK: enum zygote_child */
    char v8[START_V8_BYTES_MAX + 1]; /* of READY: V8's version */
};

#endif
