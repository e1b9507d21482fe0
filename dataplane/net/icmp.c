#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

#include "dataplane/net/ip.h"

/* A router that lies about a small MTU would make us send tiny packets for ever: no path is
 * believed to be narrower than these. RFC 8201 4: never below 1280; for IPv4 the customary 552. */
enum { MTU4_MIN = 552, MTU4_UNSAID = 576, MTU6_MIN = 1280, PORTS_AND_SEQ_BYTES = 8 };

/* Sends the request's body back with another type. Never fails: what cannot be sent now is lost, as
 * a packet may be. */
static enum net_verdict reply_to_echo(struct net *net, const struct net_rx *rx,
                                      const struct net_packet *packet, uint8_t protocol,
                                      uint8_t type)
{
    struct net_route route = {0};
    size_t bytes = packet->l4_bytes, room;

    memcpy(route.src, packet->dst, 16);
    memcpy(route.dst, packet->src, 16);
    /* RFC 1122 3.2.2.6: "Data received in an ICMP Echo Request MUST be entirely included in the
     * resulting Echo Reply." */
    if (bytes > net_l4_room(net, route.dst))
        return net_done(&net->counters->drop_icmp_bad);
    if (!token_bucket_take(&net->icmp, rx->now_ns))
        return net_done(&net->counters->drop_icmp_rate);

    uint8_t *p = net_begin(net, &route, protocol, &room, rx->now_ns);

    if (p != NULL) {
        memcpy(p, packet->l4, bytes);
        p[0] = type;
        memset(p + ICMP_CHECKSUM, 0, 2);

        uint32_t pseudo = protocol == PROTOCOL_ICMP6
                              ? ip_sum_pseudo(route.src, route.dst, PROTOCOL_ICMP6, bytes)
                              : 0;
        uint16_t sum = ip_sum_end(ip_sum(p, bytes, pseudo));

        memcpy(p + ICMP_CHECKSUM, &sum, 2);
        net_end(net, bytes);
    } else {
        net->counters->net_unresolved_dropped += net->blocked.why == NET_UNRESOLVED;
    }
    return net_done(&net->counters->rx_icmp);
}

/* A report about a TCP segment of ours: l4 is what it quotes from the TCP header on. Reports that
 * teach nothing are taken all the same. */
static enum net_verdict take_mtu(struct net *net, const uint8_t local[16], const uint8_t remote[16],
                                 const uint8_t *l4, uint32_t mtu)
{
    if (mtu < net->config.mtu) {
        struct net_pmtu *pmtu = &net->pmtu;

        memcpy(pmtu->local, local, 16);
        memcpy(pmtu->remote, remote, 16);
        pmtu->local_port = wire_u16(l4);
        pmtu->remote_port = wire_u16(l4 + 2);
        pmtu->seq = wire_u32(l4 + 4);
        pmtu->mtu = (uint16_t)mtu;
        pmtu->is_set = true;
        net->counters->net_pmtu++;
    }
    return net_done(&net->counters->rx_icmp);
}

/* RFC 1191: destination unreachable, fragmentation needed. It quotes the IP header and 8 bytes (RFC
 * 792). */
static enum net_verdict fragmentation_needed(struct net *net, const struct net_packet *packet)
{
    const uint8_t *quoted = packet->l4 + ICMP_BYTES;
    size_t bytes = packet->l4_bytes - ICMP_BYTES;
    uint8_t local[16], remote[16];

    if (bytes < IP4_BYTES || quoted[0] >> 4 != 4)
        return net_done(&net->counters->drop_icmp_bad);

    size_t header_bytes = (size_t)(quoted[0] & 0xf) * 4;

