/* warmth.h
 *
 * What this core has asked for ahead of time, and what that was worth. Which scripts have a cell,
 * cells.h knows.
 *
 *   UNKNOWN --warm asked--> ASKED --WARMED--> WARM --first START--> used: useful, and hidden were
 *      ^                      |  |                                        its microseconds
 *      |                      |  +--START before WARMED--> late: only a part was hidden
 *      |                      |
 *      +------ EVICTED -------+--EVICTED before any START, or none within WARMTH_WASTE_NS: wasted
 *
 * EVICTED: its last cell that this core knew has gone. A script that was asked for, or ran, less
 * than WARMTH_AGAIN_NS ago is not asked for again: one that does not load, and two that have room
 * for one only, cost a start each so often and no more.
 *
 * Set-associative by script handle: of a full set the one goes that was asked for or started
 * longest ago. What is hot runs here only while it is known to be warm, so two busy scripts must
 * not forget each other by turns. Forgetting counts nothing as wasted. Single thread, never
 * allocates.
 *
 * Rejected: asking as soon as a script is known to be cold: one that is hot and does not load would
 * be started at each request, 400 ms of CPU each; so it is 8 % of a CPU at most from
 * each core, and its requests go on going home. A direct-mapped table: with 500 warm scripts 11 %
 * shared a slot, and a script that is forgotten is a request sent home too many.
 */
#ifndef HEARTH_WARMTH_H
#define HEARTH_WARMTH_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/counters.h"

enum { WARMTH_SETS = 1024, WARMTH_WAYS = 4, WARMTH_SLOTS = WARMTH_SETS * WARMTH_WAYS };
#define WARMTH_WASTE_NS (30ull * 1000000000)
#define WARMTH_AGAIN_NS (5ull * 1000000000)
#define WARMTH_NEED_NS  (50ull * 1000000) /* what requests wait for is asked for again after that */

enum warmth_state { WARMTH_UNKNOWN = 0, WARMTH_ASKED, WARMTH_WARM };

struct warmth_script {
    uint64_t handle;    /* 0: free */
    uint64_t asked_ns;  /* or last started, or heard of */
    uint64_t needed_ns; /* a request waited for it: when it was last asked for because of that */
    uint32_t took_us;   /* its last start */
    uint32_t load_us;   /* its longest one: a copy of a template is quick, here only */
    uint8_t state;      /* enum warmth_state */
    bool is_ours;       /* it was we who asked, and the verdict may still fall */
    bool is_used;       /* a job of it has started */
};

struct warmth {
    struct counters *counters; /* warm_useful, warm_late, warm_wasted, warm_hidden_us, ... */
    uint32_t asked;            /* entries in ASKED */
    uint32_t sweep;
    struct warmth_script slot[WARMTH_SLOTS];
};

void warmth_init(struct warmth *, struct counters *);
/* Nothing is warm. */

enum warmth_state warmth_of(const struct warmth *, uint64_t handle);
/* Its longest start; 0: not known. */
uint32_t warmth_load_us(const struct warmth *, uint64_t handle);
/* True: neither warm nor asked for lately: send a WARM. */
bool warmth_ask(struct warmth *, uint64_t handle, uint64_t now_ns);
/* A request waits for it. True: it was not asked for lately, for anybody's sake: ask now, it is no
 * guess. */
bool warmth_need(struct warmth *, uint64_t handle, uint64_t now_ns);
/* Its cell said so, by WARMED or by the head of a job's answer. took_us 0: it was warm already,
 * so asking hid nothing. */
void warmth_warmed(struct warmth *, uint64_t handle, uint32_t took_us, uint64_t now_ns);
void warmth_evicted(struct warmth *, uint64_t handle);
/* Its process has ended: the same, but it may be asked for again at once. */
void warmth_lost(struct warmth *, uint64_t handle);
/* A job of it starts: the verdict on the asking falls here, once. A script that was UNKNOWN is
 * ASKED now: the start is its cell's. */
void warmth_started(struct warmth *, uint64_t handle, uint64_t now_ns);
/* Looks at a few slots for those asked for in vain; once per iteration or so. */
void warmth_sweep(struct warmth *, uint32_t slots, uint64_t now_ns);

#endif
