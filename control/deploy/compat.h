/* compat.h
 *
 * compatibility_date and compatibility_flags: which behaviour of the Workers runtime a script was
 * written against. hearth behaves as that runtime does at its newest date, whatever the date is; a
 * flag is one of these:
 *
 *   node     asks for node: modules, or for process.env: done
 *   has      hearth is so at every date
 *   lacks    hearth is otherwise: a warning
 *   foreign  of something that hearth has not at all, or that no script sees: nothing
 *   unknown  refused by name, with the flag that was probably meant
 *
 * Source: workerd, src/workerd/io/compatibility-date.capnp, and its documentation. Pure.
 */
#ifndef HEARTH_COMPAT_H
#define HEARTH_COMPAT_H

#include <jansson.h>
#include <stdbool.h>

#include "control/deploy/fault.h"

enum { COMPAT_FLAGS_MAX = 64, COMPAT_DATE_CHARS = 10 };

struct compat {
    bool has_node;        /* node: modules, process, Buffer */
    bool has_async_hooks; /* at least that one of them */
    bool has_env;         /* process.env has the vars that are strings */
};

/* The values of the two keys, NULL: not given. Appends {"line": 0, "key", "text"} to warnings,
 * which may be NULL. 0, or -1 and a reason. */
int compat_read(struct compat *, const json_t *date, const json_t *flags, json_t *warnings,
                const struct fault *);

#endif
