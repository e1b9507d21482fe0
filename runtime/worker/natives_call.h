/* natives_call.h
 *
 * What the natives share, and those behind calls to other scripts (runtime/web/service.js):
 * natives_call.c.
 *
 * A script can replace what runtime/web calls (String, Array.prototype, ...), so a native trusts
 * the type of no argument: the worst a script may do is to confuse itself.
 */
#ifndef HEARTH_WORKER_NATIVES_CALL_H
#define HEARTH_WORKER_NATIVES_CALL_H

#include "runtime/head.h"
#include "runtime/libv8c/v8c.h"

struct isolate;
struct request;

/* NULL in the snapshot's builder. */
struct isolate *natives_isolate(const struct v8c_call *);
/* The request that argument n names, of this isolate; NULL if it is over. */
struct request *natives_request(const struct v8c_call *, unsigned n);
/* NULL: thrown. */
struct v8c_value *natives_string(const struct v8c_call *, unsigned n);

/* The fields that the reader stands before: "name\0value\0...". */
struct v8c_value *natives_fields(struct v8c_isolate *, struct head_reader *);
/* Writes fields, "name\0value\0...", perhaps without their content-length. False: too large. */
bool natives_write_fields(const struct v8c_call *, struct head_writer *, struct v8c_value *fields,
                          bool without_length);
void natives_write_length(struct head_writer *, size_t body_bytes);

void native_sub(struct v8c_call *);
void native_sub_write(struct v8c_call *);
void native_sub_feed(struct v8c_call *);
void native_sub_read(struct v8c_call *);
void native_sub_cancel(struct v8c_call *);
void native_sub_answer(struct v8c_call *);

#endif
