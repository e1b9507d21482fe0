#include "dataplane/net/net_parts.h"
#include "dataplane/net/net_wire.h"

#include "dataplane/net/ip.h"

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void send(struct net *net, const uint8_t link_dst[6], uint16_t op, const uint8_t spa[16],
                 const uint8_t tha[6], const uint8_t tpa[16])
{
    static const uint8_t ethernet_ip4[ARP_OP] = {0, 1, 0x08, 0, 6, 4};
    uint8_t *p;
    struct frame *f = link_begin(net, link_dst, ETHERTYPE_ARP, &p);

    if (f == NULL)
        return;
    memcpy(p, ethernet_ip4, sizeof(ethernet_ip4));
    wire_put_u16(p + ARP_OP, op);
    memcpy(p + ARP_SHA, net->config.mac, 6);
    memcpy(p + ARP_SPA, spa + 12, 4);
    memcpy(p + ARP_THA, tha, 6);
    memcpy(p + ARP_TPA, tpa + 12, 4);
    link_end(net, f, ARP_BYTES);
}

void arp_ask(struct net *net, const uint8_t ip[16])
{
    static const uint8_t unknown[6];
    const uint8_t *src = net_source_for(net, ip);

    if (src != NULL)
        send(net, broadcast, ARP_REQUEST, src, unknown, ip);
}

/* RFC 5227 3: an announcement is a request in which both addresses are the sender's. */
void arp_announce(struct net *net, const uint8_t ip[16])
{
    static const uint8_t unknown[6];

    send(net, broadcast, ARP_REQUEST, ip, unknown, ip);
}

/* RFC 1122 3.2.1.3: not this network, loopback, a group, reserved, or a broadcast. */
static bool is_host_address(const struct net *net, const uint8_t ip[16])
{
    return ip[12] != 0 && ip[12] != 127 && ip[12] < 224 && !net_is_ip4_broadcast(net, ip);
}

enum net_verdict arp_input(struct net *net, const struct net_rx *rx, struct net_packet *packet)
{
    static const uint8_t ethernet_ip4[ARP_OP] = {0, 1, 0x08, 0, 6, 4};
    struct counters *c = net->counters;
    const uint8_t *p = rx->l3;
    uint8_t sender[16], target[16];

    /* RFC 826: "?Do I have the hardware type in ar$hrd? ?Do I speak the protocol in ar$pro?" */
    if (rx->l3_bytes < ARP_BYTES || memcmp(p, ethernet_ip4, sizeof(ethernet_ip4)) != 0)
        return net_done(&c->drop_arp_bad);

    uint16_t op = wire_u16(p + ARP_OP);

    if ((op != ARP_REQUEST && op != ARP_REPLY) || !link_is_host_mac(p + ARP_SHA))
        return net_done(&c->drop_arp_bad);

    ip_from_ip4(sender, p + ARP_SPA);
    ip_from_ip4(target, p + ARP_TPA);

    /* RFC 5227 1.1: a probe asks without having an address yet: it is answered, teaches nothing. */
    bool is_probe = op == ARP_REQUEST && memcmp(p + ARP_SPA, ip_unspecified, 4) == 0;
    enum net_owner owner = net_owner(net, target);
    bool for_us = owner == NET_OURS || owner == NET_SHARED;
    bool merged = false;

    packet->is_near = true;
    if (owner == NET_HOSTS)
        return NET_HOST;

    if (net_is_local(net, sender)) {
        c->net_address_conflict++;
        return net_done(&c->drop_arp_bad);
    }
    if (!is_probe) {
        if (!is_host_address(net, sender))
            return net_done(&c->drop_arp_bad);
        /* RFC 826: "Merge_flag := false. If the pair <protocol type, sender protocol address> is
         * already in my translation table, update the sender hardware address field of the entry
         * ... ?Am I the target protocol address? If Merge_flag is false, add the triplet". A reply
         * that nobody asked for adds nothing here: it is not needed, and a flood of them could fill
         * the table. Nor does a host of another network, which the gateway reaches. */
        bool add = for_us && op == ARP_REQUEST && net_is_on_link(net, sender);

        merged =
            net_learn(net, sender, p + ARP_SHA, add ? NEIGHBOUR_ADD : NEIGHBOUR_MERGE, rx->now_ns);
    }
    if (!for_us)
        return net_done(merged ? &c->rx_arp : &c->drop_arp_other);
    if (op == ARP_REQUEST)
        send(net, p + ARP_SHA, ARP_REPLY, target, p + ARP_SHA, sender);
    c->rx_arp++;
    /* Either may have asked. */
    return op == ARP_REPLY && owner == NET_SHARED ? NET_BOTH : NET_DONE;
}
