/* scripts_part.h
 *
 * The scripts of a world, and the routes that lead to them: what is current in the catalog, as
 * cores look it up by host and path, or by the hash of a name. Control thread only.
 */
#ifndef HEARTH_SCRIPTS_PART_H
#define HEARTH_SCRIPTS_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "control/deploy/catalog.h"
#include "control/world/claims.h"
#include "control/world/part.h"
#include "dataplane/world/route.h"
#include "dataplane/world/world.h"

struct scripts_part {
    struct part part;
    uint32_t script_count;
    struct script **held;
    struct world_script *scripts;
    struct world_binding *bindings; /* of all scripts, one after another */
    uint64_t *callers;              /* likewise */
    uint32_t *index;                /* by hash of the name; see world.h */
    uint32_t index_mask;
    struct routes *routes;
    struct claims claims; /* what these are made of, sorted */
};

/* The catalog's current scripts, `candidate` (may be NULL) in place of the current one of its
 * name, without `left_out` (may be NULL). NULL and a sentence: two scripts want the same route,
 * one wants the implied host of another account's script, or a bad pattern. A route that its
 * account may not have leads nowhere. */
struct scripts_part *scripts_part_build(const struct catalog *, struct script *candidate,
                                        const struct script *left_out, const struct conf *,
                                        char *error, size_t error_bytes);

/* May that one become current beside these, in place of the one of its name? If not, a sentence as
 * of a build, which costs a thousand times as much. */
bool scripts_part_admits(const struct scripts_part *, const struct script *candidate,
                         const struct conf *, char *error, size_t error_bytes);

/* Are all its routes in the hosts of its account? If not, which is not. */
bool scripts_part_hosts_are_own(const struct script *, const struct conf *, char *error,
                                size_t error_bytes);

/* The host that a script has by its name: NAME.<zone> for the default account, NAME.ACCOUNT.<zone>
 * for the others. The caller's to free; NULL: no memory.
 *
 * Rejected for others: NAME.<zone> where it is free. Whose it is would hang on who was first, node
 * by node; and who takes the operator's next name first would have it. */
char *scripts_part_host(const struct script *, const char *zone);

#endif
