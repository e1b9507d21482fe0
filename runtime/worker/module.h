/* module.h
 *
 * ES modules of the script inside the isolate: compile, link within the bundle, run. Imports are
 * files of the bundle, by the kinds of script.h: what is no JavaScript has a default export, the
 * value, the string, the ArrayBuffer or the WebAssembly.Module. Or they are the runtime's own
 * (runtime/web/builtin.js). Inside a scope of the isolate.
 */
#ifndef HEARTH_WORKER_MODULE_H
#define HEARTH_WORKER_MODULE_H

#include "runtime/libv8c/v8c.h"

struct script;
struct script_module;

/* A module of the script that was compiled. */
struct module_compiled {
    struct script_module *source;
    struct v8c_global *module;
};

enum { MODULE_BUILTINS_MAX = 8, MODULE_BUILTIN_EXPORTS_MAX = 16 };

/* All that were. */
struct module_set {
    struct v8c_isolate *v8;
    const struct script *script;
    struct module_compiled *compiled;   /* room for all of the script's */
    char *builtin[MODULE_BUILTINS_MAX]; /* names of the runtime's own that are used */
    struct v8c_global *builtin_module[MODULE_BUILTINS_MAX];
    size_t builtin_count;
    size_t count;
};

void module_set_init(struct module_set *, struct v8c_isolate *, const struct script *);
void module_set_fini(struct module_set *);

/* Compiles and links the main module and all that it imports. NULL: error says why. */
struct v8c_module *module_compile_main(struct module_set *, struct v8c_error *);
/* Runs its top level. Its namespace, or NULL: error says why. A top level that still waits when all
 * microtasks have run fails: nothing could ever wake it. */
struct v8c_value *module_run_main(struct module_set *, struct v8c_module *, struct v8c_error *);

/* The same of a service worker, which is no module. Its value, or NULL: error says why. */
struct v8c_value *module_run_script(struct module_set *, struct v8c_error *);

/* What v8c_isolate_params.on_import is asked. */
struct v8c_value *module_import(struct module_set *, struct v8c_value *referrer_name,
                                struct v8c_value *specifier);

#endif
