#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/supervise/cgroup.h"
#include "control/supervise/procfs.h"
#include "control/supervise/supervise_state.h"
#include "dataplane/place/warmth.h"
#include "runtime/start.h"
#include "runtime/zygote.h"

/* One that was asked for so lately is missed when it ends; and not more often than that another one
 * takes its place. */
static const uint64_t missed_ns = 1000000000;

static void free_cell(struct cell *);
static void on_forked(void *arg, int32_t pid);

void cell_init(struct cell *c, struct supervise *s, uint32_t index)
{
    c->owner = s;
    c->index = index;
    c->child.pidfd = c->socket = c->wake_fd = c->words.fd = -1;
    c->first = &s->link[index];
    c->fork = (struct fork){.on_forked = on_forked, .owner = c};
}

void cell_set_state(struct cell *c, enum cell_state state)
{
    c->owner->count[c->state]--;
    c->owner->count[state]++;
    c->state = state;
    c->since_ns = loop_now_ns();
}

void cell_watch(struct cell *c)
{
    struct supervise *s = c->owner;

    if (c->watch_link)
        return;
    c->watch_next = s->watched;
    c->watch_link = &s->watched;
    if (s->watched)
        s->watched->watch_link = &c->watch_next;
    s->watched = c;
}

void cell_unwatch(struct cell *c)
{
    if (!c->watch_link)
        return;
    *c->watch_link = c->watch_next;
    if (c->watch_next)
        c->watch_next->watch_link = c->watch_link;
    c->watch_link = NULL;
}

uint32_t cell_jobs(const struct cell *c)
{
    return cell_link_count(c->first).live + (c->large ? cell_link_count(c->large).live : 0);
}

/* ---- fork ---- */

static void put_words(void *arg, const char *text)
{
    const struct cell *c = arg;

    log_line("cell", "index=%u pid=%d says=\"%s\"", c->index, (int)c->child.pid, text);
}

static void on_full_words(void *arg)
{
    cell_watch(arg);
}

static void on_socket(void *arg, uint32_t events)
{
    struct cell *c = arg;

    if (events & EPOLLIN)
        cell_hear(c);
    if (c->state == CELL_FREE || !(events & (EPOLLHUP | EPOLLERR)))
        return;
    /* Its end of the socket is closed: it is on its way out, or must be sent there. */
    loop_unwatch(c->owner->config.loop, &c->socket_watch);
    c->closed_ns = loop_now_ns();
    cell_watch(c);
}

/* Leaves what there is to free_cell. */
static int open_life(struct cell *c, int *child_socket, int *child_words)
{
    struct supervise *s = c->owner;
    const int send_room = 2 * START_PACKET_BYTES_MAX;
    int pair[2];

    c->words = (struct words){.loop = s->config.loop,
                              .on_line = put_words,
                              .on_full = on_full_words,
                              .arg = c,
                              .dropped = &s->logs_dropped};
    *child_words = words_open(&c->words);
    if (*child_words < 0)
        return *child_words;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    c->socket = pair[0];
    *child_socket = pair[1];
    /* Without the privilege the system's maximum must do. */
    if (setsockopt(c->socket, SOL_SOCKET, SO_SNDBUFFORCE, &send_room, sizeof(send_room)))
        setsockopt(c->socket, SOL_SOCKET, SO_SNDBUF, &send_room, sizeof(send_room));
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0)
        return -errno;
    return cell_link_open(c->first, c, &job_geometry_small);
}

static int ask(struct cell *c, int child_socket, int child_words)
{
    struct supervise *s = c->owner;
    bool is_asked;
    int rc;

    if (!cell_tell_region(c, c->first))
        return -EPIPE;
    rc = loop_watch(s->config.loop, &c->socket_watch, c->socket, EPOLLIN, on_socket, c);
    if (rc)
        return rc;
    is_asked = c->template ? template_ask(c->template, &c->fork, child_socket, child_words)
                           : supervise_ask(s, &c->fork, CELL_UID_FIRST + c->index, ZYGOTE_CELL,
                                           child_socket, child_words);
    return is_asked ? 0 : -EPIPE;
}

