#include "control/cli/hearthctl_print.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/base/json_field.h"

static bool is(const json_t *j, const char *key)
{
    return json_is_true(json_object_get(j, key));
}

static const char *yes(const json_t *j, const char *key)
{
    return is(j, key) ? "yes" : "no";
}

static const char *format_duration(double seconds, char out[24])
{
    long s = (long)seconds;

    if (s >= 86400)
        snprintf(out, 24, "%ldd%ldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, 24, "%ldh%ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 24, "%ldm%lds", s / 60, s % 60);
    else
        snprintf(out, 24, "%.1fs", seconds);
    return out;
}

static void format_date(long long seconds, char out[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%d %H:%MZ", &tm);
}

static void print_list(const json_t *list, const char *separator)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        printf("%s%s", i ? separator : "", json_string_value(item));
    }
}

/* ---- status ---- */

static void print_cgroup(const json_t *g)
{
    printf("shares    cgroup %s", field_text(g, "kind"));
    if (json_array_size(json_object_get(g, "controllers"))) {
        printf(" of ");
        print_list(json_object_get(g, "controllers"), ",");
    }
    if (*field_text(g, "why"))
        printf(": %s", field_text(g, "why"));
    if (field_number(g, "failed"))
        printf("  refused by the kernel %lld, last: %s", field_number(g, "failed"),
               field_text(g, "last_error"));
    printf("\n");
}

static void print_cells(const json_t *zygote, const json_t *c)
{
    char age[24];

    format_duration(json_number_value(json_object_get(zygote, "age_s")), age);
    if (field_number(zygote, "pid"))
        printf("\nzygote    pid %lld  age %s  restarts %lld  V8 %s\n", field_number(zygote, "pid"),
               age, field_number(zygote, "restarts"), field_text(zygote, "v8"));
    else
        printf("\nzygote    none is up  restarts %lld\n", field_number(zygote, "restarts"));
    printf("cells     %lld warm  %lld spare  %lld starting  %lld retired  %lld ending  of %lld\n",
           field_number(c, "warm"), field_number(c, "spare"), field_number(c, "starting"),
           field_number(c, "retired"), field_number(c, "ending"), field_number(c, "max"));
    printf(
        "          %.1f of %.1f MB (%s)  started %lld  evicted %lld  ended %lld  last exit: %s\n",
        (double)field_number(c, "memory_bytes") / 1e6,
        (double)field_number(c, "memory_max_bytes") / 1e6, field_text(c, "memory_is"),
        field_number(c, "started"), field_number(c, "evicted"), field_number(c, "ended"),
        *field_text(c, "last_exit") ? field_text(c, "last_exit") : "none");
    if (field_number(c, "accounts_refused") || field_number(c, "accounts_evicted") ||
        field_number(c, "accounts_killed"))
        printf("          over their account's memory: starts refused %lld  evicted %lld  killed "
               "%lld\n",
               field_number(c, "accounts_refused"), field_number(c, "accounts_evicted"),
               field_number(c, "accounts_killed"));
    print_cgroup(json_object_get(c, "cgroup"));
}

static void print_cores(const json_t *cores)
{
    const json_t *c;
    size_t i;

    printf("\nCORE  CPU  CONNS   (busy idle fresh ending)   OVER  JOBS    BUSY    CHUNKS FREE\n");
    json_array_foreach(cores, i, c)
    {
        double busy = (double)field_number(c, "busy_ns"), idle = (double)field_number(c, "idle_ns");

        char states[64];

        snprintf(states, sizeof(states), "(%lld %lld %lld %lld)", field_number(c, "conns_busy"),
                 field_number(c, "conns_idle"), field_number(c, "conns_fresh"),
                 field_number(c, "conns_ending"));
        printf("%-5lld %-4lld %-7lld %-26s %-5lld %-7lld %5.1f%%  %lld of %lld\n",
               field_number(c, "index"), field_number(c, "cpu"), field_number(c, "conns"), states,
               field_number(c, "sources_over"), field_number(c, "jobs"),
               busy + idle > 0 ? 100 * busy / (busy + idle) : 0.0, field_number(c, "chunks_free"),
               field_number(c, "chunks"));
    }
}

static void print_cluster_line(const json_t *c)
{
    const json_t *members = json_object_get(c, "members"), *m;
    size_t i;

    if (is(c, "alone"))
        return;
    printf("cluster   %s  %lld of %zu up  ring epoch %lld ", field_text(c, "state"),
           field_number(c, "up"), json_array_size(members),
           field_number(json_object_get(c, "ring"), "epoch"));
    json_array_foreach(members, i, m)
    {
        if (!is(m, "self"))
            printf(" %s:%s", field_text(m, "name"), field_text(m, "state"));
    }
    printf("\n");
}

