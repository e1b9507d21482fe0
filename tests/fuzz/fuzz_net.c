/* Any frame into struct net: one disposition, views inside the frame, replies whole, no buffer
 * lost.
 *
 * First byte: bits 0-1 what the port says of the checksums, bit 2 make them right first (so that
 * mutation gets past them), bit 3 the node is in VLAN 100. Then the frame. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/dataplane/net/fixture.h"
#include "../unit/dataplane/net/port_memory.h"
#include "dataplane/net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct port_memory port;
static struct neighbours *neighbours;

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

    struct frame f = {.bytes = bytes, .len = (uint32_t)len, .rx_csum = data[0] & 3};
    enum net_verdict verdict = net_input(&net, &f, 1, &packet);

    counters.rx_tcp += verdict == NET_TCP;
    counters.rx_rpc += verdict == NET_UDP;
    assert(counters_unaccounted(&counters) == 0);
    if (verdict != NET_DONE) {
        assert(packet.l4 >= bytes && packet.l4_bytes <= (size_t)(bytes + len - packet.l4));
        assert(net_is_local(&net, packet.dst) && !net_is_local(&net, packet.src));
    }
    tx_fini(&tx);
    assert(port.buffers_out == 0);
    assert(port.sent_count <= 1);
    free(bytes);
    return 0;
}
