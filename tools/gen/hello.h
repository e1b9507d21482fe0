/* hello.h
 *
 * A ClientHello (RFC 8446 4.1.2) in one TLS record, as three sorts of clients send it. All fit into
 * one segment of an MTU of 1,500 bytes, if the name has at most 60 bytes.
 *
 *   HELLO_PLAIN    X25519 and what TLS 1.3 wants at least              about 200 bytes
 *   HELLO_GREASE   a browser's: reserved values among suites, groups, versions, shares and
 *                  extensions (RFC 8701), old suites, ALPN, padding (RFC 7685)        517 bytes
 *   HELLO_HYBRID   a share of X25519MLKEM768, 1,216 bytes              about 1,400 bytes
 *
 * Keys and randoms come from `seed`: the same seed, the same bytes. They are keys that a server
 * accepts, and whose secrets nobody has.
 *
 * Pure; nothing is allocated.
 */
#ifndef HEARTH_GEN_HELLO_H
#define HEARTH_GEN_HELLO_H

#include <stddef.h>
#include <stdint.h>

enum hello_shape { HELLO_PLAIN, HELLO_GREASE, HELLO_HYBRID, HELLO_SHAPES };

enum { HELLO_NAME_BYTES_MAX = 60, HELLO_BYTES = 1448 /* as many are enough for any */ };

extern const char *const hello_shape_name[HELLO_SHAPES];

/* Bytes written to buf, HELLO_BYTES long. name: 1 to HELLO_NAME_BYTES_MAX bytes. */
size_t hello_write(uint8_t *buf, enum hello_shape, const char *name, uint64_t seed);

#endif
