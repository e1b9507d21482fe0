/* verdict.h
 *
 * Words that placement, the RPC and the control thread share: what a node is, and why work is
 * handed back. They travel in records (rpc/record.h), so a number is never given another meaning.
 */
#ifndef HEARTH_VERDICT_H
#define HEARTH_VERDICT_H

enum node_state { NODE_DOWN = 0, NODE_JOINING, NODE_SERVING, NODE_DRAINING, NODE_STATES };

enum bounce_reason {
    BOUNCE_OVERLOAD = 1, /* queueing delay, jobs, memory */
    BOUNCE_SHARE,        /* this script has more than its share */
    BOUNCE_NO_SCRIPT,    /* not this version of it here, not yet or not any more */
    BOUNCE_NO_RUNTIME,
    BOUNCE_DRAINING,
    BOUNCE_REASONS,
};

/* Homes of one script, at most. */
enum { PLACE_WIDTH_MAX = 4 };

#endif
