#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/deploy/project_parts.h"

bool project_is_node_name(const char *name, size_t len)
{
    /* Source: `node -p "require('module').builtinModules"` of Node.js 26. */
    static const char *const names[] = {"assert",
                                        "async_hooks",
                                        "buffer",
                                        "child_process",
                                        "cluster",
                                        "console",
                                        "constants",
                                        "crypto",
                                        "dgram",
                                        "diagnostics_channel",
                                        "dns",
                                        "domain",
                                        "events",
                                        "fs",
                                        "http",
                                        "http2",
                                        "https",
                                        "inspector",
                                        "module",
                                        "net",
                                        "os",
                                        "path",
                                        "perf_hooks",
                                        "process",
                                        "punycode",
                                        "querystring",
                                        "readline",
                                        "repl",
                                        "stream",
                                        "string_decoder",
                                        "sys",
                                        "timers",
                                        "tls",
                                        "trace_events",
                                        "tty",
                                        "url",
                                        "util",
                                        "v8",
                                        "vm",
                                        "wasi",
                                        "worker_threads",
                                        "zlib"};
    size_t top = 0;

    if (len > 5 && !strncmp(name, "node:", 5))
        return true;
    while (top < len && name[top] != '/')
        top++;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == top && !strncmp(names[i], name, top))
            return true;
    return false;
}

json_t *project_read_json(const struct building *b, const char *dir, const char *name)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    json_error_t reason;
    json_t *json = NULL;
    uint8_t *text = NULL;
    size_t len;

    if (fd < 0) {
        refuse(b->fault, "%s: %s", dir, strerror(errno));
        return NULL;
    }
    text = pack_read(fd, name, PROJECT_META_BYTES_MAX, &len, b->fault);
    if (text && !(json = json_loadb((char *)text, len, 0, &reason)))
        refuse(b->fault, "%s: %s", name, reason.text);
    free(text);
    close(fd);
    return json;
}

/* ---- the source map ---- */

/* A source as the map has it, from the directory of the output, becomes one from the project's. */
static json_t *source_from(const char *out, const char *project, const char *source)
{
    char path[2 * PATH_MAX], up[PATH_MAX] = "";
    size_t len = strlen(out), common = 0, used = 0;
    const char *rest = source;

    if (strncmp(rest, "../", 3)) /* not of that form: left as it is */
        return json_string(source);
    memcpy(path, out, len + 1);
    for (; !strncmp(rest, "../", 3); rest += 3)
        while (len > 0 && path[--len] != '/')
            ;
    snprintf(path + len, sizeof(path) - len, "/%s", rest);
    len = strlen(project);
    if (!strncmp(path, project, len) && path[len] == '/')
        return json_string(path + len + 1);
    for (size_t i = 0; path[i] && path[i] == project[i]; i++)
        if (path[i] == '/')
            common = i + 1;
    for (const char *p = project + common; p && used + 4 < sizeof(up); p = strchr(p + 1, '/'))
        used += (size_t)snprintf(up + used, sizeof(up) - used, "../");
    return json_sprintf("%s%s", up, path + common);
}

/* Sources by their place in the project, and nothing that a stack trace does not need. */
static int add_map(struct building *b, const char *leaf, const char *project)
{
    json_t *map = project_read_json(b, b->out, leaf);
    json_t *kept = NULL, *sources = json_array();
    const json_t *source;
    char *text = NULL;
    size_t i;

    json_array_foreach(json_object_get(map, "sources"), i, source)
    {
        json_array_append_new(sources, source_from(b->out, project, json_string_value(source)));
    }
    if (map && json_object_get(map, "mappings"))
        kept = json_pack("{s:i, s:O, s:O}", "version", 3, "sources", sources, "mappings",
                         json_object_get(map, "mappings"));
    if (kept)
        text = json_dumps(kept, JSON_COMPACT);
    json_decref(sources);
    json_decref(kept);
    json_decref(map);
    if (!text)
        return map ? refuse(b->fault, "%s: is no source map", leaf) : -1;
    return pack_add(b->pack, leaf, "map", (uint8_t *)text, strlen(text));
}

/* ---- what takes the room ---- */

