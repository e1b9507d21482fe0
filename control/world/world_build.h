/* world_build.h
 *
 * What the control thread knows -> one immutable world (dataplane/world/world.h), which publisher.h
 * brings to the cores.
 *
 *   conf, catalog --> scripts_part -+
 *   conf -----------> certs_part ---+
 *   members --------> cluster_part -+--> world_build --> publisher
 *   supervise ------> held --------+
 *
 * Parts are shared by the worlds that name them (part.h). A part that cannot be built leaves the
 * one before in use. Control thread only.
 */
#ifndef HEARTH_WORLD_BUILD_H
#define HEARTH_WORLD_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "control/world/certs_part.h"
#include "control/world/cluster.h"
#include "control/world/part.h"
#include "control/world/scripts_part.h"
#include "dataplane/world/world.h"

/* What a world is made of. */
struct world_plan {
    uint64_t epoch;
    const struct conf *conf;
    const struct world_tune *tune;
    struct certs_part *certs;
    struct scripts_part *scripts;
    struct cluster_part *cluster;
    uint8_t own_state; /* enum node_state */
    bool is_leaving;
    bool can_start_cells;
    uint32_t held_count;
    const uint64_t *held; /* handles of the scripts that may not run now */
    uint64_t held_full;   /* bit i: for want of its account's memory */
};

/* Holds the parts. NULL: no memory. */
struct world *world_build(const struct world_plan *);
/* Gives its holds up, and frees it: no core looks at it. */
void world_free(struct world *);

#endif
