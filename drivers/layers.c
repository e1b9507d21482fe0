#include "drivers/layers.h"

#include <stddef.h>

enum {
    ETHERTYPE_AT = 12,
    ETHERNET_BYTES = 14,
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    VLAN_TAGS_MAX = 2,

    IPV4_BYTES_MIN = 20,
    IPV6_BYTES = 40,
    IPV6_EXTENSIONS_MAX = 8,
    IPV6_HOP_BY_HOP = 0,
    IPV6_ROUTING = 43,
    IPV6_FRAGMENT = 44,
    IPV6_DESTINATION = 60,
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool find_ipv4(const uint8_t *ip, uint32_t room, bool may_be_cut, struct layers *l)
{
    if (room < IPV4_BYTES_MIN)
        return false;
    uint32_t header = (ip[0] & 15u) * 4;
    uint32_t total = be16(ip + 2);
    if (header < IPV4_BYTES_MIN || total < header || header > room)
        return false;
    if (total > room) {
        if (!may_be_cut)
            return false;
        total = room;
    }
    l->ip_version = 4;
    l->protocol = ip[9];
    l->is_fragment = (be16(ip + 6) & 0x3fff) != 0; /* more fragments, or an offset */
    l->l4_offset = (uint16_t)(l->l3_offset + header);
    l->end = l->l3_offset + total;
    return true;
}

static bool find_ipv6(const uint8_t *ip, uint32_t room, bool may_be_cut, struct layers *l)
{
    if (room < IPV6_BYTES)
        return false;
    uint32_t total = IPV6_BYTES + be16(ip + 4);
    if (total > room) {
        if (!may_be_cut)
            return false;
        total = room;
    }
    l->ip_version = 6;
    l->is_fragment = false;
    l->l4_offset = 0;
    l->end = l->l3_offset + total;

    uint8_t next = ip[6];
    uint32_t at = IPV6_BYTES;
    for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
        bool is_extension = next == IPV6_HOP_BY_HOP || next == IPV6_ROUTING ||
                            next == IPV6_FRAGMENT || next == IPV6_DESTINATION;
        if (!is_extension) {
            l->protocol = next;
            l->l4_offset = (uint16_t)(l->l3_offset + at);
            return true;
        }
        if (at + 8 > total)
            return true;
        const uint8_t *extension = ip + at;
        /* With segments left, the pseudo-header's destination is not the one in this header. */
        if (next == IPV6_ROUTING && extension[3] != 0)
            return true;
        if (next == IPV6_FRAGMENT) {
            l->is_fragment = true;
            at += 8;
        } else {
            at += 8 * (1u + extension[1]);
        }
        next = extension[0];
        if (at > total)
            return true;
        if (l->is_fragment) {
            l->protocol = next;
            l->l4_offset = (uint16_t)(l->l3_offset + at);
            return true;
        }
    }
    return true;
}

bool layers_find_ip(const uint8_t *frame, uint32_t len, uint16_t l3_offset, bool may_be_cut,
                    struct layers *l)
{
    *l = (struct layers){.l3_offset = l3_offset};
    if (l3_offset >= len)
        return false;
    const uint8_t *ip = frame + l3_offset;
    uint32_t room = len - l3_offset;
    switch (ip[0] >> 4) {
    case 4:
        return find_ipv4(ip, room, may_be_cut, l);
    case 6:
        return find_ipv6(ip, room, may_be_cut, l);
    default:
        return false;
    }
}

bool layers_find(const uint8_t *frame, uint32_t len, struct layers *l)
{
    uint32_t at = ETHERTYPE_AT;
    for (int tags = 0; at + 2 <= len; tags++, at += 4) {
        uint16_t type = be16(frame + at);
        bool is_tag = type == TYPE_VLAN || type == TYPE_QINQ;
        if (is_tag && tags < VLAN_TAGS_MAX)
            continue;
        if (type != TYPE_IPV4 && type != TYPE_IPV6)
            return false;
        if (!layers_find_ip(frame, len, (uint16_t)(at + 2), false, l))
            return false;
        return l->ip_version == (type == TYPE_IPV4 ? 4 : 6);
    }
    return false;
}
