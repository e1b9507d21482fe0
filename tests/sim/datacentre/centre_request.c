#include <assert.h>
#include <math.h>

#include "tests/sim/datacentre/centre.h"

/* Behind so many targets of delay even what has nowhere else to go is refused (shed.h). */
static bool is_full(const struct server *s, const struct world_tune *t)
{
    return s->backlog_us / s->capacity_us * 1e6 > (double)t->shed_target_us * SHED_FULL_TARGETS;
}

static uint32_t bin_of(const struct centre *c)
{
    if (c->now_ns < c->config.measure_ns)
        return 0;
    uint64_t span = c->config.traffic.end_ns - c->config.measure_ns;
    return (uint32_t)((c->now_ns - c->config.measure_ns) * CENTRE_BINS / span);
}

/* ---- on a server ---- */

static enum cause cause_of(const struct centre *c, uint16_t server, uint32_t script)
{
    switch ((enum past)c->server[server].script[script].past) {
    case PAST_EVICTED:
        return CAUSE_CAPACITY;
    case PAST_DEPLOYED:
        return CAUSE_DEPLOY;
    case PAST_CHURN:
        return CAUSE_CHURN;
    default:
        break;
    }
    if (!c->config.variant->has_homes || c->successor[script][0] == server)
        return CAUSE_FIRST;
    return centre_home(c, script, RING_NODE_NONE) == server ? CAUSE_CHURN : CAUSE_WIDENING;
}

static void count_wait(struct centre *c, uint32_t script, uint64_t wait_us)
{
    c->count.cold++;
    c->count.flash_cold += script == c->config.traffic.flash_script;
    c->count.waited_us += wait_us;
    c->count.bin_cold[bin_of(c)]++;
}

/* The first request of a burst meets its cell, or waits for it. hidden_us: between the
 * ClientHello that named the script and the request. */
static void run(struct centre *c, uint16_t server, uint32_t script, uint32_t hidden_us)
{
    struct server *s = &c->server[server];
    struct server_cell *i = server_find(s, script);
    uint64_t request_ns = c->now_ns + hidden_us * 1000ull;

    warm_history_ask(&s->script[script].history, &c->config.weights, c->now_ns);
    if (i) {
        server_use(s, i, c->now_ns);
        if (i->ready_ns > request_ns)
            count_wait(c, script,
                       (i->ready_ns - request_ns) /
                           1000); /* started ahead, but too late: counted among those */
        return;
    }
    enum cause cause = cause_of(c, server, script);
    uint32_t start_us = centre_start_us(c, script);
    i = server_start(s, script, c->traffic.script[script].bytes, start_us,
                     c->config.variant->has_values, 0, c->now_ns);
    if (!i) {
        c->count.refused++;
        return;
    }
    if (start_us <= hidden_us) {
        c->count.starts_hidden++;
        return;
    }
    c->count.starts_by[cause]++;
    count_wait(c, script, start_us - hidden_us);
}

/* ---- where ---- */

static uint16_t entry_of(const struct centre *c, uint16_t server)
{
    while (!c->server[server].is_up || c->server[server].state == NODE_DRAINING)
        server = (uint16_t)((server + 1) % c->config.traffic.servers);
    return server;
}

static void ask_ring(const struct centre *c, uint32_t script, struct place_query *q)
{
    for (; q->count < PLACE_SUCCESSORS_MAX && c->successor[script][q->count] != RING_NODE_NONE;
         q->count++) {
        uint16_t node = c->successor[script][q->count];
        const struct server *s = &c->server[node];
        q->successor[q->count] =
            (struct place_node){.node = node, .state = s->state, .load = (uint16_t)s->load};
    }
}

static bool is_warm(const struct centre *c, uint16_t server, uint32_t script)
{
    const struct server_cell *i = server_find(&c->server[server], script);
    return i && i->ready_ns <= c->now_ns;
}

/* What the entry knows of the script's heat. */
static void ask_heat(struct centre *c, uint16_t entry, const struct traffic_burst *b,
                     struct place_query *q)
{
    const struct variant *v = c->config.variant;
    struct heat_script *heat = NULL;
    if (!v->has_hot && !v->has_widths)
        return;
    for (uint32_t k = 0; k < b->requests; k++)
        heat = heat_ask(c->server[entry].heat, &c->config.heat, c->hash[b->script], c->now_ns);
    if (!heat)
        return;
    q->is_hot = v->has_hot && heat->is_hot;
    q->is_warm = !v->has_hand_over || is_warm(c, entry, b->script);
    if (v->has_widths)
        q->width = heat_width(heat, c->now_ns);
}

/* The homes that it gets next (steer_warm_next_homes). */
static void start_at_next_homes(struct centre *c, uint32_t script, uint32_t width)
{
    uint32_t homes = 0;
    for (uint32_t k = 0; k < PLACE_SUCCESSORS_MAX && homes < 2 * width; k++) {
        uint16_t node = c->successor[script][k];
        if (node == RING_NODE_NONE || c->server[node].state != NODE_SERVING)
            continue;
        if (homes++ >= width)
            centre_start_ahead(c, node, script, 0);
    }
}

static void time_forward(struct centre *c, const struct server *home, uint32_t requests)
{
    double us =
        c->config.forward_us + c->config.hop_us + home->backlog_us / home->capacity_us * 1e6;
    uint32_t bucket = (uint32_t)(4 * log2(us));
    c->count.forwards_timed += requests;
    c->count
        .forward_bucket[bucket < CENTRE_LATENCY_BUCKETS ? bucket : CENTRE_LATENCY_BUCKETS - 1] +=
        requests;
}

