#include "dataplane/base/least.h"
#include "dataplane/core/core.h"
#include "dataplane/rpc/peers.h"
#include "tests/sim/cluster_parts.h"

enum {
    DEPLOYS_MAX = 60, /* with the scripts there are, no more than a model can tell apart */
    SHORT_MS =
        350, /* so long nobody may notice: silence is 800 ms, and a STATE comes every 100 ms */
    PLANNED_MS = 150, /* with nothing else in store: several nodes are always about it */
    WHIM_MS = 60,     /* a node that leaves may change its mind: most are not done by then */
};

static uint64_t span_ns(uint32_t from_ms, uint32_t to_ms)
{
    return (from_ms + below(to_ms - from_ms)) * MS;
}

/* ---- on whom ---- */

static bool is_calm(const struct sim *s, uint32_t node)
{
    return s->weather.node[node].doing == FRONT_NONE &&
           cluster_state(&s->cluster, node) == NODE_SERVING;
}

static void calm_down(struct node_front *f)
{
    f->doing = FRONT_NONE;
    f->since_ns = sim_now_ns;
}

/* A calm node; false: none, or it is the only one that is. */
static bool pick_calm(struct sim *s, uint32_t *node)
{
    uint32_t calm = 0;
    *node = below(s->nodes);
    for (uint32_t i = 0; i < s->nodes; i++)
        calm += is_calm(s, i) && cluster_is_member(&s->cluster, i);
    return calm > 1 && is_calm(s, *node);
}

/* NULL: it is off. */
static struct model_cells *pick_cells(struct sim *s)
{
    uint32_t node = below(s->nodes);
    return cluster_is_up(&s->cluster, node) ? &s->cluster.node[node].cells : NULL;
}

/* ---- nodes ---- */

static void crash(struct sim *s)
{
    uint32_t node;
    if (!pick_calm(s, &node))
        return;
    cluster_kill(&s->cluster, node);
    attacker_forget_data(&s->attacker);
    s->weather.crashes++;
    /* Some are back before anybody has noticed. */
    uint64_t down_ns = chance(30) ? span_ns(20, 700) : span_ns(DETECT_MS, DETECT_MS + 3000);
    s->weather.node[node] = (struct node_front){.doing = FRONT_CRASHED,
                                                .since_ns = sim_now_ns,
                                                .until_ns = sim_now_ns + down_ns,
                                                .adopt_ns = UINT64_MAX};
    weather_trouble(s, TROUBLE_LOST, sim_now_ns + DETECT_MS * MS);
    weather_trouble(s, TROUBLE_LOAD, sim_now_ns + DETECT_MS * MS);
}

static void run_crashed(struct sim *s, uint32_t node)
{
    struct node_front *f = &s->weather.node[node];
    if (!f->was_seen && sim_now_ns >= f->since_ns + DETECT_MS * MS) {
        f->was_seen = true;
        for (uint32_t i = 0; i < s->nodes; i++) {
            const struct cluster_node *n = &s->cluster.node[i];
            bool listens =
                is_calm(s, i) && sim_now_ns >= s->weather.node[i].since_ns + DETECT_MS * MS;
            if (listens && n->plan->place[node] != CLUSTER_NO_MEMBER)
                CHECK(peers_state(n->core->peers, n->plan->place[node]) == NODE_DOWN,
                      "node %u has not seen that node %u is dead", i, node);
        }
    }
    if (sim_now_ns < f->until_ns)
        return;
    cluster_start(&s->cluster, node);
    calm_down(f);
}

static void leave(struct sim *s)
{
    uint32_t node;
    if (!pick_calm(s, &node))
        return;
    cluster_drain(&s->cluster, node);
    s->weather.leaves++;
    s->weather.node[node].doing = FRONT_DRAINS;
    s->weather.node[node].since_ns = sim_now_ns;
    s->weather.node[node].is_ending = chance(70);
    s->weather.node[node].until_ns = chance(15) ? sim_now_ns + below(WHIM_MS) * MS : UINT64_MAX;
}

