#include "tests/sim/model_client.h"

#include <assert.h>
#include <string.h>

#include "tests/sim/spoofs.h"

enum { BODY_MAX = 200000 };

/* ---- requests ---- */

static void add_bytes(struct client *c, const void *bytes, size_t len)
{
    while (c->pending_bytes + len > c->pending_cap) {
        c->pending_cap = c->pending_cap ? 2 * c->pending_cap : 4096;
        c->pending = realloc(c->pending, c->pending_cap);
    }
    memcpy(c->pending + c->pending_bytes, bytes, len);
    c->pending_bytes += (uint32_t)len;
}

#define ADD(c, ...)                                                                                \
    do {                                                                                           \
        char text_[512];                                                                           \
        add_bytes(c, text_, (size_t)snprintf(text_, sizeof(text_), __VA_ARGS__));                  \
    } while (0)

/* The field that both ends know the bytes of; none if it has none. */
static void add_pad(struct client *c, uint32_t id)
{
    static char pad[PAD_BYTES_MAX];
    uint32_t len = request_pad(id);
    if (len == 0)
        return;
    pad_fill(pad, id, len);
    ADD(c, "X-Pad: ");
    add_bytes(c, pad, len);
    ADD(c, "\r\n");
}

static void add_chunked(struct client *c, const struct request *r)
{
    uint8_t part[4000];
    uint32_t most =
        r->body_bytes < 4000 && chance(30) ? 3 : sizeof(part); /* a crowd of tiny ones */
    for (uint32_t at = 0, len; at < r->body_bytes; at += len) {
        len = 1 + below(most);
        if (len > r->body_bytes - at)
            len = r->body_bytes - at;
        for (uint32_t i = 0; i < len; i++)
            part[i] = body_byte(r->id, at + i);
        ADD(c, "%x%s\r\n", len, chance(1) ? ";ext=1" : "");
        add_bytes(c, part, len);
        ADD(c, "\r\n");
    }
    ADD(c, "0\r\n%s\r\n", chance(10) ? "x-trailer: 1\r\nX-Real-IP: spoofed\r\n" : "");
}

static enum answer pick_answer(void)
{
    if (chance(75))
        return chance(50) ? ANSWER_GENERATE : ANSWER_ECHO;
    return (enum answer)(ANSWER_EMPTY + below(ANSWERS - ANSWER_EMPTY));
}

static uint16_t status_of(enum answer answer)
{
    switch (answer) {
    case ANSWER_EMPTY:
        return 204;
    case ANSWER_ERROR:
        return 500;
    case ANSWER_BAD_HEAD:
        return 502;
    default:
        return 200;
    }
}

static void add_request(struct client *c, uint32_t id)
{
    struct request *r = &c->request[c->request_count++];
    *r = (struct request){.id = id, .answer = pick_answer()};
    bool is_unknown = chance(4), is_chunked = chance(50);
    r->may_cut =
        r->answer == ANSWER_LATE_ERROR || r->answer == ANSWER_SHORT || r->answer == ANSWER_LONG;
    r->is_post = r->answer == ANSWER_ECHO || chance(30);
    r->is_head = !r->is_post && !r->may_cut && r->answer != ANSWER_BAD_HEAD && chance(30);
    r->is_old = chance(6);
    r->is_close = chance(5);
    r->bytes = chance(30) ? below(BODY_MAX) : below(3000);
    if (r->may_cut)
        r->bytes += 2;
    r->body_bytes = r->is_post ? r->bytes : 0;
    r->expects = r->body_bytes > 0 && !r->is_old && chance(30);
    r->status = is_unknown ? (c->ssl ? 421 : 404) : status_of(r->answer);
    r->may_cut &= !is_unknown;
    is_chunked &= !r->is_old;
    /* However the path is written, the script sees the plain one (model_runtime.c reads it). */
    static const char *const detours[] = {"", "/x/..", "/.", "/%2E/x/%2e.", "/x//../.%2E"};
    ADD(c, "%s %s/%u/%u/%u HTTP/1.%d\r\nHost: %s\r\n",
        r->is_post   ? "POST"
        : r->is_head ? "HEAD"
                     : "GET",
        chance(70) ? "" : detours[below(5)], (unsigned)r->answer, r->id, r->bytes, !r->is_old,
        is_unknown ? "other.test"
        : c->ssl   ? "rsa.test"
                   : "sim.test");
    if (id % 4 == 1) /* what only hearth may say (model_runtime.c looks) */
        ADD(c, "%s", SPOOFS_OF_CLIENT);
    add_pad(c, id);
    if (c->manner == HALF_CLOSES && c->request_count == CLIENT_REQUESTS)
        ADD(c, "X-Waits: fin\r\n");
    if (r->is_close)
        ADD(c, "Connection: close\r\n");
    if (r->is_old && !r->is_close && chance(50))
        ADD(c, "Connection: keep-alive\r\n");
    else if (r->is_old)
        r->is_close = true;
    if (r->expects)
        ADD(c, "Expect: 100-continue\r\n");
    if (!r->is_post) {
        ADD(c, "\r\n");
        return;
    }
    if (is_chunked)
        ADD(c, "Transfer-Encoding: chunked\r\n\r\n");
    else
        ADD(c, "Content-Length: %u\r\n\r\n", r->body_bytes);
    r->gate = r->expects ? c->pending_bytes : 0;
    if (is_chunked) {
        add_chunked(c, r);
        return;
    }
    for (uint32_t at = 0; at < r->body_bytes; at++) {
        uint8_t byte = body_byte(r->id, at);
        add_bytes(c, &byte, 1);
    }
}

