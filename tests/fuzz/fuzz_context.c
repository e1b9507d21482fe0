/* fuzz_context: any bytes as a context stack, and as a traceparent: what reads well is written back
 * as the same bytes, and no limit is more than any frame allows. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_stack(struct context *c, const uint8_t *data, size_t size)
{
    uint8_t out[CONTEXT_BYTES_MAX];

    assert(c->count > 0 && c->count <= CONTEXT_DEPTH_MAX);
    assert(context_write(c, out) == size && memcmp(out, data, size) == 0);

    struct context_limits l = context_limits(c);
    for (uint32_t i = 0; i < c->count; i++) {
        const struct context_frame *f = &c->frame[i];
        assert(f->tail_count <= CONTEXT_TAILS_MAX && f->trust <= CONTEXT_TRUSTED);
        assert(f->cpu_ms == 0 || (l.cpu_us > 0 && l.cpu_us <= f->cpu_ms * 1000ull));
        assert(f->wall_ms == 0 || (l.wall_ms > 0 && l.wall_ms <= f->wall_ms));
        assert(f->memory_mb == 0 || (l.memory_mb > 0 && l.memory_mb <= f->memory_mb));
        assert(f->subrequests == 0 || (l.subrequests > 0 && l.subrequests <= f->subrequests));
    }
    assert(c->cpu_us == 0 || (l.cpu_us > 0 && l.cpu_us <= c->cpu_us));
    assert(c->wall_ms == 0 || (l.wall_ms > 0 && l.wall_ms <= c->wall_ms));
    uint32_t before = c->count;
    assert((context_push(c, 1, (const uint8_t[8]){1}) != NULL) == (before < CONTEXT_DEPTH_MAX));
}

static void check_traceparent(const char *text, size_t len)
{
    struct context c = {.count = 1};
    struct context_frame *f = &c.frame[0];
    char out[CONTEXT_TRACEPARENT_BYTES];

    if (!context_take_traceparent(f, text, len))
        return;
    assert(len >= CONTEXT_TRACEPARENT_BYTES && f->trace_flags <= 1);
    context_traceparent(&c, out);
    assert(memcmp(out + 2, text + 2, 1 + 32 + 1) == 0); /* the trace id; the span is our own */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct context c;

    if (context_read(&c, data, size))
        check_stack(&c, data, size);
    check_traceparent((const char *)data, size);
    return 0;
}
