/* A cluster of whole cores on virtual time, by seed: clients enter anywhere, scripts have their homes on the ring, and between the
 * nodes lies a network that loses, delays, reorders, doubles and corrupts.
 *
 *   caller 0..C -- net -- station N --+-- switch --+-- node 0: core, 2 runtimes
 *                                     |            +-- node 1 ...
 *                     attacker: sees every datagram between nodes, replays, bends and invents
 *
 * By seed, one or more of: overload (runtimes stall), a node killed and started again, a planned leave and join, an attacker, capabilities
 * that are forged, expired or revoked, scripts that call each other (and linger, and abandon what they called), deploys that reach one
 * node before the others, tables and memory that are much too small, calls that are none. Checked:
 *
 *   - each request is answered exactly once, with the bytes it asked for; it reaches one isolate, once, unless what ran it died,
 *     and then only if it may run again; body bytes arrive in order, each once (model_runtime)
 *   - it runs at its home, whichever node it enters, as long as nothing is wrong with the home
 *   - 503 only under overload, 502 only for what may not run again while a node died, a cut answer only while a node died
 *   - body bytes wasted on a bounce are at most W
 *   - a death is known everywhere within a second and a half; a planned leave and join causes no cold start
 *   - no datagram is taken twice, and none that no member sent; bad capabilities are refused and counted
 *   - at the end everything is back (model_cluster), and every frame is accounted for
 *
 *   sim_cluster [--seed S] [--count N] [--nodes N] [--trace]        a failure prints the command that repeats it
 */
#include <assert.h>
#include <string.h>

#include "drivers/aead.h"
#include "tests/sim/model_attacker.h"
#include "tests/sim/model_caller.h"
#include "tests/sim/model_cluster.h"

enum {
    CALLERS = 8,
    SCRIPTS = 40,
    REQUESTS_MAX = 20000,
    END_MS = 240 * 1000,
    DETECT_MS = 1500,
    OVERLOAD_ECHO_MS = 500, /* what had piled up is worked off */
};

const char sim_name[] = "sim_cluster";

struct record { /* of a request */
    uint32_t entry, entry_lives, script, starts[MODEL_DEPTH], colds;
    bool may_run_again; /* as far as its method goes */
    bool is_kept;       /* and its whole body is, until it is answered: so it will */
    bool is_answered;
    uint64_t opened_ns;
};

enum phase { PHASE_START, PHASE_FIRST_PASS, PHASE_LOAD, PHASE_END };

struct sim {
    struct cluster cluster;
    uint32_t nodes;
    /* the clients' station */
    struct net net;
    struct tx tx;
    struct counters counters;
    struct neighbours *neighbours;
    struct chunk_pool chunks;
    void *chunk_memory;
    struct tcp_env env;
    struct callers callers;
    struct caller caller[CALLERS];
    char host[CALLERS][16];
    struct record *record;
    uint32_t requests, quota, first_pass, next_id;
    uint32_t ends[5], by_status[6], bounced, forwarded;
    enum phase phase;
    /* what this seed has in store */
    bool has_overload, has_kill, has_leave, has_attacker, has_capabilities, has_bad_calls,
        has_deploys;
    bool is_small, is_short; /* tables; chunks */
    bool is_corrupt;         /* frames between nodes arrive bent at times */
    uint64_t overload_ns, event_ns, killed_ns, load_ns, quiet_ns;
    uint32_t victim, step, deploys;
    bool is_stopping;
    uint32_t rpc_loss; /* of datagrams between nodes, per mille, beside what the wires lose */
    uint32_t cold_at_load;
    struct attacker attacker;
    uint64_t datagrams, attack_ns; /* datagrams: between nodes, as the switch saw them */
};

/* ---- requests ---- */

static bool is_disturbed(const struct sim *s)
{
    return s->has_overload || s->has_kill || s->has_leave || s->has_deploys || s->is_small ||
           s->is_short;
}

