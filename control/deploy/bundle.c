#include "control/deploy/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/deploy/fault.h"
#include "control/deploy/jsonc.h"
#include "control/deploy/module_head.h"
#include "control/deploy/script_id.h"
#include "control/deploy/wrangler.h"
#include "dataplane/base/limits.h"
#include "dataplane/world/route.h"
#include "runtime/job.h"
#include "runtime/start.h"

/* ---- check ---- */

/* A relative path without surprises. */
static bool is_module_name(const char *name)
{
    size_t len = strlen(name);

    if (!len || len > BUNDLE_MODULE_NAME_BYTES_MAX || name[0] == '/' || name[len - 1] == '/')
        return false;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\' ||
            ((p == name || p[-1] == '/') && *p == '.'))
            return false;
    return !strstr(name, "//");
}

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

static const char *const manifest_keys[] = {"name",   "main",          "routes",  "vars",
                                            "limits", "services",      "account", "modules",
                                            "owner",  "allow_callers", NULL};
static const char *const module_keys[] = {"name", "bytes", NULL};
static const char *const service_keys[] = {"binding", "service", "limits", NULL};

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

        if (!name || !is_module_name(name))
            return refuse(f, "module %zu has a bad name", i);
        if (check_keys(module, "a module", module_keys, f))
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
           check_owner(manifest, &f) == 0 && check_callers(manifest, &f) == 0;
}

/* ---- pack ---- */

struct file {
    char *name;
    uint8_t *bytes;
    size_t len;
};

struct pack {
    struct file file[START_MODULES_MAX];
    size_t count;
    size_t bytes;
    struct fault fault;
};

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
           ends_with(name, ".txt") || ends_with(name, ".html");
}

/* NULL and a reason; at most max bytes. A zero byte follows the contents. */
static uint8_t *read_file_at(int dir, const char *name, size_t max, size_t *len,
                             const struct fault *f)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    uint8_t *bytes = NULL;
    size_t got = 0;
    ssize_t n = 0;

    if (fd < 0 || fstat(fd, &st)) {
        refuse(f, "%s: %s", name, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (size_t)st.st_size > max) {
        refuse(f, "%s: %s", name, S_ISREG(st.st_mode) ? "too large" : "not a file");
        goto out;
    }
    bytes = malloc((size_t)st.st_size + 1);
    if (!bytes) {
        refuse(f, "no memory");
        goto out;
    }
    while (got < (size_t)st.st_size && (n = read(fd, bytes + got, (size_t)st.st_size - got)) > 0)
        got += (size_t)n;
    if (n < 0 || got != (size_t)st.st_size) {
        refuse(f, "%s: %s", name, n < 0 ? strerror(errno) : "changed while it was read");
        free(bytes);
        bytes = NULL;
        goto out;
    }
    bytes[got] = 0;
    *len = got;
out:
    if (fd >= 0)
        close(fd);
    return bytes;
}

