#include "control/daemon/ring_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/name_hash.h"
#include "control/daemon/node_life.h"
#include "dataplane/base/host.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/route.h"

/* Members and ring of a world; of a world without any, made up. One more member fits: for plan. */
struct view {
    uint32_t count;
    uint16_t self;
    struct world_member member[MEMBERS_MAX + 1];
    const struct ring *ring;
    void *own; /* the ring's memory if the world has none */
};

static json_t *hex(uint64_t value)
{
    return json_sprintf("%016llx", (unsigned long long)value);
}

/* ---- the view ---- */

/* left_out: MEMBERS_MAX for nobody. NULL: no memory. */
static struct ring *build_ring(const struct view *v, uint32_t count, uint32_t left_out)
{
    struct ring_member *m = calloc(count + 1, sizeof(*m));
    struct ring *r = NULL;
    uint32_t members = 0;

    for (uint32_t i = 0; m && i < count; i++)
        if (i != left_out)
            m[members++] = (struct ring_member){v->member[i].id, (uint16_t)i, v->member[i].weight};
    if (m) {
        void *memory = aligned_alloc(64, ring_bytes(m, members));

        if (memory)
            r = ring_build(memory, m, members, 0);
    }
    free(m);
    return r;
}

static void view_free(struct view *v)
{
    if (v)
        free(v->own);
    free(v);
}

/* NULL: no memory. */
static struct view *view_of(const struct world *w)
{
    struct view *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    if (w->cluster.member_count) {
        v->count = w->cluster.member_count;
        v->self = w->cluster.self;
        memcpy(v->member, w->cluster.member, v->count * sizeof(*v->member));
        v->ring = w->cluster.ring;
    } else {
        v->count = 1;
        snprintf(v->member[0].name, sizeof(v->member[0].name), "%s", w->node);
        v->member[0].id = name_hash(w->node);
        v->member[0].weight = RING_WEIGHT_ONE;
    }
    if (!v->ring)
        v->ring = v->own = build_ring(v, v->count, MEMBERS_MAX);
    if (!v->ring) {
        view_free(v);
        return NULL;
    }
    return v;
}

static const char *name_of(const struct view *v, uint16_t node)
{
    return node == RING_NODE_NONE ? "" : v->member[node].name;
}

static const char *state_of(const struct view *v, const struct ring_view_states *s, uint16_t node)
{
    if (node == RING_NODE_NONE || !s->is_known || s->state[node] >= NODE_STATES)
        return "unknown";
    return node_state_name((enum node_state)s->state[node]);
}

/* ---- show ---- */

static void count_scripts(const struct world *w, const struct ring *r, uint32_t count[MEMBERS_MAX])
{
    for (uint32_t i = 0; i < w->script_count; i++) {
        uint16_t home = ring_home(r, w->scripts[i].id_hash);

        if (home != RING_NODE_NONE)
            count[home]++;
    }
}

json_t *ring_view_show(const struct world *w, const struct ring_view_states *states)
{
    uint32_t scripts[MEMBERS_MAX] = {0};
    struct view *v = view_of(w);
    json_t *members = json_array(), *j;

    if (!v) {
        json_decref(members);
        return NULL;
    }
    count_scripts(w, v->ring, scripts);
    for (uint16_t i = 0; i < v->count; i++) {
        const struct world_member *m = &v->member[i];

        json_array_append_new(members,
                              json_pack("{s:s, s:b, s:I, s:I, s:f, s:I, s:s, s:o}", "name", m->name,
                                        "self", i == v->self, "weight", (json_int_t)m->weight,
                                        "points", (json_int_t)ring_points_of(v->ring, i), "share",
                                        ring_share(v->ring, i), "scripts", (json_int_t)scripts[i],
                                        "state", state_of(v, states, i), "id", hex(m->id)));
    }
    j = json_pack("{s:b, s:I, s:o, s:I, s:s, s:I, s:o}", "ok", 1, "epoch",
                  (json_int_t)ring_epoch(v->ring), "digest", hex(ring_digest(v->ring)), "points",
                  (json_int_t)ring_points(v->ring), "self", v->member[v->self].name, "scripts",
                  (json_int_t)w->script_count, "members", members);
    view_free(v);
    return j;
}

