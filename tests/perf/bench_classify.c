/* bench_classify.c: what it costs to know what a client's first frame is for.
 *
 *   frame -> checksum -> Ethernet, IP -> TCP header, flow -> guard: the name -> script -> its home
 *            csum        net             flow                hello              route     ring
 *
 * By the functions that a core uses, in its order, in bursts as it takes them. A frame is a real
 * ClientHello of a client (fuzz_tls's corpus) that fits one segment, with the name of one of HOSTS
 * hosts in it; one client sends none. Two cases:
 *
 *   warm   one burst of frames again and again: one host, one flow, everything in the first cache
 *   cold   HOSTS frames, each of a flow and for a host of its own, in random order: buffers, flows
 *          and routes are several times what caches hold
 *
 * The price of looking at the clock between stages is in all figures. Not in them: the copy into
 * the stream, and what the connection keeps of it. A round's figure is that of its median burst,
 * so that what else runs on the machine is not in it; the figure is the median of the rounds.
 *
 *   bench_classify HELLOS [ROUNDS]     one JSON object per line; how it went on stderr
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <rte_memzone.h>
#include <xxhash.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net.h"
#include "dataplane/net/net_wire.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/guard.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/route.h"
#include "dataplane/world/world.h"
#include "drivers/csum.h"
#include "drivers/eal.h"
#include "drivers/rng.h"
#include "tests/perf/median.h"
#include "tests/unit/dataplane/tls/client_hellos.h"

enum {
    HOSTS = 60000,
    NODES = 300,
    BUFFER_BYTES = 2304, /* of a port's pool */
    HEADER_BYTES = 14 + 20 + 32,
    PAYLOAD_BYTES_MAX = 1500 - 20 - 32,
    BURSTS = HOSTS / PORT_BURST, /* of a round */
    ROUNDS_DEFAULT = 15,
    ROUNDS_MAX = 1000,
    MEMORY_MB = 192,
    WARM_GOAL_NS = 100,
    COLD_GOAL_NS = 250,
};

enum stage { CSUM, NET, FLOW, HELLO, ROUTE, RING, STAGES };
static const char *const stage_name[STAGES] = {"csum", "net", "flow", "hello", "route", "ring"};

struct shape {
    char name[64];
    uint8_t record[PAYLOAD_BYTES_MAX];
    size_t bytes;
    size_t name_at; /* of its server_name extension; 0: it has none */
    size_t extensions_at;
};

struct sample {
    struct frame frame;
    uint32_t host; /* and its flow */
    bool has_name;
};

static struct shape shapes[CLIENT_HELLOS + 1];
static uint32_t shape_count, mix_count; /* the first ones are the mix */
/* One of the mix for each host, then one of each shape for the first host. */
static struct sample samples[HOSTS + CLIENT_HELLOS];
static char hosts[HOSTS][32];
static struct world_script *scripts;
static struct ring *ring;
static struct routes *routes;
static struct flow_table flows;
static struct net net;
static struct port port = {.frame_bytes_max = 1518};
static struct tx tx;
static struct counters counters;
static uint32_t rounds = ROUNDS_DEFAULT;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What comes before has happened, so that a stage pays for its own misses. */
static inline uint64_t ticks(void)
{
    _mm_lfence();
    return __rdtsc();
}

/* ---- what is measured ---- */

struct stream {
    const uint8_t *bytes;
    size_t len;
};

static const uint8_t *stream_peek(void *arg, size_t offset, size_t *len)
{
    struct stream *s = arg;

    *len = offset < s->len ? s->len - offset : 0;
    return s->bytes + offset;
}

static const struct tls_io io = {.peek = stream_peek};

struct burst {
    struct frame frame[PORT_BURST];
    struct net_packet packet[PORT_BURST];
    struct flow_key key[PORT_BURST];
    uint32_t hash[PORT_BURST];
    struct tcp_segment segment[PORT_BURST];
    uint32_t conn[PORT_BURST];
    struct guard guard[PORT_BURST];
    uint32_t script[PORT_BURST]; /* UINT32_MAX: none */
    uint16_t home[PORT_BURST];
};

