/* tls_parts.h
 *
 * What tls.c (sessions) and tls_context.c (contexts) share: private to them, wolfSSL's headers
 * with it.
 */
#ifndef HEARTH_TLS_PARTS_H
#define HEARTH_TLS_PARTS_H

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/tls/tls.h"

enum { TLS_NAME_BYTES = 256 };

struct tls_context {
    bool is_client;              /* no key, no tickets, no names */
    _Atomic uint32_t references; /* the creator's and one of each session */
    WOLFSSL_CTX *ctx;
    struct keypair *keypair;
    const struct tls_tickets *tickets;
    uint32_t name_count;
    char (*names)[TLS_NAME_BYTES];
};

/* What both sides have: versions, ciphers, groups, key sizes, no session cache. False: wolfSSL
 * refuses them. */
bool tls_context_configure(WOLFSSL_CTX *);
/* tls.c: how a session of this context reads, writes and chooses its protocol. */
void tls_set_callbacks(WOLFSSL_CTX *);
void tls_set_server_callbacks(WOLFSSL_CTX *);
/* tls.c: of the session's ticket, the one that it came with or the last that it sent; 0: none. */
uint8_t *tls_session_generation(WOLFSSL *);
/* tls_context.c: which key signs for this session, where that is ours to do. */
void tls_context_sign_for(const struct tls_context *, WOLFSSL *);

#endif
