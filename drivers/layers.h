/* layers.h
 *
 * Where the headers of a frame are: enough to verify a checksum or to choose a queue, no more. Real
 * parsing, with a counter per refusal, is the data plane's.
 *
 *   | Ethernet [802.1Q] [802.1ad] | IPv4 or IPv6 [extension headers] | TCP, UDP, ... |
 *                                 ^ l3_offset                        ^ l4_offset     ^ end
 *
 * Units: bytes from the start of the frame. Pure; never reads past len.
 */
#ifndef HEARTH_LAYERS_H
#define HEARTH_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LAYERS_ICMP = 1,
    LAYERS_IP4 = 4,
    LAYERS_TCP = 6,
    LAYERS_UDP = 17,
    LAYERS_IP6 = 41,
    LAYERS_ICMP6 = 58,
};

struct layers {
    uint16_t l3_offset;
    uint16_t l4_offset; /* 0: not known (unknown extension header, or cut short) */
    uint32_t end;       /* of the IP packet: Ethernet padding lies behind it */
    uint8_t ip_version; /* 4 or 6 */
    uint8_t protocol;   /* of what is at l4_offset */
    bool is_fragment;
};

/* False: not IP, or its lengths contradict the frame's. */
bool layers_find(const uint8_t *frame, uint32_t len, struct layers *);

/* The same for an IP packet that starts at l3_offset; end may be cut short (as in an ICMP error).
 */
bool layers_find_ip(const uint8_t *frame, uint32_t len, uint16_t l3_offset, bool may_be_cut,
                    struct layers *);

#endif
