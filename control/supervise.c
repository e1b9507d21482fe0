#include "control/supervise.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
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

#include "control/json_field.h"
#include "control/log.h"
#include "control/procfs.h"
#include "control/region.h"
#include "control/start_packet.h"
#include "runtime/start.h"

enum {
    PACKETS_PER_EVENT = 64,
    MS = 1000 * 1000,
};

struct process {
    struct supervise *owner;
    uint32_t index;
    enum supervise_state state;
    bool is_killed; /* waiting for its end */
    pid_t pid;
    uint64_t life;
    uint32_t restarts;
    uint64_t since_ns, started_ns;
    uint32_t backoff_ms;
    int pidfd, socket;
    struct region *region;
    struct loop_watch pid_watch, socket_watch;
    struct loop_timer boot_timer, feed_timer, respawn_timer;
    /* what it has been told */
    bool knows_region, is_blocked;
    uint64_t told;       /* the highest handle */
    uint64_t taken;      /* and what of it, by its own word, it has read; at most told */
    uint64_t untaken_ns; /* taken < told: since when */
    uint64_t *forgets;
    uint32_t forget_count, forget_room;
    /* what it said */
    char v8[32], last_exit[64];
    uint64_t isolates, memory_bytes, bad_packets, logs_dropped;
    json_t *scripts;
    uint64_t ping_ns;  /* when the ping went that is not answered yet; 0: none */
    double ping_cpu_s; /* CPU time of the process then */
    uint64_t log_second;
    uint32_t logs_in_second;
};

struct supervise {
    struct supervise_config config;
    uint16_t cpus[64];
    char *node_exe, *program, *blob, *preload;
    uint64_t lives;
    bool is_stopping;
    struct loop_timer look_timer;
    uint32_t looks;
    uint8_t packet[START_PACKET_BYTES_MAX];
    struct process process[RUNTIMES_MAX];
};

static void feed(struct process *);
static void respawn_later(struct process *);

static void set_state(struct process *p, enum supervise_state state)
{
    p->state = state;
    p->since_ns = loop_now_ns();
}

static void kill_process(struct process *p, const char *why)
{
    if (p->is_killed || p->state == SUPERVISE_DOWN)
        return;
    p->is_killed = true;
    log_line("runtime", "index=%u pid=%d killed because=\"%s\"", p->index, (int)p->pid, why);
    pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
}

/* ---- to the runtime ---- */

static enum start_sent send_packet(struct process *p, json_t *packet, const int *fds,
                                   size_t fd_count)
{
    return start_packet_send(p->socket, p->owner->packet, packet, fds, fd_count);
}

static enum start_sent send_region(struct process *p)
{
    const struct supervise_config *c = &p->owner->config;
    int fds[START_PACKET_FDS_MAX] = {p->region->memfd, p->region->wake_fd};

    for (uint32_t i = 0; i < c->lanes; i++)
        fds[2 + i] = c->core_wake_fd[i];
    return send_packet(p,
                       json_pack("{s:s, s:i, s:i, s:I}", "type", "region", "lanes", (int)c->lanes,
                                 "index", (int)p->index, "memory_bytes",
                                 (json_int_t)c->memory_bytes),
                       fds, 2 + c->lanes);
}

static const struct script *next_script(const struct process *p)
{
    for (const struct script *s = p->owner->config.catalog->first; s; s = s->next)
        if (s->handle > p->told)
            return s;
    return NULL;
}

static void ping(struct process *p)
{
    json_t *packet = json_pack("{s:s, s:I}", "type", "ping", "told", (json_int_t)p->told);

    if (send_packet(p, packet, NULL, 0) != START_SENT)
        return; /* its socket is full of scripts: the feed has a timeout of its own */
    if (p->ping_ns)
        return; /* whether it hangs is for the first one that is not answered to tell */
    p->ping_ns = loop_now_ns();
    p->ping_cpu_s = procfs_cpu_seconds((int)p->pid);
}

