#include "control/daemon/account_commands.h"
#include "control/daemon/hearthd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/counters.h"
#include "dataplane/base/ledger.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tls/tls.h"
#include "drivers/port_dpdk.h"
#include "drivers/port_pair.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* ---- status ---- */

const char *export_csums(uint8_t csums, char text[EXPORT_CSUMS_BYTES])
{
    if (csums == 0 || csums == PORT_CSUM_ALL)
        return csums ? "device" : "software";
    snprintf(text, EXPORT_CSUMS_BYTES, "%s%s%s", csums & PORT_CSUM_IP4 ? "ip4," : "",
             csums & PORT_CSUM_TCP ? "tcp," : "", csums & PORT_CSUM_UDP ? "udp," : "");
    text[strlen(text) - 1] = 0;
    return text;
}

static const char *link_text(const struct port_link *link)
{
    return link->is_released ? "released" : link->is_up ? "up" : "down";
}

static void mac_text(const uint8_t mac[6], char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

static json_t *lacp_json(const struct port_pair_partner p)
{
    char system[18];

    mac_text(p.system, system);
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I}", "state", p.state, "partner",
                     p.is_heard ? system : "none", "key", (int)p.key, "received",
                     (json_int_t)p.received, "sent", (json_int_t)p.sent, "bad", (json_int_t)p.bad);
}

/* Of a port of two devices: which they are, and which one is active. */
static json_t *members_json(const struct hearthd *h)
{
    const char *device[CONF_DEVICES_MAX];
    const uint32_t count = conf_devices(&h->conf->port, device);
    json_t *out = json_array();

    for (uint32_t i = 0; i < count; i++) {
        const struct port *m = h->member[i];
        const bool is_active = m && (!h->is_pair || port_pair_is_active(h->port, i));
        char mac[18];

        if (!m) {
            json_array_append_new(out,
                                  json_pack("{s:s, s:s, s:s, s:b}", "device", device[i], "link",
                                            "missing", "why", h->member_error[i], "active", 0));
            continue;
        }
        mac_text(m->caps.mac, mac);
        json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:b, s:b}",
                                             "device", m->caps.name, "driver", m->caps.driver,
                                             "mac", mac, "link", link_text(&m->link), "mbps",
                                             (int)m->link.speed_mbps, "mtu", (int)m->caps.mtu,
                                             "link_downs", (json_int_t)m->link.downs, "restarts",
                                             (json_int_t)m->link.restarts, "interrupts_silent",
                                             (int)m->link.is_silent, "active", (int)is_active));
        if (h->is_pair && h->conf->port.mode == CONF_PORT_LACP)
            json_object_set_new(json_array_get(out, i), "lacp",
                                lacp_json(port_pair_partner(h->port, i)));
    }
    return out;
}

static json_t *port_json(const struct hearthd *h)
{
    const struct port_caps *c = &h->port->caps;
    const struct port_link *link = &h->port->link;
    char mac[18], in[EXPORT_CSUMS_BYTES], out[EXPORT_CSUMS_BYTES];

    mac_text(c->mac, mac);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:b, s:b, s:b, s:s, s:s, s:b, s:b, s:b, s:s, s:i, "
        "s:I, "
        "s:I, s:I, s:b, s:b}",
        "device", c->name, "driver", c->driver, "mac", mac, "mtu", (int)c->mtu, "queues",
        (int)c->queues, "rx_descriptors", (int)c->rx_descriptors, "tx_descriptors",
        (int)c->tx_descriptors, "rss", (int)c->has_rss, "rx_checksum", (int)c->has_rx_csum,
        "tx_checksum", (int)c->has_tx_csum, "checksums_in", export_csums(c->rx_csum, in),
        "checksums_out", export_csums(c->tx_csum, out), "tso", (int)c->has_tso, "rx_wait",
        (int)(c->has_rx_wait && !link->is_silent), "rpc_rules", (int)c->has_rpc_rules, "link",
        link_text(link), "mbps", (int)link->speed_mbps, "link_downs", (json_int_t)link->downs,
        "restarts", (json_int_t)link->restarts, "restarts_failed",
        (json_int_t)link->restarts_failed, "interrupts_silent", (int)link->is_silent, "usable",
        (int)port_is_usable(h->port));
    if (h->conf->port.devices_count > 0)
        json_object_update_new(
            json,
            json_pack("{s:s, s:I, s:i, s:o}", "mode",
                      h->conf->port.mode == CONF_PORT_LACP ? "lacp" : "failover", "switches",
                      (json_int_t)(h->is_pair ? port_pair_switches(h->port) : 0), "failback_s",
                      (int)h->conf->port.failback_s, "members", members_json(h)));
    return json;
}

