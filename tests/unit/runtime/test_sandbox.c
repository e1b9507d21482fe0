/* test_sandbox BLOB: a hosted program that enters the sandbox as a zygote and its cells do, and
 * then tries what it must not be able to do; each attempt in a cell of its own, because some of
 * them are deadly. V8 goes on working inside. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/libv8c/v8c_host.h"
#include "runtime/worker/engine.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/sandbox.h"
#include "runtime/zygote.h"
#include "sandbox_attempts.h"
#include "sandbox_template.h"

/* ---- how they are tried ---- */

static struct sandbox sandbox;

static bool be_zygote(void)
{
    return sandbox_prepare(&sandbox) == 0 && sandbox_enter(&sandbox) == 0 &&
           sandbox_seal_zygote(&sandbox) == 0;
}

static bool be_cell(void)
{
    return sandbox_become(&sandbox, sandbox.has_ids ? SANDBOX_NOBODY : 0) == 0 &&
           sandbox_seal(&sandbox) == 0;
}

enum { NO_SANDBOX = 99 };

/* Calls body(arg) in a cell, and returns the status with which it ended. */
static int in_cell(int (*body)(const void *), const void *arg)
{
    int status = 0;
    pid_t zygote = fork();
    if (zygote == 0) {
        if (!be_zygote())
            _exit(NO_SANDBOX);
        long pid = syscall(SYS_clone, ZYGOTE_FORK_FLAGS, NULL, NULL, NULL, 0);
        if (pid == 0)
            _exit(be_cell() ? body(arg) : NO_SANDBOX);
        _exit(pid > 0 ? 0 : NO_SANDBOX);
    }
    waitpid(zygote, &status, 0);
    if (status == 0)
        waitpid(-1, &status, 0); /* the cell is our child, not the zygote's */
    return status;
}

static int in_zygote(int (*body)(const void *), const void *arg)
{
    int status = 0;
    pid_t zygote = fork();
    if (zygote == 0)
        _exit(be_zygote() ? body(arg) : NO_SANDBOX);
    waitpid(zygote, &status, 0);
    return status;
}

static bool report(bool ok, const char *what, int status)
{
    printf("%s - %s: status %x\n", ok ? "ok" : "not ok", what, (unsigned)status);
    return ok;
}

/* 0: it was refused with an error; 1: it worked. */
static int attempt(const void *arg)
{
    const struct attempt *row = arg;
    errno = 0;
    return row->attempt() >= 0 || errno != EPERM; /* the filter's answer, not the file system's */
}

static bool is_refused(const struct attempt *row)
{
    int status = in_cell(attempt, row);
    bool ok = row->is_deadly ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS : status == 0;
    return report(ok, row->what, status);
}

static bool is_refused_to_zygotes(const struct attempt *row)
{
    int status = in_zygote(attempt, row);
    printf("zygote: ");
    return report(status == 0, row->what, status);
}

static bool has_capability(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct c[2] = {0};
    bool has = syscall(SYS_capget, &header, c) != 0;
    for (int i = 0; i < 2; i++)
        has |= c[i].effective || c[i].permitted || c[i].inheritable;
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        has |= prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0;
    return has;
}

static int checks_capabilities(const void *bounds)
{
    bool may_get = false;
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        may_get |= prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0;
    return has_capability() || (may_get && bounds);
}

static bool may_bound(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct c[2] = {0};
    return syscall(SYS_capget, &header, c) == 0 && c[0].effective & 1u << CAP_SETPCAP;
}

/* Not sealed: the filter refuses to look. */
static bool loses_all_capabilities(void)
{
    int status = 0;
    bool bounds = may_bound();
    pid_t pid = fork();
    if (pid == 0) {
        if (sandbox_prepare(&sandbox) || sandbox_enter(&sandbox) ||
            sandbox_become(&sandbox, sandbox.has_ids ? 12345 : 0))
            _exit(NO_SANDBOX);
        if (sandbox.has_ids && (getuid() != 12345 || getegid() != 12345 || getgroups(0, NULL)))
            _exit(1);
        _exit(checks_capabilities(bounds ? &bounds : NULL));
    }
    waitpid(pid, &status, 0);
    return report(status == 0, "it has no capability, and ids of its own", status);
}

static bool refuses_other_ids(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int error = sandbox_prepare(&sandbox) || sandbox_enter(&sandbox);
        _exit(error || sandbox_become(&sandbox, sandbox.has_ids ? 0 : 12345) != -EINVAL);
    }
    waitpid(pid, &status, 0);
    return report(status == 0, "root's cell stays not root, another's has no other ids", status);
}

static int computes(const void *told)
{
    pid_t pid = getpid();
    if (write(*(const int *)told, &pid, sizeof(pid)) != sizeof(pid))
        return 1;
    for (;;) /* whatever the script does, it does not look up */
        ;
}

/* In the place of hearthd: has a zygote fork a cell that tells its pid, and waits. */
static void be_hearthd(int told)
{
    _exit(in_cell(computes, &told));
}

