#include <string.h>
#include <unistd.h>

#include "tests/sim/node_parts.h"

static const char *const names[NODE_WEATHERS] = {
#define NODE_WEATHER_NAME(name, text, percent) text,
    NODE_WEATHER(NODE_WEATHER_NAME)
#undef NODE_WEATHER_NAME
};

static const uint8_t percents[NODE_WEATHERS] = {
#define NODE_WEATHER_PERCENT(name, text, percent) percent,
    NODE_WEATHER(NODE_WEATHER_PERCENT)
#undef NODE_WEATHER_PERCENT
};

enum { AWAY_MS = 3500 /* a zygote that ends is back, with what its backoff adds */ };

static uint64_t soon_ns(uint32_t from_ms, uint32_t to_ms)
{
    return sim_now_ns + (from_ms + below(to_ms - from_ms)) * MS;
}

void node_weather_draw(struct node *n)
{
    bool is_calm = chance(15);
    uint32_t only = chance(30) ? below(NODE_WEATHERS) : NODE_WEATHERS;
    for (uint32_t i = 0; i < NODE_WEATHERS; i++) {
        bool is_drawn = chance(percents[i]);
        n->has[i] = !is_calm && (only < NODE_WEATHERS ? only == i : is_drawn);
        if (n->has[i])
            TRACE("in store: %s", names[i]);
    }
    n->is_tight = chance(30);
}

void node_weather_begin(struct node *n)
{
    for (uint32_t i = 0; i < NODE_WEATHERS; i++)
        n->next_ns[i] = n->has[i] ? soon_ns(0, 500) : UINT64_MAX;
    the_host.weather.stubborn_percent = n->has[NODE_STUBBORN] ? 40 : 0;
    the_host.weather.larger_late_ns = chance(50) ? 600 * MS : 0;
    if (n->has[NODE_MEMORY])
        the_host.weather.bytes = 24 << 20;
}

/* ---- one gust of each ---- */

static void on_cell(struct node *n, enum node_weather_kind kind)
{
    struct host_process *p = host_pick();
    if (!p || p->runtime->death_ns != UINT64_MAX)
        return;
    TRACE("process %d of cell %u: %s", p->pid, p->index, names[kind]);
    switch (kind) {
    case NODE_DEATH:
        p->runtime->dies_busy = chance(50);
        p->runtime->death_ns = sim_now_ns + below(20) * MS;
        node_excuse(n, sim_now_ns + 500 * MS);
        break;
    case NODE_SPOILED:
        n->seen.spoils++;
        host_say(p, "{\"type\":\"spoiled\",\"why\":\"a strike\",\"serves\":true}");
        break;
    case NODE_SPENT:
        n->seen.spents++;
        p->runtime->is_spent = true;
        host_say(p, "{\"type\":\"spoiled\",\"why\":\"memory\",\"serves\":false}");
        node_excuse(n, sim_now_ns + NODE_FULL_MS * MS);
        break;
    case NODE_HANG:
        n->seen.hangs++;
        p->runtime->stalled_until_ns = UINT64_MAX;
        node_excuse(n, sim_now_ns + (n->config.hang_ms + 3000) * MS);
        break;
    case NODE_LIE:
        p->runtime->lie_ns = sim_now_ns;
        node_excuse(n, sim_now_ns + 500 * MS);
        break;
    default:
        break;
    }
}

static void stand_still(struct node *n, bool is_control)
{
    uint64_t until_ns = soon_ns(5, 400);
    uint32_t core = below(n->cores);
    TRACE("%s %u stands still until %.3f ms", is_control ? "control" : "core", core,
          (double)until_ns / 1e6);
    *(is_control ? &n->control_ns : &n->core_ns[core]) = until_ns;
    node_excuse(n, until_ns + 1000 * MS);
}

static void crowd(struct node *n, bool is_for_one)
{
    n->burst_until_ns = soon_ns(20, is_for_one ? 200 : 100);
    n->burst_script = is_for_one ? below(NODE_SCRIPTS - 1) : NODE_SCRIPTS;
    node_excuse(n, n->burst_until_ns + NODE_FULL_MS * MS);
    if (!is_for_one)
        return;
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) { /* so that they pile up */
        struct host_process *p = &the_host.process[i];
        if (p->is_told && !p->has_ended && sim_now_ns >= p->runtime->stalled_until_ns &&
            p->runtime->handle == n->script[n->burst_script].current->handle)
            p->runtime->stalled_until_ns = soon_ns(10, 60);
    }
}

