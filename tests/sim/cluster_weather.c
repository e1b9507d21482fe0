#include "tests/sim/cluster_parts.h"
#include "tests/sim/cpu_cost.h"

static const char *const names[WEATHERS] = {
#define WEATHER_NAME(name, text, percent) text,
    WEATHER_KINDS(WEATHER_NAME)
#undef WEATHER_NAME
};

static const uint8_t percents[WEATHERS] = {
#define WEATHER_PERCENT(name, text, percent) percent,
    WEATHER_KINDS(WEATHER_PERCENT)
#undef WEATHER_PERCENT
};

enum { THEME_PERCENT = 18 };

static bool theme_has(enum theme theme, enum weather_kind kind)
{
    switch (theme) {
    case THEME_SUSPECTS:
        return kind == WEATHER_CELL_CRASH || kind == WEATHER_HANG;
    case THEME_MISUSE:
        return kind == WEATHER_STRIKE || kind == WEATHER_BAD_SINK;
    default:
        return false;
    }
}

/* ---- what a seed has ---- */

/* Clients' TCP is sim_tcp's and sim_core's business: with more loss, connections end by their own
 * timeouts. */
static double draw_wires(struct sim *s)
{
    s->faults = (struct port_sim_faults){.delay_ns = below(1000) * 1000ull,
                                         .jitter_ns = below(2000) * 1000ull};
    if (!chance(70))
        return 0;
    s->faults.loss = below(5) / 1000.0;
    s->faults.duplicate = below(4) / 100.0;
    s->weather.rpc_loss = below(80);
    return below(10) / 1000.0;
}

/* A third of all seeds have one kind only, or none: what must hold there is stricter. */
static void draw_kinds(struct sim *s)
{
    struct weather *w = &s->weather;
    bool is_planned = s->is_planned;
    bool is_plain = is_planned || s->is_deadly;
    w->theme = !is_plain && chance(THEME_PERCENT) ? 1 + below(THEMES - 1) : THEME_NONE;
    if (w->theme == THEME_LOSS)
        w->rpc_loss = 100 + below(150);
    uint32_t only = is_planned     ? WEATHER_LEAVE
                    : s->is_deadly ? WEATHERS
                    : chance(33)   ? below(WEATHERS + 1)
                                   : WEATHERS + 1;
    for (uint32_t kind = 0; kind < WEATHERS; kind++) {
        bool is_drawn = chance(percents[kind]);
        w->has[kind] =
            w->theme ? theme_has(w->theme, kind) : only == kind || (only > WEATHERS && is_drawn);
        if (w->has[kind])
            TRACE("in store: %s", names[kind]);
    }
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++)
        w->node[i].adopt_ns = UINT64_MAX;
    w->is_small = !is_plain && chance(15);
    w->is_short = !is_plain && chance(15);
    w->is_eager = !is_plain && chance(15);
    w->is_full = !is_plain && !w->is_short && chance(25);
    w->is_tight = !is_plain && chance(15);
    sim_pads = chance(50);
}

/* A fourth of the seeds have less than requests want, and some the default, of which a call may
 * find too little left to travel with. Not drawn: so the others are what they were. */
static uint32_t budget_of(uint64_t seed)
{
    return seed % 4 == 2 ? 1 + (uint32_t)(seed / 4 % 3) : seed % 8 == 4 ? 0 : BUDGET_AMPLE;
}

/* In a third of the seeds some cells are spent. Not drawn either. */
static bool spends_cells(const struct cluster_options *options)
{
    return !options->is_planned && !options->is_deadly && options->seed % 3 == 1;
}

struct cluster_config weather_draw(struct sim *s, uint32_t nodes,
                                   const struct cluster_options *options)
{
    struct weather *w = &s->weather;
    uint32_t chunks = options->chunks;
    double corrupt = draw_wires(s);
    s->nodes = nodes;
    s->is_planned = options->is_planned;
    s->is_deadly = options->is_deadly;
    draw_kinds(s);
    if (chunks > 0) {
        w->is_short = w->has[WEATHER_BURST] = true;
        w->is_full = false;
    }
    struct cluster_config config = {.nodes = nodes,
                                    .scripts = SCRIPTS,
                                    .chunks = chunks > 0    ? chunks
                                              : w->is_short ? 300 + below(1200)
                                                            : 8192,
                                    .calls = w->is_small ? 8 + below(24) : 0,
                                    .served = w->is_small ? 2 + below(8) : 0,
                                    .streams = w->is_small ? 8 + below(32) : 0,
                                    .is_full = w->is_full,
                                    .relays = chance(50),
                                    .subrequests = budget_of(options->seed),
                                    .make_us = 5000 + below(50000),
                                    .cpu_ms = 10 + below(90),
                                    .wall_ms = (20 + below(20)) * 1000,
                                    .book = s->book,
                                    .room = w->is_tight ? 2 + below(10) : SCRIPTS + DEPLOYED,
                                    .mtu = chance(20) ? 9000 : 1500,
                                    .tune = world_tune_default,
                                    .faults = s->faults,
                                    .corrupt = corrupt,
                                    .skewed = chance(70),
                                    .started = books_on_started,
                                    .suspected = books_on_suspected,
                                    .refused = spends_cells(options) ? books_on_refused : NULL,
                                    .full = books_on_full,
                                    .arg = s};
    if (s->is_deadly)
        config.relays = false; /* who calls it fails with it */
    if (chance(30))
        config.tune.optimistic_bytes = 4096 + below(60000);
    /* Unless it is eager, each script runs at its home only, which can be checked. */
    config.tune.source_share_percent = 100; /* all clients have one address */
    config.tune.hot_enter_rpm = 1000000;
    config.tune.hot_leave_rpm = 500000;
    config.tune.widen_rps = 5000;
    config.tune.narrow_rps = 1500;
    if (w->is_eager) {
        config.tune.hot_enter_rpm = 4 + below(8);
        config.tune.hot_leave_rpm = 3;
        config.tune.widen_rps = 1 + below(4) / 2;
        config.tune.narrow_rps = 1;
    }
    cpu_cost_draw();
    TRACE("%u nodes; loss %.3f and %u, corrupt %.3f,%s%s%s%s%s%s%s%s W %u", nodes, s->faults.loss,
          w->rpc_loss, corrupt, w->is_small ? " small," : "", w->is_short ? " short," : "",
          w->is_full ? " full," : "", w->is_tight ? " tight," : "", sim_pads ? " padded," : "",
          w->is_eager ? " eager," : "", config.relays ? " relays," : "",
          config.skewed ? " skewed," : "", config.tune.optimistic_bytes);
    return config;
}