/* In a process that is not up nothing is warm: there is nothing to wait for. */
static void has_told(struct process *p, uint64_t handle)
{
    if (p->state != SUPERVISE_UP)
        p->taken = handle;
    else if (p->taken == p->told)
        p->untaken_ns = loop_now_ns();
    p->told = handle;
}

/* One packet of what the process should know and does not. False: it knows all, or takes no more
 * now. */
static bool feed_one(struct process *p)
{
    const struct script *script;
    enum start_sent sent;

    if (!p->knows_region) {
        sent = send_region(p);
        p->knows_region = sent == START_SENT;
    } else if (p->forget_count) {
        sent = send_packet(p,
                           json_pack("{s:s, s:I}", "type", "forget", "handle",
                                     (json_int_t)p->forgets[p->forget_count - 1]),
                           NULL, 0);
        p->forget_count -= sent == START_SENT;
    } else if ((script = next_script(p))) {
        sent =
            send_packet(p, start_packet_script(&p->owner->config, script), &script->modules_fd, 1);
        if (sent == START_SENT)
            has_told(p, script->handle);
    } else {
        return false;
    }
    if (sent == START_NEVER)
        kill_process(p, "its start socket is broken");
    p->is_blocked = sent == START_NOT_NOW;
    return sent == START_SENT;
}

static void on_feed_timeout(void *arg)
{
    kill_process(arg, "it reads nothing");
}

