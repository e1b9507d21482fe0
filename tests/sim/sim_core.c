/* A dp core against clients and cells, all in one thread on virtual time, by seed: HTTP and HTTPS
 * over a wire that loses, delays, reorders, doubles and corrupts.
 *
 *   model_client 0..N -- net -- port_sim ==wire== port_sim -- core -- regions -- model_cells
 *
 * Two scripts call each other; by seed their cells die, all of them at once, or break the contract;
 * there is room for one cell only; the zygote is away; scripts are deployed anew, and the cells of
 * the old versions end.
 *
 * Checked: each request is answered once, in order, with the bytes it asked for, and what cannot be
 * answered is refused or cut as the models say; nobody's misbehaviour harms another; every
 * connection ends within its deadlines, at a drain within the drain's; at the end every chunk, job
 * and arena slot is back, every frame is accounted for, and the counters agree with what the
 * clients saw. Same seed, same run.
 *
 *   sim_core [--certs DIR] [--seed S] [--count N] [--trace]       a failure prints the command that
 *                                                                 repeats it
 */
#include <assert.h>
#include <string.h>

#include "dataplane/call/call.h"
#include "dataplane/call/sub.h"
#include "dataplane/conn/conn.h"
#include "dataplane/conn/exchange.h"
#include "dataplane/core/core.h"
#include "dataplane/core_state.h"
#include "dataplane/tls/cert.h"
#include "dataplane/tls/tls.h"
#include "dataplane/tls/tls_ticket.h"
#include "dataplane/world/route.h"
#include "drivers/port_sim.h"
#include "tests/sim/cpu_cost.h"
#include "tests/sim/hog.h"
#include "tests/sim/model_cells.h"
#include "tests/sim/model_client.h"

enum {
    CLIENTS = 6,
    TICK_NS = 50 * 1000,
    END_MS = 400 * 1000,
    DRAIN_MS = 2000,
    FREE_PERCENT = 25, /* of the chunks, where others hold the rest */
    ROOM = 4,          /* for cells: both scripts, and both of a deploy */
};

const char sim_name[] = "build/tests/sim/sim_core";

/* Made once: keys and certificates take longer than a seed. */
static struct {
    struct tls_context *server;
    struct certs *certs;
    WOLFSSL_CTX *client;
} tls;

struct sim {
    struct clock clock;
    struct port_sim_wire *wire;
    struct core *core;
    struct model_cells cells;
    uint64_t all_die_ns; /* every cell that is up then */
    struct clients clients;
    struct client client[CLIENTS];
    struct station station; /* the clients' */
    struct neighbours *core_neighbours;
    struct world world;
    struct world_shared shared;
    struct world_script script[2];
    struct world_member member;
    struct world_binding binding[2];
    uint32_t script_index[4];
    uint64_t deploy_ns;
    uint64_t stop_ns, stopped_ns;
    struct hog hog;
};

static const uint8_t core_mac[6] = {2, 0, 0, 0, 0, 1};

static struct net_config net_config_of(const char *address, const uint8_t mac[6])
{
    struct net_config c = {.mtu = 1500, .address_count = 1};
    memcpy(c.mac, mac, 6);
    bool ok = net_parse_address(address, &c.address[0]);
    assert(ok);
    return c;
}

static struct tcp *find(void *arg, uint16_t port)
{
    struct sim *s = arg;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (s->client[i].is_open && s->client[i].port == port)
            return &s->client[i].tcp;
    }
    return NULL;
}

/* ---- start ---- */

static void start_wire(struct sim *s)
{
    struct port_sim_faults faults = {.delay_ns = below(20) * 1000000ull,
                                     .jitter_ns = below(3) * 1000000ull};
    if (chance(70)) {
        faults.loss = below(4) / 100.0;
        faults.duplicate = below(3) / 100.0;
        faults.corrupt = below(2) / 100.0;
    }
    s->wire = port_sim_wire_create(&s->clock, rng(), 1500, faults, faults);
}

