#include "tests/perf/first_frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net_wire.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/route.h"
#include "dataplane/world/world.h"
#include "drivers/csum.h"
#include "tests/unit/dataplane/tls/client_hellos.h"

enum {
    NODES = 300,
    BUFFER_BYTES = 2304, /* of a port's pool */
    HEADER_BYTES = 14 + 20 + 32,
    PAYLOAD_BYTES_MAX = 1500 - 20 - 32,
};

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
static struct sample samples[FIRST_FRAME_HOSTS_MAX + CLIENT_HELLOS];
static char hosts[FIRST_FRAME_HOSTS_MAX][32];
static uint32_t host_count;
static struct world_script *scripts;
static struct ring *ring;
static struct routes *routes;
static struct flow_table flows;
static struct net net;
static struct port port = {.frame_bytes_max = 1518};
static struct tx tx;
static struct counters counters;

/* ---- the stages ---- */

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

static void verify(struct burst *b)
{
    for (uint32_t i = 0; i < CSUM_EXPECT_AHEAD; i++)
        csum_expect(b->frame[i].bytes, b->frame[i].len);
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        const struct frame *ahead = &b->frame[i + CSUM_EXPECT_AHEAD];

        if (i + CSUM_EXPECT_AHEAD < PORT_BURST)
            csum_expect(ahead->bytes, ahead->len);
        b->frame[i].rx_csum = (uint8_t)csum_verify(b->frame[i].bytes, b->frame[i].len);
    }
}

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

static void input(struct burst *b)
{
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        enum net_verdict verdict = net_input(&net, &b->frame[i], 1, &b->packet[i]);

        assert(verdict == NET_TCP);
        expect_flow(b, i);
    }
}

void first_frame_run(struct burst *b, enum stage stage)
{
    switch (stage) {
    case CSUM:
        verify(b);
        break;
    case NET:
        input(b);
        break;
    case FLOW:
        for (uint32_t i = 0; i < PORT_BURST; i++)
            take_flow(b, i);
        break;
    case HELLO:
        for (uint32_t i = 0; i < PORT_BURST; i++)
            take_hello(b, i);
        break;
    case ROUTE:
        for (uint32_t i = 0; i < PORT_BURST; i++)
            find_script(b, i);
        break;
    case RING:
        for (uint32_t i = 0; i < PORT_BURST; i++)
            find_home(b, i);
        break;
    case STAGES:
        assert(!"no stage");
    }
}

void first_frame_begin(struct burst *b)
{
    for (uint32_t i = 0; i < PORT_BURST; i++)
        guard_init(&b->guard[i]);
}

void first_frame_burst(struct burst *b, const uint32_t order[PORT_BURST])
{
    for (uint32_t i = 0; i < PORT_BURST; i++)
        b->frame[i] = samples[order[i]].frame;
}

void first_frame_check(const struct burst *b, const uint32_t order[PORT_BURST])
{
    for (uint32_t i = 0; i < PORT_BURST; i++) {
        const struct sample *s = &samples[order[i]];

        if (b->conn[i] != s->host || b->script[i] != (s->has_name ? s->host : UINT32_MAX) ||
            (s->has_name && b->home[i] != ring_home(ring, scripts[s->host].id_hash))) {
            fprintf(stderr, "first frame %u was misread\n", order[i]);
            abort();
        }
    }
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

static bool build_world(void *(*take)(const char *, size_t))
{
    static struct route_source source[FIRST_FRAME_HOSTS_MAX];
    struct ring_member member[NODES];
    char error[256];

    scripts = calloc(host_count, sizeof(*scripts));
    for (uint32_t i = 0; scripts && i < host_count; i++) {
        snprintf(hosts[i], sizeof(hosts[i]), "shop%u.customers.example.org", i);
        scripts[i].id_hash = XXH3_64bits(hosts[i], strlen(hosts[i]));
        source[i] = (struct route_source){.pattern = hosts[i], .script = i};
    }
    routes = routes_build(source, host_count, 1, error, sizeof(error));
    for (uint32_t i = 0; i < NODES; i++)
        member[i] = (struct ring_member){XXH3_64bits(&i, sizeof(i)), (uint16_t)i, RING_WEIGHT_ONE};
    ring = take("first_frame_ring", ring_bytes(member, NODES));
    if (!scripts || !routes || !ring)
        return false;
    ring_build(ring, member, NODES, 1);
    return true;
}

static bool build_net(void *(*take)(const char *, size_t))
{
    struct net_config config = {.mtu = 1500, .address_count = 1, .address = {{.prefix_len = 120}}};
    struct neighbours *neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    void *memory = take("first_frame_flows", flow_table_bytes(host_count));

    if (!neighbours || !memory)
        return false;
    memcpy(config.mac, our_mac, 6);
    ip_from_ip4(config.address[0].ip, our_ip4);
    neighbours_init(neighbours, 1);
    tx_init(&tx, &port, 0, &counters);
    net_init(&net, &config, neighbours, &counters, &tx);
    flow_table_init(&flows, memory, host_count, 0x9e3779b97f4a7c15);
    return true;
}

bool first_frame_build(struct first_frames *f, const char *directory, uint32_t count,
                       void *(*take)(const char *name, size_t bytes))
{
    assert(count > 0 && count <= FIRST_FRAME_HOSTS_MAX);
    host_count = count;
    if (!load_shapes(directory))
        return false;
    uint8_t *buffers =
        take("first_frame_buffers", (host_count + (size_t)shape_count) * BUFFER_BYTES);
    if (!buffers || !build_world(take) || !build_net(take))
        return false;
    for (uint32_t i = 0; i < host_count + shape_count; i++) {
        bool is_mix = i < host_count;
        uint32_t host = is_mix ? i : 0;

        make_sample(&samples[i], buffers + (size_t)i * BUFFER_BYTES,
                    &shapes[is_mix ? i % mix_count : i - host_count], host);
        if (is_mix)
            add_flow(host);
    }
    *f = (struct first_frames){.hosts = count, .shapes = shape_count, .mix = mix_count};
    return true;
}

const char *first_frame_shape(uint32_t shape, uint32_t *frame_bytes)
{
    *frame_bytes = samples[host_count + shape].frame.len;
    return shapes[shape].name;
}