static int pack_file(struct pack *p, int dir, const char *leaf, const char *name)
{
    struct file *f = &p->file[p->count];

    if (p->count == START_MODULES_MAX)
        return refuse(&p->fault, "more than %d modules", START_MODULES_MAX);
    if (!is_module_name(name))
        return refuse(&p->fault, "%s: a name of at most %d plain bytes is needed", name,
                      BUNDLE_MODULE_NAME_BYTES_MAX);
    f->bytes = read_file_at(dir, leaf, BUNDLE_BYTES_MAX, &f->len, &p->fault);
    if (!f->bytes)
        return -1;
    f->name = strdup(name);
    p->count++;
    p->bytes += f->len;
    if (!f->name)
        return refuse(&p->fault, "no memory");
    if (p->bytes > BUNDLE_BYTES_MAX)
        return refuse(&p->fault, "more than %d bytes of modules", BUNDLE_BYTES_MAX);
    return 0;
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
            rc = pack_file(p, dirfd(d), entry->d_name, name);
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

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* Sets b->wrangler, and adds warnings to b. */
static json_t *read_wrangler(struct bundle *b, int dir, const struct fault *f)
{
    static const char *const names[] = {"wrangler.jsonc", "wrangler.json"};

    for (size_t i = 0; i < 2; i++) {
        char reason[256];
        size_t len;
        uint8_t *text;
        json_t *w;

        if (faccessat(dir, names[i], F_OK, 0))
            continue;
        text = read_file_at(dir, names[i], BUNDLE_WRANGLER_BYTES_MAX, &len, f);
        if (!text)
            return NULL;
        b->wrangler = names[i];
        w = jsonc_parse((char *)text, len, reason, sizeof(reason));
        if (!w)
            refuse(f, "%s: %s", names[i], reason);
        else if (!json_is_object(w))
            refuse(f, "%s: is not an object", names[i]);
        if (!json_is_object(w) ||
            !wrangler_judge(names[i], (char *)text, len, w, b->warnings, f->text, f->bytes)) {
            json_decref(w);
            w = NULL;
        }
        free(text);
        return w;
    }
    if (!faccessat(dir, "wrangler.toml", F_OK, 0))
        refuse(f, "there is no wrangler.jsonc or wrangler.json; wrangler.toml is not read");
    else
        refuse(f, "there is no wrangler.jsonc or wrangler.json");
    return NULL;
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

static json_t *modules_of(const struct pack *p)
{
    json_t *modules = json_array();

    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(modules, json_pack("{s:s, s:I}", "name", p->file[i].name, "bytes",
                                                 (json_int_t)p->file[i].len));
    return modules;
}

static json_t *manifest_of(const json_t *w, const struct pack *p)
{
    const char *main_module = json_string_value(json_object_get(w, "main"));
    json_t *given_services = json_object_get(w, "services");
    json_t *given_limits = json_object_get(w, "limits");
    json_t *routes = routes_of(w);
    json_t *m = json_object();

    if (!routes) {
        refuse(&p->fault, "\"routes\" must be a list of strings or of {\"pattern\": ...}");
        goto bad;
    }
    if (json_object_get(w, "name"))
        json_object_set(m, "name", json_object_get(w, "name"));
    if (main_module)
        json_object_set_new(m, "main", json_string(without_dot(main_module)));
    json_object_set_new(m, "routes", routes);
    if (json_object_get(w, "vars"))
        json_object_set(m, "vars", json_object_get(w, "vars"));
    else
        json_object_set_new(m, "vars", json_object());
    json_object_set_new(m, "limits", limits_of(given_limits, script_limits));
    json_object_set_new(m, "modules", modules_of(p));
    if (json_object_get(w, "account_id"))
        json_object_set(m, "account", json_object_get(w, "account_id"));
    if (json_object_get(w, "allow_callers"))
        json_object_set(m, "allow_callers", json_object_get(w, "allow_callers"));
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

static size_t file_index(const struct pack *p, const char *name)
{
    size_t i = 0;

    while (i < p->count && strcmp(p->file[i].name, name))
        i++;
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

int bundle_pack(const char *path, struct bundle *b, char *error, size_t error_bytes)
{
    struct pack *p = calloc(1, sizeof(*p));
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    json_t *w = NULL;
    int rc = -1;

    *b = (struct bundle){.warnings = json_array()};
    if (!p || dir < 0) {
        snprintf(error, error_bytes, "%s: %s", path, strerror(p ? errno : ENOMEM));
        goto out;
    }
    p->fault = (struct fault){error, error_bytes};
    w = read_wrangler(b, dir, &p->fault);
    if (!w || pack_dir(p, dup(dir), "", 0))
        goto out;
    qsort(p->file, p->count, sizeof(p->file[0]), by_name);
    b->manifest = manifest_of(w, p);
    b->modules = malloc(p->bytes + 1);
    if (!b->manifest || !b->modules)
        goto out;
    for (size_t i = 0; i < p->count; i++) {
        memcpy(b->modules + b->bytes, p->file[i].bytes, p->file[i].len);
        b->bytes += p->file[i].len;
    }
    rc = bundle_check(b->manifest, b->bytes, error, error_bytes) && has_imports(p, b->manifest)
             ? 0
             : -1;
out:
    for (size_t i = 0; p && i < p->count; i++) {
        free(p->file[i].name);
        free(p->file[i].bytes);
    }
    free(p);
    json_decref(w);
    if (dir >= 0)
        close(dir);
    return rc;
}

void bundle_fini(struct bundle *b)
{
    json_decref(b->warnings);
    json_decref(b->manifest);
    free(b->modules);
    *b = (struct bundle){0};
}
