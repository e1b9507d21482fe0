/* What of the port's frames is the host's: the rows are the specification. */
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

static uint64_t counter_named(const struct counters *c, const char *wanted);

/* The host has 10.0.0.11 and fd00::11 for itself and shares 10.0.0.1 and fd00::1; there are rules
 * for ssh, BGP, DNS, ICMP and GRE. hearth listens on 443 and 80 and has 4433 and 4434 of UDP. */
static void bench_reset(bool is_shared)
{
    static const char *const addresses[] = {"10.0.0.11/24", "fd00::11/64", "10.0.0.1/24",
                                            "fd00::1/64"};
    static const char *const rules[] = {"tcp/22", "tcp/179", "udp/53", "icmp", "proto/47"};
    struct net_config config;
    struct exception *e = &config.exception;

    config_make(&config, 1);
    e->address_count = is_shared ? 4 : 2;
    for (uint32_t i = 0; i < e->address_count; i++)
        assert_true(net_parse_address(addresses[i], &e->address[i]));
    e->rule_count = is_shared ? 5 : 0;
    for (uint32_t i = 0; i < e->rule_count; i++)
        assert_true(exception_parse_rule(rules[i], &e->rule[i]));
    e->own_tcp[0] = (struct exception_ports){443, 1};
    e->own_tcp[1] = (struct exception_ports){80, 1};
    e->own_udp[0] = (struct exception_ports){4433, 2};

    memset(&bench.counters, 0, sizeof(bench.counters));
    if (!bench.neighbours)
        bench.neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    neighbours_init(bench.neighbours, 1);
    port_memory_init(&bench.port, config.mac);
    tx_init(&bench.tx, &bench.port.port, 0, &bench.counters);
    net_init(&bench.net, &config, bench.neighbours, &bench.counters, &bench.tx);
}

#define HOST6 "fd000000000000000000000000000011"

