/* What becomes of a frame: the rows are the specification. */
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

enum reply { NO_REPLY, AN_ARP_REPLY, AN_ADVERT, AN_ECHO4, AN_ECHO6 };

/* v: the port has verified the checksums, or says nothing: the same outcome both times, unless
 * changes say otherwise. */
static const struct row {
    const char *description;
    enum base base;
    const char *changes;
    const char *counter; /* NULL: handed up as `verdict` */
    enum net_verdict verdict;
    enum reply reply;
    uint16_t vlan; /* the node's */
} rows[] = {
    /* link */
    {"a frame shorter than an Ethernet header is dropped", TCP4, "len:13", "drop_link_short"},
    {"an empty frame is dropped", TCP4, "len:0", "drop_link_short"},
    {"a frame cut inside its VLAN tag is dropped", TCP4, "vlan:0000 len:17", "drop_link_short"},
    {"another host's MAC is not ours", TCP4, "0:020000000009", "drop_link_other_mac"},
    {"a multicast MAC of a group we have not joined", TCP4, "0:01005e000001",
     "drop_link_other_mac"},
    {"a solicited-node MAC that fits no address of ours", NS, "0:3333ff000009",
     "drop_link_other_mac"},
    {"a group MAC as source is no host", TCP4, "6:030000000002", "drop_link_other_mac"},
    {"a zero MAC as source is no host", TCP4, "6:000000000000", "drop_link_other_mac"},
    {"our own MAC as source is a loop", TCP4, "6:020000000001", "drop_link_other_mac"},
    {"a VLAN tag that is not ours", TCP4, "vlan:0064", "drop_link_vlan"},
    {"an untagged frame on a tagged port", TCP4, "", "drop_link_vlan", .vlan = 100},
    {"a priority tag is no VLAN", TCP4, "vlan:e000", .verdict = NET_TCP},
    {"our VLAN is taken, whatever its priority", TCP4, "vlan:6064", .verdict = NET_TCP,
     .vlan = 100},
    {"a second VLAN tag is not spoken", TCP4, "vlan:0064 vlan:0000", "drop_link_ethertype"},
    {"an EtherType that is not spoken", TCP4, "12:88cc", "drop_link_ethertype"},
    {"an IEEE 802.3 length instead of an EtherType", TCP4, "12:0028", "drop_link_ethertype"},

    /* ARP */
    {"an ARP request for our address is answered", ARP_ASK, "", "rx_arp", .reply = AN_ARP_REPLY},
    {"an ARP request sent to our MAC alone is answered", ARP_ASK, "0:020000000001", "rx_arp",
     .reply = AN_ARP_REPLY},
    {"padding behind ARP is ignored", ARP_ASK, "len:60", "rx_arp", .reply = AN_ARP_REPLY},
    {"an ARP probe for our address is answered", ARP_ASK, "28:00000000", "rx_arp",
     .reply = AN_ARP_REPLY},
    {"an ARP reply to us is taken without an answer", ARP_ANSWER, "", "rx_arp"},
    {"an ARP request for another host", ARP_ASK, "28:0a000003 38:0a000004", "drop_arp_other"},
    {"an ARP reply to another host", ARP_ANSWER, "28:0a000003 38:0a000004", "drop_arp_other"},
    {"a gratuitous ARP of a host we know", ARP_ASK, "38:0a000002", "rx_arp"},
    {"a gratuitous ARP of a host we do not know", ARP_ASK, "28:0a000003 38:0a000003",
     "drop_arp_other"},
    {"a truncated ARP packet", ARP_ASK, "len:41", "drop_arp_bad"},
    {"ARP of another hardware type", ARP_ASK, "14:0006", "drop_arp_bad"},
    {"ARP of another protocol", ARP_ASK, "16:86dd", "drop_arp_bad"},
    {"ARP with another hardware address length", ARP_ASK, "18:08", "drop_arp_bad"},
    {"ARP with another protocol address length", ARP_ASK, "19:10", "drop_arp_bad"},
    {"ARP with an unknown operation", ARP_ASK, "20:0003", "drop_arp_bad"},
    {"ARP operation 0", ARP_ASK, "20:0000", "drop_arp_bad"},
    {"ARP from a group MAC", ARP_ASK, "22:ffffffffffff", "drop_arp_bad"},
    {"ARP from a zero MAC", ARP_ASK, "22:000000000000", "drop_arp_bad"},
    {"ARP that claims our own address", ARP_ASK, "28:0a000001", "drop_arp_bad"},
    {"ARP from the broadcast address", ARP_ASK, "28:0a0000ff", "drop_arp_bad"},
    {"ARP from the network's own address", ARP_ASK, "28:0a000000", "drop_arp_bad"},
    {"ARP from a group address", ARP_ASK, "28:e0000001", "drop_arp_bad"},
    {"ARP from loopback", ARP_ASK, "28:7f000001", "drop_arp_bad"},
    {"ARP from a host of another network is answered", ARP_ASK, "28:c0a80005", "rx_arp",
     .reply = AN_ARP_REPLY},

    /* IPv4 */
    {"TCP to our IPv4 address is handed up", TCP4, "", .verdict = NET_TCP},
    {"UDP to our IPv4 address is handed up", UDP4, "", .verdict = NET_UDP},
    {"padding behind the IPv4 packet is ignored", TCP4, "len:60", .verdict = NET_TCP},
    {"an IPv4 header that is cut", TCP4, "len:33", "drop_ip_bad"},
    {"IPv4 with version 5", TCP4, "14:55", "drop_ip_bad"},
    {"IPv4 with version 6 inside", TCP4, "14:65", "drop_ip_bad"},
    {"an IPv4 header length under 20", TCP4, "14:44", "drop_ip_bad"},
    {"an IPv4 header longer than its packet", TCP4, "14:4f", "drop_ip_bad"},
    {"an IPv4 total length under its header", TCP4, "16:0013", "drop_ip_bad"},
    {"an IPv4 total length of 0", TCP4, "16:0000", "drop_ip_bad"},
    {"an IPv4 total length beyond the frame", TCP4, "16:0029", "drop_ip_bad"},
    {"a wrong IPv4 checksum found by us", TCP4, "24:dead raw", "drop_ip_checksum"},
    {"a wrong IPv4 checksum found by the port", TCP4, "ip", "drop_ip_checksum"},
    {"IPv4 options are passed over", TCP4, "14:46 len:58 16:002c 34:01010101", .verdict = NET_TCP},
    {"IPv4 TTL 0 is no reason to drop", TCP4, "22:00", .verdict = NET_TCP},
    {"another host's IPv4 address", TCP4, "30:0a000003", "drop_ip_other"},
    {"the subnet's broadcast", UDP4, "30:0a0000ff", "drop_ip_other"},
    {"the limited broadcast", UDP4, "30:ffffffff", "drop_ip_other"},
    {"an IPv4 group", UDP4, "30:e0000001", "drop_ip_other"},
    {"our IPv4 address in a broadcast frame", TCP4, "0:ffffffffffff", "drop_ip_other"},
    {"source 0.0.0.0", TCP4, "26:00000000", "drop_ip_source"},
    {"source in 0/8", TCP4, "26:00010203", "drop_ip_source"},
    {"source loopback", TCP4, "26:7f000001", "drop_ip_source"},
    {"source a group", TCP4, "26:e0000005", "drop_ip_source"},
    {"source the limited broadcast", TCP4, "26:ffffffff", "drop_ip_source"},
    {"source the subnet's broadcast", TCP4, "26:0a0000ff", "drop_ip_source"},
    {"source the subnet itself", TCP4, "26:0a000000", "drop_ip_source"},
    {"source our own address (LAND)", TCP4, "26:0a000001", "drop_ip_source"},
    {"a first IPv4 fragment", TCP4, "20:2000", "drop_ip_fragment"},
    {"a later IPv4 fragment", TCP4, "20:0001", "drop_ip_fragment"},
    {"an IPv4 packet that may be fragmented and is not", TCP4, "20:0000", .verdict = NET_TCP},
    {"an IPv4 protocol that is not spoken", TCP4, "23:84", "drop_ip_protocol"},
    {"ICMPv6 in IPv4 is not spoken", TCP4, "23:3a", "drop_ip_protocol"},
    {"a wrong TCP checksum found by us", TCP4, "38:99 rawl4", "drop_l4_checksum"},
    {"a wrong TCP checksum found by the port", TCP4, "l4", "drop_l4_checksum"},
    {"TCP without a single byte, unverified by the port", TCP4, "16:0014", "drop_l4_checksum"},
    {"UDP over IPv4 without a checksum is handed up", UDP4, "40:0000 rawl4", .verdict = NET_UDP},

    /* ICMPv4 */
    {"an IPv4 echo request is answered", ECHO4, "", "rx_icmp", .reply = AN_ECHO4},
    {"an echo request without data is answered", ECHO4, "16:001c", "rx_icmp", .reply = AN_ECHO4},
    {"an odd number of echo bytes is answered", ECHO4, "16:0023", "rx_icmp", .reply = AN_ECHO4},
    {"an ICMP header that is cut", ECHO4, "16:001b", "drop_icmp_bad"},
    {"a wrong ICMP checksum", ECHO4, "36:dead rawl4", "drop_icmp_bad"},
    {"an echo request with a code", ECHO4, "35:01", "drop_icmp_other"},
    {"an echo reply that nobody waits for", ECHO4, "34:00", "drop_icmp_other"},
    {"an ICMP redirect", ECHO4, "34:05", "drop_icmp_other"},
    {"an ICMP timestamp request", ECHO4, "34:0d", "drop_icmp_other"},
    {"a broadcast ping is not answered", ECHO4, "30:0a0000ff", "drop_ip_other"},
    {"fragmentation needed about our TCP is taken", TOO_BIG4, "", "rx_icmp"},
    {"fragmentation needed, quoting no whole header", TOO_BIG4, "16:002f", "drop_icmp_bad"},
    {"fragmentation needed, quoting fewer than 8 bytes of TCP", TOO_BIG4, "16:0037",
     "drop_icmp_bad"},
    {"fragmentation needed, quoting a longer header than there is", TOO_BIG4, "42:4f",
     "drop_icmp_bad"},
    {"fragmentation needed, quoting IPv6", TOO_BIG4, "42:60", "drop_icmp_bad"},
    {"fragmentation needed about another host's packet", TOO_BIG4, "54:0a000003",
     "drop_icmp_other"},
    {"fragmentation needed about UDP", TOO_BIG4, "51:11", "drop_icmp_other"},
    {"fragmentation needed about a later fragment", TOO_BIG4, "48:0001", "drop_icmp_other"},
    {"host unreachable", TOO_BIG4, "35:01", "drop_icmp_other"},

    /* IPv6 */
    {"TCP to our IPv6 address is handed up", TCP6, "", .verdict = NET_TCP},
    {"TCP to our link-local address is handed up", TCP6, "38:fe80000000000000000000fffe000001",
     .verdict = NET_TCP},
    {"UDP to our IPv6 address is handed up", UDP6, "", .verdict = NET_UDP},
    {"padding behind the IPv6 packet is ignored", TCP6, "len:90", .verdict = NET_TCP},
    {"an IPv6 header that is cut", TCP6, "len:53", "drop_ip_bad"},
    {"IPv6 with version 4", TCP6, "14:40", "drop_ip_bad"},
    {"an IPv6 payload length beyond the frame", TCP6, "18:0015", "drop_ip_bad"},
    {"another host's IPv6 address", TCP6, "53:03", "drop_ip_other"},
    {"IPv4 in an IPv6 destination", TCP6, "38:00000000000000000000ffff0a000001", "drop_ip_other"},
    {"TCP to all nodes", TCP6, "38:ff020000000000000000000000000001 0:333300000001",
     "drop_ip_other"},
    {"a group that we have not joined", UDP6, "38:ff0200000000000000000000000000fb",
     "drop_ip_other"},
    {"our IPv6 address in a group frame", TCP6, "0:333300000001", "drop_ip_other"},
    {"source a group", TCP6, "22:ff02", "drop_ip_source"},
    {"source loopback", TCP6, "22:00000000000000000000000000000001", "drop_ip_source"},
    {"source unspecified", TCP6, "22:00000000000000000000000000000000", "drop_ip_source"},
    {"source our own address", TCP6, "37:01", "drop_ip_source"},
    {"IPv4 in an IPv6 source", TCP6, "22:00000000000000000000ffff0a000002", "drop_ip_source"},
    {"no next header", TCP6, "20:3b", "drop_ip_protocol"},
    {"an IPv6 protocol that is not spoken", TCP6, "20:84", "drop_ip_protocol"},
    {"ESP is not spoken", TCP6, "20:32", "drop_ip_protocol"},
    {"ICMPv4 in IPv6 is not spoken", TCP6, "20:01", "drop_ip_protocol"},
    {"a fragment header", TCP6, "ext:2c:0000000100000001", "drop_ip_fragment"},
    {"an atomic fragment", TCP6, "ext:2c:0000000000000001", "drop_ip_fragment"},
    {"a hop-by-hop header with padding is passed over", TCP6, "ext:00:0000010400000000",
     .verdict = NET_TCP},
    {"a hop-by-hop header of Pad1 only is passed over", TCP6, "ext:00:0000000000000000",
     .verdict = NET_TCP},
    {"an unknown option that may be skipped", TCP6, "ext:3c:00001e0400000000", .verdict = NET_TCP},
    {"an unknown option that says discard", TCP6, "ext:3c:0000420400000000", "drop_ip6_extension"},
    {"a jumbo payload option", TCP6, "ext:00:0000c20400010000", "drop_ip6_extension"},
    {"an option that ends beyond its header", TCP6, "ext:3c:0000010500000000",
     "drop_ip6_extension"},
    {"an option without its length", TCP6, "ext:3c:00000000000000 ext:3c:0000010300000001",
     "drop_ip6_extension"},
    {"hop-by-hop that is not first", TCP6, "ext:00:0000010400000000 ext:3c:0000010400000000",
     "drop_ip6_extension"},
    {"routing type 0", TCP6, "ext:2b:0000000000000000", "drop_ip6_extension"},
    {"routing type 0 with segments left", TCP6,
     "ext:2b:0002000100000000fd000000000000000000000000000003", "drop_ip6_extension"},
    {"another routing type with no segments left is passed over", TCP6, "ext:2b:0000030000000000",
     .verdict = NET_TCP},
    {"another routing type with segments left", TCP6, "ext:2b:0000030100000000",
     "drop_ip6_extension"},
    {"a mobility header", TCP6, "ext:87:0000000000000000", "drop_ip6_extension"},
    {"an extension header beyond the packet", TCP6, "ext:3c:00ff010400000000", "drop_ip_bad"},
    {"an extension header of which 7 bytes are there", TCP6, "20:3c 18:0007", "drop_ip_bad"},
    {"eight extension headers are passed over", TCP6,
     "ext:3c:0000010400000000 ext:3c:0000010400000000 ext:3c:0000010400000000 "
     "ext:3c:0000010400000000 "
     "ext:3c:0000010400000000 ext:3c:0000010400000000 ext:3c:0000010400000000 "
     "ext:3c:0000010400000000",
     .verdict = NET_TCP},
    {"nine extension headers are too many", TCP6,
     "ext:3c:0000010400000000 ext:3c:0000010400000000 ext:3c:0000010400000000 "
     "ext:3c:0000010400000000 "
     "ext:3c:0000010400000000 ext:3c:0000010400000000 ext:3c:0000010400000000 "
     "ext:3c:0000010400000000 "
     "ext:3c:0000010400000000",
     "drop_ip6_extension"},
    {"a wrong TCP checksum in IPv6", TCP6, "58:99 raw", "drop_l4_checksum"},
    {"UDP over IPv6 without a checksum", UDP6, "60:0000 raw", "drop_l4_checksum"},
    {"UDP longer than its packet, unverified by the port", UDP6, "58:000d", "drop_l4_checksum"},
    {"UDP shorter than its header, unverified by the port", UDP6, "58:0007", "drop_l4_checksum"},

    /* ICMPv6 */
    {"an IPv6 echo request is answered", ECHO6, "", "rx_icmp", .reply = AN_ECHO6},
    {"an echo request behind destination options is answered", ECHO6, "ext:3c:0000010400000000",
     "rx_icmp", .reply = AN_ECHO6},
    {"a wrong ICMPv6 checksum", ECHO6, "56:dead raw", "drop_icmp_bad"},
    {"an ICMPv6 header that is cut", ECHO6, "18:0007", "drop_icmp_bad"},
    {"an ICMPv6 type that is not spoken", ECHO6, "54:ff", "drop_icmp_other"},
    {"an IPv6 echo reply that nobody waits for", ECHO6, "54:81", "drop_icmp_other"},
    {"a ping to all nodes is not answered", ECHO6,
     "0:333300000001 38:ff020000000000000000000000000001", "drop_ip_other"},
    {"an echo request from nobody", ECHO6, "22:00000000000000000000000000000000", "drop_ip_source"},
    {"packet too big about our TCP is taken", TOO_BIG6, "", "rx_icmp"},
    {"packet too big that quotes too little", TOO_BIG6, "18:0037", "drop_icmp_bad"},
    {"packet too big that quotes IPv4", TOO_BIG6, "62:45", "drop_icmp_bad"},
    {"packet too big about another host's packet", TOO_BIG6, "85:03", "drop_icmp_other"},
    {"packet too big about UDP", TOO_BIG6, "68:11", "drop_icmp_other"},

    /* neighbour discovery */
    {"a solicitation for our address is answered", NS, "", "rx_nd", .reply = AN_ADVERT},
    {"a solicitation for our link-local address is answered", NS,
     "62:fe80000000000000000000fffe000001", "rx_nd", .reply = AN_ADVERT},
    {"a unicast solicitation without an option is answered", NS,
     "0:020000000001 38:fd000000000000000000000000000001 18:0018", "rx_nd", .reply = AN_ADVERT},
    {"duplicate address detection of our address is answered", NS,
     "22:00000000000000000000000000000000 18:0018", "rx_nd", .reply = AN_ADVERT},
    {"duplicate address detection with a source option", NS, "22:00000000000000000000000000000000",
     "drop_nd_bad"},
    {"duplicate address detection sent to a host", NS,
     "0:020000000001 22:00000000000000000000000000000000 38:fd000000000000000000000000000001 "
     "18:0018",
     "drop_nd_bad"},
    {"a solicitation for another host", NS, "77:03", "drop_nd_other"},
    {"a solicitation that passed a router", NS, "21:fe", "drop_nd_bad"},
    {"a solicitation with a code", NS, "55:01", "drop_nd_bad"},
    {"a solicitation that is cut", NS, "18:0017", "drop_nd_bad"},
    {"a solicitation for a group", NS, "62:ff02", "drop_nd_bad"},
    {"a solicitation for nobody", NS, "62:00000000000000000000000000000000", "drop_nd_bad"},
    {"a solicitation for an IPv4 address", NS, "62:00000000000000000000ffff0a000001",
     "drop_nd_bad"},
    {"an option of length 0", NS, "79:00", "drop_nd_bad"},
    {"an option beyond the message", NS, "79:02", "drop_nd_bad"},
    {"an option with a group MAC", NS, "80:ff", "drop_nd_bad"},
    {"an unknown option is passed over", NS, "78:0e", "rx_nd", .reply = AN_ADVERT},
    {"a wrong checksum in neighbour discovery", NS, "56:dead raw", "drop_icmp_bad"},
    {"an advertisement about a host we know", NA, "", "rx_nd"},
    {"an advertisement without an address", NA, "18:0018", "drop_nd_other"},
    {"an advertisement about a host we do not know", NA, "77:03", "drop_nd_other"},
    {"an advertisement about our own address", NA, "77:01", "drop_nd_bad"},
    {"an advertisement about nobody", NA, "62:00000000000000000000000000000000", "drop_nd_bad"},
    {"an advertisement that passed a router", NA, "21:40", "drop_nd_bad"},
    {"an advertisement from nobody", NA, "22:00000000000000000000000000000000", "drop_nd_bad"},
    {"a solicited advertisement to all nodes", NA,
     "0:333300000001 38:ff020000000000000000000000000001", "drop_nd_bad"},
    {"an advertisement with a wrong option", NA, "79:00", "drop_nd_bad"},
    {"a router advertisement is ignored", RA, "", "drop_nd_router"},
    {"a redirect is ignored", RA, "54:89", "drop_nd_router"},
    {"a router solicitation is not for hosts", RA, "54:85", "drop_nd_other"},
};

