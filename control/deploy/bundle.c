#include "control/deploy/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/deploy/compat.h"
#include "control/deploy/fault.h"
#include "control/deploy/module_head.h"
#include "control/deploy/pack.h"
#include "control/deploy/project.h"
#include "control/deploy/script_id.h"
#include "control/deploy/wrangler_file.h"
#include "dataplane/base/limits.h"
#include "dataplane/world/route.h"
#include "runtime/job.h"
#include "runtime/start.h"

/* ---- check ---- */

/* What is not known is not kept: whoever stores the manifest, or sends it on, has bounds for what
 * is. known ends with NULL. */
static int check_keys(const json_t *object, const char *what, const char *const *known,
                      const struct fault *f)
{
    const json_t *value;
    const char *key;

    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;

        while (known[i] && strcmp(known[i], key))
            i++;
        if (!known[i])
            return refuse(f, "%s has a key \"%.100s\" that is not known", what, key);
    }
    return 0;
}

static const char *const manifest_keys[] = {"name",
                                            "main",
                                            "routes",
                                            "vars",
                                            "limits",
                                            "services",
                                            "account",
                                            "modules",
                                            "owner",
                                            "allow_callers",
                                            "compatibility_date",
                                            "compatibility_flags",
                                            NULL};
static const char *const module_keys[] = {"name", "bytes", "kind", NULL};
static const char *const module_kinds[] = {"esm",  "script", "json", "text",
                                           "data", "wasm",   "map",  NULL};
static const char *const service_keys[] = {"binding", "service", "limits", NULL};

/* What a module says it is. Of a main module it must be what can be run, of others not "script". */
static int check_kind(const json_t *module, const char *name, bool is_main, const struct fault *f)
{
    const json_t *given = json_object_get(module, "kind");
    const char *kind = json_string_value(given);
    size_t i = 0;

    if (!given)
        return 0;
    while (kind && module_kinds[i] && strcmp(module_kinds[i], kind))
        i++;
    if (!kind || !module_kinds[i])
        return refuse(f, "module %s is of a kind that is not known", name);
    if (is_main ? i > 1 : i == 1)
        return refuse(f, "module %s cannot be of kind \"%s\"", name, kind);
    return 0;
}

static int check_modules(const json_t *manifest, size_t bytes, const struct fault *f)
{
    const json_t *modules = json_object_get(manifest, "modules");
    const char *main_module = json_string_value(json_object_get(manifest, "main"));
    const char *before = "";
    size_t sum = 0, count = json_array_size(modules);
    bool has_main = false;

    if (!main_module)
        return refuse(f, "\"main\" is missing: the path of the script's entry module");
    if (!count)
        return refuse(f, "there are no modules");
    if (count > START_MODULES_MAX)
        return refuse(f, "%zu modules: at most %d are possible", count, START_MODULES_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *module = json_array_get(modules, i);
        const char *name = json_string_value(json_object_get(module, "name"));
        const json_t *size = json_object_get(module, "bytes");

        if (!name || !pack_name_is_good(name))
            return refuse(f, "module %zu has a bad name", i);
        if (check_keys(module, "a module", module_keys, f))
            return -1;
        if (check_kind(module, name, !strcmp(name, main_module), f))
            return -1;
        if (strcmp(name, before) <= 0)
            return refuse(f, "modules are not in the order of their names");
        if (!json_is_integer(size) || json_integer_value(size) < 0 ||
            json_integer_value(size) > BUNDLE_BYTES_MAX)
            return refuse(f, "module %s has a bad size", name);
        sum += (size_t)json_integer_value(size);
        has_main |= !strcmp(name, main_module);
        before = name;
    }
    if (sum > BUNDLE_BYTES_MAX)
        return refuse(f, "%zu bytes of modules: at most %d are possible", sum, BUNDLE_BYTES_MAX);
    if (sum != bytes)
        return refuse(f, "the modules have %zu bytes, not %zu as the manifest says", bytes, sum);
    if (!has_main)
        return refuse(f, "main module \"%.200s\" does not exist", main_module);
    return 0;
}

