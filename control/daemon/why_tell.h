/* why_tell.h
 *
 * One event of a flight recorder (dataplane/base/trace.h) as a sentence for people. Pure.
 */
#ifndef HEARTH_WHY_TELL_H
#define HEARTH_WHY_TELL_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/trace.h"

/* What numbers mean to people. */
struct why_names {
    const char *(*node)(void *arg, uint32_t index);
    const char *(*script)(void *arg, uint64_t hash); /* NULL: unknown */
    void *arg;
};

void why_tell(const struct why_names *, const struct trace_event *, char *out, size_t bytes);

/* index: as events have it, which may be larger than any node's. */
const char *why_node_name(const struct why_names *, uint64_t index);

#endif
