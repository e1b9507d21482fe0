/* shed.h
 *
 * Is a cell overloaded? Judged by how long work waits before it begins, not by how busy
 * it is.
 *
 *   delay   the time from pushing a START to the process taking it out of the ring, sampled; while
 *           the oldest sample is still in the ring, at least its age (job_link.c measures)
 *   CoDel   over target for a whole interval, with no gap of an interval between two observations
 *           -> overloaded; at or under target once -> not any more, but a new spell begins only
 *           after half an interval (hysteresis)
 *   jobs    at or over jobs_percent of the table: 0 refuses everything, 100 and more nothing until
 *           the table is full
 *   memory  more chunks of the core's pool used than chunks_percent
 *   share   while overloaded, or beyond half the jobs, a script that has more than share_percent of
 *           the jobs in flight is refused first
 *
 * A home hands work back at the target. Work that came back, or has nowhere else to go, is refused
 * only at SHED_FULL_TARGETS times the target: waiting half a second beats a 503.
 *
 * Pure but for its own state; one struct per link. Units: nanoseconds. Single thread.
 * Source: Nichols and Jacobson, "Controlling Queue Delay" (2012), RFC 8289, for target and
 * interval.
 *
 * Rejected: one threshold for both. A bounce costs a round trip, a 503 costs the request.
 */
#ifndef HEARTH_SHED_H
#define HEARTH_SHED_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/place/verdict.h"

enum { SHED_LOAD_MAX = 4000 }; /* one stuck node must not hide the differences between the others */

enum { SHED_FULL_TARGETS = 25 };

struct shed_tune {
    uint32_t target_us, interval_us;
    uint32_t jobs_percent, chunks_percent, share_percent;
};

struct shed {
    uint64_t above_since_ns; /* 0: under target */
    uint64_t calm_until_ns;
    uint64_t delay_ns, heard_ns; /* last heard */
    bool is_overloaded;
};

void shed_init(struct shed *);
/* The queueing delay as it is known now. While overloaded, nothing else ends the spell: say 0 when
 * nothing waits. now_ns never runs backwards. */
void shed_observe(struct shed *, const struct shed_tune *, uint64_t delay_ns, uint64_t now_ns);

struct shed_query {
    uint32_t jobs, jobs_max; /* of the cell's table on this core */
    uint32_t script_jobs;    /* of these, this script's */
    uint32_t chunks_used_percent;
};

/* 0: take it. Else why not (BOUNCE_OVERLOAD, BOUNCE_SHARE). */
enum bounce_reason shed_refuses(const struct shed *, const struct shed_tune *,
                                const struct shed_query *);
/* For STATE: per mille of what it can take, the higher of jobs and delay; at least 1000 while
 * overloaded, at most SHED_LOAD_MAX. */
uint16_t shed_load(const struct shed *, const struct shed_tune *, uint32_t jobs, uint32_t jobs_max);

#endif
