/* install.h
 *
 * Where the other halves of hearth lie, seen from the running executable: a build directory or an
 * installation.
 *
 *              build                                     installed under PREFIX
 *   hearthd    BUILD/control/hearthd                     PREFIX/sbin/hearthd (or bin)
 *   program    BUILD/runtime/worker/hearth-runtime.so    PREFIX/lib/hearth/hearth-runtime.so
 *   blob       BUILD/runtime/worker/base.blob            PREFIX/lib/hearth/base.blob
 *   node_exe   V8_ROOT/bin/node (known from the build)   PREFIX/lib/hearth/node
 *   esbuild    node_modules of the sources (the same)    PREFIX/lib/hearth/esbuild
 *   library    BUILD/runtime/node/library                PREFIX/lib/hearth/library
 *
 * The last two are what hearthctl builds projects with (project.h); a node needs them only if
 * projects are built there.
 */
#ifndef HEARTH_INSTALL_H
#define HEARTH_INSTALL_H

#include "control/config/conf.h"

enum install_file { INSTALL_NODE_EXE, INSTALL_PROGRAM, INSTALL_BLOB, INSTALL_FILES };

/* Fills in the paths that the configuration leaves empty; the installed ones when nothing is found.
 */
void install_find(struct conf_cells *);

struct install_tools {
    conf_path node_exe, esbuild, library;
};

void install_find_tools(struct install_tools *);

/* Whether this process may use what lies there as that; else a sentence. A start asks the same. */
bool install_is_good(enum install_file, const char *path, char *error, size_t error_bytes);
/* Judges what a start with this configuration would find: a complaint for each file that is not
 * good, with its line if the configuration names it. True: it had none to add. */
bool install_check(const struct conf *, struct conf_verdict *);

#endif
