/* A dp core under a crowd, on virtual time, by seed: a few guests who ask for something now and
 * then on connections that they keep, and among them those who take all there is.
 *
 *   guests, crowd -- station (many addresses) ==wire== core -- region -- model_cells
 *
 * The crowd, by seed: keepers make one request each and keep the connection; mutes connect and say
 * nothing; both from one address or from many, more of them than there are connections. Holders,
 * all at one address, owe the bodies of their requests for ever. Strays are SYNs from addresses of
 * the link that nobody has. The gateway, behind which some are, stops
 * answering.
 *
 * Checked: every guest gets in, and is answered, whatever the others hold; no connection ends under
 * a request that was acknowledged, anybody's; what the core tries to send is bounded by what came
 * in; at the end all is back, and every frame is accounted for.
 */
#include "tests/sim/doors.h"

#include <assert.h>
#include <string.h>

#include "dataplane/call/call.h"
#include "dataplane/core/core.h"
#include "dataplane/core_state.h"
#include "dataplane/world/route.h"
#include "drivers/port_sim.h"
#include "tests/sim/model_caller.h"
#include "tests/sim/model_cells.h"

enum {
    GUESTS = 4,
    CROWD_MAX = 160,
    CALLERS = GUESTS + CROWD_MAX,
    CONNS_MIN = 16,
    CONNS_SPAN = 48,
    CROWD_ADDRESSES = 10,
    TICK_NS = 50 * 1000,
    LOAD_MS = 12 * 1000,
    QUIET_MS = 150 * 1000, /* from the end of the load until every connection is gone */
    PATIENCE_MS = 8 * 1000,
    STALE_MS = NEIGHBOUR_STALE_S * 1000,
};

#define MS 1000000ull

enum crowd {
    CROWD_KEEPERS,
    CROWD_MUTES,
    CROWD_BOTH,
    CROWD_HOLDERS,
    CROWD_STRAYS,
    CROWD_NO_GATEWAY,
    CROWDS
};

struct sim {
    struct clock clock;
    struct port_sim_wire *wire;
    struct core *core;
    struct neighbours *core_neighbours;
    struct model_cells cells;
    struct station station;
    struct callers callers;
    struct caller caller[CALLERS];
    uint64_t opens_ns[CALLERS];
    const uint8_t *address[CROWD_ADDRESSES];
    uint32_t address_count; /* of the crowd; the guests have the station's own and the last one */
    const uint8_t *server_ip;
    enum crowd crowd;
    uint32_t crowd_count, next_id, answered, turned_away, strays;
    uint64_t end_ns, next_stray_ns, stray_gap_ns, next_look_ns;
    uint64_t tries_seen, frames_seen;
    uint64_t deaf_from_ns; /* the gateway's end */
    bool is_over;
    struct world world;
    struct world_shared shared;
    struct world_script script;
    struct world_member member;
    uint32_t script_index[2];
};

static const uint8_t core_mac[6] = {2, 0, 0, 0, 0, 1};

static bool is_guest(const struct caller *c)
{
    return c->index < GUESTS;
}

/* ---- start ---- */

static void start_world(struct sim *s)
{
    char error[160] = "";
    struct route_source route = {.pattern = "sim.test", .script = 0};
    s->script = (struct world_script){.handle = 7, .id_hash = 98, .name = "sim"};
    s->script_index[98 & 1] = 1;
    s->member = (struct world_member){.name = "sim", .id = 1, .cores = 1};
    s->world = (struct world){
        .epoch = 1,
        .node = "sim",
        .limits = {.hello_timeout_ms = HELLO_TIMEOUT_MS,
                   .head_timeout_ms = HTTP_HEAD_TIMEOUT_MS,
                   .idle_timeout_ms = HTTP_IDLE_TIMEOUT_MS,
                   .stall_timeout_ms = HTTP_BODY_STALL_MS},
        .routes = routes_build(&route, 1, 1, error, sizeof(error)),
        .script_count = 1,
        .scripts = &s->script,
        .script_index = s->script_index,
        .script_index_mask = 1,
        .tune = world_tune_default,
        .cluster = {.member_count = 1, .member = &s->member, .own_state = NODE_SERVING}};
    CHECK(s->world.routes, "%s", error);
    atomic_store(&s->shared.current, &s->world);
}