static void feed(struct process *p)
{
    struct loop *loop = p->owner->config.loop;
    bool was_blocked = p->is_blocked, has_fed = false;

    if (p->state == SUPERVISE_DOWN || p->is_killed)
        return;
    p->is_blocked = false;
    while (feed_one(p))
        has_fed = true;
    if (has_fed && !p->is_blocked && p->taken < p->told)
        ping(p);
    if (p->is_blocked && (has_fed || !was_blocked))
        loop_timer_set(loop, &p->feed_timer, (uint64_t)SUPERVISE_FEED_MS * MS, on_feed_timeout, p);
    else if (!p->is_blocked)
        loop_timer_cancel(loop, &p->feed_timer);
    if (p->is_blocked != was_blocked)
        loop_rewatch(loop, &p->socket_watch, p->is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* ---- from the runtime ---- */

static bool on_ready(struct process *p, const json_t *packet)
{
    if (p->state != SUPERVISE_BOOTING)
        return false;
    loop_timer_cancel(p->owner->config.loop, &p->boot_timer);
    snprintf(p->v8, sizeof(p->v8), "%s", field_text(packet, "v8"));
    log_line("runtime", "index=%u pid=%d up v8=%s boot_us=%llu hugepages=%s", p->index, (int)p->pid,
             p->v8, (unsigned long long)(loop_now_ns() - p->started_ns) / 1000,
             p->region->has_huge ? "yes" : "no");
    set_state(p, SUPERVISE_UP);
    return true;
}

static bool on_log(struct process *p, const json_t *packet)
{
    struct supervise *s = p->owner;
    uint64_t second = loop_now_ns() / 1000000000u;
    uint64_t handle = (uint64_t)json_integer_value(json_object_get(packet, "handle"));
    struct supervise_log log = {
        .runtime = p->index,
        .script = "",
        .version = "",
        .request = field_text(packet, "request"),
        .level = field_text(packet, "level"),
        .text = field_text(packet, "text"),
    };

    if (!json_is_string(json_object_get(packet, "text")) ||
        strlen(log.text) > START_LOG_TEXT_BYTES_MAX)
        return false;
    if (second != p->log_second) {
        p->log_second = second;
        p->logs_in_second = 0;
    }
    if (p->logs_in_second++ >= SUPERVISE_LOGS_PER_SECOND) {
        p->logs_dropped++;
        return true;
    }
    for (const struct script *script = s->config.catalog->first; script; script = script->next) {
        if (script->handle == handle) {
            log.script = script->name;
            log.version = script->version;
        }
    }
    if (s->config.on_log)
        s->config.on_log(s->config.arg, &log);
    return true;
}

static bool on_stats(struct process *p, json_t *packet)
{
    json_t *scripts = json_object_get(packet, "scripts"), *row;
    size_t i;

    if (!json_is_array(scripts))
        return false;
    p->isolates = (uint64_t)json_integer_value(json_object_get(packet, "isolates"));
    p->memory_bytes = (uint64_t)json_integer_value(json_object_get(packet, "memory_bytes"));
    /* A packet has only those that changed, and a part of them: what a script said last stays. */
    if (!p->scripts)
        p->scripts = json_object();
    json_array_foreach(scripts, i, row)
    {
        char key[24];

        snprintf(key, sizeof(key), "%lld",
                 (long long)json_integer_value(json_object_get(row, "handle")));
        if (json_object_size(p->scripts) < SCRIPTS_MAX || json_object_get(p->scripts, key))
            json_object_set(p->scripts, key, row);
    }
    return true;
}

static bool on_pong(struct process *p, const json_t *packet)
{
    uint64_t told = (uint64_t)json_integer_value(json_object_get(packet, "told"));

    if (told > p->told)
        return false;
    if (told > p->taken)
        p->taken = told;
    return true;
}

static bool on_packet(struct process *p, size_t bytes)
{
    json_t *packet = json_loadb((char *)p->owner->packet, bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *type = field_text(packet, "type");
    bool ok = false;

    if (!strcmp(type, "ready"))
        ok = on_ready(p, packet);
    else if (!strcmp(type, "log"))
        ok = on_log(p, packet);
    else if (!strcmp(type, "stats"))
        ok = on_stats(p, packet);
    else if (!strcmp(type, "pong"))
        ok = on_pong(p, packet);
    p->ping_ns = 0; /* whatever it said, its loop came by */
    json_decref(packet);
    return ok;
}

/* Descriptors are not taken: without room for control data the kernel drops what a runtime sends
 * along. */
static void read_packets(struct process *p)
{
    struct supervise *s = p->owner;

    for (int i = 0; i < PACKETS_PER_EVENT; i++) {
        struct iovec iov = {s->packet, sizeof(s->packet)};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(p->socket, &msg, MSG_DONTWAIT);

        if (n <= 0)
            return;
        if ((msg.msg_flags & MSG_TRUNC) || !on_packet(p, (size_t)n))
            p->bad_packets++;
    }
}

static void on_closed_timeout(void *arg)
{
    kill_process(arg, "it closed its start socket");
}

static void on_socket(void *arg, uint32_t events)
{
    struct process *p = arg;
    struct supervise *s = p->owner;
    enum supervise_state before = p->state;
    uint64_t taken = p->taken;

    if (events & EPOLLIN)
        read_packets(p);
    if (events & EPOLLOUT)
        feed(p);
    if (events & (EPOLLHUP | EPOLLERR)) {
        /* Its end of the socket is closed: it is on its way out, or must be sent there. */
        loop_unwatch(s->config.loop, &p->socket_watch);
        loop_timer_set(s->config.loop, &p->boot_timer, (uint64_t)SUPERVISE_EXIT_MS * MS,
                       on_closed_timeout, p);
    }
    if (s->config.on_change && (p->state != before || p->taken != taken || (events & EPOLLOUT)))
        s->config.on_change(s->config.arg);
}

/* ---- start and end ---- */

struct child {
    const char *exe;
    char *const *argv, *const *env;
    int socket;
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
    if (c->socket == START_FD)
        fcntl(START_FD, F_SETFD, 0);
    else
        dup2(c->socket, START_FD);
    /* When the machine runs out of memory, the kernel should take this process, not the data plane. */
    int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0 && write(oom, "1000", 4) != 4)
        close(oom);
    null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(2, 1);
    close_range(START_FD + 1, ~0u, 0);
    execve(c->exe, c->argv, c->env);
    _exit(127);
}

static pid_t start_child(const struct child *c)
{
    pid_t pid = vfork();

    if (pid == 0)
        become_runtime(c);
    return pid;
}

static void on_boot_timeout(void *arg)
{
    kill_process(arg, "it was not ready in time");
}

static void free_life(struct process *p)
{
    struct loop *loop = p->owner->config.loop;

    loop_unwatch(loop, &p->pid_watch);
    loop_unwatch(loop, &p->socket_watch);
    loop_timer_cancel(loop, &p->boot_timer);
    loop_timer_cancel(loop, &p->feed_timer);
    if (p->pidfd >= 0)
        close(p->pidfd);
    if (p->socket >= 0)
        close(p->socket);
    p->pidfd = p->socket = -1;
    if (p->region)
        part_release(&p->region->part);
    p->region = NULL;
    p->pid = 0;
    p->forget_count = 0;
    json_decref(p->scripts);
    p->scripts = NULL;
    p->isolates = p->memory_bytes = p->ping_ns = 0;
    set_state(p, SUPERVISE_DOWN);
}

static void on_exit_event(void *arg, uint32_t events)
{
    struct process *p = arg;
    struct supervise *s = p->owner;
    siginfo_t info = {0};
    uint64_t lived_ms = (loop_now_ns() - p->started_ns) / MS;

    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
        return;
    read_packets(p);
    if (info.si_code == CLD_EXITED)
        snprintf(p->last_exit, sizeof(p->last_exit), "exit %d", info.si_status);
    else
        snprintf(p->last_exit, sizeof(p->last_exit), "signal %d (%s)", info.si_status,
                 sigdescr_np(info.si_status) ? sigdescr_np(info.si_status) : "unknown");
    log_line("runtime", "index=%u pid=%d down cause=\"%s\" lived_ms=%llu", p->index, (int)p->pid,
             p->last_exit, (unsigned long long)lived_ms);
    free_life(p);
    if (lived_ms >= SUPERVISE_STABLE_MS)
        p->backoff_ms = 0;
    respawn_later(p);
    if (s->config.on_change)
        s->config.on_change(s->config.arg);
}

static int open_life(struct process *p, int *child_socket)
{
    const struct supervise_config *c = &p->owner->config;
    const int send_room = 4 << 20;
    int pair[2];

    p->region = region_create(c->lanes);
    if (!p->region)
        return -errno;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    p->socket = pair[0];
    *child_socket = pair[1];
    /* The larger the room, the fewer wakes for a node with many scripts; without the privilege the
     * system's maximum must do. */
    if (setsockopt(p->socket, SOL_SOCKET, SO_SNDBUFFORCE, &send_room, sizeof(send_room)))
        setsockopt(p->socket, SOL_SOCKET, SO_SNDBUF, &send_room, sizeof(send_room));
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
    int child_socket = -1;
    int rc = open_life(p, &child_socket);

    if (rc)
        goto fail;
    if (c->cpus_count) {
        CPU_ZERO(&cpus);
        CPU_SET(s->cpus[p->index % c->cpus_count], &cpus);
        child.cpus = &cpus;
    }
    child.socket = child_socket;
    p->is_killed = p->knows_region = p->is_blocked = false;
    p->told = p->taken = 0;
    p->life = ++s->lives;
    p->started_ns = loop_now_ns();
    p->pid = start_child(&child);
    if (p->pid < 0 || (p->pidfd = pidfd_open(p->pid, 0)) < 0) {
        rc = -errno;
        goto fail;
    }
    close(child_socket);
    child_socket = -1;
    set_state(p, SUPERVISE_BOOTING);
    rc = loop_watch(c->loop, &p->pid_watch, p->pidfd, EPOLLIN, on_exit_event, p);
    if (!rc)
        rc = loop_watch(c->loop, &p->socket_watch, p->socket, EPOLLIN, on_socket, p);
    if (rc)
        goto fail;
    loop_timer_set(c->loop, &p->boot_timer, (uint64_t)SUPERVISE_READY_MS * MS, on_boot_timeout, p);
    feed(p);
    return 0;

fail:
    if (child_socket >= 0)
        close(child_socket);
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    snprintf(p->last_exit, sizeof(p->last_exit), "not started: %s", strerror(-rc));
    free_life(p);
    return rc;
}

static void on_respawn(void *arg)
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
    loop_timer_set(p->owner->config.loop, &p->respawn_timer, (uint64_t)p->backoff_ms * MS,
                   on_respawn, p);
    p->restarts++;
    p->backoff_ms = p->backoff_ms ? 2 * p->backoff_ms : SUPERVISE_BACKOFF_FIRST_MS;
    if (p->backoff_ms > SUPERVISE_BACKOFF_MAX_MS)
        p->backoff_ms = SUPERVISE_BACKOFF_MAX_MS;
}

/* The runtime keeps its isolates within the budget; this is for what it cannot stop, like a builtin of V8 that
 * copies one huge array without looking up. Better one process than the machine. */
static bool is_bloated(const struct process *p)
{
    const struct supervise_config *c = &p->owner->config;
    return procfs_resident_bytes((int)p->pid) > c->memory_bytes + c->memory_slack_bytes;
}

static bool is_hung(const struct process *p)
{
    if (p->ping_ns == 0 || p->state != SUPERVISE_UP)
        return false;
    double waited_s = (double)(loop_now_ns() - p->ping_ns) / 1e9;
    return waited_s * 1000 >= p->owner->config.hang_ms &&
           procfs_cpu_seconds((int)p->pid) - p->ping_cpu_s < waited_s / 4;
}

/* It computes, or it does not say so: what it has been told need not wait for it any longer. True: that is new. */
static bool gives_up_waiting(struct process *p)
{
    bool is_late = p->state == SUPERVISE_UP && p->taken < p->told &&
                   loop_now_ns() - p->untaken_ns >= (uint64_t)SUPERVISE_TAKE_MS * MS;

    if (is_late)
        p->taken = p->told;
    return is_late;
}

static void look_at_processes(void *arg)
{
    struct supervise *s = arg;
    bool pings = s->looks % SUPERVISE_PING_LOOKS == 0;
    bool looks_at_memory = ++s->looks % SUPERVISE_MEMORY_LOOKS == 0, has_change = false;

    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        if (!p->region || p->pid <= 0)
            continue;
        if (atomic_load_explicit(&p->region->condemned, memory_order_acquire))
            kill_process(p, "it broke the contract of the job rings");
        else if (looks_at_memory && is_bloated(p))
            kill_process(p, "its memory is far over its budget");
        else if (is_hung(p))
            kill_process(p, "it does not answer");
        else if (pings && p->state == SUPERVISE_UP && p->ping_ns == 0)
            ping(p);
        has_change |= gives_up_waiting(p);
    }
    if (has_change && s->config.on_change)
        s->config.on_change(s->config.arg);
    loop_timer_set(s->config.loop, &s->look_timer, (uint64_t)SUPERVISE_LOOK_MS * MS,
                   look_at_processes, s);
}

