/* test_csum.c: checksums and the queue hash, against known vectors and the slow way of
 * test_frame.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/csum.h"
#include "drivers/layers.h"
#include "drivers/rng.h"
#include "drivers/spread.h"
#include "tests/unit/drivers/test_frame.h"

static const struct test_flow udp4 = {4, TEST_UDP, {192, 0, 2, 1}, {198, 51, 100, 7}, 1024, 53};
static const struct test_flow tcp4 = {4, TEST_TCP, {192, 0, 2, 1}, {198, 51, 100, 7}, 40000, 443};
static const struct test_flow udp6 = {
    6, TEST_UDP, {0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}, 1024, 53};
static const struct test_flow tcp6 = {
    6, TEST_TCP, {0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}, 40000, 443};

static void known_sums(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[20];
        size_t len;
        uint16_t sum; /* in network order, as printed in the sources */
    } rows[] = {
        {"RFC 1071 section 3", {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 8, 0xddf2},
        {"nothing", {0}, 0, 0},
        {"one byte is the high one", {0xab}, 1, 0xab00},
        {"all ones", {0xff, 0xff, 0xff, 0xff}, 4, 0xffff},
        {"an IPv4 header with its checksum",
         {0x45, 0,    0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
          0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7},
         20,
         0xffff},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint16_t sum = csum_add(0, rows[i].bytes, rows[i].len);
        if (__builtin_bswap16(sum) != rows[i].sum)
            fail_msg("%s: %04x instead of %04x", rows[i].what, __builtin_bswap16(sum), rows[i].sum);
    }
}

static void random_sums_equal_the_slow_way(void **state)
{
    struct rng r = {1};
    uint8_t bytes[1600];
    for (int i = 0; i < 20000; i++) {
        size_t len = rng_below(&r, sizeof(bytes) + 1), at = rng_below(&r, 8);
        for (size_t j = 0; j < sizeof(bytes); j++)
            bytes[j] = i % 3 ? (uint8_t)rng_next(&r) : 0xff;
        len = len > at ? len - at : 0;
        uint16_t slow = test_sum(bytes + at, (uint32_t)len, 0);
        uint16_t fast = __builtin_bswap16(csum_add(0, bytes + at, len));
        assert_int_equal(fast, slow);
    }
}

enum damage {
    WHOLE,
    FLIP_IP,
    FLIP_L4,
    ZERO_UDP, /* no UDP checksum */
    FRAGMENT, /* and damaged behind */
    CUT,      /* the frame ends before the packet */
    PADDED,   /* Ethernet padding that is not zero */
    TAGGED,   /* one VLAN tag */
    TAGGED_TWICE,
    UDP_SHORT, /* UDP's length says less than IP's */
    UDP_LONG,  /* UDP's length says more */
    NOT_IP,
    ICMP,
    IHL_4,
    SHORT_TCP,
};

static uint32_t damage(uint8_t *frame, uint32_t len, enum damage how)
{
    uint8_t *ip = frame + 14, *l4 = ip + (ip[0] >> 4 == 4 ? 20 : 40);
    bool v4 = ip[0] >> 4 == 4;
    switch (how) {
    case WHOLE:
        break;
    case FLIP_IP:
        ip[8] ^= 1;
        break;
    case FLIP_L4:
        frame[len - 1] ^= 1;
        break;
    case ZERO_UDP:
        test_put16(l4 + 6, 0);
        break;
    case FRAGMENT:
        ip[6] |= 0x20;
        test_put16(ip + 10, 0);
        test_put16(ip + 10, (uint16_t)~test_sum(ip, 20, 0));
        frame[len - 1] ^= 1;
        break;
    case CUT:
        return len - 1;
    case PADDED:
        memset(frame + len, 0x5a, 7);
        return len + 7;
    case TAGGED_TWICE:
    case TAGGED:
        for (int i = 0; i < (how == TAGGED ? 1 : 2); i++) {
            memmove(frame + 16, frame + 12, len - 12);
            memcpy(frame + 12, i == 0 ? "\x81\x00\x00\x05" : "\x88\xa8\x00\x06", 4);
            len += 4;
        }
        break;
    case UDP_SHORT:
        test_put16(l4 + 4, 8);
        test_put16(l4 + 6, 0);
        test_put16(l4 + 6, (uint16_t)~test_l4_sum(ip, l4, 8, TEST_UDP));
        break;
    case UDP_LONG:
        test_put16(l4 + 4, len);
        break;
    case NOT_IP:
        test_put16(frame + 12, 0x0806);
        break;
    case ICMP:
        ip[9] = 1;
        test_put16(ip + 10, 0);
        test_put16(ip + 10, (uint16_t)~test_sum(ip, 20, 0));
        break;
    case IHL_4:
        ip[0] = 0x44;
        break;
    case SHORT_TCP: {
        uint32_t total = v4 ? 20 + 12 : 12;
        test_put16(v4 ? ip + 2 : ip + 4, total);
        if (v4) {
            test_put16(ip + 10, 0);
            test_put16(ip + 10, (uint16_t)~test_sum(ip, 20, 0));
        }
        return 14 + (v4 ? 20 : 40) + 12;
    }
    }
    return len;
}

