/* Any bytes as what a client sends to a TLS session: it must answer, wait or fail, and hold no more
 * than its limit. The stream takes little at a time, so that bytes are held too. The certificate is
 * made by the first run. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/tls/tls.h"
#include "dataplane/tls/tls_ticket.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context;

struct stream {
    const uint8_t *bytes;
    size_t left, room;
    uint8_t last_type; /* of the records that were sent; 0: none */
    size_t header_at;  /* of the record being sent: bytes of its header, then of its content */
    uint8_t header[TLS_RECORD_HEADER_BYTES];
};

static const uint8_t *stream_peek(void *arg, size_t offset, size_t *len)
{
    struct stream *s = arg;
    *len = offset < s->left ? s->left - offset : 0;
    return s->bytes + offset;
}

static void stream_consume(void *arg, size_t len)
{
    struct stream *s = arg;
    assert(len <= s->left);
    s->bytes += len;
    s->left -= len;
}

/* Follows the records that go out. */
static void watch(struct stream *s, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s->header_at < TLS_RECORD_HEADER_BYTES)
            s->header[s->header_at] = bytes[i];
        size_t content = (size_t)s->header[3] << 8 | s->header[4];
        if (++s->header_at < TLS_RECORD_HEADER_BYTES + content ||
            s->header_at < TLS_RECORD_HEADER_BYTES)
            continue;
        s->last_type = s->header[0];
        s->header_at = 0;
    }
}

static size_t stream_send(void *arg, const void *buf, size_t len)
{
    struct stream *s = arg;
    size_t n = len < s->room ? len : s->room;
    s->room -= n;
    watch(s, buf, n);
    return n;
}

static bool is_finished;

static bool stream_is_finished(void *arg)
{
    return is_finished;
}

static const struct tls_io io = {stream_peek, stream_consume, stream_send, stream_is_finished};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char directory[] = "/tmp/fuzz_tls.XXXXXX", command[512], chain[64], key[64], error[256];
    static const struct tls_tickets keys = {.slot = {{{1}, {2}}}};
    if (!mkdtemp(directory))
        abort();
    snprintf(chain, sizeof(chain), "%s/cert.pem", directory);
    snprintf(key, sizeof(key), "%s/key.pem", directory);
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "
             "/CN=a.test -days 9000 "
             "-keyout %s -out %s 2>/dev/null",
             key, chain);
    if (system(command) != 0 || tls_start() != 0)
        abort();
    context = tls_context_create(chain, key, &keys, error, sizeof(error));
    if (!context)
        abort();
    unlink(chain);
    unlink(key);
    rmdir(directory);
    return 0;
}

enum { SEALED_ALERT_BYTES = 2 + 1 + 16 };

/* A client that says alert or leaves knows why it ended; all others are told: the last record is an
 * alert, in clear or sealed. */
static void assert_told(const struct stream *s)
{
    size_t content = (size_t)s->header[3] << 8 | s->header[4];
    assert(s->header_at == 0);
    assert(s->last_type == TLS_RECORD_ALERT ||
           (s->last_type == TLS_RECORD_APPLICATION_DATA && content == SEALED_ALERT_BYTES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream stream = {.bytes = data, .left = size};
    struct guard guard;
    guard_init(&guard);
    struct tls_session *s = tls_session_create(context, &guard, &io, &stream);
    assert(s);
    is_finished = false;
    enum tls_result result = TLS_WANT;
    for (int i = 0; i < 64 && result == TLS_WANT; i++) {
        stream.room = 512;
        result = tls_handshake(s);
    }
    assert(result != TLS_OK); /* nobody finishes a handshake by chance */
    assert(result != TLS_FAILED || tls_error(s)[0]);
    for (int i = 0; i < 64 && tls_is_holding(s); i++) {
        stream.room = 512;
        size_t none;
        tls_write(s, NULL, 0, &none);
    }
    if (result == TLS_FAILED && !strstr(tls_error(s), "the peer sent alert"))
        assert_told(&stream);
    is_finished = true;
    tls_handshake(s);
    tls_session_destroy(s);
    return 0;
}
