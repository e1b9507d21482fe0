#include "control/deploy/wrangler_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/deploy/dev_vars.h"
#include "control/deploy/jsonc.h"
#include "control/deploy/pack.h"
#include "control/deploy/tool.h"
#include "control/deploy/wrangler.h"

/* As JSON. NULL and a reason. */
static char *toml_as_json(int dir, const char *name, const struct bundle_options *o, size_t *bytes,
                          const struct fault *f)
{
    char script[PATH_MAX];
    char *const argv[] = {(char *)o->node, script, (char *)name, NULL};
    struct tool_output out = {0};
    char *json = NULL;
    int rc;

    if (!o->node || !o->library) {
        refuse(f, "%s: cannot be read here", name);
        return NULL;
    }
    snprintf(script, sizeof(script), "%s/toml.js", o->library);
    rc = tool_run(dir, argv, &out);
    if (rc)
        refuse(f, "%s: %s: %s", name, o->node, strerror(-rc));
    else if (out.status)
        refuse(f, "%s%.*s", name, (int)strcspn(out.err, "\n"), out.err);
    else if ((json = out.out)) {
        *bytes = out.out_bytes;
        out.out = NULL;
    }
    tool_output_fini(&out);
    return json;
}

/* What the environment sees of the whole. NULL and a reason. */
static json_t *environment_of(const json_t *whole, const char *env, json_t *warnings,
                              const struct fault *f)
{
    json_t *own = json_object_get(json_object_get(whole, "env"), env);
    const char *name = json_string_value(json_object_get(whole, "name"));
    json_t *seen = json_object(), *value;
    const char *key;
    char text[160];

    if (!json_is_object(own)) {
        refuse(f, "there is no environment \"%.60s\": \"env\" has no such key", env);
        json_decref(seen);
        return NULL;
    }
    json_object_foreach((json_t *)whole, key, value)
    {
        if (!strcmp(key, "env"))
            continue;
        if (wrangler_is_inherited(key)) {
            json_object_set(seen, key, value);
        } else if (!json_object_get(own, key)) {
            snprintf(text, sizeof(text), "is not inherited: the environment \"%.60s\" has none",
                     env);
            json_array_append_new(
                warnings, json_pack("{s:i, s:s, s:s}", "line", 0, "key", key, "text", text));
        }
    }
    json_object_update(seen, own);
    if (name && !json_object_get(own, "name"))
        json_object_set_new(seen, "name", json_sprintf("%s-%s", name, env));
    return seen;
}

/* Over the vars that are there. */
static int add_dev_vars(json_t *root, int dir, const char *env, const struct fault *f)
{
    char name[128];
    size_t len = 0;
    uint8_t *text;
    json_t *vars = json_object_get(root, "vars");
    int rc;

    snprintf(name, sizeof(name), ".dev.vars.%.100s", env ? env : "");
    if (!env || faccessat(dir, name, F_OK, 0))
        snprintf(name, sizeof(name), ".dev.vars");
    text = pack_read(dir, name, BUNDLE_VARS_BYTES_MAX, &len, f);
    if (!text)
        return -1;
    vars = json_is_object(vars) ? json_copy(vars) : json_object();
    rc = dev_vars_read(name, (char *)text, vars, f);
    json_object_set_new(root, "vars", vars);
    free(text);
    return rc;
}

static bool read_text(struct wrangler_file *w, char **text, size_t *bytes, int dir,
                      const struct bundle_options *o, const struct fault *f)
{
    static const char *const names[] = {"wrangler.jsonc", "wrangler.json", "wrangler.toml"};

    for (size_t i = 0; i < 3 && !w->name; i++)
        if (!faccessat(dir, names[i], F_OK, 0))
            w->name = names[i];
    if (!w->name) {
        refuse(f, "there is no wrangler.jsonc, wrangler.json or wrangler.toml");
        return false;
    }
    *text = w->name == names[2]
                ? toml_as_json(dir, w->name, o, bytes, f)
                : (char *)pack_read(dir, w->name, BUNDLE_WRANGLER_BYTES_MAX, bytes, f);
    return *text != NULL;
}

int wrangler_file_read(struct wrangler_file *w, int dir, const struct bundle_options *o,
                       json_t *warnings, const struct fault *f)
{
    struct wrangler_text t = {.env = o->env};
    char reason[256], *text = NULL;
    json_t *whole;
    int rc = -1;

    *w = (struct wrangler_file){0};
    if (!read_text(w, &text, &t.bytes, dir, o, f))
        return -1;
    whole = jsonc_parse(text, t.bytes, reason, sizeof(reason));
    t.file = w->name;
    t.text = text;
    t.root = whole;
    t.has_lines = strcmp(w->name, "wrangler.toml") != 0;
    if (!whole)
        refuse(f, "%s: %s", w->name, reason);
    else if (!json_is_object(whole))
        refuse(f, "%s: is not an object", w->name);
    else if (wrangler_judge(&t, warnings, f->text, f->bytes))
        w->root = o->env ? environment_of(whole, o->env, warnings, f) : json_copy(whole);
    if (w->root)
        rc = o->has_dev_vars ? add_dev_vars(w->root, dir, o->env, f) : 0;
    json_decref(whole);
    free(text);
    return rc;
}
