/* lane.h
 *
 * The cell's side of one dp core's rings and arenas in one region, and the requests that core has
 * running here. A core has a second lane where the cell has a second, larger region.
 *
 * Control messages (ERROR, CREDIT, WARMED, ...) are never lost: when the ring is full they wait in
 * `overflow`, in order, and nothing overtakes them. Heads and data ask lane_room first and wait in
 * JavaScript. Single thread. hearthd is trusted: a breach of the contract from its side is an
 * assertion.
 *
 * Memory: one allocation of the size that the region's geometry asks for.
 */
#ifndef HEARTH_WORKER_LANE_H
#define HEARTH_WORKER_LANE_H

#include "runtime/job.h"
#include "runtime/worker/slab.h"

struct request;
struct sub;

struct lane {
    uint32_t index; /* of the core */
    uint32_t place; /* among all lanes of the cell */
    int core_fd;    /* eventfd of the dp core */
    struct job_region_header *region;
    struct job_sleeper *core_asleep;
    struct job_consumer down;
    uint64_t taken;      /* slots popped from it since ever: names the place of each */
    uint64_t awaited_to; /* the place up to which they had come before the script had started */
    struct job_producer up;
    struct arena_owner out;
    struct arena_peer in;
    bool is_dirty; /* pushed since the last publish */
    struct job_slot *overflow;
    size_t overflow_count, overflow_cap;
    uint32_t jobs;            /* the geometry's */
    uint32_t subs_max;        /* sub-requests under way, as its geometry says */
    struct request **by_slot; /* as many */
    struct slab subs;         /* sub.h */
    struct sub *free_subs;
};

/* Of a fresh region whose header was checked; place: among the cell's lanes. Never NULL. subs: not
 * there yet. */
struct lane *lane_create(struct job_region_header *, uint32_t index, uint32_t place, int core_fd);

/* Of one whose core has no job here. */
void lane_free(struct lane *);

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

/* Makes what was sent visible to a core that is awake; lane_publish follows. */
void lane_show(struct lane *);
/* Makes what was sent visible and wakes the core if it sleeps. Once per burst. */
void lane_publish(struct lane *);

#endif
