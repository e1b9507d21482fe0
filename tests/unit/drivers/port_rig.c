#include "tests/unit/drivers/port_rig.h"

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
#include <unistd.h>

#include <cmocka.h>

#include "drivers/eal.h"
#include "drivers/port_dpdk.h"

enum { SKIP = 77, PING_PONGS = 2000 };

const struct test_flow rig_flow_v4 = {4, TEST_UDP, {10, 9, 0, 1}, {10, 9, 0, 2}, 4000, 5000};
const struct test_flow rig_flow_v6 = {6, TEST_TCP, {0xfd, [15] = 1}, {0xfd, [15] = 2}, 4000, 5000};

/* ---- the kernel's side ---- */

int rig_raw_socket(const char *iface)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(iface)};
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

void rig_raw_send(int fd, const uint8_t *bytes, uint32_t len)
{
    assert_int_equal(send(fd, bytes, len, 0), len);
}

/* The next frame that came in (not our own going out); 0 when none comes. */
uint32_t rig_raw_receive(int fd, uint8_t *bytes, uint32_t room)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct sockaddr_ll from;
        socklen_t from_bytes = sizeof(from);
        if (poll(&p, 1, RIG_PATIENCE_MS) != 1)
            return 0;
        ssize_t n = recvfrom(fd, bytes, room, 0, (struct sockaddr *)&from, &from_bytes);
        if (n > 0 && from.sll_pkttype != PACKET_OUTGOING)
            return (uint32_t)n;
    }
}

/* ---- our side ---- */

struct port *rig_open(const char *device, uint16_t queues)
{
    char error[512] = "";
    struct port_dpdk_config c = {.device = device, .queues = queues, .buffers = 2047};
    struct port *p = port_dpdk_create(&c, error, sizeof(error));
    if (!p)
        fail_msg("%s", error);
    return p;
}

/* True if a descriptor of the queue is readable within the time. Arms as port.h says. */
bool rig_is_awake(struct port *p, uint16_t queue, int timeout_ms)
{
    int fds[PORT_WAIT_FDS_MAX];
    struct pollfd polls[PORT_WAIT_FDS_MAX];
    int n = port_wait_fds(p, queue, fds, PORT_WAIT_FDS_MAX);
    for (int i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    return poll(polls, (nfds_t)n, timeout_ms) > 0;
}

void rig_drain_queue(struct port *p, uint16_t queue)
{
    struct frame f[PORT_BURST];
    for (uint16_t n; (n = port_rx(p, queue, f, PORT_BURST)) > 0;)
        port_free(p, queue, f, n);
}

void rig_drain(struct port *p)
{
    for (uint16_t q = 0; q < p->caps.queues; q++)
        rig_drain_queue(p, q);
}

/* One frame on queue 0, sleeping until it comes; where the device cannot say, by polling. */
bool rig_receive_one(struct port *p, struct frame *f)
{
    for (;;) {
        if (port_rx(p, 0, f, 1) == 1)
            return true;
        if (p->caps.has_rx_wait && !rig_is_awake(p, 0, RIG_PATIENCE_MS))
            return false;
    }
}

void rig_check_receives(struct port *p, int raw)
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
        {"a good IPv4 UDP frame", &rig_flow_v4, 64, 0, FRAME_CSUM_GOOD},
        {"a good IPv4 frame of odd length", &rig_flow_v4, 101, 0, FRAME_CSUM_GOOD},
        {"a good IPv6 TCP frame", &rig_flow_v6, 1000, 0, FRAME_CSUM_GOOD},
        {"a full frame", &rig_flow_v4, 1472, 0, FRAME_CSUM_GOOD},
        {"a damaged IPv4 header", &rig_flow_v4, 64, 14 + 8, FRAME_CSUM_BAD_IP},
        {"a damaged UDP payload", &rig_flow_v4, 64, 14 + 28 + 3, FRAME_CSUM_BAD_L4},
        {"a damaged TCP payload over IPv6", &rig_flow_v6, 64, 14 + 60 + 3, FRAME_CSUM_BAD_L4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t payload[1472];
        memset(payload, (int)(i + 1), sizeof(payload));
        uint32_t len = test_frame(bytes, rows[i].flow, payload, rows[i].payload_bytes, true);
        if (rows[i].flip)
            bytes[rows[i].flip] ^= 0x10;
        rig_raw_send(raw, bytes, len);
        if (!rig_receive_one(p, &f))
            fail_msg("%s: did not arrive", rows[i].what);
        if (f.len != len || memcmp(f.bytes, bytes, len) != 0)
            fail_msg("%s: arrived changed", rows[i].what);
        if (f.rx_csum != rows[i].verdict)
            fail_msg("%s: verdict %d instead of %d", rows[i].what, f.rx_csum, rows[i].verdict);
        port_free(p, 0, &f, 1);
    }
}

void rig_check_sends(struct port *p, uint16_t queue, int raw)
{
    static const struct {
        const char *what;
        const struct test_flow *flow;
        uint32_t payload_bytes;
        uint8_t tx_csum;
    } rows[] = {
        {"UDP over IPv4", &rig_flow_v4, 100, FRAME_TX_UDP},
        {"UDP over IPv4, odd", &rig_flow_v4, 77, FRAME_TX_UDP},
        {"TCP over IPv6, full", &rig_flow_v6, 1440, FRAME_TX_TCP},
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
        if (rig_raw_receive(raw, got, sizeof(got)) != len || memcmp(got, expected, len) != 0)
            fail_msg("%s: not what was sent", rows[i].what);
    }
}

