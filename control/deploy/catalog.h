/* catalog.h
 *
 * The scripts that this process serves, in memory: what the store keeps, with a handle for the
 * cells.
 *
 *   live    current ones, and replaced ones that a published world may still route to; in order of
 *   their handles
 *   handle  names (script, version) to the cells; grows, never used again
 *   slot    a small number of a live script, for whoever keeps a row for each; used again when it
 *   is gone
 *
 * A script lives while it is current or a world holds it (script_hold/script_release); when the
 * last hold goes, on_gone is told, so that its cells can end. Control thread only.
 */
#ifndef HEARTH_CATALOG_H
#define HEARTH_CATALOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/deploy/accounts.h"
#include "control/deploy/store.h"
#include "dataplane/base/limits.h"

enum { CATALOG_BUCKETS = 4096 };

struct catalog;

struct script {
    struct script *next, **link; /* among the live ones, and whatever points at it there */
    struct script *next_of_handle, *next_of_name;
    struct catalog *catalog;
    uint32_t holds;
    bool is_current;
    uint64_t handle;
    uint32_t slot;
    char name[SCRIPT_ID_BYTES_MAX + 1]; /* its id (script_id.h) */
    uint64_t id_hash;                   /* of that (name_hash.h) */
    struct account *account;            /* NULL: the default one */
    char sha256[STORE_SHA_CHARS + 1];
    char version[STORE_VERSION_CHARS + 1];
    int64_t deployed_at;
    json_t *manifest;
    /* Of the manifest, for those who go over all scripts; NULL: it does not say. */
    const json_t *routes, *services, *callers, *limits;
    int modules_fd; /* sealed memfd */
};

struct catalog {
    const struct accounts *accounts; /* set by who has any; NULL: the default one is all there is */
    struct script *first, **last;    /* last: where the next one is put */
    uint32_t current_count;
    uint64_t last_handle;
    struct script *by_handle[CATALOG_BUCKETS], *by_name[CATALOG_BUCKETS];
    struct script **by_slot;    /* NULL: free */
    uint32_t slots, slots_room; /* slots: one more than the highest that was in use */
    void (*on_gone)(void *arg, uint64_t handle); /* may be NULL */
    void *arg;
};

void catalog_init(struct catalog *, void (*on_gone)(void *, uint64_t), void *arg);
/* Drops every hold of its own. Worlds must be gone. */
void catalog_fini(struct catalog *);

/* A script, not yet current: the caller has one hold. Takes the manifest and the descriptor over;
 * NULL: no memory, or its owner is no account; they stay the caller's. */
struct script *catalog_add(struct catalog *, json_t *manifest, int modules_fd, const char *sha256,
                           int64_t deployed_at);
/* A script from the store, not yet current: the caller has one hold. NULL and a sentence. */
struct script *script_load(struct catalog *, struct store *, const char *sha256,
                           int64_t deployed_at, char *error, size_t error_bytes);
void script_hold(struct script *);
void script_release(struct script *);

/* What it may use of one request: what its manifest asks for, else what the node gives, under the
 * ceiling of its account. */
uint32_t script_limit(const struct script *, enum account_ceiling, uint32_t given);

/* Current ones that script_id_is_of says. */
uint32_t catalog_count(const struct catalog *, const char *wanted);
struct script *catalog_find(const struct catalog *, const char *name);
/* The live script of that handle, or NULL. */
struct script *catalog_by_handle(const struct catalog *, uint64_t handle);
/* Makes it the current one of its name: the catalog holds it instead of the one before. */
void catalog_adopt(struct catalog *, struct script *);
void catalog_remove(struct catalog *, struct script *);

/* Loads every current script of the store. Scripts that cannot be loaded are left out; each is told
 * to on_bad. */
void catalog_load(struct catalog *, struct store *,
                  void (*on_bad)(const char *name, const char *reason));

#endif
