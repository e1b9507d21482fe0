#include "sandbox_attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime/worker/sandbox.h"
#include "runtime/zygote.h"

/* Each returns a negative number or -1 with errno on failure, as it should. */
static long try_open(void)
{
    return open("/etc/passwd", O_RDONLY);
}
static long try_open_own_program(void)
{
    return open("/proc/self/exe", O_RDONLY);
}
static long try_create(void)
{
    return open("/x", O_CREAT | O_RDWR, 0600);
}
static long try_stat(void)
{
    struct stat st;
    return stat("/etc/passwd", &st);
}
static long try_unlink(void)
{
    return unlink("/etc/hearth-does-not-exist");
}
static long try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
static long try_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int early_socket; /* made before the sandbox: even one of these must not connect */
static long try_connect(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(0x7f000001)}};
    return connect(early_socket, (struct sockaddr *)&to, sizeof(to));
}
static long try_execve(void)
{
    char *argv[] = {"sh", NULL};
    return execve("/bin/sh", argv, NULL);
}
static long try_fork(void)
{
    pid_t pid = (pid_t)syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long try_clone(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}
static pid_t parent;
static const pid_t nobody = 0x3fffffff; /* beyond what the kernel gives out */
static long try_kill(void)
{
    return kill(parent, 0);
}
static long try_tgkill(void)
{
    return syscall(SYS_tgkill, parent, parent, 0);
}
static long try_kill_all(void)
{
    return kill(-1, 0);
}
static long try_queue_signal(void)
{
    siginfo_t info = {.si_code = SI_QUEUE};
    return syscall(SYS_rt_sigqueueinfo, parent, 0, &info);
}
static long try_pidfd(void)
{
    return pidfd_open(parent, 0);
}
/* What is the same of its parent and of nobody tells nothing. */
static long tells(long of_parent, long of_nobody)
{
    if (of_parent != of_nobody)
        return 0;
    errno = EPERM;
    return -1;
}
static long try_affinity(void)
{
    cpu_set_t cpus;
    return tells(sched_getaffinity(parent, sizeof(cpus), &cpus),
                 sched_getaffinity(nobody, sizeof(cpus), &cpus));
}
static long try_scheduler(void)
{
    return tells(sched_getscheduler(parent), sched_getscheduler(nobody));
}
static long try_scheduler_parameter(void)
{
    struct sched_param param = {0};
    return tells(sched_getparam(parent, &param), sched_getparam(nobody, &param));
}
static long try_priority(void)
{
    return getpriority(PRIO_PROCESS, (id_t)parent);
}
static long try_session(void)
{
    return getsid(parent);
}
static long try_limits(void)
{
    struct rlimit limit;
    return prlimit(parent, RLIMIT_NOFILE, NULL, &limit);
}
static long try_list_processes(void)
{
    return open("/proc", O_RDONLY | O_DIRECTORY);
}
static long try_ptrace(void)
{
    return ptrace(PTRACE_ATTACH, parent, 0, 0);
}
static long try_read_process(void)
{
    char byte;
    struct iovec local = {&byte, 1}, remote = {&byte, 1};
    return process_vm_readv(parent, &local, 1, &remote, 1, 0);
}
static long try_mount(void)
{
    return mount("none", "/", "tmpfs", 0, NULL);
}
static long try_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}
static long try_setuid(void)
{
    return setuid(0);
}
static long try_prctl(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}
static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}
static long try_ioctl(void)
{
    int bytes;
    return syscall(SYS_ioctl, 0, 0x541b, &bytes);
}
static long try_memfd(void)
{
    return memfd_create("x", 0);
}

/* What hearthd and the process have in common, as it was before the sandbox: a region, a core's
 * eventfd, a socket. */
struct shared shared;
static const size_t shared_bytes = SHARED_BYTES;

bool attempts_init(void)
{
    parent = getpid();
    early_socket = socket(AF_INET, SOCK_STREAM, 0);
    shared.region = memfd_create("region", MFD_ALLOW_SEALING);
    shared.bell = eventfd(1, EFD_NONBLOCK);
    shared.other_bell = eventfd(1, EFD_NONBLOCK);
    if (shared.region < 0 || ftruncate(shared.region, (off_t)shared_bytes) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, shared.pair))
        return false;
    shared.map = mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, shared.region, 0);
    return shared.map != MAP_FAILED && dup2(shared.other_bell, SANDBOX_BELL_FD) == SANDBOX_BELL_FD;
}

