/* test_port_dpdk.c
 *
 * Real devices in a network namespace of the test's own, which ends with the process:
 *
 *     raw socket on hxb ---- veth ---- hxa: net_af_packet, net_af_xdp        net_tap: raw socket on
 * its kernel end
 *
 * Needs root; skips (77) without it.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/eal.h"
#include "drivers/port_dpdk.h"
#include "drivers/port_dpdk_impl.h"
#include "tests/unit/drivers/test_frame.h"

enum { SKIP = 77, PATIENCE_MS = 10000, FLOWS = 64, PING_PONGS = 2000, RPC_PORT = 7000 };

static const struct test_flow flow_v4 = {4, TEST_UDP, {10, 9, 0, 1}, {10, 9, 0, 2}, 4000, 5000};
static const struct test_flow flow_v6 = {6,    TEST_TCP, {0xfd, [15] = 1}, {0xfd, [15] = 2},
                                         4000, 5000};

/* ---- the kernel's side ---- */

static int raw_socket(const char *iface)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(iface)};
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void raw_send(int fd, const uint8_t *bytes, uint32_t len)
{
    assert_int_equal(send(fd, bytes, len, 0), len);
}

/* The next frame that came in (not our own going out); 0 when none comes. */
static uint32_t raw_receive(int fd, uint8_t *bytes, uint32_t room)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct sockaddr_ll from;
        socklen_t from_bytes = sizeof(from);
        if (poll(&p, 1, PATIENCE_MS) != 1)
            return 0;
        ssize_t n = recvfrom(fd, bytes, room, 0, (struct sockaddr *)&from, &from_bytes);
        if (n > 0 && from.sll_pkttype != PACKET_OUTGOING)
            return (uint32_t)n;
    }
}

/* ---- our side ---- */

static struct port *open_port(const char *device, uint16_t queues)
{
    char error[512] = "";
    struct port_dpdk_config c = {.device = device, .queues = queues, .buffers = 2047};
    struct port *p = port_dpdk_create(&c, error, sizeof(error));
    if (!p)
        fail_msg("%s", error);
    return p;
}