int cell_fork(struct cell *c, struct template *t)
{
    int child_socket = -1, child_words = -1;
    int rc = open_life(c, &child_socket, &child_words);

    c->forked_ns = loop_now_ns();
    c->template = t;
    if (t)
        template_keep(t);
    if (!rc)
        rc = ask(c, child_socket, child_words);
    if (child_socket >= 0)
        close(child_socket);
    if (child_words >= 0)
        close(child_words);
    if (rc) {
        free_cell(c);
        return rc;
    }
    cell_set_state(c, CELL_FORKING);
    return 0;
}

/* ---- end ---- */

void cell_charge(struct cell *c, uint64_t bytes)
{
    if (!c->script)
        return;
    c->script->account->bytes += bytes - c->bytes;
    c->bytes = bytes;
}

void cell_pin(struct cell *c)
{
    bool is_used;

    c->live = cell_jobs(c);
    is_used = c->live || c->state == CELL_STARTING;
    if (!c->is_pooled || is_used == (c->warm.pins > 0))
        return;
    if (is_used)
        warm_pool_pin(&c->owner->pool, &c->warm);
    else
        warm_pool_unpin(&c->owner->pool, &c->warm);
}

/* It makes no room any more, and nobody counts on it. */
static void leave_pool(struct cell *c)
{
    if (!c->is_pooled)
        return;
    while (c->warm.pins)
        warm_pool_unpin(&c->owner->pool, &c->warm);
    warm_pool_remove(&c->owner->pool, &c->warm);
    c->is_pooled = false;
}

static bool is_held_by_cores(const struct cell *c)
{
    return c->first->holders || (c->large && c->large->holders);
}

static void for_links(struct cell *c, void (*fn)(struct cell_link *))
{
    if (!c->script)
        return;
    fn(c->first);
    if (c->large && c->large_is_up)
        fn(c->large);
}

static void close_links(struct cell *c)
{
    if (c->first->cell)
        cell_link_close(c->first);
    if (!c->large)
        return;
    cell_link_close(c->large);
    c->owner->larges--;
    c->large = NULL;
    c->large_is_up = false;
}

static void close_descriptors(struct cell *c)
{
    struct loop *loop = c->owner->config.loop;

    loop_unwatch(loop, &c->socket_watch);
    words_close(&c->words);
    if (c->socket >= 0)
        close(c->socket);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    c->socket = c->wake_fd = -1;
}

static void leave_script(struct cell *c)
{
    struct script_cells *script = c->script;

    if (!script)
        return;
    c->owner->ended++;
    cell_charge(c, 0);
    script_cells_remove(script, c);
    if (script->is_gone && !script->first)
        script_table_drop(&c->owner->scripts, script);
}

/* No process, no core: the number is free again. */
static void free_cell(struct cell *c)
{
    struct supervise *s = c->owner;
    const uint32_t index = c->index;

    cell_unwatch(c);
    leave_pool(c);
    close_links(c);
    close_descriptors(c);
    child_release(&c->child);
    leave_script(c);
    if (c->template)
        template_leave(c->template);
    s->pid[index] = 0;
    cell_set_state(c, CELL_FREE);
    memset(c, 0, sizeof(*c));
    cell_init(c, s, index);
    c->next = s->free;
    s->free = c;
}

/* Spares are few: a chain is enough. */
static void leave_spares(struct cell *c)
{
    struct cell **p = &c->owner->spare;

    while (*p && *p != c)
        p = &(*p)->next;
    if (*p)
        *p = c->next;
}

static void strike(struct cell *c)
{
    struct supervise *s = c->owner;
    char text[64];
    const bool is_news = child_strike(&c->child, loop_now_ns(), text, sizeof(text));
    const bool is_plain = c->child.is_struck && c->child.strikes < 2;

    /* That one which was to go goes is no news. */
    if (is_news && !s->is_stopping && (c->is_faulty || !is_plain))
        log_line("cell", "index=%u pid=%d %s because=\"%s\"", c->index, (int)c->child.pid, text,
                 c->kill_reason);
    if (is_plain)
        return;
    /* It will not be gone in a moment. If it listens at all, it ends by itself; no request should
     * wait for it. */
    snprintf(s->last_exit, sizeof(s->last_exit), "%s", text);
    shutdown(c->socket, SHUT_RDWR);
    for_links(c, cell_link_detach);
}

