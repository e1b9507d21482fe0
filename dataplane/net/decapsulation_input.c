#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"
#include "drivers/gue.h"

/* Of UDP, with its header: what follows is not its own. 0: its length is none. */
static size_t udp_bytes(const struct net_packet *packet)
{
    size_t bytes = wire_u16(packet->l4 + 4);

    return bytes < UDP_HEADER_BYTES || bytes > packet->l4_bytes ? 0 : bytes;
}

static bool has_good_checksum(const struct net_rx *rx, const struct net_packet *packet)
{
    return wire_u16(packet->l4 + 6) == 0 || net_l4_checksum_ok(rx, packet, PROTOCOL_UDP);
}

/* The packet behind UDP's header. */
static bool find_in_gue(const struct net_packet *packet, struct net_rx *inner, bool *is_ip6)
{
    size_t bytes = udp_bytes(packet) - UDP_HEADER_BYTES;
    uint32_t at;

    if (!gue_find_packet(packet->l4 + UDP_HEADER_BYTES, (uint32_t)bytes, &at, is_ip6))
        return false;
    inner->l3 = packet->l4 + UDP_HEADER_BYTES + at;
    inner->l3_bytes = bytes - at;
    return true;
}

enum net_verdict decapsulation_input(struct net *net, const struct net_rx *rx,
                                     struct net_packet *packet, uint8_t protocol)
{
    struct counters *c = net->counters;
    struct net_rx inner = *rx;
    bool is_ip6 = protocol == PROTOCOL_IP6;

    /* Encapsulated again: RFC 2473 4.1.1 allows it, and each level would cost another look. */
    if (rx->is_inner)
        return net_done(&c->drop_decap_inner);
    if (!decapsulation_is_from_balancer(&net->config.decapsulation, packet->src))
        return net_done(&c->drop_decap_source);
    inner.l3 = packet->l4;
    inner.l3_bytes = packet->l4_bytes;
    if (protocol == PROTOCOL_UDP) {
        if (udp_bytes(packet) == 0)
            return net_done(&c->drop_decap_bad);
        if (!has_good_checksum(rx, packet))
            return net_done(&c->drop_l4_checksum);
        if (!find_in_gue(packet, &inner, &is_ip6))
            return net_done(&c->drop_decap_bad);
    }
    inner.is_inner = true;
    inner.rx_csum = FRAME_CSUM_NONE;
    c->net_decapsulated++;
    return is_ip6 ? ip6_input(net, &inner, packet) : ip4_input(net, &inner, packet);
}
