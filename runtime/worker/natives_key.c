#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/natives_crypto.h"
#include "runtime/worker/natives_crypto_parts.h"

/* How a pair's parts are passed to and from JavaScript, in this order:
 *
 *   RSA                     n e d p q dp dq qi, big-endian, without leading zeros
 *   EC                      the point, uncompressed; d, as long as the field
 *   Ed25519, X25519, ...    the public bytes, the private ones
 *   ML-KEM, ML-DSA          the public bytes, the seed
 */
enum { PARTS_MAX = 8, PART_BYTES_MAX = 8192 };

enum family { FAMILY_RSA, FAMILY_EC, FAMILY_OCTETS, FAMILY_LATTICE };

static const struct type {
    const char *name, *group; /* of OpenSSL; group NULL: none */
    enum family family;
    size_t field_bytes; /* EC */
} types[] = {
    {"RSA", NULL, FAMILY_RSA, 0},
    {"P-256", "prime256v1", FAMILY_EC, 32},
    {"P-384", "secp384r1", FAMILY_EC, 48},
    {"P-521", "secp521r1", FAMILY_EC, 66},
    {"ED25519", NULL, FAMILY_OCTETS, 0},
    {"X25519", NULL, FAMILY_OCTETS, 0},
    {"ED448", NULL, FAMILY_OCTETS, 0},
    {"X448", NULL, FAMILY_OCTETS, 0},
    {"ML-KEM-512", NULL, FAMILY_LATTICE, 0},
    {"ML-KEM-768", NULL, FAMILY_LATTICE, 0},
    {"ML-KEM-1024", NULL, FAMILY_LATTICE, 0},
    {"ML-DSA-44", NULL, FAMILY_LATTICE, 0},
    {"ML-DSA-65", NULL, FAMILY_LATTICE, 0},
    {"ML-DSA-87", NULL, FAMILY_LATTICE, 0},
};

static const struct type *type_of(const struct v8c_call *c, unsigned n)
{
    char name[CRYPTO_NAME_MAX];
    crypto_text(c, n, name);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(name, types[i].name) == 0)
            return &types[i];
    return NULL;
}

static const char *openssl_name(const struct type *t)
{
    return t->family == FAMILY_EC ? "EC" : t->name;
}

static void return_pair(const struct v8c_call *c, EVP_PKEY *pkey)
{
    if (!pkey) {
        crypto_refuse(c);
        return;
    }
    struct v8c_value *handle = key_wrap(c->isolate, crypto_room(c), pkey);
    if (handle)
        v8c_call_return(c, handle);
}

/* ---- secret keys ---- */

static void return_secret(const struct v8c_call *c, const uint8_t *bytes, size_t len)
{
    struct v8c_value *handle = key_wrap_secret(c->isolate, crypto_room(c), bytes, len);
    if (handle)
        v8c_call_return(c, handle);
}

/* keySecret(bytes, bits): of the last byte only the bits that count, from the left. */
void native_key_secret(struct v8c_call *c)
{
    struct v8c_bytes bytes = crypto_bytes(c, 0);
    const long bits = crypto_number(c, 1, 8L * KEY_SECRET_BYTES_MAX);
    if (bits > 0 && bits % 8 && (size_t)bits / 8 + 1 == bytes.len)
        bytes.data[bytes.len - 1] &= (uint8_t)(0xff << (8 - bits % 8));
    return_secret(c, bytes.data, bytes.len);
}

/* keyRandom(bits) */
void native_key_random(struct v8c_call *c)
{
    const long bits = crypto_number(c, 0, 8L * KEY_SECRET_BYTES_MAX);
    const size_t len = bits > 0 ? ((size_t)bits + 7) / 8 : 0;
    uint8_t *bytes = len ? OPENSSL_malloc(len) : NULL;
    if (!bytes || RAND_priv_bytes(bytes, (int)len) <= 0) {
        crypto_refuse(c);
    } else {
        if (bits % 8)
            bytes[len - 1] &= (uint8_t)(0xff << (8 - bits % 8));
        return_secret(c, bytes, len);
    }
    OPENSSL_clear_free(bytes, len);
}

void native_key_length(struct v8c_call *c)
{
    const struct key *key = key_secret(v8c_call_arg(c, 0));
    if (key)
        v8c_call_return_number(c, (double)key->len);
}

