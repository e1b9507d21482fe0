/* exception.h
 *
 * The exception path: which of the port's frames are not hearth's but the host's, whose kernel has
 * a tap for them (drivers/tap.h): BGP, ssh, ARP for the host's own addresses.
 *
 *   whose the destination is               ARP and ND are           the rest is
 *   hearth's alone: in port.addresses      hearth's                 hearth's
 *   the host's: in exception.addresses     the host's               the host's, all of it
 *   shared: in both lists                  answered by hearth;      the host's, where a rule names
 *                                          answers go to both       it; else hearth's
 *
 * A rule names a TCP or UDP port, at either end, because either side may open a connection; ICMP;
 * or another IP protocol by its number. Of an ICMP error about a packet of a shared address it is
 * that packet which counts. What goes to a port that hearth itself has is hearth's whatever rule
 * there is: a stranger chooses his own port.
 *
 * hearth's link-local address is shared if the host has an address of IPv6: the kernel makes the
 * same one, of the same MAC.
 *
 * Not the host's: groups and broadcasts, but for ARP and ND; fragments to a shared address, which
 * have no ports; what came out of a balancer's encapsulation (decapsulation.h).
 *
 * Pure. Addresses as in ip.h. Thread: any; it is configuration.
 *
 * Rejected: all of a shared address's ports that hearth does not listen on. Then a scan of ports
 * is the kernel's to answer, and hearth's own resets to late segments would be too.
 */
#ifndef HEARTH_EXCEPTION_H
#define HEARTH_EXCEPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/net/ip.h"

struct exception_rule {
    uint8_t protocol; /* ICMP stands for ICMPv6 too */
    uint16_t port;    /* of TCP and UDP; 0 with the others */
};

struct exception_ports {
    uint16_t first, count;
};

struct exception {
    uint32_t address_count, rule_count;
    struct net_address address[EXCEPTION_ADDRESSES_MAX];
    struct exception_rule rule[EXCEPTION_RULES_MAX];
    struct exception_ports own_tcp[3], own_udp[3]; /* hearth's; count 0: none */
};

/* "tcp/22", "udp/3784", "icmp", "proto/47". False: not a rule. */
bool exception_parse_rule(const char *text, struct exception_rule *);

/* One of the host's addresses, shared or not. */
static inline bool exception_has(const struct exception *e, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < e->address_count; i++)
        if (ip_equal(ip, e->address[i].ip))
            return true;
    return false;
}

/* In the prefix of one of them. */
bool exception_is_near(const struct exception *, const uint8_t ip[16]);
bool exception_has_ip6(const struct exception *);

/* Does a rule name that packet to a shared address? protocol is what l4 begins with. */
bool exception_takes(const struct exception *, uint8_t protocol, const uint8_t *l4, size_t bytes);

#endif
