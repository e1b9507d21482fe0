#include <string.h>

#include "tests/sim/cluster_parts.h"

/* That version or a newer one; and a node that has said for long enough that it drains is nobody's home. */
static void check_place(const struct sim *s, const struct model_runtime *m, uint32_t id,
                        uint64_t handle)
{
    const struct record *r = &s->record[id];
    uint32_t at = cluster_node_of(&s->cluster, m);
    uint64_t since_ns = s->cluster.node[at].state_since_ns;
    CHECK(handle >= r->handle, "request %u wants version %lu, and gets %lu", id,
          (unsigned long)r->handle, (unsigned long)handle);
    CHECK(at == r->entry || cluster_state(&s->cluster, at) != NODE_DRAINING ||
              r->opened_ns < since_ns + DETECT_MS * 1000000ull,
          "request %u goes to node %u, which drains", id, at);
}

void books_on_started(void *arg, struct model_runtime *m, uint32_t id, uint32_t depth,
                      uint64_t handle, bool is_cold)
{
    struct sim *s = arg;
    CHECK(id > 0 && id < s->next_id, "a request %u that nobody made", id);
    struct record *r = &s->record[id];
    r->colds += is_cold;
    if (depth >= MODEL_DEPTH)
        return; /* on the side */
    /* What a dead node had called runs on until its death is known. */
    CHECK(!r->is_answered || (depth > 0 && s->killed_ns), "request %u starts behind its answer",
          id);
    uint32_t starts = ++r->starts[depth];
    TRACE("request %u.%u starts%s (%u)", id, depth, is_cold ? " cold" : "", starts);
    CHECK(starts == 1 || (r->may_run_again && s->killed_ns), "request %u.%u ran %u times", id,
          depth, starts);
    CHECK(depth == 0 || r->starts[depth - 1] > 0, "request %u.%u comes from nowhere", id, depth);
    if (depth == 0)
        check_place(s, m, id, handle);
}
static void check_home(struct sim *s, const struct caller *c, const struct record *r)
{
    char home[64] = "", path[16] = "";
    caller_field(c, "x-hearth-home", home, sizeof(home));
    caller_field(c, "x-hearth-path", path, sizeof(path));
    s->forwarded += strcmp(path, "forwarded") == 0;
    s->bounced += strcmp(path, "bounced") == 0;
    if (sim_is_disturbed(s))
        return;
    uint32_t right = cluster_home(&s->cluster, r->script);
    CHECK(strcmp(home, s->cluster.member[right].name) == 0, "request %u: home %s, not %s",
          c->request.id, home, s->cluster.member[right].name);
    CHECK(strcmp(path, right == r->entry ? "here" : "forwarded") == 0, "request %u at node %u: %s",
          c->request.id, r->entry, path);
}

/* A node was killed so late that this request can have been on it. */
static bool saw_death(const struct sim *s, const struct record *r)
{
    return s->killed_ns && r->opened_ns < s->killed_ns + DETECT_MS * 1000000ull;
}

/* The node that it entered was overloaded too, or a little before: nobody was left to run it. */
static bool saw_stall(const struct sim *s, const struct record *r)
{
    const struct model_runtime *m =
        &s->cluster.node[r->entry].runtime[sim_runtime_of(s, r->script)];
    return s->has_overload && m->stalled_until_ns + OVERLOAD_ECHO_MS * 1000000ull > r->opened_ns;
}

/* What a script called was refused behind the head: it can only fail. */
static bool has_relay_trouble(const struct sim *s)
{
    return s->cluster.config.relays && (s->is_small || s->is_short);
}