struct bench {
    struct port_memory port;
    struct counters counters;
    struct tx tx;
    struct net net;
    struct neighbours *neighbours;
};

static struct bench bench;

static void bench_reset(uint16_t vlan)
{
    struct net_config config;

    config_make(&config, 1);
    config.vlan = vlan;
    if (bench.neighbours == NULL)
        bench.neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);
    assert_non_null(bench.neighbours);
    neighbours_init(bench.neighbours, 7);
    memset(&bench.counters, 0, sizeof(bench.counters));
    port_memory_init(&bench.port, config.mac);
    tx_init(&bench.tx, &bench.port.port, 0, &bench.counters);
    net_init(&bench.net, &config, bench.neighbours, &bench.counters, &bench.tx);
}

/* The sending host is known, so that replies can go at once. Learned from ARP and ND itself. */
static void bench_learn_host(void)
{
    struct fixture_frame f;
    struct net_packet packet;

    frame_make(&f, ARP_ASK, "");
    assert_int_equal(net_input(&bench.net, &f.frame, 0, &packet), NET_DONE);
    frame_make(&f, NS, "");
    assert_int_equal(net_input(&bench.net, &f.frame, 0, &packet), NET_DONE);
    assert_int_equal(bench.counters.rx_arp, 1);
    assert_int_equal(bench.counters.rx_nd, 1);
    tx_flush(&bench.tx);
    port_memory_clear(&bench.port);
    memset(&bench.counters, 0, sizeof(bench.counters));
}

