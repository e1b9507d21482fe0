#include "control/daemon/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/base/log.h"

enum { THREADS_MAX = 512, ANSWER_SECONDS = 5 };

#define BIT(capability) (1ull << (capability))

static const struct {
    int number;
    const char *name;
} names[] = {
    {CAP_DAC_OVERRIDE, "dac_override"},
    {CAP_KILL, "kill"},
    {CAP_SETGID, "setgid"},
    {CAP_SETPCAP, "setpcap"},
    {CAP_SETUID, "setuid"},
    {CAP_SYS_ADMIN, "sys_admin"},
    {CAP_SYS_NICE, "sys_nice"},
    {CAP_NET_ADMIN, "net_admin"},
    {CAP_NET_RAW, "net_raw"},
    {CAP_BPF, "bpf"},
};

/* ---- one thread: system calls only, a signal handler does it ---- */

struct plan {
    const struct user *user; /* NULL: the ids stay */
    uint64_t control, others;
};

static int read_capabilities(struct __user_cap_data_struct set[2])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    return syscall(SYS_capget, &header, set) ? errno : 0;
}

/* Of these, as many as there are. */
static int keep_capabilities(uint64_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct set[2] = {0};
    int rc = read_capabilities(set);

    if (rc)
        return rc;
    for (int i = 0; i < 2; i++) {
        set[i].permitted &= (uint32_t)(keep >> (32 * i));
        set[i].effective = set[i].permitted;
        set[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, set) ? errno : 0;
}

static void bound(uint64_t keep)
{
    for (int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        if (!(keep & BIT(i)))
            prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* without CAP_SETPCAP: is_bound tells */
}

static bool is_bound(uint64_t keep)
{
    for (int i = 0, is; i < 64 && (is = prctl(PR_CAPBSET_READ, i, 0, 0, 0)) >= 0; i++)
        if (is && !(keep & BIT(i)))
            return false;
    return true;
}

/* Raw calls: the C library's would make all threads follow, and lose the capabilities on the way.
 */
static int change_ids(const struct user *u)
{
    if (getuid() != 0)
        return 0; /* it is that user: user_find */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || syscall(SYS_setgroups, u->groups_count, u->groups) ||
        syscall(SYS_setresgid, u->gid, u->gid, u->gid) ||
        syscall(SYS_setresuid, u->uid, u->uid, u->uid))
        return errno;
    return 0;
}

static int become(const struct plan *plan, uint64_t keep)
{
    int rc;

    bound(plan->control);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    rc = plan->user ? change_ids(plan->user) : 0;
    if (!rc)
        rc = keep_capabilities(keep);
    if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        rc = errno;
    return rc;
}

/* ---- all threads ---- */

/* What a signal handler can see of it. Control thread; the handler while that waits. */
static struct {
    const struct plan *plan;
    _Atomic int error;
    sem_t done;
} order;

static void on_order(int signal)
{
    int saved = errno, rc = become(order.plan, order.plan->others);

    if (rc)
        order.error = rc;
    sem_post(&order.done);
    errno = saved;
}

static int order_thread(pid_t thread)
{
    struct timespec until;

    if (syscall(SYS_tgkill, getpid(), thread, SIGUSR2))
        return errno == ESRCH ? 0 : errno; /* it has just ended */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ANSWER_SECONDS;
    while (sem_timedwait(&order.done, &until))
        if (errno != EINTR)
            return errno;
    return order.error;
}

static bool is_served(const pid_t *served, uint32_t count, pid_t thread)
{
    for (uint32_t i = 0; i < count; i++)
        if (served[i] == thread)
            return true;
    return false;
}

/* Those that have not been served. A thread that is made meanwhile is found by the next round. */
static int order_round(pid_t *served, uint32_t *count)
{
    DIR *d = opendir("/proc/self/task");
    struct dirent *entry;
    int rc = d ? 0 : errno;

    while (!rc && (entry = readdir(d))) {
        pid_t thread = atoi(entry->d_name);

        if (thread <= 0 || is_served(served, *count, thread))
            continue;
        if (*count == THREADS_MAX) {
            rc = E2BIG;
            break;
        }
        rc = order_thread(thread);
        served[(*count)++] = thread;
    }
    if (d)
        closedir(d);
    return rc;
}

static int order_others(const struct plan *plan, uint32_t *threads)
{
    const struct sigaction action = {.sa_handler = on_order, .sa_flags = SA_RESTART};
    struct sigaction before;
    pid_t served[THREADS_MAX] = {gettid()};
    uint32_t count = 1, was = 0;
    int rc;

    order.plan = plan;
    order.error = 0;
    if (sem_init(&order.done, 0, 0) || sigaction(SIGUSR2, &action, &before))
        return errno;
    do {
        was = count;
        rc = order_round(served, &count);
    } while (!rc && count != was);
    sigaction(SIGUSR2, &before, NULL);
    sem_destroy(&order.done);
    *threads = count;
    return rc;
}

/* ---- the filter ---- */

/* Nobody here calls these, no library probes them: who does has taken a thread over. */
static const int deadly[] = {
    /* other processes' memory and descriptors */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* another kernel, or parts of one */
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    /* the machine */
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(modify_ldt),
    /* files by their number, out of any mount namespace */
    SCMP_SYS(open_by_handle_at),
    /* other namespaces; a zygote's are made by unshare() */
    SCMP_SYS(setns),
};

/* Libraries may look whether there is such a thing. */
static const int refused[] = {
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(personality),
    SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(syslog),
    SCMP_SYS(quotactl),
    SCMP_SYS(chroot),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(vhangup),
    /* mounts; what a zygote needs are mount, umount2 and pivot_root */
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(mount_setattr),
};

/* Letters into the terminal that hearthd was started from are commands of its owner. */
static const unsigned typing[] = {TIOCSTI, TIOCLINUX};

static int add_rules(scmp_filter_ctx filter, const struct port_caps *port)
{
    const uint32_t no = SCMP_ACT_ERRNO(EPERM);
    int rc = 0;

    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]) && !rc; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && !rc; i++)
        rc = seccomp_rule_add(filter, no, refused[i], 0);
    for (size_t i = 0; i < sizeof(typing) / sizeof(typing[0]) && !rc; i++)
        rc = seccomp_rule_add(filter, no, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, typing[i]));
    if (!rc && !(port->needs & PORT_NEEDS_BPF))
        rc = seccomp_rule_add(filter, no, SCMP_SYS(bpf), 0);
    if (!rc && !(port->needs & PORT_NEEDS_NET_ADMIN))
        rc = seccomp_rule_add(filter, no, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    return rc;
}