static void on_started(void *arg, struct model_runtime *m, uint32_t id, uint32_t depth,
                       bool is_cold)
{
    struct sim *s = arg;
    CHECK(id > 0 && id < s->next_id, "a request %u that nobody made", id);
    struct record *r = &s->record[id];
    r->colds += is_cold;
    if (depth >= MODEL_DEPTH)
        return; /* on the side */
    /* What a dead node had called runs on until its death is known. */
    CHECK(!r->is_answered || (depth > 0 && s->killed_ns), "request %u starts behind its answer",
          id);
    uint32_t starts = ++r->starts[depth];
    TRACE("request %u.%u starts%s (%u)", id, depth, is_cold ? " cold" : "", starts);
    CHECK(starts == 1 || (r->may_run_again && s->killed_ns), "request %u.%u ran %u times", id,
          depth, starts);
    CHECK(depth == 0 || r->starts[depth - 1] > 0, "request %u.%u comes from nowhere", id, depth);
}

static uint32_t pick_entry(struct sim *s)
{
    for (;;) {
        uint32_t node = below(s->nodes);
        if ((s->has_kill || s->has_leave) && node == s->victim)
            continue;
        if (cluster_is_up(&s->cluster, node))
            return node;
    }
}

/* The runtime process that a script has on every node (core_link_of). */
static uint32_t runtime_of(const struct sim *s, uint32_t script)
{
    return (uint32_t)(s->cluster.scripts[script].id_hash >> 32) % CLUSTER_RUNTIMES;
}

static void open_request(struct sim *s, struct caller *c)
{
    struct caller_request q = {.host = s->host[c->index], .leave_ns = UINT64_MAX};
    uint32_t id = s->next_id++;
    struct record *r = &s->record[id];
    bool is_first = s->phase == PHASE_FIRST_PASS;
    *r = (struct record){.entry = pick_entry(s), .opened_ns = sim_now_ns};
    r->entry_lives = s->cluster.node[r->entry].lives;
    r->script = is_first ? s->first_pass++ : below(SCRIPTS);
    q.id = id;
    q.server_ip = s->cluster.node[r->entry].ip;
    q.bytes = chance(20) ? below(300000) : below(4000);
    q.answer = ANSWER_GENERATE;
    q.method = "GET";
    if (!is_first && chance(50)) {
        q.answer = ANSWER_ECHO;
        q.method = chance(50) ? "POST" : "PUT";
        q.body_bytes = q.bytes;
    }
    q.crawls = chance(10);
    if (!is_first && chance(5))
        q.leave_ns = sim_now_ns + below(60) * 1000000ull;
    r->may_run_again = strcmp(q.method, "POST") != 0;
    r->is_kept = r->may_run_again && q.body_bytes <= s->cluster.config.tune.optimistic_bytes;
    snprintf(s->host[c->index], sizeof(s->host[c->index]), "s%u.test", r->script);
    s->requests++;
    TRACE("request %u: %s s%u (home %u, runtime %u) at node %u, %u bytes%s", id, q.method,
          r->script, cluster_home(&s->cluster, r->script), runtime_of(s, r->script), r->entry,
          q.bytes, q.crawls ? ", crawling" : "");
    caller_open(&s->callers, c, &q);
}

static void check_home(struct sim *s, const struct caller *c, const struct record *r)
{
    char home[64] = "", path[16] = "";
    caller_field(c, "x-hearth-home", home, sizeof(home));
    caller_field(c, "x-hearth-path", path, sizeof(path));
    s->forwarded += strcmp(path, "forwarded") == 0;
    s->bounced += strcmp(path, "bounced") == 0;
    if (is_disturbed(s))
        return;
    uint32_t right = cluster_home(&s->cluster, r->script);
    CHECK(strcmp(home, s->cluster.member[right].name) == 0, "request %u: home %s, not %s",
          c->request.id, home, s->cluster.member[right].name);
    CHECK(strcmp(path, right == r->entry ? "here" : "forwarded") == 0, "request %u at node %u: %s",
          c->request.id, r->entry, path);
}

/* A node was killed so late that this request can have been on it. */
static bool saw_death(const struct sim *s, const struct record *r)
{
    return s->killed_ns && r->opened_ns < s->killed_ns + DETECT_MS * 1000000ull;
}

