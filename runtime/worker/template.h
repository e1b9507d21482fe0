/* template.h
 *
 * A process that has run the top level of one script and answers nothing: further cells of the
 * script are forked from it, and begin where it stands (runtime/start.h has its protocol).
 *
 *   template   monitor, door, seal -> ready -> script, top level -> monitor ends -> loaded: frozen
 *     cell       |-> template_leave -> cell.h: region, monitor, seal, loop
 *
 * What its cells share is what the top level has made: heap, compiled code, the script's handle and
 * limits. Each has of its own, drawn or begun behind the fork: Math.random and performance
 * (WEB_RENEW, before the freeze), the secret of json_shape.h, the clock, the meter, the monitor and
 * the report. No timer, call or request can be there: a top level may begin none.
 *
 * A script whose top level drew random numbers or read the time makes no template: its cells would
 * have in common what each expects to be its own (an id of this instance, a seed). Hash seeds and
 * addresses are equal anyway, as in all cells of one zygote. What the top level logs is told once.
 *
 * It has run a tenant's code and may fork all the same: sandbox.h has the wall.
 *
 * Rejected: to collect the heap before the freeze (zygote.h: bytecode goes with it). To answer a
 * request in it, so that its handlers are compiled too: they would see one that nobody has made.
 */
#ifndef HEARTH_WORKER_TEMPLATE_H
#define HEARTH_WORKER_TEMPLATE_H

#include <stdint.h>

struct sandbox;
struct worker;

/* In a process with its ids, its socket at START_FD: all of the above, until it is frozen. 0; or
 * -errno and *what failed, or NULL in *what: hearthd has been told why it cannot be one. */
int template_begin(struct worker *, struct sandbox *, const char **what);
/* In what was forked from it: it is a cell now, whose start begins. */
void template_leave(struct worker *);

#endif