/* ---- life of the supervisor ---- */

static bool check_file(const char *path, int mode, const char *what, char *error,
                       size_t error_bytes)
{
    if (!access(path, mode))
        return true;
    snprintf(error, error_bytes, "%s %s: %s", what, path, strerror(errno));
    return false;
}

struct supervise *supervise_create(const struct supervise_config *config, char *error,
                                   size_t error_bytes)
{
    struct supervise *s;

    assert(config->count <= RUNTIMES_MAX && config->lanes <= 64 && config->cpus_count <= 64);
    if (!check_file(config->node_exe, X_OK, "V8 executable", error, error_bytes) ||
        !check_file(config->program, R_OK, "runtime program", error, error_bytes) ||
        !check_file(config->blob, R_OK, "base snapshot", error, error_bytes))
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        goto fail;
    s->config = *config;
    if (!s->config.hang_ms)
        s->config.hang_ms = SUPERVISE_HANG_MS;
    if (!s->config.memory_slack_bytes)
        s->config.memory_slack_bytes = (uint64_t)SUPERVISE_MEMORY_SLACK_MB << 20;
    if (config->cpus_count)
        memcpy(s->cpus, config->cpus, config->cpus_count * sizeof(s->cpus[0]));
    s->node_exe = strdup(config->node_exe);
    s->program = strdup(config->program);
    s->blob = strdup(config->blob);
    /* jemalloc must be preloaded itself: symbols of a preloaded object's dependencies come after
     * libc's. */
    if (asprintf(&s->preload, "LD_PRELOAD=libjemalloc.so.2:%s", config->program) < 0)
        s->preload = NULL;
    if (!s->node_exe || !s->program || !s->blob || !s->preload)
        goto fail;
    for (uint32_t i = 0; i < config->count; i++)
        s->process[i] = (struct process){.owner = s, .index = i, .pidfd = -1, .socket = -1};
    return s;
fail:
    snprintf(error, error_bytes, "no memory");
    if (s)
        supervise_destroy(s);
    return NULL;
}

