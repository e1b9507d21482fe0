#include "tests/sim/cluster_parts.h"

bool weather_on_frame(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to)
{
    struct sim *s = arg;
    if (!attacker_is_rpc(frame, len))
        return true;
    s->datagrams++;
    bool is_lost = s->rpc_loss > 0 && below(1000) < s->rpc_loss;
    /* Not what is lost: a delayed word of a dead node would be news. */
    if (s->has_attacker && !is_lost)
        attacker_hear(&s->attacker, frame, len);
    return !is_lost;
}

/* ---- what happens ---- */

static void overload(struct sim *s)
{
    uint32_t node = below(s->nodes);
    struct cluster_node *n = &s->cluster.node[node];
    s->overload_ns = sim_now_ns + below(800) * 1000000ull;
    if (!n->core)
        return;
    struct model_runtime *m = &n->runtime[below(CLUSTER_RUNTIMES)];
    m->stalled_until_ns = sim_now_ns + (50 + below(600)) * 1000000ull;
    TRACE("runtime %u of node %u stalls for %lu us", (unsigned)(m - n->runtime), node,
          (unsigned long)(m->stalled_until_ns - sim_now_ns) / 1000);
}

/* Kill, and start again. */
static void run_kill(struct sim *s)
{
    if (sim_now_ns < s->event_ns)
        return;
    switch (s->step++) {
    case 0:
        cluster_kill(&s->cluster, s->victim);
        attacker_forget_data(&s->attacker);
        s->killed_ns = sim_now_ns;
        s->event_ns = sim_now_ns + DETECT_MS * 1000000ull;
        break;
    case 1:
        for (uint32_t i = 0; i < s->nodes; i++)
            CHECK(i == s->victim ||
                      peers_state(s->cluster.node[i].core->peers, (uint16_t)s->victim) == NODE_DOWN,
                  "node %u has not seen that node %u is dead", i, s->victim);
        s->event_ns = sim_now_ns + below(2000) * 1000000ull;
        break;
    case 2:
        cluster_start(&s->cluster, s->victim);
        s->event_ns = UINT64_MAX;
        break;
    }
}

/* Leave, end, start again, join. */
static void run_leave(struct sim *s)
{
    if (sim_now_ns < s->event_ns)
        return;
    switch (s->step) {
    case 0:
        cluster_drain(&s->cluster, s->victim);
        s->event_ns = sim_now_ns;
        s->step++;
        break;
    case 1: /* its calls end */
        if (cluster_state(&s->cluster, s->victim) != NODE_DRAINING)
            break;
        CHECK(sim_now_ns < s->cluster.node[s->victim].state_since_ns + 100 * 1000000ull ||
                  s->event_ns <= sim_now_ns,
              "time");
        s->event_ns = sim_now_ns + below(3000) * 1000000ull;
        s->step++;
        s->is_stopping = chance(70);
        break;
    case 2:
        if (s->is_stopping)
            core_stop(s->cluster.node[s->victim].core, END_MS);
        s->step++;
        break;
    case 3:
        if (s->is_stopping && !core_is_drained(s->cluster.node[s->victim].core))
            break; /* a crawling client still reads from it */
        if (!s->is_stopping) {
            cluster_undrain(&s->cluster, s->victim);
        } else {
            cluster_stop(&s->cluster, s->victim);
            cluster_start(&s->cluster, s->victim);
        }
        s->event_ns = UINT64_MAX;
        s->step++;
        break;
    }
}
void weather_load_begins(struct sim *s)
{
    s->event_ns = sim_now_ns + below(1500) * 1000000ull;
    s->overload_ns = s->attack_ns = sim_now_ns;
    s->cold_at_load = books_cold_starts(s);
}

void weather_run(struct sim *s)
{
    if (s->has_overload && sim_now_ns >= s->overload_ns)
        overload(s);
    if (s->has_kill)
        run_kill(s);
    if (s->has_leave)
        run_leave(s);
    if (s->has_attacker && sim_now_ns >= s->attack_ns) {
        attacker_strike(&s->attacker, &s->cluster);
        s->attack_ns = sim_now_ns + below(20) * 1000000ull;
    }
    if (s->has_deploys && chance(1) && chance(20)) {
        uint32_t node = below(s->nodes), script = below(8);
        if (cluster_is_up(&s->cluster, node) && s->deploys++ < 60)
            cluster_deploy(&s->cluster, node, script);
    }
    if (s->has_capabilities && chance(1))
        attacker_misuse_sink(&s->attacker, &s->cluster);
    if (s->has_bad_calls && chance(2))
        attacker_misuse_stream(&s->attacker, &s->cluster);
}

bool weather_is_over(const struct sim *s)
{
    if (s->has_kill || s->has_leave)
        return s->event_ns == UINT64_MAX && cluster_is_settled(&s->cluster);
    return true;
}

struct cluster_config weather_draw(struct sim *s, uint32_t nodes)
{
    s->nodes = nodes;
    struct port_sim_faults faults = {.delay_ns = below(1000) * 1000ull,
                                     .jitter_ns = below(2000) * 1000ull};
    double corrupt = 0;
    if (chance(70)) {
        /* Clients' TCP is sim_tcp's and sim_core's business: with more, connections end by their own timeouts. */
        faults.loss = below(5) / 1000.0;
        faults.duplicate = below(4) / 100.0;
        corrupt = below(10) / 1000.0;
        s->is_corrupt = corrupt > 0;
        s->rpc_loss = below(80);
    }
    s->has_overload = chance(30);
    s->has_kill = nodes > 1 && chance(30);
    s->has_leave = nodes > 1 && !s->has_kill && chance(30);
    s->has_attacker = chance(40);
    s->has_capabilities = chance(40);
    s->has_bad_calls = chance(30);
    s->victim = below(nodes);
    s->has_deploys = chance(25);
    s->is_small = chance(15);
    s->is_short = chance(15);
    struct cluster_config config = {.nodes = nodes,
                                    .scripts = SCRIPTS,
                                    .chunks = s->is_short ? 600 + below(1500) : 16384,
                                    .calls = s->is_small ? 8 + below(24) : 0,
                                    .served = s->is_small ? 2 + below(8) : 0,
                                    .streams = s->is_small ? 8 + below(32) : 0,
                                    .relays = chance(50),
                                    .make_us = 5000 + below(50000),
                                    .mtu = chance(20) ? 9000 : 1500,
                                    .tune = world_tune_default,
                                    .faults = faults,
                                    .corrupt = corrupt,
                                    .started = books_on_started,
                                    .arg = s};
    if (chance(30))
        config.tune.optimistic_bytes = 4096 + below(60000);
    TRACE("loss %.3f and %u, corrupt %.3f,%s%s%s%s%s%s%s%s%s%s victim %u", faults.loss, s->rpc_loss,
          corrupt, s->has_bad_calls ? " bad calls," : "", s->has_deploys ? " deploys," : "",
          s->is_small ? " small," : "", s->is_short ? " short," : "",
          config.relays ? " relays," : "", s->has_overload ? " overload," : "",
          s->has_kill ? " kill," : "", s->has_leave ? " leave," : "",
          s->has_attacker ? " attacker," : "", s->has_capabilities ? " bad capabilities," : "",
          s->victim);
    return config;
}
