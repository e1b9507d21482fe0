#include "control/deploy/wrangler.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "control/base/spelling.h"
#include "control/deploy/jsonc.h"

enum how { TAKEN, OPEN, FOREIGN, IGNORED, UNSUPPORTED };

/* path as jsonc_walk says it. OPEN: taken, and its inner keys are the script's own. text: of
 * IGNORED and UNSUPPORTED, what hearth says to it; NULL: that it has no such binding. */
static const struct row {
    const char *path;
    enum how how;
    const char *text;
} rows[] = {
    {"name", TAKEN, NULL},
    {"main", TAKEN, NULL},
    {"account_id", TAKEN, NULL},
    {"allow_callers", TAKEN, NULL},
    {"alias", OPEN, NULL},
    {"build", TAKEN, NULL},
    {"build.command", TAKEN, NULL},
    {"build.cwd", TAKEN, NULL},
    {"build.watch_dir", FOREIGN, NULL},
    {"compatibility_date", TAKEN, NULL},
    {"compatibility_flags", TAKEN, NULL},
    {"define", OPEN, NULL},
    {"jsx_factory", TAKEN, NULL},
    {"jsx_fragment", TAKEN, NULL},
    {"keep_names", TAKEN, NULL},
    {"minify", TAKEN, NULL},
    {"no_bundle", TAKEN, NULL},
    {"rules", TAKEN, NULL},
    {"rules[].type", TAKEN, NULL},
    {"rules[].globs", TAKEN, NULL},
    {"rules[].fallthrough", TAKEN, NULL},
    {"tsconfig", TAKEN, NULL},
    {"vars", OPEN, NULL},
    {"route", TAKEN, NULL},
    {"routes", TAKEN, NULL},
    {"limits", TAKEN, NULL},
    {"limits.cpu_ms", TAKEN, NULL},
    {"limits.subrequests", TAKEN, NULL},
    {"services", TAKEN, NULL},
    {"services[].binding", TAKEN, NULL},
    {"services[].service", TAKEN, NULL},
    {"services[].limits", TAKEN, NULL},
    {"services[].limits.cpu_ms", TAKEN, NULL},
    {"services[].limits.memory_mb", TAKEN, NULL},
    {"services[].limits.subrequests", TAKEN, NULL},
    {"services[].limits.wall_ms", TAKEN, NULL},
    {"services[].entrypoint", UNSUPPORTED, "only the default entrypoint can be called"},
    {"services[].environment", UNSUPPORTED, "a script has no environments"},
    {"services[].props", UNSUPPORTED, "a call carries no props"},
    {"services[].remote", FOREIGN, NULL},
    {"services[].experimental_remote", FOREIGN, NULL},
    {"route.pattern", TAKEN, NULL},
    {"route.zone_name", FOREIGN, NULL},
    {"route.zone_id", FOREIGN, NULL},
    {"route.custom_domain", FOREIGN, NULL},
    {"route.enabled", FOREIGN, NULL},
    {"route.previews_enabled", FOREIGN, NULL},
    {"routes[].pattern", TAKEN, NULL},
    {"routes[].zone_name", FOREIGN, NULL},
    {"routes[].zone_id", FOREIGN, NULL},
    {"routes[].custom_domain", FOREIGN, NULL},
    {"routes[].enabled", FOREIGN, NULL},
    {"routes[].previews_enabled", FOREIGN, NULL},

    {"$schema", FOREIGN, NULL},
    {"compliance_region", FOREIGN, NULL},
    {"dev", FOREIGN, NULL},
    {"first_party_worker", FOREIGN, NULL},
    {"keep_vars", FOREIGN, NULL},
    {"legacy_env", FOREIGN, NULL},
    {"logpush", FOREIGN, NULL},
    {"observability", FOREIGN, NULL},
    {"placement", FOREIGN, NULL},
    {"preserve_file_names", FOREIGN, NULL},
    {"preview_urls", FOREIGN, NULL},
    {"send_metrics", FOREIGN, NULL},
    {"upload_source_maps", FOREIGN, NULL},
    {"usage_model", FOREIGN, NULL},
    {"workers_dev", FOREIGN, NULL},

    {"base_dir", IGNORED, "modules are named from the directory that is deployed"},
    {"env", IGNORED, "only what --env names is deployed of it; without, the top level is"},
    {"find_additional_modules", IGNORED, "only what is imported is deployed"},
    {"streaming_tail_consumers", IGNORED, "log lines go to hearthctl tail only"},
    {"tail_consumers", IGNORED, "log lines go to hearthctl tail only"},

    {"secrets", UNSUPPORTED, "there are no secrets; vars are what a script is given"},
    {"site", UNSUPPORTED, "there is no place for static files"},
    {"assets", UNSUPPORTED, "there is no place for static files"},
    {"triggers", UNSUPPORTED, "nothing is called by time: only fetch() is"},
    {"exports", UNSUPPORTED, "only the default export is used"},
    {"ai", UNSUPPORTED, NULL},
    {"ai_search", UNSUPPORTED, NULL},
    {"ai_search_namespaces", UNSUPPORTED, NULL},
    {"analytics_engine_datasets", UNSUPPORTED, NULL},
    {"browser", UNSUPPORTED, NULL},
    {"cloudchamber", UNSUPPORTED, NULL},
    {"containers", UNSUPPORTED, NULL},
    {"d1_databases", UNSUPPORTED, NULL},
    {"data_blobs", UNSUPPORTED, NULL},
    {"dispatch_namespaces", UNSUPPORTED, NULL},
    {"durable_objects", UNSUPPORTED, NULL},
    {"hyperdrive", UNSUPPORTED, NULL},
    {"images", UNSUPPORTED, NULL},
    {"kv_namespaces", UNSUPPORTED, NULL},
    {"logfwdr", UNSUPPORTED, NULL},
    {"media", UNSUPPORTED, NULL},
    {"migrations", UNSUPPORTED, NULL},
    {"mtls_certificates", UNSUPPORTED, NULL},
    {"pipelines", UNSUPPORTED, NULL},
    {"queues", UNSUPPORTED, NULL},
    {"r2_buckets", UNSUPPORTED, NULL},
    {"ratelimits", UNSUPPORTED, NULL},
    {"secrets_store_secrets", UNSUPPORTED, NULL},
    {"send_email", UNSUPPORTED, NULL},
    {"text_blobs", UNSUPPORTED, NULL},
    {"unsafe", UNSUPPORTED, NULL},
    {"unsafe_hello_world", UNSUPPORTED, NULL},
    {"vectorize", UNSUPPORTED, NULL},
    {"version_metadata", UNSUPPORTED, NULL},
    {"vpc_networks", UNSUPPORTED, NULL},
    {"vpc_services", UNSUPPORTED, NULL},
    {"wasm_modules", UNSUPPORTED, NULL},
    {"worker_loaders", UNSUPPORTED, NULL},
    {"workflows", UNSUPPORTED, NULL},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Nothing is asked for: a script cannot depend on it. */
static bool is_empty(const json_t *value)
{
    const json_t *inner;
    const char *key;
    size_t i;

    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, inner)
        {
            if (!is_empty(inner))
                return false;
        }
        return true;
    }
    if (json_is_array(value)) {
        json_array_foreach(value, i, inner)
        {
            if (!is_empty(inner))
                return false;
        }
        return true;
    }
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && !*json_string_value(value));
}

