/* world.h
 *
 * Everything a dp core looks up but never changes: one immutable object, built by the control
 * thread, published by swapping one pointer, freed after every core has passed a quiescent state
 * (rte_rcu_qsbr).
 *
 *   control: build -> world_publish(next) -> old one freed when all cores have moved on
 *   core:    w = world_current(shared) once per iteration; whatever must live longer is copied or
 *            counted
 *
 * Parts that did not change between two worlds are shared by reference count (struct world_part).
 *
 * Rejected: cells as a part of it; cell_mail.h says why.
 */
#ifndef HEARTH_WORLD_H
#define HEARTH_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "runtime/job.h"

struct certs;
struct noise_identity;
struct ring;
struct routes;
struct rte_rcu_qsbr;

struct world_script {
    uint64_t handle;  /* names (script, version) to the cells: never used again for another */
    uint64_t id_hash; /* XXH3_64 of the name: the ring's point, and the second hash's */
    char name[SCRIPT_ID_BYTES_MAX + 1]; /* "name" of the default account, else "account/name" */
    char version[17];                   /* first 16 hex digits of the artifact's SHA-256 */
    uint64_t version_bits;              /* the same as a number */
    uint64_t account;     /* whose it is: XXH3_64 of "account/" and a star; 0: the default one's */
    uint64_t owner;       /* whose scripts trust each other, in one account; 0: nobody's */
    uint32_t subrequests; /* of one request, its callees' too; 0: SUBREQUESTS_DEFAULT */
    uint32_t cpu_ms;      /* the same; 0: CPU_MS_DEFAULT */
    uint32_t wall_ms;     /* the same, without a byte of a body moving; 0: WALL_MS_DEFAULT */
    struct world_fetches *fetches; /* its account's, and stays; NULL: nobody counts */
    uint64_t outbound; /* id_hash of the script that its fetch() goes to; 0: to the world */
    uint32_t binding_count;
    const struct world_binding
        *bindings; /* in the order of the runtime's `services` (runtime/start.h) */
    uint32_t caller_count;
    const uint64_t *callers;   /* of other accounts, that may call it: an id_hash, or an account */
    uint32_t at_once_max;      /* requests of the account that entered here; 0: no limit */
    _Atomic uint32_t *at_once; /* how many there are, on all cores; the account's, and stays */
};

/* What an account's scripts have fetched from the world; all cores add. */
struct world_fetches {
    _Atomic uint64_t begun, failed, in_bytes, out_bytes; /* bytes: of bodies */
};

/* What a script may call: env.NAME. */
struct world_binding {
    uint64_t script; /* hash of the other's id: it need not exist (yet) */
    uint32_t cpu_ms, memory_mb, subrequests, wall_ms; /* limits of the callee; 0: nothing said */
};

/* Tunable limits; see limits.h for what they start from. */
struct world_limits {
    uint32_t hello_timeout_ms, head_timeout_ms, idle_timeout_ms, stall_timeout_ms;
    uint32_t min_rate;               /* bytes a second that a client must give or take; 0: any */
    uint64_t request_body_bytes_max; /* 0: no limit */
};

/* What `hearthctl tune` changes; *_DEFAULT in limits.h. Rates are of the whole node: rpm a minute,
 * rps a second. */
struct world_tune {
    uint32_t hot_enter_rpm, hot_leave_rpm; /* a script asked for so often here runs here */
    uint32_t widen_rps, narrow_rps;        /* of one script at one home */
    uint32_t bound_percent;                /* bounded load: (1 + e) x the mean */
    uint32_t shed_target_us, shed_interval_ms;
    uint32_t shed_jobs_percent, shed_chunks_percent, shed_share_percent;
    uint32_t warm_per_s;           /* cells asked for at ClientHello time, of one core */
    uint32_t source_share_percent; /* of a core's connections and chunks; 100: no limit */
    uint32_t optimistic_bytes; /* W: body bytes sent before ACCEPT; at most JOB_CREDIT_INITIAL */
    uint32_t trace_one_in;     /* requests whose spans are recorded; 1: all, 0: none */
};

