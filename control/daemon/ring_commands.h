/* ring_commands.h
 *
 * What hearthctl ring asks of a running hearthd: rows of the table in commands.c. Nothing here
 * changes anything.
 */
#ifndef HEARTH_RING_COMMANDS_H
#define HEARTH_RING_COMMANDS_H

#include "control/daemon/ctl.h"

struct hearthd;

/* {} */
void ring_commands_show(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {what} */
void ring_commands_locate(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {add, weight?} or {remove} */
void ring_commands_plan(struct hearthd *, struct ctl_client *, const struct ctl_request *);

#endif
