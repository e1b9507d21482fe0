#include "dataplane/net/exception.h"

#include <stdlib.h>

#include "dataplane/net/net_wire.h"

/* One to five digits and nothing else. */
static bool parse_number(const char *text, uint32_t most, uint32_t *out)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != 0)
        return false;
    *out = (uint32_t)strtoul(text, NULL, 10);
    return *out <= most;
}

bool exception_parse_rule(const char *text, struct exception_rule *rule)
{
    static const struct {
        const char *word;
        uint8_t protocol;
    } words[] = {{"tcp/", PROTOCOL_TCP}, {"udp/", PROTOCOL_UDP}};
    uint32_t n;

    *rule = (struct exception_rule){.protocol = PROTOCOL_ICMP4};
    if (strcmp(text, "icmp") == 0)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strncmp(text, words[i].word, 4) != 0)
            continue;
        if (!parse_number(text + 4, UINT16_MAX, &n) || n == 0)
            return false;
        *rule = (struct exception_rule){.protocol = words[i].protocol, .port = (uint16_t)n};
        return true;
    }
    if (strncmp(text, "proto/", 6) != 0 || !parse_number(text + 6, UINT8_MAX, &n))
        return false;
    *rule = (struct exception_rule){.protocol = (uint8_t)n};
    /* Those have words of their own, and neighbour discovery is never the host's alone. */
    return n != PROTOCOL_TCP && n != PROTOCOL_UDP && n != PROTOCOL_ICMP4 && n != PROTOCOL_ICMP6;
}

bool exception_is_near(const struct exception *e, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < e->address_count; i++)
        if (ip_is_ip4(e->address[i].ip) == ip_is_ip4(ip) &&
            ip_in_prefix(ip, e->address[i].ip, e->address[i].prefix_len))
            return true;
    return false;
}

bool exception_has_ip6(const struct exception *e)
{
    for (uint32_t i = 0; i < e->address_count; i++)
        if (!ip_is_ip4(e->address[i].ip))
            return true;
    return false;
}

static bool names(const struct exception *e, uint8_t protocol, uint16_t port)
{
    for (uint32_t i = 0; i < e->rule_count; i++)
        if (e->rule[i].protocol == protocol && e->rule[i].port == port)
            return true;
    return false;
}

static bool is_own(const struct exception_ports ports[3], uint16_t port)
{
    return (uint16_t)(port - ports[0].first) < ports[0].count ||
           (uint16_t)(port - ports[1].first) < ports[1].count ||
           (uint16_t)(port - ports[2].first) < ports[2].count;
}

static bool takes_ports(const struct exception *e, uint8_t protocol, uint16_t ours, uint16_t theirs)
{
    return !is_own(protocol == PROTOCOL_TCP ? e->own_tcp : e->own_udp, ours) &&
           (names(e, protocol, ours) || names(e, protocol, theirs));
}

/* The packet of ours that an ICMP error quotes: its protocol, and where its ports are. */
static bool find_quoted(const uint8_t *p, size_t bytes, uint8_t *protocol, const uint8_t **ports)
{
    size_t header_bytes = IP6_BYTES;

    if (bytes < IP4_BYTES)
        return false;
    if (p[0] >> 4 == 4) {
        header_bytes = (size_t)(p[0] & 0xf) * 4;
        *protocol = p[IP4_PROTOCOL];
    } else {
        *protocol = p[IP6_NEXT]; /* the kernel's TCP and UDP have no extension headers */
    }
    *ports = p + header_bytes;
    return header_bytes >= IP4_BYTES && bytes >= header_bytes + 4;
}

static bool is_error(uint8_t protocol, uint8_t type)
{
    if (protocol == PROTOCOL_ICMP6)
        return type < ICMP6_ECHO;
    return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

static bool takes_icmp(const struct exception *e, uint8_t protocol, const uint8_t *l4, size_t bytes)
{
    const uint8_t *ports;

    if (bytes < ICMP_BYTES)
        return false;
    if (protocol == PROTOCOL_ICMP6 && l4[0] >= ICMP6_ROUTER_SOLICIT && l4[0] <= ICMP6_REDIRECT)
        return false;
    if (!is_error(protocol, l4[0]))
        return names(e, PROTOCOL_ICMP4, 0);
    if (!find_quoted(l4 + ICMP_BYTES, bytes - ICMP_BYTES, &protocol, &ports))
        return false;
    if (protocol == PROTOCOL_ICMP6)
        protocol = PROTOCOL_ICMP4;
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
        return names(e, protocol, 0);
    return takes_ports(e, protocol, wire_u16(ports), wire_u16(ports + 2)); /* it went out */
}

bool exception_takes(const struct exception *e, uint8_t protocol, const uint8_t *l4, size_t bytes)
{
    if (e->rule_count == 0)
        return false;
    if (protocol == PROTOCOL_ICMP4 || protocol == PROTOCOL_ICMP6)
        return takes_icmp(e, protocol, l4, bytes);
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
        return names(e, protocol, 0);
    return bytes >= 4 && takes_ports(e, protocol, wire_u16(l4 + 2), wire_u16(l4));
}
