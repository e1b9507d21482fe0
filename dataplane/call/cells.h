/* cells.h
 *
 * The cells that one core knows: which of them run a script, which have work, and what the control
 * thread is asked for.
 *
 *   control thread --news--> [ link 0 | link 1 | ... ]  by number      cell_mail.h
 *                                |  ^
 *     script's handle --hash--> first link of the script -> next ...   cells_pick: fewest jobs
 *                                |
 *                            busy: those with jobs, or that still start: polled, flushed, woken
 *                              |  ^
 *            silent for 1 ms   v  |   it rings, or is told something
 *                            quiet: its bell is left on, and an iteration does not look at it
 *
 *   life of a link here:  STARTING --JOB_WARMED, or a first answer--> READY
 *                            |                                             |
 *                            +-- it refuses a START --> SPENT <------------+    DETACH: at any time
 *                            |                           | RETIRE          |
 *                            +---- RETIRE -----> RETIRED <-----------------+
 *                                                   | last job over
 *                                                   +--> RELEASED, its number is free
 *
 * A script is known by its handle here, so another version is another script. Of one that has no
 * cell calls wait in call.c until cells_follow tells of one; what they wait for is
 * wished of the control thread by cells_need, and again while they wait (a wish may find no room).
 * A guess is wished for by cells_ask, once (warmth.h).
 *
 * A link whose cell is spent takes no new job: the control thread is told at once, and retires it.
 * Neither does one that was retired; it is released when its last one is over, and what it
 * would have to say after that is of no use to anybody.
 *
 * Thread: the core. Memory: a place for each number with a small table of jobs, and some large
 * tables; the control thread never attaches more large links than there are large tables.
 *
 * Who waits for an event stream or for another script has a job and nothing to say, and there may
 * be thousands of them. All cells ring one eventfd: a core that is awake looks at it every 50 us if
 * any is quiet, and at all quiet ones if it has rung.
 *
 * Rejected: a doorbell for each cell and core: a descriptor each. Looking at all that have jobs:
 * with 1,000 that wait, an iteration and a sleep took 93 us, and take 0.02.
 */
#ifndef HEARTH_CELLS_H
#define HEARTH_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/place/warmth.h"

struct cell_mail;
struct cells;
struct core;
struct job_link;
struct job_link_events;
struct runtime_sub_events;

/* Of so many links, `larges` of them with the large geometry at a time. */
size_t cells_bytes(uint32_t links, uint32_t larges);
/* In zeroed memory of that size. The mail's links are the links. The events are those of jobs and
 * of sub-requests (job_link.h). */
struct cells *cells_init(void *memory, struct core *, struct cell_mail *, uint32_t larges,
                         const struct job_link_events *, const struct runtime_sub_events *);

/* First thing in an iteration, and when the core woke up: reads the news. came: there is a cell of
 * that script that was not there, and calls that wait for one should look again. */
void cells_follow(struct core *, void (*came)(struct core *, uint64_t script));

/* The link to a cell that runs the script: of those that are ready the one with the fewest jobs,
 * else one that starts; NULL: none. */
struct job_link *cells_pick(struct core *, uint64_t script);
/* By its number: of a job or a sub-request. */
struct job_link *cells_at(struct core *, uint32_t link);
enum warmth_state cells_warmth(const struct core *, uint64_t script);
/* A guess: wishes for a cell of the script, unless there is one or it was asked for lately.
 * is_demanded: it is no guess. True: it was wished for. */
bool cells_ask(struct core *, uint64_t script, bool is_demanded);
/* A call waits for one: wishes for it, now and then again. */
void cells_need(struct core *, uint64_t script);
/* A job was started there. */
void cells_started(struct core *, struct job_link *);
/* The longest start of it that this core has heard of; 0: of none. */
uint64_t cells_load_ns(const struct core *, uint64_t script);
/* job_link_events.touched. arg: the core. */
void cells_touched(void *arg, uint32_t link);
/* job_link_events.warmed: it says that it has loaded its script. arg: the core. */
void cells_warmed(void *arg, uint32_t link, uint64_t script, uint32_t took_us);
/* job_link_events.spent: it refuses what is started there. */
void cells_spent(void *arg, uint32_t link);
/* A START found its tables full, or soon will: it should have larger ones. */
void cells_outgrown(struct core *, struct job_link *);

/* ---- the core's iteration ---- */

/* Notes how long STARTs wait. */
void cells_look(struct core *);
/* Handles messages; returns how many. */
uint32_t cells_run(struct core *);
/* Makes what was pushed visible, rings whoever sleeps, and posts the wishes. Returns how many cells
 * were woken. */
uint32_t cells_flush(struct core *);
/* Before the core sleeps: true, there is work, do not sleep. */
bool cells_sleep(struct core *);
/* was_rung: core.wake_fd was written to, and read. */
void cells_woke(struct core *, bool was_rung);
/* How loaded the busiest is: per mille, and the worst queueing delay. */
uint16_t cells_load(const struct core *, uint64_t *delay_ns);
uint32_t cells_jobs(const struct core *);

#endif
