#include "tests/sim/datacentre/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum number { NUMBER_DOUBLE, NUMBER_FLOAT, NUMBER_U32, NUMBER_U64 };

struct row {
    const char *name;
    size_t offset; /* in struct options */
    enum number kind;
    double min, max;
    const char *text;
};

#define ROW(name, field, kind, min, max, text)                                                     \
    {                                                                                              \
        name, offsetof(struct options, field), NUMBER_##kind, min, max, text                       \
    }
#define TRAFFIC(name, field, kind, min, max, text)                                                 \
    ROW(name, config.traffic.field, kind, min, max, text)

static const struct row rows[] = {
    TRAFFIC("seed", seed, U64, 0, 9e15, "of everything that is drawn"),
    TRAFFIC("servers", servers, U32, 2, MEMBERS_MAX, "in the data centre"),
    TRAFFIC("scripts", scripts, U32, 1, TRAFFIC_SCRIPTS_MAX, "deployed"),
    TRAFFIC("rate", requests_per_s, DOUBLE, 1, 1e8,
            "requests per second of the data centre, averaged over the day"),
    TRAFFIC("exponent", exponent, DOUBLE, 0, 4,
            "of the power law: share of the i-th script ~ i^-exponent"),
    ROW("hours", hours, DOUBLE, 0.1, 24, "of traffic, behind one that is not counted"),
    ROW("memory", memory_mb, DOUBLE, 0, 1e6,
        "MB for cells at each server; 0: what `none` needs to be 99.9 % warm"),
    ROW("busy", config.busy, DOUBLE, 0.01, 0.95,
        "share of its CPU time that the average server needs"),
    ROW("deploys", config.deploys, DOUBLE, 0, 1000,
        "times each of the first 1,000 scripts once a day, the others every tenth"),
    TRAFFIC("start-us", start_us, U32, 0, 1000000,
            "to start a script without code: fork, seal, compile (measured: 1.3 ms)"),
    TRAFFIC("compile-us-per-mb", compile_us_per_mb, U32, 0, 1000000,
            "and for each MB of its code (measured: 20 ms)"),
    TRAFFIC("cell-mb", cell_mb, DOUBLE, 0.1, 100,
            "MB of a warm script without code, everything counted (tools/bench density: 0.86)"),
    ROW("hop-us", config.hop_us, U32, 0, 1000000, "between two servers, there and back"),
    ROW("forward-us", config.forward_us, U32, 0, 1000000,
        "what forwarding takes in the two nodes (tools/bench forward: 75 to 97)"),
    ROW("snapshot-us", config.snapshot_us, U32, 0, 1000000,
        "to start from a heap snapshot of the script (a fork of a template takes 1.1 ms)"),
    ROW("snapshot-us-per-mb", config.snapshot_us_per_mb, U32, 0, 1000000,
        "and for each MB of its cell"),
    ROW("hot-enter", hot_enter, DOUBLE, 0, 1e6, "tune hot_enter_rpm: requests per minute"),
    ROW("hot-leave", hot_leave, DOUBLE, 0, 1e6, "tune hot_leave_rpm"),
    ROW("widen", widen, DOUBLE, 1, 1e6, "tune widen_rps"),
    ROW("narrow", narrow, DOUBLE, 0, 1e6, "tune narrow_rps"),
    ROW("bound", config.tune.bound_percent, U32, 0, 10000, "tune bound_percent: e of (1 + e)"),
    ROW("history-s", config.weights.memory_s, FLOAT, 1, 1e7,
        "eviction: time constant of a script's history"),
    ROW("prior-s", config.weights.prior_s, FLOAT, 1, 1e7,
        "eviction: silence that every history begins with"),
    ROW("floor-us", config.weights.floor_us, FLOAT, 0, 1e9,
        "eviction: added to what a start takes"),
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static double get(const struct options *o, const struct row *r)
{
    const void *at = (const char *)o + r->offset;
    switch (r->kind) {
    case NUMBER_DOUBLE:
        return *(const double *)at;
    case NUMBER_FLOAT:
        return (double)*(const float *)at;
    case NUMBER_U32:
        return *(const uint32_t *)at;
    case NUMBER_U64:
        return (double)*(const uint64_t *)at;
    }
    return 0;
}

static void set(struct options *o, const struct row *r, double value)
{
    void *at = (char *)o + r->offset;
    switch (r->kind) {
    case NUMBER_DOUBLE:
        *(double *)at = value;
        break;
    case NUMBER_FLOAT:
        *(float *)at = (float)value;
        break;
    case NUMBER_U32:
        *(uint32_t *)at = (uint32_t)value;
        break;
    case NUMBER_U64:
        *(uint64_t *)at = (uint64_t)value;
        break;
    }
}

static void defaults(struct options *o)
{
    const struct world_tune *t = &world_tune_default;
    *o = (struct options){
        .config = {.traffic = {.seed = 1,
                               .servers = 300,
                               .scripts = 25000,
                               .requests_per_s = 300e3,
                               .exponent = 1.8,
                               .bulk_rps = 0.5,
                               .start_us = 1300,
                               .compile_us_per_mb = 20000,
                               .cell_mb = 0.86},
                   .variant = &variants[VARIANT_NONE],
                   .tune = *t,
                   .weights = warm_weights_default,
                   .busy = 0.4,
                   .hop_us = 60,
                   .forward_us = 90,
                   .snapshot_us = 1100,
                   .snapshot_us_per_mb = 500,
                   .has_churn = true,
                   .deploys = 1},
        .hours = 24,
        .hot_enter = t->hot_enter_rpm,
        .hot_leave = t->hot_leave_rpm,
        .widen = t->widen_rps,
        .narrow = t->narrow_rps,
    };
}

void options_set_hours(struct centre_config *c, double hours)
{
    double begin_h = hours < 24 ? 15 - hours / 2 : 0;
    c->measure_ns = 10 * TRAFFIC_DAY_NS + (uint64_t)(begin_h * 3600) * TRAFFIC_SECOND_NS;
    c->traffic.start_ns = c->measure_ns - CENTRE_WARMUP_NS;
    c->traffic.end_ns = c->measure_ns + (uint64_t)(hours * 3600) * TRAFFIC_SECOND_NS;
    c->has_churn = hours >= 24;
}

static void help(void)
{
    struct options o;
    defaults(&o);
    puts("A data centre over a day: hearth's own ring, placement, heat, shed and eviction under a "
         "power law of scripts.\n\n"
         "  tools/sim datacentre                the variants over a day, in one table\n"
         "  tools/sim datacentre --paper        no sharding beside \"shard and conquer\", against "
         "the published figures\n"
         "  tools/sim datacentre --best         every variant over a day, and the memory that each "
         "needs to be 99.99 % warm\n"
         "  tools/sim datacentre --memory-for   that memory only\n"
         "  tools/sim datacentre --sensitivity  the same under other power laws, loads and sizes\n"
         "  tools/sim datacentre --flash        a thousand times the requests for one script, all "
         "at once\n"
         "  tools/sim datacentre --check        a small one, and whether it is what it should be "
         "(for tools/check)\n\n"
         "  --only NAME[,NAME...]   of the variants: none sharded hot-local bounded learned "
         "hand-over hello snapshots\n"
         "  --out DIR               CSV files and, with gnuplot, plots");
    for (uint32_t i = 0; i < ROWS; i++)
        printf("  --%-19s %s (%.10g)\n", rows[i].name, rows[i].text, get(&o, &rows[i]));
}

static const struct row *find(const char *name)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static enum study study_of(const char *name)
{
    static const struct {
        const char *name;
        enum study study;
    } studies[] = {{"paper", STUDY_PAPER},       {"best", STUDY_BEST},
                   {"memory-for", STUDY_MEMORY}, {"sensitivity", STUDY_SENSITIVITY},
                   {"flash", STUDY_FLASH},       {"check", STUDY_CHECK}};
    for (size_t i = 0; i < sizeof(studies) / sizeof(studies[0]); i++) {
        if (strcmp(studies[i].name, name) == 0)
            return studies[i].study;
    }
    return STUDY_NONE;
}

static int parse_number(struct options *o, const struct row *r, const char *text, char *error,
                        size_t error_bytes)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= r->min && value <= r->max)) {
        snprintf(error, error_bytes, "--%s: a number from %.10g to %.10g, not \"%s\"", r->name,
                 r->min, r->max, text);
        return -1;
    }
    set(o, r, value);
    return 0;
}

