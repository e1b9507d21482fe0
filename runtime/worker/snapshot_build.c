/* snapshot_build BUNDLE BLOB: runs the web platform's bundle in an empty isolate and freezes what
 * it leaves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/libv8c/v8c_host.h"
#include "runtime/worker/engine.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/web.h"

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        *len = (size_t)ftell(f);
        text = malloc(*len);
        rewind(f);
        if (!text || fread(text, 1, *len, f) != *len)
            *len = 0;
    }
    if (f)
        fclose(f);
    return text;
}

/* The bundle finds the natives in __host and leaves the worker's entry points in __entries. */
static bool run_bundle(struct v8c_isolate *v8, const char *text, size_t len,
                       struct v8c_error *error)
{
    struct v8c_value *global = v8c_global_this(v8);
    struct v8c_value *entries_key = v8c_key(v8, "__entries");
    struct v8c_source source = {.name = "hearth:web", .text = v8c_string_utf8(v8, text, len)};
    if (!v8c_define(v8, global, v8c_key(v8, "__host"), natives_object(v8), error) ||
        !v8c_script_run(v8, &source, error) || !v8c_microtasks_run(v8, error))
        return false;
    struct v8c_value *entries = v8c_get(v8, global, entries_key, error);
    if (!entries || !v8c_is(entries, V8C_ARRAY) || v8c_array_length(entries) != WEB_ENTRIES)
        return false;
    for (uint32_t i = 0; i < WEB_ENTRIES; i++) {
        struct v8c_value *entry = v8c_get_index(v8, entries, i, error);
        if (!entry || !v8c_is(entry, V8C_FUNCTION))
            return false;
        v8c_slot_set(v8, i, entry);
    }
    return v8c_delete(v8, global, entries_key, error);
}

int v8c_main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: snapshot_build BUNDLE BLOB\n");
        return 2;
    }
    size_t len = 0;
    char *text = read_file(argv[1], &len);
    if (!text || len == 0) {
        fprintf(stderr, "snapshot_build: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    engine_start(NULL);
    /* webidl.js compiles what it declares; isolates that run scripts may not. */
    const struct v8c_isolate_params params = {.natives = natives_all(), .may_eval = true};
    const char *why = NULL;
    struct v8c_isolate *v8 = v8c_snapshot_new(&params, &why);
    if (!v8) {
        fprintf(stderr, "snapshot_build: %s\n", why);
        return 1;
    }
    struct v8c_context *context = v8c_context_new(v8);
    struct v8c_scope scope;
    struct v8c_error error = {0};
    v8c_scope_enter(&scope, v8, context);
    bool ok = run_bundle(v8, text, len, &error);
    v8c_scope_exit(&scope);
    if (!ok) {
        fprintf(stderr, "snapshot_build: %s:%d:%d: %s\n%s\n", error.name, error.line, error.column,
                error.text, error.stack);
        return 1;
    }
    struct v8c_blob blob;
    if (!v8c_snapshot_take(v8, context, true, &blob)) {
        fprintf(stderr, "snapshot_build: the heap cannot be frozen\n");
        return 1;
    }
    FILE *f = fopen(argv[2], "wb");
    ok = f && fwrite(blob.data, 1, blob.len, f) == blob.len;
    if (!f || fclose(f) != 0 || !ok) {
        fprintf(stderr, "snapshot_build: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    return 0;
}