/* True: home takes it. */
static bool forward(struct centre *c, uint16_t entry, uint16_t home, const struct traffic_burst *b)
{
    struct server *s = &c->server[home];
    struct heat_script *heat = NULL;
    c->count.forwarded += b->requests;
    if (!s->is_up) { /* and nobody knows yet */
        c->count.lost += b->requests;
        return false;
    }
    if (c->config.variant->has_widths) {
        for (uint32_t k = 0; k < b->requests; k++)
            heat = heat_ask_home(s->heat, &c->config.heat, c->hash[b->script], c->now_ns);
        if (heat && heat->widening_ns && c->config.variant->has_hand_over)
            start_at_next_homes(c, b->script, heat->width);
    }
    if (server_is_overloaded(s, &c->shed) || rng_chance(&c->rng, s->bulk_refused)) {
        c->count.bounced += b->requests;
        return false;
    }
    if (heat)
        heat_set_width(c->server[entry].heat, c->hash[b->script], heat->width, c->now_ns);
    time_forward(c, s, b->requests);
    return true;
}

void centre_burst(struct centre *c, const struct traffic_burst *b)
{
    const struct variant *v = c->config.variant;
    uint16_t entry = entry_of(c, b->server), to = entry;
    c->count.requests += b->requests;
    c->count.bin_requests[bin_of(c)] += b->requests;
    if (v->has_homes) {
        struct place_query q = {.self = entry,
                                .width = 1,
                                .is_overloaded = server_is_overloaded(&c->server[entry], &c->shed),
                                .mean_load = c->mean_load,
                                .bound_percent = c->config.tune.bound_percent,
                                .pick = c->pick++};
        ask_ring(c, b->script, &q);
        ask_heat(c, entry, b, &q);
        struct place_verdict verdict = place(&q);
        if (verdict.why == PLACE_WARMING)
            centre_start_ahead(c, entry, b->script, 0);
        if (verdict.where == PLACE_HOME && forward(c, entry, verdict.node, b))
            to = verdict.node;
    }
    if (is_full(&c->server[to], &c->config.tune)) {
        c->count.refused += b->requests;
        return;
    }
    c->server[to].demand_us += (double)b->requests * c->traffic.script[b->script].cpu_us;
    run(c, to, b->script, v->has_hello && b->has_handshake ? b->rtt_us : 0);
}

/* ---- bulk ---- */

enum { SLOT_SECONDS = TRAFFIC_SLOT_NS / TRAFFIC_SECOND_NS };

/* Each server that is up has its part of the requests. Where the cell is missing, the first of
 * them waits for it, or all of them go home meanwhile. */
static void bulk_everywhere(struct centre *c, uint32_t script, double requests)
{
    uint32_t servers = c->config.traffic.servers, up = 0;
    uint16_t home = centre_home(c, script, RING_NODE_NONE);
    bool has_hand_over = c->config.variant->has_hand_over;
    double us = c->traffic.script[script].cpu_us;
    for (uint32_t i = 0; i < servers; i++)
        up += entry_of(c, (uint16_t)i) == i;
    for (uint16_t i = 0; i < servers; i++) {
        struct server *s = &c->server[i];
        if (entry_of(c, i) != i)
            continue;
        double here = requests / up;
        bool goes_home = i != home && has_hand_over && server_find(s, script) == NULL;
        if (goes_home) {
            double meanwhile = here * centre_start_us(c, script) / 1e6 / SLOT_SECONDS;
            centre_start_ahead(c, i, script, 0);
            c->count.forwarded += (uint64_t)meanwhile;
            c->server[home].bulk_us += meanwhile * us / SLOT_SECONDS;
            here -= meanwhile;
        }
        s->bulk_us += here * us / SLOT_SECONDS;
        run(c, i, script, goes_home ? centre_start_us(c, script) : 0);
    }
}

/* All of it goes home, which takes what it can and hands the rest back. */
static void bulk_at_home(struct centre *c, uint32_t script, double requests)
{
    uint16_t home = centre_home(c, script, RING_NODE_NONE);
    assert(home != RING_NODE_NONE);
    struct server *s = &c->server[home];
    double us = c->traffic.script[script].cpu_us,
           room = (0.9 * s->capacity_us - s->bulk_us) * SLOT_SECONDS / us;
    double taken = room <= 0 ? 0 : room < requests ? room : requests;
    double sent = requests * (1 - 1.0 / c->config.traffic.servers);
    c->count.forwarded += (uint64_t)sent;
    c->count.bounced += (uint64_t)(sent * (1 - taken / requests));
    s->bulk_us += taken * us / SLOT_SECONDS;
    if (taken < requests)
        s->bulk_refused = 1 - (1 - s->bulk_refused) * taken / requests;
    run(c, home, script, 0);
    if (taken < requests)
        bulk_everywhere(c, script, requests - taken);
}

void centre_bulk(struct centre *c)
{
    const struct variant *v = c->config.variant;
    for (uint32_t i = 0; i < c->config.traffic.servers; i++)
        c->server[i].bulk_us = c->server[i].bulk_refused = 0;
    for (uint32_t i = 0; i < c->traffic.bulk_count; i++) {
        uint64_t requests = traffic_bulk(&c->traffic, i);
        c->count.requests += requests;
        c->count.bin_requests[bin_of(c)] += requests;
        if (requests == 0)
            continue;
        if (v->has_homes && !v->has_hot)
            bulk_at_home(c, i, (double)requests);
        else
            bulk_everywhere(c, i, (double)requests);
    }
}
