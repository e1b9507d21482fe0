/* sealed_calls.c: system calls that a sealed process must not be able to use. Unlike test_sandbox,
 * which tries each argument that the filter looks at, the process here is a real one, with a live
 * hearthd above it and a bystander beside it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/start.h"
#include "sealed.h"

#define CALL(name) static long name(void)

CALL(opens)
{
    return open("/etc/passwd", O_RDONLY);
}
CALL(opens_proc)
{
    return open("/proc/self/mem", O_RDWR);
}
CALL(lists)
{
    return open("/", O_RDONLY | O_DIRECTORY);
}
CALL(creates)
{
    return open("/x", O_CREAT | O_RDWR, 0600);
}
CALL(makes_a_socket)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
CALL(makes_a_packet_socket)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}
CALL(makes_a_pair)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}
CALL(executes)
{
    char *argv[] = {"sh", NULL};
    return execve("/bin/sh", argv, NULL);
}
CALL(forks)
{
    long pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    return pid;
}
CALL(clones)
{
    long pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}
CALL(clones_anew)
{
    return syscall(SYS_clone3, NULL, 0);
}
CALL(ends_hearthd)
{
    return kill(hostile.parent, SIGKILL);
}
CALL(ends_hearthds_thread)
{
    return syscall(SYS_tgkill, hostile.parent, hostile.parent, SIGKILL);
}
/* Its neighbours were started shortly before it. */
CALL(ends_its_neighbours)
{
    for (pid_t pid = getpid() - 64; pid < getpid(); pid++)
        if (syscall(SYS_tgkill, pid, pid, SIGKILL) == 0)
            return 0;
    return -1;
}
CALL(ends_all)
{
    return kill(-1, SIGKILL);
}
CALL(queues_a_signal)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    return syscall(SYS_rt_sigqueueinfo, hostile.parent, SIGTERM, &info);
}
CALL(opens_hearthd)
{
    return syscall(SYS_pidfd_open, hostile.parent, 0);
}
CALL(traces_hearthd)
{
    return ptrace(PTRACE_ATTACH, hostile.parent, 0, 0);
}
CALL(reads_hearthd)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {hostile.region, 1};
    return process_vm_readv(hostile.parent, &local, 1, &remote, 1, 0);
}
CALL(limits_hearthd)
{
    const struct rlimit none = {0, 0};
    return prlimit(hostile.parent, RLIMIT_NOFILE, &none, NULL);
}
CALL(slows_hearthd)
{
    return setpriority(PRIO_PROCESS, (id_t)hostile.parent, 19);
}
CALL(moves_hearthd)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    return sched_setaffinity(hostile.parent, sizeof(cpus), &cpus);
}
CALL(punches)
{
    return madvise(hostile.region, hostile.region_bytes, MADV_REMOVE);
}
CALL(pages_out)
{
    return madvise(hostile.region, hostile.region_bytes, MADV_PAGEOUT);
}
CALL(poisons)
{
    return madvise(hostile.region, 4096, MADV_HWPOISON);
}
CALL(maps_huge)
{
    void *at = mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    return at == MAP_FAILED ? -1 : 0;
}
CALL(maps_shared)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    return at == MAP_FAILED ? -1 : 0;
}
CALL(remaps)
{
    void *at = mremap(hostile.region, 0, hostile.region_bytes, MREMAP_MAYMOVE);
    return at == MAP_FAILED ? -1 : 0;
}
CALL(locks_memory)
{
    return mlockall(MCL_CURRENT | MCL_FUTURE);
}
CALL(makes_a_memfd)
{
    return memfd_create("x", MFD_ALLOW_SEALING);
}
CALL(makes_a_secret)
{
    return syscall(SYS_memfd_secret, 0);
}
/* Of each descriptor that it has: the first that gives in tells. */
static long each(long (*attempt)(int fd))
{
    for (int fd = 0; fd < 128; fd++)
        if (attempt(fd) >= 0)
            return 0;
    return -1;
}
static long truncate_fd(int fd)
{
    return ftruncate(fd, 0);
}
static long punch_fd(int fd)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}
static long seal_fd(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
}
static long block_fd(int fd)
{
    return fcntl(fd, F_SETFL, 0);
}
static long block_fd_by_ioctl(int fd)
{
    int off = 0;
    return ioctl(fd, FIONBIO, &off);
}
static long own_fd(int fd)
{
    return fcntl(fd, F_SETOWN, hostile.parent);
}
static long seek_fd(int fd)
{
    return lseek(fd, 1, SEEK_SET);
}
static long duplicate_fd(int fd)
{
    return dup(fd);
}
static long widen_fd(int fd)
{
    const int much = 1 << 30;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
}
CALL(truncates)
{
    return each(truncate_fd);
}
CALL(punches_files)
{
    return each(punch_fd);
}
CALL(seals)
{
    return each(seal_fd);
}
CALL(makes_blocking)
{
    return each(block_fd);
}
CALL(makes_blocking_by_ioctl)
{
    return each(block_fd_by_ioctl);
}
CALL(owns)
{
    return each(own_fd);
}
CALL(seeks)
{
    return each(seek_fd);
}
CALL(duplicates)
{
    return each(duplicate_fd);
}
CALL(widens)
{
    return each(widen_fd);
}
CALL(takes_the_cores_bell)
{
    uint64_t count;
    ring_core_bell();
    return read(hostile.core_bell, &count, sizeof(count));
}
CALL(sends_a_descriptor)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec iov = {"{}", 2};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    memcpy(CMSG_DATA(&control.header), &hostile.core_bell, sizeof(int));
    return sendmsg(START_FD, &msg, 0);
}
CALL(shuts_down)
{
    return shutdown(START_FD, SHUT_RDWR);
}
CALL(changes_itself)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
CALL(outlives_hearthd)
{
    return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}