struct dispositions {
    const char *wanted;
    uint64_t wanted_value, sum;
    bool exists;
};

static void add_disposition(void *arg, const char *name, const char *text, enum counter_kind kind,
                            uint64_t value)
{
    struct dispositions *d = arg;

    if (kind != COUNTER_DISPOSITION)
        return;
    d->sum += value;
    if (d->wanted != NULL && strcmp(name, d->wanted) == 0) {
        d->exists = true;
        d->wanted_value = value;
    }
}

static void check_reply(const struct row *row)
{
    const struct port_memory_sent *s = &bench.port.sent[0];
    const uint8_t *p = s->bytes + (row->vlan != 0 ? 18 : 14), *ip = p;

    assert_int_equal(bench.port.sent_count, row->reply == NO_REPLY ? 0 : 1);
    if (row->reply == NO_REPLY)
        return;
    assert_memory_equal(s->bytes + 6, bench.net.config.mac, 6);
    switch (row->reply) {
    case AN_ARP_REPLY:
        assert_memory_equal(s->bytes, ((uint8_t[6]){2, 0, 0, 0, 0, 2}), 6);
        assert_int_equal(s->len, 42);
        assert_int_equal(wire_u16(p + ARP_OP), ARP_REPLY);
        assert_memory_equal(p + ARP_SHA, bench.net.config.mac, 6);
        assert_memory_equal(p + ARP_SPA, ((uint8_t[4]){10, 0, 0, 1}), 4);
        break;
    case AN_ADVERT:
        assert_int_equal(s->len, 86);
        assert_int_equal(ip[IP6_HOP_LIMIT], 255);
        p += IP6_BYTES;
        assert_int_equal(p[0], ICMP6_NEIGHBOUR_ADVERT);
        assert_int_equal(p[ND_BYTES], ND_OPTION_TARGET);
        assert_memory_equal(p + ND_BYTES + 2, bench.net.config.mac, 6);
        assert_true(
            ip_sum_end(
                ip_sum(p, 32, ip_sum_pseudo(ip + IP6_SRC, ip + IP6_DST, PROTOCOL_ICMP6, 32))) == 0);
        break;
    case AN_ECHO4: {
        size_t bytes = wire_u16(ip + IP4_LENGTH) - IP4_BYTES;

        assert_int_equal(s->tx_csum, FRAME_TX_IP);
        assert_int_equal(s->l3_offset, 14);
        assert_int_equal(s->len, 14 + IP4_BYTES + bytes);
        assert_memory_equal(ip + IP4_DST, ((uint8_t[4]){10, 0, 0, 2}), 4);
        assert_int_equal(ip[IP4_BYTES], ICMP4_ECHO_REPLY);
        assert_true(ip_sum_end(ip_sum(ip + IP4_BYTES, bytes, 0)) == 0);
        break;
    }
    case AN_ECHO6: {
        size_t bytes = wire_u16(ip + IP6_LENGTH);

        assert_int_equal(s->tx_csum, FRAME_TX_NONE);
        assert_int_equal(s->len, 14 + IP6_BYTES + bytes);
        p += IP6_BYTES;
        assert_int_equal(p[0], ICMP6_ECHO_REPLY);
        assert_true(
            ip_sum_end(ip_sum(
                p, bytes, ip_sum_pseudo(ip + IP6_SRC, ip + IP6_DST, PROTOCOL_ICMP6, bytes))) == 0);
        break;
    }
    default:
        fail();
    }
}