static uint32_t busy_conns(const struct core_gauges *g)
{
    uint32_t rest = g->conns_idle + g->conns_fresh + g->conns_ending;

    return rest < g->conns ? g->conns - rest : 0; /* read while they change */
}

static json_t *cores_json(const struct hearthd *h)
{
    json_t *out = json_array();

    for (uint32_t i = 0; i < h->core_count; i++) {
        struct core_gauges g;

        core_gauges(h->core[i].core, &g);
        json_array_append_new(
            out,
            json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I}",
                      "index", (int)i, "cpu", (int)h->conf->cores[i], "conns", (int)g.conns,
                      "conns_busy", (int)busy_conns(&g), "conns_idle", (int)g.conns_idle,
                      "conns_fresh", (int)g.conns_fresh, "conns_ending", (int)g.conns_ending,
                      "sources_over", (int)g.sources_over, "jobs", (int)g.jobs, "chunks_free",
                      (int)g.chunks_free, "chunks", (int)g.chunks, "busy_ns", (json_int_t)g.busy_ns,
                      "idle_ns", (json_int_t)g.idle_ns, "longest_ns", (json_int_t)g.longest_ns,
                      "longest_lately_ns", (json_int_t)g.longest_lately_ns));
    }
    return out;
}

static json_t *zygote_json(const struct supervise_status *s)
{
    return json_pack("{s:i, s:f, s:i, s:s}", "pid", s->zygote_pid, "age_s", s->zygote_age_s,
                     "restarts", (int)s->zygote_restarts, "v8", s->v8);
}

static json_t *cgroup_json(const struct cgroup *g)
{
    const int error = atomic_load(&g->last_error);
    json_t *controllers = json_array();

    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (g->has[c])
            json_array_append_new(controllers, json_string(cgroup_controller_name[c]));
    return json_pack(
        "{s:s, s:o, s:s, s:s, s:I, s:I, s:s}", "kind", cgroup_kind_name(g->kind), "controllers",
        controllers, "path", g->path, "why", g->why, "moved", (json_int_t)atomic_load(&g->moved),
        "failed", (json_int_t)atomic_load(&g->failed), "last_error", error ? strerror(error) : "");
}

static json_t *cells_json(const struct hearthd *h, const struct supervise_status *s)
{
    const uint32_t *n = s->cells;

    return json_pack(
        "{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:I, s:s, s:I, s:I, s:I, s:o, s:{s:i, s:I, s:I}}",
        "max", (int)h->conf->cells.max, "warm", (int)n[CELL_WARM], "spare",
        (int)(n[CELL_SPARE] + n[CELL_FORKING]), "starting", (int)n[CELL_STARTING], "retired",
        (int)n[CELL_RETIRED], "ending", (int)n[CELL_ENDING], "large", (int)s->larges,
        "memory_bytes", (json_int_t)s->memory_bytes, "memory_max_bytes",
        (json_int_t)h->conf->cells.memory_mb << 20, "memory_is",
        s->is_memory_exact ? "exact" : "an upper bound", "started", (json_int_t)s->started, "ended",
        (json_int_t)s->ended, "spares_ended", (json_int_t)s->spares_ended, "evicted",
        (json_int_t)s->evicted, "bad_packets", (json_int_t)s->bad_packets, "logs_dropped",
        (json_int_t)s->logs_dropped, "regions_lost", (json_int_t)s->regions_lost, "last_exit",
        s->last_exit, "accounts_refused", (json_int_t)s->accounts_refused, "accounts_evicted",
        (json_int_t)s->accounts_evicted, "accounts_killed", (json_int_t)s->accounts_killed,
        "cgroup", cgroup_json(&h->cgroup), "templates", "frozen", (int)s->templates, "memory_bytes",
        (json_int_t)s->template_bytes, "attacks", (json_int_t)s->template_attacks);
}

