/* test_port_queues.c: a port whose frames several cores take: on the right queue each, and no core
 * sleeps over what is its own (port_rig.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "drivers/eal.h"
#include "drivers/port_dpdk_impl.h"
#include "tests/unit/drivers/port_rig.h"

enum { RPC_PORT = 7000 };

static void af_packet_spreads_over_two_cores(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa", 2);
    int raw = rig_raw_socket("hxb");

    assert_int_equal(p->caps.queues, 2);
    rig_check_spreads(p, raw);
    rig_check_sends(p, 0, raw);
    rig_check_sends(p, 1, raw);
    rig_check_wakes(p, raw);
    close(raw);
    port_close(p);
}

/* Sends RPC datagrams to both ports, over many flows, and TCP to the same port numbers. Says for
 * the latter which queue got them. */
static void check_rpc(struct port *p, int raw, uint16_t tcp_queue[RIG_FLOWS])
{
    uint8_t bytes[TEST_FRAME_MAX];

    rig_drain(p);
    for (int i = 0; i < RIG_FLOWS; i++) {
        struct test_flow rpc = rig_flow_v4, tcp = rig_flow_v4;
        rpc.source_port = tcp.source_port = (uint16_t)(1000 + i);
        rpc.destination_port = tcp.destination_port = (uint16_t)(RPC_PORT + i % 2);
        tcp.protocol = TEST_TCP;
        rig_raw_send(raw, bytes, test_frame(bytes, &rpc, "x", 1, true));
        rig_raw_send(raw, bytes, test_frame(bytes, &tcp, "y", 1, true));
    }
    for (int received = 0; received < 2 * RIG_FLOWS;) {
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
    uint16_t tcp_queue[RIG_FLOWS], on_one = 0;
    int raw = rig_raw_socket("hxb");

    if (!p)
        fail_msg("%s", error);
    assert_false(p->caps.has_rpc_rules);
    check_rpc(p, raw, tcp_queue);
    for (int i = 0; i < RIG_FLOWS; i++)
        on_one += tcp_queue[i];
    assert_in_range(on_one, 1, RIG_FLOWS - 1); /* TCP is spread as ever */

    /* As with a device that spreads by itself, but takes no rules: everything else stays on the
     * queue that it came to. */
    ((struct port_dpdk *)p)->hand_over = HAND_OVER_DETOURS;
    check_rpc(p, raw, tcp_queue);
    for (int i = 0; i < RIG_FLOWS; i++)
        assert_int_equal(tcp_queue[i], 0);
    close(raw);
    port_close(p);
}

/* "Fragmentation needed", about a segment that went from port 443 to that one. */
static uint32_t too_big(uint8_t *bytes, uint16_t about)
{
    uint8_t sent[TEST_FRAME_MAX];
    struct test_flow flow = rig_flow_v4, carrier = rig_flow_v4;
    flow.protocol = TEST_TCP;
    flow.source_port = 443;
    flow.destination_port = about;
    test_frame(sent, &flow, "0123456789", 10, true);
    uint32_t len = test_frame(bytes, &carrier, sent + 14, 28, false);
    bytes[14 + 9] = 1;
    bytes[34] = 3;
    bytes[35] = 4;
    return len;
}

/* As with a card that spreads by RSS: the error came to queue 0, by the router's address, and which
 * queue has the connection nobody can say. */
static void an_icmp_error_is_shown_to_every_core(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=1", 2);
    struct port_dpdk *d = (struct port_dpdk *)p;
    int raw = rig_raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    uint16_t seen[2][RIG_FLOWS] = {0};
    struct port_stats stats;

    d->hand_over = HAND_OVER_DETOURS;
    rig_drain(p);
    for (uint16_t i = 0; i < RIG_FLOWS; i++)
        rig_raw_send(raw, bytes, too_big(bytes, (uint16_t)(1000 + i)));
    for (int received = 0; received < 2 * RIG_FLOWS;) {
        for (uint16_t q = 0; q < 2; q++) {
            struct frame f[PORT_BURST];
            uint16_t n = port_rx(p, q, f, PORT_BURST);
            for (uint16_t i = 0; i < n; i++) {
                const uint8_t *quoted = f[i].bytes + 42;
                assert_int_equal(f[i].len, 14 + 20 + 8 + 28);
                seen[q][(quoted[22] << 8 | quoted[23]) - 1000]++;
            }
            received += n;
            port_free(p, q, f, n);
        }
    }
    for (int i = 0; i < RIG_FLOWS; i++)
        assert_true(seen[0][i] == 1 && seen[1][i] == 1);
    port_stats(p, 0, &stats);
    assert_int_equal(stats.errors_told, RIG_FLOWS);

    /* A flood of them: what a lane has copied it must have had time for. */
    d->lane[0].copies_paid = UINT64_MAX / 2;
    rig_raw_send(raw, bytes, too_big(bytes, 1000));
    struct frame f;
    assert_true(rig_receive_one(p, &f));
    port_free(p, 0, &f, 1);
    assert_int_equal(port_rx(p, 1, &f, 1), 0);
    port_stats(p, 0, &stats);
    assert_int_equal(stats.errors_kept, 1);
    close(raw);
    port_close(p);
}

static void one_af_packet_queue_feeds_two_cores(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=1", 2);
    int raw = rig_raw_socket("hxb");

    rig_check_spreads(p, raw);
    rig_check_sends(p, 1, raw); /* by the shared device queue */
    rig_check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void two_af_packet_queues_feed_one_core(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=2", 1);
    int raw = rig_raw_socket("hxb");

    rig_check_receives(p, raw);
    rig_check_sends(p, 0, raw);
    rig_check_waits(p, raw);
    rig_check_wakes(p, raw);
    close(raw);
    port_close(p);
}

static void one_af_xdp_queue_feeds_two_cores(void **state)
{
    struct port *p = rig_open("net_af_xdp0,iface=hxa", 2);
    int raw = rig_raw_socket("hxb");

    rig_check_spreads(p, raw);
    rig_check_sends(p, 1, raw);
    rig_check_wakes(p, raw);
    close(raw);
    port_close(p);
}

/* What was handed over while its core was busy elsewhere must not be slept over. */
static void a_frame_that_waits_wakes_its_core_at_once(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=1", 2);
    int raw = rig_raw_socket("hxb");
    uint8_t bytes[TEST_FRAME_MAX];
    struct frame f[PORT_BURST];

    for (uint16_t port = 1; port < 40; port++) { /* some of these flows are queue 1's */
        struct test_flow flow = rig_flow_v4;
        flow.source_port = port;
        rig_raw_send(raw, bytes, test_frame(bytes, &flow, "x", 1, true));
    }
    assert_false(rig_is_awake(p, 1, 0));
    rig_drain_queue(p, 0);
    assert_true(rig_is_awake(p, 1, 0)); /* armed before, woken since */
    assert_true(rig_is_awake(p, 1, 0)); /* armed now, with frames waiting */
    uint16_t n = port_rx(p, 1, f, PORT_BURST);
    assert_true(n > 0);
    port_free(p, 1, f, n);
    rig_drain(p);
    assert_false(rig_is_awake(p, 1, 0));
    close(raw);
    port_close(p);
}

/* A driver that takes rx_intr_enable and sends no interrupt: its descriptor is never readable. Lane
 * 0 reads frames that are its own, or the other's. */
static void check_silence(uint16_t owner)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=1", 2);
    struct port_dpdk *d = (struct port_dpdk *)p;
    struct lane *l = &d->lane[0];
    int raw = rig_raw_socket("hxb"), socket_fd = l->device_fds[0], fds[PORT_WAIT_FDS_MAX];
    int interrupt = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t one = 1, long_ago = rte_get_tsc_hz() / 1000 * PORT_DPDK_SLEEP_JUDGED_MS;
    struct test_flow flow = rig_flow_v4;
    uint8_t bytes[TEST_FRAME_MAX];
    uint32_t len;

    do {
        flow.source_port++;
        len = test_frame(bytes, &flow, "x", 1, true);
    } while (spread_queue(&d->spread, bytes, len) != owner);
    rig_drain(p);
    d->has_interrupts = true;
    l->device_fds[0] = interrupt;
    /* One that comes in between is worth all that came late, and a short sleep tells nothing. */
    for (int i = 0; i < 3 * PORT_DPDK_SILENCES_MAX && !atomic_load(&l->is_deaf); i++) {
        bool comes = i % PORT_DPDK_SILENCES_MAX == 1 && i < 2 * PORT_DPDK_SILENCES_MAX;
        struct frame f;
        uint16_t n = 0;
        assert_int_equal(port_wait_fds(p, 0, fds, PORT_WAIT_FDS_MAX), 2);
        l->armed_at -= i < PORT_DPDK_SILENCES_MAX ? 0 : long_ago;
        rig_raw_send(raw, bytes, len);
        if (comes)
            assert_int_equal(write(interrupt, &one, sizeof(one)), sizeof(one));
        for (uint16_t q = 0; n == 0; q ^= owner) {
            n = port_rx(p, q, &f, 1);
            port_free(p, q, &f, n);
        }
        if (i < 2 * PORT_DPDK_SILENCES_MAX)
            assert_false(atomic_load(&l->is_deaf));
    }
    assert_true(atomic_load(&l->is_deaf));
    assert_int_equal(port_wait_fds(p, 0, fds, PORT_WAIT_FDS_MAX), 0);
    l->device_fds[0] = socket_fd;
    d->has_interrupts = false;
    close(interrupt);
    close(raw);
    port_close(p);
}

static void interrupts_that_do_not_come_are_not_slept_for(void **state)
{
    check_silence(0);
    check_silence(1);
}

static void a_tag_that_the_device_took_off_is_put_back(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=1", 2);
    struct port_dpdk *d = (struct port_dpdk *)p;
    uint8_t sent[TEST_FRAME_MAX];
    uint32_t len = test_frame(sent, &rig_flow_v4, "x", 1, true);

    for (int vlan = 0; vlan <= 100; vlan += 100) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(d->lane[1].pool);
        struct frame f;
        d->vlan = (uint16_t)vlan; /* 0: on an untagged port whoever took it off meant it */
        memcpy(rte_pktmbuf_append(m, (uint16_t)len), sent, len);
        m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
        m->vlan_tci = 0xe064;
        assert_int_equal(rte_ring_enqueue(d->lane[1].inbox, m), 0);
        assert_int_equal(port_rx(p, 1, &f, 1), 1);
        if (vlan == 0) {
            assert_int_equal(f.len, len);
            assert_memory_equal(f.bytes, sent, len);
        } else {
            assert_int_equal(f.len, len + 4);
            assert_memory_equal(f.bytes, sent, 12);
            assert_memory_equal(f.bytes + 12, "\x81\x00\xe0\x64", 4);
            assert_memory_equal(f.bytes + 16, sent + 12, len - 12);
        }
        port_free(p, 1, &f, 1);
    }
    port_close(p);
}