/* Each was one that found a cell's region full. */
static bool are_for_room(const struct sim *s)
{
    const struct cluster *c = &s->cluster;
    return CLUSTER_COUNT(c, call_bounced) <=
           CLUSTER_COUNT(c, job_no_chunks) + CLUSTER_COUNT(c, job_table_full);
}

bool weather_may_bounce(const struct sim *s)
{
    const struct weather *w = &s->weather;
    return are_for_room(s) || w->is_small || w->is_short || w->has[WEATHER_STALL] ||
           s->trouble_ns[TROUBLE_LOAD] > 0 || s->trouble_ns[TROUBLE_LOST] > 0 ||
           s->trouble_ns[TROUBLE_PLACES] > 0;
}

bool weather_may_lose_channels(const struct sim *s)
{
    static const uint8_t kinds[] = {WEATHER_CRASH,  WEATHER_LEAVE, WEATHER_SLOW_NODE,
                                    WEATHER_PAUSE,  WEATHER_CHURN, WEATHER_PARTITION,
                                    WEATHER_ONE_WAY};
    for (uint32_t i = 0; i < sizeof(kinds); i++) {
        if (s->weather.has[kinds[i]])
            return true;
    }
    return false;
}

/* ---- while it runs ---- */

void weather_trouble(struct sim *s, enum trouble kind, uint64_t until_ns)
{
    uint64_t less_ns = until_ns < s->trouble_ns[kind] ? until_ns : s->trouble_ns[kind];
    if (kind == TROUBLE_LOST && s->lost_twice_ns < less_ns)
        s->lost_twice_ns = less_ns;
    if (s->trouble_ns[kind] < until_ns)
        s->trouble_ns[kind] = until_ns;
}

void weather_load_begins(struct sim *s)
{
    for (uint32_t kind = 0; kind < WEATHERS; kind++)
        s->weather.next_ns[kind] =
            s->weather.has[kind] ? sim_now_ns + below(1500) * MS : UINT64_MAX;
    s->cold_at_load = s->cold;
    s->load_ns = sim_now_ns;
}

void weather_run(struct sim *s)
{
    struct weather *w = &s->weather;
    for (uint32_t kind = 0; s->phase == PHASE_LOAD && kind < WEATHERS; kind++) {
        if (sim_now_ns < w->next_ns[kind])
            continue;
        uint64_t mean_ns = gust(s, kind);
        w->next_ns[kind] = sim_now_ns + mean_ns / 2 + below((uint32_t)(mean_ns / MS) + 1) * MS;
    }
    gusts_run(s);
}

uint64_t weather_next_ns(const struct sim *s)
{
    uint64_t next = gusts_next_ns(s);
    for (uint32_t kind = 0; s->phase == PHASE_LOAD && kind < WEATHERS; kind++) {
        if (s->weather.next_ns[kind] < next)
            next = s->weather.next_ns[kind];
    }
    return next;
}

bool weather_is_over(const struct sim *s)
{
    return gusts_are_over(s) && cluster_is_settled(&s->cluster);
}

/* ---- between the nodes ---- */

bool weather_on_frame(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to)
{
    struct sim *s = arg;
    uint32_t way[2] = {from, to};
    sim_hash(way, sizeof(way));
    sim_hash(frame, len);
    if (!attacker_is_rpc(frame, len))
        return true;
    s->datagrams++;
    bool is_lost = s->weather.rpc_loss > 0 && below(1000) < s->weather.rpc_loss;
    /* Not what does not arrive: a delayed word of a dead node would be news. */
    if (s->weather.has[WEATHER_STRIKE] && !is_lost &&
        !sim_switch_is_blocked(s->cluster.net, from, to))
        attacker_hear(&s->attacker, frame, len);
    return !is_lost;
}
