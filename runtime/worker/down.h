/* down.h
 *
 * What hearthd says in the rings, and what each of its messages does: a request begins, its script
 * is told of bytes, room, or that its client has gone. Most of it runs JavaScript.
 *
 *   down.c      jobs       down_sub.c  sub-requests
 */
#ifndef HEARTH_WORKER_DOWN_H
#define HEARTH_WORKER_DOWN_H

#include <stdbool.h>

struct job_slot;
struct lane;
struct worker;

/* The slot was taken from the lane last. */
void down_take(struct worker *, struct lane *, const struct job_slot *);
/* A message about a sub-request: REPLY, REPLY_DATA, REPLY_ERROR, SUB_CREDIT. */
void down_take_sub(struct worker *, struct lane *, const struct job_slot *);

/* The first of those that wait for room in a ring or arena, of which there are some. One at a time:
 * telling JavaScript may end any of them. True if it got on. */
bool down_retry(struct worker *);
bool down_retry_sub(struct worker *);

#endif
