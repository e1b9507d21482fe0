#include "dataplane/egress/address.h"

/* What is not globally reachable, or carries another address. Beyond these, IPv6 is open within
 * 2000::/3 only. */
static const struct net_address special[] = {
#define IP4(a, b, c, d, bits)                                                                      \
    {                                                                                              \
        {[10] = 0xff, 0xff, a, b, c, d}, 96 + (bits)                                               \
    }
    IP4(0, 0, 0, 0, 8),       /* this network (RFC 791) */
    IP4(10, 0, 0, 0, 8),      /* private (RFC 1918) */
    IP4(100, 64, 0, 0, 10),   /* shared, carrier-grade NAT (RFC 6598); clouds' metadata */
    IP4(127, 0, 0, 0, 8),     /* loopback */
    IP4(169, 254, 0, 0, 16),  /* link-local (RFC 3927); clouds' metadata */
    IP4(172, 16, 0, 0, 12),   /* private */
    IP4(192, 0, 0, 0, 24),    /* IETF protocol assignments (RFC 6890) */
    IP4(192, 0, 2, 0, 24),    /* documentation (RFC 5737) */
    IP4(192, 88, 99, 0, 24),  /* 6to4 relays, withdrawn (RFC 7526) */
    IP4(192, 168, 0, 0, 16),  /* private */
    IP4(198, 18, 0, 0, 15),   /* benchmarks (RFC 2544) */
    IP4(198, 51, 100, 0, 24), /* documentation */
    IP4(203, 0, 113, 0, 24),  /* documentation */
    IP4(240, 0, 0, 0, 4),     /* reserved (RFC 1112) */
#undef IP4
    {{0x20, 0x01, 0x00}, 23},       /* IETF protocol assignments: Teredo, ORCHID, ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation (RFC 3849) */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation (RFC 9637) */
};

static bool is_in(const struct net_address *list, size_t count, const uint8_t ip[16])
{
    for (size_t i = 0; i < count; i++) {
        /* A prefix of IPv6 must not claim all of IPv4, however short it is. */
        if (ip_is_ip4(list[i].ip) == ip_is_ip4(ip) &&
            ip_in_prefix(ip, list[i].ip, list[i].prefix_len))
            return true;
    }
    return false;
}

/* Nothing to connect to, or ourselves. */
static bool is_never(const struct address_rules *r, const uint8_t ip[16])
{
    static const uint8_t zeros[4], ones[4] = {255, 255, 255, 255};

    if (ip_is_ip4(ip)) {
        const uint8_t *ip4 = ip + 12;
        if ((ip4[0] & 0xf0) == 224 || memcmp(ip4, zeros, 4) == 0 || memcmp(ip4, ones, 4) == 0)
            return true;
    } else if (ip6_is_multicast(ip) || ip_is_zero(ip)) {
        return true;
    }
    for (uint32_t i = 0; i < r->self_count; i++)
        if (ip_equal(ip, r->self[i]))
            return true;
    return false;
}

static bool is_special(const uint8_t ip[16])
{
    if (!ip_is_ip4(ip) && (ip[0] & 0xe0) != 0x20)
        return true;
    return is_in(special, sizeof(special) / sizeof(special[0]), ip);
}

bool address_rules_own(struct address_rules *r, const uint8_t ip[16], uint8_t prefix_len)
{
    if (ip_is_zero(ip))
        return true;
    if (r->own_count == EGRESS_OWN_MAX)
        return false;
    struct net_address *a = &r->own[r->own_count++];
    memcpy(a->ip, ip, 16);
    a->prefix_len = prefix_len;
    return true;
}

enum address_verdict address_judge(const struct address_rules *r, const uint8_t ip[16])
{
    if (is_never(r, ip))
        return ADDRESS_NEVER;
    if (is_in(r->deny, r->deny_count, ip))
        return ADDRESS_DENIED;
    if (is_in(r->allow, r->allow_count, ip))
        return ADDRESS_ALLOWED;
    if (is_special(ip))
        return ADDRESS_SPECIAL;
    return is_in(r->own, r->own_count, ip) ? ADDRESS_OWN : ADDRESS_OPEN;
}

bool address_port_is_bad(uint16_t port)
{
    static const uint16_t bad[] = {
        0,    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,
        37,   42,   43,   53,   69,   77,   79,   87,   95,   101,  102,  103,  104,  109,
        110,  111,  113,  115,  117,  119,  123,  135,  137,  139,  143,  161,  179,  389,
        427,  465,  512,  513,  514,  515,  526,  530,  531,  532,  540,  548,  554,  556,
        563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723, 2049, 3659, 4045,
        4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (bad[i] == port)
            return true;
    return false;
}
