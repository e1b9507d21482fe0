/* script_id.h
 *
 * Names of scripts across accounts. A script is its account and its name:
 *
 *   "hello"        of the default account, which every node has
 *   "acme/hello"   of the account acme
 *
 * This is what the store, the catalog, the cores (as a hash), log lines and people know it by.
 * Neither part has a slash, so no two scripts have one id; and an id of the default account is what
 * a name was before there were accounts.
 *
 * Pure. Rejected: an account in every id. A node with one user would have to write it everywhere.
 */
#ifndef HEARTH_SCRIPT_ID_H
#define HEARTH_SCRIPT_ID_H

#include <stdbool.h>

#include "dataplane/base/limits.h"

#define ACCOUNT_DEFAULT "default"

/* Lower-case letters, digits, '-' and '_', at most SCRIPT_NAME_BYTES_MAX, beginning with a letter
 * or digit. */
bool script_name_is_good(const char *name);

/* Lower-case letters, digits and '-', with a letter or digit at both ends: a label of a host name
 * and of a file's name. At most ACCOUNT_NAME_BYTES_MAX bytes. */
bool account_name_is_good(const char *name);

/* account: NULL or "default" gives the plain name. Both are good. */
void script_id_write(char out[SCRIPT_ID_BYTES_MAX + 1], const char *account, const char *name);
/* In the one form that it has: "default/hello" is none. */
bool script_id_is_good(const char *id);
/* The script's own name, in id. */
const char *script_id_name(const char *id);
void script_id_account(const char *id, char out[ACCOUNT_NAME_BYTES_MAX + 1]);

/* What a script or a person of that account means by text: "hello" is of his own account,
 * "acme/hello" and "default/hello" say whose. The name may be "*" for all of an account. False: it
 * is no id. */
bool script_id_resolve(char out[SCRIPT_ID_BYTES_MAX + 1], const char *account, const char *text);

/* wanted: an id; "" for all; "acme/" or "default/" for all of an account. */
bool script_id_is_of(const char *id, const char *wanted);

#endif
