/* Two nodes on one link: who asks whom, what is sent, and when it is given up. */
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

static const uint64_t ms_ns = 1000000, second_ns = 1000000000;

struct node {
    struct port_memory port;
    struct counters counters;
    struct tx tx;
    struct net net;
    struct neighbours *neighbours;
    struct net_packet last; /* of type last_verdict; l4 is copied below */
    enum net_verdict last_verdict;
    uint8_t last_l4[64];
};

static struct node a, b;

static void node_init(struct node *n, uint8_t host, uint16_t vlan)
{
    struct net_config config;

    config_make(&config, host);
    config.vlan = vlan;
    memset(n, 0, sizeof(*n));
    n->neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    assert_non_null(n->neighbours);
    neighbours_init(n->neighbours, host);
    port_memory_init(&n->port, config.mac);
    tx_init(&n->tx, &n->port.port, 0, &n->counters);
    net_init(&n->net, &config, n->neighbours, &n->counters, &n->tx);
}

static int setup(void **state)
{
    node_init(&a, 1, 0);
    node_init(&b, 2, 0);
    return 0;
}

static void node_fini(struct node *n)
{
    tx_fini(&n->tx);
    assert_int_equal(n->port.buffers_out, 0);
    assert_int_equal(counters_unaccounted(&n->counters), 0);
    free(n->neighbours);
}

static int teardown(void **state)
{
    node_fini(&a);
    node_fini(&b);
    return 0;
}

/* Carries what one node has sent to the other. Returns how many frames. */
static uint32_t carry(struct node *from, struct node *to, uint64_t now_ns)
{
    uint32_t count;

    tx_flush(&from->tx);
    count = from->port.sent_count;
    for (uint32_t i = 0; i < count; i++) {
        struct port_memory_sent *s = &from->port.sent[i];
        struct frame f = {.bytes = s->bytes, .len = s->len};
        struct net_packet packet;

        if (s->tx_csum != FRAME_TX_NONE)
            frame_fix_checksums(s->bytes, s->len); /* the port's work */
        to->counters.rx_frames++;
        to->last_verdict = net_input(&to->net, &f, now_ns, &packet);
        to->counters.rx_tcp += to->last_verdict == NET_TCP;
        to->counters.rx_rpc += to->last_verdict == NET_UDP;
        if (to->last_verdict != NET_DONE) {
            to->last = packet;
            memcpy(to->last_l4, packet.l4, packet.l4_bytes < 64 ? packet.l4_bytes : 64);
        }
    }
    port_memory_clear(&from->port);
    return count;
}

static struct net_route route_of(const char *src, const char *dst)
{
    struct net_route r = {0};
    struct net_address address;

    assert_true(net_parse_address(src, &address));
    memcpy(r.src, address.ip, 16);
    assert_true(net_parse_address(dst, &address));
    memcpy(r.dst, address.ip, 16);
    return r;
}

/* A UDP datagram of 12 bytes. */
static bool say(struct node *n, const char *src, const char *dst, uint64_t now_ns)
{
    static const uint8_t udp[12] = {0xc0, 0, 0x20, 0, 0, 12, 0, 0, 1, 2, 3, 4};
    struct net_route route = route_of(src, dst);
    size_t room;
    uint8_t *p = net_begin(&n->net, &route, PROTOCOL_UDP, &room, now_ns);

    if (p == NULL)
        return false;
    assert_true(room >= sizeof(udp));
    memcpy(p, udp, sizeof(udp));
    net_end(&n->net, sizeof(udp));
    return true;
}

static void exchange(const char *mine, const char *theirs)
{
    /* The first packet waits for the query's answer; the answer is all it takes. */
    uint64_t unresolved = a.counters.net_unresolved;

    assert_false(say(&a, mine, theirs, 0));
    assert_int_equal(a.counters.net_unresolved, unresolved + 1);
    assert_int_equal(carry(&a, &b, 0), 1);
    assert_int_equal(carry(&b, &a, 0), 1);
    assert_true(say(&a, mine, theirs, ms_ns));
    assert_int_equal(carry(&a, &b, ms_ns), 1);
    assert_int_equal(b.last_verdict, NET_UDP);
    assert_int_equal(b.last.l4_bytes, 12);
    assert_memory_equal(b.last_l4 + 8, ((uint8_t[4]){1, 2, 3, 4}), 4);

    /* The other one has learned from our query and asks nothing. */
    assert_true(say(&b, theirs, mine, ms_ns));
    assert_int_equal(carry(&b, &a, ms_ns), 1);
    assert_int_equal(a.last_verdict, NET_UDP);
    assert_int_equal(b.counters.net_unresolved, 0);
}

