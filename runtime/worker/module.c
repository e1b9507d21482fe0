#include "runtime/worker/module.h"

#include <stdio.h>
#include <string.h>

#include "runtime/worker/isolate.h"
#include "runtime/worker/script.h"
#include "runtime/worker/worker.h"

static struct isolate_module *compiled(struct isolate *i, struct script_module *source)
{
    for (size_t n = 0; n < i->module_count; n++)
        if (i->modules[n].source == source)
            return &i->modules[n];
    return NULL;
}

static void source_gone(void *arg)
{
    /* The text is the script's mapping, which outlives its isolate. */
}

static struct v8c_value *text_of(struct isolate *i, struct script_module *source)
{
    if (source->is_ascii && source->len > 0)
        return v8c_string_external(i->v8, source->text, source->len, source_gone, NULL);
    return v8c_string_utf8(i->v8, source->text, source->len);
}

/* NULL: *error is set, or with error NULL the exception is pending. */
static struct v8c_module *compile(struct isolate *i, struct script_module *source,
                                  struct v8c_error *error)
{
    struct isolate_module *known = compiled(i, source);
    if (known)
        return v8c_global_get_module(known->module);

    struct v8c_value *text = text_of(i, source);
    struct v8c_module *module;
    if (source->kind == MODULE_JS) {
        struct v8c_source from = {.name = source->name,
                                  .text = text,
                                  .cache = source->cache.data,
                                  .cache_bytes = source->cache.len};
        module = v8c_module_compile(i->v8, &from, error);
    } else {
        struct v8c_value *value =
            source->kind == MODULE_JSON ? v8c_json_parse(i->v8, text, error) : text;
        struct v8c_value *name = v8c_key(i->v8, "default");
        if (!value)
            return NULL;
        module = v8c_module_synthetic(i->v8, source->name, 1, &name, &value);
    }
    if (module) {
        struct isolate_module *m = &i->modules[i->module_count++];
        *m = (struct isolate_module){source, v8c_global_new_module(i->v8, module)};
    }
    return module;
}

static struct script_module *source_of(struct isolate *i, const struct v8c_module *module)
{
    for (size_t n = 0; n < i->module_count; n++)
        if (v8c_module_same(v8c_global_get_module(i->modules[n].module), module))
            return i->modules[n].source;
    return NULL;
}

/* What `specifier` means for `referrer`, or NULL and an exception for when the bundle has no such
 * file. */
static struct script_module *find(struct isolate *i, const char *referrer,
                                  struct v8c_value *specifier, struct v8c_value **exception)
{
    char name[SCRIPT_NAME_BYTES_MAX], text[2 * SCRIPT_NAME_BYTES_MAX + 64];
    size_t len = v8c_string_write_utf8(i->v8, specifier, name, sizeof(name) - 1);
    name[len] = '\0';
    struct script_module *found = script_resolve(i->script, referrer, name);
    if (!found) {
        snprintf(text, sizeof(text), "No such module \"%s\", imported from \"%s\"", name, referrer);
        *exception = v8c_exception_new(i->v8, V8C_PLAIN_ERROR, text);
    }
    return found;
}

static struct v8c_module *resolve(struct v8c_isolate *v8, struct v8c_module *referrer,
                                  struct v8c_value *specifier, struct v8c_value *type, void *arg)
{
    struct isolate *i = arg;
    struct v8c_value *exception;
    const struct script_module *from = source_of(i, referrer);
    struct script_module *source = find(i, from ? from->name : "", specifier, &exception);
    if (source)
        return compile(i, source, NULL);
    v8c_throw(v8, exception);
    return NULL;
}

struct v8c_module *module_compile_main(struct isolate *i, struct v8c_error *error)
{
    struct v8c_module *main = compile(i, &i->script->modules[i->script->main], error);
    return main && v8c_module_instantiate(i->v8, main, resolve, i, error) ? main : NULL;
}

struct v8c_value *module_run_main(struct isolate *i, struct v8c_module *main,
                                  struct v8c_error *error)
{
    struct v8c_value *done = v8c_module_evaluate(i->v8, main, error);
    if (!done)
        return NULL;
    v8c_promise_mark_handled(done);
    if (!v8c_microtasks_run(i->v8, error))
        return NULL;
    while (v8c_promise_state(done) == V8C_PENDING && v8c_pump(i->v8))
        if (!v8c_microtasks_run(i->v8, error))
            return NULL;
    if (v8c_promise_state(done) == V8C_FULFILLED)
        return v8c_module_namespace(main);
    struct v8c_value *why =
        v8c_promise_state(done) == V8C_REJECTED
            ? v8c_promise_result(done)
            : v8c_exception_new(i->v8, V8C_PLAIN_ERROR,
                                "The top-level await of the script never finishes");
    v8c_error_describe(i->v8, why, error);
    return NULL;
}

struct v8c_value *module_import(struct v8c_isolate *v8, struct v8c_value *referrer_name,
                                struct v8c_value *specifier)
{
    struct isolate *i = v8c_isolate_data(v8);
    char referrer[SCRIPT_NAME_BYTES_MAX];
    size_t len = 0;
    if (v8c_is(referrer_name, V8C_STRING))
        len = v8c_string_write_utf8(v8, referrer_name, referrer, sizeof(referrer) - 1);
    referrer[len] = '\0';
    struct v8c_error error = {0};
    struct script_module *source = find(i, referrer, specifier, &error.exception);
    struct v8c_module *module = source ? compile(i, source, &error) : NULL;
    struct v8c_value *done = NULL;
    if (module && v8c_module_instantiate(v8, module, resolve, i, &error))
        done = v8c_module_evaluate(v8, module, &error);
    if (done) {
        struct v8c_value *then_namespace = v8c_function_new_with(
            v8, (unsigned)v8c_native_index(v8, "constant"), v8c_module_namespace(module));
        return v8c_promise_then(v8, done, then_namespace, NULL, NULL);
    }
    if (!error.exception)
        return NULL; /* terminated */
    struct v8c_value *failed = v8c_promise_new(v8, NULL);
    if (failed)
        v8c_promise_reject(v8, failed, error.exception);
    return failed;
}

void module_keep_code(struct isolate *i)
{
    struct worker *w = i->worker;
    for (size_t n = 0; n < i->module_count; n++) {
        struct script_module *source = i->modules[n].source;
        if (source->kind != MODULE_JS || source->len < MODULE_CODE_WORTH_BYTES ||
            source->cache.data || w->code_bytes >= MODULE_CODE_BYTES_MAX)
            continue;
        if (v8c_module_cache(i->v8, v8c_global_get_module(i->modules[n].module), &source->cache))
            w->code_bytes += source->cache.len;
    }
}