static void verdicts(void **state)
{
    static const struct {
        const char *what;
        const struct test_flow *flow;
        uint32_t payload_bytes;
        enum damage how;
        enum frame_rx_csum verdict;
    } rows[] = {
        {"UDP over IPv4", &udp4, 10, WHOLE, FRAME_CSUM_GOOD},
        {"UDP over IPv4, odd", &udp4, 11, WHOLE, FRAME_CSUM_GOOD},
        {"UDP without payload", &udp4, 0, WHOLE, FRAME_CSUM_GOOD},
        {"TCP over IPv4", &tcp4, 1460, WHOLE, FRAME_CSUM_GOOD},
        {"TCP over IPv6, odd", &tcp6, 333, WHOLE, FRAME_CSUM_GOOD},
        {"UDP over IPv6", &udp6, 20, WHOLE, FRAME_CSUM_GOOD},
        {"a damaged IPv4 header", &tcp4, 10, FLIP_IP, FRAME_CSUM_BAD_IP},
        {"a damaged last byte, IPv4", &tcp4, 10, FLIP_L4, FRAME_CSUM_BAD_L4},
        {"a damaged odd last byte, IPv6", &udp6, 11, FLIP_L4, FRAME_CSUM_BAD_L4},
        {"UDP without a checksum, IPv4", &udp4, 10, ZERO_UDP, FRAME_CSUM_NONE},
        {"UDP without a checksum, IPv6", &udp6, 10, ZERO_UDP, FRAME_CSUM_BAD_L4},
        {"a fragment", &tcp4, 10, FRAGMENT, FRAME_CSUM_NONE},
        {"a packet longer than its frame", &tcp4, 10, CUT, FRAME_CSUM_NONE},
        {"a packet longer than its frame, IPv6", &tcp6, 10, CUT, FRAME_CSUM_NONE},
        {"Ethernet padding", &udp4, 3, PADDED, FRAME_CSUM_GOOD},
        {"Ethernet padding, IPv6", &tcp6, 3, PADDED, FRAME_CSUM_GOOD},
        {"a VLAN tag", &tcp4, 100, TAGGED, FRAME_CSUM_GOOD},
        {"two VLAN tags", &tcp6, 100, TAGGED_TWICE, FRAME_CSUM_GOOD},
        {"UDP shorter than IP says", &udp4, 10, UDP_SHORT, FRAME_CSUM_GOOD},
        {"UDP longer than IP says", &udp4, 10, UDP_LONG, FRAME_CSUM_NONE},
        {"not IP", &udp4, 10, NOT_IP, FRAME_CSUM_NONE},
        {"ICMP", &udp4, 10, ICMP, FRAME_CSUM_NONE},
        {"an IPv4 header of 16 bytes", &udp4, 10, IHL_4, FRAME_CSUM_NONE},
        {"a TCP header cut short", &tcp4, 10, SHORT_TCP, FRAME_CSUM_NONE},
        {"a TCP header cut short, IPv6", &tcp6, 10, SHORT_TCP, FRAME_CSUM_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t frame[TEST_FRAME_MAX + 64], payload[1460];
        memset(payload, 0x37, sizeof(payload));
        uint32_t len = test_frame(frame, rows[i].flow, payload, rows[i].payload_bytes, true);
        len = damage(frame, len, rows[i].how);
        /* Exactly sized, so that a sanitizer sees one byte too far. */
        uint8_t *exact = malloc(len);
        memcpy(exact, frame, len);
        enum frame_rx_csum verdict = csum_verify(exact, len);
        free(exact);
        if (verdict != rows[i].verdict)
            fail_msg("%s: verdict %d instead of %d", rows[i].what, verdict, rows[i].verdict);
    }
}

static void ipv6_extension_headers(void **state)
{
    static const struct {
        const char *what;
        uint8_t next;
        uint8_t extension[16]; /* [0] is set to TCP */
        enum frame_rx_csum verdict;
    } rows[] = {
        {"hop-by-hop options", 0, {0, 0, 1, 4}, FRAME_CSUM_GOOD},
        {"destination options of 16 bytes", 60, {0, 1, 1, 12}, FRAME_CSUM_GOOD},
        {"routing with no segments left", 43, {0, 0, 4, 0}, FRAME_CSUM_GOOD},
        {"routing with segments left: another destination", 43, {0, 0, 4, 1}, FRAME_CSUM_NONE},
        {"a fragment", 44, {0, 0, 0, 1}, FRAME_CSUM_NONE},
        {"an extension longer than the packet", 60, {0, 255, 1, 4}, FRAME_CSUM_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t frame[TEST_FRAME_MAX], out[TEST_FRAME_MAX];
        uint32_t extra = rows[i].extension[1] == 1 ? 16 : 8;
        uint32_t len = test_frame(frame, &tcp6, "hello", 5, true);
        memcpy(out, frame, 54);
        memcpy(out + 54, rows[i].extension, extra);
        memcpy(out + 54 + extra, frame + 54, len - 54);
        out[14 + 6] = rows[i].next;
        out[54] = TEST_TCP;
        test_put16(out + 14 + 4, len - 54 + extra);
        enum frame_rx_csum verdict = csum_verify(out, len + extra);
        if (verdict != rows[i].verdict)
            fail_msg("%s: verdict %d instead of %d", rows[i].what, verdict, rows[i].verdict);
    }
}

static void filled_checksums_are_verified(void **state)
{
    static const struct test_flow *flows[] = {&udp4, &tcp4, &udp6, &tcp6};
    struct rng r = {2};
    for (int i = 0; i < 4000; i++) {
        const struct test_flow *flow = flows[i % 4];
        uint8_t bytes[TEST_FRAME_MAX], expected[TEST_FRAME_MAX], payload[1440];
        uint32_t payload_bytes = (uint32_t)rng_below(&r, sizeof(payload) + 1);
        for (uint32_t j = 0; j < payload_bytes; j++)
            payload[j] = (uint8_t)rng_next(&r);
        struct frame f = {
            .bytes = bytes,
            .len = test_frame(bytes, flow, payload, payload_bytes, false),
            .tx_csum = flow->protocol == TEST_TCP ? FRAME_TX_TCP : FRAME_TX_UDP,
            .l3_offset = 14,
            .l4_offset = flow->ip_version == 4 ? 34 : 54,
        };
        csum_fill(&f);
        test_frame(expected, flow, payload, payload_bytes, true);
        assert_memory_equal(bytes, expected, f.len);
        assert_int_equal(csum_verify(bytes, f.len), FRAME_CSUM_GOOD);
    }
}

/* A payload that makes the sum come out as zero, which UDP must send as all ones. */
static void a_udp_checksum_is_never_sent_as_zero(void **state)
{
    uint8_t bytes[TEST_FRAME_MAX], payload[2] = {0};
    uint32_t len = test_frame(bytes, &udp4, payload, 2, false);
    uint16_t without = test_l4_sum(bytes + 14, bytes + 34, 10, TEST_UDP);
    test_put16(payload, (uint16_t)~without);
    len = test_frame(bytes, &udp4, payload, 2, false);
    struct frame f = {
        .bytes = bytes, .len = len, .tx_csum = FRAME_TX_UDP, .l3_offset = 14, .l4_offset = 34};
    csum_fill(&f);
    assert_memory_equal(bytes + 34 + 6, "\xff\xff", 2);
    assert_int_equal(csum_verify(bytes, len), FRAME_CSUM_GOOD);
}

static void both_directions_of_a_flow_share_a_queue(void **state)
{
    enum { FLOWS = 4000, QUEUES = 7 };
    static const struct spread spread = {.key = 99, .queues = QUEUES};
    struct rng r = {3};
    uint32_t counts[QUEUES] = {0};

    for (int i = 0; i < FLOWS; i++) {
        uint8_t there[TEST_FRAME_MAX], back[TEST_FRAME_MAX];
        struct test_flow a = i % 2 ? tcp4 : udp6, b;
        for (int j = 0; j < 16; j++) {
            a.source[j] = (uint8_t)rng_next(&r);
            a.destination[j] = (uint8_t)rng_next(&r);
        }
        a.source_port = (uint16_t)rng_next(&r);
        b = a;
        memcpy(b.source, a.destination, 16);
        memcpy(b.destination, a.source, 16);
        b.source_port = a.destination_port;
        b.destination_port = a.source_port;
        uint32_t len = test_frame(there, &a, "x", 1, true);
        test_frame(back, &b, "y", 1, true);
        uint16_t q = spread_queue(&spread, there, len);
        assert_in_range(q, 0, QUEUES - 1);
        assert_int_equal(spread_queue(&spread, back, len), q);
        counts[q]++;
    }
    for (int q = 0; q < QUEUES; q++)
        assert_in_range(counts[q], FLOWS / QUEUES * 8 / 10, FLOWS / QUEUES * 12 / 10);
}

/* "Fragmentation needed" from a router must reach the core that has the connection. */
static void an_icmp_error_follows_the_flow_it_speaks_of(void **state)
{
    static const struct spread spread = {.key = 7, .queues = 5};
    for (uint16_t port = 1; port < 200; port++) {
        uint8_t sent[TEST_FRAME_MAX], error[TEST_FRAME_MAX];
        struct test_flow flow = tcp4, carrier = udp4;
        flow.source_port = port;
        uint32_t len = test_frame(sent, &flow, "0123456789", 10, true);
        /* Outer: any IPv4 header with protocol ICMP; type 3 code 4; then the first 28 bytes of the
         * packet. */
        uint32_t error_len = test_frame(error, &carrier, sent + 14, 28, false);
        error[14 + 9] = 1;
        error[34] = 3;
        error[35] = 4;
        assert_int_equal(spread_queue(&spread, error, error_len), spread_queue(&spread, sent, len));
    }
}

/* Puts a VLAN tag in. */
static uint32_t tag(uint8_t *frame, uint32_t len)
{
    memmove(frame + 16, frame + 12, len - 12);
    memcpy(frame + 12, "\x81\x00\x00\x07", 4);
    return len + 4;
}

/* Puts the packet into another one, from 10.9.9.FROM, with GUE (version 1, UDP to 6080) or without.
 */
static uint32_t encapsulate(uint8_t *out, const uint8_t *frame, uint32_t len, uint8_t from,
                            bool is_gue)
{
    const struct test_flow outer = {.ip_version = 4,
                                    .protocol = TEST_UDP,
                                    .source = {10, 9, 9, from},
                                    .destination = {10, 0, 0, 1},
                                    .source_port = 7,
                                    .destination_port = 6080};
    uint32_t out_len = test_frame(out, &outer, frame + 14, len - 14, true);

    if (is_gue)
        return out_len;
    memmove(out + 34, out + 42, len - 14);
    test_put16(out + 16, 20 + len - 14);
    out[23] = frame[14] >> 4 == 6 ? 41 : 4;
    return out_len - 8;
}

static void a_balancers_packet_goes_where_the_one_in_it_belongs(void **state)
{
    static const struct spread on = {
        .key = 99, .queues = 5, .rpc_port = 7000, .has_ipip = true, .gue_port = 6080};
    static const struct spread off = {.key = 99, .queues = 5, .rpc_port = 7000};
    uint32_t queues = 0;

    for (uint16_t port = 1; port < 200; port++) {
        uint8_t direct[TEST_FRAME_MAX], sent[TEST_FRAME_MAX];
        struct test_flow flow = tcp4, flow6 = udp6;
        flow.source_port = flow6.source_port = port;
        uint32_t len = test_frame(direct, port % 2 ? &flow : &flow6, "0123456789", 10, true);
        uint16_t belongs = spread_queue(&on, direct, len), queue = UINT16_MAX;

        queues |= 1u << belongs;
        for (uint8_t from = 1; from < 4; from++)
            for (int is_gue = 0; is_gue < 2; is_gue++) {
                uint32_t sent_len = encapsulate(sent, direct, len, from, is_gue);
                assert_int_equal(spread_queue(&on, sent, sent_len), belongs);
                assert_int_equal(spread_detour(&on, sent, sent_len, &queue), SPREAD_TO_ONE);
                assert_int_equal(queue, belongs);
                sent_len = tag(sent, sent_len);
                assert_int_equal(spread_queue(&on, sent, sent_len), belongs);
                assert_int_equal(spread_detour(&off, sent, sent_len, &queue), SPREAD_STAYS);
                /* Cut within the packet inside: by the outer one, whatever that says. */
                test_put16(sent + 20, 24 + 8 * is_gue);
                assert_in_range(spread_queue(&on, sent, sent_len), 0, 4);
            }
    }
    assert_int_equal(queues, 31);
}

static void an_rpc_datagram_belongs_to_the_queue_of_its_port(void **state)
{
    enum { NOT_RPC = -1 };
    static const struct {
        const char *what;
        int ip_version, protocol;
        uint16_t source_port, port, rpc_port;
        bool is_tagged, is_fragment;
        int queue;
    } rows[] = {
        {"the first port", 4, TEST_UDP, 7000, 7000, 7000, false, false, 0},
        {"the last port", 4, TEST_UDP, 7000, 7003, 7000, false, false, 3},
        {"over IPv6", 6, TEST_UDP, 7000, 7002, 7000, false, false, 2},
        {"in a VLAN", 4, TEST_UDP, 7000, 7002, 7000, true, false, 2},
        {"the highest ports", 4, TEST_UDP, 1, 65535, 65532, false, false, 3},
        {"from any port", 4, TEST_UDP, 9, 7001, 7000, false, false, 1},
        {"one below the first port", 4, TEST_UDP, 7000, 6999, 7000, false, false, NOT_RPC},
        {"one above the last port", 4, TEST_UDP, 7000, 7004, 7000, false, false, NOT_RPC},
        {"TCP to that port", 4, TEST_TCP, 9, 7001, 7000, false, false, NOT_RPC},
        {"a reply to a client at that port", 4, TEST_TCP, 7001, 7001, 7000, false, false, NOT_RPC},
        {"a fragment", 4, TEST_UDP, 7000, 7002, 7000, false, true, NOT_RPC},
        {"no RPC here", 4, TEST_UDP, 7000, 1, 0, false, false, NOT_RPC},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spread with = {.key = 99, .queues = 4, .rpc_port = rows[i].rpc_port};
        struct spread without = {.key = 99, .queues = 4};
        for (uint8_t host = 1; host < 100; host++) {
            uint8_t frame[TEST_FRAME_MAX];
            struct test_flow f = {rows[i].ip_version, rows[i].protocol,    {10, 0, 0, host},
                                  {10, 0, 0, 200},    rows[i].source_port, rows[i].port};
            uint16_t queue = UINT16_MAX;
            uint32_t len = test_frame(frame, &f, "payload", 7, true);
            if (rows[i].is_fragment)
                frame[14 + 6] = 0x20;
            if (rows[i].is_tagged)
                len = tag(frame, len);
            bool is_rpc = spread_detour(&with, frame, len, &queue) == SPREAD_TO_ONE;
            if (is_rpc != (rows[i].queue != NOT_RPC))
                fail_msg("%s: is%s RPC", rows[i].what, is_rpc ? "" : " not");
            int want = is_rpc ? rows[i].queue : spread_queue(&without, frame, len);
            if (spread_queue(&with, frame, len) != want || (is_rpc && queue != want))
                fail_msg("%s: queue %u, not %d", rows[i].what, spread_queue(&with, frame, len),
                         want);
        }
    }
}

static void what_comes_to_a_port_of_a_core_is_that_cores(void **state)
{
    static const struct spread spread = {
        .key = 99, .queues = 4, .own_first = 12288, .own_each = 5120, .listen = {13000, 443}};
    static const struct {
        const char *what;
        int protocol;
        uint16_t port;
        int queue; /* -1: any */
    } rows[] = {
        {"the first", TEST_TCP, 12288, 0},
        {"the last of core 0", TEST_TCP, 17407, 0},
        {"the first of core 1", TEST_TCP, 17408, 1},
        {"the last of all", TEST_TCP, 32767, 3},
        {"UDP too", TEST_UDP, 20000, 1},
        {"below", TEST_TCP, 12287, -1},
        {"above", TEST_TCP, 32768, -1},
        {"a port that is listened on", TEST_TCP, 13000, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int version = 4; version <= 6; version += 2) {
            for (uint8_t host = 1; host < 50; host++) {
                uint8_t frame[TEST_FRAME_MAX];
                struct test_flow f = {version, rows[i].protocol, {10, 0, 0, host}, {10, 0, 0, 200},
                                      443,     rows[i].port};
                uint16_t queue = UINT16_MAX;
                uint32_t len = test_frame(frame, &f, "payload", 7, true);
                bool is_own = spread_detour(&spread, frame, len, &queue) == SPREAD_TO_ONE;
                if (is_own != (rows[i].queue >= 0) || (is_own && queue != rows[i].queue) ||
                    (is_own && spread_queue(&spread, frame, len) != queue))
                    fail_msg("%s, IPv%d: queue %u", rows[i].what, version, queue);
            }
        }
    }
}

/* The error comes back to us: the datagram in it went from our port to the peer's. */
static void an_icmp_error_about_rpc_goes_to_its_sender(void **state)
{
    static const struct spread spread = {.key = 99, .queues = 4, .rpc_port = 7000};
    uint8_t sent[TEST_FRAME_MAX], error[TEST_FRAME_MAX];
    struct test_flow flow = udp4, carrier = udp4;
    uint16_t queue;

    flow.source_port = 7002;
    flow.destination_port = 7001;
    test_frame(sent, &flow, "0123456789", 10, true);
    uint32_t len = test_frame(error, &carrier, sent + 14, 28, false);
    error[14 + 9] = 1;
    error[34] = 3;
    error[35] = 4;
    assert_int_equal(spread_detour(&spread, error, len, &queue), SPREAD_TO_ONE);
    assert_int_equal(queue, 2);
    assert_int_equal(spread_queue(&spread, error, len), 2);
}

/* ICMP over the carrier's addresses, with the first bytes of what was sent. */
static uint32_t icmp_error(uint8_t *error, int ip_version, uint8_t type, uint8_t code,
                           const struct test_flow *about)
{
    uint8_t sent[TEST_FRAME_MAX];
    struct test_flow carrier = ip_version == 4 ? udp4 : udp6;
    uint32_t header = ip_version == 4 ? 20 : 40;
    test_frame(sent, about, "0123456789", 10, true);
    uint32_t len = test_frame(error, &carrier, sent + 14, header + 8, false);
    error[14 + (ip_version == 4 ? 9 : 6)] = ip_version == 4 ? 1 : 58;
    error[14 + header] = type;
    error[14 + header + 1] = code;
    return len;
}

/* The card put it where the router's address hashes to, which says nothing of the connection. */
static void of_errors_only_too_big_goes_to_all_where_the_card_spreads(void **state)
{
    static const struct spread spread = {.key = 99, .queues = 4, .rpc_port = 7000};
    static const struct {
        const char *what;
        int ip_version;
        uint8_t type, code;
        bool is_tagged;
        enum spread_detour detour;
    } rows[] = {
        {"fragmentation needed", 4, 3, 4, false, SPREAD_TO_ALL},
        {"fragmentation needed, in a VLAN", 4, 3, 4, true, SPREAD_TO_ALL},
        {"port unreachable", 4, 3, 3, false, SPREAD_STAYS},
        {"time exceeded", 4, 11, 0, false, SPREAD_STAYS},
        {"an echo with such a code", 4, 8, 4, false, SPREAD_STAYS},
        {"packet too big", 6, 2, 0, false, SPREAD_TO_ALL},
        {"packet too big, in a VLAN", 6, 2, 0, true, SPREAD_TO_ALL},
        {"no route", 6, 1, 0, false, SPREAD_STAYS},
        {"an echo", 6, 128, 0, false, SPREAD_STAYS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct test_flow flow = rows[i].ip_version == 4 ? tcp4 : udp6;
        uint8_t error[TEST_FRAME_MAX];
        uint16_t queue = UINT16_MAX;
        flow.protocol = TEST_TCP;
        uint32_t len = icmp_error(error, rows[i].ip_version, rows[i].type, rows[i].code, &flow);
        if (rows[i].is_tagged)
            len = tag(error, len);
        enum spread_detour detour = spread_detour(&spread, error, len, &queue);
        if (detour != rows[i].detour || queue != UINT16_MAX)
            fail_msg("%s: %d, queue %u", rows[i].what, detour, queue);
    }
}

static void a_segment_stays_where_the_card_put_it(void **state)
{
    static const struct spread spread = {.key = 99, .queues = 4, .rpc_port = 443};
    uint8_t frame[TEST_FRAME_MAX];
    uint16_t queue = UINT16_MAX;
    struct test_flow flow6 = udp6;
    flow6.protocol = TEST_TCP;
    const struct test_flow *flows[] = {&tcp4, &flow6, &udp4};
    for (int i = 0; i < 3; i++) {
        uint32_t len = test_frame(frame, flows[i], "x", 1, true);
        assert_int_equal(spread_detour(&spread, frame, len, &queue), SPREAD_STAYS);
        assert_int_equal(spread_detour(&spread, frame, tag(frame, len), &queue), SPREAD_STAYS);
    }
    assert_int_equal(queue, UINT16_MAX);
}

static void random_bytes_are_harmless(void **state)
{
    static const struct spread spread = {.key = 1, .queues = 3, .rpc_port = 100};
    struct rng r = {4};
    for (int i = 0; i < 200000; i++) {
        uint32_t len = (uint32_t)rng_below(&r, 120);
        uint8_t *frame = malloc(len ? len : 1);
        for (uint32_t j = 0; j < len; j++)
            frame[j] = (uint8_t)rng_next(&r);
        if (len > 23) {
            memcpy(frame + 12, i % 2 ? "\x08\x00" : "\x86\xdd", 2);
            frame[14] = i % 2 ? 0x40 | (frame[14] & 15) : 0x60;
            frame[16] = frame[18] = 0; /* believable lengths */
        }
        struct layers l;
        if (layers_find(frame, len, &l)) {
            assert_in_range(l.end, l.l3_offset, len);
            assert_in_range(l.l4_offset, 0, l.end);
        }
        csum_verify(frame, len);
        uint16_t queue = spread_queue(&spread, frame, len), rpc_queue = queue;
        assert_in_range(queue, 0, 2);
        spread_detour(&spread, frame, len, &rpc_queue);
        assert_int_equal(rpc_queue, queue);
        free(frame);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(random_sums_equal_the_slow_way),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(ipv6_extension_headers),
        cmocka_unit_test(filled_checksums_are_verified),
        cmocka_unit_test(a_udp_checksum_is_never_sent_as_zero),
        cmocka_unit_test(both_directions_of_a_flow_share_a_queue),
        cmocka_unit_test(an_icmp_error_follows_the_flow_it_speaks_of),
        cmocka_unit_test(an_rpc_datagram_belongs_to_the_queue_of_its_port),
        cmocka_unit_test(what_comes_to_a_port_of_a_core_is_that_cores),
        cmocka_unit_test(an_icmp_error_about_rpc_goes_to_its_sender),
        cmocka_unit_test(a_balancers_packet_goes_where_the_one_in_it_belongs),
        cmocka_unit_test(of_errors_only_too_big_goes_to_all_where_the_card_spreads),
        cmocka_unit_test(a_segment_stays_where_the_card_put_it),
        cmocka_unit_test(random_bytes_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
