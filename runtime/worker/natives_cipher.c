#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "runtime/worker/natives_crypto.h"
#include "runtime/worker/natives_crypto_parts.h"

/* cipher(mode, encrypts, key, iv, bytes, additional, tag bytes or counter bits) */
enum { ARG_MODE, ARG_ENCRYPTS, ARG_KEY, ARG_IV, ARG_BYTES, ARG_ADDITIONAL, ARG_BITS };

enum { BLOCK_BYTES = 16, TAG_BYTES_MAX = 16 };

struct cipher {
    const struct v8c_call *call;
    EVP_CIPHER_CTX *ctx;
    const EVP_CIPHER *with;
    const struct key *key;
    struct v8c_bytes iv, in;
    uint8_t *out;
    size_t len;
    bool encrypts;
};

static bool update(struct cipher *x, struct v8c_bytes bytes)
{
    while (bytes.len > 0) {
        size_t piece = bytes.len < CRYPTO_PIECE_BYTES ? bytes.len : CRYPTO_PIECE_BYTES;
        int len;
        if (!EVP_CipherUpdate(x->ctx, x->out + x->len, &len, bytes.data, (int)piece))
            return false;
        x->len += (size_t)len;
        bytes.data += piece;
        bytes.len -= piece;
        if (bytes.len > 0 && crypto_is_struck(x->call))
            return false;
    }
    return true;
}

static bool finish(struct cipher *x)
{
    int len;
    if (!EVP_CipherFinal_ex(x->ctx, x->out + x->len, &len))
        return false;
    x->len += (size_t)len;
    return true;
}

static bool start(struct cipher *x, const uint8_t *iv)
{
    return EVP_CipherInit_ex(x->ctx, x->with, NULL, x->key->bytes, iv, x->encrypts);
}

static bool run_cbc(struct cipher *x)
{
    return x->iv.len == BLOCK_BYTES && start(x, x->iv.data) && update(x, x->in) && finish(x);
}

/* ---- counter mode ---- */

static uint64_t read_64(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | at[i];
    return number;
}

/* How many blocks until the low `bits` of the counter are zero again; 0: 2^64 or more. */
static uint64_t blocks_to_wrap(const uint8_t counter[BLOCK_BYTES], long bits)
{
    const uint64_t high = read_64(counter), low = read_64(counter + 8);
    if (bits < 64)
        return (1ull << bits) - (low & ((1ull << bits) - 1));
    const uint64_t mask = bits == 128 ? UINT64_MAX : (1ull << (bits - 64)) - 1;
    return (high & mask) == mask ? -low : 0;
}

static void zero_low_bits(uint8_t counter[BLOCK_BYTES], long bits)
{
    for (int i = BLOCK_BYTES - 1; bits > 0; i--, bits -= 8)
        counter[i] &= bits >= 8 ? 0 : (uint8_t)(0xff << bits);
}

/* OpenSSL counts in all 128 bits; the standard's counter is the low `bits` of the block, and the
 * rest is a nonce that nothing is carried to. */
static bool run_ctr(struct cipher *x, long bits)
{
    uint8_t counter[BLOCK_BYTES];
    if (x->iv.len != BLOCK_BYTES || bits < 1 || bits > 128)
        return false;
    memcpy(counter, x->iv.data, sizeof(counter));
    const uint64_t blocks = (x->in.len + BLOCK_BYTES - 1) / BLOCK_BYTES;
    const uint64_t wrap = blocks_to_wrap(counter, bits);
    if (bits < 64 && blocks > 1ull << bits)
        return false; /* the same block of the key stream twice */
    struct v8c_bytes head = x->in;
    if (wrap && blocks > wrap)
        head.len = wrap * BLOCK_BYTES;
    const struct v8c_bytes rest = {head.data + head.len, x->in.len - head.len};
    if (!start(x, counter) || !update(x, head))
        return false;
    zero_low_bits(counter, bits);
    return rest.len == 0 || (start(x, counter) && update(x, rest));
}

/* ---- with a tag ---- */

static bool begin_tagged(struct cipher *x, size_t tag_bytes)
{
    struct v8c_bytes additional = crypto_bytes(x->call, ARG_ADDITIONAL);
    int len;
    if (!EVP_CipherInit_ex(x->ctx, x->with, NULL, NULL, NULL, x->encrypts) ||
        EVP_CIPHER_CTX_ctrl(x->ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)x->iv.len, NULL) <= 0)
        return false;
    /* OCB computes with the length of its tag. */
    if (EVP_CIPHER_get_mode(x->with) == EVP_CIPH_OCB_MODE &&
        EVP_CIPHER_CTX_ctrl(x->ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_bytes, NULL) <= 0)
        return false;
    if (!EVP_CipherInit_ex(x->ctx, NULL, NULL, x->key->bytes, x->iv.data, x->encrypts))
        return false;
    return additional.len == 0 ||
           (additional.len <= INT32_MAX &&
            EVP_CipherUpdate(x->ctx, NULL, &len, additional.data, (int)additional.len));
}

