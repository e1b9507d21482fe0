#include "runtime/worker/module.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/script.h"
#include "runtime/worker/web.h"

void module_set_init(struct module_set *set, struct v8c_isolate *v8, const struct script *script)
{
    *set = (struct module_set){.v8 = v8, .script = script};
    set->compiled = calloc(script->module_count, sizeof(*set->compiled));
    assert(set->compiled);
}

void module_set_fini(struct module_set *set)
{
    for (size_t n = 0; n < set->count; n++)
        v8c_global_free(set->compiled[n].module);
    for (size_t n = 0; n < set->builtin_count; n++) {
        free(set->builtin[n]);
        v8c_global_free(set->builtin_module[n]);
    }
    free(set->compiled);
    *set = (struct module_set){0};
}

static struct module_compiled *compiled(struct module_set *set, struct script_module *source)
{
    for (size_t n = 0; n < set->count; n++)
        if (set->compiled[n].source == source)
            return &set->compiled[n];
    return NULL;
}

static void source_gone(void *arg)
{
    /* The text is the script's mapping, which lives as long as the cell. */
}

static struct v8c_value *text_of(struct module_set *set, struct script_module *source)
{
    if (source->is_ascii && source->len > 0)
        return v8c_string_external(set->v8, source->text, source->len, source_gone, NULL);
    return v8c_string_utf8(set->v8, source->text, source->len);
}

static struct v8c_value *bytes_of(struct module_set *set, struct script_module *source)
{
    struct v8c_value *buffer = v8c_array_buffer_new(set->v8, source->len);
    if (buffer && source->len)
        memcpy(v8c_bytes_of(buffer).data, source->text, source->len);
    return buffer;
}

/* The default export of what is no JavaScript. NULL as of compile. */
static struct v8c_value *value_of(struct module_set *set, struct script_module *source,
                                  struct v8c_error *error)
{
    switch (source->kind) {
    case MODULE_JSON:
        return v8c_json_parse(set->v8, text_of(set, source), error);
    case MODULE_DATA:
        return bytes_of(set, source);
    case MODULE_WASM:
        return v8c_wasm_compile(set->v8, source->text, source->len, error);
    default:
        return text_of(set, source);
    }
}

/* NULL: *error is set, or with error NULL the exception is pending. */
static struct v8c_module *compile(struct module_set *set, struct script_module *source,
                                  struct v8c_error *error)
{
    struct module_compiled *known = compiled(set, source);
    if (known)
        return v8c_global_get_module(known->module);

    struct v8c_module *module;
    if (source->kind == MODULE_JS) {
        struct v8c_source from = {.name = source->name, .text = text_of(set, source)};
        module = v8c_module_compile(set->v8, &from, error);
    } else {
        struct v8c_value *value = value_of(set, source, error);
        struct v8c_value *name = v8c_key(set->v8, "default");
        if (!value)
            return NULL;
        module = v8c_module_synthetic(set->v8, source->name, 1, &name, &value);
    }
    if (module) {
        set->compiled[set->count++] =
            (struct module_compiled){source, v8c_global_new_module(set->v8, module)};
    }
    return module;
}

static struct script_module *source_of(struct module_set *set, const struct v8c_module *module)
{
    for (size_t n = 0; n < set->count; n++)
        if (v8c_module_same(v8c_global_get_module(set->compiled[n].module), module))
            return set->compiled[n].source;
    return NULL;
}

/* The runtime's own module of that name, or NULL: there is none; *error is set if that is an error.
 */
static struct v8c_module *builtin(struct module_set *set, const char *name, struct v8c_error *error)
{
    struct v8c_value *values[MODULE_BUILTIN_EXPORTS_MAX], *names[MODULE_BUILTIN_EXPORTS_MAX];
    struct v8c_value *key = v8c_key(set->v8, name), *exports, *list;
    for (size_t n = 0; n < set->builtin_count; n++)
        if (strcmp(set->builtin[n], name) == 0)
            return v8c_global_get_module(set->builtin_module[n]);
    if (set->builtin_count == MODULE_BUILTINS_MAX)
        return NULL;
    exports = v8c_function_call(set->v8, v8c_slot(set->v8, WEB_BUILTIN), NULL, 1, &key, error);
    if (!exports || !v8c_is(exports, V8C_OBJECT) || !(list = v8c_keys(set->v8, exports, error)))
        return NULL;
    uint32_t count = v8c_array_length(list);
    assert(count <= MODULE_BUILTIN_EXPORTS_MAX);
    for (uint32_t n = 0; n < count; n++) {
        names[n] = v8c_get_index(set->v8, list, n, error);
        values[n] = names[n] ? v8c_get(set->v8, exports, names[n], error) : NULL;
        if (!values[n])
            return NULL;
    }
    struct v8c_module *module = v8c_module_synthetic(set->v8, name, count, names, values);
    set->builtin[set->builtin_count] = strdup(name);
    set->builtin_module[set->builtin_count++] = v8c_global_new_module(set->v8, module);
    return module;
}

