/* fuzz_wrangler: any bytes as wrangler.jsonc and as a module: every key that is told is in the
 * file, and every specifier in the text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "control/deploy/dev_vars.h"
#include "control/deploy/jsonc.h"
#include "control/deploy/module_head.h"
#include "control/deploy/wrangler.h"

static void read_dev_vars(const char *data, size_t size)
{
    char error[256] = "", *text = strndup(data, size);
    json_t *vars = json_object();

    assert(!dev_vars_read("d", text, vars, &(struct fault){error, sizeof(error)}) || error[0]);
    json_decref(vars);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint32_t line, lines;
};

static bool see(void *arg, const struct jsonc_key *key)
{
    struct seen *seen = arg;

    assert(key->line >= seen->line && key->line <= seen->lines);
    assert(strlen(key->path) < JSONC_PATH_BYTES_MAX);
    assert(key->name >= key->path && key->name <= key->path + strlen(key->path));
    seen->line = key->line;
    return true;
}

static void read_config(const char *text, size_t bytes)
{
    char error[512] = "";
    struct seen seen = {1, 1};
    json_t *root = jsonc_parse(text, bytes, error, sizeof(error)), *warnings = json_array();

    for (size_t i = 0; i < bytes; i++)
        seen.lines += text[i] == '\n';
    if (root) {
        bool walked = jsonc_walk(text, bytes, root, see, &seen);
        const char *const envs[] = {NULL, "dev"};
        struct wrangler_text t = {.file = "w",
                                  .text = text,
                                  .bytes = bytes,
                                  .root = root,
                                  .env = envs[bytes % 2],
                                  .has_lines = true};
        bool is_good = wrangler_judge(&t, warnings, error, sizeof(error));

        assert(walked && (is_good || error[0]));
    }
    json_decref(warnings);
    json_decref(root);
}

static void read_module(const char *text, size_t bytes)
{
    struct module_head h;
    struct module_import m;

    module_head_init(&h, text, bytes);
    while (module_head_next(&h, &m)) {
        assert(m.specifier > text && m.specifier + m.bytes < text + bytes && m.line >= 1);
        assert(m.specifier[-1] == m.specifier[m.bytes]); /* its quotes */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_config((const char *)data, size);
    read_module((const char *)data, size);
    read_dev_vars((const char *)data, size);
    return 0;
}