static void end_now(struct cell *c)
{
    c->was_starting = c->state == CELL_STARTING;
    leave_pool(c);
    cell_charge(c, 0);
    if (c->state == CELL_SPARE)
        leave_spares(c);
    cell_set_state(c, CELL_ENDING);
    cell_watch(c);
    if (c->child.pid)
        strike(c);
}

void cell_kill(struct cell *c, const char *why)
{
    if (c->state == CELL_FREE || c->state == CELL_ENDING)
        return;
    c->kill_reason = why;
    c->is_faulty = true;
    for_links(c, cell_link_retire);
    end_now(c);
}

void cell_released(struct cell *c)
{
    if (is_held_by_cores(c))
        return;
    if (c->state == CELL_RETIRED)
        end_now(c);
    else if (c->state == CELL_ENDING && !c->child.pid && !c->fork.is_asked)
        free_cell(c);
}

void cell_retire(struct cell *c, const char *why)
{
    if (!cell_serves(c))
        return;
    c->kill_reason = why;
    c->is_retired = true;
    leave_pool(c);
    cell_set_state(c, CELL_RETIRED);
    cell_watch(c);
    for_links(c, cell_link_retire);
    cell_released(c);
}

/* An exit is the cell's word about itself. */
static enum job_error fault_at_end(const struct cell *c)
{
    if (c->child.exit == START_EXIT_MEMORY)
        return JOB_ERROR_MEMORY_LIMIT;
    return c->child.exit == START_EXIT_CPU ? JOB_ERROR_CPU_LIMIT : c->fault;
}

static const char *said_of(enum job_error fault)
{
    return fault == JOB_ERROR_CPU_LIMIT      ? "its script could not be stopped, "
           : fault == JOB_ERROR_MEMORY_LIMIT ? "its script used too much memory, "
                                             : "";
}

/* Another one comes at once, but one a second: until then requests wait. */
void cell_spent(struct cell *c)
{
    struct script_cells *row = c->script;
    const uint64_t now_ns = loop_now_ns();

    if (!cell_serves(c))
        return;
    row->ended++;
    cell_retire(c, "it refuses requests");
    if (now_ns - row->renewed_ns < missed_ns) {
        row->rests_until_ns = row->renewed_ns + missed_ns;
        return;
    }
    row->renewed_ns = now_ns;
    supervise_want(c->owner, row);
}

/* What it had to say, and what it cost. */
static void settle(struct cell *c, uint64_t cpu_ns)
{
    if (c->socket >= 0) {
        c->heard_bytes = 0;
        cell_hear(c);
    }
    if (c->script && cpu_ns > c->cpu_ns)
        c->script->cpu_ns += cpu_ns - c->cpu_ns;
    close_descriptors(c);
}

static bool ran_its_script(const struct cell *c)
{
    return cell_link_blame(c->first).script || (c->large && cell_link_blame(c->large).script);
}

/* Nobody told it to end, or it had to be told: whose doing was it, and who serves now? */
static void judge_end(struct cell *c, const char *how)
{
    struct supervise *s = c->owner;
    struct script_cells *script = c->script;
    char why[160];

    if (!c->is_ready || !script) {
        if (c->template)
            template_end(c->template, "a cell of it did not begin");
        if (script && c->was_starting && !script->is_gone)
            supervise_want(s, script);
        if (!c->template)
            supervise_fork_failed(s, !c->is_ready);
        return;
    }
    script->ended++;
    if (c->fault || c->was_starting || ran_its_script(c))
        supervise_blame(s, script, how);
    if (c->was_starting) {
        snprintf(why, sizeof(why), "its cell ended while it was started: %s", how);
        script->is_tried = false;
        supervise_tell_loaded(s, script, why);
    } else if (!c->is_retired && loop_now_ns() - script->history.asked_ns < missed_ns &&
               loop_now_ns() - script->renewed_ns >= missed_ns) {
        script->renewed_ns = loop_now_ns();
        supervise_want(s, script);
    }
}

