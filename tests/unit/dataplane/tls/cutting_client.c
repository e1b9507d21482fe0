#include "cutting_client.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>

#include "pipe.h"

enum { KEY = 16, IV = 12, SALT = 4, EXPLICIT = 8, TAG = 16, SECRET = 32, HEADER = 5 };
enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, DATA = 23, KEY_UPDATE = 24 };

/* One direction's keys, as the one side knows them. */
struct keys {
    uint8_t secret[SECRET], key[KEY], iv[IV];
    uint64_t number;
};

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    struct pipe *to_server, *from_server;
    client_cut cut;
    void *arg;
    int version, alert;
    bool is_sealing, is_open13; /* behind its change_cipher_spec; behind its Finished */
    uint8_t handshake_secret[SECRET], traffic_secret[SECRET];
    struct keys opens, seals;
    uint8_t unread[1 << 17];
    size_t unread_bytes;
};

/* ---- keys ---- */

static void derive(const char *kdf_name, OSSL_PARAM *params, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    assert(EVP_KDF_derive(ctx, out, len, params) == 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

/* HKDF-Expand-Label without context. */
static void expand(const uint8_t secret[SECRET], const char *label, uint8_t *out, size_t len)
{
    uint8_t info[64] = {0, (uint8_t)len, (uint8_t)(6 + strlen(label))};
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, strlen(label));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, SECRET),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 10 + strlen(label)),
        OSSL_PARAM_construct_end()};
    derive("HKDF", params, out, len);
}

static void keys13(struct keys *k, const uint8_t secret[SECRET])
{
    memmove(k->secret, secret, SECRET);
    expand(k->secret, "key", k->key, KEY);
    expand(k->secret, "iv", k->iv, IV);
    k->number = 0;
}

static void next_keys13(struct keys *k)
{
    uint8_t next[SECRET];
    expand(k->secret, "traffic upd", next, SECRET);
    keys13(k, next);
}

static void keys12(struct client *c, struct keys *k)
{
    uint8_t master[48], seed[13 + 64] = "key expansion", block[2 * KEY + 2 * SALT];
    SSL_SESSION_get_master_key(SSL_get_session(c->ssl), master, sizeof(master));
    SSL_get_server_random(c->ssl, seed + 13, 32);
    SSL_get_client_random(c->ssl, seed + 45, 32);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof(master)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
        OSSL_PARAM_construct_end()};
    derive("TLS1-PRF", params, block, sizeof(block));
    memcpy(k->key, block, KEY);
    memcpy(k->iv, block + 2 * KEY, SALT);
    k->number = 0;
}

static void on_key_log(const SSL *ssl, const char *line)
{
    struct client *c = SSL_get_app_data(ssl);
    bool is_traffic = strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
    if (!is_traffic && strncmp(line, "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", 32) != 0)
        return;
    uint8_t *out = is_traffic ? c->traffic_secret : c->handshake_secret;
    const char *hex = strrchr(line, ' ') + 1;
    for (int i = 0; i < SECRET; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    if (!is_traffic) {
        keys13(&c->opens, out);
        keys13(&c->seals, out);
    }
}

/* ---- records ---- */

static void put_number(uint8_t out[8], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
}

/* Opens or seals: len bytes in place, the tag behind them. */
static void gcm(bool is_seal, const struct keys *k, const uint8_t nonce[IV], const uint8_t *aad,
                size_t aad_len, uint8_t *bytes, size_t len)
{
    int n;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert(EVP_CipherInit_ex(ctx, EVP_aes_128_gcm(), NULL, k->key, nonce, is_seal) == 1);
    if (!is_seal)
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, bytes + len);
    EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len);
    EVP_CipherUpdate(ctx, bytes, &n, bytes, (int)len);
    assert(EVP_CipherFinal_ex(ctx, bytes + len, &n) == 1);
    if (is_seal)
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, bytes + len);
    EVP_CIPHER_CTX_free(ctx);
}

static void nonce13(const struct keys *k, uint8_t nonce[IV])
{
    uint8_t number[8];
    put_number(number, k->number);
    memcpy(nonce, k->iv, IV);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] ^= number[i];
}

