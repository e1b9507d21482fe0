/* sub.h
 *
 * A script's call of another script, as the origin of a call: between the runtime's messages
 * (runtime/job.h, "sub") and call.h. What it asks of the world (JOB_BINDING_WORLD) goes the same
 * way to egress/fetch.h, with the same memory, credit and end.
 *
 *   runtime --SUB, SUB_BODY--> binding -> script, context + 1 frame --> call_start, call_body
 *                                                                    placement runs anew from here
 *           <--REPLY, REPLY_DATA-- as far as the script granted credit <-- head, data
 *
 * What the runtime has sent and the call cannot take yet waits in `in` (at most the credit that was
 * granted, which is that queue's floor: chunk.h); what the call brings and the script or the region
 * has no room for waits in `out` (call.h).
 *
 * A sub belongs to the call of its parent: it goes when that one goes (subs_drop), without a word.
 * The runtime is hostile: binding index, head and credits are checked; a breach condemns the
 * process (job_link.h).
 *
 * Bounded by SUBS_DEFAULT of a core: beyond it, the sub is refused. Thread: the core.
 */
#ifndef HEARTH_SUB_H
#define HEARTH_SUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/call/job_link.h"

struct call;
struct core;
struct subs;

size_t subs_bytes(uint32_t count);
struct subs *subs_init(void *memory, uint32_t count);
uint32_t subs_live(const struct subs *);

/* The parent is over: its sub-requests go too. */
void subs_drop(struct core *, struct call *);
/* Those that waited for room in a region's ring or arena. */
uint32_t subs_run(struct core *);
uint64_t subs_next_ns(const struct subs *);

extern const struct runtime_sub_events sub_job_events;

#endif