static bool ends_with_hearthd(void)
{
    int told[2];
    bool ok = pipe(told) == 0;
    pid_t hearthd = fork(), pid = 0;
    if (hearthd == 0)
        be_hearthd(told[1]);
    close(told[1]);
    ok = ok && read(told[0], &pid, sizeof(pid)) == sizeof(pid);
    kill(hearthd, SIGKILL);
    waitpid(hearthd, NULL, 0);
    /* Its end of the pipe is closed when it is gone. */
    struct pollfd gone = {.fd = told[0], .events = POLLIN};
    ok = ok && poll(&gone, 1, 20 * 1000) == 1;
    if (!ok && pid > 0)
        kill(pid, SIGKILL);
    printf("%s - a process that computes ends with hearthd\n", ok ? "ok" : "not ok");
    return ok;
}

static int works_as_before(const void *arg)
{
    uint64_t count = 1;
    struct timespec t;
    cpu_set_t cpus;
    void *pages = mmap(NULL, SHARED_BYTES, PROT_READ, MAP_PRIVATE, shared.region, 0);
    bool ok = pages != MAP_FAILED && madvise(shared.map, SHARED_BYTES, MADV_DONTNEED) == 0 &&
              clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 &&
              read(SANDBOX_BELL_FD, &count, sizeof(count)) == sizeof(count) &&
              write(shared.bell, &count, sizeof(count)) == sizeof(count) &&
              send(shared.pair[0], "x", 1, MSG_DONTWAIT) == 1 &&
              sched_getaffinity(getpid(), sizeof(cpus), &cpus) == 0 &&
              syscall(SYS_tgkill, getpid(), getpid(), 0) == 0;
    return !ok;
}

static bool does_its_work(void)
{
    int status = in_cell(works_as_before, NULL);
    return report(status == 0, "its own memory, clock, bell, id and socket are its own", status);
}

static int aborts(const void *arg)
{
    abort();
}

static bool ends_by_its_own_signal(void)
{
    int status = in_cell(aborts, NULL);
    return report(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                  "a failed assertion ends it as such", status);
}

/* Work that compiles to machine code, allocates enough to collect, and uses regular expressions. */
static const char work[] =
    "{ function hot(n) { let x = 0; for (let i = 0; i < n; i++) x = (x * 31 + i) | 0; return x; }"
    "let sum = 0; for (let k = 0; k < 2000; k++) sum ^= hot(1000);"
    "let keep = []; for (let i = 0; i < 200000; i++) { keep.push({ i, s: 'x' + i }); if "
    "(keep.length > 1000) keep = []; }"
    "const big = new Uint8Array(8 << 20).fill(7);"
    "/^(\\w+)@(\\w+)\\.org$/.exec('some@example.org')[2] + big.reduce((a, b) => a + b, 0) + typeof "
    "sum; }";

static bool runs_work(struct v8c_isolate *v8, struct v8c_context *context)
{
    struct v8c_scope scope;
    struct v8c_error error;
    char text[64] = "";
    v8c_scope_enter(&scope, v8, context);
    struct v8c_value *value = v8c_run(v8, "work", work, &error);
    if (value)
        text[v8c_string_write_utf8(v8, value, text, sizeof(text) - 1)] = '\0';
    else
        printf("# error %s\n", error.text);
    v8c_isolate_pressure(v8, V8C_PRESSURE_CRITICAL);
    v8c_scope_exit(&scope);
    return strcmp(text, "example58720256number") == 0;
}

static int works_in_isolate(const void *arg)
{
    struct v8c_isolate *v8 = (struct v8c_isolate *)arg;
    struct v8c_context *context = v8c_context_new(v8);
    bool ok = true;
    for (int round = 0; round < 3 && ok; round++)
        ok = runs_work(v8, context);
    v8c_context_free(context);
    return !ok;
}

/* In an isolate that was made before the fork, as in a cell. */
static bool v8_works_inside(const char *blob_path)
{
    struct stat st;
    int fd = open(blob_path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    struct v8c_blob blob = {mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0),
                            (size_t)st.st_size};
    engine_start(NULL);
    const struct v8c_isolate_params params = {.blob = &blob, .natives = natives_all()};
    struct v8c_isolate *v8 = v8c_isolate_new(&params, NULL);
    int status = in_cell(works_in_isolate, v8);
    return report(status == 0, "V8 compiles and collects inside", status);
}

int v8c_main(int argc, char **argv)
{
    bool ok = argc == 2 && attempts_init();
    setvbuf(stdout, NULL, _IONBF, 0);
    for (const struct attempt *a = attempts; a->attempt; a++)
        ok &= is_refused(a);
    for (const struct attempt *a = zygote_attempts; a->attempt; a++)
        ok &= is_refused_to_zygotes(a);
    ok &= templates_are_walled();
    ok &= refuses_other_ids();
    ok &= ends_by_its_own_signal();
    ok &= loses_all_capabilities();
    ok &= does_its_work();
    ok &= ends_with_hearthd();
    ok = ok && v8_works_inside(argv[1]);
    _exit(ok ? 0 : 1);
}
