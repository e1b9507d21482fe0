#include "control/deploy/catalog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void catalog_init(struct catalog *c, void (*on_gone)(void *, uint64_t), void *arg)
{
    *c = (struct catalog){.on_gone = on_gone, .arg = arg};
}

void catalog_fini(struct catalog *c)
{
    c->on_gone = NULL;
    for (struct script *s = c->first, *next; s; s = next) {
        next = s->next;
        if (s->is_current)
            catalog_remove(c, s);
    }
    assert(!c->first);
    free(c->by_slot);
    c->by_slot = NULL;
}

/* The lowest free one. False: no memory. */
static bool take_slot(struct catalog *c, struct script *s)
{
    uint32_t slot = 0;

    while (slot < c->slots && c->by_slot[slot])
        slot++;
    if (slot == c->slots_room) {
        uint32_t room = c->slots_room ? 2 * c->slots_room : 64;
        struct script **more = realloc(c->by_slot, room * sizeof(*more));

        if (!more)
            return false;
        c->by_slot = more;
        c->slots_room = room;
    }
    if (slot == c->slots)
        c->slots++;
    c->by_slot[slot] = s;
    s->slot = slot;
    return true;
}

static struct script **bucket_of(struct catalog *c, uint64_t handle)
{
    return &c->bucket[handle % CATALOG_BUCKETS];
}

struct script *catalog_by_handle(const struct catalog *c, uint64_t handle)
{
    struct script *s = c->bucket[handle % CATALOG_BUCKETS];

    while (s && s->handle != handle)
        s = s->next_in_bucket;
    return s;
}

struct script *catalog_add(struct catalog *c, json_t *manifest, int modules_fd, const char *sha256,
                           int64_t deployed_at)
{
    struct script *s = calloc(1, sizeof(*s));
    struct script **tail = &c->first;

    if (!s || !take_slot(c, s)) {
        free(s);
        return NULL;
    }
    s->manifest = manifest;
    s->modules_fd = modules_fd;
    s->catalog = c;
    s->holds = 1;
    s->handle = ++c->last_handle;
    s->deployed_at = deployed_at;
    snprintf(s->name, sizeof(s->name), "%s",
             json_string_value(json_object_get(s->manifest, "name")));
    snprintf(s->sha256, sizeof(s->sha256), "%s", sha256);
    snprintf(s->version, sizeof(s->version), "%.*s", STORE_VERSION_CHARS, sha256);
    while (*tail)
        tail = &(*tail)->next;
    *tail = s;
    s->next_in_bucket = *bucket_of(c, s->handle);
    *bucket_of(c, s->handle) = s;
    return s;
}

struct script *script_load(struct catalog *c, struct store *store, const char *sha256,
                           int64_t deployed_at, char *error, size_t error_bytes)
{
    struct script *s;
    json_t *manifest;
    int modules_fd;

    if (store_get(store, sha256, &manifest, &modules_fd, error, error_bytes))
        return NULL;
    s = catalog_add(c, manifest, modules_fd, sha256, deployed_at);
    if (!s) {
        snprintf(error, error_bytes, "no memory");
        json_decref(manifest);
        close(modules_fd);
    }
    return s;
}

void script_hold(struct script *s)
{
    assert(s->holds);
    s->holds++;
}

void script_release(struct script *s)
{
    struct catalog *c = s->catalog;

    assert(s->holds);
    if (--s->holds)
        return;
    assert(!s->is_current);
    for (struct script **p = &c->first; *p; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }
    for (struct script **p = bucket_of(c, s->handle); *p; p = &(*p)->next_in_bucket) {
        if (*p == s) {
            *p = s->next_in_bucket;
            break;
        }
    }
    c->by_slot[s->slot] = NULL;
    if (c->on_gone)
        c->on_gone(c->arg, s->handle);
    json_decref(s->manifest);
    close(s->modules_fd);
    free(s);
}

struct script *catalog_find(const struct catalog *c, const char *name)
{
    for (struct script *s = c->first; s; s = s->next)
        if (s->is_current && !strcmp(s->name, name))
            return s;
    return NULL;
}

void catalog_adopt(struct catalog *c, struct script *s)
{
    struct script *before = catalog_find(c, s->name);

    assert(!s->is_current);
    script_hold(s);
    s->is_current = true;
    c->current_count++;
    if (before)
        catalog_remove(c, before);
}

void catalog_remove(struct catalog *c, struct script *s)
{
    assert(s->is_current);
    s->is_current = false;
    c->current_count--;
    script_release(s);
}

void catalog_load(struct catalog *c, struct store *store,
                  void (*on_bad)(const char *name, const char *reason))
{
    json_t *names = store_names(store);
    const json_t *name;
    size_t index;

    json_array_foreach(names, index, name)
    {
        char error[256];
        json_t *record = store_record(store, json_string_value(name), error, sizeof(error));
        const json_t *versions = json_object_get(record, "versions");
        const json_t *last = json_array_get(versions, json_array_size(versions) - 1);
        struct script *s = NULL;

        if (record)
            s = script_load(c, store, json_string_value(json_object_get(record, "current")),
                            json_integer_value(json_object_get(last, "deployed_at")), error,
                            sizeof(error));
        if (s) {
            catalog_adopt(c, s);
            script_release(s);
        } else {
            on_bad(json_string_value(name), error);
        }
        json_decref(record);
    }
    json_decref(names);
}
