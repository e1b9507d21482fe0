#include "runtime/worker/script.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/start.h"
#include "runtime/worker/source_map.h"
#include "runtime/worker/timer.h"

const struct script_limits script_limits_default = {
    .cpu_ns = 50 * 1000000ull,
    .wall_ns = 30 * 1000000000ull,
    .heap_bytes = 128u << 20,
    .subrequests = 1000,
    .timers = TIMERS_MAX,
};

void script_free(struct script *s)
{
    for (size_t i = 0; i < s->module_count; i++) {
        free(s->modules[i].name);
        source_map_free(s->modules[i].source_map);
    }
    for (uint32_t i = 0; i < s->binding_count; i++)
        free(s->bindings[i]);
    free(s->modules);
    free(s->vars);
    if (s->map)
        munmap(s->map, s->map_bytes);
    free(s);
}

/* Puts base's folder and path together and takes "." and ".." out. False: it leaves the bundle, or
 * is too long. */
static bool join_path(const char *base, const char *path, char out[SCRIPT_NAME_BYTES_MAX])
{
    const char *slash = *path == '/' ? NULL : strrchr(base, '/');
    size_t base_len = slash ? (size_t)(slash - base) : 0;
    size_t len = 0;
    if (base_len >= SCRIPT_NAME_BYTES_MAX)
        return false;
    memcpy(out, base, base_len);
    len = base_len;
    while (*path) {
        size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            if (len == 0)
                return false;
            while (len > 0 && out[--len] != '/')
                ;
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (len + part + 2 > SCRIPT_NAME_BYTES_MAX)
                return false;
            if (len)
                out[len++] = '/';
            memcpy(out + len, path, part);
            len += part;
        }
        path += part;
        path += *path == '/';
    }
    out[len] = '\0';
    return len > 0;
}

static struct script_module *module_named(const struct script *s, const char *name)
{
    for (size_t i = 0; i < s->module_count; i++)
        if (strcmp(s->modules[i].name, name) == 0)
            return &s->modules[i];
    return NULL;
}

struct script_module *script_resolve(const struct script *s, const char *referrer,
                                     const char *specifier)
{
    char name[SCRIPT_NAME_BYTES_MAX];
    bool is_path =
        strncmp(specifier, "./", 2) == 0 || strncmp(specifier, "../", 3) == 0 || *specifier == '/';
    if (!join_path(is_path ? referrer : "", specifier, name))
        return NULL;
    struct script_module *m = module_named(s, name);
    if (m || !strchr(name, '?'))
        return m;
    *strchr(name, '?') = '\0'; /* "x.wasm?module" is x.wasm */
    return module_named(s, name);
}

static enum module_kind kind_by_name(const char *name)
{
    static const struct {
        const char *ending;
        enum module_kind kind;
    } endings[] = {{".json", MODULE_JSON}, {".txt", MODULE_TEXT}, {".html", MODULE_TEXT},
                   {".sql", MODULE_TEXT},  {".bin", MODULE_DATA}, {".wasm", MODULE_WASM}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof(endings) / sizeof(*endings); i++)
        if (strcmp(dot, endings[i].ending) == 0)
            return endings[i].kind;
    return MODULE_JS;
}

/* MODULE_KINDS: there is no such kind. */
static enum module_kind kind_of(const json_t *said, const char *name)
{
    static const char *const names[MODULE_KINDS] = {
        [MODULE_JS] = "esm",    [MODULE_SCRIPT] = "script", [MODULE_JSON] = "json",
        [MODULE_TEXT] = "text", [MODULE_DATA] = "data",     [MODULE_WASM] = "wasm",
        [MODULE_MAP] = "map"};
    enum module_kind kind = 0;
    if (!said)
        return kind_by_name(name);
    while (kind < MODULE_KINDS &&
           (!json_is_string(said) || strcmp(names[kind], json_string_value(said)) != 0))
        kind++;
    return kind;
}

static bool is_ascii(const char *text, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= (uint8_t)text[i];
    return all < 0x80;
}

