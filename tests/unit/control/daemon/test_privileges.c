/* What is given up cannot be had back: each attempt in a process of its own that has dropped its
 * privileges as hearthd does, with threads that existed before. As root; else skipped. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/daemon/privileges.h"

#define USER "daemon"

enum { THREADS = 3, NOT_DROPPED = 200 };

static struct user daemon_user;
static int never[2]; /* a pipe that nobody writes to */

static void *sleep_in_a_call(void *arg)
{
    char c;
    ssize_t n = read(never[0], &c, 1);

    return (void *)(intptr_t)n;
}

/* What try() returns, of a process that gave its privileges up: 0 to 127; from 128 on: its signal.
 */
static int after_drop(bool becomes_user, uint8_t port_needs, int (*try)(void))
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        struct port_caps port = {.needs = port_needs};
        struct privileges p = {0};
        pthread_t thread[THREADS];
        char error[256];

        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&thread[i], NULL, sleep_in_a_call, NULL))
                _exit(NOT_DROPPED);
        if (privileges_drop(&p, becomes_user ? &daemon_user : NULL, &port, error, sizeof(error)) ||
            !p.has_seccomp || !p.has_bounds || p.threads != THREADS + 1)
            _exit(NOT_DROPPED);
        _exit(try());
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int errno_of(long rc)
{
    return rc < 0 ? errno : 0;
}

#define TRY(name, call)                                                                            \
    static int name(void)                                                                          \
    {                                                                                              \
        return errno_of(call);                                                                     \
    }

TRY(try_ptrace, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
TRY(try_vm_read, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
TRY(try_module, syscall(SYS_init_module, NULL, 0, ""))
TRY(try_kexec, syscall(SYS_kexec_load, 0, 0, NULL, 0))
TRY(try_handle, syscall(SYS_open_by_handle_at, -1, NULL, 0))
TRY(try_setns, setns(-1, 0))
TRY(try_32_bits, ({
        long rc;
        __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20 /* getpid */) : "memory");
        rc < 0 ? (errno = (int)-rc, -1) : 0;
    }))
