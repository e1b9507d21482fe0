#include "control/world/world_build.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "control/base/name_hash.h"
#include "dataplane/cert.h"

enum { CERT_NAMES_MAX = 128 }; /* of one certificate */

/* ---- certificates ---- */

static void certs_part_destroy(struct part *part)
{
    struct certs_part *p = (struct certs_part *)part;

    if (p->certs)
        certs_destroy(p->certs);
    for (uint32_t i = 0; i < p->context_count; i++)
        tls_context_destroy(p->contexts[i]);
    free(p->contexts);
    free(p);
}

struct names {
    struct cert_source *source;
    uint32_t count, room;
};

static bool add_name(struct names *n, const char *name, uint32_t context)
{
    for (uint32_t i = 0; i < n->count; i++)
        if (!strcmp(n->source[i].name, name) && n->source[i].context == context)
            return true;
    if (n->count == n->room) {
        uint32_t room = n->room ? 2 * n->room : 64;
        struct cert_source *more = realloc(n->source, room * sizeof(*more));

        if (!more)
            return false;
        n->source = more;
        n->room = room;
    }
    n->source[n->count].name = strdup(name);
    n->source[n->count].context = context;
    return n->source[n->count++].name != NULL;
}

static void free_names(struct names *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        free((char *)n->source[i].name);
    free(n->source);
}

static bool load_contexts(struct certs_part *p, const struct conf *conf,
                          const struct tls_tickets *tickets, struct names *names, char *error,
                          size_t error_bytes)
{
    char(*dns)[256] = malloc(CERT_NAMES_MAX * sizeof(*dns));
    bool ok = dns != NULL;

    for (uint32_t i = 0; ok && i < conf->certificates_count; i++) {
        const struct conf_certificate *c = &conf->certificates[i];
        size_t count;

        p->contexts[i] = tls_context_create(c->chain, c->key, tickets, error, error_bytes);
        if (!p->contexts[i]) {
            char why[512];

            snprintf(why, sizeof(why), "%s", error);
            snprintf(error, error_bytes, "certificates[%u], line %u: %s", i, c->line, why);
            ok = false;
            break;
        }
        p->context_count = i + 1;
        count = tls_context_names(p->contexts[i], dns, CERT_NAMES_MAX);
        for (size_t k = 0; ok && k < count; k++)
            ok = add_name(names, dns[k], i);
        if (!ok)
            snprintf(error, error_bytes, "no memory for the certificates");
    }
    free(dns);
    return ok;
}

struct certs_part *certs_part_build(const struct conf *conf, const struct tls_tickets *tickets,
                                    char *error, size_t error_bytes)
{
    struct certs_part *p = calloc(1, sizeof(*p));
    struct names names = {0};
    uint32_t default_context = UINT32_MAX;

    snprintf(error, error_bytes, "no memory for the certificates");
    if (!p)
        return NULL;
    part_init(&p->part, certs_part_destroy);
    p->contexts = calloc(conf->certificates_count + 1, sizeof(*p->contexts));
    if (p->contexts && load_contexts(p, conf, tickets, &names, error, error_bytes)) {
        for (uint32_t i = 0; i < conf->certificates_count; i++)
            if (conf->certificates[i].is_default)
                default_context = i;
        p->certs =
            certs_build(p->contexts, p->context_count, names.source, names.count, default_context);
        if (!p->certs)
            snprintf(error, error_bytes, "no memory for the certificates");
    }
    free_names(&names);
    if (!p->certs) {
        part_release(&p->part);
        return NULL;
    }
    return p;
}

/* ---- scripts and routes ---- */

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

/* ---- the world ---- */

struct world_parts {
    struct certs_part *certs;
    struct scripts_part *scripts;
    struct cluster_part *cluster;
    struct part *region[RUNTIMES_MAX];
};

static struct world_limits limits_of(const struct conf_limits *l)
{
    return (struct world_limits){
        .hello_timeout_ms = l->hello_timeout_ms,
        .head_timeout_ms = l->head_timeout_ms,
        .idle_timeout_ms = l->idle_timeout_ms,
        .stall_timeout_ms = l->stall_timeout_ms,
        .min_rate = l->min_rate,
        .request_body_bytes_max = (uint64_t)l->request_body_mb << 20,
    };
}