/* The node that it entered was overloaded too, or a little before: nobody was left to run it. */
static bool saw_stall(const struct sim *s, const struct record *r)
{
    const struct model_runtime *m = &s->cluster.node[r->entry].runtime[runtime_of(s, r->script)];
    return s->has_overload && m->stalled_until_ns + OVERLOAD_ECHO_MS * 1000000ull > r->opened_ns;
}

/* What a script called was refused behind the head: it can only fail. */
static bool has_relay_trouble(const struct sim *s)
{
    return s->cluster.config.relays && (s->is_small || s->is_short);
}

static void on_done(void *arg, struct caller *c, enum caller_end how)
{
    struct sim *s = arg;
    uint32_t id = c->request.id;
    struct record *r = &s->record[id];
    r->is_answered = how == CALLER_ANSWERED;
    s->ends[how]++;
    TRACE("request %u: %s %d, %u bytes", id,
          (const char *[]){"answered", "cut", "lost", "stuck", "left"}[how], c->status, c->body_at);
    bool entry_died =
        s->cluster.node[r->entry].lives != r->entry_lives || !cluster_is_up(&s->cluster, r->entry);
    if (how == CALLER_LEFT || entry_died)
        return;
    bool may_be_cut = how == CALLER_CUT && (saw_death(s, r) || s->is_short || has_relay_trouble(s));
    CHECK(how == CALLER_ANSWERED || may_be_cut || (how == CALLER_LOST && s->is_short),
          "request %u at node %u ends %s after %u bytes", id, r->entry,
          how == CALLER_CUT    ? "in the middle"
          : how == CALLER_LOST ? "without an answer"
                               : "never",
          c->body_at);
    if (how != CALLER_ANSWERED)
        return;
    s->by_status[c->status / 100]++;
    switch (c->status) {
    case 200:
        CHECK(c->body_at == c->request.bytes, "request %u: %u bytes, not %u", id, c->body_at,
              c->request.bytes);
        CHECK(r->starts[0] >= 1, "request %u was answered by nobody", id);
        check_home(s, c, r);
        return;
    case 502:
        CHECK((saw_death(s, r) && !r->is_kept) || s->is_short, "request %u: 502", id);
        return;
    case 503:
        CHECK(saw_stall(s, r) || s->is_small || s->is_short ||
                  (s->cluster.config.relays && (s->has_overload || saw_death(s, r))),
              "request %u: 503", id);
        return;
    default:
        CHECK(false, "request %u: status %d", id, c->status);
    }
}

/* ---- the clients' station ---- */

static void start_clients(struct sim *s, struct port_sim_faults faults)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 100};
    struct net_config net = {.mtu = s->cluster.config.mtu, .address_count = 1};
    memcpy(net.mac, mac, 6);
    bool ok = net_parse_address("10.0.0.100/24", &net.address[0]);
    assert(ok);
    s->neighbours = aligned_alloc(64, (neighbours_bytes() + 63) & ~(size_t)63);
    neighbours_init(s->neighbours, 2);
    tx_init(&s->tx, sim_switch_plug(s->cluster.net, mac, faults), 0, &s->counters);
    net_init(&s->net, &net, s->neighbours, &s->counters, &s->tx);
    s->chunk_memory = aligned_alloc(64, sizeof(struct chunk) * 8192);
    chunk_pool_init(&s->chunks, s->chunk_memory, 8192);
    s->env = (struct tcp_env){
        .pool = &s->chunks, .counters = &s->counters, .mss_max = (uint16_t)(net.mtu - 40)};
    s->callers = (struct callers){.net = &s->net,
                                  .env = &s->env,
                                  .patience_ns = 30ull * 1000000000,
                                  .last_port = 10000,
                                  .done = on_done,
                                  .arg = s};
    for (uint32_t i = 0; i < CALLERS; i++)
        s->caller[i].index = i;
}