static bool are_variants(const char *names, char *error, size_t error_bytes)
{
    while (*names) {
        char name[32];
        size_t len = strcspn(names, ",");
        snprintf(name, sizeof(name), "%.*s", (int)len, names);
        if (!variant_find(name)) {
            snprintf(error, error_bytes, "--only: there is no variant \"%s\"", name);
            return false;
        }
        names += len + (names[len] == ',');
    }
    return true;
}

/* A script is told in bulk when every server would call it hot at any hour, and a little more. */
static void derive(struct options *o)
{
    struct centre_config *c = &o->config;
    double leave_rps = o->hot_leave / 60;
    c->traffic.bulk_rps = leave_rps * 2 > 0.5 ? leave_rps * 2 : 0.5;
    c->heat = (struct heat_tune){.enter_rps_milli = (uint32_t)(o->hot_enter * 1000 / 60),
                                 .leave_rps_milli = (uint32_t)(o->hot_leave * 1000 / 60),
                                 .widen_rps_milli = (uint32_t)(o->widen * 1000),
                                 .narrow_rps_milli = (uint32_t)(o->narrow * 1000)};
    c->bytes_max = (size_t)(o->memory_mb * 1e6);
    options_set_hours(c, o->hours);
}

void options_set(struct options *o, const char *name, double value)
{
    const struct row *r = find(name);
    assert(r && value >= r->min && value <= r->max);
    set(o, r, value);
    derive(o);
}

int options_parse(struct options *o, int argc, char **argv, char *error, size_t error_bytes)
{
    defaults(o);
    for (int i = 1; i < argc; i++) {
        const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        const struct row *r = find(name);
        bool takes_text = strcmp(name, "only") == 0 || strcmp(name, "out") == 0;
        if (strcmp(name, "help") == 0) {
            help();
            return 1;
        }
        if (study_of(name) != STUDY_NONE) {
            o->study = study_of(name);
            continue;
        }
        if (!r && !takes_text) {
            snprintf(error, error_bytes, "%s: what is that? --help tells", argv[i]);
            return -1;
        }
        if (i + 1 == argc) {
            snprintf(error, error_bytes, "--%s wants a value", name);
            return -1;
        }
        const char *value = argv[++i];
        if (strcmp(name, "out") == 0)
            o->out = value;
        else if (takes_text && !are_variants(value, error, error_bytes))
            return -1;
        else if (takes_text)
            o->only = value;
        else if (parse_number(o, r, value, error, error_bytes) < 0)
            return -1;
    }
    derive(o);
    return 0;
}

void options_print(FILE *f, const struct options *o)
{
    fputs("assumptions:", f);
    for (uint32_t i = 0; i < ROWS; i++)
        fprintf(f, "%s%s %.10g",
                i % 7 == 0 && i ? "\n             "
                : i             ? ", "
                                : " ",
                rows[i].name, get(o, &rows[i]));
    fputs("\n             (what a script costs, and when it is asked for: "
          "tests/sim/datacentre/traffic.c)\n",
          f);
}
