/* csum.h
 *
 * Internet checksums in software: for every port whose device does not offer them. Used by
 * port_dpdk and port_sim, so both give the same verdicts.
 *
 * Pure, one pass over the bytes. Source: RFC 1071, RFC 768 (zero means none), RFC 8200 8.1.
 */
#ifndef HEARTH_CSUM_H
#define HEARTH_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "drivers/port.h"

/* The one's complement sum of len bytes, folded to 16 bits, in memory order; `sum` is that of what
 * came before (an even number of bytes). The checksum field is its complement. */
uint16_t csum_add(uint16_t sum, const void *bytes, size_t len);

/* csum_verify is going to read all of the frame: its cache lines are on their way from now on. */
static inline void csum_expect(const uint8_t *bytes, uint32_t len)
{
    for (uint32_t at = 0; at < len; at += 64)
        __builtin_prefetch(bytes + at);
}

/* How many frames ahead: with fewer, or more, a burst that no cache has takes longer. */
enum { CSUM_EXPECT_AHEAD = 6 };

/* The verdict that port.h promises. A frame whose lengths make no sense is NONE: the data plane
 * refuses it by name. */
enum frame_rx_csum csum_verify(const uint8_t *bytes, uint32_t len);

/* The same when hardware has already judged the IPv4 header. */
enum frame_rx_csum csum_verify_l4(const uint8_t *bytes, uint32_t len);

/* The same when it has judged TCP's or UDP's, and found it good. */
enum frame_rx_csum csum_verify_ip(const uint8_t *bytes, uint32_t len);

/* Writes the checksums that f->tx_csum asks for. */
void csum_fill(struct frame *f);

/* Of those the IPv4 header's; nothing to do over IPv6. */
void csum_fill_ip(struct frame *f);

/* Sum of the pseudo-header (not complemented): what hardware wants to find in the TCP or UDP
 * checksum field. */
uint16_t csum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t l4_bytes);

/* Where the checksum field of a TCP or UDP header is. */
enum { CSUM_AT_IPV4 = 10, CSUM_AT_TCP = 16, CSUM_AT_UDP = 6 };

#endif
