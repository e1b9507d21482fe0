#include "tests/sim/datacentre/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static double share(double part, double of)
{
    return of > 0 ? part / of : 0;
}

static double per_million(double n, const struct centre_counts *c)
{
    return share(n * 1e6, (double)c->requests);
}

static double forward_us(const struct centre_counts *c, double quantile)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < CENTRE_LATENCY_BUCKETS; i++) {
        sum += c->forward_bucket[i];
        if (c->forwards_timed && (double)sum >= quantile * (double)c->forwards_timed)
            return exp2((i + 0.5) / 4);
    }
    return 0;
}

/* ---- the columns, once ---- */

struct column {
    const char *name, *text;
    int width, decimals;
    double (*value)(const struct sweep_run *);
};

#define COUNT(name)                                                                                \
    static double name##_of(const struct sweep_run *r)                                             \
    {                                                                                              \
        return (double)r->counts.name;                                                             \
    }
COUNT(cold)
COUNT(starts_hidden)
COUNT(starts_ahead)
COUNT(starts_in_vain)
COUNT(evictions)
COUNT(refused)

#define CAUSE(which)                                                                               \
    static double which##_of(const struct sweep_run *r)                                            \
    {                                                                                              \
        return (double)r->counts.starts_by[which];                                                 \
    }
CAUSE(CAUSE_FIRST)
CAUSE(CAUSE_DEPLOY)
CAUSE(CAUSE_CAPACITY)
CAUSE(CAUSE_CHURN)
CAUSE(CAUSE_WIDENING)

/* It was starting already when the request came. */
static double late_of(const struct sweep_run *r)
{
    uint64_t late = r->counts.cold;
    for (int i = 0; i < CAUSES; i++)
        late -= r->counts.starts_by[i];
    return (double)late;
}

static double warm_of(const struct sweep_run *r)
{
    return 100 * sweep_warm(&r->counts);
}

static double waited_of(const struct sweep_run *r)
{
    return per_million((double)r->counts.waited_us / 1e3, &r->counts);
}

static double forwarded_of(const struct sweep_run *r)
{
    return 100 * share((double)r->counts.forwarded, (double)r->counts.requests);
}

static double bounced_of(const struct sweep_run *r)
{
    return 100 * share((double)r->counts.bounced, (double)r->counts.requests);
}

static double cells_of(const struct sweep_run *r)
{
    return share(r->counts.cells, (double)r->counts.servers_sampled);
}

static double memory_of(const struct sweep_run *r)
{
    return share(r->counts.bytes, (double)r->counts.servers_sampled) / 1e9;
}

static double ratio_of(const struct sweep_run *r)
{
    return share(r->counts.load_ratio, (double)r->counts.minutes);
}

static double p50_of(const struct sweep_run *r)
{
    return forward_us(&r->counts, 0.5);
}

static double p99_of(const struct sweep_run *r)
{
    return forward_us(&r->counts, 0.99);
}

