/* name_hash.h
 *
 * The number by which the cores know a script, a node or an account: XXH3_64 of its name
 * (dataplane/world/world.h).
 */
#ifndef HEARTH_NAME_HASH_H
#define HEARTH_NAME_HASH_H

#include <stdint.h>
#include <string.h>

#include <xxhash.h>

static inline uint64_t name_hash(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

#endif
