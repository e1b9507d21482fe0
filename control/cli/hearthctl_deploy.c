/* deploy and build: a directory becomes a bundle (bundle.h), which is sent, or written down. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "control/base/clean.h"
#include "control/base/json_field.h"
#include "control/cli/hearthctl.h"
#include "control/cli/hearthctl_print.h"
#include "control/config/install.h"
#include "control/deploy/bundle.h"

/* For people on standard error; for machines they are in the reply. */
static void print_warnings(const struct bundle *b)
{
    json_t *all = json_deep_copy(b->warnings);
    const json_t *warning;
    size_t i;

    clean_json(all, CLEAN_LINE);
    json_array_foreach(all, i, warning)
    {
        char line[24] = "";

        if (field_number(warning, "line"))
            snprintf(line, sizeof(line), ":%lld", field_number(warning, "line"));
        fprintf(stderr, "hearthctl: %s%s: warning: \"%s\" %s\n", b->wrangler, line,
                field_text(warning, "key"), field_text(warning, "text"));
    }
    json_decref(all);
}

/* Warnings are the options' too, for whatever is said from then on. */
static int pack(struct options *o, struct bundle *b)
{
    struct install_tools tools;
    struct bundle_options with = {.env = o->env, .has_dev_vars = o->has_dev_vars};
    char error[4096];
    int rc;

    install_find_tools(&tools);
    with.node = access(tools.node_exe, X_OK) ? NULL : tools.node_exe;
    with.esbuild = access(tools.esbuild, X_OK) ? NULL : tools.esbuild;
    with.library = access(tools.library, R_OK) ? NULL : tools.library;
    rc = bundle_pack(o->argv[0], &with, b, error, sizeof(error));
    o->warnings = b->warnings;
    if (!o->is_json)
        print_warnings(b);
    return rc ? hearthctl_fail(o, REFUSED, error) : DONE;
}

/* ---- how large it is ---- */

/* Of all modules as one stream; 0: no memory. */
static uint64_t gzip_bytes(const uint8_t *bytes, size_t len)
{
    uint8_t out[65536];
    z_stream z = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)len};
    uint64_t sum = 0;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY))
        return 0;
    do {
        z.next_out = out;
        z.avail_out = sizeof(out);
        deflate(&z, Z_FINISH);
        sum += sizeof(out) - z.avail_out;
    } while (z.avail_out == 0);
    deflateEnd(&z);
    return sum;
}

/* What runs, and beside it source maps, which are counted by themselves. */
static json_t *size_of(const struct bundle *b)
{
    const json_t *modules = json_object_get(b->manifest, "modules"), *module;
    uint8_t *code = malloc(b->bytes + 1);
    size_t at = 0, len = 0, i;
    json_t *size = json_object();

    json_array_foreach(modules, i, module)
    {
        size_t bytes = (size_t)json_integer_value(json_object_get(module, "bytes"));
        const char *kind = json_string_value(json_object_get(module, "kind"));

        if (code && (!kind || strcmp(kind, "map"))) {
            memcpy(code + len, b->modules + at, bytes);
            len += bytes;
        }
        at += bytes;
    }
    json_object_set_new(size, "bytes", json_integer((json_int_t)len));
    json_object_set_new(size, "gzip_bytes", json_integer((json_int_t)gzip_bytes(code, len)));
    json_object_set_new(size, "map_bytes", json_integer((json_int_t)(b->bytes - len)));
    json_object_set_new(size, "modules", json_integer((json_int_t)json_array_size(modules)));
    if (b->report)
        json_object_update(size, b->report);
    free(code);
    return size;
}

static double kib(const json_t *j, const char *key)
{
    return (double)field_number(j, key) / 1024;
}

static void print_size(const json_t *given)
{
    json_t *size = json_deep_copy(given);
    const json_t *input;
    size_t i;

    clean_json(size, CLEAN_LINE);
    printf("Total Upload: %.2f KiB / gzip: %.2f KiB\n", kib(size, "bytes"),
           kib(size, "gzip_bytes"));
    json_array_foreach(json_object_get(size, "largest"), i, input)
    {
        printf("%10.2f KiB  %s\n", kib(input, "bytes"), field_text(input, "name"));
    }
    json_decref(size);
}