void supervise_start(struct supervise *s)
{
    for (uint32_t i = 0; i < s->config.count; i++)
        on_respawn(&s->process[i]);
    look_at_processes(s);
}

void supervise_destroy(struct supervise *s)
{
    s->is_stopping = true;
    loop_timer_cancel(s->config.loop, &s->look_timer);
    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        loop_timer_cancel(s->config.loop, &p->respawn_timer);
        if (p->state != SUPERVISE_DOWN) {
            pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
            while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                ;
            free_life(p);
        }
        free(p->forgets);
    }
    free(s->node_exe);
    free(s->program);
    free(s->blob);
    free(s->preload);
    free(s);
}

/* ---- what others ask ---- */

void supervise_tell(struct supervise *s)
{
    for (uint32_t i = 0; i < s->config.count; i++)
        feed(&s->process[i]);
}

void supervise_forget(struct supervise *s, uint64_t handle)
{
    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        char key[24];

        snprintf(key, sizeof(key), "%llu", (unsigned long long)handle);
        if (p->scripts)
            json_object_del(p->scripts, key);
        if (p->state == SUPERVISE_DOWN || p->told < handle)
            continue;
        if (p->forget_count == p->forget_room) {
            uint32_t room = p->forget_room ? 2 * p->forget_room : 64;
            uint64_t *more = realloc(p->forgets, room * sizeof(*more));

            if (!more)
                continue; /* it keeps a script that nobody asks for, until its next life */
            p->forgets = more;
            p->forget_room = room;
        }
        p->forgets[p->forget_count++] = handle;
        feed(p);
    }
}

