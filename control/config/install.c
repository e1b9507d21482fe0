#include "control/config/install.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void find(conf_path out, const char *dir, const char *const *candidates)
{
    if (out[0])
        return;
    for (; *candidates; candidates++) {
        char path[2 * PATH_MAX], *real;

        snprintf(path, sizeof(path), "%s/%s", **candidates == '/' ? "" : dir, *candidates);
        real = realpath(path, NULL);
        if (real && strlen(real) < CONF_PATH_BYTES_MAX)
            strcpy(out, real);
        free(real);
        if (out[0])
            return;
    }
    snprintf(out, CONF_PATH_BYTES_MAX, "/usr/lib/hearth/%s", strrchr(candidates[-1], '/') + 1);
}

static const char *const engines[] = {HEARTH_NODE_EXE, "../lib/hearth/node", NULL};

/* Where the running executable lies. */
static void find_dir(char dir[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", dir, PATH_MAX - 1);

    dir[len > 0 ? len : 0] = 0;
    if (strrchr(dir, '/'))
        *strrchr(dir, '/') = 0;
}

void install_find(struct conf_cells *r)
{
    static const char *const programs[] = {"../runtime/worker/hearth-runtime.so",
                                           "../lib/hearth/hearth-runtime.so", NULL};
    static const char *const blobs[] = {"../runtime/worker/base.blob", "../lib/hearth/base.blob",
                                        NULL};
    char dir[PATH_MAX];

    find_dir(dir);
    find(r->program, dir, programs);
    find(r->blob, dir, blobs);
    find(r->node_exe, dir, engines);
}

void install_find_tools(struct install_tools *t)
{
    static const char *const bundlers[] = {HEARTH_ESBUILD_EXE, "../lib/hearth/esbuild", NULL};
    static const char *const libraries[] = {"../runtime/node/library", "../lib/hearth/library",
                                            NULL};
    char dir[PATH_MAX];

    *t = (struct install_tools){0};
    find_dir(dir);
    find(t->node_exe, dir, engines);
    find(t->esbuild, dir, bundlers);
    find(t->library, dir, libraries);
}

bool install_check(const struct conf *conf, struct conf_verdict *v)
{
    struct conf_cells r = conf->cells;
    uint32_t before = v->count;
    char error[CONF_PATH_BYTES_MAX + 128];

    install_find(&r);
    if (!install_is_good(INSTALL_NODE_EXE, r.node_exe, error, sizeof(error)))
        conf_complain(v, r.node_exe_line, "cells.node_exe: %s", error);
    if (!install_is_good(INSTALL_PROGRAM, r.program, error, sizeof(error)))
        conf_complain(v, r.program_line, "cells.program: %s", error);
    if (!install_is_good(INSTALL_BLOB, r.blob, error, sizeof(error)))
        conf_complain(v, r.blob_line, "cells.blob: %s", error);
    return v->count == before;
}
