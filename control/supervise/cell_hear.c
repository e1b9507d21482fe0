#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control/base/clean.h"
#include "control/base/log.h"
#include "control/supervise/procfs.h"
#include "control/supervise/supervise_state.h"

enum { PACKETS_PER_EVENT = 16 };

static bool on_ready(struct cell *c)
{
    int rc;

    if (c->is_ready)
        return false;
    c->is_ready = true;
    rc = region_seal(&c->first->region);
    if (rc)
        log_line("cell", "index=%u pid=%d its region cannot be sealed: %s", c->index,
                 (int)c->child.pid, strerror(-rc));
    cell_spare(c);
    return true;
}

/* What it cost, not how long it waited for a CPU: on a busy machine everybody starts slowly. */
static void note_load(struct cell *c, uint32_t us)
{
    const uint64_t cpu_us = procfs_cpu_ns((int)c->child.pid) / 1000;

    c->script->load_us = us < cpu_us ? us : (uint32_t)cpu_us;
    c->script->loads++;
}

static void judge_start(struct cell *c, const struct start_report *said)
{
    const uint64_t lasted_us = (loop_now_ns() - c->told_ns) / 1000;
    struct script_cells *script = c->script;

    /* Its own word, but no start lasts for longer than hearthd waited. */
    const uint32_t us = (uint32_t)(said->us < lasted_us ? said->us : lasted_us);

    warm_history_started(&script->history, us);
    if (c->template)
        script->copies++;
    else
        note_load(c, us);
    warm_pool_resize(&c->owner->pool, &c->warm, c->warm.bytes);
    if (cell_link_count(c->first).started != c->first->started) {
        script->cold++;
        c->is_awaited = false;
    } else if (!c->is_awaited) {
        script->ahead++;
    }
}

static bool on_loaded(struct cell *c, const struct start_report *said)
{
    struct supervise *s = c->owner;
    const bool has_failed = said->text[0];
    bool keeps = true;

    if (c->state != CELL_STARTING || !c->is_ready || !c->child.pid)
        return false;
    judge_start(c, said);
    s->fork_backoff_ms = 0;
    c->is_failed = has_failed;
    c->has_run = true;
    cell_set_state(c, CELL_WARM);
    cell_watch(c);
    for (struct cell *other = c->script->first; !has_failed && other; other = other->next_of_script)
        if (other != c && other->is_spoiled && cell_serves(other))
            cell_retire(other, "another one has taken its place");
    if (c->script->is_tried) {
        c->script->is_tried = false;
        keeps = c->script->keeps;
    }
    if (!keeps && cell_link_count(c->first).live == 0)
        cell_retire(c, "it was a trial");
    supervise_tell_loaded(s, c->script, has_failed ? said->text : NULL);
    return true;
}

static bool on_spoiled(struct cell *c, const struct start_report *said)
{
    char why[200];

    if (!c->script || c->state == CELL_ENDING)
        return false;
    if (c->is_spoiled && said->serves)
        return true;
    clean(why, sizeof(why), said->text, strlen(said->text), CLEAN_FIELD);
    log_line("cell", "index=%u pid=%d spoiled=\"%s\" serves=%s", c->index, (int)c->child.pid, why,
             said->serves ? "yes" : "no");
    c->is_spoiled = true;
    cell_watch(c);
    if (!said->serves)
        cell_spent(c);
    return true;
}

/* They come in the order of the pings. */
static bool on_pong(struct cell *c)
{
    if (c->pongs == c->pings)
        return false;
    c->pongs++;
    if (c->large && !c->large_is_up && c->pongs == c->large_ping)
        cell_enlarged(c);
    return true;
}

/* It has logged as much in this second as is shown. */
static bool is_over(struct cell *c)
{
    uint64_t second = loop_now_ns() / 1000000000u;

    if (second != c->log_second) {
        c->log_second = second;
        c->logs_in_second = 0;
    }
    return c->logs_in_second >= SUPERVISE_LOGS_PER_SECOND;
}

