#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

#include "dataplane/net/ip.h"

/* RFC 1122 3.2.1.3: "A host MUST silently discard an incoming datagram containing an IP source
 * address that is invalid by the rules of this section": this host (0/8), loopback (127/8), groups
 * (224/4), reserved and limited broadcast (240/4), directed broadcast, and our own and the host's
 * addresses, which nobody else uses. */
static bool is_bad_source(const struct net *net, const uint8_t src[16])
{
    uint8_t first = src[12];

    return first == 0 || first == 127 || first >= 224 || net_is_ip4_broadcast(net, src) ||
           net_is_local(net, src) || exception_has(&net->config.exception, src);
}

enum net_verdict ip4_input(struct net *net, const struct net_rx *rx, struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *p = rx->l3;

    /* RFC 1812 5.2.2 (1): "The packet length reported by the Link Layer must be large enough to
     * hold the minimum length legal IP datagram (20 bytes)." */
    if (rx->l3_bytes < IP4_BYTES)
        return net_done(&c->drop_ip_bad);
    /* (3): "The IP version number must be 4." (4): "The IP header length field must be large enough
     * to hold the minimum length legal IP datagram (20 bytes = 5 words)." */
    if (p[0] >> 4 != 4)
        return net_done(&c->drop_ip_bad);

    size_t header_bytes = (size_t)(p[0] & 0xf) * 4;
    size_t total_bytes = wire_u16(p + IP4_LENGTH);

    if (header_bytes < IP4_BYTES)
        return net_done(&c->drop_ip_bad);
    /* (5): "The IP total length field must be large enough to hold the IP datagram header, whose
     * length is specified in the IP header length field." And what it says must have arrived; more
     * is padding. */
    if (total_bytes < header_bytes || total_bytes > rx->l3_bytes)
        return net_done(&c->drop_ip_bad);
    /* (2): "The IP checksum must be correct." */
    if (rx->rx_csum == FRAME_CSUM_BAD_IP ||
        (rx->rx_csum == FRAME_CSUM_NONE && ip_sum_end(ip_sum(p, header_bytes, 0)) != 0))
        return net_done(&c->drop_ip_checksum);

    packet->version = 4;
    packet->ecn = p[IP4_TOS] & 3;
    packet->hop_limit = p[IP4_TTL];
    ip_from_ip4(packet->src, p + IP4_SRC);
    ip_from_ip4(packet->dst, p + IP4_DST);

    /* RFC 1122 3.2.1.3: the destination is one of our addresses; we are in no IPv4 group and serve
     * no broadcast. 3.3.6: "A host SHOULD silently discard a datagram that is received via a
     * link-layer broadcast ... but does not specify an IP multicast or broadcast destination". */
    enum net_owner owner = net_owner(net, packet->dst);

    if (rx->is_inner && owner != NET_OURS && owner != NET_SHARED)
        return net_done(&c->drop_decap_inner);
    if (rx->is_group || owner == NET_NOBODY)
        return net_done(&c->drop_ip_other);
    if (is_bad_source(net, packet->src))
        return net_done(&c->drop_ip_source);
    if (owner == NET_HOSTS)
        return net_for_host(net, packet);
    /* RFC 1122 3.2.1.7: "A host MUST NOT discard a datagram just because it was received with TTL
     * less than 2": not looked at. 3.2.1.8: options are passed over; their length is the header's,
     * checked above. */
    if ((wire_u16(p + IP4_FRAGMENT) & IP4_FRAGMENT_MASK) != 0)
        return net_done(&c->drop_ip_fragment);

    packet->l4 = p + header_bytes;
    packet->l4_bytes = total_bytes - header_bytes;

    uint8_t protocol = p[IP4_PROTOCOL];

    if (owner == NET_SHARED &&
        exception_takes(&net->config.exception, protocol, packet->l4, packet->l4_bytes))
        return rx->is_inner ? net_done(&c->drop_decap_inner) : net_for_host(net, packet);
    if (decapsulation_is_on(&net->config.decapsulation) &&
        decapsulation_wants(&net->config.decapsulation, protocol, packet->l4, packet->l4_bytes))
        return decapsulation_input(net, rx, packet, protocol);
    if (protocol == PROTOCOL_ICMP4)
        return icmp4_input(net, rx, packet);
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
        return net_done(&c->drop_ip_protocol);
    if (!net_l4_checksum_ok(rx, packet, protocol))
        return net_done(&c->drop_l4_checksum);
    return protocol == PROTOCOL_TCP ? NET_TCP : NET_UDP;
}
