#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/natives_crypto.h"
#include "runtime/worker/natives_crypto_parts.h"

enum {
    OUTPUT_BYTES_MAX = 8192,    /* a signature of ML-DSA-87 has 4,627 */
    EXCUSED_FROM_BYTES = 65536, /* shorter ones end before a tick */
    EXCUSED_NS_PER_BYTE = 40,   /* two or three hashes, on a busy machine */
    CONTEXT_BYTES_MAX = 255,
};

/* ---- keySign(key, how, hash, salt length, context, bytes) ---- */

enum { ARG_KEY, ARG_HOW, ARG_HASH, ARG_SALT, ARG_CONTEXT, ARG_BYTES, ARG_SIGNATURE };

enum how { HOW_NONE, HOW_PKCS1, HOW_PSS, HOW_ECDSA, HOW_WHOLE };

static enum how how_of(const struct v8c_call *c, const EVP_PKEY *pkey)
{
    char how[CRYPTO_NAME_MAX];
    crypto_text(c, ARG_HOW, how);
    if (EVP_PKEY_is_a(pkey, "RSA"))
        return strcmp(how, "PKCS1") == 0 ? HOW_PKCS1 : strcmp(how, "PSS") == 0 ? HOW_PSS : HOW_NONE;
    if (EVP_PKEY_is_a(pkey, "EC"))
        return HOW_ECDSA;
    return HOW_WHOLE;
}

static bool set_scheme(const struct v8c_call *c, EVP_PKEY_CTX *ctx, enum how how, const EVP_MD *md)
{
    if (EVP_PKEY_CTX_set_signature_md(ctx, md) <= 0)
        return false;
    if (how == HOW_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    if (how == HOW_ECDSA)
        return true;
    const long salt = crypto_number(c, ARG_SALT, OUTPUT_BYTES_MAX);
    return salt >= 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)salt) > 0;
}

/* The two numbers of an ECDSA signature, each as long as the order: the standard's form. */
static size_t order_bytes(const EVP_PKEY *pkey)
{
    return (size_t)(EVP_PKEY_get_bits(pkey) + 7) / 8;
}

static size_t der_to_plain(const EVP_PKEY *pkey, const uint8_t *der, size_t der_len,
                           uint8_t plain[OUTPUT_BYTES_MAX])
{
    const int len = (int)order_bytes(pkey);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    bool is_done = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), plain, len) >= 0 &&
                   BN_bn2binpad(ECDSA_SIG_get0_s(signature), plain + len, len) >= 0;
    ECDSA_SIG_free(signature);
    return is_done ? 2 * (size_t)len : 0;
}

static size_t plain_to_der(const EVP_PKEY *pkey, struct v8c_bytes plain, uint8_t *der)
{
    const size_t len = order_bytes(pkey);
    if (plain.len != 2 * len)
        return 0;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(plain.data, (int)len, NULL);
    BIGNUM *s = BN_bin2bn(plain.data + len, (int)len, NULL);
    if (!signature || !r || !s || !ECDSA_SIG_set0(signature, r, s)) {
        BN_free(r);
        BN_free(s);
        r = NULL;
    }
    int der_len = r ? i2d_ECDSA_SIG(signature, &der) : 0;
    ECDSA_SIG_free(signature);
    return der_len > 0 ? (size_t)der_len : 0;
}

/* Of the message's hash. Returns the signature's length; 0: refused. */
static size_t sign_hash(const struct v8c_call *c, EVP_PKEY *pkey, enum how how,
                        uint8_t out[OUTPUT_BYTES_MAX])
{
    uint8_t hash[EVP_MAX_MD_SIZE], der[OUTPUT_BYTES_MAX];
    const EVP_MD *md = crypto_hash(c, ARG_HASH);
    size_t hash_len = md ? crypto_hash_of(c, md, crypto_bytes(c, ARG_BYTES), hash) : 0;
    if (hash_len == 0)
        return 0;
    size_t len = sizeof(der);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool is_done = ctx && EVP_PKEY_sign_init(ctx) > 0 && set_scheme(c, ctx, how, md) &&
                   EVP_PKEY_sign(ctx, der, &len, hash, hash_len) > 0;
    EVP_PKEY_CTX_free(ctx);
    if (!is_done)
        return 0;
    if (how == HOW_ECDSA)
        return der_to_plain(pkey, der, len, out);
    memcpy(out, der, len);
    return len;
}

