/* tls_pair.h
 *
 * A TLS session of ours and a wolfSSL client, joined in memory.
 *
 *   tls_session --[ to_client ]--> WOLFSSL client
 *               <-[ to_server ]--
 */
#ifndef HEARTH_TEST_TLS_PAIR_H
#define HEARTH_TEST_TLS_PAIR_H

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/tls/tls.h"
#include "pipe.h"

struct tls_pair {
    struct pipe to_client, to_server;
    struct guard guard;
    struct tls_session *server;
    WOLFSSL *client;
    bool is_client_done;
};

/* From NAME.pem and NAME.key of make_certs.sh's directory. It is there, or the program ends. */
struct tls_context *tls_pair_context(const char *directory, const char *name,
                                     const struct tls_tickets *);

/* ctx: the client's. The pair is large: static, or on the heap. */
void tls_pair_init(struct tls_pair *, struct tls_context *, WOLFSSL_CTX *ctx);
void tls_pair_fini(struct tls_pair *);
/* One step of both sides; true when both are done. *server is the last answer. */
bool tls_pair_step(struct tls_pair *, enum tls_result *server);
/* Steps until both are done or the server failed. */
enum tls_result tls_pair_handshake(struct tls_pair *);

#endif
