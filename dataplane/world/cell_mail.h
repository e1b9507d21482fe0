/* cell_mail.h
 *
 * What the control thread and one dp core tell each other of cells: two rings of fixed messages and
 * a pulse for each link, all in hearthd's own memory, which no cell maps.
 *
 *   control --news--> core     ATTACH   link L leads to a cell that runs script S
 *                              RETIRE   nothing new goes there; what is under way ends there
 *                              DETACH   its process has ended, or its region is to go: all is lost
 *           <-wishes--         START    a request, or a guess, wants a cell of script S
 *                              LARGER   link L has used its region up
 *                              SPENT    the cell of link L refuses what is started there
 *                              RELEASED link L has no job any more, and the core no look at it
 *
 *   life of a link:  ATTACH -> (RETIRE) -> (DETACH) -> RELEASED -> its number is free again
 *
 * A link is one region of one cell, as one core sees it; its number is the same for all cores. A
 * cell has one link, or two while it moves to a larger region. RELEASED follows RETIRE when the
 * last job is over, and DETACH at once; when all cores have said it the region may be unmapped. So
 * at most three news of a link are unread, and the ring always has room for them, as it has for
 * SPENT, which is said once at most, and RELEASED; START and LARGER find none when the control
 * thread is slow, and are made again.
 *
 * Pulse: the core counts what it has started; the control thread reads it for the warm table.
 *
 * Single producer, single consumer each; the bell is the other end's eventfd, rung once per burst
 * by whoever calls cell_mail_ring_*. Never allocates after cell_mail_init.
 *
 * Rejected: cells as a part of the world, with an epoch for each start: every core would walk all
 * links at each of thousands of starts a second.
 */
#ifndef HEARTH_CELL_MAIL_H
#define HEARTH_CELL_MAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/job.h"

enum cell_news_type { CELL_ATTACH = 1, CELL_RETIRE, CELL_DETACH };

struct cell_news {
    uint32_t type; /* enum cell_news_type */
    uint32_t link;
    /* of ATTACH */
    uint64_t script; /* handle */
    void *region;
    struct job_geometry geometry; /* ours: what the region says of itself is the cell's to change */
    int wake_fd;
    bool is_ready; /* it has loaded its script: a larger region. Else JOB_WARMED will tell */
    _Atomic uint32_t *condemned; /* a core sets 0 to 1 when the cell broke the contract */
    /* of DETACH */
    struct job_blame ended_by; /* what it executed then, and is told; script 0: nothing */
};

enum cell_wish_type { CELL_WISH_START = 1, CELL_WISH_LARGER, CELL_SAID_SPENT, CELL_RELEASED };

struct cell_wish {
    uint32_t type;    /* enum cell_wish_type */
    uint32_t link;    /* of LARGER, SPENT and RELEASED */
    uint64_t script;  /* handle; of START */
    bool is_demanded; /* of START: no guess, requests wait or will come. It takes others' place */
};

/* Of one link on one core. Written by the core, read by the control thread. */
struct cell_pulse {
    _Atomic uint32_t started; /* jobs since ever; wraps */
    _Atomic uint32_t live;    /* jobs under way */
};

struct cell_count {
    uint32_t started, live;
};

struct cell_mail;

/* links: the node's, at most CELL_LINKS_MAX. */
size_t cell_mail_bytes(uint32_t links);
/* In zeroed memory of that size. wake_fd: the control thread's eventfd, -1: none. */
struct cell_mail *cell_mail_init(void *memory, uint32_t links, int wake_fd);
uint32_t cell_mail_links(const struct cell_mail *);

/* ---- the control thread ---- */

/* Never full while each link keeps to its life. Visible at once; the core's own bell is the
 * caller's to ring. */
void cell_mail_tell(struct cell_mail *, const struct cell_news *);
/* False: nothing more now. */
bool cell_mail_hear(struct cell_mail *, struct cell_wish *);
struct cell_count cell_mail_pulse(const struct cell_mail *, uint32_t link);

/* ---- the core ---- */

bool cell_mail_next(struct cell_mail *, struct cell_news *);
/* False: no room; of START and LARGER only. */
bool cell_mail_wish(struct cell_mail *, const struct cell_wish *);
/* Rings the control thread's bell if something was wished since the last ring. */
void cell_mail_ring(struct cell_mail *);
/* A job of it has started (+1), or is over (-1). */
void cell_mail_count(struct cell_mail *, uint32_t link, int change);

#endif
