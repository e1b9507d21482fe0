/* key_share.h
 *
 * The groups of the key exchange that we speak, in order of preference, and whether a client's
 * share of one is sound: looked at before the library sees it. A library without point validation
 * computes a secret with any pair of numbers; one with it fails behind its ServerHello, when there
 * are no keys for an alert.
 *
 *   X25519                  32 bytes, none of the points whose shared secret is all zeros
 *   P-256, P-384, P-521     4 | x | y, a point of the curve
 *   X25519MLKEM768          a key of ML-KEM (every coefficient below q), then X25519's 32 bytes
 *
 * Which of them there are depends on how wolfSSL was built. Thread: any. Memory: none kept.
 * Sources: RFC 8446 4.2.8.2 and 7.4.2, RFC 8422 5.11, RFC 7748 6.1, FIPS 203 7.2,
 * draft-ietf-tls-ecdhe-mlkem.
 */
#ifndef HEARTH_KEY_SHARE_H
#define HEARTH_KEY_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of the TLS Supported Groups registry; the best first. Returns how many, at most max. */
size_t key_share_groups(int *groups, size_t max);

/* One of them? */
bool key_share_is_spoken(uint16_t group);

/* What a client sent for a group; for one that we do not speak, anything is. */
bool key_share_is_sound(uint16_t group, const uint8_t *bytes, size_t len);

/* The same for TLS 1.2's ClientKeyExchange, where the length tells the group. */
bool key_share_is_sound12(const uint8_t *bytes, size_t len);

#endif
