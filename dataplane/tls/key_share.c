#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include <assert.h>
#include <smmintrin.h>
#include <string.h>

#include "dataplane/tls/key_share.h"

enum {
    X25519_BYTES = 32,
    MLKEM768_BYTES = 1184,
    MLKEM768_SEED_BYTES = 32, /* behind the coefficients */
    MLKEM768_Q = 3329,
};

static_assert((MLKEM768_BYTES - MLKEM768_SEED_BYTES) % 12 == 0 && MLKEM768_SEED_BYTES >= 4,
              "are_below_q");

/* The u of all points of order 1, 2, 4 and 8 on the curve and its twist, and what is the same
 * modulo p = 2^255 - 19: they give a secret of zeros (RFC 7748 6.1). The top bit does not count
 * (5). */
static const uint8_t low_order[][X25519_BYTES] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

static bool is_sound_x25519(int curve, const uint8_t *bytes, size_t len)
{
    if (len != X25519_BYTES)
        return false;
    uint64_t u[4], low[4];
    memcpy(u, bytes, sizeof(u));
    u[3] &= INT64_MAX; /* the top bit */
    for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
        memcpy(low, low_order[i], sizeof(low));
        if (u[0] == low[0] && u[1] == low[1] && u[2] == low[2] && u[3] == low[3])
            return false;
    }
    return true;
}

/* On the curve is enough: the cofactor of these is 1, and infinity has no such encoding. */
static bool is_sound_point(int curve, const uint8_t *bytes, size_t len)
{
    int index = wc_ecc_get_curve_idx(curve);
    int size = wc_ecc_get_curve_size_from_id(curve);
    if (size <= 0 || len != 1 + 2 * (size_t)size || bytes[0] != 4)
        return false;
    ecc_point *point = wc_ecc_new_point();
    bool is_sound = point && wc_ecc_import_point_der_ex(bytes, (word32)len, index, point, 0) == 0 &&
                    wc_ecc_point_is_on_curve(point, index) == 0;
    wc_ecc_del_point(point);
    return is_sound;
}

#ifdef WOLFSSL_HAVE_MLKEM
/* Two numbers of 12 bits in three bytes; eight at a time, which is 28 ns for all instead of 400. A
 * load takes in four bytes of what follows: the seed does. */
static bool are_below_q(const uint8_t *bytes, size_t len)
{
    const __m128i pairs = _mm_setr_epi8(0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11);
    const __m128i shift = _mm_setr_epi16(16, 1, 16, 1, 16, 1, 16, 1);
    __m128i most = _mm_setzero_si128();
    for (size_t i = 0; i < len; i += 12) {
        __m128i raw = _mm_loadu_si128((const __m128i *)(bytes + i));
        /* The first of two is in the lower 12 of its 16 bits, the second in the upper ones. */
        __m128i upper = _mm_mullo_epi16(_mm_shuffle_epi8(raw, pairs), shift);
        most = _mm_max_epu16(most, _mm_srli_epi16(upper, 4));
    }
    return _mm_movemask_epi8(_mm_cmpgt_epi16(most, _mm_set1_epi16(MLKEM768_Q - 1))) == 0;
}

static bool is_sound_x25519mlkem768(int curve, const uint8_t *bytes, size_t len)
{
    return len == MLKEM768_BYTES + X25519_BYTES &&
           are_below_q(bytes, MLKEM768_BYTES - MLKEM768_SEED_BYTES) &&
           is_sound_x25519(curve, bytes + MLKEM768_BYTES, X25519_BYTES);
}
#endif

/* In order of preference: X25519 is the cheapest. The post-quantum group adds 48 % to the CPU time
 * of a handshake with an ECDSA certificate (14 % with RSA), so a client that offers shares of both
 * gets X25519. */
static const struct {
    uint16_t group;
    int curve; /* wolfCrypt's id */
    bool (*is_sound)(int curve, const uint8_t *bytes, size_t len);
} table[] = {
    {WOLFSSL_ECC_X25519, 0, is_sound_x25519},
#ifdef WOLFSSL_HAVE_MLKEM
    {WOLFSSL_X25519MLKEM768, 0, is_sound_x25519mlkem768},
#endif
    {WOLFSSL_ECC_SECP256R1, ECC_SECP256R1, is_sound_point},
    {WOLFSSL_ECC_SECP384R1, ECC_SECP384R1, is_sound_point},
    {WOLFSSL_ECC_SECP521R1, ECC_SECP521R1, is_sound_point},
};

enum { GROUPS = sizeof(table) / sizeof(table[0]) };

size_t key_share_groups(int *groups, size_t max)
{
    size_t count = GROUPS < max ? GROUPS : max;
    for (size_t i = 0; i < count; i++)
        groups[i] = table[i].group;
    return count;
}

bool key_share_is_spoken(uint16_t group)
{
    for (size_t i = 0; i < GROUPS; i++) {
        if (table[i].group == group)
            return true;
    }
    return false;
}

bool key_share_is_sound(uint16_t group, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < GROUPS; i++) {
        if (table[i].group == group)
            return table[i].is_sound(table[i].curve, bytes, len);
    }
    return true;
}

bool key_share_is_sound12(const uint8_t *bytes, size_t len)
{
    return is_sound_x25519(0, bytes, len) || is_sound_point(ECC_SECP256R1, bytes, len) ||
           is_sound_point(ECC_SECP384R1, bytes, len) || is_sound_point(ECC_SECP521R1, bytes, len);
}
