#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"
#include "drivers/gso.h"

enum { HOP_LIMIT = 64 /* RFC 1700's recommendation for both families */ };

uint16_t net_l4_room(const struct net *net, const uint8_t dst[16])
{
    return (uint16_t)(net->config.mtu - (ip_is_ip4(dst) ? IP4_BYTES : IP6_BYTES));
}

/* RFC 1122 3.3.1.1: the destination itself if it is on the link, otherwise a gateway. NULL: there
 * is no way. */
static const uint8_t *next_hop(const struct net *net, const uint8_t dst[16])
{
    if (ip_is_zero(dst))
        return NULL;
    if (net_is_on_link(net, dst))
        return dst;

    const uint8_t *gateway = ip_is_ip4(dst) ? net->config.gateway4 : net->config.gateway6;

    return ip_is_zero(gateway) ? NULL : gateway;
}

/* The MAC of a host on the link, and a query if one is due. */
static bool resolve(struct net *net, const uint8_t ip[16], uint64_t now_ns, uint8_t mac[6])
{
    bool ask;
    bool known = neighbour_find(net->neighbours, ip, now_ns, mac, &ask);

    if (ask && ip_is_ip4(ip))
        arp_ask(net, ip);
    else if (ask)
        nd_ask(net, ip);
    return known;
}

bool net_resolve(struct net *net, const uint8_t ip[16], uint64_t now_ns)
{
    uint8_t mac[6];

    return resolve(net, ip, now_ns, mac);
}

static void write_ip4(struct net *net, uint8_t *p, const struct net_route *route, uint8_t protocol)
{
    memset(p, 0, IP4_BYTES);
    p[0] = 4 << 4 | IP4_BYTES / 4;
    p[IP4_TOS] = route->ecn & 3;
    /* RFC 6864 4.1: nothing may be read from the ID of a packet that is never fragmented. Some
     * middleboxes take equal ones for duplicates all the same. */
    wire_put_u16(p + IP4_ID, net->ip4_id++);
    wire_put_u16(p + IP4_FRAGMENT, IP4_DONT_FRAGMENT);
    p[IP4_TTL] = HOP_LIMIT;
    p[IP4_PROTOCOL] = protocol;
    memcpy(p + IP4_SRC, route->src + 12, 4);
    memcpy(p + IP4_DST, route->dst + 12, 4);
}

static void write_ip6(uint8_t *p, const struct net_route *route, uint8_t protocol)
{
    memset(p, 0, IP6_SRC);
    p[0] = 6 << 4;
    p[1] = (uint8_t)((route->ecn & 3) << 4);
    p[IP6_NEXT] = protocol;
    p[IP6_HOP_LIMIT] = HOP_LIMIT;
    memcpy(p + IP6_SRC, route->src, 16);
    memcpy(p + IP6_DST, route->dst, 16);
}

/* Of a large frame: as much as the IP header's length field can say. */
static size_t large_l4_room(const struct net *net, const struct frame *f, bool is_ip4)
{
    size_t room = net->tx->port->large_bytes_max - f->l4_offset;
    size_t room_max = is_ip4 ? UINT16_MAX - IP4_BYTES : UINT16_MAX;

    return room < room_max ? room : room_max;
}

static uint8_t *begin(struct net *net, const struct net_route *route, uint8_t protocol,
                      bool is_large, size_t *room, uint64_t now_ns)
{
    bool is_ip4 = ip_is_ip4(route->dst);
    const uint8_t *hop = next_hop(net, route->dst);
    uint8_t mac[6], *l3;

    assert(net->packet.frame == NULL);
    assert(is_ip4 == ip_is_ip4(route->src));

    if (hop == NULL) {
        net->counters->net_no_route++;
        net->blocked.why = NET_NO_ROUTE;
        return NULL;
    }
    /* Before the frame is taken: a query is a frame of its own. */
    if (!resolve(net, hop, now_ns, mac)) {
        net->counters->net_unresolved++;
        net->blocked.why = NET_UNRESOLVED;
        memcpy(net->blocked.hop, hop, 16);
        return NULL;
    }

    uint16_t ethertype = is_ip4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
    struct frame *f = is_large ? link_begin_large(net, mac, ethertype, &l3)
                               : link_begin(net, mac, ethertype, &l3);

    if (f == NULL) {
        net->blocked.why = NET_NO_BUFFER;
        return NULL;
    }
    if (is_ip4)
        write_ip4(net, l3, route, protocol);
    else
        write_ip6(l3, route, protocol);
    f->l4_offset = (uint16_t)(f->l3_offset + (is_ip4 ? IP4_BYTES : IP6_BYTES));
    net->packet.frame = f;
    net->packet.version = is_ip4 ? 4 : 6;
    net->packet.protocol = protocol;
    *room = tx_is_large(net->tx) ? large_l4_room(net, f, is_ip4) : net_l4_room(net, route->dst);
    return f->bytes + f->l4_offset;
}

