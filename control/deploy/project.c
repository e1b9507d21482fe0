#include "control/deploy/project.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/deploy/project_parts.h"
#include "control/deploy/tool.h"

static bool ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);

    return a > b && !strcmp(s + a - b, end);
}

static bool has_any(const json_t *w, const char *const *keys)
{
    for (; *keys; keys++)
        if (json_object_get(w, *keys))
            return true;
    return false;
}

bool project_is_one(int dir, const json_t *w, const struct compat *c)
{
    static const char *const keys[] = {"alias",        "build", "define",   "jsx_factory",
                                       "jsx_fragment", "rules", "tsconfig", NULL};
    const char *main_module = json_string_value(json_object_get(w, "main"));

    if (!main_module || json_is_true(json_object_get(w, "no_bundle")))
        return false;
    return (!ends_with(main_module, ".js") && !ends_with(main_module, ".mjs")) || c->has_node ||
           c->has_async_hooks || has_any(w, keys) || !faccessat(dir, "package.json", F_OK, 0) ||
           !faccessat(dir, "tsconfig.json", F_OK, 0);
}

/* ---- the rules of modules ---- */

static const struct rule defaults[] = {
    {".wasm", "wasm"}, {".bin", "data"}, {".txt", "text"}, {".html", "text"}, {".sql", "text"},
};

static const char *kind_of_type(const char *type)
{
    static const char *const types[][2] = {{"CompiledWasm", "wasm"},
                                           {"Data", "data"},
                                           {"Text", "text"},
                                           {"ESModule", ""},
                                           {"CommonJS", ""}};

    for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
        if (!strcmp(types[i][0], type))
            return types[i][1];
    return NULL;
}

/* Of a glob that only says how a name ends. NULL: of another one. */
static const char *ending_of(const char *glob)
{
    if (!strncmp(glob, "**/", 3))
        glob += 3;
    if (glob[0] != '*' || glob[1] != '.' || strlen(glob) > PROJECT_EXT_BYTES_MAX ||
        strpbrk(glob + 1, "*{}[]!/") || (strchr(glob, '?') && strcmp(strchr(glob, '?'), "?module")))
        return NULL;
    return glob + 1;
}

static int add_rule(struct building *b, const char *ext, const char *kind)
{
    size_t len = strcspn(ext, "?"); /* x.wasm?module is x.wasm to esbuild */

    for (size_t i = 0; i < b->rule_count; i++)
        if (!strncmp(b->rule[i].ext, ext, len) && !b->rule[i].ext[len])
            return 0; /* the first one counts */
    if (b->rule_count == PROJECT_RULES_MAX)
        return refuse(b->fault, "more than %d rules", PROJECT_RULES_MAX);
    snprintf(b->rule[b->rule_count].ext, PROJECT_EXT_BYTES_MAX, "%.*s", (int)len, ext);
    b->rule[b->rule_count++].kind = kind;
    return 0;
}

static int read_rules(struct building *b, const json_t *rules)
{
    const json_t *rule, *glob;
    size_t i, k;

    if (rules && !json_is_array(rules))
        return refuse(b->fault, "\"rules\" must be a list");
    json_array_foreach(rules, i, rule)
    {
        const char *type = json_string_value(json_object_get(rule, "type"));
        const char *kind = kind_of_type(type);

        if (!kind)
            return refuse(b->fault,
                          "rules: type \"%.40s\" is none of CompiledWasm, Data, Text, "
                          "ESModule and CommonJS",
                          type ? type : "");
        json_array_foreach(json_object_get(rule, "globs"), k, glob)
        {
            const char *text = json_string_value(glob);
            const char *ext = text ? ending_of(text) : NULL;

            if (!*kind) /* esbuild knows what JavaScript is */
                continue;
            if (!ext)
                return refuse(b->fault, "rules: \"%.60s\": only globs like **/*.EXT are possible",
                              text ? text : "");
            if (add_rule(b, ext, kind))
                return -1;
        }
    }
    for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (add_rule(b, defaults[i].ext, defaults[i].kind))
            return -1;
    return 0;
}

const char *project_kind_of(const struct building *b, const char *name)
{
    int len = (int)strcspn(name, "?"); /* x.wasm?module is x.wasm */
    char plain[PATH_MAX];

    snprintf(plain, sizeof(plain), "%.*s", len, name);
    for (size_t i = 0; i < b->rule_count; i++)
        if (ends_with(plain, b->rule[i].ext))
            return b->rule[i].kind;
    return NULL;
}