static int filter_all_threads(const struct port_caps *port)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? 0 : -ENOMEM;

    if (!rc)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
    if (!rc)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* The 32-bit calls have other numbers: all of them are refused. */
    if (!rc)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    /* Kernels before 5.16 would slow the packet path down as that of a process that runs strangers'
     * code. Zygotes still get it, by their own filter. */
    if (!rc)
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (!rc)
        rc = add_rules(filter, port);
    if (!rc)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return -rc;
}

/* ---- code ---- */

/* linux/prctl.h of 6.6; Debian 12's has none of it. */
enum { SET_MDWE = 65, GET_MDWE = 66, MDWE_REFUSE_EXEC_GAIN = 1, MDWE_NO_INHERIT = 2 };

/* Not the zygote: V8 compiles. */
static bool fix_code(void)
{
    return !prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN | MDWE_NO_INHERIT, 0, 0, 0);
}

/* ---- what a zygote will find ---- */

/* In the child, which borrows our memory: the same as a zygote asks for (sandbox.c). */
__attribute__((noreturn)) static void try_namespaces(void)
{
    const int wanted = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

    if (unshare(getuid() ? wanted | CLONE_NEWUSER : wanted))
        _exit(1);
    _exit(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ? 2 : 0);
}

static bool can_have_namespaces(void)
{
    int status;
    pid_t pid = vfork();

    if (pid == 0)
        try_namespaces();
    if (pid < 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* ---- together ---- */

static uint64_t wanted(bool stays_root, const struct port_caps *port)
{
    uint64_t keep = 0;

    if (stays_root)
        keep |= BIT(CAP_SYS_ADMIN) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL) |
                BIT(CAP_SETPCAP) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_SYS_NICE);
    if (port->needs & PORT_NEEDS_NET_ADMIN)
        keep |= BIT(CAP_NET_ADMIN);
    if (port->needs & PORT_NEEDS_NET_RAW)
        keep |= BIT(CAP_NET_RAW);
    if (port->needs & PORT_NEEDS_BPF)
        keep |= BIT(CAP_BPF);
    return keep;
}

