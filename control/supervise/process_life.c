#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/supervise/process.h"

static void respawn_later(struct process *);
static void free_life(struct process *);

void process_set_state(struct process *p, enum supervise_state state)
{
    p->state = state;
    p->since_ns = loop_now_ns();
}

/* 0, or why it cannot be: the kernel asks whose process it is (CAP_KILL). One that has just ended
 * is killed enough. */
static int send_kill(const struct process *p)
{
    if (!pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0) || errno == ESRCH)
        return 0;
    return errno;
}

static void strike(void *arg)
{
    struct process *p = arg;
    struct supervise *s = p->owner;
    const int rc = send_kill(p);
    const bool was_struck = p->is_struck;

    p->is_struck |= !rc;
    if (rc)
        snprintf(p->last_exit, sizeof(p->last_exit), "cannot be killed: %s", strerror(rc));
    else
        snprintf(p->last_exit, sizeof(p->last_exit), "killed%s",
                 was_struck ? ", and still there" : "");
    /* A line for what is new, then one a minute. */
    if (p->strikes % 60 < 2 || p->is_struck != was_struck)
        log_line("runtime", "index=%u pid=%d %s because=\"%s\"", p->index, (int)p->pid,
                 p->last_exit, p->kill_reason);
    p->strikes++;
    loop_timer_set(s->config.loop, &p->kill_timer, (uint64_t)SUPERVISE_KILL_MS * PROCESS_MS, strike,
                   p);
    if (!rc && !was_struck)
        return;
    /* It will not be gone in a moment. If it listens at all, it ends by itself; no request should
     * wait for it. */
    shutdown(p->socket, SHUT_RDWR);
    if (p->strikes <= 2 && s->config.on_change && !s->is_stopping)
        s->config.on_change(s->config.arg);
}

void process_kill(struct process *p, const char *why)
{
    if (p->state == SUPERVISE_DOWN || p->state == SUPERVISE_ENDING)
        return;
    process_set_state(p, SUPERVISE_ENDING);
    p->strikes = 0;
    p->is_struck = false;
    p->kill_reason = why;
    strike(p);
}

bool process_is_given_time(struct process *p, const struct patience *patience, uint32_t ms,
                           struct loop_timer *timer)
{
    uint64_t all_ns = (uint64_t)ms * PROCESS_MS, least_ns = SUPERVISE_LOOK_MS * PROCESS_MS;
    uint64_t spent_ns = patience_spent_ns(patience, (int)p->pid, loop_now_ns());

    if (spent_ns >= all_ns)
        return false;
    loop_timer_set(p->owner->config.loop, timer,
                   all_ns - spent_ns > least_ns ? all_ns - spent_ns : least_ns, timer->fn, p);
    return true;
}

static void on_closed_timeout(void *arg)
{
    process_kill(arg, "it closed its start socket");
}

void process_watch_socket(struct process *p)
{
    loop_rewatch(p->owner->config.loop, &p->socket_watch,
                 (p->is_unheard ? 0 : EPOLLIN) | (p->is_blocked ? EPOLLOUT : 0));
}

static void on_socket(void *arg, uint32_t events)
{
    struct process *p = arg;
    struct supervise *s = p->owner;
    enum supervise_state before = p->state;
    uint64_t taken = p->taken;

    if (events & EPOLLIN) {
        process_hear(p);
        if (p->is_unheard)
            process_watch_socket(p);
    }
    if (events & EPOLLOUT)
        process_feed(p);
    if (events & (EPOLLHUP | EPOLLERR)) {
        /* Its end of the socket is closed: it is on its way out, or must be sent there. */
        loop_unwatch(s->config.loop, &p->socket_watch);
        loop_timer_set(s->config.loop, &p->boot_timer, (uint64_t)SUPERVISE_EXIT_MS * PROCESS_MS,
                       on_closed_timeout, p);
    }
    if (s->config.on_change && (p->state != before || p->taken != taken || (events & EPOLLOUT)))
        s->config.on_change(s->config.arg);
}

/* ---- start and end ---- */

struct child {
    const char *exe;
    char *const *argv, *const *env;
    int socket, words;
    pid_t parent;
    const cpu_set_t *cpus;
};

/* In the child, which borrows our memory until execve: system calls only. */
__attribute__((noreturn)) static void become_runtime(const struct child *c)
{
    sigset_t none;
    int null;

    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent)
        _exit(126);
    setpgid(0, 0); /* a terminal's interrupt is for hearthd alone */
    if (c->cpus)
        sched_setaffinity(0, sizeof(*c->cpus), c->cpus);
    /* Not hearthd's own log: what it writes is marked as its (process_words.c). */
    dup2(c->words, STDERR_FILENO);
    dup2(c->words, STDOUT_FILENO);
    if (c->socket == START_FD)
        fcntl(START_FD, F_SETFD, 0);
    else
        dup2(c->socket, START_FD);
    null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    close_range(START_FD + 1, ~0u, 0);
    execve(c->exe, c->argv, c->env);
    _exit(127);
}

