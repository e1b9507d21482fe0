/* Contexts of the client's side: whose word is taken for a server. */
#include "dataplane/tls/tls_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "drivers/aead.h"

static const char *configure(WOLFSSL_CTX *ctx, const char *ca_file)
{
    /* Bundles have authorities whose time is over, or whose keys nobody takes any more: they vouch
     * for nobody, and the others do. */
    const unsigned flags = WOLFSSL_LOAD_FLAG_IGNORE_ERR | WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY;
    if (!tls_context_configure(ctx))
        return "wolfSSL refuses the settings";
    if (wolfSSL_CTX_load_verify_locations_ex(ctx, ca_file, NULL, flags) != WOLFSSL_SUCCESS)
        return "no certificate of an authority can be read from it";
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
    tls_set_callbacks(ctx);
    if (wolfSSL_CTX_SetDevId(ctx, AEAD_WOLFSSL_DEVICE) != WOLFSSL_SUCCESS)
        return "wolfSSL refuses the crypto device";
    return NULL;
}

struct tls_context *tls_context_create_client(const char *ca_file, char *error, size_t error_bytes)
{
    const char *why = "no memory";
    struct tls_context *c = calloc(1, sizeof(*c));
    if (c) {
        c->references = 1;
        c->is_client = true;
        c->ctx = wolfSSL_CTX_new(wolfSSLv23_client_method());
    }
    if (c && c->ctx)
        why = configure(c->ctx, ca_file);
    wolfSSL_ERR_clear_error();
    if (!why)
        return c;
    snprintf(error, error_bytes, "%s: %s", ca_file, why);
    if (c)
        tls_context_destroy(c);
    return NULL;
}
