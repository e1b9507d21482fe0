#include "tests/sim/model_cluster.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/least.h"
#include "dataplane/base/note.h"
#include "dataplane/base/trace.h"
#include "dataplane/call/call.h"
#include "dataplane/call/serve.h"
#include "dataplane/call/sub.h"
#include "dataplane/core/core.h"
#include "dataplane/net/ip.h"
#include "dataplane/rpc/channel.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/route.h"

enum {
    TICK_NS = 100 * 1000,
    CONNS = 256, /* a quarter may be half-open: all clients at once */
    CALLS = 512,
    SERVED = 256,
    STREAMS = 1024,
    CHANNELS = 32
};

/* ---- what all nodes share ---- */

static void make_scripts(struct cluster *c)
{
    char error[160] = "";
    uint32_t count = c->config.scripts, size = 2;
    while (size < 2 * count)
        size *= 2;
    c->script_index_mask = size - 1;
    c->script_index = calloc(size, sizeof(*c->script_index));
    c->scripts = calloc(count, sizeof(*c->scripts));
    c->bindings = calloc(count, sizeof(*c->bindings));
    struct route_source *routes = calloc(count, sizeof(*routes));
    char(*pattern)[32] = calloc(count, sizeof(*pattern));
    for (uint32_t i = 0; i < count; i++) {
        struct world_script *s = &c->scripts[i];
        snprintf(s->name, sizeof(s->name), "s%u", i);
        snprintf(s->version, sizeof(s->version), "%016x", i);
        s->version_bits = i;
        s->handle = 1000 + i;
        s->cpu_ms = c->config.cpu_ms;
        s->wall_ms = c->config.wall_ms;
        s->id_hash = XXH3_64bits(s->name, strlen(s->name));
        uint32_t place = (uint32_t)s->id_hash & c->script_index_mask;
        while (c->script_index[place])
            place = (place + 1) & c->script_index_mask;
        c->script_index[place] = i + 1;
        snprintf(pattern[i], sizeof(pattern[i]), "s%u.test", i);
        routes[i] = (struct route_source){.pattern = pattern[i], .script = i};
    }
    for (uint32_t i = 0; c->config.relays && i < count; i++) {
        c->bindings[i].script = c->scripts[(7 * i + 3) % count].id_hash;
        c->scripts[i].bindings = &c->bindings[i];
        c->scripts[i].binding_count = 1;
        c->scripts[i].subrequests = c->config.subrequests;
        if (i % 3 == 0)
            c->bindings[i].cpu_ms = c->config.cpu_ms / 2;
    }
    for (uint32_t i = 0; i < c->config.nodes; i++)
        c->node[i].scripts = calloc(count, sizeof(*c->scripts));
    c->routes = routes_build(routes, count, 1, error, sizeof(error));
    CHECK(c->routes, "%s", error);
    free(pattern);
    free(routes);
}

static void make_members(struct cluster *c)
{
    uint32_t weight[CLUSTER_NODES_MAX];
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        struct world_member *m = &c->member[i];
        struct cluster_node *n = &c->node[i];
        uint8_t key[NOISE_KEY_BYTES], ip4[4] = {10, 0, 0, (uint8_t)(1 + i)};
        sim_random(NULL, key, sizeof(key));
        CHECK(noise_identity_init(&n->identity, key) == 0, "a key");
        ip_from_ip4(n->ip, ip4);
        n->cluster = c;
        n->index = i;
        n->mac[0] = 2;
        n->mac[5] = (uint8_t)(1 + i);
        snprintf(m->name, sizeof(m->name), "n%02u", i);
        m->id = XXH3_64bits(m->name, strlen(m->name));
        memcpy(m->address, n->ip, 16);
        m->port = CLUSTER_PORT;
        m->cores = 1;
        m->weight = RING_WEIGHT_ONE;
        memcpy(m->public_key, n->identity.public_key, NOISE_KEY_BYTES);
        weight[i] = m->weight;
    }
    const struct cluster_plan *plan = cluster_make_plan(c, weight);
    for (uint32_t i = 0; i < c->config.nodes; i++)
        c->node[i].plan = plan;
    sim_random(NULL, c->secret, sizeof(c->secret));
}

