/* gue.h
 *
 * Generic UDP Encapsulation: what stands between a UDP header and the IP packet that it carries.
 *
 *   version 0   | 0 0 | C | hlen | type | flags (16) | hlen x 4 bytes | packet of that type
 *   version 1   | the packet itself: its first nibble, 4 or 6, has 01 for the version's bits
 *
 * Taken: data (C is 0) of type IPv4 (4) or IPv6 (41), without flags. What hlen counts is passed
 * over: some balancers put words of their own there. A flag that is set would say how to read
 * them, and one that is not known makes the packet unreadable (section 3.3).
 *
 * Pure; never reads past bytes. Source: draft-ietf-intarea-gue-09, 3 and 4.
 */
#ifndef HEARTH_GUE_H
#define HEARTH_GUE_H

#include <stdbool.h>
#include <stdint.h>

enum { GUE_BYTES = 4, GUE_IP4 = 4, GUE_IP6 = 41 };

/* Where the packet begins, and whether it is IPv6. False: not one that is taken. */
static inline bool gue_find_packet(const uint8_t *p, uint32_t bytes, uint32_t *at, bool *is_ip6)
{
    if (bytes < GUE_BYTES)
        return false;
    if (p[0] >> 6 == 1) {
        *at = 0;
        *is_ip6 = p[0] >> 4 == 6;
        return p[0] >> 4 == 4 || p[0] >> 4 == 6;
    }
    *at = GUE_BYTES + (p[0] & 0x1fu) * 4;
    *is_ip6 = p[1] == GUE_IP6;
    return p[0] >> 5 == 0 && (p[1] == GUE_IP4 || p[1] == GUE_IP6) && (p[2] | p[3]) == 0 &&
           *at <= bytes;
}

#endif