static void clients_work(struct sim *s)
{
    struct frame frame[PORT_BURST];
    uint16_t n;
    while ((n = port_rx(s->tx.port, 0, frame, PORT_BURST)) > 0) {
        for (uint16_t i = 0; i < n; i++) {
            struct net_packet p;
            struct tcp_segment seg;
            if (net_input(&s->net, &frame[i], sim_now_ns, &p) != NET_TCP ||
                !tcp_segment_parse(&seg, p.l4, p.l4_bytes))
                continue;
            for (uint32_t k = 0; k < CALLERS; k++) {
                if (s->caller[k].is_open && s->caller[k].port == seg.dst_port)
                    tcp_input(&s->caller[k].tcp, &seg, sim_now_ns);
            }
        }
        port_free(s->tx.port, 0, frame, n);
    }
    for (uint32_t i = 0; i < CALLERS; i++)
        caller_work(&s->callers, &s->caller[i]);
    tx_flush(&s->tx);
}

static bool is_quiet(const struct sim *s)
{
    for (uint32_t i = 0; i < CALLERS; i++) {
        if (s->caller[i].is_open)
            return false;
    }
    return true;
}

/* ---- between the nodes ---- */

static bool on_frame(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to)
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

static uint32_t cold_starts(const struct sim *s)
{
    uint32_t sum = 0;
    for (uint32_t id = 1; id < s->next_id; id++)
        sum += s->record[id].colds;
    return sum;
}

static void run_events(struct sim *s)
{
    if (s->phase != PHASE_LOAD)
        return;
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

static void open_some(struct sim *s)
{
    for (uint32_t i = 0; i < CALLERS; i++) {
        bool is_first = s->phase == PHASE_FIRST_PASS;
        if (s->caller[i].is_open || (is_first && s->first_pass == SCRIPTS) ||
            (!is_first && s->requests >= s->quota))
            continue;
        if (is_first || chance(20))
            open_request(s, &s->caller[i]);
    }
}

static bool are_events_over(const struct sim *s)
{
    if (s->has_kill || s->has_leave)
        return s->event_ns == UINT64_MAX && cluster_is_settled(&s->cluster);
    return true;
}

/* A client whose reset was lost is there until the stall timeout; what ran for it elsewhere a little longer. */
static bool is_idle(const struct sim *s)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct core *core = s->cluster.node[i].core;
        if (core->conn_count > 0 || calls_live(core->calls) > 0 || served_live(core->served) > 0)
            return false;
    }
    return true;
}

/* True: all is over. */
static bool run_phase(struct sim *s)
{
    switch (s->phase) {
    case PHASE_START:
        if (!cluster_is_settled(&s->cluster))
            break;
        TRACE("settled");
        s->phase = PHASE_FIRST_PASS;
        break;
    case PHASE_FIRST_PASS:
        open_some(s);
        if (s->first_pass < SCRIPTS || !is_quiet(s))
            break;
        TRACE("first pass done");
        s->phase = PHASE_LOAD;
        s->load_ns = sim_now_ns;
        s->event_ns = sim_now_ns + below(1500) * 1000000ull;
        s->overload_ns = s->attack_ns = sim_now_ns;
        s->cold_at_load = cold_starts(s);
        break;
    case PHASE_LOAD:
        run_events(s);
        if (s->requests >= s->quota && !are_events_over(s) && s->next_id + CALLERS < REQUESTS_MAX)
            s->quota = s->requests + CALLERS;
        open_some(s);
        if (s->requests < s->quota || !is_quiet(s))
            break;
        CHECK(are_events_over(s), "the nodes never settle: node %u in step %u, %u calls, %u served",
              s->victim, s->step,
              s->cluster.node[s->victim].core ? calls_live(s->cluster.node[s->victim].core->calls)
                                              : 0,
              s->cluster.node[s->victim].core ? served_live(s->cluster.node[s->victim].core->served)
                                              : 0);
        s->phase = PHASE_END;
        /* The last events, and what servers do behind their answers. */
        s->quiet_ns = sim_now_ns + 3000 * 1000000ull;
        break;
    case PHASE_END:
        return sim_now_ns >= s->quiet_ns && is_idle(s);
    }
    return false;
}