void native_key_bytes(struct v8c_call *c)
{
    const struct key *key = key_secret(v8c_call_arg(c, 0));
    if (key)
        crypto_return(c, key->bytes, key->len);
}

/* ---- keyGenerate(type, bits, exponent) ---- */

static int goes_on(EVP_PKEY_CTX *ctx)
{
    return !crypto_is_struck(EVP_PKEY_CTX_get_app_data(ctx));
}

static bool set_rsa(const struct v8c_call *c, EVP_PKEY_CTX *ctx)
{
    struct v8c_bytes bytes = crypto_bytes(c, 2);
    const long bits = crypto_number(c, 1, KEY_RSA_BITS_MAX);
    if (bits < 0 || bytes.len > 32)
        return false;
    BIGNUM *e = BN_bin2bn(bytes.data, (int)bytes.len, NULL);
    /* An even one, or 1, would be tried for ever. */
    bool is_set = e && BN_is_odd(e) && !BN_is_one(e) &&
                  EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) > 0 &&
                  EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) > 0;
    BN_free(e);
    EVP_PKEY_CTX_set_app_data(ctx, (void *)c);
    EVP_PKEY_CTX_set_cb(ctx, goes_on);
    return is_set;
}

void native_key_generate(struct v8c_call *c)
{
    EVP_PKEY *pkey = NULL;
    const struct type *t = type_of(c, 0);
    EVP_PKEY_CTX *ctx = t ? EVP_PKEY_CTX_new_from_name(NULL, openssl_name(t), NULL) : NULL;
    bool is_ready = ctx && EVP_PKEY_keygen_init(ctx) > 0;
    if (is_ready && t->family == FAMILY_RSA)
        is_ready = set_rsa(c, ctx);
    if (is_ready && t->group)
        is_ready = EVP_PKEY_CTX_set_group_name(ctx, t->group) > 0;
    if (is_ready && EVP_PKEY_generate(ctx, &pkey) <= 0)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return_pair(c, pkey);
}

/* ---- what has been read ---- */

static bool is_rsa_congruent(const BIGNUM *e, const BIGNUM *d, const BIGNUM *prime, BN_CTX *bn)
{
    BIGNUM *less = BN_CTX_get(bn), *product = BN_CTX_get(bn);
    return product && BN_copy(less, prime) && BN_sub_word(less, 1) && !BN_is_zero(less) &&
           !BN_is_negative(less) && BN_mod_mul(product, e, d, less, bn) && BN_is_one(product);
}

/* The numbers belong to each other: n = p q, the exponents are each other's inverses, and so is the
 * coefficient. Whether p and q are prime is not asked: it takes as long as a hundred signatures,
 * and a wrong one fails whoever has brought it. */
static bool is_rsa_whole(const EVP_PKEY *pkey)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    enum { N, E, D, P, Q, DP, DQ, QI, COUNT };
    BIGNUM *of[COUNT] = {NULL};
    BN_CTX *bn = BN_CTX_secure_new();
    bool is_whole = bn != NULL;
    for (int i = 0; i < COUNT && is_whole; i++)
        is_whole = EVP_PKEY_get_bn_param(pkey, names[i], &of[i]) && !BN_is_zero(of[i]);
    if (is_whole) {
        BN_CTX_start(bn);
        BIGNUM *product = BN_CTX_get(bn);
        is_whole = product && BN_mul(product, of[P], of[Q], bn) && BN_cmp(product, of[N]) == 0 &&
                   BN_is_odd(of[P]) && BN_is_odd(of[Q]) && !BN_is_one(of[P]) && !BN_is_one(of[Q]) &&
                   is_rsa_congruent(of[E], of[D], of[P], bn) &&
                   is_rsa_congruent(of[E], of[D], of[Q], bn) &&
                   is_rsa_congruent(of[E], of[DP], of[P], bn) &&
                   is_rsa_congruent(of[E], of[DQ], of[Q], bn) &&
                   BN_mod_mul(product, of[QI], of[Q], of[P], bn) && BN_is_one(product);
        BN_CTX_end(bn);
    }
    for (int i = 0; i < COUNT; i++)
        BN_clear_free(of[i]);
    BN_CTX_free(bn);
    return is_whole;
}