/* As conn_expect does. */
static void expect_flow(struct burst *b, uint32_t i)
{
    const struct net_packet *p = &b->packet[i];
    struct flow_key *key = &b->key[i];

    *key = (struct flow_key){.local_port = wire_u16(p->l4 + 2), .remote_port = wire_u16(p->l4)};
    memcpy(key->local, p->dst, sizeof(key->local));
    memcpy(key->remote, p->src, sizeof(key->remote));
    b->hash[i] = flow_expect(&flows, key);
}

static void take_flow(struct burst *b, uint32_t i)
{
    const struct net_packet *p = &b->packet[i];
    bool is_sound = tcp_segment_parse(&b->segment[i], p->l4, p->l4_bytes);

    assert(is_sound);
    b->conn[i] = flow_find(&flows, &b->key[i], b->hash[i]);
}

static void take_hello(struct burst *b, uint32_t i)
{
    struct stream stream = {b->segment[i].payload, b->segment[i].payload_bytes};
    enum guard_result result = guard_look(&b->guard[i], &io, &stream);

    assert(result == GUARD_OK);
    if (b->guard[i].hello.name == CLIENT_HELLO_HOST)
        routes_expect(routes, b->guard[i].hello.host, b->guard[i].hello.host_bytes);
}

static void find_script(struct burst *b, uint32_t i)
{
    const struct client_hello *hello = &b->guard[i].hello;

    b->script[i] = UINT32_MAX;
    if (hello->name == CLIENT_HELLO_HOST)
        routes_of_host(routes, 0, hello->host, hello->host_bytes, &b->script[i], 1, &(uint64_t){0});
    if (b->script[i] != UINT32_MAX)
        __builtin_prefetch(&scripts[b->script[i]].id_hash);
}

static void find_home(struct burst *b, uint32_t i)
{
    if (b->script[i] != UINT32_MAX)
        b->home[i] = ring_home(ring, scripts[b->script[i]].id_hash);
}

/* at[]: when each stage began, and when the last one was over. */
static void classify(struct burst *b, uint64_t at[STAGES + 1])
{

    for (uint32_t i = 0; i < PORT_BURST; i++)
        guard_init(&b->guard[i]); /* the connection's birth, not this frame's affair */
    at[CSUM] = ticks();
    for (uint32_t i = 0; i < CSUM_EXPECT_AHEAD; i++)
        csum_expect(b->frame[i].bytes, b->frame[i].len);
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        const struct frame *ahead = &b->frame[i + CSUM_EXPECT_AHEAD];

        if (i + CSUM_EXPECT_AHEAD < PORT_BURST)
            csum_expect(ahead->bytes, ahead->len);
        b->frame[i].rx_csum = (uint8_t)csum_verify(b->frame[i].bytes, b->frame[i].len);
    }
    at[NET] = ticks();
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        enum net_verdict verdict = net_input(&net, &b->frame[i], 1, &b->packet[i]);

        assert(verdict == NET_TCP);
        expect_flow(b, i);
    }
    at[FLOW] = ticks();
    for (uint32_t i = 0; i < PORT_BURST; i++)
        take_flow(b, i);
    at[HELLO] = ticks();
    for (uint32_t i = 0; i < PORT_BURST; i++)
        take_hello(b, i);
    at[ROUTE] = ticks();
    for (uint32_t i = 0; i < PORT_BURST; i++)
        find_script(b, i);
    at[RING] = ticks();
    for (uint32_t i = 0; i < PORT_BURST; i++)
        find_home(b, i);
    at[STAGES] = ticks();
}

/* ---- the frames ---- */

/* The record with another name in it: all lengths around the name change with it. */
static size_t rename_host(const struct shape *s, const char *host, uint8_t *out)
{
    size_t name = s->name_at, was = wire_u16(s->record + name + 7), len = strlen(host);
    const size_t lengths[] = {3, 7, s->extensions_at, name + 2, name + 4, name + 7};

    memcpy(out, s->record, name + 9);
    memcpy(out + name + 9, host, len);
    memcpy(out + name + 9 + len, s->record + name + 9 + was, s->bytes - name - 9 - was);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        wire_put_u16(out + lengths[i], (uint16_t)(wire_u16(out + lengths[i]) + len - was));
    return s->bytes + len - was;
}

