/* wrangler_file.h
 *
 * The configuration of a project: wrangler.jsonc, wrangler.json or wrangler.toml, the first that is
 * there, as one environment of it sees it.
 *
 *   env NULL    the top level
 *   env E       env.E over the top level; vars, services, define and bindings are not inherited
 *               (wrangler_is_inherited). Its name is "NAME-E" unless it has one.
 *
 * TOML is read by smol-toml, which V8's own executable runs (tool.h): lines are not known then, but
 * for those of a syntax error. Used by hearthctl. Source: the configuration of wrangler 4.
 */
#ifndef HEARTH_WRANGLER_FILE_H
#define HEARTH_WRANGLER_FILE_H

#include <jansson.h>

#include "control/deploy/bundle_options.h"
#include "control/deploy/fault.h"

struct wrangler_file {
    const char *name; /* a constant; NULL: there is none */
    json_t *root;     /* of the environment, an object */
};

/* Reads and judges it (wrangler.h). 0, or -1 and a reason; root is to be given up in any case. */
int wrangler_file_read(struct wrangler_file *, int dir, const struct bundle_options *,
                       json_t *warnings, const struct fault *);

#endif