void books_on_done(void *arg, struct caller *c, enum caller_end how)
{
    struct sim *s = arg;
    uint32_t id = c->request.id;
    struct record *r = &s->record[id];
    r->is_answered = how == CALLER_ANSWERED;
    s->ends[how]++;
    TRACE("request %u: %s %d, %u bytes", id,
          (const char *[]){"answered", "cut", "lost", "stuck", "left"}[how], c->status, c->body_at);
    bool entry_died =
        s->cluster.node[r->entry].lives != r->entry_lives || !cluster_is_up(&s->cluster, r->entry);
    if (how == CALLER_LEFT || entry_died)
        return;
    bool may_be_cut = how == CALLER_CUT && (saw_death(s, r) || s->is_short || has_relay_trouble(s));
    CHECK(how == CALLER_ANSWERED || may_be_cut || (how == CALLER_LOST && s->is_short),
          "request %u at node %u ends %s after %u bytes", id, r->entry,
          how == CALLER_CUT    ? "in the middle"
          : how == CALLER_LOST ? "without an answer"
                               : "never",
          c->body_at);
    if (how != CALLER_ANSWERED)
        return;
    s->by_status[c->status / 100]++;
    switch (c->status) {
    case 200:
        CHECK(c->body_at == c->request.bytes, "request %u: %u bytes, not %u", id, c->body_at,
              c->request.bytes);
        CHECK(r->starts[0] >= 1, "request %u was answered by nobody", id);
        check_home(s, c, r);
        return;
    case 502:
        CHECK((saw_death(s, r) && !r->is_kept) || s->is_short, "request %u: 502", id);
        return;
    case 503:
        CHECK(saw_stall(s, r) || s->is_small || s->is_short ||
                  (s->cluster.config.relays && (s->has_overload || saw_death(s, r))),
              "request %u: 503", id);
        return;
    default:
        CHECK(false, "request %u: status %d", id, c->status);
    }
}
uint32_t books_cold_starts(const struct sim *s)
{
    uint32_t sum = 0;
    for (uint32_t id = 1; id < s->next_id; id++)
        sum += s->record[id].colds;
    return sum;
}

void books_check(struct sim *s)
{
    struct cluster *c = &s->cluster;
    uint64_t bounced = CLUSTER_COUNT(c, call_bounced), wasted = CLUSTER_COUNT(c, call_wasted_bytes);
    CHECK(wasted <= bounced * c->config.tune.optimistic_bytes, "%lu bytes wasted on %lu bounces",
          (unsigned long)wasted, (unsigned long)bounced);
    CHECK(bounced == 0 || sim_is_disturbed(s), "%lu bounces for nothing", (unsigned long)bounced);
    CHECK(CLUSTER_COUNT(c, rpc_bad_frame) == 0, "a member broke the protocol");
    CHECK(CLUSTER_COUNT(c, rpc_ring_differs) == 0, "equal rings differ");
    uint64_t taken = CLUSTER_COUNT(c, rx_rpc);
    CHECK(taken <= s->datagrams + s->attacker.injected_inits, "%lu datagrams taken, %lu sent",
          (unsigned long)taken, (unsigned long)s->datagrams);
    if (!s->has_kill && !s->has_leave) {
        CHECK(CLUSTER_COUNT(c, rpc_down) == 0, "a channel was lost");
        CHECK(CLUSTER_COUNT(c, capability_forged) == s->attacker.forged,
              "%lu forged capabilities, not %lu",
              (unsigned long)CLUSTER_COUNT(c, capability_forged),
              (unsigned long)s->attacker.forged);
        CHECK(CLUSTER_COUNT(c, capability_expired) == s->attacker.expired, "expired capabilities");
        CHECK(CLUSTER_COUNT(c, capability_spent) == s->attacker.revoked,
              "%lu spent capabilities, not %lu", (unsigned long)CLUSTER_COUNT(c, capability_spent),
              (unsigned long)s->attacker.revoked);
    }
    bool is_plain = !s->has_overload && !s->has_deploys && !s->is_small && !s->is_short;
    if (s->has_leave && is_plain)
        CHECK(books_cold_starts(s) == s->cold_at_load,
              "a planned leave and join cost %u cold starts",
              books_cold_starts(s) - s->cold_at_load);
    CHECK(s->nodes == 1 || s->forwarded > 0 || s->is_small, "nothing was forwarded");
}

void books_report(const struct sim *s, struct cluster_report *report)
{
    const struct cluster *c = &s->cluster;
    report->answered += s->by_status[2];
    report->failed += s->by_status[5];
    report->cut += s->ends[CALLER_CUT];
    report->forwarded += s->forwarded;
    report->bounced += s->bounced;
    report->bounces += CLUSTER_COUNT(c, call_bounced);
    report->rerun += CLUSTER_COUNT(c, job_rerun);
    report->handed += CLUSTER_COUNT(c, handover_taken);
    report->lost_packets += CLUSTER_COUNT(c, rpc_lost_packets);
    report->datagrams += CLUSTER_COUNT(c, rx_rpc);
    report->injected += s->attacker.injected;
    report->refused_datagrams += CLUSTER_COUNT(c, drop_rpc_bad) + CLUSTER_COUNT(c, drop_rpc_rate) +
                                 CLUSTER_COUNT(c, drop_rpc_auth) +
                                 CLUSTER_COUNT(c, drop_rpc_replay) +
                                 CLUSTER_COUNT(c, drop_rpc_index);
    report->capabilities += s->attacker.forged + s->attacker.expired + s->attacker.revoked;
}