static int check_routes(const json_t *manifest, const struct fault *f)
{
    const json_t *routes = json_object_get(manifest, "routes");
    size_t index;
    const json_t *route;

    if (routes && !json_is_array(routes))
        return refuse(f, "\"routes\" must be a list");
    if (json_array_size(routes) > BUNDLE_ROUTES_MAX)
        return refuse(f, "%zu routes: at most %d are possible", json_array_size(routes),
                      BUNDLE_ROUTES_MAX);
    json_array_foreach(routes, index, route)
    {
        if (!json_is_string(route))
            return refuse(f, "route %zu is not a string", index);
        if (!route_pattern_check(json_string_value(route), f->text, f->bytes))
            return -1;
    }
    return 0;
}

static int check_vars(const json_t *manifest, const struct fault *f)
{
    json_t *vars = json_object_get(manifest, "vars");
    size_t bytes;

    if (!vars)
        return 0;
    if (!json_is_object(vars))
        return refuse(f, "\"vars\" must be an object");
    bytes = json_dumpb(vars, NULL, 0, JSON_COMPACT);
    if (bytes > BUNDLE_VARS_BYTES_MAX)
        return refuse(f, "\"vars\" has %zu bytes: at most %d are possible", bytes,
                      BUNDLE_VARS_BYTES_MAX);
    return 0;
}

struct limit_range {
    const char *name;
    json_int_t max;
};

static int check_limits(const json_t *limits, const char *what, const struct limit_range *ranges,
                        const struct fault *f)
{
    size_t known = 0;

    if (limits && !json_is_object(limits))
        return refuse(f, "\"%s\" must be an object", what);
    for (const struct limit_range *r = ranges; r->name; r++)
        known += json_object_get(limits, r->name) != NULL;
    if (json_object_size(limits) != known)
        return refuse(f, "\"%s\" has a key that is not known", what);
    for (; ranges->name; ranges++) {
        const json_t *value = json_object_get(limits, ranges->name);

        if (value && (!json_is_integer(value) || json_integer_value(value) < 1 ||
                      json_integer_value(value) > ranges->max))
            return refuse(f, "\"%s.%s\" must be a number from 1 to %d", what, ranges->name,
                          (int)ranges->max);
    }
    return 0;
}

static const struct limit_range script_limits[] = {
    {"cpu_ms", BUNDLE_CPU_MS_MAX}, {"subrequests", BUNDLE_SUBREQUESTS_MAX}, {0}};

static const struct limit_range call_limits[] = {{"cpu_ms", BUNDLE_CPU_MS_MAX},
                                                 {"memory_mb", BUNDLE_MEMORY_MB_MAX},
                                                 {"subrequests", BUNDLE_SUBREQUESTS_MAX},
                                                 {"wall_ms", BUNDLE_WALL_MS_MAX},
                                                 {0}};

static bool is_identifier(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$0123456789";
    size_t len = strlen(name);

    return len >= 1 && len <= BUNDLE_BINDING_BYTES_MAX && strspn(name, letters) == len &&
           !(name[0] >= '0' && name[0] <= '9');
}

static int check_service(const json_t *manifest, size_t index, const struct fault *f)
{
    const json_t *services = json_object_get(manifest, "services");
    const json_t *entry = json_array_get(services, index);
    const char *binding = json_string_value(json_object_get(entry, "binding"));
    const char *service = json_string_value(json_object_get(entry, "service"));
    char what[BUNDLE_BINDING_BYTES_MAX + 32], id[SCRIPT_ID_BYTES_MAX + 1];

    if (check_keys(entry, "a service", service_keys, f))
        return -1;
    if (!binding || !is_identifier(binding))
        return refuse(f, "services: entry %zu needs a \"binding\" that is a JavaScript identifier",
                      index);
    if (!service || !script_id_resolve(id, NULL, service) || strchr(id, '*'))
        return refuse(f, "services: \"%s\" needs a \"service\" that is the name of a script",
                      binding);
    if (json_object_get(json_object_get(manifest, "vars"), binding))
        return refuse(f, "services: \"%s\" is a var too", binding);
    for (size_t i = 0; i < index; i++)
        if (!strcmp(binding,
                    json_string_value(json_object_get(json_array_get(services, i), "binding"))))
            return refuse(f, "services: \"%s\" is there twice", binding);
    snprintf(what, sizeof(what), "services.%s.limits", binding);
    return check_limits(json_object_get(entry, "limits"), what, call_limits, f);
}

