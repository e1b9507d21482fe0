#include "control/daemon/hearthd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/counters.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tls/tls.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* ---- status ---- */

static json_t *port_json(const struct hearthd *h)
{
    const struct port_caps *c = &h->port->caps;
    char mac[18];

    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", c->mac[0], c->mac[1], c->mac[2],
             c->mac[3], c->mac[4], c->mac[5]);
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:b}", "device", c->name,
                     "driver", c->driver, "mac", mac, "mtu", (int)c->mtu, "queues", (int)c->queues,
                     "rss", (int)c->has_rss, "rx_checksum", (int)c->has_rx_csum, "tx_checksum",
                     (int)c->has_tx_csum, "tso", (int)c->has_tso, "rx_wait", (int)c->has_rx_wait,
                     "rpc_rules", (int)c->has_rpc_rules);
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

static json_t *runtimes_json(const struct hearthd *h)
{
    static const char *const states[] = {"down", "booting", "up", "ending"};
    json_t *out = json_array();

    for (uint32_t i = 0; i < supervise_count(h->supervise); i++) {
        struct supervise_status s;

        supervise_status(h->supervise, i, &s);
        json_array_append_new(
            out, json_pack("{s:i, s:s, s:i, s:I, s:i, s:f, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I}",
                           "index", (int)i, "state", states[s.state], "pid", s.pid, "life",
                           (json_int_t)s.life, "restarts", (int)s.restarts, "since_s",
                           (double)(loop_now_ns() - s.since_ns) / 1e9, "hugepages", (int)s.has_huge,
                           "v8", s.v8, "last_exit", s.last_exit, "isolates", (json_int_t)s.isolates,
                           "memory_bytes", (json_int_t)s.memory_bytes, "bad_packets",
                           (json_int_t)s.bad_packets, "logs_dropped", (json_int_t)s.logs_dropped,
                           "regions_lost", (json_int_t)s.regions_lost));
    }
    return out;
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
    bool is_ready = h->has_been_ready && !h->is_draining && supervise_up_count(h->supervise) > 0;

    for (uint32_t i = 0; i < h->conf->port.addresses_count; i++)
        json_array_append_new(addresses, json_string(h->conf->port.addresses[i]));
    reply = json_pack(
        "{s:b, s:s, s:s, s:b, s:b, s:i, s:f, s:I, s:b, s:o, s:o, s:{s:i, s:i}, s:o, s:o, s:i, s:o, "
        "s:s, s:o}",
        "ok", 1, "node", h->conf->node, "version", HEARTH_VERSION, "ready", (int)is_ready,
        "draining", (int)h->is_draining, "pid", (int)getpid(), "uptime_s",
        (double)(loop_now_ns() - h->started_ns) / 1e9, "epoch", (json_int_t)h->epoch, "hugepages",
        (int)h->has_huge, "port", port_json(h), "addresses", addresses, "listen", "https",
        (int)h->conf->listen.https, "http", (int)h->conf->listen.http, "cores", cores_json(h),
        "runtimes", runtimes_json(h), "scripts", (int)h->catalog.current_count, "certificates",
        certificates_json(h), "config", h->config_file, "cluster", export_cluster(h));
    json_object_set_new(reply, "ctl", ctl_json(h));
    json_object_set_new(reply, "privileges", privileges_json(&h->privileges));
    return reply;
}

/* ---- scripts ---- */

