#include "sandbox_template.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/supervise/door.h"
#include "control/supervise/procfs.h"
#include "runtime/worker/sandbox.h"
#include "runtime/zygote.h"
#include "sandbox_attempts.h"

enum { NO_SANDBOX = 99, ATTACKED = 98 };

static struct sandbox sandbox;
static int told[2]; /* the template's end, hearthd's end */
static pid_t *thread_id;

/* ---- the template's side ---- */

static bool give(int listener)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {"d", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &listener, sizeof(int));
    bool ok = sendmsg(told[0], &msg, 0) == 1;
    close(listener);
    return ok;
}

static bool be_template(void)
{
    if (sandbox_become(&sandbox, sandbox.has_ids ? SANDBOX_NOBODY : 0))
        return false;
    int listener = sandbox_door();
    return listener >= 0 && give(listener) && sandbox_seal_template(&sandbox) == 0;
}

static pid_t fork_as_asked(void)
{
    return (pid_t)syscall(SYS_clone, ZYGOTE_FORK_FLAGS, NULL, NULL, thread_id, 0);
}

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing, NULL);
    return error ? error : pthread_join(thread, NULL);
}

/* Each ends with 0 if all went as it should up to its last call, at which it is to be stopped. */
static int forks(const void *unused)
{
    pid_t pid = fork_as_asked();
    if (pid == 0)
        _exit(0);
    return pid > 0 ? 0 : 1;
}

static int forks_twice(const void *unused)
{
    return forks(NULL) || forks(NULL);
}

static int starts_a_thread(const void *unused)
{
    return start_thread();
}

static int child_starts_threads(const void *count)
{
    pid_t pid = fork_as_asked();
    if (pid == 0)
        for (int i = 0; i < *(const int *)count; i++)
            if (start_thread())
                _exit(1);
    return pid >= 0 ? 0 : 1;
}

static int child_forks(const void *unused)
{
    pid_t pid = fork_as_asked();
    if (pid == 0)
        _exit(forks(NULL));
    return poll(NULL, 0, -1);
}

static int attempt(const void *arg)
{
    const struct attempt *row = arg;
    errno = 0;
    return row->attempt() >= 0 || errno != EPERM;
}

static int child_attempts(const void *arg)
{
    pid_t pid = fork_as_asked();
    if (pid == 0) {
        sandbox_follow();
        _exit(sandbox_seal(&sandbox) ? NO_SANDBOX : attempt(arg));
    }
    return pid > 0 ? 0 : 1;
}

static int wants_another_door(const void *unused)
{
    int fd = sandbox_door();
    return fd >= 0 || fd != -EPERM;
}

static int wants_to_outlive_hearthd(const void *unused)
{
    return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) == 0 || errno != EPERM;
}

static int child_is_its_own(const void *unused)
{
    pid_t pid = fork_as_asked();
    if (pid == 0) {
        uint32_t count = 0;
        sandbox_follow();
        if (start_thread() || sandbox_seal(&sandbox))
            _exit(NO_SANDBOX);
        /* Of what it had before, nothing is lost. */
        void *more = malloc(1 << 20);
        _exit(!more || getpid() != syscall(SYS_gettid) ||
              send(told[0], &count, sizeof(count), 0) != sizeof(count));
    }
    return pid > 0 ? 0 : 1;
}

/* ---- hearthd's side ---- */

struct outcome {
    int template, child; /* how they ended; -1: there was none */
    unsigned forks, threads, attacks;
};

static int take_listener(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    int fd = -1;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    if (recvmsg(told[1], &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    return fd;
}

static void end(void *unused, int pid)
{
    kill(pid, SIGKILL);
}

/* Until both have ended, or who attacks was killed. */
static struct outcome keep_door(struct door *d, pid_t template)
{
    struct outcome o = {.template = -1, .child = -1};
    int status;
    for (;;) {
        struct pollfd fd = {.fd = d->listener, .events = POLLIN};
        poll(&fd, 1, 20);
        switch (door_answer(d)) {
        case DOOR_FORK:
            o.forks++;
            break;
        case DOOR_THREAD:
            o.threads++;
            break;
        case DOOR_ATTACK:
            o.attacks++;
            kill(template, SIGKILL);
            break;
        case DOOR_NOBODY:
            break;
        }
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            *(pid == template ? &o.template : &o.child) = status;
        if (pid < 0)
            return o; /* nobody is left */
        if (o.attacks)
            procfs_children(getpid(), end, NULL);
    }
}

static struct outcome in_template(int (*body)(const void *), const void *arg, unsigned orders)
{
    int status = 0;
    struct door door;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, told))
        abort();
    pid_t zygote = fork();
    if (zygote == 0) {
        if (sandbox_prepare(&sandbox) || sandbox_enter(&sandbox) ||
            prctl(PR_GET_TID_ADDRESS, &thread_id, 0, 0, 0) || sandbox_seal_zygote(&sandbox))
            _exit(1);
        long pid = fork_as_asked();
        if (pid == 0)
            _exit(be_template() ? body(arg) : NO_SANDBOX);
        char text[16];
        int n = snprintf(text, sizeof(text), "%ld", pid);
        _exit(pid > 0 && send(told[0], text, (size_t)n, 0) == n ? 0 : 1);
    }
    /* The listener and the pid come in either order, as packets of different kinds. */
    pid_t template = 0;
    int listener = -1;
    for (int i = 0; i < 2; i++) {
        char text[16] = "";
        ssize_t n = recv(told[1], text, sizeof(text) - 1, MSG_PEEK);
        if (n == 1 && text[0] == 'd') {
            listener = take_listener();
        } else {
            recv(told[1], text, sizeof(text) - 1, 0);
            template = atoi(text);
        }
    }
    waitpid(zygote, &status, 0);
    if (status || template <= 0 || !door_open(&door, listener, template))
        return (struct outcome){.template = -1, .child = -1};
    while (orders-- > 0)
        door_allow(&door);
    struct outcome o = keep_door(&door, template);
    door_close(&door);
    close(told[0]);
    close(told[1]);
    return o;
}