static void start_world(struct sim *s)
{
    char error[160] = "";
    struct route_source routes[] = {{.pattern = "sim.test", .script = 0},
                                    {.pattern = "rsa.test", .script = 0}};
    static const uint64_t hash[2] = {99, 98};
    for (uint32_t i = 0; i < 2; i++) {
        s->binding[i] = (struct world_binding){.script = hash[1 - i]};
        s->script[i] = (struct world_script){
            .handle = 7 + i, .id_hash = hash[i], .binding_count = 1, .bindings = &s->binding[i]};
        snprintf(s->script[i].name, sizeof(s->script[i].name), "sim%u", i);
        s->script_index[hash[i] & 3] = i + 1;
    }
    s->member = (struct world_member){.name = "sim", .id = 1, .cores = 1};
    s->world = (struct world){
        .epoch = 1,
        .node = "sim",
        .debug_headers = chance(50),
        .limits = {.hello_timeout_ms = 10000,
                   .head_timeout_ms = 30000,
                   .idle_timeout_ms = 30000,
                   .stall_timeout_ms = 30000,
                   .min_rate = HTTP_MIN_RATE_DEFAULT},
        .routes = routes_build(routes, 2, 1, error, sizeof(error)),
        .certs = tls.certs,
        .script_count = 2,
        .scripts = s->script,
        .script_index = s->script_index,
        .script_index_mask = 3,
        .tune = world_tune_default,
        .cluster = {.member_count = 1, .member = &s->member, .own_state = NODE_SERVING}};
    s->world.tune.source_share_percent = 100; /* all clients have one address */
    if (chance(30))
        s->world.tune.optimistic_bytes = 4096 + below(60000);
    CHECK(s->world.routes, "%s", error);
    atomic_store(&s->shared.current, &s->world);
}

static void start_core(struct sim *s, uint32_t chunks)
{
    char error[160] = "";
    struct net_config net = net_config_of("10.0.0.1/24", core_mac);
    struct core_config config = {.cores = 1,
                                 .port = port_sim_end(s->wire, 1, core_mac),
                                 .net = &net,
                                 .neighbours = s->core_neighbours =
                                     sim_take(neighbours_bytes(), -1),
                                 .world = &s->shared,
                                 .clock = &s->clock,
                                 .memory = {.take = sim_take, .give = free},
                                 .plain_port = 80,
                                 .tls_port = tls.certs ? 443 : 0,
                                 .conns_max = chance(20) ? CLIENTS : 64,
                                 .chunks = chunks,
                                 .mail = s->cells.mail,
                                 .larges = MODEL_LARGES,
                                 .jobs_max = MODEL_JOBS,
                                 .numa_node = -1,
                                 .secret = {rng(), rng(), rng(), rng()}};
    neighbours_init(s->core_neighbours, 1);
    s->core = core_create(&config, error, sizeof(error));
    CHECK(s->core, "%s", error);
    s->cells.bell = core_wake_fd(s->core);
}

static void start_clients(struct sim *s)
{
    station_init(&s->station, port_sim_end(s->wire, 0, station_mac), 1500, 4096);
    s->clients.station = &s->station;
    s->clients.server_ip = s->core->net.config.address[0].ip;
    s->clients.ctx = chance(30) ? tls.client : NULL;
    for (uint32_t i = 0; i < CLIENTS; i++)
        model_client_start(&s->clients, &s->client[i], i);
}

static void on_failed(void *arg, uint32_t id, uint32_t depth, uint32_t said_bytes)
{
    struct sim *s = arg;
    if (depth == 0)
        s->clients.said[id] = said_bytes;
}

/* There is no room for a cell: its requests may be refused. */
static void on_full(void *arg, uint64_t script)
{
    struct sim *s = arg;
    s->clients.is_disturbed = true;
}