static void on_end(void *arg, uint32_t events)
{
    struct cell *c = arg;
    struct supervise *s = c->owner;
    uint64_t cpu_ns = 0;
    char end[64], how[112];

    if (!child_has_ended(&c->child, end, sizeof(end), &cpu_ns))
        return;
    c->fault = fault_at_end(c);
    snprintf(how, sizeof(how), "%s%s", said_of(c->fault), end);
    settle(c, cpu_ns);
    /* What it said last may have been "loaded". */
    const bool was_told = c->state == CELL_ENDING && !c->is_faulty;

    if (!was_told) {
        snprintf(s->last_exit, sizeof(s->last_exit), "%s", end);
        log_line("cell", "index=%u pid=%d down cause=\"%s\" lived_ms=%llu", c->index,
                 (int)c->child.pid, how,
                 (unsigned long long)(loop_now_ns() - c->forked_ns) / CELL_MS);
    }
    s->spares_ended += !c->script;
    s->pid[c->index] = 0;
    for_links(c, cell_link_detach);
    child_release(&c->child);
    if (c->state != CELL_ENDING)
        end_now(c);
    if (!was_told && !s->is_stopping)
        judge_end(c, how);
    cell_released(c);
    supervise_serve(s);
}

void cell_await_end(struct cell *c, uint64_t deadline_ns)
{
    char how[64] = "it does not end";

    if (c->child.pid && !child_await_end(&c->child, deadline_ns, how, sizeof(how)))
        log_line("cell", "index=%u pid=%d is left behind: %s", c->index, (int)c->child.pid,
                 c->owner->last_exit);
    free_cell(c);
}

/* ---- a pid for it ---- */

static int adopt(struct cell *c, int32_t pid)
{
    if (pid <= 0)
        return pid < 0 ? pid : -ECHILD;
    if (supervise_has_pid(c->owner, pid))
        return -EEXIST;
    if (c->template && !template_has_id(c->template, pid))
        return -EPERM;
    return child_adopt(&c->child, c->owner->config.loop, pid, on_end, c);
}

static void set_urgency(struct cell *c, bool computes)
{
    if (c->computes == computes)
        return;
    c->computes = computes;
    urgency_set(c->child.pid, computes ? URGENCY_COMPUTES : URGENCY_CELL);
}

/* Its process is known, and so can be ended: nobody's code runs in one that cannot. */
static void give_script(struct cell *c)
{
    const struct script *script = catalog_by_handle(c->owner->config.catalog, c->script->handle);

    c->is_in_account = c->template; /* as that is */
    set_urgency(c, c->script->computes);

    /* In this order: whoever waits for it has its START in the ring all the same before the script
     * has run. */
    const bool is_told =
        script && (c->template ? cell_tell_leave(c, script->handle) : cell_tell_script(c, script));

    cell_link_attach(c->first);
    if (!is_told)
        cell_kill(c, "it cannot be given its script");
}

static void on_forked(void *arg, int32_t pid)
{
    struct cell *c = arg;
    struct supervise *s = c->owner;
    struct script_cells *script = c->script;
    const bool is_copy = c->template;
    int rc = adopt(c, pid);

    if (!rc) {
        if (is_copy)
            c->template->begun++;
        s->pid[c->index] = pid;
        c->boot = patience_begin(pid, loop_now_ns());
        cell_memory_begin(&c->memory, pid);
        cell_watch(c);
        if (c->state == CELL_ENDING)
            strike(c);
        if (c->state == CELL_STARTING)
            give_script(c);
        cell_spare(c);
        cell_released(c);
        return;
    }
    log_line("cell", "index=%u cannot be forked: %s", c->index, strerror(-rc));
    for_links(c, cell_link_detach);
    if (c->state != CELL_ENDING)
        end_now(c);
    if (is_copy)
        template_end(c->template, "it does not fork");
    if (c->was_starting && !script->is_gone && !s->is_stopping)
        supervise_want(s, script);
    cell_released(c);
    if (!is_copy)
        supervise_fork_failed(s, true);
}

void cell_spare(struct cell *c)
{
    if (c->state != CELL_FORKING || !c->is_ready || !c->child.pid)
        return;
    cell_set_state(c, CELL_SPARE);
    c->next = c->owner->spare;
    c->owner->spare = c;
    supervise_serve(c->owner);
}

/* ---- a script for it ---- */