static void find_name(struct shape *s)
{
    size_t at = TLS_RECORD_HEADER_BYTES + TLS_MESSAGE_HEADER_BYTES + 2 + TLS_RANDOM_BYTES;

    at += 1 + (size_t)s->record[at];
    at += 2 + (size_t)wire_u16(s->record + at);
    at += 1 + (size_t)s->record[at];
    s->extensions_at = at;
    s->name_at = 0;
    for (at += 2; at < s->bytes; at += 4 + (size_t)wire_u16(s->record + at + 2))
        if (wire_u16(s->record + at) == TLS_EXTENSION_SERVER_NAME)
            s->name_at = at;
}

/* False: it does not fit one segment, with the name of a host in it. */
static bool load_shape(const char *directory, const char *name, struct shape *s)
{
    static uint8_t record[1 << 14];

    snprintf(s->name, sizeof(s->name), "%s", name);
    s->bytes = client_hello_load(directory, name, record, sizeof(record));
    if (s->bytes + sizeof(hosts[0]) > sizeof(s->record))
        return false;
    memcpy(s->record, record, s->bytes);
    find_name(s);
    return true;
}

/* Does it bring a point of a NIST curve? That the point lies on the curve is looked at by the TLS
 * library, at a price above all the rest together; such frames are not in the mix, and have lines
 * of their own. */
static bool has_point(const struct shape *s)
{
    size_t at = s->extensions_at + 2;
    bool has = false;

    for (; at < s->bytes; at += 4 + (size_t)wire_u16(s->record + at + 2))
        for (size_t share = at + 6; wire_u16(s->record + at) == TLS_EXTENSION_KEY_SHARE &&
                                    share < at + 4 + wire_u16(s->record + at + 2);
             share += 4 + (size_t)wire_u16(s->record + share + 2))
            has |= wire_u16(s->record + share) < 0x001d;
    return has;
}

/* Those with points last. */
static bool load_shapes(const char *directory)
{
    for (int points = 0; points < 2; points++) {
        for (uint32_t i = 0; i < CLIENT_HELLOS; i++) {
            struct shape *s = &shapes[shape_count];

            if (load_shape(directory, client_hellos[i], s) && has_point(s) == points)
                shape_count++;
        }
        if (!points)
            mix_count = shape_count;
    }
    return mix_count > 0;
}

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t our_ip4[4] = {198, 51, 100, 1};

static void put_remote(uint8_t ip4[4], uint32_t host)
{
    wire_put_u32(ip4, 10u << 24 | host);
}

static uint16_t remote_port(uint32_t host)
{
    return (uint16_t)(20000 + host % 40000);
}

/* One segment of an established connection, timestamps and all. */
static void make_sample(struct sample *sample, uint8_t *bytes, const struct shape *s, uint32_t host)
{
    uint8_t *ip = bytes + 14, *tcp = ip + 20;
    size_t payload = s->bytes;

    if (s->name_at > 0)
        payload = rename_host(s, hosts[host], bytes + HEADER_BYTES);
    else
        memcpy(bytes + HEADER_BYTES, s->record, payload);
    memcpy(bytes, our_mac, 6);
    memcpy(bytes + 6, (uint8_t[]){2, 0, 0, 0, 0, 2, 8, 0}, 8);
    memset(ip, 0, 20 + 32);
    ip[0] = 0x45;
    wire_put_u16(ip + 2, (uint16_t)(20 + 32 + payload));
    ip[8] = 64;
    ip[9] = 6;
    put_remote(ip + 12, host);
    memcpy(ip + 16, our_ip4, 4);
    wire_put_u16(tcp, remote_port(host));
    wire_put_u16(tcp + 2, 443);
    memcpy(tcp + 12, "\x80\x18\xff\xff", 4);
    memcpy(tcp + 20, "\1\1\10\12", 4);
    *sample = (struct sample){.frame = {.bytes = bytes,
                                        .len = (uint32_t)(HEADER_BYTES + payload),
                                        .tx_csum = FRAME_TX_TCP,
                                        .l3_offset = 14,
                                        .l4_offset = 34},
                              .host = host,
                              .has_name = s->name_at > 0};
    csum_fill(&sample->frame);
}

static void add_flow(uint32_t i)
{
    struct flow_key key = {.local_port = 443, .remote_port = remote_port(i)};
    uint8_t remote[4];

    put_remote(remote, i);
    ip_from_ip4(key.local, our_ip4);
    ip_from_ip4(key.remote, remote);
    flow_add(&flows, &key, i);
}

