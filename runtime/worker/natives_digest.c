#define OPENSSL_SUPPRESS_DEPRECATED /* HMAC_CTX, RAND_METHOD: EVP has nothing that does the same */
#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/worker/isolate.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/natives_call.h"
#include "runtime/worker/natives_crypto.h"
#include "runtime/worker/natives_crypto_parts.h"
#include "runtime/worker/worker.h"

enum {
    KIND_DIGEST = 0x646967,
    XOF_BYTES_MAX = 1 << 20,
    ITERATIONS_BETWEEN_LOOKS = 1024, /* 0.3 ms of the slowest hash */
};

/* ---- hashes ---- */

static struct {
    const char *name, *openssl;
    bool is_xof;
    EVP_MD *md; /* looked up once, in the zygote */
} hashes[] = {
    {"SHA-256", "SHA2-256", false, NULL},
    {"SHA-1", "SHA1", false, NULL},
    {"SHA-384", "SHA2-384", false, NULL},
    {"SHA-512", "SHA2-512", false, NULL},
    {"MD5", "MD5", false, NULL},
    {"SHA3-256", "SHA3-256", false, NULL},
    {"SHA3-384", "SHA3-384", false, NULL},
    {"SHA3-512", "SHA3-512", false, NULL},
    {"SHAKE128", "SHAKE-128", true, NULL},
    {"SHAKE256", "SHAKE-256", true, NULL},
    /* What cSHAKE with a name or customization is after the prefix of both. */
    {"CSHAKE128", "KECCAK-KMAC-128", true, NULL},
    {"CSHAKE256", "KECCAK-KMAC-256", true, NULL},
};

enum { HASHES = sizeof(hashes) / sizeof(*hashes) };

static const EVP_MD *hash_at(size_t i)
{
    if (!hashes[i].md)
        hashes[i].md = EVP_MD_fetch(NULL, hashes[i].openssl, NULL);
    return hashes[i].md;
}

static const EVP_MD *hash_of(const struct v8c_call *c, unsigned n, bool is_xof)
{
    char name[CRYPTO_NAME_MAX];
    crypto_text(c, n, name);
    for (size_t i = 0; i < HASHES; i++)
        if (strcmp(hashes[i].name, name) == 0 && hashes[i].is_xof == is_xof)
            return hash_at(i);
    return NULL;
}

const EVP_MD *crypto_hash(const struct v8c_call *c, unsigned n)
{
    return hash_of(c, n, false);
}

const char *crypto_hash_name(const EVP_MD *md)
{
    return EVP_MD_get0_name(md);
}

/* ---- start ---- */

static struct worker *drawer; /* OpenSSL's method has no argument for it */

static int draw(unsigned char *bytes, int len)
{
    drawer->has_drawn = true;
    while (len > 0) {
        ssize_t n = getrandom(bytes, (size_t)len, 0);
        assert(n > 0);
        bytes += n;
        len -= (int)n;
    }
    return 1;
}

static int is_seeded(void)
{
    return 1;
}

void natives_crypto_start(struct worker *w)
{
    static const RAND_METHOD kernel = {.bytes = draw, .pseudorand = draw, .status = is_seeded};
    drawer = w;
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
                            OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                        NULL);
    int is_set = RAND_set_rand_method(&kernel);
    assert(is_set);
    (void)is_set;
    for (size_t i = 0; i < HASHES; i++)
        hash_at(i);
    /* The tables of what signs, and the curve's. */
    EVP_PKEY_free(EVP_EC_gen("P-256"));
    ERR_clear_error();
}

/* ---- what all share ---- */

struct v8c_bytes crypto_bytes(const struct v8c_call *c, unsigned n)
{
    static uint8_t nothing[1];
    struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, n));
    return bytes.data ? bytes : (struct v8c_bytes){nothing, 0};
}

long crypto_number(const struct v8c_call *c, unsigned n, long most)
{
    double number = v8c_number_value(v8c_call_arg(c, n));
    return number >= 0 && number <= (double)most ? (long)number : -1;
}

