/* hearthctl account: who else may deploy here; and the token that a command is said with. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/json_field.h"
#include "control/cli/hearthctl.h"
#include "control/deploy/accounts.h"

/* ---- the token of all commands ---- */

const char *hearthctl_token(const struct options *o, const char *file, int *code)
{
    static char token[ACCOUNT_TOKEN_CHARS + 2];
    const char *given = getenv("HEARTH_TOKEN");
    char text[512];
    FILE *f;

    *code = DONE;
    if (!file)
        return given && *given ? given : NULL;
    f = fopen(file, "re");
    if (!f || !fgets(token, sizeof(token), f)) {
        snprintf(text, sizeof(text), "--token-file %s: %s", file,
                 f ? "there is no token in it" : strerror(errno));
        *code = hearthctl_fail(o, REFUSED, text);
    }
    if (f)
        fclose(f);
    token[strcspn(token, "\r\n")] = 0;
    return *code ? NULL : token;
}

/* ---- what hearthd says ---- */

static void print_joined(const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        printf("%s%s", i ? "," : "", json_string_value(item));
    }
}

static void print_account(const json_t *a)
{
    const json_t *ceilings = json_object_get(a, "ceilings"), *token, *value;
    const char *key;
    size_t i;

    printf("%-20s scripts %lld  requests now %lld", field_text(a, "name"),
           field_number(a, "scripts"), field_number(a, "requests"));
    if (field_number(a, "log_lines_over"))
        printf("  log lines over the ceiling %lld", field_number(a, "log_lines_over"));
    printf("\n");
    if (json_array_size(json_object_get(a, "hosts"))) {
        printf("    hosts=");
        print_joined(json_object_get(a, "hosts"));
        printf("\n");
    }
    if (field_number(json_object_get(a, "fetches"), "begun"))
        printf("    fetches %lld  failed %lld  bytes in %lld  out %lld\n",
               field_number(json_object_get(a, "fetches"), "begun"),
               field_number(json_object_get(a, "fetches"), "failed"),
               field_number(json_object_get(a, "fetches"), "in_bytes"),
               field_number(json_object_get(a, "fetches"), "out_bytes"));
    if (*field_text(a, "outbound"))
        printf("    outbound=%s\n", field_text(a, "outbound"));
    json_object_foreach((json_t *)ceilings, key, value)
    {
        printf("    %s=%lld\n", key, (long long)json_integer_value(value));
    }
    json_array_foreach(json_object_get(a, "tokens"), i, token)
    {
        printf("    token %s  ", field_text(token, "id"));
        print_joined(json_object_get(token, "scopes"));
        printf("\n");
    }
}

static void print_accounts(const json_t *j)
{
    const json_t *a;
    size_t i;

    json_array_foreach(json_object_get(j, "accounts"), i, a)
    {
        print_account(a);
    }
}

static void print_done(const json_t *j)
{
    printf("account %s: done\n", field_text(j, "name"));
}

static void print_token(const json_t *j)
{
    if (!json_object_get(j, "token")) {
        printf("account %s: token %s is known here too\n", field_text(j, "name"),
               field_text(j, "id"));
        return;
    }
    fprintf(stderr,
            "hearthctl: token %s of %s, shown this once; for the other nodes of a cluster: "
            "sha256=%s\n",
            field_text(j, "id"), field_text(j, "name"), field_text(j, "sha256"));
    printf("%s\n", field_text(j, "token"));
}

/* ---- asking ---- */

static json_t *assignments(const struct options *o, int from)
{
    json_t *set = json_array();

    for (int i = from; i < o->argc; i++)
        json_array_append_new(set, json_string(o->argv[i]));
    return set;
}

static json_t *token_request(const struct options *o)
{
    const char *scopes = "", *sha256 = "";

    for (int i = 2; i < o->argc; i++) {
        if (!strncmp(o->argv[i], "sha256=", 7))
            sha256 = o->argv[i] + 7;
        else
            scopes = o->argv[i];
    }
    return json_pack("{s:s, s:s, s:s, s:s}", "command", "account token", "name", o->argv[1],
                     "scopes", scopes, "sha256", sha256);
}

/* NULL: wrong usage. */
static json_t *request_of(const struct options *o, void (**print)(const json_t *))
{
    const char *what = o->argv[0], *name = o->argc > 1 ? o->argv[1] : "";

    *print = print_done;
    if (!strcmp(what, "list") && o->argc == 1) {
        *print = print_accounts;
        return json_pack("{s:s}", "command", "account list");
    }
    if (o->argc < 2)
        return NULL;
    if (!strcmp(what, "add"))
        return json_pack("{s:s, s:s, s:o}", "command", "account add", "name", name, "set",
                         assignments(o, 2));
    if (!strcmp(what, "limit") && o->argc > 2)
        return json_pack("{s:s, s:s, s:o}", "command", "account limit", "name", name, "set",
                         assignments(o, 2));
    if (!strcmp(what, "token") && o->argc <= 4) {
        *print = print_token;
        return token_request(o);
    }
    if (!strcmp(what, "revoke") && o->argc == 3)
        return json_pack("{s:s, s:s, s:s}", "command", "account revoke", "name", name, "id",
                         o->argv[2]);
    if (!strcmp(what, "remove") && o->argc == 2)
        return json_pack("{s:s, s:s}", "command", "account remove", "name", name);
    return NULL;
}

int hearthctl_account(const struct options *o, const struct command *c)
{
    struct command row = *c;
    json_t *request = request_of(o, &row.print);

    if (!request)
        return hearthctl_fail(o, USAGE,
                              "account list, add NAME, limit NAME KEY=VALUE, token NAME, revoke "
                              "NAME ID or remove NAME");
    return hearthctl_ask(o, &row, request, NULL, 0);
}
