#include <string.h>

#include "tests/sim/cluster_parts.h"

enum { FULL_MS = 2500 }; /* no longer than that does a call wait for a cell (call.c) */

struct record *books_find(const struct sim *s, uint32_t id)
{
    struct record *r = &s->record[id % RECORDS];
    return r->id == id ? r : NULL;
}

static bool may_be_lost(const struct sim *s, const struct record *r)
{
    return sim_excuses(s, TROUBLE_LOST, r->opened_ns) || killer_has_hit(s, r);
}

/* ---- a job starts ---- */

/* That version or a newer one; and a node that has said for long enough that it drains is nobody's
 * home. */
static void check_place(const struct sim *s, const struct model_runtime *m, const struct record *r,
                        uint64_t handle)
{
    uint32_t at = m->owner;
    uint64_t said_ns = s->cluster.node[at].state_since_ns + DETECT_MS * MS;
    CHECK(handle >= r->handle, "request %u wants version %lu, and gets %lu", r->id,
          (unsigned long)r->handle, (unsigned long)handle);
    CHECK(at == r->entry || cluster_state(&s->cluster, at) != NODE_DRAINING ||
              r->opened_ns < said_ns || sim_excuses(s, TROUBLE_PLACES, r->opened_ns),
          "request %u goes to node %u, which drains", r->id, at);
}

/* Why its cell died is told to who had called it, and so on up to who starts `depth` again: does
 * any of these calls go from one node to another? */
static bool word_leaves_node(const struct record *r, uint32_t depth)
{
    uint32_t starter = depth > 0 ? r->at[depth - 1] : r->entry;
    for (uint32_t i = depth; i <= r->killed_depth; i++) {
        if (r->at[i] != starter)
            return true;
    }
    return false;
}

void books_on_started(void *arg, struct model_runtime *m, uint32_t id, uint32_t depth,
                      uint64_t handle, bool is_cold)
{
    struct sim *s = arg;
    CHECK(id > 0 && id < s->next_id, "a request %u that nobody made", id);
    struct record *r = books_find(s, id);
    killer_on_started(s, m, id, handle);
    s->cold += is_cold;
    if (!r)
        return; /* long ago */
    /* What a dead node had called, or a node that stood still had heard, runs although nobody waits
     * for it. */
    bool is_lost = may_be_lost(s, r);
    bool is_side = depth >= MODEL_DEPTH;
    uint32_t budget = s->cluster.config.subrequests;
    r->subs += is_side || (depth > 0 && r->starts[depth] == 0);
    r->sides += is_side; /* of all times that it ran */
    CHECK(budget == 0 || r->subs - (is_lost ? r->sides : 0) <= budget,
          "request %u makes %u sub-requests, over its budget of %u", id, r->subs, budget);
    if (is_side)
        return;
    CHECK(!r->is_answered || is_lost, "request %u starts behind its answer", id);
    uint32_t starts = ++r->starts[depth];
    TRACE("request %u.%u starts%s (%u)", id, depth, is_cold ? " cold" : "", starts);
    CHECK(starts == 1 || (r->may_run_again && is_lost), "request %u.%u ran %u times", id, depth,
          starts);
    /* Nor does what had called it, unless the word of it was lost with a channel. */
    CHECK(!r->has_killed || depth > r->killed_depth ||
              (weather_may_lose_channels(s) && word_leaves_node(r, depth)),
          "request %u.%u killed a cell, and %u starts again", id, r->killed_depth, depth);
    r->at[depth] = m->owner;
    CHECK(depth > 0 || starts <= RUNS_MAX, "request %u ran %u times", id, starts);
    CHECK(depth == 0 || r->starts[depth - 1] > 0, "request %u.%u comes from nowhere", id, depth);
    if (depth > 0)
        return;
    r->ran_warm |= !is_cold;
    r->ran_waiting |= is_cold;
    check_place(s, m, r, handle);
}

void books_on_suspected(void *arg, struct model_runtime *m, uint32_t id, uint32_t depth)
{
    struct sim *s = arg;
    struct record *r = books_find(s, id);
    s->suspected_ns = sim_now_ns;
    killer_on_suspected(s, m);
    if (!r || depth >= MODEL_DEPTH)
        return;
    r->killed_depth = depth;
    r->has_killed = true;
}