static void run_row(const struct row *row, const char *also)
{
    struct fixture_frame f;
    struct net_packet packet;
    struct dispositions d = {.wanted = row->counter};
    char changes[1024];

    snprintf(changes, sizeof(changes), "%s %s", also, row->changes);
    bench_reset(row->vlan);
    /* Tagged rows do not answer, so they need no neighbour. */
    if (row->vlan == 0)
        bench_learn_host();
    frame_make(&f, row->base, changes);

    /* In memory of its very size, so that a sanitizer sees a byte read beyond it. */
    uint8_t *exact = malloc(f.frame.len + (f.frame.len == 0));

    memcpy(exact, f.bytes, f.frame.len);
    f.frame.bytes = exact;

    enum net_verdict verdict = net_input(&bench.net, &f.frame, 1, &packet);

    tx_flush(&bench.tx);
    counters_each(&bench.counters, add_disposition, &d);
    if (row->counter == NULL) {
        assert_int_equal(verdict, row->verdict);
        assert_int_equal(d.sum, 0);
        assert_true(packet.l4 + packet.l4_bytes <= exact + f.frame.len);
    } else {
        assert_int_equal(verdict, NET_DONE);
        assert_true(d.exists);
        assert_int_equal(d.wanted_value, 1);
        assert_int_equal(d.sum, 1);
    }
    check_reply(row);
    tx_fini(&bench.tx);
    assert_int_equal(bench.port.buffers_out, 0);
    free(exact);
}

