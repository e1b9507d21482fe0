/* credentials.h
 *
 * Judges what hearth.yaml names and a start loads: certificates with their keys, the node's key,
 * the cluster's secret, and whether the list of members fits them. By the functions that hearthd's
 * start and reload use (tls_context_create, cluster_keys_read, cluster_check), so that the judge
 * and the one who acts cannot disagree; what this process may not read it complains of.
 *
 * Reads files; keeps nothing. Starts and stops the crypto engines for itself: for processes in
 * which no TLS runs.
 *
 * Rejected: a judge of its own. Leaving files out of `hearthctl check`, since the text alone is the
 * same everywhere: a start with what that called good failed, when the old process was gone.
 */
#ifndef HEARTH_CREDENTIALS_H
#define HEARTH_CREDENTIALS_H

#include "control/config/conf.h"

/* Adds a complaint for each that cannot be used, with the line of its entry. True: it had none to
 * add. */
bool credentials_check(const struct conf *, struct conf_verdict *);

#endif
