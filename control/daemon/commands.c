/* What hearthctl can ask of a running hearthd: one function per command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/base/json_field.h"
#include "control/base/log.h"
#include "control/config/tune.h"
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

static void on_scripts(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    const char *name = field_text(r->json, "name");

    if (*name && !catalog_find(&h->catalog, name))
        ctl_refuse(client, "there is no such script");
    else
        ctl_reply(client, export_scripts(h, name));
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
    const char *script = field_text(r->json, "script");

    if (*script && !catalog_find(&h->catalog, script)) {
        ctl_refuse(client, "there is no such script");
        return;
    }
    ctl_subscribe(client, script);
    ctl_reply(client, json_pack("{s:b}", "ok", 1));
    hearthd_tail(h);
}

static void on_why(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r)
{
    uint64_t request;

    if (why_parse_id(&request, field_text(r->json, "request")))
        hearthd_why(h, client, request);
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

void hearthd_command(void *arg, struct ctl_client *client, const struct ctl_request *r)
{
    static const struct {
        const char *name;
        void (*fn)(struct hearthd *, struct ctl_client *, const struct ctl_request *);
    } commands[] = {
        {"status", on_status},
        {"scripts", on_scripts},
        {"stats", on_stats},
        {"metrics", on_metrics},
        {"limits", on_limits},
        {"config", on_config},
        {"deploy", deploy_commands_deploy},
        {"rollback", deploy_commands_rollback},
        {"delete", deploy_commands_delete},
        {"reload", on_reload},
        {"tail", on_tail},
        {"tune", on_tune},
        {"node drain", on_drain},
        {"node undrain", on_undrain},
        {"node status", on_node_status},
        {"why", on_why},
        {"ring show", ring_commands_show},
        {"ring locate", ring_commands_locate},
        {"ring plan", ring_commands_plan},
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcmp(r->command, commands[i].name)) {
            commands[i].fn(arg, client, r);
            return;
        }
    }
    ctl_refuse(client, "there is no such command");
}