static void every_row(void **state)
{
    size_t count = sizeof(rows) / sizeof(rows[0]);

    for (size_t i = 0; i < count; i++) {
        print_message("  %s\n", rows[i].description);
        run_row(&rows[i], "");
    }
    print_message("%zu rows\n", count);
}

/* What does not turn on a checksum is the same when the port has verified them. */
static void every_row_with_the_ports_word(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strstr(rows[i].changes, "raw") != NULL ||
            strstr(rows[i].description, "unverified") != NULL)
            continue;
        print_message("  %s\n", rows[i].description);
        run_row(&rows[i], "good");
    }
}

static void a_packet_is_described_as_it_lies_in_the_frame(void **state)
{
    struct fixture_frame f;
    struct net_packet p;
    char text[46];

    bench_reset(0);
    frame_make(&f, UDP4, "15:02 len:60");
    assert_int_equal(net_input(&bench.net, &f.frame, 0, &p), NET_UDP);
    assert_int_equal(p.version, 4);
    assert_int_equal(p.ecn, 2);
    assert_int_equal(p.hop_limit, 64);
    assert_ptr_equal(p.l4, f.bytes + 34);
    assert_int_equal(p.l4_bytes, 12);
    net_format_ip(p.src, text);
    assert_string_equal(text, "10.0.0.2");
    net_format_ip(p.dst, text);
    assert_string_equal(text, "10.0.0.1");

    frame_make(&f, TCP6, "15:30 len:80 ext:3c:0000010400000000");
    assert_int_equal(net_input(&bench.net, &f.frame, 0, &p), NET_TCP);
    assert_int_equal(p.version, 6);
    assert_int_equal(p.ecn, 3);
    assert_ptr_equal(p.l4, f.bytes + 62);
    assert_int_equal(p.l4_bytes, 20);
    net_format_ip(p.src, text);
    assert_string_equal(text, "fd00::2");
}