TRY(try_bpf, syscall(SYS_bpf, 0, NULL, 0))
TRY(try_perf, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))
TRY(try_uring, syscall(SYS_io_uring_setup, 1, NULL))
TRY(try_keyring, syscall(SYS_keyctl, 0, 0, 0, 0, 0))
TRY(try_fsopen, syscall(SYS_fsopen, "tmpfs", 0))
TRY(try_typing, ioctl(0, TIOCSTI, "x"))
TRY(try_typing_high, syscall(SYS_ioctl, 0, 0xffffffff00000000ul | TIOCSTI, "x"))
TRY(try_inet, socket(AF_INET, SOCK_STREAM, 0))
TRY(try_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
TRY(try_packet, socket(AF_PACKET, SOCK_RAW, 0))
TRY(try_unix, socket(AF_UNIX, SOCK_STREAM, 0))
TRY(try_new_code, MAP_FAILED == mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      ? -1
                      : 0)
TRY(try_data_as_code, mprotect((void *)((uintptr_t)&never & ~4095ul), 4096, PROT_READ | PROT_EXEC))
TRY(try_root, setuid(0))
TRY(try_mount, mount("none", "/tmp", "tmpfs", 0, NULL))
TRY(try_shadow, open("/etc/shadow", O_RDONLY))
TRY(try_sysadmin_name, sethostname("x", 1))
TRY(try_net_name,
    syscall(SYS_capset, &(struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3},
            (struct __user_cap_data_struct[2]){{.permitted = 1u << CAP_NET_ADMIN}}))

static int try_namespaces_and_exec(void)
{
    char *argv[] = {(char *)"true", NULL};

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) && errno != EINVAL) /* threads */
        return errno;
    pid_t pid = vfork();
    if (!pid) {
        if (unshare((getuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET) ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
            _exit(1);
        execv("/bin/true", argv);
        _exit(2);
    }
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

/* A zygote does: V8 compiles. */
static int try_starting_a_compiler(void)
{
    int status;
    pid_t pid = fork();

    if (!pid)
        _exit(try_new_code());
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

/* The kernel knows how. */
static bool has_fixed_code(void)
{
    int status;
    pid_t pid = fork();

    if (!pid)
        _exit(prctl(65 /* PR_SET_MDWE */, 3, 0, 0, 0) != 0);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool has_line(const char *thread, const char *wanted)
{
    char path[320], line[256];
    bool is_found = false;

    snprintf(path, sizeof(path), "/proc/self/task/%s/status", thread);
    FILE *f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f))
        is_found = !strcmp(line, wanted);
    if (f)
        fclose(f);
    return is_found;
}

/* The line `name:` in the status of the first thread, and of each other one. */
static int compare_threads(const char *name, const char *first, const char *others)
{
    DIR *d = opendir("/proc/self/task");
    char wanted[128];
    int count = 0, bad = 0;

    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(wanted, sizeof(wanted), "%s:\t%s\n", name,
                 atoi(e->d_name) == getpid() ? first : others);
        bad += !has_line(e->d_name, wanted);
        count++;
    }
    if (d)
        closedir(d);
    return bad || count != THREADS + 1;
}

static int try_threads_as_user(void)
{
    char ids[64];

    snprintf(ids, sizeof(ids), "%d\t%d\t%d\t%d", (int)daemon_user.uid, (int)daemon_user.uid,
             (int)daemon_user.uid, (int)daemon_user.uid);
    return compare_threads("Uid", ids, ids) ||
           compare_threads("CapPrm", "0000000000000000", "0000000000000000") ||
           compare_threads("CapBnd", "0000000000000000", "0000000000000000") ||
           compare_threads("NoNewPrivs", "1", "1") || compare_threads("Seccomp", "2", "2") ||
           prctl(PR_GET_DUMPABLE);
}

static int try_threads_as_root(void)
{
    const uint64_t keep = 1ull << CAP_SYS_ADMIN | 1ull << CAP_SETUID | 1ull << CAP_SETGID |
                          1ull << CAP_KILL | 1ull << CAP_SETPCAP | 1ull << CAP_DAC_OVERRIDE |
                          1ull << CAP_SYS_NICE;
    char set[32];

    snprintf(set, sizeof(set), "%016llx", (unsigned long long)keep);
    return compare_threads("CapPrm", set, "0000000000000000") ||
           compare_threads("CapEff", set, "0000000000000000") ||
           compare_threads("CapBnd", set, set) || compare_threads("NoNewPrivs", "1", "1") ||
           compare_threads("Seccomp", "2", "2") || prctl(PR_GET_DUMPABLE);
}

static void who_dropped_cannot(void **state)
{
    const struct {
        const char *what;
        int (*try)(void);
        bool is_user;
        uint8_t needs;
        int outcome; /* an errno, or 128 and a signal */
    } rows[] = {
        {"trace", try_ptrace, false, 0, 128 + SIGSYS},
        {"read another process's memory", try_vm_read, false, 0, 128 + SIGSYS},
        {"load a module", try_module, false, 0, 128 + SIGSYS},
        {"boot another kernel", try_kexec, false, 0, 128 + SIGSYS},
        {"open a file by its handle", try_handle, false, 0, 128 + SIGSYS},
        {"enter another namespace", try_setns, false, 0, 128 + SIGSYS},
        {"call with 32-bit numbers", try_32_bits, false, 0, 128 + SIGSYS},
        {"use bpf", try_bpf, false, 0, EPERM},
        {"use bpf, when the port does", try_bpf, false, PORT_NEEDS_BPF, EINVAL},
        {"open a counter", try_perf, false, 0, EPERM},
        {"make a ring for calls", try_uring, false, 0, EPERM},
        {"use keyrings", try_keyring, false, 0, EPERM},
        {"use the other mount calls", try_fsopen, false, 0, EPERM},
        {"type into a terminal", try_typing, false, 0, EPERM},
        {"type, with bits that the kernel does not look at", try_typing_high, false, 0, EPERM},
        {"open a TCP socket", try_inet, false, 0, EPERM},
        {"open a netlink socket", try_netlink, false, 0, EPERM},
        {"open a netlink socket, when the port does", try_netlink, false, PORT_NEEDS_NET_ADMIN, 0},
        {"open a packet socket, when the port needs others", try_packet, false,
         PORT_NEEDS_NET_ADMIN, EPERM},
        {"take a capability back", try_net_name, false, 0, EPERM},
        {"write code", try_new_code, false, 0, has_fixed_code() ? EACCES : 0},
        {"make data code", try_data_as_code, false, 0, has_fixed_code() ? EACCES : 0},
        {"become root again", try_root, true, 0, EPERM},
        {"mount", try_mount, true, 0, EPERM},
        {"read what is root's", try_shadow, true, 0, EACCES},
        {"name the machine", try_sysadmin_name, true, 0, EPERM},
        /* and what it still must: */
        {"(can) open a local socket", try_unix, false, 0, 0},
        {"(can) start what writes code", try_starting_a_compiler, false, 0, 0},
        {"(can) start a process with namespaces", try_namespaces_and_exec, false, 0, 0},
        {"(can) start one as the user", try_namespaces_and_exec, true, 0, 0},
        {"(is) the same in all threads, as root", try_threads_as_root, false, 0, 0},
        {"(is) the same in all threads, as the user", try_threads_as_user, true, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int outcome = after_drop(rows[i].is_user, rows[i].needs, rows[i].try);

        if (outcome != rows[i].outcome)
            fail_msg("%s: %d, not %d", rows[i].what, outcome, rows[i].outcome);
    }
}

/* ---- user.h ---- */

static char dir[] = "/tmp/hearth-user-XXXXXX";

static void make_file(const char *name, mode_t mode)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    close(fd);
}

static uid_t owner_of(const char *name)
{
    struct stat st;
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_uid;
}

static void a_tree_becomes_the_users_but_not_what_lies_elsewhere(void **state)
{
    char error[256] = "", from[128], to[128];

    assert_non_null(mkdtemp(dir));
    snprintf(to, sizeof(to), "%s/store", dir);
    assert_int_equal(mkdir(to, 0700), 0);
    snprintf(to, sizeof(to), "%s/store/inner", dir);
    assert_int_equal(mkdir(to, 0700), 0);
    make_file("store/inner/file", 0600);
    make_file("outside", 0600);
    make_file("twice", 0600);
    snprintf(from, sizeof(from), "%s/outside", dir);
    snprintf(to, sizeof(to), "%s/store/link", dir);
    assert_int_equal(symlink(from, to), 0);
    snprintf(from, sizeof(from), "%s/twice", dir);
    snprintf(to, sizeof(to), "%s/store/twice", dir);
    assert_int_equal(link(from, to), 0);

    snprintf(to, sizeof(to), "%s/store", dir);
    assert_int_equal(user_give(&daemon_user, to, false, error, sizeof(error)), 0);
    assert_int_equal(owner_of("store"), daemon_user.uid);
    assert_int_equal(owner_of("store/inner"), 0);
    assert_int_equal(user_give(&daemon_user, to, true, error, sizeof(error)), 0);
    assert_int_equal(owner_of("store/inner"), daemon_user.uid);
    assert_int_equal(owner_of("store/inner/file"), daemon_user.uid);
    assert_int_equal(owner_of("outside"), 0);
    assert_int_equal(owner_of("store/link"), 0);
    assert_int_equal(owner_of("twice"), 0);

    assert_int_equal(user_give(&daemon_user, "/run", false, error, sizeof(error)), -1);
    assert_string_equal(error, "/run: is the system's, and cannot become daemon's");
    assert_int_equal(user_give(&daemon_user, "//tmp/", true, error, sizeof(error)), -1);
}

static void what_the_user_cannot_read_is_known_before(void **state)
{
    char path[128];

    assert_int_equal(chmod(dir, 0755), 0);
    make_file("public", 0644);
    make_file("private", 0600);
    snprintf(path, sizeof(path), "%s/public", dir);
    assert_int_equal(user_cannot_read(&daemon_user, path), 0);
    snprintf(path, sizeof(path), "%s/private", dir);
    assert_int_equal(user_cannot_read(&daemon_user, path), EACCES);
    snprintf(path, sizeof(path), "%s/nothing", dir);
    assert_int_equal(user_cannot_read(&daemon_user, path), ENOENT);
    assert_int_equal(getuid(), 0);
    snprintf(path, sizeof(path), "rm -rf %s", dir);
    assert_int_equal(system(path), 0);
}

static void names_that_are_no_user_are_sentences(void **state)
{
    struct user u;
    char error[256];

    assert_int_equal(user_find(&u, "no-such-one", error, sizeof(error)), -1);
    assert_string_equal(error, "there is no user \"no-such-one\"");
    assert_int_equal(user_find(&u, "root", error, sizeof(error)), -1);
    assert_string_equal(error, "\"root\" is root or has its group: leave the key out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_no_user_are_sentences),
        cmocka_unit_test(who_dropped_cannot),
        cmocka_unit_test(a_tree_becomes_the_users_but_not_what_lies_elsewhere),
        cmocka_unit_test(what_the_user_cannot_read_is_known_before),
    };
    char error[256];

    if (getuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SETPCAP) != 1) {
        printf("skipped: wants root\n");
        return 77;
    }
    if (user_find(&daemon_user, USER, error, sizeof(error)) || pipe(never)) {
        printf("%s\n", error);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
