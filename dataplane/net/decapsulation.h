/* decapsulation.h
 *
 * What an L4 balancer (Katran, Unimog and their like) sends: a client's packet, whole, inside of
 * one to this node. The packet inside is taken as if it had come by itself, and its answer goes
 * straight to the client, by the gateway: the balancer sees one direction only.
 *
 *   client --- packet to 198.51.100.1 ---> balancer --- [ outer | packet ] ---> node
 *      ^                                                                          |
 *      +------------------------------- answer from 198.51.100.1 -----------------+
 *
 *   IPIP   | IPv4 or IPv6, protocol 4 or 41 | IPv4 or IPv6 packet |          RFC 2003, 2473, 4213
 *   GUE    | IPv4 or IPv6 | UDP to gue_port | GUE header | packet |          drivers/gue.h
 *
 * The outer destination is one of this node's addresses, and the outer source must be a balancer's:
 * in one of the prefixes `from`. That is all that tells a balancer, so whoever can send from such
 * an address can send as anybody: the network's edge has to refuse those sources from outside. The
 * inner destination must be one of hearth's addresses. One level; neither packet may be a fragment;
 * the inner one may be no neighbour discovery, whose hop limit no longer says that it is a
 * neighbour's. Checksums of the packet inside are verified in software: the port's word is about
 * the outer one.
 *
 * A UDP checksum of zero is taken over IPv6 too (RFC 6935: tunnels need none).
 *
 * Counters: drop_decap_source, drop_decap_bad, drop_decap_inner; net_decapsulated (an event: the
 * packet inside has its own disposition).
 *
 * Pure. Rejected: an MSS for each connection by how its SYN came. One that comes directly loses
 * 2 to 4 % of a segment; a state of its own would have to live in SYN cookies as well.
 */
#ifndef HEARTH_DECAPSULATION_H
#define HEARTH_DECAPSULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/net/ip.h"

struct decapsulation {
    bool has_ipip;
    uint16_t gue_port; /* 0: no GUE */
    uint32_t from_count;
    struct net_address from[DECAPSULATION_SOURCES_MAX];
};

/* Is it on? */
static inline bool decapsulation_is_on(const struct decapsulation *d)
{
    return d->has_ipip || d->gue_port != 0;
}

/* Bytes that a balancer puts before a packet at most, GUE's private words not counted: what the MSS
 * that clients are told leaves free. has_ip6: balancers may reach this node over IPv6. */
uint16_t decapsulation_bytes(const struct decapsulation *, bool has_ip6);

/* Is that, by protocol and port, something that a balancer has put a packet into? */
bool decapsulation_wants(const struct decapsulation *, uint8_t protocol, const uint8_t *l4,
                         size_t bytes);
bool decapsulation_is_from_balancer(const struct decapsulation *, const uint8_t ip[16]);

#endif