/* ---- deploy ---- */

static int send_bundle(const struct options *o, const struct bundle *b, json_t **reply)
{
    int fd, rc = hearthctl_reach(o, &fd);

    if (rc)
        return rc;
    rc = hearthctl_ask_on(o, fd,
                          json_pack("{s:s, s:O, s:I}", "command", "deploy", "manifest", b->manifest,
                                    "payload", (json_int_t)b->bytes),
                          b->modules, b->bytes, reply);
    close(fd);
    return rc;
}

int hearthctl_deploy(const struct options *options, const struct command *c)
{
    struct options with = *options, *o = &with;
    struct bundle b;
    json_t *reply = NULL, *size = NULL;
    int rc = pack(o, &b);

    if (!rc) {
        size = size_of(&b);
        if (!o->is_json)
            print_size(size);
        rc = send_bundle(o, &b, &reply);
    }
    if (reply) {
        json_object_set(reply, "warnings", b.warnings);
        json_object_set(reply, "size", size);
        hearthctl_show(o, reply, c->print);
    }
    json_decref(size);
    bundle_fini(&b);
    return rc;
}

/* ---- build ---- */

/* Makes the directories of a path below dir. */
static int make_dirs(int dir, const char *path)
{
    char part[PATH_MAX];

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (mkdirat(dir, part, 0777) && errno != EEXIST)
            return -1;
    }
    return 0;
}

static int write_file(int dir, const char *name, const void *bytes, size_t len)
{
    int fd, rc;
    FILE *file;

    if (make_dirs(dir, name))
        return -1;
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return -1;
    rc = fwrite(bytes, 1, len, file) == len ? 0 : -1;
    return fclose(file) ? -1 : rc;
}

static int write_bundle(const struct bundle *b, int dir)
{
    const json_t *module;
    char *text = json_dumps(b->manifest, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    size_t at = 0, i;
    int rc = text ? write_file(dir, "manifest.json", text, strlen(text)) : -1;

    free(text);
    json_array_foreach(json_object_get(b->manifest, "modules"), i, module)
    {
        size_t bytes = (size_t)json_integer_value(json_object_get(module, "bytes"));
        char name[BUNDLE_MODULE_NAME_BYTES_MAX + 16];

        snprintf(name, sizeof(name), "modules/%s",
                 json_string_value(json_object_get(module, "name")));
        if (!rc)
            rc = write_file(dir, name, b->modules + at, bytes);
        at += bytes;
    }
    return rc;
}

static void print_build(const json_t *j)
{
    print_size(json_object_get(j, "size"));
    printf("%s %s\n", field_text(j, "name"), field_text(j, "out"));
}

int hearthctl_build(const struct options *options, const struct command *c)
{
    struct options with = *options, *o = &with;
    char out[PATH_MAX], error[PATH_MAX + 64];
    struct bundle b;
    int dir = -1, rc = pack(o, &b);

    if (o->out)
        snprintf(out, sizeof(out), "%s", o->out);
    else
        snprintf(out, sizeof(out), "%s/.hearth/build", o->argv[0]);
    if (!rc) {
        if (make_dirs(AT_FDCWD, out) || (mkdir(out, 0777) && errno != EEXIST) ||
            (dir = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || write_bundle(&b, dir)) {
            snprintf(error, sizeof(error), "%s: %s", out, strerror(errno));
            rc = hearthctl_fail(o, REFUSED, error);
        }
    }
    if (dir >= 0)
        close(dir);
    if (!rc)
        hearthctl_show(o,
                       json_pack("{s:b, s:O, s:s, s:o, s:O}", "ok", 1, "name",
                                 json_object_get(b.manifest, "name"), "out", out, "size",
                                 size_of(&b), "warnings", b.warnings),
                       print_build);
    bundle_fini(&b);
    return rc;
}