static bool is_rsa_fit(const EVP_PKEY *pkey, bool is_private)
{
    BIGNUM *n = NULL, *e = NULL;
    bool is_fit = EVP_PKEY_get_bits(pkey) <= KEY_RSA_BITS_MAX &&
                  EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) &&
                  EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) && BN_is_odd(n) &&
                  BN_num_bits(n) >= 256 && BN_is_odd(e) && BN_num_bits(e) <= 256 &&
                  BN_cmp(e, n) < 0;
    BN_free(n);
    BN_free(e);
    return is_fit && (!is_private || is_rsa_whole(pkey));
}

static bool is_ec_fit(EVP_PKEY *pkey, const struct type *t, bool is_private)
{
    char group[CRYPTO_NAME_MAX];
    int is_spelled_out = 0;
    if (!EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) || strcmp(group, t->group) != 0)
        return false;
    EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_spelled_out);
    if (is_spelled_out ||
        !EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                        OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED))
        return false;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool is_fit =
        ctx && EVP_PKEY_public_check_quick(ctx) > 0 &&
        (!is_private || (EVP_PKEY_private_check(ctx) > 0 && EVP_PKEY_pairwise_check(ctx) > 0));
    EVP_PKEY_CTX_free(ctx);
    return is_fit;
}

/* Frees and forgets what is not of that type, or not sound. */
static EVP_PKEY *only_fit(EVP_PKEY *pkey, const struct type *t, bool is_private)
{
    bool is_fit = pkey && EVP_PKEY_is_a(pkey, openssl_name(t));
    if (is_fit && t->family == FAMILY_RSA)
        is_fit = is_rsa_fit(pkey, is_private);
    if (is_fit && t->family == FAMILY_EC)
        is_fit = is_ec_fit(pkey, t, is_private);
    if (is_fit)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

/* ---- keyRead("spki" or "pkcs8", type, bytes), keyWrite(format, key) ---- */

static EVP_PKEY *read_spki(struct v8c_bytes bytes)
{
    const uint8_t *at = bytes.data;
    EVP_PKEY *pkey = NULL;
    X509_PUBKEY *info = d2i_X509_PUBKEY(NULL, &at, (long)bytes.len);
    if (info && at == bytes.data + bytes.len)
        pkey = X509_PUBKEY_get(info);
    X509_PUBKEY_free(info);
    return pkey;
}

static EVP_PKEY *read_pkcs8(struct v8c_bytes bytes)
{
    const uint8_t *at = bytes.data;
    EVP_PKEY *pkey = NULL;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)bytes.len);
    if (info && at == bytes.data + bytes.len)
        pkey = EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    return pkey;
}

void native_key_read(struct v8c_call *c)
{
    char format[CRYPTO_NAME_MAX];
    const struct type *t = type_of(c, 1);
    struct v8c_bytes bytes = crypto_bytes(c, 2);
    crypto_text(c, 0, format);
    if (!t || bytes.len > 8 * PART_BYTES_MAX)
        return;
    bool is_private = strcmp(format, "pkcs8") == 0;
    EVP_PKEY *pkey = is_private ? read_pkcs8(bytes) : read_spki(bytes);
    return_pair(c, only_fit(pkey, t, is_private));
    ERR_clear_error();
}

void native_key_write(struct v8c_call *c)
{
    char format[CRYPTO_NAME_MAX];
    uint8_t *bytes = NULL;
    int len = -1;
    EVP_PKEY *pkey = key_pkey(v8c_call_arg(c, 1));
    crypto_text(c, 0, format);
    if (!pkey)
        return;
    if (strcmp(format, "spki") == 0) {
        len = i2d_PUBKEY(pkey, &bytes);
    } else {
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
        len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &bytes) : -1;
        PKCS8_PRIV_KEY_INFO_free(info);
    }
    if (len > 0)
        crypto_return(c, bytes, (size_t)len);
    else
        crypto_refuse(c);
    OPENSSL_clear_free(bytes, len > 0 ? (size_t)len : 0);
}

/* ---- base64url(text): the bytes; undefined if it is none, or has padding ---- */

/* -1: no digit. */
static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* In place. False: it is none. */
static bool decode_base64url(uint8_t *text, size_t len, size_t *bytes)
{
    uint32_t group = 0;
    *bytes = 0;
    for (size_t i = 0; i < len; i++) {
        const int digit = sextet(text[i]);
        if (digit < 0)
            return false;
        group = group << 6 | (uint32_t)digit;
        if (i % 4 == 0)
            continue;
        /* 4, 2 and 0 bits of this digit belong to the next byte. */
        text[(*bytes)++] = (uint8_t)(group >> (6 - 2 * (i % 4)));
    }
    return len % 4 != 1;
}