static void run_leaving(struct sim *s, uint32_t node)
{
    struct node_front *f = &s->weather.node[node];
    struct core *core = s->cluster.node[node].core;
    switch (f->doing) {
    case FRONT_DRAINS: /* its scripts are handed over */
        CHECK(sim_now_ns < f->since_ns + (PEERS_HANDOVER_MS + 1000) * MS,
              "node %u hands over for ever", node);
        if (cluster_state(&s->cluster, node) != NODE_DRAINING) {
            if (sim_now_ns < f->until_ns)
                break;
            cluster_undrain(&s->cluster, node);
            calm_down(f);
            break;
        }
        f->doing = FRONT_DRAINED;
        f->until_ns = sim_now_ns + below(3000) * MS;
        break;
    case FRONT_DRAINED: /* its calls end */
        if (sim_now_ns < f->until_ns)
            break;
        if (f->is_ending) {
            core_stop(core, END_MS);
            f->doing = FRONT_ENDS;
        } else {
            cluster_undrain(&s->cluster, node);
            f->doing = FRONT_JOINS;
        }
        break;
    case FRONT_ENDS: /* a crawling client still reads from it */
        if (!core_is_drained(core))
            break;
        cluster_stop(&s->cluster, node);
        cluster_start(&s->cluster, node);
        f->doing = FRONT_JOINS;
        break;
    case FRONT_JOINS:
        if (cluster_state(&s->cluster, node) == NODE_SERVING)
            calm_down(f);
        break;
    }
}

/* Between two iterations of the node's core a while passes, or: none of it for a while. */
static void slow_node(struct sim *s, bool stands_still)
{
    uint32_t node;
    if (!pick_calm(s, &node))
        return;
    uint64_t until_ns =
        sim_now_ns + (stands_still && chance(50) ? span_ns(20, SHORT_MS) : span_ns(500, 3000));
    s->weather.node[node].doing = FRONT_SLOW;
    s->weather.node[node].until_ns = until_ns;
    if (stands_still)
        cluster_pause(&s->cluster, node, 0, until_ns);
    else
        cluster_pause(&s->cluster, node, span_ns(1, 20), sim_now_ns);
    TRACE("node %u %s until %.3f ms", node, stands_still ? "stands still" : "is slow",
          (double)until_ns / 1e6);
    weather_trouble(s, TROUBLE_LOAD, until_ns + ECHO_MS * MS);
    if (stands_still && until_ns > sim_now_ns + SHORT_MS * MS)
        weather_trouble(s, TROUBLE_LOST, until_ns + DETECT_MS * MS);
}

static void run_slow(struct sim *s, uint32_t node)
{
    struct node_front *f = &s->weather.node[node];
    if (sim_now_ns < f->until_ns)
        return;
    cluster_pause(&s->cluster, node, 0, sim_now_ns);
    calm_down(f);
}

/* ---- cells ---- */

/* Some of a node's, as they share its CPUs; with jobs if there are such. */
static uint32_t draw_cells(void)
{
    return chance(50) ? 1 : 2 + below(8);
}

static void stall(struct sim *s)
{
    struct model_cells *cells = pick_cells(s);
    uint64_t until_ns = sim_now_ns + span_ns(50, 650);
    for (uint32_t k = draw_cells(); cells && k > 0; k--) {
        struct model_runtime *m = model_cells_pick(cells);
        if (!m || m->death_ns != UINT64_MAX)
            continue;
        if (chance(20)) { /* it is spoiled, and ends with what it has; another one takes over */
            model_cells_end(cells, m);
            continue;
        }
        model_cells_stall(cells, m, until_ns);
        TRACE("the cell of %lu at node %u stalls until %.3f ms", (unsigned long)m->handle, m->owner,
              (double)until_ns / 1e6);
        /* What a script calls may find one of these on every way. */
        if (s->cluster.config.relays)
            weather_trouble(s, TROUBLE_LOAD, until_ns + ECHO_MS * MS);
    }
}

