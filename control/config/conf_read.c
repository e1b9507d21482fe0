/* A text to a struct conf and a verdict: its tree, its shape, libcyaml, its meaning. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/conf.h"
#include "control/config/conf_check.h"
#include "control/config/conf_schema.h"
#include "control/config/yaml_tree.h"

/* libcyaml reports an error and then a backtrace of where it stood; the first line is the reason.
 */
struct cyaml_words {
    char first[256];
};

static void keep_first(cyaml_log_t level, void *arg, const char *format, va_list args)
{
    struct cyaml_words *words = arg;

    if (level < CYAML_LOG_ERROR || words->first[0])
        return;
    vsnprintf(words->first, sizeof(words->first), format, args);
    words->first[strcspn(words->first, "\n")] = 0;
}

static struct conf *load(const char *text, size_t bytes, struct conf_verdict *v)
{
    struct cyaml_words words = {0};
    const cyaml_config_t config = {
        .log_fn = keep_first,
        .log_ctx = &words,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct conf *c = NULL;
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, bytes, &config, &conf_schema,
                                      (cyaml_data_t **)&c, NULL);

    if (err != CYAML_OK)
        conf_complain(v, 0, "%s", words.first[0] ? words.first : cyaml_strerror(err));
    return c;
}

static uint32_t line_of(const struct yaml_node *root, const char *path)
{
    const struct yaml_node *n = yaml_tree_find(root, path);

    return n ? n->line : 0;
}

/* For who loads the files later. */
static void keep_lines(struct conf *c, const struct yaml_node *root)
{
    char path[64];

    for (uint32_t i = 0; i < c->certificates_count; i++) {
        snprintf(path, sizeof(path), "certificates[%u]", i);
        c->certificates[i].line = line_of(root, path);
    }
    c->cells.node_exe_line = line_of(root, "cells.node_exe");
    c->cells.program_line = line_of(root, "cells.program");
    c->cells.blob_line = line_of(root, "cells.blob");
    c->user_line = line_of(root, "user");
    if (c->cluster) {
        c->cluster->key_line = line_of(root, "cluster.key");
        c->cluster->secret_line = line_of(root, "cluster.secret");
        c->cluster->members_line = line_of(root, "cluster.members");
    }
}

static int by_line(const void *a, const void *b)
{
    const struct conf_error *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return strcmp(x->text, y->text);
}

struct conf *conf_parse(const char *text, size_t bytes, struct conf_verdict *v)
{
    char error[200] = "";
    uint32_t line;
    struct yaml_node *root;
    struct conf *c = NULL;

    v->count = 0;
    if (bytes > CONF_FILE_BYTES_MAX) {
        conf_complain(v, 0, "larger than %d bytes", CONF_FILE_BYTES_MAX);
        return NULL;
    }
    root = yaml_tree_parse(text, bytes, &line, error, sizeof(error));
    if (!root) {
        conf_complain(v, line, "%s", error);
        return NULL;
    }
    conf_check_shape(root, &conf_schema, v);
    if (!v->count)
        c = load(text, bytes, v);
    if (c) {
        keep_lines(c, root);
        conf_check_meaning(c, root, v);
    }
    yaml_tree_free(root);
    if (v->count) {
        uint32_t kept = v->count < CONF_ERRORS_MAX ? v->count : CONF_ERRORS_MAX;

        qsort(v->error, kept, sizeof(v->error[0]), by_line);
        conf_free(c);
        c = NULL;
    }
    return c;
}

struct conf *conf_read(const char *file, struct conf_verdict *v)
{
    struct conf *c = NULL;
    FILE *f = fopen(file, "re");
    char *text = NULL;
    size_t bytes = 0;

    v->count = 0;
    if (!f) {
        conf_complain(v, 0, "%s", strerror(errno));
        return NULL;
    }
    text = malloc(CONF_FILE_BYTES_MAX + 1);
    if (text)
        bytes = fread(text, 1, CONF_FILE_BYTES_MAX + 1, f);
    if (!text)
        conf_complain(v, 0, "no memory");
    else if (ferror(f))
        conf_complain(v, 0, "%s", strerror(EIO));
    else
        c = conf_parse(text, bytes, v);
    free(text);
    fclose(f);
    return c;
}
