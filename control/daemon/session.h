/* session.h
 *
 * Who asks over the control socket, and what he may: of each request anew, so that a token that was
 * revoked opens nothing from then on.
 *
 *   the operator's socket, no token    the operator: everything; scripts of the default account by
 *                                      their plain name, others as "account/name"
 *   a token, on either socket          its account's, whatever uid asks; plain names are its own
 *   the guests' socket, no token       nobody
 *
 * Each refusal has a sentence and a counter. Control thread only.
 */
#ifndef HEARTH_SESSION_H
#define HEARTH_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/deploy/accounts.h"

/* X(name of the counter, what was refused) */
#define SESSION_REFUSALS(X)                                                                        \
    X(no_token, "requests of guests without a token")                                              \
    X(bad_token, "tokens that are nobody's, or not any more")                                      \
    X(scope, "requests that the token's scopes do not allow")                                      \
    X(operator_only, "requests with a token that only the operator may make")                      \
    X(foreign_script, "requests for another account's script")                                     \
    X(owner, "deploys that say themselves whose they are")                                         \
    X(ceiling, "deploys over a ceiling of their account")                                          \
    X(host, "deploys with a route outside of their account's hosts")                               \
    X(route, "deploys of accounts with a route that another script has")                           \
    X(share, "requests of accounts over their share of the control thread's time")                 \
    X(tails, "tails over an account's share of places")

enum session_refusal {
#define SESSION_ENUM(name, text) SESSION_##name,
    SESSION_REFUSALS(SESSION_ENUM)
#undef SESSION_ENUM
        SESSION_REFUSAL_KINDS
};

enum { SESSION_TAILS_MAX = 4 /* of one account at a node */ };

struct session_counts {
    uint64_t refused[SESSION_REFUSAL_KINDS];
};

struct session {
    struct account *account; /* the default one is the operator's */
    uint32_t scopes;
    bool is_operator;
    char voucher[ACCOUNT_SHA_CHARS + 1]; /* of its token */
};

/* As refusals are counted in status, metrics and here. */
extern const char *const session_refusal_name[SESSION_REFUSAL_KINDS];
extern const char *const session_refusal_text[SESSION_REFUSAL_KINDS];

/* False: *why is a sentence, and it is counted. */
bool session_open(struct session *, const struct accounts *, const json_t *request, bool is_guest,
                  struct session_counts *, const char **why);

/* May it do what needs that scope (0: only the operator may), now? If not, *why, and it is
 * counted. */
bool session_may(const struct session *, uint32_t scope, uint64_t now_ns, struct session_counts *,
                 const char **why);
/* What it asked for took so much of the control thread's time. */
void session_spend(const struct session *, uint64_t spent_ns);

/* The id of the script that he means by text, which is his: an account's own, anyone's for the
 * operator. "" is what `all` says: all that he may see. False: *why, and it is counted. */
bool session_script(const struct session *, const char *text, char id[SCRIPT_ID_BYTES_MAX + 1],
                    struct session_counts *, const char **why);

/* What script_id_is_of takes for all scripts that he may see; as long as the session. */
void session_all(const struct session *, char wanted[SCRIPT_ID_BYTES_MAX + 1]);

#endif