static void end_cells(struct sim *s, bool hangs_first)
{
    struct model_cells *cells = pick_cells(s);
    uint64_t at_ns = sim_now_ns + (hangs_first ? span_ns(300, 3000) : MODEL_CRASH_MS * MS);
    uint64_t back_ns = at_ns;
    for (uint32_t k = draw_cells(); cells && k > 0; k--) {
        struct model_runtime *m = model_cells_pick(cells);
        if (!m || m->death_ns != UINT64_MAX)
            continue;
        if (hangs_first)
            model_runtime_hang(m, at_ns);
        else
            model_runtime_crash(m);
        TRACE("the cell of %lu at node %u %s", (unsigned long)m->handle, m->owner,
              hangs_first ? "hangs" : "crashes");
    }
    if (cells && chance(20)) {
        back_ns += span_ns(100, 4000);
        model_cells_end_zygote(cells, back_ns);
        s->cluster.node[cells->owner].world.epoch++;
    }
    weather_trouble(s, TROUBLE_LOST, at_ns + ECHO_MS * MS);
    weather_trouble(s, TROUBLE_LOAD, back_ns + ECHO_MS * MS);
}

static void slow_cells(struct sim *s)
{
    struct model_cells *cells = pick_cells(s);
    uint64_t slow_ns = span_ns(2, 60), until_ns = sim_now_ns + span_ns(200, 2000);
    if (!cells)
        return;
    model_cells_slow(cells, slow_ns);
    s->weather.node[cells->owner].slow_run_ns = until_ns;
    TRACE("the cells of node %u are slow: %lu us", cells->owner, (unsigned long)slow_ns / 1000);
    weather_trouble(s, TROUBLE_LOAD, until_ns + ECHO_MS * MS);
}

/* ---- the network ---- */

static void block(struct sim *s)
{
    const struct weather *w = &s->weather;
    for (uint32_t i = 0; i < s->nodes; i++) {
        for (uint32_t k = 0; k < s->nodes; k++) {
            bool is_apart = w->partition_until_ns && w->node[i].group != w->node[k].group;
            bool is_cut = w->cut_until_ns && w->cut_from == i && w->cut_to == k;
            sim_switch_block(s->cluster.net, i, k, is_apart || is_cut);
        }
    }
}

/* Nodes do not hear each other for a while; clients reach all of them. */
static uint64_t part(struct sim *s)
{
    uint64_t for_ns = chance(40) ? span_ns(50, SHORT_MS) : span_ns(SHORT_MS, 4000);
    if (for_ns >= SHORT_MS * MS)
        weather_trouble(s, TROUBLE_LOST, sim_now_ns + for_ns + DETECT_MS * MS);
    weather_trouble(s, TROUBLE_LOAD, sim_now_ns + for_ns + DETECT_MS * MS);
    return sim_now_ns + for_ns;
}

static void partition(struct sim *s)
{
    struct weather *w = &s->weather;
    if (w->partition_until_ns || s->nodes < 2)
        return;
    uint32_t ones = 0;
    for (uint32_t i = 0; i < s->nodes; i++)
        ones += w->node[i].group = (uint8_t)below(2);
    if (ones == 0 || ones == s->nodes)
        w->node[below(s->nodes)].group ^= 1;
    w->partition_until_ns = part(s);
    w->partitions++;
    for (uint32_t i = 0; i < s->nodes; i++)
        TRACE("node %u is in part %u until %.3f ms", i, w->node[i].group,
              (double)w->partition_until_ns / 1e6);
    block(s);
}

static void cut(struct sim *s)
{
    struct weather *w = &s->weather;
    if (w->cut_until_ns || s->nodes < 2)
        return;
    w->cut_from = below(s->nodes);
    w->cut_to = (w->cut_from + 1 + below(s->nodes - 1)) % s->nodes;
    w->cut_until_ns = part(s);
    w->cuts++;
    TRACE("node %u does not hear node %u until %.3f ms", w->cut_to, w->cut_from,
          (double)w->cut_until_ns / 1e6);
    block(s);
}

