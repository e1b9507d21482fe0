/* project_parts.h
 *
 * A project while it is built. Of project.c, which asks esbuild, and project_collect.c, which reads
 * what it has made.
 */
#ifndef HEARTH_PROJECT_PARTS_H
#define HEARTH_PROJECT_PARTS_H

#include <limits.h>

#include "control/deploy/project.h"

enum { PROJECT_ARGS_MAX = 1024, PROJECT_PAIRS_MAX = 256, PROJECT_META_BYTES_MAX = 64 << 20 };

/* Which files are not JavaScript, and what they are to the runtime. */
struct rule {
    char ext[PROJECT_EXT_BYTES_MAX];
    const char *kind;
};

struct building {
    struct pack *pack;
    const struct fault *fault;
    int dir;
    const struct bundle_options *options;
    json_t *warnings;
    struct rule rule[PROJECT_RULES_MAX];
    size_t rule_count;
    char out[PATH_MAX]; /* a directory of its own, removed at the end */
    char *argv[PROJECT_ARGS_MAX + 1];
    size_t argc;
};

/* Is it the name of a module of Node.js, with or without "node:"? */
bool project_is_node_name(const char *name, size_t len);

/* NULL: JavaScript. */
const char *project_kind_of(const struct building *, const char *name);

/* A file of esbuild's, or of ours. NULL and a reason. */
json_t *project_read_json(const struct building *, const char *dir, const char *name);

/* What esbuild has left in out becomes modules. */
int project_collect(struct building *, char **main_name, json_t **report);

#endif
