/* account_commands.h
 *
 * What hearthctl account asks of a running hearthd: rows of the table in commands.c. A change is
 * judged, stored, taken up, and then in the next world.
 *
 * Ceilings of CPU time, memory and wall clock are told to processes with their script: a changed
 * one counts from the script's next start. All others count at once, and so do hosts and tokens.
 *
 * Control thread only.
 */
#ifndef HEARTH_ACCOUNT_COMMANDS_H
#define HEARTH_ACCOUNT_COMMANDS_H

#include <stdio.h>

#include "control/daemon/ctl.h"

struct hearthd;

/* Without the operator's rights: the token's own account. */
void account_commands_list(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {name, set:["KEY=VALUE"..]} */
void account_commands_add(struct hearthd *, struct ctl_client *, const struct ctl_request *);
void account_commands_limit(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {name, scopes, sha256}: sha256, of a token that another node made, or "": makes one. */
void account_commands_token(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {name, id} */
void account_commands_revoke(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {name} */
void account_commands_remove(struct hearthd *, struct ctl_client *, const struct ctl_request *);

/* Reads what the store has. -1: a sentence. */
int account_commands_start(struct hearthd *, char *error, size_t error_bytes);

/* What was refused: {name:N..}, and as OpenMetrics text. */
json_t *account_commands_refused(const struct hearthd *);
void account_commands_metrics(const struct hearthd *, FILE *);

#endif
