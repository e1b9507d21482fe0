#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/host.h"
#include "dataplane/tls.h"
#include "drivers/aead.h"

enum {
    ERROR_BYTES = 160,
    NAMES_MAX = 256,
    NAME_BYTES = 256,
    TICKET_SECONDS = 24 * 3600, /* at most two rotations of the keys */
    RSA_BITS_MIN = 2048,
    ECC_BITS_MIN = 256,
};

#define CIPHERS                                                                                    \
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

static const char http1[] = "http/1.1"; /* in ALPN */

struct tls_context {
    _Atomic uint32_t references; /* the creator's and one of each session */
    WOLFSSL_CTX *ctx;
    struct tls_ticket_keys tickets;
    int64_t expires_s;
    uint32_t name_count;
    char (*names)[NAME_BYTES];
};

struct tls_session {
    struct tls_context *context;
    WOLFSSL *ssl;
    const struct tls_io *io;
    void *io_arg;

    /* Ciphertext the stream had no room for: held[held_from..held_bytes). */
    uint8_t *held;
    uint32_t held_from, held_bytes, held_cap;
    uint32_t unreported; /* plaintext bytes of tls_write in it */

    bool is_done;        /* handshake */
    bool is_finished;    /* close_notify was sent */
    bool is_truncated;   /* the stream ended */
    bool is_malformed;   /* the client's ALPN list */
    enum tls_result end; /* TLS_CLOSED or TLS_FAILED: for good; TLS_OK: not yet */
    const char *alpn;
    char error[ERROR_BYTES];
};

int tls_start(void)
{
    return wolfSSL_Init() == WOLFSSL_SUCCESS ? 0 : -EIO;
}

void tls_stop(void)
{
    wolfSSL_Cleanup();
}

/* ---- held bytes ---- */

static bool hold(struct tls_session *s, const uint8_t *bytes, size_t len)
{
    if (s->held_bytes + len > s->held_cap) {
        size_t cap = s->held_bytes + len;
        if (cap > TLS_HELD_BYTES_MAX)
            return false;
        uint8_t *held = realloc(s->held, cap);
        if (!held)
            return false;
        s->held = held;
        s->held_cap = (uint32_t)cap;
    }
    memcpy(s->held + s->held_bytes, bytes, len);
    s->held_bytes += (uint32_t)len;
    return true;
}

/* True: nothing is held any more. */
static bool flush(struct tls_session *s)
{
    while (s->held_from < s->held_bytes) {
        size_t n = s->io->send(s->io_arg, s->held + s->held_from, s->held_bytes - s->held_from);
        if (n == 0)
            return false;
        s->held_from += (uint32_t)n;
    }
    free(s->held);
    s->held = NULL;
    s->held_from = s->held_bytes = s->held_cap = 0;
    return true;
}

/* ---- wolfSSL's callbacks ---- */

static int on_recv(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct tls_session *s = arg;
    size_t n = s->io->recv(s->io_arg, buf, (size_t)len);
    if (n > 0)
        return (int)n;
    if (!s->io->is_finished(s->io_arg))
        return WOLFSSL_CBIO_ERR_WANT_READ;
    s->is_truncated = true;
    return WOLFSSL_CBIO_ERR_CONN_CLOSE;
}

/* Always takes everything: see tls.h. */
static int on_send(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct tls_session *s = arg;
    size_t sent = 0, want = (size_t)len;
    if (s->is_malformed)
        return WOLFSSL_CBIO_ERR_GENERAL;
    if (!s->held || flush(s))
        sent = s->io->send(s->io_arg, buf, want);
    if (sent < want && !hold(s, (uint8_t *)buf + sent, want - sent))
        return WOLFSSL_CBIO_ERR_GENERAL;
    return len;
}

/* Asked by Debian's 5.5.4 alone, whose own search reads beyond a list whose last length lies: such a
 * list must not get there, and the session ends with the next byte that wolfSSL wants to send. Later
 * versions check the list themselves and go by wolfSSL_UseALPN; so does 5.5.4 when this refuses. */
static int on_alpn(WOLFSSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned int offered_len, void *arg)
{
    const unsigned char *p = offered, *end = offered + offered_len;
    struct tls_session *s = wolfSSL_GetIOReadCtx(ssl);
    while (p<end && * p> 0 && *p < end - p) {
        if (*p == sizeof(http1) - 1 && memcmp(p + 1, http1, sizeof(http1) - 1) == 0) {
            *out = p + 1;
            *out_len = *p;
            return 0;
        }
        p += 1 + *p;
    }
    if (p == end)
        return fatal_return;
    s->is_malformed = true;
    *out = (const unsigned char *)http1;
    *out_len = sizeof(http1) - 1;
    return 0;
}