/* ---- the end ---- */

static void check_books(struct sim *s)
{
    struct cluster *c = &s->cluster;
    uint64_t bounced = CLUSTER_COUNT(c, call_bounced), wasted = CLUSTER_COUNT(c, call_wasted_bytes);
    CHECK(wasted <= bounced * c->config.tune.optimistic_bytes, "%lu bytes wasted on %lu bounces",
          (unsigned long)wasted, (unsigned long)bounced);
    CHECK(bounced == 0 || is_disturbed(s), "%lu bounces for nothing", (unsigned long)bounced);
    CHECK(CLUSTER_COUNT(c, rpc_bad_frame) == 0, "a member broke the protocol");
    CHECK(CLUSTER_COUNT(c, rpc_ring_differs) == 0, "equal rings differ");
    uint64_t taken = CLUSTER_COUNT(c, rx_rpc);
    CHECK(taken <= s->datagrams + s->attacker.injected_inits, "%lu datagrams taken, %lu sent",
          (unsigned long)taken, (unsigned long)s->datagrams);
    if (!s->has_kill && !s->has_leave) {
        CHECK(CLUSTER_COUNT(c, rpc_down) == 0, "a channel was lost");
        CHECK(CLUSTER_COUNT(c, capability_forged) == s->attacker.forged,
              "%lu forged capabilities, not %lu",
              (unsigned long)CLUSTER_COUNT(c, capability_forged),
              (unsigned long)s->attacker.forged);
        CHECK(CLUSTER_COUNT(c, capability_expired) == s->attacker.expired, "expired capabilities");
        CHECK(CLUSTER_COUNT(c, capability_spent) == s->attacker.revoked,
              "%lu spent capabilities, not %lu", (unsigned long)CLUSTER_COUNT(c, capability_spent),
              (unsigned long)s->attacker.revoked);
    }
    /* Nothing guards an ARP reply here as a frame check sequence would: a bent one hides a node for a second. */
    bool is_plain =
        !s->has_overload && !s->has_deploys && !s->is_small && !s->is_short && !s->is_corrupt;
    if (s->has_leave && is_plain)
        CHECK(cold_starts(s) == s->cold_at_load, "a planned leave and join cost %u cold starts",
              cold_starts(s) - s->cold_at_load);
    CHECK(s->nodes == 1 || s->forwarded > 0 || s->is_small, "nothing was forwarded");
}

static void sim_start(struct sim *s, uint32_t nodes)
{
    s->nodes = nodes;
    s->record = calloc(REQUESTS_MAX, sizeof(*s->record));
    s->next_id = 1;
    s->quota = SCRIPTS + 150 + below(250);
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
                                    .make_us = 5000,
                                    .mtu = chance(20) ? 9000 : 1500,
                                    .tune = world_tune_default,
                                    .faults = faults,
                                    .corrupt = corrupt,
                                    .started = on_started,
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
    cluster_init(&s->cluster, &config);
    sim_switch_set_tap(s->cluster.net, on_frame, s);
    start_clients(s, faults);
    for (uint32_t i = 0; i < nodes; i++)
        cluster_start(&s->cluster, i);
}

/* Over all seeds: a run that never bounced, or lost nothing, proves nothing. */
static struct {
    uint64_t answered, failed, cut, forwarded, bounced, bounces, rerun, handed, lost_packets,
        datagrams, injected, refused_datagrams, capabilities;
} total;

static void add_up(struct sim *s)
{
    struct cluster *c = &s->cluster;
    total.answered += s->by_status[2];
    total.failed += s->by_status[5];
    total.cut += s->ends[CALLER_CUT];
    total.forwarded += s->forwarded;
    total.bounced += s->bounced;
    total.bounces += CLUSTER_COUNT(c, call_bounced);
    total.rerun += CLUSTER_COUNT(c, job_rerun);
    total.handed += CLUSTER_COUNT(c, handover_taken);
    total.lost_packets += CLUSTER_COUNT(c, rpc_lost_packets);
    total.datagrams += CLUSTER_COUNT(c, rx_rpc);
    total.injected += s->attacker.injected;
    total.refused_datagrams += CLUSTER_COUNT(c, drop_rpc_bad) + CLUSTER_COUNT(c, drop_rpc_rate) +
                               CLUSTER_COUNT(c, drop_rpc_auth) + CLUSTER_COUNT(c, drop_rpc_replay) +
                               CLUSTER_COUNT(c, drop_rpc_index);
    total.capabilities += s->attacker.forged + s->attacker.expired + s->attacker.revoked;
}