static void print_privileges(const json_t *j)
{
    const json_t *missing;
    size_t i;

    printf("rights    uid %lld  capabilities ", field_number(j, "uid"));
    if (json_array_size(json_object_get(j, "capabilities")))
        print_list(json_object_get(j, "capabilities"), ",");
    else
        printf("none");
    printf("  seccomp %s  namespaces of cells %s\n", yes(j, "seccomp"), yes(j, "namespaces"));
    json_array_foreach(json_object_get(j, "missing"), i, missing)
    {
        printf("weaker    %s\n", json_string_value(missing));
    }
}

static const char *node_state(const json_t *status)
{
    const json_t *port = json_object_get(status, "port");

    if (is(status, "draining"))
        return "draining";
    if (is(status, "ready"))
        return "ready";
    return is(port, "usable") ? "starting" : "without a link";
}

static void print_link(const json_t *port)
{
    printf("%s", field_text(port, "link"));
    if (field_number(port, "mbps"))
        printf("  %lld Mb/s", field_number(port, "mbps"));
    printf("  downs %lld  restarts %lld", field_number(port, "link_downs"),
           field_number(port, "restarts"));
    if (field_number(port, "restarts_failed"))
        printf(" (and %lld failed)", field_number(port, "restarts_failed"));
    printf("%s\n", is(port, "interrupts_silent") ? "  interrupts do not come: polled" : "");
}

static void print_lacp(const json_t *lacp)
{
    if (lacp)
        printf("          lacp %s  partner %s key %lld  heard %lld  told %lld  bad %lld\n",
               field_text(lacp, "state"), field_text(lacp, "partner"), field_number(lacp, "key"),
               field_number(lacp, "received"), field_number(lacp, "sent"),
               field_number(lacp, "bad"));
}

static void print_members(const json_t *port)
{
    const json_t *member;
    size_t i;

    json_array_foreach(json_object_get(port, "members"), i, member)
    {
        printf("device    %s  ", field_text(member, "device"));
        if (json_object_get(member, "why")) {
            printf("missing: %s\n", field_text(member, "why"));
            continue;
        }
        printf("%s  %s (%s)  ", is(member, "active") ? "active " : "standby",
               field_text(member, "mac"), field_text(member, "driver"));
        print_link(member);
        print_lacp(json_object_get(member, "lacp"));
    }
    if (json_object_get(port, "members"))
        printf("switches  %lld  failback after %lld s%s\n", field_number(port, "switches"),
               field_number(port, "failback_s"),
               field_number(port, "failback_s") ? "" : " (never)");
}

void print_status(const json_t *j)
{
    const json_t *port = json_object_get(j, "port"), *certificate;
    const json_t *listening = json_object_get(j, "listen");
    char uptime[24];
    size_t i;

    format_duration(json_number_value(json_object_get(j, "uptime_s")), uptime);
    printf("node      %s  %s  version %s  pid %lld  up %s\n", field_text(j, "node"), node_state(j),
           field_text(j, "version"), field_number(j, "pid"), uptime);
    printf("port      %s (%s)  %s  mtu %lld  queues %lld  rss %s  checksums %s in, %s out\n",
           field_text(port, "device"), field_text(port, "driver"), field_text(port, "mac"),
           field_number(port, "mtu"), field_number(port, "queues"),
           is(port, "rss") ? "device" : "software", field_text(port, "checksums_in"),
           field_text(port, "checksums_out"));
    printf("link      ");
    print_link(port);
    print_members(port);
    printf("address   ");
    print_list(json_object_get(j, "addresses"), ", ");
    printf("  https %lld  http %lld\n", field_number(listening, "https"),
           field_number(listening, "http"));
    printf("memory    hugepages %s\n", yes(j, "hugepages"));
    print_privileges(json_object_get(j, "privileges"));
    print_cluster_line(json_object_get(j, "cluster"));
    printf("world     epoch %lld  scripts %lld\n", field_number(j, "epoch"),
           field_number(j, "scripts"));
    json_array_foreach(json_object_get(j, "certificates"), i, certificate)
    {
        char date[32];

        format_date(field_number(certificate, "expires"), date);
        printf("certificate  %s  until %s%s\n", field_text(certificate, "chain"), date,
               is(certificate, "default") ? "  (default)" : "");
    }
    print_cores(json_object_get(j, "cores"));
    print_cells(json_object_get(j, "zygote"), json_object_get(j, "cells"));
}

