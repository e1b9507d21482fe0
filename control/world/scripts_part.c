#include "control/world/scripts_part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/name_hash.h"
#include "control/deploy/script_id.h"

static void scripts_part_destroy(struct part *part)
{
    struct scripts_part *p = (struct scripts_part *)part;

    routes_destroy(p->routes);
    claims_fini(&p->claims);
    for (uint32_t i = 0; i < p->script_count; i++)
        script_release(p->held[i]);
    free(p->held);
    free(p->scripts);
    free(p->bindings);
    free(p->callers);
    free(p->index);
    free(p);
}

/* Entries of the arrays that all scripts share. */
struct part_room {
    uint32_t bindings, callers;
};

static uint32_t number_of(const json_t *limits, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(limits, key));
}

/* What a manifest says of another script, as its hash: one of the same account, or "account/name";
 * "account/" and a star is what world_script.account has. The default one's is 0. */
static uint64_t said_hash(const struct script *script, const char *text)
{
    char id[SCRIPT_ID_BYTES_MAX + 1];

    if (!script_id_resolve(id, script->account ? script->account->name : NULL, text))
        return name_hash(text);
    return strcmp(id, "*") ? name_hash(id) : 0;
}

static uint64_t account_hash(const struct account *account)
{
    char id[SCRIPT_ID_BYTES_MAX + 1];

    if (account_is_default(account))
        return 0;
    script_id_write(id, account->name, "*");
    return name_hash(id);
}

/* In the order of the manifest, which is the order in which the runtime was told them. */
static void add_bindings(struct scripts_part *p, struct world_script *w, struct part_room *used,
                         const struct script *script)
{
    const json_t *service;
    size_t i;

    w->bindings = p->bindings + used->bindings;
    json_array_foreach(script->services, i, service)
    {
        const json_t *limits = json_object_get(service, "limits");

        p->bindings[used->bindings++] = (struct world_binding){
            .script = said_hash(script, json_string_value(json_object_get(service, "service"))),
            .cpu_ms = number_of(limits, "cpu_ms"),
            .memory_mb = number_of(limits, "memory_mb"),
            .subrequests = number_of(limits, "subrequests"),
            .wall_ms = number_of(limits, "wall_ms"),
        };
        w->binding_count++;
    }
}

static void add_callers(struct scripts_part *p, struct world_script *w, struct part_room *used,
                        const struct script *script)
{
    const json_t *caller;
    size_t i;

    w->callers = p->callers + used->callers;
    json_array_foreach(script->callers, i, caller)
    {
        p->callers[used->callers++] = said_hash(script, json_string_value(caller));
        w->caller_count++;
    }
}

static void add_identity(struct world_script *w, struct script *script)
{
    const char *trusted = json_string_value(json_object_get(script->manifest, "account"));

    w->handle = script->handle;
    w->id_hash = script->id_hash;
    w->account = account_hash(script->account);
    w->owner = w->account ? w->account : trusted && *trusted ? name_hash(trusted) : 0;
    snprintf(w->name, sizeof(w->name), "%s", script->name);
    snprintf(w->version, sizeof(w->version), "%s", script->version);
    w->version_bits = strtoull(script->version, NULL, 16);
    if (script->account) {
        w->at_once_max = script->account->ceiling[CEILING_REQUESTS];
        w->at_once = &script->account->at_once;
        w->fetches = &script->account->fetches;
        if (script->account->outbound[0])
            w->outbound = name_hash(script->account->outbound);
    }
}

char *scripts_part_host(const struct script *script, const char *zone)
{
    const char *name = script_id_name(script->name);
    char *host;
    int rc = script->account ? asprintf(&host, "%s.%s.%s", name, script->account->name, zone)
                             : asprintf(&host, "%s.%s", name, zone);

    return rc < 0 ? NULL : host;
}

/* Some zone's part of the hosts may hold the pattern. */
static bool may_route(const struct account *account, const char *pattern, const struct conf *conf)
{
    bool may = account_may_route(account, pattern, NULL);

    for (uint32_t z = 0; z < conf->zones_count && !may; z++)
        may = account_may_route(account, pattern, conf->zones[z]);
    return may;
}

/* What a script's account has lost since it was deployed is left out; a candidate's own is asked
 * for. False: no memory. */
static bool add_claims(struct claims *claims, const struct script *script, uint32_t index,
                       const struct conf *conf)
{
    const uint64_t account = account_hash(script->account);
    const json_t *route;
    size_t i;

    json_array_foreach(script->routes, i, route)
    {
        const char *pattern = json_string_value(route);

        if (may_route(script->account, pattern, conf) &&
            !claims_add(claims, strdup(pattern), index, false, account))
            return false;
    }
    for (uint32_t z = 0; z < conf->zones_count; z++)
        if (!claims_add(claims, scripts_part_host(script, conf->zones[z]), index, true, account))
            return false;
    return true;
}

/* As its process is told them (control/supervise/start_packet.c). */
static void add_limits(struct world_script *w, const struct script *script, const struct conf *conf)
{
    w->subrequests = script_limit(script, CEILING_SUBREQUESTS, conf->limits.subrequests);
    w->cpu_ms = script_limit(script, CEILING_CPU_MS, conf->limits.cpu_ms);
    w->wall_ms = script_limit(script, CEILING_WALL_MS, conf->limits.wall_ms);
}

