/* What strangers say first to a core's TLS port, on virtual time, by seed: ClientHellos cut into
 * records and segments as they like, over a wire that loses, doubles and reorders; good ones and
 * such as break a rule.
 *
 *   strangers -- station ==wire== core
 *
 * Checked: a good hello gets an answer, a bad one the alert that the RFC names for it, however it
 * was cut; nobody gets silence or a reset. A hello that finds no place among those that wait for
 * their turn is told so, and counted. At the end all is back, and every frame accounted for.
 */
#include "tests/sim/hellos.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/core.h"
#include "dataplane/core_state.h"
#include "dataplane/tls/cert.h"
#include "dataplane/tls/tls_wire.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/route.h"
#include "dataplane/world/world.h"
#include "drivers/port_sim.h"
#include "tests/sim/cpu_cost.h"
#include "tests/sim/sim.h"
#include "tests/sim/station.h"
#include "tests/unit/dataplane/tls/hello.h"

enum {
    STRANGERS = 16,
    CROWD = 700, /* at once: more than may wait for their turn */
    TICK_NS = 50 * 1000,
    PATIENCE_MS = 20 * 1000, /* several losses in a row */
    QUIET_MS = 150 * 1000,
    PART_BYTES_MAX = 1 << 14,
    WIRE_BYTES_MAX = 1 << 19,
};

#define MS 1000000ull

/* What is wrong with a hello, and the alert for it; TLS_ALERT_NONE: nothing. */
enum fault {
    GOOD,
    GOOD_LARGE,
    GOOD_RETRY, /* no share yet */
    ZERO_SHARE,
    NO_COMMON_GROUP,
    NO_SIGNATURES,
    BAD_NAME,
    TWICE, /* an extension */
    OLD,   /* versions */
    LYING, /* a length inside */
    TOO_LONG,
    OTHER_MESSAGE,
    EXCESS, /* behind it, in its record */
    EMPTY_RECORD,
    ALERT_BETWEEN,
    CCS_BETWEEN,
    FAULTS
};

static const enum tls_alert alert_of[FAULTS] = {
    [ZERO_SHARE] = TLS_ALERT_ILLEGAL_PARAMETER,
    [NO_COMMON_GROUP] = TLS_ALERT_HANDSHAKE_FAILURE,
    [NO_SIGNATURES] = TLS_ALERT_MISSING_EXTENSION,
    [BAD_NAME] = TLS_ALERT_ILLEGAL_PARAMETER,
    [TWICE] = TLS_ALERT_ILLEGAL_PARAMETER,
    [OLD] = TLS_ALERT_PROTOCOL_VERSION,
    [LYING] = TLS_ALERT_DECODE_ERROR,
    [TOO_LONG] = TLS_ALERT_ILLEGAL_PARAMETER,
    [OTHER_MESSAGE] = TLS_ALERT_UNEXPECTED_MESSAGE,
    [EXCESS] = TLS_ALERT_UNEXPECTED_MESSAGE,
    [EMPTY_RECORD] = TLS_ALERT_UNEXPECTED_MESSAGE,
    [ALERT_BETWEEN] = TLS_ALERT_UNEXPECTED_MESSAGE,
    [CCS_BETWEEN] = TLS_ALERT_UNEXPECTED_MESSAGE,
};

struct stranger {
    struct tcp tcp;
    uint16_t port;
    enum fault fault;
    bool is_open, is_told;
    uint8_t *wire; /* what it says */
    uint32_t wire_at, wire_bytes;
    uint64_t opens_ns, pause_ns, patient_until_ns;
};

struct sim {
    struct clock clock;
    struct port_sim_wire *wire;
    struct core *core;
    struct cell_mail *mail;
    struct neighbours *core_neighbours;
    struct station station;
    struct stranger stranger[CROWD];
    uint32_t count, answers, refused, no_place;
    bool is_crowd, has_certs;
    const uint8_t *server_ip;
    struct world world;
    struct world_shared shared;
    struct world_member member;
};

static const uint8_t core_mac[6] = {2, 0, 0, 0, 0, 1};

/* ---- what they say ---- */

static void add_share(struct hello *h, enum fault fault)
{
    uint8_t list[2 + 4 + 32] = {0, 4 + 32, 0, 0x1d, 0, 32};
    for (int i = 0; i < 32 && fault != ZERO_SHARE; i++)
        list[6 + i] = (uint8_t)rng();
    if (fault == NO_COMMON_GROUP)
        list[3] = 0x1e;
    if (fault == GOOD_RETRY)
        hello_extension(h, 51, "\0", 2);
    else
        hello_extension(h, 51, list, sizeof(list));
}