static void run_network(struct sim *s)
{
    struct weather *w = &s->weather;
    bool is_whole = w->partition_until_ns && sim_now_ns >= w->partition_until_ns;
    bool is_heard = w->cut_until_ns && sim_now_ns >= w->cut_until_ns;
    if (!is_whole && !is_heard)
        return;
    TRACE("%s", is_whole ? "the parts are joined" : "the cut is mended");
    w->partition_until_ns = is_whole ? 0 : w->partition_until_ns;
    w->cut_until_ns = is_heard ? 0 : w->cut_until_ns;
    block(s);
}

/* ---- members ---- */

/* One thing differs from the newest plan. */
static const struct cluster_plan *draw_plan(struct sim *s)
{
    static const uint32_t weights[] = {0, 25, 50, 100, 200, 300};
    const struct cluster_plan *now = cluster_newest(&s->cluster);
    uint32_t weight[CLUSTER_NODES_MAX], members = 0, points = 0, node = below(s->nodes);
    for (uint32_t i = 0; i < s->nodes; i++) {
        weight[i] = now->weight[i];
        members += weight[i] != CLUSTER_NO_MEMBER;
        points += i != node && weight[i] != CLUSTER_NO_MEMBER ? weight[i] : 0;
    }
    bool is_absent = weight[node] == CLUSTER_NO_MEMBER;
    bool is_removed = !is_absent && members > 2 && points > 0 && chance(30);
    weight[node] = is_removed ? CLUSTER_NO_MEMBER : weights[below(6)];
    if (weight[node] + points == 0)
        weight[node] = RING_WEIGHT_ONE;
    if (is_absent || is_removed) /* who is in the middle of something with it loses it */
        weather_trouble(s, TROUBLE_LOST, sim_now_ns + 2 * DETECT_MS * MS);
    TRACE("node %u: weight %u", node, weight[node]);
    return cluster_make_plan(&s->cluster, weight);
}

/* The new list reaches one node after the other. */
static void churn(struct sim *s)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        if (s->weather.node[i].adopt_ns != UINT64_MAX)
            return;
    }
    if (!draw_plan(s))
        return;
    for (uint32_t i = 0; i < s->nodes; i++)
        s->weather.node[i].adopt_ns = sim_now_ns + below(DETECT_MS) * MS;
}

static void run_adoption(struct sim *s, uint32_t node)
{
    struct node_front *f = &s->weather.node[node];
    if (sim_now_ns < f->adopt_ns)
        return;
    f->adopt_ns = UINT64_MAX;
    if (cluster_is_up(&s->cluster, node))
        cluster_adopt(&s->cluster, node);
}

/* ---- work ---- */

static void burst(struct sim *s)
{
    s->weather.burst_until_ns = sim_now_ns + span_ns(30, 300);
    s->weather.burst_script = chance(50) ? below(SCRIPTS) : SCRIPTS;
    TRACE("a burst until %.3f ms", (double)s->weather.burst_until_ns / 1e6);
    weather_trouble(s, TROUBLE_LOAD, s->weather.burst_until_ns + 4 * ECHO_MS * MS);
}

static void deploy(struct sim *s)
{
    uint32_t node = below(s->nodes), script = below(DEPLOYED);
    if (!cluster_is_up(&s->cluster, node) || s->weather.deploys == DEPLOYS_MAX)
        return;
    s->weather.deploys++;
    cluster_deploy(&s->cluster, node, script);
}

/* Versions differ until every node has the newest. */
static void run_deploys(struct sim *s)
{
    struct weather *w = &s->weather;
    if (w->deploys == 0 || s->phase == PHASE_LAST_PASS || s->phase == PHASE_END)
        return;
    weather_trouble(s, TROUBLE_PLACES, sim_now_ns + ECHO_MS * MS);
    for (uint32_t i = 0; s->phase == PHASE_CLEAR_UP && i < s->nodes; i++) {
        for (uint32_t k = 0; k < DEPLOYED && cluster_is_up(&s->cluster, i); k++) {
            if (s->cluster.node[i].scripts[k].handle != s->cluster.scripts[k].handle)
                cluster_deploy(&s->cluster, i, k);
        }
    }
    if (s->phase == PHASE_CLEAR_UP)
        w->deploys = 0;
}

