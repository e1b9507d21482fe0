/* publisher.h
 *
 * One world after the other: cores see the new one at once, the one before is freed when no core
 * can look at it any more.
 *
 *   world_publish --swap--> cores
 *        |
 *        +--> the one before, retired: publisher_reclaim frees it once every core has passed a
 *             quiescent state (rte_rcu_qsbr)
 *
 * Control thread only.
 */
#ifndef HEARTH_PUBLISHER_H
#define HEARTH_PUBLISHER_H

#include <stdbool.h>

#include "dataplane/world/world.h"

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
