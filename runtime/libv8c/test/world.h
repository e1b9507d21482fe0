/* world.h: what the tests share: a process with V8, an isolate to be in, and JavaScript in one
 * line. */
#ifndef V8C_TEST_WORLD_H
#define V8C_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "v8c.h"

struct world {
    struct v8c_isolate *isolate;
    struct v8c_context *context;
    struct v8c_scope scope;
    struct v8c_error error;
    int called; /* by natives and hooks */
};

/* Natives of every test isolate, by index. */
enum {
    NATIVE_ADD,       /* add(a, b) */
    NATIVE_THROW,     /* throws RangeError("from C") */
    NATIVE_DATA,      /* returns its data */
    NATIVE_CALL_BACK, /* callBack(fn): calls fn with no error struct, so that its exception passes
                         through */
    NATIVE_SWALLOW,   /* swallow(fn): calls fn with an error struct; returns the kind */
    NATIVE_TERMINATE, /* terminates its own isolate */
    NATIVE_IS_NEW,    /* was it called with new? */
    NATIVE_FOLLOWS,   /* follows(): the continuation's value */
    NATIVE_WHERE,     /* where(besides): "name:line" of v8c_error_where, or "nowhere" */
};
extern const struct v8c_native_entry world_natives[];

/* Makes an isolate with those params (natives and data are filled in), a context, and enters both.
 */
void world_open(struct world *, struct v8c_isolate_params);
void world_close(struct world *);

/* Runs a script; fails the test if it throws. */
struct v8c_value *world_run(struct world *, const char *script);
/* Runs a script that must throw; the error is in world->error. */
void world_throws(struct world *, const char *script);
bool world_is_true(struct world *, const char *script);
void world_define(struct world *, const char *name, struct v8c_value *);
/* Compares a string value. */
void world_assert_text(struct world *, struct v8c_value *, const char *text);
/* Everything collectable is collected. */
void world_collect(struct world *);

/* The clock that Date sees: 0 is the system's. */
extern double world_clock_ms;

/* A snapshot made by running a script; base may be NULL. */
struct v8c_blob world_snapshot(const struct v8c_blob *base, const char *script);

int values_tests(void);
int functions_tests(void);
int bytes_tests(void);
int promises_tests(void);
int modules_tests(void);
int snapshots_tests(void);
int clone_tests(void);
int limits_tests(void);
int isolates_tests(void);

#endif
