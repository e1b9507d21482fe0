#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control/base/clean.h"
#include "control/base/log.h"
#include "control/supervise/process.h"

enum { PACKETS_PER_EVENT = 64 };

static bool on_ready(struct process *p, const struct start_report *said)
{
    int rc;

    if (p->state != SUPERVISE_BOOTING)
        return false;
    rc = region_seal(p->region);
    if (rc)
        log_line("runtime", "index=%u pid=%d its region cannot be sealed: %s", p->index,
                 (int)p->pid, strerror(-rc));
    loop_timer_cancel(p->owner->config.loop, &p->boot_timer);
    clean(p->v8, sizeof(p->v8), said->v8, strlen(said->v8), CLEAN_FIELD);
    log_line("runtime", "index=%u pid=%d up v8=\"%s\" boot_us=%llu hugepages=%s", p->index,
             (int)p->pid, p->v8, (unsigned long long)(loop_now_ns() - p->started_ns) / 1000,
             p->region->has_huge ? "yes" : "no");
    process_set_state(p, SUPERVISE_UP);
    return true;
}

static bool on_loaded(struct process *p, const struct start_report *said)
{
    const struct supervise_config *c = &p->owner->config;

    if (said->handle > p->told)
        return false;
    if (c->on_loaded)
        c->on_loaded(c->arg, said->handle, said->text[0] ? said->text : NULL);
    return true;
}

static bool on_log(struct process *p, const struct start_report *said)
{
    struct supervise *s = p->owner;
    const struct script *script = catalog_by_handle(s->config.catalog, said->handle);
    uint64_t second = loop_now_ns() / 1000000000u;
    struct supervise_log log = {
        .runtime = p->index,
        .script = script ? script->name : "",
        .version = script ? script->version : "",
        .request = said->request,
        .level = said->level,
        .text = said->text,
    };

    if (second != p->log_second) {
        p->log_second = second;
        p->logs_in_second = 0;
    }
    if (p->logs_in_second++ >= SUPERVISE_LOGS_PER_SECOND)
        p->logs_dropped++;
    else if (s->config.on_log)
        s->config.on_log(s->config.arg, &log);
    return true;
}

/* Rows for all live scripts. False: no memory. */
static bool has_rows(struct process *p)
{
    uint32_t room = p->owner->config.catalog->slots_room;
    struct script_row *more;

    if (p->rows >= room)
        return true;
    more = realloc(p->row, room * sizeof(*more));
    if (!more)
        return false;
    memset(more + p->rows, 0, (room - p->rows) * sizeof(*more));
    p->row = more;
    p->rows = room;
    return true;
}

/* A packet has only those scripts that changed, and a part of them: what was said of a script last
 * stays. */
static bool on_stats(struct process *p, const struct start_report *said)
{
    p->isolates = said->isolates;
    p->memory_bytes = said->memory_bytes;
    for (uint32_t i = 0; i < said->row_count && has_rows(p); i++) {
        const struct script_row *row = &said->row[i];
        const struct script *script = catalog_by_handle(p->owner->config.catalog, row->handle);

        /* Of one that has gone meanwhile an honest process may speak too. Rejected: a table by
         * handle; that is theirs to invent, a slot is ours. */
        if (script && row->handle <= p->told)
            p->row[script->slot] = *row;
    }
    return true;
}

static bool on_pong(struct process *p, const struct start_report *said)
{
    if (said->told > p->told)
        return false;
    if (said->told > p->taken)
        p->taken = said->told;
    return true;
}

static bool on_packet(struct process *p, size_t bytes)
{
    struct supervise *s = p->owner;

    p->ping.since_ns = 0; /* whatever it said, its loop came by */
    if (!start_report_read(&s->report, s->packet, bytes))
        return false;
    switch (s->report.kind) {
    case START_REPORT_READY:
        return on_ready(p, &s->report);
    case START_REPORT_PONG:
        return on_pong(p, &s->report);
    case START_REPORT_LOADED:
        return on_loaded(p, &s->report);
    case START_REPORT_LOG:
        return on_log(p, &s->report);
    case START_REPORT_STATS:
        return on_stats(p, &s->report);
    }
    return false;
}

/* Descriptors are not taken: without room for control data the kernel drops what a runtime sends
 * along. */
void process_hear(struct process *p)
{
    struct supervise *s = p->owner;

    for (int i = 0; i < PACKETS_PER_EVENT && p->heard_bytes < SUPERVISE_HEARD_BYTES_PER_LOOK; i++) {
        struct iovec iov = {s->packet, sizeof(s->packet)};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(p->socket, &msg, MSG_DONTWAIT);

        if (n <= 0)
            return;
        p->heard_bytes += (uint32_t)n;
        if ((msg.msg_flags & MSG_TRUNC) || !on_packet(p, (size_t)n))
            p->bad_packets++;
    }
    p->is_unheard = p->heard_bytes >= SUPERVISE_HEARD_BYTES_PER_LOOK;
}

void process_hear_again(struct process *p)
{
    bool was_unheard = p->is_unheard;

    p->heard_bytes = 0;
    p->is_unheard = false;
    if (was_unheard)
        process_watch_socket(p);
}