/* What was agreed on: we speak one protocol. */
static const char *agreed_alpn(WOLFSSL *ssl)
{
    char *name;
    unsigned short len;
    return wolfSSL_ALPN_GetProtocol(ssl, &name, &len) == WOLFSSL_SUCCESS && len > 0 ? http1 : "";
}

static int seal_ticket(WOLFSSL *ssl, const struct tls_ticket_keys *keys, Aes *aes, uint8_t *name,
                       uint8_t *iv, uint8_t *mac, uint8_t *ticket, int len)
{
    memcpy(name, keys->name, sizeof(keys->name));
    memset(iv, 0, WOLFSSL_TICKET_IV_SZ);
    memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
    if (wc_RNG_GenerateBlock(wolfSSL_GetRNG(ssl), iv, AEAD_NONCE_BYTES) != 0 ||
        wc_AesGcmSetKey(aes, keys->key, sizeof(keys->key)) != 0 ||
        wc_AesGcmEncrypt(aes, ticket, ticket, (word32)len, iv, AEAD_NONCE_BYTES, mac,
                         AEAD_TAG_BYTES, name, sizeof(keys->name)) != 0)
        return WOLFSSL_TICKET_RET_FATAL;
    return WOLFSSL_TICKET_RET_OK;
}

static int open_ticket(WOLFSSL *ssl, const struct tls_ticket_keys *keys, Aes *aes,
                       const uint8_t *name, const uint8_t *iv, const uint8_t *mac, uint8_t *ticket,
                       int len)
{
    bool is_current = memcmp(name, keys->name, sizeof(keys->name)) == 0;
    if (!is_current && memcmp(name, keys->previous_name, sizeof(keys->previous_name)) != 0)
        return WOLFSSL_TICKET_RET_REJECT;
    const uint8_t *key = is_current ? keys->key : keys->previous_key;
    if (wc_AesGcmSetKey(aes, key, sizeof(keys->key)) != 0 ||
        wc_AesGcmDecrypt(aes, ticket, ticket, (word32)len, iv, AEAD_NONCE_BYTES, mac,
                         AEAD_TAG_BYTES, name, sizeof(keys->name)) != 0)
        return WOLFSSL_TICKET_RET_REJECT;
    /* TLS 1.3 sends a new ticket anyway, and 5.9.2 takes CREATE for a refusal there. */
    return is_current || wolfSSL_version(ssl) == TLS1_3_VERSION ? WOLFSSL_TICKET_RET_OK
                                                                : WOLFSSL_TICKET_RET_CREATE;
}

static int on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                     unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int is_seal, unsigned char *ticket,
                     int len, int *out_len, void *arg)
{
    const struct tls_context *context = arg;
    Aes aes;
    if (wc_AesInit(&aes, NULL, AEAD_WOLFSSL_DEVICE) != 0)
        return is_seal ? WOLFSSL_TICKET_RET_FATAL : WOLFSSL_TICKET_RET_REJECT;
    int result = is_seal ? seal_ticket(ssl, &context->tickets, &aes, name, iv, mac, ticket, len)
                         : open_ticket(ssl, &context->tickets, &aes, name, iv, mac, ticket, len);
    wc_AesFree(&aes);
    *out_len = len;
    return result;
}

/* ---- contexts ---- */

/* Keeps DNS names, "*." in front allowed: alternative names hold addresses and mailboxes too. */
static void add_name(struct tls_context *c, const char *name)
{
    char host[HOST_BYTES_MAX + 1];
    bool is_wildcard = strncmp(name, "*.", 2) == 0;
    if (is_wildcard)
        name += 2;
    size_t len = host_canonical(host, name, strlen(name));
    if (len == 0 || host_is_numeric(host, len) || c->name_count == NAMES_MAX)
        return;
    snprintf(c->names[c->name_count++], NAME_BYTES, "%s%s", is_wildcard ? "*." : "", host);
}

