/* world.h
 *
 * Everything a dp core looks up but never changes: one immutable object, built by the control
 * thread, published by swapping one pointer, freed after every core has passed a quiescent state
 * (rte_rcu_qsbr).
 *
 *   control: build -> world_publish(next) -> old one freed when all cores have moved on
 *   core:    w = world_current(shared) once per iteration; whatever must live longer is copied or
 * counted
 *
 * Parts that did not change between two worlds are shared by reference count (struct world_part).
 */
#ifndef HEARTH_WORLD_H
#define HEARTH_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/limits.h"

struct certs;
struct routes;
struct rte_rcu_qsbr;

struct world_script {
    uint64_t handle;  /* names (script, version) to the runtimes: never used again for another */
    uint64_t id_hash; /* XXH3_64 of the name: the ring's point, and the second hash's */
    char name[SCRIPT_NAME_BYTES_MAX + 1];
    char version[17]; /* first 16 hex digits of the artifact's SHA-256 */
};

/* Tunable limits; see limits.h for what they start from. */
struct world_limits {
    uint32_t hello_timeout_ms, head_timeout_ms, idle_timeout_ms, stall_timeout_ms;
    uint64_t request_body_bytes_max; /* 0: no limit */
};

/* One runtime process as the cores see it. */
struct world_runtime {
    void *region;  /* NULL: down */
    uint64_t life; /* grows with each process: a new life is a new region */
    int wake_fd;   /* eventfd of the process */
    _Atomic uint32_t
        *condemned; /* a core sets it to 1 when the process broke the contract: replace it */
};

struct world {
    uint64_t epoch;
    char node[64];
    bool debug_headers;
    struct world_limits limits;
    const struct certs *certs;
    const struct routes *routes;
    uint32_t script_count;
    const struct world_script *scripts;
    uint32_t runtime_count;
    struct world_runtime runtime[RUNTIMES_MAX];
    void *owner; /* control's: what to release with this world */
};

struct world_shared {
    _Atomic(const struct world *) current;
    struct rte_rcu_qsbr *qsbr; /* a core is thread `core index` */
};

static inline const struct world *world_current(const struct world_shared *s)
{
    return atomic_load_explicit(&s->current, memory_order_acquire);
}

#endif
