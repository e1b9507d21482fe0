#include "control/supervise/procfs.h"
#include "control/supervise/start_packet.h"
#include "control/supervise/supervise_state.h"

/* What a cell is told in its life are a few packets, for which its socket has room. */
static bool send_packet(struct cell *c, json_t *packet, const int *fds, size_t fd_count)
{
    return start_packet_send(c->socket, c->owner->packet, packet, fds, fd_count) == START_SENT;
}

bool cell_tell_region(struct cell *c, const struct cell_link *l)
{
    const struct supervise_config *config = &c->owner->config;
    int fds[START_PACKET_FDS_MAX] = {l->region.memfd, c->wake_fd};
    const size_t count = l == c->first ? 2 + config->lanes : 1;

    for (uint32_t i = 0; i < config->lanes; i++)
        fds[2 + i] = config->core_wake_fd[i];
    return send_packet(c, json_pack("{s:s, s:i}", "type", "region", "lanes", (int)config->lanes),
                       fds, count);
}

bool cell_tell_script(struct cell *c, const struct script *script)
{
    return send_packet(c, start_packet_script(&c->owner->config, script), &script->modules_fd, 1);
}

bool cell_tell_leave(struct cell *c, uint64_t handle)
{
    return send_packet(c, json_pack("{s:s, s:I}", "type", "script", "handle", (json_int_t)handle),
                       NULL, 0);
}

bool cell_ping(struct cell *c)
{
    if (!send_packet(c, json_pack("{s:s}", "type", "ping"), NULL, 0))
        return false;
    c->pings++;
    if (c->ping.since_ns)
        return true; /* whether it hangs is for the first one that is not answered to tell */
    c->ping = patience_begin((int)c->child.pid, loop_now_ns());
    c->ping_cpu_ns = procfs_cpu_ns((int)c->child.pid);
    return true;
}