static int check_services(const json_t *manifest, const struct fault *f)
{
    const json_t *services = json_object_get(manifest, "services");

    if (services && !json_is_array(services))
        return refuse(f, "\"services\" must be a list");
    if (json_array_size(services) > JOB_BINDINGS_MAX)
        return refuse(f, "%zu services: at most %d are possible", json_array_size(services),
                      JOB_BINDINGS_MAX);
    for (size_t i = 0; i < json_array_size(services); i++)
        if (check_service(manifest, i, f))
            return -1;
    return 0;
}

static int check_account(const json_t *manifest, const struct fault *f)
{
    const json_t *account = json_object_get(manifest, "account");

    if (account &&
        (json_string_length(account) < 1 || json_string_length(account) > BUNDLE_ACCOUNT_BYTES_MAX))
        return refuse(f, "\"account_id\" must be a string of 1 to %d bytes",
                      BUNDLE_ACCOUNT_BYTES_MAX);
    for (const char *c = json_string_value(account); c && *c; c++)
        if (*c <= ' ' || *c >= 127)
            return refuse(f, "\"account_id\" may only have letters, digits and signs of ASCII");
    return 0;
}

static int check_owner(const json_t *manifest, const struct fault *f)
{
    const json_t *owner = json_object_get(manifest, "owner");
    const char *name = json_string_value(owner);

    if (owner && (!name || strlen(name) != json_string_length(owner) ||
                  !account_name_is_good(name) || !strcmp(name, ACCOUNT_DEFAULT)))
        return refuse(f, "\"owner\" is not the name of an account");
    return 0;
}

static int check_compat(const json_t *manifest, const struct fault *f)
{
    struct compat c;

    return compat_read(&c, json_object_get(manifest, "compatibility_date"),
                       json_object_get(manifest, "compatibility_flags"), NULL, f);
}

static int check_callers(const json_t *manifest, const struct fault *f)
{
    const json_t *callers = json_object_get(manifest, "allow_callers"), *caller;
    char id[SCRIPT_ID_BYTES_MAX + 1];
    size_t i;

    if (callers && !json_is_array(callers))
        return refuse(f, "\"allow_callers\" must be a list");
    if (json_array_size(callers) > BUNDLE_CALLERS_MAX)
        return refuse(f, "%zu in \"allow_callers\": at most %d are possible",
                      json_array_size(callers), BUNDLE_CALLERS_MAX);
    json_array_foreach(callers, i, caller)
    {
        const char *text = json_string_value(caller);

        if (!text || !strchr(text, '/') || !script_id_resolve(id, NULL, text))
            return refuse(f, "allow_callers: \"%.100s\" is neither account/name nor account/*",
                          text ? text : "");
    }
    return 0;
}

bool bundle_check(const json_t *manifest, size_t bytes, char *error, size_t error_bytes)
{
    const struct fault f = {error, error_bytes};
    const char *name = json_string_value(json_object_get(manifest, "name"));

    if (!json_is_object(manifest))
        return refuse(&f, "the manifest is not an object") == 0;
    if (!name)
        return refuse(&f, "\"name\" is missing") == 0;
    if (!script_name_is_good(name))
        return refuse(&f,
                      "name \"%.100s\": at most %d lower-case letters, digits, '-' and '_' are "
                      "possible",
                      name, SCRIPT_NAME_BYTES_MAX) == 0;
    return check_keys(manifest, "the manifest", manifest_keys, &f) == 0 &&
           check_modules(manifest, bytes, &f) == 0 && check_routes(manifest, &f) == 0 &&
           check_vars(manifest, &f) == 0 &&
           check_limits(json_object_get(manifest, "limits"), "limits", script_limits, &f) == 0 &&
           check_services(manifest, &f) == 0 && check_account(manifest, &f) == 0 &&
           check_owner(manifest, &f) == 0 && check_callers(manifest, &f) == 0 &&
           check_compat(manifest, &f) == 0;
}