/* ---- the tables ---- */

static void *take(const char *name, size_t bytes)
{
    const struct rte_memzone *zone = rte_memzone_reserve_aligned(name, bytes, SOCKET_ID_ANY, 0, 64);

    return zone ? zone->addr : NULL;
}

static bool build_world(void)
{
    static struct route_source source[HOSTS];
    struct ring_member member[NODES];
    char error[256];

    scripts = calloc(HOSTS, sizeof(*scripts));
    for (uint32_t i = 0; scripts && i < HOSTS; i++) {
        snprintf(hosts[i], sizeof(hosts[i]), "shop%u.customers.example.org", i);
        scripts[i].id_hash = XXH3_64bits(hosts[i], strlen(hosts[i]));
        source[i] = (struct route_source){.pattern = hosts[i], .script = i};
    }
    routes = routes_build(source, HOSTS, 1, error, sizeof(error));
    for (uint32_t i = 0; i < NODES; i++)
        member[i] = (struct ring_member){XXH3_64bits(&i, sizeof(i)), (uint16_t)i, RING_WEIGHT_ONE};
    ring = take("bench_classify_ring", ring_bytes(member, NODES));
    if (!scripts || !routes || !ring)
        return false;
    ring_build(ring, member, NODES, 1);
    return true;
}

static bool build_net(void)
{
    struct net_config config = {.mtu = 1500, .address_count = 1, .address = {{.prefix_len = 120}}};
    struct neighbours *neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    void *memory = take("bench_classify_flows", flow_table_bytes(HOSTS));

    if (!neighbours || !memory)
        return false;
    memcpy(config.mac, our_mac, 6);
    ip_from_ip4(config.address[0].ip, our_ip4);
    neighbours_init(neighbours, 1);
    tx_init(&tx, &port, 0, &counters);
    net_init(&net, &config, neighbours, &counters, &tx);
    flow_table_init(&flows, memory, HOSTS, 0x9e3779b97f4a7c15);
    return true;
}

static bool build(const char *directory)
{
    struct eal_config c = {.name = "bench-classify", .core_count = 1, .memory_mb = MEMORY_MB};
    struct eal_report report;
    uint8_t *buffers;

    c.control_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    if (eal_start(&c, &report, NULL, 0) || !load_shapes(directory))
        return false;
    buffers = take("bench_classify_buffers", (HOSTS + (size_t)shape_count) * BUFFER_BYTES);
    if (!buffers || !build_world() || !build_net())
        return false;
    for (uint32_t i = 0; i < HOSTS + shape_count; i++) {
        bool is_mix = i < HOSTS;
        uint32_t host = is_mix ? i : 0;

        make_sample(&samples[i], buffers + (size_t)i * BUFFER_BYTES,
                    &shapes[is_mix ? i % mix_count : i - HOSTS], host);
        if (is_mix)
            add_flow(host);
    }
    fprintf(stderr, "classify: %u hosts and flows, hugepages %s\n", HOSTS,
            report.has_huge ? "yes" : "no");
    return true;
}

/* ---- the cases ---- */

static struct burst burst;

static void take_burst(const uint32_t order[PORT_BURST])
{
    for (uint32_t i = 0; i < PORT_BURST; i++)
        burst.frame[i] = samples[order[i]].frame;
}

/* What is wrong is not to be measured. */
static void check(const uint32_t order[PORT_BURST])
{
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        const struct sample *s = &samples[order[i]];

        if (burst.conn[i] != s->host || burst.script[i] != (s->has_name ? s->host : UINT32_MAX) ||
            (s->has_name && burst.home[i] != ring_home(ring, scripts[s->host].id_hash))) {
            fprintf(stderr, "classify: frame %u was misread\n", order[i]);
            abort();
        }
    }
}

struct figures {
    double stage[STAGES + 1][ROUNDS_MAX]; /* ns per frame; the last is all of it */
    double burst[STAGES + 1][BURSTS];     /* of this round */
};

static double ns_per_tick;

static void keep_burst(struct figures *f, uint32_t n, const uint64_t at[STAGES + 1])
{
    for (int i = 0; i < STAGES; i++)
        f->burst[i][n] = (double)(at[i + 1] - at[i]) * ns_per_tick / PORT_BURST;
    f->burst[STAGES][n] = (double)(at[STAGES] - at[0]) * ns_per_tick / PORT_BURST;
}