/* Requests that must be refused, and the connection closed. */
static void add_garbage(struct client *c)
{
    static const struct {
        const char *text;
        uint16_t status;
    } garbage[] = {
        {"GET\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x03\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"12GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: tea\r\n\r\n", 417},
    };
    struct request *r = &c->request[c->request_count++];
    uint32_t i = below(sizeof(garbage) / sizeof(garbage[0]));
    *r = (struct request){.status = garbage[i].status, .is_close = true};
    ADD(c, "%s", garbage[i].text);
}

/* ---- the stream ---- */

static int tls_recv(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct client *c = arg;
    size_t n;
    const uint8_t *bytes = tcp_peek(&c->tcp, 0, &n);
    if (n == 0)
        return tcp_peer_finished(&c->tcp) ? WOLFSSL_CBIO_ERR_CONN_CLOSE
                                          : WOLFSSL_CBIO_ERR_WANT_READ;
    n = n < (size_t)len ? n : (size_t)len;
    memcpy(buf, bytes, n);
    tcp_consume(&c->tcp, (uint32_t)n);
    return (int)n;
}

static int tls_send(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct client *c = arg;
    size_t n = tcp_write(&c->tcp, buf, (size_t)len);
    return n > 0 ? (int)n : WOLFSSL_CBIO_ERR_WANT_WRITE;
}

enum read_result { READ_NONE, READ_BYTES, READ_END, READ_CUT };

static enum read_result read_stream(struct client *c, uint8_t *buf, size_t cap, size_t *len)
{
    if (!c->ssl) {
        const uint8_t *bytes = tcp_peek(&c->tcp, 0, len);
        if (*len == 0)
            return tcp_peer_finished(&c->tcp) ? READ_END : READ_NONE;
        *len = *len < cap ? *len : cap;
        memcpy(buf, bytes, *len);
        tcp_consume(&c->tcp, (uint32_t)*len);
        return READ_BYTES;
    }
    int n = wolfSSL_read(c->ssl, buf, (int)cap);
    if (n > 0) {
        *len = (size_t)n;
        return READ_BYTES;
    }
    int error = wolfSSL_get_error(c->ssl, n);
    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)
        return READ_NONE;
    return error == WOLFSSL_ERROR_ZERO_RETURN ? READ_END : READ_CUT;
}

static void write_some(struct client *c)
{
    uint32_t limit = c->pending_bytes;
    for (uint32_t i = c->answered; i < c->request_count; i++) {
        if (c->request[i].gate > 0) {
            limit = c->request[i].gate;
            break;
        }
    }
    if (c->manner == STOPS && c->pending_at >= c->stops_at) {
        if (sim_now_ns < c->drips_ns)
            return;
        c->stops_at++;
        c->drips_ns = sim_now_ns + 1000 * 1000000ull;
    }
    if (c->manner == STOPS && limit > c->stops_at)
        limit = c->stops_at;
    if (c->pending_at >= limit || chance(40))
        return;
    uint32_t n = chance(10) ? 1 + below(20) : 1 + below(16000);
    if (n > limit - c->pending_at)
        n = limit - c->pending_at;
    if (!c->ssl) {
        c->pending_at += (uint32_t)tcp_write(&c->tcp, c->pending + c->pending_at, n);
    } else if (tcp_writable(&c->tcp) > n + 1000u) {
        int done = wolfSSL_write(c->ssl, c->pending + c->pending_at, (int)n);
        c->pending_at += done > 0 ? (uint32_t)done : 0;
    }
}

