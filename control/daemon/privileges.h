/* privileges.h
 *
 * What hearthd holds after its start, and what it gives up. It starts as root, or with what
 * deploy/hearth.service names, because ports, hugepages and other users' files want that; then,
 * before the first frame is read, all its threads become this:
 *
 *                    no `user:`, started as root            `user:`, or not started as root
 *   user             root                                   that user, with its groups
 *   control thread   CAP_SYS_ADMIN    the zygote's           none: a zygote makes a user namespace
 *                                     namespaces            first (sandbox.h); its cells have
 *                    CAP_SETUID,      an id for each cell,   hearthd's id outside of it, and may
 *                    CAP_SETGID       which it inherits      therefore be killed
 *                    CAP_SETPCAP      its empty bounding set
 *                    CAP_KILL         to end cells then
 *                    CAP_SYS_NICE     to let them wait, and come first again (urgency.h)
 *                    CAP_DAC_OVERRIDE files of others: certificates, the store
 *     with a port    CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF: what its driver still needs (port.h)
 *   other threads    none: they never open, start or kill anything
 *   bounding set     the control thread's capabilities, if CAP_SETPCAP was there to take the others
 *   inheritable and ambient: none
 *   no_new_privs     yes: no program that hearthd starts can have more than it
 *   dumpable         no: no core file, no ptrace, no /proc/PID/mem for others, though TLS keys are
 *                    in memory; root with CAP_SYS_PTRACE may still attach a debugger
 *   code             what is mapped; none is written, and nothing that was data becomes code. From
 *                    Linux 6.6 on (an older one cannot spare the zygote, whose V8 compiles)
 *   seccomp          a deny-list, all threads, and what they start
 *
 * What was used at the start only, and is gone: CAP_NET_RAW, CAP_NET_ADMIN (sockets and interfaces
 * of the port), CAP_BPF, CAP_IPC_LOCK and CAP_SYS_RESOURCE (limits are raised first), CAP_CHOWN.
 * Without CAP_NET_ADMIN the start socket of a cell has the system's largest room
 * (net.core.wmem_max) if that is less than the 384 KB that two packets want. DPDK's own
 * directory stays root's; what a stop leaves there the next start takes, as after a kill.
 *
 * With CAP_SYS_ADMIN and CAP_SETUID it is still true that who takes hearthd over has the machine;
 * with `user:` he has what that user has, the port's open sockets, and what is in memory.
 *
 * The filter is a deny-list of what neither hearthd nor DPDK nor a zygote or cell on its way into
 * its own sandbox ever calls: what changes the kernel, other processes or the machine ends the
 * process, what a library might probe gets EPERM. Sockets are AF_UNIX only, unless the port's
 * driver still talks to the kernel.
 *
 * Threads: DPDK's exist already, and ids, capabilities and no_new_privs are each thread's own in
 * Linux. So each of them is made to do it, by a signal, as the C library does for setuid().
 *
 * Control thread, once, when all threads exist and nothing runs in them yet.
 *
 * Rejected:
 *   an allow-list: DPDK's drivers, the C library and jemalloc call what they like, each release
 *     anew, and a wrong guess ends the node.
 *   refusing mount, unshare, setuid: the zygote inherits the filter and needs them before its own;
 *     a cell's then makes them deadly.
 *   keeping CAP_SETUID and CAP_SYS_ADMIN with `user:`, so that each cell has an id of its own:
 *     it would be root by another name.
 *   a second process that keeps the rights and starts the zygote: the stronger wall,
 *     and another protocol to get wrong; without it `user:` has namespaces already.
 *   becoming `hearth` because such a user exists: certificates that it cannot read would break the
 *     next reload of a node that nobody reconfigured.
 *   core files on demand: they hold keys and strangers' data; an assertion is in the log.
 */
#ifndef HEARTH_PRIVILEGES_H
#define HEARTH_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "control/config/user.h"
#include "drivers/port.h"

struct privileges {
    bool is_dropped; /* privileges_drop was done */
    bool has_seccomp, has_bounds, has_fixed_code;
    /* The zygote can have namespaces of its own. */
    bool has_namespaces;
    uint32_t threads;
};

/* As above. user: NULL, or whom to become. 0, or -1 and a sentence: then nothing may run. What the
 * kernel does not have is not fatal: it is in *p, and a line of the log. */
int privileges_drop(struct privileges *p, const struct user *user, const struct port_caps *port,
                    char *error, size_t error_bytes);

/* What holds now, asked of the kernel, with `missing`: sentences, of what could not be had. */
json_t *privileges_json(const struct privileges *);

#endif
