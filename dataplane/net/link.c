#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

#include "dataplane/net/ip.h"

static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

static bool is_broadcast(const uint8_t mac[6])
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    return memcmp(mac, broadcast, 6) == 0;
}

static bool is_group_of(const struct net_address *address, uint32_t count, const uint8_t mac[6])
{
    for (uint32_t i = 0; i < count; i++)
        if (!ip_is_ip4(address[i].ip) && memcmp(mac + 3, address[i].ip + 13, 3) == 0)
            return true;
    return false;
}

/* The groups that a host of our addresses, and of its own, has joined: all-nodes and one
 * solicited-node group per IPv6 address. */
static bool is_our_group(const struct net *net, const uint8_t mac[6])
{
    const struct exception *e = &net->config.exception;

    if (is_broadcast(mac) || memcmp(mac, all_nodes_mac, 6) == 0)
        return true;
    if (mac[0] != 0x33 || mac[1] != 0x33 || mac[2] != 0xff)
        return false;
    return is_group_of(net->address, net->address_count, mac) ||
           is_group_of(e->address, e->address_count, mac);
}

enum net_verdict link_input(struct net *net, const struct frame *f, uint64_t now_ns,
                            struct net_packet *packet)
{
    struct counters *c = net->counters;
    const uint8_t *p = f->bytes;
    size_t header_bytes = ETHER_BYTES;
    uint16_t vlan = 0;

    if (f->len < ETHER_BYTES)
        return net_done(&c->drop_link_short);

    bool is_group = (p[0] & 1) != 0;

    if (is_group ? !is_our_group(net, p) : memcmp(p, net->config.mac, 6) != 0)
        return net_done(&c->drop_link_other_mac);
    /* IEEE 802.3 3.2.3: a source address is individual. Nor can it be our own. */
    if (!link_is_host_mac(p + ETHER_SRC) || memcmp(p + ETHER_SRC, net->config.mac, 6) == 0)
        return net_done(&c->drop_link_other_mac);

    uint16_t ethertype = wire_u16(p + ETHER_TYPE);

    if (ethertype == ETHERTYPE_VLAN) {
        header_bytes += VLAN_TAG_BYTES;
        if (f->len < header_bytes)
            return net_done(&c->drop_link_short);
        /* IEEE 802.1Q 9.6: VLAN 0 is a priority tag, the frame belongs to no VLAN. */
        vlan = wire_u16(p + ETHER_BYTES) & VLAN_ID_MASK;
        ethertype = wire_u16(p + ETHER_BYTES + 2);
    }
    if (vlan != net->config.vlan)
        return net_done(&c->drop_link_vlan);

    struct net_rx rx = {
        .link_src = p + ETHER_SRC,
        .is_group = is_group,
        .rx_csum = f->rx_csum,
        .l3 = p + header_bytes,
        .l3_bytes = f->len - header_bytes,
        .now_ns = now_ns,
    };

    switch (ethertype) {
    case ETHERTYPE_IP4:
        return ip4_input(net, &rx, packet);
    case ETHERTYPE_IP6:
        return ip6_input(net, &rx, packet);
    case ETHERTYPE_ARP:
        return arp_input(net, &rx, packet);
    default:
        return net_done(&c->drop_link_ethertype);
    }
}

size_t link_header_bytes(const struct net *net)
{
    return ETHER_BYTES + (net->config.vlan != 0 ? VLAN_TAG_BYTES : 0);
}

struct frame *link_begin(struct net *net, const uint8_t dst[6], uint16_t ethertype, uint8_t **l3)
{
    struct frame *f = tx_next(net->tx);

    if (f == NULL)
        return NULL;

    uint8_t *p = f->bytes;

    memcpy(p, dst, 6);
    memcpy(p + ETHER_SRC, net->config.mac, 6);
    p += ETHER_TYPE;
    if (net->config.vlan != 0) {
        wire_put_u16(p, ETHERTYPE_VLAN);
        wire_put_u16(p + 2, net->config.vlan);
        p += VLAN_TAG_BYTES;
    }
    wire_put_u16(p, ethertype);
    *l3 = p + 2;
    f->l3_offset = (uint16_t)(*l3 - f->bytes);
    return f;
}

void link_end(struct net *net, struct frame *f, size_t l3_bytes)
{
    f->len = f->l3_offset + (uint32_t)l3_bytes;
    tx_commit(net->tx);
}
