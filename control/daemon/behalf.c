#include "control/daemon/behalf.h"

#include <stdio.h>
#include <string.h>

#include "control/base/json_field.h"

const char *const behalf_refusal_name[BEHALF_REFUSAL_KINDS] = {
#define BEHALF_NAME(name, text) #name,
    BEHALF_REFUSALS(BEHALF_NAME)
#undef BEHALF_NAME
};

const char *const behalf_refusal_text[BEHALF_REFUSAL_KINDS] = {
#define BEHALF_TEXT(name, text) text,
    BEHALF_REFUSALS(BEHALF_TEXT)
#undef BEHALF_TEXT
};

struct behalf behalf_of(const struct session *s)
{
    struct behalf b = {0};

    if (s->is_operator)
        return b;
    snprintf(b.account, sizeof(b.account), "%s", s->account->name);
    snprintf(b.voucher, sizeof(b.voucher), "%s", s->voucher);
    return b;
}

bool behalf_is_same(const struct behalf *a, const struct behalf *b)
{
    return !strcmp(a->account, b->account) && !strcmp(a->voucher, b->voucher);
}

void behalf_write(const struct behalf *b, json_t *note)
{
    if (!*b->account)
        return;
    json_object_set_new(note, "account", json_string(b->account));
    json_object_set_new(note, "voucher", json_string(b->voucher));
}

static bool refuse(struct behalf_counts *counts, enum behalf_refusal why)
{
    counts->refused[why]++;
    return false;
}

bool behalf_read(const json_t *note, const struct accounts *accounts, bool is_operators,
                 uint32_t scope, struct behalf_counts *counts, char wanted[SCRIPT_ID_BYTES_MAX + 1])
{
    const struct account *account;
    uint32_t scopes;

    *wanted = 0;
    if (!json_object_get(note, "account"))
        return is_operators || refuse(counts, BEHALF_role);
    account = accounts_vouched(accounts, field_text(note, "voucher"), &scopes);
    if (!account || strcmp(account->name, field_text(note, "account")) || !(scopes & scope))
        return refuse(counts, BEHALF_voucher);
    snprintf(wanted, SCRIPT_ID_BYTES_MAX + 1, "%s/", account->name);
    return true;
}

bool behalf_covers(const char *wanted, const char *asked, struct behalf_counts *counts)
{
    bool is_id = script_id_is_good(asked);

    if (!*wanted || !strcmp(asked, wanted) || (is_id && script_id_is_of(asked, wanted)))
        return true;
    return refuse(counts, BEHALF_foreign);
}