static bool on_log(struct cell *c, const struct start_report *said)
{
    struct supervise *s = c->owner;
    const struct script *script =
        c->script ? catalog_by_handle(s->config.catalog, c->script->handle) : NULL;
    struct supervise_log log = {
        .cell = c->index,
        .script = script ? script->name : "",
        .version = script ? script->version : "",
        .request = said->request,
        .level = said->level,
        .text = said->text,
    };

    if (is_over(c))
        s->logs_dropped++;
    else if (s->config.on_log)
        s->config.on_log(s->config.arg, &log);
    c->logs_in_second++;
    return true;
}

/* A log line, as a cell writes it, that nobody will see: it is not worth reading. */
static bool is_idle_talk(struct cell *c, const uint8_t *packet, size_t bytes)
{
    static const char begin[] = "{\"type\":\"log\",";

    return bytes >= sizeof(begin) - 1 && !memcmp(packet, begin, sizeof(begin) - 1) && is_over(c);
}

static bool on_packet(struct cell *c, size_t bytes)
{
    struct supervise *s = c->owner;

    c->ping.since_ns = 0; /* whatever it said, its loop came by */
    if (is_idle_talk(c, s->packet, bytes)) {
        s->logs_dropped++;
        return true;
    }
    if (!start_report_read(&s->report, s->packet, bytes))
        return false;
    switch (s->report.kind) {
    case START_REPORT_READY:
        return on_ready(c);
    case START_REPORT_PONG:
        return on_pong(c);
    case START_REPORT_LOADED:
        return on_loaded(c, &s->report);
    case START_REPORT_SPOILED:
        return on_spoiled(c, &s->report);
    case START_REPORT_LOG:
        return on_log(c, &s->report);
    case START_REPORT_DOOR: /* it is no template */
        return false;
    }
    return false;
}

/* Whose words they are; NULL: the operator's own scripts', or nobody's yet. */
static struct account *account_of(const struct cell *c)
{
    const struct script *script =
        c->script ? catalog_by_handle(c->owner->config.catalog, c->script->handle) : NULL;

    return script ? script->account : NULL;
}

/* What was said before this look began does not count. */
static void begin_look(struct cell *c, struct account *a)
{
    const uint64_t look = c->owner->looks;

    if (c->heard_look != look) {
        c->heard_look = look;
        c->heard_bytes = 0;
    }
    if (a && a->heard_look != look) {
        a->heard_look = look;
        a->heard_bytes = 0;
    }
}

static bool is_enough(const struct cell *c, const struct account *a)
{
    return c->heard_bytes >= SUPERVISE_HEARD_BYTES_PER_LOOK ||
           (a && a->heard_bytes >= SUPERVISE_HEARD_OF_ACCOUNT);
}

/* Descriptors are not taken: without room for control data the kernel drops what a cell sends
 * along. */
void cell_hear(struct cell *c)
{
    struct supervise *s = c->owner;
    struct account *account = account_of(c);

    begin_look(c, account);
    for (int i = 0; i < PACKETS_PER_EVENT && !is_enough(c, account); i++) {
        struct iovec iov = {s->packet, sizeof(s->packet)};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(c->socket, &msg, MSG_DONTWAIT);

        if (n <= 0)
            return;
        c->heard_bytes += (uint32_t)n;
        if (account)
            account->heard_bytes += (uint32_t)n;
        if ((msg.msg_flags & MSG_TRUNC) || !on_packet(c, (size_t)n))
            s->bad_packets++;
    }
    if (!is_enough(c, account) || c->is_muted)
        return;
    c->is_muted = true;
    loop_rewatch(s->config.loop, &c->socket_watch, 0);
    cell_watch(c);
}

void cell_hear_again(struct cell *c)
{
    begin_look(c, NULL);
    if (!c->is_muted)
        return;
    c->is_muted = false;
    loop_rewatch(c->owner->config.loop, &c->socket_watch, EPOLLIN);
}
