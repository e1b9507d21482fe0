/* lane.h
 *
 * The runtime's side of one dp core's rings and arenas, and the requests that core has running
 * here.
 *
 * Control messages (ERROR, CREDIT, WARMED, ...) are never lost: when the ring is full they wait in
 * `overflow`, in order, and nothing overtakes them. Heads and data ask lane_room first and wait in
 * JavaScript. Single thread. hearthd is trusted: a breach of the contract from its side is an
 * assertion.
 */
#ifndef HEARTH_WORKER_LANE_H
#define HEARTH_WORKER_LANE_H

#include "runtime/job.h"
#include "runtime/worker/sub.h"

struct request;

struct lane {
    uint32_t index;
    int core_fd; /* eventfd of the dp core */
    struct job_sleeper *core_asleep;
    struct job_consumer down;
    uint64_t taken; /* slots popped from it since ever: names the place of each */
    struct job_producer up;
    struct arena_owner out;
    struct arena_peer in;
    bool is_dirty; /* pushed since the last publish */
    struct job_slot *overflow;
    size_t overflow_count, overflow_cap;
    struct request *by_slot[JOB_JOBS_MAX];
    struct sub_table subs;
};

void lane_init(struct lane *, void *region, uint32_t index, int core_fd);

/* Never fails. */
void lane_send(struct lane *, const struct job_slot *);
/* May one slot with that many chunks be sent now? */
bool lane_room(struct lane *, uint32_t chunks);
/* Copies bytes (at most JOB_HEAD_BYTES_MAX, and lane_room said yes) into chunks of the slot and
 * sends it. */
void lane_send_bytes(struct lane *, struct job_slot *, const uint8_t *bytes, size_t len);
/* Copies a received slot's bytes out of its chunks. */
void lane_copy(const struct lane *, const struct job_slot *, uint8_t *to);
/* Gives a received slot's chunks back. */
void lane_give_back(struct lane *, const struct job_slot *);

/* Makes what was sent visible and wakes the core if it sleeps. Once per burst. */
void lane_publish(struct lane *);

#endif