static void add_runtime_stats(const struct hearthd *h, const struct script *script, json_t *out)
{
    struct script_row sum = {0};
    int warm_in = 0;

    for (uint32_t i = 0; i < supervise_count(h->supervise); i++) {
        const struct script_row *row = supervise_script(h->supervise, i, script);

        if (!row)
            continue;
        sum.cold += row->cold;
        sum.ahead += row->ahead;
        sum.warm += row->warm;
        sum.evicted += row->evicted;
        sum.condemned += row->condemned;
        sum.cpu_us += row->cpu_us;
        sum.memory_bytes += row->memory_bytes;
        warm_in += row->is_warm;
    }
    json_object_set_new(out, "cold", json_integer((json_int_t)sum.cold));
    json_object_set_new(out, "ahead", json_integer((json_int_t)sum.ahead));
    json_object_set_new(out, "warm", json_integer((json_int_t)sum.warm));
    json_object_set_new(out, "evicted", json_integer((json_int_t)sum.evicted));
    json_object_set_new(out, "condemned", json_integer((json_int_t)sum.condemned));
    json_object_set_new(out, "cpu_us", json_integer((json_int_t)sum.cpu_us));
    json_object_set_new(out, "memory_bytes", json_integer((json_int_t)sum.memory_bytes));
    json_object_set_new(out, "warm_in", json_integer(warm_in));
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
        json_array_append_new(routes, json_sprintf("%s.%s", s->name, h->conf->zones[z]));
    out = json_pack("{s:s, s:s, s:s, s:I, s:o, s:i, s:I}", "name", s->name, "version", s->version,
                    "sha256", s->sha256, "deployed_at", (json_int_t)s->deployed_at, "routes",
                    routes, "modules", (int)json_array_size(modules), "bytes", bytes);
    add_runtime_stats(h, s, out);
    if (has_versions) {
        char ignored[256];
        json_t *record = store_record(&h->store, s->name, ignored, sizeof(ignored));

        json_object_set(out, "versions", json_object_get(record, "versions"));
        json_decref(record);
    }
    return out;
}

json_t *export_scripts(struct hearthd *h, const char *name)
{
    json_t *list = json_array();

    for (const struct script *s = h->catalog.first; s; s = s->next)
        if (s->is_current && (!*name || !strcmp(s->name, name)))
            json_array_append_new(list, script_json(h, s, *name != 0));
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
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx_frames",
                     (json_int_t)s.rx_frames, "rx_bytes", (json_int_t)s.rx_bytes, "tx_frames",
                     (json_int_t)s.tx_frames, "tx_bytes", (json_int_t)s.tx_bytes, "rx_missed",
                     (json_int_t)s.rx_missed, "rx_truncated", (json_int_t)s.rx_truncated,
                     "spread_full", (json_int_t)s.spread_full, "tx_full", (json_int_t)s.tx_full);
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
        json_array_append_new(cores,
                              json_pack("{s:i, s:i, s:o, s:I, s:I, s:I, s:o}", "index", (int)i,
                                        "cpu", (int)h->conf->cores[i], "counters", counters,
                                        "unaccounted", (json_int_t)counters_unaccounted(&c),
                                        "longest_ns", (json_int_t)g.longest_ns, "longest_lately_ns",
                                        (json_int_t)g.longest_lately_ns, "port",
                                        port_stats_json(h, (uint16_t)i)));
    }
    return json_pack("{s:b, s:o, s:I, s:o}", "ok", 1, "counters", sum, "unaccounted",
                     (json_int_t)unaccounted, "cores", cores);
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
    fputs("# TYPE hearth_jobs gauge\n# HELP hearth_jobs requests at work in a runtime\n", out);
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

static void print_node_gauges(const struct hearthd *h, FILE *out)
{
    fputs("# TYPE hearth_runtime_up gauge\n# HELP hearth_runtime_up runtime process serves\n", out);
    for (uint32_t i = 0; i < supervise_count(h->supervise); i++) {
        struct supervise_status s;

        supervise_status(h->supervise, i, &s);
        fprintf(out, "hearth_runtime_up{runtime=\"%u\"} %d\n", i, s.state == SUPERVISE_UP);
    }
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
    print_node_gauges(h, out);
    export_cluster_metrics(h, out);
    fputs("# EOF\n", out);
    fclose(out);
    return text;
}

/* ---- limits ---- */

char *export_limits(const struct hearthd *h)
{
    const struct conf_limits *l = &h->conf->limits;
    const uint32_t runtimes = h->conf->runtimes.count;
    const size_t all = core_bytes(l->conns, l->chunks, runtimes),
                 each = (core_bytes(2 * l->conns, l->chunks, runtimes) - all) / l->conns;
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
