/* bundle.h
 *
 * What a deploy carries: a manifest and the modules it names, end to end.
 *
 *   manifest  {"name":S,"main":S,"routes":[S..],"vars":{..},"limits":{"cpu_ms":N,"subrequests":N},
 *              "services":[{"binding":S,"service":S,"limits":{..}}..], "account":S,
 *              "allow_callers":[S..], "owner":S,
 *              "compatibility_date":S,"compatibility_flags":[S..],
 *              "modules":[{"name":S,"bytes":N,"kind":S}..]}   modules in the order of their names
 *   modules   the sources end to end, sum of bytes
 *
 * services: env[binding].fetch() calls the script named service, "name" of the same account or
 * "account/name"; a binding's index is its place in the list. Its limits are the most that the
 * call may use, each optional: cpu_ms, memory_mb, subrequests, wall_ms. account: wrangler's
 * account_id; scripts of one of them trust each other. allow_callers: "account/name" or all of an
 * account, whose scripts may call this one; its own account's always may. owner: the account
 * whose script it is (accounts.h), put there by hearthd and by nobody else; none: the default
 * account. kind: what a module is (start.h); none: as its name says. The main module is "esm", or
 * "script" if the script is a service worker; "map" belongs to the module of that name without
 * ".map". These keys, and limits' own, are there only if they say something.
 *
 * hearthctl makes it from a directory with wrangler.jsonc (wrangler_file.h): as it is, or built, if
 * it is a project (project.h); hearthd believes nothing and checks it again.
 */
#ifndef HEARTH_BUNDLE_H
#define HEARTH_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/deploy/bundle_options.h"

struct bundle {
    json_t *warnings;     /* of keys of wrangler.jsonc (wrangler.h): {"line", "key", "text"} */
    const char *wrangler; /* the name of that file, a constant; NULL: there is none */
    json_t *manifest;
    json_t *report; /* of a project that was built (project.h); NULL: it was not */
    uint8_t *modules;
    size_t bytes;
};

/* Reads dir. options may be NULL. 0, or -1 and a sentence, or several on lines of their own; the
 * bundle is to be freed in any case: there may be warnings. Refused are keys that a script depends
 * on and hearth has not, and imports of modules that are not there, as far as heads of modules tell
 * (module_head.h). Of a directory that is deployed as it is these are skipped: node_modules, names
 * that begin with a dot, symbolic links, wrangler.*, package*.json and whatever is not .js .mjs
 * .json .txt .html .sql .wasm .bin. */
int bundle_pack(const char *dir, const struct bundle_options *, struct bundle *, char *error,
                size_t error_bytes);
void bundle_fini(struct bundle *);

/* Is it a manifest that hearth can run, for that many module bytes? If not, why. */
bool bundle_check(const json_t *manifest, size_t bytes, char *error, size_t error_bytes);

#endif
