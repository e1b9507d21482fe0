/* fields.h
 *
 * Header fields between a head (runtime/head.h) and JavaScript, where they are one string:
 * "name\0value\0...". Inside a scope of the isolate.
 */
#ifndef HEARTH_WORKER_FIELDS_H
#define HEARTH_WORKER_FIELDS_H

#include "runtime/head.h"
#include "runtime/libv8c/v8c.h"

/* The fields that the reader stands before. */
struct v8c_value *fields_value(struct v8c_isolate *, struct head_reader *);
/* Writes them, perhaps without their content-length. False: too large. */
bool fields_write(struct v8c_isolate *, struct head_writer *, struct v8c_value *fields,
                  bool without_length);
void fields_write_length(struct head_writer *, size_t body_bytes);

#endif
