/* meter.h
 *
 * The CPU time of the slice that is under way (slice.h), and who pays for it. Below slices and
 * requests: a slice starts and reads it, a request asks it what to tell hearthd.
 *
 *   meter_mark, once a round --> meter_start --> [meter_say]* --> meter_take --> meter_stop
 *
 * The wall time if that is short, the thread's clock if it was long enough to be sure that reading
 * it costs nothing in comparison. Nanoseconds.
 *
 * Thread: the worker's. Never reads the clock that scripts see: Date stands still in a slice.
 */
#ifndef HEARTH_WORKER_METER_H
#define HEARTH_WORKER_METER_H

#include <stdint.h>

struct meter {
    double payer;         /* the request's ref; 0: none, or no slice */
    uint64_t started_ns;  /* monotonic */
    uint64_t said_ns;     /* of what was used since: what hearthd was told */
    uint64_t cpu_ns;      /* the thread's clock, when it was read last since; 0: it was not */
    uint64_t cpu_seen_ns; /* the same before */
    uint64_t spared_ns;   /* of what was used since: nobody pays for it */
};

/* All until now was nobody's. */
void meter_mark(struct meter *);
void meter_start(struct meter *, double payer, uint64_t now_ns);
/* So much of what was used is charged to nobody. */
void meter_spare(struct meter *, uint64_t cpu_ns);
/* CPU time so far, which hearthd is told now. */
uint64_t meter_say(struct meter *);
/* CPU time so far; begins anew. *unsaid_ns: what of it hearthd was not told. */
uint64_t meter_take(struct meter *, uint64_t now_ns, uint64_t *unsaid_ns);
void meter_stop(struct meter *);

#endif
