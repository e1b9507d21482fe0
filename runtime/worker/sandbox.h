/* sandbox.h
 *
 * What a cell may still do once its script runs: compute, map memory, and use the file descriptors
 * it was started with. Most of it is done in the zygote, once, and inherited by each cell:
 *
 *   zygote   V8 is up -> sandbox_prepare -> sandbox_enter -> sandbox_seal_zygote -> clone ...
 *   cell                              sandbox_become -> region, monitor -> sandbox_seal -> script
 *
 *   sandbox_prepare      the filters, as programs: all memory that is taken for the zygote's part.
 *   sandbox_enter        new user (if not root), mount, network, IPC, UTS and cgroup namespaces, an
 *                        empty root, small rlimits, first for the kernel to kill when memory runs
 *                        out, no new privileges, an empty bounding set, no capability but those for
 *                        setting ids. One thread only. Of namespaces and root it reports what the
 *                        kernel did not allow: whether to go on without is the caller's
 *                        (zygote_options). seccomp alone refuses every system call that could use
 *                        what is left.
 *   sandbox_seal_zygote  a filter that allows what a zygote and the steps of a cell need.
 *   sandbox_become       ids of its own, no capability, an end with hearthd.
 *   sandbox_seal         the cells' filter, on top of the zygote's, for all threads. Fatal if
 *                        impossible.
 *
 * A template (zygote.h) forks behind its seal, though a tenant's code has run in it:
 *
 *   template  sandbox_become -> monitor -> sandbox_door -> sandbox_seal_template -> script -> clone
 *   its cell                                      sandbox_follow -> region, monitor -> sandbox_seal
 *
 *   sandbox_door           from here on the kernel holds each clone() of it and its children until
 *                          hearthd has looked at the arguments and continues it: a compromised one
 *                          forks when hearthd has asked for it, once, and otherwise ends. The one
 *                          descriptor by which that is done goes to hearthd.
 *   sandbox_seal_template  a cell's filter, with the clone() of a fork and of the monitor's thread,
 *                          and the steps of a child: its own descriptors, an end with hearthd, a
 *                          sterner filter.
 *   sandbox_follow         a child has its template's ids and no capability already.
 *
 * The children of a template have its ids, for they run the same version of one script.
 *
 * Prices: namespaces and root 0.5 to 0.8 ms, the filter built by libseccomp 0.35 ms and 0.15 MB,
 * the bounding set 0.05 ms: once. For each cell become 20 us, seal 50 us.
 *
 * A call that only an attacker makes (execve, ptrace, socket, mount, ...) kills the process; any
 * other that is not on the list gets EPERM, because libraries probe, and a probe should not cost a
 * script its process.
 *
 * Other processes: there is no PID namespace, so the process has its real id, and theirs exist for
 * the kernel. It neither signals nor sees one: no call on the list takes another process's id. All
 * cells of a zygote are in the same namespaces, in which there is nothing to share: no network
 * device, no file, and no call that makes an object of IPC.
 *
 * hearthd shares pages with it (the region, the script's sources), open files (eventfds, which the
 * cores share with all cells, the ends of a socket and a pipe), and nothing else. So calls are
 * allowed by their arguments where others reach these: private mappings only, advice that is about
 * this process only (MADV_REMOVE punches a hole under hearthd's mapping), no flag, offset, size or
 * seal of an open file, reading from its own eventfd alone, which is SANDBOX_BELL_FD in every cell.
 *
 * Where the CPU has protection keys, V8 puts one on the memory of its code when it makes an isolate
 * (pkey_mprotect): that has to be before the seal.
 *
 * What a template's filter costs its cells: abort() ends them as signal 11 instead of 6, for the
 * template's id is in it.
 *
 * Rejected: membarrier, mremap, mincore, pkey_*, lseek, newfstatat (which takes a path, too):
 * nothing asks for them. Threads after the seal: none is made.
 *
 * Rejected: a PID namespace. There is nothing left to hide, and the first process of one is spared
 * the signals that it has no handler for: `kill PID` would do nothing, a failed assertion would end
 * as signal 11 instead of 6, and getppid() would no longer tell that hearthd has gone.
 *
 * Rejected: a network namespace for each cell (0.35 ms, and 2.3 in one of a hundred).
 */
#ifndef HEARTH_WORKER_SANDBOX_H
#define HEARTH_WORKER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/worker/sandbox_filter.h"

/* The own eventfd: the only descriptor that may be read from (what comes by the start socket is
 * received). */
enum {
    SANDBOX_BELL_FD = 0,
    SANDBOX_NOBODY = 65534,
    SANDBOX_THREADS_MAX = 1024, /* of an id that is a cell's or a template's alone */
};

struct sandbox {
    bool has_namespaces, has_empty_root; /* what the kernel allowed */
    bool has_ids;                        /* cells can have ids of their own: it was root's */
    struct sandbox_program zygote, cell, template;
};

/* 0 or -errno. */
int sandbox_prepare(struct sandbox *);
int sandbox_enter(struct sandbox *);
int sandbox_seal_zygote(struct sandbox *);
/* Memory is not read ahead of stores, and branches of other processes do not train this one's:
 * Spectre variants 4 and 2, for this process and those forked from it. False: the kernel has no
 * switch for it, or does so always. */
bool sandbox_limit_speculation(void);

/* uid: of user and group; 0: stay who you are. -EINVAL: the other one is meant. 0 or -errno. */
int sandbox_become(const struct sandbox *, uint32_t uid);
/* 0 or -errno. */
int sandbox_seal(struct sandbox *);

/* The listener's descriptor, or -errno. */
int sandbox_door(void);
/* 0 or -errno. */
int sandbox_seal_template(struct sandbox *);
void sandbox_follow(void);

#endif
