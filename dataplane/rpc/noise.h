/* noise.h
 *
 * The handshake between two nodes: Noise_IKpsk2_25519_AESGCM_SHA256. Both know the other's static
 * key from the membership and share a secret; two messages, then two transport keys.
 *
 *   initiator                                            responder
 *     e, es, s, ss, payload   --- NOISE_INIT ------------>
 *                             <-- NOISE_RESPONSE ---------  e, ee, se, psk, payload
 *     send key, receive key                                send key, receive key
 *
 * Pure computation: the caller gives the ephemeral private key (32 random bytes, never used again)
 * and carries the messages. aead_init must have run. Secrets are wiped by noise_fini, when the
 * handshake ends, and when it fails.
 *
 * A message that does not verify, or whose keys are of low order (the shared secret would be known
 * to all), is NOISE_BAD:
 *   an init:     nothing is learned from it; the state is wiped
 *   a response:  the state is as before, because anybody can forge one; the true one may still come
 *   our own:     the peer's key is of low order; the state is wiped
 * An init proves no freshness: an old one can be sent again by anybody who saw it. Only traffic
 * under the new keys proves that the initiator is there.
 *
 * Thread: none of its own; one state belongs to one thread at a time.
 * Sources: The Noise Protocol Framework, revision 34 (sections 5, 7.5, 9, 12); RFC 7748; RFC 5869
 * for HKDF's shape.
 */
#ifndef HEARTH_NOISE_H
#define HEARTH_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NOISE_KEY_BYTES = 32,
    NOISE_TAG_BYTES = 16,
    NOISE_SEAL_KEY_BYTES = 16,
    NOISE_PAYLOAD_BYTES_MAX = 256,
    NOISE_INIT_BYTES =
        NOISE_KEY_BYTES + NOISE_KEY_BYTES + NOISE_TAG_BYTES + NOISE_TAG_BYTES, /* + payload */
    NOISE_RESPONSE_BYTES = NOISE_KEY_BYTES + NOISE_TAG_BYTES,                  /* + payload */
};

enum noise_result { NOISE_OK, NOISE_BAD };

struct noise_identity {
    uint8_t private_key[NOISE_KEY_BYTES]; /* X25519 */
    uint8_t public_key[NOISE_KEY_BYTES];
};

struct noise {
    uint8_t chaining_key[32], hash[32];
    uint8_t cipher_key[32];
    uint64_t cipher_nonce;
    bool has_cipher_key; /* a handshake is under way */
    uint8_t ephemeral_private[NOISE_KEY_BYTES], ephemeral_public[NOISE_KEY_BYTES];
    uint8_t remote_ephemeral[NOISE_KEY_BYTES], remote_static[NOISE_KEY_BYTES];
    uint8_t secret[32]; /* the shared one */
    const struct noise_identity *identity;
};

struct noise_keys {
    uint8_t send[32], receive[32];
    uint8_t hash[32]; /* of the handshake: names the session */
};

/* From the private key; clamps it. 0, or -EINVAL: the key is all zeros, that is, was never set. */
int noise_identity_init(struct noise_identity *, const uint8_t private_key[NOISE_KEY_BYTES]);

/* Initiator. Writes NOISE_INIT_BYTES + payload_bytes (at most NOISE_PAYLOAD_BYTES_MAX). identity
 * must outlive the state. prologue binds what both must agree on. */
enum noise_result noise_write_init(struct noise *, const struct noise_identity *,
                                   const uint8_t remote_static[32], const uint8_t secret[32],
                                   const uint8_t ephemeral_private[32], const void *prologue,
                                   size_t prologue_bytes, const void *payload, size_t payload_bytes,
                                   uint8_t *out);
/* payload has room for NOISE_PAYLOAD_BYTES_MAX. OK: *keys are the session's, the state is wiped. */
enum noise_result noise_read_response(struct noise *, const uint8_t *message, size_t bytes,
                                      uint8_t *payload, size_t *payload_bytes, struct noise_keys *);

/* Responder. After noise_read_init, noise.remote_static says who it is: the caller checks that it
 * is a member before it answers. payload has room for NOISE_PAYLOAD_BYTES_MAX. */
enum noise_result noise_read_init(struct noise *, const struct noise_identity *,
                                  const uint8_t secret[32], const void *prologue,
                                  size_t prologue_bytes, const uint8_t *message, size_t bytes,
                                  uint8_t *payload, size_t *payload_bytes);
/* Writes NOISE_RESPONSE_BYTES + payload_bytes. OK: *keys are the session's. The state is wiped
 * either way. */
enum noise_result noise_write_response(struct noise *, const uint8_t ephemeral_private[32],
                                       const void *payload, size_t payload_bytes, uint8_t *out,
                                       struct noise_keys *);

/* The key for a seal outside of the handshake, on what is said to the node with that public key:
 * whoever knows the shared secret and the key can make it, nobody else. Not Noise's. */
void noise_seal_key(uint8_t out[NOISE_SEAL_KEY_BYTES], const uint8_t secret[32],
                    const uint8_t public_key[NOISE_KEY_BYTES]);

/* Wipes it. Also good for one that is all zeros, or was wiped before. */
void noise_fini(struct noise *);

#endif