static void build(struct hello *h, enum fault fault)
{
    static uint8_t padding[60000];
    hello_start(h);
    if (fault == GOOD_LARGE)
        hello_extension(h, 21, padding, below(sizeof(padding)));
    hello_name(h, fault == BAD_NAME ? "sim test" : "rsa.test");
    if (fault == OLD)
        hello_extension(h, 43, "\x02\x03\x01", 3);
    else
        hello_extension(h, 43, "\x02\x03\x04", 3);
    if (fault == NO_COMMON_GROUP)
        hello_extension(h, 10, "\x00\x02\x00\x1e", 4);
    else
        hello_extension(h, 10, "\x00\x04\x00\x1d\x00\x17", 6);
    if (fault != NO_SIGNATURES)
        hello_extension(h, 13, "\x00\x04\x04\x01\x08\x04", 6);
    add_share(h, fault);
    if (fault == TWICE)
        hello_extension(h, 43, "\x02\x03\x04", 3);
    if (fault == LYING)
        hello_extension(h, 16, "\x00\x09\x08http/1", 9);
    hello_end(h);
    if (fault == OTHER_MESSAGE)
        h->bytes[0] = 2;
    if (fault == TOO_LONG)
        h->bytes[1] = 2;
    if (fault == EXCESS)
        hello_put(h, "\x01", 1);
}

static void say(struct stranger *c, const void *bytes, size_t len)
{
    assert(c->wire_bytes + len <= WIRE_BYTES_MAX);
    memcpy(c->wire + c->wire_bytes, bytes, len);
    c->wire_bytes += (uint32_t)len;
}

/* What may not stand between two records of a hello. */
static void say_between(struct stranger *c)
{
    if (c->fault == EMPTY_RECORD)
        say(c, "\x16\x03\x01\x00\x00", 5);
    else if (c->fault == ALERT_BETWEEN)
        say(c, "\x15\x03\x01\x00\x02\x01\x5a", 7);
    else if (c->fault == CCS_BETWEEN)
        say(c, "\x14\x03\x03\x00\x01\x01", 6);
}

/* In records: whole, in some parts, or in tiny ones; with a fault between them in two at least. */
static void speak(struct stranger *c)
{
    static struct hello hello;
    build(&hello, c->fault);
    c->wire = malloc(WIRE_BYTES_MAX);
    bool is_between = c->fault >= EMPTY_RECORD;
    uint32_t most = chance(30) ? PART_BYTES_MAX : chance(70) ? 1 + below(400) : 1 + below(8);
    if (hello.len > 1000 && most < 16)
        most = 16; /* HELLO_WIRE_BYTES_MAX has the headers too */
    if (is_between && most >= hello.len)
        most = (uint32_t)hello.len - 1;
    for (size_t at = 0; at < hello.len;) {
        size_t part = chance(70) ? most : 1 + below(most);
        part = part < hello.len - at ? part : hello.len - at;
        /* What is behind a hello is so in its last record. */
        if (c->fault == EXCESS && hello.len - at - part == 1)
            part = part + 1 <= PART_BYTES_MAX ? part + 1 : part - 1;
        const uint8_t header[] = {22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};
        say(c, header, sizeof(header));
        say(c, hello.bytes + at, part);
        at += part;
        if (is_between && at < hello.len) {
            say_between(c);
            is_between = chance(50);
        }
    }
}

static void hear(struct sim *s, struct stranger *c)
{
    uint8_t said[7];
    size_t len;
    if (tcp_readable(&c->tcp) < sizeof(said) || c->is_told)
        return;
    for (uint32_t at = 0; at < sizeof(said); at++)
        said[at] = *tcp_peek(&c->tcp, at, &len);
    c->is_told = true;
    bool is_alert = said[0] == 21 && said[3] == 0 && said[4] == 2 && said[5] == 2;
    enum tls_alert alert = is_alert ? (enum tls_alert)said[6] : TLS_ALERT_NONE;
    CHECK(is_alert || (said[0] == 22 && said[5] == 2), "stranger %u: %02x %02x", c->port, said[0],
          said[5]);
    TRACE("stranger %u, fault %d: alert %d", c->port, c->fault, alert);
    if (alert == TLS_ALERT_INTERNAL_ERROR && s->is_crowd) {
        s->no_place++;
        return;
    }
    enum tls_alert wanted = alert_of[c->fault];
    if (!wanted && !s->has_certs)
        wanted = TLS_ALERT_UNRECOGNIZED_NAME;
    CHECK(alert == wanted, "stranger %u, fault %d: alert %d, not %d", c->port, c->fault, alert,
          wanted);
    s->answers += alert == TLS_ALERT_NONE;
    s->refused += alert_of[c->fault] != TLS_ALERT_NONE;
}