static const char *read_leaf(struct tls_context *c, const char *chain_file)
{
    WOLFSSL_X509 *leaf = wolfSSL_X509_load_certificate_file(chain_file, WOLFSSL_FILETYPE_PEM);
    if (!leaf)
        return "the certificate cannot be read";
    bool has_alternatives = false;
    for (char *name; (name = wolfSSL_X509_get_next_altname(leaf));) {
        has_alternatives = true;
        add_name(c, name);
    }
    char *common = wolfSSL_X509_get_subjectCN(leaf);
    if (!has_alternatives && common)
        add_name(c, common);

    struct tm after;
    WOLFSSL_ASN1_TIME *time = wolfSSL_X509_get_notAfter(leaf);
    bool has_time = time && wolfSSL_ASN1_TIME_to_tm(time, &after) == WOLFSSL_SUCCESS;
    if (has_time)
        c->expires_s = timegm(&after);
    wolfSSL_X509_free(leaf);
    return has_time ? NULL : "the certificate has no readable end date";
}

static size_t read_file(const char *name, uint8_t *buf, size_t cap)
{
    FILE *file = fopen(name, "r");
    if (!file)
        return 0;
    size_t n = fread(buf, 1, cap, file);
    fclose(file);
    return n;
}

/* wolfSSL_CTX_check_private_key takes any curve point for any key in Debian's build: compares the points themselves. True for keys
 * that are not of a curve; those wolfSSL does compare. */
static bool is_ecc_pair(const char *chain_file, const char *key_file)
{
    uint8_t pem[16384], der[4096], ours[133], leafs[2048];
    word32 ours_bytes = sizeof(ours), at = 0;
    int leaf_bytes = sizeof(leafs);
    ecc_key key;
    size_t pem_bytes = read_file(key_file, pem, sizeof(pem));
    int der_bytes = wc_KeyPemToDer(pem, (int)pem_bytes, der, sizeof(der), NULL);
    if (der_bytes <= 0 || wc_ecc_init(&key) != 0)
        return false;
    bool is_ecc = wc_EccPrivateKeyDecode(der, &at, &key, (word32)der_bytes) == 0;
    bool is_pair = !is_ecc;
    if (is_ecc && wc_ecc_make_pub(&key, NULL) == 0 &&
        wc_ecc_export_x963(&key, ours, &ours_bytes) == 0) {
        WOLFSSL_X509 *leaf = wolfSSL_X509_load_certificate_file(chain_file, WOLFSSL_FILETYPE_PEM);
        is_pair = leaf &&
                  wolfSSL_X509_get_pubkey_buffer(leaf, leafs, &leaf_bytes) == WOLFSSL_SUCCESS &&
                  /* SubjectPublicKeyInfo: the point is its end. */
                  leaf_bytes > (int)ours_bytes &&
                  memcmp(leafs + leaf_bytes - ours_bytes, ours, ours_bytes) == 0;
        wolfSSL_X509_free(leaf);
    }
    wc_ecc_free(&key);
    explicit_bzero(pem, sizeof(pem));
    explicit_bzero(der, sizeof(der));
    return is_pair;
}

