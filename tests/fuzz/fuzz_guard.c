/* Any bytes as what a client says in a handshake: what the guard lets through and how it ends must
 * not depend on how the bytes come: all at once, where a hello is judged by its lengths; the first
 * one alone, after which it goes byte by byte; in pieces. The first byte chooses the split and what
 * the library answers to a first and to a second hello. */
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

/* In views of at most `piece`; `first` bytes come first, then always `step`. */
static void run(struct run *r, const uint8_t *data, size_t size, size_t piece, size_t first,
                size_t step, uint8_t choice)
{
    /* Headers of ours are fewer than theirs, except where a record of one byte is cut. */
    r->out_max = 2 * size + 4096;
    r->out = malloc(r->out_max);
    r->out_bytes = 0;
    guard_init(&r->guard);
    r->stream =
        (struct stream){.bytes = data, .piece = piece, .there = first < size ? first : size};
    r->result = GUARD_MORE;
    if (first > 0)
        advance(r, choice);
    while (r->stream.there < size && r->result != GUARD_BAD) {
        r->stream.there += size - r->stream.there < step ? size - r->stream.there : step;
        advance(r, choice);
    }
}

static void assert_same(const struct run *a, const struct run *b)
{
    const struct client_hello *x = &a->guard.hello, *y = &b->guard.hello;
    assert(a->result == b->result && a->guard.alert == b->guard.alert);
    assert(a->guard.phase == b->guard.phase && a->guard.is_changed == b->guard.is_changed);
    assert(a->guard.dropped_records == b->guard.dropped_records);
    assert(a->out_bytes == b->out_bytes && memcmp(a->out, b->out, a->out_bytes) == 0);
    assert(x->name == y->name && x->host_bytes == y->host_bytes && !strcmp(x->host, y->host));
    assert(x->is_tls13 == y->is_tls13 && x->has_psk == y->has_psk);
    assert(x->has_early_data == y->has_early_data && x->share_count == y->share_count);
    assert(x->share_group == y->share_group && x->digest == y->digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole, late, split;
    if (size == 0)
        return 0;
    uint8_t choice = data[0];
    size_t piece = 1 + (choice >> 2);
    data++, size--;

    run(&whole, data, size, SIZE_MAX, size, SIZE_MAX, choice);
    run(&late, data, size, SIZE_MAX, 1, SIZE_MAX, choice);
    run(&split, data, size, piece, 0, 1 + piece % 7, choice);
    assert_same(&whole, &late);
    assert_same(&whole, &split);
    assert((whole.result == GUARD_BAD) == (whole.guard.alert != 0));
    assert(whole.guard.dropped_bytes <= EARLY_DATA_BYTES_MAX);
    const struct client_hello *hello = &whole.guard.hello;
    assert(strlen(hello->host) == hello->host_bytes);
    free(whole.out);
    free(late.out);
    free(split.out);
    return 0;
}
