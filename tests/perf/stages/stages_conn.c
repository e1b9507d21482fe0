#include "tests/unit/dataplane/tls/tls_pair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/http/http1.h"
#include "dataplane/tls/tls_ticket.h"
#include "tests/perf/stages/stages.h"
#include "tests/unit/dataplane/tcp/fixture.h"

enum { ROUNDS = 64, REQUEST_BYTES = 520, ANSWER_BYTES = 1000 };

static void ensure(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "stages: %s\n", what);
    exit(1);
}

/* ---- TCP ---- */

static struct fixture tcp;
static uint32_t received, sent;
static const uint8_t payload[MSS * 4];

/* Two segments, which one ACK answers, and the application takes what they brought. */
static void take_two_segments(void)
{
    for (int i = 0; i < 2; i++) {
        MEASURED(give_bytes(&tcp, tcp.irs + 1 + received, tcp.iss + 1 + sent, payload, MSS));
        received += MSS;
    }
    bool is_answered = false;
    MEASURED(tcp_consume(&tcp.tcp, 2 * MSS); is_answered = take(&tcp));
    ensure(is_answered && tcp.seg.ack == tcp.irs + 1 + received, "no ACK of two segments");
}

/* Four segments out, and the ACKs of two and two. */
static void send_four_segments(void)
{
    uint32_t bytes = 0;
    size_t taken = 0;
    tcp.now += MS_NS;
    MEASURED(taken = tcp_write(&tcp.tcp, payload, sizeof(payload)); burst(&tcp, &bytes));
    ensure(taken == sizeof(payload) && bytes == sizeof(payload), "not four segments");
    tcp.now += MS_NS;
    for (int i = 0; i < 2; i++) {
        sent += 2 * MSS;
        struct tcp_segment ack = segment(tcp.irs + 1 + received, tcp.iss + 1 + sent, TCP_ACK);
        MEASURED(give(&tcp, ack));
    }
    ensure(tcp_unacked(&tcp.tcp) == 0, "segments without an ACK");
}

static void stages_of_tcp(void)
{
    fixture_init(&tcp, 1000, 5000);
    open_with_options(&tcp);
    give(&tcp, segment(tcp.irs + 1, tcp.iss + 1, TCP_ACK));
    stage_count("tcp_two_segments_in", ROUNDS, 1, take_two_segments);
    stage_count("tcp_four_segments_out", ROUNDS, 1, send_four_segments);
    fixture_fini(&tcp);
}

/* ---- HTTP ---- */

static const char head[] =
    "GET /v1/items/12345?fields=name,price HTTP/1.1\r\nHost: shop.hearth.test\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;"
    "q=0.9,image/avif,image/webp,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nCookie: session=0123456789abcdef0123456789\r\n"
    "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nConnection: keep-alive\r\n\r\n";

static void parse_request(void)
{
    static struct http1_request request;
    enum http1_result result;
    MEASURED(result = http1_request_parse(&request, head, sizeof(head) - 1, 0));
    ensure(result == HTTP1_OK, "a request is refused");
}

static void start_response(void)
{
    char out[HTTP1_RESPONSE_START_MAX];
    const struct http1_response response = {200, HTTP1_FRAME_LENGTH, 4096, true, 1};
    size_t bytes;
    MEASURED(
        bytes = http1_response_start(out, sizeof(out), &response, "Sun, 06 Nov 1994 08:49:37 GMT"));
    ensure(bytes > 0, "no response");
}

/* ---- TLS records: of the library below only what we do around it is counted ---- */

static struct tls_pair tls;

static void seal_record(void)
{
    char bytes[ANSWER_BYTES] = {0};
    size_t taken = 0;
    MEASURED(tls_write(tls.server, bytes, sizeof(bytes), &taken));
    ensure(taken == sizeof(bytes) &&
               wolfSSL_read(tls.client, bytes, sizeof(bytes)) == (int)sizeof(bytes),
           "a record is not read by its client");
}

static void open_record(void)
{
    char bytes[REQUEST_BYTES] = {0};
    size_t len = 0;
    ensure(wolfSSL_write(tls.client, bytes, sizeof(bytes)) == (int)sizeof(bytes), "no record");
    MEASURED(tls_read(tls.server, bytes, sizeof(bytes), &len));
    ensure(len == sizeof(bytes), "a record is not read");
}

static void stages_of_tls(const char *certs)
{
    static const struct tls_tickets keys = {.slot = {{{1}, {2}}}};
    int group = WOLFSSL_ECC_X25519;
    ensure(tls_start() == 0, "no TLS library");
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_set_groups(ctx, &group, 1);
    tls_pair_init(&tls, context, ctx);
    ensure(tls_pair_handshake(&tls) == TLS_OK, "no TLS session");
    stage_count("tls_seal_a_record", ROUNDS, 1, seal_record);
    stage_count("tls_open_a_record", ROUNDS, 1, open_record);
    tls_pair_fini(&tls);
    wolfSSL_CTX_free(ctx);
    tls_context_destroy(context);
}

void stages_of_conn(const char *certs)
{
    stages_of_tcp();
    stages_of_tls(certs);
    stage_count("http1_request_head", ROUNDS, 1, parse_request);
    stage_count("http1_response_head", ROUNDS, 1, start_response);
}
