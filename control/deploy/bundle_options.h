/* bundle_options.h
 *
 * What bounds a bundle, and how a directory is made one: for bundle.h and what it is made of.
 */
#ifndef HEARTH_BUNDLE_OPTIONS_H
#define HEARTH_BUNDLE_OPTIONS_H

#include <stdbool.h>

enum {
    BUNDLE_BYTES_MAX = 32 << 20, /* all modules of a script */
    BUNDLE_WRANGLER_BYTES_MAX = 1 << 20,
    BUNDLE_MODULE_NAME_BYTES_MAX = 200,
    BUNDLE_VARS_BYTES_MAX = 64 * 1024, /* as JSON */
    BUNDLE_ROUTES_MAX = 256,
    BUNDLE_DEPTH_MAX = 16,
    BUNDLE_CPU_MS_MAX = 300000,
    BUNDLE_WALL_MS_MAX = 3600000,
    BUNDLE_MEMORY_MB_MAX = 4096,
    BUNDLE_SUBREQUESTS_MAX = 100000,
    BUNDLE_BINDING_BYTES_MAX = 64,
    BUNDLE_ACCOUNT_BYTES_MAX = 64,
    BUNDLE_CALLERS_MAX = 64,
};

/* How a directory is read, and by what. */
struct bundle_options {
    const char *env;     /* which of wrangler's environments; NULL: the top level */
    bool has_dev_vars;   /* .dev.vars are vars too */
    const char *esbuild; /* the bundler's program; NULL: there is none */
    const char *node;    /* V8's own, which reads TOML; NULL: none */
    const char *library; /* the directory of runtime/node; NULL: none */
};

#endif