static void two_nodes_find_each_other_by_arp(void **state)
{
    exchange("10.0.0.1", "10.0.0.2");
    assert_int_equal(a.counters.rx_arp, 1);
    assert_int_equal(b.counters.rx_arp, 1);
}

static void two_nodes_find_each_other_by_neighbour_discovery(void **state)
{
    exchange("fd00::1", "fd00::2");
    assert_int_equal(a.counters.rx_nd, 1);
    assert_int_equal(b.counters.rx_nd, 1);
}

static void two_nodes_find_each_other_by_link_local_address(void **state)
{
    exchange("fe80::ff:fe00:1", "fe80::ff:fe00:2");
}

static void two_nodes_find_each_other_inside_a_vlan(void **state)
{
    node_fini(&a);
    node_fini(&b);
    node_init(&a, 1, 100);
    node_init(&b, 2, 100);
    exchange("10.0.0.1", "10.0.0.2");
}

static void packets_off_the_link_go_to_the_gateway(void **state)
{
    /* b is the gateway of both families. */
    struct net_address gateway;

    assert_true(net_parse_address("10.0.0.2", &gateway));
    memcpy(a.net.config.gateway4, gateway.ip, 16);
    assert_true(net_parse_address("fd00::2", &gateway));
    memcpy(a.net.config.gateway6, gateway.ip, 16);

    assert_false(say(&a, "10.0.0.1", "8.8.8.8", 0));
    assert_false(say(&a, "fd00::1", "2001:db8::8", 0));
    assert_int_equal(carry(&a, &b, 0), 2);
    assert_int_equal(carry(&b, &a, 0), 2);
    assert_true(say(&a, "10.0.0.1", "8.8.8.8", 0));
    assert_true(say(&a, "fd00::1", "2001:db8::8", 0));
    tx_flush(&a.tx);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(a.port.sent[i].bytes, b.net.config.mac, 6);
}

static void without_a_gateway_there_is_no_way(void **state)
{
    memset(a.net.config.gateway4, 0, 16);
    memset(a.net.config.gateway6, 0, 16);
    assert_false(say(&a, "10.0.0.1", "8.8.8.8", 0));
    assert_false(say(&a, "fd00::1", "2001:db8::8", 0));
    assert_false(say(&a, "fd00::1", "::", 0));
    assert_int_equal(a.counters.net_no_route, 3);
    assert_int_equal(carry(&a, &b, 0), 0);
}

static void announcing_teaches_who_knows_us_and_asks_for_the_gateways(void **state)
{
    uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x77}, found[6];
    bool ask;

    /* b knows an older MAC of a, which has been replaced. */
    for (int i = 0; i < 2; i++)
        neighbour_learn(b.neighbours, a.net.address[i].ip, mac, NEIGHBOUR_ADD, 0);
    net_announce(&a.net, 0);
    assert_int_equal(carry(&a, &b, 0), 5); /* three addresses, two gateways */
    for (int i = 0; i < 2; i++) {
        assert_true(neighbour_find(b.neighbours, a.net.address[i].ip, 0, found, &ask));
        assert_memory_equal(found, a.net.config.mac, 6);
    }
}

/* The kernel changes its tap's MAC with the port's, and does not say so. */
static void announcing_speaks_for_the_host_too(void **state)
{
    static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x77};
    struct exception *e = &a.net.config.exception;
    uint8_t found[6];
    bool ask;

    e->address_count = 3;
    assert_true(net_parse_address("10.0.0.11/24", &e->address[0]));
    assert_true(net_parse_address("fd00::11/64", &e->address[1]));
    e->address[2] = a.net.address[0]; /* shared: once */
    for (int i = 0; i < 2; i++)
        neighbour_learn(b.neighbours, e->address[i].ip, mac, NEIGHBOUR_ADD, 0);
    net_announce(&a.net, 0);
    assert_int_equal(carry(&a, &b, 0), 7);
    for (int i = 0; i < 2; i++) {
        assert_true(neighbour_find(b.neighbours, e->address[i].ip, 0, found, &ask));
        assert_memory_equal(found, a.net.config.mac, 6);
    }
}