/* ---- start ---- */

static void start_world(struct sim *s, const struct certs *certs)
{
    char error[160] = "";
    s->member = (struct world_member){.name = "sim", .id = 1, .cores = 1};
    s->world = (struct world){
        .epoch = 1,
        .node = "sim",
        .limits = {.hello_timeout_ms = HELLO_TIMEOUT_MS,
                   .head_timeout_ms = HTTP_HEAD_TIMEOUT_MS,
                   .idle_timeout_ms = HTTP_IDLE_TIMEOUT_MS,
                   .stall_timeout_ms = HTTP_BODY_STALL_MS},
        .routes = routes_build(NULL, 0, 1, error, sizeof(error)),
        .certs = certs,
        .tune = world_tune_default,
        .cluster = {.member_count = 1, .member = &s->member, .own_state = NODE_SERVING}};
    CHECK(s->world.routes, "%s", error);
    atomic_store(&s->shared.current, &s->world);
}

static void start_core(struct sim *s)
{
    char error[160] = "";
    struct net_config net = {.mtu = 1500, .address_count = 1};
    memcpy(net.mac, core_mac, 6);
    bool ok = net_parse_address("10.0.0.1/24", &net.address[0]);
    assert(ok);
    size_t mail_bytes = cell_mail_bytes(1); /* nothing runs here */
    s->mail = cell_mail_init(memset(sim_take(mail_bytes, -1), 0, mail_bytes), 1, -1);
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
                                 .conns_max = 2 * CROWD,
                                 .chunks = 16384,
                                 .mail = s->mail,
                                 .jobs_max = 1,
                                 .numa_node = -1,
                                 .secret = {rng(), rng(), rng(), rng()}};
    neighbours_init(s->core_neighbours, 1);
    s->core = core_create(&config, error, sizeof(error));
    CHECK(s->core, "%s", error);
    s->server_ip = s->core->net.config.address[0].ip;
}

static struct sim *sim_start(const struct certs *certs, bool has_certs)
{
    struct sim *s = calloc(1, sizeof(*s));
    s->has_certs = has_certs;
    struct port_sim_faults faults = {.delay_ns = below(20) * MS, .jitter_ns = below(3) * MS};
    clock_init_virtual(&s->clock, 1000000000);
    sim_now_ns = s->clock.virtual_ns;
    s->is_crowd = has_certs && chance(15);
    cpu_cost_handshake_ns = s->is_crowd ? 1 * MS : 0;
    if (!s->is_crowd && chance(70)) {
        faults.loss = below(5) / 100.0;
        faults.duplicate = below(5) / 100.0;
    }
    s->wire = port_sim_wire_create(&s->clock, rng(), 1500, faults, faults);
    start_world(s, certs);
    start_core(s);
    station_init(&s->station, port_sim_end(s->wire, 0, station_mac), 1500, 65536);
    s->count = s->is_crowd ? CROWD : STRANGERS;
    for (uint32_t i = 0; i < s->count; i++) {
        struct stranger *c = &s->stranger[i];
        c->port = (uint16_t)(10000 + i);
        c->fault = s->is_crowd  ? GOOD_RETRY
                   : chance(40) ? GOOD + below(3)
                                : (enum fault)below(FAULTS);
        c->opens_ns = sim_now_ns + (s->is_crowd ? 0 : below(500) * MS);
        speak(c);
    }
    TRACE("%u strangers", s->count);
    return s;
}

/* ---- the run ---- */

static struct tcp *find(void *arg, uint16_t port)
{
    struct sim *s = arg;
    uint32_t i = port - 10000u;
    return i < s->count && s->stranger[i].is_open ? &s->stranger[i].tcp : NULL;
}

static void leave(struct sim *s, struct stranger *c)
{
    if (!tcp_is_done(&c->tcp)) {
        tcp_abort(&c->tcp);
        station_send(&s->station, &c->tcp, s->server_ip);
    }
    tcp_fini(&c->tcp);
    c->is_open = false;
    c->opens_ns = UINT64_MAX;
}