static const char *configure(struct tls_context *c, const char *chain_file, const char *key_file)
{
    WOLFSSL_CTX *ctx = c->ctx;
    int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1};
    /* Debian's build allows anonymous ciphers and SSL 3 unless told otherwise
     * (OPENSSL_COMPATIBLE_DEFAULTS). */
    if (wolfSSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(ctx, CIPHERS) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(ctx, groups, 2) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_SetMinRsaKey_Sz(ctx, RSA_BITS_MIN) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_SetMinEccKey_Sz(ctx, ECC_BITS_MIN) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_TicketEncCb(ctx, on_ticket) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_TicketEncCtx(ctx, c) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_TicketHint(ctx, TICKET_SECONDS) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_timeout(ctx, TICKET_SECONDS) < 0 ||
        /* Off, and no internal store either: "off" alone still copies every ticket's session (37 KB) into a table under a lock. */
        wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_NO_INTERNAL) != WOLFSSL_SUCCESS)
        return "wolfSSL refuses the settings";
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_SetIORecv(ctx, on_recv);
    wolfSSL_CTX_SetIOSend(ctx, on_send);
    wolfSSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);

    if (wolfSSL_CTX_use_certificate_chain_file(ctx, chain_file) != WOLFSSL_SUCCESS)
        return "the certificate chain cannot be used (missing, not PEM, or a key that is too "
               "short)";
    if (wolfSSL_CTX_use_PrivateKey_file(ctx, key_file, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        return "the private key cannot be used (missing, not PEM, encrypted, or too short)";
    if (wolfSSL_CTX_check_private_key(ctx) != WOLFSSL_SUCCESS || !is_ecc_pair(chain_file, key_file))
        return "the private key is not the certificate's";
    /* Last: with a device, wolfSSL asks the device whether key and certificate match. */
    if (wolfSSL_CTX_SetDevId(ctx, AEAD_WOLFSSL_DEVICE) != WOLFSSL_SUCCESS)
        return "wolfSSL refuses the crypto device";
    return read_leaf(c, chain_file);
}

struct tls_context *tls_context_create(const char *chain_file, const char *key_file,
                                       const struct tls_ticket_keys *tickets, char *error,
                                       size_t error_bytes)
{
    const char *why = "no memory";
    struct tls_context *c = calloc(1, sizeof(*c));
    if (c) {
        c->references = 1;
        c->tickets = *tickets;
        c->names = calloc(NAMES_MAX, NAME_BYTES);
        c->ctx = wolfSSL_CTX_new(wolfSSLv23_server_method());
    }
    if (c && c->names && c->ctx)
        why = configure(c, chain_file, key_file);
    wolfSSL_ERR_clear_error();
    if (!why) {
        char(*names)[NAME_BYTES] = realloc(c->names, (size_t)(c->name_count + 1) * NAME_BYTES);
        c->names = names ? names : c->names;
        return c;
    }
    snprintf(error, error_bytes, "%s: %s", chain_file, why);
    if (c)
        tls_context_destroy(c);
    return NULL;
}

void tls_context_destroy(struct tls_context *c)
{
    if (atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) > 1)
        return;
    if (c->ctx)
        wolfSSL_CTX_free(c->ctx);
    free(c->names);
    explicit_bzero(&c->tickets, sizeof(c->tickets));
    free(c);
}

size_t tls_context_names(const struct tls_context *c, char (*out)[256], size_t max)
{
    size_t count = c->name_count < max ? c->name_count : max;
    memcpy(out, c->names, count * NAME_BYTES);
    return count;
}

int64_t tls_context_expires(const struct tls_context *c)
{
    return c->expires_s;
}

/* ---- sessions ---- */

