/* module.h
 *
 * ES modules of a script inside one isolate: compile, link within the bundle, run. Imports are
 * files of the bundle: JavaScript, JSON (default export: the value) or text (default export: the
 * string). Inside a scope of the isolate.
 */
#ifndef HEARTH_WORKER_MODULE_H
#define HEARTH_WORKER_MODULE_H

#include "runtime/libv8c/v8c.h"

struct isolate;

enum {
    MODULE_CODE_WORTH_BYTES = 16384, /* smaller sources compile as fast as their code loads */
    MODULE_CODE_BYTES_MAX =
        64 << 20, /* of all scripts of the process; what a forgotten script kept stays counted */
};

/* Compiles and links the main module and all that it imports. NULL: error says why. */
struct v8c_module *module_compile_main(struct isolate *, struct v8c_error *);
/* Runs its top level. Its namespace, or NULL: error says why. A top level that still waits when all
 * microtasks have run fails: nothing could ever wake it. */
struct v8c_value *module_run_main(struct isolate *, struct v8c_module *, struct v8c_error *);

/* v8c_isolate_params.on_import */
struct v8c_value *module_import(struct v8c_isolate *, struct v8c_value *referrer_name,
                                struct v8c_value *specifier);

/* Keeps the compiled code of the isolate's larger modules with the script, for its next cold start.
 */
void module_keep_code(struct isolate *);

#endif
