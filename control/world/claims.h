/* claims.h
 *
 * Who wants which route: the patterns of all scripts side by side, and whether two want the same.
 *
 *   a host's claims lie together     shop.test (implied) | shop.test | shop.test/a* | shop.test/b
 *
 * An explicit route belongs to one script, and so does the implied host of a script, with all below
 * it; two accounts may have one implied host (as a zone may be another's name), and the lower
 * script has it.
 *
 * Sorted once, when all are there; then one more script is judged by a few looks, whatever there
 * is. Control thread only.
 */
#ifndef HEARTH_CLAIMS_H
#define HEARTH_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/world/route.h"

/* All zero: none. The patterns are its own. */
struct claims {
    struct route_source *source;
    uint32_t count, room;
};

/* Consumes the pattern; NULL is one that there was no memory for. False: no memory. */
bool claims_add(struct claims *, char *pattern, uint32_t script, bool is_implied, uint64_t account);
/* All have been added. */
void claims_sort(struct claims *);
/* Two that cannot both be. False: there are none. */
bool claims_clash(const struct claims *, const struct route_source **,
                  const struct route_source **);
/* One that cannot be beside `own`, of another script than own->script. NULL: there is none. */
const struct route_source *claims_rival(const struct claims *, const struct route_source *own);
void claims_fini(struct claims *);

#endif
