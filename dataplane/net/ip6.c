#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

#include "dataplane/net/ip.h"

/* RFC 4291 2.5.2, 2.5.3, 2.7: never a source: a group, loopback; nor an embedded IPv4 address
 * (2.5.5), which would pass for one of the other family. The unspecified address is nd_input's to
 * judge; ours and the host's nobody else uses. */
static bool is_bad_source(const struct net *net, const uint8_t src[16])
{
    static const uint8_t loopback[16] = {[15] = 1};

    return ip6_is_multicast(src) || ip_equal(src, loopback) || ip_is_ip4(src) ||
           net_is_local(net, src) || exception_has(&net->config.exception, src);
}

static bool is_group_of(const struct net_address *address, uint32_t count, const uint8_t dst[16])
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t group[16];

        if (ip_is_ip4(address[i].ip))
            continue;
        ip6_solicited_node(group, address[i].ip);
        if (ip_equal(dst, group))
            return true;
    }
    return false;
}

/* The groups that we and the host are in: all-nodes and solicited-node. */
static bool is_our_group(const struct net *net, const uint8_t dst[16])
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    const struct exception *e = &net->config.exception;

    return ip_equal(dst, all_nodes) || is_group_of(net->address, net->address_count, dst) ||
           is_group_of(e->address, e->address_count, dst);
}

/* RFC 8200 4.2: may the unknown options be passed over? "00 - skip over this option and continue";
 * all other values of the two highest bits discard the packet. Options that end beyond the header
 * are refused. */
static bool options_ok(const uint8_t *p, size_t bytes)
{
    enum { PAD1 = 0, PADN = 1 };
    size_t at = 2;

    while (at < bytes) {
        if (p[at] == PAD1) {
            at++;
            continue;
        }
        if (at + 2 > bytes || at + 2 + p[at + 1] > bytes)
            return false;
        if (p[at] != PADN && p[at] >> 6 != 0)
            return false;
        at += 2 + (size_t)p[at + 1];
    }
    return true;
}

enum walk { WALK_L4, WALK_BAD, WALK_FRAGMENT, WALK_EXTENSION };

/* Passes over the extension headers: *protocol is what follows, *p and *bytes the rest of the
 * packet. */
static enum walk walk_extensions(uint8_t *protocol, const uint8_t **p, size_t *bytes)
{
    for (int i = 0; i <= IP6_EXTENSIONS_MAX; i++) {
        uint8_t type = *protocol;

        switch (type) {
        case PROTOCOL_FRAGMENT:
            return WALK_FRAGMENT;
        case PROTOCOL_MOBILITY:
        case PROTOCOL_HIP:
        case PROTOCOL_SHIM6:
            return WALK_EXTENSION;
        case PROTOCOL_HOP_BY_HOP:
            /* RFC 8200 4.1: "restricted to appear immediately after an IPv6 header only". */
            if (i != 0)
                return WALK_EXTENSION;
            break;
        case PROTOCOL_ROUTING:
        case PROTOCOL_DESTINATION:
            break;
        default:
            return WALK_L4;
        }

        const uint8_t *header = *p;

        if (*bytes < 8)
            return WALK_BAD;

        size_t header_bytes = ((size_t)header[1] + 1) * 8;

        if (header_bytes > *bytes)
            return WALK_BAD;
        if (type == PROTOCOL_ROUTING) {
            /* RFC 5095 3: type 0 is refused. RFC 8200 4.4: an unknown type with segments left is
             * refused, with none left it is passed over. */
            if (header[2] == 0 || header[3] != 0)
                return WALK_EXTENSION;
        } else if (!options_ok(header, header_bytes)) {
            return WALK_EXTENSION;
        }
        *protocol = header[0];
        *p += header_bytes;
        *bytes -= header_bytes;
    }
    return WALK_EXTENSION;
}

enum net_verdict ip6_input(struct net *net, const struct net_rx *rx, struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *p = rx->l3;

    if (rx->l3_bytes < IP6_BYTES || p[0] >> 4 != 6)
        return net_done(&c->drop_ip_bad);

    size_t bytes = wire_u16(p + IP6_LENGTH);

    /* A jumbogram (length 0, RFC 2675) fits no frame of ours: it looks like a packet without
     * payload. */
    if (bytes > rx->l3_bytes - IP6_BYTES)
        return net_done(&c->drop_ip_bad);

    packet->version = 6;
    packet->ecn = (p[1] >> 4) & 3;
    packet->hop_limit = p[IP6_HOP_LIMIT];
    memcpy(packet->src, p + IP6_SRC, 16);
    memcpy(packet->dst, p + IP6_DST, 16);

    bool is_group = ip6_is_multicast(packet->dst);
    enum net_owner owner = is_group ? NET_NOBODY : net_owner(net, packet->dst);

    /* An IPv4 address in an IPv6 header must not reach what serves the IPv4 one. */
    if (ip_is_ip4(packet->dst))
        return net_done(&c->drop_ip_other);
    if (rx->is_inner && owner != NET_OURS && owner != NET_SHARED)
        return net_done(&c->drop_decap_inner);
    if (is_group ? !is_our_group(net, packet->dst) : rx->is_group || owner == NET_NOBODY)
        return net_done(&c->drop_ip_other);
    if (is_bad_source(net, packet->src))
        return net_done(&c->drop_ip_source);
    if (owner == NET_HOSTS)
        return net_for_host(net, packet);

    uint8_t protocol = p[IP6_NEXT];
    const uint8_t *l4 = p + IP6_BYTES;

    switch (walk_extensions(&protocol, &l4, &bytes)) {
    case WALK_BAD:
        return net_done(&c->drop_ip_bad);
    case WALK_FRAGMENT:
        return net_done(&c->drop_ip_fragment);
    case WALK_EXTENSION:
        return net_done(&c->drop_ip6_extension);
    case WALK_L4:
        break;
    }
    packet->l4 = l4;
    packet->l4_bytes = bytes;
    if (owner == NET_SHARED && exception_takes(&net->config.exception, protocol, l4, bytes))
        return rx->is_inner ? net_done(&c->drop_decap_inner) : net_for_host(net, packet);
    if (!is_group && decapsulation_is_on(&net->config.decapsulation) &&
        decapsulation_wants(&net->config.decapsulation, protocol, l4, bytes))
        return decapsulation_input(net, rx, packet, protocol);
    if (protocol == PROTOCOL_ICMP6)
        return icmp6_input(net, rx, packet);
    /* Groups are for neighbour discovery only. */
    if (is_group)
        return net_done(&c->drop_ip_other);
    if (ip_is_zero(packet->src))
        return net_done(&c->drop_ip_source);
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
        return net_done(&c->drop_ip_protocol);
    if (!net_l4_checksum_ok(rx, packet, protocol))
        return net_done(&c->drop_l4_checksum);
    return protocol == PROTOCOL_TCP ? NET_TCP : NET_UDP;
}
