#include "control/supervise/start_packet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "control/deploy/catalog.h"
#include "control/supervise/supervise.h"
#include "runtime/start.h"

enum start_sent start_packet_send(int socket, uint8_t *buffer, json_t *packet, const int *fds,
                                  size_t fd_count)
{
    char control[CMSG_SPACE(sizeof(int) * START_PACKET_FDS_MAX)] = {0};
    struct iovec iov = {.iov_base = buffer};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    iov.iov_len = json_dumpb(packet, (char *)buffer, START_PACKET_BYTES_MAX, JSON_COMPACT);
    json_decref(packet);
    if (!iov.iov_len || iov.iov_len > START_PACKET_BYTES_MAX)
        return START_NEVER;
    if (fd_count) {
        struct cmsghdr *c;

        assert(fd_count <= START_PACKET_FDS_MAX);
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    do
        n = sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return START_SENT;
    if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
        return START_NOT_NOW;
    return START_NEVER;
}

/* Of a script's services a cell needs the names only, in the order of their indexes. */
static json_t *bindings_of(const json_t *services)
{
    json_t *bindings = json_array();

    for (size_t i = 0; i < json_array_size(services); i++)
        json_array_append_new(
            bindings,
            json_pack("{s:O}", "binding", json_object_get(json_array_get(services, i), "binding")));
    return bindings;
}

json_t *start_packet_script(const struct supervise_config *c, const struct script *script)
{
    const json_t *m = script->manifest;
    json_t *vars = json_object_get(m, "vars");

    return json_pack(
        "{s:s, s:I, s:s, s:s, s:O, s:O, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I}}", "type", "script",
        "handle", (json_int_t)script->handle, "name", script->name, "version", script->version,
        "main", json_object_get(m, "main"), "modules", json_object_get(m, "modules"), "vars",
        vars ? json_incref(vars) : json_object(), "services",
        bindings_of(json_object_get(m, "services")), "limits", "subrequests",
        (json_int_t)script_limit(script, CEILING_SUBREQUESTS, c->subrequests), "cpu_ms",
        (json_int_t)script_limit(script, CEILING_CPU_MS, c->cpu_ms), "wall_ms",
        (json_int_t)script_limit(script, CEILING_WALL_MS, c->wall_ms), "heap_bytes",
        (json_int_t)script_limit(script, CEILING_MEMORY_MB, c->heap_mb) << 20, "timers",
        (json_int_t)script_limit(script, CEILING_TIMERS, account_ceilings[CEILING_TIMERS].max));
}
