/* The packet path over devices that do some of it: whatever of checksums a card makes or judges,
 * the frame that goes out and the verdict are the same; a frame that a card has cut is put
 * together. The device is two functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "drivers/eal.h"
#include "drivers/port_dpdk_impl.h"
#include "tests/unit/drivers/test_frame.h"

enum { PORT_ID = 5, BUFFERS = 255 };

static struct port_dpdk port;
static struct rte_mempool *pool;
static struct rte_mbuf *incoming, *outgoing;

static uint16_t receive(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
    if (!incoming || count == 0)
        return 0;
    mbufs[0] = incoming;
    incoming = NULL;
    return 1;
}

static uint16_t send_one(void *queue, struct rte_mbuf **mbufs, uint16_t count)
{
    assert_int_equal(count, 1);
    outgoing = mbufs[0];
    return 1;
}

static int set_up(void **state)
{
    static void *queue[1], *callbacks[1];
    struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[PORT_ID];

    ops->rx_pkt_burst = receive;
    ops->tx_pkt_burst = send_one;
    ops->rxq.data = ops->txq.data = queue;
    ops->rxq.clbk = ops->txq.clbk = callbacks;
    memset(&port, 0, sizeof(port));
    port.port_id = PORT_ID;
    port.lanes = port.device_rx_queues = 1;
    port.base.ops = &port_dpdk_ops;
    port.base.frame_bytes_max = 1518;
    port.lane[0] = (struct lane){.rx_step = 1, .rx_end = 1, .pool = pool, .wake_fd = -1};
    return 0;
}

static const struct test_flow flows[] = {
    {4, TEST_TCP, {10, 0, 0, 1}, {10, 0, 0, 2}, 1000, 443},
    {4, TEST_UDP, {10, 0, 0, 1}, {10, 0, 0, 2}, 1000, 4433},
    {6, TEST_TCP, {0xfd, 1}, {0xfd, 2}, 1000, 443},
    {6, TEST_UDP, {0xfd, 1}, {0xfd, 2}, 1000, 4433},
};
enum { FLOWS = sizeof(flows) / sizeof(flows[0]) };

/* As a card does what the mbuf asks of it. */
static void finish_as_a_card(struct rte_mbuf *m)
{
    uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + m->l2_len, *l4 = ip + m->l3_len;
    uint32_t l4_bytes = m->pkt_len - m->l2_len - m->l3_len;
    uint64_t asked = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

    if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
        assert_true(port.base.caps.tx_csum & PORT_CSUM_IP4);
        test_put16(ip + 10, 0);
        test_put16(ip + 10, (uint16_t)~test_sum(ip, 20, 0));
    }
    if (asked) { /* over the segment, and the pseudo-header's sum that stands in the field */
        bool is_tcp = asked == RTE_MBUF_F_TX_TCP_CKSUM;
        assert_true(port.base.caps.tx_csum & (is_tcp ? PORT_CSUM_TCP : PORT_CSUM_UDP));
        uint16_t sum = (uint16_t)~test_sum(l4, l4_bytes, 0);
        test_put16(l4 + (is_tcp ? 16 : 6), !is_tcp && sum == 0 ? 0xffff : sum);
    }
}

static void what_goes_out_is_the_same_whatever_the_card_computes(void **state)
{
    for (uint8_t can = 0; can <= PORT_CSUM_ALL; can++)
        for (size_t i = 0; i < FLOWS; i++) {
            uint8_t wanted[TEST_FRAME_MAX];
            struct frame f;
            port.base.caps.tx_csum = can;
            uint32_t len = test_frame(wanted, &flows[i], "hello", 5, true);
            assert_true(port_tx_alloc(&port.base, 0, &f));
            f.len = test_frame(f.bytes, &flows[i], "hello", 5, false);
            f.tx_csum = flows[i].protocol == TEST_TCP ? FRAME_TX_TCP : FRAME_TX_UDP;
            f.l3_offset = 14;
            f.l4_offset = flows[i].ip_version == 4 ? 34 : 54;
            port_tx(&port.base, 0, &f, 1);
            finish_as_a_card(outgoing);
            if (outgoing->pkt_len != len ||
                memcmp(rte_pktmbuf_mtod(outgoing, void *), wanted, len) != 0)
                fail_msg("flow %zu by a card that can %u", i, can);
            rte_pktmbuf_free(outgoing);
        }
}

/* What a card that judges these says of a frame; bad_ip, bad_l4: what is wrong with it. */
static uint64_t judge_as_a_card(uint8_t can, const struct test_flow *flow, bool bad_ip, bool bad_l4)
{
    uint64_t flags = 0;
    uint8_t l4 = flow->protocol == TEST_TCP ? PORT_CSUM_TCP : PORT_CSUM_UDP;

    if (can & PORT_CSUM_IP4 && flow->ip_version == 4)
        flags |= bad_ip ? RTE_MBUF_F_RX_IP_CKSUM_BAD : RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    if (can & l4)
        flags |= bad_l4 ? RTE_MBUF_F_RX_L4_CKSUM_BAD : RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    return flags;
}

static struct frame receive_one(void)
{
    struct frame f = {0};
    assert_int_equal(port_rx(&port.base, 0, &f, 1), 1);
    return f;
}