/* ---- answers ---- */

static void finish_answer(struct clients *s, struct client *c)
{
    struct request *r = &c->request[c->answered];
    bool is_stall = c->status == 504 || c->status == 408;
    bool is_trouble =
        c->status == 502 || c->status == 503 || (is_stall && (s->may_stall || c->manner == STOPS));
    if (c->status != r->status)
        CHECK((s->is_disturbed || c->manner == STOPS) && is_trouble, "answer %u: status %d, not %u",
              r->id, c->status, r->status);
    if (c->status == 200 && !r->is_head) {
        CHECK(r->answer != ANSWER_SHORT && r->answer != ANSWER_LATE_ERROR,
              "an answer that cannot end");
        CHECK(c->body_at == r->bytes || (r->answer == ANSWER_LONG && c->body_at < r->bytes),
              "answer %u of %u bytes, not %u", r->id, c->body_at, r->bytes);
    }
    if (r->gate > 0)
        CHECK(c->must_close, "a body that was never asked for, and the connection goes on");
    if (r->is_close)
        CHECK(c->must_close, "the request said close");
    s->answers[c->status / 100]++;
    TRACE("client %u answer %u (%u): %d, %u bytes", c->port, c->answered, r->id, c->status,
          c->body_at);
    c->answered++;
    c->in_body = false;
    c->head_bytes = c->line_bytes = c->chunk_state = c->body_at = 0;
}

static void take_body_byte(struct client *c, uint8_t byte)
{
    struct request *r = &c->request[c->answered];
    if (c->status == 200)
        CHECK(byte == body_byte(r->id, c->body_at), "answer %u, byte %u", r->id, c->body_at);
    c->body_at++;
}

static void take_chunked_byte(struct clients *s, struct client *c, uint8_t byte)
{
    enum { SIZE, DATA, AFTER, LAST };
    if (c->chunk_state == DATA) {
        take_body_byte(c, byte);
        if (--c->left == 0)
            c->chunk_state = AFTER;
        return;
    }
    CHECK(c->line_bytes < sizeof(c->line) - 1, "a chunk line without end");
    c->line[c->line_bytes++] = (char)byte;
    if (byte != '\n')
        return;
    c->line[c->line_bytes] = 0;
    c->line_bytes = 0;
    if (c->chunk_state == SIZE) {
        c->left = strtoull(c->line, NULL, 16);
        c->chunk_state = c->left ? DATA : LAST;
    } else {
        CHECK(strcmp(c->line, "\r\n") == 0, "chunk framing %s", c->line);
        if (c->chunk_state == LAST)
            finish_answer(s, c);
        else
            c->chunk_state = SIZE;
    }
}

/* What the script said is all there. */
static void check_pad(const char *head, uint32_t id)
{
    static const char name[] = "\r\nx-pad: ";
    const char *at = strcasestr(head, name);
    at = at ? at + sizeof(name) - 1 : "";
    CHECK(pad_is(at, strcspn(at, "\r"), id, answer_pad(id)),
          "answer %u: padding of %zu bytes, not %u", id, strcspn(at, "\r"), answer_pad(id));
}

static void take_head_byte(struct clients *s, struct client *c, uint8_t byte)
{
    struct request *r = &c->request[c->answered];
    CHECK(c->head_bytes < sizeof(c->head) - 1, "a head without end");
    /* Who stopped in the middle of a head is told so. */
    CHECK(c->answered < c->request_count, "an answer to no request");
    CHECK(!c->must_close, "an answer after Connection: close");
    c->head[c->head_bytes++] = (char)byte;
    c->head[c->head_bytes] = 0;
    if (c->head_bytes < 4 || memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) != 0)
        return;
    CHECK(sscanf(c->head, "HTTP/1.1 %d ", &c->status) == 1, "status line %s", c->head);
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->is_chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
    if (c->status == 100) {
        CHECK(r->gate > 0 && c->pending_at == r->gate, "100 Continue that was not asked for");
        CHECK(!length && !c->is_chunked, "100 Continue has no body");
        r->gate = 0;
        c->head_bytes = 0;
        return;
    }
    if (c->status == r->status && (c->status == 200 || c->status == 204))
        check_pad(c->head, r->id);
    c->must_close |= strcasestr(c->head, "\r\nconnection: close") != NULL;
    bool is_bare = c->status == 204 || (r->is_head && c->status != 408);
    CHECK(!(c->is_chunked && length), "two framings: %s", c->head);
    CHECK(!(c->is_chunked && (r->is_old || c->status == 204)), "chunked: %s", c->head);
    CHECK(!(length && c->status == 204), "204 with a length");
    CHECK(is_bare || c->is_chunked || length || (r->is_old && c->must_close), "no framing: %s",
          c->head);
    c->left = length ? strtoull(length + 17, NULL, 10) : UINT64_MAX;
    c->in_body = true;
    if (is_bare || (length && c->left == 0))
        finish_answer(s, c);
}

