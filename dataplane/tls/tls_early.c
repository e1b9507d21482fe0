#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include <string.h>

#include "dataplane/tls/tls_early.h"
#include "dataplane/tls/tls_wire.h"
#include "drivers/aead.h"

void tls_early_keep(struct tls_early *e, struct WOLFSSL *ssl)
{
#ifdef ATOMIC_USER
    int bytes = wolfSSL_GetKeySize(ssl);
    const uint8_t *key = wolfSSL_GetClientWriteKey(ssl), *iv = wolfSSL_GetClientWriteIV(ssl);
    if (bytes <= 0 || (size_t)bytes > sizeof(e->key) || !key || !iv)
        return;
    e->cipher = (uint8_t)wolfSSL_GetBulkCipher(ssl);
    e->key_bytes = (uint8_t)bytes;
    memcpy(e->key, key, e->key_bytes);
    memcpy(e->iv, iv, sizeof(e->iv));
#endif
}

static bool opens_aes(const struct tls_early *e, uint8_t *out, const uint8_t *record, size_t len)
{
    const uint8_t *sealed = record + TLS_RECORD_HEADER_BYTES;
    Aes aes;
    if (wc_AesInit(&aes, NULL, AEAD_WOLFSSL_DEVICE) != 0)
        return true;
    int result = wc_AesGcmSetKey(&aes, e->key, e->key_bytes);
    if (result == 0)
        result = wc_AesGcmDecrypt(&aes, out, sealed, (word32)len, e->iv, sizeof(e->iv),
                                  sealed + len, AEAD_TAG_BYTES, record, TLS_RECORD_HEADER_BYTES);
    wc_AesFree(&aes);
    return result == 0;
}

static bool opens_chacha(const struct tls_early *e, uint8_t *out, const uint8_t *record, size_t len)
{
    const uint8_t *sealed = record + TLS_RECORD_HEADER_BYTES;
    return wc_ChaCha20Poly1305_Decrypt(e->key, e->iv, record, TLS_RECORD_HEADER_BYTES, sealed,
                                       (word32)len, sealed + len, out) == 0;
}

/* The number of the record is 0, so the nonce is the IV. */
bool tls_early_opens(const struct tls_early *e, const uint8_t *record, size_t bytes)
{
    uint8_t out[TLS_RECORD_SEALED_MAX];
    if (bytes <= TLS_RECORD_HEADER_BYTES + AEAD_TAG_BYTES)
        return false;
    size_t len = bytes - TLS_RECORD_HEADER_BYTES - AEAD_TAG_BYTES;
    switch (e->cipher) {
    case wolfssl_aes_gcm:
        return opens_aes(e, out, record, len);
    case wolfssl_chacha:
        return opens_chacha(e, out, record, len);
    default:
        return true;
    }
}

void tls_early_fini(struct tls_early *e)
{
    explicit_bzero(e, sizeof(*e));
}
