#include "control/supervise/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/base/limits.h"

enum { MS = 1000 * 1000 };

int child_adopt(struct child *c, struct loop *loop, pid_t pid, void (*on_end)(void *, uint32_t),
                void *arg)
{
    siginfo_t info = {0};
    int pidfd = pidfd_open(pid, 0), rc;

    if (pidfd < 0)
        return -errno;
    rc = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) ? -errno : 0;
    *c = (struct child){.loop = loop, .pid = pid, .pidfd = pidfd, .watch.fd = -1};
    if (!rc)
        rc = loop_watch(loop, &c->watch, pidfd, EPOLLIN, on_end, arg);
    if (rc) {
        close(pidfd);
        *c = (struct child){.pidfd = -1, .watch.fd = -1};
    }
    return rc;
}

/* 0, or why it cannot be: the kernel asks whose process it is (CAP_KILL). One that has just ended
 * is killed enough. */
static int send_kill(const struct child *c)
{
    if (!pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0) || errno == ESRCH)
        return 0;
    return errno;
}

bool child_strike(struct child *c, uint64_t now_ns, char *text, size_t room)
{
    const int rc = send_kill(c);
    const bool was_struck = c->is_struck;

    c->is_struck |= !rc;
    c->struck_ns = now_ns;
    if (rc)
        snprintf(text, room, "cannot be killed: %s", strerror(rc));
    else
        snprintf(text, room, "killed%s", was_struck ? ", and still there" : "");
    /* A line for what is new, then one a minute. */
    return c->strikes++ % 60 < 2 || c->is_struck != was_struck;
}

bool child_withstands(const struct child *c, uint64_t now_ns)
{
    return c->strikes && now_ns - c->struck_ns >= (uint64_t)SUPERVISE_KILL_MS * MS;
}

bool child_has_ended(struct child *c, char *how, size_t room, uint64_t *cpu_ns)
{
    struct rusage used = {0};
    siginfo_t info = {0};

    if (syscall(SYS_waitid, P_PIDFD, c->pidfd, &info, WEXITED | WNOHANG, &used)) {
        /* Somebody else has taken its status; its pidfd would be readable for ever. */
        c->exit = -1;
        snprintf(how, room, "its end was not seen: %s", strerror(errno));
        return errno != EINTR;
    }
    if (!info.si_pid)
        return false;
    *cpu_ns = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
              (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
    c->exit = info.si_code == CLD_EXITED ? info.si_status : -1;
    if (info.si_code == CLD_EXITED)
        snprintf(how, room, "exit %d", info.si_status);
    else
        snprintf(how, room, "signal %d (%s)", info.si_status,
                 sigdescr_np(info.si_status) ? sigdescr_np(info.si_status) : "unknown");
    return true;
}

bool child_await_end(struct child *c, uint64_t deadline_ns, char *how, size_t room)
{
    struct pollfd wait = {.fd = c->pidfd, .events = POLLIN};
    uint64_t cpu_ns, now_ns = loop_now_ns();

    while (!child_has_ended(c, how, room, &cpu_ns)) {
        if (now_ns >= deadline_ns)
            return false;
        poll(&wait, 1, (int)((deadline_ns - now_ns) / MS) + 1);
        now_ns = loop_now_ns();
    }
    return true;
}

void child_release(struct child *c)
{
    if (!c->pid)
        return;
    loop_unwatch(c->loop, &c->watch);
    close(c->pidfd);
    c->pidfd = -1;
    c->pid = 0;
}
