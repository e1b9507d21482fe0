/* net_wire.h
 *
 * What Ethernet, ARP, IP and ICMP look like on the wire: offsets, numbers, and reads and writes in
 * network byte order. For the net's own files (link, arp, ip4, ip6, icmp, nd, net).
 */
#ifndef HEARTH_NET_WIRE_H
#define HEARTH_NET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Ethernet: dst 0, src 6, [0x8100 12, tag 14,] type */
enum {
    ETHER_SRC = 6,
    ETHER_TYPE = 12,
    ETHER_BYTES = 14,
    VLAN_TAG_BYTES = 4,
    VLAN_ID_MASK = 0x0fff,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IP6 = 0x86dd,
};

/* ARP for IPv4 over Ethernet: hrd 0, pro 2, hln 4, pln 5, op 6, sha 8, spa 14, tha 18, tpa 24 */
enum {
    ARP_OP = 6,
    ARP_SHA = 8,
    ARP_SPA = 14,
    ARP_THA = 18,
    ARP_TPA = 24,
    ARP_BYTES = 28,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
};

enum {
    IP4_TOS = 1,
    IP4_LENGTH = 2,
    IP4_ID = 4,
    IP4_FRAGMENT = 6,
    IP4_TTL = 8,
    IP4_PROTOCOL = 9,
    IP4_CHECKSUM = 10,
    IP4_SRC = 12,
    IP4_DST = 16,
    IP4_BYTES = 20,
    IP4_DONT_FRAGMENT = 0x4000,
    IP4_FRAGMENT_MASK = 0x3fff, /* more fragments, and the offset */
};

enum {
    IP6_LENGTH = 4,
    IP6_NEXT = 6,
    IP6_HOP_LIMIT = 7,
    IP6_SRC = 8,
    IP6_DST = 24,
    IP6_BYTES = 40,
};

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP4 = 1,
    PROTOCOL_IP4 = 4,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_IP6 = 41,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_ICMP6 = 58,
    PROTOCOL_DESTINATION = 60,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_HIP = 139,
    PROTOCOL_SHIM6 = 140,
};

/* ICMP: type 0, code 1, checksum 2, four bytes of the type's own, then its body */
enum {
    ICMP_CHECKSUM = 2,
    ICMP_MTU4 = 6, /* 16 bits: RFC 1191 4 */
    ICMP_MTU6 = 4, /* 32 bits: RFC 4443 3.2 */
    ICMP_BYTES = 8,
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACHABLE = 3,
    ICMP4_ECHO = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAMETER = 12,
    ICMP4_FRAGMENTATION_NEEDED = 4, /* a code of unreachable */
    ICMP6_TOO_BIG = 2,
    ICMP6_ECHO = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_ROUTER_SOLICIT = 133,
    ICMP6_ROUTER_ADVERT = 134,
    ICMP6_NEIGHBOUR_SOLICIT = 135,
    ICMP6_NEIGHBOUR_ADVERT = 136,
    ICMP6_REDIRECT = 137,
};

enum { UDP_HEADER_BYTES = 8 };

/* Neighbour solicitation and advertisement: ICMP header, target, options of {type, length / 8, ...}
 */
enum {
    ND_FLAGS = 4,
    ND_TARGET = 8,
    ND_BYTES = 24,
    ND_HOP_LIMIT = 255,
    ND_SOLICITED = 0x40,
    ND_OVERRIDE = 0x20,
    ND_OPTION_SOURCE = 1,
    ND_OPTION_TARGET = 2,
    ND_OPTION_BYTES = 8, /* of a link-layer address option for Ethernet */
};

static inline uint16_t wire_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_u32(const uint8_t *p)
{
    return (uint32_t)wire_u16(p) << 16 | wire_u16(p + 2);
}

static inline void wire_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void wire_put_u32(uint8_t *p, uint32_t v)
{
    wire_put_u16(p, (uint16_t)(v >> 16));
    wire_put_u16(p + 2, (uint16_t)v);
}

#endif