/* ---- pack ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);

    return a > b && !strcmp(s + a - b, end);
}

static bool is_module_file(const char *name, bool is_top)
{
    if (is_top && (!strncmp(name, "wrangler.", 9) || !strcmp(name, "package.json") ||
                   !strcmp(name, "package-lock.json")))
        return false;
    return ends_with(name, ".js") || ends_with(name, ".mjs") || ends_with(name, ".json") ||
           ends_with(name, ".txt") || ends_with(name, ".html") || ends_with(name, ".sql") ||
           ends_with(name, ".wasm") || ends_with(name, ".bin");
}

/* Consumes dir. */
static int pack_dir(struct pack *p, int dir, const char *prefix, unsigned depth)
{
    DIR *d = fdopendir(dir);
    struct dirent *entry;
    int rc = 0;

    if (!d) {
        close(dir);
        return refuse(&p->fault, "%s: %s", prefix, strerror(errno));
    }
    while (!rc && (entry = readdir(d))) {
        char name[PATH_MAX];
        struct stat st;

        if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "node_modules"))
            continue;
        snprintf(name, sizeof(name), "%s%s", prefix, entry->d_name);
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (S_ISREG(st.st_mode) && is_module_file(entry->d_name, !*prefix)) {
            rc = pack_add_file(p, dirfd(d), entry->d_name, name, NULL);
        } else if (S_ISDIR(st.st_mode)) {
            int inner =
                openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            strncat(name, "/", sizeof(name) - strlen(name) - 1);
            if (depth >= BUNDLE_DEPTH_MAX)
                rc = refuse(&p->fault, "%s: nested too deeply", name);
            else if (inner < 0)
                rc = refuse(&p->fault, "%s: %s", name, strerror(errno));
            else
                rc = pack_dir(p, inner, name, depth + 1);
            if (depth >= BUNDLE_DEPTH_MAX && inner >= 0)
                close(inner);
        }
    }
    closedir(d);
    return rc;
}

/* Routes are strings or {"pattern": ...}; "route" is a list of one. NULL: not of that form. */
static json_t *routes_of(const json_t *w)
{
    const json_t *given = json_object_get(w, "routes");
    json_t *single = json_object_get(w, "route");
    json_t *routes = json_array();
    const json_t *route;
    size_t index;

    if (given && !json_is_array(given))
        goto bad;
    if (single) {
        json_t *pattern = json_is_object(single) ? json_object_get(single, "pattern") : single;

        if (!json_is_string(pattern) || json_array_append(routes, pattern))
            goto bad;
    }
    json_array_foreach(given, index, route)
    {
        json_t *pattern =
            json_is_object(route) ? json_object_get(route, "pattern") : (json_t *)route;

        if (!json_is_string(pattern) || json_array_append(routes, pattern))
            goto bad;
    }
    return routes;
bad:
    json_decref(routes);
    return NULL;
}

static const char *without_dot(const char *path)
{
    while (!strncmp(path, "./", 2))
        path += 2;
    return path;
}

/* Only the limits that hearth knows. */
static json_t *limits_of(const json_t *given, const struct limit_range *known)
{
    json_t *limits = json_object();

    for (; known->name; known++)
        if (json_object_get(given, known->name))
            json_object_set(limits, known->name, json_object_get(given, known->name));
    return limits;
}

/* What a manifest says of a list of {"binding", "service", ...}. */
static json_t *services_of(const json_t *given)
{
    json_t *services = json_array();
    const json_t *entry;
    size_t index;

    json_array_foreach(given, index, entry)
    {
        json_t *limits = json_object_get(entry, "limits");
        json_t *service = json_object();

        json_object_set(service, "binding", json_object_get(entry, "binding"));
        json_object_set(service, "service", json_object_get(entry, "service"));
        if (json_is_object(limits))
            json_object_set_new(service, "limits", limits_of(limits, call_limits));
        else if (limits)
            json_object_set(service, "limits", limits);
        json_array_append_new(services, service);
    }
    return services;
}