/* What a restart of the device wants: lanes that see the pause touch it no more. */
static void a_paused_port_is_empty_and_takes_nothing(void **state)
{
    struct port *p = rig_open("net_af_packet0,iface=hxa,qpairs=1", 2);
    struct port_dpdk *d = (struct port_dpdk *)p;
    int raw = rig_raw_socket("hxb"), fds[PORT_WAIT_FDS_MAX];
    uint8_t bytes[TEST_FRAME_MAX];
    struct frame f;
    struct port_stats stats;

    rig_drain(p);
    atomic_store(&d->pause, 1);
    rig_raw_send(raw, bytes, test_frame(bytes, &rig_flow_v4, "x", 1, true));
    for (uint16_t q = 0; q < 2; q++) {
        assert_int_not_equal(atomic_load(&d->lane[q].paused), 1);
        assert_int_equal(port_rx(p, q, &f, 1), 0);
        assert_int_equal(atomic_load(&d->lane[q].paused), 1);
        assert_int_equal(port_wait_fds(p, q, fds, PORT_WAIT_FDS_MAX), 0);
    }
    assert_true(port_tx_alloc(p, 0, &f));
    f.len = test_frame(f.bytes, &rig_flow_v4, "x", 1, true);
    port_tx(p, 0, &f, 1);
    port_stats(p, 0, &stats);
    assert_int_equal(stats.tx_full, 1);
    assert_int_equal(stats.tx_frames, 0);

    atomic_store(&d->pause, 2);
    for (uint16_t q = 0, n = 0; n == 0; q ^= 1) {
        n = port_rx(p, q, &f, 1);
        port_free(p, q, &f, n);
    }
    rig_check_spreads(p, raw);
    close(raw);
    port_close(p);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(af_packet_spreads_over_two_cores),
        cmocka_unit_test(rpc_datagrams_come_to_the_queue_of_their_port),
        cmocka_unit_test(an_icmp_error_is_shown_to_every_core),
        cmocka_unit_test(one_af_packet_queue_feeds_two_cores),
        cmocka_unit_test(two_af_packet_queues_feed_one_core),
        cmocka_unit_test(one_af_xdp_queue_feeds_two_cores),
        cmocka_unit_test(a_frame_that_waits_wakes_its_core_at_once),
        cmocka_unit_test(interrupts_that_do_not_come_are_not_slept_for),
        cmocka_unit_test(a_tag_that_the_device_took_off_is_put_back),
        cmocka_unit_test(a_paused_port_is_empty_and_takes_nothing),
    };
    bool huge = argc < 2 || strcmp(argv[1], "no-huge") != 0;
    int not_run = rig_start(huge ? "test-port-queues" : "test-port-queues-no-huge", huge);
    if (not_run)
        return not_run;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    eal_stop();
    return failed;
}
