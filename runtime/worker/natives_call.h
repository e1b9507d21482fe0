/* natives_call.h
 *
 * What the natives share, those behind calls to other scripts (runtime/web/service.js),
 * natives_call.c, and those behind structuredClone and what nobody caught, natives_clone.c.
 *
 * A script can replace what runtime/web calls (String, Array.prototype, ...), so a native trusts
 * the type of no argument: the worst a script may do is to confuse itself.
 */
#ifndef HEARTH_WORKER_NATIVES_CALL_H
#define HEARTH_WORKER_NATIVES_CALL_H

#include "runtime/libv8c/v8c.h"

struct isolate;
struct request;

/* NULL in the snapshot's builder. */
struct isolate *natives_isolate(const struct v8c_call *);
/* The request that argument n names; NULL if it is over. */
struct request *natives_request(const struct v8c_call *, unsigned n);
/* NULL: thrown. */
struct v8c_value *natives_string(const struct v8c_call *, unsigned n);

void native_sub(struct v8c_call *);
void native_sub_write(struct v8c_call *);
void native_sub_feed(struct v8c_call *);
void native_sub_read(struct v8c_call *);
void native_sub_cancel(struct v8c_call *);
void native_sub_answer(struct v8c_call *);

void native_clone(struct v8c_call *);
void native_where_thrown(struct v8c_call *);

#endif