static void take_byte(struct clients *s, struct client *c, uint8_t byte)
{
    if (!c->in_body) {
        take_head_byte(s, c, byte);
    } else if (c->is_chunked) {
        take_chunked_byte(s, c, byte);
    } else {
        take_body_byte(c, byte);
        if (c->left != UINT64_MAX && --c->left == 0)
            finish_answer(s, c);
    }
}

/* The server's half is over: was it free to end here? */
static void check_end(struct clients *s, struct client *c, bool is_clean)
{
    struct request *r = &c->request[c->answered < CLIENT_REQUESTS ? c->answered : 0];
    if (c->in_body && is_clean && !c->is_chunked && c->left == UINT64_MAX) {
        CHECK(c->body_at == r->bytes, "the end of the connection ends %u bytes, not %u", c->body_at,
              r->bytes);
        finish_answer(s, c);
    }
    if (c->answered == c->request_count || s->is_ending)
        return;
    bool is_excused = c->manner == STOPS || s->is_disturbed || s->may_stall;
    CHECK(is_excused || !c->in_body || r->answer != ANSWER_LONG,
          "answer %u: %lu bytes that its Content-Length has room for did not come", r->id,
          (unsigned long)c->left);
    /* The end of the connection does not overtake what was said before it, whichever end it is. */
    CHECK(is_excused || !c->in_body || c->body_at >= s->said[r->id],
          "answer %u is cut behind %u bytes, and %u were said", r->id, c->body_at, s->said[r->id]);
    bool may_close =
        c->must_close || c->manner == STOPS || s->is_disturbed || (c->in_body && r->may_cut);
    for (uint32_t i = 0; i < c->answered; i++)
        may_close |= c->request[i].answer == ANSWER_LONG;
    if (c->answered < c->request_count)
        may_close |= r->may_cut;
    CHECK(may_close, "client %u: the connection ended after %u answers (%s, body %u)", c->port,
          c->answered, is_clean ? "clean" : "cut", c->body_at);
    s->cut++;
}

/* ---- life ---- */

void model_client_start(struct clients *s, struct client *c, uint32_t index)
{
    *c = (struct client){
        .port = (uint16_t)(10000 + index), .is_open = true, .gives_up_ns = UINT64_MAX};
    c->manner = chance(50) ? POLITE : (enum manner)below(STOPS + 1);
    bool is_tls = s->ctx && chance(80);
    if (is_tls) {
        c->ssl = wolfSSL_new(s->ctx);
        assert(c->ssl);
        wolfSSL_UseSNI(c->ssl, WOLFSSL_SNI_HOST_NAME, "rsa.test", 8);
        wolfSSL_SSLSetIORecv(c->ssl, tls_recv);
        wolfSSL_SSLSetIOSend(c->ssl, tls_send);
        wolfSSL_SetIOReadCtx(c->ssl, c);
        wolfSSL_SetIOWriteCtx(c->ssl, c);
    }
    uint32_t requests = c->manner == GARBLES ? below(CLIENT_REQUESTS) : CLIENT_REQUESTS;
    for (uint32_t k = 0; k < requests; k++)
        add_request(c, index * CLIENT_IDS + k);
    if (c->manner == GARBLES)
        add_garbage(c);
    c->drips_ns = UINT64_MAX;
    if (c->manner == STOPS) {
        c->stops_at = chance(30) ? 0 : below(c->pending_bytes);
        if (c->stops_at > 0 && chance(50))
            c->drips_ns = 0;
        else
            c->pending_bytes = c->stops_at;
    }
    if (c->manner == RESETS || c->manner == VANISHES)
        c->gives_up_ns = sim_now_ns + below(chance(50) ? 200 : 3000) * 1000000ull;
    tcp_open_active(&c->tcp, &s->station->env, c->port, is_tls ? 443 : 80, (uint32_t)rng(),
                    sim_now_ns);
    TRACE("client %u: manner %d%s", c->port, c->manner, is_tls ? ", TLS" : "");
}

void model_client_free(struct client *c)
{
    if (c->is_open)
        tcp_fini(&c->tcp);
    wolfSSL_free(c->ssl);
    free(c->pending);
    c->ssl = NULL;
    c->pending = NULL;
    c->is_open = false;
}

