/* pack.h
 *
 * The modules of a bundle while it is made: names, kinds and bytes, counted against what a script
 * may have.
 *
 *   kind   what a module is to the runtime (start.h); NULL: as its name says
 *
 * Of deploy/. The caller's memory; pack_fini frees what was added.
 */
#ifndef HEARTH_PACK_H
#define HEARTH_PACK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/deploy/fault.h"
#include "runtime/start.h"

struct file {
    char *name;
    const char *kind; /* a constant */
    uint8_t *bytes;
    size_t len;
};

struct pack {
    struct file file[START_MODULES_MAX];
    size_t count;
    size_t bytes;
    struct fault fault;
};

/* A relative path without surprises. */
bool pack_name_is_good(const char *name);

/* NULL and a reason; at most max bytes. A zero byte follows the contents. */
uint8_t *pack_read(int dir, const char *name, size_t max, size_t *len, const struct fault *);

/* Takes bytes over, in any case. 0, or -1 and a reason. */
int pack_add(struct pack *, const char *name, const char *kind, uint8_t *bytes, size_t len);
/* Reads a file of a directory and adds it as name. */
int pack_add_file(struct pack *, int dir, const char *leaf, const char *name, const char *kind);

void pack_sort(struct pack *);
/* What a manifest says of them. */
json_t *pack_modules(const struct pack *);
void pack_fini(struct pack *);

#endif
