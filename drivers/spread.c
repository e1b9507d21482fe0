#include "drivers/spread.h"

#include <string.h>

#include "drivers/gue.h"
#include "drivers/layers.h"
#include "drivers/rng.h"

enum {
    ICMP_BYTES = 8,
    ICMP_UNREACHABLE = 3,
    ICMP_FRAGMENTATION_NEEDED = 4, /* a code of it */
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER = 12,
    ICMP6_TOO_BIG = 2,
    ICMP6_ERRORS_END = 128, /* types below are errors (RFC 4443) */
    UDP_BYTES = 8,
    IPV4_PROTOCOL_AT = 23, /* of an untagged frame */
    IPV6_NEXT_AT = 20,
    IPV4_PORT_AT = 36, /* the destination's, behind a header without options */
    IPV6_PORT_AT = 56,
    PLAIN_TCP_BYTES = 58,
};

static uint64_t endpoint(const uint8_t *address, uint32_t address_bytes, const uint8_t *port,
                         uint64_t key)
{
    uint64_t words[2] = {0}, p = 0;
    memcpy(words, address, address_bytes);
    if (port)
        memcpy(&p, port, 2);
    return rng_mix(rng_mix(words[0] ^ key) ^ words[1] ^ p << 48);
}

static bool has_ports(const struct layers *l)
{
    return (l->protocol == LAYERS_TCP || l->protocol == LAYERS_UDP) && !l->is_fragment &&
           l->l4_offset != 0 && l->l4_offset + 4u <= l->end;
}

static uint64_t flow(const uint8_t *frame, const struct layers *l, uint64_t key)
{
    const uint8_t *ip = frame + l->l3_offset;
    const uint8_t *ports = has_ports(l) ? frame + l->l4_offset : NULL;
    const uint8_t *source = l->ip_version == 4 ? ip + 12 : ip + 8;
    uint32_t address_bytes = l->ip_version == 4 ? 4 : 16;

    /* The sum of both ends: equal in both directions, unlike an xor not zero for equal ends. */
    return rng_mix(endpoint(source, address_bytes, ports, key) +
                   endpoint(source + address_bytes, address_bytes, ports ? ports + 2 : NULL, key));
}

static bool is_icmp_error(const uint8_t *frame, const struct layers *l)
{
    if (l->is_fragment || l->l4_offset == 0 || l->l4_offset + (uint32_t)ICMP_BYTES >= l->end)
        return false;
    uint8_t type = frame[l->l4_offset];
    if (l->protocol == LAYERS_ICMP)
        return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
    return l->protocol == LAYERS_ICMP6 && type < ICMP6_ERRORS_END;
}

/* Where the packet in it begins; 0: there is none. Whose it is the data plane asks. */
static uint32_t find_packet(const struct spread *s, const uint8_t *frame, const struct layers *l)
{
    uint32_t at = l->l4_offset;
    bool is_ip6;

    if (l->is_fragment || at == 0)
        return 0;
    if (l->protocol == LAYERS_IP4 || l->protocol == LAYERS_IP6)
        return s->has_ipip ? at : 0;
    if (s->gue_port == 0 || l->protocol != LAYERS_UDP || at + UDP_BYTES > l->end ||
        (frame[at + 2] << 8 | frame[at + 3]) != s->gue_port)
        return 0;

    uint32_t udp = at + UDP_BYTES;

    return gue_find_packet(frame + udp, l->end - udp, &at, &is_ip6) ? udp + at : 0;
}

struct found {
    bool is_quoted;   /* by an ICMP error: the answer to it would come here */
    bool is_unpacked; /* of a balancer's packet */
};

/* Finds the headers of the flow that a frame belongs to or speaks of. */
static bool find_flow(const struct spread *s, const uint8_t *frame, uint32_t len, struct layers *l,
                      struct found *found)
{
    struct layers inner;

    *found = (struct found){0};
    if (!layers_find(frame, len, l))
        return false;
    uint32_t packet = find_packet(s, frame, l);
    if (packet != 0 && layers_find_ip(frame, l->end, (uint16_t)packet, false, &inner)) {
        *l = inner;
        found->is_unpacked = true;
    }
    if (is_icmp_error(frame, l) &&
        layers_find_ip(frame, l->end, (uint16_t)(l->l4_offset + ICMP_BYTES), true, &inner)) {
        *l = inner;
        found->is_quoted = true;
    }
    return true;
}

