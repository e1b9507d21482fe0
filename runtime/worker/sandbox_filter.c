#include "runtime/worker/sandbox_filter.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/start.h"
#include "runtime/worker/sandbox.h"
#include "runtime/zygote.h"

/* In the place of the process's id: none is so high (PID_MAX_LIMIT is 1 << 22). */
#define OWN_ID 0x5eed1d00u

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
    SCMP_SYS(rt_sigtimedwait),
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
    /* Private pages: a shared mapping takes hugepages from those of hearthd's regions
     * (MAP_HUGETLB), or gives it a second way to what the first one may not write. But for a larger
     * region, which may come at any time and is written by both: what else comes as a file has its
     * seal against writing, and cannot be mapped so. */
    const scmp_datum_t optional =
        MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_STACK;
    int error = 0;

    ONLY(mmap, SCMP_A3(SCMP_CMP_MASKED_EQ, ~optional, MAP_PRIVATE));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                                 SCMP_A2(SCMP_CMP_EQ, PROT_READ | PROT_WRITE),
                                 SCMP_A3(SCMP_CMP_EQ, MAP_SHARED));
    /* Executable ones too: V8 compiles. */
    ONLY(mprotect,
         SCMP_A2(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(PROT_READ | PROT_WRITE | PROT_EXEC), 0));
    /* Of a shared mapping the first takes away what this process sees only, the second is refused
     * by the kernel, the third is a mark on its mapping. MADV_REMOVE punches a hole under
     * hearthd's. */
    ONLY(madvise, SCMP_A2(SCMP_CMP_EQ, MADV_DONTNEED));
    ONLY(madvise, SCMP_A2(SCMP_CMP_EQ, MADV_FREE));
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

/* A negative clock is the CPU time of any process or thread. */
static int allow_clocks(scmp_filter_ctx filter)
{
    int error = 0;

    ONLY(clock_gettime, SCMP_A0(SCMP_CMP_LE, CLOCK_TAI));
    ONLY(clock_getres, SCMP_A0(SCMP_CMP_LE, CLOCK_TAI));
    ONLY(clock_nanosleep, SCMP_A0(SCMP_CMP_LE, CLOCK_TAI));
    return error;
}

/* Who reads a core's eventfd takes the bell that another process has rung. Messages without an
 * address and without descriptors. */
static int allow_descriptors(scmp_filter_ctx filter)
{
    int error = 0;

    ONLY(read, SCMP_A0(SCMP_CMP_EQ, SANDBOX_BELL_FD));
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
    ONLY(sched_getaffinity, SCMP_A0(SCMP_CMP_EQ, OWN_ID));
    ONLY(tgkill, SCMP_A0(SCMP_CMP_EQ, OWN_ID));
    return error;
}

static int add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && !error; i++)
        error = seccomp_rule_add(filter, action, calls[i], 0);
    return error;
}

#define ADD_ALL(filter, action, calls)                                                             \
    add_all(filter, action, calls, sizeof(calls) / sizeof(*(calls)))

static scmp_filter_ctx filter_new(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    /* A binary tree: it is asked per call. */
    if (filter && seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0)
        return filter;
    seccomp_release(filter);
    return NULL;
}

/* ---- a cell's ---- */

static int add_cells(scmp_filter_ctx filter)
{
    int error = ADD_ALL(filter, SCMP_ACT_KILL_PROCESS, deadly);
    if (!error)
        error = allow_memory(filter);
    if (!error)
        error = allow_futexes(filter);
    if (!error)
        error = allow_clocks(filter);
    if (!error)
        error = allow_descriptors(filter);
    if (!error)
        error = allow_own_id(filter);
    return error;
}

/* For the monitor, until a cell's program is stacked. */
static int allow_monitor(scmp_filter_ctx filter)
{
    int error = 0;

    ONLY(clone, SCMP_A0(SCMP_CMP_EQ, ZYGOTE_THREAD_FLAGS));
    /* Its flags are in memory; the C library then takes clone. */
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    ONLY(timer_create, SCMP_A0(SCMP_CMP_EQ, CLOCK_PROCESS_CPUTIME_ID));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(timer_settime), 0);
    return error;
}

/* ---- a template's ---- */

/* What a template does to fork, and its child until its own program is stacked: with its own
 * descriptors and threads only. Each clone() waits at the door besides. Both have their arguments
 * in registers, which nobody else can change while it waits. */
