/* account_cells.h
 *
 * What the supervisor knows of one account: the memory that its cells have in all, against its
 * ceiling (cells_memory_mb), and its control group.
 *
 *   script_cells --\
 *   script_cells ----> account_cells --> group ACCOUNT (cgroup.h)
 *                        bytes of the cells of all its scripts, but for those that are killed
 *
 * Made with the first script of the account that somebody wants, and gone with the last. A ceiling
 * may change at any time: it is looked up anew. Bytes are what cell_memory.h counts; a cell that
 * was not looked at yet has SUPERVISE_BYTES_GUESS. Control thread only.
 */
#ifndef HEARTH_ACCOUNT_CELLS_H
#define HEARTH_ACCOUNT_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/deploy/catalog.h"
#include "control/supervise/cgroup.h"
#include "control/supervise/script_cells.h"
#include "control/supervise/warm_pool.h"

struct account_cells {
    struct account_cells *next;
    char name[ACCOUNT_NAME_BYTES_MAX + 1];
    uint32_t scripts;
    uint64_t bytes, bytes_max;   /* max: 0: none. The group's limit is the same */
    struct warm_owner warm;      /* of what is in the pool */
    struct script_queue waiting; /* for room among its own */
};

struct account_table {
    struct account_cells *first;
    struct cgroup *cgroup; /* NULL: none; stays the caller's */
};

/* That of the script's account, made if it is not there; counts the script. NULL: no memory. */
struct account_cells *account_table_take(struct account_table *, const struct script *);
/* One script less. */
void account_table_drop(struct account_table *, struct account_cells *);
/* The ceiling is what it is now: of a script's account, NULL: the default one. */
void account_table_follow(struct account_table *, struct account_cells *, const struct account *);

/* One of `wanted` more has room, beside those that there are; the first one always has. */
static inline bool account_cells_fit(const struct account_cells *a, uint64_t wanted)
{
    return !a->bytes_max || !a->bytes || a->bytes + wanted <= a->bytes_max;
}

#endif
