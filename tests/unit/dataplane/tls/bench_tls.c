/* Figures of TLS, SNI and HTTP/1.1 on one core, in memory. Only the server's calls are timed. Run
 * by hand:
 *   ninja -C build tests/unit/dataplane/tls/bench_tls
 *   build/tests/unit/dataplane/tls/bench_tls build/tests/unit/dataplane/tls/certs */
#include "tls_pair.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/http/http1.h"
#include "dataplane/tls/client_hello.h"
#include "dataplane/tls/tls_ticket.h"
#include "drivers/aead.h"
#include "hello.h"

static struct tls_pair pair;
static const char *certs;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double handshake(double *server_s)
{
    enum tls_result result = TLS_WANT;
    bool is_done = false;
    while (!is_done || result != TLS_OK) {
        if (!is_done)
            is_done = wolfSSL_connect(pair.client) == WOLFSSL_SUCCESS;
        double start = now_s();
        result = tls_handshake(pair.server);
        *server_s += now_s() - start;
        if (result == TLS_FAILED) {
            fprintf(stderr, "%s\n", tls_error(pair.server));
            exit(1);
        }
    }
    return *server_s;
}

static void bench_handshakes(const char *what, struct tls_context *context, WOLFSSL_CTX *ctx,
                             bool is_resumed)
{
    enum { COUNT = 300 };
    double server_s = 0;
    WOLFSSL_SESSION *session = NULL;
    for (int i = 0; i < COUNT; i++) {
        tls_pair_init(&pair, context, ctx);
        if (session)
            wolfSSL_set_session(pair.client, session);
        handshake(&server_s);
        char buf[16];
        size_t n;
        tls_write(pair.server, "x", 1, &n);
        wolfSSL_read(pair.client, buf, sizeof(buf));
        if (is_resumed) {
            wolfSSL_SESSION_free(session);
            session = wolfSSL_get1_session(pair.client);
        }
        double start = now_s();
        tls_session_destroy(pair.server);
        server_s += now_s() - start;
        wolfSSL_free(pair.client);
    }
    wolfSSL_SESSION_free(session);
    printf("%-44s %8.0f us\n", what, server_s / COUNT * 1e6);
}

static void bench_records(size_t len)
{
    static uint8_t buf[1 << 20];
    double write_s = 0, read_s = 0;
    size_t total = 0, taken, count = 0;
    while (write_s + read_s < 0.4) {
        double start = now_s();
        for (int i = 0; i < 16; i++)
            tls_write(pair.server, buf, len, &taken);
        write_s += now_s() - start;
        for (int i = 0; i < 16; i++) {
            for (size_t got = 0; got < len;)
                got += (size_t)wolfSSL_read(pair.client, buf, (int)(len - got));
            wolfSSL_write(pair.client, buf, (int)len);
        }
        start = now_s();
        for (size_t got = 0; got < len * 16; got += taken)
            tls_read(pair.server, buf, len * 16 - got < len ? len * 16 - got : len, &taken);
        read_s += now_s() - start;
        total += len * 16;
        count += 16;
    }
    printf("%6zu-byte messages: write %7.0f ns %6.0f MB/s, read %7.0f ns %6.0f MB/s\n", len,
           write_s / (double)count * 1e9, (double)total / write_s / 1e6,
           read_s / (double)count * 1e9, (double)total / read_s / 1e6);
    size_t n;
    double start = now_s();
    for (int i = 0; i < 100000; i++)
        tls_read(pair.server, buf, len, &n);
    if (len == 200)
        printf("tls_read that finds nothing: %.0f ns\n", (now_s() - start) / 100000 * 1e9);
}