/* A package counts as one, and so does the library: "node_modules/hono", else the file. */
static void name_of_input(char *out, size_t bytes, const char *path, const char *library)
{
    const char *at = NULL, *next = path;
    int len;

    while ((next = strstr(next, "node_modules/")))
        at = next += strlen("node_modules/");
    if (!at && strstr(path, library)) {
        snprintf(out, bytes, "node: modules");
        return;
    }
    if (!at) {
        snprintf(out, bytes, "%s", path);
        return;
    }
    len = (int)strcspn(at, "/");
    if (*at == '@' && at[len])
        len += 1 + (int)strcspn(at + len + 1, "/");
    snprintf(out, bytes, "node_modules/%.*s", len, at);
}

static json_t *report_of(const struct building *b, const json_t *meta, const json_t *output)
{
    json_t *sums = json_object(), *largest = json_array();
    const char *path, *library = strrchr(b->options->library, '/');
    json_t *input;
    void *next;

    json_object_foreach(json_object_get(output, "inputs"), path, input)
    {
        char name[256];
        json_int_t bytes = json_integer_value(json_object_get(input, "bytesInOutput"));

        name_of_input(name, sizeof(name), path, library ? library : "/");
        bytes += json_integer_value(json_object_get(sums, name));
        json_object_set_new(sums, name, json_integer(bytes));
    }
    for (size_t i = 0; i < b->pack->count; i++)
        if (strcmp(b->pack->file[i].kind, "map") && strcmp(b->pack->file[i].kind, "esm") &&
            strcmp(b->pack->file[i].kind, "script"))
            json_object_set_new(sums, b->pack->file[i].name,
                                json_integer((json_int_t)b->pack->file[i].len));
    for (int i = 0; i < PROJECT_LARGEST && json_object_size(sums); i++) {
        const char *most = NULL;
        json_int_t bytes = -1;

        json_object_foreach_safe(sums, next, path, input)
        {
            if (json_integer_value(input) > bytes) {
                bytes = json_integer_value(input);
                most = path;
            }
        }
        json_array_append_new(largest,
                              json_pack("{s:s, s:I}", "name", most, "bytes", (json_int_t)bytes));
        json_object_del(sums, most);
    }
    json_decref(sums);
    return json_pack("{s:I, s:o}", "inputs",
                     (json_int_t)json_object_size(json_object_get(meta, "inputs")), "largest",
                     largest);
}

/* ---- all of it ---- */

static const char *leaf_of(const char *path)
{
    return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

/* A script that exports nothing is a service worker. */
static const char *kind_of_main(const json_t *output)
{
    return json_array_size(json_object_get(output, "exports")) ? "esm" : "script";
}

static int add_output(struct building *b, int out, const char *path, const json_t *output)
{
    const char *leaf = leaf_of(path), *kind, *from;
    json_t *input;

    if (json_object_get(output, "entryPoint"))
        return pack_add_file(b->pack, out, leaf, leaf, kind_of_main(output));
    json_object_foreach(json_object_get(output, "inputs"), from, input)
    {
        kind = project_kind_of(b, from);
        if (kind)
            return pack_add_file(b->pack, out, leaf, leaf, kind);
        break;
    }
    json_array_append_new(b->warnings,
                          json_pack("{s:i, s:s, s:o}", "line", 0, "key", "main", "text",
                                    json_sprintf("makes %s, which a script cannot use: "
                                                 "it is left out",
                                                 leaf)));
    return 0;
}

int project_collect(struct building *b, char **main_name, json_t **report)
{
    char link[64], project[PATH_MAX] = "";
    int out = open(b->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    json_t *meta = out < 0 ? NULL : project_read_json(b, b->out, "meta.json"), *output;
    const json_t *main_output = NULL;
    const char *path, *main_path = NULL;

    if (!meta) {
        if (out >= 0)
            close(out);
        return -1;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", b->dir);
    if (readlink(link, project, sizeof(project) - 1) < 0)
        project[0] = 0;
    json_object_foreach(json_object_get(meta, "outputs"), path, output)
    {
        if (rc)
            break;
        if (json_object_get(output, "entryPoint")) {
            main_output = output;
            main_path = path;
        }
        if (!rc)
            rc = !strcmp(path + strlen(path) - 4, ".map")
                     ? (strstr(leaf_of(path), ".js.map") ? add_map(b, leaf_of(path), project) : 0)
                     : add_output(b, out, path, output);
    }
    if (!rc && !main_output)
        rc = refuse(b->fault, "esbuild has made no main module");
    if (!rc) {
        *main_name = strdup(leaf_of(main_path));
        *report = report_of(b, meta, main_output);
    }
    json_decref(meta);
    close(out);
    return rc;
}
