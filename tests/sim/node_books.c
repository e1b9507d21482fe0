#include "dataplane/call/call.h"
#include "dataplane/call/cells.h"
#include "dataplane/call/job_link.h"
#include "tests/sim/node_parts.h"

struct node_record *node_find(struct node *n, uint32_t id)
{
    struct node_record *r = &n->record[id % NODE_RECORDS];
    return r->id == id ? r : NULL;
}

static uint32_t deaths_since(const struct node *n, const struct node_record *r)
{
    return n->script[r->script].deaths - r->deaths;
}

void node_on_started(void *arg, struct model_runtime *m, uint32_t id, uint32_t depth,
                     uint64_t handle, bool is_cold)
{
    struct node *n = arg;
    struct node_record *r = node_find(n, id);
    (void)depth, (void)is_cold;
    TRACE("request %u starts in cell %u", id, m->owner);
    if (!r)
        return;
    r->starts++;
    CHECK(!r->is_answered, "request %u starts behind its answer", id);
    CHECK(!r->has_killed, "request %u ended a cell, and starts again", id);
    CHECK(r->starts == 1 || (r->starts == 2 && !r->is_post && deaths_since(n, r) > 0),
          "request %u of script %u runs %u times", id, r->script, r->starts);
    n->seen.reruns += r->starts > 1;
    if (n->has[NODE_KILLER] && n->phase == NODE_LOAD && r->script == NODE_SCRIPTS - 1 &&
        m->death_ns == UINT64_MAX) {
        m->dies_busy = true;
        m->death_ns = sim_now_ns + below(1500) * 1000ull;
    }
    (void)handle;
}

void node_on_suspected(void *arg, struct model_runtime *m, uint32_t id, uint32_t depth)
{
    struct node *n = arg;
    struct node_record *r = node_find(n, id);
    (void)depth;
    n->seen.suspects++;
    if (!r)
        return;
    r->is_suspect = true;
    r->has_killed = !m->has_lied;
}

void node_on_lost(void *arg, uint64_t handle)
{
    struct node *n = arg;
    n->script[n->script_of[handle]].deaths++;
}

/* ---- answers ---- */

static void check_answer(struct node *n, const struct caller *c, struct node_record *r)
{
    uint32_t deaths = deaths_since(n, r);
    bool is_loaded = r->opened_ns < n->load_ns;
    n->seen.answers += c->status == 200;
    n->seen.refusals += c->status == 503;
    switch (c->status) {
    case 200:
        CHECK(c->body_at == c->request.bytes, "request %u: %u bytes, not %u", r->id, c->body_at,
              c->request.bytes);
        CHECK(r->starts >= 1, "request %u was answered by nobody", r->id);
        break;
    case 502:
        CHECK(r->is_suspect || (deaths > 0 && r->is_post) || deaths > 1, "request %u: 502", r->id);
        break;
    case 503:
        CHECK(is_loaded, "request %u at core %u of script %u: 503", r->id, r->core, r->script);
        break;
    default:
        CHECK(false, "request %u: %d", r->id, c->status);
    }
}

void node_on_done(void *arg, struct caller *c, enum caller_end how)
{
    struct node *n = arg;
    struct node_record *r = node_find(n, c->request.id);
    TRACE("request %u: end %d, status %d", c->request.id, (int)how, c->status);
    n->opens_ns[c->index] = sim_now_ns + below(60) * MS;
    if (!r || how == CALLER_LEFT)
        return;
    CHECK(how == CALLER_ANSWERED || (how == CALLER_CUT && deaths_since(n, r) > 0),
          "request %u of script %u at core %u: end %d after %u bytes", r->id, r->script, r->core,
          (int)how, c->body_at);
    r->is_answered = how == CALLER_ANSWERED;
    if (how == CALLER_ANSWERED)
        check_answer(n, c, r);
}

/* ---- the end ---- */

static void check_core(struct node *n, uint32_t i)
{
    struct core *core = n->core[i];
    CHECK(calls_live(core->calls) == 0, "core %u has calls left", i);
    CHECK(core->conn_count == 0, "core %u has connections left", i);
}

/* What a core knows, and what the supervisor believes that it knows. */
static void check_link(struct node *n, uint32_t number)
{
    const struct cell_link *l = &n->supervise->link[number];
    for (uint32_t i = 0; i < n->cores; i++) {
        const struct job_link *known = cells_at(n->core[i], number);
        bool is_held = l->cell && (l->holders >> i & 1);
        CHECK(is_held == (known->region != NULL), "link %u: core %u %s it", number, i,
              known->region ? "looks at" : "has released");
        CHECK(!known->region || known->region == l->region.map, "link %u is another's", number);
        CHECK(known->live_jobs == 0, "link %u has jobs left on core %u", number, i);
        CHECK(cell_mail_pulse(n->mail[i], number).live == 0, "link %u: core %u counts jobs", number,
              i);
    }
}

static void check_cell(struct node *n, const struct cell *c, uint32_t *alive)
{
    bool is_up = c->state == CELL_SPARE || c->state == CELL_WARM;
    CHECK(c->state == CELL_FREE || is_up, "cell %u is in state %d, and all is quiet", c->index,
          (int)c->state);
    *alive += is_up;
    CHECK(c->live == 0 || cell_jobs(c) == 0, "cell %u has jobs", c->index);
    CHECK(c->is_pooled == (c->state == CELL_WARM), "cell %u and the warm table", c->index);
}

void node_check_end(struct node *n)
{
    const struct supervise *s = n->supervise;
    uint32_t alive = 0, processes = 0, larges = 0;
    uint64_t lies = 0;
    for (uint32_t i = 0; i < n->cores; i++) {
        check_core(n, i);
        lies += n->core[i]->counters.job_bad_message;
    }
    CHECK(lies <= the_host.tally.lies && lies + the_host.tally.unheard >= the_host.tally.lies,
          "%lu lies were heard, of %u", (unsigned long)lies, the_host.tally.lies);
    for (uint32_t i = 0; i < supervise_links(n->config.cells_max, n->config.larges); i++)
        check_link(n, i);
    for (uint32_t i = 0; i < n->config.cells_max; i++) {
        check_cell(n, &s->cell[i], &alive);
        larges += s->cell[i].large != NULL;
    }
    for (uint32_t i = 0; i < HOST_PROCESSES; i++)
        processes += the_host.process[i].pid != 0;
    CHECK(alive == processes, "%u cells, and %u processes", alive, processes);
    CHECK(larges == s->larges, "%u larger regions, and %u are counted", larges, s->larges);
    CHECK(s->count[CELL_SPARE] == n->config.spares, "%u spares, not %u", s->count[CELL_SPARE],
          n->config.spares);
    CHECK(!s->wanted.first, "somebody still waits for a cell");
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++)
        CHECK(!n->script[i].trial && !n->script[i].old, "script %u: a deploy without end", i);
}
