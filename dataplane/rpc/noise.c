#include "dataplane/rpc/noise.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "drivers/aead.h"

/* ---- primitives ---- */

/* Exactly a hash long, so that it is the first handshake hash as it stands (section 5.2). */
static const char protocol_name[] = "Noise_IKpsk2_25519_AESGCM_SHA256";
static_assert(sizeof(protocol_name) - 1 == 32, "the protocol's name needs no hashing");
static_assert(WC_SHA256_DIGEST_SIZE == 32 && CURVE25519_KEYSIZE == NOISE_KEY_BYTES, "sizes");
static_assert((int)AEAD_TAG_BYTES == (int)NOISE_TAG_BYTES, "sizes");

static void clamp(uint8_t scalar[32])
{
    scalar[0] &= 248;
    scalar[31] = (uint8_t)((scalar[31] & 127) | 64);
}

static bool is_zero(const uint8_t bytes[32])
{
    uint8_t any = 0;

    for (int i = 0; i < 32; i++)
        any |= bytes[i];
    return any == 0;
}

/* Low order points give zeros: a secret that everybody knows (RFC 7748, section 6.1). */
static bool dh(uint8_t out[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
    uint8_t scalar[32], point[32];

    memcpy(scalar, private_key, sizeof(scalar));
    clamp(scalar); /* wolfCrypt takes no other */
    memcpy(point, public_key, sizeof(point));
    point[31] &= 127; /* section 5: not part of the number; wolfCrypt's assembly takes it for one */
    int err = wc_curve25519_generic(32, out, 32, scalar, 32, point);
    explicit_bzero(scalar, sizeof(scalar));
    return err == 0 && !is_zero(out);
}

static bool public_of(uint8_t out[32], const uint8_t private_key[32])
{
    static const uint8_t base_point[32] = {9};

    return dh(out, private_key, base_point);
}

/* wolfCrypt's software hashes fail only for null pointers and exhausted devices: our bug. */
static void must(int err)
{
    assert(err == 0);
}

static void hmac(uint8_t out[32], const uint8_t key[32], const void *bytes, size_t len)
{
    Hmac h;

    must(wc_HmacInit(&h, NULL, INVALID_DEVID));
    must(wc_HmacSetKey(&h, WC_SHA256, key, 32));
    must(wc_HmacUpdate(&h, bytes, (word32)len));
    must(wc_HmacFinal(&h, out));
    wc_HmacFree(&h);
    explicit_bzero(&h, sizeof(h));
}

/* HKDF of section 4.3: as many outputs of 32 bytes as there are places for. out[0] may be the
 * chaining key itself. */
static void hkdf(const uint8_t chaining_key[32], const void *input, size_t input_bytes,
                 uint8_t *const *out, uint8_t count)
{
    uint8_t secret[32], block[33];

    hmac(secret, chaining_key, input, input_bytes);
    for (uint8_t i = 1; i <= count; i++) {
        size_t before = i == 1 ? 0 : 32;
        block[before] = i;
        hmac(block, secret, block, before + 1);
        memcpy(out[i - 1], block, 32);
    }
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(block, sizeof(block));
}

/* ---- symmetric state (section 5.2) ---- */

static void mix_hash(struct noise *n, const void *bytes, size_t len)
{
    wc_Sha256 sha;

    must(wc_InitSha256(&sha));
    must(wc_Sha256Update(&sha, n->hash, sizeof(n->hash)));
    if (len > 0)
        must(wc_Sha256Update(&sha, bytes, (word32)len));
    must(wc_Sha256Final(&sha, n->hash));
    wc_Sha256Free(&sha);
}

static void mix_key(struct noise *n, const uint8_t input[32])
{
    hkdf(n->chaining_key, input, 32, (uint8_t *[]){n->chaining_key, n->cipher_key}, 2);
    n->cipher_nonce = 0;
    n->has_cipher_key = true;
}

static void mix_secret(struct noise *n)
{
    uint8_t hashed[32];

    hkdf(n->chaining_key, n->secret, sizeof(n->secret),
         (uint8_t *[]){n->chaining_key, hashed, n->cipher_key}, 3);
    mix_hash(n, hashed, sizeof(hashed));
    n->cipher_nonce = 0;
    explicit_bzero(hashed, sizeof(hashed));
}

static bool mix_dh(struct noise *n, const uint8_t private_key[32], const uint8_t public_key[32])
{
    uint8_t shared[32];
    bool is_good = dh(shared, private_key, public_key);

    if (is_good)
        mix_key(n, shared);
    explicit_bzero(shared, sizeof(shared));
    return is_good;
}

/* AESGCM's nonce (section 12): 32 zero bits, then the number, big-endian. */
static void next_nonce(struct noise *n, uint8_t nonce[AEAD_NONCE_BYTES])
{
    uint64_t number = n->cipher_nonce++;

    memset(nonce, 0, 4);
    for (int i = 11; i >= 4; i--, number >>= 8)
        nonce[i] = (uint8_t)number;
}

/* Writes len + NOISE_TAG_BYTES. */
static void seal_and_hash(struct noise *n, uint8_t *out, const void *in, size_t len)
{
    struct aead_key key;
    uint8_t nonce[AEAD_NONCE_BYTES];

    assert(n->has_cipher_key);
    next_nonce(n, nonce);
    aead_key_init(&key, n->cipher_key, sizeof(n->cipher_key));
    aead_seal(&key, out, in, len, nonce, n->hash, sizeof(n->hash), out + len);
    aead_key_wipe(&key);
    mix_hash(n, out, len + NOISE_TAG_BYTES);
}

/* Writes len bytes; there are len + NOISE_TAG_BYTES to read. */
static bool open_and_hash(struct noise *n, uint8_t *out, const uint8_t *in, size_t len)
{
    struct aead_key key;
    uint8_t nonce[AEAD_NONCE_BYTES];

    assert(n->has_cipher_key);
    next_nonce(n, nonce);
    aead_key_init(&key, n->cipher_key, sizeof(n->cipher_key));
    bool is_good = aead_open(&key, out, in, len, nonce, n->hash, sizeof(n->hash), in + len);
    aead_key_wipe(&key);
    if (is_good)
        mix_hash(n, in, len + NOISE_TAG_BYTES);
    return is_good;
}

/* ---- handshake (sections 7.5 and 9) ---- */

static void start(struct noise *n, const struct noise_identity *identity, const uint8_t secret[32],
                  const void *prologue, size_t prologue_bytes, const uint8_t responder_static[32])
{
    memset(n, 0, sizeof(*n));
    n->identity = identity;
    memcpy(n->secret, secret, sizeof(n->secret));
    memcpy(n->hash, protocol_name, sizeof(n->hash));
    memcpy(n->chaining_key, n->hash, sizeof(n->chaining_key));
    mix_hash(n, prologue, prologue_bytes);
    mix_hash(n, responder_static, NOISE_KEY_BYTES);
}

/* A psk handshake mixes ephemeral keys into the cipher key too: that is what keeps its first key
 * fresh. */
static void mix_ephemeral(struct noise *n, const uint8_t public_key[32])
{
    mix_hash(n, public_key, NOISE_KEY_BYTES);
    mix_key(n, public_key);
}

static bool write_ephemeral(struct noise *n, const uint8_t private_key[32], uint8_t *out)
{
    memcpy(n->ephemeral_private, private_key, NOISE_KEY_BYTES);
    if (!public_of(n->ephemeral_public, private_key))
        return false;
    memcpy(out, n->ephemeral_public, NOISE_KEY_BYTES);
    mix_ephemeral(n, n->ephemeral_public);
    return true;
}

static void read_ephemeral(struct noise *n, const uint8_t *in)
{
    memcpy(n->remote_ephemeral, in, NOISE_KEY_BYTES);
    mix_ephemeral(n, n->remote_ephemeral);
}

static void split(struct noise *n, struct noise_keys *keys, bool is_initiator)
{
    uint8_t *first = is_initiator ? keys->send : keys->receive;
    uint8_t *second = is_initiator ? keys->receive : keys->send;

    hkdf(n->chaining_key, NULL, 0, (uint8_t *[]){first, second}, 2);
    memcpy(keys->hash, n->hash, sizeof(keys->hash));
}

static enum noise_result give_up(struct noise *n)
{
    noise_fini(n);
    return NOISE_BAD;
}

/* True and the payload's bytes, if a message of that frame can be so long. */
static bool payload_size(size_t bytes, size_t frame_bytes, size_t *payload_bytes)
{
    *payload_bytes = bytes - frame_bytes;
    return bytes >= frame_bytes && *payload_bytes <= NOISE_PAYLOAD_BYTES_MAX;
}

int noise_identity_init(struct noise_identity *identity, const uint8_t private_key[NOISE_KEY_BYTES])
{
    if (is_zero(private_key))
        return -EINVAL;
    memcpy(identity->private_key, private_key, NOISE_KEY_BYTES);
    clamp(identity->private_key);
    return public_of(identity->public_key, identity->private_key) ? 0 : -EINVAL;
}

enum noise_result noise_write_init(struct noise *n, const struct noise_identity *identity,
                                   const uint8_t remote_static[32], const uint8_t secret[32],
                                   const uint8_t ephemeral_private[32], const void *prologue,
                                   size_t prologue_bytes, const void *payload, size_t payload_bytes,
                                   uint8_t *out)
{
    assert(payload_bytes <= NOISE_PAYLOAD_BYTES_MAX);
    start(n, identity, secret, prologue, prologue_bytes, remote_static);
    memcpy(n->remote_static, remote_static, NOISE_KEY_BYTES);

    /* e, es */
    if (!write_ephemeral(n, ephemeral_private, out) ||
        !mix_dh(n, n->ephemeral_private, n->remote_static))
        return give_up(n);
    out += NOISE_KEY_BYTES;

    /* s, ss */
    seal_and_hash(n, out, identity->public_key, NOISE_KEY_BYTES);
    out += NOISE_KEY_BYTES + NOISE_TAG_BYTES;
    if (!mix_dh(n, identity->private_key, n->remote_static))
        return give_up(n);

    seal_and_hash(n, out, payload, payload_bytes);
    return NOISE_OK;
}

enum noise_result noise_read_init(struct noise *n, const struct noise_identity *identity,
                                  const uint8_t secret[32], const void *prologue,
                                  size_t prologue_bytes, const uint8_t *message, size_t bytes,
                                  uint8_t *payload, size_t *payload_bytes)
{
    start(n, identity, secret, prologue, prologue_bytes, identity->public_key);
    if (!payload_size(bytes, NOISE_INIT_BYTES, payload_bytes))
        return give_up(n);

    /* e, es */
    read_ephemeral(n, message);
    message += NOISE_KEY_BYTES;
    if (!mix_dh(n, identity->private_key, n->remote_ephemeral))
        return give_up(n);

    /* s, ss */
    if (!open_and_hash(n, n->remote_static, message, NOISE_KEY_BYTES) ||
        !mix_dh(n, identity->private_key, n->remote_static))
        return give_up(n);
    message += NOISE_KEY_BYTES + NOISE_TAG_BYTES;

    return open_and_hash(n, payload, message, *payload_bytes) ? NOISE_OK : give_up(n);
}

enum noise_result noise_write_response(struct noise *n, const uint8_t ephemeral_private[32],
                                       const void *payload, size_t payload_bytes, uint8_t *out,
                                       struct noise_keys *keys)
{
    assert(n->has_cipher_key && payload_bytes <= NOISE_PAYLOAD_BYTES_MAX);

    /* e, ee, se, psk */
    if (!write_ephemeral(n, ephemeral_private, out) ||
        !mix_dh(n, n->ephemeral_private, n->remote_ephemeral) ||
        !mix_dh(n, n->ephemeral_private, n->remote_static))
        return give_up(n);
    mix_secret(n);

    seal_and_hash(n, out + NOISE_KEY_BYTES, payload, payload_bytes);
    split(n, keys, false);
    noise_fini(n);
    return NOISE_OK;
}

static bool read_response(struct noise *n, const uint8_t *message, uint8_t *payload,
                          size_t payload_bytes)
{
    /* e, ee, se, psk */
    read_ephemeral(n, message);
    if (!mix_dh(n, n->ephemeral_private, n->remote_ephemeral) ||
        !mix_dh(n, n->identity->private_key, n->remote_ephemeral))
        return false;
    mix_secret(n);
    return open_and_hash(n, payload, message + NOISE_KEY_BYTES, payload_bytes);
}

enum noise_result noise_read_response(struct noise *n, const uint8_t *message, size_t bytes,
                                      uint8_t *payload, size_t *payload_bytes,
                                      struct noise_keys *keys)
{
    assert(n->has_cipher_key);
    if (!payload_size(bytes, NOISE_RESPONSE_BYTES, payload_bytes))
        return NOISE_BAD;

    struct noise trial = *n;
    bool is_good = read_response(&trial, message, payload, *payload_bytes);
    if (is_good) {
        split(&trial, keys, true);
        noise_fini(n);
    }
    noise_fini(&trial);
    return is_good ? NOISE_OK : NOISE_BAD;
}

void noise_fini(struct noise *n)
{
    explicit_bzero(n, sizeof(*n));
}

/* ---- beside it ---- */

void noise_seal_key(uint8_t out[NOISE_SEAL_KEY_BYTES], const uint8_t secret[32],
                    const uint8_t public_key[NOISE_KEY_BYTES])
{
    static const char label[16] = "hearth init seal";
    uint8_t input[sizeof(label) + NOISE_KEY_BYTES], key[32];

    memcpy(input, label, sizeof(label));
    memcpy(input + sizeof(label), public_key, NOISE_KEY_BYTES);
    hmac(key, secret, input, sizeof(input));
    memcpy(out, key, NOISE_SEAL_KEY_BYTES);
    explicit_bzero(key, sizeof(key));
}