/* ---- changes ---- */

void print_reload(const json_t *j)
{
    const json_t *list = json_object_get(j, "restart_needed");

    printf("reloaded\n");
    if (json_array_size(list)) {
        printf("changed, but only a restart makes it count: ");
        print_list(list, ", ");
        printf("\n");
    }
}

void print_deploy(const json_t *j)
{
    printf("%s %s %s\n", field_text(j, "name"), field_text(j, "version"),
           is(j, "changed") ? "is current" : "was current already");
    if (json_array_size(json_object_get(j, "hosts"))) {
        printf("hosts   ");
        print_list(json_object_get(j, "hosts"), ", ");
        printf("\n");
    }
    if (json_array_size(json_object_get(j, "routes"))) {
        printf("routes  ");
        print_list(json_object_get(j, "routes"), ", ");
        printf("\n");
    }
}

void print_delete(const json_t *j)
{
    printf("%s is deleted\n", field_text(j, "name"));
}

/* ---- scripts ---- */

void print_names(const json_t *j)
{
    const json_t *s;
    size_t i;

    json_array_foreach(json_object_get(j, "scripts"), i, s)
    {
        printf("%s\n", field_text(s, "name"));
    }
}

static void print_versions(const json_t *s)
{
    const json_t *v;
    size_t i;

    if (!json_object_get(s, "versions"))
        return;
    printf("\nVERSION           DEPLOYED\n");
    json_array_foreach(json_object_get(s, "versions"), i, v)
    {
        char date[32];

        format_date(field_number(v, "deployed_at"), date);
        printf("%.16s  %s%s\n", field_text(v, "sha256"), date,
               strcmp(field_text(v, "sha256"), field_text(s, "sha256")) ? "" : "  current");
    }
}

static void print_template(const json_t *s)
{
    if (json_object_get(s, "template"))
        printf("TEMPLATE of %lld  ", field_number(s, "copies"));
}

void print_scripts(const json_t *j)
{
    const json_t *s;
    size_t i;

    printf("%-24s %-16s  %-17s  %9s %5s %5s %7s %8s %8s %8s %8s  ROUTES\n", "SCRIPT", "VERSION",
           "DEPLOYED", "KB", "CELLS", "ENDED", "MB", "WARM", "COLD", "AHEAD", "CPU ms");
    json_array_foreach(json_object_get(j, "scripts"), i, s)
    {
        char date[32];

        format_date(field_number(s, "deployed_at"), date);
        printf("%-24s %-16s  %-17s  %9.1f %5lld %5lld %7.1f %8lld %8lld %8lld %8lld  %s",
               field_text(s, "name"), field_text(s, "version"), date,
               (double)field_number(s, "bytes") / 1000, field_number(s, "cells"),
               field_number(s, "ended"), (double)field_number(s, "memory_bytes") / 1e6,
               field_number(s, "warm"), field_number(s, "cold"), field_number(s, "ahead"),
               field_number(s, "cpu_ms"), is(s, "held") ? "HELD  " : "");
        print_template(s);
        print_list(json_object_get(s, "routes"), ", ");
        printf("\n");
        print_versions(s);
    }
}

/* ---- stats ---- */

void print_stats(const json_t *j)
{
    const json_t *sum = json_object_get(j, "counters"), *cores = json_object_get(j, "cores");
    const json_t *value, *core;
    const char *name;
    size_t i;

    printf("%-24s %14s", "COUNTER", "ALL CORES");
    json_array_foreach(cores, i, core)
    {
        char head[16];

        snprintf(head, sizeof(head), "CORE %lld", field_number(core, "index"));
        printf(" %14s", head);
    }
    printf("\n");
    json_object_foreach((json_t *)sum, name, value)
    {
        if (!json_integer_value(value))
            continue;
        printf("%-24s %14lld", name, (long long)json_integer_value(value));
        json_array_foreach(cores, i, core)
        {
            printf(" %14lld", field_number(json_object_get(core, "counters"), name));
        }
        printf("\n");
    }
    printf("\nrx_frames %lld = delivered and dropped by reason, %lld unaccounted for\n",
           field_number(sum, "rx_frames"), field_number(j, "unaccounted"));
    json_array_foreach(cores, i, core)
    {
        printf("core %lld: longest iteration %.2f ms, lately %.2f ms\n",
               field_number(core, "index"), (double)field_number(core, "longest_ns") / 1e6,
               (double)field_number(core, "longest_lately_ns") / 1e6);
    }
    printf("Counters that are 0 are not shown; --json has them all.\n");
}

/* ---- stats --cycles ---- */