void books_on_refused(void *arg, uint32_t id, uint32_t depth)
{
    struct record *r = books_find(arg, id);
    if (r && depth < MODEL_DEPTH)
        r->refused++;
}

/* A spent cell costs one second run. So it is told who met two, or whose body was not all there. */
static bool may_be_refused(const struct record *r)
{
    return r->refused > 1 || (r->refused > 0 && r->has_body);
}

/* What waits for that script, or calls it, may be refused. */
void books_on_full(void *arg, uint64_t script)
{
    struct sim *s = arg;
    CHECK(s->weather.is_tight, "no room for a cell of %lu", (unsigned long)script);
    weather_trouble(s, TROUBLE_LOAD, sim_now_ns + FULL_MS * MS);
}

/* ---- it is answered ---- */

/* Whichever node it ran on. */
static void check_start(const struct caller *c, const struct record *r)
{
    char start[16] = "";
    caller_field(c, "x-hearth-start", start, sizeof(start));
    bool is_warm = strcmp(start, "warm") == 0;
    CHECK(is_warm || strcmp(start, "warming") == 0 || strcmp(start, "cold") == 0,
          "request %u: start \"%s\"", r->id, start);
    CHECK(is_warm ? r->ran_warm : r->ran_waiting, "request %u is called %s, and did%s wait", r->id,
          start, is_warm ? "" : " not");
}

static void check_home(struct sim *s, const struct caller *c, const struct record *r)
{
    char home[64] = "", path[16] = "", request_id[64] = "";
    const struct weather *w = &s->weather;
    caller_field(c, "x-hearth-home", home, sizeof(home));
    caller_field(c, "x-hearth-path", path, sizeof(path));
    caller_field(c, "x-hearth-request-id", request_id, sizeof(request_id));
    bool is_bounced = strcmp(path, "bounced") == 0;
    s->forwarded += strcmp(path, "forwarded") == 0;
    s->bounced += is_bounced;
    watch_spans(s, r, request_id);
    CHECK(!is_bounced || weather_may_bounce(s), "request %u: bounced for nothing", r->id);
    if (w->is_small || w->is_short || sim_excuses(s, TROUBLE_PLACES, r->opened_ns))
        return;
    if (!cluster_is_member(&s->cluster, r->entry)) /* it has the others that are none */
        return;
    uint32_t right = cluster_home(&s->cluster, r->script);
    CHECK(strcmp(home, s->cluster.member[right].name) == 0, "request %u: home %s, not %s", r->id,
          home, s->cluster.member[right].name);
    if (!w->is_eager && !is_bounced)
        CHECK(strcmp(path, right == r->entry ? "here" : "forwarded") == 0,
              "request %u at node %u: %s", r->id, r->entry, path);
}

/* Its cell where it entered stalled, or a little before: nobody was left to run it. */
static bool saw_stall(struct sim *s, const struct record *r)
{
    struct cluster_node *n = &s->cluster.node[r->entry];
    uint64_t stalled_ns = model_cells_stalled_ns(&n->cells, n->scripts[r->script].handle);
    return stalled_ns + ECHO_MS * MS > r->opened_ns;
}

static bool may_fail(struct sim *s, const struct record *r, int status)
{
    const struct weather *w = &s->weather;
    bool is_lost = may_be_lost(s, r);
    if (status == 503 && (killer_is_refused(s, r) || may_be_refused(r)))
        return true;
    /* Body that is kept to run again goes first when chunks are short. */
    bool is_kept = r->is_kept && !w->is_short && !(w->is_full && r->has_body);
    if (status == 502)
        return is_lost && (!is_kept || r->refused > 0 || r->opened_ns < s->lost_twice_ns ||
                           r->opened_ns < s->suspected_ns);
    bool is_loaded =
        sim_excuses(s, TROUBLE_LOAD, r->opened_ns) || killer_has_hit(s, r) || saw_stall(s, r);
    bool is_relay_lost = s->cluster.config.relays && is_lost;
    /* Whoever was let in is answered by what its script says, however little memory there is: what
     * a script calls may be refused, and then it says so. */
    if (r->starts[0] > 0 && !is_lost && !s->cluster.config.relays)
        return false;
    return status == 503 && (is_loaded || is_relay_lost || w->is_small || w->is_short);
}

