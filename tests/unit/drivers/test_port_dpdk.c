/* test_port_dpdk.c: each device carries frames both ways, says what it lost, and is refused with a
 * sentence where it cannot be (port_rig.h). Several queues: test_port_queues. */
#include <linux/if_packet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/eal.h"
#include "drivers/port_dpdk_impl.h"
#include "tests/unit/drivers/port_rig.h"
#include "tests/unit/drivers/test_large.h"

static void af_packet_carries_frames_both_ways(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);
    int raw = rig_raw_socket("hxb");
    struct port_stats s;

    assert_int_equal(p->caps.mtu, 1500);
    assert_string_equal(p->caps.driver, "net_af_packet");
    rig_check_receives(p, raw);
    rig_check_sends(p, 0, raw);
    rig_check_waits(p, raw);
    rig_check_wakes(p, raw);
    port_stats(p, 0, &s);
    assert_int_equal(s.tx_frames, 3);
    assert_int_equal(s.rx_missed + s.rx_truncated + s.tx_full, 0);
    close(raw);
    port_close(p);
}

/* Whether the interface cuts in hardware or the kernel does for it; a veth with TSO does not, and
 * its other end sees the frame whole. */
static void af_packet_has_the_kernel_cut_large_frames(void **state)
{
    static uint8_t got[TEST_LARGE_MAX];
    struct port_stats s;

    assert_int_equal(system("ethtool -K hxa tso off gso off tx off >/dev/null"), 0);
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);
    int raw = rig_raw_socket("hxb");
    assert_true(p->caps.has_tso);
    for (int version = 4; version <= 6; version += 2) {
        struct test_large_reader r = {.what = version == 4 ? "IPv4" : "IPv6"};
        struct frame f;
        assert_true(port_tx_alloc_large(p, 0, &f));
        test_large_frame(&f, version, 40000, 1400);
        port_tx(p, 0, &f, 1);
        while (!r.is_over) {
            uint32_t len = rig_raw_receive(raw, got, sizeof(got));
            assert_true(len > 0);
            test_large_read(&r, got, len);
        }
        test_large_end(&r, 40000);
    }
    rig_drain(p);
    port_stats(p, 0, &s);
    assert_int_equal(s.tx_frames, 2 * 29);
    assert_int_equal(s.tx_large, 2);
    assert_int_equal(s.tx_cut + s.tx_full, 0);
    assert_int_equal(s.rx_frames + s.rx_truncated, 0); /* it does not hear itself */
    rig_check_receives(p, raw);
    close(raw);
    port_close(p);
    assert_int_equal(system("ethtool -K hxa tso on gso on tx on >/dev/null"), 0);
}

/* Here it is a frame far above the MTU, for it is not told that it is more than one. */
static void the_port_cuts_what_the_kernel_does_not_take(void **state)
{
    static uint8_t got[TEST_LARGE_MAX];
    struct test_large_reader r = {.what = "cut"};
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);
    int raw = rig_raw_socket("hxb");
    struct port_stats s;
    struct frame f;

    int no = 0, fd = ((struct port_dpdk *)p)->lane[0].large_fd;
    assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &no, sizeof(no)), 0);
    assert_true(port_tx_alloc_large(p, 0, &f));
    test_large_frame(&f, 4, 60000, 1400);
    port_tx(p, 0, &f, 1);
    while (!r.is_over) {
        uint32_t len = rig_raw_receive(raw, got, sizeof(got));
        assert_true(len > 0);
        test_large_read(&r, got, len);
    }
    test_large_end(&r, 60000);
    port_stats(p, 0, &s);
    assert_int_equal(s.tx_cut, 1);
    assert_int_equal(s.tx_frames, 43);
    close(raw);
    port_close(p);
}

static void an_interface_may_go_down_and_come_back(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);

    assert_int_equal(system("ip link set hxa down"), 0);
    rig_is_awake(p, 0, 0); /* takes the error that the kernel left on the socket */
    assert_false(rig_is_awake(p, 0, 0));
    assert_int_equal(system("ip link set hxa up"), 0);
    int raw = rig_raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    uint32_t len = test_frame(bytes, &rig_flow_v4, "x", 1, true);
    for (int tries = 0; tries < 100;
         tries++) { /* the kernel activates the link when it finds time */
        ssize_t ignored = send(raw, bytes, len, 0);
        (void)ignored;
        if (rig_is_awake(p, 0, RIG_PATIENCE_MS / 100))
            break;
    }
    rig_drain(p);
    rig_check_receives(p, raw);
    rig_check_sends(p, 0, raw);
    rig_check_waits(p, raw);
    close(raw);
    port_close(p);
}

