#include "dataplane/tls/tls_parts.h"

#include <wolfssl/wolfcrypt/aes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/host.h"
#include "dataplane/tls/key_share.h"
#include "dataplane/tls/tls_ticket.h"
#include "drivers/aead.h"
#include "drivers/keypair.h"

enum {
    NAMES_MAX = 256,
    GROUPS_MAX = 8,
    RSA_BITS_MIN = 2048,
    ECC_BITS_MIN = 256,
};

#define CIPHERS                                                                                    \
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* ---- tickets ----
 *
 * What wolfSSL leaves to us of a ticket: name of the key, 16 bytes of IV, the sealed state, the
 * tag. GCM's nonce takes 12 of the 16; the next one is the ticket's generation, authenticated with
 * the name: how many resumptions it is away from a full handshake, which begins a new chain at
 * GENERATIONS_MAX. Rejected: wolfSSL's own count, a byte of the state: it ends the handshake in
 * which that overflows.
 */
enum { GENERATION_AT = AEAD_NONCE_BYTES, GENERATIONS_MAX = 250 };

struct ticket_aad {
    uint8_t name[TLS_TICKET_NAME_BYTES], generation;
};

static struct ticket_aad aad_of(const uint8_t *name, uint8_t generation)
{
    struct ticket_aad aad = {.generation = generation};
    memcpy(aad.name, name, sizeof(aad.name));
    return aad;
}

static int seal_ticket(WOLFSSL *ssl, const struct tls_tickets *tickets, Aes *aes, uint8_t *name,
                       uint8_t *iv, uint8_t *mac, uint8_t *ticket, int len)
{
    const struct tls_ticket_key *k = tls_tickets_key(tickets, 0);
    memcpy(name, k->name, sizeof(k->name));
    memset(iv, 0, WOLFSSL_TICKET_IV_SZ);
    memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
    iv[GENERATION_AT] = ++*tls_session_generation(ssl);
    struct ticket_aad aad = aad_of(name, iv[GENERATION_AT]);
    if (wc_RNG_GenerateBlock(wolfSSL_GetRNG(ssl), iv, AEAD_NONCE_BYTES) != 0 ||
        wc_AesGcmSetKey(aes, k->key, sizeof(k->key)) != 0 ||
        wc_AesGcmEncrypt(aes, ticket, ticket, (word32)len, iv, AEAD_NONCE_BYTES, mac,
                         AEAD_TAG_BYTES, (const uint8_t *)&aad, sizeof(aad)) != 0)
        return WOLFSSL_TICKET_RET_FATAL;
    return WOLFSSL_TICKET_RET_OK;
}

static const struct tls_ticket_key *find_key(const struct tls_tickets *tickets, const uint8_t *name,
                                             bool *is_current)
{
    const struct tls_ticket_key *k;
    for (uint32_t i = 0; (k = tls_tickets_key(tickets, i)); i++) {
        *is_current = i == 0;
        if (memcmp(name, k->name, sizeof(k->name)) == 0)
            return k;
    }
    return NULL;
}

static int open_ticket(WOLFSSL *ssl, const struct tls_tickets *tickets, Aes *aes,
                       const uint8_t *name, const uint8_t *iv, const uint8_t *mac, uint8_t *ticket,
                       int len)
{
    bool is_current;
    const struct tls_ticket_key *k = find_key(tickets, name, &is_current);
    struct ticket_aad aad = aad_of(name, iv[GENERATION_AT]);
    if (!k || aad.generation >= GENERATIONS_MAX ||
        wc_AesGcmSetKey(aes, k->key, sizeof(k->key)) != 0 ||
        wc_AesGcmDecrypt(aes, ticket, ticket, (word32)len, iv, AEAD_NONCE_BYTES, mac,
                         AEAD_TAG_BYTES, (const uint8_t *)&aad, sizeof(aad)) != 0)
        return WOLFSSL_TICKET_RET_REJECT;
    *tls_session_generation(ssl) = aad.generation;
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
    int result = is_seal ? seal_ticket(ssl, context->tickets, &aes, name, iv, mac, ticket, len)
                         : open_ticket(ssl, context->tickets, &aes, name, iv, mac, ticket, len);
    wc_AesFree(&aes);
    *out_len = len;
    return result;
}

/* ---- signatures by libcrypto ---- */

static int on_sign_pss(WOLFSSL *ssl, const unsigned char *in, unsigned int in_bytes,
                       unsigned char *out, unsigned int *out_bytes, int hash, int mgf,
                       const unsigned char *key, unsigned int key_bytes, void *keypair)
{
    size_t len = *out_bytes;
    if (!keypair_sign_pss(keypair, in, in_bytes, out, &len))
        return WOLFSSL_FATAL_ERROR;
    *out_bytes = (unsigned int)len;
    return 0;
}

static int on_sign_pkcs1(WOLFSSL *ssl, const unsigned char *in, unsigned int in_bytes,
                         unsigned char *out, unsigned int *out_bytes, const unsigned char *key,
                         unsigned int key_bytes, void *keypair)
{
    size_t len = *out_bytes;
    if (!keypair_sign_pkcs1(keypair, in, in_bytes, out, &len))
        return WOLFSSL_FATAL_ERROR;
    *out_bytes = (unsigned int)len;
    return 0;
}

/* wolfSSL would verify each signature against faults of the computation; libcrypto has done so. */
static int on_check_pss(WOLFSSL *ssl, unsigned char *signature, unsigned int len,
                        unsigned char **out, int hash, int mgf, const unsigned char *key,
                        unsigned int key_bytes, void *keypair)
{
    return 0;
}