static bool add_script(struct scripts_part *p, struct script *script, const struct conf *conf,
                       struct part_room *used)
{
    struct world_script *w = &p->scripts[p->script_count];

    script_hold(script);
    p->held[p->script_count++] = script;
    add_identity(w, script);
    add_limits(w, script, conf);
    add_bindings(p, w, used, script);
    add_callers(p, w, used, script);
    return add_claims(&p->claims, script, p->script_count - 1, conf);
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

/* The script of that name; UINT32_MAX: there is none. */
static uint32_t index_of(const struct scripts_part *p, const struct script *script)
{
    uint32_t i = (uint32_t)script->id_hash & p->index_mask;

    while (p->index[i] && p->scripts[p->index[i] - 1].id_hash != script->id_hash)
        i = (i + 1) & p->index_mask;
    return p->index[i] ? p->index[i] - 1 : UINT32_MAX;
}

static const char *name_of(const struct scripts_part *p, const struct route_source *claim,
                           const struct script *candidate)
{
    return claim->script < p->script_count ? p->scripts[claim->script].name : candidate->name;
}

/* Who is not the operator learns no names of other accounts. y: the later one. Says false. */
static bool complain(const struct scripts_part *p, const struct script *candidate,
                     const struct route_source *x, const struct route_source *y, char *error,
                     size_t error_bytes)
{
    /* What is wanted is the explicit one; the other may be its host. */
    const struct route_source *wanted = x->is_implied ? y : x, *other = wanted == x ? y : x;

    if (x->account == y->account || !candidate || !candidate->account)
        snprintf(error, error_bytes, "route \"%.150s\" is wanted by %s and by %s", wanted->pattern,
                 name_of(p, wanted, candidate), name_of(p, other, candidate));
    else
        snprintf(error, error_bytes, "route \"%.150s\" belongs to a script of another account",
                 wanted->pattern);
    return false;
}

static bool have_one_owner_each(struct scripts_part *p, const struct script *candidate, char *error,
                                size_t error_bytes)
{
    const struct route_source *x, *y;

    claims_sort(&p->claims);
    return !claims_clash(&p->claims, &x, &y) || complain(p, candidate, x, y, error, error_bytes);
}

bool scripts_part_admits(const struct scripts_part *p, const struct script *candidate,
                         const struct conf *conf, char *error, size_t error_bytes)
{
    struct claims own = {0};
    bool ok = add_claims(&own, candidate, index_of(p, candidate), conf);

    if (!ok)
        snprintf(error, error_bytes, "no memory for its routes");
    for (uint32_t i = 0; ok && i < own.count; i++) {
        const struct route_source *rival = claims_rival(&p->claims, &own.source[i]);

        ok = !rival || complain(p, candidate, rival, &own.source[i], error, error_bytes);
    }
    claims_fini(&own);
    return ok;
}

bool scripts_part_hosts_are_own(const struct script *script, const struct conf *conf, char *error,
                                size_t error_bytes)
{
    const json_t *route;
    size_t i;

    json_array_foreach(script->routes, i, route)
    {
        if (may_route(script->account, json_string_value(route), conf))
            continue;
        snprintf(error, error_bytes, "route \"%.200s\" is outside of the hosts of account %s",
                 json_string_value(route), script->account->name);
        return false;
    }
    return true;
}

struct scripts_part *scripts_part_build(const struct catalog *catalog, struct script *candidate,
                                        const struct script *left_out, const struct conf *conf,
                                        char *error, size_t error_bytes)
{
    struct scripts_part *p = calloc(1, sizeof(*p));
    struct part_room room = {0};
    bool ok;

    snprintf(error, error_bytes, "no memory for the scripts");
    if (!p)
        return NULL;
    part_init(&p->part, scripts_part_destroy);
    for (const struct script *s = catalog->first; s; s = s->next)
        if (s->is_current || s == candidate) {
            room.bindings += (uint32_t)json_array_size(s->services);
            room.callers += (uint32_t)json_array_size(s->callers);
        }
    p->held = calloc(catalog->current_count + 1, sizeof(struct script *));
    p->scripts = calloc(catalog->current_count + 1, sizeof(*p->scripts));
    p->bindings = calloc(room.bindings + 1, sizeof(*p->bindings));
    p->callers = calloc(room.callers + 1, sizeof(*p->callers));
    ok = p->held && p->scripts && p->bindings && p->callers;
    if (catalog->current_count + (candidate != NULL) > SCRIPTS_MAX) {
        snprintf(error, error_bytes, "at most %d scripts are possible", SCRIPTS_MAX);
        ok = false;
    }
    room = (struct part_room){0};
    for (struct script *s = catalog->first; ok && s; s = s->next) {
        bool is_replaced = candidate && s != candidate && !strcmp(s->name, candidate->name);

        if (s != left_out && !is_replaced && (s->is_current || s == candidate))
            ok = add_script(p, s, conf, &room);
    }
    ok = ok && index_scripts(p);
    if (ok && have_one_owner_each(p, candidate, error, error_bytes))
        /* One more than there are cores: the control thread's own. */
        p->routes = routes_build(p->claims.source, p->claims.count, conf->cores_count + 1, error,
                                 error_bytes);
    if (!p->routes) {
        part_release(&p->part);
        return NULL;
    }
    return p;
}
