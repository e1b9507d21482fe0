#include "runtime/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534, FILES_MAX = 128 };

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

static bool enter_namespaces(void)
{
    const int wanted = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    char map[64];
    unsigned uid = getuid(), gid = getgid();

    if (uid == 0 && unshare(wanted) == 0)
        return true;
    if (unshare(wanted | CLONE_NEWUSER) != 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%d %u 1", NOBODY, uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "%d %u 1", NOBODY, gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

/* The root becomes an empty, read-only tmpfs; the old one is unmounted. */
static bool enter_empty_root(void)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=4k,nr_inodes=2,mode=555") != 0 ||
        chdir("/tmp") != 0)
        return false;
    /* pivot_root(".", ".") stacks the old root on the new one, from where it can be taken away. */
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0)
        return false;
    return chdir("/") == 0 &&
           mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 NULL) == 0;
}

static bool drop_ids(void)
{
    if (getuid() == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) != 0)
            return false;
    }
    /* All but the bounding set, which the ambient one follows. That one limits what execve() may
     * give, and there is none of that: no new privileges, no program, and the call is deadly. */
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    return syscall(SYS_capset, &header, none) == 0;
}

static void limit(int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};
    setrlimit(resource, &limit);
}

void sandbox_leave_world(struct sandbox *s)
{
    /* When the machine runs out of memory, the kernel should take this process, not the data plane.
     * Here, not before execve: hearthd is not dumpable, so what it is in /proc is root's. */
    write_file("/proc/self/oom_score_adj", "1000");
    s->has_namespaces = enter_namespaces();
    s->has_empty_root = s->has_namespaces && enter_empty_root();
    s->has_no_ids = drop_ids();
    /* hearthd asked for it; the kernel forgets it when the ids change. */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, FILES_MAX);
    limit(RLIMIT_MEMLOCK, 0);
}

/* With whatever arguments: of these calls none reaches memory, an offset or a flag that hearthd or
 * another process has too. */
static const int allowed[] = {
    /* its own address space */
    SCMP_SYS(munmap),
    SCMP_SYS(brk),
    /* threads that exist */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    /* the file descriptors it has: a bell that is full is still a bell, and none of them blocks */
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvmsg),
    SCMP_SYS(close),
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(fstat),
    /* time and randomness */
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(nanosleep),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(getcpu),
};

/* Only an attacker has a use for these. */
static const int deadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(reboot),
};

#define ONLY(call, ...)                                                                            \
    (error =                                                                                       \
         error ? error : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(call), 1, __VA_ARGS__))

/* What V8, the allocator and the C library ask for, and nothing else: with other arguments these
 * calls reach pages that hearthd has mapped too. */
static int allow_memory(scmp_filter_ctx filter)
{
    /* Private pages only: a shared mapping takes hugepages from those of hearthd's regions
     * (MAP_HUGETLB), or gives it a second way to what the first one may not write. */
    const scmp_datum_t optional =
        MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_STACK;
    int error = 0;

    ONLY(mmap, SCMP_A3(SCMP_CMP_MASKED_EQ, ~optional, MAP_PRIVATE));
    /* Executable ones too: V8 compiles. */
    ONLY(mprotect,
         SCMP_A2(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(PROT_READ | PROT_WRITE | PROT_EXEC), 0));
    /* Of a shared mapping the first takes away what this process sees only, the second is refused
     * by the kernel, the third is a mark on its mapping. MADV_REMOVE punches a hole under
     * hearthd's. */
    ONLY(madvise, SCMP_A2(SCMP_CMP_EQ, MADV_DONTNEED));
    ONLY(madvise, SCMP_A2(SCMP_CMP_EQ, MADV_FREE));
    ONLY(madvise, SCMP_A2(SCMP_CMP_EQ, MADV_DONTFORK));
    return error;
}

/* The private ones. FUTEX_LOCK_PI takes any thread's id, says whether there is one, and lends it a
 * priority. */
static int allow_futexes(scmp_filter_ctx filter)
{
    const scmp_datum_t any_clock = ~(scmp_datum_t)FUTEX_CLOCK_REALTIME;
    int error = 0;

    ONLY(futex, SCMP_A1(SCMP_CMP_EQ, FUTEX_WAIT_PRIVATE));
    ONLY(futex, SCMP_A1(SCMP_CMP_EQ, FUTEX_WAKE_PRIVATE));
    ONLY(futex, SCMP_A1(SCMP_CMP_MASKED_EQ, any_clock, FUTEX_WAIT_BITSET_PRIVATE));
    return error;
}

/* A negative clock is the CPU time of any process or thread: of all, only that of the thread that
 * runs scripts, which is this one (monitor.c). */
static int allow_clocks(scmp_filter_ctx filter)
{
    clockid_t own;
    int error = -pthread_getcpuclockid(pthread_self(), &own);

    ONLY(clock_gettime, SCMP_A0(SCMP_CMP_LE, CLOCK_TAI));
    /* As the kernel does, without the upper half: callers extend an int in either way. */
    ONLY(clock_gettime, SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)own));
    ONLY(clock_getres, SCMP_A0(SCMP_CMP_LE, CLOCK_TAI));
    ONLY(clock_nanosleep, SCMP_A0(SCMP_CMP_LE, CLOCK_TAI));
    return error;
}

/* Who reads a core's eventfd takes the bell that another process has rung. Messages without an
 * address and without descriptors. */
static int allow_descriptors(scmp_filter_ctx filter, int event_fd)
{
    int error = 0;

    if (event_fd >= 0)
        ONLY(read, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)event_fd));
    ONLY(sendto, SCMP_A4(SCMP_CMP_EQ, 0));
    return error;
}

/* Of any id these tell whether it exists. The C library asks for a thread's priority, V8 and the
 * allocator for the CPUs that there are. abort() signals its own thread. */
static int allow_own_id(scmp_filter_ctx filter)
{
    /* Not executed: it succeeds, which says SCHED_OTHER, and leaves the parameters as they are. */
    const uint32_t nothing_special = SCMP_ACT_ERRNO(0);
    int error = seccomp_rule_add(filter, nothing_special, SCMP_SYS(sched_getscheduler), 0);

    if (!error)
        error = seccomp_rule_add(filter, nothing_special, SCMP_SYS(sched_getparam), 0);
    ONLY(sched_getaffinity, SCMP_A0(SCMP_CMP_EQ, 0));
    ONLY(sched_getaffinity, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    ONLY(tgkill, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return error;
}

int sandbox_seal(int event_fd)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return -ENOMEM;
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE,
                                 2); /* a binary tree: it is asked per call */
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly) && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
    if (!error)
        error = allow_memory(filter);
    if (!error)
        error = allow_futexes(filter);
    if (!error)
        error = allow_clocks(filter);
    if (!error)
        error = allow_descriptors(filter, event_fd);
    if (!error)
        error = allow_own_id(filter);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}
