/* ring_commands.h
 *
 * What hearthctl ring asks of a running hearthd: rows of the table in commands.c. Nothing here changes anything.
 */
#ifndef HEARTH_RING_COMMANDS_H
#define HEARTH_RING_COMMANDS_H

#include "control/ctl.h"

struct hearthd;

/* {} */
void on_ring_show(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {what} */
void on_ring_locate(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {add, weight?} or {remove} */
void on_ring_plan(struct hearthd *, struct ctl_client *, const struct ctl_request *);

#endif
