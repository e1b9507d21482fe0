/* hearthctl top: what the node does, second by second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/base/json_field.h"
#include "control/cli/hearthctl.h"

enum { COUNTS = 11, SUMMANDS = 4 };

/* What is shown, and the counters that it is the sum of. */
static const struct {
    const char *head, *counter[SUMMANDS];
} columns[COUNTS] = {
    {"REQ/s", {"http_requests", NULL}},
    {"HERE/s", {"place_here", NULL}},
    {"HOME/s", {"place_home", NULL}},
    {"BOUNCED", {"call_bounced", NULL}},
    {"SERVED/s", {"serve_calls", NULL}},
    {"WARM/s", {"job_warm", NULL}},
    {"COLD/s", {"job_cold", NULL}},
    {"REFUSED", {"place_refused", "job_no_cell"}},
    {"5XX/s", {"http_5xx", NULL}},
    {"HIDDEN ms", {"warm_hidden_us", NULL}},
    {"EVICTED",
     {"conn_evicted_idle", "conn_evicted_fresh", "conn_evicted_ending", "conn_evicted_time_wait"}},
};

struct sample {
    double at_s, busy_ns, idle_ns;
    json_int_t count[COUNTS], conns, conns_busy, conns_idle, over, jobs, up, members, longest_ns;
    json_int_t cells, cell_bytes;
    char state[16];
    char held[160]; /* scripts that may not run: their names, as far as there is room */
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void name_held(struct sample *s, const json_t *names)
{
    const json_t *name;
    size_t i, at = 0;

    json_array_foreach(names, i, name)
    {
        size_t room = sizeof(s->held) - at;
        int len = snprintf(s->held + at, room, "%s%s", i ? ", " : "", json_string_value(name));

        if ((size_t)len >= room) {
            memcpy(s->held + sizeof(s->held) - 4, "...", 4);
            return;
        }
        at += (size_t)len;
    }
}

static void read_sample(struct sample *s, const json_t *status, const json_t *stats)
{
    const json_t *counters = json_object_get(stats, "counters"), *core;
    const json_t *cluster = json_object_get(status, "cluster");
    const char *state = json_string_value(json_object_get(cluster, "state"));
    size_t i;

    *s = (struct sample){.at_s = now_s()};
    for (int k = 0; k < COUNTS; k++)
        for (int n = 0; n < SUMMANDS && columns[k].counter[n]; n++)
            s->count[k] += field_number(counters, columns[k].counter[n]);
    json_array_foreach(json_object_get(status, "cores"), i, core)
    {
        s->busy_ns += (double)field_number(core, "busy_ns");
        s->idle_ns += (double)field_number(core, "idle_ns");
        s->conns += field_number(core, "conns");
        s->conns_busy += field_number(core, "conns_busy");
        s->conns_idle += field_number(core, "conns_idle");
        s->over += field_number(core, "sources_over");
        s->jobs += field_number(core, "jobs");
        if (field_number(core, "longest_lately_ns") > s->longest_ns)
            s->longest_ns = field_number(core, "longest_lately_ns");
    }
    s->cells = field_number(json_object_get(status, "cells"), "warm");
    s->cell_bytes = field_number(json_object_get(status, "cells"), "memory_bytes");
    s->up = field_number(cluster, "up");
    s->members = (json_int_t)json_array_size(json_object_get(cluster, "members"));
    snprintf(s->state, sizeof(s->state), "%s", state ? state : "");
    name_held(s, json_object_get(status, "held"));
}

static double busy_of(const struct sample *a, const struct sample *b)
{
    double busy = b->busy_ns - a->busy_ns, idle = b->idle_ns - a->idle_ns;

    return busy + idle > 0 ? 100 * busy / (busy + idle) : 0;
}

static void print_head(void)
{
    for (int k = 0; k < COUNTS; k++)
        printf("%9s ", columns[k].head);
    printf("%6s %6s %6s %4s %6s %6s %8s %6s %8s  NODES\n", "CONNS", "ACTIVE", "IDLE", "OVER",
           "JOBS", "BUSY", "LONG ms", "CELLS", "CELLS MB");
}

static void print_row(const struct sample *a, const struct sample *b)
{
    double s = b->at_s - a->at_s;

    for (int k = 0; k < COUNTS; k++) {
        double rate = (double)(b->count[k] - a->count[k]) / s;

        printf("%9.1f ", strstr(columns[k].head, "ms") ? rate / 1000 : rate);
    }
    printf("%6lld %6lld %6lld %4lld %6lld %5.1f%% %8.2f %6lld %8.1f  %lld of %lld, %s%s%s\n",
           (long long)b->conns, (long long)b->conns_busy, (long long)b->conns_idle,
           (long long)b->over, (long long)b->jobs, busy_of(a, b), (double)b->longest_ns / 1e6,
           (long long)b->cells, (double)b->cell_bytes / 1e6, (long long)b->up,
           (long long)b->members, b->state, *b->held ? ", held back: " : "", b->held);
}

static void print_row_json(const struct sample *a, const struct sample *b)
{
    double s = b->at_s - a->at_s;
    json_t *rates = json_object();
    json_t *j;

    for (int k = 0; k < COUNTS; k++)
        json_object_set_new(rates, columns[k].counter[0],
                            json_real((double)(b->count[k] - a->count[k]) / s));
    j = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:s, s:s}", "per_s",
                  rates, "conns", b->conns, "conns_busy", b->conns_busy, "conns_idle",
                  b->conns_idle, "sources_over", b->over, "jobs", b->jobs, "busy_percent",
                  busy_of(a, b), "longest_ms", (double)b->longest_ns / 1e6, "cells", b->cells,
                  "cells_memory_bytes", b->cell_bytes, "up", b->up, "members", b->members, "state",
                  b->state, "held", b->held);
    json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(j);
}

static int take_sample(const struct options *o, int fd, struct sample *s)
{
    json_t *status = NULL, *stats = NULL;
    int rc = hearthctl_ask_on(o, fd, json_pack("{s:s}", "command", "status"), NULL, 0, &status);

    if (!rc)
        rc = hearthctl_ask_on(o, fd, json_pack("{s:s}", "command", "stats"), NULL, 0, &stats);
    if (!rc)
        read_sample(s, status, stats);
    json_decref(status);
    json_decref(stats);
    return rc;
}

int hearthctl_top(const struct options *o, const struct command *c)
{
    enum { ROWS_PER_HEAD = 20 };
    struct sample sample[2];
    long rows = -1;
    char *end;
    int fd, rc;

    if (o->argc) {
        rows = strtol(o->argv[0], &end, 10);
        if (*end || rows < 1)
            return hearthctl_fail(o, USAGE, "top [SECONDS]: a whole number, at least 1");
    }
    rc = hearthctl_reach(o, &fd);
    if (rc)
        return rc;
    rc = take_sample(o, fd, &sample[0]);
    for (long i = 0; !rc && i != rows; i++) {
        sleep(1);
        rc = take_sample(o, fd, &sample[(i + 1) % 2]);
        if (rc)
            break;
        if (!o->is_json && i % ROWS_PER_HEAD == 0)
            print_head();
        (o->is_json ? print_row_json : print_row)(&sample[i % 2], &sample[(i + 1) % 2]);
        fflush(stdout);
    }
    close(fd);
    return rc;
}