static int on_check_pkcs1(WOLFSSL *ssl, unsigned char *signature, unsigned int len,
                          unsigned char **out, const unsigned char *key, unsigned int key_bytes,
                          void *keypair)
{
    return 0;
}

static void sign_by_keypair(WOLFSSL_CTX *ctx)
{
    wolfSSL_CTX_SetRsaPssSignCb(ctx, on_sign_pss);
    wolfSSL_CTX_SetRsaPssSignCheckCb(ctx, on_check_pss);
    wolfSSL_CTX_SetRsaSignCb(ctx, on_sign_pkcs1);
    wolfSSL_CTX_SetRsaSignCheckCb(ctx, on_check_pkcs1);
}

void tls_context_sign_for(const struct tls_context *c, WOLFSSL *ssl)
{
    if (c->is_client || !keypair_signs(c->keypair))
        return;
    wolfSSL_SetRsaPssSignCtx(ssl, c->keypair);
    wolfSSL_SetRsaSignCtx(ssl, c->keypair);
}

/* ---- contexts ---- */

/* Keeps host names, "*." in front allowed. */
static void add_name(void *arg, const char *name)
{
    struct tls_context *c = arg;
    char host[HOST_BYTES_MAX + 1];
    bool is_wildcard = strncmp(name, "*.", 2) == 0;
    if (is_wildcard)
        name += 2;
    size_t len = host_canonical(host, name, strlen(name));
    if (len == 0 || host_is_numeric(host, len) || c->name_count == NAMES_MAX)
        return;
    snprintf(c->names[c->name_count++], TLS_NAME_BYTES, "%s%s", is_wildcard ? "*." : "", host);
}

bool tls_context_configure(WOLFSSL_CTX *ctx)
{
    int groups[GROUPS_MAX];
    int group_count = (int)key_share_groups(groups, GROUPS_MAX);
    /* Debian's build allows anonymous ciphers and SSL 3 unless told otherwise
     * (OPENSSL_COMPATIBLE_DEFAULTS). */
    return wolfSSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_set_cipher_list(ctx, CIPHERS) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_set_groups(ctx, groups, group_count) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_SetMinRsaKey_Sz(ctx, RSA_BITS_MIN) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_SetMinEccKey_Sz(ctx, ECC_BITS_MIN) == WOLFSSL_SUCCESS &&
           /* Off, and no internal store either: "off" alone still copies every ticket's session
            * (37 KB) into a table under a lock. */
           wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_NO_INTERNAL) ==
               WOLFSSL_SUCCESS;
}

static const char *configure(struct tls_context *c)
{
    WOLFSSL_CTX *ctx = c->ctx;
    struct keypair_bytes chain = keypair_chain(c->keypair), key = keypair_key(c->keypair);
    if (!tls_context_configure(ctx) ||
        wolfSSL_CTX_set_TicketEncCb(ctx, on_ticket) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_TicketEncCtx(ctx, c) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_TicketHint(ctx, TLS_TICKET_SECONDS) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_timeout(ctx, TLS_TICKET_SECONDS) < 0)
        return "wolfSSL refuses the settings";
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    tls_set_server_callbacks(ctx);
    if (keypair_signs(c->keypair))
        sign_by_keypair(ctx);

    if (wolfSSL_CTX_use_certificate_chain_buffer(ctx, chain.bytes, (long)chain.len) !=
        WOLFSSL_SUCCESS)
        return "the certificate chain cannot be used: wolfSSL refuses it (a key that is too short, "
               "a curve that it does not know, or more than nine certificates)";
    if (wolfSSL_CTX_use_PrivateKey_buffer(ctx, key.bytes, (long)key.len, WOLFSSL_FILETYPE_ASN1) !=
        WOLFSSL_SUCCESS)
        return "the private key cannot be used: wolfSSL refuses it";
    /* Last: with a device, wolfSSL asks the device whether key and certificate match. */
    if (wolfSSL_CTX_SetDevId(ctx, AEAD_WOLFSSL_DEVICE) != WOLFSSL_SUCCESS)
        return "wolfSSL refuses the crypto device";
    keypair_names(c->keypair, add_name, c);
    return NULL;
}

struct tls_context *tls_context_create(const char *chain_file, const char *key_file,
                                       const struct tls_tickets *tickets, char *error,
                                       size_t error_bytes)
{
    const char *why = "no memory";
    struct tls_context *c = calloc(1, sizeof(*c));
    if (c) {
        c->references = 1;
        c->tickets = tickets;
        c->keypair = keypair_read(chain_file, key_file, error, error_bytes);
        if (!c->keypair) {
            free(c);
            return NULL;
        }
        c->names = calloc(NAMES_MAX, TLS_NAME_BYTES);
        c->ctx = wolfSSL_CTX_new(wolfSSLv23_server_method());
    }
    if (c && c->names && c->ctx)
        why = configure(c);
    wolfSSL_ERR_clear_error();
    if (!why) {
        char(*names)[TLS_NAME_BYTES] =
            realloc(c->names, (size_t)(c->name_count + 1) * TLS_NAME_BYTES);
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
    if (c->keypair)
        keypair_destroy(c->keypair);
    free(c->names);
    free(c);
}

size_t tls_context_names(const struct tls_context *c, char (*out)[256], size_t max)
{
    size_t count = c->name_count < max ? c->name_count : max;
    memcpy(out, c->names, count * TLS_NAME_BYTES);
    return count;
}

int64_t tls_context_expires(const struct tls_context *c)
{
    return keypair_expires(c->keypair);
}