const struct cluster_plan *cluster_make_plan(struct cluster *c, const uint32_t *weight)
{
    if (c->plan_count == CLUSTER_PLANS_MAX)
        return NULL;
    struct cluster_plan *plan = calloc(1, sizeof(*plan));
    struct ring_member ring[CLUSTER_NODES_MAX];
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        plan->weight[i] = weight[i];
        plan->place[i] = CLUSTER_NO_MEMBER;
        if (weight[i] == CLUSTER_NO_MEMBER)
            continue;
        uint16_t place = plan->count++;
        plan->place[i] = place;
        plan->member[place] = c->member[i];
        plan->member[place].weight = weight[i];
        ring[place] =
            (struct ring_member){.id = c->member[i].id, .node = place, .weight = weight[i]};
    }
    plan->ring_memory = sim_take(ring_bytes(ring, plan->count), -1);
    c->plan[c->plan_count++] = plan;
    plan->ring = ring_build(plan->ring_memory, ring, plan->count, c->plan_count);
    return plan;
}

void cluster_init(struct cluster *c, const struct cluster_config *config)
{
    assert(config->nodes >= 1 && config->nodes <= CLUSTER_NODES_MAX);
    assert(config->scripts < MODEL_SCRIPTS && config->room <= MODEL_CELLS);
    memset(c, 0, sizeof(*c));
    c->config = *config;
    clock_init_virtual(&c->clock, 1000000000);
    sim_now_ns = c->clock.virtual_ns;
    c->net = sim_switch_create(&c->clock, rng(), config->mtu);
    sim_switch_set_corrupt(c->net, config->corrupt);
    make_scripts(c);
    make_members(c);
    for (uint32_t i = 0; i < config->nodes; i++)
        c->node[i].port = sim_switch_plug(c->net, c->node[i].mac, config->faults);
}

void cluster_fini(struct cluster *c)
{
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        if (c->node[i].core)
            cluster_kill(c, i);
    }
    sim_switch_destroy(c->net);
    routes_destroy(c->routes);
    for (uint32_t i = 0; i < c->plan_count; i++) {
        free(c->plan[i]->ring_memory);
        free(c->plan[i]);
    }
    for (uint32_t i = 0; i < c->config.nodes; i++)
        free(c->node[i].scripts);
    free(c->script_index);
    free(c->bindings);
    free(c->scripts);
}

/* ---- a node's life ---- */

static void take_plan(struct cluster_node *n)
{
    struct world_cluster *w = &n->world.cluster;
    w->self = n->plan->place[n->index];
    w->member_count = n->plan->count;
    w->member = n->plan->member;
    w->ring = n->plan->ring;
}

static void make_world(struct cluster *c, struct cluster_node *n)
{
    memcpy(n->scripts, c->scripts, c->config.scripts * sizeof(*c->scripts));
    n->world = (struct world){
        .epoch = n->world.epoch + 1,
        .debug_headers = true,
        .limits = {.hello_timeout_ms = 10000,
                   .head_timeout_ms = 30000,
                   .idle_timeout_ms = 30000,
                   .stall_timeout_ms = 30000,
                   .min_rate = HTTP_MIN_RATE_DEFAULT},
        .tune = c->config.tune,
        .cluster = {.own_state = NODE_JOINING, .identity = &n->identity, .secret = c->secret},
        .routes = c->routes,
        .script_count = c->config.scripts,
        .scripts = n->scripts,
        .script_index = c->script_index,
        .script_index_mask = c->script_index_mask};
    if (cluster_is_member(c, n->index))
        n->plan = cluster_newest(c);
    take_plan(n);
    memcpy(n->world.node, c->member[n->index].name, sizeof(n->world.node));
    struct model_manner manner = {.make_us = c->config.make_us,
                                  .relays = c->config.relays,
                                  .book = c->config.book,
                                  .cpu_ms = c->config.cpu_ms,
                                  .wall_ms = c->config.wall_ms,
                                  .started = c->config.started,
                                  .suspected = c->config.suspected,
                                  .refused = c->config.refused,
                                  .arg = c->config.arg};
    model_cells_init(&n->cells, &n->world, c->config.room, n->index, &manner, c->config.full);
    atomic_store(&n->shared.current, &n->world);
}

