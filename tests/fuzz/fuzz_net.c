/* Any frame into struct net: one disposition, views inside the frame, replies whole, no buffer
 * lost.
 *
 * First byte: bits 0-1 what the port says of the checksums, bit 2 make them right first (so that
 * mutation gets past them), bit 3 the node is in VLAN 100, bit 4 the host has a tap, and balancers
 * send. Then the frame, for which a queue is chosen as well (drivers/spread.h). */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/dataplane/net/fixture.h"
#include "../unit/dataplane/net/port_memory.h"
#include "dataplane/net/net.h"
#include "drivers/spread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct port_memory port;
static struct neighbours *neighbours;

static void add_host_and_balancers(struct net_config *config)
{
    static const char *const addresses[] = {"10.0.0.11/24", "fd00::11/64", "10.0.0.1/24",
                                            "fd00::1/64"},
                             *const rules[] = {"tcp/22", "udp/53", "icmp", "proto/47"},
                             *const balancers[] = {"10.0.0.0/16", "fd00::/64"};
    struct exception *e = &config->exception;
    struct decapsulation *d = &config->decapsulation;
    bool ok = true;

    for (; e->address_count < 4; e->address_count++)
        ok &= net_parse_address(addresses[e->address_count], &e->address[e->address_count]);
    for (; e->rule_count < 4; e->rule_count++)
        ok &= exception_parse_rule(rules[e->rule_count], &e->rule[e->rule_count]);
    e->own_tcp[0] = (struct exception_ports){443, 1};
    d->has_ipip = true;
    d->gue_port = 6080;
    for (; d->from_count < 2; d->from_count++)
        ok &= net_parse_address(balancers[d->from_count], &d->from[d->from_count]);
    assert(ok);
}

static void choose_queue(const uint8_t *bytes, size_t len)
{
    static const struct spread spread = {
        .key = 99, .queues = 5, .rpc_port = 7000, .has_ipip = true, .gue_port = 6080};
    uint16_t queue = 0;
    enum spread_detour detour = spread_detour(&spread, bytes, (uint32_t)len, &queue);

    assert(spread_queue(&spread, bytes, (uint32_t)len) < 5);
    assert(detour != SPREAD_TO_ONE || queue == spread_queue(&spread, bytes, (uint32_t)len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_config config;
    struct net net;
    struct counters counters = {.rx_frames = 1};
    struct tx tx;
    struct net_packet packet;

    if (size < 1 || size > FIXTURE_BYTES)
        return -1;
    if (neighbours == NULL)
        neighbours = aligned_alloc(64, (neighbours_bytes() + 63) / 64 * 64);

    config_make(&config, 1);
    config.vlan = data[0] & 8 ? 100 : 0;
    if (data[0] & 16)
        add_host_and_balancers(&config);
    neighbours_init(neighbours, 1);
    port_memory_init(&port, config.mac);
    tx_init(&tx, &port.port, 0, &counters);
    net_init(&net, &config, neighbours, &counters, &tx);

    /* Echo wants to know its host; learned as if it had asked. */
    for (int i = 0; i < 2; i++) {
        uint8_t ip[16];

        memcpy(ip, config.address[i].ip, 16);
        ip[15] = 2;
        neighbour_learn(neighbours, ip, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, NEIGHBOUR_ADD, 0);
    }

    /* Its own allocation, of its very size. */
    size_t len = size - 1;
    uint8_t *bytes = malloc(len > 0 ? len : 1);

    memcpy(bytes, data + 1, len);
    if (data[0] & 4)
        frame_fix_checksums(bytes, len);

    choose_queue(bytes, len);

    struct frame f = {.bytes = bytes, .len = (uint32_t)len, .rx_csum = data[0] & 3};
    enum net_verdict verdict = net_input(&net, &f, 1, &packet);

    counters.rx_tcp += verdict == NET_TCP;
    counters.rx_rpc += verdict == NET_UDP;
    counters.tap_tx += verdict == NET_HOST;
    assert(counters_unaccounted(&counters) == 0);
    assert((verdict != NET_HOST && verdict != NET_BOTH) || (data[0] & 16));
    /* What came out of an encapsulation is hearth's, or dropped. */
    assert(counters.net_decapsulated == 0 || verdict != NET_HOST);
    if (verdict == NET_TCP || verdict == NET_UDP) {
        assert(packet.l4 >= bytes && packet.l4_bytes <= (size_t)(bytes + len - packet.l4));
        assert(net_is_local(&net, packet.dst) && !net_is_local(&net, packet.src));
    }
    tx_fini(&tx);
    assert(port.buffers_out == 0);
    assert(port.sent_count <= 1);
    free(bytes);
    return 0;
}
