#include "tests/sim/datacentre/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/datacentre/centre.h"

const char *const cause_name[CAUSES] = {"first", "deploy", "capacity", "churn", "widening"};

enum { LOAD_JOBS = 1000, SHED_STEPS = 12 };

void server_init(struct server *s, uint32_t scripts, const struct warm_weights *weights,
                 size_t bytes_max, size_t bytes_least, double capacity_us)
{
    *s = (struct server){
        .state = NODE_SERVING, .is_up = true, .capacity_us = capacity_us, .due_ns = UINT64_MAX};
    s->heat = centre_take(sizeof(*s->heat));
    s->script = centre_take(scripts * sizeof(*s->script));
    s->cells_max = (uint32_t)(bytes_max / bytes_least) + 2;
    s->cell = calloc(s->cells_max, sizeof(*s->cell));
    assert(s->cell);
    heat_init(s->heat);
    shed_init(&s->shed);
    warm_pool_init(&s->pool, weights, bytes_max);
}

void server_fini(struct server *s)
{
    server_restart(s);
    warm_pool_fini(&s->pool);
    free(s->heat);
    free(s->script);
    free(s->cell);
}

/* ---- cells by last use ---- */

static struct server_cell *at(const struct server *s, uint32_t place)
{
    return &s->cell[place - 1];
}

static uint32_t place_of(const struct server *s, const struct server_cell *i)
{
    return (uint32_t)(i - s->cell) + 1;
}

static void link_newest(struct server *s, struct server_cell *i)
{
    i->older = s->newest;
    i->newer = 0;
    if (s->newest)
        at(s, s->newest)->newer = place_of(s, i);
    else
        s->oldest = place_of(s, i);
    s->newest = place_of(s, i);
}

static void unlink_from(struct server *s, struct server_cell *i)
{
    if (i->newer)
        at(s, i->newer)->older = i->older;
    else
        s->newest = i->older;
    if (i->older)
        at(s, i->older)->newer = i->newer;
    else
        s->oldest = i->newer;
}

struct server_cell *server_find(const struct server *s, uint32_t script)
{
    uint32_t place = s->script[script].cell;
    return place ? at(s, place) : NULL;
}

void server_use(struct server *s, struct server_cell *i, uint64_t now_ns)
{
    warm_pool_use(&s->pool, &i->entry, now_ns);
    if (s->newest == place_of(s, i))
        return;
    unlink_from(s, i);
    link_newest(s, i);
}

void server_drop(struct server *s, struct server_cell *i, enum past past)
{
    struct server_script *script = &s->script[i->script];
    warm_pool_remove(&s->pool, &i->entry);
    unlink_from(s, i);
    script->cell = 0;
    script->past = (uint8_t)past;
    i->older = s->free;
    s->free = place_of(s, i);
}

/* The pool points at entries: they must not move. So a full table is refused, and cells_max is
 * what the budget can hold. */
static struct server_cell *take_cell(struct server *s)
{
    if (!s->free) {
        if (s->used == s->cells_max)
            return NULL;
        return &s->cell[s->used++];
    }
    struct server_cell *i = at(s, s->free);
    s->free = i->older;
    return i;
}

static struct server_cell *victim(const struct server *s, bool by_value, uint64_t idle_ns,
                                  uint64_t now_ns)
{
    if (by_value)
        return (struct server_cell *)warm_pool_victim(&s->pool, idle_ns, now_ns);
    struct server_cell *i = s->oldest ? at(s, s->oldest) : NULL;
    return i && now_ns - warm_pool_used_ns(&s->pool, &i->entry) >= idle_ns ? i : NULL;
}

struct server_cell *server_start(struct server *s, uint32_t script, uint32_t bytes,
                                 uint32_t start_us, bool by_value, uint64_t idle_ns,
                                 uint64_t now_ns)
{
    struct server_script *mine = &s->script[script];
    assert(!mine->cell);
    while (!warm_pool_fits(&s->pool, bytes) && s->pool.count > 0) {
        struct server_cell *v = victim(s, by_value, idle_ns, now_ns);
        if (!v)
            return NULL;
        server_drop(s, v, PAST_EVICTED);
        s->evictions++;
    }
    struct server_cell *i = take_cell(s);
    if (!i)
        return NULL;
    *i = (struct server_cell){.script = script, .ready_ns = now_ns + start_us * 1000ull};
    warm_history_started(&mine->history, start_us);
    warm_pool_add(&s->pool, &i->entry, &mine->history, bytes, now_ns);
    link_newest(s, i);
    mine->cell = place_of(s, i);
    mine->past = PAST_WARM;
    s->demand_us += start_us;
    return i;
}

void server_restart(struct server *s)
{
    while (s->newest)
        server_drop(s, at(s, s->newest), PAST_CHURN);
    s->backlog_us = 0;
}

/* ---- load ---- */

static uint64_t delay_ns(const struct server *s)
{
    return (uint64_t)(s->backlog_us / s->capacity_us * 1e9);
}

void server_tick(struct server *s, const struct shed_tune *tune, uint64_t now_ns)
{
    double demand_us = s->demand_us + s->bulk_us, left = s->backlog_us + demand_us - s->capacity_us;
    double busy = demand_us / s->capacity_us;
    s->work_us += demand_us;
    s->backlog_us = left > 0 ? left : 0;
    s->demand_us = 0;
    /* The product hears of the delay many times a second. */
    for (uint64_t k = 0; k < SHED_STEPS; k++)
        shed_observe(&s->shed, tune, delay_ns(s), now_ns + k * 1000000000ull / SHED_STEPS);
    s->load = shed_load(&s->shed, tune, (uint32_t)(LOAD_JOBS * (busy < 1 ? busy : 1)), LOAD_JOBS);
}

bool server_is_overloaded(const struct server *s, const struct shed_tune *tune)
{
    return shed_refuses(&s->shed, tune, &(struct shed_query){.jobs_max = LOAD_JOBS}) != 0;
}
