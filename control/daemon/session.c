#include "control/daemon/session.h"

#include <stdio.h>
#include <string.h>

#include "control/base/json_field.h"

const char *const session_refusal_name[SESSION_REFUSAL_KINDS] = {
#define SESSION_NAME(name, text) #name,
    SESSION_REFUSALS(SESSION_NAME)
#undef SESSION_NAME
};

const char *const session_refusal_text[SESSION_REFUSAL_KINDS] = {
#define SESSION_TEXT(name, text) text,
    SESSION_REFUSALS(SESSION_TEXT)
#undef SESSION_TEXT
};

static bool refuse(struct session_counts *counts, enum session_refusal kind, const char **why,
                   const char *sentence)
{
    counts->refused[kind]++;
    *why = sentence;
    return false;
}

bool session_open(struct session *s, const struct accounts *accounts, const json_t *request,
                  bool is_guest, struct session_counts *counts, const char **why)
{
    const json_t *token = json_object_get(request, "token");

    if (!token && is_guest)
        return refuse(counts, SESSION_no_token, why,
                      "this socket wants a token: --token-file FILE or HEARTH_TOKEN");
    *s = (struct session){.account = accounts_find(accounts, ACCOUNT_DEFAULT),
                          .scopes = ACCOUNT_SCOPES_ALL,
                          .is_operator = !token};
    if (!token)
        return true;
    s->account = json_is_string(token)
                     ? accounts_redeem(accounts, json_string_value(token), &s->scopes)
                     : NULL;
    if (!s->account)
        return refuse(counts, SESSION_bad_token, why, "the token is nobody's, or was revoked");
    account_token_voucher(s->voucher, json_string_value(token));
    return true;
}

static const char *lacks_scope(uint32_t scope)
{
    if (scope == ACCOUNT_SCOPE_DEPLOY)
        return "the token's scopes do not have \"deploy\"";
    return scope == ACCOUNT_SCOPE_READ ? "the token's scopes do not have \"read\""
                                       : "the token's scopes do not have \"tail\"";
}

bool session_may(const struct session *s, uint32_t scope, uint64_t now_ns,
                 struct session_counts *counts, const char **why)
{
    if (s->is_operator)
        return true;
    if (!scope)
        return refuse(counts, SESSION_operator_only, why, "only the operator may do that");
    if (!(s->scopes & scope))
        return refuse(counts, SESSION_scope, why, lacks_scope(scope));
    if (!account_has_time(s->account, now_ns))
        return refuse(counts, SESSION_share, why,
                      "the account has had its share of this node's time: try again in a moment");
    return true;
}

void session_spend(const struct session *s, uint64_t spent_ns)
{
    if (!s->is_operator)
        account_spend_time(s->account, spent_ns);
}

bool session_script(const struct session *s, const char *text, char id[SCRIPT_ID_BYTES_MAX + 1],
                    struct session_counts *counts, const char **why)
{
    char owner[ACCOUNT_NAME_BYTES_MAX + 1];
    bool is_id = script_id_resolve(id, s->account->name, text) && !strchr(id, '*');

    /* What is no name is no script's: whoever looks for it says so. */
    if (!is_id)
        snprintf(id, SCRIPT_ID_BYTES_MAX + 1, "%s", text);
    if (s->is_operator)
        return true;
    script_id_account(id, owner);
    if (!is_id || strcmp(owner, s->account->name))
        return refuse(counts, SESSION_foreign_script, why,
                      "that is no script of the token's account");
    return true;
}

void session_all(const struct session *s, char wanted[SCRIPT_ID_BYTES_MAX + 1])
{
    if (s->is_operator)
        *wanted = 0;
    else
        snprintf(wanted, SCRIPT_ID_BYTES_MAX + 1, "%s/", s->account->name);
}