/* Near zero, where a machine has just started; or where 32 bits of micro- or milliseconds wrap; or
 * anywhere. */
static void start_clock(struct cluster *c, struct cluster_node *n)
{
    n->clock_start_ns = n->started_ns = sim_now_ns;
    n->clock_ppb = 0;
    if (c->config.skewed) {
        uint64_t wrap_ns = (1ull << 32) * (chance(50) ? 1000 : 1000000);
        n->clock_start_ns = chance(30)   ? below(1000000)
                            : chance(30) ? wrap_ns - below(4000) * 1000000ull
                                         : below(100 * 86400) * 1000000000ull + below(1000000000);
        n->clock_ppb = (int64_t)below(1000000) - 500000;
    }
    clock_init_virtual(&n->clock, n->clock_start_ns);
    TRACE("clock of node %u: %lu us, %ld ppb", n->index, (unsigned long)n->clock_start_ns / 1000,
          (long)n->clock_ppb);
}

void cluster_start(struct cluster *c, uint32_t node)
{
    struct cluster_node *n = &c->node[node];
    char error[160] = "";
    struct net_config net = {.mtu = c->config.mtu, .address_count = 1};
    assert(!n->core);
    TRACE("node %u starts", node);
    if (n->lives++ > 0)
        n->port = sim_switch_replug(c->net, node);
    make_world(c, n);
    start_clock(c, n);
    n->pause_ns = n->iterates_ns = n->took_ns = n->busy_until_ns = 0;
    memcpy(net.mac, n->mac, 6);
    memcpy(net.address[0].ip, n->ip, 16);
    net.address[0].prefix_len = 120;
    n->neighbours = sim_take(neighbours_bytes(), -1);
    neighbours_init(n->neighbours, rng());
    struct core_config config = {.cores = 1,
                                 .port = n->port,
                                 .net = &net,
                                 .neighbours = n->neighbours,
                                 .world = &n->shared,
                                 .clock = &n->clock,
                                 .memory = {.take = sim_take, .give = free},
                                 .plain_port = 80,
                                 .conns_max = CONNS,
                                 .chunks = c->config.chunks,
                                 .mail = n->cells.mail,
                                 .larges = MODEL_LARGES,
                                 .jobs_max = MODEL_JOBS,
                                 .rpc_port = CLUSTER_PORT,
                                 .calls = c->config.calls ? c->config.calls : CALLS,
                                 .served = c->config.served ? c->config.served : SERVED,
                                 .streams = c->config.streams ? c->config.streams : STREAMS,
                                 .channels = c->config.channels ? c->config.channels : CHANNELS,
                                 .notes = c->config.notes ? &c->config.notes[n->index] : NULL,
                                 .numa_node = -1,
                                 .secret = {rng(), rng(), rng(), rng()},
                                 .random = sim_random};
    n->core = core_create(&config, error, sizeof(error));
    CHECK(n->core, "%s", error);
    n->cells.bell = core_wake_fd(n->core);
    n->hog = (struct hog){0};
    if (c->config.is_full)
        hog_take(&n->hog, &n->core->chunks, 25);
    n->state_since_ns = sim_now_ns;
}

static void keep_counters(struct cluster_node *n)
{
    const uint64_t *from = (const uint64_t *)&n->core->counters;
    uint64_t *to = (uint64_t *)&n->past;
    for (size_t i = 0; i < sizeof(struct counters) / sizeof(uint64_t); i++)
        to[i] += from[i];
    const uint32_t *tally = (const uint32_t *)&n->cells.tally;
    uint32_t *sum = (uint32_t *)&n->past_tally;
    for (size_t i = 0; i < sizeof(struct model_tally) / sizeof(uint32_t); i++)
        sum[i] += tally[i];
}