static bool verify_hash(const struct v8c_call *c, EVP_PKEY *pkey, enum how how,
                        struct v8c_bytes signature)
{
    uint8_t hash[EVP_MAX_MD_SIZE], der[256];
    const EVP_MD *md = crypto_hash(c, ARG_HASH);
    size_t hash_len = md ? crypto_hash_of(c, md, crypto_bytes(c, ARG_BYTES), hash) : 0;
    if (how == HOW_ECDSA) {
        signature.len = plain_to_der(pkey, signature, der);
        signature.data = der;
    }
    if (hash_len == 0 || signature.len == 0)
        return false;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool is_good = ctx && EVP_PKEY_verify_init(ctx) > 0 && set_scheme(c, ctx, how, md) &&
                   EVP_PKEY_verify(ctx, signature.data, signature.len, hash, hash_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return is_good;
}

/* ---- Ed25519, Ed448, ML-DSA: of the message as a whole ---- */

struct whole {
    struct monitor *monitor;
    struct monitor_excuse excuse;
    struct v8c_bytes bytes;
    EVP_MD_CTX *ctx;
    OSSL_PARAM params[2];
};

static bool whole_begin(const struct v8c_call *c, struct whole *w)
{
    struct v8c_bytes context = crypto_bytes(c, ARG_CONTEXT);
    *w = (struct whole){.bytes = crypto_bytes(c, ARG_BYTES), .params = {OSSL_PARAM_END}};
    if (context.len > CONTEXT_BYTES_MAX)
        return false;
    if (context.len)
        w->params[0] = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
                                                         context.data, context.len);
    w->params[1] = OSSL_PARAM_construct_end();
    w->ctx = EVP_MD_CTX_new();
    if (w->bytes.len >= EXCUSED_FROM_BYTES)
        w->monitor = crypto_monitor(c);
    if (w->monitor)
        monitor_excuse_begin(w->monitor, &w->excuse, EXCUSED_NS_PER_BYTE * w->bytes.len);
    return w->ctx != NULL;
}

static void whole_end(struct whole *w)
{
    if (w->monitor)
        monitor_excuse_end(w->monitor, &w->excuse);
    EVP_MD_CTX_free(w->ctx);
}

/* Of the points of small order on edwards25519 the y, without the sign of x. */
static const uint8_t small_25519[][32] = {
    {0},
    {1},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};

/* -1, and 0 and 1 in another spelling: p - 1, p, p + 1 of p = 2^255 - 19. */
static bool is_near_p_25519(const uint8_t y[32])
{
    for (int i = 1; i < 31; i++)
        if (y[i] != 0xff)
            return false;
    return y[0] >= 0xec && y[0] <= 0xee && y[31] == 0x7f;
}

static bool is_small_25519(const uint8_t point[32])
{
    uint8_t y[32];
    memcpy(y, point, sizeof(y));
    y[31] &= 0x7f;
    for (size_t i = 0; i < sizeof(small_25519) / sizeof(*small_25519); i++)
        if (memcmp(y, small_25519[i], sizeof(y)) == 0)
            return true;
    return is_near_p_25519(y);
}

/* On edwards448 they are those with y = 0, 1 and -1; OpenSSL takes no other spelling. */
static bool is_small_448(const uint8_t y[57])
{
    bool is_zero = true, is_minus_one = y[0] == 0xfe;
    for (int i = 1; i < 56; i++) {
        is_zero &= y[i] == 0;
        is_minus_one &= y[i] == (i == 28 ? 0xfe : 0xff);
    }
    return (is_zero && y[0] <= 1) || is_minus_one;
}

