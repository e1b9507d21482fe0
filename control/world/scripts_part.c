#include "control/world/scripts_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/name_hash.h"

static void scripts_part_destroy(struct part *part)
{
    struct scripts_part *p = (struct scripts_part *)part;

    routes_destroy(p->routes);
    for (uint32_t i = 0; i < p->script_count; i++)
        script_release(p->held[i]);
    free(p->held);
    free(p->scripts);
    free(p->bindings);
    free(p->index);
    free(p);
}

struct sources {
    struct route_source *source;
    uint32_t count, room;
};

/* Consumes the pattern. */
static bool add_route(struct sources *s, char *pattern, uint32_t script, bool is_implied)
{
    if (s->count == s->room) {
        uint32_t room = s->room ? 2 * s->room : 256;
        struct route_source *more = realloc(s->source, room * sizeof(*more));

        if (!more) {
            free(pattern);
            return false;
        }
        s->source = more;
        s->room = room;
    }
    s->source[s->count++] = (struct route_source){pattern, script, is_implied};
    return pattern != NULL;
}

static void free_routes(struct sources *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free((char *)s->source[i].pattern);
    free(s->source);
}

static uint32_t number_of(const json_t *limits, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(limits, key));
}

/* In the order of the manifest, which is the order in which the runtime was told them. */
static void add_bindings(struct scripts_part *p, struct world_script *w, uint32_t *used,
                         const json_t *services)
{
    const json_t *service;
    size_t i;

    w->bindings = p->bindings + *used;
    json_array_foreach(services, i, service)
    {
        const json_t *limits = json_object_get(service, "limits");

        p->bindings[(*used)++] = (struct world_binding){
            .script = name_hash(json_string_value(json_object_get(service, "service"))),
            .cpu_ms = number_of(limits, "cpu_ms"),
            .memory_mb = number_of(limits, "memory_mb"),
            .subrequests = number_of(limits, "subrequests"),
            .wall_ms = number_of(limits, "wall_ms"),
        };
        w->binding_count++;
    }
}

static bool add_script(struct scripts_part *p, struct script *script, const struct conf *conf,
                       struct sources *sources, uint32_t *bindings_used)
{
    const json_t *routes = json_object_get(script->manifest, "routes");
    const char *account = json_string_value(json_object_get(script->manifest, "account"));
    uint32_t index = p->script_count;
    struct world_script *w = &p->scripts[index];
    const json_t *route;
    size_t i;

    script_hold(script);
    p->held[p->script_count++] = script;
    w->handle = script->handle;
    w->id_hash = name_hash(script->name);
    w->owner = account && *account ? name_hash(account) : 0;
    snprintf(w->name, sizeof(w->name), "%s", script->name);
    snprintf(w->version, sizeof(w->version), "%s", script->version);
    w->version_bits = strtoull(script->version, NULL, 16);
    w->subrequests = number_of(json_object_get(script->manifest, "limits"), "subrequests");
    if (w->subrequests == 0)
        w->subrequests = conf->limits.subrequests;
    add_bindings(p, w, bindings_used, json_object_get(script->manifest, "services"));
    json_array_foreach(routes, i, route)
    {
        if (!add_route(sources, strdup(json_string_value(route)), index, false))
            return false;
    }
    for (uint32_t z = 0; z < conf->zones_count; z++) {
        char *own;

        if (asprintf(&own, "%s.%s", script->name, conf->zones[z]) < 0 ||
            !add_route(sources, own, index, true))
            return false;
    }
    return true;
}

/* What world_script() looks up in: at most half full, linear probing. */
static bool index_scripts(struct scripts_part *p)
{
    uint32_t size = 2;

    while (size < 2 * p->script_count)
        size *= 2;
    p->index = calloc(size, sizeof(*p->index));
    if (!p->index)
        return false;
    p->index_mask = size - 1;
    for (uint32_t s = 0; s < p->script_count; s++) {
        uint32_t i = (uint32_t)p->scripts[s].id_hash & p->index_mask;

        while (p->index[i])
            i = (i + 1) & p->index_mask;
        p->index[i] = s + 1;
    }
    return true;
}

static int by_pattern(const void *a, const void *b)
{
    const struct route_source *x = a, *y = b;
    int order = strcmp(x->pattern, y->pattern);

    return order ? order : (int)x->is_implied - (int)y->is_implied;
}

/* An explicit route belongs to one script. */
static bool check_owners(const struct scripts_part *p, struct sources *s, char *error,
                         size_t error_bytes)
{
    if (s->count)
        qsort(s->source, s->count, sizeof(*s->source), by_pattern);
    for (uint32_t i = 1; i < s->count; i++) {
        const struct route_source *x = &s->source[i - 1], *y = &s->source[i];

        if (x->is_implied || y->is_implied || x->script == y->script ||
            strcmp(x->pattern, y->pattern))
            continue;
        snprintf(error, error_bytes, "route \"%.150s\" is wanted by %s and by %s", x->pattern,
                 p->scripts[x->script].name, p->scripts[y->script].name);
        return false;
    }
    return true;
}

struct scripts_part *scripts_part_build(const struct catalog *catalog, struct script *candidate,
                                        const struct script *left_out, const struct conf *conf,
                                        char *error, size_t error_bytes)
{
    struct scripts_part *p = calloc(1, sizeof(*p));
    struct sources sources = {0};
    uint32_t bindings = 0;
    bool ok;

    snprintf(error, error_bytes, "no memory for the scripts");
    if (!p)
        return NULL;
    part_init(&p->part, scripts_part_destroy);
    for (const struct script *s = catalog->first; s; s = s->next)
        if (s->is_current || s == candidate)
            bindings += (uint32_t)json_array_size(json_object_get(s->manifest, "services"));
    p->held = calloc(catalog->current_count + 1, sizeof(struct script *));
    p->scripts = calloc(catalog->current_count + 1, sizeof(*p->scripts));
    p->bindings = calloc(bindings + 1, sizeof(*p->bindings));
    ok = p->held && p->scripts && p->bindings;
    if (catalog->current_count + (candidate != NULL) > SCRIPTS_MAX) {
        snprintf(error, error_bytes, "at most %d scripts are possible", SCRIPTS_MAX);
        ok = false;
    }
    bindings = 0;
    for (struct script *s = catalog->first; ok && s; s = s->next) {
        bool is_replaced = candidate && s != candidate && !strcmp(s->name, candidate->name);

        if (s != left_out && !is_replaced && (s->is_current || s == candidate))
            ok = add_script(p, s, conf, &sources, &bindings);
    }
    ok = ok && index_scripts(p);
    if (ok && check_owners(p, &sources, error, error_bytes))
        p->routes =
            /* One more than there are cores: the control thread's own. */
            routes_build(sources.source, sources.count, conf->cores_count + 1, error, error_bytes);
    free_routes(&sources);
    if (!p->routes) {
        part_release(&p->part);
        return NULL;
    }
    return p;
}
