/* fixture.h
 *
 * Frames for tests, written as a base frame and a list of changes, so that a row shows only what is
 * unusual.
 *
 *   frame_make(&f, TCP4, "14:46 len:60")        word by word:
 *
 *     22:ff00       bytes from that offset on are ff 00
 *     len:N         the frame has N bytes (cut, or padded with zero)
 *     vlan:0064     an 802.1Q tag with that TCI
 *     ext:2b:HEX    an IPv6 extension header of type 2b behind the fixed header; its next-header
 *                   byte is filled in; the last one given is the first in the packet
 *     raw  rawl4    checksums stay as they are (rawl4: but IPv4's); otherwise all are made right
 *     good ip l4    what the port says of the checksums: FRAME_CSUM_GOOD, _BAD_IP, _BAD_L4;
 *                   otherwise NONE
 *
 * The node under test: 02:00:00:00:00:01, 10.0.0.1/24, fd00::1/64, fe80::ff:fe00:1. The host that
 * sends: ...:02, 10.0.0.2, fd00::2. Gateways 10.0.0.254, fd00::fe.
 */
#ifndef HEARTH_FIXTURE_H
#define HEARTH_FIXTURE_H

#include "dataplane/net/net.h"

enum base {
    TCP4,       /* 54 bytes: IP at 14, TCP at 34 */
    UDP4,       /* 46: 4 bytes of payload */
    ECHO4,      /* 50: ICMP at 34, 8 bytes of data */
    TOO_BIG4,   /* 70: ICMP at 34, quoted IP at 42, quoted TCP at 62; mtu 1400 */
    ARP_ASK,    /* 42: ARP at 14, sender at 22 and 28, target at 32 and 38 */
    ARP_ANSWER, /* 42 */
    TCP6,       /* 74: IP at 14 (src 22, dst 38), TCP at 54 */
    UDP6,       /* 66 */
    ECHO6,      /* 70: ICMP at 54 */
    TOO_BIG6,   /* 118: ICMP at 54, quoted IP at 62, quoted TCP at 102; mtu 1400 */
    NS,         /* 86: ICMP at 54, target at 62, option at 78 */
    NA,         /* 86: about fd00::2, solicited, override */
    RA,         /* 70 */
    BASES,
};

enum { FIXTURE_BYTES = 2048 };

struct fixture_frame {
    uint8_t bytes[FIXTURE_BYTES];
    struct frame frame;
};

void frame_make(struct fixture_frame *, enum base, const char *changes);
/* Makes the checksums of whatever IP packet this is right. */
void frame_fix_checksums(uint8_t *bytes, size_t len);
void config_make(struct net_config *, uint8_t host); /* host 1: the node under test */

#endif
