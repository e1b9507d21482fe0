#include "tls_pair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

size_t pipe_write(struct pipe *p, const void *bytes, size_t len)
{
    size_t filled = p->to - p->from;
    size_t room = p->room > filled ? p->room - filled : 0;
    size_t n = min3(len, p->piece, room);
    if (n > PIPE_BYTES_MAX - p->to) {
        memmove(p->bytes, p->bytes + p->from, filled);
        p->from = 0;
        p->to = filled;
        n = min3(n, PIPE_BYTES_MAX - filled, SIZE_MAX);
    }
    memcpy(p->bytes + p->to, bytes, n);
    p->to += n;
    p->total += n;
    return n;
}

size_t pipe_read(struct pipe *p, void *bytes, size_t len)
{
    size_t n = min3(len, p->piece, p->to - p->from);
    memcpy(bytes, p->bytes + p->from, n);
    p->from += n;
    if (p->from == p->to)
        p->from = p->to = 0;
    return n;
}

static const uint8_t *server_peek(void *arg, size_t offset, size_t *len)
{
    struct pipe *p = &((struct tls_pair *)arg)->to_server;
    size_t filled = p->to - p->from;
    *len = offset < filled ? min3(filled - offset, p->piece, SIZE_MAX) : 0;
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