static void start_core(struct sim *s)
{
    char error[160] = "";
    struct net_config net = {.mtu = 1500, .address_count = 1};
    struct net_address gateway;
    memcpy(net.mac, core_mac, 6);
    bool ok = net_parse_address("10.0.0.1/16", &net.address[0]) &&
              net_parse_address("10.0.0.100", &gateway);
    assert(ok);
    memcpy(net.gateway4, gateway.ip, 16);
    struct core_config config = {.cores = 1,
                                 .port = port_sim_end(s->wire, 1, core_mac),
                                 .net = &net,
                                 .neighbours = s->core_neighbours =
                                     sim_take(neighbours_bytes(), -1),
                                 .world = &s->shared,
                                 .clock = &s->clock,
                                 .memory = {.take = sim_take, .give = free},
                                 .plain_port = 80,
                                 .tls_port = 443,
                                 .conns_max = CONNS_MIN + below(CONNS_SPAN),
                                 .chunks = 8192,
                                 .mail = s->cells.mail,
                                 .larges = MODEL_LARGES,
                                 .jobs_max = MODEL_JOBS,
                                 .numa_node = -1,
                                 .secret = {rng(), rng(), rng(), rng()}};
    neighbours_init(s->core_neighbours, rng());
    s->core = core_create(&config, error, sizeof(error));
    CHECK(s->core, "%s", error);
    s->cells.bell = core_wake_fd(s->core);
    s->server_ip = s->core->net.config.address[0].ip;
}

static void done(void *arg, struct caller *, enum caller_end);

/* On the link and behind the gateway, which is the station too. */
static void start_station(struct sim *s)
{
    char text[32];
    station_init(&s->station, port_sim_end(s->wire, 0, station_mac), 1500, 65536);
    for (uint32_t i = 0; i < CROWD_ADDRESSES; i++) {
        bool is_far = s->crowd == CROWD_NO_GATEWAY || chance(50);
        snprintf(text, sizeof(text), is_far ? "192.0.%u.7/32" : "10.0.1.%u/32", 1 + i);
        s->address[i] = station_add_address(&s->station, text);
    }
    s->callers = (struct callers){.station = &s->station,
                                  .patience_ns = PATIENCE_MS * MS,
                                  .last_port = 10000,
                                  .done = done,
                                  .arg = s};
}

static struct sim *sim_start(void)
{
    struct sim *s = calloc(1, sizeof(*s));
    struct port_sim_faults faults = {.delay_ns = below(20) * MS, .jitter_ns = below(2) * MS};
    clock_init_virtual(&s->clock, 1000000000);
    sim_now_ns = s->clock.virtual_ns;
    s->crowd = (enum crowd)below(CROWDS);
    s->address_count = s->crowd == CROWD_HOLDERS || chance(50) ? 1 : CROWD_ADDRESSES - 1;
    if (s->address_count == 1 && chance(50))
        faults.loss = below(3) / 100.0;
    s->wire = port_sim_wire_create(&s->clock, rng(), 1500, faults, faults);
    start_world(s);
    model_cells_init(&s->cells, &s->world, 1, 0, &(struct model_manner){.make_us = 0}, NULL);
    start_core(s);
    start_station(s);
    s->crowd_count = s->crowd < CROWD_STRAYS ? s->core->config.conns_max * 2 + below(32) : 8;
    s->stray_gap_ns = s->crowd == CROWD_STRAYS ? (1 + below(20)) * MS : UINT64_MAX;
    s->next_stray_ns = s->crowd == CROWD_STRAYS ? sim_now_ns : UINT64_MAX;
    s->end_ns = sim_now_ns + LOAD_MS * MS;
    s->deaf_from_ns = UINT64_MAX;
    if (s->crowd == CROWD_NO_GATEWAY) {
        s->end_ns += STALE_MS * MS;
        s->deaf_from_ns = sim_now_ns + (3000 + below(LOAD_MS)) * MS;
    }
    for (uint32_t i = 0; i < CALLERS; i++) {
        s->caller[i].index = i;
        s->opens_ns[i] = sim_now_ns + below(2000) * MS;
    }
    s->next_id = 1;
    TRACE("crowd %d of %u from %u addresses, %u connections", s->crowd, s->crowd_count,
          s->address_count, s->core->config.conns_max);
    return s;
}

/* ---- guests and crowd ---- */

