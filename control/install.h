/* install.h
 *
 * Where the other halves of hearth lie, seen from the running executable: a build directory or an installation.
 *
 *                 build                                            installed under PREFIX
 *   hearthd       BUILD/control/hearthd                            PREFIX/sbin/hearthd (or bin)
 *   program       BUILD/runtime/worker/hearth-runtime.so           PREFIX/lib/hearth/hearth-runtime.so
 *   blob          BUILD/runtime/worker/base.blob                   PREFIX/lib/hearth/base.blob
 *   node_exe      V8_ROOT/bin/node (known from the build)          PREFIX/lib/hearth/node
 */
#ifndef HEARTH_INSTALL_H
#define HEARTH_INSTALL_H

#include "control/conf.h"

/* Fills in the paths that the configuration leaves empty; the installed ones when nothing is found. */
void install_find(struct conf_runtimes *);

#endif
