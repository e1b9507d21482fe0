#include "drivers/spread.h"

#include <string.h>

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
    IPV4_PROTOCOL_AT = 23,  /* of an untagged frame */
    IPV6_NEXT_AT = 20,
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

/* Finds the headers of the flow that a frame belongs to or speaks of. Of the latter it is the
 * answer that would come here: *is_quoted. */
static bool find_flow(const uint8_t *frame, uint32_t len, struct layers *l, bool *is_quoted)
{
    struct layers inner;

    *is_quoted = false;
    if (!layers_find(frame, len, l))
        return false;
    if (is_icmp_error(frame, l) &&
        layers_find_ip(frame, l->end, (uint16_t)(l->l4_offset + ICMP_BYTES), true, &inner)) {
        *l = inner;
        *is_quoted = true;
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

uint16_t spread_queue(const struct spread *s, const uint8_t *frame, uint32_t len)
{
    struct layers l;
    bool is_quoted;
    uint16_t queue;

    if (!find_flow(frame, len, &l, &is_quoted))
        return 0;
    if (rpc_queue(s, frame, &l, is_quoted, &queue))
        return queue;
    return (uint16_t)(((flow(frame, &l, s->key) >> 32) * s->queues) >> 32);
}

/* Most frames, told by three bytes: this is asked of every one. */
static bool is_plain_tcp(const uint8_t *frame, uint32_t len)
{
    if (len <= IPV4_PROTOCOL_AT)
        return false;
    if (frame[12] == 0x08 && frame[13] == 0x00)
        return frame[IPV4_PROTOCOL_AT] == LAYERS_TCP;
    return frame[12] == 0x86 && frame[13] == 0xdd && frame[IPV6_NEXT_AT] == LAYERS_TCP;
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
    bool is_quoted;

    if (is_plain_tcp(frame, len) || !layers_find(frame, len, &outer) ||
        !find_flow(frame, len, &l, &is_quoted))
        return SPREAD_STAYS;
    if (rpc_queue(s, frame, &l, is_quoted, queue))
        return SPREAD_TO_ONE;
    return is_quoted && is_too_big(frame, &outer) ? SPREAD_TO_ALL : SPREAD_STAYS;
}