/* True if a descriptor of the queue is readable within the time. Arms as port.h says. */
static bool is_awake(struct port *p, uint16_t queue, int timeout_ms)
{
    int fds[PORT_WAIT_FDS_MAX];
    struct pollfd polls[PORT_WAIT_FDS_MAX];
    int n = port_wait_fds(p, queue, fds, PORT_WAIT_FDS_MAX);
    for (int i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    return poll(polls, (nfds_t)n, timeout_ms) > 0;
}

static void drain_queue(struct port *p, uint16_t queue)
{
    struct frame f[PORT_BURST];
    for (uint16_t n; (n = port_rx(p, queue, f, PORT_BURST)) > 0;)
        port_free(p, queue, f, n);
}

static void drain(struct port *p)
{
    for (uint16_t q = 0; q < p->caps.queues; q++)
        drain_queue(p, q);
}

/* One frame on queue 0, sleeping until it comes; where the device cannot say, by polling. */
static bool receive_one(struct port *p, struct frame *f)
{
    for (;;) {
        if (port_rx(p, 0, f, 1) == 1)
            return true;
        if (p->caps.has_rx_wait && !is_awake(p, 0, PATIENCE_MS))
            return false;
    }
}

static void check_receives(struct port *p, int raw)
{
    uint8_t bytes[TEST_FRAME_MAX];
    struct frame f;
    static const struct {
        const char *what;
        const struct test_flow *flow;
        uint32_t payload_bytes;
        int flip; /* byte to damage, 0: none */
        uint8_t verdict;
    } rows[] = {
        {"a good IPv4 UDP frame", &flow_v4, 64, 0, FRAME_CSUM_GOOD},
        {"a good IPv4 frame of odd length", &flow_v4, 101, 0, FRAME_CSUM_GOOD},
        {"a good IPv6 TCP frame", &flow_v6, 1000, 0, FRAME_CSUM_GOOD},
        {"a full frame", &flow_v4, 1472, 0, FRAME_CSUM_GOOD},
        {"a damaged IPv4 header", &flow_v4, 64, 14 + 8, FRAME_CSUM_BAD_IP},
        {"a damaged UDP payload", &flow_v4, 64, 14 + 28 + 3, FRAME_CSUM_BAD_L4},
        {"a damaged TCP payload over IPv6", &flow_v6, 64, 14 + 60 + 3, FRAME_CSUM_BAD_L4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t payload[1472];
        memset(payload, (int)(i + 1), sizeof(payload));
        uint32_t len = test_frame(bytes, rows[i].flow, payload, rows[i].payload_bytes, true);
        if (rows[i].flip)
            bytes[rows[i].flip] ^= 0x10;
        raw_send(raw, bytes, len);
        if (!receive_one(p, &f))
            fail_msg("%s: did not arrive", rows[i].what);
        if (f.len != len || memcmp(f.bytes, bytes, len) != 0)
            fail_msg("%s: arrived changed", rows[i].what);
        if (f.rx_csum != rows[i].verdict)
            fail_msg("%s: verdict %d instead of %d", rows[i].what, f.rx_csum, rows[i].verdict);
        port_free(p, 0, &f, 1);
    }
}

static void check_sends(struct port *p, uint16_t queue, int raw)
{
    static const struct {
        const char *what;
        const struct test_flow *flow;
        uint32_t payload_bytes;
        uint8_t tx_csum;
    } rows[] = {
        {"UDP over IPv4", &flow_v4, 100, FRAME_TX_UDP},
        {"UDP over IPv4, odd", &flow_v4, 77, FRAME_TX_UDP},
        {"TCP over IPv6, full", &flow_v6, 1440, FRAME_TX_TCP},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t payload[1472], expected[TEST_FRAME_MAX], got[2 * TEST_FRAME_MAX];
        struct frame f;
        memset(payload, (int)(i + 1), sizeof(payload));
        uint32_t len = test_frame(expected, rows[i].flow, payload, rows[i].payload_bytes, true);
        assert_true(port_tx_alloc(p, queue, &f));
        f.len = test_frame(f.bytes, rows[i].flow, payload, rows[i].payload_bytes, false);
        f.tx_csum = rows[i].tx_csum;
        f.l3_offset = 14;
        f.l4_offset = rows[i].flow->ip_version == 4 ? 34 : 54;
        port_tx(p, queue, &f, 1);
        if (raw_receive(raw, got, sizeof(got)) != len || memcmp(got, expected, len) != 0)
            fail_msg("%s: not what was sent", rows[i].what);
    }
}

/* A flow that belongs to that queue cannot be asked for, so send many and see where each lands: on
 * one queue each, both directions on the same. */
static void check_spreads(struct port *p, int raw)
{
    uint8_t bytes[TEST_FRAME_MAX];
    uint16_t counts[2] = {0};

    drain(p);
    for (int i = 0; i < FLOWS; i++) {
        struct test_flow there = flow_v4, back;
        there.source_port = (uint16_t)(1000 + i);
        back = there;
        memcpy(back.source, there.destination, 16);
        memcpy(back.destination, there.source, 16);
        back.source_port = there.destination_port;
        back.destination_port = there.source_port;
        raw_send(raw, bytes, test_frame(bytes, &there, "x", 1, true));
        raw_send(raw, bytes, test_frame(bytes, &back, "y", 1, true));
    }
    uint16_t queue_of[FLOWS][2];
    memset(queue_of, 0xff, sizeof(queue_of));
    for (int received = 0; received < 2 * FLOWS;) {
        for (uint16_t q = 0; q < 2; q++) {
            struct frame f[PORT_BURST];
            uint16_t n = port_rx(p, q, f, PORT_BURST);
            for (uint16_t i = 0; i < n; i++) {
                const uint8_t *l4 = f[i].bytes + 34;
                bool is_back = (l4[0] << 8 | l4[1]) == 5000;
                int flow = (is_back ? l4[2] << 8 | l4[3] : l4[0] << 8 | l4[1]) - 1000;
                assert_in_range(flow, 0, FLOWS - 1);
                queue_of[flow][is_back] = q;
                counts[q]++;
            }
            received += n;
            port_free(p, q, f, n);
        }
    }
    for (int i = 0; i < FLOWS; i++)
        assert_int_equal(queue_of[i][0], queue_of[i][1]);
    assert_true(counts[0] > 0 && counts[1] > 0);
}

/* Two cores that sleep whenever they find nothing. Each frame is sent only when the one before has
 * been seen: a lost wake-up would leave it lying until the patience ends. */
struct sleeper {
    struct port *port;
    uint16_t queue;
    int seen_fd, over_fd;
    _Atomic bool *is_over;
    _Atomic uint32_t *timeouts;
};

static int sleep_and_receive(void *arg)
{
    struct sleeper *s = arg;
    while (!atomic_load(s->is_over)) {
        struct frame f[PORT_BURST];
        int fds[PORT_WAIT_FDS_MAX];
        struct pollfd polls[PORT_WAIT_FDS_MAX + 1];
        uint16_t n = port_rx(s->port, s->queue, f, PORT_BURST);
        if (n > 0) {
            uint64_t seen = n;
            if (write(s->seen_fd, &seen, sizeof(seen)) != sizeof(seen))
                return -1;
            port_free(s->port, s->queue, f, n);
            continue;
        }
        int waits = port_wait_fds(s->port, s->queue, fds, PORT_WAIT_FDS_MAX);
        for (int i = 0; i < waits; i++)
            polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        polls[waits] = (struct pollfd){.fd = s->over_fd, .events = POLLIN};
        if (poll(polls, (nfds_t)waits + 1, PATIENCE_MS) == 0)
            atomic_fetch_add(s->timeouts, 1);
    }
    return 0;
}

static void check_wakes(struct port *p, int raw)
{
    _Atomic bool is_over = false;
    _Atomic uint32_t timeouts = 0;
    int seen_fd = eventfd(0, EFD_CLOEXEC), over_fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;
    struct sleeper sleepers[2];
    uint8_t bytes[TEST_FRAME_MAX];
    uint16_t queues = p->caps.queues;

    drain(p);
    for (uint16_t q = 0; q < queues; q++) {
        sleepers[q] = (struct sleeper){p, q, seen_fd, over_fd, &is_over, &timeouts};
        assert_int_equal(eal_launch(q, sleep_and_receive, &sleepers[q]), 0);
    }
    bool is_late = false;
    for (int i = 0; i < PING_PONGS && !is_late; i++) {
        struct test_flow flow = flow_v4;
        flow.source_port = (uint16_t)i;
        raw_send(raw, bytes, test_frame(bytes, &flow, "x", 1, true));
        struct pollfd seen = {.fd = seen_fd, .events = POLLIN};
        uint64_t count;
        is_late = poll(&seen, 1, PATIENCE_MS) != 1 || read(seen_fd, &count, sizeof(count)) < 0;
    }
    atomic_store(&is_over, true);
    assert_int_equal(write(over_fd, &one, sizeof(one)), sizeof(one));
    for (uint16_t q = 0; q < queues; q++)
        eal_wait(q);
    close(seen_fd);
    close(over_fd);
    assert_false(is_late);
    assert_int_equal(timeouts, 0);
    drain(p);
}

/* A socket that nobody reads must not wake anyone, and one frame must. */
static void check_waits(struct port *p, int raw)
{
    uint8_t bytes[TEST_FRAME_MAX];
    struct frame f;

    drain(p);
    assert_true(p->caps.has_rx_wait);
    assert_false(is_awake(p, 0, 0));
    raw_send(raw, bytes, test_frame(bytes, &flow_v4, "x", 1, true));
    assert_true(is_awake(p, 0, PATIENCE_MS));
    assert_true(receive_one(p, &f));
    port_free(p, 0, &f, 1);
    assert_false(is_awake(p, 0, 0));
}

/* ---- tests ---- */

static void af_packet_carries_frames_both_ways(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa", 1);
    int raw = raw_socket("hxb");
    struct port_stats s;

    assert_int_equal(p->caps.mtu, 1500);
    assert_string_equal(p->caps.driver, "net_af_packet");
    check_receives(p, raw);
    check_sends(p, 0, raw);
    check_waits(p, raw);
    check_wakes(p, raw);
    port_stats(p, 0, &s);
    assert_int_equal(s.tx_frames, 3);
    assert_int_equal(s.rx_missed + s.rx_truncated + s.tx_full, 0);
    close(raw);
    port_close(p);
}

static void af_packet_spreads_over_two_cores(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa", 2);
    int raw = raw_socket("hxb");

    assert_int_equal(p->caps.queues, 2);
    check_spreads(p, raw);
    check_sends(p, 0, raw);
    check_sends(p, 1, raw);
    check_wakes(p, raw);
    close(raw);
    port_close(p);
}

/* Sends RPC datagrams to both ports, over many flows, and TCP to the same port numbers. Says for
 * the latter which queue got them. */
static void check_rpc(struct port *p, int raw, uint16_t tcp_queue[FLOWS])
{
    uint8_t bytes[TEST_FRAME_MAX];

    drain(p);
    for (int i = 0; i < FLOWS; i++) {
        struct test_flow rpc = flow_v4, tcp = flow_v4;
        rpc.source_port = tcp.source_port = (uint16_t)(1000 + i);
        rpc.destination_port = tcp.destination_port = (uint16_t)(RPC_PORT + i % 2);
        tcp.protocol = TEST_TCP;
        raw_send(raw, bytes, test_frame(bytes, &rpc, "x", 1, true));
        raw_send(raw, bytes, test_frame(bytes, &tcp, "y", 1, true));
    }
    for (int received = 0; received < 2 * FLOWS;) {
        for (uint16_t q = 0; q < 2; q++) {
            struct frame f[PORT_BURST];
            uint16_t n = port_rx(p, q, f, PORT_BURST);
            for (uint16_t i = 0; i < n; i++) {
                const uint8_t *ip = f[i].bytes + 14, *l4 = f[i].bytes + 34;
                if (ip[9] == TEST_UDP)
                    assert_int_equal((l4[2] << 8 | l4[3]) - RPC_PORT, q);
                else
                    tcp_queue[(l4[0] << 8 | l4[1]) - 1000] = q;
            }
            received += n;
            port_free(p, q, f, n);
        }
    }
}

static void rpc_datagrams_come_to_the_queue_of_their_port(void **state)
{
    char error[512] = "";
    struct port_dpdk_config c = {.device = "net_af_packet0,iface=hxa,qpairs=1",
                                 .queues = 2,
                                 .buffers = 2047,
                                 .rpc_port = RPC_PORT};
    struct port *p = port_dpdk_create(&c, error, sizeof(error));
    uint16_t tcp_queue[FLOWS], on_one = 0;
    int raw = raw_socket("hxb");

    if (!p)
        fail_msg("%s", error);
    assert_false(p->caps.has_rpc_rules);
    check_rpc(p, raw, tcp_queue);
    for (int i = 0; i < FLOWS; i++)
        on_one += tcp_queue[i];
    assert_in_range(on_one, 1, FLOWS - 1); /* TCP is spread as ever */

    /* As with a device that spreads by itself, but takes no rules: everything else stays on the
     * queue that it came to. */
    ((struct port_dpdk *)p)->hand_over = HAND_OVER_RPC;
    check_rpc(p, raw, tcp_queue);
    for (int i = 0; i < FLOWS; i++)
        assert_int_equal(tcp_queue[i], 0);
    close(raw);
    port_close(p);
}

static void one_af_packet_queue_feeds_two_cores(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa,qpairs=1", 2);
    int raw = raw_socket("hxb");

    check_spreads(p, raw);
    check_sends(p, 1, raw); /* by the shared device queue */
    check_wakes(p, raw);
    close(raw);
    port_close(p);
}

/* What was handed over while its core was busy elsewhere must not be slept over. */
static void a_frame_that_waits_wakes_its_core_at_once(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa,qpairs=1", 2);
    int raw = raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    struct frame f[PORT_BURST];

    for (uint16_t port = 1; port < 40; port++) { /* some of these flows are queue 1's */
        struct test_flow flow = flow_v4;
        flow.source_port = port;
        raw_send(raw, bytes, test_frame(bytes, &flow, "x", 1, true));
    }
    assert_false(is_awake(p, 1, 0));
    drain_queue(p, 0);
    assert_true(is_awake(p, 1, 0)); /* armed before, woken since */
    assert_true(is_awake(p, 1, 0)); /* armed now, with frames waiting */
    uint16_t n = port_rx(p, 1, f, PORT_BURST);
    assert_true(n > 0);
    port_free(p, 1, f, n);
    drain(p);
    assert_false(is_awake(p, 1, 0));
    close(raw);
    port_close(p);
}

static void an_interface_may_go_down_and_come_back(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa", 1);

    assert_int_equal(system("ip link set hxa down"), 0);
    is_awake(p, 0, 0); /* takes the error that the kernel left on the socket */
    assert_false(is_awake(p, 0, 0));
    assert_int_equal(system("ip link set hxa up"), 0);
    int raw = raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    uint32_t len = test_frame(bytes, &flow_v4, "x", 1, true);
    for (int tries = 0; tries < 100;
         tries++) { /* the kernel activates the link when it finds time */
        ssize_t ignored = send(raw, bytes, len, 0);
        (void)ignored;
        if (is_awake(p, 0, PATIENCE_MS / 100))
            break;
    }
    drain(p);
    check_receives(p, raw);
    check_sends(p, 0, raw);
    check_waits(p, raw);
    close(raw);
    port_close(p);
}

static void af_packet_counts_what_its_ring_lost(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa,framecnt=32", 1);
    int raw = raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    struct port_stats s;
    struct frame f[PORT_BURST];
    uint16_t received = 0;

    uint32_t len = test_frame(bytes, &flow_v4, "x", 1, true);
    for (int i = 0; i < 100; i++)
        raw_send(raw, bytes, len);
    for (uint16_t n; (n = port_rx(p, 0, f, PORT_BURST)) > 0; received += n)
        port_free(p, 0, f, n);
    port_stats(p, 0, &s);
    assert_int_equal(s.rx_frames, received);
    assert_int_equal(received + s.rx_missed, 100);
    assert_true(s.rx_missed > 0);
    close(raw);
    port_close(p);
}

/* The core does something else meanwhile: what eight clients may have under way, and more, waits
 * for it. */
static void af_packet_keeps_what_comes_at_once(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa", 1);
    int raw = raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    struct port_stats s;
    struct frame f[PORT_BURST];
    uint16_t received = 0;

    uint32_t len = test_frame(bytes, &flow_v4, "x", 1, true);
    for (int i = 0; i < 6000; i++)
        raw_send(raw, bytes, len);
    for (uint16_t n; (n = port_rx(p, 0, f, PORT_BURST)) > 0; received += n)
        port_free(p, 0, f, n);
    port_stats(p, 0, &s);
    assert_int_equal(s.rx_missed, 0);
    assert_int_equal(received, 6000);
    close(raw);
    port_close(p);
}

static void a_frame_above_the_mtu_is_dropped_and_counted(void **state)
{
    assert_int_equal(system("ip link set hxa mtu 9000 && ip link set hxb mtu 9000"), 0);
    struct port *jumbo = open_port("net_af_packet0,iface=hxa", 1);
    int raw = raw_socket("hxb");
    static uint8_t bytes[9100], payload[8000];
    struct frame f;

    uint32_t len = test_frame(bytes, &flow_v4, payload, sizeof(payload), true);
    assert_int_equal(jumbo->caps.mtu, 9000);
    raw_send(raw, bytes, len);
    assert_true(receive_one(jumbo, &f));
    assert_int_equal(f.len, len);
    assert_int_equal(f.rx_csum, FRAME_CSUM_GOOD);
    port_free(jumbo, 0, &f, 1);
    port_close(jumbo);

    assert_int_equal(system("ip link set hxa mtu 1500"), 0);
    struct port *p = open_port("net_af_packet0,iface=hxa", 1);
    struct port_stats s;
    /* The receiving end takes 1500; a packet socket sees what veth lets through: one VLAN tag
     * above. */
    uint32_t small = test_frame(bytes, &flow_v4, payload, 1472, true);
    raw_send(raw, bytes, small);
    assert_true(receive_one(p, &f));
    port_free(p, 0, &f, 1);
    port_stats(p, 0, &s);
    assert_int_equal(s.rx_frames, 1);
    assert_int_equal(s.rx_truncated, 0);
    close(raw);
    port_close(p);
    assert_int_equal(system("ip link set hxb mtu 1500"), 0);
}

static void af_xdp_carries_frames_both_ways(void **state)
{
    struct port *p = open_port("net_af_xdp0,iface=hxa", 1);
    int raw = raw_socket("hxb");

    assert_string_equal(p->caps.driver, "net_af_xdp");
    check_receives(p, raw);
    check_sends(p, 0, raw);
    check_waits(p, raw);
    check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void one_af_xdp_queue_feeds_two_cores(void **state)
{
    struct port *p = open_port("net_af_xdp0,iface=hxa", 2);
    int raw = raw_socket("hxb");

    check_spreads(p, raw);
    check_sends(p, 1, raw);
    check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void two_af_packet_queues_feed_one_core(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa,qpairs=2", 1);
    int raw = raw_socket("hxb");

    check_receives(p, raw);
    check_sends(p, 0, raw);
    check_waits(p, raw);
    check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void tap_carries_frames_both_ways(void **state)
{
    struct port *p = open_port("net_tap0,iface=hxtap", 1);
    assert_int_equal(system("ip link set hxtap arp off up"), 0);
    int raw = raw_socket("hxtap");

    drain(p);
    check_receives(p, raw);
    check_sends(p, 0, raw);
    check_waits(p, raw);
    check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void a_ring_gives_two_cores_back_what_they_sent(void **state)
{
    struct port *p = open_port("net_ring0", 2);
    uint32_t received = 0;

    assert_false(p->caps.has_rx_wait);
    for (uint16_t i = 0; i < FLOWS; i++) {
        struct test_flow flow = flow_v4;
        struct frame f;
        flow.source_port = i;
        assert_true(port_tx_alloc(p, i % 2, &f));
        f.len = test_frame(f.bytes, &flow, "ring", 4, false);
        f.tx_csum = FRAME_TX_UDP;
        f.l3_offset = 14;
        f.l4_offset = 34;
        port_tx(p, i % 2, &f, 1);
    }
    for (uint16_t turn = 0; turn < FLOWS; turn++) {
        struct frame f[PORT_BURST];
        uint16_t n = port_rx(p, turn % 2, f, PORT_BURST);
        for (uint16_t i = 0; i < n; i++)
            assert_int_equal(f[i].rx_csum, FRAME_CSUM_GOOD);
        port_free(p, turn % 2, f, n);
        received += n;
    }
    assert_int_equal(received, FLOWS);
    port_close(p);
}

static void leave_stale_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
}

/* Both ends in one process; memif has neither interrupts nor sockets to sleep on. */
static void memif_carries_frames_both_ways(void **state)
{
    char directory[] = "/tmp/hearth-test-XXXXXX", path[64], server[128], client[128];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/memif", directory);
    snprintf(server, sizeof(server), "net_memif0,role=server,socket-abstract=no,socket=%s", path);
    snprintf(client, sizeof(client), "net_memif1,role=client,socket-abstract=no,socket=%s", path);
    leave_stale_socket(path); /* as a killed node does */
    struct port *a = open_port(server, 1), *b = open_port(client, 1);
    struct port *ends[2] = {a, b};
    uint32_t received = 0;

    assert_false(a->caps.has_rx_wait);
    for (uint64_t turn = 0; received < 100 && turn < 1000000000; turn++) { /* until they have met */
        struct port *from = ends[received % 2], *to = ends[!(received % 2)];
        struct frame f;
        if (port_rx(to, 0, &f, 1) == 1) {
            assert_int_equal(f.rx_csum, FRAME_CSUM_GOOD);
            port_free(to, 0, &f, 1);
            drain(to); /* of the attempts before they met */
            received++;
        } else if (port_tx_alloc(from, 0, &f)) {
            f.len = test_frame(f.bytes, &flow_v6, "memif", 5, false);
            f.tx_csum = FRAME_TX_TCP;
            f.l3_offset = 14;
            f.l4_offset = 54;
            port_tx(from, 0, &f, 1);
        }
    }
    assert_int_equal(received, 100);
    port_close(b);
    port_close(a);
    unlink(path);
    rmdir(directory);
}

static void auto_takes_a_rung_that_works(void **state)
{
    struct port *p = open_port("auto:hxa", 1);
    int raw = raw_socket("hxb");

    check_receives(p, raw);
    close(raw);
    port_close(p);
}

static void the_ladder_says_why_not(void **state)
{
    struct port_rung rungs[8];

    assert_int_equal(port_dpdk_ladder("hxa", rungs, 8), 4);
    assert_string_equal(rungs[0].name, "pci");
    assert_false(rungs[0].is_possible);
    assert_non_null(strstr(rungs[0].reason, "virtual"));
    assert_string_equal(rungs[2].name, "net_af_packet");
    assert_true(rungs[2].is_possible);
    assert_int_equal(port_dpdk_ladder("nosuch", rungs, 8), 1);
    assert_false(rungs[0].is_possible);
}

static void a_device_serves_one_port(void **state)
{
    struct port *p = open_port("net_af_packet0,iface=hxa", 1);
    struct port_dpdk_config again = {.device = "net_af_packet0,iface=hxa", .queues = 1};
    char error[512] = "";
    int raw = raw_socket("hxb");

    assert_null(port_dpdk_create(&again, error, sizeof(error)));
    assert_non_null(strstr(error, "attaching it failed"));
    check_receives(p, raw); /* the first port is as it was */
    close(raw);
    port_close(p);
}

static void a_device_that_cannot_be_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *device, *says;
        uint16_t queues, rpc_port;
    } rows[] = {
        {"net_af_packet0,iface=nosuch", "no interface 'nosuch'", 1},
        {"auto:nosuch", "no interface 'nosuch'", 1},
        {"net_af_xdp0,iface=hxc", "ethtool -L hxc",
         1}, /* it has two queues; AF_XDP could serve one */
        {"net_nothing0", "attaching it failed", 1},
        {"0000:ff:1f.7", "attaching it failed", 1},
        {"net_ring0", "0 queues", 0},
        {"net_ring0", "no 2 UDP ports from 65535 on", 2, 65535},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[512] = "";
        struct port_dpdk_config c = {
            .device = rows[i].device, .queues = rows[i].queues, .rpc_port = rows[i].rpc_port};
        assert_null(port_dpdk_create(&c, error, sizeof(error)));
        if (!strstr(error, rows[i].says))
            fail_msg("%s: '%s' does not say '%s'", rows[i].device, error, rows[i].says);
    }
}

/* ---- start ---- */

static int make_links(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
        return -1;
    /* /sys shows the namespace in which it was mounted. */
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("sysfs", "/sys", "sysfs", 0, NULL) != 0)
        return -1;
    return system("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 "
                  "net.ipv6.conf.default.disable_ipv6=1 && "
                  "ip link add hxa type veth peer name hxb && "
                  "ip link add hxc numrxqueues 2 numtxqueues 2 type veth peer name hxd && "
                  "for i in hxa hxb hxc hxd; do ip link set $i arp off up || exit 1; done");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(af_packet_carries_frames_both_ways),
        cmocka_unit_test(af_packet_spreads_over_two_cores),
        cmocka_unit_test(rpc_datagrams_come_to_the_queue_of_their_port),
        cmocka_unit_test(one_af_packet_queue_feeds_two_cores),
        cmocka_unit_test(two_af_packet_queues_feed_one_core),
        cmocka_unit_test(a_frame_that_waits_wakes_its_core_at_once),
        cmocka_unit_test(an_interface_may_go_down_and_come_back),
        cmocka_unit_test(af_packet_counts_what_its_ring_lost),
        cmocka_unit_test(af_packet_keeps_what_comes_at_once),
        cmocka_unit_test(a_frame_above_the_mtu_is_dropped_and_counted),
        cmocka_unit_test(af_xdp_carries_frames_both_ways),
        cmocka_unit_test(one_af_xdp_queue_feeds_two_cores),
        cmocka_unit_test(tap_carries_frames_both_ways),
        cmocka_unit_test(a_ring_gives_two_cores_back_what_they_sent),
        cmocka_unit_test(auto_takes_a_rung_that_works),
        cmocka_unit_test(the_ladder_says_why_not),
        cmocka_unit_test(a_device_serves_one_port),
        cmocka_unit_test(a_device_that_cannot_be_is_refused_with_a_sentence),
    };
    static const struct CMUnitTest memif_tests[] = {
        cmocka_unit_test(memif_carries_frames_both_ways),
    };
    struct eal_config c = {.name = "test-port-dpdk", .core_count = 2, .memory_mb = 256};
    struct eal_report report;
    char error[512];

    if (argc == 2 && strcmp(argv[1], "no-huge") == 0)
        c.huge = EAL_HUGE_OFF;
    if (c.huge == EAL_HUGE_OFF)
        c.name = "test-port-dpdk-no-huge"; /* both may run at once */
    c.use_memif = c.huge == EAL_HUGE_OFF;  /* else --in-memory, which is what most nodes use */
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root\n");
        return SKIP;
    }
    if (make_links() != 0) {
        fprintf(stderr, "cannot make a network namespace with veth: %s\n", strerror(errno));
        return 1;
    }
    if (eal_start(&c, &report, error, sizeof(error)) != 0) /* all three lcores on CPU 0 */
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (c.use_memif)
        failed += cmocka_run_group_tests(memif_tests, NULL, NULL);
    eal_stop();
    return failed;
}