void crypto_text(const struct v8c_call *c, unsigned n, char text[CRYPTO_NAME_MAX])
{
    struct v8c_value *value = v8c_call_arg(c, n);
    size_t len = 0;
    if (v8c_is(value, V8C_STRING) && v8c_string_length(value) < CRYPTO_NAME_MAX)
        len = v8c_string_write_utf8(c->isolate, value, text, CRYPTO_NAME_MAX - 1);
    text[len] = '\0';
}

struct key_room *crypto_room(const struct v8c_call *c)
{
    return &natives_isolate(c)->key_room;
}

struct monitor *crypto_monitor(const struct v8c_call *c)
{
    struct isolate *i = natives_isolate(c);
    return i ? &i->worker->monitor : NULL;
}

bool crypto_is_struck(const struct v8c_call *c)
{
    const struct monitor *m = crypto_monitor(c);
    return m && monitor_has_struck(m);
}

struct v8c_value *crypto_buffer(const struct v8c_call *c, const void *bytes, size_t len)
{
    struct v8c_value *buffer = v8c_array_buffer_new(c->isolate, len);
    if (buffer && len)
        memcpy(v8c_bytes_of(buffer).data, bytes, len);
    return buffer;
}

void crypto_return(const struct v8c_call *c, const void *bytes, size_t len)
{
    struct v8c_value *buffer = crypto_buffer(c, bytes, len);
    if (buffer)
        v8c_call_return(c, buffer);
}

void crypto_return_secret(const struct v8c_call *c, void *bytes, size_t len)
{
    crypto_return(c, bytes, len);
    OPENSSL_cleanse(bytes, len);
}

void crypto_refuse(const struct v8c_call *c)
{
    (void)c;
    ERR_clear_error();
}

bool crypto_update(const struct v8c_call *c, EVP_MD_CTX *ctx, struct v8c_bytes bytes)
{
    while (bytes.len > 0) {
        size_t piece = bytes.len < CRYPTO_PIECE_BYTES ? bytes.len : CRYPTO_PIECE_BYTES;
        if (!EVP_DigestUpdate(ctx, bytes.data, piece))
            return false;
        bytes.data += piece;
        bytes.len -= piece;
        if (bytes.len > 0 && crypto_is_struck(c))
            return false;
    }
    return true;
}

size_t crypto_hash_of(const struct v8c_call *c, const EVP_MD *md, struct v8c_bytes bytes,
                      uint8_t out[EVP_MAX_MD_SIZE])
{
    unsigned len = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_done = ctx && EVP_DigestInit_ex(ctx, md, NULL) && crypto_update(c, ctx, bytes) &&
                   EVP_DigestFinal_ex(ctx, out, &len);
    EVP_MD_CTX_free(ctx);
    return is_done ? len : 0;
}

/* ---- digest(name, bytes[, before, length]) ---- */

/* An extendable output of so many bytes, of `before` and the bytes. */
static void digest_extendable(struct v8c_call *c, const EVP_MD *md)
{
    const long len = crypto_number(c, 3, XOF_BYTES_MAX);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *out = len >= 0 ? malloc((size_t)len + 1) : NULL;
    bool is_done = ctx && out && EVP_DigestInit_ex(ctx, md, NULL) &&
                   crypto_update(c, ctx, crypto_bytes(c, 2)) &&
                   crypto_update(c, ctx, crypto_bytes(c, 1)) &&
                   (len == 0 || EVP_DigestFinalXOF(ctx, out, (size_t)len));
    if (is_done)
        crypto_return(c, out, (size_t)len);
    else
        crypto_refuse(c);
    free(out);
    EVP_MD_CTX_free(ctx);
}

void native_digest(struct v8c_call *c)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    const EVP_MD *md = crypto_hash(c, 0), *extendable = md ? NULL : hash_of(c, 0, true);
    if (extendable) {
        digest_extendable(c, extendable);
        return;
    }
    size_t len = md ? crypto_hash_of(c, md, crypto_bytes(c, 1), out) : 0;
    if (len)
        crypto_return(c, out, len);
    else
        crypto_refuse(c);
}

/* ---- digestStart(name), digestUpdate(digest, bytes), digestEnd(digest) ---- */