/* The names of scripts that are held back since they end their cells. */
static json_t *held_json(const struct hearthd *h)
{
    uint64_t handle[WORLD_HELD_MAX], full;
    const uint32_t count = supervise_held(h->supervise, handle, &full);
    json_t *names = json_array();

    for (uint32_t i = 0; i < count; i++) {
        const struct script *script = catalog_by_handle(&h->catalog, handle[i]);

        if (script && !(full >> i & 1))
            json_array_append_new(names, json_string(script->name));
    }
    return names;
}

static json_t *certificates_json(const struct hearthd *h)
{
    json_t *out = json_array();

    for (uint32_t i = 0; i < h->certs->context_count; i++)
        json_array_append_new(
            out, json_pack("{s:s, s:b, s:I}", "chain", h->conf->certificates[i].chain, "default",
                           (int)h->conf->certificates[i].is_default, "expires",
                           (json_int_t)tls_context_expires(h->certs->contexts[i])));
    return out;
}

static json_t *ctl_json(const struct hearthd *h)
{
    const struct ctl_counts c = h->ctl ? ctl_counts(h->ctl) : (struct ctl_counts){0};

    return json_pack("{s:i, s:I, s:I, s:I}", "clients", (int)c.clients, "turned_away",
                     (json_int_t)c.turned_away, "given_up", (json_int_t)c.given_up, "bad",
                     (json_int_t)c.bad);
}

json_t *export_status(const struct hearthd *h)
{
    json_t *reply;
    json_t *addresses = json_array();
    bool is_ready = h->has_been_ready && !h->is_draining && supervise_can_serve(h->supervise) &&
                    port_is_usable(h->port);
    struct supervise_status cells;

    for (uint32_t i = 0; i < h->conf->port.addresses_count; i++)
        json_array_append_new(addresses, json_string(h->conf->port.addresses[i]));
    supervise_status(h->supervise, &cells);
    reply = json_pack(
        "{s:b, s:s, s:s, s:b, s:b, s:i, s:f, s:I, s:b, s:o, s:o, s:{s:i, s:i}, s:o, s:o, s:i, s:o, "
        "s:s, s:o}",
        "ok", 1, "node", h->conf->node, "version", HEARTH_VERSION, "ready", (int)is_ready,
        "draining", (int)h->is_draining, "pid", (int)getpid(), "uptime_s",
        (double)(loop_now_ns() - h->started_ns) / 1e9, "epoch", (json_int_t)h->epoch, "hugepages",
        (int)h->has_huge, "port", port_json(h), "addresses", addresses, "listen", "https",
        (int)h->conf->listen.https, "http", (int)h->conf->listen.http, "cores", cores_json(h),
        "zygote", zygote_json(&cells), "scripts", (int)h->catalog.current_count, "certificates",
        certificates_json(h), "config", h->config_file, "cluster", export_cluster(h));
    json_object_set_new(reply, "cells", cells_json(h, &cells));
    json_object_set_new(reply, "held", held_json(h));
    json_object_set_new(reply, "ctl", ctl_json(h));
    json_object_set_new(reply, "accounts_refused", account_commands_refused(h));
    json_object_set_new(reply, "privileges", privileges_json(&h->privileges));
    return reply;
}

/* ---- scripts ---- */

