/* trace_sink.h
 *
 * Where other nodes send what they saw of a request that entered here: capabilities on this core's
 * flight recorder.
 *
 *   request leaves the node --trace_sink_make--> capability
 *     ... EVENT{capability, spans} --trace_sink_take--> trace.h
 *
 * A sink outlives its request, because spans may come after the answer: the last TRACE_SINKS_MAX
 * are kept, older ones are revoked. Thread: the core. Memory: taken at core_create.
 */
#ifndef HEARTH_TRACE_SINK_H
#define HEARTH_TRACE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/rpc/capability.h"

struct core;
struct record_event;
struct trace_sinks;

enum { TRACE_SINKS_MAX = 4096, TRACE_SINK_LIFE_MS = 60 * 1000 };

size_t trace_sinks_bytes(void);
struct trace_sinks *trace_sinks_init(void *memory);

/* started_ns: what the offsets of the events count from. False: the capability table is full. */
bool trace_sink_make(struct core *, uint64_t request_id, uint64_t started_ns,
                     uint8_t out[CAPABILITY_BYTES]);

/* Events from that node: the capability is checked, and refused ones are counted. */
void trace_sink_take(struct core *, uint16_t node, const struct record_event *);

/* Counts why a capability was refused. */
void capability_count(struct core *, enum capability_result);

#endif
