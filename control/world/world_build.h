/* world_build.h
 *
 * Configuration, scripts, certificates and runtimes -> one immutable world; publishing it; freeing the one before.
 *
 *   conf ------> certs_part ---+
 *   catalog ---> scripts_part -+
 *   members ---> cluster_part -+--> world_build --> world_publish --swap--> cores
 *   runtimes --> region parts -+                        |
 *                                                       +--> old world: freed when every core has passed a quiescent state
 *
 * Parts are shared by the worlds that name them (part.h). A part that cannot be built leaves the one before in use.
 * Control thread only.
 */
#ifndef HEARTH_WORLD_BUILD_H
#define HEARTH_WORLD_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "control/deploy/catalog.h"
#include "control/world/cluster.h"
#include "control/world/part.h"
#include "dataplane/route.h"
#include "dataplane/tls.h"
#include "dataplane/world.h"

struct certs_part {
    struct part part;
    uint32_t context_count;
    struct tls_context **contexts; /* of conf->certificates, in their order */
    struct certs *certs;
};

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

/* NULL and a sentence that names the file. */
struct certs_part *certs_part_build(const struct conf *, const struct tls_tickets *, char *error,
                                    size_t error_bytes);

/* The catalog's current scripts, `candidate` (may be NULL) in place of the current one of its name, without `left_out` (may be NULL).
 * NULL and a sentence: two scripts want the same route, or a bad pattern. */
struct scripts_part *scripts_part_build(const struct catalog *, struct script *candidate,
                                        const struct script *left_out, const struct conf *,
                                        char *error, size_t error_bytes);

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

/* ---- publishing ---- */

struct retired_world;

struct publisher {
    struct world_shared *shared;
    void (*wake)(void *arg); /* wakes every core, so that a sleeping one lets go; may be NULL */
    void *arg;
    struct retired_world *first; /* oldest first */
};

void publisher_init(struct publisher *, struct world_shared *, void (*wake)(void *), void *arg);
/* Takes the world over. The one before is freed by publisher_reclaim, in time. */
void world_publish(struct publisher *, struct world *);
/* Frees what no core can see any more; never waits. True: some remain. */
bool publisher_reclaim(struct publisher *);
/* No core runs any more: frees everything, the current world too. */
void publisher_fini(struct publisher *);

#endif