static void leave(struct clients *s, struct client *c)
{
    TRACE("client %u %s", c->port, c->manner == RESETS ? "resets" : "vanishes");
    if (c->manner == RESETS) {
        tcp_abort(&c->tcp);
        station_send(s->station, &c->tcp, s->server_ip);
    }
    tcp_fini(&c->tcp);
    c->is_open = false;
}

/* False: it reads no more. */
static bool read_all(struct clients *s, struct client *c)
{
    uint8_t buf[4096];
    size_t cap = c->manner == CRAWLS ? 1 + below(4096) : sizeof(buf), len;
    enum read_result result;
    while ((result = read_stream(c, buf, cap, &len)) == READ_BYTES) {
        for (size_t i = 0; i < len; i++)
            take_byte(s, c, buf[i]);
        if (c->manner == CRAWLS) {
            c->pause_until_ns = sim_now_ns + below(4) * 1000000ull;
            return true;
        }
    }
    if (result == READ_NONE)
        return true;
    check_end(s, c, result == READ_END);
    return false;
}

static void finish(struct client *c, bool is_whole)
{
    if (c->ssl && c->is_connected && !c->has_finished)
        wolfSSL_shutdown(c->ssl);
    if (is_whole || !c->ssl || chance(50))
        tcp_finish(&c->tcp);
    c->has_finished = true;
}

void model_client_work(struct clients *s, struct client *c)
{
    if (!c->is_open)
        return;
    if (sim_now_ns >= c->gives_up_ns) {
        leave(s, c);
        return;
    }
    if (tcp_deadline(&c->tcp) <= sim_now_ns)
        tcp_timeout(&c->tcp, sim_now_ns);
    enum tcp_state state = tcp_state(&c->tcp);
    bool is_silent = c->manner == STOPS && c->pending_bytes == 0;
    bool is_up = state != TCP_CLOSED && state != TCP_SYN_SENT && state != TCP_SYN_RECEIVED;
    if (is_up && !c->is_connected && !is_silent)
        c->is_connected = !c->ssl || wolfSSL_connect(c->ssl) == WOLFSSL_SUCCESS;
    if (is_up && c->is_connected && !c->has_finished)
        write_some(c);
    if (is_up && c->manner == HALF_CLOSES && !c->has_finished && c->is_connected &&
        c->pending_at == c->pending_bytes)
        finish(c, false);
    bool is_reading = true;
    if (is_up && sim_now_ns >= c->pause_until_ns) {
        if (c->is_connected)
            is_reading = read_all(s, c);
        else
            is_reading = !tcp_peer_finished(&c->tcp) || tcp_readable(&c->tcp) > 0;
        if (chance(2))
            c->pause_until_ns =
                sim_now_ns + below(200) * 1000000ull; /* a reader that stops for a while */
    }
    bool is_satisfied = c->answered == c->request_count && c->manner != STOPS;
    if ((is_satisfied && !c->must_close) || !is_reading)
        finish(c, true);
    station_send(s->station, &c->tcp, s->server_ip);
    state = tcp_state(&c->tcp);
    if (!tcp_is_done(&c->tcp) && state != TCP_TIME_WAIT)
        return;
    CHECK(tcp_end(&c->tcp) != TCP_END_TIMEOUT || s->is_ending || s->is_disturbed,
          "client %u: its connection timed out", c->port);
    /* What came before the end is still there to be read, pause or not. */
    while (is_reading && c->is_connected && tcp_readable(&c->tcp) > 0)
        is_reading = read_all(s, c);
    if (is_reading && state == TCP_CLOSED && c->answered < c->request_count)
        check_end(s, c, false);
    tcp_fini(&c->tcp);
    c->is_open = false;
}

uint64_t model_client_next_ns(const struct client *c)
{
    if (!c->is_open)
        return UINT64_MAX;
    uint64_t next = tcp_deadline(&c->tcp);
    bool drips = c->manner == STOPS && c->pending_at >= c->stops_at;
    bool writes = c->is_connected && !c->has_finished && c->pending_at < c->pending_bytes &&
                  tcp_writable(&c->tcp) > 20000;
    bool has_work = (writes && !drips) || tcp_readable(&c->tcp) > 0;
    if (writes && drips && c->drips_ns < next)
        next = c->drips_ns;
    if (has_work && c->pause_until_ns < next)
        next = c->pause_until_ns;
    return c->gives_up_ns < next ? c->gives_up_ns : next;
}
