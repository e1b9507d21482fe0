/* place.h
 *
 * Where a request runs: HERE, at a HOME, or nowhere (REFUSE). A pure function of what the caller
 * looked up.
 *
 *   arrived over a channel (hop 1)   HERE, or BOUNCE by shed.h: never forwarded again
 *   home is me                       HERE unless overloaded; then a willing home of a widened
 *                                    script, else REFUSE
 *   hot here (heat.h), and warm      HERE unless overloaded; then as a cold one
 *   hot here, and not warm           as a cold one; why says WARMING: the caller has a cell
 *                                    started here, so that it soon is
 *   otherwise                        HOME(a willing one of the first `width` usable successors, the
 *                                    less loaded the likelier)
 *   no usable home                   HERE unless overloaded, else REFUSE
 *   just bounced                     HERE unless overloaded, else REFUSE
 *
 * Usable: SERVING as far as this core knows. DRAINING and JOINING nodes are nobody's home, but
 * serve what reaches them; DOWN ones are skipped. Willing: load at most (1 + bound) x the mean of
 * the usable nodes, or of the script's homes if that is greater (bounded load: Mirrokni, Thorup,
 * Zadimoghaddam 2018). A script of width 1 goes home even if home is loaded: being warm beats being
 * even, and home can bounce. Any of the homes counts as home: what enters there runs there.
 *
 * Properties (tests/unit/dataplane/place): total, deterministic, hop limit, never DOWN, never
 * HOME(me), REFUSE only if overloaded, HERE for being hot only if warm.
 *
 * Rejected: a width that each node judges for itself; only home sees all of the script's requests,
 * so it says how many homes there are, in ACCEPT. A second home at 5,000 requests/s instead of 25
 * (widen_rps): above 150, all nodes together, a script runs everywhere anyway; below, two or four
 * homes bring the busiest server from 1.29 to 1.20 of the mean, for 1 % more cells.
 */
#ifndef HEARTH_PLACE_H
#define HEARTH_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/place/verdict.h"
#include "dataplane/world/ring.h"

enum { PLACE_SUCCESSORS_MAX = 8 };

enum place_where { PLACE_HERE = 1, PLACE_HOME, PLACE_REFUSE };

enum place_why {
    PLACE_WHY_NONE = 0,
    PLACE_IS_HOME,    /* I am the home */
    PLACE_HOT,        /* hot and warm here */
    PLACE_WARMING,    /* hot here, but not warm: to a home, for now */
    PLACE_WIDENED,    /* one of several homes, chosen by load */
    PLACE_COLD,       /* to its home */
    PLACE_FORWARDED,  /* came from another node */
    PLACE_BOUNCED,    /* came back from home */
    PLACE_NO_HOME,    /* nobody else is usable */
    PLACE_OVERLOADED, /* refused, or sent away, for overload here */
    PLACE_WHYS,
};

/* What this core knows of a node. */
struct place_node {
    uint16_t node;
    uint8_t state; /* enum node_state */
    uint16_t load; /* per mille */
};

struct place_query {
    uint16_t self;
    uint8_t width;     /* homes that the script wants: 1, 2, 4 */
    bool is_forwarded; /* hop 1 */
    bool is_bounced;
    bool is_hot;            /* here, by heat.h */
    bool is_warm;           /* here: a cell of it is known (warmth.h) */
    bool is_overloaded;     /* here, for this script, by shed.h */
    uint32_t mean_load;     /* per mille, over usable nodes */
    uint32_t bound_percent; /* e of (1 + e) */
    uint64_t pick;          /* any number that differs by request: draws one of several homes */
    uint32_t count;         /* of successor[], home first; self may be among them */
    struct place_node successor[PLACE_SUCCESSORS_MAX];
};

struct place_verdict {
    uint8_t where; /* enum place_where */
    uint8_t why;   /* enum place_why */
    uint16_t node; /* HOME: which; else RING_NODE_NONE */
    uint16_t home; /* the first usable successor: what x-hearth-home says; self if there is none */
};

/* width is 1 to PLACE_WIDTH_MAX. */
struct place_verdict place(const struct place_query *);

const char *place_why_name(enum place_why);

#endif
