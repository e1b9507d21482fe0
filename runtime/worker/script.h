/* script.h
 *
 * What hearthd deployed to this process: the sources of a script, its vars and its limits, under a
 * handle. The sources stay mapped from hearthd's memfd; nothing is copied.
 *
 * A script that is forgotten while an isolate runs it lives until that isolate is gone.
 * Single thread.
 */
#ifndef HEARTH_WORKER_SCRIPT_H
#define HEARTH_WORKER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/job.h"
#include "runtime/libv8c/v8c.h"
#include "runtime/worker/warm_pool.h"

struct isolate;

enum {
    SCRIPT_NAME_BYTES_MAX = 512,
    SCRIPT_TABLE_BUCKETS = 4096,
    SCRIPTS_MAX = 65536,
};

enum module_kind { MODULE_JS, MODULE_JSON, MODULE_TEXT };

struct script_module {
    char *name; /* normalised: no "./", no ".." */
    const char *text;
    size_t len;
    enum module_kind kind;
    bool is_ascii;         /* V8 can then use the mapped bytes as they are */
    struct v8c_blob cache; /* its compiled code, once an isolate of it was evicted; or empty */
};

struct script_limits {
    uint64_t cpu_ns;
    uint64_t wall_ns;
    size_t heap_bytes;
    uint32_t subrequests; /* of one request */
};

/* What a packet does not say. */
extern const struct script_limits script_limits_default;

struct script_stats {
    uint64_t cold;  /* starts that a request made */
    uint64_t ahead; /* those before any did: a trial's, a new version's, what the cores ask for */
    uint64_t warm, evicted, condemned, cpu_ns;
};

struct script {
    struct script *next; /* in its bucket */
    uint32_t handle;
    uint32_t main; /* index in modules[] */
    char *name, *version;
    char *vars;                       /* JSON text of an object */
    char *bindings[JOB_BINDINGS_MAX]; /* names of services, in the order of their indexes */
    uint32_t binding_count;
    struct script_module *modules;
    size_t module_count;
    void *map;
    size_t map_bytes;
    struct script_limits limits;
    struct script_stats stats;
    struct isolate *isolate; /* the warm one, or NULL */
    char *load_error;        /* why its last start failed, as the log has it; NULL: it did not */
    struct warm_history history;
    bool is_forgotten;
    bool is_reported; /* its counters changed since the last stats packet: false */
};

struct script_table {
    struct script *bucket[SCRIPT_TABLE_BUCKETS];
    uint32_t count;
};

/* NULL if the handle is unknown. */
struct script *script_find(const struct script_table *, uint32_t handle);

/* Reads a {"type":"script"} packet's JSON (START_PACKET_BYTES_MAX, start.h) and maps fd. Closes fd.
 * A script of the same handle is replaced. 0, or -errno and *why (a constant) when the packet makes
 * no script. */
struct json_t;
int script_add(struct script_table *, const struct json_t *packet, int fd, const char **why);

/* The script is gone: frees it, or leaves that to the end of its isolate. */
void script_forget(struct script_table *, uint32_t handle);
/* Its isolate is gone. */
void script_isolate_gone(struct script *);

/* The module that `specifier` means when `referrer` imports it, or NULL. Only "./x", "../x" and
 * "/x" stay inside the bundle; a bare name means the module of exactly that name. */
struct script_module *script_resolve(const struct script *, const char *referrer,
                                     const char *specifier);

#endif
