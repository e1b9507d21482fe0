/* The configuration read again: what may change while hearthd runs, and what stays. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/log.h"
#include "control/config/install.h"
#include "control/daemon/hearthd.h"

/* Whether there are other nodes at all is decided at start. */
static void keep_cluster(struct conf *next, const struct conf *running)
{
    struct conf_cluster *kept = NULL;

    if (next->cluster) {
        free(next->cluster->members);
        free(next->cluster);
    }
    if (running->cluster) {
        kept = malloc(sizeof(*kept));
        assert(kept);
        *kept = *running->cluster;
        kept->members = malloc(kept->members_count * sizeof(*kept->members));
        assert(kept->members);
        memcpy(kept->members, running->cluster->members,
               kept->members_count * sizeof(*kept->members));
    }
    next->cluster = kept;
}

/* What was built at start stays as it is: copied from the running configuration, and named if it
 * differs. */
static json_t *keep_fixed(struct conf *next, const struct conf *running)
{
    json_t *differing = json_array();

#define KEEP(name, field)                                                                          \
    do {                                                                                           \
        if (memcmp(&next->field, &running->field, sizeof(next->field)))                            \
            json_array_append_new(differing, json_string(name));                                   \
        memcpy(&next->field, &running->field, sizeof(next->field));                                \
    } while (0)
    KEEP("node", node);
    KEEP("port", port);
    KEEP("exception", exception);
    KEEP("decapsulate", decapsulate);
    next->egress.ca_file_line = running->egress.ca_file_line;
    KEEP("egress", egress);
    KEEP("cores", cores);
    next->cores_count = running->cores_count;
    KEEP("control_cpu", control_cpu);
    KEEP("memory_mb", memory_mb);
    KEEP("huge", huge);
    KEEP("idle", idle);
    KEEP("bench_cookie_secret", bench_cookie_secret);
    KEEP("listen", listen);
    KEEP("cells", cells);
    KEEP("limits.cpu_ms", limits.cpu_ms);
    KEEP("limits.wall_ms", limits.wall_ms);
    KEEP("limits.heap_mb", limits.heap_mb);
    KEEP("limits.subrequests", limits.subrequests);
    KEEP("limits.conns", limits.conns);
    KEEP("limits.chunks", limits.chunks);
    KEEP("limits.jobs", limits.jobs);
    KEEP("limits.calls", limits.calls);
    KEEP("limits.served", limits.served);
    KEEP("limits.streams", limits.streams);
    KEEP("store", store);
    KEEP("run", run);
    KEEP("ctl", ctl);
    KEEP("control.accounts_socket", control.accounts_socket);
    KEEP("user", user);
    if (!next->cluster != !running->cluster) {
        json_array_append_new(differing, json_string("cluster"));
        keep_cluster(next, running);
    }
    if (next->cluster) {
        KEEP("cluster.key", cluster->key);
        KEEP("cluster.secret", cluster->secret);
        KEEP("cluster.port", cluster->port);
    }
#undef KEEP
    return differing;
}

/* Members may come and go while this node runs; nothing else of its cluster can change. */
static int follow_members(struct hearthd *h, const struct conf *next, char *error,
                          size_t error_bytes)
{
    char ignored[256];
    int rc;

    h->is_reloading = true;
    rc = members_follow(h->members, next, error, error_bytes);
    if (!rc && h->members->count - 1 > h->channels) {
        snprintf(error, error_bytes,
                 "cluster: %u members need a restart, this process has room for %u",
                 h->members->count, h->channels + 1);
        rc = 1;
    }
    if (!rc && !cluster_check(h->members, next->node, &h->keys, error, error_bytes))
        rc = 1;
    if (rc > 0) { /* it was followed, and cannot stay */
        members_follow(h->members, h->conf, ignored, sizeof(ignored));
        rc = -1;
    }
    h->is_reloading = false;
    return rc;
}

static void format_verdict(const struct conf_verdict *v, const char *file, char *out, size_t bytes)
{
    size_t used = 0;

    for (uint32_t i = 0; i < v->count && i < CONF_ERRORS_MAX && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%s:%u: %s", i ? "\n" : "", file,
                                 v->error[i].line, v->error[i].text);
}

int hearthd_reload(struct hearthd *h, json_t **restart_needed, char *error, size_t error_bytes)
{
    struct conf_verdict *v = malloc(sizeof(*v));
    struct conf *next = v ? conf_read(h->config_file, v) : NULL;
    struct certs_part *certs = NULL;
    struct scripts_part *scripts = NULL;
    json_t *differing;

    if (!next) {
        if (v)
            format_verdict(v, h->config_file, error, error_bytes);
        free(v);
        return -1;
    }
    free(v);
    install_find(&next->cells);
    differing = keep_fixed(next, h->conf);
    certs = certs_part_build(next, &h->tickets, error, error_bytes);
    if (certs)
        scripts = scripts_part_build(&h->catalog, NULL, NULL, next, error, error_bytes);
    if (!scripts || follow_members(h, next, error, error_bytes)) {
        if (scripts)
            part_release(&scripts->part);
        if (certs)
            part_release(&certs->part);
        json_decref(differing);
        conf_free(next);
        return -1;
    }
    part_release(&h->certs->part);
    part_release(&h->scripts->part);
    h->certs = certs;
    h->scripts = scripts;
    conf_free(h->conf);
    h->conf = next;
    h->tune = next->tune;
    log_line("reload", "certificates=%u zones=%u members=%u", certs->context_count,
             next->zones_count, h->members->count);
    *restart_needed = differing;
    return 0;
}
