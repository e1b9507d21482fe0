/* One script ends every cell that runs it, for as long as there is load; nothing else is wrong.
 * Each node holds it back as its control thread does: by the real table (control/supervise/hold.h),
 * fed by what a cell says it executed at its end, and told to the core by its world.
 *
 *   START of the killer --> its cell dies --> hold_ended
 *     3rd end --> held: 503, no cell of it --10 s--> again, the next end holds it for 20 s
 *
 * It costs nobody else anything: only its own requests are excused. */
#include "tests/sim/cluster_parts.h"

enum {
    DIES_US = 1500,  /* after the START */
    AGAIN_MS = 1000, /* until what was there then has its answer */
};

static bool is_held(const struct sim *s, uint32_t node)
{
    const struct cluster_node *n = &s->cluster.node[node];
    return n->core && world_holds(&n->world, s->cluster.scripts[KILLER].handle);
}

static void publish(struct sim *s, uint32_t node)
{
    struct cluster_node *n = &s->cluster.node[node];
    const struct hold_table *holds = &s->killer.holds[node];
    n->world.held_count = hold_list(holds, sim_now_ns, n->world.held, NULL);
    n->world.epoch++;
    s->killer.next_ns[node] = hold_next_ns(holds, sim_now_ns);
    TRACE("node %u holds %u scripts", node, n->world.held_count);
}

void killer_init(struct sim *s)
{
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++)
        s->killer.next_ns[i] = UINT64_MAX;
}

/* Home's word counts for who asks it: what it holds back it does not hand back, to end a cell
 * there. */
static void check_place(const struct sim *s, const struct record *r, uint32_t node)
{
    uint32_t home = cluster_home(&s->cluster, KILLER);
    uint64_t since_ns = s->killer.holds[home].hold[0].seen_ns;
    CHECK(!is_held(s, node), "node %u holds the script back, and it starts", node);
    CHECK(!r || !is_held(s, home) || r->opened_ns <= since_ns,
          "node %u holds the script back, and request %u runs at node %u", home, r->id, node);
}

void killer_on_started(struct sim *s, struct model_runtime *m, uint32_t id, uint64_t handle)
{
    uint32_t node = m->owner;
    if (!s->is_deadly || handle != s->cluster.scripts[KILLER].handle)
        return;
    check_place(s, books_find(s, id), node);
    if (s->phase != PHASE_LOAD || m->death_ns != UINT64_MAX)
        return;
    m->dies_busy = true;
    m->death_ns = sim_now_ns + below(DIES_US) * 1000ull;
    s->killer.hit_ns = m->death_ns + AGAIN_MS * MS;
}

bool killer_has_hit(const struct sim *s, const struct record *r)
{
    return s->is_deadly && r->script == KILLER && r->opened_ns < s->killer.hit_ns;
}

void killer_on_suspected(struct sim *s, const struct model_runtime *m)
{
    uint32_t node = m->owner;
    uint64_t script = m->handle;
    if (!s->is_deadly)
        return;
    CHECK(script == s->cluster.scripts[KILLER].handle, "script %lu ended its cell",
          (unsigned long)script);
    const struct hold *h = hold_ended(&s->killer.holds[node], script, sim_now_ns);
    s->killer.ends[node]++;
    s->killer.helds += h->until_ns > sim_now_ns;
    publish(s, node);
}

void killer_run(struct sim *s)
{
    for (uint32_t i = 0; s->is_deadly && i < s->nodes; i++) {
        if (sim_now_ns >= s->killer.next_ns[i])
            publish(s, i);
    }
}

uint64_t killer_next_ns(const struct sim *s)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; s->is_deadly && i < s->nodes; i++)
        next = s->killer.next_ns[i] < next ? s->killer.next_ns[i] : next;
    return next;
}

bool killer_is_over(const struct sim *s)
{
    return killer_next_ns(s) == UINT64_MAX;
}

bool killer_is_refused(const struct sim *s, const struct record *r)
{
    if (!s->is_deadly || r->script != KILLER)
        return false;
    for (uint32_t i = 0; i < s->nodes; i++) {
        if (s->killer.holds[i].hold[0].until_ns > r->opened_ns)
            return true;
    }
    return false;
}

/* Three ends are free, each further one comes after a pause: whoever asks, and how often. */
void killer_check(const struct sim *s)
{
    uint64_t load_s = s->is_deadly ? (sim_now_ns - s->load_ns) / 1000000000 : 0;
    uint32_t ends_max = HOLD_ENDS;
    for (uint64_t pause_s = HOLD_FIRST_S; pause_s <= load_s; pause_s += pause_s + HOLD_FIRST_S)
        ends_max++;
    for (uint32_t i = 0; s->is_deadly && i < s->nodes; i++)
        CHECK(s->killer.ends[i] <= ends_max, "the script ended %u cells of node %u in %lu s",
              s->killer.ends[i], i, (unsigned long)load_s);
    CHECK(!s->is_deadly || CLUSTER_COUNT(&s->cluster, job_no_cell) == 0,
          "a call waited for a cell that does not come while its script is held back");
    CHECK(!s->is_deadly || (s->killer.helds > 0) == (CLUSTER_COUNT(&s->cluster, job_held) > 0),
          "held back %u times, and refused %lu times", s->killer.helds,
          (unsigned long)CLUSTER_COUNT(&s->cluster, job_held));
}
