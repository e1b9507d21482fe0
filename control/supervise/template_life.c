#include "control/supervise/template.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/base/clean.h"
#include "control/base/log.h"
#include "control/supervise/cgroup.h"
#include "control/supervise/procfs.h"
#include "control/supervise/start_packet.h"
#include "control/supervise/supervise_state.h"
#include "runtime/zygote.h"

enum { PACKETS_PER_EVENT = 64, LOOK_AGAIN_MS = 50 };

static void on_forked(void *arg, int32_t pid);

void template_init(struct template *t, struct supervise *s, uint32_t number)
{
    *t = (struct template){
        .owner = s,
        .number = number,
        .fork = {.on_forked = on_forked, .owner = t},
        .child.pidfd = -1,
        .socket = -1,
        .socket_watch.fd = -1,
        .door_watch.fd = -1,
        .door.listener = -1,
        .words.fd = -1,
    };
    forks_init(&t->orders);
}

static const char *name_of(const struct template *t)
{
    const struct script *script =
        t->script ? catalog_by_handle(t->owner->config.catalog, t->script->handle) : NULL;

    return script ? script->name : "-";
}

/* ---- what it is waited for ---- */

static void on_late(void *arg)
{
    struct template *t = arg;
    const uint64_t all_ns = (uint64_t)CHILD_READY_MS * CELL_MS;
    const uint64_t spent_ns = patience_spent_ns(&t->wait, (int)t->child.pid, loop_now_ns());

    if (spent_ns >= all_ns) {
        template_end(t, t->state == TEMPLATE_FROZEN ? "it does not fork"
                                                    : "it was not frozen in time");
        return;
    }
    loop_timer_set(t->owner->config.loop, &t->timer,
                   all_ns - spent_ns + (uint64_t)LOOK_AGAIN_MS * CELL_MS, on_late, t);
}

static void await(struct template *t)
{
    t->wait = patience_begin((int)t->child.pid, loop_now_ns());
    loop_timer_set(t->owner->config.loop, &t->timer, (uint64_t)CHILD_READY_MS * CELL_MS, on_late,
                   t);
}

/* ---- its end ---- */

static void close_life(struct template *t)
{
    struct loop *loop = t->owner->config.loop;

    loop_timer_cancel(loop, &t->timer);
    loop_unwatch(loop, &t->socket_watch);
    words_close(&t->words);
    if (t->socket >= 0)
        close(t->socket);
    t->socket = -1;
}

static void free_if_over(struct template *t)
{
    if (t->state != TEMPLATE_ENDING || t->child.pid || t->fork.is_asked || t->cells)
        return;
    loop_unwatch(t->owner->config.loop, &t->door_watch);
    door_close(&t->door);
    close_life(t);
    child_release(&t->child);
    template_init(t, t->owner, t->number);
}

static void strike(struct template *t)
{
    char text[64];

    if (child_strike(&t->child, loop_now_ns(), text, sizeof(text)) && !t->owner->is_stopping)
        log_line("template", "pid=%d %s because=\"%s\"", (int)t->child.pid, text, t->kill_reason);
}

static void strike_again(void *arg)
{
    struct template *t = arg;

    strike(t);
    loop_timer_set(t->owner->config.loop, &t->timer, (uint64_t)SUPERVISE_KILL_MS * CELL_MS,
                   strike_again, t);
}

/* As a cell's. */
static void charge(struct template *t, uint64_t bytes)
{
    if (!t->script)
        return;
    t->script->account->bytes += bytes - t->bytes;
    t->bytes = bytes;
}

static void leave_script(struct template *t)
{
    if (t->is_pooled) {
        while (t->warm.pins)
            warm_pool_unpin(&t->owner->pool, &t->warm);
        warm_pool_remove(&t->owner->pool, &t->warm);
    }
    t->is_pooled = false;
    charge(t, 0);
    if (t->script)
        t->script->template = NULL;
    t->script = NULL;
}

void template_end(struct template *t, const char *why)
{
    if (t->state == TEMPLATE_FREE || t->state == TEMPLATE_ENDING)
        return;
    t->kill_reason = why;
    t->state = TEMPLATE_ENDING;
    leave_script(t);
    close_life(t);
    forks_fail(&t->orders, -EPIPE);
    if (t->child.pid)
        strike_again(t);
    free_if_over(t);
}