/* A VF that was started anew may have another MAC: what it says from then on has that, and so has
 * the link-local address that was made of it. */
static void announcing_takes_up_the_ports_mac(void **state)
{
    static const uint8_t mac[6] = {0x02, 0, 0, 0x12, 0x34, 0x56};
    static const uint8_t link_local[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0x12, 0x34, 0x56};
    uint8_t found[6];
    bool ask;

    memcpy(a.port.port.caps.mac, mac, 6);
    net_announce(&a.net, 0);
    carry(&a, &b, 0);
    for (int i = 0; i < 2; i++) {
        /* b knew none of them: it answers what asks, and learns. */
        neighbour_learn(b.neighbours, a.net.address[i].ip, mac, NEIGHBOUR_ADD, 0);
        assert_true(neighbour_find(b.neighbours, a.net.address[i].ip, 0, found, &ask));
    }
    assert_memory_equal(a.net.config.mac, mac, 6);
    assert_memory_equal(a.net.address[a.net.address_count - 1].ip + 11, link_local + 11, 5);
}

static void the_groups_are_those_that_neighbours_ask(void **state)
{
    static const struct {
        const char *what, *address[4];
        const char *group[4]; /* 33:33: and this, beside all nodes */
        uint32_t count;
    } rows[] = {
        {"IPv4 alone still has a link-local address", {"10.0.0.1/24"}, {"ff000077"}, 2},
        {"each address its own",
         {"fd00::12:3456/64", "2001:db8::1/64"},
         {"ff123456", "ff000001", "ff000077"},
         4},
        {"addresses that end alike share one",
         {"fd00::1/64", "fd01::1/64"},
         {"ff000001", "ff000077"},
         3},
        {"a link-local address of the operator's is the only one", {"fe80::5/64"}, {"ff000005"}, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct net_config config = {.mac = {0x02, 0, 0, 0, 0, 0x77}, .mtu = 1500};
        uint8_t mac[NET_ADDRESSES_MAX + 2][6];
        for (; config.address_count < 4 && rows[i].address[config.address_count];
             config.address_count++)
            assert_true(net_parse_address(rows[i].address[config.address_count],
                                          &config.address[config.address_count]));
        if (net_groups(&config, mac) != rows[i].count)
            fail_msg("%s: %u groups", rows[i].what, net_groups(&config, mac));
        assert_memory_equal(mac[0], "\x33\x33\0\0\0\1", 6);
        for (uint32_t g = 1; g < rows[i].count; g++) {
            char text[9];
            snprintf(text, sizeof(text), "%02x%02x%02x%02x", mac[g][2], mac[g][3], mac[g][4],
                     mac[g][5]);
            assert_memory_equal(mac[g], "\x33\x33", 2);
            assert_string_equal(text, rows[i].group[g - 1]);
        }
    }
}

static void headers_are_complete_but_for_the_ports_checksums(void **state)
{
    static const uint8_t protocols[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP4};
    static const uint8_t csum4[] = {FRAME_TX_TCP, FRAME_TX_UDP, FRAME_TX_IP};
    static const uint8_t csum6[] = {FRAME_TX_TCP, FRAME_TX_UDP, FRAME_TX_NONE};

    exchange("10.0.0.1", "10.0.0.2");
    exchange("fd00::1", "fd00::2");
    for (int i = 0; i < 6; i++) {
        bool is4 = i < 3;
        struct net_route route =
            is4 ? route_of("10.0.0.1", "10.0.0.2") : route_of("fd00::1", "fd00::2");
        size_t room;

        route.ecn = 2;
        uint8_t *p = net_begin(&a.net, &route, protocols[i % 3], &room, 2 * ms_ns);

        assert_non_null(p);
        assert_int_equal(room, is4 ? 1480 : 1460);
        assert_int_equal(room, net_l4_room(&a.net, route.dst));
        memset(p, 0x55, 24);
        net_end(&a.net, 24);
        tx_flush(&a.tx);

        const struct port_memory_sent *s = &a.port.sent[0];
        const uint8_t *ip = s->bytes + 14;

        assert_int_equal(a.port.sent_count, 1);
        assert_int_equal(s->l3_offset, 14);
        assert_int_equal(s->l4_offset, is4 ? 34 : 54);
        assert_int_equal(s->len, s->l4_offset + 24);
        assert_int_equal(s->tx_csum, is4 ? csum4[i] : csum6[i - 3]);
        if (is4) {
            assert_int_equal(ip[0], 0x45);
            assert_int_equal(ip[IP4_TOS], 2);
            assert_int_equal(wire_u16(ip + IP4_LENGTH), 44);
            assert_int_equal(wire_u16(ip + IP4_FRAGMENT), IP4_DONT_FRAGMENT);
            assert_int_equal(ip[IP4_TTL], 64);
            assert_int_equal(ip[IP4_PROTOCOL], protocols[i % 3]);
            assert_int_equal(wire_u16(ip + IP4_CHECKSUM), 0);
        } else {
            assert_int_equal(ip[0], 0x60);
            assert_int_equal(ip[1] >> 4, 2);
            assert_int_equal(wire_u16(ip + IP6_LENGTH), 24);
            assert_int_equal(ip[IP6_HOP_LIMIT], 64);
            assert_int_equal(ip[IP6_NEXT], protocols[i % 3]);
        }
        port_memory_clear(&a.port);
    }
}

static uint32_t label_of(uint16_t port)
{
    struct net_route route = route_of("fd00::1", "fd00::2");
    size_t room;
    uint8_t *p = net_begin(&a.net, &route, PROTOCOL_TCP, &room, 2 * ms_ns);

    memset(p, 0, 20);
    wire_put_u16(p, port);
    net_end(&a.net, 20);
    tx_flush(&a.tx);

    uint32_t label = wire_u32(a.port.sent[0].bytes + 14) & 0xfffff;

    port_memory_clear(&a.port);
    return label;
}

static void a_flow_keeps_its_label_and_flows_differ(void **state)
{
    exchange("fd00::1", "fd00::2");

    uint32_t first = label_of(1);

    assert_int_equal(label_of(1), first);
    assert_int_not_equal(label_of(2), first);
}

static void an_abandoned_packet_is_not_sent(void **state)
{
    struct net_route route = route_of("10.0.0.1", "10.0.0.2");
    size_t room;

    exchange("10.0.0.1", "10.0.0.2");
    assert_non_null(net_begin(&a.net, &route, PROTOCOL_TCP, &room, 2 * ms_ns));
    net_end(&a.net, 0);
    assert_int_equal(carry(&a, &b, 0), 0);
    assert_true(say(&a, "10.0.0.1", "10.0.0.2", 2 * ms_ns));
    assert_int_equal(carry(&a, &b, 0), 1);
}

static void a_silent_neighbour_is_asked_at_its_pace_and_then_rarely(void **state)
{
    uint32_t queries = 0;
    uint64_t last_ns = 0, longest_ns = 0;

    /* Something wants to go to it each millisecond for ten minutes. */
    for (uint64_t now = 0; now < 600 * second_ns; now += ms_ns) {
        assert_false(say(&a, "10.0.0.1", "10.0.0.9", now));
        tx_flush(&a.tx);
        if (a.port.sent_count == 0)
            continue;
        assert_int_equal(a.port.sent_count, 1);
        port_memory_clear(&a.port);
        if (queries > 0) {
            uint64_t gap = now - last_ns;

            assert_true(gap >= NEIGHBOUR_QUERY_INTERVAL_MS * ms_ns);
            if (queries < NEIGHBOUR_QUERIES_MAX)
                assert_true(gap <= (NEIGHBOUR_QUERY_INTERVAL_MS + 1) * ms_ns);
            if (gap > longest_ns)
                longest_ns = gap;
        }
        queries++;
        last_ns = now;
    }
    assert_in_range(longest_ns, 31 * second_ns, 33 * second_ns);
    assert_in_range(queries, 30, 40);
}

static void a_stale_neighbour_is_used_while_it_is_asked_again(void **state)
{
    uint64_t stale = (uint64_t)NEIGHBOUR_STALE_S * second_ns + ms_ns;

    exchange("10.0.0.1", "10.0.0.2");
    assert_true(say(&a, "10.0.0.1", "10.0.0.2", stale));
    assert_int_equal(carry(&a, &b, stale), 2);
    assert_int_equal(b.last_verdict, NET_UDP);
    assert_int_equal(carry(&b, &a, stale), 1);
    /* Confirmed: quiet for another while. */
    assert_true(say(&a, "10.0.0.1", "10.0.0.2", stale + second_ns));
    assert_int_equal(carry(&a, &b, stale + second_ns), 1);
}

static void a_stale_neighbour_that_stays_silent_is_given_up(void **state)
{
    uint64_t now = (uint64_t)NEIGHBOUR_STALE_S * second_ns + ms_ns;
    uint32_t said = 0;

    exchange("10.0.0.1", "10.0.0.2");
    while (say(&a, "10.0.0.1", "10.0.0.2", now)) {
        said++;
        now += NEIGHBOUR_QUERY_INTERVAL_MS * ms_ns;
    }
    assert_int_equal(said, NEIGHBOUR_QUERIES_MAX + 1);
    tx_flush(&a.tx);
    port_memory_clear(&a.port);
    /* It comes back: one answer is enough. */
    assert_false(say(&a, "10.0.0.1", "10.0.0.2", now + 60 * second_ns));
    assert_int_equal(carry(&a, &b, now), 1);
    assert_int_equal(carry(&b, &a, now), 1);
    assert_true(say(&a, "10.0.0.1", "10.0.0.2", now));
}

static void an_advertisement_without_override_does_not_change_a_known_mac(void **state)
{
    struct fixture_frame f;
    struct net_packet packet;
    uint8_t mac[6];
    bool ask;

    exchange("fd00::1", "fd00::2");
    frame_make(&f, NA, "58:40 80:020000000077");
    net_input(&a.net, &f.frame, ms_ns, &packet);
    a.counters.rx_frames++;
    assert_int_equal(a.counters.drop_nd_other, 1);
    /* The old one is used, and asked for. */
    assert_true(neighbour_find(a.neighbours, b.net.address[1].ip, ms_ns, mac, &ask));
    assert_memory_equal(mac, b.net.config.mac, 6);
    assert_true(ask);
    frame_make(&f, NA, "58:60 80:020000000077");
    net_input(&a.net, &f.frame, ms_ns, &packet);
    a.counters.rx_frames++;
    assert_true(neighbour_find(a.neighbours, b.net.address[1].ip, ms_ns, mac, &ask));
    assert_int_equal(mac[5], 0x77);
    assert_false(ask);
}

static void nobody_is_learned_who_did_not_ask_or_is_not_on_the_link(void **state)
{
    static const struct {
        const char *description;
        enum base base;
        const char *changes, *ip;
    } cases[] = {
        {"a reply that nobody asked for", ARP_ANSWER, "28:0a000009", "10.0.0.9"},
        {"a request of a host of another network", ARP_ASK, "28:c0a80005", "192.168.0.5"},
        {"a request for another host", ARP_ASK, "28:0a000008 38:0a000005", "10.0.0.8"},
        {"an advertisement that nobody asked for", NA, "77:08", "fd00::8"},
        {"a solicitation of a host of another network", NS, "22:20010db8000000000000000000000009",
         "2001:db8::9"},
        {"a solicitation without its MAC", NS, "37:09 18:0018", "fd00::9"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture_frame f;
        struct net_packet packet;
        struct net_address address;
        uint8_t mac[6];
        bool ask;

        print_message("  %s\n", cases[i].description);
        frame_make(&f, cases[i].base, cases[i].changes);
        a.counters.rx_frames++;
        assert_int_equal(net_input(&a.net, &f.frame, 0, &packet), NET_DONE);
        assert_true(net_parse_address(cases[i].ip, &address));
        assert_false(neighbour_find(a.neighbours, address.ip, 0, mac, &ask));
    }
}

static void addresses_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        const char *ip;
        uint8_t prefix_len;
    } cases[] = {
        {"10.77.0.1/24", true, "10.77.0.1", 120},
        {"10.77.0.1", true, "10.77.0.1", 128},
        {"0.0.0.0/0", true, "0.0.0.0", 96},
        {"fd77::1/64", true, "fd77::1", 64},
        {"fd77::1/128", true, "fd77::1", 128},
        {"fd77::1", true, "fd77::1", 128},
        {"10.77.0.1/33", false},
        {"fd77::1/129", false},
        {"10.77.0.1/", false},
        {"10.77.0.1/-1", false},
        {"10.77.0.1/+8", false},
        {"10.77.0.1/ 8", false},
        {"10.77.0.1/8x", false},
        {"10.77.0.1/0008", false},
        {"10.77.0.256", false},
        {"10.77.1", false},
        {"::ffff:10.77.0.1/120", false},
        {"hearth.test", false},
        {"", false},
        {"/24", false},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/64", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_address address;
        char text[46];

        print_message("  \"%s\"\n", cases[i].text);
        assert_int_equal(net_parse_address(cases[i].text, &address), cases[i].ok);
        if (!cases[i].ok)
            continue;
        net_format_ip(address.ip, text);
        assert_string_equal(text, cases[i].ip);
        assert_int_equal(address.prefix_len, cases[i].prefix_len);
    }
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void the_mtu_fits_the_addresses_or_a_sentence_says_why(void **state)
{
    static const struct {
        const char *what, *address;
        uint16_t mtu;
        const char *said; /* NULL: it fits */
    } mtus[] = {
        {"the least for IPv6", "fd00::1/64", 1280, NULL},
        {"one less", "fd00::1/64", 1279,
         "its MTU is 1279: IPv6 needs 1280 at least (RFC 8200); raise it, or take the address "
         "fd00::1 away"},
        {"IPv4 alone may have less", "10.0.0.1/24", 1279, NULL},
        {"the least for IPv4", "10.0.0.1/24", 576, NULL},
        {"one less", "10.0.0.1/24", 575, "its MTU is 575: IPv4 needs 576 at least (RFC 791)"},
        {"nothing", "10.0.0.1/24", 0, "its MTU is 0: IPv4 needs 576 at least (RFC 791)"},
    };
    for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
        struct net_config c = {.mtu = mtus[i].mtu, .address_count = 1};
        char error[200] = "";
        assert_true(net_parse_address(mtus[i].address, &c.address[0]));
        if (net_mtu_fits(&c, error, sizeof(error)) != !mtus[i].said ||
            strcmp(error, mtus[i].said ? mtus[i].said : "") != 0)
            fail_msg("%s: %s", mtus[i].what, error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(two_nodes_find_each_other_by_arp),
        ROW(two_nodes_find_each_other_by_neighbour_discovery),
        ROW(two_nodes_find_each_other_by_link_local_address),
        ROW(two_nodes_find_each_other_inside_a_vlan),
        ROW(packets_off_the_link_go_to_the_gateway),
        ROW(without_a_gateway_there_is_no_way),
        ROW(announcing_teaches_who_knows_us_and_asks_for_the_gateways),
        ROW(announcing_speaks_for_the_host_too),
        ROW(announcing_takes_up_the_ports_mac),
        ROW(the_groups_are_those_that_neighbours_ask),
        ROW(headers_are_complete_but_for_the_ports_checksums),
        ROW(a_flow_keeps_its_label_and_flows_differ),
        ROW(an_abandoned_packet_is_not_sent),
        ROW(a_silent_neighbour_is_asked_at_its_pace_and_then_rarely),
        ROW(a_stale_neighbour_is_used_while_it_is_asked_again),
        ROW(a_stale_neighbour_that_stays_silent_is_given_up),
        ROW(an_advertisement_without_override_does_not_change_a_known_mac),
        ROW(nobody_is_learned_who_did_not_ask_or_is_not_on_the_link),
        ROW(addresses_are_read_strictly),
        cmocka_unit_test(the_mtu_fits_the_addresses_or_a_sentence_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
