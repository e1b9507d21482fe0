#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

#include "dataplane/net/ip.h"

static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

/* Solicitation and advertisement have one form: header, target, one link-layer address option with
 * our MAC. */
static void send(struct net *net, const uint8_t link_dst[6], const uint8_t src[16],
                 const uint8_t dst[16], uint8_t type, uint8_t flags, const uint8_t target[16])
{
    enum { BYTES = ND_BYTES + ND_OPTION_BYTES };
    uint8_t *ip;
    struct frame *f = link_begin(net, link_dst, ETHERTYPE_IP6, &ip);

    if (f == NULL)
        return;

    uint8_t *p = ip + IP6_BYTES;

    memset(ip, 0, IP6_BYTES + BYTES);
    ip[0] = 6 << 4;
    wire_put_u16(ip + IP6_LENGTH, BYTES);
    ip[IP6_NEXT] = PROTOCOL_ICMP6;
    ip[IP6_HOP_LIMIT] = ND_HOP_LIMIT;
    memcpy(ip + IP6_SRC, src, 16);
    memcpy(ip + IP6_DST, dst, 16);
    p[0] = type;
    p[ND_FLAGS] = flags;
    memcpy(p + ND_TARGET, target, 16);
    p[ND_BYTES] = type == ICMP6_NEIGHBOUR_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
    p[ND_BYTES + 1] = 1;
    memcpy(p + ND_BYTES + 2, net->config.mac, 6);

    uint16_t sum = ip_sum_end(ip_sum(p, BYTES, ip_sum_pseudo(src, dst, PROTOCOL_ICMP6, BYTES)));

    memcpy(p + ICMP_CHECKSUM, &sum, 2);
    link_end(net, f, IP6_BYTES + BYTES);
}

void nd_ask(struct net *net, const uint8_t ip[16])
{
    const uint8_t *src = net_source_for(net, ip);
    uint8_t group[16], mac[6];

    if (src == NULL)
        return;
    ip6_solicited_node(group, ip);
    ip6_multicast_mac(mac, group);
    send(net, mac, src, group, ICMP6_NEIGHBOUR_SOLICIT, 0, ip);
}

/* RFC 4861 7.2.6: an unsolicited advertisement, to all nodes. */
void nd_announce(struct net *net, const uint8_t ip[16])
{
    uint8_t mac[6];

    ip6_multicast_mac(mac, all_nodes);
    send(net, mac, ip, all_nodes, ICMP6_NEIGHBOUR_ADVERT, ND_OVERRIDE, ip);
}

/* RFC 4861 7.1.1: "All included options have a length that is greater than zero." False: they do
 * not. *mac: the link-layer address of that type, NULL if there is none. */
static bool read_options(const uint8_t *p, size_t bytes, uint8_t type, const uint8_t **mac)
{
    *mac = NULL;
    while (bytes > 0) {
        if (bytes < 2 || p[1] == 0 || (size_t)p[1] * 8 > bytes)
            return false;
        if (p[0] == type && *mac == NULL) {
            if (p[1] != 1 || !link_is_host_mac(p + 2))
                return false;
            *mac = p + 2;
        }
        bytes -= (size_t)p[1] * 8;
        p += (size_t)p[1] * 8;
    }
    return true;
}

