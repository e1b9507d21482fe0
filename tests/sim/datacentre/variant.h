/* variant.h
 *
 * What is compared: ways to place requests and to keep isolates, each one step further than the one before.
 *
 *                     where a request runs             what stays warm          what is started ahead
 *   none              where it enters                  the last used            nothing
 *   sharded           at home; overloaded: at entry    the last used            nothing
 *   hot-local         hot scripts where they enter     the last used            nothing                    = "shard and conquer"
 *   bounded           + busy scripts have 1, 2, 4 homes, the less loaded the likelier
 *   learned                                            the most valuable
 *   hand-over         hot only when warm here                                   at a new home, before a planned leave or join, a deploy, or a
 *                                                                               script's first turn as hot or at another home
 *   hello                                                                       + at home when the ClientHello names it
 *   snapshots                                                                   + from a heap snapshot of the script, not from source
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
