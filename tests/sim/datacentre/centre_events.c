#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "tests/sim/datacentre/centre.h"

enum { RESTARTED_ONE_IN = 10, DEPLOYED_DAILY = 1000 /* ranks below; the others every tenth day */ };

/* ---- churn ---- */

/* Scripts that are warm here and for which another server is home when this one is not: they are
 * started there. */
static void hand_over(struct centre *c, uint16_t from)
{
    const struct server *s = &c->server[from];
    for (uint32_t i = 0; i < c->config.traffic.scripts; i++) {
        if (server_find(s, i) && centre_home(c, i, RING_NODE_NONE) == from) {
            uint16_t next = centre_home(c, i, from);
            if (next != RING_NODE_NONE)
                centre_start_ahead(c, next, i, WARM_IDLE_NS);
        }
    }
}

/* And back: what will be at home here again, and is warm where it was meanwhile. */
static void take_over(struct centre *c, uint16_t to)
{
    for (uint32_t i = 0; i < c->config.traffic.scripts; i++) {
        uint16_t stand_in = centre_home(c, i, RING_NODE_NONE);
        c->server[to].state = NODE_SERVING;
        bool is_home = centre_home(c, i, RING_NODE_NONE) == to;
        c->server[to].state = NODE_JOINING;
        if (is_home && stand_in != RING_NODE_NONE && server_find(&c->server[stand_in], i))
            centre_start_ahead(c, to, i, WARM_IDLE_NS);
    }
}

static void join(struct centre *c, uint16_t server)
{
    struct server *s = &c->server[server];
    s->is_up = true;
    s->state = NODE_JOINING;
    s->due_ns = UINT64_MAX;
    if (c->config.variant->has_homes && c->config.variant->has_hand_over)
        take_over(c, server);
    s->state = NODE_SERVING;
}

static void lose(struct centre *c, uint16_t server)
{
    struct server *s = &c->server[server];
    server_restart(s);
    s->is_up = false;
    s->due_ns = c->now_ns + 10 * CENTRE_RESTART_NS;
    c->loss_ns = UINT64_MAX;
}

static void restart(struct centre *c, uint16_t server)
{
    struct server *s = &c->server[server];
    if (c->config.variant->has_homes && c->config.variant->has_hand_over)
        hand_over(c, server);
    s->state = NODE_DRAINING;
    server_restart(s);
    s->is_up = false;
    s->due_ns = c->now_ns + CENTRE_RESTART_NS;
}

static void run_churn(struct centre *c)
{
    uint32_t servers = c->config.traffic.servers;
    for (uint16_t i = 0; i < servers; i++) {
        struct server *s = &c->server[i];
        if (!s->is_up && s->state == NODE_SERVING) /* a second ago */
            s->state = NODE_DOWN;
        if (c->now_ns >= s->due_ns)
            join(c, i);
    }
    if (c->now_ns >= c->loss_ns)
        lose(c, (uint16_t)(servers / 2));
    if (c->now_ns >= c->next_restart_ns && c->restarts_begun < servers / RESTARTED_ONE_IN) {
        restart(c, (uint16_t)(c->restarts_begun++ * RESTARTED_ONE_IN));
        c->next_restart_ns = c->now_ns + c->restart_every_ns;
    }
}

/* ---- deploys ---- */

static void deploy(struct centre *c, uint32_t script)
{
    for (uint16_t i = 0; i < c->config.traffic.servers; i++) {
        struct server *s = &c->server[i];
        struct server_cell *old = server_find(s, script);
        if (!old)
            continue;
        server_drop(s, old, PAST_DEPLOYED);
        if (c->config.variant->has_hand_over)
            centre_start_ahead(c, i, script, WARM_IDLE_NS);
    }
}

static void run_deploys(struct centre *c)
{
    uint32_t scripts = c->config.traffic.scripts,
             daily = scripts < DEPLOYED_DAILY ? scripts : DEPLOYED_DAILY;
    double of_tail = (scripts - daily) / 10.0, a_day = daily + of_tail;
    c->deploys_due +=
        c->config.deploys * a_day * (double)TRAFFIC_SECOND_NS / (double)TRAFFIC_DAY_NS;
    for (; c->deploys_due >= 1; c->deploys_due -= 1) {
        bool is_tail = rng_chance(&c->rng, of_tail / a_day);
        deploy(c, is_tail ? daily + (uint32_t)rng_below(&c->rng, scripts - daily)
                          : (uint32_t)rng_below(&c->rng, daily));
    }
}

void centre_events(struct centre *c)
{
    run_churn(c);
    run_deploys(c);
}

/* ---- as it would be after days of this ---- */

struct aged {
    uint64_t age_ns;
    uint32_t script;
};

static int by_age(const void *a, const void *b)
{
    const struct aged *x = a, *y = b;
    return x->age_ns != y->age_ns  ? (x->age_ns < y->age_ns ? -1 : 1)
           : x->script < y->script ? -1
                                   : x->script > y->script;
}

/* Bursts per second of the script that this server sees, on average. */
static double rate_at(const struct centre *c, uint16_t server, uint32_t script)
{
    const struct variant *v = c->config.variant;
    const struct traffic_script *s = &c->traffic.script[script];
    uint32_t servers = c->config.traffic.servers;
    double bursts = s->rps / TRAFFIC_BURST_MEAN;
    bool is_everywhere = !v->has_homes || s->is_bulk ||
                         (v->has_hot && s->rps / servers * 1000 >= c->config.heat.enter_rps_milli);
    if (s->published_ns)
        return 0;
    if (is_everywhere)
        return bursts / servers;
    return c->successor[script][0] == server ? bursts : 0;
}

/* Ages are exponential, as those of Poisson processes are. The youngest fit, the others were
 * evicted. */
static void fill(struct centre *c, uint16_t server, struct aged *aged)
{
    struct server *s = &c->server[server];
    const struct warm_weights *w = &c->config.weights;
    uint32_t count = 0, fit = 0;
    size_t bytes = 0;
    for (uint32_t i = 0; i < c->config.traffic.scripts; i++) {
        double rate = rate_at(c, server, i),
               x = ((double)(rng_next(&c->rng) >> 11) + 0.5) * 0x1p-53;
        if (rate == 0)
            continue;
        double age_s = fmin(-log(x) / rate, 9 * 86400.0);
        aged[count++] = (struct aged){.age_ns = (uint64_t)(age_s * 1e9), .script = i};
        s->script[i].past = PAST_EVICTED;
        s->script[i].history =
            (struct warm_history){.asked_ns = c->now_ns - (uint64_t)(age_s * 1e9),
                                  .arrivals = (float)(rate * (double)w->memory_s),
                                  .seconds = w->memory_s,
                                  .reload_us = centre_start_us(c, i)};
    }
    qsort(aged, count, sizeof(*aged), by_age);
    while (fit < count && bytes + c->traffic.script[aged[fit].script].bytes <= c->config.bytes_max)
        bytes += c->traffic.script[aged[fit++].script].bytes;
    while (fit-- > 0) {
        uint32_t script = aged[fit].script;
        uint64_t used_ns = c->now_ns - aged[fit].age_ns;
        struct server_cell *i = server_start(s, script, c->traffic.script[script].bytes,
                                             centre_start_us(c, script), false, 0, used_ns);
        assert(i);
    }
    s->demand_us = 0;
}

void centre_fill(struct centre *c)
{
    struct aged *aged = calloc(c->config.traffic.scripts, sizeof(*aged));
    assert(aged);
    for (uint16_t i = 0; i < c->config.traffic.servers; i++)
        fill(c, i, aged);
    free(aged);
}