static void name_capabilities(uint64_t set, char *out, size_t bytes)
{
    size_t used = 0;

    out[0] = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && used < bytes; i++)
        if (set & BIT(names[i].number))
            used +=
                (size_t)snprintf(out + used, bytes - used, "%s%s", used ? "," : "", names[i].name);
}

static uint64_t capabilities_now(void)
{
    struct __user_cap_data_struct set[2] = {0};

    read_capabilities(set);
    return (uint64_t)set[1].permitted << 32 | set[0].permitted;
}

int privileges_drop(struct privileges *p, const struct user *user, const struct port_caps *port,
                    char *error, size_t error_bytes)
{
    struct plan plan = {
        .user = user,
        .control = wanted(!user && getuid() == 0, port),
    };
    char kept[160];
    int rc = order_others(&plan, &p->threads);

    if (!rc)
        rc = become(&plan, plan.control);
    if (!rc && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        rc = errno;
    if (rc) {
        snprintf(error, error_bytes, "privileges cannot be given up: %s", strerror(rc));
        return -1;
    }
    p->is_dropped = true;
    p->has_bounds = is_bound(plan.control);
    rc = filter_all_threads(port);
    p->has_seccomp = !rc;
    p->has_fixed_code = fix_code();
    p->has_namespaces = can_have_namespaces();
    name_capabilities(capabilities_now(), kept, sizeof(kept));
    log_line("start",
             "step=privileges user=%s uid=%d threads=%u capabilities=%s bounds=%s seccomp=\"%s\" "
             "fixed_code=%s namespaces=%s",
             user ? user->name : "-", (int)getuid(), p->threads, kept[0] ? kept : "none",
             p->has_bounds ? "yes" : "no", p->has_seccomp ? "yes" : strerror(rc),
             p->has_fixed_code ? "yes" : "no", p->has_namespaces ? "yes" : "no");
    return 0;
}

json_t *privileges_json(const struct privileges *p)
{
    json_t *capabilities = json_array(), *missing = json_array();
    const uint64_t set = capabilities_now();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (set & BIT(names[i].number))
            json_array_append_new(capabilities, json_string(names[i].name));
    if (!p->has_seccomp)
        json_array_append_new(missing, json_string("the kernel took no seccomp filter"));
    if (!p->has_bounds)
        json_array_append_new(missing, json_string("the bounding set is as it was at the start: "
                                                   "without CAP_SETPCAP it cannot shrink"));
    if (!p->has_namespaces)
        json_array_append_new(missing, json_string("cells have no namespaces, seccomp alone: "
                                                   "the kernel gives hearthd none to give"));
    return json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b, s:o}", "uid", (int)getuid(),
                     "capabilities", capabilities, "seccomp", (int)p->has_seccomp, "no_new_privs",
                     prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "dumpable",
                     prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0, "fixed_code",
                     prctl(GET_MDWE, 0, 0, 0, 0) > 0, "namespaces", (int)p->has_namespaces,
                     "missing", missing);
}