/* A flow that belongs to that queue cannot be asked for, so send many and see where each lands: on
 * one queue each, both directions on the same. */
void rig_check_spreads(struct port *p, int raw)
{
    uint8_t bytes[TEST_FRAME_MAX];
    uint16_t counts[2] = {0};

    rig_drain(p);
    for (int i = 0; i < RIG_FLOWS; i++) {
        struct test_flow there = rig_flow_v4, back;
        there.source_port = (uint16_t)(1000 + i);
        back = there;
        memcpy(back.source, there.destination, 16);
        memcpy(back.destination, there.source, 16);
        back.source_port = there.destination_port;
        back.destination_port = there.source_port;
        rig_raw_send(raw, bytes, test_frame(bytes, &there, "x", 1, true));
        rig_raw_send(raw, bytes, test_frame(bytes, &back, "y", 1, true));
    }
    uint16_t queue_of[RIG_FLOWS][2];
    memset(queue_of, 0xff, sizeof(queue_of));
    for (int received = 0; received < 2 * RIG_FLOWS;) {
        for (uint16_t q = 0; q < 2; q++) {
            struct frame f[PORT_BURST];
            uint16_t n = port_rx(p, q, f, PORT_BURST);
            for (uint16_t i = 0; i < n; i++) {
                const uint8_t *l4 = f[i].bytes + 34;
                bool is_back = (l4[0] << 8 | l4[1]) == 5000;
                int flow = (is_back ? l4[2] << 8 | l4[3] : l4[0] << 8 | l4[1]) - 1000;
                assert_in_range(flow, 0, RIG_FLOWS - 1);
                queue_of[flow][is_back] = q;
                counts[q]++;
            }
            received += n;
            port_free(p, q, f, n);
        }
    }
    for (int i = 0; i < RIG_FLOWS; i++)
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
        if (poll(polls, (nfds_t)waits + 1, RIG_PATIENCE_MS) == 0)
            atomic_fetch_add(s->timeouts, 1);
    }
    return 0;
}

void rig_check_wakes(struct port *p, int raw)
{
    _Atomic bool is_over = false;
    _Atomic uint32_t timeouts = 0;
    int seen_fd = eventfd(0, EFD_CLOEXEC), over_fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;
    struct sleeper sleepers[2];
    uint8_t bytes[TEST_FRAME_MAX];
    uint16_t queues = p->caps.queues;

    rig_drain(p);
    for (uint16_t q = 0; q < queues; q++) {
        sleepers[q] = (struct sleeper){p, q, seen_fd, over_fd, &is_over, &timeouts};
        assert_int_equal(eal_launch(q, sleep_and_receive, &sleepers[q]), 0);
    }
    bool is_late = false;
    for (int i = 0; i < PING_PONGS && !is_late; i++) {
        struct test_flow flow = rig_flow_v4;
        flow.source_port = (uint16_t)i;
        rig_raw_send(raw, bytes, test_frame(bytes, &flow, "x", 1, true));
        struct pollfd seen = {.fd = seen_fd, .events = POLLIN};
        uint64_t count;
        is_late = poll(&seen, 1, RIG_PATIENCE_MS) != 1 || read(seen_fd, &count, sizeof(count)) < 0;
    }
    atomic_store(&is_over, true);
    assert_int_equal(write(over_fd, &one, sizeof(one)), sizeof(one));
    for (uint16_t q = 0; q < queues; q++)
        eal_wait(q);
    close(seen_fd);
    close(over_fd);
    assert_false(is_late);
    assert_int_equal(timeouts, 0);
    rig_drain(p);
}

/* A socket that nobody reads must not wake anyone, and one frame must. */
void rig_check_waits(struct port *p, int raw)
{
    uint8_t bytes[TEST_FRAME_MAX];
    struct frame f;

    rig_drain(p);
    assert_true(p->caps.has_rx_wait);
    assert_false(rig_is_awake(p, 0, 0));
    rig_raw_send(raw, bytes, test_frame(bytes, &rig_flow_v4, "x", 1, true));
    assert_true(rig_is_awake(p, 0, RIG_PATIENCE_MS));
    assert_true(rig_receive_one(p, &f));
    port_free(p, 0, &f, 1);
    assert_false(rig_is_awake(p, 0, 0));
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

int rig_start(const char *name, bool huge)
{
    struct eal_config c = {.name = name,
                           .core_count = 2,
                           .memory_mb = 256,
                           .huge = huge ? EAL_HUGE_AUTO : EAL_HUGE_OFF,
                           .use_memif = !huge}; /* else --in-memory, which is what most nodes use */
    struct eal_report report;
    char error[512];

    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root\n");
        return SKIP;
    }
    if (make_links() != 0) {
        fprintf(stderr, "cannot make a network namespace with veth: %s\n", strerror(errno));
        return 1;
    }
    return eal_start(&c, &report, error, sizeof(error)) == 0 ? 0 : 1; /* all lcores on CPU 0 */
}
