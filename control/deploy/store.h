/* store.h
 *
 * Deployed scripts on disk. Artifacts are immutable and named by their SHA-256; a record per script
 * says which one is current.
 *
 *   DIR/artifacts/<sha256>/manifest.json, modules    sha256 of {u64 length, manifest, modules}
 *   DIR/scripts/<name>.json, <account>@<name>.json   {"name":ID,"current":SHA,
 *                                                    "versions":[{"sha256":SHA,"deployed_at":N}..]}
 *   DIR/accounts.json                                accounts.h; there if any account is
 *   DIR/tmp/                                         what a crash left is removed by store_open
 *
 * A script is named by its id (script_id.h), whatever a parameter is called.
 *
 * Every change is: write beside, fsync, rename, fsync the directory. So a crash leaves the old
 * state or the new one. Contents are verified whenever they are read. One process at a time
 * (DIR/lock).
 */
#ifndef HEARTH_STORE_H
#define HEARTH_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORE_VERSIONS_MAX = 32, /* of one script; the oldest go */
    STORE_SHA_CHARS = 64,
    STORE_VERSION_CHARS = 16, /* what people see of it */
};

struct store {
    int dir, lock;
};

/* Creates what is missing. 0, or -1 and a sentence. */
int store_open(struct store *, const char *path, char *error, size_t error_bytes);
void store_close(struct store *);

/* Keeps an artifact; one that is there already is left alone. The manifest has passed bundle_check.
 */
int store_put(struct store *, const json_t *manifest, const uint8_t *modules, size_t bytes,
              char sha256[STORE_SHA_CHARS + 1], char *error, size_t error_bytes);

/* Its manifest, and a sealed memfd with its modules. */
int store_get(struct store *, const char *sha256, json_t **manifest, int *modules_fd, char *error,
              size_t error_bytes);

/* Makes a kept artifact the script's current one and its newest version. */
int store_set_current(struct store *, const char *name, const char *sha256, int64_t now_s,
                      char *error, size_t error_bytes);

/* The script's record, or NULL and a sentence. */
json_t *store_record(struct store *, const char *name, char *error, size_t error_bytes);

/* The whole SHA of the version that begins with `version`; "" or NULL: the one before the current.
 */
int store_find_version(struct store *, const char *name, const char *version,
                       char sha256[STORE_SHA_CHARS + 1], char *error, size_t error_bytes);

/* Removes an artifact that is no version of that script: it was put, and did not become current. */
void store_discard(struct store *, const char *name, const char *sha256);

/* Removes the record, then its artifacts. */
int store_delete(struct store *, const char *name, char *error, size_t error_bytes);

/* Ids of all scripts, in order: a JSON array. */
json_t *store_names(struct store *);

/* The accounts as they were put, mode 0600; none were: *document is NULL. */
int store_put_accounts(struct store *, const json_t *document, char *error, size_t error_bytes);
int store_get_accounts(struct store *, json_t **document, char *error, size_t error_bytes);

#endif