/* ---- locate ---- */

static json_t *locate_script(const struct view *v, const struct ring_view_states *states,
                             const struct world_script *s)
{
    uint16_t nodes[RING_VIEW_SUCCESSORS + 1] = {RING_NODE_NONE};
    uint32_t count = ring_successors(v->ring, s->id_hash, nodes, RING_VIEW_SUCCESSORS + 1);
    json_t *successors = json_array();

    for (uint32_t i = 1; i < count; i++)
        json_array_append_new(successors, json_string(v->member[nodes[i]].name));
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:o}", "name", s->name, "version", s->version,
                     "hash", hex(s->id_hash), "home", name_of(v, nodes[0]), "state",
                     state_of(v, states, nodes[0]), "here", nodes[0] == v->self, "successors",
                     successors);
}

/* The scripts that the words mean: one of that name, or those that answer at that host. */
static uint32_t find_scripts(const struct world *w, const char *what, uint32_t routes_core,
                             uint32_t *scripts)
{
    const struct world_script *named = world_script(w, name_hash(what));
    char host[HOST_BYTES_MAX + 1];
    size_t bytes;

    if (named && !strcmp(named->name, what)) {
        scripts[0] = (uint32_t)(named - w->scripts);
        return 1;
    }
    bytes = host_canonical(host, what, strlen(what));
    if (!bytes || !w->routes)
        return 0;
    return routes_of_host(w->routes, routes_core, host, bytes, scripts, RING_VIEW_HOST_SCRIPTS_MAX,
                          &(uint64_t){0});
}

json_t *ring_view_locate(const struct world *w, const struct ring_view_states *states,
                         const char *what, uint32_t routes_core, char *error, size_t error_bytes)
{
    uint32_t found[RING_VIEW_HOST_SCRIPTS_MAX];
    uint32_t count = find_scripts(w, what, routes_core, found);
    json_t *scripts;
    struct view *v;

    if (!count) {
        snprintf(error, error_bytes,
                 "\"%.200s\" is no deployed script, and no route takes that host", what);
        return NULL;
    }
    v = view_of(w);
    if (!v) {
        snprintf(error, error_bytes, "no memory");
        return NULL;
    }
    scripts = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(scripts, locate_script(v, states, &w->scripts[found[i]]));
    view_free(v);
    return json_pack("{s:b, s:s, s:o}", "ok", 1, "query", what, "scripts", scripts);
}

/* ---- plan ---- */

/* One member changes, so every move is to it or from it: the other end says which move it is. */
struct moves {
    uint16_t changed;
    double share[MEMBERS_MAX + 1], share_sum;
    json_t *scripts[MEMBERS_MAX + 1]; /* names; NULL: none */
    uint32_t script_count;
};

static uint16_t other_end(const struct moves *m, uint16_t from, uint16_t to)
{
    return from == m->changed ? to : from;
}

static void on_moved_arc(void *arg, uint16_t from, uint16_t to, double share)
{
    struct moves *m = arg;
    uint16_t other = other_end(m, from, to);

    m->share_sum += share;
    if (other != RING_NODE_NONE)
        m->share[other] += share;
}

static void move_scripts(struct moves *m, const struct world *w, const struct ring *before,
                         const struct ring *after)
{
    for (uint32_t i = 0; i < w->script_count; i++) {
        uint16_t from = ring_home(before, w->scripts[i].id_hash);
        uint16_t to = ring_home(after, w->scripts[i].id_hash);
        uint16_t other = other_end(m, from, to);

        if (from == to)
            continue;
        m->script_count++;
        if (other == RING_NODE_NONE)
            continue;
        if (!m->scripts[other])
            m->scripts[other] = json_array();
        json_array_append_new(m->scripts[other], json_string(w->scripts[i].name));
    }
}

static json_t *moves_json(struct moves *m, const struct view *v, const struct ring_view_change *c)
{
    json_t *moves = json_array();

    for (uint32_t i = 0; i < v->count; i++) {
        const char *other = v->member[i].name;

        if (m->share[i] <= 0)
            continue;
        json_array_append_new(
            moves, json_pack("{s:s, s:s, s:f, s:o}", "from", c->is_removal ? c->node : other, "to",
                             c->is_removal ? other : c->node, "share", m->share[i], "scripts",
                             m->scripts[i] ? m->scripts[i] : json_array()));
        m->scripts[i] = NULL;
    }
    for (uint32_t i = 0; i <= MEMBERS_MAX; i++)
        json_decref(m->scripts[i]);
    return moves;
}