static enum net_verdict solicitation(struct net *net, const struct net_rx *rx,
                                     struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *target = packet->l4 + ND_TARGET, *mac;
    bool is_probe = ip_is_zero(packet->src); /* duplicate address detection, RFC 4862 5.4 */
    uint8_t group[16], link_dst[6];

    if (!read_options(packet->l4 + ND_BYTES, packet->l4_bytes - ND_BYTES, ND_OPTION_SOURCE, &mac))
        return net_done(&c->drop_nd_bad);
    /* RFC 4861 7.1.1: "If the IP source address is the unspecified address, the IP destination
     * address is a solicited-node multicast address" and "there is no source link-layer address
     * option in the message". */
    ip6_solicited_node(group, target);
    if (is_probe && (mac != NULL || !ip_equal(packet->dst, group)))
        return net_done(&c->drop_nd_bad);
    enum net_owner owner = net_owner(net, target);

    packet->is_near = true;
    if (owner == NET_HOSTS)
        return NET_HOST;
    if (owner == NET_NOBODY)
        return net_done(&c->drop_nd_other);
    if (is_probe) {
        c->net_address_conflict++;
        ip6_multicast_mac(link_dst, all_nodes);
        send(net, link_dst, target, all_nodes, ICMP6_NEIGHBOUR_ADVERT, ND_OVERRIDE, target);
        return net_done(&c->rx_nd);
    }
    /* 7.2.3: "If the Source Address is not the unspecified address and ... the solicitation
     * includes a Source Link-Layer Address option, then the recipient SHOULD create or update the
     * Neighbor Cache entry". Only hosts of our link; what we learn this way is fresh, not STALE as
     * the RFC has it: as with ARP, and it saves a query for each new client. */
    if (mac != NULL && net_is_on_link(net, packet->src))
        net_learn(net, packet->src, mac, NEIGHBOUR_ADD, rx->now_ns);
    /* Straight back to where it came from, so that two hosts that know nothing of each other can
     * begin. */
    memcpy(link_dst, mac != NULL ? mac : rx->link_src, 6);
    send(net, link_dst, target, packet->src, ICMP6_NEIGHBOUR_ADVERT, ND_SOLICITED | ND_OVERRIDE,
         target);
    return net_done(&c->rx_nd);
}

/* Sent to a shared address or to all nodes: the host may have asked, or knows the neighbour. */
static enum net_verdict show_host(const struct net *net, struct net_packet *packet)
{
    packet->is_near = true;
    if (ip6_is_multicast(packet->dst) ? exception_has_ip6(&net->config.exception)
                                      : net_owner(net, packet->dst) == NET_SHARED)
        return NET_BOTH;
    return NET_DONE;
}

static enum net_verdict advertisement(struct net *net, const struct net_rx *rx,
                                      struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *target = packet->l4 + ND_TARGET, *mac;
    uint8_t flags = packet->l4[ND_FLAGS];

    if (!read_options(packet->l4 + ND_BYTES, packet->l4_bytes - ND_BYTES, ND_OPTION_TARGET, &mac))
        return net_done(&c->drop_nd_bad);
    /* RFC 4861 7.1.2: "If the IP Destination Address is a multicast address the Solicited flag is
     * zero." */
    if (ip6_is_multicast(packet->dst) && (flags & ND_SOLICITED) != 0)
        return net_done(&c->drop_nd_bad);
    if (net_is_local(net, target)) {
        c->net_address_conflict++;
        return net_done(&c->drop_nd_bad);
    }
    /* 7.2.5: "If no entry exists, the advertisement SHOULD be silently discarded." Answers to our
     * queries, which go to a group, carry the address (4.4); one without it teaches nothing. */
    if (mac == NULL ||
        !net_learn(net, target, mac, (flags & ND_OVERRIDE) ? NEIGHBOUR_MERGE : NEIGHBOUR_CONFIRM,
                   rx->now_ns))
        c->drop_nd_other++;
    else
        c->rx_nd++;
    return show_host(net, packet);
}

enum net_verdict nd_input(struct net *net, const struct net_rx *rx, struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *p = packet->l4;

    /* RFC 4861 7.1: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly
     * have been forwarded by a router." "ICMP Code is 0." */
    if (packet->hop_limit != ND_HOP_LIMIT || p[1] != 0)
        return net_done(&c->drop_nd_bad);

    if (p[0] == ICMP6_ROUTER_ADVERT || p[0] == ICMP6_REDIRECT)
        return net_done(&c->drop_nd_router);
    if (p[0] == ICMP6_ROUTER_SOLICIT)
        return net_done(&c->drop_nd_other);

    /* "ICMP length (derived from the IP length) is 24 or more octets. Target Address is not a
     * multicast address." Nor can it be nobody's or an IPv4 address. */
    if (packet->l4_bytes < ND_BYTES)
        return net_done(&c->drop_nd_bad);

    const uint8_t *target = p + ND_TARGET;

    if (ip6_is_multicast(target) || ip_is_zero(target) || ip_is_ip4(target))
        return net_done(&c->drop_nd_bad);
    if (p[0] == ICMP6_NEIGHBOUR_SOLICIT)
        return solicitation(net, rx, packet);
    if (ip_is_zero(packet->src))
        return net_done(&c->drop_nd_bad);
    return advertisement(net, rx, packet);
}