struct tls_session *tls_session_create(struct tls_context *context, const struct tls_io *io,
                                       void *io_arg)
{
    struct tls_session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->io = io;
    s->io_arg = io_arg;
    s->alpn = "";
    s->context = context;
    s->ssl = wolfSSL_new(context->ctx);
    char list[] = "http/1.1";
    if (!s->ssl || wolfSSL_UseALPN(s->ssl, list, sizeof(list) - 1,
                                   WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
        wolfSSL_free(s->ssl);
        free(s);
        return NULL;
    }
    wolfSSL_SetIOReadCtx(s->ssl, s);
    wolfSSL_SetIOWriteCtx(s->ssl, s);
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return s;
}

void tls_session_destroy(struct tls_session *s)
{
    wolfSSL_free(s->ssl);
    free(s->held);
    tls_context_destroy(s->context);
    free(s);
}

/* What wolfSSL's answer means; the sentence if it is the end. */
static enum tls_result judge(struct tls_session *s, int answer)
{
    int code = wolfSSL_get_error(s->ssl, answer);
    if (code == WOLFSSL_ERROR_WANT_READ || code == WOLFSSL_ERROR_WANT_WRITE)
        return TLS_WANT;

    WOLFSSL_ALERT_HISTORY alerts = {0};
    wolfSSL_get_alert_history(s->ssl, &alerts);
    if (s->is_truncated) {
        s->end = TLS_FAILED;
        snprintf(s->error, sizeof(s->error), "the peer left without close_notify");
    } else if (code == WOLFSSL_ERROR_ZERO_RETURN) {
        s->end = TLS_CLOSED;
        snprintf(s->error, sizeof(s->error), "closed by the peer");
    } else if (code == FATAL_ERROR && alerts.last_rx.code >= 0) {
        s->end = TLS_FAILED;
        snprintf(s->error, sizeof(s->error), "the peer sent alert %d", alerts.last_rx.code);
    } else {
        s->end = TLS_FAILED;
        const char *reason = wolfSSL_ERR_reason_error_string((unsigned long)code);
        snprintf(s->error, sizeof(s->error), "%s (%d), alert sent %d", reason ? reason : "unknown",
                 code, alerts.last_tx.code);
    }
    /* wolfSSL keeps every error in a list of the thread. */
    wolfSSL_ERR_clear_error();
    return s->end;
}

enum tls_result tls_handshake(struct tls_session *s)
{
    if (s->end != TLS_OK)
        return s->end;
    bool is_flushed = flush(s);
    if (!s->is_done) {
        int answer = wolfSSL_accept(s->ssl);
        if (s->is_malformed) {
            snprintf(s->error, sizeof(s->error), "the client's ALPN list is malformed");
            return s->end = TLS_FAILED;
        }
        if (answer != WOLFSSL_SUCCESS)
            return judge(s, answer);
        s->is_done = true;
        s->alpn = agreed_alpn(s->ssl);
        is_flushed = !s->held;
        wolfSSL_ERR_clear_error(); /* a ticket that was not accepted left its trace */
    }
    return is_flushed ? TLS_OK : TLS_WANT;
}

enum tls_result tls_read(struct tls_session *s, void *buf, size_t cap, size_t *len)
{
    assert(s->is_done && cap > 0);
    *len = 0;
    flush(s);
    if (s->end != TLS_OK)
        return s->end;
    enum tls_result result = TLS_OK;
    while (*len < cap && result == TLS_OK) {
        size_t room = cap - *len;
        int n =
            wolfSSL_read(s->ssl, (uint8_t *)buf + *len, room < INT32_MAX ? (int)room : INT32_MAX);
        if (n > 0)
            *len += (size_t)n;
        else
            result = judge(s, n); /* with bytes in hand, an end is told by the next call */
    }
    return *len > 0 ? TLS_OK : result;
}

enum tls_result tls_peek(struct tls_session *s, void *buf, size_t cap, size_t *len)
{
    assert(s->is_done && cap > 0 && cap <= INT32_MAX);
    *len = 0;
    flush(s);
    if (s->end != TLS_OK)
        return s->end;
    int n = wolfSSL_peek(s->ssl, buf, (int)cap);
    if (n <= 0)
        return judge(s, n);
    *len = (size_t)n;
    return TLS_OK;
}

size_t tls_pending(const struct tls_session *s)
{
    return (size_t)wolfSSL_pending(s->ssl);
}

enum tls_result tls_write(struct tls_session *s, const void *buf, size_t len, size_t *taken)
{
    *taken = 0;
    bool is_flushed = flush(s);
    if (s->end == TLS_FAILED)
        return TLS_FAILED;
    if (!is_flushed)
        return TLS_WANT;
    if (len == 0)
        return TLS_OK;
    assert(s->is_done && !s->is_finished);
    *taken = s->unreported < len ? s->unreported : len;
    s->unreported -= (uint32_t)*taken;
    while (*taken < len) {
        size_t n = len - *taken < TLS_RECORD_BYTES ? len - *taken : TLS_RECORD_BYTES;
        int answer = wolfSSL_write(s->ssl, (const uint8_t *)buf + *taken, (int)n);
        if (answer <= 0) {
            /* on_send never asks to wait, and a peer's close_notify does not end our side: whatever wolfSSL
             * calls it, the record is not on its way. */
            enum tls_result result = judge(s, answer);
            if (result == TLS_WANT)
                result = s->end = TLS_FAILED;
            return result;
        }
        assert((size_t)answer == n);
        if (s->held) {
            s->unreported = (uint32_t)n;
            return TLS_WANT;
        }
        *taken += n;
    }
    return TLS_OK;
}

enum tls_result tls_finish(struct tls_session *s)
{
    bool is_flushed = flush(s);
    if (s->end == TLS_FAILED)
        return TLS_FAILED;
    if (s->is_done && !s->is_finished) {
        s->is_finished = true;
        wolfSSL_shutdown(s->ssl);
        is_flushed = !s->held;
    }
    return is_flushed ? TLS_OK : TLS_WANT;
}

bool tls_is_holding(const struct tls_session *s)
{
    return s->held;
}

bool tls_is_resumed(const struct tls_session *s)
{
    return wolfSSL_session_reused(s->ssl);
}

const char *tls_version(const struct tls_session *s)
{
    return wolfSSL_get_version(s->ssl);
}

const char *tls_cipher(const struct tls_session *s)
{
    return wolfSSL_get_cipher_name(s->ssl);
}

const char *tls_alpn(const struct tls_session *s)
{
    return s->alpn;
}

const char *tls_error(const struct tls_session *s)
{
    return s->error;
}
