#include "control/deploy/catalog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/base/json_field.h"
#include "control/base/name_hash.h"

void catalog_init(struct catalog *c, void (*on_gone)(void *, uint64_t), void *arg)
{
    *c = (struct catalog){.on_gone = on_gone, .arg = arg};
    c->last = &c->first;
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

static struct script **handle_bucket(struct catalog *c, uint64_t handle)
{
    return &c->by_handle[handle % CATALOG_BUCKETS];
}

static struct script **name_bucket(struct catalog *c, uint64_t id_hash)
{
    return &c->by_name[id_hash % CATALOG_BUCKETS];
}

struct script *catalog_by_handle(const struct catalog *c, uint64_t handle)
{
    struct script *s = c->by_handle[handle % CATALOG_BUCKETS];

    while (s && s->handle != handle)
        s = s->next_of_handle;
    return s;
}

static void put_in(struct catalog *c, struct script *s)
{
    s->link = c->last;
    *c->last = s;
    c->last = &s->next;
    s->next_of_handle = *handle_bucket(c, s->handle);
    *handle_bucket(c, s->handle) = s;
    s->next_of_name = *name_bucket(c, s->id_hash);
    *name_bucket(c, s->id_hash) = s;
}

static void take_out(struct catalog *c, struct script *s)
{
    struct script **p;

    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    else
        c->last = s->link;
    for (p = handle_bucket(c, s->handle); *p != s; p = &(*p)->next_of_handle)
        ;
    *p = s->next_of_handle;
    for (p = name_bucket(c, s->id_hash); *p != s; p = &(*p)->next_of_name)
        ;
    *p = s->next_of_name;
}

/* Of the manifest's owner; NULL: the default one. False: it has an owner who is not there. */
static bool find_account(const struct catalog *c, const json_t *manifest, struct account **account)
{
    const char *owner = field_text(manifest, "owner");

    *account = *owner && c->accounts ? accounts_find(c->accounts, owner) : NULL;
    return !*owner || *account;
}

uint32_t script_limit(const struct script *s, enum account_ceiling which, uint32_t given)
{
    const char *name = account_ceilings[which].name;

    return account_limit(s->account, which, s->limits ? (uint32_t)field_number(s->limits, name) : 0,
                         given);
}

struct script *catalog_add(struct catalog *c, json_t *manifest, int modules_fd, const char *sha256,
                           int64_t deployed_at)
{
    struct account *account;
    struct script *s = find_account(c, manifest, &account) ? calloc(1, sizeof(*s)) : NULL;

    if (!s || !take_slot(c, s)) {
        free(s);
        return NULL;
    }
    s->account = account;
    if (account)
        account->scripts++;
    s->manifest = manifest;
    s->routes = json_object_get(manifest, "routes");
    s->services = json_object_get(manifest, "services");
    s->callers = json_object_get(manifest, "allow_callers");
    s->limits = json_object_get(manifest, "limits");
    s->modules_fd = modules_fd;
    s->catalog = c;
    s->holds = 1;
    s->handle = ++c->last_handle;
    s->deployed_at = deployed_at;
    script_id_write(s->name, account ? account->name : NULL, field_text(s->manifest, "name"));
    s->id_hash = name_hash(s->name);
    snprintf(s->sha256, sizeof(s->sha256), "%s", sha256);
    snprintf(s->version, sizeof(s->version), "%.*s", STORE_VERSION_CHARS, sha256);
    put_in(c, s);
    return s;
}

struct script *script_load(struct catalog *c, struct store *store, const char *sha256,
                           int64_t deployed_at, char *error, size_t error_bytes)
{
    struct account *account;
    struct script *s;
    json_t *manifest;
    int modules_fd;

    if (store_get(store, sha256, &manifest, &modules_fd, error, error_bytes))
        return NULL;
    s = catalog_add(c, manifest, modules_fd, sha256, deployed_at);
    if (!s) {
        if (find_account(c, manifest, &account))
            snprintf(error, error_bytes, "no memory");
        else
            snprintf(error, error_bytes, "there is no account %s, whose script it is",
                     field_text(manifest, "owner"));
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
    take_out(c, s);
    c->by_slot[s->slot] = NULL;
    if (c->on_gone)
        c->on_gone(c->arg, s->handle);
    if (s->account)
        s->account->scripts--;
    json_decref(s->manifest);
    close(s->modules_fd);
    free(s);
}

struct script *catalog_find(const struct catalog *c, const char *name)
{
    struct script *s = c->by_name[name_hash(name) % CATALOG_BUCKETS];

    while (s && !(s->is_current && !strcmp(s->name, name)))
        s = s->next_of_name;
    return s;
}

uint32_t catalog_count(const struct catalog *c, const char *wanted)
{
    uint32_t count = 0;

    for (const struct script *s = c->first; s; s = s->next)
        count += s->is_current && script_id_is_of(s->name, wanted);
    return count;
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