/* A key or the first half of a signature that is of small order fits many messages: the standard
 * has it refused (Web Cryptography, Ed25519, verify), RFC 8032 and OpenSSL do not. */
static bool is_small_order(EVP_PKEY *pkey, struct v8c_bytes signature)
{
    uint8_t key[57];
    size_t len = sizeof(key);
    if (!EVP_PKEY_is_a(pkey, "ED25519") && !EVP_PKEY_is_a(pkey, "ED448"))
        return false;
    if (EVP_PKEY_get_raw_public_key(pkey, key, &len) <= 0 || signature.len != 2 * len)
        return true;
    return len == 32 ? is_small_25519(key) || is_small_25519(signature.data)
                     : is_small_448(key) || is_small_448(signature.data);
}

static size_t sign_whole(const struct v8c_call *c, EVP_PKEY *pkey, uint8_t out[OUTPUT_BYTES_MAX])
{
    struct whole w;
    size_t len = OUTPUT_BYTES_MAX;
    bool is_done = whole_begin(c, &w) &&
                   EVP_DigestSignInit_ex(w.ctx, NULL, NULL, NULL, NULL, pkey, w.params) > 0 &&
                   EVP_DigestSign(w.ctx, out, &len, w.bytes.data, w.bytes.len) > 0;
    whole_end(&w);
    return is_done ? len : 0;
}

static bool verify_whole(const struct v8c_call *c, EVP_PKEY *pkey, struct v8c_bytes signature)
{
    struct whole w;
    if (is_small_order(pkey, signature))
        return false;
    bool is_good =
        whole_begin(c, &w) &&
        EVP_DigestVerifyInit_ex(w.ctx, NULL, NULL, NULL, NULL, pkey, w.params) > 0 &&
        EVP_DigestVerify(w.ctx, signature.data, signature.len, w.bytes.data, w.bytes.len) == 1;
    whole_end(&w);
    return is_good;
}

void native_key_sign(struct v8c_call *c)
{
    uint8_t out[OUTPUT_BYTES_MAX];
    EVP_PKEY *pkey = key_pkey(v8c_call_arg(c, ARG_KEY));
    const enum how how = pkey ? how_of(c, pkey) : HOW_NONE;
    size_t len = 0;
    if (how == HOW_WHOLE)
        len = sign_whole(c, pkey, out);
    else if (how != HOW_NONE)
        len = sign_hash(c, pkey, how, out);
    if (len)
        crypto_return(c, out, len);
    else
        crypto_refuse(c);
}

void native_key_verify(struct v8c_call *c)
{
    EVP_PKEY *pkey = key_pkey(v8c_call_arg(c, ARG_KEY));
    const enum how how = pkey ? how_of(c, pkey) : HOW_NONE;
    struct v8c_bytes signature = crypto_bytes(c, ARG_SIGNATURE);
    bool is_good = false;
    if (how == HOW_WHOLE)
        is_good = verify_whole(c, pkey, signature);
    else if (how != HOW_NONE)
        is_good = verify_hash(c, pkey, how, signature);
    ERR_clear_error();
    v8c_call_return_bool(c, is_good);
}

/* ---- keyCrypt(key, encrypts, hash, label, bytes): RSA-OAEP ---- */

static bool set_oaep(const struct v8c_call *c, EVP_PKEY_CTX *ctx)
{
    struct v8c_bytes label = crypto_bytes(c, 3);
    const EVP_MD *md = crypto_hash(c, 2);
    if (!md || label.len > KEY_SECRET_BYTES_MAX ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) <= 0 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) <= 0)
        return false;
    void *copy = label.len ? OPENSSL_memdup(label.data, label.len) : NULL;
    if (!copy || EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.len) > 0)
        return !copy == !label.len;
    OPENSSL_free(copy);
    return false;
}

