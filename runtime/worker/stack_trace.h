/* stack_trace.h
 *
 * Stack traces of a script that was built, in the lines of its author's files:
 *
 *   at handle (index.js:310:9)    becomes    at handle (src/handler.ts:12:5)
 *
 * by the source maps that came with the script (source_map.h), which are read when the first trace
 * needs them. For texts on their way to the log: what a script itself sees of error.stack stays.
 */
#ifndef HEARTH_WORKER_STACK_TRACE_H
#define HEARTH_WORKER_STACK_TRACE_H

#include <stddef.h>

struct script;

enum { STACK_TRACE_PLACES_MAX = 32 }; /* of one text; further ones stay as they are */

/* Writes text to out with its places replaced, cut at room - 1 bytes, and a NUL. Returns the bytes
 * before that. script may be NULL. */
size_t stack_trace_map(struct script *, const char *text, size_t len, char *out, size_t room);

#endif
