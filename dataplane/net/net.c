#include "dataplane/net/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

/* RFC 4291 appendix A: fe80:: and the MAC with ff:fe in its middle and the universal bit turned. */
static void link_local_of(struct net_address *out, const uint8_t mac[6])
{
    const uint8_t ip[16] = {0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2],
                            0xff, 0xfe, mac[3],           mac[4], mac[5]};

    memcpy(out->ip, ip, 16);
    out->prefix_len = 64;
}

static bool has_link_local(const struct net_config *config)
{
    for (uint32_t i = 0; i < config->address_count; i++)
        if (ip6_is_link_local(config->address[i].ip))
            return true;
    return false;
}

void net_set_mac(struct net *net, const uint8_t mac[6])
{
    memcpy(net->config.mac, mac, 6);
    if (net->has_made_link_local)
        link_local_of(&net->address[net->address_count - 1], mac);
}

static uint32_t add_group(uint8_t group[][6], uint32_t count, const uint8_t ip[16])
{
    ip6_multicast_mac(group[count], ip);
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(group[i], group[count], 6) == 0)
            return count;
    return count + 1;
}

uint32_t net_groups(const struct net_config *config, uint8_t mac[][6])
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    struct net_address link_local;
    uint8_t solicited[16];
    uint32_t count = add_group(mac, 0, all_nodes);

    for (uint32_t i = 0; i < config->address_count; i++) {
        if (ip_is_ip4(config->address[i].ip))
            continue;
        ip6_solicited_node(solicited, config->address[i].ip);
        count = add_group(mac, count, solicited);
    }
    for (uint32_t i = 0; i < config->exception.address_count; i++) {
        if (ip_is_ip4(config->exception.address[i].ip))
            continue;
        ip6_solicited_node(solicited, config->exception.address[i].ip);
        count = add_group(mac, count, solicited);
    }
    if (has_link_local(config))
        return count;
    link_local_of(&link_local, config->mac);
    ip6_solicited_node(solicited, link_local.ip);
    return add_group(mac, count, solicited);
}

void net_init(struct net *net, const struct net_config *config, struct neighbours *neighbours,
              struct counters *counters, struct tx *tx)
{
    assert(config->address_count <= NET_ADDRESSES_MAX);
    assert(config->vlan <= VLAN_ID_MASK);

    *net = (struct net){
        .config = *config,
        .neighbours = neighbours,
        .counters = counters,
        .tx = tx,
        .address_count = config->address_count,
    };
    memcpy(net->address, config->address, sizeof(config->address));

    net->has_made_link_local = !has_link_local(config);
    if (net->has_made_link_local)
        link_local_of(&net->address[net->address_count++], config->mac);
    for (uint32_t i = 0; i < net->address_count; i++)
        net->is_shared[i] = exception_has(&config->exception, net->address[i].ip);
    /* The kernel makes it of the same MAC. */
    if (net->has_made_link_local)
        net->is_shared[net->address_count - 1] = exception_has_ip6(&config->exception);

    size_t room = tx->port->frame_bytes_max - link_header_bytes(net);

    if (net->config.mtu > room)
        net->config.mtu = (uint16_t)room;
    assert(net->config.mtu >= NET_MTU4_MIN);
    token_bucket_init(&net->icmp, ICMP_PER_SECOND, ICMP_BURST, 0);
}

enum net_verdict net_input(struct net *net, const struct frame *f, uint64_t now_ns,
                           struct net_packet *packet)
{
    return link_input(net, f, now_ns, packet);
}

bool net_l4_checksum_ok(const struct net_rx *rx, const struct net_packet *packet, uint8_t protocol)
{
    size_t bytes = packet->l4_bytes;

    if (rx->rx_csum != FRAME_CSUM_NONE)
        return rx->rx_csum == FRAME_CSUM_GOOD;
    if (protocol == PROTOCOL_UDP) {
        if (bytes < 8 || wire_u16(packet->l4 + 4) > bytes)
            return false;
        bytes = wire_u16(packet->l4 + 4); /* what follows is not UDP's */
        if (bytes < 8)
            return false;
        /* RFC 768: zero means that the sender made none. RFC 8200 8.1: not so in IPv6. */
        if (wire_u16(packet->l4 + 6) == 0)
            return packet->version == 4;
    }
    return ip_sum_end(ip_sum(packet->l4, bytes,
                             ip_sum_pseudo(packet->src, packet->dst, protocol, bytes))) == 0;
}

bool net_take_pmtu(struct net *net, struct net_pmtu *out)
{
    *out = net->pmtu;
    net->pmtu.is_set = false;
    return out->is_set;
}

bool net_is_local(const struct net *net, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < net->address_count; i++)
        if (ip_equal(ip, net->address[i].ip))
            return true;
    return false;
}

enum net_owner net_owner(const struct net *net, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < net->address_count; i++)
        if (ip_equal(ip, net->address[i].ip))
            return net->is_shared[i] ? NET_SHARED : NET_OURS;
    return exception_has(&net->config.exception, ip) ? NET_HOSTS : NET_NOBODY;
}