static void add_cells(const struct hearthd *h, const struct script *script, json_t *out)
{
    struct supervise_script s;
    json_t *more, *pids = json_array();

    supervise_script(h->supervise, script, &s);
    for (uint32_t i = 0; i < s.pid_count; i++)
        json_array_append_new(pids, json_integer(s.pid[i]));
    more = json_pack("{s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I}", "cells",
                     (int)s.cells, "pids", pids, "cpu_ms", (json_int_t)(s.cpu_us / 1000),
                     "memory_bytes", (json_int_t)s.memory_bytes, "cold", (json_int_t)s.cold,
                     "ahead", (json_int_t)s.ahead, "warm",
                     (json_int_t)(s.requests > s.cold ? s.requests - s.cold : 0), "evicted",
                     (json_int_t)s.evicted, "ended", (json_int_t)s.ended, "held", (int)s.is_held,
                     "copies", (json_int_t)s.copies);
    if (s.template_pid)
        json_object_set_new(more, "template",
                            json_pack("{s:i, s:I}", "pid", s.template_pid, "memory_bytes",
                                      (json_int_t)s.template_bytes));
    if (s.no_template && s.no_template[0])
        json_object_set_new(more, "no_template", json_string(s.no_template));
    json_object_update(out, more);
    json_decref(more);
}

static void append_host(json_t *list, const struct script *s, const char *zone)
{
    char *host = scripts_part_host(s, zone);

    json_array_append_new(list, json_string(host));
    free(host);
}

static json_t *script_json(struct hearthd *h, const struct script *s, bool has_versions)
{
    const json_t *modules = json_object_get(s->manifest, "modules"), *module;
    json_t *routes = json_array();
    json_int_t bytes = 0;
    size_t i;
    json_t *out;

    json_array_foreach(modules, i, module)
    {
        bytes += json_integer_value(json_object_get(module, "bytes"));
    }
    json_array_extend(routes, json_object_get(s->manifest, "routes"));
    for (uint32_t z = 0; z < h->conf->zones_count; z++)
        append_host(routes, s, h->conf->zones[z]);
    out = json_pack("{s:s, s:s, s:s, s:I, s:o, s:i, s:I}", "name", s->name, "version", s->version,
                    "sha256", s->sha256, "deployed_at", (json_int_t)s->deployed_at, "routes",
                    routes, "modules", (int)json_array_size(modules), "bytes", bytes);
    add_cells(h, s, out);
    if (has_versions) {
        char ignored[256];
        json_t *record = store_record(&h->store, s->name, ignored, sizeof(ignored));

        json_object_set(out, "versions", json_object_get(record, "versions"));
        json_decref(record);
    }
    return out;
}

json_t *export_scripts(struct hearthd *h, const char *scripts)
{
    size_t len = strlen(scripts);
    bool is_one = len && scripts[len - 1] != '/';
    json_t *list = json_array();

    for (const struct script *s = h->catalog.first; s; s = s->next)
        if (s->is_current && script_id_is_of(s->name, scripts))
            json_array_append_new(list, script_json(h, s, is_one));
    return json_pack("{s:b, s:o}", "ok", 1, "scripts", list);
}

/* ---- counters ---- */

static void put_counter(void *arg, const char *name, const char *text, enum counter_kind kind,
                        uint64_t value)
{
    json_object_set_new(arg, name, number(value));
}

static void add_counter(void *arg, const char *name, const char *text, enum counter_kind kind,
                        uint64_t value)
{
    json_int_t before = json_integer_value(json_object_get(arg, name));

    json_object_set_new(arg, name, json_integer(before + (json_int_t)value));
}

static json_t *port_stats_json(const struct hearthd *h, uint16_t queue)
{
    struct port_stats s = {0};

    port_stats(h->port, queue, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                     "rx_frames", (json_int_t)s.rx_frames, "rx_bytes", (json_int_t)s.rx_bytes,
                     "tx_frames", (json_int_t)s.tx_frames, "tx_bytes", (json_int_t)s.tx_bytes,
                     "rx_missed", (json_int_t)s.rx_missed, "rx_truncated",
                     (json_int_t)s.rx_truncated, "spread_full", (json_int_t)s.spread_full,
                     "tx_full", (json_int_t)s.tx_full, "tx_large", (json_int_t)s.tx_large, "tx_cut",
                     (json_int_t)s.tx_cut, "errors_told", (json_int_t)s.errors_told, "errors_kept",
                     (json_int_t)s.errors_kept, "rx_errors", (json_int_t)s.rx_errors, "rx_standby",
                     (json_int_t)s.rx_standby);
}

