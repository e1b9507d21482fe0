/* node_life.h
 *
 * What this node says of itself to the others, and when it may say something else. Pure: what the
 * cores report goes in, a state comes out.
 *
 *            every core has                     every core has
 *            what it needs             drain    handed over
 *   JOINING --------------> SERVING --------> LEAVING --------------> DRAINING
 *      ^                       ^                 |                       |
 *      |                       +-----undrain-----+                       |
 *      +-------------------------------undrain---------------------------+
 *
 *   JOINING   awaits warm copies of the scripts whose home it will be, at most PEERS_JOIN_MS
 *   LEAVING   awaits that the next homes have its warm scripts, at most handover_ms; it still says
 *             SERVING
 *
 * So the ring's homes change only when the new ones are warm. A node without others is SERVING from
 * the start.
 *
 * What a core reports counts only when it judged by a world that says the phase: before, it may
 * tell of the phase before.
 */
#ifndef HEARTH_NODE_LIFE_H
#define HEARTH_NODE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/place/verdict.h"

enum {
    NODE_LIFE_LOOK_MS = 20,
};

enum node_phase { NODE_PHASE_JOINING, NODE_PHASE_SERVING, NODE_PHASE_LEAVING, NODE_PHASE_DRAINING };

struct node_life {
    enum node_phase phase;
    uint64_t since_ns;    /* of this phase; a joining node's clock starts when it can serve */
    uint32_t handover_ms; /* the longest that LEAVING may take */
};

/* What the cores say of the phase, all of them together. */
struct node_progress {
    bool has_others; /* members besides this one */
    bool can_serve;  /* cells can be started */
    bool is_done;    /* every core, by a world of this phase: the state may change */
};

/* Without others: SERVING. */
void node_life_init(struct node_life *, bool has_others, uint64_t now_ns);

/* True: the phase changed, a new world has to say so. Every NODE_LIFE_LOOK_MS while it awaits
 * something. */
bool node_life_look(struct node_life *, const struct node_progress *, uint64_t now_ns);
bool node_life_awaits(const struct node_life *);

/* True: the phase changed. handover_ms: at most PEERS_HANDOVER_MS is sensible. */
bool node_life_drain(struct node_life *, uint32_t handover_ms, uint64_t now_ns);
bool node_life_undrain(struct node_life *, uint64_t now_ns);

/* For the world. */
enum node_state node_life_state(const struct node_life *);
bool node_life_is_leaving(const struct node_life *);

const char *node_phase_name(enum node_phase);
const char *node_state_name(enum node_state);

#endif
