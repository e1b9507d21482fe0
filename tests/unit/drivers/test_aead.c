/* test_aead.c
 *
 * ipsec-mb against wolfSSL's own software AES-GCM: same bytes both ways, directly and through the
 * crypto callback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <cmocka.h>

#include "drivers/aead.h"
#include "drivers/rng.h"

enum { MESSAGES = 4000, MESSAGE_MAX = 4096, AAD_MAX = 64 };

struct message {
    uint8_t key[32], nonce[16], aad[AAD_MAX], plain[MESSAGE_MAX];
    uint8_t key_bytes;
    size_t len, aad_len;
};

static void fill(struct rng *r, void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)rng_next(r);
}

/* Every size from nothing up, and long ones. */
static void draw(struct rng *r, int i, struct message *m)
{
    m->key_bytes = i % 2 ? 32 : 16;
    m->len = i < 600 ? (size_t)i / 2 : rng_below(r, MESSAGE_MAX + 1);
    m->aad_len = rng_below(r, 4) == 0 ? 0 : rng_below(r, AAD_MAX + 1);
    fill(r, m->key, sizeof(m->key));
    fill(r, m->nonce, sizeof(m->nonce));
    fill(r, m->aad, m->aad_len);
    fill(r, m->plain, m->len);
}

static Aes *new_aes(const struct message *m, int device)
{
    Aes *aes = malloc(sizeof(*aes));
    assert_non_null(aes);
    assert_int_equal(wc_AesInit(aes, NULL, device), 0);
    assert_int_equal(wc_AesGcmSetKey(aes, m->key, m->key_bytes), 0);
    return aes;
}

static void free_aes(Aes *aes)
{
    wc_AesFree(aes);
    free(aes);
}

static void random_messages_equal_wolfssls_own(void **state)
{
    static struct message m;
    static struct aead_key key;
    static uint8_t expected[MESSAGE_MAX], got[MESSAGE_MAX];
    struct rng r = {1};

    for (int i = 0; i < MESSAGES; i++) {
        uint8_t expected_tag[16], tag[16];
        draw(&r, i, &m);
        Aes *software = new_aes(&m, INVALID_DEVID);
        Aes *device = new_aes(&m, AEAD_WOLFSSL_DEVICE);
        aead_key_init(&key, m.key, m.key_bytes);
        assert_int_equal(wc_AesGcmEncrypt(software, expected, m.plain, (word32)m.len, m.nonce, 12,
                                          expected_tag, 16, m.aad, (word32)m.aad_len),
                         0);

        aead_seal(&key, got, m.plain, m.len, m.nonce, m.aad, m.aad_len, tag);
        assert_memory_equal(got, expected, m.len);
        assert_memory_equal(tag, expected_tag, 16);

        memset(got, 0, sizeof(got));
        memset(tag, 0, sizeof(tag));
        assert_int_equal(wc_AesGcmEncrypt(device, got, m.plain, (word32)m.len, m.nonce, 12, tag, 16,
                                          m.aad, (word32)m.aad_len),
                         0);
        assert_memory_equal(got, expected, m.len);
        assert_memory_equal(tag, expected_tag, 16);

        /* In place, both ways back. */
        assert_true(aead_open(&key, got, got, m.len, m.nonce, m.aad, m.aad_len, tag));
        assert_memory_equal(got, m.plain, m.len);
        assert_int_equal(wc_AesGcmDecrypt(device, got, expected, (word32)m.len, m.nonce, 12, tag,
                                          16, m.aad, (word32)m.aad_len),
                         0);
        assert_memory_equal(got, m.plain, m.len);
        free_aes(software);
        free_aes(device);
    }
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    static struct message m;
    static struct aead_key key;
    static uint8_t sealed[MESSAGE_MAX], got[MESSAGE_MAX], zeros[MESSAGE_MAX];
    struct rng r = {2};

    for (int i = 0; i < MESSAGES; i++) {
        uint8_t tag[16];
        draw(&r, i, &m);
        aead_key_init(&key, m.key, m.key_bytes);
        Aes *device = new_aes(&m, AEAD_WOLFSSL_DEVICE);
        aead_seal(&key, sealed, m.plain, m.len, m.nonce, m.aad, m.aad_len, tag);

        struct {
            uint8_t *bytes;
            size_t len;
        } parts[] = {{tag, 16}, {m.nonce, 12}, {m.aad, m.aad_len}, {sealed, m.len}};
        uint64_t part = rng_below(&r, 4);
        if (parts[part].len == 0)
            part = 0;
        uint64_t bit = rng_below(&r, parts[part].len * 8);
        parts[part].bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));

        memset(got, 0xaa, sizeof(got));
        assert_false(aead_open(&key, got, sealed, m.len, m.nonce, m.aad, m.aad_len, tag));
        assert_memory_equal(got, zeros, m.len); /* nothing unverified gets out */
        assert_int_equal(wc_AesGcmDecrypt(device, got, sealed, (word32)m.len, m.nonce, 12, tag, 16,
                                          m.aad, (word32)m.aad_len),
                         AES_GCM_AUTH_E);
        free_aes(device);
    }
}