/* A core that is between rx and its disposition makes a torn sum; a few tries find it between
 * two bursts. */
static struct counters settled_counters(const struct core *core)
{
    struct counters c = *core_counters(core);

    for (int i = 0; i < 100 && counters_unaccounted(&c); i++)
        c = *core_counters(core);
    return c;
}

static void put_device_count(void *arg, const char *name, uint64_t value)
{
    json_object_set_new(arg, name, number(value));
}

/* Of two devices, each has its own. */
static json_t *device_json(const struct hearthd *h)
{
    json_t *out = json_object();

    for (uint32_t i = 0; i < CONF_DEVICES_MAX; i++) {
        json_t *counts = json_object();

        if (h->member[i])
            port_dpdk_xstats(h->member[i], put_device_count, counts);
        if (h->is_pair)
            json_object_set(out, h->member[i]->caps.name, counts);
        else
            json_object_update(out, counts);
        json_decref(counts);
    }
    return out;
}

static void put_stage(void *arg, const char *name, const char *unit, const char *text,
                      uint64_t ticks, uint64_t pieces)
{
    json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:I, s:I}", "stage", name, "unit", unit,
                                         "text", text, "cycles", (json_int_t)ticks, "units",
                                         (json_int_t)pieces));
}

static json_t *ledger_json(const struct core *core)
{
    const struct ledger l = *core_ledger(core);
    json_t *stages = json_array();

    ledger_each(&l, put_stage, stages);
    return json_pack("{s:i, s:o}", "cycles_per_us", (int)l.ticks_per_us, "stages", stages);
}

json_t *export_stats(const struct hearthd *h)
{
    json_t *sum = json_object(), *cores = json_array();
    int64_t unaccounted = 0;

    for (uint32_t i = 0; i < h->core_count; i++) {
        struct counters c = settled_counters(h->core[i].core);
        struct core_gauges g;
        json_t *counters = json_object();

        core_gauges(h->core[i].core, &g);
        counters_each(&c, put_counter, counters);
        counters_each(&c, add_counter, sum);
        unaccounted += counters_unaccounted(&c);
        json_array_append_new(
            cores,
            json_pack("{s:i, s:i, s:o, s:I, s:I, s:I, s:o, s:o}", "index", (int)i, "cpu",
                      (int)h->conf->cores[i], "counters", counters, "unaccounted",
                      (json_int_t)counters_unaccounted(&c), "longest_ns", (json_int_t)g.longest_ns,
                      "longest_lately_ns", (json_int_t)g.longest_lately_ns, "port",
                      port_stats_json(h, (uint16_t)i), "ledger", ledger_json(h->core[i].core)));
    }
    return json_pack("{s:b, s:o, s:I, s:o, s:o}", "ok", 1, "counters", sum, "unaccounted",
                     (json_int_t)unaccounted, "cores", cores, "device", device_json(h));
}

/* ---- OpenMetrics ---- */

/* The format wants the cores of one counter side by side, so it goes by counter, then by core. */
struct metric_walk {
    FILE *out;
    const struct counters *core;
    uint32_t count, position, wanted;
    bool is_head, is_found;
    uint32_t index;
};

static void print_metric(void *arg, const char *name, const char *text, enum counter_kind kind,
                         uint64_t value)
{
    struct metric_walk *w = arg;

    if (w->position++ != w->wanted)
        return;
    w->is_found = true;
    if (w->is_head)
        fprintf(w->out, "# TYPE hearth_%s counter\n# HELP hearth_%s %s\n", name, name, text);
    fprintf(w->out, "hearth_%s_total{core=\"%u\"} %llu\n", name, w->index,
            (unsigned long long)value);
}

static void print_counters(const struct hearthd *h, FILE *out)
{
    struct counters core[CONF_CORES_MAX];
    struct metric_walk w = {.out = out, .is_found = true};

    for (uint32_t i = 0; i < h->core_count; i++)
        core[i] = settled_counters(h->core[i].core);
    for (w.wanted = 0; w.is_found && h->core_count; w.wanted++) {
        w.is_found = false;
        for (uint32_t i = 0; i < h->core_count; i++) {
            w.position = 0;
            w.is_head = i == 0;
            w.index = i;
            counters_each(&core[i], print_metric, &w);
        }
    }
}