struct stage_sum {
    double cycles, units;
};

/* By row of the list, and all of it; core: -1 is all of them. */
static struct stage_sum stage_sum(const json_t *cores, size_t row, long long core)
{
    struct stage_sum sum = {0};
    const json_t *one;
    size_t i;

    json_array_foreach(cores, i, one)
    {
        const json_t *stages = json_object_get(json_object_get(one, "ledger"), "stages");
        const json_t *stage = json_array_get(stages, row);

        if (core >= 0 && field_number(one, "index") != core)
            continue;
        sum.cycles += (double)field_number(stage, "cycles");
        sum.units += (double)field_number(stage, "units");
    }
    return sum;
}

static bool is_rest(const json_t *stage)
{
    return !strcmp(field_text(stage, "stage"), "idle") ||
           !strcmp(field_text(stage, "stage"), "sleep");
}

static void print_cycles_of(const json_t *cores, const json_t *stages, long long core)
{
    double busy = 0, all = 0;
    const json_t *stage;
    size_t row;

    json_array_foreach(stages, row, stage)
    {
        double cycles = stage_sum(cores, row, core).cycles;

        all += cycles;
        busy += is_rest(stage) ? 0 : cycles;
    }
    printf("%-10s %7s %16s %14s  %-10s %s\n", "STAGE", "BUSY", "CYCLES", "A UNIT", "UNIT", "UNITS");
    json_array_foreach(stages, row, stage)
    {
        struct stage_sum sum = stage_sum(cores, row, core);
        char share[16] = "";

        if (sum.units == 0 && sum.cycles == 0)
            continue;
        if (!is_rest(stage))
            snprintf(share, sizeof(share), "%.1f %%", busy > 0 ? sum.cycles * 100 / busy : 0);
        printf("%-10s %7s %16.0f %14.0f  %-10s %.0f\n", field_text(stage, "stage"), share,
               sum.cycles, sum.units > 0 ? sum.cycles / sum.units : 0, field_text(stage, "unit"),
               sum.units);
    }
    printf("busy %.2f %% of %.0f cycles\n\n", all > 0 ? busy * 100 / all : 0, all);
}

void print_cycles(const json_t *j)
{
    const json_t *cores = json_object_get(j, "cores"), *core;
    const json_t *ledger = json_object_get(json_array_get(cores, 0), "ledger");
    const json_t *stages = json_object_get(ledger, "stages");
    size_t i;

    print_cycles_of(cores, stages, -1);
    json_array_foreach(cores, i, core)
    {
        if (json_array_size(cores) == 1)
            break;
        printf("core %lld\n", field_number(core, "index"));
        print_cycles_of(cores, stages, field_number(core, "index"));
    }
    printf("Since the start of hearthd; %lld cycles of the clock are a microsecond. BUSY: of the "
           "time in which there was work.\n",
           field_number(ledger, "cycles_per_us"));
}

void print_text(const json_t *j)
{
    fputs(field_text(j, "text"), stdout);
}

/* ---- doctor ---- */

void print_doctor(const json_t *j)
{
    const json_t *check, *iface, *rung;
    size_t i, k;

    json_array_foreach(json_object_get(j, "checks"), i, check)
    {
        bool is_good = !strcmp(field_text(check, "state"), "good");

        printf("%-8s %-18s %s\n", is_good ? "good" : field_text(check, "state"),
               field_text(check, "name"), field_text(check, "found"));
        if (!is_good)
            printf("         %-18s %s\n", "", field_text(check, "advice"));
    }
    json_array_foreach(json_object_get(j, "interfaces"), i, iface)
    {
        printf("\n%s, best first:\n", field_text(iface, "name"));
        json_array_foreach(json_object_get(iface, "rungs"), k, rung)
        {
            printf("  %-16s %-3s  %s\n", field_text(rung, "name"),
                   is(rung, "possible") ? "yes" : "no", field_text(rung, "reason"));
        }
    }
}

void print_log_line(const json_t *j)
{
    if (json_object_get(j, "lines_lost")) {
        printf("... %lld lines lost: this terminal was too slow", field_number(j, "lines_lost"));
        return;
    }
    if (field_number(j, "lost_before"))
        printf("... %lld lines of %s lost on their way\n", field_number(j, "lost_before"),
               field_text(j, "node"));
    printf("%s %s %s %s %s %s", field_text(j, "node"), field_text(j, "script"),
           field_text(j, "version"), field_text(j, "request"), field_text(j, "level"),
           field_text(j, "text"));
    if (is(j, "is_cut"))
        printf(" ...");
}
