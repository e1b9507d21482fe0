#include "control/daemon/account_commands.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "control/base/json_field.h"
#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/session.h"

/* ---- telling ---- */

static json_t *tokens_json(const json_t *row)
{
    json_t *out = json_array();
    const json_t *token;
    size_t i;

    json_array_foreach(json_object_get(row, "tokens"), i, token)
    {
        json_array_append_new(out, json_pack("{s:s%, s:O, s:O}", "id", field_text(token, "sha256"),
                                             (size_t)ACCOUNT_TOKEN_ID_CHARS, "scopes",
                                             json_object_get(token, "scopes"), "made_at",
                                             json_object_get(token, "made_at")));
    }
    return out;
}

static int scripts_of(const struct hearthd *h, const char *account)
{
    char wanted[ACCOUNT_NAME_BYTES_MAX + 2];

    snprintf(wanted, sizeof(wanted), "%s/", account);
    return (int)catalog_count(&h->catalog, wanted);
}

static json_t *fetches_json(const struct world_fetches *f)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "begun", (json_int_t)atomic_load(&f->begun), "failed",
                     (json_int_t)atomic_load(&f->failed), "in_bytes",
                     (json_int_t)atomic_load(&f->in_bytes), "out_bytes",
                     (json_int_t)atomic_load(&f->out_bytes));
}

static json_t *account_json(const struct hearthd *h, const struct account *a)
{
    const json_t *rows = json_object_get(h->accounts.document, "accounts"), *row;
    json_t *ceilings = json_object(), *tokens = NULL;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (!strcmp(field_text(row, "name"), a->name))
            tokens = tokens_json(row);
    }
    for (int c = 0; c < CEILINGS; c++)
        if (a->ceiling[c])
            json_object_set_new(ceilings, account_ceilings[c].name, json_integer(a->ceiling[c]));
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:i, s:I, s:s, s:o}", "name", a->name, "scripts",
                     scripts_of(h, a->name), "hosts",
                     a->hosts ? json_incref(a->hosts) : json_array(), "ceilings", ceilings,
                     "tokens", tokens ? tokens : json_array(), "requests",
                     (int)atomic_load(&a->at_once), "log_lines_over", (json_int_t)a->log_lines_over,
                     "outbound", a->outbound, "fetches", fetches_json(&a->fetches));
}