static void print_core_gauges(const struct hearthd *h, FILE *out)
{
    struct core_gauges g[CONF_CORES_MAX];

    for (uint32_t i = 0; i < h->core_count; i++)
        core_gauges(h->core[i].core, &g[i]);
    fputs("# TYPE hearth_conns gauge\n# HELP hearth_conns connections\n", out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out, "hearth_conns{core=\"%u\"} %u\n", i, g[i].conns);
    fputs("# TYPE hearth_conns_by_state gauge\n"
          "# HELP hearth_conns_by_state what they do: busy; idle: kept; fresh: before their first "
          "request; ending\n",
          out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out,
                "hearth_conns_by_state{core=\"%u\",state=\"busy\"} %u\n"
                "hearth_conns_by_state{core=\"%u\",state=\"idle\"} %u\n"
                "hearth_conns_by_state{core=\"%u\",state=\"fresh\"} %u\n"
                "hearth_conns_by_state{core=\"%u\",state=\"ending\"} %u\n",
                i, busy_conns(&g[i]), i, g[i].conns_idle, i, g[i].conns_fresh, i,
                g[i].conns_ending);
    fputs("# TYPE hearth_sources_over gauge\n# HELP hearth_sources_over sources of clients with "
          "more connections than their share\n",
          out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out, "hearth_sources_over{core=\"%u\"} %u\n", i, g[i].sources_over);
    fputs("# TYPE hearth_jobs gauge\n# HELP hearth_jobs requests at work in cells\n", out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out, "hearth_jobs{core=\"%u\"} %u\n", i, g[i].jobs);
    fputs("# TYPE hearth_chunks_free gauge\n# HELP hearth_chunks_free stream buffers that are free "
          "and promised to nobody\n",
          out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out, "hearth_chunks_free{core=\"%u\"} %u\n", i, g[i].chunks_free);
    fputs("# TYPE hearth_busy_seconds counter\n# HELP hearth_busy_seconds time with work\n", out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out, "hearth_busy_seconds_total{core=\"%u\"} %.9f\n", i,
                (double)g[i].busy_ns / 1e9);
    fputs("# TYPE hearth_longest_iteration_seconds gauge\n# HELP hearth_longest_iteration_seconds "
          "longest iteration of the last five to ten seconds\n",
          out);
    for (uint32_t i = 0; i < h->core_count; i++)
        fprintf(out, "hearth_longest_iteration_seconds{core=\"%u\"} %.9f\n", i,
                (double)g[i].longest_lately_ns / 1e9);
}

struct stage_walk {
    FILE *out;
    uint32_t core;
    bool is_pieces;
};

static void print_stage(void *arg, const char *name, const char *unit, const char *text,
                        uint64_t ticks, uint64_t pieces)
{
    struct stage_walk *w = arg;

    fprintf(w->out, "hearth_stage_%s_total{core=\"%u\",stage=\"%s\"} %llu\n",
            w->is_pieces ? "units" : "cycles", w->core, name,
            (unsigned long long)(w->is_pieces ? pieces : ticks));
}

static void print_ledgers(const struct hearthd *h, FILE *out)
{
    struct stage_walk w = {.out = out};

    fputs("# TYPE hearth_stage_cycles counter\n# HELP hearth_stage_cycles cycles of the TSC by "
          "stage of a core's work\n",
          out);
    for (w.core = 0; w.core < h->core_count; w.core++)
        ledger_each(core_ledger(h->core[w.core].core), print_stage, &w);
    fputs("# TYPE hearth_stage_units counter\n# HELP hearth_stage_units pieces of work by stage\n",
          out);
    w.is_pieces = true;
    for (w.core = 0; w.core < h->core_count; w.core++)
        ledger_each(core_ledger(h->core[w.core].core), print_stage, &w);
}

static void print_count(FILE *out, const char *name, const char *text, uint64_t value)
{
    fprintf(out, "# TYPE hearth_%s counter\n# HELP hearth_%s %s\nhearth_%s_total %llu\n", name,
            name, text, name, (unsigned long long)value);
}