/* The known key beside it that is most like it, or NULL: up to a third of its letters may be wrong.
 * */
static const char *likely(const struct jsonc_key *key)
{
    size_t parent = (size_t)(key->name - key->path);
    unsigned least = (unsigned)strlen(key->name) / 3 + 1;
    const char *best = NULL;

    for (size_t i = 0; i < ROWS; i++) {
        const char *name = rows[i].path + parent;

        if (strlen(rows[i].path) <= parent || strncmp(rows[i].path, key->path, parent) ||
            strpbrk(name, ".["))
            continue;
        if (spelling_distance(key->name, name) < least + (best == NULL)) {
            least = spelling_distance(key->name, name);
            best = name;
        }
    }
    return best;
}

struct judge {
    const struct wrangler_text *of;
    json_t *warnings;
    char *error;
    size_t error_bytes, error_used;
};

static void warn(struct judge *j, const struct jsonc_key *key, const char *text)
{
    json_array_append_new(j->warnings, json_pack("{s:i, s:s, s:s}", "line",
                                                 j->of->has_lines ? (int)key->line : 0, "key",
                                                 key->path, "text", text));
}

static void refuse(struct judge *j, const struct jsonc_key *key, const char *text)
{
    size_t left = j->error_bytes - j->error_used;
    char line[16] = "";
    int n;

    if (j->of->has_lines)
        snprintf(line, sizeof(line), ":%u", key->line);
    n = snprintf(j->error + j->error_used, left, "%s%s%s: \"%s\": %s", j->error_used ? "\n" : "",
                 j->of->file, line, key->path,
                 text ? text : "hearth has no such binding, and the script depends on it");
    if (n > 0)
        j->error_used += (size_t)n < left ? (size_t)n : left - 1;
}

