#include "drivers/aead_wolfssl.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/wc_port.h>

#include "drivers/aead.h"
#include "drivers/wolfssl_cpu.h"

/* Expanded keys are found by the key itself. Rejected: one per Aes object; wolfSSL 5.5.4 tells a
 * crypto device neither of a new key nor of an object's end, so anything kept there would leak, or
 * outlive its key when the address is used again. A wrong entry cannot be found here. Missing costs
 * one expansion, 114 ns, which is less than fetching a cold entry from memory would be; so the
 * table stays small. One per thread: no locks. */
enum { CACHE_SLOTS = 64 };

struct cache_slot {
    struct aead_key expanded;
    uint8_t key[32];
    uint8_t key_bytes; /* 0: empty */
};

struct cache {
    struct cache_slot slots[CACHE_SLOTS];
};

static pthread_key_t cache_key; /* wipes and frees a thread's cache when the thread ends */
static _Thread_local struct cache *thread_cache;

static void cache_free(void *cache)
{
    explicit_bzero(cache, sizeof(struct cache));
    free(cache);
}

static struct cache *cache_get(void)
{
    if (thread_cache)
        return thread_cache;
    struct cache *c = aligned_alloc(_Alignof(struct cache), sizeof(*c));
    if (!c)
        return NULL;
    memset(c, 0, sizeof(*c));
    if (pthread_setspecific(cache_key, c) != 0) {
        free(c);
        return NULL;
    }
    thread_cache = c;
    return c;
}

static bool is_same_key(const struct cache_slot *s, const uint8_t *key, int key_bytes)
{
    uint8_t difference = 0;
    if (s->key_bytes != key_bytes)
        return false;
    for (int i = 0; i < key_bytes; i++)
        difference |= s->key[i] ^ key[i];
    return difference == 0;
}

/* NULL: no memory, or a key size that is not ours. */
static const struct aead_key *find_key(const Aes *aes)
{
    const uint8_t *key = (const uint8_t *)aes->devKey;
    int key_bytes = aes->keylen;
    struct cache *c = cache_get();
    if (!c || (key_bytes != 16 && key_bytes != 32))
        return NULL;

    /* TLS keys come out of HKDF: any bits of them are a good hash. */
    struct cache_slot *s = &c->slots[key[0] % CACHE_SLOTS];
    if (!is_same_key(s, key, key_bytes)) {
        memcpy(s->key, key, (size_t)key_bytes);
        s->key_bytes = (uint8_t)key_bytes;
        aead_key_init(&s->expanded, key, (uint8_t)key_bytes);
    }
    return &s->expanded;
}

static int serve(int device_id, wc_CryptoInfo *info, void *context)
{
    (void)device_id, (void)context;
    if (info->algo_type != WC_ALGO_TYPE_CIPHER || info->cipher.type != WC_CIPHER_AES_GCM)
        return CRYPTOCB_UNAVAILABLE;

    const struct aead_key *key;
    if (info->cipher.enc) {
        if (info->cipher.aesgcm_enc.ivSz != AEAD_NONCE_BYTES ||
            info->cipher.aesgcm_enc.authTagSz != AEAD_TAG_BYTES ||
            !(key = find_key(info->cipher.aesgcm_enc.aes)))
            return CRYPTOCB_UNAVAILABLE;
        aead_seal(key, info->cipher.aesgcm_enc.out, info->cipher.aesgcm_enc.in,
                  info->cipher.aesgcm_enc.sz, info->cipher.aesgcm_enc.iv,
                  info->cipher.aesgcm_enc.authIn, info->cipher.aesgcm_enc.authInSz,
                  info->cipher.aesgcm_enc.authTag);
        return 0;
    }
    if (info->cipher.aesgcm_dec.ivSz != AEAD_NONCE_BYTES ||
        info->cipher.aesgcm_dec.authTagSz != AEAD_TAG_BYTES ||
        !(key = find_key(info->cipher.aesgcm_dec.aes)))
        return CRYPTOCB_UNAVAILABLE;
    return aead_open(key, info->cipher.aesgcm_dec.out, info->cipher.aesgcm_dec.in,
                     info->cipher.aesgcm_dec.sz, info->cipher.aesgcm_dec.iv,
                     info->cipher.aesgcm_dec.authIn, info->cipher.aesgcm_dec.authInSz,
                     info->cipher.aesgcm_dec.authTag)
               ? 0
               : AES_GCM_AUTH_E;
}

int aead_wolfssl_register(void)
{
    wolfssl_cpu_limit();
    int err = pthread_key_create(&cache_key, cache_free);
    if (err)
        return -err;
    /* wolfCrypt_Init empties the device table the first time it runs: it must come before, not
     * after. */
    if (wolfCrypt_Init() != 0 ||
        wc_CryptoCb_RegisterDevice(AEAD_WOLFSSL_DEVICE, serve, NULL) != 0) {
        pthread_key_delete(cache_key);
        return -ENOMEM;
    }
    return 0;
}

void aead_wolfssl_unregister(void)
{
    wc_CryptoCb_UnRegisterDevice(AEAD_WOLFSSL_DEVICE);
    wolfCrypt_Cleanup();
    if (thread_cache) {
        cache_free(thread_cache);
        thread_cache = NULL;
    }
    pthread_key_delete(cache_key);
}
