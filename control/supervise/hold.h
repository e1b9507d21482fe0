/* hold.h
 *
 * Scripts that end their cells are held back: a third end within a minute of the one before keeps
 * a script from running for 10 s, each further one for twice as long, 5 minutes at most. Its
 * requests get 503 meanwhile. Each node judges for itself.
 *
 *   end   end   end                  end
 *    |<60s>|<60s>|== held 10 s ==|<60s>|==== held 20 s ====|    60 s without one: forgotten
 *
 * One whose account has no memory for another cell is held too, for HOLD_FULL_MS at a time: its
 * requests get an answer at once, and the next one after that tries again.
 *
 * A script is named by its handle, so another version begins anew. HOLD_SCRIPTS_MAX are remembered;
 * beyond that whoever was heard of least recently is forgotten. Units: nanoseconds of the caller's
 * clock. Never fails, never allocates. Single thread.
 *
 * Rejected: a pause after each end: one that ends once in a while is not to be missed for it.
 */
#ifndef HEARTH_HOLD_H
#define HEARTH_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/world/world.h"

enum {
    HOLD_SCRIPTS_MAX = WORLD_HELD_MAX,
    HOLD_ENDS = 3,
    HOLD_WINDOW_S = 60,
    HOLD_FIRST_S = 10,
    HOLD_MAX_S = 300,
    HOLD_FULL_MS = 1000,
};

struct hold {
    uint64_t script; /* 0: free */
    uint32_t ends;
    uint64_t seen_ns;  /* the last end */
    uint64_t until_ns; /* held until then; 0: not yet */
    bool is_full;      /* for want of its account's memory */
};

struct hold_table {
    struct hold hold[HOLD_SCRIPTS_MAX];
};

/* A cell ended while it executed that script (not 0). Returns what is known of it now. */
const struct hold *hold_ended(struct hold_table *, uint64_t script, uint64_t now_ns);
/* Its account has no memory for it. False: it is held already, or all places are those of scripts
 * that end their cells, of which none is to be forgotten for it. */
bool hold_full(struct hold_table *, uint64_t script, uint64_t now_ns);
/* The scripts that are held now. full: bit i, for want of memory; may be NULL. */
uint32_t hold_list(const struct hold_table *, uint64_t now_ns, uint64_t script[HOLD_SCRIPTS_MAX],
                   uint64_t *full);
bool hold_has(const struct hold_table *, uint64_t script, uint64_t now_ns);
/* When the next of these may run again; UINT64_MAX: none is held. */
uint64_t hold_next_ns(const struct hold_table *, uint64_t now_ns);

#endif