static void af_packet_counts_what_its_ring_lost(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,framecnt=32", 1);
    int raw = rig_raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    struct port_stats s;
    struct frame f[PORT_BURST];
    uint16_t received = 0;

    uint32_t len = test_frame(bytes, &rig_flow_v4, "x", 1, true);
    for (int i = 0; i < 100; i++)
        rig_raw_send(raw, bytes, len);
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
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);
    int raw = rig_raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    struct port_stats s;
    struct frame f[PORT_BURST];
    uint16_t received = 0;

    uint32_t len = test_frame(bytes, &rig_flow_v4, "x", 1, true);
    for (int i = 0; i < 6000; i++)
        rig_raw_send(raw, bytes, len);
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
    struct port *jumbo = rig_open("net_af_packet0,iface=hxa", 1);
    int raw = rig_raw_socket("hxb");
    static uint8_t bytes[9100], payload[8000];
    struct frame f;

    uint32_t len = test_frame(bytes, &rig_flow_v4, payload, sizeof(payload), true);
    assert_int_equal(jumbo->caps.mtu, 9000);
    rig_raw_send(raw, bytes, len);
    assert_true(rig_receive_one(jumbo, &f));
    assert_int_equal(f.len, len);
    assert_int_equal(f.rx_csum, FRAME_CSUM_GOOD);
    port_free(jumbo, 0, &f, 1);
    port_close(jumbo);

    assert_int_equal(system("ip link set hxa mtu 1500"), 0);
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);
    struct port_stats s;
    /* The receiving end takes 1500; a packet socket sees what veth lets through: one VLAN tag
     * above. */
    uint32_t small = test_frame(bytes, &rig_flow_v4, payload, 1472, true);
    rig_raw_send(raw, bytes, small);
    assert_true(rig_receive_one(p, &f));
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
    struct port *p = rig_open("net_af_xdp0,iface=hxa", 1);
    int raw = rig_raw_socket("hxb");

    assert_string_equal(p->caps.driver, "net_af_xdp");
    rig_check_receives(p, raw);
    rig_check_sends(p, 0, raw);
    rig_check_waits(p, raw);
    rig_check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void tap_carries_frames_both_ways(void **state)
{
    struct port *p = rig_open("net_tap0,iface=hxtap", 1);
    assert_int_equal(system("ip link set hxtap arp off up"), 0);
    int raw = rig_raw_socket("hxtap");

    rig_drain(p);
    rig_check_receives(p, raw);
    rig_check_sends(p, 0, raw);
    rig_check_waits(p, raw);
    rig_check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void a_ring_gives_two_cores_back_what_they_sent(void **state)
{
    struct port *p = rig_open("net_ring0", 2);
    uint32_t received = 0;

    assert_false(p->caps.has_rx_wait);
    for (uint16_t i = 0; i < RIG_FLOWS; i++) {
        struct test_flow flow = rig_flow_v4;
        struct frame f;
        flow.source_port = i;
        assert_true(port_tx_alloc(p, i % 2, &f));
        f.len = test_frame(f.bytes, &flow, "ring", 4, false);
        f.tx_csum = FRAME_TX_UDP;
        f.l3_offset = 14;
        f.l4_offset = 34;
        port_tx(p, i % 2, &f, 1);
    }
    for (uint16_t turn = 0; turn < RIG_FLOWS; turn++) {
        struct frame f[PORT_BURST];
        uint16_t n = port_rx(p, turn % 2, f, PORT_BURST);
        for (uint16_t i = 0; i < n; i++)
            assert_int_equal(f[i].rx_csum, FRAME_CSUM_GOOD);
        port_free(p, turn % 2, f, n);
        received += n;
    }
    assert_int_equal(received, RIG_FLOWS);
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
    struct port *a = rig_open(server, 1), *b = rig_open(client, 1);
    struct port *ends[2] = {a, b};
    uint32_t received = 0;

    assert_false(a->caps.has_rx_wait);
    for (uint64_t turn = 0; received < 100 && turn < 1000000000; turn++) { /* until they have met */
        struct port *from = ends[received % 2], *to = ends[!(received % 2)];
        struct frame f;
        if (port_rx(to, 0, &f, 1) == 1) {
            assert_int_equal(f.rx_csum, FRAME_CSUM_GOOD);
            port_free(to, 0, &f, 1);
            rig_drain(to); /* of the attempts before they met */
            received++;
        } else if (port_tx_alloc(from, 0, &f)) {
            f.len = test_frame(f.bytes, &rig_flow_v6, "memif", 5, false);
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
    struct port *p = rig_open("auto:hxa", 1);
    int raw = rig_raw_socket("hxb");

    rig_check_receives(p, raw);
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
    struct port *p = rig_open("net_af_packet0,iface=hxa", 1);
    struct port_dpdk_config again = {.device = "net_af_packet0,iface=hxa", .queues = 1};
    char error[512] = "";
    int raw = rig_raw_socket("hxb");

    assert_null(port_dpdk_create(&again, error, sizeof(error)));
    assert_non_null(strstr(error, "attaching it failed"));
    rig_check_receives(p, raw); /* the first port is as it was */
    close(raw);
    port_close(p);
}

/* Without hugepages there is no more memory than was asked for at start. */
static void buffers_that_do_not_fit_are_refused_with_a_sentence(void **state)
{
    struct port_dpdk_config c = {.device = "net_null0", .queues = 4, .mtu = 9000};
    char error[512] = "";

    assert_null(port_dpdk_create(&c, error, sizeof(error)));
    assert_non_null(strstr(error, "4 x 8191 buffers of 9216 bytes"));
    assert_non_null(strstr(error, "raise memory_mb"));
}

static void a_device_that_cannot_be_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *device, *says;
        uint16_t queues, rpc_port, mtu;
    } rows[] = {
        {"net_af_packet0,iface=nosuch", "no interface 'nosuch'", 1},
        {"auto:nosuch", "no interface 'nosuch'", 1},
        {"net_af_xdp0,iface=hxc", "ethtool -L hxc",
         1}, /* it has two queues; AF_XDP could serve one */
        {"net_nothing0", "attaching it failed", 1},
        {"0000:ff:1f.7", "attaching it failed", 1},
        {"net_ring0", "0 queues", 0},
        {"net_ring0", "no 2 UDP ports from 65535 on", 2, 65535},
        {"net_af_packet0,iface=hxa", "port.mtu is 9001, and hxa has", 1, .mtu = 9001},
        {"net_memif0,role=server,socket=/tmp/hearth-test-mtu", "this device takes 46 to 1500", 1,
         .mtu = 9000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[512] = "";
        struct port_dpdk_config c = {
            .device = rows[i].device,
            .queues = rows[i].queues,
            .rpc_port = rows[i].rpc_port,
            .mtu = rows[i].mtu,
        };
        assert_null(port_dpdk_create(&c, error, sizeof(error)));
        if (!strstr(error, rows[i].says))
            fail_msg("%s: '%s' does not say '%s'", rows[i].device, error, rows[i].says);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(af_packet_carries_frames_both_ways),
        cmocka_unit_test(af_packet_has_the_kernel_cut_large_frames),
        cmocka_unit_test(the_port_cuts_what_the_kernel_does_not_take),
        cmocka_unit_test(an_interface_may_go_down_and_come_back),
        cmocka_unit_test(af_packet_counts_what_its_ring_lost),
        cmocka_unit_test(af_packet_keeps_what_comes_at_once),
        cmocka_unit_test(a_frame_above_the_mtu_is_dropped_and_counted),
        cmocka_unit_test(af_xdp_carries_frames_both_ways),
        cmocka_unit_test(tap_carries_frames_both_ways),
        cmocka_unit_test(a_ring_gives_two_cores_back_what_they_sent),
        cmocka_unit_test(auto_takes_a_rung_that_works),
        cmocka_unit_test(the_ladder_says_why_not),
        cmocka_unit_test(a_device_serves_one_port),
        cmocka_unit_test(a_device_that_cannot_be_is_refused_with_a_sentence),
    };
    static const struct CMUnitTest small_tests[] = {
        cmocka_unit_test(memif_carries_frames_both_ways),
        cmocka_unit_test(buffers_that_do_not_fit_are_refused_with_a_sentence),
    };
    bool huge = argc < 2 || strcmp(argv[1], "no-huge") != 0;
    int not_run = rig_start(huge ? "test-port-dpdk" : "test-port-dpdk-no-huge", huge);
    if (not_run)
        return not_run;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!huge) /* memif needs files that DPDK processes share */
        failed += cmocka_run_group_tests(small_tests, NULL, NULL);
    eal_stop();
    return failed;
}
