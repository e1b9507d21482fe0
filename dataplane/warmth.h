/* warmth.h
 *
 * What this core knows of the isolates of one runtime process, and what asking for them ahead of time was worth.
 *
 *   UNKNOWN --warm asked--> ASKED --WARMED--> WARM --first START--> used: useful, and its microseconds were hidden
 *      ^                      |  \--START before WARMED--> late: only a part was hidden
 *      +------ EVICTED -------+---- EVICTED before any START, or none within WARMTH_WASTE_NS: wasted
 *
 * Direct-mapped by script handle: a collision forgets the older one (its isolate is then asked for again, which costs a
 * message). Forgetting counts nothing as wasted. Single thread, never allocates.
 */
#ifndef HEARTH_WARMTH_H
#define HEARTH_WARMTH_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/counters.h"

enum { WARMTH_SLOTS = 4096 };
#define WARMTH_WASTE_NS (30ull * 1000000000)

enum warmth_state { WARMTH_UNKNOWN = 0, WARMTH_ASKED, WARMTH_WARM };

struct warmth_script {
    uint64_t handle;   /* 0: free */
    uint64_t asked_ns; /* or started */
    uint32_t took_us;
    uint8_t state; /* enum warmth_state */
    bool is_ours;  /* it was we who asked, and the verdict may still fall */
    bool is_used;  /* a job of it has started */
};

struct warmth {
    struct counters *counters; /* warm_useful, warm_late, warm_wasted, warm_hidden_us, ... */
    uint32_t asked;            /* entries in ASKED */
    uint32_t sweep;
    struct warmth_script slot[WARMTH_SLOTS];
};

void warmth_init(struct warmth *, struct counters *);
/* The process is gone: nothing is warm. */
void warmth_clear(struct warmth *);

enum warmth_state warmth_of(const struct warmth *, uint64_t handle);
/* True: not warm and not asked for yet: send a WARM. */
bool warmth_ask(struct warmth *, uint64_t handle, uint64_t now_ns);
/* The process said so, by WARMED or by the head of a job's answer. took_us 0: it was warm already, so asking hid nothing. */
void warmth_warmed(struct warmth *, uint64_t handle, uint32_t took_us, uint64_t now_ns);
void warmth_evicted(struct warmth *, uint64_t handle);
/* A job of it starts: the verdict on the asking falls here, once. A script that was UNKNOWN is ASKED now: the start makes its isolate. */
void warmth_started(struct warmth *, uint64_t handle, uint64_t now_ns);
/* Looks at a few slots for those asked for in vain; once per iteration or so. */
void warmth_sweep(struct warmth *, uint32_t slots, uint64_t now_ns);

/* Handles of scripts that are warm here: up to max from *cursor on, which starts at 0; returns how many, 0: no more. */
uint32_t warmth_list(const struct warmth *, uint32_t *cursor, uint64_t *handles, uint32_t max);

#endif