/* ---- esbuild's arguments ---- */

__attribute__((format(printf, 2, 3))) static void argue(struct building *b, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text && b->argc < PROJECT_ARGS_MAX)
        b->argv[b->argc++] = text;
    else
        free(text);
}

static int argue_pairs(struct building *b, const char *option, const json_t *pairs)
{
    const json_t *value;
    const char *key;

    if (pairs && !json_is_object(pairs))
        return refuse(b->fault, "\"%s\" must be an object", option);
    if (json_object_size(pairs) > PROJECT_PAIRS_MAX)
        return refuse(b->fault, "%zu in \"%s\": at most %d are possible", json_object_size(pairs),
                      option, PROJECT_PAIRS_MAX);
    json_object_foreach((json_t *)pairs, key, value)
    {
        if (!json_is_string(value))
            return refuse(b->fault, "%s: \"%.60s\" must be a string", option, key);
        argue(b, "--%s:%s=%s", option, key, json_string_value(value));
    }
    return 0;
}

static void argue_text(struct building *b, const char *option, const json_t *value)
{
    if (json_is_string(value))
        argue(b, "--%s=%s", option, json_string_value(value));
}

/* node: modules, and the same without that prefix, of the library. */
static int argue_node(struct building *b, const struct compat *c)
{
    static const char *const globals[] = {"process", "buffer", "timers", NULL};
    json_t *list = project_read_json(b, b->options->library, "node/modules.json");
    const json_t *name;
    size_t i;

    if (!list)
        return -1;
    json_array_foreach(list, i, name)
    {
        const char *text = json_string_value(name);

        if (!c->has_node && strcmp(text, "async_hooks"))
            continue;
        argue(b, "--alias:%s=%s/node/%s", text, b->options->library, text);
        argue(b, "--alias:node:%s=%s/node/%s", text, b->options->library, text);
    }
    json_decref(list);
    for (i = 0; c->has_node && globals[i]; i++)
        argue(b, "--inject:%s/node/globals/%s.js", b->options->library, globals[i]);
    argue(b, "--define:hearth_has_env=%s", c->has_env ? "true" : "false");
    return 0;
}

static int argue_all(struct building *b, const json_t *w, const struct compat *c)
{
    const char *main_module = json_string_value(json_object_get(w, "main"));

    argue(b, "%s", b->options->esbuild);
    argue(b, "%s%s", *main_module == '/' || *main_module == '.' ? "" : "./", main_module);
    argue(b, "--bundle");
    argue(b, "--format=esm");
    argue(b, "--target=es2024");
    argue(b, "--platform=browser");
    argue(b, "--conditions=workerd,worker,browser");
    argue(b, "--loader:.js=jsx");
    argue(b, "--loader:.mjs=jsx");
    argue(b, "--loader:.cjs=jsx");
    argue(b, "--sourcemap=external");
    argue(b, "--sources-content=false");
    argue(b, "--legal-comments=none");
    argue(b, "--log-level=warning");
    argue(b, "--color=false");
    argue(b, "--entry-names=[name]");
    argue(b, "--asset-names=[name]-[hash]");
    argue(b, "--outdir=%s", b->out);
    argue(b, "--metafile=%s/meta.json", b->out);
    argue(b, "--external:cloudflare:*");
    argue(b, "--external:hearth:*");
    for (size_t i = 0; i < b->rule_count; i++)
        argue(b, "--loader:%s=copy", b->rule[i].ext);
    if (!json_is_false(json_object_get(w, "keep_names")))
        argue(b, "--keep-names");
    if (json_is_true(json_object_get(w, "minify")))
        argue(b, "--minify");
    argue_text(b, "jsx-factory", json_object_get(w, "jsx_factory"));
    argue_text(b, "jsx-fragment", json_object_get(w, "jsx_fragment"));
    argue_text(b, "tsconfig", json_object_get(w, "tsconfig"));
    if (!json_object_get(json_object_get(w, "define"), "process.env.NODE_ENV"))
        argue(b, "--define:process.env.NODE_ENV=\"production\"");
    if ((c->has_node || c->has_async_hooks) && argue_node(b, c))
        return -1;
    /* The last: the author may have another module of Node.js in mind. */
    return argue_pairs(b, "define", json_object_get(w, "define")) ||
                   argue_pairs(b, "alias", json_object_get(w, "alias"))
               ? -1
               : 0;
}