static void aad12(const struct keys *k, uint8_t type, size_t len, uint8_t aad[13])
{
    put_number(aad, k->number);
    const uint8_t rest[] = {type, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(aad + 8, rest, sizeof(rest));
}

void client_seal(struct client *c, uint8_t type, const uint8_t *content, size_t len)
{
    static uint8_t out[HEADER + EXPLICIT + (1 << 14) + 1 + TAG];
    struct keys *k = &c->seals;
    uint8_t nonce[IV], aad[13];
    size_t bytes;
    if (c->version == 3) {
        bytes = len + 1 + TAG;
        const uint8_t header[] = {DATA, 3, 3, (uint8_t)(bytes >> 8), (uint8_t)bytes};
        memcpy(out, header, HEADER);
        memcpy(out + HEADER, content, len);
        out[HEADER + len] = type;
        nonce13(k, nonce);
        gcm(true, k, nonce, out, HEADER, out + HEADER, len + 1);
    } else {
        bytes = EXPLICIT + len + TAG;
        const uint8_t header[] = {type, 3, 3, (uint8_t)(bytes >> 8), (uint8_t)bytes};
        memcpy(out, header, HEADER);
        put_number(out + HEADER, k->number);
        memcpy(out + HEADER + EXPLICIT, content, len);
        memcpy(nonce, k->iv, SALT);
        memcpy(nonce + SALT, out + HEADER, EXPLICIT);
        aad12(k, type, len, aad);
        gcm(true, k, nonce, aad, sizeof(aad), out + HEADER + EXPLICIT, len);
    }
    k->number++;
    assert(pipe_write(c->to_server, out, HEADER + bytes) == HEADER + bytes);
}

void client_next_keys(struct client *c)
{
    next_keys13(&c->seals);
}

/* A sealed record of OpenSSL's. */
static void pass_sealed(struct client *c, uint8_t *record, size_t bytes)
{
    struct keys *k = &c->opens;
    uint8_t nonce[IV], aad[13], type = record[0], *content = record + HEADER;
    size_t len = bytes - HEADER - TAG;
    if (c->version == 3) {
        nonce13(k, nonce);
        gcm(false, k, nonce, record, HEADER, content, len);
        type = content[--len];
    } else {
        content += EXPLICIT;
        len -= EXPLICIT;
        memcpy(nonce, k->iv, SALT);
        memcpy(nonce + SALT, record + HEADER, EXPLICIT);
        aad12(k, type, len, aad);
        gcm(false, k, nonce, aad, sizeof(aad), content, len);
    }
    k->number++;
    bool is_update = c->is_open13 && type == HANDSHAKE && content[0] == KEY_UPDATE;
    if (c->cut)
        c->cut(c, type, content, len, c->arg);
    else
        client_seal(c, type, content, len);
    if (is_update) {
        next_keys13(&c->opens);
        if (!c->cut)
            next_keys13(&c->seals);
    } else if (c->version == 3 && type == HANDSHAKE && !c->is_open13) {
        c->is_open13 = true;
        keys13(&c->opens, c->traffic_secret);
        keys13(&c->seals, c->traffic_secret);
    }
}

static void pass(struct client *c)
{
    static uint8_t record[1 << 15];
    while (BIO_ctrl_pending(c->out) >= HEADER) {
        BIO_read(c->out, record, HEADER);
        size_t len = (size_t)record[3] << 8 | record[4];
        assert(BIO_read(c->out, record + HEADER, (int)len) == (int)len);
        bool is_sealed = c->version == 3 ? record[0] == DATA : c->is_sealing;
        if (is_sealed)
            pass_sealed(c, record, HEADER + len);
        else
            pipe_write(c->to_server, record, HEADER + len);
        if (c->version == 2 && record[0] == CHANGE_CIPHER_SPEC) {
            c->is_sealing = true;
            keys12(c, &c->opens);
            keys12(c, &c->seals);
        }
    }
}

/* ---- OpenSSL ---- */

static void on_info(const SSL *ssl, int where, int value)
{
    if (where == SSL_CB_READ_ALERT)
        ((struct client *)SSL_get_app_data(ssl))->alert = value & 0xff;
}

struct client *client_create(int version, struct pipe *to_server, struct pipe *from_server,
                             client_cut cut, void *arg)
{
    struct client *c = calloc(1, sizeof(*c));
    assert(c);
    c->version = version;
    c->alert = -1;
    c->to_server = to_server;
    c->from_server = from_server;
    c->cut = cut;
    c->arg = arg;
    c->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_keylog_callback(c->ctx, on_key_log);
    SSL_CTX_set_info_callback(c->ctx, on_info);
    SSL_CTX_set_min_proto_version(c->ctx, version == 3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(c->ctx, version == 3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_ciphersuites(c->ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_cipher_list(c->ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_app_data(c->ssl, c);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
    return c;
}

void client_destroy(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    free(c);
}

size_t client_step(struct client *c)
{
    uint8_t buf[1 << 14];
    size_t n, got = 0;
    while ((n = pipe_read(c->from_server, buf, sizeof(buf))) > 0)
        BIO_write(c->in, buf, (int)n);
    if (!SSL_is_init_finished(c->ssl))
        SSL_do_handshake(c->ssl);
    while (SSL_is_init_finished(c->ssl) && SSL_read_ex(c->ssl, buf, sizeof(buf), &n) == 1)
        got += n;
    pass(c);
    return got;
}

bool client_is_open(const struct client *c)
{
    return SSL_is_init_finished(c->ssl);
}

void client_write(struct client *c, const void *bytes, size_t len)
{
    size_t n;
    assert(SSL_write_ex(c->ssl, bytes, len, &n) == 1);
    pass(c);
}

void client_update_keys(struct client *c)
{
    SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(c->ssl);
    pass(c);
}

int client_alert(const struct client *c)
{
    return c->alert;
}
