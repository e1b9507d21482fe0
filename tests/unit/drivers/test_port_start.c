/* What a device is asked for, against devices that are only what they say of themselves: checksums
 * one by one, the MTU within what it takes, descriptors as near as it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>

#include "drivers/port_dpdk_impl.h"

enum { PORT_ID = 3, SECOND_ID = 4 };

/* What the second card says of its RSS. */
struct hash {
    uint16_t queue_of_last;
    uint64_t fields;
    uint8_t key;
    bool is_mute;
};

static struct device {
    struct hash hash;
    uint16_t mtu, descriptors_max;
    struct rte_eth_conf asked;
    uint8_t families;
    uint32_t rules;
} device;

static struct port_dpdk port;

bool port_dpdk_netdev_is_physical(const char *iface)
{
    return false;
}

int rte_eth_dev_get_mtu(uint16_t port_id, uint16_t *mtu)
{
    *mtu = device.mtu;
    return device.mtu ? 0 : -ENODEV;
}

int rte_eth_dev_configure(uint16_t port_id, uint16_t rx, uint16_t tx,
                          const struct rte_eth_conf *conf)
{
    assert_int_equal(port_id, PORT_ID);
    device.asked = *conf;
    return 0;
}

int rte_eth_dev_socket_id(uint16_t port_id)
{
    return 0;
}

int rte_eth_dev_adjust_nb_rx_tx_desc(uint16_t port_id, uint16_t *rx, uint16_t *tx)
{
    *rx = RTE_MIN(*rx, device.descriptors_max);
    *tx = RTE_MIN(*tx, device.descriptors_max);
    return 0;
}

int rte_eth_rx_queue_setup(uint16_t port_id, uint16_t queue, uint16_t descriptors, unsigned socket,
                           const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
    assert_int_equal(descriptors, port.base.caps.rx_descriptors);
    return 0;
}

int rte_eth_tx_queue_setup(uint16_t port_id, uint16_t queue, uint16_t descriptors, unsigned socket,
                           const struct rte_eth_txconf *conf)
{
    assert_int_equal(descriptors, port.base.caps.tx_descriptors);
    return 0;
}

int rte_eth_dev_rss_hash_conf_get(uint16_t port_id, struct rte_eth_rss_conf *rss)
{
    bool is_second = port_id == SECOND_ID;

    rss->rss_hf = is_second ? device.hash.fields : RTE_ETH_RSS_TCP;
    memset(rss->rss_key, is_second ? device.hash.key : 7, 40);
    return 0;
}