static void print_members(const struct hearthd *h, FILE *out)
{
    if (h->conf->port.devices_count == 0)
        return;
    fprintf(out,
            "# TYPE hearth_port_member_up gauge\n"
            "# HELP hearth_port_member_up the device of port.devices is there and has a link\n");
    for (uint32_t i = 0; i < CONF_DEVICES_MAX; i++)
        fprintf(out, "hearth_port_member_up{member=\"%u\"} %d\n", i,
                h->member[i] && h->member[i]->link.is_up && !h->member[i]->link.is_released);
    fprintf(out, "# TYPE hearth_port_member_active gauge\n"
                 "# HELP hearth_port_member_active frames leave by it\n");
    for (uint32_t i = 0; i < CONF_DEVICES_MAX; i++)
        fprintf(out, "hearth_port_member_active{member=\"%u\"} %d\n", i,
                h->member[i] && (!h->is_pair || port_pair_is_active(h->port, i)));
    print_count(out, "port_switches", "times that another device became the active one",
                h->is_pair ? port_pair_switches(h->port) : 0);
}

/* Sums over the cores' queues: what one of them lost the port has lost. */
static void print_port(const struct hearthd *h, FILE *out)
{
    const struct port_link *link = &h->port->link;
    struct port_stats sum = {0};

    for (uint32_t i = 0; i < h->core_count; i++) {
        struct port_stats s = {0};

        port_stats(h->port, (uint16_t)i, &s);
        sum.rx_missed += s.rx_missed;
        sum.rx_standby += s.rx_standby;
        sum.rx_errors += s.rx_errors;
        sum.rx_truncated += s.rx_truncated;
        sum.spread_full += s.spread_full;
        sum.tx_full += s.tx_full;
        sum.tx_large += s.tx_large;
        sum.tx_cut += s.tx_cut;
        sum.errors_told += s.errors_told;
        sum.errors_kept += s.errors_kept;
    }
    fprintf(out,
            "# TYPE hearth_port_link_up gauge\n# HELP hearth_port_link_up frames can come\n"
            "hearth_port_link_up %d\n"
            "# TYPE hearth_port_link_mbps gauge\n"
            "# HELP hearth_port_link_mbps speed of the link; 0: unknown\n"
            "hearth_port_link_mbps %u\n",
            port_is_usable(h->port), link->speed_mbps);
    print_members(h, out);
    print_count(out, "port_link_downs", "times that the link was lost", link->downs);
    print_count(out, "port_restarts", "starts of the device after it was reset", link->restarts);
    print_count(out, "port_restarts_failed", "such starts that failed", link->restarts_failed);
    print_count(out, "port_rx_missed", "frames lost in the device for want of buffers",
                sum.rx_missed);
    print_count(out, "port_rx_errors", "frames that the device refused", sum.rx_errors);
    print_count(out, "port_rx_truncated", "frames above the MTU", sum.rx_truncated);
    if (h->is_pair)
        print_count(out, "port_rx_standby", "frames that the standby device heard as well",
                    sum.rx_standby);
    print_count(out, "port_spread_full", "frames that another core had no room for",
                sum.spread_full);
    print_count(out, "port_tx_full", "frames that the device did not take", sum.tx_full);
    print_count(out, "port_tx_large", "large frames, to be cut into segments below the port",
                sum.tx_large);
    print_count(out, "port_tx_cut", "of these, cut by the port itself", sum.tx_cut);
    print_count(out, "port_errors_told", "ICMP errors shown to every core", sum.errors_told);
    print_count(out, "port_errors_kept", "ICMP errors not shown: too many", sum.errors_kept);
}

