/* A crowd: a script of the middle field gets a thousand times its requests, all at once. What the
 * ladder does (home, two homes, four, everywhere), how evenly the load lies once it has settled,
 * and what each step costs. */
#include <assert.h>
#include <stdlib.h>

#include "tests/sim/datacentre/study.h"

enum { CROWD_MEMORY_MB = 3000, CROWD_MINUTES = 10, WATCH_S = 60, SETTLED_S = 120 };

struct watch {
    uint32_t script;
    uint32_t width, hot; /* as seen last: homes, and servers where it is hot */
    uint64_t cold, ahead;
    double before; /* max/mean of a minute */
    struct study_crowd crowd;
};

/* The widest that any home judges it. */
static uint32_t width_of(struct centre *c, uint32_t script)
{
    uint32_t width = 1;
    for (uint32_t k = 0; k < PLACE_SUCCESSORS_MAX; k++) {
        uint16_t node = c->successor[script][k];
        const struct heat_script *h =
            node == RING_NODE_NONE ? NULL : heat_find(c->server[node].heat, c->hash[script]);
        if (h && h->width > width)
            width = h->width;
    }
    return width;
}

static uint32_t hot_at(struct centre *c, uint32_t script)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->config.traffic.servers; i++) {
        const struct heat_script *h = heat_find(c->server[i].heat, c->hash[script]);
        count += h && h->is_hot;
    }
    return count;
}

static uint32_t warm_at(struct centre *c, uint32_t script)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->config.traffic.servers; i++)
        count += server_find(&c->server[i], script) != NULL;
    return count;
}

/* Of this script alone. */
static uint64_t cold_of(const struct centre *c)
{
    return c->count.flash_cold;
}

static void tell(struct watch *w, struct centre *c, const char *what)
{
    int64_t after_s =
        ((int64_t)c->now_ns - (int64_t)c->config.traffic.flash_ns) / (int64_t)TRAFFIC_SECOND_NS;
    printf("%+5ld s  %-22s %5u homes, hot at %3u, warm at %3u servers; %lu cold, %lu started ahead "
           "since\n",
           (long)after_s, what, width_of(c, w->script), hot_at(c, w->script), warm_at(c, w->script),
           cold_of(c) - w->cold, c->count.flash_ahead - w->ahead);
    w->cold = cold_of(c);
    w->ahead = c->count.flash_ahead;
}

static void watch(void *arg, struct centre *c)
{
    struct watch *w = arg;
    const struct traffic_config *t = &c->config.traffic;
    uint64_t end_ns = t->flash_ns + t->flash_for_ns;
    if (c->now_ns < t->flash_ns) {
        if (c->now_ns + WATCH_S * TRAFFIC_SECOND_NS == t->flash_ns)
            centre_take_load_ratio(c);
        w->width = width_of(c, w->script);
        return;
    }
    if (c->now_ns == t->flash_ns) {
        w->before = centre_take_load_ratio(c);
        tell(w, c, "the crowd comes");
        return;
    }
    uint32_t width = width_of(c, w->script), hot = hot_at(c, w->script),
             tenth = hot * 10 / t->servers;
    if (hot > w->crowd.most_hot)
        w->crowd.most_hot = hot;
    if (width != w->width)
        tell(w, c, width > w->width ? "more homes" : "fewer homes");
    else if (tenth != w->hot)
        tell(w, c, tenth > w->hot ? "hot at more servers" : "hot at fewer servers");
    w->width = width;
    w->hot = tenth;
    if ((c->now_ns - t->flash_ns) % (WATCH_S * TRAFFIC_SECOND_NS) == 0) {
        double ratio = centre_take_load_ratio(c);
        bool is_settled =
            c->now_ns >= t->flash_ns + SETTLED_S * TRAFFIC_SECOND_NS && c->now_ns <= end_ns;
        if (is_settled && ratio > w->crowd.worst)
            w->crowd.worst = ratio;
    }
    if (c->now_ns == end_ns)
        tell(w, c, "the crowd leaves");
}

struct study_crowd study_flash_one(const struct options *o, uint32_t variant, uint32_t rank)
{
    struct centre *c = calloc(1, sizeof(*c));
    struct centre_config config = o->config;
    struct watch w = {.script = rank, .width = 1};
    assert(c);
    options_set_hours(&config, 1);
    config.variant = &variants[variant];
    config.traffic.flash_script = rank;
    config.traffic.flash_factor = 1000;
    config.traffic.flash_ns = config.measure_ns + 20 * 60 * TRAFFIC_SECOND_NS;
    config.traffic.flash_for_ns = CROWD_MINUTES * 60 * TRAFFIC_SECOND_NS;
    config.traffic.end_ns = config.measure_ns + 40 * 60 * TRAFFIC_SECOND_NS;
    centre_init(c, &config);
    const struct traffic_script *s = &c->traffic.script[rank];
    printf("\n%s: script %u of %u, %.3g requests/s of %.1f ms, times 1,000, at %u servers of %.2f "
           "CPUs\n",
           config.variant->name, rank + 1, config.traffic.scripts, s->rps, s->cpu_us / 1e3,
           config.traffic.servers, c->server[0].capacity_us / 1e6);
    centre_run(c, watch, &w);
    printf("busiest server over the average one: %.3f before, at worst %.3f in a minute of the "
           "crowd from %d s on (bound %.2f); %lu refused, %lu handed back\n",
           w.before, w.crowd.worst, SETTLED_S, 1 + config.tune.bound_percent / 100.0,
           c->count.refused, c->count.bounced);
    centre_fini(c);
    free(c);
    return w.crowd;
}

int study_flash(struct options *o)
{
    static const uint32_t ranks[] = {100, 300, 1000, 3000};
    double bound = 1 + o->config.tune.bound_percent / 100.0;
    int result = 0;
    if (o->config.bytes_max == 0)
        options_set(o, "memory", CROWD_MEMORY_MB);
    for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
        uint32_t rank =
            ranks[i] < o->config.traffic.scripts ? ranks[i] : o->config.traffic.scripts - 1;
        study_flash_one(o, VARIANT_PAPER, rank);
        result |= study_flash_one(o, VARIANT_BEST, rank).worst > bound;
    }
    putchar('\n');
    options_print(stdout, o);
    return result;
}