    if (header_bytes < IP4_BYTES || bytes < header_bytes + PORTS_AND_SEQ_BYTES)
        return net_done(&net->counters->drop_icmp_bad);
    ip_from_ip4(local, quoted + IP4_SRC);
    ip_from_ip4(remote, quoted + IP4_DST);
    /* It goes to who sent the packet, and we send only whole TCP segments large enough to matter.
     */
    if (!ip_equal(local, packet->dst) || quoted[IP4_PROTOCOL] != PROTOCOL_TCP ||
        (wire_u16(quoted + IP4_FRAGMENT) & IP4_FRAGMENT_MASK) != 0)
        return net_done(&net->counters->drop_icmp_other);

    uint32_t mtu = wire_u16(packet->l4 + ICMP_MTU4);

    /* RFC 1191 5: a router of before that memo says 0. */
    if (mtu == 0)
        mtu = MTU4_UNSAID;
    return take_mtu(net, local, remote, quoted + header_bytes, mtu < MTU4_MIN ? MTU4_MIN : mtu);
}

/* RFC 4443 3.2: packet too big. It quotes as much as fits; we send no extension headers, so TCP
 * follows at once. */
static enum net_verdict too_big(struct net *net, const struct net_packet *packet)
{
    const uint8_t *quoted = packet->l4 + ICMP_BYTES;

    if (packet->l4_bytes < ICMP_BYTES + IP6_BYTES + PORTS_AND_SEQ_BYTES || quoted[0] >> 4 != 6)
        return net_done(&net->counters->drop_icmp_bad);
    if (!ip_equal(quoted + IP6_SRC, packet->dst) || quoted[IP6_NEXT] != PROTOCOL_TCP ||
        ip_is_ip4(quoted + IP6_DST))
        return net_done(&net->counters->drop_icmp_other);

    uint32_t mtu = wire_u32(packet->l4 + ICMP_MTU6);

    return take_mtu(net, quoted + IP6_SRC, quoted + IP6_DST, quoted + IP6_BYTES,
                    mtu < MTU6_MIN ? MTU6_MIN : mtu);
}

enum net_verdict icmp4_input(struct net *net, const struct net_rx *rx,
                             const struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *p = packet->l4;

    if (packet->l4_bytes < ICMP_BYTES || ip_sum_end(ip_sum(p, packet->l4_bytes, 0)) != 0)
        return net_done(&c->drop_icmp_bad);
    if (p[0] == ICMP4_ECHO && p[1] == 0)
        return reply_to_echo(net, rx, packet, PROTOCOL_ICMP4, ICMP4_ECHO_REPLY);
    if (p[0] == ICMP4_UNREACHABLE && p[1] == ICMP4_FRAGMENTATION_NEEDED)
        return fragmentation_needed(net, packet);
    return net_done(&c->drop_icmp_other);
}

enum net_verdict icmp6_input(struct net *net, const struct net_rx *rx, struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *p = packet->l4;
    size_t bytes = packet->l4_bytes;

    if (bytes < ICMP_BYTES)
        return net_done(&c->drop_icmp_bad);

    uint32_t pseudo = ip_sum_pseudo(packet->src, packet->dst, PROTOCOL_ICMP6, bytes);

    if (ip_sum_end(ip_sum(p, bytes, pseudo)) != 0)
        return net_done(&c->drop_icmp_bad);
    if (p[0] >= ICMP6_ROUTER_SOLICIT && p[0] <= ICMP6_REDIRECT)
        return rx->is_inner ? net_done(&c->drop_decap_inner) : nd_input(net, rx, packet);
    /* An answer to a group would let one packet call up a whole link (RFC 4443 2.4 e). */
    if (ip6_is_multicast(packet->dst))
        return net_done(&c->drop_ip_other);
    if (ip_is_zero(packet->src))
        return net_done(&c->drop_ip_source);
    if (p[0] == ICMP6_ECHO && p[1] == 0)
        return reply_to_echo(net, rx, packet, PROTOCOL_ICMP6, ICMP6_ECHO_REPLY);
    if (p[0] == ICMP6_TOO_BIG)
        return too_big(net, packet);
    return net_done(&c->drop_icmp_other);
}