static int by_name(const void *a, const void *b)
{
    const struct account *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

void account_commands_list(struct hearthd *h, struct ctl_client *client,
                           const struct ctl_request *r)
{
    const struct account **list = calloc(ACCOUNTS_MAX + 1, sizeof(struct account *));
    json_t *out = json_array();
    uint32_t count = 0;

    for (const struct account *a = h->accounts.first; list && a; a = a->next)
        if (!a->is_gone && (r->session->is_operator || a == r->session->account))
            list[count++] = a;
    if (count)
        qsort(list, count, sizeof(*list), by_name);
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(out, account_json(h, list[i]));
    free(list);
    ctl_reply(client, json_pack("{s:b, s:o}", "ok", 1, "accounts", out));
}

json_t *account_commands_refused(const struct hearthd *h)
{
    json_t *out = json_object();

    for (int i = 0; i < SESSION_REFUSAL_KINDS; i++)
        json_object_set_new(out, session_refusal_name[i],
                            json_integer((json_int_t)h->refused.refused[i]));
    return out;
}

void account_commands_metrics(const struct hearthd *h, FILE *out)
{
    for (int i = 0; i < SESSION_REFUSAL_KINDS; i++)
        fprintf(out,
                "# TYPE hearth_account_refused_%s counter\n# HELP hearth_account_refused_%s %s\n"
                "hearth_account_refused_%s_total %llu\n",
                session_refusal_name[i], session_refusal_name[i], session_refusal_text[i],
                session_refusal_name[i], (unsigned long long)h->refused.refused[i]);
}

/* ---- changing ---- */

int account_commands_start(struct hearthd *h, char *error, size_t error_bytes)
{
    json_t *document;
    char why[512];
    int rc = 0;

    accounts_init(&h->accounts);
    if (store_get_accounts(&h->store, &document, error, error_bytes))
        return -1;
    if (document && !accounts_check(document, why, sizeof(why))) {
        snprintf(error, error_bytes, "accounts.json: %s", why);
        rc = -1;
    }
    if (document && !rc && !accounts_take(&h->accounts, document)) {
        snprintf(error, error_bytes, "no memory for the accounts");
        rc = -1;
    }
    json_decref(document);
    return rc;
}

/* NAME.ACCOUNT.<zone> must not be NAME.<another zone>. */
static const char *zone_of_that_name(const struct hearthd *h, const char *name)
{
    size_t len = strlen(name);

    for (uint32_t i = 0; i < h->conf->zones_count; i++)
        for (uint32_t k = 0; k < h->conf->zones_count; k++)
            if (!strncmp(h->conf->zones[i], name, len) && h->conf->zones[i][len] == '.' &&
                !strcmp(h->conf->zones[i] + len + 1, h->conf->zones[k]))
                return h->conf->zones[i];
    return NULL;
}

/* An edit of the document, to be judged. */
struct change {
    const char *what, *name;  /* for the log */
    json_t *document, *reply; /* consumed */
    int rc;
    bool ends_tails; /* what was allowed may not be any more */
    char error[512];
};

static void finish(struct hearthd *h, struct ctl_client *client, struct change *c)
{
    json_t *before = json_incref(h->accounts.document);
    struct scripts_part *scripts = NULL;

    if (!c->rc && (!accounts_check(c->document, c->error, sizeof(c->error)) ||
                   store_put_accounts(&h->store, c->document, c->error, sizeof(c->error))))
        c->rc = -1;
    if (!c->rc && accounts_take(&h->accounts, c->document))
        scripts = scripts_part_build(&h->catalog, NULL, NULL, h->conf, c->error, sizeof(c->error));
    if (scripts) {
        log_line("account", "%s=%s", c->what, c->name);
        if (c->ends_tails)
            ctl_unsubscribe(h->ctl, c->name);
        part_release(&h->scripts->part);
        h->scripts = scripts;
        hearthd_reply_when_published(h, client, c->reply);
    } else {
        if (!c->rc) { /* as it was, here and in the store */
            char ignored[256];

            accounts_take(&h->accounts, before);
            store_put_accounts(&h->store, before, ignored, sizeof(ignored));
        }
        json_decref(c->reply);
        ctl_refuse(client, c->error);
    }
    json_decref(before);
    json_decref(c->document);
}

static struct change begin(const struct hearthd *h, const char *what, const struct ctl_request *r)
{
    const char *name = field_text(r->json, "name");

    return (struct change){.what = what,
                           .name = name,
                           .document = json_deep_copy(h->accounts.document),
                           .reply = json_pack("{s:b, s:s}", "ok", 1, "name", name)};
}

void account_commands_add(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    struct change c = begin(h, "added", r);
    const char *zone = zone_of_that_name(h, c.name);

    c.rc = accounts_edit_add(c.document, c.name, json_object_get(r->json, "set"), c.error,
                             sizeof(c.error));
    if (!c.rc && zone) {
        snprintf(c.error, sizeof(c.error), "account %s would have its hosts in the zone %s", c.name,
                 zone);
        c.rc = -1;
    }
    finish(h, client, &c);
}

void account_commands_limit(struct hearthd *h, struct ctl_client *client,
                            const struct ctl_request *r)
{
    struct change c = begin(h, "changed", r);

    c.rc = accounts_edit_set(c.document, c.name, json_object_get(r->json, "set"), c.error,
                             sizeof(c.error));
    finish(h, client, &c);
}

/* False: the client knows. */
static bool make_token(struct ctl_client *client, char token[ACCOUNT_TOKEN_CHARS + 1])
{
    uint8_t secret[ACCOUNT_TOKEN_SECRET_BYTES];

    if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
        ctl_refuse(client, "no random bytes");
        return false;
    }
    account_token_write(token, secret);
    explicit_bzero(secret, sizeof(secret));
    return true;
}

void account_commands_token(struct hearthd *h, struct ctl_client *client,
                            const struct ctl_request *r)
{
    const char *scopes = field_text(r->json, "scopes"), *given = field_text(r->json, "sha256");
    char token[ACCOUNT_TOKEN_CHARS + 1] = "", sha256[ACCOUNT_SHA_CHARS + 1];
    struct change c;

    if (!*given) {
        if (!make_token(client, token))
            return;
        account_token_hash(sha256, token);
        given = sha256;
    }
    c = begin(h, "token_of", r);
    c.rc = accounts_edit_token(c.document, c.name, *scopes ? scopes : "deploy,read,tail", given,
                               time(NULL), c.error, sizeof(c.error));
    if (!c.rc) {
        json_object_set_new(c.reply, "sha256", json_string(given));
        json_object_set_new(c.reply, "id", json_stringn(given, ACCOUNT_TOKEN_ID_CHARS));
    }
    if (*token)
        json_object_set_new(c.reply, "token", json_string(token));
    explicit_bzero(token, sizeof(token));
    finish(h, client, &c);
}

void account_commands_revoke(struct hearthd *h, struct ctl_client *client,
                             const struct ctl_request *r)
{
    struct change c = begin(h, "revoked_of", r);

    c.ends_tails = true;
    c.rc = accounts_edit_revoke(c.document, c.name, field_text(r->json, "id"), c.error,
                                sizeof(c.error));
    finish(h, client, &c);
}

void account_commands_remove(struct hearthd *h, struct ctl_client *client,
                             const struct ctl_request *r)
{
    struct change c = begin(h, "removed", r);
    int scripts;

    c.ends_tails = true;
    c.rc = accounts_edit_remove(c.document, c.name, c.error, sizeof(c.error));
    scripts = c.rc ? 0 : scripts_of(h, c.name);
    if (scripts) {
        snprintf(c.error, sizeof(c.error), "account %s has %d scripts: delete them first", c.name,
                 scripts);
        c.rc = -1;
    }
    finish(h, client, &c);
}