static void sim_end(struct sim *s)
{
    add_up(s);
    for (uint32_t i = 0; i < s->nodes; i++)
        cluster_stop(&s->cluster, i);
    check_books(s);
    TRACE("answered %u (2xx %u, 5xx %u), cut %u, left %u; forwarded %u, bounced %u; %lu datagrams, "
          "%lu injected",
          s->ends[CALLER_ANSWERED], s->by_status[2], s->by_status[5], s->ends[CALLER_CUT],
          s->ends[CALLER_LEFT], s->forwarded, s->bounced, (unsigned long)s->datagrams,
          (unsigned long)s->attacker.injected);
    CHECK(s->chunks.free_count == s->chunks.count, "client chunks lost");
    tx_fini(&s->tx);
    cluster_fini(&s->cluster);
    free(s->neighbours);
    free(s->chunk_memory);
    free(s->record);
    free(s);
}

static uint64_t clients_next_ns(const struct sim *s)
{
    uint64_t next = s->phase == PHASE_END && sim_now_ns < s->quiet_ns ? s->quiet_ns : UINT64_MAX;
    for (uint32_t i = 0; i < CALLERS; i++) {
        uint64_t at = caller_next_ns(&s->callers, &s->caller[i]);
        if (at < next)
            next = at;
    }
    bool has_more = s->phase == PHASE_FIRST_PASS || s->requests < s->quota;
    if (s->phase == PHASE_LOAD && s->event_ns < next)
        next = s->event_ns;
    return s->phase == PHASE_LOAD && has_more ? sim_now_ns : next;
}

static void sim_run(uint64_t seed, uint32_t nodes)
{
    sim_seed_with(seed);
    struct sim *s = calloc(1, sizeof(*s));
    sim_start(s, nodes ? nodes : 2 + below(3));
    while (!run_phase(s)) {
        CHECK(sim_now_ns < END_MS * 1000000ull, "not over in %d virtual seconds", END_MS / 1000);
        cluster_work(&s->cluster);
        clients_work(s);
        cluster_advance(&s->cluster, clients_next_ns(s));
    }
    sim_end(s);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1;
    uint32_t nodes = 0;
    static char arguments[32];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--nodes") == 0 && i + 1 < argc) {
            nodes = (uint32_t)strtoul(argv[++i], NULL, 0);
            snprintf(arguments, sizeof(arguments), "--nodes %u", nodes);
            sim_arguments = arguments;
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else {
            fprintf(stderr, "usage: sim_cluster [--seed S] [--count N] [--nodes N] [--trace]\n");
            return 2;
        }
    }
    if (nodes > CLUSTER_NODES_MAX)
        nodes = CLUSTER_NODES_MAX;
    if (aead_init() < 0) {
        fprintf(stderr, "sim_cluster: no AEAD engine\n");
        return 2;
    }
    for (uint64_t i = 0; i < count; i++)
        sim_run(first + i, nodes);
    aead_fini();
    printf("sim_cluster: %lu answers, %lu forwarded, %lu bounced (%lu bounces), %lu run again, %lu "
           "with 5xx, %lu cut; "
           "%lu handed over; %lu datagrams, %lu lost, %lu injected, %lu refused; %lu bad "
           "capabilities\n",
           total.answered, total.forwarded, total.bounced, total.bounces, total.rerun, total.failed,
           total.cut, total.handed, total.datagrams, total.lost_packets, total.injected,
           total.refused_datagrams, total.capabilities);
    printf("sim_cluster: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
