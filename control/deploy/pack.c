#include "control/deploy/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/deploy/bundle_options.h"

bool pack_name_is_good(const char *name)
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

uint8_t *pack_read(int dir, const char *name, size_t max, size_t *len, const struct fault *f)
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

int pack_add(struct pack *p, const char *name, const char *kind, uint8_t *bytes, size_t len)
{
    char *copy = strdup(name);

    if (!copy) {
        free(bytes);
        return refuse(&p->fault, "no memory");
    }
    if (p->count == START_MODULES_MAX || !pack_name_is_good(name)) {
        free(copy);
        free(bytes);
        if (p->count == START_MODULES_MAX)
            return refuse(&p->fault, "more than %d modules", START_MODULES_MAX);
        return refuse(&p->fault, "%s: a name of at most %d plain bytes is needed", name,
                      BUNDLE_MODULE_NAME_BYTES_MAX);
    }
    p->file[p->count++] = (struct file){copy, kind, bytes, len};
    p->bytes += len;
    if (p->bytes > BUNDLE_BYTES_MAX)
        return refuse(&p->fault, "more than %d bytes of modules", BUNDLE_BYTES_MAX);
    return 0;
}

int pack_add_file(struct pack *p, int dir, const char *leaf, const char *name, const char *kind)
{
    size_t len = 0;
    uint8_t *bytes;

    /* Before it is read: there may be very many. */
    if (p->count == START_MODULES_MAX)
        return refuse(&p->fault, "more than %d modules", START_MODULES_MAX);
    bytes = pack_read(dir, leaf, BUNDLE_BYTES_MAX, &len, &p->fault);
    return bytes ? pack_add(p, name, kind, bytes, len) : -1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

void pack_sort(struct pack *p)
{
    qsort(p->file, p->count, sizeof(p->file[0]), by_name);
}

json_t *pack_modules(const struct pack *p)
{
    json_t *modules = json_array();

    for (size_t i = 0; i < p->count; i++) {
        const struct file *f = &p->file[i];
        json_t *module = json_pack("{s:s, s:I}", "name", f->name, "bytes", (json_int_t)f->len);

        if (f->kind)
            json_object_set_new(module, "kind", json_string(f->kind));
        json_array_append_new(modules, module);
    }
    return modules;
}

void pack_fini(struct pack *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->file[i].name);
        free(p->file[i].bytes);
    }
    p->count = 0;
}