static void work(struct sim *s, struct stranger *c)
{
    if (!c->is_open && sim_now_ns >= c->opens_ns) {
        c->is_open = true;
        c->patient_until_ns = sim_now_ns + PATIENCE_MS * MS;
        tcp_open_active(&c->tcp, &s->station.env, c->port, 443, (uint32_t)rng(), sim_now_ns);
    }
    if (!c->is_open)
        return;
    if (tcp_deadline(&c->tcp) <= sim_now_ns)
        tcp_timeout(&c->tcp, sim_now_ns);
    if (sim_now_ns >= c->pause_ns && c->wire_at < c->wire_bytes) {
        uint32_t most = c->wire_bytes > 4000 || chance(50) ? 1 + below(8000) : 1 + below(40);
        if (s->is_crowd || most > c->wire_bytes - c->wire_at)
            most = c->wire_bytes - c->wire_at;
        c->wire_at += (uint32_t)tcp_write(&c->tcp, c->wire + c->wire_at, most);
        c->pause_ns = sim_now_ns + below(4) * MS;
    }
    station_send(&s->station, &c->tcp, s->server_ip);
    hear(s, c);
    CHECK(c->is_told || tcp_end(&c->tcp) != TCP_END_RESET, "stranger %u, fault %d: reset", c->port,
          c->fault);
    CHECK(c->is_told || !tcp_peer_finished(&c->tcp), "stranger %u, fault %d: an end without a word",
          c->port, c->fault);
    CHECK(c->is_told || sim_now_ns < c->patient_until_ns, "stranger %u, fault %d: silence", c->port,
          c->fault);
    if (c->is_told)
        leave(s, c);
}

static bool is_over(const struct sim *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->stranger[i].is_told)
            return false;
    }
    return s->core->conn_count == 0;
}

static uint64_t next_ns(const struct sim *s)
{
    uint64_t next = core_next_ns(s->core), at = port_sim_next_ns(s->wire);
    next = at < next ? at : next;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct stranger *c = &s->stranger[i];
        at = !c->is_open ? c->opens_ns : tcp_deadline(&c->tcp);
        next = at < next ? at : next;
        at = c->is_open && c->wire_at < c->wire_bytes ? c->pause_ns : UINT64_MAX;
        next = at < next ? at : next;
    }
    return next;
}

static void step(struct sim *s)
{
    core_iterate(s->core);
    sim_now_ns = clock_now_ns(&s->clock);
    station_input(&s->station, find, s);
    for (uint32_t i = 0; i < s->count; i++)
        work(s, &s->stranger[i]);
    tx_flush(&s->station.tx);
    CHECK(counters_unaccounted(&s->core->counters) == 0, "frames unaccounted");
    uint64_t next = sim_now_ns + TICK_NS, due = next_ns(s);
    if (due > next && due != UINT64_MAX)
        next = due;
    sim_now_ns = next;
    clock_set_ns(&s->clock, next);
}

static void check_books(const struct sim *s)
{
    const struct counters *c = &s->core->counters;
    CHECK(s->core->chunks.free_count == s->core->chunks.count, "%u chunks lost",
          s->core->chunks.count - s->core->chunks.free_count);
    for (uint32_t kind = 0; kind < SOURCE_KINDS; kind++)
        CHECK(s->core->sources.used[kind] == 0, "sources hold %u of kind %u",
              s->core->sources.used[kind], kind);
    CHECK(c->hello_bad + c->hello_refused + c->sni_bad == s->refused,
          "%lu bad hellos were counted, not %u",
          (unsigned long)(c->hello_bad + c->hello_refused + c->sni_bad), s->refused);
    CHECK(c->tls_refused == s->no_place, "%lu without a place were counted, not %u",
          (unsigned long)c->tls_refused, s->no_place);
    CHECK(!s->is_crowd || (s->no_place > 0 && s->answers > 0), "%u answered, %u without a place",
          s->answers, s->no_place);
    CHECK(s->has_certs || c->tls_no_cert == s->count - s->refused, "%lu good hellos, not %u",
          (unsigned long)c->tls_no_cert, s->count - s->refused);
}

void hellos_run(uint64_t seed, const struct certs *certs)
{
    sim_seed_with(seed);
    struct certs *none = certs ? NULL : certs_build(NULL, 0, NULL, 0, CERT_NONE);
    struct sim *s = sim_start(certs ? certs : none, certs);
    while (!is_over(s)) {
        CHECK(sim_now_ns < (1000 + PATIENCE_MS + QUIET_MS) * MS, "%u connections are left",
              s->core->conn_count);
        step(s);
    }
    check_books(s);
    for (uint32_t i = 0; i < s->count; i++)
        free(s->stranger[i].wire);
    station_fini(&s->station);
    core_end(s->core);
    core_destroy(s->core);
    free(s->mail);
    port_sim_wire_destroy(s->wire);
    routes_destroy((struct routes *)s->world.routes);
    if (none)
        certs_destroy(none);
    free(s->core_neighbours);
    free(s);
}