void native_base64url(struct v8c_call *c)
{
    struct v8c_value *value = v8c_call_arg(c, 0);
    if (!v8c_is(value, V8C_STRING) || v8c_string_length(value) > 2 * KEY_SECRET_BYTES_MAX ||
        !v8c_string_is_latin1(value))
        return;
    size_t len = v8c_string_length(value), bytes;
    uint8_t *text = OPENSSL_malloc(len + 1);
    if (!text)
        return;
    v8c_string_write_latin1(c->isolate, value, text, len);
    if (decode_base64url(text, len, &bytes)) {
        struct v8c_value *array = v8c_uint8_array_copy(c->isolate, text, bytes);
        if (array)
            v8c_call_return(c, array);
    }
    OPENSSL_clear_free(text, len);
}

/* ---- keyOfParts(type, public parts.., private parts..) ---- */

static bool push_rsa(const struct v8c_call *c, OSSL_PARAM_BLD *build, BIGNUM *numbers[PARTS_MAX],
                     unsigned count)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    for (unsigned i = 0; i < count; i++) {
        struct v8c_bytes bytes = crypto_bytes(c, i + 1);
        if (bytes.len > PART_BYTES_MAX)
            return false;
        numbers[i] = BN_bin2bn(bytes.data, (int)bytes.len, NULL);
        if (!numbers[i] || BN_num_bits(numbers[i]) > KEY_RSA_BITS_MAX ||
            !OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]))
            return false;
    }
    return true;
}

static bool push_ec(const struct v8c_call *c, OSSL_PARAM_BLD *build, const struct type *t,
                    BIGNUM *numbers[PARTS_MAX], bool is_private)
{
    struct v8c_bytes point = crypto_bytes(c, 1), d = crypto_bytes(c, 2);
    if (point.len < 2 || point.len > PART_BYTES_MAX ||
        !OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, t->group, 0) ||
        !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len))
        return false;
    if (!is_private)
        return true;
    if (d.len != t->field_bytes)
        return false;
    numbers[0] = BN_bin2bn(d.data, (int)d.len, NULL);
    return numbers[0] && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, numbers[0]);
}

/* The public bytes follow from the private ones. */
static bool push_octets(const struct v8c_call *c, OSSL_PARAM_BLD *build, const struct type *t,
                        bool is_private)
{
    struct v8c_bytes bytes = crypto_bytes(c, is_private ? 2 : 1);
    const char *name = OSSL_PKEY_PARAM_PUB_KEY;
    if (is_private)
        name = t->family == FAMILY_OCTETS            ? OSSL_PKEY_PARAM_PRIV_KEY
               : strncmp(t->name, "ML-KEM-", 7) == 0 ? OSSL_PKEY_PARAM_ML_KEM_SEED
                                                     : OSSL_PKEY_PARAM_ML_DSA_SEED;
    return bytes.len <= PART_BYTES_MAX &&
           OSSL_PARAM_BLD_push_octet_string(build, name, bytes.data, bytes.len);
}

/* Wanted of the private ones: that they are what the public ones say. */
static bool has_public(EVP_PKEY *pkey, struct v8c_bytes wanted)
{
    uint8_t bytes[PART_BYTES_MAX];
    size_t len;
    return EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes),
                                           &len) &&
           len == wanted.len && memcmp(bytes, wanted.data, len) == 0;
}

static void free_params(OSSL_PARAM *params)
{
    for (OSSL_PARAM *p = params; p && p->key; p++)
        OPENSSL_cleanse(p->data, p->data_size);
    OSSL_PARAM_free(params);
}

static EVP_PKEY *build_pair(const struct v8c_call *c, const struct type *t, bool is_private)
{
    BIGNUM *numbers[PARTS_MAX] = {NULL};
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, openssl_name(t), NULL);
    bool is_pushed = build && ctx;
    if (is_pushed && t->family == FAMILY_RSA)
        is_pushed = push_rsa(c, build, numbers, is_private ? 8 : 2);
    else if (is_pushed && t->family == FAMILY_EC)
        is_pushed = push_ec(c, build, t, numbers, is_private);
    else if (is_pushed)
        is_pushed = push_octets(c, build, t, is_private);
    OSSL_PARAM *params = is_pushed ? OSSL_PARAM_BLD_to_param(build) : NULL;
    int what = is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (!params || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &pkey, what, params) <= 0)
        pkey = NULL;
    free_params(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    for (int i = 0; i < PARTS_MAX; i++)
        BN_clear_free(numbers[i]);
    return pkey;
}

