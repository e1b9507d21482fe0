/* accounts.h
 *
 * Whose scripts are whose, and what each may have: who is not the operator has an account, and
 * tokens that speak for it.
 *
 *   {"accounts":[{"name":S, "hosts":[S..], "ceilings":{S:N..}, "outbound":S?,
 *                 "tokens":[{"sha256":S, "scopes":[S..], "made_at":N}..]}..]}
 *
 * One document: what the store keeps (store.h), what is changed, and what is judged, wherever it
 * came from. A change is a copy that is edited, judged, stored, and then taken up.
 *
 *   default   always there, without a row: the operator's own, with no hosts or ceilings set. It
 *             has a row for its tokens only
 *   hosts     "a.example", or "*.example" for all below it; NAME.ACCOUNT.<zone> comes by itself
 *   ceilings  the operator's; a script's own limits may only be lower. None: as hearth.yaml says
 *   outbound  the script, of any account, that all fetch() of the account's scripts goes to instead
 *             of to the world
 *   tokens    256 random bits, shown once. Of a token comes its voucher by SHA-256, and of that
 *             by SHA-256 what is kept. That is enough: nobody tries 2^256 values, so salt and a
 *             slow hash, which passwords need, would add nothing
 *   voucher   what one node shows to another: that somebody brought it a token of this account.
 *             It opens no socket (control/daemon/behalf.h)
 *
 * What an account asks for over the control socket may take ACCOUNT_TIME_PERCENT of the control
 * thread's time, of which it saves ACCOUNT_TIME_SAVED_MS at most: that thread starts everybody's
 * cells. A request is begun while something is saved, and pays for what it took.
 *
 * An account that is removed is gone for everyone at once; its memory stays, and is another's when
 * no script and no call counts there any more. Control thread only, but for at_once and fetches:
 * any core.
 *
 * Bounded by ACCOUNTS_MAX, ACCOUNT_HOSTS_MAX, ACCOUNT_TOKENS_MAX.
 *
 * Rejected: the account in the manifest, as a deploy says it: then everyone is who he says he is.
 */
#ifndef HEARTH_ACCOUNTS_H
#define HEARTH_ACCOUNTS_H

#include <jansson.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "control/deploy/script_id.h"
#include "dataplane/base/limits.h"
#include "dataplane/world/world.h"

enum {
    ACCOUNT_TOKEN_SECRET_BYTES = 32,
    ACCOUNT_TOKEN_CHARS = 7 + 2 * ACCOUNT_TOKEN_SECRET_BYTES, /* "hearth_", hexadecimal digits */
    ACCOUNT_SHA_CHARS = 64,
    ACCOUNT_TOKEN_ID_CHARS = 12, /* of the hash: what people see of a token, and revoke it by */
    ACCOUNT_TIME_PERCENT = 25,
    ACCOUNT_TIME_SAVED_MS = 2000,
};

/* What a token may do, as bits. */
enum account_scope {
    ACCOUNT_SCOPE_DEPLOY = 1,
    ACCOUNT_SCOPE_READ = 2,
    ACCOUNT_SCOPE_TAIL = 4,
    ACCOUNT_SCOPES_ALL = 7,
};

enum account_ceiling {
    CEILING_CPU_MS,
    CEILING_MEMORY_MB,
    CEILING_SUBREQUESTS,
    CEILING_WALL_MS,
    CEILING_SIZE_MB,
    CEILING_CELLS_MEMORY_MB,
    CEILING_REQUESTS,
    CEILING_LOG_LINES,
    CEILING_TIMERS,
    CEILING_SCRIPTS,
    CEILINGS
};

struct account_ceiling_row {
    const char *name;
    uint32_t max;
    const char *text;
};

extern const struct account_ceiling_row account_ceilings[CEILINGS];

struct account_token {
    char sha256[ACCOUNT_SHA_CHARS + 1];
    uint32_t scopes;
};

