/* fuzz_trace: any bytes as another node's events: none is taken, or all of them, and these read
 * back say the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/trace.h"
#include "runtime/octets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODE = 3, BASE_NS = 1000000 };

static struct trace trace;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    trace_init(&trace, 0, 0);
    return 0;
}

/* The last events of a request, as they would be sent: the ring keeps those of earlier runs too. */
struct last {
    uint32_t count;
    struct trace_event event[TRACE_REMOTE_EVENTS_MAX];
};

static void see(void *arg, const struct trace_event *e)
{
    struct last *last = arg;

    last->event[last->count++ % TRACE_REMOTE_EVENTS_MAX] = *e;
}

static void check_same(uint64_t request, uint32_t taken, const uint8_t *data, size_t size)
{
    struct last last = {.count = 0};
    struct trace_span s;
    uint8_t out[TRACE_WIRE_BYTES_MAX];

    trace_read(&trace, request, see, &last);
    assert(taken > 0 && taken <= TRACE_REMOTE_EVENTS_MAX && last.count >= taken);
    for (uint32_t i = last.count - taken; i < last.count; i++) {
        const struct trace_event *e = &last.event[i % TRACE_REMOTE_EVENTS_MAX];
        assert(e->request == request && e->node == NODE && e->at_ns >= BASE_NS);
        if (i == last.count - taken)
            trace_span_init(&s, request, e->span, BASE_NS);
        trace_span_add(&s, (enum trace_kind)e->kind, e->code, e->value, e->at_ns);
    }
    assert(trace_span_write(&s, out) == size && memcmp(out, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct octets_reader r = octets_reader(data, size);
    uint64_t request = octets_get_u64(&r), before = atomic_load(&trace.next);

    assert(!trace_take(&trace, NODE, request + 1, BASE_NS, UINT64_MAX, data, size));
    assert(atomic_load(&trace.next) == before);

    bool is_taken = trace_take(&trace, NODE, request, BASE_NS, UINT64_MAX, data, size);
    uint32_t taken = (uint32_t)(atomic_load(&trace.next) - before);
    assert(is_taken == (taken > 0));
    if (is_taken)
        check_same(request, taken, data, size);
    return 0;
}