static void start_cells(struct sim *s, bool is_troubled)
{
    struct model_manner manner = {.relays = chance(50),
                                  .is_troubled = is_troubled,
                                  .make_us = below(2) * below(20000),
                                  .failed = on_failed,
                                  .arg = s};
    uint32_t room = !manner.relays && chance(20) ? 1 : ROOM;
    model_cells_init(&s->cells, &s->world, room, 0, &manner, on_full);
    s->all_die_ns = UINT64_MAX;
    if (is_troubled && chance(50)) /* at times as soon as they are there */
        s->all_die_ns = sim_now_ns + below(2) * below(300) * 1000000ull;
}

static struct sim *sim_start(void)
{
    struct sim *s = calloc(1, sizeof(*s));
    clock_init_virtual(&s->clock, 1000000000);
    sim_now_ns = s->clock.virtual_ns;
    bool is_troubled = chance(30), is_short = chance(20), is_full = !is_short && chance(30);
    sim_pads = chance(50);
    start_wire(s);
    start_world(s);
    start_cells(s, is_troubled);
    s->deploy_ns = chance(30) ? sim_now_ns + below(2000) * 1000000ull : UINT64_MAX;
    cpu_cost_draw();
    start_core(s, is_short ? 200 + below(600) : is_full ? 8192 : 4096);
    if (is_full)
        hog_take(&s->hog, &s->core->chunks, FREE_PERCENT);
    start_clients(s);
    s->stop_ns = chance(15) ? sim_now_ns + below(2000) * 1000000ull : UINT64_MAX;
    s->clients.is_disturbed = is_short;
    return s;
}

/* ---- the run ---- */

static bool is_over(const struct sim *s)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (s->client[i].is_open)
            return false;
    }
    /* What lingers behind its answer too. */
    return s->core->conn_count == 0 && calls_live(s->core->calls) == 0;
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
    if (s->all_die_ns > sim_now_ns && s->all_die_ns < next)
        next = s->all_die_ns;
    if (s->deploy_ns < next)
        next = s->deploy_ns;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if ((at = model_client_next_ns(&s->client[i])) < next)
            next = at;
    }
    return s->stop_ns < next ? s->stop_ns : next;
}

/* True: the drain is over. */
static bool drain(struct sim *s)
{
    if (sim_now_ns >= s->stop_ns) {
        TRACE("the core stops");
        s->stop_ns = UINT64_MAX;
        s->stopped_ns = sim_now_ns;
        s->clients.is_disturbed = s->clients.is_ending = true;
        core_stop(s->core, DRAIN_MS);
    }
    bool is_drained = core_is_drained(s->core);
    CHECK(!is_drained || s->stopped_ns, "drained without a stop");
    if (s->stopped_ns)
        CHECK(is_drained || sim_now_ns < s->stopped_ns + (DRAIN_MS + 100) * 1000000ull,
              "the drain does not end");
    return is_drained;
}

/* New versions under new handles. */
static void deploy(struct sim *s)
{
    if (sim_now_ns < s->deploy_ns)
        return;
    TRACE("a deploy");
    for (uint32_t i = 0; i < 2; i++)
        s->script[i].handle += 10;
    s->world.epoch++;
    s->deploy_ns = chance(60) ? sim_now_ns + below(1000) * 1000000ull : UINT64_MAX;
}

static uint32_t lies(const struct sim *s)
{
    return s->cells.tally.lies;
}

static uint32_t deaths(const struct sim *s)
{
    return s->cells.tally.deaths;
}

/* At times the zygote too. */
static void let_all_die(struct sim *s)
{
    if (sim_now_ns < s->all_die_ns || !model_cells_pick(&s->cells))
        return;
    s->all_die_ns = UINT64_MAX;
    model_cells_end_all(&s->cells, sim_now_ns);
    if (!chance(50))
        return;
    model_cells_end_zygote(&s->cells, sim_now_ns + below(4000) * 1000000ull);
    s->world.epoch++;
}

/* A hello that asks for a cell is answered in the next iteration: the asking leaves at the end
 * of this one, and what a handshake computes would hold it up. */
