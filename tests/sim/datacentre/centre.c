#include "tests/sim/datacentre/centre.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { LARGE_PAGE = 2 << 20 };

void *centre_take(size_t bytes)
{
    bytes = (bytes + LARGE_PAGE - 1) & ~(size_t)(LARGE_PAGE - 1);
    void *memory = aligned_alloc(LARGE_PAGE, bytes);
    assert(memory);
    madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

/* ---- the ring ---- */

static uint64_t script_hash(uint32_t script)
{
    char name[16];
    return XXH3_64bits(name, (size_t)snprintf(name, sizeof(name), "s%u", script));
}

static void build_ring(struct centre *c)
{
    uint32_t servers = c->config.traffic.servers, scripts = c->config.traffic.scripts;
    struct ring_member *member = calloc(servers, sizeof(*member));
    char name[16];
    assert(member);
    for (uint32_t i = 0; i < servers; i++) {
        size_t len = (size_t)snprintf(name, sizeof(name), "n%03u", i);
        member[i] = (struct ring_member){
            .id = XXH3_64bits(name, len), .node = (uint16_t)i, .weight = RING_WEIGHT_ONE};
    }
    void *memory = aligned_alloc(64, (ring_bytes(member, servers) + 63) & ~(size_t)63);
    assert(memory);
    c->ring = ring_build(memory, member, servers, 1);
    c->successor = centre_take(scripts * sizeof(*c->successor));
    c->hash = centre_take(scripts * sizeof(*c->hash));
    for (uint32_t i = 0; i < scripts; i++) {
        c->hash[i] = script_hash(i);
        uint32_t n = ring_successors(c->ring, c->hash[i], c->successor[i], PLACE_SUCCESSORS_MAX);
        for (; n < PLACE_SUCCESSORS_MAX; n++)
            c->successor[i][n] = RING_NODE_NONE;
    }
    free(member);
}

uint16_t centre_home(const struct centre *c, uint32_t script, uint16_t except)
{
    for (uint32_t k = 0; k < PLACE_SUCCESSORS_MAX; k++) {
        uint16_t node = c->successor[script][k];
        if (node != RING_NODE_NONE && node != except && c->server[node].state == NODE_SERVING)
            return node;
    }
    return RING_NODE_NONE;
}

/* ---- starts ---- */

uint32_t centre_start_us(const struct centre *c, uint32_t script)
{
    const struct traffic_script *s = &c->traffic.script[script];
    if (!c->config.variant->has_snapshots)
        return s->start_us;
    uint32_t us =
        c->config.snapshot_us + (uint32_t)((double)s->bytes / 1e6 * c->config.snapshot_us_per_mb);
    return us < s->start_us ? us : s->start_us;
}

void centre_start_ahead(struct centre *c, uint16_t server, uint32_t script, uint64_t idle_ns)
{
    struct server *s = &c->server[server];
    if (server_find(s, script))
        return;
    bool is_started =
        server_start(s, script, c->traffic.script[script].bytes, centre_start_us(c, script),
                     c->config.variant->has_values, idle_ns, c->now_ns) != NULL;
    c->count.starts_ahead += is_started;
    c->count.flash_ahead += is_started && script == c->config.traffic.flash_script;
    c->count.starts_in_vain += !is_started;
}

/* ---- seconds ---- */

/* What the servers know of each other. */
static void share_loads(struct centre *c)
{
    uint64_t sum = 0;
    uint32_t up = 0;
    for (uint32_t i = 0; i < c->config.traffic.servers; i++) {
        const struct server *s = &c->server[i];
        sum += s->state == NODE_SERVING ? s->load : 0;
        up += s->state == NODE_SERVING;
    }
    c->mean_load = up ? (uint32_t)(sum / up) : 0;
}

double centre_take_load_ratio(struct centre *c)
{
    double sum = 0, most = 0;
    uint32_t up = 0;
    for (uint32_t i = 0; i < c->config.traffic.servers; i++) {
        struct server *s = &c->server[i];
        if (s->state == NODE_SERVING) {
            up++;
            sum += s->work_us;
            most = s->work_us > most ? s->work_us : most;
        }
        s->work_us = 0;
    }
    return sum > 0 ? most * up / sum : 1;
}

static void sample(struct centre *c)
{
    for (uint32_t i = 0; i < c->config.traffic.servers; i++) {
        const struct server *s = &c->server[i];
        if (s->state != NODE_SERVING)
            continue;
        c->count.cells += s->pool.count;
        c->count.bytes += (double)s->pool.bytes;
        c->count.servers_sampled++;
    }
    c->count.minutes++;
    c->count.load_ratio += centre_take_load_ratio(c);
}

static void tick(struct centre *c)
{
    for (uint32_t i = 0; i < c->config.traffic.servers; i++)
        server_tick(&c->server[i], &c->shed, c->now_ns);
    share_loads(c);
}

static void begin_measure(struct centre *c)
{
    memset(&c->count, 0, sizeof(c->count));
    for (uint32_t i = 0; i < c->config.traffic.servers; i++)
        c->server[i].evictions = 0;
}

void centre_run(struct centre *c, void (*on_tick)(void *arg, struct centre *), void *arg)
{
    const struct traffic_config *t = &c->config.traffic;
    struct traffic_burst burst;
    for (c->now_ns = t->start_ns; c->now_ns < t->end_ns; c->now_ns += TRAFFIC_SECOND_NS) {
        if (c->now_ns == c->config.measure_ns)
            begin_measure(c);
        centre_events(c);
        if (c->now_ns % TRAFFIC_SLOT_NS == 0)
            centre_bulk(c);
        uint64_t second_ns = c->now_ns;
        while (traffic_next(&c->traffic, second_ns + TRAFFIC_SECOND_NS, &burst)) {
            c->now_ns = burst.at_ns;
            centre_burst(c, &burst);
        }
        c->now_ns = second_ns;
        tick(c);
        if (on_tick)
            on_tick(arg, c);
        else if (c->now_ns / TRAFFIC_SECOND_NS % 60 == 59)
            sample(c);
    }
    for (uint32_t i = 0; i < t->servers; i++)
        c->count.evictions += c->server[i].evictions;
}

/* ---- start and end ---- */

void centre_init(struct centre *c, const struct centre_config *config)
{
    const struct traffic_config *t = &config->traffic;
    *c = (struct centre){.config = *config,
                         .now_ns = t->start_ns,
                         .rng = {rng_mix(t->seed ^ 0xdc)},
                         .loss_ns = UINT64_MAX,
                         .next_restart_ns = UINT64_MAX};
    c->shed = (struct shed_tune){.target_us = config->tune.shed_target_us,
                                 .interval_us = config->tune.shed_interval_ms * 1000,
                                 .jobs_percent = config->tune.shed_jobs_percent,
                                 .chunks_percent = config->tune.shed_chunks_percent,
                                 .share_percent = config->tune.shed_share_percent};
    traffic_init(&c->traffic, t);
    build_ring(c);
    double cpu_us = 0;
    for (uint32_t i = 0; i < t->scripts; i++)
        cpu_us += c->traffic.script[i].rps * c->traffic.script[i].cpu_us;
    c->server = calloc(t->servers, sizeof(*c->server));
    assert(c->server);
    for (uint32_t i = 0; i < t->servers; i++)
        server_init(&c->server[i], t->scripts, &c->config.weights, config->bytes_max,
                    (size_t)(t->cell_mb * 1e6), cpu_us / t->servers / config->busy);
    if (config->has_churn) {
        uint64_t span_ns = t->end_ns - config->measure_ns;
        c->loss_ns = config->measure_ns + span_ns * 3 / 8;
        c->next_restart_ns = config->measure_ns + span_ns / 2;
        c->restart_every_ns = span_ns / 360;
    }
    centre_fill(c);
}

void centre_fini(struct centre *c)
{
    for (uint32_t i = 0; i < c->config.traffic.servers; i++)
        server_fini(&c->server[i]);
    free(c->server);
    free(c->ring);
    free(c->successor);
    free(c->hash);
    traffic_fini(&c->traffic);
}
