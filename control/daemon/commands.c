/* What hearthctl can ask of a running hearthd: one function per command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/base/json_field.h"
#include "control/base/log.h"
#include "control/config/tune.h"
#include "control/daemon/account_commands.h"
#include "control/daemon/deploy_commands.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/ring_commands.h"

static void on_reload(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    char error[2048];
    json_t *restart_needed = NULL;

    if (hearthd_reload(h, &restart_needed, error, sizeof(error)))
        ctl_refuse(client, error);
    else
        hearthd_reply_when_published(
            h, client, json_pack("{s:b, s:o}", "ok", 1, "restart_needed", restart_needed));
}

/* ---- placement's knobs ---- */

static json_t *tune_json(const struct hearthd *h)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < TUNE_KEYS; i++) {
        const struct tune_key *k = &tune_keys[i];

        json_array_append_new(
            keys, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "key", k->name, "value",
                            (json_int_t)tune_get(&h->tune, k), "configured",
                            (json_int_t)tune_get(&h->conf->tune, k), "default",
                            (json_int_t)tune_get(&world_tune_default, k), "min", (json_int_t)k->min,
                            "max", (json_int_t)k->max, "text", k->text));
    }
    return keys;
}

/* All assignments or none. */
static void on_tune(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const json_t *set = json_object_get(r->json, "set"), *assignment;
    struct world_tune next = h->tune;
    const struct tune_key *blamed;
    char error[512], why[256];
    size_t i;

    json_array_foreach(set, i, assignment)
    {
        const char *text = json_string_value(assignment);

        if (tune_assign(&next, text ? text : "", error, sizeof(error))) {
            ctl_refuse(client, error);
            return;
        }
    }
    blamed = tune_conflict(&next, why, sizeof(why));
    if (blamed) {
        snprintf(error, sizeof(error), "%s: %s", blamed->name, why);
        ctl_refuse(client, error);
        return;
    }
    if (!json_array_size(set)) {
        ctl_reply(client, json_pack("{s:b, s:o}", "ok", 1, "tune", tune_json(h)));
        return;
    }
    h->tune = next;
    log_line("tune", "changed=%zu", json_array_size(set));
    hearthd_reply_when_published(
        h, client, json_pack("{s:b, s:b, s:o}", "ok", 1, "changed", 1, "tune", tune_json(h)));
}

/* ---- the node among the others ---- */

static void on_drain(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    if (!hearthd_has_others(h))
        ctl_refuse(client, "this node is alone: there is nobody to hand its scripts to");
    else
        hearthd_drain(h, client, UINT32_MAX);
}

static void on_undrain(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    if (h->is_draining)
        ctl_refuse(client, "hearthd is being stopped");
    else
        hearthd_undrain(h, client);
}

static void on_status(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    ctl_reply(client, export_status(h));
}

/* The script that is meant, or all that the client may see; false: refused, the client knows. */
static bool wanted_scripts(struct hearthd *h, struct ctl_client *client,
                           const struct ctl_request *r, const char *key,
                           char scripts[SCRIPT_ID_BYTES_MAX + 1])
{
    const char *said = field_text(r->json, key), *why;

    if (!*said) {
        session_all(r->session, scripts);
        return true;
    }
    if (!session_script(r->session, said, scripts, &h->refused, &why)) {
        ctl_refuse(client, why);
        return false;
    }
    if (catalog_find(&h->catalog, scripts))
        return true;
    ctl_refuse(client, "there is no such script");
    return false;
}

static void on_scripts(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    char scripts[SCRIPT_ID_BYTES_MAX + 1];

    if (wanted_scripts(h, client, r, "name", scripts))
        ctl_reply(client, export_scripts(h, scripts));
}

static void on_stats(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    ctl_reply(client, export_stats(h));
}

/* Consumes text. */
static void reply_text(struct ctl_client *client, char *text)
{
    if (text)
        ctl_reply(client, json_pack("{s:b, s:s}", "ok", 1, "text", text));
    else
        ctl_refuse(client, "no memory");
    free(text);
}

static void on_metrics(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    reply_text(client, export_metrics(h));
}

static void on_limits(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    reply_text(client, export_limits(h));
}

static void on_config(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (out) {
        conf_print(h->conf, out);
        fclose(out);
    }
    reply_text(client, text);
}