void cell_assign(struct cell *c, struct script_cells *row)
{
    struct supervise *s = c->owner;

    c->told_ns = loop_now_ns();
    c->is_awaited = row->is_awaited;
    row->is_awaited = false;
    script_cells_add(row, c);
    cell_charge(c, SUPERVISE_BYTES_GUESS);
    warm_pool_add(&s->pool, &c->warm, &row->history, SUPERVISE_BYTES_GUESS, c->told_ns);
    warm_pool_give(&s->pool, &c->warm, &row->account->warm);
    warm_pool_pin(&s->pool, &c->warm); /* until it has started */
    c->is_pooled = true;
    s->started++;
    cell_set_state(c, CELL_STARTING);
    cell_watch(c);
    if (c->child.pid)
        give_script(c);
}

/* ---- looks ---- */

static bool is_overdue(const struct cell *c, const struct patience *p, uint32_t ms, uint64_t now_ns)
{
    return patience_spent_ns(p, (int)c->child.pid, now_ns) >= (uint64_t)ms * CELL_MS;
}

static bool is_hung(struct cell *c, uint64_t now_ns)
{
    const uint32_t hang_ms = c->owner->config.hang_ms;

    if (!c->ping.since_ns || now_ns - c->ping.since_ns < (uint64_t)hang_ms * CELL_MS)
        return false;
    /* This thread may have waited for a CPU itself, and the answer is here. */
    cell_hear(c);
    if (!c->ping.since_ns || !is_overdue(c, &c->ping, hang_ms, now_ns))
        return false;
    /* One that computes has limits of its own inside. */
    return 4 * (procfs_cpu_ns((int)c->child.pid) - c->ping_cpu_ns) <
           patience_spent_ns(&c->ping, (int)c->child.pid, now_ns);
}

/* Another one is started first: not more than one a second, and meanwhile this one serves. */
static void replace(struct cell *c, uint64_t now_ns)
{
    struct script_cells *script = c->script;

    if (!cell_serves(c) || script->queue || now_ns - script->renewed_ns < missed_ns)
        return;
    for (const struct cell *other = script->first; other; other = other->next_of_script)
        if (other->state == CELL_STARTING)
            return;
    script->renewed_ns = now_ns;
    supervise_want(c->owner, script);
}

/* Why it cannot go on; NULL: it can. */
static const char *fault_of(struct cell *c, uint64_t now_ns)
{
    if (c->closed_ns && now_ns - c->closed_ns >= (uint64_t)CHILD_EXIT_MS * CELL_MS)
        return "it closed its start socket";
    if (!c->is_ready && is_overdue(c, &c->boot, CHILD_READY_MS, now_ns))
        return "it was not ready in time";
    if (is_hung(c, now_ns))
        return "it does not answer";
    return NULL;
}

/* Whether it takes a share of the CPU, and whether it answers and sleeps, or computes: by the
 * kernel's count. */
static void look_at_cpu(struct cell *c)
{
    const uint64_t cpu_ns = procfs_cpu_ns((int)c->child.pid);

    if (!c->script)
        return;
    if (!c->is_in_account && cpu_ns >= (uint64_t)SUPERVISE_SHARE_MS * CELL_MS) {
        c->is_in_account = true;
        if (c->owner->config.cgroup)
            cgroup_move(c->owner->config.cgroup, c->script->account->name, c->child.pid);
    }
    if (cpu_ns - c->urgency.cpu_ns >= URGENCY_TURN_US * 1000 &&
        urgency_judge(&c->urgency, cpu_ns, procfs_sleeps((int)c->child.pid), &c->script->computes))
        set_urgency(c, c->script->computes);
}

bool cell_look(struct cell *c, uint64_t now_ns)
{
    const char *fault;

    cell_hear_again(c);
    words_again(&c->words);
    if (c->state == CELL_ENDING) {
        if (c->child.pid && child_withstands(&c->child, now_ns))
            strike(c);
        return true;
    }
    if (!c->child.pid)
        return true; /* the zygote has not answered */
    fault = fault_of(c, now_ns);
    if (fault) {
        cell_kill(c, fault);
        return true;
    }
    look_at_cpu(c);
    cell_pin(c);
    if (c->is_failed && now_ns - c->since_ns >= WARMTH_AGAIN_NS)
        cell_retire(c, "its script does not load");
    if (c->is_spoiled)
        replace(c, now_ns);
    return !c->is_ready || c->closed_ns || c->ping.since_ns || c->live || c->is_failed ||
           c->is_spoiled || c->state == CELL_STARTING || c->state == CELL_RETIRED;
}