struct account {
    struct account *next;
    char name[ACCOUNT_NAME_BYTES_MAX + 1];
    bool is_gone;
    uint32_t scripts;                       /* that name it, old versions too */
    json_t *hosts;                          /* of strings */
    uint32_t ceiling[CEILINGS];             /* 0: none */
    char outbound[SCRIPT_ID_BYTES_MAX + 1]; /* an id; empty: none */
    uint32_t token_count;
    struct account_token token[ACCOUNT_TOKENS_MAX];
    /* What the cores count begins a line of its own. */
    alignas(64) _Atomic uint32_t at_once; /* requests of its scripts that are under way here */
    struct world_fetches fetches;
    alignas(64) uint64_t log_second; /* in which log_lines came */
    uint32_t log_lines;
    uint64_t log_lines_over; /* that CEILING_LOG_LINES has cost */
    uint64_t heard_look;     /* of the supervisor, in which its cells said so much */
    uint32_t heard_bytes;
    int64_t time_saved_ns; /* of the control thread's, for its requests, as of then */
    uint64_t time_at_ns;
};

struct accounts {
    json_t *document;
    struct account *first; /* live and gone */
};

void accounts_init(struct accounts *);
/* No script and no core is left. */
void accounts_fini(struct accounts *);

/* Is it such a document? If not, why. */
bool accounts_check(const json_t *document, char *error, size_t error_bytes);
/* Takes up a document that has passed accounts_check; holds it. False: no memory, and some of it
 * may be in force. */
bool accounts_take(struct accounts *, json_t *document);

/* NULL: there is none of that name, or it is gone. "default" is always there. */
struct account *accounts_find(const struct accounts *, const char *name);
static inline bool account_is_default(const struct account *a)
{
    return !a || !strcmp(a->name, ACCOUNT_DEFAULT);
}

/* ---- edits of a document: -1 and a sentence ---- */

/* set: assignments, "hosts=a.example,*.b.example", "cpu_ms=50" or "outbound=default/guard"; an
 * empty value takes it away. */
int accounts_edit_add(json_t *document, const char *name, const json_t *set, char *error,
                      size_t error_bytes);
int accounts_edit_set(json_t *document, const char *name, const json_t *set, char *error,
                      size_t error_bytes);
int accounts_edit_remove(json_t *document, const char *name, char *error, size_t error_bytes);
/* scopes: "deploy,read,tail" or some of them. */
int accounts_edit_token(json_t *document, const char *name, const char *scopes, const char *sha256,
                        int64_t now_s, char *error, size_t error_bytes);
/* id: the beginning of the hash of one of its tokens. */
int accounts_edit_revoke(json_t *document, const char *name, const char *id, char *error,
                         size_t error_bytes);

/* ---- tokens ---- */

void account_token_write(char out[ACCOUNT_TOKEN_CHARS + 1],
                         const uint8_t secret[ACCOUNT_TOKEN_SECRET_BYTES]);
void account_token_voucher(char out[ACCOUNT_SHA_CHARS + 1], const char *token);
/* What is kept of it: the hash of its voucher. */
void account_token_hash(char out[ACCOUNT_SHA_CHARS + 1], const char *token);
/* Whose it is, and what it may do. NULL: nobody's, or not any more. */
struct account *accounts_redeem(const struct accounts *, const char *token, uint32_t *scopes);
/* The same of a voucher. */
struct account *accounts_vouched(const struct accounts *, const char *voucher, uint32_t *scopes);

/* ---- what it may ---- */

/* The pattern of a route (route.h) lies in the account's hosts, or below ACCOUNT.<zone>. */
bool account_may_route(const struct account *, const char *pattern, const char *zone);
/* What a script asks for (0: nothing), else what the node gives, and no more than the ceiling. */
uint32_t account_limit(const struct account *, enum account_ceiling, uint32_t asked,
                       uint32_t given);
/* What the manifest's limits ask for, and its modules, is under the ceilings. If not, which. */
bool account_allows(const struct account *, const json_t *manifest, size_t bytes, char *error,
                    size_t error_bytes);
/* Has it saved time of the control thread for another request? */
bool account_has_time(struct account *, uint64_t now_ns);
void account_spend_time(struct account *, uint64_t spent_ns);
/* A log line of its scripts, in that second: may it be shown? Counts it. */
bool account_may_log(struct account *, uint64_t second);

#endif
