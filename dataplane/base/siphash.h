/* siphash.h
 *
 * SipHash-2-4: a pseudo-random function of short inputs, fast without hardware. For whatever must
 * not be guessed or made by others: initial sequence numbers, SYN cookies, timestamp offsets, the
 * seal of a capability.
 *
 * Pure. Bytes in, little-endian inside, as the paper says; the 128-bit output is bytes.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, and its reference code
 * for 128 bits.
 *
 * Rejected: XXH3, which is no pseudo-random function.
 */
#ifndef HEARTH_SIPHASH_H
#define HEARTH_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash_64(const uint8_t key[16], const void *bytes, size_t len);
void siphash_128(const uint8_t key[16], const void *bytes, size_t len, uint8_t out[16]);

#endif
