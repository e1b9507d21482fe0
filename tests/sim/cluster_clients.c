#include <assert.h>
#include <string.h>

#include "tests/sim/cluster_parts.h"

/* ---- requests ---- */

/* Clients are led away from a node that leaves before it does, and back when it serves. Nobody
 * leads them when it crashes. */
static bool is_entry(const struct sim *s, uint32_t node)
{
    const struct node_front *f = &s->weather.node[node];
    bool is_leaving = f->doing != FRONT_NONE && f->doing != FRONT_SLOW;
    return cluster_is_up(&s->cluster, node) && !is_leaving;
}

static uint32_t pick_entry(struct sim *s)
{
    for (;;) {
        uint32_t node = below(s->nodes);
        if (is_entry(s, node))
            return node;
    }
}

static bool is_pass(const struct sim *s)
{
    return s->phase == PHASE_FIRST_PASS || s->phase == PHASE_LAST_PASS;
}

static bool is_burst(const struct sim *s)
{
    return s->phase == PHASE_LOAD && sim_now_ns < s->weather.burst_until_ns;
}

static uint32_t pick_script(struct sim *s)
{
    if (is_pass(s))
        return s->pass++;
    if (s->is_deadly && chance(10))
        return KILLER;
    return is_burst(s) && s->weather.burst_script < SCRIPTS ? s->weather.burst_script
                                                            : below(SCRIPTS);
}

static void open_request(struct sim *s, struct caller *c)
{
    struct caller_request q = {
        .host = s->host[c->index], .leave_ns = UINT64_MAX, .method = "GET", .id = s->next_id++};
    struct record *r = &s->record[q.id % RECORDS];
    *r = (struct record){.id = q.id, .entry = pick_entry(s), .opened_ns = sim_now_ns};
    r->entry_lives = s->cluster.node[r->entry].lives;
    r->script = pick_script(s);
    r->handle = s->cluster.node[r->entry].scripts[r->script].handle;
    q.server_ip = s->cluster.node[r->entry].ip;
    bool is_bulky = s->weather.theme == THEME_LOSS, is_hasty = s->weather.theme == THEME_SUSPECTS;
    q.bytes = chance(is_bulky ? 60 : 20) ? below(300000) : below(4000);
    q.answer = ANSWER_GENERATE;
    if (!is_pass(s) && chance(50)) {
        q.answer = ANSWER_ECHO;
        q.method = chance(50) ? "POST" : "PUT";
        q.body_bytes = q.bytes;
    }
    q.crawls = chance(10);
    q.half_closes = chance(10);
    if (!is_pass(s) && chance(is_hasty ? 25 : 5))
        q.leave_ns = sim_now_ns + below(60) * MS;
    r->has_body = q.body_bytes > 0;
    r->may_run_again = strcmp(q.method, "POST") != 0;
    r->is_kept = r->may_run_again && q.body_bytes <= s->cluster.config.tune.optimistic_bytes;
    snprintf(s->host[c->index], sizeof(s->host[c->index]), "s%u.test", r->script);
    s->requests++;
    TRACE("request %u: %s s%u (home %u) at node %u, %u bytes%s%s", q.id, q.method, r->script,
          cluster_home(&s->cluster, r->script), r->entry, q.bytes, q.crawls ? ", crawling" : "",
          q.half_closes ? ", half-closing" : "");
    caller_open(&s->callers, c, &q);
}

static bool has_more(const struct sim *s)
{
    switch (s->phase) {
    case PHASE_FIRST_PASS:
    case PHASE_LAST_PASS:
        return s->pass < SCRIPTS;
    case PHASE_LOAD:
        return s->load_until_ns ? sim_now_ns < s->load_until_ns : s->requests < s->quota;
    case PHASE_CLEAR_UP:
        return !weather_is_over(s);
    default:
        return false;
    }
}

/* Between two requests of a caller; little happens while the last node works off what it has. */
static uint64_t thinks_ns(const struct sim *s)
{
    if (is_pass(s) || is_burst(s))
        return 0;
    if (s->is_deadly) /* the load lasts for several of its cells */
        return below(200000) * 1000ull;
    return below(s->phase == PHASE_LOAD ? 2000 : 400000) * 1000ull;
}

void clients_open_some(struct sim *s)
{
    uint32_t callers = is_burst(s) ? CALLERS : CALLERS_USUAL;
    for (uint32_t i = 0; i < callers; i++) {
        if (s->caller[i].is_open || !has_more(s) || sim_now_ns < s->opens_ns[i])
            continue;
        open_request(s, &s->caller[i]);
        s->opens_ns[i] = sim_now_ns + thinks_ns(s);
    }
}

/* ---- their station ---- */

void clients_start(struct sim *s)
{
    station_init(&s->station, sim_switch_plug(s->cluster.net, station_mac, s->faults),
                 s->cluster.config.mtu, 8192);
    s->callers = (struct callers){.station = &s->station,
                                  .patience_ns = 15ull * 1000000000,
                                  .last_port = 10000,
                                  .done = books_on_done,
                                  .arg = s};
    for (uint32_t i = 0; i < CALLERS; i++)
        s->caller[i].index = i;
}

static struct tcp *find(void *arg, uint16_t port)
{
    struct sim *s = arg;
    for (uint32_t i = 0; i < CALLERS; i++) {
        if (s->caller[i].is_open && s->caller[i].port == port)
            return &s->caller[i].tcp;
    }
    return NULL;
}

void clients_work(struct sim *s)
{
    station_input(&s->station, find, s);
    for (uint32_t i = 0; i < CALLERS; i++)
        caller_work(&s->callers, &s->caller[i]);
    tx_flush(&s->station.tx);
}

bool clients_are_quiet(const struct sim *s)
{
    for (uint32_t i = 0; i < CALLERS; i++) {
        if (s->caller[i].is_open)
            return false;
    }
    return true;
}

uint64_t clients_next_ns(const struct sim *s)
{
    uint64_t next = UINT64_MAX;
    bool waits = has_more(s); /* to make another request */
    for (uint32_t i = 0; i < CALLERS; i++) {
        bool opens = waits && i < CALLERS_USUAL && !s->caller[i].is_open;
        uint64_t at = opens ? s->opens_ns[i] : caller_next_ns(&s->callers, &s->caller[i]);
        if (at < next)
            next = at;
    }
    return next;
}

void clients_end(struct sim *s)
{
    station_fini(&s->station);
}