static void add_runtimes(struct world *w, struct world_parts *parts, const struct world_runtimes *r)
{
    w->held_count = r->held_count;
    memcpy(w->held, r->held, r->held_count * sizeof(r->held[0]));
    w->runtime_count = r->count;
    for (uint32_t i = 0; i < r->count; i++) {
        w->runtime[i] = r->runtime[i];
        parts->region[i] = r->region[i];
        if (r->region[i])
            part_hold(r->region[i]);
    }
}

struct world *world_build(const struct world_plan *plan)
{
    const struct cluster_part *cluster = plan->cluster;
    struct world *w = calloc(1, sizeof(*w));
    struct world_parts *parts = calloc(1, sizeof(*parts));

    if (!w || !parts) {
        free(w);
        free(parts);
        return NULL;
    }
    *parts = (struct world_parts){
        .certs = plan->certs, .scripts = plan->scripts, .cluster = plan->cluster};
    part_hold(&parts->certs->part);
    part_hold(&parts->scripts->part);
    part_hold(&parts->cluster->part);
    w->owner = parts;
    w->epoch = plan->epoch;
    memcpy(w->node, plan->conf->node, sizeof(w->node));
    w->debug_headers = plan->conf->debug_headers;
    w->limits = limits_of(&plan->conf->limits);
    w->tune = *plan->tune;
    w->cluster = (struct world_cluster){
        .self = cluster->self,
        .member_count = cluster->member_count,
        .own_state = plan->own_state,
        .is_leaving = plan->is_leaving,
        .member = cluster->member,
        .ring = cluster->ring->ring,
        .identity = cluster->keys->is_set ? &cluster->keys->identity : NULL,
        .secret = cluster->keys->secret,
    };
    w->certs = plan->certs->certs;
    w->routes = plan->scripts->routes;
    w->script_count = plan->scripts->script_count;
    w->scripts = plan->scripts->scripts;
    w->script_index = plan->scripts->index;
    w->script_index_mask = plan->scripts->index_mask;
    add_runtimes(w, parts, plan->runtimes);
    return w;
}

static void world_free(struct world *w)
{
    struct world_parts *parts = w->owner;

    for (uint32_t i = 0; i < w->runtime_count; i++)
        part_release(parts->region[i]);
    part_release(&parts->cluster->part);
    part_release(&parts->scripts->part);
    part_release(&parts->certs->part);
    free(parts);
    free(w);
}

/* ---- publishing ---- */

struct retired_world {
    struct retired_world *next;
    struct world *world;
    uint64_t token;
};

void publisher_init(struct publisher *p, struct world_shared *shared, void (*wake)(void *),
                    void *arg)
{
    *p = (struct publisher){.shared = shared, .wake = wake, .arg = arg};
}

void world_publish(struct publisher *p, struct world *next)
{
    struct world *before =
        (struct world *)atomic_exchange_explicit(&p->shared->current, next, memory_order_acq_rel);
    struct retired_world **tail = &p->first;
    struct retired_world *r;

    if (before) {
        r = calloc(1, sizeof(*r));
        assert(r); /* a few bytes: without them nothing here can go on */
        r->world = before;
        r->token = rte_rcu_qsbr_start(p->shared->qsbr);
        while (*tail)
            tail = &(*tail)->next;
        *tail = r;
    }
    if (p->wake)
        p->wake(p->arg);
}

bool publisher_reclaim(struct publisher *p)
{
    struct retired_world *r;

    while ((r = p->first) && rte_rcu_qsbr_check(p->shared->qsbr, r->token, false) == 1) {
        p->first = r->next;
        world_free(r->world);
        free(r);
    }
    return p->first != NULL;
}

void publisher_fini(struct publisher *p)
{
    struct world *current =
        (struct world *)atomic_exchange_explicit(&p->shared->current, NULL, memory_order_acq_rel);

    while (p->first) {
        struct retired_world *r = p->first;

        p->first = r->next;
        world_free(r->world);
        free(r);
    }
    if (current)
        world_free(current);
}