static void path_mtu_is_reported_once_and_never_below_the_floor(void **state)
{
    static const struct {
        const char *description;
        enum base base;
        const char *changes;
        uint16_t mtu; /* 0: nothing is reported */
    } cases[] = {
        {"IPv4, as the router says", TOO_BIG4, "", 1400},
        {"IPv4, a router that says nothing", TOO_BIG4, "40:0000", 576},
        {"IPv4, absurdly small", TOO_BIG4, "40:0044", 552},
        {"IPv4, no less than we have", TOO_BIG4, "40:05dc", 0},
        {"IPv6, as the router says", TOO_BIG6, "", 1400},
        {"IPv6, below the least of IPv6", TOO_BIG6, "58:00000100", 1280},
        {"IPv6, more than 16 bits", TOO_BIG6, "58:00010578", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture_frame f;
        struct net_packet p;
        struct net_pmtu pmtu;
        char text[46];

        print_message("  %s\n", cases[i].description);
        bench_reset(0);
        frame_make(&f, cases[i].base, cases[i].changes);
        assert_int_equal(net_input(&bench.net, &f.frame, 0, &p), NET_DONE);
        assert_int_equal(bench.counters.rx_icmp, 1);
        assert_int_equal(net_take_pmtu(&bench.net, &pmtu), cases[i].mtu != 0);
        assert_int_equal(bench.counters.net_pmtu, cases[i].mtu != 0);
        if (cases[i].mtu == 0)
            continue;
        assert_int_equal(pmtu.mtu, cases[i].mtu);
        assert_int_equal(pmtu.local_port, 443);
        assert_int_equal(pmtu.remote_port, 49152);
        assert_int_equal(pmtu.seq, 0x11223344);
        assert_true(net_is_local(&bench.net, pmtu.local));
        net_format_ip(pmtu.remote, text);
        assert_string_equal(text, cases[i].base == TOO_BIG4 ? "8.8.8.8" : "2001:db8::8");
        assert_false(net_take_pmtu(&bench.net, &pmtu));
    }
}

static void echo_replies_are_rate_limited(void **state)
{
    struct fixture_frame f;
    struct net_packet p;

    bench_reset(0);
    bench_learn_host();
    frame_make(&f, ECHO4, "");
    for (int i = 0; i < ICMP_BURST + 10; i++)
        net_input(&bench.net, &f.frame, 1000, &p);
    assert_int_equal(bench.counters.rx_icmp, ICMP_BURST);
    assert_int_equal(bench.counters.drop_icmp_rate, 10);
    /* A second later there is a burst again, and no more than that. */
    for (int i = 0; i < ICMP_BURST + 10; i++)
        net_input(&bench.net, &f.frame, 10000001000, &p);
    assert_int_equal(bench.counters.rx_icmp, 2 * ICMP_BURST);
    tx_fini(&bench.tx);
    assert_int_equal(bench.port.sent_count, 2 * ICMP_BURST);
}

static void no_buffer_for_a_reply_loses_the_reply_only(void **state)
{
    struct fixture_frame f;
    struct net_packet p;

    bench_reset(0);
    bench.port.buffers_limit = 0;
    frame_make(&f, ARP_ASK, "");
    net_input(&bench.net, &f.frame, 0, &p);
    frame_make(&f, NS, "");
    net_input(&bench.net, &f.frame, 0, &p);
    frame_make(&f, ECHO4, "");
    net_input(&bench.net, &f.frame, 0, &p);
    assert_int_equal(bench.counters.rx_arp, 1);
    assert_int_equal(bench.counters.rx_nd, 1);
    assert_int_equal(bench.counters.rx_icmp, 1);
    assert_int_equal(bench.counters.tx_no_buffer, 3);
}

/* Conservation: whatever comes, each frame ends in exactly one disposition, and nothing is lost or
 * leaks. */
static void any_frame_has_exactly_one_disposition(void **state)
{
    uint64_t random = 0x9e3779b97f4a7c15u, handed_up = 0;

    bench_reset(0);
    for (uint32_t i = 0; i < 300000; i++) {
        struct fixture_frame f;
        struct net_packet packet;

        frame_make(&f, (enum base)(i % BASES), "");
        for (uint32_t n = 0; n < i % 7; n++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            if (random % 16 == 0)
                f.frame.len = (uint32_t)((random >> 8) % (f.frame.len + 40));
            else if (f.frame.len > 0)
                f.bytes[(random >> 8) % f.frame.len] = (uint8_t)(random >> 40);
        }
        if (random & 1)
            frame_fix_checksums(f.bytes, f.frame.len);
        f.frame.rx_csum = (uint8_t)((random >> 1) % 4);

        bench.counters.rx_frames++;
        enum net_verdict verdict = net_input(&bench.net, &f.frame, (uint64_t)i * 100000, &packet);

        bench.counters.rx_tcp += verdict == NET_TCP;
        bench.counters.rx_rpc += verdict == NET_UDP;
        handed_up += verdict != NET_DONE;
        assert_true(counters_unaccounted(&bench.counters) == 0);
    }
    tx_fini(&bench.tx);
    assert_int_equal(bench.port.buffers_out, 0);
    /* The frames were neither all broken nor all whole. */
    assert_in_range(handed_up, 10000, 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(every_row_with_the_ports_word),
        cmocka_unit_test(a_packet_is_described_as_it_lies_in_the_frame),
        cmocka_unit_test(path_mtu_is_reported_once_and_never_below_the_floor),
        cmocka_unit_test(echo_replies_are_rate_limited),
        cmocka_unit_test(no_buffer_for_a_reply_loses_the_reply_only),
        cmocka_unit_test(any_frame_has_exactly_one_disposition),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(bench.neighbours);
    return failed;
}