int rte_eth_dev_rss_reta_query(uint16_t port_id, struct rte_eth_rss_reta_entry64 *map,
                               uint16_t size)
{
    for (uint16_t i = 0; i < size; i++)
        map[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = i % 2;
    if (port_id == SECOND_ID && device.hash.is_mute)
        return -ENOTSUP;
    if (port_id == SECOND_ID)
        map[(size - 1) / RTE_ETH_RETA_GROUP_SIZE].reta[RTE_ETH_RETA_GROUP_SIZE - 1] =
            device.hash.queue_of_last;
    return 0;
}

int rte_eth_dev_start(uint16_t port_id)
{
    return 0;
}

int flow_rules_create(struct flow_rules *r, uint16_t port_id, uint16_t rpc_port, uint16_t queues,
                      uint8_t families)
{
    device.families = families;
    device.rules++;
    return 0;
}

void flow_rules_destroy(struct flow_rules *r)
{
}

static void plan(const char *name, uint64_t rx, uint64_t tx)
{
    memset(&port, 0, sizeof(port));
    memset(&device, 0, sizeof(device));
    device.descriptors_max = 4096;
    device.mtu = 1500;
    port.port_id = PORT_ID;
    port.lanes = 1;
    port.info = (struct rte_eth_dev_info){
        .rx_offload_capa = rx,
        .tx_offload_capa = tx,
        .max_rx_queues = 4,
        .max_tx_queues = 4,
        .min_mtu = 68,
        .max_mtu = 9702,
        .max_rx_pktlen = 9728,
    };
    port_dpdk_plan(&port, name, "");
}

static void start(void)
{
    const char *step;
    assert_int_equal(port_dpdk_start(&port, &step), 0);
}

static void checksums_are_asked_for_one_by_one(void **state)
{
    enum {
        RX4 = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM,
        RXT = RTE_ETH_RX_OFFLOAD_TCP_CKSUM,
        RXU = RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
        TX4 = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM,
        TXT = RTE_ETH_TX_OFFLOAD_TCP_CKSUM,
        TXU = RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
        TSO = RTE_ETH_TX_OFFLOAD_TCP_TSO,
    };
    static const struct {
        const char *what, *device;
        uint64_t rx, tx;
        uint8_t rx_csum, tx_csum;
        bool has_tso;
    } rows[] = {
        {"a card with all", "0000:03:00.0", RX4 | RXT | RXU, TX4 | TXT | TXU | TSO, 7, 7, true},
        {"one with none", "0000:03:00.0", 0, 0, 0, 0, false},
        {"virtio: TCP and UDP", "0000:03:00.0", RXT | RXU, TXT | TXU | TSO, 6, 6, false},
        {"receives IPv4 headers only", "0000:03:00.0", RX4, 0, 1, 0, false},
        {"receives TCP only", "0000:03:00.0", RXT, 0, 2, 0, false},
        {"receives UDP only", "0000:03:00.0", RXU, 0, 4, 0, false},
        {"sends IPv4 headers only", "0000:03:00.0", 0, TX4, 0, 1, false},
        {"sends TCP only", "0000:03:00.0", 0, TXT, 0, 2, false},
        {"sends UDP only", "0000:03:00.0", 0, TXU, 0, 4, false},
        {"segments, but not their headers", "0000:03:00.0", 0, TXT | TSO, 0, 2, false},
        {"segments with both", "0000:03:00.0", 0, TX4 | TXT | TSO, 0, 3, true},
        {"no card: software of others", "net_memif0", RX4 | RXT | RXU, TX4 | TXT | TXU, 0, 0,
         false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct port_caps *caps = &port.base.caps;
        plan(rows[i].device, rows[i].rx, rows[i].tx);
        start();
        bool is_card = strncmp(rows[i].device, "net_", 4) != 0;
        if (caps->rx_csum != rows[i].rx_csum || caps->tx_csum != rows[i].tx_csum ||
            caps->has_tso != rows[i].has_tso || caps->has_rx_csum != (rows[i].rx_csum == 7) ||
            caps->has_tx_csum != (rows[i].tx_csum == 7))
            fail_msg("%s: in %u, out %u", rows[i].what, caps->rx_csum, caps->tx_csum);
        if (device.asked.rxmode.offloads != (is_card ? rows[i].rx : 0) ||
            (device.asked.txmode.offloads & ~(uint64_t)TSO) !=
                (is_card ? rows[i].tx & ~(uint64_t)TSO : 0))
            fail_msg("%s: asked for other ones", rows[i].what);
    }
}

static void the_mtu_is_what_the_device_takes_or_a_sentence_says_why_not(void **state)
{
    static const struct {
        const char *what;
        enum port_kind kind;
        int iface_mtu; /* 0: no interface of the kernel */
        uint16_t device_mtu, wanted, max_mtu;
        uint32_t max_rx_pktlen;
        uint16_t mtu, told; /* mtu 0: refused */
        const char *said;
    } rows[] = {
        {"its own", KIND_OTHER, 0, 1500, 0, 9702, 9728, 1500, 0, NULL},
        {"its own, smaller", KIND_OTHER, 0, 1400, 0, 9702, 9728, 1400, 0, NULL},
        {"it does not say", KIND_OTHER, 0, 0, 0, UINT16_MAX, 1518, 1500, 0, NULL},
        {"jumbo", KIND_OTHER, 0, 1500, 9000, 9702, 9728, 9000, 9000, NULL},
        {"a small one", KIND_OTHER, 0, 1500, 576, 9702, 9728, 576, 576, NULL},
        {"too large for it", KIND_OTHER, 0, 1500, 9000, 8000, 8018, 0, 0,
         "port.mtu is 9000, and this device takes 68 to 8000"},
        {"a frame's length says so", KIND_OTHER, 0, 1500, 9000, UINT16_MAX, 1518, 0, 0,
         "port.mtu is 9000, and this device takes 68 to 1500"},
        {"the interface's", KIND_AF_PACKET, 9000, 1500, 0, UINT16_MAX, 1514, 9000, 0, NULL},
        {"less than the interface's", KIND_AF_PACKET, 9000, 1500, 1500, UINT16_MAX, 1514, 1500, 0,
         NULL},
        {"as much as it", KIND_AF_XDP, 3000, 1500, 3000, UINT16_MAX, 1514, 3000, 0, NULL},
        {"more than the interface's", KIND_AF_PACKET, 1500, 1500, 9000, UINT16_MAX, 1514, 0, 0,
         "port.mtu is 9000, and eth1 has 1500: ip link set eth1 mtu 9000"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[256] = "";
        plan("0000:03:00.0", 0, 0);
        port.kind = rows[i].kind;
        port.info.max_mtu = rows[i].max_mtu;
        port.info.max_rx_pktlen = rows[i].max_rx_pktlen;
        port.mtu = rows[i].wanted;
        device.mtu = rows[i].device_mtu;
        bool is_good = port_dpdk_settle_mtu(&port, "eth1", rows[i].iface_mtu, why, sizeof(why));
        if (is_good != !rows[i].said || strcmp(why, rows[i].said ? rows[i].said : "") != 0)
            fail_msg("%s: %s", rows[i].what, why);
        if (!is_good)
            continue;
        start();
        if (port.base.caps.mtu != rows[i].mtu || device.asked.rxmode.mtu != rows[i].told)
            fail_msg("%s: %u, told %u", rows[i].what, port.base.caps.mtu, device.asked.rxmode.mtu);
        assert_int_equal(port.base.frame_bytes_max, rows[i].mtu + 18);
    }
}

/* igb and ixgbe count buffers in KB, and round down; what then does not fit they cut. */
static void a_frame_fits_into_a_buffer_in_whatever_unit_the_card_counts(void **state)
{
    static const struct {
        enum port_kind kind;
        uint16_t mtu;
        uint32_t room;
    } rows[] = {
        {KIND_OTHER, 576, 2048},   {KIND_OTHER, 1500, 2048}, {KIND_OTHER, 2022, 2048},
        {KIND_OTHER, 2023, 3072},  {KIND_OTHER, 9000, 9216}, {KIND_AF_XDP, 1500, 2048},
        {KIND_AF_XDP, 3300, 3318},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        port.kind = rows[i].kind;
        port.base.frame_bytes_max = rows[i].mtu + 18;
        assert_int_equal(port_dpdk_room(&port), rows[i].room);
    }
}

static void descriptors_are_as_near_as_the_device_can(void **state)
{
    plan("0000:03:00.0", 0, 0);
    start();
    assert_int_equal(port.base.caps.rx_descriptors, 1024);
    assert_int_equal(port.base.caps.tx_descriptors, 1024);
    plan("0000:03:00.0", 0, 0);
    port.rx_descriptors = 8192;
    port.tx_descriptors = 64;
    start();
    assert_int_equal(port.base.caps.rx_descriptors, 4096);
    assert_int_equal(port.base.caps.tx_descriptors, 64);
}

static void rules_are_for_the_families_that_are_configured(void **state)
{
    plan("0000:03:00.0", 0, 0);
    port.lanes = 2;
    port.info.flow_type_rss_offloads = RTE_ETH_RSS_TCP;
    port_dpdk_plan(&port, "0000:03:00.0", "");
    port.spread.rpc_port = 4433;
    port.families = FLOW_IP4;
    start();
    assert_int_equal(device.rules, 1);
    assert_int_equal(device.families, FLOW_IP4);
}

/* Two cards that a flow must come to the same core by; what the second has otherwise. */
static void cards_that_spread_alike_do_so_themselves_others_are_hashed_again(void **state)
{
    static const struct {
        const char *what;
        bool is_alike;
        const char *driver;
        uint16_t reta_size, queue_of_last; /* of the map */
        uint64_t hashed;
        uint8_t key;
        bool is_mute; /* does not tell */
    } rows[] = {
        {"the same card", true, "net_ice", 128, 1, RTE_ETH_RSS_TCP, 7},
        {"of another driver", false, "net_ixgbe", 128, 1, RTE_ETH_RSS_TCP, 7},
        {"with a larger map", false, "net_ice", 512, 1, RTE_ETH_RSS_TCP, 7},
        {"with another map", false, "net_ice", 128, 0, RTE_ETH_RSS_TCP, 7},
        {"that hashes other fields", false, "net_ice", 128, 1, RTE_ETH_RSS_IP, 7},
        {"by another key", false, "net_ice", 128, 1, RTE_ETH_RSS_TCP, 8},
        {"that does not tell", false, "net_ice", 128, 1, RTE_ETH_RSS_TCP, 7, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct port_dpdk first;
        plan("0000:03:00.0", 0, 0);
        port.lanes = 2;
        port.info.flow_type_rss_offloads = RTE_ETH_RSS_TCP;
        port.info.reta_size = 128;
        port_dpdk_plan(&port, "0000:03:00.0", "");
        snprintf(port.base.caps.driver, sizeof(port.base.caps.driver), "net_ice");
        port.base.caps.has_rpc_rules = true;
        first = port;
        port.port_id = SECOND_ID;
        port.info.reta_size = rows[i].reta_size;
        snprintf(port.base.caps.driver, sizeof(port.base.caps.driver), "%s", rows[i].driver);
        device.hash =
            (struct hash){rows[i].queue_of_last, rows[i].hashed, rows[i].key, rows[i].is_mute};
        port_dpdk_agree(&first.base, &port.base);
        if (port.base.caps.has_rss != rows[i].is_alike)
            fail_msg("%s", rows[i].what);
        assert_int_equal(first.base.caps.has_rss, rows[i].is_alike);
        assert_int_equal(first.base.caps.has_rpc_rules, rows[i].is_alike);
        assert_int_equal(first.hand_over, rows[i].is_alike ? HAND_OVER_DETOURS : HAND_OVER_ALL);
        assert_int_equal(port.hand_over, first.hand_over);
        port.port_id = PORT_ID;
        port.spread.rpc_port = 4433;
        device.rules = 0;
        start(); /* each core reads a queue of it all the same */
        assert_int_equal(device.asked.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
        assert_int_equal(device.rules, rows[i].is_alike);
    }
}

static void of_a_single_core_nothing_is_spread(void **state)
{
    static struct port_dpdk first;

    plan("0000:03:00.0", 0, 0);
    first = port;
    port_dpdk_agree(&first.base, &port.base);
    assert_int_equal(port.hand_over, HAND_OVER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_asked_for_one_by_one),
        cmocka_unit_test(the_mtu_is_what_the_device_takes_or_a_sentence_says_why_not),
        cmocka_unit_test(a_frame_fits_into_a_buffer_in_whatever_unit_the_card_counts),
        cmocka_unit_test(descriptors_are_as_near_as_the_device_can),
        cmocka_unit_test(rules_are_for_the_families_that_are_configured),
        cmocka_unit_test(cards_that_spread_alike_do_so_themselves_others_are_hashed_again),
        cmocka_unit_test(of_a_single_core_nothing_is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
