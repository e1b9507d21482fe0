#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tls/key_share.h"
#include "drivers/rng.h"

enum { X25519 = 29, P256 = 23, P384 = 24, P521 = 25, X25519MLKEM768 = 4588 };

static struct rng random_numbers = {1};

static const struct {
    uint16_t group;
    int curve;
    size_t size;
} curves[] = {{P256, ECC_SECP256R1, 32}, {P384, ECC_SECP384R1, 48}, {P521, ECC_SECP521R1, 66}};

/* The public key of a new pair; its bytes. */
static size_t make_point(uint8_t *out, size_t size, int curve)
{
    WC_RNG rng;
    ecc_key key;
    word32 len = 133;
    assert_int_equal(wc_InitRng(&rng), 0);
    assert_int_equal(wc_ecc_init(&key), 0);
    assert_int_equal(wc_ecc_make_key_ex(&rng, (int)size, &key, curve), 0);
    assert_int_equal(wc_ecc_export_x963(&key, out, &len), 0);
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
    return len;
}

static void a_point_of_the_curve_is_sound_and_no_other(void **state)
{
    uint8_t point[133], zero[133];
    for (size_t i = 0; i < 3; i++) {
        uint16_t group = curves[i].group;
        size_t len = make_point(point, curves[i].size, curves[i].curve);
        assert_int_equal(len, 1 + 2 * curves[i].size);
        assert_true(key_share_is_sound(group, point, len));
        assert_true(key_share_is_sound12(point, len));
        for (int round = 0; round < 50; round++) {
            size_t bit = 8 + rng_below(&random_numbers, 8 * (len - 1));
            point[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(key_share_is_sound(group, point, len));
            assert_false(key_share_is_sound12(point, len));
            point[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (int form = 0; form < 8; form++) {
            point[0] = (uint8_t)form;
            assert_int_equal(key_share_is_sound(group, point, len), form == 4);
        }
        point[0] = 4;
        assert_false(key_share_is_sound(group, point, len - 1));
        assert_false(key_share_is_sound(group, point, 1));
        point[0] = 2; /* compressed: RFC 8446 4.2.8.2 has no such form */
        assert_false(key_share_is_sound(group, point, 1 + curves[i].size));
        memset(zero, 0, sizeof(zero));
        assert_false(key_share_is_sound(group, zero, len));
        zero[0] = 4;
        assert_false(key_share_is_sound(group, zero, len));
        memset(zero + 1, 0xff, len - 1);
        assert_false(key_share_is_sound(group, zero, len));
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(key_share_is_sound(curves[j].group, point, len), false);
    }
}

/* x + p: only the field of P-521 leaves room for it in every encoding. */
static void a_coordinate_that_is_not_reduced_is_refused(void **state)
{
    uint8_t point[133];
    size_t len = make_point(point, 66, ECC_SECP521R1);
    point[1] |= 2; /* x + 2^521 = x + p + 1 */
    assert_false(key_share_is_sound(P521, point, len));
}

static void x25519_takes_all_points_but_those_of_small_order(void **state)
{
    uint8_t key[32];
    for (int i = 0; i < 100; i++) {
        for (size_t j = 0; j < sizeof(key); j++)
            key[j] = (uint8_t)rng_below(&random_numbers, 256);
        assert_true(key_share_is_sound(X25519, key, 32));
        assert_true(key_share_is_sound12(key, 32));
    }
    assert_false(key_share_is_sound(X25519, key, 31));
    static const struct {
        uint8_t first, rest, last;
    } rows[] = {{0, 0, 0},          {1, 0, 0},          {0xec, 0xff, 0x7f},
                {0xed, 0xff, 0x7f}, {0xee, 0xff, 0x7f}, {0, 0, 0x80}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(key, rows[i].rest, sizeof(key));
        key[0] = rows[i].first;
        key[31] = rows[i].last;
        assert_false(key_share_is_sound(X25519, key, 32));
        assert_false(key_share_is_sound12(key, 32));
        key[0] ^= 0x10;
        assert_true(key_share_is_sound(X25519, key, 32));
    }
}

static void secret_of(curve25519_key *own, const uint8_t share[32], uint8_t secret[32])
{
    curve25519_key peer;
    word32 len = 32;
    assert_int_equal(wc_curve25519_init(&peer), 0);
    assert_int_equal(wc_curve25519_import_public_ex(share, 32, &peer, EC25519_LITTLE_ENDIAN), 0);
    assert_int_equal(
        wc_curve25519_shared_secret_ex(own, &peer, secret, &len, EC25519_LITTLE_ENDIAN), 0);
    wc_curve25519_free(&peer);
}

/* RFC 7748 5: the top bit is masked, and numbers from the prime on count modulo it. */
static void a_share_has_one_secret_however_it_is_written(void **state)
{
    uint8_t share[32] = {9}, same[32], secret[32], other[32];
    curve25519_key own;
    WC_RNG rng;
    assert_int_equal(wc_InitRng(&rng), 0);
    assert_int_equal(wc_curve25519_init(&own), 0);
    assert_int_equal(wc_curve25519_make_key(&rng, 32, &own), 0);
    memcpy(same, share, 32);
    same[31] = 0x80;
    secret_of(&own, share, secret);
    secret_of(&own, same, other);
    assert_memory_equal(secret, other, 32);
    memset(same, 0xff, 32);
    same[0] = 0xed + 9;
    secret_of(&own, same, other);
    assert_memory_equal(secret, other, 32);
    wc_curve25519_free(&own);
    wc_FreeRng(&rng);
}

static void a_key_of_ml_kem_has_coefficients_below_q(void **state)
{
    static uint8_t key[1184 + 32];
    if (!key_share_is_spoken(X25519MLKEM768))
        skip();
    key[1184] = 9;
    assert_true(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    key[0] = 0x00, key[1] = 0x0d; /* 3328 */
    assert_true(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    key[0] = 0x01; /* q */
    assert_false(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    key[0] = key[1] = 0;
    key[1151] = 0xd0, key[1150] = 0x10; /* the last one, q */
    assert_false(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    key[1150] = 0; /* q - 1 */
    assert_true(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    memset(key, 0, 1184);
    for (size_t i = 0; i < 768; i++) { /* two coefficients in three bytes */
        static const struct {
            uint16_t value;
            bool is_sound;
        } rows[] = {{3328, true}, {3329, false}, {4095, false}, {0x0d01, false}, {0x00ff, true}};
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
            uint8_t *pair = key + i / 2 * 3;
            uint32_t bits = (uint32_t)rows[k].value << (i % 2 ? 12 : 0);
            memcpy(pair, (uint8_t[]){(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16)},
                   3);
            assert_int_equal(key_share_is_sound(X25519MLKEM768, key, sizeof(key)),
                             rows[k].is_sound);
            memset(pair, 0, 3);
        }
    }
    memset(key + 1152, 0xff, 32); /* the seed is any */
    assert_true(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    key[1184] = 0; /* X25519's half */
    assert_false(key_share_is_sound(X25519MLKEM768, key, sizeof(key)));
    assert_false(key_share_is_sound(X25519MLKEM768, key, 1184));
}

static void what_we_do_not_speak_is_not_judged(void **state)
{
    int groups[8];
    size_t count = key_share_groups(groups, 8);
    assert_true(count >= 4 && count < 8);
    for (size_t i = 0; i < count; i++)
        assert_true(key_share_is_spoken((uint16_t)groups[i]));
    assert_false(key_share_is_spoken(30));
    assert_true(key_share_is_sound(30, (const uint8_t *)"x", 1));
    assert_int_equal(key_share_groups(groups, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_of_the_curve_is_sound_and_no_other),
        cmocka_unit_test(a_coordinate_that_is_not_reduced_is_refused),
        cmocka_unit_test(x25519_takes_all_points_but_those_of_small_order),
        cmocka_unit_test(a_share_has_one_secret_however_it_is_written),
        cmocka_unit_test(a_key_of_ml_kem_has_coefficients_below_q),
        cmocka_unit_test(what_we_do_not_speak_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