void native_key_crypt(struct v8c_call *c)
{
    uint8_t out[OUTPUT_BYTES_MAX];
    size_t len = sizeof(out);
    EVP_PKEY *pkey = key_pkey(v8c_call_arg(c, 0));
    const bool encrypts = v8c_bool_value(c->isolate, v8c_call_arg(c, 1));
    struct v8c_bytes in = crypto_bytes(c, 4);
    if (!pkey || !EVP_PKEY_is_a(pkey, "RSA") || in.len > OUTPUT_BYTES_MAX)
        return;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool is_done = ctx &&
                   (encrypts ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) > 0 &&
                   set_oaep(c, ctx) &&
                   (encrypts ? EVP_PKEY_encrypt(ctx, out, &len, in.data, in.len)
                             : EVP_PKEY_decrypt(ctx, out, &len, in.data, in.len)) > 0;
    EVP_PKEY_CTX_free(ctx);
    if (is_done)
        crypto_return_secret(c, out, len);
    else
        crypto_refuse(c);
}

/* ---- keyAgree(private, public, bits): bits undefined: all there are ---- */

void native_key_agree(struct v8c_call *c)
{
    uint8_t out[128];
    size_t len = sizeof(out);
    EVP_PKEY *own = key_pkey(v8c_call_arg(c, 0)), *peer = key_pkey(v8c_call_arg(c, 1));
    if (!own || !peer)
        return;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    /* The peer's was judged when it was read. */
    bool is_done = ctx && EVP_PKEY_derive_init(ctx) > 0 &&
                   EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) > 0 &&
                   EVP_PKEY_derive(ctx, out, &len) > 0;
    EVP_PKEY_CTX_free(ctx);
    const bool has_bits = v8c_is(v8c_call_arg(c, 2), V8C_NUMBER);
    const long bits = has_bits ? crypto_number(c, 2, 8 * (long)len) : 8 * (long)len;
    if (is_done && bits >= 0) {
        const size_t wanted = ((size_t)bits + 7) / 8;
        if (bits % 8)
            out[wanted - 1] &= (uint8_t)(0xff << (8 - bits % 8));
        crypto_return(c, out, wanted);
    } else {
        crypto_refuse(c);
    }
    OPENSSL_cleanse(out, sizeof(out));
}

/* ---- keyEncapsulate(key): [secret, ciphertext]; keyDecapsulate(key, ciphertext) ---- */

/* NULL: it is no key of ML-KEM. */
static EVP_PKEY_CTX *kem_of(const struct v8c_call *c)
{
    EVP_PKEY *pkey = key_pkey(v8c_call_arg(c, 0));
    if (!pkey || strncmp(EVP_PKEY_get0_type_name(pkey), "ML-KEM", 6) != 0)
        return NULL;
    return EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
}

void native_key_encapsulate(struct v8c_call *c)
{
    uint8_t text[OUTPUT_BYTES_MAX], secret[64];
    size_t text_len = sizeof(text), secret_len = sizeof(secret);
    EVP_PKEY_CTX *ctx = kem_of(c);
    bool is_done = ctx && EVP_PKEY_encapsulate_init(ctx, NULL) > 0 &&
                   EVP_PKEY_encapsulate(ctx, text, &text_len, secret, &secret_len) > 0;
    EVP_PKEY_CTX_free(ctx);
    if (!is_done) {
        crypto_refuse(c);
        return;
    }
    struct v8c_value *both[2] = {crypto_buffer(c, secret, secret_len),
                                 crypto_buffer(c, text, text_len)};
    OPENSSL_cleanse(secret, sizeof(secret));
    if (both[0] && both[1])
        v8c_call_return(c, v8c_array_new(c->isolate, both, 2));
}

void native_key_decapsulate(struct v8c_call *c)
{
    uint8_t secret[64];
    size_t len = sizeof(secret);
    struct v8c_bytes text = crypto_bytes(c, 1);
    EVP_PKEY_CTX *ctx = kem_of(c);
    bool is_done = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) > 0 &&
                   EVP_PKEY_decapsulate(ctx, secret, &len, text.data, text.len) > 0;
    EVP_PKEY_CTX_free(ctx);
    if (is_done)
        crypto_return_secret(c, secret, len);
    else
        crypto_refuse(c);
}