static bool may_end(const struct sim *s, const struct record *r, enum caller_end how)
{
    const struct weather *w = &s->weather;
    bool is_lost = may_be_lost(s, r);
    /* What a script called was refused behind the head: it can only fail. */
    bool is_relay_trouble =
        s->cluster.config.relays &&
        (w->is_small || w->is_short || sim_excuses(s, TROUBLE_LOAD, r->opened_ns));
    /* Its SYN was lost, and when it came again the node took nothing new. */
    bool came_late = s->weather.node[r->entry].doing == FRONT_ENDS && r->starts[0] == 0;
    return how == CALLER_ANSWERED || (how == CALLER_LOST && came_late) ||
           (how == CALLER_CUT && (is_lost || is_relay_trouble));
}

void books_on_done(void *arg, struct caller *c, enum caller_end how)
{
    static const char *const ends[] = {"answered", "cut", "lost", "stuck", "left"};
    struct sim *s = arg;
    struct record *r = books_find(s, c->request.id);
    s->ends[how]++;
    TRACE("request %u: %s %d, %u bytes", c->request.id, ends[how], c->status, c->body_at);
    if (!r)
        return;
    r->is_answered = how == CALLER_ANSWERED;
    bool entry_died =
        s->cluster.node[r->entry].lives != r->entry_lives || !cluster_is_up(&s->cluster, r->entry);
    if (how == CALLER_LEFT || entry_died)
        return;
    CHECK(may_end(s, r, how), "request %u at node %u is %s after %u bytes", r->id, r->entry,
          ends[how], c->body_at);
    if (how != CALLER_ANSWERED)
        return;
    s->by_status[c->status / 100]++;
    if (c->status != 200) {
        CHECK(may_fail(s, r, c->status), "request %u: %d", r->id, c->status);
        return;
    }
    CHECK(c->body_at == c->request.bytes, "request %u: %u bytes, not %u", r->id, c->body_at,
          c->request.bytes);
    CHECK(r->starts[0] >= 1, "request %u was answered by nobody", r->id);
    check_start(c, r);
    check_home(s, c, r);
}

/* ---- the end ---- */

static void check_capabilities(const struct sim *s)
{
    const struct cluster *c = &s->cluster;
    const struct attacker *a = &s->attacker;
    static const char *const names[] = {"forged", "expired", "spent", "foreign"};
    uint64_t refused[] = {CLUSTER_COUNT(c, capability_forged), CLUSTER_COUNT(c, capability_expired),
                          CLUSTER_COUNT(c, capability_spent), CLUSTER_COUNT(c, capability_foreign)};
    uint64_t told[] = {a->forged, a->expired, a->revoked, a->foreign};
    for (uint32_t i = 0; i < 4; i++)
        CHECK(refused[i] == told[i], "%lu %s capabilities refused, not %lu",
              (unsigned long)refused[i], names[i], (unsigned long)told[i]);
}

/* Nothing was wrong that can cost a warm cell. */
static bool is_gentle(const struct sim *s)
{
    static const uint8_t kinds[] = {WEATHER_LEAVE, WEATHER_STRIKE, WEATHER_BAD_SINK,
                                    WEATHER_BAD_STREAM};
    const struct weather *w = &s->weather;
    bool has[WEATHERS];
    memcpy(has, w->has, sizeof(has));
    if (s->cluster.config.subrequests < BUDGET_AMPLE) /* calls run where their caller does */
        return false;
    if (s->cluster.config.refused)
        return false;
    for (uint32_t i = 0; i < sizeof(kinds); i++)
        has[kinds[i]] = false;
    for (uint32_t kind = 0; kind < WEATHERS; kind++) {
        if (has[kind])
            return false;
    }
    return !w->is_small && !w->is_short && !w->is_eager && !w->is_tight && !s->is_deadly;
}