static json_t *members_json(const struct view *v, uint32_t count, const struct ring *after)
{
    json_t *members = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(members, json_pack("{s:s, s:I, s:f, s:f}", "name", v->member[i].name,
                                                 "weight", (json_int_t)v->member[i].weight, "share",
                                                 ring_share(v->ring, (uint16_t)i), "share_after",
                                                 ring_share(after, (uint16_t)i)));
    return members;
}

static uint32_t find_member(const struct view *v, const char *name)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (!strcmp(v->member[i].name, name))
            return i;
    return MEMBERS_MAX;
}

/* Adds the member behind the last one, or finds the one to remove: its index, or MEMBERS_MAX and
 * a sentence. */
static uint32_t change_members(struct view *v, const struct ring_view_change *c, char *error,
                               size_t error_bytes)
{
    uint32_t at = find_member(v, c->node);
    struct world_member *added = &v->member[v->count];

    if (c->is_removal) {
        if (at == MEMBERS_MAX)
            snprintf(error, error_bytes, "%.63s is not a member", c->node);
        else if (v->count == 1)
            snprintf(error, error_bytes, "%.63s is the only member", c->node);
        return v->count == 1 ? MEMBERS_MAX : at;
    }
    if (at != MEMBERS_MAX) {
        snprintf(error, error_bytes, "%.63s is a member already", c->node);
        return MEMBERS_MAX;
    }
    if (v->count == MEMBERS_MAX) {
        snprintf(error, error_bytes, "the cluster has %d members: no more are possible",
                 MEMBERS_MAX);
        return MEMBERS_MAX;
    }
    if (!*c->node || strlen(c->node) >= sizeof(added->name)) {
        snprintf(error, error_bytes, "a node has a name of 1 to %zu characters",
                 sizeof(added->name) - 1);
        return MEMBERS_MAX;
    }
    if (c->weight > RING_WEIGHT_MAX) {
        snprintf(error, error_bytes, "a weight is 0 to %d", RING_WEIGHT_MAX);
        return MEMBERS_MAX;
    }
    snprintf(added->name, sizeof(added->name), "%s", c->node);
    added->id = name_hash(c->node);
    added->weight = c->weight;
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->member[i].id != added->id)
            continue;
        snprintf(error, error_bytes, "the names %s and %s have the same hash: call it otherwise",
                 v->member[i].name, c->node);
        return MEMBERS_MAX;
    }
    return v->count;
}

json_t *ring_view_plan(const struct world *w, const struct ring_view_change *c, char *error,
                       size_t error_bytes)
{
    struct view *v = view_of(w);
    struct moves *m = calloc(1, sizeof(*m));
    struct ring *after = NULL;
    json_t *j = NULL;
    uint32_t changed, count;

    snprintf(error, error_bytes, "no memory");
    if (!v || !m)
        goto end;
    changed = change_members(v, c, error, error_bytes);
    if (changed == MEMBERS_MAX)
        goto end;
    count = v->count + !c->is_removal;
    after = build_ring(v, count, c->is_removal ? changed : MEMBERS_MAX);
    if (!after)
        goto end;
    m->changed = (uint16_t)changed;
    ring_compare(v->ring, after, on_moved_arc, m);
    move_scripts(m, w, v->ring, after);
    j = json_pack("{s:b, s:s, s:s, s:I, s:o, s:o, s:f, s:I, s:I, s:o, s:o}", "ok", 1, "change",
                  c->is_removal ? "remove" : "add", "node", c->node, "weight",
                  (json_int_t)v->member[changed].weight, "digest", hex(ring_digest(v->ring)),
                  "digest_after", hex(ring_digest(after)), "share", m->share_sum, "scripts",
                  (json_int_t)w->script_count, "scripts_moved", (json_int_t)m->script_count,
                  "moves", moves_json(m, v, c), "members", members_json(v, count, after));

end:
    free(after);
    free(m);
    view_free(v);
    return j;
}
