/* natives.h
 *
 * The C functions behind runtime/web/host.js, which says what each does. The snapshot holds their
 * indexes.
 */
#ifndef HEARTH_WORKER_NATIVES_H
#define HEARTH_WORKER_NATIVES_H

#include "runtime/libv8c/v8c.h"

extern const struct v8c_native_entry natives[];

/* An object with all of them, in the current context: __host of the snapshot's builder. */
struct v8c_value *natives_object(struct v8c_isolate *);

#endif