/* Rejected: fork, which copies the page tables of hearthd's hugepages. */
static pid_t start_child(const struct child *c)
{
    pid_t pid = vfork();

    if (pid == 0)
        become_runtime(c);
    return pid;
}

static void on_boot_timeout(void *arg)
{
    struct process *p = arg;

    if (!process_is_given_time(p, &p->boot, SUPERVISE_READY_MS, &p->boot_timer))
        process_kill(p, "it was not ready in time");
}

static void free_life(struct process *p)
{
    struct loop *loop = p->owner->config.loop;

    loop_unwatch(loop, &p->pid_watch);
    loop_unwatch(loop, &p->socket_watch);
    loop_timer_cancel(loop, &p->boot_timer);
    loop_timer_cancel(loop, &p->feed_timer);
    loop_timer_cancel(loop, &p->kill_timer);
    process_words_close(p);
    if (p->pidfd >= 0)
        close(p->pidfd);
    if (p->socket >= 0)
        close(p->socket);
    p->pidfd = p->socket = -1;
    if (p->region) {
        p->ended_life = p->life;
        p->ended_by = job_region_blame(p->region->map);
        part_release(&p->region->part);
    }
    p->region = NULL;
    p->pid = 0;
    p->forget_count = 0;
    free(p->row);
    p->row = NULL;
    p->rows = 0;
    p->isolates = p->memory_bytes = p->ping.since_ns = 0;
    process_set_state(p, SUPERVISE_DOWN);
}

static void on_hold_over(void *arg);

static void await_hold(struct supervise *s)
{
    uint64_t now_ns = loop_now_ns(), next_ns = hold_next_ns(&s->holds, now_ns);

    if (next_ns != UINT64_MAX)
        loop_timer_set(s->config.loop, &s->hold_timer, next_ns - now_ns, on_hold_over, s);
}

static void on_hold_over(void *arg)
{
    struct supervise *s = arg;

    await_hold(s);
    if (s->config.on_change)
        s->config.on_change(s->config.arg);
}

/* Whose code was it? What a process says of that is its own word, but it names only scripts that it
 * was given. True: a script's, which is held back if it goes on. */
static bool blame(struct process *p)
{
    struct supervise *s = p->owner;
    const struct script *script = p->ended_by.script <= p->told
                                      ? catalog_by_handle(s->config.catalog, p->ended_by.script)
                                      : NULL;
    uint64_t now_ns = loop_now_ns();
    const struct hold *h;

    if (!script || s->is_stopping)
        return false;
    h = hold_ended(&s->holds, script->handle, now_ns);
    log_line("script",
             "name=%s version=%s level=error text=\"the process ended while it ran this script "
             "(%s)\" ends=%u held_s=%llu",
             script->name, script->version, p->last_exit, h->ends,
             (unsigned long long)(h->until_ns > now_ns ? (h->until_ns - now_ns) / 1000000000u : 0));
    await_hold(s);
    return true;
}

/* True: it has ended, and last_exit says how. */
static bool has_ended(struct process *p)
{
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG)) {
        /* Somebody else has taken its status; its pidfd would be readable for ever. */
        snprintf(p->last_exit, sizeof(p->last_exit), "its end was not seen: %s", strerror(errno));
        return errno != EINTR;
    }
    if (!info.si_pid)
        return false;
    if (info.si_code == CLD_EXITED)
        snprintf(p->last_exit, sizeof(p->last_exit), "exit %d", info.si_status);
    else
        snprintf(p->last_exit, sizeof(p->last_exit), "signal %d (%s)", info.si_status,
                 sigdescr_np(info.si_status) ? sigdescr_np(info.si_status) : "unknown");
    return true;
}

static void on_exit_event(void *arg, uint32_t events)
{
    struct process *p = arg;
    struct supervise *s = p->owner;
    uint64_t lived_ms = (loop_now_ns() - p->started_ns) / PROCESS_MS;

    if (!has_ended(p))
        return;
    p->heard_bytes = 0;
    process_hear(p);
    process_words_close(p);
    log_line("runtime", "index=%u pid=%d down cause=\"%s\" lived_ms=%llu", p->index, (int)p->pid,
             p->last_exit, (unsigned long long)lived_ms);
    free_life(p);
    /* What a script did is no fault of the process, and others' requests wait for the next one. */
    if (blame(p))
        p->backoff_ms = lived_ms >= SUPERVISE_BLAMED_MS ? 0 : SUPERVISE_BACKOFF_FIRST_MS;
    else if (lived_ms >= SUPERVISE_STABLE_MS)
        p->backoff_ms = 0;
    respawn_later(p);
    if (s->config.on_change)
        s->config.on_change(s->config.arg);
}