/* ---- all of it ---- */

uint64_t gust(struct sim *s, enum weather_kind kind)
{
    switch (kind) {
    case WEATHER_STALL:
        stall(s);
        return 400 * MS;
    case WEATHER_CRASH:
        crash(s);
        return 2000 * MS;
    case WEATHER_LEAVE:
        leave(s);
        return s->is_planned ? PLANNED_MS * MS : 2000 * MS;
    case WEATHER_CELL_CRASH:
    case WEATHER_HANG:
        end_cells(s, kind == WEATHER_HANG);
        return (s->weather.theme == THEME_SUSPECTS ? 500 : 1500) * MS;
    case WEATHER_SLOW_CELLS:
        slow_cells(s);
        return 1000 * MS;
    case WEATHER_SLOW_NODE:
    case WEATHER_PAUSE:
        slow_node(s, kind == WEATHER_PAUSE);
        return 1500 * MS;
    case WEATHER_PARTITION:
        partition(s);
        return 2000 * MS;
    case WEATHER_ONE_WAY:
        cut(s);
        return 2000 * MS;
    case WEATHER_CHURN:
        churn(s);
        return 1000 * MS;
    case WEATHER_BURST:
        burst(s);
        return 2000 * MS;
    case WEATHER_DEPLOY:
        deploy(s);
        return 30 * MS;
    case WEATHER_STRIKE:
        attacker_strike(&s->attacker, &s->cluster);
        return 10 * MS;
    case WEATHER_BAD_SINK:
        attacker_misuse_sink(&s->attacker, &s->cluster);
        return 5 * MS;
    case WEATHER_BAD_STREAM:
        attacker_misuse_stream(&s->attacker, &s->cluster);
        return 3 * MS;
    case WEATHERS:
        break;
    }
    return UINT64_MAX;
}

static void run_node(struct sim *s, uint32_t node)
{
    struct node_front *f = &s->weather.node[node];
    run_adoption(s, node);
    if (f->slow_run_ns && sim_now_ns >= f->slow_run_ns) {
        model_cells_slow(&s->cluster.node[node].cells, 0);
        f->slow_run_ns = 0;
    }
    if (f->doing == FRONT_CRASHED)
        run_crashed(s, node);
    else if (f->doing == FRONT_SLOW)
        run_slow(s, node);
    else if (f->doing != FRONT_NONE)
        run_leaving(s, node);
}

void gusts_run(struct sim *s)
{
    for (uint32_t i = 0; i < s->nodes; i++)
        run_node(s, i);
    run_network(s);
    run_deploys(s);
    killer_run(s);
    if (weather_may_lose_channels(s) && s->phase >= PHASE_LOAD && !weather_is_over(s))
        weather_trouble(s, TROUBLE_PLACES, sim_now_ns + ECHO_MS * MS);
}

bool gusts_are_over(const struct sim *s)
{
    const struct weather *w = &s->weather;
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct node_front *f = &w->node[i];
        if (f->doing != FRONT_NONE || f->slow_run_ns || f->adopt_ns != UINT64_MAX)
            return false;
    }
    return !w->partition_until_ns && !w->cut_until_ns && killer_is_over(s);
}

uint64_t gusts_next_ns(const struct sim *s)
{
    const struct weather *w = &s->weather;
    uint64_t next = killer_next_ns(s);
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct node_front *f = &w->node[i];
        next = min_u64(next, f->adopt_ns);
        next = min_u64(next, f->slow_run_ns ? f->slow_run_ns : UINT64_MAX);
        next = min_u64(next, f->doing != FRONT_NONE && f->until_ns > sim_now_ns ? f->until_ns
                                                                                : UINT64_MAX);
    }
    next = min_u64(next, w->partition_until_ns ? w->partition_until_ns : UINT64_MAX);
    return min_u64(next, w->cut_until_ns ? w->cut_until_ns : UINT64_MAX);
}
