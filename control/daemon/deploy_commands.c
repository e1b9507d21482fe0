#include "control/daemon/deploy_commands.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/base/json_field.h"
#include "control/base/log.h"
#include "control/base/name_hash.h"
#include "control/daemon/hearthd.h"
#include "control/deploy/bundle.h"
#include "dataplane/world/ring.h"

/* Puts the script in its name's place, on disk and here. */
static int activate(struct hearthd *h, struct script *s, char *error, size_t error_bytes)
{
    struct scripts_part *scripts =
        scripts_part_build(&h->catalog, s, NULL, h->conf, error, error_bytes);

    if (!scripts)
        return -1;
    s->deployed_at = time(NULL);
    if (store_set_current(&h->store, s->name, s->sha256, s->deployed_at, error, error_bytes)) {
        part_release(&scripts->part);
        return -1;
    }
    catalog_adopt(&h->catalog, s);
    part_release(&h->scripts->part);
    h->scripts = scripts;
    log_line("deploy", "script=%s version=%s", s->name, s->version);
    return 0;
}

static json_t *deployed_json(const struct hearthd *h, const struct script *s, bool is_new)
{
    json_t *hosts = json_array();

    for (uint32_t z = 0; z < h->conf->zones_count; z++)
        json_array_append_new(hosts, json_sprintf("%s.%s", s->name, h->conf->zones[z]));
    return json_pack("{s:b, s:s, s:s, s:s, s:b, s:O, s:o}", "ok", 1, "name", s->name, "version",
                     s->version, "sha256", s->sha256, "changed", (int)is_new, "routes",
                     json_object_get(s->manifest, "routes"), "hosts", hosts);
}

/* Gives the hold up, and what the store has of it, if it is no version of its script. The client
 * may be gone. */
static void reject(struct hearthd *h, struct script *s, struct ctl_client *client,
                   const char *error)
{
    struct log_quoted why;

    log_line("deploy", "script=%s version=%s refused=\"%s\"", s->name, s->version,
             log_quote(&why, error));
    store_discard(&h->store, s->name, s->sha256);
    script_release(s);
    if (client)
        ctl_refuse(client, error);
}

void deploy_commands_judged(void *arg, struct script *s, uint64_t client_id, const char *error)
{
    struct hearthd *h = arg;
    struct ctl_client *client = h->ctl ? ctl_find(h->ctl, client_id) : NULL;
    char text[START_LOG_TEXT_BYTES_MAX + SCRIPT_NAME_BYTES_MAX + 32];

    if (error) {
        snprintf(text, sizeof(text), "%s does not load: %s", s->name, error);
        reject(h, s, client, text);
    } else if (activate(h, s, text, sizeof(text))) {
        reject(h, s, client, text);
    } else {
        json_t *reply = deployed_json(h, s, true);

        script_release(s);
        if (client) {
            hearthd_reply_when_published(h, client, reply);
        } else {
            json_decref(reply);
            hearthd_change(h);
        }
    }
}

/* Routes that it cannot have are said at once; whether it loads, later. */
static bool may_become_current(struct hearthd *h, struct script *s, char *error, size_t error_bytes)
{
    struct scripts_part *scripts =
        scripts_part_build(&h->catalog, s, NULL, h->conf, error, error_bytes);

    if (scripts)
        part_release(&scripts->part);
    return scripts != NULL;
}

static bool is_home(const struct hearthd *h, const char *name)
{
    const struct cluster_part *cluster = h->cluster;

    return ring_home(cluster->ring->ring, name_hash(name)) == cluster->self;
}

static void try_sha(struct hearthd *h, struct ctl_client *client, const char *name,
                    const char *sha256)
{
    char error[512];
    struct script *current = catalog_find(&h->catalog, name);
    struct script *s;

    if (current && !strcmp(current->sha256, sha256)) {
        ctl_reply(client, deployed_json(h, current, false));
        return;
    }
    s = script_load(&h->catalog, &h->store, sha256, 0, error, sizeof(error));
    if (!s) {
        store_discard(&h->store, name, sha256);
        ctl_refuse(client, error);
    } else if (!may_become_current(h, s, error, sizeof(error))) {
        reject(h, s, client, error);
    } else {
        supervise_tell(h->supervise);
        if (!trial_begin(&h->trials, s, ctl_client_id(client), is_home(h, name)))
            reject(h, s, client, "too many deploys are under way");
    }
}

/* One at a time of each script: what is deployed last is current in the end. */
static bool is_under_way(struct hearthd *h, struct ctl_client *client, const char *name)
{
    bool is_on_trial = trials_have(&h->trials, name);

    if (is_on_trial)
        ctl_refuse(client, "another deploy of this script is under way");
    return is_on_trial;
}

void deploy_commands_deploy(struct hearthd *h, struct ctl_client *client,
                            const struct ctl_request *r)
{
    const json_t *manifest = json_object_get(r->json, "manifest");
    const char *name = field_text(manifest, "name");
    char error[512], sha256[STORE_SHA_CHARS + 1];

    if (is_under_way(h, client, name))
        return;
    if (!bundle_check(manifest, r->payload_bytes, error, sizeof(error)) ||
        store_put(&h->store, manifest, r->payload, r->payload_bytes, sha256, error, sizeof(error)))
        ctl_refuse(client, error);
    else
        try_sha(h, client, name, sha256);
}

void deploy_commands_rollback(struct hearthd *h, struct ctl_client *client,
                              const struct ctl_request *r)
{
    const char *name = field_text(r->json, "name");
    char error[512], sha256[STORE_SHA_CHARS + 1];

    if (is_under_way(h, client, name))
        return;
    if (store_find_version(&h->store, name, field_text(r->json, "version"), sha256, error,
                           sizeof(error)))
        ctl_refuse(client, error);
    else
        try_sha(h, client, name, sha256);
}

void deploy_commands_delete(struct hearthd *h, struct ctl_client *client,
                            const struct ctl_request *r)
{
    char error[512], name[SCRIPT_NAME_BYTES_MAX + 1];
    struct script *s = catalog_find(&h->catalog, field_text(r->json, "name"));
    struct scripts_part *scripts = NULL;

    snprintf(name, sizeof(name), "%s", field_text(r->json, "name"));
    if (is_under_way(h, client, name))
        return;
    if (s) {
        scripts = scripts_part_build(&h->catalog, NULL, s, h->conf, error, sizeof(error));
        if (!scripts) {
            ctl_refuse(client, error);
            return;
        }
    }
    if (store_delete(&h->store, name, error, sizeof(error))) {
        if (scripts)
            part_release(&scripts->part);
        ctl_refuse(client, error);
        return;
    }
    if (s) {
        catalog_remove(&h->catalog, s);
        part_release(&h->scripts->part);
        h->scripts = scripts;
    }
    log_line("delete", "script=%s", name);
    hearthd_reply_when_published(h, client, json_pack("{s:b, s:s}", "ok", 1, "name", name));
}
