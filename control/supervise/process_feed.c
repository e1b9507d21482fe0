#include "control/supervise/process.h"
#include "control/supervise/procfs.h"
#include "control/supervise/start_packet.h"

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

const struct script *process_next_script(const struct process *p)
{
    const struct script *last = catalog_by_handle(p->owner->config.catalog, p->told);

    /* They stand in the order of their handles. */
    for (const struct script *s = last ? last : p->owner->config.catalog->first; s; s = s->next)
        if (s->handle > p->told)
            return s;
    return NULL;
}

void process_ping(struct process *p)
{
    json_t *packet = json_pack("{s:s, s:I}", "type", "ping", "told", (json_int_t)p->told);

    if (send_packet(p, packet, NULL, 0) != START_SENT)
        return; /* its socket is full of scripts: the feed has a timeout of its own */
    if (p->ping.since_ns)
        return; /* whether it hangs is for the first one that is not answered to tell */
    p->ping = patience_begin((int)p->pid, loop_now_ns());
    p->ping_cpu_s = procfs_cpu_seconds((int)p->pid);
}

bool process_try(struct process *p, uint64_t handle, bool keeps)
{
    return send_packet(p,
                       json_pack("{s:s, s:I, s:b}", "type", "try", "handle", (json_int_t)handle,
                                 "keep", (int)keeps),
                       NULL, 0) == START_SENT;
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
    } else if ((script = process_next_script(p))) {
        sent =
            send_packet(p, start_packet_script(&p->owner->config, script), &script->modules_fd, 1);
        if (sent == START_SENT)
            has_told(p, script->handle);
    } else {
        return false;
    }
    if (sent == START_NEVER)
        process_kill(p, "its start socket is broken");
    p->is_blocked = sent == START_NOT_NOW;
    return sent == START_SENT;
}

static void on_feed_timeout(void *arg)
{
    struct process *p = arg;

    if (!process_is_given_time(p, &p->feed, SUPERVISE_FEED_MS, &p->feed_timer))
        process_kill(p, "it reads nothing");
}

void process_feed(struct process *p)
{
    struct loop *loop = p->owner->config.loop;
    bool was_blocked = p->is_blocked, has_fed = false;

    if (p->state == SUPERVISE_DOWN || p->state == SUPERVISE_ENDING)
        return;
    p->is_blocked = false;
    while (feed_one(p))
        has_fed = true;
    if (has_fed && !p->is_blocked && p->taken < p->told)
        process_ping(p);
    if (p->is_blocked && (has_fed || !was_blocked)) {
        p->feed = patience_begin((int)p->pid, loop_now_ns());
        loop_timer_set(loop, &p->feed_timer, (uint64_t)SUPERVISE_FEED_MS * PROCESS_MS,
                       on_feed_timeout, p);
    } else if (!p->is_blocked) {
        loop_timer_cancel(loop, &p->feed_timer);
    }
    if (p->is_blocked != was_blocked)
        process_watch_socket(p);
}