static void what_the_engine_does_not_do_falls_back_to_wolfssl(void **state)
{
    static const struct {
        const char *what;
        uint8_t key_bytes;
        word32 nonce_bytes, tag_bytes;
    } rows[] = {
        {"an 8-byte nonce", 16, 8, 16},
        {"a 16-byte nonce", 32, 16, 16},
        {"a 192-bit key", 24, 12, 16},
        {"a 12-byte tag", 16, 12, 12},
    };
    struct rng r = {3};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct message m;
        uint8_t expected[100], got[100], expected_tag[16] = {0}, tag[16] = {0};
        draw(&r, 1000, &m);
        m.key_bytes = rows[i].key_bytes;
        fill(&r, m.plain, sizeof(got));
        Aes *software = new_aes(&m, INVALID_DEVID), *device = new_aes(&m, AEAD_WOLFSSL_DEVICE);
        assert_int_equal(wc_AesGcmEncrypt(software, expected, m.plain, sizeof(got), m.nonce,
                                          rows[i].nonce_bytes, expected_tag, rows[i].tag_bytes,
                                          m.aad, 5),
                         0);
        int err = wc_AesGcmEncrypt(device, got, m.plain, sizeof(got), m.nonce, rows[i].nonce_bytes,
                                   tag, rows[i].tag_bytes, m.aad, 5);
        if (err != 0 || memcmp(got, expected, sizeof(got)) != 0 || memcmp(tag, expected_tag, 16))
            fail_msg("%s: differs (%d)", rows[i].what, err);
        err = wc_AesGcmDecrypt(device, got, expected, sizeof(got), m.nonce, rows[i].nonce_bytes,
                               tag, rows[i].tag_bytes, m.aad, 5);
        if (err != 0 || memcmp(got, m.plain, sizeof(got)) != 0)
            fail_msg("%s: cannot be opened (%d)", rows[i].what, err);
        free_aes(software);
        free_aes(device);
    }
}

/* More keys than the cache has room for, in turn; one object with new keys; a new object at an old
 * address. */
static void a_key_is_never_mistaken_for_another(void **state)
{
    enum { KEYS = 300, ROUNDS = 3 };
    static Aes software[KEYS], device[KEYS];
    static struct message m;
    struct rng r = {4};

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < KEYS; i++) {
            fill(&r, m.key, sizeof(m.key));
            m.key[0] = (uint8_t)(i % 3); /* crowd a few places of the cache */
            m.key_bytes = rng_below(&r, 2) ? 32 : 16;
            wc_AesInit(&software[i], NULL, INVALID_DEVID);
            wc_AesInit(&device[i], NULL, AEAD_WOLFSSL_DEVICE);
            assert_int_equal(wc_AesGcmSetKey(&software[i], m.key, m.key_bytes), 0);
            assert_int_equal(wc_AesGcmSetKey(&device[i], m.key, m.key_bytes), 0);
        }
        for (int i = 0; i < 4 * KEYS; i++) {
            int k = (int)rng_below(&r, KEYS);
            uint8_t expected[32], got[32], expected_tag[16], tag[16];
            wc_AesGcmEncrypt(&software[k], expected, m.plain, 32, m.nonce, 12, expected_tag, 16,
                             NULL, 0);
            wc_AesGcmEncrypt(&device[k], got, m.plain, 32, m.nonce, 12, tag, 16, NULL, 0);
            assert_memory_equal(got, expected, 32);
            assert_memory_equal(tag, expected_tag, 16);
            if (i % 4 == 0) { /* a new key in a used object */
                fill(&r, m.key, sizeof(m.key));
                wc_AesGcmSetKey(&software[k], m.key, 16);
                wc_AesGcmSetKey(&device[k], m.key, 16);
            }
        }
        for (int i = 0; i < KEYS; i++) {
            wc_AesFree(&software[i]);
            wc_AesFree(&device[i]);
        }
    }
}

static int start(void **state)
{
    return aead_init();
}

static int stop(void **state)
{
    aead_fini();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_messages_equal_wolfssls_own),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(what_the_engine_does_not_do_falls_back_to_wolfssl),
        cmocka_unit_test(a_key_is_never_mistaken_for_another),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
