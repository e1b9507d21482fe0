#include "tls_pair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *server_peek(void *arg, size_t offset, size_t *len)
{
    struct pipe *p = &((struct tls_pair *)arg)->to_server;
    size_t filled = p->to - p->from;
    size_t left = offset < filled ? filled - offset : 0;
    *len = left < p->piece ? left : p->piece;
    return p->bytes + p->from + offset;
}

static void server_consume(void *arg, size_t len)
{
    struct pipe *p = &((struct tls_pair *)arg)->to_server;
    assert(len <= p->to - p->from);
    p->from += len;
}

static size_t server_send(void *arg, const void *buf, size_t len)
{
    return pipe_write(&((struct tls_pair *)arg)->to_client, buf, len);
}

static bool server_is_finished(void *arg)
{
    return ((struct tls_pair *)arg)->to_server.is_closed;
}

static const struct tls_io server_io = {server_peek, server_consume, server_send,
                                        server_is_finished};

static int client_recv(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct pipe *p = &((struct tls_pair *)arg)->to_client;
    size_t n = pipe_read(p, buf, (size_t)len);
    if (n > 0)
        return (int)n;
    return p->is_closed ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int client_send(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    size_t n = pipe_write(&((struct tls_pair *)arg)->to_server, buf, (size_t)len);
    return n > 0 ? (int)n : WOLFSSL_CBIO_ERR_WANT_WRITE;
}

struct tls_context *tls_pair_context(const char *directory, const char *name,
                                     const struct tls_tickets *keys)
{
    char chain[512], key[512], error[256] = "";
    snprintf(chain, sizeof(chain), "%s/%s.pem", directory, name);
    snprintf(key, sizeof(key), "%s/%s.key", directory, name);
    struct tls_context *c = tls_context_create(chain, key, keys, error, sizeof(error));
    if (!c) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    return c;
}

void tls_pair_init(struct tls_pair *p, struct tls_context *context, WOLFSSL_CTX *ctx)
{
    memset(p, 0, sizeof(*p));
    p->to_client.room = p->to_client.piece = SIZE_MAX;
    p->to_server.room = p->to_server.piece = SIZE_MAX;
    guard_init(&p->guard);
    p->server = tls_session_create(context, &p->guard, &server_io, p);
    assert(p->server);
    if (!ctx)
        return;
    p->client = wolfSSL_new(ctx);
    assert(p->client);
    wolfSSL_SSLSetIORecv(p->client, client_recv);
    wolfSSL_SSLSetIOSend(p->client, client_send);
    wolfSSL_SetIOReadCtx(p->client, p);
    wolfSSL_SetIOWriteCtx(p->client, p);
}

void tls_pair_fini(struct tls_pair *p)
{
    tls_session_destroy(p->server);
    wolfSSL_free(p->client);
}

bool tls_pair_step(struct tls_pair *p, enum tls_result *server)
{
    if (!p->is_client_done)
        p->is_client_done = wolfSSL_connect(p->client) == WOLFSSL_SUCCESS;
    *server = tls_handshake(p->server);
    return p->is_client_done && *server == TLS_OK;
}

enum tls_result tls_pair_handshake(struct tls_pair *p)
{
    enum tls_result result = TLS_WANT;
    for (int i = 0; i < 100000 && !tls_pair_step(p, &result); i++) {
        if (result == TLS_FAILED || result == TLS_CLOSED)
            return result;
    }
    return p->is_client_done ? result : TLS_WANT;
}