static struct caller_request request_of(struct sim *s, const struct caller *c)
{
    struct caller_request q = {.method = "GET",
                               .host = "sim.test",
                               .server_ip = s->server_ip,
                               .answer = ANSWER_GENERATE,
                               .keeps = true,
                               .leave_ns = UINT64_MAX,
                               .id = s->next_id++};
    q.bytes = chance(10) ? below(100000) : below(3000);
    if (is_guest(c)) {
        if (c->index & 1)
            q.from_ip = s->address[CROWD_ADDRESSES - 1];
        return q;
    }
    q.from_ip = s->address[c->index % s->address_count];
    if (s->crowd == CROWD_HOLDERS) {
        q.method = "POST";
        q.answer = ANSWER_ECHO;
        q.body_bytes = q.bytes = 1 + below(100000);
        q.withholds = true;
    }
    q.is_mute = s->crowd == CROWD_MUTES || (s->crowd == CROWD_BOTH && (c->index & 1));
    if (q.is_mute && (c->index & 2))
        q.server_port = 443;
    return q;
}

/* Long enough that others make more requests meanwhile. A crowd from one address comes back at
 * once; one from many must leave a newcomer the time that a round trip takes: nothing tells him
 * from them. */
static uint64_t thinks_ns(const struct sim *s, const struct caller *c)
{
    if (is_guest(c))
        return (50 + below(1500)) * MS;
    return below(s->address_count > 1 ? 6000 : 300) * MS;
}

static void done(void *arg, struct caller *c, enum caller_end how)
{
    struct sim *s = arg;
    s->opens_ns[c->index] = sim_now_ns + thinks_ns(s, c);
    TRACE("caller %u (%u): end %d, status %d", c->index, c->request.id, how, c->status);
    if (how == CALLER_CLOSED || how == CALLER_LEFT)
        return;
    s->answered += how == CALLER_ANSWERED;
    s->turned_away += how != CALLER_ANSWERED;
    if (sim_now_ns >= s->deaf_from_ns)
        return;
    CHECK(how != CALLER_CUT || c->request.withholds,
          "the answer to request %u of caller %u was cut", c->request.id, c->index);
    CHECK(how != CALLER_LOST || !c->is_taken,
          "request %u of caller %u was acknowledged, and its connection ended", c->request.id,
          c->index);
    if (!is_guest(c))
        return;
    CHECK(how != CALLER_STUCK, "guest %u does not get in", c->index);
    /* On a connection that is kept, a request may cross the server's FIN. */
    CHECK(how != CALLER_LOST || !c->is_first, "guest %u was turned away", c->index);
    CHECK(how != CALLER_ANSWERED || c->status == 200, "guest %u was told %d", c->index, c->status);
}

static void caller_next(struct sim *s, struct caller *c)
{
    if (s->is_over || sim_now_ns < s->opens_ns[c->index])
        return;
    struct caller_request q;
    if (!c->is_open) {
        q = request_of(s, c);
        caller_open(&s->callers, c, &q);
    } else if (c->is_idle && is_guest(c)) {
        q = request_of(s, c);
        caller_again(&s->callers, c, &q);
    }
}

static struct tcp *find(void *arg, uint16_t port)
{
    struct sim *s = arg;
    for (uint32_t i = 0; i < CALLERS; i++) {
        if (s->caller[i].is_open && s->caller[i].port == port)
            return &s->caller[i].tcp;
    }
    return NULL;
}

/* A SYN from where nobody is. */
static void send_stray(struct sim *s)
{
    struct net_address from;
    struct tcp tcp;
    char text[32];
    snprintf(text, sizeof(text), "10.0.%u.%u", 100 + below(100), 1 + below(250));
    bool ok = net_parse_address(text, &from);
    assert(ok);
    tcp_open_active(&tcp, &s->station.env, (uint16_t)(1024 + below(60000)), chance(50) ? 80 : 443,
                    (uint32_t)rng(), sim_now_ns);
    station_send_from(&s->station, &tcp, from.ip, s->server_ip);
    tcp_fini(&tcp);
    s->strays++;
}

static void work_outside(struct sim *s)
{
    if (sim_now_ns >= s->deaf_from_ns) { /* nothing is heard, and nothing said */
        struct frame frame[PORT_BURST];
        uint16_t n;
        while ((n = port_rx(s->station.tx.port, 0, frame, PORT_BURST)) > 0)
            port_free(s->station.tx.port, 0, frame, n);
        return;
    }
    station_input(&s->station, find, s);
    for (uint32_t i = 0; i < GUESTS + s->crowd_count; i++) {
        caller_next(s, &s->caller[i]);
        caller_work(&s->callers, &s->caller[i]);
    }
    while (!s->is_over && sim_now_ns >= s->next_stray_ns) {
        send_stray(s);
        s->next_stray_ns += s->stray_gap_ns;
    }
    tx_flush(&s->station.tx);
}

