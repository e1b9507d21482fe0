/* ip.h
 *
 * Addresses of both families in one form, and the Internet checksum. IPv4 a.b.c.d is ::ffff:a.b.c.d
 * (RFC 4291 2.5.5.2); such an address never appears in an IPv6 header that we accept or send. Pure
 * functions.
 */
#ifndef HEARTH_IP_H
#define HEARTH_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern const uint8_t ip_unspecified[16]; /* :: */

struct net_address {
    uint8_t ip[16];
    uint8_t prefix_len; /* of the 128 bits: IPv4 /24 is 120 */
};

void ip_from_ip4(uint8_t ip[16], const uint8_t ip4[4]);

static inline bool ip_equal(const uint8_t a[16], const uint8_t b[16])
{
    uint64_t x[2], y[2];

    memcpy(x, a, 16);
    memcpy(y, b, 16);
    return x[0] == y[0] && x[1] == y[1];
}

static inline bool ip_is_zero(const uint8_t ip[16])
{
    return ip_equal(ip, ip_unspecified);
}

static inline bool ip_is_ip4(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(ip, mapped, 12) == 0;
}

static inline bool ip6_is_multicast(const uint8_t ip[16])
{
    return ip[0] == 0xff;
}

static inline bool ip6_is_link_local(const uint8_t ip[16])
{
    return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

/* Do the first prefix_len bits agree? */
bool ip_in_prefix(const uint8_t ip[16], const uint8_t prefix[16], uint8_t prefix_len);

/* ff02::1:ffXX:XXXX of an address (RFC 4291 2.7.1), and the MAC of a multicast address (RFC 2464
 * 7). */
void ip6_solicited_node(uint8_t out[16], const uint8_t ip[16]);
void ip6_multicast_mac(uint8_t mac[6], const uint8_t ip[16]);

/* ---- checksum: RFC 1071; sums are of 16-bit words in memory order ---- */

uint32_t ip_sum(const void *bytes, size_t len, uint32_t sum);
/* The pseudo header of TCP, UDP and ICMPv6; of either family, by the form of src. */
uint32_t ip_sum_pseudo(const uint8_t src[16], const uint8_t dst[16], uint8_t protocol, size_t len);
/* What goes into the header, ready to be copied; 0 over a packet whose checksum is right. */
uint16_t ip_sum_end(uint32_t sum);

#endif