/* ---- running ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    return remove(path);
}

/* The project's own build, before: build.command. */
static int run_command(struct building *b, const json_t *build)
{
    const char *command = json_string_value(json_object_get(build, "command"));
    const char *cwd = json_string_value(json_object_get(build, "cwd"));
    char *const argv[] = {"/bin/sh", "-c", (char *)command, NULL};
    struct tool_output o = {0};
    int dir, rc;

    if (!command || !*command)
        return 0;
    dir = openat(b->dir, cwd ? cwd : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = dir < 0 ? -errno : tool_run(dir, argv, &o);
    if (rc)
        refuse(b->fault, "build.command: %s", strerror(-rc));
    else if (o.status)
        rc = refuse(b->fault, "build.command ended with %d\n%.2000s", o.status,
                    o.err_bytes ? o.err : o.out);
    if (dir >= 0)
        close(dir);
    tool_output_fini(&o);
    return rc ? -1 : 0;
}

/* "FILE:LINE:COLUMN: sentence" of each error of esbuild's, which says it in the other order, with
 * much around it. */
static void say(const struct building *b, const struct compat *c, const char *text)
{
    static const char mark[] = "[ERROR] ", lost[] = "Could not resolve \"";
    size_t used = 0;

    b->fault->text[0] = 0;
    for (const char *e = strstr(text, mark); e && used + 1 < b->fault->bytes;) {
        const char *what = e + strlen(mark), *next = strstr(what, mark);
        const char *where = strstr(what, "\n    "), *name = what + strlen(lost);
        size_t room = b->fault->bytes - used, name_len = strcspn(name, "\"");
        const char *more = "";
        int n;

        if (where && next && where > next)
            where = NULL;
        if (!strncmp(what, lost, strlen(lost)) && project_is_node_name(name, name_len))
            more = c->has_node ? ": hearth has no such module"
                               : ": that needs the compatibility flag \"nodejs_compat\"";
        n = snprintf(b->fault->text + used, room, "%s%.*s%s%.*s%s", used ? "\n" : "",
                     where ? (int)strcspn(where + 5, "\n") : 0, where ? where + 5 : "",
                     where ? " " : "", (int)strcspn(what, "\n"), what, more);
        used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
        e = next;
    }
    if (!used)
        snprintf(b->fault->text, b->fault->bytes, "esbuild: %.1000s", text);
}

static void warn_of(const struct building *b, const char *text)
{
    for (const char *line = text; (line = strstr(line, "[WARNING] ")); line++) {
        int len = (int)strcspn(line + 10, "\n");

        json_array_append_new(b->warnings,
                              json_pack("{s:i, s:s, s:o}", "line", 0, "key", "main", "text",
                                        json_sprintf("%.*s", len > 300 ? 300 : len, line + 10)));
    }
}

static int run_esbuild(struct building *b, const struct compat *c)
{
    struct tool_output o = {0};
    int rc = tool_run(b->dir, b->argv, &o);

    if (rc)
        refuse(b->fault, "%s: %s", b->options->esbuild, strerror(-rc));
    else if (o.status)
        say(b, c, o.err);
    else
        warn_of(b, o.err);
    rc = rc || o.status ? -1 : 0;
    tool_output_fini(&o);
    return rc;
}

int project_bundle(struct pack *p, int dir, const json_t *w, const struct compat *c,
                   const struct bundle_options *o, char **main_name, json_t **report,
                   json_t *warnings)
{
    const char *tmp = getenv("TMPDIR");
    struct building *b = calloc(1, sizeof(*b));
    int rc = -1;

    if (!b)
        return refuse(&p->fault, "no memory");
    *b = (struct building){
        .pack = p, .fault = &p->fault, .dir = dir, .options = o, .warnings = warnings};
    snprintf(b->out, sizeof(b->out), "%.200s/hearth-build-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!o->esbuild || !o->library) {
        refuse(&p->fault, "the bundler is not there: this project cannot be built here");
        goto out;
    }
    if (!mkdtemp(b->out)) {
        refuse(&p->fault, "%s: %s", b->out, strerror(errno));
        goto out;
    }
    rc = read_rules(b, json_object_get(w, "rules")) || argue_all(b, w, c) ||
                 run_command(b, json_object_get(w, "build")) || run_esbuild(b, c) ||
                 project_collect(b, main_name, report)
             ? -1
             : 0;
    nftw(b->out, remove_one, 16, FTW_DEPTH | FTW_PHYS);
out:
    for (size_t i = 0; i < b->argc; i++)
        free(b->argv[i]);
    free(b);
    return rc;
}
