/* script.h
 *
 * The script that a cell runs: its sources, its vars and its limits. The sources stay mapped from
 * hearthd's memfd for the cell's life; nothing is copied. Single thread.
 */
#ifndef HEARTH_WORKER_SCRIPT_H
#define HEARTH_WORKER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/job.h"

enum { SCRIPT_NAME_BYTES_MAX = 512 };

struct source_map;

/* As start.h names them. */
enum module_kind {
    MODULE_JS,
    MODULE_SCRIPT, /* the main module of a service worker: no ES module */
    MODULE_JSON,
    MODULE_TEXT,
    MODULE_DATA,
    MODULE_WASM,
    MODULE_MAP, /* nobody imports it */
    MODULE_KINDS,
};

struct script_module {
    char *name; /* normalised: no "./", no ".." */
    const char *text;
    size_t len;
    enum module_kind kind;
    bool is_ascii;                 /* V8 can then use the mapped bytes as they are */
    struct script_module *map;     /* of a module that was built; NULL: none */
    struct source_map *source_map; /* of a map, once it is read (stack_trace.h); NULL: it is none */
    bool is_read;
};

struct script_limits {
    uint64_t cpu_ns;
    uint64_t wall_ns;
    size_t heap_bytes;
    uint32_t subrequests; /* of one request */
    uint32_t timers;      /* pending at once */
};

/* What a packet does not say. */
extern const struct script_limits script_limits_default;

struct script {
    uint32_t main;                    /* index in modules[] */
    char *vars;                       /* JSON text of an object */
    char *bindings[JOB_BINDINGS_MAX]; /* names of services, in the order of their indexes */
    uint32_t binding_count;
    struct script_module *modules;
    size_t module_count;
    void *map;
    size_t map_bytes;
    struct script_limits limits;
};

/* Reads a {"type":"script"} packet's JSON (START_PACKET_BYTES_MAX, start.h) and maps fd. Closes fd.
 * NULL, and *why (a constant), when the packet makes no script. */
struct json_t;
struct script *script_new(const struct json_t *packet, int fd, const char **why);
void script_free(struct script *);

/* The module that `specifier` means when `referrer` imports it, or NULL. Only "./x", "../x" and
 * "/x" stay inside the bundle; a bare name means the module of exactly that name. */
struct script_module *script_resolve(const struct script *, const char *referrer,
                                     const char *specifier);

#endif
