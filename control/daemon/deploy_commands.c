#include "control/daemon/deploy_commands.h"

#include <stdio.h>
#include <stdlib.h>
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
    struct scripts_part *scripts;

    if (s->account && s->account->is_gone) {
        snprintf(error, error_bytes, "its account was removed meanwhile");
        return -1;
    }
    scripts = scripts_part_build(&h->catalog, s, NULL, h->conf, error, error_bytes);
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

    for (uint32_t z = 0; z < h->conf->zones_count; z++) {
        char *host = scripts_part_host(s, h->conf->zones[z]);

        json_array_append_new(hosts, json_string(host));
        free(host);
    }
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
    struct account *account = s->account;
    const uint64_t began_ns = loop_now_ns();
    char text[START_LOG_TEXT_BYTES_MAX + SCRIPT_ID_BYTES_MAX + 32];

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
    if (account)
        account_spend_time(account, loop_now_ns() - began_ns);
}

static size_t module_bytes(const struct script *s)
{
    const json_t *module;
    size_t i, bytes = 0;

    json_array_foreach(json_object_get(s->manifest, "modules"), i, module)
    {
        bytes += (size_t)field_number(module, "bytes");
    }
    return bytes;
}

/* A version of a script that is there makes none more. */
static bool has_room(const struct hearthd *h, const struct script *s, char *error,
                     size_t error_bytes)
{
    uint32_t ceiling = s->account ? s->account->ceiling[CEILING_SCRIPTS] : 0;
    char wanted[ACCOUNT_NAME_BYTES_MAX + 2];

    if (!ceiling || catalog_find(&h->catalog, s->name))
        return true;
    snprintf(wanted, sizeof(wanted), "%s/", s->account->name);
    if (catalog_count(&h->catalog, wanted) < ceiling)
        return true;
    snprintf(error, error_bytes, "one more script: the account's ceiling \"scripts\" is %u",
             ceiling);
    return false;
}

/* What its account forbids, and routes that it cannot have, are said at once; whether it loads,
 * later. */
static bool may_become_current(struct hearthd *h, struct script *s, char *error, size_t error_bytes)
{
    uint64_t *refused = h->refused.refused;

    if (!account_allows(s->account, s->manifest, module_bytes(s), error, error_bytes) ||
        !has_room(h, s, error, error_bytes)) {
        refused[SESSION_ceiling]++;
        return false;
    }
    if (!scripts_part_hosts_are_own(s, h->conf, error, error_bytes)) {
        refused[SESSION_host]++;
        return false;
    }
    if (scripts_part_admits(h->scripts, s, h->conf, error, error_bytes))
        return true;
    if (s->account)
        refused[SESSION_route]++;
    return false;
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
    } else if (!trial_begin(&h->trials, s, ctl_client_id(client), is_home(h, name))) {
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

/* The manifest as it is kept: whose it is, the session says. NULL: refused, the client knows. The
 * caller's to free. */
static json_t *owned_manifest(struct hearthd *h, struct ctl_client *client,
                              const struct ctl_request *r, char id[SCRIPT_ID_BYTES_MAX + 1])
{
    const struct account *account = r->session->account;
    json_t *manifest = json_copy(json_object_get(r->json, "manifest"));
    char error[512];

    if (json_object_get(manifest, "owner")) {
        h->refused.refused[SESSION_owner]++;
        snprintf(error, sizeof(error), "a manifest does not say whose it is: the token does");
    } else {
        if (!account_is_default(account))
            json_object_set_new(manifest, "owner", json_string(account->name));
        if (bundle_check(manifest, r->payload_bytes, error, sizeof(error))) {
            script_id_write(id, account->name, field_text(manifest, "name"));
            return manifest;
        }
    }
    json_decref(manifest);
    ctl_refuse(client, error);
    return NULL;
}

void deploy_commands_deploy(struct hearthd *h, struct ctl_client *client,
                            const struct ctl_request *r)
{
    char error[512], sha256[STORE_SHA_CHARS + 1], id[SCRIPT_ID_BYTES_MAX + 1];
    json_t *manifest = owned_manifest(h, client, r, id);

    if (!manifest)
        return;
    if (!is_under_way(h, client, id)) {
        if (store_put(&h->store, manifest, r->payload, r->payload_bytes, sha256, error,
                      sizeof(error)))
            ctl_refuse(client, error);
        else
            try_sha(h, client, id, sha256);
    }
    json_decref(manifest);
}

/* The script that is named, which is his; false: refused, the client knows. */
static bool his_script(struct hearthd *h, struct ctl_client *client, const struct ctl_request *r,
                       char id[SCRIPT_ID_BYTES_MAX + 1])
{
    const char *why;

    if (session_script(r->session, field_text(r->json, "name"), id, &h->refused, &why))
        return !is_under_way(h, client, id);
    ctl_refuse(client, why);
    return false;
}

void deploy_commands_rollback(struct hearthd *h, struct ctl_client *client,
                              const struct ctl_request *r)
{
    char error[512], sha256[STORE_SHA_CHARS + 1], id[SCRIPT_ID_BYTES_MAX + 1];

    if (!his_script(h, client, r, id))
        return;
    if (store_find_version(&h->store, id, field_text(r->json, "version"), sha256, error,
                           sizeof(error)))
        ctl_refuse(client, error);
    else
        try_sha(h, client, id, sha256);
}

void deploy_commands_delete(struct hearthd *h, struct ctl_client *client,
                            const struct ctl_request *r)
{
    char error[512], id[SCRIPT_ID_BYTES_MAX + 1];
    struct scripts_part *scripts = NULL;
    struct script *s;

    if (!his_script(h, client, r, id))
        return;
    s = catalog_find(&h->catalog, id);
    if (s) {
        scripts = scripts_part_build(&h->catalog, NULL, s, h->conf, error, sizeof(error));
        if (!scripts) {
            ctl_refuse(client, error);
            return;
        }
    }
    if (store_delete(&h->store, id, error, sizeof(error))) {
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
    log_line("delete", "script=%s", id);
    hearthd_reply_when_published(h, client, json_pack("{s:b, s:s}", "ok", 1, "name", id));
}
