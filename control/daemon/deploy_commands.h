/* deploy_commands.h
 *
 * What hearthctl deploy, rollback and delete ask of a running hearthd: rows of the table in
 * commands.c, and what comes of a trial.
 *
 *   deploy, rollback --> in the catalog, not current --> on trial (trial.h)
 *                                                          |
 *         current, in the store and in the next world <--loads
 *         gone again; the version before stays <------does not
 *
 * Control thread only.
 *
 * Rejected: the lowest of two scripts wins an explicit route that both want. The deploy that wants
 * another's is refused: no operator expects a silent loser.
 */
#ifndef HEARTH_DEPLOY_COMMANDS_H
#define HEARTH_DEPLOY_COMMANDS_H

#include "control/daemon/ctl.h"

struct hearthd;
struct script;

/* {manifest}, payload */
void deploy_commands_deploy(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {name, version} */
void deploy_commands_rollback(struct hearthd *, struct ctl_client *, const struct ctl_request *);
/* {name} */
void deploy_commands_delete(struct hearthd *, struct ctl_client *, const struct ctl_request *);

/* Of hearthd's trials: makes the script current, or not, and tells the client. Takes the hold. */
void deploy_commands_judged(void *hearthd, struct script *, uint64_t client, const char *error);

#endif