static void power_off(struct cluster_node *n)
{
    keep_counters(n);
    core_destroy(n->core);
    n->core = NULL;
    port_close(n->port);
    model_cells_fini(&n->cells);
    free(n->neighbours);
    n->neighbours = NULL;
    n->state_since_ns = sim_now_ns;
}

void cluster_kill(struct cluster *c, uint32_t node)
{
    TRACE("node %u is killed", node);
    power_off(&c->node[node]);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* What the recorder knows of this and other nodes: no call went further than one hop, and none
 * twice; no more than W bytes of its body had left when home decided. */
static void check_story(const struct cluster_node *n)
{
    static uint64_t forwarded[TRACE_EVENTS];
    const struct trace *t = n->core->trace;
    uint32_t count = 0;
    for (uint32_t i = 0; i < TRACE_EVENTS; i++) {
        const struct trace_event *e = &t->place[i].event;
        if (e->kind == TRACE_FORWARD)
            forwarded[count++] = e->request ^ e->span * 0x9e3779b97f4a7c15u;
        CHECK((e->kind != TRACE_ACCEPT && e->kind != TRACE_BOUNCE) ||
                  e->value <= n->world.tune.optimistic_bytes,
              "node %u sent %lu bytes before home had decided", n->index, (unsigned long)e->value);
    }
    qsort(forwarded, count, sizeof(forwarded[0]), compare_u64);
    for (uint32_t i = 1; i < count; i++)
        CHECK(forwarded[i] != forwarded[i - 1], "a call that node %u knows of was forwarded twice",
              n->index);
}

/* All calls have ended. */
static void check_no_call_left_a_trace(const struct cluster_node *n)
{
    const struct core *core = n->core;
    for (uint32_t i = 0; i < core->capabilities.slots; i++)
        CHECK(core->capabilities.slot[i].kind != CAPABILITY_LAZY_WORKER,
              "a call at node %u ended, and its capability is out", n->index);
    for (uint32_t i = 0; i < HEAT_SETS; i++) {
        for (uint32_t k = 0; k < HEAT_WAYS; k++)
            CHECK(core->heat->set[i][k].in_flight == 0, "node %u counts jobs of an idle script",
                  n->index);
    }
}

void cluster_stop(struct cluster *c, uint32_t node)
{
    struct cluster_node *n = &c->node[node];
    struct core *core = n->core;
    TRACE("node %u stops", node);
    model_cells_check_jobs(&n->cells, core);
    check_story(n);
    core_end(core);
    peers_fini(core->peers);
    hog_give(&n->hog, &core->chunks);
    CHECK(core->chunks.free_count == core->chunks.count, "node %u lost %u chunks", node,
          core->chunks.count - core->chunks.free_count);
    CHECK(core->chunks.owed == 0, "node %u owes %u chunks to nobody", node, core->chunks.owed);
    CHECK(stream_pool_free_count(core->streams) == core->config.streams, "node %u lost streams",
          node);
    CHECK(subs_live(core->subs) == 0, "node %u has sub-requests left", node);
    CHECK(calls_live(core->calls) == 0, "node %u has %u calls left", node, calls_live(core->calls));
    CHECK(served_live(core->served) == 0, "node %u serves %u calls still", node,
          served_live(core->served));
    CHECK(core->conn_count == 0 && core->half_open == 0, "node %u has connections left", node);
    check_no_call_left_a_trace(n);
    model_cells_check_end(&n->cells, core);
    CHECK(core->counters.job_bad_message == 0, "a message that breaks the contract");
    power_off(n);
}

static void publish(struct cluster_node *n, uint8_t state, bool is_leaving)
{
    TRACE("node %u: state %u%s", n->index, state, is_leaving ? ", leaving" : "");
    n->world.cluster.own_state = state;
    n->world.cluster.is_leaving = is_leaving;
    n->world.epoch++;
    n->state_since_ns = sim_now_ns;
}

void cluster_drain(struct cluster *c, uint32_t node)
{
    publish(&c->node[node], c->node[node].world.cluster.own_state, true);
}

void cluster_undrain(struct cluster *c, uint32_t node)
{
    struct cluster_node *n = &c->node[node];
    bool is_drained = n->world.cluster.own_state == NODE_DRAINING;
    publish(n, is_drained ? NODE_JOINING : n->world.cluster.own_state, false);
}

const struct cluster_plan *cluster_newest(const struct cluster *c)
{
    return c->plan[c->plan_count - 1];
}

bool cluster_is_member(const struct cluster *c, uint32_t node)
{
    return cluster_newest(c)->place[node] != CLUSTER_NO_MEMBER;
}

void cluster_adopt(struct cluster *c, uint32_t node)
{
    struct cluster_node *n = &c->node[node];
    if (!cluster_is_member(c, node) || n->plan == cluster_newest(c))
        return;
    n->plan = cluster_newest(c);
    take_plan(n);
    n->world.epoch++;
    TRACE("node %u has plan %u", node, c->plan_count);
}

uint32_t cluster_node_at(const struct cluster *c, const struct cluster_plan *plan, uint16_t place)
{
    uint32_t node = 0;
    while (node < c->config.nodes && plan->place[node] != place)
        node++;
    return node;
}

uint64_t cluster_clock_ns(const struct cluster *c, uint32_t node, uint64_t at_ns)
{
    const struct cluster_node *n = &c->node[node];
    int64_t since = (int64_t)(at_ns - n->started_ns);
    if (n->clock_ppb == 0)
        return n->clock_start_ns + (uint64_t)since;
    int64_t drift = (int64_t)((__int128)since * n->clock_ppb / 1000000000);
    return n->clock_start_ns + (uint64_t)(since + drift);
}

/* When its clock will show that, or a little later. */
static uint64_t true_ns(const struct cluster_node *n, uint64_t clock_ns)
{
    if (clock_ns == UINT64_MAX || clock_ns <= n->clock.virtual_ns)
        return clock_ns == UINT64_MAX ? UINT64_MAX : sim_now_ns;
    if (n->clock_ppb == 0)
        return n->started_ns + clock_ns - n->clock_start_ns + 1;
    unsigned __int128 since = clock_ns - n->clock_start_ns;
    return n->started_ns + (uint64_t)(since * 1000000000 / (uint64_t)(1000000000 + n->clock_ppb)) +
           1;
}

void cluster_pause(struct cluster *c, uint32_t node, uint64_t pause_ns, uint64_t at_ns)
{
    c->node[node].pause_ns = pause_ns;
    c->node[node].iterates_ns = at_ns;
}

void cluster_deploy(struct cluster *c, uint32_t node, uint32_t script)
{
    struct cluster_node *n = &c->node[node];
    struct world_script *newest = &c->scripts[script], *s = &n->scripts[script];
    if (s->handle == newest->handle) {
        newest->handle += 1000;
        newest->version_bits += 1000;
    }
    *s = *newest;
    n->world.epoch++;
    TRACE("node %u has s%u as %lu", node, script, (unsigned long)s->handle);
}

/* The control thread's share: what the core reports becomes the node's state. */
static void control(struct cluster_node *n)
{
    struct peers_handover h;
    peers_handover(n->core->peers, &h);
    if (h.epoch != n->world.epoch || !h.is_done)
        return;
    if (n->world.cluster.is_leaving)
        publish(n, NODE_DRAINING, false);
    else if (n->world.cluster.own_state == NODE_JOINING)
        publish(n, NODE_SERVING, false);
}

/* ---- what the simulation asks ---- */

bool cluster_is_up(const struct cluster *c, uint32_t node)
{
    return c->node[node].core != NULL;
}

enum node_state cluster_state(const struct cluster *c, uint32_t node)
{
    return c->node[node].core ? c->node[node].world.cluster.own_state : NODE_DOWN;
}

/* Does that node see every other one as it is? Who does not have it in its list does not answer. */
static bool sees_all(const struct cluster *c, uint32_t node)
{
    const struct cluster_node *n = &c->node[node];
    if (!n->core->world || n->core->world_epoch != n->world.epoch ||
        cluster_state(c, node) == NODE_JOINING)
        return false;
    for (uint32_t k = 0; k < c->config.nodes; k++) {
        if (k == node || n->plan->place[k] == CLUSTER_NO_MEMBER)
            continue;
        bool answers = c->node[k].plan->place[node] != CLUSTER_NO_MEMBER;
        enum node_state state = answers ? cluster_state(c, k) : NODE_DOWN;
        if (peers_state(n->core->peers, n->plan->place[k]) != state)
            return false;
    }
    return true;
}

bool cluster_is_settled(const struct cluster *c)
{
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        bool is_current = !cluster_is_member(c, i) || c->node[i].plan == cluster_newest(c);
        if (c->node[i].core && (!is_current || !sees_all(c, i)))
            return false;
    }
    return true;
}