/* Not again, for this version. */
static void refuse(struct template *t, const char *why)
{
    if (t->script)
        clean(t->script->no_template, sizeof(t->script->no_template), why, strlen(why),
              CLEAN_FIELD);
    log_line("template", "script=%s pid=%d refused=\"%s\"", name_of(t), (int)t->child.pid,
             t->script ? t->script->no_template : "");
}

bool template_has_id(const struct template *t, int pid)
{
    return geteuid() != 0 || procfs_uid(pid) == TEMPLATE_UID_FIRST + t->number;
}

/* ---- an attack ---- */

/* Where all have one id, a cell that the zygote has forked in this moment may go with them: another
 * one is forked. */
static void end_stranger(void *arg, int pid)
{
    struct template *t = arg;

    if (supervise_has_pid(t->owner, pid) || !template_has_id(t, pid))
        return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* What was forked and not told. */
static void end_strangers(struct template *t)
{
    if (t->let != t->begun)
        procfs_children(getpid(), end_stranger, t);
    t->let = t->begun;
}

static void on_attack(struct template *t)
{
    struct supervise *s = t->owner;
    struct script_cells *row = t->script;

    s->template_attacks++;
    log_line("template", "script=%s pid=%d level=error attack=\"it forks unasked\"", name_of(t),
             (int)t->child.pid);
    for (uint32_t i = 0; i < s->config.cells_max; i++)
        if (s->cell[i].template == t)
            cell_kill(&s->cell[i], "its template forked unasked");
    if (row) {
        refuse(t, "it forked unasked");
        supervise_blame(s, row, "its template forked unasked");
    }
    template_end(t, "it forked unasked");
}

static void on_door(void *arg, uint32_t events)
{
    struct template *t = arg;

    switch (door_answer(&t->door)) {
    case DOOR_FORK:
        t->let++;
        return;
    case DOOR_THREAD:
        return;
    case DOOR_ATTACK:
        /* Who waits there goes on waiting, which costs nothing, until it is killed. */
        loop_unwatch(t->owner->config.loop, &t->door_watch);
        on_attack(t);
        return;
    case DOOR_NOBODY:
        if (events & (EPOLLHUP | EPOLLERR)) /* nobody lives who could */
            loop_unwatch(t->owner->config.loop, &t->door_watch);
        return;
    }
}

static void on_end(void *arg, uint32_t events)
{
    struct template *t = arg;
    const int pid = (int)t->child.pid;
    uint64_t cpu_ns;
    char how[64];

    if (!child_has_ended(&t->child, how, sizeof(how), &cpu_ns))
        return;
    child_release(&t->child);
    loop_timer_cancel(t->owner->config.loop, &t->timer);
    if (t->state != TEMPLATE_ENDING) {
        log_line("template", "script=%s pid=%d down cause=\"%s\"", name_of(t), pid, how);
        if (t->state != TEMPLATE_FROZEN)
            refuse(t, how);
        template_end(t, "it ended");
    }
    end_strangers(t);
    free_if_over(t);
    supervise_serve(t->owner);
}

void template_keep(struct template *t)
{
    t->cells++;
}

void template_leave(struct template *t)
{
    t->cells--;
    free_if_over(t);
}

void template_await_end(struct template *t, uint64_t deadline_ns)
{
    char how[64];

    if (t->child.pid)
        child_await_end(&t->child, deadline_ns, how, sizeof(how));
    leave_script(t);
    loop_unwatch(t->owner->config.loop, &t->door_watch);
    door_close(&t->door);
    close_life(t);
    child_release(&t->child);
}

/* ---- what it says ---- */

static bool on_door_given(struct template *t, int fd)
{
    if (t->state != TEMPLATE_SEALING || t->door.listener >= 0 || fd < 0)
        return false;
    /* The descriptor is the door's. */
    return door_open(&t->door, fd, t->child.pid) &&
           !loop_watch(t->owner->config.loop, &t->door_watch, fd, EPOLLIN, on_door, t);
}

static bool on_ready(struct template *t)
{
    struct supervise *s = t->owner;
    const struct script *script = catalog_by_handle(s->config.catalog, t->script->handle);

    if (t->state != TEMPLATE_SEALING || t->door.listener < 0 || !script)
        return false;
    t->state = TEMPLATE_LOADING;
    await(t);
    return start_packet_send(t->socket, s->packet, start_packet_script(&s->config, script),
                             &script->modules_fd, 1) == START_SENT;
}

static bool on_loaded(struct template *t, const struct start_report *said)
{
    struct supervise *s = t->owner;
    const uint64_t bytes = cell_memory_bytes(&t->memory, (int)t->child.pid);

    if (t->state != TEMPLATE_LOADING)
        return false;
    if (said->text[0]) {
        refuse(t, said->text);
        template_end(t, "it cannot be one");
        return true;
    }
    loop_timer_cancel(s->config.loop, &t->timer);
    t->state = TEMPLATE_FROZEN;
    t->cpu_ns = procfs_cpu_ns((int)t->child.pid);
    warm_pool_resize(&s->pool, &t->warm, bytes);
    charge(t, bytes);
    warm_pool_unpin(&s->pool, &t->warm);
    log_line("template", "script=%s pid=%d frozen us=%llu bytes=%llu", name_of(t),
             (int)t->child.pid, (unsigned long long)said->us, (unsigned long long)bytes);
    supervise_serve(s);
    return true;
}

static bool on_log(struct template *t, const struct start_report *said)
{
    struct supervise *s = t->owner;
    const struct script *script =
        t->script ? catalog_by_handle(s->config.catalog, t->script->handle) : NULL;
    struct supervise_log log = {.request = said->request, .level = said->level, .text = said->text};

    log.script = script ? script->name : "";
    log.version = script ? script->version : "";
    if (t->state != TEMPLATE_LOADING)
        return false;
    if (s->config.on_log)
        s->config.on_log(s->config.arg, &log);
    return true;
}

static bool on_told(struct template *t, size_t bytes)
{
    struct zygote_packet said;

    if (bytes != sizeof(said))
        return false;
    memcpy(&said, t->owner->packet, sizeof(said));
    if (said.type != ZYGOTE_FORKED || !t->orders.first || (said.pid > 0 && t->begun == t->let))
        return false;
    if (t->orders.first->next)
        await(t);
    else
        loop_timer_cancel(t->owner->config.loop, &t->timer);
    return forks_answer(&t->orders, said.pid);
}

/* fd: -1: none came; it is used up. */
static bool on_packet(struct template *t, size_t bytes, int fd)
{
    struct supervise *s = t->owner;
    bool is_door;

    if (t->state == TEMPLATE_FROZEN)
        return fd < 0 && on_told(t, bytes);
    if (++t->packets > TEMPLATE_PACKETS_MAX) {
        refuse(t, "its top level says too much");
        template_end(t, "it says too much");
        return fd < 0;
    }
    if (!start_report_read(&s->report, s->packet, bytes))
        return false;
    is_door = s->report.kind == START_REPORT_DOOR;
    if (is_door)
        return on_door_given(t, fd);
    if (fd >= 0)
        return false;
    switch (s->report.kind) {
    case START_REPORT_READY:
        return on_ready(t);
    case START_REPORT_LOADED:
        return on_loaded(t, &s->report);
    case START_REPORT_LOG:
        return on_log(t, &s->report);
    default:
        return false;
    }
}

/* A packet and at most one descriptor; what would not fit the kernel drops. */
static ssize_t hear(struct template *t, int *fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {t->owner->packet, sizeof(t->owner->packet)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(t->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;

    *fd = -1;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    return n;
}

static void on_socket(void *arg, uint32_t events)
{
    struct template *t = arg;

    for (int i = 0; i < PACKETS_PER_EVENT && t->socket >= 0; i++) {
        int fd;
        ssize_t n = hear(t, &fd);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0 && on_packet(t, (size_t)n, fd))
            continue;
        if (n <= 0) { /* how it ended will be seen, if it did */
            loop_unwatch(t->owner->config.loop, &t->socket_watch);
            await(t);
            return;
        }
        if (fd >= 0 && fd != t->door.listener)
            close(fd);
        t->owner->bad_packets++;
        if (t->state != TEMPLATE_ENDING)
            refuse(t, "it breaks the contract");
        template_end(t, "it breaks the contract");
    }
}

/* ---- looks ---- */

static const char *fault_of(struct template *t)
{
    const int pid = (int)t->child.pid;
    const uint64_t may_ms = TEMPLATE_CPU_MS + (uint64_t)TEMPLATE_FORK_CPU_MS * t->let;
    const uint64_t bytes = procfs_resident_bytes(pid);

    if (bytes > t->memory.resident_bytes &&
        supervise_is_bloated(t->owner, bytes - t->memory.resident_bytes))
        return "its memory is far over its script's limit";
    if (t->state == TEMPLATE_FROZEN && procfs_cpu_ns(pid) > t->cpu_ns + may_ms * CELL_MS)
        return "it computes, though it is frozen";
    return NULL;
}

void template_look(struct template *t)
{
    const char *fault = t->child.pid && t->state != TEMPLATE_ENDING ? fault_of(t) : NULL;

    if (!fault)
        return;
    refuse(t, fault);
    template_end(t, fault);
}

/* ---- cells of it ---- */

bool template_ask(struct template *t, struct fork *f, int socket, int words)
{
    const int fds[ZYGOTE_FORK_FDS] = {socket, words};

    if (t->state != TEMPLATE_FROZEN || !zygote_order(t->socket, ZYGOTE_UID_SAME, ZYGOTE_CELL, fds))
        return false;
    door_allow(&t->door);
    if (!t->orders.first)
        await(t);
    forks_ask(&t->orders, f);
    return true;
}

/* ---- its beginning ---- */

static void put_words(void *arg, const char *text)
{
    struct template *t = arg;

    log_line("template", "pid=%d says=\"%s\"", (int)t->child.pid, text);
}

static int adopt(struct template *t, int32_t pid)
{
    if (pid <= 0)
        return pid < 0 ? pid : -ECHILD;
    if (supervise_has_pid(t->owner, pid))
        return -EEXIST;
    return child_adopt(&t->child, t->owner->config.loop, pid, on_end, t);
}

static void on_forked(void *arg, int32_t pid)
{
    struct template *t = arg;
    int rc = adopt(t, pid);

    if (rc) {
        log_line("template", "script=%s cannot be forked: %s", name_of(t), strerror(-rc));
        template_end(t, "it cannot be forked");
        supervise_fork_failed(t->owner, true);
    } else if (t->state == TEMPLATE_ENDING) {
        strike_again(t);
    } else {
        t->state = TEMPLATE_SEALING;
        cell_memory_begin(&t->memory, pid);
        if (t->owner->config.cgroup)
            cgroup_move(t->owner->config.cgroup, t->script->account->name, pid);
        await(t);
        rc = loop_watch(t->owner->config.loop, &t->socket_watch, t->socket, EPOLLIN, on_socket, t);
        if (rc)
            template_end(t, "no memory");
    }
    free_if_over(t);
}

static bool ask(struct template *t, int socket, int words)
{
    return supervise_ask(t->owner, &t->fork, TEMPLATE_UID_FIRST + t->number, ZYGOTE_TEMPLATE,
                         socket, words);
}

bool template_start(struct template *t, struct script_cells *row, uint64_t bytes)
{
    struct supervise *s = t->owner;
    const int send_room = 2 * START_PACKET_BYTES_MAX;
    int pair[2], words;
    bool is_asked;

    t->words = (struct words){
        .loop = s->config.loop, .on_line = put_words, .arg = t, .dropped = &s->logs_dropped};
    words = words_open(&t->words);
    if (words < 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        close(words);
        close_life(t);
        return false;
    }
    t->socket = pair[0];
    setsockopt(t->socket, SOL_SOCKET, SO_SNDBUF, &send_room, sizeof(send_room));
    is_asked = ask(t, pair[1], words);
    close(pair[1]);
    close(words);
    if (!is_asked) {
        close_life(t);
        return false;
    }
    t->state = TEMPLATE_FORKING;
    t->began_ns = loop_now_ns();
    t->zygote = &s->zygote[s->current];
    t->script = row;
    row->template = t;
    t->history = row->history;
    t->history.reload_us = row->load_us;
    charge(t, bytes);
    warm_pool_add(&s->pool, &t->warm, &t->history, bytes, t->began_ns);
    warm_pool_give(&s->pool, &t->warm, &row->account->warm);
    warm_pool_pin(&s->pool, &t->warm); /* until it is frozen */
    t->is_pooled = true;
    return true;
}