static bool run_tagged(struct cipher *x, long tag_bytes)
{
    const size_t tag = (size_t)tag_bytes;
    if (tag_bytes < 1 || tag_bytes > TAG_BYTES_MAX || x->iv.len < 1 || x->iv.len > 128)
        return false;
    if (x->encrypts) {
        if (!begin_tagged(x, tag) || !update(x, x->in) || !finish(x) ||
            EVP_CIPHER_CTX_ctrl(x->ctx, EVP_CTRL_AEAD_GET_TAG, (int)tag, x->out + x->len) <= 0)
            return false;
        x->len += tag;
        return true;
    }
    if (x->in.len < tag)
        return false;
    const struct v8c_bytes text = {x->in.data, x->in.len - tag};
    return begin_tagged(x, tag) && update(x, text) &&
           EVP_CIPHER_CTX_ctrl(x->ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag, x->in.data + text.len) >
               0 &&
           finish(x);
}

/* RFC 3394 */
static bool run_wrap(struct cipher *x)
{
    if (x->in.len % 8 || x->in.len < (x->encrypts ? 16u : 24u) || x->in.len > CRYPTO_PIECE_BYTES)
        return false;
    return start(x, NULL) && update(x, x->in) && finish(x);
}

/* ---- */

enum mode { MODE_NONE, MODE_CBC, MODE_CTR, MODE_TAGGED, MODE_WRAP };

static const struct {
    const char *name, *openssl;
    enum mode mode;
} modes[] = {
    {"GCM", "GCM", MODE_TAGGED}, {"CBC", "CBC", MODE_CBC},    {"CTR", "CTR", MODE_CTR},
    {"KW", "WRAP", MODE_WRAP},   {"OCB", "OCB", MODE_TAGGED},
};

/* Looked up at the first use: what an isolate does not use costs it nothing. */
static const EVP_CIPHER *aes(size_t mode, size_t key_bytes)
{
    static EVP_CIPHER *found[sizeof(modes) / sizeof(*modes)][3];
    char name[32];
    if (key_bytes != 16 && key_bytes != 24 && key_bytes != 32)
        return NULL;
    EVP_CIPHER **at = &found[mode][key_bytes / 8 - 2];
    if (!*at) {
        snprintf(name, sizeof(name), "AES-%zu-%s", key_bytes * 8, modes[mode].openssl);
        *at = EVP_CIPHER_fetch(NULL, name, NULL);
    }
    return *at;
}

static enum mode find_mode(struct cipher *x)
{
    static EVP_CIPHER *chacha;
    char name[CRYPTO_NAME_MAX];
    crypto_text(x->call, ARG_MODE, name);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (strcmp(name, modes[i].name) != 0)
            continue;
        x->with = aes(i, x->key->len);
        return x->with ? modes[i].mode : MODE_NONE;
    }
    if (strcmp(name, "ChaCha20") != 0 || x->key->len != 32)
        return MODE_NONE;
    if (!chacha)
        chacha = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    x->with = chacha;
    return chacha ? MODE_TAGGED : MODE_NONE;
}

/* The bytes of the output; of padding that comes off, too. */
static size_t room_of(const struct cipher *x, enum mode mode, long tag_bytes)
{
    const size_t len = x->in.len;
    switch (mode) {
    case MODE_CBC:
        return x->encrypts ? (len / BLOCK_BYTES + 1) * BLOCK_BYTES : len;
    case MODE_TAGGED:
        if (tag_bytes < 0 || tag_bytes > TAG_BYTES_MAX)
            return 0;
        return x->encrypts               ? len + (size_t)tag_bytes
               : len > (size_t)tag_bytes ? len - (size_t)tag_bytes
                                         : 0;
    case MODE_WRAP:
        return x->encrypts ? len + 8 : len > 8 ? len - 8 : 0;
    case MODE_CTR:
        return len;
    case MODE_NONE:
        break;
    }
    return 0;
}

static bool run(struct cipher *x, enum mode mode)
{
    const long bits = crypto_number(x->call, ARG_BITS, 128);
    switch (mode) {
    case MODE_CBC:
        return run_cbc(x);
    case MODE_CTR:
        return run_ctr(x, bits);
    case MODE_TAGGED:
        return run_tagged(x, bits);
    case MODE_WRAP:
        return run_wrap(x);
    case MODE_NONE:
        break;
    }
    return false;
}

void native_cipher(struct v8c_call *c)
{
    struct cipher x = {
        .call = c,
        .key = key_secret(v8c_call_arg(c, ARG_KEY)),
        .iv = crypto_bytes(c, ARG_IV),
        .in = crypto_bytes(c, ARG_BYTES),
        .encrypts = v8c_bool_value(c->isolate, v8c_call_arg(c, ARG_ENCRYPTS)),
    };
    if (!x.key)
        return;
    enum mode mode = find_mode(&x);
    struct v8c_value *buffer =
        v8c_array_buffer_new(c->isolate, room_of(&x, mode, crypto_number(c, ARG_BITS, 128)));
    if (!buffer)
        return;
    x.ctx = EVP_CIPHER_CTX_new();
    x.out = v8c_bytes_of(buffer).data;
    bool is_done = x.ctx && run(&x, mode);
    EVP_CIPHER_CTX_free(x.ctx);
    if (!is_done)
        crypto_refuse(c);
    else if (x.len == v8c_bytes_of(buffer).len)
        v8c_call_return(c, buffer);
    else /* without the padding */
        crypto_return(c, x.out, x.len);
}
