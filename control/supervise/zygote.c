#include "control/supervise/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/base/clean.h"
#include "control/base/log.h"
#include "control/supervise/urgency.h"
#include "dataplane/base/limits.h"
#include "runtime/zygote.h"

enum { MS = 1000 * 1000, LOOK_AGAIN_MS = 50 };

void zygote_init(struct zygote *z, const struct zygote_config *config)
{
    *z = (struct zygote){
        .config = config, .socket = -1, .words.fd = -1, .child.pidfd = -1, .socket_watch.fd = -1};
}

static void await(struct zygote *z, uint32_t ms, void (*fn)(void *))
{
    z->wait = patience_begin((int)z->child.pid, loop_now_ns());
    loop_timer_set(z->config->loop, &z->timer, (uint64_t)ms * MS, fn, z);
}

/* True: what it is awaited for has taken that long of its own doing. Else it has more time. */
static bool is_overdue(struct zygote *z, uint32_t ms)
{
    const uint64_t all_ns = (uint64_t)ms * MS, least_ns = (uint64_t)LOOK_AGAIN_MS * MS;
    const uint64_t spent_ns = patience_spent_ns(&z->wait, (int)z->child.pid, loop_now_ns());

    if (spent_ns >= all_ns)
        return true;
    loop_timer_set(z->config->loop, &z->timer,
                   all_ns - spent_ns > least_ns ? all_ns - spent_ns : least_ns, z->timer.fn, z);
    return false;
}

/* ---- its end ---- */

static void strike(void *arg)
{
    struct zygote *z = arg;

    if (child_strike(&z->child, loop_now_ns(), z->last_exit, sizeof(z->last_exit)))
        log_line("zygote", "pid=%d %s because=\"%s\"", (int)z->child.pid, z->last_exit,
                 z->kill_reason);
    loop_timer_set(z->config->loop, &z->timer, (uint64_t)SUPERVISE_KILL_MS * MS, strike, z);
}

static void close_socket(struct zygote *z)
{
    loop_unwatch(z->config->loop, &z->socket_watch);
    if (z->socket >= 0)
        close(z->socket);
    z->socket = -1;
}

void zygote_kill(struct zygote *z, const char *why)
{
    if (z->state == ZYGOTE_DOWN || z->state == ZYGOTE_ENDING)
        return;
    z->state = ZYGOTE_ENDING;
    z->kill_reason = why;
    close_socket(z);
    strike(z);
}

void zygote_close(struct zygote *z, const char *why)
{
    if (z->state == ZYGOTE_DOWN || z->state == ZYGOTE_ENDING)
        return;
    z->state = ZYGOTE_ENDING;
    z->kill_reason = why;
    close_socket(z);
    loop_timer_set(z->config->loop, &z->timer, (uint64_t)CHILD_EXIT_MS * MS, strike, z);
}

static void free_life(struct zygote *z)
{
    loop_timer_cancel(z->config->loop, &z->timer);
    close_socket(z);
    words_close(&z->words);
    child_release(&z->child);
    z->asked = 0;
    z->state = ZYGOTE_DOWN;
}

static void on_end(void *arg, uint32_t events)
{
    struct zygote *z = arg;
    const int pid = (int)z->child.pid;
    uint64_t cpu_ns;

    if (!child_has_ended(&z->child, z->last_exit, sizeof(z->last_exit), &cpu_ns))
        return;
    log_line("zygote", "pid=%d down cause=\"%s\"%s%s%s lived_ms=%llu", pid, z->last_exit,
             z->kill_reason ? " because=\"" : "", z->kill_reason ? z->kill_reason : "",
             z->kill_reason ? "\"" : "", (unsigned long long)(loop_now_ns() - z->started_ns) / MS);
    free_life(z);
    z->config->on_change(z->config->arg, z);
}

void zygote_await_end(struct zygote *z, uint64_t deadline_ns)
{
    if (z->state == ZYGOTE_DOWN)
        return;
    if (!child_await_end(&z->child, deadline_ns, z->last_exit, sizeof(z->last_exit)))
        log_line("zygote", "pid=%d is left behind: %s", (int)z->child.pid, z->last_exit);
    free_life(z);
}

/* ---- what it says ---- */

static void on_ready(struct zygote *z, const struct zygote_packet *said)
{
    loop_timer_cancel(z->config->loop, &z->timer);
    clean(z->v8, sizeof(z->v8), said->v8, strnlen(said->v8, sizeof(said->v8)), CLEAN_FIELD);
    z->state = ZYGOTE_UP;
    z->up_ns = loop_now_ns();
    log_line("zygote", "pid=%d up v8=\"%s\" boot_us=%llu", (int)z->child.pid, z->v8,
             (unsigned long long)(z->up_ns - z->started_ns) / 1000);
    z->config->on_change(z->config->arg, z);
}

static void on_no_answer(void *arg)
{
    struct zygote *z = arg;

    if (is_overdue(z, CHILD_READY_MS))
        zygote_kill(z,
                    z->state == ZYGOTE_BOOTING ? "it was not ready in time" : "it does not answer");
}

