/* What is told of a call: to the trace here, and with its end to the node that asked. */
#include "dataplane/call/call_state.h"
#include "dataplane/core_state.h"
#include "dataplane/rpc/peers.h"

void call_trace(struct core *core, struct call *c, enum trace_kind kind, uint16_t code,
                uint64_t value)
{
    if (!c->is_traced)
        return;
    trace_write(core->trace, c->request_id, c->span, kind, code, value, core->now_ns);
    if (c->has_sink)
        trace_span_add(&c->spans, kind, code, value, core->now_ns);
}

void call_trace_end(struct core *core, struct call *c, uint32_t error)
{
    call_trace(core, c, TRACE_SPENT, 0, budget_cpu_used(&c->budget));
    call_trace(core, c, error ? TRACE_ERROR : TRACE_END, (uint16_t)error, 0);
}

void call_span(void *arg, uint32_t owner, const uint32_t phase_us[JOB_PHASES])
{
    struct core *core = arg;
    struct call *c = call_at(core, owner);
    call_trace(core, c, TRACE_COMPILE, 0, phase_us[JOB_PHASE_COMPILE]);
    call_trace(core, c, TRACE_TOP_LEVEL, 0, phase_us[JOB_PHASE_TOP_LEVEL]);
}

void call_send_spans(struct core *core, struct call *c)
{
    uint8_t payload[TRACE_WIRE_BYTES_MAX];
    if (!c->has_sink || !core->peers || c->spans.count == 0)
        return;
    size_t bytes = trace_span_write(&c->spans, payload);
    peers_event(core->peers, c->sink, payload, bytes);
}
