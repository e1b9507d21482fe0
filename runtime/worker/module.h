/* module.h
 *
 * ES modules of the script inside the isolate: compile, link within the bundle, run. Imports are
 * files of the bundle: JavaScript, JSON (default export: the value) or text (default export: the
 * string). Inside a scope of the isolate.
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

/* All that were. */
struct module_set {
    struct v8c_isolate *v8;
    const struct script *script;
    struct module_compiled *compiled; /* room for all of the script's */
    size_t count;
};

void module_set_init(struct module_set *, struct v8c_isolate *, const struct script *);
void module_set_fini(struct module_set *);

/* Compiles and links the main module and all that it imports. NULL: error says why. */
struct v8c_module *module_compile_main(struct module_set *, struct v8c_error *);
/* Runs its top level. Its namespace, or NULL: error says why. A top level that still waits when all
 * microtasks have run fails: nothing could ever wake it. */
struct v8c_value *module_run_main(struct module_set *, struct v8c_module *, struct v8c_error *);

/* What v8c_isolate_params.on_import is asked. */
struct v8c_value *module_import(struct module_set *, struct v8c_value *referrer_name,
                                struct v8c_value *specifier);

#endif
