/* sandbox.h
 *
 * What a hearth-runtime process may still do once scripts run in it: compute, map memory, and use
 * the file descriptors it was started with. In two steps, because V8 needs threads and a look at
 * the machine in between:
 *
 *   sandbox_leave_world   new user (if not root), mount, network, IPC, UTS and cgroup namespaces,
 *                         an empty root, no capabilities, nobody's ids, small rlimits. One thread
 *                         only. What the kernel does not allow here is reported, not fatal: seccomp
 *                         alone already refuses every system call that could use what is left.
 *   sandbox_seal          no_new_privs and a seccomp allow-list for all threads. Fatal if
 *                         impossible.
 *
 * A call that only an attacker makes (execve, ptrace, socket, mount, ...) kills the process; any
 * other that is not on the list gets EPERM, because libraries probe, and a probe should not cost
 * every script its process.
 *
 * Other processes: there is no PID namespace, so the process has its real id, and theirs exist for
 * the kernel. It neither signals nor sees one: no call on the list takes another process's id.
 *
 * hearthd shares pages with it (the region, the scripts' sources), open files (eventfds, which the
 * cores share with all runtime processes, the ends of a socket and a pipe), and nothing else. So
 * calls are allowed by their arguments where others reach these: private mappings only, advice
 * that is about this process only (MADV_REMOVE punches a hole under hearthd's mapping), no flag,
 * offset, size or seal of an open file, reading from its own eventfd alone.
 *
 * Rejected: membarrier, mremap, mincore, pkey_*, lseek, newfstatat (which takes a path, too):
 * nothing asks for them. Threads after the seal: none is made.
 *
 * Rejected: a PID namespace. There is nothing left to hide, and the first process of one is spared
 * the signals that it has no handler for: `kill PID` would do nothing, a failed assertion would end
 * as signal 11 instead of 6, and getppid() would no longer tell that hearthd has gone.
 */
#ifndef HEARTH_WORKER_SANDBOX_H
#define HEARTH_WORKER_SANDBOX_H

#include <stdbool.h>

struct sandbox {
    bool has_namespaces, has_empty_root, has_no_ids;
};

void sandbox_leave_world(struct sandbox *);
/* By the thread that is to run scripts. event_fd: the only descriptor that may be read from (what
 * comes by the start socket is received); -1: none. 0 or -errno. */
int sandbox_seal(int event_fd);

#endif