struct script *node_new_version(struct node *n, uint32_t script)
{
    json_t *manifest =
        json_pack("{s:s, s:s, s:[]}", "name", n->scripts[script].name, "main", "m.js", "modules");
    struct script *s = catalog_add(&n->catalog, manifest, dup(n->null_fd), "0123456789abcdef", 0);
    CHECK(s && s->handle < NODE_HANDLES, "no memory for another version");
    n->script_of[s->handle] = (uint8_t)script;
    return s;
}

static void deploy(struct node *n)
{
    struct node_script *s = &n->script[below(NODE_SCRIPTS)];
    if (s->trial || s->old)
        return;
    s->trial = node_new_version(n, (uint32_t)(s - n->script));
    s->is_tried = s->is_bad = false;
    s->tried_ns = sim_now_ns;
    n->seen.deploys++;
    TRACE("script %u is tried as %lu", (uint32_t)(s - n->script), (unsigned long)s->trial->handle);
    supervise_try(n->supervise, s->trial, chance(50));
}

/* Returns how long until the next one, about. */
static uint32_t gust(struct node *n, enum node_weather_kind kind)
{
    switch (kind) {
    case NODE_STARTING:
        the_host.weather.starting_percent = the_host.weather.starting_percent ? 0 : 40;
        node_excuse(n, sim_now_ns + (600 + NODE_FULL_MS) * MS);
        return 400;
    case NODE_ZYGOTE:
        n->seen.zygote_ends += host_end_zygote();
        if (chance(30))
            the_host.weather.zygotes_fail_ns = soon_ns(50, 600);
        node_excuse(n, sim_now_ns + (AWAY_MS + NODE_FULL_MS) * MS);
        return 1500;
    case NODE_RENEW:
        n->seen.renewals++;
        supervise_renew(n->supervise, "the weather");
        return 500;
    case NODE_FORKS:
        the_host.weather.forks_fail_ns = soon_ns(1, 400);
        node_excuse(n, sim_now_ns + (AWAY_MS + NODE_FULL_MS) * MS);
        return 1500;
    case NODE_CROWD:
    case NODE_BUSY:
        crowd(n, kind == NODE_BUSY);
        return 700;
    case NODE_CORE:
    case NODE_CONTROL:
        stand_still(n, kind == NODE_CONTROL);
        return 500;
    case NODE_DEPLOY:
        deploy(n);
        return 200;
    case NODE_STUBBORN:
    case NODE_MEMORY:
    case NODE_KILLER:
    case NODE_WEATHERS:
        return 10000;
    default:
        on_cell(n, kind);
        return 250;
    }
}

void node_weather_run(struct node *n)
{
    for (uint32_t kind = 0; kind < NODE_WEATHERS; kind++) {
        if (sim_now_ns < n->next_ns[kind])
            continue;
        uint32_t mean_ms = gust(n, kind);
        n->next_ns[kind] = soon_ns(mean_ms / 2, mean_ms + mean_ms / 2);
    }
}

uint64_t node_weather_next_ns(const struct node *n)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t kind = 0; n->phase == NODE_LOAD && kind < NODE_WEATHERS; kind++)
        next = n->next_ns[kind] < next ? n->next_ns[kind] : next;
    return next;
}

void node_weather_end(struct node *n)
{
    struct host_weather *w = &the_host.weather;
    n->burst_until_ns = 0;
    w->forks_fail_ns = w->zygotes_fail_ns = w->larger_late_ns = 0;
    w->stubborn_percent = w->starting_percent = 0;
}

/* ---- deploys: tried, current, and the old one goes when no core routes to it ---- */

static void adopt(struct node *n, uint32_t i)
{
    struct node_script *s = &n->script[i];
    catalog_adopt(&n->catalog, s->trial);
    s->old = s->current;
    s->current = s->trial;
    s->trial = NULL;
    n->scripts[i].handle = s->current->handle;
    s->old_epoch = ++n->world.epoch;
    TRACE("script %u is %lu now", i, (unsigned long)s->current->handle);
}

void node_deploys_run(struct node *n)
{
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++) {
        struct node_script *s = &n->script[i];
        if (s->trial && s->is_tried && !s->old) {
            if (s->is_bad)
                script_release(s->trial);
            else
                adopt(n, i);
            s->trial = NULL;
        }
        bool is_followed = s->old != NULL;
        for (uint32_t k = 0; k < n->cores; k++)
            is_followed &= n->core[k]->world_epoch >= s->old_epoch;
        if (!is_followed)
            continue;
        struct script *old = s->old;
        s->old = NULL;
        script_release(old);
    }
}