static long advise(int advice)
{
    return madvise(shared.map, shared_bytes, advice);
}
static long try_punch(void)
{
    return advise(MADV_REMOVE);
}
static long try_page_out(void)
{
    return advise(MADV_PAGEOUT);
}
static long try_cool(void)
{
    return advise(MADV_COLD);
}
static long try_collapse(void)
{
    return advise(25 /* MADV_COLLAPSE */);
}
static long try_huge(void)
{
    return advise(MADV_HUGEPAGE);
}
static long try_populate(void)
{
    return advise(23 /* MADV_POPULATE_WRITE */);
}
static long try_merge(void)
{
    return advise(MADV_MERGEABLE);
}
static long try_read_ahead(void)
{
    return advise(MADV_WILLNEED);
}
static long try_advise_upper_half(void)
{
    return syscall(SYS_madvise, shared.map, shared_bytes, 1ull << 32 | MADV_REMOVE);
}
/* The kernel's answer: 0, or -1 with errno. */
static long map_as(int protection, int flags, int fd)
{
    return mmap(NULL, shared_bytes, protection, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}
static long try_map_shared(void)
{
    return map_as(PROT_READ, MAP_SHARED, shared.region);
}
static long try_map_shared_validate(void)
{
    return map_as(PROT_READ, MAP_SHARED_VALIDATE, shared.region);
}
static long try_map_anonymous_shared(void)
{
    return map_as(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}
static long try_map_huge(void)
{
    return map_as(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
}
static long try_map_and_populate(void)
{
    return map_as(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
}
static long try_protect_growing(void)
{
    return mprotect(shared.map, shared_bytes, PROT_READ | PROT_GROWSDOWN);
}
static long try_remap(void)
{
    return mremap(shared.map, 0, shared_bytes, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0;
}
static long try_residence(void)
{
    unsigned char pages[16];
    return mincore(shared.map, shared_bytes, pages);
}
static long try_key(void)
{
    return pkey_alloc(0, 0);
}
static long try_barrier(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}
static long try_punch_by_descriptor(void)
{
    return fallocate(shared.region, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}
static long try_truncate(void)
{
    return ftruncate(shared.region, 0);
}
static long try_add_seal(void)
{
    return fcntl(shared.region, F_ADD_SEALS, F_SEAL_GROW);
}
static long try_make_blocking(void)
{
    return fcntl(shared.bell, F_SETFL, 0);
}
static long try_make_blocking_by_ioctl(void)
{
    int off = 0;
    return syscall(SYS_ioctl, shared.bell, 0x5421 /* FIONBIO */, &off);
}
static long try_own(void)
{
    return fcntl(shared.pair[0], F_SETOWN, parent);
}
static long try_signal_of_file(void)
{
    return fcntl(shared.pair[0], F_SETSIG, SIGTERM);
}
static long try_duplicate(void)
{
    return dup(shared.bell);
}
static long try_seek(void)
{
    return lseek(shared.region, 1, SEEK_SET);
}
static long try_take_bell(void)
{
    uint64_t count;
    return read(shared.bell, &count, sizeof(count));
}
static long try_send_descriptor(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec iov = {"x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    memcpy(CMSG_DATA(&control.header), &shared.bell, sizeof(int));
    return sendmsg(shared.pair[0], &msg, 0);
}
static long try_send_to(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "x"};
    return sendto(shared.pair[0], "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
}
static long try_stat_descriptor_or_path(void)
{
    struct stat st;
    return fstatat(AT_FDCWD, "/", &st, AT_EMPTY_PATH);
}
/* Of a lock that its parent is said to hold. */
static long try_lock_of_parent(void)
{
    uint32_t word = (uint32_t)parent;
    return syscall(SYS_futex, &word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
}
static long try_wake_shared(void)
{
    return syscall(SYS_futex, shared.map, FUTEX_WAKE, 1, NULL, NULL, 0);
}
/* linux/posix-timers.h: the CPU time that a process has used. */
static clockid_t clock_of_parent(void)
{
    return (clockid_t)(~(unsigned)parent << 3 | 2);
}
static long try_time_of_parent(void)
{
    struct timespec t;
    return clock_gettime(clock_of_parent(), &t);
}
static long try_resolution_of_parent(void)
{
    struct timespec t;
    return syscall(SYS_clock_getres, clock_of_parent(), &t);
}
static long try_sleep_by_parent(void)
{
    struct timespec t = {.tv_nsec = 1};
    return syscall(SYS_clock_nanosleep, clock_of_parent(), TIMER_ABSTIME, &t, NULL);
}
static long try_clone3(void)
{
    return syscall(SYS_clone3, NULL, 0);
}

/* The C library then tries the older one. */
static long try_clone3_as_zygote(void)
{
    long got = try_clone3();
    if (got < 0 && errno == ENOSYS)
        errno = EPERM;
    return got;
}
static long try_fork_like_its_zygote(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, ZYGOTE_FORK_FLAGS, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long try_replace_descriptor(void)
{
    return dup2(shared.bell, SANDBOX_BELL_FD);
}
static long try_take_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{.effective = 1, .permitted = 1}};
    return syscall(SYS_capset, &header, sets);
}
static long try_outlive_hearthd(void)
{
    return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}
static long try_protect_by_key(void)
{
    return pkey_mprotect(shared.map, shared_bytes, PROT_READ, 0);
}

const struct attempt attempts[] = {
    {"open a file", try_open, false},
    {"open its own program", try_open_own_program, false},
    {"create a file", try_create, false},
    {"stat a file", try_stat, false},
    {"unlink a file", try_unlink, false},
    {"make a socket", try_socket, true},
    {"make a unix socket", try_unix_socket, true},
    {"connect a socket it had", try_connect, true},
    {"execute a program", try_execve, true},
    {"fork", try_fork, true},
    {"clone", try_clone, false},
    {"signal its parent", try_kill, true},
    {"signal its parent's thread", try_tgkill, false},
    {"signal every process", try_kill_all, true},
    {"queue a signal for its parent", try_queue_signal, false},
    {"get a descriptor of its parent", try_pidfd, false},
    {"ask on which CPUs its parent runs", try_affinity, false},
    {"ask how its parent is scheduled", try_scheduler, false},
    {"ask with which parameters", try_scheduler_parameter, false},
    {"ask its parent's priority", try_priority, false},
    {"ask its parent's session", try_session, false},
    {"ask its parent's limits", try_limits, false},
    {"list the processes", try_list_processes, false},
    {"trace its parent", try_ptrace, true},
    {"read another process", try_read_process, true},
    {"mount", try_mount, true},
    {"make a namespace", try_unshare, true},
    {"become root", try_setuid, true},
    {"change its own process", try_prctl, false},
    {"set up io_uring", try_io_uring, true},
    {"load bpf", try_bpf, true},
    {"ioctl", try_ioctl, false},
    {"make a memfd", try_memfd, false},
    {"punch a hole in shared memory", try_punch, false},
    {"the same, with bits that the kernel does not read", try_advise_upper_half, false},
    {"page shared memory out", try_page_out, false},
    {"call shared memory cold", try_cool, false},
    {"collapse shared memory into huge pages", try_collapse, false},
    {"want huge pages in shared memory", try_huge, false},
    {"populate shared memory", try_populate, false},
    {"merge pages with those of others", try_merge, false},
    {"read shared memory ahead", try_read_ahead, false},
    {"map shared memory once more", try_map_shared, false},
    {"the same, validated", try_map_shared_validate, false},
    {"map new shared memory", try_map_anonymous_shared, false},
    {"take hugepages", try_map_huge, false},
    {"map populated", try_map_and_populate, false},
    {"protect a growing mapping", try_protect_growing, false},
    {"map shared memory twice by mremap", try_remap, false},
    {"ask which shared pages are resident", try_residence, false},
    {"take a protection key", try_key, false},
    {"hold up all CPUs with a barrier", try_barrier, false},
    {"punch a hole by a descriptor", try_punch_by_descriptor, false},
    {"truncate shared memory", try_truncate, false},
    {"add a seal", try_add_seal, false},
    {"make a shared eventfd block", try_make_blocking, false},
    {"the same by ioctl", try_make_blocking_by_ioctl, false},
    {"give a descriptor an owner", try_own, false},
    {"give a descriptor a signal", try_signal_of_file, false},
    {"duplicate a descriptor", try_duplicate, false},
    {"move a shared offset", try_seek, false},
    {"take a core's bell", try_take_bell, false},
    {"send a descriptor", try_send_descriptor, false},
    {"send to an address", try_send_to, false},
    {"stat a path where a descriptor's is allowed", try_stat_descriptor_or_path, false},
    {"say that its parent holds a lock", try_lock_of_parent, false},
    {"wake who waits on shared memory", try_wake_shared, false},
    {"ask the CPU time of its parent", try_time_of_parent, false},
    {"ask the resolution of that clock", try_resolution_of_parent, false},
    {"sleep by its parent's CPU time", try_sleep_by_parent, false},
    {"clone3", try_clone3, false},
    {"fork like its zygote", try_fork_like_its_zygote, false},
    {"put a descriptor in the place of another", try_replace_descriptor, false},
    {"take capabilities", try_take_capabilities, false},
    {"outlive hearthd", try_outlive_hearthd, false},
    {"protect with a key", try_protect_by_key, false},
    {0},
};

/* A zygote has no scripts, and loses what neither it nor a cell that begins asks for. */
const struct attempt zygote_attempts[] = {
    {"open a file", try_open, false},
    {"make a socket", try_socket, false},
    {"execute a program", try_execve, false},
    {"fork", try_fork, false},
    {"clone", try_clone, false},
    {"clone3", try_clone3_as_zygote, false},
    {"signal its parent", try_kill, false},
    {"trace its parent", try_ptrace, false},
    {"mount", try_mount, false},
    {"make a namespace", try_unshare, false},
    {"load bpf", try_bpf, false},
    {"make a memfd", try_memfd, false},
    {0},
};
