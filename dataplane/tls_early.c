#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include "dataplane/tls_early.h"
#include "dataplane/tls_wire.h"
#include "drivers/aead.h"

#ifdef ATOMIC_USER

static bool opens_aes(WOLFSSL *ssl, uint8_t *out, const uint8_t *record, const uint8_t *sealed,
                      size_t len)
{
    Aes aes;
    if (wc_AesInit(&aes, NULL, AEAD_WOLFSSL_DEVICE) != 0)
        return true;
    int result =
        wc_AesGcmSetKey(&aes, wolfSSL_GetClientWriteKey(ssl), (word32)wolfSSL_GetKeySize(ssl));
    if (result == 0)
        result = wc_AesGcmDecrypt(&aes, out, sealed, (word32)len, wolfSSL_GetClientWriteIV(ssl),
                                  AEAD_NONCE_BYTES, sealed + len, AEAD_TAG_BYTES, record,
                                  TLS_RECORD_HEADER_BYTES);
    wc_AesFree(&aes);
    return result == 0;
}

bool tls_early_opens(struct WOLFSSL *ssl, const uint8_t *record, size_t bytes)
{
    uint8_t out[TLS_RECORD_SEALED_MAX];
    if (bytes <= TLS_RECORD_HEADER_BYTES + AEAD_TAG_BYTES)
        return false;
    const uint8_t *sealed = record + TLS_RECORD_HEADER_BYTES;
    size_t len = bytes - TLS_RECORD_HEADER_BYTES - AEAD_TAG_BYTES;
    /* The number of the record is 0, so the nonce is the IV. */
    switch (wolfSSL_GetBulkCipher(ssl)) {
    case wolfssl_aes_gcm:
        return opens_aes(ssl, out, record, sealed, len);
    case wolfssl_chacha:
        return wc_ChaCha20Poly1305_Decrypt(
                   wolfSSL_GetClientWriteKey(ssl), wolfSSL_GetClientWriteIV(ssl), record,
                   TLS_RECORD_HEADER_BYTES, sealed, (word32)len, sealed + len, out) == 0;
    default:
        return true;
    }
}

#else

bool tls_early_opens(struct WOLFSSL *ssl, const uint8_t *record, size_t bytes)
{
    return true;
}

#endif
