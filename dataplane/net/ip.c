#include "dataplane/net/ip.h"

#include <arpa/inet.h>
#include <endian.h>

const uint8_t ip_unspecified[16];

void ip_from_ip4(uint8_t ip[16], const uint8_t ip4[4])
{
    memset(ip, 0, 10);
    ip[10] = ip[11] = 0xff;
    memcpy(ip + 12, ip4, 4);
}

bool ip_in_prefix(const uint8_t ip[16], const uint8_t prefix[16], uint8_t prefix_len)
{
    uint64_t a[2], b[2];

    memcpy(a, ip, 16);
    memcpy(b, prefix, 16);

    /* Each packet is held against each of our prefixes: no memcmp, which is a call. */
    uint64_t high = be64toh(a[0] ^ b[0]), low = be64toh(a[1] ^ b[1]);

    if (prefix_len <= 64)
        return prefix_len == 0 || high >> (64 - prefix_len) == 0;
    return high == 0 && low >> (128 - prefix_len) == 0;
}

void ip6_solicited_node(uint8_t out[16], const uint8_t ip[16])
{
    static const uint8_t prefix[13] = {0xff, 0x02, [11] = 0x01, [12] = 0xff};

    memcpy(out, prefix, sizeof(prefix));
    memcpy(out + 13, ip + 13, 3);
}

void ip6_multicast_mac(uint8_t mac[6], const uint8_t ip[16])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, ip + 12, 4);
}

uint32_t ip_sum(const void *bytes, size_t len, uint32_t sum)
{
    const uint8_t *p = bytes;
    uint64_t wide = sum;

    /* Four bytes at a time into 64 bits: one's complement addition does not care about the width
     * (RFC 1071 2 (C)). */
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word;

        memcpy(&word, p, 4);
        wide += word;
    }
    if (len > 0) {
        uint32_t word = 0;

        memcpy(&word, p, len);
        wide += word;
    }
    while (wide >> 32 != 0)
        wide = (wide & UINT32_MAX) + (wide >> 32);
    return (uint32_t)wide;
}

uint32_t ip_sum_pseudo(const uint8_t src[16], const uint8_t dst[16], uint8_t protocol, size_t len)
{
    bool is_ip4 = ip_is_ip4(src);
    size_t skip = is_ip4 ? 12 : 0;
    uint32_t tail[2] = {htonl((uint32_t)len), htonl(protocol)};
    uint32_t sum = ip_sum(src + skip, 16 - skip, 0);

    return ip_sum(tail, sizeof(tail), ip_sum(dst + skip, 16 - skip, sum));
}

uint16_t ip_sum_end(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}
