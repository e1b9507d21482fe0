#include "dataplane/call/trace_sink.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/trace.h"
#include "dataplane/core_state.h"
#include "dataplane/rpc/record.h"

struct trace_sinks {
    uint64_t made;
    struct {
        uint8_t sealed[CAPABILITY_BYTES];
        uint64_t request, started_ns;
    } sink[TRACE_SINKS_MAX];
};

size_t trace_sinks_bytes(void)
{
    return sizeof(struct trace_sinks);
}

struct trace_sinks *trace_sinks_init(void *memory)
{
    return memory; /* zeroed */
}

bool trace_sink_make(struct core *core, uint64_t request_id, uint64_t started_ns,
                     uint8_t out[CAPABILITY_BYTES])
{
    struct trace_sinks *s = core->sinks;
    uint32_t index = (uint32_t)(s->made % TRACE_SINKS_MAX);
    if (s->made >= TRACE_SINKS_MAX)
        capability_revoke(&core->capabilities, s->sink[index].sealed);
    if (!capability_issue(&core->capabilities, CAPABILITY_TRACE_SINK, index,
                          core->now_ns / 1000000 + TRACE_SINK_LIFE_MS, out))
        return false;
    s->made++;
    memcpy(s->sink[index].sealed, out, CAPABILITY_BYTES);
    s->sink[index].request = request_id;
    s->sink[index].started_ns = started_ns;
    return true;
}

void capability_count(struct core *core, enum capability_result result)
{
    switch (result) {
    case CAPABILITY_OK:
        break;
    case CAPABILITY_BAD:
        core->counters.capability_bad++;
        break;
    case CAPABILITY_FOREIGN:
        core->counters.capability_foreign++;
        break;
    case CAPABILITY_FORGED:
        core->counters.capability_forged++;
        break;
    case CAPABILITY_EXPIRED:
        core->counters.capability_expired++;
        break;
    case CAPABILITY_SPENT:
        core->counters.capability_spent++;
        break;
    }
}

void trace_sink_take(struct core *core, uint16_t node, const struct record_event *event)
{
    uint64_t index;
    enum capability_result result = capability_redeem(
        &core->capabilities, event->sink, CAPABILITY_TRACE_SINK, core->now_ns / 1000000, &index);
    capability_count(core, result);
    if (result != CAPABILITY_OK)
        return;
    assert(index < TRACE_SINKS_MAX);
    if (!trace_take(core->trace, node, core->sinks->sink[index].request,
                    core->sinks->sink[index].started_ns, core->now_ns, event->payload,
                    event->payload_bytes))
        core->counters.event_bad++;
}
