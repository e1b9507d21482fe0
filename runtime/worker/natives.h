/* natives.h
 *
 * The C functions behind runtime/web/host.js, which says what each does. Each area has a file and a
 * table of its own, which ends with {0}; natives.c joins them into the one that V8 is given, in
 * which the snapshot's functions are indexes.
 */
#ifndef HEARTH_WORKER_NATIVES_H
#define HEARTH_WORKER_NATIVES_H

#include "runtime/libv8c/v8c.h"

enum { NATIVES_MAX = 256 };

extern const struct v8c_native_entry natives_text[];   /* natives_text.c: encodings, base64 */
extern const struct v8c_native_entry natives_url[];    /* natives_url.c: the URL parser */
extern const struct v8c_native_entry natives_codec[];  /* natives_codec.c: compression */
extern const struct v8c_native_entry natives_crypto[]; /* natives_crypto.h */

/* All of them, joined. */
const struct v8c_native_entry *natives_all(void);

/* An object with all of them, in the current context: __host of the snapshot's builder. */
struct v8c_value *natives_object(struct v8c_isolate *);

#endif