enum net_verdict net_for_host(const struct net *net, struct net_packet *packet)
{
    packet->is_near =
        net_is_on_link(net, packet->src) || exception_is_near(&net->config.exception, packet->src);
    return NET_HOST;
}

/* Our address in whose prefix the other one lies. A prefix of IPv6 must not claim all of IPv4,
 * however short it is. */
static const struct net_address *address_near(const struct net *net, const uint8_t ip[16])
{
    bool is_ip4 = ip_is_ip4(ip);

    for (uint32_t i = 0; i < net->address_count; i++) {
        const struct net_address *a = &net->address[i];

        if (ip_is_ip4(a->ip) == is_ip4 && ip_in_prefix(ip, a->ip, a->prefix_len))
            return a;
    }
    return NULL;
}

bool net_is_on_link(const struct net *net, const uint8_t ip[16])
{
    return address_near(net, ip) != NULL || ip6_is_link_local(ip) ||
           (!ip_is_zero(ip) &&
            (ip_equal(ip, net->config.gateway4) || ip_equal(ip, net->config.gateway6)));
}

const uint8_t *net_source_for(const struct net *net, const uint8_t ip[16])
{
    const struct net_address *near = address_near(net, ip);

    if (near != NULL)
        return near->ip;
    for (uint32_t i = 0; i < net->address_count; i++)
        if (ip_is_ip4(net->address[i].ip) == ip_is_ip4(ip))
            return net->address[i].ip;
    return NULL;
}

bool net_is_ip4_broadcast(const struct net *net, const uint8_t ip[16])
{
    uint32_t host = wire_u32(ip + 12);

    for (uint32_t i = 0; i < net->address_count; i++) {
        const struct net_address *a = &net->address[i];

        /* RFC 3021: a prefix of 31 bits has two hosts and no broadcast. */
        if (!ip_is_ip4(a->ip) || a->prefix_len > 126 || !ip_in_prefix(ip, a->ip, a->prefix_len))
            continue;

        uint32_t mask = (uint32_t)((1ull << (128 - a->prefix_len)) - 1);

        if ((host & mask) == mask || (host & mask) == 0)
            return true;
    }
    return false;
}

bool net_learn(struct net *net, const uint8_t ip[16], const uint8_t mac[6],
               enum neighbour_learn how, uint64_t now_ns)
{
    enum neighbour_learned learned = neighbour_learn(net->neighbours, ip, mac, how, now_ns);

    net->counters->net_neighbour_full += learned == NEIGHBOUR_FULL;
    return learned == NEIGHBOUR_LEARNED;
}

bool net_parse_address(const char *text, struct net_address *address)
{
    const char *slash = strchr(text, '/');
    size_t ip_len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char ip[INET6_ADDRSTRLEN];
    uint8_t ip4[4];
    unsigned base = 0, prefix_len = 128;

    if (ip_len >= sizeof(ip))
        return false;
    memcpy(ip, text, ip_len);
    ip[ip_len] = 0;
    if (inet_pton(AF_INET, ip, ip4) == 1) {
        ip_from_ip4(address->ip, ip4);
        base = 96;
    } else if (inet_pton(AF_INET6, ip, address->ip) != 1 || ip_is_ip4(address->ip)) {
        return false;
    }
    if (slash != NULL) {
        /* One to three digits and nothing else: strtoul alone would take signs and blanks. */
        size_t digits = strspn(slash + 1, "0123456789");

        if (digits == 0 || digits > 3 || slash[1 + digits] != 0)
            return false;
        prefix_len = base + (unsigned)strtoul(slash + 1, NULL, 10);
        if (prefix_len > 128)
            return false;
    }
    address->prefix_len = (uint8_t)prefix_len;
    return true;
}

bool net_mtu_fits(const struct net_config *config, char *error, size_t error_bytes)
{
    if (config->mtu < NET_MTU4_MIN) {
        snprintf(error, error_bytes, "its MTU is %u: IPv4 needs %d at least (RFC 791)", config->mtu,
                 NET_MTU4_MIN);
        return false;
    }
    for (uint32_t i = 0; i < config->address_count; i++) {
        char ip[46];
        if (config->mtu >= NET_MTU6_MIN || ip_is_ip4(config->address[i].ip))
            continue;
        net_format_ip(config->address[i].ip, ip);
        snprintf(error, error_bytes,
                 "its MTU is %u: IPv6 needs %d at least (RFC 8200); raise it, or take the address "
                 "%s away",
                 config->mtu, NET_MTU6_MIN, ip);
        return false;
    }
    return true;
}

/* Once per request, and glibc's inet_ntop prints an IPv4 address with printf. */
static void format_ip4(const uint8_t ip[4], char *out)
{
    for (int i = 0; i < 4; i++) {
        if (ip[i] >= 100)
            *out++ = (char)('0' + ip[i] / 100);
        if (ip[i] >= 10)
            *out++ = (char)('0' + ip[i] / 10 % 10);
        *out++ = (char)('0' + ip[i] % 10);
        *out++ = i < 3 ? '.' : 0;
    }
}

void net_format_ip(const uint8_t ip[16], char out[46])
{
    if (ip_is_ip4(ip))
        format_ip4(ip + 12, out);
    else
        inet_ntop(AF_INET6, ip, out, 46);
}
