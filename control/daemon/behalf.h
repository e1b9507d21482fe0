/* behalf.h
 *
 * On whose behalf a member of the cluster asks what scripts do: for their log lines (tail.h), for
 * the story of a request (why.h). Whoever answers tells no more than that one may know.
 *
 *   in the note                  may know                 if
 *   (nothing)                    all                      the member's role is "operator": people
 *                                                         with the operator's rights work there
 *   {"account":A, "voucher":V}   what is account A's      V is of a token of A that has the scope
 *                                                         (accounts.h), whatever the role
 *
 * So who takes over a member of the role "edge" reads of other nodes what accounts own whose
 * tokens, or vouchers, that member has seen; of nobody else, and not the operator's. A voucher is
 * seen by all members that are asked, and good until its token is revoked: each node looks at each
 * note.
 *
 * Roles are in the list of members of the node that answers; what a member says of itself is
 * nothing. Pure but for the counts. Control thread only.
 *
 * Rejected: the account by its name alone: who is a member could name them all. A signature of the
 * ask by the token, that only this asker can use, for this script, now: a second key of each token
 * that operators carry from node to node, against members that were shown a voucher and are hostile
 * to one account alone.
 */
#ifndef HEARTH_BEHALF_H
#define HEARTH_BEHALF_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/daemon/session.h"
#include "control/deploy/accounts.h"

struct behalf {
    char account[ACCOUNT_NAME_BYTES_MAX + 1]; /* "": the operator's */
    char voucher[ACCOUNT_SHA_CHARS + 1];
};

/* X(name of the counter, what was refused) */
#define BEHALF_REFUSALS(X)                                                                         \
    X(role, "asks of members in the operator's name, which their role does not have")              \
    X(voucher, "asks of members in an account's name without a token's voucher")                   \
    X(foreign, "asks of members for what is not the account's")

enum behalf_refusal {
#define BEHALF_ENUM(name, text) BEHALF_##name,
    BEHALF_REFUSALS(BEHALF_ENUM)
#undef BEHALF_ENUM
        BEHALF_REFUSAL_KINDS
};

struct behalf_counts {
    uint64_t refused[BEHALF_REFUSAL_KINDS];
};

extern const char *const behalf_refusal_name[BEHALF_REFUSAL_KINDS];
extern const char *const behalf_refusal_text[BEHALF_REFUSAL_KINDS];

struct behalf behalf_of(const struct session *);
bool behalf_is_same(const struct behalf *, const struct behalf *);

/* Into a note that asks. */
void behalf_write(const struct behalf *, json_t *note);

/* What the member that sent this note may know (script_id_is_of), if the account's token has that
 * scope. is_operators: by its role. False: nothing, and it is counted. */
bool behalf_read(const json_t *note, const struct accounts *, bool is_operators, uint32_t scope,
                 struct behalf_counts *, char wanted[SCRIPT_ID_BYTES_MAX + 1]);

/* All of `asked` (an id, "account/", or "" for all) lies in what is wanted. If not, it is
 * counted. */
bool behalf_covers(const char *wanted, const char *asked, struct behalf_counts *);

#endif
