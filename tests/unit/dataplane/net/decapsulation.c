/* What balancers send, and what others send in their place: the rows are the specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net.h"
#include "dataplane/net/net_wire.h"
#include "fixture.h"
#include "port_memory.h"

static struct bench {
    struct net net;
    struct counters counters;
    struct tx tx;
    struct port_memory port;
    struct neighbours *neighbours;
} bench;

/* Balancers: 10.1.0.0/16 and fd01::/64. The host has 10.0.0.11, and ssh of 10.0.0.1. */
static void bench_reset(bool is_on)
{
    struct net_config config;

    config_make(&config, 1);
    config.decapsulation = (struct decapsulation){
        .has_ipip = is_on,
        .gue_port = is_on ? 6080 : 0,
        .from_count = 2,
    };
    assert_true(net_parse_address("10.1.0.0/16", &config.decapsulation.from[0]));
    assert_true(net_parse_address("fd01::/64", &config.decapsulation.from[1]));
    config.exception = (struct exception){.address_count = 2, .rule_count = 1};
    assert_true(net_parse_address("10.0.0.11/24", &config.exception.address[0]));
    assert_true(net_parse_address("10.0.0.1/24", &config.exception.address[1]));
    assert_true(exception_parse_rule("tcp/22", &config.exception.rule[0]));

    memset(&bench.counters, 0, sizeof(bench.counters));
    if (!bench.neighbours)
        bench.neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    neighbours_init(bench.neighbours, 1);
    port_memory_init(&bench.port, config.mac);
    tx_init(&bench.tx, &bench.port.port, 0, &bench.counters);
    net_init(&bench.net, &config, bench.neighbours, &bench.counters, &bench.tx);
}

enum wrap { PLAIN, IPIP, GUE0, GUE1 };

/* Puts an outer header in front of the packet: IPv4 from 10.1.2.3 or IPv6 from fd01::3, to this
 * node. gue: the header's bytes, in hexadecimal; NULL: of version 0, for that packet. */
