#include "tests/sim/station.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

const uint8_t station_mac[6] = {2, 0, 0, 0, 0, 100};

void station_init(struct station *s, struct port *port, uint16_t mtu, uint32_t chunks)
{
    struct net_config net = {.mtu = mtu, .address_count = 1};
    memcpy(net.mac, station_mac, 6);
    bool ok = net_parse_address("10.0.0.100/24", &net.address[0]);
    assert(ok);
    s->neighbours = sim_take(neighbours_bytes(), -1);
    neighbours_init(s->neighbours, 2);
    tx_init(&s->tx, port, 0, &s->counters);
    net_init(&s->net, &net, s->neighbours, &s->counters, &s->tx);
    s->chunk_memory = sim_take(sizeof(struct chunk) * chunks, -1);
    chunk_pool_init(&s->chunks, s->chunk_memory, chunks);
    s->env = (struct tcp_env){
        .pool = &s->chunks, .counters = &s->counters, .mss_max = (uint16_t)(mtu - 40)};
}

void station_fini(struct station *s)
{
    CHECK(s->chunks.free_count == s->chunks.count, "client chunks lost");
    tx_fini(&s->tx);
    free(s->neighbours);
    free(s->chunk_memory);
}

void station_input(struct station *s, struct tcp *(*find)(void *arg, uint16_t port), void *arg)
{
    struct frame frame[PORT_BURST];
    uint16_t n;
    while ((n = port_rx(s->tx.port, 0, frame, PORT_BURST)) > 0) {
        for (uint16_t i = 0; i < n; i++) {
            struct net_packet p;
            struct tcp_segment seg;
            if (net_input(&s->net, &frame[i], sim_now_ns, &p) != NET_TCP ||
                !tcp_segment_parse(&seg, p.l4, p.l4_bytes))
                continue;
            struct tcp *tcp = find(arg, seg.dst_port);
            if (tcp)
                tcp_input(tcp, &seg, sim_now_ns);
        }
        port_free(s->tx.port, 0, frame, n);
    }
}

const uint8_t *station_add_address(struct station *s, const char *address)
{
    assert(s->net.address_count < NET_ADDRESSES_MAX);
    struct net_address *a = &s->net.address[s->net.address_count++];
    bool ok = net_parse_address(address, a);
    assert(ok);
    return a->ip;
}

void station_send(struct station *s, struct tcp *tcp, const uint8_t server_ip[16])
{
    station_send_from(s, tcp, station_ip(s), server_ip);
}

void station_send_from(struct station *s, struct tcp *tcp, const uint8_t ip[16],
                       const uint8_t server_ip[16])
{
    struct net_route route = {0};
    memcpy(route.src, ip, 16);
    memcpy(route.dst, server_ip, 16);
    while (tcp_wants_output(tcp, sim_now_ns)) {
        size_t room;
        uint8_t *l4 = net_begin(&s->net, &route, 6, &room, sim_now_ns);
        if (!l4)
            return;
        size_t n = tcp_output(tcp, l4, room, sim_now_ns);
        net_end(&s->net, n);
        if (n == 0)
            return;
    }
}
