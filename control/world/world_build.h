/* world_build.h
 *
 * What the control thread knows -> one immutable world (dataplane/world/world.h), which publisher.h
 * brings to the cores.
 *
 *   conf, catalog --> scripts_part -+
 *   conf -----------> certs_part ---+
 *   members --------> cluster_part -+--> world_build --> publisher
 *   runtimes -------> region parts -+
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

/* The runtime processes at this moment: who supervises them says so, and keeps holds of his own on
 * the regions. */
struct world_runtimes {
    uint32_t count, held_count;
    struct world_runtime runtime[RUNTIMES_MAX];
    struct part *region[RUNTIMES_MAX]; /* NULL: down */
    uint64_t held[WORLD_HELD_MAX];     /* handles of the scripts that may not run now */
};

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
    const struct world_runtimes *runtimes;
};

/* Holds the parts and the regions. NULL: no memory. */
struct world *world_build(const struct world_plan *);
/* Gives its holds up, and frees it: no core looks at it. */
void world_free(struct world *);

#endif