/* ---- the run ---- */

/* In a second a core may try as often as frames came, as connections' own timers say, and now
 * and then for those that wait. */
static void check_tries(struct sim *s)
{
    const struct counters *c = &s->core->counters;
    if (sim_now_ns < s->next_look_ns)
        return;
    s->next_look_ns = sim_now_ns + 1000 * MS;
    uint64_t tries = c->net_unresolved - s->tries_seen, frames = c->rx_frames - s->frames_seen;
    CHECK(tries <= frames + 8 * s->core->config.conns_max,
          "%lu packets found no neighbour within a second, in which %lu frames came",
          (unsigned long)tries, (unsigned long)frames);
    s->tries_seen = c->net_unresolved;
    s->frames_seen = c->rx_frames;
}

static uint64_t next_ns(const struct sim *s)
{
    uint64_t next = core_next_ns(s->core), at;
    if ((at = port_sim_next_ns(s->wire)) < next)
        next = at;
    if ((at = model_cells_next_ns(&s->cells)) < next)
        next = at;
    if (model_cells_have_news(&s->cells))
        return sim_now_ns;
    if (!s->is_over && s->next_stray_ns < next)
        next = s->next_stray_ns;
    for (uint32_t i = 0; i < GUESTS + s->crowd_count && sim_now_ns < s->deaf_from_ns; i++) {
        const struct caller *c = &s->caller[i];
        bool opens = !s->is_over && (!c->is_open || (c->is_idle && is_guest(c)));
        at = caller_next_ns(&s->callers, c);
        if (opens && s->opens_ns[i] < at)
            at = s->opens_ns[i];
        if (at < next)
            next = at;
    }
    return next;
}

static void step(struct sim *s)
{
    core_iterate(s->core);
    model_cells_check(&s->cells, s->core);
    model_cells_work(&s->cells);
    work_outside(s);
    check_tries(s);
    CHECK(counters_unaccounted(&s->core->counters) == 0, "frames unaccounted");
    uint64_t next = sim_now_ns + TICK_NS, due = next_ns(s);
    if (due > next && due != UINT64_MAX)
        next = due;
    sim_now_ns = next;
    clock_set_ns(&s->clock, next);
}

/* All leave, some without a word. */
static void end_load(struct sim *s)
{
    TRACE("%u answered, %u turned away", s->answered, s->turned_away);
    s->is_over = true;
    for (uint32_t i = 0; i < CALLERS; i++) {
        struct caller *c = &s->caller[i];
        if (chance(50) && sim_now_ns < s->deaf_from_ns)
            c->request.leave_ns = sim_now_ns;
        else
            caller_free(c);
    }
}

static void check_books(struct sim *s)
{
    model_cells_read(&s->cells);
    core_iterate(s->core);
    model_cells_check_end(&s->cells, s->core);
    CHECK(s->core->chunks.free_count == s->core->chunks.count, "%u chunks lost",
          s->core->chunks.count - s->core->chunks.free_count);
    CHECK(s->core->half_open == 0, "%u half-open connections left", s->core->half_open);
    for (uint32_t kind = 0; kind < SOURCE_KINDS; kind++)
        CHECK(s->core->sources.used[kind] == 0, "sources hold %u of kind %u",
              s->core->sources.used[kind], kind);
    CHECK(calls_live(s->core->calls) == 0, "calls left");
    CHECK(s->answered > 0, "nobody was answered");
}

static void sim_free(struct sim *s)
{
    for (uint32_t i = 0; i < CALLERS; i++)
        caller_free(&s->caller[i]);
    station_fini(&s->station);
    core_destroy(s->core);
    port_sim_wire_destroy(s->wire);
    routes_destroy((struct routes *)s->world.routes);
    model_cells_fini(&s->cells);
    free(s->core_neighbours);
    free(s);
}

void doors_run(uint64_t seed)
{
    sim_seed_with(seed);
    struct sim *s = sim_start();
    while (!s->is_over || s->core->conn_count > 0 || calls_live(s->core->calls) > 0) {
        if (!s->is_over && sim_now_ns >= s->end_ns)
            end_load(s);
        CHECK(sim_now_ns < s->end_ns + QUIET_MS * MS, "%u connections are left",
              s->core->conn_count);
        step(s);
    }
    check_books(s);
    core_end(s->core);
    sim_free(s);
}