static void bench_parsers(void)
{
    static const char head[] =
        "GET /v1/items/12345?fields=name,price HTTP/1.1\r\nHost: shop.hearth.test\r\nUser-Agent: "
        "curl/8.5.0\r\n"
        "Accept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n";
    static struct http1_request r;
    volatile size_t sink = 0;
    double start = now_s();
    for (int i = 0; i < 2000000; i++)
        sink += (size_t)http1_request_parse(&r, head, sizeof(head) - 1, 0);
    printf("http1_request_parse of %zu bytes, %d fields: %.0f ns\n", sizeof(head) - 1,
           r.field_count, (now_s() - start) / 2e6 * 1e9);
    char buf[HTTP1_RESPONSE_START_MAX];
    start = now_s();
    for (int i = 0; i < 5000000; i++)
        sink += http1_response_start(
            buf, sizeof(buf),
            &(struct http1_response){200, HTTP1_FRAME_LENGTH, (uint64_t)i, true, 1},
            "Sun, 06 Nov 1994 08:49:37 GMT");
    printf("http1_response_start: %.0f ns\n", (now_s() - start) / 5e6 * 1e9);
    static struct hello h;
    hello_post_quantum(&h, "shop.hearth.test");
    start = now_s();
    struct client_hello hello;
    for (int i = 0; i < 2000000; i++)
        sink += client_hello_read(&hello, h.bytes, h.len);
    printf("client_hello_read of %zu bytes: %.0f ns\n", h.len, (now_s() - start) / 2e6 * 1e9);
}

static const struct {
    const char *name;
    int id;
    int version_min;
} groups[] = {
    {"P-256", WOLFSSL_ECC_SECP256R1, 2},
    {"X25519", WOLFSSL_ECC_X25519, 2},
#ifdef WOLFSSL_HAVE_MLKEM
    {"X25519MLKEM768", WOLFSSL_X25519MLKEM768, 3},
#endif
};

static WOLFSSL_CTX *client_of(int version, int group)
{
    WOLFSSL_CTX *ctx =
        wolfSSL_CTX_new(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_set_groups(ctx, &group, 1);
    wolfSSL_CTX_UseSessionTicket(ctx);
    return ctx;
}

static void bench_idle(struct tls_context *context, WOLFSSL_CTX *ctx)
{
    enum { IDLE = 100 };
    static struct tls_session *idle[IDLE];
    double s = 0;
    struct mallinfo2 before = mallinfo2();
    for (int k = 0; k < IDLE; k++) {
        tls_pair_init(&pair, context, ctx);
        handshake(&s);
        idle[k] = pair.server;
        wolfSSL_free(pair.client);
    }
    struct mallinfo2 after = mallinfo2();
    printf("an idle session: %zu bytes\n", (after.uordblks - before.uordblks) / IDLE);
    for (int k = 0; k < IDLE; k++)
        tls_session_destroy(idle[k]);
}

static void bench_certificate(const char *name)
{
    static const struct tls_tickets keys = {.slot = {{{1}, {2}}}};
    struct tls_context *context = tls_pair_context(certs, name, &keys);
    for (int version = 2; version <= 3; version++) {
        for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
            char what[80];
            if (version < groups[g].version_min)
                continue;
            WOLFSSL_CTX *ctx = client_of(version, groups[g].id);
            snprintf(what, sizeof(what), "full, TLS 1.%d, %s, %s", version, name, groups[g].name);
            bench_handshakes(what, context, ctx, false);
            snprintf(what, sizeof(what), "resumed, TLS 1.%d, %s", version, groups[g].name);
            bench_handshakes(what, context, ctx, true);
            if (g == 0)
                bench_idle(context, ctx);
            wolfSSL_CTX_free(ctx);
        }
    }
    tls_context_destroy(context);
}

static void bench_all_records(void)
{
    static const struct tls_tickets keys = {.slot = {{{1}, {2}}}};
    static const size_t sizes[] = {200, 1400, 4096, 16384, 32768};
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    WOLFSSL_CTX *ctx = client_of(3, WOLFSSL_ECC_X25519);
    double s = 0;
    tls_pair_init(&pair, context, ctx);
    handshake(&s);
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
        bench_records(sizes[k]);
    tls_pair_fini(&pair);
    wolfSSL_CTX_free(ctx);
    tls_context_destroy(context);
}

int main(int argc, char **argv)
{
    certs = argc > 1 ? argv[1] : ".";
    /* "-": without the AES-GCM engine, to see what it gives. */
    if (argc < 3 && aead_init() != 0)
        return 1;
    if (tls_start() != 0)
        return 1;
    bench_parsers();
    bench_all_records();
    bench_certificate("ec");
    bench_certificate("rsa");
    return 0;
}