static void name_of(struct module_set *set, struct v8c_value *specifier,
                    char name[SCRIPT_NAME_BYTES_MAX])
{
    size_t len = v8c_string_write_utf8(set->v8, specifier, name, SCRIPT_NAME_BYTES_MAX - 1);
    name[len] = '\0';
}

/* What `specifier` means for `referrer`, or NULL and an exception for when the bundle has no such
 * file. */
static struct script_module *find(struct module_set *set, const char *referrer,
                                  struct v8c_value *specifier, struct v8c_value **exception)
{
    char name[SCRIPT_NAME_BYTES_MAX], text[2 * SCRIPT_NAME_BYTES_MAX + 64];
    name_of(set, specifier, name);
    struct script_module *found = script_resolve(set->script, referrer, name);
    if (!found || found->kind == MODULE_MAP || found->kind == MODULE_SCRIPT) {
        found = NULL;
        snprintf(text, sizeof(text), "No such module \"%s\", imported from \"%s\"", name, referrer);
        *exception = v8c_exception_new(set->v8, V8C_PLAIN_ERROR, text);
    }
    return found;
}

/* One of the bundle, else one of the runtime's own. NULL as of compile. */
static struct v8c_module *module_of(struct module_set *set, const char *referrer,
                                    struct v8c_value *specifier, struct v8c_error *error)
{
    char name[SCRIPT_NAME_BYTES_MAX];
    struct v8c_value *exception;
    struct script_module *source = find(set, referrer, specifier, &exception);
    if (source)
        return compile(set, source, error);
    name_of(set, specifier, name);
    struct v8c_error none = {0};
    struct v8c_module *own = builtin(set, name, &none);
    if (own || none.kind == V8C_TERMINATED)
        return own;
    if (error)
        v8c_error_describe(set->v8, exception, error);
    else
        v8c_throw(set->v8, exception);
    return NULL;
}

static struct v8c_module *resolve(struct v8c_isolate *v8, struct v8c_module *referrer,
                                  struct v8c_value *specifier, struct v8c_value *type, void *arg)
{
    struct module_set *set = arg;
    const struct script_module *from = source_of(set, referrer);
    return module_of(set, from ? from->name : "", specifier, NULL);
}

struct v8c_value *module_run_script(struct module_set *set, struct v8c_error *error)
{
    struct script_module *source = &set->script->modules[set->script->main];
    struct v8c_source from = {.name = source->name, .text = text_of(set, source)};
    struct v8c_value *done = v8c_script_run(set->v8, &from, error);
    return done && v8c_microtasks_run(set->v8, error) ? done : NULL;
}

struct v8c_module *module_compile_main(struct module_set *set, struct v8c_error *error)
{
    struct v8c_module *main = compile(set, &set->script->modules[set->script->main], error);
    return main && v8c_module_instantiate(set->v8, main, resolve, set, error) ? main : NULL;
}

struct v8c_value *module_run_main(struct module_set *set, struct v8c_module *main,
                                  struct v8c_error *error)
{
    struct v8c_value *done = v8c_module_evaluate(set->v8, main, error);
    if (!done)
        return NULL;
    v8c_promise_mark_handled(done);
    if (!v8c_microtasks_run(set->v8, error))
        return NULL;
    while (v8c_promise_state(done) == V8C_PENDING && v8c_pump(set->v8))
        if (!v8c_microtasks_run(set->v8, error))
            return NULL;
    if (v8c_promise_state(done) == V8C_FULFILLED)
        return v8c_module_namespace(main);
    struct v8c_value *why =
        v8c_promise_state(done) == V8C_REJECTED
            ? v8c_promise_result(done)
            : v8c_exception_new(set->v8, V8C_PLAIN_ERROR,
                                "The top-level await of the script never finishes");
    v8c_error_describe(set->v8, why, error);
    return NULL;
}

struct v8c_value *module_import(struct module_set *set, struct v8c_value *referrer_name,
                                struct v8c_value *specifier)
{
    struct v8c_isolate *v8 = set->v8;
    char referrer[SCRIPT_NAME_BYTES_MAX];
    size_t len = 0;
    if (v8c_is(referrer_name, V8C_STRING))
        len = v8c_string_write_utf8(v8, referrer_name, referrer, sizeof(referrer) - 1);
    referrer[len] = '\0';
    struct v8c_error error = {0};
    struct v8c_module *module = module_of(set, referrer, specifier, &error);
    struct v8c_value *done = NULL;
    if (module && v8c_module_instantiate(v8, module, resolve, set, &error))
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