extern const struct world_tune world_tune_default;

/* A node of the cluster. */
struct world_member {
    char name[64];
    uint64_t id;         /* XXH3_64 of the name */
    uint8_t address[16]; /* where its RPC ports are; IPv4 as ::ffff:a.b.c.d */
    uint16_t port;       /* UDP: its core q has port + q */
    uint16_t cores;
    uint32_t weight; /* RING_WEIGHT_ONE: one share */
    uint8_t public_key[32];
    bool is_operators; /* by its role, which control alone asks for (control/daemon/behalf.h) */
};

/* The nodes of the cluster, this one among them, sorted by name; alone: just this one. Part of
 * every world. */
struct world_cluster {
    uint16_t self; /* index in member[] */
    uint16_t member_count;
    uint8_t own_state; /* enum node_state (verdict.h): what this node says of itself */
    bool is_leaving;   /* hands its warm scripts over; own_state becomes DRAINING afterwards */
    const struct world_member *member;
    const struct ring *ring;
    const struct noise_identity *identity; /* NULL: no RPC */
    const uint8_t *secret;                 /* 32 bytes */
};

enum { WORLD_HELD_MAX = 64 };

struct world {
    uint64_t epoch;
    char node[64];
    bool debug_headers;
    struct world_limits limits;
    struct world_tune tune;
    struct world_cluster cluster;
    const struct certs *certs;
    const struct routes *routes;
    uint32_t script_count;
    const struct world_script *scripts;
    const uint32_t *script_index; /* open addressing by id_hash: index + 1 into scripts, 0: empty */
    uint32_t script_index_mask;   /* its size less one: a power of two, at most half full */
    uint32_t held_count;
    uint64_t held
        [WORLD_HELD_MAX]; /* handles of scripts that may not run now: they end their processes */
    uint64_t held_full;   /* bit i: that is for want of its account's memory */
    bool can_start_cells; /* there is a zygote: what has no cell may get one */
    void *owner;          /* control's: what to release with this world */
};

struct world_shared {
    _Atomic(const struct world *) current;
    struct rte_rcu_qsbr *qsbr; /* a core is thread `core index` */
};

/* The script of that id hash, or NULL. */
static inline const struct world_script *world_script(const struct world *w, uint64_t id_hash)
{
    if (!w->script_index)
        return NULL;
    for (uint32_t i = (uint32_t)id_hash & w->script_index_mask; w->script_index[i];
         i = (i + 1) & w->script_index_mask) {
        if (w->scripts[w->script_index[i] - 1].id_hash == id_hash)
            return &w->scripts[w->script_index[i] - 1];
    }
    return NULL;
}

static inline bool world_may_call(const struct world_script *caller,
                                  const struct world_script *callee)
{
    if (caller->account == callee->account)
        return true;
    for (uint32_t i = 0; i < callee->caller_count; i++) {
        if (callee->callers[i] == caller->id_hash || callee->callers[i] == caller->account)
            return true;
    }
    return false;
}

static inline bool world_trusts(const struct world_script *caller,
                                const struct world_script *callee)
{
    return caller->owner && caller->owner == callee->owner && caller->account == callee->account;
}

static inline bool world_holds(const struct world *w, uint64_t handle)
{
    for (uint32_t i = 0; i < w->held_count; i++) {
        if (w->held[i] == handle)
            return true;
    }
    return false;
}

/* It is held: is that for want of its account's memory? */
static inline bool world_is_full(const struct world *w, uint64_t handle)
{
    for (uint32_t i = 0; i < w->held_count; i++) {
        if (w->held[i] == handle)
            return w->held_full >> i & 1;
    }
    return false;
}

static inline const struct world *world_current(const struct world_shared *s)
{
    return atomic_load_explicit(&s->current, memory_order_acquire);
}

#endif