static const struct row {
    const char *description;
    enum base base;
    const char *changes;
    enum net_verdict verdict;
    const char *counter; /* NET_DONE, NET_BOTH */
    bool is_far;         /* of no neighbour */
    uint8_t replies;
} rows[] = {
    /* the host's alone */
    {"TCP to the host's address, whatever port", TCP4, "30:0a00000b", NET_HOST},
    {"to the host's address from another network", TCP4, "30:0a00000b 26:08080808", NET_HOST,
     .is_far = true},
    {"UDP to the host's address", UDP4, "30:0a00000b", NET_HOST},
    {"echo to the host's address", ECHO4, "30:0a00000b", NET_HOST},
    {"a protocol that hearth does not speak, to the host's address", TCP4, "30:0a00000b 23:59",
     NET_HOST},
    {"a fragment to the host's address", TCP4, "30:0a00000b 20:2000", NET_HOST},
    {"a wrong TCP checksum is the kernel's to find", TCP4, "30:0a00000b 50:dead rawl4", NET_HOST},
    {"a wrong IP checksum is not", TCP4, "30:0a00000b 24:dead raw", NET_DONE, "drop_ip_checksum"},
    {"to the host's address in a broadcast frame", TCP4, "0:ffffffffffff 30:0a00000b", NET_DONE,
     "drop_ip_other"},
    {"a stranger with the host's address", TCP4, "26:0a00000b", NET_DONE, "drop_ip_source"},
    {"a stranger with the host's address, to the host", TCP4, "26:0a00000b 30:0a00000b", NET_DONE,
     "drop_ip_source"},
    {"a third host's address is nobody's", TCP4, "30:0a00000c", NET_DONE, "drop_ip_other"},
    {"a broadcast is not the host's", UDP4, "30:0a0000ff", NET_DONE, "drop_ip_other"},
    {"who has the host's address", ARP_ASK, "38:0a00000b", NET_HOST},
    {"an ARP answer to the host", ARP_ANSWER, "38:0a00000b", NET_HOST},
    {"malformed ARP for the host", ARP_ASK, "38:0a00000b 20:0009", NET_DONE, "drop_arp_bad"},
    {"IPv6 to the host's address", TCP6, "38:" HOST6, NET_HOST},
    {"IPv6 to the host's address from afar", TCP6,
     "38:" HOST6 " 22:20010db8000000000000000000000009", NET_HOST, .is_far = true},
    {"who has the host's IPv6 address", NS,
     "0:3333ff000011 38:ff0200000000000000000001ff000011 62:" HOST6, NET_HOST},
    {"a solicitation for the host that was forwarded", NS,
     "0:3333ff000011 38:ff0200000000000000000001ff000011 62:" HOST6 " 21:fe", NET_DONE,
     "drop_nd_bad"},
    {"an advertisement to the host", NA, "38:" HOST6, NET_HOST},
    {"an advertisement to all nodes is for both", NA,
     "0:333300000001 38:ff020000000000000000000000000001 58:20000000", NET_BOTH, "drop_nd_other"},
    {"a router's advertisement is nobody's", RA, "", NET_DONE, "drop_nd_router"},

    /* shared */
    {"https to a shared address", TCP4, "", NET_TCP},
    {"ssh to a shared address", TCP4, "36:0016", NET_HOST},
    {"ssh to a shared address, from afar", TCP4, "36:0016 26:08080808", NET_HOST, .is_far = true},
    {"BGP that the neighbour opens", TCP4, "36:00b3", NET_HOST},
    {"BGP that the host has opened", TCP4, "34:00b3 36:9000", NET_HOST},
    {"BGP's port as a stranger's own, to https", TCP4, "34:00b3", NET_TCP},
    {"BGP's port as a stranger's own, to http", TCP4, "34:00b3 36:0050", NET_TCP},
    {"a TCP port that no rule names", TCP4, "36:1f90", NET_TCP},
    {"a rule for TCP is none for UDP", UDP4, "36:0016", NET_UDP},
    {"an answer of DNS", UDP4, "34:0035 36:9000", NET_HOST},
    {"DNS's port as a stranger's own, to a channel", UDP4, "34:0035 36:1152", NET_UDP},
    {"TCP that is cut before its ports end", TCP4, "16:0017", NET_DONE, "drop_l4_checksum"},
    {"a protocol that a rule names", TCP4, "23:2f", NET_HOST},
    {"a protocol that no rule names", TCP4, "23:59", NET_DONE, "drop_ip_protocol"},
    {"a fragment to a shared address", TCP4, "36:0016 20:2000", NET_DONE, "drop_ip_fragment"},
    {"echo to a shared address", ECHO4, "", NET_HOST},
    {"packet too big, of a client's connection", TOO_BIG4, "", NET_DONE, "rx_icmp"},
    {"packet too big, of the host's ssh", TOO_BIG4, "62:0016", NET_HOST},
    {"packet too big, of BGP that the host has opened", TOO_BIG4, "62:9000 64:00b3", NET_HOST},
    {"packet too big, cut within what it quotes", TOO_BIG4, "62:0016 16:0030", NET_DONE,
     "drop_icmp_bad"},
    {"ssh over IPv6", TCP6, "56:0016", NET_HOST},
    {"https over IPv6", TCP6, "", NET_TCP},
    {"IPv6 packet too big, of a client's connection", TOO_BIG6, "", NET_DONE, "rx_icmp"},
    {"IPv6 packet too big, of the host's ssh", TOO_BIG6, "102:0016", NET_HOST},
    {"echo over IPv6", ECHO6, "", NET_HOST},
    {"who has a shared address: hearth answers", ARP_ASK, "", NET_DONE, "rx_arp", .replies = 1},
    {"an ARP answer to a shared address is for both", ARP_ANSWER, "", NET_BOTH, "rx_arp"},
    {"who has a shared IPv6 address: hearth answers", NS, "", NET_DONE, "rx_nd", .replies = 1},
    {"an advertisement to a shared address is for both", NA, "", NET_BOTH, "drop_nd_other"},
    {"an advertisement to the link-local address is for both", NA,
     "38:fe80000000000000000000fffe000001", NET_BOTH, "drop_nd_other"},
    {"ssh to the link-local address", TCP6,
     "22:fe800000000000000000000000000002 38:fe80000000000000000000fffe000001 56:0016", NET_HOST},
};

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

