/* aead.c: the keys; what wolfSSL sees is aead_wolfssl.c. The two libraries' headers do not go
 * together (both define AES_BLOCK_SIZE), so no file includes both. */
#include "drivers/aead.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include "drivers/aead_wolfssl.h"

_Static_assert(sizeof(struct gcm_key_data) <= sizeof(((struct aead_key *)0)->expanded),
               "room for an expanded key");

/* The best implementation's functions for this CPU: written by aead_init, read by all threads after
 * it. */
static IMB_MGR *engine;

int aead_init(void)
{
    assert(!engine);
    engine = alloc_mb_mgr(0);
    if (!engine)
        return -ENOMEM;
    init_mb_mgr_auto(engine, NULL);
    int err = imb_get_errno(engine) == 0 ? aead_wolfssl_register() : -ENODEV;
    if (err) {
        free_mb_mgr(engine);
        engine = NULL;
    }
    return err;
}

void aead_fini(void)
{
    aead_wolfssl_unregister();
    free_mb_mgr(engine);
    engine = NULL;
}

static const struct gcm_key_data *expanded(const struct aead_key *k)
{
    return (const struct gcm_key_data *)(const void *)k->expanded;
}

void aead_key_init(struct aead_key *k, const uint8_t *key, uint8_t key_bytes)
{
    assert(engine && (key_bytes == 16 || key_bytes == 32));
    k->key_bytes = key_bytes;
    if (key_bytes == 16)
        IMB_AES128_GCM_PRE(engine, key, (struct gcm_key_data *)(void *)k->expanded);
    else
        IMB_AES256_GCM_PRE(engine, key, (struct gcm_key_data *)(void *)k->expanded);
}

void aead_key_wipe(struct aead_key *k)
{
    explicit_bzero(k, sizeof(*k));
}

void aead_seal(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
               const uint8_t nonce[AEAD_NONCE_BYTES], const void *aad, size_t aad_len,
               uint8_t tag[AEAD_TAG_BYTES])
{
    struct gcm_context_data context;
    if (k->key_bytes == 16)
        IMB_AES128_GCM_ENC(engine, expanded(k), &context, out, in, len, nonce, aad, aad_len, tag,
                           AEAD_TAG_BYTES);
    else
        IMB_AES256_GCM_ENC(engine, expanded(k), &context, out, in, len, nonce, aad, aad_len, tag,
                           AEAD_TAG_BYTES);
}

bool aead_open(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
               const uint8_t nonce[AEAD_NONCE_BYTES], const void *aad, size_t aad_len,
               const uint8_t tag[AEAD_TAG_BYTES])
{
    struct gcm_context_data context;
    uint8_t computed[AEAD_TAG_BYTES], difference = 0;

    if (k->key_bytes == 16)
        IMB_AES128_GCM_DEC(engine, expanded(k), &context, out, in, len, nonce, aad, aad_len,
                           computed, AEAD_TAG_BYTES);
    else
        IMB_AES256_GCM_DEC(engine, expanded(k), &context, out, in, len, nonce, aad, aad_len,
                           computed, AEAD_TAG_BYTES);
    for (int i = 0; i < AEAD_TAG_BYTES; i++)
        difference |= computed[i] ^ tag[i];
    explicit_bzero(computed,
                   sizeof(computed)); /* the right tag of a forged message is worth keeping */
    if (difference == 0)
        return true;
    if (len > 0)
        explicit_bzero(out, len);
    return false;
}