bool supervise_is_told(const struct supervise *s, uint64_t handle)
{
    for (uint32_t i = 0; i < s->config.count; i++) {
        const struct process *p = &s->process[i];
        const struct script *next = next_script(p);

        if (p->state != SUPERVISE_UP || p->is_killed)
            continue;
        if (p->taken < p->told || (next && next->handle <= handle))
            return false;
    }
    return true;
}

uint32_t supervise_count(const struct supervise *s)
{
    return s->config.count;
}

uint32_t supervise_up_count(const struct supervise *s)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < s->config.count; i++)
        up += s->process[i].state == SUPERVISE_UP;
    return up;
}

struct world_runtime supervise_runtime(const struct supervise *s, uint32_t i, struct part **region)
{
    const struct process *p = &s->process[i];

    *region = NULL;
    if (p->state != SUPERVISE_UP)
        return (struct world_runtime){.wake_fd = -1, .life = p->life};
    *region = &p->region->part;
    return (struct world_runtime){
        .region = p->region->map,
        .life = p->life,
        .wake_fd = p->region->wake_fd,
        .condemned = &p->region->condemned,
    };
}

void supervise_status(const struct supervise *s, uint32_t i, struct supervise_status *out)
{
    const struct process *p = &s->process[i];

    *out = (struct supervise_status){
        .state = p->state,
        .pid = (int)p->pid,
        .life = p->life,
        .restarts = p->restarts,
        .since_ns = p->since_ns,
        .has_huge = p->region && p->region->has_huge,
        .isolates = p->isolates,
        .memory_bytes = p->memory_bytes,
        .bad_packets = p->bad_packets,
        .logs_dropped = p->logs_dropped,
        .scripts = p->scripts,
    };
    snprintf(out->v8, sizeof(out->v8), "%s", p->v8);
    snprintf(out->last_exit, sizeof(out->last_exit), "%s", p->last_exit);
}