/* Bindings and what else is an environment's own. */
bool wrangler_is_inherited(const char *key)
{
    static const char *const own[] = {
        "define", "secrets", "services", "streaming_tail_consumers", "tail_consumers", "vars"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (!strcmp(key, own[i]))
            return false;
    for (size_t i = 0; i < ROWS; i++)
        if (!strcmp(key, rows[i].path))
            return rows[i].how != UNSUPPORTED || rows[i].text || !strcmp(key, "migrations");
    return true;
}

/* What the key is in the table: without "env.NAME." if it is of that environment. NULL: it is not
 * to be judged; *goes_in: but what is in it. */
static const char *place_of(const struct judge *j, const struct jsonc_key *key, bool *goes_in)
{
    const char *env = j->of->env, *path = key->path;
    size_t len = env ? strlen(env) : 0;

    *goes_in = false;
    if (!env)
        return path;
    if (!strcmp(path, "env")) {
        *goes_in = true;
        return NULL;
    }
    if (strncmp(path, "env.", 4)) /* of the top level, or what is inherited from there */
        return strpbrk(path, ".[") || wrangler_is_inherited(path) ? path : NULL;
    if (strncmp(path + 4, env, len) || (path[4 + len] && path[4 + len] != '.'))
        return NULL;
    *goes_in = !path[4 + len];
    return *goes_in ? NULL : path + 4 + len + 1;
}

static bool judge_key(void *arg, const struct jsonc_key *key)
{
    struct judge *j = arg;
    const struct row *row = rows;
    struct jsonc_key placed = *key;
    const char *meant;
    char text[160];
    bool goes_in;

    placed.path = place_of(j, key, &goes_in);
    if (!placed.path)
        return goes_in;
    while (row < rows + ROWS && strcmp(row->path, placed.path))
        row++;
    if (row == rows + ROWS) {
        meant = likely(&placed);
        snprintf(text, sizeof(text), "is not known%s%s%s", meant ? "; did you mean \"" : "",
                 meant ? meant : "", meant ? "\"?" : "");
        warn(j, key, text);
        return false;
    }
    if (row->how == IGNORED && !is_empty(key->value))
        warn(j, key, row->text);
    if (row->how == UNSUPPORTED && !is_empty(key->value))
        refuse(j, key, row->text);
    return row->how == TAKEN;
}

bool wrangler_judge(const struct wrangler_text *t, json_t *warnings, char *error,
                    size_t error_bytes)
{
    struct judge j = {.of = t, .warnings = warnings, .error = error, .error_bytes = error_bytes};

    if (jsonc_walk(t->text, t->bytes, t->root, judge_key, &j))
        return j.error_used == 0;
    snprintf(error, error_bytes, "no memory");
    return false;
}