static bool add_modules(struct script *s, const json_t *list, const char *main_name,
                        const char **why)
{
    size_t count = json_array_size(list), at = 0;
    *why = "no modules, or too many";
    if (count == 0 || count > START_MODULES_MAX)
        return false;
    s->modules = calloc(count, sizeof(*s->modules));
    assert(s->modules);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
        char normal[SCRIPT_NAME_BYTES_MAX];
        *why = "a module has a bad name or size";
        if (!name || !join_path("", name, normal) || bytes < 0 || (size_t)bytes > s->map_bytes - at)
            return false;
        s->modules[i] =
            (struct script_module){.name = strdup(normal),
                                   .text = (const char *)s->map + at,
                                   .len = (size_t)bytes,
                                   .kind = kind_of(json_object_get(entry, "kind"), normal)};
        s->modules[i].is_ascii = is_ascii(s->modules[i].text, s->modules[i].len);
        s->module_count++;
        at += (size_t)bytes;
        *why = "a module is of a kind that is not known";
        if (s->modules[i].kind == MODULE_KINDS)
            return false;
    }
    char normal[SCRIPT_NAME_BYTES_MAX];
    *why = "the main module is not among the modules";
    const struct script_module *m =
        main_name && join_path("", main_name, normal) ? module_named(s, normal) : NULL;
    if (!m)
        return false;
    s->main = (uint32_t)(m - s->modules);
    *why = "the main module is not JavaScript";
    return m->kind <= MODULE_SCRIPT;
}

/* "x.js.map" is that of "x.js". */
static void find_maps(struct script *s)
{
    for (size_t i = 0; i < s->module_count; i++) {
        char name[SCRIPT_NAME_BYTES_MAX + 8];
        if (s->modules[i].kind > MODULE_SCRIPT)
            continue;
        snprintf(name, sizeof(name), "%s.map", s->modules[i].name);
        struct script_module *map = module_named(s, name);
        if (map && map->kind == MODULE_MAP)
            s->modules[i].map = map;
    }
}

static uint64_t limit(const json_t *limits, const char *name, uint64_t unit, uint64_t otherwise)
{
    json_int_t v = json_integer_value(json_object_get(limits, name));
    return v > 0 && (uint64_t)v < UINT64_MAX / unit ? (uint64_t)v * unit : otherwise;
}

static bool add_bindings(struct script *s, const json_t *services, const char **why)
{
    *why = "a service binding has no name, or there are too many";
    if (json_array_size(services) > JOB_BINDINGS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *name = json_object_get(json_array_get(services, i), "binding");
        if (!json_is_string(name))
            return false;
        s->bindings[s->binding_count++] = strdup(json_string_value(name));
    }
    return true;
}

static bool map_sources(struct script *s, int fd)
{
    struct stat st;
    /* Not the C library's fstat(), which is newfstatat: that takes a path too (sandbox.h). */
    if (syscall(SYS_fstat, fd, &st) != 0 || st.st_size < 0)
        return false;
    s->map_bytes = (size_t)st.st_size;
    if (s->map_bytes == 0)
        return true;
    void *map = mmap(NULL, s->map_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    s->map = map;
    return true;
}

struct script *script_new(const struct json_t *packet, int fd, const char **why)
{
    struct script *s = calloc(1, sizeof(*s));
    assert(s);
    *why = "no sources";
    bool ok = fd >= 0 && map_sources(s, fd) &&
              add_modules(s, json_object_get(packet, "modules"),
                          json_string_value(json_object_get(packet, "main")), why) &&
              add_bindings(s, json_object_get(packet, "services"), why);
    if (fd >= 0)
        close(fd);
    if (!ok) {
        script_free(s);
        return NULL;
    }
    find_maps(s);
    const json_t *limits = json_object_get(packet, "limits");
    s->vars = json_dumps(json_object_get(packet, "vars"), JSON_COMPACT);
    if (!s->vars)
        s->vars = strdup("{}");
    s->limits.cpu_ns = limit(limits, "cpu_ms", 1000000, script_limits_default.cpu_ns);
    s->limits.wall_ns = limit(limits, "wall_ms", 1000000, script_limits_default.wall_ns);
    s->limits.subrequests =
        (uint32_t)limit(limits, "subrequests", 1, script_limits_default.subrequests);
    s->limits.timers = (uint32_t)limit(limits, "timers", 1, script_limits_default.timers);
    s->limits.heap_bytes = limit(limits, "heap_bytes", 1, script_limits_default.heap_bytes);
    return s;
}