/* main_module: NULL: none is named. */
static json_t *manifest_of(const json_t *w, const struct pack *p, const char *main_module)
{
    static const char *const as_they_are[] = {"name", "allow_callers", "compatibility_date",
                                              "compatibility_flags", NULL};
    json_t *given_services = json_object_get(w, "services");
    json_t *given_limits = json_object_get(w, "limits");
    json_t *routes = routes_of(w);
    json_t *m = json_object();

    if (!routes) {
        refuse(&p->fault, "\"routes\" must be a list of strings or of {\"pattern\": ...}");
        goto bad;
    }
    for (const char *const *key = as_they_are; *key; key++)
        if (json_object_get(w, *key))
            json_object_set(m, *key, json_object_get(w, *key));
    if (main_module)
        json_object_set_new(m, "main", json_string(without_dot(main_module)));
    json_object_set_new(m, "routes", routes);
    if (json_object_get(w, "vars"))
        json_object_set(m, "vars", json_object_get(w, "vars"));
    else
        json_object_set_new(m, "vars", json_object());
    json_object_set_new(m, "limits", limits_of(given_limits, script_limits));
    json_object_set_new(m, "modules", pack_modules(p));
    if (json_object_get(w, "account_id"))
        json_object_set(m, "account", json_object_get(w, "account_id"));
    if (json_is_array(given_services))
        json_object_set_new(m, "services", services_of(given_services));
    else if (given_services)
        json_object_set(m, "services", given_services); /* the check says what is wrong with it */
    return m;
bad:
    json_decref(m);
    return NULL;
}

/* ---- imports ---- */

/* Puts the referrer's folder and a path together and takes "." and ".." out, as the runtime does.
 * False: it leaves the bundle. */
static bool join_path(const char *referrer, const char *path, size_t path_bytes,
                      char out[BUNDLE_MODULE_NAME_BYTES_MAX + 1])
{
    const char *end = path + path_bytes;
    bool is_relative = !strncmp(path, "./", 2) || !strncmp(path, "../", 3);
    const char *slash = is_relative ? strrchr(referrer, '/') : NULL;
    size_t len = slash ? (size_t)(slash - referrer) : 0;

    memcpy(out, referrer, len);
    while (path < end) {
        const char *next = memchr(path, '/', (size_t)(end - path));
        size_t part = (size_t)((next ? next : end) - path);

        if (part == 2 && !memcmp(path, "..", 2)) {
            if (len == 0)
                return false;
            while (len > 0 && out[--len] != '/')
                ;
        } else if (part > 0 && !(part == 1 && *path == '.')) {
            if (len + part + 1 > BUNDLE_MODULE_NAME_BYTES_MAX)
                return false;
            if (len)
                out[len++] = '/';
            memcpy(out + len, path, part);
            len += part;
        }
        path = next ? next + 1 : end;
    }
    out[len] = 0;
    return len > 0;
}

/* With or without what follows a question mark, as the runtime does. */
static size_t file_index(const struct pack *p, const char *name)
{
    size_t i = 0, len = strcspn(name, "?");

    while (i < p->count && strcmp(p->file[i].name, name))
        i++;
    if (i == p->count && name[len])
        for (i = 0; i < p->count; i++)
            if (strlen(p->file[i].name) == len && !strncmp(p->file[i].name, name, len))
                break;
    return i;
}

/* What the main module imports, and what that imports: is it all there? A module that nobody
 * imports may want what it likes. */