uint8_t *net_begin(struct net *net, const struct net_route *route, uint8_t protocol, size_t *room,
                   uint64_t now_ns)
{
    return begin(net, route, protocol, false, room, now_ns);
}

uint8_t *net_begin_large(struct net *net, const struct net_route *route, size_t *room,
                         uint64_t now_ns)
{
    return begin(net, route, PROTOCOL_TCP, true, room, now_ns);
}

/* RFC 6437 3: a flow label that is the same for all packets of a flow and unlike that of others, so
 * that routers can spread by it. Addresses and ports lie side by side in the packet. */
static void write_flow_label(const struct net *net, uint8_t *p, size_t l4_bytes)
{
    size_t bytes = 32 + (l4_bytes < 4 ? l4_bytes : 4);
    uint32_t label =
        XXH3_64bits_withSeed(p + IP6_SRC, bytes, neighbours_seed(net->neighbours)) & 0xfffff;

    p[1] |= (uint8_t)(label >> 16);
    wire_put_u16(p + 2, (uint16_t)label);
}

void net_end(struct net *net, size_t l4_bytes)
{
    net_end_large(net, l4_bytes, 0);
}

void net_end_large(struct net *net, size_t l4_bytes, uint16_t gso_size)
{
    struct frame *f = net->packet.frame;
    uint8_t protocol = net->packet.protocol;
    bool is_ip4 = net->packet.version == 4;

    assert(f != NULL);
    net->packet.frame = NULL;
    if (l4_bytes == 0)
        return;

    uint8_t *l3 = f->bytes + f->l3_offset;
    size_t header_bytes = is_ip4 ? IP4_BYTES : IP6_BYTES;

    assert(gso_size > 0 || l4_bytes + header_bytes <= net->config.mtu);
    if (is_ip4) {
        wire_put_u16(l3 + IP4_LENGTH, (uint16_t)(IP4_BYTES + l4_bytes));
    } else {
        wire_put_u16(l3 + IP6_LENGTH, (uint16_t)l4_bytes);
        if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP)
            write_flow_label(net, l3, l4_bytes);
    }
    if (protocol == PROTOCOL_TCP)
        f->tx_csum = FRAME_TX_TCP;
    else if (protocol == PROTOCOL_UDP)
        f->tx_csum = FRAME_TX_UDP;
    else
        f->tx_csum = is_ip4 ? FRAME_TX_IP : FRAME_TX_NONE;
    f->gso_size = gso_size;
    f->len = f->l3_offset + (uint32_t)(header_bytes + l4_bytes);
    if (is_ip4) /* each segment has an ID of its own */
        net->ip4_id += (uint16_t)(gso_count(f) - 1);
    link_end(net, f, header_bytes + l4_bytes);
}

static void announce(struct net *net, const uint8_t ip[16])
{
    if (ip_is_ip4(ip))
        arp_announce(net, ip);
    else
        nd_announce(net, ip);
}

void net_announce(struct net *net, uint64_t now_ns)
{
    const struct exception *e = &net->config.exception;
    uint8_t mac[6];

    net_set_mac(net, net->tx->port->caps.mac);
    for (uint32_t i = 0; i < net->address_count; i++)
        announce(net, net->address[i].ip);
    /* The host's kernel does not say by itself that its tap has another MAC. */
    for (uint32_t i = 0; i < e->address_count; i++)
        if (!net_is_local(net, e->address[i].ip))
            announce(net, e->address[i].ip);
    if (!ip_is_zero(net->config.gateway4))
        resolve(net, net->config.gateway4, now_ns, mac);
    if (!ip_is_zero(net->config.gateway6))
        resolve(net, net->config.gateway6, now_ns, mac);
}
