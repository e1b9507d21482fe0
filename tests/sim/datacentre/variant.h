/* variant.h
 *
 * What is compared: ways to place requests and to keep cells, each one step further than the one
 * before.
 *
 *   none        a request runs where it enters; the last used stay warm; nothing is started ahead
 *   sharded     at home; overloaded: at entry
 *   hot-local   hot scripts where they enter: "shard and conquer"
 *   bounded     busy scripts have 1, 2, 4 homes, the less loaded the likelier
 *   learned     the most valuable stay warm
 *   hand-over   hot only when warm here; started ahead: at a new home, before a planned leave or
 *               join, a deploy, or a script's first turn as hot or at another home
 *   hello       and at home when the ClientHello names it
 *   snapshots   and from a heap snapshot of the script, not from source
 */
#ifndef HEARTH_SIM_VARIANT_H
#define HEARTH_SIM_VARIANT_H

#include <stdbool.h>

struct variant {
    const char *name;
    bool has_homes, has_hot, has_widths, has_values, has_hand_over, has_hello, has_snapshots;
};

/* BEST: all that hearth has; snapshots of scripts it has not. */
enum { VARIANTS = 8, VARIANT_NONE = 0, VARIANT_PAPER = 2, VARIANT_BEST = 6 };
extern const struct variant variants[VARIANTS];

/* NULL: there is none. */
const struct variant *variant_find(const char *name);

#endif