static bool has_imports(const struct pack *p, const json_t *manifest)
{
    size_t queue[START_MODULES_MAX], head = 0, tail = 0;
    bool is_seen[START_MODULES_MAX + 1] = {false};

    queue[tail] = file_index(p, json_string_value(json_object_get(manifest, "main")));
    is_seen[queue[tail++]] = true;
    while (head < tail) {
        const struct file *f = &p->file[queue[head++]];
        struct module_head heads;
        struct module_import import;

        if (!ends_with(f->name, ".js") && !ends_with(f->name, ".mjs"))
            continue;
        module_head_init(&heads, (const char *)f->bytes, f->len);
        while (module_head_next(&heads, &import)) {
            char name[BUNDLE_MODULE_NAME_BYTES_MAX + 1];
            size_t i = p->count;

            if (import.bytes > 11 && !memcmp(import.specifier, "cloudflare:", 11))
                continue; /* the runtime's own */
            if (join_path(f->name, import.specifier, import.bytes, name))
                i = file_index(p, name);
            if (i == p->count) {
                refuse(&p->fault, "%s:%u: No such module \"%.*s\", imported from \"%s\"", f->name,
                       import.line, (int)import.bytes, import.specifier, f->name);
                return false;
            }
            if (!is_seen[i])
                queue[tail++] = i;
            is_seen[i] = true;
        }
    }
    return true;
}

/* Of a directory that is deployed as it is. */
static int pack_as_it_is(struct bundle *b, struct pack *p, int dir, const json_t *w)
{
    const char *main_module = json_string_value(json_object_get(w, "main"));

    if (pack_dir(p, dup(dir), "", 0))
        return -1;
    pack_sort(p);
    b->manifest = manifest_of(w, p, main_module);
    return b->manifest ? 0 : -1;
}

static int pack_built(struct bundle *b, struct pack *p, int dir, const json_t *w,
                      const struct compat *c, const struct bundle_options *o)
{
    char *main_module = NULL;

    if (!project_bundle(p, dir, w, c, o, &main_module, &b->report, b->warnings)) {
        pack_sort(p);
        b->manifest = manifest_of(w, p, main_module);
    }
    free(main_module);
    return b->manifest ? 0 : -1;
}

static int join_modules(struct bundle *b, const struct pack *p)
{
    b->modules = malloc(p->bytes + 1);
    if (!b->modules)
        return refuse(&p->fault, "no memory");
    for (size_t i = 0; i < p->count; i++) {
        memcpy(b->modules + b->bytes, p->file[i].bytes, p->file[i].len);
        b->bytes += p->file[i].len;
    }
    return 0;
}

int bundle_pack(const char *path, const struct bundle_options *options, struct bundle *b,
                char *error, size_t error_bytes)
{
    static const struct bundle_options nothing = {0};
    const struct bundle_options *o = options ? options : &nothing;
    struct pack *p = calloc(1, sizeof(*p));
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wrangler_file w = {0};
    struct compat compat;
    int rc = -1;

    *b = (struct bundle){.warnings = json_array()};
    if (!p || dir < 0) {
        snprintf(error, error_bytes, "%s: %s", path, strerror(p ? errno : ENOMEM));
        goto out;
    }
    p->fault = (struct fault){error, error_bytes};
    rc = wrangler_file_read(&w, dir, o, b->warnings, &p->fault);
    b->wrangler = w.name;
    if (rc ||
        (rc = compat_read(&compat, json_object_get(w.root, "compatibility_date"),
                          json_object_get(w.root, "compatibility_flags"), b->warnings, &p->fault)))
        goto out;
    rc = project_is_one(dir, w.root, &compat) ? pack_built(b, p, dir, w.root, &compat, o)
                                              : pack_as_it_is(b, p, dir, w.root);
    if (!rc)
        rc = join_modules(b, p);
    if (!rc && (!bundle_check(b->manifest, b->bytes, error, error_bytes) ||
                (!b->report && !has_imports(p, b->manifest))))
        rc = -1;
out:
    if (p)
        pack_fini(p);
    free(p);
    json_decref(w.root);
    if (dir >= 0)
        close(dir);
    return rc;
}

void bundle_fini(struct bundle *b)
{
    json_decref(b->warnings);
    json_decref(b->manifest);
    json_decref(b->report);
    free(b->modules);
    *b = (struct bundle){0};
}
