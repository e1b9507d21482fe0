/* Any bytes as what a client sends to a TLS session: it must answer, wait or fail, and hold no more than its limit. The stream takes
 * little at a time, so that bytes are held too. The certificate is made by the first run. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/tls.h"
#include "dataplane/tls_ticket.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context;

struct stream {
    const uint8_t *bytes;
    size_t left, room;
};

static size_t stream_recv(void *arg, void *buf, size_t len)
{
    struct stream *s = arg;
    size_t n = len < s->left ? len : s->left;
    memcpy(buf, s->bytes, n);
    s->bytes += n;
    s->left -= n;
    return n;
}

static size_t stream_send(void *arg, const void *buf, size_t len)
{
    struct stream *s = arg;
    size_t n = len < s->room ? len : s->room;
    s->room -= n;
    return n;
}

static bool stream_is_finished(void *arg)
{
    return ((struct stream *)arg)->left == 0;
}

static const struct tls_io io = {stream_recv, stream_send, stream_is_finished};

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream stream = {data, size, 0};
    struct tls_session *s = tls_session_create(context, &io, &stream);
    assert(s);
    enum tls_result result = TLS_WANT;
    for (int i = 0; i < 64 && result == TLS_WANT; i++) {
        stream.room = 512;
        result = tls_handshake(s);
    }
    assert(result != TLS_OK); /* nobody finishes a handshake by chance */
    assert(result != TLS_FAILED || tls_error(s)[0]);
    tls_session_destroy(s);
    return 0;
}
