/* hello.c: a module that greets, called from C. Run: v8c-run hello.so NAME */
#include "v8c.h"
#include "v8c_host.h"

#include <stdio.h>
#include <string.h>

static void shout(struct v8c_call *call)
{
    char text[256];
    struct v8c_value *word = v8c_to_string(call->isolate, v8c_call_arg(call, 0), NULL);
    if (!word)
        return; /* the exception is thrown to the script */
    size_t len = v8c_string_write_latin1(call->isolate, word, (uint8_t *)text, sizeof text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] -= 'a' - 'A';
    }
    v8c_call_return(call, v8c_string_latin1(call->isolate, text, len));
}

static const struct v8c_native_entry natives[] = {{"shout", shout}, {0}};

static const char source[] = "const greeting = 'hello, ';\n"
                             "export default async function (name) {\n"
                             "    await null;\n"
                             "    return shout(greeting + name);\n"
                             "}\n";

static struct v8c_module *no_imports(struct v8c_isolate *isolate, struct v8c_module *referrer,
                                     struct v8c_value *specifier, struct v8c_value *type, void *arg)
{
    v8c_throw_new(isolate, V8C_TYPE_ERROR, "nothing can be imported here");
    return NULL;
}

static bool greet(struct v8c_isolate *isolate, const char *name, struct v8c_error *error)
{
    struct v8c_value *native = v8c_function_new(isolate, 0);
    if (!v8c_set(isolate, v8c_global_this(isolate), v8c_key(isolate, "shout"), native, error))
        return false;

    struct v8c_source code = {.name = "hello.js",
                              .text = v8c_string_latin1(isolate, source, strlen(source))};
    struct v8c_module *module = v8c_module_compile(isolate, &code, error);
    if (!module || !v8c_module_instantiate(isolate, module, no_imports, NULL, error) ||
        !v8c_module_evaluate(isolate, module, error))
        return false;

    struct v8c_value *exports = v8c_module_namespace(module);
    struct v8c_value *handler = v8c_get(isolate, exports, v8c_key(isolate, "default"), error);
    struct v8c_value *argv[] = {v8c_string_utf8(isolate, name, strlen(name))};
    struct v8c_value *promise =
        handler ? v8c_function_call(isolate, handler, NULL, 1, argv, error) : NULL;
    if (!promise || !v8c_microtasks_run(isolate, error))
        return false;

    struct v8c_value *answer = v8c_promise_result(promise);
    if (v8c_promise_state(promise) == V8C_REJECTED) {
        v8c_error_describe(isolate, answer, error);
        return false;
    }
    char text[256];
    size_t len = v8c_string_write_utf8(isolate, answer, text, sizeof text);
    printf("%.*s (V8 %s)\n", (int)len, text, v8c_version());
    return true;
}

int v8c_main(int argc, char **argv)
{
    v8c_init(&(struct v8c_init_params){.flags = "--single-threaded-gc", .threads = 1});
    struct v8c_isolate *isolate =
        v8c_isolate_new(&(struct v8c_isolate_params){.natives = natives}, NULL);
    struct v8c_context *context = v8c_context_new(isolate);

    struct v8c_error error;
    struct v8c_scope scope;
    v8c_scope_enter(&scope, isolate, context);
    bool ok = greet(isolate, argc > 1 ? argv[1] : "world", &error);
    v8c_scope_exit(&scope);
    if (!ok)
        fprintf(stderr, "%s\n%s\n", error.text, error.stack);

    v8c_isolate_free(isolate);
    v8c_fini();
    return ok ? 0 : 1;
}