static void on_forked(struct zygote *z, int32_t pid)
{
    z->asked--;
    if (z->asked)
        await(z, CHILD_READY_MS, on_no_answer);
    else
        loop_timer_cancel(z->config->loop, &z->timer);
    z->config->on_forked(z->config->arg, z, pid);
}

static void on_socket(void *arg, uint32_t events)
{
    struct zygote *z = arg;
    struct zygote_packet said = {0};
    ssize_t n = recv(z->socket, &said, sizeof(said), MSG_DONTWAIT | MSG_TRUNC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == sizeof(said) && said.type == ZYGOTE_READY && z->state == ZYGOTE_BOOTING)
        on_ready(z, &said);
    else if (n == sizeof(said) && said.type == ZYGOTE_FORKED && z->asked)
        on_forked(z, said.pid);
    else
        zygote_kill(z, n <= 0 ? "it closed its socket" : "it breaks the contract");
}

bool zygote_order(int socket, uint32_t uid, enum zygote_child what, const int fds[ZYGOTE_FORK_FDS])
{
    struct zygote_packet packet = {.type = ZYGOTE_FORK, .uid = uid, .what = what};
    char control[CMSG_SPACE(sizeof(int) * ZYGOTE_FORK_FDS)] = {0};
    struct iovec iov = {&packet, sizeof(packet)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * ZYGOTE_FORK_FDS);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * ZYGOTE_FORK_FDS);
    return sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

bool zygote_fork(struct zygote *z, uint32_t uid, enum zygote_child what, int socket, int words)
{
    const int fds[ZYGOTE_FORK_FDS] = {socket, words};

    if (z->state != ZYGOTE_UP || !zygote_order(z->socket, uid, what, fds))
        return false;
    if (z->asked++ == 0)
        await(z, CHILD_READY_MS, on_no_answer);
    return true;
}

/* ---- start ---- */

struct birth {
    const struct zygote_config *config;
    int socket, words;
    pid_t parent;
};

/* In the child, which borrows our memory until execve: system calls only. */
__attribute__((noreturn)) static void become_zygote(const struct birth *b)
{
    const struct zygote_config *c = b->config;
    char *argv[] = {(char *)"hearth-zygote", (char *)c->blob, NULL, NULL, NULL};
    char **option = &argv[2];
    char *const env[] = {c->preload, NULL};
    sigset_t none;
    int null;

    if (c->may_be_weaker)
        *option++ = (char *)"weaker";
    if (c->limits_speculation)
        *option = (char *)"limit-speculation";
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != b->parent)
        _exit(126);
    setpgid(0, 0); /* a terminal's interrupt is for hearthd alone */
    urgency_set(0, URGENCY_CELL);
    if (c->has_cpus)
        sched_setaffinity(0, sizeof(c->cpus), &c->cpus);
    /* Not hearthd's own log: what it writes is marked as its (words.h). */
    dup2(b->words, STDERR_FILENO);
    dup2(b->words, STDOUT_FILENO);
    if (b->socket == START_FD)
        fcntl(START_FD, F_SETFD, 0);
    else
        dup2(b->socket, START_FD);
    null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    close_range(START_FD + 1, ~0u, 0);
    execve(c->node_exe, argv, env);
    _exit(127);
}

/* Rejected: fork, which copies the page tables of hearthd's hugepages. */
static pid_t start_child(const struct birth *b)
{
    pid_t pid = vfork();

    if (pid == 0)
        become_zygote(b);
    return pid < 0 ? -errno : pid;
}

static void put_words(void *arg, const char *text)
{
    struct zygote *z = arg;

    log_line("zygote", "pid=%d says=\"%s\"", (int)z->child.pid, text);
}

static int open_life(struct zygote *z, struct birth *b)
{
    int pair[2];

    z->words = (struct words){.loop = z->config->loop,
                              .on_line = put_words,
                              .arg = z,
                              .dropped = z->config->words_dropped};
    b->words = words_open(&z->words);
    if (b->words < 0)
        return b->words;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    z->socket = pair[0];
    b->socket = pair[1];
    return 0;
}

static int adopt(struct zygote *z, pid_t pid)
{
    struct loop *loop = z->config->loop;
    int rc = pid < 0 ? pid : child_adopt(&z->child, loop, pid, on_end, z);

    if (!rc)
        rc = loop_watch(loop, &z->socket_watch, z->socket, EPOLLIN, on_socket, z);
    if (rc && pid > 0) {
        /* It is still as hearthd started it, so it can be killed, and has nothing that holds it
         * up. */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return rc;
}

int zygote_start(struct zygote *z)
{
    struct birth b = {.config = z->config, .socket = -1, .words = -1, .parent = getpid()};
    int rc = open_life(z, &b);

    z->kill_reason = NULL;
    z->started_ns = loop_now_ns();
    z->has_ids = geteuid() == 0;
    if (!rc)
        rc = adopt(z, start_child(&b));
    if (b.socket >= 0)
        close(b.socket);
    if (b.words >= 0)
        close(b.words);
    if (rc) {
        snprintf(z->last_exit, sizeof(z->last_exit), "not started: %s", strerror(-rc));
        free_life(z);
        return rc;
    }
    z->state = ZYGOTE_BOOTING;
    await(z, CHILD_READY_MS, on_no_answer);
    return 0;
}