void books_check(struct sim *s)
{
    struct cluster *c = &s->cluster;
    uint64_t bounced = CLUSTER_COUNT(c, call_bounced), wasted = CLUSTER_COUNT(c, call_wasted_bytes);
    CHECK(wasted <= bounced * c->config.tune.optimistic_bytes, "%lu bytes wasted on %lu bounces",
          (unsigned long)wasted, (unsigned long)bounced);
    CHECK(bounced == 0 || weather_may_bounce(s), "%lu bounces for nothing", (unsigned long)bounced);
    CHECK(s->weather.is_eager || CLUSTER_COUNT(c, place_widened) == 0,
          "a script widened for nothing");
    CHECK(CLUSTER_COUNT(c, rpc_bad_frame) == 0, "a member broke the protocol");
    CHECK(s->weather.has[WEATHER_CHURN] || CLUSTER_COUNT(c, rpc_ring_differs) == 0,
          "equal rings differ");
    uint64_t taken = CLUSTER_COUNT(c, rx_rpc);
    CHECK(taken <= s->datagrams + s->attacker.injected_inits, "%lu datagrams taken, %lu sent",
          (unsigned long)taken, (unsigned long)s->datagrams);
    if (!weather_may_lose_channels(s)) {
        CHECK(CLUSTER_COUNT(c, rpc_down) == 0, "a channel was lost");
        check_capabilities(s);
    }
    killer_check(s);
    CHECK(!is_gentle(s) || s->cold == s->cold_at_load,
          "a planned leave and join cost %u cold starts", s->cold - s->cold_at_load);
    CHECK(s->nodes == 1 || s->forwarded > 0 || s->weather.is_small, "nothing was forwarded");
}

void books_report(const struct sim *s, struct cluster_report *report)
{
    const struct cluster *c = &s->cluster;
    report->requests += s->requests;
    report->answered += s->by_status[2];
    report->failed += s->by_status[5];
    report->cut += s->ends[CALLER_CUT];
    report->forwarded += s->forwarded;
    report->bounced += s->bounced;
    report->bounces += CLUSTER_COUNT(c, call_bounced);
    report->rerun += CLUSTER_COUNT(c, job_rerun);
    report->handed += CLUSTER_COUNT(c, handover_taken);
    report->hot += CLUSTER_COUNT(c, place_hot);
    report->warming += CLUSTER_COUNT(c, place_warming);
    report->widened += CLUSTER_COUNT(c, place_widened);
    report->demanded += CLUSTER_COUNT(c, warm_demanded);
    report->lost_packets += CLUSTER_COUNT(c, rpc_lost_packets);
    report->datagrams += CLUSTER_COUNT(c, rx_rpc);
    report->injected += s->attacker.injected;
    report->refused_datagrams += CLUSTER_COUNT(c, drop_rpc_bad) + CLUSTER_COUNT(c, drop_rpc_rate) +
                                 CLUSTER_COUNT(c, drop_rpc_auth) +
                                 CLUSTER_COUNT(c, drop_rpc_replay) +
                                 CLUSTER_COUNT(c, drop_rpc_index) +
                                 CLUSTER_COUNT(c, drop_rpc_slot) + CLUSTER_COUNT(c, drop_rpc_seal);
    report->capabilities +=
        s->attacker.forged + s->attacker.expired + s->attacker.revoked + s->attacker.foreign;
    report->spans += s->spans;
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct model_tally *t = &c->node[i].past_tally;
        report->cells += t->cells;
        report->evicted += t->evicted;
        report->grown += t->grown;
        report->fulls += t->fulls;
        report->deaths += t->deaths;
        report->spent += t->refused;
        report->cpu_refused += t->cpu_refused;
        report->wall_refused += t->wall_refused;
        report->sat += t->sat;
    }
    report->costs += s->book->checked;
    report->silences += s->book->silent;
    report->waits += s->book->waited;
    report->held += CLUSTER_COUNT(c, job_held);
    report->lies += CLUSTER_COUNT(c, serve_false);
    report->crashes += s->weather.crashes;
    report->leaves += s->weather.leaves;
    report->partitions += s->weather.partitions;
    report->cuts += s->weather.cuts;
    report->plans += c->plan_count - 1;
    report->virtual_ms += sim_now_ns / MS;
    report->hash = sim_story_hash();
}
