/* Any bytes as what a client says in a handshake: what the guard lets through and how it ends must
 * not depend on how the bytes come. The first byte chooses the split and what the library answers
 * to a first and to a second hello. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tls/guard.h"
#include "fuzz_answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
    const uint8_t *bytes;
    size_t from, there, piece;
};

static const uint8_t *stream_peek(void *arg, size_t offset, size_t *len)
{
    struct stream *s = arg;
    size_t have = s->there - s->from;
    *len = offset < have ? have - offset : 0;
    *len = *len < s->piece ? *len : s->piece;
    return s->bytes + s->from + offset;
}

static void stream_consume(void *arg, size_t len)
{
    struct stream *s = arg;
    assert(len <= s->there - s->from);
    s->from += len;
}

static const struct tls_io io = {.peek = stream_peek, .consume = stream_consume};

struct run {
    struct guard guard;
    struct stream stream;
    enum guard_result result;
    uint8_t *out;
    size_t out_bytes, out_max;
};

/* As far as the bytes that are there go. */
static void advance(struct run *r, uint8_t choice)
{
    uint8_t record[TLS_RECORD_HEADER_BYTES + TLS_RECORD_SEALED_MAX];
    for (;;) {
        r->result = guard_look(&r->guard, &io, &r->stream);
        if (r->result == GUARD_MORE || r->result == GUARD_BAD)
            return;
        if (r->result == GUARD_TRY) {
            size_t n = guard_copy_record(&r->guard, &io, &r->stream, record);
            guard_tried(&r->guard, &io, &r->stream, record[n - 1] & 1);
            continue;
        }
        size_t n = guard_read(&r->guard, &io, &r->stream, r->out + r->out_bytes, 1000);
        assert(n > 0 && n <= 1000);
        r->out_bytes += n;
        assert(r->out_bytes + 1000 <= r->out_max);
        if (r->guard.phase == GUARD_ANSWER) {
            bool is_retry = choice & 1 && !r->guard.is_retried;
            const struct fuzz_answer *a = &fuzz_answers[is_retry ? 0 : 1 + (choice >> 1 & 1)];
            guard_answered(&r->guard, a->bytes, a->len);
        }
    }
}

static void run(struct run *r, const uint8_t *data, size_t size, size_t piece, size_t step,
                uint8_t choice)
{
    /* Headers of ours are fewer than theirs, except where a record of one byte is cut. */
    r->out_max = 2 * size + 4096;
    r->out = malloc(r->out_max);
    r->out_bytes = 0;
    guard_init(&r->guard);
    r->stream = (struct stream){.bytes = data, .piece = piece};
    do {
        r->stream.there += size - r->stream.there < step ? size - r->stream.there : step;
        advance(r, choice);
    } while (r->stream.there < size && r->result != GUARD_BAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole, split;
    if (size == 0)
        return 0;
    uint8_t choice = data[0];
    size_t piece = 1 + (choice >> 2);
    data++, size--;

    run(&whole, data, size, SIZE_MAX, SIZE_MAX, choice);
    run(&split, data, size, piece, 1 + piece % 7, choice);
    assert(whole.result == split.result && whole.guard.alert == split.guard.alert);
    assert((whole.result == GUARD_BAD) == (whole.guard.alert != 0));
    assert(whole.out_bytes == split.out_bytes);
    assert(memcmp(whole.out, split.out, whole.out_bytes) == 0);
    assert(whole.guard.dropped_bytes <= EARLY_DATA_BYTES_MAX);
    const struct client_hello *hello = &whole.guard.hello;
    assert(strlen(hello->host) == hello->host_bytes);
    free(whole.out);
    free(split.out);
    return 0;
}