CALL(lifts_its_limits)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_NOFILE, &none);
}
CALL(becomes_root)
{
    return setresuid(0, 0, 0);
}
CALL(makes_a_namespace)
{
    return unshare(CLONE_NEWUSER);
}
CALL(mounts)
{
    return mount("proc", "/", "proc", 0, NULL);
}
CALL(filters_once_more)
{
    return syscall(SYS_seccomp, 1, 0, NULL);
}
CALL(handles_faults)
{
    return syscall(SYS_userfaultfd, 0);
}
CALL(measures)
{
    return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}
CALL(loads_bpf)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}
CALL(sets_up_io_uring)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}
CALL(uses_keys)
{
    return syscall(SYS_keyctl, 0, -3, 1);
}
CALL(shares_memory)
{
    return shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
}
CALL(watches_files)
{
    return inotify_init();
}
CALL(makes_a_timer)
{
    return timerfd_create(CLOCK_MONOTONIC, 0);
}
CALL(makes_a_signal_file)
{
    sigset_t all;
    sigfillset(&all);
    return signalfd(-1, &all, 0);
}
CALL(makes_a_poll)
{
    return epoll_create1(0);
}
CALL(takes_a_protection_key)
{
    return pkey_alloc(0, 0);
}
CALL(changes_segments)
{
    return syscall(SYS_modify_ldt, 0, NULL, 0);
}
CALL(takes_another_personality)
{
    return syscall(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */);
}
CALL(holds_up_all_cpus)
{
    return syscall(SYS_membarrier, 1, 0, 0);
}
CALL(asks_hearthds_cpu_time)
{
    struct timespec t;
    return clock_gettime((clockid_t)(~(unsigned)hostile.parent << 3 | 2), &t);
}
CALL(makes_a_process_timer)
{
    timer_t timer;
    return timer_create(CLOCK_MONOTONIC, NULL, &timer);
}
/* int 0x80 has other numbers: 11 is execve there, munmap here. */
CALL(calls_by_the_old_way)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory"); /* getpid */
    errno = EPERM;
    return result < 0 ? -1 : 0;
}
CALL(calls_by_x32)
{
    return syscall(0x40000000 + 39); /* getpid */
}

const struct row sealed_calls[] = {
    {"open a file", opens, true},
    {"open its memory as a file", opens_proc, true},
    {"list the root", lists, true},
    {"create a file", creates, true},
    {"make a socket", makes_a_socket, true},
    {"make a packet socket", makes_a_packet_socket, true},
    {"make a pair of sockets", makes_a_pair, true},
    {"execute a program", executes, true},
    {"fork", forks, true},
    {"clone beside itself", clones, true},
    {"clone3", clones_anew, true},
    {"end hearthd", ends_hearthd, true},
    {"end hearthd's thread", ends_hearthds_thread, true},
    {"end its neighbours", ends_its_neighbours, true},
    {"end all", ends_all, true},
    {"queue a signal for hearthd", queues_a_signal, true},
    {"a descriptor of hearthd", opens_hearthd, true},
    {"trace hearthd", traces_hearthd, true},
    {"read hearthd's memory", reads_hearthd, true},
    {"limit hearthd's files", limits_hearthd, true},
    {"lower hearthd's priority", slows_hearthd, true},
    {"move hearthd to another CPU", moves_hearthd, true},
    {"punch a hole into its region", punches, true},
    {"page its region out", pages_out, true},
    {"poison its region", poisons, true},
    {"take hugepages", maps_huge, true},
    {"map shared memory", maps_shared, true},
    {"map its region twice", remaps, true},
    {"lock its memory", locks_memory, true},
    {"make a memfd", makes_a_memfd, true},
    {"make secret memory", makes_a_secret, true},
    {"truncate a descriptor", truncates, true},
    {"punch a hole by a descriptor", punches_files, true},
    {"seal a descriptor", seals, true},
    {"make a descriptor block", makes_blocking, true},
    {"the same by ioctl", makes_blocking_by_ioctl, true},
    {"own a descriptor", owns, true},
    {"seek in a descriptor", seeks, true},
    {"duplicate a descriptor", duplicates, true},
    {"widen a socket", widens, true},
    {"take the core's bell", takes_the_cores_bell, true},
    {"send a descriptor", sends_a_descriptor, true},
    {"shut the socket down", shuts_down, true},
    {"be dumpable", changes_itself, true},
    {"outlive hearthd", outlives_hearthd, true},
    {"lift its limits", lifts_its_limits, true},
    {"become root", becomes_root, true},
    {"make a namespace", makes_a_namespace, true},
    {"mount", mounts, true},
    {"filter once more", filters_once_more, true},
    {"handle faults", handles_faults, true},
    {"measure others", measures, true},
    {"load bpf", loads_bpf, true},
    {"set up io_uring", sets_up_io_uring, true},
    {"use keys", uses_keys, true},
    {"make System V memory", shares_memory, true},
    {"watch files", watches_files, true},
    {"make a timer file", makes_a_timer, true},
    {"make a signal file", makes_a_signal_file, true},
    {"make an epoll", makes_a_poll, true},
    {"take a protection key", takes_a_protection_key, true},
    {"change its segments", changes_segments, true},
    {"take another personality", takes_another_personality, true},
    {"hold up all CPUs", holds_up_all_cpus, true},
    {"ask hearthd's CPU time", asks_hearthds_cpu_time, true},
    {"make a timer", makes_a_process_timer, true},
    {"a call of 32 bits", calls_by_the_old_way, true},
    {"a call of x32", calls_by_x32, true},
};
const unsigned sealed_calls_count = sizeof(sealed_calls) / sizeof(*sealed_calls);
