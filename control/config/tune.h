/* tune.h
 *
 * The knobs of struct world_tune by name: one table for hearth.yaml's `tune:`, `hearthctl tune` and
 * what they say of wrong values. Pure.
 */
#ifndef HEARTH_TUNE_H
#define HEARTH_TUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/world/world.h"

struct tune_key {
    const char *name;
    size_t offset; /* of its uint32_t in struct world_tune */
    uint32_t min, max;
    const char *text;
};

enum { TUNE_KEYS = 14 };
extern const struct tune_key tune_keys[TUNE_KEYS];

uint32_t tune_get(const struct world_tune *, const struct tune_key *);
void tune_set(struct world_tune *, const struct tune_key *, uint32_t value);
/* NULL: there is no such key. */
const struct tune_key *tune_find(const char *name);

/* What is wrong between the values: the key to blame and a sentence. NULL: nothing. Ranges are
 * not looked at. */
const struct tune_key *tune_conflict(const struct world_tune *, char *error, size_t error_bytes);

/* "KEY=VALUE" into *t. 0, or -1 and a sentence. */
int tune_assign(struct world_tune *, const char *text, char *error, size_t error_bytes);

#endif