void process_await_end(struct process *p, uint64_t deadline_ns)
{
    struct pollfd wait = {.fd = p->pidfd, .events = POLLIN};
    uint64_t now_ns = loop_now_ns();
    bool is_over = false;

    while (!(is_over = has_ended(p)) && now_ns < deadline_ns) {
        poll(&wait, 1, (int)((deadline_ns - now_ns) / PROCESS_MS) + 1);
        now_ns = loop_now_ns();
    }
    if (!is_over)
        log_line("runtime", "index=%u pid=%d is left behind: %s", p->index, (int)p->pid,
                 p->last_exit[0] ? p->last_exit : "it does not end");
    free_life(p);
}

/* The child's ends of its socket and of its pipe. */
static int open_life(struct process *p, int *child_socket, int *child_words)
{
    const struct supervise_config *c = &p->owner->config;
    const int send_room = 4 << 20;
    int pair[2], words[2], rc;

    p->region = region_create(c->lanes);
    if (!p->region)
        return -errno;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    p->socket = pair[0];
    *child_socket = pair[1];
    if (pipe2(words, O_CLOEXEC | O_NONBLOCK))
        return -errno;
    *child_words = words[1];
    rc = process_words_open(p, words[0]);
    if (rc)
        return rc;
    /* The larger the room, the fewer wakes for a node with many scripts; without the privilege the
     * system's maximum must do. */
    if (setsockopt(p->socket, SOL_SOCKET, SO_SNDBUFFORCE, &send_room, sizeof(send_room)))
        setsockopt(p->socket, SOL_SOCKET, SO_SNDBUF, &send_room, sizeof(send_room));
    return 0;
}

/* It knows nothing and has said nothing. */
static void begin_life(struct process *p)
{
    p->knows_region = p->is_blocked = p->is_unheard = false;
    p->heard_bytes = 0;
    p->told = p->taken = 0;
    p->life = ++p->owner->lives;
    p->started_ns = loop_now_ns();
}

/* It runs: from now on its end is seen and its words are heard. */
static int watch_life(struct process *p)
{
    struct loop *loop = p->owner->config.loop;
    int rc = loop_watch(loop, &p->pid_watch, p->pidfd, EPOLLIN, on_exit_event, p);

    if (!rc)
        rc = loop_watch(loop, &p->socket_watch, p->socket, EPOLLIN, on_socket, p);
    if (rc)
        return rc;
    p->boot = patience_begin((int)p->pid, p->started_ns);
    loop_timer_set(loop, &p->boot_timer, (uint64_t)SUPERVISE_READY_MS * PROCESS_MS, on_boot_timeout,
                   p);
    return 0;
}

static int spawn(struct process *p)
{
    struct supervise *s = p->owner;
    const struct supervise_config *c = &s->config;
    char *const argv[] = {(char *)"hearth-runtime", s->blob, NULL};
    char *const env[] = {s->preload, NULL};
    struct child child = {.exe = s->node_exe, .argv = argv, .env = env, .parent = getpid()};
    cpu_set_t cpus;
    int child_socket = -1, child_words = -1;
    int rc = open_life(p, &child_socket, &child_words);

    if (rc)
        goto fail;
    if (c->cpus_count) {
        CPU_ZERO(&cpus);
        CPU_SET(s->cpus[p->index % c->cpus_count], &cpus);
        child.cpus = &cpus;
    }
    child.socket = child_socket;
    child.words = child_words;
    begin_life(p);
    p->pid = start_child(&child);
    if (p->pid < 0 || (p->pidfd = pidfd_open(p->pid, 0)) < 0) {
        rc = -errno;
        goto fail;
    }
    close(child_socket);
    close(child_words);
    child_socket = child_words = -1;
    process_set_state(p, SUPERVISE_BOOTING);
    rc = watch_life(p);
    if (rc)
        goto fail;
    process_feed(p);
    return 0;

fail:
    if (child_socket >= 0)
        close(child_socket);
    if (child_words >= 0)
        close(child_words);
    if (p->pid > 0) {
        /* It is still as hearthd started it, so it can be killed, and has nothing that holds it up.
         * */
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    snprintf(p->last_exit, sizeof(p->last_exit), "not started: %s", strerror(-rc));
    free_life(p);
    return rc;
}

void process_respawn(void *arg)
{
    struct process *p = arg;
    int rc = spawn(p);

    if (!rc)
        return;
    log_line("runtime", "index=%u cannot be started: %s", p->index, strerror(-rc));
    respawn_later(p);
}

/* The first death of a process costs nothing; one that keeps dying waits longer each time. */
static void respawn_later(struct process *p)
{
    if (p->owner->is_stopping)
        return;
    loop_timer_set(p->owner->config.loop, &p->respawn_timer, (uint64_t)p->backoff_ms * PROCESS_MS,
                   process_respawn, p);
    p->restarts++;
    p->backoff_ms = p->backoff_ms ? 2 * p->backoff_ms : SUPERVISE_BACKOFF_FIRST_MS;
    if (p->backoff_ms > SUPERVISE_BACKOFF_MAX_MS)
        p->backoff_ms = SUPERVISE_BACKOFF_MAX_MS;
}