static void wrap(struct fixture_frame *f, enum wrap how, bool is_outer6, const char *gue)
{
    static const uint8_t outer4[] = {0x45, 0, 0,  0, 0x12, 0x34, 0x40, 0, 64, 0,
                                     0,    0, 10, 1, 2,    3,    10,   0, 0,  1};
    static const uint8_t outer6[] = {0x60, 0, 0, 0, 0, 0, 0, 64, 0xfd, 1, 0,    0, 0, 0,
                                     0,    0, 0, 0, 0, 0, 0, 0,  0,    3, 0xfd, 0, 0, 0,
                                     0,    0, 0, 0, 0, 0, 0, 0,  0,    0, 0,    1};
    struct fixture_frame inner = *f;
    const uint8_t *packet = inner.bytes + ETHER_BYTES;
    size_t bytes = inner.frame.len - ETHER_BYTES;
    bool is_inner6 = packet[0] >> 4 == 6;
    uint8_t *p = f->bytes + ETHER_BYTES, *start = p;
    uint8_t protocol = how >= GUE0 ? PROTOCOL_UDP : is_inner6 ? PROTOCOL_IP6 : PROTOCOL_IP4;

    if (how == PLAIN)
        return;
    memcpy(f->bytes, bench.net.config.mac, 6); /* by itself it may have been for a group */
    wire_put_u16(f->bytes + ETHER_TYPE, is_outer6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
    memcpy(p, is_outer6 ? outer6 : outer4, is_outer6 ? IP6_BYTES : IP4_BYTES);
    p[is_outer6 ? IP6_NEXT : IP4_PROTOCOL] = protocol;
    p += is_outer6 ? IP6_BYTES : IP4_BYTES;
    if (how >= GUE0) {
        uint8_t header[64] = {0, is_inner6 ? PROTOCOL_IP6 : PROTOCOL_IP4, 0, 0};
        size_t header_bytes = how == GUE0 ? 4 : 0;

        for (header_bytes = gue ? 0 : header_bytes; gue && gue[2 * header_bytes]; header_bytes++)
            sscanf(gue + 2 * header_bytes, "%2hhx", &header[header_bytes]);
        wire_put_u16(p, 0xc123);
        wire_put_u16(p + 2, 6080);
        wire_put_u16(p + 4, (uint16_t)(UDP_HEADER_BYTES + header_bytes + bytes));
        wire_put_u16(p + 6, 0);
        memcpy(p + UDP_HEADER_BYTES, header, header_bytes);
        p += UDP_HEADER_BYTES + header_bytes;
    }
    memcpy(p, packet, bytes);
    p += bytes;
    if (is_outer6)
        wire_put_u16(start + IP6_LENGTH, (uint16_t)(p - start - IP6_BYTES));
    else
        wire_put_u16(start + IP4_LENGTH, (uint16_t)(p - start));
    f->frame.len = (uint32_t)(p - f->bytes);
}

struct search {
    const char *wanted;
    uint64_t value;
};

static void look(void *arg, const char *name, const char *text, enum counter_kind kind,
                 uint64_t value)
{
    struct search *s = arg;

    if (!strcmp(name, s->wanted))
        s->value = value;
}

static uint64_t counter_named(const char *wanted)
{
    struct search s = {wanted, UINT64_MAX};

    counters_each(&bench.counters, look, &s);
    return s.value;
}

#define NODE_LL "fe80000000000000000000fffe000001"

static const struct row {
    const char *description;
    enum wrap how;
    bool is_outer6;
    enum base base;
    const char *changes; /* of the packet inside */
    const char *gue;     /* its header */
    const char *outer;   /* changes of the whole: "AT:HEX ..." */
    enum net_verdict verdict;
    const char *counter;
} rows[] = {
    {"IPv4 in IPv4", IPIP, false, TCP4, "", .verdict = NET_TCP},
    {"IPv6 in IPv4", IPIP, false, TCP6, "", .verdict = NET_TCP},
    {"IPv4 in IPv6", IPIP, true, TCP4, "", .verdict = NET_TCP},
    {"IPv6 in IPv6", IPIP, true, TCP6, "", .verdict = NET_TCP},
    {"GUE 0 with IPv4", GUE0, false, TCP4, "", .verdict = NET_TCP},
    {"GUE 0 with IPv6", GUE0, true, TCP6, "", .verdict = NET_TCP},
    {"GUE 1 with IPv4", GUE1, false, TCP4, "", .verdict = NET_TCP},
    {"GUE 1 with IPv6", GUE1, true, TCP6, "", .verdict = NET_TCP},
    {"GUE over IPv6 with a checksum of zero", GUE1, true, TCP4, "", .outer = "60:0000",
     .verdict = NET_TCP},
    {"GUE with a checksum that is wrong", GUE1, false, TCP4, "", .outer = "40:1234",
     .counter = "drop_l4_checksum"},
    {"UDP inside", IPIP, false, UDP4, "", .verdict = NET_UDP},
    {"packet too big inside, which a balancer forwards", IPIP, false, TOO_BIG4, "",
     .counter = "rx_icmp"},
    {"GUE 0 with two words of the balancer's own", GUE0, false, TCP4, "",
     "020400001122334455667788", .verdict = NET_TCP},

    {"somebody else sends IP in IP", IPIP, false, TCP4, "", .outer = "26:0a020203",
     .counter = "drop_decap_source"},
    {"somebody else sends GUE", GUE0, false, TCP4, "", .outer = "26:0a020203",
     .counter = "drop_decap_source"},
    {"somebody else sends IPv6 in IPv6", IPIP, true, TCP6, "", .outer = "23:02",
     .counter = "drop_decap_source"},
    {"the outer packet is a fragment", IPIP, false, TCP4, "", .outer = "20:2000",
     .counter = "drop_ip_fragment"},
    {"the outer packet is for another host", IPIP, false, TCP4, "", .outer = "30:0a000009",
     .counter = "drop_ip_other"},
    {"the outer packet is for the host", IPIP, false, TCP4, "", .outer = "30:0a00000b",
     .verdict = NET_HOST},

    {"GUE: a control message", GUE0, false, TCP4, "", "20040000", .counter = "drop_decap_bad"},
    {"GUE: version 2", GUE0, false, TCP4, "", "80040000", .counter = "drop_decap_bad"},
    {"GUE: version 3", GUE0, false, TCP4, "", "c0040000", .counter = "drop_decap_bad"},
    {"GUE: a flag that is set", GUE0, false, TCP4, "", "00040001", .counter = "drop_decap_bad"},
    {"GUE: neither IPv4 nor IPv6", GUE0, false, TCP4, "", "00110000", .counter = "drop_decap_bad"},
    {"GUE: a header longer than its packet", GUE0, false, TCP4, "", "1f040000",
     .counter = "drop_decap_bad"},
    {"GUE 1: version 5 of IP", GUE1, false, TCP4, "14:55 raw", .counter = "drop_decap_bad"},
    {"GUE: UDP says less than a header", GUE0, false, TCP4, "", .outer = "38:0007",
     .counter = "drop_decap_bad"},
    {"GUE: UDP says more than there is", GUE0, false, TCP4, "", .outer = "38:ffff",
     .counter = "drop_decap_bad"},
    {"GUE: says IPv6 and has IPv4", GUE0, false, TCP4, "", "00290000", .counter = "drop_ip_bad"},

    {"inside: for another host", IPIP, false, TCP4, "30:0a000009", .counter = "drop_decap_inner"},
    {"inside: for the host", IPIP, false, TCP4, "30:0a00000b", .counter = "drop_decap_inner"},
    {"inside: for the host, by a rule", IPIP, false, TCP4, "36:0016",
     .counter = "drop_decap_inner"},
    {"inside: a group", IPIP, true, NS, "", .counter = "drop_decap_inner"},
    {"inside: a solicitation to the address itself", IPIP, true, NS,
     "38:fd000000000000000000000000000001", .counter = "drop_decap_inner"},
    {"inside: an advertisement", IPIP, false, NA, "", .counter = "drop_decap_inner"},
    {"inside: from our own address", IPIP, false, TCP4, "26:0a000001", .counter = "drop_ip_source"},
    {"inside: a fragment", IPIP, false, TCP4, "20:2000", .counter = "drop_ip_fragment"},
    {"inside: a wrong IPv4 checksum", IPIP, false, TCP4, "24:dead raw",
     .counter = "drop_ip_checksum"},
    {"inside: a wrong TCP checksum", IPIP, false, TCP4, "50:dead rawl4",
     .counter = "drop_l4_checksum"},
    {"inside: longer than the outer packet", IPIP, false, TCP4, "16:0040",
     .counter = "drop_ip_bad"},
    {"inside: nothing", IPIP, false, TCP4, "len:14", .counter = "drop_ip_bad"},
    {"inside: IP in IP once more", IPIP, false, TCP4, "23:04", .counter = "drop_decap_inner"},
    {"inside: GUE once more", IPIP, false, UDP4, "36:17c0", .counter = "drop_decap_inner"},
};

/* "AT:HEX ...", behind which outer checksums are right again, but for one of them at 40. */
static void change(struct fixture_frame *f, const char *changes)
{
    bool is_raw = false;

    while (changes && *changes) {
        char *hex;
        size_t at = strtoul(changes, &hex, 10);

        is_raw |= at == 40 || at == 60;
        for (hex++; *hex && *hex != ' '; hex += 2)
            sscanf(hex, "%2hhx", &f->bytes[at++]);
        changes = hex + (*hex == ' ');
    }
    if (!is_raw)
        frame_fix_checksums(f->bytes, f->frame.len);
    else if (f->bytes[ETHER_BYTES] >> 4 == 4) {
        uint16_t sum = 0;

        memcpy(f->bytes + 24, &sum, 2);
        sum = ip_sum_end(ip_sum(f->bytes + ETHER_BYTES, IP4_BYTES, 0));
        memcpy(f->bytes + 24, &sum, 2);
    }
}

static void every_row(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        /* The port may have found the outer packet good. */
        for (int rx_csum = FRAME_CSUM_NONE; rx_csum <= FRAME_CSUM_GOOD; rx_csum++) {
            struct fixture_frame f;
            struct net_packet packet = {0};

            if (rx_csum == FRAME_CSUM_GOOD && row->outer && !strcmp(row->outer, "40:1234"))
                continue;
            bench_reset(true);
            bench.counters.rx_frames = 1;
            frame_make(&f, row->base, row->changes);
            wrap(&f, row->how, row->is_outer6, row->gue);
            change(&f, row->outer);
            f.frame.rx_csum = (uint8_t)rx_csum;
            enum net_verdict verdict = net_input(&bench.net, &f.frame, 1, &packet);

            if (verdict != row->verdict)
                fail_msg("%s: verdict %d, not %d", row->description, verdict, row->verdict);
            bench.counters.rx_tcp += verdict == NET_TCP;
            bench.counters.rx_rpc += verdict == NET_UDP;
            bench.counters.tap_tx += verdict == NET_HOST;
            if (counters_unaccounted(&bench.counters) != 0)
                fail_msg("%s: not one disposition", row->description);
            if (row->counter && counter_named(row->counter) != 1)
                fail_msg("%s: %s is not 1", row->description, row->counter);
            if (verdict == NET_TCP || verdict == NET_UDP) {
                assert_int_equal(bench.counters.net_decapsulated, 1);
                assert_int_equal(packet.src[15], 2); /* the client's, not the balancer's */
                assert_int_equal(packet.l4_bytes, verdict == NET_TCP ? 20 : 12);
            }
            tx_fini(&bench.tx);
            assert_int_equal(bench.port.sent_count, 0);
        }
    }
}

