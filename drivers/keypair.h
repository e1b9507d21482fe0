/* keypair.h
 *
 * A certificate chain and its private key as an operator hands them in: read, understood and
 * compared by libcrypto, and RSA signatures by it. wolfSSL's headers and OpenSSL's do not go into
 * one translation unit, so they meet here: nothing of either is in this header.
 *
 *   chain file   PEM, the leaf first, or one certificate in DER
 *   key file     PEM or DER, not encrypted; RSA of 2,048 bits or more, or a curve of 256 or more;
 *                only its owner and group may read it
 *
 * Errors are sentences that name the file and what it holds instead. Immutable after keypair_read:
 * any thread may sign.
 *
 * Rejected: wolfSSL to read and compare them: it accepts a foreign ECDSA key, and says one thing
 * for a BOM, an encrypted key and a missing file. One library for all signatures (RSA of up to
 * 3,072 bits is libcrypto's, the rest wolfCrypt's): server CPU of a handshake with RSA 2,048 is 823
 * us by wolfCrypt against 486, with P-384 1,348 by libcrypto against 610; P-256, RSA 3,072 and
 * 4,096 are within 7 %.
 */
#ifndef HEARTH_KEYPAIR_H
#define HEARTH_KEYPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keypair;

/* A length of bytes that the keypair owns. */
struct keypair_bytes {
    const uint8_t *bytes;
    size_t len;
};

/* NULL, and a sentence in error. */
struct keypair *keypair_read(const char *chain_file, const char *key_file, char *error,
                             size_t error_bytes);
/* Wipes the key. NULL is fine. */
void keypair_destroy(struct keypair *);

/* The chain again, as PEM, the leaf first; the key, as the DER of its own kind (PKCS #1, SEC 1). */
struct keypair_bytes keypair_chain(const struct keypair *);
struct keypair_bytes keypair_key(const struct keypair *);

/* Calls each with every DNS name of the leaf's subjectAltName, or with its common name if it has no
 * alternatives. As written in the certificate, NUL-terminated; names with a NUL inside are left
 * out. */
void keypair_names(const struct keypair *, void (*each)(void *arg, const char *name), void *arg);
/* notAfter of the leaf, seconds since 1970. */
int64_t keypair_expires(const struct keypair *);

/* RSA whose signatures are better made here than by wolfCrypt: up to KEYPAIR_SIGNS_BITS_MAX.
 * Measured in CPU time of a whole handshake, wolfCrypt 5.9.2 with assembly against libcrypto 3.0:
 * RSA 2,048 823 us against 486, 3,072 2,194 against 2,112, 4,096 4,576 against 4,770; P-256 258
 * against 275, P-384 610 against 1,348. */
enum { KEYPAIR_SIGNS_BITS_MAX = 3072 };
bool keypair_signs(const struct keypair *);

/* Only where keypair_signs. signature has room for *len bytes and gets the modulus' length. False:
 * no memory, or no room. PSS (RFC 8017, 8.1) with a salt as long as the digest, which is SHA-256
 * (32 bytes), SHA-384 (48) or SHA-512 (64). */
bool keypair_sign_pss(const struct keypair *, const uint8_t *digest, size_t digest_bytes,
                      uint8_t *signature, size_t *len);
/* PKCS #1 1.5 (8.2) over what is already a DigestInfo. */
bool keypair_sign_pkcs1(const struct keypair *, const uint8_t *info, size_t info_bytes,
                        uint8_t *signature, size_t *len);

#endif