static bool rpc_queue(const struct spread *s, const uint8_t *frame, const struct layers *l,
                      bool is_quoted, uint16_t *queue)
{
    if (s->rpc_port == 0 || l->protocol != LAYERS_UDP || !has_ports(l))
        return false;
    /* In a datagram of ours that comes back in an error, our port is the source. */
    const uint8_t *port = frame + l->l4_offset + (is_quoted ? 0 : 2);
    uint32_t q = (uint32_t)(port[0] << 8 | port[1]) - s->rpc_port;
    if (q >= s->queues)
        return false;
    *queue = (uint16_t)q;
    return true;
}

/* A connection that a core has opened, or a question that it has asked, comes back to it. */
static bool own_queue(const struct spread *s, const uint8_t *frame, const struct layers *l,
                      bool is_quoted, uint16_t *queue)
{
    if (s->own_each == 0 || !has_ports(l))
        return false;
    const uint8_t *port = frame + l->l4_offset + (is_quoted ? 0 : 2);
    uint32_t own = (uint32_t)(port[0] << 8 | port[1]), at = own - s->own_first;
    if (at >= (uint32_t)s->own_each * s->queues || own == s->listen[0] || own == s->listen[1])
        return false;
    *queue = (uint16_t)(at / s->own_each);
    return true;
}

static uint16_t flow_queue(const struct spread *s, const uint8_t *frame, const struct layers *l)
{
    return (uint16_t)(((flow(frame, l, s->key) >> 32) * s->queues) >> 32);
}

uint16_t spread_queue(const struct spread *s, const uint8_t *frame, uint32_t len)
{
    struct layers l;
    struct found found;
    uint16_t queue;

    if (!find_flow(s, frame, len, &l, &found))
        return 0;
    if (rpc_queue(s, frame, &l, found.is_quoted, &queue) ||
        own_queue(s, frame, &l, found.is_quoted, &queue))
        return queue;
    return flow_queue(s, frame, &l);
}

/* To none of our own ports? */
static bool is_to_service(const struct spread *s, const uint8_t *port)
{
    return (uint32_t)(port[0] << 8 | port[1]) - s->own_first >= (uint32_t)s->own_each * s->queues;
}

/* Most frames, told by a few bytes: this is asked of every one. */
static bool is_plain_tcp(const struct spread *s, const uint8_t *frame, uint32_t len)
{
    if (len < PLAIN_TCP_BYTES)
        return false;
    if (frame[12] == 0x08 && frame[13] == 0x00)
        return frame[14] == 0x45 && frame[IPV4_PROTOCOL_AT] == LAYERS_TCP &&
               is_to_service(s, frame + IPV4_PORT_AT);
    return frame[12] == 0x86 && frame[13] == 0xdd && frame[IPV6_NEXT_AT] == LAYERS_TCP &&
           is_to_service(s, frame + IPV6_PORT_AT);
}

/* The only errors that a core acts on. */
static bool is_too_big(const uint8_t *frame, const struct layers *l)
{
    const uint8_t *icmp = frame + l->l4_offset;
    return is_icmp_error(frame, l) &&
           (l->protocol == LAYERS_ICMP
                ? icmp[0] == ICMP_UNREACHABLE && icmp[1] == ICMP_FRAGMENTATION_NEEDED
                : icmp[0] == ICMP6_TOO_BIG);
}

enum spread_detour spread_detour(const struct spread *s, const uint8_t *frame, uint32_t len,
                                 uint16_t *queue)
{
    struct layers outer, l;
    struct found found;

    if (is_plain_tcp(s, frame, len) || !layers_find(frame, len, &outer) ||
        !find_flow(s, frame, len, &l, &found))
        return SPREAD_STAYS;
    if (rpc_queue(s, frame, &l, found.is_quoted, queue) ||
        own_queue(s, frame, &l, found.is_quoted, queue))
        return SPREAD_TO_ONE;
    if (found.is_unpacked) {
        *queue = flow_queue(s, frame, &l);
        return SPREAD_TO_ONE;
    }
    return found.is_quoted && is_too_big(frame, &outer) ? SPREAD_TO_ALL : SPREAD_STAYS;
}