static const struct column columns[] = {
    {"warm%", "requests that did not wait for the start of a cell", 11, 7, warm_of},
    {"cold", "requests that did", 9, 0, cold_of},
    {"first", "cold, by cause: nobody had asked for the script before", 7, 0, CAUSE_FIRST_of},
    {"deploy", "the cell there ran an older version", 7, 0, CAUSE_DEPLOY_of},
    {"capacity", "it had been evicted for want of memory", 9, 0, CAUSE_CAPACITY_of},
    {"churn", "a server had been lost or restarted", 7, 0, CAUSE_CHURN_of},
    {"widening", "the first time at a server that is not the script's home", 8, 0,
     CAUSE_WIDENING_of},
    {"late", "its start had begun before, ahead or for another, and was not over", 7, 0, late_of},
    {"wait", "milliseconds that a million requests waited in all", 8, 1, waited_of},
    {"hidden", "starts that ended while the handshake still ran", 9, 0, starts_hidden_of},
    {"ahead", "starts before anybody asked", 9, 0, starts_ahead_of},
    {"in vain", "wanted ahead, but there was no room", 8, 0, starts_in_vain_of},
    {"fwd%", "requests that went to a home", 7, 3, forwarded_of},
    {"bounce%", "of these, handed back", 8, 4, bounced_of},
    {"refused", "503", 7, 0, refused_of},
    {"evictions", "cells that went for want of memory", 10, 0, evictions_of},
    {"cells", "warm at a server, on average", 8, 0, cells_of},
    {"GB", "that they take", 7, 3, memory_of},
    {"max/mean", "busiest server over the average one, in a minute", 8, 2, ratio_of},
    {"p50us", "what a forwarded request takes longer, median", 6, 0, p50_of},
    {"p99us", "and 99th percentile", 6, 0, p99_of},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

void report_head(FILE *f)
{
    fprintf(f, "%-10s", "");
    for (int i = 0; i < COLUMNS; i++)
        fprintf(f, " %*s", columns[i].width, columns[i].name);
    fputc('\n', f);
}

void report_row(FILE *f, const struct sweep_run *r)
{
    fprintf(f, "%-10s", r->config.variant->name);
    for (int i = 0; i < COLUMNS; i++)
        fprintf(f, " %*.*f", columns[i].width, columns[i].decimals, columns[i].value(r));
    fputc('\n', f);
    fflush(f);
}

void report_legend(FILE *f)
{
    for (int i = 0; i < COLUMNS; i++)
        fprintf(f, "  %-10s%s\n", columns[i].name, columns[i].text);
}

/* ---- files ---- */

static FILE *create(const char *out, const char *name)
{
    char path[512];
    if (mkdir(out, 0777) < 0 && errno != EEXIST) {
        fprintf(stderr, "sim_datacentre: %s: %s\n", out, strerror(errno));
        return NULL;
    }
    snprintf(path, sizeof(path), "%s/%s", out, name);
    FILE *f = fopen(path, "w");
    if (!f)
        fprintf(stderr, "sim_datacentre: %s: %s\n", path, strerror(errno));
    return f;
}

static int finish(FILE *f, const char *name)
{
    bool is_bad = ferror(f);
    if (fclose(f) == 0 && !is_bad)
        return 0;
    fprintf(stderr, "sim_datacentre: %s: %s\n", name, strerror(errno));
    return -1;
}

static int draw(const char *out, const char *name)
{
    char command[1024];
    if (system("command -v gnuplot >/dev/null") != 0) {
        fprintf(stderr, "sim_datacentre: no gnuplot: %s/%s is not drawn\n", out, name);
        return 0;
    }
    snprintf(command, sizeof(command), "cd '%s' && gnuplot '%s'", out, name);
    return system(command) == 0 ? 0 : -1;
}

static int write_table(const char *out, const struct sweep_run *run, uint32_t count)
{
    FILE *f = create(out, "table.csv");
    if (!f)
        return -1;
    fputs("variant", f);
    for (int i = 0; i < COLUMNS; i++)
        fprintf(f, ",%s", columns[i].name);
    fputc('\n', f);
    for (uint32_t k = 0; k < count; k++) {
        fputs(run[k].config.variant->name, f);
        for (int i = 0; i < COLUMNS; i++)
            fprintf(f, ",%.*f", columns[i].decimals, columns[i].value(&run[k]));
        fputc('\n', f);
    }
    return finish(f, "table.csv");
}

static double begin_hour(const struct centre_config *c)
{
    return fmod((double)c->measure_ns / (double)TRAFFIC_HOUR_NS, 24);
}

static double hours_of(const struct centre_config *c)
{
    return (double)(c->traffic.end_ns - c->measure_ns) / (double)TRAFFIC_HOUR_NS;
}

static int write_day(const char *out, const struct sweep_run *run, uint32_t count)
{
    const struct centre_config *c = &run->config;
    double begin_h = begin_hour(c), bin_h = hours_of(c) / CENTRE_BINS;
    FILE *f = create(out, "day.csv");
    if (!f)
        return -1;
    fputs("hour", f);
    for (uint32_t k = 0; k < count; k++)
        fprintf(f, ",%s", run[k].config.variant->name);
    fputc('\n', f);
    for (uint32_t b = 0; b < CENTRE_BINS; b++) {
        fprintf(f, "%.3f", begin_h + (b + 0.5) * bin_h);
        for (uint32_t k = 0; k < count; k++)
            fprintf(f, ",%.4f",
                    share((double)run[k].counts.bin_cold[b] * 1e6,
                          (double)run[k].counts.bin_requests[b]));
        fputc('\n', f);
    }
    return finish(f, "day.csv");
}

static int plot_day(const char *out, const struct centre_config *c, uint32_t count)
{
    FILE *f = create(out, "day.gnuplot");
    if (!f)
        return -1;
    fprintf(f,
            "set terminal svg size 960,540 font 'sans,13' background 'white'\n"
            "set output 'day.svg'\n"
            "set datafile separator ','\n"
            "set logscale y\nset format y '%%g'\nset yrange [0.01:*]\n"
            "set grid y lc rgb '#dddddd'\nset border 3\nset tics nomirror out\n"
            "set key outside right top\nset xrange [%g:%g]\n"
            "set xlabel 'hour of the day'\nset ylabel 'cold requests per million'\n"
            "set title 'Requests that wait for the start of a cell'\n"
            "plot for [k=2:%u] 'day.csv' using 1:(column(k) > 0 ? column(k) : 0.01) with lines lw "
            "2 title columnhead(k)\n",
            begin_hour(c), begin_hour(c) + hours_of(c), count + 1);
    return finish(f, "day.gnuplot") < 0 ? -1 : draw(out, "day.gnuplot");
}

int report_files(const char *out, const struct sweep_run *run, uint32_t count)
{
    if (write_table(out, run, count) < 0 || write_day(out, run, count) < 0)
        return -1;
    return plot_day(out, &run->config, count);
}

int report_memory(const char *out, const struct sweep_run *run, const struct sweep_memory *memory,
                  uint32_t count)
{
    FILE *f = create(out, "memory.csv");
    if (!f)
        return -1;
    fputs("variant,MB,share,enough\n", f);
    for (uint32_t k = 0; k < count; k++)
        fprintf(f, "%s,%.1f,%.5f,%d\n", run[k].config.variant->name, (double)memory[k].bytes / 1e6,
                share((double)memory[k].bytes, (double)memory->bytes), memory[k].is_enough);
    if (finish(f, "memory.csv") < 0)
        return -1;
    f = create(out, "memory.gnuplot");
    if (!f)
        return -1;
    fputs("set terminal svg size 960,400 font 'sans,13' background 'white'\n"
          "set output 'memory.svg'\n"
          "set datafile separator ','\n"
          "set logscale y\nset format y '%g'\nset yrange [100:*]\n"
          "set grid y lc rgb '#dddddd'\nset border 3\nset tics nomirror out\n"
          "set style fill solid 0.8 border -1\nset boxwidth 0.6\nunset key\n"
          "set ylabel 'MB at each server'\n"
          "set title 'Memory for cells that keeps 99.99 % of the requests warm'\n"
          "plot 'memory.csv' every ::1 using 0:2:xtic(1) with boxes lc rgb '#4a78b5', "
          "'' every ::1 using 0:2:(sprintf($4 > 0 ? '%.0f' : 'over %.0f', $2)) with labels offset "
          "0,0.7\n",
          f);
    return finish(f, "memory.gnuplot") < 0 ? -1 : draw(out, "memory.gnuplot");
}