static void keep_round(struct figures *f, uint32_t round)
{
    for (int i = 0; i <= STAGES; i++)
        f->stage[i][round] = median(f->burst[i], BURSTS);
}

static void run_warm(struct figures *f, uint32_t round, const uint32_t order[PORT_BURST])
{
    uint64_t at[STAGES + 1];

    take_burst(order);
    classify(&burst, at);
    check(order);
    for (uint32_t i = 0; i < BURSTS; i++) {
        classify(&burst, at);
        keep_burst(f, i, at);
    }
    keep_round(f, round);
}

static void run_cold(struct figures *f, uint32_t round, const uint32_t order[HOSTS])
{
    uint64_t at[STAGES + 1];

    for (uint32_t i = 0; i < BURSTS; i++) {
        take_burst(&order[i * PORT_BURST]);
        classify(&burst, at);
        keep_burst(f, i, at);
        if (round == 0)
            check(&order[i * PORT_BURST]);
    }
    keep_round(f, round);
}

static void print_line(const char *name, double value, const char *peer, double peer_value)
{
    printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"ns/frame\", \"peer\": \"%s\", "
           "\"peer_value\": %.1f, \"ratio\": %.3f, \"n\": %u}\n",
           name, value, peer, peer_value, value / peer_value, rounds);
}

static void print_case(const char *name, struct figures *f, double goal)
{
    double *all = f->stage[STAGES], total = median(all, rounds);
    char line[64];

    snprintf(line, sizeof(line), "classify, %s", name);
    print_line(line, total, "goal", goal);
    fprintf(stderr, "classify, %s: %.1f to %.1f ns\n", name, all[0], all[rounds - 1]);
    for (int i = 0; i < STAGES; i++) {
        snprintf(line, sizeof(line), "classify, %s: %s", name, stage_name[i]);
        print_line(line, median(f->stage[i], rounds), "all of it", total);
    }
}

static void print_warm(void)
{
    static struct figures f;
    uint32_t order[PORT_BURST];

    for (uint32_t i = 0; i < PORT_BURST; i++)
        order[i] = HOSTS + i % mix_count;
    for (uint32_t round = 0; round < rounds; round++)
        run_warm(&f, round, order);
    print_case("warm", &f, WARM_GOAL_NS);
    /* One client's frames alone: they differ by what their keys cost. */
    for (uint32_t s = 0; s < shape_count; s++) {
        for (uint32_t i = 0; i < PORT_BURST; i++)
            order[i] = HOSTS + s;
        for (uint32_t round = 0; round < rounds; round++)
            run_warm(&f, round, order);
        fprintf(stderr, "classify, warm: %-16s %4u bytes, %6.1f ns, of it hello %6.1f\n",
                shapes[s].name, samples[HOSTS + s].frame.len, median(f.stage[STAGES], rounds),
                median(f.stage[HELLO], rounds));
    }
}

static void print_cold(void)
{
    static struct figures f;
    static uint32_t order[HOSTS];
    struct rng random = {1};

    for (uint32_t i = 0; i < HOSTS; i++)
        order[i] = i;
    for (uint32_t i = HOSTS - 1; i > 0; i--) {
        uint32_t k = (uint32_t)rng_below(&random, i + 1), was = order[i];

        order[i] = order[k];
        order[k] = was;
    }
    for (uint32_t round = 0; round < rounds; round++)
        run_cold(&f, round, order);
    print_case("cold", &f, COLD_GOAL_NS);
}

static int measure(void *arg)
{
    uint64_t ns = now_ns(), tick = ticks();

    while (now_ns() - ns < 50000000)
        ;
    ns = now_ns() - ns;
    ns_per_tick = (double)ns / (double)(ticks() - tick);
    print_warm();
    print_cold();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2)
        rounds = (uint32_t)strtoul(argv[2], NULL, 10);
    if (argc < 2 || !rounds || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_classify HELLOS [ROUNDS], at most %u\n", ROUNDS_MAX);
        return 2;
    }
    if (!build(argv[1])) {
        fprintf(stderr, "classify: no memory, or no ClientHello in %s\n", argv[1]);
        return 1;
    }
    eal_launch(0, measure, NULL);
    eal_wait(0);
    eal_stop();
    return 0;
}
