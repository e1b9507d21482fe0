#include "dataplane/net/decapsulation.h"

#include "dataplane/net/net_wire.h"
#include "drivers/gue.h"

uint16_t decapsulation_bytes(const struct decapsulation *d, bool has_ip6)
{
    if (!decapsulation_is_on(d))
        return 0;
    return (uint16_t)((has_ip6 ? IP6_BYTES : IP4_BYTES) +
                      (d->gue_port != 0 ? UDP_HEADER_BYTES + GUE_BYTES : 0));
}

bool decapsulation_wants(const struct decapsulation *d, uint8_t protocol, const uint8_t *l4,
                         size_t bytes)
{
    if (protocol == PROTOCOL_IP4 || protocol == PROTOCOL_IP6)
        return d->has_ipip;
    return protocol == PROTOCOL_UDP && d->gue_port != 0 && bytes >= UDP_HEADER_BYTES &&
           wire_u16(l4 + 2) == d->gue_port;
}

bool decapsulation_is_from_balancer(const struct decapsulation *d, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < d->from_count; i++)
        if (ip_is_ip4(d->from[i].ip) == ip_is_ip4(ip) &&
            ip_in_prefix(ip, d->from[i].ip, d->from[i].prefix_len))
            return true;
    return false;
}