static void check_warm_goes_first(const struct sim *s, uint64_t asked)
{
    uint32_t fresh = 0, answered = 0;
    for (uint32_t i = 0; i < s->core->config.conns_max; i++) {
        const struct conn *c = &s->core->conns[i];
        bool is_fresh = c->state >= CONN_HANDSHAKE && c->hello_ns == s->core->now_ns;
        fresh += is_fresh;
        answered += is_fresh && c->tcp.tx.bytes > 0;
    }
    CHECK(asked == 0 || fresh == 0 || answered < fresh,
          "%lu cells are asked for, and all of %u handshakes were computed before that left",
          (unsigned long)asked, fresh);
}

/* What a client sends ahead stays in its TCP: only a head that is not whole yet is taken in. */
static void check_taken_in(const struct sim *s)
{
    for (uint32_t i = 0; i < s->core->config.conns_max; i++) {
        const struct conn *c = &s->core->conns[i];
        const struct exchange *x = &s->core->exchanges[i];
        if (c->state != CONN_OPEN)
            continue;
        CHECK(x->in.bytes == 0 || x->state == EXCHANGE_HEAD, "%u bytes taken in behind a request",
              x->in.bytes);
        CHECK(x->in.bytes <= HTTP_HEAD_BYTES_MAX, "a head of %u bytes", x->in.bytes);
    }
}

static void step(struct sim *s)
{
    uint64_t asked = s->core->counters.warm_sent;
    core_iterate(s->core);
    check_warm_goes_first(s, s->core->counters.warm_sent - asked);
    cpu_cost_check(s->core, clock_now_ns(&s->clock) - s->core->now_ns);
    model_cells_check(&s->cells, s->core);
    check_taken_in(s);
    sim_now_ns = clock_now_ns(&s->clock);
    deploy(s);
    let_all_die(s);
    s->world.epoch += model_cells_work(&s->cells);
    /* ARP has no checksum: a corrupted answer is believed, which on Ethernet the FCS would
     * prevent. */
    s->clients.may_stall |=
        s->core->counters.drop_link_other_mac > 0 || s->station.counters.drop_link_other_mac > 0;
    s->clients.is_disturbed |= deaths(s) > 0 || lies(s) > 0 || s->clients.may_stall;
    station_input(&s->station, find, s);
    for (uint32_t i = 0; i < CLIENTS; i++)
        model_client_work(&s->clients, &s->client[i]);
    tx_flush(&s->station.tx);
    CHECK(counters_unaccounted(&s->core->counters) == 0, "frames unaccounted");

    uint64_t next = sim_now_ns + TICK_NS + (chance(90) ? 0 : below(2000) * 1000ull),
             due = next_ns(s);
    if (due > next && due != UINT64_MAX && !s->stopped_ns)
        next = due;
    sim_now_ns = next;
    clock_set_ns(&s->clock, next);
}