/* ---- the rows ---- */

static bool report(bool ok, const char *what, const struct outcome *o)
{
    printf("%s - template: %s: template %x child %x forks %u threads %u attacks %u\n",
           ok ? "ok" : "not ok", what, (unsigned)o->template, (unsigned)o->child, o->forks,
           o->threads, o->attacks);
    return ok;
}

static bool was_killed(int status)
{
    return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static const int one = 1, two = 2;

static const struct row {
    const char *what;
    int (*body)(const void *);
    const void *arg;
    unsigned orders, forks, threads, attacks;
    bool has_child, child_ends_well;
} rows[] = {
    {"forks when it was told to", forks, NULL, 1, 1, 0, 0, true, true},
    {"forks unasked", forks, NULL, 0, 0, 0, 1, false, false},
    {"forks twice for one order", forks_twice, NULL, 1, 1, 0, 1, true, true},
    {"forks twice for two", forks_twice, NULL, 2, 2, 0, 0, true, true},
    {"starts a thread", starts_a_thread, NULL, 0, 0, 0, 1, false, false},
    {"starts a thread when it was told to fork", starts_a_thread, NULL, 1, 0, 0, 1, false, false},
    {"its child starts its monitor", child_starts_threads, &one, 1, 1, 1, 0, true, true},
    {"its child starts another thread", child_starts_threads, &two, 1, 1, 1, 1, true, false},
    {"its child forks", child_forks, NULL, 2, 1, 0, 1, true, false},
    {"its child is a cell", child_is_its_own, NULL, 1, 1, 1, 0, true, true},
    {"wants a door of its own", wants_another_door, NULL, 0, 0, 0, 0, false, false},
    {"wants to outlive hearthd", wants_to_outlive_hearthd, NULL, 0, 0, 0, 0, false, false},
};

/* Where its template attacks it may be killed with that before it has ended. */
static bool child_ended(const struct row *row, int status)
{
    return !row->child_ends_well || status == 0 || (row->attacks && was_killed(status));
}

static bool holds(const struct row *row)
{
    struct outcome o = in_template(row->body, row->arg, row->orders);
    bool ok = o.forks == row->forks && o.threads == row->threads && o.attacks == row->attacks &&
              (o.child != -1) == row->has_child && child_ended(row, o.child) &&
              (row->attacks ? was_killed(o.template) || was_killed(o.child) : o.template == 0);
    return report(ok, row->what, &o);
}

/* What a template may and its cells may not: what it needs to fork, of its own only. */
static bool is_its_own(const struct attempt *row)
{
    static const char *const own[] = {"clone3", "fork like its zygote",
                                      "put a descriptor in the place of another"};
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (strcmp(row->what, own[i]) == 0)
            return true;
    return false;
}

static bool is_refused(const struct attempt *row, int status)
{
    if (status == -1)
        return false;
    return row->is_deadly ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS : status == 0;
}

static bool refuses_what_cells_may_not(void)
{
    bool ok = true;
    for (const struct attempt *row = attempts; row->attempt; row++) {
        struct outcome o = {.template = -1};
        if (!is_its_own(row)) {
            o = in_template(attempt, row, 0);
            ok &= report(is_refused(row, o.template) && !o.attacks, row->what, &o);
        }
        o = in_template(child_attempts, row, 2);
        ok &= report(o.template == 0 && is_refused(row, o.child) && o.forks == 1 && !o.attacks,
                     row->what, &o);
    }
    return ok;
}

/* Not sealed: the filter refuses to look. */
static bool has_few_threads(void)
{
    struct rlimit limit = {0};
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(sandbox_enter(&sandbox) || getrlimit(RLIMIT_NPROC, &limit) ||
              (sandbox.has_ids && limit.rlim_max != SANDBOX_THREADS_MAX));
    waitpid(pid, &status, 0);
    printf("%s - an id has %d threads at most\n", status ? "not ok" : "ok", SANDBOX_THREADS_MAX);
    return status == 0;
}

bool templates_are_walled(void)
{
    bool ok = has_few_threads();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ok &= holds(&rows[i]);
    return ok & refuses_what_cells_may_not();
}