/* An empty one is, too. */
static bool is_given(const struct v8c_call *c, unsigned n)
{
    return v8c_is(v8c_call_arg(c, n), V8C_VIEW);
}

void native_key_of_parts(struct v8c_call *c)
{
    const struct type *t = type_of(c, 0);
    if (!t)
        return;
    const bool is_private = is_given(c, t->family == FAMILY_RSA ? 3 : 2);
    EVP_PKEY *pkey = only_fit(build_pair(c, t, is_private), t, is_private);
    /* Who gives the public bytes too has to mean the same. */
    const bool is_told = is_private && t->family >= FAMILY_OCTETS && is_given(c, 1);
    if (pkey && is_told && !has_public(pkey, crypto_bytes(c, 1))) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return_pair(c, pkey);
    ERR_clear_error();
}

/* ---- keyParts(key, are private wanted): undefined for what it has not ---- */

static struct v8c_value *number_part(const struct v8c_call *c, const EVP_PKEY *pkey,
                                     const char *name, size_t len)
{
    uint8_t bytes[PART_BYTES_MAX / 8];
    BIGNUM *number = NULL;
    struct v8c_value *part = NULL;
    if (EVP_PKEY_get_bn_param(pkey, name, &number)) {
        if (len == 0)
            len = (size_t)BN_num_bytes(number);
        if (len <= sizeof(bytes) && BN_bn2binpad(number, bytes, (int)len) >= 0)
            part = crypto_buffer(c, bytes, len);
    }
    BN_clear_free(number);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return part;
}

static struct v8c_value *octet_part(const struct v8c_call *c, const EVP_PKEY *pkey,
                                    const char *name)
{
    uint8_t bytes[PART_BYTES_MAX];
    size_t len;
    if (!EVP_PKEY_get_octet_string_param(pkey, name, bytes, sizeof(bytes), &len))
        return NULL;
    struct v8c_value *part = crypto_buffer(c, bytes, len);
    OPENSSL_cleanse(bytes, len);
    return part;
}

static void rsa_parts(const struct v8c_call *c, const EVP_PKEY *pkey, struct v8c_value *parts[],
                      unsigned count)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    for (unsigned i = 0; i < count; i++)
        parts[i] = number_part(c, pkey, names[i], 0);
}

static const char *private_name(const EVP_PKEY *pkey)
{
    if (strncmp(EVP_PKEY_get0_type_name(pkey), "ML-KEM", 6) == 0)
        return OSSL_PKEY_PARAM_ML_KEM_SEED;
    if (strncmp(EVP_PKEY_get0_type_name(pkey), "ML-DSA", 6) == 0)
        return OSSL_PKEY_PARAM_ML_DSA_SEED;
    return OSSL_PKEY_PARAM_PRIV_KEY;
}

void native_key_parts(struct v8c_call *c)
{
    struct v8c_value *parts[PARTS_MAX] = {NULL};
    const EVP_PKEY *pkey = key_pkey(v8c_call_arg(c, 0));
    const bool is_private = v8c_bool_value(c->isolate, v8c_call_arg(c, 1));
    unsigned count = is_private ? 2 : 1;
    if (!pkey)
        return;
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        count = is_private ? 8 : 2;
        rsa_parts(c, pkey, parts, count);
    } else {
        parts[0] = octet_part(c, pkey, OSSL_PKEY_PARAM_PUB_KEY);
        if (is_private && EVP_PKEY_is_a(pkey, "EC"))
            parts[1] = number_part(c, pkey, OSSL_PKEY_PARAM_PRIV_KEY,
                                   (size_t)(EVP_PKEY_get_bits(pkey) + 7) / 8);
        else if (is_private)
            parts[1] = octet_part(c, pkey, private_name(pkey));
    }
    for (unsigned i = 0; i < count; i++)
        if (!parts[i])
            parts[i] = v8c_undefined(c->isolate);
    v8c_call_return(c, v8c_array_new(c->isolate, parts, count));
    ERR_clear_error();
}