static void the_verdict_is_the_same_whatever_the_card_judges(void **state)
{
    static const struct {
        bool bad_ip, bad_l4;
    } faults[] = {{false, false}, {true, false}, {false, true}};

    for (uint8_t can = 0; can <= PORT_CSUM_ALL; can++)
        for (size_t i = 0; i < FLOWS * 3; i++) {
            const struct test_flow *flow = &flows[i / 3];
            bool bad_ip = faults[i % 3].bad_ip && flow->ip_version == 4,
                 bad_l4 = faults[i % 3].bad_l4;
            struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
            uint8_t bytes[TEST_FRAME_MAX];
            uint32_t len = test_frame(bytes, flow, "hello", 5, true);
            bytes[24] ^= bad_ip ? 0x10 : 0;
            bytes[len - 1] ^= bad_l4 ? 0x10 : 0;
            memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
            m->ol_flags |= judge_as_a_card(can, flow, bad_ip, bad_l4);
            incoming = m;
            port.base.caps.rx_csum = can;
            struct frame f = receive_one();
            int wanted = bad_ip ? FRAME_CSUM_BAD_IP : bad_l4 ? FRAME_CSUM_BAD_L4 : FRAME_CSUM_GOOD;
            if (f.rx_csum != wanted)
                fail_msg("flow %zu, ip %d l4 %d, by a card that judges %u: %d", i / 3, bad_ip,
                         bad_l4, can, f.rx_csum);
            port_free(&port.base, 0, &f, 1);
        }
}

/* virtio: a neighbour on the same machine has not made the checksum, and the bytes are good. */
static void what_a_neighbour_left_to_a_card_is_good(void **state)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    uint8_t bytes[TEST_FRAME_MAX];
    uint32_t len = test_frame(bytes, &flows[0], "hello", 5, true);
    test_put16(bytes + 34 + 16, 0x1234);
    memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
    m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
    incoming = m;
    port.base.caps.rx_csum = PORT_CSUM_TCP | PORT_CSUM_UDP;
    struct frame f = receive_one();
    assert_int_equal(f.rx_csum, FRAME_CSUM_GOOD);
    port_free(&port.base, 0, &f, 1);
}

static void a_frame_that_was_cut_is_put_together(void **state)
{
    static const uint16_t cuts[][3] = {{1000, 518, 0}, {60, 1000, 458}, {1, 1, 1516}};

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        uint8_t bytes[TEST_FRAME_MAX], payload[1464];
        struct rte_mbuf *head = NULL;
        uint32_t at = 0, len;

        memset(payload, 0x5a, sizeof(payload));
        len = test_frame(bytes, &flows[0], payload, sizeof(payload), true);
        assert_int_equal(len, 1518);
        for (int k = 0; k < 3 && cuts[i][k]; k++) {
            struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
            memcpy(rte_pktmbuf_append(m, cuts[i][k]), bytes + at, cuts[i][k]);
            at += cuts[i][k];
            if (head)
                assert_int_equal(rte_pktmbuf_chain(head, m), 0);
            else
                head = m;
        }
        incoming = head;
        struct frame f = receive_one();
        assert_int_equal(f.len, len);
        assert_memory_equal(f.bytes, bytes, len);
        assert_int_equal(f.rx_csum, FRAME_CSUM_GOOD);
        port_free(&port.base, 0, &f, 1);
    }
    assert_int_equal(port.lane[0].stats.rx_truncated, 0);
    assert_int_equal(rte_mempool_avail_count(pool), BUFFERS);
}

static void one_above_the_mtu_is_dropped_and_counted_in_one_piece_or_more(void **state)
{
    for (int pieces = 1; pieces <= 2; pieces++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *rest = rte_pktmbuf_alloc(pool);
        struct frame f;
        rte_pktmbuf_append(m, pieces == 1 ? 1519 : 1000);
        rte_pktmbuf_append(rest, 519);
        if (pieces == 2)
            assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
        else
            rte_pktmbuf_free(rest);
        incoming = m;
        assert_int_equal(port_rx(&port.base, 0, &f, 1), 0);
        assert_int_equal(port.lane[0].stats.rx_truncated, pieces);
    }
    assert_int_equal(rte_mempool_avail_count(pool), BUFFERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_goes_out_is_the_same_whatever_the_card_computes, set_up),
        cmocka_unit_test_setup(the_verdict_is_the_same_whatever_the_card_judges, set_up),
        cmocka_unit_test_setup(what_a_neighbour_left_to_a_card_is_good, set_up),
        cmocka_unit_test_setup(a_frame_that_was_cut_is_put_together, set_up),
        cmocka_unit_test_setup(one_above_the_mtu_is_dropped_and_counted_in_one_piece_or_more,
                               set_up),
    };
    struct eal_config c = {
        .name = "test-port-io", .core_count = 1, .memory_mb = 64, .huge = EAL_HUGE_OFF};
    struct eal_report report;

    if (eal_start(&c, &report, NULL, 0) != 0)
        return 1;
    pool =
        rte_pktmbuf_pool_create("test", BUFFERS, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    if (!pool)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