static void check_books(struct sim *s)
{
    const struct counters *c = &s->core->counters;
    const uint32_t *seen = s->clients.answers;
    model_cells_read(&s->cells);
    if (!s->stopped_ns)
        core_iterate(s->core);
    CHECK(s->core->chunks.free_count == s->core->chunks.count, "%u chunks lost",
          s->core->chunks.count - s->core->chunks.free_count);
    CHECK(s->core->chunks.owed == 0, "%u chunks owed to nobody", s->core->chunks.owed);
    if (!s->stopped_ns)
        model_cells_check_end(&s->cells, s->core);
    for (uint32_t kind = 0; kind < SOURCE_KINDS; kind++)
        CHECK(s->core->sources.used[kind] == 0, "sources hold %u of kind %u",
              s->core->sources.used[kind], kind);
    CHECK(calls_live(s->core->calls) == 0 && subs_live(s->core->subs) == 0,
          "%u calls and %u sub-requests left", calls_live(s->core->calls),
          subs_live(s->core->subs));
    CHECK(s->core->conn_count == 0 && s->core->half_open == 0, "connections left");
    /* A core that has stopped reads no more lies. */
    CHECK(c->job_bad_message == lies(s) || (s->stopped_ns && c->job_bad_message < lies(s)),
          "%lu liars were seen, not %u", (unsigned long)c->job_bad_message, lies(s));
    CHECK(s->core->chunks.count > 1000 || c->conn_no_memory < 100, "memory is short for ever");
    CHECK(s->core->chunks.count < 1000 || c->conn_no_memory == 0,
          "given up for memory that is there");
    CHECK(seen[2] <= c->http_2xx && seen[4] <= c->http_4xx && seen[5] <= c->http_5xx,
          "answers that were not counted");
    CHECK(c->http_2xx + c->http_5xx <= c->http_requests + c->http_unsupported + c->call_no_chunks,
          "more answers than requests");
    CHECK(c->net_unresolved <= c->rx_frames + c->tcp_rto,
          "%lu packets found no neighbour, and %lu frames came", (unsigned long)c->net_unresolved,
          (unsigned long)c->rx_frames);
    CHECK(c->tcp_closed <= c->tcp_accepted, "%lu connections closed, %lu accepted",
          (unsigned long)c->tcp_closed, (unsigned long)c->tcp_accepted);
}

static void sim_free(struct sim *s)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        model_client_free(&s->client[i]);
    station_fini(&s->station);
    core_destroy(s->core);
    port_sim_wire_destroy(s->wire);
    routes_destroy((struct routes *)s->world.routes);
    model_cells_fini(&s->cells);
    free(s->core_neighbours);
    free(s);
}

static void sim_run(uint64_t seed)
{
    sim_seed_with(seed);
    struct sim *s = sim_start();
    while (!is_over(s) && !drain(s)) {
        CHECK(sim_now_ns < END_MS * 1000000ull, "not over in %d virtual seconds", END_MS / 1000);
        step(s);
    }
    core_end(s->core);
    hog_give(&s->hog, &s->core->chunks);
    check_books(s);
    const uint32_t *seen = s->clients.answers;
    TRACE("2xx: %u  4xx: %u  5xx: %u  cut: %u  deaths: %u  lies: %u", seen[2], seen[4], seen[5],
          s->clients.cut, deaths(s), lies(s));
    sim_free(s);
}

static void start_tls(const char *dir)
{
    char chain[512], key[512], error[160];
    struct cert_source source = {.name = "rsa.test", .context = 0};
    static const struct tls_tickets keys = {.slot = {{"sim", "sim"}}};
    snprintf(chain, sizeof(chain), "%s/rsa.pem", dir);
    snprintf(key, sizeof(key), "%s/rsa.key", dir);
    tls_start();
    tls.server = tls_context_create(chain, key, &keys, error, sizeof(error));
    if (!tls.server) {
        fprintf(stderr, "sim_core: %s\n", error);
        exit(2);
    }
    tls.certs = certs_build(&tls.server, 1, &source, 1, 0);
    tls.client = wolfSSL_CTX_new(wolfSSLv23_client_method());
    assert(tls.certs && tls.client);
    wolfSSL_CTX_set_verify(tls.client, WOLFSSL_VERIFY_NONE, NULL);
}

static void stop_tls(void)
{
    if (!tls.server)
        return;
    wolfSSL_CTX_free(tls.client);
    certs_destroy(tls.certs);
    tls_context_destroy(tls.server);
    tls_stop();
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1;
    static char arguments[600];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--certs") == 0 && i + 1 < argc) {
            snprintf(arguments, sizeof(arguments), " --certs %s", argv[++i]);
            sim_arguments = arguments;
            start_tls(argv[i]);
        } else if (strcmp(argv[i], "--trace") == 0) {
            sim_trace = true;
        } else {
            fprintf(stderr, "usage: sim_core [--certs DIR] [--seed S] [--count N] [--trace]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < count; i++)
        sim_run(first + i);
    stop_tls();
    printf("sim_core: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