static uint64_t counter_named(const struct counters *c, const char *wanted)
{
    struct search s = {wanted, UINT64_MAX};

    counters_each(c, look, &s);
    return s.value;
}

static void every_row(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct fixture_frame f;
        struct net_packet packet = {0};

        bench_reset(true);
        bench.counters.rx_frames = 1;
        frame_make(&f, row->base, row->changes);
        enum net_verdict verdict = net_input(&bench.net, &f.frame, 1, &packet);

        if (verdict != row->verdict)
            fail_msg("%s: verdict %d, not %d", row->description, verdict, row->verdict);
        bench.counters.rx_tcp += verdict == NET_TCP;
        bench.counters.rx_rpc += verdict == NET_UDP;
        bench.counters.tap_tx += verdict == NET_HOST;
        if (counters_unaccounted(&bench.counters) != 0)
            fail_msg("%s: not one disposition", row->description);
        if (row->counter && counter_named(&bench.counters, row->counter) != 1)
            fail_msg("%s: %s is not 1", row->description, row->counter);
        if ((verdict == NET_HOST || verdict == NET_BOTH) && packet.is_near == row->is_far)
            fail_msg("%s: near or far", row->description);
        tx_fini(&bench.tx);
        if (bench.port.sent_count != row->replies)
            fail_msg("%s: %u replies", row->description, (unsigned)bench.port.sent_count);
        assert_int_equal(bench.port.buffers_out, 0);
    }
}

static void without_shared_addresses_all_of_hearths_own_stays_its_own(void **state)
{
    static const struct {
        enum base base;
        const char *changes;
        enum net_verdict verdict;
    } own[] = {{TCP4, "36:0016", NET_TCP},     {TCP4, "34:00b3", NET_TCP},
               {UDP4, "36:0035", NET_UDP},     {ARP_ANSWER, "", NET_DONE},
               {TCP6, "56:0016", NET_TCP},     {NA, "", NET_DONE},
               {TOO_BIG4, "62:0016", NET_DONE}};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        struct fixture_frame f;
        struct net_packet packet;

        bench_reset(false);
        frame_make(&f, own[i].base, own[i].changes);
        if (net_input(&bench.net, &f.frame, 1, &packet) != own[i].verdict)
            fail_msg("row %zu", i);
    }
}

static void the_hosts_groups_are_heard(void **state)
{
    static const uint8_t wanted[][6] = {
        {0x33, 0x33, 0, 0, 0, 1}, {0x33, 0x33, 0xff, 0, 0, 1}, {0x33, 0x33, 0xff, 0, 0, 0x11}};
    uint8_t group[NET_GROUPS_MAX][6];

    bench_reset(true);
    assert_int_equal(net_groups(&bench.net.config, group), 3);
    assert_memory_equal(group, wanted, sizeof(wanted));
}

static void rules_are_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
        uint8_t protocol;
        uint16_t port;
    } texts[] = {
        {"tcp/179", true, 6, 179},
        {"udp/65535", true, 17, 65535},
        {"icmp", true, 1, 0},
        {"proto/89", true, 89, 0},
        {"proto/0", true, 0, 0},
        {"proto/255", true, 255, 0},
        {"proto/256", false},
        {"proto/6", false},
        {"proto/17", false},
        {"proto/1", false},
        {"proto/58", false},
        {"tcp/0", false},
        {"tcp/65536", false},
        {"tcp/", false},
        {"tcp/-1", false},
        {"tcp/+1", false},
        {"tcp/ 1", false},
        {"tcp/1 ", false},
        {"tcp/000022", false},
        {"tcp", false},
        {"TCP/22", false},
        {"icmp/8", false},
        {"", false},
        {"sctp/1", false},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct exception_rule rule;

        if (exception_parse_rule(texts[i].text, &rule) != texts[i].is_good)
            fail_msg("\"%s\"", texts[i].text);
        if (texts[i].is_good) {
            assert_int_equal(rule.protocol, texts[i].protocol);
            assert_int_equal(rule.port, texts[i].port);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(without_shared_addresses_all_of_hearths_own_stays_its_own),
        cmocka_unit_test(the_hosts_groups_are_heard),
        cmocka_unit_test(rules_are_read_or_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(bench.neighbours);
    return failed;
}