static void print_node_gauges(const struct hearthd *h, FILE *out)
{
    struct supervise_status s;

    supervise_status(h->supervise, &s);
    fprintf(out,
            "# TYPE hearth_zygote_up gauge\n# HELP hearth_zygote_up cells can be forked\n"
            "hearth_zygote_up %d\n"
            "# TYPE hearth_cells gauge\n# HELP hearth_cells cells by state\n"
            "hearth_cells{state=\"warm\"} %u\nhearth_cells{state=\"spare\"} %u\n"
            "hearth_cells{state=\"starting\"} %u\nhearth_cells{state=\"retired\"} %u\n"
            "hearth_cells{state=\"ending\"} %u\n",
            s.zygote_pid > 0, s.cells[CELL_WARM], s.cells[CELL_SPARE] + s.cells[CELL_FORKING],
            s.cells[CELL_STARTING], s.cells[CELL_RETIRED], s.cells[CELL_ENDING]);
    fprintf(out,
            "# TYPE hearth_cells_memory_bytes gauge\n"
            "# HELP hearth_cells_memory_bytes memory of cells with a script\n"
            "hearth_cells_memory_bytes %llu\n",
            (unsigned long long)s.memory_bytes);
    print_count(out, "cells_started", "scripts started in a cell", s.started);
    print_count(out, "cells_ended", "cells with a script that ended", s.ended);
    print_count(out, "cells_spares_ended", "cells that ended before they had a script",
                s.spares_ended);
    print_count(out, "cells_evicted", "of these, to make room", s.evicted);
    fprintf(out,
            "# TYPE hearth_templates gauge\n"
            "# HELP hearth_templates scripts whose next cells are forked behind their top level\n"
            "hearth_templates %u\n"
            "# TYPE hearth_templates_memory_bytes gauge\n"
            "# HELP hearth_templates_memory_bytes memory of templates\n"
            "hearth_templates_memory_bytes %llu\n",
            s.templates, (unsigned long long)s.template_bytes);
    print_count(out, "template_attacks", "templates that forked unasked", s.template_attacks);
    print_count(out, "cells_account_evicted", "of these, for room of their account",
                s.accounts_evicted);
    print_count(out, "cells_account_refused", "starts refused, whose account had no memory",
                s.accounts_refused);
    print_count(out, "cells_account_killed",
                "cells killed, whose account had grown over its memory or part", s.accounts_killed);
    print_count(out, "cgroup_failed", "what the kernel refused of control groups",
                atomic_load(&h->cgroup.failed));
    print_count(out, "zygote_restarts", "zygotes that ended unasked", s.zygote_restarts);
    fprintf(out,
            "# TYPE hearth_scripts gauge\n# HELP hearth_scripts deployed scripts\n"
            "hearth_scripts %u\n# TYPE hearth_world_epoch gauge\n"
            "# HELP hearth_world_epoch worlds published\nhearth_world_epoch %llu\n",
            h->catalog.current_count, (unsigned long long)h->epoch);
}

char *export_metrics(const struct hearthd *h)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (!out)
        return NULL;
    print_counters(h, out);
    print_core_gauges(h, out);
    print_ledgers(h, out);
    print_port(h, out);
    print_node_gauges(h, out);
    export_cluster_metrics(h, out);
    account_commands_metrics(h, out);
    fputs("# EOF\n", out);
    fclose(out);
    return text;
}

/* ---- limits ---- */

char *export_limits(const struct hearthd *h)
{
    const struct conf_limits *l = &h->conf->limits;
    const uint32_t larges = h->conf->cells.larges,
                   links = supervise_links(h->conf->cells.max, larges);
    const size_t all = core_bytes(l->conns, l->chunks, links, larges),
                 each = (core_bytes(2 * l->conns, l->chunks, links, larges) - all) / l->conns;
    const struct limits_memory memory[] = {
        {"connections, in tables", l->conns, each},
        {"stream chunks, job tables of a core", 1, all - l->conns * each},
        {"channels, calls and streams of a cluster", h->channels ? 1 : 0,
         h->channels ? core_cluster_bytes(h->channels) : 0},
        {"TLS sessions, taken while they last (wolfSSL)", l->conns, tls_session_bytes()},
        {"neighbours, this core's share", 1, neighbours_bytes() / h->conf->cores_count},
    };
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (!out)
        return NULL;
    limits_print(out, memory, sizeof(memory) / sizeof(memory[0]));
    fclose(out);
    return text;
}
