/* project.h
 *
 * A project becomes the modules of a script: esbuild follows the imports of its main module, takes
 * TypeScript and JSX down to JavaScript, and puts it all into one module.
 *
 *   src/index.ts, node_modules, tsconfig.json -> index.js        esm, or script (service workers)
 *                                             -> index.js.map    map: lines of the author's files
 *   x.wasm, x.txt, x.html, x.sql, x.bin       -> x-HASH.EXT      wasm, text, data: as they are
 *
 * Conditions of packages are "workerd", "worker" and "browser", as wrangler has them. With
 * nodejs_compat node: modules are those of the library (runtime/node); one that is not there, or
 * any without the flag, is refused by the place that imports it. But a package may say that
 * browsers have none ("browser": {"fs": false}), and require() in a try block may fail.
 *
 * Of hearthctl, and blocking: some 50 ms and more. Source: wrangler 4's own call of esbuild.
 * Rejected: esbuild's plugins, which need Node.js and its library beside the program.
 */
#ifndef HEARTH_PROJECT_H
#define HEARTH_PROJECT_H

#include <jansson.h>
#include <stdbool.h>

#include "control/deploy/bundle_options.h"
#include "control/deploy/compat.h"
#include "control/deploy/pack.h"

enum { PROJECT_RULES_MAX = 64, PROJECT_EXT_BYTES_MAX = 32, PROJECT_LARGEST = 5 };

/* Is what lies there to be bundled? Else it is deployed as it is. */
bool project_is_one(int dir, const json_t *wrangler, const struct compat *);

/* Adds its modules to p. *main_name: that of the main module, the caller's to free. *report:
 * {"inputs": N, "largest": [{"name", "bytes"}..]}, of what takes the most room. Warnings are those
 * of wrangler.h. 0, or -1 and a reason; what is set is to be freed in any case. */
int project_bundle(struct pack *p, int dir, const json_t *wrangler, const struct compat *,
                   const struct bundle_options *, char **main_name, json_t **report,
                   json_t *warnings);

#endif
