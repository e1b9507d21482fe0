/* net_parts.h
 *
 * How the net's own files call each other; nobody else includes this.
 *
 *   net_input -> link_input -> arp_input
 *                           -> ip4_input -> icmp4_input
 *                           -> ip6_input -> icmp6_input -> nd_input
 *                              ip4_input, ip6_input -> decapsulation_input -> they, once more
 *   net_begin -> neighbour_find, arp_ask or nd_ask, link_begin        net_end -> link_end
 *
 * Each *_input ends with a verdict; NET_DONE has been counted, by net_done.
 */
#ifndef HEARTH_NET_PARTS_H
#define HEARTH_NET_PARTS_H

#include "dataplane/net/net.h"

/* A frame on its way up. */
struct net_rx {
    const uint8_t *link_src;
    bool is_inner;   /* out of a balancer's encapsulation */
    bool is_group;   /* link-layer broadcast or multicast */
    uint8_t rx_csum; /* enum frame_rx_csum: what the port has verified */
    const uint8_t *l3;
    size_t l3_bytes; /* link-layer padding included */
    uint64_t now_ns;
};

/* Counts the frame's disposition. */
static inline enum net_verdict net_done(uint64_t *counter)
{
    (*counter)++;
    return NET_DONE;
}

/* Whose address it is: exception.h. */
enum net_owner { NET_NOBODY, NET_OURS, NET_SHARED, NET_HOSTS };
enum net_owner net_owner(const struct net *, const uint8_t ip[16]);

/* A packet for the host. */
enum net_verdict net_for_host(const struct net *, struct net_packet *);

enum net_verdict link_input(struct net *, const struct frame *, uint64_t now_ns,
                            struct net_packet *);
enum net_verdict arp_input(struct net *, const struct net_rx *, struct net_packet *);
enum net_verdict ip4_input(struct net *, const struct net_rx *, struct net_packet *);
enum net_verdict ip6_input(struct net *, const struct net_rx *, struct net_packet *);
enum net_verdict icmp4_input(struct net *, const struct net_rx *, const struct net_packet *);
enum net_verdict icmp6_input(struct net *, const struct net_rx *, struct net_packet *);
enum net_verdict nd_input(struct net *, const struct net_rx *, struct net_packet *);

/* What decapsulation_wants: the packet in it goes to ip4_input or ip6_input, or the frame ends. */
enum net_verdict decapsulation_input(struct net *, const struct net_rx *, struct net_packet *,
                                     uint8_t protocol);

/* TCP's or UDP's checksum: the port's word, or verified here where it has none (rx_csum NONE). */
bool net_l4_checksum_ok(const struct net_rx *, const struct net_packet *, uint8_t protocol);

/* The next tx frame with its link header; *l3 is where the rest goes. NULL: no buffer. */
struct frame *link_begin(struct net *, const uint8_t dst[6], uint16_t ethertype, uint8_t **l3);
/* The same in a large frame, if there is one. */
struct frame *link_begin_large(struct net *, const uint8_t dst[6], uint16_t ethertype,
                               uint8_t **l3);
/* Sends what was begun. */
void link_end(struct net *, struct frame *, size_t l3_bytes);
/* Bytes of our link header. */
size_t link_header_bytes(const struct net *);

/* A query for the MAC of an address on our link. */
void arp_ask(struct net *, const uint8_t ip[16]);
void nd_ask(struct net *, const uint8_t ip[16]);
void arp_announce(struct net *, const uint8_t ip[16]);
void nd_announce(struct net *, const uint8_t ip[16]);

/* A unicast MAC that a host can have. */
static inline bool link_is_host_mac(const uint8_t mac[6])
{
    return (mac[0] & 1) == 0 && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

/* The port has another MAC than before, and with it the link-local address. */
void net_set_mac(struct net *, const uint8_t mac[6]);

/* On our link: in the prefix of one of our addresses, a gateway, or IPv6 link-local. */
bool net_is_on_link(const struct net *, const uint8_t ip[16]);
/* The all-ones host of one of our IPv4 prefixes (and its all-zeros form, RFC 1122 3.3.6). */
bool net_is_ip4_broadcast(const struct net *, const uint8_t ip[16]);
/* Learns, and counts what went wrong. True: learned. */
bool net_learn(struct net *, const uint8_t ip[16], const uint8_t mac[6], enum neighbour_learn,
               uint64_t now_ns);
#endif