static void what_is_off_is_not_looked_into(void **state)
{
    static const struct {
        enum wrap how;
        enum net_verdict verdict;
    } off[] = {{IPIP, NET_DONE}, {GUE0, NET_UDP}};

    for (size_t i = 0; i < 2; i++) {
        struct fixture_frame f;
        struct net_packet packet;

        bench_reset(false);
        frame_make(&f, TCP4, "");
        wrap(&f, off[i].how, false, NULL);
        change(&f, NULL);
        assert_int_equal(net_input(&bench.net, &f.frame, 1, &packet), off[i].verdict);
        assert_int_equal(bench.counters.drop_ip_protocol, off[i].verdict == NET_DONE);
    }
}

static void the_mss_leaves_room_for_what_comes_before(void **state)
{
    const struct decapsulation off = {0}, ipip = {.has_ipip = true},
                               gue = {.has_ipip = true, .gue_port = 6080};

    assert_int_equal(decapsulation_bytes(&off, true), 0);
    assert_int_equal(decapsulation_bytes(&ipip, false), 20);
    assert_int_equal(decapsulation_bytes(&ipip, true), 40);
    assert_int_equal(decapsulation_bytes(&gue, false), 32);
    assert_int_equal(decapsulation_bytes(&gue, true), 52);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(what_is_off_is_not_looked_into),
        cmocka_unit_test(the_mss_leaves_room_for_what_comes_before),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(bench.neighbours);
    return failed;
}