static void on_tail(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const struct behalf behalf = behalf_of(r->session);
    char scripts[SCRIPT_ID_BYTES_MAX + 1];

    if (!wanted_scripts(h, client, r, "script", scripts))
        return;
    if (*behalf.account && ctl_subscribers_of(h->ctl, behalf.account) >= SESSION_TAILS_MAX) {
        h->refused.refused[SESSION_tails]++;
        ctl_refuse(client, "the account has as many tails at this node as it may");
        return;
    }
    ctl_subscribe(client, scripts, &behalf);
    ctl_reply(client,
              json_pack("{s:b, s:b}", "ok", 1, "is_alone", !hearthd_may_ask_others(h, &behalf)));
    hearthd_tail(h);
}

static void on_why(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const struct behalf behalf = behalf_of(r->session);
    char scripts[SCRIPT_ID_BYTES_MAX + 1];
    uint64_t request;

    session_all(r->session, scripts);
    if (why_parse_id(&request, field_text(r->json, "request")))
        hearthd_why(h, client, request, scripts, &behalf);
    else
        ctl_refuse(client, "a request id has 16 hexadecimal digits: x-hearth-request-id");
}

static void on_node_status(struct hearthd *h, struct ctl_client *client,
                           const struct ctl_request *r)
{
    json_t *reply = export_cluster(h);

    json_object_set_new(reply, "ok", json_true());
    ctl_reply(client, reply);
}

/* scope: that a token needs for it; 0: the operator's own. */
static const struct command {
    const char *name;
    uint32_t scope;
    void (*fn)(struct hearthd *, struct ctl_client *, const struct ctl_request *);
} commands[] = {
    {"status", 0, on_status},
    {"scripts", ACCOUNT_SCOPE_READ, on_scripts},
    {"stats", 0, on_stats},
    {"metrics", 0, on_metrics},
    {"limits", 0, on_limits},
    {"config", 0, on_config},
    {"deploy", ACCOUNT_SCOPE_DEPLOY, deploy_commands_deploy},
    {"rollback", ACCOUNT_SCOPE_DEPLOY, deploy_commands_rollback},
    {"delete", ACCOUNT_SCOPE_DEPLOY, deploy_commands_delete},
    {"reload", 0, on_reload},
    {"tail", ACCOUNT_SCOPE_TAIL, on_tail},
    {"tune", 0, on_tune},
    {"node drain", 0, on_drain},
    {"node undrain", 0, on_undrain},
    {"node status", 0, on_node_status},
    {"why", ACCOUNT_SCOPE_READ, on_why},
    {"ring show", 0, ring_commands_show},
    {"ring locate", 0, ring_commands_locate},
    {"ring plan", 0, ring_commands_plan},
    {"account list", ACCOUNT_SCOPE_READ, account_commands_list},
    {"account add", 0, account_commands_add},
    {"account limit", 0, account_commands_limit},
    {"account token", 0, account_commands_token},
    {"account revoke", 0, account_commands_revoke},
    {"account remove", 0, account_commands_remove},
};

/* NULL: *why is a sentence, and it is counted. */
static const struct command *find_command(struct hearthd *h, struct session *session,
                                          const json_t *request, bool is_guest, const char **why)
{
    const char *name = field_text(request, "command");
    const struct command *c = NULL;

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(name, commands[i].name))
            c = &commands[i];
    if (!session_open(session, &h->accounts, request, is_guest, &h->refused, why))
        return NULL;
    if (!c)
        *why = "there is no such command";
    return c && session_may(session, c->scope, loop_now_ns(), &h->refused, why) ? c : NULL;
}

const char *hearthd_admit(void *arg, const json_t *request)
{
    struct session session;
    const char *why;

    return find_command(arg, &session, request, true, &why) ? NULL : why;
}

void hearthd_command(void *arg, struct ctl_client *client, const struct ctl_request *r)
{
    struct session session;
    struct ctl_request with = *r;
    const char *why;
    const struct command *c = find_command(arg, &session, r->json, ctl_is_guest(client), &why);
    const uint64_t began_ns = loop_now_ns();

    with.session = &session;
    if (!c) {
        ctl_refuse(client, why);
        return;
    }
    c->fn(arg, client, &with);
    session_spend(&session, loop_now_ns() - began_ns);
}
