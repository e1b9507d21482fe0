/* address.h
 *
 * Which addresses and ports of the world scripts may reach. Decided by the address that a
 * connection is about to be opened to, after every spelling, redirect and DNS answer: there is no
 * other way out of a cell, so there is nothing to get around it.
 *
 *   never               the node's own addresses, unspecified, multicast, broadcast; bad ports
 *   egress.deny         refused
 *   egress.allow        let through
 *   special             refused: what IANA's registries say is not globally reachable, all that
 *                       carries another address in it (IPv4-mapped is IPv4 itself; NAT64, 6to4,
 *                       Teredo, IPv4-compatible), and IPv6 outside 2000::/3
 *   own                 refused: the prefixes of port.addresses and exception.addresses, gateways,
 *                       balancers, resolvers (egress.h adds: members of the cluster)
 *   the rest            let through
 *
 * The first line that says something counts. Ports: the Fetch standard's list of bad ones, which
 * belong to protocols that can be made to misread an HTTP request.
 *
 * Addresses as in net/ip.h: IPv4 is ::ffff:a.b.c.d, and there is no other form of it. Pure. Thread:
 * any; it is configuration, made once.
 *
 * Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, 8190, and what has been
 * added up to RFC 9637 and 9780); RFC 6052, 8215 (NAT64), 3056 (6to4), 4380 (Teredo), 4291 2.5.5.1;
 * Fetch standard 2.9 "port blocking".
 *
 * Rejected: looking into NAT64 and 6to4 addresses for the IPv4 address in them and judging that
 * one. Where a translator stands is the network's to decide (RFC 6052 lets any prefix be one), so a
 * node whose network has one names its own prefix in egress.deny, and the well-known ones are shut.
 */
#ifndef HEARTH_EGRESS_ADDRESS_H
#define HEARTH_EGRESS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/net/ip.h"

enum address_verdict {
    ADDRESS_OPEN,
    ADDRESS_ALLOWED, /* egress.allow: though it may be special, or a member's */
    ADDRESS_NEVER,   /* whatever the operator allows */
    ADDRESS_DENIED,  /* egress.deny */
    ADDRESS_SPECIAL, /* of a special purpose, or not in use */
    ADDRESS_OWN,     /* the node's own networks */
};

struct address_rules {
    uint32_t allow_count, deny_count, own_count, self_count;
    struct net_address allow[EGRESS_PREFIXES_MAX], deny[EGRESS_PREFIXES_MAX];
    struct net_address own[EGRESS_OWN_MAX];  /* networks */
    uint8_t self[NET_ADDRESSES_MAX + 1][16]; /* this node: addresses */
};

/* Adds a network of the node's own. False: there is no room. */
bool address_rules_own(struct address_rules *, const uint8_t ip[16], uint8_t prefix_len);

enum address_verdict address_judge(const struct address_rules *, const uint8_t ip[16]);
/* Must no request go there? */
bool address_port_is_bad(uint16_t port);

#endif