static int allow_children(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 2,
                                 SCMP_A0(SCMP_CMP_EQ, ZYGOTE_FORK_FLAGS), SCMP_A1(SCMP_CMP_EQ, 0));
    if (!error)
        error = allow_monitor(filter);
    /* pthread_join()'s: the word is the thread's id, which the kernel clears as a shared one. */
    ONLY(futex,
         SCMP_A1(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)FUTEX_CLOCK_REALTIME, FUTEX_WAIT_BITSET));
    ONLY(dup2, SCMP_A1(SCMP_CMP_LE, START_FD));
    ONLY(close_range, SCMP_A0(SCMP_CMP_EQ, START_FD + 1));
    if (!error)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
                             SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG), SCMP_A1(SCMP_CMP_EQ, SIGKILL));
    if (!error)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 2,
                                 SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER),
                                 SCMP_A1(SCMP_CMP_EQ, SECCOMP_FILTER_FLAG_TSYNC));
    return error;
}

static int add_templates(scmp_filter_ctx filter)
{
    int error = add_cells(filter);
    return error ? error : allow_children(filter);
}

/* ---- the zygote's ---- */

/* Beyond `allowed`, until the cell's program is stacked on it. */
static const int allowed_before[] = {
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(pkey_mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(tgkill),
    SCMP_SYS(read),
    SCMP_SYS(sendto),
    /* a template's door */
    SCMP_SYS(sendmsg),
    /* a cell's descriptors, and the region's size */
    SCMP_SYS(dup2),
    SCMP_SYS(close_range),
    SCMP_SYS(newfstatat),
    /* its ids */
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(capset),
};

static int allow_steps(scmp_filter_ctx filter)
{
    int error = 0;

    ONLY(clone, SCMP_A0(SCMP_CMP_EQ, ZYGOTE_FORK_FLAGS));
    ONLY(prctl, SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG));
    ONLY(prctl, SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE));
    ONLY(prctl, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    ONLY(seccomp, SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER));
    return error ? error : allow_monitor(filter);
}

static int add_zygotes(scmp_filter_ctx filter)
{
    int error = ADD_ALL(filter, SCMP_ACT_ALLOW, allowed_before);
    return error ? error : allow_steps(filter);
}

/* ---- programs ---- */

static int find_own_ids(struct sandbox_program *p)
{
    size_t found = 0;
    for (uint16_t i = 0; i < p->count; i++) {
        if (BPF_CLASS(p->code[i].code) != BPF_JMP || p->code[i].k != OWN_ID)
            continue;
        if (found == SANDBOX_OWN_IDS)
            return -E2BIG;
        p->own_id[found++] = i;
    }
    return found == SANDBOX_OWN_IDS ? 0 : -ENOENT;
}

static int export_program(scmp_filter_ctx filter, struct sandbox_program *p)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = seccomp_export_bpf(filter, fd);
    ssize_t bytes = error ? 0 : pread(fd, p->code, sizeof(p->code), 0);
    off_t all = lseek(fd, 0, SEEK_END);
    close(fd);
    if (error)
        return error;
    if (bytes <= 0 || bytes != all)
        return -E2BIG;
    p->count = (uint16_t)((size_t)bytes / sizeof(*p->code));
    return 0;
}

int sandbox_program_build(struct sandbox_program *p, enum sandbox_role role)
{
    static int (*const add[])(scmp_filter_ctx) = {
        [SANDBOX_CELL] = add_cells,
        [SANDBOX_ZYGOTE] = add_zygotes,
        [SANDBOX_TEMPLATE] = add_templates,
    };
    *p = (struct sandbox_program){0};
    scmp_filter_ctx filter = filter_new();
    if (!filter)
        return -ENOMEM;
    int error = ADD_ALL(filter, SCMP_ACT_ALLOW, allowed);
    if (!error)
        error = add[role](filter);
    if (!error)
        error = export_program(filter, p);
    if (!error && role != SANDBOX_ZYGOTE)
        error = find_own_ids(p);
    seccomp_release(filter);
    return error;
}

int sandbox_program_install(struct sandbox_program *p)
{
    const struct sock_fprog program = {.len = p->count, .filter = p->code};
    for (size_t i = 0; i < SANDBOX_OWN_IDS && p->own_id[i]; i++)
        p->code[p->own_id[i]].k = (uint32_t)getpid();
    long refused =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (refused > 0) /* the id of a thread that has another filter */
        return -EBUSY;
    return refused ? -errno : 0;
}

/* ---- a template's door ---- */

int sandbox_filter_door(void)
{
    /* Calls of other architectures are for the filters below and above to refuse. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
                          SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
                      &program);
    return fd < 0 ? -errno : (int)fd;
}