static void digest_free(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

/* They are small and of the streams that are open, which have their own limits. */
void native_digest_start(struct v8c_call *c)
{
    const EVP_MD *md = crypto_hash(c, 0);
    EVP_MD_CTX *ctx = md ? EVP_MD_CTX_new() : NULL;
    if (!ctx || !EVP_DigestInit_ex(ctx, md, NULL)) {
        EVP_MD_CTX_free(ctx);
        crypto_refuse(c);
        return;
    }
    struct v8c_value *handle = v8c_wrap_new(c->isolate, ctx, KIND_DIGEST, digest_free);
    if (handle)
        v8c_call_return(c, handle);
    else
        EVP_MD_CTX_free(ctx);
}

static EVP_MD_CTX *digest_of(const struct v8c_call *c)
{
    struct v8c_value *value = v8c_call_arg(c, 0);
    return v8c_is(value, V8C_WRAPPED) ? v8c_wrap_pointer(value, KIND_DIGEST) : NULL;
}

void native_digest_update(struct v8c_call *c)
{
    EVP_MD_CTX *ctx = digest_of(c);
    if (ctx)
        crypto_update(c, ctx, crypto_bytes(c, 1));
}

void native_digest_end(struct v8c_call *c)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *ctx = digest_of(c);
    if (!ctx)
        return;
    bool is_done = EVP_DigestFinal_ex(ctx, out, &len);
    v8c_wrap_clear(v8c_call_arg(c, 0));
    EVP_MD_CTX_free(ctx);
    if (is_done)
        crypto_return(c, out, len);
    else
        crypto_refuse(c);
}

/* ---- hmac(key, hash, bytes) ---- */

static bool hmac_update(const struct v8c_call *c, HMAC_CTX *ctx, struct v8c_bytes bytes)
{
    while (bytes.len > 0) {
        size_t piece = bytes.len < CRYPTO_PIECE_BYTES ? bytes.len : CRYPTO_PIECE_BYTES;
        if (!HMAC_Update(ctx, bytes.data, piece))
            return false;
        bytes.data += piece;
        bytes.len -= piece;
        if (bytes.len > 0 && crypto_is_struck(c))
            return false;
    }
    return true;
}

void native_hmac(struct v8c_call *c)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const struct key *key = key_secret(v8c_call_arg(c, 0));
    const EVP_MD *md = crypto_hash(c, 1);
    HMAC_CTX *ctx = key && md ? HMAC_CTX_new() : NULL;
    if (ctx && HMAC_Init_ex(ctx, key->bytes, (int)key->len, md, NULL) &&
        hmac_update(c, ctx, crypto_bytes(c, 2)) && HMAC_Final(ctx, out, &len))
        crypto_return(c, out, len);
    else
        crypto_refuse(c);
    HMAC_CTX_free(ctx);
}

/* ---- hkdf(key, hash, salt, info, length) ---- */

void native_hkdf(struct v8c_call *c)
{
    uint8_t out[255 * EVP_MAX_MD_SIZE];
    const struct key *key = key_secret(v8c_call_arg(c, 0));
    const EVP_MD *md = crypto_hash(c, 1);
    const long len = crypto_number(c, 4, sizeof(out));
    if (!key || !md || len < 0)
        return;
    struct v8c_bytes salt = crypto_bytes(c, 2), info = crypto_bytes(c, 3);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)crypto_hash_name(md), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key->bytes, key->len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data, salt.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data, info.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    if (len == 0 || (ctx && EVP_KDF_derive(ctx, out, (size_t)len, params) > 0))
        crypto_return_secret(c, out, (size_t)len);
    else
        crypto_refuse(c);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* ---- pbkdf2(key, hash, salt, iterations, length): RFC 8018 5.2 ---- */

struct pbkdf2 {
    HMAC_CTX *keyed, *running; /* before any input; of this iteration */
    unsigned hash_bytes;
    uint32_t iterations;
};

