/* ring_view.h
 *
 * The ring of a world as an operator asks for it, as JSON: who has which share, who is home to
 * what, and what a change of the members would move. Reads a world and changes nothing; allocates.
 * Control thread.
 *
 *   show     {epoch, digest, points, self,
 *             members: [{name, weight, points, share, scripts, state, ...}]}
 *   locate   {query, scripts: [{name, version, hash, home, state, successors: [...]}]}
 *   plan     {change, node, weight, digest, digest_after, share, scripts, scripts_moved,
 *             moves: [{from, to, share, scripts: [...]}],
 *             members: [{name, weight, share, share_after}]}
 *
 * Hashes are 16 hex digits: JSON's numbers have 53 bits. A world without members is a node alone.
 */
#ifndef HEARTH_RING_VIEW_H
#define HEARTH_RING_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/rpc/record.h"
#include "dataplane/world/world.h"

enum { RING_VIEW_SUCCESSORS = 7, RING_VIEW_HOST_SCRIPTS_MAX = 256 };

/* What the cores know of the members' states, by index; enum node_state. */
struct ring_view_states {
    bool is_known; /* false: no core talks to others */
    uint8_t state[MEMBERS_MAX];
};

struct ring_view_change {
    const char *node;
    uint32_t weight; /* of the one that is added */
    bool is_removal;
};

json_t *ring_view_show(const struct world *, const struct ring_view_states *);

/* what: the name of a deployed script, or a host that a route takes. routes_core: a scratch of
 * the routes that nobody else uses. NULL and a sentence. */
json_t *ring_view_locate(const struct world *, const struct ring_view_states *, const char *what,
                         uint32_t routes_core, char *error, size_t error_bytes);

/* NULL and a sentence: the change makes no sense. */
json_t *ring_view_plan(const struct world *, const struct ring_view_change *, char *error,
                       size_t error_bytes);

#endif
