/* scripts_part.h
 *
 * The scripts of a world, and the routes that lead to them: what is current in the catalog, as
 * cores look it up by host and path, or by the hash of a name. Control thread only.
 */
#ifndef HEARTH_SCRIPTS_PART_H
#define HEARTH_SCRIPTS_PART_H

#include <stddef.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "control/deploy/catalog.h"
#include "control/world/part.h"
#include "dataplane/world/route.h"
#include "dataplane/world/world.h"

struct scripts_part {
    struct part part;
    uint32_t script_count;
    struct script **held;
    struct world_script *scripts;
    struct world_binding *bindings; /* of all scripts, one after another */
    uint32_t *index;                /* by hash of the name; see world.h */
    uint32_t index_mask;
    struct routes *routes;
};

/* The catalog's current scripts, `candidate` (may be NULL) in place of the current one of its
 * name, without `left_out` (may be NULL). NULL and a sentence: two scripts want the same route,
 * or a bad pattern. */
struct scripts_part *scripts_part_build(const struct catalog *, struct script *candidate,
                                        const struct script *left_out, const struct conf *,
                                        char *error, size_t error_bytes);

#endif