/* T_i, the exclusive or of all iterations. */
static bool pbkdf2_block(const struct v8c_call *c, const struct pbkdf2 *p, struct v8c_bytes salt,
                         uint32_t index, uint8_t block[EVP_MAX_MD_SIZE])
{
    uint8_t u[EVP_MAX_MD_SIZE];
    const uint8_t number[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16),
                               (uint8_t)(index >> 8), (uint8_t)index};
    if (!HMAC_CTX_copy(p->running, p->keyed) || !HMAC_Update(p->running, salt.data, salt.len) ||
        !HMAC_Update(p->running, number, sizeof(number)) || !HMAC_Final(p->running, u, NULL))
        return false;
    memcpy(block, u, p->hash_bytes);
    for (uint32_t n = 1; n < p->iterations; n++) {
        if (n % ITERATIONS_BETWEEN_LOOKS == 0 && crypto_is_struck(c))
            return false;
        if (!HMAC_CTX_copy(p->running, p->keyed) || !HMAC_Update(p->running, u, p->hash_bytes) ||
            !HMAC_Final(p->running, u, NULL))
            return false;
        for (unsigned i = 0; i < p->hash_bytes; i++)
            block[i] ^= u[i];
    }
    OPENSSL_cleanse(u, sizeof(u));
    return true;
}

static bool pbkdf2(const struct v8c_call *c, const struct pbkdf2 *p, struct v8c_bytes salt,
                   uint8_t *out, size_t len)
{
    uint8_t block[EVP_MAX_MD_SIZE];
    for (uint32_t index = 1; len > 0; index++) {
        if (crypto_is_struck(c) || !pbkdf2_block(c, p, salt, index, block))
            return false;
        size_t part = len < p->hash_bytes ? len : p->hash_bytes;
        memcpy(out, block, part);
        out += part;
        len -= part;
    }
    OPENSSL_cleanse(block, sizeof(block));
    return true;
}

void native_pbkdf2(struct v8c_call *c)
{
    const struct key *key = key_secret(v8c_call_arg(c, 0));
    const EVP_MD *md = crypto_hash(c, 1);
    const long iterations = crypto_number(c, 3, UINT32_MAX);
    const long len = crypto_number(c, 4, KEY_SECRET_BYTES_MAX);
    if (!key || !md || iterations < 1 || len < 0)
        return;
    struct pbkdf2 p = {HMAC_CTX_new(), HMAC_CTX_new(), (unsigned)EVP_MD_get_size(md),
                       (uint32_t)iterations};
    uint8_t *out = malloc((size_t)len + 1);
    if (p.keyed && p.running && out && HMAC_Init_ex(p.keyed, key->bytes, (int)key->len, md, NULL) &&
        pbkdf2(c, &p, crypto_bytes(c, 2), out, (size_t)len))
        crypto_return_secret(c, out, (size_t)len);
    else
        crypto_refuse(c);
    free(out);
    HMAC_CTX_free(p.keyed);
    HMAC_CTX_free(p.running);
}

/* ---- equalBytes(a, b) ---- */

void native_equal_bytes(struct v8c_call *c)
{
    struct v8c_bytes a = crypto_bytes(c, 0), b = crypto_bytes(c, 1);
    v8c_call_return_bool(c, a.len == b.len && CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

const struct v8c_native_entry natives_crypto[] = {
    {"digest", native_digest},
    {"digestStart", native_digest_start},
    {"digestUpdate", native_digest_update},
    {"digestEnd", native_digest_end},
    {"hmac", native_hmac},
    {"hkdf", native_hkdf},
    {"pbkdf2", native_pbkdf2},
    {"equalBytes", native_equal_bytes},
    {"cipher", native_cipher},
    {"keySecret", native_key_secret},
    {"keyRandom", native_key_random},
    {"keyBytes", native_key_bytes},
    {"keyLength", native_key_length},
    {"base64url", native_base64url},
    {"keyGenerate", native_key_generate},
    {"keyRead", native_key_read},
    {"keyWrite", native_key_write},
    {"keyOfParts", native_key_of_parts},
    {"keyParts", native_key_parts},
    {"keySign", native_key_sign},
    {"keyVerify", native_key_verify},
    {"keyCrypt", native_key_crypt},
    {"keyAgree", native_key_agree},
    {"keyEncapsulate", native_key_encapsulate},
    {"keyDecapsulate", native_key_decapsulate},
    {0},
};