uint32_t cluster_home(const struct cluster *c, uint32_t script)
{
    const struct cluster_plan *plan = cluster_newest(c);
    return cluster_node_at(c, plan, ring_home(plan->ring, c->scripts[script].id_hash));
}

uint64_t cluster_count(const struct cluster *c, size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        const struct cluster_node *n = &c->node[i];
        sum += *(const uint64_t *)((const char *)&n->past + offset);
        if (n->core)
            sum += *(const uint64_t *)((const char *)&n->core->counters + offset);
    }
    return sum;
}

/* ---- time ---- */

void cluster_work(struct cluster *c)
{
    sim_switch_work(c->net);
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        struct cluster_node *n = &c->node[i];
        if (!n->core)
            continue;
        if (sim_now_ns >= n->iterates_ns && sim_now_ns >= n->busy_until_ns) {
            core_iterate(n->core);
            n->took_ns = clock_now_ns(&n->clock) - n->core->now_ns;
            n->busy_until_ns = sim_now_ns + n->took_ns;
            model_cells_check(&n->cells, n->core);
            if (n->pause_ns)
                n->iterates_ns = sim_now_ns + n->pause_ns / 2 + below((uint32_t)n->pause_ns);
        }
        CHECK(counters_unaccounted(&n->core->counters) == 0, "node %u: frames unaccounted", i);
        n->world.epoch += model_cells_work(&n->cells);
        control(n);
    }
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t cluster_next_ns(const struct cluster *c)
{
    uint64_t next = sim_switch_next_ns(c->net);
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        const struct cluster_node *n = &c->node[i];
        if (!n->core)
            continue;
        bool is_rung = model_cells_have_news(&n->cells);
        uint64_t core_ns = is_rung ? sim_now_ns : true_ns(n, core_next_ns(n->core));
        core_ns = max_u64(core_ns, max_u64(n->iterates_ns, n->busy_until_ns));
        next = min_u64(next, core_ns);
        next = min_u64(next, model_cells_next_ns(&n->cells));
    }
    return next;
}

void cluster_set_time(struct cluster *c, uint64_t now_ns)
{
    sim_now_ns = now_ns;
    clock_set_ns(&c->clock, now_ns);
    for (uint32_t i = 0; i < c->config.nodes; i++) {
        struct clock *clock = &c->node[i].clock;
        if (c->node[i].core) /* it may be ahead: in the middle of an iteration */
            clock_set_ns(clock, max_u64(clock_now_ns(clock), cluster_clock_ns(c, i, now_ns)));
    }
}

void cluster_advance(struct cluster *c, uint64_t due_ns)
{
    uint64_t next = sim_now_ns + TICK_NS + (chance(95) ? 0 : below(2000) * 1000ull);
    due_ns = min_u64(due_ns, cluster_next_ns(c));
    if (due_ns > next && due_ns != UINT64_MAX)
        next = due_ns;
    cluster_set_time(c, next);
}
